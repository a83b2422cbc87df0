"""Notices of adverse decisions: their text by jurisdiction, and the clock that each has.

Commands: `open` (who is still to be told, and by when), `text` (what to tell), `sent` (record that
it was told). Who the person is, and where they live, this system does not know: the caller does.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from string import Template
from typing import Any

import yaml
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from . import contract, evidence, monitoring
from .audit import (
    AuditUnavailable,
    EventType,
    KeyRefused,
    Pseudonym,
    in_production,
    open_log,
    read_events,
)
from .monitoring.export import DUTY, METRICS
from .paths import Paths
from .stages import StageFailed

SPOKEN = frozenset({EventType.DECISION, EventType.OVERRIDE, EventType.NOTICE})
METRIC = "notice_age_days"
MOST_REASONS = 4
# The outcome that is none yet: a person has to settle it while the clock runs.
REFER = "refer"
# The field of a decision on data that was scored to try things out: it goes out to nobody.
REHEARSAL = "rehearsal"
DRAFT = "DRAFT: no counsel has reviewed this text (governance/notices.yaml)."


class NoticeRefused(StageFailed):
    """There is no notice to write or to record; the message says why, and what mends it."""


@dataclass(frozen=True, slots=True)
class Regime:
    """A rule that says what a person is told; `days` is its clock, None where we know of none."""

    name: str
    where: tuple[str, ...]
    applies_from: date
    cite: str
    verified: str
    days: int | None
    only_if: str
    text: str


@dataclass(frozen=True, slots=True)
class Settings:
    """governance/notices.yaml: the regimes, who speaks, and what counsel has added."""

    regimes: tuple[Regime, ...]
    reviewed_by: str | None
    house_days: int
    outcomes: Mapping[str, str]
    words: Mapping[str, str | None]
    conditions: Mapping[str, bool | None]
    everywhere: str

    def applying(self, jurisdictions: Iterable[str], on: date) -> list[Regime]:
        """The regimes of these jurisdictions on a day; an unanswered condition counts as met."""
        places = set(jurisdictions)
        return [
            one
            for one in self.regimes
            if places & set(one.where)
            and one.applies_from <= on
            and (not one.only_if or self.conditions[one.only_if] is not False)
        ]


@dataclass(frozen=True, slots=True)
class Case:
    """A decision with all that was said of it since; `reasons` are the model's, most first.

    The clock starts on the day of the decision: the application came in then, also where a person
    settled it later.
    """

    id: str
    subject: str
    started: date
    outcome: str
    settled: str
    by_person: bool = False
    reasons: tuple[tuple[str, str], ...] = ()
    told: str = ""

    @property
    def waits(self) -> bool:
        """Whether nobody was told of the outcome as it is now."""
        return self.told < self.settled


@dataclass(frozen=True, slots=True)
class Open:
    """A notice that is due, or a case that a person has to settle before one can be."""

    case: Case
    due: date
    days_left: int

    def __str__(self) -> str:
        late = "OVERDUE, " if self.days_left < 0 else ""
        what = "referred, nobody has settled it, since" if self.case.outcome == REFER else "decided"
        return f"{self.case.id}  {late}due {self.due}, {what} {self.case.started}"


def load(paths: Paths) -> Settings:
    """Read governance/notices.yaml; NoticeRefused names what is wrong in it."""
    file = paths.governance / "notices.yaml"
    try:
        content = _parsed(file.read_text("utf-8"))
        found = Settings(
            regimes=tuple(_regime(name, row) for name, row in content["regimes"].items()),
            reviewed_by=content["reviewed_by"],
            house_days=int(content["house_days"]),
            outcomes=content["outcomes"],
            words=content["words"],
            conditions=content["conditions"],
            everywhere=content["everywhere"],
        )
        if unknown := {one.only_if for one in found.regimes} - {"", *found.conditions}:
            raise ValueError(f"no such condition: {', '.join(sorted(unknown))}")
        if content["reviewed_by"] is not None and not _signed(content):
            raise ValueError(
                "`reviewed_by` is an address, and `reviewed_on` the date of the review"
            )
    except (AttributeError, KeyError, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise NoticeRefused(f"governance/notices.yaml: {error}") from error
    return found


def cases(paths: Paths) -> dict[str, Case]:
    """Every decision but rehearsals, from all logs of the audit trail, in the order of time.

    One without a `decision_id` is known by the id of its event.
    """
    logs = sorted(paths.audit.glob("*.jsonl"))
    events = [e for log in logs for e in read_events(log) if e["type"] in SPOKEN]
    found: dict[str, Case] = {}
    for event in sorted(events, key=lambda event: str(event["time"])):
        name = str(event["data"].get("decision_id") or event["id"])
        if event["type"] == EventType.DECISION and not event["data"].get(REHEARSAL):
            found[name] = _decided(name, event)
        elif name in found:
            found[name] = _followed(found[name], event)
    return found


def waiting(paths: Paths, today: date) -> list[Open]:
    """The notices that are due and the referrals that are open, the most urgent first."""
    rules, places = load(paths), jurisdictions(paths)
    found = [
        Open(case, due, (due - today).days)
        for case in cases(paths).values()
        if case.outcome == REFER or (case.outcome in rules.outcomes and case.waits)
        for due in [deadline(rules, places, case)]
    ]
    return sorted(found, key=lambda one: (one.due, one.case.id))


def deadline(rules: Settings, places: Sequence[str], case: Case) -> date:
    """The end of the shortest clock that may run; without a known one, of the house rule."""
    clocks = [one.days for one in rules.applying(places, case.started) if one.days is not None]
    return case.started + timedelta(days=min([*clocks, rules.house_days]))


def jurisdictions(paths: Paths) -> list[str]:
    """Those of governance/facts.yaml; all that a regime knows while none is stated there.

    NoticeRefused for one that no regime knows: nothing would say what people there are told.
    """
    try:
        document = _parsed((paths.governance / "facts.yaml").read_text("utf-8"))
        stated = document["facts"]["jurisdictions"] or []
    except (KeyError, OSError, TypeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise NoticeRefused(f"governance/facts.yaml: no jurisdictions: {why}") from error
    known = sorted({place for one in load(paths).regimes for place in one.where})
    if not isinstance(stated, list) or not all(place in known for place in stated):
        hint = f"give a list of {', '.join(known)}, or add what applies to governance/notices.yaml"
        raise NoticeRefused(f"governance/facts.yaml: jurisdictions {stated!r}: {hint}")
    return stated or known


def text(paths: Paths, name: str, place: str, codes: Sequence[str] = ()) -> str:
    """The notice on one decision for a person who lives there; the same for the same.

    Where a person decided, the reasons are those that this person names by their `codes`. Raises
    NoticeRefused where there is nothing to tell, or where a reason may not be told.
    """
    rules, case = load(paths), _case(paths, name)
    if place not in jurisdictions(paths):
        raise NoticeRefused(f"{place} is none of {', '.join(jurisdictions(paths))}")
    reasons = _reasons(paths, case, codes)
    applying = rules.applying([place], case.started)
    words = {**rules.words, "id": name, "day": case.started.isoformat()}
    listed = "\n".join(f"{number}. {reason}" for number, reason in enumerate(reasons, start=1))
    parts = [] if rules.reviewed_by else [DRAFT]
    parts += [rules.outcomes[case.outcome], listed, *(one.text for one in applying)]
    parts += [rules.everywhere]
    try:
        return "\n\n".join(_filled(part, words) for part in parts) + "\n"
    except KeyError as error:
        hint = "answer it in governance/notices.yaml, or the condition under which it is needed"
        raise NoticeRefused(f"{error} is not known: {hint}") from error


def sent(
    paths: Paths, name: str, place: str, codes: Sequence[str], channel: str, actor: str
) -> bool:
    """Record that the notice went out; whether that was in time. Raises NoticeRefused.

    In production a draft is refused: what no counsel has reviewed goes to nobody.
    """
    notice, rules, case = text(paths, name, place, codes), load(paths), _case(paths, name)
    if not rules.reviewed_by and in_production(os.environ):
        raise NoticeRefused("the text is a draft: counsel signs governance/notices.yaml first")
    if not case.waits:
        raise NoticeRefused(f"the person was told of {name} already")
    due = deadline(rules, [place], case)
    with open_log(paths, "notices") as log:
        data = {
            "decision_id": name,
            "jurisdiction": place,
            "regimes": [one.name for one in rules.applying([place], case.started)],
            "reasons": list(codes) or [code for code, _ in case.reasons],
            "text": "sha256:" + hashlib.sha256(notice.encode()).hexdigest(),
            "reviewed": bool(rules.reviewed_by),
            "channel": channel,
            "due": due.isoformat(),
            "actor": log.privacy.actor(actor),
        }
        event = log.record(EventType.NOTICE, Pseudonym(case.subject), data)
    return event.time[:10] <= due.isoformat()


def watch(paths: Paths, today: date, system: str) -> list[Open]:
    """Write `var/metrics/notices.prom`, which alerts by the plan's check `notice_age_days`."""
    found = waiting(paths, today)
    plan = monitoring.load(paths.ops / "monitoring.yaml", required=[METRIC])
    check = plan.checks[METRIC]
    age = max((today - one.case.started).days for one in found) if found else 0
    registry = CollectorRegistry()
    place = {"system": system, "column": "", "slice": "all"}
    _gauge(registry, f"monitoring_{METRIC}", check.meaning, place, age)
    duty = {"metric": METRIC, **{name: getattr(check, name) for name in DUTY}}
    name = "monitoring_breached"
    _gauge(registry, name, METRICS[name], {**place, **duty}, age > check.limit)
    late = sum(one.days_left < 0 for one in found)
    _gauge(registry, "notices_open", "notices that are due", {"system": system}, len(found))
    _gauge(registry, "notices_overdue", "notices past their clock", {"system": system}, late)
    paths.metrics.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(paths.metrics / "notices.prom"), registry)
    return found


