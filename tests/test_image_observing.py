"""A user's images as telescopes see them, against the galaxies that they show."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from observed import OF_IMAGES

import argdask as ad
from argdask import Recipe
from argdask.convolution import Convolution
from argdask.errors import InputError
from argdask.image_observing import CoveredFractionWarning
from argdask.matching import Matching
from argdask.profiles import sersic
from argdask.psf import Gaussian, Moffat
from argdask.rendering import resolve_scale
from argdask.schema import validate
from argdask.seds import cosmology
from argdask.simulation import Simulation

pytestmark = pytest.mark.filterwarnings(
    "ignore::argdask.image_observing.CoveredFractionWarning"
)

BAR = 5e-3  # of the peak
SCALE = 0.06
FILTERS = ["acs_wfc_f606w", "wfc3_ir_f160w"]
NAMES = ("half_light_radius", "sersic_index", "axis_ratio", "position_angle")
OFFSETS = ("offset_y", "offset_x")
SHAPE = (81, 80)
FRAME = (41, 40)

# At least 2 pixels at every redshift below.
GALAXIES = {
    "half_light_radius": np.array([6.0, 5.5, 7.0, 5.0]),
    "sersic_index": np.array([0.5, 1.0, 2.5, 2.5]),
    "axis_ratio": np.array([0.4, 1.0, 0.7, 0.3]),
    "position_angle": np.array([20.0, 0.0, 110.0, 150.0]),
    "offset_y": np.array([0.2, 0.0, -0.3, 0.4]),
    "offset_x": np.array([-0.1, 0.0, 0.4, 0.1]),
}
TABLE = {
    "image": np.arange(4),
    "image_redshift": [0.2, 0.3, 0.25, 0.4],
    "z_in": [0.2, 0.4, 0.6, 0.4],
    "z_out": [0.6, 1.0, 1.5, 2.0],
}


def rendered(ratio: Any = 1.0, shape: tuple[int, int] = SHAPE) -> Any:
    """Light of the galaxies (galaxy, y, x), shrunk."""
    return sersic(**shrunk(ratio), shape=shape, dtype=np.float64)


def shrunk(ratio: Any) -> dict[str, Any]:
    changed = ("half_light_radius", *OFFSETS)
    return {k: v * ratio if k in changed else v for k, v in GALAXIES.items()}


def seen(psf: Any, ratio: Any = 1.0, shape: tuple[int, int] = SHAPE) -> Any:
    """The same behind a PSF [arcsec]."""
    rows = Convolution([psf], shape=shape, pixel_scale=SCALE)
    return rows.sersic(shrunk(ratio))[:, 0].astype(np.float64)


def recipe(images: Any, profile: dict[str, Any] | None = None, **choices: Any) -> Any:
    np.save("images.npy", images)
    source = str(Path("images.npy").absolute())
    own = {"name": "images", "source": source, "pixel_scale": SCALE}
    return Recipe(
        profile={**own, **(profile or {})},
        **{
            "image_shape": FRAME,
            "filters": FILTERS,
            "angular_size": True,
            "scale": 1.0,
            **choices,
        },
    )


def ratios(seds: xr.DataArray, table: Any, name: str) -> Any:
    distance = cosmology(seds).angular_diameter_distance
    near, far = (distance(table[one]) for one in ("image_redshift", name))
    return (near / far).value


def stamps(pairs: xr.Dataset, name: str) -> Any:
    end = "in" if name.startswith("input") else "out"
    light = pairs[name].values / (pairs[f"flux_{end}"].values[:, None, None, :])
    return light / pairs.attrs["scale"]


def inner(ratio: Any, shape: tuple[int, int] = FRAME, rim: float = 2.0) -> Any:
    """Pixels of the frame that the images reach, but for a rim (galaxy, y, x)."""
    inside = np.ones((np.size(ratio), *shape), bool)
    for axis, (side, old) in enumerate(zip(shape, SHAPE, strict=True)):
        place = abs(np.arange(side) - 0.5 * (side - 1)) + 0.5 + rim
        line = place <= 0.5 * old * np.reshape(ratio, (-1, 1)) + 1e-9
        inside &= line[:, :, None] if axis == 0 else line[:, None, :]
    return inside


# Sizes.


@pytest.fixture(scope="module")
def clean(seds: xr.DataArray, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("clean"))
        return ad.simulate(recipe(rendered()), seds, catalogue=TABLE)


@pytest.mark.parametrize(("name", "at"), [("input", "z_in"), ("target", "z_out")])
def test_images_shrink_as_galaxies_are_rendered(seds, clean, name, at):
    ratio = ratios(seds, TABLE, at)
    unit = rendered().sum((1, 2))[:, None, None]
    expected = rendered(ratio, FRAME) / unit
    found = stamps(clean, name)[..., 0]
    inside = inner(ratio)
    for row in range(4):
        some = inside[row]
        error = abs(found[row] - expected[row])[some].max()
        assert error < BAR * expected[row].max(), (row, error / expected[row].max())
        # The flux of the covered part.
        total = expected[row][some].sum()
        assert found[row][some].sum() == pytest.approx(total, rel=1e-3), row
    end = at[2:]
    np.testing.assert_allclose(clean[f"image_height_{end}"], 81 * ratio, rtol=1e-7)
    np.testing.assert_allclose(clean[f"image_width_{end}"], 80 * ratio, rtol=1e-7)
    sides = [np.minimum(s * ratio, f) / f for s, f in zip(SHAPE, FRAME, strict=True)]
    covered = clean[f"covered_fraction_{end}"]
    np.testing.assert_allclose(covered, sides[0] * sides[1], rtol=1e-7)
    sums = found.sum((1, 2), dtype=float)
    np.testing.assert_allclose(clean[f"fraction_in_frame_{end}"], sums, rtol=1e-6)


def test_what_no_profile_describes_shrinks_as_well(seds):
    # An arm beside a galaxy with a cusp, which is fitted alone.
    def whole(ratio: float, shape: tuple[int, int]) -> Any:
        arm = sersic(
            *([8.0 * ratio], [0.5], [0.4], [120.0], [9.0 * ratio], [-7.0 * ratio]),
            shape=shape,
            dtype=np.float64,
        )
        return rendered(ratio, shape)[2] + 0.1 * arm[0]

    light = whole(1.0, SHAPE)
    table = {name: np.array(values)[[2]] for name, values in TABLE.items()}
    table["image"] = [0]
    pairs = ad.simulate(recipe(light[None]), seds, catalogue=table)
    for name, at in (("input", "z_in"), ("target", "z_out")):
        (ratio,) = ratios(seds, table, at)
        expected = whole(ratio, FRAME) / light.sum()
        found = stamps(pairs, name)[0, :, :, 0]
        inside = inner(ratio)[0]
        assert abs(found - expected)[inside].max() < BAR * expected.max()
        assert found[inside].sum() == pytest.approx(expected[inside].sum(), rel=1e-3)


def test_the_outskirts_go_on_where_an_image_ends(seds, clean):
    # An exponential galaxy at z = 1 has 47 of its 81 pixels, and so has to be in a
    # frame of 61.
    table = {name: np.array(values)[[1]] for name, values in TABLE.items()}
    larger = recipe(rendered(), image_shape=(101, 101))
    pairs = ad.simulate(larger, seds, catalogue=table)
    ratio = ratios(seds, TABLE, "z_out")[1]
    expected = rendered(ratio, (101, 101))[1] / rendered()[1].sum()
    beyond = ~inner(ratio, (101, 101), rim=-1.0)[0]
    assert 0 < float(pairs["covered_fraction_out"][0]) < 0.8
    found = stamps(pairs, "target")[0, :, :, 0]
    assert abs(found - expected)[beyond].max() < 0.1 * expected[beyond].max()
    assert found[beyond].sum() == pytest.approx(expected[beyond].sum(), rel=0.2)


def test_two_steps_are_one(seds, clean):
    # Galaxies of n = 0.5, 1 and 2.5 over an intermediate redshift.
    first = {**TABLE, "z_out": [0.6, 0.6, 0.7, 0.6]}
    middle = ad.simulate(
        recipe(rendered(), image_shape=(61, 60)), seds, catalogue=first
    )
    again = recipe(stamps(middle, "target")[..., 0], image_shape=FRAME)
    last = {**TABLE, "image_redshift": first["z_out"], "z_in": first["z_out"]}
    last["z_out"] = [0.9, 1.0, 1.5, 2.0]
    twice = ad.simulate(again, seds, catalogue=last)
    whole = {**TABLE, "z_out": last["z_out"]}
    once = ad.simulate(recipe(rendered()), seds, catalogue=whole)
    units = stamps(middle, "target")[..., 0].sum((1, 2), dtype=float)
    inside = inner(ratios(seds, whole, "z_out"))
    for row in range(4):
        one = stamps(once, "target")[row, :, :, 0]
        two = stamps(twice, "target")[row, :, :, 0] * units[row]
        assert abs(one - two)[inside[row]].max() < BAR * one.max(), row


def test_at_the_redshift_of_the_image_nothing_changes(seds, clean):
    same = {**TABLE, "z_in": TABLE["image_redshift"]}
    for normalise in ("flux", "peak"):
        for shape in (SHAPE, (41, 40)):
            choices = {"normalise": normalise, "image_shape": shape}
            moving = ad.simulate(recipe(rendered(), **choices), seds, catalogue=same)
            still = ad.simulate(
                recipe(rendered(), angular_size=False, **choices), seds, catalogue=same
            )
            np.testing.assert_array_equal(moving["input"], still["input"])
            assert not (moving["target"] == still["target"]).all()
            assert OF_IMAGES.isdisjoint(still.variables)
    # One constant for both redshifts: the brightest pixel of the image.
    light = stamps(moving, "target")[..., 0] * rendered().max((1, 2))[:, None, None]
    by_flux = stamps(clean, "target")[..., 0] * rendered().sum((1, 2))[:, None, None]
    np.testing.assert_allclose(light, by_flux, rtol=1e-5, atol=1e-9)


def test_sizes_evolve_since_the_redshift_of_the_image(seds, clean):
    pairs = ad.simulate(recipe(rendered(), size_evolution=-1.0), seds, catalogue=TABLE)
    for end in ("in", "out"):
        growth = (1 + pairs[f"z_{end}"]) / (1 + pairs["image_redshift"])
        found = pairs[f"image_height_{end}"] * growth
        np.testing.assert_allclose(found, clean[f"image_height_{end}"], rtol=1e-12)


def test_images_of_other_pixels_are_resized(seds):
    # Two by two pixels are one, to the last digit of a spline.
    fine = {"pixel_scale": 0.03}
    pairs = ad.simulate(
        recipe(rendered(1.0, (82, 80)), fine, angular_size=False), seds, galaxies=[1, 3]
    )
    light = rendered(1.0, (82, 80))[[1, 3]]
    sums = light.reshape(2, 41, 2, 40, 2).sum((2, 4))
    sums /= light.sum((1, 2))[:, None, None]
    np.testing.assert_allclose(stamps(pairs, "input")[..., 0], sums, rtol=1e-3)
    assert (pairs["covered_fraction_in"] == 1.0).all()
    # Divided by the brightest pixel that the frame shows of it.
    peak = recipe(rendered(1.0, (82, 80)), fine, angular_size=False, normalise="peak")
    found = stamps(ad.simulate(peak, seds, galaxies=[1, 3]), "target")[..., 0]
    np.testing.assert_allclose(found.max((1, 2)), 1.0, rtol=3e-7)
    expected = sums / sums.max((1, 2))[:, None, None]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_images_of_another_shape_are_cut_and_filled_about_their_centre(seds):
    images = rendered()
    unit = images.sum((1, 2))[:, None, None]
    smaller = recipe(images, angular_size=False, image_shape=(21, 30))
    found = stamps(ad.simulate(smaller, seds), "input")[..., 0]
    np.testing.assert_allclose(found, (images / unit)[:, 30:51, 25:55], rtol=3e-7)
    larger = recipe(images, angular_size=False, image_shape=(91, 80))
    with pytest.warns(CoveredFractionWarning) as told:
        simulation = Simulation(
            recipe(images, angular_size=False, image_shape=(121, 80)), seds
        )
    assert len(told) == 1
    assert "4 of 4 galaxies reach less than 80%" in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Simulation(larger, seds)
        Simulation(simulation.recipe, seds, simulation.scale)
    found = stamps(ad.simulate(larger, seds), "input")[..., 0]
    np.testing.assert_allclose(found[:, 5:86], images / unit, rtol=3e-7)
    # What is added comes on top of the light of the image.
    assert (found[:, :5].sum((1, 2)) > 0).all()


@pytest.mark.parametrize("normalise", ["flux", "peak"])
def test_the_brightest_pixel_is_that_of_the_clean_input(seds, normalise):
    choices = {"scale": {"max": 500}, "normalise": normalise, "galaxies": 30}
    chosen = recipe(rendered(), {"draw": "random", "image_redshift": 0.1}, **choices)
    simulation = Simulation(chosen, seds)
    images = simulation.make(np.arange(30), ["input"])[1]["input"]
    assert float(images.max()) == pytest.approx(500, rel=1e-6)
    # One by one, so that none is left out for the others.
    scales = [
        resolve_scale(
            Simulation(chosen.model_copy(update={"galaxies": n}), seds, 1.0).catalogue
        )
        for n in (1, 7, 30)
    ]
    light = images.max((1, 2, 3)) / simulation.scale
    expected = [500 / light[:n].max() for n in (1, 7, 30)]
    np.testing.assert_allclose(scales, expected, rtol=1e-6)


# The PSF.

OWN = {"name": "gaussian", "psf_fwhm": 0.15}
PSFS = {
    "acs_wfc_f606w": {"psf_fwhm": 0.2},
    "wfc3_ir_f160w": {"psf_fwhm": 0.24, "name": "moffat", "beta": 3.0},
}


def test_images_have_the_psf_of_each_filter(seds):
    chosen = recipe(seen(Gaussian(0.15)), {"psf": OWN}, observation={"psf": PSFS})
    pairs = ad.simulate(chosen, seds, catalogue=TABLE)
    unit = seen(Gaussian(0.15)).sum((1, 2))[:, None, None]
    for name, at in (("input_convolved", "z_in"), ("target_convolved", "z_out")):
        ratio = ratios(seds, TABLE, at)
        for column, psf in enumerate((Gaussian(0.2), Moffat(0.24, 3.0))):
            expected = seen(psf, ratio, FRAME) / unit
            found = stamps(pairs, name)[..., column]
            error = abs(found - expected).max((1, 2), where=inner(ratio), initial=0)
            # What images alias of a PSF of 2.5 pixels, and what the exponential has
            # otherwise, scattered into the frame.
            assert (error < BAR * expected.max((1, 2))).all(), (name, column)


def test_images_without_a_psf_are_convolved(seds):
    pairs = ad.simulate(
        recipe(rendered(), observation={"psf": PSFS}), seds, catalogue=TABLE
    )
    unit = rendered().sum((1, 2))[:, None, None]
    ratio = ratios(seds, TABLE, "z_out")
    expected = seen(Gaussian(0.2), ratio, FRAME) / unit
    found = stamps(pairs, "target_convolved")[..., 0]
    error = abs(found - expected).max((1, 2), where=inner(ratio), initial=0)
    assert (error < BAR * expected.max((1, 2))).all()


def test_the_psf_of_images_may_be_an_image(seds):
    # Of a Gaussian, finely sampled: the same but for the light beyond its edges.
    y, x = np.indices((61, 61)) - 30
    np.save("star.npy", np.exp(-4 * np.log(2) * (y**2 + x**2) * 0.02**2 / 0.15**2))
    star = {"name": "image", "source": "star.npy", "pixel_scale": 0.02}
    made = []
    for psf in (OWN, star):
        chosen = recipe(seen(Gaussian(0.15)), {"psf": psf}, observation={"psf": PSFS})
        simulation = Simulation(chosen, seds, table=ad.read_table(TABLE))
        made.append(simulation.make([1, 2], ["target_convolved"])[1])
    # The image travels with what makes galaxies.
    Path("star.npy").unlink()
    again = pickle.loads(pickle.dumps(simulation))
    one, two = (images["target_convolved"] for images in made)
    np.testing.assert_allclose(two, one, atol=1e-3 * one.max())
    found = again.make([2], ["target_convolved"])[1]["target_convolved"]
    np.testing.assert_array_equal(found, two[1:])


# The noise.

NOISE = {"background_sigma": 1.0, "gain": 1e3}
FLUX = {"magnitude": 12.0, "brightness_redshift": "z_in"}


LEVELS = [
    {
        name: {"background_sigma": sigma}
        for name, sigma in zip(FILTERS, two, strict=True)
    }
    for two in ((0.6, 2.0), (0.04, 0.25))
]


@pytest.fixture(scope="module")
def noisy(seds: xr.DataArray, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Pairs of noisy images, of the same without noise, and what they are made by."""
    light = seen(Gaussian(0.15))
    drawn = np.random.default_rng(3).normal(0, 2e-5, light.shape)
    observation = {"psf": PSFS, "noise": LEVELS[0], "target": {"noise": LEVELS[1]}}
    table = {name: np.array(values)[[2, 0, 1, 3]] for name, values in TABLE.items()}
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("noisy"))
        for images in (light, light + drawn):
            chosen = recipe(
                images, {"psf": OWN}, observation=observation, brightness=FLUX
            )
            made.append(ad.simulate(chosen, seds, catalogue=table))
        simulation = Simulation(chosen, seds, table=ad.read_table(table))
        every = simulation.make(simulation.catalogue.ids(0, 4), simulation.images)
        yield made[1], made[0], simulation, every


