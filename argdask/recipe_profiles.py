"""The light profiles of a recipe: one Sersic profile, several, or a user's images."""

from __future__ import annotations

import keyword
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from argdask.choices import Choices, wrong_choice
from argdask.errors import nearest
from argdask.recipe_observation import OwnPSF
from argdask.sampling import Beta, Constant, Distribution, Lognormal, Uniform

__all__ = [
    "SHARED",
    "Component",
    "ComponentsProfile",
    "ImageProfile",
    "Profile",
    "SersicProfile",
    "by_place",
    "default_radii",
]

# Half-light radii of which nothing is said: bounds in pixels, and medians in arcsec of
# components by their name.
_DEFAULT_RADII = (0.5, 30.0)
_MEDIAN_RADIUS = 0.6
_MEDIAN_RADII = {"bulge": 0.2}

# What a component has by its name, where nothing else is said.
_DISC: dict[str, Any] = {"sersic_index": Constant(value=1.0)}
_USUAL: dict[str, dict[str, Any]] = {
    "bulge": {
        "sersic_index": Lognormal(median=4.0, sigma=0.25, minimum=2.0, maximum=8.0),
        "axis_ratio": Uniform(minimum=0.6, maximum=1.0),
    },
    "disc": _DISC,
    "disk": _DISC,
}
_USUAL_AGES = {"bulge": (1e9, np.inf)}

_BULGE_AND_DISC: dict[str, Any] = {"bulge": {}, "disc": {}}

# What a component has from its galaxy, unless it is given one of its own.
SHARED = ("position_angle", "offset_y", "offset_x")


def default_radii(pixel_scale: float, component: str = "") -> Lognormal:
    """Return the radii of galaxies, or of components, of which nothing is said.

    Parameters
    ----------
    pixel_scale
        Size of a pixel, arcsec.
    component
        Name of the component; empty for a whole galaxy.

    Returns
    -------
    Lognormal
        Semi-major axes of the ellipse with half the light, arcsec.
    """
    low, high = (round(radius * pixel_scale, 12) for radius in _DEFAULT_RADII)
    median = _MEDIAN_RADII.get(component, _MEDIAN_RADIUS)
    return Lognormal(median=median, sigma=0.3, minimum=low, maximum=high)


class _SersicKeys(Choices):
    """What a Sersic profile has, of a galaxy or of a component of one."""

    RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "half_light_radius": (0.0, np.inf),
        "sersic_index": (0.3, 8.0),
        "axis_ratio": (0.1, 1.0),
        "position_angle": (0.0, 180.0),
        "asymmetry": (0.0, 0.999),
        "asymmetry_angle": (0.0, 360.0),
    }

    name: Literal["sersic"] = "sersic"
    """Which profile the galaxies have: sersic."""
    half_light_radius: Distribution | None = None
    """Semi-major axis of the ellipse with half the light [arcsec]; left out: lognormal,
    median 0.6, sigma 0.3, cut to 0.5-30 pixels."""
    sersic_index: Distribution = Lognormal(
        median=1.65, sigma=0.5, minimum=0.3, maximum=8.0
    )
    """Sersic index n, 0.3 to 8."""
    axis_ratio: Distribution = Uniform(minimum=0.2, maximum=1.0)
    """Minor over major axis b/a, 0.1 to 1."""
    position_angle: Distribution | None = None
    """Angle of the major axis from +y towards -x, 0 to 180 [deg]; left out: that of the
    galaxy."""
    offset_y: Distribution | None = None
    """Centre minus (N - 1) / 2 along y [pixel]; left out: that of the galaxy."""
    offset_x: Distribution | None = None
    """Centre minus (N - 1) / 2 along x [pixel]; left out: that of the galaxy."""
    asymmetry: Distribution = Constant(value=0.0)
    """Light is multiplied by 1 - asymmetry cos(angle - asymmetry_angle); 0 to 0.999."""
    asymmetry_angle: Distribution = Constant(value=0.0)
    """Where it is dimmest, from the major axis counter-clockwise in the frame in which
    the ellipse is a circle, 0 to 360 [deg]."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The catalogue's columns that stamps are rendered from."""
        return tuple(name for name in _SersicKeys.model_fields if name != "name")

    @property
    def parameters(self) -> dict[str, Distribution]:
        """The distribution of every column that has one, by its name."""
        laws = {name: getattr(self, name) for name in self.columns}
        return {name: law for name, law in laws.items() if law is not None}

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for name, bounds in self.RANGES.items():
            _check_support(name, getattr(self, name), bounds)
        return self


class SersicProfile(_SersicKeys):
    """One Sersic profile; every key but the name is a column of the catalogue."""

    position_angle: Distribution = Uniform(minimum=0.0, maximum=180.0)
    """Angle of the major axis from +y towards -x, 0 to 180 [deg]."""
    offset_y: Distribution = Constant(value=0.0)
    """Centre minus (N - 1) / 2 along y [pixel]."""
    offset_x: Distribution = Constant(value=0.0)
    """Centre minus (N - 1) / 2 along x [pixel]."""


