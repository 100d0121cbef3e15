"""Paths as users give them."""

from __future__ import annotations

from pathlib import Path

from argdask.errors import InputError

__all__ = ["place_of", "store_at"]


def place_of(path: object, field: str = "store") -> Path:
    """Return a path that a user gave, with a home folder in the place of ``~``.

    Parameters
    ----------
    path
        Text or a path.
    field
        What it is called in a message.

    Returns
    -------
    Path
        Relative if it was given so.

    Raises
    ------
    InputError
        If it is neither, or empty, or of a user who is not known.
    """
    cure = "give its name"
    if isinstance(path, Path) or (isinstance(path, str) and path):
        try:
            return Path(path).expanduser()
        except RuntimeError:
            cure = "there is no such user; write ./~ for a name that begins so"
    value = "nothing" if path in ("", None) else path
    raise InputError(field, value, "a path, as text or Path", cure)


def store_at(path: object) -> Path:
    """Return the absolute place of a store, which is there or shall be.

    Parameters
    ----------
    path
        Text or a path.

    Returns
    -------
    Path
        Without links.

    Raises
    ------
    InputError
        If it is no path, or one that no store can have.
    """
    place = place_of(path).resolve()
    if not place.name:
        cure = f"add one, {place / 'pairs.zarr'}"
        raise InputError("store", str(path), "a store's name below a folder", cure)
    return place
