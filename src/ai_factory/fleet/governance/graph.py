"""Systems, what they are made of and who depends on whom: one graph from what each project says alone."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ai_factory.fleet.governance.parts import Parts, Thing, Use

PROVIDED_BY_SOMEBODY = ("service", "api", "resource")  # kinds of which a name alone provides nothing


class Unprovided(NamedTuple):
    """A name that systems depend on, and that no system of the fleet provides."""

    thing: Thing
    named_by: tuple[str, ...]


class SharedName(NamedTuple):
    """A name by which several systems go: whoever depends on it is taken to depend on each."""

    name: str
    systems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Things by id, sorted, and the uses between them; cycles are of systems that depend on each other."""

    things: Mapping[str, Thing]
    uses: tuple[Use, ...]
    systems: Mapping[str, Parts]
    unprovided: tuple[Unprovided, ...] = ()
    shared_names: tuple[SharedName, ...] = ()
    cycles: tuple[tuple[str, ...], ...] = ()

    def only(self, kinds: Sequence[str]) -> Graph:
        """The part of the graph with things of these kinds."""
        things = {name: thing for name, thing in self.things.items() if thing.kind in kinds}
        uses = tuple(use for use in self.uses if use.source in things and use.target in things)
        return Graph(things, uses, self.systems, self.unprovided, self.shared_names, self.cycles)


def graph(said: Iterable[Parts]) -> Graph:
    """Put together what systems say: what has the same id is one thing, and a name that a system goes by is it."""
    systems = {one.id: one for one in sorted(said, key=lambda one: one.key)}
    callers = _callers(systems.values())
    raw = [thing for one in systems.values() for thing in one.things]
    datasets = {thing.id for thing in raw if thing.kind == "dataset"}
    things = _merged(thing for thing in raw if _meant(thing.id, callers, datasets) == (thing.id,))
    uses = {
        Use(source, target, use.where, use.words): None
        for one in systems.values()
        for use in one.uses
        for source in _meant(use.source, callers, datasets)
        for target in _meant(use.target, callers, datasets)
        if source in things and target in things
    }
    kept = tuple(sorted(uses))
    shared = tuple(SharedName(name, tuple(ids)) for name, ids in sorted(callers.items()) if len(ids) > 1)
    return Graph(things, kept, systems, tuple(_unprovided(things, kept)), shared, tuple(_cycles(kept, set(systems))))


def _callers(systems: Iterable[Parts]) -> dict[str, list[str]]:
    """The systems that go by each name."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for one in systems:
        for name in one.names:
            found[name].append(one.id)
    return dict(found)


def _meant(name: str, callers: Mapping[str, Sequence[str]], datasets: set[str]) -> tuple[str, ...]:
    """The ids that an id stands for: a service may be a system of the fleet, a resource a dataset of it."""
    kind, _, rest = name.partition(":")
    if kind == "service" and rest in callers:
        return tuple(callers[rest])
    if kind == "resource" and f"dataset:{rest}" in datasets:
        return (f"dataset:{rest}",)
    return (name,)


def _merged(things: Iterable[Thing]) -> dict[str, Thing]:
    """Each thing once, with all versions that are told of it."""
    found: dict[str, Thing] = {}
    for thing in things:
        before = found.get(thing.id, thing)
        versions = sorted({*filter(None, before.version.split(", ")), thing.version} - {""})
        found[thing.id] = before._replace(version=", ".join(versions), outside=before.outside or thing.outside)
    return dict(sorted(found.items()))


def _unprovided(things: Mapping[str, Thing], uses: Sequence[Use]) -> Iterator[Unprovided]:
    provided = {use.source for use in uses if use.words == "is provided by it"}
    named: defaultdict[str, set[str]] = defaultdict(set)
    for use in uses:
        named[use.target].add(use.source)
        named[use.source].add(use.target)
    for name, thing in things.items():
        if thing.kind in PROVIDED_BY_SOMEBODY and not thing.outside and name not in provided:
            yield Unprovided(thing, tuple(sorted(one for one in named[name] if one.startswith("system:"))))


# ---- ways through it -----------------------------------------------------------------------------


class Reached(NamedTuple):
    """A thing that depends on where a search began, and the way there: the uses from it back to the beginning."""

    id: str
    way: tuple[Use, ...]


def downstream(found: Graph, roots: Iterable[str]) -> list[Reached]:
    """All that depends on the roots, directly or through others, each by a shortest way; the roots come first."""
    users: defaultdict[str, list[Use]] = defaultdict(list)
    for use in found.uses:
        users[use.target].append(use)
    reached: dict[str, tuple[Use, ...]] = dict.fromkeys(sorted(roots), ())
    waiting = deque(reached)
    while waiting:
        here = waiting.popleft()
        for use in users[here]:
            if use.source not in reached:
                reached[use.source] = (use, *reached[here])
                waiting.append(use.source)
    return [Reached(name, way) for name, way in reached.items()]


def _cycles(uses: Sequence[Use], systems: set[str]) -> Iterator[tuple[str, ...]]:
    """A way from each system back to itself, where there is one; each cycle once, from its first system on."""
    heads, follows = {use.source for use in uses}, defaultdict[str, list[str]](list)
    for use in uses:
        if use.target in heads:  # what depends on nothing leads nowhere
            follows[use.source].append(use.target)
    seen: set[str] = set()
    for start in sorted(systems):
        way = _way_back(start, follows) if start not in seen else ()
        inside = tuple(name for name in way if name in systems)
        if len(inside) > 1 or way == (start,):
            seen |= set(inside)
            yield inside


def _way_back(start: str, follows: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A shortest way from a thing to itself; empty where there is none."""
    before: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for following in follows.get(here, ()):
            if following == start:
                return tuple(reversed(list(_back(here, start, before))))
            if following not in before:
                before[following] = here
                waiting.append(following)
    return ()


def _back(here: str, start: str, before: Mapping[str, str]) -> Iterator[str]:
    while here != start:
        yield here
        here = before[here]
    yield start
