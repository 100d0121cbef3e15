"""How large a user's images are in the pixels of a recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.image_light import ImageLight
from argdask.own_noise import covered_fraction
from argdask.recipe import ImageProfile, Recipe
from argdask.schema import ENDS
from argdask.sizes import Sizes
from argdask.table_columns import refuse_rows
from argdask.tables import UserTable

__all__ = ["ImageSizes", "check_known", "check_redshifts", "scale_ratio"]

Floats = NDArray[np.float64]

# Redshifts that are nearer to each other are the same one.
_ROUNDED = 1e-9
# At which the largest ratio is sought; between them it differs by less than 1e-3.
_NODES = 512


def scale_ratio(recipe: Recipe) -> float:
    """Return the size of a pixel of a recipe's images over that of its frames.

    Parameters
    ----------
    recipe
        The choices.

    Returns
    -------
    float
        1 exactly where they are the same to 1e-9, or the images' is not said.
    """
    own = getattr(recipe.profile, "pixel_scale", None)
    ratio = 1.0 if own is None else own / recipe.pixel_scale
    return 1.0 if abs(ratio - 1.0) <= _ROUNDED else float(ratio)


class ImageSizes:
    """Sizes of a user's images at the redshifts at which they are seen.

    Parameters
    ----------
    recipe
        The choices.
    images
        The images, which are not opened before a galaxy is asked for.
    sizes
        How angles follow redshifts; None where they do not.
    """

    def __init__(
        self, recipe: Recipe, images: ImageLight, sizes: Sizes | None = None
    ) -> None:
        self._images, self._sizes = images, sizes
        self._known = images.profile.image_redshift
        self._shape = recipe.image_shape
        self._pixels = scale_ratio(recipe)
        seen = recipe.observation is not None
        # Images whose redshift nobody says are those at z_in, where sizes are.
        self._at_input = sizes is not None and sizes.at_input and self._known is None
        self.told = seen or sizes is not None or self._pixels != 1.0
        """Whether sizes are among the truth; not where images are taken as they are."""

    def angle(self, redshift: Floats, image_redshift: Floats) -> Floats:
        """Return the angle of each galaxy over that in its image.

        Parameters
        ----------
        redshift
            At which it is seen (galaxy,).
        image_redshift
            That of its image (galaxy,), above 0.

        Returns
        -------
        ndarray
            Ratios (galaxy,); 1 exactly where the redshifts are the same.
        """
        if self._sizes is None:
            return np.ones(redshift.shape)
        same = abs(redshift - image_redshift) <= _ROUNDED
        return np.where(same, 1.0, self._sizes.ratio(redshift, image_redshift))

    def largest(self, reach: dict[str, tuple[float, float]], role: str) -> float:
        """Return the largest angle of any galaxy over that in its image.

        Parameters
        ----------
        reach
            The ends of the redshifts that can be drawn, by the name of the image.
        role
            Either input or target.

        Returns
        -------
        float
            The ratio, where a catalogue gives no redshifts.
        """
        if self._at_input:
            assert self._sizes is not None, "sizes are given at z_in"
            if role == "input":
                return 1.0
            return self._sizes.between(reach["input"], reach["target"])[1]
        low, high = np.log1p(reach[role])
        redshift = np.expm1(np.linspace(low, high, _NODES))
        return float(self.angle(redshift, np.full(_NODES, self._known or 0.0)).max())

    def columns(
        self, z_in: Floats, z_out: Floats, image_redshift: Floats | None
    ) -> dict[str, Any]:
        """Return the redshifts of images, and how large they are.

        Parameters
        ----------
        z_in, z_out
            Redshifts of galaxies (galaxy,).
        image_redshift
            Those that a catalogue gives of their images (galaxy,); None for those of
            the recipe.

        Returns
        -------
        dict
            ``image_redshift`` (galaxy,) where it is known; where images are not taken
            as they are, ``image_height``, ``image_width`` and ``covered_fraction``,
            each with ``_in`` and ``_out`` (galaxy,).
        """
        found: dict[str, Floats] = {}
        if image_redshift is None and self._known is not None:
            image_redshift = np.full(z_in.shape, self._known)
        if image_redshift is None and self._at_input:
            image_redshift = z_in.copy()
        if image_redshift is not None:
            found["image_redshift"] = image_redshift
        if self.told:
            found |= self.sizes(z_in, z_out, image_redshift)
        return found

    def sizes(
        self, z_in: Floats, z_out: Floats, image_redshift: Floats | None
    ) -> dict[str, Floats]:
        """Return how large images are, whether that is among the truth or not.

        Parameters
        ----------
        z_in, z_out, image_redshift
            As `columns` takes them.

        Returns
        -------
        dict
            ``image_height``, ``image_width`` and ``covered_fraction``, each with
            ``_in`` and ``_out`` (galaxy,).
        """
        if image_redshift is None:
            known = np.full(z_in.shape, self._known or 0.0)
            image_redshift = z_in if self._at_input else known
        found: dict[str, Floats] = {}
        # The columns of no galaxy are asked for where images may not be there.
        height, width = self._images.stack.shape if z_in.size else (0, 0)
        for end, redshift in zip(ENDS.values(), (z_in, z_out), strict=True):
            ratio = self._pixels * self.angle(redshift, image_redshift)
            found[f"image_height_{end}"] = height * ratio
            found[f"image_width_{end}"] = width * ratio
        for end in ENDS.values():
            sides = found[f"image_height_{end}"], found[f"image_width_{end}"]
            covered = covered_fraction(*sides, self._shape)
            found[f"covered_fraction_{end}"] = covered
        return found


def check_known(recipe: Recipe, table: UserTable | None) -> None:
    """See that images have redshifts, where their sizes follow them.

    Parameters
    ----------
    recipe
        The choices, of images.
    table
        The table, if there is one.

    Raises
    ------
    InputError
        If nothing gives them.
    """
    told = () if table is None else table.names
    known = getattr(recipe.profile, "image_redshift", None) is not None
    known = known or recipe.reference_redshift == "z_in"
    if recipe.angular_size and not known and "image_redshift" not in told:
        raise InputError(
            "profile.image_redshift",
            "nothing",
            "the redshift of the images, at which they have the size that is seen",
            "give it, a catalogue with a column of this name or reference_redshift "
            "z_in, or leave out angular_size",
        )


def check_redshifts(
    recipe: Recipe, table: UserTable | None, reach: tuple[float, float]
) -> None:
    """See that no galaxy is seen from nearer than its image was.

    Parameters
    ----------
    recipe
        The choices, of images with sizes that follow the redshift.
    table
        The table, if there is one.
    reach
        The lowest z_in that can be drawn, and what it is where a row says more than
        the recipe.

    Raises
    ------
    InputError
        If one may be, or a redshift of an image is 0.
    """
    assert isinstance(recipe.profile, ImageProfile), "others have no redshift"
    told = {} if table is None else table.values
    own, z_in = told.get("image_redshift"), told.get("z_in")
    known = recipe.profile.image_redshift
    fixed = recipe.redshifts.z_in
    lowest = reach[0] if "sed_index" not in told and "z_out" not in told else reach[1]
    lowest = lowest if fixed is None else fixed
    if own is None and known is None:
        return  # they are those at z_in
    cure = (
        "give redshifts.z_in, a catalogue with z_in, or an SED grid that begins there"
    )
    if own is None and z_in is None:
        assert known is not None, "images without a redshift are those at z_in"
        if not 0.0 < known <= lowest + _ROUNDED:
            expected = f"above 0 and at most the lowest z_in, {lowest:g}"
            where = "profile.image_redshift"
            raise InputError(where, f"{known:g}", expected, cure)
        return
    count = len(own if own is not None else z_in if z_in is not None else ())
    images = np.full(count, known) if own is None else own
    galaxies = np.full(count, lowest) if z_in is None else z_in
    wrong = ~((images > 0.0) & (images <= galaxies + _ROUNDED))
    if not wrong.any():
        return
    first = galaxies[np.argmax(wrong)]
    if own is None:
        expected = f"at least the redshift of its image, {known:g}"
        refuse_rows("z_in", wrong, galaxies, expected, "drop the row")
    which = "its z_in" if z_in is not None else "the lowest z_in"
    expected = f"above 0 and at most {which}, {first:g}"
    cure = "drop the row" if z_in is not None else cure
    refuse_rows("image_redshift", wrong, images, expected, cure)
