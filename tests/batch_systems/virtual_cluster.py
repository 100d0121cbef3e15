"""A real SLURM as the tests use it, and what they make on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import argdask as ad

__all__ = ["COMMAND", "RECIPE", "Slurm", "contents", "parts_done"]

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


class Slurm:
    """What the tests do to the cluster, all of whose files are below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: object) -> str:
        words = [str(word) for word in command]
        ran = subprocess.run(words, capture_output=True, text=True, check=True)
        return ran.stdout

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


def parts_done(folder: Path) -> int:
    """Count the receipts of parts beside a store that is being made."""
    journals = folder.glob("pairs.zarr.receipts/*.jsonl")
    return sum(file.read_text().count('"kind":"part"') for file in journals)
