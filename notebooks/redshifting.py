"""Observed pairs of galaxies, and what a network is compared with.

`04-train-a-network.ipynb` and `train_network.py` share it. Images are tensors
(galaxy, filter, y, x) in uJy per pixel.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

import argdask as ad
from argdask.resampling import pixel_weights
from argdask.seds import cosmology

__all__ = [
    "FILTERS",
    "Galaxies",
    "MedianRatio",
    "Survey",
    "gather",
    "match_psf",
    "oracle",
    "prepared",
    "recipe_of_pairs",
    "resize",
    "resize_again",
    "shuffle_redshifts",
    "stream",
    "survey_of",
]

FILTERS = (
    "acs_wfc_f435w",
    "acs_wfc_f606w",
    "acs_wfc_f814w",
    "wfc3_ir_f125w",
    "wfc3_ir_f160w",
)
"""Of the galaxies, from blue to red."""

# AB magnitudes of one electron per second and of a square arcsecond of the sky, rounded
# numbers of cameras like Hubble's, not those of one survey.
_ZEROPOINTS = (25.7, 26.5, 25.9, 26.2, 25.9)
_SKIES = (23.5, 22.7, 22.4, 22.3, 22.4)
_EXPOSURE = 5000.0  # s

# Lowest redshift: nearer galaxies are larger than the frame.
_NEAREST = 0.3

_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))  # of a Gaussian with a sigma of 1


class Survey(NamedTuple):
    """What is known of the telescopes, and of distances; the same for every galaxy."""

    seds: xr.DataArray
    """The SED grid of the recipe."""
    pixel_scale: float
    """Size of a pixel [arcsec]."""
    psf_fwhm: tuple[Tensor, Tensor]
    """Of the input and of the target (filter,) [arcsec]."""
    background_sigma: Tensor
    """Of the target (filter,) [uJy / pixel]."""
    gain: Tensor
    """Of the target (filter,) [electron / uJy]."""

    def size_ratio(self, z_in: Tensor, z_out: Tensor) -> Tensor:
        """Return d_A(z_in) / d_A(z_out), by which a galaxy looks smaller (galaxy,)."""
        known = cosmology(self.seds)
        near, far = (
            known.angular_diameter_distance(z.numpy()).value for z in (z_in, z_out)
        )
        return torch.from_numpy(near / far)

    def sigma(self, target: Tensor) -> Tensor:
        """Return the noise that the telescope adds to noiseless images."""
        electrons = target.clamp(min=0.0) / self.gain[:, None, None]
        return torch.sqrt(self.background_sigma[:, None, None] ** 2 + electrons)


class Galaxies(NamedTuple):
    """Pairs, with what a prediction is made from."""

    input: Tensor
    """With PSF and noise (galaxy, filter, y, x)."""
    target: Tensor
    """With PSF, without noise (galaxy, filter, y, x)."""
    resized: Tensor
    """The input, made smaller by the ratio of angular diameter distances."""
    z_in: Tensor
    """Redshift of the input (galaxy,)."""
    z_out: Tensor
    """Redshift of the target (galaxy,)."""
    size_ratio: Tensor
    """Angular size of the target over that of the input (galaxy,)."""
    flux_ratio: Tensor
    """True flux of the target over that of the input (galaxy, filter)."""

    def of(self, rows: Any) -> Galaxies:
        """Return some of the galaxies."""
        return Galaxies(*(values[rows] for values in self))


def recipe_of_pairs(galaxies: int, seed: int) -> tuple[ad.Recipe, xr.DataArray]:
    """Return what pairs are made of.

    Parameters
    ----------
    galaxies
        How many there are in an epoch.
    seed
        What the galaxies follow from.

    Returns
    -------
    recipe
        Sersic galaxies of 21 to 24 mag, any two redshifts at least 0.2 apart, through
        Hubble's PSFs, with sky and shot noise.
    seds
        The built-in grid, from redshift 0.3.
    """
    grid = ad.default_seds()
    grid = grid.sel(redshift=slice(_NEAREST, None), filter=list(FILTERS))
    noise = {
        name: {"sky_brightness": sky, "zeropoint": zero, "exposure_time": _EXPOSURE}
        for name, sky, zero in zip(FILTERS, _SKIES, _ZEROPOINTS, strict=True)
    }
    radius = {"distribution": "lognormal", "median": 0.3, "sigma": 0.35}
    magnitude = {"distribution": "uniform", "minimum": 21.0, "maximum": 24.0}
    choices: Any = {
        "galaxies": galaxies,
        "seed": seed,
        "image_shape": 32,
        "scale": None,
        "angular_size": True,
        "reference_redshift": 0.5,
        "profile": {"half_light_radius": radius | {"minimum": 0.1, "maximum": 0.7}},
        "redshifts": {
            "values": "continuous",
            "law": "uniform",
            "min_separation": 0.2,
        },
        "brightness": {
            "brightness_filter": "acs_wfc_f814w",
            "brightness_redshift": "z_in",
            "magnitude": magnitude,
        },
        "observation": {"preset": "candels-deep", "noise": noise},
    }
    return ad.Recipe(**choices), grid


def survey_of(recipe: ad.Recipe, seds: xr.DataArray) -> Survey:
    """Return what is known of a recipe's telescopes.

    Parameters
    ----------
    recipe, seds
        As `recipe_of_pairs` returns them.

    Returns
    -------
    Survey
        Numbers of the images.
    """
    one = ad.simulate(recipe, seds, galaxies=[0], variables=["target_convolved"])
    near, far, sigma, gain = (
        torch.from_numpy(one[name].values).float()
        for name in ("psf_fwhm_in", "psf_fwhm_out", "background_sigma_out", "gain_out")
    )
    return Survey(seds, recipe.pixel_scale, (near, far), sigma, gain)


def stream(
    recipe: ad.Recipe, survey: Survey, *, workers: int = 0, **choices: Any
) -> Iterator[Galaxies]:
    """Stream batches of observed pairs straight from the recipe, without a disk.

    Parameters
    ----------
    recipe, survey
        What to make.
    workers
        Processes that make batches ahead; 0: a thread does.
    **choices
        As for `argdask.torch_dataset`: `split`, `batch_size`, `fresh` and so on.

    Yields
    ------
    Galaxies
        A batch.
    """
    told: dict[str, Any] = {
        "seds": survey.seds,
        "layers": ("noisy", "convolved"),
        "channels": "first",
        "truth": ("flux_in", "flux_out"),
    }
    dataset = ad.torch_dataset(recipe, **{**told, **choices})
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=None,
        num_workers=workers,
        collate_fn=functools.partial(prepared, survey=survey),
    )
    yield from loader


def prepared(batch: Mapping[str, Tensor], survey: Survey) -> Galaxies:
    """Return a batch with the input resized.

    Parameters
    ----------
    batch
        As argdask's loader gives it.
    survey
        Of these galaxies.

    Returns
    -------
    Galaxies
        The pairs.
    """
    z_in, z_out = batch["z_in"], batch["z_out"]
    ratio = survey.size_ratio(z_in, z_out)
    return Galaxies(
        batch["input"],
        batch["target"],
        resize(batch["input"], ratio),
        z_in.float(),
        z_out.float(),
        ratio.float(),
        (batch["flux_out"] / batch["flux_in"]).float(),
    )


def gather(batches: Iterable[Galaxies], count: int) -> Galaxies:
    """Return the first galaxies of a stream together.

    Parameters
    ----------
    batches
        What `stream` yields.
    count
        How many, at most.

    Returns
    -------
    Galaxies
        In memory.
    """
    found: list[Galaxies] = []
    for batch in batches:
        found.append(batch)
        if sum(len(one.z_in) for one in found) >= count:
            break
    columns = zip(*found, strict=True)
    return Galaxies(*(torch.cat(values)[:count] for values in columns))


def shuffle_redshifts(galaxies: Galaxies, seed: int = 0) -> Galaxies:
    """Return galaxies of which each is said to go to the z_out of another.

    Parameters
    ----------
    galaxies
        Any.
    seed
        What the order follows from.

    Returns
    -------
    Galaxies
        All but z_out stays. The other galaxy has nearly the same z_in, so that z_out is
        above it.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.argsort(galaxies.z_in)
    taken = torch.empty_like(order)
    for some in order.split(64):
        # by any number of places but 0, so that none keeps its own
        shift = int(torch.randint(1, max(len(some), 2), (1,), generator=generator))
        mixed = some[torch.randperm(len(some), generator=generator)]
        taken[mixed] = mixed.roll(shift)
    z_out = torch.maximum(galaxies.z_out[taken], galaxies.z_in + 0.01)
    return galaxies._replace(z_out=z_out)


