"""Which pairs of redshifts can be drawn, and the draws of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.recipe import Redshifts
from argdask.sampling import pick
from argdask.template_lists import Masks, Reach, TemplateRules, cells_of

__all__ = ["PairLaw", "on_grid", "pair_law"]

Floats = NDArray[np.float64]

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


def pair_law(choices: Redshifts, grid: Floats, templates: TemplateRules) -> PairLaw:
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
    choices: Redshifts, grid: Floats, fixed: _Fixed, templates: TemplateRules
) -> _Listed:
    z_in, z_out = (grid if one is None else np.array([one]) for one in fixed)
    separation = z_out[None, :] - z_in[:, None]
    pairs = (separation > 0) & (separation >= choices.min_separation - _ROUNDED)
    if not pairs.any():
        raise _no_pair(choices, grid, fixed)
    pairs &= templates.possible(z_in[:, None], z_out)
    if not pairs.any():
        raise InputError(
            "templates",
            f"{templates.count} templates",
            "one that is valid at both redshifts of some pair",
            f"{templates.cure}, or choose other redshifts or filters",
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
    choices: Redshifts, grid: Floats, fixed: _Fixed, templates: TemplateRules
) -> _Continuous:
    z_in, z_out = fixed
    low = grid[0] if z_in is None else z_in
    high = grid[-1] if z_out is None else z_out
    if high <= low + choices.min_separation:
        raise _no_pair(choices, grid, fixed)
    reach_in, reach_out = (_reach(grid, one) for one in fixed)
    separation = choices.min_separation
    reached = reach_out.high - reach_in.low[:, None] > separation
    missing = reached & ~templates.throughout(reach_in, reach_out, separation)
    if missing.any():
        first, then = np.argwhere(missing)[0]
        raise InputError(
            "redshifts.values",
            "continuous",
            f"a template that is valid at z_in {reach_in.low[first]:g} to "
            f"{reach_in.high[first]:g} and z_out {reach_out.low[then]:g} to "
            f"{reach_out.high[then]:g}",
            f"use grid, which leaves such pairs out, or {templates.cure}",
        )
    uniform = choices.law == "uniform"
    return _Continuous(float(low), float(high), separation, fixed, uniform)


def _reach(grid: Floats, fixed: float | None) -> Reach:
    """Return what can be drawn: all of the grid, or a fixed redshift."""
    if fixed is None:
        return Reach(grid[:-1], grid[1:], 2 * np.arange(grid.size - 1) + 1)
    only = np.array([fixed])
    return Reach(only, only, cells_of(grid, only))


def _no_pair(choices: Redshifts, grid: Floats, fixed: _Fixed) -> InputError:
    z_in, z_out = fixed
    low = float(grid[0] if z_in is None else z_in)
    high = float(grid[-1] if z_out is None else z_out)
    if low < high:
        word = "at most" if choices.values == "grid" else "less than"
        expected = f"{word} the {high - low:g} from {low:g} to {high:g}"
        cure = "choose a smaller one, or an SED grid with a wider range"
        separation = f"{choices.min_separation:g}"
        return InputError("redshifts.min_separation", separation, expected, cure)
    if z_in is None:
        expected, cure = f"above {low:g}, the grid's lowest", "choose a higher one"
        return InputError("redshifts.z_out", f"{high:g}", expected, cure)
    highest = "the grid's highest" if z_out is None else "z_out to 1e-9"
    expected, cure = f"below {high:g}, {highest}", "choose a lower one"
    return InputError("redshifts.z_in", f"{low:g}", expected, cure)
