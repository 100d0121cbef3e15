"""How large each galaxy looks at its two redshifts."""

from __future__ import annotations

import numpy as np
import scipy
import xarray as xr
from numpy.typing import NDArray

from argdask.angular_size import size_ratio
from argdask.errors import InputError
from argdask.recipe import SMALLEST_RADIUS, ImageProfile, Recipe
from argdask.recipe_profiles import by_place
from argdask.seds import cosmology

__all__ = ["Sizes", "least_radius", "sizes_of"]

# Of the table of distances, over the grid's range: interpolated in z they are those of
# the cosmology to 1e-9.
_NODES = 2048


class Sizes:
    """Ratios of angles at any redshift of a grid to those at the reference redshift.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid, whose cosmology it is.
    """

    def __init__(self, recipe: Recipe, seds: xr.DataArray) -> None:
        redshift: NDArray[np.float64] = seds["redshift"].values
        given = recipe.reference_redshift
        self.at_input = given == "z_in"
        """Whether sizes are given at each galaxy's z_in."""
        lowest = float(redshift[0])
        self.reference_redshift = given if isinstance(given, float) else lowest
        """Redshift at which sizes are given, where it is one for all."""
        self._exponent = recipe.size_evolution
        self._pixel_scale = recipe.pixel_scale
        self._redshift = redshift
        low = min(self.reference_redshift, redshift[0])
        if isinstance(recipe.profile, ImageProfile):
            low = 0.0  # images may be of any lower redshift
        high = max(self.reference_redshift, redshift[-1])
        # A grid of one redshift needs two nodes as well.
        nodes = np.geomspace(1 + low, (1 + high) * (1 + 1e-6), _NODES) - 1
        known = cosmology(seds).angular_diameter_distance(nodes).to_value("Mpc")
        self._distance = scipy.interpolate.CubicSpline(nodes, known)

    def ratio(
        self,
        redshift: NDArray[np.float64],
        reference: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the angle of a galaxy over that at the reference redshift.

        Parameters
        ----------
        redshift
            Redshifts of galaxies (galaxy,).
        reference
            Those at which their sizes are known (galaxy,); left out: the reference
            redshift.

        Returns
        -------
        ndarray
            Ratios (galaxy,): of angular diameter distances, times the evolution of
            physical sizes.
        """
        known = np.float64(self.reference_redshift) if reference is None else reference
        return size_ratio(
            self._distance(redshift),
            self._distance(known),
            redshift,
            known,
            self._exponent,
        )

    def seen(
        self, redshift: NDArray[np.float64], z_in: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the angle of a galaxy over that at which its size is given.

        Parameters
        ----------
        redshift
            At which it is seen (galaxy,).
        z_in
            Its redshift in the input (galaxy,).

        Returns
        -------
        ndarray
            Ratios (galaxy,); 1 exactly at z_in where sizes are given there.
        """
        return self.ratio(redshift, z_in if self.at_input else None)

    @property
    def extremes(self) -> tuple[float, float]:
        """The least and the greatest ratio at redshifts of the grid."""
        low, high = map(float, self._redshift[[0, -1]])
        if self.at_input:
            return self.between((low, high), (low, high))
        ratios = self.ratio(np.geomspace(1 + low, 1 + high, _NODES) - 1)
        return float(ratios.min()), float(ratios.max())

    def between(
        self, z_in: tuple[float, float], z_out: tuple[float, float]
    ) -> tuple[float, float]:
        """Return the least and the greatest angle at z_out over that at z_in.

        Parameters
        ----------
        z_in, z_out
            The ends of each, between which any two may be a pair.

        Returns
        -------
        tuple of float
            Of 2048 redshifts of each, to 1e-3.
        """
        first, second = (
            np.geomspace(1 + a, 1 + b, _NODES) - 1 for a, b in (z_in, z_out)
        )
        known = first[:1]
        nearer, farther = self.ratio(first, known), self.ratio(second, known)
        # Of all z_in up to each z_out only the extreme ones count.
        below = np.searchsorted(first, second, side="right") - 1
        farther, below = farther[below >= 0], below[below >= 0]
        least = farther / np.maximum.accumulate(nearer)[below]
        return float(least.min()), float(
            (farther / np.minimum.accumulate(nearer)[below]).max()
        )

    @property
    def least_radius(self) -> float:
        """The least half-light radius that is accurate at all redshifts [arcsec]."""
        return SMALLEST_RADIUS * self._pixel_scale / self.extremes[0]


def least_radius(recipe: Recipe, seds: xr.DataArray) -> float:
    """Return the least half-light radius that is accurate wherever it is seen.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid.

    Returns
    -------
    float
        At the reference redshift [arcsec].
    """
    if not recipe.angular_size:
        return SMALLEST_RADIUS * recipe.pixel_scale
    return Sizes(recipe, seds).least_radius


def sizes_of(recipe: Recipe, seds: xr.DataArray) -> Sizes | None:
    """Return what sizes follow from, and refuse those that would be too small.

    Parameters
    ----------
    recipe
        The choices.
    seds
        The SED grid.

    Returns
    -------
    Sizes or None
        None where galaxies have one size at all redshifts.

    Raises
    ------
    InputError
        If a galaxy may have less than the least radius at some redshift.
    """
    if not recipe.angular_size:
        return None
    sizes = Sizes(recipe, seds)
    least = sizes.least_radius
    for place, one in by_place(recipe.profile).items():
        law = one.parameters.get("half_light_radius")
        if law is not None and law.support()[0] < least * (1 - 1e-9):
            raise InputError(
                f"{place}.half_light_radius",
                f"{law.support()[0]:g} arcsec",
                f"at least {least:g}, so that it has {SMALLEST_RADIUS:g} pixels at "
                "every redshift",
                "set its minimum, or a smaller pixel_scale",
            )
    return sizes
