"""Passive evolution: what is drawn, what it was at z_out, and how bright that is."""

from __future__ import annotations

import functools
import json
from itertools import product
from typing import Any

import numpy as np
import pytest
import xarray as xr
from astropy.cosmology import LambdaCDM
from bursts import bursts, dimming, light, surviving, time_at
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import argdask as ad
from argdask.catalogue import Catalogue
from argdask.errors import InputError
from argdask.evolution import Evolution, EvolvingLists
from argdask.recipe import Recipe
from argdask.schema import VARIABLES
from argdask.seds import age_of_universe, check_seds
from argdask.tables import read_table
from argdask.template_lists import Reach

PASSIVE = {"templates": {"evolution": "passive"}}
EVERY_AGE = {"templates": {"evolution": "passive", "ages": "all"}}
REDSHIFTS = np.array([0.3, 0.8, 1.4, 2.0, 3.0])
FINE = np.linspace(0.4, 2.0, 17)
MANY = np.concatenate([np.geomspace(1e6, 3e8, 8), np.linspace(4e8, 9e9, 50)])
AGES = np.array([2e7, 1e9, 2.2e9, 3.5e9, 5.1e9, 7e9, 9.8e9])

# A right law fails one of these tests once in 10,000 tries; their seeds are fixed.
LEAST_PROBABILITY = 1e-4


def catalogue(seds: xr.DataArray, table: Any = None, **choices: Any) -> Catalogue:
    more = {} if table is None else {"galaxies": len(next(iter(table.values())))}
    known = None if table is None else read_table(table)
    return Catalogue(Recipe(**{**PASSIVE, **more, **choices}), seds, known)


def columns_of(
    count: int, seds: xr.DataArray, table: Any = None, **choices: Any
) -> dict[str, NDArray[Any]]:
    return catalogue(seds, table, **choices).columns(np.arange(count))


def masked(seds: xr.DataArray, share: float, seed: int = 5) -> xr.DataArray:
    """Return a grid of which some templates are not valid at some redshifts."""
    shape = seds.sizes["redshift"], seds.sizes["template"]
    lost = np.random.default_rng(seed).random(shape) < share
    return seds.assign_coords(valid=(("redshift", "template"), ~lost))


def equally_often(values: Any, expected: Any) -> bool:
    found, counts = np.unique(np.asarray(values), axis=0, return_counts=True)
    assert found.tolist() == np.asarray(expected).tolist()
    if len(counts) == 1:
        return True
    return bool(stats.chisquare(counts).pvalue > LEAST_PROBABILITY)


@functools.cache
def moment(redshift: float) -> float:
    """Age of the Universe [yr]."""
    return float(time_at(redshift))


def has_progenitor(
    seds: xr.DataArray, z_in: float, z_out: float, template: int, *, oldest: bool = True
) -> bool:
    """Whether a template may be drawn for a pair, told without argdask."""
    valid, redshift = seds["valid"].values, seds["redshift"].values

    def ends(z: float) -> list[int]:
        return [int((redshift <= z).sum()) - 1, int((redshift < z).sum())]

    age, metallicity = seds["age"].values, seds["metallicity"].values
    if oldest and age[template] > moment(redshift[ends(z_in)[1]]):
        return False
    past = age[template] - (moment(z_in) - moment(z_out))
    track = np.flatnonzero(metallicity == metallicity[template])
    younger, older = track[age[track] <= past], track[age[track] >= past]
    if not younger.size or not valid[ends(z_in), template].all():
        return False
    near = [younger[np.argmax(age[younger])], older[np.argmin(age[older])]]
    return bool(valid[np.ix_(ends(z_out), near)].all())


# Fluxes and ages.


@settings(max_examples=40)
@given(st.floats(0.05, 2), st.floats(0.05, 3), st.sampled_from([0.4, 0.1]))
@example(0.05, 0.05, 0.4)
def test_fluxes_are_those_of_the_law_of_fading(z_in, apart, step):
    z_out = z_in + apart
    # The oldest is just not too old, so that one has a progenitor at any z_out.
    ages = np.exp(np.arange(np.log(time_at(z_in) * (1 - 1e-9)), np.log(3e6), -step))
    seds = bursts([z_in, z_out], ages, tracks=2)
    columns = columns_of(40, seds)
    age = seds["age"].values[columns["sed_index"]]
    past = age - (time_at(z_in) - time_at(z_out))
    assert (age <= time_at(z_in)).all()
    assert (columns["age_out"] >= ages.min()).all()
    # The age of the Universe is right to 1e-7 of itself.
    np.testing.assert_allclose(columns["age_out"], past, rtol=0, atol=1e-7 * 1.4e10)
    past = columns["age_out"]
    # Between two ages h apart in ln(age), a line errs by h^2 / 8 times the second
    # derivative: below 1 of the flux, and of the surviving mass below 0.04.
    worst = step**2 / 8 * np.exp(step)
    expected = surviving(past) / surviving(age)
    mass = columns["surviving_mass_ratio"]
    np.testing.assert_allclose(mass, expected, rtol=0.04 * worst)
    # The mass that was formed is the same at both redshifts: what survives drops out.
    ratio = dimming(z_out) / dimming(z_in) * light(past) / light(age)
    found = columns["flux_out"] / columns["flux_in"]
    np.testing.assert_allclose(found, np.stack([ratio] * 2, 1), rtol=1.04 * worst)


