"""Jobs and drivers killed at random, again and again: complete, and the same bytes."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from virtual_cluster import COMMAND, Slurm, contents, parts_done

import argdask as ad

pytestmark = [pytest.mark.slurm, pytest.mark.chaos]

JOBS, DRIVERS = 12, 3
"""How many are killed."""

RECIPE = ad.Recipe(
    galaxies=2880, image_shape=(24, 24), layout={"part": 8, "chunk": 8}, seed=11
)


def test_killed_jobs_and_drivers_leave_the_same_bytes(
    slurm: Slurm, tmp_path: Path, cluster_config: Path, seds: xr.DataArray
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE.to_yaml())
    where = ["--cluster", "slurm", "--jobs", "4", "--cluster-config", cluster_config]
    command = [COMMAND, "generate", "pairs.zarr", "--recipe", "recipe.yaml", *where]
    chance = random.Random(int.from_bytes(os.urandom(4), "little"))
    # Each death comes when so many parts are done, wherever that finds the others.
    moments = sorted(chance.sample(range(10, 340), JOBS + DRIVERS))
    drivers = {moments[index] for index in range(4, JOBS + DRIVERS, 5)}
    assert len(drivers) == DRIVERS
    killed = {"jobs": 0, "drivers": 0}

    def start() -> Any:
        return subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    driver = start()
    try:
        for moment in moments:
            _await_parts(driver, tmp_path, moment)
            if moment in drivers:
                driver.kill()
                driver.wait()
                killed["drivers"] += 1
                driver = start()
                continue
            slurm.kill(_some_job(slurm, chance))
            killed["jobs"] += 1
        assert driver.wait(timeout=300) == 0
    finally:
        driver.kill()
        driver.wait()
    assert killed == {"jobs": JOBS, "drivers": DRIVERS}
    serial = tmp_path / "serial.zarr"
    ad.write(RECIPE, serial, seds=seds)
    assert contents(tmp_path / "pairs.zarr") == contents(serial)


def _await_parts(driver: Any, folder: Path, number: int) -> None:
    deadline = time.monotonic() + 240
    while parts_done(folder) < number:
        assert driver.poll() is None, f"ended with {driver.returncode}"
        assert time.monotonic() < deadline, f"stuck at {parts_done(folder)} parts"
        time.sleep(0.02)


def _some_job(slurm: Slurm, chance: random.Random) -> str:
    """Return a job that runs; right after a death there may be none for a while."""
    deadline = time.monotonic() + 120
    while not (jobs := slurm.jobs("RUNNING")):
        assert time.monotonic() < deadline, "no job runs"
        time.sleep(0.1)
    return chance.choice(jobs)
