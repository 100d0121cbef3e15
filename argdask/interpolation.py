"""Fluxes between the redshifts of a grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from argdask.caching import compiled
from argdask.errors import InputError

__all__ = ["flux_at"]

Floats = NDArray[np.float64]


def flux_at(
    flux: Floats,
    grid_redshift: Floats,
    redshift: Floats,
    template: NDArray[np.int64],
) -> Floats:
    """Return the flux of a template at a redshift, for each galaxy.

    Parameters
    ----------
    flux
        Fluxes, shape (redshift, template, filter); not finite where they are not valid.
    grid_redshift
        Redshifts of the fluxes, shape (redshift,), ascending, above 0.
    redshift
        Redshifts of the galaxies, shape (galaxy,).
    template
        Index of each galaxy's template, shape (galaxy,).

    Returns
    -------
    ndarray
        Fluxes, shape (galaxy, filter), in the unit of `flux`: on a redshift of the grid
        its own value, bit for bit; between two of them linear in ln(flux) against
        ln(redshift), or linear in flux against ln(redshift) where one of the two is 0;
        NaN where one of the two is not finite, and beyond the ends of the grid. Each
        galaxy's bits are those that it has alone.

    Raises
    ------
    InputError
        Shapes do not fit each other, or there is no such template.
    """
    shape = np.shape(flux)
    if len(shape) != 3 or np.shape(grid_redshift) != shape[:1]:
        wrong = f"shapes {shape} and {np.shape(grid_redshift)}"
        expected = "(redshift, template, filter) and (redshift,)"
        raise InputError("flux", wrong, expected, "transpose it")
    redshift = np.ascontiguousarray(redshift, dtype=np.float64)
    template = np.ascontiguousarray(template, dtype=np.int64)
    if redshift.ndim != 1 or redshift.shape != template.shape:
        wrong = f"shapes {redshift.shape} and {template.shape}"
        raise InputError("redshift", wrong, "one of either for each galaxy", "add some")
    if template.size and not 0 <= template.min() <= template.max() < shape[1]:
        wrong = f"{template.min()} to {template.max()}"
        cure = "correct the index"
        raise InputError("template", wrong, f"0 to {shape[1] - 1}", cure)
    found = np.empty((redshift.size, shape[2]))
    _interpolate(
        np.ascontiguousarray(flux, dtype=np.float64),
        np.ascontiguousarray(grid_redshift, dtype=np.float64),
        redshift,
        template,
        found,
    )
    return found


@compiled
def _interpolate(
    flux: Floats,
    grid_redshift: Floats,
    redshift: Floats,
    template: NDArray[np.int64],
    found: Floats,
) -> None:
    last = grid_redshift.size - 1
    for galaxy in range(redshift.size):
        here, one = redshift[galaxy], template[galaxy]
        if not (grid_redshift[0] <= here <= grid_redshift[last]):
            found[galaxy] = np.nan
            continue
        below = np.searchsorted(grid_redshift, here, side="right") - 1
        if grid_redshift[below] == here:
            found[galaxy] = flux[below, one]
            continue
        span = math.log(grid_redshift[below + 1] / grid_redshift[below])
        share = math.log(here / grid_redshift[below]) / span
        for band in range(found.shape[1]):
            low, high = flux[below, one, band], flux[below + 1, one, band]
            if not (math.isfinite(low) and math.isfinite(high)):
                value = np.nan
            elif low > 0.0 and high > 0.0:
                # of logarithms, since a ratio of fluxes can overflow
                slope = math.log(high) - math.log(low)
                value = low * math.exp(share * slope)
            else:
                value = low + share * (high - low)
            found[galaxy, band] = value
