"""Words by counter as published, and deviates as scipy has them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from argdask.streams import TILE, fill_normals, fill_words, philox

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


def words_of(key: int, galaxy_id: int, purpose: int, tiles: int = 1) -> np.ndarray:
    words = np.empty(tiles * TILE, np.uint32)
    fill_words(words, 0, *(np.uint64(n) for n in (key, galaxy_id, purpose)))
    return words


def test_memory_is_filled_tile_by_tile():
    key, galaxy_id = 0x0123456789ABCDEF, 0x7EDCBA9876543210
    words = words_of(key, galaxy_id, 5, 3)
    halves = galaxy_id & ONES, galaxy_id >> 32
    for block in range(3 * TILE // 4):
        expected = philox(block, *halves, 5, key & ONES, key >> 32)
        tile, lane = divmod(block, TILE // 4)
        found = words.reshape(3, 4, -1)[tile, :, lane]
        assert found.tolist() == [int(word) for word in expected]


def test_any_tiles_are_those_of_all():
    every, some = words_of(1, 2, 3, 5), np.empty(2 * TILE, np.uint32)
    fill_words(some, 2, *(np.uint64(n) for n in (1, 2, 3)))
    np.testing.assert_array_equal(every[2 * TILE : 4 * TILE], some)


@pytest.mark.parametrize("other", [(2, 2, 3), (1, 3, 3), (1, 2, 4), (1 << 32, 2, 3)])
def test_words_of_another_key_galaxy_or_purpose_are_others(other):
    # Of 512 pairs of words of 32 bits none is equal by chance.
    assert not (words_of(1, 2, 3) == words_of(*other)).any()


def test_words_are_uniform_in_every_bit():
    words = words_of(7, 11, 0, (1 << 18) // TILE)
    bits = np.unpackbits(words.view(np.uint8)).reshape(-1, 32)
    # Each of the 32 sums is binomial: five sigma of 2^18 fair bits are 0.0049.
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.0049
    assert stats.kstest(words * 2.0**-32, "uniform").pvalue > 1e-4


def test_deviates_are_the_quantiles_of_their_words():
    words = np.arange(0, 2**32, 4099).astype(np.uint32)
    # Both ends, which hold the largest deviates, and both sides of the middle.
    ends = np.arange(50_000, dtype=np.uint32)
    words = np.concatenate([words, ends, ~ends, 2**31 + ends, 2**31 - 1 - ends])
    normals = np.empty(words.size, np.float32)
    fill_normals(words, normals)
    exact = special.ndtri((words + 0.5) / 2.0**32)
    # The polynomial's own error is 1.5e-7; the rest is that of float32.
    np.testing.assert_allclose(normals, exact, rtol=7e-7)
    assert np.abs(normals).max() == pytest.approx(-special.ndtri(2.0**-33), rel=7e-7)


def test_deviates_are_normal():
    number = 20_000 * TILE
    normals = np.empty(number, np.float32)
    fill_normals(words_of(3, 8, 1, number // TILE), normals)
    drawn = np.sort(normals.astype(np.float64))
    # Kolmogorov's distance is above 2.3 / sqrt(n) once in 20,000 sets.
    above = np.arange(1, number + 1) / number - special.ndtr(drawn)
    assert max(above.max(), (1 / number - above).max()) < 2.3 / np.sqrt(number)
    # Five sigma of each moment: the variance of the k-th power is (2k-1)!! - (k-1)!!^2.
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        off = np.mean(drawn**power) - mean
        assert abs(off) < 5 * np.sqrt(variance / number), power
    # Beyond each of these, five sigma of Poisson's law; 5 sigma leave ten draws.
    for least in (3.0, 4.0, 5.0):
        expected = 2 * number * special.ndtr(-least)
        found = (np.abs(drawn) > least).sum()
        assert abs(found - expected) < 5 * np.sqrt(expected), least


def test_deviates_are_antisymmetric_and_rise():
    words = np.array([0, 5, 10**6, 2**31 - 1], np.uint32)
    low, high = np.empty(4, np.float32), np.empty(4, np.float32)
    fill_normals(words, low)
    fill_normals(~words, high)
    np.testing.assert_array_equal(low, -high)
    assert (np.diff(low) > 0).all()