def test_all_noise_together_is_what_was_asked_for(noisy):
    pairs, without, _, _ = noisy
    assert validate(pairs, OF_IMAGES) == []
    for role, end in (("input", "in"), ("target", "out")):
        own = pairs[f"own_sigma_{end}"].values
        wanted = pairs[f"background_sigma_{end}"].values
        assert (own > 0.5 * wanted).any()
        assert (own < wanted).all()
        rest = (pairs[f"{role}_noisy"] - without[f"{role}_convolved"]).values
        for row in range(4):
            ratio = pairs[f"image_height_{end}"].values[row] / 81
            reached = inner(ratio, rim=1.0)[0]
            beyond = ~inner(ratio, rim=-1.0)[0]
            for where in (reached, beyond):
                if where.sum() < 100:
                    continue
                square = np.square(rest[row][where] / wanted).mean(0)
                # Four sigma of chi-square; own noise is correlated over some pixels.
                bar = 4 * np.sqrt(2 / where.sum()) * (1 + 2 * (own[row] / wanted) ** 2)
                assert (abs(square - 1) < bar).all(), (role, row, square)


def test_the_noise_of_images_is_measured(noisy):
    pairs, without, _, _ = noisy
    own = pairs["input"] - without["input"]
    for row in range(4):
        ratio = pairs["image_height_in"].values[row] / 81
        where = inner(ratio, rim=1.0)[0]
        convolved = (pairs["input_convolved"] - without["input_convolved"]).values
        sigma = convolved[row][where].std(0)
        # Two hundred independent pixels and more, and a median of 6,000.
        np.testing.assert_allclose(pairs["own_sigma_in"][row], sigma, rtol=0.25)
    assert float(own.std()) > 0


