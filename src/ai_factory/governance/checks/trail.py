"""Checks of the audit trail: retention, what happens when it fails, and whom it must not name."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch

from ai_factory.governance.checking import Gap, Subject
from ai_factory.governance.checks.data import CONTRACTS
from ai_factory.governance.regulation import TIERS

SETTINGS = "ops/audit.yaml"


def retained(subject: Subject) -> Iterator[Gap]:
    """Each kind of record is kept for a stated number of days, for a stated reason."""
    rules = subject.yaml(SETTINGS).get("retention") or []
    if not rules:
        yield Gap(SETTINGS, "says for no record how long it is kept", "write rules under `retention`")
    for rule in rules:
        days = rule.get("keep_days")
        if not isinstance(days, int) or isinstance(days, bool) or days < 1 or not rule.get("reason"):
            message = f"the rule for {rule.get('record')} lacks `keep_days` or a `reason`"
            yield Gap(SETTINGS, message, "say for how long, and why")


def fails_closed(subject: Subject) -> Iterator[Gap]:
    """The trail knows the tier of the system, and at a high tier nothing goes out that could not be recorded."""
    settings, tier = subject.yaml(SETTINGS), subject.applies.tier
    told = settings.get("risk_tier")
    if told not in TIERS or TIERS.index(told) < TIERS.index(tier):
        yield Gap(SETTINGS, f"`risk_tier` is {told}, and the facts give {tier}", f"write `risk_tier: {tier}`")
    policy = (settings.get("on_audit_failure") or {}).get(tier)
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
