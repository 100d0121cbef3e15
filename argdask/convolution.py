"""Galaxies as seen through point-spread functions and by pixels.

The order is that of a telescope: profile, optical PSF, then the integral over a pixel,
all in Fourier space, with no step on native pixels that a narrow PSF would show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy

from argdask.caching import compiled
from argdask.errors import InputError
from argdask.hankel import Hankel
from argdask.outskirts import FADE, Samples, samples_at
from argdask.profiles import table_of
from argdask.psf import PSF
from argdask.transfers import Transfers, reach_of, transfers_of
from argdask.transforms import Radial, cell_of, edge_of, galaxy_spectrum
from argdask.waves import (
    Frame,
    Images,
    Memory,
    add_folded,
    frame_of,
    memory_of,
    put_images,
    rounded_up,
)

__all__ = ["NARROWEST", "Convolution", "padded_grid", "working_grid"]

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

NARROWEST = 0.5
"""FWHM for which the accuracy that is promised was measured [pixel]."""

# Light that may be scattered further than the margin around the frame.
_TAIL = 1e-3
# Sigma of the window around the cusp along the minor axis, in samples of what is
# outside, and how many of it along the major axis have to find room before they come
# back from the other side.
_WINDOW = 3.25
_SIGMAS = 4.0
# Pixels from sample to sample: as the narrowest PSF is wide, between these.
_DENSEST, _COARSEST = 1.0, 1.5
_FINER = 4  # distances between samples to each factor of 2
_FAINT = 1e-6  # of a galaxy's light: nothing
_FLATTEST = 0.01  # axis ratio of which the lowest frequencies are told apart

_NAMES = (
    "half_light_radius",
    "sersic_index",
    "axis_ratio",
    "position_angle",
    "offset_y",
    "offset_x",
)


class Convolution:
    """PSFs of filters on frames of one shape: tables made once, used for any galaxy.

    Parameters
    ----------
    psfs
        The optical PSF of each filter.
    shape
        (y, x), the frame in pixels.
    pixel_scale
        Of the frame [arcsec / pixel].

    Raises
    ------
    InputError
        A PSF is wider than the frame.
    ValueError
        No PSF, or an impossible shape or pixel scale.
    """

    def __init__(
        self, psfs: Sequence[PSF], *, shape: tuple[int, int], pixel_scale: float
    ) -> None:
        if not psfs or len(shape) != 2 or min(shape) < 1 or not pixel_scale > 0.0:
            raise ValueError(
                f"expected PSFs, (height, width) and a scale above 0, got {psfs}, "
                f"{shape} and {pixel_scale}"
            )
        self.shape = (int(shape[0]), int(shape[1]))
        """(y, x), the frame in pixels."""
        self.pixel_scale = pixel_scale
        """arcsec / pixel."""
        self.psfs = tuple(dict.fromkeys(psfs))
        """The distinct PSFs, in the order of the filters that have them first."""
        self.index = np.array([self.psfs.index(psf) for psf in psfs])
        """Which of the distinct PSFs each filter has (filter,)."""
        margin = _margin(self.psfs, self.shape, pixel_scale)
        # Of even lengths, of which no sample is in the middle.
        grid = [rounded_up(side + 2 * margin, 2) for side in self.shape]
        self.grid = (grid[0], grid[1])
        """Shape of what is convolved, with the frame in its middle (y, x)."""
        reaches = [reach_of(psf, pixel_scale) for psf in self.psfs]
        self._transfers = transfers_of(self.psfs, reaches, self.grid, pixel_scale)
        self._lengths = self._transfers.lengths.max(axis=0)
        self._frame = frame_of(self.shape, self.grid)
        self._radial = _radial(max(reaches), max(self.grid))
        narrowest = min(psf.fwhm for psf in self.psfs) / pixel_scale
        self._step = min(max(narrowest, _DENSEST), _COARSEST)
        self._samples: dict[int, Samples] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        filters = tuple(self.psfs[place] for place in self.index)
        return _again, (filters, self.shape, self.pixel_scale)

    @property
    def narrow(self) -> npt.NDArray[np.bool_]:
        """Whether each filter's PSF is narrower than ``NARROWEST`` (filter,)."""
        widths = np.array([psf.fwhm for psf in self.psfs]) / self.pixel_scale
        narrow: npt.NDArray[np.bool_] = (widths < NARROWEST)[self.index]
        return narrow

    def sersic(
        self, columns: Mapping[str, npt.ArrayLike], out: Images | None = None
    ) -> Images:
        """Render galaxies, or components of galaxies, as each PSF shows them.

        Parameters
        ----------
        columns
            What `argdask.profiles.sersic` takes, by name: (galaxy,) or (galaxy,
            component), lengths in pixels.
        out
            (galaxy, psf, y, x) or (galaxy, component, psf, y, x), float32 and
            C-contiguous; new if left out.

        Returns
        -------
        ndarray
            The fraction of the total light in each pixel, for each of the distinct
            ``psfs``. A galaxy's bits depend on nothing but its row and this object.

        Raises
        ------
        ValueError
            Columns of different lengths or unknown names, a galaxy whose centre is
            outside the frame, or an ``out`` of another shape or kind.
        """
        extra = {"asymmetry", "asymmetry_angle"}
        if set(columns) - extra != set(_NAMES):
            raise ValueError(f"expected columns {_NAMES}, got {tuple(columns)}")
        table, rows = table_of(
            tuple(columns[name] for name in _NAMES),
            columns.get("asymmetry"),
            columns.get("asymmetry_angle"),
        )
        outside = abs(table[:, 5:7]) > 0.5 * np.array(self.shape)
        if outside.any():
            raise ValueError("expected galaxies with their centres in the frame")
        shape = (*rows, len(self.psfs), *self.shape)
        stamps = np.empty(shape, np.float32) if out is None else out
        if (
            stamps.shape != shape
            or not stamps.flags.c_contiguous
            or stamps.dtype != np.float32
        ):
            raise ValueError(f"out must be C-contiguous float32 of shape {shape}")
        flat = stamps.reshape(len(table), len(self.psfs), *self.shape)
        windows, finenesses = self._windows(table)
        for fineness in np.unique(finenesses):
            places = np.flatnonzero(finenesses == fineness)
            samples = self._sampled(int(fineness))
            inside = (table[places], windows[places], self._radial, samples)
            _sersic(inside, self._frame, self._lengths, self._transfers, places, flat)
        return stamps

    def points(self) -> Images:
        """Return the effective PSFs: a star in the middle of the frame, in pixels.

        Returns
        -------
        ndarray
            (psf, y, x) for each of the distinct ``psfs``; each adds up to 1.
        """
        spectrum = np.zeros((4, *self._transfers.values.shape[2:]), np.float32)
        spectrum[0] = 1.0
        images = np.empty((len(self.psfs), *self.shape), np.float32)
        memory = memory_of(self._frame, len(images))
        _show(spectrum, False, self._frame, self._transfers, memory, images)
        for image in images:
            image /= image.sum(dtype=np.float64)
        return images

    def _windows(self, table: Floats) -> tuple[Floats, Integers]:
        """Return sigmas of windows along the minor axis, pixels, and finenesses.

        A galaxy that is as compact as a window may be needs none.
        """
        radius, index, ratio, width = table[:, 0], table[:, 1], table[:, 2], table[:, 4]
        rooms = np.array(self.grid) - 0.5 * np.array(self.shape) - abs(table[:, 5:7])
        room = rooms.min(axis=1)
        depth = scipy.special.gammainccinv(2.0 * index, _FAINT) / width
        compact = radius * depth**index < room
        finer = self._step * _SIGMAS * _WINDOW / (ratio * room)
        steps = np.ceil(_FINER * np.log2(np.maximum(finer, 1.0)))
        windows = _WINDOW * self._step * 2.0 ** (-steps / _FINER)
        windows[compact], steps[compact] = math.inf, 0.0
        return windows, steps.astype(np.int64)

    def _sampled(self, fineness: int) -> Samples:
        """Return how galaxies are sampled at one of the distances between samples."""
        if fineness not in self._samples:
            step = self._step * 2.0 ** (-fineness / _FINER)
            kx, ky = self._transfers.values.shape[2:]
            self._samples[fineness] = samples_at(self.grid, step, (ky, kx))
        return self._samples[fineness]


