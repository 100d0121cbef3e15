"""What images are put through before a network sees them, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from argdask.errors import InputError

__all__ = ["Asinh", "Scaling", "Standardise", "numbers_of"]


@dataclass(frozen=True)
class Scaling:
    """A function of each pixel that has an inverse."""

    def __call__(
        self, images: NDArray[Any], out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return images (..., filter) as a network shall see them.

        Parameters
        ----------
        images
            The images.
        out
            Memory for the result, the images' own too; new if left out.

        Returns
        -------
        ndarray
            Of the images' type.
        """
        raise NotImplementedError

    def inverse(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return the images that were given to the call.

        Parameters
        ----------
        images
            What the call returned, or a network (..., filter).

        Returns
        -------
        ndarray
            Of the images' type.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Asinh(Scaling):
    """The inverse hyperbolic sine of pixels over a softening.

    Linear in faint pixels and logarithmic in bright ones, of either sign (Lupton,
    Gunn and Szalay 1999, equation 3, without its zero point).
    """

    softening: tuple[float, ...]
    """Where it goes over from one to the other: one number for each filter, or one for
    all, in the unit of the images."""

    def __init__(self, softening: ArrayLike) -> None:
        object.__setattr__(self, "softening", numbers_of("softening", softening))
        _check_positive("softening", self.softening)

    @classmethod
    def of(cls, statistics: xr.Dataset) -> Self:
        """Return a scaling whose softening is the standard deviation in each filter.

        Parameters
        ----------
        statistics
            Of pixels, as for `Standardise.of`.

        Returns
        -------
        Asinh
            The scaling.
        """
        return cls(_pooled(statistics)[1])

    def __call__(
        self, images: NDArray[Any], out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return the inverse hyperbolic sine of images over the softening."""
        softening = np.asarray(self.softening, images.dtype)
        result: NDArray[Any] = np.divide(images, softening, out=out)
        np.arcsinh(result, out=result)
        return result

    def inverse(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return the softening times the hyperbolic sine."""
        found: NDArray[Any] = np.sinh(images)
        found *= np.asarray(self.softening, images.dtype)
        return found


@dataclass(frozen=True)
class Standardise(Scaling):
    """Pixels minus a mean, over a standard deviation."""

    mean: tuple[float, ...]
    """One number for each filter, or one for all, in the unit of the images."""
    std: tuple[float, ...]
    """As many, above 0."""

    def __init__(self, mean: ArrayLike, std: ArrayLike) -> None:
        object.__setattr__(self, "mean", numbers_of("mean", mean))
        object.__setattr__(self, "std", numbers_of("std", std))
        _check_positive("std", self.std)

    @classmethod
    def of(cls, statistics: xr.Dataset) -> Self:
        """Return a scaling for input and target alike, from statistics of pixels.

        Parameters
        ----------
        statistics
            Variables `mean` and `std` (filter,) or (variable, filter); those of several
            image variables with as many pixels are pooled.

        Returns
        -------
        Standardise
            The scaling.

        Raises
        ------
        InputError
            If they are not there, or a filter is the same everywhere.
        """
        return cls(*_pooled(statistics))

    def __call__(
        self, images: NDArray[Any], out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return images minus the mean, over the standard deviation."""
        mean = np.asarray(self.mean, images.dtype)
        result: NDArray[Any] = np.subtract(images, mean, out=out)
        result /= np.asarray(self.std, images.dtype)
        return result

    def inverse(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return images times the standard deviation, plus the mean."""
        found: NDArray[Any] = images * np.asarray(self.std, images.dtype)
        found += np.asarray(self.mean, images.dtype)
        return found


def numbers_of(field: str, values: ArrayLike) -> tuple[float, ...]:
    """Return finite numbers as a tuple.

    Parameters
    ----------
    field
        What they are, for a message.
    values
        One number, or a list.

    Returns
    -------
    tuple of float
        The numbers.

    Raises
    ------
    InputError
        If they are none.
    """
    try:
        found = np.atleast_1d(np.asarray(values, np.float64))
    except (TypeError, ValueError):
        found = np.full(1, np.nan)
    if found.ndim != 1 or not found.size or not np.isfinite(found).all():
        raise InputError(
            field, values, "a number, or one for each filter", "give finite numbers"
        )
    return tuple(found.tolist())


def _check_positive(field: str, values: tuple[float, ...]) -> None:
    if min(values) <= 0:
        raise InputError(
            field, values, "numbers above 0", "leave out filters without any light"
        )


def _pooled(statistics: xr.Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return mean and standard deviation (filter,) of all variables together."""
    if not {"mean", "std"} <= {str(name) for name in statistics.variables}:
        raise InputError(
            "statistics",
            ", ".join(map(str, statistics.variables)),
            "a dataset with mean and std by filter",
            "use argdask.pixel_statistics, or argdask.loaders.sample_statistics",
        )
    mean, std = (statistics[name] for name in ("mean", "std"))
    others = [dim for dim in mean.dims if dim != "filter"]
    pooled = mean.mean(others)
    # The variance within variables, plus that of their means.
    variance = (std**2 + (mean - pooled) ** 2).mean(others)
    return pooled.values, np.sqrt(variance.values)
