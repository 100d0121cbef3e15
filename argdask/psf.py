"""Point-spread functions, as light over angle and as transfer functions.

All are optical: without the pixel that the light falls on, which comes afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy

from argdask.errors import InputError

__all__ = ["PSF", "Airy", "Gaussian", "Moffat", "PSFImage"]

Floats: TypeAlias = npt.NDArray[np.float64]

_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))  # of a Gaussian with a sigma of 1
_ARCSEC = math.degrees(1.0) * 3600.0
# An empirical PSF is noisy in its wings, but not by more than this part of its peak.
_NEGATIVE = 0.01
_ROUNDING = 1e-12  # of a sum of a million pixels


@dataclass(frozen=True)
class Gaussian:
    """A circular Gaussian.

    Raises
    ------
    InputError
        The width is not a finite number above 0.
    """

    fwhm: float
    """Full width at half maximum [arcsec]."""

    def __post_init__(self) -> None:
        _positive("psf.fwhm", self.fwhm)

    @property
    def finest(self) -> float:
        """Frequency above which there is nothing [cycles / arcsec]."""
        return math.inf

    def transfer(self, frequency_y: npt.ArrayLike, frequency_x: npt.ArrayLike) -> Any:
        """Return the transfer function.

        Parameters
        ----------
        frequency_y, frequency_x
            Spatial frequencies [cycles / arcsec], which broadcast.

        Returns
        -------
        ndarray
            The Fourier transform, 1 where both frequencies are 0; real.
        """
        squared = np.square(frequency_y) + np.square(frequency_x)
        return np.exp(-2.0 * (math.pi * self.fwhm / _FWHM) ** 2 * squared)

    def tail_radius(self, missing: float) -> float:
        """Return the radius that leaves this fraction of the light outside [arcsec]."""
        return self.fwhm / _FWHM * math.sqrt(-2.0 * math.log(missing))

    def resized(self, ratio: float) -> Gaussian:
        """Return the PSF of an image that is shrunk or grown by this ratio."""
        return replace(self, fwhm=self.fwhm * ratio)


@dataclass(frozen=True)
class Moffat:
    """A circular Moffat profile, (1 + (r / a)**2)**(-beta) (Moffat 1969, A&A 3, 455).

    Raises
    ------
    InputError
        The width is not a finite number above 0, or beta not one above 1.
    """

    fwhm: float
    """Full width at half maximum [arcsec]."""
    beta: float
    """How steep the wings are; above 1, below which there is no total."""

    def __post_init__(self) -> None:
        _positive("psf.fwhm", self.fwhm)
        # K of a larger order is beyond double precision at the frequencies of use.
        if not 1.0 < self.beta <= 100.0:
            cure = "about 2.5 to 4.8 for seeing; a large beta is a Gaussian"
            raise InputError("psf.beta", self.beta, "more than 1, at most 100", cure)

    @property
    def finest(self) -> float:
        """Frequency above which there is nothing [cycles / arcsec]."""
        return math.inf

    @property
    def _scale(self) -> float:
        return 0.5 * self.fwhm / math.sqrt(math.expm1(math.log(2.0) / self.beta))

    def transfer(self, frequency_y: npt.ArrayLike, frequency_x: npt.ArrayLike) -> Any:
        """Return the transfer function.

        Parameters
        ----------
        frequency_y, frequency_x
            Spatial frequencies [cycles / arcsec], which broadcast.

        Returns
        -------
        ndarray
            The Fourier transform, 1 where both frequencies are 0; real. With
            t = 2 pi a k it is 2 (t / 2)**(beta - 1) K_(beta - 1)(t) / Gamma(beta - 1),
            the Hankel transform of the profile (Gradshteyn & Ryzhik 6.565.4).
        """
        order = self.beta - 1.0
        k = np.hypot(frequency_y, frequency_x)
        t = np.maximum(2.0 * math.pi * self._scale * k, 1e-12)
        logarithm = (
            math.log(2.0) - scipy.special.gammaln(order) + order * np.log(0.5 * t)
        )
        # K overflows for large orders only where the result is 1 to 1e-5.
        with np.errstate(over="ignore"):
            value = np.exp(logarithm - t + np.log(scipy.special.kve(order, t)))
        return np.where(k == 0.0, 1.0, np.minimum(value, 1.0))

    def tail_radius(self, missing: float) -> float:
        """Return the radius that leaves this fraction of the light outside [arcsec]."""
        return self._scale * math.sqrt(math.expm1(-math.log(missing) / (self.beta - 1)))

    def resized(self, ratio: float) -> Moffat:
        """Return the PSF of an image that is shrunk or grown by this ratio."""
        return replace(self, fwhm=self.fwhm * ratio)


@dataclass(frozen=True)
class Airy:
    """The diffraction pattern of a round mirror with a round hole.

    Raises
    ------
    InputError
        The wavelength or the diameter is not above 0, or the obscuration not 0 to 1.
    """

    wavelength: float
    """Angstrom."""
    diameter: float
    """Of the primary mirror [m]."""
    obscuration: float = 0.0
    """Diameter of the hole over that of the mirror, 0 or more and less than 1."""

    def __post_init__(self) -> None:
        _positive("psf.wavelength", self.wavelength)
        _positive("psf.diameter", self.diameter)
        if not 0.0 <= self.obscuration < 1.0:
            cure = "give the ratio of diameters, not of areas"
            found = self.obscuration
            raise InputError("psf.obscuration", found, "0 or more, less than 1", cure)

    @property
    def finest(self) -> float:
        """Frequency above which there is nothing [cycles / arcsec]."""
        return self.diameter / (self.wavelength * 1e-10 * _ARCSEC)

    @property
    def fwhm(self) -> float:
        """Full width at half maximum [arcsec]."""

        def amplitude(x: float) -> float:
            inner = (
                2.0 * self.obscuration * float(scipy.special.j1(self.obscuration * x))
            )
            whole = (2.0 * float(scipy.special.j1(x)) - inner) / x
            return whole / (1.0 - self.obscuration**2) - math.sqrt(0.5)

        # J1(x) / x falls from 1/2 to 0 at x = 3.83; a hole only makes it narrower.
        root: float = scipy.optimize.brentq(amplitude, 0.1, 3.8)
        return 2.0 * root / (math.pi * self.finest)

    def transfer(self, frequency_y: npt.ArrayLike, frequency_x: npt.ArrayLike) -> Any:
        """Return the transfer function.

        Parameters
        ----------
        frequency_y, frequency_x
            Spatial frequencies [cycles / arcsec], which broadcast.

        Returns
        -------
        ndarray
            The Fourier transform, 1 where both frequencies are 0; real: the area that
            the pupil shares with itself, displaced (O'Neill 1956, JOSA 46, 285).
        """
        distance = np.hypot(frequency_y, frequency_x) / self.finest
        hole = self.obscuration
        shared = _shared_area(1.0, 1.0, distance)
        if hole > 0.0:
            shared = shared - 2.0 * _shared_area(1.0, hole, distance)
            shared = shared + _shared_area(hole, hole, distance)
        return shared / (0.25 * math.pi * (1.0 - hole**2))

    def tail_radius(self, missing: float) -> float:
        """Return the radius that leaves this fraction of the light outside [arcsec].

        Parameters
        ----------
        missing
            Fraction of the light.

        Returns
        -------
        float
            By the mean fall of the wings, in which rings are smoothed.
        """
        return 2.0 / (math.pi**2 * missing * self.finest * (1.0 - self.obscuration))

    def resized(self, ratio: float) -> Airy:
        """Return the PSF of an image that is shrunk or grown by this ratio."""
        return replace(self, diameter=self.diameter / ratio)


@dataclass(frozen=True)
class PSFImage:
    """An image of a star, modelled or observed.

    Between its pixels it is what its own frequencies say, up to half a cycle per pixel:
    it should be sampled at two pixels per FWHM at least. Beyond its edges it is 0.

    Raises
    ------
    InputError
        It is not a finite image with a positive sum and no dark pixels, or the pixel
        scale or the centre is impossible.
    """

    image: npt.NDArray[np.floating[Any]] = field(compare=False, repr=False)
    """Light in pixels (y, x), in any unit: it is divided by its sum."""
    pixel_scale: float
    """Of this image [arcsec / pixel]."""
    centre: tuple[float, float] | None = None
    """Where the star is (y, x), in pixels from the middle of the first one; left out:
    the middle of the image, (N - 1) / 2."""
    includes_pixel: bool = False
    """Whether pixels of this image hold the integral over themselves, as a detector's
    do, or the light in their middle."""
    content: bytes = field(default=b"", init=False, repr=False)
    """The pixels, shape first, which make two images the same."""

    def __post_init__(self) -> None:
        _positive("psf.pixel_scale", self.pixel_scale)
        image = np.array(self.image, np.float64, order="C")
        if image.ndim != 2 or 0 in image.shape:
            raise InputError("psf.image", image.shape, "(y, x)", "give one image")
        if not np.isfinite(image).all():
            cure = "mask or fill its invalid pixels"
            raise InputError("psf.image", "NaN or infinity", "finite pixels", cure)
        total = float(image.sum())
        if not total > 0.0 or image.min() < -_NEGATIVE * image.max():
            found = f"a sum of {total:g} and pixels down to {image.min():g}"
            expected = f"light, with none below -{_NEGATIVE:g} of its peak"
            cure = "subtract its background, or cut it closer"
            raise InputError("psf.image", found, expected, cure)
        # One that was divided already keeps its bits, in a store and out of it.
        if abs(total - 1.0) > _ROUNDING:
            image /= total
        image.flags.writeable = False
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "content", repr(image.shape).encode() + bytes(image))
        y, x = self.position
        inside = -0.5 <= y <= image.shape[0] - 0.5 and -0.5 <= x <= image.shape[1] - 0.5
        if not inside:
            cure = "count from 0 in the middle of the first pixel, y first"
            raise InputError("psf.centre", self.centre, "a place in the image", cure)

    @property
    def position(self) -> tuple[float, float]:
        """Where the star is (y, x), from the middle of the first pixel."""
        height, width = self.image.shape
        if self.centre is None:
            return 0.5 * (height - 1), 0.5 * (width - 1)
        return float(self.centre[0]), float(self.centre[1])

    @property
    def finest(self) -> float:
        """Frequency above which there is nothing [cycles / arcsec]."""
        return math.sqrt(0.5) / self.pixel_scale

    @property
    def fwhm(self) -> float:
        """Full width at half maximum of a Gaussian with the same peak [arcsec]."""
        area = 4.0 * math.log(2.0) / (math.pi * float(self.image.max()))
        return self.pixel_scale * math.sqrt(area)

    def transfer(self, frequency_y: npt.ArrayLike, frequency_x: npt.ArrayLike) -> Any:
        """Return the transfer function.

        Parameters
        ----------
        frequency_y, frequency_x
            Spatial frequencies [cycles / arcsec], a column and a row.

        Returns
        -------
        ndarray
            The Fourier transform about ``position``, 1 where both frequencies are 0;
            complex. Above half a cycle per pixel along either axis it is 0.
        """
        sides = []
        for axis, frequencies in enumerate((frequency_y, frequency_x)):
            k = np.ravel(frequencies) * self.pixel_scale
            place = np.arange(self.image.shape[axis]) - self.position[axis]
            wave = np.exp(-2j * math.pi * k[:, None] * place)
            # the pixel of the image is taken out, of which 0.64 is left at the limit
            weight = 1.0 / np.sinc(k * (abs(k) <= 0.5)) if self.includes_pixel else 1.0
            sides.append(wave * (weight * (abs(k) <= 0.5))[:, None])
        # Not by BLAS, whose bits may depend on the number of threads.
        first = np.einsum("ky,yx->kx", sides[0], self.image)
        return np.einsum("kx,lx->kl", first, sides[1])

    def tail_radius(self, missing: float) -> float:
        """Return the radius beyond which there is no light at all [arcsec].

        Parameters
        ----------
        missing
            Not used: other kinds of PSF never end.

        Returns
        -------
        float
            From the centre to the farthest edge along an axis.
        """
        farthest: float = max(
            max(place, side - 1 - place) + 0.5
            for place, side in zip(self.position, self.image.shape, strict=True)
        )
        return farthest * self.pixel_scale

    def resized(self, ratio: float) -> PSFImage:
        """Return the PSF of an image that is shrunk or grown by this ratio."""
        return replace(self, pixel_scale=self.pixel_scale * ratio)


PSF: TypeAlias = Gaussian | Moffat | Airy | PSFImage


def _positive(name: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise InputError(name, value, "a finite number above 0", "give another")


def _shared_area(first: float, second: float, distance: Floats) -> Floats:
    """Return the area that two circles of these diameters share at a distance."""
    large, small = 0.5 * max(first, second), 0.5 * min(first, second)
    # Between touching from the inside and from outside.
    d = np.clip(distance, max(large - small, 1e-12), large + small)
    along = (d * d + small * small - large * large) / (2.0 * d * small)
    across = (d * d + large * large - small * small) / (2.0 * d * large)
    kite = (small + large - d) * (d + small - large) * (d - small + large)
    lens = (
        small**2 * np.arccos(np.clip(along, -1.0, 1.0))
        + large**2 * np.arccos(np.clip(across, -1.0, 1.0))
        - 0.5 * np.sqrt(np.maximum(kite * (d + small + large), 0.0))
    )
    area: Floats = np.where(distance <= large - small, math.pi * small**2, lens)
    return area
