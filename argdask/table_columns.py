"""What the columns of a user's table may hold: types, units and ranges."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.recipe import SersicProfile
from argdask.schema import VARIABLES, flat_name
from argdask.table_files import RawColumn
from argdask.yaml_files import list_of_texts

__all__ = [
    "COLUMNS",
    "Column",
    "checked",
    "column_of",
    "columns_of",
    "ignoring",
    "in_order",
    "refuse_rows",
]

_LARGEST = 2**63 - 1
_EXACT = 2**53  # beyond this a float does not hold every whole number

# Without a unit these could be pixels or kiloparsecs, radians, or a logarithm. A
# magnitude is AB and an offset in pixels where nothing is said: nothing else is usual.
_NEEDS_UNIT = ("half_light_radius", "position_angle", "stellar_mass")
_ABOVE_ZERO = ("half_light_radius", "stellar_mass", "z_in", "z_out")


@dataclass(frozen=True)
class Column:
    """What one column of a user's table is."""

    name: str
    """Its name in the table and in the catalogue."""
    kind: Literal["whole", "real", "text", "whole or text", "real or text"]
    """What its values are."""
    units: str = "1"
    """The unit that it is brought to."""
    low: float = -np.inf
    """Its smallest value."""
    high: float = np.inf
    """Its largest value."""
    component: str = ""
    """Which component of a galaxy it is of; empty for one of the galaxy."""
    variable: str = ""
    """What it is called in the catalogue, where that is another name."""

    @property
    def meaning(self) -> str:
        """What it is called in the catalogue."""
        return self.variable or self.name

    @property
    def expected(self) -> str:
        """What its values should be, for a message."""
        if self.kind in ("text", "whole or text"):
            return "a name" if self.kind == "text" else "a number from 0 on, or a name"
        if self.kind == "whole":
            return "a whole number from 0 on"
        unit = "" if self.units == "1" else f" {self.units}"
        if self.meaning in _ABOVE_ZERO:
            return f"a number above 0{unit}"
        if self.low == 0 and np.isinf(self.high):
            return f"a number from 0 on{unit}"
        if np.isinf(self.high):
            return f"a number{unit and ' of'}{unit}"
        return f"{self.low:g} to {self.high:g}{unit}"


def _known() -> dict[str, Column]:
    """List the columns in the order in which a table keeps them."""
    columns = [
        Column("galaxy_id", "whole", low=0),
        Column("group", "whole", low=0),
        Column("image", "whole or text", low=0),
        Column("image_redshift", "real", low=0),
        Column("z_in", "real"),
        Column("z_out", "real"),
        Column("sed_index", "whole", low=0),
        Column("template_name", "text"),
        Column("magnitude", "real", VARIABLES["magnitude"].units, -40.0, 60.0),
        Column("stellar_mass", "real", VARIABLES["stellar_mass"].units),
    ]
    for name in SersicProfile().columns:
        low, high = SersicProfile.RANGES.get(name, (-np.inf, np.inf))
        columns.append(Column(name, "real", VARIABLES[name].units, low, high))
    return {column.name: column for column in columns}


COLUMNS = _known()
"""Every column that a table can have, besides `template_` with a parameter's name."""


@functools.lru_cache(maxsize=64)
def columns_of(components: tuple[str, ...]) -> dict[str, Column]:
    """List the columns that a table of galaxies of components can have.

    Parameters
    ----------
    components
        Names of the components.

    Returns
    -------
    dict
        `COLUMNS`, and for each component those of its profile, its light fraction and
        its template, as `disc_sersic_index`, `bulge_to_total` and `disc_sed_index`.
    """
    fraction = Column("light_fraction", "real", low=0.0, high=1.0)
    names = ("sed_index", "template_name", *SersicProfile().columns)
    kinds = [fraction, *(COLUMNS[name] for name in names)]
    columns = dict(COLUMNS)
    for component in components:
        for one in kinds:
            name = flat_name(component, one.name)
            columns[name] = replace(
                one, name=name, component=component, variable=one.name
            )
    return columns


