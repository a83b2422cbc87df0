"""What an update of a component means for an approval: nothing, a light confirmation, or a new approval."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_factory.governance.approvals import REGISTER
from tests.approving import CONFIRM, RISK, WHO, gate, release, rows, sign_off, updated, waiting
from tests.kit import cli, commit, git, put, snapshot

COMMENT = "  # the owner asked for it\n"


CONFIRMED = f"""\
confirmed by second@example.org as business owner: what owner@example.org approved stands, until 2027-06-30
  `core` went from 1.0.0 to 3.0.0: open the audit once
wrote {REGISTER}: commit it
"""


def test_an_approval_says_of_which_commit_and_versions_it_is(governed: Path) -> None:
    head = git(governed, "rev-parse", "HEAD")
    result = cli("approve", "business owner", *WHO, "--json", cwd=governed)
    (row,) = rows(governed)
    versions = {"core": "1.0.0", "extras": "v1.0.0"}
    assert (row["commit"], row["components"]) == (head, versions)
    assert result.data["approval"] == row


def test_an_update_that_asks_for_nothing_is_silent(approved: Path, factory: Path) -> None:
    """Neither with a change of impact none, nor without any."""
    updated(approved, factory, "3.0.0", "manual: read this, impact: none")
    assert (sign_off(approved), waiting(approved)) == ("pass", [])
    updated(approved, factory, "3.1.0")
    assert (sign_off(approved), waiting(approved)) == ("pass", [])


def test_an_update_to_review_voids_nothing_and_is_named_until_somebody_confirms(approved: Path, factory: Path) -> None:
    """The impact of a change that does not say is review."""
    updated(approved, factory, "3.0.0", "manual: open the audit once")
    before = rows(approved)[0]
    assert sign_off(approved) == "pass"
    message = (
        "approval of the business owner waits for a confirmation: `core` went from 1.0.0 to 3.0.0: open the audit once"
    )
    hint = '`ai-factory approve "business owner" --confirm --approver …`'
    found, other = waiting(approved)
    assert other["message"] == message.replace("business owner", "risk")
    assert (found["path"], found["message"], found["hint"], found["controls"]) == (REGISTER, message, hint, ["GOV-06"])
    text = cli("gate", cwd=approved).out
    assert f"AF009 warning: {REGISTER} {message}\n  hint: {hint}\n" in text
    result = cli(*CONFIRM, cwd=approved)
    assert (result.code, result.out) == (0, CONFIRMED)
    row, _ = rows(approved)
    given = row.pop("confirmed")
    assert row == before
    assert (given["by"], given["components"]) == ("second@example.org", {"core": "3.0.0", "extras": "v3.0.0"})
    assert (sign_off(approved), waiting(approved)) == ("pass", [other])


def test_an_update_to_reapprove_voids_and_no_confirmation_helps(approved: Path, factory: Path) -> None:
    """However many lighter changes stand beside it; a new approval does."""
    updated(approved, factory, "3.0.0", "impact: review", "manual: read the limits, impact: reapprove")
    why = "`core` went from 1.0.0 to 3.0.0, whose release asks for a new approval: read the limits"
    assert sign_off(approved) == "fail"
    (row,) = [row for row in gate(approved).data["controls"] if row["control"] == "GOV-06"]
    assert row["gaps"][0]["message"] == f"approval of the business owner: {why}"
    before = snapshot(approved)
    result = cli(*CONFIRM, cwd=approved)
    assert (result.code, snapshot(approved)) == (2, before)
    assert result.err == (
        f"error: the approval of the role `business owner` does not hold: {why}\n"
        'hint: approve anew: `ai-factory approve "business owner" --approver … --author … --expires …`\n'
    )
    assert cli("approve", "business owner", *WHO, cwd=approved).code == 0
    assert cli("approve", "risk", *RISK, cwd=approved).code == 0
    assert (sign_off(approved), waiting(approved)) == ("pass", [])


def test_what_was_approved_and_goes_back_is_not_what_was_approved(approved: Path, factory: Path) -> None:
    """The commit of a sync that is reverted; an approval from before it holds."""
    updated(approved, factory, "3.0.0", "impact: none")
    git(approved, "revert", "--no-edit", "HEAD")
    assert sign_off(approved) == "pass"
    git(approved, "revert", "--no-edit", "HEAD")
    cli("approve", "business owner", *WHO, cwd=approved)
    commit(approved)
    git(approved, "revert", "--no-edit", "HEAD~1")
    assert sign_off(approved) == "fail"
    (row,) = [row for row in gate(approved).data["controls"] if row["control"] == "GOV-06"]
    assert row["gaps"][0]["message"] == (
        "approval of the business owner: `core` went back from 3.0.0 to 1.0.0, which asks for a new approval"
    )


def test_a_component_that_comes_in_is_looked_at(approved: Path, factory: Path) -> None:
    """One that goes is not."""
    put(factory, {"blueprints/small.yaml": "summary: s\ncomponents: [core, nice]\nfacts: {genai: false}\n"})
    updated(approved, factory, "3.0.0")
    found, _ = waiting(approved)
    assert found["message"].endswith("waits for a confirmation: `nice` v3.0.0 came in")


def test_a_row_by_hand_that_tells_of_no_components_holds_as_before(approved: Path, factory: Path) -> None:
    place = approved / REGISTER
    told = "      core: 1.0.0\n      extras: v1.0.0\n"
    place.write_text(place.read_text().replace(f"    components:\n{told}", ""))
    assert [row.get("components") for row in rows(approved)] == [None, None]
    commit(approved)
    updated(approved, factory, "3.0.0", "impact: reapprove")
    assert (sign_off(approved), waiting(approved)) == ("pass", [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*CONFIRM[:-1], "author@example.org"), "this confirmation would not count: the approver is the author"),
        ((*CONFIRM[:-1], "test@example.org"), "would not count: the approver has changed governance/facts.yaml"),
        ((*CONFIRM[:-1], "Second"), "`--approver Second` is no bare address"),
        (("approve", "cook", *CONFIRM[2:]), "the approval of the role `cook` is missing"),
        ((*CONFIRM, "--expires", "2027-01-01"), "`--confirm` takes no `--expires`: what was approved stays as it is"),
        ((*CONFIRM, "--refuse"), "`--confirm` takes no `--refuse`: what was approved stays as it is"),
        ((*CONFIRM[:2], *CONFIRM[3:], *WHO[2:4]), "an approval needs `--expires`"),
    ],
)
def test_a_confirmation_that_would_not_count_is_not_written(
    approved: Path, factory: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Exit 2, a hint, and every byte stays."""
    updated(approved, factory, "3.0.0", "impact: review")
    before = snapshot(approved)
    result = cli(*arguments, cwd=approved)
    assert (result.code, snapshot(approved)) == (2, before)
    assert message in result.err
    assert "\nhint: " in result.err


