"""Galaxies as seen through point-spread functions and by pixels.

The order is that of a telescope: profile, optical PSF, then the integral over a pixel,
all in Fourier space, with no step on native pixels that a narrow PSF would show.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft, special

from argdask.errors import InputError
from argdask.hankel import RADII, STEP, Hankel
from argdask.profiles import table_of
from argdask.psf import PSF
from argdask.transforms import add_core, add_samples, core_profile, fold, outskirts

__all__ = ["NARROWEST", "Convolution", "padded_grid", "working_grid"]

Floats: TypeAlias = npt.NDArray[np.float64]
Images: TypeAlias = npt.NDArray[np.float32]
Spectrum: TypeAlias = npt.NDArray[np.complex64]

NARROWEST = 0.5
"""FWHM for which the accuracy that is promised was measured [pixel]."""

# Light that may be scattered further than the margin around the frame.
_TAIL = 1e-3
# Pixels over which light fades to 0 at the edge of the grid, so that it has no edge.
_FADE = 6
# Frequencies at which less of the light than this is left do not count, nor do those
# above _FINEST [cycles / pixel], where a PSF of NARROWEST leaves 4e-7.
_LEAST = 1e-4
_FINEST = 4.0
_STEP = 0.04  # in the search for them
# Sigma of the window around the cusp, pixels along the minor axis, and how many of it
# along the major axis have to find room before they come back from the other side.
_WINDOW = 2.5
_SIGMAS = 3.5
_FAINT = 1e-6  # of a galaxy's light: nothing

_NAMES = (
    "half_light_radius",
    "sersic_index",
    "axis_ratio",
    "position_angle",
    "offset_y",
    "offset_x",
)


class _Transfer(NamedTuple):
    """A transfer function with pixels, and how many columns of each row count."""

    values: npt.NDArray[Any]
    lengths: npt.NDArray[np.int64]


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
        self.grid, self.margin = working_grid(self.psfs, self.shape, pixel_scale)
        """Shape of what is convolved, and where in it the frame begins (y, x)."""
        reaches = [_reach(psf, pixel_scale) for psf in self.psfs]
        self._reach = max(reaches)
        self._transfers = [
            _transfer(psf, reach, self.grid, pixel_scale)
            for psf, reach in zip(self.psfs, reaches, strict=True)
        ]

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
        for row, images in zip(table, flat, strict=True):
            self._show(self._spectrum(row), images)
        return stamps

    def points(self) -> Images:
        """Return the effective PSFs: a star in the middle of the frame, in pixels.

        Returns
        -------
        ndarray
            (psf, y, x) for each of the distinct ``psfs``; each adds up to 1.
        """
        spectrum = self._empty()
        row = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        flat = np.ones((1, 8))
        add_core(
            row, flat, (0.0, 0.0, STEP), self._middle, self.grid, self._reach, spectrum
        )
        images = np.empty((len(self.psfs), *self.shape), np.float32)
        self._show(spectrum, images)
        for image in images:
            image /= image.sum(dtype=np.float64)
        return images

    @property
    def _middle(self) -> tuple[float, float]:
        """The frame's centre on the grid, pixels."""
        (top, left), (height, width) = self.margin, self.shape
        return top + 0.5 * (height - 1), left + 0.5 * (width - 1)

    def _empty(self) -> Spectrum:
        sides = [int(self._reach * side) for side in self.grid]
        return np.zeros((2 * sides[0] + 1, sides[1] + 1), np.complex64)

    def _window(self, row: Floats) -> tuple[float, int]:
        """Return the window's sigma, pixels, and samples per pixel for what is outside.

        A galaxy that is as compact as a window may be needs none.
        """
        room = min(
            side - 0.5 * inner - abs(offset)
            for side, inner, offset in zip(self.grid, self.shape, row[5:7], strict=True)
        )
        radius, index, ratio, width = row[0], row[1], row[2], row[4]
        depth = float(special.gammainccinv(2.0 * index, _FAINT)) / width
        if radius * depth**index < room:
            return math.inf, 1
        parts = max(1, math.ceil(_SIGMAS * _WINDOW / (ratio * room)))
        return _WINDOW / (ratio * parts), parts

    def _spectrum(self, row: Floats) -> Spectrum:
        """Return a galaxy's Fourier transform."""
        width, parts = self._window(row)
        profile = np.empty(len(RADII))
        core_profile(row, width, RADII, profile)
        orders = _ORDERS if row[7] else _ORDERS[:1]
        tables = np.stack([hankel(profile) for hankel in orders])
        logs = (_ORDERS[0].start, _ORDERS[1].start, STEP)
        spectrum = self._empty()
        add_core(row, tables, logs, self._middle, self.grid, self._reach, spectrum)
        if math.isfinite(width):
            sides = [side * parts for side in self.grid]
            samples = np.empty(sides, np.float32)
            fading = _fading(self.grid[0], parts), _fading(self.grid[1], parts)
            outskirts(row, width, parts, self._middle, fading, samples)
            transform = fft.rfft2(samples, workers=1)
            add_samples(transform, self.grid, parts, spectrum)
        return spectrum

    def _show(self, spectrum: Spectrum, images: Images) -> None:
        """Fill images (psf, y, x) of what has this Fourier transform."""
        height, width = self.grid
        folded = np.empty((len(self.psfs), height, width // 2 + 1), np.complex64)
        for transfer, one in zip(self._transfers, folded, strict=True):
            fold(spectrum, transfer.values, transfer.lengths, self.grid, one)
        # Always the same number of transforms at once, whatever the batch; rows outside
        # of the frame are left out in between.
        top, left = self.margin
        rows = fft.ifft(folded, axis=1, workers=1, overwrite_x=True)
        rows = rows[:, top : top + self.shape[0]]
        whole = fft.irfft(rows, n=width, axis=2, workers=1, overwrite_x=True)
        images[:] = whole[:, :, left : left + self.shape[1]]


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
    for psf in psfs:
        width = psf.fwhm / pixel_scale
        if width > min(shape):
            cure = "give a larger image_shape, or look at its unit"
            value = f"a FWHM of {psf.fwhm:g} arcsec, {width:.3g} pixels"
            expected = f"at most the frame's {min(shape)} pixels"
            raise InputError("psf.fwhm", value, expected, cure)
    tail = max(psf.tail_radius(_TAIL) for psf in psfs) / pixel_scale
    return padded_grid(shape, tail)


def padded_grid(
    shape: tuple[int, int], tail: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return a frame with margins, of sizes that are fast to transform.

    Parameters
    ----------
    shape
        (y, x), the frame in pixels.
    tail
        Radius of the PSF, pixels; beyond half the frame it does not count.

    Returns
    -------
    grid : tuple
        (y, x), pixels.
    margin : tuple
        (y, x), pixels before the frame.
    """
    margin = math.ceil(min(tail, 0.5 * max(shape))) + _FADE
    grid = [int(fft.next_fast_len(side + 2 * margin, real=True)) for side in shape]
    before = [(large - side) // 2 for large, side in zip(grid, shape, strict=True)]
    return (grid[0], grid[1]), (before[0], before[1])


_ORDERS = (Hankel(0), Hankel(1))


def _again(
    psfs: Sequence[PSF], shape: tuple[int, int], pixel_scale: float
) -> Convolution:
    return Convolution(psfs, shape=shape, pixel_scale=pixel_scale)


@functools.lru_cache(maxsize=64)
def _fading(size: int, parts: int) -> Floats:
    """Return what samples are multiplied by: 1, and towards either end less."""
    place = np.arange(size * parts) / parts
    inwards = np.minimum(place + 1.0, size - place) / (_FADE + 1.0)
    return np.square(np.sin(0.5 * math.pi * np.minimum(inwards, 1.0)))


def _reach(psf: PSF, pixel_scale: float) -> float:
    """Return the frequency above which PSF and pixel leave nothing [cycles / pixel]."""
    limit = min(psf.finest * pixel_scale, _FINEST)
    y = np.arange(-limit, limit + _STEP, _STEP)[:, None]
    x = np.arange(0.0, limit + _STEP, _STEP)[None]
    left = abs(psf.transfer(y / pixel_scale, x / pixel_scale))
    left = left * abs(np.sinc(y) * np.sinc(x))
    return min(float(np.hypot(y, x)[left > _LEAST].max()) + _STEP, limit)


def _transfer(
    psf: PSF, reach: float, grid: tuple[int, int], pixel_scale: float
) -> _Transfer:
    """Tabulate a PSF that ends where the grid does, with the pixel.

    The Fourier transform at the frequencies of the grid is that of a PSF that comes
    back from the other side. So it is found on twice the grid, and what is more than
    half a grid away is left out.
    """
    parts = max(1, math.ceil(2.0 * reach))
    sizes = [2 * side * parts for side in grid]
    y = fft.fftfreq(sizes[0], 1.0 / parts)[:, None]
    x = fft.rfftfreq(sizes[1], 1.0 / parts)[None]
    light = fft.irfft2(psf.transfer(y / pixel_scale, x / pixel_scale), s=sizes)
    for axis, (size, side) in enumerate(zip(sizes, grid, strict=True)):
        far = abs(fft.fftfreq(size, 1.0 / size)) / parts
        kept = np.where(far < 0.5 * side, 1.0, np.where(far > 0.5 * side, 0.0, 0.5))
        light *= np.expand_dims(kept, 1 - axis)
    ky = np.arange(-int(reach * grid[0]), int(reach * grid[0]) + 1)
    kx = np.arange(int(reach * grid[1]) + 1)
    values = fft.rfft2(light)[2 * ky[:, None], 2 * kx[None]]
    fy, fx = ky / grid[0], kx / grid[1]
    values = values * np.sinc(fy)[:, None] * np.sinc(fx)
    chords = np.sqrt(np.maximum(reach**2 - fy**2, 0.0))
    lengths = np.minimum((chords * grid[1]).astype(np.int64) + 1, len(kx))
    if abs(values.imag).max() < 1e-6:
        return _Transfer(values.real.astype(np.float32), lengths)
    return _Transfer(values.astype(np.complex64), lengths)
