"""Noise and outskirts of images against those that were put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argdask.isophotes import background_noise, extend, outer_isophotes
from argdask.profiles import sersic
from argdask.resampling import resize


def galaxy(radius, index, ratio, angle, shape=(61, 61)):
    return sersic(
        [radius], [index], [ratio], [angle], [0.0], [0.0], shape=shape, dtype=np.float64
    )[0]


@settings(max_examples=30)
@given(st.floats(5.0, 9.0), st.floats(0.25, 1.0), st.floats(0.0, 179.9))
def test_an_exponential_is_found_again(radius, ratio, angle) -> None:
    found = outer_isophotes(galaxy(radius, 1.0, ratio, angle, (64, 61)))
    # integrals over pixels are not values at their centres
    assert found.scale == pytest.approx(radius / 1.67835, rel=0.03)
    assert found.axis_ratio == pytest.approx(ratio, abs=0.03)
    turn = abs((found.position_angle - angle + 90.0) % 180.0 - 90.0)
    assert turn < 1.0 or ratio > 0.95


@pytest.mark.parametrize("index", [1.0, 2.5, 4.0])
@pytest.mark.parametrize("ratio", [1.0, 0.6, 0.25])
def test_light_goes_on_beyond_the_image(index, ratio) -> None:
    image = galaxy(10.0, index, ratio, 110.0)
    outskirts = outer_isophotes(image)
    small = resize(image, 0.5, (60, 60))
    found = extend(small, outskirts, 0.5)
    expected = galaxy(5.0, index, ratio, 110.0, (60, 60))
    beyond = small.covered < 0.5
    # of the peak, which nobody sees; and of the light there, since a Sersic profile
    # falls the more slowly the further out
    assert abs(found - expected)[beyond].max() < 2e-3 * expected.max()
    assert 0.35 < found[beyond].sum() / expected[beyond].sum() < 1.1
    inside = small.covered == 1.0
    np.testing.assert_array_equal(found[inside], small.values[inside])
    # No edge: what is brightest outside is as bright as it should be.
    place = np.unravel_index(np.where(beyond, expected, 0.0).argmax(), beyond.shape)
    assert found[place] == pytest.approx(expected[place], rel=0.15)


def test_the_centre_is_where_the_image_was_put() -> None:
    image = galaxy(6.0, 1.0, 0.5, 30.0)
    outskirts = outer_isophotes(image)
    centred = extend(resize(image, 0.5, (61, 61)), outskirts, 0.5)
    moved_to = (32.0, 27.0)
    moved = extend(resize(image, 0.5, (61, 61), moved_to), outskirts, 0.5, moved_to)
    np.testing.assert_allclose(moved[2:, :-3], centred[:-2, 3:], atol=1e-12)


@pytest.mark.parametrize("sigma", [1e-3, 0.01, 0.1])
@pytest.mark.parametrize("index", [0.5, 1.0, 4.0])
def test_noise_is_measured_under_a_galaxy(sigma, index) -> None:
    image = galaxy(6.0, index, 0.6, 30.0)
    image /= image.max()
    rng = np.random.default_rng(1)
    noisy = image + rng.normal(0.0, sigma, image.shape)
    # 2400 differences: 3 %; and the light itself, 3e-4 of the peak
    assert background_noise(noisy) == pytest.approx(sigma, rel=0.1, abs=4e-4)
    assert background_noise(image) < 4e-4


def test_noise_that_is_correlated_between_neighbours_is_measured_in_full() -> None:
    noise = np.random.default_rng(2).normal(size=(121, 121))
    smooth = noise[1:] + noise[:-1]
    smooth = 0.5 * (smooth[:, 1:] + smooth[:, :-1])
    assert smooth.std() == pytest.approx(1.0, rel=0.05)
    assert background_noise(smooth) == pytest.approx(1.0, rel=0.06)


def test_a_few_bright_neighbours_do_not_count() -> None:
    rng = np.random.default_rng(3)
    noisy = rng.normal(size=(61, 61))
    stars = noisy.copy()
    stars[5:9, 5:9] += 1000.0
    stars[50:53, 20:24] += 1000.0
    assert background_noise(stars) == pytest.approx(background_noise(noisy), rel=0.15)


@given(st.floats(0.1, 10.0))
def test_noise_scales_with_the_image(factor) -> None:
    noise = np.random.default_rng(2).normal(size=(20, 30))
    expected = factor * background_noise(noise)
    assert background_noise(factor * noise) == pytest.approx(expected)


def test_small_and_flat_images_have_no_noise() -> None:
    assert background_noise(np.ones((6, 20))) == 0.0
    y, x = np.indices((20, 20))
    assert background_noise(3.0 * y - 2.0 * x + 0.5 * x**2) == pytest.approx(0.0)
    assert background_noise(np.eye(7)) > 0.0


def test_outskirts_that_are_lost_in_noise_are_not_extended() -> None:
    rng = np.random.default_rng(4)
    image = rng.normal(size=(61, 61))
    found = outer_isophotes(image, 1.0)
    assert found.amplitude == 0.0
    small = resize(image, 0.5, (61, 61))
    np.testing.assert_array_equal(extend(small, found, 0.5), small.values)
    # nor are those that do not fall, nor those that there are not
    y, x = np.indices((31, 31)) - 15
    assert outer_isophotes(np.hypot(y, x) + 1.0).amplitude == 0.0
    assert outer_isophotes(np.zeros((31, 31))).amplitude == 0.0


@settings(max_examples=20)
@given(st.floats(4.0, 8.0), st.floats(0.3, 1.0), st.integers(0, 20))
def test_noise_moves_outskirts_by_little(radius, ratio, seed) -> None:
    image = galaxy(radius, 1.0, ratio, 40.0)
    sigma = 2e-3 * image.max()
    noisy = image + np.random.default_rng(seed).normal(0.0, sigma, image.shape)
    found = outer_isophotes(noisy, background_noise(noisy))
    if found.amplitude > 0.0:
        assert found.scale == pytest.approx(radius / 1.67835, rel=0.25)


def test_the_same_image_has_the_same_bits() -> None:
    images = np.random.default_rng(2).random((3, 40, 41))
    first = [(background_noise(i), outer_isophotes(i)) for i in images]
    again = [
        (background_noise(i), outer_isophotes(i))
        for i in (np.asfortranarray(i) for i in images)
    ]
    assert first == again
