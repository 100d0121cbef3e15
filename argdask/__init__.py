"""argdask: training pairs of galaxy image cubes at two redshifts, at any scale.

One pure function makes every galaxy, ``simulate(recipe, seds, galaxies)``. ``build``
gives the same as lazy dask arrays, ``write`` as a store on disk, from any number of
workers; ``open_pairs`` reads it lazily, ``verify`` checks it, ``repair`` mends it and
``export`` copies it to plain NumPy files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argdask.composites import composite
    from argdask.errors import IncompleteError, InputError
    from argdask.filter_curves import search_filters
    from argdask.forecast import plan
    from argdask.loaders import batches, sample_statistics, torch_dataset
    from argdask.mending import repair
    from argdask.monitoring import status
    from argdask.pair_plotting import plot_pair
    from argdask.pairs import build, simulate
    from argdask.plotting import preview
    from argdask.preset_listing import presets
    from argdask.recipe import Recipe
    from argdask.renoising import add_noise
    from argdask.run import write
    from argdask.scalings import Asinh, Standardise
    from argdask.sed_building import build_seds
    from argdask.sed_choices import SedGrid
    from argdask.sed_files import read_seds, write_seds
    from argdask.sed_plotting import plot_seds
    from argdask.sed_sources import default_seds
    from argdask.seds import interpolate_redshift
    from argdask.splits import split_of
    from argdask.steps import finalise, init, part
    from argdask.store.export import export
    from argdask.store.pixel_statistics import pixel_statistics
    from argdask.store.reading import open_pairs
    from argdask.tables import read_table
    from argdask.truth_plotting import plot_truth
    from argdask.verification import verify

# Where each public name lives. They are imported when first used, so that a command
# line which only prints its help does not wait for dask and xarray.
_HOMES = {
    "Asinh": "argdask.scalings",
    "IncompleteError": "argdask.errors",
    "InputError": "argdask.errors",
    "Recipe": "argdask.recipe",
    "SedGrid": "argdask.sed_choices",
    "Standardise": "argdask.scalings",
    "add_noise": "argdask.renoising",
    "batches": "argdask.loaders",
    "build": "argdask.pairs",
    "build_seds": "argdask.sed_building",
    "composite": "argdask.composites",
    "default_seds": "argdask.sed_sources",
    "export": "argdask.store.export",
    "finalise": "argdask.steps",
    "init": "argdask.steps",
    "interpolate_redshift": "argdask.seds",
    "open_pairs": "argdask.store.reading",
    "part": "argdask.steps",
    "pixel_statistics": "argdask.store.pixel_statistics",
    "plan": "argdask.forecast",
    "plot_pair": "argdask.pair_plotting",
    "plot_seds": "argdask.sed_plotting",
    "plot_truth": "argdask.truth_plotting",
    "presets": "argdask.preset_listing",
    "preview": "argdask.plotting",
    "read_seds": "argdask.sed_files",
    "read_table": "argdask.tables",
    "repair": "argdask.mending",
    "sample_statistics": "argdask.loaders",
    "search_filters": "argdask.filter_curves",
    "simulate": "argdask.pairs",
    "split_of": "argdask.splits",
    "status": "argdask.monitoring",
    "torch_dataset": "argdask.loaders",
    "verify": "argdask.verification",
    "write": "argdask.run",
    "write_seds": "argdask.sed_files",
}

__all__ = [
    "Asinh",
    "IncompleteError",
    "InputError",
    "Recipe",
    "SedGrid",
    "Standardise",
    "add_noise",
    "batches",
    "build",
    "build_seds",
    "composite",
    "default_seds",
    "export",
    "finalise",
    "init",
    "interpolate_redshift",
    "open_pairs",
    "part",
    "pixel_statistics",
    "plan",
    "plot_pair",
    "plot_seds",
    "plot_truth",
    "presets",
    "preview",
    "read_seds",
    "read_table",
    "repair",
    "sample_statistics",
    "search_filters",
    "simulate",
    "split_of",
    "status",
    "torch_dataset",
    "verify",
    "write",
    "write_seds",
]


def __getattr__(name: str) -> Any:
    if name == "loaders":
        return import_module("argdask.loaders")
    if name not in _HOMES:
        raise AttributeError(f"module 'argdask' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
