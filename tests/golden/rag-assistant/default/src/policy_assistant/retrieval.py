"""Finds passages for a question, among those only that the asker may read.

There is one index for each clearance, made of nothing else: so no score, rank or count depends on
a document that the asker may not read. What is filtered out afterwards has left its trace before.
"""

from __future__ import annotations

import math
import sqlite3
import weakref
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .controls import screening
from .controls.grounding import COMMON, WORD
from .controls.screening import Contradiction
from .corpus import Passage

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
# Weights of title, heading, text and keywords: where a word stands says how much it tells.
WEIGHTS = (2.0, 2.0, 1.0, 1.0)
# Words of questions, which every question has and no policy is about.
ASKING = COMMON | set(
    WORD.findall(
        "am any anyone big did early far fast get high how i large late long me many much must my"
        " need needed no now often old our quickly shall should some somebody soon than then us we"
        " what when where whether whom whose why would"
    )
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found; `confidence`, 0 to 1, says how much of the question it covers."""

    passage: Passage
    score: float
    confidence: float


class Retriever(Protocol):
    """Searches one set of passages."""

    def search(self, question: str, most: int) -> list[Hit]:
        """At most so many passages, the best first."""


class Lexical:
    """Full-text search with BM25 (SQLite's FTS5, with stemming); needs no model and no library.

    Confidence is the share of the question's words that a passage holds, each weighed by how rare
    it is (inverse document frequency); a word that no passage holds counts as the rarest.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = tuple(passages)
        self._lock = Lock()
        self._base = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._base.close)
        self._base.execute(
            "CREATE VIRTUAL TABLE passages USING fts5("
            "title, heading, text, keywords, tokenize='porter unicode61 remove_diacritics 2')"
        )
        rows = ((p.title, p.heading, p.text, p.keywords) for p in self._passages)
        self._base.executemany("INSERT INTO passages VALUES (?, ?, ?, ?)", rows)

    def search(self, question: str, most: int) -> list[Hit]:
        """At most so many passages, the best first; none without a word that tells something."""
        terms = asked(question)
        if not terms or not self._passages:
            return []
        with self._lock:
            ranked = self._base.execute(
                "SELECT rowid, bm25(passages, ?, ?, ?, ?) AS score FROM passages"
                " WHERE passages MATCH ? ORDER BY score, rowid LIMIT ?",
                (*WEIGHTS, " OR ".join(map(_quoted, terms)), most),
            ).fetchall()
            holders = {term: self._holders(term) for term in terms}
        total = sum(self._rarity(len(found)) for found in holders.values())
        return [
            Hit(
                passage=self._passages[row - 1],
                score=-score,
                confidence=sum(
                    self._rarity(len(found)) for found in holders.values() if row in found
                )
                / total,
            )
            for row, score in ranked
        ]

    def _holders(self, term: str) -> frozenset[int]:
        found = self._base.execute(
            "SELECT rowid FROM passages WHERE passages MATCH ?", (_quoted(term),)
        )
        return frozenset(row for (row,) in found)

    def _rarity(self, holders: int) -> float:
        count, held = len(self._passages), max(holders, 1)
        return math.log(1 + (count - held + 0.5) / (held + 0.5))


class Semantic:
    """Search by meaning: cosine between the vectors of an embedding model; an optional extra.

    A vector belongs to one passage alone, so the same vectors serve every clearance.
    """

    def __init__(
        self, passages: Sequence[Passage], vectors: Collection[Sequence[float]], embed: Embed
    ) -> None:
        if len(vectors) != len(passages):
            raise ValueError(f"{len(vectors)} vectors for {len(passages)} passages")
        self._passages, self._embed = tuple(passages), embed
        self._matrix = _unit(np.array(list(vectors), dtype=np.float64))

    def search(self, question: str, most: int) -> list[Hit]:
        """At most so many passages, the nearest first."""
        if not self._passages:
            return []
        near = self._matrix @ _unit(np.array(self._embed([question]), dtype=np.float64))[0]
        order = np.argsort(-near, kind="stable")[:most]
        return [
            Hit(self._passages[place], float(near[place]), float(max(near[place], 0.0)))
            for place in order.tolist()
        ]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What one clearance may read: a search over it, and where it contradicts itself."""

    search: Callable[[str, int], list[Hit]]
    contradictions: tuple[Contradiction, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """All passages; `search` is the only way in, and it takes the classes of the asker."""

    passages: tuple[Passage, ...]
    retriever: Callable[[Sequence[Passage]], Retriever] = Lexical
    _shelves: dict[frozenset[str], Shelf] = field(default_factory=dict, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def shelf(self, classes: Collection[str]) -> Shelf:
        """What these classes may read, indexed on first use."""
        cleared = frozenset(classes)
        with self._lock:
            if cleared not in self._shelves:
                self._shelves[cleared] = self._shelved(cleared)
            return self._shelves[cleared]

    def search(self, question: str, classes: Collection[str], most: int) -> list[Hit]:
        """At most so many passages of these classes, the best first."""
        return self.shelf(classes).search(question, most)

    def _shelved(self, classes: frozenset[str]) -> Shelf:
        visible = [passage for passage in self.passages if passage.access in classes]
        known = [
            statement
            for passage in visible
            for statement in screening.statements(passage.document_id, passage.id, passage.text)
        ]
        return Shelf(self.retriever(visible).search, tuple(screening.contradictions(known)))


def asked(question: str) -> list[str]:
    """The words of a question that tell what it is about, each once, in their order."""
    found = (word.casefold() for word in WORD.findall(question))
    return list(dict.fromkeys(word for word in found if word not in ASKING))


def _quoted(term: str) -> str:
    """A term as FTS5 takes it literally, so that no question is read as an expression."""
    return '"' + term.replace('"', '""') + '"'


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    found: NDArray[np.float64] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return found
