"""Making a store: plan it, drive its parts over a client or here, close it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from argdask.dispatch import DISK_ERRORS
from argdask.driver import Count, Opener, Progress, drive, reached
from argdask.errors import IncompleteError, InputError
from argdask.mending import mend_sizes
from argdask.places import store_at
from argdask.planning import Work, begin, check, planned
from argdask.recipe import Recipe
from argdask.replacing import planned_over, set_aside
from argdask.store import closing
from argdask.store.folding import staging_of
from argdask.store.lock import driving, remove_stale_lock
from argdask.store.plan import Plan
from argdask.store.receipts import (
    Receipt,
    done_receipts,
    read_journals,
    remove_receipts,
)
from argdask.store.staging import finish_fold, fold, staged_plan
from argdask.tables import UserTable

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Summary", "close", "resumable", "tidy", "work_has_ended", "write"]

_log = logging.getLogger(__name__)

# How long others may take to close a store of which all pieces are made [s].
_CLOSING = 30.0

# How long the journals are not read again that lacked a receipt [s].
_PAUSE = 3.0


@dataclass(frozen=True)
class Summary:
    """What a run made."""

    path: Path
    """The store."""
    plan: Plan
    """Its plan."""
    made: int
    """Galaxies that this run made."""
    size: int
    """Bytes of the store's files."""


