"""What driving costs: against a bare loop over the same client, and in memory.

Run it with ``python tests/benchmarks/driver.py``. Parts that do nothing are made by two
local workers: by ``submit`` and ``as_completed`` with as many in flight, and by the
driver, receipts and all. They take turns in short rounds, so that whatever else the
machine does slows both; the figure is the median of the differences within rounds, of
the time on the clock and of this process's own time on a core. Nothing passes or fails.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster, as_completed

import argdask as ad
from argdask import dispatch
from argdask.driver import Count, drive
from argdask.store.plan import Plan
from argdask.store.receipts import Receipt
from argdask.store.work import read_plan

WINDOW = 6
"""Parts in flight: three for each of two threads, as the driver has."""

ROUNDS, PARTS = 15, 200
"""How often both make how many parts."""

NUMBERS = (100, 1000, 5000, 20_000)
"""Parts of the runs whose memory is told."""


def make_nothing(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
    """Return the receipt of a part that nobody made."""
    return Receipt(fingerprint, kind, index, index, index + 1, {}, 0.0)


def bare(client: Client, store: str, plan: Plan, number: int) -> None:
    """Submit, wait, fetch, release: the least that makes parts."""
    run = str(time.monotonic())

    def submit(index: int) -> Any:
        key = ("bare", run, index)
        arguments = (store, plan.fingerprint, "part", index)
        return client.submit(make_nothing, *arguments, key=key, pure=False)

    waiting = iter(range(number))
    running = as_completed([submit(k) for k in itertools.islice(waiting, WINDOW)])
    for future in running:
        future.result()
        future.release()
        following = next(waiting, None)
        if following is not None:
            running.add(submit(following))


def resident() -> float:
    """Return the memory of this process, client and scheduler among it [MB]."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Print what is added to each part, and the memory after runs of some lengths."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "pairs.zarr"
        ad.write(ad.Recipe(galaxies=4, image_shape=(4, 4)), store)
        dispatch._make = make_nothing
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
            ) as cluster,
            Client(cluster) as client,
        ):
            compare(client, store, read_plan(store))
            remember(client, store, read_plan(store))


def compare(client: Client, store: Path, plan: Plan) -> None:
    """Make parts that do nothing in both ways, in turns."""
    ways = {
        "bare": lambda: bare(client, str(store), plan, PARTS),
        "driver": lambda: driven(client, store, plan, PARTS),
    }
    clock: dict[str, list[float]] = {name: [] for name in ways}
    core: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        # Each goes first as often as the other.
        for name in sorted(ways, reverse=bool(number % 2)):
            began, used = time.perf_counter(), time.process_time()
            ways[name]()
            # The first round compiles, imports, connects.
            if number:
                clock[name].append(1e3 * (time.perf_counter() - began) / PARTS)
                core[name].append(1e3 * (time.process_time() - used) / PARTS)
    print(f"ms per part, {ROUNDS} rounds of {PARTS}: median (quartiles)")
    print(f"{'':>9} {'bare':>20} {'driver':>20} {'added':>20}")
    for what, times in (("clock", clock), ("own core", core)):
        pairs = zip(times["bare"], times["driver"], strict=True)
        added = [driver - loop for loop, driver in pairs]
        columns = (times["bare"], times["driver"], added)
        print(f"{what:>9} " + " ".join(f"{spread(column):>20}" for column in columns))


def driven(client: Client, store: Path, plan: Plan, number: int) -> None:
    """Make parts that do nothing by the driver."""
    pieces = [("part", index) for index in range(number)]
    drive(store, plan, pieces, client, Count(0, number, None))


def spread(values: list[float]) -> str:
    """Return the median of some times, with their quartiles."""
    low, median, high = statistics.quantiles(values, n=4)
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def remember(client: Client, store: Path, plan: Plan) -> None:
    """Tell the memory of this process after runs of some lengths."""
    print(f"{'parts':>6} {'memory':>8}")
    for number in NUMBERS:
        driven(client, store, plan, number)
        print(f"{number:6d} {resident():5.0f} MB", flush=True)


if __name__ == "__main__":
    main()
