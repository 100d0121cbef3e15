"""Batches straight from a recipe: galaxies are made when they are wanted, no disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from argdask.catalogue import Columns
from argdask.errors import InputError
from argdask.loader_choices import LoaderChoices
from argdask.pair_labels import template_parameters
from argdask.recipe import Recipe
from argdask.recipe_tables import table_of
from argdask.schema import ENDS, image_name
from argdask.sed_sources import default_seds
from argdask.simulation import Simulation

__all__ = ["RecipeSource"]

# Galaxies whose columns are drawn together: ids that follow each other share the
# random words of a block.
_RUN = 256


class RecipeSource:
    """The galaxies of a recipe.

    Parameters
    ----------
    recipe
        The recipe; its number of galaxies is the length of an epoch.
    choices
        How they are streamed, with the grid and the table.

    Raises
    ------
    InputError
        If the recipe asks for what the grid does not have, or for fresh noise or fresh
        galaxies where there are none.
    """

    def __init__(self, recipe: Recipe, choices: LoaderChoices) -> None:
        grid = default_seds() if choices.seds is None else choices.seds
        table = table_of(recipe, choices.catalogue)
        self._simulation = Simulation(recipe, grid, table=table)
        self._fresh = choices.fresh
        catalogue = self._simulation.catalogue
        galaxies = self._simulation.recipe.galaxies
        starts = range(0, galaxies, _RUN)
        self.units = [(start, min(start + _RUN, galaxies)) for start in starts]
        self.image_shape = self._simulation.recipe.image_shape
        self.filters = tuple(map(str, catalogue.seds["filter"].values))
        seen = self._simulation.recipe.observation
        made = ("clean",) if seen is None else seen.made
        self.images = tuple(image_name(role, one) for one in made for role in ENDS)
        self._noisy = "noise" in choices.augment
        # The columns of no galaxy have the names of all.
        self._columns = frozenset(self._simulation.columns([]))
        self._parameters = {
            name: values
            for name, (values, _) in template_parameters(catalogue.seds).items()
        }
        self.truth = self._columns | self._parameters.keys()
        self._check(choices)

    def _check(self, choices: LoaderChoices) -> None:
        catalogue = self._simulation.catalogue
        once = catalogue.images is not None and catalogue.images.once
        if choices.fresh and (catalogue.table is not None or once):
            raise InputError(
                "fresh",
                True,
                "a recipe that draws its galaxies, not a table or images used once",
                "leave it out",
            )
        layers = {choices.layer("input"), choices.layer("target")}
        if self._noisy and "noisy" not in layers:
            raise InputError(
                "augment",
                "noise",
                "noisy layers, of which each epoch can have other noise",
                "leave it out, or choose layers='noisy'",
            )

    def groups(self, start: int, stop: int, epoch: int) -> NDArray[np.int64]:
        """Return what must not be divided among splits."""
        ids = self._ids(np.arange(start, stop), epoch)
        if "group" not in self._columns:
            return ids
        found: NDArray[np.int64] = self._simulation.catalogue.columns(ids)["group"]
        return found

    def hold(
        self,
        rows: NDArray[np.int64],
        columns: Sequence[str],
        images: Sequence[str],
        epoch: int,
    ) -> _Drawn:
        """Draw the columns of galaxies."""
        ids = self._ids(rows, epoch)
        every = self._simulation.catalogue.columns(ids)
        if any(name in self._columns and name not in every for name in columns):
            # What has to be rendered to be known, only where it is asked for.
            every = self._simulation.columns(ids)
        index = every["sed_index"]
        wanted = {
            name: every[name] if name in every else self._parameters[name][index]
            for name in columns
        }
        # Draw 0 of the noise is the one that a store of the recipe has.
        return _Drawn(self._simulation, every, wanted, epoch if self._noisy else 0)

    def _ids(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        if self._fresh:
            return rows + epoch * self._simulation.recipe.galaxies
        table = self._simulation.catalogue.table
        return rows if table is None else table.galaxy_id[rows]


class _Drawn:
    """Galaxies whose columns are drawn."""

    def __init__(
        self, simulation: Simulation, every: Columns, columns: Columns, epoch: int
    ) -> None:
        self.columns = columns
        self._every, self._epoch = every, epoch
        self._simulation = simulation

    def fill(self, some: slice, memories: Mapping[str, NDArray[np.float32]]) -> None:
        """Render galaxies and write their images into memory."""
        columns = {name: values[some] for name, values in self._every.items()}
        self._simulation.fill(columns, memories, epoch=self._epoch)
