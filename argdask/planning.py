"""What is to be made at a path: a new store, what one lacks, or nothing any more."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr

from argdask.errors import InputError
from argdask.extension import enlarged
from argdask.psf import PSFImage
from argdask.recipe import Recipe, Scale
from argdask.recipe_tables import table_of
from argdask.rendering import is_scale_of_fewer
from argdask.sed_sources import default_seds
from argdask.simulation import Simulation
from argdask.store.folding import staging_of
from argdask.store.formats import FORMATS, name_for
from argdask.store.leftovers import refuse_replaced
from argdask.store.pieces import bytes_of_images
from argdask.store.plan import Piece, Plan, check_pixels, plan_of
from argdask.store.receipts import Receipt
from argdask.store.staging import finish_fold, staged_plan
from argdask.store.work import (
    initialise,
    plan_in,
    read_attributes,
    read_plan,
    simulation_of,
    sound_root,
)
from argdask.tables import UserTable

__all__ = [
    "Work",
    "begin",
    "check",
    "intended_plan",
    "is_complete",
    "planned",
    "planned_anew",
]

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
    first: int = 0
    """How many galaxies the store has already, if it is extended."""
    replaces: bool = False
    """Whether another store is there, which is to be set aside first."""

    def pieces(self) -> Iterator[Piece]:
        """Return all pieces that are made for it: those with rows that are new."""
        return self.plan.pieces(self.first)

    @property
    def kept(self) -> int:
        """Number of galaxies whose images stay as they are: those of whole parts."""
        return self.first // self.plan.part * self.plan.part

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to do."""
        if self.replaces or not is_complete(self.store):
            return False
        return read_plan(self.store).galaxies == self.plan.galaxies


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


def intended_plan(store: Path) -> Plan | None:
    """Return the plan that a store has, or is being extended to.

    Parameters
    ----------
    store
        Where the store is or shall be.

    Returns
    -------
    Plan or None
        None where nothing is.

    Raises
    ------
    InputError
        If something else is there.
    """
    if not store.exists():
        return None
    return staged_plan(store) or read_plan(store)


