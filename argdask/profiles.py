"""Images of galaxy light profiles, many at a time, by compiled kernels.

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
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from argdask.caching import compiled
from argdask.kernels import (
    Galaxy,
    Nodes,
    Points,
    by_edges,
    centres,
    exp2,
    galaxy_of,
    log2,
    nodes,
    padded,
    points,
    series,
)

__all__ = ["PROFILES", "brightest_pixel", "sersic"]

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Stamps: TypeAlias = npt.NDArray[np.floating]
Sampling: TypeAlias = Literal["pixel", "centre"]

_FAINTEST = 1e-30  # of a galaxy's light in one pixel; below 1e-38 float32 is slow
_NEGLIGIBLE = math.log2(1e-14)  # light below which the bare series is good enough

# A pixel with more doubt than 1 is divided into so many cells a side; one with too much
# doubt for that, or close to the centre, is done by its edges.
_DIVISIONS = ((2, 64.0), (4, 512.0))
_MOST_CELLS = 512
_TOLERANCE = 1e-3  # of a pixel, with room to spare


class _Lists(NamedTuple):
    """Memory that is used again for every galaxy."""

    places: Points  # relative to the middle of the frame
    pixels: Points
    cells: Points
    nodes: Nodes
    doubtful: Integers
    chosen: Integers


@compiled
def _lists(size: int) -> _Lists:
    """Return memory for frames of this many pixels."""
    return _Lists(
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
def _by_cells(parts: int, count: int, galaxy: Galaxy, lists: _Lists) -> None:
    """Sum the first ``count`` chosen pixels over parts x parts cells."""
    pixels, cells = lists.pixels, lists.cells
    square = parts * parts
    size = 1.0 / parts
    batch = _MOST_CELLS // square
    for first in range(0, count, batch):
        chosen = lists.chosen[first : min(first + batch, count)]
        filled = int(np.int64(0))  # for a literal 0 numba compiles all twice
        for i in chosen:
            x, y = _one_side(pixels.x[i], pixels.y[i])
            for cell in range(square):
                cells.x[filled] = x + (cell % parts + 0.5) * size - 0.5
                cells.y[filled] = y + (cell // parts + 0.5) * size - 0.5
                filled += 1
        for cell in range(filled, padded(filled)):
            cells.x[cell] = cells.y[cell] = 1.0
        series(cells, filled, galaxy, size)
        filled = 0
        for i in chosen:
            total = 0.0
            for _ in range(square):
                total += cells.value[filled]
                filled += 1
            pixels.value[i] = total


@compiled
def _pixels(count: int, galaxy: Galaxy, lists: _Lists) -> None:
    """Integrate over the listed pixels."""
    x, y, doubt = lists.pixels.x, lists.pixels.y, lists.pixels.doubt
    series(lists.pixels, count, galaxy, 1.0)
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
        _by_cells(parts, chosen, galaxy, lists)
        low = high
    for i in lists.doubtful[:doubtful]:
        if doubt[i] > low:
            near_x, near_y = _one_side(x[i], y[i])
            lists.pixels.value[i] = by_edges(near_x, near_y, galaxy, lists.nodes)


@compiled
def _list_window(
    columns: range, lines: range, shape: tuple[int, int], lists: _Lists
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
def _light(
    count: int, row: Floats, galaxy: Galaxy, integrated: bool, lists: _Lists
) -> None:
    """Find the light in the listed pixels, or at their centres."""
    pixels = lists.pixels
    for i in range(padded(count)):
        pixels.x[i] = lists.places.x[i] - row[6]
        pixels.y[i] = lists.places.y[i] - row[5]
    if integrated:
        _pixels(count, galaxy, lists)
    else:
        centres(pixels, count, galaxy)
    for i in range(count):
        pixels.value[i] = pixels.value[i] if pixels.value[i] > _FAINTEST else 0.0


@compiled
def _render(
    table: Floats, shape: tuple[int, int], integrated: bool, stamps: Stamps
) -> None:
    """Fill ``stamps`` (galaxy, pixel)."""
    pixels = stamps.shape[1]
    lists = _lists(pixels)
    _list_window(range(shape[1]), range(shape[0]), shape, lists)
    for g in range(table.shape[0]):
        row, stamp = table[g], stamps[g]
        # Without an offset the second half of a frame is the first half backwards.
        count = pixels
        if row[5] == 0.0 and row[6] == 0.0:
            count -= pixels // 2
        _light(count, row, galaxy_of(row), integrated, lists)
        for i in range(count):
            stamp[i] = lists.pixels.value[i]
        for i in range(pixels - count):
            # Of an unsigned index numba does not ask whether it counts from the end.
            stamp[np.uintp(pixels - 1 - i)] = lists.pixels.value[i]


@compiled
def _brightest(
    table: Floats, shape: tuple[int, int], integrated: bool, brightest: Floats
) -> None:
    """Fill ``brightest`` (galaxy,) from small windows.

    No pixel holds more than the light at the brightest of its points times its area. So
    the brightest pixel touches the ellipse on which the light is that of any one pixel,
    here the one that holds the centre.
    """
    height, width = shape
    lists = _lists(height * width)
    for g in range(table.shape[0]):
        row = table[g]
        galaxy = galaxy_of(row)
        y = 0.5 * (height - 1) + row[5]
        x = 0.5 * (width - 1) + row[6]
        left, right, bottom, top = 0, width, 0, height
        if -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5:
            line, column = min(int(y + 0.5), height - 1), min(int(x + 0.5), width - 1)
            count = _list_window(
                range(column, column + 1), range(line, line + 1), shape, lists
            )
            _light(count, row, galaxy, integrated, lists)
            level = max(lists.pixels.value[0], _FAINTEST) * (1.0 - _TOLERANCE)
            t = max(galaxy.peak - math.log2(level), 1e-300)
            exponent = math.log2(t) - galaxy.steepness
            area = galaxy.xx * galaxy.yy - galaxy.xy * galaxy.xy
            s = 2.0 ** (exponent / galaxy.power) / area
            reach_x = 0.5 + math.sqrt(s * galaxy.yy)
            reach_y = 0.5 + math.sqrt(s * galaxy.xx)
            left = int(max(math.ceil(x - reach_x), 0.0))
            right = int(min(x + reach_x + 1.0, 1.0 * width))
            bottom = int(max(math.ceil(y - reach_y), 0.0))
            top = int(min(y + reach_y + 1.0, 1.0 * height))
            if row[5] == 0.0 and row[6] == 0.0:
                top = line + 1  # the pixels above are those below
        count = _list_window(range(left, right), range(bottom, top), shape, lists)
        _light(count, row, galaxy, integrated, lists)
        largest = 0.0
        for i in range(count):
            largest = max(largest, lists.pixels.value[i])
        brightest[g] = np.float32(largest)


def _table(*columns: npt.ArrayLike) -> Floats:
    """Return radius, index, ratio, angle, b_n and offsets as the rows of a table."""
    arrays = [np.asarray(column, np.float64) for column in columns]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(
            f"columns are one number per galaxy, of one length, got shapes {shapes}"
        )
    arrays.insert(4, special.gammaincinv(2.0 * arrays[1], 0.5))
    return np.stack(arrays, axis=1)


def _checked(shape: tuple[int, int], sampling: str) -> tuple[tuple[int, int], bool]:
    """Return the frame's height and width, and whether pixels are integrated."""
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape is (height, width) of at least one pixel, got {shape}")
    if sampling not in ("pixel", "centre"):
        raise ValueError(f"sampling is 'pixel' or 'centre', got {sampling!r}")
    return (int(shape[0]), int(shape[1])), sampling == "pixel"


