"""Options of every command that takes a blueprint: which components of it, from where, with which answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[list[str] | None, typer.Option("--data", metavar="KEY=VALUE", help="An answer; again for more.")]
Answers = Annotated[Path | None, typer.Option("--answers", help="A YAML file of answers.")]
Defaults = Annotated[bool, typer.Option("--defaults", help="Ask nothing: take the defaults.")]
From = Annotated[str, typer.Option("--factory", metavar="URL|PATH", help="Where components come from.")]
Version = Annotated[str, typer.Option("--version", metavar="REF", help="A tag, branch or commit of a git factory.")]
With = Annotated[list[str] | None, typer.Option("--with", metavar="COMPONENT", help="Take an optional component.")]
Without = Annotated[list[str] | None, typer.Option("--without", metavar="COMPONENT", help="Leave a component out.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use no network: the cached factory or none.")]
