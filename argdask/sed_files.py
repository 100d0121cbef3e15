"""SED grids on disk: read from netCDF, Zarr, numpy's and smpy's files, and written."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from argdask.errors import InputError
from argdask.filter_curves import filter_curve, filter_names
from argdask.photometry import pivot_wavelength
from argdask.places import place_of
from argdask.seds import DIMS, check_seds
from argdask.smpy_grids import REMAKE, is_smpy, read_smpy

__all__ = ["read_seds", "write_seds"]

_HDF5, _NETCDF3, _ZIP, _NPY = b"\x89HDF\r\n\x1a\n", b"CDF", b"PK", b"\x93NUMPY"

_CURE = "give a file of netCDF, Zarr, .npz or .npy, or one that smpy wrote"


def read_seds(
    path: str | os.PathLike[str],
    *,
    filters: Sequence[str] | None = None,
    redshift: ArrayLike | None = None,
    wavelength: ArrayLike | None = None,
) -> xr.DataArray:
    """Read an SED grid from a file.

    Parameters
    ----------
    path
        One of these, known by its content:

        - netCDF or Zarr, with a variable of the dims redshift, filter and template in
          any order (`flux`, where there are several), such as `write_seds` makes, or a
          store of training pairs, for the grid in it;
        - ``.npz`` with the arrays flux (redshift, filter, template), redshift, filter
          and wavelength, and any others along template;
        - ``.npy`` with the fluxes alone;
        - an HDF5 file that smpy wrote.
    filters
        Names for the filters, in the file's order. Of smpy's, which have none, those
        without names are called after their wavelength in Angstrom, as `band_4327`.
    redshift
        Redshifts of the fluxes, where the file has none.
    wavelength
        Wavelengths of the filters, Angstrom, where the file has none; left out: those
        of sedpy's filters of the same names.

    Returns
    -------
    DataArray
        Fluxes (redshift, filter, template), uJy, as `check_seds` returns them. Fluxes
        in any other flux density per frequency are converted; those without a unit are
        taken to be in uJy; those of smpy are for one solar mass.

    Raises
    ------
    InputError
        The file is missing, damaged or of another kind, or what it holds is no grid.
    """
    path = place_of(path, "seds file")
    is_zarr = any((path / name).is_file() for name in ("zarr.json", ".zgroup"))
    grid = _read_zarr(path) if is_zarr else _read_file(path, filters)
    given = {"redshift": redshift, "wavelength": wavelength}
    return check_seds(_labelled(grid, path, filters, given))


def write_seds(seds: xr.DataArray, path: str | os.PathLike[str]) -> Path:
    """Write an SED grid to a new file, in one step.

    Parameters
    ----------
    seds
        An SED grid; it is checked, and the checked grid is written.
    path
        The file: netCDF if it ends in .nc, Zarr if it ends in .zarr.

    Returns
    -------
    Path
        The file, which `read_seds` reads back to the same `content_hash`.

    Raises
    ------
    InputError
        The grid is no grid, the ending is another, or the file exists or cannot be
        written.
    """
    path = place_of(path, "seds file")
    checked = check_seds(seds)
    if path.suffix not in (".nc", ".zarr"):
        expected = "a name that ends in .nc or .zarr"
        raise InputError("seds file", str(path), expected, "choose one of them")
    if path.exists():
        cure = "choose another name, or remove it"
        raise InputError("seds file", str(path), "a new file", cure)
    dataset = checked.to_dataset(name="flux")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            if path.suffix == ".nc":
                dataset.to_netcdf(temporary, engine="netcdf4")
            else:
                _write_zarr(dataset, temporary)
            temporary.rename(path)
    except OSError as error:
        expected = f"a file that can be written ({error.strerror or error})"
        raise InputError("seds file", str(path), expected, "check the path") from None
    return path


def _read_file(path: Path, filters: Sequence[str] | None) -> xr.DataArray:
    """Return the grid in a file, which its first bytes tell the kind of."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError("seds", f"{path} ({found})", "an SED grid", _CURE)
    try:
        with path.open("rb") as file:
            signature = file.read(8)
        if signature == _HDF5:
            with h5py.File(path, "r") as file:
                if is_smpy(file):
                    return read_smpy(file, path.name, filters)
        if signature == _HDF5 or signature.startswith(_NETCDF3):
            with xr.open_dataset(path, engine="netcdf4") as opened:
                return _grid_of(opened.load(), path)
        if signature.startswith((_ZIP, _NPY)):
            return _read_numpy(path)
    except InputError:
        raise
    except PermissionError as error:
        cure = "change its permissions"
        raise InputError("seds", str(path), "a readable file", cure) from error
    except Exception as error:  # the libraries raise nearly anything on a damaged file
        wrong = f"{path} (truncated or damaged)"
        raise InputError("seds", wrong, "a whole file", REMAKE) from error
    wrong = f"{path} (not HDF5, netCDF, Zarr or numpy's)"
    raise InputError("seds", wrong, "an SED grid", _CURE)


