"""Pictures: what is drawn is what was asked for, and nothing else is computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dask.array as da
import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from laziness import watched

import argdask as ad
from argdask.errors import InputError
from argdask.plotting import preview, save

ENDINGS = ("", "_convolved", "_noisy")


@pytest.fixture(scope="module")
def pairs(seds: xr.DataArray) -> xr.Dataset:
    recipe = ad.Recipe(galaxies=3, image_shape=(12, 14))
    return ad.simulate(recipe, seds).isel(filter=[1, 4, 8])


def images_of(pairs: xr.Dataset) -> list[list[list[object]]]:
    """Return the pictures on a preview by galaxy, role and filter."""
    figure = preview(pairs)
    count, filters = pairs.sizes["galaxy"], pairs.sizes["filter"]
    images = [axes.images[0] for axes in figure.axes]
    assert len(images) == count * 2 * filters
    shaped = np.array(images, object).reshape(count, 2, filters)
    return shaped.tolist()


def test_there_is_a_picture_of_each_galaxy_role_and_filter(pairs: xr.Dataset) -> None:
    figure = preview(pairs)
    assert len(figure.axes) == 3 * 2 * 3
    assert len(preview(pairs, galaxies=2).axes) == 2 * 2 * 3
    assert len(preview(pairs.isel(filter=[0]), galaxies=1).axes) == 2


def test_the_input_stands_above_the_target_and_filters_go_across(
    pairs: xr.Dataset,
) -> None:
    boxes = [axes.get_position() for axes in preview(pairs).axes]
    grid = np.array([[box.x0, box.y0] for box in boxes]).reshape(3, 2, 3, 2)
    across, up = grid[..., 0], grid[..., 1]
    assert (np.diff(across, axis=2) > 0).all()
    assert (up[:, 0] > up[:, 1]).all()
    assert (up[:-1].min(axis=(1, 2)) > up[1:].max(axis=(1, 2))).all()


def test_both_roles_share_one_stretch_up_to_their_brightest_pixel(
    pairs: xr.Dataset,
) -> None:
    shown = images_of(pairs)
    for galaxy in range(3):
        for column in range(3):
            cubes = [
                pairs[name].values[galaxy, ..., column] for name in ("input", "target")
            ]
            pictures = [shown[galaxy][role][column] for role in range(2)]
            brightest = max(cube.max() for cube in cubes)
            for cube, picture in zip(cubes, pictures, strict=True):
                assert picture.get_clim() == (0, 1)
                assert picture.origin == "lower"
                # asinh with its knee at 1/500 of the brightest; float32 rounding.
                expected = np.arcsinh(500 * cube / brightest) / np.arcsinh(500)
                np.testing.assert_allclose(
                    picture.get_array(), expected, rtol=1e-5, atol=1e-7
                )
            assert max(p.get_array().max() for p in pictures) == pytest.approx(1)


def test_every_layer_has_a_row_and_noise_is_shown_below_zero(
    seds: xr.DataArray,
) -> None:
    seen = {"psf": {"psf_fwhm": 0.2}, "noise": {"background_sigma": 1e-3}}
    recipe = ad.Recipe(galaxies=2, image_shape=12, scale=10.0, observation=seen)
    observed = ad.simulate(recipe, seds).isel(filter=[2, 8])
    axes = np.array(preview(observed).axes, object).reshape(2, 6, 2)
    told = [axis.get_ylabel().split("\n")[0] for axis in axes[0, :, 0]]
    layers = ["convolved", "noisy"]
    assert told == ["input", *layers, "target", *layers]
    sigma = 0.01
    names = [f"{role}{end}" for role in ("input", "target") for end in ENDINGS]
    for galaxy, column in ((0, 0), (1, 1)):
        cubes = [observed[name].values[galaxy, ..., column] for name in names]
        high = max(cube.max() for cube in cubes)
        assert axes[galaxy, 0, column].get_title().endswith(f"-0.03 to {high:.3g}")
        knee = max(high / 500, sigma)
        low = np.arcsinh(-3 * sigma / knee)
        for row, cube in enumerate(cubes):
            shown = axes[galaxy, row, column].images[0].get_array()
            expected = (np.arcsinh(cube / knee) - low) / (np.arcsinh(high / knee) - low)
            np.testing.assert_allclose(shown, expected, rtol=1e-5, atol=1e-6)


def test_in_colour_the_galaxies_go_across_and_wrap(seds: xr.DataArray) -> None:
    recipe = ad.Recipe(galaxies=10, image_shape=(6, 8))
    many = ad.simulate(recipe, seds)
    figure = preview(many, rgb=True)
    axes = np.array(figure.axes, object).reshape(2, 2, 8)
    made = ad.composite(many)
    for galaxy in range(10):
        block, column = divmod(galaxy, 8)
        for row, (name, end) in enumerate((("input", "z_in"), ("target", "z_out"))):
            axis = axes[block, row, column]
            shown = axis.images[0].get_array()
            np.testing.assert_array_equal(shown, made[name].values[galaxy])
            assert axis.texts[0].get_text() == f"z = {float(many[end][galaxy]):.4g}"
    # What is left of the last row is empty.
    assert not any(axis.images for axis in axes[1, :, 2:].flat)
    told = "red f160w, green f814w, blue f435w; one asinh stretch for each galaxy"
    assert [text.get_text() for text in figure.texts] == [told]
    assert [axes[0, row, 0].texts[1].get_text() for row in range(2)] == [
        "input",
        "target",
    ]


def test_a_dataset_without_images_is_refused(pairs: xr.Dataset) -> None:
    with pytest.raises(InputError, match="without images"):
        preview(pairs.drop_vars(["input", "target"]))


def test_limits_redshifts_and_filters_are_printed(pairs: xr.Dataset) -> None:
    axes = np.array(preview(pairs).axes, object).reshape(3, 2, 3)
    for galaxy in range(3):
        one = pairs.isel(galaxy=galaxy)
        for column in range(3):
            both = [one[name].values[..., column].max() for name in ("input", "target")]
            title = axes[galaxy, 0, column].get_title()
            told = title.split(" to ")[-1]
            # Three figures at least, and no powers of ten.
            assert float(told.replace(",", "")) == pytest.approx(max(both), rel=5e-3)
            assert "e" not in told
            # The names of the filters stand once, at the top.
            short = str(pairs["filter"].values[column]).split("_")[-1]
            assert title.startswith(short) == (galaxy == 0)
        labels = [axes[galaxy, role, 0].get_ylabel() for role in range(2)]
        assert labels[0] == f"input\nz = {float(one['z_in']):g}"
        assert labels[1] == f"target\nz = {float(one['z_out']):g}"


@pytest.mark.parametrize("rgb", [False, True])
def test_nothing_printed_runs_out_of_the_picture(pairs: xr.Dataset, rgb: bool) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = preview(pairs.isel(galaxy=[0]), rgb=rgb)
    renderer = FigureCanvasAgg(figure).get_renderer()
    # Labels find their places as they are drawn.
    figure.draw_without_rendering()
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        for text in (axes.title, axes.yaxis.label, *axes.texts, *figure.texts):
            box = text.get_window_extent(renderer)
            if text.get_text():
                assert box.x0 >= 0
                assert box.y0 >= 0
                assert box.x1 <= width
                assert box.y1 <= height


def test_only_the_galaxies_that_are_drawn_are_computed(pairs: xr.Dataset) -> None:
    lazy, computed = watched(pairs)
    preview(lazy, galaxies=2)
    assert sorted(chunk[0] for chunk in computed) == [0, 0, 1, 1]
    # The dataset that was given stays lazy.
    assert isinstance(lazy["input"].data, da.Array)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_images_without_light_are_drawn(pairs: xr.Dataset, value: float) -> None:
    dark = pairs.isel(galaxy=[0]).copy(deep=True)
    dark["target"][...] = value
    axes = np.array(preview(dark).axes, object).reshape(2, 3)
    brightest = float(dark["input"][0, ..., 0].max())
    assert axes[0, 0].get_title().endswith(f"0 to {brightest:,.0f}")
    dark["input"][...] = value
    axes = np.array(preview(dark).axes, object).reshape(2, 3)
    assert axes[0, 0].get_title().endswith("0 to 0")


@pytest.mark.parametrize("name", ["p.png", "p.pdf", "p.svg"])
def test_a_picture_is_saved_by_its_ending(
    pairs: xr.Dataset, tmp_path: Path, name: str
) -> None:
    save(preview(pairs, galaxies=1), tmp_path / name)
    starts = {"p.png": b"\x89PNG", "p.pdf": b"%PDF", "p.svg": b"<?xml"}
    assert (tmp_path / name).read_bytes().startswith(starts[name])


@pytest.mark.parametrize("name", ["p.xyz", "none/p.png", "."])
def test_what_cannot_be_saved_is_refused(
    pairs: xr.Dataset, tmp_path: Path, name: str
) -> None:
    expected = r"picture: got .*a file for a picture \(.*try preview\.png"
    with pytest.raises(InputError, match=expected):
        save(preview(pairs, galaxies=1), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_no_window_and_no_global_state_is_needed(pairs: xr.Dataset) -> None:
    def settings() -> dict[str, object]:
        # The backend is looked for when anybody first asks for one.
        return {key: mpl.rcParams[key] for key in mpl.rcParams if key != "backend"}

    before = settings()
    preview(pairs, galaxies=1)
    assert settings() == before
    script = "import sys, argdask.plotting as p; p.figure_class(); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "matplotlib.figure" in ran.stdout.split()
    assert "matplotlib.pyplot" not in ran.stdout.split()


BLOCKED = """
import sys

sys.modules["matplotlib"] = None
from argdask.cli import main
from argdask.plotting import preview

try:
    preview(None)
except ImportError as error:
    print(error)
main(["preview", "r.yaml", "-o", "p.png", "--galaxies", "1"])
"""


def test_without_matplotlib_the_extra_is_named(tmp_path: Path) -> None:
    Path("r.yaml").write_text("galaxies: 2\nimage_shape: 8\n")
    ran = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=False
    )
    message = "pictures need matplotlib: pip install 'argdask[plot]'"
    assert ran.stdout.strip() == message
    assert ran.stderr.strip() == f"argdask: {message}"
    assert ran.returncode == 2


def test_a_notebook_shows_a_picture_though_pyplot_was_never_used(
    pairs: xr.Dataset,
) -> None:
    from IPython.core.formatters import PNGFormatter

    shown = PNGFormatter()(preview(pairs, galaxies=1))
    assert shown.startswith(b"\x89PNG")
