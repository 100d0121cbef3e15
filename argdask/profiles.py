"""Images of galaxy light profiles, many at a time, by compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from argdask.brightest import find_brightest, find_brightest_sum
from argdask.frames import render
from argdask.kernels import Floats

__all__ = ["PROFILES", "brightest_pixel", "brightest_sum", "sersic", "table_of"]

Stamps: TypeAlias = npt.NDArray[np.floating]
Sampling: TypeAlias = Literal["pixel", "centre"]


def table_of(
    columns: tuple[npt.ArrayLike, ...],
    asymmetry: npt.ArrayLike | None,
    asymmetry_angle: npt.ArrayLike | None,
) -> tuple[Floats, tuple[int, ...]]:
    """Return rows as the kernels take them, and the shape of the columns.

    Parameters
    ----------
    columns
        The first six that `sersic` takes, in its order.
    asymmetry, asymmetry_angle
        As `sersic` takes them.

    Returns
    -------
    table : ndarray
        (row, 9): radius, index, ratio, angle, b_n, offsets, asymmetry and its angle.
    shape : tuple
        (galaxy,) or (galaxy, component).

    Raises
    ------
    ValueError
        Columns of different lengths, or an impossible asymmetry.
    """
    arrays = [np.asarray(column, np.float64) for column in columns]
    for column in (asymmetry, asymmetry_angle):
        arrays.append(
            np.zeros(arrays[0].shape)
            if column is None
            else np.asarray(column, np.float64)
        )
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or not shapes[0]:
        raise ValueError(
            "columns are one number per galaxy, or per galaxy and component, of one "
            f"length, got shapes {shapes}"
        )
    if asymmetry is not None and not np.all((arrays[6] >= 0.0) & (arrays[6] < 1.0)):
        raise ValueError(f"asymmetry is 0 or more and less than 1, got {asymmetry}")
    arrays.insert(4, special.gammaincinv(2.0 * arrays[1], 0.5))
    return np.stack([array.ravel() for array in arrays], axis=1), shapes[0]


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
    asymmetry: npt.ArrayLike | None = None,
    asymmetry_angle: npt.ArrayLike | None = None,
    shape: tuple[int, int],
    sampling: Sampling = "pixel",
    dtype: npt.DTypeLike = np.float32,
    out: Stamps | None = None,
) -> Stamps:
    """Render galaxies, or components of galaxies, with Sersic profiles.

    Parameters
    ----------
    half_light_radius
        (galaxy,) or (galaxy, component) as all columns; semi-major axis of
        the half-light ellipse, pixels; 0.02 to 30.
    sersic_index
        0.3 to 8.
    axis_ratio
        Minor over major axis, 0.1 to 1.
    position_angle
        Of the major axis from +y towards -x, degrees.
    offset_y, offset_x
        Of the galaxy's centre from the frame's, pixels. The frame's is at (N - 1) / 2,
        where the first pixel's centre is at 0.
    asymmetry
        How much of the light is moved to the other side, a in the Notes: 0 or more and
        less than 1; 0 if left out, with the bits of a galaxy without.
    asymmetry_angle
        Where light is taken away, phi_0 in the Notes, degrees; 0 if left out.
    shape
        (y, x), the frame in pixels.
    sampling
        'pixel': the integral over each pixel; 'centre': the light at its centre, per
        pixel area.
    dtype
        Of the stamps, float32 or float64; all is computed in float64.
    out
        (galaxy, y, x) or (galaxy, component, y, x), C-contiguous: filled and
        returned, whatever ``dtype`` says.

    Returns
    -------
    ndarray
        (galaxy, y, x) or (galaxy, component, y, x), the fraction of the total light in
        each pixel. Less than 1e-30 is exactly 0.

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

    An asymmetry multiplies I by 1 - a cos(phi - phi_0), which leaves the total as it
    is. phi is counted from the end of the major axis that ``position_angle`` points
    to, counter-clockwise, in the frame in which the ellipse is a circle. The factor is
    that of `Sersic2DAsym` in galaxies_asym.py of github.com/aidenrolfe/ARG, where phi
    is the angle on the sky from +x instead: the same for a round galaxy with
    phi_0 = (ARG's angle) - ``position_angle`` - 90 degrees. At the very centre, where
    phi is not defined, 'centre' sampling takes the mean over phi.

    Pixels that hold more than 1e-6 of the brightest are within 3e-4 of their integrals;
    values at centres are within 1e-7 before rounding to ``dtype``.

    Examples
    --------
    >>> stamp = sersic([5.0], [1.0], [0.5], [30.0], [0.0], [0.0], shape=(61, 61))
    >>> stamp.shape
    (1, 61, 61)
    """
    columns = (
        half_light_radius,
        sersic_index,
        axis_ratio,
        position_angle,
        offset_y,
        offset_x,
    )
    table, rows = table_of(columns, asymmetry, asymmetry_angle)
    frame, integrated = _checked(shape, sampling)
    if out is None:
        out = np.empty((*rows, *frame), dtype)
    if out.shape != (*rows, *frame) or not out.flags.c_contiguous:
        raise ValueError(
            f"out must be C-contiguous of shape {(*rows, *frame)}, "
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
    asymmetry: npt.ArrayLike | None = None,
    asymmetry_angle: npt.ArrayLike | None = None,
    shape: tuple[int, int],
    sampling: Sampling = "pixel",
) -> Floats:
    """Return the maximum of each galaxy's stamp without rendering all of it.

    Parameters
    ----------
    half_light_radius, sersic_index, axis_ratio, position_angle, offset_y, offset_x
        (galaxy,) or (galaxy, component), as `sersic` takes them.
    asymmetry, asymmetry_angle
        Of the same shape, as for `sersic`.
    shape
        (y, x), the frame in pixels.
    sampling
        'pixel' or 'centre', as for `sersic`.

    Returns
    -------
    ndarray
        (galaxy,) or (galaxy, component), the very number that the brightest pixel has
        in a float32 stamp.

    Raises
    ------
    ValueError
        Columns of different lengths, an impossible shape, or an unknown sampling.
    """
    columns = (
        half_light_radius,
        sersic_index,
        axis_ratio,
        position_angle,
        offset_y,
        offset_x,
    )
    table, rows = table_of(columns, asymmetry, asymmetry_angle)
    frame, integrated = _checked(shape, sampling)
    brightest = np.empty(len(table))
    find_brightest(table, frame, integrated, brightest)
    return brightest.reshape(rows)


def brightest_sum(
    half_light_radius: npt.ArrayLike,
    sersic_index: npt.ArrayLike,
    axis_ratio: npt.ArrayLike,
    position_angle: npt.ArrayLike,
    offset_y: npt.ArrayLike,
    offset_x: npt.ArrayLike,
    *,
    fluxes: npt.ArrayLike,
    asymmetry: npt.ArrayLike | None = None,
    asymmetry_angle: npt.ArrayLike | None = None,
    shape: tuple[int, int],
    sampling: Sampling = "pixel",
) -> Floats:
    """Return the brightest pixel of sums of components in any filter.

    Parameters
    ----------
    half_light_radius, sersic_index, axis_ratio, position_angle, offset_y, offset_x
        (galaxy, component), as `sersic` takes them. It costs least where components
        share a centre.
    fluxes
        (galaxy, component, filter), what each stamp is multiplied by; 0 or more.
    asymmetry, asymmetry_angle
        (galaxy, component), as for `sersic`.
    shape
        (y, x), the frame in pixels.
    sampling
        'pixel' or 'centre', as for `sersic`.

    Returns
    -------
    ndarray
        (galaxy,), the maximum over pixels and filters of the sum over components of
        flux times float32 stamp, in float64. For one component it is the largest flux
        times the `brightest_pixel`, to the last bit.

    Raises
    ------
    ValueError
        Columns or fluxes that do not fit, a flux below 0, an impossible shape, or an
        unknown sampling.
    """
    columns = (
        half_light_radius,
        sersic_index,
        axis_ratio,
        position_angle,
        offset_y,
        offset_x,
    )
    table, rows = table_of(columns, asymmetry, asymmetry_angle)
    frame, integrated = _checked(shape, sampling)
    light = np.ascontiguousarray(fluxes, np.float64)
    if len(rows) != 2 or light.shape[:-1] != rows or 0 in light.shape[1:]:
        raise ValueError(
            f"columns (galaxy, component) of shape {rows} and fluxes (galaxy, "
            f"component, filter) of shape {light.shape} do not fit"
        )
    if not np.all(light >= 0.0):
        raise ValueError("fluxes are 0 or more")
    brightest = np.empty(rows[0])
    find_brightest_sum(
        table.reshape(*rows, table.shape[1]), light, frame, integrated, brightest
    )
    return brightest


PROFILES: dict[str, Callable[..., Stamps]] = {"sersic": sersic, "components": sersic}
