"""Stamps of a user's images in the pixels of a recipe, shrunk, grown and filled."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from argdask.brightness import Columns
from argdask.image_light import ImageLight
from argdask.image_sizes import scale_ratio
from argdask.isophotes import Outskirts, background_noise, extend, outer_isophotes
from argdask.keeping import Kept
from argdask.profile_fit import SersicFit, fit_sersic, resize_around
from argdask.recipe import SMALLEST_RADIUS, Recipe
from argdask.resampling import resize
from argdask.schema import ENDS

__all__ = ["Frame", "ImageStamps"]

Floats = NDArray[np.float64]

# Of stamps that are kept, since galaxies of one image at one redshift share them [B],
# and of images whose fits are.
_STAMPS, _IMAGES = 1 << 26, 1 << 16
# From this FWHM on, in pixels of the image, no cusp is left that is not resolved: up to
# a Sersic index of 4 interpolation is right to 0.4 % of the peak.
_RESOLVED = 2.0
# A new pixel can hold more than the old ones that it touches, where a cusp is in it.
_SHARPER = 1.5


class Frame(NamedTuple):
    """Pixels that images are put on."""

    shape: tuple[int, int]
    """(y, x), of all of them."""
    centre: tuple[float, float]
    """Where the middle of the images is (y, x) [pixel]."""


Key = tuple[int, float, Frame]


class ImageStamps:
    """Images in other pixels: made when asked for, those that were made last kept.

    Parameters
    ----------
    recipe
        The choices, with the shape of the frame.
    images
        The images.
    """

    def __init__(self, recipe: Recipe, images: ImageLight) -> None:
        self.images = images
        self._shape = recipe.image_shape
        self._pixels = scale_ratio(recipe)
        self._moving = recipe.angular_size
        self._pixel_scale = recipe.pixel_scale
        self._peak = recipe.normalise == "peak"
        height, width = self._shape
        self.frame = Frame(self._shape, (0.5 * (height - 1), 0.5 * (width - 1)))
        """The frame alone."""
        self._cusps: Kept[tuple[SersicFit | None]] = Kept(_IMAGES)
        self._outskirts: Kept[Outskirts] = Kept(_IMAGES)
        self._noises: Kept[float] = Kept(_IMAGES)
        self._peaks: Kept[float] = Kept(_IMAGES)
        self._stamps: Kept[Floats] = Kept(_STAMPS // (32 * height * width))
        self._spread = functools.lru_cache(_IMAGES)(self._spread_of)

    @functools.cached_property
    def _still(self) -> bool:
        """Whether stamps are the pixels of the images."""
        same = self.images.stack.shape == self._shape and self._pixels == 1.0
        return same and not self._moving

    def ratios(self, columns: Columns, role: str) -> Floats:
        """Return pixels of the frame over those of the images, of the same thing.

        Parameters
        ----------
        columns
            The catalogue's columns.
        role
            Either input or target.

        Returns
        -------
        ndarray
            Ratios (galaxy,).
        """
        name = f"image_height_{ENDS[role]}"
        if name not in columns or not columns[name].size:
            return np.full(columns["image"].shape, self._pixels)
        found: Floats = columns[name] / self.images.stack.shape[0]
        return found

    def angles(self, columns: Columns, role: str) -> Floats:
        """Return the angles of galaxies over those in their images (galaxy,)."""
        angles = self.ratios(columns, role) / self._pixels
        return np.where(abs(angles - 1.0) < 1e-12, 1.0, angles)

    def clean(
        self, columns: Columns, role: str, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return stamps on the frame.

        Parameters
        ----------
        columns
            The catalogue's columns.
        role
            Whose sizes they have, the input's or the target's.
        out
            Memory for the result; new if left out.

        Returns
        -------
        ndarray
            Light in each pixel (galaxy, y, x).
        """
        count = columns["image"].size
        if count and self._still:
            return self.images.stamps(columns["image"], out)
        if out is None:
            out = np.empty((count, *self._shape), np.float32)
        for row, _, light in self.each(columns, role, self.frame):
            out[row] = light
        return out

    def each(
        self, columns: Columns, role: str, frame: Frame
    ) -> Iterator[tuple[int, Key, Floats]]:
        """Yield the stamps of rows one after the other.

        Parameters
        ----------
        columns
            The catalogue's columns.
        role
            As for `clean`.
        frame
            The pixels.

        Yields
        ------
        tuple
            The number of the row, what the stamp depends on, and the light (y, x).
        """
        if not columns["image"].size:
            return
        rows = self.images.stack.rows_of(columns["image"])
        ratios = self.ratios(columns, role)
        for some in self.images.batches(rows.size):
            numbers, sizes = rows[some].tolist(), ratios[some].tolist()
            keys = [(*pair, frame) for pair in zip(numbers, sizes, strict=True)]
            found = {key: self._stamps.get(key) for key in keys}
            pixels = self._read(key[0] for key in keys if found[key] is None)
            for row, key in enumerate(keys, some.start):
                light = found[key]
                if light is None:
                    image, ratio, _ = key
                    light = self._made(image, pixels[image], ratio, frame)
                    found[key] = self._stamps.put(key, light)
                yield row, key, light

    def cusp(self, image: int, ratio: float) -> SersicFit | None:
        """Return what the pixels of an image do not resolve.

        Parameters
        ----------
        image
            Its number.
        ratio
            Pixels of the frame over those of the image.

        Returns
        -------
        SersicFit or None
            In pixels of the frame and in the unit of stamps; None where there is none,
            or it is none that can be rendered there.
        """
        needed = self._cusps.get(image) is None
        needed |= self._peak and self._peaks.get(image) is None
        pixels = self._read([image] if needed else [])
        found = self._cusp_of(image, pixels)
        if found is None:
            return None
        found = found._replace(
            half_light_radius=found.half_light_radius * ratio,
            offset_y=found.offset_y * ratio,
            offset_x=found.offset_x * ratio,
            flux=found.flux / self._unit(image, pixels),
        )
        places = zip((found.offset_y, found.offset_x), self._shape, strict=True)
        inside = all(abs(place) <= 0.5 * side for place, side in places)
        return found if inside and found.half_light_radius > SMALLEST_RADIUS else None

    def noise(self, columns: Columns, role: str) -> Floats:
        """Return the noise that images have in other pixels.

        Parameters
        ----------
        columns
            The catalogue's columns.
        role
            As for `clean`.

        Returns
        -------
        ndarray
            Sigma of the pixels of the frame that they reach (galaxy,), the root of the
            mean of squares, in the unit of their light.
        """
        if not columns["image"].size:
            return np.empty(0)
        rows = self.images.stack.rows_of(columns["image"])
        sigma = np.empty(rows.size)
        for some in self.images.batches(rows.size):
            numbers = rows[some].tolist()
            pixels = self._read(n for n in numbers if self._noises.get(n) is None)
            for row, image in enumerate(numbers, some.start):
                sigma[row] = self._noise_of(image, pixels)
        sigma /= self._units(columns)
        spread = [self._spread(ratio) for ratio in self.ratios(columns, role).tolist()]
        sigma *= np.array(spread)
        return sigma

    def totals(self, columns: Columns) -> Floats:
        """Return what the pixels of images add up to, in the unit of stamps.

        Parameters
        ----------
        columns
            The catalogue's columns.

        Returns
        -------
        ndarray
            The sums (galaxy,).
        """
        count = columns["image"].size
        totals = np.ones(count)
        if not count or not self._peak:
            return totals
        rows = self.images.stack.rows_of(columns["image"])
        for some in self.images.batches(count):
            numbers = rows[some].tolist()
            pixels = self._read(numbers)
            for row, image in enumerate(numbers, some.start):
                totals[row] = pixels[image].sum() / self._unit(image, pixels)
        return totals

    def brightest(self, columns: Columns, light: Floats, so_far: float = 0.0) -> Floats:
        """Return the brightest pixel of inputs, where it may be a new maximum.

        Parameters
        ----------
        columns
            The catalogue's columns.
        light
            What each stamp is multiplied by (galaxy,).
        so_far
            What is reached already.

        Returns
        -------
        ndarray
            The brightest pixel times the light (galaxy,); 0 where that is below what
            galaxies before this one reach, and so was not looked for.
        """
        pixels = self.images.brightest_pixels(columns["image"])
        if self._still:
            return light * pixels
        touched = np.square(np.ceil(1.0 / self.ratios(columns, "input")) + 1.0)
        bound = light * pixels / self._units(columns) * touched * _SHARPER
        found = np.zeros(light.shape)
        for row in range(light.size):
            if bound[row] > so_far:
                one = {name: column[row : row + 1] for name, column in columns.items()}
                found[row] = light[row] * self.clean(one, "input").max()
                so_far = max(so_far, found[row])
        return found

    def _units(self, columns: Columns) -> Floats:
        """Return what images are divided by (galaxy,)."""
        rows = self.images.stack.rows_of(columns["image"])
        units = np.ones(rows.size)
        for some in self.images.batches(rows.size if self._peak else 0):
            numbers = rows[some].tolist()
            pixels = self._read(n for n in numbers if self._peaks.get(n) is None)
            for row, image in enumerate(numbers, some.start):
                units[row] = self._unit(image, pixels)
        return units

    def _read(self, images: Iterable[int]) -> dict[int, Floats]:
        """Return the pixels of images."""
        rows = sorted(set(images))
        found = self.images.stamps(np.array(rows, np.int64)).astype(np.float64)
        return dict(zip(rows, found, strict=True))

    def _made(self, image: int, pixels: Floats, ratio: float, frame: Frame) -> Floats:
        """Return an image in other pixels, in the unit of the recipe."""
        unit = self._unit(image, {image: pixels})
        light = self._resized(image, pixels, ratio, frame)
        if unit != 1.0:
            light = light / unit
        light.setflags(write=False)
        return light

    def _unit(self, image: int, pixels: Mapping[int, Floats]) -> float:
        """Return what an image is divided by: its brightest pixel on the frame."""
        if not self._peak:
            return 1.0
        known = self._peaks.get(image)
        if known is None:
            still = self._resized(image, pixels[image], self._pixels, self.frame)
            # Without light of the galaxy in its frame it has no brightest pixel.
            brightest = float(still.max())
            known = brightest if brightest > 0.0 else np.inf
            self._peaks.put(image, known)
        return known

    def _resized(
        self, image: int, pixels: Floats, ratio: float, frame: Frame
    ) -> Floats:
        shape, centre = frame.shape, frame.centre
        cusp = None
        if ratio != 1.0 or not self._whole(pixels):
            cusp = self._cusp_of(image, {image: pixels})
        if cusp is None:
            resized = resize(pixels, ratio, shape, centre)
        else:
            resized = resize_around(pixels, cusp, ratio, shape, centre)
        if (resized.covered == 1.0).all():
            return resized.values
        outskirts = self._outskirts.get(image)
        if outskirts is None:
            noise = self._noise_of(image, {image: pixels})
            outskirts = self._outskirts.put(image, outer_isophotes(pixels, noise))
        return extend(resized, outskirts, ratio, centre)

    def _cusp_of(self, image: int, pixels: Mapping[int, Floats]) -> SersicFit | None:
        """Return what the pixels of an image do not resolve, in its own pixels."""
        psf = self.images.psf
        own = self._pixels * self._pixel_scale  # arcsec
        if psf is not None and psf.fwhm >= _RESOLVED * own:
            return None
        known = self._cusps.get(image)
        if known is None:
            noise = self._noise_of(image, pixels)
            known = self._cusps.put(image, (fit_sersic(pixels[image], noise),))
        return known[0]

    def _whole(self, pixels: Floats) -> bool:
        """Whether pixels of images are pixels of the frame, where the ratio is 1."""
        steps = [new - old for new, old in zip(self._shape, pixels.shape, strict=True)]
        return not any(step % 2 for step in steps)

    def _noise_of(self, image: int, pixels: Mapping[int, Floats]) -> float:
        known = self._noises.get(image)
        if known is None:
            known = self._noises.put(image, background_noise(pixels[image]))
        return known

    def _spread_of(self, ratio: float) -> float:
        """Return the sigma of new pixels, for noise of 1 in old ones."""
        resized = resize(np.zeros(self.images.stack.shape), ratio, *self.frame)
        weight = np.square(resized.covered)
        power = (weight * np.square(resized.noise)).sum() / max(weight.sum(), 1e-300)
        return float(np.sqrt(power))
