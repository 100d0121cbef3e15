"""Grids from choices: speclite with absorption, units, masks, cosmologies, bad input.

smpy's own file cannot serve as an oracle here. The test grid has lost the spectra that
its fluxes were made from (smpy's array SED0), and the two spectra of Bruzual & Charlot
that argdask has at hand, single bursts of 5 and 25 Myr at 0.4 solar metallicity, are
none of its composites of 3 to 12 Gyr at 0.1 and 1 solar metallicity. What the two share
is tested alone: smpy's absorption in test_igm.py, its photometry through speclite here.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import astropy.cosmology
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sedpy import observate
from speclite.filters import FilterResponse

from argdask import igm, sed_building, spectra
from argdask.errors import InputError
from argdask.photometry import ab_magnitude, calzetti2000_transmission
from argdask.sed_building import build_seds
from argdask.sed_choices import SedGrid
from argdask.sed_sources import default_seds
from argdask.seds import content_hash
from argdask.spectra import package_names, package_spectrum

Floats = NDArray[np.float64]

BPZ = ("El", "Sbc", "Scd", "Im", "SB3", "SB2", "ssp_25Myr_z008", "ssp_5Myr_z008")
needs_cosmos = pytest.mark.skipif(
    find_spec("rail") is None, reason="needs the extra cosmos"
)


def small(**choices: Any) -> SedGrid:
    """Return choices of a grid that is made in a moment."""
    given: dict[str, Any] = {
        "redshifts": [0.5, 1.0],
        "filters": ["acs_wfc_f606w", "wfc3_ir_f160w"],
        "templates": [{"package": "desc-bpz", "names": ["Im"]}],
    }
    return SedGrid(**(given | choices))


def bpz_file(name: str) -> tuple[Floats, Floats]:
    """Return a template of BPZ as numpy reads it, without its first row."""
    ending = ".sed" if name.startswith("ssp") else "_B2004a.sed"
    path = resources.files("desc_bpz") / "data_files" / "SED" / f"{name}{ending}"
    with path.open() as file:
        wavelength, flux = np.loadtxt(file, unpack=True)
    return wavelength[wavelength > 0], flux[wavelength > 0]


def write_text(path: Path, *columns: Floats, header: str = "") -> Path:
    rows = [
        " ".join(repr(float(value)) for value in row)
        for row in zip(*columns, strict=True)
    ]
    path.write_text("\n".join([*([header] if header else []), *rows]) + "\n")
    return path


def speclite_filter(name: str) -> FilterResponse:
    """Return sedpy's curve for speclite, which wants it to begin and end with zero."""
    curve = observate.Filter(name)
    wavelength, response = curve.wavelength, np.maximum(curve.transmission, 0.0)
    ends = np.array([wavelength[0] - 1e-3, wavelength[-1] + 1e-3])
    return FilterResponse(
        wavelength=np.concatenate([ends[:1], wavelength, ends[1:]]),
        response=np.concatenate([[0.0], response, [0.0]]),
        meta={"group_name": "argdask", "band_name": name},
    )


