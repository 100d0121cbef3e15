"""What notebook 04 trains, what it is compared with, and how it is measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import argdask as ad
from argdask import resampling

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
sys.path.append(str(Path(__file__).parents[1] / "notebooks"))

# They lie beside the notebook, and need PyTorch.
from redshifting import (  # noqa: E402
    FILTERS,
    Galaxies,
    MedianRatio,
    Survey,
    gather,
    oracle,
    recipe_of_pairs,
    resize,
    resize_again,
    shuffle_redshifts,
    stream,
    survey_of,
)
from redshifting_network import Redshifter, predict, train  # noqa: E402
from redshifting_scores import (  # noqa: E402
    chi_square,
    compare,
    growth,
    half_light_radius,
    scores,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def survey() -> Survey:
    return survey_of(*recipe_of_pairs(200, seed=3))


@pytest.fixture(scope="module")
def galaxies(survey: Survey) -> Galaxies:
    recipe, _ = recipe_of_pairs(200, seed=3)
    return gather(stream(recipe, survey, split="train", batch_size=64), 150)


def test_a_resized_batch_is_what_argdask_makes_of_each_image(
    galaxies: Galaxies,
) -> None:
    some = galaxies.of(slice(0, 5))
    found = resize(some.input, some.size_ratio)
    for row, ratio in enumerate(some.size_ratio.tolist()):
        for number in range(len(FILTERS)):
            image = some.input[row, number].numpy()
            expected = resampling.resize(image, ratio, image.shape).values
            # float32 against float64
            np.testing.assert_allclose(
                found[row, number], expected, atol=1e-6 * abs(image).max()
            )
    # Beyond redshift 1.6 they may grow, and lose light at the edges; else they do not.
    kept = some.size_ratio <= 1.0
    assert kept.any()
    before, after = (light[kept].sum(dim=(2, 3)) for light in (some.input, found))
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


def test_with_the_true_sed_and_without_noise_resizing_is_nearly_the_target(
    survey: Survey,
) -> None:
    recipe, _ = recipe_of_pairs(200, seed=3)
    layers = ("convolved", "convolved")
    some = gather(stream(recipe, survey, layers=layers, shuffle=False), 40)
    found = oracle(some, survey)
    peak = some.target.amax(dim=(2, 3), keepdim=True)
    wrong = (abs(found - some.target) / peak)[..., 8:24, 8:24]
    # Interpolation of an input with a PSF of 1.6 pixels; further out, light is missing
    # that the frame of the input does not have.
    assert float(wrong.amax(dim=(2, 3)).quantile(0.9)) < 0.03
    # Without either, it is not.
    plain = abs(some.resized - some.target) / peak
    assert float(plain.amax(dim=(2, 3)).median()) > 0.1


def test_chi_square_of_a_new_observation_is_one(survey: Survey) -> None:
    recipe, seds = recipe_of_pairs(200, seed=3)
    names = ["target_convolved", "target_noisy"]
    pairs = ad.simulate(recipe, seds, galaxies=range(20), variables=names)
    clean, noisy = (
        torch.from_numpy(pairs[name].transpose("galaxy", "filter", "y", "x").values)
        for name in names
    )
    each = chi_square(noisy, clean, survey)
    # Each is a mean of 5120 squares of nearly normal deviates.
    assert torch.all(abs(each - 1.0) < 5.0 * (2.0 / 5120) ** 0.5)
    assert torch.equal(chi_square(clean, clean, survey), torch.zeros(20))


@pytest.mark.parametrize("sigma", [2.0, 3.5])
def test_the_half_light_radius_of_a_gaussian_is_that_of_the_formula(
    sigma: float,
) -> None:
    y, x = np.indices((32, 32)) - 15.5
    image = np.exp(-0.5 * (y**2 + x**2) / sigma**2)
    found = half_light_radius(torch.from_numpy(np.stack([image, 7 * image])[None]))
    radii, light = (one.numpy() for one in growth(torch.from_numpy(image[None, None])))
    enclosed = 2.0 * np.pi * sigma**2 * (1.0 - np.exp(-0.5 * radii**2 / sigma**2))
    # A pixel's light is taken as even across it: that makes it larger by 1 / 24.
    np.testing.assert_allclose(light[0, 0], enclosed, atol=0.02 * enclosed[-1])
    half = sigma * np.sqrt(2.0 * np.log(2.0)) * np.sqrt(1.0 + 1.0 / (12 * sigma**2))
    np.testing.assert_allclose(found, half, rtol=0.005)


def test_an_image_without_light_has_no_half_light_radius() -> None:
    assert half_light_radius(torch.zeros(1, 1, 32, 32)).isnan().all()
    assert half_light_radius(-torch.ones(1, 1, 32, 32)).isnan().all()


def test_scores_tell_a_wrong_flux_from_a_wrong_size(
    galaxies: Galaxies, survey: Survey
) -> None:
    edges = torch.tensor([0.5, 1.5, 2.0])
    found = scores(1.1 * galaxies.target, galaxies, survey, edges)
    assert found["galaxies"].sum() == len(galaxies.z_in)
    np.testing.assert_allclose(found["flux_bias"], 0.1, atol=1e-6)
    for name in ("flux_scatter", "radius_bias", "radius_scatter"):
        np.testing.assert_allclose(found[name], 0.0, atol=1e-5)
    smaller = resize(galaxies.target, torch.full_like(galaxies.z_in, 0.7))
    found = scores(smaller, galaxies, survey, edges)
    np.testing.assert_allclose(found["radius_bias"], -0.3, atol=0.04)
    np.testing.assert_allclose(found["flux_bias"], 0.0, atol=0.06)


def test_methods_are_compared_on_the_same_galaxies(
    galaxies: Galaxies, survey: Survey
) -> None:
    named = {"right": galaxies.target, "input unchanged": galaxies.input}
    found = compare(named, galaxies, survey)
    square = chi_square(galaxies.input, galaxies.target, survey).double()
    assert found["prediction"].values.tolist() == list(named)
    assert found["chi_square_mean"].values.tolist() == [0.0, float(square.mean())]
    error = square.numpy().std(ddof=1) / len(square) ** 0.5
    np.testing.assert_allclose(found["chi_square_error"], [0.0, error])


def test_the_baseline_finds_a_ratio_that_follows_from_redshifts_alone(
    galaxies: Galaxies,
) -> None:
    far = galaxies.z_out > galaxies.z_out.median()
    ratio = torch.where(far, 0.25, 0.5)[:, None, None, None]
    made = galaxies._replace(target=galaxies.input * ratio)
    baseline = MedianRatio(made, bins=2)
    torch.testing.assert_close(baseline(made), made.resized * ratio)
    # It is of the galaxies that it was given, whatever the target of others is.
    other = made._replace(target=torch.full_like(made.target, torch.nan))
    torch.testing.assert_close(baseline(other), baseline(made))


def test_shuffled_redshifts_are_those_of_others(
    galaxies: Galaxies, survey: Survey
) -> None:
    found = shuffle_redshifts(galaxies, seed=1)
    assert torch.all(found.z_out > found.z_in)
    assert torch.all(found.z_out != galaxies.z_out)
    kept = torch.isin(found.z_out, galaxies.z_out)
    assert float(kept.float().mean()) > 0.9
    for name in ("input", "target", "resized", "z_in", "size_ratio"):
        assert getattr(found, name) is getattr(galaxies, name)
    again = resize_again(found, survey)
    expected = survey.size_ratio(found.z_in.double(), found.z_out.double()).float()
    torch.testing.assert_close(again.size_ratio, expected)
    torch.testing.assert_close(again.resized, resize(galaxies.input, expected))
    right = resize_again(galaxies, survey)
    torch.testing.assert_close(right.resized, galaxies.resized, rtol=1e-4, atol=1e-5)


def small_network(survey: Survey) -> Redshifter:
    torch.manual_seed(5)
    return Redshifter(survey, width=8, blocks=1)


def test_a_network_learns_and_follows_from_its_seed(
    galaxies: Galaxies, survey: Survey
) -> None:
    batches = [galaxies.of(slice(k * 30, k * 30 + 30)) for k in range(4)] * 6
    networks = [small_network(survey) for _ in range(2)]
    took = [train(one, iter(batches), steps=24, rate=1e-2) for one in networks]
    assert (took[0].steps, took[0].galaxies) == (24, 24 * 30)
    assert took[0].loss == took[1].loss
    assert np.mean(took[0].loss[-4:]) < 0.5 * np.mean(took[0].loss[:4])
    found = [
        predict(one, galaxies, size)
        for one, size in zip(networks, (40, 150), strict=True)
    ]
    torch.testing.assert_close(*found)
    assert found[0].shape == galaxies.target.shape


def test_training_ends_when_its_time_is_over(
    galaxies: Galaxies, survey: Survey
) -> None:
    network = small_network(survey)
    before = [one.clone() for one in network.parameters()]
    took = train(network, iter([galaxies]), steps=100, seconds=1e-9)
    assert took.steps == 0
    assert all(map(torch.equal, before, network.parameters()))
