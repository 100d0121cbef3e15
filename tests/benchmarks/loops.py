"""The ways of others to make pairs: a loop of astropy, one of GalSim, a broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.modeling.models import Sersic2D
from numpy.typing import NDArray

import argdask as ad
from argdask.catalogue import Columns

__all__ = ["astropy_stamps", "galsim_stamps", "loop_cubes", "some_of"]

Floats = NDArray[np.float64]


def some_of(columns: Columns, rows: slice | NDArray[np.integer]) -> Columns:
    """Return some rows of all columns."""
    return {name: values[rows] for name, values in columns.items()}


def astropy_stamps(recipe: ad.Recipe, columns: Columns) -> Floats:
    """Render galaxies one by one at the centres of pixels, 1 at the half-light radius.

    What people write today: a `Sersic2D` for each galaxy, called on the same mesh.
    """
    height, width = recipe.image_shape
    y, x = np.mgrid[:height, :width]
    count = columns["half_light_radius"].size
    images = np.empty((count, height, width))
    for i in range(count):
        model = Sersic2D(
            amplitude=1.0,
            r_eff=columns["half_light_radius"][i] / recipe.pixel_scale,
            n=columns["sersic_index"][i],
            x_0=(width - 1) / 2,
            y_0=(height - 1) / 2,
            ellip=1 - columns["axis_ratio"][i],
            theta=np.deg2rad(columns["position_angle"][i] + 90),
        )
        images[i] = model(x, y)
    return images


def galsim_stamps(
    galsim: Any, recipe: ad.Recipe, columns: Columns, method: str
) -> list[NDArray[np.float32]]:
    """Draw galaxies one by one with GalSim, over pixels or not."""
    height, width = recipe.image_shape
    images = []
    for radius, index, ratio, angle in zip(
        columns["half_light_radius"] / recipe.pixel_scale,
        columns["sersic_index"],
        columns["axis_ratio"],
        columns["position_angle"],
        strict=True,
    ):
        round_one = galsim.Sersic(
            n=float(index), half_light_radius=float(radius * np.sqrt(ratio))
        )
        profile = round_one.shear(q=float(ratio), beta=(angle + 90) * galsim.degrees)
        drawn = profile.drawImage(nx=width, ny=height, scale=1.0, method=method)
        images.append(drawn.array)
    return images


def loop_cubes(images: Floats, columns: Columns) -> tuple[Floats, Floats]:
    """Multiply by broadcasting and scale, as the loop does."""
    inputs = images[..., None] * columns["flux_in"][:, None, None, :]
    targets = images[..., None] * columns["flux_out"][:, None, None, :]
    scale = 10000 / inputs.max()
    inputs *= scale
    targets *= scale
    return inputs, targets
