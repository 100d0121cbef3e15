"""How fast pairs are observed on one core, against the loop that it replaces.

A pair is two cubes of 60 x 60 pixels in nine filters, each with its own Gaussian PSF,
shot noise and a background. The loop is ARG's way: images made elsewhere are resized by
`interpn` over all axes at once, convolved with a sampled PSF by `ndimage.convolve`
filter by filter, and numpy draws the noise. Images are not made in its time; in
argdask's they are. Shot noise is of both kinds, the same on either side: a normal
deviate of the same variance, and exact counts.

Accuracy: 0.3 % of the peak, by GalSim, after the PSFs; five sigma of chi-square in the
noise. A normal deviate has no skewness, of which counts of mean m have m ** -0.5: their
greatest error is told as the distance of distribution functions at some means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from loops import some_of
from measuring import Measured, interleaved, main, on_one_core, peer
from numpy.typing import NDArray
from scipy import interpolate, ndimage, stats

import argdask as ad
from argdask.catalogue import Columns
from argdask.simulation import Simulation

__all__ = ["measure", "recipe_of"]

Floats = NDArray[np.float64]

TITLE = "Observed cubes, per core"
PEAK = 3e-3
SIGMA, GAIN = 1e-3, 500.0
NOISY = ("input_noisy", "target_noisy")
OUTLINE = ("sersic_index", "axis_ratio", "position_angle")
KINDS = {"normal": "normal shot noise", "poisson": "counted electrons"}


def recipe_of(galaxies: int, seds: xr.DataArray, shot_noise: str) -> ad.Recipe:
    """Return a recipe with a PSF of 1.4 to 3 pixels of its own for each filter."""
    names = [str(name) for name in seds["filter"].values]
    widths = np.linspace(0.084, 0.18, len(names)).round(3)
    psf = {n: {"psf_fwhm": float(w)} for n, w in zip(names, widths, strict=True)}
    noise = {"background_sigma": SIGMA, "gain": GAIN, "shot_noise": shot_noise}
    observation = {"psf": psf, "noise": noise}
    return ad.Recipe(galaxies=galaxies, angular_size=True, observation=observation)


# The loop.


def resized(images: Floats, ratios: Floats) -> Floats:
    """Shrink what is in images (galaxy, y, x, filter), at the same number of pixels."""
    axes = [np.arange(side) - 0.5 * (side - 1) for side in images.shape]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    places[..., 1:3] /= ratios[:, None, None, None, None]
    found = interpolate.interpn(
        axes, images, places, bounds_error=False, fill_value=0.0
    )
    shrunk: Floats = found / ratios[:, None, None, None] ** 2
    return shrunk


def kernel_of(fwhm: float) -> Floats:
    """Sample a Gaussian out to four sigma, width in pixels."""
    sigma = fwhm / math.sqrt(8 * math.log(2))
    half = math.ceil(4 * sigma)
    place = np.arange(-half, half + 1)
    line = np.exp(-0.5 * (place / sigma) ** 2)
    both: Floats = np.outer(line, line) / line.sum() ** 2
    return both


def convolved(images: Floats, kernels: list[Floats]) -> Floats:
    """Convolve images (galaxy, y, x, filter), each filter with its own kernel."""
    found = np.empty_like(images)
    for c, kernel in enumerate(kernels):
        found[..., c] = ndimage.convolve(images[..., c], kernel[None], mode="constant")
    return found


def counted(images: Floats, scale: float, rng: np.random.Generator) -> Floats:
    """Count electrons, and add a background."""
    gain = GAIN / scale
    counts = rng.poisson(np.maximum(images, 0.0) * gain) / gain
    noisy: Floats = counts + rng.normal(0.0, SIGMA * scale, images.shape)
    return noisy


def spread(images: Floats, scale: float, rng: np.random.Generator) -> Floats:
    """Add a normal deviate of the variance of electrons, and a background."""
    widths = np.sqrt(np.maximum(images, 0.0) * (scale / GAIN))
    noisy: Floats = images + widths * rng.standard_normal(images.shape)
    noisy += rng.normal(0.0, SIGMA * scale, images.shape)
    return noisy


# Both.


class Observed:
    """The same galaxies on both sides, and what each side does with them."""

    def __init__(self, galaxies: int, few: int) -> None:
        self.galaxies, self.few = galaxies, few
        seds = ad.default_seds()
        self.simulations = {
            kind: Simulation(recipe_of(galaxies, seds, kind), seds) for kind in KINDS
        }
        self.simulation = self.simulations["normal"]
        self.columns = self.simulation.columns(np.arange(galaxies))
        some = some_of(self.columns, slice(0, few))
        # As the loop has them: at the size that they have at z_in, to be shrunk.
        near = {**some, "half_light_radius_out": some["half_light_radius_in"]}
        stamps = self.simulation.render(near, ["target"])
        self.images = self.simulation.image("target", near, stamps).astype(float)
        self.ratios = some["half_light_radius_out"] / some["half_light_radius_in"]
        pixel_scale = self.simulation.recipe.pixel_scale
        widths = self.simulation.of_filters["psf_fwhm_out"] / pixel_scale
        self.kernels = [kernel_of(width) for width in widths]
        self.seen = convolved(resized(self.images, self.ratios), self.kernels)

    def loops(self) -> dict[str, Callable[[], object]]:
        """Return the steps of the loop, each for few cubes."""
        rng = np.random.default_rng(1)
        scale = self.simulation.scale

        def blur() -> None:
            convolved(resized(self.images, self.ratios), self.kernels)

        return {
            "loop blur": blur,
            "loop poisson": partial(counted, self.seen, scale, rng),
            "loop normal": partial(spread, self.seen, scale, rng),
        }

    def ours(self) -> dict[str, Callable[[], object]]:
        """Return argdask's steps, each for two cubes of all galaxies."""
        ids = self.columns["galaxy_id"]
        stamps = self.simulation.render(self.columns, NOISY)
        cubes = {
            name: self.simulation.image(name, self.columns, stamps) for name in NOISY
        }

        def images(simulation: Simulation, layer: str) -> None:
            for name in NOISY:
                told = name.replace("noisy", layer)
                simulation.image(told, self.columns, stamps, cubes[name])

        ways: dict[str, Callable[[], object]] = {
            "blur": partial(self.simulation.render, self.columns, NOISY),
            "multiply": partial(images, self.simulation, "convolved"),
        }
        for kind, simulation in self.simulations.items():
            ways[kind] = partial(images, simulation, "noisy")
            ways[f"all {kind}"] = partial(simulation.make, ids, NOISY)
        return ways


