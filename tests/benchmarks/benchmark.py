"""How fast argdask is against the loop that it replaces: ratios within one run.

Run it with ``python tests/benchmarks/benchmark.py [--json FILE] [--quick]``. Nothing in
it passes or fails: machines are noisy, so every line is a ratio of two measurements,
taken one after the other and repeated, the best of each.

The loop is what people write today: one astropy ``Sersic2D`` image after the other, all
images times all fluxes by broadcasting, both cubes saved with ``np.save``. Its numbers
are float64, as astropy's are; the same with a conversion to float32 is shown beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import galsim
import numpy as np
from astropy.modeling.models import Sersic2D
from measuring import best
from numpy.typing import NDArray

import argdask as ad
from argdask.catalogue import Columns
from argdask.rendering import render_stamps
from argdask.simulation import Simulation
from argdask.store.pieces import chunks_of_images
from argdask.store.plan import plan_of
from argdask.store.work import initialise, make_piece


@dataclass
class Result:
    """One comparison."""

    name: str
    loop: float
    """Microseconds a galaxy, or seconds or bytes where the name says so."""
    argdask: float
    ratio: float
    wanted: str


def astropy_stamps(
    recipe: ad.Recipe, columns: Columns, count: int
) -> NDArray[np.float64]:
    """Render galaxies one by one, as the loop does."""
    height, width = recipe.image_shape
    y, x = np.mgrid[:height, :width]
    images = np.empty((count, height, width))
    for i in range(count):
        model = Sersic2D(
            amplitude=1.0,
            r_eff=columns["half_light_radius"][i] / recipe.pixel_scale,
            n=columns["sersic_index"][i],
            x_0=(width - 1) / 2,
            y_0=(height - 1) / 2,
            ellip=1 - columns["axis_ratio"][i],
            theta=np.deg2rad(columns["position_angle"][i] + 90),
        )
        images[i] = model(x, y)
    return images


def galsim_stamps(recipe: ad.Recipe, columns: Columns, count: int) -> None:
    """Draw galaxies one by one with GalSim, integrated over pixels."""
    height, width = recipe.image_shape
    for i in range(count):
        ratio = columns["axis_ratio"][i]
        radius = columns["half_light_radius"][i] / recipe.pixel_scale
        profile = galsim.Sersic(
            # GalSim's range of n is narrower.
            n=float(np.clip(columns["sersic_index"][i], 0.3, 6.2)),
            half_light_radius=radius * np.sqrt(ratio),
        ).shear(q=ratio, beta=(columns["position_angle"][i] + 90) * galsim.degrees)
        profile.drawImage(nx=width, ny=height, scale=1.0, method="auto")


def loop_cubes(
    images: NDArray[np.float64], columns: Columns
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Multiply by broadcasting and scale, as the loop does."""
    count = len(images)
    inputs = images[..., None] * columns["flux_in"][:count, None, None, :]
    targets = images[..., None] * columns["flux_out"][:count, None, None, :]
    scale = 10000 / inputs.max()
    inputs *= scale
    targets *= scale
    return inputs, targets


def synced_save(path: Path, array: NDArray[np.generic]) -> None:
    """Save an array and wait until it is on the disk."""
    with path.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())


def peak_memory(galaxies: int, folder: Path) -> int:
    """Return the largest resident size of a process that writes a store [bytes]."""
    # The kernel's own mark; getrusage would count what this process held at the fork.
    code = (
        "import sys, re, pathlib, argdask as ad;"
        "ad.write(ad.Recipe(galaxies=int(sys.argv[1])), sys.argv[2]);"
        "status = pathlib.Path('/proc/self/status').read_text();"
        "print(1024 * int(re.search(r'VmHWM:\\s*(\\d+)', status)[1]))"
    )
    store = folder / f"memory-{galaxies}.zarr"
    command = [sys.executable, "-c", code, str(galaxies), str(store)]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    shutil.rmtree(store)
    return int(output.stdout)


def rendering(simulation: Simulation, columns: Columns, count: int) -> list[Result]:
    """Compare rendering alone."""
    recipe = simulation.recipe
    centre = ad.Recipe(galaxies=recipe.galaxies, sampling="centre")
    few = count // 8
    loop = best(lambda: astropy_stamps(recipe, columns, few), 3) / few
    drawn = best(lambda: galsim_stamps(recipe, columns, 16), 1) / 16
    memory = render_stamps(recipe, columns)
    pixel = best(lambda: render_stamps(recipe, columns, memory)) / count
    render_stamps(centre, columns, memory)
    middle = best(lambda: render_stamps(centre, columns, memory)) / count
    return [
        Result("render, centre", loop * 1e6, middle * 1e6, loop / middle, ">= 40"),
        Result("render, pixel", loop * 1e6, pixel * 1e6, loop / pixel, ">= 10"),
        Result(
            "render, pixel, against GalSim",
            drawn * 1e6,
            pixel * 1e6,
            drawn / pixel,
            "reported",
        ),
    ]


