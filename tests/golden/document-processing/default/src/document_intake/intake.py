"""One document from its bytes to an outcome: read, classify, extract, check, weigh, route.

Values in clear live in memory only. `Result.content()` is what may be written: tokens in place of
what identifies somebody.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import polars as pl

from . import checks, confidence
from .checks import OnFile, Register, fingerprints
from .controls import packages
from .controls.audit import Privacy
from .controls.documents.page import Page
from .controls.documents.reader import Bounds, Reader, ReadRefused
from .controls.documents.records import Originals, Tokens
from .controls.paths import Paths
from .controls.review import route, sampled
from .extraction import LANGUAGE_MODEL, Extractor, LanguageModel, PageClasses, Rules, Trained
from .fields import FIELDS, INVOICE, READ, TERMS, normal, parsed_amount, stored
from .segments import Found, candidates, column, segments, unevenness

RELEASE, REFER = "release", "refer"
NO_TEXT, NOT_READ, DUPLICATE = "no text layer", "not to be read", "duplicate"
# The confidence of values was measured on text layers, so a person looks at what OCR has read.
BY_OCR = "read by OCR"
# Text that a person does not see on the page may say other than what they see.
HIDDEN = "hidden text"

Pages = tuple[Page, ...] | ReadRefused


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a document, before anything is decided. `values` are in clear."""

    document_class: str = ""
    class_score: float = 0.0
    values: Mapping[str, str] = field(default_factory=dict)
    signs: Mapping[str, Sequence[float]] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    unknown: float = 0.0
    words: int = 0


@dataclass(frozen=True, slots=True)
class Understanding:
    """Reads documents with one extractor and asks a second one for its opinion."""

    classes: PageClasses
    extractor: Extractor
    second: Extractor
    on_file: Mapping[str, OnFile]
    tokens: Tokens

    def read(self, pages: Sequence[Page]) -> Reading:
        """Classify by the first page that is no annex, extract from it, check."""
        reading = self._read(pages)
        hidden = (HIDDEN,) if any(page.hidden for page in pages) else ()
        return replace(reading, findings=(*reading.findings, *hidden))

    def _read(self, pages: Sequence[Page]) -> Reading:
        told = self.classes.classify(pages)
        main = next((n for n, (name, _) in enumerate(told) if name != TERMS), 0)
        words = sum(len(page.words) for page in pages)
        if not pages[main].words:
            return Reading(findings=(NO_TEXT,))
        name, score = told[main]
        unknown = self.classes.unknown(pages[main])
        if name not in READ:
            finding = f"class: {name} is {NOT_READ}"
            return Reading(name, score, findings=(finding,), unknown=unknown, words=words)
        reading = self._fields(pages[main : main + 1], name, score, unknown, words)
        by_ocr = (BY_OCR,) if pages[main].by_ocr else ()
        return replace(reading, findings=(*reading.findings, *by_ocr))

    def _fields(
        self, pages: Sequence[Page], name: str, score: float, unknown: float, words: int
    ) -> Reading:
        possible = candidates(segments(pages))
        found = self.extractor.read(name, possible)
        values, second = (
            self._values(name, one) for one in (found, self.second.read(name, possible))
        )
        total = found.get("net_total" if name == INVOICE else "claimed_total")
        amounts = column(total.segment, possible) if total and total.segment else []
        lines = [amount for text in amounts if (amount := parsed_amount(text)) is not None]
        findings = self._findings(name, values, lines)
        signs = confidence.Signs(found, values, second, findings, unevenness(pages), unknown)
        rows = confidence.rows(name, signs)
        return Reading(name, score, values, rows, tuple(findings), unknown, words)

    def _values(self, document_class: str, found: Mapping[str, Found]) -> dict[str, str]:
        """Values as they are written from here on; dates in the order of the sender on file."""
        sender = found["vendor_id"].text if "vendor_id" in found else ""
        known = self.on_file.get(sender)
        order = known.order if known else "dmy"
        normalised = {
            one.name: normal(one.kind, found[one.name].text, order)
            for one in FIELDS[document_class]
            if one.name in found
        }
        return {name: value for name, value in normalised.items() if value is not None}

    def _findings(
        self, document_class: str, values: Mapping[str, str], lines: Sequence[Decimal]
    ) -> list[str]:
        token = self.tokens.token("account_number", values.get("account_number", ""))
        return checks.findings(document_class, values, lines, self.on_file, token)


@dataclass(frozen=True, slots=True)
class Result:
    """What comes of a document. `values` are in clear: never write them."""

    outcome: str
    document_class: str
    confidence: float
    values: Mapping[str, str]
    fields: tuple[Mapping[str, Any], ...]
    findings: tuple[str, ...]
    reasons: tuple[str, ...]
    unknown_words: float
    words: int
    model_version: str
    model_digest: str

    def content(self) -> dict[str, Any]:
        """The result as plain data, without anything in clear."""
        return {
            "outcome": self.outcome,
            "document_class": self.document_class,
            "confidence": round(self.confidence, 6),
            "fields": [dict(one) for one in self.fields],
            "findings": list(self.findings),
            "reasons": list(self.reasons),
            "model_version": self.model_version,
            "model_digest": self.model_digest,
        }


