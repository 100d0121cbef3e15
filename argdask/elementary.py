"""Elementary functions for compiled loops, short enough for LLVM to vectorise."""

from __future__ import annotations

import math

import numpy as np

from argdask.caching import compiled

__all__ = ["LOG2_E", "LOWEST", "arcsinh", "exp2", "log2"]

LOG2_E = 1.0 / math.log(2.0)
LOWEST = -1000.0  # the lowest exponent given to exp2

# 2**f = sum of (f ln 2)**k / k! for |f| <= 1/2; the first term left out is 2e-10.
_E = tuple(math.log(2.0) ** k / math.factorial(k) for k in range(9))
# log2((1 + z) / (1 - z)) = 2 / ln 2 sum of z**(2k+1) / (2k+1) for |z| < 0.172; the
# first term left out is 2e-11.
_L = tuple(2.0 / math.log(2.0) / (2 * k + 1) for k in range(6))
# Adding 1.5 * 2**52 rounds to an integer, which is then found in the lowest bits.
_ROUND = 1.5 * 2.0**52
_ROUND_BITS = np.int64(np.float64(_ROUND).view(np.int64))
_MANTISSA = np.int64(52)
_HALF_SQUARED = np.int64(np.float64(math.sqrt(0.5)).view(np.int64))
_BIAS = np.int64(1023)


@compiled
def exp2(x: float) -> float:
    """Return 2 to the power x, to 3e-10; x between -1020 and 1020."""
    rounded = x + _ROUND
    f = x - (rounded - _ROUND)
    # Two short chains of operations, of even and odd powers, take less time than one.
    t = f * f
    even = (((_E[8] * t + _E[6]) * t + _E[4]) * t + _E[2]) * t + _E[0]
    odd = ((_E[7] * t + _E[5]) * t + _E[3]) * t + _E[1]
    total = odd * f + even
    exponent = np.float64(rounded).view(np.int64) << _MANTISSA
    return np.int64(np.float64(total).view(np.int64) + exponent).view(np.float64)


@compiled
def log2(x: float) -> float:
    """Return the logarithm of x to base 2, to 1e-10; x positive and normal."""
    bits = np.float64(x).view(np.int64)
    # The mantissa is taken between sqrt(1/2) and sqrt(2).
    exponent = ((bits - _HALF_SQUARED) + (_BIAS << _MANTISSA)) >> _MANTISSA
    mantissa = np.int64(bits - ((exponent - _BIAS) << _MANTISSA)).view(np.float64)
    z = (mantissa - 1.0) / (mantissa + 1.0)
    t = z * z
    square = t * t
    even = (_L[4] * square + _L[2]) * square + _L[0]
    odd = (_L[5] * square + _L[3]) * square + _L[1]
    total = odd * t + even
    # An integer of less than 52 bits becomes a float by placing it in a mantissa.
    whole = np.int64(exponent + _ROUND_BITS).view(np.float64) - (_ROUND + _BIAS)
    return total * z + whole


@compiled
def arcsinh(x: float) -> float:
    """Return the inverse hyperbolic sine, to 1e-10; x not negative, below 1e150."""
    return math.log(2.0) * log2(x + math.sqrt(x * x + 1.0))