# The oracle.


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("madau1995", igm.madau1995_transmission),
        ("inoue2014", igm.inoue2014_transmission),
    ],
)
def test_dropouts_in_u_are_those_of_speclite(
    name: str, law: Callable[[Floats, float], Floats]
) -> None:
    filters = ["vlt_vimos_U", "lsst_baseline_u", "acs_wfc_f435w", "acs_wfc_f606w"]
    grid = SedGrid(
        redshifts={"first": 2.0, "last": 4.0, "number": 9},
        filters=filters,
        templates={"package": "desc-bpz", "e_bv": [0.0, 0.2]},
        igm=name,
        cosmology="Planck18",
    )
    found = build_seds(grid)
    distance = astropy.cosmology.Planck18.luminosity_distance(grid.redshift).value
    per_hertz = 10 ** (-0.4 * (-20.0 + 48.60))  # erg / s / cm2 / Hz at 10 pc
    at_ten_parsec = per_hertz * 2.99792458e18 / 5500.0**2
    expected = np.empty(found.shape)
    for c, band in enumerate(filters):
        response = speclite_filter(band)
        bounds = response.wavelength[[0, -1]] + [-5.0, 5.0]
        observed = np.exp(np.arange(*np.log(bounds), 2e-5))
        for z, redshift in enumerate(grid.redshift.tolist()):
            rest = observed / (1 + redshift)
            dilution = (1e-5 / distance[z]) ** 2 / (1 + redshift)
            through = at_ten_parsec * dilution * law(observed, redshift)
            rows = []
            for template in BPZ:
                known, flux = bpz_file(template)
                shape = np.interp(rest, known, flux) / np.interp(5500.0, known, flux)
                for excess in (0.0, 0.2):
                    dust = calzetti2000_transmission(rest, excess)
                    rows.append(through * shape * dust)
            spectrum = np.array(rows)
            expected[z, c] = 3631e6 * response.get_ab_maggies(spectrum, observed)
    assert found["template_name"].values.tolist()[::2] == list(BPZ)
    assert np.all((found.values > 0) == (expected > 0))
    lit = expected > 0
    difference = np.abs(2.5 * np.log10(found.values[lit] / expected[lit]))
    dropped = ab_magnitude(expected[-1, 0]) - ab_magnitude(expected[0, 0])
    print(f"{name}: {difference.max():.2e} mag; U drops by {dropped.min():.1f} mag")
    assert dropped.min() > 3.0
    assert difference.max() < 3e-3


def test_the_built_in_grid_is_made_by_the_same_builder() -> None:
    made = build_seds()
    xr.testing.assert_identical(made, default_seds())
    # in single precision, the same on every machine so far
    assert content_hash(made) == (
        "895fbcf462b05d5cfb4155f24a9181b7f13e1872803f855f3ce2a177ca555bd6"
    )


def test_a_part_of_the_choices_gives_a_part_of_the_grid() -> None:
    whole = default_seds()
    part = build_seds(
        small(
            redshifts=[1.0, 0.5],
            templates={
                "package": "desc-bpz",
                "names": ["Im", "SB3"],
                "steps": 2,
                "e_bv": [0.0, 0.3],
            },
        )
    )
    names = ["Im", "Im", "Im+SB3 1/2", "Im+SB3 1/2", "SB3", "SB3"]
    assert part["template_name"].values.tolist() == names
    assert part["type"].values.tolist() == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert part["e_bv"].values.tolist() == [0.0, 0.3] * 3
    like = whole.sel(redshift=[0.5, 1.0], filter=part["filter"].values)
    place = (like["type"] >= 3) & (like["type"] <= 4) & (like["type"] % 0.5 == 0)
    place &= like["e_bv"].isin([0.0, 0.3])
    expected = like.isel(template=place.values)
    # other points between the nodes of the templates
    np.testing.assert_allclose(part.values, expected.values, rtol=1e-5)


def test_batches_of_templates_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = small(templates={"package": "desc-bpz", "steps": 2, "e_bv": [0.0, 0.1]})
    together = build_seds(grid)
    monkeypatch.setattr(sed_building, "_BATCH", 1)
    np.testing.assert_array_equal(build_seds(grid).values, together.values)


def test_a_grid_says_what_it_was_made_of(tmp_path: Path) -> None:
    write_text(tmp_path / "mine.txt", *bpz_file("Im"))
    (tmp_path / "g.yaml").write_text(
        "templates: {files: [mine.txt], wavelength_unit: Angstrom, "
        "flux_unit: f_lambda}\n"
        "redshifts: [0.5, 1.0]\ncosmology: WMAP9\nigm: inoue2014\n"
    )
    made = build_seds(SedGrid.from_yaml(tmp_path / "g.yaml"))
    parameters = json.loads(made.attrs["cosmology"])
    assert parameters["name"] == "FlatLambdaCDM"
    assert parameters["H0"] == 69.32
    assert parameters["Tcmb0"] == 2.725
    assert "own templates mine, absolute AB magnitude -20" in made.attrs["source"]
    assert "Inoue absorption" in made.attrs["source"]
    kept = SedGrid(**json.loads(made.attrs["choices"]))
    assert kept.templates[0].files == ("mine.txt",)  # the same in any folder
    assert kept.igm == "inoue2014"


# Whatever the units.


@pytest.fixture(scope="module")
def im_grid() -> xr.DataArray:
    return build_seds(small())


LIGHT = 2.99792458e18


