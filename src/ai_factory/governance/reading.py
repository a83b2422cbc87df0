"""Reads the map from the documents in `controls/`, and names every mistake in it with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ai_factory import catalog, documents, formats
from ai_factory.errors import AuthorError
from ai_factory.governance import assessment, facts, overlay, regulation, tiers
from ai_factory.governance.conditions import OPERATORS
from ai_factory.tree import Tree

SCHEMAS = {
    "facts": formats.FACTS,
    "assessment": formats.ASSESSMENT,
    "conditions": formats.CONDITIONS,
    "instruments": formats.INSTRUMENTS,
    "requirements": formats.REQUIREMENTS,
    "controls": formats.CONTROLS,
    "tiers": formats.TIERS,
    "retention": formats.RETENTION,
    "clocks": formats.CLOCKS,
}
# documents that older maps do not have, and what they say then
LATER: Mapping[str, Any] = {"retention": {"records": {}, "retention": {}}, "clocks": {"clocks": {}}}
GROUPS = ("all", "any")
OVERLAY = "overlay"
NOTHING: Tree = {}


@dataclass(frozen=True, slots=True)
class Map:
    """The whole map of a factory: what may be asked, what follows from it, and how tiers are computed."""

    facts: Mapping[str, facts.FactType]
    regulation: regulation.Regulation
    scale: tiers.Scale
    assessment: assessment.Assessment


class Mistake(NamedTuple):
    """What is wrong in a document of the map, and where."""

    document: str
    place: tuple[str | int, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of a map with a firm's overlay on them, what each says in bytes, and every mistake in them."""

    parts: Mapping[str, Any]
    contents: Mapping[str, bytes]
    mistakes: tuple[Mistake, ...]
    above: Mapping[str, Any]  # the overlay alone; empty without one

    def at_home(self, mistake: Mistake) -> Mistake:
        """A mistake in a row of the overlay, where it stands there: its controls follow those of the map."""
        kind, rest = str(mistake.place[0]), mistake.place[1:]
        if kind == "controls" and rest and isinstance(rest[0], int):
            rest = (rest[0] - self._below(), *rest[1:])
            ours = rest[0] in range(len(self.above.get(kind, ())))
        else:
            ours = bool(rest) and rest[0] in self.above.get(kind, ())
        return Mistake(OVERLAY, (kind, *rest), mistake.message) if ours else mistake

    def _below(self) -> int:
        """How many controls are the map's own."""
        return len(self.parts["controls"]["controls"]) - len(self.above.get("controls", ()))

    def line(self, mistake: Mistake) -> int:
        """The line on which it is."""
        return documents.line_of(self.contents[mistake.document], mistake.place)


def read(controls: Tree, load: documents.Load = documents.load, under: Tree = NOTHING) -> Map:
    """The map in a tree of `controls/`, its overlay on it; what it lacks is taken from the map `under` it.

    Raises AuthorError with all mistakes, each with file and line.
    """
    found = opened(controls, load, under)
    if lines := [f"`{file_of(one)}` line {found.line(one)}: {one.message}" for one in found.mistakes]:
        raise AuthorError(lines[0], details=tuple(lines[1:]))
    parts = found.parts
    known, law = facts.types(parts["facts"]), regulation.regulation(parts)
    asked = assessment.assessment(parts["assessment"], parts["facts"]["contradictions"], known, law.conditions)
    return Map(known, law, tiers.scale(parts["tiers"]), asked)


def opened(controls: Tree, load: documents.Load = documents.load, under: Tree = NOTHING) -> Documents:
    """The documents with what is wrong in them. Raises AuthorError for one that is not there or has another form."""
    parts, contents = _documents({**under, **controls}, load)
    wrong, file = tuple(mistakes(parts)), controls.get(f"{OVERLAY}.yaml")
    if file is None or wrong:
        return Documents(parts, contents, wrong, {})
    above = load(file.content, _file(OVERLAY), AuthorError)
    catalog.validate(above, formats.OVERLAY, file.content, _file(OVERLAY), AuthorError)
    contents = {**contents, OVERLAY: file.content}
    if refused := tuple(Mistake(OVERLAY, *one) for one in overlay.problems(parts, above)):
        return Documents(parts, contents, refused, above)
    made = Documents(overlay.overlaid(parts, above), contents, (), above)
    return replace(made, mistakes=tuple(map(made.at_home, mistakes(made.parts))))


