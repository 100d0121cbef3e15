"""What driving costs: against a bare loop over the same client, and in memory.

Parts that do nothing are made by two local workers: by `submit` and `as_completed` with
as many in flight, and by the driver, receipts and all. They take turns in short rounds;
what the driver adds to a part is the median of the differences within rounds. Peak
memory is the kernel's own mark of a process that makes and writes a store alone, and
the growth of a driver over runs of so many parts.
"""

from __future__ import annotations

import itertools
import resource
import shutil
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster, as_completed
from measuring import Measured, Times, interleaved, main

import argdask as ad
from argdask import dispatch
from argdask.driver import Count, drive
from argdask.store.plan import Plan
from argdask.store.receipts import Receipt
from argdask.store.work import read_plan

__all__ = ["measure"]

TITLE = "The driver, and memory"

WINDOW = 6
"""Parts in flight: three for each of two threads, as the driver has."""

_WRITE = """
import sys, re, pathlib, argdask as ad
ad.write(ad.Recipe(galaxies=int(sys.argv[1])), sys.argv[2])
status = pathlib.Path('/proc/self/status').read_text()
print(1024 * int(re.search(r'VmHWM:\\s*(\\d+)', status)[1]))
"""


def make_nothing(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
    """Return the receipt of a part that nobody made."""
    return Receipt(fingerprint, kind, index, index, index + 1, {}, 0.0)


def bare(client: Client, store: Path, plan: Plan, number: int) -> None:
    """Submit, wait, fetch, release: the least that makes parts."""
    run = str(time.monotonic())

    def submit(index: int) -> Any:
        key = ("bare", run, index)
        arguments = (str(store), plan.fingerprint, "part", index)
        return client.submit(make_nothing, *arguments, key=key, pure=False)

    waiting = iter(range(number))
    running = as_completed([submit(k) for k in itertools.islice(waiting, WINDOW)])
    for future in running:
        future.result()
        future.release()
        following = next(waiting, None)
        if following is not None:
            running.add(submit(following))


def driven(client: Client, store: Path, plan: Plan, number: int) -> None:
    """Make parts that do nothing by the driver."""
    pieces = [("part", index) for index in range(number)]
    drive(store, plan, pieces, client, Count(0, number, None))


def resident() -> float:
    """Return the memory of this process, client and scheduler among it [MB]."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def driving(measured: Measured, store: Path, quick: bool) -> None:
    """Measure the driver over a client."""
    rounds, parts = (2, 40) if quick else (7, 200)
    plan = read_plan(store)
    dispatch._make = make_nothing
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        told = client, store, plan, parts
        ways = {"bare": partial(bare, *told), "driver": partial(driven, *told)}
        for way in ways.values():
            way()
        clocks = {"clock": time.perf_counter, "own core": time.process_time}
        for kind, clock in clocks.items():
            times: Times = interleaved(ways, rounds, clock=clock)
            name = f"a part, over a bare loop, {kind}"
            measured.cost(name, times, ("bare", "driver"), count=parts, unit="ms")
            rounds_of = zip(times["bare"], times["driver"], strict=True)
            added = [1e3 * (driver - loop) / parts for loop, driver in rounds_of]
            name = f"added to a part, {kind}, median"
            measured.value(name, statistics.median(added), "ms")
        numbers = (40, 160) if quick else (100, 5000)
        after = []
        for number in numbers:
            driven(client, store, plan, number)
            after.append(resident())
    name = f"memory of a driver, after {numbers[1]} more parts over after {numbers[0]}"
    measured.value(name, after[1] / after[0], "", "<= 1.2", f"{after[1]:.0f} MB")


def peak_memory(galaxies: int, folder: Path) -> float:
    """Return the largest resident size of a process that writes a store [MB]."""
    # Not by getrusage, which would count what this process held at the fork.
    store = folder / f"memory-{galaxies}.zarr"
    command = [sys.executable, "-c", _WRITE, str(galaxies), str(store)]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    shutil.rmtree(store)
    return int(output.stdout) / 1e6


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    store = folder / "pairs.zarr"
    ad.write(ad.Recipe(galaxies=4, image_shape=(4, 4)), store)
    driving(measured, store, quick)
    numbers = (100, 200) if quick else (1000, 20_000)
    small, large = (peak_memory(number, folder) for number in numbers)
    name = f"peak memory of making {numbers[1]:,} galaxies in one process"
    measured.value(name, large, "MB", "< 1500")
    name = f"the same over that of {numbers[0]:,}"
    measured.value(name, large / small, "")


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
