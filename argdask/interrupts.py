"""Interrupts that wait until what must not be broken off is done."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ParamSpec, TypeVar

__all__ = ["unbroken"]

P = ParamSpec("P")
R = TypeVar("R")

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


Hearer = Callable[[int, FrameType | None], object]

# Who hears a signal once nothing is under way; empty while nothing is.
_hearers: dict[int, Hearer] = {}

# Signals that wait.
_came: list[int] = []


def unbroken(function: Callable[P, R]) -> Callable[P, R]:
    """Let signals that would break off a function wait for its end.

    Python raises `KeyboardInterrupt` in whatever the main thread is doing. A C library
    that has called Python back cannot be told of it, and goes on with half an answer.

    Parameters
    ----------
    function
        What is to be done as a whole, but for other such functions that it calls: what
        came until the end of one of them is heard there.

    Returns
    -------
    Callable
        The same, after which signals that came meanwhile are given again. One that
        comes twice does not wait.
    """

    @functools.wraps(function)
    def whole(*arguments: P.args, **named: P.kwargs) -> R:
        # Python runs handlers in no other thread, and sets them in no other.
        if threading.current_thread() is not threading.main_thread():
            return function(*arguments, **named)
        if _hearers:
            try:
                return function(*arguments, **named)
            finally:
                _hear(_hearers)
        with _listening():
            return function(*arguments, **named)

    return whole


@contextmanager
def _listening() -> Iterator[None]:
    _came.clear()
    number: int
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        handler = signal.getsignal(number)
        if callable(handler):  # not the system's own, nor what is ignored
            _hearers[number] = handler
            signal.signal(number, _wait)
    try:
        yield
    finally:
        hearers = dict(_hearers)
        _hearers.clear()
        for number, handler in hearers.items():
            # Unless who heard one has seen to it that no more are heard.
            if signal.getsignal(number) is _wait:
                signal.signal(number, handler)
        _hear(hearers)


def _wait(number: int, frame: FrameType | None) -> None:
    impatient = number in _came and number in _hearers
    _came.append(number)
    if impatient:
        _hearers[number](number, frame)


def _hear(hearers: dict[int, Hearer]) -> None:
    while _came:
        number = _came.pop(0)
        hearers[number](number, None)
