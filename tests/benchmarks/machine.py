"""What a run was made on: processor, memory, disk, kernel and versions."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

from measuring import CORES

__all__ = ["described"]

_PACKAGES = (
    *("argdask", "numpy", "scipy", "numba", "astropy", "xarray", "dask", "distributed"),
    *("zarr", "numcodecs", "netCDF4", "GalSim", "speclite", "xbatcher", "torch"),
)


def described(folder: Path) -> dict[str, str]:
    """Return what there is to say, without names of hosts or places.

    Parameters
    ----------
    folder
        Where stores are written.
    """
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processor[1] if processor else platform.machine(),
        "cores": str(len(CORES)),
        "memory": f"{memory / 2**30:.0f} GiB",
        "disk": filesystem_of(folder, Path("/proc/mounts").read_text()),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version_of(name) for name in _PACKAGES},
    }


def filesystem_of(folder: Path, mounts: str) -> str:
    """Return the type of the file system that holds a folder."""
    place = folder.resolve()
    best, found = -1, "unknown"
    for line in mounts.splitlines():
        _, mounted, kind, *_ = line.split()
        root = Path(mounted.replace("\\040", " "))
        if place.is_relative_to(root) and len(root.parts) > best:
            best, found = len(root.parts), kind
    return found


def version_of(name: str) -> str:
    """Return the version of a package, or that it is not here."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
