"""Trains what is trained: page classes, the extractor, and the weights of its signs.

Time splits the documents: the extractor learns from the first months, the limit of release is
chosen on later ones, and all is tested on later ones still. The newest month is work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from . import confidence
from .checks import OnFile
from .controls.documents.page import Page
from .controls.documents.records import Tokens
from .extraction import (
    LANGUAGE_MODEL,
    NONE,
    Extractor,
    LanguageModel,
    PageClasses,
    Rules,
    Trained,
    features,
)
from .fields import FIELDS, OTHER, READ, TERMS, normal, stored
from .intake import Reading, Understanding
from .segments import Candidate, candidates, segments

FOLDS = 3
CHAMPION, CHALLENGER = "champion", "challenger"
RULES, TRAINED = "rules", "trained on candidates"


def kinds(environment: Mapping[str, str]) -> dict[str, str]:
    """Which extractors compete; with an endpoint given, a language model is the challenger."""
    challenger = LANGUAGE_MODEL if environment.get("LLM_BASE_URL") else TRAINED
    return {CHAMPION: RULES, CHALLENGER: challenger}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A document that was read, and what a careful person read from it (as it is stored)."""

    document_id: str
    source: str
    digest: str
    pages: tuple[Page, ...]
    document_class: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Split:
    """Documents by time, oldest first."""

    train: pl.DataFrame
    calibrate: pl.DataFrame
    test: pl.DataFrame
    newest: pl.DataFrame


def split(documents: pl.DataFrame) -> Split:
    """The newest month is work, the two before test, three calibrate, the rest trains."""
    month = pl.col("received_on").dt.truncate("1mo")
    months = sorted(documents.select(month.alias("m"))["m"].unique().to_list())
    if len(months) < 8:
        raise ValueError(f"{len(months)} months of documents are too few to learn and to test")
    parts = (months[:-6], months[-6:-3], months[-3:-1], months[-1:])
    return Split(*(documents.filter(month.is_in(part)) for part in parts))


def trained(
    kind: str,
    labelled: Sequence[Labelled],
    classes: PageClasses,
    on_file: Mapping[str, OnFile],
    tokens: Tokens,
) -> dict[str, Any]:
    """Everything that a package of this kind holds: of the champion nothing extracts but rules.

    The weights are learned on readings by extractors that had not seen the document.
    """
    signs: list[list[float]] = []
    correct: list[bool] = []
    for fold in range(FOLDS):
        rest = [one for number, one in enumerate(labelled) if number % FOLDS != fold]
        fresh = [one for number, one in enumerate(labelled) if number % FOLDS == fold]
        extractor = _extractor(kind, rest, on_file, tokens)
        understanding = Understanding(classes, extractor, Rules(), on_file, tokens)
        for one, reading in _read(understanding, fresh):
            right = judged(one, reading, tokens)
            signs += [list(reading.signs[name]) for name in right]
            correct += right.values()
    extractor = _extractor(kind, labelled, on_file, tokens)
    return {
        "pages": classes.classifier,
        "known": classes.known,
        "fields": extractor.classifier if isinstance(extractor, Trained) else None,
        "weigh": confidence.fitted(signs, correct),
    }


def judged(one: Labelled, reading: Reading, tokens: Tokens) -> dict[str, bool]:
    """Whether each field of the true class was read as the gold label says, absences too."""
    return {
        field.name: _stored(field.name, reading.values, tokens) == one.values.get(field.name)
        for field in FIELDS[one.document_class]
    }


def _stored(name: str, values: Mapping[str, str], tokens: Tokens) -> str | None:
    return stored(name, values[name], tokens) if name in values else None


def _read(
    understanding: Understanding, labelled: Sequence[Labelled]
) -> Iterator[tuple[Labelled, Reading]]:
    """Readings of documents whose class was told right."""
    for one in labelled:
        reading = understanding.read(one.pages)
        if one.document_class in READ and reading.document_class == one.document_class:
            yield one, reading


def page_classes(labelled: Sequence[Labelled]) -> PageClasses:
    """Learn them: the first page has the class of the document, those behind it are terms."""
    pages = [
        (page, one.document_class if number == 0 else TERMS)
        for one in labelled
        for number, page in enumerate(one.pages)
        if page.words
    ]
    return PageClasses.trained([page for page, _ in pages], [name for _, name in pages])


def _extractor(
    kind: str, labelled: Sequence[Labelled], on_file: Mapping[str, OnFile], tokens: Tokens
) -> Extractor:
    if kind == RULES:
        return Rules()
    if kind == LANGUAGE_MODEL:
        return LanguageModel.of(os.environ)
    bags: list[list[str]] = []
    labels: list[str] = []
    for one in labelled:
        if one.document_class != OTHER and one.pages[0].words:
            found = candidates(segments(one.pages[:1]))
            bags += features(found)
            labels += labels_of(one, found, on_file, tokens)
    return Trained.fitted(bags, labels)


def labels_of(
    one: Labelled, found: Sequence[Candidate], on_file: Mapping[str, OnFile], tokens: Tokens
) -> list[str]:
    """Which field each candidate is by the gold label; of equal ones the lowest total counts."""
    known = on_file.get(one.values.get("vendor_id", ""))
    order = known.order if known else "dmy"
    labels = [NONE] * len(found)
    for field in FIELDS[one.document_class]:
        wanted = one.values.get(field.name)
        values = [
            normal(field.kind, c.text, order) if c.kind == field.kind else None for c in found
        ]
        same = [
            place
            for place, value in enumerate(values)
            if value is not None
            and labels[place] == NONE
            and wanted == stored(field.name, value, tokens)
        ]
        if same:
            labels[max(same, key=lambda place: found[place].segment.bottom)] = field.name
    return labels


def exact(right: Mapping[str, bool]) -> bool:
    """Whether every field is right."""
    return all(right.values())


def ratio(part: Sequence[float], whole: Sequence[float], rows: Any) -> float:
    """The sum of one column over that of another, of the rows drawn."""
    below = float(np.asarray(whole)[rows].sum())
    return float(np.asarray(part)[rows].sum()) / below if below else float("nan")
