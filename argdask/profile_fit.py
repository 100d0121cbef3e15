"""Sersic profiles fitted to images, to take out a cusp that pixels do not resolve.

No interpolation knows where in a pixel the light of a cusp is. A profile that was
fitted to the image does: it is rendered in the old pixels and in the new ones, and only
what it leaves of the image is interpolated.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from argdask.profiles import sersic
from argdask.resampling import Resized, resize

__all__ = ["SersicFit", "fit_sersic", "resize_around"]

Floats: TypeAlias = npt.NDArray[np.float64]

_LOWER = (math.log(0.1), math.log(0.3))
_HIGHEST_INDEX = 8.0
_ROUND = 0.8181  # of the ellipticity (1 - q) / (1 + q), which is an axis ratio of 0.1
_STEPS = (1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4)
_TRIALS = 60
_CONVERGED = 1e-10  # relative change of the sum of squares
# Of the roughness that a fit has to take away; else it may add a cusp of its own.
_BETTER = 0.5
# Roughness of noise of 1 in a pixel, 6 times 6, where no fit can be that good.
_ALTERNATING = 36.0 / _BETTER
_NOTHING = 1e-2  # of chi-square


class SersicFit(NamedTuple):
    """A Sersic profile in an image; lengths in its pixels."""

    half_light_radius: float
    """Semi-major axis."""
    sersic_index: float
    """0.3 to 8."""
    axis_ratio: float
    """Minor over major axis."""
    position_angle: float
    """From +y towards -x [degree]."""
    offset_y: float
    """Of the centre from that of the image."""
    offset_x: float
    """The same along x."""
    flux: float
    """Light over the plane."""

    def render(
        self,
        shape: tuple[int, int],
        ratio: float = 1.0,
        centre: tuple[float, float] | None = None,
    ) -> Floats:
        """Return the light in each pixel (y, x), of an image resized by a ratio.

        Parameters
        ----------
        shape
            (y, x), pixels.
        ratio, centre
            As `argdask.resampling.resize` takes them.

        Returns
        -------
        ndarray
            The integral over each pixel (y, x).
        """
        middle = [0.5 * (side - 1) for side in shape]
        place = middle if centre is None else centre
        stamps = sersic(
            [self.half_light_radius * ratio],
            [self.sersic_index],
            [self.axis_ratio],
            [self.position_angle],
            [self.offset_y * ratio + place[0] - middle[0]],
            [self.offset_x * ratio + place[1] - middle[1]],
            shape=shape,
            dtype=np.float64,
        )
        return self.flux * np.asarray(stamps[0], np.float64)


def fit_sersic(
    image: npt.NDArray[np.floating[Any]], noise: float = 0.0
) -> SersicFit | None:
    """Fit a Sersic profile, integrated over pixels, to an image without a PSF.

    Parameters
    ----------
    image
        (y, x), light in each pixel; finite.
    noise
        Sigma per pixel. What is less than it is not fitted, which saves time.

    Returns
    -------
    SersicFit or None
        None where the fit does not take away half of what is rough on the scale of
        pixels, as in an image that has a PSF or more noise than cusp: then it is better
        to do without.

    Notes
    -----
    Least squares by Levenberg (1944, Q. Appl. Math. 2, 164) and Marquardt (1963, J.
    SIAM 11, 431), in plain sums: the same bits whatever library does linear algebra.
    """
    # in one order in memory, in which sums are the same to the last bit
    light = np.ascontiguousarray(image, np.float64)
    state = _start(light)
    if state is None or _ALTERNATING * noise**2 * light.size > _roughness(light):
        return None
    model, chi = _tried(light, state)
    damping = 1e-3
    slopes: tuple[Floats, Floats] | None = None
    for _ in range(_TRIALS):
        if slopes is None:
            slopes = _normal_equations(light, state, model)
        matrix, vector = slopes
        scaled = matrix + damping * np.diag(np.maximum(np.diag(matrix), 1e-300))
        trial = _limited(state + _solved(scaled, vector), light.shape)
        found, worse = _tried(light, trial)
        if worse < chi:
            done = chi - worse < max(_CONVERGED * chi, _NOTHING * noise**2)
            state, model, chi = trial, found, worse
            damping, slopes = damping * 0.2, None
            if done:
                break
        else:
            damping *= 8.0
            if damping > 1e12:
                break
    left = light - state[6] * model
    if _roughness(left) > _BETTER * _roughness(light):
        return None
    return _fit_of(state)


def resize_around(
    image: npt.NDArray[np.floating[Any]],
    fit: SersicFit,
    ratio: float,
    shape: tuple[int, int],
    centre: tuple[float, float] | None = None,
) -> Resized:
    """Shrink or grow an image about its centre, the fitted profile by its formula.

    Parameters
    ----------
    image
        (y, x), light in each pixel; finite.
    fit
        What `fit_sersic` found in it.
    ratio, shape, centre
        As `argdask.resampling.resize` takes them.

    Returns
    -------
    Resized
        The light and what is known of each pixel.
    """
    whole = resize(image, ratio, shape, centre)
    if ratio == 1.0 and bool((whole.noise <= 1.0).all()):
        return whole
    old = fit.render((image.shape[0], image.shape[1]))
    rest = resize(image - old, ratio, shape, centre)
    values = rest.values + rest.covered * fit.render(shape, ratio, centre)
    return rest._replace(values=values)


def _start(light: Floats) -> Floats | None:
    """Return first guesses: log radius, log index, ellipticities, offsets and flux."""
    positive = np.maximum(light, 0.0)
    total = float(positive.sum())
    if not total > 0.0:
        return None
    y, x = np.indices(light.shape, float)
    y -= 0.5 * (light.shape[0] - 1)
    x -= 0.5 * (light.shape[1] - 1)
    # Weighted by the light itself, so that the faint parts do not count.
    weight = np.square(positive)
    weight /= weight.sum()
    oy, ox = float((weight * y).sum()), float((weight * x).sum())
    yy = float((weight * (y - oy) ** 2).sum()) + 0.1
    xx = float((weight * (x - ox) ** 2).sum()) + 0.1
    yx = float((weight * (y - oy) * (x - ox)).sum())
    radius = max(1.5 * math.sqrt(yy + xx), 0.5)
    stretch = 0.7 / (yy + xx)
    guess = (math.log(radius), math.log(1.5), (yy - xx) * stretch, -2.0 * yx * stretch)
    return _limited(np.array([*guess, oy, ox, total]), light.shape)


def _limited(state: Floats, shape: tuple[int, ...]) -> Floats:
    """Return parameters within what profiles can be."""
    radius = min(max(state[0], _LOWER[0]), math.log(max(shape)))
    index = min(max(state[1], _LOWER[1]), math.log(_HIGHEST_INDEX))
    flat = max(math.hypot(state[2], state[3]) / _ROUND, 1.0)
    sides = [0.5 * side for side in shape]
    oy, ox = (min(max(state[4 + i], -sides[i]), sides[i]) for i in (0, 1))
    return np.array([radius, index, state[2] / flat, state[3] / flat, oy, ox, state[6]])


def _fit_of(state: Floats) -> SersicFit:
    flat = math.hypot(state[2], state[3])
    return SersicFit(
        math.exp(state[0]),
        math.exp(state[1]),
        (1.0 - flat) / (1.0 + flat),
        math.degrees(0.5 * math.atan2(state[3], state[2])),
        float(state[4]),
        float(state[5]),
        float(state[6]),
    )


def _tried(light: Floats, state: Floats) -> tuple[Floats, float]:
    """Return the image of a flux of 1, and the sum of squares with the best flux."""
    model = _fit_of(state)._replace(flux=1.0).render((light.shape[0], light.shape[1]))
    square = float(np.square(model).sum())
    state[6] = float((model * light).sum()) / square if square > 0.0 else 0.0
    return model, float(np.square(light - state[6] * model).sum())


def _normal_equations(
    light: Floats, state: Floats, model: Floats
) -> tuple[Floats, Floats]:
    """Return the matrix and the vector of least squares, by differences."""
    columns = []
    for place, step in enumerate(_STEPS):
        # inwards, where there is a limit
        for sign in (1.0, -1.0):
            moved = state.copy()
            moved[place] += sign * step
            moved = _limited(moved, light.shape)
            change = moved[place] - state[place]
            if change != 0.0:
                break
        there = _fit_of(moved)._replace(flux=1.0)
        slope = there.render((light.shape[0], light.shape[1])) - model
        columns.append(state[6] * slope / (change or step))
    columns.append(model)
    rest = light - state[6] * model
    size = len(columns)
    matrix, vector = np.empty((size, size)), np.empty(size)
    for i in range(size):
        vector[i] = (columns[i] * rest).sum()
        for j in range(i + 1):
            matrix[i, j] = matrix[j, i] = (columns[i] * columns[j]).sum()
    return matrix, vector


def _solved(matrix: Floats, vector: Floats) -> Floats:
    """Solve a symmetric system by Cholesky's method."""
    size = len(vector)
    lower = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i, j] - (lower[i, :j] * lower[j, :j]).sum()
            if i == j:
                lower[i, i] = math.sqrt(max(rest, 1e-30 * matrix[i, i], 1e-300))
            else:
                lower[i, j] = rest / lower[j, j]
    found = np.zeros(size)
    for i in range(size):
        found[i] = (vector[i] - (lower[i, :i] * found[:i]).sum()) / lower[i, i]
    for i in reversed(range(size)):
        after = (lower[i + 1 :, i] * found[i + 1 :]).sum()
        found[i] = (found[i] - after) / lower[i, i]
    return found


def _roughness(light: Floats) -> float:
    """Return the sum of squares of what alternates from pixel to pixel."""
    for axis in (0, 1):
        light = np.diff(light, 2, axis)
    return float(np.square(light).sum())
