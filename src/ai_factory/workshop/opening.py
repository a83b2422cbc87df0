"""The factory of an author: as it lies in a folder now, and its last release."""

from __future__ import annotations

import os

from ai_factory import git, journal, layers, versions
from ai_factory.engines import TITLES, engine_of
from ai_factory.errors import ProjectError, UsageError
from ai_factory.factory import Factory, Wanted, is_remote, open_factory
from ai_factory.tree import word
from ai_factory.workspace import find_repository


def factory_at(address: str) -> Factory:
    """The factory at the address as it is now. Raises as `open_factory` does.

    Raises UsageError where none is, ProjectError where an update or a release of it was cut off.
    """
    found = require_own(open_factory(address))
    _refuse_unfinished(found)
    if layers.DECLARATION not in found.files() and not (found.components() or found.blueprints()):
        hint = "name a folder with `templates/NAME/component.yaml` and `blueprints/NAME.yaml`"
        raise UsageError(f"`{address}` is no factory: it has neither a component nor a blueprint", hint)
    return found


def _refuse_unfinished(factory: Factory) -> None:
    """Raise ProjectError, with the command that mends it, where an update or a release was cut off half-way.

    Of a release that was committed only the tag is missing, which the next one makes.
    """
    if factory.origin.kind == "folder" and find_repository(factory.origin.url):
        place = journal.journal_of(factory.origin.url)
        if journal.cut_off(place) and not journal.overtaken(place, git.commit_of(place.root, "HEAD")):
            journal.require_finished(place)


def require_own(factory: Factory) -> Factory:
    """The factory. Raises UsageError for a template of another tool: that one works on it, not ours."""
    if engine := engine_of(factory.files()):
        url = factory.origin.url
        raise UsageError(
            f"`{url}` is a template of {TITLES[engine]}, and no factory",
            f"projects are stamped from it (`ai-factory new {word(url)} DEST`); work on it with its own tool",
        )
    return factory


def below(url: str, reference: str = "") -> Factory:
    """The factory that another one is to stand on: at the named version, else at its newest release.

    A folder without a release is taken as it is.
    """
    found = require_own(open_factory(url, Wanted(reference)))
    return found if reference else last_release(found) or found


def last_release(factory: Factory) -> Factory | None:
    """The newest release of a factory in a folder that is a repository; None where there is none."""
    newest = versions.newest(releases(factory))
    return open_factory(factory.origin.url, Wanted(newest)) if newest else None


def releases(factory: Factory) -> list[str]:
    """The releases of a factory in a folder that is a repository, oldest first; pre-releases too."""
    if factory.origin.kind != "folder" or is_remote(factory.origin.url):
        return []
    found = find_repository(factory.origin.url)
    if found is None or found.top != os.path.realpath(factory.origin.url):
        return []
    tags = [release.tag for release in git.releases(found.top)]
    ranked = sorted(zip(versions.ranks(tags), tags, strict=True))
    return [tag for rank, tag in ranked if rank]


def addresses(factory: Factory) -> list[str]:
    """Where projects of this factory may have come from: its folder, and the repositories that it was cloned from."""
    url = factory.origin.url
    if find_repository(url) is None:
        return [url]
    return [url, *git.remotes(url)]


def refuse_unpushable(folder: str) -> None:
    """Raise ProjectError where a push of what is about to be committed would fail, as far as can be told here."""
    branch = git.branch_here(folder)
    if branch is None:
        raise ProjectError(
            "no branch is checked out, and a push of this commit would have none to go to", "`git switch BRANCH`"
        )
    if branch.lacks:
        commits = "a commit" if branch.lacks == 1 else f"{branch.lacks} commits"
        raise ProjectError(
            f"`{branch.name}` lacks {commits} of `{branch.follows}`, and a push of it would be refused",
            "`git pull --rebase`, then again",
        )


def clean_repository(factory: Factory) -> str:
    """The folder of a factory that is a repository with nothing uncommitted: what is written there can be taken back.

    Raises UsageError for one that is no such folder, ProjectError for uncommitted changes.
    """
    url = factory.origin.url
    found = find_repository(url) if factory.origin.kind == "folder" else None
    if found is None or found.top != os.path.realpath(url):
        raise UsageError(f"`{url}` is no factory in a repository of its own", "`git init` there, and commit")
    known = git.status(found.top)
    if changed := sorted({*known.dirty, *known.untracked}):
        more = f" and {len(changed) - 1} more" if changed[1:] else ""
        raise ProjectError(f"`{changed[0]}`{more} is not committed", "commit it, or put it aside with `git stash -u`")
    return found.top
