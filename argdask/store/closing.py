"""Closing a store: receipts become checksums, metadata one file, the state complete."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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

__all__ = ["CHECKSUMS", "finalise", "read_checksums", "size_of", "sweep"]

# List of all files but itself and the root's metadata: a line for each, of CRC-32C,
# bytes, number of the environment that made it (-1: none in particular), and path.
CHECKSUMS = "checksums.txt"


def finalise(path: Path, plan: Plan, receipts: list[Receipt]) -> None:
    """Close a store: fold in the receipts, consolidate the metadata, set the state.

    Parameters
    ----------
    path
        The store.
    plan
        Its plan.
    receipts
        One receipt for each block and part; their files are looked at by the caller.

    Raises
    ------
    IncompleteError
        If a block or part has no receipt.
    """
    with _alone(path):
        if read_attributes(path).get("state") != "complete":
            _finalise(path, plan, receipts)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time close a store, where the file system knows locks."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sweep(path: Path) -> None:
    """Delete what killed processes left unfinished in a store.

    Parameters
    ----------
    path
        The store.
    """
    for orphan in list(path.rglob(f"*{files.PARTIAL}")):
        if orphan.is_dir():
            shutil.rmtree(orphan, ignore_errors=True)
        else:
            orphan.unlink(missing_ok=True)


def _finalise(path: Path, plan: Plan, receipts: list[Receipt]) -> None:
    done = {(receipt.kind, receipt.index) for receipt in receipts}
    if missing := sorted(piece for piece in plan.pieces() if piece not in done):
        listed = ", ".join(f"{kind} {index}" for kind, index in missing[:10])
        raise IncompleteError(
            f"{path}: {len(missing)} pieces are missing: {listed}; run the same "
            "command again to resume"
        )
    sweep(path)
    lines, environments = _checksums(path, receipts)
    with files.whole_file(path / CHECKSUMS) as whole:
        whole.write("".join(lines).encode())
    _commit(path, environments, whole.record)


def _checksums(path: Path, receipts: list[Receipt]) -> tuple[list[str], list[str]]:
    """List every file of the store but the list's own and the root's metadata."""
    environments = sorted({_text(r.environment) for r in receipts})
    lines: dict[str, str] = {}
    for receipt in receipts:
        number = environments.index(_text(receipt.environment))
        for name, record in receipt.files.items():
            lines[name] = _line(name, record, number)
    own = _unlisted(path)
    for name in files.files_below(path):
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
    found = {}
    try:
        for line in (path / CHECKSUMS).read_text("utf-8").splitlines():
            crc32c, size, _, name = line.split(" ", 3)
            found[name] = FileRecord(int(size), int(crc32c, 16))
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