@pytest.mark.parametrize(
    ("wavelength_unit", "per_angstrom"), [("Angstrom", 1.0), ("nm", 0.1), ("um", 1e-4)]
)
@pytest.mark.parametrize(
    ("flux_unit", "power"),
    [
        ("f_lambda", 0),
        ("f_nu", 2),
        ("1e-17 erg / (s cm2 Angstrom)", 0),
        ("W / (m2 um)", 0),
        ("mJy", 2),
        ("solLum / Angstrom", 0),
        ("erg / (s Hz)", 2),
    ],
)
def test_units_do_not_change_the_grid(
    tmp_path: Path,
    im_grid: xr.DataArray,
    wavelength_unit: str,
    per_angstrom: float,
    flux_unit: str,
    power: int,
) -> None:
    wavelength, flux = bpz_file("Im")
    write_text(tmp_path / "Im.txt", wavelength * per_angstrom, flux * wavelength**power)
    templates = {
        "files": [str(tmp_path / "Im.txt")],
        "wavelength_unit": wavelength_unit,
        "flux_unit": flux_unit,
    }
    found = build_seds(small(templates=templates))
    assert found["template_name"].item() == "Im"
    np.testing.assert_allclose(found.values, im_grid.values, rtol=3e-7)


@pytest.mark.parametrize("kind", ["header", "reversed", "repeated", "commas", "more"])
def test_the_form_of_a_text_file_does_not_change_the_grid(
    tmp_path: Path, im_grid: xr.DataArray, kind: str
) -> None:
    wavelength, flux = bpz_file("Im")
    path = tmp_path / "Im.dat"
    if kind == "header":
        header = "# from somewhere\n; IDL\n\nwavelength flux\n0.0 0.0"
        write_text(path, wavelength, flux, header=header)
    elif kind == "reversed":
        write_text(path, wavelength[::-1], flux[::-1])
    elif kind == "repeated":
        again = np.repeat(np.arange(len(wavelength)), 2)
        write_text(path, wavelength[again], flux[again])
    elif kind == "commas":
        write_text(path, wavelength, flux)
        path.write_text(path.read_text().replace(" ", ", "))
    else:
        write_text(path, wavelength, flux, np.ones_like(flux))
    units = {"wavelength_unit": "Angstrom", "flux_unit": "f_lambda"}
    found = build_seds(small(templates={"files": [str(path)], **units}))
    np.testing.assert_array_equal(found.values, im_grid.values)


def fits_table(path: Path, *columns: fits.Column) -> Path:
    fits.BinTableHDU.from_columns(columns).writeto(path)
    return path


@pytest.mark.parametrize("kind", ["units", "named", "row", "stated", "gz"])
def test_fits_spectra_take_their_units_from_the_header(
    tmp_path: Path, im_grid: xr.DataArray, kind: str
) -> None:
    wavelength, flux = bpz_file("Im")
    path, choices = tmp_path / "Im.fits", {}
    size, names = f"{len(flux)}D", ("WAVELENGTH", "FLUX")
    if kind == "row":
        fits_table(
            path,
            fits.Column(names[0], size, array=wavelength[None] / 10, unit="nm"),
            fits.Column(names[1], size, array=flux[None], unit="erg/s/cm2/Angstrom"),
        )
    elif kind == "stated":
        fits_table(
            path,
            fits.Column("lam", "D", array=wavelength / 1e4),
            fits.Column("fnu", "D", array=flux * wavelength**2),
        )
        choices = {"wavelength_unit": "um", "flux_unit": "f_nu"}
    else:
        if kind == "named":
            names = ("x", "y")
            choices = {"wavelength_column": "X", "flux_column": "y"}
        fits_table(
            path,
            fits.Column(names[0], "D", array=wavelength / 10, unit="nm"),
            fits.Column(names[1], "D", array=flux, unit="1E-17 erg/s/cm^2/Ang"),
        )
    if kind == "gz":
        packed = tmp_path / "Im.fits.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    found = build_seds(small(templates={"files": [str(path)], **choices}))
    assert found["template_name"].item() == "Im"
    np.testing.assert_allclose(found.values, im_grid.values, rtol=3e-7)


