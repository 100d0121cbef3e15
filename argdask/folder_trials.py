"""What a folder can do that stores need, tried out in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from argdask.store import files

__all__ = ["FolderTrials"]

_BLOCK = 2**22
# How many small files are made at most, and for how long [s].
_FILES, _SECONDS = 200, 3.0


class FolderTrials:
    """Trials in a folder, below one of its own that is deleted in the end.

    Parameters
    ----------
    folder
        Where to try.

    Raises
    ------
    OSError
        If the folder, or what is tried, cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._place = folder / f".argdask-doctor-{uuid.uuid4().hex}"

    def __enter__(self) -> Self:
        self._place.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._place, ignore_errors=True)

    def write_speed(self, size: int) -> float:
        """Write a file as parts are written, whole and synced.

        Parameters
        ----------
        size
            Its size [bytes].

        Returns
        -------
        float
            Speed [bytes / s].
        """
        # No file system makes less of this than it is.
        block = os.urandom(_BLOCK)
        began = time.perf_counter()
        with files.whole_file(self._place / "large") as whole:
            while whole.size < size:
                whole.write(block)
        seconds = time.perf_counter() - began
        (self._place / "large").unlink()
        return whole.size / max(seconds, 1e-9)

    def files_per_second(self) -> float:
        """Return how many small files are made in a second, each synced and renamed."""
        began = time.perf_counter()
        for made in range(1, _FILES + 1):
            with files.whole_file(self._place / f"small-{made}") as whole:
                whole.write(b"small")
            seconds = time.perf_counter() - began
            if seconds > _SECONDS:
                break
        return made / max(seconds, 1e-9)

    def rename_folder(self) -> None:
        """Give a folder with a file another name, as a new store is given its name.

        Raises
        ------
        OSError
            If that is refused, or the file is not there then.
        """
        before, after = self._place / "before", self._place / "after"
        before.mkdir()
        with files.whole_file(before / "file") as whole:
            whole.write(b"whole")
        files.sync_tree(before)
        before.rename(after)
        files.sync(self._place)
        if before.exists() or (after / "file").read_bytes() != b"whole":
            raise OSError(None, "a renamed folder is not what it was")

    def locks_work(self) -> bool:
        """Return whether a lock on a file keeps another opener of it out."""
        path = self._place / "locked"
        path.touch()
        with path.open("rb") as first, path.open("rb") as second:
            try:
                fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
