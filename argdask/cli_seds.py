"""The command `argdask seds`: build, read, show, save and draw SED grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from argdask import cli_options as options
from argdask.errors import InputError, nearest

__all__ = ["seds"]


@click.command(
    epilog="\b\nExamples:\n"
    "  argdask seds\n"
    "  argdask seds --choices > grid.yaml\n"
    "  argdask seds grid.yaml -o grid.nc --plot grid.png\n"
    "  argdask seds models.hdf --json\n"
    '  argdask seds --filters "wfc3 f160w"\n'
    "  argdask seds --filters --wavelength 21500"
)
@click.argument("grid", required=False, metavar="[GRID]", type=click.Path())
@click.option(
    "-o", "--out", metavar="F.nc", help="Save the grid: .nc (netCDF) or .zarr."
)
@click.option(
    "--plot", metavar="P.png", help="Draw templates, filters and colour tracks."
)
@click.option(
    "--filter-names",
    metavar="A,B,...",
    help="Names of a file's filters, in its order.",
)
@click.option(
    "--filters",
    "search",
    is_flag=False,
    flag_value="",
    metavar="[TEXT]",
    help="Find filters whose names have these words; all if left out.",
)
@click.option(
    "--wavelength",
    type=float,
    metavar="ANGSTROM",
    help="With --filters: those that see this wavelength.",
)
@click.option("--choices", is_flag=True, help="Print every choice of a grid as YAML.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def seds(
    grid: str | None,
    search: str | None,
    wavelength: float | None,
    choices: bool,
    **options: Any,
) -> None:
    """Build an SED grid, or show one.

    GRID is a YAML file of choices, to build from, or a grid: netCDF, Zarr, .npz, what
    smpy wrote, or a store of pairs. The built-in grid if left out.
    """
    if search is not None or wavelength is not None:
        _print_filters(search, wavelength, as_json=options["as_json"])
    elif choices:
        from argdask.sed_choices import SedGrid

        click.echo(SedGrid().to_yaml(), nl=False)
    else:
        _show(grid, **options)


def _show(
    grid: str | None,
    *,
    out: str | None,
    plot: str | None,
    filter_names: str | None,
    as_json: bool,
) -> None:
    from argdask.sed_files import write_seds
    from argdask.sed_inspection import describe_seds

    found = _grid(grid, filter_names)
    if out is not None:
        write_seds(found, out)
    if plot is not None:
        from argdask.plotting import save
        from argdask.sed_plotting import plot_seds

        save(plot_seds(found), plot)
    contents = describe_seds(found)
    click.echo(contents.to_json() if as_json else contents.to_text())
    for written in filter(None, (out, plot)):
        click.echo(f"wrote {written}", err=as_json)


def _grid(path: str | None, filter_names: str | None) -> Any:
    names = options.listed(filter_names)
    build = path is None or Path(path).suffix in (".yaml", ".yml")
    if build and names is not None:
        expected = "a file to name the filters of"
        raise InputError("--filter-names", filter_names, expected, "name a file")
    if path is None:
        from argdask.sed_sources import default_seds

        return default_seds()
    if build:
        from argdask.sed_building import build_seds
        from argdask.sed_choices import SedGrid

        return build_seds(SedGrid.from_yaml(path))
    from argdask.sed_files import read_seds

    return read_seds(path, filters=names)


def _print_filters(
    text: str | None, wavelength: float | None, *, as_json: bool
) -> None:
    import json

    from argdask.filter_curves import filter_names, search_filters

    found = search_filters(text, wavelength)
    rows = list(
        zip(
            found["filter"].values.tolist(),
            found["wavelength"].values.tolist(),
            found["width"].values.tolist(),
            strict=True,
        )
    )
    if as_json:
        keys = ("filter", "wavelength", "width")
        click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows]))
        return
    if not rows:
        wanted = text or f"{wavelength:g} Angstrom"
        cure = f"nearest names: {nearest(wanted, filter_names())}"
        raise InputError("--filters", wanted, "words of a filter's name", cure)
    width = max(len(name) for name, _, _ in rows)
    click.echo(f"{'filter':{width}}  pivot [Angstrom]  width [Angstrom]")
    for name, pivot, wide in rows:
        click.echo(f"{name:{width}}  {pivot:16.1f}  {wide:16.1f}")
