"""Checks of models: card, bill of materials, thresholds, reason codes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ai_factory.governance.checking import Gap, Subject

CARD, THRESHOLDS, BILL = "docs/model-card.md", "evals/thresholds.yaml", "bom/ml-bom.cdx.json"
EVALUATION, AGAIN = "evidence/evaluation.json", "`make run` writes it anew"
DEPENDENCIES = "governance/dependencies.yaml"
BETTER = "improve the model, then `make run`"
DIRECTIONS = ("at_least", "at_most")
ATTACK = re.compile("inject|refus|attack|red_?team|restricted|jailbreak|abuse")
PLACEHOLDER = re.compile(r"\$\{[^}]*\}|\bTODO\b|\bTBD\b|\{\{")


def documented(subject: Subject) -> Iterator[Gap]:
    """The model card is of the released model, and no placeholder is left in it."""
    file = subject.files.get(CARD)
    if file is None:
        yield Gap(CARD, "is missing", "`make run` writes it")
        return
    text = file.content.decode("utf-8", "replace")
    if left := PLACEHOLDER.search(text):
        yield Gap(CARD, f"holds a placeholder: {left[0]}", AGAIN)
    version = _released(subject)
    if f"`{version}`" not in text:
        yield Gap(CARD, f"does not speak of the released model {version}", AGAIN, stale=True)


def bill_of_materials(subject: Subject) -> Iterator[Gap]:
    """The bill of materials is CycloneDX and names the released model."""
    bill = subject.json(BILL)
    if bill.get("bomFormat") != "CycloneDX":
        yield Gap(BILL, "is no CycloneDX document", AGAIN)
    models = [part for part in bill.get("components") or [] if _is_model(part)]
    if _released(subject) not in [part.get("version") for part in models]:
        yield Gap(BILL, f"does not name the released model {_released(subject)}", AGAIN, stale=True)


def thresholds_met(subject: Subject) -> Iterator[Gap]:
    """Each threshold was measured with an interval, all are met, and it was the released model that was measured."""
    content = subject.evidence("evaluation")
    limits = _limits(subject)
    if not limits:
        yield Gap(THRESHOLDS, "sets no threshold", "set what a release has to meet")
    for limit in limits:
        yield from _measured(subject, limit)
        if any(_number(row.get(end)) is None for row in _rows_of(subject, limit) for end in ("low", "high")):
            yield Gap(EVALUATION, f"{limit.get('metric')} of {limit.get('slice')} has no interval", AGAIN)
    for failure in (content.get("gate") or {}).get("failures") or []:
        yield Gap(EVALUATION, f"missed: {failure}", "improve the model; a lower threshold is a decision of its own")
    if content.get("model_version", _released(subject)) != _released(subject):
        message = f"measured {content['model_version']}, and {_released(subject)} is released"
        yield Gap(EVALUATION, message, AGAIN, stale=True)


def reasons(subject: Subject) -> Iterator[Gap]:
    """Each feature of the model has a reason code and words for it."""
    registry = subject.evidence("features").get("registry") or {}
    if not registry.get("features"):
        yield Gap("evidence/features.json", "names no feature", "`make run` writes it")
    for feature in registry.get("features") or []:
        if not feature.get("code") or not str(feature.get("reason") or "").strip():
            message = f"the feature {feature.get('name')} has no reason code with words"
            yield Gap("evidence/features.json", message, "give it both in the feature registry")


def fair(subject: Subject) -> Iterator[Gap]:
    """Thresholds for groups of people are set, were measured, and none is missed."""
    limits = [limit for limit in _limits(subject) if limit.get("slice") not in (None, "all")]
    if not limits:
        yield Gap(THRESHOLDS, "sets no threshold for a group", "set one for each group that could be treated unfairly")
    for limit in limits:
        yield from _measured(subject, limit)


def third_party(subject: Subject) -> Iterator[Gap]:
    """Who makes a model of others is named, and no name of one floats from version to version."""
    services = subject.yaml(DEPENDENCIES).get("services") or []
    if not any(isinstance(row, dict) and row.get("outside") is True for row in services):
        message = "names nobody outside the firm, and a model was made by somebody else"
        yield Gap(DEPENDENCIES, message, "name the maker under `services`, with `outside: true`")
    for name, value in (subject.evidence("model").get("facts") or {}).items():
        if isinstance(value, str) and re.search(r"\blatest$", value):
            yield Gap("evidence/model.json", f"`{name}` is {value}, which is another one tomorrow", "name a version")


def attacked(subject: Subject) -> Iterator[Gap]:
    """What a generative system must withstand or refuse has thresholds, and was measured."""
    limits = [str(limit.get("metric")) for limit in _limits(subject) if ATTACK.search(str(limit.get("metric")))]
    if not limits:
        yield Gap(
            THRESHOLDS, "sets no threshold for attacks and refusals", "measure injections, refusals, red-team cases"
        )
        return
    measured = {row.get("metric") for row in subject.evidence("evaluation").get("results") or []}
    for metric in limits:
        if metric not in measured:
            yield Gap(EVALUATION, f"{metric} was not measured", AGAIN)


def _limits(subject: Subject) -> list[Mapping[str, Any]]:
    rows = subject.yaml(THRESHOLDS).get("thresholds") or []
    return [row for row in rows if isinstance(row, dict)]


def _measured(subject: Subject, limit: Mapping[str, Any]) -> Iterator[Gap]:
    """What is wrong with the results of one threshold, judged anew by the file that sets it, whatever they say."""
    named = f"{limit.get('metric')} of {limit.get('slice')}"
    directions = [name for name in DIRECTIONS if _number(limit.get(name)) is not None]
    if len(directions) != 1:
        yield Gap(THRESHOLDS, f"{named} needs a number as one of {' and '.join(DIRECTIONS)}", "write it in")
        return
    rows = _rows_of(subject, limit)
    judged = [row for row in rows if not _too_small(subject, row)]
    if not judged:
        yield Gap(EVALUATION, f"{named} was not {'judged' if rows else 'measured'}", AGAIN)
    for row in judged:
        if wrong := _wrong(row, directions[0], limit[directions[0]]):
            yield Gap(EVALUATION, f"{row.get('metric')} of {row.get('slice')} {wrong}", BETTER)


def _wrong(row: Mapping[str, Any], direction: str, limit: float) -> str:
    """Why a result does not meet a limit; empty where it does."""
    value, verdict = _number(row.get("value")), row.get("verdict")
    if (row.get("direction"), row.get("threshold")) != (direction, limit):
        return f"was judged by another threshold than {THRESHOLDS} sets"
    if value is None:
        return "has no value"
    if not (value >= limit if direction == "at_least" else value <= limit) or verdict == "fail":
        return "misses its threshold"
    return "" if verdict == "pass" else f"is neither met nor missed: its verdict is {verdict}"


def _too_small(subject: Subject, row: Mapping[str, Any]) -> bool:
    """Whether a result is of a group that is reported and not judged, having fewer rows than the file asks for."""
    least, size = _number(subject.yaml(THRESHOLDS).get("minimum_group")), _number(row.get("n"))
    if least is None or size is None or row.get("slice") == "all":
        return False
    return row.get("verdict") == "not judged" and size < least


def _rows_of(subject: Subject, limit: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = subject.evidence("evaluation").get("results") or []
    return [row for row in rows if isinstance(row, dict) and _is_of(row, limit)]


def _number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value


def _released(subject: Subject) -> str:
    return str(subject.evidence("model").get("version"))


def _is_model(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "machine-learning-model"


def _is_of(row: Mapping[str, Any], limit: Mapping[str, Any]) -> bool:
    """Whether a result is about a threshold: of its slice, or of one group of it (`sex=f` of `sex`)."""
    part, wanted = str(row.get("slice")), str(limit.get("slice"))
    return row.get("metric") == limit.get("metric") and (part == wanted or part.startswith(f"{wanted}="))
