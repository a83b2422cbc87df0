"""Every row is scored once or set apart, and what training never saw is found by column."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from late_orders.controls import batch
from late_orders.controls.audit import (
    AuditUnavailable,
    open_log,
    read_events,
    verify,
)
from late_orders.controls.batch import Night, NightRefused, Rule, Scorer, Why
from late_orders.controls.contract import Column, Table
from late_orders.controls.paths import Paths
from late_orders.controls.reference import Limits, describe, findings
from late_orders.controls.stages import StageFailed

DAY = date(2025, 11, 3)
TYPES = {"key": pl.String, "on": pl.Date, "x": pl.Float64}
RULE = Rule("key", "on", 2, Limits(0.2, 0.1, 0.1))
WHY = Why("the source was mended", "duty@example.org")
LIMITS = Limits(outside=0.1, unseen=0.02, missing=0.1)


def _column(name: str, kind: str, **more: Any) -> Column:
    blank: dict[str, Any] = {"protected": False, "pattern": None, "values": ()}
    blank |= {"required": True, "unique": False, "minimum": None, "maximum": None}
    return Column(name=name, type=kind, description="", classification="x", **{**blank, **more})


COLUMNS = (
    _column("key", "string", unique=True),
    _column("on", "date"),
    _column("x", "number", minimum=0),
)
TABLE = Table("rows", {column.name: column for column in COLUMNS}, {}, 0.5, "decision")


def rows(count: int = 40, first: int = 0, day: date = DAY) -> pl.DataFrame:
    """Good rows of one day."""
    made = [{"key": f"K{first + n}", "on": day, "x": n % 10 + 1.0} for n in range(count)]
    return pl.DataFrame(made, schema=TYPES)


def scorer(factor: float = 0.05, version: str = "m-1") -> Scorer:
    """A model that multiplies."""
    return Scorer(
        version=version,
        digest="sha256:1",
        score=lambda frame: frame["x"] * factor,
        known=describe(rows(), ["x"]),
    )


def run(
    paths: Paths, frame: pl.DataFrame, day: date = DAY, by: Scorer | None = None, **more: Any
) -> Night:
    """Score a night with the rule of these tests."""
    return batch.run(paths, day, frame, TABLE, by or scorer(), RULE, **more)


def snapshot(paths: Paths) -> dict[str, bytes]:
    """Every byte below the folder of the nights, and the log."""
    files = [file for file in (paths.var / "batches").rglob("*") if file.is_file()]
    files += list(paths.audit.glob("batch.jsonl"))
    return {str(file.relative_to(paths.root)): file.read_bytes() for file in sorted(files)}


def test_a_night_is_scored_and_recorded(project: Paths) -> None:
    """Scores by key, counts that add up, one event with the digests of what came and what went."""
    night = run(project, rows())
    assert (night.received, night.scored, night.late, night.repeated) == (40, 40, 0, 0)
    assert night.dead == {}
    assert night.reconciled
    found = batch.scores(project, DAY)
    assert found["key"].is_sorted()
    assert found.filter(pl.col("key") == "K3")["score"].item() == 0.2
    (event,) = read_events(project.audit / "batch.jsonl")
    assert event["subject"] == "night 2025-11-03"
    assert (event["data"]["input"], event["data"]["output"]) == (night.input, night.output)


def test_the_same_night_again_changes_nothing(project: Paths) -> None:
    """Not a byte, and there is no second event; the order of the rows does not matter."""
    night = run(project, rows())
    before = snapshot(project)
    assert run(project, rows()) == night
    assert run(project, rows().reverse()) == night
    assert snapshot(project) == before


def test_two_runs_of_the_same_rows_give_the_same_bytes(project: Paths, tmp_path: Path) -> None:
    """Elsewhere and later: only the event has a time."""
    other = Paths.of(tmp_path / "elsewhere")
    (other.ops).mkdir(parents=True)
    (other.ops / "audit.yaml").write_bytes((project.ops / "audit.yaml").read_bytes())
    for paths in (project, other):
        run(paths, rows())
    one, two = snapshot(project), snapshot(other)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == ["var/audit/batch.jsonl"]


def test_other_rows_are_refused_without_a_reason(project: Paths) -> None:
    """Whoever asks, and nothing changes."""
    run(project, rows())
    before = snapshot(project)
    for by in (scorer(), scorer(0.06, "m-2")):
        with pytest.raises(NightRefused, match=f"^the night of {DAY} was scored from other rows$"):
            run(project, rows(39), by=by)
    assert snapshot(project) == before


def test_a_published_night_stays_whatever_model_serves(project: Paths) -> None:
    """A retrained model scores what was not published; one that has to come back it does not."""
    night, by = run(project, rows()), scorer(0.06, "m-2")
    before = snapshot(project)
    assert (batch.kept(project, DAY, rows()), run(project, rows(), by=by)) == (night, night)
    assert snapshot(project) == before
    shutil.rmtree(project.var / "batches" / str(DAY))
    told = f"^the night of {DAY} is on record by m-1, and m-2 needs a reason$"
    with pytest.raises(NightRefused, match=told):
        run(project, rows(), by=by)
    assert (batch.kept(project, DAY, rows()), batch.on_record(project, DAY)) == (None, night)
    assert run(project, rows()) == night


@pytest.mark.parametrize("why", [Why(" ", WHY.actor), Why(WHY.reason, "\t"), Why("", "")])
def test_blanks_are_no_reason_and_nobody(project: Paths, why: Why) -> None:
    """Nothing is replaced for them."""
    run(project, rows())
    before = snapshot(project)
    told = "^a night is replaced for a reason, by somebody: blanks are neither$"
    with pytest.raises(NightRefused, match=told):
        run(project, rows(39), replace=why)
    assert snapshot(project) == before


@pytest.mark.parametrize("what", ["rows", "model"])
def test_another_night_in_its_place_says_why(project: Paths, what: str) -> None:
    """The event names what was replaced, and by whom."""
    first = run(project, rows())
    frame = rows(39) if what == "rows" else rows()
    by = scorer(0.06, "m-2") if what == "model" else scorer()
    night = run(project, frame, by=by, replace=WHY)
    assert batch.published(project, DAY) == night != first
    event = list(read_events(project.audit / "batch.jsonl"))[-1]["data"]
    assert (event["replaces"], event["reason"]) == (first.output, WHY.reason)
    assert event["actor"].startswith("person:")


def test_bad_rows_are_set_aside_with_their_reason(project: Paths) -> None:
    """The good ones are scored all the same."""
    spoiled = [{"key": "B1", "on": DAY, "x": -1.0}, {"key": "B2", "on": None, "x": 1.0}]
    night = run(project, pl.concat([rows(), pl.DataFrame(spoiled, schema=TYPES)]))
    assert night.dead == {"on: missing": 1, "x: below 0": 1}
    dead = pl.read_parquet(project.var / "batches" / str(DAY) / "dead.parquet")
    told = dict(dead.select("key", "reasons").iter_rows())
    assert told == {"B1": "x: below 0", "B2": "on: missing"}
    assert night.scored == 40


def test_late_rows_are_scored_and_marked_and_older_ones_set_aside(project: Paths) -> None:
    """Two days are late enough; three are too many; a row from tomorrow is none of tonight's."""
    days = {"L1": 1, "L2": 2, "T3": 3, "F1": -1}
    odd = [{"key": key, "on": DAY - timedelta(days=age), "x": 5.0} for key, age in days.items()]
    night = run(project, pl.concat([rows(), pl.DataFrame(odd, schema=TYPES)]))
    assert (night.scored, night.late) == (42, 2)
    assert night.dead == {"from a later day": 1, "more than 2 days late": 1}
    late = batch.scores(project, DAY).filter("late")["key"].to_list()
    assert late == ["L1", "L2"]


