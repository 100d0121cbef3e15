"""A user's catalogue and images as a recipe and an SED grid take them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from argdask.component_tables import check_components
from argdask.errors import InputError
from argdask.image_light import ImageLight
from argdask.recipe import SMALLEST_RADIUS, ComponentsProfile, Recipe, SersicProfile
from argdask.recipe_profiles import by_place
from argdask.sizes import least_radius
from argdask.table_columns import column_of, ignoring, in_order, refuse_rows
from argdask.tables import UserTable, read_table

__all__ = ["check_centres", "check_images", "completed", "fitted_table", "table_of"]


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
        If both name a table, it cannot be read, or the recipe is none.
    """
    if not isinstance(recipe, Recipe):
        cure = "use Recipe.from_yaml(path) or Recipe(**choices)"
        raise InputError("recipe", recipe, "a Recipe", cure)
    profile = recipe.profile
    names = profile.components if isinstance(profile, ComponentsProfile) else ()
    if catalogue is None:
        if recipe.catalogue is None:
            return None
        chosen = recipe.catalogue
        options: dict[str, Any] = {"units": chosen.units, "ignore": chosen.ignore}
        return read_table(chosen.path, **options, components=names)
    if recipe.catalogue is not None:
        raise InputError(
            "catalogue",
            "a table, and another in the recipe",
            "one table",
            "leave out the argument, or the recipe's key",
        )
    if isinstance(catalogue, UserTable):
        return catalogue
    return read_table(catalogue, components=names)


def completed(
    recipe: Recipe, table: UserTable | None, images: ImageLight | None
) -> Recipe:
    """Return the recipe with the sizes of what a user brought, where it has none.

    Parameters
    ----------
    recipe
        The choices.
    table
        The table, if there is one.
    images
        The images, if there are any.

    Returns
    -------
    Recipe
        The choices, with the number of galaxies and the shape of an image.

    Raises
    ------
    InputError
        If the recipe says more galaxies than the table has.
    """
    sizes: dict[str, Any] = {}
    if images is not None and "image_shape" not in recipe.model_fields_set:
        sizes["image_shape"] = images.stack.shape
    if "galaxies" not in recipe.model_fields_set:
        if table is not None:
            sizes["galaxies"] = len(table)
        elif images is not None and images.once:
            sizes["galaxies"] = images.stack.count
    elif table is not None and recipe.galaxies > len(table):
        raise InputError(
            "galaxies",
            recipe.galaxies,
            f"at most {len(table)}, the rows of the catalogue",
            "leave it out, or add rows",
        )
    return recipe.model_copy(update=sizes) if sizes else recipe


def check_images(recipe: Recipe, table: UserTable | None, images: ImageLight) -> None:
    """Compare images with a recipe and a table; no pixel is looked at.

    Parameters
    ----------
    recipe
        The choices, with all sizes.
    table
        The table, if there is one.
    images
        The images.

    Raises
    ------
    InputError
        If there are too few.
    """
    stack = images.stack
    if table is not None and "image" in table.names:
        values = table.values["image"]
        refuse_rows(
            "image",
            values >= stack.count,
            values,
            f"0 to {stack.count - 1}, the images of {stack.source.label}",
            "drop the row, or set profile.draw to random",
        )
    elif images.once and recipe.galaxies > stack.count:
        raise InputError(
            "galaxies",
            recipe.galaxies,
            f"at most {stack.count}, each image of {stack.source.label} once",
            "set profile.draw to random, or bring more images",
        )


