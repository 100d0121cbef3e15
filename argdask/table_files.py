"""Columns of a user's table, with their units, from whatever holds the table."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError

__all__ = ["Choose", "RawColumn", "raw_columns"]

Choose = Callable[[list[str]], list[str]]
"""Given all names of a table, returns those to read, or refuses one."""

# Suffix -> how astropy calls the format.
_FORMATS = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class RawColumn:
    """One column as it was found."""

    values: NDArray[Any]
    """Its values (row,), of any dtype."""
    unit: str | None = None
    """Its unit as text; none where nothing is said, and where it has none."""
    missing: NDArray[np.bool_] | None = None
    """Which values are masked (row,); none where it has no mask."""


def raw_columns(source: Any, choose: Choose) -> dict[str, RawColumn]:
    """Return columns of a table by their names.

    Parameters
    ----------
    source
        Path of a CSV, ECSV, FITS or Parquet file, or a DataFrame, a Dataset, an astropy
        Table or a mapping of arrays.
    choose
        What says which columns are wanted; the others are not looked at. An index
        without a name is no column.

    Returns
    -------
    dict
        The columns.

    Raises
    ------
    InputError
        There is no such file, it cannot be read, or it is no table.
    ImportError
        A Parquet file is given and pyarrow is not installed.
    """
    if isinstance(source, str | os.PathLike):
        source = _from_file(Path(source).expanduser())
    if isinstance(source, pd.DataFrame):
        return _from_frame(source, choose)
    if isinstance(source, xr.Dataset):
        return _from_dataset(source, choose)
    if hasattr(source, "colnames"):
        # How pandas calls an index without a name in Parquet.
        names = [name for name in source.colnames if name != "__index_level_0__"]
        return {name: _one(source[name]) for name in choose(names)}
    if isinstance(source, Mapping):
        named = {str(name): values for name, values in source.items()}
        return {name: _one(named[name]) for name in choose(list(named))}
    expected = "a path, a DataFrame, a Dataset, an astropy Table or a dict of arrays"
    raise InputError("catalogue", type(source).__name__, expected, "convert it")


def _one(values: Any) -> RawColumn:
    """Read a column that may know its unit and its mask: a Quantity, a list."""
    unit = getattr(values, "unit", None)
    if unit is not None and hasattr(values, "value"):
        values = values.value
    array = np.ma.asarray(values) if np.ma.isMaskedArray(values) else np.asarray(values)
    missing = None
    if isinstance(array, np.ma.MaskedArray):
        missing = np.ma.getmaskarray(array) if np.ma.is_masked(array) else None
        array = array.data
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    # What astropy calls dimensionless has no unit.
    return RawColumn(np.asarray(array), str(unit or "") or None, missing)


def _from_frame(frame: pd.DataFrame, choose: Choose) -> dict[str, RawColumn]:
    named = [name for name in frame.index.names if name is not None]
    if named:
        frame = frame.reset_index(level=named)
    names = {str(name): name for name in frame.columns}
    _refuse_twice(map(str, frame.columns))
    columns = {}
    for name in choose(list(names)):
        series = frame[names[name]]
        missing = series.isna().to_numpy() if series.hasnans else None
        kind = getattr(series.dtype, "kind", "O")
        if missing is not None and kind in "iu":
            # Types with a mask of their own have no number for what is missing.
            series = series.fillna(0)
        values = series.to_numpy(None if kind in "iufb" else object)
        columns[name] = RawColumn(values, None, missing)
    return columns


def _from_dataset(dataset: xr.Dataset, choose: Choose) -> dict[str, RawColumn]:
    # The index of a DataFrame becomes a coordinate, whatever it holds.
    named = {str(name): variable for name, variable in dataset.variables.items()}
    if "index" in dataset.dims:
        named.pop("index", None)
    columns = {}
    for name in choose(list(named)):
        unit = str(named[name].attrs.get("units", ""))
        columns[name] = RawColumn(
            named[name].to_numpy(), None if unit in ("", "1") else unit
        )
    return columns


def _from_file(path: Path) -> Any:
    known = ", ".join(_FORMATS)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(
            "catalogue", f"{path} ({found})", f"a table: {known}", "check the path"
        )
    lower = path.name.lower()
    kinds = [kind for suffix, kind in _FORMATS.items() if lower.endswith(suffix)]
    if not kinds:
        cure = "convert it, or give a DataFrame"
        raise InputError("catalogue", str(path), f"a table: {known}", cure)
    if kinds[-1] == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ImportError(
            "Parquet needs pyarrow: install it with pip install 'argdask[parquet]'"
        )
    return _read(path, kinds[-1])


def _read(path: Path, kind: str) -> Any:
    # They take half a second to import, which other tables can do without.
    from astropy.table import Table  # noqa: PLC0415
    from astropy.utils.exceptions import AstropyUserWarning  # noqa: PLC0415

    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", AstropyUserWarning)
            if kind.startswith("ascii"):
                table = _read_text(path, kind.removeprefix("ascii."))
            else:
                # What is invalid is found later, without masks.
                options = {"mask_invalid": False} if kind == "fits" else {}
                table = Table.read(path, format=kind, **options)
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        cure = f"look at the file ({reason[:200]})"
        expected = f"a readable {path.suffix} table"
        raise InputError("catalogue", str(path), expected, cure) from error
    messages = [str(one.message) for one in told]
    if any("multiple tables are present" in message for message in messages):
        cure = "save the one in a file of its own, or read it with astropy.table.Table"
        raise InputError(
            "catalogue", f"{path} (several tables)", "one table in the file", cure
        )
    if any("truncated" in message for message in messages):
        raise InputError(
            "catalogue", f"{path} (cut short)", "the whole file", "copy it again"
        )
    return table


def _read_text(path: Path, kind: str) -> Any:
    import astropy.io.ascii  # noqa: PLC0415

    # Given a path, astropy leaves the file open when there is something wrong with it.
    text = path.read_text(encoding="utf-8-sig")
    if not text.strip():
        raise ValueError("it is empty")
    if kind == "ecsv":
        return astropy.io.ascii.read(text + "\n", format=kind)
    header = text[: text.find("\n")].strip()
    _refuse_other_separators(path, header)
    _refuse_twice(header.split(","))
    return astropy.io.ascii.read(text + "\n", format=kind, guess=False)


def _refuse_other_separators(path: Path, header: str) -> None:
    """Refuse a table whose names stand between other signs than commas."""
    for sign, shown in ((";", ";"), ("\t", "tabs")):
        if sign in header and "," not in header:
            expected = "columns separated by commas"
            cure = f"write commas, or give pandas.read_csv(path, sep={sign!r})"
            found = f"{path} (separated by {shown}?)"
            raise InputError("catalogue", found, expected, cure)


def _refuse_twice(names: Iterable[str]) -> None:
    """Refuse two columns of one name, which readers rename or leave out."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            cure = "rename or drop one of the two"
            raise InputError(f"catalogue.{name}", "two of them", "one column", cure)
        seen.add(name)
