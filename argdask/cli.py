"""The command line: parse, make one library call, print."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

import argdask as ad
from argdask.cli_mend import repair, verify
from argdask.cli_seds import seds
from argdask.errors import IncompleteError, InputError

__all__ = ["main"]

COMPLETE, BAD_INPUT, INCOMPLETE, INTERNAL = 0, 2, 3, 70

# Sets smaller than this are made before a cluster would have started [bytes].
_WORTH_A_CLUSTER = 2 * 10**9

_recipe_file = click.option(
    "--recipe", "recipe_file", metavar="R.yaml", help="Choices; see `argdask recipe`."
)
_settings = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="One choice, for example profile.axis_ratio=0.5; may be repeated.",
)
_seds = click.option(
    "--seds",
    "seds_file",
    metavar="FILE",
    help="SED grid: netCDF, Zarr, .npz, or what smpy wrote; else the built-in one.",
)
_filter_names = click.option(
    "--filter-names",
    metavar="A,B,...",
    help="Names of that file's filters, in its order.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _examples(text: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.splitlines())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="argdask")
def cli() -> None:
    """Training pairs of galaxy image cubes at two redshifts, at any scale.

    Exit codes: 0 complete, 1 verification failed, 2 bad input, 3 incomplete but
    resumable by the same command.
    """


@cli.command(
    epilog=_examples(
        "argdask generate pairs.zarr\n"
        "argdask generate pairs.zarr --seds models.hdf --galaxies 100000 --jobs 8\n"
        "argdask generate pairs.zarr --recipe train.yaml --set seed=7"
    )
)
@click.argument("out", metavar="OUT")
@_recipe_file
@_settings
@_seds
@_filter_names
@click.option("--galaxies", type=int, metavar="N", help="Number of galaxies.")
@click.option("--seed", type=int, metavar="S", help="What random numbers follow from.")
@click.option(
    "--cluster",
    default="local",
    show_default=True,
    metavar="WHERE",
    help="local, or the address of a running dask scheduler.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Worker processes; left out: one for each core, none for small sets.",
)
def generate(
    out: str,
    seds_file: str | None,
    filter_names: str | None,
    cluster: str,
    jobs: int | None,
    **options: Any,
) -> None:
    """Make a store of training pairs at OUT, or go on with the one that is there.

    Run the same command again to resume. Without any choices, a store goes on with its
    own recipe; choices that are given are compared with it.
    """
    from argdask.clusters import client_for

    seds = _read_seds(seds_file, filter_names)
    stored = _stored_recipe(Path(out), seds)
    recipe = _chosen_recipe(stored, **options)
    workers = _workers(jobs, recipe)
    with client_for(cluster, workers) as client, _progress() as show:
        made = ad.write(recipe, out, seds=seds, client=client, progress=show)
    _print_summary(out, made)


@cli.command(
    epilog=_examples("argdask inspect pairs.zarr\nargdask inspect pairs.zarr --json")
)
@click.argument("store", metavar="STORE")
@_as_json
def inspect(store: str, as_json: bool) -> None:
    """Show what is in a store: variables, sizes, ranges, recipe."""
    from argdask.inspection import inspect as inspect_store

    report = inspect_store(store)
    click.echo(report.to_json() if as_json else report.to_text())


@cli.command(
    epilog=_examples(
        "argdask recipe\n"
        "argdask recipe train.yaml --set galaxies=100000\n"
        "argdask recipe recipe.schema.json --schema"
    )
)
@click.argument("out", required=False, metavar="[OUT]")
@_recipe_file
@_settings
@click.option(
    "--schema",
    is_flag=True,
    help="Print the JSON schema instead, by which editors complete and check recipes.",
)
def recipe(
    out: str | None, recipe_file: str | None, settings: tuple[str, ...], schema: bool
) -> None:
    """Print every choice with its default and meaning, or write them to OUT."""
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
        text = _chosen_recipe(None, recipe_file, settings).to_yaml()
        use = f"edit it, then: argdask generate pairs.zarr --recipe {out}"
    if out is None:
        click.echo(text, nl=False)
        return
    _write_new(out, text)
    click.echo(f"wrote {out}; {use}")


@cli.command(
    epilog=_examples(
        "argdask preview pairs.zarr -o preview.png\n"
        "argdask preview train.yaml -o preview.png --galaxies 6"
    )
)
@click.argument("source", metavar="STORE_OR_R.yaml")
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
@_seds
@_filter_names
def preview(
    source: str,
    picture: str,
    galaxies: int,
    seds_file: str | None,
    filter_names: str | None,
) -> None:
    """Draw a few galaxies, input above target, all filters across."""
    from argdask.plotting import save
    from argdask.recipe_tables import table_of

    if Path(source).is_dir():
        from argdask.store.attributes import readable

        with readable(Path(source)):
            pairs = ad.open_pairs(source, chunks=None, incomplete=True)
            pairs = pairs.isel(galaxy=slice(galaxies)).load()
    else:
        choices = ad.Recipe.from_yaml(source)
        seds = _read_seds(seds_file, filter_names)
        table = table_of(choices)
        ids = range(galaxies) if table is None else table.galaxy_id[:galaxies]
        pairs = ad.simulate(choices, seds, ids)
    save(ad.preview(pairs), picture)
    click.echo(f"wrote {picture}")


@cli.command(epilog=_examples("argdask export pairs.zarr arrays"))
@click.argument("store", metavar="STORE")
@click.argument("folder", metavar="DIR")
@click.option(
    "--format",
    "layout",
    default="npy",
    show_default=True,
    metavar="FORMAT",
    help="npy: NumPy arrays, and the truth as a table with units (ECSV).",
)
def export(store: str, folder: str, layout: str) -> None:
    """Copy a store to plain files in DIR, or go on with a copy that was begun."""
    with _progress() as show:
        made = ad.export(store, folder, layout=layout, progress=show)
    state = f"wrote {', '.join(made.made)}" if made.made else "it was complete"
    click.echo(
        f"{made.galaxies} pairs in {made.folder} ({made.size / 1e6:.1f} MB; {state})."
    )


cli.add_command(seds)
cli.add_command(verify)
cli.add_command(repair)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments
        What stands after the program's name; from the shell if left out.
    """
    try:
        given = sys.argv[1:] if arguments is None else arguments
        cli.main(given or ["--help"], prog_name="argdask", standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message(), BAD_INPUT)
    except InputError as error:
        _fail(str(error), BAD_INPUT)
    except ImportError as error:  # an extra that is not installed
        _fail(str(error), BAD_INPUT)
    except IncompleteError as error:
        _fail(str(error), INCOMPLETE)
    except OSError as error:
        # What the system refuses, a name that is too long for instance.
        told = f"{error.filename or 'system'}: {error.strerror}"
        _fail(told if error.strerror else str(error), BAD_INPUT)
    except MemoryError:
        _fail("not enough memory; choose smaller images or parts", BAD_INPUT)
    except (KeyboardInterrupt, click.Abort):
        _fail("stopped; run the same command again to resume", INCOMPLETE)
    except Exception:
        # Our own mistake: not to be taken for a verification that failed.
        traceback.print_exc()
        sys.exit(INTERNAL)
    sys.exit(COMPLETE)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"argdask: {' '.join(message.split())}", err=True)
    sys.exit(code)


