"""Colour images of training pairs: three filters as red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError, nearest
from argdask.stretches import SIGMAS, SOFTENING, first_galaxies, image_names, noise

__all__ = ["Stretch", "composite", "composite_filters"]

Stretch = Literal["shared", "own"]
"""What is as bright as can be: the brightest of a galaxy's images, or of each image."""

_COLOURS = ("red", "green", "blue")
# Power of the wavelength with which f_nu rises where a galaxy is shown grey.
_GREY = 1.5


def composite(
    pairs: xr.Dataset,
    *,
    galaxies: int | None = None,
    filters: Sequence[str] | None = None,
    stretch: Stretch = "shared",
) -> xr.Dataset:
    """Make colour images of three filters, as Lupton et al. (2004) do.

    Parameters
    ----------
    pairs
        Training pairs; only the filters and galaxies that are shown are computed.
    galaxies
        How many of the first galaxies; all if left out.
    filters
        Names of the filters of red, green and blue; if left out the reddest, the one
        nearest to the middle of the wavelengths' logarithms, and the bluest.
    stretch
        ``shared``: the images of a galaxy have one stretch up to the brightest of them,
        so that a target which is fainter looks fainter; ``own``: each image has its
        own, which shows faint ones too.

    Returns
    -------
    Dataset
        Each image variable as (galaxy, y, x, colour), uint8, with the coordinates
        `galaxy_id`, `z_in`, `z_out` and, of the colours, `filter` and `wavelength`.

    Raises
    ------
    InputError
        If there are no images or no galaxies, or the filters are not three of theirs.

    Notes
    -----
    Lupton et al. (2004, PASP 116, 133), Eq. 2 with f(x) = asinh(Q x / stretch) / Q, by
    `astropy.visualization.make_lupton_rgb`: the mean of the three is stretched, and
    colours are kept. Fluxes are divided by their wavelengths to the power 1.5 first,
    half-way from nu f_nu to f_lambda, which makes grey what is neither blue nor red
    among galaxies. The stretch is linear below 0.002
    of the brightest pixel, or below three sigma of the noise; no pixel is cut off at
    the bright end, and those without a value are black.

    Examples
    --------
    >>> import argdask as ad
    >>> pairs = ad.simulate(ad.Recipe(galaxies=2, image_shape=20))
    >>> ad.composite(pairs)["target"].shape
    (2, 20, 20, 3)
    """
    if stretch not in ("shared", "own"):
        raise InputError("stretch", stretch, "shared or own", "leave it out for shared")
    names = image_names(pairs)
    chosen = composite_filters(pairs) if filters is None else list(filters)
    _check(pairs, chosen)
    shown = first_galaxies(pairs, galaxies)[names].sel(filter=chosen).load()
    wavelength = shown["wavelength"].values
    weights = (wavelength.mean() / wavelength) ** _GREY
    sigma = float(np.sqrt(((noise(shown, names) * weights) ** 2).sum()) / len(chosen))
    cubes = {name: np.nan_to_num(shown[name].values * weights) for name in names}
    made = {name: np.empty(cube.shape, np.uint8) for name, cube in cubes.items()}
    for row in range(shown.sizes["galaxy"]):
        every = [cube[row] for cube in cubes.values()]
        for name, cube in cubes.items():
            reference = every if stretch == "shared" else [cube[row]]
            made[name][row] = _lupton(cube[row], reference, sigma)
    kept = [key for key in ("galaxy_id", "z_in", "z_out") if key in shown.coords]
    coords = {key: shown[key].variable for key in kept} | {
        "colour": list(_COLOURS),
        "filter": ("colour", chosen),
        "wavelength": ("colour", wavelength, shown["wavelength"].attrs),
    }
    images = {
        name: (
            ("galaxy", "y", "x", "colour"),
            made[name],
            {"units": "1", "long_name": f"red, green and blue of {name}"},
        )
        for name in names
    }
    return xr.Dataset(images, coords, {"stretch": stretch})


def composite_filters(pairs: xr.Dataset) -> list[str]:
    """Return the filters that are shown as red, green and blue.

    Parameters
    ----------
    pairs
        Training pairs, or anything with their coordinates.

    Returns
    -------
    list of str
        The reddest, the one nearest to the middle of the wavelengths' logarithms, and
        the bluest; of one or two filters, some more than once.

    Raises
    ------
    InputError
        If there is no dimension of filters.
    """
    if "filter" not in pairs.dims:
        cure = "select with a list, as filter=[0]"
        raise InputError("pairs", "a dataset of one filter", "filters", cure)
    wavelength = np.log(pairs["wavelength"].values)
    low, high = int(wavelength.argmin()), int(wavelength.argmax())
    middle = (wavelength[low] + wavelength[high]) / 2
    between = int(np.abs(wavelength - middle).argmin())
    return [str(pairs["filter"].values[index]) for index in (high, between, low)]


def _check(pairs: xr.Dataset, chosen: list[str]) -> None:
    if len(chosen) != len(_COLOURS):
        expected = "three names, of red, green and blue"
        raise InputError("filters", chosen, expected, "leave them out")
    known = [str(name) for name in pairs["filter"].values]
    for name in chosen:
        if name not in known:
            expected = f"among {', '.join(known)}"
            near = nearest(str(name), known)
            raise InputError("filters", name, expected, f"nearest: {near}")


def _lupton(
    cube: NDArray[Any], reference: list[NDArray[Any]], sigma: float
) -> NDArray[np.uint8]:
    """Return an image (y, x, colour) of which the brightest of some fills the range.

    Parameters
    ----------
    cube
        The image.
    reference
        Images with the same stretch.
    sigma
        Of the noise in the mean of the colours.
    """
    brightest = max(float(one.mean(axis=-1).max()) for one in reference)
    if brightest <= 0:
        return np.zeros(cube.shape, np.uint8)
    from astropy.visualization import make_lupton_rgb

    knee = max(SOFTENING * brightest, SIGMAS * sigma)
    # What the brightest colour of any pixel would be for a stretch asinh(I / knee).
    highest = 0.0
    for one in reference:
        mean = one.mean(axis=-1)
        shown = mean > 0
        ratio = one[shown].max(axis=-1) / mean[shown]
        highest = max(highest, float((ratio * np.arcsinh(mean[shown] / knee)).max()))
    # Astropy's is asinh(Q I / s) / (10 asinh(Q / 10)): with this Q, and s = Q knee, the
    # brightest colour becomes 1, and no pixel is cut off.
    softening = 10 * np.sinh(highest / 10)
    colours = np.moveaxis(cube, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):  # pixels that are zero
        made = make_lupton_rgb(*colours, stretch=softening * knee, Q=softening)
    return np.asarray(made, np.uint8)
