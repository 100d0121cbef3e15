"""Pictures of training pairs and of SED grids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.filter_curves import filter_curve, filter_names
from argdask.photometry import ab_magnitude
from argdask.seds import check_seds, cosmology

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_seds", "preview", "save"]

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
    if "galaxy" not in shown.dims:
        shown = shown.expand_dims("galaxy")
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


def plot_seds(seds: xr.DataArray, *, templates: int = 8) -> Figure:
    """Draw a grid: templates, filters, and colours against redshift.

    Parameters
    ----------
    seds
        An SED grid.
    templates
        How many to draw, evenly from the bluest to the reddest.

    Returns
    -------
    Figure
        A matplotlib figure of four panels: rest-frame spectra as the filters see them,
        a piece for each filter; the filter curves, or lines at the wavelengths of
        filters that sedpy does not have; two colours against redshift. What is not
        valid is left out.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    InputError
        If it is no grid.
    """
    figure = _figure_class()(figsize=(11, 8), layout="constrained")
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    seds = check_seds(seds)
    seds = seds.isel(filter=np.argsort(seds["wavelength"].values, kind="stable"))
    valid = seds["valid"].values[:, None, :]
    magnitude = np.where(valid & (seds.values > 0), ab_magnitude(seds.values), np.nan)
    blue, middle, red = 0, seds.sizes["filter"] // 2, seds.sizes["filter"] - 1
    shown = _from_blue_to_red(magnitude[:, blue] - magnitude[:, red], templates)
    colours = colormaps["turbo"](np.linspace(0.08, 0.95, len(shown)))
    (spectra, curves), tracks = figure.subplots(2, 2)
    _draw_spectra(spectra, seds, magnitude[:, :, shown], colours)
    if "template_name" in seds.coords:
        names = [str(name) for name in seds["template_name"].values[shown]]
        handles = [Line2D([], [], color=colour) for colour in colours]
        spectra.legend(handles, names, fontsize=6, frameon=False)
    _draw_filters(curves, seds)
    names = [str(name) for name in seds["filter"].values]
    redshift = seds["redshift"].values
    for axis, (first, second) in zip(
        tracks, ((blue, middle), (middle, red)), strict=True
    ):
        for template, colour in zip(shown, colours, strict=True):
            track = magnitude[:, first, template] - magnitude[:, second, template]
            axis.plot(redshift, track, color=colour, lw=1.2)
        axis.set(xlabel="redshift", ylabel=f"{names[first]} - {names[second]} [mag]")
    return figure


def _from_blue_to_red(colour: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return templates, evenly from the least to the greatest colour they ever have."""
    known = np.isfinite(colour)
    total = np.where(known, colour, 0.0).sum(axis=0)
    mean = total / np.maximum(known.sum(axis=0), 1)
    order = np.argsort(mean, kind="stable")
    order = order[known.any(axis=0)[order]]
    if not order.size:  # with one filter, or bands that are never seen together
        order = np.arange(colour.shape[1])
    even = np.linspace(0, order.size - 1, min(count, order.size))
    return np.asarray(order[np.round(even).astype(int)])


def _draw_spectra(
    axis: Axes, seds: xr.DataArray, magnitude: NDArray[Any], colours: NDArray[Any]
) -> None:
    redshift = seds["redshift"].values
    distance = cosmology(seds).luminosity_distance(redshift).to_value("Mpc")
    dimming = 5 * np.log10(1e5 * distance) - 2.5 * np.log10(1 + redshift)
    for band, wavelength in enumerate(seds["wavelength"].values):
        rest = wavelength / (1 + redshift) / 1e4
        for template, colour in enumerate(colours):
            absolute = magnitude[:, band, template] - dimming
            axis.plot(rest, absolute, color=colour, lw=0.8, alpha=0.8)
    name = "absolute AB magnitude of one solar mass"
    axis.set(
        xscale="log",
        xlabel="rest-frame wavelength [um]",
        ylabel=name if seds.attrs["per_solar_mass"] else "absolute AB magnitude",
    )
    _label_ticks(axis)
    axis.yaxis.set_inverted(True)
    axis.set_title("templates, as the filters see them", fontsize=9)


def _draw_filters(axis: Axes, seds: xr.DataArray) -> None:
    names = [str(name) for name in seds["filter"].values]
    for name, at in zip(names, seds["wavelength"].values, strict=True):
        if name in filter_names():
            wavelength, transmission = filter_curve(name)
            wavelength = wavelength / 1e4
            relative = transmission / transmission.max()
            (line,) = axis.plot(wavelength, relative, lw=1)
            axis.fill_between(wavelength, relative, color=line.get_color(), alpha=0.15)
        else:
            line = axis.axvline(at / 1e4, ymax=1 / 1.6, lw=1, ls=":")
        text = axis.text(at / 1e4, 1.03, name, color=line.get_color(), fontsize=6)
        text.set(rotation=90, ha="center", va="bottom")
    axis.set(xscale="log", ylim=(0, 1.6), xlabel="wavelength [um]")
    _label_ticks(axis)
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.set_ylabel("transmission / its peak")
    axis.set_title("filters", fontsize=9)


def _label_ticks(axis: Axes) -> None:
    """Label 1, 2 and 5 on a logarithmic axis as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


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
