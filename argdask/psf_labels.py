"""PSFs as a store carries them: as its pixels show them, and the images brought."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from argdask.observing import convolution_of
from argdask.psf import PSFImage
from argdask.schema import ENDS
from argdask.simulation import Simulation

__all__ = ["has_psfs", "labelled_psfs", "psfs_in"]

_BROUGHT = "psf_image"


def has_psfs(simulation: Simulation) -> bool:
    """Return whether there is any PSF to be labelled."""
    seen = simulation.telescopes.values()
    return bool(simulation.psfs) or any(one.psfs is not None for one in seen)


def labelled_psfs(simulation: Simulation) -> xr.Dataset:
    """Label the PSFs of a simulation.

    Parameters
    ----------
    simulation
        What galaxies are made by.

    Returns
    -------
    Dataset
        ``psf_in`` and ``psf_out`` (filter, y, x), a star in the middle of the frame,
        pixels included, which adds up to 1; and each image that the user brought
        (psf_image_N_y, psf_image_N_x), from which they were made.
    """
    recipe = simulation.recipe
    found: dict[str, Any] = {}
    for role, telescope in simulation.telescopes.items():
        if telescope.psfs is None:
            continue
        seen = convolution_of(telescope.psfs, recipe.image_shape, recipe.pixel_scale)
        stars = seen.points()[seen.index]
        told = {"units": "1", "long_name": f"point-spread function of the {role}"}
        found[f"psf_{ENDS[role]}"] = ("filter", "y", "x"), stars, told
    for number, (source, image) in enumerate(sorted(simulation.psfs.items())):
        name = f"{_BROUGHT}_{number}"
        found[name] = (
            (f"{name}_y", f"{name}_x"),
            image.image,
            {
                "units": "1",
                "long_name": "image of a point-spread function",
                "source": source,
                "pixel_scale": image.pixel_scale,
            },
        )
    names = simulation.catalogue.seds["filter"].values
    labels = {"filter": ("filter", names.astype(np.dtypes.StringDType()))}
    return xr.Dataset(found, labels if simulation.telescopes else {})


def psfs_in(labelled: xr.Dataset) -> dict[str, PSFImage]:
    """Return the images of PSFs that a user brought, by their source.

    Parameters
    ----------
    labelled
        What `labelled_psfs` returned.

    Returns
    -------
    dict
        Images by their source.
    """
    found = {}
    for name, variable in labelled.data_vars.items():
        if str(name).startswith(_BROUGHT):
            told = variable.attrs
            scale = float(told["pixel_scale"])
            found[str(told["source"])] = PSFImage(variable.values, scale)
    return found
