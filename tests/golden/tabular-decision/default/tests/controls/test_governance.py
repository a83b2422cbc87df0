"""Registers, approvals and evidence are checked; no document can say what is not so."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from credit_line.controls import card, dossier, evidence, governance
from credit_line.controls.card import CardRefused, write_card
from credit_line.controls.dossier import DossierRefused
from credit_line.controls.paths import Paths
from credit_line.controls.required import EVIDENCE, FACTS, QUESTIONS

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 6, 1)
ROLES = ["business owner", "risk"]
GIVEN = ("data-quality", "evaluation", "features", "model", "monitoring")
Change = Callable[[dict[str, Any]], object]
RESULTS = [
    {"metric": "auc", "slice": "all", "value": 0.8123456, "threshold": 0.7, "verdict": "pass"},
    {"metric": "auc", "slice": "sex=f", "value": 0.79, "threshold": None, "verdict": None},
]
PASSED = {"model_version": "m-1", "gate": {"passed": True}}
CONTENT = {"results": RESULTS, "rows": 5000, "calibrated": True, "months": ["a", "b"]}


def nobody(name: str) -> set[str]:
    """A file whose history names none of the approvers."""
    return set()


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project with one subject, approved in two roles, whose run writes all of GIVEN."""
    monkeypatch.setattr(governance, "EVIDENCE", GIVEN)
    monkeypatch.setattr(governance, "ROLES", {"low": ROLES[:1], "high": ROLES})
    monkeypatch.setattr(governance, "SUBJECTS", ["evals/thresholds.yaml"])
    project = Paths.of(tmp_path)
    project.governance.mkdir()
    project.evals.mkdir()
    (project.evals / "thresholds.yaml").write_text("auc: 0.7\n")
    digest = evidence.digest(project.evals / "thresholds.yaml")
    register = {
        "required_roles": ROLES,
        "subjects": ["evals/thresholds.yaml"],
        "approvals": [
            {
                "role": role,
                "approver": f"{number}@example.org",
                "author": "author@example.org",
                "decision": "approved",
                "approved_on": date(2026, 5, 1),
                "expires": date(2026, 12, 31),
                "covers": {"evals/thresholds.yaml": digest},
            }
            for number, role in enumerate(ROLES)
        ],
    }
    save(project, register)
    return project


def save(paths: Paths, register: dict[str, Any]) -> None:
    """Write the approvals."""
    (paths.governance / "approvals.yaml").write_text(yaml.safe_dump(register))


def messages(paths: Paths, committers: governance.Committers = nobody) -> list[str]:
    """The findings on approvals."""
    found = governance.check_approvals(paths, TODAY, committers)
    return [finding.message for finding in found]


def test_approvals_that_hold_raise_nothing(paths: Paths) -> None:
    """Both roles, other people than the author, in date, on the present subject."""
    assert messages(paths) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda a: a.update(approver=" Author@Example.org"), "the approver is the author"),
        (lambda a: a.update(expires=date(2026, 5, 31)), "it expired on 2026-05-31"),
        (lambda a: a.update(decision="refused"), "the decision is refused"),
        (lambda a: a.update(covers={}), "evals/thresholds.yaml is not covered"),
        (lambda a: a.update(role="intern"), "missing"),
        (
            lambda a: a.update(approved_on=date(2026, 6, 3)),
            "it was approved on 2026-06-03, which is to come",
        ),
        (
            lambda a: a.update(expires=date(2027, 5, 2)),
            "it expires on 2027-05-02, more than a year after 2026-05-01",
        ),
        (lambda a: a.update(approver="1@example.org"), "1@example.org approved in two roles"),
    ],
)
def test_an_approval_that_does_not_hold_is_refused(
    paths: Paths, change: Change, expected: str
) -> None:
    """By the author, expired, refused, of nothing, in another role, by one person twice."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    change(register["approvals"][0])
    save(paths, register)
    assert messages(paths) == [expected]


@pytest.mark.parametrize(
    "more",
    [
        {"commit": "1a2b3c4", "components": {"audit": "0.4.0"}},
        {
            "confirmed": {
                "by": "2@example.org",
                "on": "2026-05-20",
                "components": {"audit": "0.5.0"},
            }
        },
        {"conditions": None, "components": None, "note": ["anything"]},
    ],
)
def test_what_a_tool_adds_to_an_approval_changes_nothing_here(
    paths: Paths, more: dict[str, Any]
) -> None:
    """Of which commit and components it is, and who has confirmed it since."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    register["approvals"][0].update(more)
    save(paths, register)
    assert messages(paths) == []


def test_an_approval_of_today_east_of_greenwich_holds(paths: Paths) -> None:
    """There it is a day later than in UTC, by which the check goes."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    register["approvals"][0]["approved_on"] = date(2026, 6, 2)
    save(paths, register)
    assert messages(paths) == []


@pytest.mark.parametrize("field", governance.FIELDS)
@pytest.mark.parametrize("value", [None, 7, " ", datetime(2026, 5, 1, 12, tzinfo=UTC), ["x"]])
def test_an_approval_with_an_odd_field_is_a_finding(
    paths: Paths, field: str, value: object
) -> None:
    """Missing, empty or of another type: it does not count, and the check goes on."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    register["approvals"][0][field] = value
    save(paths, register)
    expected = [f"approval 1 has no valid {field}", "missing"]
    assert messages(paths) == expected


@pytest.mark.parametrize("field", ["approver", "author"])
@pytest.mark.parametrize(
    "value",
    ["Paula Zero <0@example.org>", "<0@example.org>", "Paula Zero", "0@x.org, 1@x.org", "0@x@y"],
)
def test_people_are_named_by_a_bare_address(paths: Paths, field: str, value: str) -> None:
    """With a name around it, git's author and the approver would be two persons."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    register["approvals"][0][field] = value
    save(paths, register)
    assert messages(paths) == [f"approval 1 has no valid {field}", "missing"]


@pytest.mark.parametrize("approvals", ["yes", ["yes"], [None]])
def test_an_approval_that_is_none_is_a_finding(paths: Paths, approvals: object) -> None:
    """Whatever stands there, it is no approval."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    save(paths, {**register, "approvals": approvals})
    assert messages(paths)[0].startswith("approval 1 has no valid role")


