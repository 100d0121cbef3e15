"""A bounded window of pieces on a dask client: nothing held, nothing lost, no hang."""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from argdask.crews import crew_of
from argdask.errors import IncompleteError
from argdask.store.plan import Piece
from argdask.store.receipts import Receipt
from argdask.store.work import make_piece

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "ATTEMPTS",
    "DISK_ERRORS",
    "Dispatch",
    "Ended",
    "is_disk_full",
    "reason_of",
    "stop_if_ended",
]

Ended = Callable[[BaseException], bool]
"""Called with the error of a piece: whether others have made the store meanwhile."""

ATTEMPTS = 3
"""Attempts at one piece of work before it is set aside while the others go on."""

DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""Once the disk is full, every further part would fail in the same way."""

# Pieces of work that a client holds for each of its threads.
_WINDOW = 3

# How often the workers are counted [s].
_TICK = 1.0

_LOST = "the dask scheduler was lost; run the same command again to resume"

_log = logging.getLogger(__name__)


def is_disk_full(error: object) -> bool:
    """Return whether an error says that nothing more can be written.

    Parameters
    ----------
    error
        Any result of a piece.

    Returns
    -------
    bool
        Whether it is one of `DISK_ERRORS`.
    """
    return isinstance(error, OSError) and error.errno in DISK_ERRORS


def reason_of(error: BaseException) -> str:
    """Return an error in one line.

    Parameters
    ----------
    error
        The error.

    Returns
    -------
    str
        Its kind and its message.
    """
    return " ".join(f"{type(error).__name__}: {error}".split())


def stop_if_ended(ended: Ended | None, error: BaseException) -> None:
    """Give up once others have made all of it: nobody wants the piece any more.

    Parameters
    ----------
    ended
        What knows of the others, if anything does.
    error
        The error of a piece.

    Raises
    ------
    IncompleteError
        If there is nothing left to make.
    """
    if ended is not None and ended(error):
        raise IncompleteError("another process has made the store") from error


def _make(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
    """Make a piece and tell the log of the worker."""
    try:
        receipt = make_piece(path, fingerprint, kind, index)
    except Exception as error:
        _log.warning("%s %d failed: %s", kind, index, reason_of(error))
        raise
    _log.info("%s %d made in %.1f s", kind, index, receipt.seconds)
    return receipt


class Dispatch:
    """Pieces on their way through a client.

    The window is as wide as the threads that were asked for, not those that are there:
    a cluster that sees little work would not grow.

    Parameters
    ----------
    client
        What makes the pieces.
    arguments
        Path and fingerprint of the store.
    pieces
        What is to be made.
    ended
        Says whether a piece failed because others have made the store meanwhile.
    """

    def __init__(
        self,
        client: Client,
        arguments: tuple[str, str],
        pieces: list[Piece],
        ended: Ended | None = None,
    ) -> None:
        self._client: Any = client
        self._arguments, self._ended = arguments, ended
        self._crew = crew_of(client)
        self._waiting = iter(pieces)
        self._remaining = len(pieces)
        self._next_look = 0.0
        self._running: dict[Any, tuple[Any, Piece, int]] = {}
        self._finished: queue.SimpleQueue[tuple[Any, Receipt | BaseException]] = (
            queue.SimpleQueue()
        )
        # One prefix for all keys, or the scheduler would not queue them; and keys that
        # no other run has, or the scheduler would hand out the results of that one.
        self._prefix, self._run = f"argdask-{arguments[1][:12]}", uuid.uuid4().hex

    def results(self) -> Iterator[tuple[Piece, Receipt | BaseException]]:
        """Make the pieces, and try those again that fail.

        Yields
        ------
        tuple
            Each piece with its receipt, or with the error of its last attempt.

        Raises
        ------
        IncompleteError
            If the scheduler or all workers are lost, or others have made the store.
        """
        self._crew.begin(self._remaining)
        self._fill()
        try:
            while self._running:
                if time.monotonic() >= self._next_look:
                    self._look()
                try:
                    future, result = self._finished.get(timeout=_TICK)
                except queue.Empty:
                    continue
                yield from self._take(future, result)
        finally:
            # What is on its way is of no use to anybody when this run is given up.
            self._give_up()

    def _look(self) -> None:
        self._next_look = time.monotonic() + _TICK
        if self._client.status == "closed":
            raise IncompleteError(_LOST)
        self._crew.look(self._remaining)
        self._fill()

    def _fill(self) -> None:
        free = _WINDOW * self._crew.threads - len(self._running)
        for piece in itertools.islice(self._waiting, max(free, 0)):
            self._submit(piece, 1)

    def _submit(self, piece: Piece, attempt: int) -> None:
        key = (self._prefix, self._run, *piece, attempt)
        try:
            future = self._client.submit(
                _make, *self._arguments, *piece, key=key, pure=False
            )
        except (RuntimeError, OSError) as error:  # the client was closed under us
            raise IncompleteError(_LOST) from error
        self._running[future.key] = future, piece, attempt
        asyncio.run_coroutine_threadsafe(self._fetch(future), self._loop)

    @property
    def _loop(self) -> Any:
        return self._client.loop.asyncio_loop

    async def _fetch(self, future: Any) -> None:
        """Wait for a result and bring it here, however often dask has to make it.

        The worker that holds it may die before it was fetched, and again, and the next
        attempt may fail: gathering sees to the first, and raises the second.
        """
        result: Receipt | BaseException
        try:
            (result,) = await self._client.gather([future], asynchronous=True)
        except (Exception, asyncio.CancelledError) as error:
            result = error
        self._finished.put((future, result))

    def _take(
        self, future: Any, result: Receipt | BaseException
    ) -> Iterator[tuple[Piece, Receipt | BaseException]]:
        _, piece, attempt = self._running.pop(future.key)
        future.release()
        if getattr(result, "reason", None) == "scheduler-connection-lost":
            raise IncompleteError(_LOST)
        if isinstance(result, BaseException):
            stop_if_ended(self._ended, result)
            if attempt < ATTEMPTS and not is_disk_full(result):
                _log.warning("%s %d failed: %s", *piece, reason_of(result))
                self._submit(piece, attempt + 1)
                return
        else:
            self._crew.progressed()
        self._remaining -= 1
        self._fill()
        yield piece, result

    def _give_up(self) -> None:
        for future, _, _ in self._running.values():
            future.release()
        self._running.clear()
