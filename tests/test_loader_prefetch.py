"""Made ahead: in order, bounded, and no thread is left behind."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from argdask.loader_prefetch import made_ahead


def tasks(count: int, begun: list[int]) -> Iterator[Callable[[], int]]:
    def task(number: int) -> int:
        begun.append(number)
        return number

    for number in range(count):
        yield lambda number=number: task(number)  # type: ignore[misc]


def ours() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("argdask-batch")]


@pytest.mark.parametrize(("ahead", "threads"), [(0, 1), (1, 1), (3, 1), (4, 3)])
def test_results_come_in_order_and_threads_end(ahead: int, threads: int) -> None:
    assert list(made_ahead(tasks(50, []), ahead, threads)) == list(range(50))
    assert not ours()


def test_no_more_are_made_than_asked_for() -> None:
    begun: list[int] = []
    results = made_ahead(tasks(50, begun), 3, 2)
    assert next(results) == 0
    while len(begun) < 3:
        time.sleep(0.001)
    # Time enough to begin a fourth, if that were allowed.
    time.sleep(0.05)
    assert sorted(begun) == [0, 1, 2]
    results.close()  # type: ignore[attr-defined]
    assert not ours()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_dropped_generator_ends_its_threads(threads: int) -> None:
    results = made_ahead(tasks(50, []), 4, threads)
    next(results)
    assert ours()
    del results
    gc.collect()
    assert not ours()


@pytest.mark.parametrize("ahead", [0, 4])
def test_an_exception_of_a_task_comes_in_its_place(ahead: int) -> None:
    def work() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        yield lambda: 1 // 0
        yield lambda: 3

    results = made_ahead(work(), ahead, 1)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not ours()


@pytest.mark.parametrize("ahead", [0, 4])
def test_an_exception_of_the_iterator_comes_in_its_place(ahead: int) -> None:
    def work() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        raise OSError("the disk is gone")

    results = made_ahead(work(), ahead, 2)
    assert next(results) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)
    assert not ours()
