"""Integrals of a Sersic profile over pixels, from loops that LLVM can vectorise."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from argdask.caching import compiled

__all__ = [
    "Galaxy",
    "Nodes",
    "Points",
    "by_edges",
    "centres",
    "exp2",
    "galaxy_of",
    "log2",
    "nodes",
    "padded",
    "points",
    "series",
]

Floats: TypeAlias = npt.NDArray[np.float64]

_LOG2_E = 1.0 / math.log(2.0)
_LOWEST = -1000.0  # the lowest exponent given to exp2
_LOG2_LN2 = math.log2(math.log(2.0))
# 2**f = sum of (f ln 2)**k / k! for |f| <= 1/2; the first term left out is 2e-10.
_E = tuple(math.log(2.0) ** k / math.factorial(k) for k in range(9))
# log2((1 + z) / (1 - z)) = 2 / ln 2 sum of z**(2k+1) / (2k+1) for |z| < 0.172; the
# first term left out is 2e-11.
_L = tuple(2.0 / math.log(2.0) / (2 * k + 1) for k in range(6))
# Adding 1.5 * 2**52 rounds to an integer, which is then found in the lowest bits.
_ROUND = 1.5 * 2.0**52
_ROUND_BITS = np.int64(np.float64(_ROUND).view(np.int64))
_MANTISSA = np.int64(52)
_HALF_SQUARED = np.int64(np.float64(math.sqrt(0.5)).view(np.int64))
_BIAS = np.int64(1023)

_LANES = 8  # numbers in a vector
# The ``doubt`` is the sixth order over a constant fitted to integrals by edges over all
# valid galaxies: below 1, the series is within 2.5e-4.
_DOUBT = 4.0

# Gauss-Legendre rule on the pieces of an edge
_NODES, _WEIGHTS = (
    tuple(map(float, column)) for column in np.polynomial.legendre.leggauss(8)
)


@compiled
def exp2(x: float) -> float:
    """Return 2 to the power x, to 3e-10; x between -1020 and 1020."""
    rounded = x + _ROUND
    f = x - (rounded - _ROUND)
    # Two short chains of operations, of even and odd powers, take less time than one.
    t = f * f
    even = (((_E[8] * t + _E[6]) * t + _E[4]) * t + _E[2]) * t + _E[0]
    odd = ((_E[7] * t + _E[5]) * t + _E[3]) * t + _E[1]
    total = odd * f + even
    exponent = np.float64(rounded).view(np.int64) << _MANTISSA
    return np.int64(np.float64(total).view(np.int64) + exponent).view(np.float64)


@compiled
def log2(x: float) -> float:
    """Return the logarithm of x to base 2, to 1e-10; x positive and normal."""
    bits = np.float64(x).view(np.int64)
    # The mantissa is taken between sqrt(1/2) and sqrt(2).
    exponent = ((bits - _HALF_SQUARED) + (_BIAS << _MANTISSA)) >> _MANTISSA
    mantissa = np.int64(bits - ((exponent - _BIAS) << _MANTISSA)).view(np.float64)
    z = (mantissa - 1.0) / (mantissa + 1.0)
    t = z * z
    square = t * t
    even = (_L[4] * square + _L[2]) * square + _L[0]
    odd = (_L[5] * square + _L[3]) * square + _L[1]
    total = odd * t + even
    # An integer of less than 52 bits becomes a float by placing it in a mantissa.
    whole = np.int64(exponent + _ROUND_BITS).view(np.float64) - (_ROUND + _BIAS)
    return total * z + whole


@compiled
def arcsinh(x: float) -> float:
    """Return the inverse hyperbolic sine, to 1e-10; x not negative, below 1e150."""
    return math.log(2.0) * log2(x + math.sqrt(x * x + 1.0))


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
    gamma = math.lgamma(1.0 + order) * _LOG2_E
    return Galaxy(
        major_x * major_x + minor_x * minor_x,
        major_x * major_y + minor_x * minor_y,
        major_y * major_y + minor_y * minor_y,
        major_x,
        major_y,
        minor_x,
        minor_y,
        0.5 / index,
        math.log2(width * _LOG2_E),
        order * math.log2(width) - gamma - math.log2(math.pi * radius * radius * ratio),
        order,
        gamma,
        8.0 / math.expm1(2.0 / index),
        order + 9.0 * math.sqrt(order) + 25.0,
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
def centres(points: Points, count: int, galaxy: Galaxy) -> None:
    """Find the light at points."""
    x, y = points.x, points.y
    for i in range(padded(count)):
        along_x = galaxy.xx * x[i] + galaxy.xy * y[i]
        along_y = galaxy.xy * x[i] + galaxy.yy * y[i]
        s = max(along_x * x[i] + along_y * y[i], 1e-300)
        t = exp2(max(galaxy.power * log2(s) + galaxy.steepness, _LOWEST))
        points.value[i] = exp2(max(galaxy.peak - t, _LOWEST))


@compiled
def series(points: Points, count: int, galaxy: Galaxy, size: float) -> None:
    """Integrate over square cells by the midpoint and the second and fourth order.

    With s = r**2 and g = -d ln(light) / d ln(s), the k-th derivative of the light by s
    is light g f_k / s**k with polynomials f_1 = -1, f_2, -f_3 and f_4 in g. So the
    derivatives by x and y follow from those of s, here over s and in units of the
    cell: u and v, and h times constants. The doubt follows the sixth order.
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
    # (f_xxxx + f_yyyy) / 1920 + f_xxyy / 576, less a factor of 24
    cxx = (1.8 * xx + yy) * area / 12.0
    cxy = xy * area / 3.0
    cyy = (1.8 * yy + xx) * area / 12.0
    c2 = (0.9 * (xx * xx + yy * yy) + xx * yy + 2.0 * xy * xy) * area * area / 6.0
    for i in range(padded(count)):
        along_x = xx * x[i] + xy * y[i]
        along_y = xy * x[i] + yy * y[i]
        s = max(along_x * x[i] + along_y * y[i], 1e-30)
        t = exp2(p * log2(s) + galaxy.steepness)
        light = exp2(max(peak - t, _LOWEST))
        g = t * (p / _LOG2_E)
        h = 1.0 / s
        u = along_x * (2.0 * size * h)
        v = along_y * (2.0 * size * h)
        uu = u * u
        vv = v * v
        uv = u * v
        slope = uu + vv
        bend = trace * h
        f2 = g + o
        f3 = (g + 3.0 * o) * g + p2
        f4 = ((g + 6.0 * o) * g + q2) * g + p3
        second = f2 * slope - bend
        third = cxx * uu + cyy * vv + cxy * uv
        fourth = f4 * ((0.3 / 24.0) * slope * slope + (0.4 / 24.0) * uv * uv)
        fourth = fourth - f3 * h * third + c2 * f2 * h * h
        points.value[i] = light * (1.0 + g * (1.0 / 24.0) * (second + fourth))
        a = 1.0 + g * (1.0 / 1.5)
        k = (slope + bend) * (1.0 + g * (1.0 / 3.0))
        points.doubt[i] = k * k * k * (g * a * a * (1.0 / _DOUBT))


