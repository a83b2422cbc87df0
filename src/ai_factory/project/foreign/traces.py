"""What a project of Copier or cruft says of the template that it came from."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ai_factory import documents
from ai_factory.engines import COOKIECUTTER, COPIER
from ai_factory.errors import ProjectError, UsageError
from ai_factory.tree import word
from ai_factory.workspace import Folder

CRUFT = ".cruft.json"
SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
_NOTED = re.compile(rb"^_src_path:", re.MULTILINE)
_ANSWERS = re.compile(r"\.copier-answers(\.[\w.-]+)?\.ya?ml")


class Trace(NamedTuple):
    """The file that tells it, the template's address and version, the answers, and what is to be known besides."""

    file: str
    url: str
    version: str
    answers: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def engine(self) -> str:
        """The library that the project was rendered by."""
        return COOKIECUTTER if self.file == CRUFT else COPIER


def address(url: str) -> str:
    """An address as git takes it: Copier's short ones spelled out."""
    url = url.removeprefix("git+")
    for short, whole in SHORT.items():
        if url.startswith(short):
            return f"{whole}{url.removeprefix(short).removesuffix('.git')}.git"
    return url


def trace_in(root: str) -> Trace | None:
    """The trace of a template in a folder; None where neither tool has left one. Raises ProjectError, UsageError."""
    folder = Folder(root)
    usual = [name for name in folder.names() if _ANSWERS.fullmatch(name)]
    found = usual or ([] if folder.read(CRUFT) else _noted(folder))
    if len(found) > 1:
        raise UsageError(
            f"`{root}` came from {len(found)} templates: {', '.join(found)}",
            "a project follows one: move away the records of the others",
        )
    if found:
        return _of_copier(folder, found[0])
    return _of_cruft(folder) if folder.read(CRUFT) else None


def _noted(folder: Folder) -> list[str]:
    """Records of Copier's by another name, at the root or in a folder for settings: what they hold tells them."""
    names = folder.names()
    hidden = [name for name in names if name.startswith(".") and name != ".git"]
    paths = [*names, *(f"{name}/{inner}" for name in hidden for inner in folder.names(name))]
    found = (path for path in paths if path.endswith((".yml", ".yaml")))
    return [path for path in found if _NOTED.search(_content(folder, path))]


def _content(folder: Folder, name: str) -> bytes:
    file = folder.read(name)
    return file.content if file else b""


def _of_copier(folder: Folder, name: str) -> Trace:
    data = documents.load(_content(folder, name), name, ProjectError)
    told = data if isinstance(data, dict) else {}
    url, version = told.get("_src_path"), told.get("_commit")
    if not isinstance(url, str) or not isinstance(version, str):
        missing, hint = (
            ("_commit", "run `copier update` to a version of a template in git first")
            if isinstance(url, str)
            else ("_src_path", f"write the template's address there; `git log -p {word(name)}` tells what it was")
        )
        raise ProjectError(f"`{name}` names no template at a version: it has no `{missing}`", hint)
    answers = {key: value for key, value in told.items() if not str(key).startswith("_")}
    return Trace(name, _located(folder.root, url), version, answers)


def _of_cruft(folder: Folder) -> Trace:
    try:
        data = json.loads(_content(folder, CRUFT))
        url, version, said = data["template"], data["commit"], data["context"]["cookiecutter"]
        answers = {str(key): value for key, value in said.items() if not str(key).startswith("_")}
        inner, skipped = data.get("directory"), list(data.get("skip") or ())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ProjectError(
            f"`{CRUFT}` is not what cruft writes", "bring it back from a commit: `git log .cruft.json`"
        ) from None
    if inner:
        raise ProjectError(
            f"the template lies in the folder `{inner}` of `{url}`, and a template fills a whole repository here",
            "split it off into a repository of its own",
        )
    notes = [f"`{CRUFT}` is not used from now on: `git rm {CRUFT}`"]
    notes += [f"cruft skipped {', '.join(f'`{path}`' for path in skipped)}: here, edits are merged"] if skipped else []
    return Trace(CRUFT, _located(folder.root, str(url)), str(version), answers, tuple(notes))


def _located(root: str, url: str) -> str:
    """The address; a folder that is named from the project, from `/`."""
    beside = os.path.normpath(os.path.join(root, os.path.expanduser(url)))
    return beside if os.path.isdir(beside) else address(url)
