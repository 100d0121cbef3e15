"""Parameters, SED index, redshift pair and brightness of each galaxy, by its id."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from argdask.errors import InputError, nearest
from argdask.image_light import ImageLight
from argdask.interpolation import flux_at
from argdask.photometry import ab_flux
from argdask.recipe import Recipe
from argdask.recipe_tables import check_images, fitted_table
from argdask.redshift_pairs import TemplateLists, cells_of, on_grid, pair_law
from argdask.redshift_rows import Given, RowLaw, snapped
from argdask.sampling import Distribution, pick, uniforms
from argdask.seds import age_of_universe, check_seds, select_filters
from argdask.tables import UserTable

__all__ = ["Catalogue", "Columns"]

Columns = dict[str, NDArray[Any]]
"""The catalogue's columns by name: (galaxy,) or (galaxy, filter)."""

# Where the brightness filter is not named, the one nearest to this is taken [Angstrom].
_BRIGHTNESS_WAVELENGTH = 8500.0

# Rows of a table that are checked at once.
_BATCH = 1 << 16


class Catalogue:
    """All that a recipe and an SED grid say about any galaxy, without an image.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid (redshift, filter, template) [uJy].
    table
        A user's catalogue, of which all columns take the place of drawn ones.
    images
        A user's images, if the recipe's profile is images.

    Raises
    ------
    InputError
        If the recipe or the table asks for what the grid does not have.
    """

    def __init__(
        self,
        recipe: Recipe,
        seds: xr.DataArray,
        table: UserTable | None = None,
        images: ImageLight | None = None,
    ) -> None:
        self.images = images
        self.recipe = recipe
        self.seds = check_seds(seds)
        if recipe.filters is not None:
            self.seds = select_filters(self.seds, list(recipe.filters))
        self.redshift: NDArray[np.float64] = self.seds["redshift"].values
        self._check_cosmology()
        if recipe.reference_redshift is not None:
            on_grid("reference_redshift", self.redshift, recipe.reference_redshift)
        # Galaxies gather rows of filters from here.
        by_template = self.seds.transpose("redshift", "template", "filter")
        self.flux: NDArray[np.float64] = np.ascontiguousarray(by_template.values)
        self._brightness_column = self._column_of_brightness()
        self._reference = self._reference_flux()
        self._templates = TemplateLists(*self._usable())
        if table is not None:
            table = fitted_table(table, recipe, self.seds, images)
        self.table = table
        law = pair_law(recipe.redshifts, self.redshift, self._templates)
        self._law = RowLaw(recipe.redshifts, self.redshift, self._templates, law)

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
        own = {} if self.table is None else self.table.columns(galaxy_id)
        z_in, z_out = self._draw_redshifts(galaxy_id, own)
        template = self._draw_templates(galaxy_id, own, z_in, z_out)
        columns: Columns = {"galaxy_id": galaxy_id}
        if "group" in own:
            columns["group"] = own["group"]
        if self.images is not None:
            image = self._draw_images(self.images, galaxy_id, own)
            # Galaxies of one image must stay together, or a split would leak.
            columns.setdefault("group", image)
            columns["image"] = image
            columns["invalid_pixels"] = self.images.invalid_pixels(image)
            known = self.images.profile.image_redshift
            if "image_redshift" in own:
                columns["image_redshift"] = own["image_redshift"]
            elif known is not None:
                columns["image_redshift"] = np.full(galaxy_id.size, known)
        columns["z_in"], columns["z_out"] = z_in, z_out
        columns["sed_index"] = template.astype(np.int32)
        flux_in = flux_at(self.flux, self.redshift, z_in, template)
        columns.update(self._draw_brightness(galaxy_id, own, flux_in, template))
        for name, law in self.recipe.profile.parameters.items():
            columns[name] = self._value(name, law, galaxy_id, own)
        brightness = columns["brightness"][:, None]
        columns["flux_in"] = brightness * flux_in
        flux_out = flux_at(self.flux, self.redshift, z_out, template)
        columns["flux_out"] = brightness * flux_out
        return columns

    def ids(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the ids of rows of the set: their own numbers, or the table's ids."""
        if self.table is None:
            return np.arange(start, stop)
        return self.table.galaxy_id[start:stop]

    def check_inputs(self) -> None:
        """Refuse images that do not fit, and rows without a redshift or a template.

        Raises
        ------
        InputError
            For the first such row.
        """
        if self.images is not None:
            check_images(self.recipe, self.table, self.images)
        if self.table is None or not {"z_in", "z_out", "sed_index"} & {
            *self.table.names
        }:
            return
        for start in range(0, len(self.table), _BATCH):
            ids = self.table.galaxy_id[start : start + _BATCH]
            own = self.table.columns(ids)
            self._draw_templates(ids, own, *self._draw_redshifts(ids, own))

    def _value(
        self, name: str, law: Distribution, ids: NDArray[np.int64], own: Columns
    ) -> NDArray[np.float64]:
        """Return a column of the table, or draw it."""
        found: NDArray[np.float64] = (
            own[name] if name in own else law.quantile(self._uniforms(name, ids))
        )
        return found

    def _draw_images(
        self, images: ImageLight, ids: NDArray[np.int64], own: Columns
    ) -> NDArray[np.int64]:
        """Return the number of each galaxy's image."""
        if "image" in own:
            found: NDArray[np.int64] = own["image"]
            return found
        if images.once or not ids.size:
            return ids
        return pick(self._uniforms("image", ids), images.stack.count)

    def _draw_redshifts(
        self, ids: NDArray[np.int64], own: Columns
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        u_in, u_out = self._uniforms("z_in", ids), self._uniforms("z_out", ids)
        known: dict[str, NDArray[np.float64] | None] = {}
        for name in ("z_in", "z_out"):
            known[name] = snapped(self.redshift, own[name]) if name in own else None
        chosen = self.recipe.redshifts
        if {"z_in", "z_out", "sed_index"} & own.keys():
            # Beside a column of the table, what the recipe fixes is known as well.
            for name, fixed in (("z_in", chosen.z_in), ("z_out", chosen.z_out)):
                if known[name] is None and fixed is not None:
                    at = on_grid(f"redshifts.{name}", self.redshift, fixed)
                    known[name] = np.full(ids.size, at)
        given = Given(known["z_in"], known["z_out"], own.get("sed_index"))
        z_in, z_out = self._law.draw(given, u_in, u_out)
        low, high = self.redshift[[0, -1]]
        within = f"redshifts z_in and a higher z_out within the grid's {low:g} to "
        within += f"{high:g}"
        cure = "give both, drop the row, or choose a smaller redshifts.min_separation"
        if "sed_index" in own:
            within += ", at which the template is valid and not too old"
            cure = "drop the row, or set templates.ages to all"
        self._refuse(ids, own, np.asarray(~(z_out > z_in)), within, cure)
        return z_in, z_out

    def _draw_templates(
        self,
        ids: NDArray[np.int64],
        own: Columns,
        z_in: NDArray[np.float64],
        z_out: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        cells = cells_of(self.redshift, z_in), cells_of(self.redshift, z_out)
        template = own.get("sed_index")
        if template is None:
            u = self._uniforms("sed_index", ids)
            template = self._templates.draw(*cells, u)
            wrong = template < 0
        else:
            wrong = ~self._templates.usable(*cells, template)
        first = np.argmax(wrong) if wrong.any() else 0
        self._refuse(
            ids,
            own,
            wrong,
            f"a template that is valid at z_in {z_in[first]:g} and z_out "
            f"{z_out[first]:g}"
            if wrong.any()
            else "",
            "give other redshifts, drop the row, or set templates.ages to all",
        )
        return template

    def _refuse(
        self,
        ids: NDArray[np.int64],
        own: Columns,
        wrong: NDArray[np.bool_],
        expected: str,
        cure: str,
    ) -> None:
        """Refuse the first wrong row of the table, of some of its rows."""
        if not wrong.any():
            return
        assert self.table is not None, "what is drawn fits"
        first = np.argmax(wrong)
        told = [name for name in ("sed_index", "z_in", "z_out") if name in own]
        values = ", ".join(f"{name} {own[name][first]:g}" for name in told)
        row = self.table.rows_of(ids[first])[0]
        raise InputError(f"catalogue.{told[0]}, row {row}", values, expected, cure)

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

    def _column_of_brightness(self) -> int:
        """Return the number of the filter that the magnitude is in."""
        choices = self.recipe.brightness
        if choices.law == "stellar_mass" and not self.seds.attrs["per_solar_mass"]:
            raise InputError(
                "brightness.law",
                "stellar_mass",
                "a grid of fluxes per solar mass",
                "use law equal or grid, or read a grid that smpy made",
            )
        names = [str(name) for name in self.seds["filter"].values]
        if choices.law != "equal" or choices.brightness_filter is None:
            distance = np.abs(self.seds["wavelength"].values - _BRIGHTNESS_WAVELENGTH)
            return int(np.argmin(distance))
        if choices.brightness_filter in names:
            return names.index(choices.brightness_filter)
        raise InputError(
            "brightness.brightness_filter",
            choices.brightness_filter,
            "one of the filters of the set",
            f"nearest: {nearest(choices.brightness_filter, names)}",
        )

    def _reference_flux(self) -> NDArray[np.float64] | None:
        """Flux that the magnitude is compared with (template,) [uJy].

        None where there is no magnitude, or it is that at each galaxy's z_in.
        """
        choices = self.recipe.brightness
        if choices.law != "equal" or choices.brightness_redshift == "z_in":
            return None
        redshift = self.redshift[0]
        if choices.brightness_redshift is not None:
            field = "brightness.brightness_redshift"
            redshift = on_grid(field, self.redshift, choices.brightness_redshift)
        column = self._brightness_column
        flux = self.flux[:, :, column : column + 1]
        templates = np.arange(flux.shape[1])
        at = np.full(templates.size, redshift)
        reference = flux_at(flux, self.redshift, at, templates)[:, 0]
        # Linear from a flux down to 0, it would say little of the template.
        cell = int(cells_of(self.redshift, at[:1])[0])
        for end in {cell // 2, (cell + 1) // 2}:
            reference[flux[end, :, 0] <= 0] = 0.0
        return reference

    def _usable(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which templates can be drawn at z_in and at z_out (redshift, template)."""
        valid: NDArray[np.bool_] = self.seds["valid"].values
        usable_in, usable_out = valid.copy(), valid.copy()
        if self.recipe.brightness.law == "equal":
            # A template without light there cannot be brought to a magnitude.
            reference = self._reference
            if reference is None:
                reference = self.flux[:, :, self._brightness_column]
            with np.errstate(invalid="ignore"):
                usable_in &= np.isfinite(reference) & (reference > 0)
        if "age" in self.seds.coords and self.recipe.templates.ages == "physical":
            oldest = age_of_universe(self.seds, self.redshift)
            usable_out &= self.seds["age"].values[None, :] <= oldest[:, None]
        return usable_in, usable_out

    def _draw_brightness(
        self,
        ids: NDArray[np.int64],
        own: Columns,
        flux_in: NDArray[np.float64],
        template: NDArray[np.int64],
    ) -> Columns:
        """Draw the factor on the grid's fluxes, and what it follows from."""
        choices = self.recipe.brightness
        if choices.law == "grid":
            return {"brightness": np.ones(ids.size)}
        if choices.law == "stellar_mass":
            if "stellar_mass" in own:
                mass = own["stellar_mass"]
            else:
                u = self._uniforms("log10_stellar_mass", ids)
                mass = 10.0 ** choices.log10_stellar_mass.quantile(u)
            return {"brightness": mass, "stellar_mass": mass}
        magnitude = self._value("magnitude", choices.magnitude, ids, own)
        if self._reference is None:
            reference = flux_in[:, self._brightness_column]
        else:
            reference = self._reference[template]
        return {"brightness": ab_flux(magnitude) / reference, "magnitude": magnitude}
