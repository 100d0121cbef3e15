"""Whole files: written beside their place, synced, renamed, and known by checksum."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PARTIAL",
    "FileRecord",
    "WholeFile",
    "WholePath",
    "files_below",
    "is_inside",
    "is_unfinished",
    "record_of",
    "record_of_bytes",
    "sync",
    "sync_tree",
    "whole_file",
    "whole_path",
]

# Ends the name of everything that is not finished; safe to delete when nobody writes.
PARTIAL = ".partial"

# Read at once, into memory that stays in the processor's cache.
_READ_BYTES = 1 << 20

# The device is given so many bytes at a time while the next are made.
_BEHIND_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What is known of a finished file."""

    size: int
    """Bytes."""
    crc32c: int
    """CRC-32C (Castagnoli) of all bytes."""


class WholeFile:
    """A file being written; its checksum grows with it.

    What is written goes to the device at once, so that little is left to wait for when
    the file is synced.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = 0
        self._sent = 0
        self._crc32c = 0

    def write(self, data: bytes | NDArray[np.generic]) -> None:
        """Append bytes, or a C-contiguous array as it lies in memory.

        Parameters
        ----------
        data
            What to append.
        """
        flat = np.frombuffer(data, dtype=np.uint8) if isinstance(data, bytes) else data
        flat = flat.reshape(-1).view(np.uint8)
        self._crc32c = google_crc32c.extend(self._crc32c, flat)
        self._size += flat.size
        rest = flat.data
        while rest.nbytes:
            rest = rest[os.write(self._descriptor, rest) :]
        if self._size - self._sent >= _BEHIND_BYTES:
            _send(self._descriptor, self._sent, self._size - self._sent)
            self._sent = self._size

    @property
    def size(self) -> int:
        """Number of bytes written so far."""
        return self._size

    @property
    def record(self) -> FileRecord:
        """Size and checksum of what was written so far."""
        return FileRecord(self._size, self._crc32c)


@contextmanager
def whole_file(path: Path) -> Iterator[WholeFile]:
    """Write a file that appears under its name only when it is whole and on disk.

    Parameters
    ----------
    path
        Where the file shall be; one that is there is replaced.

    Yields
    ------
    WholeFile
        What to write to.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        try:
            yield WholeFile(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)


@dataclass
class WholePath:
    """A file that is written by its path, by what cannot write to a descriptor."""

    path: Path
    """Where to write; nothing is there."""
    record: FileRecord | None = None
    """Size and checksum, as soon as the file is whole."""


@contextmanager
def whole_path(path: Path) -> Iterator[WholePath]:
    """Write a file by a path of its own; it appears under its name only when whole.

    Parameters
    ----------
    path
        Where the file shall be; one that is there is replaced.

    Yields
    ------
    WholePath
        Where to write, with the record of the file afterwards.
    """
    whole = WholePath(path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}"))
    try:
        yield whole
        sync(whole.path)
        whole.record = record_of(whole.path)
        whole.path.replace(path)
    except BaseException:
        whole.path.unlink(missing_ok=True)
        raise
    sync(path.parent)


def record_of_bytes(data: bytes) -> FileRecord:
    """Return size and checksum of what a file would hold.

    Parameters
    ----------
    data
        All of it.

    Returns
    -------
    FileRecord
        Size and checksum.
    """
    return FileRecord(len(data), int(google_crc32c.value(data)))


def record_of(path: Path) -> FileRecord:
    """Read a file and return its size and checksum.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    FileRecord
        Size and checksum as they are now.
    """
    size = crc32c = 0
    memory = np.empty(_READ_BYTES, np.uint8)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(memory.data):
            size += count
            crc32c = google_crc32c.extend(crc32c, memory[:count])
    return FileRecord(size, crc32c)


def is_inside(name: str) -> bool:
    """Return whether a name read from a file may be that of a file in a store.

    Parameters
    ----------
    name
        The name, with slashes.

    Returns
    -------
    bool
        False for what is absolute, leads upwards or is not in its shortest form.
    """
    strange = any(character in name for character in "\\\n\0")
    # Of 10^5 names: pathlib takes seconds.
    return not strange and not {"", ".", ".."} & set(name.split("/"))


def is_unfinished(name: Path) -> bool:
    """Return whether a path in a store is, or lies in, something unfinished.

    Parameters
    ----------
    name
        The path.

    Returns
    -------
    bool
        True for what may be deleted when nobody writes.
    """
    return any(part.endswith(PARTIAL) for part in name.parts)


def files_below(folder: Path) -> Iterator[str]:
    """Find all finished files below a folder, in any order.

    Parameters
    ----------
    folder
        The folder.

    Yields
    ------
    str
        Path of a file in the folder.
    """
    for parent, _, names in os.walk(folder):
        place = Path(parent).relative_to(folder)
        # Another process may be at work.
        if not is_unfinished(place):
            for name in names:
                if not name.endswith(PARTIAL):
                    yield (place / name).as_posix()


def sync_tree(folder: Path) -> None:
    """Bring everything below a folder to the disk.

    Parameters
    ----------
    folder
        The folder.
    """
    for parent, _, names in os.walk(folder):
        for name in names:
            sync(Path(parent) / name)
        sync(Path(parent))


def _send(descriptor: int, start: int, size: int) -> None:
    """Have the system begin to write what it holds of a file, and wait for nothing.

    On Linux this is what the advice does to pages that are not written yet; they stay
    in memory. It is no more than advice: the file is synced all the same.
    """
    # Not every system has it, nor every kind of file.
    with suppress(OSError, AttributeError):
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk.

    Parameters
    ----------
    path
        The file or folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
