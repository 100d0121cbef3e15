"""Galaxies through PSFs: GalSim, oversampling, closed forms, and the same bits."""

from __future__ import annotations

import functools
import pickle
from concurrent.futures import ThreadPoolExecutor

import galsim
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, special

from argdask import profiles
from argdask.convolution import NARROWEST, Convolution, padded_grid
from argdask.errors import InputError
from argdask.psf import Airy, Gaussian, Moffat, PSFImage
from argdask.transfers import reach_of

NAMES = (
    "half_light_radius",
    "sersic_index",
    "axis_ratio",
    "position_angle",
    "offset_y",
    "offset_x",
)
# The bar is 3e-3 of the peak. What was found is 2e-4, and 6e-5 for Gaussian PSFs.
ORACLE = 5e-4
SMALL_PIXELS = 1e-3
PRECISE = galsim.GSParams(
    folding_threshold=5e-4,
    maxk_threshold=1e-4,
    kvalue_accuracy=1e-6,
    maximum_fft_size=16384,
    integration_relerr=1e-7,
    stepk_minimum_hlr=6,
)


def columns_of(*rows):
    return dict(zip(NAMES, np.array(rows, float).T.reshape(6, -1), strict=True))


def by_galsim(row, psf, shape):
    radius, index, ratio, angle, offset_y, offset_x = row
    galaxy = galsim.Sersic(
        index, half_light_radius=radius * np.sqrt(ratio), gsparams=PRECISE
    )
    galaxy = galaxy.shear(q=ratio, beta=(angle + 90.0) * galsim.degrees)
    galaxy = galaxy.shift(offset_x, offset_y)
    seen = galsim.Convolve(galaxy, psf.withGSParams(PRECISE), gsparams=PRECISE)
    return seen.drawImage(nx=shape[1], ny=shape[0], scale=1.0, dtype=float).array


def by_oversampling(row, fwhm, side, parts, asymmetry=None):
    """Render on small pixels, convolve with a Gaussian, and add up."""
    sizes = {"half_light_radius", "offset_y", "offset_x"}
    columns = {
        name: np.array([value * (parts if name in sizes else 1.0)])
        for name, value in zip(NAMES, row, strict=True)
    }
    if asymmetry is not None:
        columns["asymmetry"] = np.array([asymmetry[0]])
        columns["asymmetry_angle"] = np.array([asymmetry[1]])
    shape = (side * parts, side * parts)
    fine = profiles.sersic(**columns, shape=shape, dtype=np.float64)[0]
    transfer = Gaussian(fwhm).transfer(
        fft.fftfreq(shape[0], 1 / parts)[:, None], fft.rfftfreq(shape[1], 1 / parts)
    )
    seen = fft.irfft2(fft.rfft2(fine) * transfer, s=shape)
    return seen.reshape(side, parts, side, parts).sum((1, 3))


def worst(found, expected):
    return abs(found - expected).max() / expected.max()


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5, 4.0])
@pytest.mark.parametrize("radius", [0.5, 2.0, 10.0])
def test_galaxies_are_those_of_galsim(index, radius) -> None:
    rng = np.random.default_rng(int(100 * index + radius))
    psfs = [Gaussian(1.3), Moffat(3.0, 3.5), Gaussian(5.0), Airy(9000.0, 1.6, 0.3)]
    airy = galsim.Airy(
        lam_over_diam=1.0 / psfs[3].finest, obscuration=0.3, scale_unit=galsim.arcsec
    )
    oracles = [
        galsim.Gaussian(fwhm=1.3),
        galsim.Moffat(3.5, fwhm=3.0),
        galsim.Gaussian(fwhm=5.0),
        airy,
    ]
    scale = 0.1  # arcsec per pixel for the mirror, whose PSF is 1.2 pixels wide
    shape = (60, 61)
    wide = Convolution(psfs[:3], shape=shape, pixel_scale=1.0)
    sharp = Convolution(psfs[3:], shape=shape, pixel_scale=scale)
    for ratio in (1.0, 0.5, 0.2):
        row = (radius, index, ratio, *rng.uniform((0, -1, -1), (180, 1, 1)))
        found = [*wide.sersic(columns_of(row))[0], *sharp.sersic(columns_of(row))[0]]
        for place, oracle in enumerate(oracles):
            psf = oracle.dilate(1.0 / scale) if oracle is airy else oracle
            expected = by_galsim(row, psf, shape)
            assert worst(found[place], expected) < ORACLE, (row, psfs[place])