@pytest.mark.parametrize("key", ["required_roles", "subjects"])
@pytest.mark.parametrize("value", [None, [], "risk", [""], [None]])
def test_a_register_that_asks_for_nothing_is_a_finding(
    paths: Paths, key: str, value: object
) -> None:
    """Without subjects every release would be approved; the tier names roles by itself."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    save(paths, {**register, key: value})
    fine = key == "required_roles" and value == []
    assert messages(paths) == ([] if fine else [f"`{key}` is not a list of names"])


@pytest.mark.parametrize(
    ("record", "missing"),
    [
        ('{"tier": {"inherent": "low"}}', []),
        ('{"tier": {"inherent": "high"}}', ["risk"]),
        ('{"tier": {"inherent": "none"}}', ["risk"]),
        ('{"tier": []}', ["risk"]),
        ("{", ["risk"]),
        (None, ["risk"]),
    ],
)
def test_the_tier_says_who_approves(paths: Paths, record: str | None, missing: list[str]) -> None:
    """Where none is known, those of a high one; the record of it is a subject itself."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    del register["approvals"][1]
    if record is not None:
        (paths.root / governance.RECORD).write_text(record)
        assert f"{governance.RECORD} is not covered" in messages(paths)
        covers = governance.subjects(paths, register)
        register["approvals"][0]["covers"] = covers
    save(paths, {**register, "required_roles": []})
    found = governance.check_approvals(paths, TODAY, nobody)
    assert [one.subject.removeprefix("approval of the ") for one in found] == missing


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("subjects", ["governance/*.yaml"], "`subjects` lacks evals/thresholds.yaml"),
    ],
)
def test_a_register_may_only_ask_for_more(
    paths: Paths, key: str, value: list[str], expected: str
) -> None:
    """What is taken out of it is still needed."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    save(paths, {**register, key: value})
    assert expected in messages(paths)


def test_without_git_it_cannot_be_told_who_changed_a_subject(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No git, or no commit of the subject: the rule on authors cannot be checked."""
    expected = ["git does not say who changed it"]
    assert messages(paths, governance.committers(paths.root)) == expected
    monkeypatch.setenv("PATH", "")
    assert messages(paths, governance.committers(paths.root)) == expected


def test_a_changed_subject_voids_its_approvals(paths: Paths) -> None:
    """One weaker threshold, and both roles have to look again."""
    (paths.evals / "thresholds.yaml").write_text("auc: 0.6\n")
    assert messages(paths) == ["evals/thresholds.yaml has changed since"] * 2


def test_a_missing_subject_is_named(paths: Paths) -> None:
    """Nothing can be approved that is not there."""
    (paths.evals / "thresholds.yaml").unlink()
    assert "the subject of an approval is missing" in messages(paths)


Git = Callable[..., None]


