"""The netCDF format: what the Zarr format holds, in files that anything can read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask import cli
from argdask.errors import InputError
from argdask.schema import IMAGES, VARIABLES
from argdask.seds import check_seds, content_hash
from argdask.simulation import Simulation
from argdask.store import netcdf_files
from argdask.store import netcdf_store as netcdf_format
from argdask.store.files import record_of
from argdask.store.formats import format_of, name_for
from argdask.store.part_files import file_name
from argdask.store.plan import Plan, plan_of
from argdask.store.work import (
    initialise,
    make_piece,
    read_plan,
    read_seds_of_store,
)

# Attributes of a complete store as a whole, which its parts cannot know.
OF_THE_WHOLE = {
    *("plan", "fingerprint", "state", "environments"),
    *("checksums_crc32c", "metadata_crc32c"),
}


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def parts_of(path: Path) -> xr.Dataset:
    """Open the parts as anybody does who knows xarray and not argdask."""
    pairs: xr.Dataset = xr.open_mfdataset(
        f"{path}/part-*.nc",
        combine="nested",
        concat_dim="galaxy",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
    )
    return pairs


@pytest.fixture(scope="module")
def simulation(recipe: ad.Recipe, seds: xr.DataArray) -> Simulation:
    return Simulation(recipe, seds)


@pytest.fixture(scope="module")
def plan(simulation: Simulation) -> Plan:
    return plan_of(simulation, "netcdf")


@pytest.fixture
def empty(tmp_path: Path, simulation: Simulation, plan: Plan) -> Path:
    """A store without galaxies."""
    path = tmp_path / "pairs.nc"
    initialise(path, simulation, plan)
    return path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that either library opens from now on."""
    names: list[str] = []

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def open_file(path: Any, *arguments: Any, **options: Any) -> Any:
            names.append(Path(path).name)
            return original(path, *arguments, **options)

        return open_file

    # Neither class can be replaced by one of Python's.
    hdf5 = SimpleNamespace(File=watched(h5py.File))
    netcdf = SimpleNamespace(Dataset=watched(netCDF4.Dataset))
    monkeypatch.setattr(netcdf_files, "h5py", hdf5)
    monkeypatch.setattr(netcdf_files, "netCDF4", netcdf)
    return names


# The same as the Zarr format.


def test_the_suffix_chooses_the_format(netcdf_store: Path, store: Path) -> None:
    assert name_for(Path("a/pairs.nc")) == "netcdf"
    assert name_for(Path("a.nc/pairs.zarr")) == name_for(Path("pairs")) == "zarr"
    assert format_of(netcdf_store) is netcdf_format
    assert read_plan(netcdf_store).format == "netcdf"
    assert read_plan(netcdf_store).fingerprint != read_plan(store).fingerprint


@pytest.mark.parametrize("chunks", ["part", 7, None])
def test_an_open_store_is_that_of_the_zarr_format(
    netcdf_store: Path, store: Path, chunks: Any
) -> None:
    found = ad.open_pairs(netcdf_store, chunks=chunks)
    expected = ad.open_pairs(store, chunks=chunks)
    assert set(found.coords) == set(expected.coords)
    for name in expected.variables:
        assert found[name].dtype == expected[name].dtype, name
        assert found[name].chunks == expected[name].chunks, name
        if "galaxy" in expected[name].dims:
            assert not found[name].variable._in_memory
    xr.testing.assert_identical(found.load(), expected.load())


def test_parts_opened_by_xarray_alone_are_the_zarr_store(
    netcdf_store: Path, store: Path
) -> None:
    with (
        parts_of(netcdf_store) as found,
        xr.open_zarr(store, chunks=None) as expected,
    ):
        assert set(found.coords) == set(expected.coords)
        assert set(found.data_vars) == set(expected.data_vars)
        assert dict(found.sizes) == dict(expected.sizes)
        for name, variable in expected.variables.items():
            assert found[name].dims == variable.dims, name
            np.testing.assert_array_equal(
                found[name].values, variable.values, str(name)
            )
            # Text of any length is of another type in numpy, and UDUNITS has no deg.
            if variable.dtype.kind != "T":
                assert found[name].dtype == variable.dtype, name
            attrs = dict(variable.attrs)
            if attrs.get("units") == "deg":
                attrs["units"] = "degree"
            assert found[name].attrs == attrs, name
        assert set(found.attrs) == set(expected.attrs) - OF_THE_WHOLE | {"Conventions"}
        for name in set(found.attrs) - {"Conventions", "recipe"}:
            assert found.attrs[name] == expected.attrs[name], name
        # A part is the same in sets of any size.
        recipe = ad.Recipe(**json.loads(expected.attrs["recipe"]))
        told = json.loads(found.attrs["recipe"])
        assert told == json.loads(json.dumps(recipe.identity()))
        assert "galaxies" not in told