def pairs_in_memory(
    simulation: Simulation, columns: Columns, count: int
) -> list[Result]:
    """Compare both cubes of all galaxies, in memory."""
    images = astropy_stamps(simulation.recipe, columns, count // 8)
    render = best(lambda: astropy_stamps(simulation.recipe, columns, count // 8), 3)
    broadcast = best(lambda: loop_cubes(images, columns), 3)
    loop = (render + broadcast) / len(images)
    ids = np.arange(count)
    ours = best(lambda: simulation.make(ids, simulation.images)) / count
    return [Result("pairs in memory", loop * 1e6, ours * 1e6, loop / ours, ">= 8")]


def to_disk(
    simulation: Simulation, columns: Columns, count: int, folder: Path
) -> list[Result]:
    """Compare stores on disk, both sides synced, and the write phase with raw bytes."""
    store = folder / "pairs.zarr"
    plan = plan_of(simulation)
    initialise(store, simulation, plan)
    make_piece(store, plan.fingerprint, "part", 0)  # opens the store, compiles

    def our_store() -> None:
        for index in range(plan.parts):
            make_piece(store, plan.fingerprint, "part", index)

    def the_loop(dtype: type) -> None:
        images = astropy_stamps(simulation.recipe, columns, count)
        inputs, targets = loop_cubes(images, columns)
        synced_save(folder / "inputs.npy", inputs.astype(dtype, copy=False))
        synced_save(folder / "targets.npy", targets.astype(dtype, copy=False))

    stamps = simulation.render(columns)
    cube = simulation.image("input", columns, stamps)

    def raw() -> None:
        for name in ("input", "target"):
            with (folder / f"{name}.raw").open("wb", buffering=0) as file:
                file.write(cube.data)
                os.fsync(file.fileno())

    def compute() -> None:
        for index in range(plan.parts):
            rows = np.arange(*plan.rows_of_part(index))
            some = simulation.catalogue.columns(rows)
            part = simulation.render(some)
            for name in simulation.images:
                for _ in chunks_of_images(simulation, plan.chunk, name, some, part):
                    pass

    ours = best(our_store, 3)
    double = best(lambda: the_loop(np.float64), 2)
    single = best(lambda: the_loop(np.float32), 2)
    written = best(raw, 3)
    computed = best(compute, 3)
    phase = max(ours - computed, 0.0)
    return [
        Result(
            "to disk, against float64 np.save",
            double / count * 1e6,
            ours / count * 1e6,
            double / ours,
            ">= 2.5",
        ),
        Result(
            "to disk, against float32 np.save",
            single / count * 1e6,
            ours / count * 1e6,
            single / ours,
            "reported",
        ),
        Result(
            "write phase over raw write of the bytes",
            written / count * 1e6,
            phase / count * 1e6,
            phase / written,
            "<= 2",
        ),
    ]


def memory(folder: Path, most: int) -> list[Result]:
    """Compare the peak memory of a small and a large set."""
    small, large = peak_memory(1000, folder), peak_memory(most, folder)
    return [
        Result(
            f"peak memory of 1000 and {most} galaxies [MB]",
            small / 1e6,
            large / 1e6,
            large / small,
            "< 1500 MB, ~1",
        )
    ]


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--quick", action="store_true", help="small sets only")
    options = parser.parse_args()
    count = 256 if options.quick else 1024
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    simulation = Simulation(ad.Recipe(galaxies=count), ad.default_seds())
    columns = simulation.catalogue.columns(np.arange(count))
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        results = [
            *rendering(simulation, columns, count),
            *pairs_in_memory(simulation, columns, count),
            *to_disk(simulation, columns, count, folder),
            *memory(folder, 2000 if options.quick else 20000),
        ]
    print(f"{'per core':44} {'loop':>10} {'argdask':>10} {'ratio':>7}  wanted")
    for result in results:
        print(
            f"{result.name:44} {result.loop:10.1f} {result.argdask:10.1f} "
            f"{result.ratio:7.2f}  {result.wanted}"
        )
    if options.json:
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        text = {"results": [asdict(r) for r in results], **machine}
        options.json.write_text(json.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    main()
