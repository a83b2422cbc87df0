"""Every mistake in a factory that can be told without a project, read off its tree; a stranger's in a child.

Each component is looked at by itself, then each blueprint is rendered: with its presets and defaults, without and with
what is optional, and once with every other choice of each question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from ai_factory import cache, catalog, documents, versions
from ai_factory.catalog import Blueprint, Component
from ai_factory.errors import FactoryError
from ai_factory.factory import Factory
from ai_factory.project.facts import map_in
from ai_factory.project.target import guarded
from ai_factory.workshop import parts, trying
from ai_factory.workshop.rules import Flaw, located


def lint(factory: Factory, before: Factory | None = None) -> list[Flaw]:
    """What is wrong in the factory, by path and line; `before` is its last release, None where there is none."""
    components, flaws = _components(factory)
    blueprints, more = _blueprints(factory)
    flaws += more
    flaws += guarded(factory, partial(_tried, components, blueprints))
    flaws += _lonely(components, blueprints)
    flaws += _astray(factory, components)
    if before:
        flaws += _gone(factory, before, components)
    return sorted(set(flaws), key=lambda flaw: (flaw.path, flaw.line, flaw.rule, flaw.message))


def _tried(components: Mapping[str, Component], blueprints: Mapping[str, Blueprint]) -> list[Flaw]:
    """What is told from the templates, which are a stranger's until somebody has looked at them."""
    known = parts.Parts(components)
    alone = [flaw for component in components.values() for flaw in parts.flaws_of(component, known)]
    done = [trying.tried(one, known) for one in blueprints.values()]
    together = [flaw for one in done for flaw in one.flaws]
    return [*alone, *together, *trying.without_evidence(done, components)]


def offering(factory: Factory, names: Collection[str]) -> tuple[list[str], Counter[Flaw]]:
    """The blueprints that offer one of those components, and what is wrong in their renderings, wherever it stands."""
    components, flaws = _components(factory)
    known, more = _blueprints(factory)
    chosen = {name: one for name, one in known.items() if {*one.components, *one.optional}.intersection(names)}
    flaws += more
    flaws += guarded(factory, partial(_tried, components, chosen))
    return sorted(chosen), Counter(flaw._replace(line=0) for flaw in {*flaws} if flaw.rule != "FL010")


def _components(factory: Factory) -> tuple[dict[str, Component], list[Flaw]]:
    found: dict[str, Component] = {}
    flaws: list[Flaw] = []
    for name in factory.components():
        try:
            found[name] = catalog.component(name, factory.read, factory.origin.version, cache.document)
        except FactoryError as error:
            flaws += located("FL001", error, f"{catalog.COMPONENTS}/{name}/component.yaml")
    return found, flaws


def _blueprints(factory: Factory) -> tuple[dict[str, Blueprint], list[Flaw]]:
    found: dict[str, Blueprint] = {}
    flaws: list[Flaw] = []
    for name in factory.blueprints():
        try:
            found[name] = catalog.blueprint(name, factory.read, cache.document)
        except FactoryError as error:
            flaws += located("FL001", error, f"{catalog.BLUEPRINTS}/{name}.yaml")
    return found, flaws


def _astray(factory: Factory, components: Mapping[str, Component]) -> Iterator[Flaw]:
    """Evidence for a control that the factory's map does not know; what is wrong in the map itself `map lint` tells."""
    try:
        known = map_in(factory.read(catalog.CONTROLS)).regulation.controls
    except FactoryError:
        return
    for component in components.values():
        for control in component.evidences:
            if control not in known:
                line = documents.line_of(component.tree[parts.MANIFEST].content, ("evidences", control))
                yield Flaw("FL018", f"{component.folder}/{parts.MANIFEST}", line, f"there is no control `{control}`")


def _lonely(components: Mapping[str, Component], blueprints: Mapping[str, Blueprint]) -> Iterator[Flaw]:
    used = {name for one in blueprints.values() for name in (*one.components, *one.optional)}
    for name, component in components.items():
        if name not in used:
            yield Flaw("FL017", f"{component.folder}/component.yaml", 1, f"no blueprint has the component `{name}`")


class _Stamped(NamedTuple):
    """What a release stamps and asks of one component, as its templates write it."""

    paths: frozenset[str]
    keys: frozenset[str]


def _gone(factory: Factory, before: Factory, components: Mapping[str, Component]) -> Iterator[Flaw]:
    """Template paths and questions of the last release that are gone, and that no later change speaks of."""
    old, _ = _components(before)
    for name, was in old.items():
        where = f"{was.folder}/component.yaml"
        now = components.get(name)
        if now is None:
            if name not in factory.components():
                yield Flaw("FL015", where, 0, f"the component `{name}` of {before.origin.version} is gone")
            continue
        later = [one for one in now.changes if versions.is_older(was.version, one.since)]
        moved = {path for one in later for path in (*one.rename, *one.remove)}
        answers = {key for one in later for table in ("rename", "split") for key in one.answer.get(table, {})}
        answers |= {key for one in later for key in one.answer.get("remove", ())}
        then, here = _stamped(was), _stamped(now)
        for path in sorted(then.paths - here.paths - moved):
            yield Flaw("FL015", where, 0, f"`{path}` of {before.origin.version} is gone, and no change declares it")
        elsewhere = {question.key for one in components.values() for question in one.questions}
        for key in sorted(then.keys - here.keys - answers - elsewhere):
            yield Flaw("FL015", where, 0, f"the question `{key}` of {before.origin.version} is gone undeclared")


def _stamped(component: Component) -> _Stamped:
    paths = frozenset(path.removesuffix(".jinja") for path in component.files)
    return _Stamped(paths, frozenset(question.key for question in component.questions))
