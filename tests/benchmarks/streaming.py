"""How fast batches for training come, against other ways to get the same pairs.

Stores are read from the system's cache, so that what is compared is the work of each
reader and not the disk. xbatcher and plain zarr read in the order of the store, which
is their fastest; argdask shuffles. Its batches are made ahead by one thread, as a user
who chooses nothing has them; all times are on the clock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from measuring import Measured, interleaved, main, peer
from numpy.typing import NDArray
from pairs import again_and_again

import argdask as ad
from argdask.simulation import Simulation

__all__ = ["measure"]

TITLE = "Streaming batches of 64"
BATCH = 64
NAMES = ("input", "target")

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]
Way = Callable[[], Iterator[Pair]]


def by_making(simulation: Simulation) -> Iterator[Pair]:
    """Make pairs in new memory."""
    for start in range(0, simulation.recipe.galaxies, BATCH):
        ids = np.arange(start, start + BATCH)
        _, images = simulation.make(ids, NAMES)
        yield images["input"], images["target"]


def by_batches(source: Any, **choices: Any) -> Iterator[Pair]:
    """Stream pairs as argdask does."""
    for batch in ad.batches(source, batch_size=BATCH, **choices):
        yield batch["input"], batch["target"]


def by_xbatcher(store: Path, chunks: Any) -> Iterator[Pair]:
    """Cut batches out of a dataset, with dask or without."""
    import xbatcher

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


def total_of(way: Way) -> float:
    """Return the sum of all pixels that a way gives."""
    return sum(float(np.sum(cube, dtype=np.float64)) for pair in way() for cube in pair)


def ways_of(recipe: ad.Recipe, seds: xr.DataArray, folder: Path) -> dict[str, Way]:
    """Make stores of a recipe, and return all ways to get its pairs."""
    stores = {}
    for compression in ("none", "lz4"):
        layout = {"compression": compression}
        told = ad.Recipe(galaxies=recipe.galaxies, layout=layout)
        stores[compression] = folder / f"{compression}.zarr"
        ad.write(told, stores[compression], seds=seds)
    netcdf = folder / "none.nc"
    ad.write(recipe, netcdf, seds=seds)
    plain, packed = stores["none"], stores["lz4"]
    simulation = Simulation(recipe, seds)
    ways: dict[str, Way] = {
        "memory": partial(by_making, simulation),
        "recipe": partial(by_batches, recipe, seds=seds),
        "turned": partial(by_batches, recipe, seds=seds, augment=("flip", "turn")),
        "store": partial(by_batches, plain),
        "netcdf": partial(by_batches, netcdf),
        "packed": partial(by_batches, packed),
        "zarr": partial(by_zarr, plain),
    }
    if peer("xbatcher") is not None:
        ways |= {
            "xbatcher": partial(by_xbatcher, plain, None),
            "xbatcher, dask": partial(by_xbatcher, plain, {}),
            "xbatcher, packed": partial(by_xbatcher, packed, None),
        }
    return ways


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    galaxies = 256 if quick else 4096
    recipe = ad.Recipe(galaxies=galaxies)
    ways = ways_of(recipe, ad.default_seds(), folder)
    expected = total_of(ways["memory"])
    # The order of a sum of so many numbers is another one.
    worst = max(abs(total_of(way) / expected - 1) for way in ways.values())
    measured.check("sum of all pixels, between all ways", worst, 1e-9)
    drained: dict[str, Callable[[], object]] = {
        name: partial(lambda way: deque(way(), maxlen=0), way)
        for name, way in ways.items()
    }
    drained["same memory"], _ = again_and_again(recipe)
    repeats = 2 if quick else 4
    times = interleaved(drained, repeats, clock=time.perf_counter)

    def row(name: str, theirs: str, ours: str, bar: str = "") -> None:
        told = {"count": galaxies, "unit": "pairs / s", "bar": bar}
        if theirs not in times:
            measured.missing(name, bar, "xbatcher comes with the extra bench")
            return
        measured.faster(name, times, (theirs, ours), **told)

    best = "xbatcher"
    if "xbatcher" in times:
        best = min(("xbatcher", "xbatcher, dask"), key=lambda way: min(times[way]))
    row("recipe, over a store by xbatcher", best, "recipe", ">= 5")
    row("recipe, over making in fresh memory", "memory", "recipe", ">= 0.8")
    row("recipe, over making in memory used again", "same memory", "recipe", ">= 0.8")
    row("recipe, flipped and turned, over xbatcher", best, "turned")
    row("recipe, over a store by plain zarr", "zarr", "recipe")
    row("store, over the same by xbatcher", best, "store", ">= 3")
    row("store, over the same by plain zarr", "zarr", "store")
    row("netCDF store, over a Zarr store by xbatcher", best, "netcdf")
    row("lz4 store, over the same by xbatcher", "xbatcher, packed", "packed")


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
