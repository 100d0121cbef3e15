"""Every law of the catalogue, and that a galaxy does not depend on the others."""

from __future__ import annotations

import json
from typing import Any

import astropy.units
import numpy as np
import pytest
import xarray as xr
from astropy.cosmology import FlatLambdaCDM
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from argdask.catalogue import Catalogue
from argdask.errors import InputError
from argdask.recipe import Recipe
from argdask.schema import VARIABLES
from argdask.sed_sources import read_seds
from argdask.seds import interpolate_redshift
from argdask.tables import read_table

REDSHIFTS = (0.5, 1.0, 1.5, 2.0, 2.5)

# Tests of chance have fixed seeds; a right law fails one of them once in 10,000 tries.
LEAST_PROBABILITY = 1e-4


def grid(
    masked: NDArray[np.bool_] | None = None, redshifts=REDSHIFTS, **coords: Any
) -> xr.DataArray:
    """A small grid; what is masked (redshift, template) has no valid flux."""
    templates = 6 if masked is None else masked.shape[1]
    shape = len(redshifts), 3, templates
    flux = np.random.default_rng(8).lognormal(0, 2, shape)
    if masked is not None:
        # A mask shows as zeros in every filter or as something that is no number.
        flux[np.broadcast_to(masked[:, None, :], shape)] = 0.0
        flux[:, 1][masked & (np.arange(templates) % 2 == 0)] = np.nan
    return xr.DataArray(
        flux,
        dims=("redshift", "filter", "template"),
        coords={
            "redshift": list(redshifts),
            "filter": ["blue", "green", "red"],
            "wavelength": ("filter", [4500.0, 6000.0, 8000.0]),
            **coords,
        },
    )


def columns_of(count: int, seds: xr.DataArray, **choices: Any) -> dict[str, Any]:
    return Catalogue(Recipe(**choices), seds).columns(np.arange(count))


def equally_often(values: Any, expected: Any) -> bool:
    """Whether exactly the expected values occur, all equally often."""
    found, counts = np.unique(np.asarray(values), axis=0, return_counts=True)
    assert found.tolist() == np.asarray(expected).tolist()
    if len(counts) == 1:
        return True
    return bool(stats.chisquare(counts).pvalue > LEAST_PROBABILITY)


# Redshifts.


def test_z_in_is_uniform_over_all_but_the_last_and_z_out_uniform_above_it():
    columns = columns_of(40_000, grid())
    assert equally_often(columns["z_in"], REDSHIFTS[:-1])
    for place, z_in in enumerate(REDSHIFTS[:-1]):
        z_out = columns["z_out"][columns["z_in"] == z_in]
        assert equally_often(z_out, REDSHIFTS[place + 1 :])


def test_the_law_uniform_draws_all_pairs_equally_often():
    columns = columns_of(40_000, grid(), redshifts={"law": "uniform"})
    pairs = [(a, b) for a in REDSHIFTS for b in REDSHIFTS if b > a]
    assert equally_often(np.c_[columns["z_in"], columns["z_out"]], pairs)


@pytest.mark.parametrize("law", ["conditional", "uniform"])
def test_z_in_can_be_fixed(law):
    columns = columns_of(10_000, grid(), redshifts={"law": law, "z_in": 1.0})
    assert set(columns["z_in"]) == {1.0}
    assert equally_often(columns["z_out"], [1.5, 2.0, 2.5])


@pytest.mark.parametrize("law", ["conditional", "uniform"])
def test_z_out_can_be_fixed(law):
    columns = columns_of(10_000, grid(), redshifts={"law": law, "z_out": 2.0})
    assert set(columns["z_out"]) == {2.0}
    assert equally_often(columns["z_in"], [0.5, 1.0, 1.5])


@pytest.mark.parametrize("law", ["conditional", "uniform"])
def test_both_redshifts_can_be_fixed(law):
    columns = columns_of(100, grid(), redshifts={"law": law, "z_in": 0.5, "z_out": 2.5})
    assert set(columns["z_in"]) == {0.5}
    assert set(columns["z_out"]) == {2.5}


def test_a_fixed_redshift_need_not_have_all_its_digits():
    # smpy's 1.0 is 0.9999999999999999.
    seds = grid(redshifts=(0.5, 0.9999999999999999, 1.5))
    columns = columns_of(10, seds, redshifts={"z_in": 1.0000000001})
    assert set(columns["z_in"]) == {1.0}


@pytest.mark.parametrize(
    ("law", "separation"),
    [("conditional", 1.0), ("uniform", 1.0), ("conditional", 2.0), ("uniform", 0.7)],
)
def test_pairs_keep_their_least_separation(law, separation):
    chosen = {"law": law, "min_separation": separation}
    columns = columns_of(30_000, grid(), redshifts=chosen)
    pairs = [(a, b) for a in REDSHIFTS for b in REDSHIFTS if b - a >= separation]
    drawn = np.c_[columns["z_in"], columns["z_out"]]
    if law == "uniform":
        assert equally_often(drawn, pairs)
    else:
        starts = sorted({a for a, _ in pairs})
        assert equally_often(columns["z_in"], starts)
        for start in starts:
            z_out = columns["z_out"][columns["z_in"] == start]
            assert equally_often(z_out, [b for a, b in pairs if a == start])


