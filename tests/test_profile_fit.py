"""Fitted profiles against those that images were made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argdask.convolution import Convolution
from argdask.profile_fit import fit_sersic, resize_around
from argdask.profiles import sersic
from argdask.psf import Gaussian
from argdask.resampling import resize


def galaxy(radius, index, ratio, angle, oy, ox, shape):
    return sersic(
        [radius], [index], [ratio], [angle], [oy], [ox], shape=shape, dtype=np.float64
    )[0]


@settings(max_examples=25)
@given(
    st.floats(2.0, 9.0),
    st.floats(0.5, 5.0),
    st.floats(0.2, 1.0),
    st.floats(0.0, 179.0),
    st.floats(-1.0, 1.0),
    st.floats(-1.0, 1.0),
    st.sampled_from([(51, 51), (50, 53)]),
)
def test_a_galaxy_is_found_again(radius, index, ratio, angle, oy, ox, shape) -> None:
    image = 3.0 * galaxy(radius, index, ratio, angle, oy, ox, shape)
    found = fit_sersic(image)
    assert found is not None
    assert found.half_light_radius == pytest.approx(radius, rel=1e-3)
    assert found.sersic_index == pytest.approx(index, rel=1e-3)
    assert found.axis_ratio == pytest.approx(ratio, rel=1e-3)
    assert (found.offset_y, found.offset_x) == pytest.approx((oy, ox), abs=1e-3)
    assert found.flux == pytest.approx(3.0, rel=1e-3)
    turn = (found.position_angle - angle + 90.0) % 180.0 - 90.0
    assert abs(turn) < 0.05 or ratio > 0.99
    np.testing.assert_allclose(found.render(shape), image, atol=1e-4 * image.max())


def test_what_a_fit_leaves_is_resized() -> None:
    image = galaxy(6.0, 2.5, 0.6, 30.0, 0.0, 0.0, (61, 61))
    arm = galaxy(3.0, 0.5, 0.4, 120.0, 6.0, 5.0, (61, 61))
    fit = fit_sersic(image + 0.02 * arm)
    assert fit is not None
    found = resize_around(image + 0.02 * arm, fit, 0.6, (41, 41))
    expected = galaxy(3.6, 2.5, 0.6, 30.0, 0.0, 0.0, (41, 41))
    expected += 0.02 * galaxy(1.8, 0.5, 0.4, 120.0, 3.6, 3.0, (41, 41))
    inside = found.covered == 1.0
    error = abs(found.values - expected)[inside].max() / expected.max()
    assert error < 5e-3
    plain = resize(image + 0.02 * arm, 0.6, (41, 41)).values
    assert abs(plain - expected)[inside].max() / expected.max() > 3 * error
    # and all of the light that the image has is there
    assert found.values.sum() == pytest.approx((image + 0.02 * arm).sum(), rel=1e-3)


@pytest.mark.parametrize("index", [1.0, 4.0])
def test_an_image_with_a_psf_has_no_cusp_to_take_out(index) -> None:
    columns = {
        "half_light_radius": [5.0],
        "sersic_index": [index],
        "axis_ratio": [0.6],
        "position_angle": [30.0],
        "offset_y": [0.0],
        "offset_x": [0.0],
    }
    psf = Convolution([Gaussian(2.5)], shape=(51, 51), pixel_scale=1.0)
    assert fit_sersic(psf.sersic(columns)[0, 0]) is None


def test_noise_and_darkness_are_no_galaxies() -> None:
    noise = np.random.default_rng(1).normal(size=(41, 40))
    assert fit_sersic(noise) is None
    assert fit_sersic(np.zeros((20, 20))) is None
    assert fit_sersic(-np.ones((20, 20))) is None


def test_a_little_noise_does_not_hide_a_cusp() -> None:
    image = galaxy(6.0, 2.5, 0.6, 30.0, 0.1, 0.2, (61, 61))
    noise = np.random.default_rng(1).normal(0.0, 2e-3 * image.max(), image.shape)
    found = fit_sersic(image + noise)
    assert found is not None
    assert found.half_light_radius == pytest.approx(6.0, rel=0.1)
    assert found.sersic_index == pytest.approx(2.5, rel=0.1)


def test_what_is_less_than_the_noise_is_not_fitted() -> None:
    image = galaxy(6.0, 2.5, 0.6, 30.0, 0.1, 0.2, (61, 61))
    sigma = 2e-3 * image.max()
    noise = np.random.default_rng(1).normal(0.0, sigma, image.shape)
    found, whole = fit_sersic(image + noise, sigma), fit_sersic(image + noise)
    assert found is not None
    assert whole is not None
    # Steps of a hundredth of chi-square are a tenth of sigma in a parameter.
    np.testing.assert_allclose(found, whole, rtol=0.03, atol=3e-3)
    # More noise than any fit can leave.
    assert fit_sersic(image + noise, 50 * sigma) is None


def test_the_same_image_has_the_same_bits() -> None:
    image = galaxy(6.0, 2.5, 0.6, 30.0, 0.1, 0.2, (41, 41))
    first = fit_sersic(image)
    fit_sersic(galaxy(3.0, 1.0, 0.6, 30.0, 0.1, 0.2, (31, 41)))
    assert fit_sersic(np.asfortranarray(image)) == first
    assert first is not None
    assert math.isfinite(first.flux)
