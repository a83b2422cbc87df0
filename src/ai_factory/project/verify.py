"""Proves lock and base of a project: what was applied is rendered again, and compared row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ai_factory import __version__, cache, catalog, git
from ai_factory.base import Base
from ai_factory.check import Finding
from ai_factory.errors import (
    AnswersError,
    ConsentError,
    FactoryError,
    LockError,
    ProjectError,
    UnreachableError,
    UsageError,
)
from ai_factory.factory import Factory, Wanted, is_remote, open_factory
from ai_factory.lock import LOCK, PROJECT, Entry, Lock
from ai_factory.newest import repository_at
from ai_factory.plan import Target, entry_of
from ai_factory.project.opening import Project
from ai_factory.project.target import Choice, Recipe, recipe, rendered, settle
from ai_factory.steady import steadied
from ai_factory.tree import File, blob_id

RIGHT = "bring lock and base back from a commit in which they were right: `git checkout COMMIT -- .ai-factory`"
ASK = "`--remote` asks the factory first"


class Proof(NamedTuple):
    """The lock as the rendering gives it, where the project's own differs from that, and what was rendered."""

    lock: Lock
    findings: tuple[Finding, ...]
    known: Mapping[str, bytes]


class Believed(NamedTuple):
    """What of a lock no rendering can tell, and a reference can: which files git ignores there, and which commit."""

    local: Collection[str]
    commit: str


def proved(project: Project, believed: Believed | None = None, trust: bool = False) -> Proof:
    """Render what the lock says was applied, and compare. With `believed`, only a release or its commit is accepted.

    Raises UnreachableError where the factory cannot be read, LockError where the lock stands for no rendering,
    ConsentError where code of a foreign template would run without `trust`.
    """
    factory = _opened(project.lock, believed)._replace(trusted=trust)
    try:
        made = _recipe(project, factory)
        target = rendered(made, _answers(made, project.lock))
    except (ConsentError, LockError, ProjectError):
        raise
    except FactoryError as error:
        raise UnreachableError(f"the factory cannot be rendered again: {error.message}", error.hint) from None
    known, base = _local(project, believed), _base(project)
    target = target._replace(rendered=steadied(target.rendered, base.files if base else {}))
    expected = dict(_rows(project.lock, target, known))
    found = [*_whole(project.lock, made, target), *_paths(project.lock, target, expected, base)]
    paths = {**_beyond(project.lock, expected), **expected}
    judged = project.lock._replace(paths=paths, folders=target.rendered.folders)
    return Proof(judged, tuple(found), {path: file.content for path, file in target.rendered.tree.items()})


# ---- the factory as it was applied ---------------------------------------------------------------


def _opened(record: Lock, believed: Believed | None) -> Factory:
    """The factory at the version of the lock, without network."""
    origin = record.factory
    reference = {"git": origin.commit, "embedded": origin.version}.get(origin.kind, "")
    try:
        factory = open_factory(origin.url, Wanted(reference, refresh=False))
    except (UnreachableError, UsageError) as error:
        raise UnreachableError(error.message, ASK if is_remote(origin.url) else error.hint) from None
    if origin.kind == "git":
        _refuse_other_commit(record, factory, believed)
    if origin.kind == "folder" and factory.origin.tree != origin.tree:
        raise UnreachableError(
            f"the folder `{origin.url}` is no longer as it was applied",
            "`ai-factory sync` brings the project to what it is now; the versions of a git repository stay",
        )
    if origin.tree and factory.origin.tree != origin.tree:
        raise LockError(f"`{LOCK}` names a tree of the factory that `{origin.version}` has not", RIGHT)
    return factory._replace(origin=origin)


def _refuse_other_commit(record: Lock, factory: Factory, believed: Believed | None) -> None:
    """A version that is a tag stands for the commit of that tag, and a stranger's word for no other."""
    origin = record.factory
    tags = {release.tag: release.commit for release in git.releases(repository_at(origin.url))}
    tagged = tags.get(origin.version, "")
    known = believed is not None and origin.commit == believed.commit
    if known and tagged not in ("", origin.commit):
        raise LockError(
            f"`{origin.version}` of the factory is another commit than when it was applied: its tag was moved",
            "ask those who release it why; `ai-factory sync --to TAG` goes to a release that stands",
        )
    if factory.origin.commit != origin.commit or (tagged or origin.commit) != origin.commit:
        hint = f"if the tag was moved, ask those who release it; if the lock was edited, {RIGHT}"
        raise LockError(f"`{LOCK}` names a commit that is not `{origin.version}` of the factory", hint)
    if believed and not tagged and not known:
        raise LockError(
            f"`{origin.version}`, which `{LOCK}` names, is no release of the factory",
            "sync to a release: `ai-factory sync --to TAG`",
        )


def _recipe(project: Project, factory: Factory) -> Recipe:
    """The blueprint that the project names, with those components that the lock says were taken."""
    name = project.manifest().blueprint
    taken = set(project.lock.components)
    blueprint = catalog.blueprint(name, factory.read, cache.document)
    if strange := sorted(taken - {*blueprint.components, *blueprint.optional}):
        raise LockError(
            f"`{LOCK}` names the component `{strange[0]}`, and the blueprint `{name}` of `{PROJECT}` has none",
            "`ai-factory sync` applies what `project.yaml` asks for",
        )
    without = tuple(item for item in blueprint.components if item not in taken)
    return recipe(factory, Choice(name, tuple(item for item in blueprint.optional if item in taken), without))


