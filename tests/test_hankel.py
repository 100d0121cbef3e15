"""Hankel transforms against closed forms and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special

from argdask.hankel import RADII, STEP, Hankel

ZERO, ONE = Hankel(0), Hankel(1)


def frequencies(hankel: Hankel) -> np.ndarray:
    return np.exp(hankel.start + np.arange(len(RADII)) * STEP)


@pytest.mark.parametrize("sigma", [1e-3, 0.1, 1.0, 10.0])
def test_a_gaussian_is_a_gaussian(sigma: float) -> None:
    square = RADII**2 / sigma**2
    found = ZERO(square * np.exp(-0.5 * square))
    k = frequencies(ZERO)
    used = k < 60.0  # 9 cycles per pixel
    expected = np.exp(-0.5 * (k * sigma) ** 2)
    # The light within the smallest radius is not there: 1e-6 for the smallest sigma.
    np.testing.assert_allclose(found[used], expected[used], atol=1e-6)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 5.0])
def test_the_slope_of_a_gaussian_is_that_of_its_transform(sigma: float) -> None:
    # int r/s exp(-r^2 / 2 s^2) J1(kr) r dr / s^2 = k s exp(-k^2 s^2 / 2)
    square = RADII**2 / sigma**2
    found = ONE(RADII / sigma * square * np.exp(-0.5 * square))
    k = frequencies(ONE)
    used = k < 60.0
    expected = k * sigma * np.exp(-0.5 * (k * sigma) ** 2)
    np.testing.assert_allclose(found[used], expected[used], atol=1e-8)


@pytest.mark.parametrize(("index", "radius"), [(8.0, 0.1), (4.0, 1.0), (0.3, 3.0)])
def test_a_cusp_and_an_edge_by_quadrature(index: float, radius: float) -> None:
    width = special.gammaincinv(2 * index, 0.5)

    def light(r):
        return np.exp(-width * (r / radius) ** (1 / index) - 0.02 * r * r)

    total = integrate.quad(lambda x: np.exp(2 * x) * light(np.exp(x)), -30.0, 4.0)[0]
    found = ZERO(RADII**2 * light(RADII)) / total
    k = frequencies(ZERO)
    for place in np.searchsorted(k, [1e-3, 0.05, 0.5, 2.0, 8.0]):
        x = np.linspace(np.log(1e-9), np.log(60.0), 400001)
        r = np.exp(x)
        expected = np.trapezoid(r * r * light(r) * special.j0(k[place] * r), x) / total
        assert found[place] == pytest.approx(expected, abs=5e-6)
