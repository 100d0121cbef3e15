"""The picture of the truth: what is counted, and that no image is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes

import argdask as ad
from argdask.errors import InputError


@pytest.fixture(scope="module")
def pairs(seds: xr.DataArray) -> xr.Dataset:
    return ad.build(ad.Recipe(galaxies=600, image_shape=8), seds)


def panels_of(figure: Any) -> dict[str, Axes]:
    """Return the panels by their labels on one line."""
    named = {axis.get_xlabel().replace("\n", " "): axis for axis in figure.axes}
    return {name: axis for name, axis in named.items() if name}


def counts_of(axis: Axes) -> np.ndarray:
    """Return the counts of the first histogram of a panel."""
    return np.asarray(axis.patches[0].get_data().values)


def test_every_axis_has_its_name_and_unit(pairs: xr.Dataset) -> None:
    figure = ad.plot_truth(pairs)
    panels = panels_of(figure)
    assert list(panels) == [
        "redshift of the input",
        "number of the template in the SED grid",
        "AB magnitude of the total flux in f814w [mag]",
        "semi-major axis of the ellipse with half the light [arcsec]",
        "Sersic index",
        "minor over major axis",
    ]
    assert panels["redshift of the input"].get_ylabel() == "redshift of the target"
    others = [axis for name, axis in panels.items() if "redshift" not in name]
    assert {axis.get_ylabel() for axis in others} == {"galaxies"}
    title = figure.get_suptitle()
    assert "600 of 600 galaxies" in title
    # Brightness is the same for all by default: a word, not a panel.
    assert "AB magnitude in the brightness filter [mag]: 18 for all" in title


def test_every_galaxy_is_counted_once(pairs: xr.Dataset) -> None:
    panels = panels_of(ad.plot_truth(pairs))
    for name, axis in panels.items():
        if "redshift" not in name:
            assert counts_of(axis).sum() == 600, name
    mesh = panels["redshift of the input"].collections[0]
    counts = np.ma.filled(mesh.get_array(), 0)
    assert np.nansum(counts) == 600
    # No target is nearer than its input: nothing below the diagonal of the grid.
    z_in, z_out = np.unique(pairs["z_in"]), np.unique(pairs["z_out"])
    centres = mesh.get_coordinates()[:-1, :-1] + 0.025
    below = centres[..., 1] < centres[..., 0]
    assert np.nansum(counts[below]) == 0
    assert counts.shape[0] >= z_out.size
    assert counts.shape[1] >= z_in.size


def test_magnitudes_are_those_of_both_fluxes(pairs: xr.Dataset) -> None:
    axis = panels_of(ad.plot_truth(pairs))[
        "AB magnitude of the total flux in f814w [mag]"
    ]
    edges = axis.patches[0].get_data().edges
    for patch, name in zip(axis.patches[::2], ("flux_in", "flux_out"), strict=True):
        flux = pairs[name].sel(filter="acs_wfc_f814w").values
        expected, _ = np.histogram(23.9 - 2.5 * np.log10(flux), edges)
        # A magnitude may fall on the other side of an edge by its last bit.
        assert np.abs(patch.get_data().values - expected).sum() <= 2
    legend = axis.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["input", "target"]


def test_no_image_is_read(pairs: xr.Dataset) -> None:
    def never(block: np.ndarray) -> np.ndarray:
        raise AssertionError("an image was computed")

    guarded = pairs.copy()
    for name in ("input", "target"):
        data = pairs[name].data.map_blocks(never, dtype=np.float32, meta=np.empty(0))
        guarded[name] = (pairs[name].dims, data)
    with pytest.raises(AssertionError):
        guarded["input"][0].compute()
    ad.plot_truth(guarded)


def test_many_galaxies_are_thinned_evenly(pairs: xr.Dataset) -> None:
    figure = ad.plot_truth(pairs, galaxies=250)
    assert "200 of 600 galaxies" in figure.get_suptitle()
    thinned = ad.plot_truth(pairs.isel(galaxy=slice(None, None, 3)))
    both = [panels_of(f)["Sersic index"] for f in (figure, thinned)]
    np.testing.assert_array_equal(*(counts_of(axis) for axis in both))


@pytest.mark.parametrize("name", ["pairs.zarr", "pairs.nc"])
def test_a_store_is_drawn_as_what_is_in_memory(
    tmp_path: Path, seds: xr.DataArray, name: str
) -> None:
    recipe = ad.Recipe(galaxies=20, image_shape=8, filters=["wfc3_ir_f160w"])
    ad.write(recipe, tmp_path / name, seds=seds)
    stored = ad.plot_truth(ad.open_pairs(tmp_path / name), galaxies=7)
    made = ad.plot_truth(ad.simulate(recipe, seds), galaxies=7)
    assert "7 of 20 galaxies" in stored.get_suptitle()
    for axis, other in zip(stored.axes, made.axes, strict=True):
        assert axis.get_xlabel() == other.get_xlabel()
        counts = [
            np.array([p.get_data().values for p in a.patches]) for a in (axis, other)
        ]
        np.testing.assert_array_equal(*counts)


def test_components_and_both_sizes_are_told_apart(seds: xr.DataArray) -> None:
    recipe = ad.Recipe(
        galaxies=40, image_shape=8, angular_size=True, profile={"name": "components"}
    )
    panels = panels_of(ad.plot_truth(ad.build(recipe, seds)))
    sizes = panels["semi-major axis of the ellipse with half the light [arcsec]"]
    names = [text.get_text() for text in sizes.get_legend().get_texts()]
    assert names == ["bulge z_in", "disc z_in", "bulge z_out", "disc z_out"]
    assert sizes.get_xscale() == "log"
    assert "fraction of the light in the bulge, in the brightness filter" in panels
    assert "number of the component's template" in panels


def test_a_few_templates_are_named(seds: xr.DataArray) -> None:
    few = seds.isel(template=[0, 1, 177])
    panels = panels_of(ad.plot_truth(ad.build(ad.Recipe(galaxies=30), few)))
    ticks = [label.get_text() for label in panels["template"].get_xticklabels()]
    last = few["template_name"].values[2], few["e_bv"].values[2]
    assert ticks == ["El", "El, E(B-V) 0.1", "{}, E(B-V) {}".format(*last)]


def test_galaxies_that_are_not_made_are_left_out(seds: xr.DataArray) -> None:
    some = ad.simulate(ad.Recipe(galaxies=20, image_shape=8), seds)
    some["z_in"][5:] = np.nan
    assert "5 of 20 galaxies" in ad.plot_truth(some).get_suptitle()
    some["z_in"][...] = np.nan
    with pytest.raises(InputError, match="no galaxy that is made"):
        ad.plot_truth(some)


def test_one_galaxy_is_a_distribution_too(pairs: xr.Dataset) -> None:
    one = ad.plot_truth(pairs.isel(galaxy=[3]))
    assert "Sersic index: " in one.get_suptitle()
    with pytest.raises(InputError, match="a dataset with galaxies"):
        ad.plot_truth(pairs.isel(galaxy=3))
