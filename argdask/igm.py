"""Absorption by the gas between the galaxies, as published."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["inoue2014_transmission", "madau1995_transmission"]

Floats = NDArray[np.float64]

_LYMAN_LIMIT = 912.0  # Angstrom
# Wavelength (Angstrom) and strength of the Lyman lines. The first four strengths are
# those of Madau (1995); the higher ones continue his series, as smpy and EAZY use it.
# fmt: off
_LYMAN_LINES = (
    (1216.0, 3.6e-3), (1026.0, 1.7e-3), (972.8, 1.2e-3), (950.0, 9.3e-4),
    (938.1, 8.2e-4), (931.0, 7.5e-4), (926.5, 7.1e-4), (923.4, 6.8e-4),
    (921.2, 6.6e-4), (919.6, 6.4e-4), (918.4, 6.3e-4), (917.5, 6.2e-4),
    (916.7, 6.1e-4), (916.1, 6.0e-4), (915.6, 6.0e-4), (915.2, 6.0e-4),
)
# fmt: on

# Inoue et al. (2014), table 2, Lyman alpha first: wavelength (Angstrom); strengths in
# the Lyman alpha forest, one for each power in _FOREST_POWERS; and in the damped
# systems, one for each power in _DAMPED_POWERS.
# fmt: off
_INOUE_LINES = np.array((
    (1215.670, 1.68976e-2, 2.35379e-3, 1.02611e-4, 1.61698e-4, 5.38995e-5),
    (1025.720, 4.69229e-3, 6.53625e-4, 2.84940e-5, 1.54539e-4, 5.15129e-5),
    (972.537, 2.23898e-3, 3.11884e-4, 1.35962e-5, 1.49767e-4, 4.99222e-5),
    (949.743, 1.31901e-3, 1.83735e-4, 8.00974e-6, 1.46031e-4, 4.86769e-5),
    (937.803, 8.70656e-4, 1.21280e-4, 5.28707e-6, 1.42893e-4, 4.76312e-5),
    (930.748, 6.17843e-4, 8.60640e-5, 3.75186e-6, 1.40159e-4, 4.67196e-5),
    (926.226, 4.60924e-4, 6.42055e-5, 2.79897e-6, 1.37714e-4, 4.59048e-5),
    (923.150, 3.56887e-4, 4.97135e-5, 2.16720e-6, 1.35495e-4, 4.51650e-5),
    (920.963, 2.84278e-4, 3.95992e-5, 1.72628e-6, 1.33452e-4, 4.44841e-5),
    (919.352, 2.31771e-4, 3.22851e-5, 1.40743e-6, 1.31561e-4, 4.38536e-5),
    (918.129, 1.92348e-4, 2.67936e-5, 1.16804e-6, 1.29785e-4, 4.32617e-5),
    (917.181, 1.62155e-4, 2.25878e-5, 9.84689e-7, 1.28117e-4, 4.27056e-5),
    (916.429, 1.38498e-4, 1.92925e-5, 8.41033e-7, 1.26540e-4, 4.21799e-5),
    (915.824, 1.19611e-4, 1.66615e-5, 7.26340e-7, 1.25041e-4, 4.16804e-5),
    (915.329, 1.04314e-4, 1.45306e-5, 6.33446e-7, 1.23614e-4, 4.12046e-5),
    (914.919, 9.17397e-5, 1.27791e-5, 5.57091e-7, 1.22248e-4, 4.07494e-5),
    (914.576, 8.12784e-5, 1.13219e-5, 4.93564e-7, 1.20938e-4, 4.03127e-5),
    (914.286, 7.25069e-5, 1.01000e-5, 4.40299e-7, 1.19681e-4, 3.98938e-5),
    (914.039, 6.50549e-5, 9.06198e-6, 3.95047e-7, 1.18469e-4, 3.94896e-5),
    (913.826, 5.86816e-5, 8.17421e-6, 3.56345e-7, 1.17298e-4, 3.90995e-5),
    (913.641, 5.31918e-5, 7.40949e-6, 3.23008e-7, 1.16167e-4, 3.87225e-5),
    (913.480, 4.84261e-5, 6.74563e-6, 2.94068e-7, 1.15071e-4, 3.83572e-5),
    (913.339, 4.42740e-5, 6.16726e-6, 2.68854e-7, 1.14011e-4, 3.80037e-5),
    (913.215, 4.06311e-5, 5.65981e-6, 2.46733e-7, 1.12983e-4, 3.76609e-5),
    (913.104, 3.73821e-5, 5.20723e-6, 2.27003e-7, 1.11972e-4, 3.73241e-5),
    (913.006, 3.45377e-5, 4.81102e-6, 2.09731e-7, 1.11002e-4, 3.70005e-5),
    (912.918, 3.19891e-5, 4.45601e-6, 1.94255e-7, 1.10051e-4, 3.66836e-5),
    (912.839, 2.97110e-5, 4.13867e-6, 1.80421e-7, 1.09125e-4, 3.63749e-5),
    (912.768, 2.76635e-5, 3.85346e-6, 1.67987e-7, 1.08220e-4, 3.60734e-5),
    (912.703, 2.58178e-5, 3.59636e-6, 1.56779e-7, 1.07337e-4, 3.57789e-5),
    (912.645, 2.41479e-5, 3.36374e-6, 1.46638e-7, 1.06473e-4, 3.54909e-5),
    (912.592, 2.26347e-5, 3.15296e-6, 1.37450e-7, 1.05629e-4, 3.52096e-5),
    (912.543, 2.12567e-5, 2.96100e-6, 1.29081e-7, 1.04802e-4, 3.49340e-5),
    (912.499, 1.99967e-5, 2.78549e-6, 1.21430e-7, 1.03991e-4, 3.46636e-5),
    (912.458, 1.88476e-5, 2.62543e-6, 1.14452e-7, 1.03198e-4, 3.43994e-5),
    (912.420, 1.77928e-5, 2.47850e-6, 1.08047e-7, 1.02420e-4, 3.41402e-5),
    (912.385, 1.68222e-5, 2.34330e-6, 1.02153e-7, 1.01657e-4, 3.38856e-5),
    (912.353, 1.59286e-5, 2.21882e-6, 9.67268e-8, 1.00908e-4, 3.36359e-5),
    (912.324, 1.50996e-5, 2.10334e-6, 9.16925e-8, 1.00168e-4, 3.33895e-5),
))
# fmt: on
_FOREST_POWERS, _FOREST_BREAKS = (1.2, 3.7, 5.5), (2.2, 5.7)
_DAMPED_POWERS, _DAMPED_BREAKS = (2.0, 3.0), (3.0,)
_INOUE_LIMIT = 911.8  # Angstrom


def madau1995_transmission(wavelength: Floats, redshift: float) -> Floats:
    """Return the mean transmission of the intergalactic medium.

    Parameters
    ----------
    wavelength
        Observed wavelength, Angstrom, shape (n,).
    redshift
        Redshift of the source.

    Returns
    -------
    ndarray
        Transmitted fraction, 0 to 1, shape (n,).

    Notes
    -----
    Madau (1995, ApJ 441, 18): line blanketing of equations 12 and 15 for 16 Lyman
    lines, and the photoelectric absorption approximated in the footnote to his equation
    16. That approximation falls again far blueward of the Lyman limit, where real
    absorption does not: the optical depth is held at its greatest value there.
    """
    limit = _LYMAN_LIMIT * (1 + redshift)
    continuum = np.linspace(_LYMAN_LIMIT, limit, 1001)
    deepest = continuum[np.argmax(_madau1995_depth(continuum, redshift))]
    observed = np.maximum(np.asarray(wavelength, float), deepest)
    return np.asarray(np.exp(-_madau1995_depth(observed, redshift)))


def _madau1995_depth(wavelength: Floats, redshift: float) -> Floats:
    """Return the optical depth of Madau (1995) as published, shape (n,)."""
    emitted = 1 + redshift
    depth = np.zeros_like(wavelength)
    for line, strength in _LYMAN_LINES:
        absorbed = wavelength <= line * emitted
        depth += np.where(absorbed, strength * (wavelength / line) ** 3.46, 0.0)
    met = wavelength / _LYMAN_LIMIT  # 1 + z at which a photon meets the Lyman limit
    ionising = 0.25 * met**3 * (emitted**0.46 - met**0.46)
    ionising += 9.4 * met**1.5 * (emitted**0.18 - met**0.18)
    ionising -= 0.7 * met**3 * (met**-1.32 - emitted**-1.32)
    ionising -= 0.023 * (emitted**1.68 - met**1.68)
    return depth + np.where(met < emitted, ionising, 0.0)


def inoue2014_transmission(wavelength: Floats, redshift: float) -> Floats:
    """Return the mean transmission of the intergalactic medium.

    Parameters
    ----------
    wavelength
        Observed wavelength, Angstrom, shape (n,).
    redshift
        Redshift of the source.

    Returns
    -------
    ndarray
        Transmitted fraction, 0 to 1, shape (n,).

    Notes
    -----
    Inoue et al. (2014, MNRAS 442, 1805): lines of the Lyman alpha forest and of damped
    systems (equations 21 and 22, table 2) and their continua (25 to 29), with the one
    digit more in their coefficients than printed, as EAZY has them. The paper gives no
    continuum for observed wavelengths below 911.8 Angstrom, where gas at redshift 0
    absorbs too: the depth is held there at its value at 911.8 Angstrom.
    """
    observed = np.asarray(wavelength, float)
    depth = np.zeros_like(observed)
    absorbed = observed < _INOUE_LINES[0, 0] * (1 + redshift)
    seen = np.maximum(observed[absorbed], _INOUE_LIMIT)
    depth[absorbed] = _inoue2014_lines(seen, redshift)
    ionising = np.minimum(seen / _INOUE_LIMIT, 1 + redshift)
    continuum = np.maximum(_inoue2014_forest(ionising, redshift), 0.0)
    continuum += np.maximum(_inoue2014_damped(ionising, redshift), 0.0)
    depth[absorbed] += np.where(seen < _INOUE_LIMIT * (1 + redshift), continuum, 0.0)
    return np.asarray(np.exp(-depth))


def _inoue2014_lines(wavelength: Floats, redshift: float) -> Floats:
    """Return the optical depth in all Lyman lines, equations 21 and 22, shape (n,)."""
    depth = np.zeros_like(wavelength)
    forest = [wavelength**power for power in _FOREST_POWERS]
    damped = [wavelength**power for power in _DAMPED_POWERS]
    for line, *strengths in _INOUE_LINES.tolist():
        met = wavelength / line  # 1 + z of the gas that absorbs in this line
        for powers, breaks, values, of in (
            (forest, _FOREST_BREAKS, _FOREST_POWERS, strengths[:3]),
            (damped, _DAMPED_BREAKS, _DAMPED_POWERS, strengths[3:]),
        ):
            pieces = [
                strength * line**-value * power
                for strength, value, power in zip(of, values, powers, strict=True)
            ]
            below = [met < edge for edge in breaks]
            in_line = np.select(below, pieces[:-1], pieces[-1])
            depth += np.where((met > 1) & (met < 1 + redshift), in_line, 0.0)
    return depth


def _inoue2014_forest(met: Floats, redshift: float) -> Floats:
    """Return the depth of the forest's continuum, equations 25 to 27.

    `met` is 1 + z at which a photon meets the Lyman limit, 1 to 1 + redshift.
    """
    emitted = 1 + redshift
    if redshift < 1.2:
        return np.asarray(0.3248 * (met**1.2 - emitted**-0.9 * met**2.1))
    if redshift < 4.7:
        steep = 2.545e-2 * emitted**1.6 * met**2.1
        near = steep + 0.3248 * met**1.2 - 0.2496 * met**2.1
        return np.asarray(np.where(met < 2.2, near, steep - 2.545e-2 * met**3.7))
    steep = 5.221e-4 * emitted**3.4 * met**2.1
    near = steep + 0.3248 * met**1.2 - 3.140e-2 * met**2.1
    middle = steep + 0.2182 * met**2.1 - 2.545e-2 * met**3.7
    far = steep - 5.221e-4 * met**5.5
    return np.asarray(np.select([met < 2.2, met < 5.7], [near, middle], far))


def _inoue2014_damped(met: Floats, redshift: float) -> Floats:
    """Return the depth of the damped systems' continuum, equations 28 and 29."""
    emitted = 1 + redshift
    if redshift < 2.0:
        return np.asarray(
            0.2113 * emitted**2 - 7.661e-2 * emitted**2.3 * met**-0.3 - 0.1347 * met**2
        )
    steep = 4.696e-2 * emitted**3 - 1.779e-2 * emitted**3.3 * met**-0.3
    near = 0.6340 + steep - 0.1347 * met**2 - 0.2905 * met**-0.3
    return np.asarray(np.where(met < 3.0, near, steep - 2.916e-2 * met**3))
