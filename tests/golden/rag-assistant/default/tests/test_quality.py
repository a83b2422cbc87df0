"""The measures measure: the evaluation sets are sound, and each kind of failure shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from policy_assistant import answering, quality, retrieval
from policy_assistant.answering import Assistant
from policy_assistant.controls import access, evaluation, screening
from policy_assistant.controls.access import Access
from policy_assistant.controls.evaluation import Plan, Result
from policy_assistant.controls.llm import Message, Offline
from policy_assistant.controls.paths import Paths
from policy_assistant.quality import Injection, Question


@pytest.fixture(scope="module")
def assistant(built: Paths) -> Assistant:
    """The assistant of the finished run."""
    return Assistant.of(built, answering.stand_in())


@pytest.fixture(scope="module")
def rules(built: Paths) -> Access:
    """Who may read what."""
    return access.load(built.governance / "access.yaml")


@pytest.fixture(scope="module")
def asked(built: Paths) -> list[Question]:
    """The questions."""
    return quality.questions(built.evals / "questions.jsonl")


@pytest.fixture(scope="module")
def attacks(built: Paths) -> list[Injection]:
    """The attacks."""
    return quality.injections(built.evals / "injections.jsonl")


@pytest.fixture(scope="module")
def plan(built: Paths) -> Plan:
    """The thresholds, with fewer draws."""
    return replace(evaluation.load(built.evals / "thresholds.yaml"), draws=20)


def measured(
    assistant: Assistant,
    rules: Access,
    asked: Sequence[Question],
    attacks: Sequence[Injection],
    plan: Plan,
) -> dict[str, Result]:
    """All results by metric and slice."""
    found = quality.evaluate(assistant, rules, asked, attacks, plan, "sha256:0")
    return {f"{one.metric} {one.slice}": one for one in found}


def test_the_sets_are_sound(
    assistant: Assistant, rules: Access, asked: list[Question], attacks: list[Injection]
) -> None:
    """Each expected passage exists, holds the expected words, and may be read by who asks."""
    texts = {one.id: one for one in assistant.library.passages}
    for one in asked:
        assert rules.cleared([one.role], quality.READ)
        assert bool(one.passages) == (one.kind != quality.UNANSWERABLE), one.id
        for name in one.passages:
            held = " ".join(texts[p].text for p in one.passages)
            assert all(word in held for word in one.contains), one.id
            readable = rules.may([one.role], quality.READ, texts[name].access)
            assert readable == (one.kind != quality.RESTRICTED), one.id
    assert {one.document for one in attacks} - {None} <= {
        one.document_id for one in assistant.library.passages
    }


def test_both_parts_hold_every_kind(asked: list[Question]) -> None:
    """A threshold that was chosen without unanswerable questions would never say no."""
    for split, least in ((quality.CALIBRATION, 10), (quality.TEST, 20)):
        for kind in (quality.ANSWERABLE, quality.UNANSWERABLE):
            assert len([one for one in asked if (one.split, one.kind) == (split, kind)]) >= least


def test_two_questions_with_one_id_are_refused(tmp_path: Path, built: Paths) -> None:
    """One of them would be lost where results are joined."""
    line = (built.evals / "questions.jsonl").read_text().splitlines()[0]
    (tmp_path / "questions.jsonl").write_text(f"{line}\n{line}\n")
    with pytest.raises(ValueError, match="two questions have the same id"):
        quality.questions(tmp_path / "questions.jsonl")


def test_ranks_and_recall_are_what_they_are_called(
    assistant: Assistant, rules: Access, asked: list[Question], plan: Plan
) -> None:
    """On two questions whose ranks are known: first, and not found at all."""
    known = [one for one in asked if one.kind == quality.ANSWERABLE][:2]
    pair = [
        replace(known[0], split=quality.TEST),
        replace(known[1], split=quality.TEST, passages=("BRD-01.v1/project-larkspur",)),
    ]
    rows = quality.ask(assistant, rules, pair)
    assert [row.rank for row in rows] == [1, 0]
    found = {f"{r.metric} {r.slice}": r.value for r in quality._retrieval(rows, plan, "sha256:0")}
    assert (found["recall_at_1 all"], found["recall_at_4 all"], found["mrr all"]) == (0.5, 0.5, 0.5)


def test_a_threshold_costs_what_its_answers_cost(
    assistant: Assistant, rules: Access, asked: list[Question]
) -> None:
    """Where a wrong answer costs nothing it always answers; where it costs all it never does."""
    bold = quality.calibrate(assistant, rules, asked, wrong=0, silent=1)
    shy = quality.calibrate(assistant, rules, asked, wrong=1000, silent=1)
    middle = quality.calibrate(assistant, rules, asked, wrong=4, silent=1)
    assert bold.threshold < middle.threshold <= shy.threshold
    assert bold.answered > middle.answered >= shy.answered
    assert (shy.wrong, middle.threshold) == (0, assistant.threshold)


def test_the_threshold_is_not_chosen_on_the_test(
    assistant: Assistant, rules: Access, asked: list[Question]
) -> None:
    """Without its questions it is the same."""
    chosen = [one for one in asked if one.split == quality.CALIBRATION]
    args = {"wrong": 4.0, "silent": 1.0}
    assert quality.calibrate(assistant, rules, chosen, **args) == quality.calibrate(
        assistant, rules, asked, **args
    )


def test_one_who_always_answers_fails_on_refusals(
    assistant: Assistant, rules: Access, asked: list[Question], attacks: list[Injection], plan: Plan
) -> None:
    """A threshold of nothing: more is answered, and what no policy says too."""
    found = measured(replace(assistant, threshold=0.0), rules, asked, attacks, plan)
    assert found["refusal_rate all"].verdict == "fail"
    assert found["wrong_answer_rate all"].verdict == "fail"


def test_one_who_never_answers_fails_on_answers(
    assistant: Assistant, rules: Access, asked: list[Question], attacks: list[Injection], plan: Plan
) -> None:
    """To say no to everything is safe and useless; citations of nothing are not judged as good."""
    found = measured(replace(assistant, threshold=1.1), rules, asked, attacks, plan)
    assert found["refusal_rate all"].value == 1.0
    assert found["answered_rate all"].verdict == "fail"
    assert found["citation_correct all"].verdict == "fail"


def test_one_who_obeys_documents_fails_on_injections(
    assistant: Assistant,
    rules: Access,
    asked: list[Question],
    attacks: list[Injection],
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the screen, and with a chat that repeats whatever stands in a passage last."""

    def obedient(messages: Sequence[Message]) -> str:
        given = json.loads(messages[-1].content)["passages"][0]
        last = given["text"].splitlines()[-1]
        cited = [{"passage": given["id"], "quote": last}]
        return json.dumps({"abstain": False, "answer": last, "citations": cited})

    monkeypatch.setattr(screening, "findings", lambda text: ())
    weak = replace(assistant, chat=Offline("obedient", obedient))
    found = measured(weak, rules, asked, attacks, plan)
    assert found["injection_resisted kind=document"].verdict == "fail"
    assert found["injection_screened all"].value == 0.0


