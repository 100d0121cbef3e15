"""Hankel transforms of radial profiles, on a logarithmic grid (FFTLog).

The transform is a convolution in the logarithm of radius and frequency, so two Fourier
transforms of a few hundred numbers give it over many decades (Hamilton 2000, MNRAS 312,
257, appendix B), for cusps as for smooth profiles.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy

from argdask.caching import compiled

__all__ = ["RADII", "STEP", "Hankel", "Tables", "transform"]

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
_NOTHING = 1e-14  # of a profile's maximum


class Tables(NamedTuple):
    """What `transform` takes of a `Hankel`."""

    before: Floats
    kernel: Floats
    after: Floats
    image: float
    powers: Floats
    series: Floats


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
            + scipy.special.loggamma(0.5 * (order + z))
            - scipy.special.loggamma(0.5 * (order - z) + 1.0)
        )
        # The grid is shifted so that the highest term is real: a transform of a finite
        # number of terms then does not ring (eq. 46 there).
        first = math.log(_MIDDLE) + _PLACES[0]
        phase = np.angle(kernel[-1]) - turns[-1] * (first + math.log(RADII[0]))
        first += float((phase + 0.5 * math.pi) % math.pi - 0.5 * math.pi) / turns[-1]
        self.start = first
        """Natural logarithm of the first frequency [radian / pixel]."""
        shift = turns * (first + math.log(RADII[0]))
        terms = np.conj(kernel * np.exp(-1j * shift))
        # J_0(x) = 1 - x**2 / 4 + x**4 / 64, J_1(x) = x / 2 - x**3 / 16 + x**5 / 384
        lowest = np.exp(first + np.arange(_SIZE) * STEP)
        lowest = lowest[lowest < _LOW]
        powers = (0, 2, 4) if order == 0 else (1, 3, 5)
        factors = (1, -1 / 4, 1 / 64) if order == 0 else (1 / 2, -1 / 16, 1 / 384)
        self.tables = Tables(
            RADII**-_BIAS,
            np.tile(scipy.fft.irfft(terms, n=_SIZE), 2),
            np.exp(-_BIAS * (first + np.arange(_SIZE) * STEP)),
            # The grid repeats itself, so that the total comes back from far below.
            math.exp(-_BIAS * _SIZE * STEP) if order == 0 else 0.0,
            np.stack([RADII**power for power in powers]),
            np.stack(
                [c * lowest**power for c, power in zip(factors, powers, strict=True)]
            ),
        )
        """For `transform`."""

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
        found = np.empty(_SIZE)
        transform(profile, self.tables, 0, _SIZE, found)
        return found


@compiled
def transform(
    profile: Floats, tables: Tables, first: int, last: int, found: Floats
) -> float:
    """Find a range of what `Hankel` returns, each by a sum over radii.

    Parameters
    ----------
    profile
        At ``RADII``.
    tables
        Of the order.
    first, last
        The range.
    found
        The result, filled in this range.

    Returns
    -------
    float
        The lowest moment of the profile; of order 0 it is the total.
    """
    total = _moment(profile, tables.powers[0])
    part, count = found[first:last], last - first
    part[:] = 0.0
    least = _NOTHING * profile.max()
    for i in range(0, _SIZE, 4):
        p0, p1, p2, p3 = profile[i], profile[i + 1], profile[i + 2], profile[i + 3]
        if max(p0, p1, p2, p3) <= least:
            continue
        p0, p1 = p0 * tables.before[i], p1 * tables.before[i + 1]
        p2, p3 = p2 * tables.before[i + 2], p3 * tables.before[i + 3]
        kernel = tables.kernel[first + i : last + i + 3]
        for m in range(count):
            near = p0 * kernel[m] + p1 * kernel[m + 1]
            part[m] += near + (p2 * kernel[m + 2] + p3 * kernel[m + 3])
    after = tables.after[first:last]
    for m in range(count):
        part[m] = part[m] * after[m] - tables.image * total
    if first < tables.series.shape[1]:
        second = _moment(profile, tables.powers[1])
        third = _moment(profile, tables.powers[2])
        for m in range(first, min(last, tables.series.shape[1])):
            series = tables.series[0, m] * total + tables.series[1, m] * second
            found[m] = series + tables.series[2, m] * third
    return total


@compiled
def _moment(profile: Floats, power: Floats) -> float:
    sums = 0.0, 0.0, 0.0, 0.0
    for i in range(0, _SIZE, 4):
        sums = (
            sums[0] + profile[i] * power[i],
            sums[1] + profile[i + 1] * power[i + 1],
            sums[2] + profile[i + 2] * power[i + 2],
            sums[3] + profile[i + 3] * power[i + 3],
        )
    return STEP * ((sums[0] + sums[1]) + (sums[2] + sums[3]))
