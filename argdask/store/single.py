"""All of a store in one netCDF file, streamed with flat memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from argdask.psf_labels import has_psfs, labelled_psfs
from argdask.schema import IMAGES
from argdask.simulation import Simulation
from argdask.store.netcdf_files import (
    attributes_of_file,
    new_file,
    put,
    set_attributes,
    write_variables,
)
from argdask.store.netcdf_pairs import define_pairs, write_seds
from argdask.store.plan import Plan

__all__ = ["holds", "write_single"]


def holds(path: Path, attributes: Mapping[str, Any]) -> bool:
    """Return whether a file is the export that has these attributes.

    Parameters
    ----------
    path
        The file, of whatever kind.
    attributes
        Text and numbers.

    Returns
    -------
    bool
        Whether all of them are those of the file.
    """
    try:
        found = attributes_of_file(path)
    except OSError:
        # It is not a file of HDF5's.
        return False
    return all(found.get(name) == value for name, value in attributes.items())


def write_single(
    path: Path,
    pairs: xr.Dataset,
    simulation: Simulation,
    plan: Plan,
    statistics: xr.Dataset,
    show: Callable[[int], None],
) -> None:
    """Write training pairs, and what they were made from, as one file.

    Parameters
    ----------
    path
        Where the file shall be.
    pairs
        The pairs, lazy without dask.
    simulation
        What made them: its SED grid, the user's catalogue and PSFs go into groups.
    plan
        The plan of their store.
    statistics
        Statistics of their pixels, which go into another group.
    show
        Called with the number of galaxies of each step.
    """
    variables = {str(name): variable for name, variable in pairs.variables.items()}
    images = [name for name in IMAGES if name in variables]
    columns = [name for name in variables if name not in images]
    with new_file(path, pairs.attrs) as (file, _):
        ordered = {name: variables[name] for name in (*columns, *images)}
        define_pairs(file, ordered, plan.chunk, compressed=True)
        for name in columns:
            _copy(file, name, variables[name], plan.block)
        for name in images:
            _copy(file, name, variables[name], plan.chunk, show)
        write_seds(file.createGroup("seds"), simulation.catalogue.seds)
        _write_group(file, "statistics", statistics)
        if simulation.catalogue.table is not None:
            table = simulation.catalogue.table.first(plan.galaxies)
            _write_group(file, "catalogue", table.to_dataset())
        if has_psfs(simulation):
            _write_group(file, "psfs", labelled_psfs(simulation))


def _write_group(file: Any, name: str, labelled: xr.Dataset) -> None:
    """Write a dataset as a group of a file."""
    group = file.createGroup(name)
    set_attributes(group, labelled.attrs)
    write_variables(group, {str(key): one for key, one in labelled.variables.items()})


def _copy(
    file: Any,
    name: str,
    variable: xr.Variable,
    rows: int,
    show: Callable[[int], None] | None = None,
) -> None:
    """Copy a variable some rows at a time."""
    for start in range(0, len(variable), rows):
        values = variable[start : start + rows].values
        put(file, name, values, start)
        if show is not None:
            show(len(values))
