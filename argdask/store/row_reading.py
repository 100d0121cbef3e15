"""Images of single galaxies, read straight from the files of parts, without a copy."""

from __future__ import annotations

import os
import threading
import weakref
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

__all__ = ["PartRows"]

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


class PartRows:
    """Rows of the images of one part.

    Parameters
    ----------
    path
        The store.
    plan
        How it is laid out.
    part
        Number of the part.
    names
        The image variables to read.
    shape
        Of one image (y, x, filter).

    Raises
    ------
    OSError, ValueError
        If a file is not there, or is not what the plan says.

    Notes
    -----
    Rows of parts that are not compressed are copied once, from the system's cache to
    where they are wanted; chunks of compressed ones are decoded when their first row
    is, and kept.
    """

    def __init__(
        self,
        path: Path,
        plan: Plan,
        part: int,
        names: Sequence[str],
        shape: tuple[int, int, int],
    ) -> None:
        self._chunk = plan.chunk
        self._compressed = plan.recipe.layout.compression != "none"
        self._shape = shape
        self._row = int(np.prod(shape)) * np.dtype(np.float32).itemsize
        opening = _zarr_file if plan.format == "zarr" else _netcdf_file
        self._files = {name: opening(path, plan, part, name) for name in names}
        self._decoded: dict[tuple[str, int], NDArray[np.float32]] = {}
        self._locks = {
            (name, chunk): threading.Lock()
            for name in (names if self._compressed else ())
            for chunk in range(plan.part // plan.chunk)
        }

    def read_ahead(self, rows: NDArray[np.int64]) -> None:
        """Tell the system which rows will be read, so that it reads from end to end.

        Parameters
        ----------
        rows
            Numbers of galaxies in the part, at least one (galaxy,).
        """
        first, last = int(rows.min()) // self._chunk, int(rows.max()) // self._chunk
        for file in self._files.values():
            start = file.offsets[first]
            size = file.offsets[last] + file.sizes[last] - start
            if size > 0:
                os.posix_fadvise(file.descriptor, start, size, os.POSIX_FADV_WILLNEED)

    def read(
        self, name: str, rows: NDArray[np.int64], out: NDArray[np.float32]
    ) -> None:
        """Read rows of a variable.

        Parameters
        ----------
        name
            The variable.
        rows
            Numbers of galaxies in the part, in any order (galaxy,).
        out
            Memory for the images (galaxy, y, x, filter), C-contiguous.

        Raises
        ------
        OSError
            If a file ends early.
        """
        chunks, inside = np.divmod(rows, self._chunk)
        if self._compressed:
            for number, (chunk, row) in enumerate(
                zip(chunks.tolist(), inside.tolist(), strict=True)
            ):
                out[number] = self._chunk_of(name, chunk)[row]
            return
        file = self._files[name]
        places = np.array(file.offsets)[chunks] + inside * self._row
        # Neighbours on disk that are neighbours in memory come in one go.
        breaks = np.flatnonzero(np.diff(places) != self._row) + 1
        starts = [0, *breaks.tolist()]
        memory = out.data.cast("B")
        for start, stop in zip(starts, [*starts[1:], rows.size], strict=True):
            some = memory[start * self._row : stop * self._row]
            _read_into(file.descriptor, some, int(places[start]))

    def _chunk_of(self, name: str, chunk: int) -> NDArray[np.float32]:
        key = name, chunk
        with self._locks[key]:
            if key not in self._decoded:
                file = self._files[name]
                packed = bytearray(file.sizes[chunk])
                _read_into(file.descriptor, memoryview(packed), file.offsets[chunk])
                values = np.empty((self._chunk, *self._shape), np.float32)
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


def _read_into(descriptor: int, memory: Any, place: int) -> None:
    """Fill memory from a place of a file."""
    done = 0
    while done < len(memory):
        count = os.preadv(descriptor, [memory[done:]], place + done)
        if count == 0:
            raise OSError(f"a file ends before byte {place + len(memory)}")
        done += count
