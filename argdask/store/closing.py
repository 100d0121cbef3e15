"""Closing a store: receipts become checksums, metadata one file, the state complete."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argdask.errors import IncompleteError
from argdask.store import files, pixel_statistics, spare
from argdask.store.attributes import plain_bytes, read_root, sealed_bytes, unsealed
from argdask.store.formats import format_of
from argdask.store.listing import CHECKSUMS, Entry, read_list, to_bytes
from argdask.store.plan import Piece, Plan
from argdask.store.receipts import Receipt
from argdask.store.spare import SPARE
from argdask.store.work import read_attributes

__all__ = ["Kept", "alone", "finalise", "seal", "size_of", "sweep", "write_copies"]


@dataclass(frozen=True)
class Kept:
    """Files of pieces that lie elsewhere, and what made them."""

    entries: Mapping[str, Entry]
    """What is known of each file."""
    environments: list[str]
    """What made them, as JSON, by the numbers that the entries have."""
    tallies: bytes | None = None
    """What is known of the pixels of those that are full parts, as in its file."""


def finalise(
    path: Path,
    plan: Plan,
    receipts: list[Receipt],
    kept: Kept | None = None,
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
        Files of other pieces, that lie elsewhere and are listed all the same.

    Raises
    ------
    IncompleteError
        If a block or part has no receipt.
    """
    with alone(path):
        if read_attributes(path).get("state") != "complete":
            before = kept or Kept({}, [])
            pieces = {(receipt.kind, receipt.index): receipt for receipt in receipts}
            receipts = [pieces[piece] for piece in sorted(pieces)]
            _refuse_others(path, plan, pieces.keys(), before)
            pixel_statistics.fold(path, plan, receipts, before.tallies)
            entries, environments = _entries(path, sweep(path), receipts, before)
            found = format_of(path)
            root = unsealed(found.committed(path, read_root(path / found.METADATA)))
            listed = f"[{', '.join(environments)}]"
            root["attributes"].update({"state": "complete", "environments": listed})
            entries = write_copies(path, found.METADATA, root, entries)
            seal(path, found.METADATA, root, entries)


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


def _refuse_others(path: Path, plan: Plan, made: Iterable[Piece], kept: Kept) -> None:
    """See that the pieces that are made or kept are those of the plan, each of them."""
    listed = {*made, *(e.piece for e in kept.entries.values() if e.piece is not None)}
    wanted = list(plan.pieces())
    others = {
        "pieces are missing": [piece for piece in wanted if piece not in listed],
        "pieces are none of its plan": sorted(listed - set(wanted)),
    }
    for what, pieces in others.items():
        if pieces:
            named = ", ".join(f"{kind} {index}" for kind, index in pieces[:10])
            more = ", ..." if len(pieces) > 10 else ""
            raise IncompleteError(
                f"{path}: {len(pieces)} {what}: {named}{more}; `argdask "
                f"generate {path}` resumes"
            )


def _entries(
    path: Path, names: list[str], receipts: list[Receipt], before: Kept
) -> tuple[dict[str, Entry], list[str]]:
    """List every file of the store but those that `seal` writes."""
    # Receipts share their environments: one text for each object is enough.
    shared = {id(r.environment): r.environment for r in receipts}
    texts = {key: _text(environment) for key, environment in shared.items()}
    others = before.entries
    used = {before.environments[one.environment] for one in others.values()}
    environments = sorted({*texts.values(), *used})
    numbers = {text: number for number, text in enumerate(environments)}
    entries = {
        name: replace(one, environment=numbers[before.environments[one.environment]])
        for name, one in others.items()
    }
    for receipt in receipts:
        number = numbers[texts[id(receipt.environment)]]
        piece = receipt.kind, receipt.index
        for name, record in receipt.files.items():
            entries[name] = Entry(record, number, piece)
    sealed = {CHECKSUMS, SPARE, format_of(path).METADATA}
    for name in names:
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
    own = sum(
        (path / name).stat().st_size for name in (CHECKSUMS, format_of(path).METADATA)
    )
    return own + sum(entry.record.size for entry in read_list(path).values())
