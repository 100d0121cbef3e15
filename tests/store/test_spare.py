"""Spare copies: the same bytes every time, readable by any tool, damaged or not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argdask.store import spare
from argdask.store.files import record_of
from argdask.store.spare import SPARE, Spare

FILES = {"a": b"", "folder/b": bytes(range(256)) * 20, "folder/c.json": b'{"a": 1}'}
TEXTS = {"checksums.txt": b"list", "a.json": b"root"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with some files."""
    for name, data in FILES.items():
        file = tmp_path / "store" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return tmp_path / "store"


def test_copies_are_read_back_by_any_tool(store: Path) -> None:
    record = spare.write(store, FILES, TEXTS)
    assert record == record_of(store / SPARE)
    copies = Spare(store)
    assert copies.names == FILES.keys() | TEXTS.keys()
    for name, data in {**FILES, **TEXTS}.items():
        assert copies.get(name) == data
    with zipfile.ZipFile(store / SPARE) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted({**FILES, **TEXTS})
    assert copies.get("other") is None


def test_the_bytes_follow_from_the_contents(store: Path) -> None:
    first = spare.write(store, FILES, TEXTS)
    for name, data in reversed(FILES.items()):
        (store / name).unlink()
        (store / name).write_bytes(data)
    again = spare.write(store, reversed(list(FILES)), dict(reversed(TEXTS.items())))
    assert first == again


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 2**20), change=st.integers(1, 255))
def test_a_changed_byte_gives_whole_copies_or_none(
    store: Path, position: int, change: int
) -> None:
    spare.write(store, FILES, TEXTS)
    data = bytearray((store / SPARE).read_bytes())
    data[position % len(data)] ^= change
    (store / SPARE).write_bytes(data)
    copies = Spare(store)
    for name, whole in {**FILES, **TEXTS}.items():
        assert copies.get(name) in (whole, None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.integers(0, 2**14))
def test_of_a_file_cut_short_there_are_no_copies(store: Path, kept: int) -> None:
    size = spare.write(store, FILES, TEXTS).size
    data = (store / SPARE).read_bytes()
    (store / SPARE).write_bytes(data[: kept % size])
    assert Spare(store).names == frozenset()


def test_without_the_file_there_are_none(store: Path) -> None:
    assert Spare(store).names == frozenset()
    assert Spare(store / "none").get("a") is None
