"""Columns that lie in many files of so many galaxies each, read as if in one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from argdask.errors import InputError
from argdask.store.netcdf_files import read_values

__all__ = ["ColumnOfFiles", "file_name"]

# As many as 10^12 galaxies can have parts: sorted names are in the order of rows.
_DIGITS = 12


def file_name(kind: str, index: int) -> str:
    """Return the name of one of many files.

    Parameters
    ----------
    kind
        What it holds, the first word of its name.
    index
        Its number.

    Returns
    -------
    str
        The name; sorted names are in the order of the numbers.
    """
    return f"{kind}-{index:0{_DIGITS}d}.nc"


@dataclass(eq=False)
class ColumnOfFiles(BackendArray):
    """A variable (galaxy, ...) of which each file has some rows.

    A file is opened when rows in it are read, and closed again; nothing is held open,
    so that it can be sent to other processes.
    """

    folder: Path
    """Where the files are."""
    kind: str
    """First word of their names."""
    name: str
    """The variable in them."""
    rows: int
    """Galaxies in each file but the last."""
    shape: tuple[int, ...]
    """Of the whole variable."""
    dtype: np.dtype[Any]
    """Its type."""
    fill_value: float | int | None
    """What stands for a file that is not there; None: it must be there."""

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        first, *others = key
        # What HDF5 cannot choose by itself is chosen from all that it reads.
        direct = [k if _is_simple(k) else slice(None) for k in others]
        sizes = [
            len(range(size)[k])
            for k, size in zip(direct, self.shape[1:], strict=True)
            if isinstance(k, slice)
        ]
        galaxies = range(self.shape[0])
        one = isinstance(first, Integral)
        wanted = galaxies[first] if isinstance(first, slice) else first
        if one:
            row = galaxies[int(first)]
            wanted = range(row, row + 1)
        found = np.empty((len(wanted), *sizes), self.dtype)
        for number, inside, outside in _by_file(wanted, self.rows):
            found[outside] = self._rows(number, inside, tuple(direct))
        # From the last axis on, so that those before keep their numbers.
        axis = 1 + len(sizes)
        for k, simple in zip(reversed(others), reversed(direct), strict=True):
            if isinstance(simple, slice):
                axis -= 1
                if k is not simple:
                    found = found[(*[slice(None)] * axis, k)]
        return found[0] if one else found

    def _rows(
        self, number: int, rows: slice | NDArray[np.int64], others: tuple[Any, ...]
    ) -> Any:
        """Return rows of one file."""
        path = self.folder / file_name(self.kind, number)
        try:
            if isinstance(rows, slice):
                return read_values(path, self.name, [rows], others)
            ends = np.flatnonzero(np.diff(rows) != 1) + 1
            runs = [slice(r[0], r[-1] + 1) for r in np.split(rows, ends)]
            return read_values(path, self.name, runs, others)
        except FileNotFoundError:
            if self.fill_value is not None:
                return self.fill_value
            raise InputError(
                "store",
                str(self.folder),
                f"the file {path.name}",
                f"see `argdask verify {self.folder}`",
            ) from None


def _is_simple(key: Any) -> bool:
    if isinstance(key, slice):
        return key.step is None or key.step > 0
    return isinstance(key, Integral)


def _by_file(wanted: range | NDArray[Any], rows: int) -> Iterator[tuple[int, Any, Any]]:
    """Divide rows among files: which, where in it, and where in the result."""
    if isinstance(wanted, range):
        backward = wanted.step < 0
        upward = wanted[::-1] if backward else wanted
        done = 0
        while done < len(upward):
            number = upward[done] // rows
            stop = min((number + 1) * rows, upward[-1] + 1)
            count = len(range(upward[done], stop, upward.step))
            inside = slice(upward[done] - number * rows, stop - number * rows)
            outside = slice(done, done + count)
            if backward:
                last = len(upward) - 1 - done
                outside = slice(last, last - count if last >= count else None, -1)
            yield number, slice(inside.start, inside.stop, upward.step), outside
            done += count
        return
    wanted = np.asarray(wanted)
    order = np.argsort(wanted, kind="stable")
    numbers = wanted[order] // rows
    for some in np.split(order, np.flatnonzero(np.diff(numbers)) + 1):
        if some.size:
            number = int(wanted[some[0]] // rows)
            yield number, wanted[some] - number * rows, some
