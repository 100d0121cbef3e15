"""Drivers and job arrays that a real SLURM runs, to the end and to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from virtual_cluster import COMMAND, RECIPE, Slurm, contents, parts_done

from argdask import cli

pytestmark = pytest.mark.slurm


def await_complete(slurm: Slurm, folder: Path) -> None:
    """Wait until no job is left, and see that the store is complete."""
    deadline = time.monotonic() + 240
    while slurm.jobs():
        assert time.monotonic() < deadline, f"{parts_done(folder)} parts"
        time.sleep(0.2)
    root = json.loads((folder / "pairs.zarr" / "zarr.json").read_text())
    logs = "".join(file.read_text() for file in folder.glob("logs/*.log"))
    assert root["attributes"]["state"] == "complete", logs


def stop_driver(folder: Path, parts: int) -> None:
    """Tell a driver to stop once so many parts are made, as its time limit does."""
    deadline = time.monotonic() + 120
    while parts_done(folder) < parts:
        assert time.monotonic() < deadline, f"{parts_done(folder)} parts"
        time.sleep(0.05)
    journals = (folder / "pairs.zarr.receipts").glob("*.jsonl")
    newest = max(journals, key=_time_of)
    # The driver's process is in the name of its journal.
    os.kill(int(newest.name.split("-")[-2]), signal.SIGTERM)


def test_a_driver_that_runs_out_of_time_submits_itself_until_all_is_made(
    slurm: Slurm, tmp_path: Path, generate: list[str], serial: dict[str, bytes]
) -> None:
    config = tmp_path / "cluster.yaml"
    driver = "driver: {cores: 1, memory: 1500MB, walltime: '00:20:00'}\n"
    config.write_text(config.read_text() + driver)
    words = [COMMAND, "submit", "pairs.zarr", "--on", "slurm", *generate[3:]]
    ran = subprocess.run(
        [*words, "--jobs", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("submitted ")
    for parts in (20, 60):
        stop_driver(tmp_path, parts)
    await_complete(slurm, tmp_path)
    assert contents(tmp_path / "pairs.zarr") == serial
    logs = sorted(tmp_path.glob("logs/argdask-driver-*.log"), key=_time_of)
    told = [log.read_text() for log in logs]
    assert ["argdask: stopped; run the same" in one for one in told] == [1, 1, 0]
    assert "1200 pairs of 24x24 pixels" in told[-1]


def _time_of(path: Path) -> float:
    return path.stat().st_mtime


@pytest.mark.skipif("init" not in cli.cli.commands, reason="there is no init here")
def test_a_job_array_makes_a_store_without_dask(
    slurm: Slurm, tmp_path: Path, cluster_config: Path, serial: dict[str, bytes]
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE.to_yaml())
    words = [COMMAND, "submit", "pairs.zarr", "--on", "slurm", "--array", "4"]
    more = ["--cluster-config", cluster_config, "--recipe", "recipe.yaml"]
    ran = subprocess.run(
        [*words, *more], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    await_complete(slurm, tmp_path)
    assert contents(tmp_path / "pairs.zarr") == serial
