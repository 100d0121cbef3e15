"""The sections of a recipe: redshifts, brightness and all others but the profile."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from argdask.choices import Choices, wrong_choice
from argdask.sampling import Constant, Distribution, Uniform

__all__ = [
    "Brightness",
    "Layout",
    "Redshifts",
    "Scale",
    "Templates",
    "UserCatalogue",
]


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
    evolution: Literal["none", "passive"] = "none"
    """none: the template is the same at both redshifts; passive: at z_out it is younger
    by the time between, of a grid in absolute time that knows what mass survives. Ages
    are then physical where they are at z_in, and magnitude, mass and light fractions
    are those of the template as it is at z_in, whatever the brightness_redshift."""


class Brightness(Choices):
    """How bright each galaxy is: the factor on its template's fluxes."""

    law: Literal["equal", "grid", "stellar_mass"] = "equal"
    """equal: every template is brought to one magnitude; grid: fluxes as they are;
    stellar_mass: fluxes of a grid per solar mass times a mass. Of components the
    magnitude, the unit of templates or the mass is that of all together."""
    magnitude: Distribution = Constant(value=18.0)
    """AB magnitude in brightness_filter at brightness_redshift, for law equal [mag]."""
    brightness_filter: str | None = None
    """Filter of the magnitude and of light fractions; left out: the one nearest to 8500
    Angstrom."""
    brightness_redshift: Annotated[float, Field(gt=0)] | Literal["z_in"] | None = None
    """Redshift of the magnitude and of light fractions, or z_in for each galaxy's own;
    left out: the lowest of the grid."""
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

    MEANT = "path", (str,)

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
    keep_bits: Annotated[int, Field(ge=1, le=22)] | None = None
    """Bits of the mantissa that the pixels of all images keep, so that they compress;
    they change by 2**-(keep_bits + 1) of their value at most; left out: all 23."""
    part: Annotated[int, Field(ge=1, le=2**20)] | None = None
    """Galaxies in a part: one task and one file for each image variable."""
    chunk: Annotated[int, Field(ge=1, le=2**20)] | None = None
    """Galaxies in an inner chunk: the least that a reader loads; divides part."""
    block: Annotated[int, Field(ge=1)] | None = None
    """Galaxies in a file of each truth column."""

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
