"""Approvals hold for what they covered, by others than its authors, for a time."""

from __future__ import annotations

from typing import Any

import pytest

from ai_factory.catalog import Change
from ai_factory.governance import approvals, confirmations
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


def change(since: str, impact: str, manual: str = "") -> Change:
    """What a release declares."""
    return Change(since, {}, (), {}, manual, impact)


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
        ({"expires": "2027-11-21"}, "it runs until 2027-11-21, more than a year after 2026-11-20"),
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


def test_a_register_asks_for_no_less_than_what_a_release_rests_on() -> None:
    """What is there and left out is named; settings of operation only where a system is monitored."""
    found = approvals.register({"subjects": ["governance/*.yaml", "contracts/a.odcs.yaml"]})
    there = ["governance/agent.yaml", "contracts/a.odcs.yaml", "contracts/b.odcs.yaml", "evals/thresholds.yaml"]
    there += ["docs/model-card.md", "ops/audit.yaml", "ops/runbook.md", "src/a.py", "contracts/old/c.odcs.yaml"]
    lacks = ["contracts/b.odcs.yaml", "evals/thresholds.yaml", "docs/model-card.md"]
    assert approvals.too_few(found, there) == lacks
    assert approvals.too_few(found, [*there, "ops/monitoring.yaml"]) == [
        *lacks,
        "ops/audit.yaml",
        "ops/monitoring.yaml",
    ]
    assert approvals.too_few(found, ["docs/model-card.md"]) == []


def test_patterns_name_subjects_within_a_folder() -> None:
    """One that matches nothing is told."""
    found = approvals.register({"subjects": ["ops/*.yaml", "docs/card.md"]})
    digests = {"ops/a.yaml": "1", "ops/deep/b.yaml": "2", "ops/c.md": "3"}
    assert approvals.subjects_of(found, digests) == ({"ops/a.yaml": "1"}, ["docs/card.md"])


@pytest.mark.parametrize(
    ("begin", "end", "over"),
    [
        ("2027-03-01", "2028-03-01", False),  # 366 days
        ("2026-03-01", "2027-03-02", True),  # 366 days
        ("2028-02-29", "2029-02-28", False),
        ("2028-02-29", "2029-03-01", True),
        ("0001-01-01", "0001-12-31", False),
    ],
)
def test_a_year_ends_on_the_same_day_of_the_next(begin: str, end: str, over: bool) -> None:
    """As the project's own tests count it."""
    assert approvals.over_a_year(begin, end) is over


def test_the_end_of_time_is_a_day() -> None:
    """No date is too far for the arithmetic."""
    assert messages({**SOUND, "approved_on": "9999-12-31", "expires": "9999-12-31"}, OWNER)
    assert messages(SOUND, OWNER, now=NOW._replace(today="9999-12-31"))


@pytest.mark.parametrize(
    ("expires", "near"),
    [
        ("2026-11-26", 7),
        ("2026-12-03", 7),
        ("2026-12-04", 30),
        ("2026-12-26", 30),
        ("2026-12-27", 60),
        ("2027-01-25", 60),
        ("2027-01-26", 0),
        ("2026-11-25", 0),
    ],
)
def test_people_are_told_before_an_approval_runs_out(expires: str, near: int) -> None:
    """The nearer, the fewer days are named; nothing of one that ran out, which is a reason."""
    found = approvals.register({"approvals": [{**SOUND, "expires": expires}]})
    said = [f"the approval of the risk runs out within {near} days, on {expires}"] if near else []
    assert list(approvals.warnings(found, NOW)) == said


# ---- updates of components -----------------------------------------------------------------------

ASKS = ", whose release asks for a new approval: read the new limits"
CHANGES = {
    "audit": (
        change("0.5.0", "none"),
        change("0.6.0", "review", "call `audit.open()`"),
        change("0.7.0", "review"),
        change("0.8.0", "reapprove", "read the new limits"),
        change("0.9.0", "none", "nothing for approvers"),
    )
}


def moved(to: str, **more: str) -> Situation:
    """The component `audit` at another version, and others besides."""
    return NOW._replace(components={"audit": to, **more}, changes=CHANGES)


def waiting(*rows: Any, now: Situation) -> list[str]:
    """What a person should confirm."""
    found = approvals.register({"approvals": list(rows)})
    return [gap.message.partition(": ")[2] for gap in confirmations.confirmations(found, now)]


def at(version: str, **more: str) -> dict[str, Any]:
    """The sound approval, given while `audit` was at that version."""
    return {**SOUND, "components": {"audit": version, **more}}


@pytest.mark.parametrize(
    ("before", "now", "void", "asks"),
    [
        ("0.4.0", "0.4.0", "", ""),
        ("0.4.0", "0.4", "", ""),
        ("0.4.0", "0.4.7", "", ""),  # no declared change
        ("0.4.0", "0.5.0", "", ""),
        ("0.5.0", "0.6.0", "", "`audit` went from 0.5.0 to 0.6.0: call `audit.open()`"),
        ("0.6.0", "0.7.9", "", "`audit` went from 0.6.0 to 0.7.9"),
        ("0.4.0", "0.7.0", "", "`audit` went from 0.4.0 to 0.7.0: call `audit.open()`"),
        ("0.7.0", "0.8.0", f"`audit` went from 0.7.0 to 0.8.0{ASKS}", ""),
        ("0.4.0", "1.0.0", f"`audit` went from 0.4.0 to 1.0.0{ASKS}", ""),
        ("0.8.0", "0.9.0", "", ""),
        ("0.9.0", "0.8.0", "`audit` went back from 0.9.0 to 0.8.0, which asks for a new approval", ""),
        ("tree-1", "tree-2", f"`audit` went from tree-1 to tree-2{ASKS}", ""),
    ],
)  # fmt: skip
def test_the_heaviest_declared_change_decides(before: str, now: str, void: str, asks: str) -> None:
    """After the version that was approved, up to the present one."""
    row = at(before)
    assert messages(row, OWNER, now=moved(now)) == ([f"approval of the risk: {void}"] if void else [])
    assert waiting(row, OWNER, now=moved(now)) == ([asks] if asks else [])


