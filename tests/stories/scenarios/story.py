"""A factory whose versions are given as dicts, a project stamped from it, and the two ways in which a sync may end."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_factory import documents
from ai_factory.tree import EXECUTABLE, LINK, REGULAR, File
from tests.kit import Result, cli, commit, git, put, rules

Content = str | bytes | File
Contents = Mapping[str, Content]
Edits = Mapping[str, Content | None]


def file(content: Content) -> File:
    """A regular file, unless it says otherwise."""
    if isinstance(content, File):
        return content
    return File(content if isinstance(content, bytes) else content.encode())


def ran(content: Content) -> File:
    """The same file, executable."""
    return file(content)._replace(mode=EXECUTABLE)


def link(target: str) -> File:
    """A symbolic link."""
    return File(target.encode(), LINK)


def crlf(text: str) -> bytes:
    """The text with the line endings of Windows."""
    return text.replace("\n", "\r\n").encode()


def numbered(**changed: str) -> str:
    """Twenty lines; `l3="x"` changes the third, an empty text takes it away."""
    lines = {f"l{number}": f"line {number}" for number in range(1, 21)} | changed
    return "".join(f"{line}\n" for line in lines.values() if line)


def marked(ours: str, theirs: str) -> str:
    """A conflict as git writes it."""
    return f"<<<<<<< yours\n{ours}=======\n{theirs}>>>>>>> factory\n"


BASE = numbered()
TEAM = numbered(l18="the team's")
NEW = numbered(l3="the factory's")
BOTH = numbered(l3="the factory's", l18="the team's")
CLASH = numbered(l3="the team's")
MARKED = BASE.replace("line 3\n", marked("the team's\n", "the factory's\n"))


def lay(folder: Path, edits: Edits) -> None:
    """Write files, executables and links below a folder, in place of whatever is there; None removes one."""
    for path, content in edits.items():
        place = folder / path
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        elif os.path.lexists(place):
            place.unlink()
        if content is None:
            continue
        item = file(content)
        place.parent.mkdir(parents=True, exist_ok=True)
        if item.mode == LINK:
            place.symlink_to(item.content.decode())
        else:
            place.write_bytes(item.content)
            place.chmod(0o755 if item.mode == EXECUTABLE else 0o644)


def contents(folder: Path) -> dict[str, File]:
    """Every file below a folder but git's own and our record; the version's name is left out of markers."""
    found: dict[str, File] = {}
    for place in sorted(folder.rglob("*")):
        path = place.relative_to(folder)
        if {".git", ".ai-factory"} & set(path.parts) or (place.is_dir() and not place.is_symlink()):
            continue
        if place.is_symlink():
            found[str(path)] = link(os.readlink(place))
        else:
            mode = EXECUTABLE if place.stat().st_mode & 0o100 else REGULAR
            content = re.sub(rb"(?m)^(>>>>>>> factory)-[^:\s]+(:.*?)?(\r?)$", rb"\1\2\3", place.read_bytes())
            found[str(path)] = File(content, mode)
    return found


@dataclass(frozen=True, slots=True)
class Story:
    """A factory with a component `core`, released again and again, and a project that comes from it."""

    factory: Path
    project: Path
    options: tuple[str, ...] = ()

    def release(self, files: Contents, version: int, **declared: Any) -> None:
        """The next version of the factory: all the files of its component, and what it declares about itself.

        `questions` is its copier.yml, `blueprint` and `also` further files of the factory; the rest goes into
        component.yaml.
        """
        core = self.factory / "templates/core"
        shutil.rmtree(core, ignore_errors=True)
        questions, also = declared.pop("questions", {}), declared.pop("also", {})
        blueprint = {"summary": "s", "components": ["core"], **declared.pop("blueprint", {})}
        put(
            self.factory,
            {
                "blueprints/small.yaml": documents.write(blueprint).decode(),
                "templates/core/component.yaml": documents.write({"summary": "s", **declared}).decode(),
                "templates/core/CHANGELOG.md": f"# Changelog\n\n## {version}.0.0\n\n- version {version}\n",
                **({"templates/core/copier.yml": documents.write(questions).decode()} if questions else {}),
            },
        )
        lay(core / "files", files)
        lay(self.factory, also)
        if (self.factory / ".git").exists():
            commit(self.factory, f"v{version}")
            git(self.factory, "tag", f"v{version}.0.0")

    def team(self, edits: Edits) -> None:
        """What the team does, committed."""
        lay(self.project, edits)
        commit(self.project)

    def sync(self, *arguments: str) -> Result:
        return cli("sync", *arguments, *self.options, cwd=self.project)

    def lock(self) -> Any:
        return json.loads((self.project / ".ai-factory/lock.json").read_text())

    def states(self) -> dict[str, str]:
        """The states that the lock records, by path."""
        return {path: row["state"] for path, row in self.lock()["paths"].items() if "state" in row}

    def answered(self) -> dict[str, Any]:
        """The answers in project.yaml."""
        data = documents.load((self.project / ".ai-factory/project.yaml").read_bytes(), "project.yaml")
        return dict(data.get("answers", {}))


def stamped(
    folder: Path, files: Contents, *options: str, tags: bool = False, name: str = "project", **declared: Any
) -> Story:
    """A project made from version 1, with its first commit; with `tags` the factory is a git repository."""
    story = Story(folder / "factory", folder / name)
    story.factory.mkdir()
    if tags:
        git(story.factory, "init", "-q", "-b", "main")
    story.release(files, 1, **declared)
    version = ("--version", "v1.0.0") if tags else ()
    made = cli("new", "small", str(story.project), "--defaults", "--factory", str(story.factory), *version, *options)
    assert made.code == 0, made.err
    return story


def actions(data: Any) -> dict[str, str]:
    """What a sync says that it did, by path."""
    return {row["path"]: row["action"] for row in data["changes"]}


def clean(story: Story, tree: Contents, *arguments: str, found: Iterable[tuple[str, str]] = ()) -> Any:
    """Sync, and see it end clean: exit code 0, this tree, these findings of `check`, all of it staged.

    Once it is committed, a second sync has nothing to do. Returns what the first one told machines.
    """
    result = story.sync(*arguments, "--json")
    assert result.code == 0, result.out + result.err
    assert contents(story.project) == {path: file(content) for path, content in tree.items()}
    assert rules(story.project) == sorted(found, key=lambda row: (row[1], row[0]))
    assert git(story.project, "diff", "--name-only") == ""
    assert "open" not in story.states().values()
    git(story.project, "commit", "-q", "--allow-empty", "-m", "sync")
    again = story.sync("--json")
    assert (again.code, again.data["nothing_to_do"]) == (0, True), again.out
    assert git(story.project, "status", "--porcelain") == ""
    return result.data


def loud(
    story: Story,
    tree: Contents,
    stages: Mapping[str, str],
    *arguments: str,
    found: Iterable[tuple[str, str]] = (),
) -> Any:
    """Sync, and see it end with an open conflict: exit code 1, this tree, AF004 for each path of `stages`.

    `stages` names the open paths, and which stages of git's index they have. Returns what it told machines.
    """
    before = len(git(story.project, "rev-list", "HEAD").split())
    result = story.sync(*arguments, "--json")
    assert result.code == 1, result.out + result.err
    assert contents(story.project) == {path: file(content) for path, content in tree.items()}
    opened = sorted(stages)
    assert result.data["conflicts"] == opened
    assert [path for path, state in story.states().items() if state == "open"] == opened
    expected = [*found, *(("AF004", path) for path in opened)]
    assert rules(story.project) == sorted(expected, key=lambda row: (row[1], row[0]))
    assert cli("check", cwd=story.project).code == 1
    assert unmerged(story.project) == {path: numbers for path, numbers in stages.items() if numbers}
    assert len(git(story.project, "rev-list", "HEAD").split()) == before
    return result.data


def unmerged(project: Path) -> dict[str, str]:
    """The paths that git's index holds in several stages, and which."""
    rows = [row.partition("\t") for row in git(project, "ls-files", "-u", "-z").split("\0") if row]
    found: dict[str, str] = {}
    for head, _, path in rows:
        found[path] = found.get(path, "") + head.split(" ")[2]
    return found


def refused(story: Story, *arguments: str) -> Any:
    """Sync, and see it refused: exit code 2 with one sentence, and nothing was written."""
    before = contents(story.project), git(story.project, "status", "--porcelain"), story.lock()
    result = story.sync(*arguments, "--json")
    assert result.code == 2, result.out + result.err
    assert not result.data["message"].startswith("unexpected")
    assert (contents(story.project), git(story.project, "status", "--porcelain"), story.lock()) == before
    return result.data
