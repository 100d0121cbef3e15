"""Transfer functions of PSFs and pixels, as tables that spectra are multiplied by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy

from argdask.psf import PSF
from argdask.waves import Images, rounded_up

__all__ = ["Transfers", "reach_of", "transfers_of"]

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

# Frequencies at which less of the light than this is left do not count, nor do those
# above _FINEST [cycles / pixel], where a PSF of half a pixel leaves 4e-7.
_LEAST = 1e-4
_FINEST = 4.0
_STEP = 0.04  # in the search for them
_ABSENT = 1e-6  # what a part is at most that a symmetric PSF does not have


class Transfers(NamedTuple):
    """Transfer functions with pixels, and the weights of frequencies in a sum."""

    values: Images
    """(psf, any, kx, ky)."""
    parts: Integers
    """Which parts they are (psf, any); -1 for none."""
    lengths: Integers
    """How many ky of each kx count (psf, kx)."""


def reach_of(psf: PSF, pixel_scale: float) -> float:
    """Return the frequency above which PSF and pixel leave nothing [cycles / pixel]."""
    limit = min(psf.finest * pixel_scale, _FINEST)
    count = int(np.ceil(limit / _STEP))
    # With 0, beside which a wide PSF lets nothing pass.
    y = _STEP * np.arange(-count, count + 1)[:, None]
    x = _STEP * np.arange(count + 1)[None]
    left = abs(psf.transfer(y / pixel_scale, x / pixel_scale))
    left = left * abs(np.sinc(y) * np.sinc(x))
    return min(float(np.hypot(y, x)[left > _LEAST].max()) + _STEP, limit)


def transfers_of(
    psfs: Sequence[PSF], reaches: list[float], grid: tuple[int, int], pixel_scale: float
) -> Transfers:
    """Tabulate PSFs."""
    parts = [
        _parts(psf, reach, grid, pixel_scale)
        for psf, reach in zip(psfs, reaches, strict=True)
    ]
    most = max(len(some) for some in parts)
    ky, kx = (rounded_up(int(max(reaches) * side) + 1) for side in grid)
    values = np.zeros((len(psfs), most, kx, ky), np.float32)
    numbers = np.full((len(psfs), most), -1)
    lengths = np.zeros((len(psfs), kx), np.int64)
    for place, (some, reach) in enumerate(zip(parts, reaches, strict=True)):
        fx = np.arange(int(reach * grid[1]) + 1) / grid[1]
        chords = np.sqrt(np.maximum(reach**2 - fx**2, 0.0))
        rows, columns = len(fx), int(reach * grid[0]) + 1
        lengths[place, :rows] = (
            np.minimum(chords * grid[0], columns - 1).astype(int) + 1
        )
        for slot, (number, part) in enumerate(some.items()):
            numbers[place, slot] = number
            values[place, slot, :rows, :columns] = part
    return Transfers(values, numbers, lengths)


def _parts(
    psf: PSF, reach: float, grid: tuple[int, int], pixel_scale: float
) -> dict[int, Floats]:
    """Tabulate the parts of a PSF that ends where the grid does, with the pixel.

    The Fourier transform at the frequencies of the grid is that of a PSF that comes
    back from the other side. So it is found on twice the grid, and what is more than
    half a grid away is left out.
    """
    parts = max(1, math.ceil(2.0 * reach))
    sizes = [2 * side * parts for side in grid]
    y = scipy.fft.fftfreq(sizes[0], 1.0 / parts)[:, None]
    x = scipy.fft.rfftfreq(sizes[1], 1.0 / parts)[None]
    light = scipy.fft.irfft2(psf.transfer(y / pixel_scale, x / pixel_scale), s=sizes)
    for axis, (size, side) in enumerate(zip(sizes, grid, strict=True)):
        far = abs(scipy.fft.fftfreq(size, 1.0 / size)) / parts
        kept = np.where(far < 0.5 * side, 1.0, np.where(far > 0.5 * side, 0.0, 0.5))
        light *= np.expand_dims(kept, 1 - axis)
    ky, kx = (np.arange(int(reach * side) + 1) for side in grid)
    spectrum = scipy.fft.rfft2(light)
    above, below = spectrum[2 * ky][:, 2 * kx], spectrum[-2 * ky][:, 2 * kx]
    # In the sum over all frequencies each stands for those with other signs.
    weight = np.sinc(ky / grid[0])[:, None] * np.sinc(kx / grid[1])
    weight *= np.outer(np.where(ky > 0, 2.0, 1.0), np.where(kx > 0, 2.0, 1.0))
    weight /= grid[0] * grid[1]
    found = {
        0: 0.5 * (above + below).real,
        1: 0.5 * (below - above).imag,
        2: -0.5 * (above + below).imag,
        3: 0.5 * (below - above).real,
    }
    return {
        part: (values * weight).T
        for part, values in found.items()
        if part == 0 or abs(values).max() > _ABSENT
    }
