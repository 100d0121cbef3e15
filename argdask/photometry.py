"""Photometry: spectra and filter curves to fluxes, with dust."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argdask.errors import InputError

__all__ = [
    "LIGHT_SPEED",
    "LOG_STEP",
    "Curve",
    "ab_flux",
    "ab_magnitude",
    "band_fluxes",
    "calzetti2000",
    "calzetti2000_transmission",
    "luminosity_density",
    "pivot_wavelength",
]

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]
Transmission = Callable[[Floats, float], Floats]

LOG_STEP = 1e-4
"""Step in ln(wavelength) of the grid on which spectra are integrated."""

LIGHT_SPEED = 2.99792458e18
"""Speed of light, Angstrom / s."""

_AB_ZERO_POINT = 23.9  # of uJy; 48.60 of erg / s / cm2 / Hz, Oke & Gunn (1983)
_MEGAPARSEC = 1e6 * 648_000 / np.pi * 1.495978707e13  # cm; IAU 2012 and 2015
_MICROJANSKY = 1e-29  # erg / s / cm2 / Hz


def ab_magnitude(flux: ArrayLike) -> Floats:
    """Return the AB magnitude of a flux.

    Parameters
    ----------
    flux
        Flux density per unit frequency, uJy, any shape.

    Returns
    -------
    ndarray
        23.9 - 2.5 log10(flux); infinity for no flux, NaN for a negative one.

    Examples
    --------
    >>> float(ab_magnitude(1.0))
    23.9
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(_AB_ZERO_POINT - 2.5 * np.log10(np.asarray(flux, float)))


def ab_flux(magnitude: ArrayLike) -> Floats:
    """Return the flux of an AB magnitude.

    Parameters
    ----------
    magnitude
        AB magnitude, any shape.

    Returns
    -------
    ndarray
        Flux density per unit frequency, uJy.

    Examples
    --------
    >>> float(ab_flux(23.9))
    1.0
    """
    return np.asarray(10 ** (0.4 * (_AB_ZERO_POINT - np.asarray(magnitude, float))))


def luminosity_density(absolute_magnitude: float, wavelength: float) -> float:
    """Return the luminosity of a source of given absolute magnitude.

    Parameters
    ----------
    absolute_magnitude
        Monochromatic AB magnitude at 10 pc.
    wavelength
        Rest-frame wavelength of that magnitude, Angstrom.

    Returns
    -------
    float
        L_lambda, erg / s / Angstrom.
    """
    area = 4 * np.pi * (1e-5 * _MEGAPARSEC) ** 2  # cm2, of a sphere of 10 pc
    flux = float(ab_flux(absolute_magnitude)) * _MICROJANSKY
    return float(flux * area * LIGHT_SPEED / wavelength**2)


def pivot_wavelength(wavelength: Floats, transmission: Floats) -> float:
    """Return the pivot wavelength of a filter.

    Parameters
    ----------
    wavelength
        Wavelengths of the curve, Angstrom, shape (n,), increasing.
    transmission
        Detected fraction of the photons, shape (n,).

    Returns
    -------
    float
        The wavelength p, Angstrom, for which the band's mean flux densities satisfy
        f_nu = f_lambda p**2 / c: the square root of the integral of R lambda over
        that of R / lambda.
    """
    nodes, width = _gauss_points(wavelength)
    amount = np.interp(nodes, wavelength, transmission) * width
    return float(np.sqrt(np.sum(amount * nodes) / np.sum(amount / nodes)))


def calzetti2000(wavelength: ArrayLike) -> Floats:
    """Return the attenuation curve of dust in star-forming galaxies.

    Parameters
    ----------
    wavelength
        Rest-frame wavelength, Angstrom, any shape, greater than 0.

    Returns
    -------
    ndarray
        Attenuation k(lambda) = A(lambda) / E(B-V), mag / mag, with R_V = 4.05.

    Notes
    -----
    Calzetti et al. (2000, ApJ 533, 682), equation 4. Below 1200 Angstrom it goes on
    along its tangent there, beyond 22000 Angstrom along its own formula until it is 0
    (the paper gives neither). The formula itself has a step of 0.025 at 6300 Angstrom.
    """
    micron = np.asarray(wavelength, float) / 1e4
    held = np.maximum(micron, 0.12)
    inverse = 1 / held
    blue = -2.156 + inverse * (1.509 + inverse * (-0.198 + inverse * 0.011))
    slope = -(inverse**2) * (1.509 + inverse * (-0.396 + inverse * 0.033))
    red = -1.857 + 1.040 * inverse
    shape = np.where(micron < 0.63, blue + slope * (micron - held), red)
    return np.asarray(np.maximum(2.659 * shape + 4.05, 0.0))


