"""Batches from a store: whole parts in random order, read without dask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.catalogue import Columns
from argdask.errors import InputError
from argdask.loader_choices import ROLES, LoaderChoices
from argdask.places import place_of
from argdask.renoising import FreshNoise
from argdask.schema import ENDS, image_name
from argdask.store.attributes import readable
from argdask.store.plan import Plan
from argdask.store.reading import open_pairs
from argdask.store.receipts import done_receipts
from argdask.store.row_reading import ImageRows
from argdask.store.work import read_attributes, read_plan

__all__ = ["StoreSource"]

# Columns are kept in memory up to this size [bytes].
_COLUMN_BYTES = 2**28


class StoreSource:
    """The galaxies of a store.

    Parameters
    ----------
    path
        The store.
    choices
        How they are streamed.

    Raises
    ------
    InputError
        If there is no store, or what only a recipe has is asked for.
    IncompleteError
        If galaxies are missing and `incomplete` is not chosen.
    """

    def __init__(self, path: str | Path, choices: LoaderChoices) -> None:
        # The working directory may be another one when it is read.
        self._path = place_of(path).absolute()
        _check(choices)
        pairs = open_pairs(path, chunks=None, incomplete=choices.incomplete)
        plan = read_plan(self._path)
        self._plan = plan
        complete = read_attributes(self._path).get("state") == "complete"
        parts = range(plan.parts) if complete else _parts_done(self._path, plan)
        self.units = [unit for part in parts for unit in _units(plan, part, choices)]
        self.images = tuple(str(name) for name in pairs.data_vars)
        self._fresh = _fresh_noise(pairs, choices)
        self.images += tuple(n for n in self._fresh if n not in self.images)
        self.truth = frozenset(
            str(name) for name, one in pairs.coords.items() if "galaxy" in one.dims
        )
        self.image_shape = pairs.sizes["y"], pairs.sizes["x"]
        self.filters = tuple(map(str, pairs["filter"].values))
        self._columns = _Columns(self._path, pairs)
        self._group = "group" if "group" in self.truth else "galaxy_id"
        self._shape = (*self.image_shape, len(self.filters))

    def groups(self, start: int, stop: int, epoch: int) -> NDArray[np.int64]:
        """Return what must not be divided among splits; the same in every epoch."""
        found: NDArray[np.int64] = self._columns.rows(
            self._group, np.arange(start, stop)
        )
        return found

    def hold(
        self,
        rows: NDArray[np.int64],
        columns: Sequence[str],
        images: Sequence[str],
        epoch: int,
    ) -> _Opened:
        """Read the columns of galaxies and open the files with their images."""
        wanted = {name: self._columns.rows(name, rows) for name in columns}
        fresh = {name: self._fresh[name] for name in images if name in self._fresh}
        drawn = {}
        for name, noise in fresh.items():
            truth = [self._columns.rows(one, rows) for one in noise.columns]
            drawn[name] = _Draw(noise, truth, epoch)
        stored = dict.fromkeys(
            fresh[name].before if name in fresh else name for name in images
        )
        with readable(self._path):
            opened = ImageRows(self._path, self._plan, [*stored], self._shape, rows)
        return _Opened(self._path, opened, wanted, drawn)


class _Opened:
    """Galaxies whose columns are read, and the files with their images."""

    def __init__(
        self, path: Path, rows: ImageRows, columns: Columns, drawn: dict[str, _Draw]
    ) -> None:
        self.columns = columns
        self._path, self._rows, self._drawn = path, rows, drawn

    def fill(self, some: slice, memories: Mapping[str, NDArray[np.float32]]) -> None:
        """Read images of galaxies into memory."""
        with readable(self._path):
            for name, memory in memories.items():
                fresh = self._drawn.get(name)
                stored = name if fresh is None else fresh.noise.before
                self._rows.read(stored, some, memory)
                if fresh is not None:
                    fresh.add(some, memory)


class _Draw(NamedTuple):
    """The noise of one epoch of some galaxies."""

    noise: FreshNoise
    """Of the image."""
    truth: list[NDArray[Any]]
    """What it follows from."""
    epoch: int
    """Number of the draw."""

    def add(self, some: slice, memory: NDArray[np.float32]) -> None:
        """Add it to images of some of the galaxies."""
        columns = [one[some] for one in self.truth]
        self.noise.draw(memory, columns, self.epoch, memory)


def _fresh_noise(pairs: xr.Dataset, choices: LoaderChoices) -> dict[str, FreshNoise]:
    """Return what draws noise, by the image that gets it; empty if none is asked."""
    if "noise" not in choices.augment:
        return {}
    roles = [role for role in ROLES if choices.layer(role) == "noisy"]
    roles = [one for one in roles if f"background_sigma_{ENDS[one]}" in pairs.coords]
    if not roles:
        raise InputError(
            "augment",
            "noise",
            "noisy layers of a store with noise, of which each epoch can have other",
            "leave it out, or choose layers='noisy'",
        )
    return {image_name(role, "noisy"): FreshNoise(pairs, role) for role in roles}


class _Columns:
    """Columns of a store: in memory if they are small, else read when wanted."""

    def __init__(self, path: Path, pairs: xr.Dataset) -> None:
        self._path = path
        self._pairs = pairs
        self._kept: dict[str, NDArray[Any]] = {}

    def rows(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return values of a column."""
        variable = self._pairs[name].variable
        small = variable.size * variable.dtype.itemsize <= _COLUMN_BYTES
        with readable(self._path):
            if not small:
                # In the order of the disk, each chunk once.
                order = np.argsort(rows, kind="stable")
                found = np.empty((rows.size, *variable.shape[1:]), variable.dtype)
                found[order] = variable[rows[order]].values
                return found
            if name not in self._kept:
                self._kept[name] = variable.values
        values: NDArray[Any] = self._kept[name][rows]
        return values


def _check(choices: LoaderChoices) -> None:
    asked = {
        "fresh": choices.fresh,
        "seds": choices.seds is not None,
        "catalogue": choices.catalogue is not None,
    }
    for name, given in asked.items():
        if given:
            raise InputError(
                name, "a value, with a store", "it with a recipe alone", "leave it out"
            )


def _parts_done(path: Path, plan: Plan) -> list[int]:
    """Return the parts of which images and truth are there."""
    done = {(one.kind, one.index) for one in done_receipts(path, plan)}
    return [index for index in range(plan.parts) if _is_done(plan, index, done)]


def _is_done(plan: Plan, part: int, done: set[tuple[str, int]]) -> bool:
    start, stop = plan.rows_of_part(part)
    blocks = range(start // plan.block, -(-stop // plan.block))
    return ("part", part) in done and all(("block", one) in done for one in blocks)


def _units(plan: Plan, part: int, choices: LoaderChoices) -> list[tuple[int, int]]:
    """Return the rows of a part, or of pieces of one larger than the buffer."""
    start, stop = plan.rows_of_part(part)
    size = max(choices.buffer // plan.chunk, 1) * plan.chunk
    return [(one, min(one + size, stop)) for one in range(start, stop, size)]
