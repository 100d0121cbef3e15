"""Galaxies of several components from the recipe to the store, by other routes too."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy.modeling.models import Sersic2D
from dask.base import tokenize
from distributed import Client, LocalCluster
from scipy import special

import argdask as ad
from argdask.cli import main
from argdask.inspection import inspect
from argdask.recipe import Recipe
from argdask.seds import interpolate_redshift
from argdask.simulation import Simulation
from argdask.store.plan import Plan, plan_of

THREE: dict[str, Any] = {
    "bar": {"light_fraction": 0.15, "sersic_index": 0.5, "axis_ratio": 0.3},
    "bulge": {"asymmetry": 0.2},
    "disc": {
        "position_angle": {"distribution": "uniform", "minimum": 0, "maximum": 90}
    },
}
# float32 stamps, fluxes and products, and their sums.
FLOAT32 = 3e-7


def of(components: Any = None, **keys: Any) -> dict[str, Any]:
    named = {} if components is None else {"components": components}
    return {"name": "components", **keys, **named}


def small(**choices: Any) -> Recipe:
    return Recipe(
        **{"galaxies": 40, "image_shape": (11, 9), "profile": of(THREE), **choices}
    )


def same(found: xr.Dataset, expected: xr.Dataset) -> None:
    xr.testing.assert_identical(found.compute().drop_attrs(), expected.drop_attrs())


# The light of the components.


@pytest.mark.parametrize("brightness_redshift", ["z_in", 1.0, 0.777])
def test_the_measured_fraction_is_the_stated_one(seds, brightness_redshift):
    # A bulge on the left and a disc on the right, in frames that hold all of both.
    name = "acs_wfc_f775w"
    recipe = Recipe(
        galaxies=12,
        image_shape=(101, 220),
        scale=1.0,
        profile=of(
            {
                "bulge": {
                    "offset_x": -55,
                    "sersic_index": 1,
                    "half_light_radius": 0.15,
                },
                "disc": {"offset_x": 55, "sersic_index": 0.7, "half_light_radius": 0.3},
            },
            bulge_to_total={"distribution": "uniform", "minimum": 0.1, "maximum": 0.9},
        ),
        brightness={
            "brightness_filter": name,
            "brightness_redshift": brightness_redshift,
        },
    )
    pairs = ad.simulate(recipe, seds)
    light = {}
    for image in ("input", "target"):
        cube = pairs[image].astype(float)
        left = cube.isel(x=slice(110)).sum(("y", "x")).values
        right = cube.isel(x=slice(110, None)).sum(("y", "x")).values
        light[image] = np.stack([left, right], axis=1)
    if brightness_redshift == "z_in":
        measured = pairs.assign(
            light=(("galaxy", "component", "filter"), light["input"])
        )
        inside = measured["light"].sel(filter=name)
        share = inside.sel(component="bulge") / inside.sum("component")
        # What pixels of float32 add up to, and 1e-6 of the light beyond the frame.
        np.testing.assert_allclose(share, pairs["bulge_to_total"], rtol=5e-6)
    # Elsewhere it is what the templates say, found by the grid's own interpolation.
    for row in range(12):
        galaxy = pairs.isel(galaxy=row)
        at = galaxy["z_in"] if brightness_redshift == "z_in" else brightness_redshift
        references = interpolate_redshift(seds, [float(at)]).sel(filter=name)
        for k, template in enumerate(galaxy["component_sed_index"].values):
            sed = seds.isel(template=template)
            reference = float(references.isel(template=template).squeeze())
            part = galaxy["light_fraction"].values[k] * 10 ** ((23.9 - 18) / 2.5)
            for image, z in (("input", "z_in"), ("target", "z_out")):
                flux = sed.sel(redshift=galaxy[z].values, method="nearest")
                expected = part * flux.values / reference
                np.testing.assert_allclose(light[image][row, k], expected, rtol=5e-6)


def sersic_total(model: Sersic2D) -> float:
    """Return the light of a Sersic profile over the plane (Graham & Driver 2005)."""
    n, b = model.n.value, special.gammaincinv(2 * model.n.value, 0.5)
    ellipse = 2 * np.pi * n * model.r_eff.value**2 * (1 - model.ellip.value)
    return float(ellipse * np.exp(b) * b ** (-2 * n) * special.gamma(2 * n))


def astropy_stamp(galaxy: xr.Dataset, recipe: Recipe) -> np.ndarray:
    """Return the light of one component at pixel centres, as astropy has it."""
    height, width = recipe.image_shape
    model = Sersic2D(
        amplitude=1.0,
        r_eff=float(galaxy.half_light_radius) / recipe.pixel_scale,
        n=float(galaxy.sersic_index),
        x_0=(width - 1) / 2 + float(galaxy.offset_x),
        y_0=(height - 1) / 2 + float(galaxy.offset_y),
        ellip=1 - float(galaxy.axis_ratio),
        theta=np.deg2rad(float(galaxy.position_angle) + 90),
    )
    y, x = np.mgrid[:height, :width]
    return np.asarray(model(x, y)) / sersic_total(model)


@pytest.mark.parametrize("normalise", ["flux", "peak"])
def test_galaxies_are_sums_of_astropys_profiles_and_the_grids_fluxes(seds, normalise):
    offset = {"distribution": "uniform", "minimum": -3, "maximum": 3}
    recipe = Recipe(
        galaxies=6,
        image_shape=(51, 47),
        sampling="centre",
        normalise=normalise,
        profile=of({**THREE, "bulge": {}}, offset_x=offset, offset_y=0.3),
        brightness={"brightness_filter": "wfc3_ir_f105w", "magnitude": 21.5},
    )
    pairs = ad.simulate(recipe, seds)
    cubes: dict[str, list[Any]] = {"input": [], "target": []}
    for row in range(6):
        parts = [pairs.isel(galaxy=row, component=k) for k in range(3)]
        stamps = np.array([astropy_stamp(part, recipe) for part in parts])
        fraction = np.array([float(part.light_fraction) for part in parts])
        constant = 1.0
        if normalise == "peak":
            constant = (fraction[:, None, None] * stamps).sum(axis=0).max()
        for image, z in (("input", "z_in"), ("target", "z_out")):
            cube = 0.0
            for k, part in enumerate(parts):
                sed = seds.isel(template=int(part.component_sed_index))
                reference = float(sed.isel(redshift=0).sel(filter="wfc3_ir_f105w"))
                flux = sed.sel(redshift=float(part[z]), method="nearest").values
                share = fraction[k] * 10 ** ((23.9 - 21.5) / 2.5) / reference
                cube = cube + share * stamps[k][..., None] * flux
            cubes[image].append(cube / constant)
    scale = 10000 / np.max(cubes["input"])
    # The bound of stamps sampled at pixel centres in float32.
    for image, expected in cubes.items():
        np.testing.assert_allclose(pairs[image], scale * np.array(expected), rtol=1e-5)
    assert pairs.attrs["scale"] == pytest.approx(scale, rel=1e-5)


@pytest.mark.parametrize("normalise", ["flux", "peak"])
@pytest.mark.parametrize("law", ["equal", "grid"])
@pytest.mark.parametrize(("share", "name"), [(1, "bulge"), (0, "disc")])
def test_all_light_in_one_component_is_a_single_profile(
    seds, share, name, law, normalise
):
    choices: dict[str, Any] = {
        "brightness": {"law": law, "brightness_redshift": "z_in"},
        "normalise": normalise,
        "scale": {"max": 300},
    }
    several = ad.simulate(
        small(profile=of(bulge_to_total=share), **choices), seds, np.arange(20)
    )
    one = several.sel(component=name)
    kept = ("galaxy_id", "z_in", "z_out", *Recipe().profile.columns)
    table = {key: one[key].values for key in kept}
    table["sed_index"] = one["component_sed_index"].values
    if law == "equal":
        table["magnitude"] = one["magnitude"].values
    units = {"half_light_radius": "arcsec", "position_angle": "deg"}
    single = ad.simulate(
        small(galaxies=20, profile={"name": "sersic"}, **choices),
        seds,
        several["galaxy_id"].values,
        catalogue=ad.read_table(table, units=units | {"asymmetry_angle": "deg"}),
    )
    # The scale of the first is of forty galaxies.
    ratio = several.attrs["scale"] / single.attrs["scale"]
    for image in ("input", "target"):
        np.testing.assert_allclose(several[image], ratio * single[image], rtol=FLOAT32)
    for column in ("flux_in", "flux_out"):
        np.testing.assert_allclose(several[column], single[column], rtol=1e-14)
    np.testing.assert_array_equal(several["sed_index"], single["sed_index"])


# Scale and peak.


@pytest.mark.parametrize("normalise", ["flux", "peak"])
@pytest.mark.parametrize("law", ["equal", "grid"])
@pytest.mark.parametrize("sampling", ["pixel", "centre"])
def test_the_scale_brings_the_brightest_pixel_to_its_number(
    seds, normalise, law, sampling
):
    offset = {"distribution": "uniform", "minimum": -4, "maximum": 4}
    components = {**THREE, "disc": {"offset_x": offset}}
    pairs = ad.simulate(
        small(
            profile=of(components, offset_y=offset),
            normalise=normalise,
            brightness={"law": law},
            sampling=sampling,
        ),
        seds,
    )
    assert float(pairs["input"].max()) == pytest.approx(10000, rel=FLOAT32)


def test_the_brightest_pixel_of_a_peak_is_the_flux_in_the_brightness_filter(seds):
    pairs = ad.simulate(
        small(
            normalise="peak",
            scale=1.0,
            brightness={
                "brightness_filter": "acs_wfc_f606w",
                "brightness_redshift": "z_in",
            },
        ),
        seds,
    ).sel(filter="acs_wfc_f606w")
    brightest = pairs["input"].max(("y", "x"))
    np.testing.assert_allclose(brightest, pairs["flux_in"], rtol=2 * FLOAT32)


@pytest.mark.parametrize("normalise", ["flux", "peak"])
def test_a_galaxy_outside_its_frame_is_dark_and_not_undefined(seds, normalise):
    profile = {"sersic_index": 0.5, "half_light_radius": 0.1}
    recipe = small(
        normalise=normalise,
        scale=1.0,
        profile=of({"a": profile, "b": profile}, offset_x=900),
    )
    pairs = ad.simulate(recipe, seds, [0, 1])
    assert (pairs["input"] == 0).all()
    with pytest.raises(ad.InputError, match="expected light in some frame"):
        ad.simulate(recipe.model_copy(update={"scale": Recipe().scale}), seds)


# The same bits everywhere.


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"normalise": "peak", "brightness": {"brightness_redshift": "z_in"}},
        {"redshifts": {"values": "continuous"}, "sampling": "centre"},
    ],
)
def test_a_galaxy_has_the_same_bits_alone_and_in_any_order(seds, choices):
    recipe = small(**choices)
    every = ad.simulate(recipe, seds)
    order = np.random.default_rng(3).permutation(40)
    same(ad.simulate(recipe, seds, order), every.isel(galaxy=order))
    for galaxy in (0, 17, 39):
        same(ad.simulate(recipe, seds, [galaxy]), every.isel(galaxy=[galaxy]))


def test_lazy_chunks_have_the_same_bits(seds):
    every = ad.simulate(small(), seds)
    for chunks in (1, 7, 40):
        lazy = ad.build(small(), seds, chunks=chunks)
        same(lazy.compute(scheduler="threads"), every)


def test_a_simulation_of_components_survives_the_way_to_a_worker(seds):
    simulation = Simulation(small(), seds)
    again = pickle.loads(pickle.dumps(simulation))
    assert tokenize(again) == tokenize(simulation)
    made = simulation.make([3], ["input"]), again.make([3], ["input"])
    np.testing.assert_array_equal(*(images["input"] for _, images in made))
    other = Simulation(small(profile=of({**THREE, "bar": {}})), seds)
    assert tokenize(other) != tokenize(simulation)


# Stores.


def contents(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


LAYOUT = {"part": 16, "chunk": 8}


def test_a_store_holds_what_a_simulation_makes(seds):
    recipe = small(layout=LAYOUT)
    every = ad.simulate(recipe, seds)
    ad.write(recipe, "pairs.zarr", seds=seds)
    report = ad.verify("pairs.zarr", sample=40)
    assert report.passed, report.to_json()
    pairs = ad.open_pairs("pairs.zarr")
    same(pairs[list(every.variables)], every)
    assert pairs["component"].values.tolist() == ["bar", "bulge", "disc"]
    # Template parameters are those of the brightest component.
    brightest = every["light_fraction"].argmax("component")
    template = every["component_sed_index"].isel(component=brightest)
    assert pairs["e_bv"].values.tolist() == seds["e_bv"].values[template].tolist()
    with xr.open_zarr("pairs.zarr", chunks=None) as plain:
        assert plain["sersic_index"].sel(component="bar").values.tolist() == [0.5] * 40


def test_a_store_is_the_same_however_it_is_made(seds):
    recipe = small(layout=LAYOUT)
    ad.write(recipe, "one.zarr", seds=seds)
    ad.write(recipe, "two.zarr", seds=seds)
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        ad.write(recipe, "workers.zarr", seds=seds, client=client)
    one = contents(Path("one.zarr"))
    assert contents(Path("two.zarr")) == one
    assert contents(Path("workers.zarr")) == one
    for part in (40, 8):
        other = small(layout={"part": part, "chunk": 4})
        ad.write(other, f"{part}.zarr", seds=seds)
        pairs = ad.open_pairs(f"{part}.zarr").compute()
        same(ad.open_pairs("one.zarr"), pairs)


def test_damage_to_a_component_is_found(seds):
    ad.write(small(), "pairs.zarr", seds=seds)
    chunk = next(Path("pairs.zarr/component_sed_index/").glob("c.*"))
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    failed = [
        check.name for check in ad.verify("pairs.zarr").checks if not check.passed
    ]
    assert "files and checksums" in failed


def test_a_plan_keeps_components_in_their_order(seds):
    plan = plan_of(Simulation(small(), seds))
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.fingerprint == plan.fingerprint
    turned = small(profile=of(dict(reversed(THREE.items()))))
    assert plan_of(Simulation(turned, seds)).fingerprint == plan.fingerprint


def test_a_catalogue_of_components_goes_with_its_store(seds):
    table = ad.read_table(
        {
            "galaxy_id": [7, 3, 2**40],
            "bulge_to_total": [0.1, 0.5, 0.9],
            "disc_half_light_radius": [0.5, 0.7, 0.9],
        },
        units={"disc_half_light_radius": "arcsec"},
    )
    recipe = Recipe(image_shape=9, profile=of())
    ad.write(recipe, "pairs.zarr", seds=seds, catalogue=table)
    assert ad.verify("pairs.zarr").passed
    pairs = ad.open_pairs("pairs.zarr")
    assert pairs["bulge_to_total"].values.tolist() == [0.1, 0.5, 0.9]
    assert pairs["half_light_radius"].sel(component="disc").values.tolist() == [
        *(0.5, 0.7, 0.9)
    ]
    every = ad.simulate(recipe, seds, [2**40, 7], catalogue=table)
    same(pairs[list(every.variables)].isel(galaxy=[2, 0]), every)


def test_an_export_names_columns_after_components(seds):
    ad.write(small(), "pairs.zarr", seds=seds)
    ad.export("pairs.zarr", "arrays")
    truth = pd.read_csv("arrays/truth.ecsv", comment="#")
    pairs = ad.open_pairs("pairs.zarr")
    assert truth.columns.is_unique
    for component in ("bar", "bulge", "disc"):
        one = pairs.sel(component=component)
        for column in (*Recipe().profile.columns, "brightness"):
            found = truth[f"{component}_{column}"]
            np.testing.assert_array_equal(found, one[column])
        found = truth[f"{component}_sed_index"]
        np.testing.assert_array_equal(found, one["component_sed_index"])
        for filter_name in pairs["filter"].values:
            found = truth[f"{component}_flux_out_{filter_name}"]
            expected = one["component_flux_out"].sel(filter=filter_name)
            np.testing.assert_array_equal(found, expected)
    fractions = truth[["bar_light_fraction", "bulge_to_total", "disc_light_fraction"]]
    np.testing.assert_array_equal(fractions, pairs["light_fraction"])
    assert "bulge_light_fraction" not in truth
    assert not [name for name in truth if name.startswith("component")]


def test_a_store_of_components_can_be_looked_at(seds, capsys):
    ad.write(small(), "pairs.zarr", seds=seds)
    found = {one.name: one.dims for one in inspect("pairs.zarr").variables}
    assert found["half_light_radius"] == "galaxy 40, component 3"
    assert found["component_flux_in"] == "galaxy 40, component 3, filter 9"
    figure = ad.preview(ad.open_pairs("pairs.zarr"), galaxies=2)
    assert len(figure.axes) == 2 * 2 * 9
    with pytest.raises(SystemExit) as stopped:
        main(["preview", "pairs.zarr", "-o", "preview.png"])
    assert stopped.value.code == 0
    assert Path("preview.png").stat().st_size > 10_000


def test_the_command_line_makes_a_store_of_components():
    options = [
        *("--set", "profile.name=components", "--set", "profile.bulge_to_total=0.3"),
        *("--set", "image_shape=9", "--galaxies", "20"),
    ]
    with pytest.raises(SystemExit) as stopped:
        main(["generate", "pairs.zarr", *options])
    assert stopped.value.code == 0
    with pytest.raises(SystemExit) as stopped:
        main(["verify", "pairs.zarr"])
    assert stopped.value.code == 0
    assert (ad.open_pairs("pairs.zarr")["bulge_to_total"] == 0.3).all()


def test_wrong_choices_of_components_end_with_2_and_leave_nothing(capsys):
    options = ["--set", "profile.name=components", "--set", "profile.bulge_to_total=3"]
    with pytest.raises(SystemExit) as stopped:
        main(["generate", "pairs.zarr", *options])
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("argdask: profile.bulge_to_total: got 3, expected valu")
    assert len(told.splitlines()) == 1
    assert not list(Path().iterdir())
