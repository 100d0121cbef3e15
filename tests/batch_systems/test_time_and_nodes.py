"""Jobs that meet their walltime, and a node that goes down under its job."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from virtual_cluster import Slurm

from argdask import dispatch
from argdask.cluster_choices import ClusterChoices
from argdask.clusters import slurm as slurm_jobs
from argdask.dispatch import Dispatch
from argdask.store.receipts import Receipt

pytestmark = [pytest.mark.slurm, pytest.mark.long]


def sleeping(folder: Path, seconds: float) -> Callable[..., Receipt]:
    """Return a part that takes its time, and leaves a file for each start."""

    def sleep(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
        (folder / f"{index}-{time.time_ns()}").touch()
        time.sleep(seconds)
        return Receipt(fingerprint, kind, index, index, index + 1, {}, seconds)

    return sleep


def test_walltimes_cost_some_parts_again_but_lose_none(
    slurm: Slurm,
    tmp_path: Path,
    cluster_config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    starts = tmp_path / "starts"
    starts.mkdir()
    monkeypatch.setattr(dispatch, "_make", sleeping(starts, 4.0))
    text = cluster_config.read_text().replace("00:20:00", "00:01:00")
    cluster_config.write_text(text)
    pieces = [("part", index) for index in range(60)]
    with slurm_jobs(3, ClusterChoices.from_yaml(cluster_config)) as client:
        began = time.monotonic()
        found = dict(Dispatch(client, ("s", "f"), pieces).results())
        seconds = time.monotonic() - began
        jobs = {int(job) for job in slurm.jobs("all")}
    assert sorted(found) == pieces
    assert all(isinstance(result, Receipt) for result in found.values())
    assert len(jobs) > 3
    number = len(list(starts.iterdir()))
    with capsys.disabled():
        print(f"\n60 parts of 4 s: {number} starts, {len(jobs)} jobs, {seconds:.0f} s")
    # Livelock would be every part many times.
    assert number < 2 * len(pieces)


def test_a_node_that_goes_down_loses_nothing(
    slurm: Slurm,
    tmp_path: Path,
    cluster_config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    starts = tmp_path / "starts"
    starts.mkdir()
    monkeypatch.setattr(dispatch, "_make", sleeping(starts, 1.0))
    # One job on each node, and no room for another.
    with cluster_config.open("a") as file:
        file.write("extra: [--exclusive]\n")
    daemon = slurm.root / "run" / "slurmd-n2.pid"
    pieces = [("part", index) for index in range(120)]
    found, killed = {}, False
    try:
        with slurm_jobs(2, ClusterChoices.from_yaml(cluster_config)) as client:
            client.wait_for_workers(2, timeout=120)
            for piece, result in Dispatch(client, ("s", "f"), pieces).results():
                found[piece] = result
                if len(found) >= 10 and not killed:
                    os.kill(int(daemon.read_text()), signal.SIGKILL)
                    killed = True
            states = slurm.run("sinfo", "-h", "-N", "-o", "%N %t")
    finally:
        path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
        subprocess.run(
            ["slurmd", "-N", "n2"], env={**os.environ, "PATH": path}, check=True
        )
    assert sorted(found) == pieces
    assert all(isinstance(result, Receipt) for result in found.values())
    with capsys.disabled():
        number = len(list(starts.iterdir()))
        print(f"\n120 parts: {number} starts; nodes then: {states.split()}")
