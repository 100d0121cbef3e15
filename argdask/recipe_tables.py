"""A user's catalogue as a recipe and an SED grid take it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from argdask.errors import InputError
from argdask.recipe import SMALLEST_RADIUS, Recipe
from argdask.table_columns import refuse_rows
from argdask.tables import UserTable, read_table

__all__ = ["fitted_table", "table_of", "with_galaxies"]


def table_of(recipe: Recipe, catalogue: Any = None) -> UserTable | None:
    """Return the table that an argument or the recipe names.

    Parameters
    ----------
    recipe
        The choices.
    catalogue
        A table, or what `read_table` reads; the recipe's file if left out.

    Returns
    -------
    UserTable or None
        The table, if there is one.

    Raises
    ------
    InputError
        If both name a table, or it cannot be read.
    """
    if catalogue is None:
        if recipe.catalogue is None:
            return None
        chosen = recipe.catalogue
        return read_table(chosen.path, units=chosen.units, ignore=chosen.ignore)
    if recipe.catalogue is not None:
        raise InputError(
            "catalogue",
            "a table, and another in the recipe",
            "one table",
            "leave out the argument, or the recipe's key",
        )
    return catalogue if isinstance(catalogue, UserTable) else read_table(catalogue)


def with_galaxies(recipe: Recipe, table: UserTable | None) -> Recipe:
    """Return the recipe with as many galaxies as the table has, unless it says fewer.

    Parameters
    ----------
    recipe
        The choices.
    table
        The table, if there is one.

    Returns
    -------
    Recipe
        The choices, with the number of galaxies.

    Raises
    ------
    InputError
        If the recipe says more galaxies than there are.
    """
    if table is None:
        return recipe
    if "galaxies" not in recipe.model_fields_set:
        return recipe.model_copy(update={"galaxies": len(table)})
    if recipe.galaxies > len(table):
        raise InputError(
            "galaxies",
            recipe.galaxies,
            f"at most {len(table)}, the rows of the catalogue",
            "leave it out, or add rows",
        )
    return recipe


def fitted_table(table: UserTable, recipe: Recipe, seds: xr.DataArray) -> UserTable:
    """Compare a table with a recipe and an SED grid.

    Parameters
    ----------
    table
        The table.
    recipe
        The choices.
    seds
        The SED grid (redshift, filter, template).

    Returns
    -------
    UserTable
        The table, with numbers in the place of the names of templates.

    Raises
    ------
    InputError
        If the recipe has no use for a column, or a value is not possible.
    """
    law = recipe.brightness.law
    for name, wanted in (("magnitude", "equal"), ("stellar_mass", "stellar_mass")):
        if name in table.names and law != wanted:
            raise InputError(
                f"catalogue.{name}",
                f"a column, and brightness.law {law}",
                f"brightness.law {wanted}",
                f"set it, or ignore the column: ignore=['{name}']",
            )
    if "image" in table.names:
        raise InputError(
            "catalogue.image",
            f"a column, and profile {recipe.profile.name}",
            "a profile of images",
            "ignore the column: ignore=['image']",
        )
    if "half_light_radius" in table.names:
        radius = table.values["half_light_radius"]
        least = SMALLEST_RADIUS * recipe.pixel_scale
        refuse_rows(
            "half_light_radius",
            np.asarray(radius < least * (1 - 1e-9)),
            radius,
            f"at least {least:g} arcsec, {SMALLEST_RADIUS:g} pixels",
            "drop the row, or choose a smaller pixel_scale",
        )
    return table.check_against(seds)
