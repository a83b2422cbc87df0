"""Checks of the audit trail: retention, what happens when it fails, and whom it must not name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from itertools import product
from typing import Any

from ai_factory.governance.checking import Gap, Subject
from ai_factory.governance.checks.data import CONTRACTS
from ai_factory.governance.regulation import TIERS
from ai_factory.governance.schedules import Applied, Kept, Record, Retention

SETTINGS = "ops/audit.yaml"


def retained(subject: Subject) -> Iterator[Gap]:
    """Each kind of record is kept for a stated number of days and reason, as long as law in force asks, and ends."""
    rules = subject.yaml(SETTINGS).get("retention") or []
    if not rules:
        yield Gap(SETTINGS, "says for no record how long it is kept", "write rules under `retention`")
    for rule in rules:
        days = rule.get("keep_days")
        if not isinstance(days, int) or isinstance(days, bool) or days < 1 or not rule.get("reason"):
            message = f"the rule for {rule.get('record')} lacks `keep_days` or a `reason`"
            yield Gap(SETTINGS, message, "say for how long, and why")
    for asked in subject.applies.retention:
        about = [rule for rule in rules if _is_about(rule, asked.record)]
        for message in (*_too_short(asked, about), *_without_end(asked, about), *_too_long(asked, about)):
            yield Gap(SETTINGS, message, "change `keep_days` or `types` under `retention`; in doubt ask legal")


def _is_about(rule: Mapping[str, Any], record: Record) -> bool:
    """By its `what`; for events and payloads also by their types. Every file counts as a stored case."""
    if not record.what or rule.get("what") != record.what:
        return False
    return record.what == "files" or not set(record.types).isdisjoint(rule.get("types") or ())


def _too_short(asked: Kept, rules: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Rules by which records go before law in force lets them; what no rule is about stays for good."""
    for rule in rules if asked.required else ():
        if isinstance(days := rule.get("keep_days"), int) and days < asked.required_days:
            assert asked.required
            told = f"{asked.required_days} ({asked.required.row.least}: {_cite(asked.required)})"
            yield f"the rule for {rule.get('record')} keeps {days} days, and {asked.record.name} need {told}"


def _without_end(asked: Kept, rules: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Types of records for which law in force wants an end, and which no rule ever lets go."""
    missing = set(asked.record.types).difference(*(rule.get("types") or () for rule in rules))
    for due in asked.ending[:1] if missing else ():
        yield f"no rule lets {asked.record.name} of these types go: {', '.join(sorted(missing))} ({_cite(due)})"


def _too_long(asked: Kept, rules: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Rules that keep longer than the soonest end that law in force names, where no other law asks for that."""
    for rule, due in product(rules, [one for one in asked.ending if one.row.most][:1]):
        most = max(due.row.most.days if due.row.most else 0, asked.required_days)
        if isinstance(days := rule.get("keep_days"), int) and days > most:
            told = f"{most} ({due.row.most}: {_cite(due)})"
            yield f"the rule for {rule.get('record')} keeps {days} days, and {asked.record.name} may stay for {told}"


def _cite(due: Applied[Retention]) -> str:
    return f"{due.instrument} {due.row.cite}"


def fails_closed(subject: Subject) -> Iterator[Gap]:
    """The trail works by the tier of the system, and at a high tier nothing goes out that could not be recorded."""
    settings, tier = subject.yaml(SETTINGS), subject.applies.tier
    told, policies = settings.get("risk_tier"), settings.get("on_audit_failure") or {}
    lower = told not in TIERS or TIERS.index(told) < TIERS.index(tier)
    if lower and policies.get(told) != policies.get(tier):
        yield Gap(SETTINGS, f"`risk_tier` is {told}, and the facts give {tier}", f"write `risk_tier: {tier}`")
    policy = policies.get(tier)
    if TIERS.index(tier) >= TIERS.index("high") and policy != "closed":
        yield Gap(SETTINGS, f"`on_audit_failure` of {tier} is {policy}", "it is `closed` from high on")


def identifiers_hidden(subject: Subject) -> Iterator[Gap]:
    """What identifies a person by the contracts is among the fields that the trail hides."""
    hidden = {str(name).lower() for name in subject.yaml(SETTINGS).get("identifying_fields") or []}
    for path in sorted(subject.files):
        for name in _keys(subject, path) if fnmatch(path, CONTRACTS) else ():
            if name.lower() not in hidden:
                yield Gap(SETTINGS, f"`identifying_fields` lacks {name}, a restricted key of {path}", "add it there")


def _keys(subject: Subject, path: str) -> Iterator[str]:
    for table in subject.yaml(path).get("schema") or []:
        for column in table.get("properties") or []:
            if column.get("primaryKey") and column.get("classification") == "restricted":
                yield str(column.get("name"))
