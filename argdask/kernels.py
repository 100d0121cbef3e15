"""Light of a Sersic profile at points and in cells, in loops that LLVM vectorises."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from argdask.caching import compiled
from argdask.elementary import LOG2_E, LOWEST, exp2, log2

__all__ = [
    "Asymmetry",
    "Floats",
    "Galaxy",
    "Points",
    "asymmetry_of",
    "centres",
    "galaxy_of",
    "padded",
    "points",
    "series",
]

Floats: TypeAlias = npt.NDArray[np.float64]

_LANES = 8  # numbers in a vector
# The ``doubt`` is the sixth order over a constant fitted to integrals by edges over all
# valid galaxies: below 1, the series is within 2.5e-4.
_DOUBT = 4.0


class Galaxy(NamedTuple):
    """One galaxy in the kernels' terms; lengths in pixels."""

    # r**2 = R**2 / R_e**2 = xx dx**2 + 2 xy dx dy + yy dy**2
    xx: float
    xy: float
    yy: float
    # coordinates along and across the major axis in which the ellipse is a unit circle
    major_x: float
    major_y: float
    minor_x: float
    minor_y: float
    # light = 2**(peak - 2**(power log2(r**2) + steepness))
    power: float
    steepness: float
    peak: float
    # a = 2 n and log2 Gamma(1 + a)
    order: float
    gamma: float
    # below and above these y = b_n r**(1/n) an edge needs no short pieces
    gentle: float
    saturated: float


@compiled
def galaxy_of(row: Floats) -> Galaxy:
    """Derive a galaxy's constants from its row of a table."""
    radius, index, ratio, angle, width = row[0], row[1], row[2], row[3], row[4]
    # The major axis is turned from +y towards -x.
    along_x, along_y = -math.sin(math.radians(angle)), math.cos(math.radians(angle))
    major_x, major_y = along_x / radius, along_y / radius
    minor_x, minor_y = -along_y / (radius * ratio), along_x / (radius * ratio)
    order = 2.0 * index
    gamma = math.lgamma(1.0 + order) * LOG2_E
    return Galaxy(
        major_x * major_x + minor_x * minor_x,
        major_x * major_y + minor_x * minor_y,
        major_y * major_y + minor_y * minor_y,
        major_x,
        major_y,
        minor_x,
        minor_y,
        0.5 / index,
        math.log2(width * LOG2_E),
        order * math.log2(width) - gamma - math.log2(math.pi * radius * radius * ratio),
        order,
        gamma,
        8.0 / math.expm1(2.0 / index),
        order + 9.0 * math.sqrt(order) + 25.0,
    )


class Asymmetry(NamedTuple):
    """What makes one side brighter: light is times 1 - (x dx + y dy) / r.

    Kernels take None for a galaxy without: it is compiled as if there were no such
    thing, with the same bits.
    """

    x: float
    y: float
    # the same vector in the frame in which the ellipse is a circle, and its length
    major: float
    minor: float
    strength: float


@compiled
def asymmetry_of(row: Floats, galaxy: Galaxy) -> Asymmetry:
    """Derive a galaxy's asymmetry from its row of a table."""
    major = row[7] * math.cos(math.radians(row[8]))
    minor = row[7] * math.sin(math.radians(row[8]))
    return Asymmetry(
        major * galaxy.major_x + minor * galaxy.minor_x,
        major * galaxy.major_y + minor * galaxy.minor_y,
        major,
        minor,
        row[7],
    )


class Points(NamedTuple):
    """Places, as offsets from the galaxy's centre, and what is found there."""

    x: Floats
    y: Floats
    value: Floats
    doubt: Floats


@compiled
def points(size: int) -> Points:
    """Return memory for this many points, and a vector's more."""
    size += _LANES
    return Points(np.empty(size), np.empty(size), np.empty(size), np.empty(size))


@compiled
def padded(count: int) -> int:
    """Round up to whole vectors, so that no scalar loop is left over."""
    return (count + _LANES - 1) // _LANES * _LANES


@compiled
def centres(
    points: Points, count: int, galaxy: Galaxy, asymmetry: Asymmetry | None
) -> None:
    """Find the light at points; in the very centre without asymmetry, as on average."""
    x, y = points.x, points.y
    for i in range(padded(count)):
        along_x = galaxy.xx * x[i] + galaxy.xy * y[i]
        along_y = galaxy.xy * x[i] + galaxy.yy * y[i]
        s = max(along_x * x[i] + along_y * y[i], 1e-300)
        t = exp2(max(galaxy.power * log2(s) + galaxy.steepness, LOWEST))
        light = exp2(max(galaxy.peak - t, LOWEST))
        if asymmetry is not None:
            tilt = asymmetry.x * x[i] + asymmetry.y * y[i]
            light = light * (1.0 - tilt / math.sqrt(s))
        points.value[i] = light


