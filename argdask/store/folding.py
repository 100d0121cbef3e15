"""Where a store is extended, and whether that is being folded in."""

from __future__ import annotations

import os
from pathlib import Path

from argdask.errors import InputError
from argdask.store.formats import FORMATS
from argdask.store.work import read_attributes

__all__ = ["has_root", "is_folding", "staging_of"]

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


def has_root(path: Path) -> bool:
    """Return whether there is the metadata of a store's root.

    Parameters
    ----------
    path
        Where a store is, or is not.

    Returns
    -------
    bool
        True of any format, sound or not.
    """
    return any((path / found.METADATA).is_file() for found in FORMATS.values())


def is_folding(store: Path) -> bool:
    """Return whether an extension was broken off while it was folded in.

    Parameters
    ----------
    store
        The store.

    Returns
    -------
    bool
        Whether its files may lie at either place.
    """
    staging = staging_of(store)
    if not (store.exists() and has_root(staging)):
        return False
    return bool(read_attributes(staging).get("state") == "complete")
