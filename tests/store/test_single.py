"""One netCDF file holds all of a store, of whichever format, or is not there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask import cli
from argdask.errors import IncompleteError, InputError
from argdask.seds import check_seds
from argdask.store.work import read_plan


def test_the_file_is_the_open_store(any_store: Path) -> None:
    told: list[tuple[int, int]] = []
    made = ad.export(
        any_store, "all.nc", layout="netcdf", progress=lambda *n: told.append(n)
    )
    assert made.folder == Path("all.nc").absolute()
    assert made.made == ("all.nc",)
    assert made.galaxies == 100
    assert made.size == Path("all.nc").stat().st_size
    assert told[-1] == (100, 100)
    assert [path.name for path in Path().iterdir()] == ["all.nc"]
    pairs = ad.open_pairs(any_store)
    with xr.open_dataset("all.nc") as found:
        assert set(found.coords) == set(pairs.coords)
        assert set(found.data_vars) == set(pairs.data_vars)
        for name, variable in pairs.variables.items():
            assert found[name].dims == variable.dims
            np.testing.assert_array_equal(
                found[name].values, variable.values, str(name)
            )
            if variable.dtype.kind != "T":
                assert found[name].dtype == variable.dtype, name
            units = variable.attrs.get("units")
            expected = "degree" if units == "deg" else units
            assert found[name].attrs.get("units") == expected
        assert found.attrs == {
            **pairs.attrs,
            "Conventions": "CF-1.9",
            "fingerprint": read_plan(any_store).fingerprint,
        }


def test_the_grid_and_the_catalogue_are_groups(seds: xr.DataArray) -> None:
    table: dict[str, Any] = {
        "galaxy_id": np.arange(10)[::-1] * 3 + 1,
        "z_in": np.linspace(0.1, 1.5, 10),
    }
    layout = {"part": 4, "chunk": 2}
    recipe = ad.Recipe(image_shape=8, layout=layout)
    for suffix in ("zarr", "nc"):
        ad.write(recipe, f"pairs.{suffix}", seds=seds, catalogue=table)
        ad.export(f"pairs.{suffix}", f"{suffix}-all.nc", layout="netcdf")
        with xr.open_dataset(f"{suffix}-all.nc", group="catalogue") as carried:
            assert carried["galaxy_id"].values.tolist() == table["galaxy_id"].tolist()
            assert carried["z_in"].values.tolist() == table["z_in"].tolist()
        with xr.open_dataset(f"{suffix}-all.nc", group="seds") as grid:
            again = check_seds(grid["flux"].load())
        np.testing.assert_array_equal(again.values, check_seds(seds).values)
        assert set(again.coords) == set(check_seds(seds).coords)


def test_the_same_call_again_does_nothing(any_store: Path) -> None:
    ad.export(any_store, "all.nc", layout="netcdf")
    before = _identity(Path("all.nc"))
    again = ad.export(any_store, "all.nc", layout="netcdf")
    assert again.made == ()
    assert _identity(Path("all.nc")) == before


def _identity(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written anew, but not when it is read."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def test_another_file_is_not_replaced(store: Path, netcdf_store: Path) -> None:
    ad.export(netcdf_store, "all.nc", layout="netcdf")
    Path("text.nc").write_text("mine", "utf-8")
    Path("empty.nc").touch()
    with netCDF4.Dataset("other.nc", "w") as file:
        file.title = "mine"
    for name in ("all.nc", "text.nc", "empty.nc", "other.nc"):
        before = Path(name).read_bytes()
        with pytest.raises(InputError, match="a new file, not one that is there"):
            ad.export(store, name, layout="netcdf")
        assert Path(name).read_bytes() == before


def test_places_that_cannot_be_are_refused(any_store: Path) -> None:
    Path("folder").mkdir()
    for place, message in (
        ("folder", "expected a file"),
        ("nowhere/all.nc", "a file that can be written"),
        (any_store / "all.nc", "outside the store"),
    ):
        with pytest.raises(InputError, match=message):
            ad.export(any_store, place, layout="netcdf")
    assert [path.name for path in Path().iterdir()] == ["folder"]


KILLED = """
import os, signal, sys
import argdask as ad


def kill(made, galaxies):
    if made > 40:
        os.kill(os.getpid(), signal.SIGKILL)


ad.export(sys.argv[1], "all.nc", layout="netcdf", progress=kill)
"""


def test_a_killed_export_leaves_no_file_and_the_next_is_whole(any_store: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", KILLED, str(any_store)], check=False)
    assert ran.returncode == -signal.SIGKILL
    (torn,) = Path().iterdir()
    assert torn.name.endswith(".partial")
    ad.export(any_store, "all.nc", layout="netcdf")
    assert [path.name for path in Path().iterdir()] == ["all.nc"]
    ad.export(any_store, "again.nc", layout="netcdf")
    assert Path("again.nc").read_bytes() == Path("all.nc").read_bytes()


def test_an_incomplete_store_is_refused(netcdf_store: Path, tmp_path: Path) -> None:
    root = json.loads((netcdf_store / "manifest.json").read_text("utf-8"))
    root["attributes"]["state"] = "incomplete"
    Path("part.nc").mkdir()
    Path("part.nc/manifest.json").write_text(json.dumps(root), "utf-8")
    with pytest.raises(IncompleteError, match="argdask generate"):
        ad.export("part.nc", "all.nc", layout="netcdf")
    assert not Path("all.nc").exists()


@pytest.mark.parametrize("option", [["--single"], ["--format", "netcdf"]])
def test_the_command_writes_one_file(
    netcdf_store: Path, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["export", str(netcdf_store), "all.nc", *option])
    assert ended.value.code == 0
    assert "wrote all.nc" in capsys.readouterr().out
    assert Path("all.nc").is_file()


MEASURED = """
import re, sys
from pathlib import Path
import argdask as ad

ad.export(sys.argv[1], "all-" + sys.argv[1], layout="netcdf")
status = Path("/proc/self/status").read_text()
print(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells")
def test_memory_does_not_grow_with_galaxies() -> None:
    peaks = []
    for galaxies in (500, 4000):
        recipe = ad.Recipe(
            galaxies=galaxies, image_shape=32, layout={"part": 256, "chunk": 16}
        )
        ad.write(recipe, f"{galaxies}.nc")
        command = [sys.executable, "-c", MEASURED, f"{galaxies}.nc"]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(int(run.stdout) / 1024)
    # The larger export writes 258 MB more than the smaller one.
    print(f"highest memory: {peaks[0]:.0f} and {peaks[1]:.0f} MiB")
    assert peaks[1] - peaks[0] < 24, peaks
