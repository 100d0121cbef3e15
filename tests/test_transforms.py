"""Kernels of galaxies in Fourier space: direct sums, and the same without compiling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import fft

from argdask import elementary, kernels, transforms
from argdask.convolution import Convolution
from argdask.psf import Gaussian, PSFImage
from argdask.transforms import add_samples, fold


def spectrum_of(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (2 * rows + 1, columns + 1)
    found = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    # of something real
    found[:rows, 0] = np.conj(found[:rows:-1, 0])
    found[rows, 0] = found[rows, 0].real
    return found.astype(np.complex64)


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(0, 20), st.integers(0, 20)),
    st.tuples(st.integers(0, 20), st.integers(0, 20)),
    st.booleans(),
)
def test_folding_is_sampling_waves_at_pixels(shape, reach, given_reach, real) -> None:
    reach = tuple(
        min(one, other) for one, other in zip(reach, given_reach, strict=True)
    )
    spectrum = spectrum_of(*given_reach)
    rng = np.random.default_rng(1)
    transfer = rng.normal(size=(2 * reach[0] + 1, reach[1] + 1)).astype(np.float32)
    # of something symmetric, as the other half of the plane has to be
    transfer[: reach[0], 0] = transfer[: reach[0] : -1, 0]
    if not real:
        transfer = transfer.astype(np.complex64)
    lengths = rng.integers(1, reach[1] + 2, 2 * reach[0] + 1)
    lengths[: reach[0]] = lengths[: reach[0] : -1]
    out = np.full((shape[0], shape[1] // 2 + 1), np.nan, np.complex64)
    fold(spectrum, transfer, lengths, shape, out)
    found = fft.irfft2(out, s=shape)
    expected = np.zeros(shape)
    y, x = np.indices(shape)
    for j, ky in enumerate(range(-reach[0], reach[0] + 1)):
        for kx in range(lengths[j]):
            light = spectrum[ky + given_reach[0], kx] * transfer[j, kx]
            wave = np.exp(2j * np.pi * (ky * y / shape[0] + kx * x / shape[1]))
            expected += (light * wave).real * (1.0 if kx == 0 else 2.0)
    expected /= shape[0] * shape[1]
    np.testing.assert_allclose(found, expected, atol=1e-4 * (1 + abs(expected).max()))


@pytest.mark.parametrize("shape", [(6, 7), (7, 6), (8, 8)])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("reach", [(2, 3), (4, 4), (12, 11)])
def test_samples_come_back_where_all_their_frequencies_are(shape, parts, reach) -> None:
    samples = np.random.default_rng(2).normal(size=[side * parts for side in shape])
    transform = fft.rfft2(samples.astype(np.float32))
    spectrum = np.zeros((2 * reach[0] + 1, reach[1] + 1), np.complex64)
    add_samples(transform, shape, parts, spectrum)
    expected = np.zeros(samples.shape)
    y, x = np.indices(samples.shape) / parts
    for j, ky in enumerate(range(-reach[0], reach[0] + 1)):
        for kx in range(reach[1] + 1):
            wave = np.exp(2j * np.pi * (ky * y / shape[0] + kx * x / shape[1]))
            expected += (spectrum[j, kx] * wave).real * (1.0 if kx == 0 else 2.0)
    expected /= samples.size
    whole = fft.fft2(samples)
    for axis, (side, most) in enumerate(zip(shape, reach, strict=True)):
        there = abs(fft.fftfreq(side * parts, 1 / (side * parts))) <= most
        whole = whole * np.expand_dims(there, 1 - axis)
    np.testing.assert_allclose(expected, fft.ifft2(whole).real, atol=1e-5)


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

    for place in (transforms, module, kernels, elementary):
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
