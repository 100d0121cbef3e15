"""Noise drawn afresh on images that are stored without."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask import noise, own_noise
from argdask.errors import InputError
from argdask.observing import noise_keys
from argdask.own_noise import Levels, OwnNoise
from argdask.schema import ENDS, VARIABLES, image_name

__all__ = ["add_noise"]


def add_noise(pairs: xr.Dataset, epoch: int = 0) -> xr.Dataset:
    """Draw the noise of images anew, as if the same galaxies were observed again.

    Parameters
    ----------
    pairs
        Training pairs of a recipe with noise, in memory or lazy, with the layer that
        comes before it: convolved, or clean where there is no PSF.
    epoch
        Which of many draws, 0 to 2^31 - 1. Draw 0 is the one that a store has.

    Returns
    -------
    Dataset
        The pairs with ``input_noisy`` and ``target_noisy`` of this epoch, lazy where
        the images are.

    Raises
    ------
    InputError
        If nothing is known of the noise, or the layer before it is not there.

    Notes
    -----
    The noise of a pixel follows from the seed, the epoch, the galaxy's id and the
    pixel's number in the cube: the same for any galaxies that are selected, another one
    where pixels or filters are left out.

    Examples
    --------
    >>> import argdask as ad
    >>> seen = {"psf": {"psf_fwhm": 0.15}, "noise": {"background_sigma": 1e-3}}
    >>> pairs = ad.simulate(ad.Recipe(galaxies=2, observation=seen))
    >>> again = ad.add_noise(pairs, epoch=1)
    >>> bool((again["input_noisy"] == pairs["input_noisy"]).any())
    False
    """
    if not isinstance(epoch, int | np.integer) or not 0 <= epoch < noise.EPOCHS:
        cure = "leave it out for the noise that stores have"
        raise InputError("epoch", epoch, f"0 to {noise.EPOCHS - 1}", cure)
    known = [role for role in ENDS if f"background_sigma_{ENDS[role]}" in pairs.coords]
    if not known:
        raise InputError(
            "pairs",
            "a dataset that says nothing of noise",
            "pairs of a recipe with observation.noise",
            "make them with it",
        )
    keys = noise_keys(int(json.loads(pairs.attrs["recipe"])["seed"]))
    found = {}
    for role in known:
        before = pairs[_layer_before(pairs, role)]
        own, level = _own_noise(pairs, ENDS[role]), _levels(pairs, role)

        def draw(
            images: NDArray[np.float32],
            ids: NDArray[np.int64],
            *there: NDArray[np.float64],
            role: str = role,
            levels: Levels = level,
        ) -> NDArray[np.float32]:
            if there:
                levels = levels._replace(own=OwnNoise(*there))
            return own_noise.add_noise(images, ids, keys, role, int(epoch), levels)

        name = image_name(role, "noisy")
        options: dict[str, Any] = {"output_dtypes": [np.float32]}
        cube = ["y", "x", "filter"]
        drawn = xr.apply_ufunc(
            draw,
            before,
            pairs["galaxy_id"],
            *own,
            input_core_dims=[cube, [], *([["filter"], [], []] if own else [])],
            output_core_dims=[cube],
            dask="parallelized",
            dask_gufunc_kwargs={},
            **options,
        )
        found[name] = drawn.assign_attrs(VARIABLES[name].attrs)
    return pairs.assign(found)


def _layer_before(pairs: xr.Dataset, role: str) -> str:
    """Return the name of the images that noise is added to."""
    seen = f"psf_fwhm_{ENDS[role]}" in pairs.coords
    name = image_name(role, "convolved" if seen else "clean")
    if name not in pairs.data_vars:
        raise InputError(
            "pairs",
            ", ".join(map(str, pairs.data_vars)),
            f"{name}, to which noise can be added",
            "keep that layer: observation.layers",
        )
    return name


def _levels(pairs: xr.Dataset, role: str) -> Levels:
    """Return electrons and sigma in the unit of the images."""
    scale = float(pairs.attrs["scale"])
    end = ENDS[role]
    sigma = scale * pairs[f"background_sigma_{end}"].values
    return Levels(pairs[f"gain_{end}"].values / scale, sigma)


def _own_noise(pairs: xr.Dataset, end: str) -> list[xr.DataArray]:
    """Return what `OwnNoise` takes; nothing for images without noise of their own."""
    sides = [f"image_height_{end}", f"image_width_{end}"]
    if f"own_sigma_{end}" not in pairs.coords:
        return []
    sigma = float(pairs.attrs["scale"]) * pairs[f"own_sigma_{end}"]
    return [sigma, *(pairs[side] for side in sides)]
