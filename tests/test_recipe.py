"""Recipes survive YAML, and every kind of wrong one is told in one line."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from argdask.choices import Choices
from argdask.errors import InputError
from argdask.recipe import Observation, Recipe, UserCatalogue, assemble
from argdask.recipe_observation import GaussianPSF, Noise
from argdask.sampling import Constant, Lognormal, Uniform
from argdask.sed_choices import SedGrid
from argdask.yaml_files import read_yaml

NOT_A_NUMBER = float("nan")
SEE = "see `argdask recipe` for every choice"
SHAPE = "one whole number of pixels above 0, or two as [rows, columns]"
LAWS = "a number or a distribution (constant, uniform, normal, ...)"


def profile(**keys: Any) -> dict[str, Any]:
    return {"profile": keys}


def uniform(minimum: float, maximum: float) -> dict[str, Any]:
    return {"distribution": "uniform", "minimum": minimum, "maximum": maximum}


def recipe_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "recipe.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# Recipes made by hypothesis.


def laws(low: float, high: float) -> st.SearchStrategy[Any]:
    """Distributions within bounds, or plain numbers."""
    inside = st.floats(low, high)
    bounds = st.tuples(inside, inside).map(sorted).filter(lambda b: b[1] - b[0] > 1e-6)
    keys = {"minimum": low, "maximum": high}
    return (
        inside
        | bounds.map(lambda b: uniform(*b))
        | st.fixed_dictionaries(
            {"distribution": st.just("normal"), "mean": inside, "sigma": inside}
        )
        .filter(lambda law: law["sigma"] > 1e-3)
        .map(lambda law: {**law, **keys})
        | st.fixed_dictionaries(
            {
                "distribution": st.just("beta"),
                "alpha": st.floats(0.1, 9),
                "beta": st.floats(0.1, 9),
            }
        ).map(lambda law: {**law, **keys})
        | st.lists(inside, min_size=1, max_size=30).map(
            lambda values: {"distribution": "choice", "values": values}
        )
    )


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
redshift = st.floats(0.01, 20)
choices = st.fixed_dictionaries(
    {},
    optional={
        "galaxies": st.integers(1, 10**12),
        "seed": st.integers(0, 2**64 - 1),
        "image_shape": st.integers(1, 500)
        | st.lists(st.integers(1, 500), min_size=2, max_size=2),
        "pixel_scale": st.floats(0.04, 1),
        "filters": st.none() | st.lists(names, min_size=1, max_size=40),
        "profile": st.fixed_dictionaries(
            {},
            optional={
                "half_light_radius": laws(0.05, 50),
                "sersic_index": laws(0.3, 8),
                "axis_ratio": laws(0.1, 1),
                "position_angle": laws(0, 180),
                "offset_y": laws(-3, 3),
            },
        ),
        "sampling": st.sampled_from(["pixel", "centre"]),
        "normalise": st.sampled_from(["flux", "peak"]),
        "reference_redshift": st.none() | st.just("z_in") | redshift,
        "redshifts": st.fixed_dictionaries(
            {}, optional={"z_in": redshift, "min_separation": st.floats(0, 3)}
        ),
        "brightness": st.fixed_dictionaries(
            {},
            optional={
                "law": st.sampled_from(["equal", "grid", "stellar_mass"]),
                "magnitude": laws(10, 30),
                "brightness_filter": st.none() | names,
                "brightness_redshift": st.none() | st.just("z_in") | redshift,
            },
        ),
        "scale": st.none()
        | st.floats(1e-30, 1e30)
        | st.fixed_dictionaries(
            {},
            optional={
                "max": st.floats(1e-9, 1e9),
                "over": st.integers(1, 10**9) | st.just("all"),
            },
        ),
        "cosmology": st.none()
        | st.just({"name": "FlatLambdaCDM", "H0": 70, "Om0": 0.3}),
        "layout": st.fixed_dictionaries(
            {}, optional={"compression": st.sampled_from(["none", "lz4", "zstd"])}
        ),
    },
)


@given(choices)
def test_a_recipe_reads_back_equal_from_its_yaml(chosen):
    recipe = Recipe(**chosen)
    again = Recipe(**yaml.safe_load(recipe.to_yaml()))
    assert again == recipe
    assert again.to_yaml() == recipe.to_yaml()


@given(choices)
def test_a_recipe_reads_back_equal_from_its_json(chosen):
    # A store and a dataset keep it so.
    recipe = Recipe(**chosen)
    assert Recipe(**json.loads(recipe.model_dump_json())) == recipe


@given(choices)
def test_a_recipe_survives_the_way_to_a_worker(chosen):
    recipe = Recipe(**chosen)
    assert pickle.loads(pickle.dumps(recipe)) == recipe


def test_a_recipe_reads_back_equal_from_its_file(tmp_path):
    recipe = Recipe(
        galaxies=7,
        image_shape=(31, 40),
        filters=["acs_wfc_f606w", "yes", "1e3", "#", "a: b"],
        scale=None,
        **profile(sersic_index=4, axis_ratio=uniform(0.5, 0.9)),
    )
    path = recipe_file(tmp_path, recipe.to_yaml())
    assert Recipe.from_yaml(path) == recipe
    assert Recipe.from_yaml(str(path)) == recipe


def every_choice(kind: type[Choices], prefix: str = "") -> list[tuple[str, str | None]]:
    found = []
    for name, field in kind.model_fields.items():
        found.append((prefix + name, field.description))
        if isinstance(field.default, Choices):
            inner = type(field.default)
            if "distribution" not in inner.model_fields:
                found += every_choice(inner, f"{prefix}{name}.")
    return found


def test_every_choice_says_what_it_is():
    every = dict(every_choice(Recipe))
    assert "profile.half_light_radius" in every
    assert "scale.over" in every
    assert len(every) > 30
    for name, description in every.items():
        assert description, name
        assert description.endswith("."), name


def test_yaml_shows_every_choice_under_its_description():
    text = Recipe().to_yaml()
    words = " ".join(text.replace("#", " ").split())
    for name, description in every_choice(Recipe):
        assert f"{name.split('.')[-1]}:" in text
        assert " ".join(str(description).split()) in words


def uncommented(text: str, section: str) -> str:
    """Take the first # off the example below a section that is left out."""
    lines = text.splitlines()
    place = next(
        n for n, one in enumerate(lines) if one.lstrip() == f"{section}: {HINT}"
    )
    margin = lines[place][: -len(lines[place].lstrip())] + "  # "
    for number in range(place + 1, len(lines)):
        if not lines[number].startswith(margin):
            break
        lines[number] = lines[number].replace("# ", "", 1)
    return "\n".join(lines)


