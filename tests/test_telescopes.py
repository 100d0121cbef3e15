"""Telescopes in numbers: PSF, noise and gain of every filter, by role."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units
from hypothesis import given
from hypothesis import strategies as st
from observed import THREE

from argdask.errors import InputError
from argdask.psf import Airy, Gaussian, Moffat
from argdask.recipe import Recipe
from argdask.recipe_observation import Noise
from argdask.telescopes import background_sigma_of, gain_of, telescopes_of

GAUSSIAN = {"psf_fwhm": 0.1}
DEPTH = {"depth": 27.0, "aperture": 0.4}


def seen(**keys: Any) -> Recipe:
    return Recipe(observation=keys)


# Which filter has what.


def test_without_an_observation_there_is_no_telescope():
    assert telescopes_of(Recipe(), THREE) == {}


def test_one_choice_is_that_of_every_filter_and_role():
    telescopes = telescopes_of(seen(psf=GAUSSIAN, noise={"gain": 3}), THREE)
    assert list(telescopes) == ["input", "target"]
    for one in telescopes.values():
        assert one.psfs == (Gaussian(0.1),) * 3
        assert one.gain.tolist() == [3, 3, 3]
        assert one.background_sigma.tolist() == [0, 0, 0]
        assert one.noisy


def test_choices_by_name_are_in_the_order_of_the_grid():
    psf = {
        "f160w": {"name": "airy", "diameter": 2.4, "obscuration": 0.33},
        "f606w": {"name": "moffat", "psf_fwhm": 0.1, "beta": 3},
        "f814w": {"name": "airy", "diameter": 2.4, "wavelength": 7000},
    }
    noise = {
        "f814w": {"gain": 2},
        "f160w": {"background_sigma": 0.5},
        "f606w": {"background_sigma": 0.25, "exposure_time": 10, "zeropoint": 23.9},
    }
    telescope = telescopes_of(seen(psf=psf, noise=noise), THREE)["input"]
    assert telescope.psfs == (Moffat(0.1, 3), Airy(7000, 2.4), Airy(16000, 2.4, 0.33))
    np.testing.assert_allclose(telescope.gain, [10, 2, 0], rtol=1e-15)
    assert telescope.background_sigma.tolist() == [0.25, 0, 0.5]


def test_the_target_has_what_is_said_of_it_and_else_what_the_input_has():
    both = {"f606w": GAUSSIAN, "f814w": {"psf_fwhm": 0.2}, "f160w": {"psf_fwhm": 0.3}}
    recipe = seen(
        psf=both,
        noise={"gain": 3},
        target={"psf": {"f160w": {"psf_fwhm": 0.5}}},
    )
    telescopes = telescopes_of(recipe, THREE)
    widths = {
        role: [psf.fwhm for psf in one.psfs or ()] for role, one in telescopes.items()
    }
    assert widths == {"input": [0.1, 0.2, 0.3], "target": [0.1, 0.2, 0.5]}
    assert telescopes["target"].gain.tolist() == [3, 3, 3]


def test_what_only_the_target_has_the_input_has_not():
    recipe = seen(target={"psf": GAUSSIAN, "noise": {"gain": 3}})
    telescopes = telescopes_of(recipe, THREE)
    assert telescopes["input"].psfs is None
    assert not telescopes["input"].noisy
    assert telescopes["input"].gain.tolist() == [0, 0, 0]
    assert telescopes["target"].psfs == (Gaussian(0.1),) * 3
    assert telescopes["target"].noisy


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"psf": {"f606": GAUSSIAN}},
            "observation.psf.f606: got f606, expected one of the filters of the set; "
            "drop it, or choose the filter; nearest: f606w",
        ),
        (
            {"psf": {"f606w": GAUSSIAN}},
            "observation.psf: got none for f814w and 1 more, expected a psf for every "
            "filter; add f814w, or give one for all filters",
        ),
        (
            {"noise": {"f606w": DEPTH, "f814w": DEPTH}},
            "observation.noise: got none for f160w, expected a noise for every filter",
        ),
        (
            {"noise": DEPTH, "target": {"noise": {"f10": DEPTH}}},
            "observation.target.noise.f10: got f10, expected one of the filters of the",
        ),
        (
            {"psf": {"name": "image", "source": "gone.npy"}},
            "observation.psf.source: got gone.npy (no such file), expected a .npy or F",
        ),
        (
            {"psf": {"name": "image", "source": "star.npy"}},
            "observation.psf.pixel_scale: got nothing, expected the size of its pixels "
            "[arcsec]; give it: star.npy does not say",
        ),
        (
            {
                "psf": {"name": "image", "source": "star.npy", "pixel_scale": 0.1},
                "target": {"psf": {"name": "image", "source": "star.npy"}},
            },
            "observation.target.psf.pixel_scale: got nothing, expected the size of its",
        ),
        (
            {
                "psf": {
                    "f606w": {"name": "image", "source": "star.npy", "pixel_scale": 0.1}
                    | {"centre": [4, 12]}
                }
            },
            "observation.psf.f606w.centre: got (4.0, 12.0), expected a place in the im",
        ),
        (
            {"psf": {"name": "image", "source": "dark.npy", "pixel_scale": 0.1}},
            "observation.psf.image: got a sum of 0 and pixels down to 0, expected ligh",
        ),
        (
            {"psf": {"name": "image", "source": "nan.npy", "pixel_scale": 0.1}},
            "observation.psf.image: got NaN or infinity, expected finite pixels",
        ),
    ],
)
def test_what_fits_no_grid_is_told_in_one_line(keys, message):
    np.save("star.npy", np.ones((9, 9)))
    np.save("dark.npy", np.zeros((3, 3)))
    np.save("nan.npy", np.full((3, 3), np.nan))
    with pytest.raises(InputError) as caught:
        telescopes_of(seen(**keys), THREE)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


# Noise, by astropy's units.

magnitudes = st.floats(18, 32)


def microjanskys(magnitude: float) -> float:
    return float((magnitude * units.ABmag).to_value(units.uJy))


@given(st.floats(1, 1e6), magnitudes)
def test_the_gain_is_that_of_an_ab_magnitude(seconds, zeropoint):
    noise = Noise(exposure_time=seconds, zeropoint=zeropoint)
    # The AB zero point of astropy is 3631 Jy, that of 23.9 mag is 3630.78 Jy.
    assert gain_of(noise) == pytest.approx(seconds / microjanskys(zeropoint), rel=1e-4)
    assert background_sigma_of(noise, 0.06) == 0.0


@given(magnitudes, st.floats(0.2, 3), st.floats(1, 10), st.floats(0.01, 0.3))
def test_a_depth_is_the_noise_of_its_aperture(depth, aperture, significance, scale):
    noise = Noise(depth=depth, aperture=aperture, depth_significance=significance)
    area = np.pi * (0.5 * aperture * units.arcsec) ** 2
    pixels = (area / (scale * units.arcsec) ** 2).to_value("")
    expected = microjanskys(depth) / significance / np.sqrt(pixels)
    assert background_sigma_of(noise, scale) == pytest.approx(expected, rel=1e-4)
    assert gain_of(noise) == 0.0


@given(
    st.floats(1, 1e5),
    magnitudes,
    st.floats(17, 24),
    st.floats(0, 20),
    st.floats(0, 1),
    st.integers(1, 50),
    st.floats(0.02, 0.3),
)
def test_a_sky_is_counted_in_electrons(
    seconds, zeropoint, sky, read_noise, dark, exposures, scale
):
    noise = Noise(
        exposure_time=seconds,
        zeropoint=zeropoint,
        sky_brightness=sky,
        read_noise=read_noise,
        dark_current=dark,
        exposures=exposures,
    )
    electron, second, pixel = units.electron, units.s, units.pix
    time = seconds * second
    rate = electron / second / (microjanskys(zeropoint) * units.uJy)
    surface = microjanskys(sky) * units.uJy / units.arcsec**2
    area = (scale * units.arcsec) ** 2 / pixel
    counted = surface * area * rate * time + dark * electron / second / pixel * time
    # A Poisson number has its mean as variance, in electrons squared.
    variance = counted.to_value(electron / pixel) + exposures * read_noise**2
    expected = np.sqrt(variance) * electron / (rate * time)
    sigma = background_sigma_of(noise, scale)
    assert sigma == pytest.approx(expected.to_value(units.uJy), rel=2e-4)


@given(st.floats(0.02, 0.2), st.floats(0.02, 0.2))
def test_noise_of_the_detector_is_shared_by_the_area(scale, detector):
    keys = {"sky_brightness": 60.0, "exposure_time": 100.0, "zeropoint": 25.0}
    noise = Noise(
        **keys,
        read_noise=4,
        dark_current=0.1,
        exposures=3,
        detector_pixel_scale=detector,
    )
    # Nearly no sky: 3 reads of 4 electrons and 10 electrons, of each detector pixel.
    expected = np.sqrt(58.0) * scale / detector / gain_of(noise)
    assert background_sigma_of(noise, scale) == pytest.approx(expected, rel=1e-6)
