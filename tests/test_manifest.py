"""project.yaml: what a project wants, in people's own words and comments."""

from __future__ import annotations

import pytest

from ai_factory import manifest
from ai_factory.errors import ProjectError
from ai_factory.manifest import Manifest
from tests.kit import refusal

TEXT = b"""\
# ours
factory: https://git.example.org/f.git   # the platform's
version: "<2"
hold: {until: 2027-03-01, reason: audit freeze}
blueprint: tabular-decision
with: [infra]
without: [ci-github]
answers: {package: credit_line, day: 2026-99-99}
"""
MANIFEST = Manifest(
    factory="https://git.example.org/f.git",
    blueprint="tabular-decision",
    version="<2",
    hold={"until": "2027-03-01", "reason": "audit freeze"},
    with_=("infra",),
    without=("ci-github",),
    answers={"package": "credit_line", "day": "2026-99-99"},
)


def test_a_manifest_is_read_whole() -> None:
    assert manifest.parse(TEXT) == MANIFEST


def test_what_is_left_out_is_empty() -> None:
    assert manifest.parse(b"factory: embedded\nblueprint: b\n") == Manifest("embedded", "b")


def test_a_new_manifest_is_read_back_and_leaves_out_what_is_empty() -> None:
    assert manifest.write(Manifest("embedded", "b")) == b"factory: embedded\nblueprint: b\n"
    wanted = Manifest("f", "b", "<2", {}, ("x",), ("y",), {"a": [1, "no"], "b": "1.0"})
    assert manifest.parse(manifest.write(wanted)) == wanted


def test_answers_are_set_and_removed_and_everything_else_stays() -> None:
    after = manifest.answered(TEXT, {"package": "other", "day": None, "list": ["a"]})
    assert after == TEXT.replace(b"{package: credit_line, day: 2026-99-99}", b"{package: other, list: [a]}")


def test_answers_are_added_where_there_were_none() -> None:
    assert manifest.answered(b"factory: f # x\nblueprint: b\n", {"k": True}) == (
        b"factory: f # x\nblueprint: b\nanswers:\n  k: true\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blueprint: b\n", "line 1: `factory` is missing"),
        ("factory: f\nblueprint: B\n", "line 2: blueprint: 'B' does not match ^[a-z][a-z0-9-]*$"),
        ("factory: f\nblueprint: b\nanswers: [1]\n", "line 3: answers: must be a mapping, not a list"),
        (
            "factory: f\nblueprint: b\nhold: {until: never, reason: r}\n",
            "line 3: hold.until: 'never' is not a date like 2027-03-31",
        ),
        ("", "line 1: must be a mapping, not empty"),
        ("a: &a [*a]\n", ": maximum recursion depth exceeded"),
        ("factory: f\n<<<<<<< yours\n", "line 3: could not find expected ':'"),
    ],
)
def test_a_malformed_manifest_is_refused_with_its_line(text: str, message: str) -> None:
    error = refusal(lambda: manifest.parse(text.encode()))
    place = "`.ai-factory/project.yaml`" + ("" if message.startswith(":") else " ")
    assert (type(error), error.message) == (ProjectError, place + message)