@pytest.mark.parametrize("law", ["conditional", "uniform"])
@pytest.mark.parametrize("values", ["grid", "continuous"])
def test_fixed_redshifts_may_lie_between_those_of_the_grid(law, values):
    choices = {"law": law, "values": values, "z_in": 0.7, "z_out": 2.2}
    columns = columns_of(100, grid(), redshifts=choices)
    assert set(columns["z_in"]) == {0.7}
    assert set(columns["z_out"]) == {2.2}
    columns = columns_of(10_000, grid(), redshifts={"law": law, "z_in": 1.2})
    assert equally_often(columns["z_out"], [1.5, 2.0, 2.5])
    columns = columns_of(10_000, grid(), redshifts={"law": law, "z_out": 1.7})
    assert equally_often(columns["z_in"], [0.5, 1.0, 1.5])


@pytest.mark.parametrize("law", ["conditional", "uniform"])
def test_fluxes_between_redshifts_are_those_of_the_interpolated_grid(seds, law):
    choices = {"law": law, "values": "continuous"}
    columns = columns_of(500, seds, redshifts=choices, brightness={"law": "grid"})
    for name, redshift in (("flux_in", "z_in"), ("flux_out", "z_out")):
        finer = interpolate_redshift(seds, np.unique(columns[redshift]))
        at = xr.DataArray(np.round(columns[redshift], 9), dims="galaxy")
        template = xr.DataArray(columns["sed_index"], dims="galaxy")
        picked = finer.sel(redshift=at, method="nearest").isel(template=template)
        # Grids have their redshifts rounded to 1e-9.
        np.testing.assert_allclose(
            columns[name], picked.transpose("galaxy", "filter").values, rtol=1e-6
        )


# Templates.


def valid_triples(seds: xr.DataArray) -> list[tuple[float, float, int]]:
    """All that can be drawn, found without argdask."""
    flux = seds.transpose("redshift", "template", "filter").values
    valid = np.isfinite(flux).all(axis=2) & (flux != 0).any(axis=2)
    redshift = seds["redshift"].values
    return [
        (redshift[a], redshift[b], template)
        for a in range(len(redshift))
        for b in range(a + 1, len(redshift))
        for template in range(flux.shape[1])
        if valid[a, template] and valid[b, template]
    ]


@pytest.mark.parametrize("law", ["conditional", "uniform"])
@pytest.mark.parametrize("brightness", ["equal", "grid"])
def test_all_valid_triples_are_drawn_and_no_other(law, brightness):
    masked = np.random.default_rng(2).random((5, 6)) < 0.4
    masked[0] = False  # brightness follows from the lowest redshift
    seds = grid(masked)
    columns = columns_of(
        50_000, seds, redshifts={"law": law}, brightness={"law": brightness}
    )
    drawn = np.c_[columns["z_in"], columns["z_out"], columns["sed_index"]]
    found = {tuple(row) for row in drawn.tolist()}
    assert found == set(valid_triples(seds))
    for name in ("flux_in", "flux_out", "brightness"):
        assert np.isfinite(columns[name]).all()


def test_templates_are_drawn_equally_often_among_those_valid_at_both_redshifts():
    masked = np.zeros((5, 6), dtype=bool)
    masked[1, [0, 3]] = masked[3, [0, 5]] = True
    columns = columns_of(20_000, grid(masked), redshifts={"z_in": 1.0, "z_out": 2.0})
    assert equally_often(columns["sed_index"], [1, 2, 4])
    columns = columns_of(20_000, grid(masked), redshifts={"z_in": 0.5, "z_out": 2.5})
    assert equally_often(columns["sed_index"], range(6))


def test_pairs_without_a_common_template_are_never_drawn():
    masked = np.ones((5, 2), dtype=bool)
    masked[[0, 2], 0] = masked[[0, 1, 4], 1] = False
    columns = columns_of(20_000, grid(masked))
    drawn = np.c_[columns["z_in"], columns["z_out"], columns["sed_index"]]
    expected = [(0.5, 1.0, 1), (0.5, 1.5, 0), (0.5, 2.5, 1), (1.0, 2.5, 1)]
    assert np.unique(drawn, axis=0).tolist() == [list(map(float, e)) for e in expected]
    # z_in is uniform over those redshifts that can be one.
    assert equally_often(columns["z_in"], [0.5, 1.0])


def test_a_mask_that_came_with_the_grid_is_kept_to():
    seds = grid()
    allowed = np.zeros((5, 6), dtype=bool)
    allowed[:, 2] = allowed[:3, 4] = True
    columns = columns_of(
        5000, seds.assign_coords(valid=(("redshift", "template"), allowed))
    )
    assert set(columns["sed_index"]) == {2, 4}
    assert columns["z_out"][columns["sed_index"] == 4].max() == 1.5


