"""Work on a store that is cut off anywhere: run again, it gives the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from damage import contents, name_of_store, small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import argdask as ad
from argdask.simulation import Simulation
from argdask.store.formats import FORMATS, name_for
from argdask.store.plan import plan_of
from argdask.store.receipts import Journal, done_receipts
from argdask.store.work import initialise, make_piece


@pytest.fixture(params=sorted(FORMATS))
def name(request: pytest.FixtureRequest) -> str:
    """Name of a store of each format."""
    return name_of_store(request.param)


# Any part of the work, in any order, cut off after any byte of what tells of it.


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_subset_in_any_order_with_a_torn_journal_goes_on_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    seds: xr.DataArray,
    name: str,
    data: st.DataObject,
) -> None:
    galaxies = data.draw(st.integers(1, 40), label="galaxies")
    chunk = data.draw(st.integers(1, 8), label="chunk")
    part = chunk * data.draw(st.integers(1, 4), label="chunks in a part")
    layout = {"part": part, "chunk": chunk}
    recipe = small(galaxies=galaxies, image_shape=(4, 4), layout=layout)
    folder = tmp_path_factory.mktemp("any")
    whole, path = folder / f"whole-{name}", folder / name
    ad.write(recipe, whole, seds=seds)
    simulation = Simulation(recipe, seds)
    plan = plan_of(simulation, name_for(path))
    initialise(path, simulation, plan)
    pieces = [("block", 0), *(("part", k) for k in range(plan.parts))]
    # With repetitions, by two writers.
    made = data.draw(st.lists(st.sampled_from(pieces), max_size=8), label="made")
    journals = [Journal(path), Journal(path)]
    for number, piece in enumerate(made):
        receipt = make_piece(path, plan.fingerprint, *piece)
        journals[number % 2].append(receipt)
    for file in sorted(path.with_name(f"{name}.receipts").glob("*.jsonl")):
        kept = data.draw(st.integers(0, file.stat().st_size), label="bytes kept")
        os.truncate(file, kept)
    assert {(r.kind, r.index) for r in done_receipts(path, plan)} <= set(made)
    ad.write(recipe, path, seds=seds)
    assert contents(path) == contents(whole)
    shutil.rmtree(folder)


# Hard exits: no exception, no cleaning up, as when a machine loses its power.

EXIT = 77

SCRIPT = """
import json, os, sys
import argdask as ad
from argdask import run
from argdask.store import closing, receipts
from damage import small