def words_of(text: str) -> list[str]:
    return text.replace(HINT, "").replace("#", " ").split()


HINT = " # left out; to use it, take the first # off the lines below"
GAUSSIAN = {"name": "gaussian", "psf_fwhm": 0.15}
EXAMPLES: dict[str, tuple[dict[str, Any], str, Any]] = {
    "a table": (
        {},
        "catalogue",
        {"path": "galaxies.csv", "units": {"half_light_radius": "arcsec"}},
    ),
    "a telescope": (
        {},
        "observation",
        {
            "psf": GAUSSIAN,
            "noise": {
                "depth": 27,
                "aperture": 0.4,
                "exposure_time": 5000,
                "zeropoint": 26,
            },
        },
    ),
    "another PSF": ({"preset": "candels-deep"}, "psf", GAUSSIAN),
    "a PSF of images": ({"noise": {"background_sigma": 1}}, "psf", GAUSSIAN),
    "noise": (
        {"psf": GAUSSIAN},
        "noise",
        {"depth": 27, "aperture": 0.4, "exposure_time": 5000, "zeropoint": 26},
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_what_is_left_out_is_a_recipe_once_it_is_uncommented(
    tmp_path: Path, name: str
) -> None:
    seen, section, added = EXAMPLES[name]
    recipe = Recipe(observation=seen) if seen else Recipe()
    text = recipe.to_yaml()
    assert Recipe.from_yaml(recipe_file(tmp_path, text)) == recipe
    expected = (
        Recipe(pixel_scale=recipe.pixel_scale, observation={**seen, section: added})
        if seen
        else Recipe(**{section: added})
    )
    again = uncommented(text, section)
    found = Recipe.from_yaml(recipe_file(tmp_path, again))
    assert found == expected
    # The example has every key with its explanation, only lines are longer.
    assert words_of(found.to_yaml()) == words_of(again)
    assert max(len(line) for line in text.splitlines()) <= 100


def test_keys_of_telescopes_are_named_where_nothing_is_observed() -> None:
    words = " ".join(words_of(Recipe().to_yaml()))
    for kind in (UserCatalogue, Observation, GaussianPSF, Noise):
        for name, field in kind.model_fields.items():
            assert f"{name}:" in words
            assert " ".join(str(field.description).split()) in words
    assert "psf_fwhm" not in Recipe().to_yaml(examples=False)


# Defaults.


def test_default_radii_are_bounded_in_pixels():
    law = Recipe(pixel_scale=0.1).profile.half_light_radius
    assert law == Lognormal(median=0.6, sigma=0.3, minimum=0.05, maximum=3.0)
    law = Recipe().profile.half_light_radius
    assert law == Lognormal(median=0.6, sigma=0.3, minimum=0.03, maximum=1.8)


def test_defaults_are_those_of_the_design():
    recipe = Recipe()
    assert (recipe.image_shape, recipe.pixel_scale) == ((60, 60), 0.06)
    laws = recipe.profile.parameters
    assert laws["sersic_index"] == Lognormal(
        median=1.65, sigma=0.5, minimum=0.3, maximum=8.0
    )
    assert laws["axis_ratio"] == Uniform(minimum=0.2, maximum=1.0)
    assert laws["position_angle"] == Uniform(minimum=0.0, maximum=180.0)
    assert laws["offset_x"] == Constant(value=0.0)
    assert (recipe.sampling, recipe.normalise) == ("pixel", "flux")
    assert (recipe.redshifts.law, recipe.templates.ages) == ("conditional", "physical")
    assert recipe.brightness.magnitude == Constant(value=18.0)
    assert (recipe.scale.max, recipe.scale.over) == (10000.0, 65536)


def test_one_number_is_the_shape_of_a_square():
    assert Recipe(image_shape=33).image_shape == (33, 33)
    assert Recipe(image_shape="33").image_shape == (33, 33)
    assert Recipe(image_shape=(np.int64(33), 34.0)).image_shape == (33, 34)


# Wrong recipes: choices, field, value as shown, what was expected, cure.
WRONG = [
    ({"galaxy": 3}, "galaxy", "an unknown key", "a key of the recipe", "nearest: gal"),
    (
        profile(sersic_indx=2),
        "profile.sersic_indx",
        "an unknown key",
        "a key of the recipe",
        "nearest: sersic_index",
    ),
    (
        {"redshifts": {"z_inn": 1}},
        "redshifts.z_inn",
        "an unknown key",
        "a key of the recipe",
        "nearest: z_in",
    ),
    (
        profile(sersic_index={"distribution": "normal", "mean": 3, "sgma": 1}),
        "profile.sersic_index.sgma",
        "an unknown key",
        "a key of the recipe",
        "nearest: sigma",
    ),
    (
        {"scale": {"maximum": 3}},
        "scale.maximum",
        "an unknown key",
        "a key of the recipe",
        "nearest: max",
    ),
    ({"galaxies": 0}, "galaxies", "0", "greater than or equal to 1", SEE),
    ({"galaxies": -5}, "galaxies", "-5", "greater than or equal to 1", SEE),
    ({"galaxies": 10**13}, "galaxies", str(10**13), "less than or equal to", SEE),
    ({"galaxies": "many"}, "galaxies", "many", "a whole number", SEE),
    ({"galaxies": 1.5}, "galaxies", "1.5", "a whole number", SEE),
    ({"galaxies": None}, "galaxies", "None", "a whole number", SEE),
    ({"galaxies": True}, "galaxies", "True", "a number", SEE),
    ({"seed": -1}, "seed", "-1", "greater than or equal to 0", SEE),
    ({"seed": 2**64}, "seed", str(2**64), f"less than {2**64}", SEE),
    ({"image_shape": 0}, "image_shape", "0", SHAPE, "for example 60 or [60, 80]"),
    ({"image_shape": [9, 0]}, "image_shape", "[9, 0]", SHAPE, "for example 60"),
    ({"image_shape": [9]}, "image_shape", "[9]", SHAPE, "for example 60"),
    ({"image_shape": [9] * 3}, "image_shape", "[9, 9, 9]", SHAPE, "for example 60"),
    ({"image_shape": [9, True]}, "image_shape", "[9, True]", SHAPE, "for example 60"),
    ({"image_shape": "big"}, "image_shape", "big", SHAPE, "for example 60"),
    ({"image_shape": "60, 60"}, "image_shape", "60, 60", SHAPE, "for example 60"),
    ({"image_shape": 60.5}, "image_shape", "60.5", SHAPE, "for example 60"),
    ({"image_shape": True}, "image_shape", "True", "a number", SEE),
    ({"pixel_scale": 0}, "pixel_scale", "0", "greater than 0", SEE),
    ({"pixel_scale": -0.1}, "pixel_scale", "-0.1", "greater than 0", SEE),
    ({"pixel_scale": NOT_A_NUMBER}, "pixel_scale", "nan", "a finite number", SEE),
    (
        {"pixel_scale": 0.003},
        "pixel_scale",
        "0.003",
        "0.5 to 30 pixels to be the radius of some galaxies",
        "give profile.half_light_radius",
    ),
    ({"filters": []}, "filters", "[]", "at least 1 of them", SEE),
    ({"filters": "f606w"}, "filters", "f606w", "a list", "write [f606w]"),
    ({"filters": "g, no"}, "filters", "g, no", "a list", "write [g,'no']"),
    ({"filters": [606]}, "filters.0", "606", "a text", SEE),
    ({"profile": 4}, "profile", "4", "keys with values", SEE),
    (profile(name="spergel"), "profile.name", "spergel", "'sersic'", SEE),
    ({"profile": {"name": "images"}}, "profile.source", "nothing", "a value", SEE),
    (
        {"profile": {"name": "images", "source": "a", "axis_ratio": 1}},
        "profile.axis_ratio",
        "an unknown key",
        "a key of the recipe",
        "nearest: ",
    ),
    (
        {"profile": {"name": "images", "source": "a", "draw": "twice"}},
        "profile.draw",
        "twice",
        "'once' or 'random'",
        SEE,
    ),
    (
        {"profile": {"name": "images", "source": "a"}, "angular_size": True},
        "profile.pixel_scale",
        "nothing",
        "the size of a pixel of the images [arcsec], for what telescopes see",
        "give it, or pixel_scale where frames have the same pixels",
    ),
    (profile(sersic_index="four"), "profile.sersic_index", "four", LAWS, SEE),
    (profile(sersic_index=None), "profile.sersic_index", "None", LAWS, SEE),
    (
        profile(sersic_index={"distribution": "gauss"}),
        "profile.sersic_index.distribution",
        "gauss",
        "one of constant, uniform, normal, lognormal, beta, choice",
        "nearest: ",
    ),
    (
        profile(sersic_index=NOT_A_NUMBER),
        "profile.sersic_index.value",
        "nan",
        "a finite number",
        SEE,
    ),
    (
        profile(sersic_index=8.1),
        "profile.sersic_index",
        "8.1",
        "values within 0.3 to 8",
        "choose another number",
    ),
    (
        profile(sersic_index={"distribution": "normal", "mean": 3, "sigma": 1}),
        "profile.sersic_index",
        "-inf to inf",
        "values within 0.3 to 8",
        "set its minimum and maximum",
    ),
    (
        profile(axis_ratio=uniform(0.05, 1.0)),
        "profile.axis_ratio",
        "0.05 to 1",
        "values within 0.1 to 1",
        "set its minimum and maximum",
    ),
    (
        profile(axis_ratio=0),
        "profile.axis_ratio",
        "0",
        "values within 0.1 to 1",
        "choose another number",
    ),
    (
        profile(axis_ratio=uniform(0.9, 0.3)),
        "profile.axis_ratio.minimum",
        "0.9",
        "less than the maximum, 0.3",
        "exchange them, or give one number for a constant",
    ),
    (
        profile(position_angle=-10),
        "profile.position_angle",
        "-10",
        "values within 0 to 180",
        "choose another number",
    ),
    (
        profile(half_light_radius=0),
        "profile.half_light_radius",
        "0 pixels",
        "at least 0.02 pixels",
        "set its minimum, or a smaller pixel_scale",
    ),
    (
        profile(half_light_radius=-1),
        "profile.half_light_radius",
        "-1",
        "0 or more",
        "choose another number",
    ),
    ({"sampling": "center"}, "sampling", "center", "'pixel' or 'centre'", SEE),
    ({"normalise": "sum"}, "normalise", "sum", "'flux' or 'peak'", SEE),
    (
        {"reference_redshift": 0},
        "reference_redshift",
        "0",
        "greater than 0",
        SEE,
    ),
    ({"redshifts": {"z_in": 0}}, "redshifts.z_in", "0", "greater than 0", SEE),
    ({"redshifts": {"z_out": -1}}, "redshifts.z_out", "-1", "greater than 0", SEE),
    (
        {"redshifts": {"z_in": 1, "z_out": 1}},
        "redshifts.z_in",
        "1.0",
        "less than z_out, 1",
        "the output is the higher redshift: exchange them",
    ),
    (
        {"redshifts": {"z_in": 2, "z_out": 1.5}},
        "redshifts.z_in",
        "2.0",
        "less than z_out, 1.5",
        "the output is the higher redshift: exchange them",
    ),
    ({"redshifts": {"law": "any"}}, "redshifts.law", "any", "'conditional' or", SEE),
    (
        {"redshifts": {"min_separation": -1}},
        "redshifts.min_separation",
        "-1",
        "greater than or equal to 0",
        SEE,
    ),
    ({"redshifts": 1.0}, "redshifts", "1.0", "keys with values", SEE),
    ({"templates": {"ages": "old"}}, "templates.ages", "old", "'physical' or", SEE),
    ({"brightness": {"law": "x"}}, "brightness.law", "x", "'equal', 'grid' or", SEE),
    (
        {"brightness": {"magnitude": "bright"}},
        "brightness.magnitude",
        "bright",
        LAWS,
        SEE,
    ),
    ({"scale": 0}, "scale", "0", "greater than 0", SEE),
    ({"scale": "big"}, "scale", "big", "a number", SEE),
    ({"scale": NOT_A_NUMBER}, "scale", "nan", "a finite number", SEE),
    ({"scale": {"max": -3}}, "scale.max", "-3", "greater than 0", SEE),
    ({"scale": {"over": 0}}, "scale.over", "0", "greater than or equal to 1", SEE),
    ({"cosmology": "Planck18"}, "cosmology", "Planck18", "keys with values", SEE),
    ({"cosmology": {"H0": None}}, "cosmology.H0", "None", "a number", SEE),
    (
        {"layout": {"compression": "gzip"}},
        "layout.compression",
        "gzip",
        "'none', 'lz4' or 'zstd'",
        SEE,
    ),
    (
        {"layout": {"part": 100, "chunk": 64}},
        "layout.part",
        "100",
        "a multiple of chunk, 64",
        "choose powers of two",
    ),
    ({"catalogue": {}}, "catalogue.path", "nothing", "a value", SEE),
    ({"catalogue": {"path": ""}}, "catalogue.path", "nothing", "", SEE),
    (
        {"catalogue": {"path": "a", "units": {"b": 3}}},
        "catalogue.units.b",
        "3",
        "",
        SEE,
    ),
    (
        {"catalogue": "t.csv"},
        "catalogue",
        "t.csv",
        "keys with values",
        "write {path: t.csv}",
    ),
    ({"layout": {"chunk": 0}}, "layout.chunk", "0", "greater than or equal to 1", SEE),
]


@pytest.mark.parametrize(
    ("wrong", "field", "value", "expected", "cure"),
    WRONG,
    ids=[json.dumps(case[0])[:60] for case in WRONG],
)
def test_a_wrong_choice_is_told_in_one_line(wrong, field, value, expected, cure):
    with pytest.raises(InputError) as caught:
        Recipe(**wrong)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert caught.value.field == field
    assert message.startswith(f"{field}: got {value}, expected {expected}")
    assert caught.value.cure.startswith(cure)
    # Nothing of pydantic's own ways shows through.
    assert "pydantic" not in message
    assert "Tuple" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "keys with values"),
        ("- 1", "keys with values"),
        ("just text", "keys with values"),
        ("galaxies: 3\nseed: [", "valid YAML (line 2)"),
        ("a\x00b: 3", "valid YAML"),
        ("galaxies: 2001-99-99", "valid YAML"),
        ("galaxies: " + "1" * 5000, "valid YAML"),
        ("[" * 3000, "valid YAML"),
        ("? [a]\n: b", "valid YAML (line 1)"),
        (b"\xff\xfe\x00", "a readable YAML file (not text)"),
    ],
)
def test_a_file_that_holds_no_choices_is_told_in_one_line(tmp_path, text, expected):
    path = recipe_file(tmp_path, text)
    with pytest.raises(InputError) as caught:
        Recipe.from_yaml(path)
    assert caught.value.field == "recipe"
    assert caught.value.value == str(path)
    assert caught.value.expected == expected
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nowhere.yaml", "No such file"), (".", "Is a directory")],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(name, reason):
    with pytest.raises(InputError, match=f"readable YAML file .{reason}.*check the"):
        Recipe.from_yaml(name)


