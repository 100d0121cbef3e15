"""Splits: no group in two, the same whoever else is there, the right fractions."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import argdask as ad
from argdask.splits import DEFAULT_SPLITS, is_in_split, split_of

GROUPS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=30)


@given(GROUPS, GROUPS, st.integers(0, 2**64 - 1))
def test_a_split_follows_from_the_group_alone(
    groups: list[int], others: list[int], seed: int
) -> None:
    known = split_of(groups, seed=seed).tolist()
    assert split_of([*others, *groups], seed=seed).tolist()[len(others) :] == known
    assert split_of(groups[::-1], seed=seed).tolist() == known[::-1]
    by_group = dict(zip(groups, known, strict=True))
    assert [by_group[group] for group in groups] == known


@pytest.mark.parametrize(
    "splits", [None, {"a": 0.5, "b": 0.5}, {"all": 1.0}, {"none": 0.0, "rest": 1.0}]
)
def test_fractions_are_as_asked(splits: dict[str, float] | None) -> None:
    count = 100_000
    found = split_of(np.arange(count), splits)
    for name, fraction in (splits or DEFAULT_SPLITS).items():
        # Six standard deviations of a binomial fraction.
        error = 6 * np.sqrt(fraction * (1 - fraction) / count)
        assert np.mean(found == name) == pytest.approx(fraction, abs=error)


def test_each_split_has_what_the_names_say() -> None:
    groups = np.arange(1000)
    names = split_of(groups, seed=3)
    for name in DEFAULT_SPLITS:
        among = is_in_split(groups, name, DEFAULT_SPLITS, 3)
        assert np.array_equal(among, names == name)


def test_another_seed_divides_otherwise() -> None:
    one, two = (split_of(np.arange(1000), seed=seed) for seed in (0, 1))
    # Independent labels agree with probability 0.66; ten standard deviations.
    assert np.mean(one == two) == pytest.approx(0.66, abs=10 * 0.015)


def test_a_dataset_is_divided_by_its_groups(seds: xr.DataArray) -> None:
    pairs = ad.simulate(ad.Recipe(galaxies=40), seds, variables=())
    found = split_of(pairs)
    assert found.dims == ("galaxy",)
    assert np.array_equal(found, split_of(pairs["galaxy_id"].values))
    assert "z_in" in found.coords
    grouped = pairs.assign_coords(group=("galaxy", np.arange(40) // 8))
    names = split_of(grouped, {"a": 0.5, "b": 0.5}).values.reshape(5, 8)
    assert all(len({*some}) == 1 for some in names)
    assert len({*names.ravel()}) == 2


@pytest.mark.parametrize(
    "splits",
    [{"a": 0.5}, {"a": 1.5, "b": -0.5}, {}, {"a": "x"}, ["train"], {"a": float("nan")}],
)
def test_wrong_fractions_are_refused(splits: object) -> None:
    with pytest.raises(ad.InputError, match=r"^splits: .*add up to 1"):
        split_of([1], splits)  # type: ignore[arg-type]


def test_groups_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ad.InputError, match=r"^groups: .*whole numbers"):
        split_of([0.5])
