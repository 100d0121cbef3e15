"""Recipes that observe: what they say, what they refuse, what their pixels follow."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from argdask.errors import InputError
from argdask.recipe import Recipe, assemble
from argdask.recipe_observation import AiryPSF, GaussianPSF, MoffatPSF, Observation

SEE = "see `argdask recipe` for every choice"

GAUSSIAN = {"name": "gaussian", "psf_fwhm": 0.1}
DEPTH = {"depth": 27.0, "aperture": 0.4}
SKY = {"sky_brightness": 22.0, "exposure_time": 600.0, "zeropoint": 25.9}


def seen(**keys: Any) -> Recipe:
    return Recipe(observation=keys)


def observation_of(**keys: Any) -> Observation:
    observation = seen(**keys).observation
    assert observation is not None
    return observation


# What is said.


def test_a_psf_without_a_name_is_a_gaussian():
    assert observation_of(psf={"psf_fwhm": 0.1}).psf == GaussianPSF(psf_fwhm=0.1)


@pytest.mark.parametrize(
    ("keys", "layers"),
    [
        ({"psf": GAUSSIAN}, ("clean", "convolved")),
        ({"noise": DEPTH}, ("clean", "noisy")),
        ({"psf": GAUSSIAN, "noise": DEPTH}, ("clean", "convolved", "noisy")),
        (
            {"psf": GAUSSIAN, "target": {"noise": DEPTH}},
            ("clean", "convolved", "noisy"),
        ),
        ({"target": {"psf": GAUSSIAN}}, ("clean", "convolved")),
        ({"preset": "candels-deep"}, ("clean", "convolved", "noisy")),
        ({"target": {"preset": "candels-deep"}}, ("clean", "convolved", "noisy")),
    ],
)
def test_layers_are_all_that_there_are_unless_they_are_chosen(keys, layers):
    observation = observation_of(**keys)
    assert observation.made == observation.kept == layers
    for number in range(1, len(layers) + 1):
        for chosen in itertools.permutations(layers, number):
            some = observation_of(**keys, layers=chosen)
            assert some.kept == tuple(name for name in layers if name in chosen)
            assert some.made == layers


def test_the_order_of_filters_and_layers_does_not_matter():
    noise = {"b": DEPTH, "a": {"gain": 3.0}}
    psf = {"b": GAUSSIAN, "a": {"name": "airy", "diameter": 2.4}}
    one = seen(noise=noise, psf=psf, layers=["noisy", "clean"])
    other = seen(
        noise=dict(sorted(noise.items())),
        psf=dict(sorted(psf.items())),
        layers=["clean", "noisy"],
    )
    assert json.dumps(one.identity()) == json.dumps(other.identity())


def test_settings_reach_into_an_observation():
    recipe = assemble(
        {"observation": {"psf": {"name": "moffat", "psf_fwhm": 0.7, "beta": 3.0}}},
        [
            "observation.psf.psf_fwhm=0.9",
            "observation.target.noise.f-1.gain=2",
            "observation.layers=[noisy]",
        ],
    )
    observation = recipe.observation
    assert observation is not None
    assert observation.psf == MoffatPSF(name="moffat", psf_fwhm=0.9, beta=3.0)
    assert observation.target is not None
    assert list(observation.target.noise) == ["f-1"]
    assert observation.kept == ("noisy",)


def test_every_choice_of_an_observation_is_explained():
    text = seen(
        psf={"a": GAUSSIAN, "b": {"name": "image", "source": "a.npy"}},
        noise={"a": SKY},
        target={"psf": {"name": "airy", "diameter": 6.5}},
    ).to_yaml()
    lines = text[text.index("observation:") : text.index("\nlayout:")].splitlines()
    named = {"observation:", "a:", "b:"}
    for above, line in itertools.pairwise(lines):
        key = line.strip()
        if not key.startswith("#") and key not in named:
            assert above.lstrip().startswith("#"), line
    assert max(len(line) for line in lines) <= 90


widths = st.floats(0.01, 5)
psfs = st.one_of(
    st.fixed_dictionaries({"psf_fwhm": widths}),
    st.fixed_dictionaries(
        {"name": st.just("moffat"), "psf_fwhm": widths, "beta": st.floats(1.1, 100)}
    ),
    st.fixed_dictionaries(
        {"name": st.just("airy"), "diameter": widths},
        optional={"obscuration": st.floats(0, 0.9), "wavelength": st.floats(1e3, 1e5)},
    ),
    st.fixed_dictionaries(
        {"name": st.just("image"), "source": st.text("ab/. é", min_size=1)},
        optional={
            "pixel_scale": widths,
            "centre": st.tuples(widths, widths) | st.none(),
            "includes_pixel": st.booleans(),
        },
    ),
)
noises = st.one_of(
    st.fixed_dictionaries({"background_sigma": st.floats(0, 1e3)}),
    st.fixed_dictionaries(
        {"depth": st.floats(15, 35), "aperture": widths},
        optional={"depth_significance": st.floats(1, 10), "gain": st.floats(1, 1e9)},
    ),
    st.fixed_dictionaries(
        {name: st.just(value) for name, value in SKY.items()},
        optional={
            "read_noise": st.floats(0, 20),
            "dark_current": st.floats(0, 1),
            "exposures": st.integers(1, 100),
            "detector_pixel_scale": widths,
        },
    ),
)
filter_names = st.sampled_from(["f606w", "f-1", "beta", "name", "int", "psf", "f 2"])


def one_or_many(choices: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return choices | st.dictionaries(filter_names, choices, min_size=1, max_size=3)


def test_shot_noise_is_poisson_unless_another_is_chosen() -> None:
    gain = {"gain": 3.0}
    left_out, said = seen(noise=gain), seen(noise={**gain, "shot_noise": "poisson"})
    assert said.identity() == left_out.identity()
    assert "shot_noise" not in json.dumps(left_out.identity())
    normal = {**gain, "shot_noise": "normal"}
    assert seen(noise=normal).identity() != left_out.identity()


def test_each_filter_of_each_image_has_its_own_shot_noise() -> None:
    gain, normal = {"gain": 3.0}, {"gain": 3.0, "shot_noise": "normal"}
    observation = seen(
        noise={"a": gain, "b": normal}, target={"noise": {"a": normal}}
    ).observation
    assert observation is not None
    counts = {
        (role, name): observation.counts_electrons(role, name)
        for role in ("input", "target")
        for name in "ab"
    }
    # What nothing is said of in the target is as in the input.
    assert [key for key, counted in counts.items() if counted] == [("input", "a")]
    one = seen(noise=DEPTH).observation
    assert one is not None
    assert one.counts_electrons("target", "a")


@settings(max_examples=40)
@given(one_or_many(psfs), one_or_many(noises), st.booleans())
def test_a_recipe_that_observes_reads_back_equal(psf, noise, for_target):
    keys = {"psf": psf, "noise": noise}
    recipe = seen(**({"psf": psf, "target": keys} if for_target else keys))
    again = Recipe(**yaml.safe_load(recipe.to_yaml()))
    assert again == recipe
    assert again.identity() == recipe.identity()
    assert Recipe(**json.loads(recipe.model_dump_json())) == recipe
    text = json.dumps(json.loads(recipe.model_dump_json()), sort_keys=True)
    assert Recipe(**json.loads(text)).to_yaml() == recipe.to_yaml()


# What pixels follow from.


@pytest.mark.parametrize(
    ("keys", "start"),
    [
        ({}, "8eca97da37516444"),
        ({"profile": {"name": "components"}}, "580f9dee64a34ea9"),
        ({"profile": {"name": "images", "source": "a.npy"}}, "81dcb3b5a12671c1"),
    ],
)
def test_recipes_without_telescopes_are_what_they_were(keys, start):
    # Stores of earlier versions go on only as long as nothing is added here.
    text = json.dumps(Recipe(**keys).identity(), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest().startswith(start)


def test_everything_of_an_observation_is_what_pixels_follow_from():
    image = {"name": "image", "source": "a.npy"}
    others: list[dict[str, Any]] = [
        {"psf": GAUSSIAN},
        {"psf": {"psf_fwhm": 0.11}},
        {"psf": {"name": "moffat", "psf_fwhm": 0.1, "beta": 3}},
        {"psf": {"name": "moffat", "psf_fwhm": 0.1, "beta": 4}},
        {"psf": {"a": GAUSSIAN}},
        {"psf": image},
        {"psf": {**image, "pixel_scale": 0.1}},
        {"psf": {**image, "includes_pixel": True}},
        {"psf": {**image, "centre": [1, 2]}},
        {"psf": GAUSSIAN, "layers": ["convolved"]},
        {"psf": GAUSSIAN, "target": {"psf": {"psf_fwhm": 0.2}}},
        {"preset": "candels-deep"},
        {"preset": "candels-wide"},
        {"preset": "candels-deep", "target": {"preset": "candels-wide"}},
        {"noise": DEPTH},
        {"noise": {**DEPTH, "depth_significance": 3}},
        {"noise": {**DEPTH, "gain": 5}},
        {"noise": SKY},
        {"noise": {**SKY, "read_noise": 5}},
    ]
    recipes = [Recipe(), *(seen(**keys) for keys in others)]
    recipes += [Recipe(angular_size=True)]
    recipes += [Recipe(angular_size=True, size_evolution=-1)]
    own = {"name": "images", "source": "a.npy"}
    recipes += [Recipe(profile=own), Recipe(profile={**own, "psf": GAUSSIAN})]
    assert len({json.dumps(recipe.identity()) for recipe in recipes}) == len(recipes)


def test_where_an_image_is_and_how_layers_are_named_is_not():
    here, there = (
        seen(psf={"f": {"name": "image", "source": name}}, target={"noise": DEPTH})
        for name in ("a.npy", "b.fits")
    )
    assert here.identity() == there.identity()
    all_layers = ["noisy", "clean", "convolved"]
    keys = {"psf": {"f": {"name": "image", "source": "c"}}, "layers": all_layers}
    assert seen(**keys, target={"noise": DEPTH}).identity() == here.identity()
    own = (
        {"name": "images", "source": "a", "psf": {"name": "image", "source": name}}
        for name in ("a.npy", "b.npy")
    )
    first, second = (Recipe(profile=one).identity() for one in own)
    assert first == second


# Wrong ones.


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, ": got nothing to observe with, expected preset, psf or noise; leave obs"),
        (
            {"spf": 1},
            ".spf: got an unknown key, expected a key of the recipe; nearest:",
        ),
        ({"psf": 3}, ".psf: got 3, expected keys with values; write {psf_fwhm: 3}"),
        ({"psf": [GAUSSIAN]}, ".psf: got [{'name': 'gaussian', 'psf_fwhm': 0.1}], exp"),
        ({"psf": {}}, f".psf.psf_fwhm: got nothing, expected a value; {SEE}"),
        (
            {"psf": {"psf_fwmh": 0.1}},
            ".psf.psf_fwmh: got an unknown key, expected a key of the recipe; nearest: "
            "psf_fwhm",
        ),
        (
            {"psf": {"name": "gauss", "psf_fwhm": 1}},
            ".psf.name: got gauss, expected 'gaussian', 'moffat', 'airy' or 'image'; s",
        ),
        (
            {"psf": {"psf_fwhm": 0}},
            f".psf.psf_fwhm: got 0, expected greater than 0; {SEE}",
        ),
        ({"psf": {"psf_fwhm": -1}}, ".psf.psf_fwhm: got -1, expected greater than 0"),
        (
            {"psf": {"psf_fwhm": float("nan")}},
            ".psf.psf_fwhm: got nan, expected a finite",
        ),
        (
            {"psf": {"psf_fwhm": float("inf")}},
            ".psf.psf_fwhm: got inf, expected a finite",
        ),
        ({"psf": {"psf_fwhm": "wide"}}, ".psf.psf_fwhm: got wide, expected a number; "),
        (
            {"psf": {"psf_fwhm": True}},
            ".psf.psf_fwhm: got True, expected a number, a na",
        ),
        (
            {"psf": {"name": "moffat", "psf_fwhm": 1}},
            f".psf.beta: got nothing, expected a value; {SEE}",
        ),
        (
            {"psf": {"name": "moffat", "psf_fwhm": 1, "beta": 1}},
            f".psf.beta: got 1, expected greater than 1; {SEE}",
        ),
        (
            {"psf": {"name": "airy", "diameter": 2.4, "obscuration": 1}},
            ".psf.obscuration: got 1, expected less than 1",
        ),
        (
            {"psf": {"name": "airy", "diameter": -2.4}},
            ".psf.diameter: got -2.4, expected greater than 0",
        ),
        (
            {"psf": {"name": "airy", "diameter": 2.4, "wavelength": 0}},
            ".psf.wavelength: got 0, expected greater than 0",
        ),
        ({"psf": {"name": "image"}}, ".psf.source: got nothing, expected a value"),
        (
            {"psf": {"name": "image", "source": ""}},
            ".psf.source: got nothing, expected a text that is not empty",
        ),
        (
            {"psf": {"name": "image", "source": "a", "pixel_scale": -0.1}},
            ".psf.pixel_scale: got -0.1, expected greater than 0",
        ),
        (
            {"psf": {"name": "image", "source": "a", "centre": 3}},
            ".psf.centre: got 3, expected a list",
        ),
        (
            {"psf": {"name": "image", "source": "a", "centre": [1, float("nan")]}},
            ".psf.centre.1: got nan, expected a finite number",
        ),
        (
            {"psf": {"name": "image", "source": "a", "includes_pixel": "perhaps"}},
            ".psf.includes_pixel: got perhaps, expected ",
        ),
        (
            {"psf": {"acs_wfc_f606w": {"psf_fwhm": 0}}},
            ".psf.acs_wfc_f606w.psf_fwhm: got 0, expected greater than 0",
        ),
        (
            {"psf": {"beta": {"name": "moffat", "psf_fwhm": 1, "beta": 0}}},
            ".psf.beta.beta: got 0, expected greater than 1",
        ),
        (
            {"psf": {"f-1": GAUSSIAN, "f2": 3}},
            ".psf.f2: got 3, expected keys with values; write {psf_fwhm: 3}",
        ),
        (
            {"noise": {}},
            ".noise: got no background and no gain, expected background_si",
        ),
        (
            {"noise": {"f1": {}}},
            ".noise.f1: got no background and no gain, expected ba",
        ),
        (
            {"noise": {"sigma": 1}},
            ".noise.sigma: got an unknown key, expected a key of the recipe; nearest:",
        ),
        (
            {"noise": {"background_sigma": -1}},
            ".noise.background_sigma: got -1, expected greater than or equal to 0",
        ),
        (
            {"noise": {"background_sigma": float("nan")}},
            ".noise.background_sigma: got nan, expected a finite number",
        ),
        (
            {"noise": {"background_sigma": 1, "depth": 27, "aperture": 1}},
            ".noise.background_sigma: got a value, and depth, expected one way to say",
        ),
        (
            {"noise": {**DEPTH, **SKY}},
            ".noise.depth: got a value, and sky_brightness, expected one way to say th",
        ),
        (
            {"noise": {"depth": 27}},
            ".noise.aperture: got nothing, expected a value, as depth has; give it, or",
        ),
        (
            {"noise": {"depth": 270, "aperture": 1}},
            ".noise.depth: got 270, expected less than or equal to 60",
        ),
        (
            {"noise": {"aperture": 0.4, "gain": 1}},
            ".noise.depth: got nothing, expected a value, as aperture has; give it, or",
        ),
        (
            {"noise": {"depth_significance": 3, "gain": 1}},
            ".noise.depth: got nothing, expected a value, as depth_significance has; g",
        ),
        (
            {"noise": {**DEPTH, "depth_significance": 0}},
            ".noise.depth_significance: got 0, expected greater than 0",
        ),
        (
            {"noise": {**DEPTH, "aperture": 0}},
            ".noise.aperture: got 0, expected greater than 0",
        ),
        (
            {"noise": {"sky_brightness": 22}},
            ".noise.exposure_time: got nothing, expected a value, as sky_brightness ha",
        ),
        (
            {"noise": {"sky_brightness": 22, "exposure_time": 3}},
            ".noise.zeropoint: got nothing, expected a value, as exposure_time has; gi",
        ),
        (
            {"noise": {"zeropoint": 25, "background_sigma": 3}},
            ".noise.exposure_time: got nothing, expected a value, as zeropoint has; gi",
        ),
        (
            {"noise": {"gain": 3, "zeropoint": 25, "exposure_time": 3}},
            ".noise.gain: got a value, and exposure_time, expected one way to say the ",
        ),
        (
            {"noise": {**SKY, "gain": 3}},
            ".noise.gain: got a value, and exposure_time, expected one way to say the ",
        ),
        (
            {"noise": {"background_sigma": 3, "shot_noise": "normal"}},
            ".noise.shot_noise: got normal, expected a gain, or exposure_time and ze",
        ),
        (
            {"noise": {"gain": 3, "shot_noise": "gaussian"}},
            ".noise.shot_noise: got gaussian, expected 'poisson' or 'normal'",
        ),
        ({"noise": {"gain": 0}}, ".noise.gain: got 0, expected greater than 0"),
        (
            {"noise": {**SKY, "exposure_time": -1}},
            ".noise.exposure_time: got -1, expected greater than 0",
        ),
        (
            {"noise": {"gain": 1, "read_noise": 1}},
            ".noise.sky_brightness: got nothing, expected a value, as read_noise has; ",
        ),
        (
            {"noise": {**SKY, "read_noise": -1}},
            ".noise.read_noise: got -1, expected greater than or equal to 0",
        ),
        (
            {"noise": {**SKY, "dark_current": -1}},
            ".noise.dark_current: got -1, expected greater than or equal to 0",
        ),
        (
            {"noise": {**SKY, "exposures": 0}},
            ".noise.exposures: got 0, expected greater than or equal to 1",
        ),
        (
            {"noise": {**SKY, "exposures": 1.5}},
            ".noise.exposures: got 1.5, expected a whole number",
        ),
        (
            {"noise": {**SKY, "detector_pixel_scale": 0}},
            ".noise.detector_pixel_scale: got 0, expected greater than 0",
        ),
        (
            {"psf": GAUSSIAN, "layers": []},
            ".layers: got none, expected one layer at least; leave it out to keep all",
        ),
        (
            {"psf": GAUSSIAN, "layers": ["clean", "clean"]},
            ".layers: got clean twice, expected each layer once; drop one",
        ),
        (
            {"psf": GAUSSIAN, "layers": ["noisy"]},
            ".layers: got noisy, expected noise, which makes it; give noise",
        ),
        (
            {"noise": DEPTH, "layers": ["convolved"]},
            ".layers: got convolved, expected psf, which makes it; give psf",
        ),
        (
            {"psf": GAUSSIAN, "layers": ["clan"]},
            ".layers.0: got clan, expected 'clean', 'convolved' or 'noisy'",
        ),
        ({"psf": GAUSSIAN, "layers": "clean"}, ".layers: got clean, expected a list"),
        (
            {"psf": GAUSSIAN, "target": {}},
            ".target: got nothing, expected preset, psf or noise; leave target out",
        ),
        (
            {"target": {"psf": {"psf_fwhm": -1}}},
            ".target.psf.psf_fwhm: got -1, expected greater than 0",
        ),
        (
            {"target": {"noise": {"f1": {"gain": -1}}}},
            ".target.noise.f1.gain: got -1, expected greater than 0",
        ),
        (
            {"psf": GAUSSIAN, "target": {"layers": ["clean"]}},
            ".target.layers: got an unknown key, expected a key of the recipe",
        ),
    ],
)
def test_a_wrong_observation_is_told_in_one_line(keys, message):
    with pytest.raises(InputError) as caught:
        seen(**keys)
    assert str(caught.value).startswith("observation" + message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"size_evolution": -0.5},
            "size_evolution: got -0.5, expected 0 where sizes do not follow the "
            "redshift; set angular_size to true",
        ),
        (
            {"angular_size": True, "size_evolution": float("nan")},
            "size_evolution: got nan, expected a finite number",
        ),
        (
            {"angular_size": True, "size_evolution": 11},
            "size_evolution: got 11, expected less than or equal to 10",
        ),
        (
            {"angular_size": "large"},
            "angular_size: got large, expected a valid boolean",
        ),
        (
            {"profile": {"name": "images", "source": "a", "psf": {"psf_fwhm": 0}}},
            "profile.psf.psf_fwhm: got 0, expected greater than 0",
        ),
        (
            {
                "profile": {
                    "name": "images",
                    "source": "a",
                    "psf": {"name": "airy", "diameter": 2.4},
                }
            },
            "profile.psf.wavelength: got nothing, expected the wavelength of the image",
        ),
        (
            {"profile": {"psf": GAUSSIAN}},
            "profile.psf: got an unknown key, expected a key of the recipe",
        ),
    ],
)
def test_wrong_sizes_and_psfs_of_images_are_told_in_one_line(choices, message):
    with pytest.raises(InputError) as caught:
        Recipe(**choices)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_images_of_ones_own_may_have_a_psf():
    psf = {"name": "airy", "diameter": 2.4, "wavelength": 6000}
    profile = Recipe(profile={"name": "images", "source": "a", "psf": psf}).profile
    assert profile.psf == AiryPSF(name="airy", diameter=2.4, wavelength=6000)
