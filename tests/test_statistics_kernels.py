"""Sums and counts of pixels are those of numpy, whole and however images come."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from argdask.statistics_kernels import (
    BINS,
    BINS_PER_UNIT,
    EVERY,
    STEPS,
    add_images,
    is_sampled,
)

SOFTENING = 0.3


def found_in(
    images: NDArray[np.float32], first: int = 0, size: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Tally images, so many at once."""
    filters = images.shape[-1]
    extremes = np.empty((2, filters), np.float32)
    extremes[0], extremes[1] = np.inf, -np.inf
    sums = np.zeros((4, filters), np.int64)
    histogram = np.zeros((filters, BINS), np.int64)
    step = size or len(images)
    for start in range(0, len(images), step):
        some = images[start : start + step]
        add_images(some, first + start, SOFTENING, extremes, sums, histogram)
    return extremes, sums, histogram


def some_images(*shape: int, missing: float = 0.0) -> NDArray[np.float32]:
    """Return pixels of both signs over many powers of ten, and some that are NaN."""
    random = np.random.default_rng(shape)
    images = random.normal(size=shape) * 10.0 ** random.uniform(-6, 6, shape)
    images[random.random(shape) < missing] = np.nan
    return images.astype(np.float32)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(40, 7, 5, 9), (3, 40, 33, 1), (5, 1, 1, 2)])
def test_they_are_those_of_numpy(shape: tuple[int, ...], missing: float) -> None:
    images, first = some_images(*shape, missing=missing), 21
    extremes, sums, histogram = found_in(images, first)
    flat = images.reshape(-1, shape[-1])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(extremes[0], np.fmin.reduce(flat, initial=np.inf))
        np.testing.assert_array_equal(
            extremes[1], np.fmax.reduce(flat, initial=-np.inf)
        )
    np.testing.assert_array_equal(sums[0], np.isnan(flat).sum(0))

    rows, y = first + np.arange(shape[0])[:, None], np.arange(shape[1])
    sample = images[(rows + y) % EVERY == 0].reshape(-1, shape[-1]).astype(np.float64)
    there = ~np.isnan(sample)
    count = there.sum(0)
    np.testing.assert_array_equal(sums[1], count)
    asinh = np.where(there, np.arcsinh(sample / SOFTENING), 0.0)
    # Each is rounded to half a step; the kernel's own asinh is within 1e-10.
    bound = 0.501 * count / STEPS
    assert (abs(sums[2] / STEPS - asinh.sum(0)) <= bound).all()
    # Of squares, twice the value (below 18 here) times half a step.
    assert (abs(sums[3] / STEPS**2 - (asinh**2).sum(0)) <= 36 * bound).all()
    # In bins of whole steps; the kernel's own asinh may round one value the other way.
    steps = np.copysign(np.floor(abs(asinh) * STEPS + 0.5), asinh).astype(np.int64)
    assert (abs(sums[2] - steps.sum(0)) <= 1).all()
    bins = steps // (STEPS // BINS_PER_UNIT) + BINS // 2
    for k in range(shape[-1]):
        expected = np.bincount(bins[there[:, k], k], minlength=BINS)
        assert abs(np.cumsum(histogram[k]) - np.cumsum(expected)).max() <= 1
        assert histogram[k].sum() == count[k]


def test_any_number_at_once_gives_the_same_bits() -> None:
    images = some_images(37, 9, 8, 3, missing=0.1)
    whole = found_in(images, 5)
    for size in (1, 4, 36):
        for one, other in zip(whole, found_in(images, 5, size), strict=True):
            np.testing.assert_array_equal(one, other)


def test_both_signs_are_alike_and_beyond_32_all_is_32() -> None:
    values = np.float32([0, 1e-9, 0.7, 3e30, np.inf])
    images = np.broadcast_to(values, (EVERY, 1, 1, 5)).copy()
    _, sums, histogram = found_in(images)
    _, negative, _ = found_in(-images)
    np.testing.assert_array_equal(sums[2], -negative[2])
    np.testing.assert_array_equal(sums[3], negative[3])
    assert sums[2, 0] == sums[2, 1] == 0
    assert histogram[3, -1] == histogram[4, -1] == 1
    assert sums[2, 3] == sums[2, 4] == pytest.approx(32 * STEPS, rel=1e-3)


def test_every_row_of_pixels_is_sampled_alike() -> None:
    rows = [is_sampled(row, np.arange(3 * EVERY)) for row in range(EVERY)]
    np.testing.assert_array_equal(np.sum(rows, axis=0), 1)
    np.testing.assert_array_equal(np.sum(rows, axis=1), 3)
