"""Tensors in PyTorch's own DataLoader: every batch once, in order, resumable."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import argdask as ad

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

COUNT = 50


@pytest.fixture(scope="module")
def recipe(seds: xr.DataArray) -> ad.Recipe:
    names = seds["filter"].values.tolist()[:3]
    layout = {"part": 16, "chunk": 4}
    return ad.Recipe(galaxies=COUNT, image_shape=(12, 12), filters=names, layout=layout)


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, recipe: ad.Recipe, seds: xr.DataArray
) -> Path:
    path = tmp_path_factory.mktemp("torch") / "pairs.zarr"
    ad.write(recipe, path, seds=seds)
    return path


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return list(one) == list(two) and all(
        np.array_equal(np.asarray(one[name]), np.asarray(two[name])) for name in one
    )


def all_same(one: Any, two: Any) -> bool:
    pairs = itertools.zip_longest(one, two)
    return all(a is not None and b is not None and same(a, b) for a, b in pairs)


class Info:
    """What a worker of a DataLoader is told."""

    def __init__(self, number: int, workers: int) -> None:
        self.id, self.num_workers = number, workers


def by_turns(
    dataset: Any, workers: int, monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, Any]]:
    """Ask each worker in turn, as a DataLoader does."""
    each = []
    for number in range(workers):
        with monkeypatch.context() as patch:
            info = Info(number, workers)
            patch.setattr(torch.utils.data, "get_worker_info", lambda info=info: info)
            each.append(list(dataset))
    turns = itertools.chain(*itertools.zip_longest(*each))
    return [batch for batch in turns if batch is not None]


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_every_grid_of_ranks_and_workers_has_each_batch_once(
    recipe: ad.Recipe, ranks: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = {"batch_size": 4, "seed": 2, "epochs": 2, "split": "train"}
    # Of each rank, in both epochs.
    epochs = [
        list(ad.batches(recipe, **{**choices, "epochs": 1, "epoch": epoch}))
        for epoch in (0, 1)
    ]
    ids = [int(i) for epoch in epochs for b in epoch for i in b["galaxy_id"]]
    seen = []
    for rank in range(ranks):
        dataset = ad.torch_dataset(recipe, rank=rank, world_size=ranks, **choices)
        found = by_turns(dataset, workers, monkeypatch)
        expected = [batch for epoch in epochs for batch in epoch[rank::ranks]]
        assert all_same(found, expected)
        assert len(dataset) == len(expected)
        seen += [int(i) for batch in found for i in batch["galaxy_id"]]
    assert sorted(seen) == sorted(ids)


def test_a_real_loader_with_workers_gives_the_same_batches(
    recipe: ad.Recipe, store: Path
) -> None:
    for source in (recipe, store):
        choices = {"batch_size": 8, "buffer": 20, "augment": ("flip", "turn")}
        dataset = ad.torch_dataset(source, **choices)
        loaders = [
            torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=workers)
            for workers in (0, 2)
        ]
        for epoch, first in [(0, 0), (1, 3)]:
            dataset.set_epoch(epoch, first)
            told = {"epoch": epoch, "start_step": first}
            expected = list(ad.batches(source, **choices, **told))
            for loader in loaders:
                assert len(loader) == len(expected)
                found = list(loader)
                assert all(torch.is_tensor(v) for b in found for v in b.values())
                assert all_same(found, expected)


def test_workers_that_live_on_see_the_next_epoch(recipe: ad.Recipe) -> None:
    dataset = ad.torch_dataset(recipe, batch_size=16)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=None, persistent_workers=True, num_workers=1
    )
    for epoch in (0, 5):
        dataset.set_epoch(epoch)
        assert all_same(loader, ad.batches(recipe, batch_size=16, epoch=epoch))
    # Before the interpreter does, which is slower.
    loader._iterator._shutdown_workers()


def test_tensors_lie_on_the_memory_of_the_batch(recipe: ad.Recipe) -> None:
    batch = next(iter(ad.torch_dataset(recipe, batch_size=4, channels="first")))
    assert batch["input"].shape == (4, 3, 12, 12)
    assert batch["input"].dtype == torch.float32
    assert batch["input"].is_contiguous()
    # A tensor of its own would own its memory.
    assert not batch["input"].numpy().flags.owndata
    assert batch["sed_index"].dtype == torch.int32


def test_text_stays_text(recipe: ad.Recipe) -> None:
    truth = ("template_name",)
    found = next(iter(ad.torch_dataset(recipe, batch_size=4, truth=truth)))
    expected = next(ad.batches(recipe, batch_size=4, truth=truth))
    assert found["template_name"] == expected["template_name"].tolist()


def test_a_dataset_can_be_sent_to_other_processes(
    recipe: ad.Recipe, store: Path
) -> None:
    for source in (recipe, store):
        dataset = ad.torch_dataset(source, batch_size=8, rank=1, world_size=2)
        dataset.set_epoch(3)
        again = pickle.loads(pickle.dumps(dataset))
        assert all_same(dataset, again)


def test_ranks_are_those_of_torch_distributed(
    recipe: ad.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = torch.distributed
    monkeypatch.setattr(spread, "is_initialized", lambda: True)
    monkeypatch.setattr(spread, "get_rank", lambda: 2)
    monkeypatch.setattr(spread, "get_world_size", lambda: 3)
    told = {"rank": 2, "world_size": 3}
    choices: dict[str, Any] = {"batch_size": 7}
    for more in ({}, told):
        dataset = ad.torch_dataset(recipe, **choices, **more)
        assert all_same(dataset, ad.batches(recipe, **choices, **told))


def test_what_is_wrong_is_told_in_one_line(recipe: ad.Recipe) -> None:
    with pytest.raises(ad.InputError, match=r"rank: got 1 of None, .*both"):
        ad.torch_dataset(recipe, rank=1)
    with pytest.raises(ad.InputError, match=r"batch: .*nearest: batch_size"):
        ad.torch_dataset(recipe, batch=1)
    with pytest.raises(TypeError, match="without end"):
        len(ad.torch_dataset(recipe, epochs=None))
