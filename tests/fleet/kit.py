"""Fleets for tests: projects of the small factory in real repositories, and git's own backend over http."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kit import Result, cli, commit, git, put
from tests.trust.web import Answer, Handler, private

AUDIT = "src/small_thing/controls/audit.py"
SOON = "2999-01-01"
OURS = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "ai-factory"), ("EMAIL", "noreply@invalid"))
}


def copied(project: Path, name: str, files: Mapping[str, str | bytes | None] | None = None) -> Path:
    """A copy of a project beside it, with changes committed."""
    made = shutil.copytree(project, project.parent / name, symlinks=True)
    if files:
        put(made, files)
        commit(made)
    return made


def fleet(folder: Path, text: str) -> Path:
    """A folder with that `fleet.yaml`."""
    put(folder, {"fleet.yaml": text})
    return folder


def rows(*urls: object, factory: object) -> str:
    """A fleet of these repositories, which trusts one factory."""
    return f"factories: [{{ url: {factory} }}]\nprojects:\n" + "".join(f"  - url: {url}\n" for url in urls)


def looked(where: Path, *options: str) -> dict[str, Any]:
    """What `fleet status` says of each project, by the last part of its key."""
    result = cli("fleet", "status", "--json", *options, cwd=where)
    assert result.out, result.err
    return {row["project"].rpartition("/")[2]: row for row in result.data["projects"]}


def axes(where: Path, *options: str) -> dict[str, tuple[str, str, str]]:
    """The three words of each project."""
    found = looked(where, *options)
    return {name: (row["sync"], row["rollout"], row["health"]) for name, row in found.items()}


def served(root: Path, slow: float = 0) -> Answer:
    """Git's http backend over the repositories below `root`, for everybody."""
    answer = private(root, "")

    def answering(handler: Handler) -> None:
        time.sleep(slow)
        answer(handler)

    return answering


def allow_filters(*repositories: Path) -> None:
    """As code hosts do: fetch without contents, and any object by its id."""
    for one in repositories:
        git(one, "config", "uploadpack.allowFilter", "true")
        git(one, "config", "uploadpack.allowAnySHA1InWant", "true")


def lock_of(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / ".ai-factory/lock.json").read_text())
    return found


def must(result: Result) -> Result:
    assert result.code == 0, result.err
    return result
