"""How fast stamps are rendered on one core, against loops of astropy and GalSim.

Galaxies are those of the default recipe, 60 x 60 pixels. Accuracy: values at centres
against astropy's own, integrals over pixels against quadrature of the formula.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from crew import Crew
from loops import astropy_stamps, galsim_stamps, some_of
from measuring import CORES, Measured, Times, interleaved, main, on_one_core, peer
from numpy.typing import NDArray
from scipy import special

import argdask as ad
from argdask.catalogue import Columns
from argdask.rendering import render_stamps
from argdask.simulation import Simulation

__all__ = ["accuracy", "measure", "peak_of"]

Floats = NDArray[np.float64]

TITLE = "Rendering stamps, per core"
_BARS = {"centre": ">= 60", "pixel": ">= 20"}

# What argdask promises: of values at centres before they are rounded to float32, and of
# integrals where there is more than a millionth of the brightest pixel.
_AT_CENTRES, _OVER_PIXELS, _COUNTED = 4e-7, 3e-4, 1e-6

_MOST_INDEX = 4.0  # of what GalSim draws

# Lines of quadrature over a pixel: panels that shrink towards its edges, six points in
# each, since the cusp of these galaxies is in the corner of four pixels.
_LEVELS, _POINTS = 14, 6


def columns_of(recipe: ad.Recipe) -> Columns:
    """Return the catalogue of a recipe with the built-in grid."""
    simulation = Simulation(recipe, ad.default_seds())
    return simulation.catalogue.columns(np.arange(recipe.galaxies))


def steep(columns: Columns) -> Columns:
    """Return the same galaxies with the profiles that cost most."""
    count = columns["sersic_index"].size
    narrow = {"axis_ratio": np.full(count, 0.1)}
    return columns | narrow | {"sersic_index": np.linspace(4.0, 8.0, count)}


def peak_of(recipe: ad.Recipe, columns: Columns) -> Floats:
    """Return the light at the half-light radius of galaxies of total 1, per pixel."""
    n, q = columns["sersic_index"], columns["axis_ratio"]
    radius = columns["half_light_radius"] / recipe.pixel_scale
    b = special.gammaincinv(2 * n, 0.5)
    # Graham & Driver 2005, PASA 22, 118, eq. 4, by logarithms.
    log_total = np.log(2 * np.pi * n * q) + 2 * np.log(radius) + special.gammaln(2 * n)
    return np.asarray(np.exp(2 * n * np.log(b) - b - log_total))


def _lines() -> tuple[Floats, Floats]:
    """Return points and weights of quadrature from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    halves = 0.5 ** np.arange(_LEVELS, 0, -1)
    edges = np.concatenate([[0.0], halves, 1.0 - halves[-2::-1], [1.0]])
    width = np.diff(edges)
    points = edges[:-1, None] + 0.5 * width[:, None] * (nodes + 1.0)
    return points.ravel(), (0.5 * width[:, None] * weights).ravel()


def _integrals(
    recipe: ad.Recipe, galaxy: dict[str, float], y: Floats, x: Floats
) -> Floats:
    """Integrate the Sersic formula over pixels (pixel,) by brute force."""
    points, weights = _lines()
    angle = np.deg2rad(galaxy["position_angle"])
    radius = galaxy["half_light_radius"] / recipe.pixel_scale
    found = np.empty(len(y))
    for i in range(len(y)):
        dy = (y[i] - 0.5 + points)[:, None]
        dx = (x[i] - 0.5 + points)[None]
        major = dy * np.cos(angle) - dx * np.sin(angle)
        minor = (dy * np.sin(angle) + dx * np.cos(angle)) / galaxy["axis_ratio"]
        r = np.hypot(major, minor) / radius
        b = special.gammaincinv(2 * galaxy["sersic_index"], 0.5)
        light = np.exp(-b * (r ** (1 / galaxy["sersic_index"]) - 1.0))
        found[i] = weights @ light @ weights
    return found


