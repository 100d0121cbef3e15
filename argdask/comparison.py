"""Galaxies made again and compared with those that are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.pair_labels import dataset_of
from argdask.rounding import LARGEST_RELATIVE_ERROR
from argdask.schema import IMAGES, layer_of
from argdask.simulation import Simulation
from argdask.store.listing import Entry
from argdask.store.plan import Plan
from argdask.store.provenance import environment

__all__ = [
    "Difference",
    "Exactness",
    "compare",
    "compare_all",
    "equal_rows",
    "in_steps",
]

# Where versions or machines differ, images without noise may differ by this (DESIGN:
# last bits of exp and pow, amplified by the exponent of a steep profile).
_OTHER_MACHINE = 1e-5
# With noise that many pixels may differ by more: an electron more or less is counted
# where a random number is next to the step from one to the other.
_OTHER_COUNTS = 1e-4


# Images that are compared at once [bytes].
_STEP_BYTES = 32 * 10**6


@dataclass(frozen=True)
class Difference:
    """Where stored galaxies are not those that are made again."""

    variable: str
    """Name of the variable."""
    rows: tuple[int, ...]
    """Rows that differ; none for what has no galaxies, or cannot be read."""
    told: str
    """What is wrong, for a person."""


@dataclass(frozen=True)
class Exactness:
    """Which rows were made by an environment like this one, so that bits must agree."""

    others: frozenset[tuple[str, int]] = frozenset()
    """Kind and number of pieces that another environment made."""
    part: int = 1
    """Galaxies in a part."""
    block: int = 1
    """Galaxies in a block."""
    all_others: bool = False
    """Whether another environment made all of it, or it is not known which."""

    @classmethod
    def of_store(
        cls, plan: Plan, entries: Mapping[str, Entry], environments: list[Any]
    ) -> Self:
        """Return where bits must agree in a store.

        Parameters
        ----------
        plan
            Its plan.
        entries
            What is known of its files.
        environments
            What made them, in the order of their numbers.

        Returns
        -------
        Exactness
            By the pieces.
        """
        here = environment()
        # A number that is not there is that of an environment nobody knows any more.
        same = {number for number, one in enumerate(environments) if one == here}
        others = {
            entry.piece
            for entry in entries.values()
            if entry.piece is not None and entry.environment not in same
        }
        return cls(frozenset(others), plan.part, plan.block)

    def of(self, variable: str, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each row whether the bits of a variable must agree."""
        if self.all_others:
            return np.zeros(rows.size, bool)
        kind, size = (
            ("part", self.part) if variable in IMAGES else ("block", self.block)
        )
        others = [index for other, index in self.others if other == kind]
        return ~np.isin(rows // size, others)

    @property
    def told(self) -> str:
        """How galaxies are compared, for a person."""
        elsewhere = f"to {_OTHER_MACHINE:g} (another machine)"
        return elsewhere if self.others or self.all_others else "bit for bit"


def compare(
    pairs: xr.Dataset,
    simulation: Simulation,
    rows: NDArray[np.int64],
    exactness: Exactness,
    ids: NDArray[np.int64] | None = None,
) -> list[Difference]:
    """Make rows of a store again and compare them with those that are stored.

    Parameters
    ----------
    pairs
        What is stored, lazy.
    simulation
        What makes the galaxies.
    rows
        Numbers of rows, in ascending order.
    exactness
        Where every bit must agree.
    ids
        Ids of the galaxies in these rows, if only some variables are stored; those of
        the simulation, all of whose variables are expected, if left out.

    Returns
    -------
    list of Difference
        One for each variable that differs.
    """
    table = simulation.catalogue.table
    own = rows if table is None else table.galaxy_id[rows]
    wanted_ids = own if ids is None else ids
    made = dataset_of(simulation, *simulation.make(wanted_ids, simulation.images))
    found = []
    for variable in map(str, made.variables):
        if ids is not None and variable not in pairs.variables:
            continue
        try:
            stored = pairs[variable]
            by_galaxy = "galaxy" in stored.dims
            values = (stored.isel(galaxy=_slice(rows)) if by_galaxy else stored).values
        except Exception as error:  # what reads a damaged file can raise anything
            reason = f"{variable} cannot be read ({type(error).__name__})"
            found.append(Difference(variable, (), reason))
            continue
        wanted = made[variable].values
        if not by_galaxy:
            exact = np.ones(len(wanted), bool)
        else:
            exact = exactness.of(variable, rows)
        noisy = variable in IMAGES and layer_of(variable) == "noisy"
        rounded = made[variable].attrs.get(LARGEST_RELATIVE_ERROR, 0.0)
        equal = equal_rows(values, wanted, exact, counted=noisy, error=rounded)
        if not equal.all():
            wrong = tuple(rows[~equal].tolist()) if by_galaxy else ()
            named = f" in rows {list(wrong[:5])}" if by_galaxy else ""
            found.append(Difference(variable, wrong, f"{variable} differs{named}"))
    return found


def _slice(rows: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return rows that follow each other as what is read at once."""
    if rows.size and rows[-1] - rows[0] == rows.size - 1:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def compare_all(
    pairs: xr.Dataset, simulation: Simulation, plan: Plan, exactness: Exactness
) -> Iterator[tuple[tuple[str, int], Difference]]:
    """Make every galaxy of a store again and compare it with the one that is stored.

    Parameters
    ----------
    pairs
        What is stored, lazy.
    simulation
        What makes the galaxies.
    plan
        The store's plan.
    exactness
        Where every bit must agree.

    Yields
    ------
    tuple
        Kind and number of a piece, and what differs in it.
    """
    for part in range(plan.parts):
        for rows in in_steps(np.arange(*plan.rows_of_part(part)), simulation):
            for difference in compare(pairs, simulation, rows, exactness):
                image = difference.variable in IMAGES
                block = int(rows[0]) // plan.block
                yield ("part", part) if image else ("block", block), difference


def in_steps(
    rows: NDArray[np.int64], simulation: Simulation
) -> Iterator[NDArray[np.int64]]:
    """Divide rows into as many as are compared at once.

    Parameters
    ----------
    rows
        Numbers of rows.
    simulation
        What makes their galaxies.

    Yields
    ------
    ndarray
        Some of them.
    """
    height, width = simulation.recipe.image_shape
    filters = simulation.catalogue.seds.sizes["filter"]
    one = 4 * height * width * filters * len(simulation.images)
    step = max(_STEP_BYTES // one, 1)
    # Powers of two are whole chunks, unless a recipe says otherwise.
    step = 1 << (step.bit_length() - 1)
    for start in range(0, rows.size, step):
        yield rows[start : start + step]


def equal_rows(
    stored: NDArray[Any],
    made: NDArray[Any],
    exact: NDArray[np.bool_],
    *,
    counted: bool = False,
    error: float = 0.0,
) -> NDArray[np.bool_]:
    """Return for each row whether all of its values agree; NaN agrees with NaN.

    Parameters
    ----------
    stored, made
        What is compared (row, ...).
    exact
        Rows (row,) of which every bit must agree.
    counted
        Whether electrons were counted: in other rows one value in 10,000, or one at
        least, may then differ by more.
    error
        By how much rounding changed both of them at most, over the value: where a last
        bit differs, one may have been rounded up and the other down.

    Returns
    -------
    ndarray
        Whether they agree (row,).
    """
    if stored.shape != made.shape or stored.dtype != made.dtype:
        return np.zeros(len(made), bool)
    equal = stored == made
    if made.dtype.kind == "f":
        equal |= np.isnan(stored) & np.isnan(made)
    if made.dtype.kind == "f" and not exact.all():
        # The brightest value sets the scale: faint pixels are far out on a steep curve.
        brightest = np.nanmax(np.abs(made), initial=0.0)
        floor = _OTHER_MACHINE * 1e-3 * brightest
        most = _OTHER_MACHINE + 2 * error
        close = np.isclose(stored, made, rtol=most, atol=floor)
        equal |= close & ~exact.reshape(-1, *[1] * (made.ndim - 1))
    differing = np.count_nonzero(~np.asarray(equal).reshape(len(made), -1), axis=1)
    allowed = np.zeros(len(made), np.int64)
    if counted:
        values = made.size // max(len(made), 1)
        allowed[~exact] = np.ceil(_OTHER_COUNTS * values)
    return np.asarray(differing <= allowed)
