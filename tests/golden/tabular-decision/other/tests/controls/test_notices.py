"""People are told why, in time, in words that may be told; and what was told is on record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from sme_loans.controls import evidence, notices
from sme_loans.controls.audit import AuditLog, EventType, Privacy, read_events
from sme_loans.controls.notices import NoticeRefused
from sme_loans.controls.paths import Paths

DAY = date(2026, 3, 2)
ID, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
REASONS = [
    {"code": "R9", "text": "Debt is high compared with income", "contribution": 1.4},
    {"code": "R8", "text": "Payments were late last year", "contribution": 0.3},
]


def log(
    paths: Paths,
    type: EventType,
    at: str = "2026-03-02T10:00:00",
    writer: str = "service",
    **data: Any,
) -> None:
    """Record an event at a time of the past."""
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    file = paths.audit / f"{writer}.jsonl"
    with AuditLog(file, "/systems/x", Privacy(b"k" * 32), clock=lambda: moment) as opened:
        opened.record(type, "applicant 17", data)


def decline(paths: Paths, name: str = ID, at: str = "2026-03-02T10:00:00", **more: Any) -> None:
    """A decision that somebody has to be told of."""
    data = {"decision_id": name, "outcome": "decline", "reasons": REASONS, **more}
    log(paths, EventType.DECISION, at, **data)


def override(paths: Paths, to: str, at: str, was: str = "decline") -> None:
    """A person decides otherwise."""
    log(
        paths, EventType.OVERRIDE, at, decision_id=ID, to=to, reason="looked at it", **{"from": was}
    )


def change(paths: Paths, edit: Callable[[Any], object], name: str = "notices.yaml") -> None:
    """Change a file of governance/."""
    file = paths.governance / name
    content = yaml.safe_load(file.read_text("utf-8"))
    edit(content)
    file.write_text(yaml.safe_dump(content), "utf-8")


def live_in(paths: Paths, *places: str) -> None:
    """Say where the people live."""
    change(paths, lambda stated: stated["facts"].update(jurisdictions=list(places)), "facts.yaml")


def no_report(paths: Paths) -> None:
    """Say that no consumer report was used."""
    change(paths, lambda content: content["conditions"].update(consumer_report=False))


def sign(paths: Paths) -> None:
    """Counsel reviews the texts."""
    signed = {"reviewed_by": "counsel@example.org", "reviewed_on": DAY}
    change(paths, lambda content: content.update(signed))


def due(paths: Paths, today: date = DAY) -> list[tuple[str, int]]:
    """Ids with the days that are left."""
    return [(one.case.id, one.days_left) for one in notices.waiting(paths, today)]


def test_a_decline_waits_for_its_notice(project: Paths) -> None:
    """Thirty days from the decision; what was approved or rehearsed waits for nothing."""
    decline(project)
    log(project, EventType.DECISION, decision_id="a", outcome="approve", reasons=[])
    log(project, EventType.DECISION, outcome="decline", reasons=REASONS, rehearsal=True)
    assert due(project) == [(ID, 30)]
    assert due(project, date(2026, 4, 2)) == [(ID, -1)]
    assert "OVERDUE, due 2026-04-01, decided 2026-03-02" in str(
        notices.waiting(project, date(2026, 4, 2))[0]
    )


def test_a_decision_without_an_id_waits_too(project: Paths) -> None:
    """It is known by the id of its event, and can be told."""
    log(project, EventType.DECISION, outcome="decline", reasons=REASONS)
    (event,) = read_events(project.audit / "service.jsonl")
    assert due(project) == [(event["id"], 30)]
    notices.sent(project, event["id"], "EU", (), "letter", "ann@example.org")
    assert due(project) == []


def test_a_referral_is_open_until_a_person_settles_it(project: Paths) -> None:
    """Also one that a person made of a decline; there is nothing to tell before."""
    decline(project)
    override(project, "refer", "2026-03-03T10:00:00")
    assert due(project) == [(ID, 30)]
    assert "referred, nobody has settled it" in str(notices.waiting(project, DAY)[0])
    with pytest.raises(NoticeRefused, match="a person has to settle it first"):
        notices.text(project, ID, "EU")
    override(project, "approve", "2026-03-04T10:00:00", "refer")
    assert due(project) == []


def test_the_most_urgent_comes_first(project: Paths) -> None:
    """Whatever the order in the logs."""
    decline(project, OTHER, "2026-03-05T10:00:00")
    decline(project, ID, "2026-03-01T10:00:00", writer="batch")
    assert due(project, date(2026, 3, 6)) == [(ID, 25), (OTHER, 29)]


def test_a_person_who_declines_does_not_restart_the_clock(project: Paths) -> None:
    """The application came in with the first decision; an approval ends the wait."""
    log(project, EventType.DECISION, decision_id=ID, outcome="refer", reasons=REASONS)
    override(project, "decline", "2026-03-20T10:00:00", "refer")
    assert due(project, date(2026, 3, 20)) == [(ID, 12)]
    override(project, "approve", "2026-03-21T10:00:00")
    assert due(project, date(2026, 3, 21)) == []


def test_the_shortest_clock_that_may_run_counts(project: Paths) -> None:
    """Of the places that are stated, and of all known ones before that; without one the house's."""
    change(project, lambda c: c["regimes"]["EU-GDPR-22"].update(days=10))
    decline(project)
    assert due(project) == [(ID, 10)]
    live_in(project, "US", "UK")
    assert due(project) == [(ID, 30)]
    live_in(project, "UK")
    change(project, lambda c: c.update(house_days=7))
    assert due(project) == [(ID, 7)]


