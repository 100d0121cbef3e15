"""Making a store: the same bytes however it is run, stopped, filled up or killed."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster

import argdask as ad
from argdask import cli, run
from argdask.clusters import local
from argdask.errors import IncompleteError, InputError
from argdask.planning import planned
from argdask.store.receipts import done_receipts
from argdask.store.work import read_plan

COMMAND = Path(sys.executable).with_name("argdask")
LAYOUT = {"part": 8, "chunk": 4}


def small(**choices: Any) -> ad.Recipe:
    """Return a recipe of sixty small galaxies in eight parts, the last one of four."""
    given = {"galaxies": 60, "image_shape": (12, 12), "layout": LAYOUT}
    return ad.Recipe(**{**given, **choices})


def contents(path: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def shard(path: Path, part: int, name: str = "target") -> Path:
    return path / name / f"c.{part}.0.0.0"


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray
) -> dict[str, bytes]:
    """Every file of the small store, made in this process."""
    path = tmp_path_factory.mktemp("undisturbed") / "pairs.zarr"
    ad.write(small(), path, seds=seds)
    return contents(path)


@pytest.fixture(scope="module")
def simulated(seds: xr.DataArray) -> xr.Dataset:
    return ad.simulate(small(), seds)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two workers, of one thread each, that is nobody's active client."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
        ) as cluster,
        Client(cluster, set_as_default=False) as started,
    ):
        yield started


class StoppedError(Exception):
    """What a test raises to stop a run."""


def stop_at(galaxies: int) -> Callable[[int, int], None]:
    """Return a progress function that stops the run once so many are made."""

    def progress(made: int, _: int) -> None:
        if made >= galaxies:
            raise StoppedError

    return progress


# The same bits.


@pytest.mark.parametrize(
    ("part", "chunk"), [(8, 4), (1, 1), (16, 16), (20, 5), (60, 4), (64, 2), (512, 64)]
)
def test_every_layout_holds_the_same_images(
    tmp_path: Path, simulated: xr.Dataset, seds: xr.DataArray, part: int, chunk: int
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.write(small(layout={"part": part, "chunk": chunk}), path, seds=seds)
    pairs = ad.open_pairs(path)
    for name in ("input", "target", "z_in", "flux_out"):
        np.testing.assert_array_equal(pairs[name].values, simulated[name].values)
    assert len(list((path / "input").glob("c.*"))) == -(-60 // part)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_every_compression_holds_the_same_images(
    tmp_path: Path, simulated: xr.Dataset, seds: xr.DataArray, compression: str
) -> None:
    path = tmp_path / "pairs.zarr"
    recipe = small(layout={**LAYOUT, "compression": compression})
    ad.write(recipe, path, seds=seds)
    pairs = ad.open_pairs(path)
    for name in ("input", "target"):
        np.testing.assert_array_equal(pairs[name].values, simulated[name].values)
    raw = simulated["input"].nbytes + simulated["target"].nbytes
    files = [*(path / "input").glob("c.*"), *(path / "target").glob("c.*")]
    assert sum(file.stat().st_size for file in files) < raw
    assert ad.verify(path).passed


def test_a_galaxy_alone_and_in_a_larger_set_has_the_bits_of_the_store(
    tmp_path: Path, seds: xr.DataArray, simulated: xr.Dataset
) -> None:
    scale = simulated.attrs["scale"]
    path = tmp_path / "pairs.zarr"
    ad.write(small(galaxies=100, scale=scale), path, seds=seds)
    pairs = ad.open_pairs(path)
    alone = ad.simulate(small(scale=scale), seds, galaxies=[41])
    for name in ("input", "target"):
        stored = pairs[name].values
        np.testing.assert_array_equal(stored[:60], simulated[name].values)
        np.testing.assert_array_equal(stored[41], alone[name].values[0])


def test_workers_write_the_bytes_of_this_process(
    tmp_path: Path, client: Client, seds: xr.DataArray, undisturbed: dict[str, bytes]
) -> None:
    made = []
    ad.write(
        small(),
        tmp_path / "pairs.zarr",
        seds=seds,
        client=client,
        progress=lambda *numbers: made.append(numbers),
    )
    assert contents(tmp_path / "pairs.zarr") == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.zarr"]
    assert made[0] == (0, 60)
    assert made[-1] == (60, 60)
    assert len(made) == 9
    assert sorted(made) == made


@pytest.mark.parametrize("client", ["local", "tcp://127.0.0.1:8786", 4])
def test_what_is_no_client_is_refused_before_anything_is_made(
    tmp_path: Path, seds: xr.DataArray, client: Any
) -> None:
    with pytest.raises(InputError, match=r"client: got .*distributed\.Client"):
        ad.write(small(), tmp_path / "pairs.zarr", seds=seds, client=client)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("recipe", ["r.yaml", {"galaxies": 2}, ad.Recipe])
def test_what_is_no_recipe_is_refused(
    tmp_path: Path, seds: xr.DataArray, recipe: Any
) -> None:
    ways: tuple[Callable[[], object], ...] = (
        lambda: ad.simulate(recipe, seds),
        lambda: ad.build(recipe, seds),
        lambda: ad.write(recipe, tmp_path / "pairs.zarr", seds=seds),
    )
    for way in ways:
        with pytest.raises(InputError, match=r"recipe: got .*use Recipe\.from_yaml"):
            way()
    assert list(tmp_path.iterdir()) == []


def test_workers_write_netcdf_files_of_the_same_bytes(
    tmp_path: Path, client: Client, seds: xr.DataArray
) -> None:
    for name, over in (("here", None), ("there", client)):
        ad.write(small(), tmp_path / f"{name}.nc", seds=seds, client=over)
    here = contents(tmp_path / "here.nc")
    assert len([name for name in here if name.startswith("part-")]) == 8
    assert contents(tmp_path / "there.nc") == here
    # Workers read it too, each file by itself.
    with client.as_current():
        found = ad.open_pairs(tmp_path / "here.nc")["input"].compute()
    expected = ad.simulate(small(), seds)["input"]
    np.testing.assert_array_equal(found.values, expected.values)


def test_one_worker_writes_the_bytes_of_two(
    tmp_path: Path, client: Client, seds: xr.DataArray, undisturbed: dict[str, bytes]
) -> None:
    client.cluster.scale(1)
    deadline = time.monotonic() + 30
    while len(client.nthreads()) != 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(client.nthreads()) == 1
    try:
        ad.write(small(), tmp_path / "pairs.zarr", seds=seds, client=client)
    finally:
        client.cluster.scale(2)
        client.wait_for_workers(2, timeout=60)
    assert contents(tmp_path / "pairs.zarr") == undisturbed


def test_the_active_client_is_used(
    tmp_path: Path, client: Client, seds: xr.DataArray, undisturbed: dict[str, bytes]
) -> None:
    def tasks_done() -> int:
        def events(dask_worker: Any) -> int:
            return len(dask_worker.state.stimulus_log)

        return sum(client.run(events).values())

    before = tasks_done()
    with client.as_current():
        ad.write(small(), tmp_path / "pairs.zarr", seds=seds)
    assert tasks_done() > before
    assert contents(tmp_path / "pairs.zarr") == undisturbed


def test_two_stores_at_once_on_one_client_both_become_whole(
    tmp_path: Path, client: Client, seds: xr.DataArray, undisturbed: dict[str, bytes]
) -> None:
    # The same plan twice: the tasks of one must not pass for those of the other.
    paths = [tmp_path / "one.zarr", tmp_path / "two.zarr"]
    errors: list[BaseException] = []

    def write(path: Path) -> None:
        try:
            ad.write(small(), path, seds=seds, client=client)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=[path]) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for path in paths:
        assert contents(path) == undisturbed


# Going on.


def test_a_rerun_makes_only_what_is_missing(
    tmp_path: Path, seds: xr.DataArray, undisturbed: dict[str, bytes]
) -> None:
    path = tmp_path / "pairs.zarr"
    with pytest.raises(StoppedError):
        ad.write(small(), path, seds=seds, progress=stop_at(24))
    done = done_receipts(path, read_plan(path))
    assert [(r.kind, r.index) for r in done] == [
        ("block", 0),
        ("part", 0),
        ("part", 1),
        ("part", 2),
    ]
    kept = {file: file.stat().st_mtime_ns for file in path.rglob("c.*")}
    progress = []
    summary = ad.write(small(), path, seds=seds, progress=lambda *n: progress.append(n))
    assert summary.made == 60 - 24
    assert progress[0] == (24, 60)
    assert len(progress) == 1 + 5
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert contents(path) == undisturbed
    assert [found.name for found in tmp_path.iterdir()] == ["pairs.zarr"]


def test_a_run_that_was_stopped_before_it_closed_the_store_closes_it(
    tmp_path: Path, seds: xr.DataArray, undisturbed: dict[str, bytes]
) -> None:
    path = tmp_path / "pairs.zarr"
    with pytest.raises(StoppedError):
        ad.write(small(), path, seds=seds, progress=stop_at(60))
    assert ad.write(small(), path, seds=seds).made == 0
    assert contents(path) == undisturbed


def test_a_part_that_was_lost_is_made_again(
    tmp_path: Path, seds: xr.DataArray, undisturbed: dict[str, bytes]
) -> None:
    path = tmp_path / "pairs.zarr"
    with pytest.raises(StoppedError):
        ad.write(small(), path, seds=seds, progress=stop_at(32))
    shard(path, 1).unlink()
    shard(path, 2, "input").write_bytes(b"torn")
    summary = ad.write(small(), path, seds=seds)
    assert summary.made == 60 - 32 + 16
    assert contents(path) == undisturbed


def test_without_a_recipe_a_store_goes_on_with_its_own(
    tmp_path: Path, seds: xr.DataArray, undisturbed: dict[str, bytes]
) -> None:
    path = tmp_path / "pairs.zarr"
    with pytest.raises(StoppedError):
        ad.write(small(), path, seds=seds, progress=stop_at(8))
    assert ad.write(None, path).made == 52
    assert contents(path) == undisturbed


def test_a_complete_store_is_left_as_it_is(tmp_path: Path, seds: xr.DataArray) -> None:
    path = tmp_path / "pairs.zarr"
    first = ad.write(small(), path, seds=seds)
    times = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    for recipe, grid in ((small(), seds), (small(), None), (None, None)):
        again = ad.write(recipe, path, seds=grid)
        assert (again.made, again.size) == (0, first.size)
        assert again.plan == first.plan
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == times


def test_a_relative_path_is_that_of_the_caller(
    tmp_path: Path, client: Client, seds: xr.DataArray
) -> None:
    # Workers have the folder in which they were started.
    summary = ad.write(small(), "pairs.zarr", seds=seds, client=client)
    assert summary.path == tmp_path / "pairs.zarr"
    assert ad.verify("pairs.zarr").passed


@pytest.mark.parametrize("leftover", ["receipts", "unfinished"])
def test_what_an_older_store_left_beside_does_no_harm(
    tmp_path: Path, seds: xr.DataArray, undisturbed: dict[str, bytes], leftover: str
) -> None:
    path = tmp_path / "pairs.zarr"
    if leftover == "receipts":
        with pytest.raises(StoppedError):
            ad.write(small(), path, seds=seds, progress=stop_at(40))
        shutil.rmtree(path)
    else:
        (tmp_path / f"pairs.zarr.{'a' * 32}.partial" / "input").mkdir(parents=True)
    assert ad.write(small(), path, seds=seds).made == 60
    assert contents(path) == undisturbed
    assert [found.name for found in tmp_path.iterdir()] == ["pairs.zarr"]


# Another set at the same place.


@pytest.mark.parametrize(
    ("choices", "named"),
    [
        ({"seed": 5}, ["seed (4251 there, 5 asked for)"]),
        ({"galaxies": 61}, ["galaxies: got 61, expected 60 as in"]),
        ({"image_shape": (12, 13)}, ["image_shape ([12, 12] there, [12, 13]"]),
        ({"redshifts": {"z_in": 0.5}}, ["redshifts.z_in (None there, 0.5 asked"]),
        ({"layout": {"part": 4, "chunk": 4}}, ["layout.part (8 there, 4 asked for)"]),
        ({"scale": 2.0}, ["scale (", "2.0 asked for)"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_another_recipe_is_refused_with_the_keys_that_differ(
    tmp_path: Path, seds: xr.DataArray, choices: dict[str, Any], named: list[str]
) -> None:
    path = tmp_path / "pairs.zarr"
    with pytest.raises(StoppedError):
        ad.write(small(), path, seds=seds, progress=stop_at(8))
    before = contents(tmp_path)
    with pytest.raises(InputError) as caught:
        ad.write(small(**choices), path, seds=seds)
    assert all(text in str(caught.value) for text in named), caught.value
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before


def test_another_grid_is_refused(tmp_path: Path, seds: xr.DataArray) -> None:
    path = tmp_path / "pairs.zarr"
    recipe = small(scale=1.0)
    ad.write(recipe, path, seds=seds)
    with pytest.raises(InputError, match=r"it differs in seds \("):
        ad.write(recipe, path, seds=1.5 * seds)


@pytest.mark.parametrize("kind", ["file", "folder", "zarr of others"])
def test_what_is_not_ours_is_refused_and_kept(
    tmp_path: Path, seds: xr.DataArray, kind: str
) -> None:
    path = tmp_path / "pairs.zarr"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        xr.Dataset({"mine": ("x", [1.0])}).to_zarr(path, consolidated=False)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="a store that argdask made"):
        ad.write(small(), path, seds=seds)
    assert contents(tmp_path) == before


def test_a_folder_that_is_not_there_is_not_made(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    with pytest.raises(InputError, match="a folder that can be written; make"):
        ad.write(small(), tmp_path / "none" / "pairs.zarr", seds=seds)
    assert list(tmp_path.iterdir()) == []


# Failures.


@pytest.mark.parametrize("over", ["this process", "workers"])
def test_a_part_that_fails_is_set_aside_while_the_others_go_on(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    seds: xr.DataArray,
    undisturbed: dict[str, bytes],
    over: str,
) -> None:
    path = tmp_path / "pairs.zarr"
    helper = request.getfixturevalue("client") if over == "workers" else None
    with pytest.raises(StoppedError):
        ad.write(small(), path, seds=seds, progress=stop_at(8))
    # Nothing can be renamed to where a folder is.
    shard(path, 3).mkdir()
    expected = r"1 of 7 pieces failed 3 times: part 3 \(IsADirectoryError: .*\)"
    with pytest.raises(IncompleteError, match=expected):
        ad.write(small(), path, seds=seds, client=helper)
    done = [(r.kind, r.index) for r in done_receipts(path, read_plan(path))]
    assert done == [("block", 0), *(("part", k) for k in range(8) if k != 3)]
    assert list(path.rglob("*.partial")) == []
    shard(path, 3).rmdir()
    assert ad.write(small(), path, seds=seds, client=helper).made == 8
    assert contents(path) == undisturbed


def test_a_part_that_fails_once_is_tried_again(
    tmp_path: Path, seds: xr.DataArray, undisturbed: dict[str, bytes]
) -> None:
    path = tmp_path / "pairs.zarr"
    with pytest.raises(StoppedError):
        ad.write(small(), path, seds=seds, progress=stop_at(8))
    blocked = shard(path, 3)
    blocked.mkdir()
    attempts = 0

    def watch() -> None:
        # Each attempt writes beside the folder before it fails.
        nonlocal attempts
        seen = set()
        while attempts < 1:
            seen |= {p.name for p in blocked.parent.glob("c.3.*.partial")}
            attempts = len(seen)
        blocked.rmdir()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        # The watcher may win before the first attempt ends, or need another run.
        for _ in range(20):
            try:
                ad.write(small(), path, seds=seds)
                break
            except IncompleteError:
                continue
    finally:
        watcher.join(timeout=30)
    assert attempts >= 1
    assert contents(path) == undisturbed


def test_a_worker_that_dies_loses_nothing(tmp_path: Path, seds: xr.DataArray) -> None:
    recipe = small(galaxies=2400, image_shape=(24, 24), layout={"part": 16, "chunk": 8})
    path, other = tmp_path / "pairs.zarr", tmp_path / "other.zarr"
    killed = []

    def kill(made: int, _: int) -> None:
        if made >= 400 * (1 + len(killed)) and len(killed) < 2:
            pids = client.run(os.getpid)
            victim = sorted(pids.values())[len(killed) % len(pids)]
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    # Workers of its own: dask may leave a place empty whose worker died while it began.
    with local(2) as client:
        ad.write(recipe, path, seds=seds, client=client, progress=kill)
    assert len(killed) == 2
    ad.write(recipe, other, seds=seds)
    assert contents(path) == contents(other)


# Disks.


def test_too_little_space_is_refused_before_anything_is_made(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    free = shutil.disk_usage(tmp_path).free
    galaxies = free // (8 * 12 * 12 * 9) + 10**6
    with pytest.raises(InputError, match=r"GB of space, not .* GB; choose fewer"):
        ad.write(small(galaxies=galaxies, scale=1.0), tmp_path / "p.zarr", seds=seds)
    assert list(tmp_path.iterdir()) == []


def in_a_small_file_system(options: str, script: str, folder: Path) -> Any:
    """Run a script in a file system of its own, which ends with the script."""
    inside = folder / "small"
    inside.mkdir()
    (folder / "script.py").write_text(script)
    mount = f'mount -t tmpfs -o {options} tmpfs "$1" && cd "$1" && exec "$2" "$3"'
    # In a namespace of its own the mount needs no rights and ends with the script.
    isolated = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    try:
        trial = subprocess.run(
            [*isolated, f"mount -t tmpfs -o {options} tmpfs '{inside}'"],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if trial.returncode:
        pytest.skip("nobody may mount a small file system here")
    arguments = ["sh", inside, sys.executable, folder / "script.py"]
    return subprocess.run(
        [*isolated, mount, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_a_disk_that_fills_in_mid_run_is_told_and_can_be_resumed(
    tmp_path: Path, seds: xr.DataArray, suffix: str
) -> None:
    script = """
