"""The trained parts: a classifier of pages, and one of candidates, both on hashed features.

Nothing that is learned holds a word: words and shapes are hashed, so that no name that stood in a
document can be read from a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from .controls.documents.page import Page
from .fields import AMOUNT, DATE, FIELDS, MONTHS, TEXT, parsed_amount
from .segments import Candidate, Found

NONE = "none"
WIDTH, BUCKETS = 2**12, 2**15
LEAST = 0.35  # below this probability a field counts as absent


def words(page: Page) -> list[str]:
    """The words of a page in small letters, figures masked."""
    return [_masked(word.text) for word in page.words]


@lru_cache(maxsize=20_000)
def _masked(text: str) -> str:
    return re.sub(r"[^a-z0#/-]", "", re.sub(r"\d", "#", text.lower()))


def hashed(bags: Iterable[Iterable[str]], width: int = WIDTH) -> Any:
    """A sparse row of counts for each bag of features."""
    hasher = FeatureHasher(width, input_type="string", alternate_sign=False)
    return hasher.transform([list(bag) for bag in bags])


@dataclass(frozen=True, slots=True)
class PageClasses:
    """Tells the class of a page, and how many of its words were ever seen."""

    classifier: Any
    known: NDArray[np.uint8]

    @classmethod
    def trained(cls, pages: Sequence[Page], classes: Sequence[str]) -> PageClasses:
        """Learn from pages whose classes are known."""
        bags = [set(words(page)) for page in pages]
        classifier = LogisticRegression(C=10.0, max_iter=300).fit(hashed(bags), classes)
        seen = np.asarray((hashed(bags, BUCKETS) > 0).sum(axis=0)).ravel()
        return cls(classifier, (seen >= 2).astype(np.uint8))

    def classify(self, pages: Sequence[Page]) -> list[tuple[str, float]]:
        """The likeliest class of each page and its probability."""
        table = self.classifier.predict_proba(hashed([set(words(page)) for page in pages]))
        names = self.classifier.classes_
        return [(str(names[int(row.argmax())]), float(row.max())) for row in table]

    def unknown(self, page: Page) -> float:
        """The share of words of letters only that training pages did not have.

        Names of months are left out: each has its season.
        """
        plain = [word for word in words(page) if word.isalpha() and word[:3] not in MONTHS]
        if not plain:
            return 0.0
        rows = hashed([[word] for word in plain], BUCKETS)
        return float(1 - self.known[rows.indices].mean())


def features(found: Sequence[Candidate]) -> list[list[str]]:
    """What the classifier of candidates sees of each: its words, place, shape and rank."""
    amounts = sorted({a for one in found if one.kind == AMOUNT if (a := parsed_amount(one.text))})
    dates = [one.segment for one in found if one.kind == DATE]
    return [
        [
            f"kind={one.kind}",
            f"kind={one.kind} left={_phrase(one.left)}",
            f"kind={one.kind} above={_phrase(one.above)}",
            *(f"{one.kind} l:{_masked(word)}" for word in one.left.split()),
            *(f"{one.kind} a:{_masked(word)}" for word in one.above.split()),
            f"{one.kind} x={int(one.segment.x1 // 60)}",
            f"{one.kind} y={int(one.segment.top // 60)}",
            f"{one.kind} page={one.segment.page}",
            f"{one.kind} shape={_shape(one)}",
            *_ranks(one, amounts, dates),
        ]
        for one in found
    ]


def _phrase(text: str) -> str:
    return " ".join(_masked(word) for word in text.split()[:5])


def _shape(one: Candidate) -> str:
    """The leading letters of an identifier; of text only where letters, figures and commas are."""
    if one.kind == TEXT:
        return re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]", "A", re.sub(r"\d+", "#", one.text)))[:12]
    return re.sub(r"\d", "", one.text)[:3] + str(min(len(one.text), 15))


def _ranks(one: Candidate, amounts: Sequence[Any], dates: Sequence[Any]) -> list[str]:
    if one.kind == AMOUNT and (amount := parsed_amount(one.text)) is not None:
        place = len(amounts) - amounts.index(amount) if amount in amounts else 0
        return [f"amount rank={min(place, 4)}"]
    if one.kind == DATE:
        return [f"date rank={min(dates.index(one.segment), 4)} of {min(len(dates), 4)}"]
    return []


class Trained:
    """The challenger: the likeliest candidate of each field."""

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier

    @classmethod
    def fitted(cls, bags: Sequence[Sequence[str]], labels: Sequence[str]) -> Trained:
        """Learn from the features of candidates and the fields that they are (or `none`)."""
        model = LogisticRegression(C=5.0, max_iter=200, tol=1e-3)
        return cls(model.fit(hashed(bags), labels))

    def read(self, document_class: str, found: Sequence[Candidate]) -> Mapping[str, Found]:
        """Each field's likeliest candidate of its kind, if it is likely enough."""
        if not found:
            return {}
        table = self.classifier.predict_proba(hashed(features(found)))
        places = {name: place for place, name in enumerate(self.classifier.classes_)}
        read = {}
        for field in FIELDS[document_class]:
            of_kind = np.array([one.kind == field.kind for one in found])
            if field.name not in places or not of_kind.any():
                continue
            chances = np.where(of_kind, table[:, places[field.name]], 0.0)
            first, *rest = np.sort(chances)[::-1][:2].tolist()
            if first >= LEAST:
                chosen = found[int(chances.argmax())]
                margin = first - (rest[0] if rest else 0.0)
                read[field.name] = Found(chosen.text, first, margin, chosen.segment)
        return read
