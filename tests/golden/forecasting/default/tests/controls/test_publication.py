"""A forecast goes out on record or not at all, and comes back as it went out."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from sales_forecast.controls import publication
from sales_forecast.controls.audit import AuditLog, AuditUnavailable, open_log
from sales_forecast.controls.paths import Paths
from sales_forecast.controls.publication import (
    NotOnRecord,
    NotPublished,
    publish,
    read,
)
from sales_forecast.controls.switch import switch_of

MODEL = ("m-1", "sha256:1")
INPUTS = '{"values": [[1, 2]]}\n'
SETTINGS = "source: test\nsinks: [file]\nidentifying_fields: []\n"


@pytest.fixture
def desk(paths: Paths) -> Paths:
    """A project with nothing but the settings of its audit log."""
    paths.ops.mkdir()
    (paths.ops / "audit.yaml").write_text(SETTINGS)
    return paths


def cells(b: float = 30.0, total: float = 50.0) -> pl.DataFrame:
    """Two series, the total, their groups; one month."""
    names = ["total", "product=a", "product=b", "product=a|region=x", "product=b|region=x"]
    points = [total, 20.0, b, 20.0, b]
    return pl.DataFrame(
        {
            "node": [*names, "region=x"],
            "level": ["total", "product", "product", "series", "series", "region"],
            "period": [date(2026, 1, 1)] * 6,
            "horizon": [1] * 6,
            "scale": [2.5] * 6,
            "point": [*points, total],
            "low": [max(point - 5, 0.0) for point in [*points, total]],
            "high": [point + 5 for point in [*points, total]],
        }
    )


def out(paths: Paths, frame: pl.DataFrame | None = None, model: tuple[str, str] = MODEL) -> str:
    """Publish, and close the log."""
    whole = cells() if frame is None else frame
    with open_log(paths, "pipeline") as log:
        return publish(paths, log, whole, INPUTS, model, ("product", "region"))


def _log(paths: Paths) -> list[dict[str, object]]:
    text = (paths.audit / "pipeline.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_what_went_out_comes_back(desk: Paths) -> None:
    """Cells, model and origin, by id."""
    issue = read(desk, out(desk))
    assert issue.cells.equals(cells().select(publication.CELL))
    assert (issue.model_version, issue.origin, issue.purpose) == ("m-1", "2025-12-01", "live")
    assert publication.inputs_of(desk, issue.id) == INPUTS


def test_it_is_on_record_with_its_digest(desk: Paths) -> None:
    """One event, which names the forecast, the model and the digest, and no person."""
    name = out(desk)
    (event,) = _log(desk)
    data = publication.recorded(desk)[name]
    assert event["subject"] == f"forecast:{name}"
    assert data["model_version"] == "m-1" and name.removeprefix("f-") in data["digest"]


def test_the_same_forecast_has_the_same_id(desk: Paths) -> None:
    """It is published once; another model or other cells are another forecast."""
    assert out(desk) == out(desk)
    assert len(_log(desk)) == 1
    assert len({out(desk), out(desk, model=("m-2", "sha256:2")), out(desk, cells(31.0, 51.0))}) == 3


def test_one_that_goes_out_again_is_planned_with_again(desk: Paths) -> None:
    """On record, once: a model that was rolled back made it before; a rehearsal changes nothing."""
    assert publication.planned_with(desk) is None
    first, second = out(desk), out(desk, model=("m-2", "sha256:2"))
    assert (out(desk), out(desk)) == (first, first)
    with open_log(desk, "pipeline") as log:
        kind = publication.REHEARSAL
        rehearsal = publish(desk, log, cells(), INPUTS, MODEL, ("product", "region"), kind)
    told = [(data["forecast"], data["again"]) for data in map(_data, _log(desk))]
    assert told == [(first, False), (second, False), (first, True), (rehearsal, False)]
    assert list(publication.recorded(desk)) == [second, first, rehearsal]
    assert publication.planned_with(desk) == first


def _data(event: dict[str, object]) -> dict[str, object]:
    data = event["data"]
    assert isinstance(data, dict)
    return data


def test_nothing_goes_out_that_cannot_be_recorded(
    desk: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file is left that somebody could plan with."""

    def broken(*_: object) -> None:
        raise AuditUnavailable("disk full")

    monkeypatch.setattr(AuditLog, "record", broken)
    with pytest.raises(AuditUnavailable):
        out(desk)
    assert not (desk.var / "forecasts").exists()


