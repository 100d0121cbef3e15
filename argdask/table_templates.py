"""From names and parameters of templates in a user's table to their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError, nearest
from argdask.table_columns import refuse_rows

__all__ = ["choose_templates"]

Masks = NDArray[np.bool_]


def choose_templates(
    values: Mapping[str, NDArray[Any]],
    seds: xr.DataArray,
    components: tuple[str, ...] = (),
) -> dict[str, NDArray[Any]]:
    """Find the template of each row, and of each component.

    Parameters
    ----------
    values
        Columns of a table (row,).
    seds
        The SED grid.
    components
        Names of the components that galaxies can have.

    Returns
    -------
    dict
        The columns, with `sed_index` in the place of those that begin with `template_`,
        and as `disc_sed_index` in that of those that begin with `disc_template_`.

    Raises
    ------
    InputError
        A row's template is not in the grid, or could be several.
    """
    found = dict(values)
    for prefix in ("", *(f"{component}_" for component in components)):
        found = _chosen(prefix, found, seds)
    return found


def _chosen(
    prefix: str, values: dict[str, NDArray[Any]], seds: xr.DataArray
) -> dict[str, NDArray[Any]]:
    """Find the template of each row from columns whose names begin with a prefix."""
    count = seds.sizes["template"]
    conditions = [name for name in values if name.startswith(f"{prefix}template_")]
    kept = {k: v for k, v in values.items() if k not in conditions}
    chosen = f"{prefix}sed_index"
    if chosen in kept:
        index = kept[chosen]
        expected = f"0 to {count - 1}, the templates of the SED grid"
        refuse_rows(chosen, index >= count, index, expected, "correct it")
    if not conditions:
        return kept
    # Which combination of names and parameters each row has, and its templates. There
    # are never more combinations than templates, whatever the number of rows.
    combination = np.zeros(next(iter(values.values())).size, np.int64)
    masks: Masks = np.ones((1, count), bool)
    for name in conditions:
        which, fitting = _fitting(name, prefix, values[name], seds)
        pairs, combination = np.unique(
            combination * len(fitting) + which, return_inverse=True
        )
        before, here = np.divmod(pairs, len(fitting))
        masks = masks[before] & fitting[here]
        none: Masks = np.logical_not(masks.any(axis=1))
        earlier = ", ".join(conditions[: conditions.index(name)])
        expected = f"a template of the SED grid with this and the row's {earlier}"
        cure = f"look at the grid's template coordinates, or give {chosen}"
        refuse_rows(name, none[combination], values[name], expected, cure)
    telling = _telling(masks, combination, seds)
    if telling is not None:
        wrong, expected, names = telling
        columns = " or ".join(prefix + name for name in names)
        cure = f"add the column {columns}" if names else f"give {chosen}"
        refuse_rows(conditions[0], wrong, values[conditions[0]], expected, cure)
    kept[chosen] = masks.argmax(axis=1)[combination]
    kept[chosen].flags.writeable = False
    return kept


def _fitting(
    name: str, prefix: str, values: NDArray[Any], seds: xr.DataArray
) -> tuple[NDArray[np.int64], Masks]:
    """Return the number of each row's value, and which templates have each value."""
    parameter = name.removeprefix(prefix)
    if parameter not in seds.coords:
        parameter = parameter.removeprefix("template_")
    known = [str(one) for one in seds.coords if seds[one].dims == ("template",)]
    if parameter not in known:
        cure = (
            f"nearest: {nearest(parameter, known)}"
            if known
            else f"give {prefix}sed_index"
        )
        expected = "a parameter that the SED grid has"
        raise InputError("catalogue", name, expected, cure)
    found = seds[parameter].values
    if found.dtype.kind not in "iuf" or values.dtype.kind != "f":
        found = found.astype(str).astype(object)
    steps = np.unique(found)
    unique, which = np.unique(values, return_inverse=True)
    if values.dtype.kind == "f" and found.dtype.kind != "O":
        above = np.searchsorted(steps, unique).clip(1, max(1, steps.size - 1))
        below = above - 1
        above = np.minimum(above, steps.size - 1)
        closer = unique - steps[below] < steps[above] - unique
        places = np.where(closer, below, above)
        # A table may hold fewer digits than the grid.
        fits = np.isclose(unique, steps[places], rtol=1e-6, atol=1e-12)
        shown = [f"{one:g}" for one in steps]
    else:
        numbers = {step: place for place, step in enumerate(steps.tolist())}
        places = np.array([numbers.get(str(one), -1) for one in unique], np.int64)
        fits = places >= 0
        shown = list(numbers)
    if not fits.all():
        wrong = unique[~fits][0]
        near = nearest(str(wrong), shown)
        if found.dtype.kind != "O":
            close = max(0, int(places[~fits][0]) - 1)
            near = ", ".join(shown[close : close + 3])
        expected = f"{parameter} of a template of the SED grid"
        refuse_rows(name, ~fits[which], values, expected, f"nearest: {near}")
    return places[which], steps[:, None] == found[None, :]


def _telling(
    masks: Masks, combination: NDArray[np.int64], seds: xr.DataArray
) -> tuple[Masks, str, list[str]] | None:
    """Return which rows fit several templates, what is wrong and what tells them apart.

    None where every row fits one.
    """
    several = masks.sum(axis=1) > 1
    if not several.any():
        return None
    wrong = several[combination]
    templates = np.flatnonzero(masks[combination[np.argmax(wrong)]])
    telling = [
        f"template_{str(one).removeprefix('template_')}"
        for one in seds.coords
        if seds[one].dims == ("template",)
        and np.unique(seds[one].values[templates]).size > 1
    ]
    shown = ", ".join(map(str, templates[:4].tolist()))
    return wrong, f"one template, not {templates.size} ({shown}, ...)", telling
