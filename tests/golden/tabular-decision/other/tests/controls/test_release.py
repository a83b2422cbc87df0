"""No decision without its audit event; stopped or failing, a person decides; overrides are kept."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sme_loans.controls.audit import (
    AuditLog,
    AuditUnavailable,
    EventType,
    FileConnector,
    MemoryConnector,
    Privacy,
    read_events,
    verify,
)
from sme_loans.controls.release import (
    Desk,
    Erased,
    Metrics,
    NotReleased,
    RecordChanged,
    UnknownDecision,
    Unreadable,
)
from sme_loans.controls.switch import KillSwitch

SYSTEM = "sme_loans"
ROOT = Path(__file__).parents[2]
REQUEST = "00000000-0000-4000-8000-000000000001"
CASE = {"income": 30000.0, "utilisation": 0.25, "email": "someone@example.org"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class BrokenDisk(FileConnector):
    """A disk that takes nothing."""

    def _append(self, content: bytes) -> None:
        raise OSError(5, "input/output error")


def decide(case: Mapping[str, Any]) -> dict[str, Any]:
    """Declines above half utilisation; fails without it."""
    outcome = "decline" if case["utilisation"] > 0.5 else "approve"
    reasons = [{"code": "R01", "text": "Existing credit lines are drawn to a large part"}]
    return {"outcome": outcome, "probability": 0.125, "reasons": reasons, "model_version": "v1"}


def otherwise(case: Mapping[str, Any]) -> dict[str, Any]:
    """Decides the same, and says another thing."""
    return {**decide(case), "reasons": []}


def make_desk(folder: Path, ledger: type[FileConnector] = FileConnector) -> Desk:
    """A desk with a log of its own."""
    privacy, sinks = Privacy(b"key", frozenset({"email"})), {"memory": MemoryConnector()}
    log = AuditLog(folder / "a.jsonl", "/s", privacy, sinks=sinks, ledger=ledger)
    switch = KillSwitch(folder / "kill-switch.json")
    store, metrics = folder / "decisions", Metrics(SYSTEM, switch)
    blank = {"probability": None}
    outcomes = ("approve", "decline")
    return Desk(log, switch, decide, lambda _: decide, store, metrics, outcomes, blank)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk that works."""
    working = make_desk(tmp_path)
    with working.log:
        yield working


def value(desk: Desk, name: str, **labels: str) -> float | None:
    """The value of one metric."""
    return desk.metrics.registry.get_sample_value(name, {"system": SYSTEM, **labels})


def test_the_event_is_on_disk_before_the_decision_goes_out(desk: Desk) -> None:
    """What the caller gets is what the log holds, with input digest and request id."""
    decision = desk.release("A100001", CASE, request=REQUEST)
    (event,) = read_events(desk.log.path)
    assert decision.items() <= event["data"].items()
    assert event["data"]["request_id"] == REQUEST
    assert event["data"]["mode"] == "model"
    assert event["data"]["input"].startswith("hmac-sha256:")
    assert verify(desk.log.path).findings == ()


def test_a_decision_that_cannot_be_recorded_is_withheld(tmp_path: Path) -> None:
    """No audit event, no outcome, and nothing kept of the case."""
    desk = make_desk(tmp_path, BrokenDisk)
    with desk.log, pytest.raises(NotReleased, match="withheld"):
        desk.release("A100001", CASE)
    assert list(desk.store.iterdir()) == []
    assert value(desk, "service_withheld_total") == 1
    assert value(desk, "service_decision_seconds_count") is None


def test_what_cannot_be_written_as_json_is_withheld(desk: Desk) -> None:
    """Not a number has no canonical form: the decision stays in."""
    with pytest.raises(NotReleased):
        desk.release("A100001", {**CASE, "income": float("nan")})
    assert list(read_events(desk.log.path)) == []


