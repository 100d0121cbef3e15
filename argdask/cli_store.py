"""Commands that make a store a step at a time, and tell how far it is."""

from __future__ import annotations

from typing import Any

import click

import argdask as ad
from argdask import cli_options as options
from argdask.cli_output import shown_progress, tell

__all__ = ["finalise", "init", "part", "plan", "status"]


@click.command(
    epilog=options.examples(
        "argdask init pairs.zarr --galaxies 1000000\n"
        "argdask init pairs.zarr --recipe train.yaml --overwrite"
    )
)
@click.argument("out", metavar="OUT", type=click.Path())
@options.all_choices
@options.overwrite
@options.quiet
def init(
    out: str,
    seds_file: str | None,
    filter_names: str | None,
    overwrite: bool,
    **choices: Any,
) -> None:
    """Make a store without galaxies at OUT, for `part` to fill in.

    The same options as for `generate`. Choices that are given for a store that is
    there are compared with it.
    """
    seds = options.grid_of(seds_file, filter_names)
    stored = None if overwrite else options.stored_recipe(out, seds)
    recipe = options.recipe_of(stored, **choices)
    goes_on = stored is not None and not options.is_any_given(seds, choices)
    made = ad.init(None if goes_on else recipe, out, seds=seds, overwrite=overwrite)
    plan = made.plan
    tell(
        f"{out}: {plan.galaxies} galaxies in {plan.parts} parts and {plan.blocks} "
        "blocks to be made.\n\n"
        f"    argdask part {out} --index K --of M    # K from 0 to M - 1\n"
        f"    argdask finalise {out}\n",
        out,
    )


@click.command(
    epilog=options.examples(
        "argdask part pairs.zarr --index $SLURM_ARRAY_TASK_ID --of 64"
    )
)
@click.argument("out", metavar="OUT", type=click.Path())
@click.option(
    "--index",
    type=int,
    required=True,
    metavar="K",
    help="Number of the share, from 0 to M - 1.",
)
@click.option(
    "--of",
    type=click.IntRange(min=1),
    required=True,
    metavar="M",
    help="Number of shares.",
)
@options.quiet
def part(out: str, index: int, of: int) -> None:
    """Make one share of what the store at OUT lacks, without a scheduler.

    Shares may be made in any order, at once, and again. The exit code is 3 where some
    of a share could not be made: the others are, and the same command tries again.
    """
    with shown_progress() as show:
        made = ad.part(out, index, of, progress=show)
    tell(f"{out}: share {index} of {of} is done; {made.made} galaxies made now.", out)


@click.command(epilog=options.examples("argdask finalise pairs.zarr"))
@click.argument("out", metavar="OUT", type=click.Path())
@options.quiet
def finalise(out: str) -> None:
    """Close the store at OUT, once all of its parts are made."""
    made = ad.finalise(out)
    size = f"{made.size / 1e6:.1f} MB"
    tell(f"{out}: {made.plan.galaxies} pairs ({size}), complete.", out)


@click.command(
    epilog=options.examples(
        "argdask status pairs.zarr\nargdask status pairs.zarr --json"
    )
)
@click.argument("store", metavar="STORE", type=click.Path())
@options.as_json
def status(store: str, as_json: bool) -> None:
    """Tell how far a store is: done, failed, rate, time left."""
    report = ad.status(store)
    click.echo(report.to_json() if as_json else report.to_text())


@click.command(
    epilog=options.examples(
        "argdask plan --galaxies 1000000\n"
        "argdask plan --recipe train.yaml --seds models.hdf --format zarr --json"
    )
)
@options.all_choices
@click.option(
    "--format", "store_format", metavar="FORMAT", help="One format; else all of them."
)
@options.as_json
def plan(
    seds_file: str | None,
    filter_names: str | None,
    store_format: str | None,
    as_json: bool,
    **choices: Any,
) -> None:
    """Tell what a set would take: files, bytes, tasks, core hours, memory.

    The same options as for `generate`. A few galaxies are made for it, and not kept.
    """
    recipe = options.recipe_of(None, **choices)
    seds = options.grid_of(seds_file, filter_names)
    found = ad.plan(recipe, seds=seds, store_format=store_format)
    click.echo(found.to_json() if as_json else found.to_text())
