"""Where the projects of a fleet stand, as metrics in Prometheus' text format: five series a project, and totals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ai_factory.fleet.standing.status import AXES, Standing
from ai_factory.project.behind import DAY
from ai_factory.report.fleets.standings import Told
from ai_factory.report.plain import plain

Labels = Mapping[str, str]


class Gauge(NamedTuple):
    """A figure of each project; where it is not known there is no series, not a nought."""

    name: str
    help: str
    value: Callable[[Standing], float | None]


def _seconds(one: Standing) -> float | None:
    return None if one.days is None else one.days * DAY


def _drifted(one: Standing) -> float | None:
    return one.drifted if one.version else None


def _open(one: Standing) -> float | None:
    return one.conflicts if one.version else None


GAUGES = (
    Gauge("releases_behind", "Releases of its factory that a project lacks.", lambda one: one.releases),
    Gauge("behind_seconds", "Time since the first release that a project lacks, in whole days.", _seconds),
    Gauge("drifted_files", "Managed files that were edited or removed.", _drifted),
    Gauge("open_conflicts", "Files that wait for a decision.", _open),
)


def document(told: Told) -> str:
    """The metrics, without a line end; each project is named by its key."""
    found = sorted(told.shown, key=lambda one: one.member.key)
    lines = [*_metric("project", "Where a project stands, in the labels.", ((_standing(one), 1) for one in found))]
    for gauge in GAUGES:
        rows = (({"project": one.member.key}, gauge.value(one)) for one in found)
        lines += _metric(gauge.name, gauge.help, ((labels, value) for labels, value in rows if value is not None))
    lines += _metric("projects", "Projects by their state on an axis.", _totals(told.all))
    lines += _metric("seen_timestamp_seconds", "When the fleet was looked at.", [({}, told.now)])
    return "\n".join(lines)


def _standing(one: Standing) -> Labels:
    member = one.member
    named = {"project": member.key, "owner": member.owner, "ring": member.ring, "blueprint": one.blueprint}
    return {**named, "version": one.version, "sync": one.sync, "rollout": one.rollout, "health": one.health}


def _totals(found: Iterable[Standing]) -> Iterator[tuple[Labels, float]]:
    """Every state, also where no project has it: an alert on a series that is not there never fires."""
    seen = list(found)
    for axis, words in AXES.items():
        for word in words:
            yield {"axis": axis, "state": word}, sum(getattr(one, axis) == word for one in seen)


def _metric(name: str, told: str, rows: Iterable[tuple[Labels, float]]) -> Iterator[str]:
    whole = f"ai_factory_fleet_{name}"
    yield f"# HELP {whole} {told}"
    yield f"# TYPE {whole} gauge"
    for labels, value in rows:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{whole}{{{inside}}} {value:.15g}" if inside else f"{whole} {value:.15g}"


def _escaped(text: str) -> str:
    """The value of a label: one line, without a quote that would end it."""
    return plain(text).replace("\\", "\\\\").replace('"', '\\"')