def test_a_file_of_comments_is_the_defaults(tmp_path):
    assert Recipe.from_yaml(recipe_file(tmp_path, "# nothing yet\n\n")) == Recipe()
    with pytest.raises(InputError, match="keys with values"):
        Recipe.from_yaml(recipe_file(tmp_path, "\n"))


def test_a_key_that_is_no_name_is_told(tmp_path):
    with pytest.raises(InputError, match=r"with the key 1, expected keys that are n"):
        Recipe.from_yaml(recipe_file(tmp_path, "1: 2\n"))


def test_whole_numbers_may_have_an_exponent(tmp_path):
    written = recipe_file(tmp_path, "galaxies: 1e3\nseed: 1.2e2\n")
    assert Recipe.from_yaml(written) == Recipe(galaxies=1000, seed=120)
    assert assemble({}, ["galaxies=1e3", "seed=1e19"]).seed == 10**19
    for wrong in ("1.5", "1e-1", "1e999999999", "inf", "nan", "1e3x"):
        with pytest.raises(InputError, match=r"galaxies: got .*whole number"):
            Recipe(galaxies=wrong)


def test_an_unknown_law_is_told_the_nearest():
    law = {"distribution": "lognormall", "median": 2, "sigma": 1}
    with pytest.raises(InputError) as caught:
        Recipe(profile={"sersic_index": law})
    assert str(caught.value) == (
        "profile.sersic_index.distribution: got lognormall, expected one of constant, "
        "uniform, normal, lognormal, beta, choice; nearest: lognormal"
    )


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.mkdir ['was-run']",
        "galaxies: !!python/object/apply:os.mkdir ['was-run']",
        "seed: !!python/name:os.mkdir",
    ],
)
def test_yaml_that_runs_python_is_refused_and_not_run(tmp_path, text):
    with pytest.raises(InputError, match="valid YAML"):
        Recipe.from_yaml(recipe_file(tmp_path, text))
    with pytest.raises(InputError, match="valid YAML"):
        assemble({}, [f"seed={text}"])
    assert not Path("was-run").exists()