def _gauge(
    registry: CollectorRegistry, name: str, help: str, labels: Mapping[str, str], value: float
) -> None:
    Gauge(name, help, list(labels), registry=registry).labels(**labels).set(value)


@lru_cache(maxsize=8)
def _parsed(text: str) -> Mapping[str, Any]:
    """Reading YAML is slow, and the same two files are read again and again."""
    content: Mapping[str, Any] = yaml.safe_load(text)
    return content


def _signed(content: Mapping[str, Any]) -> bool:
    """Whether somebody who can be asked says when the texts were reviewed."""
    by, on = content["reviewed_by"], content["reviewed_on"]
    return isinstance(by, str) and re.fullmatch(r"\S+@\S+", by) is not None and type(on) is date


def _regime(name: str, row: Mapping[str, Any]) -> Regime:
    if not isinstance(row["applies_from"], date) or not row["where"]:
        raise ValueError(f"{name}: give `where` and the date `applies_from`")
    return Regime(
        name=name,
        where=tuple(row["where"]),
        applies_from=row["applies_from"],
        cite=row["cite"],
        verified=row["verified"],
        days=None if row["days"] is None else int(row["days"]),
        only_if=row.get("only_if", ""),
        text=row["text"],
    )


def _decided(name: str, event: Mapping[str, Any]) -> Case:
    data = event["data"]
    reasons = data.get("reasons") or ()
    return Case(
        id=name,
        subject=event["subject"],
        started=date.fromisoformat(event["time"][:10]),
        outcome=data["outcome"],
        settled=event["time"],
        reasons=tuple((reason["code"], reason["text"]) for reason in reasons),
    )