def test_the_error_of_interpolation_shrinks_as_the_square_of_the_step():
    errors = []
    for step in (0.4, 0.2, 0.1):
        ages = np.exp(np.arange(np.log(3e6), np.log(1.3e10), step))
        seds = check_seds(bursts([0.4, 1.1], ages))
        evolution = Evolution(seds)
        # The same progenitors for all steps.
        old = np.full(200, int(np.searchsorted(ages, 8e9)))
        wanted = np.geomspace(1e7, 5e9, 200)
        found = evolution.find(old, ages[old] - wanted)
        np.testing.assert_allclose(found.age, wanted, rtol=1e-12, atol=1e-5)
        flux = seds.transpose("redshift", "template", "filter").values
        seen = evolution.flux(flux, np.full(200, 1.1), found)[:, 0]
        true = dimming(1.1) * light(wanted) / surviving(ages[old])
        errors.append(np.abs(seen / true - 1).max())
    assert errors[0] > 3.2 * errors[1] > 3.2**2 * errors[2]
    assert errors[2] < 0.1**2 / 8 * np.exp(0.1)


def test_on_an_age_of_the_grid_the_progenitor_is_that_template():
    seds = check_seds(bursts([0.3, 1.0], AGES, tracks=2))
    evolution = Evolution(seds)
    old, young = np.array([13, 13, 9]), np.array([9, 7, 9])
    age = seds["age"].values
    found = evolution.find(old, age[old] - age[young])
    assert found.younger.tolist() == found.older.tolist() == young.tolist()
    assert (found.share == 0).all()
    assert evolution.find(old[:1], np.array([9.8e9])).younger[0] == -1


@pytest.mark.parametrize(
    "parameters",
    [
        {"name": "FlatLambdaCDM", "H0": 67.7, "Om0": 0.31, "Tcmb0": 2.725},
        {"name": "LambdaCDM", "H0": 70.0, "Om0": 0.3, "Ode0": 0.6},
    ],
)
@pytest.mark.parametrize("ends", [(0.1, 2.0), (0.001, 20.0)])
def test_times_are_those_of_the_cosmology_of_the_grid(parameters, ends):
    seds = check_seds(bursts(ends, AGES))
    seds = check_seds(seds.assign_attrs(cosmology=json.dumps(parameters)))
    z = np.sort(np.random.default_rng(1).uniform(*ends, 500))
    found = Evolution(seds).time(z)
    np.testing.assert_allclose(found, age_of_universe(seds, z), rtol=1e-7)
    if parameters["name"] == "LambdaCDM":
        own = LambdaCDM(70, 0.3, 0.6).age(z).to_value("yr")
        np.testing.assert_allclose(found, own, rtol=1e-7)


# What is drawn.


@pytest.mark.parametrize("law", ["conditional", "uniform"])
@pytest.mark.parametrize("ages", ["physical", "all"])
def test_all_that_has_a_progenitor_is_drawn_and_nothing_else(law, ages):
    seds = masked(bursts(REDSHIFTS, AGES, tracks=2), 0.15)
    columns = columns_of(
        20_000,
        seds,
        templates={"evolution": "passive", "ages": ages},
        redshifts={"law": law},
        brightness={"law": "grid"},
    )
    drawn = np.c_[columns["z_in"], columns["z_out"], columns["sed_index"]]
    expected = {
        (a, b, m)
        for a, b, m in product(REDSHIFTS, REDSHIFTS, range(14))
        if a < b and has_progenitor(seds, a, b, m, oldest=ages == "physical")
    }
    assert {tuple(row) for row in drawn.tolist()} == expected
    pairs = sorted({(a, b) for a, b, _ in expected})
    if law == "uniform":
        assert equally_often(drawn[:, :2], pairs)
    for a, b in pairs:
        own = drawn[(drawn[:, 0] == a) & (drawn[:, 1] == b), 2]
        assert equally_often(own, sorted(m for c, d, m in expected if (c, d) == (a, b)))
    for name in ("flux_in", "flux_out", "surviving_mass_ratio"):
        assert np.isfinite(columns[name]).all()
        assert (columns[name] > 0).all()


