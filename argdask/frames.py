"""Pixels of frames, each by the cheapest of the kernels that is accurate there.

One image has three kinds of pixel. Almost everywhere the integral over a pixel is a
Taylor series about its centre, whose derivatives cost little once the light there is
known. Where the next order of the series would matter, the pixel is divided into
cells. Around the cusp in the centre no series converges, and Green's theorem turns the
integral over the pixel into one along its edges.

Every pixel is computed from its own offset from the galaxy's centre alone, in one order
of operations, so its bits depend neither on the frame nor on the batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from argdask.caching import compiled
from argdask.edges import Nodes, by_edges, nodes
from argdask.elementary import exp2, log2
from argdask.kernels import (
    Asymmetry,
    Floats,
    Galaxy,
    Points,
    asymmetry_of,
    centres,
    galaxy_of,
    padded,
    points,
    series,
)

__all__ = ["FAINTEST", "Lists", "light", "list_window", "lists_of", "render"]

Integers: TypeAlias = npt.NDArray[np.int64]
Stamps: TypeAlias = npt.NDArray[np.floating]

FAINTEST = 1e-30  # of a galaxy's light in one pixel; below 1e-38 float32 is slow
_NEGLIGIBLE = math.log2(1e-14)  # light below which the bare series is good enough

# A pixel with more doubt than 1 is divided into so many cells a side; one with too much
# doubt for that, or close to the centre, is done by its edges.
_DIVISIONS = ((2, 64.0), (4, 512.0))
_MOST_CELLS = 512


class Lists(NamedTuple):
    """Memory that is used again for every galaxy."""

    places: Points  # relative to the middle of the frame
    pixels: Points
    cells: Points
    nodes: Nodes
    doubtful: Integers
    chosen: Integers


@compiled
def lists_of(size: int) -> Lists:
    """Return memory for frames of this many pixels."""
    return Lists(
        points(size),
        points(size),
        points(_MOST_CELLS),
        nodes(),
        np.empty(size + 1, np.int64),
        np.empty(size + 1, np.int64),
    )


@compiled
def _one_side(x: float, y: float) -> tuple[float, float]:
    """Return the one of two opposite pixels that stands for both, to the last bit."""
    if y < 0.0 or (y == 0.0 and x < 0.0):
        return -x, -y
    return x, y


@compiled
def _is_faint(x: float, y: float, galaxy: Galaxy) -> bool:
    """Whether the light is negligible even in the pixel's brightest point."""
    s = max((galaxy.xx * x + 2.0 * galaxy.xy * y) * x + galaxy.yy * y * y, 1e-30)
    # With a relative change of radius of at most z: (1 - z)**m >= 1 - max(m, 1) z
    z = math.sqrt(0.5 * (galaxy.xx + galaxy.yy) / s)
    t = exp2(galaxy.power * log2(s) + galaxy.steepness)
    least = t * max(1.0 - max(2.0 * galaxy.power, 1.0) * z, 0.0)
    return galaxy.peak - least < _NEGLIGIBLE


