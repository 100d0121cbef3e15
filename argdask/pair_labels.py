"""What pairs are labelled with: names, units, templates, and where they are from."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.catalogue import Columns
from argdask.rounding import rounding_attributes
from argdask.schema import COMPONENT, IMAGE_DIMS, VARIABLES, described
from argdask.simulation import PIXELS_VERSION, Simulation

__all__ = ["attributes_of", "dataset_of", "template_parameters"]


def dataset_of(
    simulation: Simulation, columns: Columns, images: dict[str, Any]
) -> xr.Dataset:
    """Label columns and images.

    Parameters
    ----------
    simulation
        What they were made by.
    columns
        The catalogue's columns, by name.
    images
        Images (galaxy, y, x, filter), in memory or lazy, by name.

    Returns
    -------
    Dataset
        Both, with units and the recipe.
    """
    seds = simulation.catalogue.seds
    # Strings of any length are what a store has; those of numpy have no Zarr 3 type.
    names = seds["filter"].values.astype(np.dtypes.StringDType())
    coordinates: dict[str, Any] = {"filter": ("filter", names)}
    if simulation.catalogue.components:
        parts = np.array(simulation.catalogue.components, np.dtypes.StringDType())
        coordinates[COMPONENT] = (COMPONENT, parts)
    every = {**columns, **simulation.of_filters}
    for name, variable in described(every).items():
        coordinates[name] = (variable.dims, every[name], variable.attrs)
    for name, (values, attrs) in template_parameters(seds).items():
        coordinates[name] = ("galaxy", values[columns["sed_index"]], attrs)
    rounded = rounding_attributes(simulation.recipe.layout.keep_bits)
    data = {
        name: (VARIABLES[name].dims, values, VARIABLES[name].attrs | rounded)
        for name, values in images.items()
    }
    return xr.Dataset(data, coordinates, attributes_of(simulation))


def template_parameters(
    seds: xr.DataArray,
) -> dict[str, tuple[NDArray[Any], dict[Any, Any]]]:
    """Return what a grid knows of its templates, to be looked up for each galaxy.

    Parameters
    ----------
    seds
        The SED grid.

    Returns
    -------
    dict
        Values (template,) and attributes by name; names that a dataset has for
        something else are left out.
    """
    found = {}
    taken = {*VARIABLES, *IMAGE_DIMS, COMPONENT}
    # In one order, whatever order a folder is listed in.
    for name, coordinate in sorted(seds.coords.items(), key=lambda item: str(item[0])):
        if coordinate.dims == ("template",) and str(name) not in taken:
            values = coordinate.values
            if values.dtype.kind in "OU":
                values = values.astype(np.dtypes.StringDType())
            found[str(name)] = values, dict(coordinate.attrs)
    return found


def attributes_of(simulation: Simulation) -> dict[str, str | float | int]:
    """Return what a dataset says of itself.

    Parameters
    ----------
    simulation
        What the dataset is made by.

    Returns
    -------
    dict
        Text and numbers only, which any format can hold.
    """
    seds = simulation.catalogue.seds
    return {
        "title": "Pairs of image cubes of galaxies as seen at two redshifts",
        "source": f"argdask {metadata.version('argdask')}",
        "scale": simulation.scale,
        "recipe": simulation.recipe.model_dump_json(),
        "pixels_version": PIXELS_VERSION,
        "seds_source": seds.attrs["source"],
        "cosmology": seds.attrs["cosmology"],
    }
