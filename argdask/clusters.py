"""Clusters to work on: context managers that yield a dask client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dask

from argdask.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["available_cores", "client_for", "local"]


def available_cores() -> int:
    """Return how many cores this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return max(len(os.sched_getaffinity(0)), 1)


@contextmanager
def local(jobs: int | None = None) -> Iterator[Client]:
    """Start worker processes on this machine, one thread each.

    Parameters
    ----------
    jobs
        Number of processes; one for each core if left out.

    Yields
    ------
    Client
        Connected to the processes, which end with the context.
    """
    from distributed import Client, LocalCluster

    settings = {
        # Nothing that a worker holds is worth writing to disk.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=jobs or available_cores(),
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def client_for(cluster: str, jobs: int) -> Iterator[Client | None]:
    """Reach the workers that a command line names.

    Parameters
    ----------
    cluster
        ``local``, or the address of a running scheduler.
    jobs
        Number of local processes; with 1 the work is done in this one.

    Yields
    ------
    Client or None
        A client, or None for this process.

    Raises
    ------
    InputError
        If the name is unknown or nobody answers at the address.
    """
    if cluster == "local":
        if jobs == 1:
            yield None
            return
        with local(jobs) as client:
            yield client
        return
    from distributed import Client

    if "://" not in cluster:
        raise InputError(
            "cluster", cluster, "local or an address", "for example tcp://host:8786"
        )
    try:
        # One that fails must not stay behind as the default.
        remote = Client(cluster, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            "cluster", cluster, f"a scheduler that answers ({error})", "is it running?"
        ) from None
    with remote:
        yield remote
