"""Pairs of galaxies whose profiles are given, for tests of what is in their pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

import argdask as ad

Floats = NDArray[np.float64]

ONE = "acs_wfc_f775w"
NAMES = (
    "half_light_radius",
    "sersic_index",
    "axis_ratio",
    "position_angle",
    "offset_y",
    "offset_x",
)
UNITS = {
    "half_light_radius": "arcsec",
    "position_angle": "deg",
    "offset_y": "pixel",
    "offset_x": "pixel",
}


def seen(
    seds: xr.DataArray, rows: Any, shape: tuple[int, int], **choices: Any
) -> xr.Dataset:
    """Return pairs of galaxies whose profiles are given, lengths in pixels."""
    table = pd.DataFrame(np.asarray(rows, float), columns=NAMES)
    table["sed_index"] = 0
    catalogue = ad.read_table(table, units=UNITS)
    given: dict[str, Any] = {
        "image_shape": shape,
        "pixel_scale": 1.0,
        "filters": [ONE],
        "scale": 1.0,
        "redshifts": {"z_in": 0.3, "z_out": 0.8},
        "reference_redshift": 0.3,
    }
    return ad.simulate(ad.Recipe(**{**given, **choices}), seds, catalogue=catalogue)


def light(pairs: xr.Dataset, name: str) -> Floats:
    """Return images (galaxy, filter, y, x) of galaxies with a flux of 1."""
    end = "in" if name.startswith("input") else "out"
    images = pairs[name] / pairs[f"flux_{end}"]
    return images.transpose("galaxy", "filter", "y", "x").values.astype(float)


def worst(found: Floats, expected: Floats) -> float:
    return float(abs(found - expected).max() / expected.max())


def axes_of(angle: float) -> tuple[Floats, Floats]:
    """Return the major and the minor axis (y, x): from +y towards -x."""
    turn = math.radians(angle)
    major = np.array([math.cos(turn), -math.sin(turn)])
    return major, np.array([math.sin(turn), math.cos(turn)])
