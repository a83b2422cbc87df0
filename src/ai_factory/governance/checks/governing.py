"""Checks of what people decide: registration, screen, applicability, risks, drift, waivers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from ai_factory import check, waivers
from ai_factory.errors import ProjectError
from ai_factory.governance import facts as facts_of
from ai_factory.governance.applicability import applicability
from ai_factory.governance.checking import Gap, Subject
from ai_factory.governance.record import record
from ai_factory.lock import WAIVERS
from ai_factory.people import person

SYSTEM, FACTS = "governance/system.yaml", "governance/facts.yaml"
RECORD, RISKS = "governance/applicability.json", "governance/risk-assessment.yaml"
LITERACY, PACKS = "governance/literacy.yaml", "docs/learn/packs.yaml"
LEVELS = ("low", "medium", "high")


def registered(subject: Subject) -> Iterator[Gap]:
    """The system says what it is for, who owns it, who owns its risk, and where it stands."""
    system = subject.yaml(SYSTEM)
    for name in ("name", "purpose", "owner_team", "contact", "risk_owner", "status"):
        if not _text(system.get(name)):
            yield Gap(SYSTEM, f"`{name}` is empty", "write it in")


def screened(subject: Subject) -> Iterator[Gap]:
    """Each question of the screen is answered with no, by one person, and reviewed by another."""
    screen = subject.yaml(FACTS).get("screen") or {}
    answers = screen.get("answers") or {}
    for practice in subject.known.assessment.screen:
        if answers.get(practice.use) is True:
            yield Gap(FACTS, f"it {practice.use}: this may be prohibited ({practice.cite})", "stop, and ask legal")
        elif answers.get(practice.use) is not False:
            yield Gap(FACTS, f"not answered: whether it {practice.use}", "`ai-factory assess` asks")
    people = {person(str(screen.get(name) or "")) for name in ("answered_by", "reviewed_by")}
    if "" in people or len(people) < 2:
        yield Gap(FACTS, "the screen was not answered and reviewed by two people", "name both under `screen`")


def applicability_recorded(subject: Subject) -> Iterator[Gap]:
    """The record is what these facts give by this map now: of no other facts, and no duty has begun since."""
    told = subject.json(RECORD, "`ai-factory assess` writes it")
    answers = subject.yaml(FACTS).get("facts") or {}
    if facts_of.problems(answers, subject.known.facts):
        yield Gap(FACTS, "the facts are not all answered", "`ai-factory assess` asks for them")
        return
    law, facts = subject.known.regulation, facts_of.facts(answers)
    tiering = subject.known.scale.of(law.conditions, facts)
    made = record(applicability(law, facts, tiering.tier, subject.today), tiering, law.as_of, facts)
    if {**made, "as_of": told.get("as_of")} != told:
        message = "is of other facts, another map or another day than now"
        yield Gap(RECORD, message, "`ai-factory assess` writes it anew", stale=True)
    elif str(told["as_of"]) > subject.today:
        yield Gap(RECORD, f"is of {told['as_of']}, which is to come", "`ai-factory assess` writes it anew")


def risks_owned(subject: Subject) -> Iterator[Gap]:
    """Each risk has an owner, a rating, controls where it is high, and no review that is overdue.

    What remains is accepted by whoever approves the register.
    """
    risks = subject.yaml(RISKS).get("risks") or []
    if not risks:
        yield Gap(RISKS, "names no risk", "every system has some: write them in")
    known = subject.known.regulation.controls
    ids = [str(risk.get("id")) for risk in risks if isinstance(risk, dict)]
    for one in sorted({one for one in ids if ids.count(one) > 1}):
        yield Gap(RISKS, f"two risks have the id {one}", "give each one of its own")
    for risk in risks:
        for name in (risk.get("controls") or []) if isinstance(risk, dict) else []:
            if name not in known:
                yield Gap(RISKS, f"risk {risk.get('id', '?')}: there is no control {name}", "name one that there is")
        for message in _risk_gaps(risk if isinstance(risk, dict) else {}, subject.today):
            yield Gap(RISKS, f"risk {risk.get('id', '?') if isinstance(risk, dict) else '?'}: {message}", "")


def _risk_gaps(risk: Mapping[str, Any], today: str) -> Iterator[str]:
    if not _text(risk.get("owner")):
        yield "nobody owns it"
    if risk.get("inherent") not in LEVELS or risk.get("residual") not in LEVELS:
        yield f"`inherent` and `residual` are each one of {', '.join(LEVELS)}"
    if risk.get("inherent") == "high" and not risk.get("controls"):
        yield "it is high and names no control"
    if risk.get("review_by") is not None and (day := _day(risk["review_by"])) < today:
        yield f"its review was due on {day}" if day else "`review_by` is no date"


def literate(subject: Subject) -> Iterator[Gap]:
    """In each role that runs the system somebody has learnt what it needs, and that has not run out."""
    held = [row for row in subject.rows(LITERACY) if _text(row.get("person"))]
    records = [row for row in held if _day(row.get("expires")) >= subject.today]
    learnt = {str(row.get("role")) for row in records if row.get("did") == "quiz"}
    for role in (subject.yaml(PACKS).get("handover") or {}).get("roles") or []:
        if role not in learnt:
            hint = "`make learn` writes the pack; the quiz records who has learnt it"
            yield Gap(LITERACY, f"nobody has learnt what the {role} needs, or it has run out", hint)


def undrifted(subject: Subject) -> Iterator[Gap]:
    """The files that the factory answers for are as it tested them."""
    for finding in check.compare(subject.lock, subject.files, modes=False):
        if finding.rule in ("AF002", "AF003", "AF004"):
            yield Gap(finding.path, finding.message, finding.hint)


def waivers_sound(subject: Subject) -> Iterator[Gap]:
    """Each waiver has not run out, and is approved by another than its owner."""
    file = subject.files.get(WAIVERS)
    try:
        rows = waivers.parse(file.content) if file else []
    except ProjectError as error:
        yield Gap(WAIVERS, error.message, "mend the file")
        return
    for finding in waivers.apply([], rows, subject.today):
        yield Gap(finding.path, finding.message, finding.hint)


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _day(value: object) -> str:
    try:
        return dt.date.fromisoformat(str(value)).isoformat()
    except ValueError:
        return ""