def test_the_record_comes_before_the_files(desk: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the two leaves a record, and the next run lets the files out."""
    monkeypatch.setattr(publication, "_let_out", lambda *_: None)
    name = out(desk)
    with pytest.raises(NotOnRecord, match="its files are gone"):
        read(desk, name)
    monkeypatch.undo()
    assert out(desk) == name and read(desk, name).id == name
    assert len(_log(desk)) == 1


def test_while_stopped_no_forecast_goes_out(desk: Paths) -> None:
    """The kill switch holds, and its reason is said."""
    switch_of(desk).stop("wrong unit", "duty")
    with pytest.raises(NotPublished, match=r"kill switch is on \(wrong unit\)"):
        out(desk)
    switch_of(desk).resume("mended", "duty")
    assert out(desk)


def test_what_does_not_add_up_does_not_go_out(desk: Paths) -> None:
    """One unit is enough."""
    with pytest.raises(NotPublished, match=r"total of 2026-01-01 is 51\.0, its parts sum to 50\.0"):
        out(desk, cells(total=51.0))
    assert not (desk.audit / "pipeline.jsonl").read_text()


@pytest.mark.parametrize(
    ("column", "value"),
    [("point", 20.5), ("point", float("nan")), ("low", 400.0), ("high", 1.0), ("low", -1.0)],
)
def test_odd_cells_do_not_go_out(column: str, value: float, desk: Paths) -> None:
    """Parts of a unit, no number, an interval without its point or below zero."""
    with pytest.raises(NotPublished, match="no whole point in its interval"):
        out(desk, cells().with_columns(pl.lit(value).alias(column)))


def test_nothing_is_no_forecast(desk: Paths) -> None:
    """An empty table would pass every other check."""
    with pytest.raises(NotPublished, match="nothing to publish"):
        out(desk, cells().clear())


def _folder(paths: Paths, name: str) -> Path:
    return paths.var / "forecasts" / name


def test_a_changed_forecast_is_not_read(desk: Paths) -> None:
    """One figure turned, and it is not what went out."""
    name = out(desk)
    file = _folder(desk, name) / "issue.json"
    file.write_text(file.read_text().replace('"point": 30.0', '"point": 39.0', 1))
    with pytest.raises(NotOnRecord, match="was changed since"):
        read(desk, name)


def test_changed_inputs_are_noticed(desk: Paths) -> None:
    """Else it could be made again from something that never was."""
    name = out(desk)
    (_folder(desk, name) / "inputs.json").write_text(INPUTS.replace("1", "7"))
    with pytest.raises(NotOnRecord, match=r"inputs of .* were changed"):
        read(desk, name)


def test_a_forecast_that_was_slipped_in_is_not_read(desk: Paths) -> None:
    """A folder with the right form, and no record."""
    name = out(desk)
    _folder(desk, name).rename(_folder(desk, "f-000000000000"))
    with pytest.raises(NotOnRecord, match="not in the audit log"):
        read(desk, "f-000000000000")


def test_a_log_that_was_tampered_with_proves_nothing(desk: Paths) -> None:
    """No forecast is read from it."""
    name = out(desk)
    file = desk.audit / "pipeline.jsonl"
    file.write_text(file.read_text().replace('"cells":6', '"cells":7'))
    with pytest.raises(NotOnRecord, match="does not verify"):
        read(desk, name)


def test_a_forecast_is_made_again_from_its_inputs(desk: Paths) -> None:
    """The same model and inputs give the same cells; other cells are noticed."""
    name, asked = out(desk), []

    def again(version: str, inputs: str) -> pl.DataFrame:
        asked.append((version, inputs))
        return cells().reverse()

    assert publication.reproduced(desk, name, again)
    assert asked == [("m-1", INPUTS)]
    assert not publication.reproduced(desk, name, lambda *_: cells(31.0, 51.0))
