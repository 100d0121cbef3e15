"""Point-spread functions against GalSim and against their own light."""

from __future__ import annotations

import pickle

import galsim
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask.errors import InputError
from argdask.psf import Airy, Gaussian, Moffat, PSFImage

widths = st.floats(0.02, 3.0)
MODELS = [
    (Gaussian(0.7), galsim.Gaussian(fwhm=0.7)),
    (Moffat(0.7, 1.3), galsim.Moffat(1.3, fwhm=0.7)),
    (Moffat(0.7, 2.5), galsim.Moffat(2.5, fwhm=0.7)),
    (Moffat(0.7, 4.765), galsim.Moffat(4.765, fwhm=0.7)),
    (Moffat(0.7, 100.0), galsim.Moffat(100.0, fwhm=0.7)),
    (Airy(5000.0, 2.4), galsim.Airy(lam=500.0, diam=2.4)),
    (Airy(16000.0, 2.4, 0.33), galsim.Airy(lam=1600.0, diam=2.4, obscuration=0.33)),
    (Airy(11500.0, 6.5, 0.9), galsim.Airy(lam=1150.0, diam=6.5, obscuration=0.9)),
]
NAMES = [repr(model) for model, _ in MODELS]


@pytest.mark.parametrize(("model", "oracle"), MODELS, ids=NAMES)
def test_transfer_functions_are_those_of_galsim(model, oracle) -> None:
    rng = np.random.default_rng(1)
    frequency_y, frequency_x = rng.uniform(-1.5, 1.5, (2, 300)) / model.fwhm
    expected = [
        oracle.kValue(2 * np.pi * x, 2 * np.pi * y).real
        for y, x in zip(frequency_y, frequency_x, strict=True)
    ]
    found = model.transfer(frequency_y, frequency_x)
    # GalSim interpolates that of a Moffat to 1e-5 or so, Airy in a hole to 1e-8.
    np.testing.assert_allclose(found, expected, atol=3e-5)
    assert model.transfer(0.0, 0.0) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("model", "oracle"), MODELS[:5], ids=NAMES[:5])
def test_tails_hold_what_is_asked_for(model, oracle) -> None:
    radius = model.tail_radius(0.05)
    r = np.append(0.0, np.geomspace(1e-4, radius, 8000))
    light = np.array([oracle.xValue(x, 0.0) for x in r])
    inside = np.trapezoid(2 * np.pi * r * light, r)
    assert inside == pytest.approx(0.95, abs=1e-5)  # of the quadrature


@pytest.mark.parametrize("model", [MODELS[5][0], MODELS[6][0]])
def test_the_tail_of_a_diffraction_pattern_is_that_of_its_transfer(model) -> None:
    # What is outside r from the transfer function: 1 - r int J1(kr) T(k) dk.
    from scipy import special

    radius = model.tail_radius(0.02)
    k = np.linspace(0.0, 2 * np.pi * model.finest, 200001)
    inside = radius * np.trapezoid(
        special.j1(k * radius) * model.transfer(k / (2 * np.pi), 0.0), k
    )
    # The mean fall of the wings leaves out the rings, which come and go by a third.
    assert 1.0 - inside == pytest.approx(0.02, rel=0.4)


@pytest.mark.parametrize("model", [Airy(5000.0, 2.4), Airy(16000.0, 2.4, 0.33)])
def test_half_the_maximum_of_a_diffraction_pattern(model) -> None:
    oracle = galsim.Airy(
        lam=model.wavelength / 10, diam=model.diameter, obscuration=model.obscuration
    )
    half = oracle.xValue(0.5 * model.fwhm, 0.0) / oracle.xValue(0.0, 0.0)
    assert half == pytest.approx(0.5, abs=1e-6)


def star(shape, centre, *, fwhm=2.0, scale=0.25, pixel=True) -> np.ndarray:
    middle = [(side - 1) / 2 for side in shape]
    shift = (centre[1] - middle[1]) * scale, (centre[0] - middle[0]) * scale
    profile = galsim.Gaussian(fwhm=fwhm).shift(*shift)
    how = "auto" if pixel else "no_pixel"
    height, width = shape
    return profile.drawImage(
        nx=width, ny=height, scale=scale, method=how, dtype=float
    ).array


@pytest.mark.parametrize("pixel", [True, False])
@pytest.mark.parametrize(
    ("shape", "centre"),
    [
        ((61, 61), None),
        ((60, 64), None),
        ((61, 64), (28.3, 33.9)),
        ((64, 61), (32, 30)),
    ],
)
def test_an_image_is_the_psf_that_it_shows(shape, centre, pixel) -> None:
    middle = centre or tuple((side - 1) / 2 for side in shape)
    image = PSFImage(star(shape, middle, pixel=pixel), 0.25, centre, pixel)
    y = np.linspace(-1.5, 1.5, 31)[:, None]
    x = np.linspace(0.0, 1.5, 16)[None]
    expected = Gaussian(2.0).transfer(y, x)
    # A star in 15 arcsec is cut off at 2e-6 of its light; GalSim draws to 1e-5.
    np.testing.assert_allclose(image.transfer(y, x), expected, atol=2e-5)
    # as wide as its peak in pixels says
    assert image.fwhm == pytest.approx(2.0, rel=0.03)


