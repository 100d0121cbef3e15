"""What a pair costs on one core as sets, stamps and filters grow.

Pairs are streamed from a recipe by `ad.batches` without a thread. The loop is astropy's
with numpy's broadcast, for as many galaxies as it can hold in memory.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from loops import astropy_stamps, loop_cubes
from measuring import Curve, Measured, main, on_one_core

import argdask as ad
from argdask.simulation import Simulation

__all__ = ["measure"]

TITLE = "Cost of a pair as sets grow, per core"
_COST = "processor time [µs per pair]"


def streamed(recipe: ad.Recipe, seds: xr.DataArray) -> float:
    """Return what a pair of a stream costs [µs]."""
    ad.simulate(recipe, seds, [0])  # finds the scale
    began = time.process_time()
    deque(ad.batches(recipe, seds=seds, prefetch=0), maxlen=0)
    return 1e6 * (time.process_time() - began) / recipe.galaxies


def looped(recipe: ad.Recipe, seds: xr.DataArray, count: int) -> float:
    """Return what a pair of the loop costs [µs]."""
    columns = Simulation(recipe, seds).catalogue.columns(np.arange(count))
    began = time.process_time()
    loop_cubes(astropy_stamps(recipe, columns), columns)
    return 1e6 * (time.process_time() - began) / count


def differing(recipe: ad.Recipe, seds: xr.DataArray) -> int:
    """Return how many pixels of a first batch are not those that `simulate` makes."""
    told: dict[str, Any] = {"prefetch": 0, "shuffle": False, "batch_size": 8}
    batch = next(ad.batches(recipe, seds=seds, **told))
    made = ad.simulate(recipe, seds, batch["galaxy_id"])
    return sum(
        int(np.count_nonzero(made[name].values != batch[name]))
        for name in ("input", "target")
    )


def with_filters(seds: xr.DataArray, number: int) -> xr.DataArray:
    """Return a grid with so many filters: those that there are, again and again."""
    places = np.arange(number) % seds.sizes["filter"]
    grid = seds.isel(filter=places)
    names = [f"{name}_{k}" for k, name in enumerate(grid["filter"].values)]
    return grid.assign_coords(filter=names)


def by_number(measured: Measured, quick: bool, seds: xr.DataArray) -> int:
    """Measure sets of growing numbers."""
    powers: Sequence[int] = (256, 1024) if quick else (10**3, 10**4, 10**5, 10**6)
    ours = []
    for galaxies in powers:
        recipe = ad.Recipe(galaxies=galaxies)
        ours.append((float(galaxies), streamed(recipe, seds)))
    loop = [
        (float(count), looped(ad.Recipe(galaxies=count), seds, count))
        for count in ((64, 128) if quick else (300, 1000, 3000))
    ]
    lines = {"astropy loop and broadcast": loop, "argdask, from a recipe": ours}
    title = "60 x 60 pixels, 9 filters"
    curve = Curve("galaxies", title, "galaxies in the set", _COST, lines)
    measured.curves.append(curve)
    ratio = ours[-1][1] / ours[0][1]
    name = f"cost of a pair, of {powers[-1]:,} over of {powers[0]:,}"
    measured.value(name, ratio, "", "<= 1.1")
    return differing(ad.Recipe(galaxies=powers[-1]), seds)


def by_side(measured: Measured, quick: bool, seds: xr.DataArray) -> int:
    """Measure stamps of growing sides."""
    ours, loop, wrong = [], [], 0
    for side in (30, 60, 120, 240):
        galaxies = max((256 if quick else 4096) * 60**2 // side**2, 32)
        recipe = ad.Recipe(galaxies=galaxies, image_shape=(side, side))
        ours.append((float(side), streamed(recipe, seds)))
        few = 8 if quick else 32
        loop.append((float(side), looped(recipe, seds, few)))
        wrong += differing(recipe, seds)
    lines = {"astropy loop and broadcast": loop, "argdask, from a recipe": ours}
    x = "side of a stamp [pixel]"
    measured.curves.append(Curve("side", "9 filters", x, _COST, lines))
    return wrong


def by_filters(measured: Measured, quick: bool, seds: xr.DataArray) -> int:
    """Measure cubes of growing numbers of filters."""
    ours, loop, wrong = [], [], 0
    for number in (1, 2, 5, 10, 20, 40):
        grid = with_filters(seds, number)
        recipe = ad.Recipe(galaxies=128 if quick else 2048)
        ours.append((float(number), streamed(recipe, grid)))
        loop.append((float(number), looped(recipe, grid, 8 if quick else 64)))
        wrong += differing(recipe, grid)
    lines = {"astropy loop and broadcast": loop, "argdask, from a recipe": ours}
    curve = Curve("filters", "60 x 60 pixels", "filters", _COST, lines)
    measured.curves.append(curve)
    return wrong


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all curves."""
    del folder  # nothing is written
    on_one_core()
    seds = ad.default_seds()
    streamed(ad.Recipe(galaxies=256), seds)  # compiles
    ways = (by_number, by_side, by_filters)
    wrong = sum(way(measured, quick, seds) for way in ways)
    measured.check("pixels that differ from those of simulate", wrong, 0)


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
