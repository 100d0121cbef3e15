"""SED grids in the HDF5 files that smpy writes."""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.seds import DIMS

__all__ = ["REMAKE", "read_smpy"]

Floats = NDArray[np.float64]

REMAKE = "it is damaged or was changed by hand: copy it again or make it anew"
"""What to do about a damaged file."""

# Dimension scale -> coordinate, in the order in which templates are stacked.
_SMPY_AXES = {
    "met": "metallicity",
    "ages": "age",
    "sfh": "sfh",
    "dust": "a_v",
    "fesc": "escape_fraction",
}


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
    missing = {"fluxes", "wl", "tau"} - set(file)
    labels = [] if missing else [next(iter(d), "") for d in file["fluxes"].dims]
    order = ["z", "", *_SMPY_AXES]  # the axis of filters has no scale
    if sorted(labels) != sorted(order):
        wrong = f"no {', '.join(sorted(missing))}" if missing else f"scales {labels}"
        expected = f"smpy's 'fluxes' with the scales z, {', '.join(_SMPY_AXES)}"
        cure = "give a file that smpy wrote"
        raise InputError("seds", f"{name} with {wrong}", expected, cure)
    fluxes = file["fluxes"]
    scales = {label: fluxes.dims[labels.index(label)][0] for label in order if label}
    scales[""] = file["wl"]
    values = {}
    for label, scale in scales.items():
        length = fluxes.shape[labels.index(label)]
        if scale.shape != (length,):
            _refuse_shape(name, scale, f"{length} values, as an axis of 'fluxes' has")
        values[label] = scale[()]
    tau = np.atleast_2d(file["tau"][()].T).T  # one column where there is one parameter
    used = values["sfh"]
    if used.dtype.kind not in "iu" or used.min() < 0 or used.max() >= len(tau):
        _refuse_shape(name, file["tau"], f"a row for each of 'sfh' {used.tolist()}")

    flux = np.transpose(fluxes[()], [labels.index(label) for label in order])
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


def _refuse_shape(name: str, dataset: h5py.Dataset, expected: str) -> None:
    wrong = f"'{dataset.name[1:]}' of shape {dataset.shape} in {name}"
    raise InputError("seds", wrong, expected, REMAKE)


def _band_names(wavelength: Floats) -> list[str]:
    """Return a name for each wavelength, with a number where one comes twice."""
    plain = [f"band_{found:.0f}" for found in wavelength]
    before = [plain[:place].count(name) for place, name in enumerate(plain)]
    return [f"{a}_{n + 1}" if n else a for a, n in zip(plain, before, strict=True)]
