"""The formats that a store can have on disk, and which one a path has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import xarray as xr

from argdask.psf import PSFImage
from argdask.simulation import Simulation
from argdask.store import netcdf_store, zarr_store
from argdask.store.attributes import read_root
from argdask.store.files import FileRecord
from argdask.store.plan import Plan
from argdask.store.tallies import Tally
from argdask.tables import UserTable

__all__ = ["FORMATS", "Format", "format_of", "name_for"]


class Format(Protocol):
    """What each format is asked for; its module is what fulfils it."""

    METADATA: str
    """Name of the JSON file with the metadata of the store's root."""
    STATISTICS: str
    """Name of the file or folder with the statistics of pixels."""

    def files_of_part(self, simulation: Simulation) -> int:
        """Return how many files a part has."""

    def write_skeleton(self, folder: Path, simulation: Simulation, plan: Plan) -> None:
        """Write all of a store but its galaxies into an empty folder."""

    def write_block(
        self, path: Path, simulation: Simulation, plan: Plan, index: int
    ) -> dict[str, FileRecord]:
        """Write the truth columns of one block of galaxies."""

    def write_part(
        self, path: Path, simulation: Simulation, plan: Plan, index: int
    ) -> tuple[dict[str, FileRecord], Tally]:
        """Make, write and tally the images of one part."""

    def write_statistics(self, folder: Path, statistics: xr.Dataset) -> None:
        """Write labelled statistics of pixels."""

    def read_statistics(self, path: Path) -> xr.Dataset:
        """Return the statistics of pixels that a store carries."""

    def read_seds(self, path: Path) -> xr.DataArray:
        """Return the SED grid that a store carries."""

    def read_table(self, path: Path) -> UserTable:
        """Return the user's catalogue that a store carries."""

    def read_psfs(self, path: Path) -> dict[str, PSFImage]:
        """Return the images of PSFs that a store carries, by their source."""

    def open_lazily(self, path: Path, *, complete: bool) -> xr.Dataset:
        """Open a store without reading a value, and without dask."""

    def committed(self, path: Path, root: dict[str, Any]) -> dict[str, Any]:
        """Return the root's metadata as it is in a complete store."""

    def sizes_on_disk(self, path: Path) -> dict[str, int]:
        """Return the bytes on disk of each variable that has files."""


FORMATS: dict[str, Format] = {"zarr": zarr_store, "netcdf": netcdf_store}
"""The formats by the name that a plan has for them."""


def name_for(path: Path) -> str:
    """Return the name of the format that a new store at a path shall have.

    Parameters
    ----------
    path
        Where the store shall be.

    Returns
    -------
    str
        One of the keys of `FORMATS`.
    """
    return "netcdf" if path.suffix == ".nc" else "zarr"


def format_of(path: Path) -> Format:
    """Return the format of the store at a path.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    Format
        What reads and writes it.

    Raises
    ------
    InputError
        If there is no store that argdask made.
    """
    for found in FORMATS.values():
        if (path / found.METADATA).is_file():
            return found
    # Says what is wrong.
    read_root(path / zarr_store.METADATA)
    raise AssertionError("a file appeared meanwhile")
