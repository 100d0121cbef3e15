"""The brightest pixel of galaxies, from as few pixels as is exact.

No pixel holds more than the light at the brightest of its points times its area. So a
pixel that is brighter than a given one touches the ellipse on which the light is that
of the given one. And a pixel in which a sum of components is brighter is brighter in
one of the components at least, whatever their fluxes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from argdask.caching import compiled
from argdask.frames import Lists, light, list_window, lists_of
from argdask.kernels import Floats, Galaxy, galaxy_of

__all__ = ["find_brightest", "find_brightest_sum"]

_TOLERANCE = 1e-3  # of a pixel, with room to spare
# of the brightest pixel, as a power of 2; much fainter pixels may be off by more
_ACCURATE = math.log2(4e-6)


class Window(NamedTuple):
    """Columns from left to right and lines from bottom to top, without the last."""

    left: int
    right: int
    bottom: int
    top: int


@compiled
def _holding(row: Floats, shape: tuple[int, int], around: int) -> Window:
    """Return the pixels up to ``around`` from the one that is nearest the centre."""
    height, width = shape
    y = min(max(0.5 * (height - 1) + row[5], 0.0), height - 1.0)
    x = min(max(0.5 * (width - 1) + row[6], 0.0), width - 1.0)
    line, column = int(y + 0.5), int(x + 0.5)
    return Window(
        max(column - around, 0),
        min(column + around + 1, width),
        max(line - around, 0),
        min(line + around + 1, height),
    )


@compiled
def _brighter(
    row: Floats, galaxy: Galaxy, level: float, shape: tuple[int, int]
) -> Window:
    """Return a window on all pixels that hold more light than this."""
    height, width = shape
    peak = galaxy.peak
    if row[7] > 0.0:
        peak += math.log2(1.0 + row[7])  # where the asymmetry adds most
    least = math.log2(max(level, 1e-300) * (1.0 - _TOLERANCE))
    if least < min(peak, 0.0) + _ACCURATE:
        return Window(0, width, 0, height)
    y = 0.5 * (height - 1) + row[5]
    x = 0.5 * (width - 1) + row[6]
    exponent = math.log2(max(peak - least, 1e-300)) - galaxy.steepness
    area = galaxy.xx * galaxy.yy - galaxy.xy * galaxy.xy
    s = 2.0 ** (exponent / galaxy.power) / area
    reach_x = 0.5 + math.sqrt(s * galaxy.yy)
    reach_y = 0.5 + math.sqrt(s * galaxy.xx)
    return Window(
        int(min(max(math.ceil(x - reach_x), 0.0), 1.0 * width)),
        int(min(max(x + reach_x + 1.0, 0.0), 1.0 * width)),
        int(min(max(math.ceil(y - reach_y), 0.0), 1.0 * height)),
        int(min(max(y + reach_y + 1.0, 0.0), 1.0 * height)),
    )


@compiled
def _is_symmetric(row: Floats) -> bool:
    """Whether the frame is the same when it is turned by half a turn."""
    return bool(row[5] == 0.0 and row[6] == 0.0 and row[7] == 0.0)


@compiled
def find_brightest(
    table: Floats, shape: tuple[int, int], integrated: bool, brightest: Floats
) -> None:
    """Fill ``brightest`` (galaxy,) from small windows."""
    lists = lists_of(shape[0] * shape[1])
    for g in range(table.shape[0]):
        row = table[g]
        galaxy = galaxy_of(row)
        # With an asymmetry a neighbour of the middle may be brighter by far.
        window = _holding(row, shape, 1 if row[7] > 0.0 else 0)
        middle = window.top
        largest = 0.0
        for known in (False, True):
            if known:
                window = _brighter(row, galaxy, largest, shape)
            left, right, bottom, top = window
            if known and _is_symmetric(row):
                top = middle  # the pixels above are those below
            count = list_window(range(left, right), range(bottom, top), shape, lists)
            light(count, row, galaxy, integrated, lists)
            for i in range(count):
                largest = max(largest, lists.pixels.value[i])
        brightest[g] = np.float32(largest)


@compiled
def _brightest_place(
    rows: Floats,
    fluxes: Floats,
    window: Window,
    shape: tuple[int, int],
    integrated: bool,
    lists: Lists,
    stamps: Floats,
) -> tuple[float, int]:
    """Return the largest sum in a window and its place, and fill ``stamps``.

    Parameters
    ----------
    rows, fluxes
        (component, column) and (component, filter).
    window, shape, integrated
        The pixels, the frame and whether pixels are integrated.
    lists, stamps
        Memory; ``stamps`` (component, pixel) are as in a float32 stamp.
    """
    components, filters = fluxes.shape
    count = list_window(
        range(window.left, window.right), range(window.bottom, window.top), shape, lists
    )
    for k in range(components):
        light(count, rows[k], galaxy_of(rows[k]), integrated, lists)
        for i in range(count):
            stamps[k, i] = np.float32(lists.pixels.value[i])
    largest, place = -1.0, int(np.int64(0))
    for i in range(count):
        for column in range(filters):
            total = 0.0
            for k in range(components):
                total += fluxes[k, column] * stamps[k, i]
            if total > largest:
                largest, place = total, i
    return largest, place


@compiled
def find_brightest_sum(
    table: Floats,
    fluxes: Floats,
    shape: tuple[int, int],
    integrated: bool,
    brightest: Floats,
) -> None:
    """Fill ``brightest`` (galaxy,) with the largest sum over components in any filter.

    Parameters
    ----------
    table, fluxes
        (galaxy, component, column) and (galaxy, component, filter).
    shape, integrated
        The frame and whether pixels are integrated.
    brightest
        The result.
    """
    height, width = shape
    lists = lists_of(height * width)
    components = table.shape[1]
    stamps = np.empty((components, height * width))
    for g in range(table.shape[0]):
        rows = table[g]
        around, symmetric = 0, True
        for k in range(components):
            around = 1 if rows[k, 7] > 0.0 else around
            symmetric = symmetric and _is_symmetric(rows[k])
        near = _holding(rows[0], shape, around)
        level, place = _brightest_place(
            rows, fluxes[g], near, shape, integrated, lists, stamps
        )
        left, right, bottom, top = width, 0, height, 0
        for k in range(components):
            if fluxes[g, k].max() > 0.0:
                galaxy = galaxy_of(rows[k])
                window = _brighter(rows[k], galaxy, stamps[k, place], shape)
                left, right = min(left, window.left), max(right, window.right)
                bottom, top = min(bottom, window.bottom), max(top, window.top)
        if symmetric:
            top = min(top, near.top)  # the pixels above are those below
        window = Window(left, right, bottom, top)
        largest, place = _brightest_place(
            rows, fluxes[g], window, shape, integrated, lists, stamps
        )
        brightest[g] = max(level, largest)