def test_a_template_without_light_in_the_brightness_filter_is_never_drawn():
    seds = grid()
    seds[0, 2, 3] = 0.0  # red, at the lowest redshift
    assert 3 not in columns_of(5000, seds)["sed_index"]
    # In another filter, or with no magnitude to bring it to, it is.
    other = {"brightness_filter": "blue"}
    assert 3 in columns_of(5000, seds, brightness=other)["sed_index"]
    assert 3 in columns_of(5000, seds, brightness={"law": "grid"})["sed_index"]
    # Where the magnitude is that at z_in, it can be drawn from higher redshifts.
    columns = columns_of(5000, seds, brightness={"brightness_redshift": "z_in"})
    assert columns["z_in"][columns["sed_index"] == 3].min() == 1.0


masks = st.lists(st.booleans(), min_size=5 * 4, max_size=5 * 4)


@given(
    masks,
    st.sampled_from(["conditional", "uniform"]),
    st.none() | st.sampled_from(REDSHIFTS),
    st.none() | st.sampled_from(REDSHIFTS),
    st.floats(0, 1.5),
    st.sampled_from(["equal", "grid"]),
)
def test_whatever_is_drawn_is_valid_and_z_out_is_above_z_in(
    mask, law, z_in, z_out, separation, brightness
):
    masked = np.reshape(mask, (5, 4))
    assume(not masked.all())
    assume(z_in is None or z_out is None or z_in < z_out)
    seds = grid(masked)
    chosen = {"law": law, "z_in": z_in, "z_out": z_out, "min_separation": separation}
    # With a reference at the lowest redshift, what is masked there has no magnitude.
    possible = {
        triple
        for triple in valid_triples(seds)
        if triple[1] - triple[0] >= separation - 1e-9
        and z_in in (None, triple[0])
        and z_out in (None, triple[1])
        and not (brightness == "equal" and masked[0, triple[2]])
    }
    if not possible:
        refused(seds, redshifts=chosen, brightness={"law": brightness})
        return
    columns = columns_of(200, seds, redshifts=chosen, brightness={"law": brightness})
    assert (columns["z_out"] > columns["z_in"]).all()
    triples = zip(*(columns[c] for c in ("z_in", "z_out", "sed_index")), strict=True)
    assert set(triples) <= possible


def test_between_two_redshifts_templates_are_drawn_that_are_valid_at_both():
    masked = np.zeros((5, 6), dtype=bool)
    masked[1, 0] = masked[2, 1] = masked[3, 2] = masked[4, 3] = True
    columns = columns_of(20_000, grid(masked), redshifts={"z_in": 1.2, "z_out": 2.1})
    assert equally_often(columns["sed_index"], [4, 5])
    columns = columns_of(20_000, grid(masked), redshifts={"z_in": 1.0, "z_out": 2.1})
    assert equally_often(columns["sed_index"], [1, 4, 5])


@given(masks, st.sampled_from(["conditional", "uniform"]))
def test_whatever_is_drawn_between_redshifts_is_valid_at_their_neighbours(mask, law):
    masked = np.reshape(mask, (5, 4))
    masked[:, 3] = False  # there is a template for every pair
    choices = {"law": law, "values": "continuous"}
    columns = columns_of(300, grid(masked), redshifts=choices)
    below_in, below_out = (
        np.searchsorted(REDSHIFTS, columns[name]) - 1 for name in ("z_in", "z_out")
    )
    assert (columns["z_out"] > columns["z_in"]).all()
    for rows in (0, below_in, below_in + 1, below_out, below_out + 1):
        assert not masked[rows, columns["sed_index"]].any()
    for name in ("flux_in", "flux_out", "brightness"):
        assert np.isfinite(columns[name]).all()


def test_a_reachable_pair_without_a_template_is_told_with_its_cure():
    masked = np.zeros((5, 2), dtype=bool)
    masked[2, 0] = masked[3, 1] = True
    refusal = str(refused(grid(masked), redshifts={"values": "continuous"}))
    assert refusal.startswith(
        "redshifts.values: got continuous, expected a template that is valid at z_in "
        "0.5 to 1 and z_out 1.5 to 2; use grid, which leaves such pairs out"
    )
    # What cannot be reached need not be there.
    choices = {"values": "continuous", "z_out": 1.4}
    assert set(columns_of(500, grid(masked), redshifts=choices)["sed_index"]) == {1}


# Ages.

OLDEST = FlatLambdaCDM(70 * astropy.units.km / astropy.units.s / astropy.units.Mpc, 0.3)


