"""Copies that xarray made of a store: checked as far as what they kept goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from damage import small

import argdask as ad
from argdask import cli
from argdask.errors import InputError
from argdask.simulation import PIXELS_VERSION

LABEL = "files: a copy has no checksums of the store; its bytes are its own"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray) -> Path:
    path = tmp_path_factory.mktemp("good") / "pairs.zarr"
    ad.write(small(), path, seds=seds)
    return path


def opened(path: Path) -> xr.Dataset:
    return ad.open_pairs(path, chunks=None)


def plain(path: Path) -> xr.Dataset:
    return xr.open_zarr(path, chunks=None)


COPIES: dict[str, Callable[[Path], object]] = {
    "open_pairs.zarr": lambda path: opened(path).to_zarr("copy.zarr"),
    "lazy open_pairs.zarr": lambda path: ad.open_pairs(path).to_zarr("copy.zarr"),
    "open_pairs.nc": lambda path: opened(path).to_netcdf("copy.nc"),
    "open_zarr.zarr": lambda path: plain(path).to_zarr("copy.zarr"),
    "open_zarr.nc": lambda path: plain(path).to_netcdf("copy.nc"),
    "some.nc": lambda path: (
        opened(path)[["input"]].isel(galaxy=[3, 1, 20]).to_netcdf("copy.nc")
    ),
}


@pytest.mark.filterwarnings("ignore:Consolidated metadata")  # xarray asks for them
@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("full", [False, True])
def test_a_copy_is_checked_as_far_as_it_goes(good: Path, kind: str, full: bool) -> None:
    COPIES[kind](good)
    report = ad.verify(f"copy{Path(kind).suffix}", full=full, sample=5)
    assert report.passed, report.to_text()
    structure, galaxies = report.checks
    some = kind.startswith("some")
    assert structure.details[0].endswith(f"{3 if some else 24} of 24 pairs")
    count = 3 if some else 24 if full else 5
    # What made it is in the attributes of the store alone.
    known = kind.startswith("open_zarr")
    how = "bit for bit" if known else "to 1e-05 (another machine)"
    assert galaxies.details == (f"{count} galaxies, {how}",)
    assert report.unchecked[0] == LABEL
    assert (len(report.unchecked) == 2) == some
    if some:
        assert report.unchecked[1] == "target: it is not in the copy"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("target", "target differs in rows [20]"),
        ("z_in", "z_in differs in rows [20]"),
        ("flux_out", "flux_out differs in rows [20]"),
    ],
)
def test_a_changed_value_of_a_copy_is_found(good: Path, name: str, told: str) -> None:
    pairs = opened(good).load()
    values = pairs[name].values.copy()
    values[20] *= 1.01
    pairs[name] = pairs[name].copy(data=values)
    pairs.to_netcdf("copy.nc")
    report = ad.verify("copy.nc", full=True)
    assert told in report.checks[1].details


def test_an_exported_file_passes(good: Path) -> None:
    # Its units are those of UDUNITS: degree, where a store has deg.
    ad.export(good, "one.nc", layout="netcdf")
    report = ad.verify("one.nc")
    assert report.passed, report


def test_a_changed_unit_or_shape_of_a_copy_is_found(good: Path) -> None:
    pairs = opened(good).isel(y=slice(5))
    pairs["half_light_radius"].attrs["units"] = "pixel"
    pairs = pairs.assign_coords(
        z_out=("galaxy", pairs["z_in"].values, pairs["z_out"].attrs)
    )
    pairs.to_netcdf("copy.nc")
    details = ad.verify("copy.nc").checks[0].details
    assert "half_light_radius has units pixel, not arcsec" in details
    assert "input has (5, 6) pixels, not (6, 6)" in details
    assert "z_out is not above z_in in rows [0, 1, 2, 3, 4]" in details


def test_a_copy_without_a_known_grid_says_what_would_help(
    tmp_path: Path, seds: xr.DataArray, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = (1.5 * seds).assign_attrs({**seds.attrs, "source": "my grid"})
    ad.write(small(), "pairs.zarr", seds=grid)
    opened(Path("pairs.zarr")).to_netcdf("copy.nc")
    report = ad.verify("copy.nc")
    assert report.passed
    assert report.checks[1].details == ("none: they cannot be made again",)
    assert "that it does not hold, my grid" in report.unchecked[1]
    assert "bring the grid: --seds FILE" in report.unchecked[1]
    assert (
        ad.verify("copy.nc", seds=grid).checks[1].details[0].startswith("16 galaxies")
    )
    # Another grid is not this one.
    assert not ad.verify("copy.nc", seds=seds).passed
    ad.write_seds(grid, "grid.nc")
    with pytest.raises(SystemExit) as ended:
        cli.main(["verify", "copy.nc", "--seds", "grid.nc", "--full", "--json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["checks"][1]["details"] == ["24 galaxies, to 1e-05 (another machine)"]


@pytest.mark.parametrize("made", ["opened", "built"])
def test_pixels_of_another_version_are_not_called_wrong(
    good: Path, seds: xr.DataArray, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    pairs = opened(good) if made == "opened" else ad.build(small(), seds)
    pairs.to_netcdf("copy.nc")
    # A copy that does not say of which version it is.
    del pairs.attrs["pixels_version"]
    pairs.to_netcdf("older.nc")
    assert ad.verify("copy.nc", seds=seds).passed
    monkeypatch.setattr("argdask.copies.PIXELS_VERSION", PIXELS_VERSION + 1)
    told = f"pixels of version {PIXELS_VERSION}, not {PIXELS_VERSION + 1}"
    for grid in (None, seds):
        report = ad.verify("copy.nc", seds=grid)
        assert report.passed
        assert report.checks[1].details == ("none: they cannot be made again",)
        assert told in report.unchecked[1]
    checked = ad.verify("older.nc").checks[1].details
    assert checked[0].startswith("16 galaxies")


def test_a_copy_of_a_users_catalogue_says_that_it_is_not_there(
    seds: xr.DataArray,
) -> None:
    table = ad.read_table({"sersic_index": np.linspace(1, 4, 24)})
    ad.write(small(), "pairs.zarr", seds=seds, catalogue=table)
    plain(Path("pairs.zarr")).to_netcdf("copy.nc")
    report = ad.verify("copy.nc")
    assert "made with a user's catalogue" in report.unchecked[1]
    assert report.checks[1].details == ("none: they cannot be made again",)


@pytest.mark.parametrize("name", ["other.nc", "other.zarr", "text.nc"])
def test_what_is_no_copy_is_refused(name: str) -> None:
    other = xr.Dataset({"mine": ("x", [1.0])}, attrs={"recipe": "soup"})
    if name == "text.nc":
        Path(name).write_text("mine")
    elif name.endswith("nc"):
        other.to_netcdf(name)
    else:
        other.to_zarr(name, consolidated=False)
    with pytest.raises(InputError, match="a store that argdask made"):
        ad.verify(name)
