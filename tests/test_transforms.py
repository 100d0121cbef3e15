"""Kernels of galaxies in Fourier space: direct sums, and the same without compiling."""

from __future__ import annotations

import numpy as np
import pytest

from argdask import elementary, hankel, kernels, outskirts, profiles, transforms, waves
from argdask.convolution import Convolution, _radial
from argdask.outskirts import samples_at
from argdask.profiles import table_of
from argdask.psf import Gaussian, PSFImage
from argdask.transforms import cell_of, edge_of, galaxy_spectrum

GRID = (80, 84)


def parts_of(light: np.ndarray) -> np.ndarray:
    """Split a spectrum at -K to K of either axis into its parts (part, kx, ky)."""
    middle = np.array(light.shape) // 2
    above = light[middle[0] :, middle[1] :].T
    below = light[middle[0] :: -1, middle[1] :].T
    return np.stack(
        [
            0.5 * (above + below).real,
            0.5 * (below - above).imag,
            -0.5 * (above + below).imag,
            0.5 * (below - above).real,
        ]
    )


def sampled_spectrum(row: np.ndarray, most: tuple[int, int]) -> np.ndarray:
    """Find a spectrum by sums over small pixels, where the grid repeats nothing."""
    parts, side = 8, 160
    place = (np.arange(side * parts) - 0.5 * (side * parts - 1)) / parts
    columns = {
        "half_light_radius": [row[0] * parts],
        "sersic_index": [row[1]],
        "axis_ratio": [row[2]],
        "position_angle": [row[3]],
        "offset_y": [row[5] * parts],
        "offset_x": [row[6] * parts],
        "asymmetry": [row[7]],
        "asymmetry_angle": [row[8]],
    }
    shape = (side * parts, side * parts)
    light = profiles.sersic(**columns, shape=shape, dtype=np.float64)[0]
    waves = [
        np.exp(-2j * np.pi * np.outer(np.arange(-k, k + 1), place) / length)
        for k, length in zip(most, GRID, strict=True)
    ]
    return waves[0] @ light @ waves[1].T


@pytest.mark.parametrize("window", [np.inf, 0.8])
@pytest.mark.parametrize(
    "moved", [(0.0, 0.0, 0.0, 0.0), (0.4, -0.3, 0.0, 0.0), (0.0, 0.2, 0.6, 40.0)]
)
def test_spectra_are_those_of_small_pixels(window, moved) -> None:
    row = table_of(([2.0], [1.0], [0.5], [30.0], [0.0], [0.0]), None, None)[0][0]
    row[5:] = moved
    most = (44, 46)
    lengths = np.full(most[1] + 1, most[0] + 1)
    memory = tuple(np.full((4, 48, 48), np.nan, np.float32) for _ in range(2))
    radial = _radial(0.8, 84)
    samples = samples_at(GRID, 0.25, (45, 47))
    found = galaxy_spectrum(row, window, radial, samples, GRID, lengths, memory)
    expected = parts_of(sampled_spectrum(row, most))
    symmetric = not any(moved)
    for part in (0, 3) if symmetric else range(4):
        some = found[part, : most[1] + 1, : most[0] + 1]
        # Small pixels miss so much of the cusp, and are not points.
        np.testing.assert_allclose(some, expected[part], atol=2e-3)
    assert expected[0, 0, 0] == pytest.approx(1.0, abs=1e-3)


def test_cells_are_numbered_by_their_lower_edges() -> None:
    square = np.float32(1e-7)
    for _ in range(200):
        square = np.float32(square * np.float32(1.13))
        cell = cell_of(square)
        assert edge_of(cell) <= square < edge_of(cell + 1)
        assert edge_of(cell + 1) / edge_of(cell) <= 1.0 + 1.0 / 64


def test_kernels_do_the_same_when_not_compiled(monkeypatch) -> None:
    rng = np.random.default_rng(3)
    star = np.abs(rng.normal(size=(5, 5))) + np.eye(5)
    psfs = [Gaussian(2.5), PSFImage(star, 0.7)]
    columns = {
        "half_light_radius": [1.0, 6.0, 9.0],
        "sersic_index": [1.0, 4.0, 2.0],
        "axis_ratio": [0.5, 0.4, 0.7],
        "position_angle": [30.0, 40.0, 50.0],
        "offset_y": [0.0, 0.2, -0.3],
        "offset_x": [0.1, 0.0, 0.4],
        "asymmetry": [0.0, 0.0, 0.5],
        "asymmetry_angle": [0.0, 0.0, 20.0],
    }
    convolution = Convolution(psfs, shape=(6, 7), pixel_scale=1.0)
    expected = convolution.sersic(columns)
    from argdask import convolution as module

    for place in (transforms, module, kernels, elementary, hankel, outskirts, waves):
        for name, value in list(vars(place).items()):
            if hasattr(value, "py_func"):
                monkeypatch.setattr(place, name, value.py_func)
    with np.errstate(over="ignore"):
        found = convolution.sersic(columns)
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_resizing_does_the_same_when_not_compiled(monkeypatch) -> None:
    from argdask import resampling

    image = np.random.default_rng(4).normal(size=(5, 6))
    expected = resampling.resize(image, 0.7, (5, 4)).values
    monkeypatch.setattr(resampling, "_resize", resampling._resize.py_func)
    found = resampling.resize(image, 0.7, (5, 4)).values
    np.testing.assert_allclose(found, expected, atol=1e-12)
