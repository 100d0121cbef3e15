"""Extensions that were damaged: refused or mended, never sealed, never deleted."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask import cli
from argdask.errors import IncompleteError, InputError
from argdask.store import closing
from argdask.store.folding import staging_of
from argdask.store.formats import FORMATS
from argdask.store.receipts import done_receipts
from argdask.store.staging import fold, staged_plan
from argdask.store.tallies import TALLIES
from argdask.store.work import read_plan

LAYOUT = {"part": 8, "chunk": 4, "block": 16}


def small(galaxies: int) -> ad.Recipe:
    return ad.Recipe(galaxies=galaxies, image_shape=8, layout=LAYOUT, scale=1.0)


def contents(path: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def metadata_of(path: Path) -> str:
    return FORMATS[read_plan(path).format].METADATA


class Died(BaseException):
    """What a test raises in the place of a death; nothing catches it."""


@pytest.fixture(scope="module", params=[".zarr", ".nc"])
def made(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    seds: xr.DataArray,
) -> tuple[Path, dict[str, bytes], dict[str, bytes]]:
    """A store with an extension that is all made; the bytes before and after."""
    folder = tmp_path_factory.mktemp("made")
    path, other = (folder / f"{name}{request.param}" for name in ("pairs", "other"))
    ad.write(small(37), path, seds=seds)
    old = contents(path)
    ad.init(small(60), path, seds=seds)
    ad.part(path, 0, 1)
    ad.write(small(60), other, seds=seds)
    new = contents(other)
    shutil.rmtree(other)
    return path, old, new


@pytest.fixture
def ready(
    made: tuple[Path, dict[str, bytes], dict[str, bytes]], tmp_path: Path
) -> tuple[Path, dict[str, bytes], dict[str, bytes]]:
    """A copy of it that a test may damage."""
    path, old, new = made
    shutil.copytree(path.parent, tmp_path / "here")
    return tmp_path / "here" / path.name, old, new


def folded(path: Path, renames: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Break the fold of a store off after some renames; return the staging store."""
    replace, left = Path.replace, renames

    def dying(self: Path, target: Path) -> Path:
        nonlocal left
        if self.parent.name.endswith(".extension") or "extension/" in str(self):
            if left == 0 and "partial" not in self.name:
                raise Died
            left -= "partial" not in self.name
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dying)
        with pytest.raises(Died):
            ad.finalise(path)
    return path.with_name(f"{path.name}.extension")


@pytest.mark.parametrize("renames", [0, 2])
def test_a_list_that_is_lost_in_the_fold_is_found_again(ready, renames, monkeypatch):
    path, _, new = ready
    staging = folded(path, renames, monkeypatch)
    (staging / "checksums.txt").unlink()
    ad.write(None, path)
    assert contents(path) == new
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("renames", [0, 2])
def test_a_damaged_list_in_the_fold_is_not_believed(ready, renames, monkeypatch):
    path, _, new = ready
    staging = folded(path, renames, monkeypatch)
    listed = staging / "checksums.txt"
    listed.write_bytes(listed.read_bytes().replace(b" 0 part.4 ", b" 0 part.3 ", 1))
    ad.finalise(path)
    assert contents(path) == new


@pytest.mark.parametrize("renames", [0, 2])
def test_the_stores_own_list_may_be_lost_in_the_fold(ready, renames, monkeypatch):
    path, _, new = ready
    folded(path, renames, monkeypatch)
    (path / "checksums.txt").unlink()
    assert ad.repair(path).passed
    assert contents(path) == new


def test_an_extension_without_its_list_and_copies_of_it_is_kept(ready, monkeypatch):
    path, _, new = ready
    staging = folded(path, 0, monkeypatch)
    kept = {name: (staging / name).read_bytes() for name in ("checksums.txt",)}
    spare = (staging / "spare.zip").read_bytes()
    for name in ("checksums.txt", "spare.zip"):
        (staging / name).unlink()
    before = contents(path.parent)
    for call in (lambda: ad.write(None, path), lambda: ad.repair(path)):
        with pytest.raises(InputError, match="bring it back"):
            call()
    assert contents(path.parent) == before
    (staging / "checksums.txt").write_bytes(kept["checksums.txt"])
    (staging / "spare.zip").write_bytes(spare)
    ad.write(None, path)
    assert contents(path) == new


@pytest.mark.parametrize("renames", [None, 0, 2])
def test_an_extension_without_its_root_is_kept(ready, renames, monkeypatch):
    path, _, new = ready
    staging = path.with_name(f"{path.name}.extension")
    if renames is not None:
        folded(path, renames, monkeypatch)
    root = staging / metadata_of(path)
    data = root.read_bytes()
    root.unlink()
    before = contents(path.parent)
    for call in (lambda: ad.write(None, path), lambda: ad.finalise(path)):
        with pytest.raises(InputError, match="an extension with its metadata"):
            call()
    assert contents(path.parent) == before
    root.write_bytes(data)
    ad.finalise(path)
    assert contents(path) == new


def test_a_piece_that_came_late_does_not_stand_in_the_way(ready, monkeypatch):
    path, _, new = ready
    staging = path.with_name(f"{path.name}.extension")
    late = {k: v for k, v in contents(staging).items() if k not in new or "part" in k}
    late |= {k: v for k, v in contents(staging).items() if k.startswith("input/c.")}
    ad.finalise(path)
    for name, data in late.items():
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).write_bytes(data)
    ad.write(None, path)
    assert contents(path) == new
    assert not staging.exists()


