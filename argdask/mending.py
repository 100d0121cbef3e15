"""Mending a store: wrong pieces are made again, other files come from spare copies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from argdask.driver import Count, Opener, Progress, drive, reached
from argdask.errors import IncompleteError, InputError
from argdask.places import store_at
from argdask.repaired import Repaired
from argdask.skeletons import Skeleton
from argdask.store import closing, files
from argdask.store.attributes import (
    CHECKSUMS_CHECKSUM,
    METADATA_CHECKSUM,
    checksum_of_root,
    plain_bytes,
)
from argdask.store.condition import Condition, condition_of
from argdask.store.listing import CHECKSUMS, Entry, to_bytes
from argdask.store.pieces import statistics_of_nothing
from argdask.store.pixel_statistics import is_of_statistics, made_again
from argdask.store.plan import Piece, Plan, check_pixels
from argdask.store.receipts import done_receipts, remove_receipts
from argdask.store.staging import finish_fold
from argdask.store.work import simulation_of

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["mend_sizes", "repair"]


def repair(
    path: str | Path,
    *,
    seds: xr.DataArray | None = None,
    catalogue: Any = None,
    client: Client | Opener | None = None,
    progress: Progress | None = None,
    remove_foreign: bool = False,
    new_checksums: bool = False,
) -> Repaired:
    """Mend a complete store: every byte becomes what was recorded.

    Wrong pieces are made again, all other files come from spare copies. What is stopped
    on the way is finished by the same call.

    Parameters
    ----------
    path
        The store.
    seds
        The SED grid that it was made with, if both copies in the store are lost.
    catalogue
        The user's catalogue that it was made with, if both copies are lost.
    client
        A dask client, or what opens one, as for `argdask.write`.
    progress
        Called with the number of galaxies made so far and of all that are made.
    remove_foreign
        Delete files that are no part of the store.
    new_checksums
        Where another machine or version gives other bytes than recorded, record them.

    Returns
    -------
    Repaired
        What was mended, and what could not be.

    Raises
    ------
    InputError
        If there is no store, it may not be written, or `seds` or `catalogue` are not
        those that it was made with.
    IncompleteError
        If the store is not finished, or pieces could not be made.
    """
    place = store_at(path)
    # An extension that was broken off while it was folded in looks like damage.
    finish_fold(place)
    condition = condition_of(place)
    if condition is None:
        raise IncompleteError(
            f"{place}: it is not finished; `argdask generate {path}` goes on with it"
        )
    done = Repaired(str(path), foreign=list(condition.foreign))
    done.lost += [f"{name} may not be read by you" for name in condition.refused]
    if condition.wrong or condition.unnamed:
        _mend(condition, (seds, catalogue), done, client, progress, new_checksums)
    if done.foreign and remove_foreign:
        _refuse_unwritable(place, done.foreign)
        for name in done.foreign:
            (place / name).unlink(missing_ok=True)
        done.removed, done.foreign = done.foreign, []
    return done


def mend_sizes(
    place: Path,
    *,
    seds: xr.DataArray | None = None,
    catalogue: Any = None,
    client: Client | Opener | None = None,
    progress: Progress | None = None,
    pieces: bool = True,
) -> int:
    """Mend what a look at sizes alone shows, before a run goes on with a store.

    Parameters
    ----------
    place
        The store; nothing is done if it is not complete.
    seds, catalogue, client, progress
        As for `repair`.
    pieces
        Whether to make pieces again, too, rather than only restore all other files.

    Returns
    -------
    int
        Galaxies whose images were made again.

    Raises
    ------
    InputError
        If something cannot be mended.
    """
    condition = condition_of(place, contents=False) if place.exists() else None
    if condition is None:
        return 0
    if not pieces:
        wrong = condition.wrong
        kept = {n: told for n, told in wrong.items() if not condition.is_piece(n)}
        condition = replace(condition, wrong=kept)
    if not condition.wrong or (condition.entries is None and not pieces):
        return 0
    done = Repaired(str(place))
    _mend(condition, (seds, catalogue), done, client, progress)
    for reason in [*done.lost, *(f"{name} has other bytes" for name in done.differing)]:
        raise InputError(
            "store",
            str(place),
            f"a store that can be mended ({reason})",
            f"see `argdask repair {place}`",
        )
    return done.galaxies


def _mend(
    condition: Condition,
    inputs: tuple[xr.DataArray | None, Any],
    done: Repaired,
    client: Client | Opener | None,
    progress: Progress | None,
    new_checksums: bool = False,
) -> None:
    place = condition.path
    _refuse_unwritable(place, condition.wrong)
    with closing.alone(place):
        closing.sweep(place)
        mending = _Mending(condition, inputs, done, new_checksums=new_checksums)
        mending.run(client, progress)
    remove_receipts(place)
    done.restored = sorted(set(done.restored))


def _refuse_unwritable(place: Path, names: Iterable[str]) -> None:
    folders = {place, *((place / name).parent for name in names)}
    for folder in sorted(folders):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(
                "store", str(folder), "a folder that you may write", "ask its owner"
            )
        # A link to a folder may lead anywhere.
        if folder != place and not folder.resolve().is_relative_to(place.resolve()):
            raise InputError(
                "store",
                str(folder),
                "a folder in the store",
                "it is a link that leads outside; move its files back",
            )


class _Mending:
    """One repair under way."""

    def __init__(
        self,
        condition: Condition,
        inputs: tuple[xr.DataArray | None, Any],
        done: Repaired,
        *,
        new_checksums: bool,
    ) -> None:
        self._condition, self._done = condition, done
        self._new_checksums = new_checksums
        self._place, self._metadata = condition.path, condition.metadata
        self._skeleton = Skeleton(condition, *inputs)
        self._entries = dict(condition.entries or {})
        # Of which no copy is left, but the images that they are made from.
        self._statistics = condition.entries is None

    def run(self, client: Client | Opener | None, progress: Progress | None) -> None:
        """Mend what can be mended, and say what cannot."""
        try:
            self._mend(client, progress)
        except InputError as error:
            # What was brought may not be what is needed.
            if error.field not in ("store", "images"):
                raise
            self._done.lost.append(str(error))
        finally:
            self._skeleton.remove()

    def _mend(self, client: Client | Opener | None, progress: Progress | None) -> None:
        condition = self._condition
        plan = self._skeleton.plan
        self._restore_files()
        root = condition.root or self._root_again()
        known = dict(self._entries)
        seals = not condition.unnamed and condition.wrong.keys() & condition.sealed
        if condition.entries is None:
            # Nobody knows any more which piece is as it was: all are made again.
            pieces = list(plan.pieces())
            self._write(self._metadata, plain_bytes(root))
        else:
            pieces = condition.pieces + condition.unnamed
            if seals and not self._statistics:
                self._seal(root)
        if pieces:
            self._make(plan, pieces, root, client, progress)
        if self._statistics:
            self._make_statistics(plan)
        if self._entries != known or (seals and self._statistics):
            self._seal(root)

    def _restore_files(self) -> None:
        """Write again what is no piece's, from spare copies or else from the plan."""
        for name in self._files_to_restore():
            entry = self._entries.get(name)
            copy = self._condition.spare.get(name)
            found = None if copy is None else files.record_of_bytes(copy)
            if entry is None or copy is None or found != entry.record:
                late = is_of_statistics(self._skeleton.plan, name)
                there = not late or name in self._skeleton.names()
                copy = self._skeleton.read(name) if there else b""
                found = files.record_of_bytes(copy)
                if late and entry is not None and found != entry.record:
                    self._statistics = True
                    continue
            if entry is None or self._new_checksums:
                self._entries[name] = entry = Entry(found)
            if found != entry.record:
                self._done.differing.append(name)
            self._write(name, copy)

    def _files_to_restore(self) -> list[str]:
        if self._condition.entries is None:
            return self._skeleton.names()
        return sorted(
            name
            for name in self._condition.wrong.keys() - self._condition.sealed
            if self._entries[name].piece is None
        )

    def _write(self, name: str, data: bytes) -> None:
        place = self._place / name
        if place.is_file() and place.read_bytes() == data:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        with files.whole_file(place) as whole:
            whole.write(data)
        self._done.restored.append(name)

    def _root_again(self) -> dict[str, Any]:
        """Make the root's metadata of which no whole copy is left."""
        stored = (self._condition.stored or {}).get("attributes", {})
        root = self._skeleton.root()
        environments = stored.get("environments")
        root["attributes"].update({"state": "complete", "environments": environments})
        checksums = {CHECKSUMS_CHECKSUM: stored.get(CHECKSUMS_CHECKSUM)}
        whole = {**root, "attributes": {**root["attributes"], **checksums}}
        if checksum_of_root(whole) == stored.get(METADATA_CHECKSUM):
            return root
        if self._new_checksums and _environments_in(root) is not None:
            return root
        raise InputError(
            "store",
            str(self._place),
            f"one whole copy of {self._metadata}",
            "make the store again, or record what is there: --new-checksums",
        )

    def _make(
        self,
        plan: Plan,
        pieces: list[Piece],
        root: dict[str, Any],
        client: Client | Opener | None,
        progress: Progress | None,
    ) -> None:
        """Make pieces again and compare their files with what is recorded."""
        simulation, _ = simulation_of(self._place, plan.fingerprint)
        check_pixels(simulation, plan)
        for name, entry in self._entries.items():
            if entry.piece is not None and name in self._condition.wrong:
                (self._place / name).parent.mkdir(parents=True, exist_ok=True)
        rows = [plan.rows_of_part(index) for kind, index in pieces if kind == "part"]
        galaxies = sum(stop - start for start, stop in rows)
        # Truth columns alone are no progress that could be shown.
        count = Count(0, galaxies, progress if galaxies else None)
        # Receipts of an earlier run would tell of other files.
        remove_receipts(self._place)
        with reached(client, len(pieces)) as workers:
            drive(self._place, plan, pieces, workers, count)
        self._done.galaxies += galaxies
        self._done.pieces += pieces
        for receipt in done_receipts(self._place, plan):
            piece = receipt.kind, receipt.index
            for name, record in receipt.files.items():
                known = self._entries.get(name)
                if known is not None and known.record == record:
                    continue
                if known is None or self._new_checksums:
                    # Statistics are those of the images that are recorded now.
                    self._statistics |= known is not None and receipt.kind == "part"
                    number = _number_of(root, receipt.environment)
                    self._entries[name] = Entry(record, number, piece)
                else:
                    self._done.differing.append(name)

    def _make_statistics(self, plan: Plan) -> None:
        """Make the statistics of pixels again from the images."""
        simulation, _ = simulation_of(self._place, plan.fingerprint)
        labels = statistics_of_nothing(simulation, plan)
        unknown = self._condition.entries is None or self._new_checksums
        for name, data in made_again(self._place, plan, labels).items():
            record, entry = files.record_of_bytes(data), self._entries.get(name)
            if entry is None or unknown:
                self._entries[name] = Entry(record)
            elif entry.record != record:
                self._done.differing.append(name)
            self._write(name, data)

    def _seal(self, root: dict[str, Any]) -> None:
        """Write spare copies, list and root, if they are what was recorded."""
        if self._done.differing:
            return
        where = self._place, self._metadata, root
        entries = closing.write_copies(*where, self._entries)
        found = files.record_of_bytes(to_bytes(entries)).crc32c
        if self._condition.expected not in (None, found) and not self._new_checksums:
            self._done.differing.append(CHECKSUMS)
            return
        closing.seal(*where, entries)
        self._done.restored += sorted(
            self._condition.sealed & self._condition.wrong.keys()
        )


def _environments_in(root: dict[str, Any]) -> list[dict[str, str]] | None:
    try:
        found = json.loads(root["attributes"]["environments"])
    except (ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found, list) else None


def _number_of(root: dict[str, Any], environment: dict[str, str]) -> int:
    """Return the number of an environment; a new one is added."""
    known = _environments_in(root) or []
    if environment not in known:
        known.append(environment)
        root["attributes"]["environments"] = json.dumps(known, sort_keys=True)
    return known.index(environment)
