"""Whose signature stands behind each approval: that of the commit which wrote it, by keys that somebody else named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from ai_factory import cache, git
from ai_factory.errors import FactoryError, MachineError
from ai_factory.git import Version
from ai_factory.governance import approvals
from ai_factory.governance.approvals import REGISTER, SIGNERS, Approval, Confirmation, Register
from ai_factory.people import person
from ai_factory.project import origins
from ai_factory.project.opening import Project
from ai_factory.tree import blob_id
from ai_factory.workspace import find_repository


class Keys(NamedTuple):
    """Whose signatures count: a file of allowed signers, who has changed it, and why it cannot be leaned on."""

    allowed: str
    changed_by: frozenset[str] = frozenset()
    flaw: str = ""


class Kept(NamedTuple):
    """The approvals that a commit left in the register, and the commits that left it as it was before."""

    commit: str
    parents: tuple[str, ...]
    rows: tuple[Approval, ...]


def judged(project: Project, register: Register, signers: str = "") -> Register:
    """The register with the reason beside each approval and confirmation whose signature does not count.

    `signers` is a file outside of the project, which wins over the project's own; where there is neither, nothing is
    asked. Raises UsageError for one that lies in the project.
    """
    origins.refuse_own_signers(project.root, signers)
    with _keys(project, signers) as keys:
        if keys is None:
            return register
        history = _history(project)
        return replace(register, approvals=tuple(_judged(project, one, history, keys) for one in register.approvals))


def _judged(project: Project, one: Approval, history: Sequence[Kept], keys: Keys) -> Approval:
    bare = _bare(one)
    flaw = _flaw(project, one.approver, keys, _holders(history, lambda row: _bare(row) == bare))
    if one.confirmed is None:
        return one._replace(unsigned=flaw)
    mine = one.confirmed
    holds = _holders(history, lambda row: (_bare(row), row.confirmed) == (bare, mine))
    confirmed: Confirmation = mine._replace(unsigned=_flaw(project, mine.by, keys, holds))
    return one._replace(unsigned=flaw, confirmed=confirmed)


def _bare(one: Approval) -> Approval:
    return one._replace(confirmed=None)


# ---- the commits that wrote a row ----------------------------------------------------------------


class Holders(NamedTuple):
    """What became of a row: whether it is committed, the commits that put it in, and those that took it out."""

    committed: bool
    writers: tuple[str, ...]
    takers: tuple[str, ...]


def _history(project: Project) -> list[Kept]:
    if not find_repository(project.root):
        return []
    return [Kept(one.commit, one.parents, _rows(one.content)) for one in git.versions_of(project.root, REGISTER)]


def _rows(content: bytes | None) -> tuple[Approval, ...]:
    try:
        document = cache.document(content or b"", REGISTER)
    except FactoryError:
        return ()
    return approvals.register(document).approvals if isinstance(document, dict) else ()


def _holders(history: Sequence[Kept], is_it: Callable[[Approval], bool]) -> Holders:
    """By value, not by line: the row as it is judged, in the first commit that had it."""
    holds = {one.commit: any(map(is_it, one.rows)) for one in history}
    had = {one.commit: any(holds.get(parent, False) for parent in one.parents) for one in history}
    return Holders(
        bool(history) and holds[history[0].commit],
        tuple(commit for commit, now in holds.items() if now and not had[commit]),
        tuple(commit for commit, now in holds.items() if had[commit] and not now),
    )


def _flaw(project: Project, who: str, keys: Keys, found: Holders) -> str:
    """Why the signature under a row does not count; every commit that wrote it is signed by whom it names."""
    if keys.flaw:
        return keys.flaw
    if person(who) in {person(other) for other in keys.changed_by}:
        return f"the approver has changed {SIGNERS}"
    if not found.committed:
        return "it is not committed"
    if found.takers:
        return f"it was taken back in {found.takers[0][:7]}, and put in again: approve anew"
    for commit in found.writers:
        by, flaw = git.signature(project.root, commit, keys.allowed)
        if flaw or person(by) != person(who):
            return f"the commit {commit[:7]} that wrote it is not signed by {who}: {flaw or f'{by} did'}"
    return ""


# ---- the keys ------------------------------------------------------------------------------------


@contextmanager
def _keys(project: Project, signers: str) -> Iterator[Keys | None]:
    """The keys that count: of the file that was given, else of the project's own; None where there is none."""
    if signers:
        yield Keys(signers)
        return
    file = project.folder.read(SIGNERS)
    history = git.versions_of(project.root, SIGNERS) if find_repository(project.root) else []
    if file is None and not history:
        yield None
        return
    flaw, changed_by = _chain(project, history)
    content = history[0].content if history else None
    if file and (content is None or blob_id(file.content) != blob_id(content)):
        flaw = f"{SIGNERS} is not as it was committed"
    elif file is None and (content is not None or flaw):
        flaw = flaw or f"{SIGNERS} is gone, and that is not committed"
    elif file is None:  # whoever it named has agreed that signatures are asked for no more
        yield None
        return
    with git.aside(content or b"") as place:
        yield Keys(place, changed_by, flaw)


def _chain(project: Project, history: Sequence[Version]) -> tuple[str, frozenset[str]]:
    """What is wrong with how the project's own file came to be, and who has changed it.

    Anybody can change a file of a project. So it is made once, and each change of it, up to its removal, is signed by
    somebody whom it named before.
    """
    contents = {one.commit: one.content for one in history}
    made = [one for one in history if one.content is not None and {contents.get(up) for up in one.parents} <= {None}]
    if len(made) > 1:
        return f"{SIGNERS} was made more than once: in {made[0].commit[:7]} and {made[-1].commit[:7]}", frozenset()
    signed_by: set[str] = set()
    for one in history:
        for before in {contents.get(up) for up in one.parents} - {None, one.content}:
            with git.aside(before or b"") as place:
                by, flaw = git.signature(project.root, one.commit, place)
            if flaw:
                return f"{SIGNERS} was changed in {one.commit[:7]} by nobody whom it named before: {flaw}", frozenset()
            signed_by.add(by)
    try:
        named = git.authors(project.root, [SIGNERS])[SIGNERS]
    except MachineError as error:
        return error.message, frozenset()
    return "", named | signed_by
