"""Cosmologies by name and by parameters, as JSON and YAML can hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from argdask.errors import InputError, nearest

__all__ = ["DEFAULT_COSMOLOGY", "checked_cosmology", "named_cosmology"]

# Name in astropy.cosmology, and the parameters that it cannot do without.
_NEEDED = {
    "FlatLambdaCDM": {"H0", "Om0"},
    "LambdaCDM": {"H0", "Om0", "Ode0"},
    "wCDM": {"H0", "Om0", "Ode0", "w0"},
}
# Radiation, neutrinos and baryons, which the published cosmologies have.
_OPTIONAL = {"Tcmb0", "Neff", "m_nu", "Ob0"}

DEFAULT_COSMOLOGY: dict[str, Any] = {"name": "FlatLambdaCDM", "H0": 70.0, "Om0": 0.3}

_EXPECTED = "the name and parameters of a cosmology: " + ", ".join(
    f"{name} ({', '.join(sorted(needed))})" for name, needed in _NEEDED.items()
)
_CURE = f"write for instance {json.dumps(DEFAULT_COSMOLOGY)}"


def checked_cosmology(given: object, *, field: str = "cosmology") -> dict[str, Any]:
    """Check the parameters of a cosmology.

    Parameters
    ----------
    given
        A mapping, or JSON that holds one, such as
        ``{"name": "FlatLambdaCDM", "H0": 70.0, "Om0": 0.3}``: H0 in km / s / Mpc;
        where wanted Tcmb0 in K, Neff, m_nu in eV (a list) and Ob0.
    field
        What to call it in an error.

    Returns
    -------
    dict
        The name, then the parameters as plain numbers, in the order of the alphabet.

    Raises
    ------
    InputError
        It is not one that argdask knows.
    """
    expected = f"JSON with {_EXPECTED}"
    try:
        held: Any = json.loads(given) if isinstance(given, str) else given
        parameters = dict(held)
        name = parameters.pop("name")
        needed = _NEEDED[name]
        plain = {key: _number(key, parameters[key]) for key in sorted(parameters)}
        if not needed <= set(plain) <= needed | _OPTIONAL:
            raise ValueError(given)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(field, given, expected, _CURE) from error
    return {"name": name, **plain}


def _number(name: str, value: Any) -> float | list[float]:
    """Return a parameter as a finite number, or as a list where it is one."""
    many = name == "m_nu" and isinstance(value, list | tuple)
    numbers = [float(one) for one in value] if many else [float(value)]
    if not np.isfinite(numbers).all():
        raise ValueError(value)
    return numbers if many else numbers[0]


def named_cosmology(given: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a cosmology that may be given by name.

    Parameters
    ----------
    given
        Parameters as `checked_cosmology` takes them, or the name of one of astropy's
        realisations, such as Planck18.

    Returns
    -------
    dict
        Its parameters.

    Raises
    ------
    InputError
        The name or the parameters are not known.
    """
    named = given if isinstance(given, str) else given.get("name")
    alone = isinstance(given, str) or set(given) == {"name"}
    if not alone or not isinstance(named, str) or named.lstrip().startswith("{"):
        return checked_cosmology(given)
    # It takes a second to import, which parameters can do without.
    import astropy.cosmology  # noqa: PLC0415

    known = [str(name) for name in astropy.cosmology.available]
    if named not in known:
        cure = f"nearest: {nearest(named, known)}; or {_CURE}"
        raise InputError("cosmology", named, "a name that astropy knows", cure)
    found = getattr(astropy.cosmology, named)
    parameters: dict[str, Any] = {"name": type(found).__name__}
    for name, value in found.parameters.items():
        plain = np.asarray(getattr(value, "value", value), float).tolist()
        parameters[name] = plain
    wanted = {"name", *_NEEDED.get(parameters["name"], ()), *_OPTIONAL}
    return checked_cosmology({k: v for k, v in parameters.items() if k in wanted})
