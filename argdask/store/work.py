"""Work on a store of any format: begun, its plan read, its pieces made one by one."""

from __future__ import annotations

import errno
import functools
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from argdask import seds as grids
from argdask.errors import InputError
from argdask.psf import PSFImage
from argdask.psf_choices import hash_of_images
from argdask.simulation import Simulation
from argdask.store import files
from argdask.store.attributes import (
    METADATA_CHECKSUM,
    checksum_of_root,
    is_sound,
    plain_bytes,
    read_root,
    readable,
)
from argdask.store.formats import FORMATS, format_of
from argdask.store.plan import Plan, check_version
from argdask.store.provenance import environment, job_id
from argdask.store.receipts import Receipt

__all__ = [
    "initialise",
    "make_piece",
    "plan_in",
    "read_attributes",
    "read_plan",
    "read_seds_of_store",
    "simulation_of",
    "sound_root",
]


def initialise(path: Path, simulation: Simulation, plan: Plan) -> None:
    """Make a store with its plan, its SED grid, its catalogue and no galaxy yet.

    Parameters
    ----------
    path
        Where the store shall be; nothing may be there.
    simulation
        What will make the galaxies.
    plan
        How the store is laid out.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{files.PARTIAL}")
    try:
        partial.mkdir()
        FORMATS[plan.format].write_skeleton(partial, simulation, plan)
        _seal(partial / FORMATS[plan.format].METADATA)
        files.sync_tree(partial)
        partial.rename(path)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        # Another process may have made the same store at the same time.
        taken = error.errno in {errno.ENOTEMPTY, errno.EEXIST}
        if taken and _has_plan(path, plan):
            return
        raise InputError(
            "store",
            str(path),
            f"a place that can be written ({error.strerror})",
            "choose another path",
        ) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _seal(metadata: Path) -> None:
    """Give the root's metadata the checksum by which damage of the plan is noticed."""
    root = read_root(metadata)
    root["attributes"][METADATA_CHECKSUM] = checksum_of_root(root)
    metadata.write_bytes(plain_bytes(root))


def sound_root(path: Path) -> dict[str, Any]:
    """Read the metadata of a store's root, and refuse what is damaged.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        The metadata, with the attributes under their own key.

    Raises
    ------
    InputError
        If there is no store that argdask made, or the metadata are not as they were
        written.
    """
    root = read_root(path / format_of(path).METADATA)
    if not is_sound(root):
        raise InputError(
            "store",
            str(path),
            "the metadata that were written there",
            f"if it was complete, mend it by `argdask repair {path}`",
        )
    return root


def _has_plan(path: Path, plan: Plan) -> bool:
    try:
        return read_plan(path).to_json() == plan.to_json()
    except InputError:
        return False


def read_attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a store.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        The attributes of its root.

    Raises
    ------
    InputError
        If there is no store that argdask made.
    """
    attributes: dict[str, Any] = read_root(path / format_of(path).METADATA)[
        "attributes"
    ]
    return attributes


def read_plan(path: Path) -> Plan:
    """Return the plan of a store.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    Plan
        The plan.

    Raises
    ------
    InputError
        If there is no store, or its plan does not fit its fingerprint.
    """
    return plan_in(read_attributes(path), path)


def plan_in(attributes: dict[str, Any], path: Path) -> Plan:
    """Return the plan among the attributes of a store.

    Parameters
    ----------
    attributes
        The attributes of its root.
    path
        The store.

    Returns
    -------
    Plan
        The plan.

    Raises
    ------
    InputError
        If the plan does not fit its fingerprint, or is of an unknown format.
    """
    plan = Plan.from_json(attributes["plan"])
    known = plan.format in FORMATS
    if plan.fingerprint != attributes.get("fingerprint") or not known:
        raise InputError(
            "store", str(path), "a plan with its own fingerprint", "remake the store"
        )
    return plan


def read_seds_of_store(path: Path) -> xr.DataArray:
    """Return the SED grid that a store carries, in memory.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    DataArray
        The grid (redshift, filter, template) [uJy].
    """
    return format_of(path).read_seds(path)


def simulation_of(path: Path, fingerprint: str) -> tuple[Simulation, Plan]:
    """Return what makes the galaxies of a store; a worker needs nothing else.

    Parameters
    ----------
    path
        The store.
    fingerprint
        Of the plan that is expected there.

    Returns
    -------
    tuple
        The simulation and the plan.

    Raises
    ------
    InputError
        If the store has another plan, or its grid or catalogue are not those it was
        planned with.
    """
    plan = read_plan(path)
    if plan.fingerprint != fingerprint:
        raise InputError(
            "store", str(path), "the plan that the run began with", "start again"
        )
    return _simulation_of(path, plan.to_json()), plan


@functools.lru_cache(maxsize=4)
def _simulation_of(path: Path, text: str) -> Simulation:
    """Make a simulation once for each plan: a path may get another store."""
    plan = Plan.from_json(text)
    with readable(path):
        seds = read_seds_of_store(path)
    if grids.content_hash(seds) != plan.seds:
        raise InputError(
            "store", str(path), "the SED grid it was planned with", "repair it"
        )
    with readable(path):
        table = None if plan.catalogue is None else format_of(path).read_table(path)
    if table is not None and table.content_hash() != plan.catalogue:
        raise InputError(
            "store", str(path), "the catalogue it was planned with", "repair it"
        )
    with readable(path):
        psfs = {} if plan.psfs is None else format_of(path).read_psfs(path)
    if not _are_planned(plan, psfs):
        raise InputError(
            "store", str(path), "the PSFs it was planned with", "repair it"
        )
    return Simulation(plan.recipe, seds, plan.scale, table=table, psfs=psfs)


def _are_planned(plan: Plan, psfs: Mapping[str, PSFImage]) -> bool:
    """Return whether images of PSFs are those of a plan, which may be none at all."""
    try:
        return hash_of_images(plan.recipe, psfs) == plan.psfs
    except KeyError:
        # Some of them are lost.
        return False


def make_piece(path: str | Path, fingerprint: str, kind: str, index: int) -> Receipt:
    """Make one piece of a store and write it; all that a worker is asked for.

    Parameters
    ----------
    path
        The store.
    fingerprint
        Of its plan.
    kind
        Either part (images) or block (truth columns).
    index
        Number of the part or block.

    Returns
    -------
    Receipt
        What was written, on disk by now.

    Raises
    ------
    InputError
        If the store has another plan, or one for pixels of another version.
    """
    began = time.perf_counter()
    place = Path(path)
    simulation, plan = simulation_of(place, fingerprint)
    check_version(plan)
    found = FORMATS[plan.format]
    start, stop = plan.rows_of((kind, index))
    tally = ""
    if kind == "part":
        written, counted = found.write_part(place, simulation, plan, index)
        tally = counted.to_text()
    else:
        written = found.write_block(place, simulation, plan, index)
    return Receipt(
        fingerprint=fingerprint,
        kind=kind,
        index=index,
        start=start,
        stop=stop,
        files=written,
        seconds=round(time.perf_counter() - began, 3),
        finished=round(time.time(), 3),
        environment=environment(),
        job=job_id(),
        tally=tally,
    )
