"""Users' catalogues: every kind of file, rows by id, SED grids, bad input."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given
from hypothesis import strategies as st

from argdask.errors import InputError
from argdask.recipe import SersicProfile
from argdask.schema import VARIABLES
from argdask.table_columns import COLUMNS
from argdask.tables import UserTable, read_table

Columns = dict[str, Any]

UNITS = {"half_light_radius": "arcsec", "position_angle": "deg"}
STATED = {**UNITS, "stellar_mass": "solMass"}


def columns(rows: int = 50) -> Columns:
    """Return columns of every kind, in no particular order."""
    random = np.random.default_rng(8)
    return {
        "z_out": random.uniform(1.0, 1.9, rows),
        "half_light_radius": random.lognormal(-0.5, 0.3, rows),
        "sersic_index": random.uniform(0.5, 6, rows),
        "axis_ratio": random.uniform(0.2, 1, rows),
        "position_angle": random.uniform(0, 180, rows),
        "offset_x": random.normal(0, 1, rows),
        "z_in": random.uniform(0.1, 0.9, rows),
        "sed_index": random.integers(0, 178, rows),
        "group": random.integers(0, 9, rows),
        "magnitude": random.normal(20, 1, rows),
        "image": np.array([f"cutout-{k:03d}.fits" for k in range(rows)]),
        "galaxy_id": random.permutation(rows) * 7 + 2**40,
    }


def table_with_units(data: Columns) -> Table:
    table = Table(data)
    for name, unit in UNITS.items():
        table[name].unit = unit
    return table


def as_csv(path: Path, data: Columns) -> Any:
    Table(data).write(path / "a.csv")
    return path / "a.csv"


def as_pandas_csv(path: Path, data: Columns) -> Any:
    pd.DataFrame(data).to_csv(path / "b.csv", index=False)
    return path / "b.csv"


def as_ecsv(path: Path, data: Columns) -> Any:
    table_with_units(data).write(path / "a.ecsv")
    return path / "a.ecsv"


def as_fits(path: Path, data: Columns) -> Any:
    table_with_units(data).write(path / "a.fits")
    return path / "a.fits"


def as_parquet(path: Path, data: Columns) -> Any:
    pytest.importorskip("pyarrow", reason="Parquet needs the extra `parquet`")
    table_with_units(data).write(path / "a.parquet")
    return path / "a.parquet"


def as_pandas_parquet(path: Path, data: Columns) -> Any:
    pytest.importorskip("pyarrow", reason="Parquet needs the extra `parquet`")
    frame = pd.DataFrame(data)
    frame.index = frame.index[::-1]  # one that is kept in the file
    frame.to_parquet(path / "b.parquet")
    return path / "b.parquet"


def as_frame(path: Path, data: Columns) -> Any:
    return pd.DataFrame(data)


def as_frame_with_ids_as_index(path: Path, data: Columns) -> Any:
    return pd.DataFrame(data).set_index("galaxy_id")


def as_nullable_frame(path: Path, data: Columns) -> Any:
    return pd.DataFrame(data).convert_dtypes()


def as_dataset(path: Path, data: Columns) -> Any:
    dataset = pd.DataFrame(data).to_xarray()
    for name, unit in UNITS.items():
        dataset[name].attrs["units"] = unit
    return dataset


def as_netcdf(path: Path, data: Columns) -> Any:
    as_dataset(path, data).to_netcdf(path / "a.nc", engine="netcdf4")
    return xr.open_dataset(path / "a.nc", engine="netcdf4")


def as_table(path: Path, data: Columns) -> Any:
    return table_with_units(data)


def as_quantities(path: Path, data: Columns) -> Any:
    return QTable(table_with_units(data))


def as_dict(path: Path, data: Columns) -> Any:
    return data


def as_lists(path: Path, data: Columns) -> Any:
    return {name: values.tolist() for name, values in data.items()}


def as_other_bytes(path: Path, data: Columns) -> Any:
    return {
        name: values.astype(values.dtype.newbyteorder(">"))
        for name, values in data.items()
    }


KINDS = [value for name, value in list(globals().items()) if name.startswith("as_")]


@pytest.mark.parametrize("give", KINDS, ids=lambda give: give.__name__[3:])
def test_every_kind_of_table_gives_the_same_arrays_and_hash(
    tmp_path: Path, give: Callable[[Path, Columns], Any]
) -> None:
    data = columns()
    source = give(tmp_path, data)
    table = read_table(source, units=UNITS)
    expected = read_table(data, units=UNITS)
    assert table.names == tuple(name for name in COLUMNS if name in data)
    assert len(table) == 50
    for name, values in table.values.items():
        assert values.dtype.isnative
        assert values.dtype.kind in "ifT"
        assert not values.flags.writeable
        np.testing.assert_array_equal(values, data[name])
        assert values.dtype == expected.values[name].dtype
    assert table.content_hash() == expected.content_hash()
    if isinstance(source, xr.Dataset):
        source.close()


def test_every_column_is_known_by_the_schema_and_the_profile() -> None:
    for name, column in COLUMNS.items():
        if name in VARIABLES:
            assert column.units == VARIABLES[name].units
        if name in SersicProfile.RANGES:
            assert (column.low, column.high) == SersicProfile.RANGES[name]
    assert set(SersicProfile().parameters) < set(COLUMNS)


@given(ids=st.lists(st.integers(0, 49), max_size=80), order=st.permutations(range(50)))
def test_order_of_rows_and_ids_leaves_each_galaxy_alone(
    ids: list[int], order: list[int]
) -> None:
    data = columns()
    wanted = data["galaxy_id"][ids]
    table = read_table(data, units=UNITS)
    moved = read_table({k: v[order] for k, v in data.items()}, units=UNITS)
    found, again = table.columns(wanted), moved.columns(wanted)
    for name, values in found.items():
        assert values.tolist() == data[name][ids].tolist()
        assert values.tolist() == again[name].tolist()
    np.testing.assert_array_equal(moved.galaxy_id[moved.rows_of(wanted)], wanted)


@given(rows=st.sets(st.integers(0, 49), min_size=1))
def test_a_subset_has_the_same_galaxies(rows: set[int]) -> None:
    data = columns()
    some = sorted(rows)
    table = read_table(data, units=UNITS)
    subset = read_table({k: v[some] for k, v in data.items()}, units=UNITS)
    for name, values in subset.columns(subset.galaxy_id).items():
        whole = table.columns(subset.galaxy_id)[name]
        assert values.tolist() == whole.tolist()


def test_ids_are_numbers_of_rows_where_there_are_none() -> None:
    table = read_table({"z_in": [0.5, 0.7, 0.6]})
    assert table.galaxy_id.tolist() == [0, 1, 2]
    explicit = read_table({"z_in": [0.5, 0.7, 0.6], "galaxy_id": [0, 1, 2]})
    assert table.content_hash() == explicit.content_hash()


def test_ids_that_are_not_there_are_told() -> None:
    table = read_table({"galaxy_id": [40, 10, 30], "z_in": [0.1, 0.2, 0.3]})
    with pytest.raises(InputError, match=r"got 31, .* nearest: \[30, 40\]"):
        table.rows_of([10, 31])
    with pytest.raises(InputError, match=r"got 99, .* nearest: \[30, 40\]"):
        table.columns([99])
    with pytest.raises(InputError, match="got -1"):
        table.columns([-1])
    assert table.columns([])["z_in"].shape == (0,)


def test_hash_knows_values_names_and_order_of_rows() -> None:
    data = columns()
    changed = data | {"z_in": np.nextafter(data["z_in"], 9)}
    variants = [
        data,
        changed,
        {name: values[::-1] for name, values in data.items()},
        {name: values[:-1] for name, values in data.items()},
        {name: values for name, values in data.items() if name != "group"},
        data | {"image": np.arange(50)},
        data | {"image": np.char.add(data["image"], ".gz")},
    ]
    hashes = [read_table(one, units=UNITS).content_hash() for one in variants]
    assert len(set(hashes)) == len(variants)
    backwards = dict(reversed(data.items()))
    assert read_table(backwards, units=UNITS).content_hash() == hashes[0]


def test_old_rows_are_a_prefix() -> None:
    data = columns()
    table = read_table(data, units=UNITS)
    old = read_table({k: v[:20] for k, v in data.items()}, units=UNITS)
    assert old.prefix_of(table)
    assert table.prefix_of(table)
    assert not table.prefix_of(old)
    assert table.content_hash(20) == old.content_hash()
    assert table.content_hash(21) != old.content_hash()
    other = read_table({k: v[1:21] for k, v in data.items()}, units=UNITS)
    assert not other.prefix_of(table)
    fewer = {k: v[:20] for k, v in data.items() if k != "image"}
    assert not read_table(fewer, units=UNITS).prefix_of(table)


def test_a_store_can_hold_the_table(tmp_path: Path) -> None:
    data = columns() | {"template_e_bv": np.ones(50)}
    table = read_table(data, units=UNITS, ignore=["sed_index"])
    dataset = table.to_dataset()
    assert dataset["half_light_radius"].attrs["units"] == "arcsec"
    assert all(one.attrs["long_name"] for one in dataset.values())
    dataset.to_zarr(tmp_path / "a.zarr", group="catalogue", consolidated=False)
    stored = xr.open_zarr(
        tmp_path / "a.zarr", group="catalogue", consolidated=False, chunks=None
    )
    for again in (stored, dataset):
        back = UserTable.from_dataset(again)
        assert back.names == table.names
        assert back.content_hash() == table.content_hash()
    assert pickle.loads(pickle.dumps(table)).content_hash() == table.content_hash()


@pytest.mark.parametrize(
    ("name", "unit", "given", "expected"),
    [
        ("half_light_radius", "mas", 500.0, 0.5),
        ("half_light_radius", "arcmin", 0.01, 0.6),
        ("half_light_radius", "rad", 1e-6, np.rad2deg(1e-6) * 3600),
        ("position_angle", "rad", 1.0, np.rad2deg(1.0)),
        ("position_angle", "arcmin", 60.0, 1.0),
        ("stellar_mass", "kg", 1.988409870698051e40, 1e10),
        ("stellar_mass", "dex(solMass)", 10.0, 1e10),
        ("magnitude", "mag(AB)", 21.0, 21.0),
        ("magnitude", "uJy", 1.0, 23.9),
        ("magnitude", "mag", 21.0, 21.0),
        ("magnitude", None, 21.0, 21.0),
        ("offset_y", None, 1.5, 1.5),
        ("offset_y", "pix", 1.5, 1.5),
        ("axis_ratio", "%", 60.0, 0.6),
        ("z_in", "1", 0.6, 0.6),
        ("z_in", "", 0.6, 0.6),
    ],
)
def test_units_are_converted(
    name: str, unit: str | None, given: float, expected: float
) -> None:
    stated = read_table({name: [given]}, units={} if unit is None else {name: unit})
    assert stated.values[name][0] == pytest.approx(expected, rel=1e-6)
    if unit:
        quantity = Table({name: [given]})
        quantity[name].unit = u.Unit(unit)
        in_column = read_table(quantity)
        assert in_column.content_hash() == stated.content_hash()
        dataset = xr.Dataset({name: ("galaxy", [given], {"units": unit})})
        assert read_table(dataset).content_hash() == stated.content_hash()


def test_text_of_any_kind_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = '\ufeffimage,"z_in"\r\n"gal\u00e1xia, 1.fits",0.5\r\n2.fits, 0.25'
    path.write_text(text, encoding="utf-8", newline="")
    table = read_table(str(path))
    assert table.values["image"].tolist() == ["gal\u00e1xia, 1.fits", "2.fits"]
    assert table.values["z_in"].tolist() == [0.5, 0.25]


def test_unknown_columns_can_be_left_out() -> None:
    data = {"z_in": [0.5], "z_out": [1.0], "ra": [12.0], "flux_u": [1], "flux_g": [2]}
    assert read_table(data, ignore=["ra", "flux_*"]).names[1:] == ("z_in", "z_out")
    assert read_table(data, ignore=["*"]).names[1:] == ("z_in", "z_out")
    # A known one only by its own name, whatever it holds.
    assert read_table(data, ignore=["*", "z_out"]).names[1:] == ("z_in",)
    assert read_table(data | {"ra": [[1, 2]]}, ignore="*").names[1:] == (
        "z_in",
        "z_out",
    )
    with pytest.raises(InputError, match="got ra, flux_u, flux_g, expected columns"):
        read_table(data)


@pytest.mark.parametrize(
    ("names", "ignore", "told", "python", "command"),
    [
        (
            ["ra", "dec", "mag", "r_half"],
            (),
            "got ra, dec, mag, r_half, expected columns that are known; nearest: "
            "magnitude for mag; or ",
            "ignore=['ra', 'dec', 'mag', 'r_half']",
            '--set "catalogue.ignore=[ra,dec,mag,r_half]"',
        ),
        (
            ["ra", "no", "it's", "flux, total"],
            ["x"],
            "got ra, no, it's, flux, total, expected columns that are known; ",
            "ignore=['x', 'ra', 'no', \"it's\", 'flux, total']",
            "--set \"catalogue.ignore=[x,ra,'no',it's,'flux, total']\"",
        ),
        (
            [f"flux{number}" for number in range(9)],
            (),
            "got flux0, flux1, flux2, flux3, flux4, flux5, flux6, flux7, flux8, "
            "expected columns that are known; ",
            "ignore=['*']",
            "--set \"catalogue.ignore=['*']\"",
        ),
        (
            ["Sersic_Indx"],
            (),
            "got Sersic_Indx, expected columns that are known; nearest: sersic_index "
            "for Sersic_Indx; or ",
            "; or ignore=['Sersic_Indx']",
            '; or --set "catalogue.ignore=[Sersic_Indx]"',
        ),
    ],
)
def test_all_unknown_columns_are_told_at_once(
    names: list[str], ignore: list[str], told: str, python: str, command: str
) -> None:
    data = {"z_in": [0.5], **{name: [1.0] for name in (*names, *ignore)}}
    with pytest.raises(InputError) as caught:
        read_table(data, ignore=ignore)
    first = f"catalogue: {told}"
    for line, cure in (
        (str(caught.value), python),
        (caught.value.on_command_line(), command),
        (pickle.loads(pickle.dumps(caught.value)).on_command_line(), command),
    ):
        assert line.startswith(first)
        assert line.endswith(cure)
    # Done as it says, the columns are left out.
    key, _, text = command.partition('"')[2].strip('"').partition("=")
    assert key == "catalogue.ignore"
    assert read_table(data, ignore=yaml.safe_load(text)).names == ("galaxy_id", "z_in")


def test_parquet_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"argdask\[parquet\]"):
        read_table(tmp_path / "a.parquet")


def test_names_and_parameters_lead_to_templates(seds: xr.DataArray) -> None:
    random = np.random.default_rng(2)
    wanted = random.integers(0, seds.sizes["template"], 300)
    names = seds["template_name"].values[wanted]
    dust = seds["e_bv"].values[wanted].astype(np.float32)
    table = read_table({"template_name": names, "template_e_bv": dust})
    checked = table.check_against(seds)
    assert checked.names == ("galaxy_id", "sed_index")
    assert checked.values["sed_index"].dtype == np.int64
    np.testing.assert_array_equal(checked.values["sed_index"], wanted)
    numbers = read_table({"sed_index": wanted})
    assert numbers.check_against(seds).content_hash() == checked.content_hash()
    only = seds.isel(template=np.flatnonzero(seds["e_bv"].values == 0))
    fewer = read_table({"template_name": names}).check_against(only)
    found = only["template_name"].values[fewer.values["sed_index"]]
    np.testing.assert_array_equal(found, names)


def test_parameters_alone_lead_to_templates(seds: xr.DataArray) -> None:
    grid = seds.drop_vars(["template_name", "type", "e_bv"]).isel(template=slice(6))
    grid = grid.assign_coords(
        age=("template", [1e8, 1e8, 1e9, 1e9, 2e9, 2e9]), sfh=("template", [0, 1] * 3)
    )
    table = read_table({"template_sfh": [1, 0, 1], "template_age": [2e9, 1e8, 1e9]})
    assert table.check_against(grid).values["sed_index"].tolist() == [5, 0, 3]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sed_index": [0, 178]}, r"sed_index, row 1: got 178, expected 0 to 177"),
        ({"z_in": [0.5, 0.01]}, r"z_in, row 1: got 0\.01, expected 0\.1 to 2"),
        ({"z_out": [2.5, 1.0]}, r"z_out, row 0: got 2\.5"),
        ({"template_name": ["El", "Ell"]}, r"row 1: got Ell.*nearest: El"),
        ({"template_name": ["Im"]}, r"not 5 .*add the column template_e_bv"),
        (
            {"template_name": ["Im"], "template_e_bv": [0.17]},
            r"template_e_bv, row 0: got 0\.17.*nearest: 0.1, 0.2",
        ),
        (
            {"template_name": ["Im", "El"], "template_e_bv": [0.5, 0.5]},
            r"template_e_bv, row 1: got 0\.5.*and the row's template_name",
        ),
        ({"template_age": [1e9]}, r"got template_age.*nearest: .*e_bv"),
        ({"template_e_bv": ["much"]}, r"template_e_bv, row 0: got much"),
        ({"template_e_bv": [0.1]}, r"not .*template_name or template_type"),
    ],
)
def test_what_the_grid_does_not_have(
    seds: xr.DataArray, data: Columns, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_table(data).check_against(seds)
    assert "\n" not in str(caught.value)


def test_many_unknown_templates_are_told_at_once(seds: xr.DataArray) -> None:
    names = [f"galaxy {number}" for number in range(100_000)]
    with pytest.raises(InputError, match=r"row 0 \(and 99999 more rows\)"):
        read_table({"template_name": names}).check_against(seds)
    with pytest.raises(InputError, match="template_e_bv, row"):
        read_table({"template_e_bv": np.linspace(3, 4, 99_999)}).check_against(seds)


def test_templates_that_nothing_tells_apart(seds: xr.DataArray) -> None:
    twice = seds.isel(template=[0, 0, 9])
    with pytest.raises(InputError, match=r"not 2 .*give sed_index"):
        read_table({"template_name": ["El"]}).check_against(twice)


def _written(name: str, text: str | bytes) -> Callable[[Path], Any]:
    def write(path: Path) -> Path:
        (path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return path / name

    return write


def _two_tables(path: Path) -> Path:
    table = fits.table_to_hdu(Table({"z_in": [0.5]}))
    fits.HDUList([fits.PrimaryHDU(), table, table]).writeto(path / "a.fits")
    return path / "a.fits"


def _cut_table(path: Path) -> Path:
    Table({"z_in": np.full(2000, 0.5)}).write(path / "a.fits")
    (path / "a.fits").write_bytes((path / "a.fits").read_bytes()[:-8640])
    return path / "a.fits"


def _with_unit(name: str, unit: str) -> Table:
    table = Table({name: [1.0]})
    table[name].unit = u.Unit(unit, parse_strict="silent")
    return table


GAPS = MaskedColumn([0.5, 0.7, 0.8], mask=[False, True, True])
NULLS = pd.DataFrame({"galaxy_id": pd.array([1, None, 3], dtype="Int64")})
BAD: list[tuple[Any, str]] = [
    # sources
    (lambda p: p / "a.csv", r"a\.csv \(no such file\).*check the path"),
    (lambda p: p, r"\(a folder\)"),
    (_written("a.txt", "z_in\n1\n"), r"a\.txt, expected a table: \.csv"),
    (_written("a.csv", ""), "a readable .csv table"),
    (_written("a.csv", "z_in\n"), "no rows.*at least one galaxy"),
    (_written("a.csv", "z_in,z_out\n1,2\n1,2,3\n"), "a readable .csv table"),
    (_written("a.csv", "z_in,z_in\n1,2\n"), r"catalogue\.z_in: got two of them"),
    (_written("a.csv", "z_in;z_out\n1;2\n"), r"a\.csv \(separated by ;\?\)"),
    (_written("a.csv", "z_in\tz_out\n1\t2\n"), r"separated by tabs\?.*sep='\\t'"),
    (_written("a.csv", "z_in\n0.5\nhalf\n"), "z_in, row 1: got half"),
    (_written("a.csv", "z_in,z_out\n0.5,\n0.4,1\n"), "z_out, row 0: got nothing"),
    (_written("a.csv", b"z_in\n\xff\n"), "a readable .csv table"),
    (_written("a.ecsv", "z_in\n0.5\n"), "a readable .ecsv table"),
    (_written("a.fits", "z_in"), "a readable .fits table"),
    (_two_tables, "several tables.*one table in the file"),
    (_cut_table, r"a\.fits"),
    ([1, 2], "got list, expected a path, a DataFrame"),
    ({}, "no column, expected at least one column"),
    ({"z_in": []}, "no rows"),
    # columns
    ({"sersic_indx": [1.0]}, "got sersic_indx.*nearest: sersic_index"),
    ({"z_in": [0.5, 0.6], "z_out": [1.0]}, "z_out: got 1 values, expected 2, as z_in"),
    ({"z_in": 0.5}, r"z_in: got shape \(\)"),
    ({"z_in": [[0.5], [0.6]]}, r"z_in: got shape \(2, 1\)"),
    ({"sed_index": [1], "template_name": ["El"]}, "template_name: got both"),
    (pd.DataFrame([[1, 2]], columns=["z_in", "z_in"]), "two of them"),
    # units
    ({"half_light_radius": [0.5]}, r"got no unit.*such as arcsec.*in units, as \{half"),
    ({"position_angle": [5.0]}, "got no unit.*such as deg"),
    ({"stellar_mass": [1e10]}, "got no unit.*such as solMass"),
    (_with_unit("half_light_radius", "kpc"), "unit kpc, expected arcsec or a unit"),
    (_with_unit("half_light_radius", "pix"), "unit pix.*the size of a pixel"),
    (_with_unit("offset_x", "arcsec"), "unit arcsec, .*the size of a pixel"),
    (_with_unit("half_light_radius", "arcsex"), "unit arcsex, expected a known unit"),
    (_with_unit("z_in", "Mpc"), "z_in: got unit Mpc, expected 1 or"),
    (_with_unit("magnitude", "mag(ST)"), r"unit mag\(ST\), expected mag or"),
    (_with_unit("sed_index", "m"), "sed_index: got unit m, expected no unit"),
    (_with_unit("template_age", "Gyr"), "template_age: got unit Gyr, expected no unit"),
    # values
    ({"z_in": [0.5, np.nan]}, "z_in, row 1: got nan, expected a number above 0; fill"),
    ({"z_in": [0.5, np.inf]}, "z_in, row 1: got inf"),
    ({"z_in": [None, 0.5]}, "z_in, row 0: got None"),
    (Table({"z_in": GAPS}), r"z_in, row 1 \(and 1 more rows\): got nothing"),
    (NULLS, "galaxy_id, row 1: got nothing, expected a whole number"),
    ({"z_in": [0.0]}, "z_in, row 0: got 0.0, expected a number above 0"),
    ({"z_out": [-1.0]}, "z_out, row 0: got -1.0, expected a number above 0"),
    (
        {"z_in": [0.5, 1.0], "z_out": [1.0, 1.0]},
        "z_out, row 1: got 1.0, .*than z_in, 1",
    ),
    ({"z_in": [True]}, "dtype bool"),
    ({"z_in": [1j]}, "dtype complex128"),
    ({"half_light_radius": [0.0]}, "got 0.0, expected a number above 0 arcsec"),
    ({"sersic_index": [9]}, "sersic_index, row 0: got 9.0, expected 0.3 to 8"),
    ({"axis_ratio": [0.05]}, "axis_ratio, row 0: got 0.05, expected 0.1 to 1"),
    ({"position_angle": [5.0, np.nan]}, "angle, row 1: got nan, expected 0 to 180"),
    ({"position_angle": [-np.inf]}, "position_angle, row 0: got -inf"),
    ({"magnitude": [np.nan]}, "magnitude, row 0: got nan, expected -40 to 60 mag"),
    (
        {"magnitude": [20.0, 99.0, -99.0]},
        r"row 1 \(and 1 more rows\): got 99.0, .*60 mag; 99 and -99 stand for missing",
    ),
    ({"magnitude": [-40.5]}, "row 0: got -40.5, expected -40 to 60 mag; 99 and -99"),
    ({"z_in": ["0.5", "NA", "NA", "0.7"]}, r"row 1 \(and 1 more rows\): got NA"),
    ({"stellar_mass": [-1e9]}, "expected a number above 0 solMass"),
    ({"galaxy_id": [3, -3]}, "galaxy_id, row 1: got -3, expected a whole number"),
    ({"galaxy_id": [3, 4, 3]}, "galaxy_id, row 2: got 3, .*that no row before has"),
    ({"galaxy_id": [1.0, 2.5]}, "galaxy_id, row 1: got 2.5, .*; number the galaxies"),
    ({"galaxy_id": [1e300]}, "galaxy_id, row 0: got 1e[+]300"),
    ({"galaxy_id": np.array([2**63], np.uint64)}, "got 9223372036854775808"),
    ({"galaxy_id": [2**70]}, "galaxy_id, row 0: got 1180591620717411303424"),
    ({"galaxy_id": ["a1"]}, "galaxy_id, row 0: got a1"),
    (
        {"galaxy_id": np.array([1, True, 2.5], object)},
        r"galaxy_id, row 1 \(and 1 more rows\): got True",
    ),
    ({"group": ["north"]}, "group, row 0: got north, expected a whole number"),
    ({"sed_index": [-1]}, "sed_index, row 0: got -1, expected a whole number"),
    ({"template_name": ["El", ""]}, "template_name, row 1: got nothing"),
    ({"template_name": [3]}, "template_name, row 0: got 3, expected a name"),
    ({"image": [-1]}, "image, row 0: got -1, expected a number from 0 on, or a name"),
    ({"image": ["a.fits", ""]}, "image, row 1: got nothing"),
]


@pytest.mark.parametrize(("source", "message"), BAD, ids=[case[1] for case in BAD])
def test_bad_input_is_told_in_one_line(
    tmp_path: Path, source: Any, message: str
) -> None:
    given = source(tmp_path) if callable(source) else source
    # Units only where it is not the unit that is wrong.
    units = {}
    if isinstance(given, dict) and "no unit" not in message:
        units = {name: unit for name, unit in STATED.items() if name in given}
    with pytest.raises(InputError, match=message) as caught:
        read_table(given, units=units)
    told = str(caught.value)
    assert told.startswith("catalogue")
    assert "\n" not in told
    assert "expected" in told
    assert ";" in told


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (
            {"half_light_radus": "arcsec"},
            "units: got half_light_radus.*half_light_radius",
        ),
        ({"half_light_radius": "arcmin"}, "expected arcsec, which the column has"),
        ({"z_in": "Mpc"}, "catalogue.z_in: got unit Mpc"),
        ({"z_in": "what"}, "catalogue.z_in: got unit what, expected a known unit"),
    ],
)
def test_stated_units_that_are_wrong(units: dict[str, str], message: str) -> None:
    table = Table({"half_light_radius": [0.5] * u.arcsec, "z_in": [0.5]})
    with pytest.raises(InputError, match=message):
        read_table(table, units=units)


def test_position_angles_are_taken_modulo_half_a_turn() -> None:
    given = [0.0, 180.0, 33.3, -90.0, -30.0, 200.0, 541.5]
    for unit, factor in (("deg", 1.0), ("rad", np.deg2rad(1.0))):
        values = np.array(given) * factor
        found = read_table({"position_angle": values}, units={"position_angle": unit})
        angles = found.values["position_angle"]
        assert np.all((angles >= 0) & (angles <= 180))
        assert angles[:2].tolist() == [0.0, 180.0]
        # One rounding of the largest angle for each of the conversions.
        np.testing.assert_allclose(
            np.sin(2 * np.deg2rad(angles - given)), 0, atol=1e-13
        )
    of_disc = {"disc_position_angle": [-45.0]}
    found = read_table(of_disc, units={"disc_position_angle": "deg"})
    assert found.values["disc_position_angle"].tolist() == [135.0]


def test_the_faintest_and_the_brightest_magnitudes_are_taken() -> None:
    assert read_table({"magnitude": [-40, 60]}).values["magnitude"].tolist() == [
        -40,
        60,
    ]


def test_flux_below_zero_has_no_magnitude() -> None:
    with pytest.raises(InputError, match=r"magnitude, row 1: got -1\.0"):
        read_table({"magnitude": [1.0, -1.0]}, units={"magnitude": "uJy"})


def test_a_million_rows_take_little_memory(tmp_path: Path) -> None:
    data = columns(1_000_000)
    del data["image"]
    table_with_units(data).write(tmp_path / "a.fits")
    code = """
import re, sys
from pathlib import Path
import numpy as np, pandas, astropy.table
from argdask.tables import read_table

def memory(key):
    text = Path("/proc/self/status").read_text()
    return int(re.search(key + r":\\s+(\\d+)", text)[1])

before = memory("VmRSS")
table = read_table(sys.argv[1])
table.columns(table.galaxy_id[::20_000])
table.content_hash()
print(memory("VmHWM") - before)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.fits")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert not run.stderr
    assert int(run.stdout) < 200_000  # kB; the columns alone are 88,000
