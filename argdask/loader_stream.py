"""Batches: galaxies in their order, read or made, turned, put together."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask.keyed_words import hashed
from argdask.loader_choices import LoaderChoices, Role
from argdask.loader_order import Order, Share
from argdask.loader_prefetch import made_ahead
from argdask.loader_sources import BASE, Held, Source, check_against, roles_of
from argdask.memory import Pool
from argdask.orientations import ORIENTED, drawn, orient, oriented
from argdask.scalings import Scaling

__all__ = ["Batch", "Stream"]

Batch = dict[str, NDArray[Any]]

# Galaxies that are turned or picked from together: few enough to stay in the
# processor's cache, enough to be made at no extra cost [bytes].
_SCRATCH_BYTES = 2**22


class Stream:
    """Batches of a source.

    Parameters
    ----------
    source
        What is streamed.
    choices
        How.

    Raises
    ------
    InputError
        If the source does not have what is chosen.
    """

    def __init__(self, source: Source, choices: LoaderChoices) -> None:
        check_against(source, choices)
        self._source = source
        self.choices = choices
        self.order = Order(source.units, source.groups, choices)
        self._roles = roles_of(choices)
        known = [*source.filters]
        names = choices.filters or source.filters
        self._channels = np.array([known.index(name) for name in names], np.int64)
        self._all = names == source.filters
        self._turned = bool({"flip", "turn"} & {*choices.augment})
        asked = (*BASE, *choices.truth)
        self._columns = tuple(dict.fromkeys(asked))
        # What an orientation changes, it changes together.
        together = self._turned and {*asked} & {*ORIENTED}
        more = [name for name in ORIENTED if together and name in source.truth]
        self._read = tuple(dict.fromkeys((*asked, *more)))

    def without_threads(self) -> Stream:
        """Return the same, made in the thread that asks for it."""
        plain = copy.copy(self)
        plain.choices = self.choices.model_copy(update={"prefetch": 0})
        return plain

    def batches(self, share: Share, epoch: int, first: int) -> Iterator[Batch]:
        """Yield the batches of one process.

        Parameters
        ----------
        share
            Which those are.
        epoch
            Number of the first epoch.
        first
            Batches of the rank to leave out at the beginning.

        Yields
        ------
        dict
            Images and columns by name.
        """
        ahead = self.choices.prefetch
        pool = Pool(ahead + self.choices.threads + 2)
        tasks = self._tasks(share, epoch, first, pool)
        yield from made_ahead(tasks, ahead, self.choices.threads)

    def _tasks(
        self, share: Share, epoch: int, first: int, pool: Pool
    ) -> Iterator[Callable[[], Batch]]:
        """Yield what makes each batch, over all epochs."""
        last = None if self.choices.epochs is None else epoch + self.choices.epochs
        turn = share.worker
        while last is None or epoch < last:
            count = self.order.batches(epoch, share.rank, share.world_size)
            if count == 0:
                return
            if first < count:
                own = Share(share.rank, share.world_size, turn, share.workers)
                yield from self._of_epoch(epoch, own, first, pool)
                # The workers take turns beyond the end of an epoch.
                turn = (turn - (count - first)) % share.workers
            first = max(first - count, 0)
            epoch += 1

    def _of_epoch(
        self, epoch: int, share: Share, first: int, pool: Pool
    ) -> Iterator[Callable[[], Batch]]:
        images = tuple(self._roles.values())
        pieces: list[tuple[Held, slice]] = []
        for portion in self.order.portions(epoch, share, first):
            held = self._source.hold(portion.rows, self._read, images, epoch)
            start = 0
            for size, end in zip(portion.sizes, portion.ends, strict=True):
                pieces.append((held, slice(start, start + size)))
                start += size
                if end:
                    yield partial(self._make, pieces, epoch, pool)
                    pieces = []
        if pieces:
            yield partial(self._make, pieces, epoch, pool)

    def _make(self, pieces: list[tuple[Held, slice]], epoch: int, pool: Pool) -> Batch:
        columns = {
            name: np.concatenate([held.columns[name][some] for held, some in pieces])
            for name in self._read
        }
        count = columns["galaxy_id"].size
        orientation = np.zeros(count, np.int64)
        if self._turned:
            augment = self.choices.augment
            ids = columns["galaxy_id"]
            words = hashed(self.choices.seed, f"orientation {epoch}", ids)
            orientation = drawn(words, flip="flip" in augment, turn="turn" in augment)
            columns = oriented(columns, orientation)
        height, width = self._source.image_shape
        channels = self._channels.size
        first = self.choices.channels == "first"
        shape = (channels, height, width) if first else (height, width, channels)
        whole = {role: pool.take((count, *shape)) for role in self._roles}
        views = {
            role: memory.transpose(0, 2, 3, 1) if first else memory
            for role, memory in whole.items()
        }
        start = 0
        for held, some in pieces:
            place = slice(start, start + some.stop - some.start)
            memories = {role: view[place] for role, view in views.items()}
            self._fill(held, some, orientation[place], memories)
            start = place.stop
        images = {
            str(role): self._transformed(role, memory, views[role])
            for role, memory in whole.items()
        }
        return images | {name: columns[name] for name in self._columns}

    def _fill(
        self,
        held: Held,
        some: slice,
        orientation: NDArray[np.int64],
        memories: dict[Role, NDArray[np.float32]],
    ) -> None:
        """Write images of galaxies into memory, by way of the cache if need be."""
        if self._all and not self._turned and self.choices.channels == "last":
            held.fill(some, {self._roles[role]: memories[role] for role in memories})
            return
        shape = (*self._source.image_shape, len(self._source.filters))
        size = max(_SCRATCH_BYTES // (4 * len(memories) * int(np.prod(shape))), 1)
        scratch = _scratch((len(memories), size, *shape))
        for start in range(some.start, some.stop, size):
            rows = slice(start, min(start + size, some.stop))
            count = rows.stop - rows.start
            named = dict(zip(memories, scratch, strict=True))
            held.fill(rows, {self._roles[r]: named[r][:count] for r in named})
            place = slice(start - some.start, start - some.start + count)
            for role, memory in memories.items():
                made, turned = named[role][:count], orientation[place]
                orient(made, turned, self._channels, memory[place])

    def _transformed(
        self, role: Role, memory: NDArray[np.float32], view: NDArray[np.float32]
    ) -> NDArray[Any]:
        """Return a batch as its transform makes it; a view has filters last."""
        transform = self.choices.transform_of(role)
        if transform is None:
            return memory
        if isinstance(transform, Scaling):
            transform(view, out=view)
            return memory
        found = np.asarray(transform(view))
        if self.choices.channels == "first" and found.ndim == view.ndim:
            found = np.moveaxis(found, -1, 1)
        return np.ascontiguousarray(found)


_LOCAL = threading.local()


def _scratch(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return memory that this thread used before, if it is of the same shape."""
    found: NDArray[np.float32] | None = getattr(_LOCAL, "images", None)
    if found is None or found.shape != shape:
        found = _LOCAL.images = np.empty(shape, np.float32)
    return found
