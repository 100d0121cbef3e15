"""The commands that look after argdask itself: doctor, completion, --version."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from argdask import cli_options as options
from argdask.cli_output import is_quiet

__all__ = ["completion", "doctor", "version"]

Command = TypeVar("Command", bound=Callable[..., Any])

# How the script of each shell is kept, so that it is read when the shell starts.
_INSTALL = {
    "bash": "argdask completion bash > "
    "~/.local/share/bash-completion/completions/argdask",
    "zsh": 'argdask completion zsh > "${fpath[1]}/_argdask"',
    "fish": "argdask completion fish > ~/.config/fish/completions/argdask.fish",
}


def version(command: Command) -> Command:
    """Give a command the option --version, which tells all versions that matter.

    Parameters
    ----------
    command
        The function of the command.

    Returns
    -------
    Callable
        The same, with the option.
    """
    return click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_versions,
        help="Print the versions of argdask and of what it stands on.",
    )(command)


def _print_versions(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from argdask.versions import versions

        for name, found in versions().items():
            click.echo(f"{name:13} {found}")
        context.exit()


@click.command(
    epilog=options.examples("argdask doctor\nargdask doctor /scratch/me --json")
)
@click.argument("folder", metavar="[FOLDER]", default=".", type=click.Path())
@click.option(
    "--megabytes",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Size of the file by which the speed of writing is measured.",
)
@options.as_json
@options.quiet
def doctor(folder: str, megabytes: int, as_json: bool) -> None:
    """Look whether all is there: installation, cluster, and FOLDER for stores.

    Each line is ok, a warning or a failure, with its cure. The exit code is 1 where
    something failed.
    """
    from argdask.doctor import diagnose

    found = diagnose(folder, megabytes=megabytes)
    text = found.to_json() if as_json else found.to_text(troubles=is_quiet())
    if text:
        click.echo(text)
    if not found.passed:
        sys.exit(options.FAILED)


@click.command(
    epilog=options.examples("argdask completion bash\n" + "\n".join(_INSTALL.values()))
)
@click.argument("shell", metavar="SHELL", type=click.Choice(list(_INSTALL)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what lets a shell complete commands, options and files.

    SHELL is bash, zsh or fish. The first lines say where to keep it.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    script = made(context.find_root().command, {}, "argdask", "_ARGDASK_COMPLETE")
    text = script.source()
    # Zsh knows its completions by their first line.
    first, rest = text.split("\n", 1) if shell == "zsh" else ("", text)
    note = f"# To keep it: {_INSTALL[shell]}"
    click.echo("\n".join(filter(None, (first, note, rest.strip()))))
