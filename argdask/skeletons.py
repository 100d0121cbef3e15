"""A damaged store's files without galaxies, made again from its plan and its inputs."""

from __future__ import annotations

import contextlib
import functools
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from argdask.errors import InputError
from argdask.psf import PSFImage
from argdask.psf_choices import hash_of_images, psf_images
from argdask.recipe_tables import table_of
from argdask.sed_sources import default_seds
from argdask.simulation import Simulation
from argdask.store import files
from argdask.store.attributes import read_root
from argdask.store.condition import Condition
from argdask.store.formats import FORMATS
from argdask.store.plan import Plan, plan_of
from argdask.store.work import plan_in
from argdask.tables import UserTable

__all__ = ["Skeleton"]


class Skeleton:
    """What a store was before it had galaxies, beside it; made when it is asked for.

    Parameters
    ----------
    condition
        What is left of the store.
    seds
        The SED grid that it was made with; its own, or the built-in one, if left out.
    catalogue
        The user's catalogue that it was made with; its own if left out.
    """

    def __init__(
        self, condition: Condition, seds: xr.DataArray | None, catalogue: Any
    ) -> None:
        self._condition, self._seds, self._catalogue = condition, seds, catalogue
        self._made: Path | None = None

    @functools.cached_property
    def plan(self) -> Plan:
        """The store's plan, from either copy."""
        for root in (self._condition.root, self._condition.stored):
            if root is not None:
                with contextlib.suppress(InputError):
                    return plan_in(root["attributes"], self._condition.path)
        raise self._lost("its plan", "make the store again")

    @property
    def folder(self) -> Path:
        """The folder that it is in."""
        if self._made is None:
            place = self._condition.path
            simulation = self._simulation()
            name = f"{place.name}.{uuid.uuid4().hex}{files.PARTIAL}"
            self._made = place.with_name(name)
            self._made.mkdir()
            write = FORMATS[self.plan.format].write_skeleton
            write(self._made, simulation, self.plan)
        return self._made

    def names(self) -> list[str]:
        """Return its files, by their paths in the store, but the root's metadata."""
        found = set(files.files_below(self.folder))
        return sorted(found - {FORMATS[self.plan.format].METADATA})

    def read(self, name: str) -> bytes:
        """Return one of its files.

        Parameters
        ----------
        name
            Its path in the store.

        Returns
        -------
        bytes
            What is in it.

        Raises
        ------
        InputError
            If it has no such file, or cannot be made.
        """
        file = self.folder / name
        if not file.is_file():
            raise self._lost(name, "make the store again")
        return file.read_bytes()

    def root(self) -> dict[str, Any]:
        """Return the root's metadata of a store that has this skeleton.

        Returns
        -------
        dict
            As they are in a complete store, but for state and environments.
        """
        found = FORMATS[self.plan.format]
        return found.committed(self.folder, read_root(self.folder / found.METADATA))

    def remove(self) -> None:
        """Delete it."""
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)

    def _simulation(self) -> Simulation:
        """Make the simulation that the store was planned with, or refuse to."""
        plan = self.plan
        brought: dict[str, Any] = {
            "table": self._table() if plan.catalogue is not None else None,
            "psfs": self._psfs() if plan.psfs is not None else {},
        }
        if self._seds is not None:
            simulation = Simulation(plan.recipe, self._seds, plan.scale, **brought)
            if plan_of(simulation, plan.format).seds != plan.seds:
                raise InputError(
                    "seds", "another grid", "the grid of the store", "bring that one"
                )
            return simulation
        own: Callable[[], xr.DataArray]
        own = functools.partial(FORMATS[plan.format].read_seds, self._condition.path)
        for read in (own, default_seds):
            try:
                simulation = Simulation(plan.recipe, read(), plan.scale, **brought)
                if plan_of(simulation, plan.format).seds == plan.seds:
                    return simulation
            except Exception:  # what reads a damaged store can raise anything
                continue
        raise self._lost("its SED grid", "bring the grid it was made with: --seds FILE")

    def _table(self) -> UserTable:
        plan = self.plan
        if self._catalogue is not None:
            recipe = plan.recipe.model_copy(update={"catalogue": None})
            table = table_of(recipe, self._catalogue)
        else:
            try:
                table = FORMATS[plan.format].read_table(self._condition.path)
            except Exception:  # as above
                table = None
        if table is not None and table.content_hash(plan.galaxies) == plan.catalogue:
            return table
        if self._catalogue is not None:
            raise InputError(
                "catalogue", "another table", "the table of the store", "bring that one"
            )
        raise self._lost(
            "its catalogue", "bring the table it was made with: --catalogue FILE"
        )

    def _psfs(self) -> dict[str, PSFImage]:
        plan = self.plan
        own = functools.partial(FORMATS[plan.format].read_psfs, self._condition.path)
        for read in (own, functools.partial(psf_images, plan.recipe)):
            try:
                psfs = read()
                if hash_of_images(plan.recipe, psfs) == plan.psfs:
                    return psfs
            except Exception:  # as above
                continue
        raise self._lost("its PSFs", "bring back the files that its recipe names")

    def _lost(self, what: str, cure: str) -> InputError:
        path = str(self._condition.path)
        return InputError("store", path, f"one whole copy of {what}", cure)