def test_yaml_that_contains_itself_is_told_in_one_line(tmp_path):
    path = recipe_file(tmp_path, "profile: &itself {name: *itself}")
    with pytest.raises(InputError, match=r"profile\.name: got"):
        Recipe.from_yaml(path)


def test_reading_yaml_keeps_only_what_the_file_holds(tmp_path):
    path = recipe_file(tmp_path, "galaxies: 5\nscale: {max: 3}\n")
    assert read_yaml(path) == {"galaxies": 5, "scale": {"max": 3}}


# Settings of a command line.


@pytest.mark.parametrize(
    ("start", "settings", "same_as"),
    [
        ({}, [], {}),
        ({"galaxies": 3}, ["galaxies=4"], {"galaxies": 4}),
        ({"galaxies": 3}, ["seed=4"], {"galaxies": 3, "seed": 4}),
        ({}, ["galaxies=4", "galaxies=5"], {"galaxies": 5}),
        ({}, ["scale.max=1000"], {"scale": {"max": 1000}}),
        (
            {"scale": {"over": 7}},
            ["scale.max=1000"],
            {"scale": {"max": 1000, "over": 7}},
        ),
        ({"scale": 3.0}, ["scale.max=1000"], {"scale": {"max": 1000}}),
        ({"scale": {"max": 5}}, ["scale=7"], {"scale": 7}),
        ({}, ["scale=null"], {"scale": None}),
        ({}, ["image_shape=[31, 40]"], {"image_shape": (31, 40)}),
        ({}, ["filters=[a, b]"], {"filters": ["a", "b"]}),
        (
            profile(axis_ratio=uniform(0.3, 0.4)),
            ["profile.axis_ratio=0.5"],
            profile(axis_ratio=0.5),
        ),
        (
            profile(axis_ratio=uniform(0.3, 0.4)),
            ["profile.axis_ratio.maximum=0.6", "profile.sersic_index=1e-0"],
            profile(axis_ratio=uniform(0.3, 0.6), sersic_index=1),
        ),
        (
            profile(axis_ratio=0.5),
            ["profile.axis_ratio={distribution: uniform, minimum: 0.3, maximum: 1}"],
            profile(axis_ratio=uniform(0.3, 1)),
        ),
        (
            profile(axis_ratio=0.5, sersic_index=2),
            [
                "profile.axis_ratio.distribution=uniform",
                "profile.axis_ratio.minimum=0.3",
                "profile.axis_ratio.maximum=1",
            ],
            profile(axis_ratio=uniform(0.3, 1), sersic_index=2),
        ),
    ],
)
def test_settings_replace_what_the_file_says(start, settings, same_as):
    before = copy.deepcopy(start)
    assert assemble(start, settings) == Recipe(**same_as)
    assert start == before


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("galaxies", "key=value"),
        ("=3", "key=value"),
        ("", "key=value"),
        ("galaxies=[", "a value that is valid YAML; close its brackets"),
        ("galaxies==", "a value that is valid YAML"),
        ("seed=2001-99-99", "a value that is valid YAML"),
        ("scale={", "a value that is valid YAML; close its brackets"),
    ],
)
def test_a_setting_that_is_none_is_told_in_one_line(setting, expected):
    with pytest.raises(InputError, match=f"expected {expected}") as caught:
        assemble({}, [setting])
    assert caught.value.field == "--set"
    assert caught.value.value == setting


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("galaxy=3", "galaxy"),
        ("galaxies.x=3", "galaxies"),
        ("profile.sersic=3", "profile.sersic"),
        ("profile..sersic_index=3", "profile"),
        (".galaxies=3", "recipe"),
        ("profile.half_light_radius.median=0.5", "profile.half_light_radius"),
        ("redshifts.z_in=-1", "redshifts.z_in"),
    ],
)
def test_a_setting_that_makes_no_recipe_is_told_by_its_key(setting, field):
    with pytest.raises(InputError) as caught:
        assemble({}, [setting])
    assert caught.value.field == field
    assert len(str(caught.value).splitlines()) == 1