@pytest.mark.parametrize("z", [(0.8, 1.4), (0.8, 1.7), (0.55, 1.4), (0.55, 0.6)])
def test_fixed_redshifts_leave_templates_equally_likely(z):
    seds = masked(bursts(REDSHIFTS, np.linspace(5e7, 1e10, 30), tracks=2), 0.05)
    fixed = {"z_in": z[0], "z_out": z[1]}
    for choices in (fixed, {**fixed, "values": "continuous"}):
        columns = columns_of(
            8000, seds, redshifts=choices, brightness={"law": "stellar_mass"}
        )
        expected = [m for m in range(60) if has_progenitor(seds, *z, m)]
        assert 2 < len(expected) < 60
        assert equally_often(columns["sed_index"], expected)


def test_anywhere_between_the_redshifts_templates_are_equally_likely():
    seds = masked(bursts(FINE, MANY), 0.02)
    columns = columns_of(250, seds, redshifts={"values": "continuous"})
    names = ("z_in", "z_out", "sed_index")
    ranks = []
    for z_in, z_out, drawn in zip(*(columns[n] for n in names), strict=True):
        fitting = [m for m in range(MANY.size) if has_progenitor(seds, z_in, z_out, m)]
        ranks.append([fitting.index(int(drawn)), len(fitting)])
    # A whole number below n and what is uniform below 1 are uniform below n.
    rank, count = np.array(ranks).T
    share = (rank + np.random.default_rng(3).uniform(size=rank.size)) / count
    assert stats.kstest(share, "uniform").pvalue > LEAST_PROBABILITY
    assert np.unique(count).size > 20
    assert np.isfinite(columns["flux_out"]).all()


@settings(max_examples=25)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.15]))
def test_cells_are_covered_where_every_pair_of_them_is_possible(
    seed, separation, share
):
    rng = np.random.default_rng(seed)
    ages = np.sort(rng.uniform(1e7, 1.1e10, 7))
    grid = np.sort(rng.uniform(0.1, 3, 4))
    seds = check_seds(masked(bursts(grid, ages, tracks=2), share, seed))
    young = seds["age"].values <= time_at(grid)[:, None]
    lists = EvolvingLists(Evolution(seds), seds["valid"].values & young)
    between = Reach(grid[:-1], grid[1:], 2 * np.arange(3) + 1)
    covered = lists.throughout(between, between, separation)
    for row, column in product(range(3), range(3)):
        z_in = rng.uniform(grid[row], grid[row + 1], 4000)
        z_out = rng.uniform(grid[column], grid[column + 1], 4000)
        far = (z_out > z_in) & (z_out >= z_in + separation)
        if not far.any():
            continue
        possible = lists.possible(z_in[far], z_out[far])
        if covered[row, column]:
            assert possible.all()
        elif far.sum() > 2000 and possible.all():
            # Pairs without a template may be too rare to be among 4,000: as rare as
            # a hundredth, since both redshifts fill their cells.
            ends = np.linspace(grid[row], grid[row + 1], 60)[:, None]
            every = lists.possible(ends, np.linspace(*grid[column : column + 2], 60))
            apart = np.linspace(*grid[column : column + 2], 60) - ends
            assert not every[(apart > 0) & (apart >= separation)].all()


def test_continuous_pairs_without_a_progenitor_are_told_with_their_cure():
    seds = bursts(REDSHIFTS, AGES)
    with pytest.raises(InputError) as caught:
        columns_of(1, seds, redshifts={"values": "continuous"})
    message = str(caught.value)
    assert message.startswith("redshifts.values: got continuous, expected a template")
    assert message.endswith("or set templates.evolution to none")
    with pytest.raises(
        InputError, match=r"^templates: got 2 templates, .*\.evolution to none"
    ):
        columns_of(1, bursts([0.3, 3.0], AGES[:2]))


# By identity.

COMPONENTS = {"profile": {"name": "components"}}


