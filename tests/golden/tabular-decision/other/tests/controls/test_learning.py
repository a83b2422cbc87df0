"""What people learn is what this system is, and a record of it holds only while it does."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from sme_loans.controls import curriculum, learning
from sme_loans.controls.audit import EventType, open_log, read_events
from sme_loans.controls.paths import Paths

TODAY = date(2026, 3, 2)
YEAR = timedelta(days=365)
LETTERS = "abcd"
ROLES = [
    "executive", "business owner", "product manager", "builder", "validator",
    "operations", "overseer", "compliance", "auditor",
]  # fmt: skip


def right(paths: Paths, role: str) -> list[str]:
    """The letters of the right answers."""
    asked = curriculum.load(paths).packs[role].questions
    return [LETTERS[one.options().index(one.answer)] for one in asked]


def pass_quiz(paths: Paths, role: str, person: str = "ann@example.org", on: date = TODAY) -> None:
    """Somebody knows all of it."""
    learning.quiz(paths, role, person, right(paths, role), on)


def do(paths: Paths, name: str, person: str = "ann@example.org", on: date = TODAY) -> None:
    """Somebody does a checkpoint that leaves its event."""
    learning.done(paths, name, person, "bob@example.org", left(paths, name), on)


def left(paths: Paths, name: str) -> str:
    """The id of the event that a checkpoint leaves."""
    kind = EventType[curriculum.load(paths).checkpoints[name].events[0].upper()]
    with open_log(paths, "operations") as log:
        return log.record(kind, "x", {}).id


def edit(file: Path, change: Callable[[str], str]) -> None:
    """Change the text of a file."""
    before = file.read_text("utf-8")
    assert change(before) != before
    file.write_text(change(before), "utf-8")


def said(paths: Paths, on: date = TODAY) -> str:
    """All findings as text."""
    return "\n".join(map(str, learning.findings(paths, on)))


def test_every_role_learns_and_is_asked(project: Paths) -> None:
    """Four questions at least, each with its right answer once, and with wrong ones."""
    packs = curriculum.load(project).packs
    assert list(packs) == ROLES
    for pack in packs.values():
        assert len(pack.questions) >= 4, pack.role
        for one in pack.questions:
            assert one.options().count(one.answer) == 1
            assert 2 <= len(set(one.options())) == len(one.options()) <= 4, one.text


def test_the_right_answer_is_not_always_in_the_same_place(project: Paths) -> None:
    """Nobody passes with one letter."""
    for role in ROLES:
        letters = right(project, role)
        assert max(letters.count(one) for one in LETTERS) < 0.8 * len(letters), role


def test_packs_are_made_from_the_files(project: Paths) -> None:
    """The same twice; and the switch, the owner and the misuse of this very system are in them."""
    assert learning.write_packs(project) == [role.replace(" ", "-") + ".md" for role in ROLES]
    folder = project.var / "learn"
    first = {file.name: file.read_bytes() for file in folder.iterdir()}
    learning.write_packs(project)
    assert first == {file.name: file.read_bytes() for file in folder.iterdir()}
    assert b"sme_loans.controls.switch stop" in first["operations.md"]
    system = yaml.safe_load((project.governance / "system.yaml").read_text())
    assert system["risk_owner"] in first["executive.md"].decode()
    scope = yaml.safe_load((project.governance / "scope.yaml").read_text())
    assert scope["foreseeable_misuse"][0] in first["overseer.md"].decode()


@pytest.mark.parametrize("answer", [None, [], "absent"])
def test_a_fact_that_nobody_answered_is_taught_as_that(project: Paths, answer: object) -> None:
    """The pack says so and asks nothing about it; it needs no file either."""
    file = project.governance / "facts.yaml"
    document = yaml.safe_load(file.read_text())
    document["facts"] = dict.fromkeys(document["facts"], answer)
    file.write_text(yaml.safe_dump(document)) if answer != "absent" else file.unlink()
    (taught,) = [
        topic
        for topic in curriculum.load(project).packs["executive"].topics
        if topic.title == "What it does to people"
    ]
    assert taught.lines[0].count("not stated yet") == 6
    assert "None" not in taught.lines[0] and taught.questions == ()


def test_at_birth_every_role_needs_a_person(
    project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make learn` says so and fails nothing; `check` and `handover` do fail."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    assert learning.main(["packs"]) == 0
    assert capsys.readouterr().out.count("needs a person") == len(ROLES)
    assert (learning.main(["check"]), learning.main(["handover"])) == (1, 1)
    assert "nobody is named to receive it" in capsys.readouterr().out


def test_a_quiz_on_the_command_line(
    project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Letters come from the standard input, capitals too; the score stands in the file."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    letters = "\n".join(right(project, "overseer")).upper()
    monkeypatch.setattr("sys.stdin", io.StringIO(letters))
    assert learning.main(["quiz", "overseer", "--person", "p-17"]) == 0
    assert "passed, 100%" in capsys.readouterr().out
    assert [(e["person"], e["score"]) for e in learning.records(project)] == [("p-17", 1.0)]
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    assert learning.main(["quiz", "overseer", "--person", "p-18"]) == 1
    assert learning.main(["quiz", "visitor", "--person", "p-18"]) == 1
    assert len(learning.records(project)) == 1


def test_a_completion_is_an_event_and_a_line(project: Paths) -> None:
    """Both say who, what and until when; the event knows the person by a pseudonym only."""
    pass_quiz(project, "operations")
    (entry,) = learning.records(project)
    pack = curriculum.load(project).packs["operations"]
    assert (entry["did"], entry["pack"], entry["score"]) == ("quiz", pack.digest, 1.0)
    assert (entry["on"], entry["expires"]) == ("2026-03-02", "2027-03-02")
    (event,) = read_events(project.audit / "learning.jsonl")
    assert (event["id"], event["type"]) == (entry["event"], EventType.LITERACY)
    assert event["subject"].startswith("person:")
    assert "ann@example.org" not in json.dumps(event)
    assert "operations: needs a person" not in said(project)


def test_too_few_right_answers_are_not_recorded(project: Paths) -> None:
    """The message names what to read again, never an answer; nothing is written."""
    wrong = ["x"] * len(right(project, "builder"))
    with pytest.raises(learning.NotRecorded, match="0% right, 80% are needed; read again: ") as why:
        learning.quiz(project, "builder", "ann@example.org", wrong, TODAY)
    assert "What it is for" in str(why.value)
    with pytest.raises(learning.NotRecorded, match="questions, 1 answers"):
        learning.quiz(project, "builder", "ann@example.org", ["a"], TODAY)
    assert learning.records(project) == []


def test_one_wrong_answer_may_be_enough(project: Paths) -> None:
    """Above the pass mark; the share is recorded as it is."""
    letters = ["x", *right(project, "operations")[1:]]
    share, missed = learning.quiz(project, "operations", "ann@example.org", letters, TODAY)
    assert 0.8 <= share < 1 and missed == ["How it is stopped"]
    assert learning.records(project)[0]["score"] == share


def test_a_record_expires(project: Paths) -> None:
    """On the day it holds, a day later it does not, and a new one stands in for it."""
    pass_quiz(project, "auditor")
    assert "auditor" not in said(project, TODAY + YEAR)
    later = TODAY + YEAR + timedelta(days=1)
    assert "the record of ann@example.org expired on 2027-03-02" in said(project, later)
    assert "auditor: needs a person" in said(project, later)
    pass_quiz(project, "auditor", on=later)
    assert "auditor" not in said(project, later)


def test_a_record_goes_stale_when_what_was_learnt_changes(project: Paths) -> None:
    """Another threshold of an alert: for those who learnt it, and for nobody else."""
    for role in ("operations", "overseer"):
        pass_quiz(project, role)
    assert "stale" not in said(project)
    edit(project.ops / "alerts.yml", lambda text: text.replace("for two days", "for three days"))
    text = said(project)
    assert "operations, quiz: the record of ann@example.org is stale" in text
    assert "overseer, quiz" not in text
    assert "operations: needs a person" in text


def test_who_stops_and_who_owns_is_learnt(project: Paths) -> None:
    """A new owner makes stale what those learnt who have to know him."""
    pass_quiz(project, "executive")
    edit(
        project.governance / "system.yaml",
        lambda text: text.replace("risk_owner: ", "risk_owner: new-"),
    )
    assert "executive, quiz: the record of ann@example.org is stale" in said(project)


def test_a_record_typed_by_hand_is_noticed(project: Paths) -> None:
    """Another person, a later end, an event that never was; without the log nothing holds."""
    pass_quiz(project, "overseer")
    file = project.governance / "literacy.yaml"
    sound = file.read_text()
    for old, new in (("ann@", "eve@"), ("score: 1.0", "score: 0.9"), ("event: ", "event: 1")):
        file.write_text(sound.replace(old, new))
        assert "is not what the audit trail says" in said(project)
    file.write_text(sound.replace("2027-03-02", "2029-03-02"))
    assert "has dates that no command wrote" in said(project)
    file.write_text(sound.replace("- person", "- who"))
    with pytest.raises(curriculum.PacksRefused, match="entry 1 is no record"):
        said(project)
    file.write_text(sound)
    (project.audit / "learning.jsonl").unlink()
    assert "ann@example.org is not verified: the log learning.jsonl is not here" in said(project)
    assert "overseer: needs a person" in said(project)


def test_a_checkpoint_needs_a_witness_and_its_event(project: Paths) -> None:
    """The id is one of this trail and of the right kind; words are no event."""
    with open_log(project, "operations") as log:
        stop = log.record(EventType.KILL_SWITCH, "decisions", {"action": "stopped"})
        other = log.record(EventType.DISPOSAL, "records", {})
    ann, bob = "ann@example.org", "bob@example.org"
    with pytest.raises(learning.NotRecorded, match="the witness is another person"):
        learning.done(project, "kill switch", ann, " Ann@example.org", stop.id, TODAY)
    with pytest.raises(learning.NotRecorded, match="say where"):
        learning.done(project, "kill switch", ann, bob, " ", TODAY)
    for strange in (other.id, "00000000-0000-4000-8000-000000000000", "ticket OPS-12"):
        with pytest.raises(learning.NotRecorded, match="no event of kill_switch"):
            learning.done(project, "kill switch", ann, bob, strange, TODAY)
    assert learning.records(project) == []
    learning.done(project, "kill switch", ann, bob, stop.id, TODAY)
    (entry,) = learning.records(project)
    assert (entry["role"], entry["seen"], entry["witness"]) == ("operations", stop.id, bob)
    assert "is not what" not in said(project)


def test_a_deed_counts_for_the_person_who_did_it(project: Paths) -> None:
    """Not for who looked on; an event that is only found may be anybody's."""
    with open_log(project, "operations") as log:
        data = {"action": "stopped", "actor": log.privacy.actor("ann@example.org")}
        stop = log.record(EventType.KILL_SWITCH, "decisions", data)
    with pytest.raises(learning.NotRecorded, match="is the deed of another person"):
        learning.done(project, "kill switch", "eve@x.org", "bob@x.org", stop.id, TODAY)
    learning.done(project, "kill switch", " Ann@example.org", "bob@x.org", stop.id, TODAY)
    learning.done(project, "trail", "eve@x.org", "bob@x.org", stop.id, TODAY)
    assert [entry["did"] for entry in learning.records(project)] == ["kill switch", "trail"]


