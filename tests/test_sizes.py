"""Sizes at each galaxy's own z_in, against the cosmology by astropy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given
from hypothesis import strategies as st

import argdask as ad
from argdask import Recipe
from argdask.seds import cosmology
from argdask.sizes import Sizes

COMPONENTS = {"name": "components"}
FILTERS = ["acs_wfc_f606w", "wfc3_ir_f160w"]
# The spline through 2048 distances, measured: 2e-11.
SPLINE = 1e-9
TABLE = {
    "galaxy_id": [4, 9, 30, 31, 50, 51],
    "z_in": [0.33, 0.45, 0.7, 1.111, 0.3, 1.2],
    "z_out": [0.9, 1.1, 1.7, 2.0, 1.05, 1.3],
    "half_light_radius": [0.4, 0.25, 0.31, 0.18, 0.7, 0.2],
    "magnitude": [20.0, 21.0, 20.5, 22.0, 19.0, 21.5],
}
UNITS = {"half_light_radius": "arcsec"}


def own(**choices: Any) -> Recipe:
    """Return a recipe whose sizes and magnitudes are those at z_in."""
    return Recipe(
        **{
            "image_shape": (14, 17),
            "filters": FILTERS,
            "angular_size": True,
            "reference_redshift": "z_in",
            "brightness": {"brightness_redshift": "z_in"},
            "redshifts": {"values": "continuous"},
            "galaxies": 6,
            **choices,
        }
    )


def told() -> Any:
    return ad.read_table(TABLE, units=UNITS)


def ratio_of(seds: xr.DataArray, pairs: xr.Dataset, exponent: float = 0.0) -> Any:
    """Return the angle at z_out over that at z_in, by astropy."""
    distance = cosmology(seds).angular_diameter_distance
    z_in, z_out = pairs["z_in"].values, pairs["z_out"].values
    evolution = ((1 + z_out) / (1 + z_in)) ** exponent
    return (distance(z_in) / distance(z_out)).value * evolution


@given(
    st.lists(
        st.tuples(st.floats(0.1, 2.0), st.floats(0.1, 2.0)), min_size=1, max_size=30
    ),
    st.floats(-3.0, 3.0),
)
def test_any_pair_has_the_ratio_of_its_distances(seds, drawn, exponent) -> None:
    z_in, z_out = np.sort(np.array(drawn), axis=1).T
    sizes = Sizes(own(size_evolution=exponent), seds)
    distance = FlatLambdaCDM(70.0, 0.3).angular_diameter_distance
    expected = (distance(z_in) / distance(z_out)).value
    expected *= ((1 + z_out) / (1 + z_in)) ** exponent
    np.testing.assert_allclose(sizes.seen(z_out, z_in), expected, rtol=SPLINE)
    assert (sizes.seen(z_in, z_in) == 1.0).all()
    # No galaxy is smaller than what radii are refused for; the ends are exact.
    low, high = sizes.extremes
    assert (low * (1 - 1e-3) <= expected).all()
    assert (expected <= high * (1 + 1e-3)).all()


@given(
    st.tuples(*[st.floats(0.1, 2.0)] * 2).map(sorted),
    st.tuples(*[st.floats(0.1, 2.0)] * 2).map(sorted),
)
def test_the_extremes_are_those_of_all_pairs(seds, first, second) -> None:
    z_in, z_out = (first, second) if first[0] <= second[1] else (second, first)
    sizes = Sizes(own(size_evolution=1.5), seds)
    near, far = np.meshgrid(np.linspace(*z_in, 60), np.linspace(*z_out, 60))
    pair = near <= far
    known = sizes.seen(far[pair], near[pair])
    low, high = sizes.between(tuple(z_in), tuple(z_out))
    # Between two of the 60 redshifts a ratio changes by 4 per cent.
    assert known.min() * 0.95 <= low <= known.min() * 1.001
    assert known.max() * 0.999 <= high <= known.max() * 1.05


@pytest.mark.parametrize("exponent", [0.0, -1.2])
@pytest.mark.parametrize("profile", [{}, COMPONENTS])
def test_radii_are_those_seen_at_z_in(seds, profile, exponent) -> None:
    recipe = own(profile=profile, size_evolution=exponent, galaxies=40)
    pairs = ad.simulate(recipe, seds, variables=[])
    radius = pairs["half_light_radius"]
    np.testing.assert_array_equal(pairs["half_light_radius_in"], radius)
    found = (pairs["half_light_radius_out"] / radius).values
    expected = ratio_of(seds, pairs, exponent)
    like = expected.reshape(-1, *[1] * (found.ndim - 1)) * np.ones_like(found)
    np.testing.assert_allclose(found, like, rtol=SPLINE)
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize("normalise", ["flux", "peak"])
@pytest.mark.parametrize("profile", [{}, COMPONENTS])
def test_inputs_are_those_of_galaxies_of_one_size(seds, profile, normalise) -> None:
    choices: dict[str, Any] = {"profile": profile, "normalise": normalise, "scale": 2}
    choices["observation"] = {"noise": {"background_sigma": 1e-3}}
    moving = ad.simulate(own(**choices), seds)
    still = ad.simulate(own(**choices, angular_size=False), seds)
    for name in ("input", "input_noisy"):
        np.testing.assert_array_equal(moving[name], still[name])
    assert not (moving["target"] == still["target"]).all()
    if normalise == "peak" and not profile:
        brightest = moving["input"].max(("y", "x")) / 2
        # A stamp, a flux and their product are each rounded to float32.
        np.testing.assert_allclose(brightest, moving["flux_in"], rtol=3e-7)


@pytest.mark.parametrize("normalise", ["flux", "peak"])
def test_the_brightest_pixel_is_that_of_the_input(seds, normalise) -> None:
    made = ad.simulate(own(normalise=normalise), seds, catalogue=told())
    assert float(made["input"].max()) == pytest.approx(10000, rel=1e-6)


def test_a_table_is_seen_at_its_redshifts_with_the_same_bits_anywhere(seds) -> None:
    recipe = own(observation={"psf": {"psf_fwhm": 0.15}})
    every = ad.simulate(recipe, seds, catalogue=told())
    np.testing.assert_array_equal(
        every["half_light_radius_in"], TABLE["half_light_radius"]
    )
    found = every["half_light_radius_out"] / every["half_light_radius"]
    np.testing.assert_allclose(found, ratio_of(seds, every), rtol=SPLINE)
    at = every["filter"].values.tolist().index("wfc3_ir_f160w")
    chosen = {"brightness_redshift": "z_in", "brightness_filter": "wfc3_ir_f160w"}
    bright = ad.simulate(own(brightness=chosen), seds, catalogue=told(), variables=[])
    seen = 23.9 - 2.5 * np.log10(bright["flux_in"][:, at])
    np.testing.assert_allclose(seen, TABLE["magnitude"], rtol=1e-12)
    lazy = ad.build(recipe, seds, chunks=4, catalogue=told()).compute()
    assert lazy.identical(every)
    for place, galaxy in enumerate(TABLE["galaxy_id"]):
        alone = ad.simulate(
            recipe.model_copy(update={"scale": every.attrs["scale"]}),
            seds,
            [galaxy],
            catalogue=told(),
        )
        for name in every.data_vars:
            np.testing.assert_array_equal(alone[name][0], every[name][place])


@pytest.mark.parametrize("store", ["pairs.zarr", "pairs.nc"])
def test_stores_go_on_grow_and_verify(seds, store) -> None:
    def write(galaxies: int, path: str = store) -> Any:
        chosen = own(galaxies=galaxies, scale=1.0, layout={"part": 2, "chunk": 2})
        return ad.write(chosen, path, seds=seds, catalogue=told())

    assert write(3).made == 3
    assert write(3).made == 0
    # The last part of the three is not full, and is made again.
    assert write(6).made >= 3
    pairs = ad.open_pairs(store).load()
    assert ad.verify(store, full=True).passed
    chosen = own(scale=1.0)
    expected = ad.simulate(chosen, seds, catalogue=told())
    for name in expected.variables:
        np.testing.assert_array_equal(pairs[name], expected[name])
    with pytest.raises(ad.InputError, match="reference_redshift"):
        ad.write(
            own(scale=1.0, reference_redshift=0.5),
            store,
            seds=seds,
            catalogue=told(),
        )


def test_a_radius_that_would_be_too_small_at_z_out_is_refused(seds) -> None:
    smallest = Sizes(own(), seds).least_radius
    assert smallest > 0.02 * 0.06
    table = {**TABLE, "half_light_radius": [0.4, 0.25, 0.31, 0.9 * smallest, 0.7, 0.2]}
    with pytest.raises(ad.InputError, match=r"half_light_radius, row 3"):
        ad.simulate(own(), seds, catalogue=ad.read_table(table, units=UNITS))


@pytest.mark.filterwarnings("ignore::argdask.image_observing.CoveredFractionWarning")
def test_images_of_no_redshift_are_those_at_z_in(seds) -> None:
    y, x = np.mgrid[-10:11, -10:11]
    np.save("own.npy", np.exp(-np.hypot(y, x)[None] / [[[2.0]], [[3.0]], [[4.0]]]))
    profile = {"name": "images", "source": "own.npy", "pixel_scale": 0.05}
    table = {"z_in": [0.3, 0.5, 1.1], "z_out": [0.9, 1.0, 2.0]}
    choices: dict[str, Any] = {"profile": profile, "galaxies": 3}
    made = ad.simulate(own(**choices), seds, catalogue=table)
    np.testing.assert_array_equal(made["image_redshift"], table["z_in"])
    # 21 pixels of 0.05 arcsec in pixels of 0.06.
    np.testing.assert_allclose(made["image_height_in"], 17.5, rtol=1e-15)
    found = made["image_height_out"] / made["image_height_in"]
    np.testing.assert_allclose(found, ratio_of(seds, made), rtol=SPLINE)
    told_twice = ad.simulate(
        own(**choices), seds, catalogue={**table, "image_redshift": table["z_in"]}
    )
    assert told_twice.identical(made)
    nearer = ad.simulate(
        own(**choices), seds, catalogue={**table, "image_redshift": [0.2, 0.3, 0.4]}
    )
    assert (nearer["image_height_in"] < 17.0).all()
    # Without a table, behind a PSF and with noise: redshifts are drawn.
    telescope = {"psf": {"psf_fwhm": 0.2}, "noise": {"background_sigma": 1e-3}}
    drawn = ad.simulate(own(**choices, observation=telescope), seds)
    np.testing.assert_array_equal(drawn["image_redshift"], drawn["z_in"])
    alone = own(**choices, observation=telescope, scale=drawn.attrs["scale"])
    one = ad.simulate(alone, seds, [2])
    for name in drawn.data_vars:
        np.testing.assert_array_equal(one[name][0], drawn[name][2])
