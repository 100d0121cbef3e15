"""Opening a store: nothing is read before it is looked at, and then it is right."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from zarr.storage import LocalStore

import argdask as ad
from argdask.errors import IncompleteError, InputError
from argdask.simulation import Simulation
from argdask.store.formats import name_for
from argdask.store.plan import plan_of
from argdask.store.receipts import Journal
from argdask.store.work import initialise, make_piece

IMAGES = ("input", "target")


@pytest.fixture(scope="module")
def smpy_store(tmp_path_factory: pytest.TempPathFactory, smpy_file: Path) -> Path:
    """A store made with a real grid of smpy, of 300 small galaxies."""
    path = tmp_path_factory.mktemp("smpy") / "pairs.zarr"
    recipe = ad.Recipe(
        galaxies=300, image_shape=(8, 8), layout={"part": 32, "chunk": 8}
    )
    ad.write(recipe, path, seds=ad.read_seds(smpy_file))
    return path


@pytest.fixture
def image_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of images that zarr reads from now on."""
    reads: list[str] = []
    original = LocalStore.get

    async def get(self: LocalStore, key: str, *rest: Any, **options: Any) -> Any:
        # The store's root may be the whole store or one array.
        place = f"{self.root}/{key}"
        if "/input/c." in place or "/target/c." in place:
            reads.append(place.partition(".zarr/")[2])
        return await original(self, key, *rest, **options)

    monkeypatch.setattr(LocalStore, "get", get)
    return reads


def make_part_of_a_store(
    path: Path, recipe: ad.Recipe, seds: xr.DataArray, *, parts: list[int], block: bool
) -> None:
    """Leave a store as a killed run does."""
    simulation = Simulation(recipe, seds)
    plan = plan_of(simulation, name_for(path))
    initialise(path, simulation, plan)
    journal = Journal(path)
    if block:
        journal.append(make_piece(path, plan.fingerprint, "block", 0))
    for index in parts:
        journal.append(make_piece(path, plan.fingerprint, "part", index))


@pytest.mark.parametrize("chunks", ["part", 5, 1000, None])
def test_every_variable_is_that_of_simulate_bit_for_bit(
    any_store: Path, simulated: xr.Dataset, chunks: Any
) -> None:
    pairs = ad.open_pairs(any_store, chunks=chunks)
    assert set(pairs.variables) == set(simulated.variables)
    assert set(pairs.coords) == set(simulated.coords)
    assert dict(pairs.sizes) == dict(simulated.sizes)
    for name, expected in simulated.variables.items():
        found = pairs[name]
        assert found.dims == expected.dims, name
        assert found.dtype == expected.dtype, name
        assert found.attrs == expected.attrs, name
        np.testing.assert_array_equal(found.values, expected.values, err_msg=name)
    for name, value in simulated.attrs.items():
        assert pairs.attrs[name] == value


def test_images_are_lazy_and_coordinates_plain(
    store: Path, image_reads: list[str]
) -> None:
    for chunks, expected in (("part", 16), (5, 5), (1000, 100)):
        pairs = ad.open_pairs(store, chunks=chunks)
        for name in IMAGES:
            assert isinstance(pairs[name].data, da.Array)
            assert pairs[name].data.chunksize == (expected, 16, 14, 9)
        assert all(coordinate.chunks is None for coordinate in pairs.coords.values())
        for coordinate in pairs.coords.values():
            assert isinstance(coordinate.values, np.ndarray)
    pairs = ad.open_pairs(store, chunks=None)
    for name in IMAGES:
        assert pairs[name].chunks is None
        assert not pairs[name].variable._in_memory
    assert image_reads == []
    pairs["input"][17].load()
    assert set(image_reads) == {"input/c.1.0.0.0"}


def test_one_galaxy_reads_the_file_of_its_part_alone(
    store: Path, simulated: xr.Dataset, image_reads: list[str]
) -> None:
    pairs = ad.open_pairs(store)
    found = pairs["target"].isel(galaxy=40).compute()
    np.testing.assert_array_equal(found.values, simulated["target"].values[40])
    assert set(image_reads) == {"target/c.2.0.0.0"}


