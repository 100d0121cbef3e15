"""Photometry against closed forms, the papers, sedpy and numbers measured elsewhere."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
import pytest
from astropy import constants, units
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sedpy import attenuation, observate

from argdask import photometry
from argdask.errors import InputError
from argdask.igm import madau1995_transmission

Floats = NDArray[np.float64]

FINE = np.exp(np.arange(np.log(800.0), np.log(30_000.0), 1e-4))
REDSHIFT = np.array([0.1, 0.7, 2.0])
DISTANCE = np.array([460.0, 4300.0, 15_500.0])
HST = (
    *(f"acs_wfc_{name}" for name in ("f435w", "f606w", "f775w", "f814w", "f850lp")),
    *(f"wfc3_ir_{name}" for name in ("f098m", "f105w", "f125w", "f160w")),
)


def sedpy_curve(name: str) -> tuple[Floats, Floats]:
    curve = observate.Filter(name)
    return curve.wavelength, curve.transmission


def top_hat(bluest: float, reddest: float) -> tuple[Floats, Floats]:
    return np.array([bluest, reddest]), np.array([0.4, 0.4])


def im_template() -> tuple[Floats, Floats]:
    path = resources.files("desc_bpz") / "data_files" / "SED" / "Im_B2004a.sed"
    with path.open() as file:
        wavelength, flux = np.loadtxt(file, unpack=True)
    return wavelength[1:], flux[1:]


def fluxes(
    wavelength: Floats,
    luminosity: Floats,
    filters: list[tuple[Floats, Floats]],
    redshift: Floats = REDSHIFT,
    **options: Any,
) -> Floats:
    distance = np.interp(redshift, REDSHIFT, DISTANCE)
    return photometry.band_fluxes(
        wavelength,
        np.atleast_2d(luminosity),
        filters=filters,
        redshift=redshift,
        luminosity_distance=distance,
        **options,
    )


def microjansky(luminosity_per_hertz: Floats, distance: Floats) -> Floats:
    """Flux of a source at a luminosity distance in Mpc, by astropy's units."""
    area = 4 * np.pi * (distance * units.Mpc) ** 2
    flux = luminosity_per_hertz * units.erg / units.s / units.Hz / area
    return flux.to_value(units.uJy)


# Magnitudes.


@settings(deadline=None)
@given(st.floats(-30, 60))
def test_flux_and_magnitude_are_inverse(magnitude: float) -> None:
    # a magnitude of 60 has 15 digits before the rounding of its logarithm
    flux = photometry.ab_flux(magnitude)
    assert photometry.ab_magnitude(flux) == pytest.approx(magnitude, abs=1e-12)


def test_magnitude_is_that_of_astropy_and_knows_no_flux() -> None:
    # astropy's zero point is 3631 Jy, not 48.60: 7e-5 mag
    expected = (5.0 * units.uJy).to_value(units.ABmag)
    assert photometry.ab_magnitude(5.0) == pytest.approx(expected, abs=1e-4)
    assert photometry.ab_magnitude(0.0) == np.inf
    assert np.isnan(photometry.ab_magnitude(-1.0))


def test_luminosity_of_an_absolute_magnitude_gives_it_back_at_ten_parsec() -> None:
    luminosity = photometry.luminosity_density(-20.0, 5500.0)
    per_hertz = luminosity * 5500.0**2 / constants.c.to_value("Angstrom / s")
    flux = microjansky(np.array(per_hertz), np.array(1e-5))
    assert photometry.ab_magnitude(flux) == pytest.approx(-20.0, abs=1e-9)


# Band fluxes: closed forms.


def test_flat_spectrum_has_one_magnitude_in_every_band() -> None:
    per_hertz = 1e30
    spectrum = per_hertz * constants.c.to_value("Angstrom / s") / FINE**2
    flux = fluxes(FINE, spectrum, [sedpy_curve(name) for name in HST])
    expected = microjansky((1 + REDSHIFT) * per_hertz, DISTANCE)
    # lines between points that are 1e-4 apart miss 1/lambda**2 by (1e-4)**2 / 2
    np.testing.assert_allclose(flux[:, :, 0].T, np.tile(expected, (9, 1)), rtol=2e-8)


