"""A scheduler, a driver and workers as the tasks of one ``srun``."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dask

from argdask.cluster_choices import ClusterChoices
from argdask.errors import InputError
from argdask.job_queues import SETTINGS, dask_jobqueue, tell_dashboard

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["runner"]

_log = logging.getLogger(__name__)


@contextmanager
def runner(choices: ClusterChoices) -> Iterator[Client]:
    """Divide the tasks of one ``srun`` among a scheduler, this driver and workers.

    Only the process that drives comes back from here; the others serve until it has
    ended, and then end.

    Parameters
    ----------
    choices
        The log directory, where the scheduler's address is kept, and what to wait for.

    Yields
    ------
    Client
        A client of the workers.

    Raises
    ------
    InputError
        If this is no ``srun`` of three tasks or more.
    """
    from distributed import Client

    tasks = _tasks()
    dask_jobqueue()
    folder = Path(choices.log_directory).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    step = os.environ.get("SLURM_STEP_ID", "0")
    file = folder / f"scheduler-{os.environ['SLURM_JOB_ID']}-{step}.json"
    serving = os.environ["SLURM_PROCID"] != "1"
    from dask_jobqueue.slurm import SLURMRunner

    if serving:
        # How it lets these processes end.
        signal.signal(signal.SIGINT, lambda *_: sys.exit())
    options = {
        "interface": choices.interface,
        "scheduler_file": str(file),
        "dashboard_address": choices.dashboard,
    }
    serve = {
        "nthreads": 1,
        "interface": choices.interface,
        "death_timeout": choices.death_timeout,
    }
    with dask.config.set(SETTINGS):
        try:
            with (
                SLURMRunner(
                    scheduler_file=str(file),
                    scheduler_options=options,
                    worker_options=serve,
                ) as started,
                Client(started, set_as_default=False) as client,
            ):
                tell_dashboard(client)
                _await_all(client, tasks - 2, choices)
                yield client
        finally:
            file.unlink(missing_ok=True)


def _tasks() -> int:
    """Return how many tasks there are, if they are enough."""
    tasks = int(os.environ.get("SLURM_NTASKS", "0"))
    if tasks < 3 or "SLURM_PROCID" not in os.environ:
        expected = "three tasks or more: a scheduler, the driver, workers"
        cure = "for example srun -n 10 argdask generate OUT --cluster runner"
        raise InputError("cluster", f"runner with {tasks} tasks", expected, cure)
    return tasks


def _await_all(client: Client, workers: int, choices: ClusterChoices) -> None:
    """Let all tasks find each other: one that comes late would look for nobody."""
    try:
        client.wait_for_workers(workers, timeout=choices.answer)
    except TimeoutError:
        there = len(client.nthreads())
        _log.warning("%d of %d workers are there; going on with them", there, workers)
