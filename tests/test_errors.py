"""Bad input is told in one line, in this process and in any other."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask.errors import IncompleteError, InputError, near, nearest


def test_an_input_error_names_field_value_expectation_and_cure():
    error = InputError("redshifts.z_in", 7.0, "a redshift of the grid", "choose 2")
    expected = "redshifts.z_in: got 7.0, expected a redshift of the grid; choose 2"
    assert str(error) == expected
    assert isinstance(error, ValueError)


@given(st.text(), st.text(), st.text(), st.text())
def test_an_input_error_is_one_line_whatever_was_given(field, value, expected, cure):
    assert len(str(InputError(field, value, expected, cure)).splitlines()) == 1


def test_long_values_are_cut_and_empty_ones_are_told():
    assert "got nothing," in str(InputError("filters", "", "a name", "give one"))
    message = str(InputError("filters", list(range(1000)), "a name", "give one"))
    assert "got [0, 1, 2, " in message
    assert "..., expected a name" in message
    assert len(message) < 200


def test_an_input_error_survives_the_way_from_a_worker():
    error = InputError("galaxies", [1, -2], "ids from 0 on", "give whole numbers")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InputError
    assert str(again) == str(error)
    assert (again.field, again.value) == ("galaxies", [1, -2])


def test_an_incomplete_store_is_not_bad_input():
    assert not issubclass(IncompleteError, ValueError)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("galaxy", "galaxies"),
        ("pixelscale", "pixel_scale"),
        # Nothing is near: the reader sees some of what there is.
        ("qqqq", "galaxies, seed, pixel_scale"),
    ],
)
def test_the_nearest_names_come_first(name, expected):
    assert nearest(name, ["galaxies", "seed", "pixel_scale", "filters"]) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("F814W", ["acs_wfc_f814w", "wfc3_uvis_f814w"]),
        ("WFC3", ["wfc3_ir_f160w", "wfc3_uvis_f814w"]),
        ("acs_wfc_f841w", ["acs_wfc_f814w"]),
        ("Y", ["hsc_y"]),
        ("f8", []),
        ("u", []),
        ("", []),
    ],
)
def test_names_are_near_by_their_ends_and_in_any_case(name, expected):
    known = ["acs_wfc_f814w", "wfc3_uvis_f814w", "wfc3_ir_f160w", "hsc_y"]
    assert near(name, known)[: max(len(expected), 1)] == expected


def test_no_more_names_are_told_than_asked_for():
    names = [f"acs_wfc_f{n}w" for n in range(400, 900, 10)]
    assert nearest("acs_wfc_f405w", iter(names), count=2).count(",") == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [("F16OW", ["wfc3_ir_f160w"]), ("radii", []), ("dec", []), ("f999x", [])],
)
def test_a_last_part_that_is_spelt_much_alike_is_near(name, expected):
    names = ["acs_wfc_f606w", "wfc3_ir_f160w", "half_light_radius", "axis_ratio"]
    assert near(name, names, 1) == expected
