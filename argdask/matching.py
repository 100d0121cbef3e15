"""From the PSF that an image has to that of other filters, which must be wider."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy

from argdask.convolution import working_grid
from argdask.errors import InputError
from argdask.psf import PSF
from argdask.resampling import noise_power

__all__ = ["Matching"]

Images: TypeAlias = npt.NDArray[np.float32]
Floats: TypeAlias = npt.NDArray[np.float64]

# How much a frequency may be raised, since PSFs of two kinds have other wings, and
# amplitudes too small to matter.
_RAISED = 1.1
_SMALL = 0.01
_KEPT, _BYTES = 1 << 26, 16  # of all kernels that are kept, and of a frequency
_MOST = 4096  # ratios of which what is left of the noise is kept
_NARROWER = 0.99  # of the image's FWHM: rounding, not deconvolution


class Matching:
    """Wider PSFs for images that have one already.

    Parameters
    ----------
    psfs
        The optical PSF of each filter, as it shall be.
    shape
        (y, x), the frame in pixels.
    pixel_scale
        Of the frame [arcsec / pixel].

    Raises
    ------
    InputError
        A PSF is wider than the frame.
    """

    def __init__(
        self, psfs: Sequence[PSF], *, shape: tuple[int, int], pixel_scale: float
    ) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        """(y, x), the frame in pixels."""
        self.psfs = tuple(dict.fromkeys(psfs))
        """The distinct PSFs, in the order of the filters that have them first."""
        self.index = np.array([self.psfs.index(psf) for psf in psfs])
        """Which of the distinct PSFs each filter has (filter,)."""
        self.grid, self.margin = working_grid(self.psfs, self.shape, pixel_scale)
        """Shape of what is convolved, and where in it the frame begins (y, x)."""
        self._scale = pixel_scale
        self._y = scipy.fft.fftfreq(self.grid[0], pixel_scale)[:, None]
        self._x = scipy.fft.rfftfreq(self.grid[1], pixel_scale)[None]
        self._targets: list[npt.NDArray[Any]] = [
            psf.transfer(self._y, self._x) for psf in self.psfs
        ]
        size = len(self.psfs) * self.grid[0] * (self.grid[1] // 2 + 1) * _BYTES
        # Galaxies at the same redshift have the same.
        self._kernels = functools.lru_cache(max(2, _KEPT // size))(self._kernels_of)
        self._noise = functools.lru_cache(_MOST)(self._noise_of)

    @property
    def centre(self) -> tuple[float, float]:
        """Where the middle of the frame is in ``grid`` (y, x) [pixel]."""
        (top, left), (height, width) = self.margin, self.shape
        return top + 0.5 * (height - 1), left + 0.5 * (width - 1)

    def convolve(
        self,
        image: npt.NDArray[np.floating[Any]],
        source: PSF | None,
        ratio: float | None = None,
    ) -> tuple[Images, Floats]:
        """Give an image the PSF of each filter.

        Parameters
        ----------
        image
            (y, x) of the shape ``grid``, pixels of the frame's scale with the light in
            each.
        source
            The optical PSF that the image has at this scale, which is that of the
            original one ``resized`` as the image was; None for an image without.
        ratio
            By which `argdask.resampling.resize` made the image out of one whose noise
            was not correlated between pixels; left out: not at all.

        Returns
        -------
        images : ndarray
            (psf, y, x) of the shape ``shape``. Where the PSF is the one that the image
            has, its own pixels.
        noise : ndarray
            What the sigma of the noise in ``image`` is multiplied by (psf,).

        Raises
        ------
        InputError
            A PSF is sharper than that of the image.
        ValueError
            An image of another shape.
        """
        if image.shape != self.grid:
            raise ValueError(f"expected an image of {self.grid}, got {image.shape}")
        top, left = self.margin
        frame = np.s_[top : top + self.shape[0], left : left + self.shape[1]]
        images = np.empty((len(self.psfs), *self.shape), np.float32)
        spectrum = None
        for place, kernel in enumerate(self._kernels(source)):
            if kernel is None:
                images[place] = image[frame]
                continue
            if spectrum is None:
                spectrum = scipy.fft.rfft2(np.asarray(image, np.float64), workers=1)
            whole = scipy.fft.irfft2(spectrum * kernel, s=self.grid, workers=1)
            images[place] = whole[frame]
        return images, self.noise(source, ratio)

    def noise(self, source: PSF | None, ratio: float | None = None) -> Floats:
        """Return what is left of the noise of an image.

        Parameters
        ----------
        source, ratio
            As `convolve` takes them.

        Returns
        -------
        ndarray
            What the sigma of the noise in the image is multiplied by (psf,).

        Raises
        ------
        InputError
            A PSF is sharper than that of the image.
        """
        return self._noise(source, ratio).copy()

    def _noise_of(self, source: PSF | None, ratio: float | None) -> Floats:
        noise = np.ones(len(self.psfs))
        power = self._noise_power(ratio)
        for place, kernel in enumerate(self._kernels(source)):
            if kernel is not None:
                left = (power * np.square(abs(kernel))).sum() / power.sum()
                noise[place] = np.sqrt(left)
        return noise

    def _noise_power(self, ratio: float | None) -> Floats:
        """Return the power of noise in resized pixels at each frequency."""
        lines = [
            noise_power(np.ravel(frequencies) * self._scale, ratio or 1.0)
            for frequencies in (self._y, self._x)
        ]
        # a column of half the plane stands for the opposite one, too
        twice = np.where((self._x == 0.0) | (2.0 * self._x * self._scale == 1.0), 1, 2)
        power: Floats = lines[0][:, None] * lines[1] * twice
        return power

    def _kernels_of(self, source: PSF | None) -> list[npt.NDArray[Any] | None]:
        """Return ratios of transfer functions; None for the PSF that an image has."""
        if source is None:
            return list(self._targets)
        if all(psf == source for psf in self.psfs):
            return [None] * len(self.psfs)
        before = source.transfer(self._y, self._x)
        return [
            None if psf == source else self._kernel(place, source, before)
            for place, psf in enumerate(self.psfs)
        ]

    def _kernel(
        self, place: int, source: PSF, before: npt.NDArray[Any]
    ) -> npt.NDArray[Any]:
        """Return the ratio of transfer functions, or refuse it."""
        psf, after = self.psfs[place], self._targets[place]
        raised = abs(after) > _RAISED * abs(before) + _SMALL
        if psf.fwhm < _NARROWER * source.fwhm or raised.any():
            found = f"a FWHM of {psf.fwhm:.4g} arcsec for an image of {source.fwhm:.4g}"
            expected = "a PSF that is wider at every scale than that of the image"
            cure = "give a wider one, or a higher redshift or smaller pixels"
            raise InputError("psf", found, expected, cure)
        ratio = after * np.conj(before) / np.maximum(np.square(abs(before)), 1e-12)
        limit = np.minimum(1.0, _RAISED / np.maximum(abs(ratio), 1e-12))
        kernel: npt.NDArray[Any] = ratio * limit
        return kernel
