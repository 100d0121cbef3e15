"""Integrals of a Sersic profile over pixels, along the edges of each."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from argdask.caching import compiled
from argdask.elementary import LOG2_E, LOWEST, arcsinh, exp2, log2
from argdask.kernels import Asymmetry, Floats, Galaxy

__all__ = ["Nodes", "by_edges", "nodes"]

_LOG2_LN2 = math.log2(math.log(2.0))

# Gauss-Legendre rule on the pieces of an edge
_NODES, _WEIGHTS = (
    tuple(map(float, column)) for column in np.polynomial.legendre.leggauss(8)
)


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
    return max(power + (galaxy.steepness + _LOG2_LN2), LOWEST)


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
def _edges(
    x: float, y: float, galaxy: Galaxy, asymmetry: Asymmetry | None, nodes: Nodes
) -> tuple[int, float, bool]:
    """List the nodes on a pixel's edges.

    Until the light is found, ``upper`` and ``lower`` have the asymmetry along the line
    from the centre that is square to the edge, and along the edge.

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
        first = count
        if start < 0.0:
            count = _add_nodes(
                max(-stop, 0.0), -start, distance, sign, count, galaxy, nodes
            )
        middle = count
        if stop > 0.0:
            count = _add_nodes(
                max(start, 0.0), stop, distance, sign, count, galaxy, nodes
            )
        if asymmetry is not None:
            across = sign * (asymmetry.major * dv - asymmetry.minor * du) / length
            along = (asymmetry.major * du + asymmetry.minor * dv) / length
            for i in range(first, count):
                nodes.upper[i] = across
                nodes.lower[i] = along if i >= middle else -along
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
def by_edges(
    x: float, y: float, galaxy: Galaxy, asymmetry: Asymmetry | None, nodes: Nodes
) -> float:
    """Integrate over the pixel at this offset from the centre by Green's theorem.

    In coordinates in which the ellipse is a circle, the light inside radius r within an
    angle dtheta is P(2n, y) dtheta / 2 pi, with the regularised incomplete gamma
    function P, so that a pixel is the integral of this along its edges. On an edge at
    distance d from the centre, r = d cosh(tau) and dtheta = dtau / cosh(tau): smooth in
    tau for any profile and any d. An asymmetry is a factor that depends on theta alone.
    """
    count, nearest, inside = _edges(x, y, galaxy, asymmetry, nodes)
    y_near = 0.0 if inside else exp2(_exponent(nearest, galaxy))
    far = y_near > galaxy.order + 1.0
    highest = math.log2(y_near + 600.0 if far else galaxy.saturated)
    exponent = nodes.distance
    for i in range(count):
        grown = exp2(LOG2_E * nodes.place[i])
        cosine = 0.5 * (grown + 1.0 / grown)
        nodes.weight[i] /= cosine
        if asymmetry is not None:
            sine = grown - cosine
            tilt = (nodes.upper[i] + nodes.lower[i] * sine) / cosine
            nodes.weight[i] *= 1.0 - tilt
        exponent[i] = min(_exponent(nodes.distance[i] * cosine, galaxy), highest)
        nodes.place[i] = exp2(exponent[i])
    _enclosed(count, far, y_near, galaxy.order, nodes)
    for i in range(count):
        power = galaxy.order * exponent[i] - nodes.place[i] * LOG2_E - galaxy.gamma
        nodes.weight[i] *= nodes.upper[i] * exp2(max(power, LOWEST))
    total = 0.0
    for i in range(count):
        total += nodes.weight[i]
    return max(total / (2.0 * math.pi), 0.0)
