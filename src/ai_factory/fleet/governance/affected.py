"""Which systems an incident reaches: those that have what is at fault, and those that depend on them, with the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ai_factory import catalog, versions
from ai_factory.errors import UsageError
from ai_factory.fleet.governance.graph import Graph, downstream
from ai_factory.fleet.governance.parts import Thing, Use

KINDS = {"component": ("component", "package"), "dataset": ("dataset", "data"), "model": ("model",)}


class Suspect(NamedTuple):
    """What is at fault: a component or a package (at a version, within a bound, or at all), a dataset or a model."""

    kind: str
    name: str
    version: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.name, self.version)))


class Affected(NamedTuple):
    """A system that an incident reaches, and the uses that lead from it to what is at fault."""

    id: str
    way: tuple[Use, ...]


def affected(graph: Graph, suspect: Suspect) -> list[Affected]:
    """The systems that have it or depend on one that has it, the nearest first.

    Raises UsageError for a name that no system knows: it is misspelt, or the fleet cannot tell.
    """
    named = [thing for thing in graph.things.values() if _is_named(thing, suspect)]
    if not named:
        known = sorted({thing.name for thing in graph.things.values() if thing.kind in KINDS[suspect.kind]})
        hint = catalog.nearest(suspect.name, known)
        raise UsageError(
            f"no system that could be read names a {suspect.kind} `{suspect.name}`{hint}",
            "`ai-factory fleet graph --kind data --kind package --json` lists all that is named",
        )
    roots = [thing.id for thing in named if _has_version(thing, suspect.version)]
    return [Affected(one.id, one.way) for one in downstream(graph, roots) if one.id in graph.systems]


def versions_in_use(graph: Graph, suspect: Suspect) -> list[str]:
    """The versions of it that systems name."""
    found = {thing.version for thing in graph.things.values() if _is_named(thing, suspect)}
    return sorted(filter(None, found))


def _is_named(thing: Thing, suspect: Suspect) -> bool:
    if thing.kind not in KINDS[suspect.kind]:
        return False
    return suspect.name in set(_names(thing)) or (
        thing.kind == "package" and re.sub(r"[-_.]+", "-", suspect.name).lower() == thing.name
    )


def _names(thing: Thing) -> Iterator[str]:
    """By what people may call it: its name, its id without the kind, its digest without the algorithm."""
    rest = thing.id.partition(":")[2]
    yield from (rest, rest.removeprefix("sha256:"))
    if thing.kind in ("component", "package", "model"):
        yield thing.name


def _has_version(thing: Thing, wanted: str) -> bool:
    """Whether one of its versions is the one that is wanted, or within the bound that is."""
    if not wanted:
        return True
    told = thing.version.split(", ")
    if re.match(r"[<>=!~]", wanted):
        return any(versions.is_within(version, wanted) for version in told)
    return any(version == wanted or versions.are_equal(version, wanted) for version in told)
