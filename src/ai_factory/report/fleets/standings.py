"""Where the projects of a fleet stand: as text for who has to act today, as one object, and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory.fleet.standing.status import AXES, Standing, is_known
from ai_factory.report.exports import sheet
from ai_factory.report.plain import compact, count, plain

SCHEMA = "ai-factory/fleet-status/1"
LEAST = 12  # characters of a column that gives way on a narrow terminal
WAITS = ("Failed", "Conflicted", "Edited")  # an update that goes no further without a person


class Told(NamedTuple):
    """What is to be told: the projects to show, and all that were looked at, which are counted.

    `now` is Unix time; `whole` shows those in order too; `width` is that of the terminal, 0 where there is none.
    """

    shown: tuple[Standing, ...]
    all: tuple[Standing, ...]
    now: float = 0
    whole: bool = False
    width: int = 0

    @property
    def code(self) -> int:
        """The exit code: 3 where something could not be determined."""
        return 0 if all(map(is_known, self.all)) else 3


GROUPS: Mapping[str, Callable[[Standing], bool]] = {  # in the order in which a platform lead has to see to them
    "could not be determined": lambda one: not is_known(one),
    "an update waits for a person": lambda one: one.rollout in WAITS,
    "not what the factory promised": lambda one: one.sync in ("Drifted", "Diverged") or one.conflicts > 0,
    "their own checks fail": lambda one: one.health == "Failing",
    "behind": lambda one: one.sync == "Behind",
    "no project of a factory": lambda one: one.sync == "Unmanaged",
    "in order": lambda one: True,
}
ORDER = "in order"


def grouped(found: Sequence[Standing]) -> dict[str, list[Standing]]:
    """The projects under the first group that they belong to, each sorted by name."""
    groups: dict[str, list[Standing]] = {name: [] for name in GROUPS}
    for one in sorted(found, key=lambda one: one.member.key):
        groups[next(name for name, belongs in GROUPS.items() if belongs(one))].append(one)
    return groups


# ---- text ----------------------------------------------------------------------------------------


def text(told: Told) -> str:
    """What needs somebody today comes first; the last lines count all that were looked at."""
    groups = grouped(told.shown)
    rows = {name: [_row(one) for one in found] for name, found in groups.items() if name != ORDER or told.whole}
    widths = _widths([row for some in rows.values() for row in some], told.width)
    lines: list[str] = []
    for name, some in rows.items():
        if some:
            lines += [f"{name} ({len(some)})", *(line for row in some for line in _lines(row, widths)), ""]
    return "\n".join([*lines, *_counts(told.all)])


class _Row(NamedTuple):
    """A line of the table, and what is said below it."""

    cells: tuple[str, str, str, str, str]
    more: tuple[str, ...] = ()


def _row(one: Standing) -> _Row:
    cells = (one.member.key, one.sync, _rollout(one), one.health, _far(one))
    return _Row(tuple(map(plain, cells)), tuple(map(plain, _more(one))))  # type: ignore[arg-type]


def _rollout(one: Standing) -> str:
    return "" if one.rollout == "None" else one.rollout


def _far(one: Standing) -> str:
    """The version, and how far it is from the newest."""
    if not one.newest or one.newest == one.version:
        return one.version
    far = "" if one.releases is None else f", {count(one.releases, 'release')}"
    days = "" if one.days is None else f", {count(one.days, 'day')}"
    return f"{one.version} of {one.newest}{far}{days}"


def _more(one: Standing) -> Iterator[str]:
    if one.why:
        yield f"{one.why.rule or one.why.kind}: {one.why.message}"
        if one.why.hint:
            yield f"hint: {one.why.hint}"
    if one.drifted:
        weakens = f", weakens {', '.join(one.controls)}" if one.controls else ""
        yield f"{count(one.drifted, 'file')} drifted{weakens}"
    if one.conflicts:
        yield f"{count(one.conflicts, 'conflict')} open"
    if one.until:
        yield f"held until {one.until}: {one.reason}"
    if one.request:
        yield one.request


def _widths(rows: Sequence[_Row], width: int) -> list[int]:
    """How wide each column is; where the terminal is too narrow for all, the name of the project gives way."""
    widths = [max((len(row.cells[number]) for row in rows), default=0) for number in range(5)]
    if width:
        widths[0] = max(LEAST, min(widths[0], width - 2 - sum(size + 2 for size in widths[1:] if size)))
    return widths


def _lines(row: _Row, widths: Sequence[int]) -> Iterator[str]:
    cells = [_fit(cell, size).ljust(size) for cell, size in zip(row.cells, widths, strict=True) if size]
    yield f"  {'  '.join(cells)}".rstrip()
    yield from (f"      {line}" for line in row.more)


def _fit(cell: str, size: int) -> str:
    """The end of a name tells more than its beginning."""
    return cell if len(cell) <= size else f"…{cell[1 - size :]}"


def _counts(found: Sequence[Standing]) -> Iterator[str]:
    yield count(len(found), "project")
    for axis, words in AXES.items():
        counted = Counter(getattr(one, axis) for one in found)
        parts = [f"{counted[word]} {word}" for word in words if counted[word]]
        yield f"  {axis + ':':9}{', '.join(parts) or 'none'}"


# ---- data ----------------------------------------------------------------------------------------


def json(told: Told) -> str:
    """The same as one object."""
    return compact(data(told), indent=2)


def data(told: Told) -> dict[str, Any]:
    """The same for machines: whole counts, and an object a project."""
    counts = {axis: {word: _count(told.all, axis, word) for word in words} for axis, words in AXES.items()}
    shown = [row(one) for one in sorted(told.shown, key=lambda one: one.member.key)]
    return {"schema": SCHEMA, "exit_code": told.code, "counts": counts, "projects": shown}


def _count(found: Sequence[Standing], axis: str, word: str) -> int:
    return sum(getattr(one, axis) == word for one in found)


def row(one: Standing) -> dict[str, Any]:
    """One project: flat facts, as a catalogue of software keeps them."""
    member = one.member
    return {
        "project": member.key,
        "url": member.url,
        "path": member.path,
        "owner": member.owner,
        "ring": member.ring,
        "labels": dict(sorted(member.labels.items())),
        "branch": one.branch,
        "commit": one.commit,
        "blueprint": one.blueprint,
        "version": one.version,
        "newest": one.newest,
        "sync": one.sync,
        "rollout": one.rollout,
        "health": one.health,
        "releases_behind": one.releases,
        "days_behind": one.days,
        "drifted_files": one.drifted,
        "drifted_controls": list(one.controls),
        "open_conflicts": one.conflicts,
        "waived": one.waived,
        "hold": {"until": one.until, "reason": one.reason} if one.until else None,
        "pull_request": one.request or None,
        "why": one.why._asdict() if one.why else None,
    }


COLUMNS = (
    *("project", "url", "path", "owner", "ring", "labels", "branch", "commit", "blueprint", "version", "newest"),
    *("sync", "rollout", "health", "releases_behind", "days_behind", "drifted_files", "drifted_controls"),
    *("open_conflicts", "waived", "hold", "pull_request", "why"),
)


def csv(told: Told) -> str:
    """A row a project, for spreadsheets."""
    rows = (_cells(one) for one in sorted(told.shown, key=lambda one: one.member.key))
    return sheet.table(COLUMNS, rows).decode().rstrip("\r\n")


def _cells(one: Standing) -> dict[str, str | Sequence[str]]:
    cells = {key: "" if value is None else value for key, value in row(one).items()}
    return {
        **{key: value if isinstance(value, list) else str(value) for key, value in cells.items()},
        "labels": [f"{key}={value}" for key, value in sorted(one.member.labels.items())],
        "hold": f"until {one.until}: {one.reason}" if one.until else "",
        "why": f"{one.why.rule or one.why.kind}: {one.why.message}" if one.why else "",
    }
