"""Real batch systems as the tests use them, and what they make on them."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import argdask as ad

__all__ = [
    "COMMAND",
    "RECIPE",
    "GridEngine",
    "Slurm",
    "contents",
    "parts_done",
    "run_to_the_end",
    "wait_until",
]

COMMAND = Path(sys.executable).with_name("argdask")

RECIPE = ad.Recipe(
    galaxies=1200, image_shape=(24, 24), layout={"part": 8, "chunk": 8}, seed=3
)


def contents(path: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


class BatchSystem:
    """What the tests do to a batch system, all of whose files are below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: object) -> str:
        words = [str(word) for word in command]
        ran = subprocess.run(words, capture_output=True, text=True, check=True)
        return ran.stdout


class Slurm(BatchSystem):
    """SLURM."""

    def jobs(self, state: str = "PENDING,RUNNING,COMPLETING") -> list[str]:
        """Return the ids of the jobs in some states, oldest first."""
        return self.run("squeue", "-h", "-o", "%A", "-S", "i", "-t", state).split()

    def kill(self, job: str) -> None:
        """Let a job die without a word."""
        subprocess.run(
            ["scancel", "--signal=KILL", "--full", job],
            capture_output=True,
            check=False,
        )


class GridEngine(BatchSystem):
    """Grid Engine."""

    def jobs(self) -> list[str]:
        """Return the ids of the jobs that wait or run, oldest first."""
        listed = re.findall(r"^ *(\d+) ", self.run("qstat", "-u", "*"), re.MULTILINE)
        return sorted(set(listed), key=int)

    def kill(self, job: str) -> None:
        """Delete a job, if it is still there."""
        subprocess.run(["qdel", job], capture_output=True, check=False)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def run_to_the_end(
    command: list[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    return ran


def parts_done(folder: Path) -> int:
    """Count the receipts of parts beside a store that is being made."""
    journals = folder.glob("pairs.zarr.receipts/*.jsonl")
    return sum(file.read_text().count('"kind":"part"') for file in journals)
