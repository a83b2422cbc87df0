"""Options that a command is given: an empty value is what a job hands over whose variable is not set, and no wish."""

from __future__ import annotations

import typer

from ai_factory.errors import UsageError


def given(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """The value of an option, as a callback of typer's. Raises UsageError for one that was given, and is empty."""
    source = context.get_parameter_source(parameter.name or "")
    if value == "" and source is not None and source.name == "COMMANDLINE":
        raise UsageError(f"`{parameter.opts[0]}` is empty", "leave the option out, or say what it is")
    return value
