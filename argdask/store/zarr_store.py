"""A store in Zarr format 3: initialised, filled part by part, finalised."""

from __future__ import annotations

import errno
import functools
import json
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from argdask import seds as grids
from argdask.catalogue import Columns
from argdask.errors import InputError
from argdask.schema import IMAGES, VARIABLES, Variable
from argdask.simulation import Simulation, attributes_of
from argdask.store import files
from argdask.store.files import FileRecord
from argdask.store.plan import Plan
from argdask.store.receipts import Receipt, environment, job_id
from argdask.store.shards import BLOSC_LEVEL, BLOSC_SHUFFLE, write_chunk, write_shard
from argdask.tables import UserTable

__all__ = [
    "METADATA",
    "OF_THE_STORE",
    "initialise",
    "read_attributes",
    "read_plan",
    "read_seds_of_store",
    "simulation_of",
    "variables_of",
    "write_block",
    "write_part",
]

METADATA = "zarr.json"

# Attributes of the root that tell of the store rather than of the pairs in it.
OF_THE_STORE = frozenset(
    {
        *("plan", "fingerprint", "state", "environments"),
        *("checksums_crc32c", "metadata_crc32c"),
    }
)

_TABLE = "catalogue"
_STRINGS = np.dtypes.StringDType()

# Truth columns are small and repetitive: they are always compressed.
_COLUMN_COMPRESSION: Literal["zstd"] = "zstd"


def variables_of(simulation: Simulation) -> list[Variable]:
    """Return all variables that have galaxies in a store of this simulation."""
    # The columns of no galaxy have the names of all.
    names = (*simulation.images, *simulation.catalogue.columns([]))
    return [VARIABLES[name] for name in names]


