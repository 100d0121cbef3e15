"""The lock beside a store: it warns a second driver, and outlives nobody."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import xarray as xr

import argdask as ad
from argdask import cli
from argdask.store.lock import (
    Driver,
    StoreInUseWarning,
    driver_of,
    driving,
    remove_stale_lock,
)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "pairs.zarr.lock"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pairs.zarr"


def test_the_lock_tells_who_drives_and_is_gone_afterwards(
    path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert driver_of(path) is None
    with driving(path):
        found = driver_of(path)
        assert found is not None
        assert (found.pid, found.host) == (os.getpid(), socket.gethostname())
        assert found.job == "17"
        assert f"process {os.getpid()} on {found.host}, job 17, since 2" in str(found)
    assert not lock.exists()


def test_the_lock_goes_with_an_error_too(path: Path, lock: Path) -> None:
    with pytest.raises(ZeroDivisionError), driving(path):
        _ = 1 / 0
    assert not lock.exists()


def test_a_second_driver_is_warned_and_not_stopped(path: Path, lock: Path) -> None:
    done = []
    with driving(path):
        told = f"by process {os.getpid()} on "
        with pytest.warns(StoreInUseWarning, match=told), driving(path):
            done.append("second")
        # It was that of the first.
        assert lock.exists()
    assert done == ["second"]
    assert not lock.exists()


@pytest.fixture
def dead(path: Path, lock: Path) -> Driver:
    """The lock of a process that was killed."""
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from argdask.store.lock import driving\n"
        "with driving(Path(sys.argv[1])):\n"
        "    os._exit(9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, path])
    assert ended.returncode == 9
    return Driver(**json.loads(lock.read_text()))


def test_the_lock_of_a_dead_process_counts_for_nothing(
    path: Path, lock: Path, dead: Driver
) -> None:
    assert dead.gone
    assert driver_of(path) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with driving(path):
            assert driver_of(path) is not None
    assert not lock.exists()


def test_a_later_process_of_the_same_number_is_another(
    path: Path, lock: Path, dead: Driver
) -> None:
    same_number = dataclasses.replace(dead, pid=os.getpid())
    lock.write_text(json.dumps(dataclasses.asdict(same_number)))
    assert driver_of(path) is None


def test_of_another_machine_nothing_is_known(
    path: Path, lock: Path, dead: Driver
) -> None:
    elsewhere = dataclasses.replace(dead, host="elsewhere.example")
    lock.write_text(json.dumps(dataclasses.asdict(elsewhere)))
    assert driver_of(path) == elsewhere
    remove_stale_lock(path)
    assert lock.exists()
    with pytest.warns(StoreInUseWarning, match=r"on elsewhere\.example"), driving(path):
        pass
    # It may still be at work there.
    assert lock.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_lock_that_cannot_be_read_is_no_lock(
    path: Path, lock: Path, text: str
) -> None:
    lock.write_text(text)
    assert driver_of(path) is None
    remove_stale_lock(path)
    assert not lock.exists()


def test_a_lock_that_another_took_over_is_left(path: Path, lock: Path) -> None:
    with driving(path):
        fields = json.loads(lock.read_text())
        lock.write_text(json.dumps({**fields, "token": "another"}))
    assert lock.exists()


def test_a_run_says_that_it_drives_and_status_tells_it(
    path: Path, lock: Path, seds: xr.DataArray, dead: Driver
) -> None:
    recipe = ad.Recipe(galaxies=8, image_shape=8, layout={"part": 4})
    told = []

    def look(made: int, _: int) -> None:
        if made:
            told.append(ad.status(path))

    ad.write(recipe, path, seds=seds, progress=look)
    assert told[0].driver is not None
    assert told[0].driver.pid == os.getpid()
    assert f"driver    process {os.getpid()} on " in told[0].to_text()
    assert set(json.loads(told[0].to_json())["driver"]) == {
        *("host", "pid", "since", "job")
    }
    assert not lock.exists()


def test_what_a_dead_driver_left_goes_when_the_store_is_closed(
    tmp_path: Path, path: Path, seds: xr.DataArray, dead: Driver
) -> None:
    recipe = ad.Recipe(galaxies=8, image_shape=8, layout={"part": 4})
    ad.init(recipe, path, seds=seds)
    ad.part(path, 0, 1)
    ad.finalise(path)
    assert [found.name for found in tmp_path.iterdir()] == ["pairs.zarr"]


def test_the_command_warns_in_one_line(
    tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["generate", "pairs.zarr", "--galaxies", "8", "--set", "image_shape=8"]
    with warnings.catch_warnings(), driving(path):
        # As a user has it: in tests every warning is an error.
        warnings.simplefilter("default")
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
    assert ended.value.code == 0
    lines = capsys.readouterr().err.splitlines()
    (told,) = [line for line in lines if "process" in line]
    assert told.startswith(f"argdask: {path} is being made by process {os.getpid()} ")
    assert told.endswith("; both will work on the same galaxies")