@pytest.mark.parametrize("fwhm", [NARROWEST, 0.9, 2.0])
@pytest.mark.parametrize("index", [0.3, 1.0, 4.0])
def test_galaxies_are_those_of_small_pixels(index, fwhm) -> None:
    convolution = Convolution([Gaussian(fwhm)], shape=(32, 32), pixel_scale=1.0)
    for radius, ratio in ((1.0, 0.4), (3.0, 1.0), (6.0, 0.1)):
        row = (radius, index, ratio, 30.0, 0.25, 0.1)
        expected = by_oversampling(row, fwhm, 48, 16)[8:-8, 8:-8]
        found = convolution.sersic(columns_of(row))[0, 0]
        # Small pixels are themselves wrong about a cusp.
        assert worst(found, expected) < SMALL_PIXELS, row


@pytest.mark.parametrize("index", [0.5, 1.0, 4.0])
def test_lopsided_galaxies_are_those_of_small_pixels(index) -> None:
    convolution = Convolution([Gaussian(1.3)], shape=(40, 40), pixel_scale=1.0)
    for radius, ratio in ((0.5, 1.0), (3.0, 0.4)):
        row = (radius, index, ratio, 30.0, 0.25, 0.1)
        columns = columns_of(row) | {"asymmetry": [0.7], "asymmetry_angle": [50.0]}
        expected = by_oversampling(row, 1.3, 56, 14, (0.7, 50.0))[8:-8, 8:-8]
        assert worst(convolution.sersic(columns)[0, 0], expected) < 5e-4, row
        none = columns | {"asymmetry": [0.0]}
        same = convolution.sersic(columns_of(row))
        np.testing.assert_array_equal(convolution.sersic(none), same)


@functools.cache
def convolution_of(psf, side):
    return Convolution([psf], shape=(side, side), pixel_scale=1.0)


@settings(max_examples=25)
@given(
    st.tuples(
        st.floats(0.05, 30.0),
        st.floats(0.3, 8.0),
        st.floats(0.1, 1.0),
        st.floats(0.0, 180.0),
        st.floats(-3.0, 3.0),
        st.floats(-3.0, 3.0),
    ),
    st.sampled_from([Gaussian(0.5), Gaussian(2.0), Moffat(3.0, 2.5), Moffat(4.0, 4.8)]),
)
def test_a_frame_is_the_middle_of_a_larger_one(row, psf) -> None:
    small, large = convolution_of(psf, 60), convolution_of(psf, 180)
    expected = large.sersic(columns_of(row))[0, 0, 60:120, 60:120]
    assert worst(small.sersic(columns_of(row))[0, 0], expected) < 1e-4


@pytest.mark.parametrize("wavelength", [6000.0, 16000.0])
def test_wings_of_a_diffraction_pattern_reach_into_the_frame(wavelength) -> None:
    psf = [Airy(wavelength, 2.4, 0.33)]
    small = Convolution(psf, shape=(60, 60), pixel_scale=0.06)
    large = Convolution(psf, shape=(180, 180), pixel_scale=0.06)
    rows = columns_of((0.3, 4.0, 0.7, 10.0, 0.0, 0.0), (20.0, 1.0, 0.4, 70.0, 2.0, 1.0))
    expected = large.sersic(rows)[:, 0, 60:120, 60:120]
    for one, other in zip(small.sersic(rows)[:, 0], expected, strict=True):
        assert worst(one, other) < 1e-4


@pytest.mark.parametrize("fwhm", [0.5, 1.3, 5.0])
@pytest.mark.parametrize("index", [0.3, 1.0, 4.0, 8.0])
def test_flux_in_the_frame_is_what_the_profile_puts_there(index, fwhm) -> None:
    # The sum over the frame is the light times the frame, convolved with the PSF.
    convolution = convolution_of(Gaussian(fwhm), 60)
    sigma = fwhm / np.sqrt(8 * np.log(2))
    place = np.arange(180) - 89.5
    edge = 0.5 * special.erf((30.0 - place) / (sigma * np.sqrt(2)))
    share = edge + edge[::-1]
    for radius, ratio in ((0.3, 0.7), (3.0, 0.3), (25.0, 0.8)):
        row = (radius, index, ratio, 30.0, 1.3, -0.4)
        light = profiles.sersic(**columns_of(row), shape=(180, 180), dtype=np.float64)
        expected = np.einsum("yx,y,x->", light[0], share, share)
        found = convolution.sersic(columns_of(row)).sum(dtype=np.float64)
        # The bar is 1e-3; what was found is 1.2e-4.
        assert found == pytest.approx(expected, rel=3e-4), row


