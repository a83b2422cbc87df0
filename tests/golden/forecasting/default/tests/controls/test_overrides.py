"""An override counts from its record on, adds up, and is judged by what came true."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sales_forecast.controls import overrides, publication
from sales_forecast.controls.audit import (
    AuditLog,
    AuditUnavailable,
    EventType,
    open_log,
)
from sales_forecast.controls.evaluation import Plan
from sales_forecast.controls.overrides import Override, OverrideRefused
from sales_forecast.controls.paths import Paths
from sales_forecast.controls.switch import switch_of

SERIES, MONTH = "product=b|region=x", date(2026, 1, 1)
ACTOR = "planner@example.org"
POINTS = {
    "total": ("total", 50.0),
    "product=a": ("product", 20.0),
    "product=b": ("product", 30.0),
    "region=x": ("region", 50.0),
    "product=a|region=x": ("series", 20.0),
    SERIES: ("series", 30.0),
}


def _cells(month: date = MONTH) -> pl.DataFrame:
    rows = [
        (node, level, month, 1, 2.5, point, max(point - 5, 0.0), point + 5)
        for node, (level, point) in POINTS.items()
    ]
    return pl.DataFrame(rows, schema=list(publication.CELL), orient="row")


def _out(
    paths: Paths, month: date = MONTH, purpose: str = publication.LIVE, version: str = "m-1"
) -> str:
    with open_log(paths, "pipeline") as log:
        made = (_cells(month), "{}", (version, "sha256:1"), ("product", "region"))
        return publication.publish(paths, log, *made, purpose)


@pytest.fixture
def desk(paths: Paths) -> Paths:
    """A project with settings of its log and one published forecast."""
    paths.ops.mkdir()
    settings = "source: test\nsinks: [file]\nidentifying_fields: []\n"
    (paths.ops / "audit.yaml").write_text(settings)
    _out(paths)
    return paths


def _name(paths: Paths) -> str:
    return next(iter(publication.recorded(paths)))


def _change(paths: Paths, **changed: Any) -> Override:
    reason = "the largest customer has left"
    usual = Override(_name(paths), SERIES, MONTH, 12, "market", reason)
    return replace(usual, **changed)


def _record(paths: Paths, change: Override, actor: str = ACTOR) -> bool:
    with open_log(paths, "planning") as log:
        return overrides.record(paths, log, change, actor)


def _finals(paths: Paths) -> Mapping[str, float]:
    frame = overrides.effective(paths, _name(paths))
    return dict(frame.select("node", "final").rows())


def test_without_overrides_the_model_counts(desk: Paths) -> None:
    """The final value is the point, everywhere."""
    assert _finals(desk) == {node: point for node, (_, point) in POINTS.items()}


def test_an_override_counts_and_adds_up(desk: Paths) -> None:
    """In the series, its groups and the total, nowhere else; the point stays on record."""
    assert _record(desk, _change(desk))
    moved = {SERIES: 12.0, "product=b": 12.0, "region=x": 32.0, "total": 32.0}
    assert _finals(desk) == {**{n: p for n, (_, p) in POINTS.items()}, **moved}
    assert publication.read(desk, _name(desk)).cells.equals(_cells())


def test_a_node_with_a_long_number_counts(desk: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key such as an EAN is the series' name: it is on record as it is, once, and is judged."""
    node = "product=4006381333931|region=x"
    monkeypatch.setitem(POINTS, "product=4006381333931", ("product", 30.0))
    monkeypatch.setitem(POINTS, node, ("series", 30.0))
    monkeypatch.delitem(POINTS, "product=b")
    monkeypatch.delitem(POINTS, SERIES)
    name = _out(desk)
    change = _change(desk, forecast=name, node=node, reason="their buyer 4006381333931 has left")
    assert (_record(desk, change), _record(desk, change)) == (True, False)
    finals = overrides.effective(desk, name).filter(pl.col("node") == node)["final"]
    assert finals.to_list() == [12.0]
    judged = overrides.judged(desk, _actuals(12.0).with_columns(node=pl.lit(node)))
    assert judged.select("node", "gained").rows() == [(node, 18.0)]


def test_a_node_that_was_once_redacted_stops_no_judgement(desk: Paths) -> None:
    """An older log may hold one: it belongs to no series, and the others are judged."""
    _record(desk, _change(desk))
    data = {"forecast": _name(desk), "node": "product=[redacted]", "period": "2026-01-01"}
    with open_log(desk, "planning") as log:
        rest = {"value": 9, "kind": "market", "reason": "the largest customer has left"}
        log.record(EventType.OVERRIDE, ACTOR, {**data, **rest})
    assert overrides.judged(desk, _actuals(12.0))["node"].to_list() == [SERIES]


