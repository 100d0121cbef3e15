"""Random words and normal deviates for every pixel of a galaxy, by counter alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask.caching import compiled

__all__ = ["TILE", "fill_normals", "fill_words", "philox"]

# Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", table 2.
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

# Blocks of a tile: their first words stand side by side in memory, then their second
# ones, so that the processor works on as many counters as fit into its registers.
_LANES = 128
TILE = 4 * _LANES
"""Words that are made at once."""

# The normal quantile of u is 2 u - 1 times a smooth function of t, the square root of
# 3.5 - ln(4 u (1 - u)): a polynomial of degree 14 in t mapped to -1 to 1 over all u of
# 32 bits, fitted at Chebyshev's points to scipy's, has a relative error of 1.5e-7.
_SHIFT = np.float32(3.5)
_STRETCH, _OFFSET = np.float32(0.6394010186195374), np.float32(-2.196209669113159)
_P = tuple(
    np.float32(coefficient)
    for coefficient in (
        *(3.8374905586242676, 2.6348094940185547, -0.19037309288978577),
        *(0.05130765214562416, 0.0621817521750927, -0.1409270167350769),
        *(0.15855252742767334, -0.10570208728313446, -0.033823683857917786),
        *(0.16938459873199463, -0.0979834571480751, -0.08067852258682251),
        *(0.07921506464481354, 0.014127430506050587, -0.019624222069978714),
    )
)
# log2((1 + z) / (1 - z)) = 2 / ln 2 sum of z**(2k+1) / (2k+1) for |z| < 0.172; the
# first term left out is 9e-8 of the sum.
_L = tuple(np.float32(2.0 / math.log(2.0) / (2 * k + 1)) for k in range(4))
_LN_2 = np.float32(math.log(2.0))
_MANTISSA, _BIAS = np.int32(23), np.int32(127)
_HALF_SQUARED = np.int32(np.float32(math.sqrt(0.5)).view(np.int32))
_ONE, _FOUR, _MIDDLE = np.float32(1.0), np.float32(4.0), np.float32(0.5)
_SIGN, _LEAST, _MOST = np.int32(31), np.int32(-(2**31)), np.int32(2**31 - 1)


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
    words: NDArray[np.uint32], tile: int, key: Any, galaxy_id: Any, purpose: Any
) -> None:
    """Fill memory with the random words of one galaxy.

    Parameters
    ----------
    words
        Memory; a multiple of `TILE`.
    tile
        How many times `TILE` words of the galaxy come before these.
    key
        64 bits, of the seed and of what the words are for.
    galaxy_id
        64 bits.
    purpose
        32 bits: which of the galaxy's images, and the epoch.
    """
    low, high = np.uint64(key) & _LOW, np.uint64(key) >> _HALF
    second, third = np.uint64(galaxy_id) & _LOW, np.uint64(galaxy_id) >> _HALF
    for number in range(words.size // TILE):
        some = words[number * TILE : (number + 1) * TILE].reshape(4, _LANES)
        first = np.uint64((tile + number) * _LANES)
        _fill_tile(some, first, second, third, np.uint64(purpose), low, high)


# In a loop of its own, over a number of lanes that it is told: LLVM unrolls the rounds
# of a loop inside of another one first, and does not vectorise it then.
@compiled
def _fill_tile(
    words: NDArray[np.uint32],
    first: Any,
    second: Any,
    third: Any,
    fourth: Any,
    key: Any,
    other: Any,
) -> None:
    for lane in range(words.shape[1]):
        block = first + np.uint64(lane)
        a, b, c, d = philox(block, second, third, fourth, key, other)
        words[0, lane] = a
        words[1, lane] = b
        words[2, lane] = c
        words[3, lane] = d


@compiled
def _log2(x: Any) -> Any:
    """Return the logarithm of x to base 2, to 2e-7; x positive and normal."""
    bits = np.float32(x).view(np.int32)
    # The mantissa is taken between sqrt(1/2) and sqrt(2).
    biased = np.int32(bits - _HALF_SQUARED) + np.int32(_BIAS << _MANTISSA)
    exponent = np.int32(np.int32(np.int32(biased) >> _MANTISSA) - _BIAS)
    mantissa = np.int32(bits - np.int32(exponent << _MANTISSA)).view(np.float32)
    z = (mantissa - _ONE) / (mantissa + _ONE)
    t = z * z
    total = ((_L[3] * t + _L[2]) * t + _L[1]) * t + _L[0]
    return total * z + np.float32(exponent)


@compiled
def fill_normals(words: NDArray[np.uint32], normals: NDArray[np.float32]) -> None:
    """Turn words into standard normal deviates, by the inverse of their distribution.

    Parameters
    ----------
    words
        Random words; a word w means the fraction (w + 1/2) / 2^32 of all draws.
    normals
        Memory for as many deviates, within 6.338 of 0, to 7e-7 of each.
    """
    for index in range(normals.size):
        # How far from the middle and how far from the nearer end: each from whole
        # numbers, so that neither loses digits near 0.
        place = np.int32(np.int32(words[index]) ^ _LEAST)
        inner = np.int32(place ^ np.int32(place >> _SIGN))
        size = (np.float32(inner) + _MIDDLE) * np.float32(2.0**-31)
        tail = (np.float32(np.int32(_MOST - inner)) + _MIDDLE) * np.float32(2.0**-32)
        t = np.sqrt(_SHIFT - _LN_2 * _log2(_FOUR * tail * (_ONE - tail)))
        y = t * _STRETCH + _OFFSET
        square = y * y
        even, odd = _P[14], _P[13]
        for power in range(12, -1, -2):
            even = even * square + _P[power]
        for power in range(11, 0, -2):
            odd = odd * square + _P[power]
        normals[index] = math.copysign(size, np.float32(place)) * (odd * y + even)
