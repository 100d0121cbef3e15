"""Names, dimensions and units of the statistics of a store's pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["PERCENTILES", "labelled"]

PERCENTILES = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 99.9)
"""Which are kept."""

_IMAGE_UNITS = "scale uJy / pixel"
_STRINGS = np.dtypes.StringDType()

_NAMES: dict[str, tuple[str, str, str]] = {
    "pixels": ("int64", "1", "number of pixels"),
    "missing": ("int64", "1", "pixels without a value"),
    "minimum": ("float64", _IMAGE_UNITS, "lowest pixel"),
    "maximum": ("float64", _IMAGE_UNITS, "highest pixel"),
    "mean": ("float64", "1", "mean of asinh(pixel / softening)"),
    "standard_deviation": (
        "float64",
        "1",
        "standard deviation of asinh(pixel / softening)",
    ),
    "asinh_percentile": ("float64", "1", "percentile of asinh(pixel / softening)"),
}


def labelled(
    variables: Sequence[str],
    filters: Sequence[str],
    softening: float,
    values: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Label statistics.

    Parameters
    ----------
    variables
        Names of the image variables.
    filters
        Names of the filters.
    softening
        What pixels are divided by, in the unit of the images.
    values
        Arrays (variable, filter) by name, percentiles with one dimension more; where
        there are none yet, NaN and 0.

    Returns
    -------
    Dataset
        With names, units and the softening.
    """
    dims = ("variable", "filter")
    sizes = len(variables), len(filters)
    found: dict[str, Any] = {}
    for name, (kind, units, long_name) in _NAMES.items():
        more = ("percentile",) if name == "asinh_percentile" else ()
        shape = (*sizes, len(PERCENTILES)) if more else sizes
        nothing = np.full(shape, np.nan if kind == "float64" else 0)
        array = np.asarray(nothing if values is None else values[name], kind)
        attributes = {"units": units, "long_name": long_name}
        found[name] = ((*dims, *more), array, attributes)
    share = {"units": "%", "long_name": "share of the pixels that are not above"}
    coordinates = {
        "variable": ("variable", np.array(variables, _STRINGS)),
        "filter": ("filter", np.array(filters, _STRINGS)),
        "percentile": ("percentile", np.array(PERCENTILES), share),
    }
    return xr.Dataset(found, coordinates, {"softening": softening})
