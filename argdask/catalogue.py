"""Parameters, SED index, redshift pair and brightness of each galaxy, by its id."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from argdask.brightness import BrightnessLaw, Columns, Rows
from argdask.components import ComponentTemplates, draw_fractions, draw_profiles
from argdask.errors import InputError
from argdask.evolution import Evolution, EvolvingLists
from argdask.image_light import ImageLight
from argdask.image_sizes import ImageSizes, check_known, check_redshifts
from argdask.image_stamps import ImageStamps
from argdask.interpolation import flux_at
from argdask.recipe import ComponentsProfile, Recipe
from argdask.recipe_tables import check_images, fitted_table
from argdask.redshift_pairs import on_grid, pair_law
from argdask.redshift_rows import Given, RowLaw, snapped
from argdask.sampling import pick
from argdask.schema import COMPONENT, ENDS, flat_name
from argdask.seds import age_of_universe, check_seds, select_filters
from argdask.sizes import sizes_of
from argdask.tables import UserTable
from argdask.template_lists import TemplateLists

__all__ = ["Catalogue", "Columns"]

# Rows of a table that are checked at once.
_BATCH = 1 << 16


class Catalogue:
    """All that a recipe and an SED grid say about any galaxy, without an image.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid (redshift, filter, template), in the unit of its attribute `units`,
        in uJy where it has none.
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
        if isinstance(recipe.reference_redshift, float):
            on_grid("reference_redshift", self.redshift, recipe.reference_redshift)
        # Galaxies gather rows of filters from here.
        by_template = self.seds.transpose("redshift", "template", "filter")
        self.flux: NDArray[np.float64] = np.ascontiguousarray(by_template.values)
        self._brightness = BrightnessLaw(recipe, self.seds, self.flux)
        passive = recipe.templates.evolution == "passive"
        self._evolution = Evolution(self.seds) if passive else None
        self._templates = self._template_lists()
        self._sizes = sizes_of(recipe, self.seds)
        if table is not None:
            table = fitted_table(table, recipe, self.seds, images)
        self.table = table
        self.image_sizes: ImageSizes | None = None
        """Sizes of a user's images, if there are any."""
        self.stamps: ImageStamps | None = None
        """The images in the pixels of the recipe."""
        if images is not None:
            check_known(recipe, table)
            self.image_sizes = ImageSizes(recipe, images, self._sizes)
            self.stamps = ImageStamps(recipe, images)
        law = pair_law(recipe.redshifts, self.redshift, self._templates)
        self._law = RowLaw(recipe.redshifts, self.redshift, self._templates, law)

    @property
    def components(self) -> tuple[str, ...]:
        """The names of components, of which there are none where a galaxy is one."""
        profile = self.recipe.profile
        if isinstance(profile, ComponentsProfile):
            return tuple(profile.components)
        return ()

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
        rows = Rows(self.recipe.seed, galaxy_id, own)
        z_in, z_out = self._draw_redshifts(rows)
        columns: Columns = {"galaxy_id": galaxy_id}
        if "group" in own:
            columns["group"] = own["group"]
        if self.images is not None:
            image = self._draw_images(self.images, rows)
            # Galaxies of one image must stay together, or a split would leak.
            columns.setdefault("group", image)
            columns["image"] = image
            columns["invalid_pixels"] = self.images.invalid_pixels(image)
            assert self.image_sizes is not None, "there are images"
            known = own.get("image_redshift")
            columns |= self.image_sizes.columns(z_in, z_out, known)
        columns["z_in"], columns["z_out"] = z_in, z_out
        return self._with_sizes(columns | self._of_galaxies(rows, z_in, z_out))

    def image_columns(self, ids: NDArray[np.int64]) -> Columns:
        """Return how large a user's images are, without a look at any.

        Parameters
        ----------
        ids
            Galaxy ids (galaxy,).

        Returns
        -------
        dict
            What `argdask.image_sizes.ImageSizes.sizes` gives.
        """
        assert self.image_sizes is not None, "profiles have no images"
        own = {} if self.table is None else self.table.columns(ids)
        redshifts = self._draw_redshifts(Rows(self.recipe.seed, ids, own))
        return dict(self.image_sizes.sizes(*redshifts, own.get("image_redshift")))

    @property
    def reach(self) -> dict[str, tuple[float, float]]:
        """The ends of the redshifts that can be drawn, by the name of the image."""
        return dict(zip(ENDS, self._law.reach, strict=True))

    def _of_galaxies(
        self, rows: Rows, z_in: NDArray[np.float64], z_out: NDArray[np.float64]
    ) -> Columns:
        """Return the columns of galaxies from their templates on."""
        profile = self.recipe.profile
        if isinstance(profile, ComponentsProfile):
            return self._of_components(profile, rows, z_in, z_out)
        template = self._draw_templates(rows, z_in, z_out)
        columns: Columns = {"sed_index": template.astype(np.int32)}
        flux_in = flux_at(self.flux, self.redshift, z_in, template)
        flux_out, past = self._seen_at(z_in, z_out, template)
        columns |= past
        columns.update(self._brightness.draw(rows, flux_in, template))
        for name, law in profile.parameters.items():
            columns[name] = rows.value(name, law)
        brightness = columns["brightness"][:, None]
        columns["flux_in"] = brightness * flux_in
        columns["flux_out"] = brightness * flux_out
        return columns

    def _of_components(
        self,
        profile: ComponentsProfile,
        rows: Rows,
        z_in: NDArray[np.float64],
        z_out: NDArray[np.float64],
    ) -> Columns:
        """Return the columns of galaxies of components from their templates on."""
        template = self._draw_templates(rows, z_in, z_out)
        fraction = draw_fractions(profile, rows)
        brightest = fraction.argmax(axis=1)
        each_in = [flux_at(self.flux, self.redshift, z_in, one) for one in template.T]
        each_out, pasts = zip(
            *(self._seen_at(z_in, z_out, one) for one in template.T), strict=True
        )
        flux = {
            "flux_in": np.stack(each_in, axis=1),
            "flux_out": np.stack(each_out, axis=1),
        }
        columns: Columns = {
            "sed_index": template[np.arange(brightest.size), brightest].astype(np.int32)
        }
        if "bulge" in profile.components:
            bulge = list(profile.components).index("bulge")
            columns["bulge_to_total"] = fraction[:, bulge]
        columns["light_fraction"] = fraction
        columns[f"{COMPONENT}_sed_index"] = template.astype(np.int32)
        for name in pasts[0]:
            columns[name] = np.stack([past[name] for past in pasts], axis=1)
        drawn = self._brightness.divide(rows, fraction, flux["flux_in"], template)
        columns |= drawn | draw_profiles(profile, rows)
        for end, values in flux.items():
            values *= columns["brightness"][:, :, None]
            # One component after the other: no row depends on the others.
            columns[end] = sum(values.swapaxes(0, 1)[1:], start=values[:, 0])
        columns |= {f"{COMPONENT}_{end}": values for end, values in flux.items()}
        return columns

    def _with_sizes(self, columns: Columns) -> Columns:
        """Add the sizes that galaxies have at their redshifts, where they change."""
        if self._sizes is None or "half_light_radius" not in columns:
            return columns
        radius = columns["half_light_radius"]
        for end in ENDS.values():
            ratio = self._sizes.seen(columns[f"z_{end}"], columns["z_in"])
            ratio = ratio.reshape(-1, *[1] * (radius.ndim - 1))
            columns[f"half_light_radius_{end}"] = radius * ratio
        return columns

    def _seen_at(
        self,
        z_in: NDArray[np.float64],
        z_out: NDArray[np.float64],
        template: NDArray[np.int64],
    ) -> tuple[NDArray[np.float64], Columns]:
        """Return fluxes at z_out (galaxy, filter), and what templates were then."""
        if self._evolution is None:
            return flux_at(self.flux, self.redshift, z_out, template), {}
        elapsed = self._evolution.elapsed(z_in, z_out)
        found = self._evolution.find(template, elapsed)
        past = {"age_out": found.age, "surviving_mass_ratio": found.mass}
        return self._evolution.flux(self.flux, z_out, found), past

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
            if self.recipe.angular_size:
                lowest = self._law.reach[0][0], float(self.redshift[0])
                check_redshifts(self.recipe, self.table, lowest)
        if self.table is None:
            return
        told = {"z_in", "z_out", *self._template_columns}
        if not told & {*self.table.names}:
            return
        for start in range(0, len(self.table), _BATCH):
            ids = self.table.galaxy_id[start : start + _BATCH]
            rows = Rows(self.recipe.seed, ids, self.table.columns(ids))
            self._draw_templates(rows, *self._draw_redshifts(rows))

    @property
    def _template_columns(self) -> list[str]:
        """The columns in which a table gives templates."""
        names = [flat_name(one, "sed_index") for one in self.components]
        return names or ["sed_index"]

    def _draw_images(self, images: ImageLight, rows: Rows) -> NDArray[np.int64]:
        """Return the number of each galaxy's image."""
        if "image" in rows.own:
            found: NDArray[np.int64] = rows.own["image"]
            return found
        if images.once or not rows.ids.size:
            return rows.ids
        return pick(rows.uniforms("image"), images.stack.count)

    def _draw_redshifts(
        self, rows: Rows
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        u_in, u_out = rows.uniforms("z_in"), rows.uniforms("z_out")
        known: dict[str, NDArray[np.float64] | None] = {}
        for name in ("z_in", "z_out"):
            values = rows.own.get(name)
            known[name] = None if values is None else snapped(self.redshift, values)
        chosen = self.recipe.redshifts
        told = [name for name in self._template_columns if name in rows.own]
        if {"z_in", "z_out"} & rows.own.keys() or told:
            # Beside a column of the table, what the recipe fixes is known as well.
            for name, fixed in (("z_in", chosen.z_in), ("z_out", chosen.z_out)):
                if known[name] is None and fixed is not None:
                    at = on_grid(f"redshifts.{name}", self.redshift, fixed)
                    known[name] = np.full(rows.ids.size, at)
        templates = [rows.own[name] for name in told]
        given = Given(
            known["z_in"],
            known["z_out"],
            np.stack(templates, axis=1) if templates else None,
        )
        z_in, z_out = self._law.draw(given, u_in, u_out)
        low, high = self.redshift[[0, -1]]
        within = f"redshifts z_in and a higher z_out within the grid's {low:g} to "
        within += f"{high:g}"
        cure = "give both, drop the row, or choose a smaller redshifts.min_separation"
        if told:
            within += ", at which the template is valid and not too old"
            if self._evolution is not None:
                within += " and has a progenitor"
            cure = f"drop the row, or {self._templates.cure}"
        self._refuse(rows, np.asarray(~(z_out > z_in)), within, cure)
        return z_in, z_out

    def _draw_templates(
        self,
        rows: Rows,
        z_in: NDArray[np.float64],
        z_out: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Return the template of each galaxy, or of each component (..., component)."""
        if isinstance(self._templates, ComponentTemplates):
            template = self._templates.draw_each(rows, z_in, z_out)
            wrong = np.asarray((template < 0).any(axis=1))
        elif "sed_index" in rows.own:
            template = rows.own["sed_index"]
            wrong = ~self._templates.usable(z_in, z_out, template)
        else:
            template = self._templates.draw(z_in, z_out, rows.uniforms("sed_index"))
            wrong = template < 0
        if wrong.any():
            first = np.argmax(wrong)
            expected = "a template that is valid at "
            if self._evolution is not None:
                expected = "a template that has a progenitor and is valid at "
            expected += f"z_in {z_in[first]:g} and z_out {z_out[first]:g}"
            cure = f"give other redshifts, drop the row, or {self._templates.cure}"
            self._refuse(rows, wrong, expected, cure)
        return template

    def _refuse(
        self, rows: Rows, wrong: NDArray[np.bool_], expected: str, cure: str
    ) -> None:
        """Refuse the first wrong row of the table, of some of its rows."""
        if not wrong.any():
            return
        assert self.table is not None, "what is drawn fits"
        first = np.argmax(wrong)
        names = (*self._template_columns, "z_in", "z_out")
        told = [name for name in names if name in rows.own]
        values = ", ".join(f"{name} {rows.own[name][first]:g}" for name in told)
        row = self.table.rows_of(rows.ids[first])[0]
        raise InputError(f"catalogue.{told[0]}, row {row}", values, expected, cure)

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

    def _template_lists(self) -> TemplateLists | ComponentTemplates:
        """Which templates can be drawn at z_in and at z_out (redshift, template)."""
        valid: NDArray[np.bool_] = self.seds["valid"].values
        usable_in = valid & self._brightness.usable()
        young = np.ones_like(valid)
        if "age" in self.seds.coords and self.recipe.templates.ages == "physical":
            oldest = age_of_universe(self.seds, self.redshift)
            young = self.seds["age"].values[None, :] <= oldest[:, None]
        profile = self.recipe.profile
        lists = TemplateLists(self.redshift, usable_in, valid & young)
        if self._evolution is not None:
            # What is not too old at z_in was not before.
            lists = EvolvingLists(self._evolution, usable_in & young)
        if isinstance(profile, ComponentsProfile):
            return ComponentTemplates(lists, profile, self.seds)
        return lists
