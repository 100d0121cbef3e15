"""Surveys by name: pixel scale, point-spread function and noise of every filter.

Of the CANDELS and CEERS mosaics the background is that of the published depths. The
shot noise of CEERS follows from exposure times and zero-points; of CANDELS no exposure
time is taken, so there is none. Of LSST and DES sky, exposure time, zero-point and
seeing are those of surveycodex, which names its sources; their depths follow and are
compared with the published ones in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy

__all__ = ["PRESETS", "Preset", "preset_of"]


@dataclass(frozen=True)
class Preset:
    """What images of one survey are like."""

    name: str
    """What recipes call it."""
    description: str
    """What it is, in a few words."""
    pixel_scale: float
    """Of its images [arcsec]."""
    psf: dict[str, dict[str, Any]]
    """By the name of a filter, the point-spread function as a recipe has it."""
    noise: dict[str, dict[str, Any]]
    """By the name of a filter, the noise as a recipe has it."""
    references: tuple[str, ...]
    """Where the numbers are from."""


def preset_of(name: str) -> Preset:
    """Return a survey by its name.

    Parameters
    ----------
    name
        One of `PRESETS`.

    Returns
    -------
    Preset
        The survey.

    Raises
    ------
    ImportError
        If its numbers are those of surveycodex, which is not installed.
    """
    return PRESETS[name]()


# CANDELS, on mosaics of 0.06 arcsec.

_MOSAIC = 0.06

# Depths at five sigma in GOODS-S, in a round aperture with this diameter [arcsec], and
# of the filters of which the regions differ the deep and the wide one.
_APERTURE = 0.34
_DEPTHS = {
    "acs_wfc_f435w": (28.95, 28.95),
    "acs_wfc_f606w": (29.35, 29.35),
    "acs_wfc_f775w": (28.55, 28.55),
    "acs_wfc_f814w": (28.84, 28.84),
    "acs_wfc_f850lp": (28.55, 28.55),
    "wfc3_ir_f098m": (28.77, 28.77),
    "wfc3_ir_f105w": (28.45, 27.45),
    "wfc3_ir_f125w": (28.34, 27.66),
    "wfc3_ir_f140w": (26.89, 26.89),
    "wfc3_ir_f160w": (28.16, 27.36),
}

# Effective wavelengths of the same table [nm].
_WAVELENGTHS = {
    "wfc3_ir_f098m": 985.1,
    "wfc3_ir_f105w": 1055.0,
    "wfc3_ir_f125w": 1248.6,
    "wfc3_ir_f140w": 1363.5,
    "wfc3_ir_f160w": 1537.0,
}

# The width of the WFC3/IR PSF before it falls on pixels [arcsec] by wavelength [nm],
# and the side of a pixel of the detector [arcsec].
_WFC3_NM = (800, 900, 1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700)
_WFC3_FWHM = (0.124, 0.126, 0.128, 0.130, 0.133, 0.137, 0.141, 0.145, 0.151, 0.156)
_WFC3_PIXEL = 0.13

# That of ACS/WFC mosaics in F814W. What spreads the light most is the diffusion of
# charge and the pixel, so that it serves the other filters as well.
_ACS_FWHM = 0.095

_CANDELS_REFERENCES = (
    "depths, effective wavelengths: Guo et al. 2013, ApJS 207, 24, as listed in table "
    "1 of Hsu et al. 2014, ApJ 796, 60; aperture: Guo et al. 2013, abstract (radius "
    "0.17 arcsec, of F160W, taken for every filter)",
    "WFC3/IR: WFC3 Instrument Handbook, table 7.5, and the detector's pixel added in "
    "quadrature",
    "ACS/WFC: Koekemoer et al. 2007, ApJS 172, 196, section 5 (F814W, taken for every "
    "filter)",
    "pixel scale: Koekemoer et al. 2011, ApJS 197, 36",
)


def _seen_through_pixel(fwhm: float, pixel: float) -> float:
    """Return the width of a Gaussian as wide as the PSF and a square pixel together."""
    # A square has a variance of side**2 / 12 along each axis.
    return math.sqrt(fwhm**2 + 8.0 * math.log(2.0) * pixel**2 / 12.0)


def _candels(region: str) -> Preset:
    column = ("deep", "wide").index(region)
    psf, noise = {}, {}
    for name, depths in _DEPTHS.items():
        fwhm = _ACS_FWHM
        if name in _WAVELENGTHS:
            optical = float(np.interp(_WAVELENGTHS[name], _WFC3_NM, _WFC3_FWHM))
            fwhm = round(_seen_through_pixel(optical, _WFC3_PIXEL), 4)
        psf[name] = {"name": "gaussian", "psf_fwhm": fwhm}
        noise[name] = {"depth": depths[column], "aperture": _APERTURE}
    return Preset(
        f"candels-{region}",
        f"HST mosaics of GOODS-S, CANDELS {region} region, without shot noise",
        _MOSAIC,
        psf,
        noise,
        _CANDELS_REFERENCES,
    )


# CEERS, on mosaics of 0.03 arcsec.

_CEERS_SCALE = 0.03

# Of each filter the depth of point sources at five sigma, FWHM of the PSF before it
# falls on pixels [arcsec], share of its light within a radius of 0.1 arcsec, and
# AB magnitude of one electron per second.
_CEERS_ENCLOSED = 0.1
_CEERS = {
    "jwst_f115w": (29.20, 0.040, 0.776, 27.57),
    "jwst_f150w": (29.00, 0.050, 0.750, 27.89),
    "jwst_f200w": (29.16, 0.066, 0.701, 28.07),
    "jwst_f277w": (29.15, 0.092, 0.677, 27.99),
    "jwst_f356w": (29.15, 0.116, 0.633, 28.13),
    "jwst_f410m": (28.32, 0.137, 0.585, 27.27),
    "jwst_f444w": (28.54, 0.145, 0.557, 28.17),
}

# Sides of the pixels of NIRCam's detectors [arcsec]; the second for these filters.
_SHORT, _LONG = 0.031, 0.063
_LONG_FILTERS = ("jwst_f277w", "jwst_f356w", "jwst_f410m", "jwst_f444w")

# Three dithers in MEDIUM8 with nine groups: each is ten reads of the frame, of which
# the last two do not count [s]. F115W was observed twice.
_FRAME = 10.73677
_EXPOSURE = 3 * (9 * 10 - 2) * _FRAME
_TWICE = "jwst_f115w"

_CEERS_REFERENCES = (
    "depths: ceers.github.io/obs.html, median of ten pointings, for point sources; "
    "taken as measured in apertures of 0.2 arcsec and corrected to total, so that the "
    "noise in the aperture is less by the share of light within it",
    "pixel scale, readout, groups, dithers: CEERS data release 0.5 (Bagley et al. "
    "2023, ApJL 946, L12); F115W twice as long: ceers.github.io/obs.html",
    "time of a frame, sides of pixels: JDox, NIRCam Detector Readout and Overview",
    "PSF: a Moffat profile with the FWHM of JDox, NIRCam Point Spread Functions, the "
    "detector's pixel added in quadrature, and the share of light in a radius of 0.1 "
    "arcsec of JDox, encircled energies (ETC, version 2)",
    "zero-points: CRDS context 1293, mean over detectors, as listed by grizli 1.14.3, "
    "and gains of JDox, NIRCam Detector Performance",
)


def _moffat_beta(fwhm: float, radius: float, share: float) -> float:
    """Return how steep the wings are that leave this share of light in a radius."""

    def excess(beta: float) -> float:
        # The integral of (1 + (r / a)**2)**-beta, a by the width.
        ratio = 4.0 * (radius / fwhm) ** 2 * math.expm1(math.log(2.0) / beta)
        outside: float = (1.0 + ratio) ** (1.0 - beta)
        return 1.0 - outside - share

    return float(scipy.optimize.brentq(excess, 1.01, 50.0))


def _ceers() -> Preset:
    psf: dict[str, dict[str, Any]] = {}
    noise: dict[str, dict[str, Any]] = {}
    for name, (depth, optical, share, zeropoint) in _CEERS.items():
        pixel = _LONG if name in _LONG_FILTERS else _SHORT
        fwhm = round(_seen_through_pixel(optical, pixel), 4)
        beta = round(_moffat_beta(fwhm, _CEERS_ENCLOSED, share), 3)
        psf[name] = {"name": "moffat", "psf_fwhm": fwhm, "beta": beta}
        noise[name] = {
            "depth": round(depth - 2.5 * math.log10(share), 4),
            "aperture": 2.0 * _CEERS_ENCLOSED,
            "exposure_time": round(_EXPOSURE * (2 if name == _TWICE else 1), 1),
            "zeropoint": zeropoint,
        }
    return Preset(
        "ceers",
        "JWST/NIRCam mosaics of the Extended Groth Strip, CEERS",
        _CEERS_SCALE,
        psf,
        noise,
        _CEERS_REFERENCES,
    )


# Surveys of surveycodex: names of its filters by those of the grid.

_LSST = {f"lsst_baseline_{band}": band for band in "ugrizy"}
_DES = {f"decam_{band}": band for band in "grizY"}
_VIS = {"euclid_vis": "IE"}

# A visit of LSST [s], and what its camera adds to one [electron, electron / s].
_LSST_VISIT = 30.0
_LSST_CAMERA = {"read_noise": 8.8, "dark_current": 0.2}


def _lsst() -> Preset:
    references = (
        "read noise, dark current, exposures of 30 s: SMTN-002, "
        "doi:10.71929/rubin/3408482",
    )
    description = "LSST of the Rubin Observatory, all visits of ten years added up"
    survey = _surveycodex("lsst", "LSST", _LSST, description, references)
    for noise in survey.noise.values():
        visits = round(noise["exposure_time"] / _LSST_VISIT)
        pixels = {"exposures": visits, "detector_pixel_scale": survey.pixel_scale}
        noise.update(_LSST_CAMERA, **pixels)
    return survey


def _des() -> Preset:
    description = "Dark Energy Survey, ten exposures added up"
    return _surveycodex("des", "DES", _DES, description, ())


# How many exposures of a field are added up; surveycodex has the time of one.
_VIS_EXPOSURES = 4


def _euclid_vis() -> Preset:
    references = (
        "four exposures of a field: Euclid Collaboration: Scaramella et al. 2022, A&A "
        "662, A112, abstract",
    )
    description = (
        "VIS images of the Euclid Wide Survey, four exposures added up; for grids with "
        "a filter named euclid_vis, its curve from a file: sedpy has none"
    )
    survey = _surveycodex("euclid-vis", "Euclid_VIS", _VIS, description, references)
    for noise in survey.noise.values():
        noise["exposure_time"] *= _VIS_EXPOSURES
    return survey


def _surveycodex(
    name: str,
    survey_name: str,
    filters: dict[str, str],
    description: str,
    references: tuple[str, ...],
) -> Preset:
    try:
        # An extra, and it takes a second: only those who name its surveys wait for it.
        from surveycodex import get_survey  # noqa: PLC0415
    except ImportError:
        message = f"the preset {name} needs surveycodex: pip install 'argdask[survey]'"
        raise ImportError(message) from None
    survey = get_survey(survey_name)
    psf, noise = {}, {}
    for own, theirs in filters.items():
        one = survey.get_filter(theirs)
        psf[own] = {"name": "gaussian", "psf_fwhm": float(one.psf_fwhm.value)}
        noise[own] = {
            "sky_brightness": float(one.sky_brightness.value),
            "exposure_time": float(one.full_exposure_time.value),
            "zeropoint": float(one.zeropoint.value),
        }
    links = sorted({one["link"] for one in survey.references.values() if one["link"]})
    told = f"surveycodex, which names {', '.join(links)}"
    scale = float(survey.pixel_scale.value)
    return Preset(name, description, scale, psf, noise, (told, *references))


PRESETS: dict[str, Callable[[], Preset]] = {
    "candels-deep": cache(lambda: _candels("deep")),
    "candels-wide": cache(lambda: _candels("wide")),
    "ceers": cache(_ceers),
    "des": cache(_des),
    "euclid-vis": cache(_euclid_vis),
    "lsst": cache(_lsst),
}
"""How each survey is made, by the name that recipes call it by."""
