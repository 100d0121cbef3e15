"""What datasets have only where galaxies are observed, or their sizes change."""

from __future__ import annotations

import numpy as np
import xarray as xr

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

THREE = xr.DataArray(
    np.ones((2, 3, 1)),
    dims=("redshift", "filter", "template"),
    coords={
        "filter": ["f606w", "f814w", "f160w"],
        "wavelength": ("filter", [6000.0, 8000.0, 16000.0]),
    },
)
"""As much of an SED grid as telescopes need."""
