"""`approve`: a decision on what a release consists of, in one role, that can hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.approving import REGISTER, WHO, rows, sign_off
from tests.kit import cli, commit, git, put, snapshot


def weigh(project: Path) -> None:
    """Change the facts to those of a system of which approvals are asked."""
    facts = {"jurisdictions": "SG", "interacts_with_people": "yes", "effect": "significant"}
    data = [part for fact, value in facts.items() for part in ("--data", f"{fact}={value}")]
    cli("assess", *data, cwd=project)
    commit(project)


def test_an_approval_is_written_for_the_subjects_as_they_are(governed: Path) -> None:
    """With their digests; the comments of the register stay."""
    result = cli("approve", "business owner", *WHO, "--conditions", "until the pilot ends", "--json", cwd=governed)
    assert (result.code, result.data["missing"]) == (0, [])
    (row,) = rows(governed)
    subjects = ["governance/applicability.json", "governance/facts.yaml", "ops/old.md", "ops/runbook.md"]
    assert sorted(row["covers"]) == subjects
    assert all(digest.startswith("sha256:") for digest in row["covers"].values())
    told = (row["role"], row["approver"], row["decision"], row["expires"], row["conditions"])
    assert told == ("business owner", "owner@example.org", "approved", "2027-06-30", "until the pilot ends")
    assert (governed / "governance/approvals.yaml").read_text().startswith("# Who approved what.\nrequired_roles:")
    assert git(governed, "status", "--porcelain") == "M governance/approvals.yaml"


def test_a_subject_that_changes_voids_it(governed: Path) -> None:
    """And the gate says which."""
    weigh(governed)
    cli("approve", "business owner", *WHO, cwd=governed)
    cli("approve", "risk", *WHO[2:], "--approver", "risk@example.org", cwd=governed)
    assert sign_off(governed) == "pass"
    put(governed, {"ops/runbook.md": "other\n"})
    commit(governed)
    (gap, _) = next(
        row["gaps"] for row in cli("gate", "--json", cwd=governed).data["controls"] if row["control"] == "GOV-06"
    )
    assert gap["message"] == "approval of the business owner: ops/runbook.md has changed since"


def test_another_decision_of_the_role_takes_its_place(governed: Path) -> None:
    cli("approve", "business owner", *WHO, cwd=governed)
    assert cli("approve", "business owner", *WHO, "--refuse", cwd=governed).code == 0
    assert [row["decision"] for row in rows(governed)] == ["refused"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("business owner", *WHO[2:], "--approver", "Author@example.org"), "the approver is the author"),
        (
            ("business owner", *WHO[2:], "--approver", "test@example.org"),
            "the approver has changed governance/facts.yaml",
        ),
        (("business owner", *WHO[:4], "--expires", "2020-01-01"), "it ran out on 2020-01-01"),
        (("business owner", *WHO[:4], "--expires", "2999-01-01"), "it runs until 2999-01-01, more than a year after"),
        (("cook", *WHO), "nobody asks for an approval of the role `cook`"),
        (("business owner", *WHO[:4], "--expires", "soon"), "`soon` is no date"),
    ],
)
def test_one_that_cannot_hold_is_not_written(governed: Path, arguments: tuple[str, ...], message: str) -> None:
    """Exit 2, and every byte stays."""
    before = snapshot(governed)
    result = cli("approve", *arguments, cwd=governed)
    assert result.code == 2
    assert message in result.err
    assert snapshot(governed) == before


@pytest.mark.parametrize(
    "spelling",
    [
        "Test <test@example.org>",
        "<test@example.org>",
        "mailto:test@example.org",
        "te st@example.org",
        "Test",
        " ",
        "test@example.org\u200b",
    ],
)
def test_an_address_is_written_barely(governed: Path, spelling: str) -> None:
    """So that nobody is two people."""
    before = snapshot(governed)
    result = cli("approve", "business owner", *WHO[2:], "--approver", spelling, cwd=governed)
    assert result.code == 2
    assert "is no bare address" in result.err
    assert snapshot(governed) == before


def test_a_tag_makes_no_other_person(governed: Path) -> None:
    result = cli("approve", "business owner", *WHO[2:], "--approver", "test+risk@example.org", cwd=governed)
    assert result.code == 2
    assert "the approver has changed governance/facts.yaml" in result.err


def test_a_draft_that_was_moved_has_its_author(governed: Path) -> None:
    """Whoever wrote it under another name does not approve it."""
    text = "".join(f"step {number}\n" for number in range(20))
    put(governed, {"draft.md": text})
    git(governed, "add", "-A")
    git(governed, "commit", "-q", "-m", "draft", "--author", "Bo <bo@x.example>")
    git(governed, "mv", "draft.md", "ops/plan.md")
    commit(governed)
    result = cli("approve", "business owner", *WHO[2:], "--approver", "bo@x.example", cwd=governed)
    assert (result.code, "the approver has changed ops/plan.md" in result.err) == (2, True)


def test_a_history_that_is_not_there_is_told_once(governed: Path, tmp_path: Path) -> None:
    """Not once a subject and role; and nothing is approved by it."""
    said = "nobody knows who changed its subjects: the clone is shallow: most authors are not known"
    weigh(governed)
    git(tmp_path, "clone", "-q", "--depth", "1", governed.as_uri(), "shallow")
    rows = cli("gate", "--json", cwd=tmp_path / "shallow").data["controls"]
    gaps = next(row["gaps"] for row in rows if row["control"] == "GOV-06")
    told = [(gap["message"], gap["hint"]) for gap in gaps if "nobody knows" in gap["message"]]
    assert told == [(said, "`git fetch --unshallow`")]
    result = cli("approve", "business owner", *WHO, cwd=tmp_path / "shallow")
    assert (result.code, result.err.splitlines()[0]) == (2, f"error: `governance/approvals.yaml`: {said}")


def test_whoever_changes_a_file_while_merging_is_its_author(governed: Path) -> None:
    """And whoever is named as co-author."""
    git(governed, "checkout", "-q", "-b", "side", "HEAD~1")
    put(governed, {"side.txt": "x\n"})
    commit(governed)
    git(governed, "checkout", "-q", "-")
    git(governed, "merge", "-q", "--no-commit", "--no-ff", "side")
    put(governed, {"ops/runbook.md": "changed in the merge\n"})
    git(governed, "add", "-A")
    git(governed, "-c", "user.email=m@x.example", "commit", "-q", "-m", "merge", "--author", "M <m@x.example>")
    for who in ("m@x.example",):
        result = cli("approve", "business owner", *WHO[2:], "--approver", who, cwd=governed)
        assert "the approver has changed ops/runbook.md" in result.err
    put(governed, {"ops/old.md": "by two\n"})
    commit(governed, "two\n\nCo-authored-by: Second <second@x.example>")
    result = cli("approve", "business owner", *WHO[2:], "--approver", "second@x.example", cwd=governed)
    assert "the approver has changed ops/old.md" in result.err


def test_a_shallow_clone_knows_no_authors(governed: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{governed}", "shallow")
    result = cli("approve", "business owner", *WHO, cwd=tmp_path / "shallow")
    assert result.code == 2
    assert "nobody knows who changed" in result.err


def test_a_file_that_git_was_told_not_to_look_at_is_not_committed(governed: Path) -> None:
    git(governed, "update-index", "--assume-unchanged", "ops/runbook.md")
    put(governed, {"ops/runbook.md": "hidden\n"})
    result = cli("approve", "business owner", *WHO, cwd=governed)
    assert "nobody knows who changed ops/runbook.md: commit it" in result.err


@pytest.mark.parametrize("subjects", ["[]", "governance/facts.yaml", "['ops/*.md']", "{a: b}"])
def test_a_register_cannot_ask_for_less(governed: Path, subjects: str) -> None:
    """Facts are among the subjects, whatever it says."""
    text = REGISTER.replace("subjects:\n  - governance/facts.yaml\n  - ops/*.md\n", f"subjects: {subjects}\n")
    assert text != REGISTER
    put(governed, {"governance/approvals.yaml": text})
    commit(governed)
    result = cli("approve", "business owner", *WHO, cwd=governed)
    assert result.code == 2
    assert "`subjects` lacks governance/facts.yaml" in result.err


@pytest.mark.parametrize("text", ["", "[]\n", "approvals: [x]\n", "approvals: text\n", "approvals: {a: b}\n"])
def test_a_register_of_another_form_is_a_sentence(governed: Path, text: str) -> None:
    put(governed, {"governance/approvals.yaml": text})
    result = cli("approve", "business owner", *WHO, cwd=governed)
    assert result.code == 2
    assert "unexpected" not in result.err
    assert cli("gate", cwd=governed).code == 1


def test_a_subject_that_is_a_link_is_none(governed: Path) -> None:
    (governed / "ops/runbook.md").unlink()
    (governed / "ops/runbook.md").symlink_to("old.md")
    commit(governed)
    result = cli("approve", "business owner", *WHO, cwd=governed)
    assert "is a link, and its target can change unseen" in result.err


def test_what_is_not_committed_is_approved_by_nobody(governed: Path) -> None:
    put(governed, {"ops/runbook.md": "other\n"})
    result = cli("approve", "business owner", *WHO, cwd=governed)
    assert result.code == 2
    assert "nobody knows who changed ops/runbook.md: commit it" in result.err


def test_a_subject_that_is_not_here_is_told(governed: Path) -> None:
    put(governed, {"governance/approvals.yaml": REGISTER.replace("ops/*.md", "docs/model-card.md")})
    result = cli("approve", "business owner", *WHO, cwd=governed)
    assert result.code == 2
    assert "a subject of approvals is not here: docs/model-card.md" in result.err
