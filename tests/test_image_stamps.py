"""Images in other pixels: what is kept, and what is not looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from argdask.image_light import ImageLight, light_of
from argdask.image_stamps import ImageStamps
from argdask.keeping import Kept
from argdask.profiles import sersic
from argdask.recipe import ImageProfile, Recipe

COUNT = 12


@pytest.fixture(scope="module")
def pixels() -> Any:
    rng = np.random.default_rng(4)
    return sersic(
        rng.uniform(1.0, 6.0, COUNT),
        rng.uniform(0.5, 4.0, COUNT),
        rng.uniform(0.2, 1.0, COUNT),
        rng.uniform(0, 180, COUNT),
        rng.uniform(-1, 1, COUNT),
        rng.uniform(-1, 1, COUNT),
        shape=(31, 32),
        dtype=np.float64,
    )


def stamps_of(pixels: Any, **choices: Any) -> ImageStamps:
    np.save("images.npy", pixels)
    source = str(Path("images.npy").absolute())
    profile = {"name": "images", "source": source, "image_redshift": 0.1}
    chosen = {"pixel_scale": 0.06, "angular_size": True, "image_shape": 24, **choices}
    recipe = Recipe(profile=profile, **chosen)
    images = light_of(recipe)
    assert images is not None
    return ImageStamps(recipe, images)


def columns(ratio: Any) -> dict[str, Any]:
    rows = np.arange(COUNT)
    found = {"image": rows}
    for end in ("in", "out"):
        found[f"image_height_{end}"] = 31 * np.broadcast_to(ratio, COUNT)
    return found


@pytest.mark.parametrize("normalise", ["flux", "peak"])
@pytest.mark.parametrize("ratio", [0.31, 0.5, 0.97, 1.0, 1.8])
def test_the_brightest_is_found_without_looking_at_all(
    pixels, ratio, normalise
) -> None:
    stamps = stamps_of(pixels, normalise=normalise)
    rows = columns(ratio)
    light = np.random.default_rng(1).lognormal(0, 1.5, COUNT)
    every = light * stamps.clean(rows, "input").max((1, 2))
    found = stamps_of(pixels, normalise=normalise).brightest(rows, light)
    # What was looked for is right, and what was not is never a new maximum.
    looked = found > 0
    np.testing.assert_array_equal(found[looked], every[looked])
    best = np.maximum.accumulate(every)
    np.testing.assert_array_equal(np.maximum.accumulate(found), best)
    assert not stamps.brightest(rows, light, 1e9).any()


def test_a_stamp_is_the_same_whatever_was_kept(pixels) -> None:
    ratio = np.linspace(0.4, 1.2, COUNT)
    fresh, used = stamps_of(pixels), stamps_of(pixels)
    used._stamps = Kept(1)
    used._cusps = Kept(1)
    backwards = {name: values[::-1] for name, values in columns(ratio).items()}
    first = used.clean(backwards, "input")[::-1]
    np.testing.assert_array_equal(first, fresh.clean(columns(ratio), "input"))
    np.testing.assert_array_equal(
        used.noise(backwards, "target")[::-1], fresh.noise(columns(ratio), "target")
    )


def test_no_image_is_opened_for_no_galaxy() -> None:
    images = ImageLight(ImageProfile(name="images", source="not-there.npy"), "flux")
    stamps = ImageStamps(Recipe(image_shape=(5, 6)), images)
    none = {"image": np.empty(0, np.int64)}
    assert stamps.clean(none, "input").shape == (0, 5, 6)
    assert stamps.noise(none, "input").shape == (0,)
    assert list(stamps.each(none, "input", stamps.frame)) == []
