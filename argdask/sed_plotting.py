"""Pictures of SED grids."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.filter_curves import filter_curve, filter_names
from argdask.photometry import ab_magnitude
from argdask.plotting import COLOURS, figure_class, label_ticks, template_labels
from argdask.seds import check_seds, cosmology

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_seds"]


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
    figure = figure_class()(figsize=(11, 8), layout="constrained")
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    seds = check_seds(seds)
    seds = seds.isel(filter=np.argsort(seds["wavelength"].values, kind="stable"))
    valid = seds["valid"].values[:, None, :]
    magnitude = np.where(valid & (seds.values > 0), ab_magnitude(seds.values), np.nan)
    blue, middle, red = 0, seds.sizes["filter"] // 2, seds.sizes["filter"] - 1
    shown = _from_blue_to_red(magnitude[:, blue] - magnitude[:, red], templates)
    colours = colormaps["viridis"](np.linspace(0.0, 0.88, len(shown)))
    (spectra, curves), tracks = figure.subplots(2, 2)
    _draw_spectra(spectra, seds, magnitude[:, :, shown], colours)
    if "template_name" in seds.coords:
        names = template_labels(seds.isel(template=shown))
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
    label_ticks(axis)
    axis.yaxis.set_inverted(True)
    axis.set_title("templates, as the filters see them", fontsize=9)


def _draw_filters(axis: Axes, seds: xr.DataArray) -> None:
    names = [str(name) for name in seds["filter"].values]
    for name, at, colour in zip(
        names, seds["wavelength"].values, cycle(COLOURS), strict=False
    ):
        if name in filter_names():
            wavelength, transmission = filter_curve(name)
            wavelength = wavelength / 1e4
            relative = transmission / transmission.max()
            axis.plot(wavelength, relative, color=colour, lw=1)
            axis.fill_between(wavelength, relative, color=colour, alpha=0.15)
        else:
            axis.axvline(at / 1e4, ymax=1 / 1.6, color=colour, lw=1, ls=":")
        text = axis.text(at / 1e4, 1.03, name, color=colour, fontsize=6)
        text.set(rotation=90, ha="center", va="bottom")
    axis.set(xscale="log", ylim=(0, 1.6), xlabel="wavelength [um]")
    label_ticks(axis)
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.set_ylabel("transmission / its peak")
    axis.set_title("filters", fontsize=9)