def test_noise_drawn_afresh_is_that_of_the_store(noisy):
    pairs = noisy[0]
    kept = pairs.drop_vars(["input_noisy", "target_noisy"])
    same = ad.add_noise(kept)
    other = ad.add_noise(kept.chunk(galaxy=3), epoch=2)
    some = ad.add_noise(kept.isel(galaxy=[3, 1]), epoch=2)
    for name in ("input_noisy", "target_noisy"):
        np.testing.assert_array_equal(same[name], pairs[name])
        np.testing.assert_array_equal(other[name].isel(galaxy=[3, 1]), some[name])
        assert not (other[name] == pairs[name]).all()


def test_noise_without_a_psf_is_on_the_clean_images(seds):
    light = rendered() + np.random.default_rng(3).normal(0, 1e-5, (4, *SHAPE))
    observation = {"noise": {"background_sigma": 1.0}}
    for moving in (True, False):
        for shape in (FRAME, SHAPE):
            chosen = recipe(
                light,
                {"image_redshift": 0.1},
                observation=observation,
                angular_size=moving,
                image_shape=shape,
            )
            pairs = ad.simulate(chosen, seds)
            same = ad.add_noise(pairs)
            for role, end in (("input", "in"), ("target", "out")):
                name = f"{role}_noisy"
                np.testing.assert_array_equal(same[name], pairs[name])
                rest = pairs[name] - pairs[role]
                own = pairs[f"own_sigma_{end}"]
                inside = inner(pairs[f"image_height_{end}"].values / 81, shape)
                for row in range(4):
                    left = np.sqrt(np.maximum(1 - own[row].values ** 2, 0))
                    found = rest[row].values[inside[row]].std(0)
                    bar = 4 / np.sqrt(2 * inside[row].sum())
                    np.testing.assert_allclose(found, left, rtol=bar)


