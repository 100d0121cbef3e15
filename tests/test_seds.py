"""SED grids: smpy's file read twice, the built-in grid by speclite, and bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import astropy.cosmology
import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy import units as u
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sedpy import observate
from speclite.filters import FilterResponse

from argdask import sed_sources as module
from argdask.errors import InputError
from argdask.filter_curves import filter_curve
from argdask.packages import data_folder
from argdask.sed_sources import default_seds, read_seds
from argdask.seds import (
    age_of_universe,
    check_seds,
    content_hash,
    cosmology,
    select_filters,
)
from argdask.tables import read_table

Floats = NDArray[np.float64]

SMPY_FILE = (
    Path(__file__).resolve().parents[2] / "shared/data/candels.goodss.models.hdf"
)
needs_smpy_file = pytest.mark.skipif(
    not SMPY_FILE.is_file(),
    reason="needs smpy's grid at ../shared/data/candels.goodss.models.hdf",
)
HST = (
    *(f"acs_wfc_{name}" for name in ("f435w", "f606w", "f775w", "f814w", "f850lp")),
    *(f"wfc3_ir_{name}" for name in ("f098m", "f105w", "f125w", "f160w")),
)
BUILT_IN_TYPES = ("El", "Sbc", "Scd", "Im", "SB3", "SB2")
SCALES = {"z": "z", "met": "metallicities", "ages": "ages", "sfh": "sfh"} | {
    "dust": "dust",
    "fesc": "fesc",
}


@pytest.fixture
def grid() -> xr.DataArray:
    """Return a small grid made by hand, all of it valid."""
    values = np.random.default_rng(3).uniform(0.5, 2.0, (3, 4, 5))
    return xr.DataArray(
        values,
        dims=("redshift", "filter", "template"),
        coords={
            "redshift": [0.5, 1.0, 1.5],
            "filter": ["u", "g", "r", "i"],
            "wavelength": ("filter", [3500.0, 4800.0, 6200.0, 7600.0]),
            "age": ("template", [1e8, 3e8, 1e9, 3e9, 9e9]),
            "kind": ("template", np.array(["a", "bb", "c", "d", "e"], dtype=object)),
        },
    )


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the built-in grid forget what it has in memory, before and after."""
    module._default_seds.cache_clear()
    monkeypatch.setattr(module, "cache_folder", lambda: None)
    yield
    module._default_seds.cache_clear()


def refuses(field: str, cure: str, call: Callable[[], object]) -> InputError:
    """Check that a call is refused by one line that names the field and the cure."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(f"{field}: ")
    assert cure in message
    assert "\n" not in message
    return caught.value


@pytest.mark.parametrize(
    "units",
    ["uJy", "µJy", "μJy", "microjansky", "nJy", "mJy", "Jy", "erg/s/cm2/Hz", u.Jy],
)
def test_fluxes_in_any_unit_are_brought_to_microjansky(
    grid: xr.DataArray, units: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        factor = u.Unit(units).to(u.uJy)
    found = check_seds(grid.assign_attrs(units=units))
    # Two roundings: of astropy's factor, and of the product.
    np.testing.assert_allclose(found.values, grid.values * factor, rtol=5e-16)
    assert found.attrs["units"] == "uJy"
    # What was converted is not converted again.
    assert content_hash(found) == content_hash(grid.assign_attrs(units=units))


def test_fluxes_in_microjansky_and_without_a_unit_keep_their_bits(
    grid: xr.DataArray,
) -> None:
    bare = check_seds(grid)
    np.testing.assert_array_equal(bare.values, grid.values)
    for units in ("uJy", None):
        assert content_hash(grid.assign_attrs(units=units)) == content_hash(bare)


def test_fluxes_in_half_precision_are_converted_in_single(grid: xr.DataArray) -> None:
    half = grid.astype(np.float16)
    found = check_seds(half.assign_attrs(units="Jy"))
    np.testing.assert_allclose(found.values, half.values.astype(float) * 1e6, rtol=1e-7)


@pytest.mark.parametrize(
    ("units", "cure"),
    [
        ("mag", "an AB magnitude m"),
        ("mag(AB)", "an AB magnitude m"),
        ("AB", "an AB magnitude m"),
        ("erg/s/cm2/A", "by astropy.units.spectral_density(wavelength)"),
        ("erg / s / Hz", "convert the fluxes to uJy"),
        ("Jy / sr", "convert the fluxes to uJy"),
        ("", "convert the fluxes to uJy"),
        ("fluxes", "write it as astropy does"),
        (3.0, "convert the fluxes to uJy"),
    ],
)
def test_what_is_no_flux_density_is_refused(
    grid: xr.DataArray, units: Any, cure: str
) -> None:
    error = refuses(
        "seds.units", cure, lambda: check_seds(grid.assign_attrs(units=units))
    )
    assert error.value == units
    assert "a flux density per frequency" in error.expected


@pytest.mark.parametrize(
    "table", [{"z_in": [0.5]}, pd.DataFrame({"z_in": [0.5]}), read_table({"z_in": [1]})]
)
def test_a_table_in_the_place_of_a_grid_is_told(table: Any) -> None:
    told = "a table of galaxies: pass it as catalogue="
    refuses("seds", told, lambda: check_seds(table))


def small_smpy(
    path: Path,
    order: tuple[str, ...] = ("z", "", "met", "ages", "sfh", "dust", "fesc"),
    change: Callable[[h5py.File], None] | None = None,
) -> dict[str, Any]:
    """Write a small file in smpy's structure, its axes in any order."""
    values: dict[str, Any] = {
        "z": np.array([0.5, 0.9999999999999999, 1.5]),
        "": np.array([4327.2, 3737.0, 4327.4, 8073.4]),
        "met": np.array([0.1, 1.0]),
        "ages": np.array([9e9, 6e9, 3e9]),
        "sfh": np.array([1, 0]),
        "dust": np.array([0.0, 0.5, 1.0]),
        "fesc": np.array([1.0]),
        "tau": np.array([[0.1, -0.2, 0.3], [10.0, -20.0, 30.0]]),
    }
    canonical = ("z", "", "met", "ages", "sfh", "dust", "fesc")
    shape = [len(values[label]) for label in canonical]
    values["fluxes"] = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    moved = values["fluxes"].transpose([canonical.index(label) for label in order])
    with h5py.File(path, "w") as file:
        file["fluxes"] = moved.astype(np.float32)
        file["fluxes"].attrs["unit"] = "uJy"
        file["wl"] = values[""]
        file["tau"] = values["tau"]
        for label, name in SCALES.items():
            file[name] = values[label]
            file[name].make_scale(label)
            file["fluxes"].dims[order.index(label)].attach_scale(file[name])
        if change is not None:
            change(file)
    return values


