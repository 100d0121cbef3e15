"""The commands `argdask verify` and `argdask repair`: is it whole, and make it so."""

from __future__ import annotations

import sys
from typing import Any

import click

from argdask import cli_options as options
from argdask.cli_output import is_quiet, tell

__all__ = ["repair", "verify"]


@click.command(
    epilog=options.examples(
        "argdask verify pairs.zarr\n"
        "argdask verify pairs.zarr --full --json\n"
        "argdask verify copy.nc --seds models.hdf"
    )
)
@click.argument("store", metavar="STORE", type=click.Path())
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Galaxies to make again and compare.",
)
@click.option("--full", is_flag=True, help="Make all galaxies again instead.")
@click.option(
    "--seds", "seds_file", metavar="FILE", help="SED grid, for a copy without one."
)
@options.as_json
@options.quiet
def verify(
    store: str, sample: int, full: bool, seds_file: str | None, as_json: bool
) -> None:
    """Check a store: checksums of all files, structure, some galaxies made again.

    Says which files and pieces are wrong; `argdask repair` mends them. Of a copy that
    xarray made of a store it checks what the copy has kept, and says what it cannot.
    """
    from argdask.verification import verify as verify_store

    report = verify_store(
        store, sample=sample, full=full, seds=options.grid_of(seds_file, None)
    )
    _tell_result(store, report, as_json=as_json)


@click.command(
    epilog=options.examples(
        "argdask repair pairs.zarr\nargdask repair pairs.zarr --seds models.hdf"
    )
)
@click.argument("store", metavar="STORE", type=click.Path())
@click.option(
    "--seds",
    "seds_file",
    metavar="FILE",
    help="The SED grid it was made with, if both copies in the store are lost.",
)
@click.option(
    "--catalogue",
    metavar="FILE",
    help="The catalogue it was made with, if both copies in the store are lost.",
)
@click.option(
    "--remove-foreign", is_flag=True, help="Delete files that are no part of the store."
)
@click.option(
    "--new-checksums",
    is_flag=True,
    help="Where this machine gives other last bits than are recorded, record its own.",
)
@options.as_json
@options.quiet
def repair(
    store: str, seds_file: str | None, catalogue: str | None, **choices: Any
) -> None:
    """Mend a complete store: make wrong pieces again, restore all other files.

    Every byte becomes what was recorded. Run the same command again if it is stopped.
    """
    from argdask.mending import repair as repair_store

    as_json = choices.pop("as_json")
    done = repair_store(
        store, seds=options.grid_of(seds_file, None), catalogue=catalogue, **choices
    )
    _tell_result(store, done, as_json=as_json)


def _tell_result(store: str, done: Any, *, as_json: bool) -> None:
    """Print what was found; if quiet, the store that is right or what is wrong."""
    if as_json:
        click.echo(done.to_json())
    elif done.passed:
        tell(done.to_text(), store)
    else:
        click.echo(done.to_text(), err=is_quiet())
    if not done.passed:
        sys.exit(options.FAILED)
