"""Is a store what its plan says? Structure, checksums, galaxies made again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from argdask import comparison
from argdask.comparison import Exactness
from argdask.copies import Copy
from argdask.errors import IncompleteError, InputError
from argdask.pair_labels import attributes_of
from argdask.places import place_of
from argdask.recipe import Recipe
from argdask.schema import validate
from argdask.simulation import Simulation
from argdask.store import pixel_statistics
from argdask.store.attributes import read_root
from argdask.store.condition import Condition, condition_of
from argdask.store.folding import is_folding
from argdask.store.formats import FORMATS
from argdask.store.pieces import variables_of
from argdask.store.plan import Plan, check_pixels
from argdask.store.reading import open_pairs
from argdask.store.work import read_attributes, read_plan, simulation_of

__all__ = ["Check", "Report", "verify"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    """What was looked at."""
    passed: bool
    """Whether it is as it should be."""
    details: tuple[str, ...]
    """What is wrong, or how much was looked at."""


@dataclass(frozen=True)
class Report:
    """All that was looked at in a store."""

    path: Path
    """The store."""
    checks: tuple[Check, ...]
    """One for each thing."""
    wrong: tuple[str, ...] = ()
    """Files that are missing, or are not as they were recorded."""
    pieces: tuple[tuple[str, int], ...] = ()
    """Kind and number of the pieces that are to be made again: `part` for images,
    `block` for truth columns."""
    foreign: tuple[str, ...] = ()
    """Files that are no part of the store."""
    unchecked: tuple[str, ...] = field(default=())
    """What could not be checked, and why."""

    @property
    def passed(self) -> bool:
        """Whether everything that could be checked is as it should be."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> str:
        """Return the report as JSON."""
        checks = [
            {"name": c.name, "passed": c.passed, "details": list(c.details)}
            for c in self.checks
        ]
        fields = {
            "store": str(self.path),
            "passed": self.passed,
            "checks": checks,
            "wrong": self.wrong,
            "pieces": [{"kind": kind, "index": index} for kind, index in self.pieces],
            "foreign": self.foreign,
            "unchecked": self.unchecked,
        }
        return json.dumps(fields, indent=2)

    def to_text(self) -> str:
        """Return the report as lines for a person."""
        lines = []
        for check in self.checks:
            lines.append(f"{'ok    ' if check.passed else 'FAILED'} {check.name}")
            lines += [f"       {line}" for line in check.details]
        if self.pieces:
            named = [f"{kind} {index}" for kind, index in self.pieces[:10]]
            more = ", ..." if len(self.pieces) > len(named) else ""
            total = len(self.pieces)
            lines.append(f"{total} pieces to make again: {', '.join(named)}{more}")
        lines += [f"not checked: {reason}" for reason in self.unchecked]
        return "\n".join(lines)


def verify(
    path: str | Path,
    *,
    sample: int = 16,
    full: bool = False,
    seds: xr.DataArray | None = None,
) -> Report:
    """Check a complete store against its plan, or a copy that xarray made of one.

    Parameters
    ----------
    path
        The store, or the copy: Zarr or netCDF.
    sample
        How many galaxies, evenly over the rows, to make again and compare.
    full
        Make all galaxies again instead.
    seds
        The SED grid, for a copy, which has none; the built-in one if the copy says that
        it was made with that. A store has its own.

    Returns
    -------
    Report
        What was looked at, what is wrong, and what could not be checked.

    Raises
    ------
    InputError
        If there is nothing that argdask made.
    IncompleteError
        If the store is not finished.
    """
    place = place_of(path)
    if is_folding(place):
        raise IncompleteError(
            f"{place}: an extension was broken off while it was folded in; "
            f"`argdask generate {place}` goes on with it"
        )
    try:
        condition = condition_of(place)
    except InputError:
        copy = Copy.opened(place)
        if copy is None:
            raise
        with copy:
            return _report(place, copy.checks(sample, full=full, seds=seds), copy.notes)
    if condition is None:
        # Says how much is missing.
        open_pairs(place)
        raise AssertionError("a store that is not finished was opened")
    look = _Look(condition, sample, full=full)
    checks = {
        "files and checksums": look.at_files,
        "structure and attributes": look.at_structure,
        "galaxies made again": look.at_galaxies,
        "statistics of pixels": look.at_statistics,
    }
    report = _report(place, checks, look.notes)
    pieces = sorted({*condition.pieces, *look.pieces})
    return Report(
        *(place, report.checks, tuple(sorted(condition.wrong)), tuple(pieces)),
        foreign=condition.foreign,
        unchecked=report.unchecked,
    )


Findings = tuple[list[str], str]
"""What is wrong, and how much was looked at."""


def _report(
    path: Path, looks: dict[str, Callable[[], Findings]], notes: list[str]
) -> Report:
    checks = tuple(_check(name, look) for name, look in looks.items())
    return Report(path, checks, unchecked=tuple(notes))


