"""Audit logs of projects: whether they are what was written, and proofs of single events in them.

A log is JSON lines: `previoushash` is the hash of the line before, `sequence` its place. What a hash covers, and what a
checkpoint is, stands in `proof`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory.proof import Checkpoint, leaf, node

GENESIS = "sha256:" + "0" * 64
DISPOSAL = "ai.system.disposal.v1"
MOST = 10_000_000  # events that one range of a disposal may name
STUB = {"disposed", "hash", "previoushash", "sequence"}  # what is left of an event whose time was over


class Log(NamedTuple):
    """A log as it was read: its events' hashes, whether its end was cut short, what is wrong.

    `stubs` are the places of events of which only the hash is left; `disposed` those that it says were removed on
    purpose, by the log that they were in.
    """

    leaves: tuple[bytes, ...]
    torn: bool
    problems: tuple[str, ...]
    stubs: tuple[int, ...] = ()
    disposed: Mapping[str, frozenset[int]] = {}


def read_log(content: bytes, head: Mapping[str, Any] | None = None, keep: Sequence[Checkpoint] = ()) -> Log:
    """Check every line, the end that `head` names, and that the log grew from each checkpoint."""
    *lines, rest = content.split(b"\n")
    leaves: list[bytes] = []
    problems: list[str] = []
    stubs: list[int] = []
    disposed: dict[str, frozenset[int]] = {}
    previous = GENESIS
    for number, line in enumerate(lines, 1):
        event = _event(line)
        if event is None:
            problems.append(f"line {number} is no event")
            break
        problems += _line_problems(number, line, event, previous)
        leaves.append(bytes.fromhex(event["hash"].removeprefix("sha256:")))
        stubs += [number] if event.keys() == STUB else []
        disposed = _joined(disposed, event.get("data")) if event.get("type") == DISPOSAL else disposed
        previous = event["hash"]
    problems += [*([] if head is None else _head_problems(head, leaves)), *_kept_problems(keep, leaves)]
    return Log(tuple(leaves), bool(rest), tuple(problems), tuple(stubs), disposed)


def _event(line: bytes) -> dict[str, Any] | None:
    """The event of a line; None where it is none."""
    try:
        event = json.loads(line)
        bytes.fromhex(event["hash"].removeprefix("sha256:"))
        return {**event, "sequence": int(event["sequence"])}
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None


def _line_problems(number: int, line: bytes, event: Mapping[str, Any], previous: str) -> Iterator[str]:
    if event.keys() != STUB and leaf(line, event["hash"]) != event["hash"]:
        yield f"line {number} was changed: its hash differs"
    if (event["sequence"], event.get("previoushash")) != (number, previous):
        yield f"line {number} does not follow from the line before"


def _kept_problems(keep: Sequence[Checkpoint], leaves: Sequence[bytes]) -> Iterator[str]:
    for point in keep:
        if point.size > len(leaves):
            yield f"a checkpoint names event {point.size}, the log ends at {len(leaves)}"
        elif root_of(leaves[: point.size]) != point.root:
            yield f"the first {point.size} events are not those of a checkpoint"


def _joined(known: Mapping[str, frozenset[int]], data: Any) -> dict[str, frozenset[int]]:
    """What is known to be removed, and what a disposal adds to it; one that says nothing readable adds nothing."""
    try:
        if data["what"] != "events":
            return dict(known)
        more = {place for first, last in data["sequences"] for place in range(first, min(last, first + MOST) + 1)}
        return {**known, data["log"]: known.get(data["log"], frozenset()) | more}
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return dict(known)


def _head_problems(head: Mapping[str, Any], leaves: Sequence[bytes]) -> Iterator[str]:
    place = head.get("sequence")
    if not isinstance(place, int) or place < 0:
        yield "the head file is missing or unreadable: nothing proves the end"
    elif place > len(leaves):
        yield f"the head file names event {place}, the log ends at {len(leaves)}: its end was cut off"
    elif place and head.get("hash") != f"sha256:{leaves[place - 1].hex()}":
        yield f"event {place} is not the one that the head file names"


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The hash of the tree over these leaves."""
    full: list[tuple[int, bytes]] = []
    for one in leaves:
        size, here = 1, one
        while full and full[-1][0] == size:
            size, here = 2 * size, node(full.pop()[1], here)
        full.append((size, here))
    found = full.pop()[1] if full else hashlib.sha256().digest()
    while full:
        found = node(full.pop()[1], found)
    return found


def path_to(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that the leaf at `index` (from 0) is in the tree."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*path_to(leaves[:half], index), root_of(leaves[half:])]
    return [*path_to(leaves[half:], index - half), root_of(leaves[:half])]
