"""Cosine and sine transforms of images, as products with small matrices.

An image is the sum of four parts, each even or odd about the middle along y and along
x, and so is its Fourier transform: four real parts, and no complex number. The cosine
or sine transform along each axis takes one to the other. A galaxy in the middle has
two parts only. They are numbered by bits: 1 for odd along y, 2 for odd along x.

Few frequencies are left behind a PSF, and few pixels are wanted: for them a product
with a matrix of cosines takes less time than a fast Fourier transform.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from argdask.caching import compiled

__all__ = [
    "BLOCK",
    "Frame",
    "Images",
    "Memory",
    "add_folded",
    "frame_of",
    "half_of",
    "memory_of",
    "multiply",
    "product_sign",
    "put_images",
    "rounded_up",
    "transpose",
    "waves_at",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Images: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]

BLOCK = 4  # rows and frequencies that are multiplied at once
_AT_ONCE = 512  # frequencies along y, of all images beside each other


class Frame(NamedTuple):
    """Where images are, in the middle of a grid, and at which frequencies."""

    shape: tuple[int, int]
    """(y, x), pixels."""
    grid: tuple[int, int]
    """(y, x), even, pixels."""
    waves: tuple[Images, Images]
    """Cosines and sines along y and x, as `waves_at` returns them."""


class Memory(NamedTuple):
    """Memory for the images of one galaxy, with several of them beside each other."""

    folded: Images
    along_x: Images
    turned: Images
    quarters: Images


def rounded_up(count: int, block: int = BLOCK) -> int:
    """Return the next multiple of a block."""
    return -(-count // block) * block


def waves_at(places: Floats, frequencies: int, period: float) -> Images:
    """Tabulate cosines and sines.

    Parameters
    ----------
    places
        Distances from the middle (place,), pixels.
    frequencies
        How many, from 0 [cycles per period].
    period
        Pixels.

    Returns
    -------
    ndarray
        Cosines and sines (odd, place, frequency), both rounded up to whole blocks with
        zeros.
    """
    angles = 2.0 * math.pi * np.outer(places, np.arange(frequencies)) / period
    shape = rounded_up(len(places)), rounded_up(frequencies)
    values = np.zeros((2, *shape), np.float32)
    values[0, : len(places), :frequencies] = np.cos(angles)
    values[1, : len(places), :frequencies] = np.sin(angles)
    return values


def half_of(count: int) -> Floats:
    """Return the distances from the middle of so many pixels on one side of it."""
    places: Floats = np.arange((count + 1) // 2, dtype=np.float64)
    return places if count % 2 else places + 0.5


def frame_of(shape: tuple[int, int], grid: tuple[int, int]) -> Frame:
    """Tabulate what images of a shape in the middle of a grid need."""
    waves = [
        waves_at(half_of(side), size // 2 + 1, size)
        for side, size in zip(shape, grid, strict=True)
    ]
    return Frame(shape, grid, (waves[0], waves[1]))


@compiled
def memory_of(frame: Frame, most: int) -> Memory:
    """Return memory for so many images of a galaxy, or fewer at once."""
    places_y, frequencies_y = frame.waves[0].shape[1:]
    places_x, frequencies_x = frame.waves[1].shape[1:]
    at_once = min(max(_AT_ONCE // frequencies_y, 1), most)
    return Memory(
        np.empty((4, frequencies_x, at_once * frequencies_y), np.float32),
        np.empty((places_x, at_once * frequencies_y), np.float32),
        np.empty((frequencies_y, at_once * places_x), np.float32),
        np.empty((4, places_y, at_once * places_x), np.float32),
    )


@compiled
def multiply(left: Images, right: Images, out: Images) -> None:
    """Multiply matrices in an order that is always the same.

    Parameters
    ----------
    left
        (i, k), whole blocks along both.
    right
        (k, j).
    out
        The result (i, j).
    """
    # A BLAS may use other orders on other numbers of threads.
    for i in range(0, left.shape[0], BLOCK):
        l0, l1, l2, l3 = left[i], left[i + 1], left[i + 2], left[i + 3]
        o0, o1, o2, o3 = out[i], out[i + 1], out[i + 2], out[i + 3]
        o0[:] = o1[:] = o2[:] = o3[:] = 0.0
        for k in range(0, left.shape[1], BLOCK):
            r0, r1, r2, r3 = right[k], right[k + 1], right[k + 2], right[k + 3]
            a0, a1, a2, a3 = l0[k], l0[k + 1], l0[k + 2], l0[k + 3]
            b0, b1, b2, b3 = l1[k], l1[k + 1], l1[k + 2], l1[k + 3]
            c0, c1, c2, c3 = l2[k], l2[k + 1], l2[k + 2], l2[k + 3]
            d0, d1, d2, d3 = l3[k], l3[k + 1], l3[k + 2], l3[k + 3]
            for j in range(right.shape[1]):
                x0, x1, x2, x3 = r0[j], r1[j], r2[j], r3[j]
                o0[j] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
                o1[j] += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
                o2[j] += c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3
                o3[j] += d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3


@compiled
def transpose(images: Images, rows: int, out: Images) -> None:
    """Exchange the axes of images that lie beside each other.

    Parameters
    ----------
    images
        (i, image and j).
    rows
        How many j an image has.
    out
        The result (j, image and i).
    """
    columns = images.shape[0]
    for first in range(images.shape[1] // rows):
        for j in range(rows):
            row = out[j]
            for i in range(columns):
                row[first * columns + i] = images[i, first * rows + j]


@compiled
def product_sign(one: int, other: int) -> np.float32:
    """Return the sign of the product of two parts, which is part ``one ^ other``.

    cos(a + b) has the product of two sines with a minus, along each axis.
    """
    both = one & other
    return np.float32(1.0 - 2.0 * ((both & 1) ^ (both >> 1)))


@compiled
def add_folded(
    spectrum: Images,
    first: int,
    factor: tuple[Images, Integers, int],
    frame: Frame,
    begin: int,
    out: Images,
) -> None:
    """Add products of two parts, folded to the frequencies that pixels tell apart.

    Parameters
    ----------
    spectrum
        (part, kx, ky).
    first
        The first of the two parts; the other one is ``3 - first``.
    factor
        A part of a transfer function (kx, ky), how many ky of each kx count (kx,), and
        which part it is.
    frame
        Where images are.
    begin
        Where each row of the result begins.
    out
        The result (part, kx, ky), with both up to half the grid.
    """
    factors, lengths, other = factor
    second = 3 - first
    one, two = first ^ other, second ^ other
    # A whole wave per pixel is the same in all pixels; in an even number of them, half
    # a pixel from the middle, it is -1.
    turn_y = np.float32(1.0 if frame.shape[0] % 2 else -1.0)
    turn_x = np.float32(1.0 if frame.shape[1] % 2 else -1.0)
    # What sines have if the other end of a whole wave is counted from.
    back_y = np.float32(1.0 - 2.0 * (one & 1))
    back_x = np.float32(1.0 - 2.0 * (one >> 1))
    size, half = frame.grid[0], frame.grid[0] // 2
    for i in range(len(lengths)):
        count = lengths[i]
        if count == 0:
            break
        same, opposite = product_sign(first, other), product_sign(second, other)
        place = i % frame.grid[1]
        if i // frame.grid[1] % 2:
            same, opposite = same * turn_x, opposite * turn_x
        if place > frame.grid[1] // 2:
            place = frame.grid[1] - place
            same, opposite = same * turn_x * back_x, -opposite * turn_x * back_x
        near, far = out[one, place, begin:], out[two, place, begin:]
        for start in range(0, count, size):
            f = factors[i, start:]
            light, shade = spectrum[first, i, start:], spectrum[second, i, start:]
            for j in range(min(half + 1, count - start)):
                near[j] += same * f[j] * light[j]
                far[j] += opposite * f[j] * shade[j]
            same, opposite = same * turn_y, opposite * turn_y
            up, down = same * back_y, -opposite * back_y
            for j in range(half + 1, min(size, count - start)):
                # Of an unsigned index numba does not ask if it counts from the end.
                near[np.uintp(size - j)] += up * f[j] * light[j]
                far[np.uintp(size - j)] += down * f[j] * shade[j]


@compiled
def _put_image(quarters: Images, first: int, lopsided: bool, image: Images) -> None:
    """Put the parts of an image together.

    Parameters
    ----------
    quarters
        (part, y, ...), from the middle outwards.
    first
        Where each row begins.
    lopsided
        Whether there are the parts 1 and 2.
    image
        The result (y, x).
    """
    height, width = image.shape
    right, left = width // 2, (width - 1) // 2
    for j in range((height + 1) // 2):
        above, below = image[height // 2 + j], image[(height - 1) // 2 - j]
        even, odd = quarters[0, j, first:], quarters[3, j, first:]
        odd_y, odd_x = quarters[1, j, first:], quarters[2, j, first:]
        for i in range((width + 1) // 2):
            same, other = even[i] + odd[i], even[i] - odd[i]
            tilt, lean = np.float32(0.0), np.float32(0.0)
            if lopsided:
                tilt, lean = odd_y[i] + odd_x[i], odd_y[i] - odd_x[i]
            above[np.uintp(right + i)] = same + tilt
            below[np.uintp(left - i)] = same - tilt
            above[np.uintp(left - i)] = other + lean
            below[np.uintp(right + i)] = other - lean


@compiled
def put_images(
    lopsided: bool, count: int, frame: Frame, memory: Memory, images: Images
) -> None:
    """Transform what is folded into the first so many images (image, y, x).

    Parameters
    ----------
    lopsided
        Whether there are the parts 1 and 2.
    count
        How many there are.
    frame
        Where images are.
    memory
        With ``folded`` filled.
    images
        The result (image, y, x).
    """
    waves_y, waves_x = frame.waves
    for part in range(4):
        if lopsided or part in (0, 3):
            multiply(waves_x[part >> 1], memory.folded[part], memory.along_x)
            transpose(memory.along_x, waves_y.shape[2], memory.turned)
            multiply(waves_y[part & 1], memory.turned, memory.quarters[part])
    for place in range(count):
        first = place * waves_x.shape[1]
        _put_image(memory.quarters, first, lopsided, images[place])
