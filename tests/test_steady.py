"""What a template makes up at random stays as a project has it."""

from __future__ import annotations

import pytest

from ai_factory.render import Rendered
from ai_factory.steady import steadied
from ai_factory.tree import File


@pytest.mark.parametrize(
    ("made", "again", "known", "kept"),
    [
        ("a\nkey = 'x1y'\nb\n", "a\nkey = 'z2'\nb\n", "old\nkey = 'q9'\n", "a\nkey = 'q9'\nb\n"),
        ("KEY=abc1\n", "KEY=abz2\n", "KEY=mine", "KEY=abc1\n"),  # the known one has no end of line
        ("KEY=abc1\n", "KEY=abz2\n", "KEY=mine\n", "KEY=mine\n"),  # `ab` is common by chance
        ("u=1\nu=2\n", "u=3\nu=4\n", "u=7\nmore\nu=8\n", "u=7\nmore\nu=8\n".replace("more\n", "")),
        ("u=1\nu=2\n", "u=3\nu=4\n", "u=7\n", "u=1\nu=2\n"),  # which is which, nobody can tell
        ("name=1\n", "name=2\n", "other=7\n", "name=1\n"),  # the template has renamed it
        ("x\n", "y\n", "z\n", "x\n"),  # nothing tells the line
        ("u=1\n", "u=2\nmore\n", "u=7\n", "u=1\n"),
        ("same\n", "same\n", "old\n", "same\n"),
    ],
)
def test_a_line_that_no_two_renderings_have_alike_stays(made: str, again: str, known: str, kept: str) -> None:
    rendered = Rendered({"f": File(made.encode())}, {}, (), {"f": File(again.encode())})
    assert steadied(rendered, {"f": File(known.encode())}).tree == {"f": File(kept.encode())}


def test_a_file_that_is_not_known_stays_as_it_was_made() -> None:
    rendered = Rendered({"f": File(b"u=1\n")}, {}, (), {"f": File(b"u=2\n")})
    assert steadied(rendered, {}) == rendered
