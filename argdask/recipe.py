"""Every choice a user can make, as one frozen object that YAML can hold."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from argdask.choices import Choices, commented_yaml, input_error, wrong_choice
from argdask.errors import InputError
from argdask.recipe_schema import schema_of
from argdask.sampling import (
    Constant,
    Distribution,
    Lognormal,
    Uniform,
)

__all__ = [
    "Brightness",
    "Layout",
    "Recipe",
    "Redshifts",
    "Scale",
    "SersicProfile",
    "Templates",
    "assemble",
    "read_yaml",
]

# Half-light radii in pixels: the default's bounds, and the least that is accurate.
_DEFAULT_RADII = (0.5, 30.0)
_SMALLEST_RADIUS = 0.02

# Besides its own, yaml lets through Python's errors about dates, digits and nesting.
_YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)


class SersicProfile(Choices):
    """One Sersic profile; every key but the name is a column of the catalogue."""

    RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "half_light_radius": (0.0, np.inf),
        "sersic_index": (0.3, 8.0),
        "axis_ratio": (0.1, 1.0),
        "position_angle": (0.0, 180.0),
    }

    name: Literal["sersic"] = "sersic"
    """Which profile the galaxies have: sersic."""
    half_light_radius: Distribution | None = None
    """Semi-major axis of the ellipse with half the light [arcsec]; left out: lognormal,
    median 0.6, sigma 0.3, cut to 0.5-30 pixels."""
    sersic_index: Distribution = Lognormal(
        median=1.65, sigma=0.5, minimum=0.3, maximum=8.0
    )
    """Sersic index n, 0.3 to 8."""
    axis_ratio: Distribution = Uniform(minimum=0.2, maximum=1.0)
    """Minor over major axis b/a, 0.1 to 1."""
    position_angle: Distribution = Uniform(minimum=0.0, maximum=180.0)
    """Angle of the major axis from +y towards -x, 0 to 180 [deg]."""
    offset_y: Distribution = Constant(value=0.0)
    """Centre minus (N - 1) / 2 along y [pixel]."""
    offset_x: Distribution = Constant(value=0.0)
    """Centre minus (N - 1) / 2 along x [pixel]."""

    @property
    def parameters(self) -> dict[str, Distribution]:
        """The distribution of every column, by its name."""
        names = (name for name in type(self).model_fields if name != "name")
        return {name: getattr(self, name) for name in names}

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for name, (low, high) in self.RANGES.items():
            law = getattr(self, name)
            lowest, highest = (low, high) if law is None else law.support()
            if lowest < low or highest > high:
                raise wrong_choice(
                    name,
                    f"{lowest:g} to {highest:g}",
                    f"values within {low:g} to {high:g}",
                    "set its minimum and maximum",
                )
        return self


class Redshifts(Choices):
    """How the pair of redshifts of each galaxy is drawn."""

    law: Literal["conditional", "uniform"] = "conditional"
    """conditional: z_in uniform over the grid, then z_out uniform above it; uniform:
    every pair equally likely."""
    values: Literal["grid", "continuous"] = "grid"
    """grid: what is drawn are redshifts of the grid; continuous: any from its lowest to
    its highest, with fluxes interpolated between them."""
    z_in: Annotated[float, Field(gt=0)] | None = None
    """One z_in for every galaxy, anywhere in the grid's range; left out: drawn."""
    z_out: Annotated[float, Field(gt=0)] | None = None
    """One z_out for every galaxy, anywhere in the grid's range; left out: drawn above
    z_in."""
    min_separation: float = Field(default=0.0, ge=0)
    """Least z_out - z_in; z_out is above z_in in any case."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.z_in is not None and self.z_out is not None and self.z_in >= self.z_out:
            raise wrong_choice(
                "z_in",
                self.z_in,
                f"less than z_out, {self.z_out:g}",
                "the output is the higher redshift: exchange them",
            )
        return self


class Templates(Choices):
    """Which templates of the grid may be drawn."""

    ages: Literal["physical", "all"] = "physical"
    """physical: only templates not older than the Universe at z_out, where the grid
    knows ages; all: every template."""


class Brightness(Choices):
    """How bright each galaxy is: the factor on its template's fluxes."""

    law: Literal["equal", "grid", "stellar_mass"] = "equal"
    """equal: every template is brought to one magnitude; grid: fluxes as they are;
    stellar_mass: fluxes of a grid per solar mass times a mass."""
    magnitude: Distribution = Constant(value=18.0)
    """AB magnitude in brightness_filter at brightness_redshift, for law equal [mag]."""
    brightness_filter: str | None = None
    """Filter of the magnitude; left out: the one nearest to 8500 Angstrom."""
    brightness_redshift: Annotated[float, Field(gt=0)] | Literal["z_in"] | None = None
    """Redshift of the magnitude, or z_in for each galaxy's own; left out: the lowest
    of the grid."""
    log10_stellar_mass: Distribution = Uniform(minimum=9.0, maximum=11.0)
    """Decimal logarithm of the stellar mass in solar masses, for law stellar_mass."""


