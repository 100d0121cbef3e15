"""Recipes of several components: what is left out is filled in, wrong ones are told."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from argdask.cli import main
from argdask.errors import InputError
from argdask.recipe import ComponentsProfile, Recipe, assemble
from argdask.sampling import Beta, Constant, Uniform

SEE = "see `argdask recipe` for every choice"


def of(components: Any = None, **keys: Any) -> dict[str, Any]:
    """Return a recipe's choices of components."""
    named = {} if components is None else {"components": components}
    return {"profile": {"name": "components", **keys, **named}}


def profile_of(*args: Any, **keys: Any) -> ComponentsProfile:
    profile = Recipe(**of(*args, **keys)).profile
    assert isinstance(profile, ComponentsProfile)
    return profile


# What is left out.


@pytest.mark.parametrize(
    "components",
    [
        None,
        {"bulge": {}, "disc": {}},
        {"disc": {}, "bulge": {}},
        {"disc": None, "bulge": None},
    ],
)
def test_names_alone_make_a_bulge_in_a_disc(components):
    profile = profile_of(components)
    assert list(profile.components) == ["bulge", "disc"]
    bulge, disc = profile.components.values()
    assert bulge.sersic_index.support() == (2.0, 8.0)
    assert bulge.sersic_index.quantile(np.array([0.5]))[0] == pytest.approx(4, rel=0.01)
    assert bulge.axis_ratio == Uniform(minimum=0.6, maximum=1.0)
    assert disc.sersic_index == Constant(value=1.0)
    radii = [one.half_light_radius for one in (bulge, disc)]
    assert [law.median for law in radii] == [0.2, 0.6]
    assert [law.support() for law in radii] == [(0.03, 1.8)] * 2
    assert profile.bulge_to_total == Beta(alpha=1.0, beta=2.0)
    assert profile.fractions == {"bulge": profile.bulge_to_total}
    assert profile.ages("bulge", known=True) == (1e9, np.inf)
    assert profile.ages("bulge", known=False) == (0.0, np.inf)
    assert profile.ages("disc", known=True) == (0.0, np.inf)


def test_what_is_said_goes_before_what_is_usual():
    profile = profile_of({"bulge": {"sersic_index": 2, "maximum_age": 3e9}, "disk": {}})
    bulge, disk = profile.components.values()
    assert bulge.sersic_index == Constant(value=2.0)
    assert bulge.axis_ratio == Uniform(minimum=0.6, maximum=1.0)
    assert disk.sersic_index == Constant(value=1.0)
    assert profile.ages("bulge", known=True) == (0.0, 3e9)


def test_other_names_have_what_galaxies_have():
    galaxy = Recipe().profile
    profile = profile_of({"bar": {}, "ring": {"light_fraction": 0.1}})
    for one in profile.components.values():
        for name in ("half_light_radius", "sersic_index", "axis_ratio", "asymmetry"):
            assert getattr(one, name) == getattr(galaxy, name)
        assert one.position_angle is None
    assert list(profile.fractions) == ["ring"]
    assert profile.bulge_to_total is None


def test_a_bulge_takes_the_rest_where_all_others_have_their_own():
    profile = profile_of({"bulge": {}, "disc": {"light_fraction": 0.8}})
    assert profile.bulge_to_total is None
    assert list(profile.fractions) == ["disc"]


def test_a_bulge_leaves_the_others_what_is_theirs():
    bar = {"distribution": "uniform", "minimum": 0.1, "maximum": 0.25}
    profile = profile_of({"bulge": {}, "bar": {"light_fraction": bar}, "disc": {}})
    assert profile.bulge_to_total == Beta(alpha=1.0, beta=2.0, maximum=0.75)
    profile = profile_of({"bulge": {}, "bar": {"light_fraction": 1}, "disc": {}})
    assert profile.bulge_to_total is None


def test_radii_follow_the_pixel_scale_until_they_are_given():
    text = Recipe(**of(), pixel_scale=0.03).to_yaml()
    written = yaml.safe_load(text)
    components = written["profile"]["components"]
    assert [one["half_light_radius"] for one in components.values()] == [None, None]
    profile = Recipe(**{**written, "pixel_scale": 0.05}).profile
    radius = profile.components["bulge"].half_light_radius
    assert radius.support() == (0.025, 1.5)