# smpy's files.


@needs_smpy_file
def test_smpy_grid_is_the_file_reshaped() -> None:
    found = read_seds(SMPY_FILE)
    with h5py.File(SMPY_FILE) as file:
        expected = file["fluxes"][()].reshape(39, 17, -1).astype(np.float64)
        wavelength = file["wl"][()]
    assert found.shape == (39, 17, 1872)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found.values, expected)
    np.testing.assert_array_equal(found["wavelength"].values, wavelength)
    assert found["valid"].all()
    assert float(found["redshift"][18]) == 1.0
    assert found.attrs["per_solar_mass"] == 1
    assert "candels.goodss.models.hdf" in found.attrs["source"]


@needs_smpy_file
def test_every_template_of_smpy_knows_its_parameters() -> None:
    found = read_seds(SMPY_FILE)
    with h5py.File(SMPY_FILE) as file:
        parameters = {name: file[path][()] for name, path in SCALES.items()}
        tau = file["tau"][()]
        fluxes = file["fluxes"][()]
    for place in [(0, 0, 0, 0), (1, 5, 3, 2), (0, 38, 7, 1), (1, 38, 7, 2)]:
        met, age, sfh, dust = place
        template = found.isel(
            template=int(np.ravel_multi_index((*place, 0), (2, 39, 8, 3, 1)))
        )
        assert float(template["metallicity"]) == parameters["met"][met]
        assert float(template["age"]) == parameters["ages"][age]
        assert int(template["sfh"]) == sfh
        assert float(template["a_v"]) == parameters["dust"][dust]
        assert float(template["escape_fraction"]) == 1.0
        for column, name in enumerate(("sfh_alpha", "sfh_beta", "sfh_tau")):
            assert float(template[name]) == tau[sfh, column]
        expected = fluxes[:, :, met, age, sfh, dust, 0]
        np.testing.assert_array_equal(template.values, expected)


@needs_smpy_file
def test_smpy_filters_are_named_by_the_caller_or_after_their_wavelength() -> None:
    found = read_seds(SMPY_FILE)["filter"].values.tolist()
    assert found[:3] == ["band_3737", "band_3727", "band_4327"]
    names = [f"filter {number}" for number in range(17)]
    assert read_seds(SMPY_FILE, filters=names)["filter"].values.tolist() == names


@needs_smpy_file
@pytest.mark.parametrize("kept", [8, 20, 100, 2048, 100_000, 9_000_000, -1])
def test_truncated_smpy_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.hdf"
    path.write_bytes(SMPY_FILE.read_bytes()[:kept])
    refuses("seds", "copy it again", lambda: read_seds(path))


