"""The oldest releases that pyproject.toml allows, as constraints for pip.

Run it with ``python tests/oldest_versions.py > oldest.txt`` and install with
``pip install --constraint oldest.txt .``: the lower bounds are then what is tested.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

EXTRAS = ("hpc", "parquet", "plot", "survey")
"""Extras that users install with the package, rather than to work on it."""


def oldest(project: Path = PROJECT) -> list[str]:
    """Return a line ``name==bound`` for each dependency.

    Raises
    ------
    ValueError
        If a dependency has no lower bound, or more than that.
    """
    tables = tomllib.loads(project.read_text())["project"]
    lines = list(tables["dependencies"])
    for extra in EXTRAS:
        lines += tables["optional-dependencies"][extra]
    constraints = []
    for line in lines:
        match = re.fullmatch(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)", line)
        if match is None:
            message = f"{line!r} is not a name with a lower bound"
            raise ValueError(message)
        constraints.append(f"{match[1]}=={match[2]}")
    return constraints


if __name__ == "__main__":
    print("\n".join(oldest()))
