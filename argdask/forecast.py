"""What a set would take, before a run: files, bytes, tasks, time and memory."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from argdask.errors import InputError
from argdask.recipe import Recipe, Scale
from argdask.recipe_tables import table_of
from argdask.rendering import resolve_scale
from argdask.schema import VARIABLES
from argdask.sed_sources import default_seds
from argdask.simulation import Simulation
from argdask.store.files import FileRecord
from argdask.store.formats import FORMATS
from argdask.store.pieces import bytes_of_stamps, columns_of_rows
from argdask.store.plan import MOST_PARTS, Plan, plan_of
from argdask.store.tallies import MOST_HISTOGRAMS
from argdask.store.work import initialise

__all__ = ["Forecast", "Kind", "plan"]

_COMPRESSIONS = ("none", "lz4", "zstd")

# Measured on two cores with distributed 2026.8: 3.5 to 4.5 ms of the scheduler a task.
_SCHEDULER_SECONDS = 0.004

# Rows of the sample whose truth is made, and those whose scale is sought.
_TRUTH_ROWS = 1 << 16
_SCALE_ROWS = 1 << 14

# The images of the sample are made again until so much time was measured [s].
_LEAST_SECONDS = 0.5


@dataclass(frozen=True)
class Kind:
    """What a set takes in one format with one compression."""

    format: str
    """Name of the format."""
    compression: str
    """Compression of the images."""
    files: int
    """Number of files."""
    inodes: int
    """Number of files and folders."""
    size: int
    """Bytes of all files, from a sample of one chunk."""


@dataclass(frozen=True)
class Forecast:
    """What a set would take."""

    galaxies: int
    """Number of galaxies."""
    image_shape: tuple[int, int]
    """Rows and columns of an image [pixel]."""
    filters: int
    """Number of filters."""
    images: tuple[str, ...]
    """The image variables."""
    part: int
    """Galaxies in a part."""
    chunk: int
    """Galaxies in an inner chunk."""
    block: int
    """Galaxies in a file of each truth column."""
    parts: int
    """Number of parts: tasks that make images."""
    blocks: int
    """Number of blocks: tasks that make truth columns."""
    kinds: tuple[Kind, ...]
    """Files and bytes by format and compression."""
    sampled: int
    """Galaxies whose images were made for this."""
    seconds_per_galaxy: float
    """Time of one core of this machine for the images of a galaxy [s]."""
    core_hours: float
    """Time of one core of this machine for all images [h]."""
    truth_core_hours: float
    """Time of one core of this machine for all truth columns [h]."""
    scale_core_hours: float
    """Time of one core of this machine for the scale, before anything else [h]."""
    scheduler_hours: float
    """Time of a dask scheduler for all tasks, at 4 ms each [h]."""
    memory: int
    """Bytes of memory of a worker process."""
    notes: tuple[str, ...]
    """What should be known before such a run."""

    def to_json(self) -> str:
        """Return the forecast as JSON."""
        return json.dumps(asdict(self), indent=2)

    def to_text(self) -> str:
        """Return the forecast as lines for a person."""
        height, width = self.image_shape
        rate = 1e3 * self.seconds_per_galaxy
        lines = [
            f"{self.galaxies} pairs of {height}x{width} pixels in {self.filters} "
            f"filters: {', '.join(self.images)}",
            f"layout     parts of {self.part}, chunks of {self.chunk}, blocks of "
            f"{self.block} galaxies",
            f"tasks      {_counted(self.parts, 'part')}, "
            f"{_counted(self.blocks, 'block')}",
            f"images     {self.core_hours:.3g} core hours ({rate:.3g} ms a galaxy, "
            f"measured here over {self.sampled} galaxies)",
            f"truth      {self.truth_core_hours:.3g} core hours",
            f"scale      {self.scale_core_hours:.3g} core hours",
            f"scheduler  {self.scheduler_hours:.3g} hours (4 ms a task; none without "
            "dask)",
            f"memory     {self.memory / 1e9:.2g} GB a worker process",
            "",
            f"{'format':8}{'compression':13}{'files':>12}{'inodes':>12}{'size':>14}",
        ]
        lines += [
            f"{kind.format:8}{kind.compression:13}{kind.files:12}{kind.inodes:12}"
            f"{kind.size / 1e9:11.3f} GB"
            for kind in self.kinds
        ]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])


def plan(
    recipe: Recipe | None = None,
    *,
    seds: xr.DataArray | None = None,
    catalogue: Any = None,
    store_format: str | None = None,
) -> Forecast:
    """Tell what a set would take, from a sample that is made now; keep nothing.

    Parameters
    ----------
    recipe
        The choices; the defaults if left out.
    seds
        The SED grid (redshift, filter, template), in the unit of its attribute `units`,
        in uJy where it has none; the built-in one if left out.
    catalogue
        A table of galaxies, as for `argdask.write`.
    store_format
        One of the formats, zarr for instance; all of them if left out.

    Returns
    -------
    Forecast
        Files, bytes, tasks, time and memory.

    Raises
    ------
    InputError
        If something given is wrong.

    Notes
    -----
    Times are those of the processor, so that a busy machine does not count, nor does
    the waiting for a disk. Bytes are those of one chunk of images and of up to 65,536
    rows of truth, written in each way into a temporary folder.
    """
    formats = list(FORMATS) if store_format is None else [store_format]
    if formats[0] not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError("format", store_format, known, "choose one of them")
    chosen = Recipe() if recipe is None else recipe
    grid = default_seds() if seds is None else seds
    simulation, scale_seconds = _scaled(chosen, grid, table_of(chosen, catalogue))
    laid_out = plan_of(simulation, formats[0])
    sample = _Sample(simulation, laid_out)
    kinds, seconds = [], np.inf
    for name in formats:
        for compression in _COMPRESSIONS:
            kind = sample.kind_of(name, compression)
            if kind is None:
                continue
            kinds.append(kind)
            if compression == chosen.layout.compression or not np.isfinite(seconds):
                seconds = sample.seconds_per_galaxy
    truth, rows = sample.truth_seconds()
    galaxies = laid_out.galaxies
    return Forecast(
        galaxies=galaxies,
        image_shape=simulation.recipe.image_shape,
        filters=simulation.catalogue.seds.sizes["filter"],
        images=simulation.images,
        part=laid_out.part,
        chunk=laid_out.chunk,
        block=laid_out.block,
        parts=laid_out.parts,
        blocks=laid_out.blocks,
        kinds=tuple(kinds),
        sampled=sample.made,
        seconds_per_galaxy=float(seconds),
        core_hours=float(seconds) * galaxies / 3600,
        truth_core_hours=truth / rows * galaxies / 3600,
        scale_core_hours=scale_seconds / 3600,
        scheduler_hours=(laid_out.parts + laid_out.blocks) * _SCHEDULER_SECONDS / 3600,
        memory=_memory(simulation, laid_out),
        notes=_notes(chosen, laid_out),
    )


def _scaled(recipe: Recipe, seds: xr.DataArray, table: Any) -> tuple[Simulation, float]:
    """Make the simulation, with the scale over a few galaxies where many would count.

    The sample needs a scale of the right size only: its bits are of no interest.
    """
    unscaled = Simulation(recipe, seds, 1.0, table=table)
    unscaled.catalogue.check_inputs()
    rule, galaxies = unscaled.recipe.scale, unscaled.recipe.galaxies
    if not isinstance(rule, Scale):
        return Simulation(recipe, seds, table=table), 0.0
    last = galaxies if rule.over == "all" else min(galaxies, rule.over)
    rows = min(last, _SCALE_ROWS)
    few = rule.model_copy(update={"over": rows})
    fewer = unscaled.recipe.model_copy(update={"scale": few})
    catalogue = Simulation(fewer, seds, 1.0, table=table).catalogue
    # Twice: the first time compiles.
    scale = resolve_scale(catalogue)
    seconds = _timed(lambda: resolve_scale(catalogue))
    return Simulation(recipe, seds, scale, table=table), seconds * last / rows


class _Sample:
    """A few galaxies of a set, written in each way."""

    def __init__(self, simulation: Simulation, laid_out: Plan) -> None:
        self._simulation, self._plan = simulation, laid_out
        self._rows = min(laid_out.galaxies, _TRUTH_ROWS, laid_out.block)
        self.made = min(laid_out.chunk, laid_out.galaxies)
        self.seconds_per_galaxy = np.inf

    def kind_of(self, name: str, compression: str) -> Kind | None:
        """Write the sample in one way, or return None where there is no such way."""
        whole = self._plan
        layout = {"part": self.made, "chunk": self.made, "block": self._rows}
        recipe = self._simulation.recipe
        chosen = recipe.layout.model_copy(update={**layout, "compression": compression})
        recipe = recipe.model_copy(update={"layout": chosen, "galaxies": self._rows})
        catalogue = self._simulation.catalogue
        brought: dict[str, Any] = {
            "table": catalogue.table,
            "psfs": self._simulation.psfs,
        }
        sample = Simulation(recipe, catalogue.seds, self._simulation.scale, **brought)
        small = plan_of(sample, name)
        with tempfile.TemporaryDirectory(prefix="argdask-plan-") as folder:
            path = Path(folder) / "sample"
            try:
                initialise(path, sample, small)
            except InputError:
                # Not every format has every compression.
                return None
            every = list(path.rglob("*"))
            skeleton = [file for file in every if file.is_file()]
            size = float(sum(file.stat().st_size for file in skeleton))
            blocks = FORMATS[name].write_block(path, sample, small, 0)
            parts, _ = FORMATS[name].write_part(path, sample, small, 0)
            self._measure(lambda: FORMATS[name].write_part(path, sample, small, 0))
            folders = sum(file.is_dir() for file in path.rglob("*"))
        size += _share(blocks, whole.galaxies / self._rows)
        size += _share(parts, whole.galaxies / self.made)
        # The list of checksums has a line for each of the others.
        files = len(skeleton) + whole.blocks * len(blocks) + whole.parts * len(parts)
        size += 60 * files
        # That list itself, and the tallies of pixels, of which there is a spare copy.
        files += 2
        size += 2 * min(whole.parts, MOST_HISTOGRAMS) * self._histograms
        return Kind(name, compression, files, files + folders + 1, round(size))

    @property
    def _histograms(self) -> int:
        """The bytes of the histograms of a part, which take about 1 kB each."""
        seds = self._simulation.catalogue.seds
        return 1000 * len(self._simulation.images) * int(seds.sizes["filter"])

    def _measure(self, make: Callable[[], Any]) -> None:
        spent, times = 0.0, 0
        while spent < _LEAST_SECONDS and times < 50:
            spent += _timed(make)
            times += 1
        self.seconds_per_galaxy = spent / times / self.made

    def truth_seconds(self) -> tuple[float, int]:
        """Return the time that the truth of some rows takes, and how many [s]."""
        make = partial(columns_of_rows, self._simulation, 0, self._rows)
        make()
        return _timed(make), self._rows


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _share(records: dict[str, FileRecord], times: float) -> float:
    return times * sum(record.size for record in records.values())


def _timed(make: Callable[[], Any]) -> float:
    began = time.process_time()
    make()
    return time.process_time() - began


def _memory(simulation: Simulation, laid_out: Plan) -> int:
    """Return the bytes of a worker: those of this process, and those of a part."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In kilobytes but on macOS.
    process = peak if sys.platform == "darwin" else 1024 * peak
    height, width = simulation.recipe.image_shape
    filters = simulation.catalogue.seds.sizes["filter"]
    itemsize = np.dtype(VARIABLES["input"].dtype).itemsize
    chunk = laid_out.chunk * height * width * filters * itemsize
    part = min(laid_out.part, laid_out.galaxies)
    stamps = bytes_of_stamps(simulation, part, laid_out.chunk)
    return int(process + 2 * chunk + stamps)


def _notes(recipe: Recipe, laid_out: Plan) -> tuple[str, ...]:
    notes = []
    if laid_out.parts > MOST_PARTS:
        enough = -(-laid_out.galaxies // MOST_PARTS)
        notes.append(
            f"{laid_out.parts} parts are many for a file system and a scheduler: leave "
            f"layout.part open, or choose at least {enough}"
        )
    elif recipe.layout.part is None and laid_out.part > 4096:
        notes.append(
            f"parts of {laid_out.part} galaxies, so that there are no more than "
            f"{MOST_PARTS}; one that is lost costs as much to make again"
        )
    return tuple(notes)