class Scale(Choices):
    """The one number by which both cubes are multiplied."""

    max: float = Field(default=10000.0, gt=0)
    """Value of the brightest input pixel."""
    over: Annotated[int, Field(ge=1)] | Literal["all"] = 65536
    """Among how many of the first galaxies it is sought, or all."""


class Layout(Choices):
    """How the store is laid out; left out: chosen by the sizes."""

    compression: Literal["none", "lz4", "zstd"] = "none"
    """Compression of the image chunks: none, lz4 or zstd."""
    part: Annotated[int, Field(ge=1)] | None = None
    """Galaxies in a part: one task and one file for each image variable."""
    chunk: Annotated[int, Field(ge=1)] | None = None
    """Galaxies in an inner chunk: the least that a reader loads; divides part."""

    @model_validator(mode="after")
    def _check_division(self) -> Self:
        if self.part is not None and self.chunk is not None and self.part % self.chunk:
            raise wrong_choice(
                "part",
                self.part,
                f"a multiple of chunk, {self.chunk}",
                "choose powers of two",
            )
        return self


_Pixels = Annotated[int, Field(ge=1)]


def _read_shape(data: Any) -> Any:
    return (data, data) if isinstance(data, int) else data


class Recipe(Choices):
    """Every choice of a set of training pairs.

    Raises
    ------
    InputError
        If a key is unknown or a value is not what the key expects.
    """

    galaxies: int = Field(default=1000, ge=1, le=10**12)
    """Number of galaxies."""
    seed: int = Field(default=4251, ge=0, lt=2**64)
    """What all random numbers follow from, together with the galaxy's id."""
    image_shape: Annotated[
        tuple[_Pixels, _Pixels],
        BeforeValidator(
            _read_shape, json_schema_input_type=_Pixels | tuple[_Pixels, _Pixels]
        ),
    ] = (60, 60)
    """Rows and columns of an image: (y, x) or one number [pixel]."""
    pixel_scale: float = Field(default=0.06, gt=0)
    """Size of a pixel [arcsec]."""
    filters: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Names of the filters to make; left out: all of the SED grid."""
    profile: SersicProfile = SersicProfile()
    """The light distribution of the galaxies."""
    sampling: Literal["pixel", "centre"] = "pixel"
    """pixel: light is integrated over each pixel; centre: value at its centre."""
    normalise: Literal["flux", "peak"] = "flux"
    """flux: a galaxy's light adds up to its flux over the plane; peak: its brightest
    pixel has its flux."""
    reference_redshift: Annotated[float, Field(gt=0)] | None = None
    """Redshift at which sizes are given; left out: the lowest of the grid."""
    redshifts: Redshifts = Redshifts()
    """How the redshift pairs are drawn."""
    templates: Templates = Templates()
    """Which templates may be drawn."""
    brightness: Brightness = Brightness()
    """How bright the galaxies are."""
    scale: Scale | Annotated[float, Field(gt=0)] | None = Scale()
    """One number for the whole set and both cubes; a number, or null for 1."""
    cosmology: dict[str, float | str | list[float]] | None = None
    """What the SED grid must have been made with; left out: whatever it was."""
    layout: Layout = Layout()
    """How the store is laid out."""

    def __init__(self, **choices: Any) -> None:
        try:
            super().__init__(**choices)
        except ValidationError as error:
            raise input_error(error.errors()) from None

    @model_validator(mode="after")
    def _check_radii(self) -> Self:
        law = self.profile.half_light_radius
        if law is None:
            low, high = (round(r * self.pixel_scale, 12) for r in _DEFAULT_RADII)
            try:
                law = Lognormal(median=0.6, sigma=0.3, minimum=low, maximum=high)
            except ValidationError:
                raise wrong_choice(
                    "pixel_scale",
                    self.pixel_scale,
                    "0.5 to 30 pixels to be the radius of some galaxies",
                    "give profile.half_light_radius",
                ) from None
            filled = self.profile.model_copy(update={"half_light_radius": law})
            # The object is not shared yet: this is the last step of making it.
            self.__dict__["profile"] = filled
        smallest = law.support()[0] / self.pixel_scale
        if smallest < _SMALLEST_RADIUS * (1 - 1e-9):
            raise wrong_choice(
                "profile.half_light_radius",
                f"{smallest:.3g} pixels",
                f"at least {_SMALLEST_RADIUS:g} pixels",
                "set its minimum, or a smaller pixel_scale",
            )
        return self

    @classmethod
    def from_yaml(cls, path: str | Path) -> Recipe:
        """Read a recipe from a YAML file; keys that are left out keep their defaults.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        Recipe
            The recipe.

        Raises
        ------
        InputError
            If the file cannot be read, is not YAML or holds a wrong key or value.
        """
        return cls(**read_yaml(path))

    def to_yaml(self) -> str:
        """Return the recipe as YAML, with a comment above every choice.

        Returns
        -------
        str
            Text that `from_yaml` reads back to an equal recipe.
        """
        return "\n".join(commented_yaml(self)) + "\n"

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Describe a recipe for editors, which then complete and check its YAML.

        Returns
        -------
        dict
            A JSON schema (draft 2020-12). What it refuses is no recipe; what concerns
            several keys at once is checked by the recipe only.
        """
        return schema_of(cls, "argdask recipe")

    def identity(self) -> dict[str, Any]:
        """Return what the pixels of a galaxy follow from, ready for JSON.

        Returns
        -------
        dict
            All choices but the number of galaxies, the scale's rule (its resolved
            number takes its place) and the layout.
        """
        left_out = {"galaxies", "scale", "layout"}
        choices: dict[str, Any] = json.loads(self.model_dump_json(exclude=left_out))
        # What came later counts only where it is used, so that older stores go on.
        if self.redshifts.values == "grid":
            del choices["redshifts"]["values"]
        return choices


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping, without running anything in it.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        What it holds.

    Raises
    ------
    InputError
        If the file cannot be read or holds something else.
    """
    example = "see `argdask recipe` for an example"
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise InputError(
            "recipe", str(path), f"a readable YAML file ({reason})", "check the path"
        ) from None
    except _YAML_ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise InputError("recipe", str(path), f"valid YAML{where}", example) from None
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise InputError("recipe", str(path), "keys with values", example)
    return data


def assemble(start: Mapping[str, Any], settings: Iterable[str]) -> Recipe:
    """Make a recipe of choices and of settings as they stand on a command line.

    Parameters
    ----------
    start
        Choices as a file holds them.
    settings
        Texts ``key=value`` that replace them, the key with dots between its parts and
        the value as YAML.

    Returns
    -------
    Recipe
        The recipe.

    Raises
    ------
    InputError
        If a setting is no ``key=value``, or the result is no recipe.
    """
    choices = copy.deepcopy(dict(start))
    for setting in settings:
        key, equals, text = setting.partition("=")
        try:
            value = yaml.safe_load(text)
        except _YAML_ERRORS:
            equals = ""
        if not equals or not key:
            raise InputError(
                "--set", setting, "key=value", "for example seed=7 or scale.max=1000"
            )
        *parents, last = key.strip().split(".")
        inside: Any = choices
        for name in parents:
            below = inside.get(name)
            inside[name] = dict(below) if isinstance(below, dict) else {}
            inside = inside[name]
        inside[last] = value
    return Recipe(**choices)
