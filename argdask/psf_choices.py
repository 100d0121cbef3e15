"""A recipe's choices of PSFs, and the images of stars that it names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from argdask.errors import InputError
from argdask.psf import PSF, Airy, Gaussian, Moffat, PSFImage
from argdask.psf_files import read_psf
from argdask.recipe import ImageProfile, Recipe
from argdask.recipe_observation import AiryPSF, GaussianPSF, ImagePSF, MoffatPSF

__all__ = ["hash_of_images", "named_at", "optical_psf", "psf_images"]


def optical_psf(choice: Any, wavelength: float, images: Mapping[str, PSFImage]) -> PSF:
    """Return a recipe's choice of a PSF as what images are convolved with.

    Parameters
    ----------
    choice
        One choice of the recipe.
    wavelength
        Of the filter [Angstrom], for a diffraction pattern that has none of its own.
    images
        Images of PSFs by their source.

    Returns
    -------
    PSF
        The PSF, without the pixel that the light falls on.

    Raises
    ------
    InputError
        If the centre of an image is outside of it.
    """
    if isinstance(choice, GaussianPSF):
        return Gaussian(choice.psf_fwhm)
    if isinstance(choice, MoffatPSF):
        return Moffat(choice.psf_fwhm, choice.beta)
    if isinstance(choice, AiryPSF):
        own = choice.wavelength
        of = wavelength if own is None else own
        return Airy(of, choice.diameter, choice.obscuration)
    image = images[choice.source]
    return replace(
        image,
        pixel_scale=choice.pixel_scale or image.pixel_scale,
        centre=choice.centre,
        includes_pixel=choice.includes_pixel,
    )


def psf_images(recipe: Recipe) -> dict[str, PSFImage]:
    """Read the images of PSFs that a recipe names.

    Parameters
    ----------
    recipe
        The choices.

    Returns
    -------
    dict
        The images by their source, each with the pixel scale that its file has or else
        that of the first choice that names it; empty if there are none.

    Raises
    ------
    InputError
        If a file cannot be read, is no image of a star, or nothing says how large its
        pixels are.
    """
    found: dict[str, PSFImage] = {}
    unsaid = set()
    for place, choice in _image_choices(recipe):
        with named_at(place):
            if choice.source not in found:
                image, scale = read_psf(choice.source)
                if scale is None:
                    unsaid.add(choice.source)
                known = scale or choice.pixel_scale
                found[choice.source] = PSFImage(image, known or 1.0)
            if choice.source in unsaid and choice.pixel_scale is None:
                expected = "the size of its pixels [arcsec]"
                cure = f"give it: {choice.source} does not say"
                raise InputError("psf.pixel_scale", "nothing", expected, cure)
            optical_psf(choice, 1.0, found)
    return found


def hash_of_images(recipe: Recipe, images: Mapping[str, PSFImage]) -> str | None:
    """Return a hash of the images of PSFs, whatever their files are called.

    Parameters
    ----------
    recipe
        The choices, which say what each image is for.
    images
        The images by their source.

    Returns
    -------
    str or None
        A hash of pixels and pixel scales at each place that has an image; None where
        there is none.
    """
    state = hashlib.sha256()
    choices = list(_image_choices(recipe))
    for place, choice in choices:
        image = images[choice.source]
        scale = choice.pixel_scale or image.pixel_scale
        pixels = hashlib.sha256(image.content).hexdigest()
        state.update(f"{place} {scale!r} {pixels}\n".encode())
    return state.hexdigest() if choices else None


def _image_choices(recipe: Recipe) -> Iterator[tuple[str, ImagePSF]]:
    """Return where images of PSFs stand in a recipe, and the choices."""
    if recipe.observation is not None:
        for place, choice in recipe.observation.psfs:
            if isinstance(choice, ImagePSF):
                yield f"observation.{place}", choice
    if isinstance(recipe.profile, ImageProfile):
        own = recipe.profile.psf
        if isinstance(own, ImagePSF):
            yield "profile.psf", own


@contextmanager
def named_at(place: str) -> Iterator[None]:
    """Say of wrong values where in the recipe they stand.

    Parameters
    ----------
    place
        Where the choice of a PSF stands.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    InputError
        The same as inside, of this place.
    """
    try:
        yield
    except InputError as error:
        field = place + error.field.removeprefix("psf")
        told = error.value, error.expected, error.cure
        raise InputError(field, *told) from error
