"""Images of galaxy light profiles, many at a time, by compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from argdask.frames import find_brightest, render
from argdask.kernels import Floats

__all__ = ["PROFILES", "brightest_pixel", "sersic"]

Stamps: TypeAlias = npt.NDArray[np.floating]
Sampling: TypeAlias = Literal["pixel", "centre"]


def _table(*columns: npt.ArrayLike) -> Floats:
    """Return radius, index, ratio, angle, b_n and offsets as the rows of a table."""
    arrays = [np.asarray(column, np.float64) for column in columns]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(
            f"columns are one number per galaxy, of one length, got shapes {shapes}"
        )
    arrays.insert(4, special.gammaincinv(2.0 * arrays[1], 0.5))
    return np.stack(arrays, axis=1)


def _checked(shape: tuple[int, int], sampling: str) -> tuple[tuple[int, int], bool]:
    """Return the frame's height and width, and whether pixels are integrated."""
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape is (height, width) of at least one pixel, got {shape}")
    if sampling not in ("pixel", "centre"):
        raise ValueError(f"sampling is 'pixel' or 'centre', got {sampling!r}")
    return (int(shape[0]), int(shape[1])), sampling == "pixel"


def sersic(
    half_light_radius: npt.ArrayLike,
    sersic_index: npt.ArrayLike,
    axis_ratio: npt.ArrayLike,
    position_angle: npt.ArrayLike,
    offset_y: npt.ArrayLike,
    offset_x: npt.ArrayLike,
    *,
    shape: tuple[int, int],
    sampling: Sampling = "pixel",
    dtype: npt.DTypeLike = np.float32,
    out: Stamps | None = None,
) -> Stamps:
    """Render galaxies with Sersic profiles.

    Parameters
    ----------
    half_light_radius
        (galaxy,), semi-major axis of the half-light ellipse, pixels; 0.02 to 30.
    sersic_index
        (galaxy,), 0.3 to 8.
    axis_ratio
        (galaxy,), minor over major axis, 0.1 to 1.
    position_angle
        (galaxy,), of the major axis from +y towards -x, degrees.
    offset_y, offset_x
        (galaxy,), of the galaxy's centre from the frame's, pixels. The frame's is at
        (N - 1) / 2, where the first pixel's centre is at 0.
    shape
        (y, x), the frame in pixels.
    sampling
        'pixel': the integral over each pixel; 'centre': the light at its centre, per
        pixel area.
    dtype
        float32 or float64; all is computed in float64.
    out
        (galaxy, y, x), C-contiguous: filled and returned, whatever ``dtype`` says.

    Returns
    -------
    ndarray
        (galaxy, y, x), the fraction of the galaxy's total light in each pixel. Less
        than 1e-30 is exactly 0.

    Raises
    ------
    ValueError
        Columns of different lengths, an impossible shape, an unknown sampling, or an
        ``out`` of another shape or kind.

    Notes
    -----
    I(R) = I_0 exp(-b_n (R / R_e)**(1/n)) (Sersic 1963; Graham & Driver 2005, PASA 22,
    118, eq. 1), with R and R_e along the major axis. b_n solves
    Gamma(2n) = 2 gamma(2n, b_n) (eq. 4 there), and
    I_0 = b_n**(2n) / (2 pi n Gamma(2n) R_e**2 q) makes the total over the plane 1.

    Pixels that hold more than 1e-6 of the brightest are within 3e-4 of their integrals;
    values at centres are within 1e-7 before rounding to ``dtype``.

    Examples
    --------
    >>> stamp = sersic([5.0], [1.0], [0.5], [30.0], [0.0], [0.0], shape=(61, 61))
    >>> stamp.shape
    (1, 61, 61)
    """
    table = _table(
        half_light_radius, sersic_index, axis_ratio, position_angle, offset_y, offset_x
    )
    frame, integrated = _checked(shape, sampling)
    if out is None:
        out = np.empty((len(table), *frame), dtype)
    if out.shape != (len(table), *frame) or not out.flags.c_contiguous:
        raise ValueError(
            f"out must be C-contiguous of shape {(len(table), *frame)}, "
            f"got shape {out.shape} and strides {out.strides}"
        )
    if out.dtype not in (np.float32, np.float64):
        raise ValueError(f"stamps are float32 or float64, got {out.dtype}")
    render(table, frame, integrated, out.reshape(len(table), frame[0] * frame[1]))
    return out


def brightest_pixel(
    half_light_radius: npt.ArrayLike,
    sersic_index: npt.ArrayLike,
    axis_ratio: npt.ArrayLike,
    position_angle: npt.ArrayLike,
    offset_y: npt.ArrayLike,
    offset_x: npt.ArrayLike,
    *,
    shape: tuple[int, int],
    sampling: Sampling = "pixel",
) -> Floats:
    """Return the maximum of each galaxy's stamp without rendering all of it.

    Parameters
    ----------
    half_light_radius, sersic_index, axis_ratio, position_angle, offset_y, offset_x
        (galaxy,), as `sersic` takes them.
    shape
        (y, x), the frame in pixels.
    sampling
        'pixel' or 'centre', as for `sersic`.

    Returns
    -------
    ndarray
        (galaxy,), the very number that the brightest pixel has in a float32 stamp.

    Raises
    ------
    ValueError
        Columns of different lengths, an impossible shape, or an unknown sampling.
    """
    table = _table(
        half_light_radius, sersic_index, axis_ratio, position_angle, offset_y, offset_x
    )
    frame, integrated = _checked(shape, sampling)
    brightest = np.empty(len(table))
    find_brightest(table, frame, integrated, brightest)
    return brightest


PROFILES: dict[str, Callable[..., Stamps]] = {"sersic": sersic}
