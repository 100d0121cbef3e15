"""Which pairs of redshifts and which templates can be drawn, and the draws of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.recipe import Redshifts
from argdask.sampling import pick

__all__ = [
    "Cells",
    "Masks",
    "PairLaw",
    "TemplateLists",
    "cells_of",
    "on_grid",
    "pair_law",
]

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]
Masks = NDArray[np.bool_]

# The grid's own redshifts are rounded to this.
_ROUNDED = 1e-9


def on_grid(field: str, grid: Floats, redshift: float) -> float:
    """Return a redshift within the range of a grid, on its point where it has one.

    Parameters
    ----------
    field
        What the redshift is, for a message.
    grid
        Redshifts of the grid, ascending.
    redshift
        The redshift.

    Returns
    -------
    float
        The grid's own redshift if that is within 1e-9, else the one that was given.

    Raises
    ------
    InputError
        It is outside.
    """
    nearest = grid[np.argmin(np.abs(grid - redshift))]
    if abs(nearest - redshift) < _ROUNDED:
        return float(nearest)
    low, high = grid[[0, -1]]
    if low < redshift < high:
        return redshift
    raise InputError(
        field,
        f"{redshift:g}",
        f"{low:g} to {high:g}, the redshifts of the SED grid",
        "choose another, or make a grid with a wider range",
    )


def cells_of(grid: Floats, redshift: Floats) -> Cells:
    """Return where redshifts are in a grid.

    Parameters
    ----------
    grid
        Redshifts of the grid (redshift,), ascending.
    redshift
        Redshifts within its range (galaxy,).

    Returns
    -------
    ndarray
        2 i on redshift number i of the grid, 2 i + 1 between it and the next (galaxy,).
    """
    below = np.searchsorted(grid, redshift, side="right") - 1
    cells: Cells = 2 * below + (grid[below] != redshift)
    return cells


class TemplateLists:
    """The templates that can be drawn at each pair of cells of a grid.

    Parameters
    ----------
    usable_in, usable_out
        Which can be drawn at z_in and at z_out (redshift, template). Between two
        redshifts those can be drawn that can be at both.
    """

    def __init__(self, usable_in: Masks, usable_out: Masks) -> None:
        self.usable_in, self.usable_out = usable_in, usable_out
        # A list is made when it is first needed: a grid has many pairs, and most of
        # them share their list with others.
        self._lists: dict[tuple[int, int], NDArray[np.int32]] = {}
        self._known: dict[bytes, NDArray[np.int32]] = {}

    @property
    def count(self) -> int:
        """Number of templates of the grid."""
        return int(self.usable_in.shape[1])

    def mask(self, cell_in: int, cell_out: int) -> Masks:
        """Return which templates can be drawn at a pair of cells (template,)."""
        both: Masks = _at(self.usable_in, cell_in) & _at(self.usable_out, cell_out)
        return both

    def usable(
        self, cells_in: Cells, cells_out: Cells, template: NDArray[np.int64]
    ) -> Masks:
        """Return whether templates can be used at pairs of cells (galaxy,)."""
        found = np.ones(template.shape, bool)
        for end in (0, 1):
            found &= self.usable_in[(cells_in + end) // 2, template]
            found &= self.usable_out[(cells_out + end) // 2, template]
        return found

    def which(self, cell_in: int, cells_out: Cells) -> Masks:
        """Return for which cells of z_out there is any template (cell,)."""
        usable = _at(self.usable_in, cell_in)
        return np.array(
            [(usable & _at(self.usable_out, cell)).any() for cell in cells_out], bool
        )

    def draw(self, cells_in: Cells, cells_out: Cells, u: Floats) -> NDArray[np.int64]:
        """Draw templates.

        Parameters
        ----------
        cells_in, cells_out
            Cells of the redshifts of each galaxy (galaxy,).
        u
            Numbers strictly between 0 and 1 (galaxy,).

        Returns
        -------
        ndarray
            Numbers of the templates (galaxy,); -1 where none can be drawn.
        """
        cells = 2 * self.usable_in.shape[0]
        pairs, which = np.unique(cells_in * cells + cells_out, return_inverse=True)
        order = np.argsort(which, kind="stable")
        ends = np.searchsorted(which[order], np.arange(pairs.size + 1))
        drawn = np.full(u.size, -1, dtype=np.int64)
        for place, pair in enumerate(pairs.tolist()):
            members = self._list(*divmod(pair, cells))
            if members.size:
                rows = order[ends[place] : ends[place + 1]]
                drawn[rows] = members[pick(u[rows], members.size)]
        return drawn

    def _list(self, cell_in: int, cell_out: int) -> NDArray[np.int32]:
        pair = cell_in, cell_out
        if pair not in self._lists:
            mask = self.mask(*pair)
            members = np.flatnonzero(mask).astype(np.int32)
            # One step each, so that threads need not wait for each other.
            self._lists[pair] = self._known.setdefault(mask.tobytes(), members)
        return self._lists[pair]


def _at(usable: Masks, cell: int) -> Masks:
    both: Masks = usable[cell // 2] & usable[(cell + 1) // 2]
    return both


class PairLaw:
    """A law by which pairs of redshifts are drawn."""

    def draw(self, u_in: Floats, u_out: Floats) -> tuple[Floats, Floats]:
        """Draw pairs of redshifts.

        Parameters
        ----------
        u_in, u_out
            Numbers strictly between 0 and 1 (galaxy,).

        Returns
        -------
        tuple
            The redshifts z_in and z_out (galaxy,), z_out above z_in.
        """
        raise NotImplementedError

    @property
    def reach(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The lowest and the highest z_in that can be drawn, and the same of z_out."""
        raise NotImplementedError


