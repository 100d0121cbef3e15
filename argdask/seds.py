"""SED grids: what they must fulfil; fluxes by redshift, filter and template."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from argdask.cosmologies import DEFAULT_COSMOLOGY, checked_cosmology
from argdask.errors import InputError, nearest
from argdask.interpolation import flux_at
from argdask.sed_limits import check_limits

__all__ = [
    "DEFAULT_COSMOLOGY",
    "DIMS",
    "age_of_universe",
    "check_seds",
    "content_hash",
    "cosmology",
    "interpolate_redshift",
    "select_filters",
]

Floats = NDArray[np.float64]

DIMS = ("redshift", "filter", "template")

# Unit and meaning of the coordinates that argdask itself knows.
_LABELS = {
    "redshift": ("1", "redshift"),
    "filter": ("1", "name of the filter"),
    "wavelength": ("Angstrom", "wavelength of the filter"),
    "valid": ("1", "finite in every filter and not zero in all of them"),
    "template_name": ("1", "name of the template"),
    "type": ("1", "place in the sequence of templates, between two if mixed"),
    "e_bv": ("mag", "colour excess E(B-V) of the dust"),
    "metallicity": ("solar", "metallicity of the stars"),
    "age": ("yr", "time since star formation began"),
    "surviving_mass": ("1", "stellar mass at this age, of all that its history forms"),
    "a_v": ("mag", "attenuation A_V by dust"),
    "escape_fraction": ("1", "escape fraction of ionising photons"),
    "sfh": ("1", "number of the star formation history"),
    "sfh_alpha": ("1", "alpha of the star formation history"),
    "sfh_beta": ("1", "beta of the star formation history"),
    "sfh_tau": ("1", "tau of the star formation history"),
}


def check_seds(seds: xr.DataArray) -> xr.DataArray:
    """Check a user's SED grid and bring it into the form that argdask works with.

    Parameters
    ----------
    seds
        Fluxes, uJy, with dims redshift, filter and template in any order, and
        coordinates `redshift`, `filter` (names) and `wavelength` (of the filters,
        Angstrom). It is not changed.

    Returns
    -------
    DataArray
        `flux` in float64, dims (redshift, filter, template), redshifts rounded to 1e-9
        and ascending, with the mask `valid` (redshift, template) and the attributes
        `cosmology`, `source` and `per_solar_mass`.

    Raises
    ------
    InputError
        Something is missing, repeated, negative or of the wrong kind.

    Notes
    -----
    The attribute `per_solar_mass` is 1 where fluxes are those of one solar mass of the
    stars that are there at the template's age, else 0. What else passive evolution
    needs:

    - the attribute `star_formation_time`: "absolute" where a younger template is what
      an older one of its history was before; "relative" where histories are stretched
      to the age of each template, as smpy's double power laws are;
    - the coordinate `age` (template,), the time since star formation began [yr];
    - the coordinate `surviving_mass` (template,), above 0 and up to 1: the mass of the
      stars that are there at this age, as a fraction of all that the history ever forms
      (of a single burst: the fraction that survives);
    - that all other coordinates along template, but `template_name`, are equal for
      templates of one history.
    """
    _check_structure(seds)
    # Levels of a stacked index become plain coordinates, which every store can hold.
    seds = seds.reset_index([name for name in seds.indexes if name == "template"])
    seds = seds.transpose(*DIMS)
    redshift = np.round(np.asarray(seds["redshift"].values, float), 9)
    flux = np.array(seds.values, dtype=np.float64, order="C")
    _check_values(seds, redshift, flux)
    _check_history(seds)
    usable = np.isfinite(flux).all(axis=1) & (flux != 0).any(axis=1)
    if "valid" in seds.coords:
        usable &= seds["valid"].transpose("redshift", "template").values.astype(bool)
    if not usable.any():
        expected = "a template with finite fluxes that are not all 0"
        raise InputError(
            "seds", "no valid template", expected, "look at its fluxes and mask"
        )
    coords = {name: _tidy(seds[name].variable) for name in seds.coords}
    coords["redshift"] = xr.Variable("redshift", redshift, coords["redshift"].attrs)
    coords["valid"] = xr.Variable(("redshift", "template"), usable)
    for name, variable in coords.items():
        units, meaning = _LABELS.get(str(name), ("unknown", str(name)))
        variable.attrs = {"units": units, "long_name": meaning, **variable.attrs}
    attrs = {"source": "given as an array", "per_solar_mass": 0, **_plain(seds.attrs)}
    attrs |= {"units": "uJy", "long_name": "flux of the template"}
    attrs["cosmology"] = json.dumps(_cosmology_parameters(seds))
    if attrs["per_solar_mass"] not in (0, 1):
        wrong = attrs["per_solar_mass"]
        raise InputError(
            "seds.per_solar_mass", wrong, "0 or 1", "correct this attribute"
        )
    checked = xr.DataArray(flux, dims=DIMS, coords=coords, name="flux", attrs=attrs)
    return checked.isel(redshift=np.argsort(redshift))


def _check_structure(seds: xr.DataArray) -> None:
    if not isinstance(seds, xr.DataArray) or set(seds.dims) != set(DIMS):
        found = seds.dims if isinstance(seds, xr.DataArray) else type(seds).__name__
        cure = "name its dims so, or use read_seds or default_seds"
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


def _check_values(seds: xr.DataArray, redshift: Floats, flux: Floats) -> None:
    """Check the values of a grid in canonical order."""
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


def _check_history(seds: xr.DataArray) -> None:
    """Check what a grid says of star formation, where it says something."""
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


def _plain(attrs: Mapping[Any, Any]) -> dict[str, str | int | float]:
    """Return attributes as text and numbers, which every store can hold."""
    plain: dict[str, str | int | float] = {}
    for name, given in attrs.items():
        value = given.item() if isinstance(given, np.generic) else given
        value = int(value) if isinstance(value, bool) else value
        plain[str(name)] = value if isinstance(value, str | int | float) else str(value)
    return plain


def _tidy(variable: xr.Variable) -> xr.Variable:
    """Return a copy of a coordinate, with fixed-width text and plain attributes."""
    text = variable.dtype.kind in "OT"
    # by way of a list, since numpy's own variable-length text knows no other way
    given = variable.values.tolist() if text else variable.values
    values = np.array(given, dtype=str if text else variable.dtype)
    return xr.Variable(variable.dims, values, _plain(variable.attrs))


def select_filters(seds: xr.DataArray, names: Iterable[str]) -> xr.DataArray:
    """Return the grid in some of its filters.

    Parameters
    ----------
    seds
        An SED grid.
    names
        Names of filters, in the order wanted.

    Returns
    -------
    DataArray
        The grid in these filters, with the mask `valid` for them alone.

    Raises
    ------
    InputError
        A name is unknown or comes twice, there is none, or no template is valid.
    """
    seds = check_seds(seds)
    known = seds["filter"].values.tolist()
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in known:
            cure = f"nearest: {nearest(str(name), known)}"
            raise InputError("filters", name, "a filter of the grid", cure)
    if not wanted or len(set(wanted)) < len(wanted):
        raise InputError(
            "filters", wanted, "one or more names, each once", "correct it"
        )
    # What the user has masked stays masked; what the other filters masked does not.
    fluxes = seds.values
    usable = np.isfinite(fluxes).all(axis=1) & (fluxes != 0).any(axis=1)
    allowed = seds["valid"] | ~usable
    chosen = seds.isel(filter=[known.index(name) for name in wanted])
    return check_seds(chosen.assign_coords(valid=allowed))


def interpolate_redshift(seds: xr.DataArray, redshift: ArrayLike) -> xr.DataArray:
    """Return the grid at other redshifts within its range.

    Parameters
    ----------
    seds
        An SED grid.
    redshift
        Redshifts, one or a list, in any order.

    Returns
    -------
    DataArray
        The grid at these redshifts, ascending, dims (redshift, filter, template): its
        own fluxes on its own redshifts; elsewhere linear in ln(flux) against
        ln(redshift), linear in flux where an end is 0, and NaN and not valid where an
        end is not valid.

    Raises
    ------
    InputError
        A redshift is beyond the grid or comes twice, or the grid is no grid.
    """
    seds = check_seds(seds)
    known = seds["redshift"].values
    wanted = np.sort(np.round(np.atleast_1d(np.asarray(redshift, float)), 9))
    if not (wanted.ndim == 1 and wanted.size and np.all(np.diff(wanted) > 0)):
        raise InputError("redshift", redshift, "one or more, each once", "correct it")
    if not known[0] <= wanted[0] <= wanted[-1] <= known[-1]:
        expected = f"redshifts from {known[0]:g} to {known[-1]:g}, as the grid has them"
        cure = "leave out those beyond, or make a larger grid"
        raise InputError("redshift", wanted.tolist(), expected, cure)
    valid = seds["valid"].values
    own = seds.transpose("redshift", "template", "filter").values
    clear = np.where(valid[:, :, None], own, np.nan)
    count = seds.sizes["template"]
    every = np.tile(np.arange(count), wanted.size)
    flux = flux_at(clear, known, np.repeat(wanted, count), every)
    flux = flux.reshape(wanted.size, count, -1)
    _, here, there = np.intersect1d(wanted, known, return_indices=True)
    flux[here] = own[there]  # with what is not valid as it was
    finite = np.array(np.isfinite(flux).all(axis=2))
    finite[here] = valid[there]
    like = seds.isel(redshift=np.zeros(wanted.size, int)).assign_coords(
        redshift=("redshift", wanted, seds["redshift"].attrs),
        valid=(("redshift", "template"), finite, seds["valid"].attrs),
    )
    return like.copy(data=flux.transpose(0, 2, 1))


def cosmology(seds: xr.DataArray) -> Any:
    """Return the cosmology in which a grid was made.

    Parameters
    ----------
    seds
        An SED grid; its attribute `cosmology` is JSON such as
        ``{"name": "FlatLambdaCDM", "H0": 70.0, "Om0": 0.3}``.

    Returns
    -------
    astropy.cosmology.FLRW
        The cosmology.

    Raises
    ------
    InputError
        The attribute is not a cosmology that argdask knows.
    """
    return _model(json.dumps(_cosmology_parameters(seds)))


@functools.cache
def _model(text: str) -> Any:
    # It takes a second to import, which most commands can do without.
    import astropy.cosmology  # noqa: PLC0415

    parameters = json.loads(text)
    return getattr(astropy.cosmology, str(parameters.pop("name")))(**parameters)


def _cosmology_parameters(seds: xr.DataArray) -> dict[str, Any]:
    given = seds.attrs.get("cosmology", json.dumps(DEFAULT_COSMOLOGY))
    if not isinstance(given, str):
        given = repr(given)  # an attribute is text, so that every store can hold it
    return checked_cosmology(given, field="seds.cosmology")


def age_of_universe(seds: xr.DataArray, redshift: ArrayLike) -> Floats:
    """Return the age of the Universe in the cosmology of a grid.

    Parameters
    ----------
    seds
        An SED grid.
    redshift
        Redshifts, any shape.

    Returns
    -------
    ndarray
        Ages, yr, same shape.

    Raises
    ------
    InputError
        The grid's cosmology is not one that argdask knows.
    """
    ages = cosmology(seds).age(np.asarray(redshift, float)).to_value("yr")
    return np.asarray(ages, float)


def content_hash(seds: xr.DataArray) -> str:
    """Return a hash of all in a grid that decides pixels and truth.

    Parameters
    ----------
    seds
        An SED grid.

    Returns
    -------
    str
        SHA-256, hexadecimal, of fluxes, mask, axes, template coordinates, cosmology
        and `per_solar_mass`; the same for any layout, order of dims and source.

    Raises
    ------
    InputError
        The grid does not pass `check_seds`.
    """
    seds = check_seds(seds)
    own = [name for name in seds.coords if seds[name].dims == ("template",)]
    digest = hashlib.sha256(" ".join(DIMS).encode())
    digest.update(f"{seds.attrs['cosmology']} {seds.attrs['per_solar_mass']}".encode())
    for name in ("redshift", "filter", "wavelength", "valid", *sorted(map(str, own))):
        digest.update(_canonical(name, seds[name].values))
    digest.update(_canonical("flux", seds.values))
    return digest.hexdigest()


def _canonical(name: str, values: NDArray[Any]) -> bytes:
    """Return an array as bytes that depend on its values alone."""
    kind = {"u": "i", "O": "U", "T": "U"}.get(values.dtype.kind, values.dtype.kind)
    header = f"{name} {kind} {values.shape} ".encode()
    width = {"b": "?", "i": "<i8", "f": "<f8"}.get(kind)
    if width is None:
        return header + json.dumps(values.astype(str).tolist()).encode()
    return header + np.ascontiguousarray(values, dtype=width).tobytes()
