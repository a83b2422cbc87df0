"""Components and blueprints: read from a tree, checked with file and line, selected and ordered."""

from __future__ import annotations

from typing import Any

import pytest

from ai_factory import catalog, questions
from ai_factory.catalog import Blueprint, Change, Component
from ai_factory.errors import AuthorError, FactoryError, UsageError
from ai_factory.tree import under
from tests.kit import component, files, refusal

HEAD = "summary: s\n"
KNOWN = "known here: summary, components, optional, answers, facts, test, retired, replaces"


def blueprint(text: str, name: str = "small") -> Blueprint:
    tree = files({"blueprints/small.yaml": text, "blueprints/other.yaml": HEAD, "blueprints/x/y.yaml": HEAD})
    return catalog.blueprint(name, lambda folder: under(tree, folder))


def plain(name: str, *requires: str, **questions_: str) -> Component:
    copier = "".join(f"{key}: {value}\n" for key, value in questions_.items())
    return component(name, {"component.yaml": f"summary: s\nrequires: [{', '.join(requires)}]\n", "copier.yml": copier})


def test_a_blueprint_is_read_whole() -> None:
    text = "summary: s\ncomponents: [a, b]\noptional: [c]\nanswers: {x: 1}\nfacts: {genai: false}\n"
    assert blueprint(text) == Blueprint("small", "s", ("a", "b"), ("c",), {"x": 1}, {"genai": False})


def test_what_a_blueprint_leaves_out_is_empty() -> None:
    assert blueprint("summary: s\ncomponents: [a]\n") == Blueprint("small", "s", ("a",), (), {}, {})


@pytest.mark.parametrize(
    ("name", "end"),
    [("smal", "; did you mean `small`?"), ("zzz", "; known are other, small"), ("../x", "; known are other, small")],
)
def test_an_unknown_blueprint_names_the_nearest(name: str, end: str) -> None:
    error = refusal(lambda: blueprint(HEAD, name))
    assert (type(error), error.message) == (UsageError, f"there is no blueprint `{name}`{end}")


@pytest.mark.parametrize(
    ("text", "message", "details"),
    [
        ("", "line 1: must be a mapping, not empty", ()),
        ("components: [a]\n", "line 1: `summary` is missing", ()),
        ("summary: s\n\ncomponents:\n  - a\n  - B\n", "line 5: components.1: 'B' does not match ^[a-z][a-z0-9-]*$", ()),
        (
            "summary: ''\ncomponents: [a]\nextra: 1\n",
            "line 1: summary: must not be empty",
            (f"`blueprints/small.yaml` line 3: extra: the key `extra` is unknown; {KNOWN}",),
        ),
        ("summary: [\n", "line 2: expected the node content, but found '<stream end>'", ()),
    ],
)
def test_a_malformed_blueprint_is_refused_with_every_line(text: str, message: str, details: tuple[str, ...]) -> None:
    error = refusal(lambda: blueprint(text))
    assert (type(error), error.message, error.details) == (AuthorError, f"`blueprints/small.yaml` {message}", details)


def test_a_component_listed_twice_is_refused() -> None:
    error = refusal(lambda: blueprint("summary: s\ncomponents: [a, b]\noptional: [a]\n"))
    assert (type(error), error.message) == (AuthorError, "`blueprints/small.yaml` lists `a` twice")


def test_a_document_with_thousands_of_mistakes_names_the_first_fifty() -> None:
    text = "summary: s\ncomponents: [a]\n" + "".join(f"k{number}: 1\n" for number in range(3000))
    assert len(refusal(lambda: blueprint(text)).details) == 49


EVERYTHING = {
    "component.yaml": """\
summary: s
requires: [base]
ownership: {"src/**": managed}
contributes: {ignore: [x]}
evidences: {AUD-01: [a, b]}
produces: [evidence/x.json]
changes:
  - {since: 0.4.0, rename: {a: b}}
  - {since: 0.5.0, remove: [c], answer: {remove: [k]}, manual: m, impact: none}
""",
    "copier.yml": "_subdirectory: files\nk: {type: int, help: h}\nshort: v\n",
    "CHANGELOG.md": "# Changelog\n\n## [v1.2.3] - 2026\n\n## 1.0.0\n",
    "files/src/a.py": "x",
    "files/b": "y",
    "README.md": "z",
}


def test_a_component_is_read_whole() -> None:
    found = component("more", EVERYTHING)
    where = "templates/more/copier.yml"
    assert found == Component(
        name="more",
        version="1.2.3",
        summary="s",
        requires=("base",),
        ownership={"src/**": "managed"},
        contributes={"ignore": ["x"]},
        evidences={"AUD-01": ("a", "b")},
        produces=("evidence/x.json",),
        changes=(
            Change("0.4.0", {"a": "b"}, (), {}, "", "review"),
            Change("0.5.0", {}, ("c",), {"remove": ["k"]}, "m", "none"),
        ),
        questions=(
            questions.parse("k", {"type": "int", "help": "h"}, "more", where),
            questions.parse("short", "v", "more", where),
        ),
        tree=files(EVERYTHING),
    )
    assert (found.folder, found.files) == ("templates/more", files({"src/a.py": "x", "b": "y"}))


