"""Whose signatures a person asks for: an option, or the environment; a project has no say in it."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ai_factory.errors import UsageError

VARIABLE = "AI_FACTORY_ALLOWED_SIGNERS"
AllowedSigners = Annotated[
    str,
    typer.Option(
        "--allowed-signers",
        metavar="FILE",
        help=f"Take signed releases only, by those named in this file (default: {VARIABLE}).",
    ),
]


def allowed_signers(given: str) -> str:
    """The file of allowed signers as an absolute path; empty where none was asked for.

    Raises UsageError when it cannot be read: nobody's signature is not everybody's.
    """
    name = given or os.environ.get(VARIABLE, "")
    if not name:
        return ""
    place = os.path.abspath(os.path.expanduser(name))
    if not (os.path.isfile(place) and os.access(place, os.R_OK)):
        raise UsageError(
            f"cannot read the allowed signers `{name}`",
            f"name a file with `--allowed-signers` or `{VARIABLE}`: a line is `NAME KEYTYPE KEY`",
        )
    return place
