"""Pictures of the truth about galaxies: how its columns are distributed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.photometry import ab_magnitude
from argdask.plotting import (
    COLOURS,
    figure_class,
    label_ticks,
    short_name,
    template_labels,
)
from argdask.schema import COMPONENT, ENDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_truth"]

Floats = NDArray[np.float64]

_ACROSS = 3
# Fewest and most bins of a continuous column, and the most of any.
_BINS = 10, 40
_MOST_BINS = 100
# Most steps of a grid, and how far from one a value may be, for rounding.
_GRID, _OFF_GRID = 1000, 1e-3
# Counts that span more than this have a logarithmic scale.
_CROWDED = 20
# Sizes and masses that span more than this have a logarithmic axis.
_SPAN = 10.0
# More templates than this are told by their numbers alone.
_NAMED = 12
# Magnitudes are drawn in the filter nearest to this, as brightness is [Angstrom].
_WAVELENGTH = 8500.0

_SIZE = "half_light_radius"
_SIZES = tuple(f"{_SIZE}_{end}" for end in ENDS.values())
_TEMPLATES = "sed_index", f"{COMPONENT}_sed_index"

# What is drawn, where it is there: columns that share a panel.
_TOGETHER = (
    *(_SIZES, (_SIZE,), ("sersic_index",), ("axis_ratio",), ("bulge_to_total",)),
    *(("magnitude",), ("stellar_mass",), ("image",)),
)


@dataclass(frozen=True)
class _Panel:
    """One histogram."""

    label: str
    """Of its axis, with the unit."""
    columns: dict[str, NDArray[Any]]
    """Values by what tells them from the others."""
    names: dict[int, str] | None = None
    """What the values are called."""

    @property
    def values(self) -> NDArray[Any]:
        """All values."""
        return np.concatenate(list(self.columns.values()))

    @property
    def constant(self) -> bool:
        """Whether there is no more than one value."""
        return np.unique(self.values).size < 2


def plot_truth(pairs: xr.Dataset, *, galaxies: int = 1_000_000) -> Figure:
    """Draw how the truth about galaxies is distributed; no image is read.

    Parameters
    ----------
    pairs
        Training pairs, lazy or not.
    galaxies
        How many at most, evenly over the rows.

    Returns
    -------
    Figure
        A matplotlib figure of histograms: pairs of redshifts, templates, magnitudes at
        both redshifts in the filter nearest to 8500 Angstrom, and those columns of
        sizes, shapes, masses and images that are there. What is the same for all
        galaxies stands in the title. Galaxies of an incomplete store that are not made
        yet are left out.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    InputError
        If there is no galaxy, or none is made yet.
    """
    figure_of = figure_class()
    if pairs.sizes.get("galaxy", 0) < 1 or galaxies < 1:
        expected = "a dataset with galaxies"
        raise InputError("pairs", "no galaxy", expected, "select with a list or slice")
    step = -(-pairs.sizes["galaxy"] // galaxies)
    shown = pairs.isel(galaxy=slice(None, None, step))
    made = np.isfinite(shown["z_in"].values)
    if not made.any():
        cure = "run the command that makes the store again"
        raise InputError("pairs", "no galaxy that is made", "at least one", cure)
    panels = [_templates(shown, made), _magnitudes(shown, made), *_panels(shown, made)]
    drawn = [panel for panel in panels if not panel.constant]
    rows = -(-(len(drawn) + 1) // _ACROSS)
    figure = figure_of(figsize=(3.6 * _ACROSS, 2.8 * rows + 0.4), layout="constrained")
    first, *others = figure.subplots(rows, _ACROSS, squeeze=False).flat
    _draw_redshifts(first, shown, made)
    for axis, panel in zip(others, drawn, strict=False):
        _draw_panel(axis, panel)
    for axis in others[len(drawn) :]:
        axis.set_axis_off()
    told = [f"{made.sum()} of {pairs.sizes['galaxy']} galaxies"]
    for panel in panels:
        if panel.constant and panel.values.size:
            told.append(f"{panel.label}: {panel.values[0]:.6g} for all")
    figure.suptitle("\n".join(told), fontsize=9)
    return figure


def _label(column: xr.DataArray) -> str:
    units = column.attrs.get("units", "1")
    name = str(column.attrs.get("long_name", column.name))
    return name if units == "1" else f"{name} [{units}]"


def _panels(shown: xr.Dataset, made: NDArray[np.bool_]) -> Iterator[_Panel]:
    for names in _TOGETHER:
        there = [name for name in names if name in shown.coords]
        if not there or (names == (_SIZE,) and _SIZES[0] in shown.coords):
            continue  # both sizes are drawn, not that at the reference redshift
        columns: dict[str, NDArray[Any]] = {}
        for name in there:
            end = f"z_{name.rpartition('_')[2]}" if names == _SIZES else ""
            for component, values in _by_component(shown[name], made).items():
                columns[" ".join(filter(None, (component, end)))] = values
        label = _label(shown[there[0]])
        yield _Panel(
            label.replace(" at z_in", "") if names == _SIZES else label, columns
        )


def _by_component(
    column: xr.DataArray, made: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    """Return the values of galaxies that are made, by the names of components."""
    values = column.values[made]
    if COMPONENT not in column.dims:
        return {"": values[np.isfinite(values)]}
    parts = zip(column[COMPONENT].values, values.T, strict=True)
    return {str(name): own[np.isfinite(own)] for name, own in parts}


def _templates(shown: xr.Dataset, made: NDArray[np.bool_]) -> _Panel:
    name = next(one for one in reversed(_TEMPLATES) if one in shown.coords)
    columns = _by_component(shown[name], made)
    panel = _Panel(_label(shown[name]), columns)
    numbers = np.unique(panel.values)
    if numbers.size > _NAMED or "template_name" not in shown.coords:
        return panel
    seen, first = np.unique(shown["sed_index"].values[made], return_index=True)
    rows = np.flatnonzero(made)[first]
    labels = template_labels(shown["template_name"].isel(galaxy=rows))
    told = dict(zip(seen.tolist(), labels, strict=True))
    return _Panel("template", columns, {int(n): told.get(n, str(n)) for n in numbers})


def _magnitudes(shown: xr.Dataset, made: NDArray[np.bool_]) -> _Panel:
    """Return magnitudes at both redshifts, of what has any flux."""
    wavelength = np.atleast_1d(shown["wavelength"].values)
    nearest = int(np.abs(np.log(wavelength / _WAVELENGTH)).argmin())
    at = {"filter": nearest} if "filter" in shown.dims else {}
    columns = {}
    for role, end in ENDS.items():
        flux = shown[f"flux_{end}"].isel(at).values[made]
        columns[role] = ab_magnitude(flux[flux > 0])
    name = short_name(np.atleast_1d(shown["filter"].values)[nearest])
    return _Panel(f"AB magnitude of the total flux in {name} [mag]", columns)


def _draw_redshifts(axis: Axes, shown: xr.Dataset, made: NDArray[np.bool_]) -> None:
    from matplotlib.ticker import MaxNLocator

    columns = [shown[f"z_{end}"] for end in ENDS.values()]
    values = [column.values[made] for column in columns]
    edges = [_edges(one, wide=False) for one in values]
    counts, _ = np.histogramdd(values, bins=edges)
    image = np.where(counts > 0, counts, np.nan).T
    norm = "log" if counts.max() > _CROWDED else "linear"
    drawn = axis.pcolormesh(*edges, image, cmap="viridis", norm=norm)
    whole = MaxNLocator(integer=True) if norm == "linear" else None
    bar = axis.figure.colorbar(drawn, ax=axis, ticks=whole)
    bar.set_label("galaxies", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    _label_axes(axis, *(_label(column) for column in columns))


def _draw_panel(axis: Axes, panel: _Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    wide = any(unit in panel.label for unit in ("[arcsec]", "[solMass]"))
    edges = _edges(panel.values, wide=wide)
    for number, (name, values) in enumerate(panel.columns.items()):
        counts, _ = np.histogram(values, edges)
        colour = COLOURS[number % len(COLOURS)]
        axis.stairs(counts, edges, color=colour, lw=1.4, label=name)
        axis.stairs(counts, edges, color=colour, alpha=0.15, fill=True)
    if len(panel.columns) > 1:
        axis.legend(fontsize=7, frameon=False)
    if wide and edges[-1] - edges[-2] > 1.5 * (edges[1] - edges[0]):
        axis.set_xscale("log")
        label_ticks(axis)
    if panel.names is not None:
        axis.set_xticks(list(panel.names), list(panel.names.values()))
        for label in axis.get_xticklabels():
            # Each ends at its tick: lengths differ.
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    _label_axes(axis, panel.label, "galaxies")


def _label_axes(axis: Axes, across: str, up: str) -> None:
    axis.set_xlabel(textwrap.fill(across, 40), fontsize=8)
    axis.set_ylabel(textwrap.fill(up, 40), fontsize=8)
    axis.tick_params(labelsize=7)


def _edges(values: NDArray[Any], *, wide: bool) -> Floats:
    """Return edges of bins: around the steps of a grid, between repeated values, even.

    With `wide`, even in the logarithm where the values span much.
    """
    there = np.unique(values).astype(float)
    if there.size == 1:
        return np.asarray(there[0] + np.array([-0.5, 0.5]))
    step = np.diff(there).min()
    steps = (there - there[0]) / step
    if steps[-1] < _GRID and np.allclose(steps, np.round(steps), atol=_OFF_GRID):
        merged = -(-int(steps[-1] + 1.5) // _MOST_BINS)
        bins = -(-int(steps[-1] + 1.5) // merged)
        return np.asarray(there[0] + step * (merged * np.arange(bins + 1) - 0.5))
    if 2 * there.size <= values.size and there.size <= _MOST_BINS:
        middle = (there[1:] + there[:-1]) / 2
        ends = 2 * there[0] - middle[0], 2 * there[-1] - middle[-1]
        return np.array([ends[0], *middle, ends[1]])
    bins = int(np.clip(2 * np.sqrt(values.size), *_BINS))
    if wide and there[0] > 0 and there[-1] > _SPAN * there[0]:
        return np.geomspace(there[0], there[-1], bins + 1)
    return np.linspace(there[0], there[-1], bins + 1)
