"""SED grids made of template spectra, filter curves, dust and absorbing gas."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.filter_curves import filter_curve, read_filter
from argdask.igm import inoue2014_transmission, madau1995_transmission
from argdask.photometry import (
    LOG_STEP,
    Curve,
    band_fluxes,
    calzetti2000_transmission,
    luminosity_density,
    pivot_wavelength,
)
from argdask.sed_choices import FilterChoice, Normalisation, SedGrid, TemplateSet
from argdask.sed_labels import (
    Template,
    filter_name,
    label_fluxes,
    names_of,
    templates_of,
)
from argdask.seds import cosmology
from argdask.spectra import (
    Spectrum,
    Units,
    package_spectrum,
    read_spectrum,
)

__all__ = ["build_fluxes", "build_seds"]

Floats = NDArray[np.float64]

_IGM = {
    "none": None,
    "madau1995": madau1995_transmission,
    "inoue2014": inoue2014_transmission,
}
# Spectra that are integrated at once, and about as much again for the nodes [bytes].
_BATCH = 2**27


def build_seds(grid: SedGrid | None = None) -> xr.DataArray:
    """Build an SED grid from template spectra and filter curves.

    Parameters
    ----------
    grid
        The choices; those of the built-in grid if left out.

    Returns
    -------
    DataArray
        Fluxes (redshift, filter, template), uJy, rounded to single precision, as
        `check_seds` returns them, with the template coordinates `template_name`,
        `type` (its place in the sequence) and `e_bv`. A template that does not cover a
        filter at a redshift is NaN there, and not valid. The attributes `source`,
        `choices` and `cosmology` say what the grid was made of.

    Raises
    ------
    InputError
        A file cannot be read, a filter or template is not known, a unit is not stated,
        or no template covers the filters.
    ImportError
        The templates of COSMOS are asked for without the extra that has them.

    Notes
    -----
    Every template is brought to one absolute magnitude (unless `normalise` is null),
    mixed in f_lambda in even steps with its neighbour, seen through dust (Calzetti et
    al. 2000, ApJ 533, 682), redshifted, absorbed by the intergalactic medium and
    integrated over each filter; see `argdask.photometry.band_fluxes`.
    """
    grid = SedGrid() if grid is None else grid
    return label_fluxes(grid, *build_fluxes(grid))


def build_fluxes(grid: SedGrid) -> tuple[NDArray[np.float32], Floats]:
    """Compute the fluxes of a grid, without its labels.

    Parameters
    ----------
    grid
        The choices.

    Returns
    -------
    tuple
        Flux, uJy, shape (redshift, filter, template), and pivot wavelength, Angstrom,
        shape (filter,).

    Raises
    ------
    InputError
        As for `build_seds`.
    ImportError
        As for `build_seds`.
    """
    curves = [_curve(one) for one in grid.filters]
    _check_names(grid)
    spectra = [
        _normalised(spectrum, grid.normalise)
        for one in grid.templates
        for spectrum in _spectra(one)
    ]
    redshift = grid.redshift
    made_in = xr.DataArray(attrs={"cosmology": json.dumps(grid.cosmology)})
    distance = cosmology(made_in).luminosity_distance(redshift).to_value("Mpc")
    wavelength = _rest_wavelengths(spectra, curves, redshift)
    templates = list(templates_of(grid))
    flux = [
        band_fluxes(
            wavelength,
            _luminosities(batch, spectra, wavelength, grid.normalise),
            filters=curves,
            redshift=redshift,
            luminosity_distance=distance,
            igm=_IGM[grid.igm],
        )
        for batch in _batches(templates, _BATCH // wavelength.nbytes)
    ]
    pivots = np.array([pivot_wavelength(*curve) for curve in curves])
    # Rounded, so that the last bits of another machine's sums do not change its hash.
    return np.concatenate(flux, axis=2).astype(np.float32), pivots


def _curve(choice: FilterChoice) -> Curve:
    if choice.file is None:
        return filter_curve(str(choice.name))
    return read_filter(
        choice.file,
        wavelength_unit=str(choice.wavelength_unit),
        response=choice.response,
    )


def _spectra(choice: TemplateSet) -> Iterator[Spectrum]:
    if choice.package is not None:
        for name in names_of(choice):
            yield package_spectrum(choice.package, name)
        return
    units = Units(
        choice.wavelength_unit,
        choice.flux_unit,
        choice.wavelength_column,
        choice.flux_column,
    )
    for path in choice.paths():
        yield read_spectrum(path, units)


def _check_names(grid: SedGrid) -> None:
    """Refuse what would make two filters or templates of one name."""
    templates = [name for choice in grid.templates for name in names_of(choice)]
    filters = [filter_name(one) for one in grid.filters]
    for field, names in (("templates", templates), ("filters", filters)):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(field, twice, "each name once", "drop or rename one")
    for number, choice in enumerate(grid.templates):
        for name in choice.e_bv_of:
            if name not in names_of(choice):
                field = f"templates.{number}.e_bv_of"
                expected = f"one of {', '.join(names_of(choice)[:10])}"
                raise InputError(field, name, expected, "correct the name")


def _normalised(spectrum: Spectrum, to: Normalisation | None) -> Spectrum:
    """Return a spectrum that is 1 where its magnitude is given, or as it is."""
    if to is None:
        if not spectrum.absolute:
            wrong = f"null, with {spectrum.name} of no luminosity"
            expected = "a magnitude, or flux units such as erg / (s Angstrom)"
            raise InputError("normalise", wrong, expected, "leave it out")
        return spectrum
    known = spectrum.wavelength
    there = np.interp(to.wavelength, known, spectrum.luminosity, left=0.0, right=0.0)
    if not there > 0:
        span = f"{known[0]:g} to {known[-1]:g} Angstrom"
        wrong = f"{to.wavelength:g}, where {spectrum.name} ({span}) has no light"
        cure = "choose one that all templates have"
        raise InputError("normalise.wavelength", wrong, "a wavelength with light", cure)
    return Spectrum(spectrum.name, known, spectrum.luminosity / there)


def _batches(templates: list[Template], size: int) -> Iterator[list[Template]]:
    size = max(1, size)
    for start in range(0, len(templates), size):
        yield templates[start : start + size]


def _rest_wavelengths(
    spectra: list[Spectrum], curves: list[Curve], redshift: Floats
) -> Floats:
    """Return where spectra are tabulated: fine for the dust, and at all their nodes.

    Not beyond what a filter sees, by a little: what lies there costs memory.
    """
    bluest = 0.999 * min(curve[0][0] for curve in curves) / (1 + redshift[-1])
    reddest = 1.001 * max(curve[0][-1] for curve in curves) / (1 + redshift[0])
    reddest = min(reddest, max(one.wavelength[-1] for one in spectra))
    bluest = max(bluest, min(one.wavelength[0] for one in spectra))
    # From 500 Angstrom where that is enough, so that most grids share their points.
    start = np.log(500.0)
    start -= LOG_STEP * max(0.0, np.ceil((start - np.log(bluest)) / LOG_STEP))
    fine = np.exp(np.arange(start, np.log(reddest), LOG_STEP))
    nodes = [one.wavelength for one in spectra]
    together = np.unique(np.concatenate([fine, *nodes]))
    seen = together[(together >= bluest) & (together <= reddest)]
    return np.asarray(seen if seen.size else together)  # all, where nothing is seen


def _luminosities(
    templates: list[Template],
    spectra: list[Spectrum],
    wavelength: Floats,
    normalise: Normalisation | None,
) -> Floats:
    """Return the spectra of some templates, erg / s / Angstrom, NaN where unknown."""
    needed = {one.first for one in templates}
    needed |= {one.first + 1 for one in templates if one.share}
    pure = {
        number: np.interp(
            wavelength,
            spectra[number].wavelength,
            spectra[number].luminosity,
            left=np.nan,
            right=np.nan,
        )
        for number in needed
    }
    scale = 1.0
    if normalise is not None:
        scale = luminosity_density(normalise.absolute_magnitude, normalise.wavelength)
    dust = {
        excess: scale * calzetti2000_transmission(wavelength, excess)
        for excess in {one.e_bv for one in templates}
    }
    luminosity = np.empty((len(templates), len(wavelength)))
    for row, one in zip(luminosity, templates, strict=True):
        row[:] = pure[one.first] * dust[one.e_bv]
        if one.share:
            neighbour = pure[one.first + 1] - pure[one.first]
            row += one.share * neighbour * dust[one.e_bv]
    return luminosity
