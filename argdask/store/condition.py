"""In what condition a complete store is: which of its files are not as recorded."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argdask.errors import InputError
from argdask.store import files, listing
from argdask.store.attributes import (
    CHECKSUMS_CHECKSUM,
    is_sound,
    no_store,
    plain_bytes,
    unsealed,
)
from argdask.store.files import FileRecord
from argdask.store.formats import FORMATS, name_for
from argdask.store.leftovers import refuse_replaced
from argdask.store.listing import CHECKSUMS, Entry
from argdask.store.plan import Piece
from argdask.store.spare import SPARE, Spare
from argdask.store.work import plan_in

__all__ = ["Condition", "condition_of", "spare_list"]


@dataclass(frozen=True)
class Condition:
    """What is left of a store that was complete."""

    path: Path
    """The store."""
    metadata: str
    """Name of the file with the metadata of its root."""
    stored: dict[str, Any] | None
    """The root's metadata as they are, damaged or not; None if they are no JSON."""
    root: dict[str, Any] | None
    """The root's metadata as they were, without checksums; None if both copies of it
    are damaged."""
    entries: dict[str, Entry] | None
    """What is known of all files but three; None if both copies of it are damaged."""
    expected: int | None
    """CRC-32C of the whole list of files, as a root that is not damaged has it."""
    spare: Spare
    """The spare copies."""
    wrong: dict[str, str] = field(default_factory=dict)
    """What is wrong with which file."""
    refused: tuple[str, ...] = ()
    """Files that may not be read."""
    foreign: tuple[str, ...] = ()
    """Files that are no part of the store."""

    @property
    def pieces(self) -> list[tuple[str, int]]:
        """Kind and number of the pieces with wrong files."""
        return listing.pieces_in(self.entries or {}, self.wrong)

    @property
    def unnamed(self) -> list[Piece]:
        """The pieces of the plan that the list of files does not have."""
        if self.root is None or self.entries is None:
            return []
        named = {entry.piece for entry in self.entries.values()}
        try:
            plan = plan_in(self.root["attributes"], self.path)
        except InputError:
            # A plan that is none has no pieces; what reads it says so.
            return []
        return [piece for piece in plan.pieces() if piece not in named]

    def is_piece(self, name: str) -> bool:
        """Return whether a file is one of a piece."""
        entry = (self.entries or {}).get(name)
        return entry is not None and entry.piece is not None

    @property
    def sealed(self) -> frozenset[str]:
        """The three files that tell of all others."""
        return frozenset({self.metadata, CHECKSUMS, SPARE})

    @property
    def size(self) -> int:
        """The bytes of all files but three."""
        return sum(entry.record.size for entry in (self.entries or {}).values())


def condition_of(path: Path, *, contents: bool = True) -> Condition | None:
    """Look at every file of a store that is, or was, complete.

    Parameters
    ----------
    path
        The store.
    contents
        Compare checksums; else sizes alone, but the contents of the root's metadata and
        of the list of files.

    Returns
    -------
    Condition or None
        What was found; None where the store says that it is not finished.

    Raises
    ------
    InputError
        If there is nothing of a store that argdask made.
    """
    spare = Spare(path)
    metadata = _metadata_of(path, spare)
    data, listed = _bytes_of(path / metadata), _bytes_of(path / CHECKSUMS)
    stored = _root_in(data)
    sound = stored is not None and _is_sound(stored, data)
    if stored is not None and stored["attributes"].get("state") == "incomplete":
        return None
    if listed is None and not sound and not (path / SPARE).is_file():
        refuse_replaced(path)
        raise no_store(path)
    root = unsealed(stored) if sound and stored else _root_in(spare.get(metadata))
    wrong = {}
    if not sound:
        wrong[metadata] = _told(data, f"{metadata} has another checksum than it says")
    expected = stored["attributes"][CHECKSUMS_CHECKSUM] if sound and stored else None
    entries, recorded, list_is_sound = _listed(path, listed, expected, spare)
    if not list_is_sound:
        wrong[CHECKSUMS] = _told(listed, f"{CHECKSUMS}: the list itself is damaged")
    refused = []
    looked_at = {name: entry.record for name, entry in (entries or {}).items()}
    for name, record in {**looked_at, SPARE: recorded}.items():
        try:
            if trouble := _trouble(path, name, record, contents=contents):
                wrong[name] = trouble
        except PermissionError:
            refused.append(name)
    # Of a store without a list nobody can say what is no part of it.
    known = {*looked_at, metadata, CHECKSUMS, SPARE}
    others = set(files.files_below(path)) - known if contents and entries else ()
    return Condition(
        *(path, metadata, stored, root, entries, expected, spare, wrong),
        refused=tuple(refused),
        foreign=tuple(sorted(others)),
    )


