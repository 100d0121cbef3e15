"""How far kernels are from what one core can do at all.

The floor of a kernel is the longer of two times: its bytes at the speed at which memory
that is used again is filled, and its operations at the rate of a product of float32
matrices, which is nearly all fused multiply-adds. Counts are in `counts.py`. No kernel
reaches its floor: polynomials depend on what was computed before, some numbers are
float64, of which half as many fit into a register, and profiles need cells near the
cusp, which are not counted.
"""

from __future__ import annotations

import os

# Before numpy reads it: the rate is that of one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from counts import Count, counts_of
from measuring import Measured, Times, interleaved, main, on_one_core
from observed import NOISY, recipe_of

import argdask as ad
from argdask.convolution import Convolution
from argdask.cubes import multiply
from argdask.psf import Gaussian
from argdask.rendering import render_stamps, stamp_arguments
from argdask.simulation import Simulation

__all__ = ["measure"]

TITLE = "Floors of kernels, per core"
_SIDE = 768  # of matrices
_BATCH = 64  # galaxies, as in a batch: 8 MB of one cube each
_FWHM = 2.0  # pixel


def of_the_machine(measured: Measured, repeats: int) -> tuple[float, float]:
    """Measure bytes and operations per second of this core."""
    a, b = np.random.default_rng(0).random((2, _SIDE, _SIDE), dtype=np.float32)
    product = np.empty_like(a)
    batch = np.empty(_BATCH * 32400, np.float32)
    large = np.empty(2**26, np.float32)
    ways: dict[str, Callable[[], object]] = {
        "product": lambda: np.matmul(a, b, out=product),
        "batch": partial(batch.fill, 1.0),
        "large": partial(large.fill, 1.0),
        "fresh": lambda: np.empty(2**26, np.float32).fill(1.0),
    }
    for way in ways.values():
        way()
    times = interleaved(ways, repeats)
    rate = 2 * _SIDE**3 / min(times["product"])
    speed = {
        way: array.nbytes / min(times[way])
        for way, array in (("batch", batch), ("large", large), ("fresh", large))
    }
    told = f"float32 product of matrices of {_SIDE}, multiplications and additions"
    measured.value(told, rate / 1e9, "10⁹ / s")
    kinds = {
        "batch": f"filling memory used again, {batch.nbytes / 1e6:.0f} MB",
        "large": f"filling memory used again, {large.nbytes / 1e6:.0f} MB",
        "fresh": f"filling fresh memory, {large.nbytes / 1e6:.0f} MB",
    }
    for way, kind in kinds.items():
        measured.value(kind, speed[way] / 1e9, "GB / s")
    return speed["batch"], rate


def of_profiles(repeats: int) -> dict[str, list[float]]:
    """Measure Sersic stamps and the broadcast, seconds a galaxy."""
    recipe = ad.Recipe(galaxies=_BATCH)
    centre = recipe.model_copy(update={"sampling": "centre"})
    simulation = Simulation(recipe, ad.default_seds())
    columns = simulation.catalogue.columns(np.arange(_BATCH))
    stamps = render_stamps(recipe, columns)
    cubes = multiply(stamps, columns["flux_in"])
    # Not through the memory of the stamps that are multiplied.
    memory = np.empty_like(stamps)
    ways: dict[str, Callable[[], object]] = {
        "Sersic at centres": partial(render_stamps, centre, columns, memory),
        "Sersic over pixels": partial(render_stamps, recipe, columns, memory),
        "broadcast to a cube": partial(multiply, stamps, columns["flux_in"], cubes),
    }
    return _each(ways, repeats, _BATCH)


def of_psfs(repeats: int) -> tuple[dict[str, list[float]], tuple[int, int]]:
    """Measure spectra and PSFs, seconds a galaxy, and return the grid."""
    recipe = ad.Recipe(galaxies=_BATCH)
    simulation = Simulation(recipe, ad.default_seds())
    columns = simulation.catalogue.columns(np.arange(_BATCH))
    told = stamp_arguments(recipe, columns)
    rows = {
        name: values
        for name, values in told.items()
        if isinstance(values, np.ndarray) and not name.startswith("asymmetry")
    }
    # Alike, so that one has the grid and the frequencies of nine.
    psfs = [Gaussian(_FWHM * recipe.pixel_scale * (1 + 1e-6 * k)) for k in range(9)]
    ways: dict[str, Callable[[], object]] = {}
    for number in (1, 9):
        shape, scale = recipe.image_shape, recipe.pixel_scale
        convolution = Convolution(psfs[:number], shape=shape, pixel_scale=scale)
        memory = convolution.sersic(rows)
        ways[str(number)] = partial(convolution.sersic, rows, memory)
    each = _each(ways, repeats, _BATCH)
    one = [(nine - only) / 8 for only, nine in zip(each["1"], each["9"], strict=True)]
    spectrum = [only - psf for only, psf in zip(each["1"], one, strict=True)]
    return {"spectrum of a galaxy": spectrum, "one PSF and back": one}, convolution.grid


def of_noise(repeats: int) -> dict[str, list[float]]:
    """Measure noise of both kinds, seconds a cube."""
    seds = ad.default_seds()
    ways: dict[str, Callable[[], object]] = {}
    for kind, told in (("normal", "normal"), ("poisson", "counted")):
        simulation = Simulation(recipe_of(_BATCH, seds, kind), seds)
        columns = simulation.columns(np.arange(_BATCH))
        stamps = simulation.render(columns, NOISY[:1])
        memory = simulation.image("input_noisy", columns, stamps)
        for layer in ("convolved", "noisy"):
            ways[f"{layer}, {told}"] = partial(
                simulation.image, f"input_{layer}", columns, stamps, memory
            )
    each = _each(ways, repeats, _BATCH)
    return {
        f"noise of a cube, {told}": [
            both - one
            for one, both in zip(
                each[f"convolved, {told}"], each[f"noisy, {told}"], strict=True
            )
        ]
        for told in ("normal", "counted")
    }


def _each(
    ways: dict[str, Callable[[], object]], repeats: int, count: int
) -> dict[str, list[float]]:
    for way in ways.values():
        way()
    times = interleaved(ways, repeats)
    return {name: [one / count for one in found] for name, found in times.items()}


def floor_of(count: Count, speed: float, rate: float) -> float:
    """Return the longer of the times of bytes and of operations [s]."""
    return max(count.bytes / speed, count.operations / rate)


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    del folder  # nothing is written
    on_one_core()
    repeats = 3 if quick else 15
    speed, rate = of_the_machine(measured, repeats)
    found, grid = of_psfs(repeats)
    found = {**of_profiles(repeats), **found, **of_noise(repeats)}
    height, width = ad.Recipe().image_shape
    for name, count in counts_of(height * width, 9, _FWHM, grid).items():
        floor = floor_of(count, speed, rate)
        # A difference of two times may come out below 0 on a busy machine.
        times: Times = {"floor": [floor] * repeats}
        times["ours"] = [max(one, 1e-9) for one in found[name]]
        memory = count.bytes / speed > count.operations / rate
        bound = "bytes" if memory else "operations"
        note = f"{count.bytes / 1e3:.0f} kB, {count.operations / 1e3:.0f} k operations"
        note += f", bound by {bound}"
        measured.cost(f"{name}, over its floor", times, ("floor", "ours"), note=note)


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
