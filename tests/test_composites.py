"""Colour images: which filters, what is as bright as can be, what fades."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from astropy.visualization import make_lupton_rgb
from laziness import watched

import argdask as ad
from argdask.composites import composite_filters
from argdask.errors import InputError

ROLES = ("input", "target")


@pytest.fixture(scope="module")
def pairs(seds: xr.DataArray) -> xr.Dataset:
    recipe = ad.Recipe(galaxies=4, image_shape=(12, 14))
    return ad.simulate(recipe, seds)


def test_the_reddest_the_middle_and_the_bluest_filter_are_taken(
    pairs: xr.Dataset,
) -> None:
    chosen = ["wfc3_ir_f160w", "acs_wfc_f814w", "acs_wfc_f435w"]
    assert composite_filters(pairs) == chosen
    # Whatever their order; and one filter is all three colours.
    assert composite_filters(pairs.isel(filter=slice(None, None, -1))) == chosen
    one = pairs.isel(filter=[3])
    assert composite_filters(one) == [str(one["filter"].values[0])] * 3
    grey = ad.composite(one)["input"].values
    assert (grey == grey[..., :1]).all()
    made = ad.composite(pairs)
    assert made["filter"].values.tolist() == chosen
    assert made["colour"].values.tolist() == ["red", "green", "blue"]
    assert made["wavelength"].attrs["units"] == "Angstrom"


def test_names_shapes_and_truth_are_kept(pairs: xr.Dataset) -> None:
    made = ad.composite(pairs, galaxies=3)
    assert list(made.data_vars) == list(ROLES)
    for role in ROLES:
        assert made[role].dims == ("galaxy", "y", "x", "colour")
        assert made[role].shape == (3, 12, 14, 3)
        assert made[role].dtype == np.uint8
    np.testing.assert_array_equal(made["z_out"], pairs["z_out"][:3])
    xr.testing.assert_identical(made, ad.composite(pairs.isel(galaxy=slice(3))))


def test_it_is_what_astropy_makes_of_weighted_fluxes(pairs: xr.Dataset) -> None:
    made = ad.composite(pairs).isel(galaxy=1)
    chosen = pairs.isel(galaxy=1).sel(filter=composite_filters(pairs))
    wavelength = chosen["wavelength"].values
    cubes = [chosen[role].values * wavelength**-1.5 for role in ROLES]
    means = [cube.mean(axis=-1) for cube in cubes]
    knee = 2e-3 * max(mean.max() for mean in means)
    # f(I) = asinh(I / knee) / most: the brightest colour of any pixel becomes 1.
    most = max(
        (cube / mean[..., None] * np.arcsinh(mean[..., None] / knee)).max()
        for cube, mean in zip(cubes, means, strict=True)
    )
    # Its own form is asinh(Q I / s) / (10 asinh(Q / 10)).
    q = 10 * np.sinh(most / 10)
    for role, cube in zip(ROLES, cubes, strict=True):
        expected = make_lupton_rgb(*np.moveaxis(cube, -1, 0), stretch=q * knee, Q=q)
        # The order of float32 and float64 rounding may move a pixel by one step.
        difference = made[role].values.astype(int) - expected
        assert np.abs(difference).max() <= 1
    assert max(made[role].values.max() for role in ROLES) >= 254


def test_what_fades_is_darker_unless_each_has_its_own_stretch(
    pairs: xr.Dataset,
) -> None:
    fading = pairs.isel(galaxy=[0]).copy(deep=True)
    fading["target"][...] = fading["input"] / 100
    shared = ad.composite(fading)
    assert shared["input"].values.max() >= 254
    assert 0 < shared["target"].values.max() < 200
    own = ad.composite(fading, stretch="own")
    np.testing.assert_array_equal(own["input"], shared["input"])
    np.testing.assert_allclose(
        own["target"].values.astype(int), own["input"].values.astype(int), atol=1
    )


def test_colours_are_those_of_the_fluxes_and_no_pixel_is_cut_off(
    pairs: xr.Dataset,
) -> None:
    # Without angular sizes all pixels of an image have one colour.
    made = ad.composite(pairs)
    for role in ROLES:
        for image in made[role].values.astype(float):
            bright = image[image.max(axis=-1) > 50]
            ratio = bright / bright.max(axis=-1, keepdims=True)
            # A step of 255 is lost below each value.
            np.testing.assert_allclose(
                ratio, ratio[:1].repeat(len(ratio), 0), atol=0.04
            )


def test_noise_stays_dark_and_pixels_without_a_value_are_black(
    seds: xr.DataArray,
) -> None:
    seen = {"noise": {"background_sigma": 1e-3}}
    recipe = ad.Recipe(galaxies=1, image_shape=24, angular_size=True, observation=seen)
    pairs = ad.simulate(recipe, seds)
    sky = ad.composite(pairs)["target_noisy"].values[0, :4]
    assert 0 < sky.mean() < 40
    pairs["input"][:, 2, 3] = np.nan
    made = ad.composite(pairs)
    assert (made["input"].values[:, 2, 3] == 0).all()
    pairs["target"][...] = np.nan
    made = ad.composite(pairs)
    assert made["input"].values.any()
    assert not made["target"].values.any()
    nothing = xr.zeros_like(pairs[list(ROLES)])
    assert (ad.composite(nothing)["input"].values == 0).all()


def test_only_what_is_shown_is_computed(pairs: xr.Dataset) -> None:
    lazy, computed = watched(pairs, (1, -1, -1, 1))
    ad.composite(lazy, galaxies=1)
    filters = [3, 0, 8]
    assert sorted({where[3] for where in computed}) == sorted(filters)
    assert {where[0] for where in computed} == {0}
    assert isinstance(lazy["input"].data, da.Array)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"filters": ["acs_wfc_f435w"]}, "three names, of red, green and blue"),
        ({"filters": ["acs_wfc_f435w", "f160w", "x"]}, r"filters: got f160w.*nearest"),
        ({"stretch": "mine"}, "stretch: got mine, expected shared or own"),
    ],
)
def test_bad_choices_are_refused(
    pairs: xr.Dataset, choices: dict[str, object], expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        ad.composite(pairs, **choices)


def test_a_dataset_without_filters_or_galaxies_is_refused(pairs: xr.Dataset) -> None:
    with pytest.raises(InputError, match="a dataset of one filter"):
        ad.composite(pairs.isel(filter=0))
    with pytest.raises(InputError, match="without galaxies"):
        ad.composite(pairs, galaxies=0)
