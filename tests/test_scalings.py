"""Scalings: there and back, against their definitions."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from argdask.errors import InputError
from argdask.scalings import Asinh, Scaling, Standardise

SCALINGS = [
    Asinh(2.5),
    Asinh([0.5, 3.0]),
    Standardise(1.5, 4.0),
    Standardise([0.5, -3.0], [2.0, 0.25]),
]
IMAGES = arrays.arrays(
    np.float64, (2, 3, 3, 2), elements=st.floats(-1e4, 1e4, width=32)
)


@pytest.mark.parametrize("scaling", SCALINGS, ids=str)
@given(images=IMAGES)
def test_the_inverse_gives_back_what_was_given(scaling: Scaling, images: Any) -> None:
    # The logarithm of 1e4 over 0.5 loses a digit of the sixteen.
    found = scaling.inverse(scaling(images))
    assert np.allclose(found, images, rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("scaling", SCALINGS, ids=str)
def test_float32_stays_float32_and_memory_is_used(scaling: Scaling) -> None:
    images = np.random.default_rng(1).normal(size=(2, 4, 4, 2)).astype(np.float32)
    new = scaling(images)
    assert new.dtype == scaling.inverse(new).dtype == np.float32
    before = images.copy()
    assert scaling(images, out=images) is images
    assert np.array_equal(images, new)
    assert not np.array_equal(images, before)


def test_values_are_those_of_the_definitions() -> None:
    images = np.array([[0.0, 8.0]])
    log = np.log(4 + np.sqrt(17))  # asinh(8 / 2)
    assert np.allclose(Asinh(2.0)(images), [[0.0, log]], rtol=1e-15)
    assert Standardise([1, 2], [2, 3])(images).tolist() == [[-0.5, 2.0]]


def test_statistics_of_several_variables_are_pooled() -> None:
    pixels = np.random.default_rng(4).normal([[3.0], [7.0]], 2.0, (1000, 2, 3))
    dims = ("variable", "filter")
    statistics = xr.Dataset(
        {"mean": (dims, pixels.mean(axis=0)), "std": (dims, pixels.std(axis=0))}
    )
    found = Standardise.of(statistics)
    assert np.allclose(found.mean, pixels.mean(axis=(0, 1)), rtol=1e-13)
    assert np.allclose(found.std, pixels.std(axis=(0, 1)), rtol=1e-13)
    assert Asinh.of(statistics).softening == found.std
    alone = statistics.isel(variable=0)
    assert Standardise.of(alone).mean == tuple(alone["mean"].values)


def test_they_are_values() -> None:
    for scaling in SCALINGS:
        assert pickle.loads(pickle.dumps(scaling)) == scaling
        assert hash(scaling) == hash(pickle.loads(pickle.dumps(scaling)))
    with pytest.raises(AttributeError):
        SCALINGS[0].softening = (1.0,)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Asinh(0.0), "softening"),
        (lambda: Asinh([1.0, -1.0]), "softening"),
        (lambda: Asinh("x"), "softening"),
        (lambda: Asinh([[1.0]]), "softening"),
        (lambda: Standardise(float("nan"), 1.0), "mean"),
        (lambda: Standardise([], 1.0), "mean"),
        (lambda: Standardise(0.0, 0.0), "std"),
        (lambda: Standardise.of(xr.Dataset({"mean": 1.0})), "statistics"),
    ],
)
def test_what_has_no_inverse_is_refused(make: Any, field: str) -> None:
    with pytest.raises(InputError, match=f"^{field}: got .*, expected "):
        make()
