"""The components of a factory as a library: all that somebody asks who thinks of taking one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import cache, catalog
from ai_factory.catalog import RELEASE, Blueprint, Component
from ai_factory.contributions import KEYS, MAPPINGS, unconditional
from ai_factory.errors import FactoryError
from ai_factory.factory import Factory
from ai_factory.project.inspect import controls_of
from ai_factory.versions import are_equal
from ai_factory.workshop.owning import ownership

IMPACTS = ("none", "review", "reapprove")  # the heaviest last


class Release(NamedTuple):
    """A version of a component: what it means for approvals ("" where it declares no change), what teams do by hand."""

    version: str
    impact: str
    manual: tuple[str, ...]


class Entry(NamedTuple):
    """One component, and what is known of it beside its own file.

    `gives` has the names of what it adds to files of others, by kind; `controls` the titles of those that it is
    evidence for; `taken_by` the blueprints that have it, and whether a project must ask for it there.
    """

    component: Component
    owns: Mapping[str, str]
    gives: Mapping[str, tuple[str, ...]]
    controls: Mapping[str, str]
    pattern: str
    releases: tuple[Release, ...]
    taken_by: Mapping[str, bool]


class _Around(NamedTuple):
    """What a factory has beside its components: the titles of its controls, and its blueprints."""

    titles: Mapping[str, str]
    blueprints: Sequence[Blueprint]


def entries(factory: Factory) -> list[Entry]:
    """Every component of the factory."""
    around = _around(factory)
    return [_entry(name, factory, around) for name in factory.components()]


def entry(name: str, factory: Factory) -> Entry:
    """One component. Raises UsageError where there is none of that name."""
    return _entry(name, factory, _around(factory))


def _around(factory: Factory) -> _Around:
    plans = [catalog.blueprint(name, factory.read, cache.document) for name in factory.blueprints()]
    return _Around(_titles(factory), plans)


def _entry(name: str, factory: Factory, around: _Around) -> Entry:
    found = catalog.component(name, factory.read, factory.origin.version, cache.document)
    return Entry(
        component=found,
        owns=ownership(found),
        gives={kind: tuple(_names(kind, values)) for kind, values in found.contributes.items()},
        controls={control: around.titles.get(control, "") for control in found.evidences},
        pattern=_text(found, "README.md"),
        releases=tuple(_release(version, found) for version in RELEASE.findall(_text(found, "CHANGELOG.md"))),
        taken_by={one.name: name in one.optional for one in around.blueprints if name in one.components + one.optional},
    )


def _text(component: Component, path: str) -> str:
    file = component.tree.get(path)
    return file.content.decode(errors="replace") if file else ""


def _names(kind: str, values: Any) -> list[str]:
    if kind in MAPPINGS:
        return list(values)
    bare = [unconditional(kind, value)[0] for value in values]
    return [str(value[KEYS[kind]] if kind in KEYS else value) for value in bare]


def _release(version: str, component: Component) -> Release:
    changes = [change for change in component.changes if are_equal(change.since, version)]
    impact = max((change.impact for change in changes), key=IMPACTS.index, default="")
    return Release(version, impact, tuple(change.manual for change in changes if change.manual))


def _titles(factory: Factory) -> dict[str, str]:
    """The controls that the factory's map names, or else ours; none where it has mistakes, which `map lint` tells."""
    try:
        return {control: row.title for control, row in controls_of(factory).items()}
    except FactoryError:
        return {}
