"""Closing a store: receipts become checksums, metadata one file, the state complete."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import xarray as xr

from argdask.errors import IncompleteError
from argdask.store import files
from argdask.store.files import FileRecord
from argdask.store.plan import Plan
from argdask.store.receipts import Receipt
from argdask.store.zarr_store import METADATA, read_attributes

__all__ = [
    "CHECKSUMS",
    "METADATA_CHECKSUM",
    "checksum_of_checksums",
    "checksum_of_metadata",
    "consolidated_metadata",
    "finalise",
    "is_unfinished",
    "read_checksums",
    "sweep",
]

# Folder of the table of all files, and the root's attribute with its own checksum.
CHECKSUMS = "checksums"
METADATA_CHECKSUM = "metadata_crc32c"

_STRINGS = np.dtypes.StringDType()


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
        # An unfinished table of checksums is a folder.
        if orphan.is_dir():
            shutil.rmtree(orphan, ignore_errors=True)
        else:
            orphan.unlink(missing_ok=True)


def is_unfinished(name: Path) -> bool:
    """Return whether a path in a store is, or lies in, something unfinished.

    Parameters
    ----------
    name
        The path.

    Returns
    -------
    bool
        True for what `sweep` would delete.
    """
    return any(part.endswith(files.PARTIAL) for part in name.parts)


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
    table, environments = _checksums(path, receipts)
    partial = path / f"{CHECKSUMS}.{uuid.uuid4().hex}{files.PARTIAL}"
    table.to_zarr(partial, consolidated=False, zarr_format=3)
    files.sync_tree(partial)
    # A finalise that was killed may have left one, not yet part of the store.
    shutil.rmtree(path / CHECKSUMS, ignore_errors=True)
    partial.rename(path / CHECKSUMS)
    _commit(path, json.dumps(environments))


def _checksums(
    path: Path, receipts: list[Receipt]
) -> tuple[xr.Dataset, list[dict[str, str]]]:
    """List every file of the store but the list's own and the root's metadata."""
    kinds = sorted({json.dumps(r.environment, sort_keys=True) for r in receipts})
    records: dict[str, tuple[FileRecord, int]] = {}
    for receipt in receipts:
        number = kinds.index(json.dumps(receipt.environment, sort_keys=True))
        for name, record in receipt.files.items():
            records[name] = (record, number)
    for file in path.rglob("*"):
        name = file.relative_to(path).as_posix()
        own = name.startswith(f"{CHECKSUMS}/") or name == METADATA
        # Another process may be at work on what is done already.
        own |= is_unfinished(file.relative_to(path))
        if file.is_file() and name not in records and not own:
            records[name] = (files.record_of(file), -1)
    names = sorted(records)
    table = xr.Dataset(
        {
            "path": ("file", np.array(names, dtype=_STRINGS)),
            "size": ("file", np.array([records[n][0].size for n in names], np.int64)),
            "crc32c": (
                "file",
                np.array([records[n][0].crc32c for n in names], np.uint32),
            ),
            "environment": (
                "file",
                np.array([records[n][1] for n in names], np.int32),
            ),
        }
    )
    return table, [json.loads(kind) for kind in kinds]


def _commit(path: Path, environments: str) -> None:
    """Replace the root's metadata by one that has it all: the store is complete."""
    root = json.loads((path / METADATA).read_text("utf-8"))
    root["attributes"].update(
        {
            "state": "complete",
            "environments": environments,
            "checksums_crc32c": checksum_of_checksums(path),
        }
    )
    # Not in the Zarr 3 specification yet, and zarr's own writer warns of that; readers
    # that know it open faster.
    root["consolidated_metadata"] = {
        "kind": "inline",
        "must_understand": False,
        "metadata": {
            file.parent.relative_to(path).as_posix(): json.loads(
                file.read_text("utf-8")
            )
            for file in sorted(path.rglob(METADATA))
            if file.parent != path and not is_unfinished(file.relative_to(path))
        },
    }
    root["attributes"][METADATA_CHECKSUM] = checksum_of_metadata(root)
    with files.whole_file(path / METADATA) as whole:
        whole.write(json.dumps(root, indent=2).encode())


def checksum_of_checksums(path: Path) -> int:
    """Return the CRC-32C of the table of checksums itself.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    int
        Over names, sizes and checksums of all files of the table.
    """
    folder = path / CHECKSUMS
    lines = [
        f"{file.relative_to(folder).as_posix()} {files.record_of(file)}\n"
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    ]
    return int(google_crc32c.value("".join(lines).encode()))


def checksum_of_metadata(root: dict[str, Any]) -> int:
    """Return the CRC-32C of the root's metadata.

    Parameters
    ----------
    root
        The metadata.

    Returns
    -------
    int
        Over all of it but the attribute that holds the checksum.
    """
    attributes = {k: v for k, v in root["attributes"].items() if k != METADATA_CHECKSUM}
    text = json.dumps({**root, "attributes": attributes}, sort_keys=True)
    return int(google_crc32c.value(text.encode()))


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
    """
    with xr.open_zarr(path, group=CHECKSUMS, chunks=None, consolidated=False) as opened:
        table = opened.load()
    rows = zip(table.path.values, table.size.values, table.crc32c.values, strict=True)
    return {str(name): FileRecord(int(size), int(crc)) for name, size, crc in rows}


def consolidated_metadata(path: Path) -> dict[str, Any]:
    """Return the copies of all metadata that the root's metadata holds.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        Metadata by the path of the file that it is a copy of.
    """
    root = json.loads((path / METADATA).read_text("utf-8"))
    copies = root.get("consolidated_metadata", {}).get("metadata", {})
    return {f"{name}/{METADATA}": copy for name, copy in copies.items()}
