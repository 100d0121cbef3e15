"""How bright galaxies are: the factors on the fluxes of their templates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError, nearest
from argdask.interpolation import flux_at
from argdask.photometry import ab_flux
from argdask.recipe import ComponentsProfile, Recipe
from argdask.redshift_pairs import on_grid
from argdask.sampling import Distribution, uniforms
from argdask.template_lists import cells_of

__all__ = ["BrightnessLaw", "Columns", "Rows", "default_filter"]

Columns = dict[str, NDArray[Any]]
"""Columns by name: (galaxy,), and where there is more of it than one, (galaxy, ...)."""

Floats = NDArray[np.float64]

# Where the brightness filter is not named, the one nearest to this is taken [Angstrom].
_BRIGHTNESS_WAVELENGTH = 8500.0


@dataclass(frozen=True)
class Rows:
    """Galaxies of which something is to be drawn."""

    seed: int
    """The recipe's."""
    ids: NDArray[np.int64]
    """Their ids (galaxy,)."""
    own: Columns
    """What a user's table says of them (galaxy,)."""

    def uniforms(self, stream: str) -> Floats:
        """Return numbers strictly between 0 and 1 (galaxy,), of the ids alone."""
        return uniforms(self.seed, stream, self.ids)

    def value(self, name: str, law: Distribution, stream: str | None = None) -> Floats:
        """Return a column of the table (galaxy,), or draw it from a stream."""
        if name in self.own:
            found: Floats = self.own[name]
            return found
        return law.quantile(self.uniforms(stream or name))


def default_filter(seds: xr.DataArray) -> str:
    """Return the filter that magnitudes are in where the recipe names none.

    Parameters
    ----------
    seds
        The SED grid, with the filters of the set alone.

    Returns
    -------
    str
        The one nearest to 8500 Angstrom.
    """
    distance = np.abs(seds["wavelength"].values - _BRIGHTNESS_WAVELENGTH)
    return str(seds["filter"].values[np.argmin(distance)])


