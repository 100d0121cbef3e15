"""Pairs of redshifts: their laws, on the points of a grid and between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from argdask.errors import InputError
from argdask.recipe import Redshifts
from argdask.redshift_pairs import on_grid, pair_law
from argdask.template_lists import TemplateLists

GRID = np.array([0.5, 1.0, 1.5, 2.0, 2.5])
EVERY = TemplateLists(GRID, np.ones((5, 3), bool), np.ones((5, 3), bool))
LOW, HIGH = 0.5, 2.5

# A right law fails one of these tests once in 10,000 tries; their seeds are fixed.
LEAST_PROBABILITY = 1e-4


def drawn(count: int = 20_000, **choices: Any) -> tuple[Any, Any]:
    law = pair_law(Redshifts(values="continuous", **choices), GRID, EVERY)
    return law.draw(*np.random.default_rng(3).uniform(size=(2, count)))


def follows(values: Any, low: Any, high: Any) -> bool:
    """Whether values are uniform between bounds."""
    share = (values - low) / (np.asarray(high) - low)
    return bool(stats.kstest(share, stats.uniform.cdf).pvalue > LEAST_PROBABILITY)


@pytest.mark.parametrize("separation", [0.0, 0.8])
def test_conditional_pairs_are_uniform_one_after_the_other(separation):
    z_in, z_out = drawn(min_separation=separation)
    assert follows(z_in, LOW, HIGH - separation)
    assert follows(z_out, z_in + separation, HIGH)


@pytest.mark.parametrize("separation", [0.0, 0.8])
def test_uniform_pairs_fill_their_triangle_evenly(separation):
    z_in, z_out = drawn(law="uniform", min_separation=separation)
    width = HIGH - LOW - separation
    # z_in and the distance of z_out from the top are alike: halves of one triangle.
    for side in (z_in - LOW, HIGH - z_out):
        fraction = 1 - (1 - side / width) ** 2
        assert follows(fraction, 0, 1)
    assert follows(z_out, z_in + separation, HIGH)
    assert (z_out - z_in >= separation - 1e-12).all()


@pytest.mark.parametrize("law", ["conditional", "uniform"])
def test_beside_a_fixed_redshift_the_other_is_uniform(law):
    z_in, z_out = drawn(law=law, z_in=0.77, min_separation=0.1)
    assert set(z_in) == {0.77}
    assert follows(z_out, 0.87, HIGH)
    z_in, z_out = drawn(law=law, z_out=1.9, min_separation=0.1)
    assert set(z_out) == {1.9}
    assert follows(z_in, LOW, 1.8)


numbers = st.sampled_from([2.0**-53, 2.0**-52, 0.5, 1 - 2.0**-52, 1 - 2.0**-53])


@given(
    numbers,
    numbers,
    st.sampled_from(["conditional", "uniform"]),
    st.sampled_from([(None, None), (0.5, None), (2.4999, None), (None, 2.5)]),
    st.sampled_from([0.0, 1e-300, 5e-5]),
)
def test_z_out_is_above_z_in_and_both_within_the_grid(u_in, u_out, law, fixed, least):
    choices = {"law": law, "z_in": fixed[0], "z_out": fixed[1], "values": "continuous"}
    rule = pair_law(Redshifts(**choices, min_separation=least), GRID, EVERY)
    z_in, z_out = rule.draw(np.array([u_in]), np.array([u_out]))
    assert LOW <= z_in[0] < z_out[0] <= HIGH
    assert z_out[0] - z_in[0] >= least - 1e-12


def test_a_redshift_near_a_point_of_the_grid_is_that_point():
    assert on_grid("z", GRID, 1.0 + 9e-10) == 1.0
    assert on_grid("z", GRID, 2.5 + 9e-10) == 2.5
    assert on_grid("z", GRID, 1.0 + 2e-9) == 1.0 + 2e-9
    for outside in (0.4, 2.6, 2.5 + 2e-9):
        with pytest.raises(InputError, match=r"expected 0\.5 to 2\.5, the redshifts"):
            on_grid("z", GRID, outside)
