"""Whom a person trusts, and whose signatures they ask for: options, or the environment; a project has no say in it."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ai_factory.cli.given import given
from ai_factory.errors import UsageError

VARIABLE = "AI_FACTORY_ALLOWED_SIGNERS"
AllowedSigners = Annotated[
    str,
    typer.Option(
        "--allowed-signers",
        callback=given,
        metavar="FILE",
        help=f"Take signed releases only, by those named in this file (default: {VARIABLE}).",
    ),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Let the code of a Copier or Cookiecutter template run: tasks, hooks, extensions."),
]
ApprovalSigners = Annotated[
    str,
    typer.Option(
        "--signers",
        callback=given,
        metavar="FILE",
        help="Approvals count if one named in this file has signed them (default: governance/allowed_signers, if any).",
    ),
]


def allowed_signers(given: str) -> str:
    """The file of allowed signers as an absolute path; empty where none was asked for.

    Raises UsageError when it cannot be read: nobody's signature is not everybody's.
    """
    return readable(given or os.environ.get(VARIABLE, ""), f"`--allowed-signers` or `{VARIABLE}`")


def readable(name: str, how: str = "`--signers`") -> str:
    """A file of signers as an absolute path; empty where none is named. Raises UsageError when it cannot be read."""
    if not name:
        return ""
    place = os.path.abspath(os.path.expanduser(name))
    if not (os.path.isfile(place) and os.access(place, os.R_OK)):
        raise UsageError(
            f"cannot read the allowed signers `{name}`", f"name a file with {how}: a line is `NAME KEYTYPE KEY`"
        )
    return place
