"""By what a check judges a project when it is asked for more than the project's own word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ai_factory import lock
from ai_factory.check import Finding, Ground
from ai_factory.errors import FactoryError, LockError, UnreachableError
from ai_factory.lock import LOCK, Lock
from ai_factory.newest import bound_in
from ai_factory.project import behind, origins, reference
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
    now: float = 0


def ground(folder: Folder, own: Lock, asked: Asked) -> Ground:
    """What the files are to be judged by. Raises UsageError for a reference that is not there."""
    there = reference.record_at(folder.root, asked.against) if asked.against else None
    refused = _refused(own, there, asked)
    far = () if refused else tuple(_behind(folder, own, there, asked))
    made = _proved(folder, own, there) if asked.verify and not refused else Ground(own, refused)
    if there and (refused or not asked.verify or made.doubted):
        made = _doubted(folder, own, there, made.findings)
    notes = tuple(_changes(own, there)) if there else ()
    agreed = there.waivers if there else None
    return made._replace(behind=far, doubted=made.doubted if there else None, notes=notes, agreed=agreed)


def _refused(own: Lock, there: There | None, asked: Asked) -> tuple[Finding, ...]:
    """The finding that the origin is not one to be asked; else none."""
    before = there.lock.factory.url if there and there.lock else ""
    try:
        origins.check(own, before, asked.factory, asked.in_ci and (asked.verify or asked.remote))
    except LockError as error:
        return (_told(error),)
    return ()


def _told(error: FactoryError) -> Finding:
    """What keeps a check from its work, as a finding."""
    rule = "AF005" if not isinstance(error, UnreachableError) else "AF006"
    return Finding(rule, LOCK, "; ".join([error.message, *error.details]), hint=error.hint)


def _behind(folder: Folder, own: Lock, there: There | None, asked: Asked) -> Iterator[Finding]:
    """How far the project is behind; the bound is that of the reference, where there is one."""
    file = folder.read(lock.PROJECT)
    bound = bound_in(there.project if there else file.content if file else b"")
    try:
        if asked.remote:
            behind.refresh(own.factory)
        yield from behind.findings(own.factory, bound, asked.limit, asked.now)
    except FactoryError as error:
        yield _told(UnreachableError(error.message, error.hint, error.details))


def _proved(folder: Folder, own: Lock, there: There | None) -> Ground:
    """The ground that a rendering gives; its own lock in doubt where there is none to be had."""
    from ai_factory.project import verify  # which renders: most checks do not wait for that

    rows = there.lock.paths if there and there.lock else {}
    local = frozenset(path for path, row in rows.items() if row.state == "local")
    commit = there.lock.factory.commit if there and there.lock else ""
    try:
        proof = verify.proved(Project(folder, own), verify.Believed(local, commit) if there else None)
    except FactoryError as error:
        return Ground(own, (_told(error),), doubted=own)
    return Ground(proof.lock, proof.findings, known=proof.known)


def _doubted(folder: Folder, own: Lock, there: There, found: tuple[Finding, ...]) -> Ground:
    """The ground that the reference gives: its lock, unless this branch leaves the lock as it was."""
    if reference.left_alone(folder.root, there, own):
        return Ground(own, found)
    hint = f"`ai-factory check --against {word(there.name)} --verify` renders it again and says whether it is right"
    why = f"{_how_it_differs(own, there)}, and nothing proves it"
    told = found or (Finding("AF005", LOCK, why, hint=hint),)
    return Ground(there.lock or own, told, doubted=own, known=there.pristine())


def _how_it_differs(own: Lock, there: There) -> str:
    if there.lock is None:
        return f"is not there at `{there.name}`"
    before = there.lock.paths
    paths = sorted(path for path in {*before, *own.paths} if before.get(path) != own.paths.get(path))
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    rows = f" in the rows of {', '.join(f'`{path}`' for path in paths[:SHOWN])}{more}" if paths else ""
    return f"differs from that of `{there.name}`{rows}"


def _changes(own: Lock, there: There) -> Iterator[str]:
    """What a proof does not object to, and a person may: another version, other answers, components that go."""
    if there.lock is None:
        return
    before = there.lock
    if before.factory.version != own.factory.version:
        yield f"against `{there.name}`: version {before.factory.version} becomes {own.factory.version}"
    if gone := sorted(before.components.keys() - own.components.keys()):
        yield f"against `{there.name}`: components that go: {', '.join(gone)}"
    keys = {*before.answers, *own.answers}
    if changed := sorted(key for key in keys if before.answers.get(key) != own.answers.get(key)):
        yield f"against `{there.name}`: other answers: {', '.join(changed)}"
