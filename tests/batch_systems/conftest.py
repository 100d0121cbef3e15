"""Real batch systems, brought up for the tests and taken down again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import xarray as xr
from virtual_cluster import COMMAND, RECIPE, GridEngine, Slurm, contents

import argdask as ad

HERE = Path(__file__).parent
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun")
GRID_ENGINE = Path("/usr/lib/gridengine")

CHOICES = """
queue: debug
memory: 600MB
walltime: '00:20:00'
interface: lo
poll: 1
log_directory: {folder}/logs
"""
"""How the tests ask for jobs; the loopback interface reaches every virtual node."""


def _free_ports(number: int) -> int:
    """Return the first of some ports that follow each other and are free."""
    for first in range(20000 + os.getpid() % 10000, 60000, 10):
        try:
            for port in range(first, first + number):
                with socket.socket() as trial:
                    trial.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    pytest.skip("no free ports for a batch system")


@contextmanager
def _brought_up(script: str, knobs: dict[str, str]) -> Iterator[Path]:
    """Run a script's `up` and, whatever comes of it, its `down`."""
    # Sockets have short names; pytest's own folders do not.
    root = tempfile.mkdtemp(prefix="batch-")
    command = ["bash", str(HERE / script)]
    environment = {**os.environ, **knobs}
    started = subprocess.run(
        [*command, "up", root],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    try:
        if started.returncode:
            told = (started.stdout + started.stderr)[-500:]
            pytest.skip(f"{script} up does not succeed here: {told}")
        yield Path(root)
    finally:
        subprocess.run(
            [*command, "down", root], env=environment, capture_output=True, check=False
        )
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def slurm_session() -> Iterator[Slurm]:
    places = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    missing = [name for name in NEEDED if shutil.which(name, path=places) is None]
    if missing:
        pytest.skip(f"no SLURM here ({', '.join(missing)} not installed)")
    knobs = {"CTLD_PORT": str(_free_ports(3)), "CPUS": "8", "KILLWAIT": "3"}
    with (
        _brought_up("slurm-up.sh", knobs) as root,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SLURM_CONF", f"{root}/slurm.conf")
        yield Slurm(root)


@pytest.fixture
def slurm(slurm_session: Slurm) -> Iterator[Slurm]:
    """SLURM, without any job before and after."""
    yield slurm_session
    for job in slurm_session.jobs():
        slurm_session.kill(job)


@pytest.fixture(scope="session")
def grid_engine_session() -> Iterator[tuple[GridEngine, dict[str, str]]]:
    if not (GRID_ENGINE / "sge_qmaster").exists():
        pytest.skip("no Grid Engine here (grid-engine-up.sh install)")
    port = _free_ports(2)
    with _brought_up("grid-engine-up.sh", {"QMASTER_PORT": str(port)}) as root:
        reach = {
            "SGE_ROOT": str(root),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(port),
            "SGE_EXECD_PORT": str(port + 1),
        }
        yield GridEngine(root), reach


@pytest.fixture
def grid_engine(
    grid_engine_session: tuple[GridEngine, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[GridEngine]:
    """Grid Engine, its commands in the PATH, without any job before and after."""
    system, reach = grid_engine_session
    # The commands of PBS have the same names.
    monkeypatch.setenv("PATH", str(GRID_ENGINE), prepend=os.pathsep)
    for name, value in reach.items():
        monkeypatch.setenv(name, value)
    yield system
    for job in system.jobs():
        system.kill(job)


@pytest.fixture
def cluster_config(tmp_path: Path) -> Path:
    file = tmp_path / "cluster.yaml"
    file.write_text(CHOICES.format(folder=tmp_path))
    return file


@pytest.fixture(scope="session")
def serial(
    tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray
) -> dict[str, bytes]:
    """Every file of the store as one process makes it."""
    path = tmp_path_factory.mktemp("serial") / "pairs.zarr"
    ad.write(RECIPE, path, seds=seds)
    return contents(path)


@pytest.fixture
def generate(tmp_path: Path, cluster_config: Path) -> list[str]:
    """The command that makes that store, but for where."""
    (tmp_path / "recipe.yaml").write_text(RECIPE.to_yaml())
    return [
        *(str(COMMAND), "generate", "pairs.zarr", "--recipe", "recipe.yaml"),
        *("--cluster-config", str(cluster_config)),
    ]
