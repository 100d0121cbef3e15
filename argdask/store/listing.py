"""The list of a store's files: size, checksum, what made each, and of which piece."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from argdask.errors import InputError
from argdask.store.files import FileRecord, is_inside

__all__ = ["CHECKSUMS", "Entry", "from_bytes", "pieces_in", "read_list", "to_bytes"]

# All files but itself and the root's metadata: a line for each, of CRC-32C, bytes,
# number of the environment that made it (-1: none in particular), piece that it is of
# (-: none) and path.
CHECKSUMS = "checksums.txt"

_LINE = re.compile(r"([0-9a-f]{8}) (\d+) (-1|\d+) (-|(?:part|block)\.\d+) (.+)")


@dataclass(frozen=True)
class Entry:
    """What is known of one file of a complete store."""

    record: FileRecord
    """Its size and checksum."""
    environment: int = -1
    """Number of the environment that made it, of those that the root names."""
    piece: tuple[str, int] | None = None
    """Kind and number of the piece that it is of; None for all that is no piece's."""


def to_bytes(entries: Mapping[str, Entry]) -> bytes:
    """Return the list as it stands on disk.

    Parameters
    ----------
    entries
        What is known of each file, by its path in the store.

    Returns
    -------
    bytes
        Lines in the order of the paths.
    """
    return "".join(_line(name, entries[name]) for name in sorted(entries)).encode()


def _line(name: str, entry: Entry) -> str:
    record = entry.record
    piece = "-" if entry.piece is None else "{}.{}".format(*entry.piece)
    return f"{record.crc32c:08x} {record.size} {entry.environment} {piece} {name}\n"


def from_bytes(data: bytes) -> dict[str, Entry]:
    """Read a list.

    Parameters
    ----------
    data
        What `to_bytes` returned.

    Returns
    -------
    dict
        What is known of each file, by its path in the store.

    Raises
    ------
    ValueError
        If it is no such list, or one that names a file outside the store.
    """
    found = {}
    for line in data.decode("utf-8").removesuffix("\n").split("\n"):
        match = _LINE.fullmatch(line)
        if match is None or not is_inside(match[5]):
            raise ValueError(f"no line of a list of checksums: {line[:80]!r}")
        crc32c, size, environment, piece, name = match.groups()
        kind, _, index = piece.partition(".")
        found[name] = Entry(
            FileRecord(int(size), int(crc32c, 16)),
            int(environment),
            (kind, int(index)) if index else None,
        )
    return found


def pieces_in(
    entries: Mapping[str, Entry], names: Iterable[str]
) -> list[tuple[str, int]]:
    """Return the pieces that files are of.

    Parameters
    ----------
    entries
        What is known of each file.
    names
        The files; those that the list does not have, and that are of no piece, are
        passed over.

    Returns
    -------
    list of tuple
        Kind and number, each once, blocks before parts.
    """
    found = {entries[name].piece for name in names if name in entries}
    return sorted(piece for piece in found if piece is not None)


def read_list(path: Path) -> dict[str, Entry]:
    """Read the list of a complete store.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        What is known of each file, by its path in the store.

    Raises
    ------
    InputError
        If the list cannot be read.
    """
    try:
        return from_bytes((path / CHECKSUMS).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            "store",
            str(path),
            f"a list of checksums that can be read ({error})",
            f"mend it by `argdask repair {path}`",
        ) from None
