"""A store a step at a time: the bytes of one run, in any order, again and killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hard_exits
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import argdask as ad
from argdask import cli
from argdask.errors import IncompleteError, InputError
from argdask.store.receipts import done_receipts
from argdask.store.work import read_plan

RECIPE = ad.Recipe(
    galaxies=60, image_shape=(12, 12), layout={"part": 8, "chunk": 4, "block": 16}
)
PIECES = 8 + 4


def contents(path: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray
) -> dict[str, bytes]:
    """Every file of the store, made in one go."""
    path = tmp_path_factory.mktemp("undisturbed") / "pairs.zarr"
    ad.write(RECIPE, path, seds=seds)
    return contents(path)


def run(*arguments: str) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(str(ended.value.code))


def done(path: Path) -> list[tuple[str, int]]:
    return [(r.kind, r.index) for r in done_receipts(path, read_plan(path))]


@pytest.mark.parametrize("shares", [1, 3, PIECES, PIECES + 5])
def test_any_number_of_shares_makes_the_bytes_of_one_run(
    tmp_path: Path, seds: xr.DataArray, undisturbed: dict[str, bytes], shares: int
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.init(RECIPE, path, seds=seds)
    assert done(path) == []
    made = [ad.part(path, k, shares).made for k in reversed(range(shares))]
    assert sum(made) == 60
    assert ad.finalise(path).made == 0
    assert contents(path) == undisturbed
    assert [found.name for found in tmp_path.iterdir()] == ["pairs.zarr"]


@settings(max_examples=8)
@given(
    order=st.permutations(range(4)),
    again=st.lists(st.integers(0, 3), max_size=3),
    middle=st.integers(0, 4),
)
def test_shares_in_any_order_and_again_and_then_one_run(
    tmp_path_factory: pytest.TempPathFactory,
    seds: xr.DataArray,
    undisturbed: dict[str, bytes],
    order: list[int],
    again: list[int],
    middle: int,
) -> None:
    path = tmp_path_factory.mktemp("shares") / "pairs.zarr"
    ad.init(RECIPE, path, seds=seds)
    for share in (*order[:middle], *again):
        ad.part(path, share, 4)
    for share in again:
        assert ad.part(path, share, 4).made == 0
    if len({*order[:middle], *again}) < 4:
        with pytest.raises(IncompleteError, match="pieces are missing"):
            ad.finalise(path)
    # Whatever is missing, the one command makes it.
    ad.write(None, path)
    assert contents(path) == undisturbed


def test_a_share_is_every_piece_of_one_remainder(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.init(RECIPE, path, seds=seds)
    progress: list[tuple[int, int]] = []
    ad.part(path, 2, 5, progress=lambda *numbers: progress.append(numbers))
    # Blocks 0 to 3 are pieces 0 to 3, parts 0 to 7 are pieces 4 to 11.
    assert done(path) == [("block", 2), ("part", 3)]
    assert progress == [(0, 8), (8, 8)]
    # It has a journal of its own, and nothing to do the next time.
    ad.part(path, 2, 5)
    assert len(list(tmp_path.glob("pairs.zarr.receipts/*"))) == 1


def test_what_is_missing_is_named_and_nothing_touched(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.init(RECIPE, path, seds=seds)
    ad.part(path, 0, 2)
    before = contents(tmp_path)
    named = "6 pieces are missing: block 1, block 3, part 1, part 3, part 5, part 7;"
    with pytest.raises(IncompleteError, match=named):
        ad.finalise(path)
    assert contents(tmp_path) == before
    ad.part(path, 1, 2)
    ad.finalise(path)
    assert ad.finalise(path).plan.galaxies == 60
    assert ad.part(path, 1, 2).made == 0
    assert ad.init(RECIPE, path, seds=seds).made == 0
    assert ad.verify(path).passed


@pytest.mark.parametrize(("index", "of"), [(-1, 4), (4, 4), (0, 0)])
def test_a_share_that_is_none_is_refused(
    tmp_path: Path, seds: xr.DataArray, index: int, of: int
) -> None:
    ad.init(RECIPE, tmp_path / "pairs.zarr", seds=seds)
    with pytest.raises(InputError, match=r"index: got .*; shares count from 0"):
        ad.part(tmp_path / "pairs.zarr", index, of)


@pytest.mark.parametrize("step", [lambda p: ad.part(p, 0, 2), ad.finalise, ad.status])
def test_without_a_store_there_is_nothing_to_do(
    tmp_path: Path, step: Callable[[Path], Any]
) -> None:
    with pytest.raises(InputError, match="a store that argdask made"):
        step(tmp_path / "none.zarr")
    assert list(tmp_path.iterdir()) == []


def test_init_refuses_another_recipe_and_leaves_what_is_there(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.init(RECIPE, path, seds=seds)
    before = contents(tmp_path)
    other = RECIPE.model_copy(update={"seed": 1})
    with pytest.raises(InputError, match=r"seed \(4251 there, 1 asked for\)"):
        ad.init(other, path, seds=seds)
    ad.init(RECIPE, path, seds=seds)
    assert contents(tmp_path) == before


# The commands.

CHOICES = [
    *("--galaxies", "60", "--set", "image_shape=12"),
    *("--set", "layout={part: 8, chunk: 4, block: 16}"),
]


def test_the_commands_make_the_bytes_of_generate(
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("init", "pairs.zarr", *CHOICES) == 0
    told = capsys.readouterr().out
    assert "60 galaxies in 8 parts and 4 blocks to be made" in told
    assert "argdask part pairs.zarr --index K --of M" in told
    assert run("part", "pairs.zarr", "--index", "1", "--of", "2") == 0
    assert "share 1 of 2 is done; 28 galaxies made now" in capsys.readouterr().out
    assert run("finalise", "pairs.zarr") == 3
    assert "6 pieces are missing: block 0, block 2, part 0" in capsys.readouterr().err
    assert run("part", "pairs.zarr", "--index", "0", "--of", "2") == 0
    assert run("status", "pairs.zarr") == 0
    assert "parts     8 of 8" in capsys.readouterr().out
    assert run("finalise", "pairs.zarr") == 0
    assert "pairs.zarr: 60 pairs (" in capsys.readouterr().out
    assert contents(tmp_path / "pairs.zarr") == undisturbed


def test_a_share_with_a_failure_ends_with_3_and_makes_the_others(
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("init", "pairs.zarr", *CHOICES) == 0
    # Nothing can be renamed to where a folder is.
    blocked = tmp_path / "pairs.zarr" / "target" / "c.3.0.0.0"
    blocked.mkdir(parents=True)
    capsys.readouterr()
    assert run("part", "pairs.zarr", "--index", "0", "--of", "1") == 3
    assert "part 3 (IsADirectoryError: " in capsys.readouterr().err
    assert run("status", "pairs.zarr", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["parts"] == {"done": 7, "of": 8}
    (failure,) = report["failed"]
    assert (failure["kind"], failure["index"], failure["attempts"]) == ("part", 3, 3)
    assert failure["reason"].startswith("IsADirectoryError: ")
    assert failure["host"]
    blocked.rmdir()
    assert run("part", "pairs.zarr", "--index", "0", "--of", "1") == 0
    assert run("status", "pairs.zarr", "--json") == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["failed"] == []
    assert run("finalise", "pairs.zarr") == 0
    assert contents(tmp_path / "pairs.zarr") == undisturbed


# Hard exits at each point of the work on a piece, as a machine that goes off.

POINTS = {
    "before writing": "zarr_store.columns_of_rows",
    "between variables": "zarr_store.write_shard, 2",
    "between columns": "zarr_store.write_chunk, 5",
    "in the middle of a file": "files.WholeFile.write, 40",
    "before the rename": "files.os.fsync, 15",
    "after writing": "work.environment, 4",
    "before the receipt": "receipts.Journal.append, 3",
    "inside the receipt": "receipts.os.fsync, 20",
    "before closing": "closing.sweep",
    "inside closing": "closing._entries",
    "before the copies": "closing.write_copies",
    "before the commit": "closing.seal",
    "inside the commit": "closing.sealed_bytes",
    "before the receipts go": "run.remove_receipts",
}
CODE = 'ad.part("pairs.zarr", 0, 1); ad.finalise("pairs.zarr")'


@pytest.fixture(scope="module")
def run_forked() -> Iterator[hard_exits.Run]:
    """Run code that may end at any call."""
    with hard_exits.forked_runs() as forked:
        yield forked


@pytest.mark.parametrize("point", POINTS)
def test_a_hard_exit_at_any_point_changes_no_byte(
    tmp_path: Path,
    seds: xr.DataArray,
    undisturbed: dict[str, bytes],
    run_forked: hard_exits.Run,
    point: str,
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.init(RECIPE, path, seds=seds)
    # A second time, so that what the first left is met by a death too.
    codes = [run_forked(tmp_path, CODE, POINTS[point]) for _ in range(2)]
    assert codes[0] == hard_exits.EXIT
    assert codes[1] in (hard_exits.EXIT, 0)
    ad.part(path, 0, 1)
    ad.finalise(path)
    assert contents(path) == undisturbed
    assert [found.name for found in tmp_path.iterdir()] == ["pairs.zarr"]
