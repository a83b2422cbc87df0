"""Two maps beside each other: which rows were added, removed or changed, and what that does to a system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, NamedTuple

from ai_factory.governance.applicability import Applicability, Duty, Judgement, Verdict
from ai_factory.governance.conditions import Facts
from ai_factory.governance.reading import Map
from ai_factory.governance.regulation import Instrument
from ai_factory.governance.schedules import Applied, Clock, Retention, Row

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


class Change(NamedTuple):
    """One row of a map that is not what it was; `fields` are those that differ, before and after."""

    kind: str
    name: str
    what: str
    fields: Mapping[str, tuple[str, str]] = {}


class Tier(NamedTuple):
    """A tier as a map has it: the points from which it is reached, and who approves in it."""

    least: int
    roles: tuple[str, ...]


class Effect(NamedTuple):
    """What a change of map does to one control or duty of a system: how it stands before and after."""

    name: str
    title: str
    before: str
    after: str

    @property
    def gained(self) -> bool:
        """Whether it is required by the new map only, now or by a day."""
        return not _requires(self.before) and _requires(self.after)

    @property
    def lost(self) -> bool:
        """Whether only the old map required it."""
        return _requires(self.before) and not _requires(self.after)


class Ground(NamedTuple):
    """A duty behind a control that stands otherwise: what it is, where it is written, from when, whether it is law."""

    requirement: str
    cite: str
    date: str
    binds: bool


def differences(old: Map, new: Map) -> list[Change]:
    """Every row that differs, by kind, in the order of the new map."""
    pairs = {
        "fact": (old.facts, new.facts),
        "condition": (old.regulation.conditions.named, new.regulation.conditions.named),
        "instrument": (_instruments(old), _instruments(new)),
        "requirement": (old.regulation.requirements, new.regulation.requirements),
        "control": (old.regulation.controls, new.regulation.controls),
        "record": (old.regulation.schedules.records, new.regulation.schedules.records),
        "retention": (old.regulation.schedules.retention, new.regulation.schedules.retention),
        "clock": (old.regulation.schedules.clocks, new.regulation.schedules.clocks),
        "tier": (_tiers(old), _tiers(new)),
        "points": (old.scale.points, new.scale.points),
        "floor": ({floor.reason: floor for floor in one.scale.floors} for one in (old, new)),
        "question": ({", ".join(row.sets): row for row in one.assessment.questions} for one in (old, new)),
        "screen": ({row.use: row for row in one.assessment.screen} for one in (old, new)),
        "contradiction": ({row.says: row for row in one.assessment.unsound} for one in (old, new)),
    }
    return [change for kind, (before, after) in pairs.items() for change in _of_kind(kind, before, after)]


def effects(before: Applicability, after: Applicability) -> list[Effect]:
    """The controls that stand otherwise for one system, in the order of the new map, those that are gone at the end."""
    names = [*after.controls, *(name for name in before.controls if name not in after.controls)]
    found = [_effect(name, before.controls.get(name), after.controls.get(name)) for name in names]
    return [effect for effect in found if effect.before != effect.after]


def grounds(before: Applicability, after: Applicability, effect: Effect) -> tuple[Ground, ...]:
    """The duties that ask for a control by the map in which it asks for more: the old one where it is lost."""
    one, other = (before, after) if effect.lost else (after, before)
    judged = one.controls.get(effect.name) or other.controls[effect.name]
    rows = [(duty.requirement, duty.binds) for duty in judged.duties if duty.applies]
    return tuple(Ground(row.id, row.cite, row.applies_from, binds) for row, binds in rows)


def duty_effects(before: Applicability, after: Applicability) -> list[Effect]:
    """The duties that stand otherwise: that apply or no longer do, from another day, or bind otherwise."""
    names = [*after.duties, *(name for name in before.duties if name not in after.duties)]
    pairs = [(name, before.duties.get(name), after.duties.get(name)) for name in names]
    found = [Effect(name, _cite(one, two), *_applied_both(one, two)) for name, one, two in pairs]
    return [effect for effect in found if effect.before != effect.after]


def clock_effects(before: Applicability, after: Applicability) -> list[Effect]:
    """The clocks that start for one system otherwise than they did."""
    return _scheduled({one.row.id: one for one in before.clocks}, {one.row.id: one for one in after.clocks}, _clock)


def retention_effects(before: Applicability, after: Applicability) -> list[Effect]:
    """The rows on how long records are kept that stand otherwise for one system."""
    return _scheduled(_keeping(before), _keeping(after), _kept)


def role_effects(old: Map, new: Map, before: Applicability, after: Applicability) -> list[Effect]:
    """The roles that have to approve in the tier of one system by one of the maps only."""
    one, two = old.scale.roles[before.tier], new.scale.roles[after.tier]
    come = [Effect(role, "", "does not approve", "has to approve") for role in two if role not in one]
    return [*come, *(Effect(role, "", "has to approve", "does not approve") for role in one if role not in two)]


def contradictions(old: Map, new: Map, facts: Facts) -> list[str]:
    """What cannot be true together by the new map alone, and these facts say."""
    before = {one.says for one in old.assessment.contradictions(facts)}
    return [one.says for one in new.assessment.contradictions(facts) if one.says not in before]


def _cite(before: Duty | None, after: Duty | None) -> str:
    told = after or before
    return told.requirement.cite if told else ""


def _applied_both(before: Duty | None, after: Duty | None) -> tuple[str, str]:
    """How a duty stands by both maps; whether it is law is said where that differs."""
    one, two = _applying(before), _applying(after)
    if before and after and before.applies and after.applies and before.binds is not after.binds:
        return f"{one}, {_force(before.binds)}", f"{two}, {_force(after.binds)}"
    return one, two


def _applying(one: Duty | None) -> str:
    if one is None or not one.applies:
        return "does not apply"
    return f"applies {'since' if one.started else 'from'} {one.requirement.applies_from or 'no day of its own'}"


def _force(binds: bool) -> str:
    return "as law" if binds else "as guidance"


def _scheduled(
    before: Mapping[str, Applied[Row]], after: Mapping[str, Applied[Row]], told: Callable[[Row], str]
) -> list[Effect]:
    names = [*after, *(name for name in before if name not in after)]
    found = [Effect(name, "", _due(before.get(name), told), _due(after.get(name), told)) for name in names]
    return [effect for effect in found if effect.before != effect.after]


def _due(one: Applied[Row] | None, told: Callable[[Row], str]) -> str:
    """What a row of a schedule asks, by which force and from when."""
    if one is None:
        return "does not apply"
    start = f" {'since' if one.started else 'from'} {one.applies_from}" if one.applies_from else ""
    return f"{told(one.row)} ({_force(one.binds)}{start})"


def _clock(row: Clock) -> str:
    deadlines = "; ".join(map(str, row.deadlines)) or f"ask {row.ask or 'legal'}"
    told = [deadlines, f"runs from {row.starts}" if row.starts else "", f"to {row.recipient}" if row.recipient else ""]
    return ", ".join(part for part in told if part)


def _kept(row: Retention) -> str:
    most = str(row.most) if row.most else "the purpose" if row.limited else ""
    told = [f"at least {row.least}" if row.least else "", f"at most {most}" if most else "", ", ".join(row.records)]
    return ", ".join([*(part for part in told if part), f"from {row.counted_from}"])


def _keeping(found: Applicability) -> dict[str, Applied[Retention]]:
    return {due.row.id: due for one in found.retention for due in (*one.least, *one.most)}


def _tiers(one: Map) -> dict[str, Tier]:
    return {name: Tier(least, one.scale.roles[name]) for name, least in one.scale.least.items()}


def _of_kind(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name, row in after.items():
        if name not in before:
            yield Change(kind, name, ADDED)
        elif fields := _fields(before[name], row):
            yield Change(kind, name, CHANGED, fields)
    yield from (Change(kind, name, REMOVED) for name in before if name not in after)


def _fields(before: Any, after: Any) -> dict[str, tuple[str, str]]:
    """The fields of a row that differ, as text; of a plain value the value itself."""
    one, two = map(_row, (before, after))
    pairs = {name: _pair(one[name], two[name]) for name in two}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _row(value: Any) -> dict[str, Any]:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value._asdict() if hasattr(value, "_asdict") else {"": value}


def _pair(before: Any, after: Any) -> tuple[str, str]:
    """A value before and after, as text; of lists the members that only one of them has."""
    if all(isinstance(one, tuple) and not hasattr(one, "_fields") for one in (before, after)):
        gone, come = ([one for one in here if one not in there] for here, there in ((before, after), (after, before)))
        return ", ".join(map(str, gone)) or "none", ", ".join(map(str, come)) or "none"
    return _text(before), _text(after)


def _text(value: Any) -> str:
    return value.id if isinstance(value, Instrument) else str(value) if value not in (None, "") else "none"


def _instruments(one: Map) -> dict[str, Instrument]:
    return {row.instrument.id: row.instrument for row in one.regulation.requirements.values()}


def _effect(name: str, before: Judgement | None, after: Judgement | None) -> Effect:
    told = after or before
    assert told is not None
    return Effect(name, told.control.title, _standing(before), _standing(after))


def _standing(one: Judgement | None) -> str:
    if one is None:
        return "not in the map"
    return f"{one.verdict.value} {one.date}" if one.verdict is Verdict.LATER else one.verdict.value


def _requires(standing: str) -> bool:
    return standing == Verdict.REQUIRED.value or standing.startswith(Verdict.LATER.value)