def sersic(
    half_light_radius: npt.ArrayLike,
    sersic_index: npt.ArrayLike,
    axis_ratio: npt.ArrayLike,
    position_angle: npt.ArrayLike,
    offset_y: npt.ArrayLike,
    offset_x: npt.ArrayLike,
    *,
    shape: tuple[int, int],
    sampling: Sampling = "pixel",
    dtype: npt.DTypeLike = np.float32,
    out: Stamps | None = None,
) -> Stamps:
    """Render galaxies with Sersic profiles.

    Parameters
    ----------
    half_light_radius
        (galaxy,), semi-major axis of the half-light ellipse, pixels; 0.02 to 30.
    sersic_index
        (galaxy,), 0.3 to 8.
    axis_ratio
        (galaxy,), minor over major axis, 0.1 to 1.
    position_angle
        (galaxy,), of the major axis from +y towards -x, degrees.
    offset_y, offset_x
        (galaxy,), of the galaxy's centre from the frame's, pixels. The frame's is at
        (N - 1) / 2, where the first pixel's centre is at 0.
    shape
        (y, x), the frame in pixels.
    sampling
        'pixel': the integral over each pixel; 'centre': the light at its centre, per
        pixel area.
    dtype
        Either float32 or float64; all is computed in float64.
    out
        (galaxy, y, x), C-contiguous: filled and returned, whatever ``dtype`` says.

    Returns
    -------
    ndarray
        (galaxy, y, x), the fraction of the galaxy's total light in each pixel. Less
        than 1e-30 is exactly 0.

    Raises
    ------
    ValueError
        Columns of different lengths, an impossible shape, an unknown sampling, or an
        ``out`` of another shape or kind.

    Notes
    -----
    I(R) = I_0 exp(-b_n (R / R_e)**(1/n)) (Sersic 1963; Graham & Driver 2005, PASA 22,
    118, eq. 1), with R and R_e along the major axis. b_n solves
    Gamma(2n) = 2 gamma(2n, b_n) (eq. 4 there), and
    I_0 = b_n**(2n) / (2 pi n Gamma(2n) R_e**2 q) makes the total over the plane 1.

    Pixels that hold more than 1e-6 of the brightest are within 3e-4 of their integrals;
    values at centres are within 1e-7 before rounding to ``dtype``.

    Examples
    --------
    >>> stamp = sersic([5.0], [1.0], [0.5], [30.0], [0.0], [0.0], shape=(61, 61))
    >>> stamp.shape
    (1, 61, 61)
    """
    table = _table(
        half_light_radius, sersic_index, axis_ratio, position_angle, offset_y, offset_x
    )
    frame, integrated = _checked(shape, sampling)
    if out is None:
        out = np.empty((len(table), *frame), dtype)
    if out.shape != (len(table), *frame) or not out.flags.c_contiguous:
        raise ValueError(
            f"out must be C-contiguous of shape {(len(table), *frame)}, "
            f"got shape {out.shape} and strides {out.strides}"
        )
    if out.dtype not in (np.float32, np.float64):
        raise ValueError(f"stamps are float32 or float64, got {out.dtype}")
    _render(table, frame, integrated, out.reshape(len(table), frame[0] * frame[1]))
    return out


