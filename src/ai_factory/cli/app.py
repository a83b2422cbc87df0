"""The command line: every command but `check`, which has a parser of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer

from ai_factory.errors import UsageError

Misuse: type[Exception] = typer.BadParameter.__mro__[1]  # click's UsageError: since 0.26 typer carries its own click
PURPOSE = "Stamps out AI projects that are governed from their first commit, and keeps them current."

COMMANDS = {  # in the order of the help: a command, and the function that it runs
    "new": "new:new",
    "adopt": "adopt:adopt",
    "status": "look:status",
    "diff": "look:diff",
    "sync": "sync:sync",
    "restore": "look:restore",
    "eject": "eject:eject",
    "explain": "look:explain",
    "promote": "promote:promote",
    "assess": "assess:assess",
    "gate": "gate:gate",
    "approve": "approve:approve",
    "waive": "waive:waive",
    "audit": "audit:audit",
    "evidence": "evidence:evidence",
    "map": "maps:maps",
    "export": "export:export",
    "fleet": "fleet:group",
    "blueprint": "library:blueprints",
    "component": "library:components",
    "factory": "factory:factories",
    "check": "app:check",
}
INTERRUPTED = 130
LAZY = ("fleet",)  # groups that are made with the one command that is wanted


def application(wanted: str = "", inner: str = "") -> typer.Typer:
    """The command line: with the one command that is wanted, which saves the time to load the others; else with all.

    `inner` is the one that is wanted of a group.
    """
    made = typer.Typer(
        name="ai-factory",
        help=PURPOSE,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
    )
    made.callback(invoke_without_command=True)(root)
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        found = getattr(import_module(f"ai_factory.cli.{module}"), attribute)
        if name in LAZY:
            made.add_typer(found(inner), name=name)
        elif isinstance(found, typer.Typer):
            made.add_typer(found, name=name)
        else:
            made.command(name, add_help_option=name != "check")(found)
    return made


def check() -> None:
    """Is the project still what the factory promised? Offline, in milliseconds."""


def root(context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """Stamps out AI projects that are governed from their first commit, and keeps them current."""
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def main(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Raises FactoryError for whatever a person must act on."""
    command = typer.main.get_command(application(*arguments[:2]))
    try:
        code = command.main(list(arguments), prog_name="ai-factory", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Misuse as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # typer does not name it
            sys.stderr.write(f"{error}\n")
            return 2
        raise _usage_error(error) from None
    if code == INTERRUPTED:  # typer makes an exit code of it, and says nothing
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _usage_error(error: Any) -> UsageError:
    path = error.ctx.command_path if error.ctx else "ai-factory"
    return UsageError(error.format_message().rstrip("."), f"`{path} --help` lists what there is")
