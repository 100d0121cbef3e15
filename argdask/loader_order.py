"""Which galaxies are in which batch: whole numbers only, no image and no column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argdask.keyed_words import permutation
from argdask.loader_choices import LoaderChoices
from argdask.splits import is_in_split

__all__ = ["Order", "Portion", "Share"]


@dataclass(frozen=True)
class Share:
    """Which batches one of several processes has: every so many of those of a rank."""

    rank: int = 0
    """Number of the rank."""
    world_size: int = 1
    """How many ranks there are."""
    worker: int = 0
    """Number of the worker of the rank."""
    workers: int = 1
    """How many workers each rank has."""


@dataclass(frozen=True)
class Portion:
    """Galaxies that are shuffled together, and what batches some of them are for."""

    rows: NDArray[np.int64]
    """Numbers of the galaxies in the set, in the order of the stream."""
    sizes: tuple[int, ...]
    """How many of them each batch gets."""
    ends: tuple[bool, ...]
    """Whether each of these batches is whole then."""


class Order:
    """The order of a set's galaxies in any epoch.

    Parameters
    ----------
    units
        First row of each unit that is read or made together, and the one after its
        last.
    groups
        What must not be divided among splits: whole numbers of the rows from a first to
        a last one, in an epoch.
    choices
        How the galaxies are streamed.

    Notes
    -----
    The units are put in random order; so many of them that follow each other as have at
    least `buffer` galaxies are shuffled together. Batches are cut from what comes out,
    numbered from 0 in each epoch: they do not depend on who makes them.
    """

    def __init__(
        self,
        units: Sequence[tuple[int, int]],
        groups: Callable[[int, int, int], NDArray[np.int64]],
        choices: LoaderChoices,
    ) -> None:
        self._units = units
        self._groups = groups
        self._choices = choices
        self._counts: dict[int, int] = {}

    def galaxies(self, epoch: int) -> int:
        """Return how many galaxies an epoch has."""
        key = epoch if self._choices.fresh else 0
        if key not in self._counts:
            every = range(len(self._units))
            self._counts[key] = sum(self._size(unit, epoch) for unit in every)
        return self._counts[key]

    def batches(self, epoch: int, rank: int, world_size: int) -> int:
        """Return how many batches of an epoch a rank has."""
        size = self._choices.batch_size
        if self._choices.drop_last:
            return self.galaxies(epoch) // size // world_size
        every = -(-self.galaxies(epoch) // size)
        return len(range(rank, every, world_size))

    def portions(self, epoch: int, share: Share, first: int) -> Iterator[Portion]:
        """Walk through an epoch.

        Parameters
        ----------
        epoch
            Its number.
        share
            Which batches are wanted.
        first
            The first batch of the rank that is wanted; the workers take turns from it.

        Yields
        ------
        Portion
            Galaxies for the wanted batches; a batch can have some from several
            portions that follow each other.
        """
        size, position = self._choices.batch_size, 0
        last = np.iinfo(np.int64).max
        if self._choices.drop_last:
            last = self.batches(epoch, 0, share.world_size) * share.world_size
        for units in self._windows(epoch):
            start = position
            position += sum(self._size(unit, epoch) for unit in units)
            touched = range(start // size, min(-(-position // size), last))
            wanted = [b for b in touched if _is_wanted(b, share, first)]
            # Of a rare split a window may have no galaxy in the middle of a batch.
            if not wanted or position == start:
                continue
            rows = self._shuffled(units, epoch)
            cuts = [
                (max(b * size, start), min((b + 1) * size, position)) for b in wanted
            ]
            yield Portion(
                np.concatenate([rows[a - start : b - start] for a, b in cuts]),
                tuple(b - a for a, b in cuts),
                tuple(b % size == 0 for _, b in cuts),
            )

    def _windows(self, epoch: int) -> Iterator[list[int]]:
        """Yield the units that are shuffled together."""
        choices = self._choices
        count = len(self._units)
        order = np.arange(count)
        if choices.shuffle:
            order = permutation(choices.seed, f"units {epoch}", count)
        units: list[int] = []
        galaxies = 0
        for unit in order.tolist():
            units.append(unit)
            start, stop = self._units[unit]
            # Before the split is looked at, so that it costs nothing to pass by.
            galaxies += stop - start
            if galaxies >= choices.buffer:
                yield units
                units, galaxies = [], 0
        if units:
            yield units

    def _shuffled(self, units: list[int], epoch: int) -> NDArray[np.int64]:
        rows = np.concatenate([self._rows(unit, epoch) for unit in units])
        if not self._choices.shuffle:
            return rows
        purpose = f"galaxies {epoch} {units[0]}"
        return rows[permutation(self._choices.seed, purpose, rows.size)]

    def _size(self, unit: int, epoch: int) -> int:
        if self._choices.split is None:
            start, stop = self._units[unit]
            return stop - start
        return self._rows(unit, epoch).size

    def _rows(self, unit: int, epoch: int) -> NDArray[np.int64]:
        """Return the rows of a unit that are in the split."""
        start, stop = self._units[unit]
        rows = np.arange(start, stop)
        choices = self._choices
        if choices.split is None:
            return rows
        groups = self._groups(start, stop, epoch)
        wanted = choices.split, choices.fractions, choices.split_seed
        return rows[is_in_split(groups, *wanted)]


def _is_wanted(batch: int, share: Share, first: int) -> bool:
    own, rank = divmod(batch, share.world_size)
    if rank != share.rank or own < first:
        return False
    return (own - first) % share.workers == share.worker
