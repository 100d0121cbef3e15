"""Parameters, SED index, redshift pair and brightness of each galaxy, by its id."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from argdask.errors import InputError, nearest
from argdask.photometry import ab_flux
from argdask.recipe import Recipe
from argdask.sampling import pick, uniforms
from argdask.seds import age_of_universe, check_seds, select_filters

__all__ = ["Catalogue", "Columns"]

Columns = dict[str, NDArray[Any]]
"""The catalogue's columns by name: (galaxy,) or (galaxy, filter)."""

# Where the brightness filter is not named, the one nearest to this is taken [Angstrom].
_BRIGHTNESS_WAVELENGTH = 8500.0


@dataclass(frozen=True)
class _Lists:
    """Lists of different lengths, one after the other, to draw from many at once."""

    members: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def from_masks(cls, masks: NDArray[np.bool_]) -> _Lists:
        counts = masks.sum(axis=1, dtype=np.int64)
        return cls(np.nonzero(masks)[1], np.cumsum(counts) - counts, counts)

    def draw(
        self, which: NDArray[np.int64], u: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        at = self.starts[which] + pick(u, self.counts[which])
        drawn: NDArray[np.int64] = self.members[at]
        return drawn


class Catalogue:
    """All that a recipe and an SED grid say about any galaxy, without an image.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid (redshift, filter, template) [uJy].

    Raises
    ------
    InputError
        If the recipe asks for what the grid does not have.
    """

    def __init__(self, recipe: Recipe, seds: xr.DataArray) -> None:
        self.recipe = recipe
        self.seds = check_seds(seds)
        if recipe.filters is not None:
            self.seds = select_filters(self.seds, list(recipe.filters))
        self.redshift: NDArray[np.float64] = self.seds["redshift"].values
        self._check_cosmology()
        # Galaxies gather rows of filters from here.
        by_template = self.seds.transpose("redshift", "template", "filter")
        self.flux: NDArray[np.float64] = np.ascontiguousarray(by_template.values)
        self._reference = self._reference_flux()
        usable_in, usable_out = self._usable()
        self._pairs = self._allowed(usable_in, usable_out)
        self._z_out = _Lists.from_masks(self._pairs)
        self._tabulate_templates(usable_in, usable_out)

    def columns(self, ids: ArrayLike) -> Columns:
        """Return the truth about galaxies.

        Parameters
        ----------
        ids
            Galaxy ids (galaxy,).

        Returns
        -------
        dict
            One array for each column, in the order of the dataset.
        """
        galaxy_id = np.atleast_1d(np.asarray(ids, dtype=np.int64))
        index_in, index_out = self._draw_redshifts(galaxy_id)
        template = self._draw_templates(galaxy_id, index_in, index_out)
        columns: Columns = {
            "galaxy_id": galaxy_id,
            "z_in": self.redshift[index_in],
            "z_out": self.redshift[index_out],
            "sed_index": template.astype(np.int32),
        }
        columns.update(self._draw_brightness(galaxy_id, index_in, template))
        for name, law in self.recipe.profile.parameters.items():
            columns[name] = law.quantile(self._uniforms(name, galaxy_id))
        brightness = columns["brightness"][:, None]
        columns["flux_in"] = brightness * self.flux[index_in, template]
        columns["flux_out"] = brightness * self.flux[index_out, template]
        return columns

    def _uniforms(self, column: str, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        return uniforms(self.recipe.seed, column, ids)

    def _check_cosmology(self) -> None:
        wanted = self.recipe.cosmology
        made_with = json.loads(self.seds.attrs["cosmology"])
        if wanted is not None and wanted != made_with:
            raise InputError(
                "cosmology",
                json.dumps(wanted),
                f"that of the SED grid, {json.dumps(made_with)}",
                "leave it out, or make a grid with the other cosmology",
            )

    def _index_of(self, field: str, redshift: float) -> int:
        """Where a redshift is in the grid."""
        found = np.flatnonzero(np.abs(self.redshift - redshift) < 1e-9)
        if found.size:
            return int(found[0])
        order = np.argsort(np.abs(self.redshift - redshift), kind="stable")
        near = ", ".join(f"{self.redshift[k]:g}" for k in sorted(order[:2]))
        low, high = self.redshift[[0, -1]]
        raise InputError(
            field,
            f"{redshift:g}",
            f"one of the grid's {self.redshift.size} redshifts, {low:g} to {high:g}",
            f"nearest: {near}",
        )

    def _reference_flux(self) -> NDArray[np.float64] | None:
        """Flux that the magnitude is compared with (redshift or 1, template) [uJy]."""
        choices = self.recipe.brightness
        if choices.law == "stellar_mass" and not self.seds.attrs["per_solar_mass"]:
            raise InputError(
                "brightness.law",
                "stellar_mass",
                "a grid of fluxes per solar mass",
                "use law equal or grid, or read a grid that smpy made",
            )
        if choices.law != "equal":
            return None
        names = [str(name) for name in self.seds["filter"].values]
        if choices.brightness_filter is None:
            distance = np.abs(self.seds["wavelength"].values - _BRIGHTNESS_WAVELENGTH)
            column = int(np.argmin(distance))
        elif choices.brightness_filter in names:
            column = names.index(choices.brightness_filter)
        else:
            raise InputError(
                "brightness.brightness_filter",
                choices.brightness_filter,
                "one of the filters of the set",
                f"nearest: {nearest(choices.brightness_filter, names)}",
            )
        if choices.brightness_redshift == "z_in":
            return self.flux[:, :, column]
        row = 0
        if choices.brightness_redshift is not None:
            field = "brightness.brightness_redshift"
            row = self._index_of(field, choices.brightness_redshift)
        return self.flux[row : row + 1, :, column]

    def _usable(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which templates can be drawn at z_in and at z_out (redshift, template)."""
        valid: NDArray[np.bool_] = self.seds["valid"].values
        usable_in, usable_out = valid.copy(), valid.copy()
        if self._reference is not None:
            # A template without light there cannot be brought to a magnitude.
            with np.errstate(invalid="ignore"):
                usable_in &= np.isfinite(self._reference) & (self._reference > 0)
        if "age" in self.seds.coords and self.recipe.templates.ages == "physical":
            oldest = age_of_universe(self.seds, self.redshift)
            usable_out &= self.seds["age"].values[None, :] <= oldest[:, None]
        return usable_in, usable_out

    def _allowed(
        self, usable_in: NDArray[np.bool_], usable_out: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which pairs of redshifts can be drawn (redshift, redshift)."""
        choices = self.recipe.redshifts
        separation = self.redshift[None, :] - self.redshift[:, None]
        pairs = (separation > 0) & (separation >= choices.min_separation - 1e-9)
        if choices.z_in is not None:
            only = self._index_of("redshifts.z_in", choices.z_in)
            pairs &= np.arange(self.redshift.size)[:, None] == only
        if choices.z_out is not None:
            only = self._index_of("redshifts.z_out", choices.z_out)
            pairs &= np.arange(self.redshift.size)[None, :] == only
        if not pairs.any():
            raise InputError(
                "redshifts",
                choices.model_dump_json(exclude_none=True),
                f"a pair within the grid's {self.redshift[0]:g} to "
                f"{self.redshift[-1]:g}",
                "choose a lower z_in, a higher z_out or a smaller min_separation",
            )
        for index in np.flatnonzero(pairs.any(axis=1)):
            pairs[index] &= (usable_in[index] & usable_out).any(axis=1)
        if not pairs.any():
            raise InputError(
                "templates",
                f"{usable_in.shape[1]} templates",
                "one that is valid at both redshifts of some pair",
                "set templates.ages to all, or choose other redshifts or filters",
            )
        return pairs

    def _tabulate_templates(
        self, usable_in: NDArray[np.bool_], usable_out: NDArray[np.bool_]
    ) -> None:
        """List the templates of each pair; most pairs share their list with others."""
        known: dict[bytes, int] = {}
        masks: list[NDArray[np.bool_]] = []
        self._list_of_pair = np.full(self._pairs.shape, -1, dtype=np.int64)
        for row, column in zip(*np.nonzero(self._pairs), strict=True):
            mask = usable_in[row] & usable_out[column]
            number = known.setdefault(mask.tobytes(), len(masks))
            if number == len(masks):
                masks.append(mask)
            self._list_of_pair[row, column] = number
        self._templates = _Lists.from_masks(np.array(masks))

    def _draw_redshifts(
        self, ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        u_in = self._uniforms("z_in", ids)
        if self.recipe.redshifts.law == "uniform":
            rows, columns = np.nonzero(self._pairs)
            chosen = pick(u_in, rows.size)
            return rows[chosen], columns[chosen]
        rows = np.flatnonzero(self._pairs.any(axis=1))
        index_in = rows[pick(u_in, rows.size)]
        return index_in, self._z_out.draw(index_in, self._uniforms("z_out", ids))

    def _draw_templates(
        self,
        ids: NDArray[np.int64],
        index_in: NDArray[np.int64],
        index_out: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        which = self._list_of_pair[index_in, index_out]
        return self._templates.draw(which, self._uniforms("sed_index", ids))

    def _draw_brightness(
        self,
        ids: NDArray[np.int64],
        index_in: NDArray[np.int64],
        template: NDArray[np.int64],
    ) -> Columns:
        """Draw the factor on the grid's fluxes, and what it follows from."""
        choices = self.recipe.brightness
        if choices.law == "grid":
            return {"brightness": np.ones(ids.size)}
        if choices.law == "stellar_mass":
            u = self._uniforms("log10_stellar_mass", ids)
            mass = 10.0 ** choices.log10_stellar_mass.quantile(u)
            return {"brightness": mass, "stellar_mass": mass}
        assert self._reference is not None, "law equal has a reference flux"
        magnitude = choices.magnitude.quantile(self._uniforms("magnitude", ids))
        # One row serves every z_in unless the magnitude is that at z_in.
        row = index_in if self._reference.shape[0] > 1 else np.zeros_like(index_in)
        factor = ab_flux(magnitude) / self._reference[row, template]
        return {"brightness": factor, "magnitude": magnitude}
