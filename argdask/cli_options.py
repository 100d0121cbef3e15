"""What the commands share: options, examples in their help, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from argdask.cli_output import be_quiet
from argdask.errors import InputError
from argdask.places import store_at

if TYPE_CHECKING:
    from argdask.recipe import Recipe

__all__ = [
    "BAD_INPUT",
    "COMPLETE",
    "FAILED",
    "INCOMPLETE",
    "INTERNAL",
    "all_choices",
    "as_json",
    "catalogue_file",
    "examples",
    "filter_names",
    "galaxies",
    "grid_of",
    "images_source",
    "is_any_given",
    "keep_bits",
    "listed",
    "overwrite",
    "quiet",
    "recipe_file",
    "recipe_of",
    "seds_file",
    "seed",
    "settings",
    "stored_recipe",
]

Command = TypeVar("Command", bound=Callable[..., Any])

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
catalogue_file = click.option(
    "--catalogue",
    "catalogue_file",
    metavar="FILE",
    help="Your galaxies, a row each: CSV, ECSV, FITS or Parquet. Its columns take the "
    "place of what is drawn. What has no unit in it: --set catalogue.units.NAME=UNIT.",
)
images_source = click.option(
    "--images",
    "images_source",
    metavar="SOURCE",
    help="Your images in the place of profiles, one band of each galaxy: .npy, Zarr or "
    "netCDF (image, y, x), or a folder of FITS cut-outs. Each is used once; any by "
    "chance: --set profile.draw=random.",
)


def _whole(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Read a whole number, also as 1e6."""
    from argdask.yaml_files import whole_number

    number = whole_number(value)
    if number is not None and not isinstance(number, int):
        raise click.BadParameter(f"{value!r} is not a valid integer.")
    return number


galaxies = click.option(
    "--galaxies", callback=_whole, metavar="N", help="Number of galaxies."
)
seed = click.option(
    "--seed", callback=_whole, metavar="S", help="What random numbers follow from."
)
keep_bits = click.option(
    "--keep-bits",
    type=int,
    metavar="N",
    help="Bits of the mantissa that pixels keep, 1 to 22, so that they compress: they "
    "are rounded to 1 part in 2^(N+1). See also --set layout.compression=zstd.",
)
overwrite = click.option(
    "--overwrite",
    is_flag=True,
    help="Make a new store in the place of the one at OUT, which is renamed, and "
    "deleted once the new one is complete.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=be_quiet,
    help="Print errors and the result's path, and nothing else.",
)


def all_choices(command: Command) -> Command:
    """Give a command all options that say what a store shall hold.

    Parameters
    ----------
    command
        The function of the command.

    Returns
    -------
    Callable
        The same, with options.
    """
    every = (
        *(recipe_file, settings, seds_file, filter_names),
        *(catalogue_file, images_source, galaxies, seed, keep_bits),
    )
    # The last one that is given stands first in the help.
    for option in reversed(every):
        command = option(command)
    return command


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

    return read_seds(path, filters=listed(names))


def listed(names: str | None) -> list[str] | None:
    """Return the names of filters on a command line, one by one.

    Parameters
    ----------
    names
        With commas between them.

    Returns
    -------
    list or None
        None where nothing was said.

    Raises
    ------
    InputError
        If one of them is empty, as where a variable of the shell has no value.
    """
    if names is None:
        return None
    each = [name.strip() for name in names.split(",")]
    if not all(each):
        expected = "names with commas between them"
        raise InputError("--filter-names", names, expected, "or leave it out")
    return each


def recipe_of(
    base: Recipe | None,
    recipe_file: str | None,
    settings: Iterable[str] = (),
    *,
    catalogue_file: str | None = None,
    images_source: str | None = None,
    keep_bits: int | None = None,
    **numbers: int | None,
) -> Recipe:
    """Lay choices over a recipe file, or over a base where there is no file.

    Parameters
    ----------
    base
        The recipe of a store.
    recipe_file
        YAML.
    settings
        Texts ``key=value``, which go over both.
    catalogue_file, images_source
        What the user brings; it goes over the settings, as the numbers do.
    keep_bits
        Bits of the mantissa that pixels keep.
    **numbers
        Numbers by their keys; None for what is not given.

    Returns
    -------
    Recipe
        The recipe.

    Raises
    ------
    InputError
        If the file cannot be read, or the result is no recipe.
    """
    from argdask.recipe import assemble
    from argdask.yaml_files import read_yaml

    given: dict[str, Any] = {key: n for key, n in numbers.items() if n is not None}
    if recipe_file is not None:
        start = read_yaml(recipe_file)
    else:
        start = {} if base is None else json.loads(base.model_dump_json())
    if catalogue_file is not None:
        given["catalogue.path"] = catalogue_file
    if keep_bits is not None:
        given["layout.keep_bits"] = keep_bits
    if images_source is not None:
        before = start.get("profile")
        if not isinstance(before, dict) or before.get("name") != "images":
            # The keys of another profile mean nothing to images.
            start.pop("profile", None)
        given |= {"profile.name": "images", "profile.source": images_source}
    return assemble(start, settings, given)


def is_any_given(seds: Any, choices: Mapping[str, Any]) -> bool:
    """Return whether anything is asked for that a store may differ in.

    Parameters
    ----------
    seds
        The SED grid, if one is given.
    choices
        Values of the options that `recipe_of` takes, by name.

    Returns
    -------
    bool
        False where a store goes on as it is: files that its recipe names may be gone.
    """
    return seds is not None or any(one not in (None, ()) for one in choices.values())


def stored_recipe(
    path: str, seds: Any = None, *, mended_later: bool = False
) -> Recipe | None:
    """Return the recipe that the store at a path has, or is being extended to.

    What was broken off or damaged of its metadata is put in order first.

    Parameters
    ----------
    path
        The store.
    seds
        The SED grid, if one is given.
    mended_later
        Whether what comes next looks for damage itself: then only what is needed for
        the recipe is mended here.

    Returns
    -------
    Recipe or None
        The recipe, which choices are laid over.

    Raises
    ------
    InputError
        If something else is there.
    """
    from argdask.mending import mend_sizes
    from argdask.planning import intended_plan
    from argdask.store.staging import finish_fold
    from argdask.store.work import sound_root

    place = store_at(path)
    finish_fold(place)
    try:
        if place.exists():
            sound_root(place)
        damaged = False
    except InputError:
        damaged = True
    if damaged or not mended_later:
        # Of a complete store with a damaged plan there is a spare copy.
        mend_sizes(place, seds=seds, pieces=False)
    plan = intended_plan(place)
    return None if plan is None else plan.recipe
