"""Answers: given, asked or defaulted, cast and checked, and everything that is wrong named at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from ai_factory import questions
from ai_factory.errors import AnswersError, AuthorError
from ai_factory.questions import Asked, Check, Question
from tests.kit import refusal

VISIBLE = {"core": frozenset({"core"}), "more": frozenset({"core", "more"}), "other": frozenset({"other"})}
HINT = "give them with `--data KEY=VALUE` or `--answers FILE`"


def asked(**rows: Any) -> list[Question]:
    """Questions of the component `core` from their data, as `copier.yml` has them."""
    return [questions.parse(key, data, "core", "copier.yml") for key, data in rows.items()]


def settle(rows: list[Question], **given: Any) -> dict[str, Any]:
    return questions.settle(rows, given, VISIBLE)


def problems(rows: list[Question], **given: Any) -> dict[str, str]:
    error = refusal(lambda: settle(rows, **given))
    assert isinstance(error, AnswersError)
    return error.problems


def test_given_answers_win_over_defaults_and_defaults_see_earlier_answers() -> None:
    rows = asked(name="thing", package={"type": "str", "default": "{{ name | upper }}"}, flag=True, count=3)
    assert settle(rows, name="unit", count="4") == {"name": "unit", "package": "UNIT", "flag": True, "count": 4}


@pytest.mark.parametrize(
    ("data", "question"),
    [
        ("text", Question("k", "core", "w", "str", default="text")),
        (1, Question("k", "core", "w", "int", default=1)),
        (1.5, Question("k", "core", "w", "float", default=1.5)),
        (False, Question("k", "core", "w", "bool", default=False)),
        (None, Question("k", "core", "w", "str", default=None)),
        ({}, Question("k", "core", "w")),
        ({"default": [1], "multiline": True, "help": "h"}, Question("k", "core", "w", "yaml", "h", [1])),
        ({"default": 1, "choices": [1]}, Question("k", "core", "w", "str", default=1, choices=[1])),
        ({"type": "int", "when": "x"}, Question("k", "core", "w", "int", when="x")),
    ],
)
def test_a_question_is_read_from_its_data(data: Any, question: Question) -> None:
    assert questions.parse("k", data, "core", "w") == question


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        *(("str", "x", "x"), ("str", 5, "5"), ("str", 1.5, "1.5"), ("str", "", "")),
        *(("int", "7", 7), ("int", 7, 7), ("int", " -7 ", -7)),
        *(("float", "1.5", 1.5), ("float", 2, 2.0), ("float", "1e3", 1000.0)),
        *(("bool", "Yes", True), ("bool", "off", False), ("bool", True, True), ("bool", "0", False)),
        *(("yaml", "{a: [1]}", {"a": [1]}), ("yaml", [1], [1]), ("json", '{"a": 1}', {"a": 1}), ("json", None, None)),
    ],
)
def test_an_answer_is_cast_to_its_type(kind: str, given: Any, value: Any) -> None:
    result = settle(asked(k={"type": kind}), k=given)["k"]
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "given", "problem"),
    [
        ("str", ["x"], "['x'] is no str"),
        ("str", True, "True is no str: true or false is not wanted"),
        ("int", "x", "'x' is no int: invalid literal for int() with base 10: 'x'"),
        ("int", 1.5, "1.5 is no int"),
        ("int", True, "True is no int: true or false is not wanted"),
        ("float", "one", "'one' is no float: could not convert string to float: 'one'"),
        ("float", "nan", "'nan' is no float: nan is no number to other readers"),
        ("float", "-inf", "'-inf' is no float: -inf is no number to other readers"),
        ("bool", "maybe", "'maybe' is no bool"),
        ("bool", 1, "1 is no bool"),
        ("json", "{", "'{' is no json: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("json", "NaN", "'NaN' is no json: NaN is no number to other readers"),
        ("yaml", "[", "'[' is no yaml: `answer` line 1: expected the node content, but found '<stream end>'"),
    ],
)
def test_what_is_not_of_the_type_is_named(kind: str, given: Any, problem: str) -> None:
    assert problems(asked(k={"type": kind}), k=given) == {"k": problem}


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_deep_nesting_is_a_wrong_answer(kind: str) -> None:
    deep = "[" * 500
    assert problems(asked(k={"type": kind}), k=deep)["k"].startswith(f"{deep!r} is no {kind}: ")


@examples(
    st.sampled_from(["str", "int", "float", "bool", "json"]),
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
)
def test_any_answer_is_taken_or_named(kind: str, given: Any) -> None:
    try:
        settle(asked(k={"type": kind}), k=given)
    except AnswersError as error:
        assert list(error.problems) == ["k"]  # noqa: PT017, either way is right


def test_everything_that_is_wrong_is_named_at_once() -> None:
    rows = asked(owner={"type": "str", "help": "Who"}, count={"type": "int"}, name="n")
    error = refusal(lambda: settle(rows, count="x", nmae="y"))
    assert (error.message, error.hint, error.details) == (
        "3 answers are missing or invalid",
        HINT,
        (
            "`nmae`: no component asks it; asked are count, name, owner",
            "`owner`: has no default: Who",
            "`count`: 'x' is no int: invalid literal for int() with base 10: 'x'",
        ),
    )


def test_one_of_the_choices_is_taken_by_its_value() -> None:
    rows = asked(a={"choices": ["x", ["Y", "y"]]}, b={"choices": {"Label": "z"}}, n={"type": "int", "choices": [1, 2]})
    assert settle(rows, a="y", b="z", n="2") == {"a": "y", "b": "z", "n": 2}
    assert problems(rows, a="Y", b="Label", n=3) == {
        "a": "'Y' is not one of x, y",
        "b": "'Label' is not one of z",
        "n": "3 is not one of 1, 2",
    }


@pytest.mark.parametrize("given", ["a, b", "[a, b]", ["a", "b"]])
def test_several_choices_are_a_list_or_separated_by_commas(given: Any) -> None:
    rows = asked(k={"choices": ["a", "b", "c"], "multiselect": True})
    assert settle(rows, k=given) == {"k": ["a", "b"]}


def test_each_of_several_choices_is_checked() -> None:
    rows = asked(k={"choices": ["a", "b"], "multiselect": True, "default": []})
    assert settle(rows) == {"k": []}
    assert problems(rows, k="a,z") == {"k": "'z' is not one of a, b"}
    assert problems(rows, k=5) == {"k": "5 is no str: a list is wanted"}


def test_a_validator_says_what_is_wrong() -> None:
    rows = asked(k={"type": "str", "default": "ok", "validator": "{% if k != 'ok' %}is not {{ other }}{% endif %}"})
    assert settle([*asked(other="fine"), *rows]) == {"other": "fine", "k": "ok"}
    assert problems([*asked(other="fine"), *rows], k="bad") == {"k": "is not fine"}


def test_a_question_whose_condition_does_not_hold_takes_its_default_unasked() -> None:
    rows = asked(
        cloud=False,
        region={"type": "str", "default": "eu", "when": "{{ cloud }}"},
        zone={"type": "int", "when": "cloud"},
    )
    answers = settle(rows, region="us")
    assert (answers["cloud"], answers["region"]) == (False, "eu")


def test_a_component_sees_its_own_answers_and_those_of_what_it_requires() -> None:
    rows = [
        questions.parse("a", "x", "core", "w"),
        questions.parse("b", "{{ a }}y", "more", "w"),
        questions.parse("c", "{{ a }}", "other", "w"),
    ]
    assert settle(rows[:2]) == {"a": "x", "b": "xy"}
    error = refusal(lambda: settle(rows))
    assert (type(error), error.message) == (
        AuthorError,
        "`w: c.default`: 'a' is undefined: a component sees its own answers and those of the components it requires",
    )


def test_only_what_is_not_given_is_asked_with_its_templates_rendered() -> None:
    seen: list[tuple[str, str, Any, Any]] = []

    def ask(shown: Asked, check: Check) -> Any:
        seen.append((shown.question.key, shown.help, shown.default, dict(shown.choices)))
        value, problem = check("b")
        assert not problem
        return value

    rows = asked(name="n", k={"help": "Of {{ name }}", "default": "{{ name }}", "choices": ["{{ name }}", "b"]})
    assert questions.settle(rows, {"name": "m"}, VISIBLE, ask) == {"name": "m", "k": "b"}
    assert seen == [("k", "Of m", "m", {"m": "m", "b": "b"})]
