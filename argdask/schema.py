"""Name, dimensions, type and unit of every variable, and the check of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "COMPONENT",
    "ENDS",
    "IMAGES",
    "IMAGE_DIMS",
    "LAYERS",
    "VARIABLES",
    "Variable",
    "described",
    "flat_name",
    "image_name",
    "layer_of",
    "role_of",
    "validate",
]

IMAGE_DIMS = ("galaxy", "y", "x", "filter")

ENDS = {"input": "in", "target": "out"}
"""Last word of the truth about each image of a pair, as in z_in, by its name."""

LAYERS = ("clean", "convolved", "noisy")
"""What there may be of each image, from the galaxy to what a telescope sees of it."""

# Dimension of what each component of a galaxy has, and the coordinate of their names.
COMPONENT = "component"


@dataclass(frozen=True)
class Variable:
    """What one variable of the dataset is."""

    name: str
    """Its name in the dataset, the catalogue and the recipe."""
    dims: tuple[str, ...]
    """Its dimensions, in the order on disk."""
    dtype: str
    """Its type, as numpy spells it."""
    units: str
    """Its unit."""
    long_name: str
    """One line for a person."""
    of_component: bool = False
    """Whether each component has its own, where galaxies have components."""

    @property
    def attrs(self) -> dict[str, str]:
        """The attributes that the variable has in a dataset."""
        return {"units": self.units, "long_name": self.long_name}

    @property
    def fill_value(self) -> float | int:
        """What stands where nothing was written: NaN, or -1 for whole numbers."""
        return float("nan") if np.dtype(self.dtype).kind == "f" else -1


def _galaxy(name: str, dtype: str, units: str, long_name: str) -> Variable:
    return Variable(name, ("galaxy",), dtype, units, long_name)


def _shape(name: str, units: str, long_name: str) -> Variable:
    return Variable(name, ("galaxy",), "float64", units, long_name, of_component=True)


def _component(
    name: str, dtype: str, units: str, long_name: str, *more: str
) -> Variable:
    return Variable(name, ("galaxy", COMPONENT, *more), dtype, units, long_name)


def _component_flux(name: str, long_name: str) -> Variable:
    return _component(name, "float64", "uJy", long_name, "filter")


def _flux(name: str, long_name: str) -> Variable:
    return Variable(name, ("galaxy", "filter"), "float64", "uJy", long_name)


def _galaxy_real(name: str, units: str, long_name: str) -> Variable:
    return _galaxy(name, "float64", units, long_name)


def _own_sigma(name: str, units: str, long_name: str) -> Variable:
    return Variable(name, ("galaxy", "filter"), "float64", units, long_name)


def _filter(name: str, units: str, long_name: str) -> Variable:
    return Variable(name, ("filter",), "float64", units, long_name)


def image_name(role: str, layer: str) -> str:
    """Return the name of a variable with images.

    Parameters
    ----------
    role
        Either input or target.
    layer
        One of `LAYERS`.

    Returns
    -------
    str
        As `input`, of the clean images, or `input_noisy`.
    """
    return role if layer == "clean" else f"{role}_{layer}"


def role_of(name: str) -> str:
    """Return whether a variable with images has those of the input or the target."""
    return name.partition("_")[0]


def layer_of(name: str) -> str:
    """Return which of `LAYERS` a variable with images has."""
    return name.partition("_")[2] or "clean"


def _images() -> list[Variable]:
    # The number is in the attribute `scale` of the dataset.
    units = "scale uJy / pixel"
    seen = {"input": "the galaxy at z_in", "target": "the same galaxy at z_out"}
    told = {"clean": "", "convolved": ", with the PSF", "noisy": ", with PSF and noise"}
    return [
        Variable(
            image_name(role, layer),
            IMAGE_DIMS,
            "float32",
            units,
            f"image cube of {seen[role]}{told[layer]}",
        )
        for layer in LAYERS
        for role in ENDS
    ]


def _at_both(
    make: Callable[[str, str, str], Variable], name: str, units: str, long_name: str
) -> list[Variable]:
    """Return a variable of the input and the same of the target."""
    seen = {"input": "z_in", "target": "z_out"}
    return [
        make(f"{name}_{end}", units, f"{long_name} at {seen[role]}")
        for role, end in ENDS.items()
    ]


VARIABLES: dict[str, Variable] = {
    variable.name: variable
    for variable in (
        *_images(),
        _galaxy(
            "galaxy_id", "int64", "1", "what the galaxy's random numbers follow from"
        ),
        _galaxy(
            "group",
            "int64",
            "1",
            "what must not be divided between training and validation",
        ),
        _galaxy("image", "int64", "1", "number of the image, from 0"),
        _galaxy("image_redshift", "float64", "1", "redshift of the image's galaxy"),
        _galaxy("invalid_pixels", "int32", "1", "pixels of the image without a value"),
        _galaxy("z_in", "float64", "1", "redshift of the input"),
        _galaxy("z_out", "float64", "1", "redshift of the target"),
        _galaxy("sed_index", "int32", "1", "number of the template in the SED grid"),
        _galaxy(
            "bulge_to_total",
            "float64",
            "1",
            "fraction of the light in the bulge, in the brightness filter",
        ),
        _component(
            "light_fraction",
            "float64",
            "1",
            "fraction of the galaxy's light, in the brightness filter",
        ),
        _component(
            "component_sed_index", "int32", "1", "number of the component's template"
        ),
        _shape("age_out", "yr", "age of the template's progenitor, seen at z_out"),
        _shape("surviving_mass_ratio", "1", "stellar mass at z_out over that at z_in"),
        _shape("brightness", "1", "factor on the template's fluxes"),
        _galaxy("magnitude", "float64", "mag", "AB magnitude in the brightness filter"),
        _galaxy("stellar_mass", "float64", "solMass", "stellar mass"),
        _shape(
            "half_light_radius",
            "arcsec",
            "semi-major axis of the ellipse with half the light",
        ),
        _shape("sersic_index", "1", "Sersic index"),
        _shape("axis_ratio", "1", "minor over major axis"),
        _shape("position_angle", "deg", "major axis, from +y towards -x"),
        _shape("offset_y", "pixel", "centre minus (N - 1) / 2 along y"),
        _shape("offset_x", "pixel", "centre minus (N - 1) / 2 along x"),
        _shape("asymmetry", "1", "amplitude of the lopsided light"),
        _shape("asymmetry_angle", "deg", "where it is dimmest, from the major axis"),
        _flux("flux_in", "total flux at z_in"),
        _flux("flux_out", "total flux at z_out"),
        _component_flux("component_flux_in", "flux of the component at z_in"),
        _component_flux("component_flux_out", "flux of the component at z_out"),
        *_at_both(
            _shape,
            "half_light_radius",
            "arcsec",
            "semi-major axis of the ellipse with half the light",
        ),
        *_at_both(
            _shape,
            "fraction_in_frame",
            "1",
            "fraction of the light that is in the frame before any PSF",
        ),
        *_at_both(_galaxy_real, "image_height", "pixel", "height of the whole image"),
        *_at_both(_galaxy_real, "image_width", "pixel", "width of the whole image"),
        *_at_both(
            _galaxy_real, "covered_fraction", "1", "fraction of the frame in the image"
        ),
        *_at_both(
            _own_sigma,
            "own_sigma",
            "uJy / pixel",
            "sigma of the noise that the image itself brings",
        ),
        _filter("wavelength", "Angstrom", "filter wavelength"),
        *_at_both(_filter, "psf_fwhm", "arcsec", "full width at half maximum"),
        *_at_both(
            _filter, "background_sigma", "uJy / pixel", "sigma of the background noise"
        ),
        *_at_both(_filter, "gain", "electron / uJy", "electrons that are counted"),
    )
}

IMAGES = tuple(v.name for v in VARIABLES.values() if v.dims == IMAGE_DIMS)


def described(names: Iterable[str]) -> dict[str, Variable]:
    """Return what the variables of one dataset are.

    Parameters
    ----------
    names
        All of its variables that `VARIABLES` knows.

    Returns
    -------
    dict
        The variables by name, in this order. Where galaxies have components, so do
        those of their profiles.
    """
    found = {name: VARIABLES[name] for name in names}
    if not any(COMPONENT in variable.dims for variable in found.values()):
        return found
    return {
        name: replace(variable, dims=("galaxy", COMPONENT, *variable.dims[1:]))
        if variable.of_component
        else variable
        for name, variable in found.items()
    }


def flat_name(component: str, name: str) -> str:
    """Return what one component's values of a variable are called in a table.

    Parameters
    ----------
    component
        Name of the component.
    name
        Name of the variable.

    Returns
    -------
    str
        As `disc_sersic_index` or `disc_sed_index`; the bulge's light fraction is
        `bulge_to_total`.
    """
    if (component, name) == ("bulge", "light_fraction"):
        return "bulge_to_total"
    return f"{component}_{name.removeprefix(f'{COMPONENT}_')}"


def validate(pairs: xr.Dataset, names: Iterable[str]) -> list[str]:
    """Compare a dataset of training pairs with what it should be.

    Parameters
    ----------
    pairs
        The dataset, lazy or not; no value is looked at.
    names
        The variables that it should have.

    Returns
    -------
    list of str
        One sentence for each difference; empty where there is none.
    """
    problems = []
    for name, expected in described(names).items():
        if name not in pairs.variables:
            problems.append(f"{name} is missing")
            continue
        found = pairs.variables[name]
        told = {
            "dimensions": (found.dims, expected.dims),
            "type": (found.dtype, np.dtype(expected.dtype)),
            "units": (found.attrs.get("units"), expected.units),
            "long_name": (found.attrs.get("long_name"), expected.long_name),
        }
        problems += [
            f"{name} has {what} {have}, not {want}"
            for what, (have, want) in told.items()
            if have != want
        ]
        if name in IMAGES and name not in pairs.data_vars:
            problems.append(f"{name} is a coordinate, not a data variable")
        if name not in IMAGES and name in pairs.data_vars:
            problems.append(f"{name} is a data variable, not a coordinate")
    return problems
