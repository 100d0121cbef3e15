"""Pictures of training pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["preview", "save"]

# Where the stretch turns from linear to logarithmic, as a fraction of the brightest.
_SOFTENING = 2e-3
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
        A matplotlib figure. Each galaxy and filter has one asinh stretch, from zero to
        the brightest pixel of both images, printed above them.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    figure_of = _figure_class()
    shown = pairs if galaxies is None else pairs.isel(galaxy=slice(galaxies))
    shown = shown[["input", "target"]].load()
    count, filters = shown.sizes["galaxy"], shown.sizes["filter"]
    figure = figure_of(
        figsize=(_INCHES * filters + 0.9, count * (2 * _INCHES + 0.35) + 0.45),
        facecolor="black",
    )
    outer = figure.add_gridspec(
        count,
        1,
        hspace=0.35 / (2 * _INCHES),
        left=0.8 / figure.get_figwidth(),
        right=1 - 0.1 / figure.get_figwidth(),
        top=1 - 0.66 / figure.get_figheight(),
        bottom=0.1 / figure.get_figheight(),
    )
    figure.text(
        0.5,
        1 - 0.16 / figure.get_figheight(),
        "asinh stretch from 0 to the number above, the same for input and target "
        "[scaled uJy / pixel]",
        color="white",
        fontsize=8,
        ha="center",
        va="center",
    )
    for row in range(count):
        axes = (
            outer[row]
            .subgridspec(2, filters, hspace=0.03, wspace=0.03)
            .subplots(squeeze=False)
        )
        _draw_galaxy(axes, shown.isel(galaxy=row), named=row == 0)
    return figure


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


def _draw_galaxy(axes: NDArray[Any], pair: xr.Dataset, *, named: bool) -> None:
    rows = (("input", "z_in"), ("target", "z_out"))
    for column in range(pair.sizes["filter"]):
        cubes = [pair[name].values[..., column] for name, _ in rows]
        brightest = max(float(np.nanmax(cube, initial=0.0)) for cube in cubes)
        for row, cube in enumerate(cubes):
            axis: Axes = axes[row, column]
            axis.imshow(
                _stretched(cube, brightest),
                origin="lower",
                cmap="magma",
                vmin=0,
                vmax=1,
            )
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        title = f"0 to {brightest:.3g}"
        if named:
            title = f"{str(pair['filter'].values[column]).split('_')[-1]}\n{title}"
        axes[0, column].set_title(title, color="white", fontsize=8, pad=3)
    for row, (name, redshift) in enumerate(rows):
        axes[row, 0].set_ylabel(
            f"{name}\nz = {float(pair[redshift]):g}", color="white", fontsize=9
        )


def _stretched(cube: NDArray[Any], brightest: float) -> NDArray[Any]:
    if brightest <= 0:
        return np.zeros_like(cube)
    scaled = np.arcsinh(cube / (_SOFTENING * brightest))
    return np.asarray(scaled / np.arcsinh(1 / _SOFTENING))


def _figure_class() -> type[Figure]:
    try:
        from matplotlib.figure import Figure as Found
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib: pip install 'argdask[plot]'"
        ) from error
    return Found
