"""Closing a store: receipts become checksums, metadata one file, the state complete."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from argdask.errors import IncompleteError
from argdask.store import files, spare
from argdask.store.attributes import plain_bytes, read_root, sealed_bytes, unsealed
from argdask.store.formats import format_of
from argdask.store.listing import CHECKSUMS, Entry, to_bytes
from argdask.store.plan import Plan
from argdask.store.receipts import Receipt
from argdask.store.spare import SPARE
from argdask.store.work import read_attributes

__all__ = ["alone", "finalise", "seal", "sweep", "write_copies"]


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
    with alone(path):
        if read_attributes(path).get("state") != "complete":
            _finalise(path, plan, receipts)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process at a time close or mend a store, where there are locks.

    Parameters
    ----------
    path
        The store.

    Yields
    ------
    None
        Nothing.
    """
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
    wanted = {("block", k) for k in range(plan.blocks)}
    wanted |= {("part", k) for k in range(plan.parts)}
    if missing := sorted(wanted - done):
        listed = ", ".join(f"{kind} {index}" for kind, index in missing[:10])
        raise IncompleteError(
            f"{path}: {len(missing)} pieces are missing: {listed}; run the same "
            "command again to resume"
        )
    sweep(path)
    entries, environments = _entries(path, receipts)
    found = format_of(path)
    root = unsealed(found.committed(path, read_root(path / found.METADATA)))
    listed = f"[{', '.join(environments)}]"
    root["attributes"].update({"state": "complete", "environments": listed})
    entries = write_copies(path, found.METADATA, root, entries)
    seal(path, found.METADATA, root, entries)


def _entries(path: Path, receipts: list[Receipt]) -> tuple[dict[str, Entry], list[str]]:
    """List every file of the store but those that `seal` writes."""
    environments = sorted({_text(r.environment) for r in receipts})
    entries: dict[str, Entry] = {}
    for receipt in receipts:
        number = environments.index(_text(receipt.environment))
        piece = receipt.kind, receipt.index
        for name, record in receipt.files.items():
            entries[name] = Entry(record, number, piece)
    sealed = {CHECKSUMS, SPARE, format_of(path).METADATA}
    for name in files.files_below(path):
        if name not in entries and name not in sealed:
            entries[name] = Entry(files.record_of(path / name))
    return entries, environments


def _text(environment: dict[str, str]) -> str:
    return json.dumps(environment, sort_keys=True)


def write_copies(
    path: Path, metadata: str, root: dict[str, Any], entries: Mapping[str, Entry]
) -> dict[str, Entry]:
    """Write the spare copies of all that is no piece's, the root's metadata and a list.

    Parameters
    ----------
    path
        The store; all of its files but three are there.
    metadata
        Name of the file with the metadata of its root.
    root
        The metadata of its root as they are in a complete store, without checksums.
    entries
        What is known of all files but the three: spare copies, list and root.

    Returns
    -------
    dict
        What is known of all files but two: list and root.
    """
    single = [name for name, entry in entries.items() if entry.piece is None]
    texts = {metadata: plain_bytes(root), CHECKSUMS: to_bytes(entries)}
    return {**entries, SPARE: Entry(spare.write(path, single, texts))}


def seal(
    path: Path, metadata: str, root: dict[str, Any], entries: Mapping[str, Entry]
) -> None:
    """Write the list of files and, last, the root's metadata: that is the commit.

    Parameters
    ----------
    path
        The store; all of its other files are there.
    metadata, root
        As for `write_copies`.
    entries
        What `write_copies` returned.
    """
    with files.whole_file(path / CHECKSUMS) as whole:
        whole.write(to_bytes(entries))
    sealed = sealed_bytes(root, whole.record.crc32c)
    with files.whole_file(path / metadata) as whole:
        whole.write(sealed)