def _write_new(out: str, text: str) -> None:
    try:
        with Path(out).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(
            "OUT", out, f"a new file ({error.strerror})", "choose another name"
        ) from None


def _stored_recipe(out: Path, seds: Any) -> ad.Recipe | None:
    from argdask.mending import mend_sizes
    from argdask.store.work import read_plan

    # Of a complete store with a damaged plan there is a spare copy.
    mend_sizes(out.absolute(), seds=seds, pieces=False)
    return read_plan(out).recipe if out.exists() else None


def _chosen_recipe(
    base: ad.Recipe | None,
    recipe_file: str | None,
    settings: tuple[str, ...],
    **numbers: int | None,
) -> ad.Recipe:
    """Lay choices over a recipe file, or over a base where there is no file."""
    from argdask.recipe import assemble, read_yaml

    given = [f"{key}={value}" for key, value in numbers.items() if value is not None]
    if recipe_file is not None:
        start = read_yaml(recipe_file)
    else:
        start = {} if base is None else json.loads(base.model_dump_json())
    return assemble(start, [*settings, *given])


def _read_seds(path: str | None, names: str | None) -> Any:
    if path is None:
        if names is not None:
            raise InputError(
                "--filter-names",
                names,
                "an SED file to name the filters of",
                "add --seds",
            )
        return None
    return ad.read_seds(path, filters=names.split(",") if names else None)


def _workers(jobs: int | None, recipe: ad.Recipe) -> int:
    from argdask.clusters import available_cores

    if jobs is not None:
        return jobs
    height, width = recipe.image_shape
    filters = 9 if recipe.filters is None else len(recipe.filters)
    size = 8 * recipe.galaxies * height * width * filters
    return available_cores() if size > _WORTH_A_CLUSTER else 1


@contextmanager
def _progress() -> Iterator[Any]:
    """Yield what shows progress: a bar on a terminal, else a line for each tenth."""
    if not sys.stderr.isatty():
        shown = -1

        def show_line(made: int, galaxies: int) -> None:
            nonlocal shown
            tenth = 10 * made // galaxies
            if tenth > shown:
                shown = tenth
                click.echo(f"{made} of {galaxies} galaxies", err=True)

        yield show_line
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.MofNCompleteColumn(),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("preparing", total=None)

        def show_bar(made: int, galaxies: int) -> None:
            bar.update(task, description="galaxies", completed=made, total=galaxies)

        yield show_bar


def _print_summary(out: str, made: Any) -> None:
    recipe = made.plan.recipe
    height, width = recipe.image_shape
    state = f"{made.made} made now" if made.made else "it was complete"
    click.echo(
        f"{made.plan.galaxies} pairs of {height}x{width} pixels in {made.path} "
        f"({made.size / 1e6:.1f} MB; {state}).\n\n"
        "    import argdask as ad\n"
        f"    pairs = ad.open_pairs({out!r})\n"
        '    pairs[["input", "target"]].isel(galaxy=0).compute()\n'
    )
