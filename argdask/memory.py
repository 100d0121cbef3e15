"""Memory of images, used again once nobody has a view of it."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections import defaultdict, deque

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pool"]

_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()

# Huge pages of Linux [bytes]. numpy asks for them from twice this on, and gets them for
# the whole ones between the ends of its memory: the rest comes in small pages, of which
# each takes about as long to get as to fill a hundred.
_HUGE = 2**21


class Pool:
    """Blocks of memory that are used again.

    Parameters
    ----------
    most
        How many blocks of one size are kept while nobody uses them.
    total
        How many bytes are kept of all sizes.

    Notes
    -----
    Pages that a process gets anew cost more than the arithmetic on them. A block is
    free when the array that was handed out, and every view of it, is gone: whoever
    keeps a batch, keeps its values.
    """

    def __init__(self, most: int, total: float = math.inf) -> None:
        self._most, self._total = most, total
        self._forget()
        _POOLS.add(self)

    def _forget(self) -> None:
        """Keep nothing."""
        self._free: defaultdict[int, deque[memoryview]] = defaultdict(deque)
        self._kept = 0
        # Arrays can end anywhere, within these lines too.
        self._lock = threading.RLock()

    def take(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return memory of any values.

        Parameters
        ----------
        shape
            Of the array.

        Returns
        -------
        ndarray
            A view of the memory, C-contiguous.
        """
        count = math.prod(shape)
        block = self._found(count) or _new(count)
        # Not an array of its own memory, so that all views of it refer to itself.
        owner = np.frombuffer(block, np.float32, count)
        ended = weakref.finalize(owner, self._give_back, count, block)
        ended.atexit = False
        return owner.reshape(shape)

    def _found(self, count: int) -> memoryview | None:
        with self._lock:
            free = self._free.get(count)
            if not free:
                return None
            self._kept -= free[-1].nbytes
            return free.pop()

    def _give_back(self, count: int, block: memoryview) -> None:
        with self._lock:
            if len(self._free[count]) >= self._most or block.nbytes > self._total:
                return
            if self._kept + block.nbytes > self._total:
                # Of sizes that may never be asked for again.
                self._free.clear()
                self._kept = 0
            self._free[count].append(block)
            self._kept += block.nbytes


def _new(count: int) -> memoryview:
    """Return memory for some numbers, in whole huge pages where it is large."""
    size = 4 * max(count, 1)
    if size < 2 * _HUGE:
        return np.empty(size, np.uint8).data
    wide = np.empty((-(-size // _HUGE) + 1) * _HUGE, np.uint8)
    begin = -wide.ctypes.data % _HUGE
    return wide[begin : begin + size].data


def _forget_all() -> None:
    """Begin anew in a forked process, whose locks may be those of threads it lacks."""
    for pool in _POOLS:
        pool._forget()


os.register_at_fork(after_in_child=_forget_all)
