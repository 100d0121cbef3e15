"""How long a training loop on a processor waits for batches made from a recipe.

A small network of convolutions learns targets from inputs. Its batches come from
`ad.torch_dataset`, which makes them ahead in one thread; the time that it waits for the
next one is counted apart from the time of its own steps.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from measuring import Measured, main, peer

import argdask as ad

__all__ = ["measure"]

TITLE = "A training loop fed from a recipe"
_NAME, _BAR = "time waiting for batches, of all", "< 5"


def epoch_of(
    torch: Any, network: Any, optimiser: Any, dataset: Any
) -> tuple[float, float, list[int]]:
    """Train on all batches; return seconds of work and of waiting, and all ids."""
    worked = waited = 0.0
    seen: list[int] = []
    batches = iter(dataset)
    # The first batch is not waited for by a loop that is under way.
    batch = next(batches, None)
    while batch is not None:
        began = time.perf_counter()
        found = network(batch["input"])
        loss = torch.nn.functional.mse_loss(found, batch["target"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen += batch["galaxy_id"].tolist()
        done = time.perf_counter()
        batch = next(batches, None)
        worked += done - began
        waited += time.perf_counter() - done
    return worked, waited, seen


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    del folder  # nothing is written
    torch = peer("torch")
    if torch is None:
        measured.missing(_NAME, _BAR, "PyTorch comes with the extra torch")
        return
    torch.manual_seed(0)
    recipe = ad.Recipe(galaxies=128 if quick else 1024)
    scaling = ad.Asinh.of(ad.sample_statistics(recipe, galaxies=128))
    told: dict[str, Any] = {"channels": "first", "transform": scaling}
    dataset = ad.torch_dataset(recipe, batch_size=16 if quick else 64, **told)
    layers = [9, 16, 16, 9]
    modules: list[Any] = []
    for before, after in pairwise(layers):
        modules += [torch.nn.Conv2d(before, after, 3, padding=1), torch.nn.ReLU()]
    network = torch.nn.Sequential(*modules[:-1])
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    worked = waited = 0.0
    wrong = 0
    for epoch in range(2):
        dataset.set_epoch(epoch)
        work, wait, seen = epoch_of(torch, network, optimiser, dataset)
        worked, waited = worked + work, waited + wait
        wrong += sorted(seen) != list(range(recipe.galaxies))
    pairs = recipe.galaxies * 2
    measured.value("pairs per second", pairs / (worked + waited), "pairs / s")
    measured.value(_NAME, 100 * waited / (worked + waited), "%", _BAR)
    measured.check("epochs in which not every galaxy came once", wrong, 0)


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
