"""A store carries its user's table, and knows it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import argdask as ad
from argdask.errors import InputError
from argdask.store import work

SMALL: dict[str, Any] = {"image_shape": 8, "layout": {"part": 4, "chunk": 2}}


def table(rows: int = 10, **columns: Any) -> dict[str, Any]:
    return {
        "galaxy_id": np.arange(rows)[::-1] * 3 + 1,
        "group": np.arange(rows) // 2,
        "z_in": np.linspace(0.1, 1.5, rows),
        **columns,
    }


def write(seds: Any, catalogue: Any = None, **choices: Any) -> Any:
    recipe = ad.Recipe(**{**SMALL, **choices})
    return ad.write(recipe, "pairs.zarr", seds=seds, catalogue=catalogue)


def test_a_store_has_the_rows_of_the_table_and_verifies(seds):
    assert write(seds, table()).made == 10
    pairs = ad.open_pairs("pairs.zarr")
    assert pairs["galaxy_id"].values.tolist() == table()["galaxy_id"].tolist()
    assert pairs["group"].values.tolist() == table()["group"].tolist()
    made = ad.simulate(ad.Recipe(**SMALL), seds, [28, 1], catalogue=table())
    np.testing.assert_array_equal(pairs["input"][[0, 9]].values, made["input"])
    assert ad.verify("pairs.zarr").passed
    # A table that was changed in the store is found by its checksum and by its hash.
    group = zarr.open_group("pairs.zarr/catalogue", mode="r+")
    group["z_in"][3] = 0.11
    work._simulation_of.cache_clear()
    checks = ad.verify("pairs.zarr").checks
    assert not checks[0].passed
    assert "the catalogue it was planned with" in checks[1].details[0]


def test_only_as_many_rows_are_carried_as_there_are_galaxies(seds):
    write(seds, table(10), galaxies=6)
    assert zarr.open_group("pairs.zarr/catalogue")["z_in"].shape == (6,)
    # Later rows are none of the store's.
    longer = table(10)
    longer["z_in"][7] = 1.0
    assert write(seds, longer, galaxies=6).made == 0
    assert ad.verify("pairs.zarr").passed


def test_going_on_compares_the_table(seds):
    write(seds, table())
    assert write(seds, table()).made == 0
    assert ad.write(None, "pairs.zarr").made == 0
    assert ad.write(None, "pairs.zarr", catalogue=table()).made == 0
    other = table()
    other["group"][0] = 8
    with pytest.raises(InputError) as caught:
        write(seds, other)
    assert "it differs in catalogue (" in str(caught.value)
    cut = {name: values[:9] for name, values in table().items()}
    with pytest.raises(InputError, match=r"galaxies: got 9, expected 10 as in"):
        write(seds, cut)
    with pytest.raises(InputError, match=r"galaxies: got 10, expected at most 9"):
        write(seds, cut, galaxies=10)


def test_a_table_of_templates_by_name_is_stored_by_number(seds):
    names = seds["template_name"].values[[3, 50]]
    dust = seds["e_bv"].values[[3, 50]]
    data = {"template_name": names, "template_e_bv": dust}
    write(seds, data)
    assert ad.open_pairs("pairs.zarr")["sed_index"].values.tolist() == [3, 50]
    assert set(zarr.open_group("pairs.zarr/catalogue")) == {"galaxy_id", "sed_index"}
    assert write(seds, data).made == 0
    assert write(seds, {"sed_index": [3, 50]}).made == 0


def test_a_plan_without_a_table_says_nothing_of_one(seds):
    write(seds, galaxies=3)
    plan = work.read_plan(Path("pairs.zarr"))
    assert plan.catalogue is None
    assert "catalogue" not in plan.choices
    with pytest.raises(InputError, match=r"it differs in catalogue \(None there"):
        write(seds, table(3), galaxies=3)
