"""Files of arrays are those of numpy, in however many steps they are written."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from argdask.store.arrays import array_size, write_array
from argdask.store.files import whole_file


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i4", "i8"])
def test_the_file_is_what_numpy_saves(tmp_path: Path, rows: int, dtype: str) -> None:
    values = np.arange(7 * 5).reshape(7, 5).astype(dtype)
    variable = xr.Variable(("galaxy", "filter"), values)
    steps: list[int] = []
    with whole_file(tmp_path / "array.npy") as file:
        write_array(file, variable, rows, steps.append)
    saved = io.BytesIO()
    np.save(saved, values.astype(values.dtype.newbyteorder("<")))
    assert (tmp_path / "array.npy").read_bytes() == saved.getvalue()
    assert array_size(variable) == len(saved.getvalue())
    assert sum(steps) == 7
    assert max(steps) == min(rows, 7)
