"""What `argdask doctor` says of an installation, a cluster and a folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from argdask import cli, doctor, folder_trials, versions
from argdask.doctor import Diagnosis, Finding, diagnose
from argdask.errors import InputError
from argdask.folder_trials import FolderTrials

COMMAND = Path(sys.executable).with_name("argdask")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    return diagnose(tmp_path_factory.mktemp("doctor"), megabytes=2)


def finding(found: Diagnosis, name: str) -> Finding:
    (one,) = [one for one in found.findings if one.name == name]
    return one


def test_a_sound_machine_passes_and_nothing_is_left(found: Diagnosis) -> None:
    assert found.passed
    for name in ("rename", "write speed", "small files", "kernels", "space"):
        assert finding(found, name).state != "failure"
    assert list(found.folder.iterdir()) == []
    assert "one synced file of 2 MB" in finding(found, "write speed").told
    assert os.environ["ARGDASK_CACHE"] in finding(found, "kernels").told


def test_every_line_has_its_state_and_every_trouble_its_cure(found: Diagnosis) -> None:
    lines = found.to_text().splitlines()
    assert len(lines) == len(found.findings)
    assert {line.split()[0] for line in lines} <= {"ok", "warning", "failure"}
    assert all(one.cure for one in found.findings if one.state != "ok")
    troubles = found.to_text(troubles=True)
    assert not any(line.startswith("ok") for line in troubles.splitlines())
    told = json.loads(found.to_json())
    assert told["passed"] is True
    assert told["versions"]["numpy"] == metadata.version("numpy")
    assert len(told["findings"]) == len(lines)


def test_extras_are_those_that_can_be_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(versions.EXTRAS) <= set(project["optional-dependencies"])


def test_a_missing_extra_is_told_with_what_it_brings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    required = ["numpy>=2", "no-such-package[x]>=1; extra == 'plot'"]
    monkeypatch.setattr(metadata, "requires", lambda _: required)
    (extra,) = versions.extras()
    assert extra.missing == ("no-such-package",)
    one = next(one for one in doctor._installation({}) if one.name.startswith("extra"))
    assert one.state == "warning"
    assert "no-such-package not installed: pictures" in one.told
    assert one.cure == "if wanted, pip install 'argdask[plot]'"


def test_a_batch_system_and_dask_files_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask

    program = tmp_path / "sbatch"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "site.yaml").write_text("jobqueue: {}\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dask.config, "paths", [str(tmp_path)])
    told = {one.name: one for one in doctor._clusters()}
    assert told["batch system"].told.startswith("sbatch (slurm)")
    assert told["dask config"].told == str(tmp_path / "site.yaml")
    monkeypatch.setenv("PATH", "")
    told = {one.name: one for one in doctor._clusters()}
    assert "none here" in told["batch system"].told


def test_a_scheduler_answers_or_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert doctor._scheduler(f"tcp://127.0.0.1:{port}").state == "ok"
    gone = doctor._scheduler(f"tcp://127.0.0.1:{port}")
    assert gone.state == "failure"
    assert "does not answer" in gone.told
    assert "DASK_SCHEDULER_ADDRESS" in gone.cure
    assert doctor._scheduler("nonsense://").state == "failure"


def test_a_folder_that_cannot_be_written_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root writes to any folder but those of the kernel.
    place = Path("/proc/self")
    with pytest.raises(OSError, match=r"\S"), FolderTrials(place):
        raise AssertionError("written there")
    told = [one for one in doctor._folder(place, 1) if one.state == "failure"]
    assert [one.name for one in told] == ["folder"]
    assert told[0].cure == "choose another folder"
    with pytest.raises(InputError, match="a folder that is there"):
        diagnose(tmp_path / "none")


def test_slow_and_full_folders_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_SLOW", 1e15)
    monkeypatch.setattr(doctor, "_FEW_FILES", 1e9)
    monkeypatch.setattr(doctor, "_LITTLE_SPACE", 1e20)
    told = {one.name: one for one in doctor._folder(tmp_path, 1)}
    for name in ("write speed", "small files", "space"):
        assert told[name].state == "warning"
        assert told[name].cure
    assert shutil.disk_usage(tmp_path).total / 1e9 == pytest.approx(
        float(told["space"].told.split(" of ")[1].split()[0].replace(",", "")), rel=0.1
    )


def test_speeds_are_measured_over_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr(folder_trials.time, "perf_counter", lambda: float(next(ticks)))
    with FolderTrials(tmp_path) as trials:
        # One tick from begin to end: a block of 4 MiB and no more.
        assert trials.write_speed(1000) == 2**22
        # A tick for each file, until more than three are over.
        assert trials.files_per_second() == 1.0
        trials.rename_folder()
        assert trials.locks_work()
    assert list(tmp_path.iterdir()) == []


def test_the_command_ends_with_the_code_of_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["doctor", str(tmp_path), "--megabytes", "1"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(tmp_path)
    ran = subprocess.run(
        [COMMAND, *arguments, "--quiet"],
        capture_output=True,
        text=True,
        env={**os.environ, "DASK_SCHEDULER_ADDRESS": "tcp://127.0.0.1:1"},
    )
    assert ran.returncode == 1
    assert ran.stderr == ""
    assert "failure  scheduler      tcp://127.0.0.1:1 does not answer" in ran.stdout
    assert not any(line.startswith("ok") for line in ran.stdout.splitlines())


def test_bad_input_of_the_doctor_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", "none"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "folder: got none, expected a folder that is there" in line
