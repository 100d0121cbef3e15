"""Where SED grids come from: smpy's files, and the grid built into argdask."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.caching import cache_folder
from argdask.errors import InputError
from argdask.photometry import (
    LOG_STEP,
    band_fluxes,
    calzetti2000_transmission,
    luminosity_density,
    madau1995_transmission,
    pivot_wavelength,
)
from argdask.seds import DEFAULT_COSMOLOGY, DIMS, check_seds, cosmology

__all__ = ["default_seds", "read_seds"]

Floats = NDArray[np.float64]

# Reading smpy's files.

_REMAKE = "it is damaged or was changed by hand: copy it again or make it anew"

# Dimension scale -> coordinate, in the order in which templates are stacked.
_SMPY_AXES = {
    "met": "metallicity",
    "ages": "age",
    "sfh": "sfh",
    "dust": "a_v",
    "fesc": "escape_fraction",
}


def read_seds(
    path: str | os.PathLike[str], *, filters: Sequence[str] | None = None
) -> xr.DataArray:
    """Read an SED grid from a file.

    Parameters
    ----------
    path
        An HDF5 file that smpy wrote.
    filters
        Names for its filters, in the file's order: smpy does not keep them. Without
        names they are called after their wavelength in Angstrom, as `band_4327`.

    Returns
    -------
    DataArray
        Fluxes (redshift, filter, template), uJy for one solar mass, as `check_seds`
        returns them.

    Raises
    ------
    InputError
        The file is missing, damaged or of another kind, or what it holds is no grid.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        cure = "give the path of an HDF5 file that smpy wrote"
        raise InputError("seds", f"{path} ({found})", "an SED grid", cure)
    try:
        with path.open("rb") as file:
            signature = file.read(8)
        if signature != b"\x89HDF\r\n\x1a\n":
            cure = "give a file that smpy wrote"
            raise InputError("seds", f"{path} (not HDF5)", "an HDF5 file", cure)
        with h5py.File(path, "r") as file:
            grid = _read_smpy(file, path.name, filters)
    except InputError:
        raise
    except PermissionError as error:
        cure = "change its permissions"
        raise InputError("seds", str(path), "a readable file", cure) from error
    except Exception as error:  # h5py raises nearly anything on a damaged file
        wrong = f"{path} (truncated or damaged)"
        raise InputError("seds", wrong, "a whole HDF5 file", _REMAKE) from error
    return check_seds(grid)


def _read_smpy(
    file: h5py.File, name: str, filters: Sequence[str] | None
) -> xr.DataArray:
    """Return the grid in a file of smpy, its axes known by their dimension scales."""
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
        attrs={"source": f"smpy, {name}", "per_solar_mass": 1},
    )


def _refuse_shape(name: str, dataset: h5py.Dataset, expected: str) -> None:
    wrong = f"'{dataset.name[1:]}' of shape {dataset.shape} in {name}"
    raise InputError("seds", wrong, expected, _REMAKE)


def _band_names(wavelength: Floats) -> list[str]:
    """Return a name for each wavelength, with a number where one comes twice."""
    plain = [f"band_{found:.0f}" for found in wavelength]
    before = [plain[:place].count(name) for place, name in enumerate(plain)]
    return [f"{a}_{n + 1}" if n else a for a, n in zip(plain, before, strict=True)]


# The built-in grid.

_TEMPLATES = ("El", "Sbc", "Scd", "Im", "SB3", "SB2")
_STEPS = 8  # between neighbouring templates
_COLOUR_EXCESSES = (0.0, 0.1, 0.2, 0.3, 0.5)
_RED_TYPES, _RED_COLOUR_EXCESSES = 9, (0.0, 0.1)  # old galaxies hold little dust
_FILTERS = (
    *(f"acs_wfc_{name}" for name in ("f435w", "f606w", "f775w", "f814w", "f850lp")),
    *(f"wfc3_ir_{name}" for name in ("f098m", "f105w", "f125w", "f160w")),
)
_REDSHIFTS = np.round(0.1 + 0.05 * np.arange(39), 9)
_PACKAGES = ("numpy", "scipy", "astropy", "desc-bpz", "astro-sedpy")


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
    flux, wavelength = kept
    names, types, excesses = zip(*_default_templates(), strict=True)
    seds = xr.DataArray(
        flux.astype(np.float64),
        dims=DIMS,
        coords={
            "redshift": _REDSHIFTS,
            "filter": list(_FILTERS),
            "wavelength": ("filter", wavelength),
            "template_name": ("template", list(names)),
            "type": ("template", list(types)),
            "e_bv": ("template", list(excesses)),
        },
        attrs={
            "source": "argdask: BPZ templates El to SB2, mixed, absolute AB magnitude "
            "-20 at 5500 Angstrom before dust; Calzetti dust, Madau absorption; "
            "filter curves of sedpy",
            "cosmology": json.dumps(DEFAULT_COSMOLOGY),
            "per_solar_mass": 0,
        },
    )
    return check_seds(seds)


