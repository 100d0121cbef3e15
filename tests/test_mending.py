"""Mending: whatever was done to a complete store, its bytes become what they were."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from damage import contents, files_of, flip, metadata_of, name_of_store, small
from distributed import Client, LocalCluster
from other_user import RunAsAnother

import argdask as ad
from argdask import cli, mending
from argdask.errors import IncompleteError, InputError
from argdask.repaired import Repaired
from argdask.simulation import Simulation
from argdask.store import closing, work
from argdask.store.attributes import read_root, unsealed
from argdask.store.files import record_of
from argdask.store.formats import FORMATS
from argdask.store.listing import read_list
from argdask.store.provenance import environment


@pytest.fixture(scope="module", params=sorted(FORMATS))
def good(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    seds: xr.DataArray,
) -> Path:
    """A complete store of each format."""
    path = tmp_path_factory.mktemp("good") / name_of_store(request.param)
    ad.write(small(), path, seds=seds)
    return path


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(good, tmp_path / good.name))


def assert_mended(path: Path, good: Path, **options: Any) -> Repaired:
    """Mend a store and compare every byte; nothing is left beside it."""
    done = ad.repair(path, **options)
    assert done.passed, done.to_text()
    assert contents(path) == contents(good)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert ad.verify(path, sample=1).passed
    return done


def run(*arguments: object) -> int:
    """Run the command and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(one) for one in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_complete_store_is_looked_at_once(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, look = [], mending.condition_of

    def counted(*arguments: Any, **options: Any) -> Any:
        looks.append(arguments)
        return look(*arguments, **options)

    monkeypatch.setattr(mending, "condition_of", counted)
    assert run("generate", copy) == 0
    assert len(looks) == 1


# One damaged file.


@pytest.mark.parametrize("together", [8, pytest.param(1, marks=pytest.mark.long)])
def test_any_changed_byte_of_any_file_is_found_and_mended(
    copy: Path, good: Path, together: int
) -> None:
    whole = contents(good)
    names = sorted(whole)
    # Each file at least once, metadata of a few bytes as well as images.
    chosen = random.Random(4251)
    hits = names + chosen.choices(names, k=max(300 - len(names), 0))
    # Those that tell of others are damaged alone.
    sealed = {metadata_of(good), "checksums.txt", "spare.zip"}
    rounds = [[name] for name in hits if name in sealed]
    others = [name for name in hits if name not in sealed]
    rounds += [others[k : k + together] for k in range(0, len(others), together)]
    for names in rounds:
        told = {}
        for name in set(names):
            position = chosen.randrange(len(whole[name]))
            change = chosen.randrange(1, 256)
            flip(copy / name, position, change)
            told[name] = f"byte {position} changed by {change}"
        report = ad.verify(copy, sample=1)
        assert not report.passed, told
        assert set(report.wrong) == set(told), told
        done = ad.repair(copy)
        assert done.passed, f"{told}: {done.to_text()}"
        for name in told:
            assert (copy / name).read_bytes() == whole[name], told
    assert contents(copy) == whole


def lose(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


@pytest.mark.parametrize("harm", [lose, empty, cut, lengthen])
@pytest.mark.parametrize("by", ["repair", "write", "generate"])
def test_any_file_that_is_gone_or_has_another_size_is_mended(
    copy: Path, good: Path, harm: Callable[[Path], None], by: str
) -> None:
    whole = contents(good)
    # All kinds of files; the 300 changed bytes are for each single one.
    names = {metadata_of(copy), "checksums.txt", "spare.zip"}
    names |= set(files_of(copy, "part", 1)) | set(files_of(copy, "block", 0)[:2])
    others = files_of(copy)
    chosen = random.Random(by + harm.__name__)
    names |= set(chosen.sample(others, min(3, len(others))))
    for name in sorted(names):
        harm(copy / name)
        if by == "repair":
            assert ad.repair(copy).passed
        elif by == "write":
            made = ad.write(small(), copy).made
            assert made == (8 if name in files_of(good, "part", 1) else 0)
        else:
            assert run("generate", copy) == 0
        assert contents(copy) == whole, name


def test_folders_that_are_gone_are_mended(copy: Path, good: Path) -> None:
    for folder in sorted(one for one in copy.iterdir() if one.is_dir()):
        shutil.rmtree(folder)
        assert_mended(copy, good)


@pytest.mark.parametrize("by", ["repair", "generate"])
def test_many_lost_files_are_mended_at_once(copy: Path, good: Path, by: str) -> None:
    spared = {"spare.zip"}
    for name in contents(copy).keys() - spared:
        (copy / name).unlink()
    if by == "repair":
        done = assert_mended(copy, good)
        assert done.pieces == [("block", 0), ("part", 0), ("part", 1), ("part", 2)]
        assert done.galaxies == 24
    else:
        assert run("generate", copy) == 0
        assert contents(copy) == contents(good)


def test_exactly_the_wrong_pieces_are_made_again(copy: Path, good: Path) -> None:
    wrong = files_of(copy, "part", 2)[0]
    others = {f: (copy / f).stat().st_mtime_ns for f in contents(copy) if f != wrong}
    flip(copy / wrong)
    report = ad.verify(copy)
    assert (report.wrong, report.pieces) == ((wrong,), (("part", 2),))
    told = []
    done = ad.repair(copy, progress=lambda *numbers: told.append(numbers))
    assert (done.pieces, done.restored, done.galaxies) == ([("part", 2)], [], 8)
    assert told == [(0, 8), (8, 8)]
    assert contents(copy) == contents(good)
    # All files of the piece may be new; no other one is.
    piece = set(files_of(copy, "part", 2))
    now = {f: (copy / f).stat().st_mtime_ns for f in others}
    assert {f for f in others if now[f] != others[f]} <= piece


def test_exchanged_parts_are_found_and_mended(copy: Path, good: Path) -> None:
    for one, other in zip(
        files_of(copy, "part", 0), files_of(copy, "part", 1), strict=True
    ):
        first = (copy / one).read_bytes()
        (copy / one).write_bytes((copy / other).read_bytes())
        (copy / other).write_bytes(first)
    assert ad.verify(copy).pieces == (("part", 0), ("part", 1))
    assert_mended(copy, good)


def test_a_whole_store_is_left_as_it_is(copy: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in copy.rglob("*")}
    done = ad.repair(copy)
    assert done.passed
    assert (done.restored, done.pieces, done.removed) == ([], [], [])
    assert {file: file.stat().st_mtime_ns for file in copy.rglob("*")} == before


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as some,
        Client(some, set_as_default=False) as started,
    ):
        yield started


def test_workers_mend_as_this_process_does(
    copy: Path, good: Path, client: Client
) -> None:
    for index in range(3):
        for name in files_of(good, "part", index):
            (copy / name).unlink()
    (copy / metadata_of(copy)).unlink()
    done = assert_mended(copy, good, client=client)
    assert len(done.pieces) == 3


# Files of others.


def test_foreign_files_are_named_and_deleted_only_if_asked(
    copy: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "note.txt").write_text("mine")
    assert run("repair", copy) == 1
    told = "no part of the store (--remove-foreign deletes it): note.txt"
    assert told in capsys.readouterr().out
    assert (copy / "note.txt").read_text() == "mine"
    assert run("repair", copy, "--remove-foreign", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["removed"], found["foreign"]) == (["note.txt"], [])
    assert contents(copy) == contents(good)


def test_what_killed_processes_left_is_swept(copy: Path, good: Path) -> None:
    (copy / f"checksums.txt.{'2' * 32}.partial").write_bytes(b"half")
    (copy.parent / f"{copy.name}.{'3' * 32}.partial").mkdir()
    journals = copy.with_name(f"{copy.name}.receipts")
    journals.mkdir()
    (journals / "some.jsonl").write_bytes(b"half")
    flip(copy / "checksums.txt")
    assert_mended(copy, good)


# Two damaged files, and both copies.


def spoil_copy_in_spare(path: Path, name: str) -> None:
    """Change one byte of the spare copy of a file."""
    data = (path / name).read_bytes()
    spare = (path / "spare.zip").read_bytes()
    # The longest text that nothing else has: the middle of the file.
    place = spare.find(data)
    assert place >= 0
    flip(path / "spare.zip", place + len(data) // 2)


@pytest.mark.parametrize("other", ["metadata", "list", "part", "block", "grid"])
@pytest.mark.parametrize("by", ["repair", "generate"])
def test_a_lost_spare_and_another_lost_file_are_mended(
    copy: Path, good: Path, other: str, by: str
) -> None:
    names = {
        "metadata": metadata_of(copy),
        "list": "checksums.txt",
        "part": files_of(copy, "part", 1)[0],
        "block": files_of(copy, "block", 0)[0],
        # Those of the built-in grid, which is known.
        "grid": max(files_of(copy), key=lambda name: (copy / name).stat().st_size),
    }
    (copy / "spare.zip").unlink()
    (copy / names[other]).unlink()
    if other == "metadata":
        # The plan is gone in both copies.
        before = contents(copy)
        done = ad.repair(copy)
        assert not done.passed
        assert "one whole copy of its plan; make the store again" in done.lost[0]
        assert contents(copy) == before
        assert not ad.verify(copy).passed
        assert run("generate", copy) == 2
    elif by == "repair":
        assert_mended(copy, good)
    else:
        assert run("generate", copy) == 0
        assert contents(copy) == contents(good)


def test_a_damaged_root_and_a_damaged_copy_of_it_are_mended(
    copy: Path, good: Path
) -> None:
    name = metadata_of(copy)
    root = json.loads((copy / name).read_text())
    flip(copy / "spare.zip", (copy / "spare.zip").read_bytes().find(b'"complete"'))
    root["attributes"]["title"] = "Another"
    (copy / name).write_text(json.dumps(root))
    # The plan can still be read, and all else follows from it.
    assert_mended(copy, good)


def test_a_root_that_does_not_follow_from_its_plan_is_not_written(copy: Path) -> None:
    name = metadata_of(copy)
    root = json.loads((copy / name).read_text())
    flip(copy / "spare.zip", (copy / "spare.zip").read_bytes().find(b'"complete"'))
    root["attributes"]["environments"] = "[]"
    (copy / name).write_text(json.dumps(root))
    before = contents(copy)
    done = ad.repair(copy)
    assert f"one whole copy of {name}" in done.lost[0]
    assert contents(copy) == before
    # Of what made the galaxies nothing is known then, and no bit is promised.
    assert ad.repair(copy, new_checksums=True).passed
    assert ad.verify(copy).passed


def test_new_checksums_of_images_come_with_their_statistics(
    copy: Path, seds: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = work.read_plan(copy)
    # A machine that gives other bytes, by far.
    elsewhere = Simulation(plan.recipe, seds, 2 * plan.scale), plan
    monkeypatch.setattr(work, "simulation_of", lambda *_: elsewhere)
    before = ad.pixel_statistics(copy)
    flip(copy / files_of(copy, "part", 1)[0])
    assert ad.repair(copy, new_checksums=True).passed
    assert not before.equals(ad.pixel_statistics(copy))
    monkeypatch.undo()
    checks = {check.name: check.passed for check in ad.verify(copy, full=True).checks}
    assert checks.pop("galaxies made again") is False
    assert all(checks.values())


@pytest.fixture(scope="module")
def of_another_grid(
    good: Path, tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray
) -> tuple[Path, Path]:
    """A store of a grid that is not the built-in one, and a file with that grid."""
    folder = tmp_path_factory.mktemp("other")
    grid = (1.5 * seds.isel(template=slice(0, 60, 2))).assign_attrs(seds.attrs)
    ad.write_seds(grid, folder / "grid.nc")
    path = folder / good.name
    ad.write(small(), path, seds=ad.read_seds(folder / "grid.nc"))
    return path, folder / "grid.nc"


def grid_files(path: Path) -> list[str]:
    """Return the largest files that are no piece's: those of the grid's fluxes."""
    sizes = {name: (path / name).stat().st_size for name in files_of(path)}
    return sorted(sizes, key=sizes.__getitem__)[-1:]


def test_a_grid_that_is_lost_in_both_copies_can_be_brought_again(
    of_another_grid: tuple[Path, Path],
    tmp_path: Path,
    seds: xr.DataArray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, grid = of_another_grid
    copy = tmp_path / good.name
    shutil.copytree(good, copy)
    for name in grid_files(good):
        spoil_copy_in_spare(copy, name)
        flip(copy / name)
    flip(copy / files_of(good, "part", 1)[0])
    assert run("repair", copy) == 1
    assert "bring the grid it was made with: --seds FILE" in capsys.readouterr().out
    assert run("verify", copy) == 1
    with pytest.raises(InputError, match="seds: got another grid"):
        ad.repair(copy, seds=seds)
    capsys.readouterr()
    assert run("repair", copy, "--seds", grid) == 0
    assert contents(copy) == contents(good)


def test_a_rerun_brings_the_grid_again_too(
    of_another_grid: tuple[Path, Path], tmp_path: Path
) -> None:
    good, grid = of_another_grid
    copy = tmp_path / good.name
    shutil.copytree(good, copy)
    for name in grid_files(good):
        (copy / name).unlink()
    (copy / "spare.zip").unlink()
    assert run("generate", copy) == 2
    assert run("generate", copy, "--seds", grid) == 0
    assert contents(copy) == contents(good)


def test_a_catalogue_that_is_lost_in_both_copies_can_be_brought_again(
    good: Path, tmp_path: Path, seds: xr.DataArray
) -> None:
    text = "galaxy_id,sersic_index\n" + "".join(
        f"{7 * k},{1 + k / 24}\n" for k in range(24)
    )
    (tmp_path / "table.csv").write_text(text)
    path = tmp_path / "stores" / good.name
    path.parent.mkdir()
    ad.write(small(), path, seds=seds, catalogue=tmp_path / "table.csv")
    whole = contents(path)
    plain = set(files_of(good))
    (lost, *_) = [
        n for n in files_of(path) if n not in plain and not n.endswith("json")
    ]
    flip(path / lost)
    assert ad.repair(path).passed
    assert contents(path) == whole
    spoil_copy_in_spare(path, lost)
    flip(path / lost)
    done = ad.repair(path)
    assert "bring the table it was made with: --catalogue FILE" in done.lost[0]
    other = text.replace("1.0", "1.5")
    (tmp_path / "other.csv").write_text(other)
    with pytest.raises(InputError, match="catalogue: got another table"):
        ad.repair(path, catalogue=tmp_path / "other.csv")
    assert run("repair", path, "--catalogue", tmp_path / "table.csv") == 0
    assert contents(path) == whole


# Other machines.


def close_as_if_elsewhere(path: Path) -> None:
    """Close a store as if another machine, with other last bits, had made it."""
    name = metadata_of(path)
    root = unsealed(read_root(path / name))
    here = environment()
    root["attributes"]["environments"] = json.dumps([{**here, "processor": "another"}])
    entries = read_list(path)
    del entries["spare.zip"]
    for file in files_of(path, "part", 1):
        entries[file] = dataclasses.replace(
            entries[file],
            record=dataclasses.replace(entries[file].record, crc32c=1),
        )
    entries = closing.write_copies(path, name, root, entries)
    closing.seal(path, name, root, entries)


def test_other_bits_than_those_recorded_are_told_and_recorded_only_if_asked(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    close_as_if_elsewhere(copy)
    wrong = files_of(copy, "part", 1)
    recorded = (copy / "checksums.txt").read_bytes()
    assert run("repair", copy, "--json") == 1
    assert json.loads(capsys.readouterr().out)["differing"] == wrong
    assert (copy / "checksums.txt").read_bytes() == recorded
    assert run("repair", copy) == 1
    assert "--new-checksums records them" in capsys.readouterr().out
    assert run("repair", copy, "--new-checksums") == 0
    report = ad.verify(copy)
    assert report.passed, report.to_json()
    entries = read_list(copy)
    assert {entries[name].environment for name in wrong} == {1}
    assert all(record_of(copy / n) == e.record for n, e in entries.items())
    root = read_root(copy / metadata_of(copy))
    assert json.loads(root["attributes"]["environments"])[1] == environment()


# What may not be mended.


def test_an_unfinished_store_is_for_generate(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    def stop(made: int, _: int) -> None:
        if made:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ad.write(small(), tmp_path / "pairs.zarr", seds=seds, progress=stop)
    with pytest.raises(IncompleteError, match=r"argdask generate .* goes on with it"):
        ad.repair(tmp_path / "pairs.zarr")
    assert run("repair", tmp_path / "pairs.zarr") == 3


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(InputError, match="a store that argdask made"):
            ad.repair(path)


_COMMANDS = """
import contextlib, io, json, sys
from argdask import cli, mending
told = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(arguments)
        except SystemExit as ended:
            code = ended.code
    told.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""


Commands = Callable[..., list[tuple[int, str, str]]]


@pytest.fixture
def as_ordinary_user(as_another_user: RunAsAnother) -> Commands:
    """Run commands as a user who owns nothing.

    Returns the exit code of each, and what it wrote to both streams.
    """

    def run_all(*commands: list[object]) -> list[tuple[int, str, str]]:
        given = json.dumps([[str(one) for one in command] for command in commands])
        ran = as_another_user("-c", _COMMANDS, given, cwd=Path("/"))
        assert ran.returncode == 0, ran.stderr
        return [(code, out, err) for code, out, err in json.loads(ran.stdout)]

    return run_all


@pytest.fixture
def of_another_user(good: Path) -> Iterator[Path]:
    """A store in a folder that others may read, but not write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / good.name
        shutil.copytree(good, path)
        for one in (path, *path.rglob("*")):
            one.chmod(0o755 if one.is_dir() else 0o644)
        yield path


def test_another_users_store_can_be_verified_but_not_mended(
    of_another_user: Path, as_ordinary_user: Commands
) -> None:
    path = of_another_user
    wrong, shorter = files_of(path, "part", 1)[0], files_of(path, "block", 0)[0]
    ((code, out, err),) = as_ordinary_user(["verify", path])
    assert (code, err) == (0, ""), out
    flip(path / wrong)
    cut(path / shorter)
    before = contents(path)
    verified, *others = as_ordinary_user(
        ["verify", path], ["repair", path], ["generate", path]
    )
    assert verified[0] == 1
    assert f"{wrong} has checksum" in verified[1]
    for code, _, err in others:
        assert code == 2
        assert "a folder that you may write; ask its owner" in err
        assert err.count("\n") == 1
    assert contents(path) == before


def test_files_that_may_not_be_read_are_named(
    of_another_user: Path, as_ordinary_user: Commands
) -> None:
    path = of_another_user
    hidden = files_of(path, "part", 1)[0]
    (path / hidden).chmod(0o600)
    verified, mended = as_ordinary_user(["verify", path], ["repair", path])
    assert (verified[0], mended[0]) == (1, 1)
    assert f"{hidden} may not be read by you" in verified[1]
    assert f"cannot be mended: {hidden} may not be read by you" in mended[1]


@pytest.mark.parametrize("command", ["inspect", "preview", "verify"])
def test_what_reads_a_damaged_store_says_so_in_one_line(
    copy: Path, good: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = contents(good)
    options = ["-o", "picture.png"] if command == "preview" else []
    chosen = random.Random(command)
    others = files_of(good)
    names = chosen.sample(others, min(6, len(others))) + files_of(good, "part", 0)[:1]
    for name in [metadata_of(good)] * 5 + names:
        harm = chosen.choice([lose, empty, cut, flip])
        if harm is flip:
            flip(copy / name, chosen.randrange(len(whole[name])), 1 << 5)
        else:
            harm(copy / name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = run(command, copy, *options)
        told = capsys.readouterr()
        # What is not read, or is still readable, is no hindrance to a look.
        assert code in ((1,) if command == "verify" else (0, 2)), (name, harm, told)
        assert told.err.count("\n") == (code == 2), (name, harm, told.err)
        shutil.rmtree(copy)
        shutil.copytree(good, copy)
