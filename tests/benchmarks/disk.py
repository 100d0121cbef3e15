"""What a store costs on the disk, against a bare write of the same bytes.

Everything is synced, by one process, in time on the clock. The write phase is what
shards of arrays that are ready cost, with their checksums and names; end to end is
`ad.write` as a user calls it, from nothing to a complete store. Compressed stores are
compared with their codec alone, on arrays that are ready and to no disk; uncompressed
ones also with what people write today: a loop of astropy, a broadcast and `np.save`.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from loops import astropy_stamps, loop_cubes
from measuring import Measured, interleaved, main
from numpy.typing import NDArray

import argdask as ad
from argdask.simulation import Simulation
from argdask.store.files import sync
from argdask.store.plan import Plan, plan_of
from argdask.store.shards import write_shard

__all__ = ["codec_of", "measure"]

TITLE = "To disk, synced, by one process"
_NAMES = ("input", "target")

Images = dict[str, NDArray[np.float32]]


def codec_of(store: Path) -> Any:
    """Return the codec of the images of a store, by its own metadata."""
    metadata = json.loads((store / "input" / "zarr.json").read_text())
    sharding = metadata["codecs"][0]["configuration"]
    told = sharding["codecs"][-1]["configuration"]
    shuffle = getattr(numcodecs.Blosc, told["shuffle"].upper())
    return numcodecs.Blosc(cname=told["cname"], clevel=told["clevel"], shuffle=shuffle)


def _shards(images: Images, plan: Plan) -> Iterator[tuple[str, int, list[Any]]]:
    """Yield the name, the number and the chunks of each shard."""
    for index in range(plan.parts):
        first, last = plan.rows_of_part(index)
        for name in _NAMES:
            starts = range(first, last, plan.chunk)
            yield name, index, [images[name][s : s + plan.chunk] for s in starts]


def _write_raw(images: Images, plan: Plan, folder: Path) -> None:
    """Write the bytes of each shard into a file, and sync it."""
    for index in range(plan.parts):
        rows = slice(*plan.rows_of_part(index))
        for name in _NAMES:
            flat = images[name][rows].reshape(-1).view(np.uint8).data
            with (folder / f"{name}-{index}").open("wb", buffering=0) as file:
                while flat.nbytes:
                    flat = flat[file.write(flat) :]
                os.fsync(file.fileno())


def _write_ready(images: Images, plan: Plan, folder: Path) -> None:
    """Write all shards of arrays that are ready."""
    count = plan.part // plan.chunk
    compression = plan.recipe.layout.compression
    for name, index, chunks in _shards(images, plan):
        write_shard(folder / f"{name}-{index}", chunks, count, compression)


def _encode(images: Images, plan: Plan, codec: Any) -> None:
    """Compress all chunks, and keep none."""
    for _, _, chunks in _shards(images, plan):
        for chunk in chunks:
            codec.encode(chunk)


def _loop(simulation: Simulation, ids: NDArray[np.int64], folder: Path) -> None:
    """Make pairs one by one, and save both arrays."""
    columns = simulation.catalogue.columns(ids)
    recipe = simulation.recipe
    cubes = loop_cubes(astropy_stamps(recipe, columns), columns)
    for name, images in zip(_NAMES, cubes, strict=True):
        with (folder / f"{name}.npy").open("wb") as file:
            np.save(file, images.astype(np.float32))
            file.flush()
            os.fsync(file.fileno())


def _differing(store: Path, images: Images) -> int:
    """Return how many pixels of a store are not those that were made in memory."""
    group = zarr.open_group(store, mode="r")
    wrong = 0
    for name in _NAMES:
        array: Any = group[name]
        wrong += int(np.count_nonzero(array[:] != images[name]))
    return wrong


def compare(
    measured: Measured, galaxies: int, folder: Path, compression: str, repeats: int
) -> None:
    """Measure a store of one compression."""
    seds = ad.default_seds()
    recipe = ad.Recipe(galaxies=galaxies, layout={"compression": compression})
    simulation = Simulation(recipe, seds)
    plan = plan_of(simulation)
    made = ad.simulate(recipe, seds)
    images = {name: made[name].values for name in _NAMES}
    place = folder / "place"
    store = place / "pairs.zarr"

    def clear() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        # What was removed is not to be waited for by what comes.
        sync(folder)

    clear()
    ad.write(recipe, store, seds=seds)
    wrong = _differing(store, images)
    measured.check(f"{compression}, pixels that differ from those in memory", wrong, 0)
    ways: dict[str, Callable[[], object]] = {
        "ready": lambda: _write_ready(images, plan, place),
        "store": lambda: ad.write(recipe, store, seds=seds),
    }
    if compression == "none":
        over, bars = "a raw write of the bytes", ("<= 1.25", "<= 1.5")
        ways["bare"] = lambda: _write_raw(images, plan, place)
        # As many as its float64 cubes leave memory for; it has no costs but of each.
        few = np.arange(0, galaxies, 8)
        ways["loop"] = lambda: _loop(simulation, few, place)
    else:
        over, bars = "the codec alone", ("<= 1.25", "<= 1.25")
        codec = codec_of(store)
        ways["bare"] = lambda: _encode(images, plan, codec)
    times = interleaved(ways, repeats, clock=time.perf_counter, prepare=clear)
    for way, kind, bar in zip(
        ("ready", "store"), ("write phase", "end to end"), bars, strict=True
    ):
        name = f"{compression}, {kind}, over {over}"
        measured.cost(name, times, ("bare", way), count=galaxies, bar=bar)
    if compression == "none":
        speed = galaxies * sum(one[0].nbytes for one in images.values()) / 1e9
        speed /= min(times["bare"])
        measured.value("raw write, synced", speed, "GB / s")
        name = "none, end to end, over the loop, its broadcast and np.save"
        counts = {"loop": few.size, "store": galaxies}
        measured.faster(name, times, ("loop", "store"), count=counts, bar=">= 2.5")
    shutil.rmtree(place)


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    compare(measured, 256 if quick else 4096, folder, "none", 2 if quick else 5)
    for compression in ("lz4", "zstd"):
        few, repeats = (64, 2) if quick else (1024, 3)
        compare(measured, few, folder, compression, repeats)
    one = folder / "one.zarr"
    began = time.perf_counter()
    ad.write(ad.Recipe(galaxies=1), one)
    measured.value("a store of one galaxy", time.perf_counter() - began, "s")


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
