"""Arrays in files as numpy writes them, some rows at a time."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from argdask.store.files import WholeFile

__all__ = ["array_size", "write_array"]


def array_size(variable: xr.Variable) -> int:
    """Return the bytes of the file that holds a variable.

    Parameters
    ----------
    variable
        The variable, lazy or not.

    Returns
    -------
    int
        Bytes of header and values.
    """
    return len(_header(variable)) + int(variable.nbytes)


def write_array(
    file: WholeFile,
    variable: xr.Variable,
    rows: int,
    show: Callable[[int], None] | None = None,
) -> None:
    """Write a variable as `numpy.save` does.

    Parameters
    ----------
    file
        What to write to.
    variable
        The variable; a lazy one is read in steps.
    rows
        Rows that are read at once.
    show
        Called with the number of rows of each step.
    """
    file.write(_header(variable))
    for start in range(0, variable.shape[0], rows):
        values = variable[start : start + rows].values
        file.write(np.ascontiguousarray(values, _type(variable)))
        if show is not None:
            show(values.shape[0])


def _header(variable: xr.Variable) -> bytes:
    """Return what stands before the values."""
    text = io.BytesIO()
    fields = {
        "descr": np.lib.format.dtype_to_descr(_type(variable)),
        "fortran_order": False,
        "shape": tuple(variable.shape),
    }
    np.lib.format.write_array_header_1_0(text, fields)
    return text.getvalue()


def _type(variable: xr.Variable) -> np.dtype[Any]:
    dtype: np.dtype[Any] = variable.dtype
    return dtype.newbyteorder("<")
