"""Worker jobs of batch systems, through dask-jobqueue."""

from __future__ import annotations

import getpass
import importlib.util
import logging
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import dask
import yaml

from argdask.cluster_choices import ClusterChoices, clock, seconds_of
from argdask.crews import WORKER_MEMORY
from argdask.errors import InputError
from argdask.watchdog import Watchdog

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "QUEUES",
    "SETTINGS",
    "BatchSystem",
    "dask_jobqueue",
    "job_queue",
    "job_script",
    "own_address",
    "tell_dashboard",
    "with_site",
]

_log = logging.getLogger(__name__)

# Many workers that start at once from one shared file system are slow to answer.
SETTINGS: dict[str, Any] = {
    **WORKER_MEMORY,
    "distributed.comm.timeouts.connect": "60s",
}

# The same for the workers, in the shell of their jobs. Nodes' file systems often cannot
# lock files, and no two processes write one.
_ENVIRONMENT = (
    "export DASK_DISTRIBUTED__WORKER__MEMORY__TARGET=False",
    "export DASK_DISTRIBUTED__WORKER__MEMORY__SPILL=False",
    "export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False",
    "export DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT=60s",
    "export HDF5_USE_FILE_LOCKING=FALSE",
)


# Some list what will not run: relatives of PBS what is complete, Grid Engine what it
# could not start.
_ENDED = re.compile(r" (?:C|Eqw) ")


@dataclass(frozen=True)
class BatchSystem:
    """What one batch system calls things."""

    cluster: str
    """The class of dask_jobqueue."""
    listing: str
    """Command that prints the ids of jobs that wait or run, at the start of lines."""
    account: str | None = "project"
    """What dask_jobqueue calls the account."""
    queue: bool = True
    """Whether jobs are put into queues by name."""
    walltime: str = "seconds"
    """How a walltime is written: seconds (HH:MM:SS), minutes (HH:MM) or none."""
    directives: tuple[str, ...] = ()
    """Directives of every job: one that the system runs again by itself would be there
    twice."""

    def jobs(self, timeout: float) -> set[str] | None:
        """Return the ids of this user's jobs, or None if there is no answer.

        Parameters
        ----------
        timeout
            How long to wait for the answer [s].

        Returns
        -------
        set of str or None
            The leading digits of the ids.
        """
        command = self.listing.format(user=getpass.getuser()).split()
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            _log.debug("%s: %s", command[0], error)
            return None
        nothing = "No unfinished job found" in ran.stderr
        if ran.returncode and not nothing:
            _log.debug("%s: %s", command[0], ran.stderr.strip())
            return None
        lines = (line for line in ran.stdout.splitlines() if not _ENDED.search(line))
        return set(re.findall(r"^\s*(\d+)", "\n".join(lines), re.MULTILINE))


QUEUES: dict[str, BatchSystem] = {
    "slurm": BatchSystem(
        "SLURMCluster", "squeue -h -o %A -u {user}", "account", True, "seconds",
        ("--no-requeue",),
    ),
    "pbs": BatchSystem(
        "PBSCluster", "qstat -u {user}", "account", True, "seconds", ("-r n",)
    ),
    # The shell of a queue may be any, whatever the script's first line says.
    "sge": BatchSystem(
        "SGECluster", "qstat -u {user}", directives=("-r no", "-S /bin/bash")
    ),
    "lsf": BatchSystem(
        "LSFCluster", "bjobs -u {user} -noheader -o jobid", walltime="minutes",
        directives=("-rn",),
    ),
    "oar": BatchSystem("OARCluster", "oarstat -u {user}"),
    "htcondor": BatchSystem(
        "HTCondorCluster", "condor_q {user} -format %d\\n ClusterId", None, False,
        "none",
    ),
}  # fmt: skip


