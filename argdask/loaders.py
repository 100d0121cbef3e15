"""Batches for training: from a store or straight from a recipe, one interface."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from argdask.errors import InputError
from argdask.loader_choices import LoaderChoices
from argdask.loader_order import Share
from argdask.loader_recipe import RecipeSource
from argdask.loader_store import StoreSource
from argdask.loader_stream import Batch, Stream
from argdask.recipe import Recipe

__all__ = [
    "LoaderChoices",
    "batches",
    "sample_statistics",
    "stream_of",
    "torch_dataset",
]


def batches(source: str | Path | Recipe, **choices: Any) -> Iterator[Batch]:
    """Stream training pairs as batches of arrays, from a store or a recipe.

    Parameters
    ----------
    source
        Path of a store, or a recipe, from which galaxies are made as they are wanted,
        without a disk.
    **choices
        `batch_size` (64), `shuffle` (True), `seed`, `epoch` and `epochs` (one epoch;
        None: without end), `split` (a name) and `splits` (all fractions), `layers`
        (`clean`, `convolved`, `noisy`, or one for input and one for target), `filters`,
        `truth` (further columns), `transform`, `augment` (`flip`, `turn`, `noise`),
        `channels` (`last` or `first`), `prefetch`, `start_step`, and the others that
        `LoaderChoices` explains.

    Yields
    ------
    dict
        `input` and `target` (galaxy, y, x, filter), or (galaxy, filter, y, x) with
        `channels="first"`; `z_in`, `z_out`, `sed_index`, `galaxy_id` and the truth that
        was asked for (galaxy, ...). Angles and offsets among it are those of the images
        as they are, flipped and turned.

    Raises
    ------
    InputError
        If a choice is wrong, or the source does not have what is chosen.
    IncompleteError
        If a store is not finished and `incomplete` is not chosen.

    Notes
    -----
    What comes out follows from the source, the seed, the epoch, the split and the size
    of a batch; not from threads, ranks, workers or where it was resumed. Each galaxy of
    the split comes once in an epoch.

    Keras takes the same batches::

        stream = ad.batches("pairs.zarr", split="train", epochs=None)
        pairs = ((batch["input"], batch["target"]) for batch in stream)
        model.fit(pairs, steps_per_epoch=1000, epochs=10)

    Examples
    --------
    >>> import argdask as ad
    >>> for batch in ad.batches(ad.Recipe(galaxies=100), batch_size=40):
    ...     print(batch["input"].shape)
    (40, 60, 60, 9)
    (40, 60, 60, 9)
    (20, 60, 60, 9)
    """
    stream = stream_of(source, LoaderChoices(**choices))
    told = stream.choices
    share = Share(told.rank, told.world_size)
    return stream.batches(share, told.epoch, told.start_step)


def stream_of(source: str | Path | Recipe, choices: LoaderChoices) -> Stream:
    """Return what makes the batches of a source.

    Parameters
    ----------
    source, choices
        As for `batches`.

    Returns
    -------
    Stream
        Nothing is read or made yet.
    """
    if isinstance(source, Recipe):
        return Stream(RecipeSource(source, choices), choices)
    if isinstance(source, str | Path):
        return Stream(StoreSource(source, choices), choices)
    raise InputError("source", source, "the path of a store, or a recipe", "give one")


def sample_statistics(
    source: str | Path | Recipe, *, galaxies: int = 1024, **choices: Any
) -> xr.Dataset:
    """Return mean and standard deviation of the pixels of some galaxies.

    Parameters
    ----------
    source
        Path of a store, or a recipe.
    galaxies
        How many galaxies, at random.
    **choices
        As for `batches`: `split`, `layers`, `filters` and so on.

    Returns
    -------
    Dataset
        `mean` and `std` (variable, filter), what `Standardise.of` and `Asinh.of` take.

    Raises
    ------
    InputError
        As `batches`, and if there is no galaxy.
    """
    # A transform would be of what is measured.
    told = LoaderChoices(**{**choices, "transform": None, "channels": "last"})
    stream = stream_of(source, told.model_copy(update={"epochs": 1}))
    share = Share(told.rank, told.world_size)
    count, names = 0, ("input", "target")
    total: Any = 0.0
    squares: Any = 0.0
    steps = -(-galaxies // told.batch_size)
    for batch in islice(stream.batches(share, told.epoch, told.start_step), steps):
        values = np.stack([batch[name] for name in names]).astype(np.float64)
        count += values[0, ..., 0].size
        total = total + values.sum(axis=(1, 2, 3))
        squares = squares + (values**2).sum(axis=(1, 2, 3))
    if not count:
        raise InputError("split", told.split, "one with galaxies", "choose another")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    dims = ("variable", "filter")
    return xr.Dataset(
        {"mean": (dims, mean), "std": (dims, std)}, {"variable": [*names]}
    )


def torch_dataset(
    source: str | Path | Recipe,
    *,
    rank: int | None = None,
    world_size: int | None = None,
    **choices: Any,
) -> Any:
    """Stream training pairs as batches of tensors.

    Parameters
    ----------
    source
        Path of a store, or a recipe.
    rank, world_size
        Which of how many processes this is; what `torch.distributed` says, if left out
        and it is in use.
    **choices
        As for `batches`.

    Returns
    -------
    torch.utils.data.IterableDataset
        Of dicts of tensors; text stays text. `set_epoch(epoch, start_step=0)` chooses
        what comes next. It is made for `DataLoader(dataset, batch_size=None)`, of which
        the workers take turns: a rank has the same batches in the same order whatever
        their number, and all ranks together each batch once.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    InputError
        As `batches`.
    """
    from argdask.loader_torch import dataset_of_batches

    if (rank is None) != (world_size is None):
        given = f"{rank} of {world_size}"
        raise InputError("rank", given, "both rank and world_size", "give both or none")
    if rank is not None:
        choices |= {"rank": rank, "world_size": world_size}
    told = LoaderChoices(**choices)
    known = rank is not None
    return dataset_of_batches(stream_of(source, told), ranks_known=known)
