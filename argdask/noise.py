"""Noise of a detector: electrons that are counted, and a background."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argdask.caching import compiled
from argdask.elementary import LOG2_E, exp2
from argdask.streams import TILE, fill_normals, fill_words

__all__ = [
    "EPOCHS",
    "ROLES",
    "Levels",
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


class Levels(NamedTuple):
    """How much noise images shall have."""

    electrons: ArrayLike
    """Electrons per unit of the images (filter,); 0 for no shot noise."""
    sigma: ArrayLike
    """Standard deviation of the background, in the unit of the images, (filter,),
    (galaxy, filter) or (galaxy, y, x, filter)."""
    counted: NDArray[np.bool_] | None = None
    """Whether electrons are counted one by one (filter,), or their noise is normal, of
    the same variance; None for all counted."""


def add_noise(
    images: NDArray[np.float32],
    ids: ArrayLike,
    keys: tuple[int, int],
    role: str,
    epoch: int,
    levels: Levels,
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
    levels
        How much noise.
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

    Notes
    -----
    Counted electrons have the Poisson distribution of their mean. Normal shot noise has
    its mean and variance, but no skewness, and is not of whole electrons: for a mean m
    and a background of b electrons, at least half of one, the distribution function is
    off by at most 0.08 m / (m + b^2)^(3/2), which is the term of the skewness in its
    Edgeworth series (0.0665), and a little more. That is 0.06 at worst, and 0.03 from a
    background of one electron on; without a background it is 0.27 m^(-1/2).
    """
    galaxy_id = np.asarray(ids, dtype=np.int64)
    filters = images.shape[3]
    gains = np.asarray(levels.electrons, dtype=np.float64)
    given = np.asarray(levels.sigma, dtype=np.float64)
    counted = np.ones(filters, bool) if levels.counted is None else levels.counted
    wanted = images.shape if given.ndim > 2 else (galaxy_id.size, filters)
    sigmas = np.ascontiguousarray(np.broadcast_to(given, wanted))
    noisy = np.empty(images.shape, np.float32) if out is None else out
    one_each = gains.shape == counted.shape == (filters,)
    if images.shape[0] != galaxy_id.size or not one_each:
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
    rows = (galaxy_id.size, -1)
    number = epoch * len(ROLES) + ROLES[role]
    normal = (gains > 0) & ~counted
    _add_noise(
        flat.reshape(rows),
        noisy.reshape(rows),
        galaxy_id.view(np.uint64),
        np.array([*keys, number], np.uint64),
        np.where(normal, 0.0, gains),
        np.divide(1.0, gains, where=normal, out=np.zeros(filters)),
        sigmas.reshape(rows),
    )
    return noisy


class _Memory(NamedTuple):
    """What kernels write to on the way, a tile each: it stays in the first cache."""

    words: NDArray[np.uint32]
    normals: NDArray[np.float32]
    clean: NDArray[np.float32]
    seen: NDArray[np.float32]
    # of the pixels in which electrons have to be counted
    kind: NDArray[np.uint8]
    few: NDArray[np.int64]
    many: NDArray[np.int64]
    drawn: NDArray[np.uint32]
    flux: NDArray[np.float64]
    gain: NDArray[np.float64]


@compiled
def _memory() -> _Memory:
    return _Memory(
        np.empty(TILE, np.uint32),
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
        np.empty(TILE, np.uint8),
        np.empty(TILE, np.int64),
        np.empty(TILE, np.int64),
        np.empty(TILE, np.uint32),
        np.empty(TILE, np.float64),
        np.empty(TILE, np.float64),
    )


