"""Checks of the documents that a project writes itself: there, of the files as they are, and saying what is so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_factory.governance.checking import Check, Gap, Subject
from ai_factory.governance.checks.models import PLACEHOLDER

FOLDER = "docs/governance"
RECORD = f"{FOLDER}/sources.json"
SCOPE, WORDS, CONTRACTS = "governance/scope.yaml", "governance/dossier.yaml", "contracts/"
MAKE = "`make documents` writes it"
CLAIM = re.compile(r"(?<![\w.])(\d+(?:\.\d+)? ?%|\d+\.\d+)(?![\w]|\.\d)")  # a plain integer claims nothing


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
    if left := PLACEHOLDER.search(file.content.decode("utf-8", "replace")):
        yield Gap(path, f"holds a placeholder: {left[0]}", MAKE)


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
            if test not in subject.files:
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
    """What people wrote for the documents is there, and holds no figure that nothing supports."""
    if RECORD not in subject.lock.paths:
        return
    held = [subject.json(path) for path in subject.files if path.startswith("evidence/") and path.endswith(".json")]
    registers = [
        subject.yaml(path) for path in ("evals/thresholds.yaml", "ops/monitoring.yaml") if path in subject.files
    ]
    supported = [number for one in (*held, *registers) for number in _numbers(one)]
    for path in (SCOPE, WORDS):
        for where, text in _texts(subject.yaml(path)):
            if not text.strip() or PLACEHOLDER.search(text):
                yield Gap(path, f"`{where}` is empty, or a placeholder", "write it, then `make documents`")
            for claim in CLAIM.findall(text):
                if not _supports(claim, supported):
                    yield Gap(path, f"`{where}` says {claim}: no evidence supports it", "take it out, or measure it")


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


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _numbers(item)


def _supports(claim: str, supported: Sequence[float]) -> bool:
    number, scale = claim.rstrip("% "), 100 if claim.endswith("%") else 1
    return any(round(value * scale, len(number.partition(".")[2])) == float(number) for value in supported)


def _applies(subject: Subject, duty: str) -> bool:
    return any(one.applies and one.requirement.id == duty for one in subject.applies.duties.values())
