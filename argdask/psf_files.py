"""Images of point-spread functions in files: .npy, and FITS with its pixel scale."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask.errors import InputError

__all__ = ["read_psf"]

# Pixels whose sides differ by more than this part are not square.
_SQUARE = 1e-3


def read_psf(source: str) -> tuple[NDArray[np.float64], float | None]:
    """Read the image of a point-spread function.

    Parameters
    ----------
    source
        A .npy file, or a FITS file of which the first image is taken.

    Returns
    -------
    tuple
        The image (y, x), and the size of its pixels [arcsec] where the header has
        celestial coordinates.

    Raises
    ------
    InputError
        There is no such file, or no image of real numbers (y, x) in it.
    """
    path = Path(source).expanduser()
    if not path.is_file():
        expected = "a .npy or FITS file"
        raise InputError("psf.source", f"{source} (no such file)", expected, "check it")
    with path.open("rb") as file:
        is_npy = file.read(6) == b"\x93NUMPY"
    try:
        found, scale = (np.load(path), None) if is_npy else _read_fits(path)
    except MemoryError:
        raise
    except Exception as error:  # astropy and numpy raise many kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        cure = f"copy it again or make it anew ({reason[:200]})"
        expected = "a readable .npy or FITS image"
        raise InputError("psf.source", source, expected, cure) from error
    if found is None or found.ndim != 2 or found.dtype.kind not in "fiu":
        shape = "no image" if found is None else f"{found.dtype} of shape {found.shape}"
        cure = "give the image of one star"
        raise InputError("psf.source", f"{source}, {shape}", "numbers (y, x)", cure)
    return found.astype(np.float64), scale


def _read_fits(path: Path) -> tuple[NDArray[Any] | None, float | None]:
    # It takes half a second to import, which other PSFs can do without.
    import astropy.io.fits  # noqa: PLC0415
    from astropy.utils.exceptions import AstropyUserWarning  # noqa: PLC0415

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", AstropyUserWarning)
        with astropy.io.fits.open(path, memmap=False) as file:
            images = (one for one in file if one.is_image and one.header.get("NAXIS"))
            image = next(images, None)
            if any("truncated" in str(one.message) for one in told):
                # Inside, so that the file is closed.
                message = "it has been cut short"
                raise OSError(message)
            if image is None:
                return None, None
            return np.asarray(image.data), _pixel_scale(image.header)


def _pixel_scale(header: Any) -> float | None:
    """Return the side of a pixel [arcsec], where a header says it."""
    from astropy.wcs import WCS  # noqa: PLC0415
    from astropy.wcs.utils import proj_plane_pixel_scales  # noqa: PLC0415

    wcs = WCS(header)
    if wcs.naxis != 2 or not wcs.has_celestial:
        return None
    sides = proj_plane_pixel_scales(wcs) * 3600.0
    if not sides.min() > 0.0 or sides.max() / sides.min() - 1.0 > _SQUARE:
        return None
    return float(np.sqrt(sides[0] * sides[1]))