def test_a_part_alone_holds_all_of_its_galaxies(
    netcdf_store: Path, simulated: xr.Dataset
) -> None:
    with xr.open_dataset(netcdf_store / file_name("part", 6)) as part:
        assert dict(part.sizes) == {"galaxy": 4, "y": 16, "x": 14, "filter": 9}
        for name, variable in part.variables.items():
            expected = simulated[name]
            if "galaxy" in expected.dims:
                expected = expected.isel(galaxy=slice(96, 100))
            np.testing.assert_array_equal(variable.values, expected.values, str(name))


@pytest.mark.parametrize(("part", "chunk"), [(1, 1), (7, 7), (10, 5), (64, 4)])
def test_any_part_and_chunk_give_the_same_pixels(
    tmp_path: Path, seds: xr.DataArray, part: int, chunk: int
) -> None:
    recipe = ad.Recipe(
        galaxies=23, image_shape=(6, 5), layout={"part": part, "chunk": chunk}
    )
    path = tmp_path / "pairs.nc"
    ad.write(recipe, path, seds=seds)
    expected = ad.simulate(recipe, seds)
    pairs = ad.open_pairs(path)
    assert len(list(path.glob("part-*.nc"))) == -(-23 // part)
    with parts_of(path) as alone:
        for name in IMAGES:
            if name in expected:
                assert pairs[name].values.tobytes() == expected[name].values.tobytes()
                assert alone[name].values.tobytes() == expected[name].values.tobytes()
    with netCDF4.Dataset(path / file_name("part", 0)) as file:
        sizes = file["input"].chunking()
    assert sizes == [min(chunk, 23), 6, 5, 9]


# Opening and reading.


def test_a_thousand_parts_are_opened_without_one_of_them(
    tmp_path: Path, seds: xr.DataArray, opened: list[str]
) -> None:
    layout = {"part": 2, "chunk": 2}
    recipe = ad.Recipe(galaxies=2000, image_shape=(4, 4), scale=1.0, layout=layout)
    simulation = Simulation(recipe, seds)
    path = tmp_path / "pairs.nc"
    plan = plan_of(simulation, "netcdf")
    initialise(path, simulation, plan)
    for kind, index in (("block", 0), ("part", 0), ("part", 321), ("part", 999)):
        make_piece(path, plan.fingerprint, kind, index)
    opened.clear()
    pairs = ad.open_pairs(path, incomplete=True)
    assert pairs["input"].data.npartitions == 1000
    assert opened == ["seds.nc"]
    one = pairs["input"].variable[643].compute()
    assert opened == ["seds.nc", file_name("part", 321)]
    expected = ad.simulate(recipe, seds, [643])
    np.testing.assert_array_equal(one.values, expected["input"].values[0])
    assert pairs["z_in"].values[643] == expected["z_in"].values[0]
    assert opened[2:] == [file_name("coordinates", 0)]
    assert np.isnan(pairs["input"].isel(galaxy=644).values).all()


def test_files_that_another_process_has_locked_can_be_read(
    netcdf_store: Path, tmp_path: Path, simulated: xr.Dataset
) -> None:
    # As on file systems without locks, nothing that asks for one gets it.
    path = shutil.copytree(netcdf_store, tmp_path / "pairs.nc")
    script = """
import fcntl, sys
files = [open(name, "r+") for name in sys.argv[1:]]
for file in files:
    fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script, *map(str, path.glob("*.nc"))]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as locking:
        assert locking.stdout is not None
        assert locking.stdout.readline() == b"locked\n"
        with pytest.raises(OSError, match="HDF error"):
            netCDF4.Dataset(path / "seds.nc")
        pairs = ad.open_pairs(path).load()
        np.testing.assert_array_equal(pairs["input"].values, simulated["input"].values)
        assert ad.verify(path).passed
        locking.communicate()


# What is in the files.


def test_metadata_keep_the_climate_and_forecast_conventions(netcdf_store: Path) -> None:
    # Conventions 1.9: 2.3 names, 2.5.1 fill values, 2.6.1, 3.1 units, 3.2 names for
    # people, 5 coordinates, 2.2 types.
    types = {np.dtype(t) for t in ("i1", "i4", "i8", "f4", "f8")}
    # UDUNITS has no unit of flux density, of magnitudes, of pixels or of the Sun.
    known = {"1", "%", "arcsec", "Angstrom", "degree", "yr"}
    unknown = {"uJy", "mag", "pixel", "solMass", "scale uJy / pixel"}
    for path in sorted(netcdf_store.glob("*.nc")):
        with netCDF4.Dataset(path) as file:
            assert file.Conventions == "CF-1.9"
            assert file.title
            for name, variable in file.variables.items():
                assert re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name)
                assert variable.dtype is str or variable.dtype in types, name
                attributes = variable.ncattrs()
                if variable.dtype is not str:
                    assert variable.units in known | unknown, name
                    assert variable.long_name, name
                if "_FillValue" in attributes:
                    assert variable.dtype.kind == "f", name
                    assert np.isnan(variable._FillValue), name
                    assert variable.dimensions != (name,)
                elif variable.dtype is not str and "galaxy" in variable.dimensions:
                    assert variable.dtype.kind == "i", name
                for other in getattr(variable, "coordinates", "").split():
                    there = file.variables[other].dimensions
                    assert set(there) <= set(variable.dimensions), (name, other)
            if path.name.startswith("part"):
                expected = {n for n in file.variables if n not in (*IMAGES, "filter")}
                assert set(file["input"].coordinates.split()) == expected
                assert VARIABLES["position_angle"].units == "deg"
                assert file["position_angle"].units == "degree"


def test_any_grid_that_is_accepted_comes_back(
    tmp_path: Path, awkward_grid: xr.DataArray
) -> None:
    recipe = ad.Recipe(galaxies=20, image_shape=(8, 8), templates={"ages": "all"})
    path = tmp_path / "pairs.nc"
    grid = awkward_grid
    ad.write(recipe, path, seds=grid)
    xr.testing.assert_identical(read_seds_of_store(path), check_seds(grid))
    assert content_hash(read_seds_of_store(path)) == content_hash(grid)
    expected = ad.simulate(recipe, grid)
    pairs = ad.open_pairs(path)
    for name in expected.variables:
        np.testing.assert_array_equal(pairs[name].values, expected[name].values)
        assert pairs[name].dtype == expected[name].dtype
    assert ad.verify(path).passed, ad.verify(path).to_json()


def test_a_catalogue_travels_with_the_store(tmp_path: Path, seds: xr.DataArray) -> None:
    rows = 10
    table = {
        "galaxy_id": np.arange(rows)[::-1] * 3 + 1,
        "group": np.arange(rows) // 2,
        "z_in": np.linspace(0.1, 1.5, rows),
    }
    layout = {"part": 4, "chunk": 2}
    recipe = ad.Recipe(image_shape=8, layout=layout)
    path = tmp_path / "pairs.nc"
    ad.write(recipe, path, seds=seds, catalogue=table)
    assert ad.open_pairs(path)["galaxy_id"].values.tolist() == list(table["galaxy_id"])
    assert ad.verify(path).passed
    with xr.open_dataset(path / "catalogue.nc") as carried:
        assert carried["z_in"].values.tolist() == table["z_in"].tolist()
        assert carried["group"].dtype == np.int64
    # The same call again finds the same table.
    assert ad.write(recipe, path, seds=seds, catalogue=table).made == 0


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compression_that_most_programs_cannot_undo_is_refused(
    tmp_path: Path, seds: xr.DataArray, compression: str
) -> None:
    recipe = ad.Recipe(
        galaxies=4, image_shape=8, scale=1.0, layout={"compression": compression}
    )
    with pytest.raises(InputError, match=r"layout\.compression: .*ends in \.zarr"):
        ad.write(recipe, tmp_path / "pairs.nc", seds=seds)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "values"),
    [("a/b", [1.0] * 6), ("mass", np.ones(6, np.float16)), ("mass", [1j] * 6)],
)
def test_a_grid_that_netcdf_cannot_hold_is_refused(
    tmp_path: Path, awkward_grid: xr.DataArray, name: str, values: Any
) -> None:
    grid = awkward_grid.assign_coords({name: ("template", values)})
    recipe = ad.Recipe(galaxies=4, image_shape=8, templates={"ages": "all"}, scale=1.0)
    with pytest.raises(InputError, match=f"{name}: got .*write a Zarr store"):
        ad.write(recipe, tmp_path / "pairs.nc", seds=grid)
    assert list(tmp_path.iterdir()) == []


# The same bytes, and whole.


def test_bytes_follow_from_the_plan_alone(
    tmp_path: Path, recipe: ad.Recipe, seds: xr.DataArray
) -> None:
    # The last part ends in the middle of a chunk.
    recipe = recipe.model_copy(update={"galaxies": 90})
    ad.write(recipe, tmp_path / "here.nc", seds=seds)
    # Another process, at another time, in another order, with other rubbish in memory.
    seds.to_netcdf(tmp_path / "grid.nc")
    script = f"""
import argdask as ad
from pathlib import Path
from argdask.simulation import Simulation
from argdask.store.plan import plan_of
from argdask.store.work import initialise, make_piece

recipe = ad.Recipe(**{recipe.model_dump()!r})
seds = ad.read_seds("grid.nc")
path = Path("pairs.nc").absolute()
simulation = Simulation(recipe, seds)
plan = plan_of(simulation, "netcdf")
initialise(path, simulation, plan)
for index in (2, 0, 1, 5, 4, 3, 2):
    make_piece(path, plan.fingerprint, "part", index)
make_piece(path, plan.fingerprint, "block", 0)
"""
    time.sleep(1.1)  # times in HDF5 files are in whole seconds
    environment = {**os.environ, "MALLOC_PERTURB_": "165"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    made = contents(tmp_path / "pairs.nc")
    expected = contents(tmp_path / "here.nc")
    # What is written when the store is closed.
    last = {"manifest.json", "checksums.txt", "spare.zip"}
    last |= {"statistics.nc", "tallies.json"}
    for files in (made, expected):
        for name in last & files.keys():
            del files[name]
    assert sorted(made) == sorted(expected)
    for name, data in expected.items():
        assert made[name] == data, name


def test_a_part_is_the_same_in_a_larger_set(
    tmp_path: Path, recipe: ad.Recipe, seds: xr.DataArray, netcdf_store: Path
) -> None:
    scale = read_plan(netcdf_store).scale
    larger = recipe.model_copy(update={"galaxies": 200})
    simulation = Simulation(larger, seds, scale)
    plan = plan_of(simulation, "netcdf")
    path = tmp_path / "pairs.nc"
    initialise(path, simulation, plan)
    for index in range(6):
        (name,) = make_piece(path, plan.fingerprint, "part", index).files
        assert (path / name).read_bytes() == (netcdf_store / name).read_bytes()
    assert (path / "seds.nc").read_bytes() == (netcdf_store / "seds.nc").read_bytes()


def test_receipts_know_the_files(empty: Path, plan: Plan) -> None:
    for kind, index, name in (("part", 6, "part"), ("block", 0, "coordinates")):
        receipt = make_piece(empty, plan.fingerprint, kind, index)
        assert list(receipt.files) == [file_name(name, index)]
        for file, record in receipt.files.items():
            assert record_of(empty / file) == record


KILLING = """
import os, random, signal, sys, time
from pathlib import Path
import argdask as ad
from argdask.simulation import Simulation
from argdask.store.files import PARTIAL, record_of
from argdask.store.plan import plan_of
from argdask.store.work import initialise, make_piece

layout = {"part": 256, "chunk": 32}
recipe = ad.Recipe(galaxies=256, image_shape=(32, 32), scale=1.0, layout=layout)
simulation = Simulation(recipe, ad.default_seds())
path = Path(sys.argv[1])
plan = plan_of(simulation, "netcdf")
initialise(path, simulation, plan)
began = time.monotonic()
receipt = make_piece(path, plan.fingerprint, "part", 0)
took = time.monotonic() - began
((name, record),) = receipt.files.items()
moments = random.Random(4)
torn = 0
for _ in range(20):
    (path / name).unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        while True:
            make_piece(path, plan.fingerprint, "part", 0)
    time.sleep(moments.uniform(0, 2 * took))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    orphans = list(path.glob(f"*{PARTIAL}"))
    torn += len(orphans)
    for orphan in orphans:
        orphan.unlink()
    if (path / name).exists():
        assert record_of(path / name) == record
    names = {file.name for file in path.iterdir()}
    assert names <= {"manifest.json", "seds.nc", "statistics.nc", name}, names
print(torn)
"""


def test_a_killed_writer_leaves_whole_files_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLING, str(tmp_path / "pairs.nc")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    # Some of the twenty came in the middle of a file.
    assert int(ran.stdout) > 0


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A store whose making was killed."""
    path = tmp_path / "pairs.nc"
    arguments = ["generate", str(path), "--galaxies", "300"]
    for setting in ("image_shape=[16,16]", "layout.part=16", "layout.chunk=8"):
        arguments += ["--set", setting]
    script = f"from argdask.cli import main; main({arguments!r})"
    with subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stderr is not None
        run.stderr.readline()
        run.kill()
    return path


def test_a_killed_run_is_resumed_by_the_same_command(
    killed: Path, tmp_path: Path, seds: xr.DataArray
) -> None:
    assert json.loads((killed / "manifest.json").read_text())["attributes"][
        "state"
    ] == ("incomplete")
    with pytest.raises(SystemExit) as ended:
        cli.main(["generate", str(killed)])
    assert ended.value.code == 0
    layout = {"part": 16, "chunk": 8}
    recipe = ad.Recipe(galaxies=300, image_shape=(16, 16), layout=layout)
    other = tmp_path / "other.nc"
    ad.write(recipe, other, seds=seds)
    assert contents(killed) == contents(other)
    assert not killed.with_name("pairs.nc.receipts").exists()


# The commands.


def test_commands_work_on_it(
    netcdf_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        assert ended.value.code == 0, capsys.readouterr()
        return capsys.readouterr().out

    path = str(netcdf_store)
    told = json.loads(run("inspect", path, "--json"))
    assert told["layout"]["format"] == "netcdf"
    sizes = {variable["name"]: variable["size"] for variable in told["variables"]}
    # Seven parts, the last of which has four galaxies, in whole chunks of four.
    assert sizes["input"] == sizes["target"] == 100 * 16 * 14 * 9 * 4
    assert set(sizes) >= {"z_in", "flux_in", "wavelength", "filter"}
    assert "ok     galaxies made again" in run("verify", path)
    run("preview", path, "-o", str(tmp_path / "preview.png"))
    assert (tmp_path / "preview.png").stat().st_size > 10_000
    run("export", path, str(tmp_path / "arrays"))
    arrays = np.load(tmp_path / "arrays" / "inputgalaxies.npy")
    np.testing.assert_array_equal(arrays, ad.open_pairs(path)["input"].values)


def test_verify_finds_one_bit_in_each_kind_of_file(
    netcdf_store: Path, tmp_path: Path
) -> None:
    names = {re.sub(r"\d+", "", name): name for name in contents(netcdf_store)}
    assert len(names) == 8
    for name in names.values():
        path = shutil.copytree(netcdf_store, tmp_path / "damaged.nc")
        data = bytearray((path / name).read_bytes())
        data[len(data) // 2] ^= 4
        (path / name).write_bytes(data)
        report = ad.verify(path)
        assert not report.passed, name
        # The manifest may be no JSON any more.
        lost = name == "manifest.json" and "a store that argdask made"
        assert name in report.to_json() or lost in report.to_json()
        shutil.rmtree(path)


def test_a_damaged_file_is_told(netcdf_store: Path, tmp_path: Path) -> None:
    for damage in ("missing", "empty", "cut"):
        path = shutil.copytree(netcdf_store, tmp_path / "damaged.nc")
        file = path / file_name("part", 3)
        data = file.read_bytes()
        file.unlink()
        if damage != "missing":
            file.write_bytes(data[: 0 if damage == "empty" else len(data) // 2])
        report = ad.verify(path)
        assert not report.checks[0].passed
        assert file.name in report.checks[0].details[0]
        assert not report.checks[2].passed
        shutil.rmtree(path)
