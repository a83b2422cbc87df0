"""The graph of a fleet, as text, JSON, DOT for Graphviz, and Mermaid for Markdown pages."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ai_factory.fleet.governance.graph import Graph
from ai_factory.fleet.governance.parts import Parts, Thing
from ai_factory.fleet.survey import Answer
from ai_factory.report.fleets.answers import unread_data, unread_text
from ai_factory.report.plain import compact, count, plain

Answers = Sequence[Answer[Parts]]
SHAPES = {"system": "box", "dataset": "cylinder", "data": "cylinder", "model": "hexagon"}  # in DOT; else an ellipse


def text(graph: Graph, answers: Answers) -> str:
    """Each system with what it depends on and who depends on it, then what does not fit."""
    lines = [line for one in graph.systems.values() for line in _system(graph, one)]
    numbers = Counter(thing.kind for thing in graph.things.values())
    sums = ", ".join(count(number, kind) for kind, number in sorted(numbers.items()))
    return "\n".join([*lines, *_odd(graph), *unread_text(answers), sums or "no systems"])


def _system(graph: Graph, one: Parts) -> Iterator[str]:
    yield f"{plain(graph.things[one.id].name)} ({plain(one.key)}), {plain(one.owner) or 'no owner is named'}"
    for use in graph.uses:
        if use.source == one.id:
            yield f"  → {_shown(graph.things[use.target])}: {plain(use.words)} ({plain(use.where)})"
    for use in graph.uses:
        if use.target == one.id:
            yield f"  ← {_shown(graph.things[use.source])}: {plain(use.words)} ({plain(use.where)})"
    yield from (f"  not read: {plain(problem)}" for problem in one.odd)


def _shown(thing: Thing) -> str:
    version = f" {plain(thing.version)}" if thing.version not in ("", thing.name) else ""
    return f"{thing.kind} {plain(thing.name)}{version}"


def _odd(graph: Graph) -> Iterator[str]:
    for one in graph.unprovided:
        named = ", ".join(plain(_name(graph, by)) for by in one.named_by) or "nobody by now"
        yield f"nobody in the fleet provides {_shown(one.thing)}: named by {named}"
    for shared in graph.shared_names:
        systems = ", ".join(plain(name.partition(":")[2]) for name in shared.systems)
        yield f"several systems go by the name {plain(shared.name)}: {systems}"
    for cycle in graph.cycles:
        yield f"a circle: {' → '.join(plain(_name(graph, name)) for name in (*cycle, cycle[0]))}"


def _name(graph: Graph, name: str) -> str:
    return graph.systems[name].key if name in graph.systems else name


def data(graph: Graph, answers: Answers) -> dict[str, Any]:
    """Nodes and edges for machines."""
    return {
        "schema": "ai-factory/fleet-graph/1",
        "nodes": [_node(graph, thing) for thing in graph.things.values()],
        "edges": [use._asdict() for use in graph.uses],
        "unprovided": [{"id": one.thing.id, "named_by": list(one.named_by)} for one in graph.unprovided],
        "shared_names": [{"name": one.name, "systems": list(one.systems)} for one in graph.shared_names],
        "cycles": [list(cycle) for cycle in graph.cycles],
        "odd": [{"system": one.key, "problem": problem} for one in graph.systems.values() for problem in one.odd],
        "unread": unread_data(answers),
    }


def _node(graph: Graph, thing: Thing) -> dict[str, Any]:
    system = graph.systems.get(thing.id)
    return {**thing._asdict(), **({"owner": system.owner, "purpose": system.purpose} if system else {})}


def dot(graph: Graph, answers: Answers) -> str:
    """For Graphviz; an arrow leads from what depends to what it depends on."""
    lines = ["digraph fleet {", "  rankdir=LR;"]
    for thing in graph.things.values():
        shape = SHAPES.get(thing.kind, "ellipse")
        lines.append(f"  {_quoted(thing.id)} [label={_quoted(_shown(thing))}, shape={shape}];")
    lines += [f"  {_quoted(use.source)} -> {_quoted(use.target)};" for use in graph.uses]
    return "\n".join([*lines, *(f"  // {_comment(line)}" for line in unread_text(answers)), "}"])


def _quoted(words: str) -> str:
    shown = plain(words).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{shown}"'


def _comment(line: str) -> str:
    return line.replace("\\", "/")


def mermaid(graph: Graph, answers: Answers) -> str:
    """For pages that draw Mermaid."""
    lines = ["flowchart LR"]
    lines += [f'  {_short(thing.id)}["{_entities(_shown(thing))}"]' for thing in graph.things.values()]
    lines += [f"  {_short(use.source)} --> {_short(use.target)}" for use in graph.uses]
    return "\n".join([*lines, *(f"  %% {_entities(line)}" for line in unread_text(answers))])


def _short(name: str) -> str:
    """A name of letters and figures that stays while the id does."""
    return f"n{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _entities(words: str) -> str:
    """Whatever could be markup, by its number."""
    return re.sub(r"[^A-Za-z0-9 ._/,→←-]", lambda found: f"#{ord(found[0])};", plain(words))


def as_json(graph: Graph, answers: Answers) -> str:
    """One object."""
    return compact(data(graph, answers), indent=2)


FORMATS: Mapping[str, Callable[[Graph, Answers], str]] = {
    "text": text,
    "json": as_json,
    "dot": dot,
    "mermaid": mermaid,
}