# What a recipe is.


@pytest.mark.parametrize(
    "same",
    [
        {"galaxies": 7},
        {"scale": 3.0},
        {"scale": None},
        {"layout": {"compression": "zstd", "part": 64, "chunk": 16}},
        {"catalogue": {"path": "t.csv"}},
    ],
)
def test_number_scale_and_layout_are_not_what_a_galaxy_follows_from(same):
    assert Recipe(**same).identity() == Recipe().identity()


def test_everything_else_is_what_a_galaxy_follows_from():
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"image_shape": 61},
        {"pixel_scale": 0.05},
        {"filters": ["a"]},
        profile(sersic_index=4),
        profile(offset_x=0.5),
        {"profile": {"name": "images", "source": "a"}},
        {"profile": {"name": "images", "source": "a", "draw": "random"}},
        {"sampling": "centre"},
        {"normalise": "peak"},
        {"reference_redshift": 1.0},
        {"angular_size": True},
        {"size_evolution": -1.0, "angular_size": True},
        {"observation": {"psf": {"psf_fwhm": 0.1}}},
        {"redshifts": {"min_separation": 0.1}},
        {"redshifts": {"values": "continuous"}},
        {"templates": {"ages": "all"}},
        {"brightness": {"magnitude": 19}},
        {"cosmology": {"name": "FlatLambdaCDM"}},
        {"layout": {"keep_bits": 12}},
    ]
    identities = [json.dumps(Recipe(**other).identity()) for other in others]
    identities.append(json.dumps(Recipe().identity()))
    assert len(set(identities)) == len(others) + 1
    # A choice that is added to the recipe is to be added here.
    left_out = {"galaxies", "scale", "catalogue"}
    covered = {next(iter(other)) for other in others} | left_out
    assert covered == set(Recipe.model_fields)


