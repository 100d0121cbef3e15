"""What tests of hard exits share: processes that end at a call, as by a lost power.

Each is forked from one that has imported all and has its machine code, for that takes
longer than what is tested.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

EXIT = 99
"""The code of a process that ended where it was to end."""

Run = Callable[[Path, str, "str | None"], int]
"""Called with a folder to run in, code, and where it ends: see `forked_runs`."""

SCRIPT = """
import json, os, sys, traceback
import argdask as ad
from argdask import planning, run, steps
from argdask.store import closing, files, receipts, staging, work, zarr_store
from damage import small


def end_at(point):
    place, *rest = point.split(", ")
    count, done = int(rest[0]) if rest else 1, rest[1:] == ["done"]
    *folders, name = place.split(".")
    owner = globals()[folders[0]]
    for folder in folders[1:]:
        owner = getattr(owner, folder)
    real, calls = getattr(owner, name), 0

    def counted(*arguments, **named):
        nonlocal calls
        calls += 1
        if calls == count and not done:
            os._exit(99)
        result = real(*arguments, **named)
        if calls == count and done:
            os._exit(99)
        return result

    setattr(owner, name, counted)


# Nothing runs after it that a fork would not take along.
ad.simulate(small(), None, [0])
for line in sys.stdin:
    folder, code, point = json.loads(line)
    process = os.fork()
    if not process:
        try:
            os.chdir(folder)
            if point is not None:
                end_at(point)
            exec(code)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    print(ended, flush=True)
"""


@contextmanager
def forked_runs() -> Iterator[Run]:
    """Give a way to run code that may end at any call of a function.

    Where it ends is the name of a function as `SCRIPT` knows it, which of its calls
    (", 3"), and ", done" if that call is still to be made; nowhere if that is None.
    What a run that breaks says goes to the standard error of the tests.

    Yields
    ------
    Callable
        Returns the exit code.
    """
    tests = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def run(folder: Path, code: str, point: str | None) -> int:
        stdin.write(json.dumps([str(folder), code, point]) + "\n")
        stdin.flush()
        return int(stdout.readline())

    with process:
        yield run
        stdin.close()
    assert process.returncode == 0
