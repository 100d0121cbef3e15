"""Copies of a store that xarray made: what can be checked by what they kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr

from argdask import comparison
from argdask.comparison import Exactness
from argdask.errors import InputError
from argdask.recipe import Recipe
from argdask.schema import VARIABLES, validate
from argdask.sed_sources import default_seds
from argdask.simulation import PIXELS_VERSION, Simulation
from argdask.store.netcdf_files import UDUNITS
from argdask.store.plan import Plan, check_pixels, plan_of
from argdask.store.provenance import environment

__all__ = ["Copy"]

Findings = tuple[list[str], str]
"""What is wrong, and how much was looked at."""


class Copy:
    """A Dataset that was opened from a store and saved again, as a whole or in part.

    Parameters
    ----------
    pairs
        The copy, lazy.
    """

    def __init__(self, pairs: xr.Dataset) -> None:
        self._pairs = pairs
        self._recipe = Recipe(**json.loads(pairs.attrs["recipe"]))
        self._scale = float(pairs.attrs["scale"])
        self.notes = [
            "files: a copy has no checksums of the store; its bytes are its own",
        ]

    @classmethod
    def opened(cls, path: Path) -> Self | None:
        """Open a copy.

        Parameters
        ----------
        path
            A folder (Zarr 3) or a file (netCDF).

        Returns
        -------
        Copy or None
            Nothing, if there is none.
        """
        try:
            if path.is_dir():
                # Older formats have codecs that execute what they read.
                pairs = xr.open_zarr(path, chunks=None, zarr_format=3)
            else:
                pairs = xr.open_dataset(path, engine="netcdf4", cache=False)
        except Exception:  # what is no such thing can raise anything
            return None
        try:
            return cls(pairs)
        except (KeyError, TypeError, ValueError, AttributeError):
            pairs.close()
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pairs.close()

    def checks(
        self, sample: int, *, full: bool, seds: xr.DataArray | None
    ) -> dict[str, Callable[[], Findings]]:
        """Return what can be looked at.

        Parameters
        ----------
        sample
            How many galaxies to make again.
        full
            Make all again instead.
        seds
            The SED grid that the store was made with; the built-in one, if the copy
            says so, where it is left out.

        Returns
        -------
        dict
            What looks, by the name of the check.
        """

        def galaxies() -> Findings:
            return self._at_galaxies(sample, full=full, seds=seds)

        return {"structure": self._at_structure, "galaxies made again": galaxies}

    def _at_structure(self) -> Findings:
        pairs = self._pairs
        known = [name for name in VARIABLES if name in pairs.variables]
        wrong = validate(_in_own_units(pairs), known)
        images = self._recipe.images
        there = [name for name in images if name in known]
        missing = {*images, "galaxy_id", "z_in", "z_out"} - set(known)
        self.notes += [f"{name}: it is not in the copy" for name in sorted(missing)]
        if {"z_in", "z_out"} <= set(known):
            rows = np.flatnonzero(~(pairs["z_out"].values > pairs["z_in"].values))
            if rows.size:
                wrong.append(f"z_out is not above z_in in rows {rows[:5].tolist()}")
        shape = self._recipe.image_shape
        for name in there:
            found = pairs[name].sizes.get("y"), pairs[name].sizes.get("x")
            if found != tuple(shape):
                wrong.append(f"{name} has {found} pixels, not {tuple(shape)}")
        total = self._recipe.galaxies
        told = (
            f"{len(known)} variables, {pairs.sizes.get('galaxy', 0)} of {total} pairs"
        )
        return wrong, told

    def _at_galaxies(
        self, sample: int, *, full: bool, seds: xr.DataArray | None
    ) -> Findings:
        try:
            simulation = self._simulation(seds)
        except InputError as error:
            if seds is not None and self._pixels_version() == PIXELS_VERSION:
                raise
            self.notes.append(f"galaxies: they cannot be made again ({error})")
            return [], "none: they cannot be made again"
        pairs = self._with_texts()
        total = pairs.sizes["galaxy"]
        count = total if full else min(max(sample, 1), total)
        rows = np.unique(np.linspace(0, total - 1, count).round()).astype(np.int64)
        ids = pairs["galaxy_id"].values
        exactness = Exactness(all_others=not self._made_here())
        wrong: dict[str, None] = {}
        for some in comparison.in_steps(rows, simulation):
            found = comparison.compare(
                pairs, simulation, some, exactness, ids=ids[some]
            )
            wrong |= dict.fromkeys(one.told for one in found)
        return list(wrong), f"{rows.size} galaxies, {exactness.told}"

    def _made_here(self) -> bool:
        """Whether the copy says that only an environment like this one made it."""
        try:
            found = json.loads(self._pairs.attrs.get("environments", ""))
        except ValueError:
            return False
        return bool(found == [environment()])

    def _pixels_version(self) -> int:
        """Return the copy's; where it says none, this one's."""
        attrs = self._pairs.attrs
        plan = _plan_in(attrs)
        if plan is not None:
            return plan.pixels_version
        return int(attrs.get("pixels_version", PIXELS_VERSION))

    def _with_texts(self) -> xr.Dataset:
        """Return the pairs with texts of the type that those made again have."""
        pairs = self._pairs
        texts = [n for n, one in pairs.variables.items() if one.dtype.kind in "OU"]
        strings = np.dtypes.StringDType()
        return pairs.assign_coords({n: pairs[n].astype(strings) for n in texts})

    def _simulation(self, seds: xr.DataArray | None) -> Simulation:
        """Make what made the galaxies, or say why that cannot be."""
        attrs = self._pairs.attrs
        plan = _plan_in(attrs)
        made = self._pixels_version()
        if made != PIXELS_VERSION:
            cure = "verify it with the argdask that made it"
            raise _unknown(f"pixels of version {made}, not {PIXELS_VERSION}", cure)
        if self._recipe.catalogue or (plan is not None and plan.catalogue):
            raise _unknown("a user's catalogue", "check the store itself")
        if "galaxy_id" not in self._pairs.variables:
            raise _unknown("galaxies without their galaxy_id", "copy it as well")
        grid = seds
        if grid is None:
            grid = default_seds()
            if grid.attrs["source"] != attrs.get("seds_source"):
                raise _unknown(
                    f"an SED grid that it does not hold, {attrs.get('seds_source')}",
                    "bring the grid: --seds FILE",
                )
        simulation = Simulation(self._recipe, grid, self._scale)
        if plan is None:
            if simulation.catalogue.images is not None:
                raise _unknown("a user's images", "check the store itself")
            return simulation
        check_pixels(simulation, plan)
        if plan_of(simulation, plan.format).seds != plan.seds:
            raise _unknown("another SED grid", "bring the grid of the store")
        return simulation


def _plan_in(attrs: dict[Any, Any]) -> Plan | None:
    """Return the plan that copies have which were not opened by `open_pairs`."""
    return Plan.from_json(attrs["plan"]) if "plan" in attrs else None


def _unknown(what: str, cure: str) -> InputError:
    return InputError("copy", f"made with {what}", "all that it was made with", cure)


def _in_own_units(pairs: xr.Dataset) -> xr.Dataset:
    """Return pairs with the words for units that they had before they were netCDF."""
    own = {told: unit for unit, told in UDUNITS.items()}
    named = {name: one.attrs.get("units") for name, one in pairs.variables.items()}
    return pairs.assign(
        {
            name: pairs[name].assign_attrs(units=own[units])
            for name, units in named.items()
            if units in own
        }
    )
