"""Stamps of a user's images as each image of a pair shows them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from argdask.catalogue import Columns
from argdask.errors import InputError
from argdask.image_light import ImageLight
from argdask.observing import Observer, Stamps
from argdask.recipe import Recipe
from argdask.telescopes import Telescope

__all__ = ["ImageObserver"]


class ImageObserver(Observer):
    """What makes images of galaxies that a user brought images of.

    Parameters
    ----------
    recipe
        The choices.
    telescopes
        What images are seen with, by role; empty for clean images alone.
    images
        The user's images.

    Raises
    ------
    InputError
        If they cannot be seen so.
    """

    def __init__(
        self,
        recipe: Recipe,
        telescopes: Mapping[str, Telescope],
        images: ImageLight,
    ) -> None:
        super().__init__(recipe, telescopes)
        self._images = images
        if recipe.angular_size or telescopes:
            raise InputError("profile", "images", "a profile", "not yet")

    def stamps(
        self, source: str, columns: Columns, out: NDArray[np.float32] | None = None
    ) -> Stamps:
        """Return the stamps that images are made of.

        Parameters
        ----------
        source
            Which, as `source` names them.
        columns
            The catalogue's columns.
        out
            Memory for the light; new if left out.

        Returns
        -------
        Stamps
            Of the galaxies.
        """
        return Stamps(self._images.stamps(columns["image"], out))