def _write_zarr(dataset: xr.Dataset, path: Path) -> None:
    # Text of variable length: the one kind that the format itself defines.
    texts = [name for name, v in dataset.variables.items() if v.dtype.kind in "OUT"]
    strings = np.dtypes.StringDType()
    dataset = dataset.assign_coords(
        {name: dataset[name].astype(strings) for name in texts}
    )
    try:
        dataset.to_zarr(path, zarr_format=3, consolidated=False, mode="w-")
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _read_zarr(path: Path) -> xr.DataArray:
    """Return the grid in a Zarr group, or in the group seds of a store of pairs."""
    _refuse_pickles(path)
    group = "seds" if (path / "seds" / "zarr.json").is_file() else None
    try:
        with warnings.catch_warnings():
            # of formats that are not in the standard yet, which read well
            warnings.simplefilter("ignore")
            with xr.open_zarr(
                path, group=group, chunks=None, consolidated=False
            ) as opened:
                return _grid_of(opened.load(), path)
    except InputError:
        raise
    except PermissionError as error:
        cure = "change its permissions"
        raise InputError("seds", str(path), "a readable folder", cure) from error
    except Exception as error:  # whatever a damaged store makes zarr raise
        wrong = f"{path} (incomplete or damaged)"
        raise InputError("seds", wrong, "a whole Zarr store", REMAKE) from error


def _refuse_pickles(path: Path) -> None:
    """Refuse arrays of Zarr 2 that execute what they hold when they are read."""
    for file in path.rglob(".zarray"):
        try:
            fields = json.loads(file.read_text("utf-8"))
            codecs = [*(fields.get("filters") or ()), fields.get("compressor") or {}]
            names = [codec.get("id") for codec in codecs]
        except (ValueError, AttributeError, TypeError):
            continue  # zarr says what is wrong with it
        if "pickle" in names:
            wrong = f"{file.parent.name} in {path.name}, which is pickled"
            cure = "save its texts as strings of a fixed length"
            raise InputError("seds", wrong, "arrays that hold data alone", cure)


def _grid_of(dataset: xr.Dataset, path: Path) -> xr.DataArray:
    """Return the variable of a dataset that is a grid, with its coordinates."""
    fitting = [name for name, v in dataset.items() if set(v.dims) == set(DIMS)]
    chosen = "flux" if "flux" in fitting else next(iter(fitting), None)
    if chosen is None or (len(fitting) > 1 and chosen != "flux"):
        shown = ", ".join(f"{name} {_axes(v)}" for name, v in dataset.items())
        wrong = f"{path.name} with {shown or 'no variables'}"
        expected = f"one variable with the dims {', '.join(DIMS)}, or 'flux' of several"
        raise InputError("seds", wrong, expected, "rename the dims, or drop the others")
    axes = [{dim} for dim in DIMS] + [{"redshift", "template"}]
    others = [
        name
        for name, v in dataset.data_vars.items()
        if set(v.dims) in axes[:3] or (name == "valid" and set(v.dims) == axes[3])
    ]
    flux = dataset.set_coords(others)[chosen]
    for name, coordinate in list(flux.coords.items()):
        if not set(coordinate.dims) <= set(DIMS) or not coordinate.dims:
            flux = flux.drop_vars([name])
        elif coordinate.dtype.kind in "SO":
            flux = flux.assign_coords({name: (coordinate.dims, _texts(coordinate))})
    whole = {name: one for name, one in dataset.attrs.items() if name != "units"}
    attrs = {"source": path.name, **whole, **flux.attrs}
    return flux.assign_attrs(attrs)