def test_templates_older_than_the_universe_are_drawn_only_if_asked_for():
    age = OLDEST.age(list(REDSHIFTS)).to_value("yr")
    # Each template is just not too old at one redshift.
    ages = np.append(age * (1 - 1e-9), 1e8)
    seds = grid(age=("template", ages))
    columns = columns_of(20_000, seds)
    assert (
        ages[columns["sed_index"]] <= OLDEST.age(columns["z_out"]).to_value("yr")
    ).all()
    # Number k is young enough up to redshift number k: never at the lowest alone.
    assert set(columns["sed_index"]) == {1, 2, 3, 4, 5}
    for index in range(1, 5):
        assert columns["z_out"][columns["sed_index"] == index].max() == REDSHIFTS[index]
    columns = columns_of(20_000, seds, templates={"ages": "all"})
    assert equally_often(columns["sed_index"], range(6))


def test_between_two_redshifts_ages_are_those_possible_at_the_higher():
    age = OLDEST.age(list(REDSHIFTS)).to_value("yr")
    seds = grid(age=("template", np.append(age * (1 - 1e-9), 1e8)))
    drawn = columns_of(20_000, seds, redshifts={"z_in": 0.6, "z_out": 1.6})
    # Number 2 is too old at 2.0, though not yet at 1.5.
    assert set(drawn["sed_index"]) == {3, 4, 5}
    drawn = columns_of(20_000, seds, redshifts={"values": "continuous"})
    ages = seds["age"].values[drawn["sed_index"]]
    assert (ages <= OLDEST.age(drawn["z_out"]).to_value("yr")).all()


def test_the_age_of_the_universe_is_that_of_the_grids_cosmology():
    seds = grid(age=("template", np.linspace(2e9, 7e9, 6)))
    seds.attrs["cosmology"] = json.dumps(
        {"name": "FlatLambdaCDM", "H0": 140.0, "Om0": 0.3}
    )
    drawn = columns_of(5000, seds, redshifts={"z_out": 1.0})["sed_index"]
    # In half the age of the default cosmology, 5.75 Gyr at z = 1, only one is young.
    assert seds["age"].values[sorted(set(drawn))].tolist() == [2e9]


def test_the_real_grids_templates_are_never_older_than_the_universe(smpy_file):
    seds = read_seds(smpy_file)
    columns = columns_of(20_000, seds)
    ages = seds["age"].values[columns["sed_index"]]
    assert (ages <= OLDEST.age(columns["z_out"]).to_value("yr")).all()
    for name in ("flux_in", "flux_out"):
        assert (columns[name] >= 0).all()
        assert np.isfinite(columns[name]).all()
    # At one pair of redshifts, all templates that are young enough and have light
    # at both are drawn equally often.
    chosen = {"z_in": 1.0, "z_out": 2.0}
    drawn = columns_of(30_000, seds, redshifts=chosen)["sed_index"]
    flux = seds.sel(redshift=[1.0, 2.0])
    lit = ((flux > 0).any("filter") & np.isfinite(flux).all("filter")).all("redshift")
    young = seds["age"] <= float(OLDEST.age(2.0).to_value("yr"))
    assert equally_often(drawn, np.flatnonzero(lit & young))
    assert 0 < int((lit & young).sum()) < seds.sizes["template"]


# Brightness.


def magnitude_of(flux: Any) -> Any:
    return 23.9 - 2.5 * np.log10(flux)


BRIGHTNESSES: list[tuple[dict[str, Any], str, Any]] = [
    # Of f814w and f850lp, the former is nearer to 8500 Angstrom.
    ({}, "acs_wfc_f814w", 0.1),
    ({"brightness_filter": "wfc3_ir_f160w"}, "wfc3_ir_f160w", 0.1),
    ({"brightness_redshift": 1.25}, "acs_wfc_f814w", 1.25),
    ({"brightness_redshift": "z_in"}, "acs_wfc_f814w", "z_in"),
    ({"brightness_redshift": 1.234}, "acs_wfc_f814w", 1.234),
    (
        {
            "magnitude": {"distribution": "uniform", "minimum": 17, "maximum": 22},
            "brightness_redshift": "z_in",
            "brightness_filter": "acs_wfc_f435w",
        },
        "acs_wfc_f435w",
        "z_in",
    ),
]


@pytest.mark.parametrize(("choices", "name", "redshift"), BRIGHTNESSES)
def test_every_template_is_brought_to_its_magnitude(seds, choices, name, redshift):
    columns = columns_of(2000, seds, brightness=choices)
    at = xr.DataArray(columns["z_in"]) if redshift == "z_in" else redshift
    template = xr.DataArray(columns["sed_index"])
    finer = interpolate_redshift(seds, [1.234]) if redshift == 1.234 else seds
    flux = finer.sel(filter=name).sel(redshift=at).isel(template=template).values
    found = magnitude_of(columns["brightness"] * flux)
    # A power and a logarithm in float64
    np.testing.assert_allclose(found, columns["magnitude"], rtol=0, atol=1e-12)
    if "magnitude" in choices:
        law = stats.uniform(17, 5).cdf
        assert stats.kstest(columns["magnitude"], law).pvalue > LEAST_PROBABILITY
    else:
        assert set(columns["magnitude"]) == {18.0}
    if redshift == "z_in":
        place = seds["filter"].values.tolist().index(name)
        at_z_in = magnitude_of(columns["flux_in"][:, place])
        np.testing.assert_allclose(at_z_in, columns["magnitude"], rtol=0, atol=1e-12)


