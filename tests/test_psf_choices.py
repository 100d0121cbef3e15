"""Images of PSFs: read once, known by what they are for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from observed import THREE

from argdask.psf import PSFImage
from argdask.psf_choices import hash_of_images, psf_images
from argdask.recipe import Recipe
from argdask.telescopes import telescopes_of

GAUSSIAN = {"psf_fwhm": 0.1}


def seen(**keys: Any) -> Recipe:
    return Recipe(observation=keys)


def star(side: int = 9, width: float = 2.0) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.exp(-0.5 * (y**2 + x**2) / width**2)


def image(source: str, **keys: Any) -> dict[str, Any]:
    return {"name": "image", "source": source, **keys}


def test_an_image_is_what_its_choice_says():
    np.save("star.npy", star())
    keys = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
    header = fits.Header({**keys, "CDELT1": -0.05 / 3600, "CDELT2": 0.05 / 3600})
    fits.PrimaryHDU(star(11), header).writeto("star.fits")
    psf = {
        "f606w": image("star.npy", pixel_scale=0.03, includes_pixel=True),
        "f814w": image("star.fits"),
        "f160w": image("star.fits", pixel_scale=0.02, centre=(5.5, 4)),
    }
    recipe = seen(psf=psf)
    images = psf_images(recipe)
    assert sorted(images) == ["star.fits", "star.npy"]
    psfs = telescopes_of(recipe, THREE)["input"].psfs
    assert psfs is not None
    # As it stands in the header: text of so many digits.
    scale = images["star.fits"].pixel_scale
    assert scale == pytest.approx(0.05, rel=1e-9)
    assert psfs == (
        PSFImage(star(), 0.03, includes_pixel=True),
        PSFImage(star(11), scale),
        PSFImage(star(11), 0.02, (5.5, 4)),
    )


def test_files_are_not_opened_where_images_are_given():
    np.save("star.npy", star())
    recipe = seen(psf=image("star.npy", pixel_scale=0.03, centre=(4, 3)))
    images = psf_images(recipe)
    before = telescopes_of(recipe, THREE)
    (path,) = images
    np.save(path, star(5))
    assert telescopes_of(recipe, THREE, images)["input"].psfs == before["input"].psfs
    assert psf_images(recipe) != images


def test_the_psf_of_ones_own_images_is_read_too():
    np.save("star.npy", star())
    psf = image("star.npy", pixel_scale=0.03)
    recipe = Recipe(profile={"name": "images", "source": "a.npy", "psf": psf})
    assert psf_images(recipe) == {"star.npy": PSFImage(star(), 0.03)}
    assert telescopes_of(recipe, THREE) == {}
    assert psf_images(Recipe(profile={"name": "images", "source": "a.npy"})) == {}


def test_the_hash_is_that_of_what_each_image_is_for():
    np.save("a.npy", star())
    np.save("b.npy", star(11))
    np.save("c.npy", star())

    def hash_of(**named: dict[str, Any]) -> str | None:
        recipe = seen(psf={**dict.fromkeys(["f606w", "f814w"], GAUSSIAN), **named})
        return hash_of_images(recipe, psf_images(recipe))

    one, other = image("a.npy", pixel_scale=0.1), image("b.npy", pixel_scale=0.1)
    assert hash_of() is None
    hashes = [
        hash_of(f606w=one),
        hash_of(f814w=one),
        hash_of(f606w=other),
        hash_of(f606w=one, f814w=other),
        hash_of(f606w=other, f814w=one),
        hash_of(f606w=one, f814w=one),
        hash_of(f606w={**one, "pixel_scale": 0.2}),
    ]
    assert len(set(hashes)) == len(hashes)
    moved = image("c.npy", pixel_scale=0.1)
    assert hash_of(f606w=moved, f814w=other) == hashes[3]