class Nodes(NamedTuple):
    """The nodes on a pixel's edges; memory that is used again."""

    place: Floats
    weight: Floats
    distance: Floats
    upper: Floats
    lower: Floats


@compiled
def nodes() -> Nodes:
    """Return memory for the nodes of one pixel."""
    n = 4 * 64 * len(_NODES)
    return Nodes(np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n))


@compiled
def _exponent(radius: float, galaxy: Galaxy) -> float:
    """Return log2 of y = b_n r**(1/n)."""
    power = 2.0 * galaxy.power * log2(max(radius, 1e-300))
    return max(power + (galaxy.steepness + _LOG2_LN2), _LOWEST)


@compiled
def _add_nodes(
    start: float,
    stop: float,
    distance: float,
    sign: float,
    count: int,
    galaxy: Galaxy,
    nodes: Nodes,
) -> int:
    """Add the nodes of a piece of edge, on one side of its point nearest the centre."""
    radius = math.hypot(distance, start)
    start = arcsinh(start / distance)
    stop = arcsinh(stop / distance)
    while start < stop:
        y = exp2(_exponent(radius, galaxy))
        step = 2.0
        if galaxy.gentle < y < galaxy.saturated:
            # y grows at most like exp(step / n), and the rule bears an exponent of 8.
            step = math.log1p(8.0 / y) / (2.0 * galaxy.power)
        end = start + step
        if end > stop or count + 2 * len(_NODES) > len(nodes.place):
            end = stop
        half = 0.5 * (end - start)
        for j in range(len(_NODES)):
            nodes.place[count + j] = start + half * (1.0 + _NODES[j])
            nodes.weight[count + j] = sign * half * _WEIGHTS[j]
            nodes.distance[count + j] = distance
        count += len(_NODES)
        start = end
        if start < stop:
            radius = distance * math.cosh(start)
    return count


