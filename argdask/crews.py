"""The workers behind a dask client, as the driver of a run sees them."""

from __future__ import annotations

import logging
import time
import weakref
from typing import TYPE_CHECKING, Any

from argdask.errors import IncompleteError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["WORKER_MEMORY", "Crew", "crew_of", "enlist"]

WORKER_MEMORY: dict[str, Any] = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
}
"""Dask's configuration of workers that hold nothing: there is nothing to write to disk,
and one that waits until it holds less would wait for ever."""

_log = logging.getLogger(__name__)

# After so many seconds without any worker it is said so.
_SILENCE = 30.0

_CREWS: weakref.WeakKeyDictionary[Client, Crew] = weakref.WeakKeyDictionary()


class Crew:
    """Workers that come and go by themselves: how many, and whether there are any.

    Parameters
    ----------
    client
        The client that reaches them.
    requested
        Threads that were asked for, whether they are there yet or not.
    alarm
        After how long without a finished piece it is said so [s].
    patience
        After how long without any worker a run ends [s]; None for never.
    """

    def __init__(
        self,
        client: Client,
        *,
        requested: int = 0,
        alarm: float = 600.0,
        patience: float | None = 600.0,
    ) -> None:
        # The client keeps its crew, not the other way round.
        self._client = weakref.proxy(client)
        self._alarm, self._patience = alarm, patience
        self.requested = requested
        self.connected = requested
        self.begin(0)

    def begin(self, pieces: int) -> None:
        """Start the clocks: work begins.

        Parameters
        ----------
        pieces
            How many there are to make.
        """
        self._last = self._manned = self._told = time.monotonic()

    @property
    def threads(self) -> int:
        """How many are there or were asked for: what a window is measured by."""
        return max(self.requested, self.connected, 1)

    def progressed(self) -> None:
        """Take note that a piece was finished."""
        self._last = time.monotonic()

    def look(self, remaining: int) -> None:
        """Count the workers, and tell of what is wrong.

        Parameters
        ----------
        remaining
            Pieces that are not finished.

        Raises
        ------
        IncompleteError
            If there has been no worker for too long.
        """
        now = time.monotonic()
        if self._client.status == "running":
            try:
                self.connected = sum(self._client.nthreads().values())
            except OSError as error:
                _log.debug("the scheduler does not answer: %s", error)
        if self.connected:
            self._manned = now
        lonely = now - self._manned
        if self._patience is not None and lonely > self._patience:
            raise IncompleteError(
                f"no worker for {lonely:.0f} s; run the same command again to resume"
            )
        silent = now - max(self._last, self._told)
        if silent > (self._alarm if self.connected else min(self._alarm, _SILENCE)):
            self._told = now
            _log.warning(
                "no part was finished for %.0f s; %d remain, %d threads are at work%s",
                now - self._last,
                remaining,
                self.connected,
                self.state(),
            )

    def state(self) -> str:
        """Return what else there is to tell when nothing gets finished."""
        return ""


def enlist(client: Client, crew: Crew) -> None:
    """Make a crew the one of a client.

    Parameters
    ----------
    client
        The client.
    crew
        Its workers.
    """
    _CREWS[client] = crew


def crew_of(client: Client) -> Crew:
    """Return the crew of a client; one that is only looked at where nobody leads it.

    Parameters
    ----------
    client
        The client.

    Returns
    -------
    Crew
        Its workers.
    """
    found = _CREWS.get(client)
    if found is None:
        found = Crew(client)
        enlist(client, found)
    return found