def exit_around(owner, name, count, after):
    inner, calls = getattr(owner, name), 0

    def wrapped(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == count and not after:
            os._exit(77)
        result = inner(*arguments, **options)
        if calls == count and after:
            os._exit(77)
        return result

    setattr(owner, name, wrapped)


def in_a_process_of_its_own(path, moment=None):
    # Nothing runs here yet that a fork would not take along.
    process = os.fork()
    if not process:
        try:
            if moment is not None:
                owner, name, count, after = moment
                owners = {"os": os, "closing": closing, "journal": receipts.Journal}
                exit_around(owners[owner], name, count, after)
            ad.write(small(), path)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


# Once for all: machine code and the grid.
ad.simulate(small(), None, [0])
codes = {}
for path, moment in json.loads(sys.argv[1]).items():
    codes[path] = in_a_process_of_its_own(path, moment), in_a_process_of_its_own(path)
print(json.dumps(codes))
"""

# What is called, how often before the exit, and whether it is done by then. Every
# file that is written is synced once, and the folder that it is in once more.
MOMENTS = [
    ("os", "mkdir", 1, False),
    ("os", "mkdir", 3, True),
    ("journal", "append", 1, False),
    ("journal", "append", 2, True),
    ("journal", "append", 4, True),
    ("closing", "sweep", 1, True),
    ("closing", "write_copies", 1, False),
    ("closing", "seal", 1, False),
    ("closing", "seal", 1, True),
    *(("os", "fsync", count, False) for count in (60, 105, 121)),
    *(("os", "fsync", count, True) for count in (122, 136, 137)),
]


def test_a_hard_exit_at_any_step_goes_on_to_the_same_bytes(
    tmp_path: Path, seds: xr.DataArray, name: str
) -> None:
    whole = tmp_path / f"whole-{name}"
    ad.write(small(), whole, seds=seds)
    cases = {}
    for number, moment in enumerate(MOMENTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        cases[str(folder / name)] = moment
    tests = str(Path(__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(cases)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    codes = json.loads(ran.stdout)
    # Formats differ in how many files they have: a late exit may not come.
    reached = [path for path, (first, _) in codes.items() if first == EXIT]
    assert len(reached) >= len(MOMENTS) // 2
    expected = contents(whole)
    for path, (first, second) in codes.items():
        assert (first in (0, EXIT), second) == (True, 0), (cases[path], ran.stderr)
        assert contents(Path(path)) == expected, cases[path]
        assert [one.name for one in Path(path).parent.iterdir()] == [name], cases[path]


def test_a_repair_that_is_cut_off_goes_on_to_the_same_bytes(
    tmp_path: Path, seds: xr.DataArray, name: str
) -> None:
    whole = tmp_path / f"whole-{name}"
    ad.write(small(), whole, seds=seds)
    expected = contents(whole)
    lost = sorted(expected.keys() - {"spare.zip"})
    cases = {}
    # A store of netCDF files has fewer to sync.
    for count in (
        (1, 30, 51, 75, 90, 100) if name.endswith(".zarr") else range(1, 13, 2)
    ):
        folder = tmp_path / str(count)
        shutil.copytree(whole, folder / name)
        for file in lost:
            (folder / name / file).unlink()
        cases[str(folder / name)] = ("os", "fsync", count, count % 2 == 0)
    tests = str(Path(__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(cases)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    codes = json.loads(ran.stdout)
    assert sum(first == EXIT for first, _ in codes.values()) >= len(cases) // 2
    for path, (_, second) in codes.items():
        assert second == 0, (cases[path], ran.stderr)
        assert contents(Path(path)) == expected, cases[path]
        assert [one.name for one in Path(path).parent.iterdir()] == [name]


# Kills, by number of process, at moments that nobody chose.

CLUSTER = """
import sys
from distributed import Client, LocalCluster
import argdask as ad
from damage import small

if __name__ == "__main__":
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as c,
        Client(c) as client,
    ):
        recipe = small(galaxies=1600, image_shape=(24, 24))
        ad.write(recipe, sys.argv[1], client=client)
"""


def descendants(process: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(one) for one in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


@pytest.mark.long
def test_sixty_kills_lose_no_galaxy(
    tmp_path: Path, seds: xr.DataArray, name: str
) -> None:
    serial = tmp_path / f"serial-{name}"
    ad.write(small(galaxies=1600, image_shape=(24, 24)), serial, seds=seds)
    expected = contents(serial)
    folder = tmp_path / "killed"
    folder.mkdir()
    (tmp_path / "cluster.py").write_text(CLUSTER)
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, str(tmp_path / "cluster.py"), name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}
    chance = np.random.default_rng(4251)
    killed = {"driver": 0, "worker": 0}
    finished = 0
    while sum(killed.values()) < 60:
        run = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # A worker or two, and then the driver and all that it started.
        for _ in range(chance.integers(1, 4)):
            time.sleep(chance.uniform(0.3, 2.5))
            workers = descendants(run.pid)
            if run.poll() is None and workers:
                try:
                    os.kill(int(chance.choice(workers)), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed["worker"] += 1
        time.sleep(chance.uniform(0.0, 2.0))
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            killed["driver"] += 1
        elif run.returncode == 0:
            # Complete under fire: the next ones begin anew.
            assert contents(folder / name) == expected
            finished += 1
            shutil.rmtree(folder)
            folder.mkdir()
        run.wait()
    subprocess.run(command, cwd=folder, env=environment, check=True)
    assert contents(folder / name) == expected
    assert ad.verify(folder / name, full=True).passed
    print(f"{killed} killed, {finished} complete all the same")