def accuracy(recipe: ad.Recipe, columns: Columns, number: int) -> tuple[float, float]:
    """Return the worst relative errors of stamps at centres and over pixels."""
    centre = recipe.model_copy(update={"sampling": "centre"})
    expected = astropy_stamps(recipe, columns)
    expected *= peak_of(recipe, columns)[:, None, None]
    found = render_stamps(centre, columns)
    seen = expected > _COUNTED * expected.max(axis=(1, 2), keepdims=True)
    at_centres = float(np.abs(found / expected - 1.0)[seen].max())
    height, width = recipe.image_shape
    rng = np.random.default_rng(0)
    over_pixels = 0.0
    for g in range(0, len(found), max(len(found) // number, 1)):
        galaxy = {
            k: float(v[g])
            for k, v in columns.items()
            if v.ndim == 1 and v.dtype.kind in "if"
        }
        stamp = render_stamps(recipe, some_of(columns, slice(g, g + 1)))[0]
        # The four around the cusp, and others where there is light.
        middle = [(height // 2 - j, width // 2 - i) for j in (0, 1) for i in (0, 1)]
        lit = np.argwhere(stamp > _COUNTED * stamp.max())
        others = rng.choice(lit, min(40, len(lit)), replace=False)
        places = np.concatenate([middle, others])
        y = places[:, 0] - 0.5 * (height - 1)
        x = places[:, 1] - 0.5 * (width - 1)
        true = peak_of(recipe, some_of(columns, slice(g, g + 1)))[0]
        true = true * _integrals(recipe, galaxy, y, x)
        errors = np.abs(stamp[places[:, 0], places[:, 1]] / true - 1.0)
        over_pixels = max(over_pixels, float(errors.max()))
    return at_centres, over_pixels


def against_astropy(
    measured: Measured, columns: Columns, kind: str, repeats: int, bars: dict[str, str]
) -> None:
    """Compare both samplings with the loop at pixel centres."""
    recipe = ad.Recipe()
    count = columns["sersic_index"].size
    few = some_of(columns, slice(0, count, 8))
    memory = render_stamps(recipe, columns)
    ways: dict[str, Callable[[], object]] = {
        "loop": partial(astropy_stamps, recipe, few)
    }
    for sampling in ("centre", "pixel"):
        other = recipe.model_copy(update={"sampling": sampling})
        render_stamps(other, columns, memory)
        ways[sampling] = partial(render_stamps, other, columns, memory)
    times = interleaved(ways, repeats)
    counts = {
        "loop": few["sersic_index"].size,
        **dict.fromkeys(("centre", "pixel"), count),
    }
    for sampling in ("centre", "pixel"):
        measured.faster(
            f"{sampling}{kind}, over astropy at pixel centres",
            times,
            ("loop", sampling),
            count=counts,
            bar=bars.get(sampling, ""),
        )


def against_galsim(
    measured: Measured, columns: Columns, number: int, repeats: int
) -> None:
    """Compare with GalSim: with new profiles each time, and with those it remembers."""
    galsim = peer("galsim")
    methods = {"no_pixel": "centre", "auto": "pixel"}
    if galsim is None:
        measured.missing("GalSim", "", "GalSim comes with the extra bench")
        return
    recipe = ad.Recipe()
    # GalSim has n up to 6.2, but for some above 4 its transforms take gigabytes.
    known = np.flatnonzero(columns["sersic_index"] < _MOST_INDEX)
    counts = {"cold": number, "cached": number}
    for method, sampling in methods.items():
        other = recipe.model_copy(update={"sampling": sampling})
        counts[sampling] = columns["sersic_index"].size
        memory = render_stamps(other, columns)
        times: Times = {"cold": [], "cached": [], sampling: []}
        for turn in range(repeats):
            # Others in each turn and for each method: none has been seen before.
            first = (2 * turn + (method == "auto")) * number
            some = some_of(columns, known[first : first + number])
            draw = partial(galsim_stamps, galsim, recipe, some, method)
            ours = partial(render_stamps, other, columns, memory)
            for way, work in (("cold", draw), ("cached", draw), (sampling, ours)):
                times[way] += interleaved({way: work}, 1)[way]
        kind = "with" if method == "auto" else "without"
        for way, told in (("cold", "each n new"), ("cached", "each n known")):
            measured.faster(
                f"{sampling}, over GalSim {kind} pixel integration, n < 4, {told}",
                times,
                (way, sampling),
                count=counts,
            )


def works(galaxies: int) -> dict[str, Callable[[], object]]:
    """Return what each of several workers does."""
    recipe = ad.Recipe(galaxies=galaxies)
    columns = columns_of(recipe)
    memory = render_stamps(recipe, columns)

    def render() -> None:
        for _ in range(10):
            render_stamps(recipe, columns, memory)

    return {"render": render}


def by_two(measured: Measured, galaxies: int, repeats: int) -> None:
    """Compare two workers with one."""
    name, bar = "pixel, two workers over one", ">= 1.8"
    if len(CORES) < 2:
        measured.missing(name, bar, "there is one core only")
        return
    with Crew(CORES[:2], works, galaxies) as crew:
        ways = {"one": 1, "two": 2}
        times: Times = {way: [] for way in ways}
        for _ in range(repeats):
            for way, members in ways.items():
                times[way].append(crew.seconds("render", members))
    counts = {"one": 10 * galaxies, "two": 20 * galaxies}
    measured.faster(name, times, ("one", "two"), count=counts, bar=bar)


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    del folder  # nothing is written
    on_one_core()
    count, repeats = (256, 3) if quick else (1024, 7)
    columns = columns_of(ad.Recipe(galaxies=count))
    against_astropy(measured, columns, "", repeats, _BARS)
    against_astropy(
        measured, steep(columns), ", n = 4 to 8 at axis ratio 0.1", repeats, {}
    )
    against_galsim(measured, columns, 4 if quick else 16, 2 if quick else 4)
    by_two(measured, count, repeats)
    for kind, galaxies in (("default", columns), ("n = 4 to 8", steep(columns))):
        some = some_of(galaxies, slice(0, None, 8))
        centres, pixels = accuracy(ad.Recipe(), some, 4 if quick else 16)
        name = f"relative error of values at centres, by astropy, {kind}"
        measured.check(name, centres, _AT_CENTRES)
        name = f"relative error of pixels, by quadrature, {kind}"
        measured.check(name, pixels, _OVER_PIXELS)


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
