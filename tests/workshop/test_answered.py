"""What a release of a factory would do to answers, told from the questions: with what is declared, and without."""

from __future__ import annotations

from typing import Any

import pytest

from ai_factory import documents
from ai_factory.workshop.linting import lint
from tests.workshop.test_linting import example, factory


def told(questions: str, changes: str = "", blueprint: str = "", before: str = "") -> list[tuple[str, str]]:
    """What is found where `extra` asks something else than in the base of the examples; it reads every answer."""
    base = example("base")
    asked: dict[str, Any] = documents.load(questions.encode(), "questions")
    files = {
        "templates/extra/copier.yml": questions,
        "templates/extra/files/region.txt.jinja": "".join(f"{{{{ {key} }}}}\n" for key in asked),
        "templates/extra/CHANGELOG.md": "## Unreleased\n\n- Others.\n\n## 1.0.0\n\n- The first.\n",
        "templates/extra/component.yaml": base["templates/extra/component.yaml"] + changes,
    }
    if blueprint:
        files["blueprints/small.yaml"] = blueprint
    old = {**base, "templates/extra/CHANGELOG.md": "## 1.0.0\n\n- The first.\n"}
    old |= {"templates/extra/copier.yml": before} if before else {}
    found = lint(factory({**base, **files}), factory(old, "1.0.0"))
    return [(one.rule, one.message) for one in found]


CHOICES = "region: { type: str, default: eu, choices: [eu, us], help: Where }\n"
IN = ("FL026", "`region` could be 'in' in 1.0.0: it is no choice any more")
TEXT = "name: { type: str, default: a, help: N }\n"
BLUEPRINT = "summary: A small project\ncomponents: [core, extra]\nanswers: { zone: a }\n"


@pytest.mark.parametrize(
    ("questions", "changes", "found"),
    [
        (CHOICES, "", [IN]),
        (CHOICES, "changes: [{ since: 1.1.0, answer: { map: { region: { in: eu } } } }]\n", []),
        (CHOICES, "changes: [{ since: 1.1.0, answer: { map: { region: { in: fr } } } }]\n", [IN]),
        (CHOICES, "changes: [{ since: 0.9.0, answer: { map: { region: { in: eu } } } }]\n", [IN]),
        (
            CHOICES.replace("region", "zone"),
            "changes: [{ since: 1.1.0, answer: { rename: { region: zone } } }]\n",
            [IN],
        ),
        (CHOICES.replace("[eu, us]", "[eu, in, us, fr]"), "", []),
        (CHOICES.replace(", choices: [eu, us]", ""), "", []),
        (CHOICES.replace("[eu, us]", "[eu, in, us]").replace("default", "multiselect: true, default"), "", []),
        (
            "region: { type: int, default: 3, help: Where }\n",
            "",
            [("FL026", "`region` could be 'eu' in 1.0.0: it is no int")],
        ),
        (
            "region: { type: str, choices: [eu, in, us], help: Where }\n",
            "",
            [("FL026", "`region` has no default, and projects of 1.0.0 have not answered it")],
        ),
    ],
)
def test_an_answer_of_the_last_release(questions: str, changes: str, found: list[tuple[str, str]]) -> None:
    assert told(questions, changes) == found


@pytest.mark.parametrize(
    ("before", "questions", "changes", "blueprint", "found"),
    [
        (TEXT, TEXT + "zone: { type: str, help: Z }\n", "", "", ["zone"]),
        (TEXT, TEXT + "zone: { type: str, help: Z }\n", "", BLUEPRINT, []),
        (TEXT.replace("default: a, ", ""), TEXT.replace("default: a, ", ""), "", "", []),
        (
            TEXT.replace("default: a, ", ""),
            TEXT.replace("default: a, ", "").replace("name", "zone"),
            "changes: [{ since: 1.1.0, answer: { rename: { name: zone } } }]\n",
            "",
            [],
        ),
        (TEXT, TEXT.replace("str, default: a", "int, default: 1"), "", "", ["name"]),
        (TEXT.replace("str, default: a", "int, default: 1"), TEXT, "", "", []),
        (TEXT.replace("str, default: a", "bool, default: true"), TEXT, "", "", ["name"]),
    ],
)
def test_what_every_project_would_have_to_answer(
    before: str, questions: str, changes: str, blueprint: str, found: list[str]
) -> None:
    rows = told(questions, changes, blueprint, before)
    assert [message.split("`")[1] for rule, message in rows if rule == "FL026"] == found
    assert {rule for rule, _ in rows} <= {"FL026"}


NOWHERE = [
    ("rename: { region.txt: ../../x }", "the path '../../x' points outside its folder or into git's own"),
    (
        "rename: { region.txt: .git/hooks/pre-commit }",
        "the path '.git/hooks/pre-commit' points outside its folder or into git's own",
    ),
    ("rename: { region.txt: nothere.txt }", "no component has a file `nothere.txt`"),
    ("remove: [/etc/passwd]", "the path '/etc/passwd' points outside its folder or into git's own"),
    ("move_keys: { pyproject.toml: { a: b } }", "no component has a file `pyproject.toml`"),
    ("answer: { rename: { old: area } }", "no component asks `area`"),
    ("answer: { split: { old: { a: { area: b } } } }", "no component asks `area`"),
]


@pytest.mark.parametrize(("row", "message"), NOWHERE)
def test_a_change_that_leads_nowhere(row: str, message: str) -> None:
    files = example("base")
    files["templates/extra/component.yaml"] += f"changes:\n  - since: 1.0.0\n    {row}\n"
    assert [(one.rule, one.line, one.message) for one in lint(factory(files))] == [("FL025", 5, message)]


def test_a_change_that_a_later_one_takes_further_is_none() -> None:
    files = example("base")
    rows = "{ since: 0.2.0, rename: { a.txt: b.txt } }, { since: 0.3.0, remove: [b.txt] }"
    rows += ", { since: 0.3.0, answer: { rename: { a: b } } }, { since: 0.4.0, answer: { remove: [b] } }"
    files["templates/extra/component.yaml"] += f"changes: [{rows}]\n"
    assert lint(factory(files)) == []


def test_what_is_declared_as_gone_is_not_there() -> None:
    files = example("base")
    before = factory(dict(files), "1.0.0")
    files["templates/core/CHANGELOG.md"] = "## Unreleased\n\n- x\n\n## 1.0.0\n\n- The first.\n"
    row = "changes: [{ since: 1.1.0, remove: [README.md], weakens: [ZZZ-99] }]\n"
    files["templates/core/component.yaml"] += row
    assert [(one.rule, one.line, one.message) for one in lint(factory(files), before)] == [
        ("FL018", 3, "there is no control `ZZZ-99`"),
        ("FL025", 3, "`README.md` is declared as gone, and is there"),
    ]
