"""Light and sizes of pairs: quadrature, apertures, moments, Tolman.

All goes through `argdask.simulate`. A pixel of 1 arcsec makes arcseconds pixels.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_pairs import NAMES, ONE, UNITS, Floats, axes_of, light, seen
from scipy import integrate, ndimage, special

import argdask as ad

BAR = 1e-3  # of the design


def width_of(index: float) -> float:
    """Return b of a Sersic profile, exp(-b (r / R)**(1 / n)), with R half the light."""
    return float(special.gammaincinv(2 * index, 0.5))


def part_in_frame(row: tuple[float, ...], shape: tuple[int, int]) -> float:
    """Integrate a profile over a frame that holds its centre, by scipy in 2-D.

    In the polar coordinates of the ellipse, with (r / R)**(1 / n) for the radius, in
    which there is no cusp; angles between the corners of the frame one by one.
    """
    radius, index, ratio, angle = row[:4]
    b = width_of(index)
    major, minor = axes_of(angle)
    half = 0.5 * np.array(shape)
    low, high = -half - row[4:6], half - row[4:6]
    farthest = special.gammainccinv(2 * index, 1e-12) / b

    def furthest(_: float, phi: float) -> float:
        along = math.cos(phi) * major + ratio * math.sin(phi) * minor
        with np.errstate(divide="ignore"):
            ways = np.where(along > 0, high, low) / along
        return float(min((np.nanmin(ways) / radius) ** (1 / index), farthest))

    corners = itertools.product((low[0], high[0]), (low[1], high[1]))
    turns = sorted(
        math.atan2(float(np.dot(minor, c)) / ratio, float(np.dot(major, c)))
        for c in corners
    )
    total = 0.0
    for first, last in itertools.pairwise([*turns, turns[0] + 2 * math.pi]):
        nodes, weights = np.polynomial.legendre.leggauss(48)
        phis = 0.5 * (last - first) * nodes + 0.5 * (last + first)
        inner = [
            integrate.quad(
                lambda t: t ** (2 * index - 1) * math.exp(-b * t),
                *(0.0, furthest(0.0, phi)),
                epsabs=0.0,
                epsrel=1e-8,
            )[0]
            for phi in phis
        ]
        total += 0.5 * (last - first) * float(np.dot(weights, inner))
    return total * b ** (2 * index) / (2 * math.pi * special.gamma(2 * index))


# Flux.

FRAME = (40, 33)
profiles = st.tuples(
    st.floats(math.log(0.3), math.log(30.0)).map(math.exp),
    st.floats(0.3, 8.0),
    st.floats(0.1, 1.0),
    st.floats(0.0, 180.0),
    st.floats(-5.0, 5.0),
    st.floats(-5.0, 5.0),
)


@settings(max_examples=8)
@given(st.lists(profiles, min_size=5, max_size=5))
def test_flux_in_the_frame_is_that_of_quadrature(seds: Any, rows: Any) -> None:
    pairs = seen(seds, rows, FRAME, angular_size=True)
    for role, end in (("input", "in"), ("target", "out")):
        radii = pairs[f"half_light_radius_{end}"].values
        own = [(r, *row[1:]) for r, row in zip(radii, rows, strict=True)]
        expected = [part_in_frame(row, FRAME) for row in own]
        found = light(pairs, role).sum((1, 2, 3))
        # The bar of the design; at single galaxies 2e-4 was found.
        np.testing.assert_allclose(found, expected, rtol=BAR)
        stated = pairs[f"fraction_in_frame_{end}"]
        np.testing.assert_allclose(stated, expected, rtol=BAR)


def test_totals_are_all_there_in_a_large_frame(seds: xr.DataArray) -> None:
    indices = (0.3, 1.0, 1.7, 2.5)
    rows = [(2.5, n, 0.6, 20 + 30 * n, 0.2, -0.4) for n in indices]
    psf = {"psf": {"psf_fwhm": 2.0}}
    pairs = seen(seds, rows, (216, 200), angular_size=True, observation=psf)
    for name in pairs.data_vars:
        # 40 radii of n = 2.5 leave 1e-5 outside.
        total = light(pairs, str(name)).sum((1, 2, 3))
        np.testing.assert_allclose(total, 1.0, rtol=BAR)


# Sizes.


def in_small_pixels(image: Floats, parts: int) -> Floats:
    """Divide pixels: within each, the logarithm of light follows its neighbours."""
    height, width = image.shape
    y, x = ((np.arange(n * parts) + 0.5) / parts - 0.5 for n in image.shape)
    place = np.meshgrid(y, x, indexing="ij")
    logs = ndimage.map_coordinates(
        np.log(np.maximum(image, 1e-30)), place, order=3, mode="nearest"
    )
    fine = np.exp(logs).reshape(height, parts, width, parts)
    fine *= (image / fine.sum((1, 3)))[:, None, :, None]
    return fine.reshape(height * parts, width * parts)


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5, 4.0])
def test_half_of_the_light_is_within_the_half_light_radius(
    seds: xr.DataArray, index: float
) -> None:
    rows = [
        (radius, index, ratio, angle, 0.3, -0.2)
        for radius, ratio, angle in ((5.1, 1.0, 0.0), (5.2, 0.3, 35.0), (9.0, 0.6, 80))
    ]
    pairs = seen(seds, rows, (72, 80), angular_size=True)
    radii = pairs["half_light_radius_out"].values
    assert radii.min() == pytest.approx(3.0, abs=0.3)
    parts = 10
    y, x = ((np.arange(n * parts) + 0.5) / parts - 0.5 * n for n in (72, 80))
    for row, radius, image in zip(
        rows, radii, light(pairs, "target")[:, 0], strict=True
    ):
        major, minor = axes_of(row[3])
        dy, dx = (y - row[4])[:, None], x - row[5]
        along, across = (axis[0] * dy + axis[1] * dx for axis in (major, minor))
        place = np.hypot(along, across / row[2])
        fine = in_small_pixels(image, parts)
        order = place.ravel().argsort()
        growth = fine.ravel()[order].cumsum()
        found = np.interp(0.5, growth, place.ravel()[order])
        assert found == pytest.approx(radius, rel=0.01), row


def test_second_moments_of_a_galaxy_and_a_psf_add_up(seds: xr.DataArray) -> None:
    fwhm, side = 2.5, 100
    rows = [(4.5, n, 0.6, 25.0 + 90 * n, 0.0, 0.0) for n in (0.5, 1.0)]
    psf = {"psf": {"psf_fwhm": fwhm}, "layers": ["convolved"]}
    pairs = seen(seds, rows, (side, side), angular_size=True, observation=psf)
    place = np.arange(side) - 0.5 * (side - 1)
    for role, end in (("input", "in"), ("target", "out")):
        images = light(pairs, f"{role}_convolved")[:, 0]
        radii = pairs[f"half_light_radius_{end}"].values
        assert side >= 20 * radii.max()
        for row, radius, image in zip(rows, radii, images, strict=True):
            yy = np.einsum("yx,y->", image, place**2)
            xx = np.einsum("yx,x->", image, place**2)
            xy = np.einsum("yx,y,x->", image, place, place)
            index, ratio, angle = row[1:4]
            along, across = axes_of(angle)
            moment = 0.5 * radius**2 * width_of(index) ** (-2 * index)
            moment *= special.gamma(4 * index) / special.gamma(2 * index)
            expected = np.outer(along, along) + ratio**2 * np.outer(across, across)
            # of the PSF, and of a pixel
            added = fwhm**2 / (8 * math.log(2)) + 1 / 12
            expected = moment * expected + added * np.eye(2)
            found = np.array([[yy, xy], [xy, xx]]) / image.sum()
            np.testing.assert_allclose(found, expected, atol=0.01 * moment)


# Tolman's dimming.


def test_surface_brightness_falls_with_redshift(tmp_path: Path) -> None:
    redshifts = [0.1, 0.3, 0.7, 1.2, 2.0, 3.0]
    wavelength = np.geomspace(500.0, 30000.0, 4000)
    for name, flux in (("nu", wavelength**-2.0), ("lambda", np.ones(4000))):
        text = np.column_stack([wavelength, flux])
        np.savetxt(tmp_path / f"{name}.txt", text, fmt="%.17g")
    templates = {
        "files": [str(tmp_path / "nu.txt"), str(tmp_path / "lambda.txt")],
        "wavelength_unit": "Angstrom",
        "flux_unit": "f_lambda",
    }
    grid = ad.SedGrid(
        redshifts=redshifts, filters=[ONE], templates=templates, igm="none"
    )
    seds = ad.build_seds(grid)
    # 40 pixels at first, and 9 where angles are least.
    pairs_of = list(itertools.pairwise(redshifts)) * 2
    z_in, z_out = np.array(pairs_of).T
    table = pd.DataFrame({"z_in": z_in, "z_out": z_out})
    table["sed_index"] = np.repeat([0, 1], len(redshifts) - 1)
    columns = (40.0, 1.0, 0.8, 30.0, 0.0, 0.0)
    for name, value in zip(NAMES, columns, strict=True):
        table[name] = value
    recipe = ad.Recipe(
        image_shape=(90, 90),
        pixel_scale=0.05,
        scale=1.0,
        reference_redshift=redshifts[0],
        angular_size=True,
        brightness={"law": "grid"},
    )
    table["half_light_radius"] *= recipe.pixel_scale
    catalogue = ad.read_table(table, units=UNITS)
    pairs = ad.simulate(recipe, seds, catalogue=catalogue)
    found: dict[tuple[int, float], list[float]] = {}
    for role, end in (("input", "in"), ("target", "out")):
        for g in range(len(table)):
            one = pairs.isel(galaxy=g)
            image = one[role].values[..., 0].astype(float) / recipe.pixel_scale**2
            radius = float(one[f"half_light_radius_{end}"]) / recipe.pixel_scale
            key = int(one["sed_index"]), float(one[f"z_{end}"])
            found.setdefault(key, []).append(brightness_at(image, 0.8 * radius))
    for template, power in ((0, -3), (1, -5)):
        first = found[template, redshifts[0]][0]
        for z in redshifts:
            expected = first * ((1 + z) / (1 + redshifts[0])) ** power
            # The mean over a pixel is 5e-4 above the middle in the smallest galaxy.
            np.testing.assert_allclose(found[template, z], expected, rtol=2e-3)


def brightness_at(image: Floats, radius: float) -> float:
    """Return the mean along an ellipse, between pixels by a spline."""
    major, minor = axes_of(30.0)
    turn = np.linspace(0.0, 2 * np.pi, 64, endpoint=False)
    place = radius * (
        np.outer(major, np.cos(turn)) + 0.8 * np.outer(minor, np.sin(turn))
    )
    middle = 0.5 * (image.shape[0] - 1)
    return float(ndimage.map_coordinates(image, place + middle, order=5).mean())
