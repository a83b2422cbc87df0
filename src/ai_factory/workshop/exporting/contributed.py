"""What components add to each other's files, as one Jinja template that gathers it when a project is rendered.

It gives what `contributions.gather` gives: in blueprint order, then as written; equal keys count once, two bounds on
one package are intersected. Which of them hold is only known with the answers, so every combination of bounds that
can meet is worked out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from ai_factory import requirements
from ai_factory.catalog import Blueprint, Component
from ai_factory.contributions import KEYS, LISTS, MAPPINGS, REQUIREMENTS, unconditional
from ai_factory.errors import AuthorError
from ai_factory.workshop.exporting.jinja_text import Names, literal, written

MOST_BOUNDS = 8  # different bounds on one package: each further one doubles what has to be worked out
# what is set here begins with `_`, as no answer does; it renders to nothing that anybody reads
HOLDS = (
    '{% macro _holds(value) %}{% if value is string and value | trim | lower in ["", "n", "no", "f", "false", "off",'
    ' "0", "none", "null"] %}{% elif value %}yes{% endif %}{% endmacro %}'
)

Conditions = Mapping[str, str]  # of an optional component: the question that takes it


class _Added(NamedTuple):
    """One contribution as it is written: who brings it, under which key, and when it counts."""

    kind: str
    key: str | None
    value: Any
    when: bool | str
    component: str

    @property
    def where(self) -> str:
        return f"templates/{self.component}/component.yaml: contributes.{self.kind}"


def shared(blueprint: Blueprint, components: Sequence[Component], taken: Conditions) -> str:
    """The template that sets `blueprint`, `components` and `contributions`, for whoever imports it with context.

    Raises AuthorError for a contribution that only an answer could tell from another one.
    """
    told = {"name": blueprint.name, "summary": blueprint.summary, "facts": dict(blueprint.facts)}
    added = [one for item in components for one in _added(item)]
    names = Names()
    kinds = (*LISTS, *MAPPINGS)
    lines = [
        "{# What every template here may read. It is generated: change the factory, and export the blueprint again. #}",
        HOLDS,
        *(line for kind in kinds for line in _kind(kind, added, taken, names)),
        "{% set _components = [] %}",
        *(_component(item, taken) for item in components),
        f"{{% set blueprint = {literal(told)} %}}",
        "{% set components = _components %}",
        "{% set contributions = {" + ", ".join(f'"{kind}": _{kind}' for kind in kinds) + "} %}",
    ]
    return "\n".join(lines) + "\n"


def _component(item: Component, taken: Conditions) -> str:
    told = {"name": item.name, "summary": item.summary, "produces": list(item.produces)}
    return _if(taken.get(item.name, ""), f"{{% set _components = _components + [{literal(told)}] %}}")


def _if(condition: str, statements: str) -> str:
    return f"{{% if {condition} %}}{statements}{{% endif %}}" if condition else statements


def _added(item: Component) -> Iterator[_Added]:
    for kind, values in item.contributes.items():
        pairs = values.items() if isinstance(values, dict) else ((None, value) for value in values)
        for key, value in pairs:
            bare, when = unconditional(kind, value)
            yield _Added(kind, key, bare, when, item.name)


def _kind(kind: str, added: Sequence[_Added], taken: Conditions, names: Names) -> Iterator[str]:
    """The statements that set one kind."""
    mine = [one for one in added if one.kind == kind]
    if kind in REQUIREMENTS:
        yield from _requirements(kind, mine, taken, names)
        return
    yield f"{{% set _{kind} = {'{}' if kind in MAPPINGS else '[]'} %}}{{% set _seen = [] %}}"
    for one in mine:
        value = written(one.value, names)
        yield _guarded(one, taken, names, value.before + _put(kind, one.key, value.expression))


def _put(kind: str, key: str | None, value: str) -> str:
    """Add a value unless its key is there: two of one key are the same, which a factory's own rendering checks."""
    name = literal(key) if key else f'_one["{KEYS[kind]}"]' if kind in KEYS else "_one"
    grown = f"dict(_{kind}, **{{{name}: _one}})" if kind in MAPPINGS else f"_{kind} + [_one]"
    return (
        f"{{% set _one = {value} %}}{{% if {name} not in _seen %}}"
        f"{{% set _{kind} = {grown} %}}{{% set _seen = _seen + [{name}] %}}{{% endif %}}"
    )


