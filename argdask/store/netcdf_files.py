"""Files of netCDF, one at a time: written whole, read without locks, same bytes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import NetCDF4DataStore
from xarray.backends.locks import HDF5_LOCK, NETCDFC_LOCK, combine_locks

from argdask.errors import InputError
from argdask.store.files import WholePath, whole_path

__all__ = [
    "CONVENTIONS",
    "UDUNITS",
    "attributes_of_file",
    "define",
    "new_file",
    "put",
    "read_dataset",
    "read_values",
    "set_attributes",
    "stored_bytes",
    "write_variables",
]

# The oldest version of the Climate and Forecast conventions that has all that is used
# here: text of any length and groups (1.8), whole numbers of eight bytes (1.9).
CONVENTIONS = "CF-1.9"

# UDUNITS, by which these conventions read units, has another word. It has none at all
# for Jy, mag, solMass and pixel.
UDUNITS = {"deg": "degree"}

# Neither library can be used by two threads at once; xarray reads behind these too.
_LOCK: Any = combine_locks([NETCDFC_LOCK, HDF5_LOCK])

_INSTEAD = "write a Zarr store"

# The fastest: truth columns are small.
_ZLIB_LEVEL = 1

# What a disk that is not full has room for [bytes].
_PROBE_BYTES = 2**20


@contextmanager
def new_file(
    path: Path, attributes: Mapping[str, Any]
) -> Iterator[tuple[netCDF4.Dataset, WholePath]]:
    """Write a netCDF file that appears under its name only when it is whole.

    Parameters
    ----------
    path
        Where the file shall be; one that is there is replaced.
    attributes
        Text and numbers, of the file as a whole.

    Yields
    ------
    tuple
        The file, for `define` and `put`, and what has its record afterwards.

    Raises
    ------
    OSError
        If the disk is full or will not be written.

    Notes
    -----
    The bytes follow from what is written, in its order, and from the versions of the
    libraries: the file has no times and no unused space with what was in memory, which
    files that are made in memory have.
    """
    with whole_path(path) as whole, _told(whole.path):
        with _LOCK:
            file = netCDF4.Dataset(whole.path, "w", clobber=False)
        try:
            set_attributes(file, {**attributes, "Conventions": CONVENTIONS})
            yield file, whole
        finally:
            with _LOCK:
                file.close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell why a file cannot be written: netCDF itself only says `HDF error`.

    A file that cannot be begun it calls forbidden, on a full disk too.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        _probe(path)
        named = getattr(error, "filename", None)
        if str(named) != str(path) and "NetCDF" not in str(error):
            raise
        raise OSError(
            errno.EIO,
            f"{error}; if the file system has no locks, set "
            "HDF5_USE_FILE_LOCKING=FALSE",
            str(path),
        ) from error


def _probe(path: Path) -> None:
    """Raise the system's own error where a file cannot grow."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        os.posix_fallocate(descriptor, size, _PROBE_BYTES)
    finally:
        os.close(descriptor)


def define(
    group: netCDF4.Dataset,
    name: str,
    variable: xr.Variable,
    *,
    chunks: tuple[int, ...] | None = None,
    compressed: bool = False,
    fill_value: float | None = None,
) -> None:
    """Describe a variable of a file; its values come with `put`.

    Parameters
    ----------
    group
        The file, or a group of it.
    name
        Name of the variable.
    variable
        Its dimensions, sizes, type and attributes; no value is looked at.
    chunks
        Sizes of the chunks on disk; in one piece if left out.
    compressed
        Whether chunks are compressed, by zlib, which every reader has.
    fill_value
        What stands for no value; left out: nothing does.

    Raises
    ------
    InputError
        If netCDF has no such type or name.
    """
    text = variable.dtype.kind in "OTU"
    flag = variable.dtype.kind == "b"
    attributes = {str(key): value for key, value in variable.attrs.items()}
    if "units" in attributes:
        attributes["units"] = UDUNITS.get(attributes["units"], attributes["units"])
    if flag:
        # As xarray writes and reads them.
        attributes["dtype"] = "bool"
    if "/" in name:
        # netCDF would make groups of it.
        raise InputError(name, name, "a name without /", f"rename it, or {_INSTEAD}")
    options: dict[str, Any] = {} if fill_value is None else {"fill_value": fill_value}
    if compressed:
        options |= {"compression": "zlib", "complevel": _ZLIB_LEVEL, "shuffle": True}
    with _LOCK:
        try:
            for dim, size in variable.sizes.items():
                if dim not in group.dimensions:
                    group.createDimension(str(dim), size)
            made = group.createVariable(
                name,
                str if text else np.int8 if flag else variable.dtype.newbyteorder("="),
                [str(dim) for dim in variable.dims],
                chunksizes=chunks,
                contiguous=chunks is None and not text and 0 not in variable.shape,
                **options,
            )
            # The lock is held by now.
            _set_attributes(made, attributes)
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            if "HDF" in str(error):
                raise
            raise InputError(
                name,
                variable.dtype,
                f"a name, type and attributes that netCDF has ({error})",
                f"rename or convert it, or {_INSTEAD}",
            ) from None
        made.set_auto_maskandscale(False)
        if chunks is not None:
            # Chunks are written whole; a cache would only hold copies of them, 64 MiB
            # of each variable. Of 0 bytes netCDF takes no notice.
            made.set_var_chunk_cache(1, 1, 0.0)


