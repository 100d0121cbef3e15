"""Noise on images that have some already, against plain noise and by its variance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask import noise
from argdask.noise import Levels
from argdask.own_noise import (
    OwnNoise,
    add_noise,
    covered_fraction,
    covered_line,
)
from argdask.resampling import resize

KEYS = (11, 12)
IDS = np.array([5, 9, 2])
SHAPE = (3, 12, 15, 2)


def own(sigma: float, height: float, width: float) -> OwnNoise:
    every = np.full(3, height), np.full(3, width)
    return OwnNoise(np.full((3, 2), sigma), *every)


@given(st.floats(0.1, 40.0), st.integers(1, 30), st.floats(0.1, 3.0))
def test_a_line_is_covered_as_resized_images_are(old, size, ratio) -> None:
    pixels = max(1, round(old))
    expected = resize(np.ones((pixels, 3)), ratio, (size, 3)).covered[:, 1]
    found = covered_line(pixels * ratio, size)
    reach = min(3 * ratio, 1.0)
    np.testing.assert_allclose(found * reach, expected, atol=1e-9)
    assert found.sum() == pytest.approx(min(pixels * ratio, size), abs=1e-9)


def test_the_fraction_is_that_of_both_lines() -> None:
    lines = covered_line(7.3, 10)[:, None] * covered_line(22.0, 12)
    assert covered_fraction(7.3, 22.0, (10, 12)) == pytest.approx(lines.mean())
    assert covered_fraction(10.0, 12.0, (10, 12)) == 1.0


def test_images_without_noise_get_all_of_it() -> None:
    images = np.random.default_rng(1).normal(5, 1, SHAPE).astype(np.float32)
    gain, sigma = np.array([0.0, 4.0]), np.array([0.5, 2.0])
    told = images, IDS, KEYS, "target", 7
    plain = noise.add_noise(*told, Levels(gain, sigma))
    levels = Levels(gain, sigma)
    for there in (None, own(0.0, 12.0, 15.0), own(0.0, 3.5, 99.0)):
        np.testing.assert_array_equal(add_noise(*told, levels, there), plain)
    # Much more than there shall be, everywhere: only electrons are counted.
    counted = noise.add_noise(*told, Levels(gain, 0 * sigma))
    found = add_noise(*told, levels, own(9.0, 12.0, 15.0))
    np.testing.assert_array_equal(found, counted)


def test_noise_is_missing_where_images_have_it() -> None:
    images = np.zeros(SHAPE, np.float32)
    sigma = np.array([1.0, 2.0])
    told = images, IDS, KEYS, "input", 0
    levels = Levels(0 * sigma, sigma)
    plain = noise.add_noise(*told, levels)
    found = add_noise(*told, levels, own(0.8, 5.0, 8.0))
    # Rows 3.5 to 8.5 and columns 3.5 to 11.5 of the edges of pixels.
    inside = np.zeros(SHAPE[1:3], bool)
    inside[4:8, 4:11] = True
    beyond = np.ones(SHAPE[1:3], bool)
    beyond[3:9, 3:12] = False
    np.testing.assert_array_equal(found[:, beyond], plain[:, beyond])
    factor = np.sqrt(1 - (0.8 / sigma) ** 2)
    np.testing.assert_allclose(found[:, inside], plain[:, inside] * factor, rtol=1e-6)


def test_galaxies_do_not_depend_on_the_others() -> None:
    images = np.random.default_rng(1).normal(5, 1, (40, 6, 7, 2)).astype(np.float32)
    ids, sigma = np.arange(40), np.array([1.0, 2.0])
    rng = np.random.default_rng(2)
    there = OwnNoise(
        rng.uniform(0, 2, (40, 2)), rng.uniform(3, 9, 40), rng.uniform(3, 10, 40)
    )
    told = KEYS, "input", 3, Levels(sigma, sigma)
    together = add_noise(images, ids, *told, there)
    for rows in (slice(5, 6), slice(17, 40)):
        alone = add_noise(images[rows], ids[rows], *told, there.rows(rows))
        np.testing.assert_array_equal(alone, together[rows])
    same = images.copy()
    add_noise(same, ids, *told, there, same)
    np.testing.assert_array_equal(same, together)
