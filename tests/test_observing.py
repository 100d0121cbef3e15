"""Galaxies as telescopes see them: layers, sizes, streams, and the truth about them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from observed import OBSERVED

import argdask as ad
from argdask import Recipe
from argdask.errors import InputError
from argdask.observing import convolution_of
from argdask.profiles import sersic
from argdask.psf import Gaussian, Moffat
from argdask.schema import ENDS, IMAGES, validate
from argdask.seds import cosmology
from argdask.simulation import Simulation
from argdask.survey_presets import PRESETS

PSF = {"name": "moffat", "psf_fwhm": 0.18, "beta": 3.5}
NOISE = {"background_sigma": 2e-3, "gain": 500.0}
SEEN: dict[str, Any] = {
    "galaxies": 40,
    "image_shape": (24, 21),
    "filters": ["acs_wfc_f606w", "acs_wfc_f850lp", "wfc3_ir_f160w"],
    "angular_size": True,
    "observation": {
        "psf": {
            "acs_wfc_f606w": {"psf_fwhm": 0.12},
            "acs_wfc_f850lp": {"psf_fwhm": 0.12},
            "wfc3_ir_f160w": PSF,
        },
        "noise": NOISE,
        "target": {"psf": PSF, "noise": {"background_sigma": 1e-3}},
    },
}
COMPONENTS = {"name": "components"}


@pytest.fixture(scope="module")
def pairs(seds: xr.DataArray) -> xr.Dataset:
    return ad.simulate(Recipe(**SEEN), seds)


def choices(**changes: Any) -> dict[str, Any]:
    return {**SEEN, **changes}


def without(*names: str) -> dict[str, Any]:
    return {name: one for name, one in SEEN.items() if name not in names}


# The dataset.


def test_a_recipe_that_observes_has_every_layer_and_truth(pairs: xr.Dataset) -> None:
    default = ad.simulate(Recipe(galaxies=1, image_shape=4))
    assert OBSERVED.isdisjoint(default.variables)
    assert validate(pairs, OBSERVED) == []
    assert tuple(pairs.data_vars) == IMAGES
    for end, widths, sigma, gain in (
        ("in", [0.12, 0.12, 0.18], 2e-3, 500.0),
        ("out", [0.18, 0.18, 0.18], 1e-3, 0.0),
    ):
        np.testing.assert_allclose(pairs[f"psf_fwhm_{end}"], widths, rtol=1e-12)
        assert (pairs[f"background_sigma_{end}"] == sigma).all()
        assert (pairs[f"gain_{end}"] == gain).all()


def test_only_the_layers_that_are_kept_are_made(
    seds: xr.DataArray, pairs: xr.Dataset
) -> None:
    few = {**SEEN["observation"], "layers": ["noisy", "clean"]}
    made = ad.simulate(Recipe(**choices(observation=few)), seds)
    assert list(made.data_vars) == ["input", "target", "input_noisy", "target_noisy"]
    for name in made.data_vars:
        np.testing.assert_array_equal(made[name], pairs[name])


def test_noise_without_a_psf_is_on_the_clean_images(seds: xr.DataArray) -> None:
    recipe = Recipe(**choices(observation={"noise": {"background_sigma": 1e-3}}))
    made = ad.simulate(recipe, seds)
    assert set(made.data_vars) == {"input", "target", "input_noisy", "target_noisy"}
    rest = (made["input_noisy"] - made["input"]) / (1e-3 * made.attrs["scale"])
    assert float(rest.std()) == pytest.approx(1, abs=0.01)


# Sizes.


def test_sizes_follow_the_angular_diameter_distance(
    seds: xr.DataArray, pairs: xr.Dataset
) -> None:
    known = cosmology(seds)
    first = float(seds["redshift"][0])
    reference = known.angular_diameter_distance(first)
    for end in ENDS.values():
        distance = known.angular_diameter_distance(pairs[f"z_{end}"].values)
        expected = pairs["half_light_radius"] * (reference / distance).value
        # The spline through 2048 distances, measured: 2e-11.
        np.testing.assert_allclose(
            pairs[f"half_light_radius_{end}"], expected, rtol=1e-9
        )


def test_sizes_evolve_as_a_power_of_one_plus_z(seds: xr.DataArray) -> None:
    plain, evolved = (
        ad.simulate(
            Recipe(**choices(size_evolution=alpha, reference_redshift=0.5)),
            seds,
            variables=[],
        )
        for alpha in (0.0, -1.2)
    )
    for end in ENDS.values():
        ratio = evolved[f"half_light_radius_{end}"] / plain[f"half_light_radius_{end}"]
        expected = ((1 + plain[f"z_{end}"]) / 1.5) ** -1.2
        np.testing.assert_allclose(ratio, expected, rtol=1e-12)
        np.testing.assert_array_equal(evolved["flux_in"], plain["flux_in"])


def test_galaxies_at_the_reference_redshift_are_as_without_sizes(
    seds: xr.DataArray,
) -> None:
    at = {"redshifts": {"z_in": 0.5, "z_out": 1.5}, "reference_redshift": 0.5}
    moving = ad.simulate(Recipe(**choices(**at)), seds)
    fixed = ad.simulate(Recipe(**without("angular_size"), **at), seds)
    for name in ("input", "input_convolved", "input_noisy"):
        np.testing.assert_array_equal(moving[name], fixed[name])
    assert not (moving["target"] == fixed["target"]).all()


def test_clean_images_have_the_sizes_of_their_redshifts(
    seds: xr.DataArray, pairs: xr.Dataset
) -> None:
    for role, end in ENDS.items():
        radius = pairs[f"half_light_radius_{end}"] / Recipe().pixel_scale
        names = ("sersic_index", "axis_ratio", "position_angle", "offset_y", "offset_x")
        columns = [pairs[name].values for name in names]
        stamps = sersic(radius.values, *columns, shape=(24, 21))
        flux = pairs.attrs["scale"] * pairs[f"flux_{end}"].values
        expected = stamps[..., None] * flux[:, None, None, :]
        # A stamp, a flux and their product are each rounded to float32.
        np.testing.assert_allclose(pairs[role], expected, rtol=3e-7)
        sums = stamps.sum(axis=(1, 2), dtype=float)
        found = pairs[f"fraction_in_frame_{end}"]
        np.testing.assert_allclose(found, sums, rtol=1e-6)


def test_the_peak_is_that_at_the_reference_redshift(seds: xr.DataArray) -> None:
    peak = {"normalise": "peak", "scale": 1.0}
    made = ad.simulate(Recipe(**choices(**peak)), seds)
    still = ad.simulate(Recipe(**without("angular_size"), **peak), seds)
    plain = ad.simulate(Recipe(**choices(scale=1.0)), seds)
    # One constant for each galaxy and both images, before any PSF.
    constant = made["flux_in"] / still["input"].max(("y", "x"))
    np.testing.assert_allclose(constant, 1.0, rtol=3e-7)
    for name in ("input", "target", "input_convolved"):
        ratio = (made[name] / plain[name]).where(plain[name] > 1e-3)
        spread = ratio.max(("y", "x", "filter")) / ratio.min(("y", "x", "filter"))
        np.testing.assert_allclose(spread, 1.0, rtol=1e-5)


@pytest.mark.parametrize("normalise", ["flux", "peak"])
@pytest.mark.parametrize("profile", [{}, COMPONENTS])
def test_the_brightest_pixel_is_that_of_the_clean_input(
    seds: xr.DataArray, normalise: str, profile: dict[str, Any]
) -> None:
    recipe = Recipe(**choices(normalise=normalise, profile=profile))
    made = ad.simulate(recipe, seds)
    assert float(made["input"].max()) == pytest.approx(10000, rel=1e-6)


# The PSF.


def test_each_filter_is_convolved_with_its_own_psf(
    seds: xr.DataArray, pairs: xr.Dataset
) -> None:
    moffat, gaussian = Moffat(0.18, 3.5), Gaussian(0.12)
    of_role = {"input": (gaussian, gaussian, moffat), "target": (moffat,) * 3}
    for role, end in ENDS.items():
        seen = convolution_of(of_role[role], (24, 21), 0.06)
        assert len(seen.psfs) == {"input": 2, "target": 1}[role]
        names = ("sersic_index", "axis_ratio", "position_angle", "offset_y", "offset_x")
        columns = {name: pairs[name].values for name in names}
        columns["half_light_radius"] = pairs[f"half_light_radius_{end}"].values / 0.06
        stamps = seen.sersic(columns)[:, seen.index]
        flux = pairs.attrs["scale"] * pairs[f"flux_{end}"].values
        expected = np.moveaxis(stamps * flux[:, :, None, None], 1, 3)
        found = pairs[f"{role}_convolved"].values
        # A flux and a product are rounded to float32, and sums may be near 0.
        np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-4)


# The noise.


def test_noise_has_the_variance_of_its_electrons_and_its_background(
    pairs: xr.Dataset,
) -> None:
    scale = pairs.attrs["scale"]
    for role, gain, sigma in (("input", 500.0, 2e-3), ("target", 0.0, 1e-3)):
        clean = pairs[f"{role}_convolved"].values.astype(float)
        rest = pairs[f"{role}_noisy"].values - clean
        counted = np.maximum(clean, 0) * (scale / gain if gain else 0)
        square = rest**2 / (counted + (sigma * scale) ** 2)
        number = square.size
        # Five standard deviations of chi-square over N, a little wider for few counts.
        assert square.mean() == pytest.approx(1, abs=5 * np.sqrt(3 / number))
        assert abs((rest / np.sqrt(square.mean())).mean()) < 1


def test_each_image_galaxy_and_epoch_has_noise_of_its_own(
    seds: xr.DataArray, pairs: xr.Dataset
) -> None:
    recipe = Recipe(**SEEN)
    simulation = Simulation(recipe, seds)
    names = ("input_noisy", "target_noisy", "input_convolved", "target_convolved")
    drawn = []
    for epoch in (0, 1):
        _, made = simulation.make([3, 4], names, epoch=epoch)
        for role in ENDS:
            seen, telescope = made[f"{role}_convolved"], simulation.telescopes[role]
            # Of each pixel as it should be, so that no bright one counts for many.
            gain = np.where(telescope.gain, telescope.gain, np.inf) / simulation.scale
            sigma = simulation.scale * telescope.background_sigma
            expected = np.sqrt(np.maximum(seen, 0.0) / gain + sigma**2)
            drawn += list((made[f"{role}_noisy"] - seen) / expected)
    table = np.corrcoef([one.ravel() for one in drawn])
    # Of N = 1512 pixels the correlation of independent ones has a sigma of 0.026.
    assert abs(table - np.eye(8)).max() < 5 / np.sqrt(drawn[0].size)


def test_noise_is_drawn_again_from_images_without(pairs: xr.Dataset) -> None:
    kept = pairs.drop_vars(["input_noisy", "target_noisy"])
    same = ad.add_noise(kept)
    for name in ("input_noisy", "target_noisy"):
        np.testing.assert_array_equal(same[name], pairs[name])
        assert same[name].attrs == pairs[name].attrs
    lazy = ad.add_noise(kept.chunk(galaxy=7), epoch=5)
    fresh = ad.add_noise(kept.isel(galaxy=[11, 2]), epoch=5)
    assert lazy["input_noisy"].chunks is not None
    for name in ("input_noisy", "target_noisy"):
        np.testing.assert_array_equal(lazy[name].isel(galaxy=[11, 2]), fresh[name])
        assert not (lazy[name] == pairs[name]).all()


def test_normal_shot_noise_is_chosen_for_each_filter(seds: xr.DataArray) -> None:
    names = [str(name) for name in seds["filter"].values]
    noise = {"background_sigma": 2e-3, "gain": 500.0}
    each: dict[str, Any] = dict.fromkeys(names, noise)
    each[names[0]] = {**noise, "shot_noise": "normal"}

    def pairs_with(noise: Any) -> xr.Dataset:
        seen = {"psf": {"psf_fwhm": 0.12}, "noise": noise}
        return ad.simulate(
            Recipe(galaxies=12, image_shape=(14, 12), observation=seen), seds
        )

    made, counted = pairs_with(each), pairs_with(noise)
    changed = (made["input_noisy"] != counted["input_noisy"]).mean(["galaxy", "y", "x"])
    assert changed[0] > 0.5
    assert (changed[1:] == 0).all()
    kept = made.drop_vars(["input_noisy", "target_noisy"])
    xr.testing.assert_identical(ad.add_noise(kept)[list(made)], made)
    scale = made.attrs["scale"]
    clean = made["input_convolved"].values.astype(float)
    rest = made["input_noisy"].values - clean
    variance = np.maximum(clean, 0) * scale / 500 + (2e-3 * scale) ** 2
    square = (rest**2 / variance)[..., 0]
    assert square.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / square.size))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.drop_vars("input_convolved"), "input_convolved"),
        (lambda p: p.drop_vars(["background_sigma_in", "background_sigma_out"]), "obs"),
    ],
)
def test_noise_needs_what_it_is_added_to(
    pairs: xr.Dataset, change: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ad.add_noise(change(pairs))


@pytest.mark.parametrize("epoch", [-1, 2**31, 0.5, "one"])
def test_an_epoch_is_a_whole_number(pairs: xr.Dataset, epoch: Any) -> None:
    with pytest.raises(InputError, match="epoch"):
        ad.add_noise(pairs, epoch)


# Streams: any galaxy alone, in any order and number.


@pytest.mark.parametrize("profile", [{}, COMPONENTS])
def test_every_layer_of_a_galaxy_is_the_same_alone(
    seds: xr.DataArray, profile: dict[str, Any]
) -> None:
    recipe = Recipe(**choices(profile=profile, galaxies=12))
    together = ad.simulate(recipe, seds)
    lazy = ad.build(recipe, seds, chunks=5)
    alone = ad.simulate(recipe.model_copy(update={"galaxies": 10**6}), seds, [7, 2])
    for name, variable in together.variables.items():
        np.testing.assert_array_equal(lazy[name], variable)
        if "galaxy" in variable.dims and name not in together.data_vars:
            np.testing.assert_array_equal(alone[name], together[name][[7, 2]])


def test_images_do_not_depend_on_the_others(seds: xr.DataArray) -> None:
    simulation = Simulation(Recipe(**SEEN), seds, 3.0)
    every = simulation.make(np.arange(12), simulation.images)[1]
    again = pickle.loads(pickle.dumps(simulation))
    for ids in ([5], [11, 0, 5]):
        made = again.make(ids, again.images)[1]
        for name, cube in made.items():
            np.testing.assert_array_equal(cube, every[name][ids])


# What cannot be.


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"profile": {"offset_x": 11}}, "profile.offset_x"),
        (
            {"profile": {"name": "components", "offset_y": 12.5}},
            "profile.offset_y",
        ),
        ({"observation": {"psf": {"psf_fwhm": 1.5}}}, "psf"),
        (
            {"profile": {"half_light_radius": 0.0013}},
            "profile.half_light_radius",
        ),
    ],
)
def test_what_cannot_be_seen_is_refused(
    seds: xr.DataArray, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        Simulation(Recipe(**choices(**changes)), seds)
    assert field in caught.value.field


def test_rows_of_a_table_that_cannot_be_seen_are_refused(seds: xr.DataArray) -> None:
    for column, value in (("offset_x", 11.0), ("half_light_radius", 0.0013)):
        table = pd.DataFrame({column: [0.5, value]})
        with pytest.raises(InputError, match=column):
            ad.simulate(Recipe(**without("galaxies")), seds, catalogue=table)


@pytest.mark.parametrize(
    ("observation", "place"),
    [
        ({"preset": "ceers"}, "observation.preset"),
        ({"preset": "ceers", "psf": {"psf_fwhm": 0.2}}, "observation.preset"),
        (
            {"psf": {"psf_fwhm": 0.2}, "noise": NOISE, "target": {"preset": "ceers"}},
            "observation.target.preset",
        ),
    ],
)
def test_a_survey_without_the_filters_of_the_grid_is_refused(
    seds: xr.DataArray, observation: dict[str, Any], place: str
) -> None:
    with pytest.raises(InputError, match="and the filter acs_wfc_f606w") as caught:
        Simulation(Recipe(**choices(observation=observation)), seds)
    assert caught.value.field == place


def test_a_store_keeps_the_numbers_of_its_survey(
    seds: xr.DataArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = {"part": 4, "chunk": 4}
    named = {"preset": "candels-deep", "target": {"psf": {"psf_fwhm": 0.3}}}
    few = choices(observation=named, galaxies=6, layout=layout, scale=5.0)
    ad.write(Recipe(**few), tmp_path / "seen.zarr", seds=seds)
    more = ad.simulate(Recipe(**{**few, "galaxies": 10}), seds)

    def gone() -> None:
        raise ImportError("an extra that is not there")

    monkeypatch.setitem(PRESETS, "candels-deep", gone)
    # What is stored is opened, checked, streamed and made larger without the survey.
    assert ad.verify(tmp_path / "seen.zarr", full=True).passed
    stored = Recipe(**json.loads(ad.open_pairs(tmp_path / "seen.zarr").attrs["recipe"]))
    larger = stored.model_copy(update={"galaxies": 10})
    ad.write(larger, tmp_path / "seen.zarr")
    pairs = ad.open_pairs(tmp_path / "seen.zarr")
    for name in more.data_vars:
        np.testing.assert_array_equal(pairs[name], more[name])
    (batch,) = ad.batches(tmp_path / "seen.zarr", shuffle=False, layers="noisy")
    np.testing.assert_array_equal(batch["input"], more["input_noisy"])


def test_no_galaxies_have_no_noise(seds: xr.DataArray, pairs: xr.Dataset) -> None:
    none = ad.simulate(Recipe(**SEEN), seds, [])
    assert none["input_noisy"].shape == (0, 24, 21, 3)
    assert ad.add_noise(pairs.isel(galaxy=slice(0))).sizes["galaxy"] == 0


@pytest.mark.parametrize("place", [{"galaxy": 0}, {"filter": 0}])
def test_noise_is_that_of_whole_cubes(pairs: xr.Dataset, place: dict[str, int]) -> None:
    with pytest.raises(InputError, match="select by lists"):
        ad.add_noise(pairs.isel(place))


def test_numbers_that_overflow_are_refused(seds: xr.DataArray) -> None:
    noise = {"sky_brightness": 60, "zeropoint": 0, "exposure_time": 1e-300}
    with pytest.raises(InputError, match="got a gain of"):
        Simulation(Recipe(**choices(observation={"noise": noise})), seds)
