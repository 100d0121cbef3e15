"""Receipts: what says that a part is done, kept beside the store until it is whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import google_crc32c

from argdask.store import files
from argdask.store.files import FileRecord
from argdask.store.plan import Piece, Plan
from argdask.store.provenance import environment, job_id

__all__ = [
    "Failure",
    "Journal",
    "Receipt",
    "done_and_failed",
    "done_receipts",
    "read_journals",
    "remove_receipts",
]

# Keys of the lines that are no receipts.
_ENVIRONMENT, _FAILURE = "environment_name", "failure"

# Characters of a reason that are kept: a journal is for lines, not for tracebacks.
_LONGEST_REASON = 400


@dataclass(frozen=True, slots=True)
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
    finished: float = 0.0
    """When it was done, by the clock of its machine [s since 1970]."""
    environment: dict[str, str] = field(default_factory=dict)
    """Versions and kind of machine."""
    job: str = ""
    """Id of the cluster job, if there was one."""
    tally: str = ""
    """What is known of the pixels of a part, as `Tally.to_text` has it."""

    def to_line(self) -> str:
        """Return the receipt as one line of JSON, its environment by name only."""
        fields = asdict(self)
        fields["files"] = {
            path: [record.size, record.crc32c] for path, record in self.files.items()
        }
        return _line_of({**fields, "environment": _name_of(self.environment)})

    @classmethod
    def from_fields(
        cls, fields: dict[str, Any], environments: dict[str, dict[str, str]]
    ) -> Self | None:
        """Read a receipt from the fields of its line.

        Parameters
        ----------
        fields
            What the line holds.
        environments
            Environments by name.

        Returns
        -------
        Receipt or None
            None for something else, and where the environment is not known.
        """
        try:
            files_of = {
                path: FileRecord(int(size), int(crc32c))
                for path, (size, crc32c) in fields["files"].items()
            }
            if not all(map(files.is_inside, files_of)):
                return None
            # One object for what they have in common: there may be a million of them.
            shared: dict[str, Any] = {
                name: sys.intern(fields[name])
                for name in ("fingerprint", "kind", "job")
            }
            shared["environment"] = environments[fields["environment"]]
            return cls(**{**fields, "files": files_of, **shared})
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


@dataclass(frozen=True, slots=True)
class Failure:
    """A piece of work that was set aside."""

    fingerprint: str
    """Fingerprint of the plan."""
    kind: str
    """part or block."""
    index: int
    """Number of the part or block."""
    attempts: int
    """How often it was tried."""
    reason: str
    """What went wrong the last time."""
    host: str
    """Machine of the process that wrote this down."""
    job: str
    """Id of the cluster job, if there was one."""
    time: float
    """When it was written down [s since 1970]."""


def _line_of(fields: dict[str, Any]) -> str:
    """Return fields as one line, with a checksum of their own."""
    return _compact({**fields, "crc32c": _checksum(fields)})


def _fields_of(line: str) -> dict[str, Any] | None:
    """Read a line, or None from one that is torn, damaged or something else."""
    try:
        fields = json.loads(line)
        # One flipped digit would be the receipt of a part that nobody made.
        intact = fields.pop("crc32c") == _checksum(fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return fields if intact else None


def _compact(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _checksum(fields: dict[str, Any]) -> int:
    return int(google_crc32c.value(_compact(fields).encode()))


def _name_of(environment: dict[str, str]) -> str:
    text = json.dumps(environment, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Journal:
    """One writer's own file of receipts and failures.

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
        self._told: set[str] = set()
        self._torn = False

    def append(self, receipt: Receipt) -> None:
        """Put a receipt on disk; what comes back from here is never lost.

        Parameters
        ----------
        receipt
            The receipt.
        """
        lines = [receipt.to_line()]
        name = _name_of(receipt.environment)
        if name not in self._told:
            told = {_ENVIRONMENT: name, "values": receipt.environment}
            lines.insert(0, _line_of(told))
        self._write(lines)
        self._told.add(name)

    def fail(self, plan: Plan, piece: Piece, attempts: int, reason: str) -> None:
        """Write down that a piece was set aside.

        Parameters
        ----------
        plan
            The store's plan.
        piece
            Kind and number.
        attempts
            How often it was tried.
        reason
            What went wrong the last time.
        """
        kind, index = piece
        failure = Failure(
            fingerprint=plan.fingerprint,
            kind=kind,
            index=index,
            attempts=attempts,
            reason=reason[:_LONGEST_REASON],
            host=socket.gethostname(),
            job=job_id(),
            time=round(time.time(), 3),
        )
        self._write([_line_of({_FAILURE: asdict(failure)})])

    def _write(self, lines: list[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        with self._path.open("a", encoding="utf-8") as file:
            # What a full disk cut off must not spoil the line after it.
            file.write(f"\n{text}" if self._torn else text)
            self._torn = True
            file.flush()
            os.fsync(file.fileno())
        self._torn = False


def read_journals(store: Path, fingerprint: str) -> Iterator[Receipt | Failure]:
    """Read what all writers wrote down, whoever they are and whether they still run.

    Parameters
    ----------
    store
        Path of the store.
    fingerprint
        Of the plan; what belongs to other plans is left out.

    Yields
    ------
    Receipt or Failure
        One after the other; a piece of work may have several.
    """
    # Where the line is damaged that says it, it most likely is that of this process.
    environments = {_name_of(environment()): environment()}
    for path in sorted(_folder(store).glob("*.jsonl")):
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                found = _read(line, environments)
                if found is not None and found.fingerprint == fingerprint:
                    yield found


def _read(
    line: str, environments: dict[str, dict[str, str]]
) -> Receipt | Failure | None:
    """Read one line; what it says of an environment is added to those known."""
    fields = _fields_of(line)
    if fields is None:
        return None
    if _ENVIRONMENT in fields:
        environments.setdefault(fields[_ENVIRONMENT], fields["values"])
        return None
    if _FAILURE not in fields:
        return Receipt.from_fields(fields, environments)
    try:
        return Failure(**fields[_FAILURE])
    except TypeError:
        return None


def done_receipts(store: Path, plan: Plan) -> list[Receipt]:
    """Return one receipt for each piece of work whose files are there in full size.

    Parameters
    ----------
    store, plan
        Path of the store, and its plan.

    Returns
    -------
    list of Receipt
        Ordered by kind and number.
    """
    return done_and_failed(store, plan)[0]


def done_and_failed(store: Path, plan: Plan) -> tuple[list[Receipt], list[Failure]]:
    """Return what is done, and what was set aside and never done since.

    Parameters
    ----------
    store, plan
        Path of the store, and its plan.

    Returns
    -------
    receipts : list of Receipt
        One for each piece of work whose files are there in full size.
    failures : list of Failure
        The last one of each piece of work that is not done.
    """
    found: dict[Piece, list[Receipt]] = {}
    failed: dict[Piece, Failure] = {}
    for one in read_journals(store, plan.fingerprint):
        piece = one.kind, one.index
        # The fingerprint leaves out the number of galaxies.
        start, stop = plan.rows_of(piece)
        if isinstance(one, Receipt):
            if (start, stop) == (one.start, one.stop):
                found.setdefault(piece, []).append(one)
        elif start < stop and (piece not in failed or failed[piece].time <= one.time):
            failed[piece] = one
    fitting = (_that_fits(store, found[piece]) for piece in sorted(found))
    done = [receipt for receipt in fitting if receipt is not None]
    for receipt in done:
        failed.pop((receipt.kind, receipt.index), None)
    return done, [failed[piece] for piece in sorted(failed)]


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
    """Delete what is beside a complete store: receipts, leftovers, what it replaced.

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
    partial = rf"{unique}{re.escape(files.PARTIAL)}"
    replaced = rf"{unique}\.replaced(\..+)?"
    left = rf"{name}\.(receipts\.{unique}\.deleting|{partial}|{replaced})"
    for path in list(store.parent.iterdir()):
        if re.fullmatch(left, path.name):
            shutil.rmtree(path, ignore_errors=True)


def _folder(store: Path) -> Path:
    return store.with_name(f"{store.name}.receipts")
