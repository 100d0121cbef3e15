"""Galaxies of several components: their stamps, cubes and brightest pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argdask import cubes
from argdask.cubes import multiply
from argdask.profiles import brightest_pixel, brightest_sum, sersic

NAMES = (
    "half_light_radius",
    "sersic_index",
    "axis_ratio",
    "position_angle",
    "offset_y",
    "offset_x",
    "asymmetry",
    "asymmetry_angle",
)
bits = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
shapes = st.tuples(st.integers(1, 23), st.integers(1, 23))
samplings = st.sampled_from(["pixel", "centre"])


@st.composite
def sums(draw):
    """Columns and fluxes of galaxies: any number of components, centred or apart."""
    galaxies, components, filters = (
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = (galaxies, components)
    spread = draw(st.sampled_from([0.0, 1.0, 30.0]))
    together = draw(st.booleans())
    values = (
        10.0 ** rng.uniform(-1.7, 1.47, size),
        0.3 * 26.6 ** rng.random(size),
        rng.uniform(0.1, 1.0, size),
        rng.uniform(0.0, 180.0, size),
        *(
            spread * rng.normal(size=(galaxies, 1) if together else size)
            + np.zeros(size)
            for _ in range(2)
        ),
        draw(st.sampled_from([0.0, 0.5, 0.99])) * rng.integers(0, 2, size),
        rng.uniform(0.0, 360.0, size),
    )
    fluxes = 10.0 ** rng.uniform(-3.0, 3.0, (*size, filters))
    fluxes *= rng.random(fluxes.shape) > 0.2
    return dict(zip(NAMES, values, strict=True)), fluxes


def two_components(galaxies=3, filters=5):
    rng = np.random.default_rng(5)
    stamps = rng.random((galaxies, 2, 6, 7), dtype=np.float32)
    return stamps, rng.random((galaxies, 2, filters))


# Stamps


@bits
@given(sums(), shapes, samplings)
def test_components_are_rendered_like_galaxies(galaxies, shape, sampling):
    columns, _ = galaxies
    options = {"shape": shape, "sampling": sampling}
    rows = {name: column.ravel() for name, column in columns.items()}
    size = columns["axis_ratio"].shape
    stamps = sersic(**columns, **options)
    assert stamps.shape == (*size, *shape)
    np.testing.assert_array_equal(stamps.reshape(-1, *shape), sersic(**rows, **options))
    peaks = brightest_pixel(**columns, **options)
    np.testing.assert_array_equal(peaks, stamps.max(axis=(2, 3)))
    out = np.empty_like(stamps)
    assert sersic(**columns, **options, out=out) is out
    np.testing.assert_array_equal(out, stamps)


# Cubes


@bits
@given(
    st.integers(0, 4),
    st.integers(1, 5),
    st.integers(1, 20),
    shapes,
    st.integers(0, 2**32),
)
def test_a_cube_is_the_sum_of_its_components(galaxies, components, filters, shape, n):
    rng = np.random.default_rng(n)
    stamps = rng.random((galaxies, components, *shape), dtype=np.float32)
    fluxes = rng.random((galaxies, components, filters))
    cube = multiply(stamps, fluxes)
    expected = np.einsum("gkyx,gkc->gyxc", stamps, fluxes)
    np.testing.assert_allclose(cube, expected, rtol=components * 2e-7)
    for galaxy in range(galaxies):
        alone = multiply(stamps[[galaxy]], fluxes[[galaxy]])
        np.testing.assert_array_equal(alone[0], cube[galaxy])


def test_one_component_is_a_galaxy_without_components():
    stamps, fluxes = two_components()
    cube = multiply(stamps[:, :1], fluxes[:, :1])
    np.testing.assert_array_equal(cube, multiply(stamps[:, 0], fluxes[:, 0]))
    nothing = np.zeros_like(fluxes)
    for more in (1, 2):
        padded = np.concatenate([fluxes[:, :1], *[nothing[:, :1]] * more], axis=1)
        light = np.concatenate([stamps[:, :1], *[stamps[:, 1:]] * more], axis=1)
        np.testing.assert_array_equal(multiply(light, padded), cube)


def test_components_fill_given_memory():
    stamps, fluxes = two_components()
    out = np.full((3, 6, 7, 5), np.nan, np.float32)
    assert multiply(stamps, fluxes, out) is out
    np.testing.assert_array_equal(out, multiply(stamps[:, :, ::1], fluxes))


def test_components_are_added_alike_when_not_compiled(monkeypatch):
    stamps, fluxes = two_components()
    stamps, fluxes = np.tile(stamps, (1, 2, 1, 1)), np.tile(fluxes, (1, 2, 1))
    cube = multiply(stamps, fluxes)
    monkeypatch.setattr(cubes, "_add", cubes._add.py_func)
    np.testing.assert_allclose(multiply(stamps, fluxes), cube, rtol=1e-6)


@pytest.mark.parametrize(
    ("stamps", "fluxes"),
    [
        ((3, 2, 6, 7), (3, 5)),
        ((3, 6, 7), (3, 2, 5)),
        ((3, 2, 6, 7), (3, 1, 5)),
        ((3, 2, 6, 7), (2, 2, 5)),
        ((3, 0, 6, 7), (3, 0, 5)),
        ((3, 2, 2, 6, 7), (3, 2, 2, 5)),
    ],
)
def test_what_cannot_be_added_is_refused(stamps, fluxes):
    with pytest.raises(ValueError, match="do not fit"):
        multiply(np.ones(stamps, np.float32), np.ones(fluxes))


# The brightest pixel


@settings(parent=bits, max_examples=500)
@given(sums(), shapes, samplings)
def test_the_brightest_sum_is_the_maximum(galaxies, shape, sampling):
    columns, fluxes = galaxies
    options = {"shape": shape, "sampling": sampling}
    peaks = brightest_sum(**columns, fluxes=fluxes, **options)
    stamps = sersic(**columns, **options)
    light = np.einsum("gkyx,gkc->gyxc", stamps.astype(float), fluxes)
    # The order of operations moves the last bit; a pixel that is missed moves more.
    np.testing.assert_allclose(peaks, light.max(axis=(1, 2, 3)), rtol=4e-16 * 4)
    for galaxy, peak in enumerate(peaks):
        one = {name: column[[galaxy]] for name, column in columns.items()}
        assert brightest_sum(**one, fluxes=fluxes[[galaxy]], **options)[0] == peak


@bits
@given(sums(), shapes, samplings)
def test_the_brightest_sum_of_one_is_the_brightest_pixel(galaxies, shape, sampling):
    columns, fluxes = galaxies
    one = {name: column[:, 0] for name, column in columns.items()}
    column = {name: values[:, :1] for name, values in columns.items()}
    options = {"shape": shape, "sampling": sampling}
    peaks = brightest_sum(**column, fluxes=fluxes[:, :1], **options)
    largest = fluxes[:, 0].max(axis=1)
    np.testing.assert_array_equal(peaks, largest * brightest_pixel(**one, **options))


def test_a_bulge_and_a_disc_add_up_to_their_fraction():
    # as a catalogue has it: fluxes are fractions in one filter, and colours elsewhere
    columns = {
        "half_light_radius": [[2.0, 9.0]],
        "sersic_index": [[4.0, 1.0]],
        "axis_ratio": [[0.9, 0.5]],
        "position_angle": [[30.0, 30.0]],
        "offset_y": [[0.0, 0.0]],
        "offset_x": [[0.0, 0.0]],
    }
    shape = (301, 301)
    stamps = sersic(**columns, shape=shape)
    fluxes = np.array([[[0.3, 0.6, 0.1], [0.7, 0.7, 2.0]]])
    cube = multiply(stamps, fluxes)
    total = cube.sum(axis=(1, 2), dtype=float)[0]
    np.testing.assert_allclose(total, [1.0, 1.3, 2.1], rtol=3e-3)
    peak = brightest_sum(**columns, fluxes=fluxes, shape=shape)
    np.testing.assert_allclose(peak, cube.max(axis=(1, 2, 3)), rtol=3e-7)


def test_fluxes_that_do_not_fit_are_refused():
    columns = dict.fromkeys(NAMES[:6], np.ones((2, 3)))
    for fluxes in ((2, 3), (2, 2, 4), (3, 3, 4), (2, 3, 0)):
        with pytest.raises(ValueError, match="do not fit"):
            brightest_sum(**columns, fluxes=np.ones(fluxes), shape=(3, 3))
    flat = dict.fromkeys(NAMES[:6], np.ones(2))
    with pytest.raises(ValueError, match="do not fit"):
        brightest_sum(**flat, fluxes=np.ones((2, 4)), shape=(3, 3))
    for value in (-1.0, np.nan):
        with pytest.raises(ValueError, match="0 or more"):
            brightest_sum(**columns, fluxes=np.full((2, 3, 4), value), shape=(3, 3))
