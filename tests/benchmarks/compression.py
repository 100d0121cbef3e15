"""What codecs make of the pixels of real pairs: how small, how fast, both ways.

Run it with ``python tests/benchmarks/compression.py [--json FILE] [--smpy FILE]``. It
takes less than three minutes on one core. Nothing in it passes or fails but that every
codec gives back what it was given: each line is one codec with one shuffle, on the
inner chunks that a store would have, and its times are the best of several that were
measured in turn, in processor time of one thread.

The pairs are those of the default recipe; all layers of one like the Hubble Space
Telescope's, with its PSFs and its noise; and, where its file is given, those of an SED
grid of smpy. Pixels are whole, or rounded to as many bits as `layout.keep_bits` says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import xarray as xr
from numpy.typing import NDArray

import argdask as ad
from argdask.rounding import round_mantissa
from argdask.simulation import Simulation
from argdask.store.plan import plan_of

HST_LIKE = Path(__file__).parents[2] / "deploy" / "recipes" / "hst-like.yaml"
SHUFFLES = {"none": 0, "shuffle": 1, "bitshuffle": 2}
CODECS = (("lz4", 5), ("zstd", 1), ("zstd", 3), ("zstd", 5), ("zstd", 9))
KEEP_BITS = (12, 10, 7)
GALAXIES = 32
REPEATS = 3
SLOW = 9  # this level is measured once

Chunks = list[NDArray[np.float32]]


@dataclass
class Row:
    """One codec on one kind of pixels."""

    pixels: str
    keep_bits: int | None
    codec: str
    level: int
    shuffle: str
    ratio: float
    """Bytes before over bytes after."""
    write: float
    """Bytes before, over the time to compress them [MB/s]."""
    read: float
    """The same of decompressing them [MB/s]."""


def chunks_of(
    recipe: ad.Recipe, seds: xr.DataArray, names: tuple[str, ...]
) -> Iterator[NDArray[np.float32]]:
    """Yield the inner chunks of some images, as a store of the recipe has them."""
    simulation = Simulation(recipe, seds)
    plan = plan_of(simulation)
    _, images = simulation.make(np.arange(GALAXIES), names)
    for name in names:
        yield from np.array_split(images[name], max(GALAXIES // plan.chunk, 1))


def kinds(smpy: Path | None) -> dict[str, Chunks]:
    """Return the chunks of all kinds of pixels, by what they are."""
    # Of a set of this size chunks are those of a large one.
    default = ad.Recipe(galaxies=100_000, scale=1.0)
    seen = ad.Recipe.from_yaml(HST_LIKE).model_copy(
        update={"galaxies": 100_000, "scale": 1.0}
    )
    grid = ad.default_seds()
    clean = ("input", "target")
    found = {"default recipe, clean": list(chunks_of(default, grid, clean))}
    for layer in ("convolved", "noisy"):
        names = tuple(name for name in seen.images if name.endswith(layer))
        if names:
            found[f"hst-like, {layer}"] = list(chunks_of(seen, grid, names))
    if smpy is not None:
        read = ad.read_seds(smpy)
        found["smpy grid, clean"] = list(chunks_of(default, read, clean))
    return found


def measure(chunks: Chunks, name: str, level: int, shuffle: str) -> tuple[float, ...]:
    """Return ratio and speeds [MB/s] of one codec."""
    codec = numcodecs.Blosc(cname=name, clevel=level, shuffle=SHUFFLES[shuffle])
    memory = np.empty_like(chunks[0])
    size = sum(chunk.nbytes for chunk in chunks)
    best_write = best_read = float("inf")
    packed: list[Any] = []
    for _ in range(1 if level == SLOW else REPEATS):
        began = time.process_time()
        packed = [codec.encode(chunk) for chunk in chunks]
        middle = time.process_time()
        for one in packed:
            codec.decode(one, memory)
        best_write = min(best_write, middle - began)
        best_read = min(best_read, time.process_time() - middle)
    for one, chunk in zip(packed, chunks, strict=True):
        assert codec.decode(one, memory).tobytes() == chunk.tobytes()
    ratio = size / sum(len(one) for one in packed)
    return ratio, size / best_write / 1e6, size / best_read / 1e6


def compare(smpy: Path | None) -> list[Row]:
    """Measure all codecs on all pixels, and two of them on rounded ones."""
    rows = []
    for pixels, chunks in kinds(smpy).items():
        for name, level in CODECS:
            for shuffle in SHUFFLES:
                found = measure(chunks, name, level, shuffle)
                rows.append(Row(pixels, None, name, level, shuffle, *found))
        for kept in KEEP_BITS:
            rounded = [round_mantissa(chunk.copy(), kept) for chunk in chunks]
            for name, level in (("lz4", 5), ("zstd", 3), ("zstd", 5)):
                for shuffle in ("shuffle", "bitshuffle"):
                    found = measure(rounded, name, level, shuffle)
                    rows.append(Row(pixels, kept, name, level, shuffle, *found))
    return rows


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--smpy", type=Path, help="SED grid that smpy wrote")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    numcodecs.blosc.use_threads = False
    rows = compare(options.smpy)
    print("| pixels | keep_bits | codec | shuffle | ratio | write MB/s | read MB/s |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        kept = "all" if row.keep_bits is None else row.keep_bits
        print(
            f"| {row.pixels} | {kept} | {row.codec} {row.level} | {row.shuffle} "
            f"| {row.ratio:.2f} | {row.write:.0f} | {row.read:.0f} |"
        )
    if options.json:
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        text = {"results": [asdict(row) for row in rows], **machine}
        options.json.write_text(json.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    main()
