"""By what a check judges a project when it is asked for more than the project's own word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ai_factory import cache, manifest
from ai_factory.check import Finding, Ground
from ai_factory.errors import ConsentError, FactoryError, LockError, ProjectError, UnreachableError
from ai_factory.lock import LOCK, PROJECT, Lock
from ai_factory.newest import bound_in
from ai_factory.project import altered, behind, origins, reference
from ai_factory.project.behind import Limit
from ai_factory.project.opening import Project
from ai_factory.project.reference import There
from ai_factory.tree import word
from ai_factory.workspace import Folder

SHOWN = 3  # paths that a sentence names


class Asked(NamedTuple):
    """What a check was asked for; `now` is Unix time, `factory` the origin that somebody named."""

    against: str = ""
    verify: bool = False
    remote: bool = False
    limit: Limit | None = None
    factory: str = ""
    in_ci: bool = False
    trust: bool = False  # whether the code of a foreign template may run
    now: float = 0


def ground(folder: Folder, own: Lock, asked: Asked) -> Ground:
    """What the files are to be judged by.

    Raises UsageError for a reference that is not there, ConsentError where code of a foreign template would run.
    """
    there = reference.record_at(folder.root, asked.against) if asked.against else None
    wish = _wish(folder)
    same = there is None or (own == there.lock and wish == there.project)  # then nobody asks where the branch began
    began = None if there is None or same else reference.beginning(folder.root, there)
    refused = tuple(_refused(folder, own, there, asked))
    back = there is not None and altered.returns(own, there, began)
    far = () if refused else tuple(_behind(folder, own, there, asked, back))
    made = _proved(folder, own, there, asked.trust) if asked.verify and not refused else Ground(own, refused)
    if there and (refused or not asked.verify or made.doubted):
        made = _doubted(own, there, began, made.findings)
    notes = tuple(altered.notes(own, wish, there, began)) if there and not same else ()
    agreed = there.waivers if there else None
    return made._replace(behind=far, doubted=made.doubted if there else None, notes=notes, agreed=agreed)


def _wish(folder: Folder) -> bytes:
    file = folder.read(PROJECT)
    return file.content if file else b""


def _refused(folder: Folder, own: Lock, there: There | None, asked: Asked) -> Iterator[Finding]:
    """The finding that the lock names a factory which is not to be trusted, or that project.yaml does."""
    before = _origin_at(there) if there else ""
    in_ci = asked.in_ci and (asked.verify or asked.remote)
    known = asked.factory or before or (own.factory.url if in_ci else "")
    try:
        origins.check(own, before, asked.factory, in_ci)
    except LockError as error:
        yield _told(error)
        return
    try:
        if known:
            origins.check_wish(Project(folder, own).manifest(), known, own)
    except FactoryError as error:
        yield _told(error)._replace(rule="AF005", path=PROJECT)


def _origin_at(there: There) -> str:
    """The factory that a reference names: its lock, or where that is broken its project.yaml."""
    if there.lock or not there.broken:
        return there.lock.factory.url if there.lock else ""
    try:
        return manifest.parse(there.project, cache.document).factory
    except FactoryError:
        return ""


def _told(error: FactoryError) -> Finding:
    """What keeps a check from its work, as a finding."""
    rule = "AF005" if not isinstance(error, UnreachableError) else "AF006"
    return Finding(rule, LOCK, "; ".join([error.message, *error.details]), hint=error.hint)


def _behind(folder: Folder, own: Lock, there: There | None, asked: Asked, back: bool) -> Iterator[Finding]:
    """How far the project is behind; the bound is that of the reference, where there is one."""
    try:
        bound = bound_in(there.project if there else _wish(folder))
        if asked.remote:
            behind.refresh(own.factory)
        yield from behind.findings(own.factory, bound, asked.limit, asked.now, back)
    except ProjectError as error:
        yield _told(error)._replace(path=PROJECT)
    except FactoryError as error:
        yield _told(UnreachableError(error.message, error.hint, error.details))


def _proved(folder: Folder, own: Lock, there: There | None, trust: bool) -> Ground:
    """The ground that a rendering gives; its own lock in doubt where there is none to be had."""
    from ai_factory.project import verify  # which renders: most checks do not wait for that

    rows = there.lock.paths if there and there.lock else {}
    local = frozenset(path for path, row in rows.items() if row.state == "local")
    commit = there.lock.factory.commit if there and there.lock else ""
    try:
        proof = verify.proved(Project(folder, own), verify.Believed(local, commit) if there else None, trust)
    except ConsentError:
        raise
    except FactoryError as error:
        return Ground(own, (_told(error),), doubted=own)
    return Ground(proof.lock, proof.findings, known=proof.known)


def _doubted(own: Lock, there: There, began: There | None, found: tuple[Finding, ...]) -> Ground:
    """The ground that the reference gives: its lock, unless this branch leaves the lock as it was."""
    if reference.left_alone(there, began, own):
        return Ground(own, found)
    hint = f"`ai-factory check --against {word(there.name)} --verify` renders it again and says whether it is right"
    why = f"{_how_it_differs(own, there)}, and nothing proves it"
    told = found or (Finding("AF005", LOCK, why, hint=hint),)
    return Ground(there.lock or own, told, doubted=own, known=there.pristine())


def _how_it_differs(own: Lock, there: There) -> str:
    if there.lock is None:
        return f"is broken at `{there.name}`" if there.broken else f"is not there at `{there.name}`"
    before = there.lock.paths
    paths = sorted(path for path in {*before, *own.paths} if before.get(path) != own.paths.get(path))
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    rows = f" in the rows of {', '.join(f'`{path}`' for path in paths[:SHOWN])}{more}" if paths else ""
    return f"differs from that of `{there.name}`{rows}"
