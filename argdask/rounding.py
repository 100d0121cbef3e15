"""Fewer bits of the mantissa: numbers that compress, with an error that is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from argdask.caching import compiled

__all__ = ["LARGEST_RELATIVE_ERROR", "round_mantissa", "rounding_attributes"]

LARGEST_RELATIVE_ERROR = "largest_relative_error"
"""The attribute of what was rounded that says by how much at most."""

# Of a float32 (IEEE 754, binary32).
_MANTISSA = 23
_EXPONENT = np.uint32(0x7F800000)


def rounding_attributes(keep_bits: int | None) -> dict[str, float]:
    """Return what is told of numbers that were rounded.

    Parameters
    ----------
    keep_bits
        Bits of the mantissa that are kept; None for all.

    Returns
    -------
    dict
        By how much rounding changes a number at most, over the number: half of the last
        bit that is kept, 2**-(keep_bits + 1). Empty where nothing was rounded.
    """
    return {} if keep_bits is None else {LARGEST_RELATIVE_ERROR: 0.5 ** (keep_bits + 1)}


def round_mantissa(
    values: npt.NDArray[np.float32], keep_bits: int | None
) -> npt.NDArray[np.float32]:
    """Round numbers to the nearest that have few bits, in place.

    Parameters
    ----------
    values
        Numbers of any shape, C-contiguous; what is halfway goes to the one whose last
        bit is 0.
    keep_bits
        Bits of the mantissa that are kept, 1 to 22; all others are 0 then. None leaves
        all as they are.

    Returns
    -------
    ndarray
        The same memory.

    Raises
    ------
    ValueError
        If there are no such bits, or the numbers are not C-contiguous float32.

    Notes
    -----
    This is the rounding of Kloewer et al. 2021 (Nature Computational Science 1, 713).
    The largest error is that of `rounding_attributes`; below 1.2e-38, where numbers
    have no exponent of their own, it is that part of 1.2e-38. NaN and infinity stay
    what they are, and nothing that was finite becomes infinite: what would is cut off
    instead, with twice the error.
    """
    if keep_bits is None:
        return values
    if not 1 <= keep_bits < _MANTISSA:
        raise ValueError(f"keep_bits is {keep_bits}, not 1 to {_MANTISSA - 1}")
    if values.dtype != np.float32 or not values.flags.c_contiguous:
        raise ValueError("values must be C-contiguous float32")
    _round(values.reshape(-1).view(np.uint32), np.uint32(_MANTISSA - keep_bits))
    return values


@compiled
def _round(values: npt.NDArray[np.uint32], dropped: np.uint32) -> None:
    one = np.uint32(1)
    kept = np.uint32(0xFFFFFFFF) << dropped
    below_half = (one << np.uint32(dropped - one)) - one
    for i in range(values.size):
        bits = values[i]
        odd = np.uint32(bits >> dropped) & one
        nearest = np.uint32(bits + below_half + odd) & kept
        # What had no room for a larger exponent.
        full = (nearest & _EXPONENT) == _EXPONENT
        chosen = bits & kept if full else nearest
        values[i] = bits if (bits & _EXPONENT) == _EXPONENT else chosen