@pytest.fixture
def git(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Runs git in the project, as the author of its subject."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    plain = ["-c", "commit.gpgsign=false", "-c", "core.autocrlf=false"]
    identity = ["-c", "user.name=someone", "-c", "user.email=author@example.org", *plain]

    def run(*arguments: str) -> None:
        command = ["git", "-C", str(paths.root), *identity, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    return run


@pytest.fixture
def committed(paths: Paths, git: Git) -> Paths:
    """The project as a repository of two commits; both roles approve of what is in it."""
    git("init", "-q")
    git("commit", "-qm", "start", "--no-verify", "--allow-empty")
    git("add", "evals")
    git("commit", "-qm", "limits", "--no-verify")
    return paths


def told(paths: Paths) -> list[tuple[str, str, str]]:
    """The findings on the history."""
    return [(f.subject, f.message, f.hint) for f in governance.check_history(paths)]


def test_who_committed_to_a_subject_cannot_approve_it(committed: Paths, git: Git) -> None:
    """The history of the file counts, whatever `author` says."""
    assert messages(committed, governance.committers(committed.root)) == []
    git("-c", "user.email=0@example.org", "commit", "-qm", "x", "--no-verify", "--allow-empty")
    assert messages(committed, governance.committers(committed.root)) == []
    git("-c", "user.email=0@example.org", "rm", "-q", "--cached", "evals/thresholds.yaml")
    git("-c", "user.email=0@example.org", "commit", "-qm", "gone", "--no-verify")
    found = messages(committed, governance.committers(committed.root))
    assert found == ["the approver has changed evals/thresholds.yaml"]


def test_a_whole_and_clean_checkout_has_no_finding(committed: Paths) -> None:
    """Git knows who wrote each line of what lies there."""
    assert told(committed) == []


def test_what_is_not_committed_has_no_author(committed: Paths, git: Git) -> None:
    """Also where git was told to look away from the file."""
    expected = [
        (
            "evals/thresholds.yaml",
            "it differs from what was committed: nobody knows who changed it",
            "commit it",
        )
    ]
    (committed.evals / "thresholds.yaml").write_text("auc: 0.6\n")
    assert told(committed) == expected
    git("update-index", "--assume-unchanged", "evals/thresholds.yaml")
    assert told(committed) == expected


def test_a_shallow_clone_is_a_finding(
    committed: Paths, git: Git, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """There git knows the author of the tip, and would call the others innocent."""
    git("add", "governance")
    git("commit", "-qm", "approvals", "--no-verify")
    clone = tmp_path_factory.mktemp("clone") / "project"
    git("clone", "-q", "--depth", "1", f"file://{committed.root}", str(clone))
    hint = "`git fetch --unshallow`; in CI, check out with the whole history"
    expected = [("git", "the clone is shallow: most authors are unknown", hint)]
    assert told(Paths.of(clone)) == expected


@pytest.fixture
def image(
    committed: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Paths:
    """The committed project as an image holds it: with its authors written down, without git."""
    monkeypatch.setenv("PROJECT_ROOT", str(committed.root))
    assert governance.main(["authors"]) == 0
    folder = tmp_path_factory.mktemp("image") / "app"
    shutil.copytree(committed.root, folder, ignore=shutil.ignore_patterns(".git"))
    monkeypatch.setenv("PATH", "")
    return Paths.of(folder)


def test_an_image_knows_the_authors_without_git(image: Paths) -> None:
    """Digest and addresses of each subject; approvals hold as where git was asked."""
    record = evidence.read(image, "authors")
    subject = "evals/thresholds.yaml"
    assert record["content"] == {subject: ["author@example.org"]}
    assert record["inputs"] == {subject: evidence.digest(image.root / subject)}
    assert len(record["commit"]) == 40
    assert messages(image, governance.committers(image.root)) == []
    assert told(image) == []
    register = yaml.safe_load((image.governance / "approvals.yaml").read_text())
    register["approvals"][0] |= {"approver": "author@example.org", "author": "x@example.org"}
    save(image, register)
    found = messages(image, governance.committers(image.root))
    assert found == ["the approver has changed evals/thresholds.yaml"]


def test_a_subject_that_changed_in_an_image_has_no_known_author(image: Paths) -> None:
    """What is written down is of the file as it was; approvals are void anyway."""
    (image.evals / "thresholds.yaml").write_text("auc: 0.6\n")
    assert messages(image, governance.committers(image.root)) == [
        "git does not say who changed it",
        *["evals/thresholds.yaml has changed since"] * 2,
    ]


@pytest.mark.parametrize("text", ["{", "[]", '{"inputs": {}, "content": 1}', "{}"])
def test_authors_that_cannot_be_read_are_unknown(image: Paths, text: str) -> None:
    """Nobody is taken for innocent."""
    (image.evidence / "authors.json").write_text(text)
    found = messages(image, governance.committers(image.root))
    assert found == ["git does not say who changed it"]


def test_a_repository_does_not_read_what_is_written_down(committed: Paths, image: Paths) -> None:
    """Taking git away from a checkout opens no way round it."""
    assert (committed.evidence / "authors.json").exists()
    found = messages(committed, governance.committers(committed.root))
    assert found == ["git does not say who changed it"]


def test_authors_are_only_written_in_a_whole_and_clean_checkout(
    committed: Paths,
    git: Git,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Not with uncommitted subjects, in a shallow clone, or without a repository."""
    assert governance.write_authors(committed) == []
    git("add", "governance")
    git("commit", "-qm", "approvals", "--no-verify")
    place = tmp_path_factory.mktemp("other")
    git("clone", "-q", "--depth", "1", f"file://{committed.root}", str(place / "clone"))
    plain = shutil.ignore_patterns(".git")
    shutil.copytree(committed.root, place / "plain", ignore=plain)
    (committed.evals / "thresholds.yaml").write_text("auc: 0.6\n")
    expected = {
        committed.root: "it differs from what was committed: nobody knows who changed it",
        place / "clone": "the clone is shallow: most authors are unknown",
        place / "plain": "there is no repository to ask for authors",
    }
    for folder, message in expected.items():
        found = governance.write_authors(Paths.of(folder))
        assert [finding.message for finding in found] == [message]
        assert not (folder / "evidence" / "authors.json").exists()
    monkeypatch.setenv("PROJECT_ROOT", str(place / "plain"))
    assert governance.main(["authors"]) == 1


def test_a_later_approval_heals_an_expired_one(paths: Paths) -> None:
    """The register keeps its history: one valid approval a role is enough."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    old = {**register["approvals"][0], "expires": date(2025, 1, 1)}
    save(paths, {**register, "approvals": [old, *register["approvals"]]})
    assert messages(paths) == []


RISK = {
    "id": "R1",
    "owner": "team",
    "inherent": "high",
    "controls": ["MON-01"],
    "accepted_by": "risk@example.org",
    "review_by": date(2026, 6, 1),
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"owner": ""}, ["no owner"]),
        ({"controls": []}, ["a high risk without a control"]),
        ({"controls": [], "inherent": "low"}, []),
        ({"controls": [], "inherent": "High"}, ["inherent is 'High'"]),
        ({"accepted_by": " "}, ["the remaining risk is not accepted"]),
        ({"accepted_by": None}, ["the remaining risk is not accepted"]),
        ({"review_by": None}, ["never reviewed"]),
        ({"review_by": date(2026, 5, 31)}, ["the review was due on 2026-05-31"]),
        ({"review_by": datetime(2027, 1, 1, 10)}, ["review_by is '2027-01-01 10:00:00'"]),
        ({"review_by": "soon"}, ["review_by is 'soon'"]),
        ({"id": None}, ["no id"]),
        ({"inherent": None}, ["inherent is None"]),
    ],
)
def test_a_risk_needs_owner_control_acceptance_and_review(
    change: dict[str, Any], expected: list[str]
) -> None:
    """Each gap is one finding."""
    found = governance.check_risks({"risks": [{**RISK, **change}]}, TODAY)
    assert [finding.message for finding in found] == expected


def facts(**change: Any) -> dict[str, Any]:
    """Facts that were all answered, and a screen that was answered and reviewed; with a change."""
    answers = {**dict.fromkeys(QUESTIONS, False), **change.pop("answers", {})}
    screen = {"answered_by": "a@x.org", "reviewed_by": "b@x.org", "answers": answers}
    stated: dict[str, Any] = dict.fromkeys(FACTS, False)
    stated |= {"jurisdictions": ["EU"], "roles": ["deployer"], **change.pop("facts", {})}
    return {"schema": 1, "facts": stated, "screen": {**screen, **change}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"answers": {"scores people": True}}, ["prohibited use: scores people"]),
        ({"answers": {"scores people": None}}, ["a screening question has no answer"]),
        ({"reviewed_by": "a@x.org"}, ["the screen was not answered and reviewed by two people"]),
        ({"answered_by": None}, ["the screen was not answered and reviewed by two people"]),
        ({"answered_by": " B@x.org "}, ["the screen was not answered and reviewed by two people"]),
    ],
)
def test_the_screen_is_answered_reviewed_and_has_no_yes(
    change: dict[str, Any], expected: list[str]
) -> None:
    """A prohibited use, a gap or a missing second person stops the release."""
    assert [f.message for f in governance.check_facts(facts(**change))] == expected


def test_a_register_without_questions_or_risks_is_a_finding() -> None:
    """Emptying it answers nothing."""
    emptied = facts()
    emptied["screen"]["answers"] = {}
    gone = [f"a screening question is gone: {question}" for question in QUESTIONS]
    assert [f.message for f in governance.check_facts(emptied)] == gone
    registers: list[dict[str, Any]] = [{"risks": []}, {"risk": [RISK]}, {"risks": "R1"}]
    for register in registers:
        found = governance.check_risks(register, TODAY)
        assert [f.message for f in found] == ["it names no risk"]


def test_what_is_misspelt_in_a_register_is_a_finding() -> None:
    """A key that is not there says nothing; a row that is no mapping is a risk without anything."""
    found = [f.message for f in governance.check_facts({"facts": {}, "scren": {}})]
    assert found[:2] == ["`jurisdictions` is empty", "`roles` is empty"]
    assert found[2].startswith("not answered: sector, decision_type, ")
    assert len(found) == 3 + len(QUESTIONS) + 1
    odd = governance.check_facts({**facts(), "screen": "no"})
    assert [f.message for f in odd] == found[3:]
    rows = governance.check_risks({"risks": [{**RISK, "id": None, "owner": ""}, "R2"]}, TODAY)
    assert [f.subject for f in rows] == ["risk number 1"] * 2 + ["risk number 2"] * 5


