"""Pairs: the formula by another route, and lazy ones equal to those made at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr
from astropy.modeling.models import Sersic2D
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from observed import OBSERVED, OF_IMAGES
from scipy import special

from argdask import observing
from argdask import simulation as module
from argdask.errors import InputError
from argdask.pairs import build, simulate
from argdask.profiles import sersic
from argdask.recipe import Recipe
from argdask.schema import VARIABLES, validate
from argdask.sed_sources import read_seds

SMALL: dict[str, Any] = {"galaxies": 23, "image_shape": (9, 11)}
OFFSETS = {
    name: {"distribution": "uniform", "minimum": -2, "maximum": 2}
    for name in ("offset_y", "offset_x")
}


# DESIGN section 1, from the coordinates of a dataset alone.


def stamps_of(pairs: xr.Dataset, recipe: Recipe) -> NDArray[np.float64]:
    """Stamps in float64, of the integrals over pixels."""
    names = ("sersic_index", "axis_ratio", "position_angle", "offset_y", "offset_x")
    return sersic(
        pairs["half_light_radius"].values / recipe.pixel_scale,
        *(pairs[name].values for name in names),
        shape=recipe.image_shape,
        sampling=recipe.sampling,
        dtype=np.float64,
    )


def stamps_by_astropy(pairs: xr.Dataset, recipe: Recipe) -> NDArray[np.float64]:
    """Stamps in float64, of the light at pixel centres."""
    height, width = recipe.image_shape
    y, x = np.mgrid[:height, :width]
    stamps = []
    for row in range(pairs.sizes["galaxy"]):
        one = {
            name: float(c[row]) for name, c in pairs.coords.items() if name in NEEDED
        }
        index, ratio = one["sersic_index"], one["axis_ratio"]
        radius = one["half_light_radius"] / recipe.pixel_scale
        b = special.gammaincinv(2 * index, 0.5)
        # The total of a profile whose surface brightness at the radius is 1
        total = 2 * np.pi * index * special.gamma(2 * index)
        total *= np.exp(b) * b ** (-2 * index) * radius**2 * ratio
        model = Sersic2D(
            amplitude=1 / total,
            r_eff=radius,
            n=index,
            x_0=(width - 1) / 2 + one["offset_x"],
            y_0=(height - 1) / 2 + one["offset_y"],
            ellip=1 - ratio,
            theta=np.radians(one["position_angle"] + 90),
        )
        stamps.append(model(x, y))
    return np.array(stamps)


NEEDED = {
    "half_light_radius",
    "sersic_index",
    "axis_ratio",
    "position_angle",
    "offset_y",
    "offset_x",
}


def images_of(
    pairs: xr.Dataset, seds: xr.DataArray, stamps: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """scale * factor * stamp * seds in float64."""
    template = xr.DataArray(pairs["sed_index"].values, dims="galaxy")
    images = {}
    for name, redshift in (("input", "z_in"), ("target", "z_out")):
        at = xr.DataArray(pairs[redshift].values, dims="galaxy")
        grid = seds.sel(filter=pairs["filter"].values.tolist())
        flux = grid.sel(redshift=at).isel(template=template)
        rows = pairs["brightness"].values[:, None] * (
            flux.transpose("galaxy", "filter").values * pairs.attrs["scale"]
        )
        images[name] = stamps[..., None] * rows[:, None, None, :]
    return images


def check_formula(
    pairs: xr.Dataset, seds: xr.DataArray, stamps: NDArray[np.float64], rtol: float
) -> None:
    assert (pairs["z_out"].values > pairs["z_in"].values).all()
    for name, expected in images_of(pairs, seds, stamps).items():
        # Below 1e-37 float32 loses digits.
        np.testing.assert_allclose(pairs[name].values, expected, rtol=rtol, atol=1e-36)
        assert pairs[name].dtype == np.float32
        assert (pairs[name].values > 0).any()


RECIPES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "odd and rectangular, off centre": {"image_shape": (31, 44), "profile": OFFSETS},
    "pixel centres": {"sampling": "centre", "image_shape": 41},
    "uniform pairs, a range of magnitudes": {
        "redshifts": {"law": "uniform"},
        "brightness": {
            "magnitude": {"distribution": "uniform", "minimum": 17, "maximum": 24},
            "brightness_redshift": "z_in",
        },
    },
    "the grid's own fluxes": {"brightness": {"law": "grid"}, "scale": 2.5},
}


@pytest.fixture(scope="module")
def smpy_seds(smpy_file) -> xr.DataArray:
    return read_seds(smpy_file)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("source", ["built-in", "smpy"])
def test_pairs_are_the_formula_of_the_design(request, source, name):
    seds = request.getfixturevalue("seds" if source == "built-in" else "smpy_seds")
    recipe = Recipe(galaxies=60, **RECIPES[name])
    pairs = simulate(recipe, seds)
    # Three roundings to float32: of the stamp, of the flux and of their product
    check_formula(pairs, seds, stamps_of(pairs, recipe), rtol=3e-7)


@pytest.mark.parametrize("source", ["built-in", "smpy"])
def test_pairs_are_the_formula_with_the_stamps_of_astropy(request, source):
    seds = request.getfixturevalue("seds" if source == "built-in" else "smpy_seds")
    recipe = Recipe(
        galaxies=30, image_shape=(31, 40), sampling="centre", profile=OFFSETS
    )
    pairs = simulate(recipe, seds)
    # float32, and 1e-8 between two ways to the light at a point
    check_formula(pairs, seds, stamps_by_astropy(pairs, recipe), rtol=1e-6)


def test_pairs_in_some_filters_are_the_formula(seds):
    recipe = Recipe(galaxies=20, filters=["wfc3_ir_f160w", "acs_wfc_f606w"])
    pairs = simulate(recipe, seds)
    assert pairs["filter"].values.tolist() == list(recipe.filters)
    check_formula(pairs, seds, stamps_of(pairs, recipe), rtol=3e-7)


def test_peaks_are_the_formula_with_stamps_over_their_brightest_pixel(seds):
    recipe = Recipe(galaxies=60, normalise="peak", profile=OFFSETS)
    pairs = simulate(recipe, seds)
    stamps = stamps_of(pairs, recipe)
    stamps /= stamps.max(axis=(1, 2), keepdims=True)
    # A fourth rounding: the brightest pixel is that of the float32 stamp.
    check_formula(pairs, seds, stamps, rtol=3e-7)


# The scale.


@pytest.mark.parametrize("source", ["built-in", "smpy"])
@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"image_shape": (31, 44), "profile": OFFSETS},
        {"image_shape": 31},
        {"normalise": "peak", "image_shape": 40},
        {"scale": {"over": "all"}, "sampling": "centre"},
        {"redshifts": {"z_in": 0.5, "z_out": 1.5}, "image_shape": 21},
    ],
    ids=str,
)
def test_the_brightest_input_pixel_is_10000(request, source, choices):
    seds = request.getfixturevalue("seds" if source == "built-in" else "smpy_seds")
    pairs = simulate(Recipe(galaxies=100, **choices), seds, variables=["input"])
    assert float(pairs["input"].max()) == pytest.approx(10000, rel=1e-5)


def test_the_brightest_pixel_of_the_first_galaxies_is_10000(seds):
    recipe = Recipe(**SMALL, scale={"max": 500, "over": 2})
    pairs = simulate(recipe, seds)
    first = float(pairs["input"][:2].max())
    assert first == pytest.approx(500, rel=1e-5)
    assert float(pairs["input"].max()) > first


@pytest.mark.parametrize(("scale", "number"), [(7.5, 7.5), (None, 1.0)])
def test_a_given_scale_is_taken_as_it_is(seds, scale, number):
    plain = simulate(Recipe(**SMALL, scale=None), seds)
    pairs = simulate(Recipe(**SMALL, scale=scale), seds)
    assert pairs.attrs["scale"] == number
    # The scale goes into the flux before it is rounded: two roundings of float32
    np.testing.assert_allclose(pairs["input"], number * plain["input"], rtol=2.5e-7)


# Lazy pairs.


@pytest.fixture(scope="module")
def at_once(seds) -> xr.Dataset:
    return simulate(Recipe(**SMALL), seds)


@settings(max_examples=20)
@given(chunks=st.integers(1, 30))
def test_lazy_pairs_have_the_same_bits_for_any_chunks(seds, at_once, chunks):
    lazy = build(Recipe(**SMALL), seds, chunks=chunks)
    assert lazy["input"].chunks[0][:-1] == (chunks,) * (-(-23 // chunks) - 1)
    xr.testing.assert_identical(lazy.compute(), at_once)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_every_scheduler_gives_the_same_bits(seds, at_once, scheduler):
    lazy = build(Recipe(**SMALL), seds, chunks=2)
    xr.testing.assert_identical(lazy.compute(scheduler=scheduler), at_once)


@settings(max_examples=20)
@given(rows=st.lists(st.integers(0, 22), max_size=12))
def test_selected_lazy_pairs_are_the_same_galaxies(seds, at_once, rows):
    rows = np.asarray(rows, dtype=np.int64)
    chosen = build(Recipe(**SMALL), seds, chunks=5).isel(galaxy=rows).compute()
    xr.testing.assert_identical(chosen, at_once.isel(galaxy=rows))
    alone = simulate(Recipe(**SMALL), seds, rows)
    xr.testing.assert_identical(chosen, alone)


def test_full_frames_are_the_same_galaxies_lazy_and_at_once(seds):
    recipe = Recipe(galaxies=10)
    lazy = build(recipe, seds, chunks=4)
    np.testing.assert_array_equal(
        lazy["target"][7].values, simulate(recipe, seds, [7])["target"][0].values
    )


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("an image was made")


def test_building_and_looking_make_no_image(seds, monkeypatch):
    monkeypatch.setattr(observing, "render_stamps", refuse)
    monkeypatch.setattr(module, "multiply", refuse)
    lazy = build(Recipe(**SMALL), seds, chunks=4)
    repr(lazy)
    lazy._repr_html_()
    lazy.isel(galaxy=slice(3, 9)).sel(filter="acs_wfc_f606w")
    lazy.isel(galaxy=lazy["z_in"].values > 1.0)
    lazy.where(lazy["z_in"] < 1.0, drop=True)
    lazy.chunk(galaxy=8)
    others = {"stellar_mass", "group", "image", "image_redshift", "invalid_pixels"}
    others |= {n for n, variable in VARIABLES.items() if "component" in variable.dims}
    others |= {
        "bulge_to_total",
        "age_out",
        "surviving_mass_ratio",
        *OBSERVED,
        *OF_IMAGES,
    }
    assert validate(lazy, [n for n in VARIABLES if n not in others]) == []
    # The poison works; other threads would go on with their chunks in the next test.
    with pytest.raises(AssertionError, match="an image was made"):
        lazy["input"].compute(scheduler="sync")


def test_one_task_for_each_chunk_makes_all_images(seds, monkeypatch):
    calls, lock = [], threading.Lock()
    render = observing.render_stamps

    def counted(recipe: Recipe, columns: Any, *args: Any, **options: Any) -> Any:
        with lock:
            calls.append(len(columns["z_in"]))
        return render(recipe, columns, *args, **options)

    monkeypatch.setattr(observing, "render_stamps", counted)
    lazy = build(Recipe(**SMALL), seds, chunks=5)
    dask.compute(lazy["input"], lazy["target"])
    assert sorted(calls) == [3, 5, 5, 5, 5]
    calls.clear()
    lazy["target"][7].compute()
    assert calls == [5]


def test_chunks_are_of_64_galaxies_by_default(seds):
    lazy = build(Recipe(galaxies=150, image_shape=4), seds)
    assert lazy["input"].chunks == ((64, 64, 22), (4,), (4,), (9,))


def test_equal_recipes_make_equal_graphs_and_others_do_not(seds):
    def name_of(chunks: int = 5, **choices: Any) -> str:
        lazy = build(Recipe(**{**SMALL, **choices}), seds, chunks=chunks)
        return str(lazy["input"].data.name)

    names = [
        name_of(),
        name_of(6),
        name_of(seed=3),
        name_of(scale=3),
        name_of(galaxies=24),
        name_of(profile={"axis_ratio": 1}),
    ]
    assert len(set(names)) == len(names)
    assert name_of() == names[0]


def test_truth_is_in_memory_and_images_are_not(seds):
    lazy = build(Recipe(**SMALL), seds)
    assert set(lazy.data_vars) == {"input", "target"}
    for name, coordinate in lazy.coords.items():
        assert not dask.is_dask_collection(coordinate.variable), name
    for image in lazy.data_vars.values():
        assert dask.is_dask_collection(image)


def test_defaults_are_those_of_recipe_and_built_in_grid(seds):
    galaxies = [3, 1]
    xr.testing.assert_identical(
        simulate(galaxies=galaxies), simulate(Recipe(), seds, galaxies)
    )
    lazy = build()
    assert lazy.sizes == {"galaxy": 1000, "y": 60, "x": 60, "filter": 9}


# To disk.


def test_lazy_pairs_read_back_equal_from_zarr(seds, at_once):
    lazy = build(Recipe(**SMALL), seds, chunks=5)
    # Consolidated metadata warns with this version of the format.
    lazy.to_zarr("pairs.zarr", consolidated=False)
    again = xr.open_zarr("pairs.zarr", consolidated=False)
    assert again["input"].encoding["chunks"][0] == 5
    xr.testing.assert_identical(again.load(), at_once)


def test_lazy_pairs_read_back_equal_from_netcdf(seds, at_once):
    build(Recipe(**SMALL), seds, chunks=5).to_netcdf("pairs.nc")
    with xr.open_dataset("pairs.nc") as again:
        xr.testing.assert_identical(again.load(), at_once)


def shards(chunk: int, shard: int) -> dict[str, Any]:
    encoding = {"chunks": (chunk, 9, 11, 9), "shards": (shard, 9, 11, 9)}
    return {"input": encoding, "target": encoding}


def test_shards_of_one_dask_chunk_read_back_equal(seds, at_once):
    lazy = build(Recipe(**SMALL), seds, chunks=10)
    lazy.to_zarr("pairs.zarr", encoding=shards(5, 10), consolidated=False)
    again = xr.open_zarr("pairs.zarr", consolidated=False)
    xr.testing.assert_identical(again.load(), at_once)


@pytest.mark.parametrize("encoding", [shards(5, 10), shards(5, 30)])
def test_a_shard_larger_than_a_dask_chunk_is_refused_with_the_cure(seds, encoding):
    # Two tasks that write one shard would lose galaxies.
    lazy = build(Recipe(**SMALL), seds, chunks=5)
    with pytest.raises(ValueError, match=r"overlap multiple Dask chunks.*`chunk\(\)`"):
        lazy.to_zarr("pairs.zarr", encoding=encoding, consolidated=False)


# What is refused.


def told(action: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(InputError) as caught:
        action(*args, **kwargs)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    "galaxies",
    [
        -1,
        [3, -1],
        1.5,
        [0.0, 1.0],
        "all",
        True,
        [True, False],
        [[1, 2], [3, 4]],
        [[1, 2], [3]],
        [2**63],
        2**64,
        [None],
        np.array([np.nan]),
    ],
    ids=str,
)
def test_what_are_no_ids_is_refused(seds, galaxies):
    message = told(simulate, Recipe(**SMALL), seds, galaxies)
    assert message.startswith("galaxies: got ")
    expected = ", expected a list of ids, 0 to 2^63 - 1; give whole numbers"
    assert message.endswith(expected)


@pytest.mark.parametrize(
    ("galaxies", "ids"),
    [
        (7, [7]),
        ([5, 5, 2], [5, 5, 2]),
        (range(2), [0, 1]),
        (np.array([3], dtype=np.uint8), [3]),
        (np.uint64(4), [4]),
        (2**63 - 1, [2**63 - 1]),
        ([], []),
    ],
)
def test_ids_may_come_in_any_form(seds, galaxies, ids):
    pairs = simulate(Recipe(**SMALL), seds, galaxies)
    assert pairs["galaxy_id"].values.tolist() == ids
    assert pairs["input"].shape == (len(ids), 9, 11, 9)


def test_only_the_variables_that_are_asked_for_are_made(seds, at_once):
    for asked in (["target"], "target", ("target",)):
        pairs = simulate(Recipe(**SMALL), seds, variables=asked)
        xr.testing.assert_identical(pairs, at_once.drop_vars("input"))
    pairs = simulate(Recipe(**SMALL), seds, variables=[])
    assert not pairs.data_vars
    assert validate(pairs, ["z_in", "flux_out", "wavelength"]) == []


@pytest.mark.parametrize("wrong", ["inputs", ["input", "output"], [3]])
def test_unknown_variables_are_refused(seds, wrong):
    message = told(simulate, Recipe(**SMALL), seds, variables=wrong)
    assert "expected among input, target; nearest: input" in message


@pytest.mark.parametrize("make", [simulate, build])
def test_fluxes_are_in_the_unit_that_the_grid_states(seds, make):
    recipe = Recipe(galaxies=3, image_shape=4, scale=1, brightness={"law": "grid"})
    plain = make(recipe, seds)["flux_in"]
    for units, factor in (("nJy", 1e-3), ("Jy", 1e6)):
        found = make(recipe, seds.assign_attrs(units=units))["flux_in"]
        np.testing.assert_allclose(found, plain * factor, rtol=1e-12)
    with pytest.raises(InputError, match=r"seds\.units: got mag, "):
        make(recipe, seds.assign_attrs(units="mag"))


@pytest.mark.parametrize("chunks", [0, -1, 1.5, "auto", None, True, (5, 5)], ids=str)
def test_what_is_no_number_of_galaxies_in_a_chunk_is_refused(seds, chunks):
    message = told(build, Recipe(**SMALL), seds, chunks=chunks)
    assert message.startswith("chunks: got ")
    assert "expected a number of galaxies; leave it out for 64" in message


def test_chunks_may_be_a_number_of_numpy(seds):
    lazy = build(Recipe(**SMALL), seds, chunks=np.int64(20))
    assert lazy["input"].chunks[0] == (20, 3)


def test_too_many_chunks_are_refused_with_the_cure(seds):
    message = told(build, Recipe(galaxies=100_001, image_shape=4), seds, chunks=1)
    assert message == (
        "chunks: got 1, expected at most 100000 chunks, not 100001; use argdask.write, "
        "or larger chunks"
    )
    # Nor are the columns of 10^12 galaxies made before that is said.
    assert "not 15625000000" in told(build, Recipe(galaxies=10**12, scale=1), seds)


def test_array_query_planning_is_refused_with_the_cure():
    script = "import argdask; argdask.build(argdask.Recipe(galaxies=2, scale=1))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "DASK_ARRAY__QUERY_PLANNING": "True"},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "argdask.errors.InputError: array.query-planning: got True, expected dask's "
        "array query planning to be off; unset DASK_ARRAY__QUERY_PLANNING, or call "
        "dask.config.set({'array.query-planning': False}) before dask.array is imported"
    )
