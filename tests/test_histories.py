"""What a grid must declare for passive evolution, and how files keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from bursts import bursts

from argdask.catalogue import Catalogue
from argdask.errors import InputError
from argdask.histories import tracks_in
from argdask.recipe import Recipe
from argdask.sed_files import read_seds, write_seds
from argdask.seds import check_seds, content_hash, select_filters

AGES = np.array([1e8, 1e9, 5e9])


def grid() -> xr.DataArray:
    return bursts([0.5, 1.0], AGES, tracks=2)


def test_templates_that_differ_in_age_alone_are_a_track():
    order = np.array([4, 1, 5, 0, 3, 2])
    tracks = tracks_in(grid().isel(template=order))
    assert order[tracks.template].tolist() == [0, 1, 2, 3, 4, 5]
    assert tracks.age.tolist() == [*AGES, *AGES]
    assert tracks.first.tolist() == [0, 0, 0, 3, 3, 3]
    assert tracks.template[tracks.place].tolist() == [0, 1, 2, 3, 4, 5]


def test_what_is_not_a_number_can_tell_tracks_apart():
    kind = ("template", ["a", "a", "b", "a", "a", "b"])
    unknown = ("template", [np.nan, np.nan, 1.0] * 2)
    for coordinate in (kind, unknown):
        tracks = tracks_in(check_seds(grid().assign_coords(other=coordinate)))
        counts = np.unique(tracks.first, return_counts=True)[1]
        assert sorted(counts) == [1, 1, 2, 2]


def npz(seds: xr.DataArray, path: Path) -> Path:
    own = {str(k): v.values for k, v in seds.coords.items() if k != "valid"}
    np.savez(path, flux=seds.values, **own, **seds.attrs)
    return path


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".npz"])
def test_files_keep_what_a_grid_declares(tmp_path, suffix):
    path = tmp_path / f"grid{suffix}"
    (npz if suffix == ".npz" else write_seds)(grid(), path)
    again = read_seds(path)
    assert again.attrs["star_formation_time"] == "absolute"
    assert again["surviving_mass"].attrs["units"] == "1"
    assert again["age"].attrs["units"] == "yr"
    assert content_hash(again) == content_hash(grid())
    assert tracks_in(again).age.tolist() == [*AGES, *AGES]
    # So does a choice of its filters.
    assert tracks_in(select_filters(again, ["red"])).first.tolist() == [0] * 3 + [3] * 3


REFUSED: dict[str, tuple[Any, str, str]] = {
    "nothing declared": (
        lambda g: g.drop_attrs().drop_vars("surviving_mass"),
        "templates.evolution: got passive, expected a grid with star formation in "
        "absolute time and the mass that survives; given as an array has not the "
        "attribute star_formation_time: absolute nor the coordinate surviving_mass; ",
        "set it to none, or add them if they are true of the grid",
    ),
    "no ages": (
        lambda g: g.drop_vars("age"),
        "templates.evolution: got passive",
        "add them if they are true of the grid",
    ),
    "stretched histories": (
        lambda g: g.assign_attrs(star_formation_time="relative"),
        "templates.evolution: got passive, expected a grid with star formation in "
        "absolute time, not as in bursts, where each history is stretched to the age",
        "or use a grid of single bursts or other histories in yr",
    ),
    "fluxes of galaxies": (
        lambda g: g.assign_attrs(per_solar_mass=0),
        "templates.evolution: got passive, expected a grid of fluxes per solar mass",
        "set it to none, or divide fluxes by the stellar mass at each age",
    ),
    "ages in Gyr": (
        lambda g: g.assign_coords(age=g["age"].assign_attrs(units="Gyr")),
        "seds.age: got float64 ('template',) [Gyr], expected one for each template, in",
        "correct it, or set templates.evolution to none",
    ),
    "an unknown age": (
        lambda g: g.assign_coords(age=g["age"].where(g["age"] > 2e8)),
        "seds.age: got nan for template 0, expected ages above 0",
        "drop this template, or set templates.evolution to none",
    ),
    "an age twice": (
        lambda g: g.drop_vars("metallicity"),
        "seds.age: got 1e+08 for both templates 0 and 3, expected each age once",
        "add a coordinate along template that tells their histories apart",
    ),
    "no tracks": (
        lambda g: g.assign_coords(mass_to_light=("template", np.arange(6.0))),
        "templates.evolution: got passive, expected templates that differ in age alone",
        "metallicity, mass_to_light, and drop those that change along a history",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_grid_that_does_not_declare_it_does_not_evolve(case):
    change, begin, end = REFUSED[case]
    with pytest.raises(InputError) as caught:
        Catalogue(Recipe(templates={"evolution": "passive"}), change(grid()))
    assert str(caught.value).startswith(begin)
    assert str(caught.value).endswith(end)
    # What does not evolve needs none of it.
    assert Catalogue(Recipe(), change(grid())).columns([0])["z_in"] == 0.5


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.1, np.nan])
def test_what_survives_is_a_fraction(bad):
    wrong = grid()
    wrong["surviving_mass"][2] = bad
    with pytest.raises(InputError) as caught:
        check_seds(wrong)
    expected = f"seds.surviving_mass: got {bad!r}, expected a fraction above 0 and up"
    assert str(caught.value).startswith(expected)


def test_what_survives_is_known_of_each_template():
    wrong = grid().drop_vars("surviving_mass")
    for values in (("redshift", [0.5, 0.6]), ("template", list("abcdef"))):
        with pytest.raises(InputError, match=r"^seds\.surviving_mass: got .*fraction"):
            check_seds(wrong.assign_coords(surviving_mass=values))


def test_time_is_absolute_or_relative():
    with pytest.raises(InputError) as caught:
        check_seds(grid().assign_attrs(star_formation_time="Gyr"))
    assert str(caught.value) == (
        "seds.star_formation_time: got Gyr, expected absolute or relative; correct "
        "this attribute, or drop it"
    )


def test_the_real_grid_of_smpy_is_refused_with_its_reason(smpy_file):
    seds = read_seds(smpy_file)
    assert seds.attrs["star_formation_time"] == "relative"
    with pytest.raises(InputError) as caught:
        Catalogue(Recipe(templates={"evolution": "passive"}), seds)
    assert "not as in smpy, candels.goodss.models.hdf, where" in str(caught.value)
