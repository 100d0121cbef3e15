"""Work on a store that is cut off anywhere: run again, it gives the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import hard_exits
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

CODE = 'ad.write(small(), "{name}")'

# What is called, how often before the exit, and whether it is done by then. Every
# file that is written is synced once, and the folder that it is in once more.
MOMENTS = [
    "os.mkdir",
    "os.mkdir, 3, done",
    "receipts.Journal.append",
    "receipts.Journal.append, 2, done",
    "receipts.Journal.append, 4, done",
    "closing.sweep, 1, done",
    "closing.write_copies",
    "closing.seal",
    "closing.seal, 1, done",
    *(f"os.fsync, {count}" for count in (60, 105, 121)),
    *(f"os.fsync, {count}, done" for count in (122, 136, 137)),
]


def ends_and_goes_on(run_forked: hard_exits.Run, path: Path, moment: str) -> bool:
    """Write a store, twice, and return whether the first time was cut off."""
    code = CODE.format(name=path.name)
    first = run_forked(path.parent, code, moment)
    assert first in (hard_exits.EXIT, 0), moment
    assert run_forked(path.parent, code, None) == 0, moment
    assert [one.name for one in path.parent.iterdir()] == [path.name], moment
    return first == hard_exits.EXIT


def test_a_hard_exit_at_any_step_goes_on_to_the_same_bytes(
    tmp_path: Path, seds: xr.DataArray, name: str
) -> None:
    whole = tmp_path / f"whole-{name}"
    ad.write(small(), whole, seds=seds)
    expected = contents(whole)
    reached = 0
    with hard_exits.forked_runs() as run_forked:
        for number, moment in enumerate(MOMENTS):
            folder = tmp_path / str(number)
            folder.mkdir()
            reached += ends_and_goes_on(run_forked, folder / name, moment)
            assert contents(folder / name) == expected, moment
    # Formats differ in how many files they have: a late exit may not come.
    assert reached >= len(MOMENTS) // 2


def test_a_repair_that_is_cut_off_goes_on_to_the_same_bytes(
    tmp_path: Path, seds: xr.DataArray, name: str
) -> None:
    whole = tmp_path / f"whole-{name}"
    ad.write(small(), whole, seds=seds)
    expected = contents(whole)
    lost = sorted(expected.keys() - {"spare.zip"})
    reached = 0
    # A store of netCDF files has fewer to sync.
    zarr = name.endswith(".zarr")
    counts = (1, 30, 51, 75, 90, 100) if zarr else tuple(range(1, 13, 2))
    with hard_exits.forked_runs() as run_forked:
        for count in counts:
            folder = tmp_path / str(count)
            shutil.copytree(whole, folder / name)
            for file in lost:
                (folder / name / file).unlink()
            moment = f"os.fsync, {count}" + (", done" if count % 2 == 0 else "")
            reached += ends_and_goes_on(run_forked, folder / name, moment)
            assert contents(folder / name) == expected, moment
    assert reached >= len(counts) // 2


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
