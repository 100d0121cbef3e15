"""Receipts: what is on disk counts, whoever wrote it and however it was cut off."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask.recipe import Recipe
from argdask.store.files import FileRecord, record_of
from argdask.store.plan import Plan
from argdask.store.provenance import environment, job_id
from argdask.store.receipts import (
    Journal,
    Receipt,
    done_and_failed,
    done_receipts,
    read_journals,
    remove_receipts,
)

PLAN = Plan(Recipe(galaxies=64), scale=1.0, seds="", part=16, chunk=4, block=65536)
FINGERPRINT = PLAN.fingerprint


def receipt_of(index: int, size: int = 10, **changes: object) -> Receipt:
    """Return a receipt as a part leaves it."""
    receipt = Receipt(
        fingerprint=FINGERPRINT,
        kind="part",
        index=index,
        start=16 * index,
        stop=16 * index + 16,
        files={
            f"{name}/c.{index}.0.0.0": FileRecord(size, 2**32 - 1 - index)
            for name in ("input", "target")
        },
        seconds=1.234,
        environment=environment(),
        job="123456",
    )
    return dataclasses.replace(receipt, **changes)


def journal_file(store: Path) -> Path:
    """Return the only file of receipts."""
    (path,) = store.with_name(f"{store.name}.receipts").iterdir()
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store that is only a folder with files of ten bytes."""
    path = tmp_path / "pairs.zarr"
    for name in ("input", "target"):
        (path / name).mkdir(parents=True)
        for index in range(4):
            (path / name / f"c.{index}.0.0.0").write_bytes(bytes(10))
    return path


def test_a_receipt_is_read_back_from_its_journal(store: Path) -> None:
    receipt = receipt_of(3, finished=1234.5)
    Journal(store).append(receipt)
    assert list(read_journals(store, FINGERPRINT)) == [receipt]


def test_a_receipt_of_the_largest_set_takes_less_than_a_kilobyte() -> None:
    # 10^12 galaxies in parts of sixteen, four image variables with long names.
    names = ("input_convolved", "target_convolved", "input_noisy", "target_noisy")
    index = 10**12 // 16
    files = {
        f"{name}/c.{index}.0.0.0": FileRecord(256 * 10**6, 2**32 - 1) for name in names
    }
    line = receipt_of(index, files=files, job="1234567.scheduler").to_line()
    assert "\n" not in line
    # DESIGN 6: a receipt is under 1 kB, so that millions of them stay readable.
    assert len(line.encode()) < 600


def test_each_environment_is_written_once_and_shared(store: Path) -> None:
    journal = Journal(store)
    other = {"python": "0.0", "machine": "abacus"}
    for index in range(4):
        made_by = other if index % 2 else environment()
        journal.append(receipt_of(index, environment=made_by))
    text = journal_file(store).read_text()
    assert text.count("abacus") == 1
    assert text.count(environment()["llvmlite"]) >= 1
    assert len(text.splitlines()) == 4 + 2
    found = list(read_journals(store, FINGERPRINT))
    assert [r.environment for r in found] == [environment(), other] * 2
    # One object for all, however many receipts there are.
    assert found[1].environment is found[3].environment
    assert found[0].fingerprint is found[1].fingerprint


def test_where_an_environment_was_lost_what_it_made_is_made_again(store: Path) -> None:
    journal = Journal(store)
    journal.append(receipt_of(0, environment={"machine": "abacus"}))
    path = journal_file(store)
    path.write_text(path.read_text().partition("\n")[2])
    assert done_receipts(store, PLAN) == []
    # That of this process is known without being told.
    Journal(store).append(receipt_of(1))
    for file in path.parent.iterdir():
        lines = file.read_text().splitlines(keepends=True)
        file.write_text(lines[-1])
    assert [r.index for r in done_receipts(store, PLAN)] == [1]


