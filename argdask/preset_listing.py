"""What presets there are, and their numbers."""

from __future__ import annotations

import textwrap

import numpy as np
import xarray as xr

from argdask.recipe_observation import Noise
from argdask.survey_presets import PRESETS, preset_of
from argdask.telescopes import background_sigma_of, gain_of

__all__ = ["presets", "text_of_presets"]


def presets() -> xr.Dataset:
    """Return the surveys that a recipe may name.

    Returns
    -------
    Dataset
        One row for each filter of each survey (filter,): `preset`, `pixel_scale`
        [arcsec], `psf_fwhm` [arcsec], `background_sigma` [uJy / pixel] at that pixel
        scale and `gain` [electron / uJy], 0 where there is no shot noise. Attributes
        named like the presets say what they are and where their numbers are from; those
        whose numbers need a package that is not installed say so and have no rows.
    """
    rows: list[tuple[str, str, float, float, float, float]] = []
    told = {}
    for name in PRESETS:
        try:
            survey = preset_of(name)
        except ImportError as error:
            told[name] = str(error)
            continue
        told[name] = f"{survey.description}; {'; '.join(survey.references)}"
        for one, keys in survey.noise.items():
            noise, scale = Noise(**keys), survey.pixel_scale
            sigma, gain = background_sigma_of(noise, scale), gain_of(noise)
            fwhm = survey.psf[one]["psf_fwhm"]
            rows.append((one, name, scale, fwhm, sigma, gain))
    columns = list(zip(*rows, strict=True))
    names = [np.array(column, np.dtypes.StringDType()) for column in columns[:2]]
    numbers = [np.array(column, np.float64) for column in columns[2:]]
    units = {
        "pixel_scale": "arcsec",
        "psf_fwhm": "arcsec",
        "background_sigma": "uJy / pixel",
        "gain": "electron / uJy",
    }
    data = {
        name: ("filter", values, {"units": unit})
        for (name, unit), values in zip(units.items(), numbers, strict=True)
    }
    coordinates = {"filter": names[0], "preset": ("filter", names[1])}
    return xr.Dataset(data, coordinates, told)


def text_of_presets() -> str:
    """Return the surveys that a recipe may name as text for a terminal.

    Returns
    -------
    str
        Of each survey what it is, where its numbers are from, and its filters.
    """
    listing = presets()
    lines = []
    for name, told in listing.attrs.items():
        lines.append(name)
        lines += textwrap.wrap(
            told,
            width=88,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        rows = listing.isel(filter=(listing["preset"] == name).values)
        if rows.sizes["filter"]:
            lines.append(
                f"  {'filter':16} {'pixel_scale':>12} {'psf_fwhm':>9} "
                f"{'background_sigma':>17} {'gain':>12}"
            )
            units = ["", "arcsec", "arcsec", "uJy / pixel", "electron/uJy"]
            lines.append(
                f"  {units[0]:16} {units[1]:>12} {units[2]:>9} "
                f"{units[3]:>17} {units[4]:>12}"
            )
        for place in range(rows.sizes["filter"]):
            row = rows.isel(filter=place)
            lines.append(
                f"  {row['filter'].item():16} {row['pixel_scale'].item():12g} "
                f"{row['psf_fwhm'].item():9g} {row['background_sigma'].item():17.3g} "
                f"{row['gain'].item():12.4g}"
            )
        lines.append("")
    return "\n".join(lines)
