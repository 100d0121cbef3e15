"""Rounded mantissas: the nearest number of few bits, by two other ways."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numcodecs.bitround import BitRound
from numpy.typing import NDArray

from argdask.rounding import LARGEST_RELATIVE_ERROR, round_mantissa, rounding_attributes

KEPT = range(1, 23)
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)

any_bits = st.integers(0, 2**32 - 1)


def rounded(values: Any, keep_bits: int) -> NDArray[np.float32]:
    found = np.array(values, np.float32)
    assert round_mantissa(found, keep_bits) is found
    return found


def told(keep_bits: int) -> float:
    return rounding_attributes(keep_bits)[LARGEST_RELATIVE_ERROR]


def by_fractions(value: float, keep_bits: int) -> float:
    """Round one number in exact arithmetic; Python's own `round` is to even."""
    exponent = int(np.frexp(np.float32(value))[1]) - 1
    # Below the smallest normal number all have the same last bit.
    last = Fraction(2) ** (max(exponent, -126) - keep_bits)
    return float(round(Fraction(value) / last) * last)


@given(bits=any_bits, keep_bits=st.sampled_from(KEPT))
@example(bits=0x7F7FFFFF, keep_bits=7)
@example(bits=0x00000001, keep_bits=22)
@example(bits=0x3F804000, keep_bits=8)  # halfway, to even below
@example(bits=0x3F80C000, keep_bits=8)  # halfway, to even above
@example(bits=0x80000000, keep_bits=3)
def test_any_number_becomes_the_nearest_of_few_bits(bits: int, keep_bits: int) -> None:
    value = np.array([bits], np.uint32).view(np.float32)
    found = rounded(value, keep_bits)
    if not np.isfinite(value[0]):
        assert found.view(np.uint32)[0] == bits
        return
    expected = by_fractions(float(value[0]), keep_bits)
    if abs(expected) > float(np.finfo(np.float32).max):
        # The largest number of so few bits.
        expected = float(np.sign(value[0]) * (2 - 2.0**-keep_bits) * 2.0**127)
    assert float(found[0]) == expected
    assert np.signbit(found[0]) == np.signbit(value[0])
    assert found.view(np.uint32)[0] % 2 ** (23 - keep_bits) == 0


@pytest.mark.parametrize("keep_bits", [1, 7, 12, 22])
def test_bits_are_those_of_numcodecs(keep_bits: int) -> None:
    values = np.random.default_rng(keep_bits).lognormal(0, 20, (5, 7, 3))
    values = (values * np.where(values > 1, 1, -1)).astype(np.float32)
    codec = BitRound(keepbits=keep_bits)
    expected = codec.decode(codec.encode(values.copy()))
    assert np.array_equal(rounded(values, keep_bits), expected.reshape(values.shape))


@given(
    values=st.lists(
        st.floats(SMALLEST_NORMAL, 2.0**126, width=32), min_size=1, max_size=50
    ),
    keep_bits=st.sampled_from(KEPT),
)
def test_the_error_is_at_most_what_is_told(values: Any, keep_bits: int) -> None:
    exact = np.array(values, np.float32).astype(np.float64)
    found = rounded(values, keep_bits).astype(np.float64)
    assert np.all(np.abs(found / exact - 1) <= told(keep_bits))
    # Rounding again changes nothing.
    assert np.array_equal(rounded(found, keep_bits), found)


def test_the_largest_error_is_reached() -> None:
    # Just above a power of two, halfway between two numbers of 7 bits.
    error = rounded([1 + 2.0**-8], 7)[0] / (1 + 2.0**-8) - 1
    assert abs(error) == pytest.approx(told(7), rel=2.0**-7)


def test_without_a_choice_nothing_is_rounded_and_nothing_told() -> None:
    values = np.random.default_rng(1).random(100).astype(np.float32)
    assert round_mantissa(values.copy(), None).tobytes() == values.tobytes()
    assert rounding_attributes(None) == {}


@pytest.mark.parametrize("keep_bits", [0, 23, -1])
def test_bits_that_are_not_there_are_refused(keep_bits: int) -> None:
    with pytest.raises(ValueError, match="keep_bits"):
        round_mantissa(np.ones(3, np.float32), keep_bits)


@pytest.mark.parametrize(
    "values", [np.ones(4), np.ones((4, 4), np.float32)[:, ::2]], ids=["type", "steps"]
)
def test_other_memory_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="C-contiguous float32"):
        round_mantissa(values, 7)
