"""Closing a store: refused with what is missing, the same bytes every time."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import xarray as xr

import argdask as ad
from argdask.errors import IncompleteError
from argdask.simulation import Simulation
from argdask.store import closing
from argdask.store.attributes import checksum_of_root
from argdask.store.closing import finalise
from argdask.store.files import record_of
from argdask.store.listing import read_list
from argdask.store.plan import plan_of
from argdask.store.receipts import Receipt
from argdask.store.work import initialise, make_piece, read_attributes, read_plan


@pytest.fixture
def filled(
    tmp_path: Path, recipe: ad.Recipe, seds: xr.DataArray
) -> tuple[Path, list[Receipt]]:
    """A store with all of its files, not closed yet, and its receipts."""
    path = tmp_path / "pairs.zarr"
    simulation = Simulation(recipe, seds)
    plan = plan_of(simulation)
    initialise(path, simulation, plan)
    receipts = [make_piece(path, plan.fingerprint, "block", 0)]
    receipts += [
        make_piece(path, plan.fingerprint, "part", k) for k in range(plan.parts)
    ]
    return path, receipts


def contents(path: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize(
    ("lost", "named"),
    [({0}, "block 0"), ({3}, "part 2"), ({0, 1, 7}, "block 0, part 0, part 6")],
)
def test_what_is_missing_is_named_and_nothing_touched(
    filled: tuple[Path, list[Receipt]], lost: set[int], named: str
) -> None:
    path, receipts = filled
    plan = read_plan(path)
    before = contents(path)
    kept = [receipt for k, receipt in enumerate(receipts) if k not in lost]
    told = f"{len(lost)} pieces .*: {named}; `argdask generate "
    with pytest.raises(IncompleteError, match=told):
        finalise(path, plan, kept)
    assert contents(path) == before


def test_a_closed_store_is_that_of_write(
    filled: tuple[Path, list[Receipt]], store: Path
) -> None:
    path, receipts = filled
    plan = read_plan(path)
    # In any order, from any number of attempts.
    finalise(path, plan, [*receipts[::-1], *receipts])
    assert contents(path) == contents(store)
    assert read_attributes(path)["state"] == "complete"


def test_what_killed_processes_left_is_swept(
    filled: tuple[Path, list[Receipt]], store: Path
) -> None:
    path, receipts = filled
    (path / "input" / f"c.1.0.0.0.{'0' * 32}.partial").write_bytes(b"half")
    (path / f"zarr.json.{'1' * 32}.partial").write_bytes(b"half")
    (path / f"checksums.txt.{'2' * 32}.partial").write_bytes(b"half")
    (path / "tmp12345.partial" / "input").mkdir(parents=True)
    # A list that was finished, by a process that was killed before it committed.
    (path / "checksums.txt").write_bytes(b"older")
    finalise(path, read_plan(path), receipts)
    assert contents(path) == contents(store)
    assert list(path.rglob("*.partial")) == []


def test_every_file_has_its_checksum(store: Path) -> None:
    entries = read_list(store)
    assert set(entries) == set(contents(store)) - {"zarr.json", "checksums.txt"}
    for name, entry in entries.items():
        assert record_of(store / name) == entry.record
    attributes = read_attributes(store)
    assert attributes["checksums_crc32c"] == record_of(store / "checksums.txt").crc32c
    root = json.loads((store / "zarr.json").read_text())
    assert attributes["metadata_crc32c"] == checksum_of_root(root)


def test_the_metadata_hold_a_copy_of_all_others(store: Path) -> None:
    root = json.loads((store / "zarr.json").read_text())
    copies = root["consolidated_metadata"]["metadata"]
    others = {p.parent for p in store.rglob("zarr.json")} - {store}
    assert set(copies) == {folder.relative_to(store).as_posix() for folder in others}
    for folder in others:
        own = json.loads((folder / "zarr.json").read_text())
        assert own == copies[folder.relative_to(store).as_posix()]


def test_a_closed_store_opens_without_a_warning(store: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_zarr(store) as pairs:
            pairs.load()
        with xr.open_zarr(store, group="seds") as grid:
            grid.load()
        with xr.open_dataset(store, engine="zarr", chunks=None) as pairs:
            assert set(pairs.data_vars) == {"input", "target"}


def test_two_runs_at_other_times_give_the_same_bytes(
    store: Path, tmp_path: Path, recipe: ad.Recipe, seds: xr.DataArray
) -> None:
    path = tmp_path / "another name.zarr"
    ad.write(recipe, path, seds=seds)
    assert contents(path) == contents(store)


def test_there_is_neither_a_time_nor_a_place_in_the_store(store: Path) -> None:
    text = (store / "zarr.json").read_text()
    attributes = json.loads(text)["attributes"]
    assert str(store.parent) not in text
    assert set(attributes) == {
        "checksums_crc32c",
        "coordinates",
        "cosmology",
        "environments",
        "fingerprint",
        "metadata_crc32c",
        "pixels_version",
        "plan",
        "recipe",
        "scale",
        "seds_source",
        "source",
        "state",
        "title",
    }


def test_closing_again_changes_nothing(
    filled: tuple[Path, list[Receipt]], recipe: ad.Recipe, seds: xr.DataArray
) -> None:
    path, receipts = filled
    plan = plan_of(Simulation(recipe, seds))
    finalise(path, plan, receipts)
    before = contents(path)
    # A second driver comes late, even with nothing in its hands.
    finalise(path, plan, [])
    assert contents(path) == before


def test_what_another_writer_has_not_finished_is_no_part_of_the_store(
    filled: tuple[Path, list[Receipt]],
    recipe: ad.Recipe,
    seds: xr.DataArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, receipts = filled
    late = path / "input" / "c.0.0.0.0.0123.partial"
    # It appears just after the sweep, as that of a writer that is still at work.
    sweep = closing.sweep

    def late_writer(place: Path) -> list[str]:
        names = sweep(place)
        late.write_bytes(b"half")
        return names

    monkeypatch.setattr(closing, "sweep", late_writer)
    finalise(path, plan_of(Simulation(recipe, seds)), receipts)
    assert late.exists()
    assert not any("partial" in name for name in read_list(path))
    assert ad.verify(path).passed
    monkeypatch.undo()
    ad.write(None, path)
    assert not late.exists()
    assert ad.verify(path).passed