def test_nothing_that_identifies_a_person_is_kept(desk: Desk) -> None:
    """Neither in the log nor in the store, and the model does not see it."""
    seen: list[Mapping[str, Any]] = []

    def watched(case: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(case)
        return decide(case)

    spy = dataclasses.replace(desk, decide=watched)
    decision = spy.release("A100001", CASE)
    stored = (desk.store / f"{decision['decision_id']}.json").read_text()
    text = desk.log.path.read_text() + stored + str(seen)
    assert "A100001" not in text
    assert "someone@example.org" not in text
    assert json.loads(stored) == {"income": 30000, "utilisation": 0.25}


def test_what_is_sealed_goes_out_and_is_not_in_the_log(desk: Desk) -> None:
    """The log proves what it was; the caller and a replay have it; without the case it is gone."""
    sealing = dataclasses.replace(desk, sealed=("reasons",))
    decision = sealing.release("A100001", CASE)
    (event,) = read_events(desk.log.path)
    assert "Existing credit lines" not in desk.log.path.read_text()
    assert event["data"]["reasons"] == desk.log.privacy.digest(decision["reasons"])
    number = decision["decision_id"]
    assert sealing.recorded(number)["reasons"] == decision["reasons"]
    replay = sealing.replay(number)
    assert (replay["same"], replay["replayed"]["reasons"]) == (True, decision["reasons"])
    file = desk.store / f"{number}.json"
    file.write_text(file.read_text().replace("large", "small"))
    assert sealing.recorded(number)["reasons"] == event["data"]["reasons"]
    file.unlink()
    assert sealing.recorded(number)["reasons"] == event["data"]["reasons"]
    with pytest.raises(Erased):
        sealing.replay(number)


def test_a_sealed_answer_that_would_differ_is_noticed(desk: Desk) -> None:
    """By its digest."""
    sealing = dataclasses.replace(desk, sealed=("reasons",), earlier=lambda _: otherwise)
    number = sealing.release("A100001", CASE)["decision_id"]
    assert sealing.replay(number)["same"] is False


def test_the_kill_switch_refers_to_a_person(desk: Desk) -> None:
    """While it is on no model decides, and each referral is recorded as such."""
    desk.switch.stop("drill", "duty@example.org")
    stopped = desk.release("A100001", CASE)
    desk.switch.resume("drill over", "duty@example.org")
    decided = desk.release("A100001", CASE)
    assert (stopped["outcome"], stopped["mode"], stopped["probability"]) == (
        "refer",
        "stopped",
        None,
    )
    assert (decided["outcome"], decided["mode"]) == ("approve", "model")
    assert [event["data"]["mode"] for event in read_events(desk.log.path)] == ["stopped", "model"]
    assert value(desk, "service_decisions_total", outcome="refer", mode="stopped") == 1


def test_the_metric_follows_the_switch(desk: Desk) -> None:
    """It is read when it is asked for."""
    assert value(desk, "service_stopped") == 0
    desk.switch.stop("drill", "duty@example.org")
    assert value(desk, "service_stopped") == 1


@pytest.mark.parametrize("answer", [{"outcome": "maybe"}, {"probability": 1}, None])
def test_a_model_that_fails_or_answers_nonsense_refers(desk: Desk, answer: Any) -> None:
    """An exception, an unknown outcome or no outcome is a referral, and is counted."""
    broken = dataclasses.replace(desk, decide=lambda _: answer)
    decision = broken.release("A100001", CASE)
    assert (decision["outcome"], decision["mode"]) == ("refer", "fault")
    assert value(desk, "service_faults_total") == 1


def test_tokens_of_a_language_model_are_counted(desk: Desk) -> None:
    """Where an answer says what it took, and also if it then goes to a person."""
    more: list[dict[str, Any]] = [{"tokens": 70}, {"tokens": 30, "outcome": "maybe"}, {}]
    answers = iter(more)
    costly = dataclasses.replace(desk, decide=lambda case: {**decide(case), **next(answers)})
    assert value(desk, "service_tokens_total") == 0
    modes = [costly.release("A100001", CASE)["mode"] for _ in range(3)]
    assert modes == ["model", "fault", "model"]
    assert value(desk, "service_tokens_total") == 100


def test_a_refused_case_is_no_decision(desk: Desk) -> None:
    """An error of the case itself goes back to the caller; there is nothing to record."""
    strict = dataclasses.replace(desk, refusals=(KeyError,))
    with pytest.raises(KeyError):
        strict.release("A100001", {"income": 1.0})
    assert list(read_events(desk.log.path)) == []
    assert value(desk, "service_faults_total") == 0


def test_a_replay_gives_the_same_answer(desk: Desk) -> None:
    """By id, from what was kept, in another process with the same key."""
    decision = desk.release("A100001", CASE)
    desk.log.close()
    later = make_desk(desk.log.path.parent)
    with later.log:
        replay = later.replay(decision["decision_id"])
    assert replay["same"] is True
    assert replay["replayed"]["outcome"] == decision["outcome"]


def test_a_replay_asks_the_model_that_decided(desk: Desk) -> None:
    """After a new release the decision is still the one of the version that was recorded."""
    decision_id = desk.release("A100001", CASE)["decision_id"]
    later = dataclasses.replace(
        desk,
        decide=lambda a: {**decide(a), "model_version": "v2"},
        earlier={"v1": decide}.__getitem__,
    )
    assert later.replay(decision_id)["same"] is True


def test_a_replay_shows_another_answer_and_another_input(desk: Desk) -> None:
    """A changed model and a changed case are both noticed."""
    decision_id = desk.release("A100001", CASE)["decision_id"]
    other = dataclasses.replace(desk, earlier=lambda _: lambda a: {**decide(a), "probability": 0.5})
    assert other.replay(decision_id)["same"] is False
    (desk.store / f"{decision_id}.json").write_text('{"income": 1, "utilisation": 0.25}')
    assert desk.replay(decision_id)["same"] is False


def test_a_referral_has_nothing_to_replay(desk: Desk) -> None:
    """The model did not decide it."""
    desk.switch.stop("drill", "duty@example.org")
    decision = desk.release("A100001", CASE)
    assert desk.replay(decision["decision_id"])["same"] is None


def test_an_erased_case_leaves_the_chain_whole(desk: Desk) -> None:
    """Deleting the kept case ends replay, not the proof of what was decided."""
    decision = desk.release("A100001", CASE)
    (desk.store / f"{decision['decision_id']}.json").unlink()
    with pytest.raises(Erased):
        desk.replay(decision["decision_id"])
    assert desk.recorded(decision["decision_id"])["outcome"] == "approve"
    assert verify(desk.log.path).findings == ()


def test_an_override_is_recorded_with_reason_and_pseudonyms(desk: Desk) -> None:
    """From, to, why and by whom; the case keeps its pseudonym, a second follows the first."""
    decision = desk.release("A100001", CASE)
    for outcome in ("decline", "refer"):
        reason = "income was not confirmed, see mail to someone@example.org"
        desk.override(decision["decision_id"], outcome, reason, "handler@example.org")
    recorded = desk.recorded(decision["decision_id"])
    assert recorded["outcome"] == "approve"
    assert [(o["from"], o["to"]) for o in recorded["overrides"]] == [
        ("approve", "decline"),
        ("decline", "refer"),
    ]
    events = list(read_events(desk.log.path))
    assert len({event["subject"] for event in events}) == 1
    assert "@example.org" not in desk.log.path.read_text()
    assert value(desk, "service_overrides_total") == 2


def test_an_override_needs_a_reason_an_outcome_and_a_decision(desk: Desk) -> None:
    """Else nothing is recorded."""
    decision_id = desk.release("A100001", CASE)["decision_id"]
    with pytest.raises(ValueError, match="give a reason"):
        desk.override(decision_id, "decline", " ", "handler")
    with pytest.raises(ValueError, match="an outcome among"):
        desk.override(decision_id, "maybe", "because", "handler")
    with pytest.raises(UnknownDecision):
        desk.override(UNKNOWN, "decline", "because", "handler")
    assert len(list(read_events(desk.log.path))) == 1


def test_an_override_that_cannot_be_recorded_does_not_count(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rule as for decisions."""
    decision_id = desk.release("A100001", CASE)["decision_id"]

    def fail(*_: object) -> None:
        raise AuditUnavailable("full")

    monkeypatch.setattr(AuditLog, "record", fail)
    with pytest.raises(NotReleased, match="does not count"):
        desk.override(decision_id, "decline", "because", "handler")


def test_every_metric_named_in_the_service_alerts_is_emitted(desk: Desk) -> None:
    """After one decision all names of ops/alerts-service.yml are there, with their labels."""
    desk.release("A100001", CASE)
    samples = [s for family in desk.metrics.registry.collect() for s in family.samples]
    groups = yaml.safe_load((ROOT / "ops" / "alerts-service.yml").read_text())["groups"]
    rules = groups[0]["rules"]
    selectors = [found for rule in rules for found in re.findall(r"(\w+)\{([^}]*)\}", rule["expr"])]
    assert len(selectors) >= len(rules)
    for name, text in selectors:
        labels = dict(re.findall(r'(\w+)="([^"]*)"', text))
        assert [s for s in samples if s.name == name and labels.items() <= s.labels.items()], name


def test_a_request_id_that_is_no_uuid_is_logged_as_a_digest(desk: Desk) -> None:
    """A caller may put a name or a policy number into it."""
    desk.release("A100001", CASE, request="Orsa.Wexling-PN000000018")
    (event,) = read_events(desk.log.path)
    assert event["data"]["request_id"] == desk.log.privacy.digest("Orsa.Wexling-PN000000018")


def another_log(desk: Desk) -> AuditLog:
    """What another process of the same system writes."""
    return AuditLog(desk.log.path.with_name("b.jsonl"), "/s", desk.log.privacy)


def test_a_decision_of_another_process_is_found(desk: Desk) -> None:
    """By every log of the folder; an override alone is no decision."""
    with another_log(desk) as other:
        other.record(EventType.OVERRIDE, "A1", {"decision_id": UNKNOWN, "to": "approve"})
        with pytest.raises(UnknownDecision):
            desk.recorded(UNKNOWN)
        decision = {**decide(CASE), "decision_id": UNKNOWN, "mode": "model"}
        other.record(EventType.DECISION, "A1", decision)
        other.record(EventType.NOTICE, "A1", {"decision_id": UNKNOWN})
    desk.override(UNKNOWN, "decline", "income is not proven", "anna@example.org")
    recorded = desk.recorded(UNKNOWN)
    assert decision.items() <= recorded.items()
    assert [one["to"] for one in recorded["overrides"]] == ["approve", "decline"]
    with pytest.raises(Erased):
        desk.replay(UNKNOWN)


def test_a_record_that_was_changed_is_not_told(desk: Desk) -> None:
    """Nor overridden or replayed; what is wrong with other lines harms no look-up."""
    changed, other = (desk.release("A100001", CASE)["decision_id"] for _ in "ab")
    first, second = desk.log.path.read_bytes().splitlines(keepends=True)
    forged = first.replace(b'"approve"', b'"decline"')
    desk.log.path.write_bytes(forged + b"no event\n" + second)
    assert desk.recorded(other)["outcome"] == "approve"
    for ask in (desk.recorded, desk.replay):
        with pytest.raises(RecordChanged, match="tell security"):
            ask(changed)
    with pytest.raises(RecordChanged):
        desk.override(changed, "approve", "because", "handler")
    desk.log.path.write_bytes(changed.encode() + b"\n" + second)
    with pytest.raises(RecordChanged):
        desk.recorded(changed)


@pytest.mark.parametrize("left", ['{"income": 30', "[]", ""])
def test_a_case_that_was_cut_short_cannot_be_replayed(desk: Desk, left: str) -> None:
    """It is said so, and the decision is still told, without what is sealed."""
    sealing = dataclasses.replace(desk, sealed=("reasons",))
    for one in (desk, sealing):
        number = one.release("A100001", CASE)["decision_id"]
        (desk.store / f"{number}.json").write_text(left)
        with pytest.raises(Unreadable):
            one.replay(number)
        assert one.recorded(number)["outcome"] == "approve"


def test_a_case_that_no_decision_names_is_deleted_at_the_start(desk: Desk) -> None:
    """A kill left it before its event; what is named, also by another log, stays."""
    number = desk.release("A100001", CASE)["decision_id"]
    with another_log(desk) as other:
        other.record(EventType.DECISION, "A1", {"decision_id": UNKNOWN, "outcome": "approve"})
    left = "00000000-0000-4000-8000-00000000000f"
    for name in (UNKNOWN, left, "notes"):
        (desk.store / f"{name}.json").write_text("{}")
    dataclasses.replace(desk, metrics=Metrics(SYSTEM, desk.switch))
    assert {file.stem for file in desk.store.iterdir()} == {number, UNKNOWN, "notes"}
    (desk.store / f"{left}.json").write_text("{}")
    desk.log.path.with_name("c.jsonl").write_text("no event\n")
    dataclasses.replace(desk, metrics=Metrics(SYSTEM, desk.switch))
    assert (desk.store / f"{left}.json").exists()


def test_a_person_who_overrides_is_one_person(desk: Desk) -> None:
    """However they write their address."""
    id = desk.release("A100001", CASE)["decision_id"]
    for actor in ("anna@example.org", "Anna@Example.org "):
        desk.override(id, "decline", "income is not proven", actor)
    first, second = desk.recorded(id)["overrides"]
    assert first["actor"] == second["actor"]
