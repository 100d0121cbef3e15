"""Every choice of an SED grid, as one frozen object that YAML can hold."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from argdask.choices import Choices, commented_yaml, wrong_choice
from argdask.cosmologies import DEFAULT_COSMOLOGY, named_cosmology
from argdask.errors import InputError
from argdask.yaml_files import read_yaml

__all__ = ["FilterChoice", "Normalisation", "RedshiftGrid", "SedGrid", "TemplateSet"]

Positive = Annotated[float, Field(gt=0)]
Excess = Annotated[float, Field(ge=0)]
WavelengthUnit = Literal["Angstrom", "nm", "um"]

_HST = (
    *(f"acs_wfc_{name}" for name in ("f435w", "f606w", "f775w", "f814w", "f850lp")),
    *(f"wfc3_ir_{name}" for name in ("f098m", "f105w", "f125w", "f160w")),
)


class _GridChoices(Choices):
    CALLED: ClassVar[tuple[str, str]] = "SED grid", "argdask seds --choices"


class RedshiftGrid(_GridChoices):
    """Redshifts at even distances."""

    first: Positive
    """The lowest."""
    last: Positive
    """The highest."""
    number: int = Field(ge=2)
    """How many, the first and the last among them."""
    spacing: Literal["linear", "log"] = "linear"
    """linear: even in z; log: even in ln z."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.first >= self.last:
            raise wrong_choice(
                "first", self.first, f"less than last, {self.last:g}", "exchange them"
            )
        return self


