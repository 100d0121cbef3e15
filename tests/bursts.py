"""Grids of single bursts that fade as a known law says, for tests of evolution.

Each burst has a flat spectrum: its flux per Hz is the same in all filters, and changes
with the redshift as (1 + z) / d_L^2. Per solar mass formed its light fades as a power
of its age, and of the mass formed a known fraction survives.
"""

from __future__ import annotations

import json
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.cosmology import FlatLambdaCDM
from numpy.typing import ArrayLike, NDArray

from argdask.seds import check_seds

Floats = NDArray[np.float64]

COSMOLOGY = FlatLambdaCDM(70 * u.km / u.s / u.Mpc, 0.3)
FADING = -0.8


def time_at(redshift: ArrayLike) -> Floats:
    """Age of the Universe [yr]."""
    return np.asarray(COSMOLOGY.age(redshift).to_value("yr"))


def light(age: ArrayLike) -> Floats:
    """Light for one solar mass formed."""
    return (np.asarray(age) / 1e9) ** FADING


def surviving(age: ArrayLike) -> Floats:
    """Fraction of the mass formed that survives."""
    return 1 / (1 + 0.12 * np.log1p(np.asarray(age) / 1e7))


def dimming(redshift: ArrayLike) -> Floats:
    """Flux of a flat spectrum for the same luminosity per Hz."""
    distance = COSMOLOGY.luminosity_distance(redshift).to_value("Gpc")
    return (1 + np.asarray(redshift)) / distance**2


def bursts(redshift: ArrayLike, ages: ArrayLike, tracks: int = 1) -> xr.DataArray:
    """Return a grid for one solar mass, all ages of one metallicity after the other."""
    age = np.tile(np.asarray(ages, float), tracks)
    metallicity = np.repeat(1.0 + np.arange(tracks), len(np.atleast_1d(ages)))
    one = light(age) / surviving(age) / metallicity
    flux = dimming(redshift)[:, None, None] * np.ones((1, 2, 1)) * one
    coords: dict[str, Any] = {
        "redshift": np.asarray(redshift, float),
        "filter": ["blue", "red"],
        "wavelength": ("filter", [5000.0, 8000.0]),
        "template_name": ("template", [f"burst {k}" for k in range(age.size)]),
        "age": ("template", age),
        "metallicity": ("template", metallicity),
        "surviving_mass": ("template", surviving(age)),
    }
    known = {"name": "FlatLambdaCDM", "H0": 70.0, "Om0": 0.3}
    attrs = {"star_formation_time": "absolute", "per_solar_mass": 1}
    attrs |= {"source": "bursts", "cosmology": json.dumps(known)}
    dims = ("redshift", "filter", "template")
    return check_seds(xr.DataArray(flux, dims=dims, coords=coords, attrs=attrs))
