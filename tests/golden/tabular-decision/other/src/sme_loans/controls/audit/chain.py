"""Checks a log: the hash of each event, its link to the one before, its place, and the log's end.

A chain alone cannot show that its last lines were cut off, so each log has a head file beside it
and signed checkpoints, to be kept where the service cannot write. Who can rewrite log, head and
every checkpoint can still forge a log: keep checkpoints elsewhere.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import checkpoints
from .checkpoints import Checkpoint, Frontier
from .events import GENESIS, PAYLOAD, EventType, canonical, chained_hash
from .privacy import Payloads

STUB = {"disposed", "hash", "previoushash", "sequence"}
# What lies beside a log from its first event on.
BESIDE = (".head.json", ".checkpoints", ".lock", ".payloads.db")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    `kind`: torn, unreadable, altered, broken-link, out-of-order, truncated, head, checkpoint,
    disposed (without a record of it), payload.
    """

    line: int
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The state of one log; `sequence` and `hash` are those of its last whole event.

    `root` is the Merkle root over all events, `checked` the size that the last checkpoint covers;
    `disposed` counts events of which only the hash is left; `orphans` are payloads of events that a
    crash kept from the log.
    """

    path: Path
    events: int
    sequence: int
    hash: str
    findings: tuple[Finding, ...]
    source: str = ""
    root: bytes = b""
    checked: int = 0
    orphans: tuple[str, ...] = ()
    disposed: int = 0

    @property
    def torn(self) -> bool:
        """A crash cut the last line and nothing else is wrong; the next writer sets it aside."""
        return bool(self.findings) and all(finding.kind == "torn" for finding in self.findings)

    @property
    def intact(self) -> bool:
        """No acknowledged event is missing or changed (a torn tail was never acknowledged)."""
        return not self.findings or self.torn

    def checkpoint(self) -> Checkpoint:
        """The end of this log, to be signed and kept; ValueError if the log is not intact."""
        if not self.intact:
            raise ValueError(f"{self.path}: {self.findings[0].message}")
        origin = f"{self.source}/{self.path.stem}"
        return Checkpoint(self.path.name, origin, self.sequence, self.root)


def head_path(log: Path) -> Path:
    """The file beside a log that holds the sequence and hash of its last acknowledged event."""
    return log.with_suffix(".head.json")


def read_events(log: Path) -> Iterator[dict[str, Any]]:
    """The whole events of a log in order, as CloudEvents JSON, without checking the chain.

    Events that the retention rule disposed of are left out.
    """
    if log.is_file():
        with log.open("rb") as file:
            events = (json.loads(line) for line in file if line.endswith(b"\n"))
            yield from (event for event in events if event.keys() != STUB)


def leaves(log: Path) -> list[bytes]:
    """The leaves of the Merkle tree: one hash an event, those that were disposed of included."""
    whole, _ = split(log.read_bytes())
    return [bytes.fromhex(json.loads(line)["hash"].removeprefix("sha256:")) for line in whole]


def verify_folder(folder: Path, keys: Sequence[str] = ()) -> list[Verification]:
    """Verify each log in the folder, also one that is gone while something of it is still there."""
    logs = set(folder.glob("*.jsonl"))
    for suffix in BESIDE:
        beside = folder.glob(f"*{suffix}")
        logs |= {file.with_name(file.name.removesuffix(suffix) + ".jsonl") for file in beside}
    return [_with_its_file(verify(log, keys=keys)) for log in sorted(logs)]


def _with_its_file(state: Verification) -> Verification:
    """A writer makes the file before anything else of it counts, so one without it was deleted."""
    if state.path.is_file():
        return state
    gone = Finding(0, "truncated", f"{state.path.name} is gone, and what lay beside it is not")
    return replace(state, findings=(*state.findings, gone))


def verify(log: Path, known: Sequence[Checkpoint] = (), keys: Sequence[str] = ()) -> Verification:
    """Check a log against its own chain, its head file, its payloads and its checkpoints.

    `known` are checkpoints from elsewhere; with public `keys` each must be signed by one of them.
    """
    whole, torn = split(log.read_bytes() if log.is_file() else b"")
    beside, unreadable = _checkpoints(log)
    walk = _Walk({point.size for point in (*beside, *known)})
    for number, line in enumerate(whole, start=1):
        walk.step(number, line)
    if torn:
        walk.findings.append(Finding(len(whole) + 1, "torn", "the last line was cut short"))
    walk.findings += [*unreadable, *_check_head(_head(log), walk)]
    for point in (*beside, *known):
        walk.findings += _check_point(point, walk, log, keys)
    there = Payloads.of(log).digests()
    walk.findings += [*_check_stubs(log, walk), *_check_payloads(log, walk, there)]
    checked = max((point.size for point in (*beside, *known)), default=0)
    return Verification(
        path=log,
        events=len(whole),
        sequence=walk.sequence,
        hash=walk.hash,
        findings=tuple(walk.findings),
        source=walk.source,
        root=walk.tree.root(),
        checked=checked,
        orphans=tuple(there.keys() - walk.payloads.keys()),
        disposed=len(walk.stubs),
    )


def split(content: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines, and what stands after the last newline: a write that a crash cut short."""
    *whole, rest = content.split(b"\n")
    return whole, rest


