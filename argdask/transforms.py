"""Sersic galaxies in Fourier space, and transfer functions that are applied to them.

A pixel grid cannot hold a cusp: what is finer than two pixels comes back as something
coarser. So a galaxy is taken apart by a smooth window around its centre. What is
outside is smooth, and is sampled: it may be larger than the frame. What is inside is
compact, and its Fourier transform is taken from a Hankel transform of the profile, at
frequencies far beyond those of the pixels.

Images and spectra are the four parts that `argdask.waves` tells of: a spectrum is
(part, kx, ky), in cycles per length of the grid, about the middle of the frame.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from argdask.caching import compiled
from argdask.elementary import LOG2_E, LOWEST, exp2, log2
from argdask.hankel import RADII, STEP, Tables, transform
from argdask.kernels import Floats, galaxy_of
from argdask.outskirts import Samples, add_outskirts
from argdask.waves import product_sign

__all__ = [
    "Radial",
    "cell_of",
    "core",
    "core_profile",
    "edge_of",
    "galaxy_spectrum",
    "move",
    "tabulate",
]

Images: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]

# A cell of a table is what float32 numbers with the same first bits share: 64 to each
# factor of 2, over which a spectrum is straight to 5e-6 of its total.
_DROPPED = 17


class Radial(NamedTuple):
    """What spectra of cores are found with."""

    tables: tuple[Tables, Tables]
    """Of the Hankel transforms of order 0 and 1."""
    starts: tuple[float, float]
    """Natural logarithms of their first frequencies."""
    edges: tuple[Floats, Floats]
    """Of cells, as `tabulate` takes them."""


@compiled
def cell_of(square: np.float32) -> int:
    """Return the number of the cell that a frequency, squared, is in."""
    return int(np.float32(square).view(np.int32) >> np.int32(_DROPPED))


@compiled
def edge_of(cell: int) -> float:
    """Return the lower edge of a cell."""
    return float(np.int32(cell << _DROPPED).view(np.float32))


@compiled
def core_profile(row: Floats, width: float, radii: Floats, profile: Floats) -> None:
    """Find the light inside the window, per natural logarithm of the radius.

    Parameters
    ----------
    row
        A row of a table of galaxies.
    width
        Sigma of the window along the major axis, pixels. With the Gaussian g of this
        sigma, the window lets pass g (2 - g), so that (1 - g)**2 is left outside.
    radii
        Along the major axis, pixels.
    profile
        The result.
    """
    galaxy = galaxy_of(row)
    inverse = 1.0 / (row[0] * row[0])
    for i in range(len(radii)):
        square = radii[i] * radii[i]
        t = exp2(galaxy.power * log2(square * inverse) + galaxy.steepness)
        light = exp2(max(galaxy.peak - t, LOWEST))
        g = exp2(max(-0.5 * LOG2_E / (width * width) * square, LOWEST))
        profile[i] = 2.0 * math.pi * row[2] * square * light * g * (2.0 - g)


@compiled
def _interpolate(table: Floats, first: float, places: Floats, found: Floats) -> None:
    """Interpolate by the cubic through four neighbours, at places in its steps."""
    highest = len(table) - 3.0
    for i in range(len(places)):
        place = min(max(places[i] - first, 1.0), highest)
        here = int(place)
        t = place - here
        # Of an unsigned index numba does not ask whether it counts from the end.
        left, right = table[np.uintp(here)], table[np.uintp(here + 1)]
        before, beyond = table[np.uintp(here - 1)], table[np.uintp(here + 2)]
        outer = (beyond - before) * (1.0 / 6.0) + 0.5 * (left - right)
        inner = 0.5 * (before + right) - left
        slope = right - left - outer - inner
        found[i] = ((outer * t + inner) * t + slope) * t + left


@compiled
def tabulate(
    nodes: Floats,
    start: float,
    edges: tuple[Floats, Floats],
    order: int,
    cells: tuple[Images, Images],
) -> None:
    """Turn a Hankel transform into a table that needs no logarithm.

    Parameters
    ----------
    nodes
        The transform.
    start
        Natural logarithm of its first frequency.
    edges
        Of the cells (edge,): frequencies, squared, and their natural logarithms.
    order
        Of the transform; one of order 1 is divided by the frequency.
    cells
        The result (cell,): in each cell the transform is the first plus the second
        times the squared frequency.
    """
    squares, logs = edges
    values, places = np.empty(len(squares)), np.empty(len(squares))
    for i in range(len(squares)):
        places[i] = logs[i] * (0.5 / STEP)
    _interpolate(nodes, start / STEP, places, values)
    if order == 1:
        for i in range(len(squares)):
            values[i] /= math.sqrt(squares[i])
    for i in range(len(squares) - 1):
        slope = (values[i + 1] - values[i]) / (squares[i + 1] - squares[i])
        cells[0][i], cells[1][i] = values[i] - slope * squares[i], slope


@compiled
def core(
    row: Floats,
    cells: Images,
    first: int,
    grid: tuple[float, float],
    lengths: Integers,
    spectrum: Images,
) -> None:
    """Find the Fourier transform of the light inside the window, about its centre.

    Parameters
    ----------
    row
        A row of a table of galaxies.
    cells
        As `tabulate` makes them (order, 2, cell); of order 1 only for a galaxy with an
        asymmetry.
    first
        The number of the first cell.
    grid
        Its length (y, x), pixels.
    lengths
        How many ky of each kx are wanted (kx,).
    spectrum
        The result (part, kx, ky): 0 and 3, and 1 and 2 for a galaxy with an asymmetry.
    """
    angle = math.radians(row[3])
    along_x, along_y = -math.sin(angle), math.cos(angle)
    step_y, step_x = 2.0 * math.pi / grid[0], 2.0 * math.pi / grid[1]
    # Along the axes of the ellipse in the frame in which it is a circle: radian / pixel
    major_x, major_y = step_x * along_x, step_y * along_y
    minor_x, minor_y = -step_x * row[2] * along_y, step_y * row[2] * along_x
    lowest = np.float32(edge_of(first))
    level, slope = cells[0, 0], cells[0, 1]
    square_y = np.float32(major_y * major_y + minor_y * minor_y)
    half = np.float32(0.5)
    for i in range(len(lengths)):
        square_x = np.float32((major_x * major_x + minor_x * minor_x) * i * i)
        cross = np.float32(2.0 * (major_x * major_y + minor_x * minor_y) * i)
        even, odd = spectrum[0, i], spectrum[3, i]
        for j in range(lengths[i]):
            ky = np.float32(np.int32(j))
            mean, tilt = square_x + square_y * (ky * ky), cross * ky
            above, below = max(mean + tilt, lowest), max(mean - tilt, lowest)
            one, other = cell_of(above) - first, cell_of(below) - first
            up = level[np.uintp(one)] + slope[np.uintp(one)] * above
            down = level[np.uintp(other)] + slope[np.uintp(other)] * below
            even[j], odd[j] = half * (down + up), half * (down - up)
    if row[7] == 0.0:
        return
    tilt_major = row[7] * math.cos(math.radians(row[8]))
    tilt_minor = row[7] * math.sin(math.radians(row[8]))
    lean_x = tilt_major * major_x + tilt_minor * minor_x
    lean_y = tilt_major * major_y + tilt_minor * minor_y
    for i in range(len(lengths)):
        for j in range(lengths[i]):
            x, y = major_x * i, major_y * j
            u, v = minor_x * i, minor_y * j
            above = np.float32(max((x + y) ** 2 + (u + v) ** 2, lowest))
            below = np.float32(max((x - y) ** 2 + (u - v) ** 2, lowest))
            one, other = cell_of(above) - first, cell_of(below) - first
            up = cells[1, 0, one] + cells[1, 1, one] * above
            down = cells[1, 0, other] + cells[1, 1, other] * below
            up, down = up * (lean_x * i + lean_y * j), down * (lean_x * i - lean_y * j)
            spectrum[1, i, j], spectrum[2, i, j] = 0.5 * (down - up), -0.5 * (down + up)


@compiled
def move(
    spectrum: Images,
    lopsided: bool,
    offset: tuple[float, float],
    grid: tuple[float, float],
    lengths: Integers,
    moved: Images,
) -> None:
    """Move what has a spectrum away from the middle.

    Parameters
    ----------
    spectrum
        (part, kx, ky).
    lopsided
        Whether it has the parts 1 and 2.
    offset
        Where to (y, x), pixels.
    grid
        Its length (y, x), pixels.
    lengths
        How many ky of each kx are wanted (kx,).
    moved
        The result (part, kx, ky), all parts.
    """
    count = spectrum.shape[2]
    waves = np.empty((2, count), np.float32)
    for j in range(count):
        angle = 2.0 * math.pi * j * offset[0] / grid[0]
        waves[0, j], waves[1, j] = math.cos(angle), math.sin(angle)
    for i in range(len(lengths)):
        angle = 2.0 * math.pi * i * offset[1] / grid[1]
        along_x = math.cos(angle), math.sin(angle)
        moved[:, i, : lengths[i]] = 0.0
        for part in range(4):
            if part in (1, 2) and not lopsided:
                continue
            light = spectrum[part, i]
            for other in range(4):
                sign = product_sign(part, other) * np.float32(along_x[other >> 1])
                wave, out = waves[other & 1], moved[part ^ other, i]
                for j in range(lengths[i]):
                    out[j] += sign * wave[j] * light[j]


@compiled
def galaxy_spectrum(
    row: Floats,
    window: float,
    radial: Radial,
    samples: Samples,
    grid: tuple[float, float],
    lengths: Integers,
    memory: tuple[Images, Images],
) -> Images:
    """Find the Fourier transform of a galaxy.

    Parameters
    ----------
    row
        A row of a table of galaxies.
    window
        Sigma of the window along the minor axis, pixels.
    radial, samples
        Tables.
    grid
        Its length (y, x), pixels.
    lengths
        How many ky of each kx are wanted (kx,).
    memory
        Two spectra (part, kx, ky).

    Returns
    -------
    ndarray
        The one of the two that is the result; of a galaxy in the middle without an
        asymmetry the parts 0 and 3.
    """
    spectrum = memory[0]
    width = window / row[2]
    profile = np.empty(len(RADII))
    core_profile(row, width, RADII, profile)
    squares, logs = radial.edges
    # From the lowest frequency that there is, along the minor axis.
    least = (row[2] * 2.0 * math.pi / max(grid[0], grid[1])) ** 2
    start = cell_of(np.float32(squares[0]))
    low = max(cell_of(np.float32(least)) - 1 - start, 0)
    cells = np.empty((2, 2, len(squares) - 1), np.float32)
    nodes = np.empty(len(RADII))
    total = 0.0
    for order in range(1 if row[7] == 0.0 else 2):
        first = radial.starts[order]
        begin = max(int((0.5 * logs[low] - first) / STEP) - 2, 0)
        end = min(int((0.5 * logs[-1] - first) / STEP) + 4, len(RADII))
        found = transform(profile, radial.tables[order], begin, end, nodes)
        total = found if order == 0 else total
        edges = squares[low:], logs[low:]
        tabulate(
            nodes, first, edges, order, (cells[order, 0, low:], cells[order, 1, low:])
        )
    core(row, cells[:, :, low:], start + low, grid, lengths, spectrum)
    spectrum[0, 0, 0] = total
    symmetric = row[5] == 0.0 and row[6] == 0.0
    if not symmetric:
        odd = row[7] != 0.0
        move(spectrum, odd, (row[5], row[6]), grid, lengths, memory[1])
        spectrum = memory[1]
    if math.isfinite(window):
        add_outskirts(row, width, samples, lengths, spectrum)
    return spectrum
