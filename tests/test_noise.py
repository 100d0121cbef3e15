"""Noise against scipy's quantiles, against its own moments, and by identity alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from argdask.noise import (
    ROLES,
    Levels,
    add_noise,
    electrons_per_microjansky,
    sigma_of_depth,
)
from argdask.sampling import stream_key
from argdask.streams import TILE, fill_normals, fill_words

KEYS = tuple(stream_key(4251, f"{name} noise", 64) for name in ("shot", "background"))


def words_of(stream: int, galaxy_id: int, purpose: int, size: int) -> np.ndarray:
    """Return the words of a galaxy's pixels."""
    words = np.empty(-(-size // TILE) * TILE, np.uint32)
    keys = (np.uint64(n) for n in (KEYS[stream], galaxy_id, purpose))
    fill_words(words, 0, *keys)
    return words[:size]


def noisy(
    images,
    ids=None,
    *,
    role="input",
    epoch=0,
    electrons=0.0,
    sigma=0.0,
    counted=None,
):
    ids = np.arange(len(images)) if ids is None else ids
    gains = np.broadcast_to(np.asarray(electrons, float), images.shape[3:])
    sigmas = np.broadcast_to(np.asarray(sigma, float), images.shape[3:])
    return add_noise(images, ids, KEYS, role, epoch, Levels(gains, sigmas, counted))


def flat(value: float, galaxies: int = 4, side: int = 50, filters: int = 2):
    return np.full((galaxies, side, side, filters), value, np.float32)


@pytest.mark.parametrize("mean", [0.003, 0.4, 3.0, 15.9, 16.0, 40.0, 900.0, 3e5])
def test_counts_are_the_quantiles_of_poisson(mean):
    images = flat(mean)
    found = noisy(images, electrons=1.0).astype(np.float64)
    off = []
    for galaxy_id, image in enumerate(found):
        words = words_of(0, galaxy_id, 0, images[0].size)
        exact = stats.poisson.ppf((words + 0.5) / 2.0**32, np.float32(mean))
        # float32 holds the count to 6e-8 of it, or of the mean.
        difference = image.ravel() - exact
        assert np.abs(difference).max() < 1.0 + 1e-6 * mean
        off.append(np.abs(difference) > 0.5)
    # Exact where they are counted; from 16 on, the share that Giles' formula gives.
    assert np.mean(off) <= (0.0 if mean < 16 else 0.003)


@pytest.mark.parametrize("mean", [0.05, 2.0, 16.0, 17.0, 250.0])
@pytest.mark.parametrize("gain", [0.02, 1.0, 700.0])
def test_mean_and_variance_are_those_of_counted_light(mean, gain):
    images = flat(mean / gain)
    shot = noisy(images, electrons=gain).astype(np.float64) * gain
    number = images.size
    # Five sigma of the mean and of the variance of so many draws of Poisson's law,
    # whose fourth central moment is 3 mean^2 + mean.
    assert abs(shot.mean() - mean) < 5 * np.sqrt(mean / number)
    spread = np.sqrt((2 * mean**2 + mean) / number)
    assert abs(shot.var() - mean) < 5 * spread + 1e-4 * mean


def test_a_background_is_normal_with_its_sigma_in_each_filter():
    images = flat(0.0, filters=3)
    sigma = np.array([0.5, 0.0, 20.0])
    found = noisy(images, sigma=sigma)
    assert (found[..., 1] == 0).all()
    for column in (0, 2):
        deviates = found[..., column].ravel() / sigma[column]
        assert stats.kstest(deviates, "norm").pvalue > 1e-4


def test_both_noises_add_up_in_quadrature():
    images = flat(5.0)
    found = noisy(images, electrons=2.0, sigma=3.0).astype(np.float64)
    expected = 5.0 / 2.0 + 9.0
    # Five sigma of the variance of 20,000 draws, nearly normal.
    assert abs(found.var() / expected - 1) < 5 * np.sqrt(2 / images.size) * 1.1
    chi_square = ((found - 5.0) ** 2 / expected).sum()
    assert abs(chi_square - images.size) < 5 * np.sqrt(2.2 * images.size)


@pytest.mark.parametrize("background", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("mean", [0.1, 0.5, 2.0, 30.0, 1000.0])
def test_normal_shot_noise_is_as_near_to_counts_as_is_said(mean, background):
    gain = 3.0
    images = flat(mean / gain, galaxies=20)
    normal = {"counted": np.zeros(2, bool), "electrons": gain}
    drawn = noisy(images, sigma=background / gain, **normal).astype(float) * gain
    variance, number = mean + background**2, images.size
    assert abs(drawn.mean() - mean) < 5 * np.sqrt(variance / number)
    assert abs(drawn.var() / variance - 1) < 5 * np.sqrt(2 / number)
    # What counted electrons and the background have: a sum over all counts.
    counts = np.arange(mean + 12 * np.sqrt(mean) + 40)
    places = np.sort(drawn.ravel())[::97]
    below = stats.norm.cdf((places[:, None] - counts) / background)
    exact = below @ stats.poisson.pmf(counts, mean)
    normally = stats.norm.cdf((places - mean) / np.sqrt(variance))
    off = 0.08 * mean / variance**1.5
    assert np.abs(exact - normally).max() < off
    # The draws themselves are off by as much, and by Kolmogorov's distance, which is
    # above 2.3 / sqrt(n) once in 20,000 sets.
    found = (np.arange(number)[::97] + 0.5) / number
    assert np.abs(found - exact).max() < off + 2.3 / np.sqrt(number)


def test_without_a_background_counts_are_far_from_normal():
    images = flat(10.0, galaxies=20)
    drawn = np.sort(noisy(images, electrons=1.0, counted=np.zeros(2, bool)).ravel())
    found = (np.arange(drawn.size) + 0.5) / drawn.size
    off = np.abs(found - stats.poisson.cdf(np.floor(drawn), 10.0)).max()
    assert 0.2 / np.sqrt(10) < off < 0.27 / np.sqrt(10) + 2.3 / np.sqrt(drawn.size)


def test_each_filter_is_counted_in_its_own_way():
    images = np.random.default_rng(2).lognormal(1, 2, (3, 30, 40, 3)).astype("f4")
    images[0, :3] *= -1
    given = {"electrons": [2.0, 3.0, 0.0], "sigma": [0.5, 0.7, 0.9]}
    ways = {
        name: noisy(images, **given, counted=np.array(counted))
        for name, counted in {
            "both": (True, True, True),
            "mixed": (True, False, True),
            "none": (False, False, False),
        }.items()
    }
    np.testing.assert_array_equal(ways["mixed"][..., 0], ways["both"][..., 0])
    np.testing.assert_array_equal(ways["mixed"][..., 1:], ways["none"][..., 1:])
    assert (ways["none"] != ways["both"])[..., :2].mean() > 0.5
    # Where there is no light, there is the background alone.
    background = noisy(images, sigma=given["sigma"])
    np.testing.assert_array_equal(ways["none"][0, :3], background[0, :3])
    np.testing.assert_array_equal(ways["both"][0, :3], background[0, :3])


@pytest.mark.parametrize("size", [1e-25, 1.0, 1e25])
def test_normal_noise_of_any_unit_is_the_same(size):
    images = flat(4.0, galaxies=1, side=9)
    scaled = (images * size).astype(np.float32)
    counted = np.zeros(2, bool)
    found = noisy(scaled, electrons=2 / size, sigma=3 * size, counted=counted)
    expected = noisy(images, electrons=2.0, sigma=3.0, counted=counted)
    # Squares of these sizes are beyond float32.
    np.testing.assert_allclose(found.astype(float) / size, expected, rtol=1e-6)


def test_a_matched_filter_finds_a_point_source_as_often_as_it_should():
    y, x = np.mgrid[-10:11, -10:11]
    psf = np.exp(-(y**2 + x**2) / (2 * 1.7**2))
    psf /= psf.sum()
    flux, sigma = 40.0, 1.3
    image = np.broadcast_to((flux * psf)[None, ..., None], (1000, 21, 21, 1))
    found = noisy(image.astype(np.float32), sigma=sigma)[..., 0]
    filtered = np.einsum("gyx,yx->g", found, psf) / (psf**2).sum()
    expected = flux * np.sqrt((psf**2).sum()) / sigma
    # 1000 draws know their scatter to 2.2 %: five per cent is more than two sigma.
    assert filtered.mean() / filtered.std() == pytest.approx(expected, rel=0.05)


def test_no_noise_changes_no_bit():
    images = np.random.default_rng(1).normal(0, 5, (3, 7, 6, 4)).astype(np.float32)
    np.testing.assert_array_equal(noisy(images), images)


def test_no_light_and_less_than_none_have_no_shot_noise():
    images = flat(0.0)
    images[:, ::2] = -3.0
    np.testing.assert_array_equal(noisy(images, electrons=50.0), images)


def test_galaxies_filters_roles_epochs_and_purposes_are_uncorrelated():
    images = flat(4.0, galaxies=3, side=60)
    sets = [
        noisy(images, role=role, epoch=epoch, **kind) - images
        for role in ROLES
        for epoch in (0, 1, 2**31 - 1)
        for kind in ({"electrons": 100.0}, {"sigma": 1.0})
    ]
    series = np.concatenate([s.transpose(0, 3, 1, 2).reshape(6, -1) for s in sets])
    correlation = np.corrcoef(series)
    np.fill_diagonal(correlation, 0.0)
    # 72 series of 3600 numbers: 2556 pairs, of which none lies beyond five sigma.
    assert np.abs(correlation).max() < 5 / np.sqrt(3600)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6, unique=True),
    st.randoms(use_true_random=False),
)
def test_any_order_and_any_batch_give_the_same_bits(ids, random):
    light = np.random.default_rng(3).lognormal(1, 2, (len(ids), 5, 7, 3))
    images = light.astype(np.float32)
    normal = np.array([False, True, False])
    together = noisy(images, ids, electrons=2.0, sigma=0.3, counted=normal)
    order = random.sample(range(len(ids)), len(ids))
    for place in order:
        levels = {"electrons": 2.0, "sigma": 0.3, "counted": normal}
        alone = noisy(images[[place]], [ids[place]], **levels)
        np.testing.assert_array_equal(alone[0], together[place])


@pytest.mark.parametrize("mean", [3.0, 30.0])
@pytest.mark.parametrize("counted", [True, False])
def test_another_mean_moves_its_own_pixel_only(mean, counted):
    images = flat(mean, galaxies=1)
    noise = {"electrons": 1.0, "sigma": 1.0, "counted": np.full(2, counted)}
    before = noisy(images, **noise)
    images[0, 3, 4, 1] *= 9.0
    moved = noisy(images, **noise) != before
    assert moved.sum() == 1
    assert moved[0, 3, 4, 1]


def test_noise_can_be_added_in_place_and_differ_by_galaxy():
    images = flat(2.0, galaxies=2)
    sigma = np.array([[0.0, 1.0], [2.0, 0.0]])
    ids = [5, 9]
    told = images, ids, KEYS, "target", 1, Levels([0.0, 0.0], sigma)
    expected = add_noise(*told)
    again = add_noise(*told, out=images)
    assert again is images
    np.testing.assert_array_equal(images, expected)
    spread = images.std(axis=(1, 2))
    assert spread[0, 0] == spread[1, 1] == 0
    # Five sigma of the standard deviation of 2500 draws are 7 %.
    np.testing.assert_allclose([spread[0, 1], spread[1, 0]], [1.0, 2.0], rtol=0.07)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ids": [1, 2, 3]},
        {"electrons": [1.0]},
        {"electrons": [1.0, -1.0]},
        {"electrons": [1.0, np.inf]},
        {"sigma": [np.nan, 1.0]},
        {"sigma": [-1.0, 1.0]},
        {"epoch": -1},
        {"epoch": 2**31},
        {"out": np.empty((2, 3, 3, 1), np.float32)},
        {"out": np.empty((2, 2, 3, 3), np.float32).transpose(0, 2, 3, 1)},
    ],
)
def test_what_does_not_fit_is_refused(wrong):
    call = {"ids": [1, 2], "electrons": [1.0, 0.0], "sigma": [0.0, 1.0], "epoch": 0}
    call |= wrong
    out = call.pop("out", None)
    with pytest.raises(ValueError, match=r"fit|must|within"):
        add_noise(
            np.ones((2, 3, 3, 2), np.float32),
            *(call["ids"], KEYS, "input", call["epoch"]),
            *(Levels(call["electrons"], call["sigma"]), out),
        )


