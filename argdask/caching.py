"""Things that are slow to make once: where they are kept, and compiled kernels."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import stat
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba

from argdask.interrupts import unbroken

__all__ = ["cache_folder", "compiled"]

P = ParamSpec("P")
R = TypeVar("R")

# Everything in these files can end up inside a compiled kernel.
_KERNEL_SOURCES = (
    "brightest.py",
    "caching.py",
    "convolution.py",
    "cubes.py",
    "edges.py",
    "elementary.py",
    "errors.py",
    "frames.py",
    "hankel.py",
    "hashing.py",
    "interpolation.py",
    "interrupts.py",
    "kernels.py",
    "noise.py",
    "orientations.py",
    "outskirts.py",
    "profiles.py",
    "psf.py",
    "resampling.py",
    "rounding.py",
    "statistics_kernels.py",
    "streams.py",
    "tracks.py",
    "transfers.py",
    "transforms.py",
    "vectors.py",
    "waves.py",
)


@functools.cache
def cache_folder() -> Path | None:
    """Return a private folder for files that may be thrown away at any time.

    Returns
    -------
    Path or None
        The first of ``$ARGDASK_CACHE``, ``$XDG_CACHE_HOME/argdask``,
        ``~/.cache/argdask`` and a folder under the temporary directory that can be
        written and that nobody else can write to; None where there is none.
    """
    given = os.environ.get("ARGDASK_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    candidates = [
        Path(given).absolute() if given else None,
        Path(base) / "argdask" if base else None,
        Path(os.path.expanduser("~")) / ".cache" / "argdask",  # noqa: PTH111 - Path.home raises without a home
        Path(tempfile.gettempdir()) / f"argdask-{os.getuid()}",
    ]
    return next((found for found in candidates if found and _is_private(found)), None)


def _is_private(folder: Path) -> bool:
    """Whether the folder can be written by this user and by nobody else."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return False
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not others and os.access(folder, os.W_OK)


@functools.cache
def _kernel_cache() -> str | None:
    """Return the folder of compiled kernels, named by all that they depend on.

    numba itself looks only at the file that holds a function, so that an edit in a
    file it calls would bring back old machine code.
    """
    folder = cache_folder()
    if folder is None:
        return None
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for name in _KERNEL_SOURCES:
        source = here / name
        digest.update(source.read_bytes() if source.exists() else b"")
    for package in ("numba", "llvmlite", "numpy"):
        digest.update(metadata.version(package).encode())
    digest.update(f"{sys.version}{platform.machine()}".encode())
    return str(folder / "kernels" / digest.hexdigest()[:24])


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel with numba, without the GIL, and keep the machine code.

    Parameters
    ----------
    function
        A function of numbers and arrays. Products and sums may be contracted to fused
        operations, which is the same on one kind of machine whatever the batch.

    Returns
    -------
    Callable
        The compiled function.
    """
    folder = _kernel_cache()
    settings: Any = numba.config
    kept = settings.CACHE_DIR
    if folder is not None:
        settings.CACHE_DIR = folder
    try:
        kernel: Any = numba.njit(
            nogil=True,
            cache=folder is not None,
            error_model="numpy",
            fastmath={"contract", "nsz", "arcp"},
        )(function)
    finally:
        settings.CACHE_DIR = kept
    # LLVM asks Python whether it knows the code, and crashes when that is broken off.
    kernel.compile = unbroken(kernel.compile)
    made: Callable[P, R] = kernel
    return made
