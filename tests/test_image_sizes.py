"""Sizes of images against the cosmology, and the ends of what can be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from argdask.catalogue import Catalogue
from argdask.image_light import ImageLight
from argdask.image_sizes import ImageSizes, scale_ratio
from argdask.recipe import Recipe
from argdask.seds import cosmology
from argdask.sizes import Sizes

IMAGES = {"name": "images", "source": "images.npy"}


def made(profile: dict[str, Any], **choices: Any) -> Recipe:
    own = {**IMAGES, "pixel_scale": 0.06, **profile}
    return Recipe(profile=own, angular_size=True, **choices)


def test_angles_are_those_of_the_cosmology_from_any_redshift(seds) -> None:
    recipe = made({"image_redshift": 0.5})
    sizes = ImageSizes(recipe, ImageLight(recipe.profile, "flux"), Sizes(recipe, seds))
    images = np.array([1e-4, 0.003, 0.05, 0.1, 0.77, 2.0, 2.0])
    redshift = np.array([0.1, 0.1, 0.1, 2.0, 1.9, 2.0, 2.0 - 1e-10])
    distance = cosmology(seds).angular_diameter_distance
    expected = (distance(images) / distance(redshift)).value
    found = sizes.angle(redshift, images)
    # The spline from 0 on, measured: 2e-9 at z = 1e-4.
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert found[-2:].tolist() == [1.0, 1.0]
    assert sizes.largest({"input": (0.5, 2.0)}, "input") == 1.0
    far = distance(0.5).value / distance(np.linspace(0.8, 2.0, 2000)).value
    assert sizes.largest({"target": (0.8, 2.0)}, "target") == pytest.approx(
        far.max(), rel=1e-6
    )


@pytest.mark.parametrize(
    ("own", "recipe", "ratio"),
    [(None, 0.06, 1.0), (0.06 * (1 + 1e-12), 0.06, 1.0), (0.03, 0.06, 0.5)],
)
def test_pixels_are_compared(own, recipe, ratio) -> None:
    chosen = Recipe(profile={**IMAGES, "pixel_scale": own}, pixel_scale=recipe)
    assert scale_ratio(chosen) == ratio
    assert scale_ratio(Recipe()) == 1.0


@pytest.mark.parametrize("values", ["grid", "continuous"])
@pytest.mark.parametrize(
    "choices", [{}, {"z_in": 0.5}, {"z_out": 1.0}, {"min_separation": 0.4}]
)
def test_nothing_is_drawn_beyond_its_reach(seds, values, choices) -> None:
    recipe = Recipe(redshifts={"values": values, **choices}, galaxies=4000)
    catalogue = Catalogue(recipe, seds)
    drawn = catalogue.columns(np.arange(4000))
    for name, end in (("input", "in"), ("target", "out")):
        low, high = catalogue.reach[name]
        z = drawn[f"z_{end}"]
        assert (z >= low).all()
        assert (z <= high).all()
        assert z.min() == pytest.approx(low, abs=0.06)
        assert z.max() == pytest.approx(high, abs=0.06)
