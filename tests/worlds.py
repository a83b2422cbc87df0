"""Random trees, random work on them by a team and by a new version, and the project in real git that comes of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from ai_factory.factory import Factory
from ai_factory.lock import Origin
from ai_factory.manifest import Manifest
from ai_factory.project import new as birth
from ai_factory.project import sync, target
from ai_factory.project.opening import Project, open_project
from ai_factory.project.release import Request
from ai_factory.tree import EXECUTABLE, LINK, REGULAR, File, tree_id
from tests import kit

URL = "/nowhere/factory"
WORDS = ("merged", "merged", "merged", "managed", "managed", "seeded")
NAMES = (
    *("a.txt", "b.txt", "notes.md", "run.sh", "-odd 'ü name"),  # lines, bytes or a link
    *("conf.yaml", "data.json", "pyproject.toml"),
    *("x.local", "d", "f"),  # the first is ignored in the project; the others are folders elsewhere
)
FOLDERS = ("", "d/", "d/e/", "f/")
PATHS = tuple(folder + name for folder in FOLDERS for name in NAMES)
IGNORE = "*.local\n*.ignored\n"
OPERATIONS = (
    *("insert", "insert", "replace", "replace", "append", "append", "remove", "remove"),
    *("delete", "rename", "rename", "move folder", "chmod", "add", "add", "into folder", "endings", "rewrite"),
)


class Doc(NamedTuple):
    """A file as something that can be edited: lines, or entries of a document, or what is only replaced whole."""

    kind: str
    lines: tuple[str, ...]
    mode: str = REGULAR
    ends: bool = True  # whether its last line does

    def file(self) -> File:
        if self.kind == "link":
            return File(self.lines[0].encode(), LINK)
        return File(FORMATS[self.kind](self), self.mode)


def _plain(doc: Doc) -> bytes:
    text = "".join(f"{line}\n" for line in doc.lines)
    return (text if doc.ends else text.removesuffix("\n")).encode()


def _toml(doc: Doc) -> bytes:
    rows = [f'{key} = "{value}"\n' for key, value in _pairs(doc)]
    return "".join([*rows, "items = [\n", *(f'  "{item}",\n' for item in _items(doc)), "]\n"]).encode()


def _yaml(doc: Doc) -> bytes:
    rows = [f"{key}: {value}\n" for key, value in _pairs(doc)]
    return "".join([*rows, "items:\n", "- first\n", *(f"- {item}\n" for item in _items(doc))]).encode()


def _json(doc: Doc) -> bytes:
    return (json.dumps({**dict(_pairs(doc)), "items": _items(doc)}, indent=2) + "\n").encode()


def _pairs(doc: Doc) -> list[tuple[str, str]]:
    pairs = (line.partition("=") for line in doc.lines)
    return [(key, value) for key, _, value in pairs if key]


def _items(doc: Doc) -> list[str]:
    return [line[1:] for line in doc.lines if line.startswith("=")]


FORMATS: Mapping[str, Callable[[Doc], bytes]] = {
    "text": _plain,
    "crlf": lambda doc: _plain(doc).replace(b"\n", b"\r\n"),
    "binary": lambda doc: b"\0" + _plain(doc),
    "toml": _toml,
    "yaml": _yaml,
    "json": _json,
}
DOCUMENTS = {".toml": "toml", ".yaml": "yaml", ".json": "json"}

Docs = dict[str, Doc]
Numbers = tuple[int, int, int]


def files(docs: Docs) -> dict[str, File]:
    return {path: doc.file() for path, doc in docs.items()}


# ---- random trees and random work on them --------------------------------------------------------


class Story(NamedTuple):
    """What a version of a factory stamps, what a team does, what the next version does."""

    before: Docs
    ours: Docs
    after: Docs
    words: tuple[Mapping[str, str], Mapping[str, str]]  # the ownership of each path, in both versions
    renames: tuple[tuple[str, str], ...]  # those that the new version declares, one after the other
    folder: str  # of the project in its repository


_SMALL = st.integers(0, 63)
_WORK = st.lists(st.tuples(st.integers(0, len(OPERATIONS) - 1), _SMALL, _SMALL), max_size=5)


@st.composite
def stories(draw: st.DrawFn, *, team: bool = True) -> Story:
    """A story; without a team, nobody touches what was stamped, and git ignores none of it."""
    made = draw(st.lists(st.tuples(st.integers(0, len(PATHS) - 1), _SMALL, _SMALL), min_size=1, max_size=8))
    before = {path: doc for path, doc in _tree(made).items() if team or not path.endswith(".local")}
    renames: list[tuple[str, str]] = []
    after = worked(before, draw(_WORK), "theirs", renames)
    after = {path: doc for path, doc in after.items() if team or not path.endswith(".local")}
    ours = worked(before, draw(_WORK), "ours", []) if team else before
    owners = random.Random(draw(_SMALL))  # noqa: S311 - a few choices from one number
    first = {path: owners.choice(WORDS) for path in sorted(before)}
    old = {new: old for old, new in follow(renames).items()}
    second = {path: first.get(old.get(path, path), "") or owners.choice(WORDS) for path in sorted(after)}
    changed = draw(st.lists(st.tuples(_SMALL, _SMALL), max_size=2))
    second |= {_nth(second, which): WORDS[word % len(WORDS)] for which, word in changed if second}
    return Story(before, ours, after, (first, second), tuple(renames), draw(st.sampled_from(("", "teams/a b/"))))


def follow(renames: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Where each path ends, a chain of renames being one."""
    ends: dict[str, str] = {}
    for old, new in renames:
        ends[next((start for start, end in ends.items() if end == old), old)] = new
    return ends