def test_where_images_are_is_not_what_a_galaxy_follows_from():
    here, there = (
        Recipe(profile={"name": "images", "source": one}) for one in ("a", "b.nc")
    )
    assert here.identity() == there.identity()
    assert Recipe(**json.loads(there.model_dump_json())) == there
    assert "source: b.nc" in there.to_yaml()


def test_a_recipe_cannot_change():
    recipe = Recipe()
    with pytest.raises(ValidationError, match="frozen"):
        recipe.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        recipe.profile.axis_ratio = Constant(value=1.0)


def test_filling_in_the_default_radii_changes_no_other_recipe():
    Recipe(pixel_scale=0.2)
    assert Recipe(pixel_scale=0.1) == Recipe(pixel_scale=0.1)
    assert type(Recipe().profile)().half_light_radius is None


def test_radii_that_are_not_given_follow_the_pixel_scale(tmp_path: Path) -> None:
    text = Recipe().to_yaml()
    assert "half_light_radius: null" in text
    edited = text.replace("pixel_scale: 0.06", "pixel_scale: 0.03")
    recipe = Recipe.from_yaml(recipe_file(tmp_path, edited))
    assert recipe == Recipe(pixel_scale=0.03)
    assert recipe.profile.half_light_radius.support() == (0.015, 0.9)