def test_intervals_stay_the_models(desk: Paths) -> None:
    """Nobody has measured how sure the planner is; that the value lies outside is on record."""
    _record(desk, _change(desk))
    frame = overrides.effective(desk, _name(desk)).filter(pl.col("node") == SERIES)
    assert frame.select("low", "high").rows() == [(25.0, 35.0)]
    (line,) = (desk.audit / "planning.jsonl").read_text().splitlines()
    assert json.loads(line)["data"]["outside"] is True


def test_the_planner_is_a_pseudonym(desk: Paths) -> None:
    """The log says that it was the same person, not who."""
    _record(desk, _change(desk))
    _record(desk, _change(desk, value=13))
    text = (desk.audit / "planning.jsonl").read_text()
    subjects = {json.loads(line)["subject"] for line in text.splitlines()}
    assert len(subjects) == 1 and ACTOR not in text


def test_what_cannot_be_recorded_does_not_count(
    desk: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the record, then the effect."""

    def broken(*_: object) -> None:
        raise AuditUnavailable("disk full")

    monkeypatch.setattr(AuditLog, "record", broken)
    with pytest.raises(AuditUnavailable):
        _record(desk, _change(desk))
    assert _finals(desk)[SERIES] == 30.0


def test_the_last_override_counts(desk: Paths) -> None:
    """The earlier ones stay on record; the same one again is not written twice."""
    assert _record(desk, _change(desk))
    assert _record(desk, _change(desk, value=14))
    assert not _record(desk, _change(desk, value=14))
    assert _finals(desk)[SERIES] == 14.0
    assert [o.value for o in overrides.of(desk, _name(desk))] == [12, 14]
    assert _record(desk, _change(desk))
    assert _finals(desk)[SERIES] == 12.0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reason": "  because  "}, "fewer than 10 letters"),
        ({"kind": "whim"}, "the kind is none of"),
        ({"value": -1}, "no whole number"),
        ({"value": 1.5}, "no whole number"),
        ({"value": True}, "no whole number"),
        ({"value": 1_000_000_000}, "beyond anything likely: 350 at the most"),
        ({"node": "total"}, "no series of this forecast"),
        ({"node": "product=z|region=x"}, "no series of this forecast"),
        ({"period": date(2027, 1, 1)}, "no series of this forecast"),
    ],
)
def test_an_odd_override_is_refused(changed: dict[str, Any], words: str, desk: Paths) -> None:
    """And leaves no trace: neither an event nor an effect."""
    with pytest.raises(OverrideRefused, match=words):
        _record(desk, _change(desk, **changed))
    assert overrides.of(desk, _name(desk)) == []


def test_somebody_has_to_stand_for_it(desk: Paths) -> None:
    """No name, no override."""
    with pytest.raises(OverrideRefused, match="nobody is named"):
        _record(desk, _change(desk), actor=" ")


def test_hindsight_is_refused(desk: Paths) -> None:
    """Once a forecast knows the month, it cannot be changed in an older one."""
    change = _change(desk)
    _out(desk, date(2026, 2, 1))
    with pytest.raises(OverrideRefused, match="that would be hindsight"):
        _record(desk, change)


def test_what_does_not_carry_over_is_named(desk: Paths) -> None:
    """By the forecast that takes the place: each cell on record, the first ones in words."""
    first, other = _name(desk), "product=a|region=x"
    _record(desk, _change(desk))
    _record(desk, _change(desk, node=other))
    second = _out(desk, version="m-2")
    assert _left(desk, second) == (first, [(SERIES, "2026-01-01"), (other, "2026-01-01")])
    assert overrides.left_behind(desk, second) == (
        f"overrides of {first} do not carry over, set them again with `overrides set {second}`: "
        f"{SERIES} of 2026-01-01, {other} of 2026-01-01"
    )
    assert overrides.effective(desk, second)["final"].sum() == _cells()["point"].sum()


def test_only_what_is_lost_is_named(desk: Paths) -> None:
    """Neither what the other forecast has too, nor a month that it does not have."""
    first = _name(desk)
    _record(desk, _change(desk))
    second = _out(desk, version="m-2")
    _record(desk, _change(desk, forecast=second))
    _record(desk, _change(desk, forecast=second, node="product=a|region=x"))
    assert _out(desk) == first
    assert _left(desk, first) == (second, [("product=a|region=x", "2026-01-01")])
    later = _out(desk, date(2026, 2, 1))
    assert _left(desk, later) == (first, [])
    assert overrides.left_behind(desk, later) == ""


def test_of_many_the_line_names_a_few(desk: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are on record."""
    monkeypatch.setattr(overrides, "NAMED", 1)
    _record(desk, _change(desk))
    _record(desk, _change(desk, node="product=a|region=x"))
    told = overrides.left_behind(desk, _out(desk, version="m-2"))
    assert told.endswith(f": {SERIES} of 2026-01-01 and 1 more")


def _left(paths: Paths, name: str) -> tuple[str, list[tuple[str, str]]]:
    """What a forecast took the place of, and the cells that it left behind."""
    data = publication.recorded(paths)[name]
    return data["replaces"], [(cell["node"], cell["period"]) for cell in data["left_behind"]]


def test_an_unknown_forecast_cannot_be_changed(desk: Paths) -> None:
    """It is not on record."""
    with pytest.raises(publication.NotOnRecord):
        _record(desk, _change(desk, forecast="f-000000000000"))


def _actuals(value: float) -> pl.DataFrame:
    return pl.DataFrame({"node": [SERIES], "period": [MONTH], "actual": [value]})


def test_overrides_are_judged_by_what_came_true(desk: Paths) -> None:
    """From 30 to 12: gained 18 where 12 came true, lost 18 where 30 did."""
    _record(desk, _change(desk, value=25))
    _record(desk, _change(desk))
    found = [overrides.judged(desk, _actuals(v))["gained"].to_list() for v in (12.0, 30.0)]
    assert found == [[18.0], [-18.0]]


def test_what_is_not_known_yet_is_not_judged(desk: Paths) -> None:
    """Neither is a forecast without overrides."""
    assert overrides.judged(desk, _actuals(12.0)).is_empty()
    _record(desk, _change(desk))
    assert overrides.judged(desk, _actuals(12.0).clear()).is_empty()


def test_value_added_is_the_share_of_the_error_that_is_gone() -> None:
    """By kind, with the share of overrides that helped; harm is below 0."""
    cells = pl.DataFrame(
        {
            "kind": ["market", "market", "promotion"],
            "actual": [100.0, 100, 100],
            "point": [120.0, 80, 90],
            "final": [105.0, 85, 130],
            "gained": [15.0, 5, -20],
        }
    )
    found = overrides.value_added(cells, Plan(50, 1, 0.9, 1, ()), "sha256:0")
    values = {(r.metric, r.slice): r.value for r in found}
    assert values["value_added", "kind=market"] == 0.5
    assert values["value_added", "kind=promotion"] == -2.0
    assert values["value_added", "all"] == 0.0
    assert values["helped", "all"] == pytest.approx(2 / 3)
    assert overrides.value_added(cells.clear(), Plan(50, 1, 0.9, 1, ()), "sha256:0") == []


def _set(name: str, *more: str) -> list[str]:
    given = {
        "--node": SERIES,
        "--period": "2026-01-01",
        "--value": "12",
        "--kind": "market",
        "--reason": "the largest customer has left",
        "--actor": ACTOR,
    }
    return ["set", name, *(part for pair in given.items() for part in pair), *more]


def test_the_command_line_records(
    desk: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`set` writes, `list` shows; the second time it says that it is there."""
    monkeypatch.setenv("PROJECT_ROOT", str(desk.root))
    name = _name(desk)
    assert overrides.main(_set(name)) == 0 and overrides.main(_set(name)) == 0
    assert overrides.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["recorded: it counts from now on", "it is on record already"]
    assert lines[2] == f"{name}  after 2025-12-01  by m-1  6 cells, 1 overrides, planned with"


def test_the_command_line_says_what_nothing_is_planned_with(
    desk: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An override of a rehearsal is judged and has no other effect."""
    monkeypatch.setenv("PROJECT_ROOT", str(desk.root))
    live, rehearsal = _name(desk), _out(desk, purpose=publication.REHEARSAL)
    assert publication.planned_with(desk) == live
    assert overrides.main(_set(rehearsal)) == 0
    told = "recorded: it is judged, but nothing is planned with it\n"
    assert capsys.readouterr().out == told


def test_after_a_rollback_the_command_line_says_what_counts(
    desk: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The forecast that went out again is planned with, and not the one that came between."""
    monkeypatch.setenv("PROJECT_ROOT", str(desk.root))
    first = _name(desk)
    second = _out(desk, version="m-2")
    assert _out(desk) == first
    assert overrides.main(_set(first)) == 0 and overrides.main(_set(second)) == 0
    assert overrides.main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "recorded: it counts from now on",
        "recorded: it is judged, but nothing is planned with it",
        f"{second}  after 2025-12-01  by m-2  6 cells, 1 overrides",
        f"{first}  after 2025-12-01  by m-1  6 cells, 1 overrides, planned with",
    ]


def test_the_command_line_refuses_in_words(
    desk: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and a sentence: for a bad value, a date that is none, and while stopped."""
    monkeypatch.setenv("PROJECT_ROOT", str(desk.root))
    name = _name(desk)
    assert overrides.main(_set(name, "--value", "-4")) == 1
    assert overrides.main(_set(name, "--period", "January")) == 1
    switch_of(desk).stop("wrong unit", "duty")
    assert overrides.main(_set(name)) == 1
    words = capsys.readouterr().err
    assert "no whole number" in words and "kill switch" in words and "January" in words


def test_nothing_published_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty list would look like an error."""
    monkeypatch.setenv("PROJECT_ROOT", str(tmp_path))
    assert overrides.main(["list"]) == 0
    assert capsys.readouterr().out == "nothing was published yet\n"
