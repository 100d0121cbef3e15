"""Redshifts of galaxies of which a user's catalogue says something already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argdask.recipe import Redshifts
from argdask.redshift_pairs import PairLaw, TemplateLists, cells_of
from argdask.sampling import pick

__all__ = ["Given", "RowLaw", "snapped"]

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]

# Rows of which the redshifts of the whole grid are looked at together.
_BATCH = 1 << 14

_ROUNDED = 1e-9


def snapped(grid: Floats, redshift: Floats) -> Floats:
    """Return redshifts (galaxy,), those within 1e-9 of the grid's as the grid's own."""
    above = np.searchsorted(grid, redshift).clip(1, grid.size - 1)
    closer = redshift - grid[above - 1] < grid[above] - redshift
    nearest = grid[np.where(closer, above - 1, above)]
    near = np.abs(nearest - redshift) <= _ROUNDED
    return np.where(near, nearest, redshift).clip(grid[0], grid[-1])


@dataclass(frozen=True)
class Given:
    """What is known of galaxies; none where it is to be drawn."""

    z_in: Floats | None
    """Redshifts of the input (galaxy,)."""
    z_out: Floats | None
    """Redshifts of the target (galaxy,)."""
    template: NDArray[np.int64] | None
    """Numbers of the templates (galaxy,), or of several of each (galaxy, template)."""

    def rows(self, rows: slice) -> Given:
        """Return what is known of some of the galaxies."""
        z_in = None if self.z_in is None else self.z_in[rows]
        z_out = None if self.z_out is None else self.z_out[rows]
        template = None if self.template is None else self.template[rows]
        return Given(z_in, z_out, template)


class RowLaw:
    """The law of a recipe, beside what is known of each galaxy.

    Parameters
    ----------
    choices
        The recipe's choices.
    grid
        Redshifts of the SED grid, ascending.
    templates
        What can be drawn where.
    law
        The law where nothing is known.
    """

    def __init__(
        self, choices: Redshifts, grid: Floats, templates: TemplateLists, law: PairLaw
    ) -> None:
        self._choices, self._grid = choices, grid
        self._templates, self._law = templates, law

    @property
    def reach(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The ends of z_in and of z_out where nothing is known."""
        return self._law.reach

    def draw(self, given: Given, u_in: Floats, u_out: Floats) -> tuple[Floats, Floats]:
        """Draw the redshifts that are not known.

        Parameters
        ----------
        given
            What is known.
        u_in, u_out
            Numbers strictly between 0 and 1 (galaxy,).

        Returns
        -------
        tuple
            The redshifts z_in and z_out (galaxy,); NaN where there is none to draw.
        """
        if given.z_in is not None and given.z_out is not None:
            return given.z_in, given.z_out
        unknown = given.z_in is None and given.z_out is None
        continuous = self._choices.values == "continuous"
        if unknown and (continuous or given.template is None):
            return self._law.draw(u_in, u_out)
        if continuous:
            return self._between(given, u_in, u_out)
        found = np.empty((2, u_in.size))
        for start in range(0, u_in.size, _BATCH):
            rows = slice(start, start + _BATCH)
            found[:, rows] = self._listed(given.rows(rows), u_in[rows], u_out[rows])
        return found[0], found[1]

    def _between(
        self, given: Given, u_in: Floats, u_out: Floats
    ) -> tuple[Floats, Floats]:
        """Draw the other redshift from all that are far enough from the known one."""
        least = self._choices.min_separation
        if given.z_in is not None:
            start, high = given.z_in + least, self._grid[-1]
            above = np.nextafter(given.z_in, np.inf)
            drawn = np.maximum(start + (high - start) * u_out, above)
            return given.z_in, np.where(start < high, np.minimum(drawn, high), np.nan)
        assert given.z_out is not None, "one of the two is known"
        stop, low = given.z_out - least, self._grid[0]
        below = np.nextafter(given.z_out, -np.inf)
        drawn = np.minimum(low + (stop - low) * u_in, below)
        return np.where(stop > low, np.maximum(drawn, low), np.nan), given.z_out

    def _listed(
        self, given: Given, u_in: Floats, u_out: Floats
    ) -> tuple[Floats, Floats]:
        """Draw from the redshifts of the grid."""
        grid = self._grid
        if given.z_in is not None:
            possible = self._far(given.z_in[:, None], grid) & self._usable_out(given)
            return given.z_in, _picked(grid, possible, pick(u_out, possible.sum(1)))
        if given.z_out is not None:
            possible = self._far(grid, given.z_out[:, None]) & self._usable_in(given)
            return _picked(grid, possible, pick(u_in, possible.sum(1))), given.z_out
        # Only the template is known: count the z_out that each z_in could have.
        usable_out = self._usable_out(given)
        first = self._far(grid[:, None], grid)
        above = np.where(first.any(1), first.argmax(1), grid.size)
        from_top = np.cumsum(usable_out[:, ::-1], axis=1)[:, ::-1]
        from_top = np.pad(from_top, ((0, 0), (0, 1)))
        counts = self._usable_in(given) * from_top[:, above]
        if self._choices.law == "uniform":
            chosen = pick(u_in, counts.sum(axis=1))
            ends = np.cumsum(counts, axis=1)
            row = (ends > chosen[:, None]).argmax(axis=1)
            every = np.arange(row.size)
            rest = chosen - (ends[every, row] - counts[every, row])
            z_in = np.where(ends[:, -1] > 0, grid[row], np.nan)
        else:
            z_in = _picked(grid, counts > 0, pick(u_in, (counts > 0).sum(axis=1)))
            row = np.searchsorted(grid, np.nan_to_num(z_in, nan=grid[0]))
            rest = pick(u_out, counts[np.arange(row.size), row])
        possible = self._far(z_in[:, None], grid) & usable_out
        return z_in, _picked(grid, possible, rest)

    def _far(self, z_in: Floats, z_out: Floats) -> Masks:
        separation = z_out - z_in
        least = self._choices.min_separation - _ROUNDED
        return (separation > 0) & (separation >= least)

    def _usable_in(self, given: Given) -> Masks:
        """Return which redshifts of the grid can be z_in (galaxy, redshift)."""
        if given.template is not None:
            return _all_usable(self._templates.usable_in, given.template)
        assert given.z_out is not None, "with nothing known there is the law"
        cells = cells_of(self._grid, given.z_out)
        unique, places = np.unique(cells, return_inverse=True)
        points = range(0, 2 * self._grid.size, 2)
        some = [self._templates.which(point, unique) for point in points]
        return np.stack(some, axis=1)[places]

    def _usable_out(self, given: Given) -> Masks:
        """Return which redshifts of the grid can be z_out (galaxy, redshift)."""
        if given.template is not None:
            return _all_usable(self._templates.usable_out, given.template)
        assert given.z_in is not None, "with nothing known there is the law"
        cells = cells_of(self._grid, given.z_in)
        unique, places = np.unique(cells, return_inverse=True)
        points = np.arange(0, 2 * self._grid.size, 2)
        some = [self._templates.which(cell, points) for cell in unique.tolist()]
        return np.array(some, bool).reshape(unique.size, -1)[places]


def _all_usable(usable: Masks, template: NDArray[np.int64]) -> Masks:
    """Return at which redshifts all templates of a galaxy can be (galaxy, redshift)."""
    every = usable[:, template].reshape(*usable.shape[:1], template.shape[0], -1)
    return np.asarray(every.all(axis=2)).T


def _picked(grid: Floats, possible: Masks, which: NDArray[np.int64]) -> Floats:
    """Return the redshift with a number among the possible ones; NaN without any."""
    ranks = np.cumsum(possible, axis=1)
    place = (ranks > which[:, None]).argmax(axis=1)
    return np.where(ranks[:, -1] > 0, grid[place], np.nan)
