"""From rows of the catalogue to light: stamps, brightest pixels and the set's scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask import profiles
from argdask.catalogue import Catalogue, Columns
from argdask.errors import InputError
from argdask.recipe import Recipe, Scale
from argdask.schema import ENDS

__all__ = [
    "brightest_pixels",
    "is_scale_of_fewer",
    "per_brightest",
    "render_stamps",
    "resolve_scale",
    "stamp_arguments",
]

# Galaxies whose columns are held at once while the brightest pixel is sought.
_BATCH = 16384

# What single precision holds of fluxes [uJy] and of the scale, far from any real one.
_FAINTEST, _BRIGHTEST = 1e-30, 1e30
_CURE = "correct the brightness of this galaxy, or the units of the SED grid"


def render_stamps(
    recipe: Recipe,
    columns: Columns,
    out: NDArray[np.float32] | None = None,
    *,
    role: str | None = None,
) -> NDArray[np.float32]:
    """Render the light of each galaxy or component; it adds up to one over the plane.

    Parameters
    ----------
    recipe
        The choices.
    columns
        The catalogue's columns (galaxy,) or (galaxy, component).
    out
        Memory for the result; new if left out.
    role
        Whose sizes they have, the input's or the target's; those at the reference
        redshift if left out.

    Returns
    -------
    ndarray
        Fraction of the light in each pixel (galaxy, y, x), or of each component's
        (galaxy, component, y, x).
    """
    render = profiles.PROFILES[recipe.profile.name]
    stamps: NDArray[np.float32] = render(
        **_arguments(recipe, columns, role), dtype=np.float32, out=out
    )
    return stamps


def brightest_pixels(
    recipe: Recipe, columns: Columns, *, role: str | None = None
) -> NDArray[np.float64]:
    """Return the brightest pixel of each galaxy's light without rendering it.

    Parameters
    ----------
    recipe
        The choices.
    columns
        The catalogue's columns (galaxy,) or (galaxy, component).
    role
        As for `render_stamps`.

    Returns
    -------
    ndarray
        Fraction of the light in the brightest pixel (galaxy,); where there are
        components, of their sum in the brightness filter at the brightness redshift.
    """
    arguments = _arguments(recipe, columns, role)
    if "light_fraction" not in columns:
        return profiles.brightest_pixel(**arguments)
    fraction = columns["light_fraction"][:, :, None]
    return profiles.brightest_sum(**arguments, fluxes=fraction)


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
        If no galaxy that counts has any light in its frame, or light or the scale are
        numbers that no galaxy has.
    """
    recipe = catalogue.recipe
    rule = recipe.scale
    if not isinstance(rule, Scale):
        return 1.0 if rule is None else float(rule)
    brightest, row, start = 0.0, 0, 0
    for light in _light(catalogue, rule):
        place = int(np.argmax(light))
        if not light[place] <= brightest:
            brightest, row = float(light[place]), start + place
        start += light.size
    if not 0 < brightest < np.inf:
        raise InputError(
            "scale",
            f"a brightest input pixel of {brightest:g}",
            "light in some frame",
            "check offsets, sizes and filters, or give the scale as a number",
        )
    scale = rule.max / brightest
    if not _FAINTEST <= scale <= _BRIGHTEST:
        galaxy = catalogue.ids(row, row + 1)[0]
        raise InputError(
            "scale",
            f"{scale:g}, by the brightest input pixel, {brightest:g} uJy of galaxy "
            f"{galaxy}",
            f"a number from {_FAINTEST:g} to {_BRIGHTEST:g}",
            f"{_CURE}, or choose another scale.max",
        )
    return scale


def is_scale_of_fewer(catalogue: Catalogue, scale: float) -> bool:
    """Return whether the rule for the scale gives a number over some first galaxies.

    Parameters
    ----------
    catalogue
        A recipe with a rule for the scale, and the SED grid.
    scale
        The number.

    Returns
    -------
    bool
        Whether a smaller set of the same galaxies would have this scale.
    """
    rule = catalogue.recipe.scale
    if not isinstance(rule, Scale):
        return False
    brightest = 0.0
    for light in _light(catalogue, rule):
        so_far = np.maximum(np.maximum.accumulate(light), brightest)
        with np.errstate(divide="ignore"):
            if scale in rule.max / so_far:
                return True
        brightest = float(so_far[-1])
    return False