@pytest.mark.parametrize(
    "order",
    [
        ("z", "", "met", "ages", "sfh", "dust", "fesc"),
        ("z", "", "fesc", "dust", "ages", "sfh", "met"),
        ("ages", "met", "", "z", "fesc", "sfh", "dust"),
    ],
)
def test_axes_are_known_by_their_scales_not_by_their_order(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    values = small_smpy(tmp_path / "s.hdf", order)
    found = read_seds(tmp_path / "s.hdf")
    np.testing.assert_array_equal(found.values, values["fluxes"].reshape(3, 4, -1))
    np.testing.assert_array_equal(found["redshift"].values, [0.5, 1.0, 1.5])
    # template 13 = (met 0, age 2, sfh 0, dust 1): its sfh points to row 1 of tau
    template = found.isel(template=13)
    expected = {"metallicity": 0.1, "age": 3e9, "sfh": 1, "a_v": 0.5}
    expected |= {"sfh_alpha": 10.0, "sfh_beta": -20.0, "sfh_tau": 30.0}
    assert {name: template[name].item() for name in expected} == expected


def test_filters_of_nearly_one_wavelength_get_different_names(tmp_path: Path) -> None:
    small_smpy(tmp_path / "s.hdf")
    found = read_seds(tmp_path / "s.hdf")["filter"].values.tolist()
    assert found == ["band_4327", "band_3737", "band_4327_2", "band_8073"]


@pytest.mark.parametrize("columns", [1, 2])
def test_other_histories_have_numbered_parameters(tmp_path: Path, columns: int) -> None:
    def fewer(file: h5py.File) -> None:
        tau = file["tau"][:, :columns]
        del file["tau"]
        file["tau"] = tau[:, 0] if columns == 1 else tau

    small_smpy(tmp_path / "s.hdf", change=fewer)
    found = read_seds(tmp_path / "s.hdf")
    np.testing.assert_array_equal(found["sfh_parameter_1"].values[[0, 3]], [10.0, 0.1])
    assert f"sfh_parameter_{columns}" in found.coords
    assert f"sfh_parameter_{columns + 1}" not in found.coords
    assert "sfh_tau" not in found.coords


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_template_without_light_is_masked_not_refused(
    tmp_path: Path, bad: float
) -> None:
    def spoil(file: h5py.File) -> None:
        file["fluxes"][1, :, -1, -1, -1, -1, -1] = bad

    small_smpy(tmp_path / "s.hdf", change=spoil)
    valid = read_seds(tmp_path / "s.hdf")["valid"].values
    expected = np.ones((3, 36), bool)
    expected[1, -1] = False
    np.testing.assert_array_equal(valid, expected)


def test_flux_of_zero_in_one_filter_is_a_flux(tmp_path: Path) -> None:
    def dim(file: h5py.File) -> None:
        file["fluxes"][0, 0] = 0.0

    small_smpy(tmp_path / "s.hdf", change=dim)
    assert read_seds(tmp_path / "s.hdf")["valid"].all()


def _replace(name: str, values: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if name in SCALES.values():
            label = next(key for key, path in SCALES.items() if path == name)
            axis = [next(iter(d), "") for d in file["fluxes"].dims].index(label)
            file["fluxes"].dims[axis].detach_scale(file[name])
            del file[name]
            file[name] = values
            file[name].make_scale(label)
            file["fluxes"].dims[axis].attach_scale(file[name])
        else:
            del file[name]
            file[name] = values

    return change


def _negative(file: h5py.File) -> None:
    file["fluxes"][0, 1, 0, 0, 0, 0, 0] = -1.0


def _unlabelled(file: h5py.File) -> None:
    file["fluxes"].dims[5].detach_scale(file["dust"])


def _group(name: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_group(name)

    return change


def _spoil(name: str, value: float) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        values = file[name][()]
        values.flat[0] = value
        file[name][...] = values

    return change


def _unit(name: str, unit: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name].attrs["unit"] = unit

    return change


def _in_gigayears(file: h5py.File) -> None:
    file["ages"][...] = file["ages"][()] / 1e9


@pytest.mark.parametrize(
    ("change", "field", "shown", "cure"),
    [
        (_replace("wl", np.ones(3)), "seds", "'wl' of shape (3,)", "make it anew"),
        (_replace("z", np.ones(4)), "seds", "'z' of shape (4,)", "make it anew"),
        (_replace("dust", np.ones(7)), "seds", "'dust' of shape (7,)", "make it anew"),
        (_replace("tau", np.ones((1, 3))), "seds", "'tau' of shape", "make it anew"),
        (_replace("sfh", np.ones(2)), "seds", "row for each of 'sfh'", "make it anew"),
        (_replace("z", [0.5, 0.5, 1.0]), "seds.redshift", "0.5", "drop or rename"),
        (_replace("z", [0.0, 0.5, 1.0]), "seds.redshift", "0.0", "drop this one"),
        (_replace("wl", [4e3, 5e3, -3, 6e3]), "seds.wavelength", "-3 of", "Angstrom"),
        (
            _replace("wl", [0.4, 0.5, 0.6, 0.8]),
            "seds.wavelength",
            "0.4 of filter band_0,",
            "in Angstrom, not in micron",
        ),
        (
            _replace("wl", [4e3, 5e3, np.nan, 6e3]),
            "seds.wavelength",
            "got nan of filter band_nan, expected more than 100 Angstrom",
            "in Angstrom",
        ),
        (_replace("wl", list("abcd")), "seds", "'wl' of text in s.hdf", "make it anew"),
        (_group("fluxes"), "seds", "'fluxes' a group in s.hdf", "make it anew"),
        (_group("tau"), "seds", "'tau' a group in s.hdf", "make it anew"),
        (
            lambda file: file.pop("fluxes"),
            "seds",
            "s.hdf with no fluxes",
            "file that smpy wrote",
        ),
        (_spoil("ages", -1.0), "seds.age", "-1 for template", "drop the template"),
        (_spoil("ages", 0.0), "seds.age", "0 for template", "drop the template"),
        (_spoil("ages", np.nan), "seds", "nan in 'ages' of s.hdf", "make it anew"),
        (_spoil("dust", np.inf), "seds", "inf in 'dust' of s.hdf", "make it anew"),
        (_spoil("fesc", np.nan), "seds", "nan in 'fesc' of s.hdf", "make it anew"),
        (_spoil("metallicities", np.nan), "seds", "nan in 'metall", "make it anew"),
        (_spoil("tau", np.nan), "seds", "nan in 'tau' of s.hdf", "make it anew"),
        (_in_gigayears, "seds.age", "for the oldest, template", "years, not in Gyr"),
        (_unit("fluxes", "erg"), "seds", "'fluxes' in erg in", "attribute 'unit'"),
        (_unit("ages", "parsec"), "seds", "'ages' in parsec in", "attribute 'unit'"),
        (_unit("ages", "eons"), "seds", "'ages' in eons in s.hdf", "attribute 'unit'"),
        (_negative, "seds", "z = 0.5, band_3737, template 0", "set it to 0"),
        (_unlabelled, "seds", "scales", "file that smpy wrote"),
        (_replace("fluxes", np.ones(3)), "seds", "scales", "file that smpy wrote"),
        (lambda file: file.pop("wl"), "seds", "no wl", "file that smpy wrote"),
    ],
)
def test_spoilt_smpy_file_is_refused(
    tmp_path: Path,
    change: Callable[[h5py.File], None],
    field: str,
    shown: str,
    cure: str,
) -> None:
    path = tmp_path / "s.hdf"
    small_smpy(path, change=change)
    assert shown in str(refuses(field, cure, lambda: read_seds(path)))


@pytest.mark.parametrize("unit", ["uJy", b"uJy", "Jy", "erg / (s cm2 Hz)"])
def test_units_of_an_smpy_file_are_those_it_says(
    tmp_path: Path, unit: str | bytes
) -> None:
    whole, other = tmp_path / "whole.hdf", tmp_path / "other.hdf"
    small_smpy(whole)

    def change(file: h5py.File) -> None:
        file["fluxes"].attrs["unit"] = unit
        _in_gigayears(file)
        file["ages"].attrs["unit"] = "Gyr"

    small_smpy(other, change=change)
    expected, found = read_seds(whole), read_seds(other)
    told = unit.decode() if isinstance(unit, bytes) else unit
    # 1 Jy is 1e-23 erg / s / cm2 / Hz; a product in float64 is exact to 2^-52.
    factor = {"uJy": 1.0, "Jy": 1e6}.get(told, 1e29)
    np.testing.assert_allclose(found.values, expected.values * factor, rtol=1e-14)
    np.testing.assert_allclose(found["age"], expected["age"], rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "place", "value", "shown"),
    [
        ("wavelength", 1, np.nan, "got nan of filter "),
        ("wavelength", 1, 0.5, "got 0.5 of filter "),
        ("age", 2, -3.0, "got -3 for template 2"),
        ("age", 2, np.inf, "got inf for template 2"),
        ("age", slice(None), 11.99, "got 11.99 for the oldest, template 0"),
        ("age", slice(None), "old", "expected real numbers"),
    ],
)
def test_labels_in_other_units_are_refused(
    grid: xr.DataArray, name: str, place: Any, value: Any, shown: str
) -> None:
    values = grid[name].values.astype(type(value))
    values[place] = value
    spoilt = grid.assign_coords({name: (grid[name].dims, values)})
    error = refuses(f"seds.{name}", "", lambda: check_seds(spoilt))
    assert shown in str(error)
    assert len(str(error)) < 140


def test_paths_that_are_no_grid_are_refused(tmp_path: Path) -> None:
    missing, text, other = (tmp_path / name for name in ("no.hdf", "t.hdf", "o.hdf"))
    text.write_text("not a grid\n")
    with h5py.File(other, "w") as file:
        file["fluxes"] = np.ones((2, 3))
    for path, shown in {
        missing: "no such file",
        tmp_path: "a folder",
        text: "not HDF5",
        other: "no tau, wl",
    }.items():
        error = refuses("seds", "smpy wrote", lambda path=path: read_seds(path))
        assert shown in str(error)
    text.write_bytes(b"")
    assert "not HDF5" in str(refuses("seds", "smpy wrote", lambda: read_seds(text)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    small_smpy(tmp_path / "s.hdf")
    (tmp_path / "s.hdf").chmod(0)
    refuses("seds", "permissions", lambda: read_seds(tmp_path / "s.hdf"))


@pytest.mark.parametrize("filters", [["a", "b", "c"], "abcd", []])
def test_wrong_number_of_names_is_refused(tmp_path: Path, filters: object) -> None:
    small_smpy(tmp_path / "s.hdf")
    error = refuses(
        "filters",
        "name every filter",
        lambda: read_seds(tmp_path / "s.hdf", filters=filters),  # type: ignore[arg-type]
    )
    assert "4 names, for the wavelengths 4327, 3737, 4327, 8073" in str(error)


def test_one_name_for_two_filters_is_refused(tmp_path: Path) -> None:
    small_smpy(tmp_path / "s.hdf")
    names = ["u", "g", "g", "i"]
    refuses(
        "seds.filter", "rename", lambda: read_seds(tmp_path / "s.hdf", filters=names)
    )


# Any grid.


def test_checked_grid_is_canonical_and_the_given_one_untouched(
    grid: xr.DataArray,
) -> None:
    given_grid = grid.isel(redshift=[2, 0, 1]).transpose(
        "template", "redshift", "filter"
    )
    given_grid = given_grid.assign_coords(
        redshift=given_grid["redshift"] + np.array([0.0, 1e-12, -1e-12])
    ).astype(np.float32)
    before = given_grid.copy(deep=True)
    found = check_seds(given_grid)
    xr.testing.assert_identical(given_grid, before)
    assert found.dims == ("redshift", "filter", "template")
    assert found.name == "flux"
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found["redshift"].values, [0.5, 1.0, 1.5])
    np.testing.assert_array_equal(found.values, grid.values.astype(np.float32))
    assert found["valid"].dims == ("redshift", "template")
    assert found["valid"].all()
    assert found["kind"].dtype.kind == "U"
    assert found.attrs == {
        "units": "uJy",
        "long_name": "flux of the template",
        "source": "given as an array",
        "cosmology": '{"name": "FlatLambdaCDM", "H0": 70.0, "Om0": 0.3}',
        "per_solar_mass": 0,
    }
    assert all(
        {"units", "long_name"} <= set(found[name].attrs) for name in found.coords
    )
    found[:] = 0.0
    found["age"][:] = 0.0
    xr.testing.assert_identical(given_grid, before)


def test_checking_twice_is_checking_once(grid: xr.DataArray) -> None:
    once = check_seds(grid)
    xr.testing.assert_identical(check_seds(once), once)


def test_attributes_become_text_and_numbers(grid: xr.DataArray) -> None:
    attrs = {"per_solar_mass": np.bool_(True), "note": ["a"], "year": np.int64(3)}
    found = check_seds(grid.assign_attrs(attrs)).attrs
    assert found["per_solar_mass"] == 1
    assert {type(found[name]) for name in ("per_solar_mass", "year")} == {int}
    assert found["note"] == "['a']"


def test_stacked_grid_keeps_its_parameters_as_plain_coordinates() -> None:
    box = xr.DataArray(
        np.ones((2, 1, 3, 2)),
        dims=("redshift", "filter", "age", "metallicity"),
        coords={
            "redshift": [0.5, 1.0],
            "filter": ["r"],
            "wavelength": ("filter", [6200.0]),
            "age": [1e8, 1e9, 1e10],
            "metallicity": [0.1, 1.0],
        },
    )
    found = check_seds(box.stack(template=("age", "metallicity")))
    assert "template" not in found.coords
    np.testing.assert_array_equal(found["age"].values, np.repeat([1e8, 1e9, 1e10], 2))
    assert found["age"].attrs["units"] == "yr"


def test_mask_of_the_user_is_kept_and_completed(grid: xr.DataArray) -> None:
    mask = np.ones((3, 5), bool)
    mask[0, 1] = False
    grid = grid.assign_coords(valid=(("redshift", "template"), mask))
    grid[2, 3, 4] = np.nan
    found = check_seds(grid)["valid"].values
    mask[2, 4] = False
    np.testing.assert_array_equal(found, mask)


def _changed(grid: xr.DataArray, **coords: Any) -> xr.DataArray:
    return grid.assign_coords(coords)


@pytest.mark.parametrize(
    ("change", "field", "cure"),
    [
        (lambda g: g.rename(filter="band"), "seds", "name its dims"),
        (lambda g: g.values, "seds", "default_seds"),
        (lambda g: g.drop_vars("redshift"), "seds.redshift", "assign_coords"),
        (lambda g: g.drop_vars("filter"), "seds.filter", "assign_coords"),
        (lambda g: g.drop_vars("wavelength"), "seds.wavelength", "assign_coords"),
        (lambda g: _changed(g, redshift=[0.0, 1, 2]), "seds.redshift", "drop this"),
        (lambda g: _changed(g, redshift=[-1.0, 1, 2]), "seds.redshift", "drop this"),
        (lambda g: _changed(g, redshift=[np.nan, 1, 2]), "seds.redshift", "drop this"),
        (lambda g: _changed(g, redshift=[1, 1 + 1e-11, 2]), "seds.redshift", "drop"),
        (lambda g: _changed(g, redshift=["a", "b", "c"]), "seds.redshift", "convert"),
        (lambda g: _changed(g, filter=["u", "g", "g", "i"]), "seds.filter", "rename"),
        (lambda g: _changed(g, filter=[1, 2, 3, 4]), "seds.filter", "name the filters"),
        (lambda g: g.isel(redshift=[0]), "seds", "larger grid"),
        (lambda g: g.isel(filter=[]), "seds", "larger grid"),
        (lambda g: g.isel(template=[]), "seds", "larger grid"),
        (lambda g: g - 1.0, "seds", "set it to 0"),
        (lambda g: g * np.nan, "seds", "look at its fluxes"),
        (lambda g: g * 0.0, "seds", "look at its fluxes"),
        (lambda g: g.astype(complex), "seds", "convert it"),
        (lambda g: g.assign_attrs(per_solar_mass=2), "seds.per_solar_mass", "correct"),
        (lambda g: _changed(g, valid=True), "seds.valid", "drop it"),
    ],
)
def test_bad_grid_is_refused(
    grid: xr.DataArray,
    change: Callable[[xr.DataArray], xr.DataArray],
    field: str,
    cure: str,
) -> None:
    refuses(field, cure, lambda: check_seds(change(grid)))


# Filters.


def test_filters_come_in_the_order_asked_for(grid: xr.DataArray) -> None:
    found = select_filters(grid, ["i", "u"])
    assert found["filter"].values.tolist() == ["i", "u"]
    np.testing.assert_array_equal(found["wavelength"].values, [7600.0, 3500.0])
    np.testing.assert_array_equal(found.values, grid.values[:, [3, 0]])
    assert select_filters(grid, "g")["filter"].values.tolist() == ["g"]


def test_mask_follows_the_selected_filters(grid: xr.DataArray) -> None:
    grid[0, [0, 1], 0] = 0.0
    grid[1, 3, 1] = np.nan
    mask = np.ones((3, 5), bool)
    mask[2, 2] = False
    grid = grid.assign_coords(valid=(("redshift", "template"), mask))
    blue = select_filters(grid, ["u", "g"])["valid"].values
    expected = mask.copy()
    expected[0, 0] = False  # dark in both; the unknown flux is in neither
    np.testing.assert_array_equal(blue, expected)
    red = select_filters(grid, ["r", "i"])["valid"].values
    expected = mask.copy()
    expected[1, 1] = False
    np.testing.assert_array_equal(red, expected)


def test_unknown_filters_are_refused_with_the_nearest(grid: xr.DataArray) -> None:
    names = ["acs_wfc_f606w", "acs_wfc_f814w", "wfc3_ir_f160w", "u"]
    grid = grid.assign_coords(filter=names)
    refuses(
        "filters", "nearest: acs_wfc_f606w", lambda: select_filters(grid, ["f606w_acs"])
    )
    refuses("filters", "correct it", lambda: select_filters(grid, ["u", "u"]))
    refuses("filters", "correct it", lambda: select_filters(grid, []))


# Cosmology.


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (None, astropy.cosmology.FlatLambdaCDM(70, 0.3)),
        (
            {"name": "FlatLambdaCDM", "H0": 67, "Om0": 0.32},
            astropy.cosmology.FlatLambdaCDM(67, 0.32),
        ),
        (
            {"name": "LambdaCDM", "H0": 70, "Om0": 0.3, "Ode0": 0.6},
            astropy.cosmology.LambdaCDM(70, 0.3, 0.6),
        ),
        (
            {"name": "wCDM", "H0": 70, "Om0": 0.3, "Ode0": 0.7, "w0": -0.9},
            astropy.cosmology.wCDM(70, 0.3, 0.7, w0=-0.9),
        ),
    ],
)
def test_ages_are_those_of_the_grids_cosmology(
    grid: xr.DataArray,
    parameters: dict[str, Any] | None,
    expected: astropy.cosmology.FLRW,
) -> None:
    if parameters is not None:
        grid = check_seds(grid.assign_attrs(cosmology=json.dumps(parameters)))
    redshift = np.array([[0.1, 1.0], [2.0, 7.0]])
    found = age_of_universe(grid, redshift)
    np.testing.assert_array_equal(found, expected.age(redshift).value * 1e9)
    assert cosmology(grid) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Planck18",
        '{"name": "Planck18"}',
        '{"name": "FlatLambdaCDM", "H0": 70}',
        '{"name": "FlatLambdaCDM", "H0": 70, "Om0": "much"}',
        '{"name": "FlatLambdaCDM", "H0": 70, "Om0": NaN}',
        '{"name": "FlatLambdaCDM", "H0": 70, "Om0": 0.3, "w0": -1}',
        '{"name": ["FlatLambdaCDM"], "H0": 70, "Om0": 0.3}',
        "[1, 2]",
        "3",
    ],
)
def test_unknown_cosmology_is_refused(grid: xr.DataArray, text: str) -> None:
    grid = grid.assign_attrs(cosmology=text)
    for call in (check_seds, cosmology, lambda seds: age_of_universe(seds, 1.0)):
        refuses("seds.cosmology", 'write for instance {"name"', lambda c=call: c(grid))


