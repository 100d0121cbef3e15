"""Pictures of training pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.composites import composite
from argdask.errors import InputError
from argdask.schema import ENDS, layer_of, role_of
from argdask.stretches import SIGMAS, first_galaxies, image_names, noise, stretched

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "figure_class",
    "label_ticks",
    "preview",
    "save",
    "short_name",
    "template_labels",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Those of Okabe and Ito, which are told apart with any colour vision."""

_INCHES = 1.25
# Most galaxies across where they are drawn in colour.
_ACROSS = 8


def preview(
    pairs: xr.Dataset, *, galaxies: int | None = None, rgb: bool = False
) -> Figure:
    """Draw galaxies, the input above the target, with the filters across.

    Parameters
    ----------
    pairs
        Training pairs; only the galaxies that are drawn are computed.
    galaxies
        How many of the first galaxies to draw; all if left out.
    rgb
        Draw colour images instead, as `argdask.composite` makes them, with the galaxies
        across.

    Returns
    -------
    Figure
        A matplotlib figure with a row for every layer of the input, then of the target.
        Each galaxy and filter has one asinh stretch for all of its rows, up to their
        brightest pixel, from zero or, where there is noise, from three sigma below. Its
        limits are printed above them. Colour images have one stretch for each galaxy.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    InputError
        If there are no images or no galaxies.
    """
    figure_of = figure_class()
    if rgb:
        return _preview_in_colour(figure_of, pairs, galaxies)
    names = image_names(pairs)
    shown = first_galaxies(pairs, galaxies)[names].load()
    count, filters = shown.sizes["galaxy"], shown.sizes["filter"]
    block = len(names) * _INCHES
    figure = figure_of(
        figsize=(max(_INCHES * filters + 0.9, 5.6), count * (block + 0.35) + 0.45),
        facecolor="black",
    )
    outer = figure.add_gridspec(
        count,
        1,
        hspace=0.35 / block,
        left=0.8 / figure.get_figwidth(),
        right=(0.8 + _INCHES * filters) / figure.get_figwidth(),
        top=1 - 0.66 / figure.get_figheight(),
        bottom=0.1 / figure.get_figheight(),
    )
    figure.text(
        0.5,
        1 - 0.16 / figure.get_figheight(),
        "asinh stretch between the numbers shown, the same for input and target "
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


def _preview_in_colour(
    figure_of: type[Figure], pairs: xr.Dataset, galaxies: int | None
) -> Figure:
    """Draw colour images, the galaxies across, the input above the target."""
    shown = composite(pairs, galaxies=galaxies)
    names = list(shown.data_vars)
    count = shown.sizes["galaxy"]
    across = min(count, _ACROSS)
    rows = len(names) * -(-count // across)
    inches = 1.3 * _INCHES
    width, height = max(inches * across + 0.9, 4.5), inches * rows + 0.3
    figure = figure_of(figsize=(width, height), facecolor="black")
    axes = figure.add_gridspec(
        *(rows, across),
        hspace=0.03,
        wspace=0.03,
        left=0.8 / width,
        right=1 - 0.1 / width,
        top=1 - 0.28 / height,
        bottom=0.02 / height,
    ).subplots(squeeze=False)
    colours = zip(shown["colour"].values, shown["filter"].values, strict=True)
    told = ", ".join(f"{colour} {short_name(name)}" for colour, name in colours)
    told += "; one asinh stretch for each galaxy"
    figure.text(0.5, 1 - 0.14 / height, told, color="white", ha="center", va="center")
    figure.texts[0].set_fontsize(8)
    for axis in axes.flat:
        axis.set_axis_off()
    for galaxy in range(count):
        block, column = divmod(galaxy, across)
        pair = shown.isel(galaxy=galaxy)
        for row, name in enumerate(names):
            axis = axes[block * len(names) + row, column]
            axis.imshow(pair[name].values, origin="lower")
            redshift = float(pair[f"z_{ENDS[role_of(str(name))]}"])
            axis.text(
                *(0.04, 0.96, f"z = {redshift:.4g}"),
                transform=axis.transAxes,
                **{"color": "white", "fontsize": 7, "va": "top"},
            )
            if column == 0:
                layer = layer_of(str(name))
                words = [role_of(str(name)), *([] if layer == "clean" else [layer])]
                axis.text(
                    *(-0.06, 0.5, "\n".join(words)),
                    transform=axis.transAxes,
                    **{"color": "white", "fontsize": 9, "ha": "right", "va": "center"},
                )
    return figure


def short_name(filter_name: str) -> str:
    """Return the last word of a filter's name, as f160w of wfc3_ir_f160w."""
    return str(filter_name).split("_")[-1]


def template_labels(known: xr.Dataset | xr.DataArray) -> list[str]:
    """Tell templates apart: those that one spectrum makes differ in their dust.

    Parameters
    ----------
    known
        A grid, or galaxies, with the coordinate `template_name`, of any shape.

    Returns
    -------
    list of str
        Names, with the colour excess [mag] of those that have dust.
    """
    names = [str(name) for name in known["template_name"].values.flat]
    if "e_bv" not in known.coords:
        return names
    dust = known["e_bv"].values.flat
    return [
        f"{name}, E(B-V) {excess:g}" if excess > 0 else name
        for name, excess in zip(names, dust, strict=True)
    ]


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
    sigmas = noise(pair, names)
    for column in range(pair.sizes["filter"]):
        cubes = [pair[name].values[..., column] for name in names]
        brightest = max(float(np.nanmax(cube, initial=0.0)) for cube in cubes)
        sigma = float(sigmas[column])
        for row, cube in enumerate(cubes):
            axis: Axes = axes[row, column]
            axis.imshow(
                stretched(cube, brightest, sigma),
                origin="lower",
                cmap="magma",
                vmin=0,
                vmax=1,
            )
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        high = f"{brightest:,.0f}" if brightest >= 1000 else f"{brightest:.3g}"
        title = f"{-SIGMAS * sigma:.2g} to {high}".replace("-0 ", "0 ")
        if titled:
            title = f"{short_name(pair['filter'].values[column])}\n{title}"
        axes[0, column].set_title(title, color="white", fontsize=8, pad=3)
    seen = set()
    for row, name in enumerate(names):
        role, layer = role_of(name), layer_of(name)
        told = [] if layer == "clean" else [layer]
        if role not in seen:
            redshift = float(pair[f"z_{ENDS[role]}"])
            told = [role, *told, f"z = {redshift:.4g}"]
        seen.add(role)
        axes[row, 0].set_ylabel("\n".join(told), color="white", fontsize=9)


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


def label_ticks(axis: Axes) -> None:
    """Label 1, 2 and 5 on a logarithmic axis of wavelengths as plain numbers.

    Parameters
    ----------
    axis
        The axes, of which x is logarithmic.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
