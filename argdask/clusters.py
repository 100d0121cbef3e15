"""Clusters to work on: context managers that yield a dask client."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dask

from argdask.cluster_choices import ClusterChoices
from argdask.crews import WORKER_MEMORY, Crew, enlist
from argdask.driver import Opener
from argdask.errors import InputError, nearest
from argdask.job_queues import QUEUES, job_queue
from argdask.slurm_runner import runner

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "NAMES",
    "address",
    "available_cores",
    "htcondor",
    "local",
    "lsf",
    "oar",
    "opener_for",
    "pbs",
    "runner",
    "scheduler_file",
    "sge",
    "slurm",
]

NAMES = ("local", *QUEUES, "runner")
"""What a cluster can be called, besides the address or the file of a scheduler."""


def available_cores() -> int:
    """Return how many cores this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return max(len(os.sched_getaffinity(0)), 1)


@contextmanager
def local(
    jobs: int | None = None, choices: ClusterChoices | None = None
) -> Iterator[Client]:
    """Start worker processes on this machine, one thread each.

    Parameters
    ----------
    jobs
        Number of processes; one for each core if left out.
    choices
        When to complain, and how often a worker may die.

    Yields
    ------
    Client
        Connected to the processes, which end with the context.
    """
    from distributed import Client, LocalCluster

    chosen = choices or ClusterChoices()
    number = jobs or available_cores()
    settings = {
        **WORKER_MEMORY,
        "distributed.scheduler.allowed-failures": chosen.allowed_failures,
    }
    with (
        dask.config.set(settings),
        _restored("distributed.nanny") as news,
        LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
            preload=["argdask.worker_setup"],
        ) as cluster,
        Client(cluster) as client,
    ):
        _enlist(client, chosen, requested=number)
        yield client
        # All is done: that a process takes long to end is no news.
        news.setLevel(logging.ERROR)


@contextmanager
def _restored(name: str) -> Iterator[logging.Logger]:
    """Lend a logger, and give it back its level."""
    logger = logging.getLogger(name)
    level = logger.level
    try:
        yield logger
    finally:
        logger.setLevel(level)


def _enlist(client: Client, choices: ClusterChoices, requested: int = 0) -> None:
    crew = Crew(
        client,
        requested=requested,
        alarm=choices.alarm,
        patience=choices.patience,
    )
    enlist(client, crew)


@contextmanager
def address(where: str, choices: ClusterChoices | None = None) -> Iterator[Client]:
    """Reach a scheduler that runs somewhere; it and its workers are left running.

    Parameters
    ----------
    where
        Its address, ``tcp://host:8786`` for instance.
    choices
        How long to wait for it.

    Yields
    ------
    Client
        Connected to it.

    Raises
    ------
    InputError
        If nobody answers there.
    """
    from distributed import Client

    chosen = choices or ClusterChoices()
    try:
        # One that fails must not stay behind as the default.
        remote = Client(where, timeout=f"{chosen.answer}s", set_as_default=False)
    except (OSError, ValueError) as error:
        # What is known of schemes, dask tells in several lines.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            "cluster", where, f"a scheduler that answers ({reason})", "is it running?"
        ) from None
    with remote:
        _enlist(remote, chosen)
        yield remote


@contextmanager
def scheduler_file(
    path: str | Path, choices: ClusterChoices | None = None
) -> Iterator[Client]:
    """Reach the scheduler that wrote a file with its address.

    Parameters
    ----------
    path
        The file, as ``dask scheduler --scheduler-file`` writes it.
    choices
        How long to wait for an answer.

    Yields
    ------
    Client
        Connected to it.

    Raises
    ------
    InputError
        If there is no such file, or nobody answers.
    """
    import json

    try:
        where = json.loads(Path(path).read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError, KeyError, TypeError):
        expected = "the file that a dask scheduler wrote (--scheduler-file)"
        raise InputError("cluster", str(path), expected, "is it running?") from None
    with address(where, choices) as client:
        yield client


slurm = functools.partial(job_queue, "slurm")
pbs = functools.partial(job_queue, "pbs")
sge = functools.partial(job_queue, "sge")
lsf = functools.partial(job_queue, "lsf")
oar = functools.partial(job_queue, "oar")
htcondor = functools.partial(job_queue, "htcondor")


def opener_for(
    cluster: str, jobs: int | None, choices: ClusterChoices | None = None
) -> Opener:
    """Return what opens the cluster that a command line names, once there is work.

    Parameters
    ----------
    cluster
        One of `NAMES`, or the address or the file of a running scheduler.
    jobs
        Number of jobs, or of local processes; with 1 of those the work is done in this
        one, and left out there is one for each core.
    choices
        How to ask for them.

    Returns
    -------
    callable
        Its context is a client, or None for this process.

    Raises
    ------
    InputError
        If the name is unknown, or jobs are to be submitted without their number.
    """
    chosen = choices or ClusterChoices()
    if cluster == "local":
        return lambda pieces: _local_for(pieces, jobs or available_cores(), chosen)
    if cluster == "runner":
        return lambda _: runner(chosen)
    if cluster in QUEUES:
        if jobs is None:
            expected = "how many jobs to submit"
            raise InputError("--jobs", "nothing", expected, "give a number")
        return lambda pieces: job_queue(cluster, min(jobs, pieces), chosen)
    if "://" in cluster:
        return lambda _: address(cluster, chosen)
    if cluster.endswith(".json"):
        return lambda _: scheduler_file(cluster, chosen)
    names = f"{', '.join(NAMES)}, an address or a scheduler file (.json)"
    near = f"nearest: {nearest(cluster, NAMES)}; an address is like tcp://host:8786"
    raise InputError("cluster", cluster, names, near)


@contextmanager
def _local_for(
    pieces: int, jobs: int, choices: ClusterChoices
) -> Iterator[Client | None]:
    if min(jobs, pieces) <= 1:
        yield None
        return
    with local(min(jobs, pieces), choices) as client:
        yield client
