"""A catalogue of components takes the place of draws, and wrong ones are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import argdask as ad
from argdask.catalogue import Catalogue
from argdask.errors import InputError
from argdask.recipe import Recipe
from argdask.recipe_tables import table_of
from argdask.tables import UserTable, read_table

IDS = [9, 2**40, 4, 1000]
TABLE: dict[str, Any] = {
    "galaxy_id": IDS,
    "z_in": [0.5, 0.7, 1.0, 1.2],
    "z_out": [0.9, 1.5, 1.25, 2.0],
    "magnitude": [19.0, 20.0, 21.5, 18.0],
    "position_angle": [10.0, 20.0, 30.0, 40.0],
    "offset_x": [0.5, -2.0, 0.0, 0.1],
    "bulge_to_total": [0.0, 0.25, 0.5, 1.0],
    "bulge_sed_index": [3, 100, 0, 177],
    "bulge_half_light_radius": [0.1, 0.2, 0.3, 0.4],
    "disc_sed_index": [177, 5, 6, 7],
    "disc_sersic_index": [1.0, 0.5, 1.5, 6.0],
    "disc_position_angle": [90.0, 80.0, 70.0, 60.0],
    "disc_asymmetry": [0.0, 0.1, 0.2, 0.3],
}
UNITS = {
    name: "deg" if "angle" in name else "arcsec"
    for name in TABLE
    if name.endswith(("position_angle", "half_light_radius"))
}
RECIPE: dict[str, Any] = {"profile": {"name": "components"}, "image_shape": 9}
BAR = {"bulge": {}, "bar": {"light_fraction": 0.2}, "disc": {}}


def read(data: Any, **options: Any) -> UserTable:
    stated = {k: v for k, v in UNITS.items() if k in data}
    return read_table(data, units=stated, **options)


def with_table(
    data: Any, seds: xr.DataArray, profile: Any = None, **choices: Any
) -> Catalogue:
    chosen = {**RECIPE, **choices, **({} if profile is None else {"profile": profile})}
    names = chosen["profile"].get("components", ("bulge", "disc"))
    return Catalogue(Recipe(**chosen), seds, read(data, components=names))


def some(*names: str) -> dict[str, Any]:
    return {name: TABLE[name] for name in ("galaxy_id", *names)}


@pytest.mark.parametrize(
    "names",
    [
        tuple(TABLE)[1:],
        ("bulge_sed_index", "disc_sed_index"),
        ("bulge_sed_index", "z_in", "z_out"),
        *((n,) for n in tuple(TABLE)[1:] if not n.endswith("sed_index")),
    ],
)
def test_columns_of_components_take_the_place_of_draws(seds, names):
    catalogue = with_table(some(*names), seds)
    catalogue.check_inputs()
    columns = catalogue.columns(IDS)
    drawn = Catalogue(Recipe(**RECIPE), seds).columns(IDS)
    bulge = {n.removeprefix("bulge_"): TABLE[n] for n in names if n[:5] == "bulge"}
    disc = {n.removeprefix("disc_"): TABLE[n] for n in names if n[:4] == "disc"}
    for place, given in enumerate((bulge, disc)):
        for name, values in given.items():
            key = {"sed_index": "component_sed_index", "to_total": "light_fraction"}
            found = columns[key.get(name, name)][:, place]
            assert found.tolist() == values
    for name in ("position_angle", "offset_x"):
        if name in names:
            own = f"disc_{name}" in names
            assert columns[name][:, 0].tolist() == TABLE[name]
            assert (columns[name][:, 1].tolist() == TABLE[name]) != own
    # Whatever has nothing to do with them is drawn as it always is.
    touched = {n.removeprefix("bulge_").removeprefix("disc_") for n in names}
    for name in ("half_light_radius", "sersic_index", "axis_ratio", "offset_y"):
        if name not in touched:
            np.testing.assert_array_equal(columns[name], drawn[name])
    if "to_total" not in touched:
        np.testing.assert_array_equal(
            columns["light_fraction"], drawn["light_fraction"]
        )
    np.testing.assert_array_equal(
        columns["bulge_to_total"], columns["light_fraction"][:, 0]
    )
    np.testing.assert_allclose(columns["light_fraction"].sum(axis=1), 1, rtol=1e-15)


def test_order_and_subset_of_rows_change_no_galaxy(seds):
    table = pd.DataFrame(TABLE)
    every = with_table(table, seds).columns(IDS)
    fewer = with_table(table.iloc[[3, 1]], seds).columns([1000, 2**40])
    for name, values in fewer.items():
        np.testing.assert_array_equal(values, every[name][[3, 1]])


def test_templates_of_components_go_by_names_and_parameters(seds):
    wanted = np.array([5, 100, 42])
    table = {
        "bulge_template_name": seds["template_name"].values[wanted].astype(str),
        "bulge_template_e_bv": seds["e_bv"].values[wanted],
        "disc_sed_index": [1, 2, 3],
    }
    catalogue = with_table(table, seds)
    catalogue.check_inputs()
    columns = catalogue.columns([0, 1, 2])
    assert columns["component_sed_index"].tolist() == [[5, 1], [100, 2], [42, 3]]
    assert catalogue.table is not None
    assert catalogue.table.names == ("galaxy_id", "bulge_sed_index", "disc_sed_index")
    numbers = read({"bulge_sed_index": wanted, "disc_sed_index": [1, 2, 3]})
    assert catalogue.table.content_hash() == numbers.content_hash()
    # Names that look alike mean what they say.
    named = {"components": {"a": {}, "a_b": {}}, "name": "components"}
    rows = {"a_sed_index": [1], "a_b_sed_index": [2]}
    assert with_table(rows, seds, named).columns([0])[
        "component_sed_index"
    ].tolist() == [[1, 2]]


def test_units_are_converted():
    data = {"disc_half_light_radius": [400.0, 900.0], "bulge_position_angle": [1.0, 2]}
    units = {"disc_half_light_radius": "mas", "bulge_position_angle": "rad"}
    table = read_table(data, units=units)
    assert table.values["disc_half_light_radius"] == pytest.approx([0.4, 0.9])
    assert table.values["bulge_position_angle"] == pytest.approx(np.rad2deg([1, 2]))


def test_a_table_survives_a_store():
    table = read(TABLE)
    again = UserTable.from_dataset(table.to_dataset())
    assert again.content_hash() == table.content_hash()
    assert table.to_dataset()["disc_asymmetry"].attrs["long_name"].startswith("disc: ")
    assert table.to_dataset()["bulge_half_light_radius"].attrs["units"] == "arcsec"
    assert "components" not in read({"z_in": [1.0]}).to_dataset().attrs
    named = read({"bar_sersic_index": [1.0]}, components=["bar", "ring"])
    assert UserTable.from_dataset(named.to_dataset()).names == named.names


def test_a_recipe_names_the_components_of_its_table(seds):
    path = "galaxies.csv"
    pd.DataFrame(
        {"bar_sersic_index": [0.5, 0.7], "bulge_to_total": [0.1, 0.2]}
        | {"galaxy_id": [0, 1], "note": ["", ""]}
    ).to_csv(path, index=False)
    profile = {"name": "components", "components": BAR}
    catalogue = {"path": path, "ignore": ["*"]}
    recipe = Recipe(profile=profile, catalogue=catalogue)
    columns = Catalogue(recipe, seds, table_of(recipe)).columns([0, 1])
    assert columns["sersic_index"][:, 0].tolist() == [0.5, 0.7]
    np.testing.assert_allclose(
        columns["light_fraction"], [[0.2, 0.1, 0.7], [0.2, 0.2, 0.6]], rtol=1e-15
    )
    # Of a single profile they mean nothing.
    table = table_of(Recipe(catalogue=catalogue))
    assert table is not None
    assert table.names == ("galaxy_id",)


# Its magnitudes are those at the lowest redshift, as the recipe says of both.
@pytest.mark.filterwarnings("ignore::argdask.table_redshifts.TableRedshiftWarning")
def test_the_table_of_a_set_is_one_for_the_next(seds):
    recipe = Recipe(**RECIPE, galaxies=6)
    ad.write(recipe, "pairs.zarr", seds=seds)
    ad.export("pairs.zarr", "out")
    truth = pd.read_csv("out/truth.ecsv", comment="#")
    pairs = ad.open_pairs("pairs.zarr")
    kept = [
        *("galaxy_id", "z_in", "z_out", "magnitude", "bulge_to_total"),
        *(n for n in truth if n.startswith(("bulge_", "disc_")) and "flux" not in n),
    ]
    kept = [
        name
        for name in dict.fromkeys(kept)
        if name not in ("bulge_brightness", "disc_brightness", "disc_light_fraction")
    ]
    units = {n: "arcsec" for n in kept if n.endswith("radius")}
    units |= {n: "deg" for n in kept if n.endswith("position_angle")}
    table = read_table(truth[kept], units=units)
    again = ad.simulate(
        Recipe(**RECIPE, galaxies=6, seed=1, scale=pairs.attrs["scale"]),
        seds,
        catalogue=table,
    )
    np.testing.assert_array_equal(again["input"], pairs["input"])
    np.testing.assert_array_equal(again["target"], pairs["target"])


# Wrong ones.

SINGLE = {"profile": {"name": "sersic"}}


@pytest.mark.parametrize(
    ("data", "choices", "message"),
    [
        (
            {"bulge_half_light_radus": [1.0]},
            {},
            "catalogue: got bulge_half_light_radus, expected columns that are known; "
            "nearest: bulge_half_light_radius",
        ),
        (
            {"bar_sersic_index": [1.0]},
            {},
            "catalogue: got bar_sersic_index, expected columns that are known; nearest",
        ),
        (
            {"bulge_light_fraction": [0.3]},
            {},
            "catalogue: got bulge_light_fraction, expected columns that are known; ne",
        ),
        (
            {"bulge_half_light_radius": [1.0]},
            {},
            "catalogue.bulge_half_light_radius: got no unit, expected a unit such as",
        ),
        (
            {"bulge_to_total": [0.3, 1.1]},
            {},
            "catalogue.bulge_to_total, row 1: got 1.1, expected 0 to 1; correct it",
        ),
        (
            {"bulge_to_total": [np.nan]},
            {},
            "catalogue.bulge_to_total, row 0: got nan, expected 0 to 1; fill it in",
        ),
        (
            {"disc_light_fraction": [0.3]},
            {},
            "catalogue.disc_light_fraction: got a column, expected one component at "
            "least without, which takes what the others leave; leave it out: it foll",
        ),
        (
            {"disc_sersic_index": [9.0]},
            {},
            "catalogue.disc_sersic_index, row 0: got 9.0, expected 0.3 to 8; correct",
        ),
        (
            {"disc_sersic_index": [[1.0, 2.0]]},
            {},
            "catalogue.disc_sersic_index: got shape (1, 2), expected one value for ea",
        ),
        (
            {"sersic_index": [4.0]},
            {},
            "catalogue.sersic_index: got a column, and components bulge, disc, expec"
            "ted a column of one of them; nearest: disc_sersic_index, bulge_sersic_i",
        ),
        (
            {"sed_index": [4]},
            {},
            "catalogue.sed_index: got a column, and components bulge, disc, expected "
            "a column of one of them; nearest: disc_sed_index, bulge_sed_index; or i",
        ),
        (
            {"template_name": ["El"]},
            {},
            "catalogue.template_name: got a column, and components bulge, disc, expe",
        ),
        (
            {"offset_y": [1.0]},
            {"profile": {"components": {"a": {"offset_y": 0}, "b": {"offset_y": 1}}}},
            "catalogue.offset_y: got a column, and components a, b, expected a column",
        ),
        (
            {"bulge_sed_index": [178], "disc_sed_index": [0]},
            {},
            "catalogue.bulge_sed_index, row 0: got 178, expected 0 to 177, the templa",
        ),
        (
            {"bulge_sed_index": [1.5]},
            {},
            "catalogue.bulge_sed_index, row 0: got 1.5, expected a whole number from",
        ),
        (
            {"bulge_sed_index": [1]},
            {},
            "catalogue.bulge_sed_index: got a column, and none of disc_sed_index, ex",
        ),
        (
            {"bulge_template_name": ["El"], "z_in": [0.5]},
            {},
            "catalogue.bulge_template_name: got a column, and none of disc_sed_index,",
        ),
        (
            {"bulge_template_name": ["Ell"], "disc_sed_index": [1]},
            {},
            "catalogue.bulge_template_name, row 0: got Ell, expected template_name of",
        ),
        (
            {"bulge_template_name": ["El"], "disc_sed_index": [1]},
            {},
            "catalogue.bulge_template_name, row 0: got El, expected one template, not"
            " 2 (0, 1, ...); add the column bulge_template_e_bv",
        ),
        (
            {"disc_template_agee": [1.0], "bulge_sed_index": [1]},
            {},
            "catalogue: got disc_template_agee, expected a parameter that the SED grid",
        ),
        (
            {"disc_template_name": ["El"], "disc_sed_index": [1]},
            {},
            "catalogue.disc_template_name: got both, expected either disc_sed_index o",
        ),
        (
            {"image": [0]},
            {},
            "catalogue.image: got a column, and profile components, expected a profi",
        ),
        (
            {"bulge_sersic_index": [4.0]},
            SINGLE,
            "catalogue.bulge_sersic_index: got a column, and profile sersic, expecte"
            "d a profile of components; set profile.name to components, or ignore=['",
        ),
        (
            {"bar_light_fraction": [0.5], "bulge_to_total": [0.6]},
            {"profile": {"components": {"bulge": {}, "bar": {}, "disc": {}}}},
            "catalogue.bar_light_fraction, row 0: got 1.1, expected light fractions t",
        ),
        (
            {"bar_light_fraction": [0.5]},
            {"profile": {"components": {"bulge": {}, "bar": {}, "disc": {}}}},
            "catalogue.bar_light_fraction, row 0: got 1.5, expected light fractions t",
        ),
        (
            {"stellar_mass": [1e10]},
            {},
            "catalogue.stellar_mass: got no unit, expected a unit such as solMass; gi",
        ),
    ],
)
def test_a_wrong_table_of_components_is_told_in_one_line(seds, data, choices, message):
    profile = {"name": "components", **choices.get("profile", {})}
    names = profile.get("components", ("bulge", "disc"))

    def read_and_check() -> None:
        table = read_table(data, components=names)
        Catalogue(Recipe(profile=profile), seds, table).check_inputs()

    with pytest.raises(InputError) as caught:
        read_and_check()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_small_radius_of_a_component_is_told(seds):
    data = {"disc_half_light_radius": [0.3, 0.001]}
    table = read_table(data, units={"disc_half_light_radius": "arcsec"})
    with pytest.raises(InputError) as caught:
        Catalogue(Recipe(**RECIPE), seds, table)
    assert str(caught.value).startswith(
        "catalogue.disc_half_light_radius, row 1: got 0.001, expected at least 0.0012"
    )


def test_a_template_that_is_not_valid_is_told_with_its_row(seds):
    gone = seds.copy(deep=True)
    gone[{"template": 5}] = np.nan
    data = some("z_in", "z_out", "bulge_sed_index", "disc_sed_index")
    with pytest.raises(InputError) as caught:
        with_table(data, gone).check_inputs()
    assert str(caught.value).startswith(
        "catalogue.bulge_sed_index, row 1: got bulge_sed_index 100, disc_sed_index 5, "
        "z_in 0.7, z_out 1.5, expected a template that is valid at z_in 0.7 and z_out"
    )
