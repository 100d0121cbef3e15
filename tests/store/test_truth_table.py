"""The table keeps what users' grids bring: odd texts, odd units, missing values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy import units
from astropy.table import Table

from argdask.store.files import whole_file
from argdask.store.truth_table import longest_size, write_truth


@pytest.fixture
def pairs() -> xr.Dataset:
    texts = np.array(["a, b", 'say "c"', "d e"], dtype=np.dtypes.StringDType())
    return xr.Dataset(
        coords={
            "filter": ("filter", ["g", "r"]),
            "flux_in": (("galaxy", "filter"), np.pi * np.arange(6.0).reshape(3, 2)),
            "z_in": ("galaxy", [0.1, 1e-300, np.nan], {"units": "1"}),
            "template_name": ("galaxy", texts),
            "metallicity": ("galaxy", [0.1, -np.inf, 2.0], {"units": "Zsun_of_mine"}),
            "age": ("galaxy", np.float32([0.1, 0.2, 0.3]), {"units": "Gyr"}),
            "redshift_of_something_else": ("other", [1.0]),
        }
    )


def _written(pairs: xr.Dataset) -> Path:
    with whole_file(Path("truth.ecsv")) as file:
        write_truth(file, pairs)
    return Path("truth.ecsv")


@pytest.mark.filterwarnings("ignore:'Zsun_of_mine' did not parse")
def test_reads_back_to_the_same_values(pairs: xr.Dataset) -> None:
    table = Table.read(_written(pairs))
    names = ["z_in", "flux_in_g", "flux_in_r", "age", "metallicity", "template_name"]
    assert table.colnames == names
    for name in ("z_in", "age", "metallicity"):
        np.testing.assert_array_equal(table[name], pairs[name].values)
    np.testing.assert_array_equal(table["flux_in_r"], pairs["flux_in"].values[:, 1])
    assert table["template_name"].tolist() == pairs["template_name"].values.tolist()
    assert table["age"].dtype == np.float32
    assert table["age"].unit == units.Gyr
    assert str(table["metallicity"].unit) == "Zsun_of_mine"


def test_takes_no_more_bytes_a_number_than_said(pairs: xr.Dataset) -> None:
    rows = _written(pairs).read_text("utf-8").splitlines()[-3:]
    assert sum(map(len, rows)) < longest_size(pairs)
