"""How fast an SED grid is built on one core, against a loop over speclite.

The loop is what people write: for each template, redshift and filter one call of
`get_ab_maggies` with the redshifted, absorbed spectrum. Both have the same templates,
curves, absorption and cosmology; their magnitudes must agree to a thousandth.
"""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from measuring import Measured, interleaved, main, on_one_core, peer
from numpy.typing import NDArray
from sedpy import observate

import argdask as ad
from argdask.igm import madau1995_transmission
from argdask.photometry import calzetti2000_transmission, luminosity_density
from argdask.seds import cosmology
from argdask.spectra import package_spectrum

__all__ = ["measure"]

Floats = NDArray[np.float64]

TITLE = "SED grid, per core"
_NAMES = ("El", "Sbc", "Scd", "Im", "SB3", "SB2")
_MEGAPARSEC = 3.0856775814913674e24  # cm
_AB = 3631e6  # uJy
_STEP = 1e-4  # of ln(wavelength), as argdask integrates


def curve_of(response: Any, name: str) -> Any:
    """Return sedpy's curve for speclite, which wants it to begin and end with zero."""
    curve = observate.Filter(name)
    wavelength, values = curve.wavelength, np.maximum(curve.transmission, 0.0)
    ends = np.array([wavelength[0] - 1e-3, wavelength[-1] + 1e-3])
    return response(
        wavelength=np.concatenate([ends[:1], wavelength, ends[1:]]),
        response=np.concatenate([[0.0], values, [0.0]]),
        meta={"group_name": "argdask", "band_name": name},
    )


def spectra_of(excess: float) -> list[tuple[Floats, Floats]]:
    """Return the rest-frame templates behind dust, Angstrom and erg / s / Angstrom."""
    found = []
    for name in _NAMES:
        template = package_spectrum("desc-bpz", name)
        known, shape = template.wavelength, template.luminosity
        there = np.interp(5500.0, known, shape)
        fine = np.exp(np.arange(np.log(1000.0), np.log(30000.0), _STEP))
        light = np.interp(fine, known, shape) / there
        light *= luminosity_density(-20.0, 5500.0)
        found.append((fine, light * calzetti2000_transmission(fine, excess)))
    return found


def loop(
    spectra: list[tuple[Floats, Floats]],
    redshifts: Floats,
    distances: Floats,
    curves: list[Any],
) -> Floats:
    """Return fluxes [uJy] (template, redshift, filter), one by one."""
    fluxes = np.empty((len(spectra), len(redshifts), len(curves)))
    for t, (rest, luminosity) in enumerate(spectra):
        for r, (z, distance) in enumerate(zip(redshifts, distances, strict=True)):
            observed = rest * (1 + z)
            area = 4 * np.pi * (distance * _MEGAPARSEC) ** 2 * (1 + z)
            light = luminosity / area * madau1995_transmission(observed, z)
            for c, curve in enumerate(curves):
                fluxes[t, r, c] = curve.get_ab_maggies(light, observed) * _AB
    return fluxes


def error_of(seds: xr.DataArray, excess: float, rows: Any, expected: Floats) -> float:
    """Return the worst difference between a grid and the loop [mag]."""
    worst = 0.0
    for t, name in enumerate(_NAMES):
        same = (seds["template_name"] == name) & (seds["e_bv"] == excess)
        (number,) = np.flatnonzero(same)
        found = seds.values[rows, :, number]
        lit = expected[t] > 0
        assert np.array_equal(found > 0, lit), f"{name} has light in other filters"
        off = 2.5 * np.abs(np.log10(found[lit] / expected[t][lit]))
        worst = max(worst, float(off.max()))
    return worst


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    del folder  # nothing is written
    on_one_core()
    name = "built-in grid, over a loop of speclite"
    speclite = peer("speclite.filters")
    if speclite is None:
        measured.missing(name, "", "speclite comes with the extra bench")
        return
    whole = ad.SedGrid()
    some = np.array([0, 19, 38]) if quick else np.arange(0, 39, 2)
    # In small, fewer redshifts of the same templates.
    grid = ad.SedGrid(redshifts=tuple(whole.redshift[some])) if quick else whole
    rows = np.arange(3) if quick else some
    seds = ad.build_seds(grid)
    redshifts = seds["redshift"].values[rows]
    distances = cosmology(seds).luminosity_distance(redshifts).to_value("Mpc")
    filters = [str(one) for one in seds["filter"].values]
    curves = [curve_of(speclite.FilterResponse, one) for one in filters]
    excess = 0.1
    spectra = spectra_of(excess)
    told = spectra, redshifts, distances, curves
    ways = {"loop": partial(loop, *told), "build": partial(ad.build_seds, grid)}
    times = interleaved(ways, 2 if quick else 3)
    size = len(list(itertools.product(spectra, redshifts, curves)))
    measured.faster(
        name, times, ("loop", "build"), count={"loop": size, "build": seds.size}
    )
    error = error_of(seds, excess, rows, loop(*told))
    measured.check("magnitudes, by speclite [mag]", error, 1e-3)


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