# The hash.


def test_hash_is_of_the_content_not_of_the_layout(grid: xr.DataArray) -> None:
    expected = content_hash(grid)
    assert content_hash(check_seds(grid)) == expected
    assert content_hash(grid.transpose("template", "filter", "redshift")) == expected
    assert content_hash(grid.isel(redshift=[2, 1, 0])) == expected
    assert content_hash(grid.assign_attrs(source="elsewhere")) == expected
    fortran = grid.copy(data=np.asfortranarray(grid.values))
    assert content_hash(fortran) == expected
    big_endian = grid.copy(data=grid.values.astype(">f8"))
    assert content_hash(big_endian) == expected
    reversed_coords = grid.drop_vars(["age", "kind"]).assign_coords(
        kind=grid["kind"], age=grid["age"]
    )
    assert content_hash(reversed_coords) == expected
    same = '{"Om0": 0.3, "name": "FlatLambdaCDM",  "H0": 70}'
    assert content_hash(grid.assign_attrs(cosmology=same)) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g * (1 + 1e-15),
        lambda g: _changed(g, redshift=[0.5, 1.0, 1.6]),
        lambda g: _changed(g, filter=["u", "g", "r", "z"]),
        lambda g: _changed(g, wavelength=g["wavelength"] + 1.0),
        lambda g: _changed(g, age=g["age"] + 1.0),
        lambda g: _changed(g, kind=("template", list("abcde"))),
        lambda g: g.rename(age="old"),
        lambda g: g.drop_vars("age"),
        lambda g: g.assign_attrs(per_solar_mass=1),
        lambda g: g.assign_attrs(
            cosmology='{"name": "FlatLambdaCDM", "H0": 67.0, "Om0": 0.3}'
        ),
        lambda g: _changed(g, valid=(("redshift", "template"), np.eye(3, 5) < 1)),
    ],
)
def test_hash_changes_with_all_that_matters(
    grid: xr.DataArray, change: Callable[[xr.DataArray], xr.DataArray]
) -> None:
    assert content_hash(change(grid)) != content_hash(grid)


