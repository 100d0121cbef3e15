"""How images are shown: which of them, in what order, and between which limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.schema import ENDS, IMAGES, layer_of, role_of

__all__ = ["SIGMAS", "SOFTENING", "first_galaxies", "image_names", "noise", "stretched"]

# Where the stretch turns from linear to logarithmic, as a fraction of the brightest.
SOFTENING = 2e-3
# How far below zero it begins where there is noise.
SIGMAS = 3.0


def image_names(pairs: xr.Dataset) -> list[str]:
    """Return the images of a dataset, those of the input first.

    Parameters
    ----------
    pairs
        Training pairs.

    Returns
    -------
    list of str
        Names of variables.

    Raises
    ------
    InputError
        If there are none.
    """
    there = [name for name in IMAGES if name in pairs.data_vars]
    if not there:
        raise InputError(
            "pairs", "a dataset without images", "input and target", "keep a layer"
        )
    return sorted(there, key=lambda name: list(ENDS).index(role_of(name)))


def first_galaxies(pairs: xr.Dataset, galaxies: int | None) -> xr.Dataset:
    """Return some of the first galaxies of a dataset, or the one that it is of.

    Parameters
    ----------
    pairs
        Training pairs, of one galaxy without the dimension or of many.
    galaxies
        How many; all if left out.

    Returns
    -------
    Dataset
        Pairs with the dimension galaxy; nothing is computed.

    Raises
    ------
    InputError
        If there is no galaxy.
    """
    many = pairs if "galaxy" in pairs.dims else pairs.expand_dims("galaxy")
    shown = many if galaxies is None else many.isel(galaxy=slice(galaxies))
    if not shown.sizes["galaxy"]:
        expected = "at least one galaxy"
        raise InputError("pairs", "a dataset without galaxies", expected, "keep one")
    return shown


def noise(pair: xr.Dataset, names: Iterable[str]) -> NDArray[np.float64]:
    """Return the larger sigma of the background of some images, by filter.

    Parameters
    ----------
    pair
        Training pairs.
    names
        Names of their images.

    Returns
    -------
    ndarray
        Sigma (filter,) [scale uJy / pixel]; zero where no image has noise.
    """
    known = [
        pair[sigma].values
        for name in names
        if layer_of(name) == "noisy"
        and (sigma := f"background_sigma_{ENDS[role_of(name)]}") in pair.coords
    ]
    nothing = np.zeros(pair.sizes["filter"])
    scale = float(pair.attrs.get("scale", 1.0))
    return np.asarray(scale * np.max([nothing, *known], axis=0))


def stretched(cube: NDArray[Any], brightest: float, sigma: float) -> NDArray[Any]:
    """Stretch an image between zero, or three sigma below, and the brightest pixel.

    Parameters
    ----------
    cube
        The image.
    brightest
        What becomes 1.
    sigma
        Of its noise, in its unit.

    Returns
    -------
    ndarray
        Inverse hyperbolic sine of the image, linear below 0.002 of the brightest pixel
        or below sigma, whichever is larger. Zeros where nothing is bright.
    """
    if brightest <= 0:
        return np.zeros_like(cube)
    knee = max(SOFTENING * brightest, sigma)
    low, high = np.arcsinh([-SIGMAS * sigma / knee, brightest / knee])
    return np.asarray((np.arcsinh(cube / knee) - low) / (high - low))
