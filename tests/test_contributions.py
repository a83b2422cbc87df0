"""What components add to files of others: gathered in order, joined where it is one thing, refused where it is two."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from ai_factory import contributions, documents
from ai_factory.errors import AuthorError
from ai_factory.sandbox import Templates
from tests.kit import component, refusal

UNSEEN = "a component sees its own answers and those of the components it requires"
NOTHING: dict[str, Any] = {
    "dependencies": [],
    "dev_dependencies": [],
    "hooks": [],
    "docs": [],
    "ignore": [],
    "links": [],
    "environment": {},
    "services": {},
    "make": {},
}


def gathered(*contributes: dict[str, Any], **answers: Any) -> dict[str, Any]:
    """What the components `one`, `two`, … contribute together, without the kinds that stay empty."""
    names = ["one", "two", "three"]
    found = [
        component(name, {"component.yaml": documents.write({"summary": "s", "contributes": row}).decode()})
        for name, row in zip(names, contributes, strict=False)
    ]
    result = contributions.gather(found, dict.fromkeys(names, answers), Templates(lambda name: None))
    assert result.keys() == NOTHING.keys()
    return {kind: values for kind, values in result.items() if values}


def joined(*requirements: str) -> list[str]:
    return list(gathered(*({"dependencies": [text]} for text in requirements))["dependencies"])


def test_nothing_contributed_gives_every_kind_empty() -> None:
    found = contributions.gather(
        [component("one", {"component.yaml": "summary: s\n"})], {"one": {}}, Templates(lambda name: None)
    )
    assert found == NOTHING


def test_every_kind_is_gathered_in_order_of_components_and_dependencies_by_name() -> None:
    one = {
        "dependencies": ["Zebra", "alpha>=1"],
        "environment": {"B": {"help": "b", "default": "{{ x }}"}},
        "hooks": [{"id": "b", "entry": "run {{ x }}", "args": ["{{ x }}", 1]}],
        "make": {"b": {"help": "b", "recipe": ["echo {{ x }}"]}},
        "docs": [{"title": "{{ x }}", "path": "b.md"}],
        "ignore": ["b/{{ x }}"],
        "links": [{"title": "b", "url": "u"}],
        "services": {"b": {"image": "{{ x }}"}},
    }
    two = {
        "dependencies": ["Beta"],
        "ignore": ["a"],
        "environment": {"A": {"help": "a"}},
        "dev_dependencies": ["pytest"],
    }
    assert gathered(one, two, x="X") == {
        "dependencies": ["alpha>=1", "Beta", "Zebra"],
        "dev_dependencies": ["pytest"],
        "environment": {"B": {"help": "b", "default": "X"}, "A": {"help": "a"}},
        "hooks": [{"id": "b", "entry": "run X", "args": ["X", 1]}],
        "make": {"b": {"help": "b", "recipe": ["echo X"]}},
        "docs": [{"title": "X", "path": "b.md"}],
        "ignore": ["b/X", "a"],
        "links": [{"title": "b", "url": "u"}],
        "services": {"b": {"image": "X"}},
    }


def test_what_stands_under_a_condition_counts_only_when_it_holds() -> None:
    row = {
        "dependencies": [{"value": "a{{ n }}", "when": "n > 1"}, {"value": "b", "when": "n > 2"}],
        "ignore": [{"value": "x", "when": "n > 2"}],
        "make": {"t": {"help": "h", "when": "n > 1"}, "u": {"help": "h", "when": "n > 2"}},
        "hooks": [{"id": "v", "value": "kept", "when": "n > 1"}],
        "links": [{"title": "t", "url": "u", "when": "not n"}],
    }
    assert gathered(row, n=2) == {
        "dependencies": ["a2"],
        "make": {"t": {"help": "h"}},
        "hooks": [{"id": "v", "value": "kept"}],
    }


@pytest.mark.parametrize(
    "row",
    [
        {"environment": {"A": {"help": "h"}}},
        {"services": {"db": {"image": "x"}}},
        {"hooks": [{"id": "h", "entry": "e"}]},
        {"make": {"run": {"help": "h"}}},
        {"docs": [{"title": "t", "path": "p"}]},
        {"ignore": ["x"]},
        {"links": [{"title": "t", "url": "u"}]},
        {"dependencies": ["a>=1"]},
    ],
)
def test_what_two_components_contribute_alike_counts_once(row: dict[str, Any]) -> None:
    assert gathered(row, row) == gathered(row)


@pytest.mark.parametrize(
    ("one", "two", "key"),
    [
        ({"environment": {"A": {"help": "h"}}}, {"environment": {"A": {"help": "i"}}}, "environment: A"),
        ({"services": {"db": {"image": "x"}}}, {"services": {"db": {"image": "y"}}}, "services: db"),
        ({"hooks": [{"id": "h"}]}, {"hooks": [{"id": "h", "x": 1}]}, "hooks: h"),
        ({"make": {"run": {"help": "h"}}}, {"make": {"run": {"help": "i"}}}, "make: run"),
        ({"docs": [{"title": "t", "path": "p"}]}, {"docs": [{"title": "u", "path": "p"}]}, "docs: p"),
        ({"links": [{"title": "t", "url": "u"}]}, {"links": [{"title": "s", "url": "u"}]}, "links: u"),
        ({"dependencies": ["a @ https://x.org/a"]}, {"dependencies": ["a>=1"]}, "dependencies: a;"),
    ],
)
def test_different_values_for_one_key_are_refused_with_both_names(one: Any, two: Any, key: str) -> None:
    error = refusal(lambda: gathered(one, two))
    assert (type(error), error.message) == (
        AuthorError,
        f"`one` and `two` contribute different values for `{key}`",
    )


@pytest.mark.parametrize(
    ("requirements", "result"),
    [
        (("a>=1,<3", "a>=2,<4"), ["a>=2,<3"]),
        (("a>=1", "a"), ["a>=1"]),
        (("a", "a"), ["a"]),
        (("a>1", "a>=1"), ["a>1"]),
        (("a<2", "a<=2"), ["a<2"]),
        (("a~=1.4", "a<1.9"), ["a~=1.4,<1.9"]),
        (("a~=1.4", "a>=1.2"), ["a>=1.2,~=1.4"]),
        (("a==1.5", "a>=1,<2"), ["a>=1,==1.5,<2"]),
        (("a==1.*", "a!=1.3"), ["a!=1.3,==1.*"]),
        (("a!=1.3", "a!=1.4"), ["a!=1.3,!=1.4"]),
        (("a>=1", "a>=1.5", "a<2"), ["a>=1.5,<2"]),
        (("a[x]>=1", "a[y]<2"), ["a[x,y]>=1,<2"]),
        (("a[x]", "a[x]>=1"), ["a[x]>=1"]),
        (("Foo_Bar>=1", "foo.bar<2", "foo--bar!=1.5"), ["Foo_Bar>=1,!=1.5,<2"]),
        (('a>=1; python_version < "3.12"', 'a<2; python_version<"3.12"'), ['a>=1,<2; python_version < "3.12"']),
        (('a<2; python_version < "3.12"', "a>=2"), ['a<2; python_version < "3.12"', "a>=2"]),
        (("a>=1,<1.0.1", "a!=1"), ["a>=1,!=1,<1.0.1"]),
        (("a>=2026.1", "a<2027"), ["a>=2026.1,<2027"]),
        (("a===1.0", "a<2"), ["a===1.0,<2"]),
        (("a @ https://x.org/a", "a@https://x.org/a"), None),
    ],
)
def test_bounds_on_one_package_are_intersected(requirements: tuple[str, ...], result: list[str] | None) -> None:
    if result is None:
        assert type(refusal(lambda: joined(*requirements))) is AuthorError
    else:
        assert joined(*requirements) == result


@pytest.mark.parametrize(
    ("one", "two"),
    [
        *(("a<1", "a>=1"), ("a<1", "a>1"), ("a<=1", "a>1"), ("a==1", "a==2"), ("a==1.5", "a!=1.5"), ("a==1.*", "a>=2")),
        *(("a~=1.4", "a<1.4"), ("a~=1.4", "a>=2"), ("a~=1.4.2", "a>=1.5"), ("a==1.5", "a<1.5"), ("a>=1,<2", "a!=1.*")),
        *(("a[x]<1", "a[y]>2"), ("a===1.0", "a>1"), ("a>=0", "a<0")),
    ],
)
def test_bounds_that_no_version_meets_are_refused_with_both_names(one: str, two: str) -> None:
    assert refusal(lambda: joined(one, two)).message == f"no version of `a` meets both `{one}` (one) and `{two}` (two)"


versions = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda pair: f"{pair[0]}.{pair[1]}")
clauses = st.tuples(st.sampled_from([">=", ">", "<", "<=", "==", "!=", "~="]), versions).map("".join)
bounds = st.lists(clauses, min_size=1, max_size=3).map(lambda some: "a" + ",".join(some))
GRID = [Version(f"{major}.{minor}.{micro}") for major in range(5) for minor in range(5) for micro in (0, 1, 7)]


@given(bounds, bounds)
def test_the_joined_bounds_allow_what_both_allow(one: str, two: str) -> None:
    both = [
        version
        for version in GRID
        if Requirement(one).specifier.contains(version) and Requirement(two).specifier.contains(version)
    ]
    try:
        result = joined(one, two)
    except AuthorError:
        assert both == []
        return
    assert [version for version in GRID if Requirement(result[0]).specifier.contains(version)] == both


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a >", "Expected semicolon (after name with no version specifier) or end"),
        ("", "Expected package name at the start of dependency specifier"),
        ("a==x.y", "Expected semicolon (after name with no version specifier) or end"),
        ("a===nonsense", "Invalid version: 'nonsense'"),
    ],
)
def test_what_is_no_requirement_is_refused(text: str, reason: str) -> None:
    row = {"dependencies": [f"{{{{ '{text}' }}}}"]}
    assert refusal(lambda: gathered(row)).message == (
        f"`templates/one/component.yaml: contributes.dependencies`: `{text}` is no requirement: {reason}"
    )


def test_a_template_that_fails_names_the_component() -> None:
    error = refusal(lambda: gathered({"ignore": ["{{ nope }}"]}))
    assert (type(error), error.message) == (
        AuthorError,
        f"`templates/one/component.yaml: contributes.ignore`: 'nope' is undefined: {UNSEEN}",
    )