def test_a_new_component_waits_for_a_confirmation_and_one_that_is_gone_does_not() -> None:
    """Its controls are new; what is gone brought nothing."""
    assert waiting(at("0.4.0"), OWNER, now=moved("0.4.0", access="1.0.0")) == ["`access` 1.0.0 came in"]
    assert waiting(at("0.4.0", access="1.0.0"), OWNER, now=moved("0.4.0")) == []
    assert messages(at("0.4.0"), OWNER, now=moved("0.4.0", access="1.0.0")) == []


def test_a_row_that_tells_of_no_components_holds_as_before() -> None:
    assert messages(SOUND, OWNER, now=moved("0.8.0")) == []
    assert waiting(SOUND, OWNER, now=moved("0.8.0")) == []


@pytest.mark.parametrize("odd", [[], "audit", {"audit": 4}, {4: "audit"}, {"audit": None}])
def test_components_of_another_form_make_no_approval(odd: Any) -> None:
    assert messages({**SOUND, "components": odd}, OWNER)[0] == "approval 1 is none"


def confirmed(version: str, to: str, by: str = "second@x.example", **change: Any) -> dict[str, Any]:
    """The approval of one version, confirmed at another one."""
    return {**at(version), "confirmed": {"by": by, "on": "2026-11-25", "components": {"audit": to}, **change}}


@pytest.mark.parametrize(
    ("row", "now", "asks"),
    [
        (confirmed("0.4.0", "0.6.0"), "0.6.0", []),
        (confirmed("0.4.0", "0.6.0"), "0.6.5", []),
        (confirmed("0.4.0", "0.6.0"), "0.7.0", ["`audit` went from 0.6.0 to 0.7.0"]),
        (confirmed("0.4.0", "0.6.0"), "0.4.0", []),  # what was approved is back
        (confirmed("0.4.0", "0.7.0"), "0.6.0", ["`audit` went from 0.4.0 to 0.6.0: call `audit.open()`"]),
        (confirmed("0.4.0", "0.6.0", by="nobody"), "0.6.0", ["`audit` went from 0.4.0 to 0.6.0: call `audit.open()`"]),
        (confirmed("0.4.0", "0.6.0", on="soon"), "0.6.0", ["`audit` went from 0.4.0 to 0.6.0: call `audit.open()`"]),
        ({**at("0.4.0"), "confirmed": "yes"}, "0.6.0", ["`audit` went from 0.4.0 to 0.6.0: call `audit.open()`"]),
    ],
)
def test_a_confirmation_lasts_until_the_next_update_that_asks(row: Any, now: str, asks: list[str]) -> None:
    """One of another form is none, and the approval still stands."""
    assert waiting(row, OWNER, now=moved(now)) == asks
    assert messages(row, OWNER, now=moved(now)) == []


def test_no_confirmation_bridges_a_release_that_asks_for_a_new_approval() -> None:
    void = f"approval of the risk: `audit` went from 0.4.0 to 0.8.0{ASKS}"
    assert messages(confirmed("0.4.0", "0.8.0"), OWNER, now=moved("0.8.0")) == [void]


@pytest.mark.parametrize(
    ("by", "change", "why"),
    [
        ("Author@x.example", {}, "the approver is the author"),
        ("ops@x.example", {}, "the approver has changed ops/audit.yaml"),
        ("owner@x.example", {}, "owner@x.example stands for the business owner"),
        ("later@x.example", {"on": "2026-11-28"}, "it was given on 2026-11-28, which is to come"),
    ],
)
def test_who_may_not_approve_may_not_confirm(by: str, change: dict[str, Any], why: str) -> None:
    """The approval stands, and still waits."""
    row = confirmed("0.6.0", "0.7.0", by, **change)
    assert waiting(row, OWNER, now=moved("0.7.0")) == [f"`audit` went from 0.6.0 to 0.7.0; not confirmed: {why}"]


def test_nobody_confirms_in_two_roles() -> None:
    both = {**confirmed("0.6.0", "0.7.0"), "role": "business owner", "approver": "owner@x.example"}
    assert waiting(confirmed("0.6.0", "0.7.0"), both, now=moved("0.7.0")) == [
        "`audit` went from 0.6.0 to 0.7.0; not confirmed: second@x.example stands for the risk",
        "`audit` went from 0.6.0 to 0.7.0; not confirmed: second@x.example stands for the business owner",
    ]


def test_a_row_is_written_as_it_is_read() -> None:
    """With and without what a later version of the tool added."""
    for row in (SOUND, at("0.4.0"), {**confirmed("0.4.0", "0.6.0"), "commit": "abc", "conditions": "until May"}):
        (one,) = approvals.register({"approvals": [row]}).approvals
        assert approvals.row_of(one) == {name: value for name, value in row.items() if value}
