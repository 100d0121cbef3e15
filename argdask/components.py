"""Components of galaxies: how much light each has, its template and its profile."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.brightness import Columns, Rows
from argdask.errors import InputError
from argdask.recipe import ComponentsProfile
from argdask.schema import flat_name
from argdask.template_lists import Masks, Reach, TemplateLists

__all__ = ["ComponentTemplates", "draw_fractions", "draw_profiles"]

Floats = NDArray[np.float64]


class ComponentTemplates:
    """The templates that each component of a galaxy can have.

    Parameters
    ----------
    every
        Which any component can have.
    profile
        The components.
    seds
        The checked SED grid.

    Raises
    ------
    InputError
        If a component may only have templates of ages that the grid does not have.
    """

    def __init__(
        self, every: TemplateLists, profile: ComponentsProfile, seds: xr.DataArray
    ) -> None:
        self.count, self.cure, self.usable = every.count, every.cure, every.usable
        self._of = {}
        for name in profile.components:
            allowed = _allowed(name, profile, seds)
            self._of[name] = every if allowed.all() else every.among(allowed)

    def possible(self, z_in: Floats, z_out: Floats) -> Masks:
        """Return whether there is a template for each component (pair,)."""
        found = [lists.possible(z_in, z_out) for lists in self._of.values()]
        both: Masks = np.logical_and.reduce(found)
        return both

    def throughout(self, z_in: Reach, z_out: Reach, separation: float) -> Masks:
        """Return for which cells all pairs have one for each component."""
        lists = self._of.values()
        found = [one.throughout(z_in, z_out, separation) for one in lists]
        both: Masks = np.logical_and.reduce(found)
        return both

    def draw_each(self, rows: Rows, z_in: Floats, z_out: Floats) -> NDArray[np.int64]:
        """Return the template of each component, drawn unless a table says it.

        Parameters
        ----------
        rows
            The galaxies.
        z_in, z_out
            Their redshifts (galaxy,).

        Returns
        -------
        ndarray
            Numbers of templates (galaxy, component); -1 where there is none, or the
            table's is not usable.
        """
        found = np.empty((rows.ids.size, len(self._of)), np.int64)
        for k, (name, lists) in enumerate(self._of.items()):
            given = rows.own.get(flat_name(name, "sed_index"))
            if given is None:
                u = rows.uniforms(f"{name}.sed_index")
                found[:, k] = lists.draw(z_in, z_out, u)
            else:
                usable = self.usable(z_in, z_out, given)
                found[:, k] = np.where(usable, given, -1)
        return found


def _allowed(name: str, profile: ComponentsProfile, seds: xr.DataArray) -> Masks:
    """Return which templates have an age that a component may have (template,)."""
    one = profile.components[name]
    known = "age" in seds.coords
    low, high = profile.ages(name, known=known)
    every: Masks = np.ones(seds.sizes["template"], bool)
    if (low, high) == (0.0, np.inf):
        return every
    key = "maximum_age" if one.minimum_age is None else "minimum_age"
    field = f"profile.components.{name}.{key}"
    if not known:
        raise InputError(
            field,
            getattr(one, key),
            "an SED grid that knows the ages of its templates",
            "leave it out, or use a grid with ages, as smpy makes them",
        )
    ages = seds["age"].values
    allowed: Masks = (ages >= low) & (ages <= high)
    if allowed.any():
        return allowed
    if one.minimum_age is None and one.maximum_age is None:
        return every  # what is usual is no wish
    raise InputError(
        field,
        getattr(one, key),
        f"a template of {low:g} to {high:g} {seds['age'].attrs['units']}",
        f"those of the grid are of {ages.min():g} to {ages.max():g}",
    )


def draw_fractions(profile: ComponentsProfile, rows: Rows) -> Floats:
    """Return the fraction of the light of each component.

    Parameters
    ----------
    profile
        The components.
    rows
        The galaxies.

    Returns
    -------
    ndarray
        Fractions (galaxy, component), 0 to 1; those without a law or a column share
        what the others leave.
    """
    names = list(profile.components)
    fraction = np.zeros((rows.ids.size, len(names)))
    laws = profile.fractions
    rest, open_ones = np.ones(rows.ids.size), []
    for k, name in enumerate(names):
        column = flat_name(name, "light_fraction")
        if name in laws:
            stream = f"{name}.light_fraction"
            fraction[:, k] = rows.value(column, laws[name], stream)
        elif column in rows.own:
            fraction[:, k] = rows.own[column]
        else:
            open_ones.append(k)
        rest -= fraction[:, k]
    fraction[:, open_ones] = (rest.clip(min=0.0) / len(open_ones))[:, None]
    return fraction


def draw_profiles(profile: ComponentsProfile, rows: Rows) -> Columns:
    """Return the columns of the components' profiles.

    Parameters
    ----------
    profile
        The components.
    rows
        The galaxies.

    Returns
    -------
    dict
        Columns (galaxy, component) by name. A table's column for one component goes
        before its law, and that before what components share.
    """
    shared = {name: rows.value(name, law) for name, law in profile.parameters.items()}
    found: dict[str, NDArray[Any]] = {}
    for name in profile.columns:
        found[name] = np.empty((rows.ids.size, len(profile.components)))
        for k, (component, one) in enumerate(profile.components.items()):
            column = flat_name(component, name)
            if column in rows.own:
                found[name][:, k] = rows.own[column]
            elif name in one.parameters:
                law = one.parameters[name]
                found[name][:, k] = rows.value(column, law, f"{component}.{name}")
            else:
                found[name][:, k] = shared[name]
    return found
