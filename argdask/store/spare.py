"""Spare copies: one file with all that cannot be made again from the rest."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from argdask.store.files import FileRecord, WholeFile, is_inside, whole_file

__all__ = ["SPARE", "Spare", "write"]

# A zip file, stored and with fixed dates: the bytes follow from the contents, and any
# tool can open it.
SPARE = "spare.zip"

_DATE = (1980, 1, 1, 0, 0, 0)
_READ_BYTES = 1 << 22
_MODE = 0o644 << 16
_UNIX = 3


class _Stream:
    """What a zip file is written to; it cannot go back."""

    def __init__(self, whole: WholeFile) -> None:
        self._whole = whole

    def write(self, data: bytes) -> int:
        self._whole.write(bytes(data))
        return len(data)

    def flush(self) -> None:
        """All is synced in the end."""


def write(path: Path, names: Iterable[str], texts: Mapping[str, bytes]) -> FileRecord:
    """Write the spare copies of a store.

    Parameters
    ----------
    path
        The store.
    names
        Files of the store, by their paths in it.
    texts
        What else is kept, by the name of the file that it is for.

    Returns
    -------
    FileRecord
        Size and checksum of the file.
    """
    with whole_file(path / SPARE) as whole:
        stream = _Stream(whole)
        # zipfile asks of a file only what a stream has.
        with zipfile.ZipFile(stream, "w") as archive:  # type: ignore[call-overload]
            for name in sorted({*names, *texts}):
                _add(archive, name, texts.get(name, path / name))
    return whole.record


def _add(archive: zipfile.ZipFile, name: str, source: bytes | Path) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system, info.external_attr = _UNIX, _MODE
    if isinstance(source, bytes):
        archive.writestr(info, source)
        return
    info.file_size = source.stat().st_size
    with source.open("rb") as file, archive.open(info, "w") as copy:
        while data := file.read(_READ_BYTES):
            copy.write(data)


class Spare:
    """The spare copies of a store, as far as they can be read.

    Parameters
    ----------
    path
        The store.
    """

    def __init__(self, path: Path) -> None:
        self._file = path / SPARE
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            size = self._file.stat().st_size
            with zipfile.ZipFile(self._file) as archive:
                self._members = {
                    info.filename: info
                    for info in archive.infolist()
                    # Nothing that grows when it is read, and nothing of elsewhere.
                    if info.compress_type == zipfile.ZIP_STORED
                    and info.file_size <= size
                    and is_inside(info.filename)
                }
        except Exception:  # what reads a damaged zip file can raise anything
            return

    @property
    def names(self) -> frozenset[str]:
        """The files that there are copies of, readable or not."""
        return frozenset(self._members)

    def get(self, name: str) -> bytes | None:
        """Return the copy of a file.

        Parameters
        ----------
        name
            Its path in the store.

        Returns
        -------
        bytes or None
            The copy, or nothing where there is none that is whole.
        """
        if name not in self._members:
            return None
        try:
            with zipfile.ZipFile(self._file) as archive:
                # Compares the bytes with the checksum of the zip file.
                return archive.read(self._members[name])
        except Exception:  # as above
            return None