def compare(measured: Measured, both: Observed, repeats: int) -> None:
    """Measure all steps in turn."""
    loops, ours = both.loops(), both.ours()
    for way in ours.values():
        way()
    times = interleaved({**loops, **ours}, repeats)
    counts = {
        **dict.fromkeys(loops, both.few),
        **dict.fromkeys(ours, 2 * both.galaxies),
    }
    for kind in KINDS:
        steps = zip(times["loop blur"], times[f"loop {kind}"], strict=True)
        times[f"loop all {kind}"] = [blur + noise for blur, noise in steps]
        counts[f"loop all {kind}"] = both.few
        steps = zip(times[kind], times["multiply"], strict=True)
        times[f"noise {kind}"] = [max(both - one, 1e-9) for both, one in steps]
        counts[f"noise {kind}"] = 2 * both.galaxies
    bars = {"normal": ">= 25", "poisson": ""}
    for kind, told in KINDS.items():
        ways = f"loop all {kind}", f"all {kind}"
        name = f"cubes with {told}, over ARG's way"
        measured.faster(name, times, ways, count=counts, bar=bars[kind])
    name = "stamps made and seen by nine PSFs, over resized and convolved"
    measured.faster(name, times, ("loop blur", "blur"), count=counts)
    for kind, told in KINDS.items():
        ways = f"loop {kind}", f"noise {kind}"
        measured.faster(f"{told} alone, over numpy's", times, ways, count=counts)


# Accuracy.


