"""What a recipe says of telescopes: point-spread functions, noise, layers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from argdask.choices import Choices, wrong_choice
from argdask.errors import nearest
from argdask.schema import LAYERS
from argdask.survey_presets import PRESETS

__all__ = [
    "PSF",
    "AiryPSF",
    "GaussianPSF",
    "ImagePSF",
    "MoffatPSF",
    "Noise",
    "Observation",
    "OwnPSF",
    "Target",
    "drop_sources",
]

_Width = Annotated[float, Field(gt=0)]
_Magnitude = Annotated[float, Field(ge=0, le=60)]
_Seconds = Annotated[float, Field(gt=0, le=1e12)]
_Amount = Annotated[float, Field(ge=0, le=1e30)]


class GaussianPSF(Choices):
    """A circular Gaussian."""

    MEANT = "psf_fwhm", (int, float)
    name: Literal["gaussian"] = "gaussian"
    """Which point-spread function: gaussian."""
    psf_fwhm: _Width
    """Full width at half maximum, without the pixel [arcsec]."""


class MoffatPSF(Choices):
    """A circular Moffat profile, (1 + (r / a)**2)**(-beta)."""

    name: Literal["moffat"]
    """Which point-spread function: moffat."""
    psf_fwhm: _Width
    """Full width at half maximum, without the pixel [arcsec]."""
    beta: Annotated[float, Field(gt=1, le=100)]
    """How steep the wings are, above 1 to 100; of seeing about 2.5 to 4.8."""


class AiryPSF(Choices):
    """The diffraction pattern of a round mirror with a round hole."""

    name: Literal["airy"]
    """Which point-spread function: airy."""
    diameter: _Width
    """Diameter of the mirror [m]."""
    obscuration: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Diameter of the hole over that of the mirror, 0 to less than 1."""
    wavelength: _Width | None = None
    """Wavelength [Angstrom]; left out: that of the filter."""


class ImagePSF(Choices):
    """An image of a star, modelled or observed."""

    name: Literal["image"]
    """Which point-spread function: image."""
    source: str = Field(min_length=1)
    """A .npy or FITS file with one image (y, x)."""
    pixel_scale: _Width | None = None
    """Size of a pixel of this image [arcsec]; left out: what the FITS header says."""
    centre: tuple[float, float] | None = None
    """Where the star is (y, x), from the middle of the first pixel [pixel]; left out:
    the middle of the image, (N - 1) / 2."""
    includes_pixel: bool = False
    """Whether pixels of this image hold the integral over themselves, as a detector's
    do, or the light in their middle."""


_NAMES = ("gaussian", "moffat", "airy", "image")


def _name_of(data: Any) -> str:
    named = data.get("name") if isinstance(data, dict) else getattr(data, "name", None)
    return f"[{named}]" if named in _NAMES else "[gaussian]"


def _check_name(data: Any) -> Any:
    named = data.get("name", "gaussian") if isinstance(data, dict) else "gaussian"
    if named not in _NAMES:
        see = "see `argdask recipe` for every choice"
        expected = "'gaussian', 'moffat', 'airy' or 'image'"
        raise wrong_choice("name", named, expected, see)
    return data


# Tags in brackets are never taken for keys where an error says its place.
PSF = Annotated[
    Annotated[
        Annotated[GaussianPSF, Tag("[gaussian]")]
        | Annotated[MoffatPSF, Tag("[moffat]")]
        | Annotated[AiryPSF, Tag("[airy]")]
        | Annotated[ImagePSF, Tag("[image]")],
        Discriminator(_name_of),
    ],
    BeforeValidator(_check_name),
]
"""Any point-spread function; without a name it is a Gaussian."""


def _check_wavelength(psf: PSF) -> PSF:
    if isinstance(psf, AiryPSF) and psf.wavelength is None:
        expected = "the wavelength of the images [Angstrom]"
        raise wrong_choice("wavelength", "nothing", expected, "give it")
    return psf


OwnPSF = Annotated[PSF, AfterValidator(_check_wavelength)]
"""That of images which are in no filter of the set."""


def _left_out(shot_noise: str | None) -> str | None:
    # To say what holds anyway makes no other recipe.
    return None if shot_noise == "poisson" else shot_noise