BROKEN = {
    "a: 1\nb:\t[": "governance/{}, line 2: ",
    "a: 1\n\tb: 2": "governance/{}, line 2: ",
    "day: 2027-13-45": "governance/{}: month must be in 1..12",
    "- a": "governance/{}: it is no mapping of names to values",
    "": "governance/{}: it is no mapping of names to values",
    "a: \x00": "governance/{}: unacceptable character",
    None: "governance/{}: [Errno 2]",
}


@pytest.mark.parametrize("name", ["facts.yaml", "risk-assessment.yaml", "approvals.yaml"])
@pytest.mark.parametrize("text", BROKEN)
def test_a_register_that_cannot_be_read_is_one_finding(
    project: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str | None,
) -> None:
    """With the file and the line; each command says so too, and production is refused by it."""
    file, start = project.governance / name, BROKEN[text].format(name)
    file.unlink() if text is None else file.write_text(text)
    found = [f"{one.subject}: {one.message}" for one in governance.release_findings(project, TODAY)]
    assert len([message for message in found if message.startswith(start)]) == 1
    with pytest.raises(governance.NotApproved, match=name):
        governance.refuse_unapproved(project, "m", "sha256:1", {"ENVIRONMENT": "production"})
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    assert governance.main(["check"]) == 1
    capsys.readouterr()
    assert governance.main(["digests"]) == (1 if name == "approvals.yaml" else 0)
    if name == "approvals.yaml":
        assert capsys.readouterr().err.startswith(f"digests: {start}")


def test_a_subject_that_is_no_pattern_matches_nothing(paths: Paths) -> None:
    """An absolute one neither."""
    register = {"subjects": ["/etc/*", "evals/thresholds.yaml"]}
    assert governance.subjects(paths, register)["/etc/*"] is None


def test_whoever_reads_the_findings_may_stop_early(project: Paths) -> None:
    """As `head` does: that is no failure of the check."""
    module = "credit_line.controls.governance"
    here = {**os.environ, "PROJECT_ROOT": str(project.root)}
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", module, "check"]
    done = subprocess.run(command, env=here, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"jurisdictions": [], "roles": []}, ["`jurisdictions` is empty", "`roles` is empty"]),
        ({"jurisdictions": None, "roles": None}, ["`jurisdictions` is empty", "`roles` is empty"]),
        ({"jurisdictions": "EU"}, ["`jurisdictions` is no list of names"]),
        ({"effect": None, "rag": None}, ["not answered: effect, rag"]),
        ({"roles": [], "phi": None}, ["`roles` is empty", "not answered: phi"]),
        ({"persons_per_year": 0, "frameworks_adopted": []}, []),
    ],
)
def test_every_fact_is_answered(change: dict[str, Any], expected: list[str]) -> None:
    """Which duties apply depends on them; no, zero and none are answers."""
    found = governance.check_facts(facts(facts=change))
    assert [f.message for f in found] == expected
    assert {f.subject for f in found} <= {"governance/facts.yaml"}


def write_evidence(paths: Paths, **change: Any) -> None:
    """Evidence of a run in which nothing failed; `change` replaces content by name."""
    content: dict[str, Any] = {name: {} for name in GIVEN}
    content["model"] = {"version": "m-1", "model": "sha256:1"}
    content["evaluation"] = {"model_version": "m-1", "gate": {"passed": True}}
    content["features"] = {"findings": []}
    for name, value in {**content, **change}.items():
        sources = [paths.evals / "thresholds.yaml"] if name == "evaluation" else []
        evidence.write(paths, name, value, sources)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"evaluation": {"model_version": "m-1"}}, "the gate was not passed"),
        (
            {"evaluation": {"model_version": "m-1", "gate": {"passed": False}}},
            "the gate was not passed",
        ),
        ({"features": {"findings": [{"feature": "age"}]}}, "a feature breaks the policy"),
        (
            {"model": {"version": "m-2"}},
            "evidence/model.json is about m-2, evidence/evaluation.json of m-1",
        ),
    ],
)
def test_evidence_of_a_failure_is_found(
    paths: Paths, change: dict[str, Any], expected: str
) -> None:
    """A gate, a feature policy or a version that does not fit stops the release."""
    write_evidence(paths, **change)
    assert [f.message for f in governance.check_evidence(paths)] == [expected]


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"inputs": {}, "content": []}'])
def test_missing_evidence_is_found(paths: Paths, name: str, text: str | None) -> None:
    """Each of the files; one that cannot be read counts as missing."""
    write_evidence(paths)
    file = paths.evidence / f"{name}.json"
    file.unlink() if text is None else file.write_text(text)
    found = [(f.subject, f.message) for f in governance.check_evidence(paths)]
    assert found == [(f"evidence/{name}.json", "missing or unreadable")]


@pytest.mark.parametrize("name", ["model", "evaluation"])
@pytest.mark.parametrize("text", [None, "", "{", "[]", "\ufffd", '{"content": []}'])
def test_a_card_without_evidence_is_refused_in_a_sentence(
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str | None,
) -> None:
    """It names the file; so is one without its template."""
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    write_evidence(paths)
    assert governance.main(["card"]) == 1
    said = capsys.readouterr().err
    assert said == "no card: governance/model-card.template.md cannot be read\n"
    for part in ("template", "text"):
        (paths.governance / f"model-card.{part}.md").write_text("${model:model}")
    file = paths.evidence / f"{name}.json"
    file.unlink() if text is None else file.write_text(text)
    assert governance.main(["card"]) == 1
    said = capsys.readouterr().err
    assert f"evidence/{name}.json" in said and said.count("\n") == 1


def test_the_card_is_the_one_of_the_evidence(paths: Paths) -> None:
    """People approve the card: evidence that changed after it does not carry their approval."""
    for part in ("template", "text"):
        (paths.governance / f"model-card.{part}.md").write_text("${model:model}")
    write_evidence(paths)
    write_card(paths)
    assert governance.check_card(paths) == []
    write_evidence(paths, model={"version": "m-1", "model": "sha256:2"})
    assert [f.subject for f in governance.check_card(paths)] == ["docs/model-card.md"]


@pytest.mark.parametrize(("version", "digest"), [("m-1", "sha256:2"), ("m-2", "sha256:1")])
def test_only_the_approved_model_may_serve(paths: Paths, version: str, digest: str) -> None:
    """Version and digest are those of the evidence, and the evidence is there."""
    assert len(governance.check_serving(paths, "m-1", "sha256:1")) == 1
    write_evidence(paths)
    assert governance.check_serving(paths, "m-1", "sha256:1") == []
    assert len(governance.check_serving(paths, version, digest)) == 1


