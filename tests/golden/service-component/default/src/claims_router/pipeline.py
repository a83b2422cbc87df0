"""The pipeline: take in what the system reported, watch it, write the evidence."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from . import feed
from .controls import audit, evidence, intake, monitoring
from .controls.audit import EventType, in_production
from .controls.governance import production_findings
from .controls.monitoring import Measurement
from .controls.monitoring.statistics import rate_of_chance
from .controls.paths import Paths
from .controls.stages import Stage, StageFailed

COMPARED = ("review_rate", "override_rate", "mean_score", "missing_scores")
METRICS = (*COMPARED, "feed_age_days")


def fetch(paths: Paths) -> str:
    """Fetch what the system reported: here it is made up, see `feed.py`."""
    lines = list(feed.lines())
    paths.data.mkdir(parents=True, exist_ok=True)
    file = paths.data / "feed.jsonl"
    text = "".join(f"{line}\n" for line in lines)
    file.write_text(text, "utf-8", errors="surrogateescape", newline="\n")
    return f"{len(lines):,} {feed.ORIGIN} lines"


def take_in(paths: Paths) -> str:
    """Record each report once in the audit log; count what became of every line."""
    file = paths.data / "feed.jsonl"
    with file.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        counts = intake.take_in(paths, lines)
    if not counts.reconciled:
        raise StageFailed("the counts do not add up: a line is missing or counted twice")
    known = len(intake.taken(paths))
    content = {"lines": counts.lines, "reports": known, "refused": counts.refused}
    evidence.write(paths, "intake", content, [file])
    refused = sum(counts.refused.values())
    return f"{counts.recorded:,} recorded, {counts.repeated:,} known already, {refused} refused"


def monitor(paths: Paths) -> str:
    """Compare the newest month with those before it; alerts are a finding, not a failure.

    A month that has only begun waits until it holds enough decisions. How old the newest report is
    differs from run to run, so it alerts and is in no evidence.
    """
    plan = monitoring.load(paths.ops / "monitoring.yaml", required=METRICS)
    events = [event["data"] | {"type": event["type"]} for event in intake.reported(paths)]
    month = _window(events, plan.minimum_rows)
    now = [event for event in events if event["at"][:7] == month]
    before = [event for event in events if event["at"][:7] < month]
    found = tuple(_compared(plan, metric, before, now) for metric in COMPARED)
    report = monitoring.Report(month, _decisions(before), _decisions(now), found, plan)
    sources, age = [paths.evidence / "intake.json"], _age(plan, events, datetime.now(UTC))
    return monitoring.publish(paths, report, sources, f"{feed.ORIGIN} feed", timed=[age])


def document(paths: Paths) -> str:
    """Prove that the audit log is whole, and name the evidence of this run."""
    audit.refuse_broken(paths)
    known = f"audit log intact, evidence: {', '.join(evidence.names(paths))}"
    return known + _unapproved(paths, datetime.now(UTC).date())


STAGES = (
    Stage("feed", fetch),
    Stage("intake", take_in, ("feed",)),
    Stage("monitor", monitor, ("intake",)),
    Stage("evidence", document, ("monitor",)),
)

Events = Sequence[dict[str, Any]]


def _unapproved(paths: Paths, today: date) -> str:
    """What production lacks: recording must not stop for it, so it is said and stops nothing."""
    found = production_findings(paths, today) if in_production(os.environ) else []
    told = f"; NOT approved for production, {len(found)} findings: `make release-check`"
    return told if found else ""


def _window(events: Events, minimum: int) -> str:
    """The newest month with enough decisions to judge and one before it; else the newest."""
    counts = Counter(event["at"][:7] for event in events if event["type"] == EventType.DECISION)
    later: list[str] = sorted({event["at"][:7] for event in events})[1:]
    if not later:
        raise StageFailed("nothing to compare with: the feed holds less than two months")
    return max((month for month in later if counts[month] >= minimum), default=later[-1])


def _age(plan: monitoring.Plan, events: Events, now: datetime) -> Measurement:
    """Days since the newest report: a feed that has gone silent looks like one without a change."""
    newest = max(datetime.fromisoformat(event["at"]) for event in events)
    clock = feed.READ_AT if newest <= feed.READ_AT else now
    days = max((clock - newest).total_seconds() / 86400, 0.0)
    return monitoring.judge(plan, "feed_age_days", days, len(events))


def _compared(plan: monitoring.Plan, metric: str, before: Events, now: Events) -> Measurement:
    """How far the month is from those before it, and what chance gives for so many decisions."""
    old, new = _figures(metric, before), _figures(metric, now)
    if not (old and new):  # a share of nothing is no figure
        return monitoring.judge(plan, metric, 0.0, 0)
    mean, change = _mean(old), _mean(new) - _mean(old)
    chance = rate_of_chance(mean, len(old), len(new))
    return monitoring.judge(plan, metric, change, len(new), chance=chance)


def _figures(metric: str, events: Events) -> list[float]:
    """A figure for each decision that has one; what a decision lacks counts as nothing."""
    decided = [event for event in events if event["type"] == EventType.DECISION]
    if metric == "override_rate":
        overruled = sum(event["type"] == EventType.OVERRIDE for event in events)
        return [overruled / len(decided)] * len(decided) if decided else []
    if metric == "review_rate":
        return [float(event["outcome"] == "review") for event in decided]
    if metric == "missing_scores":
        return [float(event["score"] is None) for event in decided]
    return [event["score"] for event in decided if event["score"] is not None]


def _mean(figures: Sequence[float]) -> float:
    return sum(figures) / len(figures)


def _decisions(events: Events) -> int:
    return sum(event["type"] == EventType.DECISION for event in events)
