"""What makes galaxies: a recipe, an SED grid, a scale; and their labels."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from argdask import seds as grids
from argdask.catalogue import Catalogue, Columns
from argdask.cubes import multiply, multiply_convolved
from argdask.image_light import light_of
from argdask.image_observing import ImageObserver
from argdask.memory import Pool
from argdask.new_sets import check_new, too_large
from argdask.observing import Observer, Stamps
from argdask.psf import PSFImage
from argdask.psf_choices import hash_of_images, psf_images
from argdask.recipe import Recipe
from argdask.recipe_tables import completed
from argdask.rendering import brightest_pixels, per_brightest, resolve_scale
from argdask.rounding import round_mantissa
from argdask.schema import COMPONENT, ENDS, layer_of, role_of
from argdask.table_redshifts import warn_of_redshifts
from argdask.tables import UserTable
from argdask.telescopes import telescopes_of, with_surveys

__all__ = ["PIXELS_VERSION", "Simulation"]

# Stamps that are made at once [bytes]: what comes before and after a kernel is done
# once for many, and they still are in the last of the processor's caches.
_STAMPS_BYTES = 2**23

# Images that nobody has any more, of which the memory is kept [bytes].
_MEMORY = Pool(most=16, total=2**27)
_LOCAL = threading.local()

# Raised by every change that alters the value of a pixel.
PIXELS_VERSION = 2


class Simulation:
    """A recipe, an SED grid and a resolved scale: enough to make any galaxy.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid (redshift, filter, template), in the unit of its attribute `units`,
        in uJy where it has none.
    scale
        What all fluxes are multiplied by; by the recipe's rule if left out.
    table
        A user's catalogue, of which all columns take the place of drawn ones.
    psfs
        The recipe's images of PSFs, by their source; read from their files if left out.

    Raises
    ------
    InputError
        If the recipe asks for what the grid does not have.

    Warns
    -----
    TableRedshiftWarning
        If the scale is left out, and nobody said at which redshift the table's
        magnitudes or radii hold.
    """

    def __init__(
        self,
        recipe: Recipe,
        seds: xr.DataArray,
        scale: float | None = None,
        *,
        table: UserTable | None = None,
        psfs: Mapping[str, PSFImage] | None = None,
    ) -> None:
        self.psfs = psf_images(recipe) if psfs is None else dict(psfs)
        """Images of PSFs that the user brought, by their source."""
        images = light_of(recipe, self.psfs)
        self.recipe = with_surveys(completed(recipe, table, images), seds)
        self.catalogue = Catalogue(self.recipe, seds, table, images)
        self.telescopes = telescopes_of(self.recipe, self.catalogue.seds, self.psfs)
        """What images are seen with, by role; empty for clean images alone."""
        self._observer = (
            Observer(self.recipe, self.telescopes, self.catalogue.table)
            if self.catalogue.stamps is None
            else ImageObserver(self.recipe, self.telescopes, self.catalogue.stamps)
        )
        if scale is None:
            warn_of_redshifts(self.catalogue)
            brought = hash_of_images(self.recipe, self.psfs)
            check_new(self.recipe)
            try:
                scale = _resolved(self.catalogue, brought)
            except MemoryError:
                filters = self.catalogue.seds.sizes["filter"]
                raise too_large(self.recipe, filters) from None
            if isinstance(self._observer, ImageObserver):
                self._observer.check(self.catalogue)
        self.scale = scale

    def __reduce__(self) -> tuple[Any, ...]:
        # Grids are mostly float32 at heart; half the bytes go to each worker.
        seds = self.catalogue.seds
        with np.errstate(over="ignore"):
            small = seds.astype(np.float32)
        exact = np.array_equal(small.values, seds.values, equal_nan=True)
        grid = small if exact else seds
        table = self.catalogue.table
        return _again, (self.recipe, grid, self.scale, table, self.psfs)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        seds = grids.content_hash(self.catalogue.seds)
        key = ("argdask", PIXELS_VERSION, self.recipe.identity(), seds, self.scale)
        brought = self.catalogue.table, self.catalogue.images
        hashes = (one.content_hash() for one in brought if one is not None)
        return (*key, *hashes, hash_of_images(self.recipe, self.psfs))

    @property
    def images(self) -> tuple[str, ...]:
        """The image variables that the recipe makes."""
        return self.recipe.images

    @property
    def of_filters(self) -> dict[str, NDArray[np.float64]]:
        """What belongs to each filter (filter,), by the names of the variables."""
        found = {"wavelength": self.catalogue.seds["wavelength"].values}
        for role, telescope in self.telescopes.items():
            end = ENDS[role]
            if telescope.psfs is not None:
                widths = np.array([psf.fwhm for psf in telescope.psfs])
                found[f"psf_fwhm_{end}"] = widths
            if telescope.noisy:
                found[f"background_sigma_{end}"] = telescope.background_sigma
                found[f"gain_{end}"] = telescope.gain
        return found

    def columns(self, ids: ArrayLike) -> Columns:
        """Return all truth about galaxies.

        Parameters
        ----------
        ids
            Galaxy ids (galaxy,).

        Returns
        -------
        dict
            The catalogue's columns, and what has to be rendered to be known.
        """
        columns = self.catalogue.columns(ids)
        sizes = self.catalogue.image_sizes
        changed = self.recipe.angular_size if sizes is None else sizes.told
        if changed or self.telescopes:
            columns |= self._observer.truth(columns)
        return columns

    def render(
        self,
        columns: Columns,
        names: Iterable[str] | None = None,
        out: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> dict[str, Stamps]:
        """Return the stamps of rows of the catalogue.

        Parameters
        ----------
        columns
            The catalogue's columns (galaxy,).
        names
            The images that shall be made of them; all of `images` if left out.
        out
            Memory for them, as `stamp_memory` returns it; new if left out.

        Returns
        -------
        dict
            The stamps; those that images share are there once.
        """
        sources = self.sources(self.images if names is None else names)
        memory = out or {}
        return {
            source: self._observer.stamps(source, columns, memory.get(source))
            for source in sources
        }

    def stamp_memory(
        self, names: Iterable[str], galaxies: int
    ) -> dict[str, NDArray[np.float32]]:
        """Return memory for the stamps of some galaxies, to be used again.

        Parameters
        ----------
        names
            The images that shall be made of them.
        galaxies
            How many there are.

        Returns
        -------
        dict
            Empty arrays; the first rows of each are memory for fewer galaxies.
        """
        frame, parts = self.recipe.image_shape, len(self.catalogue.components)
        rows = (galaxies, parts) if parts else (galaxies,)
        memory = {}
        for source in self.sources(names):
            psfs = self._observer.planes(source)
            seen = self._observer.index(source) is not None
            shape = (*rows, psfs, *frame) if seen else (*rows, *frame)
            memory[source] = np.empty(shape, np.float32)
        return memory

    def sources(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the keys of the stamps that images are made of."""
        return tuple(dict.fromkeys(self._source(name) for name in names))

    def planes(self, names: Iterable[str]) -> int:
        """Return how many images (y, x) there are in the stamps of one galaxy."""
        each = sum(self._observer.planes(source) for source in self.sources(names))
        return each * max(len(self.catalogue.components), 1)

    def _source(self, name: str) -> str:
        return self._observer.source(role_of(name), layer_of(name))

    def image(
        self,
        name: str,
        columns: Columns,
        stamps: Mapping[str, Stamps],
        out: NDArray[np.float32] | None = None,
        *,
        epoch: int = 0,
    ) -> NDArray[np.float32]:
        """Return one image variable (galaxy, y, x, filter) of rows of the catalogue.

        Parameters
        ----------
        name
            One of `images`.
        columns
            The catalogue's columns (galaxy,).
        stamps
            The stamps of the same rows, as `render` returns them.
        out
            Memory for the result; new if left out.
        epoch
            Which of many draws of the noise.

        Returns
        -------
        ndarray
            The cubes, rounded where the recipe keeps fewer bits.
        """
        role, source = role_of(name), self._source(name)
        flux = f"flux_{ENDS[role]}"
        if self.catalogue.components:
            flux = f"{COMPONENT}_{flux}"
        rows = self.scale * columns[flux]
        if self.recipe.normalise == "peak" and self.catalogue.images is None:
            # Into the row, not the stamp: one rounding less.
            rows = per_brightest(rows, brightest_pixels(self.recipe, columns))
        light, noise = stamps[source]
        index = self._observer.index(source)
        if index is None:
            cubes = multiply(light, rows, out)
        else:
            cubes = multiply_convolved(light, rows, index, out)
        if layer_of(name) == "noisy":
            own = None
            if noise is not None:
                own = self._observer.own_sigma(source, noise, columns[flux])
            self._observer.add_noise(cubes, columns, role, epoch, self.scale, own)
        # Here and nowhere else, so that all who make a galaxy have the same pixels.
        return round_mantissa(cubes, self.recipe.layout.keep_bits)

    def fill(
        self,
        columns: Columns,
        memories: Mapping[str, NDArray[np.float32]],
        *,
        epoch: int = 0,
    ) -> None:
        """Make images of rows of the catalogue in memory that is there.

        Parameters
        ----------
        columns
            The catalogue's columns (galaxy,).
        memories
            For each image that shall be made, by name (galaxy, y, x, filter),
            C-contiguous.
        epoch
            Which of many draws of the noise.
        """
        names, galaxies = tuple(memories), len(columns["galaxy_id"])
        size = min(self._galaxies_at_once(names), max(galaxies, 1))
        scratch = self._scratch(names, size)
        for start in range(0, galaxies, size):
            rows = slice(start, min(start + size, galaxies))
            some = {name: values[rows] for name, values in columns.items()}
            count = rows.stop - start
            out = {source: memory[:count] for source, memory in scratch.items()}
            stamps = self.render(some, names, out)
            for name, memory in memories.items():
                self.image(name, some, stamps, out=memory[rows], epoch=epoch)

    def make(
        self, ids: ArrayLike, names: Iterable[str], *, epoch: int = 0
    ) -> tuple[Columns, Columns]:
        """Return the truth about galaxies and their named images.

        Parameters
        ----------
        ids
            Galaxy ids (galaxy,).
        names
            Some of `images`.
        epoch
            Which of many draws of the noise.

        Returns
        -------
        tuple of dict
            Columns and images. Where images that were made before are gone, so that
            nobody can see them, these may take their memory.
        """
        columns = self.columns(ids)
        filters = self.catalogue.seds.sizes["filter"]
        shape = (len(columns["galaxy_id"]), *self.recipe.image_shape, filters)
        images = {name: _MEMORY.take(shape) for name in names}
        self.fill(columns, images, epoch=epoch)
        return columns, images

    def _galaxies_at_once(self, names: tuple[str, ...]) -> int:
        height, width = self.recipe.image_shape
        each = 4 * self.planes(names) * height * width
        return max(_STAMPS_BYTES // max(each, 1), 1)

    def _scratch(
        self, names: tuple[str, ...], galaxies: int
    ) -> dict[str, NDArray[np.float32]]:
        """Return memory for stamps that this thread used before, if it was enough."""
        key = id(self), names
        known = getattr(_LOCAL, "key", None) == key and _LOCAL.galaxies >= galaxies
        if not known:
            stamps = self.stamp_memory(names, galaxies)
            _LOCAL.stamps, _LOCAL.key, _LOCAL.galaxies = stamps, key, galaxies
            # As long as it is there, nothing else has its number.
            _LOCAL.simulation = self
        found: dict[str, NDArray[np.float32]] = _LOCAL.stamps
        return found


def _again(
    recipe: Recipe,
    seds: xr.DataArray,
    scale: float,
    table: UserTable | None,
    psfs: dict[str, PSFImage],
) -> Simulation:
    return Simulation(recipe, seds, scale, table=table, psfs=psfs)


def _resolved(catalogue: Catalogue, psfs: str | None) -> float:
    """Resolve the scale, or find what was resolved for the same recipe and grid."""
    table = catalogue.table
    key: tuple[str, ...]
    key = catalogue.recipe.model_dump_json(), grids.content_hash(catalogue.seds)
    if psfs is not None:
        key = (*key, psfs)
    if table is not None:
        key = (*key, table.content_hash())
    if catalogue.images is not None:
        key = (*key, catalogue.images.stack.signature())
    if key not in _SCALES:
        catalogue.check_inputs()
        if len(_SCALES) >= 64:
            _SCALES.clear()
        _SCALES[key] = resolve_scale(catalogue)
    return _SCALES[key]


_SCALES: dict[tuple[str, ...], float] = {}
