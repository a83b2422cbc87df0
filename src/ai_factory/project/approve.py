"""Approvals of a project: its register as it stands, and one more decision written into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ai_factory import cache, catalog, documents, git
from ai_factory import rows as rows_
from ai_factory.catalog import Change
from ai_factory.errors import MachineError, ProjectError, UnreachableError, UsageError
from ai_factory.governance import approvals
from ai_factory.governance.approvals import REGISTER, Approval, Register, Situation
from ai_factory.governance.checking import Gap, Subject
from ai_factory.people import is_address, person
from ai_factory.project.facts import factory_of
from ai_factory.project.opening import Project
from ai_factory.project.subject import subject_of
from ai_factory.tree import LINK, File
from ai_factory.workspace import find_repository

UNKNOWN, COMMIT = "nobody knows who changed its subjects", "commit them: `git add -A && git commit`"


class Given(NamedTuple):
    """A decision as a person gives it; days are ISO dates."""

    role: str
    approver: str
    author: str
    expires: str
    decision: str = approvals.APPROVED
    conditions: str = ""


class Approved(NamedTuple):
    """What was written: the decision, and the roles that still have to approve."""

    approval: Approval
    missing: tuple[str, ...]
    replaced: tuple[str, ...] = ()  # earlier decisions of the role, which git keeps
    to_sign: bool = False  # the commit of it, since the project names allowed signers


class Standing(NamedTuple):
    """The register, what it is judged by, and what is wrong with it before any approval is looked at."""

    register: Register
    now: Situation
    unsound: tuple[Gap, ...]
    commit: str = ""  # the one that is checked out, where there is one


def standing(project: Project, subject: Subject) -> Standing:
    """How the approvals of a project stand. Raises ProjectError for a register that is no YAML."""
    file = subject.files.get(REGISTER)
    document = cache.document(file.content, REGISTER, ProjectError) if file else {}
    register = approvals.register(document if isinstance(document, dict) else {})
    digests = {path: subject.digest(path) for path in subject.files}
    named, lost = approvals.subjects_of(register, digests)
    unsound = [
        Gap(REGISTER, f"a subject of approvals is not here: {one}", "`make run` writes what it can") for one in lost
    ]
    unsound += [] if file else [Gap(REGISTER, "is missing", "bring it back")]
    lacks = approvals.too_few(register, digests)
    unsound += [
        Gap(REGISTER, f"`subjects` lacks {path}", "a register may ask for more, not for less") for path in lacks
    ]
    links = [path for path in named if subject.files[path].mode == LINK]
    unsound += [Gap(path, "is a link, and its target can change unseen", "put the file itself there") for path in links]
    commit, changed_by, unknown = _history(project, named)
    unsound += unknown
    roles = subject.known.scale.roles[subject.applies.tier]
    moved = _declared(project, register)
    now = Situation(named, changed_by, roles, subject.today, project.lock.components, moved)
    return Standing(register, now, tuple(unsound), commit)


def approve(project: Project, given: Given, today: str) -> Approved:
    """Write a decision into the register. Raises ProjectError, before anything is written, for one that cannot hold."""
    subject = subject_of(project, today)
    register, now, unsound, commit = standing(project, subject)
    if unsound:
        raise ProjectError(f"`{REGISTER}`: {unsound[0].message}", unsound[0].hint)
    one = Approval(
        given.role,
        given.approver,
        given.author,
        given.decision,
        today,
        given.expires,
        now.subjects,
        given.conditions,
        commit,
        dict(sorted(now.components.items())),
    )
    _refuse(one, register, now)
    held = (*(other for other in register.approvals if other.role != one.role), one)
    content = subject.files[REGISTER].content
    rows = documents.load(content, REGISTER, ProjectError).get("approvals") or []
    gone = [number for number, row in enumerate(rows) if isinstance(row, dict) and row.get("role") == one.role]
    project.disk.write(REGISTER, File(rows_.with_row(content, gone, approvals.row_of(one), "approvals")))
    open_roles = [role for role in approvals.required(register, now.roles) if not _holds(role, held, now)]
    before = tuple(f"{rows[number].get('decision')} by {rows[number].get('approver')}" for number in gone)
    return Approved(one, tuple(open_roles), before, approvals.SIGNERS in subject.files)


def _refuse(one: Approval, register: Register, now: Situation) -> None:
    for name, address in (("approver", one.approver), ("author", one.author)):
        if not is_address(address):
            raise UsageError(f"`--{name} {address}` is no bare address", "write it as name@example.org")
    if not one.conditions.isprintable():
        raise UsageError("`--conditions` is no text of one line", "write it in words")
    if register.odd:
        raise ProjectError(f"`{REGISTER}`: {register.odd[0]}", "mend or remove it; the head of the file shows the form")
    known = approvals.required(register, now.roles)
    if one.role not in known:
        raise ProjectError(f"nobody asks for an approval of the role `{one.role}`", f"asked for are {', '.join(known)}")
    against = [reason for reason in approvals.reasons(one, now) if one.decision == approvals.APPROVED]
    if against:
        raise ProjectError(
            f"this approval would not hold: {against[0]}",
            "mend that, or let another person approve",
            tuple(against[1:]),
        )
    others = [other.role for other in register.approvals if person(other.approver) == person(one.approver)]
    if set(others) - {one.role}:
        raise ProjectError(f"{one.approver} has approved as {others[0]} already", "each role is another person")


def _holds(role: str, held: tuple[Approval, ...], now: Situation) -> bool:
    return any(other.role == role and not list(approvals.reasons(other, now)) for other in held)


class History(NamedTuple):
    """The commit, who has changed each subject (None where it is not committed), and why git tells of none of them."""

    commit: str
    changed_by: dict[str, frozenset[str] | None]
    unknown: tuple[Gap, ...] = ()


def _history(project: Project, paths: Mapping[str, str]) -> History:
    """What git tells of the subjects; where it tells nothing, that is one gap, and not one a subject."""
    nobody = dict.fromkeys(paths, frozenset[str]())
    if not find_repository(project.root):
        return History("", {**nobody}, (Gap(REGISTER, f"{UNKNOWN}: there is no git repository", COMMIT),))
    try:
        told = git.authors(project.root, paths)
        state = git.status(project.root)
    except MachineError as error:
        return History("", {**nobody}, (Gap(REGISTER, f"{UNKNOWN}: {error.message}", error.hint or COMMIT),))
    dirty = {*state.dirty, *state.untracked, *state.unwatched, *state.sparse}
    return History(state.head, {path: told[path] if told[path] and path not in dirty else None for path in paths})


def _declared(project: Project, register: Register) -> dict[str, tuple[Change, ...]]:
    """What the components that moved since an approval declare of their changes.

    Raises UnreachableError where the factory cannot be read, or lacks one of them: it may ask for a new approval.
    """
    moved = register.moved(project.lock.components)
    if not moved:
        return {}
    factory = factory_of(project)
    if gone := set(moved).difference(factory.components()):
        message = f"the factory has no component `{min(gone)}` any more: what its updates mean for approvals is unknown"
        raise UnreachableError(message, "`ai-factory sync` brings the project to what the factory has")
    version = project.lock.factory.version
    return {name: catalog.component(name, factory.read, version, cache.document).changes for name in moved}