def test_a_magnitude_at_z_in_holds_between_redshifts_too(seds):
    choices = {"brightness_redshift": "z_in", "brightness_filter": "acs_wfc_f435w"}
    columns = columns_of(
        500, seds, brightness=choices, redshifts={"values": "continuous"}
    )
    place = seds["filter"].values.tolist().index("acs_wfc_f435w")
    found = magnitude_of(columns["flux_in"][:, place])
    np.testing.assert_allclose(found, 18.0, rtol=0, atol=1e-12)


def test_a_magnitude_between_redshifts_needs_light_at_both():
    seds = grid()
    seds[1, 2, 3] = 0.0  # red, at the second redshift
    drawn = columns_of(5000, seds, brightness={"brightness_redshift": 0.7})
    assert set(drawn["sed_index"]) == {0, 1, 2, 4, 5}


def test_fluxes_of_the_grid_can_be_left_as_they_are(seds):
    columns = columns_of(500, seds, brightness={"law": "grid"})
    assert set(columns["brightness"]) == {1.0}
    assert "magnitude" not in columns


@pytest.mark.parametrize("law", ["equal", "grid"])
def test_fluxes_are_those_of_the_grid_times_the_brightness(seds, law):
    columns = columns_of(500, seds, brightness={"law": law})
    template = xr.DataArray(columns["sed_index"], dims="galaxy")
    for name, redshift in (("flux_in", "z_in"), ("flux_out", "z_out")):
        at = xr.DataArray(columns[redshift], dims="galaxy")
        picked = seds.sel(redshift=at).isel(template=template)
        expected = columns["brightness"] * picked.transpose("filter", "galaxy").values
        np.testing.assert_array_equal(columns[name], expected.T)


def test_stellar_masses_multiply_a_grid_per_solar_mass(smpy_file):
    seds = read_seds(smpy_file)
    columns = columns_of(5000, seds, brightness={"law": "stellar_mass"})
    np.testing.assert_array_equal(columns["brightness"], columns["stellar_mass"])
    drawn = stats.kstest(np.log10(columns["stellar_mass"]), stats.uniform(9, 2).cdf)
    assert drawn.pvalue > LEAST_PROBABILITY


def test_a_few_filters_can_be_chosen_in_any_order(seds):
    names = ["wfc3_ir_f160w", "acs_wfc_f435w"]
    every = columns_of(50, seds)
    few = columns_of(50, seds, filters=names, brightness={"law": "grid"})
    places = [seds["filter"].values.tolist().index(name) for name in names]
    assert few["flux_in"].shape == (50, 2)
    np.testing.assert_array_equal(few["z_in"], every["z_in"])
    np.testing.assert_array_equal(
        few["flux_in"] * every["brightness"][:, None], every["flux_in"][:, places]
    )


# Sizes and shapes.


def test_sizes_and_shapes_follow_the_default_laws(seds):
    columns = columns_of(20_000, seds)
    laws = {
        "half_light_radius": (
            np.log(columns["half_light_radius"] / 0.6) / 0.3,
            stats.truncnorm(np.log(0.03 / 0.6) / 0.3, np.log(1.8 / 0.6) / 0.3).cdf,
        ),
        "sersic_index": (
            np.log(columns["sersic_index"] / 1.65) / 0.5,
            stats.truncnorm(np.log(0.3 / 1.65) / 0.5, np.log(8 / 1.65) / 0.5).cdf,
        ),
        "axis_ratio": (columns["axis_ratio"], stats.uniform(0.2, 0.8).cdf),
        "position_angle": (columns["position_angle"], stats.uniform(0, 180).cdf),
    }
    for values, law in laws.values():
        assert stats.kstest(values, law).pvalue > LEAST_PROBABILITY
    assert set(columns["offset_y"]) == set(columns["offset_x"]) == {0.0}


def test_columns_are_independent_of_one_another(seds):
    names = ("z_in", "sed_index", "half_light_radius", "sersic_index", "axis_ratio")
    columns = columns_of(20_000, seds)
    table = np.corrcoef([stats.rankdata(columns[name]) for name in names])
    # Ten correlations, each normal with sigma 1 / sqrt(20,000)
    least = stats.norm.isf(LEAST_PROBABILITY / 20) / np.sqrt(20_000)
    assert np.abs(table - np.eye(len(names))).max() < least


# A galaxy is the same alone and among any others.

