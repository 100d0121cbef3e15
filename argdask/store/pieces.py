"""What the pieces of a store hold, whatever its format: truth columns and images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.catalogue import Columns
from argdask.observing import Stamps
from argdask.schema import Variable, described
from argdask.simulation import Simulation
from argdask.store.plan import Plan
from argdask.store.statistics_labels import labelled
from argdask.store.tallies import Tally, has_histogram, softening_of

__all__ = [
    "PixelCount",
    "bytes_of_images",
    "bytes_of_stamps",
    "chunks_of_images",
    "columns_of_rows",
    "stamps_of",
    "statistics_of_nothing",
    "variables_of",
]

# Stamps of a part are held together only up to this [bytes].
_STAMPS_BYTES = 256 * 10**6


class PixelCount:
    """What tallies the pixels of one part.

    Parameters
    ----------
    simulation
        What makes the galaxies.
    plan
        How the store is laid out.
    index
        Number of the part.
    """

    def __init__(self, simulation: Simulation, plan: Plan, index: int) -> None:
        self._names = simulation.images
        self._first, self._softening = plan.rows_of_part(index)[0], softening_of(plan)
        filters = simulation.catalogue.seds.sizes["filter"]
        kept = has_histogram(plan, index)
        self.tally = Tally.empty(len(self._names), filters, histogram=kept)
        """What was found."""

    def add(self, name: str, images: NDArray[np.float32], start: int) -> None:
        """Add images of a variable.

        Parameters
        ----------
        name
            The variable.
        images
            Images (galaxy, y, x, filter).
        start
            Number of the first of them in the part.
        """
        number = self._names.index(name)
        self.tally.add(number, images, self._first + start, self._softening)


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
    names = (*simulation.images, *simulation.columns([]))
    return list(described(names).values())


def statistics_of_nothing(simulation: Simulation, plan: Plan) -> xr.Dataset:
    """Return the labels of the statistics of a store that has no galaxy yet.

    Parameters
    ----------
    simulation
        What makes the galaxies.
    plan
        How the store is laid out.

    Returns
    -------
    Dataset
        Statistics without values.
    """
    filters = [str(name) for name in simulation.catalogue.seds["filter"].values]
    return labelled(simulation.images, filters, softening_of(plan))


def columns_of_rows(
    simulation: Simulation, start: int, stop: int, *, truth: bool = True
) -> Columns:
    """Return the columns of rows of a store.

    Parameters
    ----------
    simulation
        What makes the galaxies.
    start, stop
        The first row, and the one after the last.
    truth
        Whether all of the truth is asked for, or only what images are made from.

    Returns
    -------
    dict
        One array for each column.
    """
    ids = simulation.catalogue.ids(start, stop)
    return simulation.columns(ids) if truth else simulation.catalogue.columns(ids)


def bytes_of_images(simulation: Simulation, plan: Plan) -> int:
    """Return the bytes of all images of a store before compression.

    Parameters
    ----------
    simulation
        What makes them.
    plan
        How many there are.

    Returns
    -------
    int
        Bytes.
    """
    height, width = simulation.recipe.image_shape
    pixels = height * width * simulation.catalogue.seds.sizes["filter"]
    return 4 * pixels * len(simulation.images) * plan.galaxies


def bytes_of_stamps(simulation: Simulation, galaxies: int, chunk: int) -> int:
    """Return the memory that the stamps of a part take while it is made.

    Parameters
    ----------
    simulation
        What makes the galaxies.
    galaxies
        How many there are in the part.
    chunk
        How many there are in an inner chunk.

    Returns
    -------
    int
        Bytes: of all, or of a chunk where those of all would be too many.
    """
    return _held(simulation, galaxies, chunk) * _bytes_of_one(simulation)


def _held(simulation: Simulation, galaxies: int, chunk: int) -> int:
    """Return how many stamps are held at once."""
    fit = galaxies * _bytes_of_one(simulation) <= _STAMPS_BYTES
    return galaxies if fit else min(chunk, galaxies)


def _bytes_of_one(simulation: Simulation) -> int:
    height, width = simulation.recipe.image_shape
    planes = simulation.planes(simulation.images)
    return planes * height * width * np.dtype(np.float32).itemsize


def stamps_of(
    simulation: Simulation, columns: Columns, chunk: int
) -> dict[str, Stamps] | None:
    """Render the stamps of a part once for all of its images.

    Parameters
    ----------
    simulation
        What makes the galaxies.
    columns
        Truth columns of the galaxies of a part.
    chunk
        How many there are in an inner chunk.

    Returns
    -------
    dict or None
        Stamps, as `Simulation.render` returns them; None where they would take too much
        memory, so that each image variable renders its own, chunk by chunk.
    """
    galaxies = columns["galaxy_id"].size
    if galaxies > chunk == _held(simulation, galaxies, chunk):
        return None
    return simulation.render(columns)


def chunks_of_images(
    simulation: Simulation,
    size: int,
    name: str,
    columns: Columns,
    stamps: Mapping[str, Stamps] | None,
    count: PixelCount | None = None,
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
        Their stamps; None to render those of each chunk.
    count
        What tallies their pixels, while they are in the cache.

    Yields
    ------
    ndarray
        Images (galaxy, y, x, filter); the next one lies in the same memory.
    """
    galaxies = columns["galaxy_id"].size
    height, width = simulation.recipe.image_shape
    filters = simulation.catalogue.seds.sizes["filter"]
    memory = np.empty((size, height, width, filters), np.float32)
    for start in range(0, galaxies, size):
        rows = slice(start, min(start + size, galaxies))
        some = {key: values[rows] for key, values in columns.items()}
        galaxies_here = rows.stop - start
        own = (
            simulation.render(some, [name])
            if stamps is None
            else {source: one.rows(rows) for source, one in stamps.items()}
        )
        simulation.image(name, some, own, out=memory[:galaxies_here])
        if count is not None:
            count.add(name, memory[:galaxies_here], start)
        memory[galaxies_here:] = np.nan
        yield memory
