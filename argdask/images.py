"""Stacks of galaxy images: read by number, checked, hashed and made into stamps."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argdask.errors import InputError, nearest
from argdask.image_files import ImageSource, find_images

__all__ = ["ImageStack", "normalised", "open_images"]

Values: TypeAlias = NDArray[np.floating[Any]]

# Pixels that are held at once while a stack is hashed.
_PIXELS_AT_ONCE = 1 << 21


def open_images(
    source: str | os.PathLike[str], *, variable: str | None = None, check: bool = True
) -> ImageStack:
    """Open galaxy images without reading their pixels.

    Parameters
    ----------
    source
        A `.npy` file, a Zarr array or group, a netCDF file, each with one array
        (image, y, x) of real numbers; or a folder of FITS cut-outs, one file for each
        image, in the order of their names. Of a FITS file the first image counts, and
        an extension named MASK or DQ, in which pixels that are not zero are invalid.
    variable
        Name of the variable in a Zarr group or a netCDF file; left out: the only one
        with three dimensions.
    check
        Whether to look at the header of every cut-out in a folder, which takes a
        second for a thousand. False is for a worker: a file that is not like the first
        is refused when it is read, and not before.

    Returns
    -------
    ImageStack
        The images, which all have one shape. The first axis of an image is y.

    Raises
    ------
    InputError
        There is nothing there, it cannot be read, the images have different shapes or
        several bands, or they are not real numbers.

    Examples
    --------
    >>> stack = open_images("images.npy")  # doctest: +SKIP
    >>> stack.count, stack.shape  # doctest: +SKIP
    (10, (60, 60))
    """
    return ImageStack(find_images(Path(source), variable, check))


@dataclass(frozen=True)
class ImageStack:
    """Galaxy images in files, read as they are asked for.

    It holds paths, not pixels: it can be sent to other processes that see the same
    files, and threads can share it.
    """

    source: ImageSource
    """The files."""

    @property
    def count(self) -> int:
        """Number of images."""
        return self.source.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of every image: rows and columns (y, x) [pixel]."""
        return self.source.shape[1:]

    @property
    def names(self) -> tuple[str, ...]:
        """What each image is called: its file, or its number from 0."""
        return self.source.names or tuple(map(str, range(self.count)))

    def __len__(self) -> int:
        return self.count

    def rows_of(self, images: ArrayLike) -> NDArray[np.int64]:
        """Return the numbers of images.

        Parameters
        ----------
        images
            Numbers or names of images (galaxy,), in any order, repeated or not.

        Returns
        -------
        ndarray
            Their numbers from 0 (galaxy,).

        Raises
        ------
        InputError
            There is no such image.
        """
        wanted = np.atleast_1d(np.asarray(images))
        if wanted.dtype.kind in "iu" or wanted.size == 0:
            wrong = (wanted < 0) | (wanted >= self.count)
            if wrong.any():
                value = int(wanted[wrong][0])
                expected = f"0 to {self.count - 1}, the images of {self.source.label}"
                raise InputError("image", value, expected, "numbers count from 0")
            return wanted.astype(np.int64)
        if wanted.dtype.kind not in "UT":
            cure = "give an integer or a text column"
            raise InputError("image", wanted.dtype, "numbers or names", cure)
        unique, inverse = np.unique(wanted, return_inverse=True)
        places = {name: place for place, name in enumerate(self.names)}
        for name in unique:
            if str(name) not in places:
                expected = f"an image of {self.source.label}"
                cure = f"nearest: {nearest(str(name), self.names[:10000])}"
                raise InputError("image", str(name), expected, cure)
        rows = np.array([places[str(name)] for name in unique], np.int64)
        return rows[inverse.ravel()]

    def read(self, indices: ArrayLike) -> tuple[Values, NDArray[np.bool_]]:
        """Read images.

        Parameters
        ----------
        indices
            Numbers of images from 0 (galaxy,), in any order, repeated or not.

        Returns
        -------
        values : ndarray
            Pixels (galaxy, y, x), in whatever unit they have: float32 where the dtype
            of an array has no more digits, else, and from FITS, float64. Invalid ones
            are 0.
        invalid : ndarray
            Which pixels are NaN, infinite or masked (galaxy, y, x).

        Raises
        ------
        InputError
            There is no such image, or a file can no longer be read.
        """
        wanted = self.rows_of(np.asarray(indices))
        if not wanted.size:
            empty = (0, *self.shape)
            return np.empty(empty, self.source.dtype), np.empty(empty, bool)
        rows, places = np.unique(wanted, return_inverse=True)
        found, masked = self.source.read(rows)
        # A copy in any case: a mapped file cannot be written to.
        values = np.array(found, self.source.dtype, order="C")
        invalid = ~np.isfinite(values)
        if masked is not None:
            invalid |= masked
        values[invalid] = 0
        if np.array_equal(rows, wanted):
            return values, invalid
        return values[places], invalid[places]

    def signature(self) -> str:
        """Return what changes when the files do: their names, sizes and times."""
        state = self.source.label, _signature(self.source.path)
        return hashlib.sha256(repr(state).encode()).hexdigest()

    def content_hash(self) -> str:
        """Return a hash of all pixels, the same for any kind of file.

        Returns
        -------
        str
            SHA-256, hexadecimal, of the number of images, their shape, their pixels as
            float64 and which of them are invalid; the same for any byte order, chunks
            and, where they hold the same values, dtype. Names do not count.

        Raises
        ------
        InputError
            A file cannot be read.
        """
        key = self.source.path, self.source.label, _signature(self.source.path)
        if key not in _HASHES:
            if len(_HASHES) >= 64:
                _HASHES.clear()
            _HASHES[key] = self._digest()
        return _HASHES[key]

    def _digest(self) -> str:
        height, width = self.shape
        pixels, masks = hashlib.sha256(), hashlib.sha256()
        size = max(1, _PIXELS_AT_ONCE // (height * width))
        # Two digests side by side, so that the size of a block makes no difference.
        for start in range(0, self.count, size):
            rows = np.arange(start, min(start + size, self.count))
            values, invalid = self.read(rows)
            pixels.update(np.ascontiguousarray(values, "<f8").data)
            flat = invalid.reshape(len(rows), height * width)
            masks.update(np.packbits(flat, axis=1).data)
        header = f"images {self.count} {height} {width} "
        parts = header + pixels.hexdigest() + masks.hexdigest()
        return hashlib.sha256(parts.encode()).hexdigest()


_HASHES: dict[tuple[Any, ...], str] = {}


def _signature(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when files change, so that no stale hash is given."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    states = ((str(file), file.stat()) for file in files)
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)


def normalised(
    images: Values,
    invalid: NDArray[np.bool_],
    how: Literal["peak", "flux"],
    *,
    names: Sequence[object] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Make images into stamps of one brightness.

    Parameters
    ----------
    images
        Pixels (galaxy, y, x), in any unit; they are not changed.
    invalid
        Which pixels to leave out (galaxy, y, x); NaN and infinity are left out anyway.
    how
        'peak': the brightest valid pixel becomes 1; 'flux': the valid ones add up to 1.
    names
        What to call the images in a message (galaxy,); left out: their numbers.

    Returns
    -------
    stamps : ndarray
        Images over their peak or sum (galaxy, y, x); invalid pixels are 0.
    counts : ndarray
        Number of invalid pixels (galaxy,).

    Raises
    ------
    InputError
        An image has no valid pixel, or its peak or sum is not above 0.
    """
    if how not in ("peak", "flux"):
        raise InputError("images.normalise", how, "peak or flux", "choose one")
    left_out = invalid | ~np.isfinite(images)
    stamps = np.empty(images.shape, np.float32)
    counts = np.empty(len(images), np.int32)
    # One image at a time: numpy adds in an order that follows from the shape and the
    # strides of what it adds up, so the bits of one image must not come from a
    # reduction whose shape has the batch in it. In float64, whatever the file holds.
    for place, (image, without) in enumerate(zip(images, left_out, strict=True)):
        name = place if names is None else names[place]
        counts[place] = np.count_nonzero(without)
        if counts[place] == image.size:
            cure = "leave it out, or look at its mask"
            raise InputError("images", f"image {name}", "a valid pixel", cure)
        light = np.zeros(image.shape)
        np.copyto(light, image, where=~without)
        # Not the largest of `light`, which has zeros in the place of invalid pixels.
        with np.errstate(over="ignore", invalid="ignore"):
            unit = float(light.sum() if how == "flux" else light[~without].max())
            stamps[place] = light / (unit or np.nan)
        if not 0 < unit < np.inf or not np.isfinite(stamps[place]).all():
            what = "brightest pixel" if how == "peak" else "sum"
            found = f"image {name} with a {what} of {unit:g}"
            cure = "subtract its background, or leave it out"
            raise InputError("images", found, f"a finite {what} above 0", cure)
    return stamps, counts
