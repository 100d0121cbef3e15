"""A simulation makes the same galaxy wherever it is, and says what it made."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize
from observed import OBSERVED, OF_IMAGES

from argdask.pair_labels import dataset_of, template_parameters
from argdask.recipe import Recipe
from argdask.schema import VARIABLES, validate
from argdask.simulation import Simulation

SMALL = {"image_shape": (9, 11), "scale": 1.7}
# What is there only when it is asked for.
OTHERS = (
    *("stellar_mass", "group", "image", "image_redshift", "invalid_pixels"),
    *("bulge_to_total", "light_fraction", "component_sed_index"),
    *("component_flux_in", "component_flux_out", "age_out", "surviving_mass_ratio"),
    *OBSERVED,
    *OF_IMAGES,
)
MANY_LAWS: dict[str, Any] = {
    **SMALL,
    "normalise": "peak",
    "brightness": {
        "magnitude": {"distribution": "normal", "mean": 20, "sigma": 1},
        "brightness_redshift": "z_in",
    },
    "profile": {
        "offset_x": {"distribution": "uniform", "minimum": -2, "maximum": 2},
        "axis_ratio": {"distribution": "beta", "alpha": 2, "beta": 3}
        | {"minimum": 0.1, "maximum": 1},
    },
}
RECIPES = {
    "defaults": SMALL,
    "many laws": MANY_LAWS,
    "centre": {**SMALL} | {"sampling": "centre"},
}


def everything(simulation: Simulation, ids: Any) -> dict[str, Any]:
    columns, images = simulation.make(ids, ("input", "target"))
    return columns | images


def same_bits(found: dict[str, Any], expected: dict[str, Any], rows: Any) -> None:
    assert list(found) == list(expected)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name][rows], err_msg=name)


@pytest.fixture(scope="module", params=RECIPES)
def simulation(request, seds) -> Simulation:
    return Simulation(Recipe(**RECIPES[request.param]), seds)


@pytest.fixture(scope="module")
def of_5000(simulation) -> dict[str, Any]:
    return everything(simulation, np.arange(5000))


# The same bits everywhere.


def test_a_galaxy_has_the_same_bits_alone_in_10_and_in_5000(simulation, of_5000):
    same_bits(everything(simulation, np.arange(10)), of_5000, slice(10))
    for galaxy in (0, 3, 7, 4999):
        same_bits(everything(simulation, [galaxy]), of_5000, [galaxy])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 33, 64, 65])
def test_batches_of_every_size_have_the_same_bits(simulation, of_5000, size):
    rows = slice(size, 2 * size)
    same_bits(everything(simulation, np.arange(5000)[rows]), of_5000, rows)


def test_any_galaxies_in_any_order_have_the_same_bits(simulation, of_5000):
    rows = np.random.default_rng(1).integers(0, 5000, 200)
    same_bits(everything(simulation, rows), of_5000, rows)


def test_full_frames_have_the_same_bits_alone_and_together(seds):
    simulation = Simulation(Recipe(scale=3.0), seds)
    ids = np.r_[0:30, 4990:5000, 2**40]
    together = everything(simulation, ids)
    for place in (0, 7, 29, 35, 40):
        same_bits(everything(simulation, ids[place]), together, [place])


def test_the_number_of_galaxies_changes_no_galaxy(seds):
    small, large = (
        Simulation(Recipe(**SMALL, galaxies=count), seds) for count in (10, 10**9)
    )
    same_bits(everything(small, [3, 8]), everything(large, [3, 8]), slice(None))


def test_only_what_is_asked_for_is_made(seds, monkeypatch):
    simulation = Simulation(Recipe(**SMALL), seds)
    columns, images = simulation.make([4, 2], ["target"])
    assert list(images) == ["target"]
    np.testing.assert_array_equal(
        images["target"], everything(simulation, [4, 2])["target"]
    )
    monkeypatch.setattr("argdask.observing.render_stamps", None)
    again, images = simulation.make([4, 2], [])
    assert images == {}
    same_bits(again, columns, slice(None))


def test_the_scale_goes_into_the_flux_before_it_is_rounded_once(seds):
    simulation = Simulation(Recipe(image_shape=9, scale=1.7), seds)
    made = everything(simulation, np.arange(100))
    columns = simulation.catalogue.columns(np.arange(100))
    stamps = simulation.render(columns)["input"].light
    for name, flux in (("input", "flux_in"), ("target", "flux_out")):
        rows = (1.7 * made[flux]).astype(np.float32)
        expected = stamps[..., None] * rows[:, None, None, :]
        np.testing.assert_array_equal(made[name], expected)


# The peak.


def test_the_brightest_pixel_of_a_peak_is_the_flux_of_the_galaxy(seds):
    simulation = Simulation(Recipe(**MANY_LAWS), seds)
    made = everything(simulation, np.arange(50))
    for name, flux in (("input", "flux_in"), ("target", "flux_out")):
        # A stamp, a flux and their product are each rounded to float32.
        np.testing.assert_allclose(
            made[name].max(axis=(1, 2)), 1.7 * made[flux], rtol=3e-7
        )


def test_a_galaxy_outside_its_frame_is_dark_and_not_undefined(seds):
    profile = {"offset_x": 900, "sersic_index": 0.5, "half_light_radius": 0.1}
    recipe = Recipe(image_shape=9, normalise="peak", scale=1.0, profile=profile)
    made = everything(Simulation(recipe, seds), [0, 1])
    assert (made["input"] == 0).all()
    assert (made["flux_in"] > 0).all()


# From one process to another.


def with_gaps(seds: xr.DataArray) -> xr.DataArray:
    return seds.where(np.arange(seds.sizes["template"]) != 5)


@pytest.mark.parametrize(
    "change",
    [
        lambda seds: seds,
        with_gaps,
        lambda seds: seds * (1 + 1e-12),  # which float32 cannot hold
        lambda seds: seds * 1e60,
    ],
    ids=["built-in", "with NaN", "digits of float64", "beyond float32"],
)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_simulation_survives_the_way_to_a_worker(seds, change, recipe):
    changed = change(seds).assign_attrs(seds.attrs)
    brightness = {"brightness": {"law": "equal"}}
    simulation = Simulation(Recipe(**brightness | RECIPES[recipe]), changed)
    again = pickle.loads(pickle.dumps(simulation))
    assert again.scale == simulation.scale
    assert again.recipe == simulation.recipe
    assert tokenize(again) == tokenize(simulation)
    xr.testing.assert_identical(again.catalogue.seds, simulation.catalogue.seds)
    ids = np.arange(20)
    same_bits(everything(again, ids), everything(simulation, ids), slice(None))


@pytest.mark.parametrize("change", [lambda seds: seds, with_gaps])
def test_a_grid_travels_in_half_its_size_where_that_loses_nothing(seds, change):
    simulation = Simulation(Recipe(**SMALL), change(seds).assign_attrs(seds.attrs))
    assert len(pickle.dumps(simulation)) < 0.75 * seds.nbytes


# Names for what is the same.


def test_equal_simulations_have_equal_tokens(seds):
    one, other = (
        Simulation(Recipe(galaxies=count, **SMALL), grid)
        for count, grid in ((5, seds), (6, seds.copy(deep=True)))
    )
    assert tokenize(one) == tokenize(other)


def test_different_simulations_have_different_tokens(seds):
    recipes = [
        Recipe(**{**SMALL, **other})
        for other in (
            {},
            {"seed": 1},
            {"scale": 2.0},
            {"image_shape": (11, 9)},
            {"profile": {"axis_ratio": 1}},
            {"sampling": "centre"},
            {"normalise": "peak"},
            {"redshifts": {"law": "uniform"}},
            {"filters": ["acs_wfc_f814w"]},
        )
    ]
    grids = [seds] * len(recipes) + [seds * 1.5]
    tokens = {
        tokenize(Simulation(recipe, grid.assign_attrs(seds.attrs)))
        for recipe, grid in zip([*recipes, recipes[0]], grids, strict=True)
    }
    assert len(tokens) == len(grids)


def test_the_scale_is_resolved_once_for_equal_recipes(seds, monkeypatch):
    recipe = Recipe(galaxies=20, image_shape=9, seed=987)
    first = Simulation(recipe, seds)
    monkeypatch.setattr("argdask.simulation.resolve_scale", None)
    assert Simulation(recipe, seds).scale == first.scale
    with pytest.raises(TypeError):
        Simulation(Recipe(galaxies=21, image_shape=9, seed=987), seds)
    assert Simulation(recipe, seds, scale=2.0).scale == 2.0


def test_resolved_scales_do_not_pile_up(seds, monkeypatch):
    known: dict[Any, float] = {("recipe", str(k)): 1.0 for k in range(64)}
    monkeypatch.setattr("argdask.simulation._SCALES", known)
    Simulation(Recipe(**SMALL), seds)
    assert list(known.values()) == [1.7]


# Labels.


def test_a_dataset_has_every_variable_as_it_should_be(seds):
    simulation = Simulation(Recipe(**MANY_LAWS), seds)
    pairs = dataset_of(simulation, *simulation.make([3, 1], simulation.images))
    names = [name for name in VARIABLES if name not in OTHERS]
    assert validate(pairs, names) == []
    assert pairs["input"].dims == ("galaxy", "y", "x", "filter")
    assert "galaxy" not in pairs.indexes
    assert pairs["galaxy_id"].values.tolist() == [3, 1]


def test_a_dataset_looks_up_what_the_grid_knows_of_its_templates(seds):
    simulation = Simulation(Recipe(**SMALL), seds)
    pairs = dataset_of(simulation, *simulation.make(np.arange(50), []))
    for name in ("template_name", "type", "e_bv"):
        expected = seds[name].values[pairs["sed_index"].values]
        assert pairs[name].values.tolist() == expected.tolist()
        assert pairs[name].attrs == seds[name].attrs


def test_names_of_the_dataset_are_not_taken_by_those_of_the_grid(seds):
    count = seds.sizes["template"]
    grid = seds.assign_coords(
        {name: ("template", np.arange(count)) for name in ("x", "brightness", "own")}
    )
    simulation = Simulation(Recipe(**SMALL), grid)
    pairs = dataset_of(simulation, *simulation.make([0, 1], ["input"]))
    assert "own" in pairs.coords
    assert "x" not in pairs.coords
    assert pairs["brightness"].attrs["long_name"] == "factor on the template's fluxes"
    assert {"x", "brightness"}.isdisjoint(template_parameters(grid))


@pytest.mark.parametrize("scale", [1.7, None, {"max": 5.0}])
def test_a_dataset_says_what_it_was_made_by(seds, scale):
    recipe = Recipe(galaxies=3, image_shape=9, scale=scale)
    simulation = Simulation(recipe, seds)
    attrs = dataset_of(simulation, *simulation.make([0], [])).attrs
    assert Recipe(**json.loads(attrs["recipe"])) == recipe
    assert attrs["scale"] == simulation.scale
    assert json.loads(attrs["cosmology"])["H0"] == 70.0
    assert "BPZ" in attrs["seds_source"]
    # Every format can hold text and numbers; no time is told.
    assert all(isinstance(value, str | float | int) for value in attrs.values())
    assert attrs == dataset_of(simulation, *simulation.make([0], [])).attrs


def test_memory_of_images_is_used_again_only_when_they_are_gone(simulation) -> None:
    first = simulation.make([1, 2], ["input"])[1]["input"]
    kept, values = first[1, ::2], first[1, ::2].copy()
    place = first.ctypes.data
    del first
    assert simulation.make([3, 4], ["input"])[1]["input"].ctypes.data != place
    np.testing.assert_array_equal(kept, values)
    del kept
    again = simulation.make([3, 4], ["input"])[1]["input"]
    np.testing.assert_array_equal(again, simulation.make([3, 4], ["input"])[1]["input"])


def test_any_number_of_stamps_at_once_gives_the_same_bits(seds, monkeypatch) -> None:
    seen = {"psf": {"psf_fwhm": 0.12}, "noise": {"background_sigma": 1e-3, "gain": 9.0}}
    simulation = Simulation(Recipe(**SMALL, observation=seen), seds)
    expected = simulation.make(range(7), simulation.images)[1]
    # Of fewer than all, and of one, of which this is not enough for.
    for size in (3 * simulation.planes(simulation.images) * 4 * 9 * 11, 1):
        monkeypatch.setattr("argdask.simulation._STAMPS_BYTES", size)
        found = simulation.make(range(7), simulation.images)[1]
        same_bits(found, expected, slice(None))
        # The memory of stamps is larger than these need.
        same_bits(simulation.make([2], simulation.images)[1], expected, [2])
