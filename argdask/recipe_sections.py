"""The sections of a recipe: profile, redshifts, brightness and the others."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from argdask.choices import Choices, wrong_choice
from argdask.sampling import Constant, Distribution, Lognormal, Uniform

__all__ = [
    "Brightness",
    "ImageProfile",
    "Layout",
    "Profile",
    "Redshifts",
    "Scale",
    "SersicProfile",
    "Templates",
    "UserCatalogue",
]


class SersicProfile(Choices):
    """One Sersic profile; every key but the name is a column of the catalogue."""

    RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "half_light_radius": (0.0, np.inf),
        "sersic_index": (0.3, 8.0),
        "axis_ratio": (0.1, 1.0),
        "position_angle": (0.0, 180.0),
        "asymmetry": (0.0, 0.999),
        "asymmetry_angle": (0.0, 360.0),
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
    asymmetry: Distribution = Constant(value=0.0)
    """Light is multiplied by 1 - asymmetry cos(angle - asymmetry_angle); 0 to 0.999."""
    asymmetry_angle: Distribution = Constant(value=0.0)
    """Where it is dimmest, from the major axis counter-clockwise in the frame in which
    the ellipse is a circle, 0 to 360 [deg]."""

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
                one = lowest == highest
                raise wrong_choice(
                    name,
                    f"{lowest:g}" if one else f"{lowest:g} to {highest:g}",
                    f"values within {low:g} to {high:g}",
                    "set its minimum and maximum",
                )
        return self


class ImageProfile(Choices):
    """Images of the user's own in the place of a profile, in one band."""

    name: Literal["images"]
    """Which profile the galaxies have: images."""
    source: str = Field(min_length=1)
    """A .npy file, a Zarr or netCDF file, or a folder of FITS cut-outs."""
    variable: str | None = None
    """Name of the variable (image, y, x); left out: the only one."""
    pixel_scale: Annotated[float, Field(gt=0)] | None = None
    """Size of a pixel of the images [arcsec]; left out: that of the recipe."""
    image_redshift: Annotated[float, Field(ge=0)] | None = None
    """Redshift at which the galaxies of the images are seen, a truth that does not
    change them; left out: what the catalogue's column says, if it has one."""
    draw: Literal["once", "random"] = "once"
    """once: row r of the set has image r, or what the catalogue's column image says;
    random: any image, by the galaxy's id."""

    @property
    def parameters(self) -> dict[str, Distribution]:
        """The distribution of every column, by its name: there is none."""
        return {}


def _profile_name(data: Any) -> str:
    named = data.get("name") if isinstance(data, dict) else getattr(data, "name", None)
    return "images" if named == "images" else "sersic"


def _check_name(data: Any) -> Any:
    named = data.get("name", "sersic") if isinstance(data, dict) else "sersic"
    if named not in ("sersic", "images"):
        see = "see `argdask recipe` for every choice"
        raise wrong_choice("name", named, "'sersic' or 'images'", see)
    return data


Profile = Annotated[
    Annotated[
        Annotated[SersicProfile, Tag("sersic")]
        | Annotated[ImageProfile, Tag("images")],
        Discriminator(_profile_name),
    ],
    BeforeValidator(_check_name),
]
"""Any profile; without a name it is a Sersic profile."""


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

    max: float = Field(default=10000.0, gt=0, le=1e30)
    """Value of the brightest input pixel."""
    over: Annotated[int, Field(ge=1)] | Literal["all"] = 65536
    """Among how many of the first galaxies it is sought, or all."""


class UserCatalogue(Choices):
    """A table of galaxies, one row for each."""

    path: str = Field(min_length=1)
    """CSV, ECSV, FITS or Parquet file."""
    units: dict[str, str] = Field(default_factory=dict)
    """Units of columns that do not say theirs, as astropy writes them."""
    ignore: tuple[str, ...] = ()
    """Columns to leave out; "*" leaves out all that mean nothing to argdask."""


class Layout(Choices):
    """How the store is laid out; left out: chosen by the sizes."""

    compression: Literal["none", "lz4", "zstd"] = "none"
    """Compression of the image chunks: none, lz4 or zstd."""
    part: Annotated[int, Field(ge=1, le=2**20)] | None = None
    """Galaxies in a part: one task and one file for each image variable."""
    chunk: Annotated[int, Field(ge=1, le=2**20)] | None = None
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