def calzetti2000_transmission(wavelength: ArrayLike, e_bv: ArrayLike) -> Floats:
    """Return the fraction of starlight that dust lets through.

    Parameters
    ----------
    wavelength
        Rest-frame wavelength, Angstrom.
    e_bv
        Colour excess of the stars, E(B-V), mag; broadcast against `wavelength`.

    Returns
    -------
    ndarray
        10 ** (-0.4 E(B-V) k(wavelength)).

    Notes
    -----
    Calzetti et al. (2000, ApJ 533, 682), equations 2 and 4.
    """
    return np.asarray(10 ** (-0.4 * np.asarray(e_bv, float) * calzetti2000(wavelength)))


def band_fluxes(
    wavelength: Floats,
    luminosity: Floats,
    *,
    filters: Sequence[Curve],
    redshift: Floats,
    luminosity_distance: Floats,
    igm: Transmission | None = None,
    step: float = LOG_STEP,
) -> Floats:
    """Return the flux of every spectrum at every redshift through every filter.

    Parameters
    ----------
    wavelength
        Rest-frame wavelengths, Angstrom, shape (wavelength,), increasing.
    luminosity
        Spectra, erg / s / Angstrom, shape (template, wavelength), straight lines
        between the given wavelengths; NaN where a spectrum is not known.
    filters
        Curves (wavelength in Angstrom, increasing; detected fraction of the photons),
        shape (n,) each, 0 outside their wavelengths.
    redshift
        Redshifts, shape (redshift,).
    luminosity_distance
        Luminosity distances of the redshifts, Mpc, shape (redshift,).
    igm
        Transmission, a function such as `argdask.igm.madau1995_transmission`; None
        for 1.
    step
        Step of integration in ln(wavelength); 2e-4 still errs by < 0.001 mag.

    Returns
    -------
    ndarray
        Flux, uJy, shape (redshift, filter, template); NaN if partly unknown.

    Raises
    ------
    InputError
        Wavelengths do not increase, shapes disagree, or a curve is negative or 0.

    Notes
    -----
    The mean of a photon-counting detector, Fukugita et al. (1996, AJ 111, 1748),
    equation 7, of the spectrum L(lambda / (1 + z)) / (4 pi d**2 (1 + z)), written with
    rest-frame wavelengths so that one grid serves all redshifts.
    """
    _check_spectra(wavelength, luminosity, redshift, luminosity_distance)
    for curve in filters:
        _check_curve(*curve)
    nodes = _rest_nodes(filters, redshift, step)
    spectra = np.empty((len(luminosity), len(nodes)))
    for row, values in zip(spectra, luminosity, strict=True):
        row[:] = np.interp(nodes, wavelength, values, left=np.nan, right=np.nan)
    flux = np.empty((len(redshift), len(filters), len(spectra)))
    for row, z in zip(flux, redshift.tolist(), strict=True):
        for cell, curve in zip(row, filters, strict=True):
            cell[:] = _band_mean(nodes, spectra, curve, z, igm)
    area = 4 * np.pi * (luminosity_distance * _MEGAPARSEC) ** 2  # cm2
    return flux / (LIGHT_SPEED * _MICROJANSKY * area)[:, None, None]


def _band_mean(
    nodes: Floats,
    spectra: Floats,
    curve: Curve,
    redshift: float,
    igm: Transmission | None,
) -> Floats:
    """Return the weighted sum of each spectrum over the nodes that a filter sees."""
    first, weights = _band_weights(nodes, curve, redshift)
    seen = slice(first, first + len(weights))
    values = spectra[:, seen]
    if not np.all(weights > 0):  # what has no weight need not be known
        values = np.where(weights > 0, values, 0.0)
    if igm is not None:
        weights = weights * igm(nodes[seen] * (1 + redshift), redshift)
    # not BLAS, whose last bits follow its number of threads
    return np.asarray(np.einsum("k,mk->m", weights, values))


