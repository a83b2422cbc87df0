"""A firm's own factory: a repository on top of another factory, with what lints, tests and releases it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from ai_factory import __version__, documents, layers
from ai_factory.factory import Factory
from ai_factory.newest import PARTS
from ai_factory.project import filling
from ai_factory.project.filling import Filled, Progress
from ai_factory.tree import File, Tree, tree_id
from ai_factory.workshop import editor

SCAFFOLD = "scaffold"
VERSION = b"@VERSION@"  # in a file of the scaffold: the version of the tool that its CI installs


def found(below: Factory, destination: str, make_repository: bool, progress: Progress) -> Filled:
    """Make the factory in a folder that is new or empty; on any failure nothing of it is left.

    Raises UsageError for a destination that is not empty.
    """
    filling.check(destination)
    message = f"Found a factory on {below.origin.url} {below.origin.version}" if make_repository else ""
    return filling.fill(destination, contents(below), message, progress)


def contents(below: Factory) -> Tree:
    """Every file of a new factory: what we set up, and the factory below as projects see it."""
    lower = vendored(below)
    record = {"factory": below.origin.url, "version": below.origin.version, "tree": tree_id(lower)}
    summary = f"On top of {below.origin.url} {below.origin.version}"
    declared = editor.line(layers.DECLARATION).encode() + documents.write({"summary": summary, "upstream": record})
    placed = {f"{layers.UPSTREAM}/{path}": file for path, file in lower.items()}
    return {
        layers.DECLARATION: File(declared),
        **scaffold(),
        **editor.files(),
        **placed,
    }


def vendored(below: Factory) -> Tree:
    """The files of a factory that another one takes in: its parts, joined where it stands on a third one."""
    return {path: file for path, file in below.tree.items() if path.partition("/")[0] in PARTS}


def scaffold() -> dict[str, File]:
    """What a factory's repository holds besides components and blueprints."""
    root = files(__package__) / SCAFFOLD
    return {path: File(item.read_bytes().replace(VERSION, __version__.encode())) for path, item in _walk(root, "")}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        path = os.path.join(prefix, item.name)
        if item.is_dir():
            yield from _walk(item, path)
        else:
            yield path, item
