"""How good predicted images of galaxies are: pixels, fluxes and sizes."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from redshifting import FILTERS, Galaxies, Survey
from torch import Tensor

__all__ = ["EDGES", "chi_square", "compare", "growth", "half_light_radius", "scores"]

EDGES = torch.tensor([0.5, 0.9, 1.3, 1.55, 1.8, 2.0])
"""Of bins in the redshift of the target."""

_STEP = 0.25  # pixels between apertures
_PARTS = 8  # of a pixel along an axis, for the part of it in an aperture
_SIGMA_PER_MAD = 1.482602218505602


def chi_square(prediction: Tensor, target: Tensor, survey: Survey) -> Tensor:
    """Return the mean square difference from noiseless images, over that of noise.

    Parameters
    ----------
    prediction, target
        (galaxy, filter, y, x).
    survey
        Of the target: background and shot noise of each pixel.

    Returns
    -------
    Tensor
        Per pixel (galaxy,): 1 where it is off by as much as a new observation is.
    """
    square = ((prediction - target) / survey.sigma(target)) ** 2
    return square.mean(dim=(1, 2, 3))


@functools.cache
def _apertures(size: int) -> tuple[Tensor, Tensor]:
    """Return radii of circles, and the part of each pixel in them (radius, pixel)."""
    radii = np.arange(0.0, 0.5 * size + 1e-9, _STEP)
    place = (np.arange(size * _PARTS) + 0.5) / _PARTS - 0.5 * size
    distance = np.hypot(place[:, None], place)
    shape = (size, _PARTS, size, _PARTS)
    parts = [(distance <= r).reshape(shape).mean(axis=(1, 3)).ravel() for r in radii]
    return torch.from_numpy(radii), torch.from_numpy(np.stack(parts))


def growth(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the light within circles about the centre of the frame.

    Parameters
    ----------
    images
        (galaxy, filter, y, x).

    Returns
    -------
    radii
        From 0 to half the frame (radius,) [pixel].
    light
        Within them (galaxy, filter, radius).
    """
    radii, parts = _apertures(images.shape[-1])
    return radii, images.double().flatten(2) @ parts.T


def half_light_radius(images: Tensor) -> Tensor:
    """Return the circle with half of the light that is in the largest one.

    Parameters
    ----------
    images
        (galaxy, filter, y, x).

    Returns
    -------
    Tensor
        Radii (galaxy, filter) [pixel]; NaN where there is no light in all.
    """
    radii, light = growth(images)
    half = 0.5 * light[..., -1:]
    high = (light >= half).int().argmax(dim=-1, keepdim=True).clamp(min=1)
    below, above = (torch.gather(light, -1, k) for k in (high - 1, high))
    found = (radii[high - 1] + _STEP * (half - below) / (above - below))[..., 0]
    return torch.where(half[..., 0] > 0.0, found, torch.nan)


def compare(
    predictions: Mapping[str, Tensor], galaxies: Galaxies, survey: Survey
) -> xr.Dataset:
    """Return how good several predictions of the same galaxies are.

    Parameters
    ----------
    predictions
        Images (galaxy, filter, y, x) by the name of the method.
    galaxies, survey
        What is predicted.

    Returns
    -------
    Dataset
        What `scores` returns, of each method; and over all galaxies, (prediction,),
        `chi_square_mean`, its standard error `chi_square_error`, `chi_square_median`.
    """
    each = []
    for prediction in predictions.values():
        square = chi_square(prediction, galaxies.target, survey).double()
        found = scores(prediction, galaxies, survey)
        found["chi_square_mean"] = float(square.mean())
        found["chi_square_error"] = float(square.std()) / len(square) ** 0.5
        found["chi_square_median"] = float(square.median())
        each.append(found)
    return xr.concat(each, "prediction").assign_coords(prediction=list(predictions))


def scores(
    prediction: Tensor,
    galaxies: Galaxies,
    survey: Survey,
    edges: Tensor = EDGES,
) -> xr.Dataset:
    """Return how good a prediction is, by the redshift of the target.

    Parameters
    ----------
    prediction
        (galaxy, filter, y, x).
    galaxies, survey
        What is predicted.
    edges
        Of bins in z_out (bin + 1,).

    Returns
    -------
    Dataset
        `chi_square` (z_out,) the mean over galaxies; `flux_bias` and `radius_bias`
        (z_out, filter) the median of prediction over truth, minus 1; `flux_scatter`
        and `radius_scatter` 1.48 times the median distance from that; `galaxies`.
    """
    _, light = growth(prediction)
    _, truth = growth(galaxies.target)
    flux = light[..., -1] / truth[..., -1] - 1.0
    radius = half_light_radius(prediction) / half_light_radius(galaxies.target) - 1.0
    square = chi_square(prediction, galaxies.target, survey)
    place = torch.bucketize(galaxies.z_out, edges[1:-1])
    columns: dict[str, list[np.ndarray]] = {}
    for number in range(len(edges) - 1):
        rows = place == number
        flux_bias, flux_scatter = _spread(flux[rows])
        radius_bias, radius_scatter = _spread(radius[rows])
        found = {
            "chi_square": square[rows].mean().numpy(),
            "flux_bias": flux_bias,
            "flux_scatter": flux_scatter,
            "radius_bias": radius_bias,
            "radius_scatter": radius_scatter,
            "galaxies": rows.sum().numpy(),
        }
        for name, value in found.items():
            columns.setdefault(name, []).append(value)
    middle = (0.5 * (edges[1:] + edges[:-1])).double().numpy().round(4)
    dims = ("z_out", "filter")
    return xr.Dataset(
        {
            name: (dims[: 1 + values[0].ndim], np.stack(values))
            for name, values in columns.items()
        },
        {"z_out": middle, "filter": list(FILTERS)},
    )


def _spread(values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return median and scaled median deviation of each filter."""
    known = values.numpy()
    middle = np.nanmedian(known, axis=0)
    return middle, _SIGMA_PER_MAD * np.nanmedian(abs(known - middle), axis=0)
