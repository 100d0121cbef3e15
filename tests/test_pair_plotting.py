"""The picture of one galaxy: its images, its fluxes, its truth."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from laziness import watched
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import argdask as ad
from argdask.errors import InputError

SEEN = {"psf": {"psf_fwhm": 0.2}, "noise": {"background_sigma": 1e-3}}


@pytest.fixture(scope="module")
def pairs(seds: xr.DataArray) -> xr.Dataset:
    recipe = ad.Recipe(galaxies=3, image_shape=(12, 14))
    return ad.simulate(recipe, seds).isel(filter=[1, 4, 8])


@pytest.fixture(scope="module")
def observed(seds: xr.DataArray) -> xr.Dataset:
    recipe = ad.Recipe(
        galaxies=2,
        image_shape=12,
        angular_size=True,
        profile={"name": "components"},
        observation=SEEN,
    )
    return ad.simulate(recipe, seds).isel(filter=[1, 8])


def rows_of(figure: Figure, columns: int) -> list[list[Axes]]:
    """Return the axes with images, row by row; the last two axes are other panels."""
    axes = figure.axes[:-2]
    return [axes[start : start + columns] for start in range(0, len(axes), columns)]


def texts_of(axis: Axes) -> str:
    return "\n".join(text.get_text() for text in axis.texts)


def test_a_pair_that_differs_by_brightness_alone_has_no_residual(
    pairs: xr.Dataset,
) -> None:
    rows = rows_of(ad.plot_pair(pairs, galaxy=1), columns=4)
    pair = pairs.isel(galaxy=1)
    labels = [row[0].get_ylabel() for row in rows]
    assert labels == [
        f"input\nz = {float(pair['z_in']):.4g}",
        f"target\nz = {float(pair['z_out']):.4g}",
    ]
    titles = [axis.get_title() for axis in rows[0][1:]]
    assert titles == [str(name).split("_")[-1] for name in pair["filter"].values]
    assert rows[0][0].get_title().startswith("red f160w")
    ratio = (pair["flux_out"] / pair["flux_in"]).values
    for column, axis in enumerate(rows[1][1:]):
        assert texts_of(axis) == f"ratio {ratio[column]:.3g}"
        high = float(pair["input"][..., column].max()) / pairs.attrs["scale"]
        assert texts_of(rows[0][column + 1]) == f"0 to {high:.2g}"


def test_images_share_a_stretch_and_stand_in_arcsec(pairs: xr.Dataset) -> None:
    rows = rows_of(ad.plot_pair(pairs), columns=4)
    for column in range(3):
        cubes = [pairs[name].values[0, ..., column] for name in ("input", "target")]
        high = max(cube.max() for cube in cubes)
        for row, cube in zip(rows, cubes, strict=True):
            (image,) = row[column + 1].images
            expected = np.arcsinh(500 * cube / high) / np.arcsinh(500)
            # The images are divided by the scale first: float32 rounding.
            np.testing.assert_allclose(
                image.get_array(), expected, rtol=1e-5, atol=1e-6
            )
            assert image.origin == "lower"
            half_width, half_height = 7 * 0.06, 6 * 0.06
            expected_extent = [-half_width, half_width, -half_height, half_height]
            assert image.get_extent() == pytest.approx(expected_extent)
    assert rows[-1][1].get_xlabel() == "x, y [arcsec]"
    colours = ad.composite(pairs, galaxies=1)
    for row, name in zip(rows, ("input", "target"), strict=True):
        shown = row[0].images[0].get_array()
        np.testing.assert_array_equal(shown, colours[name].values[0])


def test_every_layer_has_its_rows_and_a_residual(observed: xr.Dataset) -> None:
    figure = ad.plot_pair(observed, galaxy=-1)
    rows = rows_of(figure, columns=3)
    words = [row[0].get_ylabel().split("\n")[0] for row in rows]
    kinds = ("input", "target", "residual")
    layers = ("", "convolved ", "noisy ")
    assert words == [f"{layer}{kind}" for layer in layers for kind in kinds]
    pair, scale = observed.isel(galaxy=1), observed.attrs["scale"]
    ratio = (pair["flux_out"] / pair["flux_in"]).values[0]
    residual = (pair["target"] - ratio * pair["input"]).values[..., 0] / scale
    image = rows[2][1].images[0]
    limit = np.abs(residual).max()
    assert texts_of(rows[2][1]) == f"±{limit:.2g}"
    knee = 0.02 * limit
    expected = np.arcsinh(residual / knee) / np.arcsinh(limit / knee)
    # The residual is a small difference of float32 numbers.
    np.testing.assert_allclose(image.get_array(), expected, atol=1e-3)
    assert image.get_clim() == (-1, 1)
    assert not rows[2][0].images
    # Where there is noise the limits say how far below zero they begin.
    assert texts_of(rows[6][1]).startswith("-0.003 to ")


def test_layers_are_chosen(observed: xr.Dataset) -> None:
    figure = ad.plot_pair(observed, layers=["noisy"])
    assert len(rows_of(figure, columns=3)) == 3
    assert len(rows_of(ad.plot_pair(observed, layers="clean"), columns=3)) == 3
    inputs = observed.drop_vars([n for n in observed if str(n).startswith("target")])
    assert len(rows_of(ad.plot_pair(inputs, layers=["clean"]), columns=3)) == 1


def test_fluxes_stand_at_both_redshifts_with_the_template(
    pairs: xr.Dataset,
) -> None:
    figure = ad.plot_pair(pairs, galaxy=2)
    fluxes, truth = figure.axes[-2:]
    pair = pairs.isel(galaxy=2)
    assert [line.get_label() for line in fluxes.lines] == [
        f"input, z = {float(pair['z_in']):.4g}",
        f"target, z = {float(pair['z_out']):.4g}",
    ]
    for line, name in zip(fluxes.lines, ("flux_in", "flux_out"), strict=True):
        np.testing.assert_allclose(line.get_xdata(), pair["wavelength"] / 1e4)
        np.testing.assert_array_equal(line.get_ydata(), pair[name])
    assert fluxes.get_xlabel() == "wavelength [um]"
    assert fluxes.get_ylabel() == "total flux [uJy]"
    name, dust = pair["template_name"].item(), pair["e_bv"].item()
    told = f"{name}, E(B-V) {dust:g}" if dust else name
    assert fluxes.get_title() == f"template {told}"
    dusty = ad.plot_pair(pairs.assign_coords(e_bv=0.2), galaxy=2).axes[-2]
    assert dusty.get_title() == f"template {name}, E(B-V) 0.2"
    told = texts_of(truth)
    assert f"sersic_index\n     {float(pair['sersic_index']):.4g}\n" in told
    assert f"{float(pair['half_light_radius']):.4g} arcsec" in told


def test_components_have_fluxes_and_templates_of_their_own(
    observed: xr.Dataset,
) -> None:
    fluxes, truth = ad.plot_pair(observed, layers="noisy").axes[-2:]
    labels = [line.get_label() for line in fluxes.lines]
    assert [one for one in labels if "," in str(one) and "z" not in str(one)] == [
        *("bulge, input", "disc, input"),
        *("bulge, target", "disc, target"),
    ]
    parts = observed["component_flux_in"].isel(galaxy=0)
    np.testing.assert_array_equal(
        fluxes.lines[2].get_ydata(), parts.sel(component="disc")
    )
    numbers = observed["component_sed_index"].values[0]
    assert f"bulge: number {numbers[0]}, disc: number {numbers[1]}" in (
        fluxes.get_title()
    )
    assert "bulge_to_total" in texts_of(truth)


def test_filters_without_flux_are_left_out_of_the_panel(pairs: xr.Dataset) -> None:
    dark = pairs.isel(galaxy=0).copy(deep=True)
    dark["flux_in"][0] = 0
    figure = ad.plot_pair(dark)
    assert len(figure.axes[-2].lines[0].get_xdata()) == 2
    # Nor has a ratio to no flux a value.
    assert texts_of(rows_of(figure, columns=4)[1][1]) == ""


def test_galaxies_that_are_not_made_are_drawn_as_nothing(observed: xr.Dataset) -> None:
    dark = observed.isel(galaxy=[0]).copy(deep=True)
    dark["target"][...] = np.nan
    rows = rows_of(ad.plot_pair(dark, layers="clean"), columns=3)
    assert len(rows) == 2
    assert not np.isfinite(np.ma.filled(rows[1][1].images[0].get_array(), np.nan)).any()
    for name in ("input", "target"):
        dark[name][...] = 0
    assert len(rows_of(ad.plot_pair(dark, layers="clean"), columns=3)) == 2


@pytest.mark.parametrize("which", ["pairs", "observed"])
def test_nothing_printed_runs_out_of_the_picture(
    which: str, request: pytest.FixtureRequest
) -> None:
    figure = ad.plot_pair(request.getfixturevalue(which))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    width, height = figure.canvas.get_width_height()
    texts = [text for axis in figure.axes for text in axis.texts] + figure.texts
    for axis in figure.axes:
        texts += [axis.title, axis.xaxis.label, axis.yaxis.label]
    for text in texts:
        if text.get_text():
            box = text.get_window_extent(renderer)
            assert min(box.x0, box.y0) >= 0, text
            assert box.x1 <= width, text
            assert box.y1 <= height, text


def test_only_the_galaxy_that_is_drawn_is_computed(pairs: xr.Dataset) -> None:
    lazy, computed = watched(pairs)
    ad.plot_pair(lazy, galaxy=2)
    assert sorted(chunk[0] for chunk in computed) == [2, 2]


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"galaxy": 3}, "galaxy: got 3, expected a row of the 3 there are"),
        ({"galaxy": -4}, "galaxy: got -4"),
        ({"layers": ["noisy"]}, "layers: got noisy, expected among clean"),
    ],
)
def test_bad_choices_are_refused(
    pairs: xr.Dataset, choices: dict[str, object], expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        ad.plot_pair(pairs, **choices)


def test_a_dataset_of_one_filter_is_refused(pairs: xr.Dataset) -> None:
    with pytest.raises(InputError, match="a dataset of one filter"):
        ad.plot_pair(pairs.isel(filter=0))