@pytest.mark.parametrize("index", [0.5, 1.0])
@pytest.mark.parametrize("fwhm", [1.3, 4.0])
def test_second_moments_add_up(index, fwhm) -> None:
    radius, ratio, angle = 4.0, 0.6, 25.0
    row = (radius, index, ratio, angle, 0.0, 0.0)
    # 40 radii: e^-30 is outside
    convolution = Convolution([Gaussian(fwhm)], shape=(160, 160), pixel_scale=1.0)
    image = convolution.sersic(columns_of(row))[0, 0].astype(np.float64)
    place = np.arange(160) - 79.5
    total = image.sum()
    yy = (image.sum(1) * place**2).sum() / total
    xx = (image.sum(0) * place**2).sum() / total
    xy = np.einsum("yx,y,x->", image, place, place) / total
    width = special.gammaincinv(2 * index, 0.5)
    moment = 0.5 * radius**2 * width ** (-2 * index)
    moment *= special.gamma(4 * index) / special.gamma(2 * index)
    turn = np.radians(angle)
    along = np.array([np.cos(turn), -np.sin(turn)])  # y, x
    across = np.array([np.sin(turn), np.cos(turn)])
    added = fwhm**2 / (8 * np.log(2)) + 1 / 12
    expected = moment * (np.outer(along, along) + ratio**2 * np.outer(across, across))
    expected += added * np.eye(2)
    # The bar is 1 %; float32 noise in the corners of the frame is most of what is left.
    np.testing.assert_allclose(
        [[yy, xy], [xy, xx]], expected, rtol=2e-3, atol=2e-3 * moment
    )


PSFS = [Gaussian(0.08), Gaussian(0.2), Moffat(0.18, 3.0), Gaussian(0.08)]
SEEN = Convolution(PSFS, shape=(20, 23), pixel_scale=0.06)
rows = st.tuples(
    st.floats(0.05, 12.0),
    st.floats(0.3, 6.0),
    st.floats(0.1, 1.0),
    st.floats(0.0, 180.0),
    st.sampled_from([0.0, 0.3, -4.0]),
    st.sampled_from([0.0, -0.5, 3.0]),
)


@settings(max_examples=30)
@given(st.lists(rows, min_size=1, max_size=7), st.data())
def test_bits_do_not_depend_on_the_batch(batch, data) -> None:
    whole = SEEN.sersic(columns_of(*batch))
    order = data.draw(st.permutations(range(len(batch))))
    some = order[: data.draw(st.integers(1, len(batch)))]
    part = SEEN.sersic(columns_of(*(batch[place] for place in some)))
    np.testing.assert_array_equal(part, whole[some])
    # nor on where the result goes
    memory = np.full(part.size + 1, np.nan, np.float32)[1:].reshape(part.shape)
    assert SEEN.sersic(columns_of(*(batch[p] for p in some)), memory) is memory
    np.testing.assert_array_equal(memory, whole[some])


def test_bits_do_not_depend_on_threads() -> None:
    rng = np.random.default_rng(9)
    batch = [
        (radius, index, ratio, angle, 0.3, -0.2)
        for radius, index, ratio, angle in rng.uniform(
            (0.1, 0.3, 0.1, 0.0), (12.0, 6.0, 1.0, 180.0), (48, 4)
        )
    ]
    whole = SEEN.sersic(columns_of(*batch))
    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(
            lambda first: SEEN.sersic(columns_of(*batch[first : first + 5])),
            range(0, 48, 5),
        )
        np.testing.assert_array_equal(np.concatenate(list(parts)), whole)


def test_bits_do_not_depend_on_the_object() -> None:
    row = columns_of((3.0, 2.0, 0.5, 30.0, 0.1, 0.2))
    other = pickle.loads(pickle.dumps(SEEN))
    np.testing.assert_array_equal(other.sersic(row), SEEN.sersic(row))
    assert len(pickle.dumps(SEEN)) < 2000


