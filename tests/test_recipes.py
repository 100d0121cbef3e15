"""The recipes that people start from, each used at a small size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.modeling.models import Sersic2D
from astropy.table import Table

import argdask as ad
from argdask.convolution import Convolution
from argdask.recipe import Recipe, assemble
from argdask.sed_choices import RedshiftGrid
from argdask.telescopes import telescopes_of
from argdask.yaml_files import read_yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
RECIPES = sorted((DEPLOY / "recipes").glob("*.yaml"))

# What these need besides this package and the built-in grid: a grid of their own, made
# here at few redshifts, z_in among them.
OBSERVED: dict[str, tuple[str, RedshiftGrid] | None] = {
    "hst-like": None,
    "jwst-like": ("ceers", RedshiftGrid(first=1.5, last=5.0, number=3)),
    "lsst-like": ("lsst", RedshiftGrid(first=0.1, last=0.5, number=3)),
}
MADE = [path for path in RECIPES if path.stem not in OBSERVED]

BY_NAME = {path.stem: path for path in RECIPES}


def test_there_are_recipes() -> None:
    expected = ["arg", "bulge-and-disc", "continuous", "lopsided", "own-images"]
    assert [path.stem for path in RECIPES] == sorted([*expected, *OBSERVED])


def brought(path: Path) -> list[str]:
    """Make what a recipe names, and return the settings that say where it is."""
    if path.stem != "own-images":
        return ["galaxies=20", "image_shape=16"]
    random = np.random.default_rng(5)
    np.save("mine.npy", random.lognormal(0, 1, (20, 16, 16)).astype(np.float32))
    columns = {
        "galaxy_id": random.permutation(60)[:20],
        "z_in": random.uniform(0.1, 1.5, 20),
        "magnitude": random.uniform(20, 24, 20),
        "note": ["seen"] * 20,
    }
    Table(columns).write("mine.fits")
    return ["profile.source=mine.npy", "catalogue.path=mine.fits"]


@pytest.mark.parametrize("name", OBSERVED)
def test_a_recipe_that_observes_makes_a_store_that_verifies(
    name: str, seds: xr.DataArray
) -> None:
    if name == "lsst-like":
        pytest.importorskip("surveycodex")
    own = OBSERVED[name]
    if own is not None:
        grid = ad.SedGrid.from_yaml(DEPLOY / "grids" / f"{own[0]}.yaml")
        seds = ad.build_seds(grid.model_copy(update={"redshifts": own[1]}))
    recipe = Recipe.from_yaml(BY_NAME[name])
    assert recipe.angular_size
    # At the size that it has; the store is made of smaller frames.
    telescopes = telescopes_of(recipe, seds)
    for one in telescopes.values():
        assert one.psfs is not None
        Convolution(one.psfs, shape=recipe.image_shape, pixel_scale=recipe.pixel_scale)
    small = assemble(read_yaml(BY_NAME[name]), ["galaxies=8", "image_shape=24"])
    ad.write(small, "pairs.zarr", seds=seds)
    assert ad.verify("pairs.zarr").passed
    pairs = ad.open_pairs("pairs.zarr")
    filters = seds.sizes["filter"]
    assert pairs["input"].shape == pairs["target"].shape == (8, 24, 24, filters)
    assert (pairs["z_in"] == recipe.redshifts.z_in).all()
    assert (pairs["z_out"] > pairs["z_in"]).all()
    for role, telescope in telescopes.items():
        noise = pairs[f"{role}_noisy"] - pairs[f"{role}_convolved"].astype(float)
        scatter = (noise / pairs.attrs["scale"]).std(("galaxy", "y", "x"))
        # 4608 pixels know it to 1 %, of which these are five; galaxies add shot noise.
        assert (scatter > 0.95 * telescope.background_sigma).all()
        if not telescope.gain.any():
            assert (scatter < 1.05 * telescope.background_sigma).all()


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.stem)
def test_a_recipe_makes_a_store_that_verifies(path: Path, seds: xr.DataArray) -> None:
    recipe = assemble(read_yaml(path), brought(path))
    ad.write(recipe, "pairs.zarr", seds=seds)
    assert ad.verify("pairs.zarr").passed
    pairs = ad.open_pairs("pairs.zarr")
    assert (pairs.sizes["galaxy"], pairs.sizes["y"], pairs.sizes["x"]) == (20, 16, 16)


def test_own_images_have_the_magnitudes_of_their_table(seds: xr.DataArray) -> None:
    path = next(path for path in RECIPES if path.stem == "own-images")
    pairs = ad.simulate(assemble(read_yaml(path), brought(path)), seds)
    table = Table.read("mine.fits")
    assert pairs["galaxy_id"].values.tolist() == table["galaxy_id"].tolist()
    red = pairs["input"].sel(filter="acs_wfc_f814w").astype(float).sum(("y", "x"))
    magnitude = 23.9 - 2.5 * np.log10(red / pairs.attrs["scale"])
    # 256 pixels, each rounded to float32.
    np.testing.assert_allclose(magnitude, table["magnitude"], atol=1e-5)


def test_the_recipe_of_bulges_and_discs_holds_its_fractions(seds: xr.DataArray) -> None:
    recipe = assemble(
        read_yaml(BY_NAME["bulge-and-disc"]),
        ["galaxies=200", "profile.components.disc.sersic_index=0.8"],
    )
    pairs = ad.simulate(recipe, seds, variables=[])
    assert pairs["component"].values.tolist() == ["bulge", "disc"]
    assert (pairs["sersic_index"].sel(component="disc") == 0.8).all()
    bulges = pairs.sel(component="bulge")
    flux = pairs["component_flux_in"].sel(filter="acs_wfc_f814w")
    fraction = flux.sel(component="bulge") / flux.sum("component")
    # A few roundings of float64.
    np.testing.assert_allclose(fraction, pairs["bulge_to_total"], rtol=1e-14)
    assert 3 < float(bulges["sersic_index"].median()) < 5
    assert bulges["half_light_radius"].mean() < pairs["half_light_radius"].mean()


def astropy_stamp(pairs: xr.Dataset, row: int, recipe: Recipe) -> np.ndarray:
    """Return the light of one galaxy at pixel centres, as astropy has it."""
    galaxy = pairs.isel(galaxy=row)
    height, width = recipe.image_shape
    model = Sersic2D(
        amplitude=1.0,
        r_eff=float(galaxy.half_light_radius) / recipe.pixel_scale,
        n=float(galaxy.sersic_index),
        x_0=(width - 1) / 2,
        y_0=(height - 1) / 2,
        ellip=1 - float(galaxy.axis_ratio),
        theta=np.deg2rad(float(galaxy.position_angle) + 90),
    )
    y, x = np.mgrid[:height, :width]
    return np.asarray(model(x, y))


def test_the_recipe_of_arg_is_the_arithmetic_of_the_idea(smpy_file: Path) -> None:
    recipe = assemble(read_yaml(BY_NAME["arg"]), ["galaxies=40"])
    seds = ad.read_seds(smpy_file)
    pairs = ad.simulate(recipe, seds)
    stamps = np.stack([astropy_stamp(pairs, row, recipe) for row in range(40)])
    stamps /= stamps.max(axis=(1, 2), keepdims=True)
    flux = seds.transpose("redshift", "template", "filter").values
    row_in = np.searchsorted(seds.redshift.values, pairs.z_in.values)
    row_out = np.searchsorted(seds.redshift.values, pairs.z_out.values)
    inputs = stamps[..., None] * flux[row_in, pairs.sed_index.values][:, None, None]
    targets = stamps[..., None] * flux[row_out, pairs.sed_index.values][:, None, None]
    scale = 10000 / inputs.max()
    # The bound of stamps sampled at pixel centres in float32.
    np.testing.assert_allclose(pairs["input"], inputs * scale, rtol=1e-5)
    np.testing.assert_allclose(pairs["target"], targets * scale, rtol=1e-5)
    assert float(pairs["input"].max()) == pytest.approx(10000, rel=1e-5)
    assert pairs.sizes == {"galaxy": 40, "y": 60, "x": 60, "filter": 17}


def test_a_lopsided_recipe_is_the_symmetric_one_times_its_factor(
    seds: xr.DataArray,
) -> None:
    changes = ["galaxies=12", "sampling=centre", "scale=1.0"]
    recipe = assemble(read_yaml(BY_NAME["lopsided"]), changes)
    pairs = ad.simulate(recipe, seds, variables=["input"])
    plain = ad.simulate(assemble({}, changes), seds, variables=["input"])
    height, width = recipe.image_shape
    y, x = (
        np.mgrid[:height, :width] - np.array([height - 1, width - 1])[:, None, None] / 2
    )
    for row in range(12):
        galaxy = pairs.isel(galaxy=row)
        angle = np.deg2rad(float(galaxy.position_angle))
        along = -np.sin(angle) * x + np.cos(angle) * y
        across = (-np.cos(angle) * x - np.sin(angle) * y) / float(galaxy.axis_ratio)
        phi = np.arctan2(across, along) - np.deg2rad(float(galaxy.asymmetry_angle))
        factor = 1 - float(galaxy.asymmetry) * np.cos(phi)
        expected = plain["input"].values[row] * factor[..., None]
        # Both are rounded to float32.
        np.testing.assert_allclose(galaxy["input"], expected, rtol=1e-5)
    assert float(pairs.asymmetry.max()) > 0.2
