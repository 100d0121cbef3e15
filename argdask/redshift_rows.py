"""Redshifts of galaxies of which a user's catalogue says something already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argdask.recipe import Redshifts
from argdask.redshift_pairs import PairLaw
from argdask.sampling import pick
from argdask.template_lists import Masks, TemplateRules

__all__ = ["Given", "RowLaw", "snapped"]

Floats = NDArray[np.float64]

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
        self, choices: Redshifts, grid: Floats, templates: TemplateRules, law: PairLaw
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
            possible = self._possible(given.z_in[:, None], grid, given.template)
            return given.z_in, _picked(grid, possible, pick(u_out, possible.sum(1)))
        if given.z_out is not None:
            possible = self._possible(grid, given.z_out[:, None], given.template)
            return _picked(grid, possible, pick(u_in, possible.sum(1))), given.z_out
        # Only the template is known: count the z_out that each z_in could have.
        assert given.template is not None, "with nothing known there is the law"
        counts = self._counts(given.template)
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
        possible = self._possible(grid[row, None], grid, given.template)
        possible &= np.isfinite(z_in)[:, None]
        return z_in, _picked(grid, possible, rest)

    def _counts(self, template: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many z_out of the grid each z_in of it can have (galaxy, z_in)."""
        together = template.reshape(template.shape[0], -1)
        unique, places = np.unique(together, axis=0, return_inverse=True)
        counts = [
            self._possible(z_in, self._grid, unique).sum(axis=1)
            for z_in in self._grid[:, None]
        ]
        return np.stack(counts, axis=1)[places.ravel()]

    def _possible(
        self, z_in: Floats, z_out: Floats, template: NDArray[np.int64] | None
    ) -> Masks:
        """Return which redshifts can be pairs, with these templates (galaxy, ...)."""
        separation = z_out - z_in
        least = self._choices.min_separation - _ROUNDED
        far: Masks = (separation > 0) & (separation >= least)
        if template is None:
            return far & self._templates.possible(z_in, z_out)
        for one in template.reshape(template.shape[0], -1).T:
            far = far & self._templates.usable(z_in, z_out, one[:, None])
        return far


def _picked(grid: Floats, possible: Masks, which: NDArray[np.int64]) -> Floats:
    """Return the redshift with a number among the possible ones; NaN without any."""
    ranks = np.cumsum(possible, axis=1)
    place = (ranks > which[:, None]).argmax(axis=1)
    return np.where(ranks[:, -1] > 0, grid[place], np.nan)