def test_nothing_is_confirmed_that_does_not_wait(approved: Path) -> None:
    before = snapshot(approved)
    result = cli(*CONFIRM, cwd=approved)
    assert (result.code, snapshot(approved)) == (2, before)
    assert result.err.startswith("error: nothing asks for a confirmation by the business owner\n")


def test_a_confirmation_leaves_the_comments_of_the_register(approved: Path, factory: Path) -> None:
    """Also one that stands after the row that it goes into."""
    place = approved / REGISTER
    place.write_text(place.read_text() + COMMENT)
    commit(approved)
    updated(approved, factory, "3.0.0", "impact: review")
    assert cli(*CONFIRM, cwd=approved).code == 0
    text = place.read_text()
    assert (text.startswith("# Who approved what.\n"), text.endswith(COMMENT)) == (True, True)


def test_a_factory_that_lacks_what_moved_leaves_it_open(approved: Path) -> None:
    """Nobody can tell what its updates ask for: exit 2."""
    put(
        approved, {REGISTER: (approved / REGISTER).read_text().replace("core: 1.0.0", "core: 1.0.0\n      gone: 0.9.0")}
    )
    assert gate(approved).code in (0, 1)  # it is no component of the project any more
    lock = (
        (approved / ".ai-factory/lock.json").read_text().replace('"core": "1.0.0"', '"core": "1.0.0", "gone": "1.0.0"')
    )
    put(approved, {".ai-factory/lock.json": lock})
    result = cli("gate", cwd=approved)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: the factory has no component `gone` any more: what its updates mean for approvals is unknown\n"
        "hint: `ai-factory sync` brings the project to what the factory has\n"
    )


def test_waivers_that_run_out_are_told(governed: Path) -> None:
    row = "- {rule: AF007, control: GOV-01, reason: new, owner: a@x, approver: b@x, until: '2026-12-20'}\n"
    put(governed, {".ai-factory/waivers.yaml": row})
    found = cli("gate", "--as-of", "2026-11-26", "--json", cwd=governed).data["warnings"]
    assert found == ["the waiver of AF007 for GOV-01 runs out within 30 days, on 2026-12-20"]
    assert cli("gate", "--as-of", "2026-12-21", "--json", cwd=governed).data["warnings"] == []


def test_a_plan_says_what_becomes_of_approvals(approved: Path, factory: Path) -> None:
    """In text, JSON and Markdown; of an update that asks for nothing it says nothing."""
    release(factory, "3.0.0", "changes:\n  - { since: 3.0.0, manual: open the audit }\n")
    plan = ("sync", "--plan", "--to", "v3.0.0")
    why = "`core` went from 1.0.0 to 3.0.0: open the audit"
    found = cli(*plan, "--json", cwd=approved).data["approvals"]
    assert found == [{"role": role, "impact": "review", "why": why} for role in ("business owner", "risk")]
    assert f"approval: after this, that of the risk waits for a confirmation: {why}\n" in cli(*plan, cwd=approved).out
    release(factory, "4.0.0", "changes:\n  - { since: 3.0.0 }\n  - { since: 4.0.0, impact: reapprove }\n")
    text = cli("sync", "--plan", "--to", "v4.0.0", "--markdown", cwd=approved).out
    why = "`core` went from 1.0.0 to 4.0.0, whose release asks for a new approval"
    assert (
        f"## Approvals\n\n- After this, that of the business owner is void: {why}\n"
        f"- After this, that of the risk is void: {why}\n\n" in text
    )
    release(factory, "5.0.0", "changes:\n  - { since: 5.0.0, impact: none }\n")
    assert cli("sync", "--plan", "--to", "v5.0.0", "--json", cwd=approved).data["approvals"] == []


@pytest.mark.parametrize("text", ["approvals: [", "[]\n", "approvals: text\n", "\x00"])
def test_a_plan_passes_over_a_register_that_is_none(approved: Path, factory: Path, text: str) -> None:
    """The gate tells about it."""
    put(approved, {REGISTER: text})
    commit(approved)
    release(factory, "3.0.0", "changes:\n  - { since: 3.0.0, impact: reapprove }\n")
    result = cli("sync", "--plan", "--json", cwd=approved)
    assert (result.code, result.data["approvals"]) == (0, [])
