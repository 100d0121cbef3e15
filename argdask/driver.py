"""Driving the pieces of a store over a dask client, or one after the other here."""

from __future__ import annotations

import errno
import itertools
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from argdask.errors import IncompleteError
from argdask.store.plan import Piece, Plan
from argdask.store.receipts import Journal, Receipt
from argdask.store.work import make_piece

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "DISK_ERRORS",
    "Count",
    "Progress",
    "active_client",
    "drive",
]

Progress = Callable[[int, int], None]
"""Called with the number of galaxies made so far, and of all."""

# Attempts at one piece of work before it is set aside while the others go on.
_ATTEMPTS = 3

# Pieces of work that a client holds for each of its threads.
_WINDOW = 3

# Once the disk is full, every further part would fail in the same way.
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


class Count:
    """How many galaxies have their images.

    Parameters
    ----------
    made
        Galaxies that are there already.
    galaxies
        All.
    progress
        What is called with both, now and whenever there are more.
    """

    def __init__(self, made: int, galaxies: int, progress: Progress | None) -> None:
        self._made, self._galaxies, self._progress = made, galaxies, progress
        self.add(0)

    def add(self, galaxies: int) -> None:
        """Count galaxies that were made.

        Parameters
        ----------
        galaxies
            How many.
        """
        self._made += galaxies
        if self._progress is not None:
            self._progress(self._made, self._galaxies)


def active_client() -> Client | None:
    """Return the dask client that is the default here, if there is one.

    Returns
    -------
    Client or None
        The client.
    """
    from distributed import Client

    try:
        active: Client = Client.current()
    except ValueError:
        return None
    return active


def drive(
    place: Path,
    plan: Plan,
    pieces: list[Piece],
    client: Client | None,
    count: Count,
) -> None:
    """Make pieces, and write down each receipt before the next is asked for.

    Parameters
    ----------
    place
        The store.
    plan
        Its plan.
    pieces
        What is to be made.
    client
        What makes it; None for this process.
    count
        Is told of the galaxies of each part.

    Raises
    ------
    IncompleteError
        If a piece failed too often, or the scheduler was lost. What is done stays done.
    OSError
        If the disk is full.
    """
    if not pieces:
        return
    journal = Journal(place)
    arguments = str(place), plan.fingerprint
    failed: dict[Piece, str] = {}
    results = (
        _in_process(arguments, pieces)
        if client is None
        else _over_client(client, arguments, pieces)
    )
    for piece, result in results:
        if isinstance(result, BaseException):
            if isinstance(result, OSError) and result.errno in DISK_ERRORS:
                raise result
            failed[piece] = f"{type(result).__name__}: {result}"
            journal.fail(plan, piece, _ATTEMPTS, failed[piece])
            continue
        journal.append(result)
        if piece[0] == "part":
            count.add(result.stop - result.start)
    if failed:
        (kind, index), reason = next(iter(failed.items()))
        raise IncompleteError(
            f"{place}: {len(failed)} of {len(pieces)} pieces failed {_ATTEMPTS} times, "
            f"first {kind} {index} ({reason}); run the same command again to resume"
        )


_Results = Iterable[tuple[Piece, Receipt | BaseException]]


def _in_process(arguments: tuple[str, str], pieces: list[Piece]) -> _Results:
    for piece in pieces:
        result: Receipt | BaseException
        for _ in range(_ATTEMPTS):
            try:
                result = make_piece(*arguments, *piece)
            except Exception as error:  # any failure is reported with its piece
                result = error
            else:
                break
            if isinstance(result, OSError) and result.errno in DISK_ERRORS:
                break
        yield piece, result


def _over_client(
    client: Client, arguments: tuple[str, str], pieces: list[Piece]
) -> _Results:
    """Keep a bounded window of pieces on the client, and hold no result."""
    from distributed import as_completed

    waiting = iter(pieces)
    running: dict[Any, tuple[Piece, int]] = {}
    # One prefix for all keys, or the scheduler would not queue them; and keys that no
    # other run has, or the scheduler would hand out the results of that one.
    prefix, run = f"argdask-{arguments[1][:12]}", uuid.uuid4().hex

    def submit(piece: Piece, attempt: int) -> Any:
        key = (prefix, run, *piece, attempt)
        future = client.submit(make_piece, *arguments, *piece, key=key)
        running[future.key] = piece, attempt
        return future

    threads = sum(client.nthreads().values())
    window = _WINDOW * max(threads, 1)
    first = [submit(piece, 1) for piece in itertools.islice(waiting, window)]
    # By the loop of this client, which need not be the default one.
    finished = as_completed(first, loop=client.loop, with_results=False)
    for future in finished:
        if future.status == "lost":
            # Its worker died before the receipt was fetched: dask makes it again.
            finished.add(future)
            continue
        piece, attempt = running.pop(future.key)
        if future.status == "cancelled":
            raise IncompleteError(
                "the dask scheduler was lost; run the same command again to resume"
            )
        error = future.exception() if future.status != "finished" else None
        result = error if error is not None else future.result()
        future.release()
        full = isinstance(error, OSError) and error.errno in DISK_ERRORS
        if error is not None and attempt < _ATTEMPTS and not full:
            finished.add(submit(piece, attempt + 1))
            continue
        following = next(waiting, None)
        if following is not None:
            finished.add(submit(following, 1))
        yield piece, result
