"""Maps beside each other, and what a new one does to projects before any file of them moves."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import cache, catalog, documents
from ai_factory.catalog import Component
from ai_factory.errors import FactoryError, UsageError
from ai_factory.factory import Factory, Wanted, open_factory
from ai_factory.governance import changes, linting
from ai_factory.governance import facts as facts_of
from ai_factory.governance.approvals import SIGN_OFF
from ai_factory.governance.changes import Change, Effect, Ground, differences
from ai_factory.governance.checks import CHECKS
from ai_factory.governance.reading import Documents, Map, file_of, opened
from ai_factory.project.facts import Told, beneath, judged, map_in, map_of, recorded
from ai_factory.project.opening import Project, open_project
from ai_factory.tree import Tree, under
from ai_factory.workspace import Folder

MANIFEST = "component.yaml"
MAPS = ("requirements.yaml", "overlay.yaml")  # a folder with one of them is a map, or an overlay on the embedded one


class Impact(NamedTuple):
    """What a new map does to one project: its tier and what stands otherwise in it; or why that is not known.

    `unanswered` are questions of the new map, and of its screen, that the project has not answered; `contradictions`
    what its answers cannot all say by the new map alone; `grounds` the duties behind each control of `controls`.
    """

    path: str
    tier: str = ""
    new_tier: str = ""
    controls: tuple[Effect, ...] = ()
    duties: tuple[Effect, ...] = ()
    unknown: str = ""
    clocks: tuple[Effect, ...] = ()
    retention: tuple[Effect, ...] = ()
    roles: tuple[Effect, ...] = ()
    unanswered: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    grounds: Mapping[str, tuple[Ground, ...]] = {}


class Flaw(NamedTuple):
    """What a map does not keep, and where that stands."""

    file: str
    line: int
    message: str


class Source(NamedTuple):
    """The documents of a map, and the factory that they are of; None for a folder of documents alone."""

    controls: Tree
    factory: Factory | None


def map_at(address: str) -> Map:
    """The map of a factory (`embedded`, a folder, or an address, with `@VERSION`), or of a folder of its documents.

    Raises UsageError where there is none, AuthorError for one with mistakes.
    """
    return map_in(_source(address).controls)


def _source(address: str) -> Source:
    if any(os.path.isfile(os.path.join(address, name)) for name in MAPS):
        disk = Folder(os.path.realpath(address))
        return Source({path: file for path in disk.walk() if (file := disk.read(path))}, None)
    found = re.fullmatch(r"(.+)@([^@/:]+)", address)
    place, version = (found[1], found[2]) if found and not os.path.isdir(address) else (address, "")
    factory = open_factory(place, Wanted(version))
    controls = under(factory.tree, catalog.CONTROLS)
    if not any(name in controls for name in MAPS):
        raise UsageError(f"`{address}` has no map", f"a map is the folder `{catalog.CONTROLS}/` of a factory")
    return Source(controls, factory)


def lint(address: str) -> list[Flaw]:
    """What a map does not keep: ids that lead nowhere, rows that nothing uses, claims without ground.

    Raises as `map_at` does for what cannot be read at all.
    """
    source = _source(address)
    parts = _components(source.factory)
    found, told = held(source.controls, parts if source.factory else None)
    known = {row["id"] for row in found.parts["controls"]["controls"]}
    astray = [flaw for part in parts for flaw in _astray(part, known)]
    return [*told, *astray]


def held(controls: Tree, parts: Sequence[Component] | None) -> tuple[Documents, list[Flaw]]:
    """The documents of a map, and what they do not keep where these components are at hand; None where none are.

    Raises AuthorError for a document that is not there or has another form.
    """
    found = opened(controls, cache.document, beneath(controls))
    evidenced = None if parts is None else {control for part in parts for control in part.evidences}
    told = linting.flaws(found, linting.Backed({*CHECKS, SIGN_OFF}, evidenced))
    return found, [Flaw(file_of(one), found.line(one), one.message) for one in told]


def _components(factory: Factory | None) -> list[Component]:
    names = factory.components() if factory else ()
    return [catalog.component(name, factory.read, "", cache.document) for name in names if factory]


def _astray(part: Component, known: Collection[str]) -> Iterator[Flaw]:
    """What a component says it is evidence for, and the map does not know."""
    content = part.tree[MANIFEST].content
    for control in part.evidences:
        if control not in known:
            line = documents.line_of(content, ("evidences", control))
            yield Flaw(f"{part.folder}/{MANIFEST}", line, f"there is no control `{control}`")


def diff(old: str, new: str) -> list[Change]:
    """Every row in which two maps differ. Raises as `map_at` does."""
    return differences(map_at(old), map_at(new))


def impact(new: str, paths: Sequence[str], as_of: str) -> list[Impact]:
    """What the new map does to each project, by its recorded facts; one that cannot be read stops no other."""
    known = map_at(new)
    return [_impact(known, path, as_of) for path in paths]


def _impact(new: Map, path: str, as_of: str) -> Impact:
    try:
        project = open_project(path)
        return impact_on(project, map_of(project), new, path, as_of)
    except FactoryError as error:
        return Impact(path, unknown=error.message)


def impact_on(project: Project, old: Map, new: Map, name: str, as_of: str) -> Impact:
    """What the new map does to a project that goes by that name, and has stood under the old one.

    Raises ProjectError for facts that cannot be read.
    """
    told = recorded(project)
    asked = tuple(_unanswered(new, told))
    missing = {name for known in (old, new) for name in _problems(known, told.facts)}
    if missing:
        why = f"these facts are not answered as both maps ask: {', '.join(sorted(missing))}"
        return Impact(name, unknown=why, unanswered=asked)
    return _compared(old, new, told, name, as_of)._replace(unanswered=asked)


def _compared(old: Map, new: Map, told: Told, path: str, as_of: str) -> Impact:
    facts = facts_of.facts(told.facts)
    before, after = judged(old, facts, as_of).found, judged(new, facts, as_of).found
    found = changes.effects(before, after)
    return Impact(
        path,
        before.tier,
        after.tier,
        tuple(found),
        tuple(changes.duty_effects(before, after)),
        clocks=tuple(changes.clock_effects(before, after)),
        retention=tuple(changes.retention_effects(before, after)),
        roles=tuple(changes.role_effects(old, new, before, after)),
        contradictions=tuple(changes.contradictions(old, new, facts)),
        grounds={effect.name: changes.grounds(before, after, effect) for effect in found},
    )


def _problems(known: Map, answers: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the answers to what a map asks; that another map asks for more is no fault of theirs."""
    return facts_of.problems({name: value for name, value in answers.items() if name in known.facts}, known.facts)


def _unanswered(new: Map, told: Told) -> Iterator[str]:
    """What the new map asks and the project has not answered, in the order of the map."""
    wrong = _problems(new, told.facts)
    for question in new.assessment.questions:
        yield from (f"{name}: {question.ask}" for name in question.sets if name in wrong)
    for practice in new.assessment.screen:
        if not isinstance(told.screen.get(practice.use), bool):
            yield f"screen: it {practice.use} ({practice.cite}, from {practice.since})"
