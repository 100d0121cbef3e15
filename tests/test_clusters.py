"""Clusters: workers of one thread, found by a name or an address."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import xarray as xr
from distributed import Client

import argdask as ad
from argdask.cluster_choices import ClusterChoices
from argdask.clusters import available_cores, local, opener_for, scheduler_file
from argdask.errors import InputError


def test_the_cores_are_those_of_this_process() -> None:
    count = "import argdask.clusters as c; print(c.available_cores())"
    ran = subprocess.run(
        [sys.executable, "-c", count],
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        capture_output=True,
        check=True,
        text=True,
    )
    assert ran.stdout.split() == ["1"]
    assert available_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("jobs", "pieces"), [(1, 5), (3, 1)])
def test_what_one_process_can_do_is_done_in_this_one(jobs: int, pieces: int) -> None:
    with opener_for("local", jobs)(pieces) as client:
        assert client is None


def test_workers_have_one_thread_and_are_reached_by_their_address(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    def settings(dask_worker: Any) -> tuple[object, ...]:
        import dask

        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        memory = dask.config.get("distributed.worker.memory")
        held = {memory["target"], memory["spill"], memory["pause"]}
        return (*(os.environ.get(name) for name in names), held, os.getpid())

    with opener_for("local", 2)(9) as client:
        assert client is not None
        assert list(client.nthreads().values()) == [1, 1]
        found = list(client.run(settings).values())
        assert [one[:3] for one in found] == [("1", "1", "1")] * 2
        assert [one[3] for one in found] == [{False}] * 2
        assert len({os.getpid(), *(one[-1] for one in found)}) == 3
        address = client.scheduler_info()["address"]
        recipe = ad.Recipe(galaxies=20, image_shape=(8, 8), layout={"part": 4})
        with opener_for(address, 7)(9) as remote:
            assert remote is not None
            assert len(remote.nthreads()) == 2
            ad.write(recipe, tmp_path / "pairs.zarr", seds=seds, client=remote)
        # Somebody else's workers are left running.
        assert len(client.nthreads()) == 2
    assert ad.verify(tmp_path / "pairs.zarr").passed


@pytest.mark.parametrize("name", ["slrum", "host:8786", ""])
def test_an_unknown_name_is_refused(name: str) -> None:
    expected = (
        r"cluster: got .*expected local, slurm, .*an address is like tcp://host:8"
    )
    with pytest.raises(InputError, match=expected):
        opener_for(name, 1)


def test_jobs_are_not_submitted_without_their_number() -> None:
    with pytest.raises(InputError, match="--jobs: got nothing, expected how many jobs"):
        opener_for("slurm", None)


def test_a_scheduler_is_found_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    with local(1) as client:
        file.write_text(json.dumps(client.scheduler_info()))
        with opener_for(str(file), None)(3) as found:
            assert found is not None
            assert found.submit(sum, (1, 2)).result() == 3
    file.write_text("{}")
    for path in (file, tmp_path / "none.json"):
        expected = "the file that a dask scheduler wrote"
        with pytest.raises(InputError, match=expected), scheduler_file(path):
            pass


def test_an_address_of_an_unknown_kind_is_refused() -> None:
    expected = r"cluster: got carrier://.*a scheduler that answers .*is it running\?"
    strange = opener_for("carrier://x:1", 1)
    with pytest.raises(InputError, match=expected), strange(1):
        pass
    # It does not stay behind as the client of whoever asks next.
    with pytest.raises(ValueError, match="No clients found"):
        Client.current()


def test_an_address_where_nobody_answers_is_refused(tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    # In a process of its own: what distributed logs and leaves behind stays there.
    command = Path(sys.executable).with_name("argdask")
    where = f"tcp://127.0.0.1:{port}"
    Path("quick.yaml").write_text("answer: 2\n")
    named = ["--cluster", where, "--cluster-config", "quick.yaml"]
    ran = subprocess.run(
        [command, "generate", "pairs.zarr", *named, "--galaxies", "5"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"argdask: cluster: got {where}, expected a scheduler that")
    assert [path.name for path in tmp_path.iterdir()] == ["quick.yaml"]


SLOW = """
import argdask.clusters as clusters

def end_late():
    import atexit, time
    atexit.register(time.sleep, 8)

with clusters.local(1) as client:
    client.run(end_late)
"""


def test_a_worker_that_takes_long_to_end_is_no_news() -> None:
    run = [sys.executable, "-c", SLOW]
    ran = subprocess.run(run, capture_output=True, check=True, text=True)
    assert ran.stderr == ""


BUSY = """
import argdask.clusters as clusters

def work(path):
    import pathlib, time
    import numpy as np
    from argdask.store.shards import write_chunk
    write_chunk(pathlib.Path(path), np.zeros(9), "lz4")
    time.sleep(600)

if __name__ == "__main__":
    import pathlib, time
    with clusters.local(1) as client:
        future = client.submit(work, str(pathlib.Path("begun").absolute()))
        while not pathlib.Path("begun").exists():
            time.sleep(0.02)
