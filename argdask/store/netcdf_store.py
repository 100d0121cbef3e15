"""The netCDF format: a manifest, and files of their own for parts, truth and grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from argdask.catalogue import Columns
from argdask.errors import InputError
from argdask.pair_labels import attributes_of, dataset_of
from argdask.psf_labels import has_psfs, labelled_psfs
from argdask.rounding import rounding_attributes
from argdask.schema import VARIABLES
from argdask.simulation import Simulation
from argdask.store.attributes import root_attributes
from argdask.store.files import FileRecord
from argdask.store.netcdf_files import (
    new_file,
    put,
    write_variables,
)
from argdask.store.netcdf_pairs import define_pairs, write_seds
from argdask.store.netcdf_reading import (
    BLOCK,
    METADATA,
    PART,
    PSFS,
    SEDS,
    STATISTICS,
    TABLE,
    open_lazily,
    read_psfs,
    read_seds,
    read_statistics,
    read_table,
    sizes_on_disk,
)
from argdask.store.part_files import file_name
from argdask.store.pieces import (
    PixelCount,
    chunks_of_images,
    columns_of_rows,
    stamps_of,
    statistics_of_nothing,
)
from argdask.store.plan import Plan
from argdask.store.tallies import Tally

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

    Raises
    ------
    InputError
        If the images shall be compressed, or netCDF cannot hold the grid.
    """
    compression = plan.recipe.layout.compression
    if compression != "none":
        raise InputError(
            "layout.compression",
            compression,
            "none for a netCDF store, which most programs could not read otherwise",
            "choose none, or a path that ends in .zarr",
        )
    with new_file(folder / SEDS, {"title": "SED grid"}) as (file, _):
        write_seds(file, simulation.catalogue.seds)
    write_statistics(folder, statistics_of_nothing(simulation, plan))
    if simulation.catalogue.table is not None:
        table = simulation.catalogue.table.first(plan.galaxies).to_dataset()
        with new_file(folder / TABLE, {"title": "galaxies given"}) as (file, _):
            write_variables(file, {str(name): v for name, v in table.variables.items()})
    if has_psfs(simulation):
        seen = labelled_psfs(simulation)
        with new_file(folder / PSFS, {"title": "point-spread functions"}) as (file, _):
            write_variables(file, {str(name): v for name, v in seen.variables.items()})
    manifest = _manifest(simulation, plan)
    (folder / METADATA).write_text(json.dumps(manifest, indent=2), "utf-8")


def _manifest(simulation: Simulation, plan: Plan) -> dict[str, Any]:
    """Return all that a reader needs before it opens a file."""
    # The columns of no galaxy have the names, dimensions and types of all.
    truth = _truth(simulation, simulation.columns([]))
    rounded = rounding_attributes(plan.recipe.layout.keep_bits)
    images = {
        name: {
            "dims": list(VARIABLES[name].dims),
            "dtype": VARIABLES[name].dtype,
            "attributes": VARIABLES[name].attrs | rounded,
        }
        for name in simulation.images
    }
    columns: dict[str, dict[str, Any]] = {}
    for name, variable in truth.items():
        text = variable.dtype.kind == "T"
        columns[name] = {
            "dims": list(variable.dims),
            "dtype": "string" if text else str(variable.dtype),
            "attributes": dict(variable.attrs),
        }
        if "galaxy" not in variable.dims:
            columns[name]["values"] = variable.values.tolist()
    height, width = simulation.recipe.image_shape
    sizes = {str(dim): n for v in truth.values() for dim, n in v.sizes.items()}
    return {
        "attributes": root_attributes(simulation, plan),
        "sizes": {**sizes, "galaxy": plan.galaxies, "y": height, "x": width},
        "rows": {PART: plan.part, BLOCK: plan.block},
        "variables": {**images, **columns},
    }


def _truth(simulation: Simulation, columns: Columns) -> dict[str, xr.Variable]:
    """Label truth columns, and what belongs to no galaxy; the rest is in the grid."""
    labelled = dataset_of(simulation, columns, {})
    return {
        str(name): variable
        for name, variable in labelled.variables.items()
        if name in columns or "galaxy" not in variable.dims
    }


def write_statistics(folder: Path, statistics: xr.Dataset) -> None:
    """Write labelled statistics of pixels.

    Parameters
    ----------
    folder
        The store.
    statistics
        The statistics.
    """
    attributes = {"title": "statistics of pixels", **statistics.attrs}
    with new_file(folder / STATISTICS, attributes) as (file, _):
        named = {str(name): one for name, one in statistics.variables.items()}
        write_variables(file, named)


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
    columns = columns_of_rows(simulation, *plan.rows_of_block(index))
    truth = _truth(simulation, columns)
    place = file_name(BLOCK, index)
    with new_file(path / place, _attributes(simulation)) as (file, whole):
        define_pairs(file, truth, plan.chunk, compressed=True)
        for name, variable in truth.items():
            put(file, name, variable.values)
    assert whole.record is not None, "it is whole by now"
    return {place: whole.record}


def files_of_part(simulation: Simulation) -> int:
    """Return how many files a part has: one for all image variables."""
    return 1


def write_part(
    path: Path, simulation: Simulation, plan: Plan, index: int
) -> tuple[dict[str, FileRecord], Tally]:
    """Make the images of one part and write them with all truth about its galaxies.

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
    columns = columns_of_rows(simulation, *plan.rows_of_part(index))
    stamps = stamps_of(simulation, columns, plan.chunk)
    galaxies = columns["galaxy_id"].size
    truth = _truth(simulation, columns)
    images = {
        name: _described(name, simulation, galaxies) for name in simulation.images
    }
    count = PixelCount(simulation, plan, index)
    place = file_name(PART, index)
    with new_file(path / place, _attributes(simulation)) as (file, whole):
        define_pairs(file, {**truth, **images}, plan.chunk)
        for name, variable in truth.items():
            put(file, name, variable.values)
        for name in simulation.images:
            made = simulation, plan.chunk, name, columns, stamps, count
            chunks = chunks_of_images(*made)
            for number, chunk in enumerate(chunks):
                start = number * plan.chunk
                put(file, name, chunk[: galaxies - start], start)
    assert whole.record is not None, "it is whole by now"
    return {place: whole.record}, count.tally


def _described(name: str, simulation: Simulation, galaxies: int) -> xr.Variable:
    """Return an image variable without its values, which are made chunk by chunk."""
    variable = VARIABLES[name]
    filters = simulation.catalogue.seds.sizes["filter"]
    shape = (galaxies, *simulation.recipe.image_shape, filters)
    nothing = np.broadcast_to(np.zeros((), variable.dtype), shape)
    rounded = rounding_attributes(simulation.recipe.layout.keep_bits)
    return xr.Variable(variable.dims, nothing, variable.attrs | rounded)


def _attributes(simulation: Simulation) -> dict[str, Any]:
    """Return what a file says of itself; the same whatever the number of galaxies."""
    recipe = json.dumps(simulation.recipe.identity(), sort_keys=True)
    return {**attributes_of(simulation), "recipe": recipe}


def committed(path: Path, root: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest as it is in a complete store.

    Parameters
    ----------
    path
        The store.
    root
        Its manifest.

    Returns
    -------
    dict
        The same: it has all that readers need from the beginning.
    """
    return dict(root)
