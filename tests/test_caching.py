"""Where slow things are kept, and that old machine code never comes back."""

from __future__ import annotations

import ast
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numba
import pytest

from argdask import caching
from argdask.caching import cache_folder, compiled

PACKAGE = Path(caching.__file__).parent


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Folders are chosen once for a process; here, once for a test."""
    for chosen in (cache_folder, caching._kernel_cache):
        chosen.cache_clear()
    yield
    for chosen in (cache_folder, caching._kernel_cache):
        chosen.cache_clear()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The places of a cache in their order, none of which is there yet."""
    monkeypatch.setenv("ARGDASK_CACHE", str(tmp_path / "given"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "base"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return {
        "ARGDASK_CACHE": tmp_path / "given",
        "XDG_CACHE_HOME": tmp_path / "base" / "argdask",
        "HOME": tmp_path / "home" / ".cache" / "argdask",
        "TMPDIR": tmp_path / f"argdask-{os.getuid()}",
    }


def block(place: Path) -> None:
    """Make a folder impossible, for an administrator too."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("a file, not a folder")


@pytest.mark.parametrize("blocked", range(5))
def test_the_first_place_that_can_be_written_is_taken(places, blocked):
    for place in list(places.values())[:blocked]:
        block(place)
    expected = [*places.values(), None][blocked]
    assert cache_folder() == expected
    if expected is not None:
        assert stat.S_IMODE(expected.stat().st_mode) == 0o700


@pytest.mark.parametrize("absent", ["ARGDASK_CACHE", "XDG_CACHE_HOME"])
def test_variables_that_are_not_set_are_passed_over(places, monkeypatch, absent):
    block(places["ARGDASK_CACHE"])
    monkeypatch.delenv(absent)
    expected = "HOME" if absent == "XDG_CACHE_HOME" else "XDG_CACHE_HOME"
    assert cache_folder() == places[expected]


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_can_write_to_is_refused(places, mode):
    # Machine code is run: whoever can write there could run theirs.
    places["ARGDASK_CACHE"].mkdir()
    places["ARGDASK_CACHE"].chmod(mode)
    assert cache_folder() == places["XDG_CACHE_HOME"]


def test_a_folder_of_somebody_else_is_refused(places, monkeypatch):
    somebody = os.getuid() + 12345
    monkeypatch.setattr(os, "getuid", lambda: somebody)
    assert cache_folder() is None


@pytest.mark.skipif(os.getuid() == 0, reason="an administrator can write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(places):
    places["ARGDASK_CACHE"].mkdir(mode=0o500)
    assert cache_folder() == places["XDG_CACHE_HOME"]


def imports_of(source: Path) -> set[str]:
    """Names of argdask's modules that a module imports, and of what it takes."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_every_module_with_kernels_is_among_the_kernel_sources():
    using = {
        str(source.relative_to(PACKAGE))
        for source in PACKAGE.rglob("*.py")
        if {"argdask.caching.compiled", "numba"} & imports_of(source)
    }
    assert {"caching.py", "cubes.py", "frames.py", "kernels.py"} <= using
    assert using <= set(caching._KERNEL_SOURCES)


def test_what_a_kernel_module_imports_is_among_the_kernel_sources():
    # Its constants become part of the machine code.
    for name in caching._KERNEL_SOURCES:
        for imported in imports_of(PACKAGE / name):
            package, _, below = imported.partition(".")
            if package == "argdask":
                assert f"{below.split('.')[0]}.py" in caching._KERNEL_SOURCES


@pytest.mark.parametrize("name", caching._KERNEL_SOURCES)
def test_the_folder_of_kernels_follows_from_every_source(name, tmp_path, monkeypatch):
    for source in caching._KERNEL_SOURCES:
        shutil.copy(PACKAGE / source, tmp_path)
    monkeypatch.setattr(caching, "__file__", str(tmp_path / "caching.py"))
    before = caching._kernel_cache()
    with (tmp_path / name).open("a") as file:
        file.write("# one comment more\n")
    caching._kernel_cache.cache_clear()
    assert before is not None
    assert caching._kernel_cache() != before


SCRIPT = "from argdask.profiles import total; print(total(2.0)); print(*total.stats[1])"
KERNELS = """\
from argdask.caching import compiled

@compiled
def factor(x: float) -> float:
    return 3.0 * x
"""
PROFILES = """\
from argdask.caching import compiled
from argdask.kernels import factor

@compiled
def total(x: float) -> float:
    return factor(x) + 1.0
"""


def test_an_edit_in_a_file_that_a_kernel_calls_is_compiled_anew(tmp_path):
    # numba alone looks at profiles.py only, and would bring back the old result.
    package = tmp_path / "argdask"
    package.mkdir()
    for name in ("caching.py", "interrupts.py"):
        shutil.copy(PACKAGE / name, package)
    (package / "__init__.py").touch()
    (package / "profiles.py").write_text(PROFILES)
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "ARGDASK_CACHE": str(tmp_path / "cache"),
    }

    def run(kernels: str) -> list[str]:
        (package / "kernels.py").write_text(kernels)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    first, second = run(KERNELS), run(KERNELS)
    assert first == ["7.0"]
    # The second process found the machine code of the first one.
    assert second[0] == "7.0"
    assert len(second) == 2
    assert run(KERNELS.replace("3.0", "5.0")) == ["11.0"]


def test_kernels_work_without_any_folder(places, tmp_path):
    for place in places.values():
        block(place)
    before = sorted(tmp_path.rglob("*"))

    @compiled
    def double(x: float) -> float:
        return 2.0 * x

    assert double(1.5) == 3.0
    assert caching._kernel_cache() is None
    assert sorted(tmp_path.rglob("*")) == before


def test_machine_code_is_kept_and_other_kernels_are_left_alone(places):
    kept = numba.config.CACHE_DIR

    @compiled
    def treble(x: float) -> float:
        return 3.0 * x

    assert treble(1.5) == 4.5
    assert kept == numba.config.CACHE_DIR
    assert list(places["ARGDASK_CACHE"].rglob("*.nbi"))
