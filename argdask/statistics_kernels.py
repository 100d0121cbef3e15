"""Pixels of images counted and summed up by filter, in whole numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from argdask.caching import compiled
from argdask.elementary import arcsinh

__all__ = ["BINS", "BINS_PER_UNIT", "EVERY", "STEPS", "add_images", "is_sampled"]

EVERY = 16
"""Of so many rows of pixels one is in the sample, another in each galaxy."""
STEPS = 2**14
"""Values of asinh are rounded to this part of 1, so that sums are exact."""
BINS_PER_UNIT = 2**5
"""Bins of the histogram for each 1 of asinh."""
BINS = 2**11
"""Bins of the histogram, half of them for negative values."""

# Values of asinh beyond are taken for these: 4e13 times the softening.
_HIGHEST = BINS // 2 * (STEPS // BINS_PER_UNIT) - 1
# From steps to bins.
_SHIFT = (STEPS // BINS_PER_UNIT).bit_length() - 1
# So many pixels are compared side by side, each with what was found of its own kind.
_LANES = 16
_LARGEST = 1e15  # asinh is above 32


def is_sampled(row: int, y: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which rows of pixels of a galaxy are in the sample.

    Parameters
    ----------
    row
        The galaxy's row in the store.
    y
        Rows of pixels in its image.

    Returns
    -------
    ndarray
        True for one of `EVERY`: over the galaxies, all rows alike.
    """
    return np.asarray((row + y) % EVERY == 0)


def add_images(
    images: npt.NDArray[np.float32],
    first: int,
    softening: float,
    extremes: npt.NDArray[np.float32],
    sums: npt.NDArray[np.int64],
    histogram: npt.NDArray[np.int64],
) -> None:
    """Add images to what is known of the pixels in each filter.

    Parameters
    ----------
    images
        Images (galaxy, y, x, filter), C-contiguous.
    first
        Row in the store of the first of them.
    softening
        What pixels are divided by before the inverse hyperbolic sine is taken.
    extremes
        Lowest and highest pixel (2, filter), changed in place.
    sums
        Missing (NaN) pixels of all; and of the sampled ones the number that is not
        missing, the sum of asinh [1 / `STEPS`] and the sum of its square (4, filter);
        changed in place. Below 2**25 sampled pixels nothing can overflow.
    histogram
        Sampled pixels by asinh (filter, `BINS`), of which bin ``BINS // 2`` begins at
        0, changed in place; one of no bins is left alone.
    """
    galaxies, height, width, filters = images.shape
    _add_extremes(images.reshape(-1), filters, extremes, sums[0])
    flat = images.reshape(galaxies, height, width * filters)
    _add_sample(flat, first, 1.0 / softening, sums, histogram)


@compiled
def _add_extremes(
    values: npt.NDArray[np.float32],
    filters: int,
    extremes: npt.NDArray[np.float32],
    missing: npt.NDArray[np.int64],
) -> None:
    lanes = filters * _LANES
    low = np.full(lanes, np.inf, np.float32)
    high = np.full(lanes, -np.inf, np.float32)
    gone = np.zeros(lanes, np.int32)
    # The last block may be shorter.
    for start in range(0, values.size, lanes):
        block = values[start : start + lanes]
        for lane in range(block.size):
            value = block[lane]
            low[lane] = value if value < low[lane] else low[lane]
            high[lane] = value if value > high[lane] else high[lane]
            gone[lane] += np.int32(value != value)
    for lane in range(lanes):
        k = lane % filters
        extremes[0, k] = min(extremes[0, k], low[lane])
        extremes[1, k] = max(extremes[1, k], high[lane])
        missing[k] += gone[lane]


@compiled
def _add_sample(
    images: npt.NDArray[np.float32],
    first: int,
    per_softening: float,
    sums: npt.NDArray[np.int64],
    histogram: npt.NDArray[np.int64],
) -> None:
    galaxies, height, size = images.shape
    filters = sums.shape[1]
    steps = np.empty(size, np.int32)
    for galaxy in range(galaxies):
        for y in range(-(first + galaxy) % EVERY, height, EVERY):
            pixels = images[galaxy, y]
            for i in range(size):
                scaled = np.float64(pixels[i]) * per_softening
                value = scaled if scaled == scaled else 0.0
                found = arcsinh(min(abs(value), _LARGEST)) * STEPS + 0.5
                # Both signs are rounded alike.
                whole = np.int32(min(found, _HIGHEST))
                steps[i] = whole if value >= 0.0 else -whole
            for start in range(0, size, filters):
                stop = start + filters
                row, some = steps[start:stop], pixels[start:stop]
                for k in range(filters):
                    there = np.int64(some[k] == some[k])
                    step = np.int64(row[k])
                    sums[1, k] += there
                    sums[2, k] += step
                    sums[3, k] += step * step
                    if histogram.size:
                        number = (step >> _SHIFT) + BINS // 2
                        histogram[k, number] += there
