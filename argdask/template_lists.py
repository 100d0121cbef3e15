"""The templates that can be drawn at pairs of redshifts, and the draws of them."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from argdask.sampling import pick

__all__ = [
    "Cells",
    "Masks",
    "Reach",
    "TemplateLists",
    "TemplateRules",
    "cells_of",
    "in_cells",
]

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]
Masks = NDArray[np.bool_]


def cells_of(grid: Floats, redshift: Floats) -> Cells:
    """Return where redshifts are in a grid.

    Parameters
    ----------
    grid
        Redshifts of the grid (redshift,), ascending.
    redshift
        Redshifts within its range, any shape.

    Returns
    -------
    ndarray
        2 i on redshift number i of the grid, 2 i + 1 between it and the next, same
        shape.
    """
    below = np.searchsorted(grid, redshift, side="right") - 1
    cells: Cells = 2 * below + (grid[below] != redshift)
    return cells


class Reach(NamedTuple):
    """What a redshift that is drawn anywhere can be, one cell of a grid after another.

    A fixed redshift has one cell, of no width.
    """

    low: Floats
    """Lower ends (cell,)."""
    high: Floats
    """Upper ends (cell,)."""
    cells: Cells
    """Numbers of the cells, as `cells_of` counts them (cell,)."""


class TemplateRules(Protocol):
    """What the laws of redshifts must know of templates."""

    @property
    def count(self) -> int:
        """Number of templates of the grid."""

    @property
    def cure(self) -> str:
        """The choice that lets more templates be drawn."""

    def usable(self, z_in: Floats, z_out: Floats, template: NDArray[np.int64]) -> Masks:
        """Return whether templates can be used at pairs of redshifts."""

    def possible(self, z_in: Floats, z_out: Floats) -> Masks:
        """Return whether there is any template for pairs of redshifts."""

    def throughout(self, z_in: Reach, z_out: Reach, separation: float) -> Masks:
        """Return for which cells all pairs have a template (z_in, z_out)."""


class _Lists(NamedTuple):
    """Lists of templates, one after the other."""

    numbers: NDArray[np.int32]
    """Which list pairs of cells have (cell of z_in, cell of z_out); -1 if not known."""
    starts: NDArray[np.int64]
    """Where a list begins among the members (list,)."""
    counts: NDArray[np.int64]
    """How long it is (list,)."""
    members: NDArray[np.int64]
    """Numbers of templates, those of all lists; -1 at the end."""
    number_of: dict[bytes, int]
    """Numbers of lists by what is usable in them, as bytes of a mask."""


class TemplateLists:
    """The templates that can be drawn at each pair of redshifts.

    Parameters
    ----------
    grid
        Redshifts of the SED grid (redshift,), ascending.
    usable_in, usable_out
        Which can be drawn at z_in and at z_out (redshift, template). Between two
        redshifts those can be drawn that can be at both.
    """

    cure = "set templates.ages to all"

    def __init__(self, grid: Floats, usable_in: Masks, usable_out: Masks) -> None:
        self.grid, self.usable_in, self.usable_out = grid, usable_in, usable_out
        # A list is made when it is first needed: a grid has many pairs, and most of
        # them share their list with others.
        cells = 2 * grid.size
        none = np.zeros(0, np.int64)
        numbers = np.full((cells, cells), -1, np.int32)
        self._lists = _Lists(numbers, none, none, none, {})

    @property
    def count(self) -> int:
        """Number of templates of the grid."""
        return int(self.usable_in.shape[1])

    def among(self, allowed: Masks) -> TemplateLists:
        """Return the same for some of the templates (template,) alone."""
        return TemplateLists(self.grid, self.usable_in & allowed, self.usable_out)

    def usable(self, z_in: Floats, z_out: Floats, template: NDArray[np.int64]) -> Masks:
        """Return whether templates can be used at pairs of redshifts.

        Parameters
        ----------
        z_in, z_out
            Redshifts, any shapes that fit each other.
        template
            Numbers of templates, of such a shape too.

        Returns
        -------
        ndarray
            The answers, in their common shape.
        """
        found: Masks = np.ones(1, bool)
        for z, usable in ((z_in, self.usable_in), (z_out, self.usable_out)):
            cells = cells_of(self.grid, z)
            for end in (0, 1):
                found = found & usable[(cells + end) // 2, template]
        return found

    def possible(self, z_in: Floats, z_out: Floats) -> Masks:
        """Return whether there is any template for pairs of redshifts.

        Parameters
        ----------
        z_in, z_out
            Redshifts, any shapes that fit each other.

        Returns
        -------
        ndarray
            The answers, in their common shape.
        """
        found: Masks = self._any[cells_of(self.grid, z_in), cells_of(self.grid, z_out)]
        return found

    def throughout(self, z_in: Reach, z_out: Reach, separation: float) -> Masks:
        """Return for which cells all pairs have a template.

        Parameters
        ----------
        z_in, z_out
            What can be drawn.
        separation
            The least difference between the two.

        Returns
        -------
        ndarray
            The answers (cell of z_in, cell of z_out).
        """
        found: Masks = self._any[z_in.cells[:, None], z_out.cells]
        return found

    def draw(self, z_in: Floats, z_out: Floats, u: Floats) -> NDArray[np.int64]:
        """Draw templates.

        Parameters
        ----------
        z_in, z_out
            Redshifts of each galaxy (galaxy,).
        u
            Numbers strictly between 0 and 1 (galaxy,).

        Returns
        -------
        ndarray
            Numbers of the templates (galaxy,); -1 where none can be drawn.
        """
        cells_in, cells_out = cells_of(self.grid, z_in), cells_of(self.grid, z_out)
        lists = self._lists_for(cells_in, cells_out)
        which = lists.numbers[cells_in, cells_out]
        counts = lists.counts[which]
        # Where there is none, what is looked up instead is not used.
        found = lists.members[lists.starts[which] + pick(u, counts)]
        drawn: NDArray[np.int64] = np.where(counts, found, -1)
        return drawn

    def _lists_for(self, cells_in: Cells, cells_out: Cells) -> _Lists:
        """Return lists among which are those of pairs of cells (galaxy,)."""
        lists = self._lists
        missing = lists.numbers[cells_in, cells_out] < 0
        if not missing.any():
            return lists
        pairs = np.stack([cells_in[missing], cells_out[missing]])
        new_in, new_out = np.unique(pairs, axis=1)
        masks = in_cells(self.usable_in, new_in) & in_cells(self.usable_out, new_out)
        number_of = dict(lists.number_of)
        found = [number_of.setdefault(one.tobytes(), len(number_of)) for one in masks]
        numbers = lists.numbers.copy()
        numbers[new_in, new_out] = found
        every = [np.frombuffer(one, bool).nonzero()[0] for one in number_of]
        counts = np.array([one.size for one in every])
        # In one step, so that threads need not wait for each other: at worst what one
        # of them found is found again.
        starts, members = np.cumsum(counts) - counts, np.concatenate([*every, [-1]])
        self._lists = lists = _Lists(numbers, starts, counts, members, number_of)
        return lists

    @cached_property
    def _any(self) -> Masks:
        """Whether there is any template for cells (cell of z_in, cell of z_out)."""
        every = np.arange(2 * self.grid.size - 1)
        usable_out = in_cells(self.usable_out, every)
        rows = (in_cells(self.usable_in, cell) for cell in every.tolist())
        return np.stack([(usable_out & row).any(axis=1) for row in rows])


def in_cells(usable: Masks, cells: int | Cells) -> Masks:
    """Return which templates are usable at both ends of cells.

    Parameters
    ----------
    usable
        Which are at the redshifts of a grid (redshift, template).
    cells
        One cell, or several (cell,).

    Returns
    -------
    ndarray
        The answers (template,), or (cell, template).
    """
    both: Masks = usable[cells // 2] & usable[(cells + 1) // 2]
    return both
