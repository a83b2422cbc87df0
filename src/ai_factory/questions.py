"""Answers: asked, defaulted, validated. The format is Copier's, in the subset that runs no code."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ai_factory import documents
from ai_factory.errors import AnswersError, AuthorError, FactoryError

if TYPE_CHECKING:  # loaded for the first template that is to be rendered: Jinja takes long
    from ai_factory.sandbox import Templates

Answers = Mapping[str, Any]
MISSING = object()
TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "yaml": (object,),
    "json": (object,),
}


class Question(NamedTuple):
    """One key of a component's `copier.yml`; templates in it are rendered with the answers before it."""

    key: str
    component: str
    where: str  # the file that asks it, for messages
    type: str = "str"
    help: str = ""
    default: Any = MISSING
    choices: Any = None  # a list, or a mapping of label to value
    multiselect: bool = False
    validator: str = ""
    when: bool | str = True
    placeholder: str = ""

    @property
    def place(self) -> str:
        return f"{self.where}: {self.key}"


class Asked(NamedTuple):
    """A question with its templates rendered: what a person is shown."""

    question: Question
    help: str
    default: Any
    choices: Mapping[str, Any]
    hidden: bool = False  # whether nobody is to see the answer, as that of a foreign template's secret question


Check = Callable[[Any], tuple[Any, str]]  # an answer to its value in the right type, and what is wrong with it
Ask = Callable[[Asked, Check], Any]


def parse(key: str, data: Any, component: str, where: str) -> Question:
    """A question from its data, which has been checked against the format; `key: value` is short for a default."""
    if not isinstance(data, dict):
        return Question(key, component, where, type=_type_of(data), default=data)
    fields = {name: value for name, value in data.items() if name != "multiline"}
    default = fields.pop("default", MISSING)
    fields.setdefault("type", "str" if default is MISSING or fields.get("choices") else _type_of(default))
    return Question(key, component, where, default=default, **fields)


