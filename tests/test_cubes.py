"""Cubes are stamps times fluxes, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask import cubes
from argdask.cubes import multiply, multiply_convolved


def made(galaxies: int, height: int, width: int, filters: int):
    generator = np.random.default_rng(galaxies + 10 * height + 100 * filters)
    stamps = generator.exponential(1e-3, (galaxies, height, width))
    fluxes = generator.lognormal(0, 5, (galaxies, filters))
    return stamps.astype(np.float32), fluxes


# Vectors of filters begin at eight, and two of them at nine.
sizes = st.tuples(*[st.integers(1, 9)] * 3, st.integers(1, 26)) | st.tuples(
    st.integers(0, 3), st.just(2), st.just(3), st.just(4)
)


@given(sizes)
def test_a_cube_is_the_float32_product_to_the_last_bit(shape):
    stamps, fluxes = made(*shape)
    expected = stamps[..., None] * fluxes.astype(np.float32)[:, None, None, :]
    found = multiply(stamps, fluxes)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_machine_code_and_python_agree_to_the_last_bit():
    stamps, fluxes = made(2, 3, 4, 5)
    by_python = np.empty((2, 12, 5), np.float32)
    rows = fluxes.astype(np.float32)
    cubes._multiply.py_func(stamps.reshape(2, 12), rows, by_python)
    np.testing.assert_array_equal(
        multiply(stamps, fluxes), by_python.reshape(2, 3, 4, 5)
    )


def test_the_result_is_written_where_it_is_wanted():
    stamps, fluxes = made(3, 4, 5, 6)
    out = np.full((3, 4, 5, 6), np.nan, np.float32)
    assert multiply(stamps, fluxes, out) is out
    np.testing.assert_array_equal(out, multiply(stamps, fluxes))


def test_stamps_may_lie_in_any_order_in_memory():
    stamps, fluxes = made(3, 4, 5, 6)
    np.testing.assert_array_equal(
        multiply(np.asfortranarray(stamps), fluxes), multiply(stamps, fluxes)
    )


@pytest.mark.parametrize(
    ("fluxes", "out", "message"),
    [
        (np.ones((2, 6)), None, "do not fit"),
        (np.ones((3, 6)), np.empty((3, 4, 5, 5), np.float32), "do not fit"),
        (np.ones((3, 6)), np.empty((3, 4, 5, 6)), "C-contiguous float32"),
        (
            np.ones((3, 6)),
            np.empty((6, 5, 4, 3), np.float32).T,
            "C-contiguous float32",
        ),
    ],
)
def test_what_does_not_fit_is_refused(fluxes, out, message):
    stamps, _ = made(3, 4, 5, 6)
    with pytest.raises(ValueError, match=message):
        multiply(stamps, fluxes, out)


# Stamps that differ between filters


def seen(galaxies: int, components: int, psfs: int, filters: int):
    generator = np.random.default_rng(galaxies + 10 * components + 100 * psfs)
    stamps = generator.exponential(1e-3, (galaxies, components, psfs, 3, 4))
    fluxes = generator.lognormal(0, 5, (galaxies, components, filters))
    index = generator.integers(0, psfs, filters)
    return stamps.astype(np.float32), fluxes, index


@given(st.tuples(st.integers(0, 3), *[st.integers(1, 4)] * 3))
def test_each_filter_takes_the_stamp_of_its_psf(shape):
    stamps, fluxes, index = seen(*shape)
    found = multiply_convolved(stamps, fluxes, index)
    rows = fluxes.astype(np.float32)
    expected = np.zeros((shape[0], 3, 4, shape[3]), np.float32)
    for k in range(shape[1]):
        light = np.moveaxis(stamps[:, k], 1, -1)[..., index]
        expected += light * rows[:, k, None, None, :]
    # Machine code may add and multiply at once.
    np.testing.assert_allclose(found, expected, rtol=3e-7)


def test_one_psf_and_one_component_are_multiplied_as_ever():
    stamps, fluxes, index = seen(3, 1, 1, 5)
    found = multiply_convolved(stamps, fluxes, index)
    np.testing.assert_array_equal(found, multiply(stamps[:, 0, 0], fluxes[:, 0]))
    alone = multiply_convolved(stamps[:, 0], fluxes[:, 0], index)
    np.testing.assert_array_equal(found, alone)


def test_convolved_cubes_have_the_same_bits_in_any_batch():
    stamps, fluxes, index = seen(4, 2, 3, 5)
    whole = multiply_convolved(stamps, fluxes, index)
    out = np.full((2, 3, 4, 5), np.nan, np.float32)
    assert multiply_convolved(stamps[1:3], fluxes[1:3], index, out) is out
    np.testing.assert_array_equal(out, whole[1:3])


def test_convolved_cubes_are_the_same_when_not_compiled(monkeypatch):
    stamps, fluxes, index = seen(2, 3, 2, 5)
    expected = multiply_convolved(stamps, fluxes, index)
    plain = cubes._multiply_convolved.py_func
    monkeypatch.setattr(cubes, "_multiply_convolved", plain)
    found = multiply_convolved(stamps, fluxes, index)
    np.testing.assert_allclose(found, expected, rtol=3e-7)


def test_convolved_stamps_that_do_not_fit_are_refused():
    stamps, fluxes, index = seen(4, 2, 3, 5)
    index[0] = 3
    with pytest.raises(ValueError, match="do not fit"):
        multiply_convolved(stamps, fluxes, index)
    with pytest.raises(ValueError, match="do not fit"):
        multiply_convolved(stamps, fluxes, index[:4])
    with pytest.raises(ValueError, match="do not fit"):
        multiply_convolved(stamps, fluxes[:, 0], index)
    index[0] = 2
    with pytest.raises(ValueError, match="C-contiguous float32"):
        multiply_convolved(stamps, fluxes, index, np.empty((4, 3, 4, 5)))
