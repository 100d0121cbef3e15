"""Interrupts wait until what must not be broken off is done, and are not lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from argdask import caching
from argdask.interrupts import unbroken

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[dict[int, Any]]:
    """Interrupt for two signals, ignore the third; see that it is so afterwards."""

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    wanted = dict(zip(NUMBERS, (stop, stop, signal.SIG_IGN), strict=True))
    before = {number: signal.signal(number, wanted[number]) for number in NUMBERS}
    yield wanted
    after = {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == wanted


def give(*numbers: int) -> None:
    for number in numbers:
        signal.raise_signal(number)


@pytest.mark.parametrize("number", NUMBERS[:2])
def test_a_signal_waits_for_the_end(number: int) -> None:
    done = []

    @unbroken
    def work() -> None:
        give(number)
        done.append(1)

    with pytest.raises(KeyboardInterrupt) as told:
        work()
    assert told.value.args == (number,)
    assert done == [1]


def test_a_signal_that_comes_twice_does_not_wait() -> None:
    done = []

    @unbroken
    def work() -> None:
        give(signal.SIGINT, signal.SIGTERM)
        done.append(1)
        give(signal.SIGTERM)
        done.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]


def test_a_signal_is_not_lost_where_the_work_fails() -> None:
    @unbroken
    def work() -> None:
        give(signal.SIGINT)
        raise ValueError("no")

    with pytest.raises(KeyboardInterrupt):
        work()


def test_within_other_work_a_signal_is_heard_at_the_end_of_the_inner() -> None:
    done = []

    @unbroken
    def inner() -> None:
        give(signal.SIGINT)
        done.append("inner")

    @unbroken
    def outer() -> None:
        inner()
        done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert done == ["inner"]


def test_who_hears_a_signal_may_want_no_more(handlers: dict[int, Any]) -> None:
    def once(number: int, _: object) -> None:
        handlers[signal.SIGTERM] = signal.SIG_IGN
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt(number)

    handlers[signal.SIGINT] = once
    signal.signal(signal.SIGINT, once)
    with pytest.raises(KeyboardInterrupt):
        unbroken(unbroken(give))(signal.SIGINT)


def test_what_is_ignored_stays_ignored() -> None:
    unbroken(give)(signal.SIGHUP)


def test_other_threads_do_their_work_as_it_is() -> None:
    answers = []
    other = threading.Thread(target=lambda: answers.append(unbroken(max)(1, 2)))
    other.start()
    other.join()
    assert answers == [2]


def test_the_compilation_of_a_kernel_is_whole(monkeypatch: Any) -> None:
    monkeypatch.setattr(caching, "_kernel_cache", lambda: None)
    asked = []

    def twice(number: Any) -> Any:
        return number + number

    kernel: Any = caching.compiled(twice)
    compile_core = kernel._compiler._compile_core

    def interrupted(*arguments: Any) -> Any:
        give(signal.SIGINT)
        asked.append(arguments)
        return compile_core(*arguments)

    kernel._compiler._compile_core = interrupted
    with pytest.raises(KeyboardInterrupt):
        kernel(2.0)
    assert len(asked) == 1
    assert kernel(2.0) == 4.0
    assert len(asked) == 1
