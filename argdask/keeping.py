"""What was made last, kept for whoever asks for it next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")


class Kept(Generic[T]):
    """A table of what was made last, which threads can share.

    Parameters
    ----------
    most
        Of how many things.
    """

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self._known: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> T | None:
        """Return a thing, or None."""
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def put(self, key: Hashable, thing: T) -> T:
        """Keep a thing, and let go of the one that was not asked for longest."""
        with self._lock:
            self._known[key] = thing
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return thing
