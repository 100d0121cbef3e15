"""Who drives a store: a file beside it that warns a second driver, and blocks none."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from argdask.store.provenance import job_id

__all__ = ["Driver", "StoreInUseWarning", "driver_of", "driving", "remove_stale_lock"]


class StoreInUseWarning(UserWarning):
    """Another process drives the same store; both will end well, one is enough."""


@dataclass(frozen=True)
class Driver:
    """The process that drives a store."""

    host: str
    """Its machine."""
    pid: int
    """Its number there."""
    since: float
    """When it began to drive the store [s since 1970]."""
    job: str
    """Id of the cluster job, if there is one."""
    born: str
    """What tells it from a later process of the same number."""
    token: str
    """What tells its lock from any other."""

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended; of other machines nothing is known."""
        return self.host == socket.gethostname() and self.born != _born(self.pid)

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host}{job}, since {since}"


def _born(pid: int) -> str:
    """Return what a process has for its life, or nothing where there is none."""
    try:
        # Numbered from 3 behind the name, which may hold anything: 22 is the start.
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        return state.rpartition(")")[2].split()[22 - 3]
    except (OSError, IndexError):
        pass
    # Not every system tells when: then only whether.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        return "alive"
    return "alive"


def _lock_of(store: Path) -> Path:
    return store.with_name(f"{store.name}.lock")


def driver_of(store: Path) -> Driver | None:
    """Return the process that drives a store.

    Parameters
    ----------
    store
        The store.

    Returns
    -------
    Driver or None
        None where there is none, or it is known to have ended.
    """
    found = _read(_lock_of(store))
    return None if found is None or found.gone else found


def _read(lock: Path) -> Driver | None:
    try:
        return Driver(**json.loads(lock.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def driving(store: Path) -> Iterator[None]:
    """Say beside a store that this process drives it, or warn that another does.

    Parameters
    ----------
    store
        The store.

    Yields
    ------
    None
        While it is driven.
    """
    other = driver_of(store)
    if other is not None:
        warnings.warn(
            f"{store} is being made by {other}; both will work on the same galaxies",
            StoreInUseWarning,
            stacklevel=4,
        )
        yield
        return
    pid = os.getpid()
    own = Driver(
        host=socket.gethostname(),
        pid=pid,
        since=round(time.time(), 3),
        job=job_id(),
        born=_born(pid),
        token=uuid.uuid4().hex,
    )
    lock = _lock_of(store)
    lock.write_text(json.dumps(asdict(own)), "utf-8")
    try:
        yield
    finally:
        # One that took it for stale, or came at the same moment, has its own by now.
        found = _read(lock)
        if found is not None and found.token == own.token:
            lock.unlink(missing_ok=True)


def remove_stale_lock(store: Path) -> None:
    """Delete the lock of a driver that ended without a chance to do so.

    Parameters
    ----------
    store
        The store.
    """
    if driver_of(store) is None:
        _lock_of(store).unlink(missing_ok=True)