def resize_again(galaxies: Galaxies, survey: Survey) -> Galaxies:
    """Return galaxies whose input is resized to the z_out that they now have.

    Parameters
    ----------
    galaxies, survey
        The galaxies.

    Returns
    -------
    Galaxies
        With another `size_ratio` and `resized`.
    """
    ratio = survey.size_ratio(galaxies.z_in.double(), galaxies.z_out.double())
    resized = resize(galaxies.input, ratio)
    return galaxies._replace(size_ratio=ratio.float(), resized=resized)


def resize(images: Tensor, ratio: Tensor) -> Tensor:
    """Shrink images about their centres; light within the frame is conserved.

    Parameters
    ----------
    images
        (galaxy, filter, y, x).
    ratio
        Of sizes after and before (galaxy,).

    Returns
    -------
    Tensor
        Of the same shape; 0 beyond the edges of the old frame.
    """
    size = images.shape[-1]
    middle = 0.5 * (size - 1)
    each = [pixel_weights(size, size, one, middle)[0] for one in ratio.tolist()]
    weights = torch.from_numpy(np.stack(each)).to(images.dtype)
    return torch.einsum("gyj,gfjk,gxk->gfyx", weights, images, weights)


def match_psf(images: Tensor, size_ratio: Tensor, survey: Survey) -> Tensor:
    """Bring resized images to the PSF of the target.

    Parameters
    ----------
    images
        As `resize` returns them.
    size_ratio
        By which they were resized (galaxy,).
    survey
        With Gaussian PSFs. Where that of the image is the wider one, it stays.

    Returns
    -------
    Tensor
        Convolved with the Gaussian that is missing.
    """
    near, far = survey.psf_fwhm
    square = far**2 - (size_ratio[:, None] * near) ** 2
    sigma = square.clamp(min=0.0).sqrt() / (_FWHM * survey.pixel_scale)
    size = 2 * images.shape[-1]  # so that nothing comes back at the other side
    y, x = torch.fft.fftfreq(size), torch.fft.rfftfreq(size)
    wave = y[:, None] ** 2 + x**2
    transfer = torch.exp(-2.0 * (np.pi * sigma[..., None, None]) ** 2 * wave)
    found = torch.fft.irfft2(torch.fft.rfft2(images, s=(size, size)) * transfer)
    return found[..., : images.shape[-2], : images.shape[-1]]