def test_deviates_come_from_the_galaxys_own_words():
    sigma, images = 2.0, flat(0.0, galaxies=2, side=4)
    found = noisy(images, [17, 2**62 + 1], sigma=sigma, role="target", epoch=6)
    for image, galaxy_id in zip(found, [17, 2**62 + 1], strict=True):
        purpose = 6 * len(ROLES) + ROLES["target"]
        words = words_of(1, galaxy_id, purpose, images[0].size)
        normals = np.empty(words.size, np.float32)
        fill_normals(words, normals)
        np.testing.assert_array_equal(image.ravel(), np.float32(sigma) * normals)


def test_gain_is_electrons_per_flux():
    # At the zero-point itself a source makes one electron per second.
    flux = 10 ** (0.4 * (23.9 - 25.9))
    assert electrons_per_microjansky(1200.0, 25.9) * flux == pytest.approx(1200.0)


def test_depth_is_five_sigma_in_its_aperture():
    sigma = float(sigma_of_depth(27.5, 0.4, 0.06))
    # The aperture's area in pixels, by fractions of pixels that are counted finely.
    inside = np.hypot(*(np.mgrid[-2000:2001, -2000:2001] * 0.0003)) <= 0.2
    pixels = inside.sum() * (0.0003 / 0.06) ** 2
    snr = 10 ** (0.4 * (23.9 - 27.5)) / (sigma * np.sqrt(pixels))
    assert snr == pytest.approx(5.0, rel=1e-3)
