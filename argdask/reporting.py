"""A report on a store: one page that says what it is and shows it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.composites import composite_filters
from argdask.errors import IncompleteError, InputError
from argdask.html_pages import figure_in, note, page, preformatted, section, table
from argdask.inspection import Contents, inspect
from argdask.monitoring import status
from argdask.pair_plotting import plot_pair
from argdask.places import place_of
from argdask.plotting import figure_class, preview
from argdask.recipe import Recipe
from argdask.schema import ENDS
from argdask.store import files
from argdask.store.attributes import readable
from argdask.store.reading import open_pairs
from argdask.store.receipts import done_receipts
from argdask.store.work import read_attributes, read_plan
from argdask.stretches import image_names
from argdask.truth_plotting import plot_truth
from argdask.verification import verify

__all__ = ["Reported", "report"]

# How many pairs are drawn in colour, and how many of those in all filters.
_SHOWN, _IN_ALL_FILTERS = 6, 2

_OBSERVED = ("psf_fwhm", "background_sigma", "gain")

_CITE = (
    "If you use this set in a publication, cite argdask (CITATION.cff in its "
    "repository) and the sources of the SED templates and filter curves named above."
)


@dataclass(frozen=True)
class Reported:
    """What a report left."""

    page: Path
    """The page."""
    passed: bool | None
    """Whether the store passed its verification; None where there was none."""


@dataclass(frozen=True)
class _Verified:
    """What is told of a verification."""

    told: tuple[str, ...]
    """Parts of the page."""
    passed: bool | None = None
    """Whether it passed; None where there was none."""


def report(
    source: str | Path | xr.Dataset,
    path: str | Path,
    *,
    sample: int = 16,
    full: bool = False,
) -> Reported:
    """Write one page of HTML about a store or a dataset of pairs.

    Parameters
    ----------
    source
        A store, complete or not, or pairs in memory or lazy, of which less is known.
    path
        The page; one that is there is replaced when the new one is whole.
    sample
        How many galaxies of a complete store are made again and compared, when it is
        verified; 0 leaves the verification out, which reads every file.
    full
        Make all galaxies again instead.

    Returns
    -------
    Reported
        The page, and whether the store passed. The page loads nothing and runs nothing:
        recipe, sizes, distributions, examples, statistics of pixels, the result of
        `argdask.verify`, provenance.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    InputError
        If there is no store that argdask made or no galaxy in the dataset, or the page
        cannot be written.
    """
    figure_class()  # before anything is verified
    place = place_of(path, "report")
    if place.is_dir() or not place.absolute().parent.is_dir():
        expected = "a file in a folder that is there"
        raise InputError("report", str(path), expected, "try report.html")
    passed = None
    if isinstance(source, xr.Dataset):
        made = page("Training pairs", _of_dataset(source))
    else:
        store = place_of(source)
        if place.resolve().is_relative_to(store.resolve()):
            expected = "a file outside of the store"
            raise InputError("report", str(path), expected, "try report.html")
        contents = inspect(store)
        verified = _verification(store, contents, sample, full)
        passed = verified.passed
        title = f"Training pairs: {store.absolute().name}"
        made = page(title, _of_store(store, contents, verified))
    try:
        with files.whole_file(place) as whole:
            whole.write(made.encode(errors="replace"))
    except OSError as error:
        expected = f"a file that can be written ({error.strerror})"
        raise InputError("report", str(path), expected, "try report.html") from None
    return Reported(place, passed)


def _of_dataset(pairs: xr.Dataset) -> Iterator[str]:
    """Yield the sections about pairs of which there is no store."""
    if pairs.sizes.get("galaxy", 0) < 1:
        expected = "a dataset with galaxies"
        raise InputError("pairs", "no galaxy", expected, "select with a list or slice")
    yield note(str(pairs.attrs.get("title", "Pairs of image cubes")))
    yield section("What it is", table(_dimensions(pairs)))
    rows = _evenly(np.arange(pairs.sizes["galaxy"]))
    yield from _pictures(pairs, rows)
    yield section("Observation", _observation(pairs))
    yield section("Recipe", _recipe(pairs.attrs))
    yield section("Provenance", table(_origin(pairs.attrs)), note(_CITE))


def _of_store(store: Path, contents: Contents, verified: _Verified) -> Iterator[str]:
    """Yield the sections about a store."""
    attributes = read_attributes(store)
    pairs = open_pairs(store, chunks=None, incomplete=True)
    yield note(str(attributes.get("title", "")))
    yield section("What it is", _state(store), table(_summary(store, contents, pairs)))
    rows = _rows_made(store, contents)
    if rows.size:
        try:
            # All of them before the first is shown.
            with readable(store):
                pictures = list(_pictures(pairs, rows))
        except InputError as error:
            pictures = [section("Pairs", note(f"Not drawn: {error}", "bad"))]
        yield from pictures
    else:
        yield section("Pairs", note("No galaxy has been made yet."))
    yield section("Verification", *verified.told)
    yield section("Pixels", *_statistics(contents))
    yield section("Observation", _observation(pairs))
    yield section("Variables", _variables(contents))
    yield section("Recipe", _recipe(attributes))
    origin = [*_origin(attributes), *_environments(attributes)]
    origin.append(("fingerprint", contents.fingerprint))
    yield section("Provenance", table(origin), note(_CITE))


def _state(store: Path) -> str:
    now = status(store)
    if now.state == "complete":
        return note("complete", "good")
    told = f"{now.state}: {now.galaxies.done} of {now.galaxies.of} galaxies have images"
    failures = [f"{f.kind} {f.index}: {f.reason}" for f in now.failed]
    return note("; ".join([told, *failures]), "bad")


def _summary(
    store: Path, contents: Contents, pairs: xr.Dataset
) -> list[tuple[str, object]]:
    sizes = [(store / name).stat().st_size for name in files.files_below(store)]
    plan = read_plan(store)
    layout = contents.layout
    return [
        *_dimensions(pairs),
        ("redshifts", contents.redshifts_told),
        ("scale", f"{contents.scale!r} (images are uJy / pixel times this)"),
        ("size", f"{sum(sizes) / 1e6:,.1f} MB in {len(sizes)} files"),
        (
            "layout",
            f"{layout['format']}, {plan.parts} parts of {layout['part']} galaxies in "
            f"chunks of {layout['chunk']}; compression {layout['compression']}",
        ),
    ]


def _dimensions(pairs: xr.Dataset) -> list[tuple[str, object]]:
    names = ", ".join(str(name) for name in np.atleast_1d(pairs["filter"].values))
    scale = json.loads(pairs.attrs.get("recipe", "{}")).get("pixel_scale")
    frame = f"{pairs.sizes['y']} x {pairs.sizes['x']} pixels"
    return [
        ("galaxies", f"{pairs.sizes['galaxy']:,}"),
        ("images", ", ".join(image_names(pairs))),
        ("frame", f"{frame} of {scale:g} arcsec" if scale else frame),
        ("filters", names),
    ]


def _rows_made(store: Path, contents: Contents) -> NDArray[np.int64]:
    """Return rows of galaxies that have their images and their truth, evenly."""
    if contents.state == "complete":
        return _evenly(np.arange(contents.galaxies))
    done = done_receipts(store, read_plan(store))
    rows: dict[str, NDArray[np.int64]] = {}
    for kind in ("part", "block"):
        spans = [np.arange(r.start, r.stop) for r in done if r.kind == kind]
        rows[kind] = np.concatenate([np.empty(0, np.int64), *spans])
    return _evenly(np.intersect1d(rows["part"], rows["block"]))


def _evenly(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    count = min(_SHOWN, rows.size)
    return np.asarray(rows[np.linspace(0, max(rows.size - 1, 0), count).astype(int)])


def _pictures(pairs: xr.Dataset, rows: NDArray[np.int64]) -> Iterator[str]:
    """Yield the sections with pictures of some rows and of all truth."""
    examples = pairs.isel(galaxy=rows).load()
    chosen = ", ".join(composite_filters(examples))
    pictures = [
        figure_in(
            preview(examples, rgb=True),
            f"{rows.size} galaxies, evenly over the set: {chosen} as red, green, blue.",
        )
    ]
    for galaxy in range(min(_IN_ALL_FILTERS, rows.size)):
        told = f"The galaxy in row {rows[galaxy]}: images, fluxes and truth."
        pictures.append(figure_in(plot_pair(examples, galaxy=galaxy), told))
    yield section("Pairs", *pictures)
    told = "How the truth is distributed over the galaxies."
    yield section("Distributions", figure_in(plot_truth(pairs), told))


def _verification(
    store: Path, contents: Contents, sample: int, full: bool
) -> _Verified:
    """Return what `argdask.verify` says of the store, and when."""
    some = "1 galaxy" if sample == 1 else f"{sample} galaxies"
    level = "all galaxies" if full else some
    if contents.state != "complete":
        return _Verified(
            (note("Not verified: a store is verified once it is complete."),)
        )
    if not sample and not full:
        cure = f"Not verified for this page; `argdask verify {store}` does it."
        return _Verified((note(cure),))
    try:
        found = verify(store, sample=sample, full=full)
    except IncompleteError as error:
        return _Verified((note(f"Not verified: {error}"),))
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    result = "passed" if found.passed else "FAILED"
    told = f"{result}, {now}; checksums of all files, {level} made again"
    checks = table(
        (check.name, "ok" if check.passed else "FAILED", "; ".join(check.details[:10]))
        for check in found.checks
    )
    unchecked = [note(f"not checked: {reason}") for reason in found.unchecked]
    head = note(told, "good" if found.passed else "bad")
    return _Verified((head, checks, *unchecked), found.passed)


def _statistics(contents: Contents) -> Iterator[str]:
    def told(number: float | None) -> str:
        return "none" if number is None else f"{number:.5g}"

    head = ("image", "filter", "minimum", "maximum", "mean", "deviation", "missing")
    rows = [
        (
            *(one.variable, one.filter, told(one.minimum), told(one.maximum)),
            *(told(one.mean), told(one.standard_deviation), one.missing),
        )
        for one in contents.statistics
    ]
    if rows:
        yield note(
            "Minimum and maximum in scale uJy / pixel; mean and standard deviation of "
            f"asinh(pixel / {contents.softening:g})."
        )
        yield table(rows, head, numbers=range(2, 7))


def _observation(pairs: xr.Dataset) -> str:
    """Return the telescopes that the images were observed with, by filter."""
    names = [f"{name}_{end}" for name in _OBSERVED for end in ENDS.values()]
    there = [name for name in names if name in pairs.coords]
    if not there:
        return ""
    recipe = json.loads(pairs.attrs.get("recipe", "{}"))
    survey = (recipe.get("observation") or {}).get("survey")
    head = ["filter"]
    for name in there:
        head.append(f"{name} [{pairs[name].attrs.get('units', '1')}]")
    columns = [pairs[name].values for name in there]
    rows = [
        (str(name), *(f"{column[k]:.4g}" for column in columns))
        for k, name in enumerate(pairs["filter"].values)
    ]
    above = note(f"survey: {survey}") if survey else ""
    return above + table(rows, head, numbers=range(1, len(head)))


def _variables(contents: Contents) -> str:
    rows = [
        (one.name, one.dims, one.dtype, one.units, f"{one.size / 1e6:,.3f}")
        for one in contents.variables
    ]
    head = ("name", "dimensions", "type", "units", "size [MB]")
    return table(rows, head, numbers=[4])


def _recipe(attributes: dict[str, Any]) -> str:
    if "recipe" not in attributes:
        return ""
    recipe = Recipe(**json.loads(attributes["recipe"]))
    return preformatted(recipe.to_yaml(examples=False))


def _origin(attributes: dict[str, Any]) -> list[tuple[str, object]]:
    """Return what the pairs were made by and from."""
    recipe = json.loads(attributes.get("recipe", "{}"))
    found = [
        ("made by", attributes.get("source")),
        ("SED grid", attributes.get("seds_source")),
        ("cosmology", attributes.get("cosmology")),
        ("seed", recipe.get("seed")),
    ]
    return [(name, value) for name, value in found if value is not None]


def _environments(attributes: dict[str, Any]) -> list[tuple[str, object]]:
    """Return the versions and machines that made the parts of a complete store."""
    found = json.loads(attributes.get("environments", "[]"))
    return [
        ("made with", ", ".join(f"{name} {value}" for name, value in one.items()))
        for one in found
    ]