def _rest_nodes(filters: Sequence[Curve], redshift: Floats, step: float) -> Floats:
    """Return rest-frame wavelengths, even in ln, that enclose all that is seen."""
    bluest = min(curve[0][0] for curve in filters) / (1 + np.max(redshift))
    reddest = max(curve[0][-1] for curve in filters) / (1 + np.min(redshift))
    count = int(np.ceil(np.log(reddest / bluest) / step)) + 1
    return np.asarray(bluest * (1 - step / 2) * np.exp(step * np.arange(count + 1)))


def _band_weights(nodes: Floats, curve: Curve, redshift: float) -> tuple[int, Floats]:
    """Return the first node that a filter sees, and the weight of it and the next ones.

    The sum of weight times value over the nodes is the integral of (1 + z) L R lambda
    over the rest-frame wavelength, over that of R / lambda, exactly where L and R are
    straight lines between their nodes: each piece is a cubic, for which two points of
    Gauss suffice. So sharp edges of a curve cost no accuracy.
    """
    wavelength, transmission = curve
    rest = wavelength / (1 + redshift)
    first = int(np.searchsorted(nodes, rest[0], side="right")) - 1
    last = int(np.searchsorted(nodes, rest[-1], side="left"))
    own = nodes[first : last + 1]
    edges = np.union1d(rest, own[1:-1])
    points, width = _gauss_points(edges)
    left = np.searchsorted(own, edges[:-1], side="right") - 1
    fraction = (points - own[left]) / (own[left + 1] - own[left])
    amount = np.interp(points, rest, transmission) * points * width
    lower = np.sum(amount * (1 - fraction), axis=0)
    upper = np.sum(amount * fraction, axis=0)
    weights = np.bincount(left, lower, minlength=len(own))
    weights += np.bincount(left + 1, upper, minlength=len(own))
    seen, seen_width = _gauss_points(wavelength)
    photons = np.interp(seen, wavelength, transmission) / seen * seen_width
    return first, weights * ((1 + redshift) / np.sum(photons))


def _gauss_points(edges: Floats) -> tuple[Floats, Floats]:
    """Return two points in each interval, shape (2, n - 1), and the weight of each."""
    half = np.diff(edges) / 2
    middle = edges[:-1] + half
    return np.stack([middle - half / np.sqrt(3), middle + half / np.sqrt(3)]), half


def _check_spectra(
    wavelength: Floats, luminosity: Floats, redshift: Floats, distance: Floats
) -> None:
    if np.ndim(wavelength) != 1 or not np.all(np.diff(wavelength) > 0):
        raise InputError(
            "wavelength",
            f"{np.size(wavelength)} values",
            "one strictly increasing list",
            "sort it and drop duplicates",
        )
    if np.shape(luminosity) != (len(luminosity), len(wavelength)):
        raise InputError(
            "luminosity",
            f"shape {np.shape(luminosity)}",
            f"shape (template, {len(wavelength)})",
            "give one row for each template",
        )
    if np.shape(redshift) != np.shape(distance) or np.ndim(redshift) != 1:
        raise InputError(
            "luminosity_distance",
            f"shape {np.shape(distance)}",
            f"one for each redshift, shape {np.shape(redshift)}",
            "give as many of either",
        )


def _check_curve(wavelength: Floats, transmission: Floats) -> None:
    good = (
        np.shape(wavelength) == np.shape(transmission)
        and np.ndim(wavelength) == 1
        and np.size(wavelength) > 1
        and np.all(np.diff(wavelength) >= 0)
        and np.all(np.asarray(transmission) >= 0)
        and np.any(np.diff(wavelength) * (transmission[1:] + transmission[:-1]) > 0)
    )
    if not good:
        raise InputError(
            "filters",
            f"a curve of {np.size(wavelength)} wavelengths",
            "increasing wavelengths, and transmissions that are positive somewhere "
            "and negative nowhere",
            "sort the curve, and set its negative values to 0",
        )