def test_a_row_that_was_scored_before_is_not_scored_again(project: Paths) -> None:
    """Sent the next night it counts as repeated."""
    run(project, rows())
    later = DAY + timedelta(days=1)
    sent = pl.concat([rows(40, 100, later), rows(5)])
    night = run(project, sent, day=later)
    assert (night.scored, night.repeated, night.reconciled) == (40, 5, True)
    assert set(batch.scores(project, later)["key"]) == set(rows(40, 100)["key"])


def test_a_dead_letter_that_is_mended_can_come_again(project: Paths) -> None:
    """It was never scored, so its key is not known."""
    bad = rows(1, 900).with_columns(x=pl.lit(-1.0))
    run(project, pl.concat([rows(), bad]))
    later = DAY + timedelta(days=1)
    night = run(project, pl.concat([rows(40, 100, later), rows(1, 900)]), day=later)
    assert (night.late, night.repeated, night.scored) == (1, 0, 41)


def test_a_night_unlike_the_training_is_refused(project: Paths) -> None:
    """As a whole, with the columns named, and nothing is published or recorded."""
    with pytest.raises(NightRefused, match=r"unlike the training: x lies outside"):
        run(project, rows().with_columns(pl.col("x") + 50))
    assert batch.nights(project) == []
    assert not (project.audit / "batch.jsonl").exists()


