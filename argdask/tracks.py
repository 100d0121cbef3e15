"""Tracks of templates in age, and the draws of those that have a progenitor on theirs.

A track is one history of star formation at several ages. What a template was some time
ago is its progenitor: the same track at a younger age, between two templates of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from argdask.caching import compiled

__all__ = [
    "Spans",
    "Tracks",
    "draw_evolving",
    "find_evolving",
    "find_progenitors",
    "spans_of",
    "tracks_of",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Masks = NDArray[np.bool_]


class Tracks(NamedTuple):
    """Templates one track after the other, each from its youngest to its oldest."""

    template: Integers
    """Their numbers in the grid (place,)."""
    age: Floats
    """Their ages [yr] (place,)."""
    first: Integers
    """Place of the youngest of the same track (place,)."""
    place: Integers
    """Place of each template of the grid (template,)."""


class Spans(NamedTuple):
    """The ages that progenitors can have, for several masks one after the other.

    A template has one for each unbroken piece of its track, up to its own age.
    """

    starts: Integers
    """Where those of each mask begin, and the last ends (mask + 1,)."""
    template: Integers
    """Numbers of the templates (span,)."""
    age: Floats
    """Their ages [yr] (span,)."""
    youngest: Floats
    """The least that a progenitor's age can be [yr] (span,)."""
    oldest: Floats
    """The most that it can be [yr] (span,)."""


def tracks_of(track: Integers, age: Floats) -> Tracks:
    """Bring templates into the order of their tracks.

    Parameters
    ----------
    track
        Number of each template's track (template,).
    age
        Age of each template [yr] (template,), each once in a track.

    Returns
    -------
    Tracks
        The templates in this order.
    """
    template = np.lexsort((age, track)).astype(np.int64)
    ordered = track[template]
    first = np.searchsorted(ordered, ordered).astype(np.int64)
    return Tracks(template, age[template], first, np.argsort(template))


def spans_of(tracks: Tracks, masks: Masks) -> Spans:
    """Return the ages that progenitors can have where some templates are not valid.

    Parameters
    ----------
    tracks
        The tracks.
    masks
        Which templates are valid (mask, template).

    Returns
    -------
    Spans
        From one valid template to the last one before the next that is not.
    """
    starts, parts = [0], []
    for mask in masks:
        valid = mask[tracks.template]
        # A piece begins where the one before is not valid, or of another track.
        leads = np.arange(valid.size) == tracks.first
        begins = valid & (leads | ~np.roll(valid, 1))
        ends = valid & (np.roll(leads, -1) | ~np.roll(valid, -1))
        low, high = np.flatnonzero(begins), np.flatnonzero(ends)
        # All of a track from the piece on can have a progenitor in it.
        stop = np.searchsorted(tracks.first, tracks.first[low], side="right")
        counts = stop - low
        piece = np.repeat(np.arange(low.size), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        place = low[piece] + within
        parts.append((place, low[piece], high[piece]))
        starts.append(starts[-1] + place.size)
    place, low, high = (np.concatenate(one) for one in zip(*parts, strict=True))
    age = tracks.age
    return Spans(
        np.array(starts, np.int64),
        tracks.template[place],
        age[place],
        age[low],
        np.minimum(age[high], age[place]),
    )


@compiled
def find_progenitors(
    tracks: Tracks,
    template: Integers,
    age: Floats,
    ends: tuple[Integers, Integers],
    share: Floats,
) -> None:
    """Find the two templates between which progenitors are.

    Parameters
    ----------
    tracks
        The tracks.
    template
        Numbers of the templates that they become (galaxy,).
    age
        Ages of the progenitors [yr] (galaxy,).
    ends
        Filled with the numbers of the younger and of the older one (galaxy,); twice
        the same on its age, and -1 where the track has no such age up to the template.
    share
        Filled with how much of the older one is in it, linear in ln(age) (galaxy,).
    """
    younger, older = ends
    for g in range(template.size):
        high = tracks.place[template[g]]
        low = tracks.first[high]
        wanted = age[g]
        younger[g], older[g], share[g] = -1, -1, 0.0
        if not (tracks.age[low] <= wanted <= tracks.age[high]):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if tracks.age[middle] <= wanted:
                low = middle
            else:
                high = middle
        if wanted == tracks.age[high]:
            low = high
        younger[g] = older[g] = tracks.template[low]
        if wanted > tracks.age[low]:
            older[g] = tracks.template[high]
            span = math.log(tracks.age[high] / tracks.age[low])
            share[g] = math.log(wanted / tracks.age[low]) / span


@compiled
def find_evolving(
    spans: Spans,
    usable: Masks,
    cells: tuple[Integers, Integers],
    elapsed: Floats,
    found: Masks,
) -> None:
    """Find out for which pairs of redshifts any template has a progenitor.

    Parameters
    ----------
    spans
        Ages that progenitors can have.
    usable
        Which templates can be drawn at z_in (cell, template).
    cells
        Cell of z_in, and number of the mask at z_out (pair,).
    elapsed
        Time between the two [yr] (pair,).
    found
        Filled with the answers (pair,).
    """
    cell, mask = cells
    for p in range(found.size):
        found[p] = False
        for i in range(spans.starts[mask[p]], spans.starts[mask[p] + 1]):
            age = spans.age[i] - elapsed[p]
            fits = spans.youngest[i] <= age <= spans.oldest[i]
            if fits and usable[cell[p], spans.template[i]]:
                found[p] = True
                break


@compiled
def draw_evolving(
    spans: Spans,
    usable: Masks,
    cells: tuple[Integers, Integers],
    elapsed: Floats,
    order: Integers,
    u: Floats,
    drawn: Integers,
) -> None:
    """Draw templates that have a progenitor, all equally likely.

    Parameters
    ----------
    spans, usable, cells, elapsed
        As for `find_evolving`, with one pair for each galaxy.
    order
        Galaxies in any order (galaxy,); it is fast where equal cells, masks and times
        come together.
    u
        Numbers strictly between 0 and 1 (galaxy,).
    drawn
        Filled with the numbers of the templates (galaxy,); -1 where there is none.
    """
    cell, mask = cells
    most = np.diff(spans.starts).max()
    template, fitting = np.empty(most, np.int64), np.empty(most, np.int64)
    age, youngest, oldest = np.empty(most), np.empty(most), np.empty(most)
    own = count = int(np.int64(0))
    for rank in range(order.size):
        g, before = order[rank], order[max(rank - 1, 0)]
        other = rank == 0 or cell[g] != cell[before] or mask[g] != mask[before]
        if other:
            own = 0
            for i in range(spans.starts[mask[g]], spans.starts[mask[g] + 1]):
                template[own] = spans.template[i]
                age[own] = spans.age[i]
                youngest[own], oldest[own] = spans.youngest[i], spans.oldest[i]
                own += usable[cell[g], spans.template[i]]
        if other or elapsed[g] != elapsed[before]:
            count = 0
            for i in range(own):
                past = age[i] - elapsed[g]
                # Written in any case: without a branch it is several times as fast.
                fitting[count] = template[i]
                count += (youngest[i] <= past) & (past <= oldest[i])
        drawn[g] = fitting[int(u[g] * count)] if count else -1