def _type_of(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float", str: "str"}
    return names.get(type(value), "yaml" if value is not None else "str")


def settle(
    questions: Sequence[Question],
    given: Answers,
    visible: Mapping[str, frozenset[str]],
    ask: Ask | None = None,
) -> dict[str, Any]:
    """All effective answers: given ones cast and validated, the rest asked or defaulted, in order.

    `visible` maps a component to the components whose answers it may read. Raises AnswersError that names
    every missing, invalid and unknown answer at once.
    """
    problems = _unknown(questions, given)
    answers: dict[str, Any] = {}
    owner = {question.key: question.component for question in questions}
    for question in questions:
        known = {key: value for key, value in answers.items() if owner[key] in visible[question.component]}
        value, problem = _answer(question, given, _Scope(_templates, known), ask)
        if problem:
            problems[question.key] = problem
            value = question.default if question.default is not MISSING else ""
        answers[question.key] = value
    if problems:
        raise AnswersError(problems, "give them with `--data KEY=VALUE` or `--answers FILE`")
    return answers


def typed(questions: Sequence[Question], given: Answers, settled: Answers) -> dict[str, Any]:
    """The given answers as they were settled, so that text from a command line has its question's type.

    One that was given to a question which is not asked stays as it was given.
    """
    known = {question.key: question for question in questions}
    return {
        key: settled[key] if key in known and _means(known[key], value, settled[key]) else value
        for key, value in given.items()
    }


def _means(question: Question, value: Any, settled: Any) -> bool:
    try:
        return bool(cast(question, value) == settled)
    except (ValueError, RecursionError, FactoryError):
        return False


def _unknown(questions: Sequence[Question], given: Answers) -> dict[str, str]:
    known = {question.key for question in questions}
    return {key: f"no component asks it; asked are {', '.join(sorted(known))}" for key in given if key not in known}


@cache
def _templates() -> Templates:
    from ai_factory.sandbox import Templates

    return Templates(lambda name: None)


class _Scope(NamedTuple):
    """What a question's templates may see, and what evaluates them."""

    templates: Callable[[], Templates]
    known: Answers

    def text(self, source: str, where: str) -> str:
        return self.templates().text(source, self.known, where) if "{" in source else source

    def holds(self, condition: bool | str, where: str) -> bool:
        return condition if isinstance(condition, bool) else self.templates().truth(condition, self.known, where)

    def rendered(self, value: Any, where: str) -> Any:
        if isinstance(value, str):
            return self.text(value, where)
        if isinstance(value, list):
            return [self.rendered(item, where) for item in value]
        return value


def _answer(question: Question, given: Answers, scope: _Scope, ask: Ask | None) -> tuple[Any, str]:
    default = scope.rendered(question.default, f"{question.place}.default")
    if not scope.holds(question.when, f"{question.place}.when"):
        return None if default is MISSING else default, ""
    shown = Asked(question, scope.text(question.help, f"{question.place}.help"), default, _choices(question, scope))

    def check(value: Any) -> tuple[Any, str]:
        return _checked(shown, value, scope)

    if question.key in given:
        return check(given[question.key])
    if ask is not None:
        return ask(shown, check), ""
    if default is MISSING:
        return MISSING, "has no default" + (f": {shown.help}" if shown.help else "")
    return check(default)


def _choices(question: Question, scope: _Scope) -> dict[str, Any]:
    choices = scope.rendered(question.choices, f"{question.place}.choices")
    if isinstance(choices, dict):
        return dict(choices)
    return {str(label): value for label, value in map(_pair, choices or [])}


def _pair(item: Any) -> tuple[Any, Any]:
    return (item[0], item[1]) if isinstance(item, list) and len(item) == 2 else (item, item)


def _checked(shown: Asked, value: Any, scope: _Scope) -> tuple[Any, str]:
    question = shown.question
    try:
        value = cast(question, value)
    except (ValueError, RecursionError, FactoryError) as error:
        return value, f"{value!r} is no {question.type}: {error}" if str(error) else f"{value!r} is no {question.type}"
    allowed = list(shown.choices.values())
    chosen = value if question.multiselect else [value]
    wrong = [item for item in chosen if allowed and item not in allowed]
    if wrong:
        return value, f"{wrong[0]!r} is not one of {', '.join(map(str, allowed))}"
    if question.validator:
        seen = scope._replace(known={**scope.known, question.key: value})
        return value, seen.text(question.validator, f"{question.place}.validator").strip()
    return value, ""


def cast(question: Question, value: Any) -> Any:
    """The value in the question's type; text from a command line or an editor is read as such.

    Raises ValueError when it is not of that type.
    """
    if question.multiselect:
        items = value if isinstance(value, list) else _items(value)
        return [_cast_one(question.type, item) for item in items]
    return _cast_one(question.type, value)


def _items(text: Any) -> list[Any]:
    if not isinstance(text, str):
        raise ValueError("a list is wanted")
    data = documents.load(text.encode(), "answer", AuthorError) if text.strip().startswith("[") else None
    return data if isinstance(data, list) else [item.strip() for item in text.split(",") if item.strip()]


def _cast_one(kind: str, value: Any) -> Any:
    if isinstance(value, str) and kind != "str":
        return _from_text(kind, value)
    if isinstance(value, bool) and kind not in ("bool", "yaml", "json"):
        raise ValueError("true or false is not wanted")
    if kind == "str" and isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, TYPES[kind]):
        raise ValueError
    return float(str(value)) if kind == "float" else value


def _from_text(kind: str, text: str) -> Any:
    if kind == "int":
        return int(text)
    if kind == "float":
        return _finite(text)
    if kind == "bool":
        return _yes_or_no(text)
    if kind == "json":
        return json.loads(text, parse_constant=_finite)
    return documents.load(text.encode(), "answer", AuthorError)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number to other readers")
    return number


def _yes_or_no(text: str) -> bool:
    word = text.strip().lower()
    if word in ("y", "yes", "t", "true", "on", "1"):
        return True
    if word in ("n", "no", "f", "false", "off", "0"):
        return False
    raise ValueError
