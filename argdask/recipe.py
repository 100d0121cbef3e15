"""Every choice a user can make, as one frozen object that YAML can hold."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from argdask.choices import Choices, commented_yaml, wrong_choice
from argdask.errors import InputError
from argdask.recipe_observation import Observation, drop_sources
from argdask.recipe_profiles import (
    Component,
    ComponentsProfile,
    ImageProfile,
    Profile,
    SersicProfile,
    default_radii,
)
from argdask.recipe_schema import schema_of
from argdask.recipe_sections import (
    Brightness,
    Layout,
    Redshifts,
    Scale,
    Templates,
    UserCatalogue,
)
from argdask.schema import ENDS, image_name
from argdask.survey_presets import PRESETS, preset_of
from argdask.yaml_files import (
    YAML_ERRORS,
    RepeatedKeyError,
    parse_yaml,
    read_yaml,
    whole_number,
)

__all__ = [
    "SMALLEST_RADIUS",
    "Brightness",
    "Component",
    "ComponentsProfile",
    "ImageProfile",
    "Layout",
    "Observation",
    "Recipe",
    "Redshifts",
    "Scale",
    "SersicProfile",
    "Templates",
    "UserCatalogue",
    "assemble",
]

# What a recipe shows of sections that are left out.
_EXAMPLES: dict[str, Any] = {
    "catalogue": {"path": "galaxies.csv", "units": {"half_light_radius": "arcsec"}},
    "observation": {
        "psf": {"psf_fwhm": 0.15},
        "noise": {
            **{"depth": 27.0, "aperture": 0.4},
            **{"exposure_time": 5000.0, "zeropoint": 26.0},
        },
    },
}

# The least half-light radius that is accurate [pixel].
SMALLEST_RADIUS = 0.02

_Whole = Annotated[int, BeforeValidator(whole_number)]
_Pixels = Annotated[int, Field(ge=1)]
_Sersic: TypeAlias = SersicProfile | Component


def _is_side(number: Any) -> bool:
    known = isinstance(number, Integral | float) and not isinstance(number, bool)
    return known and bool(number >= 1) and bool(number == number // 1)


def _read_shape(data: Any) -> Any:
    sides = data if isinstance(data, list | tuple) else (data, data)
    sides = tuple(whole_number(side) for side in sides)
    if len(sides) != 2 or not all(map(_is_side, sides)):
        expected = "one whole number of pixels above 0, or two as [rows, columns]"
        raise wrong_choice("", data, expected, "for example 60 or [60, 80]")
    return tuple(int(side) for side in sides)


class Recipe(Choices):
    """Every choice of a set of training pairs.

    Raises
    ------
    InputError
        If a key is unknown or a value is not what the key expects.
    """

    galaxies: _Whole = Field(default=1000, ge=1, le=10**12)
    """Number of galaxies."""
    seed: _Whole = Field(default=4251, ge=0, lt=2**64)
    """What all random numbers follow from, together with the galaxy's id."""
    image_shape: Annotated[
        tuple[_Pixels, _Pixels],
        BeforeValidator(
            _read_shape, json_schema_input_type=_Pixels | tuple[_Pixels, _Pixels]
        ),
    ] = (60, 60)
    """Rows and columns of an image: (y, x) or one number [pixel]."""
    pixel_scale: float = Field(default=0.06, gt=0)
    """Size of a pixel [arcsec]; left out: 0.06, or that of observation.preset."""
    filters: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Names of the filters to make; left out: all of the SED grid."""
    profile: Profile = SersicProfile()
    """The light distribution of the galaxies: sersic, components or images, with keys
    of their own; `argdask recipe --set profile.name=components` shows those."""
    sampling: Literal["pixel", "centre"] = "pixel"
    """pixel: light is integrated over each pixel; centre: value at its centre."""
    normalise: Literal["flux", "peak"] = "flux"
    """flux: a galaxy's light adds up to its flux over the plane, an image to the edges
    that it has itself; peak: its brightest pixel has its flux; of components, that of
    their sum as it is in the brightness filter at the brightness redshift."""
    reference_redshift: Annotated[float, Field(gt=0)] | Literal["z_in"] | None = None
    """Redshift at which sizes are given, or z_in for each galaxy's own (of images,
    where theirs is not said); left out: the lowest of the grid."""
    angular_size: bool = False
    """Whether sizes follow the angular diameter distance, from reference_redshift (of
    images, their own redshift) to z_in and z_out; if not, a galaxy has one size."""
    size_evolution: float = Field(default=0.0, ge=-10, le=10)
    """Exponent a of ((1 + z) / (1 + reference_redshift))**a, by which physical sizes
    grow at the same flux, of images since their own redshift; with angular_size
    only."""
    redshifts: Redshifts = Redshifts()
    """How the redshift pairs are drawn."""
    templates: Templates = Templates()
    """Which templates may be drawn."""
    brightness: Brightness = Brightness()
    """How bright the galaxies are."""
    scale: Scale | Annotated[float, Field(gt=0, le=1e30)] | None = Scale()
    """One number for the whole set and both cubes; a number, or null for 1."""
    cosmology: dict[str, float | str | list[float]] | None = None
    """What the SED grid must have been made with; left out: whatever it was."""
    catalogue: UserCatalogue | None = None
    """A table of galaxies: its columns take the place of those that are drawn, its rows
    are the galaxies, and galaxies defaults to their number; left out: all is drawn."""
    observation: Observation | None = None
    """What telescopes make of the images: preset, psf, noise, layers; left out: they
    stay clean."""
    layout: Layout = Layout()
    """How the store is laid out."""

    @model_validator(mode="before")
    @classmethod
    def _fill_pixel_scale(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "pixel_scale" in data:
            return data
        seen = data.get("observation")
        named = (
            seen.get("preset")
            if isinstance(seen, dict)
            else getattr(seen, "preset", None)
        )
        if not isinstance(named, str) or named not in PRESETS or _is_unscaled(data):
            return data
        return {**data, "pixel_scale": preset_of(named).pixel_scale}

    @model_validator(mode="after")
    def _check_radii(self) -> Self:
        if isinstance(self.profile, ImageProfile):
            return self
        # The object is not shared yet: this is the last step of making it.
        self.__dict__["profile"] = _with_radii(self.profile, self._fill_radius)
        return self

    def _fill_radius(self, one: _Sersic, component: str) -> _Sersic:
        law = one.half_light_radius
        place = f"profile.components.{component}" if component else "profile"
        if law is None:
            try:
                law = default_radii(self.pixel_scale, component)
            except InputError:
                raise wrong_choice(
                    "pixel_scale",
                    self.pixel_scale,
                    "0.5 to 30 pixels to be the radius of some galaxies",
                    f"give {place}.half_light_radius",
                ) from None
            one = one.model_copy(update={"half_light_radius": law})
        smallest = law.support()[0] / self.pixel_scale
        if smallest < SMALLEST_RADIUS * (1 - 1e-9):
            raise wrong_choice(
                f"{place}.half_light_radius",
                f"{smallest:.3g} pixels",
                f"at least {SMALLEST_RADIUS:g} pixels",
                "set its minimum, or a smaller pixel_scale",
            )
        return one

    def _empty_radius(self, one: _Sersic, component: str) -> _Sersic:
        # What follows from the pixel scale goes on following it.
        with contextlib.suppress(InputError):
            if one.half_light_radius == default_radii(self.pixel_scale, component):
                return one.model_copy(update={"half_light_radius": None})
        return one

    @model_validator(mode="after")
    def _check_pixels(self) -> Self:
        profile = self.profile
        seen = self.angular_size or self.observation is not None
        said = "pixel_scale" in self.model_fields_set
        if isinstance(profile, ImageProfile) and profile.pixel_scale is None and seen:
            if said:
                return self
            raise wrong_choice(
                "profile.pixel_scale",
                "nothing",
                "the size of a pixel of the images [arcsec], for what telescopes see",
                "give it, or pixel_scale where frames have the same pixels",
            )
        return self

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.size_evolution != 0.0 and not self.angular_size:
            raise wrong_choice(
                "size_evolution",
                self.size_evolution,
                "0 where sizes do not follow the redshift",
                "set angular_size to true",
            )
        seen = self.observation is not None and "convolved" in self.observation.made
        if seen and self.sampling == "centre":
            raise wrong_choice(
                "sampling",
                self.sampling,
                "pixel where there is a PSF, after which pixels are integrated over",
                "set it, or leave out observation.psf",
            )
        return self

    @property
    def images(self) -> tuple[str, ...]:
        """The names of the image variables: input and target of every layer."""
        kept = ("clean",) if self.observation is None else self.observation.kept
        return tuple(image_name(role, layer) for layer in kept for role in ENDS)

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

    def to_yaml(self, *, examples: bool = True) -> str:
        """Return the recipe as YAML, with a comment above every choice.

        Parameters
        ----------
        examples
            Whether to show an example, as comments, of sections that are left out.

        Returns
        -------
        str
            Text that `from_yaml` reads back to an equal recipe.
        """
        shown = self
        if not isinstance(self.profile, ImageProfile):
            profile = _with_radii(self.profile, self._empty_radius)
            shown = self.model_copy(update={"profile": profile})
        lines = commented_yaml(shown, examples=_EXAMPLES if examples else None)
        return "\n".join(lines) + "\n"

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
            number takes its place), table, images and those of PSFs (hashes of their
            content do) and the layout, of which only what rounds pixels is there.
        """
        left_out = {"galaxies", "scale", "catalogue", "layout"}
        choices: dict[str, Any] = json.loads(self.model_dump_json(exclude=left_out))
        # What came later counts only where it is used, so that older stores go on.
        for name in ("angular_size", "size_evolution"):
            if not choices[name]:
                del choices[name]
        if self.observation is None:
            del choices["observation"]
        else:
            choices["observation"] = self.observation.identity()
        if self.redshifts.values == "grid":
            del choices["redshifts"]["values"]
        if self.templates.evolution == "none":
            del choices["templates"]["evolution"]
        if self.layout.keep_bits is not None:
            # Of the layout this alone changes pixels.
            choices["layout"] = {"keep_bits": self.layout.keep_bits}
        if isinstance(self.profile, ImageProfile):
            del choices["profile"]["source"], choices["profile"]["variable"]
            for name in ("image_redshift", "psf"):
                if getattr(self.profile, name) is None:
                    del choices["profile"][name]
            drop_sources(choices["profile"])
        return choices