def oracle(galaxies: Galaxies, survey: Survey, images: Tensor | None = None) -> Tensor:
    """Return what resizing gives to somebody who knows the true SED.

    Parameters
    ----------
    galaxies, survey
        The galaxies.
    images
        What to take in the place of the resized input.

    Returns
    -------
    Tensor
        The resized input with the PSF of the target, times the true ratio of fluxes.
    """
    light = galaxies.resized if images is None else images
    matched = match_psf(light, galaxies.size_ratio, survey)
    return matched * galaxies.flux_ratio[:, :, None, None]


class MedianRatio:
    """The resized input times the median ratio of fluxes in bins of both redshifts.

    Parameters
    ----------
    galaxies
        Those that the medians are of: never those that are predicted.
    bins
        In each of z_in and z_out, with as many galaxies in each.
    """

    def __init__(self, galaxies: Galaxies, bins: int = 8) -> None:
        inner = torch.linspace(0.0, 1.0, bins + 1)[1:-1]
        self._edges = [
            torch.quantile(z, inner) for z in (galaxies.z_in, galaxies.z_out)
        ]
        self.bins = bins
        # What is observed: the noisy input, as the frame shows it.
        before, after = (
            light.sum(dim=(2, 3)) for light in (galaxies.input, galaxies.target)
        )
        ratio, cell = after / before, self._cells(galaxies)
        total = ratio.median(dim=0).values
        self._medians = total.repeat(bins * bins, 1)
        for number in cell.unique():
            self._medians[number] = ratio[cell == number].median(dim=0).values

    def _cells(self, galaxies: Galaxies) -> Tensor:
        near, far = (
            torch.bucketize(z, edges)
            for z, edges in zip(
                (galaxies.z_in, galaxies.z_out), self._edges, strict=True
            )
        )
        return near * self.bins + far

    def ratios(self, galaxies: Galaxies) -> Tensor:
        """Return the median ratio of fluxes for galaxies (galaxy, filter)."""
        return self._medians[self._cells(galaxies)]

    def __call__(self, galaxies: Galaxies) -> Tensor:
        """Return the prediction for galaxies."""
        return galaxies.resized * self.ratios(galaxies)[:, :, None, None]