@pytest.mark.parametrize("profile", [{}, COMPONENTS])
@pytest.mark.parametrize("values", ["grid", "continuous"])
def test_a_galaxy_has_the_same_bits_alone_and_in_any_order(profile, values):
    chosen = {"values": values, "z_out": 1.3}
    made = catalogue(bursts(FINE, MANY, tracks=2), redshifts=chosen, **profile)
    whole = made.columns(np.arange(150))
    assert whole["age_out"].shape == whole["brightness"].shape
    assert list(whole) == [name for name in VARIABLES if name in whole]
    order = np.random.default_rng(2).permutation(150)
    shuffled = made.columns(order)
    parts = [made.columns(np.arange(k, min(k + 37, 150))) for k in range(0, 150, 37)]
    for name, values_of in whole.items():
        np.testing.assert_array_equal(shuffled[name], values_of[order])
        joined = np.concatenate([part[name] for part in parts])
        np.testing.assert_array_equal(joined, values_of)
        for k in (0, 71, 149):
            np.testing.assert_array_equal(made.columns([k])[name][0], values_of[k])


def test_without_evolution_nothing_is_new():
    assert Recipe().identity()["templates"] == {"ages": "physical"}
    named = Recipe(templates={"evolution": "none"})
    assert named.identity() == Recipe().identity()
    passive = Recipe(**PASSIVE).identity()["templates"]
    assert passive == {"ages": "physical", "evolution": "passive"}
    seds = bursts(REDSHIFTS, AGES)
    columns = columns_of(10, seds, templates={})
    assert not {"age_out", "surviving_mass_ratio"} & set(columns)
    np.testing.assert_allclose(
        columns["flux_out"] / columns["flux_in"],
        np.stack([dimming(columns["z_out"]) / dimming(columns["z_in"])] * 2, axis=1),
    )


# Brightness and components.


@pytest.mark.parametrize("at", [None, 1.4, "z_in"])
def test_the_magnitude_is_that_of_the_template_as_it_is_at_z_in(at):
    seds = bursts(REDSHIFTS, AGES)
    columns = columns_of(50, seds, brightness={"brightness_redshift": at})
    z = {None: REDSHIFTS[0], "z_in": columns["z_in"]}.get(at, at)
    age = seds["age"].values[columns["sed_index"]]
    flux = columns["brightness"] * dimming(z) * light(age) / surviving(age)
    np.testing.assert_allclose(23.9 - 2.5 * np.log10(flux), 18.0, rtol=1e-12)


def test_the_stellar_mass_is_that_at_z_in():
    seds = bursts(REDSHIFTS, AGES)
    columns = columns_of(50, seds, brightness={"law": "stellar_mass"})
    age = seds["age"].values[columns["sed_index"]]
    formed = columns["stellar_mass"] / surviving(age)
    expected = formed * dimming(columns["z_in"]) * light(age)
    np.testing.assert_allclose(columns["flux_in"][:, 0], expected, rtol=1e-12)


def test_each_component_evolves_by_its_own_template():
    ages = np.geomspace(1e6, 1.2e10, 60)
    seds = bursts(REDSHIFTS, ages)
    profile = {"name": "components", "components": {"bulge": {"minimum_age": 6e9}}}
    profile["components"]["disc"] = {}
    columns = columns_of(200, seds, profile=profile)
    template = columns["component_sed_index"]
    elapsed = time_at(columns["z_in"]) - time_at(columns["z_out"])
    age = ages[template]
    past = age - elapsed[:, None]
    np.testing.assert_allclose(columns["age_out"], past, atol=20)
    assert (past >= ages[0]).all()
    # What is said of a component's ages is said of those at z_in.
    assert (age[:, 0] >= 6e9).all()
    assert (past[:, 0] < 6e9).any()
    ratio = (dimming(columns["z_out"]) / dimming(columns["z_in"]))[:, None]
    ratio = ratio * light(columns["age_out"]) / light(age)
    flux_in, flux_out = columns["component_flux_in"], columns["component_flux_out"]
    step = np.log(ages[1] / ages[0])
    found = flux_out[:, :, 0] / flux_in[:, :, 0]
    np.testing.assert_allclose(found, ratio, rtol=1.04 * step**2 / 8 * np.exp(step))
    np.testing.assert_allclose(columns["flux_out"], flux_out.sum(axis=1))


# A user's catalogue.