@dataclass(slots=True)
class _Walk:
    """What is known after some lines of a log; `roots` at the sizes that checkpoints name."""

    wanted: set[int]
    sequence: int = 0
    hash: str = GENESIS
    source: str = ""
    tree: Frontier = field(default_factory=Frontier)
    hashes: dict[int, str] = field(default_factory=lambda: {0: GENESIS})
    roots: dict[int, bytes] = field(default_factory=dict)
    stubs: list[int] = field(default_factory=list)
    payloads: dict[str, tuple[int, str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def step(self, number: int, line: bytes) -> None:
        """Check one line, and go on from what it says of itself."""
        try:
            event = json.loads(line)
            stored, place, link = event["hash"], int(event["sequence"]), event["previoushash"]
            stub = event.keys() == STUB
            bare = {name: value for name, value in event.items() if name != "hash"}
            same = canonical(event) == line and (stub or chained_hash(bare) == stored)
            leaf = bytes.fromhex(stored.removeprefix("sha256:"))
        except (ValueError, KeyError, TypeError, AttributeError):
            message = f"line {number} is not an audit event"
            self.findings.append(Finding(number, "unreadable", message))
            self.sequence += 1
            return
        self.findings += _differences(number, same, link == self.hash, place == self.sequence + 1)
        self._goes_on(place, stored, leaf)
        if stub:
            self.stubs.append(place)
        else:
            self._notes(event, place)

    def _goes_on(self, place: int, stored: str, leaf: bytes) -> None:
        self.sequence, self.hash = place, stored
        self.hashes[place] = stored
        self.tree.add(leaf)
        if self.tree.size in self.wanted:
            self.roots[self.tree.size] = self.tree.root()

    def _notes(self, event: Mapping[str, Any], place: int) -> None:
        self.source = event.get("source", "")
        data = event.get("data")
        if isinstance(data, dict) and PAYLOAD in data:
            self.payloads[event["id"]] = (place, data[PAYLOAD])


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


def _check_head(head: Mapping[str, Any] | None, walk: _Walk) -> Iterator[Finding]:
    """The head file names an event that must still be there, unchanged; it may lag behind."""
    if head is None:
        return
    place, last = head.get("sequence"), walk.sequence
    if not isinstance(place, int):
        yield Finding(0, "head", "the head file is missing or unreadable: no proof of the end")
    elif place > last:
        yield Finding(0, "truncated", f"the head file names event {place}, the log ends at {last}")
    elif walk.hashes.get(place) != head.get("hash"):
        yield Finding(0, "altered", f"event {place} is not the one that the head file names")


def _checkpoints(log: Path) -> tuple[list[Checkpoint], list[Finding]]:
    try:
        return checkpoints.read(checkpoints.file_of(log)), []
    except ValueError as error:
        return [], [Finding(0, "checkpoint", str(error))]


def _check_point(
    point: Checkpoint, walk: _Walk, log: Path, keys: Sequence[str]
) -> Iterator[Finding]:
    """The log still begins with exactly the events that the checkpoint covers."""
    size, last = point.size, walk.sequence
    if keys and not checkpoints.signed(point, keys):
        yield Finding(0, "checkpoint", f"the checkpoint of {size} events is signed by no known key")
    if point.log != log.name or not point.origin.endswith(f"/{log.stem}"):
        yield Finding(0, "checkpoint", f"the checkpoint is of {point.origin}, not of {log.name}")
    elif size > last:
        yield Finding(0, "truncated", f"the checkpoint names event {size}, the log ends at {last}")
    elif size and walk.roots.get(size) != point.root:
        yield Finding(0, "altered", f"the first {size} events are not those of the checkpoint")


def _check_stubs(log: Path, walk: _Walk) -> Iterator[Finding]:
    """An event may be gone only if a disposal is on record, here or in another log."""
    if walk.stubs:
        known = disposed(log, "events")
        for place in walk.stubs:
            if place not in known:
                message = f"event {place} was removed, and no disposal is on record"
                yield Finding(place, "disposed", message)


def _check_payloads(log: Path, walk: _Walk, there: Mapping[str, str]) -> Iterator[Finding]:
    """A payload is as it was recorded, or its destruction is on record."""
    known = disposed(log, "payloads") if walk.payloads.keys() - there.keys() else set()
    for event, (place, digest) in walk.payloads.items():
        if event not in there and place not in known:
            yield Finding(place, "payload", f"the payload of event {place} is missing")
        elif there.get(event, digest) != digest:
            yield Finding(place, "payload", f"the payload of event {place} was changed")


def disposed(log: Path, what: str) -> set[int]:
    """The sequences of a log whose `what` (events, payloads) a disposal event of any log names."""
    found: set[int] = set()
    for other in sorted(log.parent.glob("*.jsonl")):
        for line in split(other.read_bytes())[0]:
            if EventType.DISPOSAL.encode() in line:
                found |= _named(line, log.name, what)
    return found


def _named(line: bytes, log: str, what: str) -> set[int]:
    try:
        event = json.loads(line)
        data = event["data"]
        if (event["type"], data.get("log"), data.get("what")) != (EventType.DISPOSAL, log, what):
            return set()
        return {place for first, last in data["sequences"] for place in range(first, last + 1)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()
