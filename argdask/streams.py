"""Random words and normal deviates for every pixel of a galaxy, by counter alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask.caching import compiled
from argdask.elementary import LOG2_E, log2

__all__ = ["fill_normals", "fill_words", "philox"]

# Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", table 2.
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

# The normal quantile of u is (2 u - 1) times a smooth function of t, the square root of
# 6 - ln(4 u (1 - u)): a polynomial of degree 12 in t mapped to -1 to 1 over all u of 32
# bits, fitted at Chebyshev's points to scipy's, has a relative error of 9e-7.
_SHIFT = 6.0
_STRETCH, _OFFSET = 0.7159814385484696, -2.7537891897476205
_P = (
    *(3.957306717762549, 2.5645360236423906, -0.2699341475643031),
    *(0.10985323294905543, -0.0007068340418076371, -0.07465877109525379),
    *(0.13143860022422207, -0.151371199819074, 0.0356141644892005),
    *(0.12181551022069109, -0.08622809485694904, -0.02785207807234025),
    0.028147496757868273,
)
_LN_2 = 1.0 / LOG2_E


@compiled
def philox(
    first: Any, second: Any, third: Any, fourth: Any, key: Any, other: Any
) -> tuple[Any, Any, Any, Any]:
    """Return the four words of 32 bits of one counter, by Philox4x32-10.

    Parameters
    ----------
    first, second, third, fourth
        The counter, 32 bits each.
    key, other
        The key, 32 bits each.

    Returns
    -------
    tuple of int
        The words (Salmon et al. 2011, section 3.4).
    """
    a, b = np.uint64(first), np.uint64(second)
    c, d = np.uint64(third), np.uint64(fourth)
    k, j = np.uint64(key), np.uint64(other)
    for _ in range(_ROUNDS):
        one, two = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b = (two >> _HALF) ^ b ^ k, two & _LOW
        c, d = (one >> _HALF) ^ d ^ j, one & _LOW
        k, j = (k + _WEYL[0]) & _LOW, (j + _WEYL[1]) & _LOW
    return a, b, c, d


@compiled
def fill_words(
    words: NDArray[np.uint32], key: Any, galaxy_id: Any, purpose: Any
) -> None:
    """Fill memory with the random words of one galaxy.

    Parameters
    ----------
    words
        Memory; a multiple of four.
    key
        64 bits, of the seed and of what the words are for.
    galaxy_id
        64 bits.
    purpose
        32 bits: which of the galaxy's images, and the epoch.
    """
    low, high = np.uint64(key) & _LOW, np.uint64(key) >> _HALF
    second, third = np.uint64(galaxy_id) & _LOW, np.uint64(galaxy_id) >> _HALF
    for block in range(words.size // 4):
        a, b, c, d = philox(block, second, third, purpose, low, high)
        words[4 * block] = a
        words[4 * block + 1] = b
        words[4 * block + 2] = c
        words[4 * block + 3] = d


@compiled
def fill_normals(words: NDArray[np.uint32], normals: NDArray[np.float64]) -> None:
    """Turn words into standard normal deviates, by the inverse of their distribution.

    Parameters
    ----------
    words
        Random words; a word w means the fraction (w + 1/2) / 2^32 of all draws.
    normals
        Memory for as many deviates, within 6.34 of 0, to 9e-7 of each.
    """
    for index in range(normals.size):
        u = (float(words[index]) + 0.5) * 2.0**-32
        t = math.sqrt(_SHIFT - _LN_2 * log2(4.0 * u * (1.0 - u)))
        x = t * _STRETCH + _OFFSET
        square = x * x
        even, odd = _P[12], _P[11]
        for power in range(10, -1, -2):
            even = even * square + _P[power]
        for power in range(9, 0, -2):
            odd = odd * square + _P[power]
        normals[index] = (2.0 * u - 1.0) * (odd * x + even)
