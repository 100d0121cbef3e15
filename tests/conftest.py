"""What all tests share: a cache of their own, real files where they are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import xarray as xr
from hypothesis import settings

# Before argdask is imported: machine code and grids of the tests stay out of the home
# of whoever runs them, and are shared with the processes that the tests start.
_FOLDER = tempfile.TemporaryDirectory(prefix="argdask-tests-")
os.environ.setdefault("ARGDASK_CACHE", _FOLDER.name)

# A busy machine is slow, not wrong.
settings.register_profile("argdask", deadline=None, derandomize=True)
settings.load_profile("argdask")

SMPY_FILE = Path(__file__).parents[2] / "shared" / "data" / "candels.goodss.models.hdf"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run tests that take minutes")


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


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test leaves in its working directory stays."""
    monkeypatch.chdir(tmp_path)
