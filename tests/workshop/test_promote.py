"""The parts of `promote` by themselves: lines of templates, values, changelogs, imports, secrets."""

from __future__ import annotations

import pytest

from ai_factory.questions import Question
from ai_factory.sandbox import Templates
from ai_factory.workshop.changelog import noted
from ai_factory.workshop.promote import imports, tokens
from ai_factory.workshop.promote.mapping import chosen
from ai_factory.workshop.promote.texts import Line, Part, lines_of, split
from ai_factory.workshop.promote.values import Left, Spelled, Turned, escaped, of_answers, spelled

# ---- lines of templates --------------------------------------------------------------------------


def test_a_template_falls_into_lines_of_text_and_code() -> None:
    """Space that a tag takes away stays text; what is repeated, raw, or runs over a line's end is known."""
    source = "a {{ x }}\n{%- for y in z %}\n  {{ y }}\n{%- endfor -%}\n\n{% raw %}\n{{ b }}\n{% endraw %}{# c\nd #}\n"
    assert "".join(split(source)) == source
    assert lines_of(source) == [
        Line((Part("a ", False), Part("{{ x }}", True), Part("\n", False)), (), False, False, True),
        Line((Part("{%- for y in z %}", True), Part("\n", False)), ("for",), True, False, True),
        Line((Part("  ", False), Part("{{ y }}", True), Part("\n", False)), (), True, False, True),
        Line((Part("{%- endfor -%}", True), Part("\n", False)), ("endfor",), True, False, True),
        Line((Part("\n", False),), (), False, False, True),
        Line((Part("{% raw %}", True), Part("\n", False)), ("raw",), False, False, True),
        Line((Part("{{ b }}\n", False),), (), False, True, True),
        Line((Part("{% endraw %}", True), Part("{# c\n", True)), ("endraw",), False, True, False),
        Line((Part("d #}", True), Part("\n", False)), (), False, False, False),
    ]


# ---- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["{", "{{", "{{{", "{{ x }}", "{% if %}", "{# c #}", "{{{{%#}}", "a{{\n{%", "}}"])
def test_escaped_text_is_rendered_as_it_was(text: str) -> None:
    templates = Templates(lambda name: None)
    assert templates.text(escaped(text), {}, "x") == text
    assert templates.text(escaped(text, before_code=True) + "{{ y }}", {"y": 1}, "x") == f"{text}1"


ASKED = [Question(name, "core", "x") for name in ("package", "one", "two", "short", "common")]
ASKED += [Question("chosen", "core", "x", choices=["degrade"]), Question("number", "core", "x", type="int")]
ANSWERS = {
    "package": "credit_line",
    "one": "same words",
    "two": "same words",
    "short": "abc",
    "common": "True",
    "chosen": "degrade",
    "number": 12345,
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("of credit_line.", Spelled("of {{ package }}.", (Turned("credit_line", "{{ package }}"),))),
        ("{credit_line}", Spelled("{{ '{' }}{{ package }}}", (Turned("credit_line", "{{ package }}"),))),
        ("credit_lines, my_credit_line", Spelled("credit_lines, my_credit_line")),
        ("same words", Spelled("same words", (), (Left("same words", ("{{ one }}", "{{ two }}")),))),
        ("abc True degrade 12345", Spelled("abc True degrade 12345")),
    ],
)
def test_a_value_that_says_where_it_is_from_becomes_its_variable(text: str, wanted: Spelled) -> None:
    """As a whole word, in a person's own words, of one answer only."""
    assert spelled([text], of_answers(ASKED, ANSWERS)) == wanted


def test_what_stands_near_decides_between_two_answers() -> None:
    near = of_answers(ASKED, ANSWERS).nearer([("same words", "{{ two }}")])
    assert spelled(["same words"], near).text == "{{ two }}"
    both = near.nearer([("same words", "{{ one }}"), ("same words", "{{ two }}")])
    assert spelled(["same words"], both) == Spelled("same words", (), (Left("same words", ("{{ one }}", "{{ two }}")),))


# ---- edits, notes, imports, secrets --------------------------------------------------------------


def test_edits_are_chosen_by_a_line_of_the_teams() -> None:
    """Where lines went, the line that follows stands for them; a line that was not edited is named."""
    before, team = "a\nb\nc\nd\ne\n", "A\nb\nd\nE\n"
    assert chosen(before, team, [1]) == ("A\nb\nc\nd\ne\n", [])
    assert chosen(before, team, [3]) == ("a\nb\nd\ne\n", [])
    assert chosen(before, team, [1, 4, 2]) == ("A\nb\nc\nd\nE\n", [2])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# Changelog\n\n## 1.0.0\n\n- a\n", "# Changelog\n\n## Unreleased\n\n- new\n\n## 1.0.0\n\n- a\n"),
        ("# C\n\n## Unreleased\n\n- b\n\n## 1.0.0\n", "# C\n\n## Unreleased\n\n- b\n- new\n\n## 1.0.0\n"),
        ("# C\n\n## [Unreleased]\n", "# C\n\n## [Unreleased]\n\n- new\n"),
        ("# C\r\n\r\n## 1\r\n", "# C\r\n\r\n## Unreleased\r\n\r\n- new\r\n\r\n## 1\r\n"),
        ("# Changelog\n", "# Changelog\n\n## Unreleased\n\n- new\n"),
        ("", "## Unreleased\n\n- new\n"),
    ],
)
def test_a_note_stands_under_what_is_not_released(before: str, after: str) -> None:
    assert noted(before.encode(), "new").decode() == after


def test_imports_are_told_from_the_text() -> None:
    source = b"import os, a.b\nfrom a import c\nfrom . import d\nfrom ..e import f\n"
    assert imports.modules("src/p/q/r.py", source) == ["a.b", "a.c", "os", "p.e.f", "p.q.d"]
    assert imports.modules("x.py", b"no python (") == []
    there = {"src/p/e.py", "p/q/__init__.py"}
    assert [imports.file_of(one, there.__contains__) for one in ("p.e.f", "p.q.d", "os")] == [
        "src/p/e.py",
        "p/q/__init__.py",
        "",
    ]
    wanted = ["PyYAML>=6", "scikit-learn[x]~=1.5", "two.words ; python_version > '3'", "other"]
    assert [imports.required(one, wanted) for one in ("yaml", "sklearn.base", "two_words", "polars")] == [
        *wanted[:3],
        "",
    ]
    assert [one for one in ("os.path", "polars") if imports.is_foreign(one)] == ["polars"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("-----BEGIN RSA PRIVATE " + "KEY-----", "a private key"),
        ("x = 'ghp_" + "a1" * 18 + "'", "a GitHub token"),
        ("glpat-" + "a1-_" * 5, "a GitLab token"),
        ("postgres://user:" + "word@host/db", "a password in an address"),
        ("sk-proj-" + "a1" * 12, "an API key"),
    ],
)
def test_what_looks_like_a_secret_is_seen(line: str, kind: str) -> None:
    content = f"first\n{line}\n".encode()
    assert list(tokens.found_in(content)) == [(2, kind)]
    assert list(tokens.new_in(content, line.encode())) == []


@pytest.mark.parametrize("line", ["https://example.org:80/x@y", "task-of-the-day-which-is-long", "{{ user }}:{{ x }}@"])
def test_what_is_no_secret_passes(line: str) -> None:
    assert list(tokens.found_in(line.encode())) == []