def test_the_text_gives_the_reasons_of_the_record(project: Paths) -> None:
    """In their order, with what the place adds; the same for the same; a draft until signed."""
    decline(project)
    notice = notices.text(project, ID, "EU")
    assert notice == notices.text(project, ID, "EU")
    assert notice.startswith("DRAFT: no counsel has reviewed this text")
    assert "1. Debt is high compared with income\n2. Payments were late last year" in notice
    assert f"Decision {ID} of 2026-03-02" in notice
    assert "review it, say how you see it, and contest it" in notice
    assert "$" not in notice and "1.4" not in notice
    sign(project)
    assert "DRAFT" not in notices.text(project, ID, "EU")


def test_each_place_has_its_own_text(project: Paths) -> None:
    """Every jurisdiction that facts.yaml may name, and only what holds on the day."""
    no_report(project)
    decline(project)
    decline(project, OTHER, "2029-01-02T10:00:00", writer="later")
    texts = {p: notices.text(project, ID, p) for p in ("EU", "IN", "SG", "UK", "US", "US-CO")}
    assert texts["US"] == texts["US-CO"] and texts["SG"] == texts["UK"]
    assert len(set(texts.values())) == 4
    later = notices.text(project, OTHER, "US-CO")
    assert "reviewed by a person who may change it" in later
    assert "reviewed by a person who may change it" not in texts["US-CO"]
    assert "part that the system had in it" in notices.text(project, OTHER, "EU")


def test_a_report_of_an_agency_is_told(project: Paths) -> None:
    """While nobody has answered it counts as used: without its words there is no notice."""
    decline(project)
    with pytest.raises(NoticeRefused, match="'agency' is not known: answer it"):
        notices.text(project, ID, "US")
    told = {"agency": "An agency, 1 Street", "score": "A score of 600.", "agency_rights": "Rights."}
    change(project, lambda content: content["words"].update(told))
    assert all(words in notices.text(project, ID, "US") for words in told.values())
    no_report(project)
    assert "An agency" not in notices.text(project, ID, "US")


@pytest.mark.parametrize(
    ("reasons", "says"),
    [
        ([], "0 reasons: a notice gives one to 4"),
        ([{**REASONS[0], "code": f"R{i}"} for i in range(5)], "5 reasons"),
        ([{**REASONS[0], "text": "Score"}], "is not specific"),
    ],
)
def test_reasons_are_few_and_specific(project: Paths, reasons: list[Any], says: str) -> None:
    """Neither none, nor all that a model knows, nor one word."""
    decline(project, reasons=reasons)
    with pytest.raises(NoticeRefused, match=says):
        notices.text(project, ID, "EU")


