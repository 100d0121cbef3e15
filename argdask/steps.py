"""A store a step at a time, for job arrays and machines without a scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from argdask.driver import Count, Progress, drive
from argdask.errors import InputError
from argdask.places import store_at
from argdask.planning import Work, begin, check, planned
from argdask.recipe import Recipe
from argdask.replacing import planned_over, set_aside
from argdask.run import Summary, close, resumable, tidy, work_has_ended
from argdask.store import closing
from argdask.store.attributes import no_store
from argdask.store.receipts import done_receipts

__all__ = ["finalise", "init", "part"]


def init(
    recipe: Recipe | None,
    path: str | Path,
    *,
    seds: xr.DataArray | None = None,
    catalogue: Any = None,
    overwrite: bool = False,
) -> Summary:
    """Make a store without galaxies, for `part` to fill and `finalise` to close.

    Parameters
    ----------
    recipe
        The choices. None is for a store that is there already.
    path
        Where the store is or shall be.
    seds
        The SED grid (redshift, filter, template), in the unit of its attribute `units`,
        in uJy where it has none; the built-in one if left out.
    catalogue
        A table of galaxies, as for `argdask.write`.
    overwrite
        Make a new store in the place of the one that is there, which is renamed, and
        deleted once the new one is complete.

    Returns
    -------
    Summary
        The store and its plan; `made` and `size` are 0.

    Raises
    ------
    InputError
        If something given is wrong, the store at `path` has another plan, or there is
        too little space. Nothing is changed then.
    """
    store = store_at(path)
    work = (planned_over if overwrite else planned)(recipe, store, seds, catalogue)
    if work.replaces:
        check(work, [])
        set_aside(work)
    elif not work.complete:
        begin(work, done_receipts(work.place, work.plan))
    return Summary(work.store, work.plan, 0, 0)


def part(
    path: str | Path, index: int, of: int, *, progress: Progress | None = None
) -> Summary:
    """Make one share of the pieces that a store lacks, in this process.

    Parameters
    ----------
    path
        The store.
    index
        Number of the share, from 0.
    of
        Number of shares; more than there are pieces is no mistake.
    progress
        Called with the number of galaxies made so far and of all of the share.

    Returns
    -------
    Summary
        What was made; `size` is 0, as long as the store is not complete.

    Raises
    ------
    InputError
        If there is no store, or no such share.
    IncompleteError
        If a piece of the share could not be made; the others are.

    Notes
    -----
    A share is every piece whose number, counted over blocks and parts, leaves the
    remainder `index` when divided by `of`. Shares may be made in any order, at once,
    and again: what is done is not made twice.
    """
    if not 0 <= index < of:
        raise InputError("index", index, f"0 to {of - 1}", "shares count from 0")
    work = _existing(path)
    share = [p for k, p in enumerate(work.pieces()) if k % of == index]
    before = done_receipts(work.place, work.plan) if share else []
    finished = {(receipt.kind, receipt.index) for receipt in before}
    rows = {piece: work.plan.rows_of(piece) for piece in share if piece[0] == "part"}
    galaxies = sum(stop - start for start, stop in rows.values())
    made = sum(stop - start for p, (start, stop) in rows.items() if p in finished)
    if work.complete:
        made = galaxies
    count = Count(made, galaxies, progress)
    missing = [piece for piece in share if piece not in finished]
    with resumable(work):
        if missing and not work.complete:
            begin(work, before)
            ended = work_has_ended(work)
            drive(work.place, work.plan, missing, None, count, ended)
    return Summary(work.store, work.plan, count.added, 0)


def finalise(path: str | Path) -> Summary:
    """Close a store of which all pieces are made.

    Parameters
    ----------
    path
        The store; one that is complete is left as it is.

    Returns
    -------
    Summary
        The store; `made` is 0.

    Raises
    ------
    InputError
        If there is no store.
    IncompleteError
        If pieces are missing; they are named, and nothing is changed.
    """
    work = _existing(path)
    if work.complete:
        tidy(work)
    else:
        with resumable(work):
            close(work)
    return Summary(work.store, work.plan, 0, closing.size_of(work.store))


def _existing(path: str | Path) -> Work:
    """Find the work at a store that is there."""
    store = store_at(path)
    if not store.exists():
        raise no_store(store, "`argdask init` makes one")
    return planned(None, store, None, None)
