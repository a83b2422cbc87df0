"""No restricted passage ever leaks: not by words, nor by ranks, counts, scores or reasons."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from handbook import answering, quality
from handbook.answering import Assistant
from handbook.controls import access
from handbook.controls.access import Access
from handbook.controls.paths import Paths
from handbook.corpus import Passage
from handbook.quality import READ
from handbook.retrieval import Library

ROLES = ["employee", "manager", "hr", "finance", "security", "board", "policy-desk"]
OTHER_WORDS = "Salary bonus severance ransom acquisition hotel leave password meal gift 74,000 EUR."


@pytest.fixture(scope="module")
def rules(built: Paths) -> Access:
    """Who may read what."""
    return access.load(built.governance / "access.yaml")


@pytest.fixture(scope="module")
def assistant(built: Paths) -> Assistant:
    """The assistant of the finished run."""
    return Assistant.of(built, answering.stand_in())


@pytest.fixture(scope="module")
def asked(built: Paths) -> list[str]:
    """Every question of the evaluation, the attacks among them."""
    found = [one.question for one in quality.questions(built.evals / "questions.jsonl")]
    return found + [one.question for one in quality.injections(built.evals / "injections.jsonl")]


def told(assistant: Assistant, question: str, classes: frozenset[str]) -> str:
    """All that the caller is told, with what search found; the version apart, which names all."""
    answer = assistant.answer(question, classes)
    hits = assistant.library.search(question, classes, 10)
    found = [(hit.passage.id, hit.score, hit.confidence) for hit in hits]
    return json.dumps([answer.content(assistant, classes), found])


def with_passages(assistant: Assistant, passages: list[Passage]) -> Assistant:
    """The same assistant on other passages."""
    return replace(assistant, library=Library(tuple(passages), assistant.library.retriever))


def test_every_class_of_the_corpus_is_known(assistant: Assistant, rules: Access) -> None:
    """A class that no rule knows would be read by nobody, or by a slip by all."""
    assert {one.access for one in assistant.library.passages} <= set(rules.classes)
    assert set(rules.roles) == set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_nobody_is_shown_what_they_may_not_read(
    assistant: Assistant, rules: Access, asked: list[str], role: str
) -> None:
    """Over all questions: neither among what is found nor among what is cited or quoted."""
    classes = rules.cleared([role], READ)
    for question in asked:
        hits = assistant.library.search(question, classes, 10)
        answer = assistant.answer(question, classes)
        assert {hit.passage.access for hit in hits} <= classes
        assert {source.access for source in answer.sources} <= classes


@pytest.mark.parametrize("role", ["employee", "hr", "finance", "security"])
def test_what_is_restricted_might_as_well_not_be_there(
    assistant: Assistant, rules: Access, asked: list[str], role: str
) -> None:
    """Removed, doubled, or in other words: not a byte of what others are told changes."""
    classes = rules.cleared([role], READ)
    every = list(assistant.library.passages)
    hidden = [one for one in every if one.access not in classes]
    open_ = [one for one in every if one.access in classes]
    assert hidden
    reworded = [replace(one, text=OTHER_WORDS, title="Leave") for one in hidden]
    doubled = [replace(one, id=f"{one.id}-again") for one in hidden]
    others = [open_, [*hidden, *open_, *doubled], [*open_, *reworded]]
    worlds = [with_passages(assistant, passages) for passages in others]
    for question in asked:
        told_now = told(assistant, question, classes)
        assert [told(world, question, classes) for world in worlds] == [told_now] * 3


def test_the_test_of_silence_can_fail(assistant: Assistant, rules: Access) -> None:
    """What is open does change what is told: the comparison sees something."""
    classes = rules.cleared(["employee"], READ)
    fewer = [one for one in assistant.library.passages if one.document_id != "SEC-01"]
    question = "How long must a password be?"
    bare = with_passages(assistant, fewer)
    assert told(bare, question, classes) != told(assistant, question, classes)


def test_a_contradiction_with_a_restricted_policy_is_not_told(
    assistant: Assistant, rules: Access
) -> None:
    """That there is one would tell what the other policy says."""
    (open_,) = [one for one in assistant.library.passages if one.id == "CON-01.v3/limits"]
    secret = replace(
        open_,
        id="SEC-09.v1/limits",
        document_id="SEC-09",
        text=open_.text.replace("50 EUR", "75 EUR"),
        access="board",
    )
    both = with_passages(assistant, [*assistant.library.passages, secret])
    question = "Up to what value may I accept a gift?"
    low, high = (rules.cleared([role], READ) for role in ("employee", "board"))
    assert both.answer(question, low).outcome == answering.ANSWERED
    assert both.answer(question, high).reason == "CONTRADICTION"


def test_who_may_read_it_gets_it(assistant: Assistant, rules: Access) -> None:
    """The same question, two roles: one is answered, the other is told what anybody is told."""
    question = "What is the salary band of grade 7?"
    hr = assistant.answer(question, rules.cleared(["hr"], READ))
    employee = assistant.answer(question, rules.cleared(["employee"], READ))
    assert "61,000" in hr.text
    assert (employee.outcome, employee.reason) == (answering.ABSTAINED, "NOT_FOUND")
    assert (employee.text, employee.quotes, employee.sources) == ("", (), ())


def test_what_is_not_in_force_is_read_by_nobody(assistant: Assistant) -> None:
    """Neither a replaced version nor a document in quarantine is in the index."""
    found = {one.document for one in assistant.library.passages}
    assert not found & {"EXP-01.v2", "LEA-01.v1", "LEA-01.v3", "OFF-03.v1", "OFF-04.v1"}
