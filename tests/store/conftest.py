"""What the tests of the store share: a small recipe and the store it makes."""

from __future__ import annotations

from pathlib import Path

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
def simulated(recipe: ad.Recipe, seds: xr.DataArray) -> xr.Dataset:
    """The same galaxies, made at once in memory."""
    return ad.simulate(recipe, seds)
