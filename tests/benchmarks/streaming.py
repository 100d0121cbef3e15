"""How fast batches for training come, against other ways to get the same pairs.

Run it with ``python tests/benchmarks/streaming.py [--json FILE] [--quick]``; it needs
the extra ``bench``, and for the training loop ``torch``. Nothing in it passes or fails
but that all ways give the same pairs: every line is a ratio of times within one run,
each the best of several that were measured in turn.

Stores are read from the system's cache, so that what is compared is the work of each
reader and not the disk. xbatcher and plain zarr read in the order of the store, which
is their fastest; argdask shuffles.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import xbatcher
import zarr
from measuring import Row, interleaved, tell
from numpy.typing import NDArray

import argdask as ad
from argdask.simulation import Simulation

BATCH = 64
NAMES = ("input", "target")

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def by_making(simulation: Simulation) -> Iterator[Pair]:
    """Make pairs in new memory."""
    for start in range(0, simulation.recipe.galaxies, BATCH):
        ids = np.arange(start, start + BATCH)
        _, images = simulation.make(ids, NAMES)
        yield images["input"], images["target"]


def by_making_again(simulation: Simulation) -> Iterator[Pair]:
    """Make pairs in the same memory again and again."""
    shape = simulation.recipe.image_shape
    filters = simulation.catalogue.seds.sizes["filter"]
    memory = {name: np.empty((BATCH, *shape, filters), np.float32) for name in NAMES}
    for start in range(0, simulation.recipe.galaxies, BATCH):
        columns = simulation.catalogue.columns(np.arange(start, start + BATCH))
        stamps = simulation.render(columns, NAMES)
        for name in NAMES:
            simulation.image(name, columns, stamps, out=memory[name])
        yield memory["input"], memory["target"]


def by_batches(source: Any, **choices: Any) -> Iterator[Pair]:
    """Stream pairs as argdask does."""
    for batch in ad.batches(source, batch_size=BATCH, **choices):
        yield batch["input"], batch["target"]


def by_xbatcher(store: Path, chunks: Any) -> Iterator[Pair]:
    """Cut batches out of a dataset, with dask or without."""
    pairs = xr.open_zarr(store, chunks=chunks)[list(NAMES)]
    dims = {name: size for name, size in pairs.sizes.items() if name != "galaxy"}
    for batch in xbatcher.BatchGenerator(pairs, {"galaxy": BATCH, **dims}):
        yield batch["input"].values, batch["target"].values


def by_zarr(store: Path) -> Iterator[Pair]:
    """Slice arrays."""
    group = zarr.open_group(store, mode="r")
    arrays: Any = [group[name] for name in NAMES]
    for start in range(0, arrays[0].shape[0], BATCH):
        rows = slice(start, start + BATCH)
        yield arrays[0][rows], arrays[1][rows]


def checked(way: Callable[[], Iterator[Pair]], expected: float) -> None:
    """See that a way gives all pairs: their sum is that of the others."""
    total = sum(
        float(np.sum(cube, dtype=np.float64)) for pair in way() for cube in pair
    )
    # The order of a sum of so many numbers is another one.
    assert abs(total / expected - 1) < 1e-9, f"{total} is not {expected}"


def compare(galaxies: int, folder: Path, repeats: int) -> list[Row]:
    """Measure all ways to get the same pairs."""
    seds = ad.default_seds()
    recipe = ad.Recipe(galaxies=galaxies)
    simulation = Simulation(recipe, seds)
    stores = {}
    for compression in ("none", "lz4"):
        told = ad.Recipe(galaxies=galaxies, layout={"compression": compression})
        stores[compression] = folder / f"{compression}.zarr"
        ad.write(told, stores[compression], seds=seds)
    netcdf = folder / "none.nc"
    ad.write(recipe, netcdf, seds=seds)
    plain, packed = stores["none"], stores["lz4"]
    ways: dict[str, Callable[[], Iterator[Pair]]] = {
        "memory": lambda: by_making(simulation),
        "same memory": lambda: by_making_again(simulation),
        "recipe": lambda: by_batches(recipe, seds=seds),
        "turned": lambda: by_batches(recipe, seds=seds, augment=("flip", "turn")),
        "store": lambda: by_batches(plain),
        "netcdf": lambda: by_batches(netcdf),
        "packed": lambda: by_batches(packed),
        "zarr": lambda: by_zarr(plain),
        "xbatcher": lambda: by_xbatcher(plain, None),
        "xbatcher, dask": lambda: by_xbatcher(plain, {}),
        "xbatcher, packed": lambda: by_xbatcher(packed, None),
    }
    expected = sum(
        float(np.sum(c, dtype=np.float64)) for p in ways["memory"]() for c in p
    )
    for way in ways.values():
        checked(way, expected)

    def drained(way: Callable[[], Iterator[Pair]]) -> Callable[[], None]:
        def drain() -> None:
            for _ in way():
                pass

        return drain

    times = interleaved({name: drained(way) for name, way in ways.items()}, repeats)
    speed = {name: galaxies / seconds for name, seconds in times.items()}
    peer = max(speed["xbatcher"], speed["xbatcher, dask"])

    def row(name: str, theirs: float, ours: str, wanted: str) -> Row:
        return Row(name, theirs, speed[ours], speed[ours] / theirs, wanted)

    return [
        row("recipe, over making in memory", speed["memory"], "recipe", ">= 0.8"),
        row(
            "recipe, over making in the same memory",
            speed["same memory"],
            "recipe",
            "reported",
        ),
        row("recipe, over a store by xbatcher", peer, "recipe", ">= 5"),
        row("recipe, flipped and turned, over the same", peer, "turned", "reported"),
        row("store, over the same by xbatcher", peer, "store", ">= 3"),
        row("store, over the same by plain zarr", speed["zarr"], "store", "reported"),
        row("netCDF store, over a Zarr store by xbatcher", peer, "netcdf", "reported"),
        row(
            "lz4 store, over the same by xbatcher",
            speed["xbatcher, packed"],
            "packed",
            "reported",
        ),
    ]


def training(galaxies: int) -> list[Row]:
    """Measure how long a network waits for its batches."""
    import torch
    from torch import nn

    recipe = ad.Recipe(galaxies=galaxies)
    scaling = ad.Asinh.of(ad.sample_statistics(recipe, galaxies=256))
    dataset = ad.torch_dataset(
        recipe, batch_size=BATCH, channels="first", transform=scaling
    )
    network = nn.Sequential(
        nn.Conv2d(9, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 9, 3, padding=1),
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    waited = worked = 0.0
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        batches = iter(dataset)
        # The first batch is not waited for by a loop that is under way.
        batch = next(batches, None)
        while batch is not None:
            began = time.perf_counter()
            loss = nn.functional.mse_loss(network(batch["input"]), batch["target"])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done = time.perf_counter()
            batch = next(batches, None)
            worked += done - began
            waited += time.perf_counter() - done
    percent = 100 * waited / (waited + worked)
    name = "training loop from a recipe: work, wait [s]; wait [%]"
    return [Row(name, worked, waited, percent, "< 5")]


def main() -> None:
    """Measure, print tables, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--quick", action="store_true", help="small sets only")
    options = parser.parse_args()
    galaxies = 1024 if options.quick else 4096
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        rows = compare(galaxies, Path(name), 2 if options.quick else 5)
    if find_spec("torch"):
        rows += training(512 if options.quick else 2048)
    else:
        print("no PyTorch here: the training loop is left out")
    tell(rows, "pairs per second", options.json)


if __name__ == "__main__":
    main()
