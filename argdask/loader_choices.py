"""Every choice of how galaxies are streamed, checked, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from argdask.choices import Choices, wrong_choice
from argdask.errors import InputError
from argdask.splits import check_name, checked_splits

__all__ = ["ROLES", "LoaderChoices", "Role"]

Role = Literal["input", "target"]

ROLES: tuple[Role, ...] = ("input", "target")
"""Both images of a pair."""

Layer = Literal["clean", "convolved", "noisy"]


def _listed(value: Any) -> Any:
    """One name is a list of one."""
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Augmentation = Literal["flip", "turn", "noise"]


class LoaderChoices(Choices):
    """How galaxies are streamed: what `argdask.batches` takes besides the source."""

    CALLED: ClassVar[tuple[str, str]] = "loader", "help(argdask.batches)"

    batch_size: int = Field(64, ge=1)
    """Galaxies in a batch."""
    shuffle: bool = True
    """Another order in each epoch; else that of the set."""
    seed: int = Field(0, ge=0, lt=2**64)
    """What the order and the augmentation follow from, with the epoch."""
    epoch: int = Field(0, ge=0, lt=2**31)
    """Number of the first epoch."""
    epochs: int | None = Field(1, ge=1)
    """How many epochs follow one another; None: without end."""
    start_step: int = Field(0, ge=0)
    """Batches to leave out at the beginning, which are not made."""
    drop_last: bool = False
    """Leave out a last batch that is not full, and those that not every rank has."""
    buffer: int = Field(1024, ge=1)
    """Galaxies that are shuffled together, at least; those of a part if it has more."""
    split: str | None = None
    """Name of the split to stream; None: all galaxies."""
    splits: Any = None
    """The fraction of all groups in each split; 80 % `train`, 10 % `validation` and
    10 % `test` if left out."""
    split_seed: int = Field(0, ge=0, lt=2**64)
    """What the splits follow from, with the group; no part of `seed`."""
    layers: Layer | tuple[Layer, Layer] = "clean"
    """What to stream as input and as target, or one word for both: `clean`,
    `convolved` (with the PSF) or `noisy`."""
    filters: Names | None = None
    """Names of the filters to stream, in this order; None: all."""
    truth: Names = ()
    """Further columns: any that a dataset of these galaxies has."""
    augment: Annotated[tuple[Augmentation, ...], BeforeValidator(_listed)] = ()
    """`flip`: mirrored in x and in y at random; `turn`: turned by quarters at random;
    `noise`: fresh noise in each epoch, on the layer before."""
    transform: Any = None
    """Applied to images (galaxy, y, x, filter): a callable, or one for the input and
    one for the target."""
    channels: Literal["last", "first"] = "last"
    """Whether filters are the last dimension of a batch, or follow the galaxies."""
    fresh: bool = False
    """From a recipe: other galaxies in each epoch, so that none comes twice."""
    prefetch: int = Field(4, ge=0)
    """Batches that are made ahead by a thread; 0: none, and no thread."""
    threads: int = Field(1, ge=1)
    """How many batches are made at the same time, where any are made ahead."""
    rank: int = Field(0, ge=0)
    """Which of several processes this is, that share the batches of an epoch."""
    world_size: int = Field(1, ge=1)
    """How many such processes there are."""
    incomplete: bool = False
    """Stream what there is of a store that is not finished."""
    seds: Any = None
    """The SED grid of a recipe; the built-in one if left out."""
    catalogue: Any = None
    """The table of a recipe's galaxies, as for `argdask.simulate`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.rank >= self.world_size:
            expected = f"below world_size, {self.world_size}"
            raise wrong_choice("rank", self.rank, expected, "ranks are from 0")
        try:
            fractions = checked_splits(self.splits)
            if self.split is not None:
                check_name(self.split, fractions)
        except InputError as error:
            told = error.value, error.expected, error.cure
            raise wrong_choice(error.field, *told) from None
        each = self.transform if isinstance(self.transform, tuple | list) else ()
        right = len(each) == 2 and all(one is None or callable(one) for one in each)
        if not (right or self.transform is None or callable(self.transform)):
            expected = "a callable, or one for the input and one for the target"
            raise wrong_choice("transform", self.transform, expected, "give either")
        return self

    @property
    def fractions(self) -> Mapping[str, float]:
        """The fraction of all groups in each split."""
        return checked_splits(self.splits)

    def layer(self, role: Role) -> str:
        """Return the layer that is streamed as input or as target."""
        if isinstance(self.layers, str):
            return self.layers
        return self.layers[role == "target"]

    def transform_of(self, role: Role) -> Any:
        """Return what is applied to the input or to the target, or None."""
        if isinstance(self.transform, tuple | list):
            return self.transform[role == "target"]
        return self.transform