RECIPES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "uniform pairs": {
        "redshifts": {"law": "uniform", "min_separation": 0.3},
        "brightness": {
            "magnitude": {"distribution": "normal", "mean": 20, "sigma": 1},
            "brightness_redshift": "z_in",
        },
        "profile": {
            "axis_ratio": {"distribution": "beta", "alpha": 2, "beta": 3}
            | {"minimum": 0.1, "maximum": 1},
            "offset_x": {"distribution": "normal", "mean": 0, "sigma": 0.5},
            "sersic_index": {"distribution": "choice", "values": [1, 4]},
        },
    },
    "between redshifts": {
        "redshifts": {"law": "uniform", "values": "continuous"},
        "brightness": {"brightness_redshift": "z_in"},
    },
}


@pytest.fixture(scope="module", params=RECIPES)
def catalogue(request, seds) -> Catalogue:
    return Catalogue(Recipe(**RECIPES[request.param]), seds)


@pytest.fixture(scope="module")
def of_5000(catalogue) -> dict[str, Any]:
    return catalogue.columns(np.arange(5000))


def same_bits(found: dict[str, Any], expected: dict[str, Any], rows: Any) -> None:
    assert list(found) == list(expected)
    for name, values in found.items():
        assert values.dtype == expected[name].dtype
        np.testing.assert_array_equal(values, expected[name][rows], err_msg=name)


def test_a_galaxy_has_the_same_bits_alone_in_10_and_in_5000(catalogue, of_5000):
    same_bits(catalogue.columns(np.arange(10)), of_5000, slice(10))
    for galaxy in (0, 3, 7, 4321):
        same_bits(catalogue.columns(galaxy), of_5000, [galaxy])


def test_the_order_of_galaxies_changes_nothing(catalogue, of_5000):
    order = np.random.default_rng(0).permutation(5000)
    same_bits(catalogue.columns(order), of_5000, order)


@settings(max_examples=50)
@given(rows=st.lists(st.integers(0, 4999), max_size=100))
def test_any_galaxies_have_the_bits_that_they_have_among_all(catalogue, of_5000, rows):
    # An empty list of integers
    rows = np.asarray(rows, dtype=np.int64)
    same_bits(catalogue.columns(rows), of_5000, rows)


@pytest.mark.parametrize("size", range(1, 40))
def test_sets_of_every_size_have_the_same_bits(catalogue, of_5000, size):
    same_bits(catalogue.columns(np.arange(3, 3 + size)), of_5000, slice(3, 3 + size))


def test_seeds_make_other_galaxies(seds):
    one, other = columns_of(1000, seds, seed=1), columns_of(1000, seds, seed=2)
    for name in ("z_in", "sed_index", "half_light_radius", "axis_ratio"):
        assert abs(np.corrcoef(one[name], other[name])[0, 1]) < 0.2


# A user's table.

IDS = [9, 2**50, 4, 1000]
TABLE: dict[str, Any] = {
    "galaxy_id": IDS,
    "group": [3, 3, 1, 0],
    "z_in": [0.5, 0.7, 1.0, 1.2],
    "z_out": [0.9, 1.5, 1.25, 2.0],
    "sed_index": [3, 100, 0, 177],
    "magnitude": [19.0, 20.0, 21.5, 18.0],
    "sersic_index": [1.0, 4.0, 0.5, 6.0],
    "offset_y": [0.5, -2.0, 0.0, 0.1],
}


def with_table(data: Any, seds: xr.DataArray, **choices: Any) -> Catalogue:
    return Catalogue(Recipe(**choices), seds, read_table(data))


@pytest.mark.parametrize("values", ["grid", "continuous"])
@pytest.mark.parametrize(
    "names", [tuple(TABLE), *[("galaxy_id", name) for name in TABLE][1:]]
)
def test_columns_of_a_table_take_the_place_of_drawn_ones(seds, names, values):
    choices = {"redshifts": {"values": values}}
    data = {name: TABLE[name] for name in names}
    columns = with_table(data, seds, **choices).columns(IDS)
    drawn = Catalogue(Recipe(**choices), seds).columns(IDS)
    for name, given_values in data.items():
        assert columns[name].tolist() == given_values
        assert columns[name].dtype == VARIABLES[name].dtype
    # Whatever has nothing to do with them is drawn as it always is.
    own = {*names, "z_in", "z_out", "sed_index", "brightness", "flux_in", "flux_out"}
    for name in drawn.keys() - own:
        np.testing.assert_array_equal(columns[name], drawn[name])
    assert (columns["z_out"] > columns["z_in"]).all()
    assert np.isfinite(columns["flux_out"]).all()
    assert list(columns) == [name for name in VARIABLES if name in columns]


def test_stellar_masses_can_come_from_a_table(smpy_file):
    data = {"stellar_mass": np.array([1e10, 3e9]) * astropy.units.Msun}
    seds = read_seds(smpy_file)
    columns = with_table(data, seds, brightness={"law": "stellar_mass"}).columns([1, 0])
    assert columns["brightness"].tolist() == [3e9, 1e10]


ROWS = 40


