"""Marks of a conflict are told from text, and either side can be had without the other."""

from __future__ import annotations

import pytest

from ai_factory import markers

MARKED = b"a\n<<<<<<< yours\none\n=======\ntwo\n>>>>>>> factory\nz\n"
WITH_BASE = MARKED.replace(b"=======\n", b"||||||| 1234567\nbase\n=======\n")


@pytest.mark.parametrize(
    ("content", "whole", "any_left"),
    [
        (MARKED, True, True),
        (MARKED.replace(b"one\n", b""), True, True),
        (MARKED.replace(b"<<<<<<< yours\n", b""), False, True),
        (MARKED.replace(b">>>>>>> factory\n", b""), False, True),
        (b"Title\n=======\n", False, False),
        (b">>>>>>> a\n=======\n<<<<<<< b\n", False, True),
        (b"  <<<<<<< a\n  =======\n  >>>>>>> b\n", False, False),
        (b"", False, False),
    ],
)
def test_markers_are_marks_at_the_start_of_lines_in_order(content: bytes, whole: bool, any_left: bool) -> None:
    assert (markers.has_markers(content), markers.is_marked(content)) == (whole, any_left)


@pytest.mark.parametrize(("content", "line"), [(MARKED, 2), (MARKED[2:], 1), (b"a\n<<<<<< b\n", 0), (b"", 0)])
def test_the_line_with_which_a_conflict_begins(content: bytes, line: int) -> None:
    assert markers.first_marked_line(content) == line


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (MARKED, 2),
        (MARKED.replace(b"<<<<<<< yours\n", b""), 5),
        (MARKED.replace(b">>>>>>> factory\n", b""), 2),
        (b"Title\n=======\n", 0),
    ],
)
def test_the_first_mark_that_is_left(content: bytes, line: int) -> None:
    assert (markers.is_marked(content), markers.first_marked_line(content)) == (line > 0, line)


def test_marks_are_told_by_the_name_of_a_side() -> None:
    assert (markers.are_of("yours", MARKED), markers.are_of("ours", MARKED)) == (True, False)


@pytest.mark.parametrize("content", [MARKED, WITH_BASE])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_either_side_of_a_conflict(content: bytes, end: bytes) -> None:
    text = content.replace(b"\n", end)
    assert markers.ours(text) == b"a\none\nz\n".replace(b"\n", end)
    assert markers.theirs(text) == b"a\ntwo\nz\n".replace(b"\n", end)


def test_a_longer_line_is_no_separator() -> None:
    text = MARKED.replace(b"one\n", b"Heading\n==========\nparagraph\n")
    assert markers.ours(text) == b"a\nHeading\n==========\nparagraph\nz\n"
    longer = MARKED.replace(b"<<<<<<<", b"<<<<<<<<").replace(b"\n=======\n", b"\n=======\n========\n")
    assert markers.ours(longer.replace(b">>>>>>>", b">>>>>>>>")) == b"a\none\n=======\nz\n"


@pytest.mark.parametrize(
    ("content", "like"),
    [(b"Title\n=======\n", True), (b"<<<<<<<<\n", True), (b"a = 1\n ======= \n", False), (b"", False)],
)
def test_text_that_looks_like_a_mark(content: bytes, like: bool) -> None:
    assert markers.could_be_markers(content) is like
