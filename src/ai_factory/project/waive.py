"""Waives a finding: somebody answers for a deviation, until a day, and somebody else agrees."""

from __future__ import annotations

import re

from ai_factory import catalog, waivers
from ai_factory import rows as rows_
from ai_factory.check import RULES, Waiver
from ai_factory.errors import UsageError
from ai_factory.governance.applicability import law_asks
from ai_factory.governance.approvals import SIGN_OFF, over_a_year
from ai_factory.lock import WAIVERS
from ai_factory.people import is_address
from ai_factory.project.facts import map_of, standing
from ai_factory.project.opening import Project
from ai_factory.tree import File
from ai_factory.waivers import WAIVABLE

CONTROL = re.compile(r"[A-Z]+-\d+[a-z]?")
SOONER = "give an earlier `--until`; who still wants it then gives it anew, as with approvals"
HEAD = b"# Deviations that somebody answers for, each until a day. `ai-factory waive` adds one.\n"


def waive(project: Project, given: Waiver, today: str) -> list[str]:
    """Write a waiver; one for the same rule and place is taken back. What it now says in the way of others, in words.

    Raises UsageError, before anything is written, for one that would not hold, and ProjectError where the waivers
    cannot be read, or are more than can be read with this one.
    """
    _refuse(given, today)
    if given.rule == "AF007":
        if over_a_year(today, given.until):
            message = f"the waiver would run until {given.until}: a control is waived for at most a year"
            raise UsageError(message, SOONER)
        _refuse_unwaivable(project, given.control, today)
    file = project.folder.read(WAIVERS)
    rows = waivers.parse(file.content) if file else []
    same = [number for number, row in enumerate(rows) if _place(row) == _place(given)]
    row = {name: value for name, value in given._asdict().items() if value}
    content = rows_.with_row(file.content if file else HEAD, same, row)
    waivers.parse(content)  # what could not be read again is not written
    project.disk.write(WAIVERS, File(content))
    return [f"it takes the place of the one until {rows[number].until}" for number in same]


def subject_of(project: Project, text: str) -> tuple[str, str]:
    """Path and control that a person means: one of the two is empty. Raises UsageError for a path that is not known."""
    if CONTROL.fullmatch(text):
        return "", text
    path = project.relative(text)
    if path not in project.lock.paths and project.folder.read(path) is None:
        raise UsageError(f"`{text}` is no file here, and no control", "name a file, or an id such as MOD-06")
    return path, ""


def _refuse(given: Waiver, today: str) -> None:
    if given.rule not in WAIVABLE:
        known = catalog.nearest(given.rule, list(RULES)) if given.rule not in RULES else ""
        raise UsageError(f"`{given.rule}` cannot be waived{known}", f"these can: {', '.join(WAIVABLE)}")
    if given.rule == "AF007" and not given.control:
        raise UsageError("AF007 is about a control", "name the control, such as MOD-06")
    for name in ("reason", "owner", "approver"):
        if not getattr(given, name).strip() or not getattr(given, name).isprintable():
            raise UsageError(f"`--{name}` is empty, or no text", "somebody has to answer for it, in words")
    for name in ("owner", "approver"):
        if not is_address(getattr(given, name)):
            raise UsageError(f"`--{name} {getattr(given, name)}` is no bare address", "write it as name@example.org")
    if fault := waivers.fault(given, today):
        raise UsageError(f"the waiver would not hold: it {fault}", "another person approves, and the day is to come")


def _refuse_unwaivable(project: Project, control: str, today: str) -> None:
    """Raises UsageError for approvals, and for a control that the map does not have or law in force requires."""
    if control == SIGN_OFF:
        raise UsageError(f"{control} cannot be waived: approvals are given", "`ai-factory approve` gives one")
    known = map_of(project).regulation.controls
    if control not in known:
        raise UsageError(f"there is no control `{control}`{catalog.nearest(control, list(known))}")
    stands = standing(project, control, today)
    if stands and law_asks(stands.judgement):
        raise UsageError(
            f"law in force asks for {control}: no waiver holds", f"`ai-factory explain {control}` says which"
        )


def _place(row: Waiver) -> tuple[str, str, str]:
    return row.rule, row.path, row.control
