"""Worker jobs of batch systems: scripts as they are sent, lists as they are read."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import dask
import pytest

from argdask.cluster_choices import ClusterChoices
from argdask.errors import InputError
from argdask.job_queues import (
    QUEUES,
    BatchSystem,
    dask_jobqueue,
    job_script,
    with_site,
)

pytest.importorskip("dask_jobqueue")

GOLDEN = Path(__file__).parent / "job_scripts"

CHOICES = ClusterChoices(
    queue="long",
    account="astro",
    cores=2,
    memory="4GB",
    walltime="04:00:00",
    interface="lo",
    log_directory="/shared/logs",
    prologue=("module load python",),
    python="/shared/bin/python",
)
"""Choices that give every directive that a batch system knows."""


@pytest.mark.parametrize("name", QUEUES)
@pytest.mark.filterwarnings("ignore:OAR Job memory reserved:UserWarning")
def test_the_script_is_the_one_that_was_looked_at(name: str) -> None:
    # Checked by hand against each system's own documentation, then kept.
    script = job_script(name, CHOICES)
    assert script == (GOLDEN / f"{name}.txt").read_text()
    assert not Path("/shared").exists()


def test_there_are_no_other_scripts() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(QUEUES)


@pytest.mark.parametrize("name", [*QUEUES])
@pytest.mark.filterwarnings("ignore:OAR Job memory reserved:UserWarning")
def test_the_site_is_asked_before_the_defaults_and_after_the_user(name: str) -> None:
    site = {
        "walltime": "00:20:00",
        "memory": "3GB",
        "interface": "ib0",
        "local-directory": "$SCRATCH",
    }
    with dask.config.set(
        {f"jobqueue.{name}": {**dask.config.get(f"jobqueue.{name}"), **site}}
    ):
        found = with_site(name, ClusterChoices(memory="5GB"))
    assert found.walltime == "00:20:00"
    assert found.interface == "ib0"
    assert found.local_directory == "$SCRATCH"
    assert found.memory == "5GB"
    # What dask_jobqueue ships is nobody's wish.
    assert with_site(name, ClusterChoices()) == ClusterChoices()


def test_directives_are_added_and_left_out() -> None:
    choices = ClusterChoices(extra=("--qos=high",), skip=("--mem", "--no-requeue"))
    script = job_script("slurm", choices)
    assert "#SBATCH --qos=high\n" in script
    assert "--mem=" not in script
    assert "--no-requeue" not in script
    condor = job_script("htcondor", ClusterChoices(extra=("+MaxRuntime = 3600",)))
    assert "+MaxRuntime = 3600\n" in condor


def test_ctrl_c_stays_with_the_program() -> None:
    # In their own module the runners would take it when they are imported.
    for name in [name for name in sys.modules if name.startswith("dask_jobqueue")]:
        del sys.modules[name]
    before = signal.getsignal(signal.SIGINT)
    dask_jobqueue()
    assert signal.getsignal(signal.SIGINT) is before


def listing(tmp_path: Path, script: str) -> BatchSystem:
    command = tmp_path / "listing"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return BatchSystem("", str(command))


@pytest.mark.parametrize(
    ("printed", "ids"),
    [
        ("7\n12\n", {"7", "12"}),
        ("", set()),
        ("Job id  Name\n------ ----\n3.server x\n 41[].server y\n", {"3", "41"}),
        ("8.server  job  me  00:00:00 C debug\n9.server  job  me  0 R debug\n", {"9"}),
        ("  1 0.5 job me Eqw 11/22 1\n  2 0.5 job me qw 11/22 1\n", {"2"}),
    ],
)
def test_lists_of_jobs_are_read(tmp_path: Path, printed: str, ids: set[str]) -> None:
    (tmp_path / "printed").write_text(printed)
    system = listing(tmp_path, f"cat '{tmp_path / 'printed'}'")
    assert system.jobs(30) == ids


@pytest.mark.parametrize("script", ["exit 1", "sleep 60", "echo 5; exit 2"])
def test_no_answer_is_not_an_empty_list(tmp_path: Path, script: str) -> None:
    assert listing(tmp_path, script).jobs(0.5) is None
    assert BatchSystem("", str(tmp_path / "none")).jobs(1) is None


def test_nothing_unfinished_is_an_answer(tmp_path: Path) -> None:
    script = "echo 'No unfinished job found' >&2; exit 255"
    assert listing(tmp_path, script).jobs(30) == set()


def test_a_batch_system_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from argdask.clusters import lsf

    monkeypatch.setenv("PATH", str(tmp_path))
    expected = "cluster: got LSFCluster, expected a batch system that takes the job"
    with pytest.raises(InputError, match=expected), lsf(2):
        pass
