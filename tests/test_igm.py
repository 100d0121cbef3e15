"""Absorption between the galaxies: Madau and Inoue against papers, smpy and EAZY."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sedpy import observate

from argdask import igm, photometry

Floats = NDArray[np.float64]

# Madau (1995).


@settings(deadline=None)
@given(st.floats(0.0, 7.0))
def test_madau_is_one_redward_of_lyman_alpha_and_his_line_below(
    redshift: float,
) -> None:
    edge = 1216.0 * (1 + redshift)
    below, above = igm.madau1995_transmission(
        np.array([edge * (1 - 1e-9), edge * (1 + 1e-9)]), redshift
    )
    assert above == 1.0
    expected = np.exp(-0.0036 * (1 + redshift) ** 3.46)
    assert below == pytest.approx(expected, rel=1e-6)


@settings(deadline=None)
@given(st.floats(0.0, 7.0))
def test_madau_is_continuous_at_the_limit_and_falls_blueward(redshift: float) -> None:
    limit = 912.0 * (1 + redshift)
    bracket = limit * np.array([1 - 1e-9, 1 + 1e-9])
    one, other = igm.madau1995_transmission(bracket, redshift)
    assert one == pytest.approx(other, rel=1e-6)
    blue = np.linspace(10.0, limit, 2000)
    transmission = igm.madau1995_transmission(blue, redshift)
    # the depth is flat where it is held, to a grid of 1000 points around its top
    assert np.all(np.diff(transmission) >= -1e-6)
    assert np.all((transmission >= 0) & (transmission <= 1))


def test_madau_does_not_depend_on_the_other_wavelengths() -> None:
    grid = np.linspace(500.0, 6000.0, 777)
    together = igm.madau1995_transmission(grid, 3.0)
    alone = [igm.madau1995_transmission(grid[i : i + 1], 3.0)[0] for i in range(777)]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    ("name", "redshift", "madau", "inoue"),
    [
        ("acs_wfc_f435w", 3.0, 0.701, 0.741),
        ("acs_wfc_f435w", 4.0, 0.237, 0.464),
        ("lsst_baseline_u", 2.0, 0.956, 0.962),
        ("lsst_baseline_u", 3.0, 0.563, 0.727),
        ("lsst_baseline_g", 3.0, 0.854, 0.868),
    ],
)
def test_the_template_im_is_dimmed_as_by_smpy_and_eazy(
    name: str, redshift: float, madau: float, inoue: float
) -> None:
    path = resources.files("desc_bpz") / "data_files" / "SED" / "Im_B2004a.sed"
    with path.open() as file:
        wavelength, im = np.loadtxt(file, unpack=True)[:, 1:]
    curve = observate.Filter(name)

    def flux(law: photometry.Transmission | None) -> Floats:
        return photometry.band_fluxes(
            wavelength,
            im[None],
            filters=[(curve.wavelength, curve.transmission)],
            redshift=np.array([redshift]),
            luminosity_distance=np.array([1.0]),
            igm=law,
        )

    # measured with smpy's and EAZY's own functions, given to three digits
    for law, expected in (
        (igm.madau1995_transmission, madau),
        (igm.inoue2014_transmission, inoue),
    ):
        assert (flux(law) / flux(None)).item() == pytest.approx(expected, abs=1.5e-3)


# Inoue et al. (2014).

# Rest-frame wavelengths of the golden numbers [Angstrom].
REST = np.array([850.0, 920.0, 1000.0, 1100.0, 1200.0])


@pytest.mark.parametrize(
    ("redshift", "expected"),
    [
        (1.0, [0.84204543, 0.94599882, 0.95868582, 0.96564321, 0.961894]),
        (3.0, [0.33537573, 0.69187041, 0.74194787, 0.75792504, 0.68233589]),
        (4.5, [0.03747089, 0.30688318, 0.38042986, 0.40705489, 0.28948931]),
        (6.0, [0.00012693, 0.03503513, 0.06807221, 0.07090403, 0.01403277]),
    ],
)
def test_inoue_is_as_eazy_has_it(redshift: float, expected: list[float]) -> None:
    # eazy 0.8.7: eazy.igm.Inoue14().full_IGM(redshift, REST * (1 + redshift))
    found = igm.inoue2014_transmission(REST * (1 + redshift), redshift)
    np.testing.assert_allclose(found, expected, atol=6e-9)


@settings(deadline=None)
@given(st.floats(1e-3, 7.0))
def test_inoue_is_one_redward_of_lyman_alpha_and_its_first_row_below(
    redshift: float,
) -> None:
    met = 1 + redshift
    edge = 1215.67 * met
    below, above = igm.inoue2014_transmission(
        np.array([edge * (1 - 1e-9), edge * (1 + 1e-9)]), redshift
    )
    assert above == 1.0
    # table 2, Lyman alpha, and equations 21 and 22
    forest = np.select(
        [met < 2.2, met < 5.7],
        [1.690e-2 * met**1.2, 2.354e-3 * met**3.7],
        1.026e-4 * met**5.5,
    )
    damped = 1.617e-4 * met**2 if met < 3 else 5.390e-5 * met**3
    # the table's four digits, and a break of the pieces within the last one
    assert below == pytest.approx(float(np.exp(-forest - damped)), rel=2e-3)


@settings(deadline=None)
@given(st.floats(0.05, 7.0))
def test_inoue_is_continuous_at_the_limit(redshift: float) -> None:
    # from one side to the other of the limit, where no line begins or ends
    limit = 911.8 * (1 + redshift)
    one, other = igm.inoue2014_transmission(limit * np.array([0.99999, 1.0]), redshift)
    # the digits of its coefficients leave a step, largest at redshift 2
    assert one == pytest.approx(other, abs=1e-3)


@pytest.mark.parametrize("redshift", [0.0, 0.1, 1.2, 2.0, 4.7, 7.0])
def test_inoue_is_a_fraction_everywhere_and_alone_as_together(redshift: float) -> None:
    grid = np.geomspace(1.0, 2000.0 * (1 + redshift), 499)
    together = igm.inoue2014_transmission(grid, redshift)
    assert np.all((together >= 0) & (together <= 1))
    assert np.all(together[grid <= 911.8] == together[0])
    alone = [igm.inoue2014_transmission(one, redshift)[0] for one in grid[:, None]]
    np.testing.assert_allclose(together, alone, rtol=1e-14)
