"""A project as the checks of controls see it: its files, what its lock says, and what applies to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ai_factory import cache
from ai_factory.errors import ProjectError
from ai_factory.governance import facts as facts_of
from ai_factory.governance.checking import KEPT_ELSEWHERE, Subject
from ai_factory.lock import LOCK, WAIVERS
from ai_factory.newest import SKIPPED
from ai_factory.project.facts import FACTS, judged, map_of, recorded
from ai_factory.project.opening import Project
from ai_factory.tree import File

KNOWN = ("governance", "contracts", "evals", "evidence", "bom", "ops", "docs")
HOW = "`ai-factory assess` asks for them"


def subject_of(project: Project, as_of: str) -> Subject:
    """The project as checks see it: its files below the folders that it keeps, and what applies on that day."""
    known, now = map_of(project), recorded(project)
    problems = facts_of.problems(now.facts, known.facts)
    if problems:
        names = ", ".join(f"`{name}`" for name in problems)
        raise ProjectError(f"`{FACTS}`: what applies is not known, for these are not answered: {names}", HOW)
    applies, _ = judged(known, facts_of.facts(now.facts), as_of)
    files = {path: file for path in _paths(project) if (file := project.folder.read(path))}
    return Subject(
        files, project.lock, known, applies, as_of, lambda path: _digest(project, files, path), cache.document
    )


def _paths(project: Project) -> set[str]:
    """The factory's files, and all in the folders that it knows; none of what runs keep for themselves."""
    owned = {path.split("/")[0] for path in project.lock.paths if "/" in path}
    folders = {*owned, *KNOWN} - {KEPT_ELSEWHERE.rstrip("/")}
    found = {path for folder in folders for path in project.folder.walk(folder)}
    return {path for path in found | project.lock.paths.keys() if SKIPPED.isdisjoint(path.split("/"))} | {LOCK, WAIVERS}


def _digest(project: Project, files: Mapping[str, File], path: str) -> str:
    file = files.get(path) or project.folder.read(path)
    return f"sha256:{hashlib.sha256(file.content).hexdigest()}" if file else ""
