"""Answers that projects of the last release have given, or need not give, and that this state does not take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_factory import documents, evolve, questions, versions
from ai_factory.catalog import Blueprint, Component
from ai_factory.errors import FactoryError
from ai_factory.evolve import Pending
from ai_factory.questions import MISSING, Question
from ai_factory.workshop.offered import State
from ai_factory.workshop.parts import QUESTIONS
from ai_factory.workshop.rules import Flaw
from ai_factory.workshop.trying import choices_of, sample

Asked = Mapping[str, Question]


def flaws(before: State, now: State) -> Iterator[Flaw]:
    """Questions that refuse what was an answer, and those that every project would have to answer first."""
    release = before.factory.origin.version
    for name, was in before.blueprints.items():
        if heir := now.successor(name):
            parts = [now.components[one] for one in _names(heir) if one in now.components]
            pending = _pending(parts, before.components)
            old, new = _asked(before, _names(was)), _asked(now, _names(heir))
            kept = {key: one for key, one in old.items() if one.component in _names(heir)}
            yield from _refused(kept, new, pending, now, release)
            always = {key for key in _required(_asked(before, was.components), was) if key in kept}
            for key in _required(_asked(now, heir.components), heir) - set(_carried(old, always, pending)):
                yield _flaw(new[key], now, f"`{key}` has no default, and projects of {release} have not answered it")


def _names(blueprint: Blueprint) -> tuple[str, ...]:
    return (*blueprint.components, *blueprint.optional)


def _asked(state: State, names: Sequence[str]) -> dict[str, Question]:
    """What these components ask; a question that is never asked has no answers."""
    parts = [state.components[name] for name in names if name in state.components]
    return {one.key: one for part in parts for one in part.questions if one.when is not False}


def _pending(parts: Sequence[Component], old: Mapping[str, Component]) -> list[Pending]:
    """What a project of the last release goes through once these components are released."""
    released = [_released(part) for part in parts]
    return evolve.pending(released, {part.name: old[part.name].version for part in parts if part.name in old})


def _released(part: Component) -> Component:
    """The component under the version for which its last change is declared, where that is a newer one."""
    newest = versions.newest([part.version, *(row.since for row in part.changes)])
    return part._replace(version=newest or part.version)


def _refused(old: Asked, new: Asked, pending: Sequence[Pending], now: State, release: str) -> Iterator[Flaw]:
    for key, question in old.items():
        for value in _answers(question):
            told = list(_problems({key: value}, new, pending))
            if told:
                other, why = told[0]
                yield _flaw(new[other], now, f"`{key}` could be {value!r} in {release}: {why}")
                break


def _answers(question: Question) -> list[Any]:
    """Some answers that a project may have given: all choices, else one or two of the type."""
    if question.choices is not None or question.type == "bool":
        return [] if "{" in str(question.choices) else choices_of(question)
    usual = [] if question.default in (MISSING, None) or "{" in str(question.default) else [question.default]
    free = question.type in ("str", "int", "float") and not question.validator
    return [*usual, *([sample(question)] if free else [])]


def _problems(given: Mapping[str, Any], new: Asked, pending: Sequence[Pending]) -> Iterator[tuple[str, str]]:
    """The questions that do not take what becomes of an answer; none where a change leaves it to the team."""
    try:
        after = evolve.answers(given, pending)
    except FactoryError:
        return
    for key, value in after.items():
        if key in new and (why := _problem(new[key], value)):
            yield key, why


def _problem(question: Question, value: Any) -> str:
    """Why a question does not take an answer, as far as that is told without its templates."""
    try:
        value = questions.cast(question, value)
    except (ValueError, FactoryError):
        return f"it is no {question.type}"
    offered = choices_of(question) if question.choices is not None and "{" not in str(question.choices) else []
    known = [item for choice in offered for item in (choice if question.multiselect else [choice])]
    items = value if question.multiselect else [value]
    return "" if not known or all(item in known for item in items) else "it is no choice any more"


def _required(asked: Asked, blueprint: Blueprint) -> set[str]:
    """The questions that every project of the blueprint has to answer by itself."""
    return {key for key, one in asked.items() if one.default is MISSING and key not in blueprint.answers}


def _carried(old: Asked, keys: set[str], pending: Sequence[Pending]) -> Iterator[str]:
    """The names under which the answers to these questions are known after the changes."""
    for key in keys:
        try:
            yield from evolve.answers({key: sample(old[key])}, pending)
        except FactoryError as error:
            yield from getattr(error, "problems", ())


def _flaw(question: Question, now: State, message: str) -> Flaw:
    content = now.components[question.component].tree[QUESTIONS].content
    return Flaw("FL026", question.where, documents.line_of(content, (question.key,)), message)
