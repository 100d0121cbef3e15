"""Batches as PyTorch's tensors, divided among ranks and the workers of a DataLoader."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from argdask.loader_order import Share
from argdask.loader_stream import Batch, Stream

__all__ = ["TorchBatches", "dataset_of_batches"]


class TorchBatches:
    """What makes an IterableDataset of a stream.

    Parameters
    ----------
    stream
        What makes the batches.
    share
        Which rank this is, of how many.
    place
        Number of the epoch, and of the batch it begins with, in shared memory: workers
        that live on see what `set_epoch` says.
    """

    def __init__(self, stream: Stream, share: Share, place: Any) -> None:
        self._stream = stream
        self._share = share
        self._place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._stream, self._share, self._place)

    def set_epoch(self, epoch: int, start_step: int = 0) -> None:
        """Choose what the next iteration begins with.

        Parameters
        ----------
        epoch
            Number of the epoch.
        start_step
            Batches of this rank to leave out at its beginning, which are not made.
        """
        self._place[0], self._place[1] = epoch, start_step

    def __len__(self) -> int:
        """Return how many batches this rank gets in an iteration."""
        epoch, start = map(int, self._place.tolist())
        epochs = self._stream.choices.epochs
        if epochs is None:
            raise TypeError("batches without end have no number")
        share = self._share.rank, self._share.world_size
        counts = (
            self._stream.order.batches(epoch + one, *share) for one in range(epochs)
        )
        return max(sum(counts) - start, 0)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from torch.utils.data import get_worker_info

        info = get_worker_info()
        share, stream = self._share, self._stream
        if info is not None:
            share = Share(share.rank, share.world_size, info.id, info.num_workers)
            # The DataLoader makes batches ahead itself.
            stream = stream.without_threads()
        epoch, start = self._place.tolist()
        for batch in stream.batches(share, epoch, start):
            yield _tensors(batch)


def dataset_of_batches(stream: Stream, *, ranks_known: bool) -> Any:
    """Return an IterableDataset.

    Parameters
    ----------
    stream
        What makes the batches.
    ranks_known
        Whether the stream's choices say the rank; else torch.distributed is asked.

    Returns
    -------
    torch.utils.data.IterableDataset
        Of dicts of tensors.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "torch_dataset needs PyTorch: pip install 'argdask[torch]'"
        ) from error
    told = stream.choices
    share = Share(told.rank, told.world_size)
    spread = torch.distributed
    if not ranks_known and spread.is_available() and spread.is_initialized():
        share = Share(spread.get_rank(), spread.get_world_size())
    place = torch.tensor([told.epoch, told.start_step], dtype=torch.int64)
    return _again(stream, share, place.share_memory_())


def _again(stream: Stream, share: Share, place: Any) -> Any:
    return _kind()(stream, share, place)


@functools.cache
def _kind() -> Any:
    """Return the class, which exists only where PyTorch does."""
    from torch.utils.data import IterableDataset

    return type("BatchDataset", (TorchBatches, IterableDataset), {})


def _tensors(batch: Batch) -> dict[str, Any]:
    """Return tensors on the same memory; text as a list."""
    import torch

    return {
        name: values.tolist()
        if values.dtype.kind in "OTU"
        else torch.from_numpy(values)
        for name, values in batch.items()
    }
