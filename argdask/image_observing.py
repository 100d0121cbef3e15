"""Stamps of a user's images as each image of a pair shows them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from argdask.catalogue import Catalogue, Columns
from argdask.errors import InputError
from argdask.image_stamps import Frame, ImageStamps
from argdask.keeping import Kept
from argdask.matching import Matching
from argdask.observing import Observer, Stamps
from argdask.profile_fit import SersicFit
from argdask.psf import PSF
from argdask.recipe import Recipe
from argdask.schema import ENDS
from argdask.telescopes import Telescope

__all__ = ["CoveredFractionWarning", "ImageObserver"]

# Of the frame, below which images are too small for their frames; and galaxies of which
# it is counted.
_LEAST_COVERED = 0.8
_COUNTED = 1 << 16
# Of convolved stamps that are kept [byte].
_KEPT = 1 << 26


class CoveredFractionWarning(UserWarning):
    """Images reach too little of their frames, of which the rest is extrapolated."""


class ImageObserver(Observer):
    """What makes images of galaxies that a user brought images of.

    Parameters
    ----------
    recipe
        The choices.
    telescopes
        What images are seen with, by role; empty for clean images alone.
    stamps
        The user's images in the pixels of the recipe.

    Raises
    ------
    InputError
        If a PSF is wider than the frame.
    """

    def __init__(
        self,
        recipe: Recipe,
        telescopes: Mapping[str, Telescope],
        stamps: ImageStamps,
    ) -> None:
        super().__init__(recipe, telescopes)
        self._images = stamps
        self._noisy = any(telescope.noisy for telescope in telescopes.values())
        height, width = recipe.image_shape
        each = 4 * height * width * max(len(set(self._filters)), 1)
        self._convolved: Kept[NDArray[np.float32]] = Kept(_KEPT // each)

    @property
    def _filters(self) -> list[PSF]:
        seen = self.telescopes.values()
        return [psf for telescope in seen for psf in telescope.psfs or ()]

    def check(self, catalogue: Catalogue) -> None:
        """Look at all galaxies of a set, before any is made.

        Parameters
        ----------
        catalogue
            The recipe and the SED grid.

        Raises
        ------
        InputError
            If a PSF is sharper than that of an image as small as it will be.

        Warns
        -----
        CoveredFractionWarning
            If images reach less than 80 % of their frames.
        """
        own = self._images.images.psf
        for role, telescope in self.telescopes.items():
            if own is None or telescope.psfs is None:
                continue
            angle = self._largest_angle(catalogue, role)
            try:
                self._matching(role).noise(own.resized(angle))
            except InputError as error:
                above = "" if role == "input" else f"{role}."
                place = f"observation.{above if self._differs else ''}psf"
                told = error.value, error.expected, error.cure
                raise InputError(place, *told) from error
        self._warn_of_covered(catalogue)

    def _largest_angle(self, catalogue: Catalogue, role: str) -> float:
        """Return the largest angle of a galaxy over that in its image."""
        if catalogue.table is None:
            assert catalogue.image_sizes is not None, "there are images"
            return catalogue.image_sizes.largest(catalogue.reach, role)
        largest = 0.0
        for start in range(0, len(catalogue.table), _COUNTED):
            ids = catalogue.table.galaxy_id[start : start + _COUNTED]
            angles = self._images.angles(catalogue.image_columns(ids), role)
            largest = max(largest, float(angles.max()))
        return largest

    @property
    def _differs(self) -> bool:
        psfs = {telescope.psfs for telescope in self.telescopes.values()}
        return len(psfs) > 1

    def _warn_of_covered(self, catalogue: Catalogue) -> None:
        count = catalogue.recipe.galaxies
        some = min(count, _COUNTED)
        columns = catalogue.image_columns(catalogue.ids(0, some))
        ends = [columns[f"covered_fraction_{end}"] for end in ENDS.values()]
        least = np.minimum(*ends)
        low = int((least < _LEAST_COVERED).sum())
        if low:
            first = "the first " if some < count else ""
            warnings.warn(
                f"images of {low} of {first}{some} galaxies reach less than "
                f"{_LEAST_COVERED:.0%} of a frame (at least {least.min():.2g}): the "
                "rest follows an exponential; choose a smaller image_shape, or "
                "cut larger images",
                CoveredFractionWarning,
                stacklevel=4,
            )

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
        role, _, layer = source.partition("_")
        noise = self._noise(source, columns) if self._noisy else None
        if not layer:
            return Stamps(self._images.clean(columns, role, out), noise)
        if out is None:
            psfs = len(self._matching(role).psfs)
            shape = (columns["image"].size, psfs, *self._recipe.image_shape)
            out = np.empty(shape, np.float32)
        matching, frame = self._matching(role), self._frame(role)
        angles = self._images.angles(columns, role)
        for row, (image, ratio, _), light in self._images.each(columns, role, frame):
            # What is sharper was refused before any galaxy was made.
            known = self._convolved.get((matching, image, ratio))
            if known is None:
                own = self._own_psf(angles[row])
                cusp = None if own is not None else self._images.cusp(image, ratio)
                known = self._convolve(role, light, own, cusp)
                self._convolved.put((matching, image, ratio), known)
            out[row] = known
        return Stamps(out, noise)

    def _convolve(
        self,
        role: str,
        light: NDArray[np.float64],
        own: PSF | None,
        cusp: SersicFit | None,
    ) -> NDArray[np.float32]:
        """Convolve a stamp, what its pixels do not resolve by the formula."""
        matching = self._matching(role)
        if cusp is None:
            return matching.convolve(light, own)[0]
        rest = light - cusp.render(matching.grid, centre=matching.centre)
        images, _ = matching.convolve(rest, own)
        row = {name: [value] for name, value in cusp._asdict().items()}
        (flux,) = row.pop("flux")
        images += np.float32(flux) * self._convolution(role).sersic(row)[0]
        return images

    def truth(self, columns: Columns) -> Columns:
        """Return what has to be rendered or measured to be known.

        Parameters
        ----------
        columns
            The catalogue's columns.

        Returns
        -------
        dict
            ``fraction_in_frame_in`` and ``_out`` (galaxy,), of the light in the pixels
            of the image, which extended ones exceed, and the noise of the images
            where telescopes have noise, ``own_sigma_in`` and ``_out`` (galaxy, filter).
        """
        found = super().truth(columns)
        totals = self._images.totals(columns)
        for end in ENDS.values():
            found[f"fraction_in_frame_{end}"] /= totals
        for role, telescope in self.telescopes.items():
            if telescope.noisy:
                end, source = ENDS[role], self.source(role, "noisy")
                noise = self._noise(source, columns)
                sigma = self.own_sigma(source, noise, columns[f"flux_{end}"])
                found[f"own_sigma_{end}"] = sigma
        return found

    def _clean(self, role: str, columns: Columns) -> NDArray[np.float32]:
        return self._images.clean(columns, role)

    def _noise(self, source: str, columns: Columns) -> NDArray[np.float64]:
        """Return the noise in stamps (galaxy, psf)."""
        role, _, layer = source.partition("_")
        noise = self._images.noise(columns, role)[:, None]
        if not layer:
            return noise
        matching = self._matching(role)
        left = np.empty((len(noise), len(matching.psfs)))
        ratios = self._images.ratios(columns, role)
        angles = self._images.angles(columns, role)
        for row, (ratio, angle) in enumerate(zip(ratios, angles, strict=True)):
            left[row] = matching.noise(self._own_psf(angle), float(ratio))
        return noise * left

    def _own_psf(self, angle: float) -> PSF | None:
        """Return the PSF of an image that was shrunk."""
        own = self._images.images.psf
        return own if own is None or angle == 1.0 else own.resized(float(angle))

    def _frame(self, role: str) -> Frame:
        matching = self._matching(role)
        return Frame(matching.grid, matching.centre)

    def _psfs(self, role: str) -> Matching:
        return self._matching(role)

    def _matching(self, role: str) -> Matching:
        psfs, recipe = self.telescopes[role].psfs, self._recipe
        assert psfs is not None, "there are no such stamps without a PSF"
        return _matching_of(psfs, recipe.image_shape, recipe.pixel_scale)


@functools.lru_cache(maxsize=8)
def _matching_of(
    psfs: tuple[PSF, ...], shape: tuple[int, int], pixel_scale: float
) -> Matching:
    return Matching(psfs, shape=shape, pixel_scale=pixel_scale)
