"""Which fleet a command is about: the file that `--fleet` names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ai_factory.errors import UsageError
from ai_factory.workspace import Folder

if TYPE_CHECKING:  # see `new`
    from ai_factory.fleet.registry import Registry

SOME_FAILED = 3  # the exit code of a run in which some systems could not be read

Fleet = Annotated[str, typer.Option("--fleet", metavar="FILE", help="The registry (default: fleet.yaml here).")]


def registry_at(place: str) -> Registry:
    """The registry in a file. Raises UsageError where there is none, or for what is wrong in it."""
    from ai_factory import cache
    from ai_factory.fleet.registry import parse

    folder, name = Folder(folder_of(place)), os.path.basename(place)

    def read(path: str) -> bytes:
        file = folder.read(path)
        if file is None:
            raise UsageError(f"there is no `{os.path.join(folder.root, path)}`", "`--fleet FILE` names the registry")
        return file.content

    return parse(read(name), read, name, cache.document)


def folder_of(place: str) -> str:
    """The folder that the registry lies in."""
    return os.path.dirname(os.path.realpath(place))
