"""All of a store in one netCDF file, streamed with flat memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from argdask.schema import IMAGES
from argdask.store.netcdf_files import (
    attributes_of_file,
    new_file,
    put,
    write_variables,
)
from argdask.store.netcdf_pairs import define_pairs
from argdask.store.plan import Plan

__all__ = ["holds", "size_of_single", "write_single"]


def size_of_single(pairs: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> int:
    """Return about how many bytes the file takes at most.

    Parameters
    ----------
    pairs
        Training pairs.
    groups
        What goes into groups of their own.

    Returns
    -------
    int
        Bytes.
    """
    return int(pairs.nbytes + sum(group.nbytes for group in groups.values()))


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
    groups: Mapping[str, xr.Dataset],
    plan: Plan,
    show: Callable[[int], None],
) -> None:
    """Write training pairs, and what they were made from, as one file.

    Parameters
    ----------
    path
        Where the file shall be.
    pairs
        The pairs, lazy without dask.
    groups
        Datasets in memory, each for a group of its own name.
    plan
        The plan of their store.
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
        for group, dataset in groups.items():
            parts = {str(name): one for name, one in dataset.variables.items()}
            write_variables(file.createGroup(group), parts)


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
