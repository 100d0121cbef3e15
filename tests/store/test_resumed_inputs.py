"""What a user brought is there again when a run goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import argdask as ad
from argdask import driver
from argdask.errors import IncompleteError, InputError

TABLE = {"galaxy_id": np.arange(12)[::-1] * 2, "image": np.arange(12) // 3}


def broken_off(monkeypatch: pytest.MonkeyPatch, seds: Any) -> ad.Recipe:
    """Make a store of which parts are missing."""
    np.save("images.npy", np.random.default_rng(2).lognormal(0, 1, (4, 6, 6)))
    recipe = ad.Recipe(
        profile={"name": "images", "source": "images.npy"},
        layout={"part": 4, "chunk": 2},
    )
    work = driver.make_piece

    def some(path: str, fingerprint: str, kind: str, index: int) -> Any:
        if (kind, index) == ("part", 1):
            raise RuntimeError("killed")
        return work(path, fingerprint, kind, index)

    with monkeypatch.context() as patched:
        patched.setattr(driver, "make_piece", some)
        with pytest.raises(IncompleteError, match="part 1"):
            ad.write(recipe, "pairs.zarr", seds=seds, catalogue=TABLE)
    return recipe


def test_a_run_goes_on_with_the_table_of_the_store(seds, monkeypatch):
    recipe = broken_off(monkeypatch, seds)
    assert ad.write(None, "pairs.zarr").made == 4
    pairs = ad.open_pairs("pairs.zarr")
    expected = ad.simulate(recipe, seds, catalogue=TABLE)
    np.testing.assert_array_equal(pairs["target"].values, expected["target"])
    assert ad.verify("pairs.zarr").passed


def test_a_run_does_not_go_on_with_other_images(seds, monkeypatch):
    broken_off(monkeypatch, seds)
    np.save("images.npy", np.ones((4, 6, 6)))
    with pytest.raises(InputError, match="the images that the store was planned with"):
        ad.write(None, "pairs.zarr")
