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


# ---- lists of words --------------------------------------------------------------------------------

WITH = """\
# head
with:
  # the first
  - infra   # since the audit
  # the second
  - docs
  - "ci"

# tail
answers:
    long:   'as it is'
"""


@pytest.mark.parametrize(
    ("wanted", "before", "after"),
    [
        (["infra", "docs", "ci"], "", ""),
        (["ci", "infra", "docs"], "", ""),  # an order says nothing
        (["infra", "docs"], '  - "ci"\n', ""),
        (["docs", "ci"], "  - infra   # since the audit\n", ""),
        (["infra", "docs", "ci", "more"], '  - "ci"\n', '  - "ci"\n  - more\n'),
        (["docs", "yes"], '  - infra   # since the audit\n  # the second\n  - docs\n  - "ci"\n', ""),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_list_keeps_the_lines_of_the_words_that_stay(
    wanted: list[str], before: str, after: str, end: str, mark: str
) -> None:
    if "yes" in wanted:
        after = "  # the second\n  - docs\n  - yes\n"
    text, expected = (mark + one.replace("\n", end) for one in (WITH, WITH.replace(before, after, 1)))
    assert edits.edit_list(text.encode(), "with", wanted).decode() == expected


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        ("a: 1\nwith:\n- x\n- y", ["x"], "a: 1\nwith:\n- x\n"),  # no break at the end
        ("a: 1\nwith:\n- x\n- y", ["y"], "a: 1\nwith:\n- y"),
        ("a: 1\nwith:\n- x", ["x", "y"], "a: 1\nwith:\n- x\n- y\n"),
        ("a: 1\r\nwith:\r\n- x", ["x", "y"], "a: 1\r\nwith:\r\n- x\r\n- y\r\n"),
        ("a: 1\nwith: [x, y]  # both\n", ["y", "z"], "a: 1\nwith: [y, z]  # both\n"),
        ("a: 1\nwith: [x]\n", [], "a: 1\n"),
        ("a: 1\nwith:\n  - x\n# tail\n", [], "a: 1\n# tail\n"),
        ("a: 1\nwith: [x,\n       y]\nb: 2\n", ["y"], "a: 1\nwith: [y]\nb: 2\n"),
        ("{a: 1, with: [x, y]}\n", ["y"], "{a: 1, with: [y]}\n"),
        ("a: 1\nwith:\n  - x\n", ["x", "true"], "a: 1\nwith:\n  - x\n  - 'true'\n"),
    ],
)
def test_a_list_however_it_is_written(text: str, wanted: list[str], expected: str) -> None:
    assert edits.edit_list(text.encode(), "with", wanted).decode() == expected


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_document_keeps_its_endings_and_its_mark(end: str, mark: str) -> None:
    """Also where it is written anew, as its lines do not hold one key each."""
    for text, expected in (("a: 1\nb: 2\n", "a: 1\nb: 3\n"), ("{a: 1, b: 2}\n", "{a: 1, b: 3}\n")):
        before, after = ((mark + one.replace("\n", end)).encode() for one in (text, expected))
        assert edits.edit(before, {("b",): 3}) == after
