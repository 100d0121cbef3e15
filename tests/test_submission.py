"""Scripts of drivers and job arrays: as they are submitted, and when they go on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from argdask import cli
from argdask.cluster_choices import ClusterChoices
from argdask.errors import InputError
from argdask.submission import SUBMITTERS, array_scripts, driver_script, submit

GOLDEN = Path(__file__).parent / "submitted_scripts"

CHOICES = ClusterChoices(
    queue="long",
    account="astro",
    memory="4GB",
    walltime="04:00:00",
    log_directory="/shared/logs",
    prologue=("module load python",),
    extra=("-M somebody@example.org",),
    python="/shared/bin/python",
)
STORE = Path("/shared/pairs.zarr")
ARGUMENTS = ("--galaxies", "1000", "--set", "profile.name=my profile")


def scripts_of(name: str) -> dict[str, str]:
    driver = driver_script(name, STORE, ARGUMENTS, CHOICES, 5)
    return {"driver.sh": driver, **array_scripts(name, STORE, 64, CHOICES)}


@pytest.mark.parametrize("name", SUBMITTERS)
def test_the_scripts_are_those_that_were_looked_at(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    for file, script in scripts_of(name).items():
        assert script == (GOLDEN / f"{name}-{file}").read_text()
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize(
    ("name", "variables", "numbers"),
    [
        ("slurm", "SLURM_ARRAY_TASK_ID", (0, 63)),
        ("pbs", "PBS_ARRAY_INDEX", (0, 63)),
        ("pbs", "PBS_ARRAYID", (0, 63)),
        ("sge", "SGE_TASK_ID", (1, 64)),
    ],
)
def test_the_tasks_of_an_array_are_counted_from_0(
    name: str, variables: str, numbers: tuple[int, int]
) -> None:
    for number, expected in zip(numbers, (0, 63), strict=True):
        ran = subprocess.run(
            ["bash", "-c", f'echo "{SUBMITTERS[name].index}"'],
            env={**os.environ, variables: str(number)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == f"{expected}\n"


def run_driver(folder: Path, body: str, **environment: str) -> Any:
    """Run a driver's script with other programs in the place of argdask and sbatch."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name, lines in {
        "argdask": body,
        "sbatch": 'echo "$ARGDASK_RESUBMITS" "$@"',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{lines}\n")
        (programs / name).chmod(0o755)
    choices = ClusterChoices(python=str(programs / "python"))
    script = driver_script("slurm", folder / "p.zarr", (), choices, 2)
    return subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


ADD = 'mkdir -p "$2.receipts"; echo \'{"files":1}\' >> "$2.receipts/a.jsonl"; '


def test_a_driver_goes_on_only_after_it_has_added_something(tmp_path: Path) -> None:
    script = f"--export=ALL {tmp_path}/p.zarr.jobs/driver.sh\n"
    done = run_driver(tmp_path, ADD + "exit 0")
    assert (done.returncode, done.stdout) == (0, "")
    for _ in range(2):
        stopped = run_driver(tmp_path, ADD + "exit 3")
        assert (stopped.returncode, stopped.stdout) == (3, f"1 {script}")
    last = run_driver(tmp_path, ADD + "exit 3", ARGDASK_RESUBMITS="1")
    assert last.stdout == f"0 {script}"
    often = run_driver(tmp_path, ADD + "exit 3", ARGDASK_RESUBMITS="0")
    assert (often.returncode, often.stdout) == (3, "")
    assert "submitted often enough" in often.stderr
    stuck = run_driver(tmp_path, "exit 3")
    assert (stuck.returncode, stuck.stdout) == (3, "")
    assert "added nothing; not submitted again" in stuck.stderr
    failed = 'echo \'{"reason":1}\' >> "$2.receipts/a.jsonl"; exit 3'
    assert "added nothing" in run_driver(tmp_path, failed).stderr
    wrong = run_driver(tmp_path, ADD + "exit 2")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["submit", *words])
    return int(ended.value.code or 0)


def test_wrong_options_are_told_before_anything_is_submitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("p.zarr", "--on", "slurm", "--galaxie", "5") == 2
    assert "No such option" in capsys.readouterr().err
    assert command("p.zarr", "--on", "slurm", "--galaxies", "many") == 2
    assert command("p.zarr", "--on", "lsf") == 2
    assert command("p.zarr", "--on", "sge", "--cluster-config", "none.yaml") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_prints_the_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("p.zarr", "--on", "pbs", "--seed", "7", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert printed == driver_script(
        "pbs", tmp_path / "p.zarr", ("--seed", "7"), ClusterChoices(), 10
    )
    assert list(tmp_path.iterdir()) == []


def test_a_batch_system_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="submit: got sbatch, expected a batch system"):
        submit("slurm", tmp_path / "p.zarr", {"driver.sh": "x"}, ClusterChoices())
