"""Images of single galaxies, read straight from the files of parts, without a copy."""

from __future__ import annotations

import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import h5py
import numcodecs
import numpy as np
from numpy.typing import NDArray
from xarray.backends.locks import HDF5_LOCK

from argdask.store.part_files import file_name
from argdask.store.plan import Plan

__all__ = ["ImageRows"]

_ABSENT = np.uint64(2**64 - 1)


@dataclass
class _File:
    """A part of one image variable: where its chunks are in its file."""

    descriptor: int
    """Of the open file; closed with this object."""
    offsets: list[int]
    """First byte of each chunk."""
    sizes: list[int]
    """Bytes of each chunk on disk."""

    def __post_init__(self) -> None:
        weakref.finalize(self, os.close, self.descriptor)


class ImageRows:
    """Images of galaxies in the order in which they are wanted.

    Parameters
    ----------
    path
        The store.
    plan
        How it is laid out.
    names
        The image variables to read.
    shape
        Of one image (y, x, filter).
    rows
        Numbers of the galaxies in the set, in any order (galaxy,).

    Raises
    ------
    OSError, ValueError
        If a file is not there, or is not what the plan says.

    Notes
    -----
    The system is told to read the files ahead from end to end. Images that are not
    compressed are then copied once, from its cache to where they are wanted; chunks of
    compressed ones are decoded when their first galaxy is, and kept.
    """

    def __init__(
        self,
        path: Path,
        plan: Plan,
        names: Sequence[str],
        shape: tuple[int, int, int],
        rows: NDArray[np.int64],
    ) -> None:
        self._compressed = plan.recipe.layout.compression != "none"
        self._shape = (plan.chunk, *shape)
        self._row = int(np.prod(shape)) * np.dtype(np.float32).itemsize
        parts, inside = np.divmod(rows, plan.part)
        self._within = inside % plan.chunk
        self._files: dict[str, list[_File]] = {}
        self._places: dict[str, NDArray[np.int64]] = {}
        self._decoded: dict[tuple[int, int], NDArray[np.float32]] = {}
        self._locks: defaultdict[tuple[int, int], threading.Lock]
        self._locks = defaultdict(threading.Lock)
        opening = _zarr_file if plan.format == "zarr" else _netcdf_file
        numbers, which = np.unique(parts, return_inverse=True)
        self._which = which
        for name in names:
            self._files[name] = [opening(path, plan, n, name) for n in numbers.tolist()]
            place = np.empty(rows.size, np.int64)
            for number, file in enumerate(self._files[name]):
                own = which == number
                chunks = inside[own] // plan.chunk
                _read_ahead(file, int(chunks.min()), int(chunks.max()))
                # Where a chunk is compressed its number, else the place of the image.
                place[own] = chunks
                if not self._compressed:
                    offsets = np.array(file.offsets)[chunks]
                    place[own] = offsets + self._within[own] * self._row
            self._places[name] = place

    def read(self, name: str, some: slice, out: NDArray[np.float32]) -> None:
        """Read images of some of the galaxies.

        Parameters
        ----------
        name
            The variable.
        some
            Which of the rows.
        out
            Memory for the images (galaxy, y, x, filter), C-contiguous.

        Raises
        ------
        OSError, RuntimeError
            If a file ends early, or cannot be decoded.
        """
        which, places = self._which[some], self._places[name][some]
        files = self._files[name]
        if self._compressed:
            told = which.tolist(), places.tolist(), self._within[some].tolist()
            for number, (file, chunk, row) in enumerate(zip(*told, strict=True)):
                out[number] = self._chunk_of(files[file], chunk)[row]
            return
        # Neighbours on disk that are neighbours in memory come in one go.
        apart = (np.diff(places) != self._row) | (np.diff(which) != 0)
        starts = [0, *(np.flatnonzero(apart) + 1).tolist()]
        memory = out.data.cast("B")
        for start, stop in zip(starts, [*starts[1:], which.size], strict=True):
            few = memory[start * self._row : stop * self._row]
            _read_into(files[which[start]].descriptor, few, int(places[start]))

    def _chunk_of(self, file: _File, chunk: int) -> NDArray[np.float32]:
        key = file.descriptor, chunk
        with self._locks[key]:
            if key not in self._decoded:
                packed = bytearray(file.sizes[chunk])
                _read_into(file.descriptor, memoryview(packed), file.offsets[chunk])
                values = np.empty(self._shape, np.float32)
                numcodecs.blosc.decompress(packed, values)
                self._decoded[key] = values
        return self._decoded[key]


def _zarr_file(path: Path, plan: Plan, part: int, name: str) -> _File:
    """Open a shard and read its index (Zarr 3, codec `sharding_indexed`)."""
    descriptor = os.open(path / name / f"c.{part}.0.0.0", os.O_RDONLY)
    file = _File(descriptor, [], [])
    chunks = plan.part // plan.chunk
    table = bytearray(16 * chunks + 4)
    size = os.fstat(descriptor).st_size
    _read_into(descriptor, memoryview(table), max(size - len(table), 0))
    if google_crc32c.value(bytes(table[:-4])) != int.from_bytes(table[-4:], "little"):
        raise ValueError(f"the index of part {part} of {name} is damaged")
    index = np.frombuffer(bytes(table[:-4]), "<u8").reshape(chunks, 2)
    there = index[:, 0] != _ABSENT
    file.offsets = np.where(there, index[:, 0], 0).tolist()
    file.sizes = np.where(there, index[:, 1], 0).tolist()
    return file


def _netcdf_file(path: Path, plan: Plan, part: int, name: str) -> _File:
    """Open a file of HDF5's and ask that library where the chunks are."""
    place = path / file_name("part", part)
    chunks: dict[int, tuple[int, int]] = {}

    def note(info: Any) -> None:
        number = info.chunk_offset[0] // plan.chunk
        chunks[number] = info.byte_offset, info.size

    with HDF5_LOCK, h5py.File(place, "r", locking=False) as opened:
        values = opened[name]
        if values.dtype != np.dtype("<f4") or values._filters:
            raise ValueError(f"{name} in {place.name} is not plain float32")
        values.id.chunk_iter(note)
    found = [chunks[number] for number in range(len(chunks))]
    descriptor = os.open(place, os.O_RDONLY)
    return _File(descriptor, [o for o, _ in found], [size for _, size in found])


def _read_ahead(file: _File, first: int, last: int) -> None:
    start = file.offsets[first]
    size = file.offsets[last] + file.sizes[last] - start
    if size > 0:
        os.posix_fadvise(file.descriptor, start, size, os.POSIX_FADV_WILLNEED)


def _read_into(descriptor: int, memory: Any, place: int) -> None:
    """Fill memory from a place of a file."""
    done = 0
    while done < len(memory):
        count = os.preadv(descriptor, [memory[done:]], place + done)
        if count == 0:
            raise OSError(f"a file ends before byte {place + len(memory)}")
        done += count
