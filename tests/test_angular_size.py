"""Angular sizes against astropy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.cosmology import FlatLambdaCDM

from argdask.angular_size import size_ratio


def test_a_rod_has_the_angle_that_astropy_says() -> None:
    cosmology = FlatLambdaCDM(70.0, 0.3)
    z, first = np.array([0.1, 0.5, 1.6, 3.0]), 0.1
    distance = cosmology.angular_diameter_distance(z).value
    reference = cosmology.angular_diameter_distance(first).value
    found = size_ratio(distance, reference, z, first)
    rod = 5.0 * units.kpc * cosmology.arcsec_per_kpc_proper(z)
    expected = rod / rod[0]
    np.testing.assert_allclose(found, expected.value, rtol=1e-12)
    assert found[0] == 1.0
    # beyond the turn of the angular diameter distance things look larger
    assert found[3] > found[2]


@pytest.mark.parametrize("exponent", [-1.0, 0.5])
def test_sizes_evolve_by_a_power_of_the_scale_factor(exponent) -> None:
    z = np.array([0.1, 1.0, 3.0])
    found = size_ratio(2.0, 1.0, z, 0.1, exponent)
    np.testing.assert_allclose(found, 0.5 * ((1 + z) / 1.1) ** exponent)
    assert size_ratio(2.0, 2.0, 0.7, 0.7, exponent) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1.0, 1.0, 0.1), "distances"),
        ((1.0, float("nan"), 1.0, 0.1), "distances"),
        ((1.0, 1.0, -1.0, 0.1), "redshifts"),
        ((1.0, 1.0, 1.0, float("nan")), "redshifts"),
    ],
)
def test_impossible_distances_and_redshifts_are_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        size_ratio(*arguments)