@pytest.mark.parametrize(
    ("changelog", "version"),
    [
        (None, "9.9"),
        ("# Changelog\n", "9.9"),
        ("## Unreleased\n\n## 2.0\n", "2.0"),
        ("### 3.0\n## v4.0-rc1 x\n", "4.0-rc1"),
    ],
)
def test_the_version_is_the_newest_release_in_the_changelog_else_the_factorys(
    changelog: str | None, version: str
) -> None:
    contents = {"component.yaml": HEAD} | ({"CHANGELOG.md": changelog} if changelog else {})
    assert component("c", contents).version == version


def test_an_unknown_component_is_refused() -> None:
    error = refusal(lambda: component("c", {"README.md": "x"}))
    assert (type(error), error.message) == (UsageError, "there is no component `c`")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n_tasks: [rm -rf /]\n", "line 2: Copier's setting `_tasks` is not supported in a component"),
        ("_migrations: []\n", "line 1: Copier's setting `_migrations` is not supported in a component"),
        ("_jinja_extensions: [os]\n", "line 1: Copier's setting `_jinja_extensions` is not supported in a component"),
        ("a:\n  type: str\n  secret: true\n", "line 3: `a` asks for a secret, which would be stored"),
        ("a: {type: path}\n", "line 1: a.type: 'path' is not one of str, int, float, bool, yaml, json"),
        ("_subdirectory: .\n", "line 1: _subdirectory: must be 'files'"),
        ("- a\n", "line 1: must be a mapping, not a list"),
    ],
)
def test_questions_that_would_run_code_or_store_secrets_are_refused(text: str, message: str) -> None:
    error = refusal(lambda: component("c", {"component.yaml": HEAD, "copier.yml": text}))
    assert (type(error), error.message) == (AuthorError, f"`templates/c/copier.yml` {message}")


def test_components_are_taken_in_the_blueprints_order_optional_ones_last() -> None:
    chosen = Blueprint("b", "s", ("x", "y", "z"), ("o", "p"), {}, {})
    assert catalog.select(chosen) == ("x", "y", "z")
    assert catalog.select(chosen, ("p", "o"), ("y",)) == ("x", "z", "o", "p")
    assert catalog.select(chosen, ("x",)) == ("x", "y", "z")


@pytest.mark.parametrize(
    ("with_", "without", "message"),
    [
        (("q",), (), "`blueprints/b.yaml` does not offer `q`; known are op"),
        (("opp",), (), "`blueprints/b.yaml` does not offer `opp`; did you mean `op`?"),
        ((), ("op",), "`blueprints/b.yaml` has no component `op`; known are x, y"),
    ],
)
def test_a_component_that_is_not_on_offer_is_refused(with_: Any, without: Any, message: str) -> None:
    error = refusal(lambda: catalog.select(Blueprint("b", "s", ("x", "y"), ("op",), {}, {}), with_, without))
    assert (type(error), error.message) == (UsageError, message)


@pytest.mark.parametrize(
    ("components", "kind", "message"),
    [
        ([plain("a", "b")], UsageError, "the component `a` requires `b`, which is not taken"),
        ([plain("a", "b"), plain("b")], AuthorError, "the component `b` must stand before `a`, which requires it"),
        (
            [plain("x"), plain("a", "x", "b"), plain("b")],
            AuthorError,
            "the component `b` must stand before `a`, which requires it",
        ),
        ([plain("a", "a")], AuthorError, "the component `a` must stand before `a`, which requires it"),
    ],
)
def test_a_component_needs_those_it_requires_before_it(
    components: list[Component], kind: type[FactoryError], message: str
) -> None:
    error = refusal(lambda: catalog.check_requires(components))
    assert (type(error), error.message) == (kind, message)


def test_a_component_sees_itself_and_all_that_it_requires() -> None:
    components = [plain("a"), plain("b", "a"), plain("c", "b"), plain("d")]
    catalog.check_requires(components)
    assert catalog.visible(components) == {
        "a": frozenset({"a"}),
        "b": frozenset({"a", "b"}),
        "c": frozenset({"a", "b", "c"}),
        "d": frozenset({"d"}),
    }


def test_all_questions_stand_in_order_and_a_key_is_asked_once() -> None:
    assert [asked.key for asked in catalog.all_questions([plain("a", x="1", y="2"), plain("b", z="3")])] == [
        "x",
        "y",
        "z",
    ]
    error = refusal(lambda: catalog.all_questions([plain("a", x="1"), plain("b", x="1")]))
    assert (type(error), error.message) == (
        AuthorError,
        "`templates/a/copier.yml` and `templates/b/copier.yml` both ask `x`",
    )
