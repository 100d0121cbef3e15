"""Random words of whole numbers, however far apart, and orders that follow."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argdask.hashing import fill_hashes
from argdask.sampling import stream_key

__all__ = ["hashed", "permutation"]


def hashed(seed: int, purpose: str, numbers: ArrayLike) -> NDArray[np.uint64]:
    """Return the word of each number.

    Parameters
    ----------
    seed
        0 to 2^64 - 1.
    purpose
        What the words are for: those of different purposes are independent.
    numbers
        Whole numbers of 64 bits, in any order, repeated or not.

    Returns
    -------
    ndarray
        One word for each number, of the same shape.

    Notes
    -----
    Philox4x32-10 (Salmon et al. 2011) with the number as its counter: about as fast for
    numbers that are far apart as for neighbours, unlike `argdask.sampling.words`.
    """
    wanted = np.asarray(numbers, dtype=np.int64)
    found = np.empty(wanted.size, np.uint64)
    key = np.uint64(stream_key(seed, purpose, 64))
    fill_hashes(found, wanted.reshape(-1).view(np.uint64), key)
    return found.reshape(wanted.shape)


def permutation(seed: int, purpose: str, count: int) -> NDArray[np.int64]:
    """Return whole numbers in random order.

    Parameters
    ----------
    seed, purpose
        As for `hashed`.
    count
        How many numbers, from 0.

    Returns
    -------
    ndarray
        Each number once. The order follows from the words alone, not from a library's
        way to shuffle, which its versions may change.
    """
    words = hashed(seed, purpose, np.arange(count))
    return np.argsort(words, kind="stable")
