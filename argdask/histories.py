"""Histories of star formation in an SED grid: templates of one history are a track."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from argdask.errors import InputError
from argdask.tracks import Tracks, tracks_of

__all__ = ["tracks_in"]

# Coordinates of templates that do not tell tracks apart.
_OF_ONE_TRACK = ("age", "surviving_mass", "template", "template_name")


def tracks_in(seds: xr.DataArray) -> Tracks:
    """Return the tracks of a grid: templates that differ in age alone.

    Parameters
    ----------
    seds
        The checked SED grid.

    Returns
    -------
    Tracks
        Its templates in the order of their tracks and ages.

    Raises
    ------
    InputError
        If its star formation does not run in absolute time, or it does not declare so
        (see `check_seds`), or an age comes twice in a track, or no template differs
        from another in age alone.
    """
    _check_labels(seds)
    return _in_order(seds)


def _refusal(expected: str, cure: str) -> InputError:
    return InputError("templates.evolution", "passive", expected, cure)


def _check_labels(seds: xr.DataArray) -> None:
    """Refuse a grid that does not declare what passive evolution follows from."""
    kind = seds.attrs.get("star_formation_time")
    source = seds.attrs["source"]
    if kind == "relative":
        raise _refusal(
            f"a grid with star formation in absolute time, not as in {source}, where "
            "each history is stretched to the age of its template, so that no template "
            "is the past of another",
            "set it to none, or use a grid of single bursts or other histories in yr",
        )
    coordinates = [
        name for name in ("age", "surviving_mass") if name not in seds.coords
    ]
    if kind is None or coordinates:
        missing = [f"the coordinate {name}" for name in coordinates]
        if kind is None:
            missing.insert(0, "the attribute star_formation_time: absolute")
        raise _refusal(
            f"a grid with star formation in absolute time and the mass that survives; "
            f"{source} has not {' nor '.join(missing)}",
            "set it to none, or add them if they are true of the grid",
        )
    if not seds.attrs["per_solar_mass"]:
        raise _refusal(
            "a grid of fluxes per solar mass, of which the attribute per_solar_mass is "
            "1",
            "set it to none, or divide fluxes by the stellar mass at each age",
        )
    age = seds["age"]
    units = age.attrs["units"]
    if age.dims != ("template",) or age.dtype.kind not in "fiu" or units != "yr":
        wrong = f"{age.dtype} {age.dims} [{units}]"
        cure = "correct it, or set templates.evolution to none"
        raise InputError("seds.age", wrong, "one for each template, in yr", cure)
    if np.isnan(age.values).any():
        bad = f"nan for template {np.argmax(np.isnan(age.values))}"
        cure = "drop this template, or set templates.evolution to none"
        raise InputError("seds.age", bad, "ages above 0", cure)


def _in_order(seds: xr.DataArray) -> Tracks:
    """Return the tracks of a grid that declares all."""
    age = seds["age"].values.astype(np.float64)
    telling: dict[str, Any] = {}
    for name in map(str, seds.coords):
        if seds[name].dims == ("template",) and name not in _OF_ONE_TRACK:
            _, number = np.unique(seds[name].values, return_inverse=True)
            telling[name] = number.ravel()
    every = np.stack([np.zeros(age.size, np.int64), *telling.values()], axis=1)
    _, track = np.unique(every, axis=0, return_inverse=True)
    tracks = tracks_of(track.ravel(), age)
    follows = np.arange(age.size) > tracks.first
    if not follows.any():
        names = [name for name, one in telling.items() if one.max() > 0]
        raise _refusal(
            "templates that differ in age alone, which are one history at several ages",
            f"look at the coordinates {', '.join(names) or 'of the grid'}, and drop "
            "those that change along a history",
        )
    same = follows & (np.diff(tracks.age, prepend=np.nan) == 0)
    if same.any():
        place = int(np.argmax(same))
        one, other = tracks.template[[place - 1, place]]
        raise InputError(
            "seds.age",
            f"{tracks.age[place]:g} for both templates {one} and {other}",
            "each age once among templates that are alike in all else",
            "add a coordinate along template that tells their histories apart",
        )
    return tracks
