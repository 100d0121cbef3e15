"""From rows of the catalogue to light: stamps, brightest pixels and the set's scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask import profiles
from argdask.catalogue import Catalogue, Columns
from argdask.errors import InputError
from argdask.recipe import Recipe, Scale

__all__ = ["brightest_pixels", "render_stamps", "resolve_scale"]

# Galaxies whose columns are held at once while the brightest pixel is sought.
_BATCH = 16384


def render_stamps(
    recipe: Recipe, columns: Columns, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Render the light of each galaxy, which adds up to one over the plane.

    Parameters
    ----------
    recipe
        The choices.
    columns
        The catalogue's columns (galaxy,).
    out
        Memory for the result (galaxy, y, x); new if left out.

    Returns
    -------
    ndarray
        Fraction of the light in each pixel (galaxy, y, x).
    """
    render = profiles.PROFILES[recipe.profile.name]
    stamps: NDArray[np.float32] = render(
        **_arguments(recipe, columns), dtype=np.float32, out=out
    )
    return stamps


def brightest_pixels(recipe: Recipe, columns: Columns) -> NDArray[np.float64]:
    """Return the brightest pixel of each stamp without rendering the stamps.

    Parameters
    ----------
    recipe
        The choices.
    columns
        The catalogue's columns (galaxy,).

    Returns
    -------
    ndarray
        Fraction of the light in the brightest pixel (galaxy,).
    """
    return profiles.brightest_pixel(**_arguments(recipe, columns))


def resolve_scale(catalogue: Catalogue) -> float:
    """Turn the recipe's rule for the scale into its number.

    Parameters
    ----------
    catalogue
        The recipe and the SED grid.

    Returns
    -------
    float
        What all fluxes are multiplied by.

    Raises
    ------
    InputError
        If no galaxy that counts has any light in its frame.
    """
    recipe = catalogue.recipe
    rule = recipe.scale
    if not isinstance(rule, Scale):
        return 1.0 if rule is None else float(rule)
    last = recipe.galaxies if rule.over == "all" else min(recipe.galaxies, rule.over)
    brightest = 0.0
    for start in range(0, last, _BATCH):
        columns = catalogue.columns(catalogue.ids(start, min(start + _BATCH, last)))
        light = columns["flux_in"].max(axis=1)
        if catalogue.images is None:
            pixels = brightest_pixels(recipe, columns)
        else:
            pixels = catalogue.images.brightest_pixels(columns["image"])
        light = light * (pixels if recipe.normalise == "flux" else pixels > 0)
        brightest = max(brightest, float(light.max()))
    if not 0 < brightest < np.inf:
        raise InputError(
            "scale",
            f"a brightest input pixel of {brightest:g}",
            "light in some frame",
            "check offsets, sizes and filters, or give the scale as a number",
        )
    return rule.max / brightest


def _arguments(recipe: Recipe, columns: Columns) -> dict[str, Any]:
    """Return what a profile is called with: columns by name, lengths in pixels."""
    arguments: dict[str, Any] = {
        name: columns[name] for name in recipe.profile.parameters
    }
    radius = arguments["half_light_radius"]
    arguments["half_light_radius"] = radius / recipe.pixel_scale
    return {**arguments, "shape": recipe.image_shape, "sampling": recipe.sampling}