def many_rows(names: tuple[str, ...]) -> dict[str, Any]:
    random = np.random.default_rng(5)
    every = {
        "galaxy_id": random.permutation(ROWS) * 11 + 3,
        "z_in": random.uniform(0.1, 1.0, ROWS).round(1),
        "z_out": random.uniform(1.05, 1.9, ROWS),
        "sed_index": random.integers(0, 178, ROWS),
        "axis_ratio": random.uniform(0.2, 1, ROWS),
    }
    return {name: every[name] for name in ("galaxy_id", *names)}


@settings(max_examples=25)
@given(
    names=st.sets(st.sampled_from(["z_in", "z_out", "sed_index", "axis_ratio"])),
    rows=st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=ROWS, unique=True),
    choices=st.sampled_from(
        [{}, {"law": "uniform"}, {"values": "continuous"}, {"min_separation": 0.1}]
    ),
)
def test_other_rows_in_any_order_change_no_galaxy(seds, names, rows, choices):
    data = many_rows(tuple(names))
    whole = with_table(data, seds, redshifts=choices)
    few = {name: values[rows] for name, values in data.items()}
    some = with_table(few, seds, redshifts=choices)
    ids = few["galaxy_id"]
    same_bits(some.columns(ids), whole.columns(ids), slice(None))
    same_bits(some.columns(ids[:1]), whole.columns(data["galaxy_id"]), rows[:1])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"z_in": [0.3, 2.0]},
            "catalogue.z_in, row 1: got z_in 2, expected redshifts z_in and a higher "
            "z_out within the grid's 0.1 to 2; give both",
        ),
        (
            {"z_out": [0.1]},
            "catalogue.z_out, row 0: got z_out 0.1, expected redshifts z_in and",
        ),
        (
            {"z_in": [0.3, 0.05]},
            "catalogue.z_in, row 1: got 0.05, expected 0.1 to 2, the redshifts of the",
        ),
        (
            {"sed_index": [0, 178]},
            "catalogue.sed_index, row 1: got 178, expected 0 to 177, the templates",
        ),
        (
            {"template_name": ["no such"]},
            "catalogue.template_name, row 0: got no such, expected template_name of",
        ),
        (
            {"half_light_radius": np.array([1.0, 0.001]) * astropy.units.arcsec},
            "catalogue.half_light_radius, row 1: got 0.001, expected at least 0.0012 "
            "arcsec, 0.02 pixels; drop the row",
        ),
        (
            {"stellar_mass": np.array([1e9]) * astropy.units.Msun},
            "catalogue.stellar_mass: got a column, and brightness.law equal, expected "
            "brightness.law stellar_mass; set it, or ignore=['stellar_mass']",
        ),
        (
            {"image": [0]},
            "catalogue.image: got a column, and profile sersic, expected a profile of",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_told_in_one_line(seds, data, message):
    with pytest.raises(InputError) as caught:
        with_table(data, seds).check_inputs()
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("values", ["grid", "continuous"])
def test_templates_of_a_table_must_be_valid_at_its_redshifts(values):
    masked = np.zeros((5, 6), dtype=bool)
    masked[2, 4] = True
    redshifts = {"values": values}
    data = {"sed_index": [4, 4], "z_in": [0.5, 0.6], "z_out": [1.0, 1.2]}
    with pytest.raises(InputError) as caught:
        with_table(data, grid(masked), redshifts=redshifts).check_inputs()
    assert str(caught.value).startswith(
        "catalogue.sed_index, row 1: got sed_index 4, z_in 0.6, z_out 1.2, expected a "
        "template that is valid at z_in 0.6 and z_out 1.2; give other redshifts"
    )
    if values == "grid":
        masked[:4, 5] = True
        with pytest.raises(
            InputError, match=r"row 1: .* the template is valid and not"
        ):
            with_table({"sed_index": [3, 5]}, grid(masked)).check_inputs()
    masked[2] = True
    data = {"z_in": [0.5, 0.6], "z_out": [1.0, 1.2]}
    with pytest.raises(InputError, match=r"catalogue.z_in, row 1: .*valid at z_in 0.6"):
        with_table(data, grid(masked)).check_inputs()


# What the grid does not have.


def refused(seds: xr.DataArray, **choices: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        Catalogue(Recipe(**choices), seds)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"redshifts": {"z_in": 0.09}},
            "redshifts.z_in: got 0.09, expected 0.1 to 2, the redshifts of the SED "
            "grid; choose another, or make a grid with a wider range",
        ),
        (
            {"redshifts": {"z_out": 7}},
            "redshifts.z_out: got 7, expected 0.1 to 2, the redshifts of the SED grid",
        ),
        (
            {"brightness": {"brightness_redshift": 0.05}},
            "brightness.brightness_redshift: got 0.05, expected 0.1 to 2, the ",
        ),
        (
            {"redshifts": {"z_in": 2}},
            "redshifts.z_in: got 2, expected below 2, the grid's highest; choose a "
            "lower one",
        ),
        (
            {"redshifts": {"z_out": 0.1}},
            "redshifts.z_out: got 0.1, expected above 0.1, the grid's lowest; choose a "
            "higher one",
        ),
        (
            {"redshifts": {"z_in": 1.0, "z_out": 1.0000000001}},
            "redshifts.z_in: got 1, expected below 1, z_out to 1e-9; choose a lower",
        ),
        (
            {"redshifts": {"z_in": 1.0, "z_out": 1.5, "min_separation": 0.6}},
            "redshifts.min_separation: got 0.6, expected at most the 0.5 from 1 to 1.5",
        ),
        (
            {"redshifts": {"min_separation": 3}},
            "redshifts.min_separation: got 3, expected at most the 1.9 from 0.1 to 2; "
            "choose a smaller one, or an SED grid with a wider range",
        ),
        (
            {"redshifts": {"values": "continuous", "min_separation": 1.9}},
            "redshifts.min_separation: got 1.9, expected less than the 1.9 from 0.1 to",
        ),
        (
            {"redshifts": {"values": "continuous", "z_in": 2}},
            "redshifts.z_in: got 2, expected below 2, the grid's highest",
        ),
        (
            {"brightness": {"law": "stellar_mass"}},
            "brightness.law: got stellar_mass, expected a grid of fluxes per solar "
            "mass; use law equal or grid, or read a grid that smpy made",
        ),
        (
            {"brightness": {"brightness_filter": "acs_wfc_f600w"}},
            "brightness.brightness_filter: got acs_wfc_f600w, expected one of the "
            "filters of the set; nearest: acs_wfc_f606w, ",
        ),
        (
            {"filters": ["acs_wfc_f600w"]},
            "filters: got acs_wfc_f600w, expected a filter of the grid; nearest: "
            "acs_wfc_f606w, ",
        ),
        (
            {"filters": ["acs_wfc_f606w", "acs_wfc_f606w"]},
            "filters: got ['acs_wfc_f606w', 'acs_wfc_f606w'], expected one or more "
            "names, each once",
        ),
        (
            # Only what is made can be measured in.
            {
                "filters": ["acs_wfc_f606w"],
                "brightness": {"brightness_filter": "wfc3_ir_f160w"},
            },
            "brightness.brightness_filter: got wfc3_ir_f160w, expected one of the "
            "filters of the set; nearest: acs_wfc_f606w",
        ),
        (
            {"cosmology": {"name": "FlatLambdaCDM", "H0": 67.7, "Om0": 0.31}},
            'cosmology: got {"name": "FlatLambdaCDM", "H0": 67.7, "Om0": 0.31}, '
            "expected that of the SED grid, ",
        ),
    ],
)
def test_what_the_grid_does_not_have_is_told_in_one_line(seds, choices, message):
    assert str(refused(seds, **choices)).startswith(message)