def _guarded(one: _Added, taken: Conditions, names: Names, statements: str) -> str:
    """The statements, for where the contribution counts."""
    before, condition = _condition(one, names)
    return _if(taken.get(one.component, ""), before + _if(condition, statements))


def _condition(one: _Added, names: Names) -> tuple[str, str]:
    """Statements that come first, and the expression that says whether it counts; empty where it always does."""
    if isinstance(one.when, bool):
        return "", "" if one.when else "false"
    if "{{" in one.when or "{%" in one.when:
        name = names.new()
        return f"{{% set {name} %}}{one.when}{{% endset %}}", f"_holds({name})"
    return "", f"_holds({one.when})"


# ---- requirements: bounds on one package become one -----------------------------------------------


def _requirements(kind: str, mine: Sequence[_Added], taken: Conditions, names: Names) -> Iterator[str]:
    groups: dict[str, dict[str, list[_Added]]] = {}
    for one in mine:
        if "{" in one.value:
            raise AuthorError(
                f"`{one.where}`: `{one.value}` holds an answer, so its bounds cannot be joined beforehand",
                "write each requirement out, with `when`",
            )
        groups.setdefault(requirements.identity(one.value, one.where), {}).setdefault(one.value, []).append(one)
    yield f"{{% set _{kind} = [] %}}"
    for group in groups.values():
        yield from _group(kind, group, taken, names)
    yield f"{{% set _{kind} = _{kind} | sort %}}"


def _group(kind: str, group: Mapping[str, list[_Added]], taken: Conditions, names: Names) -> Iterator[str]:
    """The statements for one package: of the bounds that count, the one that asks for them all."""
    if len(group) > MOST_BOUNDS:
        where = next(iter(group.values()))[0].where
        raise AuthorError(f"`{where}`: `{next(iter(group))}` is one of more than {MOST_BOUNDS} bounds on one package")
    counts: dict[str, str] = {}
    for value, ones in group.items():
        before, counts[value] = _any(ones, taken, names)
        yield from filter(None, [before])
    yield "".join(_chain(kind, group, counts))


def _chain(kind: str, group: Mapping[str, list[_Added]], counts: Mapping[str, str]) -> Iterator[str]:
    word = "if"
    for values in _subsets(list(group)):
        joined = _joined([group[value][0] for value in values])
        condition = " and ".join(filter(None, (counts[value] for value in values)))
        put = f"{{% set _{kind} = _{kind} + [{literal(joined)}] %}}"
        if condition:
            yield f"{{% {word} {condition} %}}{put}"
            word = "elif"
            continue
        yield put if word == "if" else f"{{% else %}}{put}"  # what always counts is in every smaller choice
        break
    yield "" if word == "if" else "{% endif %}"


def _subsets(values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every choice of them but none, larger ones first."""
    for size in range(len(values), 0, -1):
        yield from combinations(values, size)


def _any(ones: Sequence[_Added], taken: Conditions, names: Names) -> tuple[str, str]:
    """When one of these counts: statements that come first, and the expression; empty where one always does."""
    before, parts = "", []
    for one in ones:
        first, counts = _condition(one, names)
        before += first
        question = taken.get(one.component, "")
        parts.append(" and ".join(filter(None, (question, counts))))
    if not all(parts):
        return "", ""
    return before, f"({' or '.join(f'({part})' for part in parts)})"


def _joined(ones: Sequence[_Added]) -> str:
    """What all of these ask for. Raises AuthorError, naming two, when no version meets them."""
    value, component = ones[0].value, ones[0].component
    for one in ones[1:]:
        joined = requirements.intersected((value, component), (one.value, one.component))
        if not joined:
            raise AuthorError(f"`{one.where}`: `{one.value}` and `{value}` name one package by different addresses")
        value = joined
    return str(value)
