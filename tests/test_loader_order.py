"""Which galaxies are in which batch: each once, whoever shares them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask.loader_choices import LoaderChoices
from argdask.loader_order import Order, Share
from argdask.splits import is_in_split

UNITS = [(0, 7), (7, 14), (14, 20), (20, 20 + 31), (60, 61)]
ALONE = Share()
ROWS = [row for start, stop in UNITS for row in range(start, stop)]


def groups(start: int, stop: int, epoch: int) -> Any:
    """Four galaxies of a group."""
    return np.arange(start, stop) // 4


def order_of(**choices: Any) -> Order:
    return Order(UNITS, groups, LoaderChoices(**choices))


def batches_of(
    order: Order, epoch: int = 0, share: Share = ALONE, first: int = 0
) -> list[list[int]]:
    """Cut portions into batches, as the stream does."""
    found: list[list[int]] = []
    rows: list[int] = []
    for portion in order.portions(epoch, share, first):
        start = 0
        for size, end in zip(portion.sizes, portion.ends, strict=True):
            rows += portion.rows[start : start + size].tolist()
            start += size
            if end:
                found.append(rows)
                rows = []
        assert start == portion.rows.size
    return [*found, rows] if rows else found


CHOICES = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, 60),
        "shuffle": st.booleans(),
        "buffer": st.integers(1, 80),
        "seed": st.integers(0, 2**64 - 1),
        "drop_last": st.booleans(),
        "split": st.sampled_from([None, "train", "validation"]),
        "splits": st.just({"train": 0.7, "validation": 0.3}),
    }
)


def expected_rows(choices: dict[str, Any]) -> list[int]:
    if choices["split"] is None:
        return ROWS
    told = choices["split"], choices["splits"], 0
    among = is_in_split(np.array(ROWS) // 4, *told)
    return [row for row, one in zip(ROWS, among, strict=True) if one]


@given(CHOICES, st.integers(0, 5))
def test_each_galaxy_of_the_split_comes_once(
    choices: dict[str, Any], epoch: int
) -> None:
    expected = expected_rows(choices)
    order = order_of(**choices)
    batches = batches_of(order, epoch)
    size = choices["batch_size"]
    assert order.galaxies(epoch) == len(expected)
    assert len(batches) == order.batches(epoch, 0, 1)
    flat = list(itertools.chain(*batches))
    if choices["drop_last"]:
        assert {len(batch) for batch in batches} <= {size}
        assert len(flat) == len(expected) // size * size
        assert {*flat} <= {*expected}
        assert len({*flat}) == len(flat)
    else:
        assert all(len(batch) == size for batch in batches[:-1])
        assert sorted(flat) == expected
    if not choices["shuffle"]:
        assert flat == expected[: len(flat)]


@given(
    CHOICES, st.integers(1, 4), st.integers(1, 4), st.integers(0, 6), st.integers(0, 3)
)
def test_ranks_and_workers_divide_the_same_batches(
    choices: dict[str, Any], ranks: int, workers: int, first: int, epoch: int
) -> None:
    order = order_of(**choices)
    alone = batches_of(order, epoch)
    together = []
    for rank in range(ranks):
        each = [
            batches_of(order, epoch, Share(rank, ranks, worker, workers), first)
            for worker in range(workers)
        ]
        # The workers take turns, as those of a DataLoader do.
        turns = list(itertools.chain(*itertools.zip_longest(*each)))
        own = [batch for batch in turns if batch is not None]
        assert turns[: len(own)] == own
        assert own == alone[rank::ranks][first : order.batches(epoch, rank, ranks)]
        together += own
    if choices["drop_last"]:
        numbers = [order.batches(epoch, rank, ranks) for rank in range(ranks)]
        assert len({*numbers}) == 1
    elif first == 0:
        assert sorted(together) == sorted(alone)


@pytest.mark.parametrize("change", ["seed", "epoch"])
def test_another_seed_or_epoch_is_another_order(change: str) -> None:
    one = batches_of(order_of(seed=1), 0)
    two = batches_of(order_of(seed=2 if change == "seed" else 1), change == "epoch")
    assert one != two


def test_what_is_shuffled_together_comes_from_units_that_follow_each_other() -> None:
    portions = list(order_of(buffer=10).portions(0, ALONE, 0))
    for portion in portions[:-1]:
        assert portion.rows.size >= 10
    of_unit = {row: n for n, unit in enumerate(UNITS) for row in range(*unit)}
    seen = [{of_unit[row] for row in portion.rows.tolist()} for portion in portions]
    # Each unit is in one portion, so that it is read once.
    assert sorted(itertools.chain(*seen)) == list(range(len(UNITS)))


def test_an_epoch_of_fresh_galaxies_has_splits_of_its_own() -> None:
    def fresh(start: int, stop: int, epoch: int) -> Any:
        return np.arange(start, stop) + 61 * epoch

    def counts(groups: Callable[[int, int, int], Any], **choices: Any) -> list[int]:
        order = Order(UNITS, groups, LoaderChoices(split="train", **choices))
        sizes = [order.galaxies(epoch) for epoch in range(8)]
        assert sizes == [sum(map(len, batches_of(order, e))) for e in range(8)]
        return sizes

    assert len({*counts(fresh, fresh=True)}) > 1
    assert len({*counts(groups)}) == 1
