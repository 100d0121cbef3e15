"""How fast clean pairs are made in memory on one core, and by two workers.

The loop is astropy's at pixel centres and numpy's broadcast. argdask integrates over
pixels, as its default is. Pairs are made by `ad.simulate` into fresh memory, and into
memory that is used again as `ad.batches` does it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from crew import Crew
from loops import astropy_stamps, loop_cubes
from measuring import CORES, Measured, Times, interleaved, main, on_one_core
from numpy.typing import NDArray
from rendering import peak_of

import argdask as ad
from argdask.loader_choices import LoaderChoices
from argdask.loader_recipe import RecipeSource
from argdask.simulation import Simulation

__all__ = ["again_and_again", "measure"]

TITLE = "Clean pairs in memory, per core"
_NAMES = ("input", "target")
_BATCH = 64


def again_and_again(
    recipe: ad.Recipe,
) -> tuple[Callable[[], None], dict[str, NDArray[np.float32]]]:
    """Return what makes all pairs of a recipe in the memory of one batch, and that."""
    source = RecipeSource(recipe, LoaderChoices())
    shape = (_BATCH, *recipe.image_shape, len(source.filters))
    memory = {name: np.empty(shape, np.float32) for name in _NAMES}
    columns = ("z_in", "z_out", "sed_index", "galaxy_id")

    def make() -> None:
        for start, stop in source.units:
            rows = np.arange(start, stop)
            held = source.hold(rows, columns, _NAMES, 0)
            for first in range(0, rows.size, _BATCH):
                count = min(_BATCH, rows.size - first)
                places = {name: one[:count] for name, one in memory.items()}
                held.fill(slice(first, first + count), places)

    return make, memory


def on_one(measured: Measured, galaxies: int, repeats: int) -> None:
    """Compare both ways with the loop."""
    seds = ad.default_seds()
    recipe = ad.Recipe(galaxies=galaxies)
    simulation = Simulation(recipe, seds)
    few = simulation.catalogue.columns(np.arange(0, galaxies, 8))
    reused, _ = again_and_again(recipe)
    ways: dict[str, Callable[[], object]] = {
        "loop": lambda: loop_cubes(astropy_stamps(recipe, few), few),
        "fresh": lambda: ad.simulate(recipe, seds),
        "reused": reused,
    }
    for way in ways.values():
        way()
    times = interleaved(ways, repeats)
    counts = {
        "loop": len(few["z_in"]),
        **dict.fromkeys(("fresh", "reused"), galaxies),
    }
    kinds = {"reused": "memory used again", "fresh": "fresh memory, by simulate"}
    for way, kind in kinds.items():
        speed = galaxies / min(times[way])
        measured.value(f"pairs per second, {kind}", speed, "pairs / s", ">= 15000")
    for way, kind in kinds.items():
        measured.faster(
            f"{kind}, over the loop and its broadcast",
            times,
            ("loop", way),
            count=counts,
            bar=">= 15",
        )


def works(galaxies: int) -> dict[str, Callable[[], object]]:
    """Return what each of several workers does: make pairs, or fill as many bytes."""
    make, memory = again_and_again(ad.Recipe(galaxies=galaxies))

    def fill() -> None:
        for _ in range(0, galaxies, _BATCH):
            for one in memory.values():
                one.fill(1.0)

    return {"pairs": make, "fill": fill}


def by_two(measured: Measured, galaxies: int, repeats: int) -> None:
    """Compare two workers with one, and with loops that only fill memory."""
    names = (
        "two workers' pairs over one's",
        "gain of a second worker, over the gain of a second fill loop",
        "two workers' pairs, over two bare fill loops of the bytes",
    )
    bars = ("", ">= 0.9", ">= 0.9")
    if len(CORES) < 2:
        for name, bar in zip(names, bars, strict=True):
            measured.missing(name, bar, "there is one core only")
        return
    ways = [(work, members) for work in ("pairs", "fill") for members in (1, 2)]
    times: Times = {f"{work} {members}": [] for work, members in ways}
    with Crew(CORES[:2], works, galaxies) as crew:
        for _ in range(repeats):
            for work, members in ways:
                times[f"{work} {members}"].append(crew.seconds(work, members))
    counts = {way: int(way[-1]) * galaxies for way in times}
    measured.faster(names[0], times, ("pairs 1", "pairs 2"), count=counts)
    gains = {}
    for work in ("fill", "pairs"):
        one, two = min(times[f"{work} 1"]), min(times[f"{work} 2"])
        gains[work] = 2 * one / two
    gain = gains["pairs"] / gains["fill"]
    note = f"{gains['pairs']:.2f} over {gains['fill']:.2f}"
    measured.value(names[1], gain, "", bars[1], note)
    measured.faster(names[2], times, ("fill 2", "pairs 2"), count=counts, bar=bars[2])


def accuracy(measured: Measured, galaxies: int) -> None:
    """See that the same pairs are made, those of the loop where it can make them."""
    seds = ad.default_seds()
    recipe = ad.Recipe(galaxies=galaxies, sampling="centre")
    simulation = Simulation(recipe, seds)
    columns = simulation.catalogue.columns(np.arange(galaxies))
    images = astropy_stamps(recipe, columns)
    images *= peak_of(recipe, columns)[:, None, None]
    expected = loop_cubes(images, columns)
    made = ad.simulate(recipe, seds)
    for name, cubes in zip(_NAMES, expected, strict=True):
        brightest = cubes.max(axis=(1, 2), keepdims=True)
        # A filter in which a template has no light has none here either.
        errors = np.abs(made[name].values - cubes) / np.where(brightest, brightest, 1)
        measured.check(f"{name}, error of the peak, by the loop", errors.max(), 4e-7)
    small = ad.Recipe(galaxies=_BATCH)
    make, memory = again_and_again(small)
    make()
    made = ad.simulate(small, seds)
    for name in _NAMES:
        wrong = np.count_nonzero(memory[name] != made[name].values)
        measured.check(f"{name}, pixels that differ in memory used again", wrong, 0.0)
    brightest = float(made["input"].max())
    measured.check("brightest pixel, off 10000", abs(brightest / 1e4 - 1), 4e-7)


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    del folder  # nothing is written
    on_one_core()
    repeats = 3 if quick else 7
    on_one(measured, 256 if quick else 1024, repeats)
    by_two(measured, 512 if quick else 4096, repeats)
    accuracy(measured, 64 if quick else 256)


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
