"""What the tests of the store share: a small recipe and the store it makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import argdask as ad


@pytest.fixture(scope="session")
def recipe() -> ad.Recipe:
    """A hundred small galaxies in seven parts, the last one of four."""
    layout = {"part": 16, "chunk": 4}
    return ad.Recipe(galaxies=100, image_shape=(16, 14), layout=layout)


@pytest.fixture(scope="session")
def store(
    tmp_path_factory: pytest.TempPathFactory, recipe: ad.Recipe, seds: xr.DataArray
) -> Path:
    """A complete store that no test may change."""
    path = tmp_path_factory.mktemp("store") / "pairs.zarr"
    ad.write(recipe, path, seds=seds)
    return path


@pytest.fixture(scope="session")
def netcdf_store(
    tmp_path_factory: pytest.TempPathFactory, recipe: ad.Recipe, seds: xr.DataArray
) -> Path:
    """The same in the other format; no test may change it either."""
    path = tmp_path_factory.mktemp("netcdf") / "pairs.nc"
    ad.write(recipe, path, seds=seds)
    return path


@pytest.fixture(scope="session", params=["zarr", "netcdf"])
def any_store(request: pytest.FixtureRequest) -> Path:
    """Each of the two in turn."""
    name = "store" if request.param == "zarr" else "netcdf_store"
    return Path(request.getfixturevalue(name))


@pytest.fixture(scope="session")
def simulated(recipe: ad.Recipe, seds: xr.DataArray) -> xr.Dataset:
    """The same galaxies, made at once in memory."""
    return ad.simulate(recipe, seds)


@pytest.fixture
def awkward_grid() -> xr.DataArray:
    """A grid with all that a user may bring: holes, text, stacked templates."""
    flux = np.random.default_rng(5).uniform(0.5, 2, (4, 3, 6))
    flux[0, :, 1] = np.nan
    flux[2, 0, 2] = np.inf
    flux[1, :, 3] = 0
    flux[:, 0, 4] = 0
    grid = xr.DataArray(
        flux,
        dims=("redshift", "filter", "kind"),
        coords={
            "redshift": [0.2, 0.4, 0.8, 1.6],
            "filter": np.array(["u", "a longer name", "ß"], object),
            "wavelength": ("filter", [3500, 6000, 9000]),
            "zero_point": ("filter", np.float32([1, 2, 3])),
        },
        attrs={"note": "by hand", "list": [1, 2], "flag": True},
    )
    return grid.rename(kind="template").assign_coords(
        age=("template", [np.nan, 1e8, 1e8, 1e9, 1e9, 1e9]),
        young=("template", [True, True, False, False, False, True]),
        number=("template", np.arange(6, dtype=np.int16)),
        label=("template", ["", "b", "c'", 'd"', "e", "ü"]),
    )
