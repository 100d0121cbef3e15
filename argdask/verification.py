"""Is a store what its plan says? Structure, checksums, galaxies made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from argdask.errors import InputError
from argdask.schema import validate
from argdask.simulation import attributes_of, dataset_of
from argdask.store import closing, files
from argdask.store.attributes import (
    CHECKSUMS_CHECKSUM,
    METADATA_CHECKSUM,
    checksum_of_root,
    read_root,
)
from argdask.store.formats import format_of
from argdask.store.pieces import variables_of
from argdask.store.plan import check_images
from argdask.store.reading import open_pairs
from argdask.store.receipts import environment
from argdask.store.work import read_attributes, read_plan, simulation_of

__all__ = ["Check", "Report", "verify"]

# Where versions or machines differ, clean images may differ by this (DESIGN: last bits
# of exp and pow, amplified by the exponent of a steep profile).
_OTHER_MACHINE = 1e-5


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

    @property
    def passed(self) -> bool:
        """Whether everything is as it should be."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> str:
        """Return the report as JSON."""
        checks = [
            {"name": c.name, "passed": c.passed, "details": list(c.details)}
            for c in self.checks
        ]
        fields = {"store": str(self.path), "passed": self.passed, "checks": checks}
        return json.dumps(fields, indent=2)


def verify(path: str | Path, *, sample: int = 16) -> Report:
    """Check a complete store against its plan.

    Parameters
    ----------
    path
        The store.
    sample
        How many galaxies, evenly over the rows, to make again and compare.

    Returns
    -------
    Report
        What was looked at and what is wrong.

    Raises
    ------
    InputError
        If there is no store that argdask made.
    IncompleteError
        If the store is not finished.
    """
    place = Path(path)
    _refuse_unfinished(place)
    return Report(
        place,
        (
            _check("files and checksums", lambda: _look_at_files(place)),
            _check("structure and attributes", lambda: _look_at_structure(place)),
            _check("galaxies made again", lambda: _look_at_galaxies(place, sample)),
        ),
    )


_Findings = tuple[list[str], str]
"""What is wrong, and how much was looked at."""


def _refuse_unfinished(path: Path) -> None:
    try:
        state = read_attributes(path).get("state")
    except InputError:
        # A damaged store still has its checksums; what never was one has none.
        if not (path / closing.CHECKSUMS).is_file():
            raise
        return
    if state != "complete":
        open_pairs(path)


def _check(name: str, look: Callable[[], _Findings]) -> Check:
    try:
        wrong, told = look()
    except Exception as error:  # what reads a damaged store can raise anything
        wrong, told = [f"cannot be read ({type(error).__name__}: {error})"], ""
    return Check(name, not wrong, tuple(wrong) or (told,))


def _look_at_files(path: Path) -> _Findings:
    """Compare every file with its recorded size and checksum."""
    metadata = format_of(path).METADATA
    root = read_root(path / metadata)
    attributes = root["attributes"]
    wrong = []
    if checksum_of_root(root) != attributes.get(METADATA_CHECKSUM):
        wrong.append(f"{metadata} has another checksum than it says")
    try:
        listed = files.record_of(path / closing.CHECKSUMS)
    except FileNotFoundError:
        return [*wrong, f"{closing.CHECKSUMS} is missing"], ""
    if listed.crc32c != attributes.get(CHECKSUMS_CHECKSUM):
        return [*wrong, f"{closing.CHECKSUMS}: the list itself is damaged"], ""
    records = closing.read_checksums(path)
    for file, record in records.items():
        try:
            now = files.record_of(path / file)
        except OSError:
            wrong.append(f"{file} is missing")
            continue
        if now.size != record.size:
            wrong.append(f"{file} has {now.size} bytes, not {record.size}")
        elif now != record:
            wrong.append(f"{file} has checksum {now.crc32c}, not {record.crc32c}")
    # What a killed process left, or one that came late writes, is harmless.
    known = {*records, metadata, closing.CHECKSUMS}
    others = sorted(set(files.files_below(path)) - known)
    wrong += [f"{other} is no part of the store" for other in others]
    total = sum(record.size for record in records.values())
    return wrong, f"{len(records)} files, {total} bytes"


def _look_at_structure(path: Path) -> _Findings:
    """Compare names, types, units, sizes and attributes with what the plan makes."""
    plan = read_plan(path)
    pairs = open_pairs(path, chunks=None)
    simulation, _ = simulation_of(path.absolute(), plan.fingerprint)
    variables = [v.name for v in variables_of(simulation)]
    wrong = validate(pairs, variables)
    if pairs.sizes["galaxy"] != plan.galaxies:
        wrong.append(f"{pairs.sizes['galaxy']} galaxies, not {plan.galaxies}")
    for key, value in attributes_of(simulation).items():
        # Another version may describe itself in other words.
        if key != "source" and pairs.attrs.get(key) != value:
            wrong.append(f"attribute {key} is not what the plan gives")
    metadata = format_of(path)
    root = read_root(path / metadata.METADATA)
    if metadata.committed(path, root) != root:
        wrong.append(f"{metadata.METADATA} differs from what it holds copies of")
    return wrong, f"{len(variables)} variables"


def _look_at_galaxies(path: Path, sample: int) -> _Findings:
    """Make some galaxies again and compare them with the stored ones."""
    plan = read_plan(path)
    pairs = open_pairs(path, chunks=None)
    simulation, _ = simulation_of(path.absolute(), plan.fingerprint)
    try:
        check_images(simulation, plan)
    except InputError as error:
        # The store is none the worse for it.
        return [], f"none: they cannot be made again ({error})"
    count = min(max(sample, 1), plan.galaxies)
    rows = np.unique(np.linspace(0, plan.galaxies - 1, count).round().astype(np.int64))
    table = simulation.catalogue.table
    ids = rows if table is None else table.galaxy_id[rows]
    made = dataset_of(simulation, *simulation.make(ids, simulation.images))
    attributes = read_attributes(path)
    # Parts that were made elsewhere may differ in the last bits.
    same_kind = json.loads(attributes["environments"]) == [environment()]
    wrong = []
    for variable in map(str, made.variables):
        try:
            stored = pairs[variable]
            by_galaxy = "galaxy" in stored.dims
            values = (stored.isel(galaxy=rows) if by_galaxy else stored).values
        except Exception as error:  # a damaged chunk can raise anything
            wrong.append(f"{variable} cannot be read ({type(error).__name__})")
            continue
        equal = _equal_rows(values, made[variable].values, exact=same_kind)
        if not equal.all():
            named = f" in rows {rows[~equal][:5].tolist()}" if by_galaxy else ""
            wrong.append(f"{variable} differs{named}")
    how = "bit for bit" if same_kind else f"to {_OTHER_MACHINE:g} (another machine)"
    return wrong, f"{rows.size} galaxies, {how}"


def _equal_rows(stored: Any, made: Any, *, exact: bool) -> Any:
    """For each row, whether all of its values agree; NaN agrees with NaN."""
    if stored.shape != made.shape or stored.dtype != made.dtype:
        return np.zeros(len(made), bool)
    equal = stored == made
    if made.dtype.kind == "f":
        equal |= np.isnan(stored) & np.isnan(made)
    if made.dtype.kind == "f" and not exact:
        # The brightest value sets the scale: faint pixels are far out on a steep curve.
        brightest = np.nanmax(np.abs(made), initial=0.0)
        floor = _OTHER_MACHINE * 1e-3 * brightest
        equal |= np.isclose(stored, made, rtol=_OTHER_MACHINE, atol=floor)
    return np.asarray(equal).reshape(len(made), -1).all(axis=1)