@settings(deadline=None, max_examples=30)
@given(
    slope=st.floats(-3, 3),
    redshift=st.floats(0.1, 2.0),
    bluest=st.floats(4000.0, 12_000.0),
    width=st.floats(1.0, 3000.0),
)
def test_power_law_through_a_top_hat_is_its_closed_form(
    slope: float, redshift: float, bluest: float, width: float
) -> None:
    reddest = bluest + width
    spectrum = (FINE / 5000.0) ** slope
    flux = fluxes(
        FINE, spectrum, [top_hat(bluest, reddest)], np.array([redshift])
    ).item()
    power = slope + 2
    rest = np.array([bluest, reddest]) / (1 + redshift) / 5000.0
    light = np.log(rest[1] / rest[0]) if abs(power) < 1e-9 else 0.0
    if not light:
        light = np.diff(rest**power).item() / power
    speed = constants.c.to_value("Angstrom / s")
    per_hertz = (1 + redshift) * light * 5000.0**2 / speed / np.log(reddest / bluest)
    distance = np.interp(redshift, REDSHIFT, DISTANCE)
    # 2 x 2e-8 for the lines between points, and the closed form loses digits to its
    # difference where the filter is narrow
    assert flux == pytest.approx(microjansky(per_hertz, distance), rel=1e-7)


def test_filter_is_zero_outside_its_curve() -> None:
    spectrum = np.ones_like(FINE)
    bright = np.where(np.abs(FINE - 5000.0) < 1000.0, 1.0, 1e9)
    curve = top_hat(5000.0, 5500.0)
    padded = np.array([3000.0, 5000.0, 5000.0, 5500.0, 5500.0, 8000.0])
    zeros = np.array([0.0, 0.0, 0.4, 0.4, 0.0, 0.0])
    here = np.array([0.1])
    alone = fluxes(FINE, spectrum, [curve], here)
    np.testing.assert_array_equal(fluxes(FINE, bright, [curve], here), alone)
    # another grid of nodes: the last digits and the lines between points differ
    flux = fluxes(FINE, spectrum, [(padded, zeros)], here)
    np.testing.assert_allclose(flux, alone, rtol=1e-9)


def test_flux_is_nan_where_a_filter_sees_an_unknown_wavelength() -> None:
    known = (FINE > 2000.0) & (FINE < 9000.0)
    spectra = np.array([np.where(known, 1.0, np.nan), np.ones_like(FINE)])
    filters = [top_hat(5000.0, 6000.0), top_hat(9500.0, 9950.0)]
    flux = fluxes(FINE, spectra, filters, np.array([0.1, 2.0]))
    assert np.isfinite(flux[:, :, 1]).all()
    # z = 0.1: 4545-5455, 8636-9045 Angstrom; z = 2: 1667-2000, 3167-3317
    np.testing.assert_array_equal(np.isnan(flux[:, :, 0]), [[0, 1], [1, 0]])


def test_flux_is_nan_beyond_the_ends_of_a_spectrum() -> None:
    inside = FINE[(FINE > 4000.0) & (FINE < 9000.0)]
    filters = [
        top_hat(4300.0, 4500.0),
        top_hat(6000.0, 7000.0),
        top_hat(9700.0, 9950.0),
    ]
    flux = fluxes(inside, np.ones_like(inside), filters, np.array([0.1]))
    np.testing.assert_array_equal(np.isnan(flux[0, :, 0]), [True, False, True])


@settings(deadline=None, max_examples=20)
@given(st.floats(0.0, 1.0))
def test_flux_is_linear_in_the_spectrum(share: float) -> None:
    wavelength, im = im_template()
    flat = np.ones_like(im)
    mixed = share * im + (1 - share) * flat
    one, other, both = fluxes(
        wavelength, np.stack([im, flat, mixed]), [sedpy_curve("acs_wfc_f606w")]
    ).transpose(2, 0, 1)
    np.testing.assert_allclose(both, share * one + (1 - share) * other, rtol=1e-12)


def test_steps_of_two_in_ten_thousand_keep_errors_far_below_a_millimagnitude() -> None:
    wavelength, im = im_template()
    filters = [sedpy_curve(name) for name in HST]
    coarse = fluxes(wavelength, im, filters, step=2e-4)
    fine = fluxes(wavelength, im, filters, step=2e-5)
    ours = fluxes(wavelength, im, filters)
    error = np.abs(photometry.ab_magnitude(ours / fine) - 23.9).max()
    assert np.abs(photometry.ab_magnitude(coarse / fine) - 23.9).max() < 1e-4
    assert error < 3e-5


def test_same_bits_on_every_run() -> None:
    wavelength, im = im_template()
    curve = [sedpy_curve("acs_wfc_f435w")]
    first = fluxes(wavelength, im, curve, igm=madau1995_transmission)
    again = fluxes(wavelength, im, curve, igm=madau1995_transmission)
    np.testing.assert_array_equal(first, again)


# Filters.