def column_of(name: str, components: tuple[str, ...] = ()) -> Column | None:
    """Return what a column is, or none if its name means nothing.

    Parameters
    ----------
    name
        Its name. `template_` and the name of a template parameter of the SED grid, as
        `template_age` or, of a component, `disc_template_age`, says which templates are
        meant.
    components
        Names of the components that galaxies can have.

    Returns
    -------
    Column or None
        What it is.
    """
    known = columns_of(components)
    if name in known:
        return known[name]
    for component in ("", *components):
        parameter = name.removeprefix(f"{component}_") if component else name
        begins = not component or parameter != name
        if begins and parameter.startswith("template_"):
            return Column(name, "real or text", component=component, variable=parameter)
    return None


def in_order(names: list[str]) -> list[str]:
    """Sort names of columns.

    Parameters
    ----------
    names
        The names, all known.

    Returns
    -------
    list of str
        The names in the order of `COLUMNS`, then all others by alphabet.
    """
    order = list(COLUMNS)
    known = [name for name in order if name in names]
    return known + sorted(name for name in names if name not in order)


def ignoring(names: Iterable[str], before: Iterable[str] = ()) -> tuple[str, str]:
    """Say how columns are left out, for the cure of an error.

    Parameters
    ----------
    names
        The columns.
    before
        What is left out already.

    Returns
    -------
    tuple of str
        What to write in Python, and on a command line.
    """
    every = [*before, *names]
    return f"ignore={every}", f'--set "catalogue.ignore={list_of_texts(every)}"'


def checked(column: Column, raw: RawColumn, stated: str | None) -> NDArray[Any]:
    """Bring a column to its type and unit, and look at every value.

    Parameters
    ----------
    column
        What it should be.
    raw
        What was found (row,).
    stated
        The unit that the user states besides.

    Returns
    -------
    ndarray
        New values (row,): int64, float64 or text of any length.

    Raises
    ------
    InputError
        A value is missing or out of range, or the unit is missing or another.
    """
    values = raw.values
    if values.ndim != 1:
        found = f"shape {values.shape}"
        cure = "give a column, or leave it out"
        raise InputError(
            f"catalogue.{column.name}", found, "one value for each galaxy", cure
        )
    if raw.missing is not None:
        texts = np.where(raw.missing, "nothing", "")
        refuse_rows(column.name, raw.missing, texts, column.expected, _FILL)
    unit = _unit(column, raw.unit, stated)
    is_text = values.dtype.kind in "UT" or (
        values.dtype.kind == "O" and any(isinstance(one, str) for one in values[:1])
    )
    if column.kind == "text" or (is_text and column.kind.endswith("or text")):
        return _texts(column, values)
    if column.kind.startswith("whole"):
        numbers: NDArray[Any] = _wholes(column, values)
    else:
        numbers = _converted(column, _reals(column, values), unit)
        # A conversion can leave the real numbers: the magnitude of a negative flux.
        refuse_rows(column.name, ~np.isfinite(numbers), values, column.expected, _FILL)
    wrong = (numbers < column.low) | (numbers > column.high)
    if column.meaning == "position_angle" and wrong.any():
        # An angle and the same plus 180 deg are one; some programs have -90 to 90.
        numbers[wrong] %= 180.0
        wrong[:] = False
    if column.meaning in _ABOVE_ZERO:
        wrong |= numbers <= 0
    cure = "correct it, or drop the row"
    if column.meaning == "magnitude":
        cure = "99 and -99 stand for missing in many catalogues: drop the row, fill it "
        cure += "in, or leave out the column to have it drawn"
    refuse_rows(column.name, wrong, numbers, column.expected, cure)
    return numbers


_FILL = "fill it in, drop the row, or leave out the column to have it drawn"


def refuse_rows(
    name: str, wrong: NDArray[np.bool_], values: NDArray[Any], expected: str, cure: str
) -> None:
    """Refuse a column because of some of its rows.

    Parameters
    ----------
    name
        The column.
    wrong
        Which rows are wrong (row,).
    values
        What they hold (row,).
    expected, cure
        As for `argdask.errors.InputError`.

    Raises
    ------
    InputError
        Any row is wrong; the first is shown, the others are counted.
    """
    rows = np.flatnonzero(wrong)
    if rows.size:
        more = f" (and {rows.size - 1} more rows)" if rows.size > 1 else ""
        value = values[rows[0]]
        value = value.item() if isinstance(value, np.generic) else value
        field = f"catalogue.{name}, row {rows[0]}{more}"
        raise InputError(field, value, expected, cure)