class Component(_SersicKeys):
    """One component of every galaxy: its profile, its light and its templates.

    A component called bulge has by default Sersic indices about 4 (lognormal, sigma
    0.25, 2 to 8), axis ratios of 0.6 to 1, radii with a median of 0.2 arcsec and, where
    the SED grid knows ages, templates of at least 1e9 yr; one called disc (or disk) has
    Sersic index 1; any other has the defaults of a galaxy.
    """

    half_light_radius: Distribution | None = None
    """Semi-major axis of the ellipse with half the light [arcsec]; left out: lognormal,
    median 0.6 (of a bulge 0.2), sigma 0.3, cut to 0.5-30 pixels."""
    light_fraction: Distribution | None = None
    """Fraction of the galaxy's light, 0 to 1, in brightness.brightness_filter at
    brightness.brightness_redshift; left out: what the others leave, in equal shares;
    that of the bulge is profile.bulge_to_total."""
    minimum_age: Annotated[float, Field(ge=0)] | None = None
    """Least age of its templates, in the unit of the SED grid [yr]; left out: any, or
    for a bulge without maximum_age 1e9 where the grid knows ages."""
    maximum_age: Annotated[float, Field(gt=0)] | None = None
    """Greatest age of its templates, in the unit of the SED grid [yr]; left out: any
    age."""

    @model_validator(mode="after")
    def _check_fraction_and_ages(self) -> Self:
        _check_support("light_fraction", self.light_fraction, (0.0, 1.0))
        low, high = self.minimum_age, self.maximum_age
        if low is not None and high is not None and low > high:
            cure = "exchange them"
            raise wrong_choice("minimum_age", low, f"at most maximum_age, {high}", cure)
        return self