def planned(
    recipe: Recipe | None, store: Path, seds: xr.DataArray | None, catalogue: Any
) -> Work:
    """Plan a new store, or find what is to be made for the one that is there.

    An extension whose last step was broken off is finished first; nothing else is
    changed.

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
        refuse_replaced(store)
        if staging_of(store).exists():
            raise InputError(
                "store",
                str(staging_of(store)),
                "nothing beside a new store",
                "the extension of a store that is gone was left there: delete it",
            )
        return planned_anew(recipe, store, seds, catalogue)
    finish_fold(store)
    stored = plan_in(sound_root(store)["attributes"], store)
    own, _ = simulation_of(store, stored.fingerprint)
    here = Work(store, store, own, stored)
    if recipe is None and seds is None and catalogue is None:
        return _begun(here) or here
    chosen = recipe or stored.recipe
    grid = own.catalogue.seds if seds is None else seds
    asked = _asked(here, chosen, grid, _table_to_compare(chosen, own, catalogue))
    if asked.recipe.galaxies != stored.galaxies:
        return _extended(here, asked)
    _refuse_differences(store, stored, plan_of(asked, stored.format, like=stored))
    return here


def planned_anew(
    recipe: Recipe | None, store: Path, seds: xr.DataArray | None, catalogue: Any
) -> Work:
    """Plan a new store, whatever is there; change nothing.

    Parameters
    ----------
    recipe
        The choices; None for the defaults.
    store
        Where the store shall be.
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
        If something given is wrong.
    """
    _check_parent(store)
    grid = default_seds() if seds is None else seds
    chosen = Recipe() if recipe is None else recipe
    simulation = Simulation(chosen, grid, table=table_of(chosen, catalogue))
    return Work(store, store, simulation, plan_of(simulation, name_for(store)))


def _begun(here: Work) -> Work | None:
    """Return the extension of a store that is under way."""
    plan = staged_plan(here.store)
    if plan is None:
        return None
    place = staging_of(here.store)
    simulation, _ = simulation_of(place, plan.fingerprint)
    return Work(here.store, place, simulation, plan, first=here.plan.galaxies)


def _extended(here: Work, asked: Simulation) -> Work:
    """Return the work by which a store gets as many galaxies as are asked for."""
    store, stored, galaxies = here.store, here.plan, asked.recipe.galaxies
    begun = _begun(here)
    expected = f"{stored.galaxies} as in {store}"
    cure = "choose another path, or the same number to go on with this store"
    if not is_complete(store):
        cure = f"finish it with `argdask generate {store}`, then extend it"
    elif galaxies < stored.galaxies:
        expected += ", or more"
        cure = "choose another path, or read a part of it: isel(galaxy=slice(N))"
    elif begun is not None and begun.plan.galaxies != galaxies:
        expected = f"{begun.plan.galaxies}, to which {store} is being extended"
        cure = f"finish that first: `argdask generate {store}`"
    else:
        cure = ""
    if cure:
        raise InputError("galaxies", galaxies, expected, cure)
    plan = plan_of(asked, stored.format, like=stored)
    if None not in (plan.catalogue, stored.catalogue):
        plan = replace(plan, catalogue=stored.catalogue)
    _refuse_differences(store, stored, plan)
    simulation, larger = enlarged(store, stored, asked)
    if begun is not None:
        _refuse_differences(begun.place, begun.plan, larger)
        return begun
    place = staging_of(store)
    return Work(store, place, simulation, larger, first=stored.galaxies)


def check(work: Work, done: list[Receipt]) -> None:
    """Look whether all can be made; change nothing.

    Parameters
    ----------
    work
        What is to be made.
    done
        What is done already.

    Raises
    ------
    InputError
        If the images are others than planned, or there is too little space.
    """
    check_pixels(work.simulation, work.plan)
    _check_space(work, done)


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
    check(work, done)
    if work.place.exists():
        return
    if work.first and work.store.stat().st_dev != work.store.parent.stat().st_dev:
        raise InputError(
            "store",
            str(work.store),
            "a store on the disk of its folder, where the new galaxies are made",
            "name it by the path that it has on its own disk",
        )
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
        gone = named is not None and not _is_readable(named.path)
        if named is None or (gone and named == own.recipe.catalogue):
            return own.catalogue.table
    return table_of(recipe, catalogue)


def _psfs_to_compare(recipe: Recipe, own: Simulation) -> Mapping[str, PSFImage] | None:
    """Return the store's images of PSFs, if those that are named are the same, gone."""
    mine, stored = (getattr(one.profile, "psf", None) for one in (recipe, own.recipe))
    named = recipe.observation == own.recipe.observation and mine == stored
    return None if all(map(_is_readable, own.psfs)) or not named else own.psfs


def _is_readable(path: str) -> bool:
    # Whether it exists cannot even be asked in the folder of somebody else.
    return os.access(Path(path).expanduser(), os.R_OK)


def _asked(
    here: Work, recipe: Recipe, seds: xr.DataArray, table: UserTable | None
) -> Simulation:
    """Return what is asked for, with the scale of the store where the rule is its."""
    stored = here.plan
    # Filters first: what the store's own grid lacks is no fault of a filter's name.
    filters = stored.recipe.model_copy(update={"filters": recipe.filters})
    _refuse_differences(here.store, stored, replace(stored, recipe=filters))
    same = recipe.scale == stored.recipe.scale
    brought: dict[str, Any] = {
        "table": table,
        "psfs": _psfs_to_compare(recipe, here.simulation),
    }
    asked = Simulation(recipe, seds, stored.scale if same else None, **brought)
    if asked.scale == stored.scale or isinstance(stored.recipe.scale, Scale):
        return asked
    # A store that was extended has a number, and was begun by the rule.
    if is_scale_of_fewer(asked.catalogue, stored.scale):
        return Simulation(recipe, seds, stored.scale, **brought)
    return asked


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
    parts = plan.parts - work.first // plan.part
    stored = sum(record.size for r in done for record in r.files.values())
    made = sum(len(r.files) for r in done if r.kind == "part")
    each = FORMATS[plan.format].files_of_part(simulation)
    inodes = _FILES_OF_A_STORE + parts * each - made
    new = 1 - work.kept / plan.galaxies
    needed = bytes_of_images(simulation, plan) * new * 1.01 - stored
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
