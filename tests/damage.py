"""What tests of damage share: small stores of each format, and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import argdask as ad
from argdask.store.formats import FORMATS, name_for
from argdask.store.listing import read_list

GALAXIES = 24
LAYOUT = {"part": 8, "chunk": 4}


def small(**choices: Any) -> ad.Recipe:
    """Return a recipe of 24 tiny galaxies in three parts."""
    given = {"galaxies": GALAXIES, "image_shape": (6, 6), "layout": LAYOUT}
    return ad.Recipe(**{**given, **choices})


def name_of_store(kind: str) -> str:
    """Return a name for which a new store gets a format."""
    names = ("pairs.zarr", "pairs.nc")
    return next(name for name in names if name_for(Path(name)) == kind)


def contents(path: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def files_of(path: Path, *piece: Any) -> list[str]:
    """Return the files of a piece of a complete store, or those of no piece."""
    wanted = piece or None
    found = [name for name, e in read_list(path).items() if e.piece == wanted]
    return [name for name in found if name != "spare.zip"]


def metadata_of(path: Path) -> str:
    """Return the name of the file with the metadata of a store's root."""
    return next(f.METADATA for f in FORMATS.values() if (path / f.METADATA).is_file())


def flip(file: Path, position: int = -50, change: int = 1) -> None:
    """Change one byte of a file."""
    data = bytearray(file.read_bytes())
    data[position % len(data)] ^= change
    file.write_bytes(data)
