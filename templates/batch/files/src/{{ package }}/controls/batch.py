"""Scores the rows of one night: every row is scored, known already, or set aside with its reason.

A night is published by one rename, after its event is in the audit log. The same rows by the same
model give the same bytes, and running them again changes nothing. Other rows, or another model,
for a night that was published need a reason, and that is an event as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from . import evidence, reference
from .audit import EventType, open_log, read_events
from .contract import Table
from .paths import Paths
from .reference import Limits
from .stages import StageFailed
from .validation import validate

SCORES, DEAD, NIGHT = "scores.parquet", "dead.parquet", "night.json"
WRITER = "batch"


class NightRefused(StageFailed):
    """The night as a whole may not be scored, or not again."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`ops/batch.yaml`: which column is the key and which the date, how late a row may be."""

    key: str
    dated: str
    days_late: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model as a batch sees it; `known` is what it was trained on (`reference.describe`)."""

    version: str
    digest: str
    score: Callable[[pl.DataFrame], pl.Series]
    known: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a published night is replaced, and who says so."""

    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class Night:
    """What became of the rows of one night.

    `late` rows are among the scored ones; `repeated` were scored in an earlier night; `dead` counts
    those set aside, by reason. `input` and `output` are digests, `version` is the model's.
    """

    day: str
    version: str
    input: str
    output: str
    received: int
    scored: int
    late: int
    repeated: int
    dead: Mapping[str, int]

    @property
    def reconciled(self) -> bool:
        """Whether every row is in exactly one place."""
        return self.received == self.scored + self.repeated + sum(self.dead.values())


def load(path: Path) -> Rule:
    """Read the rule; ValueError names the file and what is wrong in it."""
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
        limits = Limits(**{name: float(value) for name, value in found["limits"].items()})
        rule = Rule(str(found["key"]), str(found["dated"]), int(found["days_late"]), limits)
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    if rule.days_late < 0:
        raise ValueError(f"{path.name}: days_late is below 0")
    return rule


def run(
    paths: Paths,
    day: date,
    rows: pl.DataFrame,
    table: Table,
    scorer: Scorer,
    rule: Rule,
    replace: Why | None = None,
) -> Night:
    """Score the rows of a night and publish it; one published from the same stays as it is.

    Raises NightRefused where the rows are not such as the model was trained on, and for a night
    that was published from other rows or by another model, unless `replace` says why.
    """
    before = published(paths, day)
    digest = _digest(rows)
    if before and (before.input, before.version) == (digest, scorer.version):
        return before
    if before and replace is None:
        raise NightRefused(f"the night of {day} was scored from other rows or by another model")
    night, scores, dead = _scored(paths, day, rows, table, scorer, rule)
    if not night.reconciled:
        raise NightRefused(f"the rows of {day} do not add up: one is missing or counted twice")
    _publish(paths, night, scores, dead, before, replace)
    return night


def published(paths: Paths, day: date) -> Night | None:
    """The night of a day, if it was published."""
    file = _folder(paths, str(day)) / NIGHT
    return Night(**json.loads(file.read_text("utf-8"))) if file.exists() else None


def nights(paths: Paths) -> list[Night]:
    """All published nights, oldest first."""
    files = [folder / NIGHT for folder in _folders(paths)]
    return [Night(**json.loads(file.read_text("utf-8"))) for file in files if file.exists()]


def disagreements(paths: Paths) -> list[str]:
    """Where a published night is not what the audit log holds of it, or its scores are others."""
    told = {
        event["subject"]: event["data"] for event in read_events(paths.audit / f"{WRITER}.jsonl")
    }
    found = []
    for night in nights(paths):
        event = told.get(f"night {night.day}", {})
        if {name: event.get(name) for name in asdict(night)} != asdict(night):
            found.append(f"the night of {night.day} does not agree with the audit log")
        elif _digest(pl.read_parquet(_folder(paths, night.day) / SCORES)) != night.output:
            found.append(f"the scores of {night.day} do not agree with their digest")
    return found


