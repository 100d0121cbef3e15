"""What batches are streamed from: a store on disk, or a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from argdask.catalogue import Columns
from argdask.errors import InputError, nearest
from argdask.loader_choices import ROLES, LoaderChoices, Role
from argdask.schema import LAYERS, image_name

__all__ = ["BASE", "Held", "Source", "check_against", "roles_of"]

# The columns of every batch.
BASE = ("z_in", "z_out", "sed_index", "galaxy_id")


class Held(Protocol):
    """Some galaxies that are ready to be read or made."""

    columns: Columns
    """What is known of them (galaxy, ...)."""

    def fill(self, some: slice, memories: Mapping[str, NDArray[np.float32]]) -> None:
        """Write images (galaxy, y, x, filter) of some of them into memory."""


class Source(Protocol):
    """Galaxies by their number in the set."""

    image_shape: tuple[int, int]
    """Height and width of the images."""
    filters: tuple[str, ...]
    """Names of their filters."""
    images: tuple[str, ...]
    """The image variables that there are."""
    truth: frozenset[str]
    """The columns that there are."""

    @property
    def units(self) -> Sequence[tuple[int, int]]:
        """First row and end of each unit that is read or made together."""

    def groups(self, start: int, stop: int, epoch: int) -> NDArray[np.int64]:
        """Return what must not be divided among splits, of rows."""

    def hold(
        self,
        rows: NDArray[np.int64],
        columns: Sequence[str],
        images: Sequence[str],
        epoch: int,
    ) -> Held:
        """Return rows with some of their columns, ready for some of their images."""


def roles_of(choices: LoaderChoices) -> dict[Role, str]:
    """Return the image variable that is streamed in each role.

    Parameters
    ----------
    choices
        How galaxies are streamed.

    Returns
    -------
    dict
        Names of variables by role.
    """
    return {role: image_name(role, choices.layer(role)) for role in ROLES}


def check_against(source: Source, choices: LoaderChoices) -> None:
    """Refuse what a source does not have.

    Parameters
    ----------
    source
        What is streamed.
    choices
        How.

    Raises
    ------
    InputError
        If a layer, a filter or a column is not there, or images that are not square
        shall be turned by quarters.
    """
    for role, name in roles_of(choices).items():
        if name not in source.images:
            layers = [one for one in LAYERS if image_name(role, one) in source.images]
            raise InputError(
                "layers",
                choices.layer(role),
                f"one that the source has: {', '.join(layers)}",
                "choose another, or a recipe that observes",
            )
    if choices.filters is not None and not choices.filters:
        raise InputError("filters", "none", "at least one", "leave it out for all")
    _check_each("filters", choices.filters or (), source.filters)
    _check_each("truth", choices.truth, sorted(source.truth))
    height, width = source.image_shape
    if "turn" in choices.augment and height != width:
        raise InputError(
            "augment",
            f"turn, of images of {height} x {width} pixels",
            "square images for quarter turns",
            "use flip alone",
        )


def _check_each(field: str, asked: Sequence[str], known: Sequence[Any]) -> None:
    for name in asked:
        if name not in known:
            near = nearest(name, known)
            raise InputError(field, name, "what the source has", f"nearest: {near}")
    if len({*asked}) < len(asked):
        raise InputError(field, asked, "each name once", "leave out the others")
