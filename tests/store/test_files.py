"""Whole files: there when they are whole, known by their checksum, or not there."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask.store import files
from argdask.store.files import (
    FileRecord,
    record_of,
    sync_tree,
    whole_file,
    whole_path,
)


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "whole"
    with whole_file(path) as file:
        file.write(b"first")
        assert not path.exists()
        (partial,) = tmp_path.iterdir()
        assert partial.name.endswith(files.PARTIAL)
        file.write(b"second")
    assert [found.name for found in tmp_path.iterdir()] == ["whole"]
    assert path.read_bytes() == b"firstsecond"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_on_the_way_leaves_nothing(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def write_and_fail() -> None:
        with whole_file(tmp_path / "whole") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_older_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "whole"
    path.write_bytes(b"older")

    def write_and_fail() -> None:
        with whole_file(path) as file:
            file.write(b"newer")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        write_and_fail()
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_its_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "whole"
    path.mkdir()

    def write() -> None:
        with whole_file(path) as file:
            file.write(b"newer")

    with pytest.raises(OSError, match="directory"):
        write()
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_of_the_older_file_keeps_it_when_it_is_replaced(
    tmp_path: Path,
) -> None:
    path = tmp_path / "whole"
    path.write_bytes(b"older")
    with path.open("rb") as reader:
        with whole_file(path) as file:
            file.write(b"newer and longer")
        assert reader.read() == b"older"
    assert path.read_bytes() == b"newer and longer"


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    with whole_file(tmp_path / "whole") as file:
        file.write(b"some")
    record_of(tmp_path / "whole")
    sync_tree(tmp_path)
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_files_follow_the_umask(tmp_path: Path) -> None:
    kept = os.umask(0o027)
    try:
        with whole_file(tmp_path / "whole") as file:
            file.write(b"some")
    finally:
        os.umask(kept)
    assert stat.S_IMODE((tmp_path / "whole").stat().st_mode) == 0o640


@given(pieces=st.lists(st.binary(max_size=300), max_size=6))
def test_the_checksum_is_that_of_the_bytes(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("files") / "whole"
    with whole_file(path) as file:
        for piece in pieces:
            file.write(piece)
    data = b"".join(pieces)
    assert path.read_bytes() == data
    expected = FileRecord(len(data), google_crc32c.value(data))
    assert file.record == expected
    assert record_of(path) == expected


def test_a_file_larger_than_one_read_has_one_checksum(tmp_path: Path) -> None:
    # Several reads of record_of, and arrays of another type than bytes.
    values = np.arange(3 * files._READ_BYTES // 8 + 5, dtype="<i8")
    path = tmp_path / "whole"
    with whole_file(path) as file:
        file.write(values[:1000].reshape(10, 100))
        file.write(values[1000:])
    assert path.read_bytes() == values.tobytes()
    expected = FileRecord(values.nbytes, google_crc32c.value(values.tobytes()))
    assert file.record == record_of(path) == expected


def test_what_takes_no_advice_is_written_all_the_same() -> None:
    # A pipe has nothing that could be sent ahead, and says so.
    values = np.arange(3 * files._BEHIND_BYTES // 8, dtype="<i8")
    found: list[bytes] = []
    reading, writing = os.pipe()

    def read() -> None:
        with os.fdopen(reading, "rb") as pipe:
            found.append(pipe.read())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        file = files.WholeFile(writing)
        for some in np.array_split(values, 6):
            file.write(some)
    finally:
        os.close(writing)
        reader.join()
    assert found == [values.tobytes()]
    assert file.record.size == values.nbytes


def test_all_of_a_tree_can_be_synced(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "file").write_bytes(b"some")
    sync_tree(tmp_path)
    assert (below / "file").read_bytes() == b"some"


def test_a_file_written_by_its_path_appears_only_when_it_is_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "whole"
    path.write_bytes(b"older")
    with whole_path(path) as whole:
        assert not whole.path.exists()
        assert whole.path.name.endswith(files.PARTIAL)
        whole.path.write_bytes(b"newer and longer")
        assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"newer and longer"
    assert whole.record == record_of(path)


@pytest.mark.parametrize("begun", [False, True])
def test_an_error_while_a_path_is_written_leaves_nothing(
    tmp_path: Path, begun: bool
) -> None:
    def write_and_fail() -> None:
        with whole_path(tmp_path / "whole") as whole:
            if begun:
                whole.path.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_nobody_wrote_is_an_error(tmp_path: Path) -> None:
    def write_nothing() -> None:
        with whole_path(tmp_path / "whole"):
            pass

    with pytest.raises(FileNotFoundError):
        write_nothing()
    assert list(tmp_path.iterdir()) == []
