"""Syncs of small projects as commits, and what a laptop makes of the same."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from ai_factory.fleet import system
from ai_factory.fleet.registry import Member
from ai_factory.fleet.releases import Source
from ai_factory.fleet.updates import draft
from ai_factory.fleet.updates.draft import Draft
from ai_factory.report.proposals import proposal_markdown
from tests import kit

TODAY = "2026-06-01"


def edited(project: Path, files: Mapping[str, str | bytes | None], message: str = "work of the team") -> str:
    """The commit with which a team changes files of its project."""
    kit.put(project, files)
    return kit.commit(project, message)


def bare(project: Path, place: Path) -> Path:
    """A bare repository with what the project has."""
    kit.git(project.parent, "clone", "-q", "--bare", str(project), str(place))
    return place


def drafted(member: Member, factory: Path, to: str = "") -> Draft:
    """The draft of a sync of that member."""
    here = system.located(member)
    with (
        system.opened(here, whole=True) as there,
        draft.drafted(there, (Source(str(factory)),), to, TODAY, proposal_markdown) as (found, _),
    ):
        return found


def changed(member: Member, factory: Path) -> list[str]:
    """The paths that the commit of such a sync changes."""
    here = system.located(member)
    with (
        system.opened(here, whole=True) as there,
        draft.drafted(there, (Source(str(factory)),), "", TODAY, proposal_markdown) as (_, made),
    ):
        assert made
        told = kit.git(
            Path(made.repository), "diff-tree", "-r", "--name-only", "--no-renames", here.commit, made.commit
        )
        return told.splitlines()


def synced_by_hand(project: Path, place: Path) -> str:
    """The tree that a sync on a laptop commits, or would commit where a conflict is open: without markers."""
    shutil.copytree(project, place, symlinks=True)
    result = kit.cli("sync", cwd=place)
    assert result.code in (0, 1), result.err
    for path in kit.git(place, "diff", "--name-only", "--diff-filter=U", "-z").split("\0"):
        if path:  # of a marked file the project's own version is what a fleet commits
            kit.git(place, "checkout", "--ours", "--", path)
            kit.git(place, "add", "--", path)
    return kit.git(place, "write-tree")
