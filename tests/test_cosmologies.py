"""Cosmologies by name and by parameters."""

from __future__ import annotations

from typing import Any

import astropy.cosmology
import numpy as np
import pytest

from argdask.cosmologies import DEFAULT_COSMOLOGY, checked_cosmology, named_cosmology
from argdask.errors import InputError


@pytest.mark.parametrize("name", astropy.cosmology.available)
def test_every_cosmology_of_astropy_is_told_by_its_parameters(name: str) -> None:
    parameters = named_cosmology(name)
    assert parameters == checked_cosmology(parameters)
    assert parameters == named_cosmology({"name": name})
    kind = parameters.pop("name")
    made = getattr(astropy.cosmology, kind)(**parameters)
    known = getattr(astropy.cosmology, name)
    redshift = np.array([0.1, 1.0, 8.0])
    for quantity in ("luminosity_distance", "age"):
        found = getattr(made, quantity)(redshift).value
        expected = getattr(known, quantity)(redshift).value
        np.testing.assert_array_equal(found, expected)


def test_parameters_are_numbers_in_one_order() -> None:
    given = {"Om0": "0.3", "name": "FlatLambdaCDM", "H0": 70}
    assert list(named_cosmology(given).items()) == list(DEFAULT_COSMOLOGY.items())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("planck", "a name that astropy knows; nearest: "),
        ({"name": "Planck"}, "a name that astropy knows; nearest: "),
        ({}, "JSON with the name and parameters"),
        ({"name": "Planck18", "H0": 70}, "JSON with the name and parameters"),
        ({"name": "FlatLambdaCDM", "H0": 70, "Om0": 0.3, "m_nu": [1, "x"]}, "JSON"),
        ({"name": "FlatLambdaCDM", "H0": 70, "Om0": [0.3]}, "JSON with"),
        ('{"name": "FlatLambdaCDM", "H0": 70', "JSON with"),
    ],
)
def test_others_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^cosmology: .*{message}") as caught:
        named_cosmology(given)
    assert "\n" not in str(caught.value)
