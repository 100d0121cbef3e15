"""Sets of a user's own images: each used once or at random, by number or by name."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from dask.base import tokenize
from observed import OBSERVED, OF_IMAGES

import argdask as ad
from argdask.errors import InputError
from argdask.image_light import ImageLight
from argdask.recipe import ImageProfile, Recipe
from argdask.schema import VARIABLES, validate
from argdask.simulation import Simulation
from argdask.tables import read_table

COUNT = 12


def images(count: int = COUNT, shape: tuple[int, int] = (6, 7)) -> Any:
    return np.random.default_rng(3).lognormal(0, 1, (count, *shape)).astype(np.float32)


@pytest.fixture
def stack() -> Any:
    pixels = images()
    pixels[2, 3, 4] = pixels[2, 0, 0] = pixels[5, 1, 1] = np.nan
    np.save("images.npy", pixels)
    return pixels


def recipe(**choices: Any) -> Recipe:
    profile = {"name": "images", "source": "images.npy"}
    keys = {"draw", "source", "image_redshift", "pixel_scale"} & choices.keys()
    own = {key: choices.pop(key) for key in keys}
    return Recipe(profile={**profile, **own}, **choices)


@pytest.mark.parametrize("normalise", ["flux", "peak"])
def test_a_pair_is_the_image_times_the_fluxes(stack, seds, normalise):
    pairs = ad.simulate(recipe(normalise=normalise, scale=2.0), seds)
    assert pairs["input"].shape == (COUNT, 6, 7, seds.sizes["filter"])
    pixels = np.nan_to_num(stack.astype(np.float64))
    whole = pixels.sum(axis=(1, 2)) if normalise == "flux" else pixels.max(axis=(1, 2))
    stamps = pixels / whole[:, None, None]
    for name, flux in (("input", "flux_in"), ("target", "flux_out")):
        expected = 2.0 * stamps[..., None] * pairs[flux].values[:, None, None, :]
        # Stamps, fluxes and their product are each rounded to float32.
        np.testing.assert_allclose(pairs[name], expected, rtol=3 * 2.0**-24)
    assert pairs["image"].values.tolist() == list(range(COUNT))
    assert pairs["group"].values.tolist() == list(range(COUNT))
    assert pairs["invalid_pixels"].values.tolist() == [0, 0, 2, 0, 0, 1, *[0] * 6]


@pytest.mark.parametrize("normalise", ["flux", "peak"])
def test_the_brightest_pixel_has_the_number_that_is_asked_for(stack, seds, normalise):
    pairs = ad.simulate(recipe(normalise=normalise, scale={"max": 500}), seds)
    assert float(pairs["input"].max()) == pytest.approx(500, rel=1e-6)


def test_columns_are_those_of_the_schema_without_a_profiles_own(stack, seds):
    pairs = ad.simulate(recipe(), seds)
    absent = {*ad.Recipe().profile.parameters, "stellar_mass", "image_redshift"}
    absent |= {n for n, variable in VARIABLES.items() if "component" in variable.dims}
    absent |= {
        "bulge_to_total",
        "age_out",
        "surviving_mass_ratio",
        *OBSERVED,
        *OF_IMAGES,
    }
    assert validate(pairs, [name for name in VARIABLES if name not in absent]) == []
    assert absent.isdisjoint(pairs.variables)


def test_images_are_drawn_at_random_by_id(stack, seds):
    chosen = recipe(draw="random", galaxies=3000, scale=1.0)
    simulation = Simulation(chosen, seds)
    drawn = simulation.catalogue.columns(np.arange(3000))
    counts = np.bincount(drawn["image"], minlength=COUNT)
    # 250 each; five standard deviations
    assert (np.abs(counts - 250) < 5 * np.sqrt(250)).all()
    np.testing.assert_array_equal(drawn["group"], drawn["image"])
    alone = ad.simulate(chosen, seds, [2999, 7, 2**40])
    assert alone["image"].values[:2].tolist() == drawn["image"][[2999, 7]].tolist()


def test_a_galaxy_has_the_same_bits_alone_and_among_others(stack, seds):
    chosen = recipe(draw="random", galaxies=50, scale=1.0)
    lazy = ad.build(chosen, seds, chunks=7).compute()
    np.testing.assert_array_equal(lazy["input"], ad.simulate(chosen, seds)["input"])
    for galaxy in (0, 13, 49):
        one = ad.simulate(chosen, seds, [galaxy])
        np.testing.assert_array_equal(one["target"][0], lazy["target"][galaxy])


def test_a_catalogue_names_the_image_of_each_row(seds):
    folder = Path("cutouts")
    folder.mkdir()
    pixels = images(4)
    for place, name in enumerate("dbca"):
        fits.PrimaryHDU(pixels[place]).writeto(folder / f"{name}.fits")
    table = {"galaxy_id": [5, 9, 2], "image": ["a.fits", "d.fits", "a.fits"]}
    chosen = recipe(source="cutouts", scale=1.0)
    pairs = ad.simulate(chosen, seds, catalogue=table)
    assert pairs["image"].values.tolist() == [0, 3, 0]
    stamp = pairs["input"][1, :, :, 0] / pairs["flux_in"][1, 0]
    expected = pixels[0] / pixels[0].sum(dtype=float)
    np.testing.assert_allclose(stamp, expected, rtol=3 * 2.0**-24)
    # In another order each galaxy keeps its image, and may have a group of its own.
    order = [2, 0]
    some = {name: np.array(values)[order] for name, values in table.items()}
    few = ad.simulate(chosen, seds, catalogue={**some, "group": [8, 8]})
    np.testing.assert_array_equal(few["target"], pairs["target"][order])
    assert few["group"].values.tolist() == [8, 8]


def test_without_a_column_each_row_of_a_catalogue_has_its_own_image(stack, seds):
    ids = np.arange(COUNT)[::-1] * 4
    pairs = ad.simulate(recipe(), seds, [40, 8], catalogue={"galaxy_id": ids})
    assert pairs["image"].values.tolist() == [1, 9]


def test_the_redshift_of_images_is_a_truth_that_changes_no_pixel(stack, seds):
    plain = ad.simulate(recipe(), seds)
    known = ad.simulate(recipe(image_redshift=0.25), seds)
    assert known["image_redshift"].values.tolist() == [0.25] * COUNT
    assert known["image_redshift"].attrs["units"] == "1"
    xr.testing.assert_equal(known.drop_vars("image_redshift"), plain)
    # A column of the catalogue goes over the one number, whatever its order.
    table = {"galaxy_id": [9, 4], "image": [3, 1], "image_redshift": [0.0, 1.5]}
    for chosen in (recipe(image_redshift=0.25, draw="random"), recipe()):
        pairs = ad.simulate(chosen, seds, [4, 9], catalogue=table)
        assert pairs["image_redshift"].values.tolist() == [1.5, 0.0]
    ad.write(recipe(), "table.zarr", seds=seds, catalogue=table)
    assert ad.verify("table.zarr").passed
    stored = ad.open_pairs("table.zarr")["image_redshift"]
    assert stored.values.tolist() == [0.0, 1.5]
    # Sets without one are what they were before it could be said.
    assert "image_redshift" not in recipe().identity()["profile"]
    assert recipe(image_redshift=0.0).identity()["profile"]["image_redshift"] == 0.0


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
def test_images_can_be_a_variable_of_a_file(stack, seds, kind):
    dims = ("image", "y", "x")
    several = xr.Dataset({"science": (dims, stack), "noise": (dims, 0 * stack)})
    options = {"consolidated": False} if kind == "zarr" else {}
    getattr(several, f"to_{kind}")(f"images.{kind}", **options)
    profile = {"name": "images", "source": f"images.{kind}", "variable": "science"}
    pairs = ad.simulate(Recipe(profile=profile), seds)
    expected = ad.simulate(recipe(), seds)
    xr.testing.assert_equal(pairs, expected)
    del profile["variable"]
    with pytest.raises(InputError, match=r"images.variable: got .* with 2 of them"):
        ad.simulate(Recipe(profile=profile), seds)


def test_a_simulation_can_be_sent_to_another_process(stack, seds):
    table = read_table({"galaxy_id": [8, 3], "z_in": [0.5, 0.6], "image": [2, 2]})
    simulation = Simulation(recipe(), seds, table=table)
    again = pickle.loads(pickle.dumps(simulation))
    for name, values in simulation.make([3, 8], ["target"])[1].items():
        made = again.make([3, 8], ["target"])[1][name]
        np.testing.assert_array_equal(made, values)
    token = tokenize(simulation)
    assert tokenize(again) == token
    stack[9] *= 2
    np.save("images.npy", stack)
    assert tokenize(Simulation(recipe(), seds, table=table)) != token


def test_each_image_is_looked_at_once_and_a_few_at_a_time(stack, monkeypatch):
    monkeypatch.setattr("argdask.image_light._PIXELS_AT_ONCE", 3 * 42)
    profile = ImageProfile(name="images", source="images.npy")
    light = ImageLight(profile, "flux")
    asked: list[int] = []
    read = type(light.stack.source).read

    def counted(source: Any, rows: Any) -> Any:
        assert len(rows) <= 3
        asked.extend(rows.tolist())
        return read(source, rows)

    monkeypatch.setattr(type(light.stack.source), "read", counted)
    rows = np.array([3, 1, 3, 11, 0, 5])
    found = light.brightest_pixels(rows), light.invalid_pixels(rows)
    assert sorted(asked) == [0, 1, 3, 5, 11]
    stamps = light.stamps(rows)
    np.testing.assert_array_equal(found[0], stamps.max(axis=(1, 2)))
    assert found[1].tolist() == [0, 0, 0, 0, 0, 1]


WRONG = [
    ({"galaxies": 13}, None, "galaxies: got 13, expected at most 12, each image of im"),
    ({"source": "no.npy"}, None, "images: got "),
    ({}, {"image": [0, 12]}, "catalogue.image, row 1: got 12, expected 0 to 11, the"),
    ({}, {"axis_ratio": [0.5]}, "catalogue.axis_ratio: got a column, and profile ima"),
    (
        {},
        {"image_redshift": [0.1, -0.1]},
        "catalogue.image_redshift, row 1: got -0.1, expected a number from 0 on; ",
    ),
    (
        {},
        {"image_redshift": [np.nan]},
        "catalogue.image_redshift, row 0: got nan, expected a number from 0 on; ",
    ),
    (
        {"draw": "random"},
        {"image_redshift": [0.1]},
        "catalogue.image_redshift: got a column, and images drawn at random, expec",
    ),
    ({"galaxies": 4}, {"image": [1]}, "galaxies: got 4, expected at most 1, the rows"),
]


@pytest.mark.parametrize(("choices", "table", "message"), WRONG)
def test_what_does_not_fit_is_told_in_one_line(stack, seds, choices, table, message):
    with pytest.raises(InputError) as caught:
        ad.simulate(recipe(**choices), seds, [0], catalogue=table)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"image_redshift": -0.1}, "profile.image_redshift: got -0.1, expected gre"),
        ({"image_redshift": np.inf}, "profile.image_redshift: got inf, expected a fi"),
    ],
)
def test_what_images_cannot_be_is_told_in_one_line(choices, message):
    with pytest.raises(InputError) as caught:
        recipe(**choices)
    assert str(caught.value).startswith(message)


def test_galaxies_beyond_the_images_and_dark_images_are_told(stack, seds):
    with pytest.raises(InputError, match=r"image: got 12, expected 0 to 11, the im"):
        ad.simulate(recipe(), seds, [12])
    stack[7] = 0
    np.save("images.npy", stack)
    with pytest.raises(InputError, match=r"images: got image 7 with a sum of 0"):
        ad.write(recipe(galaxies=3), "pairs.zarr", seds=seds)
    assert not Path("pairs.zarr").exists()


# Stores.


def written(seds: xr.DataArray, **choices: Any) -> Any:
    layout = {"part": 4, "chunk": 2}
    return ad.write(recipe(layout=layout, **choices), "pairs.zarr", seds=seds)


def test_a_store_of_images_verifies(stack, seds):
    assert written(seds).made == COUNT
    assert ad.verify("pairs.zarr").passed
    pairs = ad.open_pairs("pairs.zarr")
    np.testing.assert_array_equal(pairs["input"], ad.simulate(recipe(), seds)["input"])
    assert pairs["invalid_pixels"].values.sum() == 3
    # The same pixels elsewhere are the same images.
    Path("images.npy").rename("moved.npy")
    assert written(seds, source="moved.npy").made == 0


def test_a_store_whose_images_are_gone_verifies_and_says_so(stack, seds):
    written(seds)
    Path("images.npy").rename("moved.npy")
    report = ad.verify("pairs.zarr")
    assert report.passed
    assert report.checks[2].details == ("none: they cannot be made again",)
    (told,) = report.unchecked
    assert told.startswith("galaxies: they cannot be made again (images: ")
    assert "no such file" in told
    np.save("images.npy", images()[::-1])
    (told,) = ad.verify("pairs.zarr").unchecked
    assert "the images that the store was planned with" in told


def test_other_images_are_another_plan(stack, seds):
    written(seds)
    other = images()
    other[3, 0, 0] = 77
    np.save("images.npy", other)
    with pytest.raises(InputError, match=r"it differs in images \("):
        written(seds, scale=3.0)


def test_plans_keep_the_path_as_it_was_given(stack, seds):
    plan = written(seds).plan
    text = json.loads(plan.to_json())
    assert text["recipe"]["profile"]["source"] == "images.npy"
    assert text["recipe"]["image_shape"] == [6, 7]
    assert plan.galaxies == COUNT
    assert len(plan.images) == 64