def _followed(case: Case, event: Mapping[str, Any]) -> Case:
    if event["type"] == EventType.NOTICE:
        return replace(case, told=event["time"])
    if event["data"]["to"] == case.outcome:
        return case
    return replace(case, outcome=event["data"]["to"], settled=event["time"], by_person=True)


def _case(paths: Paths, name: str) -> Case:
    case = cases(paths).get(name)
    if case is None:
        raise NoticeRefused(f"there is no decision {name} in the audit trail")
    if case.outcome == REFER:
        raise NoticeRefused(f"{name} is referred: a person has to settle it first")
    if case.outcome not in load(paths).outcomes:
        raise NoticeRefused(f"the outcome of {name} is {case.outcome}: nobody has to be told why")
    return case


def _reasons(paths: Paths, case: Case, codes: Sequence[str]) -> list[str]:
    """The reasons in words: the model's, or those that the person who decided names."""
    if case.by_person != bool(codes):
        named = "a person decided: name the reasons by `--codes`"
        raise NoticeRefused(named if case.by_person else "the model decided: its reasons stand")
    known = _codes(paths) if codes else dict(case.reasons)
    if unknown := [code for code in codes if code not in known]:
        raise NoticeRefused(f"no reason has the code {', '.join(unknown)}")
    found = [known[code] for code in dict.fromkeys(codes or known)]
    if not 0 < len(found) <= MOST_REASONS:
        raise NoticeRefused(f"{len(found)} reasons: a notice gives one to {MOST_REASONS}")
    for reason in found:
        if words := _protected(paths) & set(re.findall(r"[a-z]+", reason.lower())):
            raise NoticeRefused(f"a reason names what is protected: {', '.join(sorted(words))}")
        if len(reason.split()) < 3:
            raise NoticeRefused(f"{reason!r} is not specific")
    return found


