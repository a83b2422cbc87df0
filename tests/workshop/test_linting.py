"""Each mistake that an author can make is found, at its place, and no other one beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ai_factory import documents
from ai_factory.factory import Factory, open_factory
from ai_factory.lock import Origin
from ai_factory.report import lint as report
from ai_factory.tree import File
from ai_factory.workshop.linting import lint
from ai_factory.workshop.opening import last_release
from ai_factory.workshop.rules import RULES, Flaw
from tests.kit import cli, commit, git, put

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "lint"
Files = dict[str, str | None]


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = documents.load((EXAMPLES / f"{name}.yaml").read_bytes(), name)
    return found


def factory(files: Files, version: str = "2.0.0") -> Factory:
    tree = {path: File(text.encode()) for path, text in files.items() if text is not None}
    return Factory(Origin("embedded", "embedded", version, "", ""), lambda: tree)


def test_every_rule_has_an_example() -> None:
    assert sorted(RULES) == sorted(path.stem for path in EXAMPLES.glob("FL*.yaml"))


def test_nothing_is_wrong_in_our_own() -> None:
    assert lint(open_factory("embedded")) == []


def test_nothing_is_wrong_in_the_base_of_the_examples() -> None:
    assert lint(factory(example("base")), factory(example("base"), "1.0.0")) == []


@pytest.mark.parametrize("rule", sorted(RULES))
def test_each_mistake_is_found_alone(rule: str) -> None:
    told = example(rule)
    before = factory(example("base"), "1.0.0") if told.get("released") else None
    found = lint(factory({**example("base"), **told["files"]}), before)
    lines = report.text(found).partition("\n\n")[0].splitlines()
    assert {one.rule for one in found if report.place(one) in told["finds"]} >= {rule}
    assert [line.replace(f" {one.rule}", "", 1) for line, one in zip(lines, found, strict=True)] == sorted(
        [told["finds"], *told.get("more", [])]
    )


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A factory in a repository, released as v1.0.0."""
    put(tmp_path, example("base"))
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    git(tmp_path, "tag", "v1.0.0")
    return tmp_path


def test_a_folder_is_held_against_its_last_release(own: Path) -> None:
    (own / "templates/extra/files/region.txt.jinja").rename(own / "templates/extra/files/place.txt.jinja")
    result = cli("factory", "lint", cwd=own)
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines() == [
        "templates/extra/component.yaml: FL015 `region.txt` of v1.0.0 is gone, and no change declares it",
        "",
        "FL015 gone without a word: declare it under `changes`: `rename`, `remove`, or `answer`",
        "1 finding",
    ]
    manifest = own / "templates/extra/component.yaml"
    manifest.write_text(manifest.read_text() + "changes: [{ since: 1.1.0, rename: { region.txt: place.txt } }]\n")
    assert cli("factory", "lint", cwd=own).code == 0


def test_a_question_that_is_gone(own: Path) -> None:
    put(own, {"templates/extra/copier.yml": "zone: { type: str, default: eu, help: Where }\n"})
    put(own, {"templates/extra/files/region.txt.jinja": "{{ zone }}\n"})
    before = last_release(open_factory(str(own)))
    (found,) = lint(open_factory(str(own)), before)
    assert (found.rule, found.message) == ("FL015", "the question `region` of v1.0.0 is gone undeclared")
    manifest = own / "templates/extra/component.yaml"
    change = "changes: [{ since: 1.1.0, answer: { rename: { region: zone } } }]\n"
    manifest.write_text(manifest.read_text() + change)
    assert lint(open_factory(str(own)), before) == []


