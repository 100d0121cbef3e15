"""The list of a store's files: what is written is read, and nothing else is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask.store.files import FileRecord, is_inside
from argdask.store.listing import Entry, from_bytes, pieces_in, to_bytes

ENTRIES = st.dictionaries(
    st.text(min_size=1, max_size=20).filter(is_inside).filter(str.isprintable),
    st.builds(
        Entry,
        st.builds(FileRecord, st.integers(0, 2**50), st.integers(0, 2**32 - 1)),
        st.integers(-1, 3),
        st.none()
        | st.tuples(st.sampled_from(["part", "block"]), st.integers(0, 10**9)),
    ),
    min_size=1,
)


@given(entries=ENTRIES)
def test_a_list_is_read_back(entries: dict[str, Entry]) -> None:
    assert from_bytes(to_bytes(entries)) == entries


@given(entries=ENTRIES, position=st.integers(0, 2**20), change=st.integers(1, 255))
def test_a_changed_byte_gives_another_list_or_none(
    entries: dict[str, Entry], position: int, change: int
) -> None:
    data = bytearray(to_bytes(entries))
    data[position % len(data)] ^= change
    try:
        found = from_bytes(bytes(data))
    except ValueError:
        return
    # A last line without its end is still whole.
    assert found != entries or data[-1] != ord("\n")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "0123456 1 0 - a",
        "01234567 -1 0 - a",
        "01234567 1 -2 - a",
        "01234567 1 0 part a",
        "01234567 1 0 plan.1 a",
        "01234567 1 0 - /etc/passwd",
        "01234567 1 0 - ../a",
        "01234567 1 0 - ",
    ],
)
def test_other_lines_are_refused(line: str) -> None:
    whole = b"01234567 1 0 part.3 input/c.3\n"
    assert from_bytes(whole)["input/c.3"].piece == ("part", 3)
    with pytest.raises(ValueError, match="no line of a list of checksums"):
        from_bytes(whole + line.encode() + b"\n")


def test_pieces_come_once_and_blocks_first() -> None:
    record = FileRecord(1, 1)
    pieces = {"a": ("part", 10), "b": ("part", 9), "c": ("block", 0), "d": ("part", 9)}
    entries = {name: Entry(record, 0, piece) for name, piece in pieces.items()}
    entries["e"] = Entry(record)
    found = pieces_in(entries, [*entries, "not there"])
    assert found == [("block", 0), ("part", 9), ("part", 10)]
