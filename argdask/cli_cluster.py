"""The options of clusters, where the work is done, and the command `clusters`."""

from __future__ import annotations

import functools
import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from argdask import cli_options as options
from argdask.cli_output import is_quiet, say
from argdask.errors import InputError

__all__ = [
    "Where",
    "choices_of",
    "cluster_options",
    "clusters",
    "print_job_script",
]

_LEVELS = ("debug", "info", "warning", "error")

# Sets smaller than this are made before a cluster would have started [bytes].
_WORTH_A_CLUSTER = 2 * 10**9

_OPTIONS = (
    click.option(
        "--cluster",
        default="local",
        show_default=True,
        metavar="WHERE",
        help="local, slurm, pbs, sge, lsf, oar, htcondor, runner, or the address or "
        "scheduler file of a running dask scheduler.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="Worker jobs, or local processes: one for each core if left out, none for "
        "small sets.",
    ),
    click.option(
        "--cluster-config",
        metavar="C.yaml",
        help="How jobs are asked for; see `argdask clusters`.",
    ),
    click.option("--dry-run", is_flag=True, help="Print the job script and stop."),
    click.option(
        "--performance-report",
        metavar="P.html",
        help="Write dask's account of what the workers did; needs bokeh.",
    ),
    click.option(
        "--log-level",
        type=click.Choice(_LEVELS),
        default="info",
        show_default=True,
        help="How much to tell of the cluster.",
    ),
)


@dataclass(frozen=True)
class Where:
    """Where the options say that the work is to be done."""

    cluster: str
    """Its name, address or file."""
    jobs: int | None
    """How many, if that was said."""
    cluster_config: str | None
    """File of choices."""
    dry_run: bool
    """Whether to print the job script only."""
    performance_report: str | None
    """File for dask's account."""
    log_level: str
    """How much to tell."""

    def work(self, make: Callable[[Callable[[Any], Any]], None]) -> None:
        """Do what a command does, on this cluster.

        Parameters
        ----------
        make
            Reads its input, calls what it is given with the recipe, and hands what
            that returns to `argdask.write` as the client.
        """
        if self.dry_run:
            print_job_script(self.cluster, self.cluster_config)
        elif self.cluster == "runner":
            # Every task of an srun comes here, and only one of them is to go on.
            with self.opener()(1) as client:
                make(lambda _: client)
        else:
            make(self.opener)

    def opener(
        self, recipe: Any = None
    ) -> Callable[[int], AbstractContextManager[Any]]:
        """Return what opens the cluster, for `argdask.write`.

        Parameters
        ----------
        recipe
            What is to be made: a small set is made in this process.

        Returns
        -------
        callable
            Called with the number of pieces to make.

        Raises
        ------
        InputError
            If there is no such cluster, or the choices are wrong.
        """
        from argdask.clusters import opener_for

        _log_to_stderr("error" if is_quiet() else self.log_level)
        jobs = self.jobs
        if jobs is None and self.cluster == "local" and _is_small(recipe):
            jobs = 1
        reach = opener_for(self.cluster, jobs, choices_of(self.cluster_config))
        report = self.performance_report
        return reach if report is None else _reported(reach, Path(report))


def _is_small(recipe: Any) -> bool:
    height, width = recipe.image_shape
    filters = 9 if recipe.filters is None else len(recipe.filters)
    return bool(8 * recipe.galaxies * height * width * filters <= _WORTH_A_CLUSTER)


def _reported(
    reach: Callable[[int], AbstractContextManager[Any]], report: Path
) -> Callable[[int], AbstractContextManager[Any]]:
    """Let dask write its account of what the workers of a cluster did."""
    if not report.absolute().parent.is_dir():
        expected = "a file in a folder that is there"
        raise InputError("--performance-report", str(report), expected, "make it")
    if importlib.util.find_spec("bokeh") is None:
        # Dask would notice when all the work is done.
        expected = "bokeh, which draws it, to be installed"
        raise InputError(
            "--performance-report", str(report), expected, "pip install bokeh"
        )

    @contextmanager
    def opened(pieces: int) -> Iterator[Any]:
        with reach(pieces) as client:
            if client is None:
                expected = "a run over workers"
                cure = "add --jobs 2 or more"
                raise InputError("--performance-report", str(report), expected, cure)
            from distributed import performance_report as record

            with client.as_current(), record(filename=str(report)):
                yield client

    return opened


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of clusters, as one argument `where`.

    Parameters
    ----------
    command
        The function of the command.

    Returns
    -------
    callable
        The same, with the options.
    """
    names = [field.name for field in fields(Where)]

    @functools.wraps(command)
    def with_where(**values: Any) -> None:
        where = Where(**{name: values.pop(name) for name in names})
        command(**values, where=where)

    decorated: Callable[..., None] = with_where
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def choices_of(path: str | None) -> Any:
    """Return how jobs are asked for.

    Parameters
    ----------
    path
        File of choices; the defaults if left out.

    Returns
    -------
    ClusterChoices
        The choices.

    Raises
    ------
    InputError
        If it cannot be read, or is no such thing.
    """
    from argdask.cluster_choices import ClusterChoices

    return ClusterChoices() if path is None else ClusterChoices.from_yaml(path)


def print_job_script(
    cluster: str, cluster_config: str | None, field: str = "--cluster"
) -> None:
    """Print the script of a worker's job.

    Parameters
    ----------
    cluster
        The batch system.
    cluster_config
        File of choices.
    field
        What the batch system is called in a message.

    Raises
    ------
    InputError
        If this cluster has no jobs.
    """
    from argdask.job_queues import QUEUES, job_script

    if cluster not in QUEUES:
        expected = f"a batch system: {', '.join(QUEUES)}"
        raise InputError(field, cluster, expected, "only those have job scripts")
    click.echo(job_script(cluster, choices_of(cluster_config)), nl=False)


class _Lines(logging.Formatter):
    """One line with the time and the level; what hangs below it is kept."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")


class _ToStderr(logging.Handler):
    """Standard error as it is when something is told, not when this is made."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        say(self.format(record))


def _log_to_stderr(level: str) -> None:
    log = logging.getLogger("argdask")
    log.setLevel(level.upper())
    if not log.handlers:
        handler = _ToStderr()
        handler.setFormatter(_Lines())
        log.addHandler(handler)


@click.command(
    epilog=options.examples(
        "argdask clusters > cluster.yaml\n"
        "argdask clusters slurm --cluster-config cluster.yaml"
    )
)
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--cluster-config", metavar="C.yaml", help="Choices to show.")
def clusters(name: str | None, cluster_config: str | None) -> None:
    """Print every choice of how jobs are asked for, or the job script of NAME.

    NAME is a batch system: slurm, pbs, sge, lsf, oar or htcondor. Its own settings in
    dask's configuration stand where a file of choices says nothing.
    """
    if name is None:
        click.echo(choices_of(cluster_config).to_yaml(), nl=False)
    else:
        print_job_script(name, cluster_config, "NAME")
