"""The facts of a project: what it says of itself, by which map that is read, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ai_factory import cache, catalog, documents, formats
from ai_factory.errors import FactoryError, ProjectError, UnreachableError, UsageError
from ai_factory.factory import EMBEDDED, Factory, open_factory
from ai_factory.governance import facts as facts_of
from ai_factory.governance.applicability import Applicability, Judgement, applicability
from ai_factory.governance.assessment import SCREEN_KEY
from ai_factory.governance.conditions import Facts
from ai_factory.governance.reading import Map, read
from ai_factory.governance.tiers import Tiering
from ai_factory.project.opening import Project, applied_factory
from ai_factory.tree import Tree

FACTS = "governance/facts.yaml"
PEOPLE = ("answered_by", "reviewed_by")


class Told(NamedTuple):
    """What a file or a command line says: facts, the screen's answers and people, and where that stands."""

    facts: Mapping[str, Any] = {}
    screen: Mapping[str, Any] = {}
    people: Mapping[str, Any] = {}
    where: str = ""
    content: bytes = b""
    inside: tuple[str, ...] = ()  # the keys that lead to the facts

    def lines(self) -> dict[str, int]:
        """The line of each fact that was written in a file."""
        places = [(*self.inside, fact) for fact in self.facts]
        return dict(zip(self.facts, documents.lines_of(self.content, places), strict=True)) if self.content else {}

    def line(self, fact: str) -> str:
        """The place of a fact, for a message; empty where it was not written in a file."""
        if not self.content or fact not in self.facts:
            return ""
        return f"`{self.where}` line {documents.line_of(self.content, (*self.inside, fact))}"


class Judged(NamedTuple):
    """What applies to a system on a day, and how its tier came about."""

    found: Applicability
    tiering: Tiering


def map_of(project: Project | None) -> Map:
    """The map of the project's factory at the version that was applied; what it lacks is the embedded one's.

    Raises AuthorError for a map with mistakes, UnreachableError where the factory cannot be read: it may ask for more.
    """
    return map_in(factory_of(project).read(catalog.CONTROLS) if project else {})


def factory_of(project: Project) -> Factory:
    """The project's factory at the version that was applied. Raises UnreachableError where it cannot be read here."""
    factory = applied_factory(project)
    if factory is None:
        message = (
            f"the factory `{project.lock.factory.url}` cannot be read here, and its map may ask for more than ours"
        )
        raise UnreachableError(message, "`ai-factory status --remote` fetches it")
    return factory


def map_in(controls: Tree) -> Map:
    """The map of a folder `controls/`: its own, or an overlay on the embedded one; else the embedded one."""
    return read(controls, cache.document, beneath(controls))


def beneath(controls: Tree) -> Tree:
    """The map on which an overlay lies; nothing where the folder has a map of its own."""
    return {} if "requirements.yaml" in controls else open_factory(EMBEDDED).read(catalog.CONTROLS)


def told_by_file(content: bytes, where: str, error: type[FactoryError] = UsageError) -> Told:
    """The answers of a file: facts and screen as governance/facts.yaml has them, or facts alone, key by key."""
    data = documents.load(content, where, error) or {}
    if not isinstance(data, dict):
        raise error(f"`{where}` line 1: answers are a mapping of fact to value")
    whole = data if "facts" in data else _whole(data)
    catalog.validate(whole, formats.SYSTEM_FACTS, content, where, error)
    screen = whole.get(SCREEN_KEY) or {}
    people = {name: screen[name] for name in PEOPLE if screen.get(name)}
    inside = ("facts",) if "facts" in data else ()
    return Told(whole["facts"], screen.get("answers") or {}, people, where, content, inside)


def _whole(flat: Mapping[str, Any]) -> dict[str, Any]:
    screen = {SCREEN_KEY: flat[SCREEN_KEY]} if SCREEN_KEY in flat else {}
    return {"schema": 1, "facts": {name: value for name, value in flat.items() if name != SCREEN_KEY}, **screen}


def recorded(project: Project) -> Told:
    """What the project says of itself so far."""
    file = project.folder.read(FACTS)
    told = told_by_file(file.content, FACTS, ProjectError) if file else Told()
    if file and not told.inside:
        raise ProjectError(f"`{FACTS}` line 1: it has no `facts`", "the facts stand below that key")
    return told


class Standing(NamedTuple):
    """What a control is to the project on a day, its inherent tier, and where each fact is written."""

    judgement: Judgement
    tier: str
    as_of: str
    lines: Mapping[str, int]


def standing(project: Project, control: str, as_of: str) -> Standing | None:
    """None where the facts are not all answered, or the map knows no such control."""
    try:
        now, known = recorded(project), map_of(project)
    except UnreachableError:
        return None
    if facts_of.problems(now.facts, known.facts) or control not in known.regulation.controls:
        return None
    found, tiering = judged(known, facts_of.facts(now.facts), as_of)
    return Standing(found.controls[control], tiering.tier, as_of, now.lines())


def judged(known: Map, facts: Facts, as_of: str) -> Judged:
    """What applies to a system of these facts on that day."""
    law = known.regulation
    tiering = known.scale.of(law.conditions, facts)
    return Judged(applicability(law, facts, tiering.tier, as_of), tiering)
