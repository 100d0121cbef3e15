"""Chunks and shards of Zarr format 3, as bytes: the fast way onto the disk.

zarr's own writer copies a shard several times; at the speed of memory that costs more
than making the pixels. The bytes here follow the Zarr 3 specification (core, and the
codecs `bytes`, `blosc` and `sharding_indexed`), so zarr and every other reader take
them as their own.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import google_crc32c
import numcodecs
import numpy as np
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from argdask.store.files import FileRecord, WholeFile, whole_file

__all__ = ["compressor", "unname_lock", "write_chunk", "write_shard"]

# By measurement (tests/benchmarks/compression.py): shuffled bytes of clean pixels are
# smaller than shuffled bits, those of noisy ones not much larger. At level 9 zstd saves
# 2 to 36 % of what level 5 takes, and needs more than twenty times as long.
_LEVEL = 5
_SHUFFLE: Literal["shuffle"] = "shuffle"

# In a shard's index, a chunk that is not there.
_ABSENT = np.uint64(2**64 - 1)

# Blosc's threads would compete with the workers, and a fork would not survive them.
numcodecs.blosc.use_threads = False


def unname_lock() -> None:
    """Let the lock that Blosc makes in this process vanish with it.

    In a process that was spawned it would have a name, which stays behind if the
    process is killed: Python complains of that at the end of whoever started it.
    """
    method = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    try:
        numcodecs.blosc.get_mutex()
    finally:
        multiprocessing.set_start_method(method, force=True)


def compressor(compression: str, itemsize: int) -> BloscCodec | None:
    """Return what tells readers how chunks are compressed.

    Parameters
    ----------
    compression
        One of none, lz4 and zstd.
    itemsize
        Bytes of a value.

    Returns
    -------
    BloscCodec or None
        What `write_shard` and `write_chunk` do; None for none.
    """
    if compression == "none":
        return None
    return BloscCodec(
        cname="lz4" if compression == "lz4" else "zstd",
        clevel=_LEVEL,
        shuffle=_SHUFFLE,
        typesize=itemsize,
    )


def write_shard(
    path: Path, chunks: Iterable[NDArray[np.generic]], count: int, compression: str
) -> FileRecord:
    """Write a shard whose inner chunks follow each other along the first axis.

    Parameters
    ----------
    path
        Where the shard shall be.
    chunks
        The inner chunks in order, little-endian and C-contiguous; each is written
        before the next is asked for, so that they may share their memory.
    count
        How many inner chunks a full shard has; those that do not come are absent.
    compression
        One of none, lz4 and zstd.

    Returns
    -------
    FileRecord
        Size and checksum of the file.
    """
    index = np.full((count, 2), _ABSENT, dtype="<u8")
    with whole_file(path) as file:
        for number, chunk in enumerate(chunks):
            start = file.size
            _encode(file, chunk, compression)
            index[number] = start, file.size - start
        table = index.tobytes()
        file.write(table + google_crc32c.value(table).to_bytes(4, "little"))
    return file.record


def write_chunk(
    path: Path, values: NDArray[np.generic], compression: str
) -> FileRecord:
    """Write a chunk of an array without shards.

    Parameters
    ----------
    path
        Where the chunk shall be.
    values
        The whole chunk, little-endian and C-contiguous.
    compression
        One of none, lz4 and zstd.

    Returns
    -------
    FileRecord
        Size and checksum of the file.
    """
    with whole_file(path) as file:
        _encode(file, values, compression)
    return file.record


def _encode(file: WholeFile, values: NDArray[np.generic], compression: str) -> None:
    if compression == "none":
        file.write(values)
        return
    shuffle = getattr(numcodecs.Blosc, _SHUFFLE.upper())
    codec = numcodecs.Blosc(cname=compression, clevel=_LEVEL, shuffle=shuffle)
    file.write(codec.encode(values))
