"""Flips and turns: against numpy's own, and against galaxies rendered so."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask.orientations import ORIENTED, drawn, orient, oriented

EVERY = np.arange(8)


def by_numpy(image: np.ndarray, orientation: int) -> np.ndarray:
    """Mirror in x, then turn from +x to +y, where y is the first axis."""
    mirrored = image[:, ::-1] if orientation >= 4 else image
    # numpy turns from the first axis to the second.
    return np.rot90(mirrored, -(orientation % 4))


def test_images_are_as_numpy_turns_them() -> None:
    images = np.random.default_rng(1).normal(size=(8, 6, 6, 3)).astype(np.float32)
    out = np.empty_like(images)
    orient(images, EVERY, np.arange(3), out)
    for number in EVERY:
        assert np.array_equal(out[number], by_numpy(images[number], number))


def test_filters_are_chosen_and_come_first_in_memory_that_says_so() -> None:
    images = np.random.default_rng(2).normal(size=(4, 5, 7, 3)).astype(np.float32)
    memory = np.empty((4, 2, 5, 7), np.float32)
    even = np.array([0, 2, 4, 6])
    orient(images, even, np.array([2, 0]), memory.transpose(0, 2, 3, 1))
    for number, orientation in enumerate(even):
        expected = by_numpy(images[number], orientation)[..., [2, 0]]
        assert np.array_equal(memory[number], np.moveaxis(expected, -1, 0))


@pytest.mark.parametrize(
    ("shape", "orientation", "channels"),
    [((2, 5, 7, 3), 1, 0), ((2, 5, 5, 3), 8, 0), ((2, 5, 5, 3), 0, 3)],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, ...], orientation: int, channels: int
) -> None:
    images = np.zeros(shape, np.float32)
    out = np.zeros((*shape[:3], 1), np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        orient(images, np.full(2, orientation), np.array([channels]), out)


def test_orientations_are_equally_likely_among_those_asked_for() -> None:
    words = np.random.default_rng(3).integers(0, 2**64, 80_000, np.uint64)
    for flip, turn, among in [
        (True, True, {*range(8)}),
        (True, False, {0, 2, 4, 6}),
        (False, True, {0, 1, 2, 3}),
        (False, False, {0}),
    ]:
        found, counts = np.unique(
            drawn(words, flip=flip, turn=turn), return_counts=True
        )
        assert {*found.tolist()} == among
        # Six standard deviations of a binomial count.
        expected = words.size / len(among)
        assert np.all(np.abs(counts - expected) < 6 * np.sqrt(expected))


def test_the_truth_is_that_of_a_galaxy_rendered_so(seds: xr.DataArray) -> None:
    profile = {
        "name": "sersic",
        "sersic_index": 1.2,
        "half_light_radius": 0.2,
        "axis_ratio": 0.4,
        "position_angle": {"distribution": "uniform", "minimum": 0, "maximum": 180},
        "offset_y": 2.5,
        "offset_x": -1.25,
        "asymmetry": 0.6,
        "asymmetry_angle": {"distribution": "uniform", "minimum": 0, "maximum": 360},
    }
    recipe = ad.Recipe(galaxies=8, image_shape=(24, 24), profile=profile, scale=1.0)
    upright = ad.simulate(recipe, seds, variables="input")
    columns = {name: upright[name].values for name in ORIENTED}
    truth = oriented(columns, EVERY)
    same = {
        name: upright[name].values
        for name in ("galaxy_id", "z_in", "z_out", "sed_index")
    }
    units = {"position_angle": "deg", "asymmetry_angle": "deg"}
    table = ad.read_table({**same, **truth}, units=units)
    rendered = ad.simulate(recipe, seds, variables="input", catalogue=table)
    turned = np.empty_like(upright["input"].values)
    orient(upright["input"].values, EVERY, np.arange(turned.shape[-1]), turned)
    # Two ways to render the same light: the renderer's own accuracy, of the brightest.
    limit = 1e-4 * turned.max(axis=(1, 2, 3), keepdims=True)
    assert np.all(np.abs(rendered["input"].values - turned) < limit)
    # The same test sees a galaxy that was left as it was.
    unturned = np.abs(upright["input"].values - turned) < limit
    assert not unturned[1:].all(axis=(1, 2, 3)).any()


def test_columns_of_components_turn_together() -> None:
    columns = {
        "position_angle": np.tile([[170.0, 20.0]], (8, 1)),
        "offset_x": np.tile([[1.0, 2.0]], (8, 1)),
        "offset_y": np.tile([[0.0, -3.0]], (8, 1)),
        "z_in": np.arange(8.0),
    }
    found = oriented(columns, EVERY)
    for component in (0, 1):
        alone = {k: v[:, component] for k, v in columns.items() if v.ndim == 2}
        for name, values in oriented(alone, EVERY).items():
            assert np.array_equal(found[name][:, component], values)
    assert found["z_in"] is columns["z_in"]
    assert found["position_angle"][1].tolist() == [80.0, 110.0]
    assert found["position_angle"][4].tolist() == [10.0, 160.0]


def test_a_tiny_angle_stays_below_its_end() -> None:
    columns = {
        "position_angle": np.array([1e-15, 1e-300]),
        "asymmetry_angle": np.array([0.0, 1e-300]),
    }
    found = oriented(columns, np.array([4, 4]))
    assert np.all((found["position_angle"] >= 0) & (found["position_angle"] < 180))
    assert np.all((found["asymmetry_angle"] >= 0) & (found["asymmetry_angle"] < 360))
