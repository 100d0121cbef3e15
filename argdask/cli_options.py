"""What the commands share: options, examples in their help, exit codes."""

from __future__ import annotations

from typing import Any

import click

from argdask.errors import InputError

__all__ = [
    "BAD_INPUT",
    "COMPLETE",
    "FAILED",
    "INCOMPLETE",
    "INTERNAL",
    "as_json",
    "examples",
    "filter_names",
    "grid_of",
    "recipe_file",
    "seds_file",
    "settings",
]

COMPLETE, FAILED, BAD_INPUT, INCOMPLETE, INTERNAL = 0, 1, 2, 3, 70

recipe_file = click.option(
    "--recipe", "recipe_file", metavar="R.yaml", help="Choices; see `argdask recipe`."
)
settings = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="One choice, for example profile.axis_ratio=0.5; may be repeated.",
)
seds_file = click.option(
    "--seds",
    "seds_file",
    metavar="FILE",
    help="SED grid: netCDF, Zarr, .npz, or what smpy wrote; else the built-in one.",
)
filter_names = click.option(
    "--filter-names",
    metavar="A,B,...",
    help="Names of that file's filters, in its order.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def examples(text: str) -> str:
    """Return what stands at the end of a command's help.

    Parameters
    ----------
    text
        Commands, one a line.

    Returns
    -------
    str
        Text that click does not wrap.
    """
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.splitlines())


def grid_of(path: str | None, names: str | None) -> Any:
    """Return the SED grid that the options name.

    Parameters
    ----------
    path
        Its file.
    names
        Names of its filters, with commas between them; those in the file if left out.

    Returns
    -------
    DataArray or None
        The grid, if there is one.

    Raises
    ------
    InputError
        If it cannot be read, or names are given without a file.
    """
    if path is None:
        if names is not None:
            raise InputError(
                "--filter-names",
                names,
                "an SED file to name the filters of",
                "add --seds",
            )
        return None
    from argdask.sed_files import read_seds

    return read_seds(path, filters=names.split(",") if names else None)
