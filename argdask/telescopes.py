"""What a recipe's telescopes are in numbers: PSF, noise and gain of every filter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError, nearest
from argdask.noise import ROLES, electrons_per_microjansky, sigma_of_depth
from argdask.photometry import ab_flux
from argdask.psf import PSF, PSFImage
from argdask.psf_choices import named_at, optical_psf, psf_images
from argdask.recipe import Recipe
from argdask.recipe_observation import (
    GaussianPSF,
    MoffatPSF,
    Noise,
    Observation,
    Target,
)
from argdask.seds import check_seds
from argdask.survey_presets import preset_of

__all__ = [
    "Telescope",
    "background_sigma_of",
    "gain_of",
    "telescopes_of",
    "with_surveys",
]

_PLACE = "observation."
_KINDS = ("psf", "noise")

# Beyond this, squares of numbers would overflow.
_MOST = 1e30

# At how many sigma a depth is where nothing is said; sigma_of_depth has it built in.
_SIGNIFICANCE = 5.0

# What a preset's numbers are of, by their name; noise has none.
_CHOICES: dict[str | None, type[GaussianPSF | MoffatPSF | Noise]] = {
    "gaussian": GaussianPSF,
    "moffat": MoffatPSF,
    None: Noise,
}


@dataclass(frozen=True)
class Telescope:
    """What the images of one role are seen with, in the order of the grid's filters."""

    psfs: tuple[PSF, ...] | None
    """Optical PSF of each filter; None for no convolution."""
    background_sigma: NDArray[np.float64]
    """Standard deviation of the background (filter,) [uJy / pixel]; 0 for none."""
    gain: NDArray[np.float64]
    """Electrons of a flux (filter,) [electron / uJy]; 0 for no shot noise."""
    counted: NDArray[np.bool_]
    """Whether electrons are counted one by one (filter,), or their noise is normal."""
    noisy: bool
    """Whether the recipe says anything of the noise."""


def telescopes_of(
    recipe: Recipe,
    seds: xr.DataArray,
    images: Mapping[str, PSFImage] | None = None,
) -> dict[str, Telescope]:
    """Return the telescopes that a recipe observes with.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid, with the chosen filters only.
    images
        Images of PSFs by their source; read from files if left out.

    Returns
    -------
    dict
        The telescopes of "input" and "target"; empty for a recipe without observation.

    Raises
    ------
    InputError
        If a filter has no PSF or noise, a name is none of a filter, or an image of a
        PSF cannot be used.
    """
    observation = recipe.observation
    if observation is None:
        return {}
    if images is None:
        images = psf_images(recipe)
    names = [str(name) for name in seds["filter"].values]
    wavelengths = dict(zip(names, seds["wavelength"].values.tolist(), strict=True))
    telescopes = {}
    _check_brightness(recipe, seds)
    for role in ROLES:
        psfs, noises = (_of_role(kind, observation, role, names) for kind in _KINDS)
        optical = []
        for name, (place, choice) in psfs.items():
            with named_at(place):
                optical.append(optical_psf(choice, wavelengths[name], images))
        sigma, gain = np.zeros(len(names)), np.zeros(len(names))
        counted = np.ones(len(names), bool)
        for number, (place, noise) in enumerate(noises.values()):
            sigma[number] = background_sigma_of(noise, recipe.pixel_scale)
            gain[number] = gain_of(noise)
            counted[number] = noise.shot_noise is None
            _check_finite(place, float(sigma[number]), float(gain[number]))
        psf = tuple(optical) if psfs else None
        telescopes[role] = Telescope(psf, sigma, gain, counted, bool(noises))
    return telescopes


def _check_finite(place: str, sigma: float, gain: float) -> None:
    for told, number in (("background", sigma), ("gain", gain)):
        if not (number == 0.0 or 1.0 / _MOST <= number <= _MOST):
            expected = f"numbers that make none, or one of {1 / _MOST:g} to {_MOST:g}"
            cure = "look at their units"
            raise InputError(place, f"a {told} of {number:g}", expected, cure)


def with_surveys(recipe: Recipe, seds: xr.DataArray) -> Recipe:
    """Return a recipe with the numbers of surveys in the place of their names.

    What is made of it, and read back, depends on no other package then.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid.

    Returns
    -------
    Recipe
        The same recipe where it names no survey.

    Raises
    ------
    InputError
        If a survey lacks a filter, or fluxes have no meaning beside its noise.
    ImportError
        If its numbers are those of a package that is not installed.
    """
    observation = recipe.observation
    if observation is None or not any(one.preset for _, one in observation.roles):
        return recipe
    _check_brightness(recipe, seds)
    names = list(recipe.filters or map(str, check_seds(seds)["filter"].values))
    said: dict[str, dict[str, Any]] = {}
    for role, one in zip(ROLES, (observation, observation.target), strict=True):
        said[role] = {"preset": None, "survey": one and (one.survey or one.preset)}
        for kind in _KINDS:
            found = _of_role(kind, observation, role, names)
            # In the order in which recipes have them.
            each = {name: one for name, (_, one) in sorted(found.items())}
            said[role][kind] = each or None
    changes = said["input"]
    if observation.target is not None:
        changes["target"] = observation.target.model_copy(update=said["target"])
    seen = observation.model_copy(update=changes)
    return recipe.model_copy(update={"observation": seen})


