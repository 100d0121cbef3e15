"""Figures of predicted images of galaxies, and of how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from redshifting import Galaxies, Survey
from torch import Tensor

__all__ = ["plot_chi_square", "plot_examples", "plot_scores"]

# Colour-blind safe (Wong 2011, Nature Methods 8, 441), with a marker each.
_STYLES = {
    "input unchanged": ("#999999", "x"),
    "resized, median ratio": ("#E69F00", "s"),
    "network": ("#0072B2", "o"),
    "network, z_out shuffled": ("#CC79A7", "v"),
    "oracle": ("#009E73", "^"),
}


def plot_examples(
    predictions: Mapping[str, Tensor],
    galaxies: Galaxies,
    survey: Survey,
    rows: Sequence[int],
    filter_index: int,
) -> Any:
    """Draw galaxies, what is predicted, and what is wrong with it.

    Parameters
    ----------
    predictions
        Images by the name of the method.
    galaxies, survey
        What is predicted.
    rows
        Numbers of the galaxies to draw.
    filter_index
        Number of the filter to draw them in.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each galaxy: input, target, and each prediction with its difference
        from the target over the noise of the telescope.
    """
    count = 2 + 2 * len(predictions)
    size = 1.25 * count + 0.8, 1.3 * len(rows) + 0.5
    figure, axes = plt.subplots(
        len(rows), count, figsize=size, squeeze=False, layout="constrained"
    )
    sigma = survey.sigma(galaxies.target)
    for number, (line, row) in enumerate(zip(axes, rows, strict=True)):
        target, noise = galaxies.target[row, filter_index], sigma[row, filter_index]
        # Where the noise is that of the background, they are in its unit.
        unit = float(survey.background_sigma[filter_index])
        shown = {"input": galaxies.input[row, filter_index], "target": target}
        shown |= {name: each[row, filter_index] for name, each in predictions.items()}
        place = iter(line)
        for name, image in shown.items():
            ax = next(place)
            ax.imshow(np.arcsinh(image / unit / 3), vmin=-0.5, vmax=4, cmap="gray")
            _name(ax, name, number == 0)
            if name in predictions:
                ax = next(place)
                wrong = (image - target) / noise
                drawn = ax.imshow(wrong, vmin=-3, vmax=3, cmap="RdBu_r")
                _name(ax, "minus target\n/ noise", number == 0)
        z_in, z_out = float(galaxies.z_in[row]), float(galaxies.z_out[row])
        line[0].set_ylabel(f"z {z_in:.2f} to {z_out:.2f}", fontsize=8)
    figure.colorbar(drawn, ax=axes, label="(prediction - target) / noise", shrink=0.6)
    return figure


def _name(ax: Any, name: str, shown: bool) -> None:
    ax.set(xticks=[], yticks=[])
    if shown:
        ax.set_title(name.replace(", ", ",\n"), fontsize=8)


def plot_chi_square(found: xr.Dataset) -> Any:
    """Draw the chi-square per pixel of each method by the redshift of the target.

    Parameters
    ----------
    found
        As `redshifting_scores.compare` returns it; with a dimension `seed`, the mean is
        drawn with its standard error.

    Returns
    -------
    matplotlib.figure.Figure
        One panel.
    """
    figure, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
    _lines(ax, found["chi_square"], list(found["prediction"].values))
    ax.set(yscale="log", xlabel="redshift of the target")
    ax.set_ylabel("chi-square per pixel")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right", fontsize=8)
    return figure


def plot_scores(found: xr.Dataset, methods: Sequence[str]) -> Any:
    """Draw biases and scatter of fluxes, and biases of sizes.

    Parameters
    ----------
    found
        As for `plot_chi_square`.
    methods
        Those to draw.

    Returns
    -------
    matplotlib.figure.Figure
        A column for each filter.
    """
    names = {
        "flux_bias": "flux: bias",
        "flux_scatter": "flux: scatter",
        "radius_bias": "half-light\nradius: bias",
    }
    filters = found["filter"].values
    figure, axes = plt.subplots(
        len(names),
        len(filters),
        figsize=(2.1 * len(filters) + 1, 5.2),
        sharex=True,
        sharey="row",
        layout="constrained",
    )
    for line, (quantity, label) in zip(axes, names.items(), strict=True):
        for ax, name in zip(line, filters, strict=True):
            _lines(ax, found[quantity].sel(filter=name), methods)
            ax.axhline(0.0, color="k", linewidth=0.6)
            ax.grid(alpha=0.3)
        line[0].set_ylabel(label)
    for ax, name in zip(axes[0], filters, strict=True):
        ax.set_title(name, fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("z_out")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(methods), fontsize=8)
    return figure


def _lines(ax: Any, values: xr.DataArray, methods: Sequence[str]) -> None:
    """Draw values (z_out,) of each method, with errors if there are seeds."""
    for name in methods:
        colour, marker = _STYLES[name]
        each = values.sel(prediction=name)
        error = None
        if "seed" in each.dims:
            error = each.std("seed", ddof=1) / each.sizes["seed"] ** 0.5
            each = each.mean("seed")
        style = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.2}
        ax.errorbar(each["z_out"], each, error, label=name, capsize=2, **style)
