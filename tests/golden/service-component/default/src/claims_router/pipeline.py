"""The pipeline: take in what the system reported, watch it, write the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import feed
from .controls import audit, evidence, intake, monitoring
from .controls.audit import EventType
from .controls.monitoring import Measurement
from .controls.monitoring.statistics import rate_of_chance
from .controls.paths import Paths
from .controls.stages import Stage, StageFailed

METRICS = ("review_rate", "override_rate", "mean_score")


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
    """Compare the newest month with those before it; alerts are a finding, not a failure."""
    plan = monitoring.load(paths.ops / "monitoring.yaml", required=METRICS)
    events = [event["data"] | {"type": event["type"]} for event in intake.reported(paths)]
    newest = max((event["at"][:7] for event in events), default="")
    now = [event for event in events if event["at"][:7] == newest]
    before = [event for event in events if event["at"][:7] < newest]
    if not before:
        raise StageFailed("nothing to compare with: the feed holds less than two months")
    found = tuple(_compared(plan, metric, before, now) for metric in METRICS)
    report = monitoring.Report(newest, _decisions(before), _decisions(now), found, plan)
    sources = [paths.evidence / "intake.json"]
    return monitoring.publish(paths, report, sources, f"{feed.ORIGIN} feed")


def document(paths: Paths) -> str:
    """Prove that the audit log is whole, and name the evidence of this run."""
    audit.refuse_broken(paths)
    return f"audit log intact, evidence: {', '.join(evidence.names(paths))}"


STAGES = (
    Stage("feed", fetch),
    Stage("intake", take_in, ("feed",)),
    Stage("monitor", monitor, ("intake",)),
    Stage("evidence", document, ("monitor",)),
)

Events = Sequence[dict[str, Any]]


def _compared(plan: monitoring.Plan, metric: str, before: Events, now: Events) -> Measurement:
    """How far the month is from those before it, and what chance gives for so many decisions."""
    old, new = _figure(metric, before), _figure(metric, now)
    chance = rate_of_chance(old, _decisions(before), _decisions(now))
    return monitoring.judge(plan, metric, new - old, _decisions(now), chance=chance)


def _figure(metric: str, events: Events) -> float:
    decided = [event for event in events if event["type"] == EventType.DECISION]
    if not decided:
        return 0.0
    if metric == "override_rate":
        total = float(sum(event["type"] == EventType.OVERRIDE for event in events))
    elif metric == "review_rate":
        total = float(sum(event["outcome"] == "review" for event in decided))
    else:
        total = float(sum(event["score"] or 0.0 for event in decided))
    return total / len(decided)


def _decisions(events: Events) -> int:
    return sum(event["type"] == EventType.DECISION for event in events)