@compiled
def _edges(x: float, y: float, galaxy: Galaxy, nodes: Nodes) -> tuple[int, float, bool]:
    """List the nodes on a pixel's edges.

    Returns
    -------
    count, nearest, inside
        The number of nodes, the distance of the pixel's nearest edge from the centre in
        units of R_e, and whether the centre is in the pixel.
    """
    count = int(np.int64(0))  # for a literal 0 numba compiles all twice
    nearest = np.inf
    inside = True
    for edge in range(4):
        # counter-clockwise from the lower left corner
        x0 = x + (0.5 if edge in (1, 2) else -0.5)
        y0 = y + (0.5 if edge in (2, 3) else -0.5)
        x1 = x + (0.5 if edge in (0, 1) else -0.5)
        y1 = y + (0.5 if edge in (1, 2) else -0.5)
        u = galaxy.major_x * x0 + galaxy.major_y * y0
        v = galaxy.minor_x * x0 + galaxy.minor_y * y0
        du = galaxy.major_x * (x1 - x0) + galaxy.major_y * (y1 - y0)
        dv = galaxy.minor_x * (x1 - x0) + galaxy.minor_y * (y1 - y0)
        length = math.hypot(du, dv)
        height = (u * dv - v * du) / length
        start = (u * du + v * dv) / length
        stop = start + length
        distance = abs(height)
        sign = math.copysign(1.0, height)
        inside = inside and height >= 0.0
        nearest = min(nearest, math.hypot(distance, max(start, -stop, 0.0)))
        if distance <= 1e-9 * length:
            continue  # seen from the centre, an edge through it has no width
        if start < 0.0:
            count = _add_nodes(
                max(-stop, 0.0), -start, distance, sign, count, galaxy, nodes
            )
        if stop > 0.0:
            count = _add_nodes(
                max(start, 0.0), stop, distance, sign, count, galaxy, nodes
            )
    return count, nearest, inside


@compiled
def _enclosed(count: int, far: bool, y_near: float, order: float, nodes: Nodes) -> None:
    """Put what is left of P(a, y) without y**a exp(-y) / Gamma(1 + a) into ``upper``.

    ``far`` from the centre it is that of P - 1 = -Q, which adds the same to any closed
    curve that leaves out the centre, and does not lose faint light to rounding.
    """
    y = nodes.place
    upper = nodes.upper
    lower = nodes.lower
    if far:
        # Q by Legendre's continued fraction, as a ratio of two numbers
        terms = int(4.0 + 0.5 * order + 60.0 / y_near)
        for i in range(count):
            upper[i] = y[i] + (2.0 * terms + 1.0 - order)
            lower[i] = 1.0
        for k in range(terms, 0, -1):
            b = 2.0 * k - 1.0 - order
            c = k * (k - order)
            for i in range(count):
                above = upper[i]
                upper[i] = (y[i] + b) * above - c * lower[i]
                lower[i] = above
        for i in range(count):
            upper[i] = -order * lower[i] / upper[i]
    else:
        # P by its power series
        largest = 0.0
        for i in range(count):
            largest = max(largest, y[i])
            upper[i] = 1.0
        for k in range(int(6.0 + largest + 9.5 * math.sqrt(largest)), 0, -1):
            c = 1.0 / (order + k)
            for i in range(count):
                upper[i] = 1.0 + upper[i] * (y[i] * c)


@compiled
def by_edges(x: float, y: float, galaxy: Galaxy, nodes: Nodes) -> float:
    """Integrate over the pixel at this offset from the centre by Green's theorem.

    In coordinates in which the ellipse is a circle, the light inside radius r within an
    angle dtheta is P(2n, y) dtheta / 2 pi, with the regularised incomplete gamma
    function P, so that a pixel is the integral of this along its edges. On an edge at
    distance d from the centre, r = d cosh(tau) and dtheta = dtau / cosh(tau): smooth in
    tau for any profile and any d.
    """
    count, nearest, inside = _edges(x, y, galaxy, nodes)
    y_near = 0.0 if inside else exp2(_exponent(nearest, galaxy))
    far = y_near > galaxy.order + 1.0
    highest = math.log2(y_near + 600.0 if far else galaxy.saturated)
    exponent = nodes.distance
    for i in range(count):
        grown = exp2(_LOG2_E * nodes.place[i])
        cosine = 0.5 * (grown + 1.0 / grown)
        nodes.weight[i] /= cosine
        exponent[i] = min(_exponent(nodes.distance[i] * cosine, galaxy), highest)
        nodes.place[i] = exp2(exponent[i])
    _enclosed(count, far, y_near, galaxy.order, nodes)
    for i in range(count):
        power = galaxy.order * exponent[i] - nodes.place[i] * _LOG2_E - galaxy.gamma
        nodes.weight[i] *= nodes.upper[i] * exp2(max(power, _LOWEST))
    total = 0.0
    for i in range(count):
        total += nodes.weight[i]
    return max(total / (2.0 * math.pi), 0.0)
