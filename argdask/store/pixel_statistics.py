"""Statistics of a store's pixels: folded when it is closed, read by whoever asks."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from argdask.errors import IncompleteError, InputError
from argdask.places import place_of
from argdask.store import files
from argdask.store.attributes import readable
from argdask.store.folding import is_folding
from argdask.store.formats import FORMATS, format_of
from argdask.store.pieces import statistics_of_nothing
from argdask.store.plan import Plan
from argdask.store.receipts import Receipt
from argdask.store.statistics_labels import PERCENTILES, labelled
from argdask.store.tallies import TALLIES, Tallies, Tally, has_histogram, softening_of
from argdask.store.work import read_attributes, read_plan, simulation_of

__all__ = ["differences", "fold", "is_of_statistics", "made_again", "pixel_statistics"]


def pixel_statistics(store: str | Path) -> xr.Dataset:
    """Return statistics of the pixels of a store, by image variable and filter.

    Parameters
    ----------
    store
        A complete store.

    Returns
    -------
    Dataset
        With dimensions (variable, filter): `pixels`, all of them; `missing`, those that
        are NaN; `minimum` and `maximum` of all others; `mean`, `standard_deviation` and
        `asinh_percentile` (.., percentile), of asinh(pixel / softening). `softening`,
        in the unit of the images, is 0.001 uJy times the scale.

    Raises
    ------
    InputError
        If there is no store that argdask made, or it is too damaged to be read.
    IncompleteError
        If the store is not complete.

    Notes
    -----
    Mean, standard deviation and percentiles are those of one row of pixels of 16 of
    each galaxy: row y of the galaxy in row r of the store where r + y is a multiple of
    16. Each value is rounded to 2**-14 first and taken for 32 if it is beyond.
    Percentiles come from a histogram with bins of 1/32 over at most 64 parts, evenly
    over the store, and are linear within a bin.

    Examples
    --------
    >>> import argdask as ad
    >>> statistics = ad.pixel_statistics("pairs.zarr")  # doctest: +SKIP
    >>> pairs = ad.open_pairs("pairs.zarr")  # doctest: +SKIP
    >>> own = statistics.sel(variable="input")  # doctest: +SKIP
    >>> stretched = np.arcsinh(pairs["input"] / own.softening)  # doctest: +SKIP
    >>> batch = (stretched - own["mean"]) / own["standard_deviation"]  # doctest: +SKIP
    """
    place = place_of(store)
    # A version that did not write them is named first.
    read_plan(place)
    if read_attributes(place).get("state") != "complete":
        raise IncompleteError(
            f"{place}: statistics are there once it is complete; `argdask generate "
            f"{place}` resumes"
        )
    if is_folding(place):
        raise IncompleteError(
            f"{place}: an extension was broken off while it was folded in; "
            f"`argdask generate {place}` goes on with it"
        )
    return _read(place)


def _read(path: Path) -> xr.Dataset:
    """Read the labelled statistics of a store, without values before it is whole."""
    with readable(path):
        return format_of(path).read_statistics(path)


def fold(
    path: Path, plan: Plan, receipts: Iterable[Receipt], before: bytes | None = None
) -> None:
    """Write the statistics of a store of which all pieces are made.

    Parameters
    ----------
    path
        The store, or what extends it.
    plan
        Its plan.
    receipts
        One for each piece that was made.
    before
        For an extension, the tallies of the store that is extended.

    Raises
    ------
    InputError
        If those tallies cannot be read.
    """
    # Of its own, written with the skeleton, nobody knows a checksum yet.
    labels = _labels(path, plan)
    tallies = _nothing(labels) if before is None else _kept(path, plan, before)
    parts = ((r.index, r.tally) for r in receipts if r.kind == "part")
    tallies.add(plan, _tallies_of(path, plan, labels, parts))
    for name, data in _files_of(path, plan, labels, tallies).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        with files.whole_file(path / name) as whole:
            whole.write(data)


def _labels(path: Path, plan: Plan) -> xr.Dataset:
    simulation, _ = simulation_of(path.absolute(), plan.fingerprint)
    return statistics_of_nothing(simulation, plan)


def is_of_statistics(plan: Plan, name: str) -> bool:
    """Return whether a file of a store is one of those with statistics.

    Parameters
    ----------
    plan
        The store's plan.
    name
        The file's path in the store.

    Returns
    -------
    bool
        True for labels, too.
    """
    held = FORMATS[plan.format].STATISTICS
    return name in (TALLIES, held) or name.startswith(f"{held}/")


def made_again(path: Path, plan: Plan, labels: xr.Dataset) -> dict[str, bytes]:
    """Make the statistics of a store again from its images.

    Parameters
    ----------
    path
        The store, of which all pieces are whole.
    plan
        Its plan.
    labels
        Statistics without values.

    Returns
    -------
    dict
        What is in each file of them, by its path in the store.
    """
    tallies = _nothing(labels)
    parts = ((index, "") for index in range(plan.parts))
    tallies.add(plan, _tallies_of(path, plan, labels, parts))
    return _files_of(path, plan, labels, tallies)


def differences(path: Path, plan: Plan, *, full: bool) -> list[str]:
    """Compare the statistics of a store with what they were made from.

    Parameters
    ----------
    path
        The store, complete.
    plan
        Its plan.
    full
        Read all images again, rather than what is kept of their parts.

    Returns
    -------
    list of str
        What differs by more than rounding on another machine does.
    """
    stored, labels = _read(path), _labels(path, plan)
    wrong = [
        f"statistics: {name} is not that of the store"
        for name in labels.coords
        if labels[name].values.tolist() != stored[name].values.tolist()
    ]
    if wrong:
        return wrong
    tallies = Tallies.from_bytes((path / TALLIES).read_bytes())
    if full:
        tallies = _nothing(stored)
        parts = ((index, "") for index in range(plan.parts))
        tallies.add(plan, _tallies_of(path, plan, stored, parts))
    return [
        f"statistics: {name} is not that of the images"
        for name, values in _values(plan, tallies).items()
        if not np.allclose(stored[name], values, rtol=1e-5, equal_nan=True)
    ]


def _values(plan: Plan, tallies: Tallies) -> dict[str, Any]:
    found: dict[str, Any] = tallies.results(np.array(PERCENTILES) / 100)
    pixels = plan.galaxies * int(np.prod(plan.recipe.image_shape))
    found["pixels"] = np.full((tallies.variables, tallies.filters), pixels)
    return found


def _nothing(labels: xr.Dataset) -> Tallies:
    return Tallies(labels.sizes["variable"], labels.sizes["filter"])


def _kept(path: Path, plan: Plan, before: bytes) -> Tallies:
    try:
        return Tallies.from_bytes(before).kept(plan)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "store",
            str(path),
            f"{TALLIES} as it was written ({error})",
            "mend the store by `argdask repair`",
        ) from None


def _tallies_of(
    path: Path, plan: Plan, labels: xr.Dataset, parts: Iterable[tuple[int, str]]
) -> Iterator[tuple[int, Tally]]:
    """Read the tallies of parts, from the images where there is no text of them.

    A receipt that a store of other length left has none of its histogram, perhaps.
    """
    shape = labels.sizes["variable"], labels.sizes["filter"]
    for index, text in parts:
        try:
            tally = Tally.from_text(text, *shape)
            whole = bool(tally.histogram.size) or not has_histogram(plan, index)
        except ValueError:
            whole = False
        yield index, tally if whole else _tally_of_images(path, plan, labels, index)


def _tally_of_images(path: Path, plan: Plan, labels: xr.Dataset, index: int) -> Tally:
    names = [str(name) for name in labels["variable"].values]
    pairs = format_of(path).open_lazily(path, complete=False)
    histogram = has_histogram(plan, index)
    tally = Tally.empty(len(names), pairs.sizes["filter"], histogram=histogram)
    start, stop = plan.rows_of_part(index)
    for number, name in enumerate(names):
        for first in range(start, stop, plan.chunk):
            rows = slice(first, min(first + plan.chunk, stop))
            images = np.ascontiguousarray(pairs[name].variable[rows].values)
            tally.add(number, images, first, softening_of(plan))
    return tally


def _files_of(
    path: Path, plan: Plan, labels: xr.Dataset, tallies: Tallies
) -> dict[str, bytes]:
    """Return the files of statistics as they shall be."""
    names = [str(name) for name in labels["variable"].values]
    filters = [str(name) for name in labels["filter"].values]
    whole = labelled(names, filters, softening_of(plan), _values(plan, tallies))
    return {TALLIES: tallies.to_bytes(), **_written(path, plan, whole)}


def _written(path: Path, plan: Plan, statistics: xr.Dataset) -> dict[str, bytes]:
    """Return the files that a format has for labelled statistics."""
    folder = path / f"{uuid.uuid4().hex}{files.PARTIAL}"
    folder.mkdir()
    try:
        FORMATS[plan.format].write_statistics(folder, statistics)
        found = sorted(files.files_below(folder))
        wanted = [name for name in found if is_of_statistics(plan, name)]
        return {name: (folder / name).read_bytes() for name in wanted}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
