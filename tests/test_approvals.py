"""Approvals hold for what they covered, by others than its authors, for a time."""

from __future__ import annotations

from typing import Any

import pytest

from ai_factory.governance import approvals
from ai_factory.governance.approvals import Situation

NOW = Situation(
    {"governance/facts.yaml": "sha256:1", "ops/audit.yaml": "sha256:2"},
    {"governance/facts.yaml": frozenset({"author@x.example"}), "ops/audit.yaml": frozenset({"ops@x.example"})},
    ("business owner", "risk"),
    "2026-11-26",
)
SOUND: dict[str, Any] = {
    "role": "risk",
    "approver": "risk@x.example",
    "author": "author@x.example",
    "decision": "approved",
    "conditions": None,
    "approved_on": "2026-11-20",
    "expires": "2027-11-20",
    "covers": dict(NOW.subjects),
}
OWNER = {**SOUND, "role": "business owner", "approver": "owner@x.example"}


def messages(*rows: Any, now: Situation = NOW, **document: Any) -> list[str]:
    """What stands in the way with these approvals."""
    return [gap.message for gap in approvals.gaps(approvals.register({"approvals": list(rows), **document}), now)]


def test_an_approval_of_each_role_is_enough() -> None:
    assert messages(SOUND, OWNER) == []
    assert messages(SOUND) == ["approval of the business owner: is missing"]
    assert messages(SOUND, OWNER, required_roles=["counsel"]) == ["approval of the counsel: is missing"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"decision": "refused"}, "the decision is refused"),
        ({"author": " RISK@x.example"}, "the approver is the author"),
        ({"approver": "Ops@X.example"}, "the approver has changed ops/audit.yaml"),
        ({"covers": {"ops/audit.yaml": "sha256:2"}}, "governance/facts.yaml is not covered"),
        ({"covers": {**NOW.subjects, "ops/audit.yaml": "sha256:0"}}, "ops/audit.yaml has changed since"),
        ({"expires": "2026-11-25"}, "it ran out on 2026-11-25"),
        ({"expires": "2027-11-22"}, "it runs until 2027-11-22, more than a year after 2026-11-20"),
        ({"approved_on": "2026-11-28"}, "it was approved on 2026-11-28, which is to come"),
    ],
)
def test_what_makes_an_approval_void(change: dict[str, Any], reason: str) -> None:
    """Each reason is the only one, and is told."""
    assert messages({**SOUND, **change}, OWNER) == [f"approval of the risk: {reason}"]


@pytest.mark.parametrize(
    "row",
    [
        "risk",
        {**SOUND, "role": " "},
        {**SOUND, "approver": None},
        {**SOUND, "covers": ["a"]},
        {**SOUND, "expires": "soon"},
        {key: value for key, value in SOUND.items() if key != "decision"},
    ],
)
def test_a_row_that_is_no_approval_counts_for_nothing(row: Any) -> None:
    assert messages(row, OWNER) == ["approval 1 is none", "approval of the risk: is missing"]


def test_one_person_has_one_role() -> None:
    both = {**OWNER, "approver": "RISK@x.example"}
    assert messages(SOUND, both) == ["risk@x.example approved as business owner and as risk"]


def test_a_subject_that_nobody_knows_the_authors_of_is_approved_by_nobody() -> None:
    now = NOW._replace(changed_by={**NOW.changed_by, "ops/audit.yaml": None})
    reason = "nobody knows who changed ops/audit.yaml: commit it"
    assert messages(SOUND, OWNER, now=now) == [f"approval of the {role}: {reason}" for role in NOW.roles]


def test_patterns_name_subjects_within_a_folder() -> None:
    """One that matches nothing is told."""
    found = approvals.register({"subjects": ["ops/*.yaml", "docs/card.md"]})
    digests = {"ops/a.yaml": "1", "ops/deep/b.yaml": "2", "ops/c.md": "3"}
    assert approvals.subjects_of(found, digests) == ({"ops/a.yaml": "1"}, ["docs/card.md"])


def test_the_end_of_time_is_a_day() -> None:
    """No date is too far for the arithmetic."""
    assert messages({**SOUND, "approved_on": "9999-12-31", "expires": "9999-12-31"}, OWNER)
    assert messages(SOUND, OWNER, now=NOW._replace(today="9999-12-31"))


@pytest.mark.parametrize(("days", "told"), [("2027-01-25", True), ("2027-01-26", False), ("2026-11-26", True)])
def test_people_are_told_before_an_approval_runs_out(days: str, told: bool) -> None:
    found = approvals.register({"approvals": [{**SOUND, "expires": days}]})
    assert bool(list(approvals.warnings(found, NOW))) is told
