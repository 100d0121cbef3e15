"""Closing a store: receipts become checksums, metadata one file, the state complete."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from argdask.errors import IncompleteError, InputError
from argdask.store import files
from argdask.store.attributes import (
    CHECKSUMS_CHECKSUM,
    METADATA_CHECKSUM,
    checksum_of_root,
    read_root,
)
from argdask.store.files import FileRecord
from argdask.store.formats import format_of
from argdask.store.plan import Plan
from argdask.store.receipts import Receipt
from argdask.store.work import read_attributes

__all__ = [
    "CHECKSUMS",
    "Listed",
    "alone",
    "finalise",
    "read_checksums",
    "read_listed",
    "size_of",
    "sweep",
]

# List of all files but itself and the root's metadata: a line for each, of CRC-32C,
# bytes, number of the environment that made it (-1: none in particular), and path.
CHECKSUMS = "checksums.txt"


@dataclass(frozen=True)
class Listed:
    """What the list of checksums says of a file."""

    record: FileRecord
    """Size and checksum."""
    environment: str
    """What made it, as JSON; empty for files that no piece of work made."""


def finalise(
    path: Path,
    plan: Plan,
    receipts: list[Receipt],
    kept: Mapping[str, Listed] | None = None,
    first: int = 0,
) -> None:
    """Close a store: fold in the receipts, consolidate the metadata, set the state.

    Parameters
    ----------
    path
        The store.
    plan
        Its plan.
    receipts
        One receipt for each block and part; their files are looked at by the caller.
    kept
        Files of pieces that lie elsewhere and are listed all the same.
    first
        The pieces before this row are among those.

    Raises
    ------
    IncompleteError
        If a block or part has no receipt.
    """
    with alone(path):
        if read_attributes(path).get("state") != "complete":
            _refuse_missing(path, plan, receipts, first)
            # Here, before the files are listed, is the place for copies of them.
            names = sweep(path)
            lines, environments = _checksums(path, names, receipts, kept or {})
            with files.whole_file(path / CHECKSUMS) as whole:
                whole.write("".join(lines).encode())
            _commit(path, environments, whole.record)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process at a time close a store, where the file system knows locks.

    Parameters
    ----------
    path
        The store.

    Yields
    ------
    None
        While nobody else is here.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sweep(path: Path) -> list[str]:
    """Delete what killed processes left unfinished in a store.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    list of str
        What is left: paths of the finished files in the store.
    """
    names = []
    for parent, folders, found in os.walk(path):
        place = Path(parent)
        for name in [name for name in folders if name.endswith(files.PARTIAL)]:
            folders.remove(name)
            shutil.rmtree(place / name, ignore_errors=True)
        for name in found:
            if name.endswith(files.PARTIAL):
                (place / name).unlink(missing_ok=True)
            else:
                names.append((place / name).relative_to(path).as_posix())
    return names


def _refuse_missing(
    path: Path, plan: Plan, receipts: list[Receipt], first: int
) -> None:
    done = {(receipt.kind, receipt.index) for receipt in receipts}
    if missing := [piece for piece in plan.pieces(first) if piece not in done]:
        listed = ", ".join(f"{kind} {index}" for kind, index in missing[:10])
        more = ", ..." if len(missing) > 10 else ""
        raise IncompleteError(
            f"{path}: {len(missing)} pieces are missing: {listed}{more}; run the same "
            "command again to resume"
        )


def _checksums(
    path: Path,
    names: list[str],
    receipts: list[Receipt],
    kept: Mapping[str, Listed],
) -> tuple[list[str], list[str]]:
    """List every file of the store but the list's own and the root's metadata."""
    # Receipts share their environments: one text for each object is enough.
    shared = {id(r.environment): r.environment for r in receipts}
    texts = {key: _text(environment) for key, environment in shared.items()}
    made_by = {*texts.values(), *(listed.environment for listed in kept.values())}
    environments = sorted(made_by - {""})
    numbers = {text: number for number, text in enumerate(environments)}
    lines: dict[str, str] = {}
    for name, listed in kept.items():
        number = numbers.get(listed.environment, -1)
        lines[name] = _line(name, listed.record, number)
    for receipt in receipts:
        number = numbers[texts[id(receipt.environment)]]
        for name, record in receipt.files.items():
            lines[name] = _line(name, record, number)
    own = _unlisted(path)
    for name in names:
        if name not in lines and name not in own:
            lines[name] = _line(name, files.record_of(path / name), -1)
    return [lines[name] for name in sorted(lines)], environments


def _text(environment: dict[str, str]) -> str:
    return json.dumps(environment, sort_keys=True)


def _line(name: str, record: FileRecord, environment: int) -> str:
    return f"{record.crc32c:08x} {record.size} {environment} {name}\n"


def _commit(path: Path, environments: list[str], checksums: FileRecord) -> None:
    """Replace the root's metadata by one that has it all: the store is complete."""
    found = format_of(path)
    root = found.committed(path, read_root(path / found.METADATA))
    root["attributes"].update(
        {
            "state": "complete",
            "environments": f"[{', '.join(environments)}]",
            CHECKSUMS_CHECKSUM: checksums.crc32c,
        }
    )
    root["attributes"][METADATA_CHECKSUM] = checksum_of_root(root)
    with files.whole_file(path / found.METADATA) as whole:
        whole.write(json.dumps(root, indent=2).encode())


def read_checksums(path: Path) -> dict[str, FileRecord]:
    """Return what is known of each file of a complete store.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        Size and checksum by path in the store.

    Raises
    ------
    InputError
        If the list cannot be read.
    """
    return {name: record for name, record, _ in _lines(path)}


def read_listed(path: Path) -> dict[str, Listed]:
    """Return what is known of each file of a complete store, and what made it.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        By path in the store.

    Raises
    ------
    InputError
        If the list cannot be read.
    """
    environments = json.loads(read_attributes(path)["environments"])
    texts = [_text(environment) for environment in environments]
    return {
        name: Listed(record, texts[number] if number >= 0 else "")
        for name, record, number in _lines(path)
    }


def _lines(path: Path) -> list[tuple[str, FileRecord, int]]:
    found = []
    try:
        for line in (path / CHECKSUMS).read_text("utf-8").splitlines():
            crc32c, size, number, name = line.split(" ", 3)
            record = FileRecord(int(size), int(crc32c, 16))
            found.append((name, record, int(number)))
    except (OSError, ValueError) as error:
        raise InputError(
            "store",
            str(path),
            f"a list of checksums that can be read ({error})",
            f"see `argdask verify {path}`",
        ) from None
    return found


def size_of(path: Path) -> int:
    """Return the bytes of a complete store, without a walk through it.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    int
        Of all its files.

    Raises
    ------
    InputError
        If the list of files cannot be read.
    """
    own = sum((path / name).stat().st_size for name in _unlisted(path))
    return own + sum(record.size for record in read_checksums(path).values())


def _unlisted(path: Path) -> tuple[str, str]:
    """Return the names of the files that are not in the list of checksums."""
    return CHECKSUMS, format_of(path).METADATA
