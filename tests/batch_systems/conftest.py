"""A real SLURM of two virtual nodes, brought up for the tests and taken down again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr
from virtual_cluster import COMMAND, RECIPE, Slurm, contents

import argdask as ad

SCRIPT = Path(__file__).with_name("slurm-up.sh")
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun")

CHOICES = """
queue: debug
memory: 600MB
walltime: '00:20:00'
interface: lo
poll: 1
log_directory: {folder}/logs
"""
"""How the tests ask for jobs; the loopback interface reaches both virtual nodes."""


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
    pytest.skip("no free ports for a SLURM")


@pytest.fixture(scope="session")
def slurm_session() -> Iterator[Slurm]:
    places = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    missing = [name for name in NEEDED if shutil.which(name, path=places) is None]
    if missing:
        pytest.skip(f"no SLURM here ({', '.join(missing)} not installed)")
    # Sockets have short names; pytest's own folders do not.
    root = tempfile.mkdtemp(prefix="slurm-")
    knobs = {"CTLD_PORT": str(_free_ports(3)), "CPUS": "8", "KILLWAIT": "3"}
    environment = {**os.environ, **knobs}
    up = ["bash", str(SCRIPT), "up", root]
    before = os.environ.get("SLURM_CONF")
    started = subprocess.run(
        up, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    try:
        if started.returncode:
            pytest.skip(f"no SLURM comes up here: {started.stdout[-500:]}")
        os.environ["SLURM_CONF"] = f"{root}/slurm.conf"
        yield Slurm(Path(root))
    finally:
        down = ["bash", str(SCRIPT), "down", root]
        subprocess.run(down, env=environment, capture_output=True, check=False)
        os.environ.pop("SLURM_CONF", None)
        if before is not None:
            os.environ["SLURM_CONF"] = before
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def slurm(slurm_session: Slurm) -> Iterator[Slurm]:
    """The cluster, without any job before and after."""
    yield slurm_session
    for job in slurm_session.jobs():
        slurm_session.kill(job)


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