import os, shutil, sys
from pathlib import Path
import argdask as ad

path, filler = Path("pairs.zarr"), Path("filler")
recipe = ad.Recipe(galaxies=60, image_shape=(12, 12), layout={"part": 8, "chunk": 4})


def fill(made, galaxies):
    if made >= 24:
        # To the last page, so that nothing more fits, be it a part or a receipt.
        with filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass


for _ in range(2):
    try:
        ad.write(recipe, path, progress=fill)
    except ad.IncompleteError as error:
        print(error)
    else:
        sys.exit("the disk was not full")
    filler.unlink()
summary = ad.write(recipe, path)
print("then", summary.made)
assert sorted(os.listdir()) == ["pairs.zarr"], os.listdir()
shutil.copytree(path, Path(sys.argv[0]).with_name("copy.zarr"))
"""
    script = script.replace(".zarr", suffix)
    ran = in_a_small_file_system("size=8m", script, tmp_path)
    assert ran.returncode == 0, ran.stderr
    first, second, last = ran.stdout.splitlines()
    for line in (first, second):
        assert "No space left on device; free some space and run the same" in line
    # The second run began with what the first had made, and filled the disk at once.
    assert last == "then 36"
    undisturbed = tmp_path / f"undisturbed{suffix}"
    ad.write(small(), undisturbed, seds=seds)
    assert contents(tmp_path / f"copy{suffix}") == contents(undisturbed)


def test_a_disk_that_fills_while_a_store_is_extended_is_told_and_can_be_resumed(
    tmp_path: Path,
) -> None:
    script = """
