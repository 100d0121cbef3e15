"""The store itself: made under another name, described in full, filled by parts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import argdask as ad
from argdask.errors import InputError
from argdask.schema import VARIABLES
from argdask.seds import check_seds, content_hash
from argdask.simulation import Simulation
from argdask.store import work
from argdask.store.files import record_of
from argdask.store.pieces import variables_of
from argdask.store.plan import Plan, plan_of
from argdask.store.work import (
    initialise,
    make_piece,
    read_attributes,
    read_plan,
    read_seds_of_store,
    simulation_of,
)


@pytest.fixture(scope="module")
def simulation(recipe: ad.Recipe, seds: xr.DataArray) -> Simulation:
    return Simulation(recipe, seds)


@pytest.fixture(scope="module")
def plan(simulation: Simulation) -> Plan:
    return plan_of(simulation)


@pytest.fixture
def empty(tmp_path: Path, simulation: Simulation, plan: Plan) -> Path:
    """A store without galaxies."""
    path = tmp_path / "pairs.zarr"
    initialise(path, simulation, plan)
    return path


def test_a_new_store_has_its_plan_and_no_galaxy(empty: Path, plan: Plan) -> None:
    assert [path.name for path in empty.parent.iterdir()] == [empty.name]
    assert read_plan(empty) == plan
    attributes = read_attributes(empty)
    assert attributes["state"] == "incomplete"
    assert attributes["fingerprint"] == plan.fingerprint
    assert list(empty.glob("input/c*")) == []


def test_every_array_has_its_dimensions_type_unit_and_fill_value(
    empty: Path, simulation: Simulation
) -> None:
    group = zarr.open_group(empty, mode="r")
    sizes = {"galaxy": 100, "y": 16, "x": 14, "filter": 9}
    found = dict(group.arrays())
    names = [variable.name for variable in variables_of(simulation)]
    assert set(found) == {*names, "filter", "wavelength"}
    for name in names:
        array, variable = found[name], VARIABLES[name]
        assert array.metadata.dimension_names == variable.dims, name
        assert array.shape == tuple(sizes[dim] for dim in variable.dims), name
        assert array.dtype == np.dtype(variable.dtype), name
        assert array.attrs.asdict() == {
            "units": variable.units,
            "long_name": variable.long_name,
        }, name
        np.testing.assert_equal(array.fill_value, variable.fill_value)
        assert array.metadata.chunk_key_encoding.separator == ".", name
    for name in simulation.images:
        assert found[name].shards == (16, 16, 14, 9)
        assert found[name].chunks == (4, 16, 14, 9)
    assert (
        found["filter"][...].tolist()
        == simulation.catalogue.seds["filter"].values.tolist()
    )
    assert found["wavelength"].attrs["units"] == "Angstrom"


def test_a_set_of_a_thousand_million_is_made_at_once(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    # The size of the metadata is that of a set of ten.
    recipe = ad.Recipe(galaxies=10**9, scale=1.0)
    path = tmp_path / "pairs.zarr"
    simulation = Simulation(recipe, seds)
    initialise(path, simulation, plan_of(simulation))
    assert sum(1 for _ in path.rglob("*")) < 200
    assert zarr.open_group(path, mode="r")["input"].shape == (10**9, 60, 60, 9)


def test_an_error_while_it_is_made_leaves_nothing(
    tmp_path: Path, simulation: Simulation, plan: Plan
) -> None:
    # Noticed only after the folder and most of the arrays were made.
    spoilt = Simulation(simulation.recipe, simulation.catalogue.seds, 1.0)
    spoilt.catalogue.seds = spoilt.catalogue.seds.drop_vars("wavelength")
    with pytest.raises(KeyError, match="wavelength"):
        initialise(tmp_path / "pairs.zarr", spoilt, plan)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["folder with a file", "file"])
def test_nothing_that_is_there_is_replaced(
    tmp_path: Path, simulation: Simulation, plan: Plan, there: str
) -> None:
    path = tmp_path / "pairs.zarr"
    if there == "file":
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "mine").write_text("mine")
    with pytest.raises(InputError, match="a place that can be written"):
        initialise(path, simulation, plan)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    kept = path if there == "file" else path / "mine"
    assert kept.read_text() == "mine"


def test_a_place_that_is_not_there_is_refused(
    tmp_path: Path, simulation: Simulation, plan: Plan
) -> None:
    with pytest.raises(InputError, match="choose another path"):
        initialise(tmp_path / "none" / "pairs.zarr", simulation, plan)
    assert list(tmp_path.iterdir()) == []


def test_a_part_is_one_whole_file_of_each_image(
    empty: Path, plan: Plan, simulation: Simulation, simulated: xr.Dataset
) -> None:
    for index, rows in ((2, slice(32, 48)), (6, slice(96, 100))):
        receipt = make_piece(empty, plan.fingerprint, "part", index)
        assert (receipt.kind, receipt.index) == ("part", index)
        assert (receipt.start, receipt.stop) == (rows.start, rows.stop)
        # DESIGN 6: less than 1 kB, but for the few parts that keep a histogram.
        assert receipt.tally
        assert len(replace(receipt, tally="").to_line()) < 500
        assert len(receipt.to_line()) < 3000
        assert set(receipt.files) == {
            f"{name}/c.{index}.0.0.0" for name in simulation.images
        }
        for name, record in receipt.files.items():
            assert record_of(empty / name) == record
        for name in simulation.images:
            stored = zarr.open_array(empty / name, mode="r")[rows]
            np.testing.assert_array_equal(stored, simulated[name].values[rows])


def test_making_a_part_again_gives_the_same_bytes(empty: Path, plan: Plan) -> None:
    first = make_piece(empty, plan.fingerprint, "part", 1)
    again = make_piece(empty, plan.fingerprint, "part", 1)
    assert first.files == again.files
    assert len(list((empty / "input").glob("c.*"))) == 1


def test_the_last_chunk_is_filled_up_with_nan(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    # Whatever was in the memory before would make two runs differ.
    layout = {"part": 16, "chunk": 4}
    recipe = ad.Recipe(galaxies=26, image_shape=(8, 8), scale=1.0, layout=layout)
    simulation = Simulation(recipe, seds)
    plan = plan_of(simulation)
    initialise(tmp_path / "pairs.zarr", simulation, plan)
    (name, *_) = make_piece(tmp_path / "pairs.zarr", plan.fingerprint, "part", 1).files
    data = (tmp_path / "pairs.zarr" / name).read_bytes()
    # Ten galaxies are two full chunks and a half; then comes the index of four.
    values = np.frombuffer(data[: -(4 * 16 + 4)], "<f4").reshape(12, 8, 8, 9)
    assert np.isfinite(values[:10]).all()
    assert np.isnan(values[10:]).all()


def test_a_block_is_one_file_of_each_column(
    empty: Path, plan: Plan, simulated: xr.Dataset
) -> None:
    receipt = make_piece(empty, plan.fingerprint, "block", 0)
    assert (receipt.start, receipt.stop) == (0, 100)
    columns = {name.partition("/")[0] for name in receipt.files}
    assert columns == {
        name for name in VARIABLES if name in simulated.coords and name != "wavelength"
    }
    for name in columns:
        stored = zarr.open_array(empty / name, mode="r")[...]
        np.testing.assert_array_equal(stored, simulated[name].values)


def test_another_fingerprint_is_refused_by_the_worker(empty: Path) -> None:
    with pytest.raises(InputError, match="the plan that the run began with"):
        make_piece(empty, "0" * 64, "part", 0)


def test_a_store_made_anew_at_the_same_place_is_seen(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    # Same fingerprint, other number of galaxies: a worker that lives on must notice.
    path = tmp_path / "pairs.zarr"
    layout = {"part": 16, "chunk": 4}
    prints = set()
    for galaxies in (20, 40):
        recipe = ad.Recipe(
            galaxies=galaxies, image_shape=(8, 8), scale=1.0, layout=layout
        )
        simulation = Simulation(recipe, seds)
        plan = plan_of(simulation)
        initialise(path, simulation, plan)
        receipt = make_piece(path, plan.fingerprint, "part", 1)
        assert receipt.stop == min(galaxies, 32)
        prints.add(plan.fingerprint)
        shutil.rmtree(path)
    assert len(prints) == 1


def test_the_grid_comes_back_as_it_was(empty: Path, seds: xr.DataArray) -> None:
    found = read_seds_of_store(empty)
    xr.testing.assert_identical(found, check_seds(seds))
    assert content_hash(found) == content_hash(seds)


def test_any_grid_that_is_accepted_comes_back(
    tmp_path: Path, awkward_grid: xr.DataArray
) -> None:
    recipe = ad.Recipe(galaxies=20, image_shape=(8, 8), templates={"ages": "all"})
    path = tmp_path / "pairs.zarr"
    grid = awkward_grid
    ad.write(recipe, path, seds=grid)
    xr.testing.assert_identical(read_seds_of_store(path), check_seds(grid))
    expected = ad.simulate(recipe, grid)
    pairs = ad.open_pairs(path)
    for name in expected.variables:
        np.testing.assert_array_equal(pairs[name].values, expected[name].values)
    assert ad.verify(path).passed, ad.verify(path).to_json()


def test_a_changed_grid_is_refused_by_the_worker(empty: Path, plan: Plan) -> None:
    flux = zarr.open_array(empty / "seds" / "flux", mode="r+")
    flux[0, 0, 0] = 2 * float(flux[0, 0, 0])
    work._simulation_of.cache_clear()
    with pytest.raises(InputError, match="the SED grid it was planned with"):
        simulation_of(empty, plan.fingerprint)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", '{"attributes": 1}', '{"attributes": {}}', "\x00"],
)
def test_metadata_of_others_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "zarr.json").write_text(text)
    with pytest.raises(InputError, match="a store that argdask made; check the path"):
        read_attributes(tmp_path)
    with pytest.raises(InputError, match="a store that argdask made; check the path"):
        read_plan(tmp_path)


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="a store that argdask made"):
            read_plan(path)


def test_a_plan_that_does_not_fit_its_fingerprint_is_refused(empty: Path) -> None:
    def change(root: dict[str, Any]) -> None:
        plan = json.loads(root["attributes"]["plan"])
        plan["scale"] *= 1.5
        root["attributes"]["plan"] = json.dumps(plan)

    root = json.loads((empty / "zarr.json").read_text())
    change(root)
    (empty / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(InputError, match="a plan with its own fingerprint"):
        read_plan(empty)