def test_components_are_galaxies() -> None:
    one, two = (1.0, 4.0, 0.9, 30.0, 0.1, 0.2), (5.0, 1.0, 0.4, 40.0, 0.1, 0.2)
    both = {name: value[None] for name, value in columns_of(one, two).items()}
    found = SEEN.sersic(both)
    assert found.shape == (1, 2, 3, 20, 23)
    np.testing.assert_array_equal(found[0], SEEN.sersic(columns_of(one, two)))


def test_filters_with_one_psf_share_its_images() -> None:
    assert SEEN.psfs == (PSFS[0], PSFS[1], PSFS[2])
    assert SEEN.index.tolist() == [0, 1, 2, 0]


@settings(max_examples=20)
@given(rows, st.integers(-4, 4), st.integers(-4, 4))
def test_a_whole_pixel_moves_the_image(row, down, left) -> None:
    moved = (*row[:4], row[4] + 0.25 * down, row[5])
    further = (*row[:4], row[4] + 0.25 * down + 1.0, row[5] - 1.0)
    first, second = SEEN.sersic(columns_of(moved, further))[:, 0]
    # The window around the centre has other widths where there is less room.
    np.testing.assert_allclose(
        second[1:, :-1], first[:-1, 1:], atol=3e-4 * max(first.max(), second.max())
    )


@settings(max_examples=20)
@given(rows)
def test_half_a_turn_turns_the_image(row) -> None:
    there = (*row[:4], -row[4], -row[5])
    first, second = SEEN.sersic(columns_of(row, there))[:, 1]
    np.testing.assert_allclose(second, first[::-1, ::-1], atol=2e-5 * first.max())


@settings(max_examples=20)
@given(rows)
def test_a_quarter_of_a_turn_is_a_position_angle(row) -> None:
    square = convolution_of(Gaussian(1.5), 21)
    # y to -x, x to y
    turned = (*row[:3], row[3] + 90.0, row[5], -row[4])
    first, second = square.sersic(columns_of(row, turned))[:, 0]
    # turned[y, x] = row[-x, y]
    np.testing.assert_allclose(second, first.T[:, ::-1], atol=2e-5 * first.max())


def test_a_narrower_psf_is_nearer_to_none() -> None:
    row = columns_of((4.0, 1.0, 0.7, 30.0, 0.0, 0.0))
    clean = profiles.sersic(**row, shape=(41, 41))[0]
    psfs = [Gaussian(0.5), Gaussian(1.0), Gaussian(2.0)]
    seen = Convolution(psfs, shape=(41, 41), pixel_scale=1.0).sersic(row)[0]
    errors = [worst(image, clean) for image in seen]
    assert errors[0] < errors[1] < errors[2]
    assert errors[0] < 0.06


@pytest.mark.parametrize("shape", [(31, 31), (30, 33)])
def test_effective_psfs_are_stars_in_pixels(shape) -> None:
    psfs = [Gaussian(0.11), Moffat(0.2, 3.0), Airy(8000.0, 2.4, 0.33)]
    found = Convolution(psfs, shape=shape, pixel_scale=0.06).points()
    oracles = [
        galsim.Gaussian(fwhm=0.11),
        galsim.Moffat(3.0, fwhm=0.2),
        galsim.Airy(lam=800.0, diam=2.4, obscuration=0.33),
    ]
    assert found.shape == (3, *shape)
    for image, oracle in zip(found, oracles, strict=True):
        drawn = oracle.withGSParams(PRECISE).drawImage(
            nx=shape[1], ny=shape[0], scale=0.06, dtype=float
        )
        expected = drawn.array / drawn.array.sum()
        assert image.sum(dtype=np.float64) == pytest.approx(1.0, abs=1e-5)
        assert worst(image, expected) < 5e-4  # frequencies with 1e-4 are left out