def test_hash_survives_netcdf(grid: xr.DataArray, tmp_path: Path) -> None:
    checked = check_seds(grid)
    checked.to_dataset().to_netcdf(tmp_path / "s.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "s.nc", engine="netcdf4") as opened:
        assert content_hash(opened["flux"]) == content_hash(checked)


# The built-in grid.


def test_built_in_grid_is_as_promised() -> None:
    found = default_seds()
    assert found.shape == (39, 9, 178)
    np.testing.assert_allclose(found["redshift"], np.linspace(0.1, 2.0, 39), atol=1e-12)
    assert found["filter"].values.tolist() == list(HST)
    assert found["valid"].all()
    assert np.all(found.values > 0)
    np.testing.assert_array_equal(found.values, found.values.astype(np.float32))
    assert np.unique(found["type"]).size == 41
    dusty = found["e_bv"].values > 0.15
    assert found["type"].values[dusty].min() == 9 / 8
    assert np.unique(found["e_bv"]).tolist() == [0.0, 0.1, 0.2, 0.3, 0.5]
    assert np.unique(found["e_bv"].values[~dusty]).tolist() == [0.0, 0.1]
    clean = found.isel(template=found["e_bv"].values == 0)
    assert clean["template_name"].values.tolist()[:9] == [
        "El",
        *(f"El+Sbc {step}/8" for step in range(1, 8)),
        "Sbc",
    ]
    assert clean["template_name"].values.tolist()[::8] == list(BUILT_IN_TYPES)
    for name in ("template_name", "type", "e_bv", "wavelength"):
        assert {"units", "long_name"} <= set(found[name].attrs)
    assert all(isinstance(value, str | int | float) for value in found.attrs.values())
    assert "absolute AB magnitude -20 at 5500 Angstrom" in found.attrs["source"]


@pytest.mark.parametrize("name", HST)
def test_curves_are_those_that_sedpy_uses(name: str) -> None:
    curve = observate.Filter(name)
    wavelength, transmission = filter_curve(name)
    np.testing.assert_array_equal(wavelength, curve.wavelength)
    np.testing.assert_array_equal(transmission, curve.transmission)


def _calzetti(wavelength: Floats) -> Floats:
    """Equation 4 of Calzetti et al. (2000), typed again, with a tangent below 0.12."""

    def blue(micron: Floats) -> Floats:
        terms = -2.156 + 1.509 / micron - 0.198 / micron**2 + 0.011 / micron**3
        return 2.659 * terms + 4.05

    micron = wavelength / 1e4
    edge = np.array(0.12)
    tangent = (blue(edge + 1e-6) - blue(edge - 1e-6)) / 2e-6
    return np.select(
        [micron < 0.12, micron < 0.63],
        [blue(edge) + tangent * (micron - 0.12), blue(micron)],
        2.659 * (-1.857 + 1.040 / micron) + 4.05,
    )


def _speclite_filter(name: str) -> FilterResponse:
    """sedpy's curve for speclite, which wants it to begin and end with zero."""
    curve = observate.Filter(name)
    wavelength, response = curve.wavelength, curve.transmission.copy()
    ends = np.array([wavelength[0] - 1e-3, wavelength[-1] + 1e-3])
    wavelength = np.concatenate([ends[:1], wavelength, ends[1:]])
    response = np.concatenate([[0.0], response, [0.0]])
    meta = {"group_name": "argdask", "band_name": name}
    return FilterResponse(wavelength=wavelength, response=response, meta=meta)


def _spectra(rest: Floats, redshift: float, distance: float) -> Floats:
    """The six templates behind five dusts as seen at a redshift, erg / s / cm2 / A.

    Written without argdask: f_lambda = L / (1 + z) / (4 pi d**2), absolute AB magnitude
    -20 at 5500 Angstrom; at z <= 2 the filters see Lyman alpha as the only line.
    """
    per_hertz = 10 ** (-0.4 * (-20.0 + 48.60))  # erg / s / cm2 / Hz at 10 pc
    at_ten_parsec = per_hertz * 2.99792458e18 / 5500.0**2
    dilution = (1e-5 / distance) ** 2 / (1 + redshift)
    depth = 0.0036 * (rest * (1 + redshift) / 1216.0) ** 3.46
    scale = at_ten_parsec * dilution * np.exp(-np.where(rest < 1216.0, depth, 0.0))
    folder = resources.files("desc_bpz") / "data_files" / "SED"
    rows = []
    for name in BUILT_IN_TYPES:
        with (folder / f"{name}_B2004a.sed").open() as file:
            wavelength, flux = np.loadtxt(file, unpack=True)
        shape = np.interp(rest, wavelength, flux) / np.interp(5500.0, wavelength, flux)
        for excess in (0.0, 0.1, 0.2, 0.3, 0.5):
            dust = 10 ** (-0.4 * excess * _calzetti(rest))
            rows.append(scale * shape * dust)
    return np.array(rows).reshape(6, 5, -1)


def test_every_cell_of_the_built_in_grid_is_that_of_speclite() -> None:
    found = default_seds()
    redshifts = found["redshift"].values
    model = astropy.cosmology.FlatLambdaCDM(70, 0.3)
    distances = model.luminosity_distance(redshifts).value
    filters = [_speclite_filter(name) for name in found["filter"].values]
    excess = np.searchsorted([0.0, 0.1, 0.2, 0.3, 0.5], found["e_bv"].values)
    lower = np.minimum(found["type"].values.astype(int), 4)
    share = found["type"].values - lower
    microjansky = np.empty(found.shape)
    for z, (redshift, distance) in enumerate(zip(redshifts, distances, strict=True)):
        for c, response in enumerate(filters):
            bounds = response.wavelength[[0, -1]] + [-5.0, 5.0]
            observed = np.exp(np.arange(*np.log(bounds), 1e-4))
            spectra = _spectra(observed / (1 + redshift), redshift, distance)
            pure = response.get_ab_maggies(spectra, observed)  # linear, like mixing
            mixed = (1 - share) * pure[lower, excess] + share * pure[lower + 1, excess]
            microjansky[z, c] = 3631e6 * mixed  # speclite's zero point is 3631 Jy
    difference = 2.5 * np.log10(found.values / microjansky)
    print(f"largest difference {np.abs(difference).max():.2e} mag")
    # 1e-3 is promised; two integrators on unlike grids differ by 1.3e-4 in F098M, whose
    # steep sides meet emission lines, and by less everywhere else
    assert np.abs(difference).max() < 2e-4


def test_nobody_can_change_the_built_in_grid() -> None:
    mine = default_seds()
    mine.values[:] = 0.0
    mine["e_bv"].values[:] = 9.0
    mine.attrs["source"] = "mine"
    fresh = default_seds()
    assert np.all(fresh.values > 0)
    assert fresh["e_bv"].max() < 1
    assert fresh.attrs["source"] != "mine"


def test_cached_and_fresh_grid_are_the_same_bits(
    tmp_path: Path, no_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = default_seds()
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path)
    module._default_seds.cache_clear()
    fresh = default_seds()
    (kept,) = tmp_path.iterdir()
    assert kept.suffix == ".npz"

    def forbidden() -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(module, "_build_default", forbidden)
    module._default_seds.cache_clear()
    cached = default_seds()
    xr.testing.assert_identical(cached, fresh)
    xr.testing.assert_identical(cached, without)
    assert cached.values.tobytes() == fresh.values.tobytes() == without.values.tobytes()
    assert content_hash(cached) == content_hash(without)


def _spoilt(content: bytes, number: int) -> bytes:
    place = number * 7919 % len(content)
    return content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :]