# Ways into a recipe and out of it.

names = st.sampled_from(["bulge", "disc", "bar", "_x1", "Größe", "a", "sersic"])
fraction = st.none() | st.floats(0, 0.25)
components = st.dictionaries(
    names,
    st.fixed_dictionaries(
        {},
        optional={
            "sersic_index": st.floats(0.3, 8),
            "axis_ratio": st.just(
                {"distribution": "uniform", "minimum": 0.3, "maximum": 0.9}
            ),
            "half_light_radius": st.floats(0.01, 3),
            "position_angle": st.none() | st.floats(0, 180),
            "offset_y": st.none() | st.floats(-3, 3),
            "asymmetry": st.floats(0, 0.9),
            "minimum_age": st.none() | st.floats(0, 1e10),
        },
    ),
    min_size=2,
    max_size=4,
)


@given(components, st.none() | st.floats(0, 1))
def test_a_recipe_of_components_reads_back_equal(chosen, share):
    keys = {"bulge_to_total": share} if "bulge" in chosen else {}
    recipe = Recipe(**of(chosen, **keys))
    assert Recipe(**yaml.safe_load(recipe.to_yaml())) == recipe
    again = Recipe(**json.loads(recipe.model_dump_json()))
    assert again == recipe
    assert list(again.profile.components) == sorted(chosen)
    # A plan sorts all keys.
    text = json.dumps(json.loads(recipe.model_dump_json()), sort_keys=True)
    assert Recipe(**json.loads(text)).to_yaml() == recipe.to_yaml()


def test_the_order_of_components_does_not_matter():
    chosen = {"c": {}, "a": {"sersic_index": 2}, "b": {"light_fraction": 0.1}}
    texts = {
        Recipe(**of({name: chosen[name] for name in order})).model_dump_json()
        for order in itertools.permutations(chosen)
    }
    assert len(texts) == 1


def test_every_choice_of_a_component_is_explained():
    lines = Recipe(**of()).to_yaml().splitlines()
    place = lines.index("    bulge:")
    below = [line for line in lines[place + 1 :] if line.startswith("      ")]
    keys = [line for line in below if not line.lstrip().startswith("#")]
    assert len(keys) == 2 * 12
    for line in keys:
        assert below[below.index(line) - 1].lstrip().startswith("#"), line


def test_settings_reach_into_components():
    start = of({"bulge": {}, "disc": {}})
    recipe = assemble(
        start,
        [
            "profile.components.bulge.sersic_index=4",
            "profile.components.bar.light_fraction=0.1",
            "profile.bulge_to_total={distribution: uniform, minimum: 0, maximum: 0.9}",
        ],
    )
    assert list(recipe.profile.components) == ["bar", "bulge", "disc"]
    assert recipe.profile.components["bulge"].sersic_index == Constant(value=4.0)
    assert list(recipe.profile.fractions) == ["bar", "bulge"]
    assert start == of({"bulge": {}, "disc": {}})


def test_the_command_shows_every_choice_of_components(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["recipe", "--set", "profile.name=components", "--set", "seed=3"])
    assert stopped.value.code == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert Recipe(**shown) == Recipe(**of(), seed=3)


def test_recipes_of_one_profile_are_what_they_were():
    # Stores of earlier versions go on only as long as nothing is added here.
    assert Recipe().identity()["profile"].keys() == {
        *("name", "half_light_radius", "sersic_index", "axis_ratio", "position_angle"),
        *("offset_y", "offset_x", "asymmetry", "asymmetry_angle"),
    }


# Wrong ones.

