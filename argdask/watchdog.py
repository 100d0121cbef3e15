"""Keeping the number of worker jobs: batch systems lose some, dask does not look."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from argdask.cluster_choices import ClusterChoices
from argdask.crews import Crew, enlist
from argdask.errors import IncompleteError, InputError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Queue", "Watchdog", "log_tails"]

_log = logging.getLogger(__name__)

# How many times over all jobs may end, and none of their workers report, until a run
# ends.
_ROUNDS = 3


class Queue(Protocol):
    """What knows which jobs wait or run."""

    def jobs(self, timeout: float) -> set[str] | None:
        """Return the ids of this user's jobs, or None if there is no answer."""


class Watchdog(Crew):
    """Jobs of a batch system, kept at a number: what dies is replaced.

    A job is dead when the queue has not listed it twice in a row and none of its
    workers is registered. No answer from the queue says nothing about any job.

    Parameters
    ----------
    client
        The client of the cluster.
    cluster
        The cluster of dask_jobqueue.
    queue
        What knows the jobs.
    jobs
        How many to keep.
    choices
        How often to look, and when to complain.
    """

    def __init__(
        self,
        client: Client,
        cluster: Any,
        queue: Queue,
        jobs: int,
        choices: ClusterChoices,
    ) -> None:
        super().__init__(
            client,
            requested=jobs * choices.cores,
            alarm=choices.alarm,
            patience=None,
        )
        self._cluster, self._queue, self._choices = cluster, queue, choices
        self._jobs = self._target = jobs
        self._missed: Counter[str] = Counter()
        self._reported: set[str] = set()
        self._lost, self._hopeless = 0, ""
        self._wake, self._stopped = threading.Event(), False
        self._thread = threading.Thread(
            target=self._keep, name="argdask-watchdog", daemon=True
        )
        enlist(client, self)

    def __enter__(self) -> Self:
        self._cluster.scale(jobs=self._target)
        self._await_first_job()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._choices.answer)

    def _await_first_job(self) -> None:
        """Let a batch system that refuses say so before anything is made."""
        deadline = time.monotonic() + self._choices.answer
        while time.monotonic() < deadline:
            jobs = list(self._cluster.workers.values())
            if any(job.job_id for job in jobs):
                return
            refused = [job.refusal for job in jobs if job.refusal]
            if refused and len(refused) == len(jobs):
                expected = f"a batch system that takes the job ({refused[0]})"
                cure = "see `argdask clusters` for every choice"
                raise InputError(
                    "cluster", type(self._cluster).__name__, expected, cure
                )
            time.sleep(0.05)

    def begin(self, pieces: int) -> None:
        """Ask for as many jobs as there is work for.

        Parameters
        ----------
        pieces
            How many there are to make.
        """
        super().begin(pieces)
        if pieces:
            self._target = min(self._jobs, pieces)
            self.requested = self._target * self._choices.cores
            self._wake.set()

    def look(self, remaining: int) -> None:
        """Lower the number of jobs when there is work for fewer, and tell of trouble.

        Parameters
        ----------
        remaining
            Pieces that are not finished.

        Raises
        ------
        IncompleteError
            If job after job ends before its worker reports.
        """
        if self._hopeless:
            raise IncompleteError(
                f"{self._hopeless}; run the same command again to resume"
            )
        fewer = -(-remaining // self._choices.cores)
        if 0 < fewer < self._target:
            self._target = fewer
            self._wake.set()
        super().look(remaining)

    def state(self) -> str:
        """Return which jobs the queue has, and what the newest logs end with."""
        alive = self._queue.jobs(self._choices.answer)
        known = {name: job.job_id for name, job in self._cluster.workers.items()}
        jobs = ", ".join(f"{name}: job {job}" for name, job in known.items()) or "none"
        listed = "no answer" if alive is None else ", ".join(sorted(alive)) or "nothing"
        tails = log_tails(Path(self._choices.log_directory))
        return f"\n  asked for: {jobs}\n  queue: {listed}{tails}"

    def _keep(self) -> None:
        while not self._stopped:
            # Before anything else: what is asked for meanwhile wakes it again.
            self._wake.clear()
            try:
                self._tend()
            except Exception as error:  # whatever it is, the next look may go well
                if not self._stopped:
                    _log.warning("the watchdog stumbled: %r", error)
            self._wake.wait(self._choices.poll)

    def _registered(self) -> set[str]:
        workers = self._cluster.scheduler_info["workers"].values()
        return {str(worker["name"]) for worker in workers}

    def _tend(self) -> None:
        """Drop what is dead, replace it, and let go what there is no work for."""
        registered = self._registered()
        jobs = dict(self._cluster.workers)
        here = {name for name in jobs if _has_worker(name, registered)}
        if here - self._reported:
            self._lost = 0
        self._reported |= here
        absent = set(jobs) - here
        dead = {name for name in absent if jobs[name].refusal}
        if waiting := absent - dead:
            dead |= self._gone(waiting, jobs)
        if dead:
            self._note_dead(dead, jobs)
        self._cluster.sync(self._correct, dead)

    def _gone(self, waiting: set[str], jobs: dict[str, Any]) -> set[str]:
        """Return the jobs that the queue has not had for two looks."""
        alive = self._queue.jobs(self._choices.answer)
        if alive is None:
            _log.info("the queue does not answer; nothing is known of the jobs")
            return set()
        for name in list(self._missed):
            if name not in waiting:
                del self._missed[name]
        for name in waiting:
            job = jobs[name].job_id
            if job and str(job).split(".")[0] not in alive:
                self._missed[name] += 1
            else:
                self._missed.pop(name, None)
        return {name for name, count in self._missed.items() if count >= 2}

    def _note_dead(self, dead: set[str], jobs: dict[str, Any]) -> None:
        for name in sorted(dead):
            self._missed.pop(name, None)
            job = jobs[name]
            if name in self._reported:
                _log.info("job %s has ended; another takes its place", job.job_id)
                self._reported.discard(name)
                continue
            self._lost += 1
            why = job.refusal or f"job {job.job_id} ended before its worker reported"
            _log.warning("%s; another is submitted", why)
            if self._lost >= _ROUNDS * max(self._jobs, 3):
                tails = log_tails(Path(self._choices.log_directory))
                self._hopeless = f"{self._lost} jobs in a row came to nothing ({why})"
                _log.error("%s%s", self._hopeless, tails)

    async def _correct(self, dead: set[str]) -> None:
        """Bring the cluster's own books to what is there and what is wanted."""
        cluster = self._cluster
        for name in dead:
            cluster.worker_spec.pop(name, None)
            job = cluster.workers.pop(name, None)
            if job is not None:
                await job.close()
        surplus = len(cluster.worker_spec) - self._target
        if self._stopped or self._hopeless:
            return
        if surplus > 0:
            await cluster.scale_down(await self._idle(surplus))
        else:
            cluster.scale(jobs=self._target)

    async def _idle(self, surplus: int) -> list[str]:
        """Return jobs that can be spared: those that wait, then those without work."""
        cluster = self._cluster
        registered = self._registered()
        waiting = [n for n in cluster.worker_spec if not _has_worker(n, registered)]
        spared = waiting[:surplus]
        if len(spared) < surplus and self._choices.cores == 1:
            # Without a number, only those that have nothing to do.
            spared += await cluster.scheduler_comm.workers_to_close(attribute="name")
        return spared[:surplus]


def _has_worker(job: str, registered: set[str]) -> bool:
    """Whether a worker of a job is there; several are numbered after its name."""
    return job in registered or any(name.startswith(f"{job}-") for name in registered)


def log_tails(folder: Path, files: int = 3, lines: int = 5) -> str:
    """Return the ends of the newest logs in a folder.

    Parameters
    ----------
    folder
        The folder.
    files, lines
        How many of each.

    Returns
    -------
    str
        Indented lines, each log's name above its own; nothing without logs.
    """
    found = sorted(
        (path for path in folder.glob("*") if path.is_file() and path.stat().st_size),
        key=lambda path: path.stat().st_mtime,
    )
    text = ""
    for path in found[-files:]:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - 10_000, 0))
            last = file.read().decode(errors="replace").splitlines()[-lines:]
        text += f"\n  {path}:" + "".join(f"\n    {line}" for line in last)
    return text
