"""Making a new store in the place of one that is there."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from argdask.errors import InputError
from argdask.planning import Work, begin, planned_anew
from argdask.recipe import Recipe
from argdask.store.work import read_attributes

__all__ = ["planned_over", "set_aside"]

# Ends of the names of what may lie beside a store: an extension, and receipts.
_BESIDE = (".extension.receipts", ".extension", ".receipts")


def planned_over(
    recipe: Recipe | None, store: Path, seds: xr.DataArray | None, catalogue: Any
) -> Work:
    """Plan a new store in the place of the one that is there; change nothing.

    Parameters
    ----------
    recipe
        The choices; None for the defaults.
    store
        Where the store is or shall be.
    seds
        The SED grid, if one is given.
    catalogue
        The table of galaxies, if one is given.

    Returns
    -------
    Work
        What is to be made, and whether something is to be set aside for it.

    Raises
    ------
    InputError
        If something given is wrong, or what is there is no store.
    """
    work = planned_anew(recipe, store, seds, catalogue)
    if not store.exists():
        return work
    state = read_attributes(store).get("state")
    # The same command again, after it was stopped, goes on.
    goes_on = state != "complete" and _same(work, store)
    return replace(work, replaces=not goes_on)


def set_aside(work: Work) -> None:
    """Rename the store that is there and make the skeleton of another in its place.

    Parameters
    ----------
    work
        What is to be made. The old store lies beside, under a name that ends in
        ``.replaced``, and is deleted once the new one is complete.

    Raises
    ------
    InputError
        If the place cannot be written. Nothing is changed then.
    """
    store = work.store
    aside = store.with_name(f"{store.name}.{uuid.uuid4().hex}.replaced")
    # The store last: whatever is left when this is cut off still belongs together.
    every = (store.with_name(f"{store.name}{end}") for end in _BESIDE)
    beside = [path for path in every if path.exists()]
    moves = [(p, p.with_name(aside.name + p.name[len(store.name) :])) for p in beside]
    moves.append((store, aside))
    done: list[tuple[Path, Path]] = []
    try:
        for old, new in moves:
            old.rename(new)
            done.append((old, new))
        begin(work, [])
    except BaseException:
        for old, new in reversed(done):
            if not old.exists():
                new.rename(old)
        raise


def _same(work: Work, store: Path) -> bool:
    try:
        return bool(read_attributes(store)["plan"] == work.plan.to_json())
    except InputError:
        return False
