"""Pictures of training pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.schema import ENDS, IMAGES, layer_of, role_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure_class", "preview", "save"]

# Where the stretch turns from linear to logarithmic, as a fraction of the brightest.
_SOFTENING = 2e-3
# How far below zero it begins where there is noise.
_SIGMAS = 3.0
_INCHES = 1.25


def preview(pairs: xr.Dataset, *, galaxies: int | None = None) -> Figure:
    """Draw galaxies, the input above the target, with the filters across.

    Parameters
    ----------
    pairs
        Training pairs; only the galaxies that are drawn are computed.
    galaxies
        How many of the first galaxies to draw; all if left out.

    Returns
    -------
    Figure
        A matplotlib figure with a row for every layer of the input, then of the target.
        Each galaxy and filter has one asinh stretch for all of its rows, up to their
        brightest pixel, from zero or, where there is noise, from three sigma below. Its
        limits are printed above them.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    InputError
        If there are no images.
    """
    figure_of = figure_class()
    shown = pairs if galaxies is None else pairs.isel(galaxy=slice(galaxies))
    if "galaxy" not in shown.dims:
        shown = shown.expand_dims("galaxy")
    names = _rows(pairs)
    shown = shown[names].load()
    count, filters = shown.sizes["galaxy"], shown.sizes["filter"]
    block = len(names) * _INCHES
    figure = figure_of(
        figsize=(_INCHES * filters + 0.9, count * (block + 0.35) + 0.45),
        facecolor="black",
    )
    outer = figure.add_gridspec(
        count,
        1,
        hspace=0.35 / block,
        left=0.8 / figure.get_figwidth(),
        right=1 - 0.1 / figure.get_figwidth(),
        top=1 - 0.66 / figure.get_figheight(),
        bottom=0.1 / figure.get_figheight(),
    )
    figure.text(
        0.5,
        1 - 0.16 / figure.get_figheight(),
        "asinh stretch between the numbers above, the same for input and target "
        "[scaled uJy / pixel]",
        color="white",
        fontsize=8,
        ha="center",
        va="center",
    )
    for row in range(count):
        axes = (
            outer[row]
            .subgridspec(len(names), filters, hspace=0.03, wspace=0.03)
            .subplots(squeeze=False)
        )
        _draw_galaxy(axes, shown.isel(galaxy=row), names, titled=row == 0)
    return figure


def _rows(pairs: xr.Dataset) -> list[str]:
    """Return the images of a dataset, those of the input first."""
    there = [name for name in IMAGES if name in pairs.data_vars]
    if not there:
        raise InputError(
            "pairs", "a dataset without images", "input and target", "keep a layer"
        )
    return sorted(there, key=lambda name: list(ENDS).index(role_of(name)))


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file.

    Parameters
    ----------
    figure
        The figure.
    path
        The file; its ending says the format.

    Raises
    ------
    InputError
        If the file cannot be written or its ending is no format.
    """
    try:
        if not Path(path).suffix:
            raise ValueError("without an ending")
        figure.savefig(path, dpi=150, facecolor=figure.get_facecolor())
    except (OSError, ValueError) as error:
        raise InputError(
            "picture", str(path), f"a file for a picture ({error})", "try preview.png"
        ) from None


def _draw_galaxy(
    axes: NDArray[Any], pair: xr.Dataset, names: list[str], *, titled: bool
) -> None:
    for column in range(pair.sizes["filter"]):
        cubes = [pair[name].values[..., column] for name in names]
        brightest = max(float(np.nanmax(cube, initial=0.0)) for cube in cubes)
        sigma = _noise(pair.isel(filter=column), names)
        for row, cube in enumerate(cubes):
            axis: Axes = axes[row, column]
            axis.imshow(
                _stretched(cube, brightest, sigma),
                origin="lower",
                cmap="magma",
                vmin=0,
                vmax=1,
            )
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        title = f"{-_SIGMAS * sigma:.2g} to {brightest:.3g}".replace("-0 ", "0 ")
        if titled:
            title = f"{str(pair['filter'].values[column]).split('_')[-1]}\n{title}"
        axes[0, column].set_title(title, color="white", fontsize=8, pad=3)
    seen = set()
    for row, name in enumerate(names):
        role, layer = role_of(name), layer_of(name)
        told = [] if layer == "clean" else [layer]
        if role not in seen:
            redshift = float(pair[f"z_{ENDS[role]}"])
            told = [role, *told, f"z = {redshift:g}"]
        seen.add(role)
        axes[row, 0].set_ylabel("\n".join(told), color="white", fontsize=9)


def _noise(pair: xr.Dataset, names: list[str]) -> float:
    """Return the larger sigma of the background, in the unit of the images."""
    known = [
        float(pair[sigma])
        for name in names
        if layer_of(name) == "noisy"
        and (sigma := f"background_sigma_{ENDS[role_of(name)]}") in pair.coords
    ]
    return float(pair.attrs.get("scale", 1.0)) * max(known, default=0.0)


def _stretched(cube: NDArray[Any], brightest: float, sigma: float) -> NDArray[Any]:
    if brightest <= 0:
        return np.zeros_like(cube)
    knee = max(_SOFTENING * brightest, sigma)
    low, high = np.arcsinh([-_SIGMAS * sigma / knee, brightest / knee])
    return np.asarray((np.arcsinh(cube / knee) - low) / (high - low))


def figure_class() -> type[Figure]:
    """Return a matplotlib figure that needs no display, and that notebooks show.

    Returns
    -------
    type
        The class.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from argdask.figures import Picture
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib: pip install 'argdask[plot]'"
        ) from error
    return Picture
