"""Redshifts beside what is known: every possible one, as often as the law says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from argdask.recipe import Redshifts
from argdask.redshift_pairs import pair_law
from argdask.redshift_rows import Given, RowLaw, snapped
from argdask.template_lists import TemplateLists

GRID = np.array([0.5, 1.0, 1.5, 2.0, 2.5])
MASKED = np.random.default_rng(1).random((2, 5, 6)) < 0.4
MASKED[:, :, 5] = False
COUNT = 20_000
LEAST_PROBABILITY = 1e-4


def drawn(given: dict[str, float], **choices: Any) -> Any:
    templates = TemplateLists(GRID, ~MASKED[0], ~MASKED[1])
    redshifts = Redshifts(**choices)
    law = RowLaw(redshifts, GRID, templates, pair_law(redshifts, GRID, templates))
    known = {
        name: np.full(COUNT, given[name]) if name in given else None
        for name in ("z_in", "z_out", "template")
    }
    u = np.random.default_rng(2).uniform(size=(2, COUNT))
    return np.stack(law.draw(Given(**known), *u), axis=1)


def possible(given: dict[str, float], separation: float) -> list[tuple[float, float]]:
    """All pairs that the law may draw, found without argdask."""
    usable = ~MASKED
    several = [int(given["template"])] if "template" in given else range(6)
    return [
        (a, b)
        for i, a in enumerate(GRID)
        for j, b in enumerate(GRID)
        if b > a and b - a >= separation
        if given.get("z_in", a) == a and given.get("z_out", b) == b
        if any(usable[0, i, m] and usable[1, j, m] for m in several)
    ]


@pytest.mark.parametrize("law", ["conditional", "uniform"])
@pytest.mark.parametrize("separation", [0.0, 0.9])
@pytest.mark.parametrize(
    "given",
    [
        {"z_in": 0.5},
        {"z_in": 1.0},
        {"z_out": 2.0},
        {"z_out": 2.5},
        {"template": 5},
        *[{"template": k} for k in range(5)],
        {"z_in": 0.5, "template": 5},
        {"z_out": 2.5, "template": 5},
    ],
)
def test_beside_what_is_known_all_that_is_possible_is_drawn(given, separation, law):
    pairs = drawn(given, law=law, min_separation=separation)
    expected = possible(given, separation)
    if not expected:
        assert np.isnan(pairs).any(axis=1).all()
        return
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    assert found.tolist() == [list(pair) for pair in expected]
    weight = np.ones(len(expected))
    if law == "conditional" and len(given) == 1 and "template" in given:
        starts = [a for a, _ in expected]
        weight = 1 / np.array([starts.count(a) for a in starts])
    if len(expected) > 1:
        frequencies = COUNT * weight / weight.sum()
        assert stats.chisquare(counts, frequencies).pvalue > LEAST_PROBABILITY


def test_a_redshift_between_those_of_the_grid_can_be_known():
    pairs = drawn({"z_in": 1.2}, min_separation=0.5)
    usable_in = ~(MASKED[0, 1] | MASKED[0, 2])
    expected = [z for z, out in zip(GRID, ~MASKED[1], strict=True) if z >= 1.7]
    expected = [z for z in expected if (usable_in & ~MASKED[1, z == GRID][0]).any()]
    assert np.unique(pairs[:, 1]).tolist() == expected


@pytest.mark.parametrize(
    ("given", "low", "high"),
    [({"z_in": 0.8}, 0.9, 2.5), ({"z_out": 1.6}, 0.5, 1.5)],
)
def test_between_redshifts_the_other_is_uniform(given, low, high):
    choices = {"values": "continuous", "min_separation": 0.1}
    every = TemplateLists(GRID, np.ones((5, 1), bool), np.ones((5, 1), bool))
    redshifts = Redshifts(**choices)
    law = RowLaw(redshifts, GRID, every, pair_law(redshifts, GRID, every))
    known = {name: np.full(COUNT, value) for name, value in given.items()}
    u = np.random.default_rng(2).uniform(size=(2, COUNT))
    z_in, z_out = law.draw(
        Given(**{"z_in": None, "z_out": None, **known}, template=None), *u
    )
    free = z_out if "z_in" in given else z_in
    found = stats.kstest((free - low) / (high - low), stats.uniform.cdf)
    assert found.pvalue > LEAST_PROBABILITY
    # Where there is no room, there is nothing to draw.
    edge = {"z_in": np.array([2.45]), "z_out": np.array([0.55])}
    for name in given:
        other = {"z_in": None, "z_out": None, name: edge[name]}
        pair = law.draw(Given(**other, template=None), u[0, :1], u[1, :1])
        assert np.isnan(pair).any()


def test_redshifts_near_points_of_the_grid_are_those_points():
    near = np.array([0.5 - 9e-10, 1.0 + 9e-10, 1.0 + 3e-9, 1.3, 2.5 + 9e-10])
    expected = [0.5, 1.0, 1.0 + 3e-9, 1.3, 2.5]
    assert snapped(GRID, near).tolist() == expected
