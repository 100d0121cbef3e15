"""What is in a store, for a person or a program to read."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from argdask.places import place_of
from argdask.schema import VARIABLES
from argdask.store.attributes import readable
from argdask.store.formats import format_of
from argdask.store.pixel_statistics import pixel_statistics
from argdask.store.reading import open_pairs
from argdask.store.tallies import softening_of
from argdask.store.work import read_attributes, read_plan, read_seds_of_store

__all__ = ["Contents", "PixelStatistics", "VariableContents", "inspect"]


@dataclass(frozen=True)
class VariableContents:
    """One variable of a store."""

    name: str
    """Its name."""
    dims: str
    """Its dimensions and sizes."""
    dtype: str
    """Its type."""
    units: str
    """Its unit."""
    size: int
    """Bytes on disk."""


@dataclass(frozen=True)
class PixelStatistics:
    """Statistics of the pixels of one image variable in one filter."""

    variable: str
    """Name of the image variable."""
    filter: str
    """Name of the filter."""
    missing: int
    """Pixels without a value."""
    minimum: float | None
    """Lowest pixel; None where all are missing."""
    maximum: float | None
    """Highest pixel."""
    mean: float | None
    """Of asinh(pixel / softening)."""
    standard_deviation: float | None
    """Of asinh(pixel / softening)."""


@dataclass(frozen=True)
class Contents:
    """What is in a store."""

    path: str
    """The store."""
    state: str
    """complete or incomplete."""
    galaxies: int
    """Number of galaxies."""
    fingerprint: str
    """Of the plan."""
    scale: float
    """What all fluxes were multiplied by."""
    seds: str
    """Where the SED grid came from."""
    redshifts: tuple[float, float]
    """Lowest and highest redshift of the grid."""
    drawn: dict[str, tuple[float, float]]
    """Lowest and highest redshift that galaxies have, by z_in and z_out: of the first
    million, and of none while they are not made."""
    filters: tuple[str, ...]
    """Names of the filters."""
    layout: dict[str, int | str]
    """Format; galaxies in a part, a chunk and a block; compression."""
    recipe: dict[str, object]
    """All choices."""
    variables: tuple[VariableContents, ...]
    """The variables."""
    statistics: tuple[PixelStatistics, ...]
    """Of the pixels of each image variable and filter; none of an incomplete store."""
    softening: float
    """What pixels are divided by before their inverse hyperbolic sine is taken."""

    @property
    def redshifts_told(self) -> str:
        """What redshifts the galaxies and the grid have, for a person."""
        spans = {**self.drawn, "grid": self.redshifts}
        return ", ".join(f"{name} {a:g} to {b:g}" for name, (a, b) in spans.items())

    def to_json(self) -> str:
        """Return the contents as JSON."""
        return json.dumps(asdict(self), indent=2)

    def to_text(self) -> str:
        """Return the contents as lines for a person."""
        width = max(len(variable.name) for variable in self.variables)
        table = [
            f"  {v.name:{width}}  {v.dims:42}  "
            f"{'text' if 'String' in v.dtype else v.dtype:9}  {v.size / 1e6:10.2f} MB  "
            f"{v.units}"
            for v in self.variables
        ]
        layout = ", ".join(f"{key} {value}" for key, value in self.layout.items())
        return "\n".join(
            [
                f"{self.path}: {self.galaxies} pairs, {self.state}",
                f"seds        {self.seds}",
                f"redshifts   {self.redshifts_told}",
                f"filters     {', '.join(self.filters)}",
                f"scale       {self.scale!r}",
                f"layout      {layout}",
                f"fingerprint {self.fingerprint}",
                "variables",
                *table,
                *self._statistics(),
            ]
        )

    def _statistics(self) -> list[str]:
        if not self.statistics:
            return []
        head = "minimum", "maximum", "mean", "deviation", "missing"
        told = [f"pixels; mean and deviation of asinh(pixel / {self.softening:g})"]
        told.append(f"  {'':24}  {'':20}" + "".join(f"  {name:>10}" for name in head))
        for one in self.statistics:
            numbers = one.minimum, one.maximum, one.mean, one.standard_deviation
            values = [
                f"{'none' if n is None else format(n, '.4g'):>10}" for n in numbers
            ]
            names = f"  {one.variable:24}  {one.filter:20}"
            told.append("  ".join([names, *values, f"{one.missing:10}"]))
        return told


def inspect(path: str | Path) -> Contents:
    """Look into a store without reading an image.

    Parameters
    ----------
    path
        The store, complete or not.

    Returns
    -------
    Contents
        What is in it.

    Raises
    ------
    InputError
        If there is no store that argdask made, or it is too damaged to be read.
    """
    place = place_of(path)
    with readable(place):
        return _contents_of(place)


def _contents_of(place: Path) -> Contents:
    plan = read_plan(place)
    attributes = read_attributes(place)
    pairs = open_pairs(place, chunks=None, incomplete=True)
    redshift = read_seds_of_store(place)["redshift"].values
    stored = format_of(place).sizes_on_disk(place)
    names = [str(name) for name in pairs.variables if name in stored]
    order = [*VARIABLES, *names]
    names.sort(key=order.index)
    complete = attributes["state"] == "complete"
    return Contents(
        statistics=_statistics_of(place) if complete else (),
        softening=softening_of(plan),
        path=str(place),
        state=str(attributes["state"]),
        galaxies=plan.galaxies,
        fingerprint=plan.fingerprint,
        scale=plan.scale,
        seds=str(attributes["seds_source"]),
        redshifts=(float(redshift[0]), float(redshift[-1])),
        drawn=_drawn(pairs),
        filters=tuple(str(name) for name in pairs["filter"].values),
        layout={
            "format": plan.format,
            "part": plan.part,
            "chunk": plan.chunk,
            "block": plan.block,
            "compression": plan.recipe.layout.compression,
        },
        recipe=json.loads(plan.recipe.model_dump_json()),
        variables=tuple(
            VariableContents(
                name,
                ", ".join(f"{d} {n}" for d, n in pairs[name].sizes.items()),
                str(pairs[name].dtype),
                str(pairs[name].attrs.get("units", "")),
                stored[name],
            )
            for name in names
        ),
    )


def _drawn(pairs: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest redshift that is there, by name."""
    found = {}
    for name in ("z_in", "z_out"):
        values = pairs[name].isel(galaxy=slice(2**20)).values
        made = values[np.isfinite(values)]
        if made.size:
            found[name] = float(made.min()), float(made.max())
    return found


def _statistics_of(place: Path) -> tuple[PixelStatistics, ...]:
    found = pixel_statistics(place)
    names = ("minimum", "maximum", "mean", "standard_deviation")
    told = []
    for variable in found["variable"].values:
        for name in found["filter"].values:
            one = found.sel(variable=variable, filter=name)
            numbers = [float(one[key]) for key in names]
            known = [number if math.isfinite(number) else None for number in numbers]
            missing = int(one["missing"])
            told.append(PixelStatistics(str(variable), str(name), missing, *known))
    return tuple(told)