def initialise(path: Path, simulation: Simulation, plan: Plan) -> None:
    """Make a store with its plan, its SED grid, its catalogue and no galaxy yet.

    Parameters
    ----------
    path
        Where the store shall be; nothing may be there.
    simulation
        What will make the galaxies.
    plan
        How the store is laid out.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{files.PARTIAL}")
    try:
        partial.mkdir()
        _write_metadata(partial, simulation, plan)
        files.sync_tree(partial)
        partial.rename(path)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        # Another process may have made the same store at the same time.
        taken = error.errno in {errno.ENOTEMPTY, errno.EEXIST}
        if taken and _has_plan(path, plan):
            return
        raise InputError(
            "store",
            str(path),
            f"a place that can be written ({error.strerror})",
            "choose another path",
        ) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _has_plan(path: Path, plan: Plan) -> bool:
    try:
        return read_plan(path).to_json() == plan.to_json()
    except InputError:
        return False


def _write_metadata(path: Path, simulation: Simulation, plan: Plan) -> None:
    variables = variables_of(simulation)
    seds = simulation.catalogue.seds
    columns = [v.name for v in variables if v.name not in IMAGES]
    attributes = {
        **attributes_of(simulation),
        "coordinates": " ".join([*columns, "wavelength"]),
        "fingerprint": plan.fingerprint,
        "plan": plan.to_json(),
        "state": "incomplete",
    }
    group = zarr.create_group(path, zarr_format=3, attributes=attributes)
    sizes = {
        "galaxy": plan.galaxies,
        "y": simulation.recipe.image_shape[0],
        "x": simulation.recipe.image_shape[1],
        "filter": seds.sizes["filter"],
    }
    for variable in variables:
        _create(group, variable, sizes, plan)
    for name in ("filter", "wavelength"):
        values = seds[name].values
        values = values.astype(_STRINGS) if values.dtype.kind in "OUT" else values
        found = VARIABLES.get(name)
        group.create_array(
            name,
            data=values,
            dimension_names=["filter"],
            attributes=dict(found.attrs) if found else {},
        )
    grid = seds.to_dataset(name="flux").reset_coords("valid")
    texts = [name for name, v in grid.variables.items() if v.dtype.kind in "OUT"]
    grid = grid.assign({name: grid[name].astype(_STRINGS) for name in texts})
    grid.to_zarr(path, group="seds", consolidated=False, zarr_format=3, mode="a")
    if simulation.catalogue.table is not None:
        table = simulation.catalogue.table.first(plan.galaxies).to_dataset()
        options: Any = {"consolidated": False, "zarr_format": 3, "mode": "a"}
        table.to_zarr(path, group=_TABLE, **options)


def _create(
    group: zarr.Group, variable: Variable, sizes: dict[str, int], plan: Plan
) -> None:
    shape = tuple(sizes[name] for name in variable.dims)
    image = variable.name in IMAGES
    compression = plan.recipe.layout.compression if image else _COLUMN_COMPRESSION
    blosc = (
        None
        if compression == "none"
        else BloscCodec(
            cname=compression,
            clevel=BLOSC_LEVEL,
            shuffle=BLOSC_SHUFFLE,
            typesize=np.dtype(variable.dtype).itemsize,
        )
    )
    group.create_array(
        variable.name,
        shape=shape,
        dtype=variable.dtype,
        chunks=((plan.chunk if image else plan.block), *shape[1:]),
        shards=(plan.part, *shape[1:]) if image else None,
        compressors=blosc,
        filters=None,
        fill_value=variable.fill_value,
        # One folder for each variable, whatever its number of dimensions.
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=list(variable.dims),
        attributes=dict(variable.attrs),
    )


def read_attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a store.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    dict
        The attributes of its root.

    Raises
    ------
    InputError
        If there is no store that argdask made.
    """
    try:
        attributes = json.loads((path / METADATA).read_text("utf-8"))["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        attributes = None
    if not isinstance(attributes, dict) or "plan" not in attributes:
        raise InputError(
            "store", str(path), "a store that argdask made", "check the path"
        )
    return attributes


def read_plan(path: Path) -> Plan:
    """Return the plan of a store.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    Plan
        The plan.

    Raises
    ------
    InputError
        If there is no store, or its plan does not fit its fingerprint.
    """
    attributes = read_attributes(path)
    plan = Plan.from_json(attributes["plan"])
    if plan.fingerprint != attributes.get("fingerprint"):
        raise InputError(
            "store", str(path), "a plan with its own fingerprint", "remake the store"
        )
    return plan


def read_seds_of_store(path: Path) -> xr.DataArray:
    """Return the SED grid that a store carries, in memory.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    DataArray
        The grid (redshift, filter, template) [uJy].
    """
    with xr.open_zarr(path, group="seds", chunks=None, consolidated=False) as grid:
        loaded = grid.load()
    for name, coordinate in list(loaded.variables.items()):
        if coordinate.dtype.kind == "T":
            texts = np.array(coordinate.values.tolist(), dtype=str)
            loaded[str(name)] = coordinate.copy(data=texts)
    return grids.check_seds(loaded.set_coords("valid")["flux"])


def simulation_of(path: Path, fingerprint: str) -> tuple[Simulation, Plan]:
    """Return what makes the galaxies of a store; a worker needs nothing else.

    Parameters
    ----------
    path
        The store.
    fingerprint
        Of the plan that is expected there.

    Returns
    -------
    tuple
        The simulation and the plan.

    Raises
    ------
    InputError
        If the store has another plan, or its grid or catalogue are not those it was
        planned with.
    """
    plan = read_plan(path)
    if plan.fingerprint != fingerprint:
        raise InputError(
            "store", str(path), "the plan that the run began with", "start again"
        )
    return _simulation_of(path, plan.to_json()), plan


@functools.lru_cache(maxsize=4)
def _simulation_of(path: Path, text: str) -> Simulation:
    """Make a simulation once for each plan: a path may get another store."""
    plan = Plan.from_json(text)
    seds = read_seds_of_store(path)
    if grids.content_hash(seds) != plan.seds:
        raise InputError(
            "store", str(path), "the SED grid it was planned with", "remake the store"
        )
    table = None if plan.catalogue is None else _read_table_of_store(path)
    if table is not None and table.content_hash() != plan.catalogue:
        raise InputError(
            "store", str(path), "the catalogue it was planned with", "remake the store"
        )
    return Simulation(plan.recipe, seds, plan.scale, table=table)


def _read_table_of_store(path: Path) -> UserTable:
    with xr.open_zarr(path, group=_TABLE, chunks=None, consolidated=False) as table:
        return UserTable.from_dataset(table.load())


def write_block(path: Path, fingerprint: str, index: int) -> Receipt:
    """Write the truth columns of one block of galaxies.

    Parameters
    ----------
    path
        The store.
    fingerprint
        Of its plan.
    index
        Number of the block.

    Returns
    -------
    Receipt
        What was written.
    """
    began = time.perf_counter()
    simulation, plan = simulation_of(path, fingerprint)
    start, stop = plan.rows_of_block(index)
    columns = simulation.catalogue.columns(simulation.catalogue.ids(start, stop))
    written = {}
    for name, values in columns.items():
        variable = VARIABLES[name]
        chunk = np.full(
            (plan.block, *values.shape[1:]), variable.fill_value, variable.dtype
        )
        chunk[: stop - start] = values
        place = f"{name}/{_key(index, chunk.ndim)}"
        written[place] = write_chunk(path / place, chunk, _COLUMN_COMPRESSION)
    return _receipt(plan, "block", index, (start, stop), written, began)


def write_part(path: Path, fingerprint: str, index: int) -> Receipt:
    """Make the images of one part and write each of them as one whole file.

    Parameters
    ----------
    path
        The store.
    fingerprint
        Of its plan.
    index
        Number of the part.

    Returns
    -------
    Receipt
        What was written.
    """
    began = time.perf_counter()
    simulation, plan = simulation_of(path, fingerprint)
    start, stop = plan.rows_of_part(index)
    columns = simulation.catalogue.columns(simulation.catalogue.ids(start, stop))
    stamps = simulation.render(columns)
    written = {}
    for name in simulation.images:
        place = f"{name}/{_key(index, len(VARIABLES[name].dims))}"
        written[place] = write_shard(
            path / place,
            chunks_of_part(simulation, plan.chunk, name, columns, stamps),
            plan.part // plan.chunk,
            plan.recipe.layout.compression,
        )
    return _receipt(plan, "part", index, (start, stop), written, began)


def chunks_of_part(
    simulation: Simulation,
    size: int,
    name: str,
    columns: Columns,
    stamps: NDArray[np.float32],
) -> Iterator[NDArray[np.float32]]:
    """Make an image variable chunk by chunk in memory that stays in the cache."""
    galaxies, height, width = stamps.shape
    filters = simulation.catalogue.seds.sizes["filter"]
    memory = np.empty((size, height, width, filters), np.float32)
    for start in range(0, galaxies, size):
        rows = slice(start, min(start + size, galaxies))
        some = {key: values[rows] for key, values in columns.items()}
        count = rows.stop - start
        simulation.image(name, some, stamps[rows], out=memory[:count])
        memory[count:] = np.nan
        yield memory


def _key(index: int, dimensions: int) -> str:
    return ".".join(["c", str(index), *["0"] * (dimensions - 1)])


def _receipt(
    plan: Plan,
    kind: str,
    index: int,
    rows: tuple[int, int],
    written: dict[str, FileRecord],
    began: float,
) -> Receipt:
    return Receipt(
        fingerprint=plan.fingerprint,
        kind=kind,
        index=index,
        start=rows[0],
        stop=rows[1],
        files=written,
        seconds=round(time.perf_counter() - began, 3),
        environment=environment(),
        job=job_id(),
    )
