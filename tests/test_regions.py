"""Parts of a file that only serve the factory go whole, with their marks, and only where the marks are whole."""

from __future__ import annotations

import pytest

from ai_factory import regions

FILE = "one\n# ai-factory: begin\nours\n# ai-factory: end\ntwo\n# ai-factory: begin\n# ai-factory: end\nthree\n"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_the_parts_go_and_every_other_byte_stays(end: str, mark: str, last: bool) -> None:
    text, left = FILE, "one\ntwo\nthree\n"
    if not last:
        text, left = text.removesuffix("\n"), left.removesuffix("\n")
    before, after = ((mark + one.replace("\n", end)).encode() for one in (text, left))
    assert regions.without(before) == after


@pytest.mark.parametrize("begin", ["# {}", "// {}", "<!-- {} -->", "-- {}", "; {}", "% {}", "  # {}  ", "\t#{}"])
def test_a_mark_is_a_comment_of_any_kind(begin: str) -> None:
    text = f"a\n{begin.format('ai-factory: begin')}\nb\n{begin.format('ai-factory: end')}\nc\n"
    assert regions.without(text.encode()) == b"a\nc\n"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_part_at_either_end(mark: str) -> None:
    """A mark may be the first line, behind the byte order mark, and the last one without a break."""
    first = f"{mark}# ai-factory: begin\nb\n# ai-factory: end\nc\n"
    assert regions.without(first.encode()) == f"{mark}c\n".encode()
    assert regions.without(f"{mark}a\n# ai-factory: begin\nb\n# ai-factory: end".encode()) == f"{mark}a\n".encode()
    whole = f"{mark}# ai-factory: begin\n# ai-factory: end\n"
    assert regions.without(whole.encode()) == mark.encode()


@pytest.mark.parametrize(
    "text",
    [
        "a\n# ai-factory: begin\nb\n",  # never ended
        "a\nb\n# ai-factory: end\nc\n",  # never begun
        "# ai-factory: begin\na\n# ai-factory: begin\nb\n# ai-factory: end\nc\n# ai-factory: end\n",  # one in another
        "# ai-factory: end\na\n# ai-factory: begin\n",  # the wrong way round
        "# ai-factory: begin\na\n# ai-factory: ends\nb\n",  # edited
        "# ai-factory: begin here\na\n# ai-factory: end\nb\n",
        "# AI-Factory: begin\na\n# ai-factory: end\nb\n",
        "# ai-factory: begin\na\nx = 1  # ai-factory: end\nb\n",  # moved behind something
    ],
)
def test_marks_without_a_partner_leave_the_file_to_a_person(text: str) -> None:
    for end in ("\n", "\r\n"):
        assert regions.without(text.replace("\n", end).encode()) is None


@pytest.mark.parametrize(
    "text", ["", "a\n", "a", "# ai-factory begin\n# ai-factory end\n", "see `ai-factory: begin`\n"]
)
def test_text_without_marks_stays(text: str) -> None:
    assert regions.without(text.encode()) == text.encode()


def test_bytes_that_are_no_text_stay() -> None:
    text = b"\xff\xfe\x80\n# ai-factory: begin\n\xff\n# ai-factory: end\n\x80"
    assert regions.without(text) == b"\xff\xfe\x80\n\x80"