def fitted_table(
    table: UserTable,
    recipe: Recipe,
    seds: xr.DataArray,
    images: ImageLight | None = None,
) -> UserTable:
    """Compare a table with a recipe and an SED grid.

    Parameters
    ----------
    table
        The table.
    recipe
        The choices.
    seds
        The SED grid (redshift, filter, template).
    images
        The images, if there are any.

    Returns
    -------
    UserTable
        The table, with numbers in the place of the names of templates and images, and
        the number of each row's image where each is used once.

    Raises
    ------
    InputError
        If the recipe has no use for a column, or a value is not possible.
    """
    law = recipe.brightness.law
    for name, wanted in (("magnitude", "equal"), ("stellar_mass", "stellar_mass")):
        if name in table.names and law != wanted:
            found, expected = f"brightness.law {law}", f"brightness.law {wanted}"
            _refuse_column(recipe, name, found, expected, "set it")
    if images is not None:
        table = _with_images(table, images, recipe)
    elif unused := {"image", "image_redshift"} & set(table.names):
        name = min(unused)
        found = f"profile {recipe.profile.name}"
        _refuse_column(recipe, name, found, "a profile of images")
    if isinstance(recipe.profile, ComponentsProfile):
        check_components(table, recipe, recipe.profile)
    for name in table.names:
        column = column_of(name, table.components)
        assert column is not None, "unknown columns have been refused"
        if column.component and not isinstance(recipe.profile, ComponentsProfile):
            found = f"profile {recipe.profile.name}"
            expected, cure = "a profile of components", "set profile.name to components"
            _refuse_column(recipe, name, found, expected, cure)
        if column.meaning == "half_light_radius":
            _check_radius(table, name, least_radius(recipe, seds))
    return table.check_against(seds)


def _check_radius(table: UserTable, name: str, least: float) -> None:
    radius = table.values[name]
    refuse_rows(
        name,
        np.asarray(radius < least * (1 - 1e-9)),
        radius,
        f"at least {least:g} arcsec, {SMALLEST_RADIUS:g} pixels",
        "drop the row, or choose a smaller pixel_scale",
    )


def check_centres(recipe: Recipe, table: UserTable | None) -> None:
    """See that the centre of every galaxy is in its frame, as PSFs need it.

    Parameters
    ----------
    recipe
        The choices, of profiles.
    table
        The table, if there is one.

    Raises
    ------
    InputError
        If the centre of one may be outside.
    """
    limits = {
        name: 0.5 * side
        for name, side in zip(("offset_y", "offset_x"), recipe.image_shape, strict=True)
    }
    for place, one in by_place(recipe.profile).items():
        for name, limit in limits.items():
            law = one.parameters.get(name)
            low, high = (0.0, 0.0) if law is None else law.support()
            if low < -limit or high > limit:
                raise InputError(
                    f"{place}.{name}",
                    f"{low:g} to {high:g} pixels",
                    f"a centre in the frame, within {-limit:g} to {limit:g}, for a PSF",
                    "set its minimum and maximum, or a larger image_shape",
                )
    for name in () if table is None else table.names:
        assert table is not None, "it has names"
        column = column_of(name, table.components)
        limit = limits.get("" if column is None else column.meaning, np.inf)
        if limit < np.inf:
            values = table.values[name]
            refuse_rows(
                name,
                np.asarray(abs(values) > limit),
                values,
                f"a centre in the frame, within {-limit:g} to {limit:g}, for a PSF",
                "drop the row, or choose a larger image_shape",
            )


def _refuse_column(
    recipe: Recipe, name: str, found: str, expected: str, other: str = ""
) -> None:
    """Refuse a column that the recipe has no use for."""
    before = f"{other}, or " if other else "ignore the column: "
    left_out = recipe.catalogue.ignore if recipe.catalogue else ()
    cure, command = ignoring([name], left_out)
    raise InputError(
        f"catalogue.{name}",
        f"a column, and {found}",
        expected,
        before + cure,
        before + command,
    )


def _with_images(table: UserTable, images: ImageLight, recipe: Recipe) -> UserTable:
    unused = [name for name in table.names if name in SersicProfile().columns]
    if unused:
        expected = "a profile that has it"
        _refuse_column(recipe, unused[0], "profile images", expected)
    values = dict(table.values)
    if "image" not in values:
        if not images.once and "image_redshift" in values:
            raise InputError(
                "catalogue.image_redshift",
                "a column, and images drawn at random",
                "redshifts of the images, not of rows",
                "add the column image, or set profile.draw to once",
            )
        if not images.once:
            return table
        values["image"] = np.arange(len(table))
    elif values["image"].dtype.kind == "T":
        values["image"] = images.stack.rows_of(values["image"])
    ordered = {name: values[name] for name in in_order(list(values))}
    return replace(table, values=ordered)
