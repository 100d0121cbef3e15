"""Where magnitudes and radii hold is said: in a warning, and beside the values."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask import Recipe, cli
from argdask.seds import select_filters
from argdask.table_redshifts import TableRedshiftWarning, references

FILTERS = ["acs_wfc_f606w", "acs_wfc_f814w"]
COLUMNS: dict[str, Any] = {
    "z_in": [0.3, 0.5],
    "magnitude": [20.0, 21.0],
    "half_light_radius": [0.4, 0.3],
}
AT_Z_IN = {"brightness_redshift": "z_in"}
MAGNITUDE = r"magnitude \(in acs_wfc_f814w, see brightness.brightness_filter\)"
MOVING = {"angular_size": True}


def recipe(**choices: Any) -> Recipe:
    return Recipe(**{"image_shape": 8, "filters": FILTERS, **choices})


def table(*names: str) -> Any:
    units = {"half_light_radius": "arcsec"} if "half_light_radius" in names else {}
    return ad.read_table({name: COLUMNS[name] for name in names}, units=units)


@pytest.mark.parametrize(
    ("choices", "names", "told"),
    [
        (
            MOVING,
            ("z_in", "magnitude", "half_light_radius"),
            f"values of {MAGNITUDE} and half_light_radius are taken at redshift 0.1, "
            "the lowest .* set brightness.brightness_redshift and reference_redshift",
        ),
        ({}, ("z_in", "magnitude", "half_light_radius"), f"{MAGNITUDE} are taken"),
        (
            {**MOVING, "brightness": AT_Z_IN},
            ("z_in", "magnitude", "half_light_radius"),
            "values of half_light_radius are taken .* set reference_redshift to z_in",
        ),
    ],
)
@pytest.mark.parametrize("make", [ad.simulate, ad.build])
def test_values_at_another_redshift_are_told_once(
    seds, choices, names, told, make
) -> None:
    with pytest.warns(TableRedshiftWarning, match=told) as caught:
        make(recipe(**choices), seds, catalogue=table(*names))
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("choices", "names"),
    [
        (MOVING, ("magnitude", "half_light_radius")),
        ({}, ("z_in", "half_light_radius")),
        ({"brightness": {"brightness_redshift": 0.1}}, ("z_in", "magnitude")),
        (
            {**MOVING, "brightness": AT_Z_IN, "reference_redshift": "z_in"},
            ("z_in", "magnitude", "half_light_radius"),
        ),
    ],
)
def test_what_was_said_is_not_told(seds, choices, names) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ad.simulate(recipe(**choices), seds, variables=[], catalogue=table(*names))


@pytest.mark.filterwarnings("ignore::argdask.table_redshifts.TableRedshiftWarning")
@pytest.mark.parametrize("store", ["pairs.zarr", "pairs.nc"])
@pytest.mark.parametrize(
    "choices",
    [
        {},
        MOVING,
        {
            **MOVING,
            "reference_redshift": "z_in",
            "brightness": {"brightness_filter": FILTERS[0], **AT_Z_IN},
        },
        {**MOVING, "profile": {"name": "components"}, "reference_redshift": 0.5},
    ],
)
def test_attributes_are_alike_in_memory_and_in_stores(seds, choices, store) -> None:
    chosen = recipe(galaxies=2, **choices)
    made = ad.simulate(chosen, seds, catalogue=table("z_in", "magnitude"))
    brightness = choices.get("brightness", {})
    expected = {
        "brightness_filter": brightness.get("brightness_filter", FILTERS[1]),
        "brightness_redshift": brightness.get("brightness_redshift", 0.1),
    }
    for name in {"magnitude", "light_fraction", "bulge_to_total"} & {*made.coords}:
        found = made[name].attrs
        assert {key: found[key] for key in expected} == expected
    at = made["half_light_radius"].attrs.get("reference_redshift")
    moving = choices.get("angular_size", False)
    assert at == (choices.get("reference_redshift", 0.1) if moving else None)
    ad.write(chosen, store, seds=seds, catalogue=table("z_in", "magnitude"))
    opened = ad.open_pairs(store)
    for name, variable in made.variables.items():
        assert {**opened[name].attrs, **variable.attrs} == opened[name].attrs


def test_the_filter_is_that_of_the_set(seds: xr.DataArray) -> None:
    told = references(recipe(), select_filters(seds, FILTERS[:1]))
    assert told["magnitude"]["brightness_filter"] == FILTERS[0]
    nearest = np.abs(seds["wavelength"].values - 8500).argmin()
    every = references(Recipe(), seds)["magnitude"]["brightness_filter"]
    assert every == str(seds["filter"].values[nearest])


def run(*arguments: str) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(str(ended.value.code))


@pytest.mark.filterwarnings("default::argdask.table_redshifts.TableRedshiftWarning")
def test_a_command_tells_columns_and_redshifts_in_a_line_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("t.csv").write_text("z_in,half_light_radius,flag,m\n0.3,0.4,1,2\n0.5,0.3,0,1")
    choices = ("angular_size=true", "image_shape=8", "catalogue.ignore=['*']")
    units = "catalogue.units.half_light_radius=arcsec"
    given = [word for one in (*choices, units) for word in ("--set", one)]
    arguments = ("pairs.zarr", "--catalogue", "t.csv", "--jobs", "1", *given)
    assert run("generate", *arguments) == 0
    _, err = capsys.readouterr()
    columns = [line for line in err.splitlines() if "catalogue: uses" in line]
    assert len(columns) == 1
    assert columns[0].endswith("uses z_in, half_light_radius; ignores flag, m")
    redshifts = [line for line in err.splitlines() if "reference_redshift" in line]
    assert len(redshifts) == 1
    assert redshifts[0].startswith("argdask: the catalogue's values of half_light_rad")
    # What the store has was said when it was begun.
    assert run("generate", *arguments) == 0
    assert "reference_redshift" not in capsys.readouterr().err
    assert run("generate", *arguments, "--overwrite", "--quiet") == 0
    assert capsys.readouterr().err == ""
