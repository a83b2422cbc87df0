"""Answers of a blueprint in which every two that questions offer meet: few sets that exercise every choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ai_factory import catalog
from ai_factory.factory import open_factory
from ai_factory.project.target import Choice, recipe
from ai_factory.questions import Question
from ai_factory.workshop import pairs
from ai_factory.workshop.pairs import Factor
from tests import golden

Factors = dict[str, list[Any]]


def factors(blueprint: str) -> Factors:
    """What varies: a question to its values, and `QUESTION/CHOICE` for each choice of one that takes several.

    A question without choices has its default and the answer of `other.answers.yaml`.
    """
    others = golden.answers_of(blueprint, "other")
    made = recipe(open_factory(str(golden.ROOT)), Choice(blueprint))
    settled = golden.target(blueprint, {}).answers
    asked = catalog.all_questions(made.components)
    return {key: values for one in asked for key, values in _values(one, settled, others)}


def _values(one: Question, settled: Mapping[str, Any], others: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    if one.multiselect:
        kept = settled[one.key] if one.validator else []  # a validator may want its default to stay
        yield from ((f"{one.key}/{choice}", [True] if choice in kept else [True, False]) for choice in one.choices)
    elif one.choices:
        yield one.key, list(one.choices)
    elif one.type == "bool":
        yield one.key, [True, False]
    else:
        assert others[one.key] != settled[one.key], f"`{one.key}` has one answer only: give other.answers.yaml another"
        yield one.key, [settled[one.key], others[one.key]]


def rows(blueprint: str) -> list[dict[str, Any]]:
    """The sets of answers, the same on every run."""
    return [_answers(row) for row in pairs.rows([Factor(*one) for one in factors(blueprint).items()])]


def _answers(row: Mapping[str, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for key, value in row.items():
        question, several, choice = key.partition("/")
        if not several:
            answers[question] = value
        elif value:
            answers.setdefault(question, []).append(choice)
    return answers