def _metadata_of(path: Path, spare: Spare) -> str:
    """Find out what the file with the root's metadata is called, there or not."""
    names = [one.METADATA for one in FORMATS.values()]
    there = [name for name in names if (path / name).is_file()]
    kept = [name for name in names if name in spare.names]
    return (*there, *kept, FORMATS[name_for(path)].METADATA)[0]


def _bytes_of(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _root_in(data: bytes | None) -> dict[str, Any] | None:
    """Read the root's metadata, or None from what is no such thing."""
    try:
        root = json.loads(data or b"")
        found = isinstance(root["attributes"]["plan"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return dict(root) if found else None


def _is_sound(root: dict[str, Any], data: bytes | None) -> bool:
    """Return whether metadata have the checksum and the bytes that they should have."""
    sealed = CHECKSUMS_CHECKSUM in root["attributes"]
    # White space for other white space would be the same JSON.
    return sealed and is_sound(root) and data == plain_bytes(root)


def _told(data: bytes | None, damaged: str) -> str:
    name = damaged.split(maxsplit=1)[0].rstrip(":")
    return f"{name} is missing" if data is None else damaged


def _listed(
    path: Path, listed: bytes | None, expected: int | None, spare: Spare
) -> tuple[dict[str, Entry] | None, FileRecord | None, bool]:
    """Find the list of files: the store's own, else the spare copy of it.

    Returns what it says of all files but the spare copies, what it says of those, and
    whether the store's own is as it was.
    """
    own = _entries_in(listed)
    if own and listed and files.record_of_bytes(listed).crc32c == expected:
        return _without_spare(own, sound=True)
    copy = spare_list(path, spare)
    if copy is None:
        # Where the root is damaged too, a list that can be read is the best there is.
        return _without_spare(own if expected is None else None, sound=False)
    whole = listing.to_bytes(copy)
    if expected is not None and files.record_of_bytes(whole).crc32c != expected:
        return _without_spare(copy, sound=False)[0], None, False
    return _without_spare(copy, sound=listed == whole)


def spare_list(path: Path, spare: Spare | None = None) -> dict[str, Entry] | None:
    """Return the list of files as the spare copies have it.

    Parameters
    ----------
    path
        The store.
    spare
        Its spare copies, where they are read already.

    Returns
    -------
    dict or None
        The whole list, with the file of the spare copies itself, which is looked at;
        None where there is no copy that can be read.
    """
    copy = _entries_in((spare or Spare(path)).get(CHECKSUMS))
    return (
        None if copy is None else {**copy, SPARE: Entry(files.record_of(path / SPARE))}
    )


def _without_spare(
    entries: dict[str, Entry] | None, *, sound: bool
) -> tuple[dict[str, Entry] | None, FileRecord | None, bool]:
    spare = (entries or {}).get(SPARE)
    others = {k: v for k, v in entries.items() if k != SPARE} if entries else None
    return others, spare.record if spare else None, sound


def _entries_in(data: bytes | None) -> dict[str, Entry] | None:
    try:
        return listing.from_bytes(data or b"")
    except ValueError:
        return None


def _trouble(
    path: Path, name: str, record: FileRecord | None, *, contents: bool
) -> str | None:
    """Return what is wrong with a file, or nothing."""
    # As text, and asked for once: there may be 10^5 files.
    file = f"{path}/{name}"
    try:
        status = os.stat(file)  # noqa: PTH116  # pathlib takes twice the time
        if not stat.S_ISREG(status.st_mode):
            return f"{name} is missing"
        if record is None:
            return f"{name} is damaged, or the list of files is"
        size = status.st_size
        if size != record.size:
            return f"{name} has {size} bytes, not {record.size}"
        now = files.record_of(Path(file)).crc32c if contents else record.crc32c
    except (FileNotFoundError, NotADirectoryError):
        return f"{name} is missing"
    except PermissionError:
        raise
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    if now != record.crc32c:
        return f"{name} has checksum {now}, not {record.crc32c}"
    return None
