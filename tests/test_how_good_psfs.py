"""Pairs through PSFs: GalSim, larger frames, smaller pixels.

All goes through `argdask.simulate`. A pixel of 1 arcsec makes arcseconds pixels.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import galsim
import numpy as np
import pytest
import xarray as xr
from profile_pairs import NAMES, Floats, light, seen, worst
from scipy import fft, ndimage

import argdask as ad
from argdask.observing import NarrowPSFWarning

PRECISE = galsim.GSParams(
    folding_threshold=5e-4,
    maxk_threshold=1e-4,
    kvalue_accuracy=1e-6,
    maximum_fft_size=16384,
    stepk_minimum_hlr=6,
)


# GalSim.


def galsim_galaxy(row: Any) -> Any:
    radius, index, ratio, angle, offset_y, offset_x = map(float, row)
    galaxy = galsim.Sersic(
        index, half_light_radius=radius * math.sqrt(ratio), gsparams=PRECISE
    )
    galaxy = galaxy.shear(q=ratio, beta=(angle + 90.0) * galsim.degrees)
    return galaxy.shift(offset_x, offset_y)


def drawn(galaxy: Any, psf: Any, shape: tuple[int, int]) -> Floats:
    both = galsim.Convolve(galaxy, psf.withGSParams(PRECISE), gsparams=PRECISE)
    image = both.drawImage(nx=shape[1], ny=shape[0], scale=1.0, dtype=float)
    return np.asarray(image.array)


def test_pairs_through_psfs_are_those_of_galsim(seds: xr.DataArray) -> None:
    shape = (44, 47)
    rows = [
        (9.0, 0.5, 0.3, 20.0, 0.2, -0.3),
        (1.5, 1.0, 0.8, 110.0, -0.4, 0.1),
        (6.0, 2.5, 0.5, 65.0, 0.0, 0.0),
        (3.0, 4.0, 0.7, 150.0, 0.5, 0.5),
    ]
    filters = ["acs_wfc_f606w", "acs_wfc_f775w", "wfc3_ir_f160w"]
    # 2.9 pixels wide
    airy = {"name": "airy", "diameter": 0.05, "wavelength": 7000, "obscuration": 0.3}
    moffat = {"name": "moffat", "psf_fwhm": 3.0, "beta": 2.8}
    seen_in = dict(zip(filters, ({"psf_fwhm": 1.3}, moffat, airy), strict=True))
    seen_out = {**seen_in, "acs_wfc_f606w": {"psf_fwhm": 5.0}}
    observation = {"psf": seen_in, "target": {"psf": seen_out}}
    choices: Any = {"filters": filters, "angular_size": True}
    pairs = seen(seds, rows, shape, observation=observation, **choices)
    of_airy = galsim.Airy(lam=700.0, diam=0.05, obscuration=0.3)
    of_moffat = galsim.Moffat(2.8, fwhm=3.0)
    oracles = {
        "in": [galsim.Gaussian(fwhm=1.3), of_moffat, of_airy],
        "out": [galsim.Gaussian(fwhm=5.0), of_moffat, of_airy],
    }
    for role, end in (("input", "in"), ("target", "out")):
        images = light(pairs, f"{role}_convolved")
        radii = pairs[f"half_light_radius_{end}"].values
        for row, radius, seen_by in zip(rows, radii, images, strict=True):
            galaxy = galsim_galaxy((radius, *row[1:]))
            for psf, found in zip(oracles[end], seen_by, strict=True):
                # The bar of the design is 3e-3 of the peak.
                assert worst(found, drawn(galaxy, psf, shape)) < 5e-4, (row, psf)


def test_components_through_a_psf_are_those_of_galsim(seds: xr.DataArray) -> None:
    shape = (50, 50)
    profile = {
        "name": "components",
        "components": {
            "bulge": {"half_light_radius": 1.5, "sersic_index": 4.0},
            "disc": {"half_light_radius": 6.0, "axis_ratio": 0.4},
        },
    }
    recipe = ad.Recipe(
        galaxies=2,
        image_shape=shape,
        pixel_scale=1.0,
        filters=["acs_wfc_f606w", "wfc3_ir_f160w"],
        profile=profile,
        scale=1.0,
        angular_size=True,
        observation={"psf": {"psf_fwhm": 2.0}},
    )
    pairs = ad.simulate(recipe, seds)
    psf = galsim.Gaussian(fwhm=2.0)
    for role, end in (("input", "in"), ("target", "out")):
        for g in range(2):
            one = pairs.isel(galaxy=g)
            columns = [one[f"half_light_radius_{end}"], *(one[n] for n in NAMES[1:])]
            parts = [
                drawn(galsim_galaxy([c.values[k] for c in columns]), psf, shape)
                for k in range(2)
            ]
            for c in range(2):
                fluxes = one[f"component_flux_{end}"].isel(filter=c).values
                expected = fluxes[0] * parts[0] + fluxes[1] * parts[1]
                found = one[f"{role}_convolved"].values[..., c]
                assert worst(found, expected) < 5e-4


# Frames and the order of PSF and pixel.

ROWS = [
    (0.8, 4.0, 0.7, 40.0, 0.3, -0.4),
    (6.0, 1.0, 0.3, 100.0, 0.0, 0.0),
    (25.0, 2.5, 0.8, 10.0, 4.0, -6.0),
]


def test_a_frame_is_the_middle_of_a_larger_one(seds: xr.DataArray) -> None:
    moffat = {"name": "moffat", "psf_fwhm": 3.0, "beta": 2.5}
    observation = {"psf": {"psf_fwhm": 1.5}, "target": {"psf": moffat}}
    choices: Any = {"angular_size": True, "observation": observation}
    small = seen(seds, ROWS, (60, 60), **choices)
    large = seen(seds, ROWS, (180, 180), **choices)
    middle = large.isel(y=slice(60, 120), x=slice(60, 120))
    for name in small.data_vars:
        found, expected = light(small, str(name)), light(middle, str(name))
        for one, other in zip(found, expected, strict=True):
            assert worst(one, other) < 1e-4, name


@pytest.mark.parametrize("fwhm", [0.5, 1.3])
def test_the_psf_comes_before_the_pixel(seds: xr.DataArray, fwhm: float) -> None:
    parts, side, margin = 15, 24, 6
    observation = {"psf": {"psf_fwhm": fwhm}}
    row = (2.0, 1.0, 0.6, 30.0, 0.25, 0.1)
    pairs = seen(seds, [row], (side, side), observation=observation)
    found = light(pairs, "input_convolved")[0, 0]
    # Clean pixels so small that it does not matter in them.
    fine = [parts * n if k in (0, 4, 5) else n for k, n in enumerate(row)]
    whole = parts * (side + 2 * margin)
    image = light(seen(seds, [fine], (whole, whole)), "input")[0, 0]
    sigma = fwhm / math.sqrt(8 * math.log(2))
    k = fft.fftfreq(whole, 1 / parts)
    blur = np.exp(-2 * (math.pi * sigma * k) ** 2)
    image = np.real(fft.ifft2(fft.fft2(image) * np.outer(blur, blur)))
    blocks = image.reshape(side + 2 * margin, parts, side + 2 * margin, parts)
    expected = blocks.sum((1, 3))[margin:-margin, margin:-margin]
    assert worst(found, expected) < 1e-3
    # Convolving pixels with a PSF in pixels is not the same.
    coarse = ndimage.gaussian_filter(
        light(pairs, "input")[0, 0], sigma, mode="constant"
    )
    assert worst(coarse, expected) > 0.02


def test_a_psf_too_narrow_for_the_pixels_is_warned_of(seds: xr.DataArray) -> None:
    def look(fwhm: float) -> None:
        seen(seds, ROWS[:1], (9, 9), observation={"psf": {"psf_fwhm": fwhm}})

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        look(0.5)
    told = r"a PSF of 0\.49 pixels: images are accurate down to a FWHM of 0\.5 pixel"
    with pytest.warns(NarrowPSFWarning, match=told):
        look(0.49)