import os, shutil, sys
from pathlib import Path
import argdask as ad

path, filler = Path("pairs.zarr"), Path("filler")
layout = {"part": 8, "chunk": 4}


def recipe(galaxies):
    return ad.Recipe(galaxies=galaxies, image_shape=(12, 12), layout=layout)


def fill(made, galaxies):
    if made >= 48:
        with filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass


scale = ad.write(recipe(44), path).plan.scale
for _ in range(2):
    try:
        ad.write(recipe(60), path, progress=fill)
    except ad.IncompleteError as error:
        print(error)
    else:
        sys.exit("the disk was not full")
    filler.unlink()
    assert ad.verify(path).passed and ad.open_pairs(path).sizes["galaxy"] == 44
print("then", ad.write(recipe(60), path).made)
assert sorted(os.listdir()) == ["pairs.zarr"], os.listdir()
ad.write(recipe(60).model_copy(update={"scale": scale}), "other.zarr")
for name in ("pairs.zarr", "other.zarr"):
    shutil.copytree(name, Path(sys.argv[0]).with_name(name))
"""
    ran = in_a_small_file_system("size=8m", script, tmp_path)
    assert ran.returncode == 0, ran.stderr
    first, second, last = ran.stdout.splitlines()
    for line in (first, second):
        assert "No space left on device; free some space and run the same" in line
    assert last == "then 12"
    assert contents(tmp_path / "pairs.zarr") == contents(tmp_path / "other.zarr")


def test_too_few_inodes_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    script = """
import os
import argdask as ad

