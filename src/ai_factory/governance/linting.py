"""Whether a map keeps what it says: what is asked is used, what is claimed has ground, what is checked is checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ai_factory.catalog import nearest
from ai_factory.governance.frameworks import ISO_42001, NIST_AI_RMF
from ai_factory.governance.reading import GROUPS, LATER, OVERLAY, Documents, Mistake

LEVELS = ("unknown", "recall", "secondary", "corroborated")
PRESENCE = "presence"
ANYWHERE = "any"  # the jurisdiction of a row that holds wherever a system is
EVENTS = (  # the types of events that the component `audit` keeps by rule
    *("decision", "override", "notice", "action", "approval", "deployment", "publication", "batch"),
    *("threshold_change", "drift_alert", "incident", "kill_switch", "literacy"),
)
FRAMEWORKS: Mapping[str, Mapping[str, str]] = {"iso": ISO_42001, "nist": NIST_AI_RMF}
WORDS = {"iso": "Annex A of ISO/IEC 42001", "nist": "the NIST AI RMF 1.0"}


class Backed(NamedTuple):
    """What there is for controls: those with a check of their own, and those that components bring evidence for."""

    checked: Collection[str]
    evidenced: Collection[str] | None  # None where no components are at hand


def flaws(found: Documents, backed: Backed) -> list[Mistake]:
    """What is wrong; where nothing leads astray, what holds less than it says. Of an overlay, only its own rows."""
    if found.mistakes:
        return list(found.mistakes)
    told = [found.at_home(one) for one in _all(found.parts, backed)]
    return [one for one in told if not found.above or one.document == OVERLAY]


def _all(parts: Mapping[str, Any], backed: Backed) -> Iterator[Mistake]:
    yield from _facts(parts)
    yield from _conditions(parts)
    yield from _instruments(parts)
    yield from _requirements(parts)
    yield from _controls(parts, backed)
    yield from _schedules(parts)


def _facts(parts: Mapping[str, Any]) -> Iterator[Mistake]:
    """Each fact decides something, or says why it is asked all the same."""
    tested = {key for tree in _trees(parts) for key in _keys(tree)} | parts["tiers"]["points"].keys()
    for name, row in parts["facts"]["facts"].items():
        if name not in tested and "unused" not in row:
            message = "no row and no tier tests it: use it, or say under `unused` why it is asked"
            yield Mistake("facts", ("facts", name), f"`{name}`: {message}")
        elif name in tested and "unused" in row:
            yield Mistake("facts", ("facts", name, "unused"), f"`{name}` is used: take `unused` out")


def _conditions(parts: Mapping[str, Any]) -> Iterator[Mistake]:
    rules = [*parts["facts"]["contradictions"], *parts["assessment"]["questions"]]
    trees = [*_trees(parts), *(row["when"] for row in rules if "when" in row)]
    named = {name for tree in trees for name in _names(tree)}
    for name in parts["conditions"]["conditions"]:
        if name not in named:
            yield Mistake("conditions", ("conditions", name), f"nothing names the condition `{name}`")


def _instruments(parts: Mapping[str, Any]) -> Iterator[Mistake]:
    cited = {row["instrument"] for row in parts["requirements"]["requirements"].values()}
    for name in parts["instruments"]["instruments"]:
        if name not in cited:
            yield Mistake("instruments", ("instruments", name), f"no requirement is of the instrument `{name}`")


def _requirements(parts: Mapping[str, Any]) -> Iterator[Mistake]:
    """Each is answered by a control, and claims no better level than its instrument."""
    answered = {ref for row in parts["controls"]["controls"] for ref in row["refs"]}
    instruments = parts["instruments"]["instruments"]
    for name, row in parts["requirements"]["requirements"].items():
        place = ("requirements", name)
        if name not in answered:
            yield Mistake("requirements", place, f"no control answers `{name}`")
        yield from _level("requirements", place, row, instruments[row["instrument"]], row["instrument"])


def _controls(parts: Mapping[str, Any], backed: Backed) -> Iterator[Mistake]:
    for number, row in enumerate(parts["controls"]["controls"]):
        for message in _control(row, backed):
            yield Mistake("controls", ("controls", number, "verify"), f"{row['id']} {message}")
        for key, framework in FRAMEWORKS.items():
            for name in row.get(key, ()):
                if name not in framework:
                    message = f"{row['id']} names `{name}`, which is no id of {WORDS[key]}"
                    yield Mistake("controls", ("controls", number, key), f"{message}{nearest(name, list(framework))}")


def _control(row: Mapping[str, Any], backed: Backed) -> Iterator[str]:
    """Evidence, a check of its own, or the word that there is none."""
    checked, verify = row["id"] in backed.checked, row["verify"]
    brought = backed.evidenced is None or row["id"] in backed.evidenced
    if checked and "today" in verify:
        yield "has a check of its own: take `today` out"
    if checked or verify["by"] != "machine":
        return
    if not brought:
        yield "has no evidence from a component and no check: say that it needs a person (`by: machine_and_person`)"
    elif verify.get("today") != PRESENCE:
        yield f"has no check of its own: say `today: {PRESENCE}`, or that it needs a person"


def _schedules(parts: Mapping[str, Any]) -> Iterator[Mistake]:
    """No row claims a better level than its duty, and each class of records has a row."""
    duties = parts["requirements"]["requirements"]
    for kind in LATER:
        for name, row in parts[kind][kind].items():
            if "requirement" in row:
                yield from _level(kind, (kind, name), row, duties[row["requirement"]], row["requirement"])
    yield from _places(parts)
    used = {name for row in parts["retention"]["retention"].values() for name in row["records"]}
    for name in parts["retention"]["records"]:
        if name not in used:
            yield Mistake("retention", ("records", name), f"no row is about the class of records `{name}`")


def _places(parts: Mapping[str, Any]) -> Iterator[Mistake]:
    """A row is of a jurisdiction that a system can be in, and a class of records of events that a trail can hold."""
    known = [*parts["facts"]["facts"].get("jurisdictions", {}).get("values", ()), ANYWHERE]
    for kind in LATER:
        for name, row in parts[kind][kind].items():
            if row["jurisdiction"] not in known:
                message = f"there is no jurisdiction `{row['jurisdiction']}`{nearest(row['jurisdiction'], known)}"
                yield Mistake(kind, (kind, name, "jurisdiction"), message)
    for name, row in parts["retention"]["records"].items():
        for one in row.get("rules", {}).get("types", ()):
            if one not in EVENTS:
                message = f"an audit trail has no events of the type `{one}`{nearest(one, EVENTS)}"
                yield Mistake("retention", ("records", name, "rules", "types"), message)


def _level(
    document: str, place: tuple[str, str], row: Mapping[str, Any], behind: Mapping[str, Any], name: str
) -> Iterator[Mistake]:
    if LEVELS.index(row["verified"]) > LEVELS.index(behind["verified"]):
        message = f"`{place[1]}` says {row['verified']}, and `{name}` behind it is {behind['verified']}"
        yield Mistake(document, (*place, "verified"), message)


def _trees(parts: Mapping[str, Any]) -> Iterator[Any]:
    """Every condition from which a duty, a control, a period, a clock or a tier follows."""
    yield from parts["conditions"]["conditions"].values()
    for kind in ("requirements", *LATER):
        yield from (row["when"] for row in parts[kind][kind].values() if "when" in row)
    yield from (row["only_if"] for row in parts["controls"]["controls"] if "only_if" in row)
    yield from (row["when"] for row in parts["tiers"]["floors"])


def _keys(tree: Any) -> Iterator[str]:
    """The facts that a condition tests itself."""
    for key, inner in tree.items() if isinstance(tree, dict) else ():
        if key in (*GROUPS, "not"):
            yield from (fact for part in (inner if key in GROUPS else [inner]) for fact in _keys(part))
        elif key != "ref":
            yield key


def _names(tree: Any) -> Iterator[str]:
    """The conditions that a condition names."""
    if isinstance(tree, str):
        yield tree
    for key, inner in tree.items() if isinstance(tree, dict) else ():
        if key in (*GROUPS, "not", "ref"):
            yield from (name for part in (inner if key in GROUPS else [inner]) for name in _names(part))