def _answers(made: Recipe, record: Lock) -> Mapping[str, object]:
    """The answers of the lock, where each is one that its question takes, and none is missing. Raises LockError."""
    try:
        # as `named` too: a foreign template may read what it asks no more
        answers = settle(made, record.answers, named=record.answers)
    except AnswersError as error:
        first, *more = (f"`{key}` {problem}" for key, problem in error.problems.items())
        message = f"`{LOCK}` holds answers that the factory does not take: {first}"
        raise LockError(message, RIGHT, tuple(more)) from None
    kept = made.kept(answers)
    if kept != record.answers:
        keys = sorted(key for key, value in kept.items() if record.answers.get(key, made) != value)
        raise LockError(f"`{LOCK}` lacks answers, or has other ones than were settled: {', '.join(keys)}", RIGHT)
    return answers


# ---- row by row ----------------------------------------------------------------------------------


def _rows(record: Lock, target: Target, local: Collection[str]) -> Iterator[tuple[str, Entry]]:
    """The row that each path of the rendering should have; what only time tells is taken from the project's own."""
    for path, owner in target.rendered.owned.items():
        own = record.paths.get(path, Entry("", ""))
        made = entry_of(owner, target.rendered.tree.get(path), own.base_version or target.origin.version)
        if own.state == "open":
            theirs = own.theirs if own.theirs_version else made.base
            made = own._replace(
                component=made.component, ownership=made.ownership, controls=made.controls, theirs=theirs
            )
        elif made.ownership == "seeded":  # as it was born, in a version that may be long past
            state = own.state if path in local else ""
            made = made._replace(base=own.base, mode=own.mode, base_version=own.base_version, state=state)
        elif own.state == "declined" or path in local:
            made = made._replace(state=own.state)
        yield path, made


def _beyond(record: Lock, expected: Mapping[str, Entry]) -> dict[str, Entry]:
    """The open files that the new version has no more: a person still has to decide, which is a finding of its own."""
    return {path: row for path, row in record.paths.items() if row.state == "open" and path not in expected}


def _local(project: Project, believed: Believed | None) -> Collection[str]:
    """The paths whose state `local` counts: git ignores them, and did so at the reference."""
    claimed = [path for path, row in project.lock.paths.items() if row.state == "local"]
    ignored = git.ignored(project.root, claimed) if claimed else []
    # nothing is promised of a merged file, so nothing is gained by hiding one
    free = {path for path, row in project.lock.paths.items() if row.ownership != "managed"}
    return {path for path in ignored if believed is None or path in believed.local or path in free}


def _base(project: Project) -> Base | None:
    try:
        return project.base()
    except LockError:
        return None  # which a check says without any rendering


def _paths(record: Lock, target: Target, expected: Mapping[str, Entry], base: Base | None) -> Iterator[Finding]:
    for path in sorted({*record.paths, *expected, *(base.files if base else ())}):
        row, want = record.paths.get(path), expected.get(path)
        if row and not want and row.state == "open":
            continue
        if row and want:
            words = ", ".join([*_differences(row, want), *_in_base(path, row, target, base)])
            message = f"has another {words} than the factory gives it" if words else ""
        elif want:
            message = "is missing from the lock"
        else:
            message = f"is in the {'lock' if row else 'base'}, and the factory has no such file"
        if message:
            entry = want or row or Entry("", "")
            hint = RIGHT if record.engine == __version__ else f"{RIGHT}; it was written by ai-factory {record.engine}"
            yield Finding("AF005", path, message, entry.component, entry.controls, hint)


def _differences(row: Entry, want: Entry) -> Iterator[str]:
    names = {"base": "id in the lock", "theirs": "proposal in the lock", "base_version": ""}
    for field, own, other in zip(row._fields, row, want, strict=True):
        if _plain(own) != _plain(other) and names.get(field, field):
            yield names.get(field, field)


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, tuple) else value


def _in_base(path: str, row: Entry, target: Target, base: Base | None) -> Iterator[str]:
    """Whether the base holds what was rendered; of an open file it holds what came before, of a local one nothing."""
    if base is None or row.state in ("open", "local") or row.ownership not in ("managed", "merged"):
        return
    if not _same(base.files.get(path), target.rendered.tree.get(path)):
        yield "content in the base"


def _same(one: File | None, other: File | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.mode, blob_id(one.content)) == (other.mode, blob_id(other.content))


def _whole(record: Lock, made: Recipe, target: Target) -> Iterator[Finding]:
    """What belongs to no path."""
    if dict(made.versions) != dict(record.components):
        yield Finding("AF005", LOCK, "names other versions of the components than the factory has", hint=RIGHT)
    if sorted(target.rendered.folders) != sorted(record.folders):
        yield Finding("AF005", LOCK, "names other folders as managed whole than the factory does", hint=RIGHT)
