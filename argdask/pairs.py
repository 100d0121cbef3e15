"""Training pairs: at once for any galaxies (`simulate`), or lazy (`build`)."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import ArrayLike, NDArray

from argdask.catalogue import Columns
from argdask.errors import InputError, nearest
from argdask.pair_labels import dataset_of
from argdask.recipe import Recipe
from argdask.recipe_tables import table_of
from argdask.sed_sources import default_seds
from argdask.simulation import Simulation
from argdask.table_redshifts import tell_references

__all__ = ["build", "simulate"]

# Beyond this many chunks a graph of arrays takes minutes and gigabytes to optimise.
_MOST_CHUNKS = 100_000


def simulate(
    recipe: Recipe | None = None,
    seds: xr.DataArray | None = None,
    galaxies: ArrayLike | None = None,
    *,
    variables: Sequence[str] | None = None,
    catalogue: Any = None,
) -> xr.Dataset:
    """Make training pairs now, in memory.

    Parameters
    ----------
    recipe
        The choices; the defaults if left out.
    seds
        The SED grid (redshift, filter, template), in the unit of its attribute `units`,
        in uJy where it has none; the built-in one if left out.
    galaxies
        Ids of the galaxies; all of the recipe's if left out. Any id from 0 on will do,
        or any of the table: a galaxy has the same pixels alone and in any set.
    variables
        Image variables to make, of `input` and `target`; both if left out. The truth
        comes in any case.
    catalogue
        A table of galaxies whose columns take the place of drawn ones: what
        `argdask.read_table` returns or reads. The recipe's own if left out.

    Returns
    -------
    Dataset
        Images (galaxy, y, x, filter), the truth about each galaxy as coordinates.

    Raises
    ------
    InputError
        If the recipe asks for what the grid does not have, or an id is negative.

    Examples
    --------
    >>> import argdask as ad
    >>> pair = ad.simulate(ad.Recipe(galaxies=10), galaxies=[7])
    >>> pair["input"].shape
    (1, 60, 60, 9)
    """
    simulation = _simulation(recipe, seds, catalogue)
    names = _image_names(simulation, variables)
    if galaxies is None:
        galaxies = simulation.catalogue.ids(0, simulation.recipe.galaxies)
    return _labelled(simulation, *simulation.make(_checked_ids(galaxies), names))


def build(
    recipe: Recipe | None = None,
    seds: xr.DataArray | None = None,
    *,
    chunks: int = 64,
    catalogue: Any = None,
) -> xr.Dataset:
    """Describe training pairs as lazy dask arrays; no image is computed.

    Parameters
    ----------
    recipe
        The choices; the defaults if left out.
    seds
        The SED grid (redshift, filter, template), in the unit of its attribute `units`,
        in uJy where it has none; the built-in one if left out.
    chunks
        Galaxies in a chunk. One task makes all images of a chunk.
    catalogue
        A table of galaxies whose columns take the place of drawn ones: what
        `argdask.read_table` returns or reads. The recipe's own if left out.

    Returns
    -------
    Dataset
        Lazy images (galaxy, y, x, filter), the truth about each galaxy as coordinates
        in memory.

    Raises
    ------
    InputError
        If the recipe asks for what the grid does not have, there would be more than
        100,000 chunks, or dask's array query planning is switched on.

    Notes
    -----
    Meant for looking and for small sets. `argdask.write` makes sets of any size, from
    where it was left, without a graph.
    """
    _refuse_query_planning()
    simulation = _simulation(recipe, seds, catalogue)
    galaxies = simulation.recipe.galaxies
    if not isinstance(chunks, Integral) or isinstance(chunks, bool) or chunks < 1:
        raise InputError(
            "chunks", chunks, "a number of galaxies", "leave it out for 64"
        )
    chunks = int(chunks)
    starts = range(0, galaxies, chunks)
    if len(starts) > _MOST_CHUNKS:
        raise InputError(
            "chunks",
            chunks,
            f"at most {_MOST_CHUNKS} chunks, not {len(starts)}",
            "use argdask.write, or larger chunks",
        )
    columns = simulation.columns(simulation.catalogue.ids(0, galaxies))
    sizes = tuple(min(chunks, galaxies - start) for start in starts)
    return _labelled(simulation, columns, _lazy_images(simulation, sizes))


def _labelled(
    simulation: Simulation, columns: Columns, images: dict[str, Any]
) -> xr.Dataset:
    pairs = dataset_of(simulation, columns, images)
    tell_references(pairs, simulation.recipe, simulation.catalogue.seds)
    return pairs


def _simulation(
    recipe: Recipe | None, seds: xr.DataArray | None, catalogue: Any
) -> Simulation:
    grid = default_seds() if seds is None else seds
    chosen = Recipe() if recipe is None else recipe
    return Simulation(chosen, grid, table=table_of(chosen, catalogue))


def _image_names(
    simulation: Simulation, variables: Sequence[str] | None
) -> tuple[str, ...]:
    if variables is None:
        return simulation.images
    asked = [variables] if isinstance(variables, str) else list(variables)
    for name in asked:
        if name not in simulation.images:
            near = nearest(str(name), simulation.images)
            made = ", ".join(simulation.images)
            raise InputError("variables", name, f"among {made}", f"nearest: {near}")
    return tuple(asked)


def _checked_ids(galaxies: ArrayLike) -> NDArray[np.int64]:
    try:
        ids = np.atleast_1d(np.asarray(galaxies))
    except ValueError:  # lists of different lengths
        ids = np.empty((0, 0))
    whole = ids.dtype.kind in "iu" or ids.size == 0
    last = np.iinfo(np.int64).max
    if not whole or ids.ndim != 1 or not np.all((ids >= 0) & (ids <= last)):
        raise InputError(
            "galaxies", galaxies, "a list of ids, 0 to 2^63 - 1", "give whole numbers"
        )
    return ids.astype(np.int64)


def _refuse_query_planning() -> None:
    # Array expressions can neither hold this graph nor store it.
    if getattr(da, "ARRAY_EXPR_ENABLED", False):
        raise InputError(
            "array.query-planning",
            "True",
            "dask's array query planning to be off",
            "unset DASK_ARRAY__QUERY_PLANNING, or call "
            "dask.config.set({'array.query-planning': False}) before dask.array is "
            "imported",
        )


def _lazy_images(simulation: Simulation, sizes: tuple[int, ...]) -> dict[str, da.Array]:
    """Describe all images by one task for each chunk."""
    token = tokenize(simulation, sizes)
    source, block = f"recipe-{token}", f"pairs-{token}"
    names = simulation.images
    starts = np.cumsum((0, *sizes)).tolist()
    blocks: dict[Any, Any] = {
        (block, k): (_make_block, source, names, starts[k], starts[k + 1])
        for k in range(len(sizes))
    }
    layers: dict[str, Any] = {source: {source: simulation}, block: blocks}
    needs: dict[str, set[str]] = {source: set(), block: {source}}
    height, width = simulation.recipe.image_shape
    filters = simulation.catalogue.seds.sizes["filter"]
    arrays = {}
    for index, name in enumerate(names):
        layer = f"{name}-{token}"
        chosen: Any = {
            (layer, k, 0, 0, 0): (operator.getitem, (block, k), index)
            for k in range(len(sizes))
        }
        graph = HighLevelGraph({**layers, layer: chosen}, {**needs, layer: {block}})
        chunks = (sizes, (height,), (width,), (filters,))
        arrays[name] = da.Array(graph, layer, chunks, dtype=np.float32)
    return arrays


def _make_block(
    simulation: Simulation, names: tuple[str, ...], start: int, stop: int
) -> tuple[NDArray[np.float32], ...]:
    _, images = simulation.make(simulation.catalogue.ids(start, stop), names)
    return tuple(images[name] for name in names)
