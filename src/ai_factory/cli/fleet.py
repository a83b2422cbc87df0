"""`ai-factory fleet`: one verb over many repositories; the file of a command is loaded when it is wanted."""

from __future__ import annotations

from importlib import import_module

import typer

PURPOSE = "Look at many projects at once, and bring updates to them."
COMMANDS = {  # in the order of the help: a command, and the function in `cli/fleets/` that it runs
    "add": "add:add",
    "remove": "remove:remove",
    "status": "status:status",
    "plan": "plan:plan",
    "apply": "apply:apply",
    "hold": "hold:hold",
    "impact": "impact:impact",
    "graph": "graph:graph",
    "incident": "incident:incident",
    "catalog": "catalog:catalog",
    "compare": "compare:compare",
    "insights": "insights:insights",
    "measures": "measures:measures",
    "report": "report:report",
}


def group(wanted: str = "") -> typer.Typer:
    """The group with the one command that is wanted; else with all."""
    made = typer.Typer(help=PURPOSE, rich_markup_mode=None, no_args_is_help=True)
    made.callback()(lambda: None)  # without one, a single command would take the place of its group
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        found = getattr(import_module(f"ai_factory.cli.fleets.{module}"), attribute)
        if isinstance(found, typer.Typer):
            made.add_typer(found, name=name)
        else:
            made.command(name)(found)
    return made
