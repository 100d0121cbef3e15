"""What kernels cannot do without: bytes and operations of one galaxy, counted by hand.

One place to correct when a kernel changes. An operation is one addition,
multiplication, comparison, shift or the like on one number; a fused multiply-add is
two. Bytes are those that have to be written to memory and, where it is not in the
processor's caches already, read.
"""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Count", "counts_of"]

# argdask/elementary.py: polynomials, and bits of the exponent.
_EXP2, _LOG2 = 22, 26
# argdask/kernels.py, for each point: the radius; log2, exp2, exp2; scaled, cut off.
_CENTRE = 2 + 9 + _LOG2 + 2 * _EXP2 + 7
# The same and the terms of the series of second and fourth order, and its doubt.
_SERIES = _CENTRE + 60
# argdask/streams.py: ten rounds give four words; the inverse normal distribution.
_WORD = 10 * 12 / 4
_NORMAL = _LOG2 + 38
# argdask/transforms.py, for each frequency: its place, log2, a cubic, two phases.
_CORE = 8 + _LOG2 + 20 + 10
# For each sample: a point, the window and the fading.
_SAMPLE = _CENTRE + _EXP2 + 12
# argdask/hankel.py: the profile at so many radii, and two real transforms of them.
_RADII = 512
# Frequencies at which less than this is left of the light do not count.
_LEFT = 1e-4


class Count(NamedTuple):
    """What one galaxy needs."""

    bytes: float
    operations: float


def fourier(size: int) -> float:
    """Return operations of a real transform of so many numbers: 2.5 N log2 N."""
    return 2.5 * size * math.log2(size)


def frequencies(fwhm: float, grid: tuple[int, int]) -> float:
    """Return how many frequencies of a grid a Gaussian PSF lets pass, half of them."""
    sigma = fwhm / math.sqrt(8 * math.log(2))
    reach = math.sqrt(-math.log(_LEFT) / 2) / (math.pi * sigma)
    return 0.5 * math.pi * reach**2 * grid[0] * grid[1]


def counts_of(
    pixels: int, filters: int, fwhm: float, grid: tuple[int, int]
) -> dict[str, Count]:
    """Return the counts of each kernel.

    Parameters
    ----------
    pixels
        Of a frame.
    filters
        Of a cube.
    fwhm
        Of the PSF [pixel].
    grid
        (y, x), on which PSFs are applied [pixel].
    """
    stamp, cube = 4 * pixels, 4 * pixels * filters
    samples = grid[0] * grid[1]
    passed = frequencies(fwhm, grid)
    # The second half of a frame is the first half backwards.
    half = pixels / 2
    spectrum = _RADII * (_SAMPLE + 2) + 2 * fourier(_RADII)
    spectrum += passed * _CORE + samples * _SAMPLE + fourier(samples)
    # complex times real, added up, and back
    one_psf = 4 * passed + fourier(samples)
    return {
        "Sersic at centres": Count(stamp, half * _CENTRE),
        "Sersic over pixels": Count(stamp, half * _SERIES),
        "broadcast to a cube": Count(cube, pixels * filters),
        "spectrum of a galaxy": Count(8 * passed, spectrum),
        "one PSF and back": Count(stamp, one_psf),
        "noise of a cube, normal": Count(
            cube, pixels * filters * (_WORD + _NORMAL + 6)
        ),
        "noise of a cube, counted": Count(
            cube, pixels * filters * (2 * _WORD + 2 * _NORMAL + 15)
        ),
    }
