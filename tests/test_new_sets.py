"""What is refused of new sets, and that it is not refused of those that exist."""

from __future__ import annotations

from typing import Any

import pytest
import xarray as xr

import argdask as ad
from argdask.errors import InputError
from argdask.new_sets import check_new, too_large
from argdask.simulation import Simulation

WIDE = {"distribution": "lognormal", "median": 1, "sigma": 2, "minimum": 0.1}


def recipe(shape: int = 8, **profile: Any) -> ad.Recipe:
    return ad.Recipe(galaxies=2, image_shape=shape, profile=profile)


def of_components(**changes: Any) -> ad.Recipe:
    parts = {"bulge": {}, "disc": changes}
    return ad.Recipe(profile={"name": "components", "components": parts})


@pytest.mark.parametrize(
    "accepted",
    [
        recipe(),
        recipe(half_light_radius=6.0),  # 100 pixels
        recipe(shape=400, half_light_radius=24.0),  # as large as the frame
        # Half of all are smaller, however long the tail.
        recipe(half_light_radius=WIDE),
        recipe(position_angle=179.9),
        of_components(),
    ],
)
def test_usual_sets_are_accepted(accepted: ad.Recipe) -> None:
    check_new(accepted)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (
            recipe(half_light_radius=1000),
            "profile.half_light_radius: got 1000 arcsec, 16667 pixels of 0.06, expected"
            " at most 100 pixels, the frame or more; give it in arcsec, ",
        ),
        (
            recipe(shape=400, half_light_radius=24.1),
            "profile.half_light_radius: got 24.1 arcsec, 402 pixels of 0.06, expected "
            "at most 400 pixels, ",
        ),
        (
            of_components(half_light_radius=600),
            "profile.components.disc.half_light_radius: got 600 arcsec, ",
        ),
        (
            recipe(position_angle=180),
            "profile.position_angle: got 180, expected angles from 0 to below 180; ",
        ),
        (
            recipe(position_angle={"distribution": "choice", "values": [0, 180]}),
            "profile.position_angle: got 180, expected angles from 0 to below 180; ",
        ),
        (
            of_components(position_angle=180),
            "profile.components.disc.position_angle: got 180, ",
        ),
    ],
)
def test_other_units_are_refused(refused: ad.Recipe, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_new(refused)
    assert str(caught.value).startswith(message)


def test_a_set_that_was_begun_goes_on(seds: xr.DataArray) -> None:
    begun = recipe(position_angle=180, half_light_radius=1000)
    with pytest.raises(InputError, match="half_light_radius"):
        Simulation(begun, seds)
    # A store brings its scale.
    assert Simulation(begun, seds, scale=1.0).scale == 1.0


def test_the_bytes_of_a_galaxy_are_those_of_its_images() -> None:
    # 8 x 8 pixels of float32 for 3 filters, at two redshifts.
    told = str(too_large(recipe(), filters=3))
    assert f"where a part of one galaxy is {8 * 8 * 3 * 2 * 4 / 1e9:.4g} GB" in told