def test_a_system_that_evaluates_nothing_needs_no_card(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no model that it could be about."""
    assert [f.subject for f in governance.check_card(paths)] == ["docs/model-card.md"]
    monkeypatch.setattr(governance, "EVIDENCE", ("monitoring",))
    assert governance.check_card(paths) == []


def test_stale_evidence_is_found(paths: Paths) -> None:
    """Evidence about inputs that changed since proves nothing."""
    write_evidence(paths)
    assert governance.check_evidence(paths) == []
    (paths.evals / "thresholds.yaml").write_text("auc: 0.1\n")
    assert [f.subject for f in governance.check_evidence(paths)] == ["evidence/evaluation.json"]


def test_new_data_is_in_the_way_of_a_release_and_not_of_what_serves(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data comes in while an approved model works; a changed threshold stops it all the same."""
    monkeypatch.setattr(governance, "_decision_findings", lambda *_: [])
    monkeypatch.setattr(governance, "check_documents", lambda _: [])
    (paths.governance / "system.yaml").write_text("status: production\n")
    serving = (paths, "m-1", "sha256:1", {"ENVIRONMENT": "production"})
    history, nights = paths.var / "history.csv", paths.evidence / "nights.json"
    threshold = paths.evals / "thresholds.yaml"
    paths.var.mkdir()
    write_evidence(paths)
    for file, name in ((history, "data-quality"), (nights, "monitoring")):
        file.write_text("before\n")
        evidence.write(paths, name, {}, [file])
        file.write_text("after\n")
    stopped = [finding.subject for finding in governance.release_findings(paths, TODAY)]
    assert stopped == ["evidence/data-quality.json", "evidence/monitoring.json"]
    assert governance.production_findings(paths, TODAY) == []
    governance.refuse_unapproved(*serving)
    threshold.write_text("auc: 0.1\n")
    with pytest.raises(governance.NotApproved, match=r"stale: evals/thresholds.yaml changed"):
        governance.refuse_unapproved(*serving)


def test_the_registers_of_this_project_can_be_read() -> None:
    """Risks have distinct ids, and each register parses as the checks expect."""
    register = yaml.safe_load((ROOT / "governance" / "risk-assessment.yaml").read_text())
    ids = [risk["id"] for risk in register["risks"]]
    assert len(ids) == len(set(ids)) > 0
    governance.check_risks(register, TODAY)
    own = yaml.safe_load((ROOT / "governance" / "facts.yaml").read_text())
    governance.check_facts(own)
    assert own["screen"]["answers"].keys() >= set(QUESTIONS)
    approvals = yaml.safe_load((ROOT / "governance" / "approvals.yaml").read_text())
    assert approvals["subjects"]


def test_the_command_names_what_is_missing(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 with hints; `digests` prints what an approval has to cover."""
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    answers = facts(answered_by=None)
    (paths.governance / "facts.yaml").write_text(yaml.safe_dump(answers))
    (paths.governance / "risk-assessment.yaml").write_text(yaml.safe_dump({"risks": []}))
    assert governance.main(["check"]) == 1
    printed = capsys.readouterr().out
    assert "hint: write the address of each" in printed
    assert "docs/model-card.md: it is not what the evidence says" in printed
    assert "evidence/model.json: missing or unreadable" in printed
    assert governance.main(["digests"]) == 0
    digests = yaml.safe_load(capsys.readouterr().out)
    assert digests["covers"]["evals/thresholds.yaml"].startswith("sha256:")
    for part in ("template", "text"):
        (paths.governance / f"model-card.{part}.md").write_text("${evaluation:rows}")
    assert governance.main(["card"]) == 1


def read(name: str) -> Mapping[str, Any]:
    """Evidence as the card reads it."""
    return {"evaluation": CONTENT}[name]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("${evaluation:results[metric=auc,slice=all].value}", "0.812"),
        ("${evaluation:results.1.slice}", "sex=f"),
        ("${evaluation:rows} rows", "5000 rows"),
        ("${evaluation:calibrated}, ${evaluation:months}", "yes, a, b"),
    ],
)
def test_a_placeholder_becomes_the_value_of_the_evidence(template: str, text: str) -> None:
    """By key, by place, and by the values of a row."""
    assert card.render(template, "", read) == text


def test_a_table_has_one_line_a_row_and_blanks_for_nothing() -> None:
    """Columns in the order asked for."""
    assert card.render("${table:evaluation:results|slice,value,threshold}", "", read) == (
        "| slice | value | threshold |\n| --- | --- | --- |\n"
        "| all | 0.812 | 0.700 |\n| sex=f | 0.790 |  |"
    )


@pytest.mark.parametrize(
    "template",
    [
        "${evaluation:results[metric=brier].value}",
        "${evaluation:results[metric=auc].value}",
        "${evaluation:results.7.value}",
        "${evaluation:results}",
        "${evaluation:rows.more}",
        "${table:evaluation:results|metric,colour}",
        "${table:evaluation:empty|metric}",
    ],
)
def test_a_missing_number_stops_the_card(template: str) -> None:
    """Absent, ambiguous, or not one value: no card, rather than a card with a gap."""
    with pytest.raises(CardRefused):
        card.render(template, "", read)


@pytest.mark.parametrize("words", ["AUC of 0.95", "right in 99% of cases", "about 12.5 % better"])
def test_a_figure_without_evidence_is_refused_in_human_text(words: str) -> None:
    """People may not type results by hand."""
    with pytest.raises(CardRefused, match="no evidence supports it"):
        card.render("${evaluation:rows}\n${text}", words, read)


@pytest.mark.parametrize("words", ["AUC of 0.81", "79% for women", "Article 10 of 2024", "v1.2.3"])
def test_a_figure_with_evidence_is_kept(words: str) -> None:
    """Rounded values of the evidence, plain integers and version numbers may stand."""
    assert card.render("${evaluation:rows}\n${text}", words, read) == f"5000\n{words}"


def test_the_card_is_written_and_the_same_each_time(tmp_path: Path) -> None:
    """Also with text that looks like a placeholder of a regular expression."""
    paths = Paths.of(tmp_path)
    paths.governance.mkdir()
    (paths.governance / "model-card.template.md").write_text("${evaluation:rows}\n\n${text}\n")
    (paths.governance / "model-card.text.md").write_text("Back\\1slash\n")
    with pytest.raises(CardRefused, match=r"no evidence/model\.json"):
        card.write_card(paths)
    evidence.write(paths, "evaluation", {**CONTENT, **PASSED}, [])
    evidence.write(paths, "model", {"version": "m-1"}, [])
    assert card.write_card(paths) == card.write_card(paths) == "5000\n\nBack\\1slash\n"
    assert (paths.docs / "model-card.md").read_text() == "5000\n\nBack\\1slash\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_version": "m-2"}, r"is about m-1, evidence/evaluation\.json of m-2"),
        ({"gate": {"passed": False}}, "the gate was not passed"),
        ({"gate": None}, "the gate was not passed"),
    ],
)
def test_no_card_for_a_model_that_was_not_evaluated_and_passed(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """Figures of another model, or of one that failed, are no evidence for this one."""
    paths = Paths.of(tmp_path)
    paths.governance.mkdir()
    for part in ("template", "text"):
        (paths.governance / f"model-card.{part}.md").write_text("")
    evidence.write(paths, "model", {"version": "m-1"}, [])
    evidence.write(paths, "evaluation", {**CONTENT, **PASSED, **change}, [])
    with pytest.raises(CardRefused, match=message):
        card.write_card(paths)


def test_the_project_template_reads_only_known_evidence() -> None:
    """What its run writes, and nothing that each night writes anew: people approve the card."""
    templates = Path(__file__).parents[2].glob("governance/model-card.template.md")
    found = [name for file in templates for name in card.PLACEHOLDER.findall(file.read_text())]
    names = {expression.removeprefix("table:").split(":")[0] for expression in found}
    assert names <= {*EVIDENCE, "text"}
    assert not names & {"monitoring", "data-quality", "batches", "overrides"}


# ---- documents -----------------------------------------------------------------------------------

SCOPE, WORDS, RISKS = "scope.yaml", "dossier.yaml", "risk-assessment.yaml"


@pytest.fixture
def written(tmp_path: Path) -> Paths:
    """The registers of this project elsewhere, as a new project has them."""
    for folder in ("governance", "ops", "contracts", "evals", "docs/learn"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, tmp_path / folder)
    for name in ("applicability.json", "released.json"):
        (tmp_path / "governance" / name).unlink(missing_ok=True)
    return Paths.of(tmp_path)


def alter(paths: Paths, name: str, change: Change) -> None:
    """Change a register below governance/."""
    file = paths.governance / name
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def judge(paths: Paths, *controls: str, duties: bool = True) -> None:
    """Record that these controls apply, the first from a day to come, and a duty of the first."""
    verdicts: dict[str, Any] = {name: {"verdict": "required now"} for name in controls}
    verdicts[controls[0]] = {"verdict": "required by", "by": "2027-12-02", "duties": ["EUAIA-11"]}
    duty = {"applies": duties, "cite": "Art. 11", "binding": True, "verified": "recall"}
    record = {
        "controls": verdicts,
        "tier": {"inherent": "high"},
        "requirements": {"EUAIA-11": duty},
    }
    (paths.governance / "applicability.json").write_text(json.dumps(record))


def said(paths: Paths, name: str) -> str:
    """One document, as the registers have it now."""
    return dossier.texts(paths)[f"docs/governance/{name}.md"]


def test_this_project_writes_its_documents_and_the_same_each_time(written: Paths) -> None:
    """All of them, for nothing says yet which are due; what lies there is what was written."""
    names = dossier.write(written)
    assert names == sorted([*(one.path for one in dossier.DOCUMENTS), "docs/governance/README.md"])
    before = {name: (written.root / name).read_bytes() for name in [*names, dossier.RECORD]}
    assert dossier.differences(written) == []
    dossier.write(written)
    assert {name: (written.root / name).read_bytes() for name in before} == before
    record = json.loads(before[dossier.RECORD])
    assert sorted(record["documents"]) == names
    assert record["inputs"]["governance/scope.yaml"].startswith("sha256:")
    assert b"not assessed" in before["docs/governance/system-card.md"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (SCOPE, lambda d: d["use"].update(necessity=" "), "`use.necessity` is empty"),
        (SCOPE, lambda d: d["use"].update(harm="To be decided"), "`use.harm` is empty or a"),
        (SCOPE, lambda d: d["threats"][0].pop("answer"), "`threats: answer` is empty"),
        (SCOPE, lambda d: d["foreseeable_misuse"].append(""), "`foreseeable_misuse` is empty"),
        (SCOPE, lambda d: d["oversight"].pop("fallback"), "`oversight.fallback` is empty"),
        (
            SCOPE,
            lambda d: d.pop("foreseeable_misuse"),
            "`foreseeable_misuse` names nothing",
        ),
        (WORDS, lambda d: d.update(lifetime=None), "`lifetime` is empty"),
        (WORDS, lambda d: d["validation"].clear(), "`validation.scope` is empty"),
        (WORDS, lambda d: d["change"].update(declared="small"), "is one of minor, material"),
        (RISKS, lambda d: d["risks"][0].update(harm=None), "`risks: harm` is empty"),
        (RISKS, lambda d: d["risks"][0].update(cause="wrong in 7.7% of cases"), "says 7.7"),
        (SCOPE, lambda d: d["use"].update(people="right in 99 %"), "says 9 %: put"),
        (SCOPE, lambda d: d["use"].update(people="right in 95 percent"), "says 5 percent: put"),
        (SCOPE, lambda d: d["use"].update(people="right in 95&#37;"), "says 5%: put"),
        (SCOPE, lambda d: d["use"].update(people="AUC of .99, or 99,9"), "says .99: put"),
        (SCOPE, lambda d: d["told"][0].update(text="AUC 0.8123"), "says 0.8123: put"),
        (SCOPE, lambda d: d["use"].update(people="${evaluation:none}"), "read no evidence/eval"),
        (SCOPE, lambda d: d["use"].update(people="${monitoring:x}"), "read no evidence/monitoring"),
        (SCOPE, lambda d: d.update(out_of_scope=[]), "`out_of_scope` names nothing"),
        (WORDS, lambda d: d.update(lifetime="To be determined"), "`lifetime` is empty or a"),
        (WORDS, lambda d: d["change"].update(classes={"material": [""]}), "is no list of paths"),
        (WORDS, lambda d: d["change"].update(classes={"minor": ["../*"]}), "is no list of paths"),
        (WORDS, lambda d: d["change"].update(classes={"small": []}), "has patterns for minor, "),
        (WORDS, lambda d: d["change"].update(classes=5), "has patterns for minor, "),
    ],
)
def test_an_empty_text_or_an_unknown_figure_stops_the_documents(
    written: Paths, name: str, change: Change, message: str
) -> None:
    """It names the file and the text; what was written before stays."""
    dossier.write(written)
    alter(written, name, change)
    with pytest.raises(DossierRefused, match=f".*{message}"):
        dossier.write(written)
    assert (written.root / dossier.RECORD).exists()
    assert [one.hint for one in governance.check_documents(written)] == ["then `make documents`"]


def test_figures_come_from_evidence(written: Paths) -> None:
    """By their place there, as in the card; whole numbers and versions may be typed."""
    written.evidence.mkdir()
    evidence.write(written, "evaluation", CONTENT, [])
    evidence.write(written, "model", {"version": "m-1", "model": "sha256:1", "facts": {"n": 2}}, [])
    words = "AUC ${evaluation:results[metric=auc,slice=all].value} on 5,005 rows, v1.2.3, Art. 6(1)"
    alter(written, SCOPE, lambda d: d["use"].update(people=words))
    assert "| auc | all | 0.812 | none |" in said(written, "instructions-for-use")
    assert "| version | m-1 |" in said(written, "validation-report")
    text = said(written, "impact-assessment")
    assert "AUC 0.812 on 5,005 rows, v1.2.3, Art. 6(1)" in text


def test_words_are_no_markup(written: Paths) -> None:
    """A text opens no comment, heading, link or column of a table."""
    words = "# Approved <!-- [by](http://x) | all"
    alter(written, SCOPE, lambda d: d["use"].update(people=words))
    alter(written, RISKS, lambda d: d["risks"][0].update(title=words))
    escaped = "\\# Approved &lt;!-- \\[by\\](http://x) "
    assert f"\n{escaped}| all\n" in said(written, "impact-assessment")
    assert f"| {escaped}\\| all |" in said(written, "risk-register")


def test_what_others_wrote_is_left_where_it_is(written: Paths) -> None:
    """It is a finding; a document that is no longer due goes unless somebody changed it."""
    dossier.write(written)
    folder = written.root / "docs/governance"
    (folder / "minutes.md").write_text("ours\n")
    (folder / "notices.md").write_text("changed\n")
    judge(written, "GOV-01")
    dossier.write(written)
    assert sorted(file.name for file in folder.glob("*.md")) == [
        "README.md",
        "minutes.md",
        "notices.md",
        "system-card.md",
    ]
    found = [(one.subject, one.message) for one in governance.check_documents(written)]
    left = "it is none that is due: move it"
    assert found == [(f"docs/governance/{name}.md", left) for name in ("minutes", "notices")]


def test_documents_are_written_into_no_other_folder(written: Paths, tmp_path: Path) -> None:
    """Not through a link, and not where a file lies."""
    (tmp_path / "elsewhere").mkdir()
    (written.root / "docs/governance").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DossierRefused, match="docs/governance: it is no folder of its own"):
        dossier.write(written)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_only_documents_that_are_due_are_written(written: Paths) -> None:
    """Those whose control and duty apply; one that no longer is goes."""
    dossier.write(written)
    judge(written, "MOD-01", "GOV-01")
    base = ["docs/governance/README.md", "docs/governance/system-card.md"]
    assert dossier.write(written) == [*base, "docs/governance/technical-file.md"]
    assert sorted(written.root.glob("docs/governance/*.md")) == [
        written.root / name for name in [*base, "docs/governance/technical-file.md"]
    ]
    text = said(written, "technical-file")
    assert (
        "Control MOD-01: required by 2027-12-02. Asked for by EUAIA-11, Art. 11 (recall)." in text
    )
    assert "| EUAIA-11 | Art. 11 | yes | none | recall |" in said(written, "system-card")
    judge(written, "MOD-01", "GOV-01", duties=False)
    assert dossier.write(written) == base
    assert "no: EUAIA-11 does not apply" in (written.root / base[0]).read_text()


def test_a_release_is_classed_by_what_changed(written: Paths) -> None:
    """At least as high as its files make it; a first one is new as a whole."""
    assert "Nothing was released before." in said(written, "change-record")
    alter(written, WORDS, lambda d: d["change"].update(declared="minor", why="It is smaller."))
    with pytest.raises(DossierRefused, match="minor, and the first release makes it substantial"):
        dossier.texts(written)
    alter(written, WORDS, lambda d: d["change"].update(declared="substantial", why="It is."))
    dossier.remember(written)
    alter(written, WORDS, lambda d: d["change"].update(declared="minor", why="Less."))
    text = said(written, "change-record")
    assert "at least minor" in text
    assert "| declared | substantial |\n| why | It is. |" in text
    alter(written, WORDS, lambda d: d["change"].update(classes={"substantial": ["ops/*.yaml"]}))
    (written.ops / "audit.yaml").write_text("sinks: [file]\n")
    with pytest.raises(DossierRefused, match=r"minor, and ops/audit.yaml makes it substantial"):
        dossier.texts(written)
    alter(written, WORDS, lambda d: d["change"].update(classes={}))
    code = written.root / "src/x/score.py"
    code.parent.mkdir(parents=True)
    code.write_text("")
    with pytest.raises(DossierRefused, match=r"minor, and src/x/score.py makes it material"):
        dossier.texts(written)
    code.unlink()
    alter(written, RISKS, lambda d: d["risks"].pop())
    with pytest.raises(DossierRefused, match=r"minor, and governance/risk.* makes it material"):
        dossier.texts(written)
    alter(written, SCOPE, lambda d: d["out_of_scope"].append("the moon"))
    alter(written, WORDS, lambda d: d["change"].update(declared="substantial"))
    text = said(written, "change-record")
    first = text.index("| governance/scope.yaml | substantial |")
    assert first < text.index("| governance/risk-assessment.yaml | material |")


def test_each_supplier_has_its_terms(written: Paths) -> None:
    """A service of another firm is named in both registers."""
    row = {"name": "maker", "purpose": "model", "owner": "procurement", "outside": True}
    (written.governance / "dependencies.yaml").write_text(yaml.safe_dump({"services": [row]}))
    alter(written, WORDS, lambda d: d.update(suppliers=[]))
    with pytest.raises(DossierRefused, match="`suppliers` says nothing of maker"):
        dossier.texts(written)
    told = dict.fromkeys(("terms", "data", "changes", "leaving"), "In the contract.")
    alter(written, WORDS, lambda d: d.update(suppliers=[{"name": "maker", **told}]))
    assert "| maker | In the contract. |" in said(written, "supplier-file")


def test_retention_and_clocks_that_law_asks_for_are_shown(written: Paths) -> None:
    """As the record of what applies has them."""
    judge(written, "AUD-03", "INC-01")
    record = json.loads((written.governance / "applicability.json").read_text())
    kept = {"record": "decisions", "minimum_days": 762, "cites": ["Reg. B"], "verified": "recall"}
    deadlines = [
        {"what": "first notice", "within": "4 hours", "from": "classification"},
        {"what": "last", "within": "30 days"},
    ]
    clock = {
        "regime": "DORA",
        "from": "awareness",
        "deadlines": deadlines,
        "recipient": "authority",
    }
    record |= {"retention": [kept], "clocks": [clock]}
    (written.governance / "applicability.json").write_text(json.dumps(record))
    line = "| decisions | 762 | none | none | Reg. B | none | recall |"
    assert line in said(written, "retention-schedule")
    times = "first notice: 4 hours from classification; last: 30 days from awareness"
    assert f"| {times} | DORA | awareness | authority |" in said(written, "incident-plan")


def test_a_document_that_was_changed_or_removed_is_found(written: Paths) -> None:
    """Byte for byte: it is not what its sources say."""
    dossier.write(written)
    assert governance.check_documents(written) == []
    card, plan = (
        written.root / f"docs/governance/{name}.md" for name in ("notices", "threat-model")
    )
    card.write_text(card.read_text() + "\n")
    plan.unlink()
    found = [(one.subject, one.message) for one in governance.check_documents(written)]
    assert found == [
        ("docs/governance/notices.md", "it is not what its sources say"),
        ("docs/governance/threat-model.md", "it is due, and not there"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (WORDS, "a: [1", "governance/dossier.yaml, line 1: "),
        (SCOPE, "[]", "governance/scope.yaml: it is missing, or no mapping"),
        (SCOPE, None, "governance/scope.yaml: it is missing, or no mapping"),
        ("applicability.json", "{", "governance/applicability.json: "),
        ("applicability.json", "[" * 99999, "governance/applicability.json: "),
        (RISKS, "risks: [5, {controls: &a [*a]}]", "governance/risk-assessment.yaml: "),
    ],
)
def test_the_commands_of_the_documents_say_what_is_wrong(
    written: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str | None,
    message: str,
) -> None:
    """One line on a register that cannot be read; else what was written."""
    monkeypatch.setenv("PROJECT_ROOT", str(written.root))
    assert dossier.main() == 0
    assert capsys.readouterr().out.endswith(" documents to docs/governance/\n")
    file = written.governance / name
    file.unlink() if text is None else file.write_text(text)
    assert dossier.main() == 1
    said = capsys.readouterr().err
    assert said.startswith(f"no documents: {message}") and said.count("\n") == 1


def test_who_approves_the_register_accepts_its_risks() -> None:
    """Until the approval runs out; a review that a risk names itself is kept all the same."""
    risk = {"id": "R1", "owner": "team", "inherent": "low", "accepted_by": None, "review_by": None}
    assert governance.check_risks({"risks": [risk]}, TODAY, accepted=True) == []
    late = {**risk, "review_by": date(2026, 5, 31)}
    found = governance.check_risks({"risks": [late]}, TODAY, accepted=True)
    assert [one.message for one in found] == ["the review was due on 2026-05-31"]


def test_only_a_release_is_remembered(
    written: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While something stands in the way there is none."""
    monkeypatch.setenv("PROJECT_ROOT", str(written.root))
    assert governance.main(["released"]) == 1
    assert not (written.root / dossier.RELEASED).exists()
    monkeypatch.setattr(governance, "release_findings", lambda *_: [])
    capsys.readouterr()
    assert governance.main(["released"]) == 0
    assert capsys.readouterr().out.startswith("wrote governance/released.json: commit it")
    told = json.loads((written.root / dossier.RELEASED).read_text())
    assert told["files"].keys() >= {"governance/scope.yaml", "governance/facts.yaml"}


@pytest.mark.parametrize(
    ("facts", "tier"),
    [
        ({}, "low"),
        ({"effect": "significant", "genai": True}, "medium"),
        ({"effect": "legal_or_similar", "autonomy": "full"}, "critical"),
        (
            {
                "effect": "legal_or_similar",
                "affects": ["patients", "children"],
                "personal_data": "special_category",
                "persons_per_year": 1000,
            },
            "high",
        ),
    ],
)
def test_a_record_lowers_no_tier(paths: Paths, facts: dict[str, Any], tier: str) -> None:
    """The facts give a least one; whoever approves them has read them."""
    (paths.governance / "facts.yaml").write_text(yaml.safe_dump({"facts": facts}))
    (paths.root / governance.RECORD).write_text('{"tier": {"inherent": "low"}}')
    assert governance._tier(paths) == tier


@pytest.mark.parametrize("other", ["1@example.org.", ".1@example.org", "1@example", "1@-"])
def test_an_address_has_one_spelling(paths: Paths, other: str) -> None:
    """What is none approves nothing; what follows a plus makes no other person."""
    register = yaml.safe_load((paths.governance / "approvals.yaml").read_text())
    register["approvals"][0]["approver"] = other
    save(paths, register)
    assert messages(paths)[0] == "approval 1 has no valid approver"
    register["approvals"][0]["approver"] = "1+x@EXAMPLE.org"
    save(paths, register)
    assert messages(paths) == ["1@example.org approved in two roles"]


def test_who_wrote_under_another_name_or_with_another_is_an_author(tmp_path: Path) -> None:
    """A draft that was renamed keeps its author, and a co-author is one."""
    (tmp_path / "draft.yaml").write_text("a: 1\nb: 2\nc: 3\n")
    message = "s\n\nCo-authored-by: L <l@x.org>"
    for mail, *command in (
        ("risk@example.org", "init", "-q"),
        ("risk@example.org", "add", "draft.yaml"),
        ("risk@example.org", "commit", "-qm", "draft"),
        ("team@example.org", "mv", "draft.yaml", "scope.yaml"),
        ("team@example.org", "commit", "-qm", message),
    ):
        who = ["-c", "user.name=a", "-c", "commit.gpgsign=false", "-c", f"user.email={mail}"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *command], check=True)
    found = governance.committers(tmp_path)("scope.yaml")
    assert found == {"risk@example.org", "team@example.org", "l@x.org"}


def test_a_finding_prints_no_control_characters() -> None:
    """A register cannot forge a line of the output."""
    told = str(governance.Finding("risk R1\nnothing stands in the way", "\x1b[2K", "h"))
    assert told == "risk R1?nothing stands in the way: ?[2K\n  hint: h"


@pytest.mark.parametrize("status", ["development", None])
def test_production_is_said_before_it_begins(paths: Paths, status: str | None) -> None:
    """More is asked of a system that people meet: literacy, and texts that counsel has seen."""
    message = f"`status` is {status}, and this is production"
    assert [one.message for one in governance.check_status({"status": status})] == [message]
    assert governance.check_status({"status": "production"}) == []
