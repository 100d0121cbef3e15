"""More galaxies for a complete store: made beside it, then folded in."""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from argdask.errors import InputError
from argdask.store import closing, files
from argdask.store.attributes import CHECKSUMS_CHECKSUM
from argdask.store.condition import spare_list
from argdask.store.folding import has_root, is_folding, staging_of
from argdask.store.formats import format_of
from argdask.store.listing import CHECKSUMS, Entry, from_bytes, read_list, to_bytes
from argdask.store.plan import Piece, Plan
from argdask.store.receipts import Receipt, remove_receipts
from argdask.store.tallies import TALLIES
from argdask.store.work import plan_in, read_attributes, read_plan, sound_root

__all__ = ["finish_fold", "fold", "staged_plan"]

# Names of files of the old set that the new one does not have.
_OBSOLETE = "obsolete.txt"


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
    if not has_root(staging):
        return None
    staged = plan_in(sound_root(staging)["attributes"], staging)
    stored = read_plan(store)
    others = set(staged.differences(stored)) - {"catalogue"}
    if others or staged.galaxies <= stored.galaxies:
        raise InputError(
            "store",
            str(staging),
            f"an extension of {store}",
            "that of another store was left there: delete it",
        )
    return staged


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
        If a file of the old set is missing or not as it was written.
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
    with closing.alone(store):
        # Another process may have closed it meanwhile, and folded it in as well.
        if not is_folding(store):
            attributes = sound_root(store)["attributes"]
            before = plan_in(attributes, store).galaxies
            if before < plan.galaxies:
                again = set(plan.pieces(before))
                kept = _kept_of(store, attributes, again)
                closing.finalise(staging, plan, receipts, kept)
    finish_fold(store)


def _kept_of(
    store: Path, attributes: dict[str, Any], again: set[Piece]
) -> closing.Kept:
    """Look at what stays of the old set: all but the pieces that are made again."""
    kept = _sound_list(store, attributes)
    # All but the tallies is looked at by size only: it may be of any size.
    told = kept[TALLIES].record
    tallies = (store / TALLIES).read_bytes() if (store / TALLIES).is_file() else b""
    if files.record_of_bytes(tallies) != told:
        raise _not_whole(store, TALLIES)
    entries = {
        name: one
        for name, one in kept.items()
        if one.piece is not None and one.piece not in again
    }
    for name, one in entries.items():
        file = store / name
        if not (file.is_file() and file.stat().st_size == one.record.size):
            raise _not_whole(store, name)
    made_by = json.loads(attributes["environments"])
    texts = [json.dumps(environment, sort_keys=True) for environment in made_by]
    return closing.Kept(entries, texts, tallies)


def _not_whole(store: Path, name: str) -> InputError:
    return InputError(
        "store",
        str(store),
        f"the whole file {name}",
        f"mend it by `argdask repair {store}`",
    )


def finish_fold(store: Path) -> None:
    """Go on with a fold that was begun, and leave nothing of it; else do nothing.

    Parameters
    ----------
    store
        The store.

    Raises
    ------
    InputError
        If something is missing of the extension without which it cannot be finished.
        Nothing is changed then.
    """
    staging = staging_of(store)
    if not (store.exists() and staging.exists()):
        return
    with closing.alone(store):
        if has_root(staging):
            if read_attributes(staging).get("state") != "complete":
                return
            _move(store, staging)
        if staging.exists():
            _refuse_lost(store, staging)
            _clean(store, staging)
    remove_receipts(staging)


def _sound_list(path: Path, attributes: dict[str, Any]) -> dict[str, Entry]:
    """Read the list of a complete store, and refuse one that is not its root's."""
    listed = (path / CHECKSUMS).read_bytes() if (path / CHECKSUMS).is_file() else b""
    if files.record_of_bytes(listed).crc32c != attributes[CHECKSUMS_CHECKSUM]:
        raise InputError(
            "store",
            str(path),
            "the list of checksums that was written there",
            f"mend it by `argdask repair {path}`",
        )
    return from_bytes(listed)


def _list_of_fold(store: Path, staging: Path, root: dict[str, Any]) -> bytes:
    """Find the list of the whole set, which may be at either place, or spare."""
    found = []
    for place in (staging, store):
        if (place / CHECKSUMS).is_file():
            found.append((place / CHECKSUMS).read_bytes())
    for place in (staging, store):
        copy = spare_list(place)
        if copy is not None:
            found.append(to_bytes(copy))
    for listed in found:
        wanted = root["attributes"][CHECKSUMS_CHECKSUM]
        if files.record_of_bytes(listed).crc32c == wanted:
            return listed
    raise InputError(
        "store",
        str(staging),
        f"its {CHECKSUMS}, or a spare copy",
        "bring it back; or delete the folder, and the extension with it, and mend the "
        f"store by `argdask repair {store}`",
    )


def _move(store: Path, staging: Path) -> None:
    """Rename files into the store: of galaxies, then of metadata, list, root."""
    metadata = format_of(staging).METADATA
    listed = _list_of_fold(store, staging, sound_root(staging))
    new = from_bytes(listed)
    if not (staging / _OBSOLETE).exists():
        # Of a list that is damaged nobody can say what the new set lacks.
        with contextlib.suppress(InputError):
            gone = sorted(set(read_list(store)) - set(new))
            with files.whole_file(staging / _OBSOLETE) as whole:
                whole.write("".join(f"{name}\n" for name in gone).encode())
    # What no piece made comes after the galaxies that it tells of.
    names = sorted(new, key=lambda name: (new[name].piece is None, name))
    _rename(store, staging, names)
    with files.whole_file(store / CHECKSUMS) as whole:
        whole.write(listed)
    (staging / CHECKSUMS).unlink(missing_ok=True)
    _rename(store, staging, [metadata])


def _refuse_lost(store: Path, staging: Path) -> None:
    """See that what is left is not needed: the root was moved, rather than lost."""
    left = set(files.files_below(staging)) - {_OBSOLETE}
    if not left:
        return
    known = read_list(store)
    # A writer that came late made a piece again that is in the store by now.
    again = {
        name
        for name in left & set(known)
        if files.record_of(staging / name) == known[name].record
        and (store / name).is_file()
        and (store / name).stat().st_size == known[name].record.size
    }
    if left - again:
        raise InputError(
            "store",
            str(staging),
            "an extension with its metadata",
            "bring them back, or delete the folder, and the extension with it",
        )


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
