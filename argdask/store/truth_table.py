"""The truth about every galaxy as a table of text that keeps its units (ECSV)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from astropy import units
from astropy.table import Column, Table
from numpy.typing import NDArray

from argdask.schema import COMPONENT, VARIABLES, flat_name
from argdask.store.files import WholeFile

__all__ = ["longest_size", "write_truth"]

# Rows that are read, and that are text, at the same time. Chunks on disk hold up to
# 2^20: to decompress one several times costs less than to hold all columns of it.
_ROWS_READ = 2**16
_ROWS = 4096

# Digits, point, sign, exponent and comma of a number, rounded up [bytes].
_NUMBER_BYTES = 25


@dataclass(frozen=True)
class _TruthColumn:
    """One column of the table."""

    name: str
    """Its name, after that of the component and before that of the filter, if any."""
    variable: str
    """The coordinate that it comes from."""
    index: tuple[int, ...] = ()
    """Number of the component and of the filter, where there are any."""


def write_truth(file: WholeFile, pairs: xr.Dataset) -> None:
    """Write all that is known of each galaxy, one line for one galaxy.

    Parameters
    ----------
    file
        What to write to.
    pairs
        Training pairs; no image is looked at.

    Notes
    -----
    The format is ECSV (Astropy Proposal for Enhancement 6) with commas: its header, in
    comments, holds types, units and meanings; readers of plain CSV skip it. Numbers
    have the digits that give the same bits back.
    """
    columns = _columns(pairs)
    file.write(_header(pairs, columns).encode())
    galaxies = pairs.sizes["galaxy"]
    names = dict.fromkeys(column.variable for column in columns)
    for start in range(0, galaxies, _ROWS_READ):
        stop = min(start + _ROWS_READ, galaxies)
        values = {n: pairs[n].variable[start:stop].values for n in names}
        for first in range(0, stop - start, _ROWS):
            few = slice(first, first + _ROWS)
            file.write(_lines(columns, {n: v[few] for n, v in values.items()}))


def longest_size(pairs: xr.Dataset) -> int:
    """Return about how many bytes the table takes at most, but for its texts."""
    return _NUMBER_BYTES * len(_columns(pairs)) * pairs.sizes["galaxy"]


def _columns(pairs: xr.Dataset) -> list[_TruthColumn]:
    """List the columns: the catalogue's in the schema's order, then the template's."""
    truth = [str(n) for n, c in pairs.coords.items() if c.dims[:1] == ("galaxy",)]
    ordered = [name for name in VARIABLES if name in truth]
    # A grid that was read from a store has its parameters in any order.
    ordered += sorted(name for name in truth if name not in VARIABLES)
    columns = [one for name in ordered for one in _flattened(pairs, name)]
    # The bulge's light fraction has a column of its own already.
    return list({column.name: column for column in columns}.values())


def _flattened(pairs: xr.Dataset, name: str) -> list[_TruthColumn]:
    """List the columns of one variable, for each component and filter it has."""
    columns = [_TruthColumn(name, name)]
    dims = pairs[name].dims
    if COMPONENT in dims:
        columns = [
            _TruthColumn(flat_name(str(component), name), name, (index,))
            for index, component in enumerate(pairs[COMPONENT].values)
        ]
    if "filter" in dims:
        columns = [
            _TruthColumn(f"{one.name}_{filter_name}", name, (*one.index, index))
            for one in columns
            for index, filter_name in enumerate(pairs["filter"].values)
        ]
    return columns


def _header(pairs: xr.Dataset, columns: list[_TruthColumn]) -> str:
    """Return the head of the table as astropy writes it."""
    empty = []
    for column in columns:
        variable = pairs[column.variable]
        unit = variable.attrs.get("units", "1")
        empty.append(
            Column(
                np.empty(0, _plain_type(variable.dtype)),
                name=column.name,
                # Grids that users bring have units of their own.
                unit=None if unit == "1" else units.Unit(unit, parse_strict="silent"),
                description=variable.attrs.get("long_name"),
            )
        )
    text = io.StringIO()
    Table(empty).write(text, format="ascii.ecsv", delimiter=",")
    return text.getvalue()


def _plain_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype("U1") if dtype.kind in "OTU" else dtype


def _lines(columns: list[_TruthColumn], values: dict[str, NDArray[Any]]) -> bytes:
    text = io.StringIO()
    places: list[Any] = [(slice(None), *column.index) for column in columns]
    lists = [values[c.variable][at] for c, at in zip(columns, places, strict=True)]
    # Python writes the shortest digits that give the same number back.
    rows = zip(*(column.tolist() for column in lists), strict=True)
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
