"""YAML from strangers: plain data or one sentence, in bounded time; and edits that keep people's bytes."""

from __future__ import annotations

import itertools
import time

import pytest

from ai_factory import documents
from ai_factory.errors import AuthorError, FactoryError
from tests.kit import refusal

LETTERS = "abcdefghi"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in itertools.pairwise(LETTERS)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{number}: &a{number} {{<<: [*a{number - 1}, *a{number - 1}], y{number}: 1}}\n" for number in range(1, 40)
)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", None),
        ("# only a comment\n", None),
        ("a: 1\nb: [x, true, null, 1.5, 0o17]\n", {"a": 1, "b": ["x", True, None, 1.5, 15]}),
        ("a: yes\nb: off\nc: NO\n", {"a": "yes", "b": "off", "c": "NO"}),  # YAML 1.2
        ("a: 2027-03-31\nb: 2026-99-99\n", {"a": "2027-03-31", "b": "2026-99-99"}),
        ("a: &x {k: 1}\nb: {<<: *x, l: 2}\nc: *x\n", {"a": {"k": 1}, "b": {"k": 1, "l": 2}, "c": {"k": 1}}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("\ufeffa: é\n", {"a": "é"}),
    ],
)
def test_a_document_is_plain_data(text: str, data: object) -> None:
    assert documents.load(text.encode(), "here") == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [\n", "`here` line 3: expected the node content, but found '<stream end>'"),
        ("a: b: c\n", "`here` line 1: mapping values are not allowed here"),
        ("x: 1\na: 1\na: 2\n", '`here` line 3: found duplicate key "a" with value "2" (original value: "1")'),
        ("a: 1\n---\nb: 2\n", "`here` line 2: but found another document"),
        ("a: *x\n", "`here` line 1: found undefined alias 'x'"),
        ("a: !foo x\n", "`here` line 1: could not determine a constructor for the tag '!foo'"),
        (
            "a: !!python/object/apply:os.system [id]\n",
            (
                "`here` line 1: could not determine a constructor for the tag "
                "'tag:yaml.org,2002:python/object/apply:os.system'"
            ),
        ),
        ("a: !!set {x, y}\n", "`here`: it holds a set, which is no plain value"),
        ("a: !!binary aGk=\n", "`here`: it holds a bytes, which is no plain value"),
        ("? [a]\n: b\n", "`here`: it holds a tuple, which is no plain value"),
        ("a: .nan\n", "`here`: it holds nan, which is no number to other readers"),
        ("a: 1e999\n", "`here`: it holds inf, which is no number to other readers"),
        (f"a: 0x{'f' * 9000}\n", "`here`: it holds a number of more than 64 bits"),
        (
            'a: "\\ud800"\n',
            "`here`: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
        ),
        ("a: !!bool maybe\n", "`here`: 'maybe'"),
        ("a: !!int ''\n", "`here`: string index out of range"),
        ("\0", "`here`: unacceptable character #x0000: special characters are not allowed"),
    ],
)
def test_what_is_no_plain_document_is_refused_with_file_and_line(text: str, message: str) -> None:
    error = refusal(lambda: documents.load(text.encode(), "here", AuthorError))
    assert (type(error), error.message) == (AuthorError, message)


def test_what_is_no_utf_8_is_refused() -> None:
    assert refusal(lambda: documents.load(b"a: \xff", "here")).message == "`here` is not UTF-8 text"


def test_a_large_document_is_refused_unread() -> None:
    text = b"#" * (documents.SIZE_LIMIT + 1)
    assert refusal(lambda: documents.load(text, "here")).message == "`here` is larger than 262144 bytes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "`here`: it holds more than 100000 values"),
        (MERGES, "`here` line 17: it merges more than 100000 values"),
        ("&a [*a]", "`here`: maximum recursion depth exceeded"),
        ("- " * 100_000, "`here`: maximum recursion depth exceeded"),
        ("{a: " * 50_000, "`here`: maximum recursion depth exceeded"),
        ("[" * 500, "`here`: maximum recursion depth exceeded"),
    ],
    ids=["laughs", "merges", "itself", "lists", "mappings", "brackets"],
)
def test_a_document_that_explodes_is_refused_in_seconds(text: str, message: str) -> None:
    start = time.process_time()
    error = refusal(lambda: documents.load(text.encode(), "here"))
    assert error.message.split(" while")[0].split(" in comparison")[0] == message
    assert time.process_time() - start < 10


DOCUMENT = b"""\
# head
a: 1
b:
  - x
  - {c: 2,
     d: 3}

e: 2026-99-99
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [((), 1), (("a",), 2), (("b",), 3), (("b", 0), 4), (("b", 1, "d"), 6), (("b", 7), 3), (("e",), 8), (("z", "a"), 1)],
)
def test_a_value_is_found_on_its_line_or_its_parents(place: tuple[str | int, ...], line: int) -> None:
    assert documents.line_of(DOCUMENT, place) == line


def test_lines_of_many_values_are_found_in_one_reading() -> None:
    assert documents.lines_of(DOCUMENT, [("e",), ("a",)]) == [8, 2]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("k: null\n# next\nz: 1\n", "k: [1, 2]\n# next\nz: 1\n"),
        ("k: [1] # why\nz: 1\n", "k: [1, 2] # why\nz: 1\n"),
        ("k:\n  - 1\nz: 1\n", "k:\n  - 1\n  - 2\nz: 1\n"),
    ],
)
def test_a_list_stands_where_the_value_stood(before: str, after: str) -> None:
    assert documents.edit(before.encode(), {("k",): [1, 2]}).decode() == after


def test_an_edit_keeps_comments_order_quotes_and_dates() -> None:
    before = b"# mine\nz: 'q'   # why\n\nanswers: {a: 1}\nday: 2027-03-01\nodd: 2026-99-99\nold: x\n"
    after = documents.edit(before, {("answers", "b"): "two", ("z",): "r", ("old",): None, ("new", "k"): [1]})
    assert after.decode() == (
        "# mine\nz: 'r'   # why\n\nanswers: {a: 1, b: two}\nday: 2027-03-01\nodd: 2026-99-99\nnew:\n  k:\n    - 1\n"
    )


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert documents.edit(b"a: 1 # c\n", {("b",): None}) == b"a: 1 # c\n"


def test_an_edit_of_an_empty_document_begins_one() -> None:
    assert documents.edit(b"", {("a", "b"): 1}) == b"a:\n  b: 1\n"


def test_a_new_document_keeps_the_order_given() -> None:
    data = {"z": "yes", "a": ["x", {"k": "1.0"}], "m": "line\nline\n"}
    written = documents.write(data)
    assert documents.load(written, "here") == data


def test_errors_are_of_the_kind_asked_for() -> None:
    assert type(refusal(lambda: documents.load(b"[", "here"))) is FactoryError
