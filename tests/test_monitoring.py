"""How far a store is, from what is on disk: done, failed, rate and time left."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import argdask as ad
from argdask import monitoring
from argdask.store import receipts, staging
from argdask.store.work import read_plan

RECIPE = ad.Recipe(
    galaxies=60, image_shape=(12, 12), layout={"part": 8, "chunk": 4, "block": 16}
)


@pytest.fixture
def begun(tmp_path: Path, seds: xr.DataArray) -> Path:
    """A store of which two parts and two blocks are there."""
    path = tmp_path / "pairs.zarr"
    ad.init(RECIPE, path, seds=seds)
    # Pieces 0, 3, 6 and 9: blocks 0 and 3, parts 2 and 5.
    ad.part(path, 0, 3)
    return path


def contents(path: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_a_store_is_followed_from_its_beginning_to_its_end(
    tmp_path: Path, begun: Path
) -> None:
    before = contents(tmp_path)
    found = ad.status(begun)
    assert contents(tmp_path) == before
    assert found.state == "incomplete"
    assert (found.parts.done, found.parts.of) == (2, 8)
    assert (found.blocks.done, found.blocks.of) == (2, 4)
    assert (found.galaxies.done, found.galaxies.of) == (16, 60)
    assert found.failed == ()
    assert found.rate is not None
    assert found.seconds_left == pytest.approx(44 / found.rate)
    ad.write(None, begun)
    found = ad.status(begun)
    assert found.state == "complete"
    assert (found.parts.done, found.blocks.done, found.galaxies.done) == (8, 4, 60)
    assert (found.rate, found.seconds_left) == (None, None)


def test_a_part_whose_files_are_gone_is_not_done(begun: Path) -> None:
    (begun / "input" / "c.2.0.0.0").unlink()
    assert ad.status(begun).parts.done == 1


def test_the_rate_is_that_of_the_last_minutes(begun: Path) -> None:
    done, _ = receipts.done_and_failed(begun, read_plan(begun))
    parts = [r for r in done if r.kind == "part"]
    now = time.time()
    late = [
        dataclasses.replace(r, finished=now - age, seconds=10.0)
        for r, age in zip(parts, (0.0, 20.0), strict=True)
    ]
    # Sixteen galaxies in the thirty seconds since the first of them was begun.
    assert monitoring._rate(late, now) == pytest.approx(16 / 30)
    # Two workers side by side are twice as fast as one.
    both = [dataclasses.replace(r, finished=now, seconds=10.0) for r in parts]
    assert monitoring._rate(both, now) == pytest.approx(16 / 10)
    # Nothing of long ago, and nothing of a clock that is ahead.
    early = [dataclasses.replace(late[0], finished=now - 301.0), late[1]]
    assert monitoring._rate(early, now) == pytest.approx(8 / 30)
    ahead = [dataclasses.replace(late[0], finished=now + 60.0)]
    assert monitoring._rate(ahead, now) is None
    # A work of hours counts for the window only as far as it lies in it.
    long = [dataclasses.replace(late[0], finished=now, seconds=3000.0)]
    assert monitoring._rate(long, now) == pytest.approx(8 / 3000)
    assert monitoring._rate([], now) is None


def test_the_text_and_the_json_say_the_same(begun: Path) -> None:
    plan = read_plan(begun)
    receipts.Journal(begun).fail(plan, ("part", 7), 3, "ValueError: no light")
    found = ad.status(begun)
    text = found.to_text()
    assert text.splitlines()[0] == f"{begun}: incomplete"
    assert "galaxies  16 of 60" in text
    assert "parts     2 of 8" in text
    assert "failed    part 7 after 3 attempts (" in text
    assert "ValueError: no light" in text
    fields = json.loads(found.to_json())
    assert fields["galaxies"] == {"done": 16, "of": 60}
    assert fields["failed"][0]["reason"] == "ValueError: no light"
    assert fields["rate"] == found.rate


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600 * 30 + 120, "30 h 2 min")],
)
def test_times_are_told_in_units_that_fit(seconds: float, spoken: str) -> None:
    assert monitoring._spoken(seconds) == spoken


def test_all_is_made_while_an_extension_is_folded_in(
    tmp_path: Path, seds: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "pairs.zarr", staging._rename
    ad.write(RECIPE.model_copy(update={"scale": 1.0}), path, seds=seds)
    seen = []

    def looked_at(*arguments: Any) -> None:
        seen.append(ad.status(path))
        rename(*arguments)
        seen.append(ad.status(path))

    monkeypatch.setattr(staging, "_rename", looked_at)
    larger = RECIPE.model_copy(update={"scale": 1.0, "galaxies": 100})
    ad.write(larger, path, seds=seds)
    # Before and after the files, and the root, are moved.
    states = [one.state for one in seen]
    assert states == ["being extended", "being extended", "being extended", "complete"]
    for one in seen:
        assert (one.galaxies.done, one.galaxies.of) == (100, 100)
        assert (one.parts.done, one.parts.of) == (13, 13)
        assert (one.blocks.done, one.blocks.of) == (7, 7)
