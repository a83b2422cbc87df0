"""A template laid out in a folder for its engine, and the tree that the engine leaves in another."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from ai_factory.errors import AuthorError, FactoryError
from ai_factory.factory import Factory
from ai_factory.render import ignored
from ai_factory.tree import File, Tree, check_link
from ai_factory.workspace import Folder


class Job(NamedTuple):
    """What an engine works on: the template's folder, an empty one for the result, and what the template is called."""

    template: str
    output: str
    url: str
    version: str  # the tag, or what stands for it; empty for a folder without versions
    commit: str
    trusted: bool


class Stamped(NamedTuple):
    """What an engine has made: the files, the template of each that was rendered, and those that are the team's."""

    tree: Tree
    sources: Mapping[str, str]
    seeded: frozenset[str] = frozenset()


@contextmanager
def laid_out(factory: Factory) -> Iterator[Job]:
    """The job of rendering that template; its folders live as long as the block. Raises AuthorError."""
    with tempfile.TemporaryDirectory(prefix="ai-factory-", ignore_cleanup_errors=True) as place:
        template, output = os.path.join(place, "template"), os.path.join(place, "output")
        os.mkdir(template)
        os.mkdir(output)
        write(template, factory.tree)
        origin = factory.origin
        version = "" if origin.version.startswith("tree-") else re.sub(r"-dirty$", "", origin.version)
        yield Job(template, output, origin.url, version, origin.commit, factory.trusted)


def write(root: str, tree: Tree) -> None:
    """Lay a template out. Raises AuthorError for a link that leads out of it."""
    folder = Folder(root)
    for path, file in tree.items():
        try:
            check_link(path, file)
        except FactoryError as error:
            raise AuthorError(error.message, error.hint) from None
        folder.write(path, file)


def read(root: str, rendered: Collection[str]) -> dict[str, File]:
    """What lies there: all that was rendered, and what code made besides, unless the tree itself ignores that."""
    folder = Folder(root)
    tree = {path: file for path in folder.walk() if (file := folder.read(path))}
    hidden = {path for path, _ in ignored(tree)} - set(rendered)
    return {path: file for path, file in sorted(tree.items()) if path not in hidden}