def dask_jobqueue() -> ModuleType:
    """Return the package that submits jobs.

    Returns
    -------
    module
        ``dask_jobqueue``.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        return importlib.import_module("dask_jobqueue")
    except ImportError:
        raise ImportError(
            "jobs of batch systems need dask-jobqueue: pip install 'argdask[hpc]'"
        ) from None
    finally:
        # Its runners take Ctrl-C for themselves when they are imported, and exit by 0.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def with_site(name: str, choices: ClusterChoices) -> ClusterChoices:
    """Fill what is not chosen with what dask's configuration says of a batch system.

    Parameters
    ----------
    name
        The batch system.
    choices
        What the user chose.

    Returns
    -------
    ClusterChoices
        The choices to work with.
    """
    package = dask_jobqueue()
    shipped = yaml.safe_load(
        Path(str(package.__file__)).with_name("jobqueue.yaml").read_text("utf-8")
    )["jobqueue"][name]
    site = dask.config.get(f"jobqueue.{name}", {})
    said: dict[str, Any] = {}
    for key, names in _NAMES_OF_DASK.items():
        for one in names:
            value = site.get(one)
            if value not in (None, shipped.get(one)):
                said[key] = tuple(value) if isinstance(value, list) else value
    chosen = {key: getattr(choices, key) for key in choices.model_fields_set}
    return ClusterChoices(**{**said, **chosen})


# Which keys of dask's configuration say the same as a choice.
_NAMES_OF_DASK: Mapping[str, tuple[str, ...]] = {
    "queue": ("queue",),
    "account": ("account", "project"),
    "cores": ("cores",),
    "memory": ("memory",),
    "walltime": ("walltime",),
    "interface": ("interface",),
    "local_directory": ("local-directory",),
    "log_directory": ("log-directory",),
    "prologue": ("job-script-prologue",),
    "extra": ("job-extra-directives",),
    "skip": ("job-directives-skip",),
    "python": ("python",),
    "disk": ("disk",),
    "death_timeout": ("death-timeout",),
}


def _keywords(name: str, choices: ClusterChoices) -> dict[str, Any]:
    """Return what the classes of dask_jobqueue are called with."""
    system = QUEUES[name]
    lifetime, stagger = choices.lifetime
    own = (d for d in system.directives if not any(s in d for s in choices.skip))
    extra: Any = [*own, *choices.extra]
    if name == "htcondor":
        pairs = (line.partition("=") for line in choices.extra)
        extra = {key.strip(): value.strip() for key, _, value in pairs}
    keywords: dict[str, Any] = {
        "job_name": "argdask",
        "cores": choices.cores,
        "processes": choices.cores,
        "memory": choices.memory,
        "interface": choices.interface,
        "local_directory": f'"{choices.local_directory}"',
        "log_directory": str(Path(choices.log_directory).absolute()),
        "job_script_prologue": [*_ENVIRONMENT, *choices.prologue],
        "job_extra_directives": extra,
        "job_directives_skip": list(choices.skip),
        "python": choices.python,
        "death_timeout": int(choices.death_timeout),
        "worker_extra_args": [
            *("--lifetime", f"{lifetime}s", "--lifetime-stagger", f"{stagger}s"),
            *("--no-dashboard", "--preload", "argdask.worker_setup"),
        ],
    }
    if system.queue:
        keywords["queue"] = choices.queue
    if system.account is not None:
        keywords[system.account] = choices.account
    if system.walltime != "none":
        whole = system.walltime == "seconds"
        keywords["walltime"] = clock(seconds_of(choices.walltime), with_seconds=whole)
    if name == "htcondor":
        keywords["disk"] = choices.disk
    return keywords


def job_script(name: str, choices: ClusterChoices) -> str:
    """Return the script of a worker's job as it would be submitted.

    Parameters
    ----------
    name
        The batch system.
    choices
        What to ask it for.

    Returns
    -------
    str
        The script, but for the scheduler's address.
    """
    keywords = _keywords(name, with_site(name, choices))
    # A look leaves no folder behind.
    logs = keywords.pop("log_directory")
    job = getattr(dask_jobqueue(), QUEUES[name].cluster).job_cls
    with _existing(logs):
        made = job(
            "tcp://SCHEDULER:PORT", name="argdask", log_directory=logs, **keywords
        )
    return str(made.job_script())


@contextmanager
def _existing(folder: str) -> Iterator[None]:
    """Take away again the folders that only a look has made."""
    path = Path(folder)
    missing = [one for one in (path, *path.parents) if not one.exists()]
    yield
    for one in missing:
        if one.exists():
            one.rmdir()


@contextmanager
def job_queue(
    name: str, jobs: int, choices: ClusterChoices | None = None
) -> Iterator[Client]:
    """Submit jobs with workers to a batch system, and keep their number.

    Parameters
    ----------
    name
        The batch system: slurm, pbs, sge, lsf, oar or htcondor.
    jobs
        How many.
    choices
        What to ask it for.

    Yields
    ------
    Client
        A client of the workers, of which none may be there yet. The jobs end with the
        context.

    Raises
    ------
    InputError
        If the batch system is not there or refuses the first job.
    """
    from distributed import Client

    choices = with_site(name, choices or ClusterChoices())
    system = QUEUES[name]
    kind = getattr(dask_jobqueue(), system.cluster)
    keywords = _keywords(name, choices)
    settings = {
        **SETTINGS,
        "distributed.scheduler.allowed-failures": choices.allowed_failures,
    }
    options = {"dashboard_address": choices.dashboard}
    if choices.interface is None:
        options["host"] = own_address()
    with dask.config.set(settings):
        try:
            cluster = kind(
                job_cls=_patient(kind.job_cls), scheduler_options=options, **keywords
            )
        except (ValueError, OSError, RuntimeError) as error:
            expected = f"a batch system that can be used ({error})"
            cure = "see `argdask clusters`"
            raise InputError("cluster", name, expected, cure) from None
        with cluster, Client(cluster, set_as_default=False) as client:
            tell_dashboard(client)
            with Watchdog(client, cluster, system, jobs, choices):
                yield client


def own_address() -> str:
    """Return the address by which other hosts reach this one."""
    from distributed.utils import get_ip

    found = get_ip()
    try:
        named = socket.gethostbyname(socket.gethostname())
    except OSError:
        return str(found)
    return str(found) if found != "127.0.0.1" else named


def _patient(job: Any) -> Any:
    """Return a class of jobs that keep what the batch system said when it refused one.

    The jobs of dask_jobqueue would raise, and the cluster would then take a job that
    was never submitted for one that is on its way, for ever.
    """
    from distributed.deploy.spec import ProcessInterface

    class Job(job):  # type: ignore[misc]  # its class is known only now
        refusal = ""

        async def start(self) -> None:
            try:
                await super().start()
            except (RuntimeError, ValueError, OSError) as error:
                lines = [line for line in str(error).splitlines() if line.strip()]
                self.refusal = lines[-1] if lines else type(error).__name__
                await ProcessInterface.start(self)

        async def close(self) -> None:
            # Theirs cancels the job and still says that it runs.
            await super().close()
            await ProcessInterface.close(self)

    Job.__name__ = job.__name__
    return Job


def tell_dashboard(client: Client) -> None:
    """Log where the dashboard is, and how to reach it from elsewhere.

    Parameters
    ----------
    client
        A client of the cluster.
    """
    link = client.dashboard_link
    found = re.match(r"https?://([^:/]+):(\d+)", link or "")
    if found is None or importlib.util.find_spec("bokeh") is None:
        _log.info("no dashboard: it needs bokeh (pip install bokeh)")
        return
    host, port = found.groups()
    _log.info("dashboard: %s", link)
    login = f"{getpass.getuser()}@{socket.getfqdn()}"
    _log.info("from elsewhere: ssh -N -L %s:%s:%s %s", port, host, port, login)
