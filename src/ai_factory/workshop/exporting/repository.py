"""`blueprint export`: a repository with one commit and tag for each release of the factory that has the blueprint."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

from ai_factory import catalog, git, versions
from ai_factory.errors import AuthorError, FactoryError, MachineError, UnreachableError, UsageError
from ai_factory.factory import EMBEDDED, Factory, Wanted, embedded_folder, open_factory
from ai_factory.git import Edition, Held
from ai_factory.lock import Origin
from ai_factory.newest import repository_at
from ai_factory.project.target import Choice, Recipe, recipe
from ai_factory.tree import File, word
from ai_factory.workshop.exporting.template import RECORD, record, template
from ai_factory.workshop.opening import last_release, require_own
from ai_factory.workspace import Folder, find_repository, unusable

LICENCES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "COPYING", "NOTICE")
NOTHING = Held("", generated=True, tags={}, changed=())


class Exported(NamedTuple):
    """What an export has added: tags, or a version that is no release; and which releases could not be exported.

    `has_releases` is false of a factory without any: it is exported as it stands, as a commit without a tag.
    """

    blueprint: str
    place: str
    added: tuple[str, ...]
    newest: str
    left_out: tuple[tuple[str, str], ...]
    has_releases: bool


class _Release(NamedTuple):
    tag: str
    factory: Factory
    when: int


def as_copier(name: str, address: str, destination: str) -> Exported:
    """Export a blueprint as a Copier template repository; one that is there already gets the releases that it lacks.

    Raises UsageError for a place that holds something else, AuthorError where the newest release cannot be exported.
    """
    opened = open_factory(address)
    newest = last_release(opened) or opened
    before = _before(name, newest.origin, destination)
    made: dict[str, Edition] = {}
    left_out = []
    for release in _releases(newest):
        last = release.factory.origin.version == newest.origin.version
        if release.tag in before.tags or (not last and name not in release.factory.blueprints()):
            continue
        try:
            made[release.tag] = _edition(name, release)
        except (MachineError, UnreachableError):
            raise
        except FactoryError as error:
            if last:
                raise
            left_out.append((release.tag, error.message))
    if "" in made and before.head and git.same_as_head(destination, made[""].files):
        del made[""]
    order = versions.releases([*before.tags, *filter(None, made)])
    if made:
        _write(destination, before, _in_line(made, order), "" if "" in made else order[-1])
    added = tuple(tag or newest.origin.version for tag in made)
    has_releases = newest.origin.kind != "folder"
    return Exported(name, destination, added, newest.origin.version, tuple(left_out), has_releases)


def _in_line(made: dict[str, Edition], order: list[str]) -> list[Edition]:
    """Each edition after the release before it."""
    after = dict(zip(order, ["", *order], strict=False))
    return [edition._replace(after=after.get(tag, "")) for tag, edition in made.items()]


def with_all(name: str, factory: Factory) -> Recipe:
    """The blueprint with every optional component. Raises UsageError where there is none of that name.

    Other tools put the name into addresses, workflows and pages, so it has to be a plain one: else AuthorError.
    """
    if name in require_own(factory).blueprints() and not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise AuthorError(
            f"the blueprint `{name}` cannot be exported under that name", "use small letters, digits, hyphens"
        )
    return recipe(factory, Choice(name, catalog.blueprint(name, factory.read).optional))


def _releases(newest: Factory) -> Iterator[_Release]:
    """The releases of the factory, the oldest first; one that has none is exported as it stands, without a tag."""
    origin = newest.origin
    if origin.kind == EMBEDDED:
        yield _Release(f"v{origin.version}", newest, int(time.time()))
    elif origin.kind == "folder":
        yield _Release("", newest, int(time.time()))
    else:
        repository = repository_at(origin.url)
        times = git.tag_times(repository)
        for tag in versions.releases([release.tag for release in git.releases(repository)]):
            opened = newest if tag == origin.version else open_factory(origin.url, Wanted(tag, refresh=False))
            yield _Release(tag, opened, times.get(tag, 0))


def _edition(name: str, release: _Release) -> Edition:
    origin = release.factory.origin
    files = template(with_all(name, release.factory), licences(origin))
    return Edition(release.tag, f"{name} {origin.version}\n", files, release.when)


def licences(origin: Origin) -> dict[str, File]:
    """The licence and the notice of a factory, which go along with what is taken from it."""
    if origin.kind == "git":
        found = git.files_in(repository_at(origin.url), origin.commit, LICENCES)
        return {path: File(content) for path, content in found.items()}
    disk = Folder(embedded_folder() if origin.kind == EMBEDDED else origin.url)
    return disk.read_all([path for path in LICENCES if disk.read(path)])


# ---- the place ------------------------------------------------------------------------------------


def _before(name: str, origin: Origin, destination: str) -> Held:
    """What lies at the destination. Raises UsageError for anything but nothing, or an earlier export of the same."""
    if not destination.strip() or ".git" in os.path.abspath(destination).split(os.sep):
        raise UsageError(f"`{destination}` is no folder for a template", "name a folder that is new or empty")
    if os.path.lexists(destination) and not os.path.isdir(destination):
        raise UsageError(f"`{destination}` is a file", "name a folder that is new or empty")
    around = find_repository(destination)
    own = around is not None and around.top == os.path.realpath(destination)
    if around and not own:
        raise UsageError(
            f"`{destination}` lies in the repository `{around.top}`, and a template is a repository of its own",
            "name a folder outside of it",
        )
    before = git.held(destination) if own else NOTHING
    if not before.head:
        inside = sorted({*(os.listdir(destination) if os.path.isdir(destination) else ())} - {".git"})
        if inside:
            raise UsageError(
                f"`{destination}` is not empty: it holds `{inside[0]}`" + (" and more" if inside[1:] else ""),
                "name a folder that is new or empty, or one that holds an earlier export",
            )
        return before
    _require_same(name, origin, destination)
    _require_known(origin, before, destination)
    _require_untouched(before, destination)
    return before


def _require_same(name: str, origin: Origin, destination: str) -> None:
    told, wanted = _recorded(destination, "HEAD"), record(name, origin)
    if any(told.get(key) != wanted[key] for key in ("schema", "blueprint", "factory")):
        raise UsageError(
            f"`{destination}` holds no export of `{name}` from `{wanted['factory']}`",
            "name a folder that is new or empty, or one that holds an earlier export of the same",
        )


def _require_known(origin: Origin, before: Held, destination: str) -> None:
    """Every version that is there is a release of this factory: one in another folder may be another factory."""
    if origin.kind == EMBEDDED:
        return
    found = git.releases(repository_at(origin.url)) if origin.kind == "git" else []
    commits = {release.tag: release.commit for release in found}
    for tag in before.tags:
        told = _recorded(destination, tag)
        if told and commits.get(told.get("version", "")) != told.get("commit"):
            raise UsageError(
                f"`{tag}` in `{destination}` was made from a commit that is no such release of `{origin.url}`",
                "name a folder that is new or empty; or, where the factory took that release back, "
                f"`git -C {word(destination)} tag -d {word(tag)}`",
            )


def _recorded(destination: str, reference: str) -> dict[str, str]:
    """What an export says of itself at a commit of its repository; nothing where it is none."""
    try:
        told = json.loads(git.content_of(destination, f"{reference}:{RECORD}") or b"{}")
    except (ValueError, RecursionError):
        return {}
    return {key: value for key, value in told.items() if isinstance(value, str)} if isinstance(told, dict) else {}


def _require_untouched(before: Held, destination: str) -> None:
    if before.changed:
        raise UsageError(
            f"`{destination}` has changes that are not committed: `{before.changed[0]}`",
            f"an export is generated, so drop them: `git -C {word(destination)} stash --all`",
        )
    if not before.generated:
        raise UsageError(
            f"the last commit in `{destination}` is no export's, and the next export would undo it",
            f"keep it on a branch of its own, and go back: `git -C {word(destination)} switch --detach TAG`",
        )


def _write(destination: str, before: Held, editions: list[Edition], newest: str) -> None:
    try:
        os.makedirs(destination, exist_ok=True)
    except OSError as error:
        raise unusable(destination, "write", error) from None
    if not before.head:
        git.begin(destination)
    git.grow(destination, before, editions, newest)
