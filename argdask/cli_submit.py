"""The command `argdask submit`: a store made by jobs of a batch system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from argdask import cli_options as options
from argdask.cli_cluster import Where, choices_of
from argdask.cli_output import tell
from argdask.places import store_at

__all__ = ["submit"]


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=options.examples(
        "argdask submit pairs.zarr --on slurm --galaxies 1000000 --cluster slurm "
        "--jobs 20\n"
        "argdask submit pairs.zarr --on pbs --array 64 --galaxies 1000000\n"
        "argdask submit pairs.zarr --on slurm --jobs 8 --dry-run"
    ),
)
@click.argument("out", metavar="OUT", type=click.Path())
@click.option(
    "--on",
    "system",
    type=click.Choice(["slurm", "pbs", "sge"]),
    required=True,
    help="The batch system.",
)
@click.option(
    "--array",
    "tasks",
    type=click.IntRange(min=2),
    metavar="M",
    help="A job array of M tasks, without dask, in place of one driver.",
)
@click.option(
    "--max-resubmits",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How often the driver's job may submit itself again.",
)
@click.option("--cluster-config", metavar="C.yaml", help="See `argdask clusters`.")
@click.option("--dry-run", is_flag=True, help="Print the scripts and stop.")
@options.quiet
@click.argument("generate", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS]...")
@click.pass_context
def submit(
    context: click.Context,
    out: str,
    system: str,
    tasks: int | None,
    max_resubmits: int,
    *,
    cluster_config: str | None,
    dry_run: bool,
    generate: tuple[str, ...],
) -> None:
    """Make the store at OUT by jobs of their own; other OPTIONS are those of generate.

    One job drives the run, with workers of its own or of --cluster, is told to stop
    before its walltime, and submits itself again if it added anything. With --array, M
    tasks make a share each and a last job closes the store; the same command again
    makes what is missing.
    """
    from argdask import submission
    from argdask.clusters import opener_for

    choices = choices_of(cluster_config)
    store = store_at(out)
    commands = _commands_of(context)
    if tasks is None:
        if cluster_config is not None:
            generate = (*generate, "--cluster-config", str(Path(cluster_config)))
        # Wrong options are told now, not by a job that waited in the queue.
        begun = commands["generate"].make_context(
            "generate", [out, *generate], parent=context
        )
        opener_for(begun.params["cluster"], begun.params["jobs"], choices)
        _check_choices(begun.params)
        driver = submission.driver_script(
            system, store, generate, choices, max_resubmits
        )
        scripts = {"driver.sh": driver}
    else:
        begun = commands["init"].make_context("init", [out, *generate], parent=context)
        scripts = submission.array_scripts(system, store, tasks, choices)
    if dry_run:
        click.echo("\n".join(scripts.values()), nl=False)
        return
    if tasks is not None:
        with begun:
            commands["init"].invoke(begun)
    jobs = submission.submit(system, store, scripts, choices)
    tell(f"submitted {', '.join(jobs)}; scripts in {store}.jobs", f"{store}.jobs")


def _check_choices(given: Mapping[str, Any]) -> None:
    """Refuse a recipe or a grid that the driver's job could not read."""
    others = {"out", "overwrite", *(field.name for field in fields(Where))}
    kept = {name: value for name, value in given.items() if name not in others}
    options.grid_of(kept.pop("seds_file"), kept.pop("filter_names"))
    options.recipe_of(None, **kept)


def _commands_of(context: click.Context) -> Mapping[str, click.Command]:
    group = context.find_root().command
    assert isinstance(group, click.Group)
    return group.commands