layout = {"part": 1, "chunk": 1}
recipe = ad.Recipe(galaxies=400, image_shape=(4, 4), layout=layout)
for name in ("pairs.zarr", "pairs.nc"):
    try:
        ad.write(recipe, name)
    except ad.InputError as error:
        print(error)
assert os.listdir() == [], os.listdir()
"""
    ran = in_a_small_file_system("size=64m,nr_inodes=500", script, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "1000 inodes, not the 499 that are free; choose a larger" in ran.stdout
    # Both images of a part are in one file.
    assert "600 inodes, not the 499 that are free; choose a larger" in ran.stdout


def limit_file_sizes(size: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.parametrize("over", ["this process", "workers"])
def test_a_limit_on_file_sizes_is_told_and_can_be_resumed(
    tmp_path: Path, request: pytest.FixtureRequest, seds: xr.DataArray, over: str
) -> None:
    # As a quota does, wherever the tests run: a part has 461 kB, all else is smaller.
    recipe = small(galaxies=24, image_shape=(40, 40))
    path = tmp_path / "pairs.zarr"
    expected = f"{path}: File too large; free some space and run the same command again"
    helper = request.getfixturevalue("client") if over == "workers" else None

    def limit(size: int) -> None:
        if helper is None:
            limit_file_sizes(size)
        else:
            helper.run(limit_file_sizes, size)

    limit(400_000)
    try:
        with pytest.raises(IncompleteError, match=re.escape(expected)):
            ad.write(recipe, path, seds=seds, client=helper)
        with pytest.raises(IncompleteError, match="24 of 24 galaxies are missing"):
            ad.open_pairs(path)
    finally:
        limit(resource.RLIM_INFINITY)
    assert ad.write(recipe, path, seds=seds, client=helper).made == 24
    ad.write(recipe, tmp_path / "other.zarr", seds=seds)
    assert contents(path) == contents(tmp_path / "other.zarr")


def test_the_command_says_that_the_disk_is_full_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(galaxies=24, image_shape=(40, 40))
    Path("recipe.yaml").write_text(recipe.to_yaml())
    limit_file_sizes(400_000)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main(["generate", "pairs.zarr", "--recipe", "recipe.yaml"])
    finally:
        limit_file_sizes(resource.RLIM_INFINITY)
    assert ended.value.code == 3
    assert capsys.readouterr().err.splitlines() == [
        "0 of 24 galaxies",
        f"argdask: {tmp_path / 'pairs.zarr'}: File too large; free some space and run "
        "the same command again to resume",
    ]


# Killed.

KILLED = [
    *("generate", "pairs.zarr", "--galaxies", "640"),
    *("--set", "image_shape=24", "--set", "layout.part=8", "--set", "layout.chunk=4"),
]


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of the store of a command that nobody kills."""
    folder = tmp_path_factory.mktemp("survivor")
    run_to_the_end(folder, jobs=1)
    return contents(folder / "pairs.zarr")


