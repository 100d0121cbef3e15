"""The SED grid built into argdask, made once and kept in the cache."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.caching import cache_folder
from argdask.sed_building import build_fluxes
from argdask.sed_choices import SedGrid
from argdask.sed_files import read_seds
from argdask.sed_labels import label_fluxes

__all__ = ["default_seds", "read_seds"]

Floats = NDArray[np.float64]

_SHAPE = (39, 9, 178)
_PACKAGES = ("numpy", "scipy", "astropy", "desc-bpz", "astro-sedpy")

# All that the fluxes follow from, beside the packages.
_SOURCES = (
    "cosmologies.py",
    "filter_curves.py",
    "igm.py",
    "photometry.py",
    "sed_building.py",
    "sed_checks.py",
    "sed_choices.py",
    "sed_labels.py",
    "sed_sources.py",
    "seds.py",
    "spectra.py",
)


def default_seds() -> xr.DataArray:
    """Return the built-in SED grid.

    Returns
    -------
    DataArray
        Fluxes, uJy, of 178 templates through 9 filters of the Hubble Space Telescope at
        39 redshifts from 0.1 to 2, as `check_seds` returns them. The caller owns it.

    Notes
    -----
    The templates El, Sbc, Scd, Im, SB3 and SB2 of BPZ (Benitez 2000, ApJ 536, 571;
    Coe et al. 2006, AJ 132, 926), made equal at 5500 Angstrom and mixed in f_lambda in
    8 steps between neighbours, behind dust (Calzetti et al. 2000) and the intergalactic
    medium (Madau 1995). Every template has the absolute AB magnitude -20 at 5500
    Angstrom before dust. Filter curves come from sedpy.
    """
    return _default_seds().copy(deep=True)


@functools.cache
def _default_seds() -> xr.DataArray:
    cache = _cache_path()
    kept = _read_cache(cache)
    if kept is None:
        kept = _build_default()
        _write_cache(cache, *kept)
    return label_fluxes(SedGrid(), *kept)


def _build_default() -> tuple[NDArray[np.float32], Floats]:
    """Return the fluxes and the pivot wavelengths of the built-in grid."""
    return build_fluxes(SedGrid())


def _cache_path() -> Path | None:
    """Return where the built-in grid is kept, named by all that it depends on."""
    folder = cache_folder()
    if folder is None:
        return None
    here = Path(__file__).parent
    digest = hashlib.sha256(platform.machine().encode())
    for source in _SOURCES:
        digest.update((here / source).read_bytes())
    for package in _PACKAGES:
        digest.update(f"{package} {metadata.version(package)} ".encode())
    return folder / f"seds-{digest.hexdigest()[:24]}.npz"


def _read_cache(path: Path | None) -> tuple[NDArray[np.float32], Floats] | None:
    """Return fluxes and wavelengths from the cache; None if it is absent or damaged."""
    if path is None:
        return None
    try:
        # opened here, since np.load leaves a damaged file open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            flux, wavelength = kept["flux"], kept["wavelength"]
    except Exception:  # whatever is wrong with the file, the grid can be built anew
        return None
    whole = flux.shape == _SHAPE and wavelength.shape == _SHAPE[1:2]
    return (flux, wavelength) if whole else None


def _write_cache(
    path: Path | None, flux: NDArray[np.float32], wavelength: Floats
) -> None:
    """Write the cache in one step; a cache that cannot be written is done without."""
    if path is None:
        return
    with (
        contextlib.suppress(OSError),
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
    ):
        temporary = Path(folder) / path.name
        with temporary.open("wb") as file:
            np.savez(file, flux=flux, wavelength=wavelength)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
