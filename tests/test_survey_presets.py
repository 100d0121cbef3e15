"""Presets: their depths are those that were published, by another way."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.special import erf
from sedpy.observate import Filter

import argdask as ad
from argdask.cli import main
from argdask.convolution import Convolution
from argdask.errors import InputError
from argdask.noise import Levels, add_noise
from argdask.psf import Gaussian, Moffat
from argdask.recipe import Recipe, assemble
from argdask.survey_presets import PRESETS, preset_of
from argdask.telescopes import Telescope, telescopes_of, with_surveys

CANDELS = ("candels-deep", "candels-wide")


def grid_of(preset: str, attrs: dict[str, object] | None = None) -> xr.DataArray:
    """Return the little of an SED grid that telescopes look at."""
    names = list(preset_of(preset).psf)
    wavelength = ("filter", np.linspace(4e3, 2e4, len(names)))
    return xr.DataArray(
        np.ones((2, len(names), 1)),
        dims=("redshift", "filter", "template"),
        coords={"filter": names, "wavelength": wavelength},
        attrs=attrs or {"per_solar_mass": 0},
    )


def telescope_of(preset: str) -> Telescope:
    recipe = Recipe(observation={"preset": preset})
    return telescopes_of(recipe, grid_of(preset))["input"]


def magnitude(flux: float) -> float:
    return 23.9 - 2.5 * np.log10(flux)


# Depths.

# Guo et al. 2013, ApJS 207, 24, abstract: F160W, five sigma, radius 0.17 arcsec.
GUO = {"candels-deep": 28.2, "candels-wide": 27.4}


@pytest.mark.parametrize("preset", CANDELS)
def test_noise_of_candels_in_an_aperture_is_as_deep_as_was_published(preset):
    # The published depth goes in, so that what is tested is the way from it to pixels:
    # the scatter of drawn noise, added up in apertures. Oversampled pixels make these
    # round.
    recipe = Recipe(observation={"preset": preset}, pixel_scale=0.01)
    place = list(preset_of(preset).psf).index("wfc3_ir_f160w")
    sigma = telescopes_of(recipe, grid_of(preset))["input"].background_sigma[place]
    side, radius, count = 36, 17.0, 4000
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    inside = (y**2 + x**2 < radius**2).ravel()
    dark = np.zeros((count, side, side, 1), np.float32)
    keys = (11, 12)
    levels = Levels([0.0], [sigma])
    noisy = add_noise(dark, np.arange(count), keys, "input", 0, levels)
    scatter = noisy.reshape(count, -1)[:, inside].astype(float).sum(1).std()
    depth = magnitude(5 * scatter)
    # 4000 draws know a scatter to 1.1 %, 0.012 mag; the abstract rounds to 0.1 mag.
    assert depth == pytest.approx(GUO[preset], abs=0.1)


# ceers.github.io/obs.html: median of ten pointings, point sources, five sigma.
CEERS = {
    "jwst_f115w": 29.20,
    "jwst_f150w": 29.00,
    "jwst_f200w": 29.16,
    "jwst_f277w": 29.15,
    "jwst_f356w": 29.15,
    "jwst_f410m": 28.32,
    "jwst_f444w": 28.54,
}


def test_stars_of_ceers_are_seen_as_deep_as_was_published():
    # The published depths go in. What is tested is the way from them to pixels, with
    # the light of a star that is spread out here by itself: over the PSF, over pixels,
    # and added up in an aperture of 0.2 arcsec.
    telescope = telescope_of("ceers")
    assert telescope.psfs is not None
    scale, parts, pixels = 0.03, 20, 9
    fine = ((np.arange(pixels * parts) + 0.5) / parts - 0.5 * pixels) * scale
    radius = np.hypot(*np.meshgrid(fine, fine))
    cells = (pixels, parts, pixels, parts)
    inside = (radius < 0.1).reshape(cells).mean((1, 3))
    for place, (name, published) in enumerate(CEERS.items()):
        psf = telescope.psfs[place]
        assert isinstance(psf, Moffat)
        size = psf.fwhm / 2 / np.sqrt(2 ** (1 / psf.beta) - 1)
        density = (psf.beta - 1) / np.pi / size**2
        light = density * (1 + (radius / size) ** 2) ** -psf.beta
        light = (light * (scale / parts) ** 2).reshape(cells).sum((1, 3))
        noise = telescope.background_sigma[place] * np.sqrt((inside**2).sum())
        depth = magnitude(5 * noise / (light * inside).sum())
        # Light is spread over a pixel once more, and of the pixels at the edge of this
        # small aperture only parts count: 0.05 mag together.
        assert depth == pytest.approx(published, abs=0.1), name


def test_gains_of_ceers_are_what_the_mirror_and_the_filters_let_through():
    # The zero-points are measured ones. Another way to them are the throughputs of
    # telescope, camera and detector together and the mirror's 25.4 m^2 (JDox, JWST
    # Telescope): photons of a source of 1 uJy, 1e-29 erg / s / cm^2 / Hz.
    planck, square_centimetres = 6.62607015e-27, 25.4e4
    telescope = telescope_of("ceers")
    for place, (name, noise) in enumerate(preset_of("ceers").noise.items()):
        band = Filter(name)
        width = np.trapezoid(band.transmission / band.wavelength, band.wavelength)
        expected = 1e-29 * square_centimetres * width / planck * noise["exposure_time"]
        # The absolute calibration of NIRCam is known to 2 %, and its gain is rounded.
        assert telescope.gain[place] == pytest.approx(expected, rel=0.03), name


def point_source_depth(telescope: Telescope, place: int, scale: float) -> float:
    """Return the magnitude at five sigma of a star in a matched filter."""
    assert telescope.psfs is not None
    # A star is a Gaussian too small to matter, which the PSF and pixels spread.
    psf = telescope.psfs[place]
    assert isinstance(psf, Gaussian)
    side = 41
    edges = (np.arange(side + 1) - side / 2) * scale
    share = np.diff(erf(edges * 2 * np.sqrt(np.log(2)) / psf.fwhm)) / 2
    light = np.outer(share, share)
    sigma = telescope.background_sigma[place] / np.sqrt((light**2).sum())
    return magnitude(5 * sigma)


# SMTN-002 (doi:10.71929/rubin/3408482): one visit of 30 s, dark sky, zenith.
LSST_VISIT = dict(
    zip("ugrizy", (23.70, 24.97, 24.52, 24.13, 23.56, 22.55), strict=True)
)


@pytest.mark.parametrize("band", LSST_VISIT)
def test_stars_of_lsst_are_seen_as_deep_as_was_published(band):
    pytest.importorskip("surveycodex")
    name = f"lsst_baseline_{band}"
    place = list(preset_of("lsst").psf).index(name)
    visits = preset_of("lsst").noise[name]["exposures"]
    depth = point_source_depth(telescope_of("lsst"), place, 0.2)
    published = LSST_VISIT[band] + 1.25 * np.log10(visits)
    assert depth == pytest.approx(published, abs=0.3)


# DES DR2, Abbott et al. 2021, ApJS 255, 20, abstract: ten sigma in 1.95 arcsec.
DES = {"g": 24.7, "r": 24.4, "i": 23.8, "z": 23.1, "Y": 21.7}


@pytest.mark.parametrize("band", DES)
def test_apertures_of_des_are_as_deep_as_was_published(band):
    pytest.importorskip("surveycodex")
    place = list(preset_of("des").psf).index(f"decam_{band}")
    sigma = telescope_of("des").background_sigma[place]
    pixels = np.pi * (0.5 * 1.95 / 0.2637) ** 2
    depth = magnitude(10 * sigma * np.sqrt(pixels))
    assert depth == pytest.approx(DES[band], abs=0.3)


def test_an_aperture_of_euclid_is_as_deep_as_was_published():
    # Euclid Collaboration, arXiv:2503.15303, abstract: stacks of the quick release, ten
    # sigma in 1.3 arcsec. They hold two short exposures besides the four.
    pytest.importorskip("surveycodex")
    sigma = telescope_of("euclid-vis").background_sigma[0]
    pixels = np.pi * (0.5 * 1.3 / 0.1) ** 2
    assert magnitude(10 * sigma * np.sqrt(pixels)) == pytest.approx(25.6, abs=0.3)


# Recipes.


@pytest.mark.parametrize("preset", CANDELS)
def test_candels_has_every_filter_of_the_built_in_grid(preset, seds):
    recipe = Recipe(observation={"preset": preset})
    telescopes = telescopes_of(recipe, seds)
    for one in telescopes.values():
        assert one.psfs is not None
        assert len(one.psfs) == seds.sizes["filter"]
        assert (one.background_sigma > 0).all()
        assert one.noisy
        # A PSF that the stamps of the default shape can be convolved with.
        Convolution(one.psfs, shape=(60, 60), pixel_scale=recipe.pixel_scale)


def test_the_pixel_scale_is_that_of_the_preset_unless_it_is_given():
    pytest.importorskip("surveycodex")
    recipe = Recipe(observation={"preset": "lsst"})
    assert recipe.pixel_scale == 0.2
    assert "\npixel_scale: 0.2\n" in recipe.to_yaml()
    assert assemble({}, ["observation.preset=lsst"]) == recipe
    assert Recipe(observation=recipe.observation).pixel_scale == 0.2
    given = Recipe(observation={"preset": "lsst"}, pixel_scale=0.1)
    assert given.pixel_scale == 0.1
    # The variance of a pixel is that of its area.
    ratio = telescopes_of(given, grid_of("lsst"))["input"].background_sigma[5]
    assert ratio / telescope_of("lsst").background_sigma[5] == pytest.approx(0.5)


def test_what_is_given_goes_before_the_preset():
    seds = grid_of("candels-deep")
    names = seds["filter"].values.tolist()
    recipe = Recipe(
        observation={
            "preset": "candels-deep",
            "psf": {names[1]: {"psf_fwhm": 0.2}},
            "target": {"preset": "candels-wide", "noise": {"background_sigma": 1}},
        }
    )
    plain = telescope_of("candels-deep")
    wide = telescope_of("candels-wide")
    found = telescopes_of(recipe, seds)
    assert found["input"].psfs is not None
    assert plain.psfs is not None
    assert found["input"].psfs[1] == Gaussian(0.2)
    assert found["input"].psfs[2:] == plain.psfs[2:]
    assert (found["input"].background_sigma == plain.background_sigma).all()
    assert found["target"].psfs == wide.psfs
    assert (found["target"].background_sigma == 1).all()
    other = Recipe(
        observation={"preset": "candels-deep", "target": {"preset": "candels-wide"}}
    )
    target = telescopes_of(other, seds)["target"]
    assert (target.background_sigma == wide.background_sigma).all()


def test_pixels_follow_from_the_numbers_of_a_preset(seds, monkeypatch):
    def identity(preset: str) -> dict[str, Any]:
        return with_surveys(Recipe(observation={"preset": preset}), seds).identity()

    before = identity("candels-deep")
    assert identity("candels-wide") != before
    deeper = dict.fromkeys(preset_of("candels-deep").psf, (30.0, 30.0))
    monkeypatch.setattr("argdask.survey_presets._DEPTHS", deeper)
    PRESETS["candels-deep"].cache_clear()  # type: ignore[attr-defined]
    try:
        assert identity("candels-deep") != before
    finally:
        monkeypatch.undo()
        PRESETS["candels-deep"].cache_clear()  # type: ignore[attr-defined]
    assert identity("candels-deep") == before


def test_what_is_made_says_which_survey_its_numbers_are_of(seds):
    target = {"preset": "candels-wide"}
    chosen = Recipe(observation={"preset": "candels-deep", "target": target})
    made = with_surveys(chosen, seds).observation
    assert made is not None
    assert made.target is not None
    assert (made.preset, made.survey) == (None, "candels-deep")
    assert (made.target.preset, made.target.survey) == (None, "candels-wide")
    # It is a word and no more: the same pixels, and it is kept when all is read again.
    other = made.model_copy(update={"survey": "my own words"})
    assert other.identity() == made.identity()
    again = with_surveys(Recipe(observation=made), seds)
    assert again.observation == made
    said = {"preset": "candels-deep", "survey": "CANDELS, half the depth"}
    kept = with_surveys(Recipe(observation=said), seds).observation
    assert kept is not None
    assert kept.survey == said["survey"]


@pytest.mark.parametrize("place", ["", "target."])
def test_an_unknown_preset_is_told_with_the_nearest(place):
    with pytest.raises(InputError) as caught:
        assemble({}, [f"observation.{place}preset=candels_deep"])
    assert str(caught.value) == (
        f"observation.{place}preset: got candels_deep, expected the name of a survey; "
        "nearest: candels-deep, candels-wide"
    )


def test_a_filter_that_the_survey_does_not_have_is_told_with_what_it_has():
    seds = grid_of("candels-deep")
    names = seds["filter"].values.astype("U20")
    names[4] = "wfc3_ir_f110w"
    with pytest.raises(InputError) as caught:
        telescopes_of(
            Recipe(observation={"preset": "candels-deep"}),
            seds.assign_coords(filter=names),
        )
    message = str(caught.value)
    assert message.startswith(
        "observation.preset: got candels-deep, and the filter wfc3_ir_f110w, expected "
        "filters of the survey, acs_wfc_f435w, acs_wfc_f606w, "
    )
    assert "nearest: wfc3_ir_f" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("attrs", "words"),
    [
        ({"per_solar_mass": 1}, "fluxes per solar mass"),
        (
            {"per_solar_mass": 0, "choices": '{"normalise": null}'},
            "fluxes of templates as they came",
        ),
    ],
)
def test_a_preset_refuses_fluxes_that_are_none_of_a_galaxy(attrs, words):
    seds = grid_of("candels-deep", attrs)
    keys = {"observation": {"preset": "candels-deep"}, "brightness": {"law": "grid"}}
    with pytest.raises(InputError) as caught:
        telescopes_of(Recipe(**keys), seds)
    assert str(caught.value).startswith(f"brightness.law: got grid, {words}, and the")
    keys["brightness"] = {"law": "equal"}
    assert telescopes_of(Recipe(**keys), seds)


def test_a_preset_takes_fluxes_of_galaxies_as_they_are(seds):
    keys = {"observation": {"preset": "candels-deep"}, "brightness": {"law": "grid"}}
    assert telescopes_of(Recipe(**keys), seds)
    given = grid_of("candels-deep")
    assert telescopes_of(Recipe(**keys), given)


def test_a_survey_of_the_extra_says_so_where_it_is_not_installed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "surveycodex", None)
    PRESETS["des"].cache_clear()  # type: ignore[attr-defined]
    told = "the preset des needs surveycodex: pip install 'argdask[survey]'"
    with pytest.raises(ImportError, match=r"argdask\[survey\]"):
        Recipe(observation={"preset": "des"})
    assert ad.presets().attrs["des"] == told
    with pytest.raises(SystemExit) as stopped:
        main(["recipe", "--set", "observation.preset=des"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"argdask: {told}\n"


# Listings.


def test_all_presets_are_listed():
    listing = ad.presets()
    assert list(listing.attrs) == list(PRESETS)
    rows = listing.isel(filter=(listing["preset"] == "candels-deep").values)
    telescope = telescope_of("candels-deep")
    assert telescope.psfs is not None
    assert rows["filter"].values.tolist() == list(preset_of("candels-deep").psf)
    assert (rows["background_sigma"] == telescope.background_sigma).all()
    assert rows["psf_fwhm"].values.tolist() == [psf.fwhm for psf in telescope.psfs]
    assert {one.attrs["units"] for one in listing.data_vars.values()} == {
        *("arcsec", "uJy / pixel", "electron / uJy")
    }


def test_the_command_prints_them(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["recipe", "--presets"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    for name in PRESETS:
        assert f"{name}\n  " in printed
    assert "\n  wfc3_ir_f160w            0.06    0.1717" in printed
    with pytest.raises(SystemExit) as stopped:
        main(["recipe", "--presets", "--set", "seed=3"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("argdask: --presets: got with something")
