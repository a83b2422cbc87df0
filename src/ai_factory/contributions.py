"""What components add to files that others own, gathered as data: evaluated in blueprint order, then as written.

Equal keys: identical ones count once; two bounds on one package are intersected; anything else is an error
that names both components.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ai_factory.catalog import Component
from ai_factory.errors import AuthorError
from ai_factory.sandbox import Context, Templates

LISTS = ("dependencies", "dev_dependencies", "hooks", "docs", "ignore", "links")
CONDITIONAL = ("dependencies", "dev_dependencies", "ignore")  # their items may be written `{value, when}`
MAPPINGS = ("environment", "services", "make")
KEYS = {"hooks": "id", "docs": "path", "links": "url"}  # what makes two items of a list the same one


class _Item(NamedTuple):
    """One contributed value: its kind, the key that identifies it, and who brought it."""

    kind: str
    key: str
    value: Any
    component: str


def gather(components: Sequence[Component], contexts: Mapping[str, Context], templates: Templates) -> dict[str, Any]:
    """All contributions by kind: lists for LISTS, mappings for MAPPINGS.

    Raises AuthorError for an invalid requirement, bounds that nothing meets, and two different values for one key.
    """
    found: dict[tuple[str, str], _Item] = {}
    for item in components:
        for new in _evaluated(item, contexts[item.name], templates):
            place = (new.kind, new.key)
            found[place] = _joined(found[place], new) if place in found else new
    gathered: dict[str, Any] = {kind: [] for kind in LISTS} | {kind: {} for kind in MAPPINGS}
    for entry in found.values():
        if entry.kind in MAPPINGS:
            gathered[entry.kind][entry.key] = entry.value
        else:
            gathered[entry.kind].append(entry.value)
    for kind in ("dependencies", "dev_dependencies"):
        gathered[kind].sort(key=str.lower)
    return gathered


def _evaluated(item: Component, context: Context, templates: Templates) -> Iterator[_Item]:
    for kind, values in item.contributes.items():
        where = f"{item.folder}/component.yaml: contributes.{kind}"
        pairs = values.items() if isinstance(values, dict) else ((None, value) for value in values)
        for key, written in pairs:
            bare, condition = _without_condition(kind, written)
            if templates.truth(condition, context, where):
                value = _rendered(bare, templates, context, where)
                yield _Item(kind, key or _key(kind, value, where), value, item.name)


def _without_condition(kind: str, written: Any) -> tuple[Any, bool | str]:
    """The value as it would stand alone, and the condition under which it counts."""
    if not isinstance(written, dict):
        return written, True
    bare = {name: inner for name, inner in written.items() if name != "when"}
    return bare["value"] if kind in CONDITIONAL else bare, written.get("when", True)


def _rendered(value: Any, templates: Templates, context: Context, where: str) -> Any:
    if isinstance(value, str):
        return templates.text(value, context, where)
    if isinstance(value, list):
        return [_rendered(item, templates, context, where) for item in value]
    if isinstance(value, dict):
        return {key: _rendered(item, templates, context, where) for key, item in value.items()}
    return value


def _key(kind: str, value: Any, where: str) -> str:
    if kind in ("dependencies", "dev_dependencies"):
        requirement = _requirement(value, where)
        return f"{canonicalize_name(requirement.name)};{requirement.marker or ''}"
    return str(value[KEYS[kind]]) if kind in KEYS else str(value)


def _requirement(text: str, where: str) -> Requirement:
    try:
        requirement = Requirement(text)
        for clause in requirement.specifier:
            Version(clause.version.removesuffix(".*"))  # `===` takes any text
    except (InvalidRequirement, InvalidVersion) as error:
        raise AuthorError(f"`{where}`: `{text}` is no requirement: {str(error).splitlines()[0]}") from None
    return requirement


def _joined(old: _Item, new: _Item) -> _Item:
    if old.value == new.value:
        return old
    if old.kind in ("dependencies", "dev_dependencies") and not _has_address(old, new):
        return old._replace(value=_intersected(old, new))
    raise AuthorError(
        f"`{old.component}` and `{new.component}` contribute different values for `{old.kind}: {old.key}`",
        "let one component contribute it, and the other require that component",
    )


def _has_address(*items: _Item) -> bool:
    return any(Requirement(item.value).url for item in items)


def _intersected(old: _Item, new: _Item) -> str:
    one, two = Requirement(old.value), Requirement(new.value)
    bounds = one.specifier & two.specifier
    if _is_empty(bounds):
        raise AuthorError(
            f"no version of `{one.name}` meets both `{old.value}` ({old.component}) and `{new.value}` ({new.component})"
        )
    extras = sorted(one.extras | two.extras)
    name = one.name + (f"[{','.join(extras)}]" if extras else "")
    return f"{name}{_tightest(bounds)}" + (f"; {one.marker}" if one.marker else "")


def _is_empty(bounds: SpecifierSet) -> bool:
    """Whether no version can meet the bounds: tried at every bound, and just above and below it."""
    named = [Version(clause.version.removesuffix(".*")) for clause in bounds]
    tried = {version for edge in named for version in _around(edge)}
    return bool(named) and not any(bounds.contains(version, prereleases=True) for version in tried)


def _around(edge: Version) -> Iterator[Version]:
    release = ".".join(map(str, edge.release))
    yield edge
    yield Version(f"{edge}.post1" if edge.post is None and not edge.is_devrelease else str(edge))
    yield Version(f"{release}.0.1")
    for place in range(len(edge.release)):
        if edge.release[place]:
            lower = [*edge.release[:place], edge.release[place] - 1]
            yield Version(".".join(map(str, lower)) + ".9999")


def _tightest(bounds: SpecifierSet) -> str:
    """The bounds without those that another one implies; lower bounds first."""
    lower = [clause for clause in bounds if clause.operator in (">=", ">")]
    upper = [clause for clause in bounds if clause.operator in ("<=", "<")]
    rest = [clause for clause in bounds if clause.operator not in (">=", ">", "<=", "<")]
    kept = _extreme(lower, max, ">") + sorted(rest, key=str) + _extreme(upper, min, "<")
    return ",".join(map(str, kept))


def _extreme(clauses: list[Specifier], choose: Any, strict: str) -> list[Specifier]:
    if not clauses:
        return []
    edge = choose(Version(clause.version) for clause in clauses)
    at_edge = [clause for clause in clauses if Version(clause.version) == edge]
    return [next((clause for clause in at_edge if clause.operator == strict), at_edge[0])]