# Any galaxy alone, in any order and number; stores.


def test_bits_depend_on_nothing_but_the_galaxy(noisy, seds):
    simulation, (columns, images) = noisy[2:]
    table = simulation.catalogue.table
    lazy = ad.build(simulation.recipe, seds, chunks=3, catalogue=table).compute()
    for name, cube in images.items():
        np.testing.assert_array_equal(lazy[name], cube)
    ids = columns["galaxy_id"]
    again = pickle.loads(pickle.dumps(simulation))
    for rows in ([3], [2, 0, 2, 1]):
        truth, made = again.make(ids[rows], again.images)
        for name, cube in {**made, **truth}.items():
            every = images[name] if name in images else columns[name]
            np.testing.assert_array_equal(cube, every[rows])


@pytest.mark.parametrize("suffix", ["zarr", ""])
def test_a_store_resumes_and_verifies(seds, suffix):
    light = seen(Gaussian(0.15)) + np.random.default_rng(3).normal(0, 1e-5, (4, *SHAPE))
    chosen = recipe(
        light,
        {"psf": OWN, "image_redshift": 0.1, "draw": "random"},
        galaxies=6,
        image_shape=(20, 21),
        scale={"max": 100},
        observation={"psf": PSFS, "noise": NOISE},
        layout={"part": 2, "chunk": 1},
    )
    name = f"pairs.{suffix}" if suffix else "pairs"
    chosen = chosen.model_copy(
        update={
            "layout": chosen.layout.model_copy(
                update={"format": "zarr" if suffix else "netcdf"}
            )
        }
    )
    ad.init(chosen, name, seds=seds)
    ad.part(name, 1, of=3)
    assert ad.write(chosen, name, seds=seds).made == 4
    assert ad.verify(name).passed
    pairs = ad.open_pairs(name)
    expected = ad.simulate(chosen, seds)
    for one, variable in expected.variables.items():
        if one in pairs.variables:
            np.testing.assert_array_equal(pairs[one], variable)
    assert set(expected.data_vars) == set(pairs.data_vars)
    same = ad.add_noise(pairs)["target_noisy"]
    np.testing.assert_array_equal(same, expected["target_noisy"])


