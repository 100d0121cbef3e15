"""Rows that lie in many files are read as if in one, each file by itself."""

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask.errors import InputError
from argdask.store.part_files import file_name


def test_names_are_in_the_order_of_rows_however_many_there_are() -> None:
    numbers = [0, 9, 10, 99_999, 100_000, 10**6, 10**11]
    names = [file_name("part", number) for number in numbers]
    assert sorted(names) == names


KEYS = [
    0,
    -1,
    57,
    slice(None),
    slice(10, 90),
    slice(3, 99, 7),
    slice(None, None, -1),
    slice(90, 5, -17),
    slice(0, 0),
    np.array([5, 5, 99, 0, 16, 15, 17, 64]),
    np.array([], int),
    np.arange(100) % 3 == 0,
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_any_selection_of_galaxies_is_that_of_numpy(
    netcdf_store: Path, simulated: xr.Dataset, key: Any
) -> None:
    pairs = ad.open_pairs(netcdf_store, chunks=None)
    for name in ("input", "z_in", "flux_out"):
        found = pairs[name].variable[key]
        expected = simulated[name].variable[key]
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found.values, expected.values)


@pytest.mark.parametrize("galaxy", [4, slice(60, 20, -9), [70, 3, 3]], ids=str)
@pytest.mark.parametrize("others", [(2, -1, 3), (slice(9, 1, -3), [3, 0], 8)], ids=str)
def test_any_selection_of_pixels_is_that_of_numpy(
    netcdf_store: Path, simulated: xr.Dataset, galaxy: Any, others: Any
) -> None:
    key = dict(zip(("galaxy", "y", "x", "filter"), (galaxy, *others), strict=True))
    found = ad.open_pairs(netcdf_store, chunks=None)["target"].isel(key)
    expected = simulated["target"].isel(key)
    assert found.dims == expected.dims
    np.testing.assert_array_equal(found.values, expected.values)


def test_no_file_stays_open(netcdf_store: Path) -> None:
    def files_of_it() -> list[str]:
        links = list(Path("/proc/self/fd").iterdir())
        names = [str(link.readlink()) for link in links if link.is_symlink()]
        return [name for name in names if str(netcdf_store) in name]

    pairs = ad.open_pairs(netcdf_store)
    pairs.isel(galaxy=[3, 50]).load()
    assert files_of_it() == []


def test_threads_and_pickles_read_the_same(
    netcdf_store: Path, simulated: xr.Dataset
) -> None:
    pairs = pickle.loads(pickle.dumps(ad.open_pairs(netcdf_store, chunks=None)))

    def read(row: int) -> bool:
        found = pairs["input"].variable[row].values
        return bool((found == simulated["input"].values[row]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, [*range(100)] * 3))


def test_reading_goes_on_from_another_working_directory(
    netcdf_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(netcdf_store.parent)
    pairs = ad.open_pairs(netcdf_store.name)
    monkeypatch.chdir(tmp_path)
    assert np.isfinite(pairs["input"][50].values).all()


@pytest.mark.parametrize("kind", ["part", "coordinates"])
def test_a_file_that_is_missing_is_not_read_as_nothing(
    netcdf_store: Path, tmp_path: Path, kind: str
) -> None:
    path = shutil.copytree(netcdf_store, tmp_path / "pairs.nc")
    (path / file_name(kind, 0)).unlink()
    pairs = ad.open_pairs(path, chunks=None)
    name = "input" if kind == "part" else "z_in"
    with pytest.raises(
        InputError, match=rf"the file {kind}-0+\.nc; see `argdask verif"
    ):
        _ = pairs[name].values
