"""What netCDF stores are read by: their files' names, and what is in each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from argdask import seds as grids
from argdask.psf import PSFImage
from argdask.psf_labels import psfs_in
from argdask.schema import IMAGES, VARIABLES
from argdask.store.attributes import read_root
from argdask.store.netcdf_files import read_dataset, stored_bytes
from argdask.store.part_files import ColumnOfFiles
from argdask.tables import UserTable

__all__ = [
    "BLOCK",
    "METADATA",
    "PART",
    "PSFS",
    "SEDS",
    "STATISTICS",
    "TABLE",
    "open_lazily",
    "read_psfs",
    "read_seds",
    "read_statistics",
    "read_table",
    "sizes_on_disk",
]

METADATA = "manifest.json"
STATISTICS = "statistics.nc"

SEDS = "seds.nc"
TABLE = "catalogue.nc"
PSFS = "psfs.nc"

# First words of the names of files with images, and of those with truth columns alone.
PART = "part"
BLOCK = "coordinates"


def read_seds(path: Path) -> xr.DataArray:
    """Return the SED grid that a store carries, in memory.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    DataArray
        The grid (redshift, filter, template) [uJy].
    """
    grid = read_dataset(path / SEDS)
    names = [name for name in grid.variables if name != "flux"]
    return grids.check_seds(grid.set_coords(names)["flux"])


def read_table(path: Path) -> UserTable:
    """Return the user's catalogue that a store carries, in memory.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    UserTable
        The catalogue.
    """
    return UserTable.from_dataset(read_dataset(path / TABLE))


def read_psfs(path: Path) -> dict[str, PSFImage]:
    """Return the images of PSFs that a store carries, in memory.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        Images by their source.
    """
    return psfs_in(read_dataset(path / PSFS))


def read_statistics(path: Path) -> xr.Dataset:
    """Return the statistics of pixels that a store carries, in memory.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    Dataset
        By image variable and filter.
    """
    found = read_dataset(path / STATISTICS)
    found.attrs = {"softening": float(found.attrs["softening"])}
    return found


def open_lazily(path: Path, *, complete: bool) -> xr.Dataset:
    """Open a store without reading a value of a galaxy, and without dask.

    Parameters
    ----------
    path
        The store.
    complete
        Whether all of its files must be there.

    Returns
    -------
    Dataset
        Images and truth columns.
    """
    manifest = read_root(path / METADATA)
    found: dict[str, xr.Variable] = {}
    for name, told in manifest["variables"].items():
        data: Any
        if "values" in told:
            text = told["dtype"] == "string"
            data = np.array(
                told["values"], np.dtypes.StringDType() if text else told["dtype"]
            )
        else:
            kind = PART if name in IMAGES else BLOCK
            # The working directory may be another one when it is read.
            column = ColumnOfFiles(
                folder=path.absolute(),
                kind=kind,
                name=name,
                rows=manifest["rows"][kind],
                shape=tuple(manifest["sizes"][dim] for dim in told["dims"]),
                dtype=np.dtype(told["dtype"]),
                fill_value=None if complete else VARIABLES[name].fill_value,
            )
            data = indexing.LazilyIndexedArray(column)
        found[name] = xr.Variable(told["dims"], data, told["attributes"])
    images = {name: v for name, v in found.items() if name in IMAGES}
    coordinates = {name: v for name, v in found.items() if name not in IMAGES}
    return xr.Dataset(images, coordinates, manifest["attributes"])


def sizes_on_disk(path: Path) -> dict[str, int]:
    """Return the bytes on disk of each variable that has files.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        Bytes by name; those of truth columns are the sum of both places.
    """
    found: Counter[str] = Counter()
    parts = sorted(path.glob(f"{PART}-*.nc"))
    if parts:
        # All but the last are alike: images and columns in them are not compressed.
        for name, size in stored_bytes(parts[0]).items():
            found[name] += size * (len(parts) - 1)
        found.update(stored_bytes(parts[-1]))
    for block in path.glob(f"{BLOCK}-*.nc"):
        found.update(stored_bytes(block))
    return dict(found)