@pytest.mark.parametrize("place", ["store", "staging"])
def test_a_changed_number_of_galaxies_is_not_sealed(ready, place):
    path, old, new = ready
    staging = path.with_name(f"{path.name}.extension")
    root = (path if place == "store" else staging) / metadata_of(path)
    wanted, changed = (37, 39) if place == "store" else (60, 62)
    text = root.read_text()
    assert f'\\"galaxies\\": {wanted}' in text
    root.write_text(
        text.replace(f'\\"galaxies\\": {wanted}', f'\\"galaxies\\": {changed}')
    )
    with pytest.raises(InputError, match="the metadata that were written there"):
        ad.finalise(path)
    if place == "store":
        assert ad.repair(path).passed
        assert contents(path) == old
        ad.finalise(path)
        assert contents(path) == new


def test_a_changed_checksum_is_not_sealed(ready):
    path, old, new = ready
    listed = path / "checksums.txt"
    data = bytearray(listed.read_bytes())
    data[0] = ord("0") if data[0] != ord("0") else ord("1")
    listed.write_bytes(data)
    with pytest.raises(InputError, match="the list of checksums that was written"):
        ad.finalise(path)
    assert ad.repair(path).passed
    assert contents(path) == old
    ad.finalise(path)
    assert contents(path) == new


def test_verify_says_that_a_fold_was_broken_off(ready, monkeypatch):
    path, _, _ = ready
    folded(path, 2, monkeypatch)
    with pytest.raises(IncompleteError, match="while it was folded in"):
        ad.verify(path)
    ad.write(None, path)
    assert ad.verify(path).passed


def test_pieces_that_no_list_names_are_found_and_made(tmp_path, seds):
    from argdask.store import closing
    from argdask.store.attributes import read_root, unsealed
    from argdask.store.listing import read_list

    path = tmp_path / "pairs.zarr"
    ad.write(small(37), path, seds=seds)
    whole = contents(path)
    # As if a list with a gap had been sealed.
    entries = {n: e for n, e in read_list(path).items() if e.piece != ("part", 2)}
    for name in ("input/c.2.0.0.0", "target/c.2.0.0.0", "spare.zip"):
        (path / name).unlink()
        entries.pop(name, None)
    root = unsealed(read_root(path / "zarr.json"))
    entries = closing.write_copies(path, "zarr.json", root, entries)
    closing.seal(path, "zarr.json", root, entries)
    report = ad.verify(path)
    assert not report.passed
    assert ("part", 2) in report.pieces
    assert ad.repair(path, new_checksums=True).passed
    assert contents(path) == whole


def test_a_store_that_is_gone_is_told_of(ready):
    path, _, _ = ready
    path.rename(path.with_name("away"))
    with pytest.raises(InputError, match="the extension of a store that is gone"):
        ad.write(small(10), path)


def test_a_cluster_that_does_not_answer_leaves_the_store_in_its_place(tmp_path, seds):
    path = tmp_path / "pairs.zarr"
    ad.write(small(20), path, seds=seds)
    before = contents(tmp_path)

    def unreachable(pieces: int) -> AbstractContextManager[Any]:
        raise InputError("cluster", "moon", "a scheduler that answers", "is it on?")

    with pytest.raises(InputError, match="a scheduler that answers"):
        ad.write(small(30), path, seds=seds, client=unreachable, overwrite=True)
    assert contents(tmp_path) == before


def test_a_link_to_a_store_is_the_store(tmp_path, seds, capsys):
    path, link = tmp_path / "pairs.zarr", tmp_path / "link.zarr"
    ad.write(small(20), path, seds=seds)
    link.symlink_to(path)
    ad.init(small(30), link, seds=seds)
    assert path.with_name("pairs.zarr.extension").is_dir()
    ad.write(None, link)
    assert link.is_symlink()
    assert ad.open_pairs(path).sizes["galaxy"] == 30
    with pytest.raises(SystemExit):
        cli.main(["generate", str(link), "--overwrite", "--galaxies", "9"])
    assert "9 pairs" in capsys.readouterr().out
    assert link.is_symlink()
    assert np.isfinite(ad.open_pairs(path)["input"]).all()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.zarr", "pairs.zarr"]


def test_damaged_tallies_of_the_old_set_are_not_sealed(ready):
    path, old, new = ready
    tallies = path / TALLIES
    tallies.write_bytes(tallies.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(InputError, match=r"the whole file tallies\.json"):
        ad.finalise(path)
    (path / TALLIES).unlink()
    receipts = done_receipts(staging_of(path), staged_plan(path))
    with pytest.raises(InputError, match=r"the whole file tallies\.json"):
        fold(path, staged_plan(path), receipts)
    assert ad.repair(path).passed
    assert {name: contents(path)[name] for name in old} == old
    ad.finalise(path)
    assert contents(path) == new


def test_who_closes_an_extension_later_finds_it_closed(ready, monkeypatch):
    path, _, new = ready
    plan = staged_plan(path)
    receipts = done_receipts(staging_of(path), plan)
    finalise, refused = closing.finalise, []

    def alone(*arguments: Any) -> None:
        # Nobody else may look at the old set, or fold in, before it is closed.
        descriptor = os.open(path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        refused.append(arguments[0])
        finalise(*arguments)

    monkeypatch.setattr(closing, "finalise", alone)
    for _ in range(2):
        fold(path, plan, receipts)
        assert contents(path) == new
    assert refused == [staging_of(path)]


@pytest.mark.parametrize("renames", [0, 2])
def test_statistics_are_not_read_while_others_come_in(ready, renames, monkeypatch):
    path, _, _ = ready
    folded(path, renames, monkeypatch)
    with pytest.raises(IncompleteError, match="broken off while it was folded in"):
        ad.pixel_statistics(path)
    ad.finalise(path)
    pixels = ad.pixel_statistics(path)["pixels"]
    assert (pixels == 60 * 8 * 8).all()
