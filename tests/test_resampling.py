"""Resized images against rendering at the other size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argdask.convolution import Convolution
from argdask.profile_fit import fit_sersic, resize_around
from argdask.profiles import sersic
from argdask.psf import Gaussian
from argdask.resampling import covered_fraction, noise_power, resize

BAR = 5e-3  # of the peak
sides = st.integers(1, 24)
ratios = st.floats(0.2, 3.0)
images = st.tuples(sides, sides, st.integers(0, 9)).map(
    lambda parts: np.random.default_rng(parts[2]).normal(size=parts[:2])
)


def columns_of(radius, index, ratio, angle, oy=0.0, ox=0.0):
    return {
        "half_light_radius": [radius],
        "sersic_index": [index],
        "axis_ratio": [ratio],
        "position_angle": [angle],
        "offset_y": [oy],
        "offset_x": [ox],
    }


def seen(columns, fwhm, shape):
    convolution = Convolution([Gaussian(fwhm)], shape=shape, pixel_scale=1.0)
    return convolution.sersic(columns)[0, 0].astype(np.float64)


def inner(resized):
    """Pixels that are reached, but for a border."""
    inside = resized.covered == 1.0
    rim = inside.copy()
    rim[3:-3, 3:-3] &= inside[:-6, 3:-3] & inside[6:, 3:-3]
    rim[3:-3, 3:-3] &= inside[3:-3, :-6] & inside[3:-3, 6:]
    return rim


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("ratio", [0.95, 0.8, 2 / 3, 0.37])
@pytest.mark.parametrize("sizes", [((61, 61), (41, 41)), ((60, 62), (41, 40))])
def test_images_with_a_psf_are_those_of_the_other_size(index, ratio, sizes) -> None:
    # of 2.5 pixels, two of half a cycle; both shrink by the same ratio
    old, new = sizes
    for flat in (1.0, 0.3):
        row = (2.0 / ratio, index, flat, 37.0)
        image = seen(columns_of(*row), 2.5, old)
        found = resize(image, ratio, new)
        expected = seen(columns_of(2.0, *row[1:]), 2.5 * ratio, new)
        error = abs(found.values - expected)[inner(found)].max()
        assert error < BAR * expected.max(), (flat, error / expected.max())


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("ratio", [1.3, 0.95, 2 / 3, 0.37])
@pytest.mark.parametrize("sizes", [((61, 61), (41, 41)), ((60, 60), (41, 40))])
def test_images_without_are_rendered_around_a_fit(index, ratio, sizes) -> None:
    old, new = sizes
    row = (2.0 / ratio, index, 0.5, 110.0)
    image = sersic(**columns_of(*row, 0.2, -0.3), shape=old, dtype=np.float64)[0]
    fit = fit_sersic(image)
    assert fit is not None
    found = resize_around(image, fit, ratio, new)
    expected = sersic(
        **columns_of(2.0, *row[1:], 0.2 * ratio, -0.3 * ratio),
        shape=new,
        dtype=np.float64,
    )[0]
    error = abs(found.values - expected)[inner(found)].max()
    assert error < BAR * expected.max()
    # without the fit it is not good enough, which is what the fit is for
    plain = resize(image, ratio, new)
    if index == 2.5 and ratio > 0.5:
        assert abs(plain.values - expected)[inner(plain)].max() > error


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5])
def test_two_steps_are_one(index) -> None:
    for flat in (1.0, 0.3):
        row = columns_of(5.0, index, flat, 37.0)
        image = seen(row, 2.5, (61, 61))
        once = resize(image, 0.48, (41, 41))
        first = resize(image, 0.8, (55, 56))
        twice = resize(first.values, 0.6, (41, 41))
        inside = inner(twice) & inner(once)
        error = abs(twice.values - once.values)[inside].max()
        assert error < BAR * once.values.max()
        expected = seen(columns_of(2.4, index, flat, 37.0), 1.2, (41, 41))
        assert abs(twice.values - expected)[inside].max() < BAR * expected.max()


@pytest.mark.parametrize("index", [1.0, 2.5])
def test_two_steps_around_a_fit_are_one(index) -> None:
    image = sersic(
        **columns_of(5.0, index, 0.5, 37.0), shape=(61, 61), dtype=np.float64
    )[0]
    first = resize_around(image, fit_sersic(image), 0.8, (48, 48)).values
    fit = fit_sersic(first)
    assert fit is not None
    twice = resize_around(first, fit, 0.6, (29, 29))
    expected = sersic(
        **columns_of(2.4, index, 0.5, 37.0), shape=(29, 29), dtype=np.float64
    )[0]
    assert abs(twice.values - expected)[inner(twice)].max() < BAR * expected.max()


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("ratio", [0.8, 0.37, 1.5])
def test_flux_of_the_covered_part_is_that_of_the_galaxy(index, ratio) -> None:
    image = seen(columns_of(5.0, index, 0.6, 20.0), 2.5, (61, 61))
    found = resize(image, ratio, (93, 93))
    assert found.values.sum() == pytest.approx(image.sum(), rel=1e-9)
    part = resize(image, ratio, (15, 15)).values.sum()
    other = seen(columns_of(5.0 * ratio, index, 0.6, 20.0), 2.5 * ratio, (15, 15))
    assert part == pytest.approx(other.sum(), rel=1e-3)


@given(images, ratios, st.integers(0, 5))
def test_all_light_arrives(image, ratio, more) -> None:
    shape = tuple(int(np.ceil(side * ratio)) + more for side in image.shape)
    found = resize(image, ratio, shape)
    scale = abs(image).sum()
    assert found.values.sum() == pytest.approx(image.sum(), abs=1e-9 * scale)
    area = image.size * ratio**2
    assert found.covered.sum() == pytest.approx(area, rel=1e-9)
    assert ((found.covered >= 0.0) & (found.covered <= 1.0)).all()


@given(images, ratios)
def test_sums_of_images_are_sums(image, ratio) -> None:
    other = image[::-1] ** 2
    shape = (11, 12)
    parts = (
        resize(image, ratio, shape).values + 2.0 * resize(other, ratio, shape).values
    )
    whole = resize(image + 2.0 * other, ratio, shape).values
    np.testing.assert_allclose(whole, parts, atol=1e-9 * (1.0 + abs(other).max()))


@given(images, ratios, sides, sides)
def test_a_turned_image_is_turned(image, ratio, height, width) -> None:
    found = resize(image, ratio, (height, width)).values
    turned = resize(image.T[::-1], ratio, (width, height)).values
    np.testing.assert_allclose(
        turned, found.T[::-1], atol=1e-9 * abs(image).max() + 1e-12
    )


@given(images, st.integers(0, 3), st.integers(0, 3))
def test_a_ratio_of_one_changes_no_bit(image, more_y, more_x) -> None:
    height, width = image.shape
    same = resize(image, 1.0, image.shape)
    np.testing.assert_array_equal(same.values, image)
    assert (same.covered == 1.0).all()
    assert (same.noise == 1.0).all()
    wider = resize(image, 1.0, (height + 2 * more_y, width + 2 * more_x))
    frame = np.s_[more_y : more_y + height, more_x : more_x + width]
    np.testing.assert_array_equal(wider.values[frame], image)
    assert wider.covered.sum() == image.size
    # anywhere else by a whole number of pixels
    centre = 0.5 * (height - 1) + more_y, 0.5 * (width - 1)
    moved = resize(image, 1.0, (height + 4, width), centre)
    end = more_y + height
    np.testing.assert_array_equal(moved.values[more_y:end], image)
    fit = fit_sersic(image)
    if fit is not None:
        around = resize_around(image, fit, 1.0, image.shape)
        np.testing.assert_array_equal(around.values, image)


def test_a_whole_number_of_pixels_is_their_sum() -> None:
    image = np.random.default_rng(0).normal(size=(12, 18))
    found = resize(image, 1 / 3, (4, 6))
    expected = image.reshape(4, 3, 6, 3).sum((1, 3))
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    np.testing.assert_allclose(found.noise, 3.0)
    assert (found.covered == 1.0).all()


def test_the_centre_is_where_it_is_said() -> None:
    image = sersic(**columns_of(1.5, 0.5, 0.7, 20.0), shape=(21, 22))[0]
    for ratio in (0.5, 0.7, 1.3):
        found = resize(image, ratio, (25, 30), (11.25, 17.5)).values
        y, x = np.indices(found.shape)
        assert (found * y).sum() / found.sum() == pytest.approx(11.25, abs=2e-3)
        assert (found * x).sum() / found.sum() == pytest.approx(17.5, abs=2e-3)


@pytest.mark.parametrize("ratio", [0.4, 0.77, 1.6])
def test_noise_is_that_of_many_images(ratio) -> None:
    rng = np.random.default_rng(5)
    many = [resize(rng.normal(size=(16, 15)), ratio, (9, 10)) for _ in range(2000)]
    measured = np.std([one.values for one in many], axis=0)
    # 2000 draws: 1.6 %, and the worst of 90 pixels at 4 sigma
    np.testing.assert_allclose(measured, many[0].noise, rtol=0.07, atol=1e-9)


@pytest.mark.parametrize("ratio", [0.23, 0.5, 0.8, 1.0, 1.37, 3.0])
def test_noise_has_the_power_that_its_spectrum_says(ratio) -> None:
    # Far from edges the mean over phases of the exact sigma is the mean of the power.
    side = int(200 / ratio)
    found = resize(np.zeros((side, side)), ratio, (200, 200)).noise
    exact = np.square(found[50:-50, 50:-50]).mean()
    power = noise_power(np.linspace(-0.5, 0.5, 2001)[:-1], ratio)
    # 100 pixels are not all phases
    assert power.mean() ** 2 == pytest.approx(exact, rel=0.02)
    # what is coarser than all pixels is a sum of old ones
    assert noise_power(0.0, ratio) == pytest.approx(1 / ratio)


def test_covered_fraction_is_that_of_the_frame() -> None:
    found = resize(np.ones((20, 20)), 0.5, (20, 20))
    assert covered_fraction(found.covered, (20, 20)) == pytest.approx(0.25)
    assert covered_fraction(found.covered, (10, 20), (5, 0)) == pytest.approx(0.5)


@settings(max_examples=20)
@given(images, ratios)
def test_bits_do_not_depend_on_what_was_done_before(image, ratio) -> None:
    first = resize(image, ratio, (13, 14))
    resize(image.T, ratio, (9, 9))
    again = resize(np.asfortranarray(image), ratio, (13, 14))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_ratios_are_refused(ratio) -> None:
    with pytest.raises(ValueError, match="ratio"):
        resize(np.ones((3, 3)), ratio, (3, 3))


def test_impossible_images_are_refused() -> None:
    with pytest.raises(ValueError, match="ratio"):
        resize(np.ones(3), 1.0, (3, 3))
