"""Words by number: as a hash should be, whoever else is asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from argdask.keyed_words import hashed, permutation

NUMBERS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=30)


@given(NUMBERS, st.integers(0, 2**64 - 1))
def test_a_word_follows_from_its_number_alone(numbers: list[int], seed: int) -> None:
    together = hashed(seed, "a", numbers)
    alone = [hashed(seed, "a", [number])[0] for number in numbers]
    assert together.tolist() == alone
    assert hashed(seed, "a", numbers[::-1]).tolist() == alone[::-1]


def test_words_of_other_seeds_and_purposes_are_others() -> None:
    numbers = np.arange(1000)
    words = [hashed(*key, numbers) for key in [(0, "a"), (0, "b"), (1, "a")]]
    assert np.unique(words).size == 3000


def test_words_fill_all_bits_evenly() -> None:
    words = hashed(5, "bits", np.arange(40_000) * 2**40)
    bits = np.unpackbits(words.view(np.uint8)).reshape(words.size, 64)
    # Six standard deviations of the mean of so many bits.
    assert np.all(np.abs(bits.mean(axis=0) - 0.5) < 6 * 0.5 / np.sqrt(words.size))
    # Neighbouring words have nothing to do with each other.
    changed = (bits[1:] != bits[:-1]).mean(axis=0)
    assert np.all(np.abs(changed - 0.5) < 6 * 0.5 / np.sqrt(words.size))


def test_shapes_are_kept() -> None:
    assert hashed(0, "a", np.zeros((2, 3), np.int64)).shape == (2, 3)
    assert hashed(0, "a", 7).shape == ()
    assert hashed(0, "a", []).shape == (0,)


def test_a_permutation_has_each_number_once() -> None:
    found = permutation(3, "order", 1000)
    assert np.array_equal(np.sort(found), np.arange(1000))
    assert not np.array_equal(found, permutation(4, "order", 1000))
    # No memory of where a number was: the correlation of 1000 pairs, six sigma.
    assert abs(np.corrcoef(found, np.arange(1000))[0, 1]) < 6 / np.sqrt(1000)
