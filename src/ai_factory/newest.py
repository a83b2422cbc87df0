"""The newest version of a factory that is known here without network and without starting a process."""

from __future__ import annotations

import hashlib
import os
import re

from ai_factory import __version__, cache, versions
from ai_factory.engines import MARKS, engine_of
from ai_factory.lock import Origin
from ai_factory.tree import tree_id
from ai_factory.workspace import Folder, find_repository, is_bare

PARTS = ("templates", "blueprints", "controls", "upstream")  # the folders that make a factory
DECLARATION = "factory.yaml"  # what it stands on, if that is another one
_VERSIONS = rb"[\w.,*+!<>=~ -]+?"  # what a bound is made of; unquoted it begins with no sign of YAML's own
_PLAIN_BOUND = re.compile(
    rb"^version: +(?:'(%b)'|\"(%b)\"|([<=~\d]%b))[ \t]*(?:#.*)?\r?$" % (_VERSIONS, _VERSIONS, _VERSIONS), re.MULTILINE
)
SKIPPED = frozenset({"__pycache__", ".DS_Store", ".mypy_cache", ".ruff_cache", ".pytest_cache"})


def newer(origin: Origin, bound: str = "") -> str:
    """The newest version known within the bound that differs from the one applied, as a name; empty when there is none.

    Raises UsageError for a bound that is none.
    """
    if origin.kind == "embedded":
        within = not bound or versions.newest([__version__], bound)
        return __version__ if within and versions.is_older(origin.version, __version__) else ""
    if origin.kind == "folder":
        known = os.path.isdir(origin.url) and folder_tree_id(origin.url) != origin.tree
        return f"the folder `{origin.url}` as it is now" if known else ""
    return _newer_in_repository(origin, bound)


def bound_in(project: bytes) -> str:
    """The bound that project.yaml sets, read without a parser where it stands as most do; empty where it sets none.

    Raises ProjectError for a file that sets one in another way, and cannot be read.
    """
    if b"version" not in project:
        return ""
    found = _PLAIN_BOUND.search(project)
    if found and project.count(b"version") == 1:
        return (found[1] or found[2] or found[3]).decode()
    from ai_factory import manifest  # YAML is read only where somebody writes it otherwise

    return manifest.parse(project, cache.document).version


def _newer_in_repository(origin: Origin, bound: str) -> str:
    folder = repository_at(origin.url)
    tags = [tag for tag in tags_in(folder) if re.match(r"v?\d", tag)]
    newest = versions.newest(tags, bound)
    if newest:
        return newest if versions.is_between(origin.version, newest, newest) else ""
    return "" if bound or versions.newest(tags) else _moved_branch(folder, origin)


def _moved_branch(folder: str, origin: Origin) -> str:
    """The branch that a project without releases is followed on, where it is at another commit now."""
    loose = _loose(folder, "heads").get(origin.version)
    commit = _text(loose).strip() if loose else _packed(folder, "heads").get(origin.version, "")
    return f"{origin.version} {commit[:7]}" if origin.commit and commit not in ("", origin.commit) else ""


def repository_at(url: str) -> str:
    """Git's own folder of the factory: in a repository on this disk, else in the cached mirror."""
    if not os.path.isabs(url):
        return mirror_place(url)
    found = None if is_bare(url) else find_repository(url)
    return found.common if found else url


def mirror_place(url: str) -> str:
    """Where the cached bare mirror of that repository lies, if there is one."""
    return os.path.join(cache.peek("mirrors"), hashlib.sha256(url.encode()).hexdigest()[:32] + ".git")


def tags_in(folder: str) -> list[str]:
    """The tags of a repository, read from the files in git's own folder of it."""
    return sorted({*_packed(folder, "tags"), *_loose(folder, "tags")})


def _packed(folder: str, kind: str) -> dict[str, str]:
    """The packed tags or heads by name, with the ids of what they name."""
    found = re.findall(rf"^([0-9a-f]+) refs/{kind}/(.+)$", _text(os.path.join(folder, "packed-refs")), re.MULTILINE)
    return {name: identity for identity, name in found}


def _loose(folder: str, kind: str) -> dict[str, str]:
    """The tags or heads that have a file of their own, by name, with its place."""
    root = os.path.join(folder, "refs", kind)
    places = (os.path.join(here, name) for here, _, names in os.walk(root) for name in names)
    return {os.path.relpath(place, root): place for place in places}


def _text(place: str) -> str:
    try:
        with open(place, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def folder_paths(disk: Folder) -> list[str]:
    """The paths of a factory folder that belong to the factory: of a foreign template, all of them."""
    paths = [path for part in PARTS for path in disk.walk(part)]
    if any(mark in disk.names() for mark in MARKS) and engine_of({*paths, *disk.names()}):
        return [path for path in disk.walk() if _belongs(path)]
    paths += [DECLARATION] if disk.read(DECLARATION) else []
    return [path for path in paths if _belongs(path)]


def _belongs(path: str) -> bool:
    return SKIPPED.isdisjoint(path.split("/")) and not path.endswith(".pyc")


def folder_tree_id(folder: str) -> str:
    """The tree id that a factory in a folder has now."""
    disk = Folder(folder)
    return tree_id(disk.read_all(folder_paths(disk)))