def set_attributes(owner: Any, attributes: Mapping[str, Any]) -> None:
    """Set attributes in the order of their names.

    Parameters
    ----------
    owner
        A file, a group or a variable.
    attributes
        Text and numbers.
    """
    with _LOCK:
        _set_attributes(owner, attributes)


def _set_attributes(owner: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in sorted(attributes.items()):
        owner.setncattr(name, value)


def put(
    group: netCDF4.Dataset, name: str, values: NDArray[Any], start: int = 0
) -> None:
    """Write values of a variable.

    Parameters
    ----------
    group
        The file, or a group of it.
    name
        Name of the variable.
    values
        The values.
    start
        Where they begin along the first dimension.
    """
    if values.dtype.kind in "TU":
        values = values.astype(object)
    elif values.dtype.kind == "b":
        values = values.view(np.int8)
    with _LOCK:
        variable = group.variables[name]
        if values.ndim == 0:
            variable[...] = values[()]
        elif values.size:
            variable[start : start + len(values)] = values


def write_variables(
    group: netCDF4.Dataset, variables: Mapping[str, xr.Variable]
) -> None:
    """Write variables whole, in the order of their names.

    Parameters
    ----------
    group
        The file, or a group of it.
    variables
        The variables by name.

    Raises
    ------
    InputError
        If netCDF has no such type or name.
    """
    # The order of those that were read from a store is any.
    ordered = sorted(variables.items())
    for name, variable in ordered:
        define(group, name, variable)
    for name, variable in ordered:
        put(group, name, variable.values)


def read_dataset(path: Path) -> xr.Dataset:
    """Read a small file whole, without locks.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Dataset
        All of its root group, in memory; text of any length.
    """
    # HDF5 locks files that it opens itself, which some file systems refuse.
    data = path.read_bytes()
    with _LOCK:
        file = netCDF4.Dataset(path.name, "r", memory=data)
    store = NetCDF4DataStore(file)  # type: ignore[no-untyped-call] # xarray's own lack
    with xr.open_dataset(store) as opened:
        loaded: xr.Dataset = opened.load()
    for name, variable in list(loaded.variables.items()):
        if variable.dtype.kind == "O":
            texts = variable.values.astype(np.dtypes.StringDType())
            loaded[name] = xr.Variable(variable.dims, texts, variable.attrs)
    return loaded


def read_values(
    path: Path, name: str, runs: Iterable[slice], others: tuple[Any, ...]
) -> NDArray[Any]:
    """Read some numbers of a variable.

    Parameters
    ----------
    path
        The file; it is closed again.
    name
        Name of the variable.
    runs
        Along the first dimension, slices with a positive step, one after the other.
    others
        A number or a slice with a positive step for each other dimension.

    Returns
    -------
    ndarray
        The values of all runs, joined.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    """
    # h5py alone can do without locks, whatever the environment says.
    with _LOCK, h5py.File(path, "r", locking=False) as file:
        values = file[name]
        found = [np.asarray(values[(run, *others)]) for run in runs]
    return found[0] if len(found) == 1 else np.concatenate(found)


def stored_bytes(path: Path) -> dict[str, int]:
    """Return how much of a file each variable takes.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        Bytes by name, after compression.
    """
    with _LOCK, h5py.File(path, "r", locking=False) as file:
        return {name: values.id.get_storage_size() for name, values in file.items()}


def attributes_of_file(path: Path) -> dict[str, Any]:
    """Return the attributes of a file as a whole.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        Text and numbers.

    Raises
    ------
    OSError
        If it is not a file of HDF5's.
    """
    found = {}
    with _LOCK, h5py.File(path, "r", locking=False) as file:
        for name, value in file.attrs.items():
            one = np.asarray(value).ravel()[:1].tolist()[0]
            found[name] = one.decode() if isinstance(one, bytes) else one
    return found