def test_no_protected_attribute_is_a_reason(project: Paths) -> None:
    """Whatever a model says; a longer word that holds it is none."""
    agreed = {
        "apiVersion": "v3.1.0", "id": "c", "version": "1", "team": {"name": "t"},
        "slaProperties": [{"property": "retention", "value": 1, "unit": "y"}],
        "schema": [{"name": "people", "properties": [{
            "name": "age", "logicalType": "integer", "description": "years",
            "classification": "restricted",
            "customProperties": [{"property": "protected", "value": True}],
        }]}],
    }  # fmt: skip
    (project.contracts / "people.odcs.yaml").write_text(yaml.safe_dump(agreed))
    decline(project, reasons=[{**REASONS[0], "text": "The average debt is high"}])
    assert "average debt" in notices.text(project, ID, "EU")
    decline(project, OTHER, reasons=[{**REASONS[0], "text": "The Age is too low"}])
    with pytest.raises(NoticeRefused, match="names what is protected: age"):
        notices.text(project, OTHER, "EU")


def test_a_person_who_declines_names_the_reasons(project: Paths) -> None:
    """By the codes that the registry knows; the model's own reasons are not theirs."""
    rows = [{"code": "R1", "reason": "Income is low for this"}, {"code": "R2", "reason": "No job"}]
    evidence.write(project, "features", {"registry": {"features": rows}}, [])
    log(project, EventType.DECISION, decision_id=ID, outcome="refer", reasons=REASONS)
    with pytest.raises(NoticeRefused, match="is referred: a person has to settle it"):
        notices.text(project, ID, "EU")
    override(project, "decline", "2026-03-03T10:00:00", "refer")
    with pytest.raises(NoticeRefused, match="name the reasons by `--codes`"):
        notices.text(project, ID, "EU")
    with pytest.raises(NoticeRefused, match="no reason has the code R7"):
        notices.text(project, ID, "EU", ["R7"])
    notice = notices.text(project, ID, "EU", ["R1"])
    assert "1. Income is low for this" in notice and "Debt" not in notice
    decline(project, OTHER, writer="other")
    with pytest.raises(NoticeRefused, match="the model decided: its reasons stand"):
        notices.text(project, OTHER, "EU", ["R1"])


def test_what_was_sent_is_on_record(project: Paths) -> None:
    """Once; about the same pseudonym; with the digest of the text, and late if it was."""
    decline(project)
    told = (project, ID, "EU", (), "letter", "ann@example.org")
    assert notices.sent(*told) is False
    assert due(project) == []
    (event,) = read_events(project.audit / "notices.jsonl")
    (decision,) = read_events(project.audit / "service.jsonl")
    assert (event["type"], event["subject"]) == (EventType.NOTICE, decision["subject"])
    data = event["data"]
    assert (data["reasons"], data["due"], data["reviewed"]) == (["R9", "R8"], "2026-04-01", False)
    assert data["regimes"] == ["EU-GDPR-22", "EU-GDPR-15"]
    assert data["text"].startswith("sha256:") and "ann@" not in json.dumps(event)
    with pytest.raises(NoticeRefused, match=f"the person was told of {ID} already"):
        notices.sent(*told)


