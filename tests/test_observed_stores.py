"""Stores of observed galaxies: every layer, the PSFs, and a file that is long gone."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from damage import contents, files_of, flip, name_of_store
from distributed import Client, LocalCluster
from observed import OBSERVED

import argdask as ad
from argdask.errors import InputError
from argdask.schema import IMAGES, LAYERS
from argdask.store.formats import FORMATS

GALAXIES = 27
PSFS = ("psf_in", "psf_out", "psf_image_0")


def observed(star: Path, **choices: Any) -> ad.Recipe:
    """Return a recipe with every layer, whose last part is not full."""
    image = {"name": "image", "source": str(star), "pixel_scale": 0.03}
    given: dict[str, Any] = {
        "galaxies": GALAXIES,
        "image_shape": (12, 11),
        "filters": ["acs_wfc_f606w", "wfc3_ir_f160w"],
        "angular_size": True,
        "scale": 3.0,
        "layout": {"part": 8, "chunk": 4, "block": 16},
        "observation": {
            "psf": {"acs_wfc_f606w": image, "wfc3_ir_f160w": {"psf_fwhm": 0.15}},
            "noise": {"background_sigma": 2e-3, "gain": 500.0},
            "target": {"noise": {"background_sigma": 1e-3}},
        },
    }
    return ad.Recipe(**{**given, **choices})


def draw_star(path: Path) -> None:
    """Write an image of a star, with noise of its own and a sum that is not 1."""
    y, x = np.mgrid[-7:8, -7:8]
    light = np.exp(-(y**2 + x**2) / (2 * 1.7**2))
    np.save(path, light * np.random.default_rng(4).uniform(0.9, 1.1, light.shape))


@pytest.fixture(scope="module", params=sorted(FORMATS))
def good(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    seds: xr.DataArray,
) -> Path:
    """A complete store of each format, alone in its folder: the star is gone."""
    path = tmp_path_factory.mktemp("good") / name_of_store(request.param)
    draw_star(star_of(path))
    ad.write(observed(star_of(path)), path, seds=seds)
    star_of(path).unlink()
    return path


def star_of(path: Path) -> Path:
    """Return where the image was that a store was made with."""
    return path.parent.with_name("star.npy")


@pytest.fixture
def star(good: Path) -> Iterator[Path]:
    """The image, there again for one test."""
    path = star_of(good)
    draw_star(path)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(good, tmp_path / "folder" / good.name))


@pytest.fixture(scope="module")
def pairs(seds: xr.DataArray, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """The same galaxies in memory."""
    star = tmp_path_factory.mktemp("star") / "star.npy"
    draw_star(star)
    return ad.simulate(observed(star), seds)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as some,
        Client(some, set_as_default=False) as started,
    ):
        yield started


# What is in them.


def test_a_store_has_all_that_is_made_in_memory(good: Path, pairs: xr.Dataset) -> None:
    stored = ad.open_pairs(good, chunks=None)
    assert set(stored.data_vars) == set(IMAGES)
    assert set(stored.variables) >= OBSERVED
    assert set(stored.variables) == set(pairs.variables)
    for name, variable in pairs.variables.items():
        np.testing.assert_array_equal(stored[name], variable, err_msg=str(name))
        assert stored[name].dims == variable.dims
        assert stored[name].attrs == variable.attrs
    assert stored["psf_fwhm_in"].dims == ("filter",)
    assert stored["fraction_in_frame_out"].dims == ("galaxy",)


def test_noise_is_drawn_again_from_a_store(good: Path, pairs: xr.Dataset) -> None:
    stored = ad.open_pairs(good).drop_vars(["input_noisy", "target_noisy"])
    for epoch, same in ((0, True), (1, False)):
        drawn = ad.add_noise(stored, epoch)
        for name in ("input_noisy", "target_noisy"):
            assert bool((drawn[name] == pairs[name]).all()) is same


def test_psfs_as_pixels_see_them_travel_with_the_store(good: Path) -> None:
    kept = FORMATS_PSFS[good.suffix](good)
    assert set(kept.data_vars) == set(PSFS)
    for name in PSFS[:2]:
        assert kept[name].dims == ("filter", "y", "x")
        np.testing.assert_allclose(kept[name].sum(("y", "x")), 1.0, rtol=1e-5)
    # The filter's own, and wider where its FWHM is.
    peaks = kept["psf_in"].max(("y", "x")).values
    assert peaks[0] > peaks[1]
    assert kept["psf_image_0"].attrs["pixel_scale"] == 0.03


FORMATS_PSFS = {
    ".zarr": lambda path: xr.open_zarr(path, group="psfs", consolidated=False),
    ".nc": lambda path: xr.open_dataset(path / "psfs.nc"),
}


# The same bytes.


def test_workers_write_the_bytes_of_this_process(
    good: Path, star: Path, tmp_path: Path, client: Client, seds: xr.DataArray
) -> None:
    path = tmp_path / good.name
    ad.init(observed(star), path, seds=seds)
    # Workers need nothing but the store.
    star.unlink()
    ad.write(None, path, client=client)
    assert contents(path) == contents(good)


KILLED = """
import os, signal, sys
import argdask as ad

