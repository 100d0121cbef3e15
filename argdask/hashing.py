"""A keyed hash of whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask.caching import compiled
from argdask.streams import philox

__all__ = ["fill_hashes"]

_LOW = np.uint64(2**32 - 1)
_HALF = np.uint64(32)


@compiled
def fill_hashes(
    words: NDArray[np.uint64], numbers: NDArray[np.uint64], key: Any
) -> None:
    """Fill memory with the word of each number.

    Parameters
    ----------
    words
        Memory.
    numbers
        As many numbers of 64 bits: the counters of Philox4x32-10.
    key
        64 bits.
    """
    low, high = key & _LOW, key >> _HALF
    for index in range(words.size):
        number = numbers[index]
        first, second, _, _ = philox(number & _LOW, number >> _HALF, 0, 0, low, high)
        words[index] = first << _HALF | second
