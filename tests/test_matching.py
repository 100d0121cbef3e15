"""Matched PSFs against galaxies that are rendered with the wider one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from argdask.convolution import Convolution
from argdask.errors import InputError
from argdask.isophotes import extend, outer_isophotes
from argdask.matching import Matching
from argdask.psf import Airy, Gaussian, Moffat, PSFImage
from argdask.resampling import resize

ROW = {
    "half_light_radius": [3.0],
    "sersic_index": [2.5],
    "axis_ratio": [0.5],
    "position_angle": [30.0],
    "offset_y": [0.3],
    "offset_x": [-0.2],
}


def images_of(psfs, matching, scale):
    """The galaxy on the frame and its margins, and on the frame alone."""
    top, left = matching.margin
    height, width = matching.shape
    middle = [
        before + 0.5 * (side - whole)
        for before, side, whole in zip(
            matching.margin, matching.shape, matching.grid, strict=True
        )
    ]
    moved = {
        **ROW,
        "offset_y": [ROW["offset_y"][0] + middle[0]],
        "offset_x": [ROW["offset_x"][0] + middle[1]],
    }
    wide = Convolution(psfs, shape=matching.grid, pixel_scale=scale).sersic(moved)[0]
    frame = Convolution(psfs, shape=matching.shape, pixel_scale=scale).sersic(ROW)[0]
    # two routes to the frame
    cut = wide[:, top : top + height, left : left + width]
    np.testing.assert_allclose(cut, frame, atol=1e-4 * frame.max())
    return wide, frame


@pytest.mark.parametrize("shape", [(40, 41), (51, 50)])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Gaussian(0.15), Gaussian(0.2)),
        (Gaussian(0.15), Gaussian(0.3)),
        (Moffat(0.15, 4.0), Moffat(0.25, 3.5)),
        (Airy(12000.0, 2.4, 0.33), Airy(16000.0, 2.4, 0.33)),
        (Airy(8000.0, 2.4), Gaussian(0.25)),
    ],
    ids=repr,
)
def test_a_matched_image_is_one_with_the_wider_psf(source, target, shape) -> None:
    scale = 0.06
    matching = Matching([target, source], shape=shape, pixel_scale=scale)
    wide, frame = images_of([source, target], matching, scale)
    found, _ = matching.convolve(wide[0], source)
    # What the pixels alias of a PSF of 1.2 to 2.5 pixels is not matched.
    assert abs(found[0] - frame[1]).max() < 5e-3 * frame[1].max()
    assert found.dtype == np.float32


@pytest.mark.parametrize("index", [1.0, 2.5])
@pytest.mark.parametrize(("ratio", "shape"), [(0.6, (40, 41)), (0.45, (41, 44))])
def test_a_resized_and_matched_image_is_one_of_the_other_size(
    index, ratio, shape
) -> None:
    scale, before, after = 0.06, Gaussian(0.18), Moffat(0.16, 3.0)
    row = {**ROW, "sersic_index": [index]}
    large = {**row, "half_light_radius": [4.0 / ratio]}
    small = {**row, "half_light_radius": [4.0]}
    for name in ("offset_y", "offset_x"):
        small[name] = [row[name][0] * ratio]
    image = Convolution([before], shape=(64, 61), pixel_scale=scale).sersic(large)[0, 0]
    matching = Matching([after], shape=shape, pixel_scale=scale)
    resized = resize(image, ratio, matching.grid, matching.centre)
    light = extend(resized, outer_isophotes(image), ratio, matching.centre)
    found, _ = matching.convolve(light, before.resized(ratio), ratio)
    expected = Convolution([after], shape=shape, pixel_scale=scale).sersic(small)[0, 0]
    top, left = matching.margin
    covered = resized.covered[top : top + shape[0], left : left + shape[1]]
    error = abs(found[0] - expected) / expected.max()
    assert error[covered == 1.0].max() < 5e-3
    # the exponential that goes on where the image ends
    assert error.max() < 1e-2
    assert found.sum() == pytest.approx(expected.sum(), rel=0.03)


def test_an_image_with_the_psf_it_shall_have_stays_as_it_is() -> None:
    psf = Moffat(0.2, 3.0)
    matching = Matching([psf, Gaussian(0.4), psf], shape=(20, 21), pixel_scale=0.06)
    assert matching.index.tolist() == [0, 1, 0]
    rng = np.random.default_rng(1)
    image = rng.normal(size=matching.grid).astype(np.float32)
    found, noise = matching.convolve(image, Moffat(0.2, 3.0))
    top, left = matching.margin
    np.testing.assert_array_equal(found[0], image[top : top + 20, left : left + 21])
    assert noise[0] == 1.0
    assert noise[1] < 1.0


def test_noise_that_is_left_is_that_of_noise() -> None:
    matching = Matching([Gaussian(0.25)], shape=(400, 400), pixel_scale=0.06)
    image = np.random.default_rng(3).normal(size=matching.grid)
    found, noise = matching.convolve(image, Gaussian(0.1))
    # 160,000 pixels, about a tenth as many independent ones: 1 %
    assert noise[0] == pytest.approx(found.std(), rel=0.03)
    # a Gaussian kernel: 1 / (2 sqrt(pi) sigma)
    sigma = np.sqrt(0.25**2 - 0.1**2) / np.sqrt(8 * np.log(2)) / 0.06
    assert noise[0] == pytest.approx(1 / (2 * np.sqrt(np.pi) * sigma), rel=1e-6)


@pytest.mark.parametrize("ratio", [0.35, 0.8, 1.4])
def test_noise_that_is_left_in_resized_pixels_is_that_of_noise(ratio) -> None:
    matching = Matching([Gaussian(0.25)], shape=(300, 300), pixel_scale=0.06)
    side = int(max(matching.grid) / ratio) + 8
    image = np.random.default_rng(4).normal(size=(side, side))
    resized = resize(image, ratio, matching.grid)
    found, noise = matching.convolve(resized.values, Gaussian(0.1), ratio)
    frame = resized.noise[20:-20, 20:-20]
    # The noise of each pixel has another sigma, and the neighbours' mean is left.
    expected = np.sqrt(np.square(frame).mean()) * noise[0]
    assert found.std() == pytest.approx(expected, rel=0.03)
    # which is not what noise of one pixel alone would leave
    _, alone = matching.convolve(resized.values, Gaussian(0.1))
    if ratio > 1.0:
        assert noise[0] > 1.2 * alone[0]


def test_flux_and_sums_are_kept() -> None:
    matching = Matching([Gaussian(0.3)], shape=(31, 30), pixel_scale=0.06)
    one, two = np.zeros((2, *matching.grid))
    middle = matching.grid[0] // 2, matching.grid[1] // 2
    one[middle], two[middle[0] + 2, middle[1]] = 2.0, 3.0
    seen = [matching.convolve(i, Gaussian(0.1))[0] for i in (one, two, one + two)]
    assert seen[0].sum(dtype=float) == pytest.approx(2.0, rel=1e-4)
    np.testing.assert_allclose(seen[0] + seen[1], seen[2], atol=1e-6)
    np.testing.assert_allclose(seen[1][0, 2:], 1.5 * seen[0][0, :-2], atol=1e-6)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Gaussian(0.2), Gaussian(0.15)),
        (Gaussian(0.2), Gaussian(0.195)),
        (Moffat(0.2, 2.5), Moffat(0.19, 4.0)),
        (Airy(16000.0, 2.4), Airy(8000.0, 2.4)),
        # as wide at half maximum, but with finer structure
        (Gaussian(0.3), Airy(24000.0, 2.0)),
    ],
    ids=repr,
)
def test_a_sharper_psf_is_refused(source, target) -> None:
    matching = Matching([Gaussian(0.5), target], shape=(30, 30), pixel_scale=0.06)
    with pytest.raises(InputError, match=r"psf: got .*wider") as caught:
        matching.convolve(np.zeros(matching.grid), source)
    assert "\n" not in str(caught.value)


def test_the_resized_psf_counts() -> None:
    matching = Matching([Gaussian(0.2)], shape=(30, 30), pixel_scale=0.06)
    source = Gaussian(0.3)
    with pytest.raises(InputError):
        matching.convolve(np.zeros(matching.grid), source)
    matching.convolve(np.zeros(matching.grid), source.resized(0.5))


def test_an_image_without_a_psf_takes_all_of_it() -> None:
    psfs = [Gaussian(0.2), Moffat(0.25, 3.0)]
    matching = Matching(psfs, shape=(30, 31), pixel_scale=0.06)
    # a round galaxy that its pixels do resolve, with a sigma of 1.5 pixels
    y, x = np.indices(matching.grid)
    top, left = matching.margin
    square = (y - top - 14.5) ** 2 + (x - left - 15) ** 2
    image = np.exp(-0.5 * square / 1.5**2)
    found, noise = matching.convolve(image, None)
    same, _ = matching.convolve(image, Gaussian(1e-4))
    np.testing.assert_allclose(found, same, atol=1e-5)
    sigma = np.hypot(1.5, 0.2 / 0.06 / np.sqrt(8 * np.log(2)))
    frame = np.exp(-0.5 * square / sigma**2)[top : top + 30, left : left + 31]
    expected = frame * (1.5 / sigma) ** 2
    np.testing.assert_allclose(found[0], expected, atol=1e-4)
    assert noise[1] < noise[0] < 1.0


def test_an_image_of_a_star_is_a_source() -> None:
    scale = 0.06
    y, x = np.indices((41, 44)) * 0.03
    sigma = 0.12 / np.sqrt(8 * np.log(2))
    square = (y - 20.4 * 0.03) ** 2 + (x - 21.0 * 0.03) ** 2
    star = PSFImage(np.exp(-0.5 * square / sigma**2), 0.03, (20.4, 21.0))
    matching = Matching([Gaussian(0.25)], shape=(30, 31), pixel_scale=scale)
    image = np.random.default_rng(2).normal(size=matching.grid)
    found, _ = matching.convolve(image, star)
    expected, _ = matching.convolve(image, Gaussian(0.12))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_bits_do_not_depend_on_what_was_done_before() -> None:
    matching = Matching([Gaussian(0.3)], shape=(30, 31), pixel_scale=0.06)
    images = np.random.default_rng(2).normal(size=(3, *matching.grid))
    first = [matching.convolve(image, Gaussian(0.1))[0] for image in images]
    again = [matching.convolve(image, Gaussian(0.1))[0] for image in images[::-1]]
    np.testing.assert_array_equal(first, again[::-1])


def test_a_psf_that_is_wider_than_the_frame_is_refused() -> None:
    with pytest.raises(InputError, match=r"psf.fwhm.*at most the frame's 20 pixels"):
        Matching([Gaussian(0.3), Gaussian(1.5)], shape=(20, 31), pixel_scale=0.06)


def test_another_shape_is_refused() -> None:
    matching = Matching([Gaussian(0.3)], shape=(30, 31), pixel_scale=0.06)
    with pytest.raises(ValueError, match="expected an image"):
        matching.convolve(np.zeros((30, 31)), Gaussian(0.1))
    assert matching.grid == tuple(
        fft.next_fast_len(side, real=True) for side in matching.grid
    )
