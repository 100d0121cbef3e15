"""Noise drawn afresh on images that are stored without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask import noise, own_noise
from argdask.errors import InputError
from argdask.noise import Levels
from argdask.observing import noise_keys
from argdask.own_noise import OwnNoise
from argdask.recipe_observation import Observation
from argdask.rounding import round_mantissa, rounding_attributes
from argdask.schema import ENDS, IMAGE_DIMS, VARIABLES, image_name

__all__ = ["FreshNoise", "add_noise"]


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
    where pixels or filters are left out. Of images that were rounded (keep_bits) it is
    drawn for the rounded light, and rounded like them: draw 0 is that of the store to
    about the error of rounding, and to an electron where they are counted.

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
    found = {}
    for role in known:
        seen = FreshNoise(pairs, role)
        if set(pairs[seen.before].dims) != set(IMAGE_DIMS):
            raise InputError(
                "pairs",
                f"images ({', '.join(map(str, pairs[seen.before].dims))})",
                f"images ({', '.join(IMAGE_DIMS)})",
                "select by lists: isel(galaxy=[0])",
            )
        cube, dims = ["y", "x", "filter"], [list(pairs[n].dims) for n in seen.columns]
        drawn = xr.apply_ufunc(
            lambda images, *columns, seen=seen: seen.draw(images, columns, int(epoch)),
            pairs[seen.before],
            *(pairs[name] for name in seen.columns),
            input_core_dims=[cube, *([d for d in one if d in cube] for one in dims)],
            output_core_dims=[cube],
            dask="parallelized",
            output_dtypes=[np.float32],
        )
        name = image_name(role, "noisy")
        drawn.attrs = VARIABLES[name].attrs | rounding_attributes(seen.keep_bits)
        found[name] = drawn
    return pairs.assign(found)


class FreshNoise:
    """The noise of one image of pairs, as their recipe has it.

    Parameters
    ----------
    pairs
        Training pairs that say what noise they have.
    role
        Either input or target.

    Raises
    ------
    InputError
        If the layer before it is not there.
    """

    def __init__(self, pairs: xr.Dataset, role: str) -> None:
        end = ENDS[role]
        self._role = role
        recipe = json.loads(pairs.attrs["recipe"])
        self._keys = noise_keys(int(recipe["seed"]))
        self._scale = float(pairs.attrs["scale"])
        sigma = self._scale * pairs[f"background_sigma_{end}"].values
        gain = pairs[f"gain_{end}"].values / self._scale
        seen = Observation.model_validate(recipe["observation"])
        names = map(str, np.atleast_1d(pairs["filter"].values))
        counted = np.array([seen.counts_electrons(role, name) for name in names])
        self._levels = Levels(gain, sigma, counted)
        self.keep_bits: int | None = recipe.get("layout", {}).get("keep_bits")
        """How many bits of their mantissa pixels keep; None for all."""
        self.before = _layer_before(pairs, role)
        """Name of the images that it is added to."""
        own = (f"own_sigma_{end}", f"image_height_{end}", f"image_width_{end}")
        there = own[0] in pairs.coords
        self.columns = ("galaxy_id", *(own if there else ()))
        """Names of the truth that it follows from."""

    def draw(
        self,
        images: NDArray[np.float32],
        columns: Sequence[NDArray[Any]],
        epoch: int,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Add it to images.

        Parameters
        ----------
        images
            Without it (galaxy, y, x, filter).
        columns
            The truth about the same galaxies, in the order of `columns`.
        epoch
            Which of many draws.
        out
            Memory for the result, which may be `images`; new if left out.

        Returns
        -------
        ndarray
            The images with noise.
        """
        ids, *own = columns
        there = None
        if own:
            sigma, height, width = own
            there = OwnNoise(self._scale * sigma, height, width)
        told = self._keys, self._role, epoch, self._levels
        noisy = own_noise.add_noise(images, ids, *told, there, out)
        return round_mantissa(noisy, self.keep_bits)


def _layer_before(pairs: xr.Dataset, role: str) -> str:
    """Return the name of the images that noise is added to."""
    seen = f"psf_fwhm_{ENDS[role]}" in pairs.coords
    name = image_name(role, "convolved" if seen else "clean")
    # Without a PSF of its own the convolved layer is the clean one.
    if not seen and name not in pairs.data_vars:
        name = image_name(role, "convolved")
    if name not in pairs.data_vars:
        raise InputError(
            "pairs",
            ", ".join(map(str, pairs.data_vars)),
            f"{name}, to which noise can be added",
            "keep that layer: observation.layers",
        )
    return name