@pytest.mark.parametrize("centre", [None, (18.3, 22.75), (21.0, 20.0)])
@pytest.mark.parametrize("pixel", [True, False])
@pytest.mark.parametrize("sides", [(41, 41), (40, 43)])
def test_an_image_off_its_centre_is_put_in_the_middle(sides, centre, pixel) -> None:
    scale, fwhm = 0.25, 1.8
    place = centre or tuple((side - 1) / 2 for side in sides)
    shift = [(p - (side - 1) / 2) * scale for p, side in zip(place, sides, strict=True)]
    drawn = galsim.Gaussian(fwhm=fwhm).shift(shift[1], shift[0])
    image = drawn.drawImage(
        nx=sides[1],
        ny=sides[0],
        scale=scale,
        method="auto" if pixel else "no_pixel",
        dtype=float,
    ).array
    psfs = [PSFImage(image, scale, centre, pixel), Gaussian(fwhm)]
    convolution = Convolution(psfs, shape=(30, 31), pixel_scale=1.0)
    stars = convolution.points()
    assert worst(stars[0], stars[1]) < 1e-4  # the image is cut off at 5 arcsec
    galaxy = convolution.sersic(columns_of((3.0, 4.0, 0.5, 30.0, 0.25, 0.0)))[0]
    assert worst(galaxy[0], galaxy[1]) < 1e-4
    # an image in other pixels by the same factor is another PSF
    wide = Convolution([psfs[0].resized(1.5)], shape=(30, 31), pixel_scale=1.0)
    wider = Convolution([Gaussian(1.5 * fwhm)], shape=(30, 31), pixel_scale=1.0)
    assert worst(wide.points()[0], wider.points()[0]) < 1e-4


def test_a_lopsided_psf_is_not_turned_round() -> None:
    image = np.zeros((21, 21))
    image[10, 10], image[16, 10], image[10, 13] = 1.0, 0.5, 0.25
    image = np.real(
        fft.ifft2(fft.fft2(image) * np.outer(*[np.exp(-8 * fft.fftfreq(21) ** 2)] * 2))
    )
    psf = PSFImage(np.maximum(image, 0.0), 0.5)
    found = Convolution([psf], shape=(15, 15), pixel_scale=1.0)
    star = found.points()[0]
    # 6 small pixels up and 3 to the right
    assert star[10, 7] > 2.0 * star[4, 7]
    assert star[7, 8] + star[7, 9] > 1.2 * (star[7, 6] + star[7, 5])
    # A galaxy much smaller than the PSF is as lopsided.
    galaxy = found.sersic(columns_of((0.02, 1.0, 1.0, 0.0, 0.0, 0.0)))[0, 0]
    assert worst(galaxy, star * galaxy.sum()) < 2e-3


def test_narrow_psfs_are_named() -> None:
    psfs = [Gaussian(0.6), Gaussian(0.4), Gaussian(0.6)]
    found = Convolution(psfs, shape=(20, 20), pixel_scale=1.0)
    assert found.narrow.tolist() == [False, True, False]


@pytest.mark.parametrize("shape", [(60, 60), (1, 7), (31, 64)])
@pytest.mark.parametrize("margin", [7, 19, 38])
def test_grids_hold_the_frame_and_its_margins(shape, margin) -> None:
    grid, before = padded_grid(shape, margin)
    for side, whole, first in zip(shape, grid, before, strict=True):
        assert first >= margin
        assert whole - side - first >= margin
        assert whole < 2 * (side + 2 * margin)


def test_bad_frames_and_columns_are_refused() -> None:
    with pytest.raises(InputError, match=r"psf.fwhm.*21 pixels.*at most.*20"):
        Convolution([Gaussian(1.0), Gaussian(21.0)], shape=(20, 30), pixel_scale=1.0)
    with pytest.raises(ValueError, match="expected PSFs"):
        Convolution([], shape=(20, 30), pixel_scale=1.0)
    with pytest.raises(ValueError, match="expected PSFs"):
        Convolution([Gaussian(1.0)], shape=(20, 0), pixel_scale=1.0)
    with pytest.raises(ValueError, match="expected PSFs"):
        Convolution([Gaussian(1.0)], shape=(20, 20), pixel_scale=float("nan"))
    row = columns_of((3.0, 2.0, 0.5, 30.0, 0.1, 0.2))
    with pytest.raises(ValueError, match="expected columns"):
        SEEN.sersic({**row, "size": [1.0]})
    with pytest.raises(ValueError, match="centres in the frame"):
        SEEN.sersic({**row, "offset_y": [10.1]})
    with pytest.raises(ValueError, match="out must be"):
        SEEN.sersic(row, np.empty((1, 3, 20, 23), np.float64))
    with pytest.raises(ValueError, match="one length"):
        SEEN.sersic({**row, "offset_y": [1.0, 2.0]})


def test_a_psf_wider_than_any_frame_still_has_its_frequency_zero() -> None:
    # Half of the light within 60 pixels: the first frequency beside 0 hardly counts.
    wide = Airy(16000.0, 0.05)
    reach = reach_of(wide, 0.06)
    assert 0 < reach < 0.1