@compiled
def _weights(galaxy: Galaxy, area: float) -> tuple[float, float, float, float]:
    """Return what derivatives of s weigh in the fourth order: xx, xy, yy and pairs.

    They are those in (f_xxxx + f_yyyy) / 1920 + f_xxyy / 576, less a factor of 24.
    """
    xx, xy, yy = galaxy.xx, galaxy.xy, galaxy.yy
    return (
        (1.8 * xx + yy) * area / 12.0,
        xy * area / 3.0,
        (1.8 * yy + xx) * area / 12.0,
        (0.9 * (xx * xx + yy * yy) + xx * yy + 2.0 * xy * xy) * area * area / 6.0,
    )


@compiled
def _odd_polynomials(w: float, g: float, p: float) -> tuple[float, float, float]:
    """Return e_2, e_3 and e_4: each e_k+1 is (w + k) e_k - p g de_k / dg."""
    slope2 = 2.0 * w + (1.0 - p)
    e2 = w * (w + 1.0) - p * g
    e3 = e2 * (w + 2.0) - p * g * slope2
    slope3 = slope2 * (w + (2.0 - p)) + e2 - 2.0 * p * g
    return e2, e3, e3 * (w + 3.0) - p * g * slope3


@compiled
def series(
    points: Points,
    count: int,
    galaxy: Galaxy,
    asymmetry: Asymmetry | None,
    size: float,
) -> None:
    """Integrate over square cells by the midpoint and the second and fourth order.

    With s = r**2 and g = -d ln(light) / d ln(s), the k-th derivative of the light by s
    is light g f_k / s**k with polynomials f_1 = -1, f_2, -f_3 and f_4 in g. So the
    derivatives by x and y follow from those of s, here over s and in units of the
    cell: u and v, and h times constants. The doubt follows the sixth order.

    An asymmetry takes away light / r times a plane. The k-th derivative of light / r is
    light / r e_k / s**k with polynomials -w, e_2, -e_3 and e_4 in g, and those of the
    product have one term with the plane and one with its slope, (a, b).
    """
    x, y = points.x, points.y
    p = galaxy.power
    o = 1.0 - p
    p2 = o * (2.0 - p)
    p3 = p2 * (3.0 - p)
    q2 = o * (11.0 - 7.0 * p)
    xx, xy, yy = galaxy.xx, galaxy.xy, galaxy.yy
    area = size * size
    peak = galaxy.peak + math.log2(area)
    trace = 2.0 * (xx + yy) * area
    cxx, cxy, cyy, c2 = _weights(galaxy, area)
    for i in range(padded(count)):
        along_x = xx * x[i] + xy * y[i]
        along_y = xy * x[i] + yy * y[i]
        s = max(along_x * x[i] + along_y * y[i], 1e-30)
        t = exp2(p * log2(s) + galaxy.steepness)
        light = exp2(max(peak - t, LOWEST))
        g = t * (p / LOG2_E)
        h = 1.0 / s
        u = along_x * (2.0 * size * h)
        v = along_y * (2.0 * size * h)
        uu, vv, uv = u * u, v * v, u * v
        slope, bend = uu + vv, trace * h
        f2 = g + o
        f3 = (g + 3.0 * o) * g + p2
        f4 = ((g + 6.0 * o) * g + q2) * g + p3
        second = f2 * slope - bend
        third = cxx * uu + cyy * vv + cxy * uv
        quartic = (0.3 / 24.0) * slope * slope + (0.4 / 24.0) * uv * uv
        fourth = f4 * quartic - f3 * h * third + c2 * f2 * h * h
        total = 1.0 + g * (1.0 / 24.0) * (second + fourth)
        a = 1.0 + g * (1.0 / 1.5)
        k = (slope + bend) * (1.0 + g * (1.0 / 3.0))
        doubt = k * k * k * (g * a * a * (1.0 / _DOUBT))
        if asymmetry is not None:
            r = 1.0 / math.sqrt(s)
            plane = (asymmetry.x * x[i] + asymmetry.y * y[i]) * r
            a, b = asymmetry.x * size * r, asymmetry.y * size * r
            w = g + 0.5
            e2, e3, e4 = _odd_polynomials(w, g, p)
            second = e2 * slope - w * bend
            fourth = e4 * quartic - e3 * h * third + c2 * e2 * h * h
            total -= plane * (1.0 + (1.0 / 24.0) * (second + fourth))
            second = -2.0 * w * (a * u + b * v)
            fourth = a * u * (uu / 20.0 + vv / 12.0) + b * v * (vv / 20.0 + uu / 12.0)
            third = a * (2.0 * cxx * u + cxy * v) + b * (cxy * u + 2.0 * cyy * v)
            total -= (1.0 / 24.0) * (second - e3 * fourth + e2 * h * third)
            k = (slope + bend) * (1.0 + w * (1.0 / 3.0))
            a = 1.0 + w * (1.0 / 1.5)
            doubt += asymmetry.strength * k * k * k * (w * a * a * (2.0 / _DOUBT))
            doubt /= max(min(total, 2.0), 1e-9)
        points.value[i] = light * total
        points.doubt[i] = doubt
