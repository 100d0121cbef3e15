"""A user's catalogue: columns of any galaxies that take the place of drawn ones."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from argdask.errors import InputError, near, nearest
from argdask.recipe import ComponentsProfile
from argdask.schema import VARIABLES
from argdask.table_columns import (
    checked,
    column_of,
    columns_of,
    ignoring,
    in_order,
    refuse_rows,
)
from argdask.table_files import raw_columns
from argdask.table_templates import choose_templates

__all__ = ["UserTable", "read_table"]

_NAMES = {"template_name": "name of the template"}

# Unknown columns that are named one by one in what to do about them.
_MOST_NAMED = 8

_BULGE_AND_DISC = tuple(ComponentsProfile(name="components").components)


def read_table(
    source: Any,
    *,
    units: Mapping[str, str] | None = None,
    ignore: Iterable[str] = (),
    components: Iterable[str] = _BULGE_AND_DISC,
) -> UserTable:
    """Read a user's catalogue and check every value of it.

    Parameters
    ----------
    source
        Path of a CSV, ECSV, FITS or Parquet file, or a DataFrame, a Dataset, an astropy
        Table or a dict of arrays. Its columns are any of those in
        `argdask.table_columns.COLUMNS`, those of `components`, and `template_` with the
        name of a template parameter, as `template_age`, in the unit of the SED grid.
    units
        Units of columns that do not say theirs, as astropy writes them.
        `half_light_radius`, `position_angle` and `stellar_mass` need one, here or in
        the table; without one a magnitude is AB and an offset in pixels.
    ignore
        Columns to leave out, known or not. Of a pattern with `*` only unknown columns
        are left out, so that `ignore=["*"]` takes what argdask knows.
    components
        Names of the components that galaxies can have, of which there are columns such
        as `disc_sersic_index`, `disc_sed_index`, `disc_template_name`,
        `disc_light_fraction` and `bulge_to_total`; those of the recipe where a recipe
        names the table.

    Returns
    -------
    UserTable
        The columns in one order, type and unit.

    Raises
    ------
    InputError
        There is no such table, it is empty, or a column is unknown, is not in a unit
        that will do, has another length or holds a wrong value.
    ImportError
        A Parquet file is given and pyarrow is not installed.

    Examples
    --------
    >>> table = read_table(
    ...     {"galaxy_id": [7, 3], "half_light_radius": [400.0, 900.0]},
    ...     units={"half_light_radius": "mas"},
    ... )
    >>> table.columns([3])["half_light_radius"]
    array([0.9])
    """
    stated = dict(units or {})
    left_out = [ignore] if isinstance(ignore, str) else list(ignore)
    parts = tuple(components)
    ignored: list[str] = []
    found = raw_columns(source, functools.partial(_choose, left_out, parts, ignored))
    used = in_order(list(found))
    _check_structure({k: raw.values for k, raw in found.items()}, stated, parts)
    values = {}
    for name in used:
        column = column_of(name, parts)
        assert column is not None, "unknown columns have been refused"
        # Each is let go as soon as it is converted.
        values[name] = checked(column, found.pop(name), stated.get(name))
    table = UserTable(_checked_together(values, parts), parts)
    if isinstance(source, str | os.PathLike):
        return replace(table, used=tuple(used), ignored=tuple(ignored))
    return table


@dataclass(frozen=True, eq=False)
class UserTable:
    """Columns of a user's catalogue, by the ids of its galaxies.

    A galaxy is known by its id alone, so the order of the rows does not change it. The
    order is kept, though: it is that of the galaxies in a store.
    """

    values: Mapping[str, NDArray[Any]]
    """Columns (row,) that were checked, in canonical order, galaxy_id first."""
    components: tuple[str, ...] = ()
    """Names of the components that galaxies can have."""
    used: tuple[str, ...] = ()
    """Columns that were taken from a file, if it was one."""
    ignored: tuple[str, ...] = ()
    """Columns of the file that were left out."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in canonical order."""
        return tuple(self.values)

    @property
    def galaxy_id(self) -> NDArray[np.int64]:
        """Id of each row; its number from 0 where the user gives none."""
        return self.values["galaxy_id"]

    def __len__(self) -> int:
        return self.galaxy_id.size

    def first(self, rows: int) -> UserTable:
        """Return a table of the first rows alone."""
        first = {name: values[:rows] for name, values in self.values.items()}
        return replace(self, values=first)

    @functools.cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """The ids in ascending order and, unless that is their own, their rows."""
        if np.all(np.diff(self.galaxy_id) > 0):
            return self.galaxy_id, None
        order = np.argsort(self.galaxy_id, kind="stable")
        return self.galaxy_id[order], order

    def rows_of(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Return where galaxies are in the table.

        Parameters
        ----------
        ids
            Galaxy ids (galaxy,), in any order, repeated or not.

        Returns
        -------
        ndarray
            Numbers of their rows from 0 (galaxy,).

        Raises
        ------
        InputError
            An id is not in the table.
        """
        wanted = np.atleast_1d(np.asarray(ids, dtype=np.int64))
        known, order = self._sorted
        places = np.minimum(np.searchsorted(known, wanted), known.size - 1)
        unknown = known[places] != wanted
        if unknown.any():
            first = wanted[unknown][0]
            near = known[max(0, places[unknown][0] - 1) :][:2].tolist()
            expected = f"ids of the catalogue, {known[0]} to {known[-1]} with gaps"
            raise InputError("galaxies", int(first), expected, f"nearest: {near}")
        return places if order is None else order[places]

    def columns(self, ids: ArrayLike) -> dict[str, NDArray[Any]]:
        """Return the columns of galaxies.

        Parameters
        ----------
        ids
            Galaxy ids (galaxy,), in any order, repeated or not.

        Returns
        -------
        dict
            New arrays (galaxy,) by name, `galaxy_id` among them.

        Raises
        ------
        InputError
            An id is not in the table.
        """
        rows = self.rows_of(ids)
        return {name: values[rows] for name, values in self.values.items()}

    def content_hash(self, rows: int | None = None) -> str:
        """Return a hash of all columns, the same for any kind of file.

        Parameters
        ----------
        rows
            How many of the first rows count; all if left out. A set may be extended by
            a table whose hash over the old number of rows is the old hash.

        Returns
        -------
        str
            SHA-256, hexadecimal, of names, values and the order of rows; the same for
            any order of columns.
        """
        digest = hashlib.sha256(b"catalogue ")
        for name, every in self.values.items():
            values = every[:rows]
            digest.update(f"{name} {values.dtype.kind} {values.size} ".encode())
            if values.dtype.kind == "T":
                digest.update(json.dumps(values.tolist()).encode())
            else:
                little = values.astype(values.dtype.newbyteorder("<"), copy=False)
                digest.update(np.ascontiguousarray(little).data)
        return digest.hexdigest()

    def prefix_of(self, other: UserTable) -> bool:
        """Return whether another table begins with all rows of this one.

        Parameters
        ----------
        other
            The longer table.

        Returns
        -------
        bool
            Whether it has the same columns, and these rows in this order first.
        """
        return self.names == other.names and all(
            np.array_equal(values, other.values[name][: len(self)])
            for name, values in self.values.items()
        )

    def check_against(self, seds: xr.DataArray) -> UserTable:
        """Compare the table with an SED grid.

        Parameters
        ----------
        seds
            The SED grid (redshift, filter, template).

        Returns
        -------
        UserTable
            The same table, with `sed_index` in the place of names and parameters of
            templates.

        Raises
        ------
        InputError
            A redshift or a template is not in the grid, or a name and its parameters
            leave a choice between several templates.
        """
        low, high = float(seds["redshift"].min()), float(seds["redshift"].max())
        for name in {"z_in", "z_out"} & set(self.names):
            values = self.values[name]
            expected = f"{low:g} to {high:g}, the redshifts of the SED grid"
            cure = "drop the row, or make a grid with a wider range"
            # The grid's own redshifts are rounded to 1e-9.
            wrong = (values < low - 1e-9) | (values > high + 1e-9)
            refuse_rows(name, wrong, values, expected, cure)
        chosen = choose_templates(self.values, seds, self.components)
        ordered = {name: chosen[name] for name in in_order(list(chosen))}
        return replace(self, values=ordered)

    def to_dataset(self) -> xr.Dataset:
        """Return the table as a Dataset that any store can hold.

        Returns
        -------
        Dataset
            A variable (galaxy,) for each column, with its unit; the components of
            columns that are of one stand in the attribute `components`.
        """
        data, components = {}, set()
        for name, values in self.values.items():
            column = column_of(name, self.components)
            assert column is not None, "unknown columns have been refused"
            known = VARIABLES.get(column.meaning)
            long_name = known.long_name if known else _NAMES.get(name, name)
            if column.component:
                long_name = f"{column.component}: {long_name}"
                components.add(column.component)
            attrs = {"long_name": long_name, "units": column.units}
            data[name] = ("galaxy", values, attrs)
        told = {"components": " ".join(sorted(components))} if components else {}
        return xr.Dataset(data, attrs=told)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> UserTable:
        """Read what `to_dataset` returned.

        Parameters
        ----------
        dataset
            The Dataset, lazy or not.

        Returns
        -------
        UserTable
            The same table.

        Raises
        ------
        InputError
            It is no such Dataset.
        """
        components = str(dataset.attrs.get("components", "")).split()
        return read_table(dataset, components=components)


def _choose(
    left_out: list[str],
    components: tuple[str, ...],
    ignored: list[str],
    names: list[str],
) -> list[str]:
    """Return the wanted columns, add to those that are ignored, refuse unknown ones."""
    chosen: list[str] = []
    unknown: list[str] = []
    for name in names:
        known = column_of(name, components) is not None
        if name in left_out or (
            not known and any(fnmatch.fnmatchcase(name, one) for one in left_out)
        ):
            ignored.append(name)
            continue
        (chosen if known else unknown).append(name)
    if unknown:
        _refuse_unknown(unknown, left_out, components)
    return chosen


def _refuse_unknown(
    unknown: list[str], left_out: list[str], components: tuple[str, ...]
) -> None:
    """Refuse columns that mean nothing, all at once."""
    every = columns_of(components)
    alike = [(one, name) for name in unknown for one in near(name, every, 1)]
    told = ", ".join(f"{one} for {name}" for one, name in alike)
    before = f"nearest: {told}; or " if told else ""
    cure, command = ignoring(["*"] if len(unknown) > _MOST_NAMED else unknown, left_out)
    cures = before + cure, before + command
    raise InputError("catalogue", ", ".join(unknown), "columns that are known", *cures)


def _check_structure(
    values: dict[str, NDArray[Any]], stated: dict[str, str], components: tuple[str, ...]
) -> None:
    """See that there are columns of one length, and those whose units are stated."""
    if not values:
        cure = f"the columns are {', '.join(columns_of(components))}"
        raise InputError("catalogue", "no column", "at least one column", cure)
    for name in stated:
        if name not in values:
            cure = f"nearest: {nearest(name, values)}"
            raise InputError("units", name, "a column of the table", cure)
    lengths = {name: one.shape[0] if one.ndim else 1 for name, one in values.items()}
    first, length = next(iter(lengths.items()))
    for name, other in lengths.items():
        if other != length:
            expected = f"{length}, as {first} has"
            cure = "give every column one value for each galaxy"
            raise InputError(f"catalogue.{name}", f"{other} values", expected, cure)
    if not length:
        raise InputError("catalogue", "no rows", "at least one galaxy", "add some")


def _checked_together(
    values: dict[str, NDArray[Any]], components: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """Compare columns with each other, and see that there are ids."""
    count = next(iter(values.values())).size
    if "galaxy_id" not in values:
        values = {"galaxy_id": np.arange(count), **values}
    ids = values["galaxy_id"]
    order = np.argsort(ids, kind="stable")
    again = np.zeros(count, bool)
    again[order[1:]] = ids[order[1:]] == ids[order[:-1]]
    cure = "number the galaxies anew, or drop one of the two"
    refuse_rows("galaxy_id", again, ids, "an id that no row before has", cure)
    if "z_in" in values and "z_out" in values:
        z_in, z_out = values["z_in"], values["z_out"]
        wrong = z_out <= z_in
        below = f"more than z_in, {z_in[wrong][0]:g}" if wrong.any() else ""
        cure = "the output is the higher redshift: exchange them, or drop the row"
        refuse_rows("z_out", wrong, z_out, below, cure)
    for prefix in ("", *(f"{component}_" for component in components)):
        other = [name for name in values if name.startswith(f"{prefix}template_")]
        if f"{prefix}sed_index" in values and other:
            cure = "leave one of the two out"
            expected = f"either {prefix}sed_index or what the template is called"
            raise InputError(f"catalogue.{other[0]}", "both", expected, cure)
    for one in values.values():
        one.flags.writeable = False
    return values
