"""Limits of an SED grid's labels, which tell that they are in other units."""

from __future__ import annotations

import numpy as np
import xarray as xr

from argdask.errors import InputError

__all__ = ["check_limits"]

# No filter of a galaxy survey is bluer [Angstrom]; in micron all are below it.
_SHORTEST = 100.0
# No grid ends with stars as young as this [yr]; in Gyr all ages are below it.
_YOUNGEST_END = 1e6


def check_limits(seds: xr.DataArray) -> None:
    """See that wavelengths and ages are what they can be in Angstrom and years.

    Parameters
    ----------
    seds
        An SED grid with `filter` and `wavelength` (filter,), Angstrom; where it has
        `age` (template,), that is in years, NaN where it is unknown.

    Raises
    ------
    InputError
        A wavelength is not finite or at most 100 Angstrom, an age is infinite or not
        above 0, or all that are known are at most 1e6 yr.
    """
    wavelength = seds["wavelength"].values
    wrong = ~(np.isfinite(wavelength) & (wavelength > _SHORTEST))
    if wrong.any():
        where = f"of filter {seds['filter'].values[wrong][0]}"
        expected = f"more than {_SHORTEST:g} Angstrom"
        cure = "give it in Angstrom, not in micron"
        _refuse("wavelength", wavelength[wrong][0], where, expected, cure)
    if "age" not in seds.coords or seds["age"].dims != ("template",):
        return
    age = seds["age"].values
    if age.dtype.kind not in "fiu":
        raise InputError("seds.age", age.dtype, "real numbers", "convert it to years")
    wrong = (age <= 0) | np.isinf(age)
    if wrong.any():
        where = f"for template {np.argmax(wrong)}"
        cure = "correct it, or drop the template; NaN where it is unknown"
        _refuse("age", age[wrong][0], where, "ages above 0 yr", cure)
    # Of an unknown age, which is never taken for a physical one, nothing can be said.
    oldest = age.max(initial=0.0, where=~np.isnan(age))
    if 0 < oldest <= _YOUNGEST_END:
        where = f"for the oldest, template {np.argmax(age == oldest)}"
        expected = f"one above {_YOUNGEST_END:g} yr"
        _refuse("age", oldest, where, expected, "give ages in years, not in Gyr")


def _refuse(name: str, value: float, where: str, expected: str, cure: str) -> None:
    raise InputError(f"seds.{name}", f"{value:g} {where}", expected, cure)
