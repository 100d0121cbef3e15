"""The Zarr format 3: metadata, truth in chunks, images in one shard for each part."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr

from argdask import seds as grids
from argdask.psf import PSFImage
from argdask.psf_labels import has_psfs, labelled_psfs, psfs_in
from argdask.rounding import rounding_attributes
from argdask.schema import COMPONENT, IMAGES, VARIABLES, Variable
from argdask.simulation import Simulation
from argdask.store import files
from argdask.store.attributes import root_attributes
from argdask.store.files import FileRecord
from argdask.store.pieces import (
    PixelCount,
    chunks_of_images,
    columns_of_rows,
    stamps_of,
    statistics_of_nothing,
    variables_of,
)
from argdask.store.plan import Plan
from argdask.store.shards import compressor, write_chunk, write_shard
from argdask.store.tallies import Tally
from argdask.tables import UserTable

__all__ = [
    "METADATA",
    "STATISTICS",
    "committed",
    "files_of_part",
    "open_lazily",
    "read_psfs",
    "read_seds",
    "read_statistics",
    "read_table",
    "sizes_on_disk",
    "write_block",
    "write_part",
    "write_skeleton",
    "write_statistics",
]

METADATA = "zarr.json"
STATISTICS = "statistics"

_TABLE = "catalogue"
_PSFS = "psfs"
_STRINGS = np.dtypes.StringDType()

# Truth columns are small and repetitive: they are always compressed.
_COLUMN_COMPRESSION: Literal["zstd"] = "zstd"


def write_skeleton(folder: Path, simulation: Simulation, plan: Plan) -> None:
    """Write all of a store but its galaxies.

    Parameters
    ----------
    folder
        An empty folder.
    simulation
        What will make the galaxies.
    plan
        How the store is laid out.
    """
    variables = variables_of(simulation)
    seds = simulation.catalogue.seds
    columns = [v.name for v in variables if v.name not in IMAGES]
    attributes = {
        **root_attributes(simulation, plan),
        "coordinates": " ".join([*columns, *simulation.of_filters]),
    }
    group = zarr.create_group(folder, zarr_format=3, attributes=attributes)
    parts = np.array(simulation.catalogue.components, _STRINGS)
    sizes = {
        "galaxy": plan.galaxies,
        COMPONENT: parts.size,
        "y": simulation.recipe.image_shape[0],
        "x": simulation.recipe.image_shape[1],
        "filter": seds.sizes["filter"],
    }
    for variable in variables:
        _create(group, variable, sizes, plan)
    of_filters = {"filter": seds["filter"].values.astype(_STRINGS)}
    for name, values in (of_filters | simulation.of_filters).items():
        found = VARIABLES.get(name)
        group.create_array(
            name,
            data=values,
            dimension_names=["filter"],
            attributes=dict(found.attrs) if found else {},
        )
    if parts.size:
        group.create_array(COMPONENT, data=parts, dimension_names=[COMPONENT])
    grid = seds.to_dataset(name="flux").reset_coords("valid")
    texts = [name for name, v in grid.variables.items() if v.dtype.kind in "OUT"]
    grid = grid.assign({name: grid[name].astype(_STRINGS) for name in texts})
    grid.to_zarr(folder, group="seds", consolidated=False, zarr_format=3, mode="a")
    write_statistics(folder, statistics_of_nothing(simulation, plan))
    if simulation.catalogue.table is not None:
        table = simulation.catalogue.table.first(plan.galaxies).to_dataset()
        options: Any = {"consolidated": False, "zarr_format": 3, "mode": "a"}
        table.to_zarr(folder, group=_TABLE, **options)
    if has_psfs(simulation):
        seen = labelled_psfs(simulation)
        seen.to_zarr(folder, group=_PSFS, consolidated=False, zarr_format=3, mode="a")


def _create(
    group: zarr.Group, variable: Variable, sizes: dict[str, int], plan: Plan
) -> None:
    shape = tuple(sizes[name] for name in variable.dims)
    image = variable.name in IMAGES
    layout = plan.recipe.layout
    compression = layout.compression if image else _COLUMN_COMPRESSION
    rounded = rounding_attributes(layout.keep_bits if image else None)
    group.create_array(
        variable.name,
        shape=shape,
        dtype=variable.dtype,
        chunks=((plan.chunk if image else plan.block), *shape[1:]),
        shards=(plan.part, *shape[1:]) if image else None,
        compressors=compressor(compression, np.dtype(variable.dtype).itemsize),
        filters=None,
        fill_value=variable.fill_value,
        # One folder for each variable, whatever its number of dimensions.
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=list(variable.dims),
        attributes={**variable.attrs, **rounded},
    )


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
    with _open(path, group="seds") as grid:
        loaded = grid.load()
    for name, coordinate in list(loaded.variables.items()):
        if coordinate.dtype.kind == "T":
            texts = np.array(coordinate.values.tolist(), dtype=str)
            loaded[str(name)] = coordinate.copy(data=texts)
    return grids.check_seds(loaded.set_coords("valid")["flux"])


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
    with _open(path, group=_TABLE) as table:
        return UserTable.from_dataset(table.load())


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
    with _open(path, group=_PSFS) as labelled:
        return psfs_in(labelled.load())


def write_statistics(folder: Path, statistics: xr.Dataset) -> None:
    """Write labelled statistics of pixels.

    Parameters
    ----------
    folder
        The store.
    statistics
        The statistics.
    """
    options: Any = {"consolidated": False, "zarr_format": 3, "mode": "a"}
    # Every file is there from the beginning, and only its bytes change.
    statistics.to_zarr(folder, group=STATISTICS, write_empty_chunks=True, **options)


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
    with _open(path, group=STATISTICS) as statistics:
        return statistics.load()


def write_block(
    path: Path, simulation: Simulation, plan: Plan, index: int
) -> dict[str, FileRecord]:
    """Write the truth columns of one block of galaxies.

    Parameters
    ----------
    path
        The store.
    simulation
        What makes the galaxies.
    plan
        How the store is laid out.
    index
        Number of the block.

    Returns
    -------
    dict
        Size and checksum of each file, by its path in the store.
    """
    start, stop = plan.rows_of_block(index)
    written = {}
    for name, values in columns_of_rows(simulation, start, stop).items():
        variable = VARIABLES[name]
        chunk = np.full(
            (plan.block, *values.shape[1:]), variable.fill_value, variable.dtype
        )
        chunk[: stop - start] = values
        place = f"{name}/{_key(index, chunk.ndim)}"
        written[place] = write_chunk(path / place, chunk, _COLUMN_COMPRESSION)
    return written


def files_of_part(simulation: Simulation) -> int:
    """Return how many files a part has: one for each image variable."""
    return len(simulation.images)


def write_part(
    path: Path, simulation: Simulation, plan: Plan, index: int
) -> tuple[dict[str, FileRecord], Tally]:
    """Make the images of one part and write each of them as one whole file.

    Parameters
    ----------
    path
        The store.
    simulation
        What makes the galaxies.
    plan
        How the store is laid out.
    index
        Number of the part.

    Returns
    -------
    dict
        Size and checksum of each file, by its path in the store.
    Tally
        What is known of its pixels.
    """
    rows = plan.rows_of_part(index)
    columns = columns_of_rows(simulation, *rows, truth=False)
    stamps = stamps_of(simulation, columns, plan.chunk)
    count = PixelCount(simulation, plan, index)
    written = {}
    for name in simulation.images:
        place = f"{name}/{_key(index, len(VARIABLES[name].dims))}"
        written[place] = write_shard(
            path / place,
            chunks_of_images(simulation, plan.chunk, name, columns, stamps, count),
            plan.part // plan.chunk,
            plan.recipe.layout.compression,
        )
    return written, count.tally


def _key(index: int, dimensions: int) -> str:
    return ".".join(["c", str(index), *["0"] * (dimensions - 1)])


def open_lazily(path: Path, *, complete: bool) -> xr.Dataset:
    """Open a store without reading a value, and without dask.

    Parameters
    ----------
    path
        The store.
    complete
        Whether its metadata is in one file by now.

    Returns
    -------
    Dataset
        Images and truth columns.
    """
    return _open(path, consolidated=complete)


def _open(
    path: Path, *, group: str | None = None, consolidated: bool = False
) -> xr.Dataset:
    # Of this format alone: older ones have codecs that execute what they read.
    options: Any = {"chunks": None, "consolidated": consolidated, "zarr_format": 3}
    with warnings.catch_warnings():
        # Lists and spare copies are none of its arrays.
        warnings.filterwarnings("ignore", message=".*not recognized as a component.*")
        opened: xr.Dataset = xr.open_zarr(path, group=group, **options)
    return opened


def committed(path: Path, root: dict[str, Any]) -> dict[str, Any]:
    """Return the root's metadata as it is in a complete store.

    Parameters
    ----------
    path
        The store.
    root
        The metadata of its root.

    Returns
    -------
    dict
        With copies of all other metadata.
    """
    # Not in the Zarr 3 specification yet, and zarr's own writer warns of that; readers
    # that know it open faster.
    copies = {
        file.parent.relative_to(path).as_posix(): json.loads(file.read_text("utf-8"))
        for file in sorted(path.rglob(METADATA))
        if file.parent != path and not files.is_unfinished(file.relative_to(path))
    }
    return {
        **root,
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": copies,
        },
    }


def sizes_on_disk(path: Path) -> dict[str, int]:
    """Return the bytes on disk of each variable that has files.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        Bytes by name; groups are among them.
    """
    return {
        entry.name: sum(f.stat().st_size for f in entry.rglob("*") if f.is_file())
        for entry in path.iterdir()
        if entry.is_dir()
    }
