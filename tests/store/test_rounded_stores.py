"""Stores of rounded pixels: the same from every source, and the error is told."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from numcodecs.bitround import BitRound

import argdask as ad
from argdask import cli
from argdask.comparison import equal_rows
from argdask.errors import InputError
from argdask.store.work import read_plan

KEEP_BITS = 7
ERROR = 2.0**-8
PLACES = {"zarr": "pairs.zarr", "netcdf": "pairs.nc"}


def recipe(keep_bits: int | None = KEEP_BITS, **choices: Any) -> ad.Recipe:
    """Return a recipe with noise that does not depend on the light, in two parts."""
    observation = {
        "psf": {"psf_fwhm": 0.15},
        "noise": {"background_sigma": 1e-3, "gain": None},
    }
    layout = {"part": 8, "chunk": 4, "keep_bits": keep_bits}
    given = {"galaxies": 12, "image_shape": 6, "filters": ["acs_wfc_f606w"]}
    return ad.Recipe(**given, observation=observation, layout=layout, **choices)


@pytest.fixture(scope="module", params=sorted(PLACES))
def rounded(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("rounded") / PLACES[request.param]
    ad.write(recipe(), path)
    return path


def test_stored_pixels_are_those_of_the_recipe_rounded_by_numcodecs(
    rounded: Path,
) -> None:
    exact = ad.simulate(recipe(None))
    pairs = ad.open_pairs(rounded)
    codec = BitRound(keepbits=KEEP_BITS)
    assert len(pairs.data_vars) == 6
    for name, images in pairs.data_vars.items():
        whole = exact[name].values
        expected = codec.decode(codec.encode(whole.copy())).reshape(whole.shape)
        assert np.array_equal(images.values, expected)
        assert not np.array_equal(whole, expected)
        assert "largest_relative_error" not in exact[name].attrs


def test_all_sources_have_the_same_pixels_and_attributes(rounded: Path) -> None:
    pairs, made = ad.open_pairs(rounded), ad.simulate(recipe())
    lazy = ad.build(recipe(), chunks=5)
    for name, images in made.data_vars.items():
        for other in (pairs[name], lazy[name]):
            assert np.array_equal(images.values, other.values)
            assert images.attrs == other.attrs
        assert images.attrs["largest_relative_error"] == ERROR
    choices: Any = {"batch_size": 4, "layers": "noisy", "shuffle": False}
    batches = zip(
        *(ad.batches(source, **choices) for source in (rounded, recipe())), strict=True
    )
    count = 0
    for stored, drawn in batches:
        rows = slice(count, count + len(stored["input"]))
        assert np.array_equal(stored["input"], drawn["input"])
        assert np.array_equal(stored["input"], made["input_noisy"].values[rows])
        count = rows.stop
    assert count == 12


def test_any_reader_is_told_of_the_error(rounded: Path) -> None:
    if rounded.suffix == ".zarr":
        found = xr.open_zarr(rounded)["target"].attrs["largest_relative_error"]
    else:
        with netCDF4.Dataset(min(rounded.glob("part-*.nc"))) as file:
            found = file["target"].largest_relative_error
    assert found == ERROR


def test_statistics_are_those_of_what_is_stored(rounded: Path) -> None:
    pairs = ad.open_pairs(rounded)
    statistics = ad.pixel_statistics(rounded)
    for name, images in pairs.data_vars.items():
        own = statistics.sel(variable=name)
        assert own["maximum"].values == images.max(["galaxy", "y", "x"]).values
        assert own["minimum"].values == images.min(["galaxy", "y", "x"]).values


def test_a_rounded_store_is_verified_and_so_is_its_copy(
    rounded: Path, tmp_path: Path
) -> None:
    assert ad.verify(rounded, full=True).passed
    copy = tmp_path / "copy.zarr"
    with warnings.catch_warnings():
        # Consolidated metadata is not in the specification of Zarr 3 yet.
        warnings.simplefilter("ignore")
        ad.open_pairs(rounded).to_zarr(copy)
    report = ad.verify(copy, full=True)
    assert report.passed
    # The copy does not say what made it.
    assert "12 galaxies, to 1e-05" in report.to_text()


def test_on_another_machine_a_pixel_may_be_rounded_the_other_way() -> None:
    stored = np.array([[1.0], [1.0 + 2.0**-7], [1.0 + 2.0**-6]], np.float32)
    made, elsewhere = np.ones((3, 1), np.float32), np.zeros(3, bool)
    told: Any = {"error": ERROR}
    assert equal_rows(stored, made, elsewhere, **told).tolist() == [True, True, False]
    assert equal_rows(stored, made, ~elsewhere, **told).tolist() == [True, False, False]
    assert equal_rows(stored, made, elsewhere).tolist() == [True, False, False]


def test_noise_is_drawn_anew_on_rounded_light(rounded: Path) -> None:
    pairs = ad.open_pairs(rounded)
    again = ad.add_noise(pairs, epoch=0)
    for role in ("input", "target"):
        stored, light = pairs[f"{role}_noisy"], pairs[f"{role}_convolved"]
        found = again[f"{role}_noisy"]
        assert found.attrs["largest_relative_error"] == ERROR
        bits = found.values.view(np.uint32)
        assert not (bits & ((1 << (23 - KEEP_BITS)) - 1)).any()
        # That of the light, and twice that of the sum; sums are rounded too.
        most = ERROR * (abs(light) + 2 * abs(stored) + abs(light)) * 1.01
        assert bool((abs(found - stored) <= most).all())
        assert bool((found != stored).any())


def test_a_store_is_extended_with_as_many_bits_only(tmp_path: Path) -> None:
    path = tmp_path / "pairs.zarr"
    ad.write(recipe(), path)
    more = {"galaxies": 20}
    for other in (None, 8):
        asked = recipe(other).model_copy(update=more)
        with pytest.raises(InputError, match=r"layout\.keep_bits"):
            ad.write(asked, path)
    ad.write(recipe().model_copy(update=more), path)
    at_once = ad.simulate(recipe().model_copy(update=more))
    assert np.array_equal(ad.open_pairs(path)["input"], at_once["input"])


def test_bits_are_chosen_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.zarr"
    given = ["generate", str(path), "--galaxies", "4", "--set", "image_shape=4"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*given, "--keep-bits", "12"])
    assert ended.value.code == 0
    assert read_plan(path).recipe.layout.keep_bits == 12
    pixels = ad.open_pairs(path)["input"].values
    assert not np.any(pixels.view(np.uint32) % 2**11)


@pytest.mark.parametrize("bits", ["0", "23"])
def test_bits_that_are_not_there_are_refused_in_one_line(
    tmp_path: Path, bits: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.zarr"
    with pytest.raises(SystemExit) as ended:
        cli.main(["generate", str(path), "--galaxies", "4", "--keep-bits", bits])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "keep_bits" in line
    assert not path.exists()


def test_a_plan_without_it_is_as_it_always_was(rounded: Path) -> None:
    plan = read_plan(rounded)
    assert plan.choices["layout"]["keep_bits"] == KEEP_BITS
    whole = recipe(None)
    assert "layout" not in whole.identity()
    text = json.loads(plan.to_json())
    del text["recipe"]["layout"]["keep_bits"]
    older = type(plan).from_json(json.dumps(text))
    assert "keep_bits" not in older.choices["layout"]
    assert set(plan.differences(older)) == {"layout.keep_bits"}
