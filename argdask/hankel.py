"""Hankel transforms of radial profiles, on a logarithmic grid (FFTLog).

The transform is a convolution in the logarithm of radius and frequency, so two Fourier
transforms of a few hundred numbers give it over many decades (Hamilton 2000, MNRAS 312,
257, appendix B), for cusps as for smooth profiles.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft, special

__all__ = ["RADII", "STEP", "Hankel"]

Floats: TypeAlias = npt.NDArray[np.float64]

STEP = 0.05  # of the natural logarithms
_SIZE = 512
_PLACES = (np.arange(_SIZE) - _SIZE // 2) * STEP
RADII: Floats = 0.5 * np.exp(_PLACES)
"""Radii at which profiles are given, 1.4e-6 to 1.7e5 [pixel]."""
_MIDDLE = 0.3  # of the frequencies [radian / pixel]
# Below this a few terms of the Bessel function are better [radian / pixel].
_LOW = 5e-3
# What the profile is divided by, as a power of the radius: with 1/2, it fades at both
# ends whatever its Sersic index.
_BIAS = 0.5


class Hankel:
    """The transform of one order; its tables are made once.

    Parameters
    ----------
    order
        0 for the mean over the angle, 1 for what goes like its cosine.
    """

    def __init__(self, order: int) -> None:
        turns = 2.0 * math.pi * np.arange(_SIZE // 2 + 1) / (_SIZE * STEP)
        z = _BIAS + 1j * turns
        # integral of x**(z - 1) J_order(x) (Hamilton 2000, eq. B10)
        kernel = np.exp(
            (z - 1.0) * math.log(2.0)
            + special.loggamma(0.5 * (order + z))
            - special.loggamma(0.5 * (order - z) + 1.0)
        )
        # The grid is shifted so that the highest term is real: a transform of a finite
        # number of terms then does not ring (eq. 46 there).
        first = math.log(_MIDDLE) + _PLACES[0]
        phase = np.angle(kernel[-1]) - turns[-1] * (first + math.log(RADII[0]))
        first += float((phase + 0.5 * math.pi) % math.pi - 0.5 * math.pi) / turns[-1]
        self.start = first
        """Natural logarithm of the first frequency [radian / pixel]."""
        shift = turns * (first + math.log(RADII[0]))
        self._kernel = np.conj(kernel * np.exp(-1j * shift))
        self._before = RADII**-_BIAS
        self._after = np.exp(-_BIAS * (first + np.arange(_SIZE) * STEP))
        # The grid repeats itself, so that the total comes back from far below.
        self._image = math.exp(-_BIAS * _SIZE * STEP) if order == 0 else 0.0
        # J_0(x) = 1 - x**2 / 4 + x**4 / 64, J_1(x) = x / 2 - x**3 / 16 + x**5 / 384
        lowest = np.exp(first + np.arange(_SIZE) * STEP)
        lowest = lowest[lowest < _LOW]
        powers = (0, 2, 4) if order == 0 else (1, 3, 5)
        factors = (1, -1 / 4, 1 / 64) if order == 0 else (1 / 2, -1 / 16, 1 / 384)
        self._powers = np.stack([RADII**power for power in powers])
        self._series = np.stack(
            [c * lowest**power for c, power in zip(factors, powers, strict=True)]
        )

    def __call__(self, profile: Floats) -> Floats:
        """Return the integral of profile(r) J(k r) d ln r.

        Parameters
        ----------
        profile
            At ``RADII``; next to nothing beyond some 200 pixels.

        Returns
        -------
        ndarray
            At frequencies k from exp(``start``) in steps of ``STEP`` of the logarithm
            [radian / pixel].
        """
        spectrum = np.conj(fft.rfft(profile * self._before)) * self._kernel
        found: Floats = fft.irfft(spectrum, n=_SIZE) * self._after
        moments = STEP * (self._powers * profile).sum(axis=1)
        found -= self._image * moments[0]
        found[: self._series.shape[1]] = (self._series * moments[:, None]).sum(axis=0)
        return found
