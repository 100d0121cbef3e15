"""SED grids in the HDF5 files that smpy writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.seds import DIMS

__all__ = ["REMAKE", "is_smpy", "read_smpy"]

Floats = NDArray[np.float64]

REMAKE = "it is damaged or was changed by hand: copy it again or make it anew"
"""What to do about a damaged file."""

# What a file must hold beside the scales.
_ARRAYS = {"fluxes", "wl", "tau"}

# Dimension scale -> coordinate, in the order in which templates are stacked.
_SMPY_AXES = {
    "met": "metallicity",
    "ages": "age",
    "sfh": "sfh",
    "dust": "a_v",
    "fesc": "escape_fraction",
}


def is_smpy(file: h5py.File) -> bool:
    """Return whether smpy wrote a file, as far as the names in it tell.

    Parameters
    ----------
    file
        The open file.

    Returns
    -------
    bool
        Also where the fluxes are missing.
    """
    return "fluxes" in file or {"wl", "tau", "fesc", "metallicities"} <= set(file)


def read_smpy(
    file: h5py.File, name: str, filters: Sequence[str] | None
) -> xr.DataArray:
    """Return the grid in a file of smpy, its axes known by their dimension scales.

    Parameters
    ----------
    file
        The open file.
    name
        What to call it.
    filters
        Names for its filters, in the file's order; None for their wavelengths.

    Returns
    -------
    DataArray
        Fluxes (redshift, filter, template), uJy for one solar mass, not yet checked.

    Raises
    ------
    InputError
        What the file holds is no grid of smpy.
    """
    labels, values, tau = _read_axes(file, name)
    flux = _in_unit(file["fluxes"], name, "uJy")
    flux = np.transpose(flux, [labels.index(label) for label in values])
    mesh = np.meshgrid(*(values[label] for label in _SMPY_AXES), indexing="ij")
    template = {
        coordinate: ("template", grid.ravel())
        for coordinate, grid in zip(_SMPY_AXES.values(), mesh, strict=True)
    }
    greek = ("alpha", "beta", "tau")  # of the double power law
    for column, parameter in enumerate(tau.T):
        known = greek[column] if tau.shape[1] == 3 else f"parameter_{column + 1}"
        template[f"sfh_{known}"] = ("template", parameter[template["sfh"][1]])
    # Its double power law is one of the time in units of the template's own age.
    declared = {"star_formation_time": "relative"} if tau.shape[1] == 3 else {}
    names = _band_names(values[""]) if filters is None else list(filters)
    if isinstance(filters, str) or len(names) != len(values[""]):
        shown = ", ".join(f"{found:.0f}" for found in values[""])
        expected = f"{len(values[''])} names, for the wavelengths {shown}"
        raise InputError("filters", filters, expected, "name every filter in the file")
    return xr.DataArray(
        flux.reshape(*flux.shape[:2], -1),
        dims=DIMS,
        coords={
            "redshift": values["z"],
            "filter": names,
            "wavelength": ("filter", values[""]),
            **template,
        },
        attrs={"source": f"smpy, {name}", "per_solar_mass": 1, **declared},
    )


def _read_axes(
    file: h5py.File, name: str
) -> tuple[list[str], dict[str, NDArray[Any]], Floats]:
    """Return the scale of each axis of the fluxes, their values, and the histories.

    The values are in the order in which the grid has its axes; the axis of filters has
    no scale, and its values are wavelengths.
    """
    missing = _ARRAYS - set(file)
    for array in sorted(_ARRAYS - missing):
        _check_numbers(file[array], name)
    labels = [] if missing else [next(iter(d), "") for d in file["fluxes"].dims]
    order = ["z", "", *_SMPY_AXES]
    if sorted(labels) != sorted(order):
        wrong = f"no {', '.join(sorted(missing))}" if missing else f"scales {labels}"
        expected = f"smpy's 'fluxes' with the scales z, {', '.join(_SMPY_AXES)}"
        cure = "give a file that smpy wrote"
        raise InputError("seds", f"{name} with {wrong}", expected, cure)
    fluxes = file["fluxes"]
    values = {}
    for label in order:
        place = labels.index(label)
        scale = fluxes.dims[place][0] if label else file["wl"]
        _check_numbers(scale, name)
        if scale.shape != (fluxes.shape[place],):
            expected = f"{fluxes.shape[place]} values, as an axis of 'fluxes' has"
            _refuse_shape(name, scale, expected)
        values[label] = _in_unit(scale, name, "yr") if label == "ages" else scale[()]
        if label in _SMPY_AXES:
            _check_finite(scale, name, values[label])
    tau = np.atleast_2d(file["tau"][()].T).T  # one column where there is one parameter
    used = values["sfh"]
    if used.dtype.kind not in "iu" or used.min() < 0 or used.max() >= len(tau):
        _refuse_shape(name, file["tau"], f"a row for each of 'sfh' {used.tolist()}")
    _check_finite(file["tau"], name, tau[used])
    return labels, values, tau


def _check_numbers(dataset: h5py.Dataset | h5py.Group, name: str) -> None:
    found = "a group"
    if isinstance(dataset, h5py.Dataset):
        found = f"of {'text' if dataset.dtype.kind in 'OSU' else dataset.dtype}"
        if dataset.dtype.kind in "fiu":
            return
    wrong = f"'{dataset.name[1:]}' {found} in {name}"
    raise InputError("seds", wrong, "an array of numbers, as smpy writes it", REMAKE)


def _check_finite(dataset: h5py.Dataset, name: str, values: NDArray[Any]) -> None:
    """See that parameters of templates are numbers: a template is drawn with them."""
    known = np.isfinite(values)
    if not known.all():
        wrong = f"{values[~known][0]} in '{dataset.name[1:]}' of {name}"
        raise InputError("seds", wrong, "finite parameters of templates", REMAKE)


def _in_unit(dataset: h5py.Dataset, name: str, wanted: str) -> NDArray[Any]:
    """Return values in a unit: as they are if they are in it, or say nothing of one."""
    values: NDArray[Any] = dataset[()]
    told = dataset.attrs.get("unit", wanted)
    told = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    if told == wanted:
        return values
    # It takes a third of a second to import, which the files of smpy can do without.
    from astropy import units as u  # noqa: PLC0415

    try:
        with np.errstate(all="ignore"):
            return np.asarray(u.Unit(told).to(wanted, values.astype(np.float64)))
    except (ValueError, TypeError):
        wrong = f"'{dataset.name[1:]}' in {told or 'no unit'} in {name}"
        expected = f"{wanted}, or a unit that astropy converts to it"
        cure = "correct the attribute 'unit', or convert the values"
        raise InputError("seds", wrong, expected, cure) from None


def _refuse_shape(name: str, dataset: h5py.Dataset, expected: str) -> None:
    wrong = f"'{dataset.name[1:]}' of shape {dataset.shape} in {name}"
    raise InputError("seds", wrong, expected, REMAKE)


def _band_names(wavelength: Floats) -> list[str]:
    """Return a name for each wavelength, with a number where one comes twice."""
    plain = [f"band_{found:.0f}" for found in wavelength]
    before = [plain[:place].count(name) for place, name in enumerate(plain)]
    return [f"{a}_{n + 1}" if n else a for a, n in zip(plain, before, strict=True)]
