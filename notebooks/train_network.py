"""Train the network of `04-train-a-network.ipynb` for longer, several times over.

    python notebooks/train_network.py results --seeds 1 2 3 --steps 2000

Each seed has its own weights to begin with, its own order of galaxies and its own
held-out groups. What was measured is kept in the folder, seed by seed; those that are
there are not trained again. At the end it makes tables and figures of all.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
import xarray as xr
from matplotlib import pyplot as plt
from redshifting import (
    Galaxies,
    MedianRatio,
    Survey,
    gather,
    oracle,
    recipe_of_pairs,
    resize_again,
    shuffle_redshifts,
    stream,
    survey_of,
)
from redshifting_figures import plot_chi_square, plot_examples, plot_scores
from redshifting_network import Redshifter, predict, train
from redshifting_scores import chi_square, compare

import argdask as ad

# Of the baseline: the one that is best on the galaxies for validation is taken.
_BINS = (8, 16, 24, 32, 40, 48)
_DRAWN = ("resized, median ratio", "network", "oracle")
_SHOWN = ("input unchanged", "network, z_out shuffled", *_DRAWN)


def best_median_ratio(
    learnt: Galaxies, validation: Galaxies, survey: Survey
) -> MedianRatio:
    """Return the baseline with the number of bins that fits other galaxies best."""
    each = [MedianRatio(learnt, bins) for bins in _BINS]

    def loss(one: MedianRatio) -> float:
        target = validation.target
        return float(chi_square(one(validation), target, survey).mean())

    return min(each, key=loss)


def run(
    recipe: ad.Recipe, survey: Survey, seed: int, steps: int, images: Path
) -> xr.Dataset:
    """Train once, and compare on galaxies that were held out."""
    held = {"split_seed": seed, "batch_size": 100}
    learnt = gather(stream(recipe, survey, split="train", **held), 20_000)
    baseline = best_median_ratio(
        learnt, gather(stream(recipe, survey, split="validation", **held), 4000), survey
    )
    del learnt
    torch.manual_seed(seed)
    network = Redshifter(survey)
    batches = stream(
        recipe,
        survey,
        split="train",
        split_seed=seed,
        seed=seed,
        fresh=True,
        epochs=None,
    )
    begin = time.process_time()
    training = train(network, batches, steps=steps)
    took = time.process_time() - begin
    test = gather(stream(recipe, survey, split="test", **held), 4000)
    layers = ("convolved", "convolved")
    quiet = gather(stream(recipe, survey, split="test", layers=layers, **held), 4000)
    wrong = shuffle_redshifts(test, seed)
    predictions = {
        "input unchanged": test.input,
        "resized, median ratio": baseline(test),
        "network": predict(network, test),
        "network, z_out shuffled": predict(network, wrong),
        "network, z_out and size shuffled": predict(
            network, resize_again(wrong, survey)
        ),
        "oracle": oracle(test, survey),
        "oracle, input without noise": oracle(test, survey, quiet.resized),
    }
    found = compare(predictions, test, survey)
    found["processor_seconds"] = took
    found["waiting"] = training.waiting
    found["bins"] = baseline.bins
    found["galaxies_seen"] = training.galaxies
    found["loss"] = ("step", training.loss)
    shown = {name: predictions[name] for name in _DRAWN}
    figure = plot_examples(shown, test, survey, range(6), filter_index=2)
    figure.savefig(images / f"network-examples-{seed}.png", dpi=70)
    plt.close(figure)
    return found


def report(found: xr.Dataset, folder: Path, images: Path) -> None:
    """Write tables and figures of all seeds."""
    total = found[["chi_square_mean", "chi_square_error", "chi_square_median"]]
    total.to_dataframe().round(5).to_csv(folder / "network-chi-square.csv")
    names = ("flux_bias", "flux_scatter", "radius_bias", "radius_scatter")
    mean = found[list(names)].mean("seed").to_dataframe().round(4)
    mean.to_csv(folder / "network-scores.csv")
    drawn = found.sel(prediction=list(_SHOWN))
    plot_chi_square(drawn).savefig(images / "network-chi-square.png", dpi=80)
    plot_scores(found, _DRAWN).savefig(images / "network-scores.png", dpi=80)
    square = found["chi_square_mean"]
    for name in found["prediction"].values:
        each = square.sel(prediction=name)
        more = each - square.sel(prediction="network")
        error = more.std("seed", ddof=1) / more.sizes["seed"] ** 0.5
        sys.stdout.write(
            f"{name:34} {float(each.mean()):10.4f} "
            f"more than the network by {float(more.mean()):10.4f} "
            f"+- {float(error):.4f}\n"
        )


def main() -> None:
    """Read the command line, train, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to keep what is measured")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    images = told.folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    recipe, seds = recipe_of_pairs(galaxies=50_000, seed=7)
    survey = survey_of(recipe, seds)
    each = []
    for seed in told.seeds:
        path = told.folder / f"seed-{seed}.nc"
        if not path.exists():
            run(recipe, survey, seed, told.steps, images).to_netcdf(path)
        each.append(xr.load_dataset(path))
        text = (
            each[-1].drop_dims(["z_out", "filter", "step"]).to_dataframe().to_string()
        )
        sys.stdout.write(f"seed {seed}\n{text}\n")
        sys.stdout.flush()
    if len(each) > 1:
        report(
            xr.concat(each, "seed").assign_coords(seed=told.seeds), told.folder, images
        )


if __name__ == "__main__":
    main()