def test_what_cannot_be_recorded_is_not_published(project: Paths) -> None:
    """No event, no scores; the next run does it."""
    with open_log(project, writer=batch.WRITER), pytest.raises(AuditUnavailable):
        run(project, rows())
    assert batch.published(project, DAY) is None
    assert run(project, rows()).scored == 40


def test_a_crash_before_the_rename_leaves_no_half_night(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recorded twice then, with the same digests, and published once."""

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", crash)
        with pytest.raises(KeyboardInterrupt):
            run(project, rows())
    assert batch.nights(project) == []
    night = run(project, rows())
    events = [event["data"]["output"] for event in read_events(project.audit / "batch.jsonl")]
    assert set(events) == {night.output}
    assert verify(project.audit / "batch.jsonl").findings == ()


def test_rows_that_do_not_add_up_are_refused(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is nowhere would be a case that nobody deals with."""
    lost = Night(str(DAY), "m-1", "a", "b", "c", 40, 39, 0, 0, {})
    assert not lost.reconciled
    monkeypatch.setattr(batch, "_scored", lambda *_: (lost, {}))
    with pytest.raises(NightRefused, match="do not add up"):
        run(project, rows())


def test_an_empty_night_is_a_night(project: Paths) -> None:
    """Nothing came, and that is on record."""
    night = run(project, rows(0))
    assert (night.received, night.scored, night.reconciled) == (0, 0, True)


def test_a_night_that_was_meddled_with_is_found(project: Paths) -> None:
    """Its counts against the audit log, its scores against their digest."""
    run(project, rows())
    assert batch.disagreements(project) == []
    folder = project.var / "batches" / str(DAY)
    kept = (folder / "night.json").read_text()
    (folder / "night.json").write_text(kept.replace('"scored": 40', '"scored": 39'))
    assert batch.disagreements(project) == [f"the night of {DAY} does not agree with the audit log"]
    (folder / "night.json").write_text(kept)
    batch.scores(project, DAY).with_columns(score=pl.lit(0.0)).write_parquet(
        folder / "scores.parquet"
    )
    assert batch.disagreements(project) == [f"the scores of {DAY} do not agree with their digest"]


@pytest.mark.parametrize("how", ["emptied", "removed", "no Parquet"])
@pytest.mark.parametrize("name", ["dead.parquet", "repeated.parquet"])
def test_rows_set_aside_cannot_go_unnoticed(project: Paths, how: str, name: str) -> None:
    """Those who would look at them would not know."""
    run(project, rows())
    later = DAY + timedelta(days=1)
    bad = rows(1, 900, later).with_columns(x=pl.lit(-1.0))
    run(project, pl.concat([rows(40, 100, later), rows(1), bad]), day=later)
    assert batch.disagreements(project) == []
    file = project.var / "batches" / str(later) / name
    none = pl.read_parquet(file).clear()
    file.unlink()
    if how != "removed":
        none.write_parquet(file) if how == "emptied" else file.write_text("nothing")
    told = f"the rows set aside of {later} do not agree with their digest"
    assert told in batch.disagreements(project)


def test_a_night_that_is_gone_is_found_and_not_forgotten(project: Paths) -> None:
    """What was published is in the audit log: other rows still need a reason, the same do not."""
    night = run(project, rows())
    later = DAY + timedelta(days=1)
    sent = pl.concat([rows(40, 100, later), rows(2)])
    next_one = run(project, sent, day=later)
    shutil.rmtree(project.var / "batches" / str(DAY))
    assert run(project, sent, day=later) == next_one
    assert batch.disagreements(project) == [f"the night of {DAY} is on record and not there"]
    with pytest.raises(NightRefused, match="from other rows"):
        run(project, rows(30))
    assert run(project, rows()) == night
    assert batch.disagreements(project) == []


def test_a_run_killed_between_the_renames_loses_nothing(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The night comes back; the rows that were recorded last need no second reason, others do."""
    first = run(project, rows())
    real = os.replace

    def killed(source: Path, target: Path) -> None:
        if Path(source).name == f".{DAY}.new":
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run(project, rows(35), replace=WHY)
    assert batch.published(project, DAY) is None
    with pytest.raises(NightRefused, match="from other rows"):
        run(project, rows(30))
    assert batch.published(project, DAY) == first
    assert batch.disagreements(project) == [f"the night of {DAY} does not agree with the audit log"]
    assert run(project, rows(35)).scored == 35
    assert batch.disagreements(project) == []


def test_a_row_that_its_night_no_longer_has_is_scored_in_the_next(project: Paths) -> None:
    """It counted as repeated there: the same rows are scored again, for that reason."""
    later = DAY + timedelta(days=1)
    sent = pl.concat([rows(40, 100, later), rows(2)])
    run(project, rows())
    assert run(project, sent, day=later).repeated == 2
    run(project, rows().slice(1), replace=WHY)
    assert batch.disagreements(project) == [
        f"the night of {later} is to be scored again: {batch.MOVED}"
    ]
    again = run(project, sent, day=later)
    assert (again.scored, again.late, again.repeated, again.reconciled) == (41, 1, 1, True)
    assert batch.disagreements(project) == []
    assert run(project, sent, day=later) == again
    event = list(read_events(project.audit / "batch.jsonl"))[-1]["data"]
    assert (event["reason"], event["actor"]) == (batch.MOVED, batch.WRITER)


def test_a_row_that_was_corrected_is_set_aside(project: Paths) -> None:
    """Same key, other content: its score stands, and somebody has to look at it."""
    run(project, rows())
    later = DAY + timedelta(days=1)
    corrected = rows(2).with_columns(x=pl.lit(9.0))
    night = run(project, pl.concat([rows(40, 100, later), corrected, rows()[5:6]]), day=later)
    assert (night.repeated, night.scored, night.dead) == (1, 40, {batch.CHANGED: 2})
    dead = pl.read_parquet(project.var / "batches" / str(later) / "dead.parquet")
    assert dead["key"].to_list() == ["K0", "K1"]


def test_nights_scored_at_once_share_no_row(project: Paths) -> None:
    """The second is refused while the first one scores, and finds the row known afterwards."""
    later, told = DAY + timedelta(days=1), []
    sent = pl.concat([rows(40, 100, later), rows(3)])

    def meanwhile(frame: pl.DataFrame) -> pl.Series:
        with pytest.raises(StageFailed) as refused:
            run(project, sent, day=later)
        told.append(str(refused.value))
        return scorer().score(frame)

    run(project, rows(), by=replace(scorer(), score=meanwhile))
    assert told == ["another process scores a night: try again when it is done"]
    assert run(project, sent, day=later).repeated == 3
    assert batch.disagreements(project) == []


DYING = """
import os, sys
from pathlib import Path
from late_orders.controls import batch
from late_orders.controls.paths import Paths

with batch.alone(Paths.of(Path(sys.argv[1])).metrics / "nights.lock", batch.BUSY):
    os._exit(9)
"""


def test_a_process_that_died_keeps_nobody_out(project: Paths) -> None:
    """Its lock has gone with it."""
    done = subprocess.run([sys.executable, "-c", DYING, str(project.root)], check=False)
    assert done.returncode == 9
    assert run(project, rows()).scored == 40


@pytest.mark.parametrize("change", [0.0, 1.0])
def test_a_row_that_two_nights_scored_is_found(
    project: Paths, monkeypatch: pytest.MonkeyPatch, change: float
) -> None:
    """By its key, whatever else it holds; with a reason the later night is scored without it."""
    later = DAY + timedelta(days=1)
    sent = pl.concat([rows(40, 100, later), rows(3).with_columns(pl.col("x") + change)])
    run(project, rows())

    def blind(_: Paths, __: date, given: pl.DataFrame, ___: str) -> tuple[pl.DataFrame, ...]:
        return given, given.clear(), given.clear().with_columns(reasons=pl.lit(""))

    with monkeypatch.context() as patch:
        patch.setattr(batch, "_compared", blind)
        assert run(project, sent, day=later).scored == 43
    told = f"the night of {later} scored what another has: 3 with {DAY}"
    assert batch.disagreements(project) == [told]
    assert run(project, sent, day=later).scored == 43
    assert run(project, sent, day=later, replace=WHY).scored == 40
    assert batch.disagreements(project) == []


TEXT = (
    "key: order_id\ndated: ordered_on\ndays_late: 3\n"
    "limits: {outside: 0.2, unseen: 0.02, missing: 0.1}\n"
)


def test_the_rule_is_read(tmp_path: Path) -> None:
    """With all its limits."""
    file = tmp_path / "batch.yaml"
    file.write_text(TEXT)
    assert batch.load(file) == Rule("order_id", "ordered_on", 3, Limits(0.2, 0.02, 0.1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("key: order_id\n", ""),
        ("days_late: 3", "days_late: soon"),
        ("days_late: 3", "days_late: -1"),
        ("unseen: 0.02, ", ""),
        ("limits:", "limit:"),
        ("{outside", "{inside: 1, outside"),
    ],
)
def test_a_broken_rule_names_its_file(tmp_path: Path, old: str, new: str) -> None:
    """Nothing is guessed."""
    file = tmp_path / "batch.yaml"
    file.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"^batch\.yaml: "):
        batch.load(file)


def test_nights_come_oldest_first(project: Paths) -> None:
    """Whatever order they were scored in."""
    for number in (2, 0, 1):
        day = DAY + timedelta(days=number)
        run(project, rows(40, number * 100, day), day=day)
    assert [night.day for night in batch.nights(project)] == [
        str(DAY + timedelta(days=number)) for number in range(3)
    ]


def test_a_night_is_plain_json(project: Paths) -> None:
    """Any tool can read what became of its rows."""
    night = run(project, rows())
    text = (project.var / "batches" / str(DAY) / "night.json").read_text()
    assert Night(**json.loads(text)) == replace(night)


def _frame(seed: int = 0, rows: int = 1000) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    carrier = rng.choice(["road", "rail"], rows)
    gaps = [None if gone else 1.0 for gone in rng.random(rows) < 0.05]
    return pl.DataFrame({"way": rng.normal(10, 2, rows), "carrier": carrier, "note": gaps})


KNOWN = describe(_frame(), ["way", "carrier", "note"])


def test_a_description_is_plain_data() -> None:
    """Bounds of numbers, values of text, and how much is missing."""
    assert KNOWN["carrier"] == {"values": ["rail", "road"], "missing": 0.0}
    assert KNOWN["way"]["low"] == pytest.approx(10 - 2 * 2.33, abs=0.6)
    assert KNOWN["way"]["high"] == pytest.approx(10 + 2 * 2.33, abs=0.6)
    assert KNOWN["note"]["missing"] == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("seed", range(1, 6))
def test_rows_of_the_same_world_have_no_finding(seed: int) -> None:
    """Chance alone raises none."""
    assert findings(_frame(seed, 300), KNOWN, LIMITS) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (pl.col("way") + 5, "way lies outside what training saw in"),
        (pl.lit("pigeon").alias("carrier"), "carrier has values that training never saw in 100.0%"),
        (pl.lit(None, dtype=pl.Float64).alias("note"), "note is newly missing in"),
    ],
)
def test_what_training_never_saw_is_found(change: pl.Expr, finding: str) -> None:
    """Named by column, with share and limit."""
    (found,) = findings(_frame(1).with_columns(change), KNOWN, LIMITS)
    assert found.startswith(finding)
    assert "of the rows, limit" in found


def test_a_few_strangers_are_within_the_limit() -> None:
    """One in a hundred is not a new world."""
    place = pl.int_range(pl.len())
    few = pl.when(place < 10).then(pl.lit("pigeon")).otherwise("carrier").alias("carrier")
    assert findings(_frame(1).with_columns(few), KNOWN, LIMITS) == []


def test_a_column_that_is_gone_is_found() -> None:
    """And a night without rows says nothing."""
    assert findings(_frame(1).drop("way"), KNOWN, LIMITS) == ["way is not there"]
    assert findings(_frame(1).clear(), KNOWN, LIMITS) == []