def test_failures_stand_until_the_work_is_done(store: Path) -> None:
    journal = Journal(store)
    journal.fail(PLAN, ("part", 1), 3, "ValueError: first")
    journal.fail(PLAN, ("part", 1), 3, "ValueError: second")
    Journal(store).fail(PLAN, ("part", 2), 1, f"RuntimeError: {'x' * 5000}")
    # None of this plan's: there are four parts and one block.
    journal.fail(PLAN, ("part", 4), 3, "of a larger set")
    journal.fail(dataclasses.replace(PLAN, scale=2.0), ("part", 0), 3, "of another")
    done, failed = done_and_failed(store, PLAN)
    assert done == []
    told = [(f.kind, f.index, f.attempts) for f in failed]
    assert told == [("part", 1, 3), ("part", 2, 1)]
    assert failed[0].reason == "ValueError: second"
    assert failed[0].host
    assert len(failed[1].reason) == 400
    Journal(store).append(receipt_of(1))
    done, failed = done_and_failed(store, PLAN)
    assert [r.index for r in done] == [1]
    assert [f.index for f in failed] == [2]


def test_a_line_after_one_that_was_cut_off_is_whole(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(store)
    journal.append(receipt_of(0))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append(receipt_of(1))
    path = journal_file(store)
    path.write_bytes(path.read_bytes()[:-25])
    journal.append(receipt_of(2))
    assert [r.index for r in done_receipts(store, PLAN)] == [0, 2]


def test_receipts_of_all_writers_count(store: Path) -> None:
    for index in range(3):
        Journal(store).append(receipt_of(index))
    assert len(list(store.with_name("pairs.zarr.receipts").iterdir())) == 3
    found = sorted(r.index for r in read_journals(store, FINGERPRINT))
    assert found == [0, 1, 2]
    assert [r.index for r in done_receipts(store, PLAN)] == [0, 1, 2]


def test_receipts_of_another_plan_do_not_count(store: Path) -> None:
    Journal(store).append(receipt_of(0, fingerprint="cd" * 32))
    Journal(store).append(receipt_of(1))
    assert [r.index for r in done_receipts(store, PLAN)] == [1]


def test_receipts_of_another_number_of_galaxies_do_not_count(store: Path) -> None:
    # The last part of 50 galaxies has two, and the fingerprint does not tell.
    fewer = dataclasses.replace(PLAN, recipe=Recipe(galaxies=50))
    assert fewer.fingerprint == PLAN.fingerprint
    journal = Journal(store)
    journal.append(receipt_of(2))
    journal.append(receipt_of(3, stop=50))
    journal.append(receipt_of(4))
    assert [r.index for r in done_receipts(store, PLAN)] == [2]
    assert [r.index for r in done_receipts(store, fewer)] == [2, 3]


def test_without_receipts_nothing_is_done(store: Path) -> None:
    assert done_receipts(store, PLAN) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(bytes(9)),
        lambda path: path.write_bytes(bytes(11)),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["missing", "shorter", "longer", "folder"],
)
def test_work_is_done_only_while_its_files_have_their_size(
    store: Path, spoil: object
) -> None:
    journal = Journal(store)
    journal.append(receipt_of(0))
    journal.append(receipt_of(1))
    spoil(store / "target" / "c.1.0.0.0")
    assert [r.index for r in done_receipts(store, PLAN)] == [0]


def test_of_two_receipts_the_one_that_fits_the_files_counts(store: Path) -> None:
    # Two machines may have made the same part, each with its own last bits; the file
    # is that of the later one, and the names of the journals do not say which it is.
    true = record_of(store / "input" / "c.0.0.0.0")
    files = {f"{name}/c.0.0.0.0": true for name in ("input", "target")}
    made_last = receipt_of(0, files=files, job="later")
    wrong_size = receipt_of(0, size=11, job="other size")
    wrong_bytes = receipt_of(0, job="other bytes")
    for _ in range(4):
        # Journals sort by their random names: some come before and some after.
        Journal(store).append(wrong_size)
        Journal(store).append(wrong_bytes)
    Journal(store).append(made_last)
    assert done_receipts(store, PLAN) == [made_last]


