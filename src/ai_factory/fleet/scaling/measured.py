"""What one project gives to be measured: its story, its lines, its governance, its departures, its version's age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory.fleet.looking import past
from ai_factory.fleet.scaling.ages import Releases, standing
from ai_factory.fleet.scaling.departures import Departure, departures
from ai_factory.fleet.scaling.samples import Value
from ai_factory.fleet.scaling.shares import Lines, counted, is_code
from ai_factory.fleet.scaling.story import GOVERNANCE, Story, approvals, json_object, read
from ai_factory.fleet.system import Here, System
from ai_factory.git.remote import Access
from ai_factory.governance.applicability import Verdict
from ai_factory.governance.approvals import RECORD, REGISTER
from ai_factory.governance.regulation import TIERS
from ai_factory.lock import PROJECT, Lock
from ai_factory.newest import bound_in
from ai_factory.tree import blob_id


class Governance(NamedTuple):
    """A system's tier ("" while none is recorded), the controls required of it, and what people wrote and approved.

    `required` is None while no record says so; `written` are files under `governance/` that are theirs.
    """

    tier: str = ""
    required: int | None = None
    written: int = 0
    approvals: int = 0


class Drift(NamedTuple):
    """A file that departs from what was stamped, without its contents."""

    path: str
    component: str
    ownership: str
    controls: tuple[str, ...]
    how: str


class Measured(NamedTuple):
    """One project. `age` is that of its version in days, `behind` the releases that it lacks."""

    key: str
    owner: str
    factory: str
    version: str
    components: tuple[str, ...]
    story: Story
    lines: Lines
    governance: Governance
    drift: tuple[Drift, ...] = ()
    conflicts: int = 0
    age: Value = Value()
    behind: Value = Value()

    @property
    def drifted(self) -> list[Drift]:
        """The managed files that depart, and for which nobody answers."""
        return [one for one in self.drift if one.ownership == "managed" and one.how != "waived"]


class Moment(NamedTuple):
    """When it is measured, as Unix time and as an ISO date, and what releases there are then, by factory."""

    now: int
    today: str
    releases: Mapping[str, Releases]


def measured(system: System, here: Here, reach: Access, moment: Moment) -> Measured:
    """Read one project. Raises ForgeError, LockError."""
    lock = system.project().lock
    found = departures(system, lock, moment.today)
    with past(here, reach) as history:
        story = read(history, here, reach)
    file = system.files.read(PROJECT)
    age, behind = standing(lock.factory, bound_in(file.content if file else b""), moment.releases, moment.now)
    return Measured(
        here.member.key,
        here.member.owner,
        lock.factory.url,
        lock.factory.version,
        tuple(sorted(lock.components)),
        story,
        counted(lock, system.read_all(_code(system)), found),
        _governance(system, lock),
        tuple(map(_drift, found)),
        sum(one.state == "open" for one in lock.paths.values()),
        age,
        behind,
    )


def _code(system: System) -> list[str]:
    """The code of a project that is here: files too large to be anybody's template are left out."""
    return [path for path in system.files.walk() if is_code(path) and path not in system.files.absent]


def _drift(one: Departure) -> Drift:
    return Drift(one.path, one.entry.component, one.entry.ownership, one.entry.controls, one.how)


# ---- governance ----------------------------------------------------------------------------------


def _governance(system: System, lock: Lock) -> Governance:
    paths = [path for path in system.files.walk(GOVERNANCE) if path not in system.files.absent]
    files = system.read_all(paths)
    ids = {path: blob_id(file.content) for path, file in files.items()}
    tier, required = recorded(files[RECORD].content if RECORD in files else b"")
    given = approvals(files[REGISTER].content) if REGISTER in files else 0
    return Governance(tier, required, len(written(lock, ids)), given)


def recorded(content: bytes) -> tuple[str, int | None]:
    """The tier of an applicability record, and how many controls it requires now; neither of one that says nothing."""
    data = json_object(content)
    tier, controls = data.get("tier"), data.get("controls")
    inherent = tier.get("inherent") if isinstance(tier, dict) else None
    if not isinstance(controls, dict) or inherent not in TIERS:
        return "", None
    rows = [row for row in controls.values() if isinstance(row, dict)]
    return str(inherent), sum(row.get("verdict") == Verdict.REQUIRED.value for row in rows)


def written(lock: Lock, ids: Mapping[str, str]) -> Sequence[str]:
    """The files that people wrote, of those with these ids: not stamped, or not any more as they were stamped."""
    machine = {path for path, one in lock.paths.items() if one.ownership == "produced"} | {RECORD}
    own = {path: one.base for path, one in lock.paths.items()}
    return sorted(path for path, name in ids.items() if path not in machine and own.get(path) != name)
