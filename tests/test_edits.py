"""Edits of a document that people wrote: what is not changed stays to the byte."""

from __future__ import annotations

from typing import Any

import pytest

from ai_factory import documents, edits

DOCUMENT = """\
# head
factory: 'https://example.org/f.git'   # the platform's

answers:
  # where we log to
  sink:   file   # since the audit
  # what the package is called
  package: "claims"
  levels:
  - low      # as agreed
  -   high
  # the end of the answers

hold: {until: 2027-03-01,
       reason: freeze}
# tail
"""


@pytest.mark.parametrize(
    ("changes", "renames", "before", "after"),
    [
        ({("answers", "sink"): "db"}, {}, "sink:   file ", "sink:   db "),
        ({("answers", "sink"): ["a", "b: c"]}, {}, "sink:   file ", "sink:   [a, 'b: c'] "),
        ({("answers", "sink"): {"a": None}}, {}, "sink:   file ", "sink:   {a: null} "),
        ({("answers", "package"): "yes"}, {}, '"claims"', "yes"),
        ({("answers", "package"): "true"}, {}, '"claims"', "'true'"),
        ({("answers", "package"): True}, {}, '"claims"', "true"),
        ({("factory",): "embedded"}, {}, "'https://example.org/f.git'", "embedded"),
        ({("answers", "sink"): None}, {}, "  sink:   file   # since the audit\n", ""),
        ({("answers", "levels"): None}, {}, "  levels:\n  - low      # as agreed\n  -   high\n", ""),
        ({("answers", "levels"): ["x"]}, {}, "levels:\n  - low      # as agreed\n  -   high\n", "levels: [x]\n"),
        ({("answers", "new"): 1}, {}, "  -   high\n", "  -   high\n  new: 1\n"),
        ({}, {("answers", "sink"): "audit_sinks"}, "sink:   file ", "audit_sinks:   file "),
        ({("answers", "s2"): "db"}, {("answers", "sink"): "s2"}, "sink:   file ", "s2:   db "),
        ({}, {("answers", "levels"): "tiers"}, "levels:", "tiers:"),
        ({("answers", "gone"): None}, {("answers", "none"): "x"}, "", ""),
    ],
)
def test_one_line_changes_and_every_other_stays(changes: Any, renames: Any, before: str, after: str) -> None:
    assert edits.edit(DOCUMENT.encode(), changes, renames).decode() == DOCUMENT.replace(before, after, 1)


@pytest.mark.parametrize("end", ["", "\n", "\n\n# tail\n"])
def test_the_end_of_the_document_is_a_place_like_any_other(end: str) -> None:
    text = f"answers:\n    a: |\n      one\n      two{end}"
    added = edits.edit(text.encode(), {("answers", "b"): "x"}).decode()
    assert documents.load(added.encode(), "x")["answers"] == {"a": "one\ntwo" + "\n" * bool(end), "b": "x"}
    assert added.endswith(end.removeprefix("\n")) or not end
    gone = edits.edit(text.encode(), {("answers", "a"): None}).decode()
    assert gone == f"answers: {{}}\n{end.lstrip(chr(10))}"


def test_line_endings_stay() -> None:
    text = DOCUMENT.replace("\n", "\r\n").encode()
    after = edits.edit(text, {("answers", "new"): 1, ("answers", "sink"): None})
    assert after == edits.edit(DOCUMENT.encode(), {("answers", "new"): 1, ("answers", "sink"): None}).replace(
        b"\n", b"\r\n"
    )


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("answers: {a: 1, b: 2}  # c\n", "answers: {b: 2, new: 3} # c\n"),
        ("x: 1  # c\n", "x: 1  # c\nanswers:\n  new: 3\n"),
        ("answers: {}\nx: 1  # c\n", "answers:\n  new: 3\nx: 1  # c\n"),
        ("answers:\n  a: &one 1\n  b: *one\n", "answers:\n  b: &one 1\n  new: 3\n"),
    ],
)
def test_another_layout_is_written_anew_with_its_comments(text: str, after: str) -> None:
    assert edits.edit(text.encode(), {("answers", "a"): None, ("answers", "new"): 3}).decode() == after
