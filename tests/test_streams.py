"""Words by counter as published, and deviates as scipy has them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from argdask.streams import fill_normals, fill_words, philox

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # The known answers that Salmon et al. publish with their code, Random123.
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((ONES,) * 4, (ONES,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_the_words_are_those_that_were_published(counter, key, expected):
    found = philox(*counter, *key)
    assert " ".join(f"{int(word):08x}" for word in found) == expected


def words_of(key: int, galaxy_id: int, purpose: int, size: int = 64) -> np.ndarray:
    words = np.empty(size, np.uint32)
    fill_words(words, np.uint64(key), np.uint64(galaxy_id), np.uint64(purpose))
    return words


def test_memory_is_filled_block_by_block():
    key, galaxy_id = 0x0123456789ABCDEF, 0x7EDCBA9876543210
    words = words_of(key, galaxy_id, 5, 40)
    halves = galaxy_id & ONES, galaxy_id >> 32
    for block in range(10):
        expected = philox(block, *halves, 5, key & ONES, key >> 32)
        assert words[4 * block : 4 * block + 4].tolist() == [int(w) for w in expected]


def test_more_words_begin_with_the_same():
    np.testing.assert_array_equal(words_of(1, 2, 3, 400)[:64], words_of(1, 2, 3))


@pytest.mark.parametrize("other", [(2, 2, 3), (1, 3, 3), (1, 2, 4), (1 << 32, 2, 3)])
def test_words_of_another_key_galaxy_or_purpose_are_others(other):
    # Of 64 pairs of words of 32 bits none is equal by chance.
    assert not (words_of(1, 2, 3) == words_of(*other)).any()


def test_words_are_uniform_in_every_bit():
    words = words_of(7, 11, 0, 1 << 18)
    bits = np.unpackbits(words.view(np.uint8)).reshape(-1, 32)
    # Each of the 32 sums is binomial: five sigma of 2^18 fair bits are 0.0049.
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.0049
    assert stats.kstest(words * 2.0**-32, "uniform").pvalue > 1e-4


def test_deviates_are_the_quantiles_of_their_words():
    words = np.arange(0, 2**32, 4099).astype(np.uint32)
    words[:3] = 0, 1, 2
    words[-3:] = ONES - 2, ONES - 1, ONES
    normals = np.empty(words.size)
    fill_normals(words, normals)
    exact = special.ndtri((words + 0.5) / 2.0**32)
    # The error that the polynomial was fitted to.
    np.testing.assert_allclose(normals, exact, rtol=1e-6, atol=1e-12)
    assert np.abs(normals).max() < 6.34


def test_deviates_are_antisymmetric_and_rise():
    words = np.array([0, 5, 10**6, 2**31 - 1], np.uint32)
    low, high = np.empty(4), np.empty(4)
    fill_normals(words, low)
    fill_normals(~words, high)
    np.testing.assert_allclose(low, -high, rtol=1e-6)
    assert (np.diff(low) > 0).all()