@dataclass(frozen=True, slots=True)
class Memo:
    """What one process has read, for stages that read the same again: in memory, never on disk."""

    pages: MutableMapping[str, Pages] = field(default_factory=dict)
    readings: MutableMapping[tuple[str, str], Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Processor:
    """Turns originals into results with one packaged version; `register` finds duplicates."""

    understanding: Understanding
    weigh: Any
    facts: Mapping[str, Any]
    version: str
    digest: str
    originals: Originals
    reader: Reader
    register: Register | None = None
    memo: Memo | None = None

    def process(self, document_id: str, digest: str) -> Result:
        """The outcome of one original. Raises OriginalGone and OriginalChanged."""
        reading = self._read(digest)
        weights = confidence.confidences(self.weigh, reading.signs) if reading.signs else {}
        sure = min([*weights.values(), reading.class_score]) if weights else 0.0
        release = self.facts["release"]
        received = self.originals.received(digest)
        far = checks.far(reading.document_class, reading.values, received)
        findings = [*reading.findings, *far, *self._repeated(document_id, digest, reading)]
        tokens = self.understanding.tokens
        drawn = sampled(tokens.privacy.digest(document_id), release["sample"])
        way = route(sure, release["limit"], findings, drawn)
        fields = [
            {
                "field": name,
                "value": stored(name, value, tokens),
                "confidence": round(weights[name], 6),
            }
            for name, value in reading.values.items()
        ]
        return Result(
            RELEASE if way.release else REFER,
            reading.document_class or "unread",
            sure,
            reading.values,
            tuple(fields),
            tuple(findings),
            way.reasons,
            reading.unknown,
            reading.words,
            self.version,
            self.digest,
        )

    def _read(self, digest: str) -> Reading:
        known = (self.digest, digest)
        if self.memo is not None and known in self.memo.readings:
            return self.memo.readings[known]
        pages = read_once(self.reader, self.originals, digest, self.memo)
        if isinstance(pages, ReadRefused):
            reading = Reading(findings=(f"unreadable: {pages.reason}",))
        else:
            reading = self.understanding.read(pages)
        if self.memo is not None and self.digest:
            self.memo.readings[known] = reading
        return reading

    def _repeated(self, document_id: str, digest: str, reading: Reading) -> list[str]:
        if self.register is None:
            return []
        marks = fingerprints(digest, reading.values, self.understanding.tokens)
        return [f"{DUPLICATE} of {one}" for one in self.register.claim(marks, document_id)]


def read_once(reader: Reader, originals: Originals, digest: str, memo: Memo | None) -> Pages:
    """The pages of an original, or why they cannot be read."""
    if memo is not None and digest in memo.pages:
        return memo.pages[digest]
    content = originals.get(digest)
    pages: Pages
    try:
        pages = reader.read(content)
    except ReadRefused as refused:
        pages = refused
    if memo is not None:
        memo.pages[digest] = pages
    return pages


def extractor_of(parts: Mapping[str, Any], kind: str) -> Extractor:
    """The extractor of a package; what a language model is told leaves this machine."""
    if kind == LANGUAGE_MODEL:
        return LanguageModel.of(os.environ)
    return Trained(parts["fields"]) if parts["fields"] is not None else Rules()


def reader_of(environment: Mapping[str, str]) -> Reader:
    """The reader of text layers, or with `DOCUMENT_OCR=rapidocr` the one that also does OCR."""
    if environment.get("DOCUMENT_OCR") != "rapidocr":
        return Reader()
    bounds = Bounds(seconds=120.0, memory=6_000_000_000)
    return Reader(bounds, (sys.executable, "-m", f"{__package__}.ocr"))


def originals_of(paths: Paths) -> Originals:
    """Where the originals of the project are kept."""
    return Originals(paths.var / "originals")


def on_file(paths: Paths) -> dict[str, OnFile]:
    """What is on file about senders, by their tax numbers."""
    rows = pl.read_parquet(paths.data / "vendors.parquet").iter_rows(named=True)
    return {row["vendor_id"]: OnFile(row["order"], row["currency"], row["account"]) for row in rows}


def processor(
    paths: Paths,
    reader: Reader,
    privacy: Privacy,
    version: str | None = None,
    register: Register | None = None,
    memo: Memo | None = None,
) -> Processor:
    """The processor of a packaged version, by default the one that serves; ReleaseRefused."""
    package = packages.load(paths, version)
    parts, tokens = package.estimator, Tokens(privacy)
    classes = PageClasses(parts["pages"], parts["known"])
    rules = Rules()
    extractor = extractor_of(parts, package.facts["extractor"])
    understanding = Understanding(classes, extractor, rules, on_file(paths), tokens)
    return Processor(
        understanding,
        parts["weigh"],
        package.facts,
        package.version,
        package.digest,
        originals_of(paths),
        reader,
        register,
        memo,
    )