class Noise(Choices):
    """Noise of an image from which the sky was subtracted, in one filter.

    The background is said in one of three ways, or there is none: background_sigma;
    depth and aperture; sky_brightness, exposure_time and zeropoint. The shot noise of
    the galaxy itself follows from gain, or from exposure_time and zeropoint.
    """

    background_sigma: _Amount | None = None
    """Standard deviation of the background [uJy / pixel]."""
    depth: _Magnitude | None = None
    """AB magnitude of a source at depth_significance sigma in the aperture [mag]."""
    depth_significance: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """At how many sigma the depth is given; left out: 5."""
    aperture: _Width | None = None
    """Diameter of the round aperture of the depth [arcsec]."""
    sky_brightness: _Magnitude | None = None
    """AB surface brightness of the sky [mag / arcsec^2]."""
    read_noise: _Amount | None = None
    """Read noise of a pixel of the detector [electron]; left out: 0."""
    dark_current: _Amount | None = None
    """Of a pixel of the detector [electron / s]; left out: 0."""
    exposures: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """How many exposures were read out and added up; left out: 1."""
    detector_pixel_scale: _Width | None = None
    """Size of a pixel of the detector, to which read noise and dark current belong
    [arcsec]; left out: pixel_scale."""
    gain: Annotated[float, Field(gt=0, le=1e30)] | None = None
    """Electrons that a flux of 1 uJy makes [electron / uJy]."""
    exposure_time: _Seconds | None = None
    """Of all exposures together [s]."""
    zeropoint: _Magnitude | None = None
    """AB magnitude of 1 electron / s [mag]."""
    shot_noise: Annotated[
        Literal["poisson", "normal"] | None, AfterValidator(_left_out)
    ] = None
    """How electrons are counted: poisson, one by one; normal, by a normal deviate of
    the same variance, faster where they are few and wrong there; left out: poisson."""

    @model_validator(mode="after")
    def _check_ways(self) -> Self:
        background = ("background_sigma", "depth", "sky_brightness")
        self._refuse_two(background, "one way to say the background")
        for name in ("exposure_time", "zeropoint"):
            self._refuse_two(("gain", name), "one way to say the shot noise")
        if not self._given((*background, "gain", "exposure_time", "zeropoint")):
            expected = "background_sigma, depth, sky_brightness or gain"
            cure = "leave out noise for images without"
            raise wrong_choice("", "no background and no gain", expected, cure)
        if self.shot_noise and not self._given(("gain", "exposure_time", "zeropoint")):
            expected = "a gain, or exposure_time and zeropoint"
            cure = "give one, or leave out shot_noise"
            raise wrong_choice("shot_noise", self.shot_noise, expected, cure)
        self._want("exposure_time", ("zeropoint", "sky_brightness"))
        self._want("zeropoint", ("exposure_time", "sky_brightness"))
        self._want("depth", ("aperture", "depth_significance"))
        self._want("aperture", ("depth",))
        detector = ("read_noise", "dark_current", "exposures", "detector_pixel_scale")
        self._want("sky_brightness", detector)
        return self

    def _given(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(self, name) is not None]

    def _refuse_two(self, names: tuple[str, ...], expected: str) -> None:
        first, *others = self._given(names) or [""]
        if others:
            found = f"a value, and {others[0]}"
            raise wrong_choice(first, found, expected, "leave one out")

    def _want(self, name: str, users: tuple[str, ...]) -> None:
        """Refuse that a key is left out which one of these cannot do without."""
        given = self._given(users)
        if given and getattr(self, name) is None:
            cure = f"give it, or leave out {given[0]}"
            raise wrong_choice(name, "nothing", f"a value, as {given[0]} has", cure)


_FILTER = "[filter]"
_ALL = "[all]"


def _extent(data: Any) -> str:
    # No key of a PSF or of noise has keys below it.
    below = data.values() if isinstance(data, dict) else ()
    return _FILTER if any(isinstance(one, dict | Choices) for one in below) else _ALL


_Sorted = AfterValidator(lambda named: dict(sorted(named.items())))
PSFs: TypeAlias = Annotated[
    Annotated[PSF, Tag(_ALL)]
    | Annotated[dict[str, PSF], Field(min_length=1), _Sorted, Tag(_FILTER)],
    Discriminator(_extent),
]
Noises: TypeAlias = Annotated[
    Annotated[Noise, Tag(_ALL)]
    | Annotated[dict[str, Noise], Field(min_length=1), _Sorted, Tag(_FILTER)],
    Discriminator(_extent),
]


def _check_preset(name: str) -> str:
    if name not in PRESETS:
        cure = f"nearest: {nearest(name, PRESETS)}"
        # The key itself is named by the place of the error.
        raise wrong_choice("", name, "the name of a survey", cure)
    return name


_Preset: TypeAlias = Annotated[str, AfterValidator(_check_preset)]


class Target(Choices):
    """What is different for the image at the higher redshift."""

    MEANT = "preset", (str,)
    preset: _Preset | None = None
    """A survey with PSF and noise of its own; left out: none, or that of the input."""
    survey: str | None = None
    """What its numbers are those of, as for both."""
    psf: PSFs | None = None
    """Its point-spread function: one, or one by the name of each filter; left out: that
    of the input."""
    noise: Noises | None = None
    """Its noise: one, or one by the name of each filter; left out: that of the
    input."""

    @model_validator(mode="after")
    def _check_some(self) -> Self:
        if self.preset is None and self.psf is None and self.noise is None:
            cure = "leave target out where it is as the input"
            raise wrong_choice("", "nothing", "preset, psf or noise", cure)
        return self


