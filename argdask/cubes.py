"""Stamps times fluxes: the image cubes, written once from one end to the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from argdask.caching import compiled
from argdask.vectors import LANES, store_product

__all__ = ["light_in_frame", "multiply", "multiply_convolved"]


def multiply(
    stamps: NDArray[np.float32],
    fluxes: NDArray[np.float64],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Multiply each stamp by its flux in each filter, and add up components.

    Parameters
    ----------
    stamps
        Light of each galaxy in each pixel (galaxy, y, x), or of each of its components
        (galaxy, component, y, x).
    fluxes
        What each stamp is multiplied by (galaxy, filter), or (galaxy, component,
        filter); rounded to float32 first.
    out
        Memory for the result (galaxy, y, x, filter), C-contiguous; new if left out.

    Returns
    -------
    ndarray
        The cubes (galaxy, y, x, filter). Components are added in their order, in
        float32; one component gives the bits that a galaxy without components has.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    *rows, height, width = stamps.shape
    filters = fluxes.shape[-1]
    shape = (rows[0], height, width, filters)
    cubes = np.empty(shape, dtype=np.float32) if out is None else out
    if (
        len(rows) not in (1, 2)
        or 0 in rows[1:]
        or fluxes.shape != (*rows, filters)
        or cubes.shape != shape
    ):
        raise ValueError(
            f"stamps {stamps.shape}, fluxes {fluxes.shape} and out {cubes.shape} do "
            "not fit"
        )
    if not cubes.flags.c_contiguous or cubes.dtype != np.float32:
        raise ValueError("out must be C-contiguous float32")
    rounded = fluxes.astype(np.float32)
    light = np.ascontiguousarray(stamps, dtype=np.float32)
    pixels = height * width
    flat = cubes.reshape(rows[0], pixels, filters)
    if rows[1:] in ([], [1]):
        _multiply(
            light.reshape(rows[0], pixels), rounded.reshape(rows[0], filters), flat
        )
    else:
        _add(light.reshape(*rows, pixels), rounded, flat)
    return cubes


def multiply_convolved(
    stamps: NDArray[np.float32],
    fluxes: NDArray[np.float64],
    index: NDArray[np.intp],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Multiply stamps that each PSF shows in its own way by their fluxes, and add up.

    Parameters
    ----------
    stamps
        Light of each galaxy in each pixel (galaxy, psf, y, x), or of each of its
        components (galaxy, component, psf, y, x).
    fluxes
        What each stamp is multiplied by (galaxy, filter), or (galaxy, component,
        filter); rounded to float32 first.
    index
        Which of the PSFs each filter has (filter,).
    out
        Memory for the result (galaxy, y, x, filter), C-contiguous; new if left out.

    Returns
    -------
    ndarray
        The cubes (galaxy, y, x, filter). Components are added in their order, in
        float32; one component gives the bits that a galaxy without components has.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there is no such PSF.
    """
    *rows, psfs, height, width = stamps.shape
    filters = fluxes.shape[-1]
    shape = (rows[0], height, width, filters)
    cubes = np.empty(shape, dtype=np.float32) if out is None else out
    if (
        len(rows) not in (1, 2)
        or 0 in rows[1:]
        or fluxes.shape != (*rows, filters)
        or index.shape != (filters,)
        or not np.all((index >= 0) & (index < psfs))
        or cubes.shape != shape
    ):
        raise ValueError(
            f"stamps {stamps.shape}, fluxes {fluxes.shape}, index {index} and out "
            f"{cubes.shape} do not fit"
        )
    if not cubes.flags.c_contiguous or cubes.dtype != np.float32:
        raise ValueError("out must be C-contiguous float32")
    rounded = fluxes.astype(np.float32)
    light = np.ascontiguousarray(stamps, dtype=np.float32)
    pixels = height * width
    components = rows[1] if len(rows) == 2 else 1
    _multiply_convolved(
        light.reshape(rows[0], components, psfs, pixels),
        rounded.reshape(rows[0], components, filters),
        index.astype(np.int64),
        cubes.reshape(rows[0], pixels, filters),
    )
    return cubes


def light_in_frame(stamps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add up the pixels of each stamp.

    Parameters
    ----------
    stamps
        Light in each pixel (..., y, x).

    Returns
    -------
    ndarray
        The sums (...), in float64 and in the order of pixels, so that those of one
        stamp depend on nothing else.
    """
    *rows, height, width = stamps.shape
    sums = np.empty(int(np.prod(rows)))
    _sum(np.ascontiguousarray(stamps).reshape(sums.size, height * width), sums)
    return sums.reshape(rows)


@compiled
def _sum(stamps: NDArray[np.float32], sums: NDArray[np.float64]) -> None:
    for row in range(sums.size):
        total = 0.0
        for light in stamps[row]:
            total += light
        sums[row] = total


@compiled
def _multiply_convolved(
    stamps: NDArray[np.float32],
    rows: NDArray[np.float32],
    index: NDArray[np.int64],
    cubes: NDArray[np.float32],
) -> None:
    galaxies, pixels, filters = cubes.shape
    for galaxy in range(galaxies):
        stamp, row, cube = stamps[galaxy], rows[galaxy], cubes[galaxy]
        for pixel in range(pixels):
            for column in range(filters):
                cube[pixel, column] = stamp[0, index[column], pixel] * row[0, column]
        for component in range(1, stamps.shape[1]):
            for pixel in range(pixels):
                for column in range(filters):
                    light = stamp[component, index[column], pixel]
                    cube[pixel, column] += light * row[component, column]


@compiled
def _multiply(
    stamps: NDArray[np.float32], rows: NDArray[np.float32], cubes: NDArray[np.float32]
) -> None:
    # numpy's own broadcast runs over the filters alone at a time, and a loop over them
    # is too short for LLVM: three times slower, and half as fast again.
    galaxies, pixels, filters = cubes.shape
    last = filters - LANES
    for galaxy in range(galaxies):
        stamp, row = stamps[galaxy], rows[galaxy]
        cube = cubes[galaxy].reshape(pixels * filters)
        for pixel in range(pixels):
            light, place = stamp[pixel], pixel * filters
            for column in range(0, last, LANES):
                store_product(cube, place + column, light, row, column)
            if last >= 0:
                # Some of these may be there already, with the same bits.
                store_product(cube, place + last, light, row, last)
            else:
                for column in range(filters):
                    cube[place + column] = light * row[column]


@compiled
def _add(
    stamps: NDArray[np.float32], rows: NDArray[np.float32], cubes: NDArray[np.float32]
) -> None:
    # The first two components in one go, as most galaxies have two. What follows is
    # added while the galaxy is in the processor's cache: it is written once to memory.
    galaxies, pixels, filters = cubes.shape
    for galaxy in range(galaxies):
        stamp, row, cube = stamps[galaxy], rows[galaxy], cubes[galaxy]
        for pixel in range(pixels):
            first, second = stamp[0, pixel], stamp[1, pixel]
            for column in range(filters):
                cube[pixel, column] = first * row[0, column] + second * row[1, column]
        for component in range(2, stamps.shape[1]):
            for pixel in range(pixels):
                light = stamp[component, pixel]
                for column in range(filters):
                    cube[pixel, column] += light * row[component, column]
