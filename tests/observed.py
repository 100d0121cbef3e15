"""What datasets have only where galaxies are observed, or their sizes change."""

from __future__ import annotations

ROLES = ("input", "target")
LAYERS = ("convolved", "noisy")
TRUTH = (
    "half_light_radius",
    "fraction_in_frame",
    "psf_fwhm",
    "background_sigma",
    "gain",
)

OF_IMAGES = {
    f"{name}_{end}"
    for name in ("image_height", "image_width", "covered_fraction", "own_sigma")
    for end in ("in", "out")
}
"""And what only a user's images have."""

OBSERVED = {
    *(f"{role}_{layer}" for role in ROLES for layer in LAYERS),
    *(f"{name}_{end}" for name in TRUTH for end in ("in", "out")),
}
