"""The command line: every command but `check`, which has a parser of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer

from ai_factory.cli import library, look, new, sync
from ai_factory.errors import UsageError

Misuse: type[Exception] = typer.BadParameter.__mro__[1]  # click's UsageError: since 0.26 typer carries its own click

app = typer.Typer(
    name="ai-factory",
    help="Stamps out AI projects that are governed from their first commit, and keeps them current.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)
app.command("new")(new.new)
app.command("status")(look.status)
app.command("diff")(look.diff)
app.command("sync")(sync.sync)
app.command("restore")(look.restore)
app.command("explain")(look.explain)
app.add_typer(library.blueprints, name="blueprint")
app.add_typer(library.components, name="component")


@app.command("check", add_help_option=False)
def check() -> None:
    """Is the project still what the factory promised? Offline, in milliseconds."""


@app.callback(invoke_without_command=True)
def root(context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """Stamps out AI projects that are governed from their first commit, and keeps them current."""
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def main(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Raises FactoryError for whatever a person must act on."""
    command = typer.main.get_command(app)
    try:
        code = command.main(list(arguments), prog_name="ai-factory", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Misuse as error:
        raise _usage_error(error) from None
    return code if isinstance(code, int) else 0


def _usage_error(error: Any) -> UsageError:
    path = error.ctx.command_path if error.ctx else "ai-factory"
    return UsageError(error.format_message().rstrip("."), f"`{path} --help` lists what there is")
