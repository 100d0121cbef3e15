"""What is drawn for each component: its own, whatever the others are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from argdask.catalogue import Catalogue
from argdask.errors import InputError
from argdask.recipe import Recipe
from argdask.schema import VARIABLES, described
from argdask.seds import age_of_universe
from argdask.tables import read_table

REDSHIFTS = np.array([0.5, 1.0, 2.0, 4.0, 6.0])
AGES = np.array([1e8, 5e8, 1e9, 2e9, 4e9, 8e9])
COUNT = 4000
IDS = np.arange(COUNT)

# A right law fails a test of chance once in 10,000 tries; the seeds are fixed.
LEAST_PROBABILITY = 1e-4


def grid(masked: Any = None, ages: Any = None) -> xr.DataArray:
    """A small grid; what is masked (redshift, template) has no valid flux."""
    shape = REDSHIFTS.size, 3, AGES.size
    flux = np.random.default_rng(8).lognormal(0, 1, shape)
    if masked is not None:
        flux[np.broadcast_to(np.asarray(masked)[:, None, :], shape)] = np.nan
    coords: dict[str, Any] = {} if ages is None else {"age": ("template", ages)}
    return xr.DataArray(
        flux,
        dims=("redshift", "filter", "template"),
        coords={
            "redshift": REDSHIFTS,
            "filter": ["blue", "green", "red"],
            "wavelength": ("filter", [4500.0, 6000.0, 8000.0]),
            **coords,
        },
    )


def of(components: Any = None, **keys: Any) -> dict[str, Any]:
    named = {} if components is None else {"components": components}
    return {"profile": {"name": "components", **keys, **named}}


def drawn(seds: xr.DataArray | None = None, ids: Any = IDS, **choices: Any) -> Any:
    return Catalogue(Recipe(**choices), grid() if seds is None else seds).columns(ids)


def equally_often(values: Any, expected: Any) -> bool:
    found, counts = np.unique(values, return_counts=True)
    assert found.tolist() == list(expected)
    return bool(stats.chisquare(counts).pvalue > LEAST_PROBABILITY)


# Columns.


def test_columns_are_those_of_the_schema():
    columns = drawn(**of())
    assert list(columns) == [name for name in VARIABLES if name in columns]
    variables = described(columns)
    sizes = {"galaxy": COUNT, "component": 2, "filter": 3}
    for name, values in columns.items():
        assert values.dtype == variables[name].dtype
        assert values.shape == tuple(sizes[dim] for dim in variables[name].dims)


def test_totals_are_sums_and_the_template_is_the_brightest_ones():
    columns = drawn(**of({"a": {"light_fraction": 0.3}, "b": {}, "c": {}}))
    assert "bulge_to_total" not in columns
    for end in ("flux_in", "flux_out"):
        parts = columns[f"component_{end}"]
        np.testing.assert_allclose(columns[end], parts.sum(axis=1), rtol=1e-15)
    # b and c have the same; the first of equals is taken.
    assert (columns["light_fraction"].argmax(axis=1) == 1).all()
    np.testing.assert_array_equal(
        columns["sed_index"], columns["component_sed_index"][:, 1]
    )
    columns = drawn(**of())
    bulge = columns["bulge_to_total"] > 0.5
    assert 0.1 < bulge.mean() < 0.5
    templates = columns["component_sed_index"]
    expected = np.where(bulge, templates[:, 0], templates[:, 1])
    np.testing.assert_array_equal(columns["sed_index"], expected)


# Streams.

A, B, C = (
    {"sersic_index": {"distribution": "uniform", "minimum": 1, "maximum": 6}},
    {"light_fraction": {"distribution": "uniform", "minimum": 0.1, "maximum": 0.4}},
    {"light_fraction": {"distribution": "beta", "alpha": 2, "beta": 2, "maximum": 0.5}},
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": A, "b": B}, {"b": B, "a": A}),
        ({"a": A, "b": B}, {"a": A, "b": B, "c": C}),
        ({"a": A, "b": B, "c": C}, {"c": C, "a": A}),
        ({"a": A, "b": B, "c": C}, {"_": {}, "b": B, "c": C}),
    ],
)
def test_components_are_drawn_whatever_the_others_are(one, other):
    first, second = drawn(**of(one)), drawn(**of(other))
    for name in one.keys() & other.keys():
        places = [sorted(components).index(name) for components in (one, other)]
        for column in ("component_sed_index", *Recipe().profile.columns):
            values = first[column][:, places[0]], second[column][:, places[1]]
            np.testing.assert_array_equal(*values)
        if "light_fraction" in one[name]:
            fractions = [
                first["light_fraction"][:, places[0]],
                second["light_fraction"][:, places[1]],
            ]
            np.testing.assert_array_equal(*fractions)
    for column in ("z_in", "z_out", "magnitude"):
        np.testing.assert_array_equal(first[column], second[column])


def test_components_do_not_follow_each_other():
    columns = drawn(**of({"a": {}, "b": {}, "bulge": {}}))
    for name in ("half_light_radius", "sersic_index", "component_sed_index"):
        table = np.corrcoef(columns[name].T)
        assert (np.abs(table[np.triu_indices(3, 1)]) < 0.08).all()


@given(st.lists(st.integers(0, 2**40), max_size=30))
@settings(max_examples=20)
def test_a_galaxy_has_the_same_columns_alone_and_among_others(ids):
    catalogue = Catalogue(
        Recipe(**of(), brightness={"brightness_redshift": "z_in"}), grid()
    )
    together = catalogue.columns(ids)
    for place, galaxy in enumerate(ids[:4]):
        for name, values in catalogue.columns([galaxy]).items():
            np.testing.assert_array_equal(values[0], together[name][place])


def test_centre_and_angle_are_the_galaxys_unless_a_component_has_its_own():
    bar = {"position_angle": {"distribution": "uniform", "minimum": 0, "maximum": 90}}
    offset = {"distribution": "normal", "mean": 0, "sigma": 2}
    columns = drawn(
        **of({"bar": {**bar, "offset_y": 3}, "bulge": {}, "disc": {}}, offset_y=offset)
    )
    single = drawn(profile={"offset_y": offset})
    for name in ("position_angle", "offset_y"):
        for component in (1, 2):
            np.testing.assert_array_equal(columns[name][:, component], single[name])
    assert columns["position_angle"][:, 0].max() < 90
    assert (columns["offset_y"][:, 0] == 3).all()


# Light fractions.


def test_fractions_add_up_and_the_rest_is_shared():
    columns = drawn(**of({"a": {"light_fraction": 0.3}, "b": {}, "bulge": {}}))
    fraction = columns["light_fraction"]
    np.testing.assert_allclose(fraction.sum(axis=1), 1, rtol=1e-15)
    assert (fraction[:, 0] == 0.3).all()
    assert fraction[:, 2].max() < 0.7
    assert (
        stats.kstest(fraction[:, 2] / 0.7, stats.beta(1, 2).cdf).pvalue
        > LEAST_PROBABILITY
    )
    shared = drawn(**of({"a": {"light_fraction": 0.4}, "b": {}, "c": {}}))
    np.testing.assert_allclose(shared["light_fraction"][:, 1:], 0.3, rtol=1e-15)
    nothing = {"distribution": "choice", "values": [0.1, 0.2]}
    tight = {"a": {"light_fraction": nothing}, "b": {"light_fraction": 0.8}, "c": {}}
    rest = drawn(**of(tight))["light_fraction"][:, 2]
    # 0.8 and 0.2 leave nothing, and nothing is not less than that.
    assert rest.min() == pytest.approx(0, abs=1e-15)
    assert (rest >= 0).all()


# Templates and redshifts.


def test_each_component_has_templates_of_its_ages():
    ages = {
        "disc": {"maximum_age": 1e9},
        "bulge": {"minimum_age": 2e9},
        "bar": {"minimum_age": 5e8, "maximum_age": 2e9, "light_fraction": 0.1},
    }
    columns = drawn(grid(ages=AGES), templates={"ages": "all"}, **of(ages))
    bar, bulge, disc = columns["component_sed_index"].T
    assert equally_often(bar, [1, 2, 3])
    assert equally_often(bulge, [3, 4, 5])
    assert equally_often(disc, [0, 1, 2])


def test_a_bulge_is_old_where_the_grid_knows_ages():
    seds = grid(ages=AGES)
    columns = drawn(seds, templates={"ages": "all"}, **of())
    assert equally_often(columns["component_sed_index"][:, 0], [2, 3, 4, 5])
    assert equally_often(columns["component_sed_index"][:, 1], range(6))
    anything = of({"bulge": {"minimum_age": 0}, "disc": {}})
    columns = drawn(seds, templates={"ages": "all"}, **anything)
    assert equally_often(columns["component_sed_index"][:, 0], range(6))
    # What is usual is no wish: young grids make young bulges.
    columns = drawn(grid(ages=AGES / 100), templates={"ages": "all"}, **of())
    assert equally_often(columns["component_sed_index"][:, 0], range(6))
    columns = drawn(grid(), **of())
    assert equally_often(columns["component_sed_index"][:, 0], range(6))


@pytest.mark.parametrize("law", ["conditional", "uniform"])
def test_pairs_have_a_template_for_every_component(law):
    seds = grid(ages=AGES)
    choices = of({"bulge": {"minimum_age": 1.5e9}, "disc": {}})
    columns = drawn(seds, redshifts={"law": law}, **choices)
    oldest = age_of_universe(seds, columns["z_out"])
    ages = AGES[columns["component_sed_index"]]
    assert (ages <= oldest[:, None]).all()
    assert ages[:, 0].min() == 2e9
    # At z = 4 the Universe is 1.5e9 yr old: no bulge is seen there.
    assert set(columns["z_out"]) == {1.0, 2.0}
    assert set(drawn(seds, **of({"a": {}, "b": {}}))["z_out"]) == set(REDSHIFTS[1:])


def test_components_need_not_be_possible_at_the_same_pairs():
    masked = np.zeros((5, 6), bool)
    masked[:2, :3] = True  # the young ones are not seen at low redshifts
    masked[3:, 3:] = True  # and the old ones not at high ones
    seds = grid(masked, AGES)
    choices = of({"a": {"maximum_age": 1e9}, "b": {"minimum_age": 2e9}})
    choices["brightness"] = {"brightness_redshift": 2.0}
    with pytest.raises(InputError, match="one that is valid at both redshifts"):
        drawn(seds, **choices)
    masked[1, :3] = False
    columns = drawn(grid(masked, AGES), templates={"ages": "all"}, **choices)
    assert set(columns["z_in"]) == {1.0}
    assert set(columns["z_out"]) == {2.0}


def test_redshifts_of_a_table_are_drawn_beside_its_templates():
    masked = np.zeros((5, 6), bool)
    masked[[0, 3], [1, 1]] = True
    masked[2, 4] = True
    table = read_table(
        {
            "galaxy_id": IDS,
            "bulge_sed_index": np.full(COUNT, 1),
            "disc_sed_index": np.full(COUNT, 4),
        }
    )
    brightness = {"brightness_redshift": 1.0}
    recipe = Recipe(**of(), redshifts={"law": "uniform"}, brightness=brightness)
    catalogue = Catalogue(recipe, grid(masked), table)
    catalogue.check_inputs()
    columns = catalogue.columns(IDS)
    assert set(columns["z_in"]) == {1.0}
    assert set(columns["z_out"]) == {6.0}


@pytest.mark.parametrize(
    ("ages", "component", "message"),
    [
        (
            None,
            {"minimum_age": 1e9},
            "profile.components.a.minimum_age: got 1000000000.0, expected an SED grid "
            "that knows the ages of its templates; leave it out, or use a grid with",
        ),
        (
            None,
            {"maximum_age": 1e9},
            "profile.components.a.maximum_age: got 1000000000.0, expected an SED grid",
        ),
        (
            AGES,
            {"minimum_age": 1e10},
            "profile.components.a.minimum_age: got 10000000000.0, expected a template "
            "of 1e+10 to inf yr; those of the grid are of 1e+08 to 8e+09",
        ),
        (
            AGES,
            {"minimum_age": 2.1e9, "maximum_age": 2.2e9},
            "profile.components.a.minimum_age: got 2100000000.0, expected a template",
        ),
    ],
)
def test_ages_that_there_are_not_are_told(ages, component, message):
    with pytest.raises(InputError) as caught:
        drawn(grid(ages=ages), **of({"a": component, "b": {}}))
    assert str(caught.value).startswith(message)
