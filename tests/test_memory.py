"""Memory is used again, but never while somebody looks at it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from argdask.memory import Pool


def test_memory_is_used_again_once_it_is_free() -> None:
    pool = Pool(2)
    first = pool.take((4, 5))
    place = first.ctypes.data
    assert pool.take((20,)).ctypes.data != place
    del first
    assert pool.take((5, 4)).ctypes.data == place


def test_a_view_of_a_view_keeps_its_values() -> None:
    pool = Pool(8)
    batch = pool.take((4, 5))
    batch[:] = np.arange(20).reshape(4, 5)
    corner = batch[1:][:, 2:].T[0]
    del batch
    others = [pool.take((4, 5)) for _ in range(10)]
    for other in others:
        other[:] = -1
    assert corner.tolist() == [7.0, 12.0, 17.0]


def test_no_more_is_kept_than_asked_for() -> None:
    pool = Pool(2)
    held = [pool.take((3,)) for _ in range(5)]
    places = {array.ctypes.data for array in held}
    del held
    again = [pool.take((3,)) for _ in range(2)]
    assert {array.ctypes.data for array in again} <= places
    assert len(pool._free[3]) == 0


def test_nothing_has_memory_too() -> None:
    assert Pool(1).take((0, 5)).shape == (0, 5)


def test_no_more_bytes_are_kept_than_asked_for() -> None:
    pool = Pool(9, total=100)
    first, second = pool.take((10,)), pool.take((12,))
    place = second.ctypes.data
    del first, second
    # 40 and 48 bytes fit; 40 more do not, and all the others go.
    assert pool.take((12,)).ctypes.data == place
    third = [pool.take((10,)) for _ in range(3)]
    del third
    assert pool._kept == sum(4 * n * len(free) for n, free in pool._free.items()) <= 100
    huge = pool.take((26,))
    del huge
    assert not pool._free[26]


def test_large_memory_begins_with_a_huge_page() -> None:
    large = Pool(1).take((1100, 1000))
    assert large.ctypes.data % 2**21 == 0
    large[:] = 1.0
    assert large.sum(dtype=float) == 1.1e6


# Another thread holds the lock for good, as one may at the moment of a fork.
FORK = """
import os, threading
from argdask.memory import Pool

pool = Pool(2)
batch = pool.take((3,))
batch[:] = 7
held = threading.Event()

def hold():
    with pool._lock:
        held.set()
        threading.Event().wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if not child:
    pool.take((3,))[:] = 1
    os._exit(0 if batch.tolist() == [7, 7, 7] else 1)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_waits_for_no_thread_that_it_lacks() -> None:
    run = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK]
    assert subprocess.run(run, timeout=120, check=False).returncode == 0
