"""The commands that look at what there is: inspect, preview, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

import argdask as ad
from argdask import cli_options as options
from argdask.cli_output import say, tell
from argdask.errors import InputError

__all__ = ["inspect", "preview", "report"]


@click.command(
    epilog=options.examples(
        "argdask inspect pairs.zarr\nargdask inspect pairs.zarr --json"
    )
)
@click.argument("store", metavar="STORE", type=click.Path())
@options.as_json
def inspect(store: str, as_json: bool) -> None:
    """Show what is in a store: variables, sizes, ranges, recipe."""
    from argdask.inspection import inspect as inspect_store

    report = inspect_store(store)
    click.echo(report.to_json() if as_json else report.to_text())


@click.command(
    epilog=options.examples(
        "argdask preview pairs.zarr -o preview.png\n"
        "argdask preview train.yaml -o preview.png --galaxies 6\n"
        "argdask preview train.yaml -o preview.png --images cutouts"
    )
)
@click.argument("source", metavar="STORE_OR_R.yaml", type=click.Path())
@click.option(
    "-o", "--out", "picture", required=True, metavar="P.png", help="The picture."
)
@click.option(
    "--galaxies",
    type=click.IntRange(min=1, max=50),
    default=4,
    show_default=True,
    help="How many galaxies to show.",
)
@click.option(
    "--rgb", is_flag=True, help="Draw colour images of three filters, galaxies across."
)
@options.seds_file
@options.filter_names
@options.catalogue_file
@options.images_source
@options.quiet
def preview(
    source: str, picture: str, galaxies: int, rgb: bool, **brought: str | None
) -> None:
    """Draw a few galaxies, input above target, all filters across.

    Of a store, or of what a recipe would make, with the SED grid, the catalogue and the
    images that are named besides.
    """
    from argdask.plotting import save
    from argdask.store.attributes import readable

    if not Path(source).exists():
        found = f"{source} (no such file or folder)"
        raise InputError("store or recipe", found, "one of them", "check the path")
    if Path(source).is_dir():
        for name, value in brought.items():
            if value is not None:
                option = name.removesuffix("_file").removesuffix("_source")
                field = f"--{option.replace('_', '-')}"
                expected = "a recipe to use it with, not a store, which has its own"
                raise InputError(field, value, expected, "leave it out")
        with readable(Path(source)):
            pairs = ad.open_pairs(source, chunks=None, incomplete=True)
            pairs = pairs.isel(galaxy=slice(galaxies)).load()
    else:
        pairs = _first_pairs(source, galaxies, **brought)
    save(ad.preview(pairs, rgb=rgb), picture)
    tell(f"wrote {picture}", picture)


@click.command(
    epilog=options.examples(
        "argdask report pairs.zarr -o report.html\n"
        "argdask report pairs.zarr -o report.html --sample 0"
    )
)
@click.argument("store", metavar="STORE", type=click.Path())
@click.option("-o", "--out", "page", required=True, metavar="R.html", help="The page.")
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    default=16,
    show_default=True,
    help="Galaxies to make again and compare, as `argdask verify` does; with 0 the "
    "store is not verified.",
)
@click.option("--full", is_flag=True, help="Make all galaxies again instead.")
@options.quiet
def report(store: str, page: str, sample: int, full: bool) -> None:
    """Write one page about a store, complete or not: what it is, and how it looks.

    Recipe, sizes, distributions, examples, statistics of pixels, verification and
    provenance, in one file that needs no network. The exit code is 1 where the store
    does not pass its verification.
    """
    made = ad.report(store, page, sample=sample, full=full)
    tell(f"wrote {made.page}", made.page)
    if made.passed is False:
        say("verification failed: the page says where")
        sys.exit(options.FAILED)


def _first_pairs(
    recipe_file: str,
    galaxies: int,
    *,
    seds_file: str | None,
    filter_names: str | None,
    **brought: Any,
) -> Any:
    from argdask.image_light import light_of
    from argdask.recipe_tables import completed, table_of

    recipe = options.recipe_of(None, recipe_file, (), **brought)
    seds = options.grid_of(seds_file, filter_names)
    table = table_of(recipe)
    count = min(galaxies, completed(recipe, table, light_of(recipe)).galaxies)
    ids = range(count) if table is None else table.galaxy_id[:count]
    return ad.simulate(recipe, seds, ids)
