"""Batches made ahead by threads, in order, a bounded number of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["made_ahead"]

T = TypeVar("T")


def made_ahead(
    tasks: Iterator[Callable[[], T]], ahead: int, threads: int
) -> Iterator[T]:
    """Do what an iterator hands out, ahead of who wants the results.

    Parameters
    ----------
    tasks
        What to do, one after the other.
    ahead
        How many results may wait; 0: each is made when it is asked for.
    threads
        How many are made at the same time.

    Yields
    ------
    object
        The results, in the order of the tasks. An exception of a task, or of the
        iterator, is raised in its place.

    Notes
    -----
    The threads end when the last result is there, and when the generator is closed or
    dropped.
    """
    if not ahead:
        for task in tasks:
            yield task()
        return
    waiting: queue.SimpleQueue[Future[T] | None] = queue.SimpleQueue()
    room = threading.Semaphore(ahead)
    stopped = threading.Event()
    producer = threading.Thread(
        target=_produce,
        args=(tasks, waiting, room, stopped, threads),
        name="argdask-batches",
        daemon=True,
    )
    producer.start()
    try:
        while (future := waiting.get()) is not None:
            yield future.result()
            # What was handed over is the caller's alone by now.
            del future
            room.release()
    finally:
        stopped.set()
        room.release()
        producer.join()


def _produce(
    tasks: Iterator[Callable[[], T]],
    waiting: queue.SimpleQueue[Future[T] | None],
    room: threading.Semaphore,
    stopped: threading.Event,
    threads: int,
) -> None:
    pool = ThreadPoolExecutor(threads, "argdask-batch")
    try:
        for task in tasks:
            room.acquire()
            if stopped.is_set():
                break
            waiting.put(pool.submit(task))
    except BaseException as error:  # the one who waits must know, whatever it is
        failed: Future[T] = Future()
        failed.set_exception(error)
        waiting.put(failed)
    waiting.put(None)
    pool.shutdown(cancel_futures=stopped.is_set())