def _each(
    column: Column, values: NDArray[Any], convert: Callable[[Any], Any]
) -> list[Any]:
    """Convert values one by one, to be able to name those that do not."""
    converted = []
    wrong = np.zeros(values.size, bool)
    for row, value in enumerate(values.tolist()):
        try:
            converted.append(convert(value))
        except (TypeError, ValueError, OverflowError):
            wrong[row] = True
    refuse_rows(column.name, wrong, values, column.expected, _FILL)
    return converted


def _refuse_kind(column: Column, values: NDArray[Any]) -> None:
    if values.dtype.kind not in "iufOUT":
        field = f"catalogue.{column.name}"
        cure = "convert the column"
        raise InputError(field, f"dtype {values.dtype}", column.expected, cure)


def _reals(column: Column, values: NDArray[Any]) -> NDArray[np.float64]:
    _refuse_kind(column, values)
    if values.dtype.kind in "OUT":
        return np.array(_each(column, values, float), np.float64)
    return values.astype(np.float64)


def _wholes(column: Column, values: NDArray[Any]) -> NDArray[np.int64]:
    _refuse_kind(column, values)
    if values.dtype.kind in "OUT":
        whole = [int(one) for one in _each(column, values, _as_whole)]
        too_large = np.array([abs(one) > _LARGEST for one in whole], bool)
        refuse_rows(column.name, too_large, values, column.expected, "number anew")
        return np.array(whole, np.int64)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(values) <= _EXACT) | (values != np.floor(values))
    else:
        wrong = values > np.array(_LARGEST, np.uint64)
    cure = "number the galaxies with integers" if column.name == "galaxy_id" else _FILL
    refuse_rows(column.name, wrong, values, column.expected, cure)
    return values.astype(np.int64)


def _as_whole(value: Any) -> int:
    if isinstance(value, str):
        return int(value)
    if isinstance(value, bool) or value != int(value):
        raise ValueError(value)
    return int(value)


def _texts(column: Column, values: NDArray[Any]) -> NDArray[Any]:
    texts = values.tolist()
    wrong = np.array([not (isinstance(one, str) and one) for one in texts], bool)
    refuse_rows(column.name, wrong, values, column.expected, _FILL)
    return np.array(texts, np.dtypes.StringDType())


def _unit(column: Column, found: str | None, stated: str | None) -> str:
    """Return the one unit that is given for a column, or that goes without saying."""
    field = f"catalogue.{column.name}"
    if found is not None and stated is not None and found != stated:
        expected = f"{found}, which the column has"
        raise InputError(f"units.{column.name}", stated, expected, "leave one out")
    unit = found if stated is None else stated
    if unit is None and column.meaning in _NEEDS_UNIT:
        cure = f"give it in the table or in units, as {{{column.name}: {column.units}}}"
        expected = f"a unit such as {column.units}"
        raise InputError(field, "no unit", expected, cure)
    if column.kind != "real" and unit not in (None, "", "1"):
        cure = "take the unit out of the table"
        raise InputError(field, f"unit {unit}", "no unit", cure)
    return column.units if unit is None else unit


def _converted(
    column: Column, values: NDArray[np.float64], unit: str
) -> NDArray[np.float64]:
    """Convert values to the unit of their column."""
    if unit == column.units:
        return values
    # It takes a third of a second to import, which tables in our units can do without.
    from astropy import units as u  # noqa: PLC0415

    field = f"catalogue.{column.name}"
    name = "mag(AB)" if column.units == "mag" else column.units
    wanted = u.dimensionless_unscaled if name == "1" else u.Unit(name)
    try:
        given = u.Unit(unit)
    except (ValueError, TypeError):
        cure = f"write it as astropy does, for example {name}"
        raise InputError(field, f"unit {unit}", "a known unit", cure) from None
    if given == wanted or (name == "mag(AB)" and given == u.mag):
        return values
    try:
        with np.errstate(all="ignore"):
            return np.asarray(given.to(wanted, values), np.float64)
    except (u.UnitsError, TypeError):
        cure = "convert the column, or leave it out"
        if "pix" in (unit + column.units):
            cure = "convert the column with the size of a pixel"
        expected = f"{column.units} or a unit that converts to it"
        raise InputError(field, f"unit {unit}", expected, cure) from None
