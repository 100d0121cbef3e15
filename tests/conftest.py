"""What all tests share: a cache of their own, real files where they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from hypothesis import settings
from other_user import OTHER_USER, RunAsAnother

# Before argdask is imported: machine code and grids of the tests stay out of the home
# of whoever runs them, and are shared with the processes that the tests start.
_FOLDER = tempfile.TemporaryDirectory(prefix="argdask-tests-")
os.environ.setdefault("ARGDASK_CACHE", _FOLDER.name)

# Doctests are sought in every other file: these are no modules of tests, and some of
# them have one name.
collect_ignore_glob = ["conftest.py", "*/conftest.py", "benchmarks/*"]

# A busy machine is slow, not wrong.
settings.register_profile("argdask", deadline=None, derandomize=True)
settings.load_profile("argdask")

SMPY_FILE = Path(__file__).parents[2] / "shared" / "data" / "candels.goodss.models.hdf"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run tests that take minutes")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Leave the tests of a module, and all those of batch systems, to one process.

    They share stores and clusters that take longer to make than the tests themselves.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.split("::", 1)[0]
            folder = module.rpartition("/")[0]
            return folder if folder.endswith("batch_systems") else module

    return ByModule(config, log)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: --long"))


@pytest.fixture(scope="session")
def smpy_file() -> Path:
    """A real SED grid as smpy writes it."""
    if not SMPY_FILE.exists():
        pytest.skip("the real smpy grid candels.goodss.models.hdf is not here")
    return SMPY_FILE


@pytest.fixture(scope="session")
def seds() -> xr.DataArray:
    """The built-in SED grid."""
    from argdask.sed_sources import default_seds

    return default_seds()


@pytest.fixture(scope="session")
def as_another_user() -> Iterator[RunAsAnother]:
    """Python as a user who owns nothing and is in no group, where the tests are root's.

    The Python found by that user may be another one, for which all kernels are compiled
    anew: once, as the cache is kept for all tests.
    """
    if os.getuid() or shutil.which("setpriv") is None:
        pytest.skip("only root may become another user, by setpriv")
    become = ["setpriv", f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}"]
    with tempfile.TemporaryDirectory(prefix="argdask-other-") as folder:
        Path(folder).chmod(0o755)
        cache = Path(folder) / "argdask"
        shutil.copytree(os.environ["ARGDASK_CACHE"], cache)
        for one in (cache, *cache.rglob("*")):
            os.chown(one, OTHER_USER, OTHER_USER)

        def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*become, "--clear-groups", sys.executable, *arguments],
                cwd=cwd,
                env={**os.environ, "ARGDASK_CACHE": str(cache), "HOME": str(cache)},
                capture_output=True,
                text=True,
                check=False,
            )

        trial = run("-c", "import argdask.run", cwd=Path("/"))
        if trial.returncode:
            pytest.skip("another user cannot import argdask here")
        yield run


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test leaves in its working directory stays."""
    monkeypatch.chdir(tmp_path)
