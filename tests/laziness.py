"""Pairs of which it is known what was computed."""

from __future__ import annotations

import dask.array as da
import numpy as np
import xarray as xr


def watched(
    pairs: xr.Dataset, chunks: tuple[int, int, int, int] = (1, -1, -1, -1)
) -> tuple[xr.Dataset, list[tuple[int, ...]]]:
    """Return pairs that are lazy, and where the chunks are that were computed since."""
    computed: list[tuple[int, ...]] = []

    def seen(block: np.ndarray, block_info: dict | None = None) -> np.ndarray:
        if block_info:
            computed.append(block_info[0]["chunk-location"])
        return block

    lazy = pairs.copy()
    for name in ("input", "target"):
        images = da.from_array(pairs[name].values, chunks=chunks)
        watching = da.map_blocks(seen, images, dtype=images.dtype, meta=images._meta)
        lazy[name] = (pairs[name].dims, watching)
    return lazy, computed
