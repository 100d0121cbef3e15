"""Noise of a detector: electrons that are counted, and a background."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argdask.caching import compiled
from argdask.elementary import LOG2_E, exp2
from argdask.streams import fill_normals, fill_words

__all__ = [
    "EPOCHS",
    "ROLES",
    "add_noise",
    "electrons_per_microjansky",
    "sigma_of_depth",
]

ROLES = {"input": 0, "target": 1}
"""Numbers of the images of a galaxy, which have noise of their own."""

# Below this mean, electrons are counted one by one until the fraction is reached. From
# it on, Giles (2016, ACM TOMS 42, 1, "Algorithm 955") gives the count from a normal
# deviate, equation for Q_N2: measured against the exact quantile, 0.15 % of the draws
# are off by one electron at a mean of 16, and fewer above; mean and variance hold to
# 2e-5.
_COUNTED_BELOW = 16.0

# Of 2^-33, the smallest fraction that can be left, nothing lies beyond 64 electrons.
_MOST_COUNTED = 64
# Counts are looked through four at a time: 1 / ((n + 1) ... (n + k)) for k of 1 to 4.
_RECIPROCALS = 1.0 / np.cumprod(
    np.arange(0.0, _MOST_COUNTED, 4.0)[:, None] + np.arange(1.0, 5.0), axis=1
)

EPOCHS = 2**31
"""Numbers of draws are below this."""


def electrons_per_microjansky(
    exposure: ArrayLike, zeropoint: ArrayLike
) -> NDArray[np.float64]:
    """Return how many electrons a flux of one microjansky makes.

    Parameters
    ----------
    exposure
        Exposure time [s].
    zeropoint
        AB magnitude of one electron per second.

    Returns
    -------
    ndarray
        The gain, exposure x 10^(0.4 (zeropoint - 23.9)) [electron / uJy].
    """
    seconds = np.asarray(exposure, dtype=np.float64)
    return seconds * 10.0 ** (0.4 * (np.asarray(zeropoint) - 23.9))


def sigma_of_depth(
    depth: ArrayLike, diameter: float, pixel_scale: float
) -> NDArray[np.float64]:
    """Return the background noise of a pixel that a limiting magnitude stands for.

    Parameters
    ----------
    depth
        AB magnitude of a source at five sigma in the aperture.
    diameter
        Of the circular aperture [arcsec].
    pixel_scale
        Size of a pixel [arcsec].

    Returns
    -------
    ndarray
        Standard deviation of a pixel [uJy / pixel]: a fifth of the flux over the root
        of the number of pixels in the aperture, where pixels are independent.
    """
    flux = 10.0 ** (0.4 * (23.9 - np.asarray(depth, dtype=np.float64)))
    pixels = math.pi * (0.5 * diameter / pixel_scale) ** 2
    return flux / (5.0 * math.sqrt(pixels))


def add_noise(
    images: NDArray[np.float32],
    ids: ArrayLike,
    keys: tuple[int, int],
    role: str,
    epoch: int,
    electrons: ArrayLike,
    sigma: ArrayLike,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Count electrons and add a background of mean zero.

    Parameters
    ----------
    images
        What would be seen without noise (galaxy, y, x, filter), in any unit.
    ids
        Galaxy ids (galaxy,).
    keys
        Of the streams of shot noise and of background noise, 64 bits each.
    role
        Which image of the galaxies this is: a key of `ROLES`.
    epoch
        Which of many draws, 0 to 2^31 - 1.
    electrons
        Electrons per unit of the images (filter,); 0 for no shot noise.
    sigma
        Standard deviation of the background, in the unit of the images, (filter,),
        (galaxy, filter) or (galaxy, y, x, filter).
    out
        Memory for the result, which may be `images`; new if left out.

    Returns
    -------
    ndarray
        The images with noise (galaxy, y, x, filter). Every pixel has two words of its
        own, so that it depends on nothing but its own flux and its galaxy's id.

    Raises
    ------
    ValueError
        If shapes or numbers do not fit.
    """
    galaxy_id = np.asarray(ids, dtype=np.int64)
    filters = images.shape[3]
    gains = np.ascontiguousarray(electrons, dtype=np.float64)
    given = np.asarray(sigma, dtype=np.float64)
    wanted = images.shape if given.ndim > 2 else (galaxy_id.size, filters)
    sigmas = np.ascontiguousarray(np.broadcast_to(given, wanted))
    noisy = np.empty(images.shape, np.float32) if out is None else out
    if images.shape[0] != galaxy_id.size or gains.shape != (filters,):
        raise ValueError(f"images {images.shape}, ids and electrons do not fit")
    if noisy.shape != images.shape or not noisy.flags.c_contiguous:
        raise ValueError("out must be C-contiguous and of the images' shape")
    if not (np.isfinite(gains) & (gains >= 0)).all():
        raise ValueError("electrons must be finite and not negative")
    if not (np.isfinite(sigmas) & (sigmas >= 0)).all():
        raise ValueError("sigma must be finite and not negative")
    if not 0 <= epoch < EPOCHS:
        raise ValueError(f"epoch {epoch} is not within 0 to {EPOCHS - 1}")
    if not galaxy_id.size:
        return noisy
    flat = np.ascontiguousarray(images, dtype=np.float32)
    shape = (galaxy_id.size, -1, filters)
    number = epoch * len(ROLES) + ROLES[role]
    words: list[Any] = [np.uint64(word) for word in (*keys, number)]
    places = flat.reshape(shape), noisy.reshape(shape), galaxy_id.astype(np.uint64)
    _add_noise(*places, words[0], words[1], words[2], gains, sigmas.reshape(shape))
    return noisy


