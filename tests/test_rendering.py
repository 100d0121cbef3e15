"""Catalogue rows become stamps, and the scale follows from the brightest of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.modeling.models import Sersic2D
from scipy import special

from argdask import rendering
from argdask.catalogue import Catalogue
from argdask.errors import InputError
from argdask.recipe import Recipe
from argdask.rendering import brightest_pixels, render_stamps, resolve_scale
from argdask.tables import read_table

SHAPES = [(60, 60), (31, 31), (24, 41)]
OFFSETS = {
    name: {"distribution": "uniform", "minimum": -3, "maximum": 3}
    for name in ("offset_y", "offset_x")
}


def astropy_stamp(columns: dict[str, Any], row: int, recipe: Recipe) -> Any:
    """The light at pixel centres by astropy, as DESIGN 7 words its conventions."""
    index, ratio = columns["sersic_index"][row], columns["axis_ratio"][row]
    radius = columns["half_light_radius"][row] / recipe.pixel_scale
    b = special.gammaincinv(2 * index, 0.5)
    # The total of a profile whose surface brightness at the radius is 1
    total = 2 * np.pi * index * special.gamma(2 * index) * np.exp(b) * b ** (-2 * index)
    height, width = recipe.image_shape
    model = Sersic2D(
        amplitude=1 / (total * radius**2 * ratio),
        r_eff=radius,
        n=index,
        x_0=(width - 1) / 2 + columns["offset_x"][row],
        y_0=(height - 1) / 2 + columns["offset_y"][row],
        ellip=1 - ratio,
        theta=np.radians(columns["position_angle"][row] + 90),
    )
    y, x = np.mgrid[:height, :width]
    return model(x, y)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pixel_scale", [0.06, 0.13])
def test_stamps_at_pixel_centres_are_those_of_astropy(seds, shape, pixel_scale):
    recipe = Recipe(
        image_shape=shape,
        pixel_scale=pixel_scale,
        sampling="centre",
        profile=OFFSETS,
    )
    columns = Catalogue(recipe, seds).columns(np.arange(20))
    stamps = render_stamps(recipe, columns)
    assert stamps.dtype == np.float32
    assert stamps.shape == (20, *shape)
    for row in range(20):
        expected = astropy_stamp(columns, row, recipe)
        # float32, whose light of less than 1e-30 is nothing
        np.testing.assert_allclose(stamps[row], expected, rtol=1e-6, atol=1e-30)


def test_stamps_of_integrated_pixels_hold_no_more_light_than_there_is(seds):
    recipe = Recipe(image_shape=201)
    columns = Catalogue(recipe, seds).columns(np.arange(50))
    held = render_stamps(recipe, columns).sum(axis=(1, 2), dtype=np.float64)
    # 1e-3 is what pixels may err by; faint wings are out of the frame.
    assert (held < 1 + 1e-3).all()
    # 100 pixels are at least 3 radii, which hold 80 % of even a profile of index 8.
    assert (held > 0.75).all()


def test_stamps_are_written_where_they_are_wanted(seds):
    recipe = Recipe(image_shape=9)
    columns = Catalogue(recipe, seds).columns(np.arange(4))
    out = np.full((4, 9, 9), np.nan, np.float32)
    assert render_stamps(recipe, columns, out) is out
    np.testing.assert_array_equal(out, render_stamps(recipe, columns))


@pytest.mark.parametrize("sampling", ["pixel", "centre"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offsets", [{}, OFFSETS], ids=["centred", "offset"])
def test_the_brightest_pixel_is_the_maximum_of_the_stamp(
    seds, sampling, shape, offsets
):
    recipe = Recipe(image_shape=shape, sampling=sampling, profile=offsets)
    columns = Catalogue(recipe, seds).columns(np.arange(100))
    expected = render_stamps(recipe, columns).max(axis=(1, 2))
    # To the last bit: the scale of a set must not depend on how it was found.
    np.testing.assert_array_equal(brightest_pixels(recipe, columns), expected)


# The scale.


def scale_by_images(recipe: Recipe, seds: Any, galaxies: int) -> float:
    """Find the scale from whole images in float64."""
    columns = Catalogue(recipe, seds).columns(np.arange(galaxies))
    stamps = render_stamps(recipe, columns).astype(np.float64)
    if recipe.normalise == "peak":
        stamps /= stamps.max(axis=(1, 2), keepdims=True)
    images = stamps[..., None] * columns["flux_in"][:, None, None, :]
    return recipe.scale.max / images.max()


@pytest.mark.parametrize("normalise", ["flux", "peak"])
@pytest.mark.parametrize(
    ("scale", "galaxies", "counted"),
    [
        ({}, 40, 40),
        ({"over": 7}, 40, 7),
        ({"over": 70}, 40, 40),
        ({"over": "all"}, 40, 40),
        ({"max": 3.0}, 40, 40),
        ({"over": 1}, 1, 1),
    ],
)
def test_the_scale_is_that_of_the_brightest_input_pixel(
    seds, normalise, scale, galaxies, counted
):
    recipe = Recipe(galaxies=galaxies, image_shape=15, normalise=normalise, scale=scale)
    found = resolve_scale(Catalogue(recipe, seds))
    # The same products in float64, in another order
    assert found == pytest.approx(scale_by_images(recipe, seds, counted), rel=1e-12)


def test_galaxies_beyond_those_that_count_do_not_change_the_scale(seds):
    def scale_of(galaxies: int) -> float:
        recipe = Recipe(galaxies=galaxies, image_shape=9, scale={"over": 50})
        return resolve_scale(Catalogue(recipe, seds))

    assert scale_of(50) == scale_of(51) == scale_of(10**9)
    assert scale_of(50) != scale_of(10)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_scale_does_not_depend_on_how_many_are_looked_at_at_once(
    seds, monkeypatch, batch
):
    catalogue = Catalogue(Recipe(galaxies=60, image_shape=9), seds)
    expected = resolve_scale(catalogue)
    monkeypatch.setattr(rendering, "_BATCH", batch)
    assert resolve_scale(catalogue) == expected


@pytest.mark.parametrize(("given", "number"), [(2.5, 2.5), (7, 7.0), (None, 1.0)])
def test_the_scale_can_be_a_number_or_none(seds, given, number):
    recipe = Recipe(scale=given)
    assert resolve_scale(Catalogue(recipe, seds)) == number


@pytest.mark.parametrize("normalise", ["flux", "peak"])
def test_a_set_without_any_light_in_its_frames_is_refused(seds, normalise):
    recipe = Recipe(
        galaxies=5,
        image_shape=9,
        normalise=normalise,
        profile={"offset_x": 500, "sersic_index": 0.5, "half_light_radius": 0.1},
    )
    with pytest.raises(InputError, match="scale: got a brightest input pixel of 0,"):
        resolve_scale(Catalogue(recipe, seds))


def test_light_that_no_galaxy_has_is_refused_with_its_id(seds):
    table = read_table(
        {"galaxy_id": [4, 12, 30], "stellar_mass": [1e10, 1e300, 1e9]},
        units={"stellar_mass": "solMass"},
    )
    grid = seds.assign_attrs(per_solar_mass=1)
    recipe = Recipe(galaxies=3, image_shape=9, brightness={"law": "stellar_mass"})
    expected = (
        r"scale: got flux_in of .* uJy of galaxy 12, expected fluxes up to 1e\+30"
    )
    with pytest.raises(InputError, match=expected):
        resolve_scale(Catalogue(recipe, grid, table))
    # 600 magnitudes brighter than anything that has been seen
    recipe = Recipe(galaxies=5, image_shape=9, brightness={"magnitude": -600})
    beyond = seds.copy(data=seds.values * 1e100)
    beyond[0] *= 1e-200
    with (
        np.errstate(over="ignore"),
        pytest.raises(InputError, match="scale: got flux_in of inf uJy of galaxy 0,"),
    ):
        resolve_scale(Catalogue(recipe, beyond))


def test_a_scale_that_single_precision_cannot_bear_is_refused(seds, monkeypatch):
    magnitude = {"distribution": "uniform", "minimum": 109, "maximum": 110}
    recipe = Recipe(galaxies=20, image_shape=9, brightness={"magnitude": magnitude})
    catalogue = Catalogue(recipe, seds)
    columns = catalogue.columns(np.arange(20))
    pixels = columns["flux_in"].max(axis=1) * brightest_pixels(recipe, columns)
    # Whose it is does not depend on how many are looked at at once.
    monkeypatch.setattr(rendering, "_BATCH", 7)
    told = rf"galaxy {int(np.argmax(pixels))}, expected a number from 1e-30 to 1e\+30; "
    with pytest.raises(InputError, match=f"scale: got .* uJy of {told}correct the"):
        resolve_scale(catalogue)