@pytest.fixture(scope="module", params=["pairs.zarr", "pairs.nc"])
def large_images(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A store of four inner chunks of a megabyte in each of two parts."""
    path: Path = tmp_path_factory.mktemp("large") / request.param
    layout = {"part": 32, "chunk": 8}
    ad.write(ad.Recipe(galaxies=64, image_shape=64, layout=layout), path)
    return path


def bytes_read() -> int:
    """Return the bytes that this process has read so far, from whatever."""
    told = Path("/proc/self/io").read_text("ascii")
    (found,) = re.findall(r"rchar: (\d+)", told)
    return int(found)


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="Linux counts for us")
@pytest.mark.parametrize("chunks", ["part", 8, 1, None])
def test_a_galaxy_costs_one_inner_chunk(large_images: Path, chunks: Any) -> None:
    pairs = ad.open_pairs(large_images, chunks=chunks)
    one_chunk = 8 * pairs["input"][0].nbytes
    for row in (0, 13, 63):
        before = bytes_read()
        found = pairs["target"].isel(galaxy=row).values
        # Beside it the index of its file; of netCDF's chunks all headers as well.
        assert bytes_read() - before <= one_chunk + 2**16
        expected = ad.simulate(ad.Recipe(image_shape=64, galaxies=64), galaxies=[row])
        assert np.array_equal(found, expected["target"].values[0])


@pytest.mark.parametrize("chunks", ["part", 7, None])
def test_selections_read_no_image(
    smpy_store: Path, image_reads: list[str], chunks: Any
) -> None:
    pairs = ad.open_pairs(smpy_store, chunks=chunks)
    at_one = pairs["z_in"] == 1.0
    count = int(at_one.sum())
    assert 0 < count < 300
    by_mask = pairs.isel(galaxy=at_one.values)
    old = pairs.isel(galaxy=(pairs["age"] > 1e9).values)
    name = str(pairs["filter"].values[3])
    one_filter = pairs.sel(filter=name)
    two_filters = pairs.sel(filter=[name, str(pairs["filter"].values[0])])
    assert by_mask.sizes["galaxy"] == count
    assert (by_mask["z_in"].values == 1.0).all()
    assert (old["age"].values > 1e9).all()
    assert one_filter["input"].dims == ("galaxy", "y", "x")
    assert two_filters["flux_in"].shape == (300, 2)
    if chunks is not None:
        # xarray applies `where` at once to what is not a dask array.
        by_where = pairs.where(at_one, drop=True)
        assert by_where.sizes["galaxy"] == count
        assert by_where["input"].chunks is not None
        assert (by_where["z_in"].values == 1.0).all()
    assert image_reads == []
    if chunks is not None:
        np.testing.assert_array_equal(by_where["input"].values, by_mask["input"].values)
        assert image_reads


def test_selections_hold_without_any_image_on_disk(
    smpy_store: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.zarr"
    shutil.copytree(smpy_store, copy)
    for name in IMAGES:
        for file in (copy / name).glob("c.*"):
            file.unlink()
    pairs = ad.open_pairs(copy)
    expected = ad.open_pairs(smpy_store)
    mask = (expected["z_in"] == 1.0).values
    found = pairs.where(pairs["z_in"] == 1.0, drop=True)
    for name in ("z_out", "sed_index", "age", "half_light_radius", "flux_out"):
        np.testing.assert_array_equal(found[name].values, expected[name].values[mask])


def test_template_parameters_of_smpy_are_those_of_the_template(
    smpy_store: Path, smpy_file: Path
) -> None:
    grid = ad.read_seds(smpy_file)
    pairs = ad.open_pairs(smpy_store)
    index = pairs["sed_index"].values
    names = [name for name in grid.coords if grid[name].dims == ("template",)]
    assert {"age", "metallicity", "a_v", "sfh_tau"} <= set(names)
    for name in names:
        np.testing.assert_array_equal(pairs[name].values, grid[name].values[index])
        assert pairs[name].attrs == grid[name].attrs
    # Two ways to one flux: through the parameters, and through the index.
    one = pairs.isel(galaxy=11)
    chosen = np.ones(grid.sizes["template"], bool)
    for name in names:
        chosen &= grid[name].values == one[name].values
    assert np.flatnonzero(chosen).tolist() == [int(one["sed_index"])]
    flux = grid.sel(redshift=float(one["z_out"])).isel(template=int(one["sed_index"]))
    # One product in float64.
    np.testing.assert_allclose(
        one["flux_out"].values, float(one["brightness"]) * flux.values, rtol=1e-15
    )


def test_template_parameters_of_the_built_in_grid_are_looked_up(
    any_store: Path, seds: xr.DataArray
) -> None:
    pairs = ad.open_pairs(any_store)
    index = pairs["sed_index"].values
    for name in ("template_name", "type", "e_bv"):
        expected = seds[name].values[index]
        assert pairs[name].values.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        slice(None, None, -1),
        slice(90, 5, -7),
        slice(0, 0),
        [5, 5, 99, 0],
        np.arange(100) % 3 == 0,
        np.zeros(100, bool),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["template_name", "e_bv"])
def test_any_selection_of_a_template_parameter_is_that_of_numpy(
    any_store: Path, simulated: xr.Dataset, key: Any, name: str
) -> None:
    found = ad.open_pairs(any_store)[name].isel(galaxy=key)
    expected = simulated[name].isel(galaxy=key)
    xr.testing.assert_identical(
        found.drop_vars(found.coords), expected.drop_vars(expected.coords)
    )
    assert found.dtype == expected.dtype


def test_an_open_store_can_be_sent_to_another_process(
    any_store: Path, simulated: xr.Dataset
) -> None:
    for chunks in ("part", None):
        sent = pickle.loads(pickle.dumps(ad.open_pairs(any_store, chunks=chunks)))
        np.testing.assert_array_equal(sent["input"].values, simulated["input"].values)
        assert (sent["e_bv"].values == simulated["e_bv"].values).all()


@pytest.mark.parametrize("suffix", ["zarr", "nc"])
def test_an_incomplete_store_says_how_many_galaxies_are_missing(
    tmp_path: Path,
    recipe: ad.Recipe,
    seds: xr.DataArray,
    simulated: xr.Dataset,
    suffix: str,
) -> None:
    path = tmp_path / f"pairs.{suffix}"
    make_part_of_a_store(path, recipe, seds, parts=[1, 6], block=True)
    told = r"80 of 100 galaxies are missing; `argdask generate .*incomplete=True"
    with pytest.raises(IncompleteError, match=told):
        ad.open_pairs(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = ad.open_pairs(path, incomplete=True)
    made = np.r_[16:32, 96:100]
    missing = np.setdiff1d(np.arange(100), made)
    for name in IMAGES:
        values = pairs[name].values
        np.testing.assert_array_equal(values[made], simulated[name].values[made])
        assert np.isnan(values[missing]).all()
    np.testing.assert_array_equal(pairs["z_out"].values, simulated["z_out"].values)
    np.testing.assert_array_equal(pairs["type"].values, simulated["type"].values)


@pytest.mark.parametrize("suffix", ["zarr", "nc"])
def test_galaxies_without_a_catalogue_have_no_template(
    tmp_path: Path, recipe: ad.Recipe, seds: xr.DataArray, suffix: str
) -> None:
    path = tmp_path / f"pairs.{suffix}"
    make_part_of_a_store(path, recipe, seds, parts=[], block=False)
    pairs = ad.open_pairs(path, incomplete=True)
    assert (pairs["sed_index"].values == -1).all()
    assert np.isnan(pairs["z_in"].values).all()
    # The last template, which -1 would find, is not theirs.
    assert np.isnan(pairs["e_bv"].values).all()
    assert set(pairs["template_name"].values) == {""}
    assert pairs["template_name"].isel(galaxy=3).item() == ""


@pytest.mark.parametrize("chunks", [0, -1, 2.5, "all", (4, 4)])
def test_chunks_that_are_none_are_refused(store: Path, chunks: Any) -> None:
    with pytest.raises(InputError, match=r"chunks: got .*; use part"):
        ad.open_pairs(store, chunks=chunks)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    told = {".": "", "none": r" \(no such folder\)", "file": r" \(a file\)"}
    for name, found in told.items():
        with pytest.raises(
            InputError, match=rf"store: got .*{found}, expected a store that argdask"
        ):
            ad.open_pairs(tmp_path / name)


@pytest.mark.parametrize("chunks", ["part", None])
def test_a_selection_can_be_saved_as_zarr(
    any_store: Path, tmp_path: Path, chunks: Any
) -> None:
    chosen = ad.open_pairs(any_store, chunks=chunks).isel(galaxy=[3, 40, 41, 99])
    path = tmp_path / "chosen.zarr"
    chosen.to_zarr(path, consolidated=False)
    with xr.open_zarr(path, consolidated=False) as saved:
        xr.testing.assert_identical(saved.load(), chosen.load())


@pytest.mark.parametrize("chunks", ["part", None])
def test_a_selection_can_be_saved_as_netcdf(
    any_store: Path, tmp_path: Path, chunks: Any
) -> None:
    chosen = ad.open_pairs(any_store, chunks=chunks).isel(galaxy=[3, 40, 41, 99])
    path = tmp_path / "chosen.nc"
    chosen.to_netcdf(path)
    with xr.open_dataset(path) as saved:
        saved.load()
    assert set(saved.variables) == set(chosen.variables)
    for name in chosen.variables:
        assert saved[name].values.tolist() == chosen[name].values.tolist(), name
        assert saved[name].attrs == chosen[name].attrs, name
    assert dict(saved.attrs) == chosen.attrs


def test_attributes_are_text_and_numbers(any_store: Path) -> None:
    pairs = ad.open_pairs(any_store)
    for attrs in (pairs.attrs, *(v.attrs for v in pairs.variables.values())):
        assert all(isinstance(value, str | int | float) for value in attrs.values())
    assert json.loads(pairs.attrs["recipe"])["galaxies"] == 100


def test_build_saved_as_zarr_holds_what_write_does(
    store: Path, tmp_path: Path, recipe: ad.Recipe, seds: xr.DataArray
) -> None:
    path = tmp_path / "built.zarr"
    ad.build(recipe, seds).to_zarr(path, consolidated=False)
    written = ad.open_pairs(store)
    with xr.open_zarr(path, consolidated=False) as built:
        assert set(built.variables) == set(written.variables)
        assert set(built.coords) == set(written.coords)
        for name in written.variables:
            assert built[name].dims == written[name].dims, name
            assert built[name].dtype == written[name].dtype, name
            assert built[name].attrs == written[name].attrs, name
            np.testing.assert_array_equal(
                built[name].values, written[name].values, err_msg=str(name)
            )
        # A store knows more of itself: its plan, its checksums, its state.
        assert built.attrs.items() <= written.attrs.items()
        assert {"title", "source", "scale", "recipe"} <= set(built.attrs)


def test_a_selection_is_no_store_and_can_be_saved(store: Path, tmp_path: Path) -> None:
    pairs = ad.open_pairs(store)
    assert not {"plan", "state", "fingerprint"} & set(pairs.attrs)
    chosen = pairs.isel(galaxy=pairs["z_in"].values < 1.0)
    chosen.to_zarr(tmp_path / "chosen.zarr", consolidated=False)
    saved = xr.open_zarr(tmp_path / "chosen.zarr", consolidated=False)
    xr.testing.assert_equal(saved.load(), chosen.load())
    with pytest.raises(InputError, match="a store that argdask made"):
        ad.open_pairs(tmp_path / "chosen.zarr")


@pytest.mark.parametrize("chunks", [True, 0, 1.5, "parts"])
def test_chunks_that_are_no_number_are_refused(store: Path, chunks: Any) -> None:
    with pytest.raises(InputError, match="chunks: got"):
        ad.open_pairs(store, chunks=chunks)


def test_a_number_of_numpy_is_a_number_of_galaxies(store: Path) -> None:
    pairs = ad.open_pairs(store, chunks=np.int64(10))  # type: ignore[arg-type]
    assert pairs["input"].data.chunksize[0] == 10
