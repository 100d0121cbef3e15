"""Images of PSFs are read from .npy and FITS; what is none is told in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from argdask.errors import InputError
from argdask.psf_files import read_psf

STAR = np.arange(12.0).reshape(3, 4)


def header_of(scale: float, ratio: float = 1.0, angle: float = 0.0) -> fits.Header:
    """Return a header with pixels of this size [arcsec], turned by an angle [deg]."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    turn = np.deg2rad(angle)
    matrix = np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    wcs.wcs.cd = matrix @ np.diag([scale, ratio * scale]) / 3600
    return wcs.to_header()


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i2", "u1"])
def test_an_array_is_read_as_it_is(dtype):
    np.save("star.npy", STAR.astype(dtype))
    image, scale = read_psf("star.npy")
    assert image.dtype == np.float64
    np.testing.assert_array_equal(image, STAR)
    assert scale is None


@pytest.mark.parametrize("name", ["star.fits", "star.fits.gz"])
def test_fits_is_read_with_the_size_of_its_pixels(name):
    fits.PrimaryHDU(STAR.astype(">f4"), header_of(0.0317, angle=30)).writeto(name)
    image, scale = read_psf(name)
    np.testing.assert_array_equal(image, STAR)
    # The header is text of twelve digits.
    assert scale == pytest.approx(0.0317, rel=1e-9)


def test_the_first_image_of_fits_is_taken():
    files = [fits.PrimaryHDU(), fits.ImageHDU(STAR), fits.ImageHDU(STAR + 1)]
    fits.HDUList(files).writeto("star.fits")
    image, scale = read_psf("star.fits")
    np.testing.assert_array_equal(image, STAR)
    assert scale is None


def test_pixels_that_are_not_square_have_no_size():
    fits.PrimaryHDU(STAR, header_of(0.03, ratio=1.01)).writeto("star.fits")
    assert read_psf("star.fits")[1] is None


def _write_short() -> None:
    fits.PrimaryHDU(np.zeros((90, 90))).writeto("whole.fits")
    Path("bad.fits").write_bytes(Path("whole.fits").read_bytes()[:9000])


def _write_complex() -> None:
    np.save("complex.npy", np.zeros((3, 3), complex))
    Path("complex.npy").rename("bad.fits")


@pytest.mark.parametrize(
    ("write", "found", "expected"),
    [
        (lambda: None, "bad.fits (no such file)", "a .npy or FITS file"),
        (lambda: Path("bad.fits").mkdir(), "bad.fits (no such", "a .npy or FITS file"),
        (lambda: Path("bad.fits").write_text("x"), "bad.fits", "a readable .npy or"),
        (
            lambda: Path("bad.fits").write_bytes(b"\x93NUMPY"),
            "bad.fits",
            "a readable .npy or",
        ),
        (_write_short, "bad.fits", "a readable .npy or"),
        (
            lambda: fits.PrimaryHDU().writeto("bad.fits"),
            "bad.fits, no image",
            "numbers (y, x)",
        ),
        (
            lambda: fits.PrimaryHDU(np.zeros((2, 3, 4))).writeto("bad.fits"),
            "bad.fits, >f8 of shape (2, 3, 4)",
            "numbers (y, x)",
        ),
        (
            _write_complex,
            "bad.fits, complex128 of shape (3, 3)",
            "numbers (y, x)",
        ),
    ],
)
def test_what_is_no_image_is_told_in_one_line(write, found, expected):
    write()
    with pytest.raises(InputError) as caught:
        read_psf("bad.fits")
    assert caught.value.field == "psf.source"
    assert str(caught.value.value).startswith(found)
    assert caught.value.expected.startswith(expected)
    assert len(str(caught.value).splitlines()) == 1
