"""What is refused of new sets alone: those that were begun with it can go on."""

from __future__ import annotations

import numpy as np

from argdask.errors import InputError
from argdask.recipe import Recipe
from argdask.recipe_profiles import by_place
from argdask.sampling import Choice, Constant

__all__ = ["check_new", "too_large"]

# Three times the radius to which profiles are tested [pixel]. Beyond it, and beyond the
# frame, a galaxy is a slope: its radius was meant in kpc, mas or pixels.
_LARGEST_RADIUS = 100.0


def check_new(recipe: Recipe) -> None:
    """See that radii are in arcsec, and angles below 180 deg.

    Parameters
    ----------
    recipe
        The choices of a set of which no galaxy was made.

    Raises
    ------
    InputError
        The median half-light radius is larger than the frame and than 100 pixels, or a
        position angle is 180 deg, which is 0.
    """
    largest = max(_LARGEST_RADIUS, *recipe.image_shape)
    for place, one in by_place(recipe.profile).items():
        law = one.parameters.get("half_light_radius")
        median = 0.0 if law is None else float(law.quantile(np.array([0.5]))[0])
        pixels = median / recipe.pixel_scale
        if pixels > largest:
            raise InputError(
                f"{place}.half_light_radius",
                f"{median:g} arcsec, {pixels:.0f} pixels of {recipe.pixel_scale:g}",
                f"at most {largest:g} pixels, the frame or more",
                "give it in arcsec, not in kpc, mas or pixels, or a larger image_shape",
            )
        angle = one.parameters.get("position_angle")
        values = angle.values if isinstance(angle, Choice) else ()
        if isinstance(angle, Constant):
            values = (angle.value,)
        if 180.0 in values:
            cure = "give 0, which is the same"
            field, expected = f"{place}.position_angle", "angles from 0 to below 180"
            raise InputError(field, "180", expected, cure)


def too_large(recipe: Recipe, filters: int) -> InputError:
    """Return what to raise where there is no memory for the frames of a recipe.

    Parameters
    ----------
    recipe
        The choices.
    filters
        How many filters are made.

    Returns
    -------
    InputError
        With the bytes of the least part, which is one galaxy.
    """
    height, width = recipe.image_shape
    size = height * width * filters * len(recipe.images) * np.dtype(np.float32).itemsize
    shown = f"{height}x{width}, where a part of one galaxy is {size / 1e9:.4g} GB"
    cure = "choose a smaller image_shape, or fewer filters"
    return InputError("image_shape", shown, "images that fit in memory", cure)