def brightest_pixel(
    half_light_radius: npt.ArrayLike,
    sersic_index: npt.ArrayLike,
    axis_ratio: npt.ArrayLike,
    position_angle: npt.ArrayLike,
    offset_y: npt.ArrayLike,
    offset_x: npt.ArrayLike,
    *,
    shape: tuple[int, int],
    sampling: Sampling = "pixel",
) -> Floats:
    """Return the maximum of each galaxy's stamp without rendering all of it.

    Parameters
    ----------
    half_light_radius, sersic_index, axis_ratio, position_angle, offset_y, offset_x
        (galaxy,), as `sersic` takes them.
    shape
        (y, x), the frame in pixels.
    sampling
        'pixel' or 'centre', as for `sersic`.

    Returns
    -------
    ndarray
        (galaxy,), the very number that the brightest pixel has in a float32 stamp.

    Raises
    ------
    ValueError
        Columns of different lengths, an impossible shape, or an unknown sampling.
    """
    table = _table(
        half_light_radius, sersic_index, axis_ratio, position_angle, offset_y, offset_x
    )
    frame, integrated = _checked(shape, sampling)
    brightest = np.empty(len(table))
    _brightest(table, frame, integrated, brightest)
    return brightest


PROFILES: dict[str, Callable[..., Stamps]] = {"sersic": sersic}
