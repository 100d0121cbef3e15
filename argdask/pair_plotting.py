"""A picture of one galaxy: its images in all filters, its fluxes, its truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.composites import composite
from argdask.errors import InputError
from argdask.plotting import (
    COLOURS,
    figure_class,
    label_ticks,
    short_name,
    template_labels,
)
from argdask.schema import COMPONENT, ENDS, LAYERS, image_name
from argdask.stretches import SIGMAS, image_names, noise, stretched

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_pair"]

_INCHES = 1.2
# Height of the panel with the fluxes, and what titles and labels take [inches].
_FLUXES, _ABOVE, _BETWEEN, _LEFT, _BELOW = 2.6, 0.85, 0.75, 0.9, 0.5
_TRUTH_WIDTH = 2.4
_CENTRED: dict[str, Any] = {"fontsize": 8, "ha": "center", "va": "top"}
# A residual below this part of the brightest pixel is rounding.
_ROUNDING = 1e-5
# Where the stretch of a residual turns from linear to logarithmic, of its largest.
_RESIDUAL_SOFTENING = 0.02
_RESIDUAL = "residual"

# The truth that is told, in this order, where there is any.
_TRUTH = (
    *("magnitude", "stellar_mass", "bulge_to_total", "half_light_radius"),
    *("half_light_radius_in", "half_light_radius_out", "sersic_index", "axis_ratio"),
    *("position_angle", "image", "image_redshift"),
)

# Colour and marker of the fluxes; lines of a galaxy and of its components.
_ROLES = {"input": (COLOURS[0], "o"), "target": (COLOURS[1], "s")}
_LINES = ("-", "--", ":", "-.")


def plot_pair(
    pairs: xr.Dataset, *, galaxy: int = 0, layers: Sequence[str] | None = None
) -> Figure:
    """Draw one galaxy: input, target and residual in all filters, and its fluxes.

    Parameters
    ----------
    pairs
        Training pairs; only the galaxy that is drawn is computed.
    galaxy
        Its row in the dataset, from the end if negative; left alone where the dataset
        is of one galaxy and has no such dimension.
    layers
        Which of clean, convolved and noisy to draw; all that are there if left out.

    Returns
    -------
    Figure
        A matplotlib figure. Above, for each layer, the input and the target, which
        share a stretch, in colour and in each filter, with the ratio of the fluxes; and
        the residual target - ratio * input, what differs by more than brightness, where
        there is any. Below, the total fluxes against wavelength at both redshifts, with
        the templates' names, and the truth.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    InputError
        If there is no such galaxy or layer, or no dimension of filters.
    """
    figure_of = figure_class()
    pair = _one(pairs, galaxy)
    names = _names(pair, layers)
    asked = {name for by_role in names.values() for name in by_role.values()}
    # Not a selection by name: that would leave out what components have.
    shown = pair.drop_vars(set(image_names(pair)) - asked).load()
    rows = _rows(shown, names)
    columns = 1 + shown.sizes["filter"]
    images = _INCHES * len(rows)
    width = max(_INCHES * columns + _LEFT + 0.1, 8.0)
    height = _ABOVE + images + _BETWEEN + _FLUXES + _BELOW
    figure = figure_of(figsize=(width, height), facecolor="white")
    axes = figure.add_gridspec(
        *(len(rows), columns),
        hspace=0.04,
        wspace=0.04,
        left=_LEFT / width,
        right=(_LEFT + _INCHES * columns) / width,
        top=1 - _ABOVE / height,
        bottom=1 - (_ABOVE + images) / height,
    ).subplots(squeeze=False)
    _draw_images(axes, shown, names, rows)
    below: Any = figure.add_gridspec(
        *(1, 2),
        width_ratios=(width - _LEFT - _TRUTH_WIDTH, _TRUTH_WIDTH),
        wspace=0.08,
        left=_LEFT / width,
        right=1 - 0.1 / width,
        top=(_FLUXES + _BELOW) / height,
        bottom=_BELOW / height,
    ).subplots()
    _draw_fluxes(below[0], shown)
    _tell_truth(below[1], shown)
    told = [
        f"galaxy_id {int(shown['galaxy_id'])}: "
        "limits in uJy / pixel of an asinh stretch, "
        "the same for input and target",
        "ratio: total flux of the target / that of the input"
        + "; residual: target - ratio * input" * any(r.role == _RESIDUAL for r in rows),
    ]
    figure.text(0.5, 1 - 0.06 / height, "\n".join(told), **_CENTRED)
    return figure


def _one(pairs: xr.Dataset, galaxy: int) -> xr.Dataset:
    if "filter" not in pairs.dims:
        cure = "select with a list, as filter=[0]"
        raise InputError("pairs", "a dataset of one filter", "filters", cure)
    if "galaxy" not in pairs.dims:
        return pairs
    count = pairs.sizes["galaxy"]
    if not -count <= galaxy < count:
        expected = f"a row of the {count} there are"
        raise InputError("galaxy", galaxy, expected, "it is no galaxy_id")
    return pairs.isel(galaxy=galaxy)


def _names(pair: xr.Dataset, layers: Sequence[str] | None) -> dict[str, dict[str, str]]:
    """Return the names of the images of each layer, by role."""
    there = set(image_names(pair))
    found: dict[str, dict[str, str]] = {}
    for layer in LAYERS:
        by_role = {role: image_name(role, layer) for role in ENDS}
        kept = {role: name for role, name in by_role.items() if name in there}
        if kept:
            found[layer] = kept
    asked = (
        list(found)
        if layers is None
        else [*([layers] if isinstance(layers, str) else layers)]
    )
    for layer in asked:
        if layer not in found:
            expected = f"among {', '.join(found)}"
            raise InputError("layers", layer, expected, "leave it out for all")
    return {layer: found[layer] for layer in asked}


@dataclass(frozen=True)
class _Row:
    """A row of images."""

    layer: str
    role: str
    cube: NDArray[Any]


def _rows(shown: xr.Dataset, names: dict[str, dict[str, str]]) -> list[_Row]:
    """Return images (y, x, filter) [uJy / pixel] row by row."""
    scale = float(shown.attrs.get("scale", 1.0))
    rows = []
    for layer, by_role in names.items():
        cubes = {role: shown[name].values / scale for role, name in by_role.items()}
        rows += [_Row(layer, role, cube) for role, cube in cubes.items()]
        if len(cubes) == len(ENDS):
            residual = cubes["target"] - _ratio(shown) * cubes["input"]
            if _highest(np.abs(residual)) > _ROUNDING * _highest(cubes["target"]):
                rows.append(_Row(layer, _RESIDUAL, residual))
    return rows


def _highest(cube: NDArray[Any]) -> float:
    return float(np.nanmax(cube, initial=0.0))


def _ratio(shown: xr.Dataset) -> NDArray[np.float64]:
    """Return the flux of the target over that of the input (filter,), or NaN."""
    fluxes = shown["flux_in"].values, shown["flux_out"].values
    nothing = np.full(fluxes[0].shape, np.nan)
    return np.asarray(np.divide(fluxes[1], fluxes[0], out=nothing, where=fluxes[0] > 0))


def _draw_images(
    axes: NDArray[Any],
    shown: xr.Dataset,
    names: dict[str, dict[str, str]],
    rows: list[_Row],
) -> None:
    from matplotlib.ticker import MaxNLocator

    extent, unit = _extent(shown)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    _draw_colours(axes[:, 0], shown, names, rows)
    for layer, by_role in names.items():
        sigmas = noise(shown, by_role.values()) / shown.attrs.get("scale", 1.0)
        for column in range(shown.sizes["filter"]):
            own = {
                number: (row.role, row.cube[..., column])
                for number, row in enumerate(rows)
                if row.layer == layer
            }
            cells = {number: axes[number, column + 1] for number in own}
            _draw_filter(cells, own, float(sigmas[column]), _ratio(shown)[column])
    for axis, name in zip(axes[0, 1:], shown["filter"].values, strict=True):
        axis.set_title(short_name(name), fontsize=8, pad=3)
    for axis in axes.flat:
        for image in axis.images:
            image.set_extent(extent)
    # The places in the frame are told at one image, for all.
    corner = axes[-1, 1]
    corner.xaxis.set_major_locator(MaxNLocator(4))
    corner.tick_params(labelsize=6, length=2, pad=1)
    corner.set_xlabel(f"x, y [{unit}]", fontsize=6, labelpad=1)


def _draw_colours(
    axes: NDArray[Any],
    shown: xr.Dataset,
    names: dict[str, dict[str, str]],
    rows: list[_Row],
) -> None:
    """Draw the first column: what each row is, and its images in colour."""
    colours = composite(shown)
    for axis, row in zip(axes, rows, strict=True):
        layer = "" if row.layer == "clean" else f"{row.layer} "
        if row.role == _RESIDUAL:
            axis.set_frame_on(False)
            axis.set_ylabel(f"{layer}residual", fontsize=7)
            continue
        axis.imshow(colours[names[row.layer][row.role]].values[0], origin="lower")
        redshift = float(shown[f"z_{ENDS[row.role]}"])
        axis.set_ylabel(f"{layer}{row.role}\nz = {redshift:.4g}", fontsize=7)
    chosen = zip(colours["colour"].values, colours["filter"].values, strict=True)
    told = "\n".join(f"{colour} {short_name(name)}" for colour, name in chosen)
    axes[0].set_title(told, fontsize=6, pad=3)


def _draw_filter(
    axes: dict[int, Axes],
    cubes: dict[int, tuple[str, NDArray[Any]]],
    sigma: float,
    ratio: float,
) -> None:
    """Draw the images of one layer in one filter, by the number of their rows."""
    brightest = max(_highest(image) for role, image in cubes.values() if role in ENDS)
    low = f"{-SIGMAS * sigma:.1g}" if sigma else "0"
    told = {
        "input": f"{low} to {brightest:.2g}",
        "target": f"ratio {ratio:.3g}" if np.isfinite(ratio) else "",
    }
    for number, (role, image) in cubes.items():
        axis = axes[number]
        if role in ENDS:
            image = stretched(image, brightest, sigma)
            axis.imshow(image, origin="lower", cmap="magma", vmin=0, vmax=1)
            _tell(axis, told[role], "white", "black")
        else:
            limit = _highest(np.abs(image)) or 1.0
            knee = max(_RESIDUAL_SOFTENING * limit, sigma)
            image = np.arcsinh(image / knee) / np.arcsinh(limit / knee)
            axis.imshow(image, origin="lower", cmap="RdBu_r", vmin=-1, vmax=1)
            _tell(axis, f"\u00b1{limit:.2g}", "black", "white")


def _tell(axis: Axes, text: str, colour: str, behind: str) -> None:
    box = {"facecolor": behind, "alpha": 0.7, "pad": 0.8, "edgecolor": "none"}
    told = axis.text(0.03, 0.97, text, transform=axis.transAxes, color=colour, bbox=box)
    told.set(fontsize=6, va="top")


def _extent(shown: xr.Dataset) -> tuple[tuple[float, float, float, float], str]:
    """Return the edges of the frame (left, right, bottom, top) and their unit."""
    recipe = json.loads(shown.attrs.get("recipe", "{}"))
    scale, unit = recipe.get("pixel_scale", 1.0), "arcsec"
    if "pixel_scale" not in recipe:
        unit = "pixel"
    width, height = (0.5 * scale * shown.sizes[dim] for dim in ("x", "y"))
    return (-width, width, -height, height), unit


def _draw_fluxes(axis: Axes, shown: xr.Dataset) -> None:
    wavelength = shown["wavelength"].values / 1e4
    order = np.argsort(wavelength, kind="stable")
    for role, (colour, marker) in _ROLES.items():
        end = ENDS[role]
        told = f"{role}, z = {float(shown[f'z_{end}']):.4g}"
        fluxes = {told: shown[f"flux_{end}"].values} | _of_components(shown, role)
        for number, (label, flux) in enumerate(fluxes.items()):
            seen = order[flux[order] > 0]
            style = _LINES[min(number, len(_LINES) - 1)]
            (line,) = axis.plot(wavelength[seen], flux[seen], style, label=label)
            line.set(color=colour, marker="" if number else marker, markersize=5, lw=1)
    axis.set(xscale="log", yscale="log", xlabel="wavelength [um]")
    axis.set_ylabel("total flux [uJy]")
    axis.set_title(_templates(shown), fontsize=8)
    label_ticks(axis)
    axis.tick_params(labelsize=8)
    axis.legend(fontsize=7, frameon=False)


def _of_components(shown: xr.Dataset, role: str) -> dict[str, NDArray[Any]]:
    """Return the fluxes (filter,) of the components, by what they are called."""
    name = f"{COMPONENT}_flux_{ENDS[role]}"
    if name not in shown.coords:
        return {}
    fluxes = shown[name].transpose(COMPONENT, "filter").values
    parts = shown[COMPONENT].values
    return {f"{part}, {role}": f for part, f in zip(parts, fluxes, strict=True)}


def _templates(shown: xr.Dataset) -> str:
    """Return which templates the galaxy has, for a title."""
    told = ""
    if "template_name" in shown.coords:
        told = f"template {template_labels(shown)[0]}"
    elif "sed_index" in shown.coords:
        told = f"template {shown['sed_index'].item()}"
    numbers = f"{COMPONENT}_sed_index"
    if numbers not in shown.coords:
        return told
    parts = zip(shown[COMPONENT].values, shown[numbers].values, strict=True)
    return f"{told} (" + ", ".join(f"{name}: number {n}" for name, n in parts) + ")"


def _tell_truth(axis: Axes, shown: xr.Dataset) -> None:
    """Write what is known of the galaxy, a line for each name."""
    axis.set_axis_off()
    lines = []
    for name in _TRUTH:
        if name in shown.coords:
            values = np.atleast_1d(shown[name].values)
            unit = shown[name].attrs.get("units", "1")
            shown_as = ", ".join(f"{value:.4g}" for value in values)
            unit = "" if unit == "1" else f" {unit}"
            lines.append(f"{name}\n     {shown_as}{unit}")
    told = axis.text(0.0, 1.0, "\n".join(lines), transform=axis.transAxes)
    told.set(fontsize=8, va="top", linespacing=1.15)
