"""Stamps of a user's images, and what is known of each image."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from argdask.images import ImageStack, normalised, open_images
from argdask.psf import PSF, PSFImage
from argdask.psf_choices import optical_psf
from argdask.recipe import ImageProfile, Recipe

__all__ = ["ImageLight", "light_of"]

Rows = NDArray[np.int64]

# Pixels that are read at once.
_PIXELS_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class ImageLight:
    """Images as light of galaxies: read when asked for, a few at a time.

    Nothing is opened before it is needed, so that a store can be looked at without the
    images that it was made from.
    """

    profile: ImageProfile
    """The recipe's choices."""
    normalise: Literal["flux", "peak"]
    """What a stamp adds up to, or its brightest pixel."""
    psf: PSF | None = None
    """What the images have been seen with; None where it is not known."""

    @functools.cached_property
    def stack(self) -> ImageStack:
        """The images."""
        return open_images(self.profile.source, variable=self.profile.variable)

    @property
    def once(self) -> bool:
        """Whether row r of a set has image r."""
        return self.profile.draw == "once"

    def stamps(
        self, rows: Rows, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return stamps.

        Parameters
        ----------
        rows
            Numbers of images (galaxy,), in any order, repeated or not.
        out
            Memory for the result (galaxy, y, x); new if left out.

        Returns
        -------
        ndarray
            Light of each galaxy in each pixel (galaxy, y, x).

        Raises
        ------
        InputError
            There is no such image, it cannot be read or it has no light.
        """
        rows = self.stack.rows_of(rows)
        if out is None:
            out = np.empty((rows.size, *self.stack.shape), np.float32)
        for some in self.batches(rows.size):
            out[some] = self._read(rows[some])[0]
        return out

    def invalid_pixels(self, rows: Rows) -> NDArray[np.int32]:
        """Return how many pixels of images have no value (galaxy,)."""
        if not rows.size:
            return np.empty(0, np.int32)
        found: NDArray[np.int32] = self._known(rows)["invalid"][rows]
        return found

    def brightest_pixels(self, rows: Rows) -> NDArray[np.float64]:
        """Return the brightest pixel of each stamp (galaxy,)."""
        found: NDArray[np.float64] = self._known(rows)["brightest"][rows]
        return found

    def content_hash(self) -> str:
        """Return a hash of all pixels, and see that each image has light."""
        self._known(np.arange(self.stack.count))
        return self.stack.content_hash()

    @functools.cached_property
    def _facts(self) -> NDArray[np.void]:
        kinds = [("invalid", np.int32), ("brightest", np.float64)]
        facts = np.zeros(self.stack.count, kinds)
        facts["invalid"] = -1
        return facts

    def _known(self, rows: Rows) -> NDArray[np.void]:
        """Return what is known of images, after a look at those among the rows."""
        rows = np.unique(self.stack.rows_of(rows))
        new = rows[self._facts["invalid"][rows] < 0]
        for some in self.batches(new.size):
            stamps, invalid = self._read(new[some])
            self._facts["brightest"][new[some]] = stamps.max(axis=(1, 2))
            # Last, since it says that all is known.
            self._facts["invalid"][new[some]] = invalid
        return self._facts

    def batches(self, count: int) -> Iterator[slice]:
        """Return slices of so many images as are held at once."""
        height, width = self.stack.shape
        size = max(1, _PIXELS_AT_ONCE // (height * width))
        return (slice(start, start + size) for start in range(0, count, size))

    def _read(self, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        values, invalid = self.stack.read(rows)
        known = self.stack.source.names
        names = rows.tolist() if known is None else [known[row] for row in rows]
        return normalised(values, invalid, self.normalise, names=names)


def light_of(
    recipe: Recipe, psfs: Mapping[str, PSFImage] | None = None
) -> ImageLight | None:
    """Return the images of a recipe; none where it has another profile.

    Parameters
    ----------
    recipe
        The choices.
    psfs
        Images of PSFs by their source; left out where the PSF does not matter.

    Returns
    -------
    ImageLight or None
        The images, not opened yet.
    """
    if not isinstance(recipe.profile, ImageProfile):
        return None
    choice = recipe.profile.psf
    known = choice is not None and psfs is not None
    # It has a wavelength of its own, if it needs one.
    psf = optical_psf(choice, np.nan, psfs or {}) if known else None
    return ImageLight(recipe.profile, recipe.normalise, psf)