def write(
    recipe: Recipe | None,
    path: str | Path,
    *,
    seds: xr.DataArray | None = None,
    catalogue: Any = None,
    client: Client | Opener | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> Summary:
    """Make a store of training pairs; the same call again goes on where it stopped.

    Parameters
    ----------
    recipe
        The choices. None goes on with the recipe of the store at `path`.
    path
        Where the store is or shall be.
    seds
        The SED grid (redshift, filter, template), in the unit of its attribute `units`,
        in uJy where it has none; the store's own where there is a store, else the
        built-in one, if left out.
    catalogue
        A table of galaxies whose columns take the place of drawn ones: what
        `argdask.read_table` returns or reads. The store's own where there is a store,
        else that of the recipe, if left out.
    client
        A dask client, or what opens one when it is called with the number of pieces
        that there are to make; the active one if left out, and without one everything
        is done in this process.
    progress
        Called with the number of galaxies made so far and of all.
    overwrite
        Make a new store in the place of the one that is there, as if nothing were
        there. The old one is renamed first, and deleted once the new one is complete.

    Returns
    -------
    Summary
        What was made.

    Raises
    ------
    InputError
        If something given is wrong, the store at `path` has another plan, or there is
        too little space. Nothing is changed then.
    IncompleteError
        If parts could not be made. What is done stays done.

    Warns
    -----
    StoreInUseWarning
        If another process makes the same store; both end well.

    Notes
    -----
    More galaxies than a complete store has extend it: its galaxies and its scale stay
    as they are, and readers see the old set until all new galaxies are there. The
    recipe of an extended store is one that makes the same bytes at once: where a rule
    for the scale looked at fewer galaxies than it would by now, it holds the number.
    """
    # Workers may have another working directory.
    place = store_at(path)
    if not (client is None or callable(client) or hasattr(client, "submit")):
        cure = "make one, distributed.Client(...), or leave it out"
        raise InputError("client", client, "a dask client", cure)
    mended = 0
    if not overwrite:
        # A fold that was broken off looks like damage.
        finish_fold(place)
        brought: Any = {"seds": seds, "catalogue": catalogue}
        mended = mend_sizes(place, **brought, client=client, progress=progress)
    work = (planned_over if overwrite else planned)(recipe, place, seds, catalogue)
    if work.complete:
        tidy(work)
        return Summary(place, work.plan, mended, closing.size_of(place))
    done = [] if work.replaces else done_receipts(work.place, work.plan)
    check(work, done)
    _tell_columns(work.simulation.catalogue.table)
    finished = {(r.kind, r.index) for r in done}
    tasks = [piece for piece in work.pieces() if piece not in finished]
    before = work.kept + sum(r.stop - r.start for r in done if r.kind == "part")
    count: Count | None = None
    # A cluster that cannot be reached says so before anything is made.
    with resumable(work), reached(client, len(tasks)) as workers:
        if work.replaces:
            set_aside(work)
        else:
            begin(work, done)
        # What is there by now is the new one, which others may complete.
        work = replace(work, replaces=False)
        count = Count(before, work.plan.galaxies, progress)
        with resumable(work), driving(place):
            drive(work.place, work.plan, tasks, workers, count, work_has_ended(work))
            close(work)
    made = 0 if count is None else count.added
    return Summary(place, work.plan, made, closing.size_of(place))


def _tell_columns(table: UserTable | None) -> None:
    """Tell which columns of a catalogue's file count, and which do not."""
    if table is not None and table.used:
        ignored = ", ".join(table.ignored) or "no column"
        _log.info("catalogue: uses %s; ignores %s", ", ".join(table.used), ignored)


def work_has_ended(work: Work) -> Callable[[BaseException], bool]:
    """Return what tells a piece that failed from one that others have made.

    Parameters
    ----------
    work
        The store that is being made.

    Returns
    -------
    callable
        Called with the error. Where what vanished suggests that others are closing the
        store, their end is waited for, in all calls together for half a minute.
    """
    deadline = math.inf
    next_look = -math.inf

    def ended(error: BaseException) -> bool:
        nonlocal deadline, next_look
        if not isinstance(error, FileNotFoundError | InputError):
            return work.complete
        while not work.complete:
            now = time.monotonic()
            closing_now = not work.place.exists()
            if not closing_now and now >= next_look:
                closing_now = _all_told(work)
                if not closing_now:
                    next_look = time.monotonic() + _PAUSE
            if now > deadline or not closing_now:
                # The last look: receipts go once the store is closed.
                return work.complete
            # Of the run, not of the piece: others may have deleted the store.
            deadline = min(deadline, now + _CLOSING)
            time.sleep(0.1)
        return True

    return ended


def _all_told(work: Work) -> bool:
    """Whether there is a receipt of every piece."""
    told = read_journals(work.place, work.plan.fingerprint)
    made = {(one.kind, one.index) for one in told if isinstance(one, Receipt)}
    return made.issuperset(work.pieces())


def close(work: Work) -> None:
    """Close a store of which all pieces are made, and leave nothing beside it.

    Parameters
    ----------
    work
        The store, which may be complete by now.

    Raises
    ------
    IncompleteError
        If pieces are missing.
    """
    receipts = done_receipts(work.place, work.plan)
    if work.place == work.store:
        closing.finalise(work.store, work.plan, receipts)
    else:
        fold(work.store, work.plan, receipts)
    remove_receipts(work.store)
    remove_stale_lock(work.store)


def tidy(work: Work) -> None:
    """Delete what killed processes left in and beside a complete store.

    Parameters
    ----------
    work
        The store, of which nothing is left to do.
    """
    closing.sweep(work.store)
    remove_receipts(work.store)
    remove_stale_lock(work.store)
    if staged_plan(work.store) is None:
        remove_receipts(staging_of(work.store))


@contextmanager
def resumable(work: Work) -> Iterator[None]:
    """Tell a disk that is full, and a store that others closed, from what is wrong.

    Parameters
    ----------
    work
        What is being made.

    Raises
    ------
    IncompleteError
        If pieces are missing, or the disk is full.
    """
    try:
        yield
    except (IncompleteError, InputError, OSError) as error:
        # Another process may have made and closed the store meanwhile.
        if work.complete:
            return
        if not isinstance(error, OSError) or error.errno not in DISK_ERRORS:
            raise
        raise IncompleteError(
            f"{work.store}: {error.strerror}; free some space and run the same command "
            "again to resume"
        ) from error
