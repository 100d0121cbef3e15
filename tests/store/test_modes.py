"""Owners and modes follow the umask and the folder, at every moment."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from argdask.caching import cache_folder

USER, GROUP = 54321, 54322

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
    if os.getuid() or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, with setpriv")
    with tempfile.TemporaryDirectory(prefix="argdask-modes-") as name:
        top = Path(name)
        top.chmod(0o755)
        cache = top / "cache"
        found = cache_folder()
        if found is not None and (found / "kernels").exists():
            # So that the kernels are not compiled anew.
            shutil.copytree(found / "kernels", cache / "kernels")
        cache.mkdir(mode=0o700, exist_ok=True)
        for path in (cache, *cache.rglob("*")):
            os.chown(path, USER, USER)
        folder = top / "shared"
        folder.mkdir()
        os.chown(folder, USER, GROUP)
        folder.chmod(0o2775)
        (top / "script.py").write_text(SCRIPT)
        yield folder


def as_a_user(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as an ordinary user who is not in the group of the folder."""
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    own = str(folder.with_name("cache"))
    return subprocess.run(
        [*become, sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "ARGDASK_CACHE": own, "HOME": own},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o002, 0o077])
def test_every_file_has_the_group_of_the_folder_and_the_modes_of_the_umask(
    shared: Path, mask: int
) -> None:
    trial = as_a_user(shared, "-c", "import argdask.run")
    if trial.returncode:
        pytest.skip("another user cannot import argdask here")
    ran = as_a_user(shared, str(shared.with_name("script.py")), str(shared), oct(mask))
    assert ran.returncode == 0, ran.stderr

    seen = json.loads(ran.stdout)
    # The store, what is beside it for a time, and what is not finished yet.
    for kind in (".receipts/", ".extension/", ".lock", ".partial", "checksums.txt"):
        assert any(kind in path for path in seen), kind
    for path, (mode, uid, gid) in seen.items():
        assert (uid, gid) == (USER, GROUP), path
        if path == str(shared):
            continue
        if stat.S_ISDIR(mode):
            assert stat.S_IMODE(mode) == (0o2777 & ~mask), (path, oct(mode))
        else:
            assert stat.S_IMODE(mode) == (0o666 & ~mask), (path, oct(mode))
