"""Ending what a command does in order when it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from argdask import cli_options as options
from argdask.cli_output import say

__all__ = ["STOPPED", "stop_cleanly"]

STOPPED = "stopped; run the same command again to resume"
"""What a command says that was told to stop."""

# How long a run that was stopped may take to close what it has opened [s].
_CLOSING = 15.0

# How long after it was lost the word to stop is given again [s].
_AGAIN = 0.05


@contextmanager
def stop_cleanly() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end what is done here in order, within seconds.

    Clusters are closed, jobs cancelled. What others have to say of it is no news then:
    dask of workers that go, a compiler of kernels that it did not finish. Where closing
    hangs the process ends all the same: workers notice by themselves that their
    scheduler has gone. A hangup that nohup ignores stays ignored.

    Yields
    ------
    None
        While that is so.

    Raises
    ------
    KeyboardInterrupt
        If a signal came, whatever it broke.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopped = False
    again: list[threading.Timer] = []

    def stop(*_: object) -> NoReturn:
        nonlocal stopped
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        if not stopped:
            # Whatever levels dask gave to its loggers.
            logging.disable(logging.CRITICAL)
            sys.unraisablehook = lost
            _start_timer(_CLOSING, _end)
        stopped = True
        raise KeyboardInterrupt

    def lost(broken: sys.UnraisableHookArgs) -> None:
        # A callback of a C library, or an object's end, has no caller to be told.
        if isinstance(broken.exc_value, KeyboardInterrupt):
            signal.signal(signal.SIGINT, stop)
            again.append(_start_timer(_AGAIN, _interrupt))

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    hook = sys.unraisablehook
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    except Exception:
        if not stopped:
            raise
        # What was broken off broke; that is no mistake of ours.
        raise KeyboardInterrupt from None
    finally:
        for timer in again:
            timer.cancel()
            timer.join()
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def _start_timer(seconds: float, what: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, what)
    timer.daemon = True
    timer.start()
    return timer


def _interrupt() -> None:
    # To the thread itself, which may wait for the system.
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def _end() -> NoReturn:
    say(f"argdask: {STOPPED}")
    os._exit(options.INCOMPLETE)