def test_rows_with_a_template_get_redshifts_with_a_progenitor():
    seds = masked(bursts(REDSHIFTS, AGES, tracks=2), 0.1)
    for law, known in product(["conditional", "uniform"], [{}, {"z_in": 0.3}]):
        table = {"sed_index": np.full(6000, 12)}
        table |= {name: np.full(6000, z) for name, z in known.items()}
        columns = columns_of(
            6000, seds, table, redshifts={"law": law}, brightness={"law": "grid"}
        )
        expected = [
            (a, b)
            for a, b in product(REDSHIFTS, REDSHIFTS)
            if a < b and known.get("z_in", a) == a and has_progenitor(seds, a, b, 12)
        ]
        assert len(expected) > 1
        found = np.c_[columns["z_in"], columns["z_out"]]
        if law == "uniform" or known:
            assert equally_often(found, expected)
        else:
            assert {tuple(row) for row in found.tolist()} == set(expected)
            assert equally_often(found[:, 0], sorted({a for a, _ in expected}))


def test_rows_with_a_redshift_get_one_and_a_template_with_a_progenitor():
    seds = bursts(REDSHIFTS, AGES)
    for name, z in (("z_in", 0.55), ("z_out", 1.9)):
        columns = columns_of(6000, seds, {name: np.full(6000, z)})
        other = {"z_in": "z_out", "z_out": "z_in"}[name]
        pairs = {one: (z, one) if name == "z_in" else (one, z) for one in REDSHIFTS}
        expected = {
            one: [m for m in range(7) if a < b and has_progenitor(seds, a, b, m)]
            for one, (a, b) in pairs.items()
        }
        assert equally_often(columns[other], [z for z in REDSHIFTS if expected[z]])
        for one in np.unique(columns[other]):
            own = columns["sed_index"][columns[other] == one]
            assert equally_often(own, expected[one])


def test_between_redshifts_rows_with_a_redshift_get_the_other():
    seds = bursts(FINE, MANY, tracks=2)
    z_in = np.linspace(0.4, 1.9, 300)
    columns = columns_of(300, seds, {"z_in": z_in}, redshifts={"values": "continuous"})
    names = ("z_in", "z_out", "sed_index")
    for z, z_out, drawn in zip(*(columns[n] for n in names), strict=True):
        assert has_progenitor(seds, z, z_out, int(drawn))
    np.testing.assert_array_equal(columns["z_in"], z_in)


@pytest.mark.parametrize("values", ["grid", "continuous"])
def test_a_row_without_a_progenitor_is_refused_with_one_line(values):
    seds = bursts(FINE, MANY)
    table = {"z_in": [0.43, 0.43], "z_out": [0.45, 1.9], "sed_index": [27, 20]}
    assert has_progenitor(seds, 0.43, 0.45, 27)
    made = catalogue(seds, table, redshifts={"values": values})
    with pytest.raises(InputError) as caught:
        made.check_inputs()
    assert str(caught.value) == (
        "catalogue.sed_index, row 1: got sed_index 20, z_in 0.43, z_out 1.9, expected "
        "a template that has a progenitor and is valid at z_in 0.43 and z_out 1.9; "
        "give other redshifts, drop the row, or set templates.evolution to none"
    )


def test_a_row_whose_template_is_too_young_for_any_pair_is_refused():
    made = catalogue(bursts(REDSHIFTS, AGES), {"sed_index": [0, 5]})
    with pytest.raises(InputError) as caught:
        made.check_inputs()
    assert "row 0: got sed_index 0, expected redshifts" in str(caught.value)
    assert str(caught.value).endswith(
        "and has a progenitor; drop the row, or set templates.evolution to none"
    )


# Stores.


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_a_store_keeps_the_truth_and_can_be_checked_and_extended(tmp_path, suffix):
    seds = bursts(REDSHIFTS, AGES, tracks=2)
    layout = {"part": 8, "chunk": 4, "block": 16}
    recipe = ad.Recipe(
        galaxies=12, image_shape=(8, 8), scale=1.0, layout=layout, **PASSIVE
    )
    path = tmp_path / f"pairs{suffix}"
    ad.write(recipe, path, seds=seds)
    more = recipe.model_copy(update={"galaxies": 20})
    ad.write(more, path, seds=seds)
    assert ad.verify(path, sample=20).passed
    pairs = ad.open_pairs(path)
    expected = ad.simulate(more, seds)
    for name in ("age_out", "surviving_mass_ratio", "age", "flux_out", "target"):
        np.testing.assert_array_equal(pairs[name].values, expected[name].values)
    assert pairs["age_out"].attrs["units"] == "yr"
    assert (pairs["age_out"] < pairs["age"]).all()
    # The grid in the store says all that the one it came from does.
    again = ad.read_seds(path) if suffix == ".zarr" else ad.read_seds(path / "seds.nc")
    assert again.attrs["star_formation_time"] == "absolute"
    found = ad.simulate(more, again, galaxies=[17])
    np.testing.assert_array_equal(found["flux_out"], expected["flux_out"][17:18])
