"""Passive evolution: galaxies at z_out are younger than at z_in by the time between.

A grid that knows this declares, beside `age`, two things (see `check_seds`): that its
histories of star formation run in absolute time, and what stellar mass each has at each
age. Templates of which all other coordinates are equal share a history: they are a
track in age. The progenitor of a template is on its track, younger by the time between
the redshifts in the cosmology of the grid. Its flux and its stellar mass, for one solar
mass formed, are those of a galaxy that neither merges nor forms stars other than its
history says; so the mass that has formed and survives changes by the ratio of the two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
import xarray as xr
from numpy.typing import NDArray

from argdask.histories import tracks_in
from argdask.interpolation import flux_at
from argdask.seds import age_of_universe
from argdask.template_lists import (
    Cells,
    Masks,
    Reach,
    TemplateLists,
    cells_of,
    in_cells,
)
from argdask.tracks import (
    draw_evolving,
    find_evolving,
    find_progenitors,
    spans_of,
)

__all__ = ["Evolution", "EvolvingLists", "Progenitors"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Redshifts between which the age of the Universe is interpolated.
_NODES = 513

# Where the templates of all pairs of two cells are sought, what is nearer to the end of
# a span does not count, so that no rounding can leave a pair without a template [yr].
_MARGIN = 1.0


class Progenitors(NamedTuple):
    """What galaxies were at z_out."""

    younger: Integers
    """Number of the next younger template of the track, or of that age (galaxy,)."""
    older: Integers
    """Number of the next older one, or again of that age (galaxy,)."""
    share: Floats
    """How much of the older one is in it (galaxy,)."""
    age: Floats
    """Age at z_out [yr] (galaxy,)."""
    mass: Floats
    """Stellar mass at z_out over that at z_in (galaxy,)."""


class Evolution:
    """What a grid knows of its templates at other ages.

    Parameters
    ----------
    seds
        The checked SED grid (redshift, filter, template) [uJy].

    Raises
    ------
    InputError
        If its star formation does not run in absolute time, or it does not say so, or
        it does not know what passive evolution follows from.
    """

    def __init__(self, seds: xr.DataArray) -> None:
        self.tracks = tracks_in(seds)
        self.grid: Floats = seds["redshift"].values
        self.valid: Masks = seds["valid"].values
        self._mass: Floats = seds["surviving_mass"].values.astype(np.float64)
        # A polynomial between nodes, and no logarithm: the same bits in any batch.
        low, high = self.grid[[0, -1]]
        nodes = np.expm1(np.linspace(np.log1p(low), np.log1p(high), _NODES))
        nodes = nodes.clip(low, high)
        self._time = scipy.interpolate.CubicSpline(nodes, age_of_universe(seds, nodes))

    def time(self, redshift: Floats) -> Floats:
        """Return the age of the Universe.

        Parameters
        ----------
        redshift
            Redshifts within the grid, any shape.

        Returns
        -------
        ndarray
            Ages [yr], same shape, from a cubic spline through 513 redshifts: right to
            1e-7 of themselves, most of which is astropy's own error.
        """
        found: Floats = self._time(redshift)
        return found

    def elapsed(self, z_in: Floats, z_out: Floats) -> Floats:
        """Return the time between two redshifts.

        Parameters
        ----------
        z_in, z_out
            Redshifts within the grid, shapes that fit each other.

        Returns
        -------
        ndarray
            Times [yr], 0 or more, in their common shape.
        """
        return np.maximum(self.time(z_in) - self.time(z_out), 0.0)

    def find(self, template: Integers, elapsed: Floats) -> Progenitors:
        """Return what templates were some time ago.

        Parameters
        ----------
        template
            Numbers of the templates (galaxy,).
        elapsed
            How long ago [yr] (galaxy,).

        Returns
        -------
        Progenitors
            The progenitors: flux and surviving mass are both linear in ln(age) between
            the two templates; -1 where the track does not reach back so far.
        """
        age = np.ascontiguousarray(self._age(template) - elapsed)
        ends = np.empty(age.size, np.int64), np.empty(age.size, np.int64)
        share = np.empty(age.size)
        find_progenitors(self.tracks, np.array(template, np.int64), age, ends, share)
        mass = _between(self._mass[ends[0]], self._mass[ends[1]], share)
        return Progenitors(*ends, share, age, mass / self._mass[template])

    def flux(self, flux: Floats, z_out: Floats, progenitors: Progenitors) -> Floats:
        """Return fluxes at z_out of what has one solar mass at z_in.

        Parameters
        ----------
        flux
            Fluxes of the grid (redshift, template, filter) [uJy].
        z_out
            Redshifts (galaxy,).
        progenitors
            What the galaxies were then.

        Returns
        -------
        ndarray
            Fluxes (galaxy, filter) [uJy].
        """
        younger = flux_at(flux, self.grid, z_out, progenitors.younger)
        older = flux_at(flux, self.grid, z_out, progenitors.older)
        found = _between(younger, older, progenitors.share[:, None])
        return found * progenitors.mass[:, None]

    def _age(self, template: Integers) -> Floats:
        return self.tracks.age[self.tracks.place[template]]


class EvolvingLists(TemplateLists):
    """The templates that have a progenitor, at each pair of redshifts.

    Parameters
    ----------
    evolution
        What the grid knows of its templates at other ages.
    usable_in
        Which can be drawn at z_in (redshift, template). Between two redshifts those can
        be drawn that can be at both, and both templates next to a progenitor are valid
        at both ends of the cell of z_out.
    """

    cure = "set templates.evolution to none"

    def __init__(self, evolution: Evolution, usable_in: Masks) -> None:
        super().__init__(evolution.grid, usable_in, evolution.valid)
        self._evolution = evolution
        every = np.arange(2 * self.grid.size - 1)
        self._usable_cells = in_cells(usable_in, every)
        # Most redshifts of most grids have the same valid templates.
        masks = in_cells(evolution.valid, every)
        self._valid, kinds = np.unique(masks, axis=0, return_inverse=True)
        self._kinds: Cells = kinds.ravel()
        self._spans = spans_of(evolution.tracks, self._valid)

    def among(self, allowed: Masks) -> EvolvingLists:
        """Return the same for some of the templates (template,) alone."""
        return EvolvingLists(self._evolution, self.usable_in & allowed)

    def usable(self, z_in: Floats, z_out: Floats, template: Integers) -> Masks:
        """Return whether templates have progenitors at pairs of redshifts.

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
        cell = cells_of(self.grid, z_in)
        mask = self._kinds[cells_of(self.grid, z_out)]
        elapsed = self._evolution.elapsed(z_in, z_out)
        cell, mask, elapsed, template = np.broadcast_arrays(
            cell, mask, elapsed, template
        )
        found = self._evolution.find(template.ravel(), elapsed.ravel())
        usable = (found.younger >= 0) & self._usable_cells[cell, template].ravel()
        for end in (found.younger, found.older):
            usable &= self._valid[mask.ravel(), end]
        return usable.reshape(cell.shape)

    def possible(self, z_in: Floats, z_out: Floats) -> Masks:
        """Return whether any template has a progenitor, for pairs of redshifts.

        Parameters
        ----------
        z_in, z_out
            Redshifts, any shapes that fit each other.

        Returns
        -------
        ndarray
            The answers, in their common shape.
        """
        cell = cells_of(self.grid, z_in)
        mask = self._kinds[cells_of(self.grid, z_out)]
        elapsed = self._evolution.elapsed(z_in, z_out)
        cell, mask, elapsed = np.broadcast_arrays(cell, mask, elapsed)
        found = np.empty(cell.size, bool)
        find_evolving(
            self._spans,
            self._usable_cells,
            (cell.ravel(), mask.ravel()),
            elapsed.ravel(),
            found,
        )
        return found.reshape(cell.shape)

    def throughout(self, z_in: Reach, z_out: Reach, separation: float) -> Masks:
        """Return for which cells each pair has a template with a progenitor.

        Parameters
        ----------
        z_in, z_out
            What can be drawn.
        separation
            The least difference between the two.

        Returns
        -------
        ndarray
            The answers (cell of z_in, cell of z_out); False where there is no pair.
        """
        found = np.zeros((z_in.low.size, z_out.low.size), bool)
        reached = z_out.high - z_in.low[:, None] > separation
        for row, column in np.argwhere(reached).tolist():
            # The time between is least for the highest z_in and the z_out next to it.
            last = min(z_in.high[row], z_out.high[column] - separation)
            nearest = max(z_out.low[column], last + separation)
            ends = np.array([[last, z_in.low[row]], [nearest, z_out.high[column]]])
            least, most = self._evolution.elapsed(*ends)
            mask = self._kinds[z_out.cells[column]]
            found[row, column] = self._covered(z_in.cells[row], mask, least, most)
        return found

    def draw(self, z_in: Floats, z_out: Floats, u: Floats) -> Integers:
        """Draw templates, all that have a progenitor equally likely.

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
        cells = cells_of(self.grid, z_in), self._kinds[cells_of(self.grid, z_out)]
        elapsed = self._evolution.elapsed(z_in, z_out)
        drawn = np.empty(u.size, np.int64)
        order = np.lexsort((elapsed, *cells))
        draw_evolving(self._spans, self._usable_cells, cells, elapsed, order, u, drawn)
        return drawn

    def _covered(self, cell: int, mask: int, least: float, most: float) -> bool:
        """Whether there is a template for all times between two, at any of them."""
        own = slice(*self._spans.starts[mask : mask + 2])
        usable = self._usable_cells[cell][self._spans.template[own]]
        age = self._spans.age[own][usable]
        # From the template's own age on, nothing is between it and the time 0.
        start = age - self._spans.oldest[own][usable]
        start[start > 0] += _MARGIN
        stop = age - self._spans.youngest[own][usable] - _MARGIN
        order = np.argsort(start)
        reached = np.maximum.accumulate(stop[order])
        # Up to what is reached, the next one has begun.
        known = int(np.searchsorted(start[order], least, side="right"))
        if not known or reached[known - 1] < least:
            return False
        gaps = np.flatnonzero(start[order][known:] > reached[known - 1 : -1])
        end = reached[known - 1 + gaps[0]] if gaps.size else reached[-1]
        return bool(end >= most)


def _between(low: Floats, high: Floats, share: Floats) -> Floats:
    return low + share * (high - low)
