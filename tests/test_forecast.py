"""What a set would take, compared with what it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask import cli
from argdask.errors import InputError
from argdask.simulation import Simulation
from argdask.store import pieces, work
from argdask.store.formats import FORMATS
from argdask.store.plan import MOST_PARTS, plan_of

LAYOUT = {"part": 16, "chunk": 8, "block": 32}
SUFFIXES = {"zarr": ".zarr", "netcdf": ".nc"}


def small(**choices: Any) -> ad.Recipe:
    given = {"galaxies": 100, "image_shape": (20, 20), "layout": LAYOUT}
    return ad.Recipe(**{**given, **choices})


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_files_and_bytes_are_those_of_the_store(
    tmp_path: Path, seds: xr.DataArray, name: str, compression: str
) -> None:
    recipe = small(layout={**LAYOUT, "compression": compression})
    found = ad.plan(recipe, seds=seds, store_format=name)
    assert {kind.format for kind in found.kinds} == {name}
    kinds = {kind.compression: kind for kind in found.kinds}
    path = tmp_path / f"pairs{SUFFIXES[name]}"
    if compression not in kinds:
        with pytest.raises(InputError, match="compression"):
            ad.write(recipe, path, seds=seds)
        return
    made = ad.write(recipe, path, seds=seds)
    assert (found.parts, found.blocks) == (made.plan.parts, made.plan.blocks)
    every = [path, *path.rglob("*")]
    files = [file for file in every if file.is_file()]
    # What a store holds for its own safety may come to it.
    assert abs(kinds[compression].files - len(files)) <= 1
    assert abs(kinds[compression].inodes - len(every)) <= 1
    # The galaxies of one chunk stand for all: some are fainter, and compress better.
    images = 2 * 4 * 100 * 20 * 20 * 9
    assert kinds["none"].size > images
    size = sum(file.stat().st_size for file in files)
    assert kinds[compression].size == pytest.approx(size, rel=0.25)
    assert list(tmp_path.iterdir()) == [path]


def test_all_formats_and_compressions_are_compared(seds: xr.DataArray) -> None:
    found = ad.plan(small(), seds=seds)
    kinds = [(kind.format, kind.compression) for kind in found.kinds]
    assert ("zarr", "none") in kinds
    assert ("zarr", "zstd") in kinds
    assert {name for name, _ in kinds} == set(FORMATS)
    assert found.seconds_per_galaxy > 0
    assert found.core_hours == pytest.approx(found.seconds_per_galaxy * 100 / 3600)
    assert found.truth_core_hours >= 0
    assert found.sampled == 8
    assert found.notes == ()


def test_a_large_set_is_planned_from_a_small_sample(
    seds: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    columns = Simulation(small(), seds).catalogue.columns

    def counted(self: Any, ids: Any) -> Any:
        asked.append(np.size(ids))
        return real(self, ids)

    real = type(columns.__self__).columns
    monkeypatch.setattr(type(columns.__self__), "columns", counted)
    recipe = ad.Recipe(galaxies=10**9, scale={"over": "all"})
    found = ad.plan(recipe, seds=seds, store_format="zarr")
    assert sum(asked) < 10**6
    assert found.parts <= MOST_PARTS
    assert found.scheduler_hours == pytest.approx(
        (found.parts + found.blocks) * 0.004 / 3600
    )
    # The pass for the scale is over all of them.
    assert found.scale_core_hours > found.truth_core_hours / 100
    assert f"parts of {found.part} galaxies, so that" in found.notes[0]
    none = next(kind for kind in found.kinds if kind.compression == "none")
    assert none.size == pytest.approx(2 * 4 * 10**9 * 60 * 60 * 9, rel=0.01)
    # Less than the images of a part, which are made chunk by chunk.
    assert found.memory < 0.5 * found.part * 2 * 4 * 60 * 60 * 9


def test_parts_that_are_too_small_are_warned_of(seds: xr.DataArray) -> None:
    recipe = small(galaxies=10**8, layout={"part": 16, "chunk": 8})
    found = ad.plan(recipe, seds=seds, store_format="zarr")
    assert found.parts == 10**8 // 16
    assert "leave layout.part open, or choose at least 1000" in found.notes[0]


@pytest.mark.parametrize("galaxies", [10**6, 10**8, 10**9, 10**12])
def test_there_are_never_too_many_parts(seds: xr.DataArray, galaxies: int) -> None:
    plan = plan_of(Simulation(ad.Recipe(galaxies=galaxies, scale=1.0), seds))
    assert plan.parts <= MOST_PARTS
    assert plan.part & (plan.part - 1) == 0
    # No larger than that needs.
    assert plan.part <= 4096 or 2 * plan.parts > MOST_PARTS


def test_the_skeleton_of_the_largest_set_is_small(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    # No array of as many entries as there are galaxies or parts is made or written.
    simulation = Simulation(ad.Recipe(galaxies=10**9, scale=1.0), seds)
    plan = plan_of(simulation)
    work.initialise(tmp_path / "pairs.zarr", simulation, plan)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) < 100
    assert sum(file.stat().st_size for file in files) < 5 * 10**6
    assert plan.blocks == 954


def test_a_part_whose_stamps_would_fill_the_memory_has_the_same_bytes(
    tmp_path: Path, seds: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, apart = tmp_path / "together.zarr", tmp_path / "apart.zarr"
    ad.write(small(), together, seds=seds)
    most = []
    render = Simulation.render

    def watched(self: Simulation, columns: Any, out: Any = None) -> Any:
        most.append(columns["galaxy_id"].size)
        return render(self, columns, out)

    monkeypatch.setattr(pieces, "_STAMPS_BYTES", 8 * 20 * 20 * 4)
    monkeypatch.setattr(Simulation, "render", watched)
    ad.write(small(), apart, seds=seds)
    assert max(most) == 8
    for file in together.rglob("*"):
        if file.is_file():
            other = apart / file.relative_to(together)
            assert file.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("choices", "named"),
    [
        ({"recipe": ad.Recipe(filters=("none",))}, "filters"),
        ({"store_format": "fits"}, "format: got fits, expected zarr"),
        ({"catalogue": {"z_in": [1e6]}}, "z_in"),
    ],
)
def test_bad_input_is_refused(
    seds: xr.DataArray, choices: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        ad.plan(seds=seds, **choices)


def test_the_command_prints_a_table_or_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["plan", "--galaxies", "2000", "--set", "image_shape=16"]
    for more in ([], ["--json", "--format", "zarr"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([*arguments, *more])
        assert ended.value.code == 0
        out = capsys.readouterr().out
        if more:
            fields = json.loads(out)
            assert fields["galaxies"] == 2000
            assert fields["kinds"][0]["format"] == "zarr"
        else:
            assert "1 block\n" in out
            assert out.startswith("2000 pairs of 16x16 pixels in 9 filters: input")
            assert "\nzarr    zstd " in out
    assert list(tmp_path.iterdir()) == []
