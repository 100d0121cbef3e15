"""More galaxies for a complete store: made beside it, then folded in."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path

from argdask.errors import InputError
from argdask.store import closing, files
from argdask.store.formats import FORMATS, format_of
from argdask.store.listing import CHECKSUMS, read_list
from argdask.store.plan import Plan
from argdask.store.receipts import Receipt, remove_receipts
from argdask.store.work import read_attributes, read_plan

__all__ = ["finish_fold", "fold", "staged_plan", "staging_of"]

# Names of files of the old set that the new one does not have.
_OBSOLETE = "obsolete.txt"

# Of 255 that a file system takes, the longest addition is 61: the receipts of an
# extension while they are being deleted.
_LONGEST_NAME = 190


def staging_of(store: Path) -> Path:
    """Return where the pieces are made by which a store is extended.

    Parameters
    ----------
    store
        The store.

    Returns
    -------
    Path
        An incomplete store beside it.

    Raises
    ------
    InputError
        If the store's name leaves no room for the longer names of what lies beside it.
    """
    if len(os.fsencode(store.name)) > _LONGEST_NAME:
        expected = f"a name of at most {_LONGEST_NAME} bytes"
        raise InputError("store", store.name, expected, "choose a shorter one")
    return store.with_name(f"{store.name}.extension")


def staged_plan(store: Path) -> Plan | None:
    """Return the plan to which a store is being extended.

    Parameters
    ----------
    store
        The store, complete.

    Returns
    -------
    Plan or None
        None where there is no extension under way.

    Raises
    ------
    InputError
        If what lies there is no extension of this store.
    """
    staging = staging_of(store)
    if not _has_root(staging):
        return None
    staged, stored = read_plan(staging), read_plan(store)
    others = set(staged.differences(stored)) - {"catalogue"}
    if others or staged.galaxies <= stored.galaxies:
        raise InputError(
            "store",
            str(staging),
            f"an extension of {store}",
            "that of another store was left there: delete it",
        )
    return staged


def _has_root(path: Path) -> bool:
    return any((path / found.METADATA).is_file() for found in FORMATS.values())


def fold(store: Path, plan: Plan, receipts: list[Receipt]) -> None:
    """Commit an extension of which all pieces are made.

    Parameters
    ----------
    store
        The store.
    plan
        The plan to which it is extended.
    receipts
        One receipt for each piece of the extension.

    Raises
    ------
    InputError
        If a file of the old set is missing.
    IncompleteError
        If a piece has no receipt.

    Notes
    -----
    First the staging store gets the list and the root of the whole set, which decides
    it: from then on files are only renamed, and any later run goes on with that. The
    root of the store comes last. Readers of the old set find its metadata in the old
    root, and its galaxies in files that have the same rows first.
    """
    staging = staging_of(store)
    if read_attributes(staging).get("state") != "complete":
        first = read_plan(store).galaxies
        kept = {n: one for n, one in read_list(store).items() if one.piece is not None}
        again = {name for receipt in receipts for name in receipt.files}
        for name, one in kept.items():
            file = store / name
            if name not in again and not (
                file.is_file() and file.stat().st_size == one.record.size
            ):
                raise InputError(
                    "store",
                    str(store),
                    f"the whole file {name}",
                    f"mend it by `argdask repair {store}`",
                )
        made_by = json.loads(read_attributes(store)["environments"])
        texts = [json.dumps(environment, sort_keys=True) for environment in made_by]
        closing.finalise(staging, plan, receipts, closing.Kept(kept, texts), first)
    finish_fold(store)


def finish_fold(store: Path) -> None:
    """Go on with a fold that was begun, and leave nothing of it; else do nothing.

    Parameters
    ----------
    store
        The store.
    """
    staging = staging_of(store)
    if not staging.exists():
        return
    with closing.alone(store):
        if _has_root(staging):
            if read_attributes(staging).get("state") != "complete":
                return
            _move(store, staging)
        if staging.exists():
            _clean(store, staging)
    remove_receipts(staging)


def _move(store: Path, staging: Path) -> None:
    """Rename files into the store: of galaxies, then of metadata, list, root."""
    metadata = format_of(staging).METADATA
    if (staging / CHECKSUMS).exists():
        new = read_list(staging)
        gone = sorted(set(read_list(store)) - set(new))
        with files.whole_file(staging / _OBSOLETE) as whole:
            whole.write("".join(f"{name}\n" for name in gone).encode())
        # What no piece made comes after the galaxies that it tells of.
        names = sorted(new, key=lambda name: (new[name].piece is None, name))
        _rename(store, staging, names)
    _rename(store, staging, [CHECKSUMS])
    _rename(store, staging, [metadata])


def _rename(store: Path, staging: Path, names: list[str]) -> None:
    folders = set()
    for name in names:
        source, target = staging / name, store / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
            folders |= {target.parent, target.parent.parent}
    for folder in folders:
        files.sync(folder)


def _clean(store: Path, staging: Path) -> None:
    """Delete what the new set does not have, and what is left of the staging store."""
    if (staging / _OBSOLETE).exists():
        for name in (staging / _OBSOLETE).read_text("utf-8").splitlines():
            if files.is_inside(name):
                (store / name).unlink(missing_ok=True)
    # A name by which it is known for a leftover, whenever the deletion is cut off.
    leftover = f"{staging.name}.{uuid.uuid4().hex}{files.PARTIAL}"
    shutil.rmtree(staging.rename(staging.with_name(leftover)), ignore_errors=True)
