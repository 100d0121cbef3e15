"""What the benchmarks share: times within one run, rows with bars, accuracy, curves.

A row is a ratio of two times that were measured in turn, each the best of several; its
spread is the lowest and the highest ratio within one turn. Bars are told and never
fail. Accuracy does: a run whose numbers are wrong ends with exit code 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = [
    "CORES",
    "Curve",
    "Measured",
    "Row",
    "Times",
    "interleaved",
    "is_met",
    "main",
    "on_one_core",
    "peer",
    "quotient",
]

Times = dict[str, list[float]]
"""Seconds of each way, one for each round."""

CORES = sorted(os.sched_getaffinity(0))
"""The cores that this process was started with."""


@dataclass(frozen=True)
class Row:
    """One comparison, or one figure."""

    name: str
    theirs: float | None
    """What argdask is compared with, in `unit`; None where there is nothing."""
    ours: float | None
    unit: str
    ratio: float | None
    """The quotient, or the figure itself, that the bar is about; None: not measured."""
    spread: tuple[float, float] | None = None
    """Lowest and highest ratio of one round."""
    bar: str = ""
    """Such as `>= 60`; empty where the row is only reported."""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without one, or without a ratio."""
        return is_met(self.ratio, self.bar)


@dataclass(frozen=True)
class Check:
    """One claim of accuracy."""

    name: str
    error: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the error is within the limit; NaN is not."""
        return self.error <= self.limit


@dataclass(frozen=True)
class Curve:
    """What a plot shows."""

    name: str
    """Of its file."""
    title: str
    x: str
    """Label of the axis, with its unit."""
    y: str
    lines: dict[str, list[tuple[float, float]]]


@dataclass
class Measured:
    """What one group of rows found."""

    title: str
    rows: list[Row] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def faster(
        self,
        name: str,
        times: Times,
        ways: tuple[str, str],
        *,
        count: Mapping[str, int] | int = 1,
        unit: str = "µs",
        bar: str = "",
        note: str = "",
    ) -> None:
        """Add how many times as fast the second way is as the first.

        `count` is what each call makes; `unit` is µs or ms for the time of one of them,
        or anything that ends in `/ s` for how many come in a second.
        """
        rounds = _per_one(times, ways, count)
        figures = [_figure(one, unit) for one in map(min, rounds)]
        ratio, spread = quotient(*rounds)
        self.rows.append(Row(name, *figures, unit, ratio, spread, bar, note))

    def cost(
        self,
        name: str,
        times: Times,
        ways: tuple[str, str],
        *,
        count: Mapping[str, int] | int = 1,
        unit: str = "µs",
        bar: str = "",
        note: str = "",
    ) -> None:
        """Add how many times the time of the first way the second one takes."""
        theirs, ours = _per_one(times, ways, count)
        figures = [_figure(min(one), unit) for one in (theirs, ours)]
        ratio, spread = quotient(ours, theirs)
        self.rows.append(Row(name, *figures, unit, ratio, spread, bar, note))

    def value(
        self, name: str, value: float, unit: str, bar: str = "", note: str = ""
    ) -> None:
        """Add a figure that is compared with nothing but its bar."""
        self.rows.append(Row(name, None, value, unit, value, None, bar, note))

    def missing(self, name: str, bar: str, note: str) -> None:
        """Add a row that could not be measured, and why."""
        self.rows.append(Row(name, None, None, "", None, None, bar, note))

    def check(self, name: str, error: float, limit: float) -> None:
        """Add a claim of accuracy."""
        self.checks.append(Check(name, float(error), limit))

    def told(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        rows = [asdict(row) | {"met": row.met} for row in self.rows]
        checks = [asdict(check) | {"holds": check.holds} for check in self.checks]
        curves = [asdict(curve) for curve in self.curves]
        found = {"rows": rows, "checks": checks, "curves": curves}
        return {"title": self.title, **found, "notes": self.notes}


def is_met(ratio: float | None, bar: str) -> bool | None:
    """Return whether a number is what a bar such as `>= 60` or `< 5` asks for."""
    if ratio is None or not bar:
        return None
    sign, limit = bar.split()
    compared = {
        ">=": ratio >= float(limit),
        "<=": ratio <= float(limit),
        "<": ratio < float(limit),
    }
    return compared[sign]


def quotient(over: list[float], under: list[float]) -> tuple[float, Any]:
    """Return the ratio of the shortest times, and its lowest and highest by rounds."""
    each = [one / other for one, other in zip(over, under, strict=True)]
    return min(over) / min(under), (min(each), max(each))


def _per_one(
    times: Times, ways: tuple[str, str], count: Mapping[str, int] | int
) -> list[list[float]]:
    counts = [count if isinstance(count, int) else count[way] for way in ways]
    return [
        [one / number for one in times[way]]
        for way, number in zip(ways, counts, strict=True)
    ]


def _figure(seconds: float, unit: str) -> float:
    if unit.endswith("/ s"):
        return 1.0 / seconds
    return seconds * {"µs": 1e6, "ms": 1e3, "s": 1.0}[unit]


def interleaved(
    ways: Mapping[str, Callable[[], object]],
    repeats: int,
    *,
    clock: Callable[[], float] = time.process_time,
    prepare: Callable[[], object] | None = None,
) -> Times:
    """Measure several ways in turn, so that what else the machine does slows all.

    Every other round goes backwards. What is to be compiled or filled for the first
    time is the caller's to call before.

    Parameters
    ----------
    ways
        Functions by name.
    repeats
        Number of rounds.
    clock
        `time.process_time` for work on one core in this process, `time.perf_counter`
        for what waits or runs elsewhere.
    prepare
        Called before each of them, outside of its time.
    """
    times: Times = {name: [] for name in ways}
    for number in range(repeats):
        for name in sorted(ways, reverse=bool(number % 2)):
            if prepare is not None:
                prepare()
            began = clock()
            ways[name]()
            times[name].append(clock() - began)
    return times


def on_one_core() -> None:
    """Keep this process on its first core, for figures per core."""
    os.sched_setaffinity(0, CORES[:1])


def peer(name: str) -> ModuleType | None:
    """Return a package that argdask is compared with, or None if it is not here."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def tell(measured: Measured) -> None:
    """Print a table."""
    print(f"\n{measured.title}")
    print(f"{'':58} {'theirs':>10} {'argdask':>10} {'unit':10} {'ratio':>9}  bar")
    for row in measured.rows:
        figures = [_short(row.theirs), _short(row.ours)]
        met = {True: "met", False: "MISSED", None: ""}[row.met]
        print(
            f"{row.name:58} {figures[0]:>10} {figures[1]:>10} {row.unit:10} "
            f"{_short(row.ratio):>9}  {row.bar} {met} {row.note}".rstrip()
        )
    for check in measured.checks:
        holds = "holds" if check.holds else "DOES NOT HOLD"
        print(f"  {check.name}: {check.error:.2e}, limit {check.limit:g}: {holds}")
    for note in measured.notes:
        print(f"  {note}")


def _short(number: float | None) -> str:
    return "" if number is None else f"{number:.4g}"


def main(
    title: str, about: str | None, measure: Callable[[Measured, bool, Path], None]
) -> None:
    """Run one group of rows as a program of its own."""
    parser = argparse.ArgumentParser(description=(about or title).splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--quick", action="store_true", help="small sets only")
    options = parser.parse_args()
    measured = Measured(title)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        measure(measured, options.quick, Path(folder))
    seconds = round(time.perf_counter() - began, 1)
    tell(measured)
    if options.json:
        text = json.dumps(measured.told() | {"seconds": seconds}, indent=1)
        options.json.write_text(text + "\n")
    if not all(check.holds for check in measured.checks):
        sys.exit(1)
