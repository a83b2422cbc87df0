"""A template laid out in a folder for its engine, and the tree that the engine leaves in another."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from traceback import walk_tb
from typing import NamedTuple

from ai_factory import git
from ai_factory.errors import AuthorError, FactoryError
from ai_factory.factory import Factory, is_tag
from ai_factory.lock import Origin
from ai_factory.newest import repository_at
from ai_factory.render import ignored
from ai_factory.tree import File, Tree, check_aim
from ai_factory.workspace import Folder

MEND = "mend the template, or give other answers with `--data KEY=VALUE`"
_SAID = {  # what an engine says nothing of
    "NonTemplatedInputDirException": "no folder beside its `cookiecutter.json` has `{{ cookiecutter.… }}` in its name"
}


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
        yield Job(
            template, output, factory.origin.url, version_of(factory.origin), factory.origin.commit, factory.trusted
        )


@lru_cache(maxsize=8)
def version_of(origin: Origin) -> str:
    """The version as both engines would name it: by the tag, else by the tag before it and the commit."""
    if origin.kind == "git" and not is_tag(origin):
        return git.named(repository_at(origin.url), origin.commit)
    return "" if origin.version.startswith("tree-") else re.sub(r"-dirty$", "", origin.version)


def write(root: str, tree: Tree) -> None:
    """Lay a template out. Raises AuthorError for a link that leads out of it."""
    folder = Folder(root)
    for path, file in tree.items():
        try:
            check_aim(path, file)
        except FactoryError as error:
            raise AuthorError(error.message, error.hint) from None
        folder.write(path, file)


def inside(root: str, path: str, source: str) -> str:
    """The path, if it names a place below that folder. Raises AuthorError for one that leads out of it."""
    whole = os.path.normpath(os.path.join(root, path))
    if os.path.commonpath([root, whole]) != root or whole == root:
        raise AuthorError(
            f"`{source}` becomes {path!r}, which leads out of the project's folder",
            "give other answers with `--data KEY=VALUE`, or mend the template",
        )
    return path


@contextmanager
def blamed(root: str, source: str) -> Iterator[None]:
    """What goes wrong with one file of a template, or with its name, is told with its line. Raises AuthorError."""
    try:
        yield
    except (FactoryError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever an engine, or code of a template, may raise
        raise AuthorError(
            f"{_place(root, error) or f'`{source}`'}: {said(error)[0].replace(root, '.')}", MEND
        ) from None


def said(error: Exception) -> list[str]:
    """What an engine's error says, line by line."""
    if isinstance(error, UnicodeDecodeError):
        return ["it is not UTF-8 text"]
    known = _SAID.get(type(error).__name__) or getattr(error, "message", "") or str(error)
    return str(known).strip().splitlines() or [type(error).__name__]


def _place(root: str, error: Exception) -> str:
    """The last file of the template that was at work, and its line, as Jinja tells it; empty where none was."""
    steps = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    steps.append((getattr(error, "filename", ""), getattr(error, "lineno", 0)))
    whole = [(os.path.realpath(str(name)), line) for name, line in steps if line and os.path.isfile(str(name))]
    root = os.path.realpath(root)
    within = [(os.path.relpath(name, root), line) for name, line in whole if name.startswith(f"{root}{os.sep}")]
    return "`{}` line {}".format(*within[-1]) if within else ""


def read(root: str, rendered: Collection[str]) -> dict[str, File]:
    """What lies there: all that was rendered, and what code made besides, unless the tree itself ignores that."""
    folder = Folder(root)
    tree = {path: file for path in folder.walk() if (file := folder.read(path))}
    hidden = {path for path, _ in ignored(tree)} - set(rendered)
    return {path: file for path, file in sorted(tree.items()) if path not in hidden}
