"""What is in an SED grid, for a person or a program to read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from argdask.photometry import ab_magnitude
from argdask.seds import check_seds, content_hash

__all__ = ["FilterContents", "SedContents", "describe_seds"]


@dataclass(frozen=True)
class FilterContents:
    """One filter of a grid."""

    name: str
    """Its name."""
    wavelength: float
    """Its wavelength [Angstrom]."""
    brightest: float
    """Least AB magnitude among what is valid [mag]."""
    faintest: float | None
    """Greatest AB magnitude among what is valid; None where a flux is 0 [mag]."""
    unknown: float
    """Fraction of its fluxes that are not finite."""


@dataclass(frozen=True)
class SedContents:
    """What is in an SED grid."""

    source: str
    """Where it came from."""
    cosmology: dict[str, Any]
    """What it was made with."""
    per_solar_mass: bool
    """Whether its fluxes are those of one solar mass."""
    redshifts: int
    """How many."""
    redshift_range: tuple[float, float]
    """Lowest and highest."""
    templates: int
    """How many."""
    masked: float
    """Fraction of templates and redshifts that are not valid."""
    filters: tuple[FilterContents, ...]
    """The filters, in the order of the grid."""
    parameters: dict[str, str]
    """Range and unit of what is known of the templates."""
    content_hash: str
    """Hash of all that decides pixels."""

    def to_json(self) -> str:
        """Return the contents as JSON."""
        return json.dumps(asdict(self), indent=2)

    def to_text(self) -> str:
        """Return the contents as lines for a person."""
        low, high = self.redshift_range
        width = max(len(one.name) for one in self.filters)
        longest = max((len(name) for name in self.parameters), default=0)
        flux = "uJy for one solar mass" if self.per_solar_mass else "uJy"
        model = ", ".join(f"{key} {value}" for key, value in self.cosmology.items())
        return "\n".join(
            [
                f"source      {self.source}",
                f"dims        redshift {self.redshifts}, filter {len(self.filters)}, "
                f"template {self.templates}",
                f"redshifts   {low:g} to {high:g}",
                f"fluxes      {flux}",
                f"masked      {100 * self.masked:.2f} % of redshifts x templates",
                f"cosmology   {model}",
                f"hash        {self.content_hash}",
                "filters",
                *(
                    f"  {one.name:{width}}  {one.wavelength:10.1f} Angstrom  "
                    f"{one.brightest:7.3f} to {_shown(one.faintest)} mag  "
                    f"{100 * one.unknown:.2f} % unknown"
                    for one in self.filters
                ),
                *(["templates"] if self.parameters else []),
                *(
                    f"  {name:{longest}}  {text}"
                    for name, text in self.parameters.items()
                ),
            ]
        )


def _shown(magnitude: float | None) -> str:
    return " dark  " if magnitude is None else f"{magnitude:7.3f}"


def describe_seds(seds: xr.DataArray) -> SedContents:
    """Look into an SED grid.

    Parameters
    ----------
    seds
        The grid.

    Returns
    -------
    SedContents
        Its sizes, ranges, masked fraction and origin.

    Raises
    ------
    InputError
        It is no grid.
    """
    seds = check_seds(seds)
    redshift = seds["redshift"].values
    valid = seds["valid"].values
    own = [str(n) for n, c in seds.coords.items() if c.dims == ("template",)]
    filters = []
    for place in range(seds.sizes["filter"]):
        flux = seds.values[:, place]
        lit = ab_magnitude(flux[valid])
        faintest = float(lit.max())
        filters.append(
            FilterContents(
                name=str(seds["filter"].values[place]),
                wavelength=float(seds["wavelength"].values[place]),
                brightest=float(lit.min()),
                faintest=faintest if np.isfinite(faintest) else None,
                unknown=float(np.mean(~np.isfinite(flux))),
            )
        )
    return SedContents(
        source=str(seds.attrs["source"]),
        cosmology=json.loads(seds.attrs["cosmology"]),
        per_solar_mass=bool(seds.attrs["per_solar_mass"]),
        redshifts=redshift.size,
        redshift_range=(float(redshift[0]), float(redshift[-1])),
        templates=seds.sizes["template"],
        masked=float(np.mean(~valid)),
        filters=tuple(filters),
        parameters={name: _range(seds[name]) for name in sorted(own)},
        content_hash=content_hash(seds),
    )


def _range(parameter: xr.DataArray) -> str:
    """Return the range of numbers, or some of the texts."""
    values = parameter.values
    different = np.unique(values)
    if values.dtype.kind not in "fiu":
        shown = ", ".join(dict.fromkeys(str(value) for value in values[:200]))
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return f"{different.size} different: {shown}"
    units = parameter.attrs.get("units", "1")
    unit = "" if units in ("1", "unknown") else f" {units}"
    low, high = different[0], different[-1]
    return f"{low:g} to {high:g}{unit}, {different.size} different"