def test_damaged_cache_is_built_anew(
    tmp_path: Path, no_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = module._build_default()
    monkeypatch.setattr(module, "_build_default", lambda: truth)
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path)
    expected = default_seds()
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    one_array, others = tmp_path / "one.npy", tmp_path / "others.npz"
    np.save(one_array, np.ones(3))
    np.savez(others, flux=np.ones(3), wavelength=np.ones(9))
    bad = [b"", b"PK", b"nonsense", whole[:1000], whole[:-1], whole[:-30]]
    bad += [one_array.read_bytes(), others.read_bytes()]
    bad += [_spoilt(whole, number) for number in range(40)]
    for content in bad:
        kept.write_bytes(content)
        module._default_seds.cache_clear()
        xr.testing.assert_identical(default_seds(), expected)
    kept.write_bytes(b"")
    module._default_seds.cache_clear()
    default_seds()
    assert kept.read_bytes() == whole  # mended
    kept.unlink()
    kept.mkdir()  # neither readable nor replaceable
    module._default_seds.cache_clear()
    xr.testing.assert_identical(default_seds(), expected)


def test_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, no_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = module._build_default()
    monkeypatch.setattr(module, "_build_default", lambda: truth)
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "missing")
    assert default_seds().shape == (39, 9, 178)


def test_reading_a_grid_needs_no_astropy() -> None:
    code = "import sys; import argdask.sed_sources; print('astropy' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


