"""What a command that was cut off left beside a store that is not there."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from argdask.errors import InputError

__all__ = ["refuse_replaced"]


def refuse_replaced(store: Path) -> None:
    """See that no store was set aside for another one that was never begun.

    Parameters
    ----------
    store
        Where a store is, or is not.

    Raises
    ------
    InputError
        If nothing is there, and a store that was set aside is beside it.
    """
    if store.exists() or not store.parent.is_dir():
        return
    named = re.compile(rf"{re.escape(store.name)}\.[0-9a-f]{{32}}\.replaced")
    beside: list[Path] = []
    # Who may not look what is there cannot be told of it.
    with contextlib.suppress(OSError):
        beside = sorted(store.parent.iterdir())
    for aside in beside:
        if named.fullmatch(aside.name):
            raise InputError(
                "store",
                str(store),
                f"a store; --overwrite was cut off when the old one was {aside.name}",
                f"bring it back by `mv {aside} {store}`, or go on with --overwrite",
            )