@compiled
def _add_noise(
    images: NDArray[np.float32],
    noisy: NDArray[np.float32],
    galaxy_id: NDArray[np.uint64],
    streams: NDArray[np.uint64],
    electrons: NDArray[np.float64],
    slope: NDArray[np.float64],
    sigma: NDArray[np.float64],
) -> None:
    """Fill noisy (galaxy, pixel and filter), a tile of words at a time.

    Parameters
    ----------
    images, noisy, galaxy_id
        As above; the images may be the result.
    streams
        The two keys, and the number of the role and the epoch.
    electrons
        Electrons per unit (filter,) where they are counted, or 0.
    slope
        Variance of normal shot noise over the flux (filter,), or 0.
    sigma
        Of the background (galaxy, filter) or (galaxy, pixel and filter).
    """
    galaxies, count = images.shape
    filters = electrons.size
    memory = _memory()
    # Filters follow each other in memory, whichever a tile begins with.
    gains, slopes = np.empty(TILE + filters), np.empty(TILE + filters)
    levels = np.empty(TILE + filters)
    _repeat(electrons, gains)
    _repeat(slope, slopes)
    counts, spreads = electrons.max() > 0.0, slope.max() > 0.0
    for galaxy in range(galaxies):
        identity, row = galaxy_id[galaxy], sigma[galaxy]
        adds = spreads or row.max() > 0.0
        _repeat(row[:filters], levels)
        for begin in range(0, count, TILE):
            size, phase = min(TILE, count - begin), begin % filters
            tile = slice(begin, begin + size)
            clean, seen = memory.clean[:size], memory.seen[:size]
            clean[:] = images[galaxy, tile]
            seen[:] = clean
            number = begin // TILE
            if counts:
                fill_words(memory.words, number, streams[0], identity, streams[2])
                _count(clean, seen, gains[phase:], memory)
            if adds:
                fill_words(memory.words, number, streams[1], identity, streams[2])
                fill_normals(memory.words[:size], memory.normals)
                level = levels[phase:] if row.size == filters else row[tile]
                _spread(clean, seen, memory.normals, level, slopes[phase:])
            noisy[galaxy, tile] = seen


@compiled
def _repeat(values: NDArray[np.float64], repeated: NDArray[np.float64]) -> None:
    for index in range(repeated.size):
        repeated[index] = values[index % values.size]


@compiled
def _spread(
    clean: NDArray[np.float32],
    seen: NDArray[np.float32],
    normals: NDArray[np.float32],
    sigma: NDArray[np.float64],
    slope: NDArray[np.float64],
) -> None:
    """Add normal noise to what is seen of the clean pixels."""
    for index in range(clean.size):
        flux = max(float(clean[index]), 0.0)
        # In float64 no square overflows, and where nothing is added to it, the root of
        # sigma's square is sigma.
        variance = slope[index] * flux + sigma[index] * sigma[index]
        seen[index] += np.float32(math.sqrt(variance)) * normals[index]


@compiled
def _count(
    clean: NDArray[np.float32],
    seen: NDArray[np.float32],
    gains: NDArray[np.float64],
    memory: _Memory,
) -> None:
    """Replace what is seen by counted electrons, in the unit of the images."""
    words, kind = memory.words, memory.kind
    for index in range(clean.size):
        mean = gains[index] * float(clean[index])
        u = (float(words[index]) + 0.5) * 2.0**-32
        # No light, less than none (from a Fourier transform), or NaN: as it is.
        if mean > 0.0:
            seen[index] = 0.0
        # exp(-mean), the probability of no electron, is above 1 - mean.
        some = (mean > 0.0) & (u > 1.0 - mean)
        kind[index] = some + (mean >= _COUNTED_BELOW)
    few = many = 0
    for index in range(clean.size):
        memory.few[few] = memory.many[many] = index
        few += kind[index] == 1
        many += kind[index] == 2
    for index in memory.few[:few]:
        mean = gains[index] * float(clean[index])
        u = (float(words[index]) + 0.5) * 2.0**-32
        seen[index] = _in_flux(_quantile(mean, u), float(clean[index]), gains[index])
    _count_many(clean, seen, gains, memory, memory.many[:many])


@compiled
def _count_many(
    clean: NDArray[np.float32],
    seen: NDArray[np.float32],
    gains: NDArray[np.float64],
    memory: _Memory,
    places: NDArray[np.int64],
) -> None:
    number = places.size
    if number == 0:
        return
    drawn, normals = memory.drawn[:number], memory.normals[:number]
    flux, gain = memory.flux, memory.gain
    for k in range(number):
        index = places[k]
        drawn[k] = memory.words[index]
        flux[k] = clean[index]
        gain[k] = gains[index]
    fill_normals(drawn, normals)
    for k in range(number):
        z = float(normals[k])
        mean = gain[k] * flux[k]
        inverse = 1.0 / math.sqrt(mean)
        square = 2.0 + z * z
        counted = mean * (1.0 + inverse * z)
        counted += square * (1.0 / 6.0 - z * inverse * (1.0 / 72.0))
        flux[k] = _in_flux(math.floor(counted), flux[k], gain[k])
    for k in range(number):
        seen[places[k]] = flux[k]


@compiled
def _in_flux(number: float, flux: float, gain: float) -> float:
    """Return how much light a number of electrons is that a flux made."""
    # The mean is taken off first: what is left has few digits to lose.
    return flux + (number - gain * flux) / gain


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