@compiled
def _by_cells(
    parts: int,
    count: int,
    galaxy: Galaxy,
    asymmetry: Asymmetry | None,
    lists: Lists,
) -> None:
    """Sum the first ``count`` chosen pixels over parts x parts cells."""
    pixels, cells = lists.pixels, lists.cells
    square = parts * parts
    size = 1.0 / parts
    batch = _MOST_CELLS // square
    for first in range(0, count, batch):
        chosen = lists.chosen[first : min(first + batch, count)]
        filled = int(np.int64(0))  # for a literal 0 numba compiles all twice
        for i in chosen:
            x, y = pixels.x[i], pixels.y[i]
            if asymmetry is None:
                x, y = _one_side(x, y)
            for cell in range(square):
                cells.x[filled] = x + (cell % parts + 0.5) * size - 0.5
                cells.y[filled] = y + (cell // parts + 0.5) * size - 0.5
                filled += 1
        for cell in range(filled, padded(filled)):
            cells.x[cell] = cells.y[cell] = 1.0
        series(cells, filled, galaxy, asymmetry, size)
        filled = 0
        for i in chosen:
            total = 0.0
            for _ in range(square):
                total += cells.value[filled]
                filled += 1
            pixels.value[i] = total


@compiled
def _pixels(
    count: int, galaxy: Galaxy, asymmetry: Asymmetry | None, lists: Lists
) -> None:
    """Integrate over the listed pixels."""
    x, y, doubt = lists.pixels.x, lists.pixels.y, lists.pixels.doubt
    series(lists.pixels, count, galaxy, asymmetry, 1.0)
    doubtful = 0
    for i in range(count):
        lists.doubtful[doubtful] = i
        doubtful += doubt[i] > 1.0
    for i in lists.doubtful[:doubtful]:
        if _is_faint(x[i], y[i], galaxy):
            doubt[i] = 0.0
        elif abs(x[i]) < 1.0 and abs(y[i]) < 1.0:
            doubt[i] = np.inf  # the cusp
    low = 1.0
    for parts, high in _DIVISIONS:
        chosen = int(np.int64(0))
        for i in lists.doubtful[:doubtful]:
            lists.chosen[chosen] = i
            chosen += low < doubt[i] <= high
        _by_cells(parts, chosen, galaxy, asymmetry, lists)
        low = high
    for i in lists.doubtful[:doubtful]:
        if doubt[i] > low:
            near_x, near_y = x[i], y[i]
            if asymmetry is None:
                near_x, near_y = _one_side(near_x, near_y)
            lists.pixels.value[i] = by_edges(
                near_x, near_y, galaxy, asymmetry, lists.nodes
            )


@compiled
def list_window(
    columns: range, lines: range, shape: tuple[int, int], lists: Lists
) -> int:
    """List the places of the pixels in a window, in units of pixels from the middle."""
    count = 0
    for line in lines:
        for column in columns:
            lists.places.x[count] = column - 0.5 * (shape[1] - 1)
            lists.places.y[count] = line - 0.5 * (shape[0] - 1)
            count += 1
    for i in range(count, padded(count)):
        lists.places.x[i] = lists.places.y[i] = 1.0
    return count


@compiled
def light(
    count: int, row: Floats, galaxy: Galaxy, integrated: bool, lists: Lists
) -> None:
    """Find the light in the listed pixels, or at their centres."""
    pixels = lists.pixels
    for i in range(padded(count)):
        pixels.x[i] = lists.places.x[i] - row[6]
        pixels.y[i] = lists.places.y[i] - row[5]
    if row[7] == 0.0 and integrated:
        _pixels(count, galaxy, None, lists)
    elif row[7] == 0.0:
        centres(pixels, count, galaxy, None)
    elif integrated:
        _pixels(count, galaxy, asymmetry_of(row, galaxy), lists)
    else:
        centres(pixels, count, galaxy, asymmetry_of(row, galaxy))
    for i in range(count):
        pixels.value[i] = pixels.value[i] if pixels.value[i] > FAINTEST else 0.0


@compiled
def render(
    table: Floats, shape: tuple[int, int], integrated: bool, stamps: Stamps
) -> None:
    """Fill ``stamps`` (galaxy, pixel)."""
    pixels = stamps.shape[1]
    lists = lists_of(pixels)
    list_window(range(shape[1]), range(shape[0]), shape, lists)
    for g in range(table.shape[0]):
        row, stamp = table[g], stamps[g]
        # Without an offset the second half of a frame is the first half backwards.
        count = pixels
        if row[5] == 0.0 and row[6] == 0.0 and row[7] == 0.0:
            count -= pixels // 2
        light(count, row, galaxy_of(row), integrated, lists)
        for i in range(count):
            stamp[i] = lists.pixels.value[i]
        for i in range(pixels - count):
            # Of an unsigned index numba does not ask whether it counts from the end.
            stamp[np.uintp(pixels - 1 - i)] = lists.pixels.value[i]
