"""Inspection: what is told of a store is what is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import xarray as xr

import argdask as ad
from argdask.errors import InputError
from argdask.inspection import inspect
from argdask.store.work import read_plan


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray) -> Path:
    path = tmp_path_factory.mktemp("inspected") / "pairs.zarr"
    layout = {"part": 16, "chunk": 4, "compression": "lz4"}
    recipe = ad.Recipe(
        galaxies=40, image_shape=(8, 10), layout=layout, filters=("wfc3_ir_f160w",)
    )
    ad.write(recipe, path, seds=seds)
    return path


def test_the_contents_are_those_of_the_store(store: Path) -> None:
    found = inspect(store)
    pairs = ad.open_pairs(store)
    assert found.path == str(store)
    assert found.state == "complete"
    assert found.galaxies == pairs.sizes["galaxy"] == 40
    assert found.scale == pairs.attrs["scale"]
    assert found.fingerprint == read_plan(store).fingerprint
    assert found.filters == ("wfc3_ir_f160w",)
    assert found.redshifts == (0.1, 2.0)
    for name in ("z_in", "z_out"):
        values = pairs[name].values
        assert found.drawn[name] == (values.min(), values.max())
    assert found.layout == {
        "format": "zarr",
        "part": 16,
        "chunk": 4,
        "block": 65536,
        "compression": "lz4",
    }
    assert ad.Recipe(**found.recipe).layout.compression == "lz4"
    # The parameters of the templates are looked up, and have no file of their own.
    names = [variable.name for variable in found.variables]
    assert names[:2] == ["input", "target"]
    looked_up = {"template_name", "type", "e_bv"}
    assert set(names) == set(map(str, pairs.variables)) - looked_up
    for variable in found.variables:
        files = (f for f in (store / variable.name).rglob("*") if f.is_file())
        assert variable.size == sum(file.stat().st_size for file in files)
        assert variable.dtype == str(pairs[variable.name].dtype)
        assert variable.units == pairs[variable.name].attrs.get("units", "")
    assert found.variables[0].dims == "galaxy 40, y 8, x 10, filter 1"


def test_the_text_is_for_a_person(store: Path) -> None:
    lines = inspect(store).to_text().splitlines()
    assert lines[0] == f"{store}: 40 pairs, complete"
    told = "redshifts   "
    for name in ("z_in", "z_out"):
        values = ad.open_pairs(store)[name].values
        told += f"{name} {values.min():g} to {values.max():g}, "
    assert f"{told}grid 0.1 to 2" in lines
    assert "String" not in "".join(lines)
    assert any(line.split()[:3] == ["input", "galaxy", "40,"] for line in lines)
    assert max(map(len, lines)) < 200


def test_the_json_has_it_all(store: Path) -> None:
    found = json.loads(inspect(store).to_json())
    assert found["recipe"]["image_shape"] == [8, 10]
    assert found["redshifts"] == [0.1, 2.0]
    assert {v["name"] for v in found["variables"]} >= {"input", "z_in", "flux_out"}


def test_an_incomplete_store_can_be_looked_into(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    recipe = ad.Recipe(galaxies=40, image_shape=(8, 8), layout={"part": 8})
    path = tmp_path / "pairs.zarr"
    with pytest.raises(KeyboardInterrupt):
        ad.write(recipe, path, seds=seds, progress=stop)
    found = inspect(path)
    assert found.state == "incomplete"
    assert "40 pairs, incomplete" in found.to_text()


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a store that argdask made"):
        inspect(tmp_path)
