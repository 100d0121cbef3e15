"""Parts of images and their transforms: direct sums over waves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask import waves
from argdask.waves import (
    add_folded,
    frame_of,
    memory_of,
    multiply,
    product_sign,
    put_images,
    transpose,
    waves_at,
)


@pytest.mark.parametrize("shape", [(4, 8, 3), (12, 4, 17), (8, 20, 40)])
def test_products_are_those_of_matrices(shape) -> None:
    rng = np.random.default_rng(1)
    left = rng.normal(size=shape[:2]).astype(np.float32)
    right = rng.normal(size=shape[1:]).astype(np.float32)
    out = np.full((shape[0], shape[2]), np.nan, np.float32)
    multiply(left, right, out)
    expected = left.astype(float) @ right
    # Of float32 sums of up to 20 terms of order 1.
    np.testing.assert_allclose(out, expected, atol=1e-5)
    # A column is the same whatever stands beside it.
    alone = np.empty((shape[0], 1), np.float32)
    multiply(left, np.ascontiguousarray(right[:, -1:]), alone)
    np.testing.assert_allclose(alone[:, 0], out[:, -1], rtol=1e-6, atol=1e-6)


def test_images_beside_each_other_are_turned_each() -> None:
    images = np.arange(2 * 3 * 5, dtype=np.float32).reshape(3, 10)
    out = np.empty((5, 6), np.float32)
    transpose(images, 5, out)
    expected = np.concatenate([images[:, :5].T, images[:, 5:].T], axis=1)
    np.testing.assert_array_equal(out, expected)


@given(*[st.floats(-3.0, 3.0)] * 4)
def test_parts_of_a_product_are_those_of_a_sum_of_angles(a, b, c, d) -> None:
    def parts(y, x):
        one, two = (np.cos(y), np.sin(y)), (np.cos(x), np.sin(x))
        return [one[part & 1] * two[part >> 1] for part in range(4)]

    first, second, both = parts(a, b), parts(c, d), parts(a + c, b + d)
    found = np.zeros(4)
    for part in range(4):
        for other in range(4):
            sign = product_sign(part, other)
            found[part ^ other] += sign * first[part] * second[other]
    np.testing.assert_allclose(found, both, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 7), (5, 4), (9, 9)])
@pytest.mark.parametrize("other", [0, 1, 2, 3])
@pytest.mark.parametrize("reach", [(2, 3), (9, 5), (26, 31)])
def test_images_are_sums_of_waves_at_pixels(shape, other, reach) -> None:
    rng = np.random.default_rng(2)
    grid = (10, 12)
    frame = frame_of(shape, grid)
    ky, kx = (most + 1 for most in reach)
    spectrum = rng.normal(size=(4, kx, ky)).astype(np.float32)
    factor = rng.normal(size=(kx, ky)).astype(np.float32)
    lengths = rng.integers(1, ky + 1, kx)
    memory = memory_of(frame, 2)
    memory.folded[:] = 0.0
    begin = frame.waves[0].shape[2]  # the second of two
    for first in (0, 1):
        some = (factor, lengths, other)
        add_folded(spectrum, first, some, frame, begin, memory.folded)
    images = np.full((2, *shape), np.nan, np.float32)
    put_images(True, 2, frame, memory, images)
    assert not images[0].any()
    expected = np.zeros(shape)
    y, x = ((np.arange(side) - 0.5 * (side - 1)) for side in shape)
    for i in range(kx):
        waves_x = 2 * np.pi * i * x / grid[1]
        for j in range(lengths[i]):
            waves_y = 2 * np.pi * j * y / grid[0]
            for part in range(4):
                total = part ^ other
                wave = np.outer(
                    (np.cos, np.sin)[total & 1](waves_y),
                    (np.cos, np.sin)[total >> 1](waves_x),
                )
                light = float(spectrum[part, i, j]) * float(factor[i, j])
                expected += product_sign(part, other) * light * wave
    # Sums of up to 3500 float32 terms of order 1.
    np.testing.assert_allclose(images[1], expected, atol=2e-4)


def test_symmetric_images_have_two_parts() -> None:
    frame = frame_of((6, 7), (10, 12))
    memory = memory_of(frame, 1)
    rng = np.random.default_rng(3)
    memory.folded[:] = rng.normal(size=memory.folded.shape)
    memory.folded[1:3] = 0.0
    images = np.empty((2, 1, 6, 7), np.float32)
    for lopsided in (False, True):
        put_images(lopsided, 1, frame, memory, images[int(lopsided)])
    np.testing.assert_array_equal(*images)
    np.testing.assert_array_equal(images[0], images[0, :, ::-1, ::-1])


def test_many_images_are_not_held_at_once() -> None:
    frame = frame_of((60, 60), (82, 82))
    assert memory_of(frame, 40).folded.shape[2] <= waves._AT_ONCE
    assert memory_of(frame_of((600, 600), (622, 622)), 40).folded.shape[1] == 312


def test_waves_are_cosines_and_sines() -> None:
    places = np.array([0.5, 1.5, 2.5])
    found = waves_at(places, 5, 9.0)
    assert found.shape == (2, 4, 8)
    angles = 2 * np.pi * np.outer(places, np.arange(5)) / 9.0
    np.testing.assert_allclose(found[0, :3, :5], np.cos(angles), atol=1e-7)
    np.testing.assert_allclose(found[1, :3, :5], np.sin(angles), atol=1e-7)
    assert not found[:, 3:].any()
    assert not found[:, :, 5:].any()
