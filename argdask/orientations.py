"""Images flipped and turned by quarters, and what that does to angles and offsets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask.caching import compiled

__all__ = ["ORIENTED", "drawn", "orient", "oriented"]

# An orientation is a number from 0 to 7: quarter turns from +x to +y (0 to 3), plus 4
# where the image is mirrored in x first.
_MIRRORED = 4
_TURNS = 3

ORIENTED = ("position_angle", "offset_y", "offset_x", "asymmetry_angle")
"""The columns that an orientation changes."""


def drawn(words: NDArray[np.uint64], *, flip: bool, turn: bool) -> NDArray[np.int64]:
    """Return the orientation that each random word stands for.

    Parameters
    ----------
    words
        Random words (galaxy,).
    flip
        Mirror in x, in y, in both or in neither, equally likely.
    turn
        Turn by none to three quarters, equally likely.

    Returns
    -------
    ndarray
        Orientations (galaxy,), 0 to 7.
    """
    bits = (words >> np.uint64(60)).astype(np.int64)
    along_x, along_y = bits & 1, bits >> 1 & 1
    quarters = bits >> 2 if turn else 0 * bits
    if not flip:
        return quarters
    # A mirror in y is one in x and half a turn.
    mirrored = along_x ^ along_y
    return _MIRRORED * mirrored + (quarters + 2 * along_y & _TURNS)


def orient(
    images: NDArray[np.float32],
    orientation: NDArray[np.int64],
    channels: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Copy images flipped and turned, with some of their filters.

    Parameters
    ----------
    images
        Images (galaxy, y, x, filter), C-contiguous; square where they are turned by a
        quarter or by three.
    orientation
        Of each galaxy (galaxy,).
    channels
        Numbers of the filters to copy (channel,).
    out
        Memory for the result (galaxy, y, x, channel), of any strides.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there is no such filter or orientation.
    """
    galaxies, height, width, filters = images.shape
    quarters = bool((orientation & 1).any())
    if (
        out.shape != (galaxies, height, width, channels.size)
        or orientation.shape != (galaxies,)
        or not np.all((channels >= 0) & (channels < filters))
        or not np.all((orientation >= 0) & (orientation < 2 * _MIRRORED))
        or (quarters and height != width)
    ):
        raise ValueError(f"images {images.shape} do not fit into {out.shape}")
    flat = images.reshape(galaxies, height * width, filters)
    _orient(flat, orientation, channels, out)


@compiled
def _orient(images: Any, orientation: Any, channels: Any, out: Any) -> None:
    galaxies, height, width, count = out.shape
    for galaxy in range(galaxies):
        pixels, made = images[galaxy], out[galaxy]
        # The pixel that comes first, and the steps to those above and beside it.
        first, up, right = 0, width, 1
        turns = orientation[galaxy] & _TURNS
        if turns == 1:
            first, up, right = width * (width - 1), 1, -width
        elif turns == 2:
            first, up, right = height * width - 1, -width, -1
        elif turns == _TURNS:
            first, up, right = width - 1, -1, width
        if orientation[galaxy] >= _MIRRORED:
            column = first % width
            first += width - 1 - 2 * column
            if turns & 1:
                up = -up
            else:
                right = -right
        for row in range(height):
            for column in range(width):
                pixel = first + row * up + column * right
                for channel in range(count):
                    made[row, column, channel] = pixels[pixel, channels[channel]]


def oriented(
    columns: dict[str, NDArray[Any]], orientation: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Return the truth about images that were flipped and turned.

    Parameters
    ----------
    columns
        Columns (galaxy,) or (galaxy, component) by name. `asymmetry_angle`, which is
        counted from the major axis, needs `position_angle` beside it.
    orientation
        Of each galaxy (galaxy,).

    Returns
    -------
    dict
        The columns; those in `ORIENTED` follow the orientation. Angles are from +y
        towards -x: [0, 180) for axes and [0, 360) for directions.
    """
    found = dict(columns)

    def each(values: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(-1, *[1] * (like.ndim - 1))

    if "position_angle" in columns:
        angle = columns["position_angle"]
        turns = 90.0 * each(orientation & _TURNS, angle)
        sign = 1.0 - 2.0 * each(orientation >= _MIRRORED, angle)
        turned = np.mod(sign * angle + turns, 180.0)
        # A tiny negative angle rounds to the whole half turn.
        turned[turned >= 180.0] = 0.0
        found["position_angle"] = turned
        if "asymmetry_angle" in columns:
            direction = sign * (angle + columns["asymmetry_angle"]) + turns
            lopsided = np.mod(direction - turned, 360.0)
            lopsided[lopsided >= 360.0] = 0.0
            found["asymmetry_angle"] = lopsided
    if "offset_x" in columns and "offset_y" in columns:
        x, y = columns["offset_x"], columns["offset_y"]
        turns = each(orientation & _TURNS, x)
        x = np.where(each(orientation >= _MIRRORED, x), -x, x)
        choices = [turns == quarter for quarter in range(_MIRRORED)]
        found["offset_x"] = np.select(choices, [x, -y, -x, y]) + 0.0
        found["offset_y"] = np.select(choices, [y, x, -y, -x]) + 0.0
    return found