@pytest.mark.parametrize("unit", ["Angstrom", "nm", "um"])
@pytest.mark.parametrize("response", ["photon", "energy"])
def test_filters_from_files_are_those_of_the_same_name(
    tmp_path: Path, im_grid: xr.DataArray, unit: str, response: str
) -> None:
    curve = observate.Filter("acs_wfc_f606w")
    factor = {"Angstrom": 1.0, "nm": 0.1, "um": 1e-4}[unit]
    values = curve.transmission * (curve.wavelength if response == "energy" else 100.0)
    write_text(tmp_path / "V.txt", curve.wavelength[::-1] * factor, values[::-1])
    mine = {"file": str(tmp_path / "V.txt"), "wavelength_unit": unit}
    found = build_seds(small(filters=[{**mine, "response": response}]))
    assert found["filter"].values.tolist() == ["V"]
    assert found["wavelength"].item() == pytest.approx(
        float(im_grid["wavelength"][0]), rel=1e-6
    )
    np.testing.assert_allclose(found.values[:, 0], im_grid.values[:, 0], rtol=3e-7)


def test_luminosities_can_be_kept_as_they_are(tmp_path: Path) -> None:
    wavelength = np.geomspace(1000.0, 30_000.0, 300)
    # 3e30 erg / s / Hz, flat
    path = write_text(tmp_path / "flat.txt", wavelength, np.full(300, 3e30))
    templates = {
        "files": [str(path)],
        "wavelength_unit": "Angstrom",
        "flux_unit": "erg / (s Hz)",
    }
    grid = small(templates=templates, normalise=None, per_solar_mass=True, igm="none")
    found = build_seds(grid)
    model = astropy.cosmology.FlatLambdaCDM(70, 0.3)
    distance = model.luminosity_distance(grid.redshift).to_value("cm")
    expected = (1 + grid.redshift) * 3e30 / (4 * np.pi * distance**2) / 1e-29
    # lines between 300 points, of 1 / lambda**2
    for band in found.values[:, :, 0].T:
        np.testing.assert_allclose(band, expected, rtol=3e-4)
    assert found.attrs["per_solar_mass"] == 1


# What is known, and what is not.


def test_a_template_that_misses_a_filter_is_masked_there(tmp_path: Path) -> None:
    wavelength, flux = bpz_file("Im")
    kept = wavelength < 9000.0
    write_text(tmp_path / "short.txt", wavelength[kept], flux[kept])
    units = {"wavelength_unit": "Angstrom", "flux_unit": "f_lambda"}
    mine = {"files": [str(tmp_path / "short.txt")], **units}
    found = build_seds(small(redshifts=[0.5, 1.5], templates=[mine, "desc-bpz"]))
    assert found["template_name"].values.tolist() == ["short", *BPZ]
    assert found["type"].values.tolist() == list(range(9))
    # F160W reaches 17000 Angstrom: 11300 at z = 0.5, 6800 at z = 1.5
    assert found["valid"].values[:, 0].tolist() == [False, True]
    assert found["valid"].values[:, 1:].all()
    assert np.isnan(found.values[0, 1, 0])
    assert found.values[0, 0, 0] > 0
    with pytest.raises(InputError, match=r"^filters: got wfc3_ir_f160w \(0% of"):
        build_seds(small(templates=mine, redshifts=[0.1, 0.2]))


@settings(max_examples=15)
@given(first=st.floats(1e-3, 3.0), ratio=st.floats(1.01, 3.0), number=st.integers(2, 4))
def test_redshifts_are_where_they_are_asked_for(
    first: float, ratio: float, number: int
) -> None:
    last = first * ratio
    even = {"first": first, "last": last, "number": number}
    linear, log = (
        SedGrid(redshifts={**even, "spacing": spacing}).redshift
        for spacing in ("linear", "log")
    )
    np.testing.assert_allclose(linear[[0, -1]], [first, last], atol=1e-9)
    np.testing.assert_allclose(log[[0, -1]], [first, last], atol=1e-9)
    np.testing.assert_allclose(np.diff(linear, 2), 0, atol=5e-9)
    np.testing.assert_allclose(np.diff(np.log(log), 2), 0, atol=4e-9 / first)


# COSMOS.


