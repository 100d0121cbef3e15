"""Attributes of a store's root: what tells of the store, what of the pairs in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google_crc32c

from argdask.errors import IncompleteError, InputError
from argdask.pair_labels import attributes_of
from argdask.simulation import Simulation
from argdask.store.leftovers import refuse_replaced
from argdask.store.plan import Plan

__all__ = [
    "CHECKSUMS_CHECKSUM",
    "METADATA_CHECKSUM",
    "OF_THE_STORE",
    "checksum_of_root",
    "is_sound",
    "no_store",
    "plain_bytes",
    "read_root",
    "readable",
    "root_attributes",
    "sealed_bytes",
    "unsealed",
]

# CRC-32C of the list of checksums, and of the root's metadata without this attribute.
CHECKSUMS_CHECKSUM = "checksums_crc32c"
METADATA_CHECKSUM = "metadata_crc32c"

# Attributes of the root that tell of the store rather than of the pairs in it.
OF_THE_STORE = frozenset(
    {
        *("plan", "fingerprint", "state", "environments"),
        *(CHECKSUMS_CHECKSUM, METADATA_CHECKSUM),
    }
)


def root_attributes(simulation: Simulation, plan: Plan) -> dict[str, Any]:
    """Return the attributes that a store without galaxies begins with.

    Parameters
    ----------
    simulation
        What will make the galaxies.
    plan
        How the store is laid out.

    Returns
    -------
    dict
        Text and numbers only.
    """
    return {
        **attributes_of(simulation),
        "fingerprint": plan.fingerprint,
        "plan": plan.to_json(),
        "state": "incomplete",
    }


def read_root(file: Path) -> dict[str, Any]:
    """Read the metadata of a store's root.

    Parameters
    ----------
    file
        The JSON file that holds it.

    Returns
    -------
    dict
        The metadata, with the attributes under their own key.

    Raises
    ------
    InputError
        If there is no store that argdask made.
    """
    try:
        root = json.loads(file.read_text("utf-8"))
        found = "plan" in root["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        found = False
    if not found or not isinstance(root["attributes"], dict):
        refuse_replaced(file.parent)
        raise no_store(file.parent)
    return dict(root)


def no_store(path: Path, cure: str = "check the path") -> InputError:
    """Say that there is no store at a path.

    Parameters
    ----------
    path
        The path.
    cure
        What to do about it.

    Returns
    -------
    InputError
        What to raise.
    """
    found = str(path)
    if not path.is_dir():
        found += " (a file)" if path.exists() else " (no such folder)"
    return InputError("store", found, "a store that argdask made", cure)


def checksum_of_root(root: dict[str, Any]) -> int:
    """Return the CRC-32C of the root's metadata.

    Parameters
    ----------
    root
        The metadata.

    Returns
    -------
    int
        Over all of it but the attribute that holds the checksum.
    """
    attributes = {k: v for k, v in root["attributes"].items() if k != METADATA_CHECKSUM}
    text = json.dumps({**root, "attributes": attributes}, sort_keys=True)
    return int(google_crc32c.value(text.encode()))


def is_sound(root: dict[str, Any]) -> bool:
    """Return whether the root's metadata have the checksum that they hold.

    Parameters
    ----------
    root
        The metadata.

    Returns
    -------
    bool
        False where they hold none, too.
    """
    return bool(root["attributes"].get(METADATA_CHECKSUM) == checksum_of_root(root))


def unsealed(root: dict[str, Any]) -> dict[str, Any]:
    """Return the root's metadata without its two checksums.

    Parameters
    ----------
    root
        The metadata.

    Returns
    -------
    dict
        What `sealed_bytes` takes.
    """
    checksums = (CHECKSUMS_CHECKSUM, METADATA_CHECKSUM)
    kept = {k: v for k, v in root["attributes"].items() if k not in checksums}
    return {**root, "attributes": kept}


def plain_bytes(root: dict[str, Any]) -> bytes:
    """Return the root's metadata as it stands on disk.

    Parameters
    ----------
    root
        The metadata.

    Returns
    -------
    bytes
        JSON; the only bytes for this metadata in this order.
    """
    return json.dumps(root, indent=2).encode()


def sealed_bytes(root: dict[str, Any], checksums: int) -> bytes:
    """Return the root's metadata as it stands on disk in a complete store.

    Parameters
    ----------
    root
        The metadata without its checksums.
    checksums
        CRC-32C of the list of checksums.

    Returns
    -------
    bytes
        JSON, with both checksums.
    """
    attributes = {**root["attributes"], CHECKSUMS_CHECKSUM: checksums}
    whole = {**root, "attributes": attributes}
    attributes[METADATA_CHECKSUM] = checksum_of_root(whole)
    return plain_bytes(whole)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Tell a store that is damaged from a mistake of our own.

    Parameters
    ----------
    path
        The store that is read.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    InputError
        If the store cannot be read.
    """
    try:
        yield
    except (InputError, IncompleteError):
        raise
    except Exception as error:  # what reads a damaged store can raise anything
        raise InputError(
            "store",
            str(path),
            f"files that can be read ({type(error).__name__}: {error})",
            f"mend it by `argdask repair {path}`",
        ) from error