def by_galsim(
    galsim: Any, simulation: Simulation, columns: Columns, g: int, c: int
) -> Floats:
    """Draw a galaxy of flux 1 as the target shows it in a filter."""
    height, width = simulation.recipe.image_shape
    index, ratio, angle = (float(columns[name][g]) for name in OUTLINE)
    radius = float(columns["half_light_radius_out"][g])
    galaxy = galsim.Sersic(index, half_light_radius=radius * math.sqrt(ratio))
    galaxy = galaxy.shear(q=ratio, beta=(angle + 90.0) * galsim.degrees)
    psf = galsim.Gaussian(fwhm=float(simulation.of_filters["psf_fwhm_out"][c]))
    precise = galsim.GSParams(
        folding_threshold=5e-4, maxk_threshold=1e-4, maximum_fft_size=16384
    )
    seen = galsim.Convolve(galaxy, psf, gsparams=precise)
    scale = simulation.recipe.pixel_scale
    image = seen.drawImage(nx=width, ny=height, scale=scale, dtype=float)
    return np.asarray(image.array)


def errors_by_galsim(both: Observed, galsim: Any, checked: int) -> dict[str, float]:
    """Return the worst errors after the PSFs, of the peak, on both sides."""
    simulation = both.simulation
    some = some_of(both.columns, slice(0, both.few))
    stamps = simulation.render(some, NOISY)
    ours = simulation.image("target_convolved", some, stamps).astype(float)
    # GalSim has tables for indices of 0.3 to 6.2 only.
    known = np.flatnonzero(some["sersic_index"] < 6.2)[:checked]
    worst = {"argdask": 0.0, "loop": 0.0}
    for g in known:
        for c in (0, 4, 8):
            flux = simulation.scale * some["flux_out"][g, c]
            expected = flux * by_galsim(galsim, simulation, some, int(g), c)
            for name, images in (("argdask", ours), ("loop", both.seen)):
                off = abs(images[g, ..., c] - expected).max() / expected.max()
                worst[name] = max(worst[name], float(off))
    return worst


def chi_square(simulation: Simulation, columns: Columns) -> tuple[float, float]:
    """Return how far chi-square per pixel is from 1, and five sigma of that."""
    stamps = simulation.render(columns, NOISY)
    clean = simulation.image("target_convolved", columns, stamps).astype(float)
    noisy = simulation.image("target_noisy", columns, stamps)
    electrons = np.maximum(clean, 0.0) * (GAIN / simulation.scale)
    # Of electrons alone; the fourth moment of counts is 3 + 1 / mean.
    variance = electrons + (SIGMA * GAIN) ** 2
    off = (noisy - clean) * (GAIN / simulation.scale)
    fourth = 2.0 + electrons / variance**2
    limit = 5 * math.sqrt(float(fourth.mean()) / clean.size)
    return abs(float((off**2 / variance).mean()) - 1.0), limit


def accuracy(measured: Measured, both: Observed, checked: int) -> None:
    """Assert what is promised, and tell what a normal deviate costs."""
    galsim = peer("galsim")
    if galsim is None:
        measured.notes.append(
            "GalSim, which checks the PSFs, comes with the extra bench"
        )
    else:
        worst = errors_by_galsim(both, galsim, checked)
        name = "after nine PSFs, error of the peak, by GalSim"
        measured.check(name, worst["argdask"], PEAK)
        note = f"the loop's own worst error there: {worst['loop']:.2f} of the peak"
        measured.notes.append(note)
    some = some_of(both.columns, slice(0, both.few))
    for kind, told in KINDS.items():
        off, limit = chi_square(both.simulations[kind], some)
        measured.check(f"chi-square of {told}, off 1", off, limit)
    background = SIGMA * GAIN
    for mean in (1.0, 10.0, 100.0):
        counts = np.arange(int(mean + 10 * math.sqrt(mean) + 20))
        x = np.linspace(-3 * background, counts[-1], 4000)
        # Both with the background: counts are seen through it.
        exact = stats.poisson.pmf(counts, mean) @ stats.norm.cdf(
            x[None], counts[:, None], background
        )
        normal = stats.norm.cdf(x, mean, math.hypot(math.sqrt(mean), background))
        distance = float(abs(exact - normal).max())
        measured.notes.append(
            f"normal shot noise at a mean of {mean:g} electrons and a background of "
            f"{background:g}: distribution functions differ by up to {distance:.3f}"
        )


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    del folder  # nothing is written
    on_one_core()
    both = Observed(*(32, 16) if quick else (256, 96))
    compare(measured, both, 2 if quick else 3)
    accuracy(measured, both, 4 if quick else 12)


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
