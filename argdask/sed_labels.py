"""What an SED grid is called: its templates, its coordinates, where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.sed_choices import FilterChoice, SedGrid, TemplateSet
from argdask.seds import DIMS, check_seds
from argdask.spectra import package_names, spectrum_name

__all__ = ["Template", "filter_name", "label_fluxes", "names_of", "templates_of"]

Floats = NDArray[np.float64]

_GAS = {
    "none": "no absorption by gas",
    "madau1995": "Madau absorption",
    "inoue2014": "Inoue absorption",
}


@dataclass(frozen=True)
class Template:
    """One template of a grid: which spectra it mixes, and its dust."""

    name: str
    """That of its spectrum, or of both with the step between them."""
    place: float
    """Its place in the sequence: whole for a spectrum, between them for a mixture."""
    e_bv: float
    """Colour excess of its dust [mag]."""
    first: int
    """Index of the spectrum that it begins with."""
    share: float
    """How much of the next spectrum is in it."""


def filter_name(choice: FilterChoice) -> str:
    """Return what a filter is called.

    Parameters
    ----------
    choice
        The filter.

    Returns
    -------
    str
        Its name, or that of its file without the ending.
    """
    return choice.name or Path(str(choice.file)).stem


def names_of(choice: TemplateSet) -> list[str]:
    """Return the names of a sequence's spectra, without reading them.

    Parameters
    ----------
    choice
        The sequence.

    Returns
    -------
    list
        The names, in order.

    Raises
    ------
    InputError
        A pattern of files finds nothing.
    ImportError
        The package is not installed.
    """
    if choice.package is None:
        return [spectrum_name(path) for path in choice.paths()]
    if choice.names is not None:
        return list(choice.names)
    return list(package_names(choice.package))


def templates_of(grid: SedGrid) -> Iterator[Template]:
    """Yield every template: sequence by sequence, mixtures in place, dust by dust.

    Parameters
    ----------
    grid
        The choices.

    Yields
    ------
    Template
        One after the other.
    """
    begin = 0
    for choice in grid.templates:
        names = names_of(choice)
        excesses = [choice.e_bv_of.get(name, choice.e_bv) for name in names]
        for number in range(choice.steps * (len(names) - 1) + 1):
            first, step = divmod(number, choice.steps)
            name, dust = names[first], excesses[first]
            if step:
                name += f"+{names[first + 1]} {step}/{choice.steps}"
                dust = tuple(sorted({*dust, *excesses[first + 1]}))
            share = step / choice.steps
            for excess in dust:
                place = begin + first + share
                yield Template(name, place, excess, begin + first, share)
        begin += len(names)


def label_fluxes(
    grid: SedGrid, flux: NDArray[np.float32], wavelength: Floats
) -> xr.DataArray:
    """Give fluxes their coordinates and attributes.

    Parameters
    ----------
    grid
        The choices.
    flux
        Flux, uJy, shape (redshift, filter, template).
    wavelength
        Pivot wavelength of the filters, Angstrom, shape (filter,).

    Returns
    -------
    DataArray
        The grid, as `check_seds` returns it.

    Raises
    ------
    InputError
        No template covers all filters at any redshift.
    """
    templates = list(templates_of(grid))
    seds = xr.DataArray(
        flux.astype(np.float64),
        dims=DIMS,
        coords={
            "redshift": grid.redshift,
            "filter": [filter_name(one) for one in grid.filters],
            "wavelength": ("filter", wavelength),
            "template_name": ("template", [one.name for one in templates]),
            "type": ("template", [one.place for one in templates]),
            "e_bv": ("template", [one.e_bv for one in templates]),
        },
        attrs={
            "source": _source(grid),
            "choices": _without_folders(grid).model_dump_json(),
            "cosmology": json.dumps(grid.cosmology),
            "per_solar_mass": int(grid.per_solar_mass),
        },
    )
    _check_cover(seds)
    return check_seds(seds)


def _check_cover(seds: xr.DataArray) -> None:
    """Refuse a grid whose templates all miss some filter, by the filter's name."""
    known = np.isfinite(seds.values)
    if known.all(axis=1).any():
        return
    share = known.mean(axis=(0, 2))
    worst = int(np.argmin(share))
    wrong = f"{seds['filter'].values[worst]} ({share[worst]:.0%} of cells covered)"
    cure = "leave it out, or choose templates or redshifts that reach it"
    raise InputError("filters", wrong, "a filter that the templates cover", cure)


def _source(grid: SedGrid) -> str:
    """Return one line on what the grid is made of."""
    parts = []
    for choice in grid.templates:
        names = names_of(choice)
        ends = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        origin = {"desc-bpz": "BPZ", "cosmos": "COSMOS"}.get(choice.package or "")
        mixed = ", mixed" if choice.steps > 1 and len(names) > 1 else ""
        parts.append(f"{origin or 'own'} templates {ends}{mixed}")
    bright = "luminosities as given"
    if grid.normalise is not None:
        magnitude = f"{grid.normalise.absolute_magnitude:g}"
        where = f"{grid.normalise.wavelength:g} Angstrom before dust"
        bright = f"absolute AB magnitude {magnitude} at {where}"
    files = sum(one.file is not None for one in grid.filters)
    curves = ["sedpy"] * (files < len(grid.filters)) + ["own files"] * (files > 0)
    return (
        f"argdask: {' and '.join(parts)}, {bright}; Calzetti dust, {_GAS[grid.igm]}; "
        f"filter curves of {' and '.join(curves)}"
    )


def _without_folders(grid: SedGrid) -> SedGrid:
    """Return the choices with the names of files alone, the same on every machine."""
    filters = tuple(
        one.model_copy(update={"file": Path(one.file).name}) if one.file else one
        for one in grid.filters
    )
    templates = tuple(
        one.model_copy(update={"files": tuple(Path(f).name for f in one.paths())})
        if one.files
        else one
        for one in grid.templates
    )
    return grid.model_copy(update={"filters": filters, "templates": templates})