def test_one_mistake_hides_no_other(own: Path) -> None:
    put(
        own, {"templates/core/files/a.txt.jinja": "{{ 1 + package }}\n", "templates/core/files/b.txt.jinja": "{% if %}"}
    )
    put(own, {"templates/extra/copier.yml": "region: { type: str, default: eu }\n"})
    result = cli("factory", "lint", "--json", cwd=own)
    told = json.loads(result.out)
    assert (result.code, told["schema"]) == (1, "ai-factory/lint/1")
    assert [(one["rule"], one["path"], one["line"]) for one in told["findings"]] == [
        ("FL022", "templates/core/CHANGELOG.md", 0),
        ("FL013", "templates/core/files/a.txt.jinja", 1),
        ("FL013", "templates/core/files/b.txt.jinja", 1),
        ("FL007", "templates/extra/copier.yml", 1),
    ]


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_what_is_no_factory(place: str, tmp_path: Path) -> None:
    (tmp_path / "empty/templates").mkdir(parents=True)
    result = cli("factory", "lint", place, cwd=tmp_path)
    assert (result.code, result.err.startswith("error: ")) == (2, True)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            "default: abc, placeholder: '5'",
            "the default of `n`: 'abc' is no int: invalid literal for int() with base 10: 'abc'",
        ),
        ("validator: '{% if n == 1 %}is one{% endif %}'", "`n` is one: give it a `placeholder`"),
    ],
)
def test_a_question_that_nothing_answers_is_told_where_it_stands(question: str, told: str) -> None:
    """A placeholder mends what has no default; a default is mended itself."""
    question = f"  type: int\n  help: How many\n  {question.replace(', ', chr(10) + '  ')}\n"
    asked = {"templates/extra/copier.yml": f"region: {{ type: str, default: eu, help: Where }}\nn:\n{question}"}
    found = lint(factory({**example("base"), **asked, "templates/extra/files/n.txt.jinja": "{{ n }}\n"}))
    line = 5 if "default" in question else 2
    assert [tuple(one) for one in found] == [("FL013", "templates/extra/copier.yml", line, told)]


def test_hostile_names_stay_in_their_line(own: Path) -> None:
    put(own, {"templates/extra/files/a\n::error::b\x1b[31m{% if x %}": "x"})
    result = cli("factory", "lint", cwd=own)
    assert result.code == 1
    assert not any(line.startswith("::") for line in result.out.splitlines())
    assert "\x1b" not in result.out


READ = "{{ region }}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (READ + "{{ foo | default('x') }}", []),
        (READ + "{% if foo is defined %}{{ foo }}{% endif %}", []),
        (
            READ + "{% macro m(a, b=1) %}{{ a }}{{ varargs }}{{ caller() }}{% endmacro %}{% call m(1) %}{% endcall %}",
            [],
        ),
        (READ + "{% for key, value in {'a': 1}.items() %}{{ loop.index }}{{ key }}{{ value }}{% endfor %}", []),
        (READ + "{% set n = namespace(x=1) %}{% set n.x = 2 %}{{ n.x }}", []),
        ("{% if region == 'eu' %}{% set z = 1 %}{{ z }}{% endif %}", []),
        (READ + "{% if region == 'no' %}{{ region | nosuch }}{% endif %}", [("FL013", "No filter named 'nosuch'.")]),
        (READ + "{% if region == 'no' %}{{ region is nosuch }}{% endif %}", [("FL013", "No test named 'nosuch'.")]),
        (
            READ + "{% if region == 'no' %}{{ [['a']] | map('random') | list }}{% endif %}",
            [
                ("FL013", "No filter named 'random'."),
                ("FL014", "`random` differs from run to run, or is not there"),
            ],
        ),
        (READ + "{% if %}", [("FL013", "Expected an expression, got 'end of statement block'")]),
        (READ + "{% do region %}", [("FL013", "Encountered unknown tag 'do'.")]),
    ],
)
def test_what_a_template_reads(text: str, found: list[tuple[str, str]]) -> None:
    files: Files = {**example("base"), "templates/extra/files/region.txt.jinja": text}
    assert [(one.rule, one.message) for one in lint(factory(files))] == found