"""


def test_a_worker_that_is_killed_in_the_middle_of_its_work_is_no_news() -> None:
    Path("busy.py").write_text(BUSY)
    run = [sys.executable, "busy.py"]
    ran = subprocess.run(run, capture_output=True, check=True, text=True)
    assert ran.stderr == ""


# Stopped.

COMMAND = Path(sys.executable).with_name("argdask")


def hearing() -> None:
    """Let a process hear hangups, whether those who started the tests do or not."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def begun(
    folder: Path, jobs: int, prepare: Callable[[], object] = hearing, **streams: Any
) -> subprocess.Popen[str]:
    """Start a run that would take long, and return in the middle of it."""
    layout = ("layout.part=8", "layout.chunk=4", "image_shape=24")
    settings = [word for one in layout for word in ("--set", one)]
    command = [COMMAND, "generate", "pairs.zarr", "--galaxies", "40000", *settings]
    process = subprocess.Popen(
        [*command, "--jobs", str(jobs)],
        cwd=folder,
        text=True,
        start_new_session=True,
        preexec_fn=prepare,
        **streams,
    )
    wait_for_receipts(folder, process, 0)
    return process


def wait_for_receipts(folder: Path, run: subprocess.Popen[str], size: int) -> int:
    """Wait for more bytes of receipts than this, and return how many there are."""
    journals = folder / "pairs.zarr.receipts"
    found = size
    while found <= size:
        assert run.poll() is None
        time.sleep(0.02)
        found = sum(file.stat().st_size for file in journals.glob("*.jsonl"))
    return found


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("how", ["ctrl-c", "SIGTERM", "SIGHUP"])
def test_a_run_that_is_stopped_says_so_and_nothing_else(
    tmp_path: Path, jobs: int, how: str
) -> None:
    run = begun(tmp_path, jobs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if how == "ctrl-c":
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    else:
        run.send_signal(signal.Signals[how])
    printed, told = run.communicate(timeout=120)
    assert run.returncode == 3, told
    assert printed == ""
    lines = [line for line in told.splitlines() if line and "galaxies" not in line]
    assert lines == ["argdask: stopped; run the same command again to resume"]


def test_a_terminal_that_is_gone_leaves_nobody_behind(tmp_path: Path) -> None:
    ours, theirs = os.openpty()

    def begin_with_it() -> None:
        hearing()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    run = begun(
        tmp_path,
        2,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        prepare=begin_with_it,
    )
    os.close(theirs)
    workers = psutil.Process(run.pid).children(recursive=True)
    assert workers
    os.close(ours)  # and every word to it is an error from now on
    run.wait(timeout=120)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []
    assert not (tmp_path / "pairs.zarr.lock").exists()


def test_a_hangup_that_is_ignored_ends_no_run(tmp_path: Path) -> None:
    run = begun(
        tmp_path,
        1,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        prepare=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    before = wait_for_receipts(tmp_path, run, 0)
    run.send_signal(signal.SIGHUP)
    # Of a hundred pieces more, long after what was under way then.
    wait_for_receipts(tmp_path, run, before + 20_000)
    run.terminate()
    _, told = run.communicate(timeout=120)
    assert run.returncode == 3, told


def test_the_store_and_all_input_come_before_the_cluster(tmp_path: Path) -> None:
    # Where nobody answers, only what is asked last is complained of.
    (tmp_path / "taken").write_text("mine")
    wrong = [
        (["taken"], "a store that argdask made"),
        (["new.zarr", "--set", "galaxies=0"], "galaxies: got 0"),
        (["none/new.zarr"], "a folder that can be written"),
        (["new.zarr", "--seds", "none.nc"], "none.nc"),
    ]
    for arguments, expected in wrong:
        ran = subprocess.run(
            [COMMAND, "generate", *arguments, "--cluster", "tcp://127.0.0.1:9"],
            capture_output=True,
            check=False,
            text=True,
        )
        assert ran.returncode == 2
        assert expected in ran.stderr


def test_a_complete_store_needs_no_cluster(tmp_path: Path, seds: xr.DataArray) -> None:
    recipe = ad.Recipe(galaxies=8, image_shape=(8, 8))
    ad.write(recipe, "pairs.zarr", seds=seds)
    nobody = opener_for("tcp://127.0.0.1:9", None)
    assert ad.write(recipe, "pairs.zarr", seds=seds, client=nobody).made == 0


def test_what_dask_says_of_a_run_is_written(tmp_path: Path) -> None:
    command = [COMMAND, "generate", "p.zarr", "--galaxies", "64", "--set"]
    more = ["image_shape=8", "--jobs", "2", "--performance-report", "report.html"]
    ran = subprocess.run([*command, *more], capture_output=True, check=False, text=True)
    # Its pictures are drawn by bokeh.
    if importlib.util.find_spec("bokeh") is None:
        assert ran.returncode == 2
        assert "pip install bokeh" in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
        # It is said before anything is made.
        assert list(tmp_path.iterdir()) == []
    else:
        assert ran.returncode == 0
        assert "Dask Performance Report" in Path("report.html").read_text()


def test_the_job_script_is_printed_and_nothing_else_is_done(tmp_path: Path) -> None:
    Path("c.yaml").write_text("queue: long\n")
    named = ["--cluster-config", "c.yaml"]
    for command in (
        ["generate", "p.zarr", "--cluster", "slurm", "--dry-run", *named],
        ["clusters", "slurm", *named],
    ):
        ran = subprocess.run(
            [COMMAND, *command], capture_output=True, text=True, check=True
        )
        assert "#SBATCH -p long\n" in ran.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]
    wrong = [COMMAND, "generate", "p.zarr", "--dry-run"]
    ran = subprocess.run(wrong, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "--cluster: got local, expected a batch system" in ran.stderr


def test_all_choices_are_printed_as_a_file_that_is_read_back(tmp_path: Path) -> None:
    ran = subprocess.run(
        [COMMAND, "clusters"], capture_output=True, text=True, check=True
    )
    Path("c.yaml").write_text(ran.stdout)
    assert ClusterChoices.from_yaml("c.yaml") == ClusterChoices()