@compiled
def _add_noise(
    images: NDArray[np.float32],
    noisy: NDArray[np.float32],
    galaxy_id: NDArray[np.uint64],
    shot: int,
    background: int,
    purpose: int,
    electrons: NDArray[np.float64],
    sigma: NDArray[np.float64],
) -> None:
    galaxies, pixels, filters = images.shape
    count = pixels * filters
    last = sigma.shape[1] - 1  # of each pixel, or one of all
    # Whole blocks of four words; what is left over is not read.
    words = np.empty(-(-count // 4) * 4, np.uint32)
    normals = np.empty(count, np.float64)
    for galaxy in range(galaxies):
        image, result = images[galaxy], noisy[galaxy]
        if electrons.max() > 0.0:
            fill_words(words, shot, galaxy_id[galaxy], purpose)
            fill_normals(words, normals)
            _count(image, result, words, normals, electrons)
        else:
            result[:] = image
        if sigma[galaxy].max() > 0.0:
            fill_words(words, background, galaxy_id[galaxy], purpose)
            fill_normals(words, normals)
            deviates = normals.reshape(pixels, filters)
            for pixel in range(pixels):
                for column in range(filters):
                    level = sigma[galaxy, min(pixel, last), column]
                    result[pixel, column] += level * deviates[pixel, column]


@compiled
def _count(
    image: NDArray[np.float32],
    result: NDArray[np.float32],
    words: NDArray[np.uint32],
    normals: NDArray[np.float64],
    electrons: NDArray[np.float64],
) -> None:
    pixels, filters = image.shape
    inverses = 1.0 / electrons
    for pixel in range(pixels):
        for column in range(filters):
            flux, gain = float(image[pixel, column]), electrons[column]
            mean = gain * flux
            # No light, less than none (from a Fourier transform), or NaN: no electron.
            if not mean > 0.0:
                result[pixel, column] = image[pixel, column]
                continue
            index = pixel * filters + column
            z = normals[index]
            if mean >= _COUNTED_BELOW:
                inverse = 1.0 / math.sqrt(mean)
                square = 2.0 + z * z
                number = mean * (1.0 + inverse * z)
                number += square * (1.0 / 6.0 - z * inverse * (1.0 / 72.0))
                number = math.floor(number)
            else:
                u = (float(words[index]) + 0.5) * 2.0**-32
                # exp(-mean), the probability of none, is above 1 - mean.
                number = 0.0 if u <= 1.0 - mean else _quantile(mean, u)
            # The mean is taken off first: what is left has few digits to lose.
            result[pixel, column] = flux + (number - mean) * inverses[column]


@compiled
def _quantile(mean: float, u: float) -> float:
    """Return the least count whose cumulative probability is not below u."""
    probability = exp2(-mean * LOG2_E)
    cumulative = probability
    square = mean * mean
    cube, fourth = square * mean, square * square
    number = 0
    block = 0
    # Four sums that do not wait for each other take little more time than one.
    while cumulative < u and block < len(_RECIPROCALS):
        first = probability * (mean * _RECIPROCALS[block, 0])
        two = first + probability * (square * _RECIPROCALS[block, 1])
        three = two + probability * (cube * _RECIPROCALS[block, 2])
        probability *= fourth * _RECIPROCALS[block, 3]
        number += 1
        number += cumulative + first < u
        number += cumulative + two < u
        number += cumulative + three < u
        cumulative += three + probability
        block += 1
    return float(number)
