"""Scores the rows of one night: every row is scored, known already, or set aside with its reason.

A night is published by one rename, after its event is in the audit log. The same rows by the same
model give the same bytes, and running them again changes nothing. A published night stays as it
is, whatever model serves later. Other rows for it, or another model, need a reason, and that is an
event as well. A night that counts rows as known which no night holds any more, since another was
replaced, is scored again. One process at a time scores a night, so that no row is scored in two.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
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
from .stages import StageFailed, alone
from .validation import validate

SCORES, DEAD, NIGHT = "scores.parquet", "dead.parquet", "night.json"
REPEATED = "repeated.parquet"
WRITER = "batch"
OLD = ".old"  # ends the name of a night that is being replaced
CONTENT = "content"  # a column: the digest of the whole row
CHANGED = "differs from the row of this key that was scored"
BUSY = "another process scores a night: try again when it is done"
MOVED = "a row that was known already is scored in no other night any more"

Frames = Mapping[str, pl.DataFrame]


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
    those set aside, by reason. `input`, `output` and `aside` (what is dead or repeated) are
    digests, `version` is the model's.
    """

    day: str
    version: str
    input: str
    output: str
    aside: str
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

    Raises NightRefused where the rows are not such as the model was trained on, for a night that
    is on record from other rows, and for one that has to be scored again by the model that it is
    on record with, unless `replace` says why; and while another process scores a night.
    """
    if replace and not (replace.reason.strip() and replace.actor.strip()):
        raise NightRefused("a night is replaced for a reason, by somebody: blanks are neither")
    with alone(paths.metrics / "nights.lock", BUSY):
        _restore(paths)
        known = on_record(paths, day)
        if known and not _meant(paths, known, rows, scorer, replace):
            if night := kept(paths, day, rows):
                return night
            if known.version != scorer.version:
                hint = f"is on record by {known.version}, and {scorer.version} needs a reason"
                raise NightRefused(f"the night of {day} {hint}")
            replace = Why(MOVED, "") if _there(paths, known) else replace
        night, frames = _scored(paths, day, rows, table, scorer, rule)
        if not night.reconciled:
            raise NightRefused(f"the rows of {day} do not add up: one is missing or counted twice")
        _publish(paths, night, frames, known, replace)
        return night


def kept(paths: Paths, day: date, rows: pl.DataFrame) -> Night | None:
    """The published night of these rows, whoever scored it; None if it has to be scored.

    Raises NightRefused for a night that is on record from other rows.
    """
    known = on_record(paths, day)
    if known and known.input != _digest(rows):
        raise NightRefused(f"the night of {day} was scored from other rows")
    there = _there(paths, known) if known else None
    return None if there in stale(paths) else there


def on_record(paths: Paths, day: date) -> Night | None:
    """The night of a day as the audit log last has it, else as it was published."""
    return _on_record(paths).get(str(day)) or published(paths, day)


def published(paths: Paths, day: date) -> Night | None:
    """The night of a day, if it was published."""
    file = _folder(paths, str(day)) / NIGHT
    return Night(**json.loads(file.read_text("utf-8"))) if file.exists() else None


def nights(paths: Paths) -> list[Night]:
    """All published nights, oldest first."""
    files = [folder / NIGHT for folder in _folders(paths)]
    return [Night(**json.loads(file.read_text("utf-8"))) for file in files if file.exists()]


def stale(paths: Paths) -> list[Night]:
    """The nights that count a row as repeated which no night has scored any more.

    None while a night on record is not there: that one has to come back first.
    """
    held: set[str] = set().union(*(_contents(folder / SCORES) for folder in _folders(paths)))
    there = [(night, _folder(paths, night.day) / REPEATED) for night in nights(paths)]
    if _on_record(paths).keys() - {night.day for night, _ in there}:
        return []
    return [night for night, file in there if _contents(file) - held]


def disagreements(paths: Paths) -> list[str]:
    """Where the published nights are not what the audit log holds, or their rows are others."""
    told, there = _on_record(paths), nights(paths)
    gone = told.keys() - {night.day for night in there}
    found = [f"the night of {day} is on record and not there" for day in sorted(gone)]
    for night in there:
        if told.get(night.day) != night:
            found.append(f"the night of {night.day} does not agree with the audit log")
        else:
            found += _changed(_folder(paths, night.day), night)
    again = [f"the night of {night.day} is to be scored again: {MOVED}" for night in stale(paths)]
    return found + again + list(_twice(paths).values())


def _meant(
    paths: Paths, known: Night, rows: pl.DataFrame, scorer: Scorer, replace: Why | None
) -> bool:
    """Whether a night is replaced for a reason: other rows, another model, rows scored twice."""
    if replace is None:
        return False
    other = (known.input, known.version) != (_digest(rows), scorer.version)
    return other or known.day in _twice(paths)


def _twice(paths: Paths) -> dict[str, str]:
    """By day, the nights that scored what an earlier one has, and a sentence on it."""
    first: dict[str, str] = {}
    found = {}
    for folder in _folders(paths):
        keys = _keys(folder / SCORES)
        shared = Counter(first[key] for key in keys if key in first)
        if shared:
            told = ", ".join(f"{count} with {day}" for day, count in sorted(shared.items()))
            found[folder.name] = f"the night of {folder.name} scored what another has: {told}"
        first |= {key: folder.name for key in keys if key not in first}
    return found


def _changed(folder: Path, night: Night) -> list[str]:
    """Which files of a night are not those that were published."""
    found = []
    for what, names, digest in (
        ("scores", (SCORES,), night.output),
        ("rows set aside", (DEAD, REPEATED), night.aside),
    ):
        try:
            same = _digest(*(pl.read_parquet(folder / name) for name in names)) == digest
        except (OSError, pl.exceptions.PolarsError):
            same = False
        if not same:
            found.append(f"the {what} of {night.day} do not agree with their digest")
    return found


def _there(paths: Paths, known: Night) -> Night | None:
    """The published night, where it is of the same rows by the same model as on record."""
    night = published(paths, date.fromisoformat(known.day))
    same = night and (night.input, night.version) == (known.input, known.version)
    return night if same else None


def _on_record(paths: Paths) -> dict[str, Night]:
    """By day, what the audit log last says of a night."""
    names = [field.name for field in fields(Night)]
    told = [event.get("data") or {} for event in read_events(paths.audit / f"{WRITER}.jsonl")]
    return {
        data["day"]: Night(**{name: data[name] for name in names})
        for data in told
        if data.keys() >= set(names)
    }


def scores(paths: Paths, day: date) -> pl.DataFrame:
    """The scores of a published night."""
    return pl.read_parquet(_folder(paths, str(day)) / SCORES)


def _scored(
    paths: Paths, day: date, rows: pl.DataFrame, table: Table, scorer: Scorer, rule: Rule
) -> tuple[Night, Frames]:
    checked = validate(rows, table)
    age = (pl.lit(day) - pl.col(rule.dated)).dt.total_days()
    aged = checked.clean.with_columns(_contents_of(checked.clean), _age=age)
    ripe, unripe = _parted(aged, rule)
    fresh, repeated, changed = _compared(paths, day, ripe, rule.key)
    differs = reference.findings(fresh.drop("_age", CONTENT), scorer.known, rule.limits)
    if differs:
        raise NightRefused(f"the night of {day} is unlike the training: {'; '.join(differs)}")
    made = fresh.select(rule.key, rule.dated, CONTENT, late=pl.col("_age") > 0)
    score = scorer.score(fresh.drop("_age", CONTENT)).round(6)
    made = made.with_columns(score=score).sort(rule.key)
    others = pl.concat([unripe, changed]).drop("_age", CONTENT)
    dead = pl.concat([checked.quarantined, others], how="vertical_relaxed").sort(rule.key)
    known = repeated.select(rule.key, CONTENT).sort(rule.key)
    night = Night(
        day=str(day),
        version=scorer.version,
        input=_digest(rows),
        output=_digest(made),
        aside=_digest(dead, known),
        received=rows.height,
        scored=made.height,
        late=int(made["late"].sum()),
        repeated=known.height,
        dead=dict(dead.group_by("reasons").len().sort("reasons").iter_rows()),
    )
    return night, {SCORES: made, DEAD: dead, REPEATED: known}


def _parted(aged: pl.DataFrame, rule: Rule) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of the night or not too late for it, and the others with their reason."""
    early, old = pl.col("_age") < 0, pl.col("_age") > rule.days_late
    too_old = pl.lit(f"more than {rule.days_late} days late")
    reason = pl.when(early).then(pl.lit("from a later day")).otherwise(too_old)
    others = aged.filter(early | old).with_columns(reasons=reason)
    return aged.filter(~(early | old)), others