# What cannot be.


@pytest.mark.parametrize(
    ("profile", "choices", "table", "message"),
    [
        ({}, {}, None, "profile.image_redshift: got nothing, expected the redshift of"),
        (
            {"image_redshift": 0.5},
            {},
            None,
            "profile.image_redshift: got 0.5, expected above 0 and at most the lowest "
            "z_in, 0.1; give redshifts.z_in",
        ),
        (
            {"image_redshift": 0.5},
            {"redshifts": {"z_in": 0.4}},
            None,
            "profile.image_redshift: got 0.5, expected above 0 and at most the lowest "
            "z_in, 0.4; ",
        ),
        (
            {"image_redshift": 0.0},
            {},
            None,
            "profile.image_redshift: got 0, expected above 0 and ",
        ),
        (
            {},
            {},
            {"image_redshift": [0.2, 0.7], "z_in": [0.2, 0.6]},
            "catalogue.image_redshift, row 1: got 0.7, expected above 0 and at most "
            "its z_in, 0.6; drop the row",
        ),
        (
            {},
            {},
            {"image_redshift": [0.1, 0.7]},
            "catalogue.image_redshift, row 1: got 0.7, expected above 0 and at most "
            "the lowest z_in, 0.1; give redshifts.z_in",
        ),
        (
            {"image_redshift": 0.5},
            {},
            {"z_in": [0.5, 0.4]},
            "catalogue.z_in, row 1: got 0.4, expected at least the redshift of its "
            "image, 0.5; drop the row",
        ),
        (
            {"image_redshift": 0.1, "psf": {"psf_fwhm": 0.2}},
            {"observation": {"psf": {"psf_fwhm": 0.15}}},
            None,
            "observation.psf: got a FWHM of 0.15 arcsec for an image of 0.2, expected "
            "a PSF that is wider at every scale than that of the image; ",
        ),
        (
            {"psf": {"psf_fwhm": 0.2}},
            {
                "observation": {
                    "psf": {"psf_fwhm": 0.25},
                    "target": {"psf": {"psf_fwhm": 0.05}},
                }
            },
            {"image_redshift": [0.2], "z_in": [0.2], "z_out": [0.4]},
            "observation.target.psf: got a FWHM of 0.05 arcsec for an image of 0.12",
        ),
    ],
)
def test_what_images_cannot_be_is_told_in_one_line(
    seds, profile, choices, table, message
):
    chosen = recipe(rendered(), profile, **choices)
    with pytest.raises(InputError) as caught:
        ad.write(chosen, "pairs.zarr", seds=seds, catalogue=table)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1
    assert [path.name for path in Path().iterdir()] == ["images.npy"]