def _is_unscaled(data: dict[str, Any]) -> bool:
    """Whether galaxies are images of which nobody says how large their pixels are."""
    profile = data.get("profile")
    if isinstance(profile, dict):
        return profile.get("name") == "images" and profile.get("pixel_scale") is None
    return isinstance(profile, ImageProfile) and profile.pixel_scale is None


def _with_radii(
    profile: SersicProfile | ComponentsProfile, change: Callable[[_Sersic, str], Any]
) -> SersicProfile | ComponentsProfile:
    """Return a profile with each of its Sersic profiles changed by a function."""
    if isinstance(profile, SersicProfile):
        changed: SersicProfile = change(profile, "")
        return changed
    changes = {name: change(one, name) for name, one in profile.components.items()}
    return profile.model_copy(update={"components": changes})


def assemble(
    start: Mapping[str, Any],
    settings: Iterable[str],
    options: Mapping[str, Any] | None = None,
) -> Recipe:
    """Make a recipe of choices and of settings as they stand on a command line.

    Parameters
    ----------
    start
        Choices as a file holds them.
    settings
        Texts ``key=value`` that replace them, the key with dots between its parts and
        the value as YAML.
    options
        Values by such keys, which replace both.

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
        if not equals or not key:
            raise InputError(
                "--set", setting, "key=value", "for example seed=7 or scale.max=1000"
            )
        try:
            value = parse_yaml(text)
        except RepeatedKeyError:
            cure = "drop one of them"
            raise InputError("--set", setting, "each key once", cure) from None
        except YAML_ERRORS:
            cure = "close its brackets and quotes, and quote what YAML takes otherwise"
            raise InputError(
                "--set", setting, "a value that is valid YAML", cure
            ) from None
        _place(choices, key.strip(), value)
    for key, value in (options or {}).items():
        _place(choices, key, value)
    return Recipe(**choices)


def _place(choices: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for name in parents:
        below = choices.get(name)
        choices[name] = dict(below) if isinstance(below, dict) else {}
        choices = choices[name]
    choices[last] = value