def test_one_who_filters_afterwards_fails_on_access(
    assistant: Assistant,
    rules: Access,
    asked: list[Question],
    attacks: list[Injection],
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing restricted is shown, but scores and gaps in the list tell that it is there."""

    def search(
        self: retrieval.Library, question: str, classes: frozenset[str], most: int
    ) -> list[retrieval.Hit]:
        found = retrieval.Lexical(self.passages).search(question, most)
        return [hit for hit in found if hit.passage.access in classes]

    monkeypatch.setattr(retrieval.Library, "search", search)
    found = measured(assistant, rules, asked, attacks, plan)
    assert found["restricted_kept all"].value == 1.0
    assert found["same_without_restricted all"].verdict == "fail"


def test_one_who_does_not_filter_fails_on_access(
    assistant: Assistant,
    rules: Access,
    asked: list[Question],
    attacks: list[Injection],
    plan: Plan,
) -> None:
    """Everything is open to everybody: what is restricted is told."""
    opened = [replace(one, access="public") for one in assistant.library.passages]
    found = measured(
        replace(assistant, library=retrieval.Library(tuple(opened))), rules, asked, attacks, plan
    )
    assert found["restricted_kept all"].verdict == "fail"


def test_one_who_takes_sides_fails_on_contradictions(
    assistant: Assistant,
    rules: Access,
    asked: list[Question],
    attacks: list[Injection],
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of two figures is given as if it were the only one."""
    monkeypatch.setattr(answering, "_clash", lambda quotes, known: None)
    found = measured(assistant, rules, asked, attacks, plan)
    assert found["contradiction_unsettled all"].verdict == "fail"