def test_a_record_without_its_last_newline_goes_on(project: Paths) -> None:
    """Some editors leave it away; the next record begins a line of its own."""
    pass_quiz(project, "overseer")
    edit(project.governance / "literacy.yaml", lambda text: text.rstrip("\n"))
    pass_quiz(project, "auditor")
    assert [entry["role"] for entry in learning.records(project)] == ["overseer", "auditor"]


def test_a_handover_asks_for_people_and_deeds(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each needed role and each checkpoint, by a receiver, in date; others do not count."""
    edit(
        project.docs / "learn" / "packs.yaml",
        lambda text: text.replace("receivers: []", "receivers: [Ann@example.org]"),
    )
    plan = curriculum.load(project)
    for role in plan.needed:
        pass_quiz(project, role, "someone.else@example.org")
    found = learning.handover_findings(project, TODAY)
    assert [one.subject for one in found] == [*plan.needed, *plan.checkpoints]
    for role in plan.needed:
        pass_quiz(project, role)
    for name in plan.checkpoints:
        do(project, name)
    assert learning.handover_findings(project, TODAY) == []
    assert len(learning.handover_findings(project, TODAY + 2 * YEAR)) == len(found)
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    name = next(iter(plan.checkpoints))
    command = ["done", name, "--person", "a", "--witness", "b", "--seen", left(project, name)]
    assert learning.main(command) == 0
    (project.audit / "learning.jsonl").unlink()
    assert len(learning.handover_findings(project, TODAY)) == len(found)


def test_whoever_approves_has_learnt_it(project: Paths) -> None:
    """An approver without a valid quiz in the role of the approval is named."""
    file = project.governance / "approvals.yaml"
    people = "role: independent validation, approver: Val@example.org, author: ann@example.org"
    told = "decision: approved, approved_on: 2026-03-01, expires: 2026-12-31, covers: {}"
    row = "approvals: [{" + f"{people}, {told}" + "}]"
    edit(file, lambda text: text.replace("approvals: []", row))
    pass_quiz(project, "builder", "val@example.org")
    assert "Val@example.org approved without a valid quiz as validator" in said(project)
    pass_quiz(project, "validator", "val@example.org")
    assert "approved without" not in said(project)


def test_a_team_adds_its_own_questions(project: Paths) -> None:
    """They are asked, and they are part of what a record holds for."""
    pass_quiz(project, "overseer")
    packs = project.docs / "learn" / "packs.yaml"
    content = yaml.safe_load(packs.read_text())
    own = {"ask": "Who is on duty?", "answer": "the desk", "wrong": ["nobody"]}
    content["roles"]["overseer"]["questions"] = [own]
    packs.write_text(yaml.safe_dump(content))
    assert "Who is on duty?" in [
        q.text for q in curriculum.load(project).packs["overseer"].questions
    ]
    assert "overseer, quiz: the record of ann@example.org is stale" in said(project)
    letters = [*right(project, "overseer")[:-1], "x"]
    assert learning.quiz(project, "overseer", "p", letters, TODAY)[1] == ["questions of your team"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("topics: [stopping,", "topics: [stoping,", "operations: no such topic: stoping"),
        ("role: auditor", "role: visitor", "no such role: visitor"),
        ("[kill_switch]", "[killswitch]", "kill switch: no such kind of event: killswitch "),
        ("[kill_switch]", "kill_switch", "kill switch: no such kind of event: kill_switch "),
        ("[kill_switch]", "[{a: b}]", "kill switch: no such kind of event: "),
        ("pass_mark: 0.8", "pass_mark: 8", "pass_mark is above 0 and at most 1"),
        ("pass_mark: 0.8", "", "'pass_mark' is missing"),
        ("valid_days: 365", "valid_days: [", "while parsing"),
    ],
)
def test_packs_that_cannot_be_used_are_refused(
    project: Paths, old: str, new: str, says: str
) -> None:
    """The message names the file and what is wrong."""
    edit(project.docs / "learn" / "packs.yaml", lambda text: text.replace(old, new))
    with pytest.raises(curriculum.PacksRefused, match=says) as why:
        curriculum.load(project)
    assert str(why.value).startswith("docs/learn/packs.yaml: ")


@pytest.mark.parametrize(
    "file",
    [
        "governance/approvals.yaml",
        "governance/facts.yaml",
        "governance/system.yaml",
        "ops/audit.yaml",
    ],
)
@pytest.mark.parametrize("text", ["- [", "- a list"])
def test_a_broken_file_is_named(
    project: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    text: str,
) -> None:
    """Whatever is taught is read from files; the one that is broken is the one that is blamed."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    (project.root / file).write_text(text)
    for command in (["check"], ["quiz", "overseer", "--person", "p-1"]):
        assert learning.main(command) == 1
        assert capsys.readouterr().err.startswith(f"{command[0]}: {file}: ")


def test_an_approval_that_is_none_is_left_to_the_release_check(project: Paths) -> None:
    """What governance finds is not found a second time, and stops no other finding."""
    before = said(project)
    approvals = project.governance / "approvals.yaml"
    content = yaml.safe_load(approvals.read_text())
    approvals.write_text(yaml.safe_dump({**content, "approvals": [{"role": "risk"}]}))
    assert said(project) == before


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["quiz", "visitor", "--person", "p-1"], "quiz: no such role: visitor (executive,"),
        (
            ["done", "juggling", "--person", "p-1", "--witness", "p-2", "--seen", "x"],
            "done: no such checkpoint: juggling (",
        ),
    ],
)
def test_a_name_that_is_unknown_is_answered_with_those_there_are(
    project: Paths, capsys: pytest.CaptureFixture[str], command: list[str], says: str
) -> None:
    """Nobody has to look them up."""
    assert learning.main(command) == 1
    assert capsys.readouterr().err.startswith(says)