def test_a_missing_data_package_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="needs the package no_such_package"):
        data_folder("no_such_package")


# Whatever the numbers: properties.


@settings(deadline=None, max_examples=30)
@given(
    redshifts=st.lists(st.floats(1e-3, 20.0), min_size=2, max_size=6, unique=True),
    dark=st.sets(st.integers(0, 3)),
)
def test_check_sorts_fluxes_with_their_redshifts(
    redshifts: list[float], dark: set[int]
) -> None:
    rounded = np.round(redshifts, 9)
    assume(np.unique(rounded).size == rounded.size)
    flux = np.repeat(rounded[:, None, None], 4, axis=2)
    flux[0, :, list(dark)] = 0.0
    found = check_seds(
        xr.DataArray(
            flux,
            dims=("redshift", "filter", "template"),
            coords={
                "redshift": redshifts,
                "filter": ["r"],
                "wavelength": ("filter", [6200.0]),
            },
        )
    )
    sorted_redshift = found["redshift"].values
    np.testing.assert_array_equal(sorted_redshift, np.sort(rounded))
    kept = np.where(found["valid"].values, found.values[:, 0], sorted_redshift[:, None])
    np.testing.assert_array_equal(kept, np.tile(sorted_redshift[:, None], 4))
    assert int((~found["valid"]).sum()) == len(dark)
