"""Memory of batches, used again once nobody has a view of it."""

from __future__ import annotations

import math
import weakref
from collections import defaultdict, deque

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pool"]


class Pool:
    """Blocks of memory that are used again.

    Parameters
    ----------
    most
        How many blocks of one size are kept while nobody uses them.

    Notes
    -----
    Pages that a process gets anew cost more than the arithmetic on them. A block is
    free when the array that was handed out, and every view of it, is gone: whoever
    keeps a batch, keeps its values.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._free: defaultdict[int, deque[memoryview]] = defaultdict(deque)

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
        free = self._free[count]
        try:
            block = free.pop()
        except IndexError:
            block = np.empty(max(count, 1), np.float32).data
        # Not an array of its own memory, so that all views of it refer to itself.
        owner = np.frombuffer(block, np.float32, count)
        ended = weakref.finalize(owner, self._give_back, free, block, self._most)
        ended.atexit = False
        return owner.reshape(shape)

    @staticmethod
    def _give_back(free: deque[memoryview], block: memoryview, most: int) -> None:
        if len(free) < most:
            free.append(block)
