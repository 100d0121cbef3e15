"""Versions of what matters, and what the extras bring, told without importing them."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from importlib import metadata

__all__ = ["EXTRAS", "Extra", "extras", "version_of", "versions"]

_PACKAGES = (
    *("argdask", "numpy", "scipy", "numba", "dask", "distributed", "xarray", "zarr"),
    *("numcodecs", "netCDF4", "h5py", "astropy", "dask-jobqueue", "torch"),
    "matplotlib",
)

EXTRAS = {
    "plot": "pictures, previews and reports",
    "hpc": "worker jobs of SLURM, PBS, SGE, LSF, OAR and HTCondor",
    "torch": "datasets for PyTorch",
    "survey": "numbers of surveys of surveycodex",
    "parquet": "tables as Parquet",
    "cosmos": "the 31 COSMOS templates",
}
"""What each extra is for."""


@dataclass(frozen=True)
class Extra:
    """Packages that are installed on demand."""

    name: str
    """As in argdask[name]."""
    brings: str
    """What it is for."""
    missing: tuple[str, ...]
    """Names of its packages that are not installed."""


def versions() -> dict[str, str]:
    """Return the versions that matter, of what is installed.

    Returns
    -------
    dict
        Of argdask first, Python, the packages, and the libraries below netCDF4.
    """
    found = {"argdask": metadata.version("argdask")}
    found["python"] = platform.python_version()
    for name in _PACKAGES[1:]:
        version = version_of(name)
        if version is not None:
            found[name] = version
    # The one import: only the libraries themselves know.
    import netCDF4

    found["libnetcdf"] = netCDF4.__netcdf4libversion__
    found["libhdf5"] = netCDF4.__hdf5libversion__
    return found


def version_of(package: str) -> str | None:
    """Return the version of a package, or None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def extras() -> list[Extra]:
    """Return what each extra brings and which of its packages are missing."""
    required = metadata.requires("argdask") or []
    found = []
    for name, brings in EXTRAS.items():
        marked = [
            one for one in required if re.search(rf"extra == ['\"]{name}['\"]", one)
        ]
        packages = [re.split(r"[\s<>=!~;\[(]", one, maxsplit=1)[0] for one in marked]
        if not marked:
            continue  # installed before there was such an extra
        missing = tuple(one for one in packages if version_of(one) is None)
        found.append(Extra(name, brings, missing))
    return found
