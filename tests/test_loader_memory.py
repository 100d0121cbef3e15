"""Memory is used again, but never while somebody looks at it."""

from __future__ import annotations

import numpy as np

from argdask.loader_memory import Pool


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
