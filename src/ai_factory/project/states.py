"""The three states of a project - base, ours, theirs - and the plan that merges them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ai_factory import __version__, git, lock, markers, versions
from ai_factory.base import Base
from ai_factory.errors import LockError
from ai_factory.factory import is_remote
from ai_factory.git import Status
from ai_factory.lock import Lock, Origin
from ai_factory.manifest import Manifest
from ai_factory.merge import Declared, Input, MergedTrees, Ours, merge
from ai_factory.plan import Change, Plan, Target
from ai_factory.project.opening import Project
from ai_factory.render import Rendered
from ai_factory.steady import steadied
from ai_factory.tree import File, blob_id, digest, normalized


def reference(record: Lock, origin: str, wish: Manifest) -> str:
    """The version to read when none is asked for; empty: the newest release within the bound, or the folder as it is.

    A project that came from a tag of a repository in a local folder goes on with its tags.
    """
    if record.factory.kind != "git" or is_remote(origin) or wish.version:
        return ""
    tags = [release.tag for release in git.releases(origin)]
    return versions.newest(tags) or record.factory.version


def is_current(project: Project, origin: Origin) -> bool:
    """Whether the lock tells that all has been applied that is wanted, and nobody waits for a decision."""
    record = project.lock
    return (
        (origin.tree, __version__) == (record.factory.tree, record.engine)
        and digest(project.manifest_bytes()) == record.project_file
        and not any(entry.state == "open" for entry in record.paths.values())
        and project.has_base()
    )


class Seen(NamedTuple):
    """A project at one moment: its files, what git says of them, and which of some paths git hides there."""

    project: Project
    status: Status
    ignored: Callable[[Sequence[str]], set[str]]


def merged(seen: Seen, target: Target, base: Base, declared: Declared) -> tuple[Plan, Mapping[str, File | None]]:
    """The plan that brings the project to the target, and the files of lock and target as it saw them."""
    project = seen.project
    target = target._replace(rendered=steadied(target.rendered, base.files))
    ours = _ours(seen, target)
    combine = partial(_combine, project.folder.objects, git.Names(markers.OURS, f"factory-{target.origin.version}"))
    changes = merge(project.lock, base.files, ours, target, declared, combine)
    within = tuple(f"{path}/" for path in ours.modules)  # another repository's: not looked at, and not written
    paths = (path for path in (*project.lock.paths, *target.rendered.owned) if not path.startswith(within))
    looked_at = {path: ours.files.get(path) for path in paths}
    return Plan(tuple(_with_incoming(changes, base)), target), looked_at


def as_locked(project: Project, origin: Origin, base: Base) -> Plan:
    """The plan in which no file changes, told from the lock without a rendering."""
    why = "the new version does not change it"
    rows = (
        Change(path, "same", why, entry.component, entry.ownership, entry=entry, base=base.files.get(path))
        for path, entry in project.lock.paths.items()
    )
    changes = _with_incoming(rows, base)
    rendered = Rendered({}, {}, project.lock.folders)
    return Plan(tuple(changes), Target(origin, project.lock.answers, project.lock.components, rendered))


def _with_incoming(changes: Iterable[Change], base: Base) -> Iterator[Change]:
    """The changes; a conflict that is open since an earlier sync keeps the version that it waits for."""
    for change in changes:
        waiting = base.theirs.get(change.path) if change.action in ("same", "keep") else None
        yield change._replace(sides=(change.base, None, waiting)) if waiting else change


def _combine(objects: str, names: git.Names, base: Input, ours: Input, theirs: Input) -> MergedTrees:
    return git.merge_trees(base, ours, theirs, names, objects)


def _ours(seen: Seen, target: Target) -> Ours:
    project, status = seen.project, seen.status
    owned = {*project.lock.paths, *target.rendered.owned}
    modules = frozenset(path for path, entry in status.tracked.items() if entry.mode == git.SUBMODULE)
    within = tuple(f"{path}/" for path in modules)
    files = project.folder.read_all(path for path in sorted(owned) if not path.startswith(within))
    if not project.folder.modes:
        files = {path: _known_mode(project.lock, status, path, file) for path, file in files.items()}
    coming = owned - project.lock.paths.keys()
    coming = {path for path in coming if not path.startswith(within) and project.folder.reaches(path)}
    strangers = sorted(path for path in {*files, *coming} if path not in status.tracked)
    local = seen.ignored(strangers)
    aside = (f"{lock.FOLDER}/", *other_projects(status))
    others = {
        path: entry
        for path, entry in status.tracked.items()
        if path not in owned and path not in modules and not path.startswith(aside)
    }
    return Ours(files, others, frozenset(local), modules)


def other_projects(status: Status) -> tuple[str, ...]:
    """The folders of other projects below this one: no change may follow a file there, it is theirs."""
    return tuple(path.removesuffix(lock.LOCK) for path in status.tracked if path.endswith(f"/{lock.LOCK}"))


def _known_mode(record: Lock, status: Status, path: str, file: File) -> File:
    """The file with the mode that git's index has for it: there the bits on the disk mean nothing."""
    known = status.tracked.get(path) or record.paths.get(path)
    return file._replace(mode=known.mode) if known else file


def known_base(project: Project) -> tuple[Base, tuple[str, ...]]:
    """The pristine files, from the project's base; else, as far as ids tell, from its own git objects."""
    try:
        return project.base(), ()
    except LockError as error:
        rows = {path: entry for path, entry in project.lock.paths.items() if entry.ownership in ("managed", "merged")}
        found = _from_objects(
            project.root, {name for entry in rows.values() for name in (entry.base, entry.theirs)} - {""}
        )
        files = {path: File(found[entry.base], entry.mode) for path, entry in rows.items() if entry.base in found}
        theirs = {path: File(found[entry.theirs], entry.mode) for path, entry in rows.items() if entry.theirs in found}
        missing = len(rows) - len(files)
        note = f"{error.message}; {len(files)} files were found among the repository's own objects"
        rest = f", {missing} were not: where one of those was edited, it is a conflict" if missing else ""
        return Base(files, theirs), (note + rest,)


def _from_objects(root: str, wanted: set[str]) -> dict[str, bytes]:
    have = git.existing(root, sorted(wanted))
    contents = git.read_blobs(root, have)
    return {identity: content for identity, content in contents.items() if blob_id(content) == identity}


def as_git_stores(project: Project, status: Status, path: str, file: File) -> bytes:
    """The content for the index: with LF where git had turned this file's endings before."""
    before = status.tracked.get(path)
    current = project.folder.read(path)
    if before and current and b"\r\n" in current.content:
        objects = project.folder.objects
        if before.id == git.object_id(normalized(current.content), objects) != git.object_id(current.content, objects):
            return normalized(file.content)
    return file.content