def _codes(paths: Paths) -> dict[str, str]:
    """Every reason that the model may give, by its code."""
    registry = evidence.read(paths, "features")["content"]["registry"]
    return {row["code"]: row["reason"] for row in registry["features"]}


def _protected(paths: Paths) -> set[str]:
    """The words of the columns that no model may see."""
    agreed = [contract.load(file) for file in sorted(paths.contracts.glob("*.odcs.yaml"))]
    return {word for one in agreed for name in one.protected() for word in name.split("_")}


def _filled(part: str, words: Mapping[str, str | None]) -> str:
    known = {name: value for name, value in words.items() if value}
    return Template(part).substitute(known).strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done, nothing is overdue; 1: a notice is overdue, or is refused."""
    options = _parser().parse_args(arguments)
    paths, today = Paths.here(), datetime.now(UTC).date()
    try:
        return COMMANDS[options.command](paths, options, today)
    except (AuditUnavailable, KeyRefused, NoticeRefused, OSError, ValueError) as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1


def _open(paths: Paths, options: argparse.Namespace, today: date) -> int:
    found = watch(paths, today, (__package__ or "system").split(".")[0])
    print("\n".join(map(str, found)) or "every notice was sent, every referral is settled")
    return 1 if any(one.days_left < 0 for one in found) else 0


def _text(paths: Paths, options: argparse.Namespace, today: date) -> int:
    print(text(paths, options.id, options.jurisdiction, options.codes), end="")
    return 0


def _sent(paths: Paths, options: argparse.Namespace, today: date) -> int:
    where = (options.id, options.jurisdiction, options.codes)
    in_time = sent(paths, *where, options.channel, options.actor)
    print("recorded, in time" if in_time else "recorded, LATE")
    return 0


COMMANDS: Mapping[str, Callable[[Paths, argparse.Namespace, date], int]] = {
    "open": _open,
    "text": _text,
    "sent": _sent,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="notices", description="Tell people in time, and why.")
    commands = parser.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name) for name in COMMANDS}
    for name in ("text", "sent"):
        made[name].add_argument("id", help="id of the decision")
        made[name].add_argument("--jurisdiction", required=True, help="where the person lives")
        made[name].add_argument("--codes", nargs="+", default=[], help="reasons, if you decided")
    made["sent"].add_argument("--channel", required=True, help="such as: letter")
    made["sent"].add_argument("--actor", required=True, help="your address")
    return parser


if __name__ == "__main__":
    sys.exit(main())
