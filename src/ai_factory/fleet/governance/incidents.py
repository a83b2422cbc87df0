"""An incident over several systems: what was frozen when it was opened, what people did since, and how it stands."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory import formats
from ai_factory.errors import UsageError
from ai_factory.fleet.governance.affected import Suspect
from ai_factory.fleet.governance.clocks import Answered, Clock, Due, dues
from ai_factory.fleet.governance.freeze import Frozen, Started
from ai_factory.fleet.governance.parts import Use

OPENED, NOTED, BEGAN, TOLD, ASIDE, CLOSED, AGAIN = formats.DEEDS


class Reached(NamedTuple):
    """A system that the incident reaches: whose it is, by which way, and what was frozen of it."""

    key: str
    name: str
    owner: str
    contact: str
    purpose: str
    way: tuple[Use, ...]
    frozen: Frozen
    runbook: str
    bundle: Mapping[str, str] = {}


class Deed(NamedTuple):
    """What somebody did: on which systems (none named: on all), about which clock and notice of it."""

    at: str
    by: str
    did: str
    systems: tuple[str, ...] = ()
    clock: str = ""
    what: str = ""
    when: str = ""
    note: str = ""


class Incident(NamedTuple):
    """An incident: `found` is the moment at which somebody knew, `unread` systems that may be reached too."""

    id: str
    title: str
    severity: str
    suspect: Suspect
    found: dt.datetime
    systems: tuple[Reached, ...]
    unread: tuple[Mapping[str, str], ...]
    log: tuple[Deed, ...]
    edited: bool = False  # whether what was frozen is not what was frozen then


class Standing(NamedTuple):
    """How one system stands in an incident: closed or not, and each deadline of each clock that started for it.

    `unanswered` says that its clocks are not known, and that nobody has recorded what legal says.
    """

    system: Reached
    closed: Deed | None
    clocks: tuple[tuple[Started, tuple[Due, ...]], ...]
    unanswered: bool = False

    @property
    def pressing(self) -> list[tuple[Started, Due]]:
        """The deadlines for which somebody has to act now; that the system is closed answers none of them."""
        return [(one, due) for one, found in self.clocks for due in found if due.state.presses]

    @property
    def presses(self) -> bool:
        """Whether somebody has to act now."""
        return self.unanswered or bool(self.pressing)


def standings(incident: Incident, now: dt.datetime) -> list[Standing]:
    """Each system of an incident as it stands now."""
    return [_standing(incident, one, now) for one in incident.systems]


def _standing(incident: Incident, system: Reached, now: dt.datetime) -> Standing:
    deeds = _about(incident, system.key)
    clocks = [(one, tuple(_dues(incident, one.clock, deeds, now))) for one in system.frozen.clocks]
    asked = any(deed.did == ASIDE and not deed.clock for deed in deeds)
    return Standing(system, _closing(deeds), tuple(clocks), bool(system.frozen.clocks_unknown) and not asked)


def is_shut(incident: Incident, key: str) -> bool:
    """Whether a system of an incident is closed."""
    return _closing(_about(incident, key)) is not None


def _about(incident: Incident, key: str) -> list[Deed]:
    return [deed for deed in incident.log if not deed.systems or key in deed.systems]


def _closing(deeds: Sequence[Deed]) -> Deed | None:
    """The deed that closed it, unless it was opened again since."""
    found = [deed for deed in deeds if deed.did in (CLOSED, AGAIN)]
    return found[-1] if found and found[-1].did == CLOSED else None


def _dues(incident: Incident, clock: Clock, deeds: Sequence[Deed], now: dt.datetime) -> list[Due]:
    """A moment that is recorded for a clock, or for all, starts its deadlines; so does a notice of its own."""
    about = [deed for deed in deeds if deed.clock in ("", clock.id)]
    moments = {"awareness": incident.found, "discovery": incident.found}
    zone = incident.found.tzinfo
    moments |= {deed.what: moment_of(deed.when).astimezone(zone) for deed in about if deed.did in (BEGAN, TOLD)}
    told = frozenset(deed.what for deed in about if deed.did == TOLD)
    return dues(clock, moments, Answered(told, any(deed.did == ASIDE for deed in about)), now)


def is_closed(found: Sequence[Standing]) -> bool:
    """Whether every system of an incident is closed."""
    return all(one.closed for one in found)


# ---- moments -------------------------------------------------------------------------------------


def moment_of(text: str, zone: str = "") -> dt.datetime:
    """A moment as people write it, with its distance from UTC, or in a time zone. Raises UsageError."""
    try:
        found = dt.datetime.fromisoformat(text)
        place = zoneinfo.ZoneInfo(zone) if zone else None
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise UsageError(f"`{text} {zone}`".replace(" `", "`") + " is no moment", HOW) from None
    if found.tzinfo is None and place is None:
        raise UsageError(f"`{text}` does not say in which time zone it is", HOW)
    whole = found.replace(microsecond=0)
    if whole.tzinfo is None:
        return whole.replace(tzinfo=place)
    return whole.astimezone(place) if place else whole


HOW = "write it like `2026-11-26T14:30+01:00`, or without the distance and with `--zone Europe/Berlin`"


def written(moment: dt.datetime) -> str:
    """A moment as the files have it."""
    return moment.isoformat(timespec="seconds")