def _of_role(
    kind: str, observation: Observation, role: str, names: Sequence[str]
) -> dict[str, tuple[str, Any]]:
    """Return where the choice of every filter stands, and the choice, of one role."""
    # What is said of the target goes before what is said of both.
    said = observation.roles if role == "target" else observation.roles[:1]
    return _by_filter(kind, said[::-1], names)


def _by_filter(
    kind: str,
    choices: Sequence[tuple[str, Observation | Target]],
    names: Sequence[str],
) -> dict[str, tuple[str, Any]]:
    """Return of every filter where its choice stands, and the choice."""
    found: dict[str, tuple[str, Any]] = {}
    for above, one in choices:
        place, said = f"{_PLACE}{above}{kind}", getattr(one, kind)
        if isinstance(said, dict):
            for name in said:
                if name not in names:
                    near = nearest(name, names)
                    cure = f"drop it, or choose the filter; nearest: {near}"
                    expected = "one of the filters of the set"
                    raise InputError(f"{place}.{name}", name, expected, cure)
                found.setdefault(name, (f"{place}.{name}", said[name]))
        elif said is not None:
            for name in names:
                found.setdefault(name, (place, said))
        if one.preset is not None:
            _add_survey(found, kind, f"{_PLACE}{above}preset", one.preset, names)
    missing = [name for name in names if name not in found]
    if found and missing:
        first, *others = missing
        value = f"none for {first}" + (f" and {len(others)} more" if others else "")
        cure = f"add {first}, or give one for all filters"
        raise InputError(_PLACE + kind, value, f"a {kind} for every filter", cure)
    return {name: found[name] for name in names} if found else {}


def _add_survey(
    found: dict[str, tuple[str, Any]],
    kind: str,
    place: str,
    name: str,
    filters: Sequence[str],
) -> None:
    """Add the choices of a survey for the filters that have none of their own."""
    survey = preset_of(name)
    choices = getattr(survey, kind)
    for one in filters:
        if one in found:
            continue
        if one not in choices:
            known = ", ".join(choices)
            cure = f"nearest: {nearest(one, choices)}; choose filters, or another "
            raise InputError(
                place,
                f"{name}, and the filter {one}",
                f"filters of the survey, {known}",
                f"{cure}preset or SED grid",
            )
        found[one] = (place, _CHOICES[choices[one].get("name")](**choices[one]))


def _check_brightness(recipe: Recipe, seds: xr.DataArray) -> None:
    """Refuse a survey's noise where fluxes have no meaning beside it."""
    observation = recipe.observation
    presets = [one.preset for _, one in observation.roles] if observation else []
    named = next(filter(None, presets), None)
    if named is None or recipe.brightness.law != "grid":
        return
    choices = json.loads(seds.attrs.get("choices", "null"))
    if seds.attrs.get("per_solar_mass"):
        why = "fluxes per solar mass"
    elif isinstance(choices, dict) and choices.get("normalise", "") is None:
        why = "fluxes of templates as they came"
    else:
        return
    raise InputError(
        "brightness.law",
        f"grid, {why}, and the preset {named}",
        "fluxes of galaxies beside the noise of a survey",
        "set brightness.law to equal, or to stellar_mass for grids per solar mass",
    )


def gain_of(noise: Noise) -> float:
    """Return how many electrons a flux makes.

    Parameters
    ----------
    noise
        The recipe's choice.

    Returns
    -------
    float
        Electrons per microjansky; 0 where there is no shot noise.
    """
    if noise.exposure_time is not None and noise.zeropoint is not None:
        seconds, zeropoint = noise.exposure_time, noise.zeropoint
        return float(electrons_per_microjansky(seconds, zeropoint))
    return noise.gain or 0.0


def background_sigma_of(noise: Noise, pixel_scale: float) -> float:
    """Return the background noise of a pixel.

    Parameters
    ----------
    noise
        The recipe's choice.
    pixel_scale
        Size of a pixel of the images [arcsec].

    Returns
    -------
    float
        Standard deviation [uJy / pixel]; 0 where there is none. Of a sky it is the root
        of the electrons that sky and dark current make in a pixel and of the variances
        of its reads, over the gain (Howell 1989, PASP 101, 616, without the source).
    """
    if noise.depth is not None and noise.aperture is not None:
        sigma = float(sigma_of_depth(noise.depth, noise.aperture, pixel_scale))
        return sigma * _SIGNIFICANCE / (noise.depth_significance or _SIGNIFICANCE)
    if noise.sky_brightness is None or noise.exposure_time is None:
        return noise.background_sigma or 0.0
    gain = gain_of(noise)
    sky = gain * float(ab_flux(np.asarray(noise.sky_brightness))) * pixel_scale**2
    detector = noise.detector_pixel_scale or pixel_scale
    reads = (noise.exposures or 1) * (noise.read_noise or 0.0) ** 2
    dark = (noise.dark_current or 0.0) * noise.exposure_time
    variance = sky + (dark + reads) * (pixel_scale / detector) ** 2
    return float(np.sqrt(variance)) / gain
