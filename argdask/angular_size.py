"""How large galaxies look at other redshifts."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["size_ratio"]

Floats: TypeAlias = npt.NDArray[np.float64]


def size_ratio(
    distance: npt.ArrayLike,
    reference_distance: npt.ArrayLike,
    redshift: npt.ArrayLike,
    reference_redshift: npt.ArrayLike,
    exponent: npt.ArrayLike = 0.0,
) -> Floats:
    """Return the angle at a redshift over that at the reference redshift.

    Parameters
    ----------
    distance, reference_distance
        Angular diameter distances at the two redshifts (galaxy,), in one unit.
    redshift, reference_redshift
        The redshifts (galaxy,).
    exponent
        Of the evolution of physical sizes, alpha in ((1 + z) / (1 + z_ref))**alpha; 0
        for none, about -1 as observed (van der Wel et al. 2014, ApJ 788, 28).

    Returns
    -------
    ndarray
        Ratios (galaxy,); 1 exactly where the redshifts are the same and so are the
        distances.

    Raises
    ------
    ValueError
        A distance is not above 0, or a redshift not above -1.
    """
    near, far = np.asarray(reference_distance, float), np.asarray(distance, float)
    z, first = np.asarray(redshift, float), np.asarray(reference_redshift, float)
    if not (np.all(near > 0.0) and np.all(far > 0.0)):
        raise ValueError("angular diameter distances are above 0")
    if not (np.all(z > -1.0) and np.all(first > -1.0)):
        raise ValueError("redshifts are above -1")
    ratio: Floats = near / far * ((1.0 + z) / (1.0 + first)) ** np.asarray(exponent)
    return ratio