class FilterChoice(_GridChoices):
    """One filter: by its name alone, or from a file of two columns."""

    name: str | None = None
    """Its name; with a file, left out: that of the file."""
    file: str | None = None
    """Two columns of text, wavelength and transmission."""
    wavelength_unit: WavelengthUnit | None = None
    """Unit of the file's first column: Angstrom, nm or um."""
    response: Literal["photon", "energy"] = "photon"
    """Whether the transmission is of photons or of energy."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.file is None and not self.name:
            raise wrong_choice("name", self.name, "a name or a file", "give one")
        if self.file is not None and self.wavelength_unit is None:
            raise wrong_choice(
                "wavelength_unit",
                f"none for {self.file}",
                "Angstrom, nm or um",
                "state it",
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, plain: SerializerFunctionWrapHandler) -> Any:
        """Write a name alone as a text, as a user does."""
        written = plain(self)
        return self.name if self.file is None else written


class TemplateSet(_GridChoices):
    """A sequence of templates, from a package or from files."""

    package: Literal["desc-bpz", "cosmos"] | None = None
    """desc-bpz: 8 templates of BPZ; cosmos: 31 of COSMOS, with argdask[cosmos]."""
    names: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Which of the package, in order; left out: all."""
    files: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Text of two columns or FITS tables, by path or pattern, as spectra/*.txt."""
    wavelength_unit: WavelengthUnit | None = None
    """Unit of the files' wavelengths; needed where no FITS header states it."""
    flux_unit: str | None = None
    """f_lambda, f_nu, or a unit as astropy reads it; needed as the one before."""
    wavelength_column: str | None = None
    """Name of the column in FITS tables; left out: a usual one."""
    flux_column: str | None = None
    """Name of the column in FITS tables; left out: a usual one."""
    steps: int = Field(default=1, ge=1, le=100)
    """Steps between neighbours, mixed in f_lambda; 1: no mixtures."""
    e_bv: Annotated[tuple[Excess, ...], Field(min_length=1)] = (0.0,)
    """Colour excesses E(B-V) of the dust, Calzetti et al. (2000) [mag]."""
    e_bv_of: dict[str, Annotated[tuple[Excess, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """Colour excesses of single templates instead; a mixture has those of both."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if (self.package is None) == (self.files is None):
            both = "both" if self.package else "neither"
            raise wrong_choice("", both, "either a package or files", "give one")
        if self.names is not None and self.files is not None:
            raise wrong_choice("names", self.names, "none, with files", "leave it out")
        for name, values in {"e_bv": self.e_bv, **self.e_bv_of}.items():
            if len(set(values)) < len(values):
                raise wrong_choice(name, values, "each value once", "drop the others")
        return self

    def paths(self) -> list[str]:
        """Return the files, with every pattern replaced by what it finds.

        Returns
        -------
        list
            Paths, those of a pattern sorted.

        Raises
        ------
        InputError
            A pattern finds nothing.
        """
        found: list[str] = []
        for file in self.files or ():
            if not glob.has_magic(file):
                found.append(file)
                continue
            matches = sorted(glob.glob(file))  # noqa: PTH207 - pathlib refuses absolute patterns
            if not matches:
                raise InputError(
                    "templates.files", file, "files", "no file fits; check the pattern"
                )
            found += matches
        return found


class Normalisation(_GridChoices):
    """How bright every template is before dust."""

    wavelength: float = Field(default=5500.0, gt=0)
    """Rest-frame wavelength [Angstrom]."""
    absolute_magnitude: float = -20.0
    """AB magnitude there at 10 pc [mag]."""


def _items(key: str) -> BeforeValidator:
    """Let one item stand for a list of one, and a text for its most needed key."""

    def spelt_out(data: Any) -> Any:
        items = [data] if isinstance(data, str | dict | Choices) else data
        if not isinstance(items, list | tuple) or not items:
            raise wrong_choice("", data, "a list with one item or more", "add one")
        for number, one in enumerate(items):
            if not isinstance(one, str | dict | Choices):
                expected = f"a {key}, or keys with values"
                raise wrong_choice(str(number), one, expected, "correct it")
        return tuple({key: one} if isinstance(one, str) else one for one in items)

    return BeforeValidator(spelt_out)


_BUILT_IN = TemplateSet(
    package="desc-bpz",
    names=("El", "Sbc", "Scd", "Im", "SB3", "SB2"),
    steps=8,
    e_bv=(0.0, 0.1, 0.2, 0.3, 0.5),
    e_bv_of={"El": (0.0, 0.1), "Sbc": (0.0, 0.1)},  # old galaxies hold little dust
)


class SedGrid(_GridChoices):
    """Every choice of an SED grid; the defaults are those of the built-in one.

    Raises
    ------
    InputError
        If a key is unknown or a value is not what the key expects.
    """

    redshifts: RedshiftGrid | tuple[Positive, ...] = RedshiftGrid(
        first=0.1, last=2.0, number=39
    )
    """first, last, number and spacing (linear or log), or a list."""
    filters: Annotated[tuple[FilterChoice, ...], _items("name")] = tuple(
        FilterChoice(name=name) for name in _HST
    )
    """Names as `argdask seds --filters` shows them, or file, wavelength_unit (Angstrom,
    nm, um) and, where wanted, name and response (photon, energy)."""
    templates: Annotated[tuple[TemplateSet, ...], _items("package")] = (_BUILT_IN,)
    """Sequences of templates: package (desc-bpz or cosmos) and names, or files (text
    or FITS, patterns allowed) with wavelength_unit and flux_unit (f_lambda, f_nu or a
    unit); steps between neighbours; colour excesses e_bv, of single ones e_bv_of."""
    igm: Literal["none", "madau1995", "inoue2014"] = "madau1995"
    """Absorption between the galaxies: none, madau1995 or inoue2014."""
    cosmology: str | dict[str, float | str | list[float]] = DEFAULT_COSMOLOGY
    """Name of one of astropy's, as Planck18, or name and parameters of a model."""
    normalise: Normalisation | None = Normalisation()
    """Brightness of every template before dust; null: as the files have it, which must
    then be luminosities, as erg / (s Angstrom)."""
    per_solar_mass: bool = False
    """Whether luminosities are those of one solar mass of stars."""

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if not isinstance(self.redshifts, RedshiftGrid):
            rounded = np.round(self.redshifts, 9)
            if rounded.size < 2 or np.unique(rounded).size < rounded.size:
                raise wrong_choice(
                    "redshifts", self.redshifts, "two or more, each once", "correct it"
                )
        if self.per_solar_mass and self.normalise is not None:
            raise wrong_choice(
                "per_solar_mass",
                True,
                "false where templates are normalised",
                "set normalise to null, or leave it out",
            )
        # Names are looked up at once, so that a grid says what it was made with.
        try:
            self.__dict__["cosmology"] = named_cosmology(self.cosmology)
        except InputError as error:
            raise wrong_choice(
                error.field, error.value, error.expected, error.cure
            ) from None
        return self

    @property
    def redshift(self) -> NDArray[np.float64]:
        """The redshifts, ascending, rounded as every grid's are, shape (redshift,)."""
        given = self.redshifts
        if not isinstance(given, RedshiftGrid):
            return np.sort(np.round(given, 9))
        ends = (given.first, given.last, given.number)
        even = np.geomspace(*ends) if given.spacing == "log" else np.linspace(*ends)
        return np.round(even, 9)

    @classmethod
    def from_yaml(cls, path: str | Path) -> SedGrid:
        """Read choices from a YAML file; keys that are left out keep their defaults.

        Parameters
        ----------
        path
            The file. Paths in it are relative to its folder.

        Returns
        -------
        SedGrid
            The choices.

        Raises
        ------
        InputError
            If the file cannot be read, is not YAML or holds a wrong key or value.
        """
        grid = cls(**read_yaml(path, "seds", "argdask seds --choices"))
        folder = Path(path).parent
        filters = tuple(
            one.model_copy(update={"file": str(folder / one.file)}) if one.file else one
            for one in grid.filters
        )
        templates = tuple(
            one.model_copy(update={"files": tuple(str(folder / f) for f in one.files)})
            if one.files
            else one
            for one in grid.templates
        )
        return grid.model_copy(update={"filters": filters, "templates": templates})

    def to_yaml(self) -> str:
        """Return the choices as YAML, with a comment above every one.

        Returns
        -------
        str
            Text that `from_yaml` reads back to equal choices.
        """
        return "\n".join(commented_yaml(self)) + "\n"
