"""What the benchmarks share: times within one run, and how they are told."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Row", "best", "interleaved", "tell"]


@dataclass
class Row:
    """One comparison."""

    name: str
    theirs: float
    """What argdask is compared with, in the unit that the table says."""
    ours: float
    ratio: float
    wanted: str
    """What the ratio should be, or `reported`."""


def best(function: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest time of several [s]."""
    return interleaved({"": function}, repeats)[""]


def interleaved(
    functions: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, float]:
    """Return the shortest time of each of several [s].

    They are called in turn, so that what else the machine does slows all of them.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - began)
    return {name: min(found) for name, found in times.items()}


def tell(rows: Sequence[Row], unit: str, file: Path | None) -> None:
    """Print a table, and write JSON if a file is given."""
    print(f"{unit:52} {'theirs':>10} {'argdask':>10} {'ratio':>7}  wanted")
    for row in rows:
        print(
            f"{row.name:52} {row.theirs:10.1f} {row.ours:10.1f} {row.ratio:7.2f}  "
            f"{row.wanted}"
        )
    if file:
        cores = len(os.sched_getaffinity(0))
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        results = {"unit": unit, "results": [asdict(row) for row in rows]}
        text = json.dumps({**results, **machine, "cores": cores}, indent=2)
        file.write_text(text + "\n")