def kill(made, galaxies):
    if made >= 16:
        os.kill(os.getpid(), signal.SIGKILL)

recipe = ad.Recipe.model_validate_json(sys.argv[2])
ad.write(recipe, sys.argv[1], progress=kill)
"""


def test_a_run_that_is_killed_goes_on_to_the_same_bytes(
    good: Path, star: Path, tmp_path: Path
) -> None:
    path = tmp_path / good.name
    recipe = observed(star)
    arguments = [sys.executable, "-c", KILLED, path, recipe.model_dump_json()]
    killed = subprocess.run(arguments, check=False)
    assert killed.returncode == -signal.SIGKILL
    star.unlink()
    assert ad.write(recipe, path).made == GALAXIES - 16
    assert contents(path) == contents(good)
    assert list(tmp_path.iterdir()) == [path]


def test_more_galaxies_have_the_bytes_of_all_at_once(
    copy: Path, good: Path, star: Path, tmp_path: Path, seds: xr.DataArray
) -> None:
    larger = observed(star, galaxies=35)
    star.unlink()
    ad.init(larger, copy)
    ad.part(copy, 0, 2)
    ad.write(larger, copy)
    draw_star(star)
    ad.write(larger, tmp_path / good.name, seds=seds)
    assert contents(copy) == contents(tmp_path / good.name)
    assert ad.verify(copy, full=True).passed


SUBSETS = [some for n in (1, 2) for some in itertools.combinations(LAYERS, n)]


@pytest.mark.parametrize(
    ("layers", "kind"),
    list(zip(SUBSETS, itertools.cycle(sorted(FORMATS)), strict=False)),
)
def test_any_of_the_layers_can_be_kept(
    layers: tuple[str, ...],
    kind: str,
    tmp_path: Path,
    seds: xr.DataArray,
    pairs: xr.Dataset,
) -> None:
    star = tmp_path / "star.npy"
    draw_star(star)
    choices = observed(star).model_dump()["observation"] | {"layers": layers}
    path = tmp_path / name_of_store(kind)
    ad.write(observed(star, galaxies=10, observation=choices), path, seds=seds)
    stored = ad.open_pairs(path, chunks=None)
    endings = tuple("" if name == "clean" else f"_{name}" for name in layers)
    names = [r + e for e in endings for r in ("input", "target")]
    assert sorted(stored.data_vars) == sorted(names)
    assert set(stored.coords) == set(pairs.coords)
    for name in names:
        np.testing.assert_array_equal(stored[name], pairs[name][:10])
    assert ad.verify(path).passed


# Damage.


def brighten(path: Path, name: str, row: int) -> None:
    """Change one pixel of a galaxy in the second part."""
    place = (3, 4, 1)
    if path.suffix == ".zarr":
        array = zarr.open_array(path / name, mode="r+")
        array[(row, *place)] = array[(row, *place)] + 1.0
        return
    (file,) = files_of(path, "part", 1)
    with netCDF4.Dataset(path / file, "r+") as dataset:
        images = dataset[name]
        images[(row - 8, *place)] = images[(row - 8, *place)] + 1.0


def test_a_changed_pixel_of_any_layer_is_found_and_mended(
    copy: Path, good: Path
) -> None:
    for row, name in enumerate(IMAGES, 9):
        brighten(copy, name, row)
    report = ad.verify(copy, full=True)
    assert report.pieces == (("part", 1),)
    told = {detail for check in report.checks for detail in check.details}
    expected = {
        f"part 1: {name} differs in rows [{row}]" for row, name in enumerate(IMAGES, 9)
    }
    assert {one for one in told if "differs in rows" in one} == expected
    assert ad.repair(copy).passed
    assert contents(copy) == contents(good)


def test_any_file_is_mended_without_the_image_of_the_psf(
    copy: Path, good: Path
) -> None:
    whole = contents(good)
    assert any("psfs" in name for name in whole)
    wrong = [name for name in whole if "psfs" in name]
    wrong += files_of(good, "part", 3)
    for harm in (flip, Path.unlink):
        for name in wrong:
            harm(copy / name)
        assert set(ad.verify(copy).wrong) == set(wrong)
        assert ad.repair(copy).passed
        assert contents(copy) == whole


def test_a_store_that_lost_its_psfs_is_mended_from_the_file(
    copy: Path, good: Path, star: Path
) -> None:
    whole = contents(good)
    (copy / "spare.zip").unlink()
    for name in whole:
        if "psf_image" in name or name == "psfs.nc":
            (copy / name).unlink()
    before = contents(copy)
    star.unlink()
    done = ad.repair(copy)
    assert not done.passed
    assert "its PSFs; bring back the files that its recipe names" in done.lost[0]
    assert contents(copy) == before
    # Another star is none of its.
    np.save(star, np.ones((15, 15)))
    assert not ad.repair(copy).passed
    draw_star(star)
    assert ad.repair(copy).passed
    assert contents(copy) == whole


def test_an_incomplete_store_that_lost_all_psfs_says_so(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    draw_star(tmp_path / "star.npy")
    path = tmp_path / "pairs.zarr"
    ad.init(observed(tmp_path / "star.npy"), path, seds=seds)
    group = path / "psfs" / "zarr.json"
    metadata = json.loads(group.read_text())
    for name in (path / "psfs").iterdir():
        if name.is_dir():
            shutil.rmtree(name)
    metadata.pop("consolidated_metadata", None)
    group.write_text(json.dumps(metadata))
    with pytest.raises(InputError, match="the PSFs it was planned with"):
        ad.write(None, path)


# Other recipes.


def test_a_store_whose_images_have_a_psf_of_their_own_is_asked_for_a_moved_one(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    draw_star(tmp_path / "star.npy")
    np.save("images.npy", np.random.default_rng(2).lognormal(0, 1, (4, 12, 12)))

    def with_star(name: str) -> ad.Recipe:
        image = {"name": "image", "source": str(tmp_path / name), "pixel_scale": 0.03}
        profile = {"name": "images", "source": "images.npy", "pixel_scale": 0.06}
        return ad.Recipe(
            galaxies=4,
            image_shape=12,
            profile={**profile, "psf": image},
            observation={"psf": {"psf_fwhm": 0.2}},
            filters=["wfc3_ir_f160w"],
        )

    recipe, path = with_star("star.npy"), tmp_path / "pairs.zarr"
    ad.init(recipe, path, seds=seds)
    (tmp_path / "star.npy").rename(tmp_path / "moved.npy")
    # What a file is called is no choice, and it is not needed for the same recipe.
    for name in ("moved.npy", "star.npy"):
        ad.init(with_star(name), path, seds=seds)
    with pytest.raises(InputError, match=r"profile\.psf\.source: got .*gone"):
        ad.init(with_star("gone.npy"), path, seds=seds)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"noise": {"background_sigma": 2e-3}}, "observation.noise.gain (500.0 there"),
        ({"layers": ("noisy",)}, "observation.layers"),
        ({"target": None}, "observation.target.noise.background_sigma (0.001"),
    ],
)
def test_another_observation_is_refused_with_the_keys_that_differ(
    good: Path, star: Path, changes: dict[str, Any], named: str
) -> None:
    before = contents(good.parent)
    mine = observed(star)
    choices = {**mine.model_dump()["observation"], **changes}
    with pytest.raises(InputError, match=re.escape(f"differs in {named}")) as caught:
        ad.write(observed(star, observation=choices), good)
    assert "\n" not in str(caught.value)
    assert contents(good.parent) == before


def test_another_star_in_the_same_file_is_refused(good: Path, star: Path) -> None:
    np.save(star, np.ones((15, 15)))
    with pytest.raises(InputError, match="it differs in psfs"):
        ad.write(observed(star), good)


# Exports.


def test_exports_have_every_layer(good: Path, pairs: xr.Dataset) -> None:
    ad.export(good, "arrays")
    for name in IMAGES:
        role, _, layer = name.partition("_")
        file = f"arrays/{role}galaxies{'_' if layer else ''}{layer}.npy"
        np.testing.assert_array_equal(np.load(file), pairs[name])
    ad.export(good, "all.nc", layout="netcdf")
    with xr.open_dataset("all.nc") as single:
        for name in OBSERVED | set(IMAGES):
            np.testing.assert_array_equal(single[name], pairs[name], err_msg=name)
    with xr.open_dataset("all.nc", group="psfs") as psfs:
        # A star in the middle of each frame, in each filter.
        assert psfs["psf_in"].sizes["filter"] == pairs.sizes["filter"]
        np.testing.assert_allclose(psfs["psf_out"].sum(("y", "x")), 1, rtol=1e-6)
