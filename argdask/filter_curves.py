"""Filter curves: by name from sedpy, from a user's files, and a search among them."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError, nearest
from argdask.packages import data_folder
from argdask.photometry import pivot_wavelength
from argdask.text_columns import ANGSTROMS, read_columns

__all__ = ["filter_curve", "filter_names", "read_filter", "search_filters"]

Floats = NDArray[np.float64]


def _folder() -> Path:
    return data_folder("sedpy", "data", "filters")


@functools.cache
def filter_names() -> tuple[str, ...]:
    """Return the names of all filters that argdask knows.

    Returns
    -------
    tuple
        The names of sedpy's filters, in the order of the alphabet.
    """
    return tuple(sorted(path.stem for path in _folder().glob("*.par")))


def filter_curve(name: str) -> tuple[Floats, Floats]:
    """Return a filter's curve by its name, as sedpy cuts it.

    Parameters
    ----------
    name
        Name of a filter, such as acs_wfc_f606w.

    Returns
    -------
    tuple
        Wavelength, Angstrom, and detected fraction of the photons, both (n,). Noise
        below zero, which a few of the measured curves have, is set to zero.

    Raises
    ------
    InputError
        There is no such filter.
    """
    if name not in filter_names():
        cure = f"nearest: {nearest(name, filter_names())}; see `argdask seds --filters`"
        raise InputError("filters", name, "a filter that sedpy has, or a file", cure)
    # Read from its file, since importing sedpy takes a second.
    path = _folder() / f"{name}.par"
    wavelength, transmission = np.loadtxt(path, usecols=(0, 1), unpack=True)
    seen = np.flatnonzero(transmission > 1e-5 * transmission.max())
    kept = slice(max(seen[0] - 1, 0), seen[-1] + 2)
    return wavelength[kept], np.maximum(transmission[kept], 0.0)


def read_filter(
    path: str | Path, *, wavelength_unit: str, response: str = "photon"
) -> tuple[Floats, Floats]:
    """Read a filter's curve from two columns of text.

    Parameters
    ----------
    path
        A file with wavelength and transmission, which may have a header and further
        columns, its rows in any order.
    wavelength_unit
        Unit of the first column: Angstrom, nm or um.
    response
        Whether the second column is the detected fraction of the photons (photon) or of
        the energy (energy); its scale does not matter.

    Returns
    -------
    tuple
        Wavelength, Angstrom, ascending, and relative response to photons, both (n,).

    Raises
    ------
    InputError
        The file cannot be read, or holds no curve.
    """
    wavelength, transmission = read_columns(path, field="filters")
    wavelength = wavelength * ANGSTROMS[wavelength_unit]
    order = np.argsort(wavelength, kind="stable")  # a vertical edge keeps its order
    wavelength, transmission = wavelength[order], transmission[order]
    if np.any(transmission < 0) or not np.any(transmission > 0):
        wrong = f"{path} (from {transmission.min():g} to {transmission.max():g})"
        below = np.any(transmission < 0)
        cure = "set noise below zero to 0" if below else "look at its second column"
        raise InputError(
            "filters", wrong, "transmissions of 0 or more, and some above", cure
        )
    if wavelength[0] <= 0 or wavelength[0] == wavelength[-1]:
        wrong = f"{path} (from {wavelength[0]:g} to {wavelength[-1]:g} Angstrom)"
        raise InputError(
            "filters", wrong, "two or more wavelengths above 0", "correct the file"
        )
    if response == "energy":
        transmission = transmission / wavelength
    return wavelength, transmission


def search_filters(
    text: str | None = None, wavelength: float | None = None
) -> xr.Dataset:
    """Find filters by name and by wavelength.

    Parameters
    ----------
    text
        Words that the name contains, in any order and case, such as "wfc3 160"; all
        names if left out.
    wavelength
        Wavelength, Angstrom, at which the filter has at least half of its peak; any if
        left out.

    Returns
    -------
    Dataset
        Along `filter`, from blue to red: `wavelength`, the pivot wavelength, and
        `width`, that of a top hat of the same peak and area, both in Angstrom. It is
        empty where nothing is found.

    Raises
    ------
    InputError
        The wavelength is not a number above 0.
    """
    if wavelength is not None and not wavelength > 0:
        raise InputError(
            "wavelength", wavelength, "a wavelength above 0", "give it in Angstrom"
        )
    words = (text or "").lower().split()
    found = []
    for name in filter_names():
        if not all(word in name.lower() for word in words):
            continue
        at, transmission = filter_curve(name)
        peak = transmission.max()
        if wavelength is not None:
            there = np.interp(wavelength, at, transmission, left=0.0, right=0.0)
            if there < 0.5 * peak:
                continue
        width = np.trapezoid(transmission, at) / peak
        found.append((pivot_wavelength(at, transmission), float(width), name))
    found.sort()
    label = {"units": "Angstrom"}
    return xr.Dataset(
        {
            "wavelength": (
                "filter",
                np.array([pivot for pivot, _, _ in found], float),
                {**label, "long_name": "pivot wavelength of the filter"},
            ),
            "width": (
                "filter",
                np.array([width for _, width, _ in found], float),
                {**label, "long_name": "width of a top hat of the same peak and area"},
            ),
        },
        coords={"filter": np.array([name for _, _, name in found], dtype=str)},
    )
