"""Forecasts go out only when they are on record, and come back by their id as they went out.

`var/forecasts/<id>/` holds `issue.json` (the cells) and `inputs.json` (what they were made from).
The id is the digest of both and of the model: the same forecast has the same id. What is not in the
audit log with that digest is not a forecast of this system, and is not read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from . import hierarchy
from .audit import AuditLog, EventType, Name, read_events, verify_folder
from .evidence import replace
from .paths import Paths
from .switch import switch_of

ISSUE, INPUTS = "issue.json", "inputs.json"
LIVE, REHEARSAL = "live", "rehearsal"
CELL = ("node", "level", "period", "horizon", "scale", "point", "low", "high")


class NotPublished(Exception):
    """The forecast may not go out; the message says why."""


class NotOnRecord(Exception):
    """There is no such forecast in the audit log, or it was changed since it went out."""


class FilesGone(NotOnRecord):
    """The forecast is on record, but its files are gone: nobody can tell what it said."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One publication: cells of all nodes, the model that made them, the month it was made after.

    `purpose` is `live`, or `rehearsal` for one that was made afterwards, as from the past.
    """

    id: str
    model_version: str
    origin: str
    purpose: str
    cells: pl.DataFrame


def publish(
    paths: Paths,
    log: AuditLog,
    cells: pl.DataFrame,
    inputs: str,
    model: tuple[str, str],
    dimensions: Sequence[str],
    purpose: str = LIVE,
) -> str:
    """Record a forecast, then let it out; returns its id. One that is on record stays as it is.

    One that another forecast has replaced is recorded again: from then on it is planned with. The
    record names what planners had changed in the one before and this one does not have.
    `model` is version and digest. Raises NotPublished while the kill switch is on, and for cells
    that do not add up or whose interval does not hold the point; AuditUnavailable if it cannot be
    recorded: then no file is left.
    """
    if refused := [*_stopped(paths), *_odd(cells, dimensions)]:
        raise NotPublished("; ".join(refused[:5]))
    issue = json.dumps(_content(cells, inputs, model, purpose), indent=1, sort_keys=True) + "\n"
    digest = _digest(issue)
    name = f"f-{digest.removeprefix('sha256:')[:12]}"
    folder = paths.var / "forecasts" / name
    known = name in recorded(paths)
    if known:
        if not (folder / ISSUE).exists():  # a crash came between the record and the files
            _let_out(folder, issue, inputs)
        read(paths, name)
        if purpose != LIVE or planned_with(paths) == name:
            return name
    data = {
        "forecast": name,
        "digest": digest,
        "model_version": model[0],
        "origin": str(_origin(cells)),
        "purpose": purpose,
        "cells": cells.height,
        "again": known,
        **_replacing(paths, name, cells, purpose),
    }
    log.record(EventType.PUBLICATION, f"forecast:{name}", data)
    _let_out(folder, issue, inputs)
    return name


def _replacing(paths: Paths, name: str, cells: pl.DataFrame, purpose: str) -> dict[str, Any]:
    """The forecast that it takes the place of, and where a change of that one does not carry over.

    A planner judged another figure, so changes are never carried over.
    """
    before = planned_with(paths) if purpose == LIVE else None
    made, own = (_changes(paths, forecast) for forecast in (before, name))
    there = set(cells.select("node", pl.col("period").cast(pl.String)).iter_rows())
    lost = [cell for cell, value in made.items() if cell in there and own.get(cell) != value]
    left = [{"node": Name(node), "period": period} for node, period in lost]
    return {"replaces": before, "left_behind": left}


def _changes(paths: Paths, name: str | None) -> dict[tuple[str, str], int]:
    """The last change of each node and month of a forecast."""
    said = (event["data"] for event in events(paths) if event["type"] == EventType.OVERRIDE)
    mine = (data for data in said if name is not None and data.get("forecast") == name)
    return {(data["node"], data["period"]): data["value"] for data in mine}


def _let_out(folder: Path, issue: str, inputs: str) -> None:
    replace(folder / INPUTS, inputs)
    replace(folder / ISSUE, issue)


def _stopped(paths: Paths) -> list[str]:
    state = switch_of(paths).state()
    return (
        [f"the kill switch is on ({state.reason}): no forecast goes out"] if state.stopped else []
    )


def _odd(cells: pl.DataFrame, dimensions: Sequence[str]) -> list[str]:
    whole = pl.col("point").is_finite() & (pl.col("point") == pl.col("point").round())
    held = (pl.col("low") <= pl.col("point")) & (pl.col("point") <= pl.col("high"))
    wrong = cells.filter(~(whole & held & (pl.col("low") >= 0)).fill_null(False))
    found = [
        f"{row['node']} of {row['period']}: no whole point in its interval"
        for row in wrong.to_dicts()
    ]
    return [*found, *hierarchy.gaps(cells, dimensions)] if cells.height else ["nothing to publish"]


def _content(
    cells: pl.DataFrame, inputs: str, model: tuple[str, str], purpose: str
) -> dict[str, Any]:
    version, digest = model
    rows = cells.select(CELL).with_columns(pl.col("period").cast(pl.String))
    return {
        "schema": "forecast/1",
        "model_version": version,
        "model_digest": digest,
        "origin": str(_origin(cells)),
        "purpose": purpose,
        "inputs": _digest(inputs),
        "cells": rows.with_columns(pl.col("scale", "low", "high").round(3)).to_dicts(),
    }


def _origin(cells: pl.DataFrame) -> Any:
    """The month after which the forecast was made."""
    first = cells.filter(pl.col("horizon") == 1)["period"].min()
    return pl.Series([first]).dt.offset_by("-1mo").item()


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def events(paths: Paths) -> Iterator[Mapping[str, Any]]:
    """All events of all logs, in the order of each log; NotOnRecord where a log is not intact."""
    for state in verify_folder(paths.audit):
        if not state.intact:
            raise NotOnRecord(f"{state.path.name} does not verify: {state.findings[0].message}")
        yield from read_events(state.path)


def recorded(paths: Paths) -> dict[str, Mapping[str, Any]]:
    """What the audit log says of each forecast, by id, in the order in which they last went out."""
    found: dict[str, Mapping[str, Any]] = {}
    for event in events(paths):
        data = event["data"]
        if event["type"] == EventType.PUBLICATION and "digest" in data:
            found.pop(data["forecast"], None)
            found[data["forecast"]] = data
    return found


def planned_with(paths: Paths) -> str | None:
    """The forecast that is planned with: of those that are no rehearsal, what last went out."""
    issued = recorded(paths).items()
    return next((name for name, data in reversed(issued) if data["purpose"] == LIVE), None)


def read(paths: Paths, name: str) -> Issue:
    """A forecast as it went out; NotOnRecord if it never did, or is not what went out."""
    record = recorded(paths).get(name)
    if record is None:
        raise NotOnRecord(f"{name} is not in the audit log")
    content = _read(paths.var / "forecasts" / name, name, record)
    cells = pl.DataFrame(content["cells"]).select(CELL).with_columns(pl.col("period").str.to_date())
    return Issue(name, content["model_version"], content["origin"], content["purpose"], cells)


def still_there(paths: Paths) -> tuple[list[Issue], list[str]]:
    """The forecasts that can be read, and the names of those whose files are gone."""
    found, gone = [], []
    for name in recorded(paths):
        try:
            found.append(read(paths, name))
        except FilesGone:
            gone.append(name)
    return found, gone


def _read(folder: Path, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    try:
        text = (folder / ISSUE).read_text("utf-8")
        inputs = (folder / INPUTS).read_text("utf-8")
    except OSError as error:
        raise FilesGone(f"{name} is on record, but its files are gone") from error
    if _digest(text) != record["digest"]:
        raise NotOnRecord(f"{name} was changed since it went out")
    content: dict[str, Any] = json.loads(text)
    if _digest(inputs) != content["inputs"]:
        raise NotOnRecord(f"the inputs of {name} were changed since it went out")
    return content


def inputs_of(paths: Paths, name: str) -> str:
    """What a forecast was made from, checked against its record."""
    read(paths, name)
    return (paths.var / "forecasts" / name / INPUTS).read_text("utf-8")


def reproduced(paths: Paths, name: str, again: Callable[[str, str], pl.DataFrame]) -> bool:
    """Whether the same model says the same of the same inputs.

    `again` takes the model's version and the inputs, and gives the cells.
    """
    issue = read(paths, name)
    made = again(issue.model_version, inputs_of(paths, name)).select(CELL)
    rounded = made.with_columns(pl.col("scale", "low", "high").round(3))
    return rounded.sort("node", "period").equals(issue.cells.sort("node", "period"))
