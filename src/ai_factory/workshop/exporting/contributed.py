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
    yield f"{{% set _{kind} = {'{}' if kind in MAPPINGS else '[]'} %}}"
    keys = [_key(one) for one in mine]
    several = len(set(keys)) < len(keys) or any("{" in key for key in keys)
    for one, key in zip(mine, keys, strict=True):
        value = written(one.value, names)
        grown = (
            f"dict(_{kind}, **{{{literal(key)}: {value.expression}}})"
            if kind in MAPPINGS
            else f"_{kind} + [{value.expression}]"
        )
        put = f"{{% set _{kind} = {grown} %}}"
        put = _once(kind, key, value.expression, put) if several else put
        yield _guarded(one, taken, names, value.before + put)


def _put(kind: str, key: str, value: str) -> str:
    if kind in MAPPINGS:
        return f"{{% set _{kind} = dict(_{kind}, **{{{literal(key)}: {value}}}) %}}"
    return f"{{% set _{kind} = _{kind} + [{value}] %}}"


def _key(one: _Added) -> str:
    """What tells it from others of its kind, as far as that is known without answers."""
    return one.key or str(one.value[KEYS[one.kind]] if one.kind in KEYS else one.value)


def _once(kind: str, key: str, value: str, put: str) -> str:
    """Add the value unless its key is there: two of one key are the same, which a factory's own rendering checks."""
    if kind in MAPPINGS:
        return _if(f"{literal(key)} not in _{kind}", put)
    if kind in KEYS:
        name = KEYS[kind]
        return _if(f'{value}["{name}"] not in _{kind} | map(attribute="{name}") | list', put)
    return _if(f"{value} not in _{kind}", put)


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
                f"`{one.where}`: `{one.value}` holds an answer, so it cannot be joined beforehand",
                "write each requirement out, with `when`",
            )
        groups.setdefault(requirements.identity(one.value, one.where), {}).setdefault(one.value, []).append(one)
    yield f"{{% set _{kind} = [] %}}"
    for group in groups.values():
        yield from _group(kind, group, taken, names)
    yield f"{{% set _{kind} = _{kind} | sort %}}"


def _group(kind: str, group: Mapping[str, list[_Added]], taken: Conditions, names: Names) -> Iterator[str]:
    """The statements for one package: of the bounds that count, the one that asks for them all."""
    counts: dict[str, str] = {}
    for value, ones in group.items():
        before, counts[value] = _any(ones, taken, names)
        yield from filter(None, [before])
    if sum(map(bool, counts.values())) > MOST_BOUNDS:
        told = next(iter(group.values()))[0]
        raise AuthorError(f"`{told.where}`: `{told.value}` is one of more than {MOST_BOUNDS} bounds on one package")
    yield "".join(_chain(kind, group, counts))


def _chain(kind: str, group: Mapping[str, list[_Added]], counts: Mapping[str, str]) -> Iterator[str]:
    """The case of every choice of conditional bounds; two that never meet are left to answers that take one of them."""
    word = "if"
    for chosen in _subsets([value for value in group if counts[value]]):
        ones = [group[value][0] for value in group if value in chosen or not counts[value]]
        try:
            put = f"{{% set _{kind} = _{kind} + [{literal(_joined(ones))}] %}}" if ones else ""
        except AuthorError:
            if not chosen:
                raise
            continue
        if chosen:
            yield f"{{% {word} {' and '.join(counts[value] for value in chosen)} %}}{put}"
            word = "elif"
        else:
            yield f"{{% else %}}{put}" if word == "elif" and put else put
    yield "{% endif %}" if word == "elif" else ""


def _subsets(values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every choice of them, larger ones first, none at the end."""
    for size in range(len(values), -1, -1):
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
    return before, parts[0] if len(parts) == 1 else f"({' or '.join(f'({part})' for part in parts)})"


def _joined(ones: Sequence[_Added]) -> str:
    """What all of these ask for. Raises AuthorError, naming two, when no version meets them."""
    value, component = ones[0].value, ones[0].component
    for one in ones[1:]:
        joined = requirements.intersected((value, component), (one.value, one.component))
        if not joined:
            raise AuthorError(f"`{one.where}`: `{one.value}` and `{value}` name one package by different addresses")
        value = joined
    return str(value)