def _check(name: str, look: Callable[[], Findings]) -> Check:
    try:
        with warnings.catch_warnings():
            # What readers are told of damage, the report tells.
            warnings.simplefilter("ignore")
            wrong, told = look()
    except Exception as error:  # what reads a damaged store can raise anything
        reason = " ".join(str(error).split())
        wrong, told = [f"cannot be read ({type(error).__name__}: {reason})"], ""
    return Check(name, not wrong, tuple(wrong) or (told,))


class _Look:
    """One look at a store."""

    def __init__(self, condition: Condition, sample: int, *, full: bool) -> None:
        self._condition, self._path = condition, condition.path
        self._sample, self._full = sample, full
        self._opened: tuple[xr.Dataset, Simulation, Plan] | None = None
        self.notes: list[str] = []
        self.pieces: set[tuple[str, int]] = set()

    def at_files(self) -> Findings:
        """Compare every file with its recorded size and checksum."""
        condition = self._condition
        wrong = [condition.wrong[name] for name in sorted(condition.wrong)]
        wrong += [f"{name} is no part of the store" for name in condition.foreign]
        wrong += [f"{name} may not be read by you" for name in condition.refused]
        if condition.entries is None:
            self.notes.append("files: both copies of the list of them are damaged")
        return wrong, f"{len(condition.entries or ())} files, {condition.size} bytes"

    def _open(self) -> tuple[xr.Dataset, Simulation, Plan]:
        if self._opened is None:
            plan = read_plan(self._path)
            simulation, _ = simulation_of(self._path.absolute(), plan.fingerprint)
            self._opened = open_pairs(self._path, chunks=None), simulation, plan
        return self._opened

    def at_structure(self) -> Findings:
        """Compare names, types, units, sizes, attributes with what the plan makes."""
        pairs, simulation, plan = self._open()
        variables = [v.name for v in variables_of(simulation)]
        wrong = validate(pairs, variables)
        if pairs.sizes["galaxy"] != plan.galaxies:
            wrong.append(f"{pairs.sizes['galaxy']} galaxies, not {plan.galaxies}")
        for key, value in attributes_of(simulation).items():
            found = pairs.attrs.get(key)
            # Another version may describe itself in other words.
            if key == "source" or found == value:
                continue
            # And its recipes may lack keys that came later.
            if key != "recipe" or not _is_recipe(found, simulation.recipe):
                wrong.append(f"attribute {key} is not what the plan gives")
        unnamed = self._condition.unnamed
        self.pieces.update(unnamed)
        wrong += ["{} {} is in no list".format(*piece) for piece in unnamed[:10]]
        metadata = self._condition.metadata
        root = read_root(self._path / metadata)
        if FORMATS[plan.format].committed(self._path, root) != root:
            wrong.append(f"{metadata} differs from what it holds copies of")
        return wrong, f"{len(variables)} variables"

    def at_galaxies(self) -> Findings:
        """Make galaxies again and compare them with the stored ones."""
        pairs, simulation, plan = self._open()
        try:
            check_pixels(simulation, plan)
        except InputError as error:
            # The store is none the worse for it.
            self.notes.append(f"galaxies: they cannot be made again ({error})")
            return [], "none: they cannot be made again"
        attributes: dict[str, Any] = read_attributes(self._path)
        environments = json.loads(attributes["environments"])
        entries = self._condition.entries or {}
        exactness = Exactness.of_store(plan, entries, environments)
        if self._full:
            return self._all_galaxies(pairs, simulation, plan, exactness)
        count = min(max(self._sample, 1), plan.galaxies)
        evenly = np.linspace(0, plan.galaxies - 1, count).round()
        rows = np.unique(evenly.astype(np.int64))
        found = comparison.compare(pairs, simulation, rows, exactness)
        return [one.told for one in found], f"{rows.size} galaxies, {exactness.told}"

    def at_statistics(self) -> Findings:
        """Compare statistics with what is kept of parts, or else with all images."""
        _, _, plan = self._open()
        wrong = pixel_statistics.differences(self._path, plan, full=self._full)
        return wrong, "of all images" if self._full else "of what is kept of parts"

    def _all_galaxies(
        self, pairs: xr.Dataset, simulation: Simulation, plan: Plan, exact: Exactness
    ) -> Findings:
        wrong: dict[str, None] = {}
        for piece, one in comparison.compare_all(pairs, simulation, plan, exact):
            self.pieces.add(piece)
            wrong[f"{piece[0]} {piece[1]}: {one.told}"] = None
        return list(wrong), f"all {plan.galaxies} galaxies, {exact.told}"


def _is_recipe(text: object, recipe: Recipe) -> bool:
    """Return whether a text is a recipe, if it leaves out what is at its default."""
    try:
        return Recipe(**json.loads(str(text))) == recipe
    except (InputError, TypeError, ValueError):
        return False
