"""What driving costs: against a bare loop over the same client, and in memory.

Run it with ``python tests/benchmarks/driver.py``. Parts that do nothing are made by two
local workers: by ``submit`` and ``as_completed`` with as many in flight, and by the
driver, receipts and all. Nothing in it passes or fails.
"""

from __future__ import annotations

import itertools
import resource
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

NUMBERS = (100, 1000, 5000, 20_000)


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
    """Print a line for each number of parts."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "pairs.zarr"
        ad.write(ad.Recipe(galaxies=4, image_shape=(4, 4)), store)
        dispatch._make = make_nothing
        compare(store, read_plan(store))


def compare(store: Path, plan: Plan) -> None:
    """Make parts that do nothing in both ways."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        bare(client, str(store), plan, 100)
        print(f"{'parts':>6} {'bare':>9} {'driver':>9} {'added':>9} {'memory':>8}")
        for number in NUMBERS:
            repeats = range(3 if number <= 1000 else 1)
            times: dict[str, list[float]] = {"bare": [], "driver": []}
            for _ in repeats:
                began = time.perf_counter()
                bare(client, str(store), plan, number)
                between = time.perf_counter()
                pieces = [("part", index) for index in range(number)]
                drive(store, plan, pieces, client, Count(0, number, None))
                times["bare"].append(between - began)
                times["driver"].append(time.perf_counter() - between)
            loop, driver = (1e3 * min(times[name]) / number for name in times)
            print(
                f"{number:6d} {loop:6.2f} ms {driver:6.2f} ms {driver - loop:6.2f} ms "
                f"{resident():5.0f} MB"
            )


if __name__ == "__main__":
    main()
