"""Every choice of how jobs of a batch system work, as one object that YAML can hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from dask.utils import parse_bytes
from pydantic import BeforeValidator, Field, model_validator

from argdask.choices import Choices, commented_yaml, wrong_choice
from argdask.yaml_files import read_yaml

__all__ = ["ClusterChoices", "DriverChoices", "clock", "seconds_of"]

_CALLED = "cluster configuration", "argdask clusters"
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?")

Seconds = Annotated[float, Field(gt=0)]


def seconds_of(walltime: str) -> int:
    """Return a length of time in seconds.

    Parameters
    ----------
    walltime
        ``HH:MM:SS``, ``HH:MM`` or ``D-HH:MM:SS``.

    Returns
    -------
    int
        Seconds.

    Raises
    ------
    ValueError
        If it is something else.
    """
    found = _CLOCK.fullmatch(walltime)
    if found is None:
        raise ValueError(walltime)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def clock(seconds: int, *, with_seconds: bool = True) -> str:
    """Return a length of time as all batch systems read it.

    Parameters
    ----------
    seconds
        Seconds.
    with_seconds
        ``HH:MM:SS``; else ``HH:MM``, rounded up.

    Returns
    -------
    str
        The text.
    """
    if not with_seconds:
        seconds = -(-seconds // 60) * 60
    hours, minutes = seconds // 3600, seconds // 60 % 60
    text = f"{hours:02}:{minutes:02}"
    return f"{text}:{seconds % 60:02}" if with_seconds else text


def _walltime(value: Any) -> Any:
    # YAML reads 1:30:00 without quotes as a number to the base of 60.
    if isinstance(value, int) and value > 0:
        return clock(value)
    try:
        if seconds_of(str(value)) > 0:
            return str(value)
    except ValueError:
        pass
    expected = "a time as HH:MM:SS or D-HH:MM:SS, more than 0"
    raise wrong_choice("", value, expected, "for example '04:00:00'")


def _size(value: Any) -> Any:
    try:
        if isinstance(value, str) and parse_bytes(value) > 0:
            return value
    except ValueError:
        pass
    raise wrong_choice("", value, "a size with its unit", "for example 2GB")


Walltime = Annotated[str, BeforeValidator(_walltime)]
Size = Annotated[str, BeforeValidator(_size)]


class DriverChoices(Choices):
    """The job of the driver itself, where `argdask submit` makes it one."""

    CALLED: ClassVar[tuple[str, str]] = _CALLED

    cores: int = Field(2, ge=1)
    """Cores: for the driver, and for local workers if the run has no other cluster."""
    memory: Size = "4GB"
    """Memory."""
    walltime: Walltime = "12:00:00"
    """How long it may last, HH:MM:SS or D-HH:MM:SS."""
    signal: Seconds = 120.0
    """How long before its walltime the driver is told to stop, to end in order and be
    submitted again [s]."""

    @model_validator(mode="after")
    def _check_time(self) -> Self:
        if self.signal >= seconds_of(self.walltime):
            expected = f"less than the walltime, {self.walltime}"
            raise wrong_choice("signal", self.signal, expected, "lower it")
        return self


class ClusterChoices(Choices):
    """How worker jobs are asked for, watched and given up.

    What is left out is taken from dask's own configuration, ``jobqueue.slurm`` and so
    on, where that says something.
    """

    CALLED: ClassVar[tuple[str, str]] = _CALLED

    queue: str | None = None
    """Queue or partition of the jobs; the site's default if null."""
    account: str | None = None
    """Account or project that pays for the jobs; the site's default if null."""
    cores: int = Field(1, ge=1)
    """Cores of each job. Each has one worker process of one thread."""
    memory: Size = "2GB"
    """Memory of each job, for all its cores."""
    walltime: Walltime = "01:00:00"
    """How long a job may last, HH:MM:SS or D-HH:MM:SS. Workers end themselves before
    it, not all at once, and other jobs take their places."""
    interface: str | None = None
    """Network interface by which workers and driver reach each other, ib0 for instance;
    that of the host's name if null."""
    local_directory: str = "${SLURM_TMPDIR:-${TMPDIR:-/tmp}}"
    """Folder on each node for what workers keep while they live; the shell of the job
    expands it. Next to nothing is written there."""
    log_directory: str = "argdask-logs"
    """Folder that all nodes see, for what the jobs print: one file or two for each."""
    prologue: tuple[str, ...] = ()
    """Lines of shell that come before the worker in each job: modules, environments."""
    extra: tuple[str, ...] = ()
    """Further directives of the job, without #SBATCH, #PBS and so on before them. For
    htcondor, key = value."""
    skip: tuple[str, ...] = ()
    """Directives that the site refuses: every line that holds one of these texts is
    left out, --mem for instance. For htcondor, keys."""
    python: str | None = None
    """Python that runs the workers; this one if null."""
    disk: Size = "1GB"
    """Disk of each job; htcondor alone asks."""
    death_timeout: Seconds = 300.0
    """After how long a worker gives up that does not reach the driver [s]."""
    allowed_failures: int = Field(10, ge=0)
    """How many workers may die on one and the same part before it counts as failed."""
    answer: Seconds = 60.0
    """How long to wait for somebody who should answer: a scheduler at an address, or a
    command of the batch system [s]."""
    poll: Seconds = 30.0
    """How often to look for jobs that died [s]."""
    alarm: Seconds = 600.0
    """After how long without a finished part the state of the queue and the ends of the
    logs are shown [s]."""
    patience: Seconds = 600.0
    """After how long without any worker a run ends; where jobs are asked for they may
    wait in the queue for ever [s]."""
    dashboard: str = ":0"
    """Address and port of dask's dashboard; port 0 takes any that is free."""
    driver: DriverChoices = DriverChoices()
    """The job of the driver, where `argdask submit` makes it one."""

    @model_validator(mode="after")
    def _check_memory(self) -> Self:
        if parse_bytes(self.memory) < 400e6 * self.cores:
            raise wrong_choice(
                "memory",
                self.memory,
                f"at least 400MB for each of {self.cores} cores",
                "raise it; 2GB for each is usual",
            )
        return self

    @classmethod
    def from_yaml(cls, path: str | Path) -> ClusterChoices:
        """Read choices from a YAML file; keys that are left out keep their defaults.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        ClusterChoices
            The choices.

        Raises
        ------
        InputError
            If the file cannot be read, is not YAML or holds a wrong key or value.
        """
        return cls(**read_yaml(path, "--cluster-config", cls.CALLED[1]))

    def to_yaml(self) -> str:
        """Return the choices as YAML, each with its explanation above it.

        Returns
        -------
        str
            Text that `from_yaml` reads back to equal choices.
        """
        return "\n".join(commented_yaml(self)) + "\n"

    @property
    def lifetime(self) -> tuple[int, int]:
        """After how long workers end, and how far that is drawn apart [s].

        The latest ends before the walltime by 5 minutes, or a tenth if that is less;
        the earliest comes at six tenths of that, or all would go together.
        """
        whole = seconds_of(self.walltime)
        usable = whole - min(300, whole / 10)
        return int(0.8 * usable), int(0.2 * usable)
