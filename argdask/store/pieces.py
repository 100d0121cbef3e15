"""What the pieces of a store hold, whatever its format: truth columns and images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from argdask.catalogue import Columns
from argdask.schema import Variable, described
from argdask.simulation import Simulation

__all__ = ["chunks_of_images", "columns_of_rows", "variables_of"]


def variables_of(simulation: Simulation) -> list[Variable]:
    """Return all variables that have galaxies in a store of this simulation.

    Parameters
    ----------
    simulation
        What makes the galaxies.

    Returns
    -------
    list of Variable
        The images, then the truth columns.
    """
    # The columns of no galaxy have the names of all.
    names = (*simulation.images, *simulation.catalogue.columns([]))
    return list(described(names).values())


def columns_of_rows(simulation: Simulation, start: int, stop: int) -> Columns:
    """Return the truth columns of rows of a store.

    Parameters
    ----------
    simulation
        What makes the galaxies.
    start, stop
        The first row, and the one after the last.

    Returns
    -------
    dict
        One array for each column.
    """
    catalogue = simulation.catalogue
    return catalogue.columns(catalogue.ids(start, stop))


def chunks_of_images(
    simulation: Simulation,
    size: int,
    name: str,
    columns: Columns,
    stamps: NDArray[np.float32],
) -> Iterator[NDArray[np.float32]]:
    """Make an image variable chunk by chunk in memory that stays in the cache.

    Parameters
    ----------
    simulation
        What makes the galaxies.
    size
        Galaxies in a chunk; the last one is filled up with NaN.
    name
        The variable.
    columns
        Truth columns of the galaxies.
    stamps
        Their stamps.

    Yields
    ------
    ndarray
        Images (galaxy, y, x, filter); the next one lies in the same memory.
    """
    height, width = stamps.shape[-2:]
    filters = simulation.catalogue.seds.sizes["filter"]
    memory = np.empty((size, height, width, filters), np.float32)
    for start in range(0, len(stamps), size):
        rows = slice(start, min(start + size, len(stamps)))
        some = {key: values[rows] for key, values in columns.items()}
        count = rows.stop - start
        simulation.image(name, some, stamps[rows], out=memory[:count])
        memory[count:] = np.nan
        yield memory
