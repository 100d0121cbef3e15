"""Exporting a store: NumPy arrays and a table, or one netCDF file, streamed."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from argdask.errors import IncompleteError, InputError
from argdask.places import place_of
from argdask.schema import IMAGES, VARIABLES
from argdask.store import files, single, truth_table
from argdask.store.arrays import array_size, write_array
from argdask.store.files import FileRecord, WholeFile, whole_file
from argdask.store.listing import read_list
from argdask.store.pixel_statistics import pixel_statistics
from argdask.store.plan import Plan
from argdask.store.reading import open_pairs
from argdask.store.work import read_attributes, read_plan, simulation_of

__all__ = ["Exported", "export"]

# Raised by every change of what the files of an export hold.
_EXPORT_VERSION = 1

_LAYOUTS = ("npy", "netcdf")
_METADATA = "metadata.json"
_TRUTH = "truth.ecsv"
_COLUMNS = {
    "z_in": "inputredshifts.npy",
    "z_out": "targetredshifts.npy",
    "sed_index": "sedindex.npy",
}

# Read at once of an image variable, in whole chunks [bytes].
_READ_BYTES = 8 * 10**6

Progress = Callable[[int, int], None]
"""Called with the number of galaxies written so far, and of all."""


@dataclass(frozen=True)
class Exported:
    """What an export left."""

    folder: Path
    """The folder, or the one file."""
    galaxies: int
    """Number of galaxies."""
    made: tuple[str, ...]
    """Names of the files that this call wrote."""
    size: int
    """Bytes of all files."""


@dataclass(frozen=True)
class _File:
    """One file of an export."""

    name: str
    """Its name in the folder."""
    size: int
    """Bytes that it takes, at most."""
    write: Callable[[WholeFile], None]
    """What writes it."""


def export(
    store: str | Path,
    folder: str | Path,
    *,
    layout: str = "npy",
    progress: Progress | None = None,
) -> Exported:
    """Copy a store to plain files; the same call again goes on where it stopped.

    Parameters
    ----------
    store
        A complete store.
    folder
        Where the files shall be: a new or empty folder, or one in which the export of
        the same store was begun; for netcdf, the name of the one file.
    layout
        Format of the files: npy or netcdf.
    progress
        Called with the number of galaxies written so far and of all.

    Returns
    -------
    Exported
        What was written.

    Raises
    ------
    InputError
        If there is no store, a file of it is missing, the format is unknown, the place
        holds other files or cannot be written, or there is too little space. Nothing is
        changed then.
    IncompleteError
        If the store is not complete, or the system stopped the writing.

    Notes
    -----
    The files are `inputgalaxies.npy` and `targetgalaxies.npy` (galaxy, y, x, filter),
    float32 in uJy per pixel times the scale; `inputredshifts.npy`,
    `targetredshifts.npy` and `sedindex.npy` (galaxy,); all other truth in
    `truth.ecsv`, a table with units; and `metadata.json` with filters, scale, units,
    recipe, fingerprint, and size and CRC-32C of each file. A file appears under its
    name only when it is whole.

    The one netCDF file holds what `open_pairs` shows, and the SED grid, the user's
    catalogue, PSFs and the statistics of pixels in the groups `seds`, `catalogue`,
    `psfs` and `statistics`.

    Examples
    --------
    >>> import argdask as ad
    >>> ad.export("pairs.zarr", "arrays").galaxies  # doctest: +SKIP
    1000
    >>> np.load("arrays/inputgalaxies.npy", mmap_mode="r").shape  # doctest: +SKIP
    (1000, 60, 60, 9)
    """
    if layout not in _LAYOUTS:
        raise InputError("format", layout, ", ".join(_LAYOUTS), "choose npy")
    source, place = place_of(store), place_of(folder, "folder").absolute()
    pairs, plan = _opened(source)
    if layout == "npy" and place.suffix == ".nc":
        cure = "for one netCDF file add --single, in Python layout='netcdf'"
        raise InputError("folder", str(folder), "a folder's name", cure)
    _check_place(place, source, layout)
    count = _Count(sum(name in pairs for name in IMAGES), plan.galaxies, progress)
    if layout == "netcdf":
        return _export_single(source, place, pairs, plan, count)
    contents = _contents(pairs, plan, count)
    told = _description(pairs, plan, layout)
    done = _finished(place, told, [file.name for file in contents])
    missing = [file for file in contents if file.name not in done]
    leftovers = _leftovers(place, set(done))
    _check_space(place, sum(file.size for file in missing), leftovers)
    if missing or leftovers:
        count.add(plan.galaxies * sum(name in done for name in _image_files(pairs)))
        _write(place, missing, leftovers, told, done)
    size = sum(record.size for record in done.values())
    size += (place / _METADATA).stat().st_size
    return Exported(place, plan.galaxies, tuple(f.name for f in missing), size)


def _export_single(
    source: Path, place: Path, pairs: xr.Dataset, plan: Plan, count: _Count
) -> Exported:
    """Copy a store to one file, which is there when it is whole."""
    attributes = {**pairs.attrs, "fingerprint": plan.fingerprint}
    if place.exists():
        if not single.holds(place, attributes):
            raise InputError(
                "file",
                str(place),
                "a new file, not one that is there",
                "choose another name",
            )
        return Exported(place, plan.galaxies, (), place.stat().st_size)
    simulation, _ = simulation_of(source.absolute(), plan.fingerprint)
    pairs = pairs.assign_attrs(attributes)
    pattern = f"{glob.escape(place.name)}.*{files.PARTIAL}"
    leftovers = list(place.parent.glob(pattern))
    _check_space(place, pairs.nbytes + simulation.catalogue.seds.nbytes, leftovers)
    with _resumable(place):
        for leftover in leftovers:
            leftover.unlink()
        counted = pixel_statistics(source)
        single.write_single(place, pairs, simulation, plan, counted, count.add)
    return Exported(place, plan.galaxies, (place.name,), place.stat().st_size)


class _Count:
    """How many galaxies have been written, of all images together."""

    def __init__(self, images: int, galaxies: int, progress: Progress | None) -> None:
        self._written, self._images = 0, images
        self._galaxies, self._progress = galaxies, progress

    def add(self, galaxies: int) -> None:
        self._written += galaxies
        if self._progress is not None:
            self._progress(self._written // self._images, self._galaxies)


def _opened(source: Path) -> tuple[xr.Dataset, Plan]:
    """Open a store that has all its files."""
    plan = read_plan(source)
    if read_attributes(source).get("state") != "complete":
        raise IncompleteError(
            f"{source}: some galaxies are missing; finish it with `argdask generate "
            f"{source}`, then export it"
        )
    # A file that is not there would be read as NaN.
    for name, entry in read_list(source).items():
        file = source / name
        if not file.is_file() or file.stat().st_size != entry.record.size:
            raise InputError(
                "store",
                str(source),
                f"the whole file {name}",
                f"mend it by `argdask repair {source}`",
            )
    return open_pairs(source, chunks=None), plan


def _image_files(pairs: xr.Dataset) -> dict[str, str]:
    """Return the variable of each file of images: the names are those of the idea."""
    named = {}
    for variable in (name for name in IMAGES if name in pairs.data_vars):
        role, _, stage = variable.partition("_")
        named["_".join(filter(None, [f"{role}galaxies", stage])) + ".npy"] = variable
    return named


def _array_files(pairs: xr.Dataset) -> dict[str, str]:
    """Return the variable of each file of arrays, images first."""
    return {**_image_files(pairs), **{file: name for name, file in _COLUMNS.items()}}


def _contents(pairs: xr.Dataset, plan: Plan, count: _Count) -> list[_File]:
    """List the files of an export and what writes them."""
    contents = []
    for file, name in _array_files(pairs).items():
        variable = pairs[name].variable
        if name in IMAGES:
            chunk = plan.chunk * variable.nbytes // plan.galaxies
            rows = plan.chunk * max(_READ_BYTES // chunk, 1)
            write = partial(write_array, variable=variable, rows=rows, show=count.add)
        else:
            write = partial(write_array, variable=variable, rows=plan.block)
        contents.append(_File(file, array_size(variable), write))
    size = truth_table.longest_size(pairs)
    write_truth = partial(truth_table.write_truth, pairs=pairs)
    return [*contents, _File(_TRUTH, size, write_truth)]


def _description(pairs: xr.Dataset, plan: Plan, layout: str) -> dict[str, Any]:
    """Say what the files hold, ready for JSON; the same in every run."""
    arrays = {
        file: {
            "variable": name,
            "dims": list(VARIABLES[name].dims),
            "shape": list(pairs[name].shape),
            "dtype": VARIABLES[name].dtype,
            **pairs[name].attrs,
        }
        for file, name in _array_files(pairs).items()
    }
    attributes = ("title", "source", "scale", "seds_source", "cosmology")
    return {
        **{name: pairs.attrs[name] for name in attributes},
        "format": layout,
        "format_version": _EXPORT_VERSION,
        "pixels_version": plan.pixels_version,
        "galaxies": plan.galaxies,
        "filters": [str(name) for name in pairs["filter"].values],
        "wavelengths": pairs["wavelength"].values.tolist(),
        "wavelengths_units": VARIABLES["wavelength"].units,
        "arrays": arrays,
        "truth": _TRUTH,
        "fingerprint": plan.fingerprint,
        "recipe": json.loads(plan.recipe.model_dump_json()),
    }


def _check_place(place: Path, source: Path, layout: str) -> None:
    kind = "file" if layout == "netcdf" else "folder"
    if place.resolve().is_relative_to(source.resolve()):
        raise InputError(
            kind, str(place), f"a {kind} outside the store", f"choose another {kind}"
        )
    if place.exists() and place.is_dir() is not (kind == "folder"):
        raise InputError(kind, str(place), f"a {kind}", "choose another name")
    writable = place if place.is_dir() else place.parent
    if not writable.is_dir() or not os.access(writable, os.W_OK | os.X_OK):
        raise InputError(
            kind,
            str(place),
            f"a {kind} that can be written",
            f"make {writable} or choose another folder",
        )


def _finished(
    place: Path, told: dict[str, Any], names: list[str]
) -> dict[str, FileRecord]:
    """Return the files of this export that are whole already; refuse all others."""
    entries = {entry.name for entry in place.iterdir()} if place.exists() else set()
    known = {*names, _METADATA} if _METADATA in entries else set()
    unfinished = {e for e in entries if e.endswith(files.PARTIAL)}
    unfinished = {e for e in unfinished if e.rsplit(".", 2)[0] in {*names, _METADATA}}
    if other := sorted(entries - known - unfinished):
        raise InputError(
            "folder",
            str(place),
            f"a new or empty folder, not one that holds {other[0]}",
            "choose another folder",
        )
    if _METADATA not in entries:
        return {}
    try:
        found = json.loads((place / _METADATA).read_text("utf-8"))
        records = {n: FileRecord(**r) for n, r in found.pop("files").items()}
        found.pop("state")
        same = json.dumps(found, sort_keys=True) == json.dumps(told, sort_keys=True)
    except (ValueError, KeyError, TypeError, AttributeError):
        same = False
    if not same:
        raise InputError(
            "folder",
            str(place),
            "a new or empty folder, not the export of another store",
            "choose another folder",
        )
    sizes = {name: (place / name).stat().st_size for name in names if name in entries}
    return {n: r for n, r in records.items() if sizes.get(n) == r.size}


def _leftovers(place: Path, done: set[str]) -> list[Path]:
    """List what a killed export left and the next one makes again."""
    if not place.exists():
        return []
    return [entry for entry in place.iterdir() if entry.name not in {*done, _METADATA}]


def _check_space(place: Path, needed: int, leftovers: list[Path]) -> None:
    """Refuse to start what the file system cannot hold."""
    status = os.statvfs(place if place.exists() else place.parent)
    free = status.f_bavail * status.f_frsize + sum(f.stat().st_size for f in leftovers)
    if needed > free:
        raise InputError(
            "folder",
            str(place),
            f"{needed / 1e9:.3g} GB of space, not {free / 1e9:.3g} GB",
            "choose another disk",
        )


def _write(
    place: Path,
    missing: list[_File],
    leftovers: list[Path],
    told: dict[str, Any],
    done: dict[str, FileRecord],
) -> None:
    """Write what is missing, one file after the other, and add it to what is done."""
    with _resumable(place):
        place.mkdir(exist_ok=True)
        for leftover in leftovers:
            leftover.unlink()
        _write_metadata(place, told, done, len(missing))
        for left, file in zip(reversed(range(len(missing))), missing, strict=True):
            with whole_file(place / file.name) as whole:
                file.write(whole)
            done[file.name] = whole.record
            _write_metadata(place, told, done, left)


@contextmanager
def _resumable(place: Path) -> Iterator[None]:
    """Tell what the system stopped, and that it can go on."""
    try:
        yield
    except OSError as error:
        raise IncompleteError(
            f"{place}: {error.strerror or error}; mend it and run the same command "
            "again to resume"
        ) from error


def _write_metadata(
    place: Path, told: dict[str, Any], done: dict[str, FileRecord], left: int
) -> None:
    state = "incomplete" if left else "complete"
    records = {name: asdict(record) for name, record in sorted(done.items())}
    text = json.dumps({"state": state, **told, "files": records}, indent=2)
    with whole_file(place / _METADATA) as file:
        file.write(f"{text}\n".encode())
