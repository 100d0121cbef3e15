"""The plan of a store: all that its bytes follow from, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from argdask import seds as grids
from argdask.errors import InputError
from argdask.image_light import light_of
from argdask.psf_choices import hash_of_images
from argdask.recipe import Recipe
from argdask.simulation import PIXELS_VERSION, Simulation

__all__ = ["MOST_PARTS", "Piece", "Plan", "check_pixels", "check_version", "plan_of"]

Piece: TypeAlias = tuple[str, int]
"""Kind of work, part (images) or block (truth columns), and its number."""

# Raised by every change of the store's layout on disk.
FORMAT_VERSION = 4

_PART_BYTES = 256 * 10**6
_CHUNK_BYTES = 2 * 10**6
_PART_RANGE = (16, 4096)
_LEAST_PARTS = 8
MOST_PARTS = 10**5
_BLOCK_RANGE = (2**16, 2**20)


@dataclass(frozen=True)
class Plan:
    """What a store holds and how it is laid out; nothing in it changes later."""

    recipe: Recipe
    """The choices, with all defaults."""
    scale: float
    """The resolved scale."""
    seds: str
    """Content hash of the SED grid."""
    part: int
    """Galaxies in a part: one file of each image variable."""
    chunk: int
    """Galaxies in an inner chunk of a part."""
    block: int
    """Galaxies in a chunk of each truth column."""
    catalogue: str | None = None
    """Content hash of the user's table, as many rows as there are galaxies."""
    images: str | None = None
    """Content hash of the user's images."""
    psfs: str | None = None
    """Content hash of the user's images of PSFs."""
    format: str = "zarr"
    """Name of the store's format."""
    pixels_version: int = PIXELS_VERSION
    """Version of the code that makes pixels."""
    format_version: int = FORMAT_VERSION
    """Version of the layout on disk."""

    @property
    def galaxies(self) -> int:
        """Number of galaxies."""
        return self.recipe.galaxies

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.galaxies // self.part)

    @property
    def blocks(self) -> int:
        """Number of blocks of truth columns."""
        return -(-self.galaxies // self.block)

    def rows_of_part(self, index: int) -> tuple[int, int]:
        """Return the first row of a part and the one after its last."""
        return index * self.part, min((index + 1) * self.part, self.galaxies)

    def rows_of_block(self, index: int) -> tuple[int, int]:
        """Return the first row of a block and the one after its last."""
        return index * self.block, min((index + 1) * self.block, self.galaxies)

    def rows_of(self, piece: Piece) -> tuple[int, int]:
        """Return the first row of a piece and the one after its last."""
        kind, index = piece
        return (self.rows_of_part if kind == "part" else self.rows_of_block)(index)

    def pieces(self, first: int = 0) -> Iterator[Piece]:
        """Return the blocks of truth, then the parts of images.

        Parameters
        ----------
        first
            Leave out the pieces whose rows all come before this one.

        Yields
        ------
        tuple
            Kind and number.
        """
        blocks = range(first // self.block, self.blocks)
        yield from (("block", index) for index in blocks)
        yield from (("part", index) for index in range(first // self.part, self.parts))

    @property
    def choices(self) -> dict[str, Any]:
        """All that the bytes of a part follow from, ready for JSON."""
        identity = self.recipe.identity()
        return {
            **identity,
            "scale": self.scale,
            "seds": self.seds,
            **self._inputs,
            "layout": {
                **identity.get("layout", {}),
                "compression": self.recipe.layout.compression,
                "part": self.part,
                "chunk": self.chunk,
                "block": self.block,
                "format": self.format,
            },
            "pixels_version": self.pixels_version,
            "format_version": self.format_version,
        }

    @property
    def _inputs(self) -> dict[str, str]:
        """What a user brought besides; plans without it are as they always were."""
        brought = {
            "catalogue": self.catalogue,
            "images": self.images,
            "psfs": self.psfs,
        }
        return {name: one for name, one in brought.items() if one is not None}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the choices; the number of galaxies is no part of it."""
        text = json.dumps(self.choices, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: Plan) -> dict[str, tuple[Any, Any]]:
        """Return the choices in which two plans differ, by key."""
        mine, others = _flatten(self.choices), _flatten(other.choices)
        return {
            key: (mine.get(key), others.get(key))
            for key in sorted(mine.keys() | others.keys())
            if mine.get(key) != others.get(key)
        }

    def to_json(self) -> str:
        """Return the plan as text that `from_json` reads back."""
        fields = {
            "recipe": json.loads(self.recipe.model_dump_json()),
            "scale": self.scale,
            "seds": self.seds,
            **self._inputs,
            "part": self.part,
            "chunk": self.chunk,
            "block": self.block,
            "format": self.format,
            "pixels_version": self.pixels_version,
            "format_version": self.format_version,
        }
        return json.dumps(fields, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read a plan.

        Parameters
        ----------
        text
            What `to_json` returned.

        Returns
        -------
        Plan
            The plan.

        Raises
        ------
        InputError
            If the text is no plan that this version can read.
        """
        found = FORMAT_VERSION
        try:
            fields = json.loads(text)
            found = fields["format_version"]
            recipe = Recipe(**fields.pop("recipe"))
            plan = cls(recipe=recipe, **fields)
            sizes = plan.part, plan.chunk, plan.block
            if not math.isfinite(plan.scale) or min(sizes) < 1 or sizes[0] % sizes[1]:
                raise ValueError("no layout of a store")
        except (ValueError, KeyError, TypeError, AttributeError):
            # Another format may well have other fields.
            if found == FORMAT_VERSION:
                raise InputError(
                    "plan", text, "the plan of a store", "verify or remake the store"
                ) from None
        if found != FORMAT_VERSION:
            raise InputError(
                "plan",
                f"format version {found}",
                f"format version {FORMAT_VERSION}",
                "use the version of argdask that made the store",
            )
        return plan


def plan_of(
    simulation: Simulation, name: str = "zarr", like: Plan | None = None
) -> Plan:
    """Lay out a store for all galaxies of a recipe.

    Parameters
    ----------
    simulation
        What will make the galaxies.
    name
        Of the store's format.
    like
        A plan whose part, chunk and block are kept where the recipe leaves them open.

    Returns
    -------
    Plan
        The plan, with part, chunk and block chosen by the sizes where the recipe leaves
        them open.

    Raises
    ------
    InputError
        If the recipe's part is not a multiple of its chunk.
    """
    recipe = simulation.recipe
    filters = simulation.catalogue.seds.sizes["filter"]
    stamp = int(np.prod(recipe.image_shape)) * np.dtype(np.float32).itemsize
    one_image = stamp * filters
    components = len(simulation.catalogue.components)
    planes = simulation.planes(simulation.images)
    layout = recipe.layout
    part = layout.part or (like.part if like else None)
    if part is None:
        # Many components or PSFs in one filter hold more than their images do.
        held = max(one_image * len(simulation.images), stamp * planes)
        fits = _PART_BYTES // held
        enough = -(-recipe.galaxies // _LEAST_PARTS)
        # A part of sixteen galaxies that would not fit in memory is made smaller.
        low, high = _PART_RANGE
        part = min(max(_power_below(min(fits, enough)), low), high, _power_below(fits))
        # Above that, a file system and a scheduler suffer; images are made by chunks.
        few = -(-recipe.galaxies // MOST_PARTS)
        part = max(part, 2 ** (few - 1).bit_length())
    chunk = layout.chunk or (like.chunk if like else None)
    if chunk is None:
        nearest = 2 ** round(np.log2(max(_CHUNK_BYTES / one_image, 1)))
        divisor = part & -part
        chunk = min(int(nearest), divisor)
    if part % chunk:
        raise InputError(
            "layout.chunk", chunk, f"a divisor of part, {part}", "choose powers of two"
        )
    block = layout.block or (like.block if like else None)
    if block is None:
        low, high = _BLOCK_RANGE
        # Each component has fluxes of its own.
        high = max(_power_below(high // (1 + components)), low)
        block = min(max(2 ** (recipe.galaxies - 1).bit_length(), low), high)
    hashed = grids.content_hash(simulation.catalogue.seds)
    table = simulation.catalogue.table
    rows = None if table is None else table.content_hash(recipe.galaxies)
    images = simulation.catalogue.images
    pixels = None if images is None else images.content_hash()
    return Plan(
        recipe,
        scale=simulation.scale,
        seds=hashed,
        part=part,
        chunk=chunk,
        block=block,
        catalogue=rows,
        images=pixels,
        psfs=hash_of_images(recipe, simulation.psfs),
        format=name,
    )


def check_version(plan: Plan) -> None:
    """See that pixels of a plan are those that this version of the code makes.

    Parameters
    ----------
    plan
        The plan.

    Raises
    ------
    InputError
        If another version of pixels is planned: galaxies of both must not be mixed.
    """
    if plan.pixels_version != PIXELS_VERSION:
        raise InputError(
            "store",
            f"pixels of version {plan.pixels_version}",
            f"version {PIXELS_VERSION}, which this argdask makes",
            "use the argdask that began it, or make it anew at another path",
        )


def check_pixels(simulation: Simulation, plan: Plan) -> None:
    """See that the galaxies of a plan can be made, or made again, to their last pixel.

    Parameters
    ----------
    simulation
        What makes the galaxies.
    plan
        The plan.

    Raises
    ------
    InputError
        If another version of pixels is planned, or a user's images are gone or others.
    """
    check_version(plan)
    # Opened anew: those of the simulation may have been opened long ago.
    images = light_of(simulation.recipe)
    if images is not None and images.stack.content_hash() != plan.images:
        raise InputError(
            "images",
            str(images.stack.source.path),
            "the images that the store was planned with",
            "bring them back, or choose another path for the store",
        )


def _power_below(number: int) -> int:
    """Return the largest power of two that is not above a number, at least 1."""
    return 1 << (max(int(number), 1).bit_length() - 1)


def _flatten(choices: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in choices.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
