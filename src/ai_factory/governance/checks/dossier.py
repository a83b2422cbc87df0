"""Checks of the documents that a project writes itself: there, of the files as they are, and saying what is so."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from ai_factory.governance.checking import Check, Gap, Subject
from ai_factory.tree import blob_id

FOLDER = "docs/governance"
RECORD = f"{FOLDER}/sources.json"
SCOPE, WORDS, CONTRACTS = "governance/scope.yaml", "governance/dossier.yaml", "contracts/"
MAKE = "`make documents` writes it"
EMPTY = re.compile(  # as in `controls/dossier.py` of the governance component, which refuses the same
    r"\b(todo|tbd|tbc|fixme|xxx+|lorem ipsum|to be (determined|defined|decided))\b"
    r"|\bfill (me |this )?in\b|\{\{|^\W*$|^(n/?a|x|y)\W*$",
    re.IGNORECASE,
)
EVIDENCE = re.compile(r"\$\{[^}]+\}")  # a figure that is taken from evidence
FIGURE = re.compile(  # a share, or a number with a fraction
    r"\d\s*(%|\u2030|\u066a|per\s?(cent|mille)|pct)|(?<![\w.,])\d*[.,]\d+(?![\d.,]*[.,]\d)", re.IGNORECASE
)
THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(,\d{3})+(?![\w,]|\.\d)")


def of(control: str, name: str, duty: str = "") -> Check:
    """The check of one document, due where a duty applies, or always: what its project wrote, of its present sources.

    A project whose factory lets it write no documents shows the control by other evidence, if there is any.
    """

    def check(subject: Subject) -> Iterator[Gap]:
        if RECORD not in subject.lock.paths:
            if not any(control in entry.controls for entry in subject.lock.paths.values()):
                yield Gap("", "nothing in this project is evidence for it", f"`ai-factory explain {control}`")
        elif not duty or _applies(subject, duty):
            yield from document(subject, f"{FOLDER}/{name}.md")

    return check


def both(first: Check, *others: Check) -> Check:
    """What several checks find, one after the other."""

    def check(subject: Subject) -> Iterator[Gap]:
        for one in (first, *others):
            yield from one(subject)

    return check


def document(subject: Subject, path: str) -> Iterator[Gap]:
    """A document is there, is what was written, and was written from the files as they are."""
    file = subject.files.get(path)
    if file is None:
        yield Gap(path, "is missing", MAKE)
        return
    record = subject.json(RECORD, MAKE)
    written = (record.get("documents") or {}).get(path)
    if written != f"sha256:{hashlib.sha256(file.content).hexdigest()}":
        yield Gap(path, "was changed by hand: it is not what was written from its sources", MAKE)
    if changed := _changed(subject, record):
        yield Gap(path, f"is of other files than these: {', '.join(changed)} changed since", MAKE, stale=True)


def threats(subject: Subject) -> Iterator[Gap]:
    """Threats are listed, each with what answers it and a test that is there."""
    rows = subject.yaml(SCOPE).get("threats") or []
    if not rows:
        yield Gap(SCOPE, "names no threat", "list them under `threats`: every system has some")
    for row in rows:
        tests = row.get("tests") or []
        if not tests:
            yield Gap(SCOPE, f"no test shows what answers the threat: {row.get('threat')}", "name one under `tests`")
        for test in tests:
            if test not in subject.files or not str(test).startswith("tests/"):
                yield Gap(SCOPE, f"a test of a threat is not there: {test}", "write it, or name another one")


def told(subject: Subject) -> Iterator[Gap]:
    """Whom the system reaches is told of it, in a place and a language; a mark is named where law asks for one."""
    rows = subject.yaml(SCOPE).get("told") or []
    for row in rows:
        for part in ("who", "channel", "language", "text"):
            if not str(row.get(part) or "").strip():
                yield Gap(SCOPE, f"`told`: a row has no `{part}`", "write it in")
    if not rows:
        yield Gap(SCOPE, "says nowhere what people are told", "write a row under `told` for each channel")
    if _applies(subject, "EUAIA-50.2") and not any(row.get("mark") for row in rows):
        hint = "add `mark` to a row of `told`, with the name of the mark"
        yield Gap(SCOPE, "does not say how content that it makes is marked", hint)


def findings_closed(subject: Subject) -> Iterator[Gap]:
    """No high finding of the validation is open, and each has an owner and a day."""
    for row in (subject.yaml(WORDS).get("validation") or {}).get("findings") or []:
        if row.get("severity") == "high" and row.get("closed") is not True:
            yield Gap(WORDS, f"a high finding is open: {row.get('finding')}", "close it before the release")
        for part in ("owner", "due"):
            if not str(row.get(part) or "").strip():
                yield Gap(WORDS, f"the finding has no `{part}`: {row.get('finding')}", "write it in")


def words(subject: Subject) -> Iterator[Gap]:
    """What people wrote for the documents is there and holds no figure typed by hand; nothing else lies among them."""
    if RECORD not in subject.lock.paths:
        return
    for path in (SCOPE, WORDS):
        for where, text in _texts(subject.yaml(path)):
            yield from _word_gaps(path, where, text)
    written = subject.json(RECORD, MAKE).get("documents") or {}
    for path in sorted(subject.files):
        if path.startswith(f"{FOLDER}/") and path.endswith(".md") and path not in written:
            yield Gap(path, "lies among the documents that the project writes, and is none of them", "move it")


def own_words(subject: Subject) -> Iterator[Gap]:
    """What the factory proposed has become the team's own."""
    for path in (SCOPE, WORDS):
        entry, file = subject.lock.paths.get(path), subject.files.get(path)
        if entry and file and entry.ownership == "seeded" and blob_id(file.content) == entry.base:
            yield Gap(path, "is as it was stamped: nobody has made it this system's own", "say what is so here")


def _word_gaps(path: str, where: str, text: str) -> Iterator[Gap]:
    if EMPTY.search(text):
        yield Gap(path, f"`{where}` is empty, or a placeholder", "write it, then `make documents`")
    plain = unicodedata.normalize("NFKC", html.unescape(EVIDENCE.sub("", text)))
    if figure := FIGURE.search(THOUSANDS.sub("", plain)):
        hint = "put `${evaluation:…}` in its place, as in the model card"
        yield Gap(path, f"`{where}` says {figure[0].strip()}: a figure is taken from evidence", hint)


def _changed(subject: Subject, record: Mapping[str, Any]) -> list[str]:
    """Sources that changed since, and registers that were added: a document could say more with them."""
    inputs = record.get("inputs") or {}
    added = [path for path in subject.files if path.startswith(CONTRACTS) and path.endswith(".odcs.yaml")]
    return sorted({*subject.stale_inputs(record), *(path for path in (*added, SCOPE, WORDS) if path not in inputs)})


def _texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, f"{where}.{name}" if where else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, where)
    elif isinstance(value, str) or value is None:
        yield where, value or ""


def _applies(subject: Subject, duty: str) -> bool:
    return any(one.applies and one.requirement.id == duty for one in subject.applies.duties.values())
