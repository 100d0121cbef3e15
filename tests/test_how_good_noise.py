"""The noise of pairs: its moments, what it hides, and that no draw knows another.

All goes through `argdask.simulate` and `argdask.add_noise`.
"""

from __future__ import annotations

from typing import Any

import dask
import galsim
import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from profile_pairs import seen

import argdask as ad

Floats = NDArray[np.float64]

SIDE = 100
SIGMA, GAIN = 0.004, 300.0
PSF = {"psf_fwhm": 3.0}
ROLES = ("input", "target")
# A compact galaxy, and one with some light in every pixel.
ROWS = [(2.0, 1.0, 0.7, 20.0, 0.0, 0.0), (40.0, 0.5, 0.9, 70.0, 3.0, -2.0)]
STAGES: dict[str, dict[str, float]] = {
    "shot": {"gain": GAIN},
    "background": {"background_sigma": SIGMA},
    "both": {"gain": GAIN, "background_sigma": SIGMA},
}


@pytest.fixture(scope="module")
def pairs_of(seds: xr.DataArray) -> dict[str, xr.Dataset]:
    """The same galaxies with each kind of noise, 10,000 pixels each."""
    return {
        stage: seen(seds, ROWS, (SIDE, SIDE), observation={"psf": PSF, "noise": noise})
        for stage, noise in STAGES.items()
    }


def added(pairs: xr.Dataset, role: str) -> Floats:
    """Return what noise changed (galaxy, pixel)."""
    noisy, without = (
        pairs[f"{role}_{layer}"].values.astype(float).reshape(len(ROWS), -1)
        for layer in ("noisy", "convolved")
    )
    return noisy - without


def expected(pairs: xr.Dataset, role: str, stage: str) -> Floats:
    """Return the variance of each pixel (galaxy, pixel): counts, and the background."""
    light = np.maximum(pairs[f"{role}_convolved"].values.astype(float), 0.0)
    noise = STAGES[stage]
    variance = noise.get("background_sigma", 0.0) ** 2
    counted = light / noise["gain"] if "gain" in noise else 0.0 * light
    return (counted + variance).reshape(len(ROWS), -1)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("role", ROLES)
def test_mean_variance_and_chi_square(
    pairs_of: dict[str, xr.Dataset], role: str, stage: str
) -> None:
    pairs = pairs_of[stage]
    for one, variance in zip(
        added(pairs, role), expected(pairs, role, stage), strict=True
    ):
        bright = variance > 0
        deviates = one[bright] / np.sqrt(variance[bright])
        n = deviates.size
        # Five sigma; that of the square of a count of mean m is 2 + 1 / m.
        kurtosis = 0.0
        if "gain" in STAGES[stage]:
            counts = GAIN**2 * variance[bright]
            kurtosis = float(np.mean(1 / counts))
        assert abs(deviates.mean()) < 5 / np.sqrt(n)
        assert abs((deviates**2).sum() - n) < 5 * np.sqrt((2 + kurtosis) * n)
        # of all pixels as they are
        total = variance[bright].sum()
        spread = np.sqrt(((2 + kurtosis) * variance[bright] ** 2).sum())
        assert abs((one[bright] ** 2).sum() - total) < 5 * spread
        assert (one[~bright] == 0).all()


@pytest.mark.parametrize("role", ROLES)
def test_the_stages_add_up(pairs_of: dict[str, xr.Dataset], role: str) -> None:
    parts = [added(pairs_of[stage], role) for stage in STAGES]
    brightest = float(pairs_of["both"][f"{role}_convolved"].max())
    # Each layer is rounded to float32.
    np.testing.assert_allclose(parts[0] + parts[1], parts[2], atol=2e-7 * brightest)


def test_no_draw_knows_another(pairs_of: dict[str, xr.Dataset]) -> None:
    series = []
    for stage in ("shot", "background"):
        for epoch in (0, 1, 7):
            pairs = ad.add_noise(pairs_of[stage], epoch)
            for role in ROLES:
                light = expected(pairs, role, stage)[1]
                both = added(pairs, role)
                # Every pixel of the second has counts; of the first, background alone.
                series.append(both[1] / np.sqrt(light))
                if stage == "background":
                    series.append(both[0])
    found = np.corrcoef(series)
    np.fill_diagonal(found, 0.0)
    assert len(series) == 18
    # 153 pairs of series of 10,000 numbers: none lies beyond five sigma.
    assert abs(found).max() < 5 / SIDE


def test_a_point_source_is_found_as_often_as_it_should_be(seds: xr.DataArray) -> None:
    side, galaxies, epochs = 25, 50, 20
    rows = [(0.02, 1.0, 1.0, 0.0, 0.3, -0.2)] * galaxies
    sigma, flux = 0.5, 20.0
    noise = {"background_sigma": sigma}
    magnitude = 23.9 - 2.5 * np.log10(flux)
    pairs = seen(
        seds,
        rows,
        (side, side),
        observation={"psf": PSF, "noise": noise, "layers": ["convolved"]},
        brightness={"magnitude": float(magnitude), "brightness_redshift": "z_in"},
    )
    np.testing.assert_allclose(pairs["flux_in"], flux, rtol=1e-6)
    star = galsim.Gaussian(fwhm=PSF["psf_fwhm"]).shift(-0.2, 0.3)
    image = star.drawImage(nx=side, ny=side, scale=1.0, dtype=float).array
    drawn = [ad.add_noise(pairs, epoch)["input_noisy"] for epoch in range(epochs)]
    seen_by = np.concatenate([one.values[..., 0] for one in drawn]).astype(float)
    assert len(seen_by) == 1000
    found = np.einsum("gyx,yx->g", seen_by, image) / (image**2).sum()
    wanted = flux * np.sqrt((image**2).sum()) / sigma
    # 1,000 draws know their scatter to 2.2 %: five per cent are more than two sigma.
    assert found.mean() / found.std() == pytest.approx(wanted, rel=0.05)
    assert found.mean() == pytest.approx(flux, rel=5 / (wanted * np.sqrt(1000)))


@pytest.mark.parametrize("profile", [{}, {"name": "components"}])
def test_any_chunks_have_the_same_bits_in_every_layer(
    seds: xr.DataArray, profile: dict[str, Any]
) -> None:
    noise = {"background_sigma": 1e-3, "gain": 400.0}
    recipe = ad.Recipe(
        galaxies=13,
        image_shape=(14, 13),
        filters=["acs_wfc_f606w", "wfc3_ir_f160w"],
        profile=profile,
        angular_size=True,
        observation={"psf": {"psf_fwhm": 0.12}, "noise": noise},
    )
    whole = ad.simulate(recipe, seds)
    assert len(whole.data_vars) == 6
    for chunks, threads in ((1, 4), (4, 1), (12, 2)):
        with dask.config.set(scheduler="threads", num_workers=threads):
            lazy = ad.build(recipe, seds, chunks=chunks).compute()
        xr.testing.assert_identical(lazy, whole)
    order = np.random.default_rng(1).permutation(13)
    mixed = ad.simulate(recipe, seds, order)
    for name in whole.data_vars:
        np.testing.assert_array_equal(mixed[name], whole[name][order])
