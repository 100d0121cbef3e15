"""A new store in the place of an old one: nothing is lost before it is there."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import argdask as ad
from argdask import cli, replacing
from argdask.errors import InputError

LAYOUT = {"part": 8, "chunk": 4}


def small(**choices: Any) -> ad.Recipe:
    given = {"galaxies": 20, "image_shape": (8, 8), "layout": LAYOUT}
    return ad.Recipe(**{**given, **choices})


def contents(path: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


@pytest.fixture
def old(tmp_path: Path, seds: xr.DataArray) -> Path:
    """A complete store that is being extended."""
    path = tmp_path / "here" / "pairs.zarr"
    path.parent.mkdir()
    ad.write(small(), path, seds=seds)
    ad.init(small(galaxies=30), path, seds=seds)
    ad.part(path, 0, 2)
    return path


class StoppedError(Exception):
    """What a test raises to stop a run."""


def test_the_old_store_is_there_until_the_new_one_is(
    tmp_path: Path, old: Path, seds: xr.DataArray
) -> None:
    before = contents(old)
    looked = []

    def look(made: int, _: int) -> None:
        looked.append(made)
        (aside,) = [p for p in old.parent.iterdir() if p.name.endswith(".replaced")]
        assert contents(aside) == before
        assert ad.verify(aside).passed

    recipe = small(seed=1)
    assert ad.write(recipe, old, seds=seds, progress=look, overwrite=True).made == 20
    assert len(looked) == 4
    assert [path.name for path in old.parent.iterdir()] == ["pairs.zarr"]
    ad.write(recipe, tmp_path / "other.zarr", seds=seds)
    assert contents(old) == contents(tmp_path / "other.zarr")


def test_the_same_command_goes_on_after_it_was_stopped(
    old: Path, seds: xr.DataArray
) -> None:
    def stop(made: int, _: int) -> None:
        if made >= 8:
            raise StoppedError

    recipe = small(seed=1)
    with pytest.raises(StoppedError):
        ad.write(recipe, old, seds=seds, progress=stop, overwrite=True)
    aside = [p.name for p in old.parent.iterdir() if ".replaced" in p.name]
    # The extension and its receipts went with the store.
    assert len(aside) == 3
    assert ad.write(recipe, old, seds=seds, overwrite=True).made == 12
    assert [path.name for path in old.parent.iterdir()] == ["pairs.zarr"]
    # Complete, it is made anew.
    assert ad.write(recipe, old, seds=seds, overwrite=True).made == 20


def test_step_by_step_the_old_one_goes_with_the_last(
    old: Path, seds: xr.DataArray
) -> None:
    ad.init(small(seed=1), old, seds=seds, overwrite=True)
    assert ad.status(old).galaxies.done == 0
    ad.part(old, 0, 1)
    assert any(".replaced" in path.name for path in old.parent.iterdir())
    ad.finalise(old)
    assert [path.name for path in old.parent.iterdir()] == ["pairs.zarr"]
    assert ad.verify(old).passed


def test_bad_input_changes_nothing(
    old: Path, seds: xr.DataArray, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(old.parent)
    with pytest.raises(InputError, match="filters"):
        ad.write(small(filters=("none",)), old, seds=seds, overwrite=True)
    with pytest.raises(InputError, match="GB of space"):
        ad.write(small(galaxies=10**9, scale=1.0), old, seds=seds, overwrite=True)
    for choice in ("image_shape=-1", "profile.name=none", "galaxies=0"):
        with pytest.raises(SystemExit) as ended:
            cli.main(["generate", str(old), "--overwrite", "--set", choice])
        assert ended.value.code == 2
    assert contents(old.parent) == before


def test_what_fails_at_the_beginning_is_undone(
    old: Path, seds: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(old.parent)

    def fail(*_: Any) -> None:
        raise InputError("store", "", "a place that can be written", "try again")

    monkeypatch.setattr(replacing, "begin", fail)
    with pytest.raises(InputError, match="a place that can be written"):
        ad.write(small(seed=1), old, seds=seds, overwrite=True)
    assert contents(old.parent) == before


@pytest.mark.filterwarnings("ignore::argdask.store.lock.StoreInUseWarning")
def test_another_run_may_complete_the_new_one(
    tmp_path: Path, old: Path, seds: xr.DataArray
) -> None:
    recipe, others = small(seed=1), []

    def overtake(made: int, _: int) -> None:
        if made and not others:
            others.append(ad.write(recipe, old, seds=seds).made)

    made = ad.write(recipe, old, seds=seds, overwrite=True, progress=overtake).made
    assert (made, others) == (8, [12])
    ad.write(recipe, tmp_path / "other.zarr", seds=seds)
    assert contents(old) == contents(tmp_path / "other.zarr")
    assert [path.name for path in old.parent.iterdir()] == [old.name]


def test_a_death_before_the_new_one_is_begun_is_told_with_its_cure(
    old: Path, seds: xr.DataArray, capsys: pytest.CaptureFixture[str]
) -> None:
    aside = old.with_name(f"{old.name}.{uuid.uuid4().hex}.replaced")
    for end in (".extension.receipts", ".extension", ""):
        old.with_name(f"{old.name}{end}").rename(f"{aside}{end}")
    before = contents(old.parent)
    for command in ("generate", "inspect", "verify", "status", "repair"):
        with pytest.raises(SystemExit) as ended:
            cli.main([command, str(old)])
        assert ended.value.code == 2, command
        told = capsys.readouterr().err
        assert f"--overwrite was cut off when the old one was {aside.name}" in told
        assert f"bring it back by `mv {aside} {old}`, or go on with" in told
    assert contents(old.parent) == before
    ad.write(small(seed=1), old, seds=seds, overwrite=True)
    assert not aside.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "zarr of others"])
def test_what_is_not_ours_is_never_replaced(
    tmp_path: Path, seds: xr.DataArray, kind: str
) -> None:
    path = tmp_path / "pairs.zarr"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    else:
        xr.Dataset({"mine": ("x", [1.0])}).to_zarr(path, consolidated=False)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="a store that argdask made"):
        ad.write(small(), path, seds=seds, overwrite=True)
    assert contents(tmp_path) == before


def test_where_nothing_is_there_is_nothing_to_replace(seds: xr.DataArray) -> None:
    assert ad.write(small(), "pairs.zarr", seds=seds, overwrite=True).made == 20


def test_the_command_begins_with_the_defaults(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Not with the choices of the store that it replaces.
    with pytest.raises(SystemExit) as ended:
        cli.main(
            ["generate", str(old), "--overwrite", "--galaxies", "5", "--seed", "9"]
        )
    assert ended.value.code == 0
    assert "5 pairs of 60x60 pixels" in capsys.readouterr().out