def test_lines_of_others_are_skipped(store: Path) -> None:
    Journal(store).append(receipt_of(0))
    path = journal_file(store)
    line = path.read_bytes()
    foreign = b'{"index": 2}\n[]\nnull\n12\n"text"\n\n\xff\xfe\x00\nnot a receipt\n'
    path.write_bytes(foreign + line + line + foreign + line[: len(line) // 2])
    # A journal that cannot be read as text at all, and something that is no journal.
    (path.parent / "binary.jsonl").write_bytes(bytes(range(256)) * 10)
    (path.parent / "note.txt").write_bytes(line)
    found = list(read_journals(store, FINGERPRINT))
    assert found == [receipt_of(0), receipt_of(0)]
    assert done_receipts(store, PLAN) == [receipt_of(0)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the journal of three receipts."""
    store = tmp_path_factory.mktemp("receipts") / "pairs.zarr"
    journal = Journal(store)
    for index in range(3):
        journal.append(receipt_of(index))
    return journal_file(store)


# The first line says the environment of all.
LENGTHS = [len(receipt_of(index).to_line()) + 1 for index in range(3)]


def first_line(journal: Path) -> int:
    """Return the length of the line that says the environment."""
    return journal.read_bytes().index(b"\n") + 1


@given(share=st.floats(0, 1))
def test_a_journal_cut_at_any_byte_keeps_its_whole_lines(
    written: Path, share: float
) -> None:
    whole = written.read_bytes()
    assert len(whole) == first_line(written) + sum(LENGTHS)
    kept = round(share * len(whole))
    store = written.parent.with_name("pairs.zarr")
    try:
        written.write_bytes(whole[:kept])
        found = list(read_journals(store, FINGERPRINT))
    finally:
        written.write_bytes(whole)
    # A line without its newline at the end is whole all the same.
    ends = [end for end, byte in enumerate(whole) if byte == ord("\n")]
    expected = max(sum(end <= kept for end in ends) - 1, 0)
    assert found == [receipt_of(index) for index in range(expected)]


@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_flipped_byte_never_makes_another_receipt(
    written: Path, share: float, flip: int
) -> None:
    whole = written.read_bytes()
    position = int(share * len(whole))
    store = written.parent.with_name("pairs.zarr")
    spoilt = bytearray(whole)
    spoilt[position] ^= flip
    try:
        written.write_bytes(spoilt)
        found = list(read_journals(store, FINGERPRINT))
    finally:
        written.write_bytes(whole)
    assert all(receipt in [receipt_of(k) for k in range(3)] for receipt in found)
    # A lost newline spoils the lines on both of its sides, anything else one.
    assert len(found) >= (1 if whole[position] == ord("\n") else 2)


def test_a_writer_goes_on_after_another_was_cut_off(store: Path) -> None:
    Journal(store).append(receipt_of(0))
    path = journal_file(store)
    path.write_bytes(path.read_bytes()[:-20])
    Journal(store).append(receipt_of(1))
    assert [r.index for r in done_receipts(store, PLAN)] == [1]


def test_receipts_are_removed_with_what_killed_runs_left(store: Path) -> None:
    Journal(store).append(receipt_of(0))
    beside = store.parent
    (beside / f"pairs.zarr.receipts.{'f' * 32}.deleting").mkdir()
    unfinished = beside / f"pairs.zarr.{'0' * 32}.partial"
    unfinished.mkdir()
    (unfinished / "zarr.json").write_text("{}")
    others = beside / f"other.zarr.{'0' * 32}.partial"
    others.mkdir()
    remove_receipts(store)
    assert {path.name for path in beside.iterdir()} == {store.name, others.name}
    remove_receipts(store)


def test_the_cluster_job_is_known_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in list(os.environ):
        if "JOB" in name:
            monkeypatch.delenv(name)
    assert job_id() == ""
    monkeypatch.setenv("PBS_JOBID", "17.server")
    assert job_id() == "17.server"
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    assert job_id() == "42"


def test_the_environment_says_what_bits_depend_on() -> None:
    found = environment()
    assert {"argdask", "numpy", "numba", "processor", "machine"} <= set(found)
    assert all(isinstance(value, str) and value for value in found.values())