def scores(paths: Paths, day: date) -> pl.DataFrame:
    """The scores of a published night."""
    return pl.read_parquet(_folder(paths, str(day)) / SCORES)


def _scored(
    paths: Paths, day: date, rows: pl.DataFrame, table: Table, scorer: Scorer, rule: Rule
) -> tuple[Night, pl.DataFrame, pl.DataFrame]:
    checked = validate(rows, table)
    age = (pl.lit(day) - pl.col(rule.dated)).dt.total_days()
    aged = checked.clean.with_columns(_age=age)
    ripe, reasons = _parted(aged, rule)
    fresh, repeated = _unknown(paths, day, ripe, rule.key)
    differs = reference.findings(fresh.drop("_age"), scorer.known, rule.limits)
    if differs:
        raise NightRefused(f"the night of {day} is unlike the training: {'; '.join(differs)}")
    made = fresh.select(rule.key, rule.dated, late=pl.col("_age") > 0)
    made = made.with_columns(score=scorer.score(fresh.drop("_age")).round(6)).sort(rule.key)
    dead = pl.concat([checked.quarantined, reasons], how="vertical_relaxed").sort(rule.key)
    night = Night(
        day=str(day),
        version=scorer.version,
        input=_digest(rows),
        output=_digest(made),
        received=rows.height,
        scored=made.height,
        late=int(made["late"].sum()),
        repeated=repeated,
        dead=dict(dead.group_by("reasons").len().sort("reasons").iter_rows()),
    )
    return night, made, dead


def _parted(aged: pl.DataFrame, rule: Rule) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of the night or not too late for it, and the others with their reason."""
    early, old = pl.col("_age") < 0, pl.col("_age") > rule.days_late
    too_old = pl.lit(f"more than {rule.days_late} days late")
    reason = pl.when(early).then(pl.lit("from a later day")).otherwise(too_old)
    others = aged.filter(early | old).with_columns(reasons=reason).drop("_age")
    return aged.filter(~(early | old)), others


def _unknown(paths: Paths, day: date, rows: pl.DataFrame, key: str) -> tuple[pl.DataFrame, int]:
    """The rows that no other night has scored, and how many it has."""
    files = [folder / SCORES for folder in _folders(paths) if folder.name != str(day)]
    others = [pl.read_parquet(file, columns=[key]) for file in files if file.exists()]
    if not others:
        return rows, 0
    fresh = rows.join(pl.concat(others), on=key, how="anti", maintain_order="left")
    return fresh, rows.height - fresh.height


def _publish(
    paths: Paths,
    night: Night,
    made: pl.DataFrame,
    dead: pl.DataFrame,
    before: Night | None,
    why: Why | None,
) -> None:
    """Write beside the place, record, then rename: nobody sees a part, or what is not on record."""
    folder = _folder(paths, night.day)
    draft = folder.with_name(f".{night.day}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    made.write_parquet(draft / SCORES)
    dead.write_parquet(draft / DEAD)
    evidence.replace(draft / NIGHT, json.dumps(asdict(night), indent=2, sort_keys=True) + "\n")
    with open_log(paths, writer=WRITER) as log:
        content: dict[str, Any] = asdict(night)
        if before and why:
            actor = log.privacy.actor(why.actor)
            content |= {"replaces": before.output, "reason": why.reason, "actor": actor}
        log.record(EventType.BATCH, f"night {night.day}", content)
    old = folder.with_name(f".{night.day}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(draft, folder)
    shutil.rmtree(old, ignore_errors=True)


def _folders(paths: Paths) -> list[Path]:
    """The folders of published nights, oldest first; a draft begins with a dot."""
    return sorted((paths.var / "batches").glob("[!.]*"))


def _folder(paths: Paths, day: str) -> Path:
    return paths.var / "batches" / day


def _digest(frame: pl.DataFrame) -> str:
    """A digest of the rows, whatever order they come in."""
    lines = sorted(frame.select(sorted(frame.columns)).write_ndjson().encode().splitlines())
    return "sha256:" + hashlib.sha256(b"\n".join(lines)).hexdigest()
