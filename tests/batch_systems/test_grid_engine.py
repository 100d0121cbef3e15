"""Jobs and arrays of a real Grid Engine: deleted in mid-run, and the same bytes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from virtual_cluster import (
    COMMAND,
    RECIPE,
    GridEngine,
    contents,
    parts_done,
    run_to_the_end,
    wait_until,
)

pytestmark = pytest.mark.sge


@pytest.fixture
def cluster_config(cluster_config: Path) -> Path:
    # Its jobs do not take over the environment of what submits them unless they ask.
    with cluster_config.open("a") as file:
        file.write("extra: [-V]\n")
    return cluster_config


def test_jobs_that_are_deleted_are_replaced_and_nothing_is_lost(
    grid_engine: GridEngine,
    tmp_path: Path,
    generate: list[str],
    serial: dict[str, bytes],
) -> None:
    command = [*generate, "--cluster", "sge", "--jobs", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
        wait_until(lambda: parts_done(tmp_path) >= 10, "nothing was made")
        # Without new ones there would be nobody to go on.
        first = grid_engine.jobs()
        for job in first:
            grid_engine.run("qdel", job)
        _, told = driver.communicate(timeout=200)
    assert driver.returncode == 0, told
    assert contents(tmp_path / "pairs.zarr") == serial
    for job in first:
        assert f"job {job} has ended; another takes its place" in told
    # Each job says in its log which it was.
    logs = "".join(file.read_text() for file in (tmp_path / "logs").iterdir())
    ran = set(re.findall(r" of job (\d+)", logs))
    assert set(first) < ran
    wait_until(lambda: grid_engine.jobs() == [], "jobs were left")


def test_the_tasks_of_an_array_make_a_store_without_dask(
    grid_engine: GridEngine,
    tmp_path: Path,
    cluster_config: Path,
    serial: dict[str, bytes],
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE.to_yaml())
    words = [COMMAND, "submit", "pairs.zarr", "--on", "sge", "--array", "3"]
    more = ["--cluster-config", cluster_config, "--recipe", "recipe.yaml"]
    ran = run_to_the_end([str(word) for word in (*words, *more)], tmp_path)
    assert re.search(r"^submitted \d+, \d+; ", ran.stdout, re.MULTILINE)
    wait_until(lambda: grid_engine.jobs() == [], "jobs were left")
    logs = "".join(file.read_text() for file in tmp_path.glob("logs/*"))
    root = json.loads((tmp_path / "pairs.zarr" / "zarr.json").read_text())
    assert root["attributes"]["state"] == "complete", logs
    assert contents(tmp_path / "pairs.zarr") == serial
