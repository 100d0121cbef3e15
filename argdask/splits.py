"""Training, validation and test: by a hash of what must not be divided."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from argdask.errors import InputError, near
from argdask.keyed_words import hashed

__all__ = [
    "DEFAULT_SPLITS",
    "check_name",
    "checked_splits",
    "is_in_split",
    "split_of",
]

DEFAULT_SPLITS: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}


def split_of(
    groups: xr.Dataset | ArrayLike,
    splits: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Any:
    """Return the split that each galaxy belongs to.

    Parameters
    ----------
    groups
        What must not be divided, a whole number for each galaxy (galaxy,): its source
        image, a column of its catalogue, or its id. Or a dataset of galaxies, of which
        the coordinate `group` is taken, or `galaxy_id` where there is none.
    splits
        The fraction of all groups in each split, by its name; they add up to 1. 80 %
        `train`, 10 % `validation` and 10 % `test` if left out.
    seed
        0 to 2^64 - 1; another one divides otherwise.

    Returns
    -------
    ndarray or DataArray
        Names of splits (galaxy,); with the coordinates of the dataset, if it is one.

    Raises
    ------
    InputError
        If the fractions do not add up to 1, or a group is no whole number.

    Notes
    -----
    The split follows from the group and the seed alone, so no group is in two splits,
    and a set that grows keeps the split of every galaxy.

    Examples
    --------
    >>> [str(name) for name in split_of([7, 7, 8, 20])]
    ['train', 'train', 'train', 'validation']
    """
    if isinstance(groups, xr.Dataset):
        column = groups["group" if "group" in groups.coords else "galaxy_id"]
        names = split_of(column.values, splits, seed)
        plain = {k: v for k, v in column.coords.items() if v.dims == column.dims}
        return xr.DataArray(names, plain, column.dims, name="split")
    fractions = checked_splits(splits)
    labels = np.array(list(fractions))
    found: NDArray[Any] = labels[_numbers(_whole(groups), fractions, seed)]
    return found


def is_in_split(
    groups: NDArray[np.int64], split: str, splits: Mapping[str, float], seed: int
) -> NDArray[np.bool_]:
    """Return whether groups belong to one split.

    Parameters
    ----------
    groups
        Whole numbers (galaxy,).
    split
        Its name, one of those in `splits`.
    splits, seed
        As for `split_of`.

    Returns
    -------
    ndarray
        True where they do (galaxy,).
    """
    found: NDArray[np.bool_] = _numbers(groups, splits, seed) == list(splits).index(
        split
    )
    return found


def checked_splits(splits: Mapping[str, float] | None) -> Mapping[str, float]:
    """Return fractions that add up to 1, and refuse others.

    Parameters
    ----------
    splits
        As for `split_of`.

    Returns
    -------
    mapping
        The same, or the default.

    Raises
    ------
    InputError
        If the fractions do not add up to 1.
    """
    if splits is None:
        return DEFAULT_SPLITS
    try:
        values = [float(value) for value in splits.values()]
        right = min(values) >= 0 and math.isclose(sum(values), 1.0, abs_tol=1e-9)
    except (AttributeError, TypeError, ValueError):
        right = False
    if not right:
        raise InputError(
            "splits",
            splits,
            "fractions by name that add up to 1",
            'as {"train": 0.9, "validation": 0.1}',
        )
    return splits


def check_name(split: str, splits: Mapping[str, float]) -> None:
    """Refuse a split that is none.

    Parameters
    ----------
    split
        Its name.
    splits
        All of them.

    Raises
    ------
    InputError
        If it is not among them.
    """
    if split not in splits:
        found = ", ".join(near(str(split), splits))
        cure = f"nearest: {found}" if found else "choose one of them"
        raise InputError("split", split, f"one of {', '.join(splits)}", cure)


def _numbers(
    groups: NDArray[np.int64], splits: Mapping[str, float], seed: int
) -> NDArray[np.intp]:
    u = (hashed(seed, "split", groups) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    cumulative = np.cumsum(list(splits.values()))
    # The last bound is 1 but for rounding.
    return np.searchsorted(cumulative[:-1], u, side="right")


def _whole(groups: Any) -> NDArray[np.int64]:
    found = np.asarray(groups)
    if found.size and found.dtype.kind not in "iu":
        raise InputError(
            "groups", groups, "whole numbers", "give the column group or galaxy_id"
        )
    return found.astype(np.int64)
