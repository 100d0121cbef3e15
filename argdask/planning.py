"""What is to be made at a path: a new store, what one lacks, or nothing any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr

from argdask.errors import InputError
from argdask.recipe import Recipe
from argdask.recipe_tables import table_of
from argdask.sed_sources import default_seds
from argdask.simulation import Simulation
from argdask.store.formats import name_for
from argdask.store.plan import Piece, Plan, check_images, plan_of
from argdask.store.receipts import Receipt
from argdask.store.work import initialise, read_attributes, read_plan, simulation_of
from argdask.tables import UserTable

__all__ = ["Work", "begin", "bytes_of_images", "is_complete", "planned"]

# Files and folders of metadata, truth, grid and checksums, rounded up.
_FILES_OF_A_STORE = 200


@dataclass(frozen=True)
class Work:
    """A store and what is to be made for it."""

    store: Path
    """What the user named and readers open."""
    place: Path
    """The incomplete store in which the pieces are made."""
    simulation: Simulation
    """What makes the galaxies."""
    plan: Plan
    """How they are laid out."""

    def pieces(self) -> Iterator[Piece]:
        """Return all pieces that are made for it."""
        return self.plan.pieces()

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to do."""
        return is_complete(self.place)


def is_complete(path: Path) -> bool:
    """Return whether there is a store with all of its galaxies.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    bool
        False where nothing is, too.
    """
    return path.exists() and read_attributes(path).get("state") == "complete"


def planned(
    recipe: Recipe | None, store: Path, seds: xr.DataArray | None, catalogue: Any
) -> Work:
    """Plan a new store, or find the plan of the one that is there; change nothing.

    Parameters
    ----------
    recipe
        The choices; None for those of the store.
    store
        Where the store is or shall be.
    seds
        The SED grid, if one is given.
    catalogue
        The table of galaxies, if one is given.

    Returns
    -------
    Work
        What is to be made.

    Raises
    ------
    InputError
        If something given is wrong, or the store has another plan.
    """
    if not store.exists():
        _check_parent(store)
        grid = default_seds() if seds is None else seds
        chosen = Recipe() if recipe is None else recipe
        simulation = Simulation(chosen, grid, table=table_of(chosen, catalogue))
        return Work(store, store, simulation, plan_of(simulation, name_for(store)))
    stored = read_plan(store)
    own, plan = simulation_of(store, stored.fingerprint)
    if not (recipe is None and seds is None and catalogue is None):
        chosen = recipe or stored.recipe
        grid = own.catalogue.seds if seds is None else seds
        _compare(store, stored, chosen, grid, _table_to_compare(chosen, own, catalogue))
    return Work(store, store, own, plan)


def begin(work: Work, done: list[Receipt]) -> None:
    """Look whether all can be made, and make the skeleton where there is none.

    Parameters
    ----------
    work
        What is to be made.
    done
        What is done already.

    Raises
    ------
    InputError
        If the images are others than planned, or there is too little space. Nothing is
        changed then.
    """
    check_images(work.simulation, work.plan)
    _check_space(work, done)
    if not work.place.exists():
        initialise(work.place, work.simulation, work.plan)


def _table_to_compare(
    recipe: Recipe, own: Simulation, catalogue: Any
) -> UserTable | None:
    """Return the table that is asked for, the store's own where none is named."""
    if catalogue is not None and recipe.catalogue == own.recipe.catalogue:
        # The recipe came from the store, and the table is what is new.
        recipe = recipe.model_copy(update={"catalogue": None})
    if catalogue is None:
        named = recipe.catalogue
        gone = named is not None and not Path(named.path).expanduser().exists()
        if named is None or (gone and named == own.recipe.catalogue):
            return own.catalogue.table
    return table_of(recipe, catalogue)


def _compare(
    place: Path,
    stored: Plan,
    recipe: Recipe,
    seds: xr.DataArray,
    table: UserTable | None,
) -> None:
    """Refuse to go on with a store that another recipe, grid or table made."""
    # Filters first: what the store's own grid lacks is no fault of a filter's name.
    filters = stored.recipe.model_copy(update={"filters": recipe.filters})
    _refuse_differences(place, stored, replace(stored, recipe=filters))
    same_scale = recipe.scale == stored.recipe.scale
    scale = stored.scale if same_scale else None
    simulation = Simulation(recipe, seds, scale, table=table)
    recipe = simulation.recipe
    if recipe.galaxies != stored.galaxies:
        raise InputError(
            "galaxies",
            recipe.galaxies,
            f"{stored.galaxies} as in {place}",
            "choose another path, or the same number to go on with this store",
        )
    _refuse_differences(place, stored, plan_of(simulation, stored.format))


def _refuse_differences(place: Path, stored: Plan, asked: Plan) -> None:
    if differences := stored.differences(asked):
        told = ", ".join(
            f"{key} ({have} there, {want} asked for)"
            for key, (have, want) in list(differences.items())[:4]
        )
        raise InputError(
            "store",
            str(place),
            "a store of the same recipe, SED grid, catalogue and images",
            f"it differs in {told}; choose another path, or delete it first",
        )


def _check_parent(place: Path) -> None:
    parent = place.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            "store",
            str(place),
            "a place in a folder that can be written",
            f"make {parent} or choose another path",
        )


def _check_space(work: Work, done: list[Receipt]) -> None:
    """Refuse to start what the file system cannot hold, compressed or not."""
    place, simulation, plan = work.place, work.simulation, work.plan
    stored = sum(record.size for r in done for record in r.files.values())
    made = sum(len(r.files) for r in done if r.kind == "part")
    inodes = _FILES_OF_A_STORE + plan.parts * len(simulation.images) - made
    needed = bytes_of_images(simulation, plan) * 1.01 - stored
    status = os.statvfs(place.parent)
    free = status.f_bavail * status.f_frsize
    if needed > free:
        raise InputError(
            "store",
            str(place),
            f"{needed / 1e9:.3g} GB of space, not {free / 1e9:.3g} GB",
            "choose fewer galaxies, fewer filters or another disk",
        )
    # Some file systems do not count inodes and say 0.
    if status.f_files and inodes > status.f_favail:
        raise InputError(
            "store",
            str(place),
            f"{inodes} inodes, not the {status.f_favail} that are free",
            "choose a larger layout.part or another disk",
        )


def bytes_of_images(simulation: Simulation, plan: Plan) -> int:
    """Return the bytes of all images of a store before compression.

    Parameters
    ----------
    simulation
        What makes them.
    plan
        How many there are.

    Returns
    -------
    int
        Bytes.
    """
    height, width = simulation.recipe.image_shape
    pixels = height * width * simulation.catalogue.seds.sizes["filter"]
    return 4 * pixels * len(simulation.images) * plan.galaxies
