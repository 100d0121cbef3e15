"""A run as jobs of its own: the driver as one job, or its shares as a job array."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dask.utils import parse_bytes

from argdask.cluster_choices import ClusterChoices, clock, seconds_of
from argdask.errors import InputError

__all__ = ["SUBMITTERS", "Submitter", "array_scripts", "driver_script", "submit"]


@dataclass(frozen=True)
class Submitter:
    """How one batch system takes a script."""

    command: str
    """What submits it, and prints a job id."""
    after: str
    """Option that holds a job until another has ended."""
    again: str
    """Command with which a job submits its own script."""
    index: str
    """Shell expression of an array task's number, from 0."""
    prefix: str
    """What stands before each directive."""
    directives: tuple[str, ...]
    """Directives of every job; what has no value is left out."""
    array: str
    """Directive of an array of {tasks} tasks that count to {last} from 0."""

    def header(self, name: str, choices: ClusterChoices, job: JobSize) -> list[str]:
        """Return the directives of a job.

        Parameters
        ----------
        name
            Name of the job.
        choices
            Queue, account, further directives.
        job
            Its size.

        Returns
        -------
        list of str
            Lines.
        """
        values = {
            "name": name,
            "queue": choices.queue,
            "account": choices.account,
            "cores": job.cores,
            "memory": -(-parse_bytes(job.memory) // 2**20),
            "walltime": clock(seconds_of(job.walltime)),
            "logs": Path(choices.log_directory).absolute(),
        }
        lines = []
        for directive in self.directives:
            named = re.findall(r"{(\w+)}", directive)
            if all(values[one] is not None for one in named):
                lines.append(directive.format(**values))
        kept = (one for one in lines if not any(skip in one for skip in choices.skip))
        return [f"{self.prefix} {line}" for line in (*kept, *choices.extra)]


@dataclass(frozen=True)
class JobSize:
    """What one job asks for."""

    cores: int
    memory: str
    walltime: str


SUBMITTERS: dict[str, Submitter] = {
    "slurm": Submitter(
        command="sbatch --parsable",
        after="--dependency=afterany:{job}",
        again='ARGDASK_RESUBMITS=$((resubmits - 1)) sbatch --export=ALL "$script"',
        index="$SLURM_ARRAY_TASK_ID",
        prefix="#SBATCH",
        directives=(
            "--job-name={name}",
            "--partition={queue}",
            "--account={account}",
            "--nodes=1",
            "--ntasks=1",
            "--cpus-per-task={cores}",
            "--mem={memory}M",
            "--time={walltime}",
            "--no-requeue",
            "--output={logs}/%x-%j.log",
        ),
        array="--array=0-{last}",
    ),
    "pbs": Submitter(
        command="qsub",
        after="-W depend=afterany:{job}",
        again='qsub -v ARGDASK_RESUBMITS=$((resubmits - 1)) "$script"',
        # PBS Pro and OpenPBS, or Torque.
        index="${PBS_ARRAY_INDEX:-$PBS_ARRAYID}",
        prefix="#PBS",
        directives=(
            "-N {name}",
            "-q {queue}",
            "-A {account}",
            "-l select=1:ncpus={cores}:mem={memory}MB",
            "-l walltime={walltime}",
            "-r n",
            "-j oe",
            "-o {logs}/",
        ),
        array="-J 0-{last}",
    ),
    "sge": Submitter(
        command="qsub -terse",
        after="-hold_jid {job}",
        again='qsub -v ARGDASK_RESUBMITS=$((resubmits - 1)) "$script"',
        # Its tasks count from 1.
        index="$((SGE_TASK_ID - 1))",
        prefix="#$",
        directives=(
            "-N {name}",
            "-q {queue}",
            "-P {account}",
            "-l h_rt={walltime}",
            "-r no",
            "-S /bin/bash",
            "-cwd",
            "-j y",
            "-o {logs}/",
        ),
        array="-t 1-{tasks}",
    ),
}
"""Batch systems that `argdask submit` knows, by name."""

_DRIVER = """\
store={store}
script={script}
resubmits=${{ARGDASK_RESUBMITS:-{resubmits}}}
# One line for each part that is done, by whichever run.
receipts() {{
    cat "$store"{{,.extension}}.receipts/*.jsonl 2>/dev/null | grep -c '"files":'
}}
before=$(receipts)
code=0
# Told to stop in time, the driver closes what it has opened.
timeout --preserve-status --signal=TERM {seconds} {command} || code=$?
if [ "$code" -eq 3 ]; then
    if [ "$(receipts)" -le "$before" ]; then
        echo "argdask: this run added nothing; not submitted again" >&2
    elif [ "$resubmits" -le 0 ]; then
        echo "argdask: submitted often enough" >&2
    else
        {again}
    fi
fi
exit "$code"
"""


def _argdask(choices: ClusterChoices) -> str:
    python = Path(choices.python or sys.executable)
    return shlex.quote(str(python.with_name("argdask")))


def _script(header: list[str], choices: ClusterChoices, body: str) -> str:
    here = f"cd {shlex.quote(str(Path.cwd()))}"
    lines = ("#!/usr/bin/env bash", *header, here, *choices.prologue, body)
    return "\n".join(lines)


def driver_script(
    name: str,
    store: Path,
    arguments: tuple[str, ...],
    choices: ClusterChoices,
    resubmits: int,
) -> str:
    """Return the script of a job that drives a run, and submits itself again.

    Parameters
    ----------
    name
        The batch system.
    store
        Where the store is or shall be.
    arguments
        Options of ``argdask generate``.
    choices
        What to ask for.
    resubmits
        How many more jobs may follow the first.

    Returns
    -------
    str
        The script. It is submitted again only after a run that added receipts.
    """
    system, job = SUBMITTERS[name], choices.driver
    size = JobSize(job.cores, job.memory, job.walltime)
    words = ("generate", str(store), *arguments)
    body = _DRIVER.format(
        store=shlex.quote(str(store)),
        script=shlex.quote(str(_folder(store) / "driver.sh")),
        resubmits=resubmits,
        seconds=max(int(seconds_of(job.walltime) - job.signal), 1),
        command=f"{_argdask(choices)} {shlex.join(words)}",
        again=system.again,
    )
    return _script(system.header("argdask-driver", choices, size), choices, body)


def array_scripts(
    name: str, store: Path, tasks: int, choices: ClusterChoices
) -> dict[str, str]:
    """Return the scripts of a job array that makes a store, and of what closes it.

    Parameters
    ----------
    name
        The batch system.
    store
        The store, which is there.
    tasks
        How many shares to make.
    choices
        What to ask for.

    Returns
    -------
    dict
        Scripts by file name, in the order in which they are submitted.
    """
    system = SUBMITTERS[name]
    size = JobSize(choices.cores, choices.memory, choices.walltime)
    array = system.array.format(tasks=tasks, last=tasks - 1)
    where = shlex.quote(str(store))
    header = system.header("argdask-array", choices, size)
    share = f"{_argdask(choices)} part {where} --index {system.index} --of {tasks}\n"
    closing = system.header("argdask-finalise", choices, size)
    return {
        "array.sh": _script([*header, f"{system.prefix} {array}"], choices, share),
        "finalise.sh": _script(
            closing, choices, f"{_argdask(choices)} finalise {where}\n"
        ),
    }


def _folder(store: Path) -> Path:
    return store.with_name(f"{store.name}.jobs")


def submit(
    name: str, store: Path, scripts: dict[str, str], choices: ClusterChoices
) -> list[str]:
    """Submit scripts, each to run after the one before it has ended.

    Parameters
    ----------
    name
        The batch system.
    store
        The store; the scripts are kept in a folder beside it.
    scripts
        By file name.
    choices
        Where logs go, and how long to wait for an answer.

    Returns
    -------
    list of str
        Ids of the jobs.

    Raises
    ------
    InputError
        If the batch system is not there or refuses a script.
    """
    system, folder = SUBMITTERS[name], _folder(store)
    folder.mkdir(exist_ok=True)
    Path(choices.log_directory).mkdir(parents=True, exist_ok=True)
    jobs: list[str] = []
    for file, script in scripts.items():
        path = folder / file
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)
        held = system.after.format(job=jobs[-1]).split() if jobs else []
        jobs.append(_submitted(system, [*held, str(path)], choices.answer))
    return jobs


def _submitted(system: Submitter, words: list[str], patience: float) -> str:
    command = [*system.command.split(), *words]
    # A number of resubmissions that is left over from another run is not for this one.
    environment = {k: v for k, v in os.environ.items() if k != "ARGDASK_RESUBMITS"}
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=patience,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        expected = f"a batch system that takes the script ({told.strip()})"
        raise InputError("submit", command[0], expected, "see --dry-run") from None
    # sbatch may add the cluster's name, Grid Engine the range of an array.
    return re.split(r"[;\s]", ran.stdout.strip())[0].split(".1-")[0]