class Observation(Choices):
    """What telescopes make of the images."""

    MEANT = "preset", (str,)
    preset: _Preset | None = None
    """A survey that gives each filter its PSF and its noise, and the recipe its
    pixel_scale, where these say nothing of it; `argdask recipe --presets` shows all;
    left out: none."""
    survey: str | None = None
    """What these numbers are those of, for whoever reads them; left out: the preset,
    which is given here by its numbers in all that is made."""
    psf: PSFs | None = None
    """The point-spread function (gaussian, moffat, airy, image): one, or one by the
    name of each filter; left out: images are not convolved."""
    noise: Noises | None = None
    """The noise: one, or one by the name of each filter; left out: none."""
    layers: tuple[Literal["clean", "convolved", "noisy"], ...] | None = None
    """Which images are kept: clean, convolved, noisy; left out: all that there are,
    clean, convolved with a PSF, noisy with noise."""
    target: Target | None = None
    """What is different for the target: preset, psf, noise; left out: nothing is."""

    @property
    def roles(self) -> tuple[tuple[str, Target | Observation], ...]:
        """Where choices stand below this, and the choices: of both, of the target."""
        both: tuple[tuple[str, Target | Observation], ...] = (("", self),)
        return both if self.target is None else (*both, ("target.", self.target))

    @property
    def made(self) -> tuple[str, ...]:
        """The layers that there are, in the order in which they are made."""
        choices = [one for _, one in self.roles]
        preset = any(one.preset is not None for one in choices)
        convolved = preset or any(one.psf is not None for one in choices)
        noisy = preset or any(one.noise is not None for one in choices)
        there = (True, convolved, noisy)
        return tuple(name for name, one in zip(LAYERS, there, strict=True) if one)

    @property
    def kept(self) -> tuple[str, ...]:
        """The layers that are kept, in the order in which they are made."""
        return tuple(name for name in self.made if name in (self.layers or LAYERS))

    @property
    def psfs(self) -> Iterator[tuple[str, PSF]]:
        """Every point-spread function with the place where it stands below this."""
        for place, choices in self.roles:
            if isinstance(choices.psf, dict):
                for name, choice in choices.psf.items():
                    yield f"{place}psf.{name}", choice
            elif choices.psf is not None:
                yield f"{place}psf", choices.psf

    def counts_electrons(self, role: str, name: str) -> bool:
        """Return whether electrons are counted one by one, in no survey's image.

        Parameters
        ----------
        role
            Either input or target.
        name
            Of the filter.

        Returns
        -------
        bool
            False where their noise is a normal deviate.
        """
        for _, one in reversed(self.roles if role == "target" else self.roles[:1]):
            noise = one.noise.get(name) if isinstance(one.noise, dict) else one.noise
            if noise is not None:
                return noise.shot_noise is None
        return True

    def identity(self) -> dict[str, Any]:
        """Return what pixels follow from, ready for JSON.

        Returns
        -------
        dict
            The choices that are made, without the sources of images and what the
            survey is called.
        """
        dumped = self.model_dump_json(exclude_none=True)
        choices: dict[str, Any] = {**json.loads(dumped), "layers": list(self.kept)}
        drop_sources(choices)
        for part in (choices, choices.get("target", {})):
            part.pop("survey", None)
        return choices

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if len(self.made) == 1:
            cure = "leave observation out for clean images"
            expected = "preset, psf or noise"
            raise wrong_choice("", "nothing to observe with", expected, cure)
        if self.layers is None:
            return self
        if not self.layers:
            cure = "leave it out to keep all"
            raise wrong_choice("layers", "none", "one layer at least", cure)
        for number, name in enumerate(self.layers):
            if name in self.layers[:number]:
                found = f"{name} twice"
                raise wrong_choice("layers", found, "each layer once", "drop one")
            if name not in self.made:
                needed = {"convolved": "psf", "noisy": "noise"}[name]
                expected = f"{needed}, which makes it"
                raise wrong_choice("layers", name, expected, f"give {needed}")
        return self


def drop_sources(choices: dict[str, Any]) -> None:
    """Take out where images of PSFs are, since their content takes its place.

    Parameters
    ----------
    choices
        Choices as JSON holds them, which are changed at any depth.
    """
    for below in choices.values():
        if isinstance(below, dict):
            if below.get("name") == "image":
                del below["source"]
            drop_sources(below)