@pytest.mark.parametrize("scale", [1e39, 1.1e30, {"max": 1e39}])
def test_a_scale_that_float32_cannot_hold_is_refused(scale: Any) -> None:
    with pytest.raises(InputError, match="scale"):
        Recipe(scale=scale)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed: 1\ngalaxies: 2\nseed: 3\n", "seed twice (lines 1 and 3)"),
        ("scale: {max: 1,\n over: 2, max: 3}\n", "max twice (lines 1 and 2)"),
        ("seed: 1\n'seed': 1\n", "seed twice (lines 1 and 2)"),
    ],
)
def test_a_key_that_stands_twice_is_refused(text, told):
    Path("r.yaml").write_text(text)
    for reads, field in ((Recipe.from_yaml, "recipe"), (SedGrid.from_yaml, "seds")):
        with pytest.raises(InputError) as caught:
            reads("r.yaml")
        message = f"{field}: got r.yaml with {told}, expected each key once; drop one"
        assert str(caught.value).startswith(message)


def test_a_merged_key_may_be_replaced():
    base = "redshifts: {<<: {law: uniform, min_separation: 0.5}, min_separation: 1.0}\n"
    Path("merged.yaml").write_text(base)
    merged = Recipe.from_yaml("merged.yaml").redshifts
    assert (merged.law, merged.min_separation) == ("uniform", 1.0)


def test_a_key_that_stands_twice_in_a_setting_is_refused():
    with pytest.raises(InputError, match=r"--set: got scale=.*expected each key once"):
        assemble({}, ["scale={max: 1, max: 2}"])
