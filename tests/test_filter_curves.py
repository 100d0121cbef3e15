"""Finding filters by name and wavelength, and reading them."""

from __future__ import annotations

import numpy as np
import pytest
from sedpy import observate

from argdask.errors import InputError
from argdask.filter_curves import filter_curve, filter_names, search_filters


def test_every_filter_of_sedpy_is_found_from_blue_to_red() -> None:
    found = search_filters()
    assert sorted(found["filter"].values.tolist()) == list(filter_names())
    assert len(filter_names()) >= 270
    assert np.all(np.diff(found["wavelength"].values) >= 0)
    assert np.all(found["width"].values > 0)
    assert found["wavelength"].attrs["units"] == found["width"].attrs["units"]
    for name in ("acs_wfc_f606w", "vista_vircam_Ks", "sdss_r0"):
        curve = observate.Filter(name)
        one = found.sel(filter=name)
        assert float(one["wavelength"]) == pytest.approx(curve.wave_pivot, rel=1e-4)
        # sedpy keeps noise below zero, of which VISTA has some
        width = curve.rectangular_width
        assert float(one["width"]) == pytest.approx(width, rel=2e-2)


@pytest.mark.parametrize(
    ("text", "wavelength", "expected"),
    [
        ("wfc3 f160w", None, ["wfc3_ir_f160w"]),
        ("F160W  WFC3_IR", None, ["wfc3_ir_f160w"]),
        ("wfc3_ir", 16_000.0, ["wfc3_ir_f160w"]),
        ("wfc3_ir", 13_500.0, [f"wfc3_ir_f{name}w" for name in (110, 125, 140)]),
        ("no such filter", None, []),
        (None, 1.0, []),
    ],
)
def test_filters_are_found_by_words_and_wavelength(
    text: str | None, wavelength: float | None, expected: list[str]
) -> None:
    found = search_filters(text, wavelength)
    assert found["filter"].values.tolist() == expected
    assert found["wavelength"].shape == found["width"].shape == (len(expected),)


@pytest.mark.parametrize("wavelength", [0.0, -1.0, float("nan")])
def test_a_wavelength_that_is_none_is_refused(wavelength: float) -> None:
    with pytest.raises(InputError, match=r"^wavelength: .*in Angstrom"):
        search_filters(wavelength=wavelength)


def test_every_curve_can_be_integrated() -> None:
    for name in filter_names():
        wavelength, transmission = filter_curve(name)
        assert np.all(np.diff(wavelength) > 0)
        assert np.all(transmission >= 0)
        assert transmission.max() > 0
