"""Opening a store: images lazy, truth plain, template parameters looked up."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from argdask.errors import IncompleteError, InputError
from argdask.pair_labels import template_parameters
from argdask.places import place_of
from argdask.schema import IMAGES
from argdask.store.attributes import OF_THE_STORE, readable
from argdask.store.formats import format_of
from argdask.store.receipts import done_receipts
from argdask.store.work import read_attributes, read_plan, read_seds_of_store
from argdask.table_redshifts import tell_references

__all__ = ["open_pairs"]


# What a parameter is where there is no template, by the kind of its type.
_NOTHING: dict[str, Any] = {"f": np.nan, "i": -1, "u": 0, "b": False, "T": ""}


class _LookedUp(BackendArray):
    """A template parameter for each galaxy, found through its SED index when asked."""

    def __init__(self, sed_index: xr.Variable, values: NDArray[Any]) -> None:
        self._sed_index = sed_index
        self._values = values
        self.shape = sed_index.shape
        self.dtype = values.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._look_up
        )

    def _look_up(self, key: tuple[Any, ...]) -> NDArray[Any]:
        index = self._sed_index[key].values
        found: NDArray[Any] = np.asarray(self._values[index], self.dtype)
        # Galaxies that are not made yet have no template, rather than the last one.
        found[index < 0] = _NOTHING[self.dtype.kind]
        return found


def open_pairs(
    path: str | Path,
    *,
    chunks: int | Literal["part"] | None = "part",
    incomplete: bool = False,
) -> xr.Dataset:
    """Open a store of training pairs without reading an image.

    Parameters
    ----------
    path
        The store.
    chunks
        Galaxies in a dask chunk of the images: a number, `part` for those of a file, or
        None for images that are lazy without dask.
    incomplete
        Open a store that is not finished; galaxies that are not made yet are NaN.

    Returns
    -------
    Dataset
        Lazy images (galaxy, y, x, filter) and, as coordinates that are read when they
        are looked at, the truth and the template's parameters of each galaxy.

    Raises
    ------
    InputError
        If there is no store that argdask made, or it is too damaged to be read.
    IncompleteError
        If galaxies are missing and `incomplete` is not set.
    """
    place = place_of(path)
    complete = read_attributes(place).get("state") == "complete"
    plan = read_plan(place)
    if not complete and not incomplete:
        done = done_receipts(place, plan)
        made = sum(r.stop - r.start for r in done if r.kind == "part")
        raise IncompleteError(
            f"{place}: {plan.galaxies - made} of {plan.galaxies} galaxies are missing; "
            f"`argdask generate {place}` makes them, or open it with incomplete=True"
        )
    number = isinstance(chunks, Integral) and not isinstance(chunks, bool)
    whole = number and int(chunks) > 0  # type: ignore[arg-type] # a number by now
    if not (chunks is None or chunks == "part" or whole):
        raise InputError("chunks", chunks, "part, None or a number", "use part")
    with readable(place):
        pairs = format_of(place).open_lazily(place, complete=complete)
        seds = read_seds_of_store(place)
        sed_index = pairs["sed_index"].variable
        pairs = pairs.assign_coords(_template_parameters(seds, sed_index))
    tell_references(pairs, plan.recipe, seds)
    # A copy of some galaxies is no store of argdask, nor has it its shards.
    pairs.attrs = {k: v for k, v in pairs.attrs.items() if k not in OF_THE_STORE}
    # Which stores of before do not say beside their plan.
    pairs.attrs["pixels_version"] = plan.pixels_version
    for name in _images(pairs):
        for key in ("chunks", "shards", "preferred_chunks"):
            pairs[name].encoding.pop(key, None)
    if chunks is None:
        return pairs
    size = plan.part if chunks == "part" else chunks
    # Of the variable alone: a data array would chunk all of its coordinates too.
    return pairs.assign(
        {name: pairs[name].variable.chunk({"galaxy": size}) for name in _images(pairs)}
    )


def _images(pairs: xr.Dataset) -> list[str]:
    return [name for name in IMAGES if name in pairs.data_vars]


def _template_parameters(
    seds: xr.DataArray, sed_index: xr.Variable
) -> dict[str, xr.Variable]:
    found = {}
    for name, (values, attrs) in template_parameters(seds).items():
        looked_up = indexing.LazilyIndexedArray(_LookedUp(sed_index, values))
        found[name] = xr.Variable("galaxy", looked_up, attrs)
    return found
