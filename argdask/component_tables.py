"""A user's catalogue of galaxies of several components, beside their recipe."""

from __future__ import annotations

import numpy as np

from argdask.errors import InputError, nearest
from argdask.recipe import ComponentsProfile, Recipe
from argdask.recipe_profiles import SHARED
from argdask.schema import flat_name
from argdask.table_columns import column_of, columns_of, ignoring, refuse_rows
from argdask.tables import UserTable

__all__ = ["check_components"]


def check_components(
    table: UserTable, recipe: Recipe, profile: ComponentsProfile
) -> None:
    """Compare a table with the components of a recipe.

    Parameters
    ----------
    table
        The table.
    recipe
        The choices.
    profile
        Those of its profile.

    Raises
    ------
    InputError
        If there is no use for a column, light fractions can add up to more than 1, or
        the templates of some components only are known and redshifts are to be drawn.
    """
    for name in table.names:
        _check_use(table, name, recipe, profile)
    _check_fractions(table, profile)
    _check_templates(table, recipe, profile)


def _check_use(
    table: UserTable, name: str, recipe: Recipe, profile: ComponentsProfile
) -> None:
    column = column_of(name, table.components)
    assert column is not None, "unknown columns have been refused"
    unused = name in (*profile.columns, "sed_index") or name.startswith("template_")
    if name in SHARED:
        unused = not any(
            getattr(one, name) is None and flat_name(component, name) not in table.names
            for component, one in profile.components.items()
        )
    if column.component:
        unused = column.component not in profile.components
    if not unused:
        return
    known = columns_of(tuple(profile.components))
    every = [one.name for one in known.values() if one.component]
    if any(one.variable == column.meaning for one in known.values()):
        every = [one.name for one in known.values() if one.variable == column.meaning]
    before = f"nearest: {nearest(name, every)}; or "
    left_out = recipe.catalogue.ignore if recipe.catalogue else ()
    cure, command = ignoring([name], left_out)
    raise InputError(
        f"catalogue.{name}",
        f"a column, and components {', '.join(profile.components)}",
        "a column of one of them",
        before + cure,
        before + command,
    )


def _check_fractions(table: UserTable, profile: ComponentsProfile) -> None:
    laws = profile.fractions
    columns = {one: flat_name(one, "light_fraction") for one in profile.components}
    told = [name for one, name in columns.items() if name in table.names]
    if not told:
        return
    if all(one in laws or name in told for one, name in columns.items()):
        wrong = next(n for one, n in columns.items() if n in told and one not in laws)
        expected = "one component at least without, which takes what the others leave"
        cure = f"leave it out: it follows from {', '.join(laws)}"
        raise InputError(f"catalogue.{wrong}", "a column", expected, cure)
    drawn = [law for one, law in laws.items() if columns[one] not in told]
    most = sum(law.support()[1] for law in drawn)
    total = np.full(len(table), float(most))
    for name in told:
        total += table.values[name]
    refuse_rows(
        told[0],
        np.asarray(total > 1 + 1e-9),
        total,
        "light fractions that add up to 1 or less with all that may be drawn",
        "correct them, or set the maximum of those of the recipe",
    )


def _check_templates(
    table: UserTable, recipe: Recipe, profile: ComponentsProfile
) -> None:
    columns = {one: flat_name(one, "sed_index") for one in profile.components}
    told = {
        one: [n for n in table.names if n == own or n.startswith(f"{one}_template_")]
        for one, own in columns.items()
    }
    given = [name for names in told.values() for name in names]
    missing = [columns[one] for one, names in told.items() if not names]
    fixed = {"z_in": recipe.redshifts.z_in, "z_out": recipe.redshifts.z_out}
    known = all(name in table.names or one is not None for name, one in fixed.items())
    if given and missing and not known:
        raise InputError(
            f"catalogue.{given[0]}",
            f"a column, and none of {missing[0]}",
            "the template of every component, or z_in and z_out",
            f"add the column {missing[0]}, or both redshifts",
        )
