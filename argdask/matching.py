"""From the PSF that an image has to that of other filters, which must be wider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft

from argdask.convolution import padded_grid
from argdask.errors import InputError
from argdask.psf import PSF

__all__ = ["Matching"]

Images: TypeAlias = npt.NDArray[np.float32]
Floats: TypeAlias = npt.NDArray[np.float64]

# How much a frequency may be raised, since PSFs of two kinds have other wings, and
# amplitudes too small to matter.
_RAISED = 1.1
_SMALL = 0.01
_NARROWER = 0.99  # of the image's FWHM: rounding, not deconvolution
_TAIL = 1e-3  # light that may be scattered further than the margin


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
        tail = max(psf.tail_radius(_TAIL) for psf in self.psfs) / pixel_scale
        self.grid, self.margin = padded_grid(self.shape, tail)
        """Shape of what is convolved, and where in it the frame begins (y, x)."""
        self._y = fft.fftfreq(self.grid[0], pixel_scale)[:, None]
        self._x = fft.rfftfreq(self.grid[1], pixel_scale)[None]
        self._targets = [psf.transfer(self._y, self._x) for psf in self.psfs]

    def convolve(
        self, image: npt.NDArray[np.floating[Any]], source: PSF
    ) -> tuple[Images, Floats]:
        """Give an image the PSF of each filter.

        Parameters
        ----------
        image
            (y, x) of the shape ``grid``, pixels of the frame's scale with the light in
            each.
        source
            The optical PSF that the image has at this scale, which is that of the
            original one ``resized`` as the image was.

        Returns
        -------
        images : ndarray
            (psf, y, x) of the shape ``shape``. Where the PSF is the one that the image
            has, its own pixels.
        noise : ndarray
            The sigma that is left of noise of 1 that is not correlated between the
            pixels of ``image`` (psf,).

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
        noise = np.ones(len(self.psfs))
        spectrum = None
        for place, psf in enumerate(self.psfs):
            if psf == source:
                images[place] = image[frame]
                continue
            kernel = self._kernel(place, source)
            if spectrum is None:
                spectrum = fft.rfft2(np.asarray(image, np.float64), workers=1)
            whole = fft.irfft2(spectrum * kernel, s=self.grid, workers=1)
            images[place] = whole[frame]
            blurred = fft.irfft2(kernel, s=self.grid, workers=1)
            noise[place] = np.sqrt(np.square(blurred).sum())
        return images, noise

    def _kernel(self, place: int, source: PSF) -> npt.NDArray[Any]:
        """Return the ratio of transfer functions, or refuse it."""
        psf, after = self.psfs[place], self._targets[place]
        before = source.transfer(self._y, self._x)
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