def run_to_the_end(folder: Path, *, jobs: int) -> None:
    """Run the command; nothing but the store may be left."""
    subprocess.run(
        [COMMAND, *KILLED, "--jobs", str(jobs)],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    assert [path.name for path in folder.iterdir()] == ["pairs.zarr"]


def parts_done(folder: Path) -> int:
    """Count the receipts of parts in a folder where a command is at work."""
    journals = folder.glob("pairs.zarr.receipts/*.jsonl")
    return sum(file.read_text().count('"kind":"part"') for file in journals)


def run_and_kill(folder: Path, when: Callable[[float], bool], *, jobs: int) -> bool:
    """Start the command and kill its process group; whether it was still there."""
    began = time.monotonic()
    process = subprocess.Popen(
        [COMMAND, *KILLED, "--jobs", str(jobs)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not when(time.monotonic() - began):
        time.sleep(0.002)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def finish_and_compare(folder: Path, expected: dict[str, bytes], *, jobs: int) -> None:
    """Run the command to its end and compare every byte."""
    run_to_the_end(folder, jobs=jobs)
    found = contents(folder / "pairs.zarr")
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def test_a_run_that_is_killed_goes_on_to_the_same_bytes(
    tmp_path: Path, survivor: dict[str, bytes]
) -> None:
    assert run_and_kill(tmp_path, lambda _: parts_done(tmp_path) >= 20, jobs=2)
    assert 20 <= parts_done(tmp_path) < 80
    finish_and_compare(tmp_path, survivor, jobs=2)


def test_a_run_that_is_killed_again_and_again_goes_on_to_the_same_bytes(
    tmp_path: Path, survivor: dict[str, bytes]
) -> None:
    # Moments at which different things are under way: the store is being made, just
    # made, filled, closed.
    store = tmp_path / "pairs.zarr"
    moments: list[Callable[[float], bool]] = [
        lambda _: any(tmp_path.glob("pairs.zarr.*.partial")),
        lambda _: store.exists(),
        lambda _: parts_done(tmp_path) >= 40,
        lambda _: parts_done(tmp_path) >= 80,
        lambda _: any(store.glob("checksums*")),
    ]
    killed = [run_and_kill(tmp_path, moment, jobs=1) for moment in moments]
    # The last moments are short; a busy machine may miss them.
    assert all(killed[:3])
    finish_and_compare(tmp_path, survivor, jobs=1)


def test_random_moments_of_death_change_nothing(
    tmp_path: Path, survivor: dict[str, bytes]
) -> None:
    generator = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    for delay in generator.uniform(1.0, 4.0, 2).tolist():
        run_and_kill(tmp_path, lambda elapsed, d=delay: elapsed > d, jobs=1)
    finish_and_compare(tmp_path, survivor, jobs=1)


def test_two_runs_into_one_path_both_end_well(tmp_path: Path) -> None:
    arguments = ["--galaxies", "120", "--set", "image_shape=12", "--set"]
    command = [str(COMMAND), "generate", "pairs.zarr", *arguments, "layout.part=4"]
    runs = [
        subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    told = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    assert ad.verify(tmp_path / "pairs.zarr").passed
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.zarr"]


def test_a_scheduler_that_dies_leaves_work_that_can_go_on(tmp_path: Path) -> None:
    code = (
        "from distributed import LocalCluster; import sys, time\n"
        "if __name__ == '__main__':\n"
        "    cluster = LocalCluster(n_workers=1, threads_per_worker=1,"
        " dashboard_address='127.0.0.1:0')\n"
        "    print(cluster.scheduler_address, flush=True)\n"
        "    time.sleep(300)\n"
    )
    (tmp_path / "cluster.py").write_text(code)
    with subprocess.Popen(
        [sys.executable, "cluster.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as cluster:
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        arguments = ["--galaxies", "4000", "--set", "layout.part=4"]
        command = [str(COMMAND), "generate", "pairs.zarr", *arguments]
        with subprocess.Popen(
            [*command, "--cluster", address],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            journals = tmp_path / "pairs.zarr.receipts"
            deadline = time.monotonic() + 90
            while not any(p.stat().st_size for p in journals.glob("*.jsonl")):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            os.killpg(cluster.pid, signal.SIGKILL)
            told = run.communicate(timeout=120)[1]
    assert run.returncode == 3, told
    assert "run the same command again to resume" in told.splitlines()[-1]


class Clock:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_end_of_others_is_waited_for_once(
    tmp_path: Path, seds: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, clock, looks, read = tmp_path / "pairs.zarr", Clock(), [], run.read_journals

    def counted(*arguments: Any) -> Any:
        looks.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(run, "time", clock)
    monkeypatch.setattr(run, "read_journals", counted)
    ad.init(small(), path, seds=seds)
    ended = run.work_has_ended(planned(None, path, None, None))
    error = FileNotFoundError("images")
    assert [ended(error) for _ in range(3)] == [False] * 3
    assert (len(looks), clock.now) == (1, 0)
    clock.sleep(5)
    assert not ended(error)
    assert len(looks) == 2
    shutil.rmtree(path)
    assert [ended(error) for _ in range(9)] == [False] * 9
    # From the first look at which it was gone; a step beyond.
    assert clock.now == pytest.approx(5 + run._CLOSING, abs=0.2)
