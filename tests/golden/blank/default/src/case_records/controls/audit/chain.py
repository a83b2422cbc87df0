"""Checks a log: the hash of each event, its link to the one before, its place, and the log's end.

A chain alone cannot show that its last lines were cut off, so each log has a head file beside it,
and `checkpoint` gives a line to keep where the service cannot write. Who can rewrite log, head and
every checkpoint can still forge a log: keep checkpoints elsewhere.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .canonical import canonical
from .events import GENESIS, chained_hash


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    `kind`: torn, unreadable, altered, broken-link, out-of-order, truncated, head.
    """

    line: int
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The state of one log; `sequence` and `hash` are those of its last whole event."""

    path: Path
    events: int
    sequence: int
    hash: str
    findings: tuple[Finding, ...]

    @property
    def torn(self) -> bool:
        """A crash cut the last line and nothing else is wrong; the next writer sets it aside."""
        return bool(self.findings) and all(finding.kind == "torn" for finding in self.findings)

    @property
    def intact(self) -> bool:
        """No acknowledged event is missing or changed (a torn tail was never acknowledged)."""
        return not self.findings or self.torn


def head_path(log: Path) -> Path:
    """The file beside a log that holds the sequence and hash of its last acknowledged event."""
    return log.with_suffix(".head.json")


def checkpoint(log: Path) -> dict[str, Any]:
    """The end of a log, to keep elsewhere: `verify` proves later that nothing before it changed."""
    state = verify(log)
    if not state.intact:
        raise ValueError(f"{log}: {state.findings[0].message}")
    return {"log": log.name, "sequence": state.sequence, "hash": state.hash}


def read_events(log: Path) -> Iterator[dict[str, Any]]:
    """The whole events of a log in order, as CloudEvents JSON, without checking the chain."""
    if log.is_file():
        with log.open("rb") as file:
            yield from (json.loads(line) for line in file if line.endswith(b"\n"))


def verify_folder(folder: Path) -> list[Verification]:
    """Verify each log in the folder, also one that is gone while its head file is still there."""
    logs = set(folder.glob("*.jsonl"))
    heads = folder.glob("*.head.json")
    logs |= {head.with_name(head.name.removesuffix(".head.json") + ".jsonl") for head in heads}
    return [verify(log) for log in sorted(logs)]


def verify(log: Path, known: Mapping[str, Any] | None = None) -> Verification:
    """Check a log against its own chain, its head file, and a checkpoint (`known`)."""
    whole, torn = split(log.read_bytes() if log.is_file() else b"")
    findings: list[Finding] = []
    hashes: dict[int, str] = {0: GENESIS}
    sequence, previous = 0, GENESIS
    for number, line in enumerate(whole, start=1):
        found, sequence, previous = _check_line(number, line, sequence, previous)
        findings += found
        hashes[sequence] = previous
    if torn:
        findings.append(Finding(len(whole) + 1, "torn", "the last line was cut short"))
    for name, anchor in (("head file", _head(log)), ("checkpoint", known)):
        findings += _check_anchor(name, anchor, hashes, sequence)
    return Verification(log, len(whole), sequence, previous, tuple(findings))


def split(content: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines, and what stands after the last newline: a write that a crash cut short."""
    *whole, rest = content.split(b"\n")
    return whole, rest


def _check_line(
    number: int, line: bytes, sequence: int, previous: str
) -> tuple[list[Finding], int, str]:
    """The findings of one line, and the sequence and hash with which the next one must go on."""
    try:
        event = json.loads(line)
        stored, place, link = event["hash"], int(event["sequence"]), event["previoushash"]
        own = chained_hash({name: value for name, value in event.items() if name != "hash"})
        unchanged = own == stored and canonical(event) == line
    except (ValueError, KeyError, TypeError):
        unreadable = Finding(number, "unreadable", f"line {number} is not an audit event")
        return [unreadable], sequence + 1, previous
    return (
        list(_differences(number, unchanged, link == previous, place == sequence + 1)),
        place,
        stored,
    )


def _differences(number: int, own: bool, link: bool, place: bool) -> Iterator[Finding]:
    if not own:
        yield Finding(number, "altered", f"line {number} was changed: its hash differs")
    if not place:
        yield Finding(
            number,
            "out-of-order",
            f"line {number} is not the next in sequence",
        )
    if not link:
        yield Finding(number, "broken-link", f"line {number} does not follow from the line before")


def _head(log: Path) -> Mapping[str, Any] | None:
    path = head_path(log)
    if not path.is_file():
        return {} if log.is_file() and log.stat().st_size else None
    try:
        head = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return head if isinstance(head, dict) else {}


def _check_anchor(
    name: str, anchor: Mapping[str, Any] | None, hashes: Mapping[int, str], last: int
) -> Iterator[Finding]:
    """An anchor names an event that must still be there, unchanged; it may lag behind."""
    if anchor is None:
        return
    sequence, expected = anchor.get("sequence"), anchor.get("hash")
    if not isinstance(sequence, int):
        yield Finding(0, "head", f"the {name} is missing or unreadable: no proof of the end")
    elif sequence > last:
        yield Finding(0, "truncated", f"the {name} names event {sequence}, the log ends at {last}")
    elif hashes.get(sequence) != expected:
        yield Finding(0, "altered", f"event {sequence} is not the one that the {name} names")
