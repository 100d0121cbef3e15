"""Images in other pixels: the light of each new pixel from that of the old ones.

The light up to a corner is known at every corner of the old pixels. A spline through it
gives the light up to the corners of the new ones, and differences of that the light in
them: nothing is lost, the old pixel is accounted for, and the new one is integrated
over, which leaves nothing to alias but what the old pixels had aliased before.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy

from argdask.caching import compiled

__all__ = ["Resized", "covered_fraction", "noise_power", "pixel_weights", "resize"]

Floats: TypeAlias = npt.NDArray[np.float64]

# Of the spline; a higher one rings further and helps no more.
_DEGREE = 7


class Resized(NamedTuple):
    """An image in other pixels."""

    values: Floats
    """Light in each pixel (y, x), of the old image; 0 where it did not reach."""
    covered: Floats
    """Fraction of each pixel that the old image reaches (y, x)."""
    noise: Floats
    """Sigma of each pixel (y, x) for noise of 1, not correlated, in the old ones."""


def resize(
    image: npt.NDArray[np.floating[Any]],
    ratio: float,
    shape: tuple[int, int],
    centre: tuple[float, float] | None = None,
) -> Resized:
    """Shrink or grow an image about its centre.

    Parameters
    ----------
    image
        (y, x), light in each pixel; finite.
    ratio
        Pixels of the result over pixels of the image, of the same thing: the ratio of
        angular diameter distances times that of pixel scales.
    shape
        (y, x) of the result.
    centre
        Where in the result the centre of the image is (y, x), from the middle of the
        first pixel; left out: (N - 1) / 2.

    Returns
    -------
    Resized
        The light and what is known of each pixel. A ratio of 1 gives the very values of
        the image, where the centres are a whole number of pixels apart.

    Raises
    ------
    ValueError
        The ratio is not a finite number above 0, or the image has not two axes.

    Notes
    -----
    The sum over the part of the result that is covered is that of the image, to
    rounding. Accuracy is that of interpolation in the image: with a PSF of at least 2.5
    of its pixels FWHM it is 0.5 % of the peak; a cusp that its pixels do not resolve
    has to be taken out before.
    """
    if image.ndim != 2 or 0 in image.shape or not 0.0 < ratio < np.inf:
        raise ValueError(f"expected (y, x) and a ratio, got {image.shape} and {ratio}")
    place = [0.5 * (side - 1) for side in shape] if centre is None else centre
    axes = [
        pixel_weights(old, new, float(ratio), float(middle))
        for old, new, middle in zip(image.shape, shape, place, strict=True)
    ]
    values = np.zeros(shape)
    light = np.ascontiguousarray(image, np.float64)
    _resize(light, axes[0][0], np.ascontiguousarray(axes[1][0].T), values)
    noise = [np.sqrt(np.square(weights).sum(axis=1)) for weights, _ in axes]
    return Resized(
        values, np.outer(axes[0][1], axes[1][1]), np.outer(noise[0], noise[1])
    )


def pixel_weights(
    old: int, new: int, ratio: float, middle: float
) -> tuple[Floats, Floats]:
    """Return what pixels of a line give to those of the resized line.

    Parameters
    ----------
    old, new
        Number of pixels before and after.
    ratio
        As `resize` takes it.
    middle
        Where in the new pixels the middle of the old ones is, from the middle of the
        first.

    Returns
    -------
    weights
        Light in new pixels for light of 1 in each of the old ones (new, old); `resize`
        multiplies images by those of rows and of columns.
    covered
        Fraction of each new pixel that the old ones reach (new,).
    """
    corners = (np.arange(new + 1) - 0.5 - middle) / ratio + 0.5 * old
    inside = np.clip(corners, 0.0, old)
    covered = np.clip(np.round(np.diff(inside) * ratio, 12), 0.0, 1.0)
    if ratio == 1.0 and (corners == np.rint(corners)).all():
        first = int(corners[0])
        return np.eye(new, old, first), covered
    weights: Floats = np.diff(_spline(old)(inside), axis=0)
    return weights, covered


def covered_fraction(
    covered: Floats, shape: tuple[int, int], margin: tuple[int, int] = (0, 0)
) -> float:
    """Return how much of the frame the image reaches.

    Parameters
    ----------
    covered
        As `resize` gives it (y, x).
    shape
        (y, x), the frame in pixels.
    margin
        Where in ``covered`` the frame begins (y, x).

    Returns
    -------
    float
        Fraction of the area, 0 to 1.
    """
    top, left = margin
    return float(covered[top : top + shape[0], left : left + shape[1]].mean())


def noise_power(frequency: npt.ArrayLike, ratio: float) -> Floats:
    """Return the power of noise along one axis of a resized image.

    Parameters
    ----------
    frequency
        Cycles per new pixel, -0.5 to 0.5.
    ratio
        As `resize` takes it.

    Returns
    -------
    ndarray
        For noise of 1 in old pixels that is not correlated. Its mean over all
        frequencies is the mean square of the noise in new pixels, far from edges.

    Notes
    -----
    The light up to a corner has the noise of a sum. Interpolation by a spline of degree
    d multiplies frequencies of c cycles per old pixel by sinc(c)**(d + 1) over its sum
    over all c + j (Unser 1999, IEEE Signal Process. Mag. 16, 22), and new pixels are
    differences again.
    """
    k = np.asarray(frequency, np.float64)
    if ratio == 1.0:
        return np.ones(k.shape)
    far = int(1.0 / ratio) + 2
    old = (k[..., None] + np.arange(-far, far + 1)) * ratio
    rest = old - np.rint(old)
    neighbours = np.sinc(rest[..., None] + np.arange(-3, 4)) ** (_DEGREE + 1)
    passed = np.sinc(old) ** (_DEGREE + 1) / neighbours.sum(axis=-1)
    # sin(pi new) / sin(pi old), where both may be 0
    with np.errstate(divide="ignore", invalid="ignore"):
        waves = np.sin(np.pi * old / ratio) / np.sin(np.pi * old)
    whole = np.where(abs(old) < 1e-9, 1.0 / ratio, 0.0)
    waves = np.where(abs(rest) < 1e-9, whole, waves)
    power: Floats = ratio * np.square(passed * waves).sum(axis=-1)
    return power


@functools.lru_cache(maxsize=64)
def _spline(size: int) -> scipy.interpolate.BSpline:
    """Return the light up to a place, of each pixel of a line alone."""
    # An odd degree needs one more corner than it has.
    degree = min(_DEGREE, size - 1 + size % 2)
    corners = np.arange(size + 1.0)
    return scipy.interpolate.make_interp_spline(
        corners, np.tri(size + 1, size, -1), k=max(degree, 1)
    )


@compiled
def _resize(image: Floats, rows: Floats, columns: Floats, out: Floats) -> None:
    """Add to ``out`` (y, x) the image times weights of rows and of columns."""
    height, width = image.shape
    line = np.empty(width)
    for i in range(out.shape[0]):
        line[:] = 0.0
        for k in range(height):
            weight = rows[i, k]
            if weight != 0.0:
                for j in range(width):
                    line[j] += weight * image[k, j]
        for k in range(width):
            light = line[k]
            if light != 0.0:
                for j in range(out.shape[1]):
                    out[i, j] += light * columns[k, j]
