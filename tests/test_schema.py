"""Every variable has a unit and a meaning, and every difference is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
import xarray as xr

from argdask.schema import (
    COMPONENT,
    ENDS,
    IMAGE_DIMS,
    IMAGES,
    LAYERS,
    VARIABLES,
    described,
    flat_name,
    image_name,
    layer_of,
    role_of,
    validate,
)

WHOLE = [
    name
    for name, variable in VARIABLES.items()
    if COMPONENT not in variable.dims and name != "bulge_to_total"
]


def small_pairs(names: Iterable[str] = VARIABLES) -> xr.Dataset:
    """A dataset that is just as it should be."""
    sizes = {"galaxy": 2, "y": 3, "x": 4, "filter": 5, COMPONENT: 6}
    variables = {
        name: xr.Variable(
            variable.dims,
            np.ones([sizes[dim] for dim in variable.dims], dtype=variable.dtype),
            variable.attrs,
        )
        for name, variable in described(names).items()
    }
    data = {name: variables.pop(name) for name in IMAGES}
    return xr.Dataset(data, variables)


def test_a_right_dataset_has_no_differences():
    assert validate(small_pairs(), VARIABLES) == []
    assert validate(small_pairs(WHOLE), WHOLE) == []


def test_profiles_have_components_where_galaxies_do():
    one, several = described(WHOLE), described(VARIABLES)
    assert one == {name: VARIABLES[name] for name in WHOLE}
    assert list(several) == list(VARIABLES)
    told = [name for name in WHOLE if one[name].dims != several[name].dims]
    assert told == [name for name, variable in one.items() if variable.of_component]
    assert {"brightness", "half_light_radius", "asymmetry_angle"} < set(told)
    for name in told:
        assert several[name].dims == ("galaxy", COMPONENT)
    # A dataset of one kind is wrong as one of the other.
    problem = "axis_ratio has dimensions ('galaxy',), not ('galaxy', 'component')"
    assert problem in validate(small_pairs(WHOLE), VARIABLES)
    problem = "axis_ratio has dimensions ('galaxy', 'component'), not ('galaxy',)"
    assert problem in validate(small_pairs(), WHOLE)


@pytest.mark.parametrize(
    ("component", "name", "flat"),
    [
        ("disc", "sersic_index", "disc_sersic_index"),
        ("disc", "component_sed_index", "disc_sed_index"),
        ("disc", "sed_index", "disc_sed_index"),
        ("disc", "component_flux_in", "disc_flux_in"),
        ("disc", "light_fraction", "disc_light_fraction"),
        ("bulge", "light_fraction", "bulge_to_total"),
        ("bulge", "axis_ratio", "bulge_axis_ratio"),
    ],
)
def test_a_component_comes_first_in_names_of_columns(component, name, flat):
    assert flat_name(component, name) == flat


def test_nothing_is_computed_to_compare():
    def poison(block: np.ndarray) -> np.ndarray:
        raise AssertionError

    pairs = small_pairs()
    lazy = pairs.chunk(galaxy=1)
    for name in IMAGES:
        poisoned = lazy[name].data.map_blocks(poison, meta=pairs[name].data)
        lazy[name] = lazy[name].copy(data=poisoned)
    assert validate(lazy, VARIABLES) == []


def change(name: str, **keys: object) -> Callable[[xr.Dataset], xr.Dataset]:
    def changed(pairs: xr.Dataset) -> xr.Dataset:
        variable = pairs[name].variable.copy()
        variable.attrs.update(keys)
        return pairs.assign_coords({name: variable})

    return changed


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (lambda pairs: pairs.drop_vars("z_in"), "z_in is missing"),
        (lambda pairs: pairs.drop_vars("target"), "target is missing"),
        (
            lambda pairs: pairs.transpose("galaxy", "x", "y", "filter", ...),
            "input has dimensions ('galaxy', 'x', 'y', 'filter'), "
            "not ('galaxy', 'y', 'x', 'filter')",
        ),
        (
            lambda pairs: pairs.assign(input=pairs["input"].astype(np.float64)),
            "input has type float64, not float32",
        ),
        (
            lambda pairs: pairs.assign_coords(
                sed_index=pairs["sed_index"].astype(np.int64)
            ),
            "sed_index has type int64, not int32",
        ),
        (change("flux_in", units="Jy"), "flux_in has units Jy, not uJy"),
        (
            change("axis_ratio", long_name="ellipticity"),
            "axis_ratio has long_name ellipticity, not minor over major axis",
        ),
        (
            lambda pairs: pairs.assign(input=pairs["input"].drop_attrs()),
            "input has units None, not scale uJy / pixel",
        ),
        (
            lambda pairs: pairs.set_coords("input"),
            "input is a coordinate, not a data variable",
        ),
        (
            lambda pairs: pairs.reset_coords("z_out"),
            "z_out is a data variable, not a coordinate",
        ),
    ],
)
def test_each_kind_of_difference_is_found(wrong, problem):
    assert problem in validate(wrong(small_pairs()), VARIABLES)


def test_all_differences_are_told():
    wrong = small_pairs().drop_vars("z_in").reset_coords("z_out")
    assert len(validate(wrong, VARIABLES)) == 2


def test_what_is_not_asked_for_may_be_missing():
    pairs = small_pairs().drop_vars("target")
    assert validate(pairs, [name for name in VARIABLES if name != "target"]) == []


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_says_what_it_is(name):
    variable = VARIABLES[name]
    assert variable.name == name
    assert variable.attrs["units"]
    assert len(variable.attrs["long_name"].splitlines()) == 1
    assert set(variable.dims) <= {*IMAGE_DIMS, COMPONENT}
    # What stands where nothing was written is no value that a galaxy can have.
    fill = np.dtype(variable.dtype).type(variable.fill_value)
    assert np.isnan(fill) or fill < 0


def test_the_images_are_the_variables_with_pixels():
    names = [image_name(role, layer) for layer in LAYERS for role in ENDS]
    assert list(IMAGES) == names
    assert names[0] == "input"
    assert names[-1] == "target_noisy"
    for name in IMAGES:
        assert image_name(role_of(name), layer_of(name)) == name
    assert all(VARIABLES[name].dims == IMAGE_DIMS for name in IMAGES)
    assert all("x" not in v.dims for n, v in VARIABLES.items() if n not in IMAGES)
