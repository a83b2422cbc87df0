"""`ai-factory fleet remove`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ai_factory.cli.fleets import options


def remove(
    names: Annotated[
        list[str],
        typer.Argument(metavar="URL|FOLDER...", help="Projects, or whole repositories."),
    ],
    fleet: options.Fleet = options.DEFAULT,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Strike projects out of the fleet; nothing happens to their repositories."""
    from ai_factory.cli.console import show
    from ai_factory.fleet import book, joining, sources
    from ai_factory.report.fleets import joined

    known = book.opened(fleet)
    gone = joining.leave(known, [sources.given(name).key if os.path.isdir(name) else name for name in names])
    show(joined.left_text(known.path, gone), joined.left_data(known.path, gone), as_json)