def _light(catalogue: Catalogue, rule: Scale) -> Iterator[NDArray[np.float64]]:
    """Yield the brightest input pixel of the galaxies that count, before the scale."""
    galaxies = catalogue.recipe.galaxies
    last = galaxies if rule.over == "all" else min(galaxies, rule.over)
    so_far = 0.0
    for start in range(0, last, _BATCH):
        columns = catalogue.columns(catalogue.ids(start, min(start + _BATCH, last)))
        _check_fluxes(columns)
        light = _brightest_inputs(catalogue, columns, so_far)
        so_far = max(so_far, float(light.max()))
        yield light


def _check_fluxes(columns: Columns) -> None:
    """Refuse fluxes that are no galaxy's, such as those of a missing magnitude."""
    for name in ("flux_in", "flux_out"):
        flux = columns[name]
        wrong = ~(flux <= _BRIGHTEST)
        if wrong.any():
            row, band = np.argwhere(wrong)[0]
            raise InputError(
                "scale",
                f"{name} of {flux[row, band]:g} uJy of galaxy "
                f"{columns['galaxy_id'][row]}",
                f"fluxes up to {_BRIGHTEST:g} uJy",
                _CURE,
            )


def _brightest_inputs(
    catalogue: Catalogue, columns: Columns, so_far: float
) -> NDArray[np.float64]:
    """Return the brightest pixel of each galaxy's input [uJy] (galaxy,).

    It may be 0 where it is known to be below what other galaxies reach already.
    """
    recipe = catalogue.recipe
    light: NDArray[np.float64] = columns["flux_in"].max(axis=1)
    peak = recipe.normalise == "peak"
    if catalogue.stamps is not None:
        return catalogue.stamps.brightest(columns, light, so_far)
    if catalogue.components:
        fluxes = columns["component_flux_in"]
        arguments = _arguments(recipe, columns, "input")
        light = profiles.brightest_sum(**arguments, fluxes=fluxes)
    else:
        pixels = brightest_pixels(recipe, columns, role="input")
        if peak and not recipe.angular_size:
            return light * (pixels > 0)
        light = light * pixels
    return per_brightest(light, brightest_pixels(recipe, columns)) if peak else light


def per_brightest(
    light: NDArray[np.float64], brightest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Divide light of galaxies by their brightest pixels.

    Parameters
    ----------
    light
        Anything of each galaxy (galaxy, ...).
    brightest
        Brightest pixels of their light (galaxy,).

    Returns
    -------
    ndarray
        The quotients; 0 for a galaxy outside of its frame, which has no brightest pixel
        and no light in any.
    """
    divisor = brightest.reshape(-1, *[1] * (light.ndim - 1))
    return np.divide(light, divisor, where=divisor > 0, out=0.0 * light)


def stamp_arguments(
    recipe: Recipe, columns: Columns, *, role: str | None = None
) -> dict[str, NDArray[Any]]:
    """Return the columns that a profile is rendered from, lengths in pixels.

    Parameters
    ----------
    recipe
        The choices.
    columns
        The catalogue's columns (galaxy,) or (galaxy, component).
    role
        As for `render_stamps`.

    Returns
    -------
    dict
        Columns by the names of the profile's arguments.
    """
    arguments = {name: columns[name] for name in recipe.profile.columns}
    radius = arguments["half_light_radius"]
    if role is not None:
        radius = columns.get(f"half_light_radius_{ENDS[role]}", radius)
    arguments["half_light_radius"] = radius / recipe.pixel_scale
    return arguments


def _arguments(
    recipe: Recipe, columns: Columns, role: str | None = None
) -> dict[str, Any]:
    """Return what a profile is called with."""
    arguments: dict[str, Any] = stamp_arguments(recipe, columns, role=role)
    return {**arguments, "shape": recipe.image_shape, "sampling": recipe.sampling}
