"""The command line: parse, make one library call, print."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

import argdask as ad
from argdask import cli_options as options
from argdask.cli_cluster import Where, cluster_options, clusters
from argdask.cli_doctor import completion, doctor, version
from argdask.cli_look import inspect, preview, report
from argdask.cli_mend import repair, verify
from argdask.cli_output import say, shown_progress, tell, told_warnings
from argdask.cli_seds import seds
from argdask.cli_stopping import STOPPED, stop_cleanly
from argdask.cli_store import finalise, init, part, plan, status
from argdask.cli_submit import submit
from argdask.errors import IncompleteError, InputError

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@version
def cli() -> None:
    """Training pairs of galaxy image cubes at two redshifts, at any scale.

    Exit codes: 0 complete, 1 verification failed, 2 bad input, 3 incomplete but
    resumable by the same command.
    """


@cli.command(
    epilog=options.examples(
        "argdask generate pairs.zarr\n"
        "argdask generate pairs.zarr --seds models.hdf --galaxies 100000 --jobs 8\n"
        "argdask generate pairs.zarr --recipe train.yaml --set seed=7\n"
        "argdask generate pairs.zarr --images cutouts --catalogue galaxies.fits"
    )
)
@click.argument("out", metavar="OUT", type=click.Path())
@options.all_choices
@options.overwrite
@options.quiet
@cluster_options
def generate(
    out: str,
    seds_file: str | None,
    filter_names: str | None,
    overwrite: bool,
    where: Where,
    **choices: Any,
) -> None:
    """Make a store of training pairs at OUT, or go on with the one that is there.

    Run the same command again to resume. Without any choices, a store goes on with its
    own recipe; choices that are given are compared with it. More galaxies than a
    complete store has extend it.
    """

    def make(client_for: Callable[[ad.Recipe], Any]) -> None:
        seds = options.grid_of(seds_file, filter_names)
        stored = None
        if not overwrite:
            stored = options.stored_recipe(out, seds, mended_later=True)
        recipe = options.recipe_of(stored, **choices)
        client = client_for(recipe)
        goes_on = stored is not None and not options.is_any_given(seds, choices)
        with shown_progress() as show:
            made = ad.write(
                None if goes_on else recipe,
                out,
                seds=seds,
                client=client,
                progress=show,
                overwrite=overwrite,
            )
        _print_summary(out, made)

    where.work(make)


@cli.command(
    epilog=options.examples(
        "argdask recipe\n"
        "argdask recipe train.yaml --set galaxies=100000\n"
        "argdask recipe recipe.schema.json --schema\n"
        "argdask recipe --presets"
    )
)
@click.argument("out", required=False, metavar="[OUT]", type=click.Path())
@options.recipe_file
@options.settings
@click.option(
    "--schema",
    is_flag=True,
    help="Print the JSON schema instead, by which editors complete and check recipes.",
)
@click.option(
    "--presets",
    is_flag=True,
    help="Print the surveys that observation.preset may name, and their filters.",
)
def recipe(
    out: str | None,
    recipe_file: str | None,
    settings: tuple[str, ...],
    schema: bool,
    presets: bool,
) -> None:
    """Print every choice with its default and meaning, or write them to OUT."""
    if presets:
        if out or recipe_file or settings or schema:
            given, cure = "with something else", "it is the same for any recipe"
            raise InputError("--presets", given, "--presets alone", cure)
        from argdask.preset_listing import text_of_presets

        click.echo(text_of_presets(), nl=False)
        return
    if schema and (recipe_file or settings):
        raise InputError(
            "--schema",
            "with choices",
            "--schema alone",
            "it is the same for any recipe",
        )
    if schema:
        text = json.dumps(ad.Recipe.json_schema(), indent=2) + "\n"
        use = f"begin recipes with: # yaml-language-server: $schema={out}"
    else:
        text = options.recipe_of(None, recipe_file, settings).to_yaml()
        use = f"edit it, then: argdask generate pairs.zarr --recipe {out}"
    if out is None:
        click.echo(text, nl=False)
        return
    _write_new(out, text)
    click.echo(f"wrote {out}; {use}")


@cli.command(epilog=options.examples("argdask export pairs.zarr all.nc --single"))
@click.argument("store", metavar="STORE", type=click.Path())
@click.argument("folder", metavar="DIR_OR_FILE", type=click.Path())
@click.option(
    "--format",
    "layout",
    default="npy",
    show_default=True,
    metavar="FORMAT",
    help="npy: a folder of arrays and a table with units (ECSV); netcdf: one file.",
)
@click.option("--single", "layout", flag_value="netcdf", help="As --format netcdf.")
@options.quiet
def export(store: str, folder: str, layout: str) -> None:
    """Copy a store to plain files, or go on with a copy that was begun."""
    with shown_progress() as show:
        made = ad.export(store, folder, layout=layout, progress=show)
    state = f"wrote {', '.join(made.made)}" if made.made else "it was complete"
    size = f"{made.size / 1e6:.1f} MB"
    tell(f"{made.galaxies} pairs in {made.folder} ({size}; {state}).", made.folder)


_steps = (plan, init, part, finalise, status)
_looks = (inspect, preview, report, seds)
_others = (verify, repair, clusters, submit, doctor, completion)
for _command in (*_looks, *_steps, *_others):
    cli.add_command(_command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments
        What stands after the program's name; from the shell if left out.
    """
    try:
        given = sys.argv[1:] if arguments is None else arguments
        with stop_cleanly(), told_warnings():
            cli.main(given or ["--help"], prog_name="argdask", standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message(), options.BAD_INPUT)
    except InputError as error:
        _fail(error.on_command_line(), options.BAD_INPUT)
    except ImportError as error:  # an extra that is not installed
        _fail(str(error), options.BAD_INPUT)
    except IncompleteError as error:
        _fail(str(error), options.INCOMPLETE)
    except OSError as error:
        # What the system refuses, a name that is too long for instance.
        told = f"{error.filename or 'system'}: {error.strerror}"
        _fail(told if error.strerror else str(error), options.BAD_INPUT)
    except MemoryError:
        _fail("not enough memory; choose smaller images or parts", options.BAD_INPUT)
    except (KeyboardInterrupt, click.Abort):
        _fail(STOPPED, options.INCOMPLETE)
    except Exception:
        # Our own mistake: not to be taken for a verification that failed.
        traceback.print_exc()
        sys.exit(options.INTERNAL)
    sys.exit(options.COMPLETE)


def _fail(message: str, code: int) -> NoReturn:
    say(f"argdask: {' '.join(message.split())}")
    sys.exit(code)


def _write_new(out: str, text: str) -> None:
    try:
        with Path(out).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(
            "OUT", out, f"a new file ({error.strerror})", "choose another name"
        ) from None


def _print_summary(out: str, made: Any) -> None:
    recipe = made.plan.recipe
    height, width = recipe.image_shape
    state = f"{made.made} made now" if made.made else "it was complete"
    shown = json.dumps(recipe.images[-2:])
    tell(
        f"{made.plan.galaxies} pairs of {height}x{width} pixels in {made.path} "
        f"({made.size / 1e6:.1f} MB; {state}).\n\n"
        "    import argdask as ad\n"
        f"    pairs = ad.open_pairs({out!r})\n"
        f"    pairs[{shown}].isel(galaxy=0).compute()\n",
        made.path,
    )
