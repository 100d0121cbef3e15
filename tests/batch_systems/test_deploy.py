"""The commands of deploy/README.md, on a small SLURM and for a few galaxies."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import dask
import pytest
import yaml
from virtual_cluster import COMMAND, Slurm

import argdask as ad
from argdask import cli
from argdask.cluster_choices import ClusterChoices
from argdask.clusters import local
from argdask.job_queues import dask_jobqueue, with_site

pytestmark = pytest.mark.slurm

DEPLOY = Path(__file__).parents[2] / "deploy"

LINES = [
    line
    for block in re.findall(
        r"^```sh\n(.*?)^```",
        (DEPLOY / "README.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    for line in block.splitlines()
]

SMALLER = {
    r"--galaxies \d+": "--galaxies 48",
    r"--jobs \d+": "--jobs 2",
    r"--array \d+": "--array 2",
    r"queue: \w+": "queue: debug",
    r"interface: \w+": "interface: lo",
    r"memory: \dGB": "memory: 900MB",
    r"walltime: '\d\d:": "walltime: '00:",
    r"--ntasks=\d+": "--ntasks=4",
    r"--cpus-per-task=\d+": "--cpus-per-task=1",
    r"--mem-per-cpu=\d+M": "--mem-per-cpu=500M",
    r"--time=\d\d:00": "--time=00:20",
}
"""What is other on the small cluster."""


def smaller(text: str) -> str:
    for pattern, replacement in SMALLER.items():
        text = re.sub(pattern, replacement, text)
    return text.replace("'00:00:00'", "'00:30:00'")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the folder as somebody would have corrected it for the site."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    for file in (tmp_path / "deploy").glob("*.*"):
        file.write_text(smaller(file.read_text()))
    return tmp_path


def test_the_commands_are_found() -> None:
    assert len(LINES) >= 9
    told = " ".join(LINES)
    for word in ("generate", "submit", "clusters", "sbatch", "--array"):
        assert word in told


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split(".zarr")[0])
def test_a_command_of_the_guide_does_what_it_says(
    line: str, slurm: Slurm, folder: Path
) -> None:
    if "--array" in line and "init" not in cli.cli.commands:
        pytest.skip("there is no init here")
    if "scheduler.json" in line:
        with local(2) as client:
            Path("scheduler.json").write_text(json.dumps(client.scheduler_info()))
            run(smaller(line))
    else:
        run(smaller(line))
    deadline = time.monotonic() + 200
    while slurm.jobs():
        assert time.monotonic() < deadline, line
        time.sleep(0.2)
    for name in re.findall(r"\w+\.zarr", line):
        logs = [*folder.glob("*.out"), *folder.glob("logs/*.log")]
        told = "".join(log.read_text() for log in logs)
        assert (folder / name).exists(), told
        assert ad.open_pairs(folder / name).sizes["galaxy"] == 48, told


def run(line: str) -> None:
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-ec", line],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", ["slurm", "pbs"])
def test_the_configurations_are_right(name: str) -> None:
    choices = ClusterChoices.from_yaml(DEPLOY / f"{name}.yaml")
    assert choices.walltime == "04:00:00"
    assert choices.driver.walltime == "24:00:00"


def test_dasks_own_configuration_is_taken_over() -> None:
    with (DEPLOY / "jobqueue.yaml").open() as file:
        site = yaml.safe_load(file)
    # It adds its own defaults when it is imported, and they are to stay.
    dask_jobqueue()
    with dask.config.set(dask.config.merge(dask.config.config, site)):
        found = with_site("slurm", ClusterChoices(memory="3GB"))
    assert found.interface == "ib0"
    assert found.local_directory == "$TMPDIR"
    assert found.prologue == ("module load python || true",)
    assert found.memory == "3GB"
    own = ClusterChoices.from_yaml(DEPLOY / "slurm.yaml")
    assert (found.queue, found.walltime) == (own.queue, own.walltime)
