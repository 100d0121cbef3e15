"""What the outer parts of an image tell: its noise, and how the light goes on."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from argdask.resampling import Resized

__all__ = ["Outskirts", "background_noise", "extend", "outer_isophotes"]

Floats: TypeAlias = npt.NDArray[np.float64]

_LAG = 3  # pixels, further than noise of resampled images is correlated
_SIGMA_PER_MAD = 1.482602218505602
_INNER = 1.0 / 3.0  # of the largest ellipse, from which on its shape is measured
_FITTED = 0.5  # and from which on its light is fitted
_BINS = 8
_ROUNDS = 40
_SETTLED = 1e-6
# Rings that are less significant than this tell too little of the slope: over 400 noisy
# exponentials the worst scale is then off by 16 %, by 41 % with half of it.
_SIGNIFICANT = 8.0
_NARROWEST = 0.1  # axis ratio


class Outskirts(NamedTuple):
    """An elliptical exponential, amplitude exp(-R / scale), R along the major axis."""

    amplitude: float
    """Light per pixel that it would have at the centre; 0 where nothing was found."""
    scale: float
    """Pixels."""
    axis_ratio: float
    """Minor over major axis."""
    position_angle: float
    """Of the major axis, from +y towards -x [degree]."""


def background_noise(image: npt.NDArray[np.floating[Any]]) -> float:
    """Measure the noise of an image, whatever light is in it.

    Parameters
    ----------
    image
        (y, x), at least 7 by 7; finite.

    Returns
    -------
    float
        Sigma per pixel; 0 for a smaller image.

    Notes
    -----
    A median of differences that a plane, a cylinder and a saddle along the axes leave
    out, after Immerkaer (1996, CVIU 64, 300), but three pixels apart, so that noise
    which is correlated between neighbours is measured in full; of the pixels outside
    the largest circle of half the width, so that the galaxy does not count.
    """
    if min(image.shape) <= 2 * _LAG:
        return 0.0
    light = np.asarray(image, np.float64)
    height, width = light.shape
    for axis in (0, 1):
        side = light.shape[axis]
        parts = [
            np.take(light, range(start, side - 2 * _LAG + start), axis)
            for start in (0, _LAG, 2 * _LAG)
        ]
        light = parts[0] - 2.0 * parts[1] + parts[2]
    y, x = np.indices(light.shape) + _LAG
    far = np.hypot((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5) > 0.25
    chosen = light[far] if far.any() else light
    # weights 1, -2, 1 along each axis: the variance is 6 times 6 as large
    return float(np.median(abs(chosen))) * _SIGMA_PER_MAD / 6.0


def outer_isophotes(
    image: npt.NDArray[np.floating[Any]], noise: float = 0.0
) -> Outskirts:
    """Fit an elliptical exponential about the centre to the outer part of an image.

    Parameters
    ----------
    image
        (y, x), light in each pixel; finite.
    noise
        Sigma per pixel.

    Returns
    -------
    Outskirts
        Without amplitude where the light is lost in the noise, or does not fall.
    """
    # in one order in memory, in which sums are the same to the last bit
    light = np.ascontiguousarray(image, np.float64)
    y, x = np.indices(light.shape, float)
    y -= 0.5 * (light.shape[0] - 1)
    x -= 0.5 * (light.shape[1] - 1)
    tensor = np.eye(2)
    for _ in range(_ROUNDS):
        radius, limit = _ellipse(tensor, y, x, light.shape)
        ring = np.where((radius <= limit) & (radius > _INNER * limit), light, 0.0)
        moments = np.array(
            [
                [(ring * y * y).sum(), (ring * y * x).sum()],
                [(ring * y * x).sum(), (ring * x * x).sum()],
            ]
        )
        found = _normalised(moments)
        if found is None:
            return Outskirts(0.0, 1.0, 1.0, 0.0)
        change = abs(found - tensor).max()
        tensor = found
        if change < _SETTLED:
            break
    radius, limit = _ellipse(tensor, y, x, light.shape)
    amplitude, scale = _fit(light, radius, limit, noise)
    ratio, angle = _axes(tensor)
    return Outskirts(amplitude, scale, ratio, angle)


def extend(
    resized: Resized,
    outskirts: Outskirts,
    ratio: float,
    centre: tuple[float, float] | None = None,
) -> Floats:
    """Fill what an image does not reach with the exponential of its outskirts.

    Parameters
    ----------
    resized
        What `argdask.resampling.resize` returned.
    outskirts
        Of the image before.
    ratio, centre
        As they were given to it.

    Returns
    -------
    ndarray
        Light in each pixel (y, x).
    """
    shape = resized.values.shape
    place = [0.5 * (side - 1) for side in shape] if centre is None else centre
    y = (np.arange(shape[0]) - place[0])[:, None] / ratio
    x = (np.arange(shape[1]) - place[1])[None] / ratio
    angle = math.radians(outskirts.position_angle)
    along = y * math.cos(angle) - x * math.sin(angle)
    across = (y * math.sin(angle) + x * math.cos(angle)) / outskirts.axis_ratio
    light = np.exp(-np.hypot(along, across) / outskirts.scale)
    added = light * (outskirts.amplitude / ratio**2)
    extended: Floats = resized.values + (1.0 - resized.covered) * added
    return extended


def _ellipse(
    tensor: Floats, y: Floats, x: Floats, shape: tuple[int, int]
) -> tuple[Floats, float]:
    """Return radii along the major axis, and that of the largest ellipse inside.

    ``tensor`` is that of second moments (y, x), 1 along the major axis.
    """
    determinant = tensor[0, 0] * tensor[1, 1] - tensor[0, 1] ** 2
    square = tensor[1, 1] * y * y - 2.0 * tensor[0, 1] * y * x + tensor[0, 0] * x * x
    reach = [
        0.5 * side / math.sqrt(tensor[axis, axis]) for axis, side in enumerate(shape)
    ]
    return np.sqrt(square / determinant), min(reach)


def _normalised(moments: Floats) -> Floats | None:
    """Return moments over that along the major axis, or None if they are of none."""
    mean = 0.5 * (moments[0, 0] + moments[1, 1])
    half = math.hypot(0.5 * (moments[0, 0] - moments[1, 1]), moments[0, 1])
    if not 0.0 <= half < mean:
        return None
    # no flatter than galaxies are, or a few bright pixels would be an ellipse
    least = _NARROWEST**2
    excess = (mean - half) / (mean + half)
    traceless = (moments - mean * np.eye(2)) / (half if half > 0.0 else 1.0)
    small = max(excess, least)
    found: Floats = 0.5 * (1.0 + small) * np.eye(2) + 0.5 * (1.0 - small) * traceless
    return found


def _axes(tensor: Floats) -> tuple[float, float]:
    """Return the axis ratio and the position angle of second moments."""
    half = math.hypot(0.5 * (tensor[0, 0] - tensor[1, 1]), tensor[0, 1])
    ratio = math.sqrt(max(1.0 - 2.0 * half, _NARROWEST**2))
    turn = 0.5 * math.atan2(-2.0 * tensor[0, 1], tensor[0, 0] - tensor[1, 1])
    return ratio, math.degrees(turn) % 180.0


def _fit(
    light: Floats, radius: Floats, limit: float, noise: float
) -> tuple[float, float]:
    """Fit a line to the logarithm of the mean light of rings; weighted."""
    place = (radius / limit - _FITTED) / (1.0 - _FITTED) * _BINS
    ring = np.where((place >= 0.0) & (place < _BINS), place, _BINS).astype(np.int64)
    counts, sums, radii = (
        np.bincount(ring.ravel(), weights, _BINS + 1)[:_BINS]
        for weights in (None, light.ravel(), radius.ravel())
    )
    counts = np.maximum(counts, 1)
    mean, where = sums / counts, radii / counts
    error = noise / np.sqrt(counts)
    # None after one that is lost: those that are not would be those with most noise.
    good = np.logical_and.accumulate((mean > _SIGNIFICANT * error) & (mean > 0.0))
    if np.count_nonzero(good) < 3:
        return 0.0, 1.0
    mean, where, error = mean[good], where[good], error[good]
    # A ring counts for no more than that its light changes across it.
    weights = 1.0 / (np.square(error / mean) + 1e-4)
    weights /= weights.sum()
    middle, level = (weights * where).sum(), (weights * np.log(mean)).sum()
    spread = (weights * np.square(where - middle)).sum()
    slope = (weights * (where - middle) * (np.log(mean) - level)).sum() / spread
    if slope >= 0.0:
        return 0.0, 1.0
    return math.exp(level - slope * middle), -1.0 / slope