def _nth(mapping: Mapping[str, Any], number: int) -> str:
    return sorted(mapping)[number % len(mapping)]


def _tree(made: list[Numbers]) -> Docs:
    docs: Docs = {}
    for place, kind, seed in made:
        path = PATHS[place]
        if _free(docs, path):
            docs[path] = _doc(path, kind, seed)
    return docs


def _free(docs: Mapping[str, Doc], path: str) -> bool:
    """Whether a file may come to that path: no file and no folder is there, nor a file above it."""
    taken = any(other == path or other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in docs)
    return not taken


def _doc(path: str, kind: int, seed: int) -> Doc:
    chance = random.Random(seed)  # noqa: S311 - a few choices from one number
    suffix = os.path.splitext(path)[1]
    if suffix in DOCUMENTS:
        pairs = tuple(f"k{number}=v{chance.randrange(3)}" for number in range(chance.randrange(1, 6)))
        return Doc(DOCUMENTS[suffix], pairs + tuple(f"=i{number}" for number in range(chance.randrange(4))))
    word = ("text", "text", "text", "text", "text", "crlf", "binary", "link")[kind % 8]
    if word == "link":
        return Doc("link", (chance.choice(("a.txt", "e/b.txt", "gone")),))
    lines = tuple(chance.choice(("same", "same", "", "}", f"line {chance.randrange(20)}")) for _ in range(kind // 4))
    return Doc(word, lines, EXECUTABLE if seed % 9 == 0 else REGULAR, ends=seed % 7 != 0)


def worked(docs: Docs, work: list[Numbers], who: str, renames: list[tuple[str, str]]) -> Docs:
    """The tree after the work of one side, whose every line is told by a name of its own."""
    now = dict(docs)
    for number, (operation, which, where) in enumerate(work):
        if now:
            _work(now, OPERATIONS[operation], _nth(now, which), where, f"{who}{number}.", renames)
    return now


def _work(now: Docs, operation: str, path: str, where: int, token: str, renames: list[tuple[str, str]]) -> None:
    doc = now[path]
    if operation == "delete":
        del now[path]
    elif operation == "rename":
        _move(now, path, PATHS[where % len(PATHS)])
        if path not in now and where % 2:
            renames.append((path, PATHS[where % len(PATHS)]))
    elif operation == "move folder":
        head = path.rpartition("/")[0]
        for inner in [inner for inner in now if head and inner.startswith(f"{head}/")]:
            _move(now, inner, f"moved{inner.removeprefix(head)}")
    elif operation == "add":
        new_path = PATHS[where % len(PATHS)]
        if _free(now, new_path):
            now[new_path] = _edited(_doc(new_path, where, where), "append", where, token)
    elif operation == "into folder":
        _move(now, path, f"{path}/inner")
    elif operation == "chmod" and doc.kind != "link":
        now[path] = doc._replace(mode=REGULAR if doc.mode == EXECUTABLE else EXECUTABLE)
    else:
        now[path] = _edited(doc, operation, where, token)


def _move(now: Docs, path: str, target: str) -> None:
    doc = now.pop(path)
    kind = DOCUMENTS.get(os.path.splitext(target)[1])
    fits = _free(now, target) and (kind is None) == (doc.kind not in DOCUMENTS.values()) and kind in (None, doc.kind)
    now[target if fits else path] = doc


def _edited(doc: Doc, operation: str, where: int, token: str) -> Doc:
    structured = doc.kind in DOCUMENTS.values()
    if doc.kind == "link":
        return doc._replace(lines=(token,))
    if operation == "rewrite":
        return doc._replace(lines=(f"k={token}", f"={token}") if structured else (token,) * 3)
    if operation == "endings":
        return doc._replace(kind={"text": "crlf", "crlf": "text"}.get(doc.kind, doc.kind))
    lines = list(doc.lines)
    place = where % (len(lines) + 1) if operation != "append" else len(lines)
    line = (f"={token}" if where % 2 else f"n{token.replace('.', '')}={token}") if structured else token
    if operation in ("insert", "append") or not lines:
        lines.insert(place, line)
    elif operation == "remove":
        del lines[where % len(lines)]
    else:
        old = lines[where % len(lines)]
        key = old.partition("=")[0]
        lines[where % len(lines)] = f"{key}={token}" if structured else token
    return doc._replace(lines=tuple(lines))


# ---- the factory and the project -----------------------------------------------------------------


def factories(story: Story) -> tuple[Factory, Factory]:
    """The two versions."""
    return _factory("1.0.0", story.before, story.words[0], ()), _factory(
        "2.0.0", story.after, story.words[1], story.renames
    )


def _factory(version: str, docs: Docs, words: Mapping[str, str], renames: tuple[tuple[str, str], ...]) -> Factory:
    component = {
        "summary": "The core",
        "ownership": {path: word for path, word in words.items() if word != "merged"},
        "changes": [{"since": version, "rename": {old: new}} for old, new in renames],
    }
    texts = {
        "blueprints/b.yaml": "summary: A use case\ncomponents: [core]\n",
        "templates/core/component.yaml": json.dumps(component),
        "templates/core/copier.yml": "_subdirectory: files\n",
        "templates/core/CHANGELOG.md": f"# Changelog\n\n## {version}\n\n- released\n",
    }
    tree = kit.files(texts) | {f"templates/core/files/{path}": file for path, file in files(docs).items()}
    return Factory(Origin("folder", URL, version, "", tree_id(tree)), lambda: tree)


class World(NamedTuple):
    """A repository with the project of a story in it, the team's work committed."""

    top: Path
    root: Path
    factories: tuple[Factory, Factory]

    def opened(self) -> Project:
        return open_project(str(self.root))

    def planned(self) -> sync.Sync:
        return sync.prepare(self.opened(), Request())


@contextmanager
def world(story: Story, folder: Path) -> Iterator[World]:
    """The project of a story, its factory at the new version."""
    top = folder / "repository"
    root = top / story.folder
    made = factories(story)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ai_factory.isolate.limited", lambda compute, what: compute())
        patch.setattr("ai_factory.project.release.open_factory", lambda url, wanted, applied: made[1])
        try:
            _born(made[0], root)
            _repository(top, root, story)
            yield World(top, root, made)
        finally:
            shutil.rmtree(top, ignore_errors=True)


def _born(factory: Factory, root: Path) -> None:
    recipe = target.recipe(factory, target.Choice("b"))
    birth.write(birth.prepare(recipe, Manifest(URL, "b"), str(root)), make_repository=False)


def _repository(top: Path, root: Path, story: Story) -> None:
    """Git's folder as `git init` would make it; what the team did; one commit; work of the person's own elsewhere."""
    for path in story.before.keys() - story.ours.keys():
        (root / path).unlink()
        _prune(root, path)
    for path, file in files(story.ours).items():
        if path not in story.before or story.before[path] != story.ours[path]:
            _put(root / path, file)
    for place in ("objects/info", "objects/pack", "refs/heads", "info"):
        (top / ".git" / place).mkdir(parents=True)
    kit.put(top, {".git/HEAD": "ref: refs/heads/main\n", ".git/config": CONFIG, ".git/info/exclude": "*.swp"})
    kit.put(top, {".gitignore": IGNORE} | ({"elsewhere.txt": "1\n"} if story.folder else {}))
    _git(top, "add", "-A")
    _git(top, "commit", "-q", "-m", "work")
    if story.folder:
        kit.put(top, {"elsewhere.txt": "2\n", "new.txt": "new\n"})
        _git(top, "add", "elsewhere.txt")


CONFIG = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"


def _git(top: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=top, check=True, capture_output=True)


def _put(place: Path, file: File) -> None:
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    place.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(place):
        place.unlink()
    if file.mode == LINK:
        place.symlink_to(os.fsdecode(file.content))
    else:
        place.write_bytes(file.content)
        place.chmod(0o755 if file.mode == EXECUTABLE else 0o644)


def _prune(root: Path, path: str) -> None:
    for parent in (root / path).parents:
        if parent == root or any(parent.iterdir()):
            return
        parent.rmdir()


def disk(root: Path) -> dict[str, File]:
    """All files of a project but its record, by path."""
    found: dict[str, File] = {}
    for here, folders, names in os.walk(root):
        inside = Path(here)
        folders[:] = [name for name in folders if not (inside == root and name in (".git", ".ai-factory"))]
        linked = [name for name in folders if (inside / name).is_symlink()]
        for place in (inside / name for name in [*names, *linked]):
            found[str(place.relative_to(root))] = _file(place)
    return found


def _file(place: Path) -> File:
    if place.is_symlink():
        return File(os.fsencode(os.readlink(place)), LINK)
    return File(place.read_bytes(), EXECUTABLE if place.stat().st_mode & 0o100 else REGULAR)


def everything(top: Path) -> dict[str, File]:
    """Every byte of a repository, index and exclude file included; but no objects, and nothing of the tool's own."""
    found: dict[str, File] = {}
    for here, folders, names in os.walk(top):
        inside = Path(here)
        if inside == top / ".git":
            folders[:] = [name for name in folders if name not in ("objects", "ai-factory")]
        linked = [name for name in folders if (inside / name).is_symlink()]
        found |= {str((inside / name).relative_to(top)): _file(inside / name) for name in [*names, *linked]}
        if not folders and not names and ".git" not in inside.parts:
            found[f"{inside.relative_to(top)}/"] = File(b"")
    return found


def stamp(top: Path) -> dict[str, tuple[Any, ...]]:
    """Every file below a folder, git's own included, with what changes when somebody writes to it."""
    found: dict[str, tuple[Any, ...]] = {}
    for here, folders, names in os.walk(top):
        for name in [*names, *folders]:
            status = os.lstat(os.path.join(here, name))
            # git sets the time of an object that it finds again, so that none is pruned under its hands
            time = 0 if here.startswith(f"{top}/.git/objects/") else status.st_mtime_ns
            found[os.path.join(here, name)] = (status.st_mode, time, status.st_ino, status.st_size)
    return found