def test_a_sentence_with_a_colon_is_refused_in_words(project: Paths) -> None:
    """Without quotes YAML takes it for a mapping, and nobody could be asked about it."""
    scope = project.governance / "scope.yaml"
    scope.write_text(scope.read_text().replace("out_of_scope:\n", "out_of_scope:\n  - all: odd\n"))
    with pytest.raises(curriculum.PacksRefused, match="is no text"):
        curriculum.load(project)


def test_a_gone_checkpoint_does_not_count(project: Paths) -> None:
    """Whoever takes a checkpoint out sees whose records were of it."""
    do(project, "trail")
    packs = project.docs / "learn" / "packs.yaml"
    content = yaml.safe_load(packs.read_text())
    del content["checkpoints"]["trail"]
    packs.write_text(yaml.safe_dump(content))
    assert "auditor, trail: the record of ann@example.org is of a checkpoint that is" in said(
        project
    )


def test_the_record_names_its_command(project: Paths) -> None:
    """Also where the module is run as a command, which is how it is run."""
    here = {**os.environ, "PROJECT_ROOT": str(project.root)}
    module = "sme_loans.controls.learning"
    command = [sys.executable, "-m", module, "quiz", "overseer", "--person", "p-17"]
    letters = "\n".join(right(project, "overseer"))
    subprocess.run(command, env=here, input=letters, text=True, check=True)
    text = (project.governance / "literacy.yaml").read_text("utf-8")
    assert "`python -m sme_loans.controls.learning`" in text
