"""Tracks of templates: their order, the ages of progenitors and the draws of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from argdask.tracks import (
    draw_evolving,
    find_evolving,
    find_progenitors,
    spans_of,
    tracks_of,
)

# Two tracks in disorder: 0, 2, 4 of ages 3, 1, 2 and 1, 3 of ages 5, 4.
TRACKS = tracks_of(np.array([0, 1, 0, 1, 0]), np.array([3.0, 5.0, 1.0, 4.0, 2.0]))


def test_templates_are_in_the_order_of_track_and_age():
    assert TRACKS.template.tolist() == [2, 4, 0, 3, 1]
    assert TRACKS.age.tolist() == [1, 2, 3, 4, 5]
    assert TRACKS.first.tolist() == [0, 0, 0, 3, 3]
    assert TRACKS.place.tolist() == [2, 4, 0, 3, 1]


def test_progenitors_are_between_two_templates_of_the_track():
    template = np.array([0, 0, 0, 0, 0, 2, 1, 1, 1])
    age = np.array([3.0, 2.5, 2.0, 1.0, 0.9, 1.0, 4.0, 5.0, 5.1])
    ends = np.empty((2, 9), np.int64)
    share = np.empty(9)
    find_progenitors(TRACKS, template, age, (ends[0], ends[1]), share)
    assert ends[0].tolist() == [0, 4, 4, 2, -1, 2, 3, 1, -1]
    assert ends[1].tolist() == [0, 0, 4, 2, -1, 2, 3, 1, -1]
    between = np.log(2.5 / 2) / np.log(3 / 2)
    np.testing.assert_allclose(share, [0, between, *[0] * 7], rtol=1e-15)


def test_spans_are_the_unbroken_pieces_up_to_each_age():
    every = np.ones(5, bool)
    spans = spans_of(TRACKS, np.array([every, every & (np.arange(5) != 4), ~every]))
    rows = np.c_[spans.template, spans.age, spans.youngest, spans.oldest]
    assert spans.starts.tolist() == [0, 5, 11, 11]
    assert sorted(map(tuple, rows[:5].tolist())) == [
        *[(0, 3, 1, 3), (1, 5, 4, 5), (2, 1, 1, 1), (3, 4, 4, 4), (4, 2, 1, 2)]
    ]
    # Without template 4 its track is in two pieces, of one age each.
    assert sorted(map(tuple, rows[5:].tolist())) == [
        *[(0, 3, 1, 1), (0, 3, 3, 3), (1, 5, 4, 5), (2, 1, 1, 1), (3, 4, 4, 4)],
        (4, 2, 1, 1),
    ]


@given(st.integers(0, 10_000))
def test_templates_are_drawn_whose_progenitors_are_between_valid_ones(seed):
    rng = np.random.default_rng(seed)
    count, galaxies = int(rng.integers(1, 12)), 40
    track = rng.integers(0, 3, count)
    age = rng.permutation(count) + 1.0
    valid = rng.random((3, count)) < 0.7
    usable = rng.random((2, count)) < 0.8
    tracks = tracks_of(track, age)
    spans = spans_of(tracks, valid)
    cells = rng.integers(0, 2, galaxies), rng.integers(0, 3, galaxies)
    elapsed = rng.choice([0.0, 0.5, 1.0, 2.25, 4.0], galaxies)
    u = rng.uniform(size=galaxies)
    possible, drawn = np.empty(galaxies, bool), np.empty(galaxies, np.int64)
    find_evolving(spans, usable, cells, elapsed, possible)
    draw_evolving(spans, usable, cells, elapsed, rng.permutation(galaxies), u, drawn)
    again = np.empty(galaxies, np.int64)
    draw_evolving(spans, usable, cells, elapsed, np.lexsort(cells), u, again)
    np.testing.assert_array_equal(again, drawn)
    for g in range(galaxies):
        ends = np.empty((2, count), np.int64)
        past = age - elapsed[g]
        all_of_them = np.arange(count)
        find_progenitors(tracks, all_of_them, past, (ends[0], ends[1]), np.empty(count))
        fitting = (ends >= 0).all(axis=0) & valid[cells[1][g]][ends].all(axis=0)
        fitting &= usable[cells[0][g]]
        assert possible[g] == fitting.any()
        assert fitting[drawn[g]] if fitting.any() else drawn[g] == -1
