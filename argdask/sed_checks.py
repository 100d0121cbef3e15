"""What an SED grid must fulfil: its dims, its values, the unit of its fluxes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.sed_limits import check_limits

__all__ = ["DIMS", "check_history", "check_structure", "check_values", "microjanskys"]

Floats = NDArray[np.float64]

DIMS = ("redshift", "filter", "template")
"""The dims of a grid, in their order."""

# What most grids state; astropy, which takes a while to import, is asked for others.
_MICROJANSKYS = {"uJy": 1.0, "µJy": 1.0, "μJy": 1.0, "microJy": 1.0, "microjansky": 1.0}
_MICROJANSKYS |= {"nJy": 1e-3, "mJy": 1e3, "Jy": 1e6}


def microjanskys(units: Any) -> float:
    """Return how many uJy a flux of one in some unit is.

    Parameters
    ----------
    units
        The unit, as astropy reads it, of a flux density per frequency; None where
        nothing is said, for uJy.

    Returns
    -------
    float
        What fluxes are multiplied by to be in uJy.

    Raises
    ------
    InputError
        It is no such unit.
    """
    if units is None:
        return 1.0
    if isinstance(units, str) and units in _MICROJANSKYS:
        return _MICROJANSKYS[units]
    from astropy import units as u  # noqa: PLC0415 - see above

    expected = "a flux density per frequency, as uJy, nJy, Jy or erg / (s cm2 Hz)"
    cure = "convert the fluxes to uJy"
    try:
        with warnings.catch_warnings():
            # of two slashes in a unit
            warnings.simplefilter("ignore", u.UnitsWarning)
            given = u.Unit(units)
    except (ValueError, TypeError):
        known = f"write it as astropy does, or {cure}"
        raise InputError("seds.units", units, expected, known) from None
    # A flux of 3631 Jy by that name is to most people a magnitude.
    magnitude = hasattr(given, "physical_unit") or given in (u.mag, u.AB, u.ST)
    if magnitude:
        cure += ": 10**(0.4 * (23.9 - m)) of an AB magnitude m"
    elif any(given.is_equivalent(u.erg / u.s / u.cm**2 / one) for one in (u.AA, u.A)):
        # To astropy an A is an ampere.
        cure += " by astropy.units.spectral_density(wavelength)"
    if magnitude or not given.is_equivalent(u.Jy):
        raise InputError("seds.units", units, expected, cure)
    return float(given.to(u.uJy))


def check_structure(seds: xr.DataArray) -> None:
    """Check the dims, coordinates and types of a user's grid.

    Parameters
    ----------
    seds
        What is given for a grid.

    Raises
    ------
    InputError
        It is no grid, whatever its values are.
    """
    if not isinstance(seds, xr.DataArray) or set(seds.dims) != set(DIMS):
        found = seds.dims if isinstance(seds, xr.DataArray) else type(seds).__name__
        cure = "name its dims so, or use read_seds or default_seds"
        if hasattr(seds, "columns") or isinstance(seds, dict):
            cure = "a table of galaxies: pass it as catalogue="
        raise InputError("seds", found, f"a DataArray with dims {DIMS}", cure)
    axes = {"redshift": "redshift", "filter": "filter", "wavelength": "filter"}
    for name, dim in axes.items():
        if name not in seds.coords or seds[name].dims != (dim,):
            cure = f"add one: seds.assign_coords({name}=('{dim}', ...))"
            raise InputError(f"seds.{name}", "none", f"a coordinate along {dim}", cure)
    for values in (seds, seds["redshift"], seds["wavelength"]):
        if values.dtype.kind not in "fiu":
            name = "seds" if values is seds else f"seds.{values.name}"
            raise InputError(name, values.dtype, "real numbers", "convert it")
    if "valid" in seds.coords and set(seds["valid"].dims) != {"redshift", "template"}:
        cure = "transpose or drop it"
        raise InputError("seds.valid", seds["valid"].dims, "redshift, template", cure)
    if 0 in seds.shape or seds.sizes["redshift"] < 2:
        expected = "at least two redshifts, a filter and a template"
        raise InputError("seds", dict(seds.sizes), expected, "give a larger grid")


def check_values(seds: xr.DataArray, redshift: Floats, flux: Floats) -> None:
    """Check the values of a grid in canonical order.

    Parameters
    ----------
    seds
        The grid (redshift, filter, template).
    redshift
        Its redshifts (redshift,).
    flux
        Its fluxes, of its shape.

    Raises
    ------
    InputError
        A value is repeated, negative or of the wrong kind.
    """
    if not np.all((redshift > 0) & np.isfinite(redshift)):
        bad = float(redshift[~((redshift > 0) & np.isfinite(redshift))][0])
        raise InputError("seds.redshift", bad, "redshifts above 0", "drop this one")
    names = seds["filter"].values.tolist()
    for field, values in {"redshift": redshift.tolist(), "filter": names}.items():
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            cure = "drop or rename one of the two"
            raise InputError(f"seds.{field}", twice[0], "each value once", cure)
    if not all(isinstance(name, str) and name for name in names):
        cure = "name the filters, as acs_wfc_f606w"
        raise InputError("seds.filter", names, "names", cure)
    check_limits(seds)
    if np.any(flux < 0):
        z, band, template = np.argwhere(flux < 0)[0]
        wrong = f"{flux[z, band, template]} at z = {redshift[z]}, {names[band]}"
        cure = "set it to 0 or, if it is unknown, to NaN"
        where = f"{wrong}, template {template}"
        raise InputError("seds", where, "fluxes of 0 or more", cure)


def check_history(seds: xr.DataArray) -> None:
    """Check what a grid says of star formation, where it says something.

    Parameters
    ----------
    seds
        The grid.

    Raises
    ------
    InputError
        It says what cannot be.
    """
    kind = seds.attrs.get("star_formation_time", "absolute")
    if kind not in ("absolute", "relative"):
        field, expected = "seds.star_formation_time", "absolute or relative"
        raise InputError(field, kind, expected, "correct this attribute, or drop it")
    if "surviving_mass" not in seds.coords:
        return
    mass = seds["surviving_mass"]
    expected, cure = "a fraction above 0 and up to 1 for each template", "correct it"
    if mass.dims != ("template",) or mass.dtype.kind not in "fiu":
        wrong = f"{mass.dtype} {mass.dims}"
        raise InputError("seds.surviving_mass", wrong, expected, cure)
    possible = (mass.values > 0) & (mass.values <= 1)
    if not possible.all():
        bad = mass.values[~possible][0].item()
        raise InputError("seds.surviving_mass", bad, expected, cure)
