"""Template spectra: from packages by name, from a user's text and FITS files."""

from __future__ import annotations

import functools
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask.errors import InputError, nearest
from argdask.packages import data_folder
from argdask.photometry import LIGHT_SPEED
from argdask.text_columns import ANGSTROMS, read_columns

__all__ = [
    "Spectrum",
    "Units",
    "is_fits",
    "package_names",
    "package_spectrum",
    "read_spectrum",
    "spectrum_name",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """One template."""

    name: str
    """Its name."""
    wavelength: Floats
    """Rest-frame wavelengths, strictly increasing [Angstrom]."""
    luminosity: Floats
    """Per unit wavelength [erg / s / Angstrom where it is absolute]."""
    absolute: bool = False
    """Whether the luminosity has a unit; else only its shape counts."""


@dataclass(frozen=True)
class Units:
    """What a user says about the columns of a spectrum."""

    wavelength_unit: str | None = None
    """Angstrom, nm or um."""
    flux_unit: str | None = None
    """f_lambda or f_nu for shapes, or a unit as astropy reads it."""
    wavelength_column: str | None = None
    """Name of the column in a FITS table."""
    flux_column: str | None = None
    """Name of the column in a FITS table."""


# Import name, folders, list of files, the end of their names that says nothing, extra.
_PACKAGES: dict[str, tuple[str, tuple[str, ...], str, str, str | None]] = {
    "desc-bpz": (
        "desc_bpz",
        ("data_files", "SED"),
        "CWWSB4.list",
        "_B2004a",
        None,
    ),
    "cosmos": (
        "rail",
        ("examples_data", "estimation_data", "data", "SED"),
        "COSMOS_seds.list",
        "",
        "cosmos",
    ),
}


def package_names(package: str) -> tuple[str, ...]:
    """Return the names of a package's templates, in its own order.

    Parameters
    ----------
    package
        One of desc-bpz (the 8 of BPZ) and cosmos (the 31 of COSMOS, Ilbert et al. 2009,
        ApJ 690, 1236).

    Returns
    -------
    tuple
        The names.

    Raises
    ------
    ImportError
        The package is not installed.
    """
    return tuple(_package_files(package))


@functools.cache
def _package_files(package: str) -> dict[str, Path]:
    module, parts, listing, suffix, extra = _PACKAGES[package]
    folder = data_folder(module, *parts, extra=extra)
    files = (folder / listing).read_text(encoding="utf-8").split()
    return {Path(name).stem.removesuffix(suffix): folder / name for name in files}


def package_spectrum(package: str, name: str) -> Spectrum:
    """Return a template of a package.

    Parameters
    ----------
    package
        One of desc-bpz and cosmos.
    name
        One of `package_names`.

    Returns
    -------
    Spectrum
        Its shape.

    Raises
    ------
    InputError
        There is no such template.
    ImportError
        The package is not installed.
    """
    files = _package_files(package)
    if name not in files:
        cure = f"nearest: {nearest(name, files)}"
        raise InputError("templates", name, f"a template of {package}", cure)
    wavelength, flux = np.loadtxt(files[name], unpack=True)
    return Spectrum(name, *_ordered(wavelength, flux))


def spectrum_name(path: str | Path) -> str:
    """Return what a template from a file is called.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        The file's name without its ending.
    """
    return Path(Path(path).name.removesuffix(".gz")).stem


def is_fits(path: str | Path) -> bool:
    """Whether a file is a FITS file by its name.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    bool
        Whether it ends as FITS files do.
    """
    name = Path(path).name.lower().removesuffix(".gz")
    return name.endswith((".fits", ".fit", ".fts"))


def read_spectrum(path: str | Path, units: Units) -> Spectrum:
    """Read a template from a user's file.

    Parameters
    ----------
    path
        Two columns of text, or a FITS file with a table, by its name.
    units
        The units; where left out, those of a FITS header.

    Returns
    -------
    Spectrum
        The template, called after its file. Rows are sorted, those of one wavelength
        averaged, and those of wavelength 0 dropped.

    Raises
    ------
    InputError
        The file cannot be read, a unit is not stated, or the values are no spectrum.
    """
    if is_fits(path):
        wavelength, flux, units = _read_fits(path, units)
    else:
        wavelength, flux = read_columns(path, field="templates")
    wavelength = wavelength * _angstroms(path, units.wavelength_unit)
    per_frequency, factor, absolute = _flux_kind(path, units.flux_unit)
    if np.any(wavelength < 0):
        wrong = f"{path} ({wavelength.min():g} Angstrom)"
        raise InputError("templates", wrong, "wavelengths above 0", "correct the file")
    wavelength, flux = _ordered(wavelength, flux * factor)
    if wavelength.size < 2:
        wrong = f"{path} ({wavelength.size} wavelength above 0)"
        raise InputError("templates", wrong, "two or more", "check the file")
    if per_frequency:
        flux = flux * (LIGHT_SPEED / wavelength**2)
    return Spectrum(spectrum_name(path), wavelength, flux, absolute)


def _ordered(wavelength: Floats, flux: Floats) -> tuple[Floats, Floats]:
    """Return a spectrum sorted, each wavelength once, without a row for wavelength 0.

    The files of BPZ begin with a row for wavelength 0; those of COSMOS have 10000
    Angstrom twice.
    """
    real = wavelength > 0
    wavelength, flux = wavelength[real], flux[real]
    if np.all(np.diff(wavelength) > 0):
        return wavelength, flux
    unique, place, count = np.unique(
        wavelength, return_inverse=True, return_counts=True
    )
    return unique, np.bincount(place, weights=flux) / count


def _angstroms(path: str | Path, unit: str | None) -> float:
    """Return how many Angstrom a unit of wavelength has."""
    if unit in ANGSTROMS:
        return ANGSTROMS[unit]
    expected = "Angstrom, nm or um"
    if unit is None:
        cure = "state it"
        raise InputError(
            "templates.wavelength_unit", f"none for {path}", expected, cure
        )
    found = _parsed(path, "wavelength_unit", unit, expected)
    from astropy import units  # noqa: PLC0415 - slow

    if not found.is_equivalent(units.Angstrom):
        raise InputError("templates.wavelength_unit", unit, expected, f"see {path}")
    return float(found.to(units.Angstrom))


def _flux_kind(path: str | Path, unit: str | None) -> tuple[bool, float, bool]:
    """Return if it is per frequency, its factor to cgs, and if it is a luminosity."""
    if unit in ("f_lambda", "f_nu"):
        return unit == "f_nu", 1.0, False
    expected = "f_lambda, f_nu or a unit such as erg / (s cm2 Angstrom)"
    if unit is None:
        raise InputError(
            "templates.flux_unit", f"none for {path}", expected, "state it"
        )
    found = _parsed(path, "flux_unit", unit, expected)
    from astropy import units  # noqa: PLC0415 - slow

    power, area = units.erg / units.s, units.cm**2
    for target, per_frequency, absolute in (
        (power / area / units.Angstrom, False, False),
        (power / area / units.Hz, True, False),
        (power / units.Angstrom, False, True),
        (power / units.Hz, True, True),
    ):
        if found.is_equivalent(target):
            return per_frequency, float(found.to(target)), absolute
    raise InputError("templates.flux_unit", unit, expected, f"see {path}")


def _parsed(path: str | Path, field: str, unit: str, expected: str) -> Any:
    from astropy import units  # noqa: PLC0415 - slow

    spelt = re.sub(r"\b(angstroms?|ang)\b", "Angstrom", unit, flags=re.IGNORECASE)
    try:
        with warnings.catch_warnings():
            # of several slashes, which nearly every header has
            warnings.simplefilter("ignore", units.UnitsWarning)
            return units.Unit(spelt)
    except (ValueError, TypeError):
        wrong = f"{unit} for {path}"
        cure = "write it as astropy does"
        raise InputError(f"templates.{field}", wrong, expected, cure) from None


_WAVELENGTH_COLUMNS = ("wavelength", "wave", "lambda", "lam")
_FLUX_COLUMNS = ("flux", "flam", "fnu", "f_lambda", "f_nu", "luminosity", "spectrum")


def _read_fits(path: str | Path, units: Units) -> tuple[Floats, Floats, Units]:
    """Return the columns of the first table that has both, and their units."""
    from astropy.io import fits  # noqa: PLC0415 - slow

    seen: list[str] = []
    try:
        with fits.open(path, memmap=False) as file:
            for part in file:
                columns = getattr(part, "columns", None)
                if columns is None:
                    continue
                seen += columns.names
                wanted = (units.wavelength_column, _WAVELENGTH_COLUMNS)
                wave = _column(columns.names, *wanted)
                flux = _column(columns.names, units.flux_column, _FLUX_COLUMNS)
                if wave is None or flux is None:
                    continue
                values = [
                    np.array(part.data[name], dtype=np.float64).ravel()
                    for name in (wave, flux)
                ]
                stated = Units(
                    units.wavelength_unit or columns[wave].unit,
                    units.flux_unit or columns[flux].unit,
                )
                return *_whole(path, *values), stated
    except InputError:
        raise
    except Exception as error:  # astropy raises nearly anything on a damaged file
        reason = getattr(error, "strerror", None) or "damaged or not FITS"
        wrong = f"{path} ({reason})"
        raise InputError(
            "templates", wrong, "a readable FITS file", "check it"
        ) from None
    wrong = f"{path} with columns {', '.join(seen) or 'of no table'}"
    raise InputError(
        "templates",
        wrong,
        "a table with the columns wavelength and flux",
        "name them: wavelength_column, flux_column",
    )


def _column(names: list[str], wanted: str | None, usual: tuple[str, ...]) -> str | None:
    lower = {name.lower(): name for name in names}
    candidates = usual if wanted is None else (wanted.lower(),)
    return next((lower[name] for name in candidates if name in lower), None)


def _whole(path: str | Path, wavelength: Floats, flux: Floats) -> tuple[Floats, Floats]:
    if wavelength.size != flux.size or wavelength.size < 2:
        wrong = f"{path} ({wavelength.size} wavelengths, {flux.size} fluxes)"
        raise InputError("templates", wrong, "as many, two or more", "check the file")
    bad = int(np.sum(~(np.isfinite(wavelength) & np.isfinite(flux))))
    if bad:
        wrong = f"{path} ({bad} rows that are not finite)"
        raise InputError("templates", wrong, "finite numbers", "drop these rows")
    return wavelength, flux