def working_grid(
    psfs: Sequence[PSF], shape: tuple[int, int], pixel_scale: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the frame with margins as wide as what PSFs scatter.

    Parameters
    ----------
    psfs
        The optical PSFs.
    shape
        (y, x), the frame in pixels.
    pixel_scale
        Of the frame [arcsec / pixel].

    Returns
    -------
    grid, margin : tuple
        As `padded_grid` returns them.

    Raises
    ------
    InputError
        A PSF is wider than the frame.
    """
    return padded_grid(shape, _margin(psfs, shape, pixel_scale))


def padded_grid(
    shape: tuple[int, int], margin: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return a frame with margins, of sizes that are fast to transform.

    Parameters
    ----------
    shape
        (y, x), the frame in pixels.
    margin
        On every side, at least [pixel].

    Returns
    -------
    grid : tuple
        (y, x), pixels.
    margin : tuple
        (y, x), pixels before the frame.
    """
    grid = [
        int(scipy.fft.next_fast_len(side + 2 * margin, real=True)) for side in shape
    ]
    before = [(large - side) // 2 for large, side in zip(grid, shape, strict=True)]
    return (grid[0], grid[1]), (before[0], before[1])


def _margin(psfs: Sequence[PSF], shape: tuple[int, int], pixel_scale: float) -> int:
    """Return by how much a frame is widened on every side, pixels."""
    for psf in psfs:
        width = psf.fwhm / pixel_scale
        if width > min(shape):
            cure = "give a larger image_shape, or look at its unit"
            value = f"a FWHM of {psf.fwhm:g} arcsec, {width:.3g} pixels"
            expected = f"at most the frame's {min(shape)} pixels"
            raise InputError("psf.fwhm", value, expected, cure)
    tail = max(psf.tail_radius(_TAIL) for psf in psfs) / pixel_scale
    # Light that comes from further than half the frame does not count.
    return math.ceil(min(tail, 0.5 * max(shape))) + FADE


def _again(
    psfs: Sequence[PSF], shape: tuple[int, int], pixel_scale: float
) -> Convolution:
    return Convolution(psfs, shape=shape, pixel_scale=pixel_scale)


def _radial(reach: float, longest: int) -> Radial:
    orders = Hankel(0), Hankel(1)
    first = cell_of(np.float32((_FLATTEST * 2.0 * math.pi / longest) ** 2))
    last = cell_of(np.float32((2.0 * math.pi * (reach + 1.0 / longest)) ** 2)) + 2
    squares = np.array([edge_of(cell) for cell in range(first, last + 1)])
    tables = orders[0].tables, orders[1].tables
    starts = orders[0].start, orders[1].start
    return Radial(tables, starts, (squares, np.log(squares)))


@compiled
def _show(
    spectrum: Images,
    lopsided: bool,
    frame: Frame,
    transfers: Transfers,
    memory: Memory,
    images: Images,
) -> None:
    """Fill images (psf, y, x) of what has this spectrum (part, kx, ky)."""
    frequencies = frame.waves[0].shape[2]
    at_once = memory.folded.shape[2] // frequencies
    slots = transfers.parts.shape[1]
    for start in range(0, len(images), at_once):
        memory.folded[:] = 0.0
        count = min(at_once, len(images) - start)
        for place in range(count):
            for slot in range(slots):
                other = transfers.parts[start + place, slot]
                values = transfers.values[start + place, slot]
                factor = values, transfers.lengths[start + place], other
                begin = place * frequencies
                if other >= 0:
                    add_folded(spectrum, 0, factor, frame, begin, memory.folded)
                if other >= 0 and lopsided:
                    add_folded(spectrum, 1, factor, frame, begin, memory.folded)
        every = lopsided or slots > 1
        put_images(every, count, frame, memory, images[start:])


@compiled
def _sersic(
    galaxies: tuple[Floats, Floats, Radial, Samples],
    frame: Frame,
    lengths: Integers,
    transfers: Transfers,
    places: Integers,
    stamps: Images,
) -> None:
    """Fill stamps (galaxy, psf, y, x) at some places."""
    table, windows, radial, samples = galaxies
    kx, ky = transfers.values.shape[2:]
    grid = float(frame.grid[0]), float(frame.grid[1])
    memory = memory_of(frame, stamps.shape[1])
    spectra = np.empty((4, kx, ky), np.float32), np.empty((4, kx, ky), np.float32)
    for g in range(len(table)):
        row = table[g]
        spectrum = galaxy_spectrum(
            row, windows[g], radial, samples, grid, lengths, spectra
        )
        lopsided = row[5] != 0.0 or row[6] != 0.0 or row[7] != 0.0
        _show(spectrum, lopsided, frame, transfers, memory, stamps[places[g]])
