"""What components add to files that others own, gathered as data: evaluated in blueprint order, then as written.

Equal keys: identical ones count once; two bounds on one package are intersected; anything else is an error
that names both components.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ai_factory.catalog import Component
from ai_factory.errors import AuthorError

if TYPE_CHECKING:
    from ai_factory.sandbox import Context, Templates

LISTS = ("dependencies", "dev_dependencies", "hooks", "docs", "ignore", "links")
CONDITIONAL = ("dependencies", "dev_dependencies", "ignore")  # their items may be written `{value, when}`
REQUIREMENTS = ("dependencies", "dev_dependencies")
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
    for kind in REQUIREMENTS:
        gathered[kind].sort(key=str.lower)
    return gathered


def _evaluated(item: Component, context: Context, templates: Templates) -> Iterator[_Item]:
    for kind, values in item.contributes.items():
        where = f"{item.folder}/component.yaml: contributes.{kind}"
        pairs = values.items() if isinstance(values, dict) else ((None, value) for value in values)
        for key, written in pairs:
            bare, condition = unconditional(kind, written)
            if templates.truth(condition, context, where):
                value = _rendered(bare, templates, context, where)
                yield _Item(kind, key or _key(kind, value, where), value, item.name)


def unconditional(kind: str, written: Any) -> tuple[Any, bool | str]:
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


def key_of(kind: str, written: Any, where: str) -> str:
    """What makes two items of a list the same one, of an item as its component writes it. Raises AuthorError."""
    return _key(kind, unconditional(kind, written)[0], where)


def _key(kind: str, value: Any, where: str) -> str:
    if kind in REQUIREMENTS:
        from ai_factory import requirements  # a blueprint without any does not wait for their parser

        return requirements.identity(value, where)
    return str(value[KEYS[kind]]) if kind in KEYS else str(value)


def _joined(old: _Item, new: _Item) -> _Item:
    if old.value == new.value:
        return old
    if old.kind in REQUIREMENTS:
        from ai_factory import requirements

        if joined := requirements.intersected((old.value, old.component), (new.value, new.component)):
            return old._replace(value=joined)
    raise AuthorError(
        f"`{old.component}` and `{new.component}` contribute different values for `{old.kind}: {old.key}`",
        "let one component contribute it, and the other require that component",
    )