def _axes(variable: xr.DataArray) -> str:
    """Return the dims of a variable, or its shape where HDF5 has no names for them."""
    unnamed = any(str(dim).startswith("phony_dim") for dim in variable.dims)
    return f"of shape {variable.shape}" if unnamed else str(variable.dims)


def _texts(coordinate: xr.DataArray) -> np.ndarray[Any, Any]:
    values = [
        one.decode() if isinstance(one, bytes) else one
        for one in coordinate.values.flat
    ]
    return np.array(values).reshape(coordinate.shape)


def _read_numpy(path: Path) -> xr.DataArray:
    """Return the grid in an .npy or .npz file, with the labels that it has."""
    # opened here, since np.load leaves a damaged file open
    with path.open("rb") as file:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            arrays = {"flux": loaded}
        else:
            with loaded:
                arrays = {name: loaded[name] for name in loaded.files}
    flux = arrays.pop("flux", None)
    if flux is None or flux.ndim != 3:
        shape = "no array 'flux'" if flux is None else f"'flux' of shape {flux.shape}"
        wrong = f"{path.name} with {shape}"
        expected = "fluxes of three axes, redshift, filter and template"
        raise InputError("seds", wrong, expected, "save them as flux, in this order")
    coords: dict[str, Any] = {}
    dims = {"redshift": "redshift", "filter": "filter", "wavelength": "filter"}
    attrs: dict[str, Any] = {"source": path.name}
    for name, values in arrays.items():
        if values.ndim == 0:
            attrs[name] = values.item()
            continue
        dim = dims.get(name, "template")
        axes = ["redshift", "template"] if name == "valid" else [dim]
        expected_shape = tuple(flux.shape[DIMS.index(axis)] for axis in axes)
        if values.shape != expected_shape:
            wrong = f"'{name}' of shape {values.shape} in {path.name}"
            expected = f"shape {expected_shape}, as 'flux' of shape {flux.shape} has it"
            raise InputError("seds", wrong, expected, "save as many as flux has")
        coords[name] = (axes, values)
    return xr.DataArray(flux, dims=DIMS, coords=coords, attrs=attrs)


def _labelled(
    grid: xr.DataArray,
    path: Path,
    filters: Sequence[str] | None,
    given: dict[str, ArrayLike | None],
) -> xr.DataArray:
    """Add the labels that the caller brings and the file does not have."""
    if filters is not None:
        count = grid.sizes["filter"]
        if isinstance(filters, str) or len(filters) != count:
            expected = f"{count} names"
            cure = "name every filter in the file"
            raise InputError("filters", filters, expected, cure)
        grid = grid.assign_coords(filter=list(filters))
    for name, values in given.items():
        dim = "redshift" if name == "redshift" else "filter"
        if values is None:
            continue
        if name in grid.coords:
            cure = "leave it out"
            raise InputError(name, values, f"none, as {path.name} has its own", cure)
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.shape != (grid.sizes[dim],):
            wrong = f"shape {numbers.shape}"
            expected = f"{grid.sizes[dim]} numbers, as the fluxes have"
            raise InputError(name, wrong, expected, "give one for each")
        grid = grid.assign_coords({name: (dim, numbers)})
    for name, argument in (("redshift", "redshift"), ("filter", "filters")):
        if name not in grid.coords:
            wrong = f"{path.name} without {name}"
            cure = f"save {name} beside flux in .npz, or give {argument} to read_seds"
            raise InputError(f"seds.{name}", wrong, "one for each", cure)
    if "wavelength" not in grid.coords:
        grid = grid.assign_coords(wavelength=("filter", _known_wavelengths(grid)))
    return grid


def _known_wavelengths(grid: xr.DataArray) -> list[float]:
    names = [str(name) for name in grid["filter"].values]
    for name in names:
        if name not in filter_names():
            cure = "read_seds(path, wavelength=[...]), in Angstrom"
            expected = "wavelengths, where sedpy has no filter of this name"
            raise InputError("seds.wavelength", f"none for {name}", expected, cure)
    return [pivot_wavelength(*filter_curve(name)) for name in names]
