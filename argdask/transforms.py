"""Sersic galaxies in Fourier space, and transfer functions that are applied to them.

A pixel grid cannot hold a cusp: what is finer than two pixels comes back as something
coarser. So a galaxy is taken apart by a smooth window around its centre. What is
outside is smooth, and is sampled on the grid: it may be larger than the frame. What is
inside is compact, and its Fourier transform is taken from a Hankel transform of the
profile, at frequencies far beyond those of the pixels.

Arrays of frequencies are (ky, kx): rows from -K to K and columns from 0 to K, in cycles
per length of the grid.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask.caching import compiled
from argdask.elementary import LOG2_E, LOWEST, exp2, log2
from argdask.kernels import Floats, asymmetry_of, centres, galaxy_of, points

__all__ = ["add_core", "add_samples", "core_profile", "fold", "outskirts"]

Complex = NDArray[np.complex64]

# Frequencies below this are as good as 0 [radian / pixel], squared.
_LOWEST_SQUARE = 1e-6**2


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
def outskirts(
    row: Floats,
    width: float,
    parts: int,
    middle: tuple[float, float],
    fading: tuple[Floats, Floats],
    samples: NDArray[np.float32],
) -> None:
    """Sample the light outside the window.

    Parameters
    ----------
    row, width
        As `core_profile` takes them.
    parts
        Samples per pixel along an axis; the first is in the middle of the first pixel.
    middle
        The frame's centre (y, x) on the grid, pixels.
    fading
        What rows and columns are multiplied by.
    samples
        The result (y, x), times the area of a sample.
    """
    height, width_of = samples.shape
    galaxy = galaxy_of(row)
    line = points(width_of)
    scale = 0.5 * LOG2_E * (row[0] * row[0]) / (width * width)
    area = 1.0 / (parts * parts)
    for j in range(height):
        y = j / parts - middle[0] - row[5]
        for i in range(len(line.x)):
            line.x[i] = i / parts - middle[1] - row[6]
            line.y[i] = y
        if row[7] == 0.0:
            centres(line, width_of, galaxy, None)
        else:
            centres(line, width_of, galaxy, asymmetry_of(row, galaxy))
        for i in range(width_of):
            along_x = galaxy.xx * line.x[i] + galaxy.xy * y
            along_y = galaxy.xy * line.x[i] + galaxy.yy * y
            s = along_x * line.x[i] + along_y * y
            left = 1.0 - exp2(max(-scale * s, LOWEST))
            value = line.value[i] * (left * left * area)
            # float32 is slow below 1e-38
            value = value if value > 1e-30 else 0.0
            samples[j, i] = value * (fading[0][j] * fading[1][i])


@compiled
def _waves(count: int, first: int, place: float, size: int) -> tuple[Floats, Floats]:
    """Return cosines and sines of -2 pi k place / size."""
    real, imaginary = np.empty(count), np.empty(count)
    for i in range(count):
        angle = -2.0 * math.pi * ((first + i) * place / size)
        real[i], imaginary[i] = math.cos(angle), math.sin(angle)
    return real, imaginary


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
def add_core(
    row: Floats,
    tables: Floats,
    logs: tuple[float, float, float],
    middle: tuple[float, float],
    shape: tuple[int, int],
    reach: float,
    spectrum: Complex,
) -> None:
    """Add the Fourier transform of the light inside the window.

    Parameters
    ----------
    row
        A row of a table of galaxies.
    tables
        Hankel transforms of `core_profile` (order, frequency); of order 1 only for a
        galaxy with an asymmetry.
    logs
        Natural logarithms of the first frequency of each order, and their step.
    middle
        The frame's centre (y, x) on the grid, pixels.
    shape
        The grid (y, x), pixels.
    reach
        Frequency beyond which there is nothing to add [cycles / pixel].
    spectrum
        (ky, kx), to which it is added.
    """
    rows, columns = spectrum.shape
    top = rows // 2
    angle = math.radians(row[3])
    along_x, along_y = -math.sin(angle), math.cos(angle)
    tilt_major = row[7] * math.cos(math.radians(row[8]))
    tilt_minor = row[7] * math.sin(math.radians(row[8]))
    cosine_y, sine_y = _waves(rows, -top, middle[0] + row[5], shape[0])
    cosine_x, sine_x = _waves(columns, 0, middle[1] + row[6], shape[1])
    per_log = 0.5 / (LOG2_E * logs[2])
    # frequencies in the frame in which the ellipse is a circle, radians
    step = 2.0 * math.pi / shape[1]
    major_x, minor_x = step * along_x, -step * row[2] * along_y
    places, light = np.empty(columns), np.empty(columns)
    odd, lean = np.zeros(columns), np.empty(columns)
    for j in range(rows):
        fy = (j - top) / shape[0]
        chord = math.sqrt(max(reach * reach - fy * fy, 0.0))
        count = min(columns, int(chord * shape[1]) + 1)
        major_y = 2.0 * math.pi * fy * along_y
        minor_y = 2.0 * math.pi * fy * row[2] * along_x
        for i in range(count):
            major, minor = major_y + i * major_x, minor_y + i * minor_x
            lean[i] = major * major + minor * minor
            places[i] = log2(max(lean[i], _LOWEST_SQUARE)) * per_log
        _interpolate(tables[0], logs[0] / logs[2], places[:count], light)
        if row[7] != 0.0:
            _interpolate(tables[1], logs[1] / logs[2], places[:count], odd)
            for i in range(count):
                major, minor = major_y + i * major_x, minor_y + i * minor_x
                size = math.sqrt(max(lean[i], _LOWEST_SQUARE))
                odd[i] *= (tilt_major * major + tilt_minor * minor) / size
        for i in range(count):
            cosine = cosine_y[j] * cosine_x[i] - sine_y[j] * sine_x[i]
            sine = cosine_y[j] * sine_x[i] + sine_y[j] * cosine_x[i]
            spectrum[j, i] += np.complex64(
                complex(
                    light[i] * cosine - odd[i] * sine, light[i] * sine + odd[i] * cosine
                )
            )


@compiled
def add_samples(
    transform: Complex, shape: tuple[int, int], parts: int, spectrum: Complex
) -> None:
    """Add the Fourier transform of samples.

    Parameters
    ----------
    transform
        Of ``parts`` samples per pixel along each axis, as `scipy.fft.rfft2` gives it.
    shape
        The grid (y, x), pixels.
    parts
        Samples per pixel along an axis.
    spectrum
        (ky, kx), to which it is added.
    """
    height, width = shape[0] * parts, shape[1] * parts
    top = spectrum.shape[0] // 2
    for j in range(spectrum.shape[0]):
        ky = j - top
        if 2 * abs(ky) > height:
            continue
        # The highest frequency of an even number of samples stands for two.
        share = 0.5 if 2 * abs(ky) == height else 1.0
        for i in range(min(spectrum.shape[1], width // 2 + 1)):
            weight = 0.5 * share if 2 * i == width else share
            spectrum[j, i] += transform[ky % height, i] * np.float32(weight)


@compiled
def fold(
    spectrum: Complex,
    transfer: NDArray[Any],
    lengths: NDArray[np.int64],
    shape: tuple[int, int],
    out: Complex,
) -> None:
    """Multiply by a transfer function, and fold to the frequencies of the pixels.

    Parameters
    ----------
    spectrum
        (ky, kx), of something real.
    transfer
        (ky, kx), float32 or complex64, no larger than the spectrum.
    lengths
        How many columns of each row of the transfer function count (ky,).
    shape
        The grid (y, x), pixels.
    out
        The result (y, x // 2 + 1), for `scipy.fft.irfft2`.
    """
    height, width = shape
    half = width // 2
    top, skipped = transfer.shape[0] // 2, spectrum.shape[0] // 2
    skipped -= top
    out[:] = 0.0
    for j in range(transfer.shape[0]):
        above = out[(j - top) % height]
        below = out[(top - j) % height]
        light, factor, count = spectrum[j + skipped], transfer[j], lengths[j]
        for start in range(0, count, width):
            # these frequencies, and
            for i in range(start, min(start + half + 1, count)):
                above[i - start] += light[i] * factor[i]
            # the opposite of the opposite ones
            for i in range(max(start - half, 1), min(start + 1, count)):
                below[start - i] += np.conj(light[i] * factor[i])
        start = (count + width - 1) // width * width
        for i in range(max(start - half, 1), count):
            below[start - i] += np.conj(light[i] * factor[i])
