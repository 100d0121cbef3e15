"""At which redshift, and in which filter, magnitudes and radii hold."""

from __future__ import annotations

import warnings
from typing import Any

import xarray as xr

from argdask.brightness import default_filter
from argdask.catalogue import Catalogue
from argdask.recipe import Recipe
from argdask.table_columns import column_of

__all__ = ["TableRedshiftWarning", "references", "tell_references", "warn_of_redshifts"]

_BRIGHTNESS = ("magnitude", "light_fraction", "bulge_to_total")


class TableRedshiftWarning(UserWarning):
    """Values of a table with redshifts are not taken at these."""


def references(recipe: Recipe, seds: xr.DataArray) -> dict[str, dict[str, Any]]:
    """Return where the truth that depends on redshift or filter holds.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid, with the filters of the set alone.

    Returns
    -------
    dict
        Attributes by the name of the variable: ``brightness_filter`` and
        ``brightness_redshift`` of magnitudes and light fractions, and
        ``reference_redshift`` of radii that follow the redshift. A redshift is a number
        or z_in.
    """
    choices, lowest = recipe.brightness, float(seds["redshift"].values[0])
    light = {
        "brightness_filter": choices.brightness_filter or default_filter(seds),
        "brightness_redshift": choices.brightness_redshift or lowest,
    }
    found: dict[str, dict[str, Any]] = dict.fromkeys(_BRIGHTNESS, light)
    if recipe.angular_size:
        radius = {"reference_redshift": recipe.reference_redshift or lowest}
        found["half_light_radius"] = radius
    return found


def tell_references(pairs: xr.Dataset, recipe: Recipe, seds: xr.DataArray) -> None:
    """Add to the coordinates of pairs where they hold, in place.

    The files of stores do not say it, lest a piece that is made again be another one.

    Parameters
    ----------
    pairs
        The pairs.
    recipe
        The choices.
    seds
        The SED grid, with the filters of the set alone.
    """
    for name, told in references(recipe, seds).items():
        if name in pairs.coords:
            pairs[name].attrs.update(told)


def warn_of_redshifts(catalogue: Catalogue) -> None:
    """Say it where a table has redshifts and its values are taken at another one.

    Parameters
    ----------
    catalogue
        The recipe, the SED grid and the table.

    Warns
    -----
    TableRedshiftWarning
        If nobody said at which redshift the table's magnitudes or radii hold.
    """
    table, recipe = catalogue.table, catalogue.recipe
    if table is None or "z_in" not in table.names:
        return
    columns = (column_of(name, table.components) for name in table.names)
    meanings = {column.meaning for column in columns if column is not None}
    values, keys = [], []
    if "magnitude" in meanings and recipe.brightness.brightness_redshift is None:
        named = references(recipe, catalogue.seds)["magnitude"]["brightness_filter"]
        values.append(f"magnitude (in {named}, see brightness.brightness_filter)")
        keys.append("brightness.brightness_redshift")
    moving = recipe.angular_size and recipe.reference_redshift is None
    if "half_light_radius" in meanings and moving:
        values.append("half_light_radius")
        keys.append("reference_redshift")
    if not values:
        return
    warnings.warn(
        f"the catalogue's values of {' and '.join(values)} are taken at redshift "
        f"{catalogue.redshift[0]:g}, the lowest of the SED grid, not at each z_in: "
        f"set {' and '.join(keys)} to z_in, or to the redshift at which they hold",
        TableRedshiftWarning,
        stacklevel=5,  # where simulate or build is called
    )