class BrightnessLaw:
    """What a recipe says of brightness, on the fluxes of an SED grid.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The checked SED grid (redshift, filter, template) [uJy].
    flux
        Its fluxes (redshift, template, filter).

    Raises
    ------
    InputError
        If the recipe asks for what the grid does not have.
    """

    def __init__(self, recipe: Recipe, seds: xr.DataArray, flux: Floats) -> None:
        self._choices = recipe.brightness
        # Light fractions are compared in the same filter, at the same redshift.
        in_components = isinstance(recipe.profile, ComponentsProfile)
        self._compares = in_components or self._choices.law == "equal"
        self._column = self._column_of(seds)
        self._flux, self._redshift = flux, seds["redshift"].values
        self._reference = self._reference_flux()

    def usable(self) -> NDArray[np.bool_]:
        """Return which templates can be as bright as is asked (redshift, template)."""
        every = np.ones(self._flux.shape[:2], bool)
        if not self._compares:
            return every
        # A template without light there cannot be brought to a magnitude.
        reference = self._reference
        if reference is None:
            reference = self._flux[:, :, self._column]
        with np.errstate(invalid="ignore"):
            every &= np.isfinite(reference) & (reference > 0)
        return every

    def draw(self, rows: Rows, flux_in: Floats, template: NDArray[np.int64]) -> Columns:
        """Draw the factor on the grid's fluxes, and what it follows from.

        Parameters
        ----------
        rows
            The galaxies.
        flux_in
            Fluxes of their templates at z_in (galaxy, filter).
        template
            Numbers of their templates (galaxy,).

        Returns
        -------
        dict
            `brightness` and, by the law, `magnitude` or `stellar_mass` (galaxy,).
        """
        amount = self._draw_amount(rows)
        if self._choices.law == "grid":
            return {"brightness": np.ones(rows.ids.size)}
        if self._choices.law == "stellar_mass":
            return {"brightness": amount["stellar_mass"], **amount}
        reference = self._reference_of(flux_in, template)
        return {"brightness": ab_flux(amount["magnitude"]) / reference, **amount}

    def divide(
        self,
        rows: Rows,
        fraction: Floats,
        flux_in: Floats,
        template: NDArray[np.int64],
    ) -> Columns:
        """Draw what a galaxy has and divide it among its components.

        Parameters
        ----------
        rows
            The galaxies.
        fraction
            Light fractions of the components (galaxy, component), which add up to 1.
        flux_in
            Fluxes of their templates at z_in (galaxy, component, filter).
        template
            Numbers of their templates (galaxy, component).

        Returns
        -------
        dict
            `brightness` (galaxy, component), such that the light fractions hold in the
            brightness filter at the brightness redshift and the components together
            have the galaxy's magnitude (law equal), its stellar mass (law
            stellar_mass), or one unit of templates (law grid: what a galaxy without
            components has); `magnitude` or `stellar_mass` (galaxy,).
        """
        amount = self._draw_amount(rows)
        reference = np.empty(fraction.shape)
        for k in range(fraction.shape[1]):
            reference[:, k] = self._reference_of(flux_in[:, k], template[:, k])
        if self._choices.law == "equal":
            whole = ab_flux(amount["magnitude"])[:, None] / reference
            return {"brightness": fraction * whole, **amount}
        # A galaxy of light L has L fraction / reference of each template: L is such
        # that these add up. One by one, so that no row depends on the others.
        parts = fraction / reference
        together = sum(parts.T[1:], start=parts[:, 0])
        shares = parts / together[:, None]
        if self._choices.law == "grid":
            return {"brightness": shares}
        return {"brightness": shares * amount["stellar_mass"][:, None], **amount}

    def _draw_amount(self, rows: Rows) -> Columns:
        choices = self._choices
        if choices.law == "grid":
            return {}
        if choices.law == "equal":
            return {"magnitude": rows.value("magnitude", choices.magnitude)}
        if "stellar_mass" in rows.own:
            return {"stellar_mass": rows.own["stellar_mass"]}
        u = rows.uniforms("log10_stellar_mass")
        return {"stellar_mass": 10.0 ** choices.log10_stellar_mass.quantile(u)}

    def _reference_of(self, flux_in: Floats, template: NDArray[np.int64]) -> Floats:
        """Return the flux that the magnitude is compared with (galaxy,)."""
        if self._reference is None:
            return flux_in[:, self._column]
        return self._reference[template]

    def _column_of(self, seds: xr.DataArray) -> int:
        """Return the number of the filter that the magnitude is in."""
        choices = self._choices
        if choices.law == "stellar_mass" and not seds.attrs["per_solar_mass"]:
            raise InputError(
                "brightness.law",
                "stellar_mass",
                "a grid of fluxes per solar mass",
                "use law equal or grid, or read a grid that smpy made",
            )
        names = [str(name) for name in seds["filter"].values]
        if not self._compares or choices.brightness_filter is None:
            return names.index(default_filter(seds))
        if choices.brightness_filter in names:
            return names.index(choices.brightness_filter)
        raise InputError(
            "brightness.brightness_filter",
            choices.brightness_filter,
            "one of the filters of the set",
            f"nearest: {nearest(choices.brightness_filter, names)}",
        )

    def _reference_flux(self) -> Floats | None:
        """Flux that the magnitude is compared with (template,) [uJy].

        None where there is nothing to compare, or it is that at each galaxy's z_in.
        """
        choices = self._choices
        if not self._compares or choices.brightness_redshift == "z_in":
            return None
        redshift = self._redshift[0]
        if choices.brightness_redshift is not None:
            field = "brightness.brightness_redshift"
            redshift = on_grid(field, self._redshift, choices.brightness_redshift)
        flux = self._flux[:, :, self._column : self._column + 1]
        templates = np.arange(flux.shape[1])
        at = np.full(templates.size, redshift)
        reference = flux_at(flux, self._redshift, at, templates)[:, 0]
        # Linear from a flux down to 0, it would say little of the template.
        cell = int(cells_of(self._redshift, at[:1])[0])
        for end in {cell // 2, (cell + 1) // 2}:
            reference[flux[end, :, 0] <= 0] = 0.0
        return reference