@needs_cosmos
def test_cosmos_has_31_templates_with_every_wavelength_once() -> None:
    names = package_names("cosmos")
    assert len(names) == 31
    assert (names[0], names[-1]) == ("Ell1_A_0", "SB11_A_0")
    for name in names:
        found = package_spectrum("cosmos", name)
        assert np.all(np.diff(found.wavelength) > 0)
        assert np.sum(found.wavelength == 10_000.0) == 1
        assert np.all(found.luminosity >= 0)


@needs_cosmos
def test_a_grid_of_cosmos_reaches_the_infrared() -> None:
    bands = ["acs_wfc_f606w", "vlt_isaac_Ks", "spitzer_irac_ch1"]
    made = build_seds(small(filters=bands, templates=["cosmos"]))
    assert made.shape == (2, 3, 31)
    assert made["valid"].all()


def test_cosmos_without_its_extra_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name: None if name == "rail" else find_spec(name),
    )
    spectra._package_files.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'argdask\[cosmos\]'"):
        build_seds(small(templates="cosmos"))
    spectra._package_files.cache_clear()


# Choices.


def test_choices_come_back_from_yaml(tmp_path: Path) -> None:
    grid = small(
        filters=[
            "acs_wfc_f606w",
            {"file": str(tmp_path / "b.txt"), "wavelength_unit": "nm", "name": "B"},
        ],
        templates=[
            {"package": "desc-bpz", "steps": 3, "e_bv": [0.0, 0.2]},
            {"files": [str(tmp_path / "*.fits")]},
        ],
        cosmology={"name": "wCDM", "H0": 70, "Om0": 0.3, "Ode0": 0.7, "w0": -0.9},
        normalise={"wavelength": 4000.0},
    )
    for number, one in enumerate((grid, SedGrid(), small(normalise=None))):
        path = tmp_path / f"{number}.yaml"
        path.write_text(one.to_yaml())
        assert SedGrid.from_yaml(path) == one


_UNITS = {"wavelength_unit": "Angstrom", "flux_unit": "f_lambda"}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"redshift": [1, 2]}, "redshift: got an unknown key.*nearest: redshifts"),
        ({"redshifts": [1.0]}, "redshifts: .*two or more, each once"),
        ({"redshifts": [1.0, 1.0]}, "redshifts: .*two or more, each once"),
        ({"redshifts": [1.0, -0.5]}, r"redshifts\.1: got -0\.5, expected greater"),
        ({"redshifts": [1.0, float("nan")]}, r"redshifts\.1: .*finite"),
        (
            {"redshifts": {"first": 2, "last": 1, "number": 3}},
            r"redshifts\.first: got 2\.0, expected less than last, 1; exchange",
        ),
        (
            {"redshifts": {"first": 1, "last": 2}},
            r"redshifts\.number: got nothing, expected a value",
        ),
        (
            {"redshifts": {"first": 1, "last": 2, "number": 1}},
            r"redshifts\.number: got 1, expected greater",
        ),
        ({"filters": []}, "filters: .*one item or more"),
        ({"filters": [3]}, r"filters\.0: got 3, expected a name, or keys"),
        ({"filters": [{}]}, r"filters\.0\.name: .*a name or a file"),
        (
            {"filters": [{"file": "a.txt"}]},
            r"filters\.0\.wavelength_unit: got none for a\.txt, .*state it",
        ),
        (
            {"filters": [{"file": "a.txt", "wavelength_unit": "mm"}]},
            r"filters\.0\.wavelength_unit: got mm, expected 'Angstrom', 'nm' or 'um'",
        ),
        ({"templates": []}, "templates: .*one item or more"),
        ({"templates": ["bpz"]}, r"templates\.0\.package: got bpz, .*desc-bpz"),
        ({"templates": [{"steps": 2}]}, r"templates\.0: got neither.*give one"),
        (
            {"templates": [{"package": "cosmos", "files": ["a"]}]},
            r"templates\.0: got both",
        ),
        (
            {"templates": [{"files": ["a"], "names": ["b"]}]},
            r"templates\.0\.names: .*leave it out",
        ),
        (
            {"templates": [{"package": "desc-bpz", "e_bv": [-0.1]}]},
            r"templates\.0\.e_bv\.0: got -0\.1, expected greater",
        ),
        (
            {"templates": [{"package": "desc-bpz", "e_bv": [0.1, 0.1]}]},
            r"templates\.0\.e_bv: .*each value once",
        ),
        (
            {"templates": [{"package": "desc-bpz", "steps": 0}]},
            r"templates\.0\.steps: got 0",
        ),
        ({"igm": "meiksin"}, "igm: got meiksin, expected 'none', 'madau1995'"),
        ({"cosmology": "Plank18"}, "cosmology: got Plank18.*nearest: Planck18"),
        ({"cosmology": {"name": "FlatLambdaCDM", "H0": 70}}, "cosmology: .*JSON with"),
        ({"per_solar_mass": True}, "per_solar_mass: .*set normalise to null"),
        ({"normalise": {"wavelength": 0}}, r"normalise\.wavelength: got 0"),
    ],
)
def test_wrong_choices_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}") as caught:
        SedGrid(**choices)
    assert "\n" not in str(caught.value)
    assert "recipe" not in str(caught.value)


