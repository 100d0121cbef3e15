"""Light of a galaxy outside of a smooth window around its centre, by samples of it."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from argdask.caching import compiled
from argdask.elementary import LOG2_E, LOWEST, exp2
from argdask.kernels import Floats, Points, asymmetry_of, centres, galaxy_of, points
from argdask.waves import Images, half_of, multiply, rounded_up, transpose, waves_at

__all__ = ["FADE", "Samples", "add_outskirts", "samples_at"]

Integers: TypeAlias = npt.NDArray[np.int64]

FADE = 6
"""Pixels over which light fades to 0 at the edge of the grid."""


class Samples(NamedTuple):
    """Where what is outside the window is sampled."""

    fading: tuple[Floats, Floats]
    """Of each place along y and x, where (0) it is from the middle in pixels and (1)
    what its samples are multiplied by, times the distance between samples."""
    waves: tuple[Images, Images]
    """Cosines and sines along y and x (odd, frequency, place)."""


def samples_at(
    grid: tuple[int, int], step: float, frequencies: tuple[int, int]
) -> Samples:
    """Tabulate where galaxies are sampled.

    Parameters
    ----------
    grid
        Its length (y, x), pixels.
    step
        Between samples, at most [pixel].
    frequencies
        How many are wanted (y, x) [cycles per length of the grid].

    Returns
    -------
    Samples
        The tables.
    """
    sides = [
        _axis(side, step, most) for side, most in zip(grid, frequencies, strict=True)
    ]
    (fading_y, waves_y), (fading_x, waves_x) = sides
    return Samples((fading_y, fading_x), (waves_y, waves_x))


def _axis(side: int, step: float, most: int) -> tuple[Floats, Images]:
    """Return places and weights of samples along an axis, and waves at them."""
    count = rounded_up(math.ceil(side / step), 2)
    step = side / count
    places = half_of(count) * step
    # Light fades to 0 one pixel beyond the last one.
    inwards = (0.5 * (side + 1.0) - places) / (FADE + 1.0)
    weights = step * np.square(np.sin(0.5 * math.pi * np.clip(inwards, 0.0, 1.0)))
    fading = np.zeros((2, rounded_up(len(places))))
    fading[0, : len(places)], fading[1, : len(places)] = places, weights
    frequencies = min(count // 2 + 1, most)
    waves = waves_at(places, frequencies, float(side))
    if frequencies == count // 2 + 1:
        # The highest frequency of an even number of samples stands for two.
        waves[:, :, frequencies - 1] *= 0.5
    return fading, np.ascontiguousarray(waves.transpose(0, 2, 1))


@compiled
def _sample(
    row: Floats, width: float, fading: tuple[Floats, Floats], line: Points, out: Images
) -> None:
    """Sample the light outside the window.

    Parameters
    ----------
    row, width
        A row of a table of galaxies, and sigma of the window along the major axis.
    fading
        As in `Samples`.
    line
        Memory for a line of samples on either side of the middle.
    out
        The result (part, y, x): the sum over the four sides, each with the signs of the
        part. Of a galaxy in the middle the parts 0 and 3.
    """
    rows, columns = fading[0].shape[1], fading[1].shape[1]
    galaxy = galaxy_of(row)
    scale = 0.5 * LOG2_E * (row[0] * row[0]) / (width * width)
    symmetric = row[5] == 0.0 and row[6] == 0.0 and row[7] == 0.0
    for j in range(rows):
        for below in range(1 if symmetric else 2):
            y = (-fading[0][0, j] if below else fading[0][0, j]) - row[5]
            for i in range(columns):
                line.x[i] = fading[1][0, i] - row[6]
                line.x[columns + i] = -fading[1][0, i] - row[6]
            for i in range(2 * columns, len(line.x)):
                line.x[i] = 1.0
            line.y[:] = y
            if row[7] == 0.0:
                centres(line, 2 * columns, galaxy, None)
            else:
                centres(line, 2 * columns, galaxy, asymmetry_of(row, galaxy))
            for i in range(2 * columns):
                along_x = galaxy.xx * line.x[i] + galaxy.xy * y
                along_y = galaxy.xy * line.x[i] + galaxy.yy * y
                s = along_x * line.x[i] + along_y * y
                left = 1.0 - exp2(max(-scale * s, LOWEST))
                line.value[i] *= left * left
            for i in range(columns):
                right, left = line.value[i], line.value[columns + i]
                weight = fading[0][1, j] * fading[1][1, i]
                even, odd = weight * (right + left), weight * (right - left)
                # float32 is slow below 1e-38
                even = even if even > 1e-30 else 0.0
                odd = odd if abs(odd) > 1e-30 else 0.0
                if symmetric:
                    out[0, j, i], out[3, j, i] = 2.0 * even, 2.0 * odd
                elif below:
                    out[0, j, i] += even
                    out[1, j, i] -= even
                    out[2, j, i] += odd
                    out[3, j, i] -= odd
                else:
                    out[0, j, i] = out[1, j, i] = even
                    out[2, j, i] = out[3, j, i] = odd


@compiled
def add_outskirts(
    row: Floats, width: float, samples: Samples, lengths: Integers, spectrum: Images
) -> None:
    """Add the Fourier transform of the light outside the window."""
    rows, columns = samples.fading[0].shape[1], samples.fading[1].shape[1]
    waves_y, waves_x = samples.waves
    light = np.empty((4, rows, columns), np.float32)
    _sample(row, width, samples.fading, points(2 * columns), light)
    along_y = np.empty((waves_y.shape[1], columns), np.float32)
    turned = np.empty((columns, waves_y.shape[1]), np.float32)
    both = np.empty((waves_x.shape[1], waves_y.shape[1]), np.float32)
    symmetric = row[5] == 0.0 and row[6] == 0.0 and row[7] == 0.0
    for part in range(4):
        if symmetric and part in (1, 2):
            continue
        multiply(waves_y[part & 1], light[part], along_y)
        transpose(along_y, columns, turned)
        multiply(waves_x[part >> 1], turned, both)
        for i in range(min(len(both), len(lengths))):
            out, found = spectrum[part, i], both[i]
            for j in range(min(lengths[i], len(found))):
                out[j] += found[j]
