"""Checks of models: card, bill of materials, thresholds, reason codes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ai_factory.governance.checking import Gap, Subject

CARD, THRESHOLDS, BILL = "docs/model-card.md", "evals/thresholds.yaml", "bom/ml-bom.cdx.json"
EVALUATION, AGAIN = "evidence/evaluation.json", "`make run` writes it anew"
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
    rows = [row for row in content.get("results") or [] if isinstance(row, dict)]
    for limit in subject.yaml(THRESHOLDS).get("thresholds") or []:
        of_limit = [row for row in rows if _is_of(row, limit)]
        if not of_limit:
            yield Gap(EVALUATION, f"{limit.get('metric')} of {limit.get('slice')} was not measured", AGAIN)
        if any(not isinstance(row.get(end), (int, float)) for row in of_limit for end in ("low", "high")):
            yield Gap(EVALUATION, f"{limit.get('metric')} of {limit.get('slice')} has no interval", AGAIN)
    for failure in (content.get("gate") or {}).get("failures") or []:
        yield Gap(EVALUATION, f"missed: {failure}", "improve the model; a lower threshold is a decision of its own")
    if content.get("model_version", _released(subject)) != _released(subject):
        message = f"measured {content['model_version']}, and {_released(subject)} is released"
        yield Gap(EVALUATION, message, AGAIN, stale=True)


def reasons(subject: Subject) -> Iterator[Gap]:
    """Each feature of the model has a reason code and words for it."""
    registry = subject.evidence("features").get("registry") or {}
    for feature in registry.get("features") or []:
        if not feature.get("code") or not str(feature.get("reason") or "").strip():
            message = f"the feature {feature.get('name')} has no reason code with words"
            yield Gap("evidence/features.json", message, "give it both in the feature registry")


def _released(subject: Subject) -> str:
    return str(subject.evidence("model").get("version"))


def _is_model(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "machine-learning-model"


def _is_of(row: Mapping[str, Any], limit: Mapping[str, Any]) -> bool:
    """Whether a result is about a threshold: of its slice, or of one group of it (`sex=f` of `sex`)."""
    part, wanted = str(row.get("slice")), str(limit.get("slice"))
    return row.get("metric") == limit.get("metric") and (part == wanted or part.startswith(f"{wanted}="))
