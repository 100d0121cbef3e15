"""Templates of pairs of redshifts: which there are, and the draws of them."""

from __future__ import annotations

import numpy as np

from argdask.template_lists import Reach, TemplateLists, cells_of

GRID = np.array([0.5, 1.0, 1.5, 2.0, 2.5])


def test_cells_tell_points_of_the_grid_from_what_is_between():
    at = np.array([0.5, 0.6, 1.0, 1.49, 2.0, 2.49, 2.5])
    assert cells_of(GRID, at).tolist() == [0, 1, 2, 3, 6, 7, 8]


def test_templates_are_the_same_in_any_batch():
    rng = np.random.default_rng(4)
    usable = rng.random((2, 5, 20)) < 0.7
    z = rng.choice([*GRID, 0.7, 1.2, 1.7, 2.2], (2, 1000))
    u = rng.uniform(size=1000)
    together = TemplateLists(GRID, *usable).draw(*z, u)
    lists = TemplateLists(GRID, *usable)
    alone = [lists.draw(*z[:, k : k + 1], u[k : k + 1])[0] for k in range(1000)]
    np.testing.assert_array_equal(together, alone)


def test_a_template_is_drawn_where_it_is_usable_at_both_ends_of_both_cells():
    rng = np.random.default_rng(4)
    usable = rng.random((2, 5, 3)) < 0.6
    lists = TemplateLists(GRID, *usable)
    z = rng.choice([*GRID, 0.7, 1.2, 1.7, 2.2], (2, 300))
    drawn = lists.draw(*z, rng.uniform(size=300))
    every = lists.usable(z[0][:, None], z[1][:, None], np.arange(3))
    assert {True, False} == set(every.any(axis=1))
    for k, (z_in, z_out) in enumerate(z.T):
        ends = [
            usable[side, [(one >= GRID).sum() - 1, (one > GRID).sum()]].all(axis=0)
            for side, one in enumerate((z_in, z_out))
        ]
        expected = ends[0] & ends[1]
        assert every[k].tolist() == expected.tolist()
        assert expected[drawn[k]] if expected.any() else drawn[k] == -1
    np.testing.assert_array_equal(lists.possible(*z), every.any(axis=1))
    between = Reach(GRID[:-1], GRID[1:], 2 * np.arange(4) + 1)
    middle = (GRID[:-1] + GRID[1:]) / 2
    np.testing.assert_array_equal(
        lists.throughout(between, between, 0.0),
        lists.possible(middle[:, None], middle),
    )


def test_some_of_the_templates_are_a_list_of_their_own():
    every = np.ones((5, 4), bool)
    some = TemplateLists(GRID, every, every).among(np.array([0, 1, 0, 1], bool))
    u = np.linspace(0.01, 0.99, 50)
    drawn = some.draw(np.full(50, 0.5), np.full(50, 1.2), u)
    assert drawn.tolist() == [1] * 25 + [3] * 25
    assert some.count == 4