def test_an_image_has_no_finer_frequencies_than_its_pixels() -> None:
    image = PSFImage(star((61, 61), (30, 30), fwhm=0.3), 0.25)
    assert abs(image.transfer([[0.0]], [[1.99, 2.01]]))[0] == pytest.approx(
        [0.34, 0.0], abs=0.05
    )
    assert image.finest == pytest.approx(2.0 * np.sqrt(2.0))


def test_the_tail_of_an_image_ends_at_its_farthest_edge() -> None:
    image = PSFImage(np.ones((5, 9)), 0.1, (2.0, 3.0))
    assert image.tail_radius(1e-3) == pytest.approx(0.55)


@given(st.sampled_from([model for model, _ in MODELS]), st.floats(0.3, 3.0))
def test_a_resized_psf_is_that_of_other_frequencies(model, ratio) -> None:
    k = np.linspace(0.0, 1.0 / model.fwhm, 20)
    resized = model.resized(ratio)
    np.testing.assert_allclose(
        resized.transfer(k / ratio, 0.0), model.transfer(k, 0.0), atol=1e-9
    )
    assert resized.fwhm == pytest.approx(model.fwhm * ratio)
    assert resized.finest == pytest.approx(model.finest / ratio)


def test_a_resized_image_keeps_its_pixels() -> None:
    image = PSFImage(star((60, 61), (29.5, 30.0)), 0.25, includes_pixel=True)
    half = image.resized(0.5)
    k = np.linspace(0.0, 1.0, 9)
    np.testing.assert_allclose(
        half.transfer(k[:, None] * 2, k * 2), image.transfer(k[:, None], k), atol=1e-12
    )
    assert half.includes_pixel
    assert half.fwhm == pytest.approx(0.5 * image.fwhm)


def test_an_image_that_was_divided_by_its_sum_keeps_its_bits() -> None:
    # As a store does, which holds images that add up to 1 but for rounding.
    rng = np.random.default_rng(11)
    for _ in range(50):
        once = PSFImage(rng.random((15, 17)), 0.1)
        assert PSFImage(once.image, 0.1) == once
        assert once.image.sum() == pytest.approx(1.0, abs=1e-14)


def test_psfs_with_the_same_numbers_are_the_same() -> None:
    pixels = star((31, 31), (15, 15))
    one, two = PSFImage(pixels, 0.25), PSFImage(3.0 * pixels.astype(">f8"), 0.25)
    # Divided by their sums they may differ in the last bit; a power of two does not.
    assert PSFImage(pixels, 0.25) == one == PSFImage(4.0 * pixels, 0.25)
    assert two.image == pytest.approx(one.image)
    assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
    assert one != PSFImage(pixels, 0.26)
    assert one != PSFImage(np.flipud(star((31, 31), (14, 15))), 0.25)
    assert len({Gaussian(0.1), Gaussian(0.1), Gaussian(0.2)}) == 2
    # same bytes in another shape
    assert PSFImage(np.ones((2, 3)), 0.1) != PSFImage(np.ones((3, 2)), 0.1)


def test_an_image_is_a_copy() -> None:
    pixels = np.ones((3, 3))
    image = PSFImage(pixels, 0.1)
    pixels[0, 0] = 100.0
    assert image.image.sum() == pytest.approx(1.0)
    assert image.image[0, 0] == pytest.approx(1 / 9)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Gaussian(0.0), "psf.fwhm"),
        (lambda: Gaussian(-1.0), "psf.fwhm"),
        (lambda: Gaussian(float("nan")), "psf.fwhm"),
        (lambda: Gaussian(float("inf")), "psf.fwhm"),
        (lambda: Moffat(-0.1, 2.5), "psf.fwhm"),
        (lambda: Moffat(0.7, 1.0), "psf.beta"),
        (lambda: Moffat(0.7, float("nan")), "psf.beta"),
        (lambda: Airy(0.0, 2.4), "psf.wavelength"),
        (lambda: Airy(5000.0, -2.4), "psf.diameter"),
        (lambda: Airy(5000.0, 2.4, 1.0), "psf.obscuration"),
        (lambda: Airy(5000.0, 2.4, -0.1), "psf.obscuration"),
        (lambda: PSFImage(np.ones((3, 3)), 0.0), "psf.pixel_scale"),
        (lambda: PSFImage(np.ones(3), 0.1), "psf.image"),
        (lambda: PSFImage(np.ones((0, 3)), 0.1), "psf.image"),
        (lambda: PSFImage(np.full((3, 3), np.nan), 0.1), "psf.image"),
        (lambda: PSFImage(np.zeros((3, 3)), 0.1), "psf.image"),
        (lambda: PSFImage(-np.ones((3, 3)), 0.1), "psf.image"),
        (lambda: PSFImage(np.eye(9) - 0.02, 0.1), "psf.image"),
        (lambda: PSFImage(np.ones((3, 3)), 0.1, (1.0, 2.6)), "psf.centre"),
        (lambda: PSFImage(np.ones((3, 3)), 0.1, (float("nan"), 1.0)), "psf.centre"),
    ],
)
def test_bad_psfs_are_refused(make, name) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert caught.value.field == name
    assert "\n" not in str(caught.value)


def test_a_little_noise_below_zero_is_no_reason_to_refuse_an_image() -> None:
    image = PSFImage(np.eye(9) - 0.005, 0.1)
    assert image.image.min() < 0.0
