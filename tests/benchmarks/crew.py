"""Several processes, each on a core of its own, that begin the same work at once."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self

__all__ = ["Crew"]

Works = Mapping[str, Callable[[], object]]

# Until then, all have read what they shall do [s].
_SOON = 0.02


class Crew(AbstractContextManager["Crew"]):
    """Processes that do what they are told at the same moment.

    Parameters
    ----------
    cores
        One for each process.
    setup
        Function of a module, called in each process; returns what it can do, by name.
    arguments
        What it is called with.
    """

    def __init__(
        self, cores: Sequence[int], setup: Callable[..., Works], *arguments: Any
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._members = []
        for core in cores:
            here, there = context.Pipe()
            told = (there, core, setup, arguments)
            process = context.Process(target=_serve, args=told, daemon=True)
            process.start()
            self._members.append((process, here))
        for _, pipe in self._members:
            pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process, pipe in self._members:
            pipe.send(None)
            process.join()

    def seconds(self, work: str, members: int) -> float:
        """Return how long so many of them take until the last one is done [s]."""
        some = self._members[:members]
        begin = time.monotonic() + _SOON
        for _, pipe in some:
            pipe.send((work, begin))
        return max(pipe.recv() for _, pipe in some) - begin


def _serve(
    pipe: Any, core: int, setup: Callable[..., Works], arguments: tuple[Any, ...]
) -> None:
    os.sched_setaffinity(0, {core})
    works = setup(*arguments)
    for work in works.values():
        work()
    pipe.send("ready")
    while (told := pipe.recv()) is not None:
        work, begin = told
        while time.monotonic() < begin:
            pass
        works[work]()
        # The same clock for all processes of a machine.
        pipe.send(time.monotonic())