@pytest.mark.parametrize(
    ("files", "rules"),
    [
        ({"templates/extra/component.yaml": ""}, {"FL001"}),
        ({"templates/extra/component.yaml": "- a\n"}, {"FL001"}),
        ({"templates/extra/copier.yml": "- a\n"}, {"FL001"}),
        ({"templates/core/copier.yml": "- a\n"}, {"FL001"}),
        ({"templates/core/component.yaml": ""}, {"FL001"}),
        ({"blueprints/small.yaml": "[]\n"}, {"FL001"}),
        ({"templates/core/component.yaml": "summary: Round\nrequires: [extra]\n"}, {"FL002"}),
        ({"templates/extra/files/b.bin.jinja": "\0\x01"}, set()),
    ],
)
def test_odd_files_are_told_not_tripped_over(files: Files, rules: set[str]) -> None:
    assert {one.rule for one in lint(factory({**example("base"), **files}))} == rules


UNREAD = [
    ({"templates/foo/files/a.txt": "a\n"}, "templates/foo/component.yaml", "it is not there"),
    ({"blueprints/more.yml": "x"}, "blueprints/more.yml", "nobody reads it: a blueprint ends in `.yaml`"),
    (
        {"templates/core/copier.yaml": "a: b\n"},
        "templates/core/copier.yaml",
        "nobody reads it: the file is called `copier.yml`",
    ),
    (
        {"templates/core/component.yml": "a: b\n"},
        "templates/core/component.yml",
        "nobody reads it: the file is called `component.yaml`",
    ),
]


@pytest.mark.parametrize(("files", "path", "message"), UNREAD)
def test_what_nobody_reads_by_its_name(files: Files, path: str, message: str) -> None:
    assert lint(factory({**example("base"), **files})) == [Flaw("FL001", path, 0, message)]


def test_a_component_that_is_not_there_is_told_once_where_it_is_named() -> None:
    """In each component that requires it, and each blueprint that lists it; what follows from that is not told."""
    files = {path: text for path, text in example("base").items() if not path.startswith("templates/core/")}
    files["templates/extra/files/region.txt.jinja"] = "{{ region }} {{ package }}\n"
    files["templates/third/component.yaml"] = "summary: On top\nrequires: [extra]\n"
    files["templates/third/files/a.txt.jinja"] = "{{ package }}\n"
    files["blueprints/other.yaml"] = "summary: Other\ncomponents: [extra, third]\n"
    assert lint(factory(files)) == [
        Flaw("FL002", "blueprints/small.yaml", 0, "there is no component `core`"),
        Flaw("FL002", "templates/extra/component.yaml", 2, "there is no component `core`"),
    ]


def test_a_copy_of_a_factory_without_a_declaration() -> None:
    files = {"factory.yaml": "", "upstream/templates/a/component.yaml": "summary: A\n", **example("base")}
    message = "`upstream/` is there, and no `upstream` says which factory it is"
    assert lint(factory(files)) == [Flaw("FL019", "factory.yaml", 0, message)]


def test_a_version_that_goes_back_is_found() -> None:
    """Also where a heading is taken out; the next release would have an older number than the last."""
    before = factory(example("base"), "1.0.0")
    files = {**example("base"), "templates/core/CHANGELOG.md": "## Unreleased\n\n- Next.\n\n## 0.9.0\n\n- Before.\n"}
    told = "0.9.0 is older than 1.0.0, the version in the last release"
    assert lint(factory(files), before) == [Flaw("FL028", "templates/core/CHANGELOG.md", 0, told)]


def test_a_default_that_its_question_refuses() -> None:
    asked = example("base")["templates/extra/copier.yml"] + "size: { type: int, default: abc, help: How much }\n"
    files = {**example("base"), "templates/extra/copier.yml": asked}
    files["templates/extra/files/region.txt.jinja"] += "{{ size }}\n"
    told = "the default of `size`: 'abc' is no int: invalid literal for int() with base 10: 'abc'"
    assert lint(factory(files)) == [Flaw("FL013", "templates/extra/copier.yml", 6, told)]