def test_the_grids_own_cosmology_may_be_named(seds):
    chosen = {"name": "FlatLambdaCDM", "Om0": 0.3, "H0": 70}
    assert columns_of(1, seds, cosmology=chosen)["z_in"].shape == (1,)


def test_a_grid_with_one_redshift_is_refused():
    error = refused(grid().isel(redshift=[0]))
    assert "at least two redshifts" in str(error)


def test_no_valid_template_left_is_told_with_its_cure():
    masked = np.zeros((5, 6), dtype=bool)
    masked[3] = [True] * 3 + [False] * 3
    masked[1] = [False] * 3 + [True] * 3
    error = refused(grid(masked), redshifts={"z_in": 1.0, "z_out": 2.0})
    assert str(error).startswith("templates: got 6 templates, expected one that is")
    assert "set templates.ages to all" in str(error)


def test_templates_that_are_all_too_old_are_told_with_their_cure():
    seds = grid(age=("template", np.full(6, 2e10)))
    assert refused(seds).field == "templates"
    assert columns_of(5, seds, templates={"ages": "all"})["z_in"].shape == (5,)


@pytest.mark.parametrize("redshift", [0.5, None])
def test_a_brightness_filter_without_any_light_is_told(redshift):
    seds = grid()
    seds[0, 2] = 0.0
    error = refused(seds, brightness={"brightness_redshift": redshift})
    assert error.field == "templates"


def test_negative_flux_is_refused():
    seds = grid()
    seds[1, 1, 1] = -1.0
    assert refused(seds).field == "seds"


def test_the_grid_that_was_given_is_left_as_it_was(seds):
    before = seds.copy(deep=True)
    columns_of(5, seds, filters=["acs_wfc_f606w"])
    xr.testing.assert_identical(seds, before)


def test_a_reference_redshift_outside_the_grid_is_refused(seds: xr.DataArray) -> None:
    Catalogue(Recipe(reference_redshift=0.33), seds)
    with pytest.raises(InputError, match=r"reference_redshift: got 77, expected 0\.1"):
        Catalogue(Recipe(reference_redshift=77), seds)