def pair_law(choices: Redshifts, grid: Floats, templates: TemplateLists) -> PairLaw:
    """Return the law of a recipe, of which every pair has a template.

    Parameters
    ----------
    choices
        The recipe's choices.
    grid
        Redshifts of the SED grid, ascending.
    templates
        What can be drawn where.

    Returns
    -------
    PairLaw
        What draws the redshifts.

    Raises
    ------
    InputError
        A redshift is outside of the grid, there is no pair, or no template for it.
    """
    z_in, z_out = (
        None if value is None else on_grid(f"redshifts.{name}", grid, value)
        for name, value in (("z_in", choices.z_in), ("z_out", choices.z_out))
    )
    free = z_in is None or z_out is None
    if choices.values == "continuous" and free:
        return _continuous(choices, grid, (z_in, z_out), templates)
    return _listed(choices, grid, (z_in, z_out), templates)


_Fixed = tuple[float | None, float | None]


@dataclass(frozen=True)
class _Listed(PairLaw):
    """Pairs of the redshifts of a grid."""

    z_in: Floats
    z_out: Floats
    pairs: Masks
    """Which can be drawn (z_in, z_out)."""
    uniform: bool

    def draw(self, u_in: Floats, u_out: Floats) -> tuple[Floats, Floats]:
        rows, columns = np.nonzero(self.pairs)
        if self.uniform:
            chosen = pick(u_in, rows.size)
            return self.z_in[rows[chosen]], self.z_out[columns[chosen]]
        counts = self.pairs.sum(axis=1, dtype=np.int64)
        starts = np.cumsum(counts) - counts
        possible = np.flatnonzero(counts)
        row = possible[pick(u_in, possible.size)]
        return self.z_in[row], self.z_out[
            columns[starts[row] + pick(u_out, counts[row])]
        ]

    @property
    def reach(self) -> tuple[tuple[float, float], tuple[float, float]]:
        every = self.z_in[self.pairs.any(axis=1)], self.z_out[self.pairs.any(axis=0)]
        z_in, z_out = ((float(one.min()), float(one.max())) for one in every)
        return z_in, z_out