class ComponentsProfile(Choices):
    """Several components of every galaxy, as a bulge and a disc, each with its SED.

    Components are kept in the order of the alphabet, so that the order in which they
    are written does not matter.
    """

    name: Literal["components"]
    """Which profile the galaxies have: components."""
    bulge_to_total: Distribution | None = None
    """Fraction of the light that is in the component called bulge, 0 to 1, in
    brightness.brightness_filter at brightness.brightness_redshift; left out: beta
    distribution, alpha 1, beta 2, up to what the others leave, or all of that where
    each of them has its own."""
    position_angle: Distribution = Uniform(minimum=0.0, maximum=180.0)
    """Angle of the major axis of all components that have none of their own, from +y
    towards -x, 0 to 180 [deg]."""
    offset_y: Distribution = Constant(value=0.0)
    """Centre of all components that have none of their own, minus (N - 1) / 2 along y
    [pixel]."""
    offset_x: Distribution = Constant(value=0.0)
    """Centre of all components that have none of their own, minus (N - 1) / 2 along x
    [pixel]."""
    components: dict[str, Component] = Field(
        default_factory=dict,
        json_schema_extra={"default": _BULGE_AND_DISC, "minProperties": 2},
    )
    """The components by their names, two or more; what is left out of one called bulge
    or disc is as bulges and discs are."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The catalogue's columns that stamps are rendered from."""
        return Component().columns

    @property
    def parameters(self) -> dict[str, Distribution]:
        """The distribution of every column that components share, by its name."""
        return {name: getattr(self, name) for name in SHARED}

    @property
    def fractions(self) -> dict[str, Distribution]:
        """The light fractions of the components that do not take what others leave."""
        every = {name: one.light_fraction for name, one in self.components.items()}
        if "bulge" in every:
            every["bulge"] = self.bulge_to_total
        return {name: law for name, law in every.items() if law is not None}

    def ages(self, name: str, *, known: bool) -> tuple[float, float]:
        """Return the least and the greatest age of a component's templates.

        Parameters
        ----------
        name
            The component.
        known
            Whether the SED grid knows ages.

        Returns
        -------
        tuple of float
            Both, in the unit of the grid; 0 and infinity where any will do.
        """
        one = self.components[name]
        if one.minimum_age is None and one.maximum_age is None:
            return _USUAL_AGES.get(name, (0.0, np.inf)) if known else (0.0, np.inf)
        return one.minimum_age or 0.0, one.maximum_age or np.inf

    @model_validator(mode="before")
    @classmethod
    def _fill_usual(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        components = data.get("components", _BULGE_AND_DISC)
        if not isinstance(components, dict):
            return data
        for name in components:
            _check_component_name(name)
        filled = {
            name: {**_USUAL.get(name, {}), **(one or {})}
            if one is None or isinstance(one, dict)
            else one
            for name, one in sorted(components.items())
        }
        return {**data, "components": filled}

    @model_validator(mode="after")
    def _check_components(self) -> Self:
        if len(self.components) < 2:
            raise wrong_choice(
                "components",
                ", ".join(self.components),
                "two or more components",
                "add one, for example disc: {}, or use profile sersic",
            )
        for name in SHARED:
            bounds = _SersicKeys.RANGES.get(name, (-np.inf, np.inf))
            _check_support(name, getattr(self, name), bounds)
        bulge = self.components.get("bulge")
        if bulge is None and self.bulge_to_total is not None:
            raise wrong_choice(
                "bulge_to_total",
                "a distribution, and no component bulge",
                f"one of the components, {', '.join(self.components)}, to be a bulge",
                "give light_fraction of a component",
            )
        if bulge is not None and bulge.light_fraction is not None:
            raise wrong_choice(
                "components.bulge.light_fraction",
                "a distribution",
                "nothing: the fraction of the bulge has a word of its own",
                "give profile.bulge_to_total",
            )
        self._fill_bulge_to_total()
        self._check_fractions()
        return self

    def _fill_bulge_to_total(self) -> None:
        open_ones = self.components.keys() - self.fractions.keys()
        left = 1.0 - sum(law.support()[1] for law in self.fractions.values())
        if "bulge" in open_ones and len(open_ones) > 1 and left > 0:
            # The object is not shared yet: this is the last step of making it.
            law = Beta(alpha=1.0, beta=2.0, maximum=left)
            self.__dict__["bulge_to_total"] = law

    def _check_fractions(self) -> None:
        _check_support("bulge_to_total", self.bulge_to_total, (0.0, 1.0))
        laws = self.fractions
        if len(laws) == len(self.components):
            raise wrong_choice(
                "components",
                "a light fraction for each component",
                "one component at least without, which takes what the others leave",
                "leave one out",
            )
        highest = sum(law.support()[1] for law in laws.values())
        if highest > 1 + 1e-9:
            raise wrong_choice(
                "components",
                f"light fractions that add up to {highest:g} at most",
                "a sum of 1 or less, whatever is drawn",
                "set their maximum (beta takes minimum and maximum too)",
            )


class ImageProfile(Choices):
    """Images of the user's own in the place of a profile, in one band.

    They are resized, cut and filled up as frames need it; pixels without a value are 0.
    """

    name: Literal["images"]
    """Which profile the galaxies have: images."""
    source: str = Field(min_length=1)
    """A .npy file, a Zarr or netCDF file, or a folder of FITS cut-outs."""
    variable: str | None = None
    """Name of the variable (image, y, x); left out: the only one."""
    pixel_scale: Annotated[float, Field(gt=0)] | None = None
    """Size of a pixel of the images [arcsec]; left out: that of the recipe."""
    image_redshift: Annotated[float, Field(ge=0)] | None = None
    """Redshift of the images: at most z_in, for angular_size; else it changes nothing;
    left out: the catalogue's column, or that of reference_redshift if it is z_in."""
    draw: Literal["once", "random"] = "once"
    """once: row r of the set has image r, or what the catalogue's column image says;
    random: any image, by the galaxy's id."""
    psf: OwnPSF | None = None
    """Point-spread function of the images, sharper than that of the telescope; left
    out: none is taken off what they are convolved with."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The catalogue's columns that stamps are rendered from: none is."""
        return ()

    @property
    def parameters(self) -> dict[str, Distribution]:
        """The distribution of every column, by its name: there is none."""
        return {}


_NAMES = ("sersic", "components", "images")


def _profile_name(data: Any) -> str:
    named = data.get("name") if isinstance(data, dict) else getattr(data, "name", None)
    return str(named) if named in _NAMES else "sersic"


def _check_name(data: Any) -> Any:
    named = data.get("name", "sersic") if isinstance(data, dict) else "sersic"
    if named not in _NAMES:
        see = "see `argdask recipe` for every choice"
        raise wrong_choice("name", named, "'sersic', 'components' or 'images'", see)
    return data


Profile = Annotated[
    Annotated[
        Annotated[SersicProfile, Tag("sersic")]
        | Annotated[ComponentsProfile, Tag("components")]
        | Annotated[ImageProfile, Tag("images")],
        Discriminator(_profile_name),
    ],
    BeforeValidator(_check_name),
]
"""Any profile; without a name it is a Sersic profile."""


def by_place(
    profile: SersicProfile | ComponentsProfile | ImageProfile,
) -> dict[str, SersicProfile | ComponentsProfile | ImageProfile | Component]:
    """Return a profile and its components by where they stand in a recipe.

    Parameters
    ----------
    profile
        The profile.

    Returns
    -------
    dict
        Each of them has its laws in ``parameters``.
    """
    parts = profile.components if isinstance(profile, ComponentsProfile) else {}
    each = {f"profile.components.{name}": one for name, one in parts.items()}
    return {"profile": profile, **each}


def _check_support(
    name: str, law: Distribution | None, bounds: tuple[float, float]
) -> None:
    low, high = bounds
    lowest, highest = bounds if law is None else law.support()
    if lowest < low or highest > high:
        one = lowest == highest
        within = f"values within {low:g} to {high:g}"
        raise wrong_choice(
            name,
            f"{lowest:g}" if one else f"{lowest:g} to {highest:g}",
            within if high < np.inf else f"{low:g} or more",
            "choose another number" if one else "set its minimum and maximum",
        )


def _check_component_name(name: Any) -> None:
    told = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
    # Columns of a table with this word are parameters of templates.
    if not told or "template" in name.split("_"):
        raise wrong_choice(
            "components",
            name,
            "names of letters, digits and _, without the word template",
            f"choose another, as {nearest(str(name), _USUAL)}",
        )
