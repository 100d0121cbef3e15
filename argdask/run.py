"""Making a store: plan it, drive its parts over a client or here, close it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from argdask.dispatch import DISK_ERRORS
from argdask.driver import Count, Opener, Progress, drive, pieces_of, reached
from argdask.errors import IncompleteError, InputError
from argdask.recipe import Recipe
from argdask.recipe_tables import table_of
from argdask.sed_sources import default_seds
from argdask.simulation import Simulation
from argdask.store import closing
from argdask.store.formats import name_for
from argdask.store.plan import Plan, check_images, plan_of
from argdask.store.receipts import Receipt, done_receipts, remove_receipts
from argdask.store.work import (
    initialise,
    read_attributes,
    read_plan,
    simulation_of,
)
from argdask.tables import UserTable

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Summary", "write"]

# Files and folders of metadata, truth, grid and checksums, rounded up.
_FILES_OF_A_STORE = 200


@dataclass(frozen=True)
class Summary:
    """What a run made."""

    path: Path
    """The store."""
    plan: Plan
    """Its plan."""
    made: int
    """Galaxies that this run made."""
    size: int
    """Bytes of the store's image and truth files."""


def write(
    recipe: Recipe | None,
    path: str | Path,
    *,
    seds: xr.DataArray | None = None,
    catalogue: Any = None,
    client: Client | Opener | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Make a store of training pairs; the same call again goes on where it stopped.

    Parameters
    ----------
    recipe
        The choices. None goes on with the recipe of the store at `path`.
    path
        Where the store is or shall be.
    seds
        The SED grid (redshift, filter, template) [uJy]; the store's own where there is
        a store, else the built-in one, if left out.
    catalogue
        A table of galaxies whose columns take the place of drawn ones: what
        `argdask.read_table` returns or reads. The store's own where there is a store,
        else that of the recipe, if left out.
    client
        A dask client, or what opens one when it is called with the number of pieces
        that there are to make; the active one if left out, and without one everything
        is done in this process.
    progress
        Called with the number of galaxies made so far and of all.

    Returns
    -------
    Summary
        What was made.

    Raises
    ------
    InputError
        If something given is wrong, the store at `path` has another plan, or there is
        too little space. Nothing is changed then.
    IncompleteError
        If parts could not be made. What is done stays done.
    """
    # Workers may have another working directory.
    place = Path(path).absolute()
    simulation, plan = _planned(recipe, place, seds, catalogue)
    if _is_complete(place):
        closing.sweep(place)
        remove_receipts(place)
        return Summary(place, plan, 0, _size_of(place))
    done = done_receipts(place, plan)
    check_images(simulation, plan)
    _check_space(place, simulation, plan, done)
    finished = {(r.kind, r.index) for r in done}
    tasks = [t for t in pieces_of(plan) if t not in finished]
    before = sum(r.stop - r.start for r in done if r.kind == "part")
    # A cluster that cannot be reached says so before anything is made.
    with _resumable(place), reached(client, len(tasks)) as workers:
        if not place.exists():
            initialise(place, simulation, plan)
        count = Count(before, plan.galaxies, progress)
        drive(place, plan, tasks, workers, count)
        closing.finalise(place, plan, done_receipts(place, plan))
    remove_receipts(place)
    return Summary(place, plan, plan.galaxies - before, _size_of(place))


@contextmanager
def _resumable(place: Path) -> Iterator[None]:
    """Tell a disk that is full, and a store that others closed, from what is wrong."""
    try:
        yield
    except (IncompleteError, OSError) as error:
        # Another process may have made and closed the store meanwhile.
        if _is_complete(place):
            return
        if isinstance(error, IncompleteError) or error.errno not in DISK_ERRORS:
            raise
        raise IncompleteError(
            f"{place}: {error.strerror}; free some space and run the same command "
            "again to resume"
        ) from error


def _planned(
    recipe: Recipe | None, place: Path, seds: xr.DataArray | None, catalogue: Any
) -> tuple[Simulation, Plan]:
    """Plan a new store, or find the plan of the one that is there."""
    if not place.exists():
        _check_parent(place)
        grid = default_seds() if seds is None else seds
        chosen = Recipe() if recipe is None else recipe
        simulation = Simulation(chosen, grid, table=table_of(chosen, catalogue))
        return simulation, plan_of(simulation, name_for(place))
    stored = read_plan(place)
    own, plan = simulation_of(place, stored.fingerprint)
    if recipe is None and seds is None and catalogue is None:
        return own, plan
    chosen = recipe or stored.recipe
    grid = own.catalogue.seds if seds is None else seds
    _compare(place, stored, chosen, grid, _table_to_compare(chosen, own, catalogue))
    return own, plan


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


def _check_space(
    place: Path, simulation: Simulation, plan: Plan, done: list[Receipt]
) -> None:
    """Refuse to start what the file system cannot hold, compressed or not."""
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


def _is_complete(place: Path) -> bool:
    return place.exists() and (read_attributes(place).get("state") == "complete")


def _size_of(place: Path) -> int:
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