def test_in_production_no_draft_is_sent(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counsel signs first."""
    decline(project)
    monkeypatch.setenv("ENVIRONMENT", "Production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    told = (project, ID, "EU", (), "letter", "ann@example.org")
    with pytest.raises(NoticeRefused, match="the text is a draft"):
        notices.sent(*told)
    sign(project)
    notices.sent(*told)
    assert due(project) == []


@pytest.mark.parametrize("places", [["Mars"], ["EU", "USA"], "EU", {"EU": True}, [["EU"]]])
def test_a_place_without_a_regime_is_refused(project: Paths, places: object) -> None:
    """Else nobody would know what people there are told."""
    decline(project)
    change(project, lambda stated: stated["facts"].update(jurisdictions=places), "facts.yaml")
    with pytest.raises(NoticeRefused, match="give a list of EU, IN"):
        notices.waiting(project, DAY)


def test_who_is_declined_again_is_told_again(project: Paths) -> None:
    """A notice speaks of the outcome of its time."""
    decline(project)
    log(project, EventType.NOTICE, "2026-03-03T10:00:00", "notices", decision_id=ID)
    override(project, "approve", "2026-03-04T10:00:00")
    override(project, "approve", "2026-03-04T11:00:00", "approve")
    assert due(project) == []
    override(project, "decline", "2026-03-05T10:00:00", "approve")
    assert due(project) == [(ID, 30)]


def test_old_notices_raise_an_alert(project: Paths) -> None:
    """By the plan's own limit, with the owner and the section of the playbook as labels."""
    decline(project)

    def metrics(today: date) -> list[str]:
        notices.watch(project, today, "s")
        return (project.metrics / "notices.prom").read_text().splitlines()

    quiet, alarm = metrics(date(2026, 3, 20)), metrics(date(2026, 4, 2))
    breached = [line for line in alarm if line.startswith("monitoring_breached{")]
    assert breached[0].endswith(" 1.0") and 'runbook="ops/playbook.md#notices"' in breached[0]
    assert breached[0].replace(" 1.0", " 0.0") in quiet
    assert {'notices_open{system="s"} 1.0', 'notices_overdue{system="s"} 1.0'} <= set(alarm)
    assert 'notices_overdue{system="s"} 0.0' in quiet


def test_the_commands(
    project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`open` fails while one is overdue; a refusal is a sentence."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    assert notices.main(["open"]) == 0
    decline(project)
    assert notices.main(["open"]) == 1
    assert "OVERDUE" in capsys.readouterr().out
    assert notices.main(["text", ID, "--jurisdiction", "EU"]) == 0
    assert "principal reasons" in capsys.readouterr().out
    for wrong in (["text", ID, "--jurisdiction", "MARS"], ["text", OTHER, "--jurisdiction", "EU"]):
        assert notices.main(wrong) == 1
    assert "MARS is none of EU, IN" in capsys.readouterr().err
    done = ["sent", ID, "--jurisdiction", "EU", "--channel", "letter", "--actor", "a@example.org"]
    assert notices.main(done) == 0
    assert "recorded, LATE" in capsys.readouterr().out
    assert notices.main(["open"]) == 0


def test_settings_that_cannot_be_used_are_refused(project: Paths, tmp_path: Path) -> None:
    """A regime without its date, a condition that nobody asks, a signature of nobody, no regime."""
    file = project.governance / "notices.yaml"
    sound = file.read_text("utf-8")
    for edit, says in (
        (lambda c: c["regimes"]["US-ECOA"].update(applies_from="soon"), "US-ECOA: give `where`"),
        (lambda c: c["regimes"]["US-ECOA"].update(applies_from=DAY, only_if="x"), "no such cond"),
        (lambda c: c.update(reviewed_by="yes", reviewed_on=DAY), "`reviewed_by` is an address"),
        (lambda c: c.update(reviewed_by="c@example.org", reviewed_on=None), "the date of the rev"),
        (lambda c: c.pop("regimes"), "regimes"),
    ):
        file.write_text(sound)
        change(project, edit)
        with pytest.raises(NoticeRefused, match=says):
            notices.load(project)


def test_every_rule_says_how_far_it_was_checked(project: Paths) -> None:
    """And nobody has signed at birth: counsel does."""
    rules = notices.load(project)
    assert all(one.cite and one.verified and one.text for one in rules.regimes)


def test_the_metrics_name_this_system(project: Paths) -> None:
    """Also where the module is run as a command."""
    command = [sys.executable, "-m", "sme_loans.controls.notices", "open"]
    here = {**os.environ, "PROJECT_ROOT": str(project.root)}
    subprocess.run(command, env=here, check=True, capture_output=True)
    shown = (project.metrics / "notices.prom").read_text()
    assert 'system="sme_loans"' in shown


@pytest.mark.parametrize("content", ["", "[]", "{}", "a: ["])
def test_a_broken_file_is_refused_by_name(
    project: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
) -> None:
    """Of the facts and of the monitoring plan: which file it is stands in a sentence."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    for file in (project.ops / "monitoring.yaml", project.governance / "facts.yaml"):
        file.write_text(content)
        assert notices.main(["open"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("open: ") and file.name in said.split(": ")[1]
