"""Data files that other packages bring along, found without importing them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

__all__ = ["data_folder"]


def data_folder(package: str, *parts: str, extra: str | None = None) -> Path:
    """Return a folder inside an installed package.

    Parameters
    ----------
    package
        Name by which the package is imported; it is not imported, which takes a second
        with some of them.
    *parts
        Folders below it.
    extra
        The extra of argdask that installs it; None for a package argdask requires.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ImportError
        The package is not installed, or has no such folder.
    """
    spec = importlib.util.find_spec(package)
    found = list(spec.submodule_search_locations or ()) if spec else []
    for location in found:  # a namespace package has several
        folder = Path(location, *parts)
        if folder.is_dir():
            return folder
    install = f"pip install 'argdask[{extra}]'" if extra else "install it"
    raise ModuleNotFoundError(f"argdask needs the package {package}: {install}")