def test_a_sharper_psf_may_do_for_images_that_shrink(seds):
    # 0.2 arcsec at z = 0.1 are at most 0.06 from z = 0.5 on.
    chosen = recipe(
        rendered(),
        {"image_redshift": 0.1, "psf": {"psf_fwhm": 0.2}},
        observation={"psf": {"psf_fwhm": 0.15}},
        redshifts={"z_in": 0.5},
    )
    assert ad.simulate(chosen, seds, [0])["input_convolved"].notnull().all()


def test_telescopes_need_the_size_of_pixels():
    for choices in (
        {"angular_size": True},
        {"observation": {"psf": {"psf_fwhm": 0.2}}},
    ):
        profile = {"name": "images", "source": "images.npy"}
        with pytest.raises(InputError) as caught:
            Recipe(profile=profile, **choices)
        told = (
            "profile.pixel_scale: got nothing, expected the size of a pixel of the im"
        )
        assert str(caught.value).startswith(told)
        chosen = Recipe(profile=profile, pixel_scale=0.06, **choices)
        assert Recipe(**chosen.model_dump()) == chosen


def test_kernels_of_a_matching_are_kept_and_bits_are_the_same() -> None:
    rng = np.random.default_rng(2)
    target, own = Gaussian(0.3), Gaussian(0.15)
    matching = Matching([target], shape=(20, 21), pixel_scale=SCALE)
    image = rng.normal(size=matching.grid)
    first, noise = matching.convolve(image, own, 0.7)
    matching.convolve(image, own.resized(0.5), 0.4)
    again, same = matching.convolve(image, Gaussian(0.15), 0.7)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(noise, same)
    np.testing.assert_array_equal(matching.noise(own, 0.7), noise)


def test_fractions_in_the_frame_do_not_depend_on_the_unit(seds: xr.DataArray) -> None:
    found = [
        ad.simulate(recipe(rendered(), normalise=unit), seds, catalogue=TABLE)
        for unit in ("flux", "peak")
    ]
    for name in ("fraction_in_frame_in", "fraction_in_frame_out"):
        # Stamps are float32, and so are images over their peak.
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-5)
        assert float(found[0][name].max()) < 1.2


def test_a_survey_does_not_say_how_large_the_pixels_of_images_are() -> None:
    np.save("images.npy", rendered())
    seen_by = {"preset": "candels-deep"}
    with pytest.raises(InputError, match="pixel_scale"):
        Recipe(profile={"name": "images", "source": "images.npy"}, observation=seen_by)