def test_pivot_wavelength_of_a_top_hat_is_its_closed_form() -> None:
    expected = np.sqrt((6000.0**2 - 5000.0**2) / 2 / np.log(6000.0 / 5000.0))
    fine = np.linspace(5000.0, 6000.0, 1001)
    pivot = photometry.pivot_wavelength(fine, np.ones_like(fine))
    # two points of Gauss miss 1/lambda by (step / lambda)**4
    assert pivot == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", HST)
def test_pivot_wavelength_is_that_of_sedpy(name: str) -> None:
    # sedpy uses the trapezium rule, which errs by (step / width)**2
    expected = observate.Filter(name).wave_pivot
    assert photometry.pivot_wavelength(*sedpy_curve(name)) == pytest.approx(
        expected, rel=1e-6
    )


@pytest.mark.parametrize(
    "curve",
    [
        (np.array([5000.0, 4000.0]), np.ones(2)),
        (np.array([4000.0, 5000.0]), np.zeros(2)),
        (np.array([4000.0, 5000.0]), np.array([1.0, -0.1])),
        (np.array([4000.0, 5000.0]), np.ones(3)),
        (np.array([4000.0]), np.ones(1)),
        (np.array([4000.0, np.nan]), np.ones(2)),
    ],
)
def test_bad_filter_curve_is_refused(curve: tuple[Floats, Floats]) -> None:
    with pytest.raises(InputError, match=r"filters: .*sort the curve") as caught:
        fluxes(FINE, np.ones_like(FINE), [curve])
    assert "\n" not in str(caught.value)


def test_spectra_of_the_wrong_shape_are_refused() -> None:
    curve = [top_hat(5000.0, 6000.0)]
    with pytest.raises(InputError, match=r"wavelength: .*sort it"):
        fluxes(FINE[::-1], np.ones_like(FINE), curve)
    with pytest.raises(InputError, match=r"luminosity: .*one row for each template"):
        fluxes(FINE, np.ones(3), curve)
    with pytest.raises(InputError, match=r"luminosity_distance: .*as many"):
        photometry.band_fluxes(
            FINE,
            np.ones((1, len(FINE))),
            filters=curve,
            redshift=REDSHIFT,
            luminosity_distance=DISTANCE[:2],
        )


# Dust.


def test_calzetti_is_the_formula_of_the_paper_at_some_wavelengths() -> None:
    # equation 4, worked out by hand with x = 1 / micron; k(V) is close to R_V
    expected = {
        1250.0: 2.659 * (-2.156 + 1.509 * 8 - 0.198 * 64 + 0.011 * 512) + 4.05,
        2000.0: 2.659 * (-2.156 + 1.509 * 5 - 0.198 * 25 + 0.011 * 125) + 4.05,
        5000.0: 2.659 * (-2.156 + 1.509 * 2 - 0.198 * 4 + 0.011 * 8) + 4.05,
        10000.0: 2.659 * (-1.857 + 1.040) + 4.05,
        20000.0: 2.659 * (-1.857 + 0.520) + 4.05,
    }
    found = photometry.calzetti2000(np.array(list(expected)))
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-14)
    assert photometry.calzetti2000(5500.0) == pytest.approx(4.05, abs=0.01)


def test_calzetti_is_that_of_sedpy_within_the_range_of_the_paper() -> None:
    wavelength = np.linspace(1200.0, 21_900.0, 999)
    expected = attenuation.calzetti(wavelength, tau_v=1.0)
    found = photometry.calzetti2000(wavelength) / photometry.calzetti2000(5500.0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_calzetti_goes_on_along_its_tangent_and_is_never_negative() -> None:
    k = photometry.calzetti2000
    tangent = (k(1200.001) - k(1200.0)) / 0.001
    # a difference over 0.001 Angstrom has lost eight digits
    assert k(912.0) == pytest.approx(float(k(1200.0) - 288.0 * tangent), rel=1e-5)
    np.testing.assert_allclose(
        np.diff(k(np.array([900.0, 1000.0, 1100.0])), 2), 0, atol=1e-12
    )
    assert k(6300.0) - k(6299.9999) == pytest.approx(0.025, abs=5e-4)
    assert np.all(k(np.geomspace(100.0, 1e7, 999)) >= 0)
    assert k(40_000.0) == 0


@settings(deadline=None)
@given(st.floats(0.0, 2.0), st.floats(0.0, 2.0))
def test_two_layers_of_dust_are_one_of_both(one: float, other: float) -> None:
    through = photometry.calzetti2000_transmission
    both = through(FINE, one) * through(FINE, other)
    np.testing.assert_allclose(through(FINE, one + other), both, rtol=1e-12)
    magnitudes = -2.5 * np.log10(through(1500.0, one))
    expected = one * photometry.calzetti2000(1500.0)
    assert magnitudes == pytest.approx(float(expected), abs=1e-12)
