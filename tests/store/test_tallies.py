"""Tallies of parts: read back as they were, exact in any order, few histograms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask.simulation import Simulation
from argdask.store.plan import Plan, plan_of
from argdask.store.tallies import Tallies, Tally, has_histogram, softening_of

VARIABLES, FILTERS = 2, 9


@pytest.fixture(scope="module")
def plan(seds: xr.DataArray) -> Plan:
    recipe = ad.Recipe(galaxies=2000, image_shape=4, layout={"part": 8, "chunk": 4})
    return plan_of(Simulation(recipe, seds, 2.0))


def with_galaxies(plan: Plan, galaxies: int) -> Plan:
    recipe = plan.recipe.model_copy(update={"galaxies": galaxies})
    return dataclasses.replace(plan, recipe=recipe)


def tally_of(index: int, *, histogram: bool = True) -> Tally:
    tally = Tally.empty(VARIABLES, FILTERS, histogram=histogram)
    random = np.random.default_rng(index)
    for variable in range(VARIABLES):
        images = random.lognormal(0, 3, (8, 16, 4, FILTERS)).astype(np.float32)
        images[0, 0, 0, 0] = np.nan
        tally.add(variable, images, 8 * index, 1e-2)
    return tally


@pytest.mark.parametrize("histogram", [False, True])
def test_a_tally_is_read_back_from_its_text(histogram: bool) -> None:
    tally = tally_of(3, histogram=histogram)
    found = Tally.from_text(tally.to_text(), VARIABLES, FILTERS)
    for field in dataclasses.fields(Tally):
        one, other = getattr(tally, field.name), getattr(found, field.name)
        np.testing.assert_array_equal(one, other)


def test_a_tally_without_histogram_takes_less_than_800_characters() -> None:
    assert len(tally_of(1, histogram=False).to_text()) < 800


@pytest.mark.parametrize("text", ["", "no tally", "abcde" * 40])
def test_what_is_no_tally_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 # of base64, zlib or numpy
        Tally.from_text(text, VARIABLES, FILTERS)


def test_a_torn_tally_is_refused() -> None:
    text = tally_of(1).to_text()
    with pytest.raises(ValueError):  # noqa: PT011 # as above
        Tally.from_text(text[: len(text) // 2], VARIABLES, FILTERS)


def test_any_order_gives_the_same_bytes(plan: Plan) -> None:
    small = with_galaxies(plan, 8 * 20 - 3)
    parts = [(index, tally_of(index)) for index in range(20)]
    files = set()
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(20)
        tallies = Tallies(VARIABLES, FILTERS)
        tallies.add(small, (parts[k] for k in order))
        files.add(tallies.to_bytes())
        assert Tallies.from_bytes(tallies.to_bytes()) == tallies
    assert len(files) == 1


@pytest.mark.parametrize("galaxies", [1, 8 * 64, 8 * 64 + 1, 8 * 65 + 3, 8 * 10**5])
def test_at_most_64_histograms_are_kept_and_evenly(plan: Plan, galaxies: int) -> None:
    larger = with_galaxies(plan, galaxies)
    chosen = [k for k in range(larger.parts) if has_histogram(larger, k)]
    assert min(larger.parts, 32) <= len(chosen) <= 64
    assert len(set(np.diff(chosen))) <= 1
    # Those of any larger set are among those of this one.
    for factor in (1.1, 2, 3.7, 64):
        more = with_galaxies(plan, int(galaxies * factor))
        kept = {k for k in range(larger.parts) if has_histogram(more, k)}
        assert kept <= set(chosen)


@pytest.mark.parametrize(("first", "then"), [(100, 101), (520, 1300), (512, 513)])
def test_an_extension_gives_what_all_at_once_gives(
    plan: Plan, first: int, then: int
) -> None:
    def folded(tallies: Tallies, galaxies: int, start: int) -> Tallies:
        larger = with_galaxies(plan, galaxies)
        numbers = range(start // 8, larger.parts)
        made = ((k, tally_of(k, histogram=has_histogram(larger, k))) for k in numbers)
        tallies.add(larger, made)
        return tallies

    nothing = Tallies(VARIABLES, FILTERS)
    before = folded(nothing, first, 0)
    kept = Tallies.from_bytes(before.to_bytes()).kept(with_galaxies(plan, then))
    extended = folded(kept, then, first)
    assert extended.to_bytes() == folded(Tallies(2, 9), then, 0).to_bytes()


def test_the_softening_follows_from_the_scale(plan: Plan) -> None:
    assert softening_of(plan) == pytest.approx(2e-3, rel=1e-15)


def test_a_sum_of_any_size_is_exact() -> None:
    tally = Tally.empty(1, 1, histogram=False)
    tally.extremes[:] = 1.0
    tally.sums[0, :, 0] = 0, 2**31, 2**45, 2**62
    tallies = Tallies(1, 1)
    parts = ad.Recipe(galaxies=32, layout={"part": 8, "chunk": 8})
    plan = Plan(parts, scale=1.0, seds="", part=8, chunk=8, block=64)
    tallies.add(plan, ((0, tally) for _ in range(32)))
    # mean 2**14 steps are 1; squares 2**31 steps, less its own, are 8 - 1.
    found = tallies.results(np.array([0.5]))
    assert found["mean"] == 1
    assert found["standard_deviation"] == np.sqrt(7)
    assert np.isnan(found["asinh_percentile"]).all()
