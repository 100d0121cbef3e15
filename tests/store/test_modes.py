"""Owners and modes follow the umask and the folder, at every moment."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from other_user import OTHER_USER, RunAsAnother

GROUP = 54322

SCRIPT = """
import json, os, sys
from pathlib import Path
import argdask as ad

folder, mask = Path(sys.argv[1]), int(sys.argv[2], 8)
os.umask(mask)
layout = {"part": 8, "chunk": 4}
seen = {}


def look(*_):
    for path in (folder, *folder.rglob("*")):
        status = path.stat()
        seen[str(path)] = [status.st_mode, status.st_uid, status.st_gid]


def recipe(galaxies):
    return ad.Recipe(galaxies=galaxies, image_shape=(8, 8), layout=layout)


store = folder / "pairs.zarr"
# Every write is followed by a look, so that what is there for a moment is seen too.
real = os.fsync
os.fsync = lambda descriptor: (look(), real(descriptor))
ad.write(recipe(20), store, progress=look)
ad.init(recipe(30), store)
ad.part(store, 0, 1)
ad.finalise(store)
os.fsync = real
look()
print(json.dumps(seen))
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder of a group, whose files get that group, where any user gets to."""
    with tempfile.TemporaryDirectory(prefix="argdask-modes-") as name:
        top = Path(name)
        top.chmod(0o755)
        folder = top / "shared"
        folder.mkdir()
        os.chown(folder, OTHER_USER, GROUP)
        folder.chmod(0o2775)
        (top / "script.py").write_text(SCRIPT)
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o002, 0o077])
def test_every_file_has_the_group_of_the_folder_and_the_modes_of_the_umask(
    as_another_user: RunAsAnother, shared: Path, mask: int
) -> None:
    script = shared.with_name("script.py")
    ran = as_another_user(str(script), str(shared), oct(mask), cwd=shared)
    assert ran.returncode == 0, ran.stderr

    seen = json.loads(ran.stdout)
    # The store, what is beside it for a time, and what is not finished yet.
    for kind in (".receipts/", ".extension/", ".lock", ".partial", "checksums.txt"):
        assert any(kind in path for path in seen), kind
    for path, (mode, uid, gid) in seen.items():
        assert (uid, gid) == (OTHER_USER, GROUP), path
        if path == str(shared):
            continue
        if stat.S_ISDIR(mode):
            assert stat.S_IMODE(mode) == (0o2777 & ~mask), (path, oct(mode))
        else:
            assert stat.S_IMODE(mode) == (0o666 & ~mask), (path, oct(mode))


@pytest.mark.slow
def test_a_folder_that_may_not_be_listed_hides_what_was_set_aside(
    as_another_user: RunAsAnother, shared: Path
) -> None:
    hidden = shared.with_name("hidden")
    hidden.mkdir()
    hidden.chmod(0o711)
    script = (
        "import sys; import argdask as ad\n"
        "try: ad.open_pairs(sys.argv[1])\n"
        "except ad.InputError as error: print(error)"
    )
    ran = as_another_user("-c", script, str(hidden / "pairs.zarr"), cwd=shared)
    assert "expected a store that argdask made" in ran.stdout, ran.stderr