FILES = {
    "empty.txt": "",
    "words.txt": "nothing here\n",
    "one.txt": "5000.0 1.0\n",
    "column.txt": "4000.0\n5000.0\n",
    "ragged.txt": "4000.0 1.0\n5000.0\n6000.0 1.0\n",
    "nan.txt": "4000.0 1.0\n5000.0 nan\n6000.0 1.0\n",
    "late.txt": "4000.0 1.0\n5000.0 one\n",
    "negative.txt": "-4000.0 1.0\n5000.0 1.0\n6000.0 1.0\n",
    "zeros.txt": "0.0 1.0\n0.0 1.0\n",
    "dark.txt": "4000.0 0.0\n6000.0 0.0\n",
    "red.txt": "6000.0 1.0\n60000.0 1.0\n",
    "good.txt": "100.0 1.0\n5000.0 1.0\n60000.0 1.0\n",
    "noise.txt": "4000.0 0.1\n5000.0 -0.1\n6000.0 0.1\n",
    "twice.txt": "4000.0 0.1\n4000.0 0.2\n",
    "text.fits": "no FITS at all\n",
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\x01")
    fits.PrimaryHDU(np.ones(10)).writeto(tmp_path / "image.fits")
    one, two = np.array([4000.0, 6000.0]), np.array([1.0, np.nan])
    column = fits.Column
    fits_table(
        tmp_path / "plain.fits", column("wave", "D", array=one), column("flux", "D")
    )
    fits_table(
        tmp_path / "nan.fits",
        column("wave", "D", array=one, unit="Angstrom"),
        column("flux", "D", array=two, unit="erg/s/cm2/Angstrom"),
    )
    fits_table(
        tmp_path / "units.fits",
        column("wave", "D", array=one, unit="s"),
        column("flux", "D", array=one, unit="erg/s/cm2/Angstrom"),
    )
    fits_table(
        tmp_path / "strange.fits",
        column("wave", "D", array=one, unit="Angstrom"),
        column("flux", "D", array=one, unit="flux units"),
    )
    fits_table(tmp_path / "names.fits", column("a", "D", array=one), column("b", "D"))
    fits_table(
        tmp_path / "lengths.fits",
        column("wave", "2D", array=one[None], unit="Angstrom"),
        column("flux", "3D", array=np.ones((1, 3)), unit="Jy"),
    )
    whole = (tmp_path / "nan.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(whole[:3000])
    return tmp_path


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("no.txt", _UNITS, r"templates: .*no\.txt \(No such file"),
        (".", _UNITS, r"templates: .*Is a directory"),
        ("bytes.txt", _UNITS, r"templates: .*not text"),
        ("empty.txt", _UNITS, r"templates: .*0 rows of numbers.*two columns"),
        ("words.txt", _UNITS, r"templates: .*0 rows of numbers"),
        ("one.txt", _UNITS, r"templates: .*1 rows of numbers"),
        ("column.txt", _UNITS, r"templates: .*line 1: '4000\.0'.*2 numbers"),
        ("ragged.txt", _UNITS, r"templates: .*line 2: '5000\.0'.*drop this row"),
        ("nan.txt", _UNITS, r"templates: .*line 2: '5000\.0 nan'.*finite"),
        ("late.txt", _UNITS, r"templates: .*line 2: '5000\.0 one'.*2 numbers"),
        ("negative.txt", _UNITS, r"templates: .*-4000 Angstrom.*above 0"),
        ("zeros.txt", _UNITS, r"templates: .*0 wavelength above 0"),
        ("dark.txt", _UNITS, r"normalise\.wavelength: got 5500, where dark"),
        ("red.txt", _UNITS, r"normalise\.wavelength: got 5500, where red.*no light"),
        ("*.csv", _UNITS, r"templates\.files: .*no file fits; check the pattern"),
        ("good.txt", {}, r"templates\.wavelength_unit: got none for .*state it"),
        (
            "good.txt",
            {"wavelength_unit": "Angstrom"},
            r"templates\.flux_unit: got none for .*state it",
        ),
        (
            "good.txt",
            {**_UNITS, "flux_unit": "flam"},
            r"templates\.flux_unit: got flam for .*as astropy does",
        ),
        (
            "good.txt",
            {**_UNITS, "flux_unit": "km"},
            r"templates\.flux_unit: got km, expected f_lambda, f_nu or",
        ),
        ("text.fits", {}, r"templates: .*text\.fits \(damaged or not FITS\)"),
        ("gone.fits", {}, r"templates: .*gone\.fits \(No such file"),
        ("cut.fits", {}, r"templates: .*cut\.fits \(damaged or not FITS\)"),
        ("image.fits", {}, r"templates: .*of no table.*wavelength_column"),
        ("names.fits", {}, r"templates: .*columns a, b.*wavelength_column"),
        ("plain.fits", {}, r"templates\.wavelength_unit: got none for"),
        ("nan.fits", {}, r"templates: .*1 rows that are not finite"),
        ("units.fits", {}, r"templates\.wavelength_unit: got s, expected Angstrom"),
        ("strange.fits", {}, r"templates\.flux_unit: got flux units for"),
        ("lengths.fits", {}, r"templates: .*2 wavelengths, 3 fluxes"),
    ],
)
def test_spectra_that_are_none_are_refused(
    files: Path, name: str, choices: dict[str, str], message: str
) -> None:
    grid = small(templates={"files": [str(files / name)], **choices})
    with pytest.raises(InputError, match=f"^{message}") as caught:
        build_seds(grid)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.txt", "No such file"),
        ("empty.txt", "0 rows of numbers"),
        ("ragged.txt", "line 2"),
        ("nan.txt", "finite numbers"),
        ("negative.txt", "from -4000 to 6000 Angstrom"),
        ("noise.txt", "from -0.1 to 0.1.*set noise below zero to 0"),
        ("dark.txt", "some above"),
        ("twice.txt", "from 4000 to 4000 Angstrom"),
    ],
)
def test_curves_that_are_none_are_refused(files: Path, name: str, message: str) -> None:
    mine = {"file": str(files / name), "wavelength_unit": "Angstrom"}
    with pytest.raises(InputError, match=f"^filters: .*{message}") as caught:
        build_seds(small(filters=[mine]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"filters": ["acs_wfc_f605w"]},
            "filters: .*nearest: acs_wfc_f625w, acs_wfc_f606w",
        ),
        ({"filters": ["acs_wfc_f606w"] * 2}, "filters: .*each name once"),
        ({"templates": ["desc-bpz", "desc-bpz"]}, "templates: got El, expected each"),
        (
            {"templates": [{"package": "desc-bpz", "names": ["Ell"]}]},
            "templates: got Ell, expected a template of desc-bpz; nearest: El",
        ),
        (
            {"templates": [{"package": "desc-bpz", "e_bv_of": {"Ell": [0.1]}}]},
            r"templates\.0\.e_bv_of: got Ell, expected one of El, Sbc",
        ),
        ({"normalise": None}, "normalise: got null, with Im of no luminosity"),
        ({"filters": ["herschel_pacs_70"]}, "filters: got herschel_pacs_70 .*reach it"),
    ],
)
def test_choices_that_cannot_be_built_are_refused(
    choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^{message}") as caught:
        build_seds(small(**choices))
    assert "\n" not in str(caught.value)


def test_a_yaml_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^seds: .*No such file.*check the path"):
        SedGrid.from_yaml(tmp_path / "no.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match=r"^seds: .*keys with values.*--choices"):
        SedGrid.from_yaml(tmp_path / "list.yaml")
