"""Checks of operation: supply chain, access, oversight, incidents, notices, monitoring, dependencies, retirement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ai_factory.governance.checking import Gap, Subject
from ai_factory.governance.schedules import Deadline
from ai_factory.people import is_address

CONSTRAINTS, ACCESS, SCOPE = "constraints.txt", "governance/access.yaml", "governance/scope.yaml"
RUNBOOK, RECORD = "ops/runbook.md", "governance/applicability.json"
NOTICES, MONITORING = "governance/notices.yaml", "ops/monitoring.yaml"
DEPENDENCIES, DECOMMISSION, SYSTEM = "governance/dependencies.yaml", "ops/decommission.md", "governance/system.yaml"


def pinned(subject: Subject) -> Iterator[Gap]:
    """The set of packages that was tested is written down, each at one version."""
    file = subject.files.get(CONSTRAINTS)
    if file is None:
        yield Gap(CONSTRAINTS, "is missing", "`ai-factory restore constraints.txt` puts it back")
        return
    for number, line in enumerate(file.content.decode("utf-8", "replace").splitlines(), 1):
        if line.strip() and not line.startswith("#") and "==" not in line:
            yield Gap(CONSTRAINTS, f"line {number} names no version: {line.strip()}", "pin it with `==`")


def granted(subject: Subject) -> Iterator[Gap]:
    """Each role is granted classes of information that are declared, and no role is granted everything."""
    rules = subject.yaml(ACCESS)
    classes = set(rules.get("classes") or [])
    for role, actions in (rules.get("roles") or {}).items():
        for action, named in (actions or {}).items():
            if odd := sorted(set(map(str, named or [])) - classes):
                yield Gap(
                    ACCESS, f"{role} may {action} what is no class: {', '.join(odd)}", "declare it, or take it out"
                )
    if not rules.get("roles"):
        yield Gap(ACCESS, "names no role", "say who may do what")


def overseen(subject: Subject) -> Iterator[Gap]:
    """Somebody overrides, somebody stops, and there is a way on without the system."""
    oversight = subject.yaml(SCOPE).get("oversight") or {}
    for name in ("who_overrides", "who_stops", "fallback"):
        if not str(oversight.get(name) or "").strip():
            yield Gap(SCOPE, f"`oversight.{name}` is empty", "write it in")


def stoppable(subject: Subject) -> Iterator[Gap]:
    """The runbook says by which command the system is stopped."""
    file = subject.files.get(RUNBOOK)
    if file is None:
        yield Gap(RUNBOOK, "is missing", "write down who stops the system, and how")
    elif not re.search(rb"switch stop|kill.?switch", file.content, re.IGNORECASE):
        yield Gap(RUNBOOK, "says no command that stops the system", "write it in")


def clocked(subject: Subject) -> Iterator[Gap]:
    """Every report clock that runs has a row in the runbook, which begins with its code and says each of its times."""
    file = subject.files.get(RUNBOOK)
    if file is None:
        yield Gap(RUNBOOK, "is missing", "write down whom to tell of an incident, and by when")
        return
    rows = dict(re.findall(r"^\|\s*`([A-Z][\w.-]*)`(.*)$", file.content.decode("utf-8", "replace"), re.MULTILINE))
    for clock in [one.row for one in subject.applies.clocks if one.started]:
        if clock.id not in rows:
            hint = f"add a row to its table of clocks that begins with | `{clock.id}`; {RECORD} says what is due"
            yield Gap(RUNBOOK, f"names no clock `{clock.id}`: {clock.regime}", hint)
        for one in clock.deadlines if clock.id in rows else ():
            if not _says(rows[clock.id], one):
                message = f"the row `{clock.id}` does not say {one.limit} ({one.what}; {clock.cite})"
                yield Gap(RUNBOOK, message, "write it in as it stands here")


def _says(row: str, deadline: Deadline) -> bool:
    time = deadline.within
    return time is None or re.search(rf"\b{time.number}[\s-]*{time.unit}", row) is not None


def noticed(subject: Subject) -> Iterator[Gap]:
    """Every notice has a text, a cite, a day from which it applies, and says how far it was checked."""
    rules = subject.yaml(NOTICES)
    for name, regime in (rules.get("regimes") or {}).items():
        for part in ("cite", "applies_from", "text", "verified"):
            if not (regime or {}).get(part):
                yield Gap(NOTICES, f"{name} has no `{part}`", "write it in")


def reviewed(subject: Subject) -> Iterator[Gap]:
    """Somebody with an address has looked at the notices for counsel, on a day that has come."""
    rules = subject.yaml(NOTICES)
    who, day = (str(rules.get(name) or "") for name in ("reviewed_by", "reviewed_on"))
    if not is_address(who) or not "" < day <= subject.today:
        hint = "counsel sets `reviewed_by`, an address, and `reviewed_on`"
        yield Gap(NOTICES, "counsel has not reviewed the texts", hint)


def monitored(subject: Subject) -> Iterator[Gap]:
    """Each planned check has a limit, an owner and a playbook that is there, and was measured."""
    measured = {row.get("metric") for row in subject.evidence("monitoring").get("measurements") or []}
    for one in subject.yaml(MONITORING).get("checks") or []:
        for part in ("limit", "owner", "action"):
            if one.get(part) in (None, ""):
                yield Gap(MONITORING, f"{one.get('metric')} has no `{part}`", "write it in")
        if not _leads_somewhere(subject, str(one.get("runbook") or "")):
            yield Gap(MONITORING, f"the runbook of {one.get('metric')} is not there: {one.get('runbook')}", "write it")
    if not measured:
        yield Gap("evidence/monitoring.json", "holds no measurement", "`make run` writes it")


def mapped(subject: Subject) -> Iterator[Gap]:
    """What the system depends on is named, each with a purpose and an owner."""
    for kind, parts in (("services", ("name", "purpose", "owner")), ("consumers", ("name", "purpose", "owner"))):
        for row in subject.yaml(DEPENDENCIES).get(kind) or []:
            for part in parts:
                if not _named(row, part):
                    yield Gap(DEPENDENCIES, f"one of `{kind}` has no `{part}`", "write it in")


def retired(subject: Subject) -> Iterator[Gap]:
    """There is a plan for the end; once the system is retired no step of it is open."""
    file = subject.files.get(DECOMMISSION)
    if file is None:
        yield Gap(DECOMMISSION, "is missing", "write down how the system ends")
    elif subject.yaml(SYSTEM).get("status") == "retired":
        for step in re.findall(r"^- \[ \] (.+)$", file.content.decode("utf-8", "replace"), re.MULTILINE):
            yield Gap(DECOMMISSION, f"the system is retired and a step is open: {step}", "do it, and tick it")


def _named(row: Any, part: str) -> bool:
    return isinstance(row, Mapping) and bool(str(row.get(part) or "").strip())


def _leads_somewhere(subject: Subject, link: str) -> bool:
    """Whether a link `file.md#heading` leads to a heading that is there."""
    path, _, anchor = link.partition("#")
    file = subject.files.get(path)
    if file is None:
        return False
    headings = re.findall(r"^#+ +(.+?)\s*$", file.content.decode("utf-8", "replace"), re.MULTILINE)
    return not anchor or anchor in [re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings]