def _default_templates() -> list[tuple[str, float, float]]:
    """Return name, type and colour excess of every built-in template."""
    templates = []
    for place in range(_STEPS * (len(_TEMPLATES) - 1) + 1):
        first, step = divmod(place, _STEPS)
        name = _TEMPLATES[first]
        if step:
            name += f"+{_TEMPLATES[first + 1]} {step}/{_STEPS}"
        excesses = _RED_COLOUR_EXCESSES if place < _RED_TYPES else _COLOUR_EXCESSES
        templates += [(name, place / _STEPS, excess) for excess in excesses]
    return templates


def _build_default() -> tuple[NDArray[np.float32], Floats]:
    """Return the fluxes and the pivot wavelengths of the built-in grid."""
    curves = [_filter_curve(name) for name in _FILTERS]
    spectra = [_template_spectrum(name) for name in _TEMPLATES]
    reddest = max(nodes[-1] for nodes, _ in spectra)
    fine = np.exp(np.arange(np.log(500.0), np.log(reddest), LOG_STEP))
    wavelength = np.unique(np.concatenate([fine, *(nodes for nodes, _ in spectra)]))
    pure = [np.interp(wavelength, *one, left=np.nan, right=np.nan) for one in spectra]
    scale = luminosity_density(-20.0, 5500.0)
    dust = {
        excess: scale * calzetti2000_transmission(wavelength, excess)
        for excess in _COLOUR_EXCESSES
    }
    templates = _default_templates()
    luminosity = np.empty((len(templates), len(wavelength)))
    for row, (_, kind, excess) in zip(luminosity, templates, strict=True):
        first, share = int(kind), kind % 1
        row[:] = pure[first] * dust[excess]
        if share:
            row += share * (pure[first + 1] - pure[first]) * dust[excess]
    made_in = xr.DataArray(attrs={"cosmology": json.dumps(DEFAULT_COSMOLOGY)})
    distance = cosmology(made_in).luminosity_distance(_REDSHIFTS).to_value("Mpc")
    flux = band_fluxes(
        wavelength,
        luminosity,
        filters=curves,
        redshift=_REDSHIFTS,
        luminosity_distance=distance,
        igm=madau1995_transmission,
    )
    pivots = np.array([pivot_wavelength(*curve) for curve in curves])
    # Rounded, so that the last bits of another machine's sums do not change its hash.
    return flux.astype(np.float32), pivots


def _template_spectrum(name: str) -> tuple[Floats, Floats]:
    """Return wavelength (Angstrom) and f_lambda, 1 at 5500 Angstrom, of a template."""
    folder = _package_folder("desc_bpz") / "data_files" / "SED"
    wavelength, flux = np.loadtxt(folder / f"{name}_B2004a.sed", unpack=True)
    real = wavelength > 0  # the files begin with a row for wavelength 0
    wavelength, flux = wavelength[real], flux[real]
    return wavelength, flux / np.interp(5500.0, wavelength, flux)


def _filter_curve(name: str) -> tuple[Floats, Floats]:
    """Return wavelength (Angstrom) and transmission of a filter, as sedpy cuts it.

    Read from its file, since importing sedpy takes a second.
    """
    path = _package_folder("sedpy") / "data" / "filters" / f"{name}.par"
    wavelength, transmission = np.loadtxt(path, usecols=(0, 1), unpack=True)
    seen = np.flatnonzero(transmission > 1e-5 * transmission.max())
    kept = slice(max(seen[0] - 1, 0), seen[-1] + 2)
    return wavelength[kept], transmission[kept]


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"argdask needs the package {package}; install it")
    return Path(spec.submodule_search_locations[0])


def _cache_path() -> Path | None:
    """Return where the built-in grid is kept, named by all that it depends on."""
    folder = cache_folder()
    if folder is None:
        return None
    here = Path(__file__).parent
    digest = hashlib.sha256(platform.machine().encode())
    for source in ("photometry.py", "seds.py", "sed_sources.py"):
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
    shape = (len(_REDSHIFTS), len(_FILTERS), len(_default_templates()))
    whole = flux.shape == shape and wavelength.shape == shape[1:2]
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
