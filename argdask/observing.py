"""Stamps of galaxies as each image of a pair shows them, and the noise on them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from argdask.catalogue import Columns
from argdask.convolution import NARROWEST, Convolution, working_grid
from argdask.cubes import light_in_frame
from argdask.matching import Matching
from argdask.noise import Levels
from argdask.own_noise import OwnNoise, add_noise
from argdask.psf import PSF
from argdask.recipe import ImageProfile, Recipe
from argdask.recipe_tables import check_centres
from argdask.rendering import render_stamps, stamp_arguments
from argdask.sampling import stream_key
from argdask.schema import ENDS, image_name
from argdask.tables import UserTable
from argdask.telescopes import Telescope

__all__ = [
    "NarrowPSFWarning",
    "Observer",
    "Stamps",
    "convolution_of",
    "noise_keys",
]

# Galaxies whose light in the frame is added up at once.
_BATCH = 256


class NarrowPSFWarning(UserWarning):
    """A PSF is too narrow for the pixels, which sample it too coarsely."""


class Stamps(NamedTuple):
    """Light of galaxies as one image or several of a pair show it."""

    light: NDArray[np.float32]
    """Fraction of the light in each pixel (galaxy, y, x), or of each component's
    (galaxy, component, y, x); with a PSF, as each of the distinct ones shows it
    (galaxy, psf, y, x), (galaxy, component, psf, y, x)."""
    noise: NDArray[np.float64] | None = None
    """Sigma of the noise that a pixel has already (galaxy, psf), in the unit of the
    light; None for none."""

    def rows(self, rows: slice) -> Stamps:
        """Return the stamps of some galaxies."""
        noise = None if self.noise is None else self.noise[rows]
        return Stamps(self.light[rows], noise)


class Observer:
    """What makes images of galaxies that have a profile.

    Parameters
    ----------
    recipe
        The choices.
    telescopes
        What images are seen with, by role; empty for clean images alone.
    table
        A user's catalogue, if there is one.

    Raises
    ------
    InputError
        If a galaxy's centre may be outside the frame, or a PSF is wider than it.
    """

    def __init__(
        self,
        recipe: Recipe,
        telescopes: Mapping[str, Telescope],
        table: UserTable | None = None,
    ) -> None:
        self._recipe, self.telescopes = recipe, telescopes
        seen = any(telescope.psfs is not None for telescope in telescopes.values())
        if seen and not isinstance(recipe.profile, ImageProfile):
            check_centres(recipe, table)
        for telescope in telescopes.values():
            self._check_psfs(telescope)

    def _check_psfs(self, telescope: Telescope) -> None:
        """Refuse PSFs that are wider than the frame, and warn of narrow ones."""
        if telescope.psfs is None:
            return
        scale = self._recipe.pixel_scale
        working_grid(telescope.psfs, self._recipe.image_shape, scale)
        narrowest = min(psf.fwhm for psf in telescope.psfs) / scale
        if narrowest < NARROWEST:
            warnings.warn(
                f"a PSF of {narrowest:.3g} pixels: images are accurate down to a FWHM "
                f"of {NARROWEST:g} pixel; choose a smaller pixel_scale",
                NarrowPSFWarning,
                stacklevel=4,
            )

    def source(self, role: str, layer: str) -> str:
        """Return whose stamps an image is made of, as the name of an image.

        Parameters
        ----------
        role
            Either input or target.
        layer
            One of the layers.

        Returns
        -------
        str
            The same name for images that have the same stamps.
        """
        moving = self._recipe.angular_size
        psfs = {name: seen.psfs for name, seen in self.telescopes.items()}
        if layer == "clean" or psfs.get(role) is None:
            return role if moving else "input"
        same = not moving and psfs["input"] == psfs[role]
        return image_name("input" if same else role, "convolved")

    def planes(self, source: str) -> int:
        """Return how many images (y, x) the stamps of one galaxy are, or component."""
        role, _, layer = source.partition("_")
        return len(self._psfs(role).psfs) if layer else 1

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
        if not layer:
            return Stamps(render_stamps(self._recipe, columns, out, role=role))
        arguments = stamp_arguments(self._recipe, columns, role=role)
        return Stamps(self._convolution(role).sersic(arguments, out))

    def index(self, source: str) -> NDArray[np.int64] | None:
        """Return which of the PSFs each filter has (filter,); None without PSF."""
        role, _, layer = source.partition("_")
        return self._psfs(role).index if layer else None

    def truth(self, columns: Columns) -> Columns:
        """Return what has to be rendered to be known: light in the frame.

        Parameters
        ----------
        columns
            The catalogue's columns.

        Returns
        -------
        dict
            ``fraction_in_frame_in`` and ``_out`` (galaxy,) or (galaxy, component): of
            the light that there is before any PSF.
        """
        found: Columns = {}
        for role, end in ENDS.items():
            name = f"fraction_in_frame_{end}"
            if self.source(role, "clean") != role:
                found[name] = found["fraction_in_frame_in"].copy()
                continue
            # Components have light of their own, images have no radius.
            like = columns.get("half_light_radius", columns["galaxy_id"])
            sums = np.empty(like.shape)
            for start in range(0, len(sums), _BATCH):
                rows = slice(start, start + _BATCH)
                some = {key: values[rows] for key, values in columns.items()}
                sums[rows] = light_in_frame(self._clean(role, some))
            found[name] = sums
        return found

    def own_sigma(
        self,
        source: str,
        noise: NDArray[np.float64],
        flux: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the noise that images have already.

        Parameters
        ----------
        source
            Whose stamps they are made of, as `source` names them.
        noise
            That of the stamps (galaxy, psf), in the unit of their light.
        flux
            Of the galaxies (galaxy, filter) [uJy].

        Returns
        -------
        ndarray
            Sigma of a pixel (galaxy, filter) [uJy / pixel].
        """
        index = self.index(source)
        sigma: NDArray[np.float64] = flux * (
            noise if index is None else noise[:, index]
        )
        return sigma

    def add_noise(
        self,
        cubes: NDArray[np.float32],
        columns: Columns,
        role: str,
        epoch: int,
        scale: float,
        own: NDArray[np.float64] | None = None,
    ) -> None:
        """Add the noise of a telescope to images, in place.

        Parameters
        ----------
        cubes
            Images without it (galaxy, y, x, filter) [scale uJy / pixel].
        columns
            The catalogue's columns.
        role
            Either input or target.
        epoch
            Which of many draws.
        scale
            What fluxes were multiplied by.
        own
            Sigma of the noise that pixels have already (galaxy, filter) [uJy / pixel],
            which is subtracted in quadrature from what is added.
        """
        telescope = self.telescopes[role]
        there = None
        if own is not None:
            sides = (f"image_{side}_{ENDS[role]}" for side in ("height", "width"))
            there = OwnNoise(scale * own, *(columns[side] for side in sides))
        sigma, gain = scale * telescope.background_sigma, telescope.gain / scale
        levels = Levels(gain, sigma, telescope.counted)
        keys, ids = noise_keys(self._recipe.seed), columns["galaxy_id"]
        add_noise(cubes, ids, keys, role, epoch, levels, there, cubes)

    def _clean(self, role: str, columns: Columns) -> NDArray[np.float32]:
        return render_stamps(self._recipe, columns, role=role)

    def _psfs(self, role: str) -> Convolution | Matching:
        return self._convolution(role)

    def _convolution(self, role: str) -> Convolution:
        recipe, psfs = self._recipe, self.telescopes[role].psfs
        assert psfs is not None, "there are no such stamps without a PSF"
        return convolution_of(psfs, recipe.image_shape, recipe.pixel_scale)


def noise_keys(seed: int) -> tuple[int, int]:
    """Return the keys of the streams of counted electrons and of the background.

    Parameters
    ----------
    seed
        The recipe's.

    Returns
    -------
    tuple of int
        As `argdask.noise.add_noise` takes them.
    """
    return stream_key(seed, "shot_noise", 64), stream_key(seed, "background_noise", 64)


@functools.lru_cache(maxsize=8)
def convolution_of(
    psfs: tuple[PSF, ...], shape: tuple[int, int], pixel_scale: float
) -> Convolution:
    """Return a `Convolution`; those of few PSFs and frames are kept."""
    return Convolution(psfs, shape=shape, pixel_scale=pixel_scale)
