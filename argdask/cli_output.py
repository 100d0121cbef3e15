"""What the commands print: results, progress, warnings, or as little as can be."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

__all__ = ["be_quiet", "is_quiet", "say", "shown_progress", "tell", "told_warnings"]

_QUIET = "argdask.quiet"


def be_quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    """Keep in mind that a command is to print no more than it must.

    Parameters
    ----------
    context
        The command's.
    value
        Whether it is so.
    """
    if value:
        context.meta[_QUIET] = True


def is_quiet() -> bool:
    """Return whether the command that runs is to print no more than it must."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_QUIET))


def tell(text: str, path: object) -> None:
    """Print what a command did, or only the path of its result if it is quiet.

    Parameters
    ----------
    text
        What it did.
    path
        Where the result is.
    """
    try:
        click.echo(str(path) if is_quiet() else text)
    except BrokenPipeError:
        # Whoever read it has read enough; what was done is done.
        _close(1)


def say(text: str) -> None:
    """Print a line beside the results; nothing hangs on whether anybody reads it.

    Parameters
    ----------
    text
        The line.
    """
    try:
        click.echo(text, err=True)
    except OSError:
        _close(2)


def _close(descriptor: int) -> None:
    """Let all that is still to be written to a stream go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


@contextmanager
def told_warnings() -> Iterator[None]:
    """Tell warnings in a line each, without the place in the code; none if quiet.

    Yields
    ------
    None
        While that is so.
    """

    def show(
        message: Warning | str, category: type[Warning], *_: Any, **__: Any
    ) -> None:
        if is_quiet():
            return
        ours = category.__module__.startswith("argdask.") or category is UserWarning
        kind = "" if ours else f"{category.__name__}: "
        say(f"argdask: {kind}{' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextmanager
def shown_progress() -> Iterator[Any]:
    """Show progress: a bar on a terminal, else a line for each tenth; none if quiet.

    Yields
    ------
    Callable
        What is to be called with the number of galaxies made and of all.
    """
    if is_quiet():
        yield lambda made, galaxies: None
        return
    # There is none where it was closed, as by 2>&-.
    if sys.stderr is None or not sys.stderr.isatty():
        shown = -1

        def show_line(made: int, galaxies: int) -> None:
            nonlocal shown
            tenth = 10 * made // max(galaxies, 1)
            if tenth > shown:
                shown = tenth
                say(f"{made} of {galaxies} galaxies")

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
