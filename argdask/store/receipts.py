"""Receipts: what says that a part is done, kept beside the store until it is whole."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import google_crc32c
import llvmlite.binding

from argdask.store import files
from argdask.store.files import FileRecord
from argdask.store.plan import Plan

__all__ = [
    "Journal",
    "Receipt",
    "done_receipts",
    "environment",
    "job_id",
    "read_receipts",
    "remove_receipts",
]


@dataclass(frozen=True)
class Receipt:
    """What one finished piece of work left behind."""

    fingerprint: str
    """Fingerprint of the plan it was made by."""
    kind: str
    """part or block."""
    index: int
    """Number of the part or block."""
    start: int
    """First row."""
    stop: int
    """Row after the last."""
    files: dict[str, FileRecord]
    """Size and checksum of each file, by its path in the store."""
    seconds: float
    """How long it took."""
    environment: dict[str, str] = field(default_factory=dict)
    """Versions and kind of machine."""
    job: str = ""
    """Id of the cluster job, if there was one."""

    def to_line(self) -> str:
        """Return the receipt as one line of JSON."""
        fields = asdict(self)
        fields["files"] = {
            path: [record.size, record.crc32c] for path, record in self.files.items()
        }
        return _compact({**fields, "crc32c": _checksum(fields)})

    @classmethod
    def from_line(cls, line: str) -> Self | None:
        """Read a receipt, or None from a line that is torn or something else."""
        try:
            fields = json.loads(line)
            # One flipped digit would be the receipt of a part that nobody made.
            if fields.pop("crc32c") != _checksum(fields):
                return None
            fields["files"] = {
                path: FileRecord(int(size), int(crc32c))
                for path, (size, crc32c) in fields["files"].items()
            }
            if not all(map(files.is_inside, fields["files"])):
                return None
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


def _compact(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _checksum(fields: dict[str, Any]) -> int:
    return int(google_crc32c.value(_compact(fields).encode()))


class Journal:
    """One writer's own file of receipts.

    Parameters
    ----------
    store
        Path of the store.
    """

    def __init__(self, store: Path) -> None:
        folder = _folder(store)
        folder.mkdir(exist_ok=True)
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        self._path = folder / name

    def append(self, receipt: Receipt) -> None:
        """Put a receipt on disk; what comes back from here is never lost.

        Parameters
        ----------
        receipt
            The receipt.
        """
        with self._path.open("a", encoding="utf-8") as file:
            file.write(receipt.to_line() + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_receipts(store: Path, fingerprint: str) -> Iterator[Receipt]:
    """Read the receipts of all writers, whoever they are and whether they still run.

    Parameters
    ----------
    store
        Path of the store.
    fingerprint
        Of the plan; receipts of other plans are left out.

    Yields
    ------
    Receipt
        One receipt after the other; a piece of work may have several.
    """
    for path in sorted(_folder(store).glob("*.jsonl")):
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                receipt = Receipt.from_line(line)
                if receipt is not None and receipt.fingerprint == fingerprint:
                    yield receipt


def done_receipts(store: Path, plan: Plan) -> list[Receipt]:
    """Return one receipt for each piece of work whose files are there in full size.

    Parameters
    ----------
    store
        Path of the store.
    plan
        Its plan.

    Returns
    -------
    list of Receipt
        Ordered by kind and number.
    """
    found: dict[tuple[str, int], list[Receipt]] = {}
    for receipt in read_receipts(store, plan.fingerprint):
        rows_of = plan.rows_of_part if receipt.kind == "part" else plan.rows_of_block
        # The fingerprint leaves out the number of galaxies.
        if rows_of(receipt.index) == (receipt.start, receipt.stop):
            found.setdefault((receipt.kind, receipt.index), []).append(receipt)
    done = (_that_fits(store, found[key]) for key in sorted(found))
    return [receipt for receipt in done if receipt is not None]


def _that_fits(store: Path, receipts: list[Receipt]) -> Receipt | None:
    """Return the receipt of the files as they are, of all for one piece of work."""
    fitting = [receipt for receipt in receipts if _is_there(store, receipt)]
    if any(receipt.files != fitting[0].files for receipt in fitting):
        # Machines may differ in the last bit: only the files know who came last.
        fitting = [
            receipt
            for receipt in fitting
            if all(
                files.record_of(store / name) == record
                for name, record in receipt.files.items()
            )
        ]
    return fitting[0] if fitting else None


def _is_there(store: Path, receipt: Receipt) -> bool:
    try:
        return all(
            (store / name).stat().st_size == record.size
            for name, record in receipt.files.items()
        )
    except OSError:
        return False


def remove_receipts(store: Path) -> None:
    """Delete the receipts of a complete store, and what killed runs left beside it.

    Parameters
    ----------
    store
        Path of the store.
    """
    folder = _folder(store)
    if folder.exists():
        # Renamed first, so that a deletion cut short never looks like receipts.
        folder.rename(folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.deleting"))
    name, unique = re.escape(store.name), "[0-9a-f]{32}"
    left = rf"{name}\.(receipts\.{unique}\.deleting|{unique}{re.escape(files.PARTIAL)})"
    for path in list(store.parent.iterdir()):
        if re.fullmatch(left, path.name):
            shutil.rmtree(path, ignore_errors=True)


@cache
def environment() -> dict[str, str]:
    """Return what the bits of a pixel may depend on besides the plan.

    Returns
    -------
    dict
        Versions of the packages that compute, and the kind of machine.
    """
    packages = ("argdask", "numpy", "scipy", "numba", "llvmlite")
    found: dict[str, Any] = {name: metadata.version(name) for name in packages}
    found["python"] = platform.python_version()
    found["machine"] = platform.machine()
    found["processor"] = llvmlite.binding.get_host_cpu_name()
    return found


def job_id() -> str:
    """Return the id of the cluster job that this process runs in, or nothing."""
    names = ("SLURM_JOB_ID", "PBS_JOBID", "JOB_ID", "LSB_JOBID", "OAR_JOB_ID")
    return next((os.environ[name] for name in names if name in os.environ), "")


def _folder(store: Path) -> Path:
    return store.with_name(f"{store.name}.receipts")
