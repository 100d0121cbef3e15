"""Driving the pieces of a store over a dask client, or one after the other here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from argdask.dispatch import (
    ATTEMPTS,
    Dispatch,
    Ended,
    is_disk_full,
    reason_of,
    stop_if_ended,
)
from argdask.errors import IncompleteError
from argdask.store.plan import Piece, Plan
from argdask.store.receipts import Journal, Receipt
from argdask.store.work import make_piece

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Count", "Opener", "Progress", "drive", "reached"]

Progress = Callable[[int, int], None]
"""Called with the number of galaxies made so far, and of all."""

Opener = Callable[[int], AbstractContextManager["Client | None"]]
"""Called with the number of pieces to make; its context is what makes them."""

_log = logging.getLogger(__name__)

# How many different reasons of failures the last message names.
_REASONS = 3


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
        self.added = 0
        self.add(0)

    def add(self, galaxies: int) -> None:
        """Count galaxies that were made.

        Parameters
        ----------
        galaxies
            How many.
        """
        self._made += galaxies
        self.added += galaxies
        if self._progress is not None:
            self._progress(self._made, self._galaxies)


@contextmanager
def reached(client: Client | Opener | None, pieces: int) -> Iterator[Client | None]:
    """Reach what makes the pieces, once it is known that there are some.

    Parameters
    ----------
    client
        A client, what opens one, or nothing for the active one.
    pieces
        How many pieces there are to make.

    Yields
    ------
    Client or None
        The client; None for this process.
    """
    if pieces == 0:
        yield None
    elif callable(client):
        with client(pieces) as opened:
            yield opened
    else:
        yield client or _active_client()


def _active_client() -> Client | None:
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
    ended: Ended | None = None,
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
    ended
        Says whether a piece failed because others made and closed the store meanwhile.

    Raises
    ------
    IncompleteError
        If a piece failed too often, the scheduler was lost, or others have made the
        store. What is done stays done.
    OSError
        If the disk is full.
    """
    if not pieces:
        return
    journal = Journal(place)
    arguments = str(place), plan.fingerprint
    failed: dict[Piece, str] = {}
    results = (
        _in_process(arguments, pieces, ended)
        if client is None
        else Dispatch(client, arguments, pieces, ended).results()
    )
    for piece, result in results:
        if isinstance(result, BaseException):
            if is_disk_full(result):
                raise result
            failed[piece] = reason_of(result)
            journal.fail(plan, piece, ATTEMPTS, failed[piece])
            _log.error("%s %d is set aside: %s", *piece, failed[piece])
            continue
        journal.append(result)
        if piece[0] == "part":
            count.add(result.stop - result.start)
    if failed:
        raise IncompleteError(_told(place, failed, len(pieces)))


def _told(place: Path, failed: dict[Piece, str], pieces: int) -> str:
    """Return what failed, with each reason once."""
    pieces_by_reason: dict[str, list[Piece]] = {}
    for piece, reason in failed.items():
        pieces_by_reason.setdefault(reason, []).append(piece)
    reasons = []
    for reason, found in list(pieces_by_reason.items())[:_REASONS]:
        kind, index = found[0]
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        reasons.append(f"{kind} {index}{more} ({reason})")
    if len(pieces_by_reason) > _REASONS:
        reasons.append(f"{len(pieces_by_reason) - _REASONS} other reasons")
    return (
        f"{place}: {len(failed)} of {pieces} pieces failed {ATTEMPTS} times: "
        f"{'; '.join(reasons)}; run the same command again to resume"
    )


def _in_process(
    arguments: tuple[str, str], pieces: list[Piece], ended: Ended | None
) -> Iterator[tuple[Piece, Receipt | BaseException]]:
    for piece in pieces:
        result: Receipt | BaseException
        for attempt in range(ATTEMPTS):
            try:
                result = make_piece(*arguments, *piece)
            except Exception as error:  # any failure is reported with its piece
                stop_if_ended(ended, error)
                result = error
            else:
                break
            if is_disk_full(result):
                break
            if attempt + 1 < ATTEMPTS:
                _log.warning("%s %d failed: %s", *piece, reason_of(result))
        yield piece, result
