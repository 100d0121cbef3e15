"""Runs that are told to stop: wherever they are, they say so and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from argdask.cli_stopping import STOPPED, stop_cleanly

COMMAND = Path(sys.executable).with_name("argdask")

# What is interrupted, in a process of its own: 7 says that it was stopped there.
AROUND = """
import ctypes, signal, sys, time
from argdask.cli_stopping import stop_cleanly

def interrupt():
    signal.raise_signal(signal.SIGTERM)
    time.sleep(1)

class Last:
    def __del__(self):
        interrupt()

callback = ctypes.CFUNCTYPE(None)(interrupt)
try:
    with stop_cleanly():
{work}
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.mark.parametrize(
    "work",
    [
        "interrupt()",
        # Where Python drops the interrupt, and goes on.
        "callback(); time.sleep(60)",
        "Last(); time.sleep(60)",
        "Last(); Last(); time.sleep(60)",
        # Or something notices what is not there.
        "callback(); raise RuntimeError('half made')",
    ],
)
def test_a_stop_is_heard_wherever_it_comes(work: str) -> None:
    script = AROUND.format(work=f"        {work}")
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, text=True
    )
    assert (ran.returncode, ran.stderr) == (7, "")


def test_what_is_not_stopped_says_what_is_wrong() -> None:
    hook = sys.unraisablehook
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RuntimeError, match="our own"), stop_cleanly():
        raise RuntimeError("our own")
    assert sys.unraisablehook is hook
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert after == handlers


def test_a_run_is_stopped_while_its_kernels_are_compiled(tmp_path: Path) -> None:
    kernels = tmp_path / "kernels"
    run = subprocess.Popen(
        [COMMAND, "generate", "pairs.zarr", "--galaxies", "5", "--jobs", "1"],
        cwd=tmp_path,
        env=os.environ | {"ARGDASK_CACHE": str(kernels)},
        stderr=subprocess.PIPE,
        text=True,
    )
    # The first is there: the next of some dozens is under way.
    while not list(kernels.rglob("*.nbc")):
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=120)
    assert run.returncode == 3, told
    lines = [line for line in told.splitlines() if line and "galaxies" not in line]
    assert lines == [f"argdask: {STOPPED}"]
