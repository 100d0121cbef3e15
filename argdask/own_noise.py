"""Noise on images that have some of their own already, where they are images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argdask import noise
from argdask.noise import Levels

__all__ = ["OwnNoise", "add_noise", "covered_fraction", "covered_line"]

Floats = NDArray[np.float64]

# Galaxies of which the sigma of each pixel is held at once.
_BATCH = 16


class OwnNoise(NamedTuple):
    """Noise that images have already, in a rectangle about the middle of the frame."""

    sigma: Floats
    """Sigma of each pixel of the rectangle (galaxy, filter)."""
    height: Floats
    """Of the rectangle (galaxy,) [pixel]; it may be larger than the frame."""
    width: Floats
    """The same along x."""

    def rows(self, rows: slice) -> OwnNoise:
        """Return that of some galaxies."""
        return OwnNoise(self.sigma[rows], self.height[rows], self.width[rows])


def covered_line(extent: float, size: int) -> Floats:
    """Return how much of each pixel of a line is within a length about its middle.

    Parameters
    ----------
    extent
        The length [pixel].
    size
        Pixels of the line.

    Returns
    -------
    ndarray
        Fractions (pixel,); 1 exactly in pixels that are within.
    """
    lower = np.arange(size) - 0.5 * size
    inside = np.minimum(lower + 1.0, 0.5 * extent) - np.maximum(lower, -0.5 * extent)
    covered: Floats = np.clip(inside, 0.0, 1.0)
    return covered


def covered_fraction(
    height: ArrayLike, width: ArrayLike, shape: tuple[int, int]
) -> Floats:
    """Return how much of a frame rectangles about its middle cover.

    Parameters
    ----------
    height, width
        Of the rectangles (galaxy,) [pixel].
    shape
        (y, x), the frame in pixels.

    Returns
    -------
    ndarray
        Fractions of its area (galaxy,).
    """
    lines = [np.minimum(a, b) / b for a, b in zip((height, width), shape, strict=True)]
    fraction: Floats = np.asarray(lines[0] * lines[1])
    return fraction


def add_noise(
    images: NDArray[np.float32],
    ids: NDArray[np.int64],
    keys: tuple[int, int],
    role: str,
    epoch: int,
    levels: Levels,
    own: OwnNoise | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Count electrons, and add what is missing of the background.

    Parameters
    ----------
    images, ids, keys, role, epoch
        As `argdask.noise.add_noise` takes them.
    levels
        How much there shall be, the same for all galaxies.
    own
        What they have of it already; None for none.
    out
        Memory for the result, which may be `images`; new if left out.

    Returns
    -------
    ndarray
        The images with noise (galaxy, y, x, filter). Where they had some of their own,
        it is subtracted in quadrature from what is added; where they had more than
        there shall be, none is added.
    """
    told = keys, role, epoch
    if own is None:
        return noise.add_noise(images, ids, *told, levels, out)
    sigma = np.asarray(levels.sigma)
    noisy = np.empty(images.shape, np.float32) if out is None else out
    for start in range(0, len(images), _BATCH):
        rows = slice(start, start + _BATCH)
        left = _left(sigma, own.rows(rows), (images.shape[1], images.shape[2]))
        some = levels._replace(sigma=left)
        noise.add_noise(images[rows], ids[rows], *told, some, noisy[rows])
    return noisy


def _left(sigma: Floats, own: OwnNoise, shape: tuple[int, int]) -> Floats:
    """Return what is missing (galaxy, filter), or (galaxy, y, x, filter)."""
    wanted, there = np.square(sigma), np.square(own.sigma)
    if (own.height >= shape[0]).all() and (own.width >= shape[1]).all():
        same: Floats = np.sqrt(np.maximum(wanted - there, 0.0))
        return same
    left = np.empty((len(there), *shape, sigma.size))
    for row, (high, wide) in enumerate(zip(own.height, own.width, strict=True)):
        covered = covered_line(high, shape[0])[:, None] * covered_line(wide, shape[1])
        rest = wanted - covered[:, :, None] * there[row]
        left[row] = np.sqrt(np.maximum(rest, 0.0))
    return left
