"""Which table a recipe means, and how many galaxies it then has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import argdask as ad
from argdask.errors import InputError
from argdask.recipe import Recipe
from argdask.recipe_tables import completed, table_of
from argdask.tables import read_table

TABLE = {"galaxy_id": [7, 3, 12], "axis_ratio": [0.5, 0.6, 0.7]}
SMALL = {"image_shape": 8, "scale": 2.0}


def test_a_table_comes_from_the_argument_or_from_the_recipe():
    Path("t.csv").write_text("galaxy_id,offset_x,more\n4,1.5,1\n")
    chosen = {"path": "t.csv", "ignore": ["more"]}
    table = table_of(Recipe(catalogue=chosen))
    assert table is not None
    assert table.names == ("galaxy_id", "offset_x")
    assert table_of(Recipe()) is None
    own = read_table(TABLE)
    assert table_of(Recipe(), own) is own
    with pytest.raises(InputError, match=r"catalogue: got a table, and another in the"):
        table_of(Recipe(catalogue=chosen), TABLE)


def test_the_number_of_galaxies_is_that_of_the_rows_or_less():
    table = read_table(TABLE)
    assert completed(Recipe(), None, None).galaxies == 1000
    assert completed(Recipe(), table, None).galaxies == 3
    assert completed(Recipe(galaxies=2), table, None).galaxies == 2
    with pytest.raises(
        InputError, match=r"galaxies: got 4, expected at most 3, the ro"
    ):
        completed(Recipe(galaxies=4), table, None)


@pytest.mark.parametrize("kind", ["dict", "table", "frame", "dataset", "path"])
def test_a_set_has_the_rows_of_its_table(seds, kind):
    table = read_table(TABLE)
    catalogue = {
        "dict": lambda: TABLE,
        "table": lambda: table,
        "frame": lambda: pd.DataFrame(TABLE),
        "dataset": table.to_dataset,
        "path": lambda: "t.csv",
    }[kind]()
    pd.DataFrame(TABLE).to_csv("t.csv", index=False)
    pairs = ad.simulate(Recipe(**SMALL), seds, catalogue=catalogue)
    assert pairs["galaxy_id"].values.tolist() == [7, 3, 12]
    assert pairs["axis_ratio"].values.tolist() == [0.5, 0.6, 0.7]
    lazy = ad.build(Recipe(**SMALL), seds, chunks=2, catalogue=catalogue)
    assert lazy.compute().identical(pairs)
    one = ad.simulate(Recipe(**SMALL), seds, [12, 7], catalogue=catalogue)
    np.testing.assert_array_equal(one["input"], pairs["input"][[2, 0]])
    with pytest.raises(InputError, match=r"galaxies: got 5, expected ids of the catal"):
        ad.simulate(Recipe(**SMALL), seds, [5], catalogue=catalogue)


def test_wrong_rows_are_told_before_anything_is_made(seds):
    bad = {"z_in": [0.5, 2.0]}
    for make in (ad.simulate, ad.build):
        with pytest.raises(InputError, match=r"catalogue.z_in, row 1"):
            make(Recipe(image_shape=8), seds, catalogue=bad)
    with pytest.raises(InputError, match=r"catalogue.z_in, row 1"):
        ad.write(Recipe(image_shape=8), "pairs.zarr", seds=seds, catalogue=bad)
    assert not Path("pairs.zarr").exists()
