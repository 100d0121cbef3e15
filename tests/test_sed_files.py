"""Grids on disk: what is written comes back, what others write is read, bad files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from astropy import units as u
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argdask.errors import InputError
from argdask.filter_curves import search_filters
from argdask.sed_files import read_seds, write_seds
from argdask.seds import check_seds, content_hash

ENDINGS = (".nc", ".zarr")


@pytest.fixture
def grid() -> xr.DataArray:
    """Return a small grid with a mask, an unknown flux, texts and numbers."""
    values = np.random.default_rng(3).uniform(0.5, 2.0, (3, 4, 5))
    values[1, 2, 3] = np.nan
    mask = np.ones((3, 5), bool)
    mask[0, 1] = False
    return xr.DataArray(
        values,
        dims=("redshift", "filter", "template"),
        coords={
            "redshift": [0.5, 1.0, 1.5],
            "filter": ["u", "g", "r", "a long name é"],
            "wavelength": ("filter", [3500.0, 4800.0, 6200.0, 7600.0]),
            "age": ("template", [1e8, 3e8, 1e9, 3e9, 9e9]),
            "sfh": ("template", np.arange(5, dtype=np.int32)),
            "kind": ("template", np.array(["a", "bb", "c", "d", ""], dtype=object)),
            "valid": (("redshift", "template"), mask),
        },
        attrs={"source": "a test", "per_solar_mass": 1, "note": "é"},
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_comes_back(
    tmp_path: Path, grid: xr.DataArray, ending: str
) -> None:
    before = grid.copy(deep=True)
    path = write_seds(grid, tmp_path / f"grid{ending}")
    xr.testing.assert_identical(grid, before)
    found = read_seds(path)
    assert content_hash(found) == content_hash(grid)
    xr.testing.assert_identical(found, check_seds(grid))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_built_in_grid_comes_back(
    tmp_path: Path, seds: xr.DataArray, ending: str
) -> None:
    found = read_seds(write_seds(seds, tmp_path / f"grid{ending}"))
    assert content_hash(found) == content_hash(seds)
    xr.testing.assert_identical(found, seds)


def test_a_real_grid_of_smpy_comes_back_as_netcdf(
    tmp_path: Path, smpy_file: Path
) -> None:
    seds = read_seds(smpy_file)
    found = read_seds(write_seds(seds, tmp_path / "grid.nc"))
    assert content_hash(found) == content_hash(seds)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(2, 4), st.integers(1, 3), st.integers(1, 5)),
    scale=st.floats(1e-30, 1e30),
    ending=st.sampled_from([*ENDINGS, ".npz"]),
    seed=st.integers(0, 1000),
)
def test_any_numbers_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int],
    scale: float,
    ending: str,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    flux = random.exponential(scale, shape) * (random.random(shape) > 0.1)
    flux[0, 0, 0] = scale
    labels = {
        "redshift": np.sort(random.uniform(0.01, 9.0, shape[0])).round(9),
        "filter": np.array([f"band {number}" for number in range(shape[1])]),
        "wavelength": random.uniform(1e3, 1e5, shape[1]),
    }
    grid = xr.DataArray(
        flux,
        dims=("redshift", "filter", "template"),
        coords={**labels, "wavelength": ("filter", labels["wavelength"])},
    )
    path = tmp_path_factory.mktemp("grid") / f"g{ending}"
    if ending == ".npz":
        np.savez(path, flux=flux, **labels)
    else:
        write_seds(grid, path)
    assert content_hash(read_seds(path)) == content_hash(grid)


# What others write.


def _plain(grid: xr.DataArray) -> xr.DataArray:
    return grid.drop_vars(["valid", "kind", "sfh"]).assign_attrs(per_solar_mass=0)


@pytest.mark.parametrize("kind", ["netcdf3", "netcdf4", "zarr2", "zarr3"])
def test_other_names_orders_and_formats_are_read(
    tmp_path: Path, grid: xr.DataArray, kind: str
) -> None:
    plain = _plain(grid)
    other = plain.transpose("template", "redshift", "filter").to_dataset(name="sed")
    other = other.reset_coords(["wavelength", "age"])  # as plain variables
    other["run"] = ((), 3)
    other["spectrum"] = (("template", "pixel"), np.ones((5, 7)))
    path = tmp_path / "other"
    if kind.startswith("netcdf"):
        formats: dict[str, Any] = {"netcdf3": "NETCDF3_64BIT", "netcdf4": "NETCDF4"}
        other.to_netcdf(path, engine="netcdf4", format=formats[kind])
    else:
        other = other.drop_vars("filter") if kind == "zarr3" else other
        other.to_zarr(path, zarr_format=int(kind[-1]), consolidated=False)  # type: ignore[call-overload]
    names = plain["filter"].values.tolist() if kind == "zarr3" else None
    found = read_seds(path, filters=names)
    assert content_hash(found) == content_hash(plain)


def test_the_grid_of_a_store_of_pairs_is_read(
    tmp_path: Path, grid: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    images = xr.Dataset({"input": (("galaxy", "y"), np.ones((2, 3)))})
    images.to_zarr(path, zarr_format=3, consolidated=False)
    write_seds(grid, tmp_path / "grid.zarr").rename(path / "seds")
    assert content_hash(read_seds(path)) == content_hash(grid)


@pytest.mark.parametrize(
    ("units", "factor"), [("uJy", 1.0), ("nJy", 1e-3), ("Jy", 1e6), (None, 1.0)]
)
def test_fluxes_are_brought_to_microjansky(
    tmp_path: Path, grid: xr.DataArray, units: str | None, factor: float
) -> None:
    stored = _plain(grid) / factor
    stored.attrs = {"units": units} if units else {}
    stored.to_dataset(name="flux").to_netcdf(tmp_path / "g.nc", engine="netcdf4")
    found = read_seds(tmp_path / "g.nc")
    np.testing.assert_allclose(found.values, grid.values, rtol=1e-15)
    assert found.attrs["units"] == "uJy"


@pytest.mark.parametrize("units", ["Jy", "nJy", "W / (m2 Hz)"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_grid_has_the_same_bits_from_a_file_and_as_an_array(
    tmp_path: Path, grid: xr.DataArray, units: str, kind: type
) -> None:
    given = _plain(grid).astype(kind).assign_attrs(units=units)
    given.to_dataset(name="flux").to_netcdf(tmp_path / "g.nc", engine="netcdf4")
    found = read_seds(tmp_path / "g.nc")
    assert content_hash(found) == content_hash(given)
    factor = u.Unit(units).to(u.uJy)
    np.testing.assert_allclose(found.values, given.values * factor, rtol=2e-7)


def test_arrays_of_numpy_are_labelled_by_the_caller(
    tmp_path: Path, grid: xr.DataArray
) -> None:
    names = ["acs_wfc_f606w", "acs_wfc_f814w", "wfc3_ir_f125w", "wfc3_ir_f160w"]
    np.save(tmp_path / "flux.npy", grid.values.astype(np.float32))
    found = read_seds(tmp_path / "flux.npy", filters=names, redshift=[0.5, 1.0, 1.5])
    np.testing.assert_array_equal(found.values, grid.values.astype(np.float32))
    assert found["filter"].values.tolist() == names
    known = search_filters().sel(filter=names)["wavelength"].values
    np.testing.assert_array_equal(found["wavelength"].values, known)
    mine = read_seds(
        tmp_path / "flux.npy",
        filters=["a", "b", "c", "d"],
        redshift=(0.5, 1.0, 1.5),
        wavelength=np.array([4000, 5000, 6000, 7000]),
    )
    assert mine["wavelength"].values.tolist() == [4000.0, 5000.0, 6000.0, 7000.0]


def test_archives_of_numpy_carry_labels_and_parameters(
    tmp_path: Path, grid: xr.DataArray
) -> None:
    labels = {name: grid[name].values for name in grid.coords if name != "kind"}
    arrays = {str(name): values for name, values in labels.items()}
    model = '{"name": "FlatLambdaCDM", "H0": 67.0, "Om0": 0.3}'
    np.savez(
        tmp_path / "g.npz",
        flux=grid.values,
        kind=np.array(["a", "bb", "c", "d", ""]),
        cosmology=model,
        per_solar_mass=1,
        **arrays,
    )
    found = read_seds(tmp_path / "g.npz")
    assert content_hash(found) == content_hash(grid.assign_attrs(cosmology=model))
    assert found.attrs["source"] == "g.npz"


def test_names_for_filters_replace_those_of_the_file(
    tmp_path: Path, grid: xr.DataArray
) -> None:
    path = write_seds(grid, tmp_path / "g.nc")
    names = ["a", "b", "c", "d"]
    assert read_seds(path, filters=names)["filter"].values.tolist() == names


# Bad input.


def _refused(message: str, call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=f"^{message}") as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, grid: xr.DataArray, ending: str
) -> None:
    path = tmp_path / f"g{ending}"
    _refused("seds: got .*negative|seds: .*0 or more", lambda: write_seds(-grid, path))
    assert not path.exists()
    missing = tmp_path / "no" / path.name
    _refused("seds file: .*can be written", lambda: write_seds(grid, missing))
    write_seds(grid, path)
    _refused("seds file: .*a new file; choose", lambda: write_seds(grid, path))
    other = tmp_path / "g.hdf"
    _refused(r"seds file: .*\.nc or \.zarr", lambda: write_seds(grid, other))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def _npz(path: Path, **changes: Any) -> None:
    arrays: dict[str, Any] = {
        "flux": np.ones((2, 3, 4)),
        "redshift": np.array([0.5, 1.0]),
        "filter": np.array(["a", "b", "c"]),
        "wavelength": np.array([4e3, 5e3, 6e3]),
    }
    arrays |= changes
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flux": None}, "seds: got g.npz with no array 'flux'"),
        ({"flux": np.ones((2, 3))}, r"seds: got g.npz with 'flux' of shape \(2, 3\)"),
        ({"redshift": None}, r"seds\.redshift: got g.npz without redshift.*read_seds"),
        ({"filter": None}, r"seds\.filter: got g.npz without filter.*give filters to"),
        ({"wavelength": None}, r"seds\.wavelength: got none for a.*wavelength=\["),
        ({"redshift": np.ones(3)}, r"seds: got 'redshift' of shape \(3,\)"),
        ({"filter": np.array(["a"])}, r"seds: got 'filter' of shape \(1,\)"),
        ({"age": np.ones(3)}, r"seds: got 'age' of shape \(3,\).*shape \(4,\)"),
        ({"valid": np.ones((4, 2), bool)}, r"seds: got 'valid' of shape \(4, 2\)"),
        ({"redshift": np.array([0.5, -1.0])}, r"seds\.redshift: got -1\.0"),
        ({"redshift": np.array([0.5, np.nan])}, r"seds\.redshift: got nan"),
        ({"filter": np.array([1, 2, 3])}, r"seds\.filter: .*name the filters"),
        ({"flux": np.full((2, 3, 4), np.nan)}, "seds: got no valid template"),
        ({"flux": np.full((2, 3, 4), -1.0)}, "seds: got -1.0 at z = 0.5"),
        ({"flux": np.full((2, 3, 4), None)}, "seds: .*truncated or damaged"),
        ({"cosmology": "Planck18"}, r"seds\.cosmology: got Planck18"),
        ({"per_solar_mass": 2}, r"seds\.per_solar_mass: got 2"),
    ],
)
def test_archives_that_are_no_grid_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    _npz(tmp_path / "g.npz", **changes)
    _refused(message, lambda: read_seds(tmp_path / "g.npz"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"seds\.redshift: got f.npy without redshift"),
        ({"redshift": [0.5, 1.0]}, r"seds\.filter: got f.npy without filter"),
        ({"redshift": [0.5], "filters": list("abc")}, r"redshift: got shape \(1,\)"),
        ({"redshift": 0.5, "filters": list("abc")}, r"redshift: got shape \(\)"),
        ({"redshift": [0.5, 1.0], "filters": ["a"]}, r"filters: .*3 names"),
        ({"redshift": [0.5, 1.0], "filters": "abc"}, r"filters: got abc.*3 names"),
        ({"redshift": [0.5, 1.0], "filters": list("abc")}, r"seds\.wavelength: got no"),
        (
            {"redshift": [0.5, 1.0], "filters": list("abc"), "wavelength": [1.0]},
            r"wavelength: got shape \(1,\), expected 3 numbers",
        ),
    ],
)
def test_missing_labels_are_asked_for(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    np.save(tmp_path / "f.npy", np.ones((2, 3, 4)))
    _refused(message, lambda: read_seds(tmp_path / "f.npy", **arguments))


def test_labels_that_a_file_has_are_not_given_again(
    tmp_path: Path, grid: xr.DataArray
) -> None:
    path = write_seds(grid, tmp_path / "g.nc")
    _refused("redshift: .*leave it out", lambda: read_seds(path, redshift=[1, 2, 3]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d.rename(redshift="z"),
            "seds: got g.nc with flux .*rename the dims",
        ),
        (lambda d: d.drop_vars("flux"), "seds: got g.nc with no variables"),
        (
            lambda d: d.rename(flux="a").assign(b=d["flux"].variable),
            "seds: got g.nc with a .*'flux' of several",
        ),
        (
            lambda d: d.assign(flux=d["flux"].assign_attrs(units="erg")),
            r"seds\.units: got erg, expected a flux density per frequency, as uJy",
        ),
        (lambda d: d.drop_vars("filter"), r"seds\.filter: got g.nc without filter"),
        (lambda d: d.isel(redshift=[0]), "seds: .*larger grid"),
    ],
)
def test_files_that_are_no_grid_are_refused(
    tmp_path: Path,
    grid: xr.DataArray,
    change: Callable[[xr.Dataset], xr.Dataset],
    message: str,
) -> None:
    dataset = change(_plain(grid).to_dataset(name="flux"))
    dataset.to_netcdf(tmp_path / "g.nc", engine="netcdf4")
    _refused(message, lambda: read_seds(tmp_path / "g.nc"))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:700])


def test_damaged_files_are_refused(tmp_path: Path, grid: xr.DataArray) -> None:
    write_seds(grid, tmp_path / "g.nc")
    _npz(tmp_path / "g.npz")
    np.save(tmp_path / "g.npy", np.ones((20, 3, 4)))
    for name in ("g.nc", "g.npz", "g.npy"):
        _cut(tmp_path / name)
        _refused(
            "seds: .*truncated or damaged.*copy it again",
            lambda name=name: read_seds(tmp_path / name),  # type: ignore[misc]
        )
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
        file.writestr("flux.txt", "1 2 3")
    _refused("seds: .*damaged|seds: .*'flux'", lambda: read_seds(tmp_path / "z.zip"))
    with h5py.File(tmp_path / "h.h5", "w") as file:
        file["a"] = np.ones(3)
    _refused(r"seds: got h.h5 with a of shape", lambda: read_seds(tmp_path / "h.h5"))


def test_damaged_folders_are_refused(tmp_path: Path, grid: xr.DataArray) -> None:
    path = write_seds(grid, tmp_path / "g.zarr")
    (path / "flux" / "zarr.json").write_text("{")
    _refused("seds: .*incomplete or damaged", lambda: read_seds(path))
    (tmp_path / "folder").mkdir()
    _refused("seds: .*a folder", lambda: read_seds(tmp_path / "folder"))
