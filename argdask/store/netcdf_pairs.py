"""Training pairs in a netCDF file, after the Climate and Forecast conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from argdask.schema import IMAGE_DIMS, IMAGES
from argdask.store.netcdf_files import define, set_attributes, write_variables

__all__ = ["define_pairs", "write_seds"]

# Galaxies in a compressed chunk of a truth column, where there are that many.
_COLUMN_CHUNK = 2**16


def define_pairs(
    file: Any,
    variables: Mapping[str, xr.Variable],
    chunk: int,
    *,
    compressed: bool = False,
) -> None:
    """Describe images and truth columns of a file; their values come later.

    Parameters
    ----------
    file
        The file.
    variables
        Images, truth columns and axes by name; no value is looked at.
    chunk
        Galaxies in a chunk of an image.
    compressed
        Whether truth columns are compressed. Images are not: most of them are noise.

    Notes
    -----
    Floating-point numbers of galaxies have NaN for no value; whole numbers and axes
    have a value everywhere. The coordinates that belong to each value of an image are
    in its attribute `coordinates`, and all of them in that of the file, where xarray
    looks for the others.
    """
    listed = [n for n, v in variables.items() if n not in IMAGES and v.dims != (n,)]
    fitting = [n for n in listed if set(variables[n].dims) <= set(IMAGE_DIMS)]
    set_attributes(file, {"coordinates": " ".join(listed)})
    for name, variable in variables.items():
        of_galaxies = "galaxy" in variable.dims
        image = name in IMAGES
        text = variable.dtype.kind == "T"
        pressed = compressed and of_galaxies and not image and not text
        rows = chunk if image else _COLUMN_CHUNK
        described = variable
        if image:
            attributes = {**variable.attrs, "coordinates": " ".join(fitting)}
            described = variable.copy(deep=False)
            described.attrs = attributes
        define(
            file,
            name,
            described,
            chunks=(min(rows, len(variable)), *variable.shape[1:])
            if image or pressed
            else None,
            compressed=pressed,
            fill_value=float("nan")
            if of_galaxies and variable.dtype.kind == "f"
            else None,
        )


def write_seds(group: Any, seds: xr.DataArray) -> None:
    """Write an SED grid.

    Parameters
    ----------
    group
        The file, or a group of it.
    seds
        The grid (redshift, filter, template) [uJy].

    Raises
    ------
    InputError
        If netCDF has no such type or name as one of its coordinates.
    """
    names = sorted(str(n) for n, v in seds.coords.items() if v.dims != (n,))
    flux = seds.variable.copy(deep=False)
    flux.attrs = {**flux.attrs, "coordinates": " ".join(names)}
    coordinates = {str(name): one for name, one in seds.coords.variables.items()}
    write_variables(group, {"flux": flux, **coordinates})
