"""Fluxes between redshifts: the grid's own bits, closed forms, what is not valid."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.filter_curves import filter_curve
from argdask.interpolation import flux_at
from argdask.sed_building import build_seds
from argdask.sed_choices import SedGrid
from argdask.seds import check_seds, interpolate_redshift

Floats = NDArray[np.float64]

REDSHIFT = np.array([0.2, 0.5, 1.1, 3.0])


def power_law(slope: float) -> Floats:
    """Return fluxes (redshift, template 3, filter 2) that go as a power of z."""
    scale = np.array([[1e-30, 1.0], [2.0, 1e30], [0.3, 7.0]])
    return scale * REDSHIFT[:, None, None] ** slope


@given(slope=st.floats(-5, 5), redshift=st.floats(0.2, 3.0), template=st.integers(0, 2))
def test_a_power_of_redshift_is_met_exactly(
    slope: float, redshift: float, template: int
) -> None:
    found = flux_at(
        power_law(slope), REDSHIFT, np.array([redshift]), np.array([template])
    )
    scale = power_law(0.0)[0, template]
    np.testing.assert_allclose(found[0], scale * redshift**slope, rtol=1e-13)


@given(st.floats(0.2, 3.0))
def test_next_to_no_flux_it_is_linear_in_flux(redshift: float) -> None:
    flux = np.zeros((4, 1, 1))
    flux[1] = 8.0
    found = flux_at(flux, REDSHIFT, np.array([redshift]), np.array([0])).item()
    logs = np.log(REDSHIFT)
    expected = np.interp(np.log(redshift), logs, [0.0, 8.0, 0.0, 0.0])
    assert found == pytest.approx(float(expected), abs=1e-14)
    assert found >= 0


def test_on_the_grid_it_is_the_grid_bit_for_bit() -> None:
    random = np.random.default_rng(5)
    flux = random.exponential(1.0, (4, 3, 2)) * (random.random((4, 3, 2)) > 0.3)
    flux[2, 1] = np.nan, np.inf
    place, template = (grid.ravel() for grid in np.mgrid[0:4, 0:3])
    found = flux_at(flux, REDSHIFT, REDSHIFT[place], template)
    assert found.tobytes() == flux[place, template].tobytes()


def test_a_galaxy_has_the_bits_that_it_has_alone(seds: xr.DataArray) -> None:
    random = np.random.default_rng(6)
    flux = seds.transpose("redshift", "template", "filter").values
    grid = seds["redshift"].values
    redshift = random.uniform(0.1, 2.0, 501)
    template = random.integers(0, 178, 501)
    together = flux_at(flux, grid, redshift, template)
    order = random.permutation(501)
    shuffled = flux_at(flux, grid, redshift[order], template[order])
    np.testing.assert_array_equal(shuffled, together[order])
    for one in range(0, 501, 50):
        alone = flux_at(flux, grid, redshift[[one]], template[[one]])
        np.testing.assert_array_equal(alone[0], together[one])
    some = flux_at(flux[..., 2:3], grid, redshift, template)
    np.testing.assert_array_equal(some, together[:, 2:3])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_next_to_what_is_unknown_it_is_unknown(bad: float) -> None:
    flux = power_law(1.0)
    flux[1, 2, 0] = bad
    redshift = np.array([0.3, 0.7, 2.0, 0.3])
    found = flux_at(flux, REDSHIFT, redshift, np.array([2, 2, 2, 1]))
    expected = [[True, False], [True, False], [False, False], [False, False]]
    np.testing.assert_array_equal(np.isnan(found), expected)


def test_beyond_the_grid_it_is_unknown() -> None:
    redshift = np.array([0.19, 3.01, np.nan, 1.0])
    found = flux_at(power_law(1.0), REDSHIFT, redshift, np.zeros(4, int))
    np.testing.assert_array_equal(
        np.isnan(found).all(axis=1), [True, True, True, False]
    )


def test_no_galaxies_have_no_fluxes() -> None:
    found = flux_at(power_law(1.0), REDSHIFT, np.empty(0), np.empty(0, int))
    assert found.shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flux": np.ones((4, 3))}, "flux: .*transpose it"),
        ({"grid_redshift": REDSHIFT[:3]}, "flux: .*transpose it"),
        ({"template": np.zeros(1, int)}, "redshift: .*one of either"),
        ({"redshift": np.ones((2, 1))}, "redshift: .*one of either"),
        ({"template": np.array([0, 3])}, "template: got 0 to 3, expected 0 to 2"),
        ({"template": np.array([-1, 0])}, "template: got -1 to 0"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    change: dict[str, NDArray[np.float64]], message: str
) -> None:
    arguments = {
        "flux": power_law(1.0),
        "grid_redshift": REDSHIFT,
        "redshift": np.ones(2),
        "template": np.zeros(2, int),
    }
    with pytest.raises(InputError, match=f"^{message}"):
        flux_at(**(arguments | change))  # type: ignore[arg-type]


# Whole grids.


@pytest.fixture
def grid() -> xr.DataArray:
    return check_seds(
        xr.DataArray(
            power_law(-2.0),
            dims=("redshift", "template", "filter"),
            coords={
                "redshift": REDSHIFT,
                "filter": ["r", "i"],
                "wavelength": ("filter", [6200.0, 7600.0]),
                "kind": ("template", list("abc")),
            },
            attrs={"source": "a test", "per_solar_mass": 1},
        )
    )


def test_a_grid_at_its_own_redshifts_is_itself(
    grid: xr.DataArray, seds: xr.DataArray
) -> None:
    for one in (grid, seds):
        xr.testing.assert_identical(interpolate_redshift(one, one["redshift"]), one)


def test_a_grid_at_other_redshifts_keeps_its_labels(grid: xr.DataArray) -> None:
    found = interpolate_redshift(grid, [2.0, 0.3, 0.5])
    assert found["redshift"].values.tolist() == [0.3, 0.5, 2.0]
    assert found.attrs == grid.attrs
    assert found["kind"].values.tolist() == ["a", "b", "c"]
    expected = (
        grid.isel(redshift=0).values
        * (found["redshift"].values / 0.2)[:, None, None] ** -2
    )
    np.testing.assert_allclose(found.values, expected, rtol=1e-13)
    assert found["valid"].all()
    assert interpolate_redshift(grid, 0.3).sizes["redshift"] == 1


def test_what_is_masked_masks_what_is_next_to_it(grid: xr.DataArray) -> None:
    mask = np.ones((4, 3), bool)
    mask[1, 0] = False
    grid = grid.assign_coords(valid=(("redshift", "template"), mask))
    found = interpolate_redshift(grid, [0.3, 0.5, 0.7, 2.0])
    np.testing.assert_array_equal(found["valid"].values[:, 0], [0, 0, 0, 1])
    assert found["valid"].values[:, 1:].all()
    unknown = np.isnan(found.values).all(axis=1)[:, 0]
    np.testing.assert_array_equal(unknown, [True, False, True, False])
    own = grid.sel(redshift=0.5).values
    np.testing.assert_array_equal(found.sel(redshift=0.5).values, own)


@pytest.mark.parametrize(
    "redshift", [[0.1, 1.0], [1.0, 3.1], [1.0, 1.0], [], [np.nan], [[0.3, 0.5]]]
)
def test_redshifts_that_the_grid_does_not_have_are_refused(
    grid: xr.DataArray, redshift: list[float]
) -> None:
    with pytest.raises(InputError, match=r"^redshift: ") as caught:
        interpolate_redshift(grid, redshift)
    assert "\n" not in str(caught.value)


def test_39_redshifts_stand_for_153_to_two_hundredths_of_a_magnitude(
    seds: xr.DataArray,
) -> None:
    even = {"first": 0.1, "last": 2.0, "number": 153}
    fine = build_seds(SedGrid(redshifts=even))
    found = interpolate_redshift(seds, fine["redshift"].values)
    here = np.isin(fine["redshift"].values, seds["redshift"].values)
    assert here.sum() == 39
    np.testing.assert_array_equal(found.values[here], seds.values)
    bluest = np.array([filter_curve(str(name))[0][0] for name in fine["filter"].values])
    red = bluest > 1216.0 * (1 + fine["redshift"].values[:, None])
    off = np.abs(2.5 * np.log10(found.values / fine.values))
    straight = seds.interp(redshift=fine["redshift"]).values
    worse = np.abs(2.5 * np.log10(straight / fine.values))
    between = red & ~here[:, None]
    for name, error in (("ln flux in ln z", off), ("flux in z", worse)):
        median, most = np.quantile(error[between], [0.5, 0.99])
        share = np.mean(error[red] <= 0.02), np.mean(error[between] <= 0.02)
        print(f"{name}: {median:.4f} {most:.4f} {error.max():.3f} mag, {share}")
    assert np.mean(off[red] <= 0.02) > 0.99
    # emission lines that enter a filter between two redshifts
    assert np.mean(off[between] <= 0.02) > 0.985
    assert np.median(off[between]) < 1e-3 < np.median(worse[between])
