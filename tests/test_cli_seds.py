"""The command `argdask seds`, each thing it does once, and pictures of grids."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask.cli import main
from argdask.sed_inspection import describe_seds
from argdask.sed_plotting import plot_seds
from argdask.seds import content_hash

GRID = """
redshifts: [0.5, 1.0, 2.0]
filters: [acs_wfc_f606w, wfc3_ir_f160w, {file: mine.txt, wavelength_unit: nm}]
templates: {package: desc-bpz, names: [Sbc, Im], steps: 2}
igm: inoue2014
cosmology: Planck18
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["seds", *arguments])
    out, error = capsys.readouterr()
    return int(str(caught.value.code)), out, error


@pytest.fixture
def choices(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("700 0\n710 1\n800 1\n810 0\n")
    path = tmp_path / "folder" / "grid.yaml"
    path.write_text(GRID)
    return path


def test_a_grid_is_built_saved_drawn_and_shown(
    choices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, error = run(capsys, str(choices), "-o", "grid.nc", "--plot", "grid.png")
    assert (code, error) == (0, "")
    built = ad.build_seds(ad.SedGrid.from_yaml(choices))
    saved = ad.read_seds("grid.nc")
    assert content_hash(saved) == content_hash(built)
    for line in (
        "dims        redshift 3, filter 3, template 3",
        "redshifts   0.5 to 2",
        "masked      0.00 % of redshifts x templates",
        "BPZ templates Sbc to Im, mixed",
        "H0 67.66",
        content_hash(built),
        "Sbc, Sbc+Im 1/2, Im",
        "wrote grid.nc\nwrote grid.png",
    ):
        assert line in out
    picture = matplotlib.image.imread("grid.png")
    assert picture.shape[0] > 500
    assert picture.std() > 0.05


def test_a_saved_grid_is_shown_as_json(
    choices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, str(choices), "-o", "grid.zarr")
    code, out, _ = run(
        capsys, "grid.zarr", "--json", "--filter-names", "a,b,c", "-o", "g.nc"
    )
    assert code == 0
    shown = json.loads(out)
    assert [one["name"] for one in shown["filters"]] == ["a", "b", "c"]
    assert shown["cosmology"]["name"] == "FlatLambdaCDM"
    assert ad.read_seds("g.nc")["filter"].values.tolist() == ["a", "b", "c"]


def test_the_built_in_grid_and_its_choices_are_shown(
    capsys: pytest.CaptureFixture[str], seds: xr.DataArray
) -> None:
    code, out, _ = run(capsys)
    assert code == 0
    assert content_hash(seds) in out
    code, text, _ = run(capsys, "--choices")
    assert code == 0
    Path("all.yaml").write_text(text)
    assert ad.SedGrid.from_yaml("all.yaml") == ad.SedGrid()


def test_filters_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--filters", "wfc3 f160w")
    assert (code, len(out.splitlines())) == (0, 2)
    assert "wfc3_ir_f160w" in out
    code, out, _ = run(capsys, "--filters", "--wavelength", "21500")
    assert "vlt_isaac_Ks" in out
    code, out, _ = run(capsys, "--filters", "--json")
    assert len(json.loads(out)) >= 270
    code, out, error = run(capsys, "--filters", "acs_wfc_f6066")
    assert (code, out) == (2, "")
    assert "nearest names: acs_wfc_f606w" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.yaml"], "seds: got no.yaml, expected a readable YAML file"),
        (["no.nc"], "seds: got no.nc (no such file)"),
        (["--filter-names", "a,b"], "--filter-names: got a,b"),
        (["-o", "grid.txt"], "seds file: got grid.txt"),
        (["--plot", "no/where.png"], "picture: got no/where.png"),
        (["--wavelength", "-3"], "wavelength: got -3.0"),
        (["--filters", "--wavelength", "1"], "--filters: got 1 Angstrom"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, out, error = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert error.startswith(f"argdask: {message}")
    assert error.count("\n") == 1


def test_a_missing_extra_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("argdask.spectra._package_files", _not_installed)
    (tmp_path / "c.yaml").write_text("templates: cosmos\n")
    code, _, error = run(capsys, "c.yaml")
    assert code == 2
    assert error == "argdask: pip install 'argdask[cosmos]'\n"


def _not_installed(package: str) -> None:
    raise ImportError("pip install 'argdask[cosmos]'")


def test_help_imports_neither_dask_nor_xarray() -> None:
    code = (
        "import sys, argdask.cli\n"
        "slow = {'dask', 'xarray', 'numpy', 'astropy', 'pydantic'}\n"
        "print(sorted(slow & set(sys.modules)))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_what_is_masked_is_counted(seds: xr.DataArray) -> None:
    some = seds.isel(template=slice(0, 4), redshift=slice(0, 5)).copy(deep=True)
    some[0, 2, 1] = np.nan
    some[1, 3, 2] = 0.0
    contents = describe_seds(some.drop_vars("valid"))
    assert contents.masked == 1 / 20
    assert [one.unknown for one in contents.filters][1:3] == [0.0, 1 / 20]
    assert contents.filters[3].faintest is None
    assert " dark " in contents.to_text()
    assert json.loads(contents.to_json())["filters"][3]["faintest"] is None


def test_templates_that_differ_in_dust_alone_are_told_apart(seds: xr.DataArray) -> None:
    figure = plot_seds(seds.isel(template=[0, 1, 2]))
    legend = figure.axes[0].get_legend()
    assert legend is not None
    told = {text.get_text() for text in legend.get_texts()}
    assert told == {"El", "El, E(B-V) 0.1", "El+Sbc 1/8"}


def test_a_picture_shows_any_grid(seds: xr.DataArray) -> None:
    some = seds.isel(template=slice(0, 20)).copy(deep=True)
    some[0, :, :] = np.nan
    some[:, 8, 3:9] = 0.0
    some = some.drop_vars(["valid", "template_name"])
    for count, grid in {
        6: some.isel(filter=slice(None, None, -1)),
        2: some.isel(filter=[0], template=[2, 5]),
        1: some.assign_coords(filter=list("abcdefghi")).isel(template=[0]),
    }.items():
        figure = plot_seds(grid, templates=6)
        figure.draw_without_rendering()
        assert len(figure.axes) == 4
        assert len(figure.axes[2].lines) == count
    smpy = some.assign_attrs(per_solar_mass=1)
    figure = plot_seds(smpy)
    assert "solar mass" in figure.axes[0].get_ylabel()
