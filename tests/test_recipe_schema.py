"""The JSON schema says of a recipe what the recipe says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

import argdask as ad
from argdask.choices import Choices
from argdask.cli import main
from argdask.errors import InputError

jsonschema = pytest.importorskip("jsonschema")

RIGHT: dict[str, dict[str, Any]] = {
    "components": {"profile": {"name": "components"}},
    "a bulge and a disc": {
        "profile": {
            "name": "components",
            "bulge_to_total": 0.3,
            "components": {
                "bulge": {"sersic_index": 4, "minimum_age": 2e9},
                "disc": {"offset_x": None},
            },
        }
    },
    "three components": {
        "profile": {
            "name": "components",
            "offset_y": {"distribution": "uniform", "minimum": -2, "maximum": 2},
            "components": {"bar": {"light_fraction": 0.2}, "disc": {}, "bulge": {}},
        }
    },
    "images": {"profile": {"name": "images", "source": "a.npy", "draw": "random"}},
    "catalogue": {
        "catalogue": {"path": "t.csv", "units": {"half_light_radius": "mas"}}
    },
    "between redshifts": {"redshifts": {"values": "continuous", "z_in": 0.33}},
    "nothing": {},
    "number": {"profile": {"axis_ratio": 0.5, "sersic_index": 4}},
    "constant": {"profile": {"axis_ratio": {"distribution": "constant", "value": 0.5}}},
    "normal": {
        "brightness": {
            "magnitude": {"distribution": "normal", "mean": 20, "sigma": 1.5}
        }
    },
    "choice": {
        "profile": {
            "sersic_index": {
                "distribution": "choice",
                "values": [1, 4],
                "weights": [3, 1],
            }
        }
    },
    "beta": {
        "profile": {
            "axis_ratio": {
                "distribution": "beta",
                "alpha": 2,
                "beta": 2,
                "minimum": 0.2,
            }
        }
    },
    "radius": {
        "profile": {
            "half_light_radius": {
                "distribution": "lognormal",
                "median": 0.6,
                "sigma": 0.3,
                "minimum": 0.03,
                "maximum": None,
            }
        }
    },
    "one shape": {"image_shape": 64},
    "two shapes": {"image_shape": [64, 48]},
    "filters": {"filters": ["acs_wfc_f606w", "wfc3_ir_f160w"]},
    "no scale": {"scale": None},
    "scale": {"scale": 240.5},
    "scale over all": {"scale": {"max": 1, "over": "all"}},
    "fixed redshifts": {"redshifts": {"z_in": 0.1, "z_out": 1.5}},
    "own redshift": {"brightness": {"brightness_redshift": "z_in"}},
    "own redshift of sizes": {"reference_redshift": "z_in", "angular_size": True},
    "cosmology": {"cosmology": {"name": "FlatLambdaCDM", "H0": 70.0, "Om0": 0.3}},
    "layout": {"layout": {"compression": "zstd", "part": 256, "chunk": 16}},
    "sizes": {"angular_size": True, "size_evolution": -0.5},
    "a PSF without a name": {"observation": {"psf": {"psf_fwhm": 0.1}}},
    "a PSF of each filter, and one of the target": {
        "observation": {
            "psf": {
                "f606w": {"psf_fwhm": 0.1},
                "f814w": {"name": "moffat", "psf_fwhm": 0.1, "beta": 3},
                "f125w": {"name": "airy", "diameter": 2.4, "obscuration": 0.33},
                "f160w": {"name": "image", "source": "a.fits", "centre": [1.0, 2.5]},
            },
            "target": {"psf": {"psf_fwhm": 0.2}},
            "layers": ["convolved"],
        }
    },
    "a preset": {
        "observation": {"preset": "candels-deep", "target": {"preset": "candels-wide"}}
    },
    "noise": {"observation": {"noise": {"depth": 27, "aperture": 0.4}}},
    "noise of each filter": {
        "observation": {
            "noise": {"f606w": {"background_sigma": 0.1}, "f814w": {"gain": 3e3}}
        }
    },
    "images with a PSF": {
        "profile": {"name": "images", "source": "a", "psf": {"psf_fwhm": 0.1}}
    },
}

WRONG: dict[str, dict[str, Any]] = {
    "a PSF of no width": {"observation": {"psf": {"psf_fwhm": 0}}},
    "a PSF without its width": {"observation": {"psf": {}}},
    "an unknown PSF": {"observation": {"psf": {"name": "sinc", "psf_fwhm": 1}}},
    "a Moffat profile without beta": {
        "observation": {"psf": {"name": "moffat", "psf_fwhm": 1}}
    },
    "a PSF of one filter of no width": {
        "observation": {"psf": {"f606w": {"psf_fwhm": 0}}}
    },
    "negative noise": {"observation": {"noise": {"background_sigma": -1}}},
    "an unknown layer": {"observation": {"psf": {"psf_fwhm": 1}, "layers": ["dirty"]}},
    "layers of the target": {
        "observation": {"psf": {"psf_fwhm": 1}, "target": {"layers": ["clean"]}}
    },
    "sizes by a word": {"angular_size": "large"},
    "one component": {"profile": {"name": "components", "components": {"a": {}}}},
    "unknown key of a component": {
        "profile": {"name": "components", "components": {"a": {"n": 1}, "b": {}}}
    },
    "a profile of its own for components": {
        "profile": {"name": "components", "sersic_index": 1}
    },
    "an age below 0": {
        "profile": {
            "name": "components",
            "components": {"a": {"minimum_age": -1}, "b": {}},
        }
    },
    "a component of text": {
        "profile": {"name": "components", "components": {"a": "disc", "b": {}}}
    },
    "components without the name": {
        "profile": {"components": {"bulge": {}, "disc": {}}}
    },
    "unknown key": {"galaxy": 10},
    "unknown key below": {"profile": {"ellipticity": 0.2}},
    "unknown key of a distribution": {
        "profile": {"axis_ratio": {"distribution": "constant", "value": 1, "low": 0}}
    },
    "no galaxies": {"galaxies": 0},
    "half a galaxy": {"galaxies": 1.5},
    "text": {"galaxies": "many"},
    "seed below 0": {"seed": -1},
    "seed too large": {"seed": 2**64},
    "no pixels": {"image_shape": 0},
    "three shapes": {"image_shape": [60, 60, 9]},
    "one shape in a list": {"image_shape": [60]},
    "pixel scale 0": {"pixel_scale": 0},
    "no filters": {"filters": []},
    "filter by number": {"filters": [606]},
    "unknown profile": {"profile": {"name": "moffat"}},
    "unknown law": {"redshifts": {"law": "free"}},
    "redshift 0": {"redshifts": {"z_in": 0}},
    "distribution without its name": {
        "profile": {"axis_ratio": {"minimum": 0.2, "maximum": 1.0}}
    },
    "unknown distribution": {
        "profile": {"axis_ratio": {"distribution": "triangular", "minimum": 0.2}}
    },
    "distribution without a parameter": {
        "brightness": {"magnitude": {"distribution": "normal", "mean": 20}}
    },
    "sigma 0": {
        "brightness": {"magnitude": {"distribution": "normal", "mean": 20, "sigma": 0}}
    },
    "text for a distribution": {"profile": {"axis_ratio": "round"}},
    "list for a distribution": {"profile": {"axis_ratio": [0.2, 1.0]}},
    "images from nowhere": {"profile": {"name": "images"}},
    "an axis ratio of images": {
        "profile": {"name": "images", "source": "a.npy", "axis_ratio": 1}
    },
    "no profile of that name": {"profile": {"name": "disc"}},
    "a catalogue without a path": {"catalogue": {"units": {}}},
    "negative scale": {"scale": -1},
    "scale over none": {"scale": {"over": 0}},
    "layout": {"layout": {"compression": "gzip"}},
    "null for choices": {"redshifts": None},
}


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = ad.Recipe.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_takes_the_default_recipe_as_yaml_and_as_json(validator: Any) -> None:
    recipe = ad.Recipe()
    validator.validate(yaml.safe_load(recipe.to_yaml()))
    validator.validate(json.loads(recipe.model_dump_json()))


@pytest.mark.parametrize("name", RIGHT)
def test_takes_what_the_recipe_takes(validator: Any, name: str) -> None:
    recipe = ad.Recipe(**RIGHT[name])
    validator.validate(RIGHT[name])
    validator.validate(yaml.safe_load(recipe.to_yaml()))


@pytest.mark.parametrize("name", WRONG)
def test_refuses_what_the_recipe_refuses(validator: Any, name: str) -> None:
    with pytest.raises(InputError):
        ad.Recipe(**WRONG[name])
    assert not validator.is_valid(WRONG[name])


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for below in schema.values():
            yield from _objects(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _objects(below)


def test_describes_every_key_and_refuses_all_others() -> None:
    objects = list(_objects(ad.Recipe.json_schema()))
    assert len(objects) == 24
    for one in objects:
        assert one["additionalProperties"] is False
        assert one["description"]
        for name, key in one["properties"].items():
            assert len(key.get("description", "")) > 5, name
            assert "\n" not in key["description"]
            assert "title" not in key


def test_tells_units() -> None:
    schema = ad.Recipe.json_schema()
    profile = schema["$defs"]["SersicProfile"]["properties"]
    brightness = schema["$defs"]["Brightness"]["properties"]
    assert "[arcsec]" in profile["half_light_radius"]["description"]
    assert "[deg]" in profile["position_angle"]["description"]
    assert "[mag]" in brightness["magnitude"]["description"]
    assert "[arcsec]" in schema["properties"]["pixel_scale"]["description"]


def test_tells_the_defaults_that_the_recipe_has() -> None:
    properties = ad.Recipe.json_schema()["properties"]
    written = json.loads(ad.Recipe().model_dump_json())
    # Left out, the radius follows from the pixel scale.
    written["profile"]["half_light_radius"] = None
    assert {name: key["default"] for name, key in properties.items()} == written


def test_knows_every_set_of_choices() -> None:
    def below(choices: type[BaseModel]) -> Iterator[type[BaseModel]]:
        yield choices
        for one in choices.__subclasses__():
            yield from below(one)

    # Other tests have sets of their own, and grids are no part of a recipe.
    homes = ("argdask.recipe", "argdask.sampling", "argdask.choices")
    sets = {c.__name__ for c in below(Choices) if c.__module__.startswith(homes)}
    public = {name for name in sets if not name.startswith("_")}
    assert set(ad.Recipe.json_schema()["$defs"]) == public - {"Choices", "Recipe"}


def test_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["recipe", "--schema"])
    assert stopped.value.code == 0
    assert json.loads(capsys.readouterr().out) == ad.Recipe.json_schema()


def test_command_writes_it_and_says_how_to_use_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["recipe", "recipe.schema.json", "--schema"])
    assert stopped.value.code == 0
    assert "yaml-language-server: $schema=recipe.schema.json" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["recipe", "recipe.schema.json", "--schema"])
    assert stopped.value.code == 2
    assert "a new file" in capsys.readouterr().err


def test_command_refuses_choices_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["recipe", "--schema", "--set", "seed=7"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("argdask: --schema: ")