def _listed(
    choices: Redshifts, grid: Floats, fixed: _Fixed, templates: TemplateLists
) -> _Listed:
    z_in, z_out = (grid if one is None else np.array([one]) for one in fixed)
    separation = z_out[None, :] - z_in[:, None]
    pairs = (separation > 0) & (separation >= choices.min_separation - _ROUNDED)
    if not pairs.any():
        raise _no_pair(choices, grid)
    cells_in, cells_out = cells_of(grid, z_in), cells_of(grid, z_out)
    for row in np.flatnonzero(pairs.any(axis=1)):
        columns = np.flatnonzero(pairs[row])
        pairs[row, columns] = templates.which(cells_in[row], cells_out[columns])
    if not pairs.any():
        raise InputError(
            "templates",
            f"{templates.count} templates",
            "one that is valid at both redshifts of some pair",
            "set templates.ages to all, or choose other redshifts or filters",
        )
    return _Listed(z_in, z_out, pairs, choices.law == "uniform")


@dataclass(frozen=True)
class _Continuous(PairLaw):
    """Pairs anywhere between the lowest and the highest redshift of a grid."""

    low: float
    high: float
    separation: float
    fixed: _Fixed
    uniform: bool

    def draw(self, u_in: Floats, u_out: Floats) -> tuple[Floats, Floats]:
        z_in, z_out = self.fixed
        high = self.high if z_out is None else z_out
        if z_in is None:
            width = high - self.separation - self.low
            # Of all pairs those with z_in above t are (1 - t / width)^2.
            whole = self.uniform and z_out is None
            share = u_in / (1.0 + np.sqrt(1.0 - u_in)) if whole else u_in
            drawn_in = self.low + width * share
            drawn_in = np.minimum(drawn_in, np.nextafter(high, self.low))
        else:
            drawn_in = np.full(u_in.shape, z_in)
        if z_out is not None:
            return drawn_in, np.full(u_out.shape, z_out)
        start = drawn_in + self.separation
        drawn_out = start + (high - start) * u_out
        # A sum can round down to z_in, and up beyond the grid.
        above = np.nextafter(drawn_in, np.inf)
        return drawn_in, np.minimum(np.maximum(drawn_out, above), high)

    @property
    def reach(self) -> tuple[tuple[float, float], tuple[float, float]]:
        z_in, z_out = self.fixed
        ends_in = self.low, self.high - self.separation
        ends_out = self.low + self.separation, self.high
        return (
            ends_in if z_in is None else (z_in, z_in),
            ends_out if z_out is None else (z_out, z_out),
        )


def _continuous(
    choices: Redshifts, grid: Floats, fixed: _Fixed, templates: TemplateLists
) -> _Continuous:
    z_in, z_out = fixed
    low = grid[0] if z_in is None else z_in
    high = grid[-1] if z_out is None else z_out
    if high <= low + choices.min_separation:
        raise _no_pair(choices, grid)
    # The ends of what can be drawn, in cells: between two redshifts, or a fixed one.
    (low_in, high_in, cells_in), (low_out, high_out, cells_out) = (
        _reach(grid, one) for one in fixed
    )
    for place, cell in enumerate(cells_in):
        reached = high_out - low_in[place] > choices.min_separation
        found = templates.which(cell, cells_out[reached])
        if not found.all():
            first = np.flatnonzero(reached)[np.argmin(found)]
            raise InputError(
                "redshifts.values",
                "continuous",
                f"a template that is valid at z_in {low_in[place]:g} to "
                f"{high_in[place]:g} and z_out {low_out[first]:g} to "
                f"{high_out[first]:g}",
                "use grid, which leaves such pairs out, or set templates.ages to all",
            )
    separation = choices.min_separation
    uniform = choices.law == "uniform"
    return _Continuous(float(low), float(high), separation, fixed, uniform)


def _reach(grid: Floats, fixed: float | None) -> tuple[Floats, Floats, Cells]:
    """Return lower ends, upper ends and cells of what can be drawn."""
    if fixed is None:
        return grid[:-1], grid[1:], 2 * np.arange(grid.size - 1) + 1
    only = np.array([fixed])
    return only, only, cells_of(grid, only)


def _no_pair(choices: Redshifts, grid: Floats) -> InputError:
    shown = choices.model_dump(exclude_none=True)
    if choices.values == "grid":
        del shown["values"]
    return InputError(
        "redshifts",
        json.dumps(shown, separators=(",", ":")),
        f"a pair within the grid's {grid[0]:g} to {grid[-1]:g}",
        "choose a lower z_in, a higher z_out or a smaller min_separation",
    )
