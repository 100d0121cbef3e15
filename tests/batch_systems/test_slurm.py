"""Worker jobs on a real SLURM: cancelled, killed early, orphaned; the same bytes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import xarray as xr
from virtual_cluster import (
    RECIPE,
    Slurm,
    contents,
    parts_done,
    run_to_the_end,
    wait_until,
)

import argdask as ad
from argdask import dispatch
from argdask.cluster_choices import ClusterChoices
from argdask.clusters import slurm as slurm_jobs
from argdask.dispatch import Dispatch
from argdask.store.receipts import Receipt

pytestmark = pytest.mark.slurm


def test_a_job_that_is_cancelled_is_replaced_and_nothing_is_lost(
    slurm: Slurm,
    tmp_path: Path,
    cluster_config: Path,
    seds: xr.DataArray,
    serial: dict[str, bytes],
) -> None:
    path = tmp_path / "pairs.zarr"
    cancelled: list[str] = []

    def cancel(made: int, _: int) -> None:
        if made >= 200 and not cancelled:
            cancelled.append(slurm.jobs("RUNNING")[0])
            slurm.run("scancel", cancelled[0])

    with slurm_jobs(2, ClusterChoices.from_yaml(cluster_config)) as client:
        client.wait_for_workers(2, timeout=120)
        seen = set(client.run(os.getenv, "SLURM_JOB_ID").values())
        assert seen == set(slurm.jobs())
        ad.write(RECIPE, path, seds=seds, client=client, progress=cancel)
        wait_until(lambda: len(client.nthreads()) == 2, "no job took its place")
        now = set(client.run(os.getenv, "SLURM_JOB_ID").values())
        assert len(now - seen) == 1
        assert cancelled[0] in seen - now
    wait_until(lambda: slurm.jobs("PENDING,RUNNING") == [], "jobs were left")
    assert contents(path) == serial
    logs = "".join(file.read_text() for file in (tmp_path / "logs").iterdir())
    assert all(f"of job {job}" in logs for job in seen)
    assert "part 7 made in" in logs


def test_jobs_that_die_before_their_worker_reports_are_replaced(
    slurm: Slurm,
    tmp_path: Path,
    cluster_config: Path,
    generate: list[str],
    serial: dict[str, bytes],
) -> None:
    # The first three jobs are gone before their Python starts.
    tickets = tmp_path / "tickets"
    tickets.mkdir()
    die = f"for k in 1 2 3; do mkdir {tickets}/$k 2>/dev/null && kill -9 $$; done"
    with cluster_config.open("a") as file:
        file.write(f'prologue: ["{die}"]\nalarm: 1\n')
    ran = run_to_the_end([*generate, "--cluster", "slurm", "--jobs", "2"], tmp_path)
    assert len(list(tickets.iterdir())) == 3
    assert ran.stderr.count("ended before its worker reported; another is sub") == 3
    # Meanwhile it is told what the batch system has.
    assert re.search(r"no part was finished for \d+ s; 151 remain, 0 thr", ran.stderr)
    assert re.search(r"  asked for: .*SLURMCluster-\d: job \d+", ran.stderr)
    assert re.search(r"  queue: (\d+|nothing)", ran.stderr)
    assert contents(tmp_path / "pairs.zarr") == serial


def test_jobs_that_never_come_to_anything_end_the_run(
    slurm: Slurm, tmp_path: Path, cluster_config: Path, generate: list[str]
) -> None:
    with cluster_config.open("a") as file:
        file.write("prologue: [echo no such module >&2, exit 1]\n")
    command = [*generate, "--cluster", "slurm", "--jobs", "3"]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 3, ran.stderr
    last = ran.stderr.splitlines()[-1]
    assert "jobs in a row came to nothing" in last
    # What the jobs printed is shown.
    assert "    no such module" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_queue_that_is_none_is_told_before_anything_is_made(
    slurm: Slurm, tmp_path: Path, cluster_config: Path, generate: list[str]
) -> None:
    text = cluster_config.read_text().replace("queue: debug", "queue: none")
    cluster_config.write_text(text)
    before = sorted(tmp_path.iterdir())
    command = [*generate, "--cluster", "slurm", "--jobs", "2"]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 2
    assert "nvalid partition name specified" in ran.stderr.splitlines()[-1]
    assert set(tmp_path.iterdir()) - set(before) <= {tmp_path / "logs"}


def test_a_driver_that_is_killed_can_be_run_again(
    slurm: Slurm, tmp_path: Path, generate: list[str], serial: dict[str, bytes]
) -> None:
    command = [*generate, "--cluster", "slurm", "--jobs", "2"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as driver:
        wait_until(lambda: parts_done(tmp_path) >= 20, "nothing was made")
        driver.send_signal(signal.SIGKILL)
    assert 20 <= parts_done(tmp_path) < 150
    ran = run_to_the_end(command, tmp_path)
    assert "1200 pairs" in ran.stdout
    assert "1200 made now" not in ran.stdout
    assert contents(tmp_path / "pairs.zarr") == serial
    # The workers of the first driver notice that it has gone.
    wait_until(lambda: slurm.jobs("PENDING,RUNNING") == [], "jobs were left")


def test_one_allocation_holds_scheduler_driver_and_workers(
    slurm: Slurm, tmp_path: Path, generate: list[str], serial: dict[str, bytes]
) -> None:
    srun = ["srun", "-N2", "-n4", "--mem-per-cpu=400", "-t", "10"]
    ran = run_to_the_end([*srun, *generate, "--cluster", "runner"], tmp_path)
    assert ran.stdout.count("1200 pairs of 24x24 pixels") == 1
    assert contents(tmp_path / "pairs.zarr") == serial


def test_bad_input_ends_the_whole_allocation(
    slurm: Slurm, tmp_path: Path, generate: list[str]
) -> None:
    srun = ["srun", "-n3", "--mem-per-cpu=400", "-t", "10"]
    wrong = [*srun, *generate, "--cluster", "runner", "--set", "galaxies=0"]
    ran = subprocess.run(
        wrong, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 2, ran.stderr
    assert "galaxies: got 0" in ran.stderr
    alone = [*generate, "--cluster", "runner"]
    ran = subprocess.run(
        alone, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 2
    assert "three tasks or more" in ran.stderr


def test_jobs_of_pbs_work_by_its_commands(
    slurm: Slurm, tmp_path: Path, generate: list[str], serial: dict[str, bytes]
) -> None:
    # Debian's slurm-wlm-torque: the commands of PBS over SLURM. No PBS was run.
    if shutil.which("qsub") is None or "slurm" not in Path("/usr/bin/qsub").read_text():
        pytest.skip("slurm-wlm-torque is not installed")
    run_to_the_end([*generate, "--cluster", "pbs", "--jobs", "2"], tmp_path)
    assert contents(tmp_path / "pairs.zarr") == serial
    # The parts were made by jobs that SLURM had; its qsub writes their logs here.
    logs = [file.read_text() for file in tmp_path.glob("*.e*")]
    told = "".join(log for log in logs if " made in " in log)
    made = set(re.findall(r" of job (\d+)", told))
    assert len(made) == 2
    assert made <= set(slurm.jobs("all"))
    wait_until(lambda: slurm.jobs("PENDING,RUNNING") == [], "jobs were left")


def test_all_jobs_are_busy_until_the_work_runs_out(
    slurm: Slurm, cluster_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
        time.sleep(0.3 if index < 399 else 20)
        return Receipt(fingerprint, kind, index, index, index + 1, {}, 0.3)

    monkeypatch.setattr(dispatch, "_make", sleep)
    pieces = [("part", index) for index in range(400)]
    busy: list[int] = []
    with slurm_jobs(6, ClusterChoices.from_yaml(cluster_config)) as client:
        wait_until(lambda: len(slurm.jobs("RUNNING")) == 6, "there is room for six")
        began = time.monotonic()
        for count, _ in enumerate(Dispatch(client, ("s", "f"), pieces).results()):
            if busy and count % 5:
                continue
            number = sum(1 for tasks in client.processing().values() if tasks)
            if number == 6 and not busy:
                seconds = time.monotonic() - began
            if number == 6 or busy:
                busy.append(number)
        print(f"six busy workers after {seconds:.1f} s, then {busy}")
        # The one time that is promised: an adaptive cluster has one of six for 40 s.
        # Two cores with a load of nine needed 12 s for the Pythons to start.
        assert seconds < 15
        # Each keeps its own, but for moments between two parts, until fewer parts are
        # left than there are jobs.
        kept = busy[:-8]
        assert len(kept) > 20
        assert min(kept) >= 5
        assert sum(kept) > 5.8 * len(kept)
        # While the last part was made the others were let go.
        assert len(client.nthreads()) == 1
