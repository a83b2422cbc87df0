"""What people do in an incident, as rows of its log: checked against what the incident knows."""

from __future__ import annotations

from typing import NamedTuple

from ai_factory.catalog import nearest
from ai_factory.errors import UsageError
from ai_factory.fleet.governance.clocks import Clock
from ai_factory.fleet.governance.incidents import AGAIN, ASIDE, BEGAN, CLOSED, NOTED, TOLD, Deed, Incident, is_shut


class Told(NamedTuple):
    """What somebody records: a note; that a notice was sent, a moment was, or a clock does not run; or an opening."""

    note: str
    systems: tuple[str, ...] = ()
    clock: str = ""
    told: str = ""
    began: str = ""
    aside: bool = False
    again: bool = False
    when: str = ""


def noted(incident: Incident, asked: Told, at: str, by: str) -> Deed:
    """The row for it. Raises UsageError for systems, clocks, notices and moments that the incident does not know."""
    given = [one for one in (asked.told, asked.began, asked.aside, asked.again) if one]
    if len(given) > 1:
        raise UsageError("one row of the log says one thing", "record them one after the other")
    systems = _keys(incident, asked.systems)
    clocks = _clocks(incident, systems, asked.clock)
    row = Deed(at, by, NOTED, systems, asked.clock, note=asked.note)
    if asked.told or asked.began:
        what = asked.told or asked.began
        _require(what, _known(clocks, bool(asked.told)), "notice" if asked.told else "moment")
        if asked.told and not asked.clock:
            raise UsageError("a notice is one of a clock", "name the clock with `--clock`")
        return row._replace(did=TOLD if asked.told else BEGAN, what=what, when=asked.when)
    if not asked.note:
        raise UsageError("nothing is said", "say it with `--note`")
    if asked.aside and not asked.clock and not _are_unknown(incident, systems):
        raise UsageError("no clock is named", "name the one that does not run with `--clock`")
    return row._replace(did=ASIDE if asked.aside else AGAIN if asked.again else NOTED)


def _are_unknown(incident: Incident, systems: tuple[str, ...]) -> bool:
    """Whether the clocks of those systems are not known: then legal says which run, and none of ours has a name."""
    named = [one for one in incident.systems if one.key in systems]
    return bool(named) and all(one.frozen.clocks_unknown for one in named)


def closed(incident: Incident, names: tuple[str, ...], everything: bool, note: str, at: str, by: str) -> Deed:
    """The row that closes systems. Raises UsageError for those that are none, or closed already."""
    if bool(names) is everything:
        raise UsageError("it is not clear which systems are closed", "give `--system KEY`, or `--all`")
    if not note:
        raise UsageError("nothing says why it is over", "say it with `--note`")
    keys = tuple(one.key for one in incident.systems) if everything else _keys(incident, names)
    still = tuple(key for key in keys if not is_shut(incident, key))
    if not still or (names and still != keys):
        shut = ", ".join(f"`{key}`" for key in keys if key not in still)
        raise UsageError(f"{shut}: closed already", "`ai-factory fleet incident show` shows what is open")
    return Deed(at, by, CLOSED, still, note=note)


def _keys(incident: Incident, names: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of systems that are named by key, or by a name that one of them has alone."""
    return tuple(dict.fromkeys(_key(incident, name) for name in names))


def _key(incident: Incident, name: str) -> str:
    found = [one.key for one in incident.systems if name == one.key] or [
        one.key for one in incident.systems if name == one.name
    ]
    if len(found) == 1:
        return found[0]
    known = [one.key for one in incident.systems]
    message = "names several systems" if found else f"is no system of this incident{nearest(name, known)}"
    raise UsageError(f"`{name}` {message}", f"known are {', '.join(known)}")


def _clocks(incident: Incident, systems: tuple[str, ...], name: str) -> list[Clock]:
    """The clocks that started for those systems (none named: for any), of that id where one is named."""
    here = [one for one in incident.systems if not systems or one.key in systems]
    found = [started.clock for one in here for started in one.frozen.clocks]
    if name:
        _require(name, sorted({clock.id for clock in found}), "clock")
    return [clock for clock in found if name in ("", clock.id)]


def _known(clocks: list[Clock], notices: bool) -> list[str]:
    deadlines = [one for clock in clocks for one in clock.deadlines]
    return sorted({one.what if notices else one.counted_from for one in deadlines})


def _require(name: str, known: list[str], what: str) -> None:
    if name not in known:
        told = "; ".join(known) or "none"
        raise UsageError(f"`{name}` is no {what} of it{nearest(name, known)}", f"known are: {told}")