def _compared(
    paths: Paths, day: date, rows: pl.DataFrame, key: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The rows that no other night has scored, those that one has, and those that it has else."""
    files = [folder / SCORES for folder in _folders(paths) if folder.name != str(day)]
    others = [pl.read_parquet(file, columns=[key, CONTENT]) for file in files if file.exists()]
    scored = pl.concat([rows.select(key, CONTENT).clear(), *others])
    fresh = rows.join(scored, on=key, how="anti", maintain_order="left")
    same = rows.join(scored, on=[key, CONTENT], how="semi", maintain_order="left")
    seen = pl.concat([fresh, same])
    changed = rows.join(seen, on=CONTENT, how="anti", maintain_order="left")
    return fresh, same, changed.with_columns(reasons=pl.lit(CHANGED))


def _publish(
    paths: Paths, night: Night, frames: Frames, before: Night | None, why: Why | None
) -> None:
    """Write beside the place, record, then rename: nobody sees a part, or what is not on record."""
    folder = _folder(paths, night.day)
    draft = folder.with_name(f".{night.day}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, frame in frames.items():
        frame.write_parquet(draft / name)
    evidence.replace(draft / NIGHT, json.dumps(asdict(night), indent=2, sort_keys=True) + "\n")
    with open_log(paths, writer=WRITER) as log:
        content: dict[str, Any] = asdict(night)
        if before and why:
            actor = log.privacy.actor(why.actor) if why.actor else WRITER
            content |= {"replaces": before.output, "reason": why.reason, "actor": actor}
        log.record(EventType.BATCH, f"night {night.day}", content)
    old = folder.with_name(f".{night.day}{OLD}")
    if folder.exists():
        os.replace(folder, old)
    os.replace(draft, folder)
    shutil.rmtree(old, ignore_errors=True)


def _restore(paths: Paths) -> None:
    """Put back the nights that a killed run had moved aside; drop those that it had replaced."""
    for old in (paths.var / "batches").glob(f".*{OLD}"):
        folder = _folder(paths, old.name.removeprefix(".").removesuffix(OLD))
        if folder.exists():
            shutil.rmtree(old)
        else:
            os.replace(old, folder)


def _folders(paths: Paths) -> list[Path]:
    """The folders of published nights, oldest first; a draft begins with a dot."""
    return sorted((paths.var / "batches").glob("[!.]*"))


def _folder(paths: Paths, day: str) -> Path:
    return paths.var / "batches" / day


def _digest(*frames: pl.DataFrame) -> str:
    """A digest of the rows, whatever order they come in."""
    lines = sorted(line for frame in frames for line in _lines(frame))
    return "sha256:" + hashlib.sha256(b"\n".join(lines)).hexdigest()


def _contents_of(frame: pl.DataFrame) -> pl.Series:
    """The digest of each row, its key among it."""
    digests = [hashlib.sha256(line).hexdigest() for line in _lines(frame)]
    return pl.Series(CONTENT, digests, dtype=pl.String)


def _contents(file: Path) -> set[str]:
    """The digests of the rows that a file of a night holds; none if it cannot be read."""
    return _column(file, [CONTENT])


def _keys(file: Path) -> set[str]:
    """The keys of the rows that a file of a night holds: its first column."""
    return _column(file, [0])


def _column(file: Path, which: list[str] | list[int]) -> set[str]:
    try:
        return set(pl.read_parquet(file, columns=which).to_series().cast(pl.String))
    except (OSError, pl.exceptions.PolarsError):
        return set()


def _lines(frame: pl.DataFrame) -> list[bytes]:
    return frame.select(sorted(frame.columns)).write_ndjson().encode().splitlines()