TWO: dict[str, Any] = {"a": {}, "b": {}}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            of({"a": {}}),
            "profile.components: got a, expected two or more components; add one",
        ),
        (of({}), "profile.components: got nothing, expected two or more components"),
        (of(3), f"profile.components: got 3, expected keys with values; {SEE}"),
        (of({"a": 3, "b": {}}), "profile.components.a: got 3, expected keys with val"),
        (
            of({"a b": {}, "c": {}}),
            "profile.components: got a b, expected names of letters, digits and _",
        ),
        (of({"class": {}, "c": {}}), "profile.components: got class, expected names"),
        (of({"template": {}, "c": {}}), "profile.components: got template, expected"),
        (of({1: {}, "c": {}}), "profile.components: got 1, expected names of letters"),
        (
            of({"a": {"sersc_index": 1}, "b": {}}),
            "profile.components.a.sersc_index: got an unknown key, expected a key of "
            "the recipe; nearest: sersic_index",
        ),
        (
            of({"a": {"sersic_index": 9}, "b": {}}),
            "profile.components.a.sersic_index: got 9, expected values within 0.3",
        ),
        (
            of({"a": {"position_angle": 200}, "b": {}}),
            "profile.components.a.position_angle: got 200, expected values wit",
        ),
        (
            of(TWO, position_angle=-1),
            "profile.position_angle: got -1, expected values within 0 to 180",
        ),
        (
            of({"a": {"half_light_radius": 0.0001}, "b": {}}),
            "profile.components.a.half_light_radius: got 0.00167 pixels, expected at ",
        ),
        (
            {**of(TWO), "pixel_scale": 1e3},
            "pixel_scale: got 1000.0, expected 0.5 to 30 pixels to be the radius of "
            "some galaxies; give profile.components.a.half_light_radius",
        ),
        (
            of({"a": {"light_fraction": 1.5}, "b": {}}),
            "profile.components.a.light_fraction: got 1.5, expected values wi",
        ),
        (
            of(bulge_to_total=-0.1),
            "profile.bulge_to_total: got -0.1, expected values within 0 to 1",
        ),
        (
            of(bulge_to_total={"distribution": "normal", "mean": 0.3, "sigma": 0.1}),
            "profile.bulge_to_total: got -inf to inf, expected values within 0 to 1; "
            "set its minimum and maximum",
        ),
        (
            of(TWO, bulge_to_total=0.3),
            "profile.bulge_to_total: got a distribution, and no component bulge, exp",
        ),
        (
            of({"bulge": {"light_fraction": 0.3}, "disc": {}}),
            "profile.components.bulge.light_fraction: got a distribution, expected no",
        ),
        (
            of({"a": {"light_fraction": 0.3}, "b": {"light_fraction": 0.7}}),
            "profile.components: got a light fraction for each component, expected o",
        ),
        (
            of({"a": {"light_fraction": 0.8}, "b": {"light_fraction": 0.3}, "c": {}}),
            "profile.components: got light fractions that add up to 1.1 at most, exp",
        ),
        (
            of(
                {"bulge": {}, "bar": {"light_fraction": 0.3}, "disc": {}},
                bulge_to_total={"distribution": "beta", "alpha": 1, "beta": 1}
                | {"maximum": 0.8},
            ),
            "profile.components: got light fractions that add up to 1.1 at most, exp",
        ),
        (
            of({"a": {"minimum_age": 3e9, "maximum_age": 1e9}, "b": {}}),
            "profile.components.a.minimum_age: got 3000000000.0, expected at most max",
        ),
        (
            of({"a": {"minimum_age": -1}, "b": {}}),
            "profile.components.a.minimum_age: got -1, expected greater than or equal",
        ),
        (
            of({"a": {"maximum_age": "old"}, "b": {}}),
            "profile.components.a.maximum_age: got old, expected a number",
        ),
        (
            of({"a": {"name": "images"}, "b": {}}),
            "profile.components.a.name: got images, expected 'sersic'",
        ),
        (
            of(sersic_index=1),
            "profile.sersic_index: got an unknown key, expected a key of the recipe",
        ),
        (
            {"profile": {"name": "component"}},
            "profile.name: got component, expected 'sersic', 'components' or 'images'",
        ),
        (
            {"profile": {"components": TWO}},
            "profile.components: got an unknown key, expected a key of the recipe",
        ),
    ],
)
def test_a_wrong_recipe_of_components_is_told_in_one_line(choices, message):
    with pytest.raises(InputError) as caught:
        Recipe(**choices)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
