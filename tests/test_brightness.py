"""Light fractions hold where they are stated, and galaxies have what they should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from argdask.brightness import BrightnessLaw, Rows
from argdask.recipe import Recipe
from argdask.sed_sources import read_seds
from argdask.seds import check_seds, interpolate_redshift

COUNT = 60
PROFILE = {
    "name": "components",
    "components": {"a": {"light_fraction": 0.2}, "b": {}, "c": {}},
}
# Quotients and sums of a few numbers, each rounded to float64.
ROUNDING = 1e-14


class Case:
    """Galaxies of three components with templates and fractions at random."""

    def __init__(self, seds: xr.DataArray, **brightness: Any) -> None:
        self.seds = check_seds(seds)
        self.flux = self.seds.transpose("redshift", "template", "filter").values
        rng = np.random.default_rng(2)
        usable = np.flatnonzero(self.seds["valid"].all("redshift"))
        self.row_in = rng.integers(0, self.seds.sizes["redshift"] - 1, COUNT)
        self.template = rng.choice(usable, (COUNT, 3))
        self.fraction = rng.dirichlet([1, 1, 1], COUNT)
        self.fraction[:4] = [[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]]
        self.recipe = Recipe(profile=PROFILE, brightness=brightness)
        self.law = BrightnessLaw(self.recipe, self.seds, self.flux)

    def divide(self, some: Any = slice(None)) -> dict[str, Any]:
        """Return what galaxies and their components have."""
        flux_in = self.flux[self.row_in[:, None], self.template]
        rows = Rows(7, np.arange(COUNT)[some], {})
        return self.law.divide(
            rows, self.fraction[some], flux_in[some], self.template[some]
        )


BRIGHTNESS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "filter": {"brightness_filter": "acs_wfc_f606w"},
    "redshift": {"brightness_redshift": 0.75},
    "between": {"brightness_redshift": 0.777, "brightness_filter": "wfc3_ir_f160w"},
    "z_in": {"brightness_redshift": "z_in"},
}


def references(case: Case) -> np.ndarray:
    """Return the flux of each component's template where fractions are compared."""
    choices = case.recipe.brightness
    name = choices.brightness_filter or "acs_wfc_f814w"
    at = choices.brightness_redshift
    if at is None:
        at = case.seds["redshift"].values[0]
    if at == "z_in":
        every = case.seds.sel(filter=name).values
        return every[case.row_in[:, None], case.template]
    found = interpolate_redshift(case.seds, [at]).sel(filter=name).values[0]
    return found[case.template]


@pytest.mark.parametrize("law", ["equal", "grid"])
@pytest.mark.parametrize("choices", BRIGHTNESS.values(), ids=BRIGHTNESS)
def test_fractions_are_those_of_the_light_in_the_filter(seds, law, choices):
    case = Case(seds, law=law, **choices)
    columns = case.divide()
    light = columns["brightness"] * references(case)
    share = light / light.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(share, case.fraction, rtol=ROUNDING)


@pytest.mark.parametrize("choices", BRIGHTNESS.values(), ids=BRIGHTNESS)
def test_components_together_have_the_magnitude(seds, choices):
    magnitude = {"distribution": "uniform", "minimum": 18, "maximum": 25}
    case = Case(seds, magnitude=magnitude, **choices)
    columns = case.divide()
    light = (columns["brightness"] * references(case)).sum(axis=1)
    np.testing.assert_allclose(
        23.9 - 2.5 * np.log10(light), columns["magnitude"], rtol=ROUNDING
    )


def test_components_together_are_one_unit_of_templates(seds):
    case = Case(seds, law="grid")
    columns = case.divide()
    assert columns.keys() == {"brightness"}
    np.testing.assert_allclose(columns["brightness"].sum(axis=1), 1, rtol=ROUNDING)
    # What a galaxy without components has, to the last bit.
    assert columns["brightness"][[0, 1, 3]].tolist() == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
    ]


def test_components_together_have_the_stellar_mass(smpy_file):
    case = Case(read_seds(smpy_file), law="stellar_mass", brightness_redshift=1.0)
    columns = case.divide()
    assert columns.keys() == {"brightness", "stellar_mass"}
    mass = columns["stellar_mass"]
    assert (np.abs(np.log10(mass) - 10) <= 1).all()
    np.testing.assert_allclose(columns["brightness"].sum(axis=1), mass, rtol=ROUNDING)
    place = np.argmin(np.abs(case.seds["wavelength"].values - 8500))
    row = int(np.argmin(np.abs(case.seds["redshift"].values - 1.0)))
    light = columns["brightness"] * case.flux[row, case.template, place]
    share = light / light.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(share, case.fraction, rtol=ROUNDING)


@pytest.mark.parametrize("law", ["equal", "grid"])
def test_a_galaxy_has_the_same_bits_alone(seds, law):
    case = Case(seds, law=law, brightness_redshift="z_in")
    together = case.divide()
    for galaxy in (0, 5, 59):
        for name, values in case.divide([galaxy]).items():
            np.testing.assert_array_equal(values, together[name][[galaxy]])


def test_templates_without_light_in_the_filter_are_of_no_use(seds):
    dark = seds.copy(deep=True)
    dark[:, 3, 11] = 0.0
    for law in ("equal", "grid"):
        usable = Case(dark, law=law).law.usable()
        assert not usable[:, 11].any()
        assert usable[:, :11].all()
    alone = BrightnessLaw(
        Recipe(brightness={"law": "grid"}), check_seds(dark), Case(dark).flux
    )
    assert alone.usable().all()
