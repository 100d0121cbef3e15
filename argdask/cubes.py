"""Stamps times fluxes: the image cubes, written once from one end to the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from argdask.caching import compiled

__all__ = ["multiply"]


def multiply(
    stamps: NDArray[np.float32],
    fluxes: NDArray[np.float64],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Multiply each stamp by the galaxy's flux in each filter.

    Parameters
    ----------
    stamps
        Light of each galaxy in each pixel (galaxy, y, x).
    fluxes
        What each stamp is multiplied by (galaxy, filter); rounded to float32 first.
    out
        Memory for the result (galaxy, y, x, filter), C-contiguous; new if left out.

    Returns
    -------
    ndarray
        The cubes (galaxy, y, x, filter).

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    galaxies, height, width = stamps.shape
    filters = fluxes.shape[1]
    shape = (galaxies, height, width, filters)
    cubes = np.empty(shape, dtype=np.float32) if out is None else out
    if fluxes.shape[0] != galaxies or cubes.shape != shape:
        raise ValueError(
            f"stamps {stamps.shape}, fluxes {fluxes.shape} and out {cubes.shape} do "
            "not fit"
        )
    if not cubes.flags.c_contiguous or cubes.dtype != np.float32:
        raise ValueError("out must be C-contiguous float32")
    rows = fluxes.astype(np.float32)
    light = np.ascontiguousarray(stamps, dtype=np.float32)
    pixels = height * width
    _multiply(
        light.reshape(galaxies, pixels), rows, cubes.reshape(galaxies, pixels, filters)
    )
    return cubes


@compiled
def _multiply(
    stamps: NDArray[np.float32], rows: NDArray[np.float32], cubes: NDArray[np.float32]
) -> None:
    # numpy's own broadcast runs over the filters alone at a time, three times slower.
    galaxies, pixels, filters = cubes.shape
    for galaxy in range(galaxies):
        stamp, row, cube = stamps[galaxy], rows[galaxy], cubes[galaxy]
        for pixel in range(pixels):
            light = stamp[pixel]
            for column in range(filters):
                cube[pixel, column] = light * row[column]
