"""The corpus: reads the policies, says which are in force, and cuts them into passages.

The policies in `corpus/` are invented: no firm has them. Put your own source behind `extract`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from .controls import screening

ORIGIN = "synthetic"
# The day of the extract. A source of yours says it itself; nothing here reads a clock.
EXTRACTED_ON = date(2026, 3, 22)
# A document begins at dashes with a `name:` right under them; other dashes are a rule in its text.
BORDER = re.compile(r"""^(?=---[ \t]*\n["']?[\w-]+["']?[ \t]*:\s)""", re.MULTILINE)
# A document: its front matter between two lines of dashes, then Markdown.
DOCUMENT = re.compile(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n(.*)|)", re.DOTALL)
SECTION = re.compile(r"^##[ \t]+([^\n]*)\n(.*?)(?=^##[ \t]|\Z)", re.DOTALL | re.MULTILINE)
IN_FORCE, REPLACED, TO_COME = "in force", "replaced", "to come"
INTERRUPTED = "interrupted"  # the version that replaced it is in quarantine
UNREAD = 10**9  # the number of a version that does not say it: newer than any
SCHEMA = {
    "key": pl.String,
    "document_id": pl.String,
    "version": pl.Int64,
    "title": pl.String,
    "owner": pl.String,
    "effective_on": pl.Date,
    "review_by": pl.Date,
    "access": pl.String,
    "supersedes": pl.String,
    "keywords": pl.String,
    "text": pl.String,
    "source": pl.String,
    "extracted_on": pl.Date,
}


@dataclass(frozen=True, slots=True)
class Passage:
    """One section of a document in force; `access` is the class of who may read it."""

    id: str
    document: str
    document_id: str
    title: str
    heading: str
    text: str
    keywords: str
    owner: str
    access: str
    effective_on: str

    @property
    def label(self) -> str:
        """Title and heading, as the model gets them."""
        return f"{self.title}: {self.heading}"


@dataclass(frozen=True, slots=True)
class Withheld:
    """A passage that is not indexed, and why."""

    passage: str
    owner: str
    reasons: tuple[str, ...]


def extract(folder: Path) -> pl.DataFrame:
    """All documents of all Markdown files, as they are: what is missing or malformed is null.

    So is what stands in no document, and each file that is not read: its row says where it lies,
    for the contract to refuse. ValueError for a file that is no UTF-8: nobody knows what it holds.
    """
    files = sorted(folder.glob("*.md"))
    rows = [_row(*found) for file in files for found in _documents(file)]
    rows += [_row(f"{name}: not read", {}, "") for name in unread(folder)]
    return pl.DataFrame(rows, schema=SCHEMA)


def unread(folder: Path) -> list[str]:
    """Markdown files that `extract` does not read: in a folder below, or with another ending."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    found = (file for file in files if file.suffix.lower() in (".md", ".markdown"))
    passed = (file for file in found if len(file.parts) > 1 or file.suffix != ".md")
    return sorted(str(file) for file in passed if not file.name.startswith("."))


def status(documents: pl.DataFrame, on: date, fetched: pl.DataFrame | None = None) -> pl.DataFrame:
    """The documents with a `status` on that day: in force, replaced, to come, or interrupted.

    A document is interrupted that one in quarantine replaced: `fetched` is all that came.
    """
    every = documents if fetched is None else fetched
    return documents.with_columns(
        status=pl.when(pl.col("effective_on") > on)
        .then(pl.lit(TO_COME))
        .when(_replaced(documents, documents, on))
        .then(pl.lit(REPLACED))
        .when(_replaced(documents, every, on))
        .then(pl.lit(INTERRUPTED))
        .otherwise(pl.lit(IN_FORCE)),
    )


def passages(documents: pl.DataFrame) -> list[Passage]:
    """The sections of the documents, in their order; what stands before the first is one too."""
    return [passage for row in documents.to_dicts() for passage in _sections(row)]


def screened(found: Iterable[Passage]) -> tuple[list[Passage], list[Withheld]]:
    """The passages that may be indexed, and those that speak to the machine.

    All is screened that is searched or reaches the model.
    """
    kept, withheld = [], []
    for passage in found:
        shown = f"{passage.label}\n{passage.text}\n{passage.keywords}"
        if reasons := screening.findings(shown):
            withheld.append(Withheld(passage.id, passage.owner, reasons))
        else:
            kept.append(passage)
    return kept, withheld


def planted(
    found: Sequence[Passage], document_id: str, text: str, place: str = "text"
) -> list[Passage]:
    """The passages with a text put at the end of each section (or title) of that document."""
    return [
        replace(item, **{place: f"{getattr(item, place)}\n{text}"})
        if item.document_id == document_id
        else item
        for item in found
    ]


def dumped(found: Iterable[Passage]) -> bytes:
    """The passages as JSON lines."""
    lines = (json.dumps(asdict(passage), sort_keys=True) for passage in found)
    return "".join(f"{line}\n" for line in lines).encode()


def loaded(content: bytes) -> list[Passage]:
    """The passages from JSON lines."""
    return [Passage(**json.loads(line)) for line in content.decode().splitlines()]


def _replaced(documents: pl.DataFrame, by: pl.DataFrame, on: date) -> pl.Series:
    """Which documents a newer version or another number replaces; one without a day has begun."""
    started = by.filter(pl.col("effective_on").fill_null(on) <= on)
    number = pl.col("version").fill_null(UNREAD)
    newest = started.group_by("document_id").agg(newest=number.max())
    gone = started["supersedes"].drop_nulls().implode()
    known = documents.join(newest, on="document_id", how="left", maintain_order="left")
    old = (pl.col("version") < pl.col("newest")) | pl.col("key").is_in(gone)
    return known.select(old=old)["old"]


def _documents(file: Path) -> list[tuple[str, Mapping[str, Any], str]]:
    """Where each document stands, its front matter and its text."""
    found, line = [], 1
    for part in BORDER.split(_read(file)):
        if document := DOCUMENT.fullmatch(part):
            found.append((file.name, _front(document[1]), (document[2] or "").strip()))
        elif part.strip():
            found.append((f"{file.name}:{line}", {}, part.strip()))
        line += part.count("\n")
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}"
        raise ValueError(f"{file.name} is no UTF-8 at {place}: save it as UTF-8") from error


def _front(head: str) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(head)
    except yaml.YAMLError:
        return {}
    return content if isinstance(content, dict) else {}


def _row(source: str, front: Mapping[str, Any], text: str) -> dict[str, Any]:
    number, version = _text(front, "id"), front.get("version")
    return {
        "key": f"{number}.v{version}",
        "document_id": number,
        "version": version if type(version) is int else None,
        "effective_on": _date(front, "effective"),
        "review_by": _date(front, "review_by"),
        "text": text if SECTION.sub(r"\2", f"{text}\n").strip() else None,
        "source": source,
        "extracted_on": EXTRACTED_ON,
        **{name: _text(front, name) for name in ("title", "owner", "access", "supersedes")},
        "keywords": _text(front, "keywords") or "",
    }


def _text(front: Mapping[str, Any], name: str) -> str | None:
    return None if front.get(name) is None else str(front[name])


def _date(front: Mapping[str, Any], name: str) -> date | None:
    value = front.get(name)
    return value if type(value) is date else None


def _paragraphs(text: str) -> str:
    """One line a paragraph or item of a list; a line that only wraps goes on."""
    parts = re.split(r"\n\s*\n|\n(?=\s*[-*] )", text.strip())
    return "\n".join(" ".join(part.split()) for part in parts if part.strip())


def _numbered(names: Iterable[str]) -> list[str]:
    """The names, each that was there before with a number behind it."""
    taken: list[str] = []
    for name in names:
        free = (f"{name}-{number}" for number in count(2))
        taken.append(name if name not in taken else next(n for n in free if n not in taken))
    return taken


def _slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def _sections(row: Mapping[str, Any]) -> list[Passage]:
    title = " ".join(row["title"].split())
    parts = SECTION.findall(f"## {title}\n{row['text']}\n")
    parts = [(heading, text) for heading, text in parts if text.strip()]
    names = _numbered(_slug(heading) for heading, _ in parts)
    return [
        Passage(
            id=f"{row['key']}/{name}",
            document=row["key"],
            document_id=row["document_id"],
            title=row["title"],
            heading=heading.strip(),
            text=_paragraphs(text),
            keywords=row["keywords"],
            owner=row["owner"],
            access=row["access"],
            effective_on=str(row["effective_on"]),
        )
        for name, (heading, text) in zip(names, parts, strict=True)
    ]