def _documents(controls: Tree, load: documents.Load) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The documents of a map by name, and their bytes; one of a later format that is not there has no rows."""
    names = [name for name in SCHEMAS if name not in LATER or f"{name}.yaml" in controls]
    contents = {name: _content(controls, name) for name in names}
    parts = {name: load(content, _file(name), AuthorError) for name, content in contents.items()}
    for name in names:
        catalog.validate(parts[name], SCHEMAS[name], contents[name], _file(name), AuthorError)
    return {**LATER, **parts}, contents


def mistakes(parts: Mapping[str, Any]) -> Iterator[Mistake]:
    """Names that lead nowhere, conditions that are none, ids used twice; the documents fit their schemas."""
    known = _Known(facts.types(parts["facts"]), parts["conditions"]["conditions"])
    yield from _conditions(parts, known)
    yield from _requirements(parts, known)
    yield from _controls(parts, known)
    yield from _tiers(parts, known)
    yield from _assessment(parts, known)
    yield from _schedules(parts, known)


class _Known(NamedTuple):
    """What a condition may name."""

    facts: Mapping[str, facts.FactType]
    conditions: Mapping[str, Any]

    def wrong(self, condition: Any) -> Iterator[str]:
        """What is wrong with a condition, in words."""
        if isinstance(condition, str):
            if condition not in self.conditions:
                yield f"there is no condition `{condition}`{catalog.nearest(condition, list(self.conditions))}"
        elif not isinstance(condition, dict) or len(condition) != 1:
            yield "a condition has one key: all, any, not, ref or a fact"
        else:
            yield from self._inside(*next(iter(condition.items())))

    def _inside(self, key: str, inner: Any) -> Iterator[str]:
        if key == "ref":
            yield from self.wrong(inner) if isinstance(inner, str) else ["`ref` names a condition"]
        elif key == "not":
            yield from self.wrong(inner)
        elif key in GROUPS:
            parts = inner if isinstance(inner, list) and inner else [None]
            yield from (problem for part in parts for problem in self.wrong(part))
        elif key not in self.facts:
            yield f"there is no fact `{key}`{catalog.nearest(key, list(self.facts))}"
        else:
            yield from _test_problems(self.facts[key], inner)


def _test_problems(type_: facts.FactType, wanted: Any) -> Iterator[str]:
    operator, value = next(iter(wanted.items())) if isinstance(wanted, dict) and len(wanted) == 1 else ("is", wanted)
    fits = {
        "in": ("enum", "ordered"),
        "has": ("set",),
        "gte": ("ordered", "int"),
        "is": ("enum", "ordered", "bool", "int"),
    }
    if isinstance(wanted, dict) and operator not in OPERATORS:
        yield f"a test of `{type_.name}` is a value or one of {', '.join(OPERATORS)}"
    elif type_.kind not in fits[operator]:
        yield f"`{type_.name}` is {facts.WORDS[type_.kind]}: `{operator}` does not fit it"
    else:
        yield from _value_problems(type_, value if operator == "in" else [value])


def _value_problems(type_: facts.FactType, values: Any) -> Iterator[str]:
    if not isinstance(values, list):
        yield f"`in` of `{type_.name}` wants a list"
        return
    for value in values:
        if type_.values and value not in type_.values:
            yield f"`{type_.name}` has no value {value!r}{catalog.nearest(str(value), list(type_.values))}"
        elif not type_.values and not facts.KINDS[type_.kind](value):
            yield f"`{type_.name}` is {facts.WORDS[type_.kind]}, not {value!r}"


def _conditions(parts: Mapping[str, Any], known: _Known) -> Iterator[Mistake]:
    """A condition may name those above it only, so that none can lead back to itself."""
    above: dict[str, Any] = {}
    for name, tree in parts["conditions"]["conditions"].items():
        for problem in known._replace(conditions=above).wrong(tree):
            yield Mistake("conditions", ("conditions", name), problem)
        above[name] = tree


def _requirements(parts: Mapping[str, Any], known: _Known) -> Iterator[Mistake]:
    instruments = parts["instruments"]["instruments"]
    for name, row in parts["requirements"]["requirements"].items():
        place = ("requirements", name)
        if row["instrument"] not in instruments:
            sentence = (
                f"there is no instrument `{row['instrument']}`{catalog.nearest(row['instrument'], list(instruments))}"
            )
            yield Mistake("requirements", (*place, "instrument"), sentence)
        elif row["applies_from"] is None and instruments[row["instrument"]]["binding"]:
            yield Mistake("requirements", (*place, "applies_from"), "a binding duty says from which day it applies")
        for problem in known.wrong(row["when"]):
            yield Mistake("requirements", (*place, "when"), problem)


def _controls(parts: Mapping[str, Any], known: _Known) -> Iterator[Mistake]:
    seen: set[str] = set()
    duties = parts["requirements"]["requirements"]
    for number, row in enumerate(parts["controls"]["controls"]):
        place = ("controls", number)
        if row["id"] in seen:
            yield Mistake("controls", (*place, "id"), f"the id {row['id']} is used twice")
        seen.add(row["id"])
        for ref in row["refs"]:
            if ref not in duties:
                sentence = f"there is no requirement `{ref}`{catalog.nearest(ref, list(duties))}"
                yield Mistake("controls", (*place, "refs"), sentence)
        for problem in known.wrong(row["only_if"]) if "only_if" in row else ():
            yield Mistake("controls", (*place, "only_if"), problem)


def _tiers(parts: Mapping[str, Any], known: _Known) -> Iterator[Mistake]:
    document = parts["tiers"]
    if tuple(document["tiers"]) != regulation.TIERS:
        yield Mistake("tiers", ("tiers",), f"the tiers are {', '.join(regulation.TIERS)}, in this order")
    yield from _starts(document["tiers"])
    for name, table in document["points"].items():
        if name not in known.facts:
            yield Mistake("tiers", ("points", name), f"there is no fact `{name}`")
        else:
            for problem in _point_problems(known.facts[name], table):
                yield Mistake("tiers", ("points", name), problem)
    for number, floor in enumerate(document["floors"]):
        for problem in known.wrong(floor["when"]):
            yield Mistake("tiers", ("floors", number, "when"), problem)


def _starts(tiers: Mapping[str, Any]) -> Iterator[Mistake]:
    """The lowest tier is reached with no points, each other one with more than the one before."""
    starts = [(name, row["from"]) for name, row in tiers.items()]
    for (before, least), (name, start) in zip([("", None), *starts], starts, strict=False):
        place = ("tiers", name, "from")
        if not _is_count(start):
            yield Mistake("tiers", place, f"`{name}` begins at a whole number of points, not {start!r}")
        elif least is None and start != 0:
            yield Mistake("tiers", place, f"`{name}` is the lowest tier: it begins at 0 points, not at {start}")
        elif _is_count(least) and start <= least:
            yield Mistake("tiers", place, f"`{name}` begins at {start} points, and `{before}` below it at {least}")


def _point_problems(type_: facts.FactType, table: Any) -> Iterator[str]:
    """A number for yes, of each value, or from a number on; none takes points away."""
    if (type_.kind == "bool") is isinstance(table, dict):
        wanted = "a number, for yes" if type_.kind == "bool" else "a mapping to numbers"
        yield f"the points of `{type_.name}` are {wanted}: it is {facts.WORDS[type_.kind]}"
        return
    given = table if isinstance(table, dict) else {"yes": table}
    if type_.values:
        yield from _value_problems(type_, list(given))
    elif type_.kind == "int":
        yield from (
            f"`{type_.name}` is a number, not {key!r}" for key in given if not re.fullmatch(r"[0-9]{1,18}", key)
        )
    for key, points in given.items():
        if not _is_count(points):
            yield f"the points of `{type_.name}` ({key}) are a whole number from 0 on, not {points!r}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _assessment(parts: Mapping[str, Any], known: _Known) -> Iterator[Mistake]:
    """Every fact is set by one question, and whatever a question names is there."""
    for number, rule in enumerate(parts["facts"]["contradictions"]):
        for problem in known.wrong(rule["when"]):
            yield Mistake("facts", ("contradictions", number, "when"), problem)
    seen: set[str] = set()
    for number, row in enumerate(parts["assessment"]["questions"]):
        for problem in _question_problems(row, seen, known):
            yield Mistake("assessment", ("questions", number), problem)
        seen |= {*row["sets"]}
    for name in known.facts:
        if name not in seen:
            yield Mistake("assessment", ("questions",), f"no question sets the fact `{name}`")


def _question_problems(row: Mapping[str, Any], seen: set[str], known: _Known) -> Iterator[str]:
    for name in row["sets"]:
        if name not in known.facts:
            yield f"there is no fact `{name}`{catalog.nearest(name, list(known.facts))}"
            return
        if name in seen:
            yield f"another question sets `{name}` already"
    first = known.facts[row["sets"][0]]
    yield from known.wrong(row["when"]) if "when" in row else ()
    if "when" in row and any(known.facts[name].kind != "bool" for name in row["sets"]):
        yield "only a question that is answered by yes or no may have a `when`"
    yield from _value_problems(first, list(row["words"])) if "words" in row else ()
    if ("choices" in row) is (len(row["sets"]) == 1):
        yield "a question has `choices` where it sets several facts, and nowhere else"
    for choice in row.get("choices", ()):
        yield from _choice_problems(choice, row["sets"], known)


def _choice_problems(choice: Mapping[str, Any], sets: list[str], known: _Known) -> Iterator[str]:
    for name, value in choice.items():
        if name == "say":
            continue
        if name not in sets:
            yield f"a choice gives `{name}`, which the question does not set"
        elif known.facts[name].kind == "set":
            yield from _value_problems(known.facts[name], [value])
        elif value is not True:
            yield f"a choice gives `{name}: true`, or nothing to it"


def _schedules(parts: Mapping[str, Any], known: _Known) -> Iterator[Mistake]:
    """Every row hangs on a duty or a condition, and says what it is there for."""
    for kind in LATER:
        for name, row in parts[kind][kind].items():
            problems = _scheduled(row, parts["requirements"]["requirements"], known)
            own = _kept(row, parts["retention"]["records"]) if kind == "retention" else _told(row)
            for key, sentence in (*problems, *own):
                yield Mistake(kind, (kind, name, key) if key in row else (kind, name), sentence)


def _scheduled(row: Mapping[str, Any], duties: Mapping[str, Any], known: _Known) -> Iterator[tuple[str, str]]:
    """What is wrong in what both schedules share, each with the key that it is about."""
    if "requirement" not in row and "when" not in row:
        yield "requirement", "a row names the requirement behind it, or a condition under `when`"
    if "requirement" in row and row["requirement"] not in duties:
        hint = catalog.nearest(row["requirement"], list(duties))
        yield "requirement", f"there is no requirement `{row['requirement']}`{hint}"
    for problem in known.wrong(row["when"]) if "when" in row else ():
        yield "when", problem


def _kept(row: Mapping[str, Any], records: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in row["records"]:
        if name not in records:
            yield "records", f"there is no class of records `{name}`{catalog.nearest(name, list(records))}"
    if "least" not in row and "most" not in row:
        yield "records", "a row says how long at least or at most: `least`, `most`"


def _told(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    lacks = [key for key in ("starts", "recipient", "cite") if key not in row]
    if "ask" in row and row["deadlines"]:
        yield "deadlines", "where legal is asked there are no deadlines"
    elif "ask" not in row and (lacks or not row["deadlines"]):
        yield "deadlines", "a clock has `starts`, `deadlines`, `recipient` and `cite`, or `ask: legal`"


def _content(controls: Tree, name: str) -> bytes:
    file = controls.get(f"{name}.yaml")
    if file is None:
        needed = ", ".join(_file(one) for one in SCHEMAS if one not in LATER)
        raise AuthorError(f"`{_file(name)}` is missing", hint=f"a map has {needed}")
    return file.content


def file_of(mistake: Mistake) -> str:
    """The file that a mistake is in."""
    return _file(mistake.document)


def _file(name: str) -> str:
    return f"{catalog.CONTROLS}/{name}.yaml"
