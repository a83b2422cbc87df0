"""A planner changes a forecast, with a reason: recorded before it counts, judged afterwards.

Commands: `list` shows what was published, `set` changes one month of one series. The published
forecast is never edited: an override is an event of its own, and what counts is read from the log.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from . import evaluation, publication
from .audit import AuditLog, AuditUnavailable, EventType, KeyRefused, Name, open_log
from .evaluation import Plan, Result, Rows
from .hierarchy import SERIES, TOTAL
from .paths import Paths
from .publication import LIVE, Issue, NotOnRecord
from .switch import switch_of

KINDS = ("event", "market", "promotion", "supply", "other")
SHORTEST_REASON = 10
NAMED = 5  # cells that a line names
LARGEST = 10  # times the top of the interval: beyond, it is taken for a slip of the keyboard


class OverrideRefused(ValueError):
    """The override does not count; the message says why."""


@dataclass(frozen=True, slots=True)
class Override:
    """The new value of one month of one series, and why; `kind` is one of `KINDS`."""

    forecast: str
    node: str
    period: date
    value: int
    kind: str
    reason: str


def record(paths: Paths, log: AuditLog, override: Override, actor: str) -> bool:
    """Write the override to the audit log, from when on it counts; False if it counts already.

    Raises OverrideRefused, NotOnRecord for an unknown forecast, and AuditUnavailable if it cannot
    be recorded: then it does not count.
    """
    issue = publication.read(paths, override.forecast)
    last = {(item.node, item.period): item for item in of(paths, override.forecast)}
    written = replace(override, reason=log.privacy.redact_text(override.reason))
    if last.get((override.node, override.period)) == written:
        return False
    if refused := _refused(paths, issue, override, actor):
        raise OverrideRefused(refused)
    cell = _cell(issue, override)
    data = {
        "forecast": override.forecast,
        "node": Name(override.node),
        "period": str(override.period),
        "value": override.value,
        "point": cell["point"],
        "outside": not cell["low"] <= override.value <= cell["high"],
        "kind": override.kind,
        "reason": override.reason,
    }
    log.record(EventType.OVERRIDE, actor, data)
    return True


def _refused(paths: Paths, issue: Issue, override: Override, actor: str) -> str:
    """Why it does not count, or nothing."""
    if not actor.strip():
        return "nobody is named who changes it"
    if override.kind not in KINDS:
        return f"the kind is none of {', '.join(KINDS)}"
    if len(override.reason.strip()) < SHORTEST_REASON:
        return f"the reason has fewer than {SHORTEST_REASON} letters"
    if type(override.value) is not int or override.value < 0:
        return "the value is no whole number from 0 on"
    if not _cells(issue, override).height:
        return f"{override.node} of {override.period} is no series of this forecast"
    if str(override.period) <= _known_until(paths):
        return f"{override.period} is known already: that would be hindsight"
    if override.value > (most := _most(issue, override)):
        return f"{override.value:,} is beyond anything likely: {most:,.0f} at the most"
    return ""


def _most(issue: Issue, override: Override) -> float:
    """Far above the interval, or as much as all series together, whichever is more."""
    month = issue.cells.filter(pl.col("period") == override.period)
    together = month.filter(pl.col("level") == SERIES)["point"].sum()
    return max(LARGEST * float(_cell(issue, override)["high"]), float(together))


def _known_until(paths: Paths) -> str:
    """The newest month that any published forecast knew."""
    return str(max(item["origin"] for item in publication.recorded(paths).values()))


def _cells(issue: Issue, override: Override) -> pl.DataFrame:
    return issue.cells.filter(
        (pl.col("level") == SERIES)
        & (pl.col("node") == override.node)
        & (pl.col("period") == override.period)
    )


def _cell(issue: Issue, override: Override) -> Mapping[str, Any]:
    return _cells(issue, override).row(0, named=True)


def of(paths: Paths, forecast: str) -> list[Override]:
    """The overrides of a forecast that are on record, oldest first."""
    return [
        Override(
            forecast=data["forecast"],
            node=data["node"],
            period=date.fromisoformat(data["period"]),
            value=int(data["value"]),
            kind=data["kind"],
            reason=data["reason"],
        )
        for data in (
            e["data"] for e in publication.events(paths) if e["type"] == EventType.OVERRIDE
        )
        if data.get("forecast") == forecast
    ]


def left_behind(paths: Paths, name: str) -> str:
    """What planners have to know when this forecast took the place of one that they had changed."""
    data = publication.recorded(paths)[name]
    cells = [f"{cell['node']} of {cell['period']}" for cell in data.get("left_behind", ())]
    if not cells:
        return ""
    more = f" and {len(cells) - NAMED} more" if len(cells) > NAMED else ""
    return (
        f"overrides of {data['replaces']} do not carry over, set them again with "
        f"`overrides set {name}`: {', '.join(cells[:NAMED])}{more}"
    )


def effective(paths: Paths, name: str) -> pl.DataFrame:
    """The forecast as it counts: `final` is the point, or the last override; sums add up again.

    Intervals stay the model's: nobody has measured how sure the planner is.
    """
    issue = publication.read(paths, name)
    changed = {(o.node, o.period): float(o.value) for o in of(paths, name)}
    finals = [
        changed.get((node, period), point)
        for node, period, point in issue.cells.select("node", "period", "point").iter_rows()
    ]
    cells = issue.cells.with_columns(final=pl.Series(finals, dtype=pl.Float64))
    leaves = cells.filter(pl.col("level") == SERIES)
    moved = leaves.select("node", "period", delta=pl.col("final") - pl.col("point"))
    total = [_delta_of(node, level, moved) for node, level in _above(cells)]
    deltas = pl.concat([moved, *total])
    joined = cells.join(deltas, on=["node", "period"], how="left", maintain_order="left")
    return joined.with_columns(final=pl.col("point") + pl.col("delta").fill_null(0.0)).drop("delta")


def _above(cells: pl.DataFrame) -> list[tuple[str, str]]:
    upper = (
        cells.filter(pl.col("level") != SERIES).select("node", "level").unique(maintain_order=True)
    )
    return [(str(node), str(level)) for node, level in upper.iter_rows()]


def _delta_of(node: str, level: str, moved: pl.DataFrame) -> pl.DataFrame:
    member = pl.lit(True) if level == TOTAL else pl.col("node").str.split("|").list.contains(node)
    return (
        moved.filter(member)
        .group_by("period")
        .agg(pl.col("delta").sum())
        .select(pl.lit(node).alias("node"), "period", "delta")
    )


def judged(paths: Paths, actuals: pl.DataFrame) -> pl.DataFrame:
    """The overridden cells whose actual is known: point, final, actual, kind, and what was gained.

    `actuals` has node, period and actual. `gained` is the error of the point minus that of the
    final value: above 0 the planner helped. Of several overrides of a cell the last one counts.
    A forecast whose files are gone is left out: see `publication.still_there`.
    """
    rows = []
    for issue in publication.still_there(paths)[0]:
        last = {(o.node, o.period): o for o in of(paths, issue.id)}
        cells = issue.cells.select("node", "period", "point")
        points = {(node, period): point for node, period, point in cells.iter_rows()}
        rows += [
            (issue.id, node, period, o.kind, points[node, period], float(o.value))
            for (node, period), o in last.items()
            if (node, period) in points  # a node that an older version wrote redacted
        ]
    schema = {
        "forecast": pl.String,
        "node": pl.String,
        "period": pl.Date,
        "kind": pl.String,
        "point": pl.Float64,
        "final": pl.Float64,
    }
    found = pl.DataFrame(rows, schema=schema, orient="row")
    known = found.join(actuals, on=["node", "period"], how="inner", maintain_order="left")
    return known.with_columns(
        gained=(pl.col("actual") - pl.col("point")).abs()
        - (pl.col("actual") - pl.col("final")).abs()
    )


def value_added(cells: pl.DataFrame, plan: Plan, digest: str) -> list[Result]:
    """Forecast value added by the overrides: share of the model's error that they took away.

    Below 0 they did harm. Also the share of overrides that helped. None without any override.
    """
    if not cells.height:
        return []
    found = []
    kinds = sorted(cells["kind"].unique().to_list())
    for name, part in [
        ("all", cells),
        *((f"kind={kind}", cells.filter(pl.col("kind") == kind)) for kind in kinds),
    ]:
        gained = part["gained"].to_numpy()
        before = (part["actual"] - part["point"]).abs().to_numpy()

        def added(rows: Rows, gained: Any = gained, before: Any = before) -> float:
            under = float(before[rows].sum())
            return float(gained[rows].sum()) / under if under else float("nan")

        def helped(rows: Rows, gained: Any = gained) -> float:
            return float((gained[rows] > 0).mean())

        for metric, statistic in (("value_added", added), ("helped", helped)):
            found.append(evaluation.measure(metric, name, statistic, part.height, digest, plan))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done and recorded; 1: refused, or not recorded: then it does not count."""
    options = _parser().parse_args(arguments)
    paths = Paths.here()
    try:
        if options.command == "list":
            print("\n".join(_lines(paths)))
        else:
            _set(paths, options)
    except (ValueError, NotOnRecord, AuditUnavailable, KeyRefused) as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _set(paths: Paths, options: argparse.Namespace) -> None:
    if switch_of(paths).state().stopped:
        raise OverrideRefused("the kill switch is on: plan without the model's forecasts")
    override = Override(
        forecast=options.forecast,
        node=options.node,
        period=date.fromisoformat(options.period),
        value=options.value,
        kind=options.kind,
        reason=options.reason,
    )
    with open_log(paths, "planning") as log:
        new = record(paths, log, override, options.actor)
    counts = override.forecast == publication.planned_with(paths)
    effect = "it counts from now on" if counts else "it is judged, but nothing is planned with it"
    print(f"recorded: {effect}" if new else "it is on record already")


def _lines(paths: Paths) -> list[str]:
    lines, planned = [], publication.planned_with(paths)
    for name, data in publication.recorded(paths).items():
        count = len(of(paths, name))
        note = "" if data["purpose"] == LIVE else f" ({data['purpose']})"
        note = ", planned with" if name == planned else note
        lines.append(
            f"{name}  after {data['origin']}  by {data['model_version']}  "
            f"{data['cells']} cells, {count} overrides{note}"
        )
    return lines or ["nothing was published yet"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="overrides", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    command = commands.add_parser("set")
    command.add_argument("forecast", help="its id, see `list`")
    command.add_argument("--node", required=True, help="the series, such as product=a|region=b")
    command.add_argument("--period", required=True, help="first day of the month")
    command.add_argument("--value", required=True, type=int, help="the new value, in whole units")
    command.add_argument("--kind", required=True, choices=KINDS)
    command.add_argument("--reason", required=True, help="why, in one sentence")
    command.add_argument("--actor", required=True, help="your address")
    return parser


if __name__ == "__main__":
    sys.exit(main())
