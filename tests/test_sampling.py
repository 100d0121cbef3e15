"""Draws follow from (seed, column, id) alone, and their laws are those of scipy."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from argdask.errors import InputError
from argdask.sampling import (
    Beta,
    Choice,
    Constant,
    Distribution,
    Lognormal,
    Normal,
    Uniform,
    pick,
    uniforms,
    words,
)

Floats = NDArray[np.float64]

LOWEST, HIGHEST = 2.0**-53, 1 - 2.0**-53

# Tests of chance have fixed seeds; a right law fails one of them once in 10,000 tries.
LEAST_PROBABILITY = 1e-4


def key_of(seed: int, column: str) -> int:
    digest = hashlib.sha256(f"argdask:{seed}:{column}".encode()).digest()
    return int.from_bytes(digest[:16], "little")


def read_in_one_run(seed: int, column: str, count: int) -> NDArray[np.uint64]:
    return np.random.Philox(key=key_of(seed, column)).random_raw(count)


def philox4x64(counter: int, key: int) -> list[int]:
    """Return a block of Philox4x64-10 as its paper gives it (Salmon et al. 2011)."""
    mask = 2**64 - 1
    block = [counter >> 64 * k & mask for k in range(4)]
    key0, key1 = key & mask, key >> 64
    for _ in range(10):
        one, two = 0xD2E7470EE14C6C93 * block[0], 0xCA5A826395121157 * block[2]
        block = [
            two >> 64 ^ block[1] ^ key0,
            two & mask,
            one >> 64 ^ block[3] ^ key1,
            one & mask,
        ]
        key0 = key0 + 0x9E3779B97F4A7C15 & mask
        key1 = key1 + 0xBB67AE8584CAA73B & mask
    return block


# Words.

some_ids = st.lists(st.integers(0, 4999), max_size=60)
any_id = st.integers(0, 2**63 - 1)


@given(some_ids)
def test_any_selection_of_ids_reads_the_words_of_one_run(ids):
    expected = read_in_one_run(7, "z_in", 5000)[np.asarray(ids, dtype=np.int64)]
    np.testing.assert_array_equal(words(7, "z_in", ids), expected)


def test_ids_far_apart_and_on_both_sides_of_a_cut_read_the_words_of_one_run():
    everything = read_in_one_run(3, "axis_ratio", 3 * 2**20)
    ids = np.r_[
        2**20 - 70 : 2**20 + 70, 0, 3 * 2**20 - 1, np.arange(9, 3 * 2**20, 5077)
    ]
    np.testing.assert_array_equal(words(3, "axis_ratio", ids), everything[ids])


@given(st.lists(any_id, min_size=1, max_size=8), st.integers(0, 2**64 - 1))
def test_words_of_huge_ids_are_those_of_the_philox_paper(ids, seed):
    # numpy counts up before it makes a block, so that the first one has counter 1.
    key = key_of(seed, "noise")
    expected = [philox4x64(i // 4 + 1, key)[i % 4] for i in ids]
    assert words(seed, "noise", ids).tolist() == expected


@given(st.lists(any_id, min_size=1, max_size=20))
def test_a_word_alone_is_the_word_in_a_list(ids):
    together = words(0, "z_out", ids)
    alone = [int(words(0, "z_out", i)[0]) for i in ids]
    assert together.tolist() == alone


def test_ids_far_apart_need_little_memory():
    # Read in one run, these would take 160 MB.
    ids = np.arange(0, 4096 * 5000, 4096)
    tracemalloc.start()
    words(1, "z_in", ids)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 30e6


@pytest.mark.parametrize(
    ("one", "other"),
    [((1, "z_in"), (1, "z_out")), ((1, "z_in"), (2, "z_in")), ((1, "2:x"), (1, "2x"))],
)
def test_columns_and_seeds_have_streams_of_their_own(one, other):
    count = 100_000
    u, v = uniforms(*one, np.arange(count)), uniforms(*other, np.arange(count))
    # The correlation of independent numbers is normal with sigma 1 / sqrt(count).
    least = stats.norm.isf(LEAST_PROBABILITY / 2) / np.sqrt(count)
    for shift in (0, 1, 4):
        assert abs(np.corrcoef(u[shift:], v[: count - shift])[0, 1]) < least


def test_neighbouring_galaxies_are_independent():
    count = 100_000
    u = uniforms(5, "z_in", np.arange(count))
    least = stats.norm.isf(LEAST_PROBABILITY / 2) / np.sqrt(count)
    for shift in (1, 2, 3, 4, 5, 64):
        assert abs(np.corrcoef(u[shift:], u[:-shift])[0, 1]) < least


@pytest.mark.parametrize("column", ["z_in", "sed_index", "axis_ratio"])
@pytest.mark.parametrize("first", [0, 2**40])
def test_uniforms_are_uniform(column, first):
    u = uniforms(4251, column, np.arange(first, first + 100_000))
    counts, _ = np.histogram(u, bins=1000, range=(0, 1))
    assert stats.chisquare(counts).pvalue > LEAST_PROBABILITY
    # The lower half of the bits too
    counts, _ = np.histogram(u * 2**26 % 1, bins=1000, range=(0, 1))
    assert stats.chisquare(counts).pvalue > LEAST_PROBABILITY


def test_uniforms_are_strictly_between_0_and_1(monkeypatch):
    extremes = np.array([0, 2**64 - 1], dtype=np.uint64)
    monkeypatch.setattr("argdask.sampling.words", lambda *_: extremes)
    assert uniforms(0, "any", [0, 1]).tolist() == [LOWEST, HIGHEST]


# Laws.

# Each law beside the quantiles that scipy gives.
LAWS: dict[str, tuple[Distribution, Callable[[Floats], Floats]]] = {
    "uniform": (Uniform(minimum=-2.0, maximum=0.7), stats.uniform(-2.0, 2.7).ppf),
    "normal": (Normal(mean=3.0, sigma=0.2), stats.norm(3.0, 0.2).ppf),
    "normal, cut": (
        Normal(mean=3.0, sigma=2.0, minimum=0.3, maximum=8.0),
        stats.truncnorm(-1.35, 2.5, 3.0, 2.0).ppf,
    ),
    "normal, cut below": (
        Normal(mean=0.0, sigma=1.0, minimum=0.0),
        stats.truncnorm(0.0, np.inf).ppf,
    ),
    "normal, upper tail": (
        Normal(mean=0.0, sigma=1.0, minimum=5.5),
        stats.truncnorm(5.5, np.inf).ppf,
    ),
    "normal, lower tail": (
        Normal(mean=0.0, sigma=1.0, maximum=-5.5),
        stats.truncnorm(-np.inf, -5.5).ppf,
    ),
    "lognormal": (
        Lognormal(median=0.6, sigma=0.3),
        stats.lognorm(0.3, scale=0.6).ppf,
    ),
    "lognormal, cut": (
        Lognormal(median=1.65, sigma=0.5, minimum=0.3, maximum=8.0),
        lambda u: (
            1.65
            * np.exp(
                stats.truncnorm(
                    np.log(0.3 / 1.65) / 0.5, np.log(8.0 / 1.65) / 0.5, scale=0.5
                ).ppf(u)
            )
        ),
    ),
    "lognormal, cut above": (
        Lognormal(median=1.0, sigma=1.0, minimum=-3.0, maximum=2.0),
        lambda u: np.exp(stats.truncnorm(-np.inf, np.log(2.0)).ppf(u)),
    ),
    "beta": (
        Beta(alpha=2.3, beta=0.7, minimum=0.1, maximum=1.0),
        stats.beta(2.3, 0.7, 0.1, 0.9).ppf,
    ),
}

any_u = st.lists(
    st.integers(0, 2**52 - 1).map(lambda k: (k + 0.5) * 2.0**-52)
    | st.sampled_from([LOWEST, HIGHEST, 0.5 - 2.0**-53, 0.5 + 2.0**-53]),
    min_size=1,
    max_size=100,
)


@pytest.mark.parametrize("name", LAWS)
def test_quantiles_are_those_of_scipy(name):
    law, expected = LAWS[name]
    u = np.r_[1e-9, 1e-4, np.linspace(0.001, 0.999, 999), 1 - 1e-4, 1 - 1e-9]
    # Rounding of the probability in the thinner half of the law, and scipy's own
    # iterations, leave 1e-10.
    np.testing.assert_allclose(law.quantile(u), expected(u), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_draws_follow_their_law(name):
    law, expected = LAWS[name]
    u = uniforms(11, name, np.arange(20_000))
    # Mapped back by scipy's quantiles, draws of the right law are uniform.
    fractions = np.linspace(0.0, 1.0, 20_001)
    back = np.interp(law.quantile(u), expected(fractions[1:-1]), fractions[1:-1])
    assert stats.kstest(back, "uniform").pvalue > LEAST_PROBABILITY


@pytest.mark.parametrize("name", LAWS)
@given(any_u)
def test_quantiles_are_finite_within_bounds_and_never_fall(name, u):
    law, _ = LAWS[name]
    values = law.quantile(np.sort([LOWEST, *u, HIGHEST]))
    low, high = law.support()
    assert np.isfinite(values).all()
    assert (values >= low).all()
    assert (values <= high).all()
    assert (np.diff(values) >= 0).all()


# Of one law in a thousand, the two halves would overlap by a rounding.
@example(-0.17, 0.08)
@example(-0.27, 0.12)
@given(st.floats(-4, -0.1), st.floats(0.1, 4))
def test_quantiles_do_not_fall_where_the_halves_of_a_law_meet(low, high):
    law = Normal(mean=0.0, sigma=1.0, minimum=low, maximum=high)
    half = (0.5 - stats.norm.cdf(low)) / (stats.norm.cdf(high) - stats.norm.cdf(low))
    steps = (np.round(half * 2**52) + np.arange(-100, 100) + 0.5) * 2.0**-52
    values = law.quantile(steps)
    assert (np.diff(values) >= 0).all()
    # A rounding of the probability, over its density in the middle, 0.4
    np.testing.assert_allclose(values, 0.0, atol=1e-13)


bound = st.floats(-1e6, 1e6)


@given(bound, bound, st.floats(0.05, 20), st.floats(0.05, 20))
def test_stretched_laws_stay_within_any_bounds(one, other, alpha, beta):
    low, high = sorted((one, other))
    if low < high:
        edges = np.array([LOWEST, 0.5, HIGHEST])
        between = {"minimum": low, "maximum": high}
        laws = Uniform(**between), Beta(alpha=alpha, beta=beta, **between)
        for law in laws:
            values = law.quantile(edges)
            assert low <= values.min()
            assert values.max() <= high


@given(st.floats(-7, 7), st.floats(0.001, 14), st.floats(0.01, 100))
def test_any_cut_normal_law_stays_within_its_bounds(start, width, sigma):
    low, high = start * sigma, (start + width) * sigma
    keys = {"mean": 0.0, "sigma": sigma, "minimum": low, "maximum": high}
    held = stats.norm.cdf(start + width) - stats.norm.cdf(start)
    if held < 0.9e-9:
        with pytest.raises(InputError, match="bounds that hold"):
            Normal(**keys)
    # Two routes to the same small difference of probabilities near 1 may disagree.
    if held < 1.1e-9:
        return
    law = Normal(**keys)
    values = law.quantile(np.array([LOWEST, 0.3, 0.5, 0.7, HIGHEST]))
    assert low <= values[0]
    assert values[-1] <= high
    assert (np.diff(values) >= 0).all()


@pytest.mark.parametrize("name", [*LAWS, "choice", "constant"])
def test_every_number_has_the_same_bits_in_an_array_of_any_size(name):
    # numpy works on vectors of 2 to 8 numbers and treats what is left over apart.
    others = {
        "choice": Choice(values=(3.0, 1.0, 2.0), weights=(1, 2, 7)),
        "constant": Constant(value=0.3),
    }
    law = others[name] if name in others else LAWS[name][0]
    u = uniforms(1, "bits", np.arange(2000))
    whole = law.quantile(u)
    for size in range(1, 101):
        for stride in (1, 3, 7, 17):
            part = slice(5, 5 + size * stride, stride)
            np.testing.assert_array_equal(law.quantile(u[part]), whole[part])
            np.testing.assert_array_equal(law.quantile(u[part].copy()), whole[part])
        np.testing.assert_array_equal(law.quantile(u[size:]), whole[size:])
        np.testing.assert_array_equal(law.quantile(u[::-1]), whole[::-1])


@pytest.mark.parametrize("size", [32_767, 32_769, 100_000])
def test_large_arrays_have_the_same_bits_as_small_ones(size):
    # Beyond 256 KB numpy reuses the memory of intermediate results.
    u = uniforms(1, "bits", np.arange(size))
    for law, _ in LAWS.values():
        pieces = [law.quantile(piece) for piece in np.array_split(u, 13)]
        np.testing.assert_array_equal(law.quantile(u), np.concatenate(pieces))


def test_a_choice_has_the_weights_that_it_was_given():
    values, weights = (5.0, 1.0, 3.0, 2.0), (0.0, 3.0, 0.0, 1.0)
    law = Choice(values=values, weights=weights)
    u = uniforms(2, "choice", np.arange(40_000))
    drawn = law.quantile(u)
    assert set(drawn) == {1.0, 2.0}
    found = [(drawn == 1.0).sum(), (drawn == 2.0).sum()]
    assert stats.chisquare(found, [30_000, 10_000]).pvalue > LEAST_PROBABILITY
    assert law.quantile(np.array([LOWEST, HIGHEST])).tolist() == [1.0, 2.0]
    assert law.support() == (1.0, 5.0)


def test_a_choice_without_weights_draws_all_equally():
    values = tuple(float(v) for v in range(7))
    drawn = Choice(values=values).quantile(uniforms(3, "c", np.arange(70_000)))
    counts = np.bincount(drawn.astype(int), minlength=7)
    assert stats.chisquare(counts).pvalue > LEAST_PROBABILITY


def test_a_constant_is_the_same_for_all():
    law = Constant(value=0.1)
    assert law.quantile(np.array([LOWEST, 0.5, HIGHEST])).tolist() == [0.1, 0.1, 0.1]
    assert law.support() == (0.1, 0.1)


@pytest.mark.parametrize(
    ("given_as", "law"),
    [
        (3, Constant(value=3.0)),
        (0.25, Constant(value=0.25)),
        ("1e-1", Constant(value=0.1)),  # YAML's reading of 1e-1 without a point
        (
            {"distribution": "uniform", "minimum": 0, "maximum": 1},
            Uniform(minimum=0.0, maximum=1.0),
        ),
        (
            {"distribution": "choice", "values": [1, 2]},
            Choice(values=(1.0, 2.0)),
        ),
    ],
)
def test_a_distribution_is_a_number_or_names_its_law(given_as, law):
    assert TypeAdapter(Distribution).validate_python(given_as) == law


@pytest.mark.parametrize("wrong", ["many", "nan", True, None, [1], {}, float("inf")])
def test_what_is_no_distribution_is_refused(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(Distribution).validate_python(wrong)


@pytest.mark.parametrize(
    ("law", "wrong", "expected"),
    [
        (Uniform, {"minimum": 1, "maximum": 1}, "less than the maximum, 1"),
        (Normal, {"mean": 0, "sigma": 0}, "greater than 0"),
        (Lognormal, {"median": 0, "sigma": 1}, "greater than 0"),
        (
            Normal,
            {"mean": 0, "sigma": 1, "minimum": 2, "maximum": 1},
            "less than the maximum, 1",
        ),
        (
            Lognormal,
            {"median": 1, "sigma": 1, "maximum": 0},
            "bounds that hold more than 1e-9",
        ),
        (Beta, {"alpha": 1, "beta": 1, "minimum": 2}, "less than the maximum, 1"),
        (Choice, {"values": []}, "at least 1 of them"),
        (Choice, {"values": [1], "weights": [0]}, "1 weights, not all zero"),
        (Choice, {"values": [1, 2], "weights": [1]}, "2 weights, not all zero"),
        (Choice, {"values": [1], "weights": [-1]}, "greater than or equal to 0"),
    ],
)
def test_laws_without_meaning_are_refused(law, wrong, expected):
    with pytest.raises(InputError, match=expected):
        law(**wrong)


# Whole numbers.


@given(any_u, st.integers(1, 2**52))
def test_picked_numbers_are_below_their_count(u, count):
    chosen = pick(np.array(u), count)
    assert chosen.dtype == np.int64
    assert (chosen >= 0).all()
    assert (chosen < count).all()
    # Exact arithmetic may differ where the product is rounded up to a whole number.
    exact = [int(k * 2**53) * count >> 53 for k in u]
    assert (np.abs(chosen - exact) <= 1).all()


@given(st.integers(1, 2**52))
def test_the_extremes_pick_the_first_and_the_last(count):
    assert pick(np.array([LOWEST, HIGHEST]), count).tolist() == [0, count - 1]


@given(any_u)
def test_counts_may_differ_from_galaxy_to_galaxy(u):
    counts = np.arange(1, len(u) + 1)
    together = pick(np.array(u), counts)
    one_by_one = [
        int(pick(np.array([k]), n)[0]) for k, n in zip(u, counts, strict=True)
    ]
    assert together.tolist() == one_by_one


@pytest.mark.parametrize("count", [2, 7, 39, 1872])
def test_all_whole_numbers_are_picked_equally_often(count):
    chosen = pick(uniforms(9, "pick", np.arange(50 * count)), count)
    counts = np.bincount(chosen, minlength=count)
    assert counts.size == count
    assert stats.chisquare(counts).pvalue > LEAST_PROBABILITY
