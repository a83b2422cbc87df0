"""The audit logs of a project: are they what was written, and the proof of one event in them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import cache, logs, proof
from ai_factory.errors import MachineError, ProjectError, UsageError
from ai_factory.project.opening import Project

SETTINGS = "ops/audit.yaml"
FOLDER = "var/audit"
SIGN = (
    "`python -m <package>.controls.audit keygen` makes a key: list its public half under `checkpoint_keys`, then"
    " `AUDIT_SIGNING_KEY=… make checkpoint`"
)


class Verified(NamedTuple):
    """One log: its name, how many events it has, up to which a checkpoint covers it, and what is wrong with it."""

    log: str
    events: int
    covered: int
    torn: bool
    problems: tuple[str, ...]
    removed: int = 0  # events of which only the hash is left, whose disposal is on record


def verify(project: Project, folder: str = "", against: str = "") -> list[Verified]:
    """Verify each log of a folder, and with `against` also by checkpoints that were kept elsewhere.

    Raises ProjectError where there is no log, MachineError for files that cannot be read.
    """
    place, keys = folder or os.path.join(project.root, FOLDER), keys_of(project)
    known = _notes(_read(against), against) if against else {}
    if against and not known:
        raise UsageError(f"`{against}` holds no checkpoint", "`make checkpoint` of the project prints some")
    names = sorted({*_logs(place), *known})
    if not names:
        raise ProjectError(f"there is no audit log in `{place}`", "`make run` writes the first events")
    found = {name: _read_log(place, name, known.get(name, [])) for name in names}
    disposed = {name: {one for log in found.values() for one in log.disposed.get(name, ())} for name in names}
    return [_verified(place, name, known.get(name, []), keys, found[name], disposed[name]) for name in names]


def prove(project: Project, event: str, folder: str = "") -> dict[str, Any]:
    """The proof that one event is in a log, under the newest signed checkpoint that covers it, showing no other event.

    Raises UsageError for an id that is in no log, ProjectError where no checkpoint covers it that a key of the project
    signed: whoever holds the log could have written such a one anew.
    """
    keys = keys_of(project)
    place = folder or os.path.join(project.root, FOLDER)
    for name in _logs(place):
        lines = (_read(os.path.join(place, name)) or b"").split(b"\n")[:-1]
        index = next((number for number, line in enumerate(lines) if _id(line) == event), None)
        if index is not None:
            return _proof(place, name, lines, index, keys)
    message = f"no log in `{place}` has an event with the id `{event}`"
    raise UsageError(message, "it is the event's own id, not that of its case")


def keys_of(project: Project) -> tuple[str, ...]:
    """The public keys that sign the project's checkpoints."""
    file = project.folder.read(SETTINGS)
    document = cache.document(file.content, SETTINGS, ProjectError) if file else {}
    keys = (document.get("checkpoint_keys") if isinstance(document, dict) else None) or []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ProjectError(
            f"`{SETTINGS}`: `checkpoint_keys` is no list of keys", "write each key as a text of the list"
        )
    return tuple(keys)


def _proof(place: str, name: str, lines: Sequence[bytes], index: int, keys: Sequence[str]) -> dict[str, Any]:
    point, note = _covering(place, name, index, keys)
    leaves = logs.read_log(b"".join(line + b"\n" for line in lines)).leaves[: point.size]
    try:
        path = [step.hex() for step in logs.path_to(leaves, index)] if len(leaves) == point.size else []
        made = {"log": name, "event": lines[index].decode(), "index": index, "path": path, "checkpoint": note}
        problems = list(proof.proof_problems(made, keys))
    except (ValueError, RecursionError):
        problems = ["the event is no text"]
    if problems:
        raise ProjectError(f"{name} is not what its checkpoint covers: {problems[0]}", "`ai-factory audit verify`")
    return made


def _covering(place: str, name: str, index: int, keys: Sequence[str]) -> tuple[proof.Checkpoint, str]:
    """The newest checkpoint of a log that covers an event and is signed."""
    points = [pair for pair in _beside(place, name) if pair[0].size > index]
    if not points:
        raise ProjectError(f"no checkpoint of {name} covers event {index + 1}", "`make checkpoint` makes one")
    signed = [pair for pair in points if proof.signed(pair[0], keys)]
    if not signed:
        message = f"no checkpoint of {name} that covers event {index + 1} is signed by a key of `{SETTINGS}`"
        raise ProjectError(message, SIGN)
    return max(signed, key=lambda pair: pair[0].size)


Points = Sequence[tuple[proof.Checkpoint, str]]


def _read_log(place: str, name: str, known: Points) -> logs.Log:
    content = _read(os.path.join(place, name))
    points = [point for point, _ in (*_beside(place, name), *known)]
    return logs.read_log(content or b"", _head(place, name, content), points)


def _verified(
    place: str, name: str, known: Points, keys: Sequence[str], found: logs.Log, disposed: set[int]
) -> Verified:
    points = [point for point, _ in (*_beside(place, name), *known)]
    there = os.path.exists(os.path.join(place, name))
    problems = [] if there else [f"{name} is gone, and what lay beside it is not"]
    unsigned = [point.size for point in points if keys and not proof.signed(point, keys)]
    problems += [f"the checkpoint of {size} events is signed by no known key" for size in unsigned]
    lost = [number for number in found.stubs if number not in disposed]
    stem = name.removesuffix(".jsonl")
    other = [point.origin for point in points if not point.origin.endswith(f"/{stem}")]
    problems += [f"a checkpoint beside it is of {origin}" for origin in other]
    problems += [f"event {number} was removed, and no disposal is on record" for number in lost]
    covered = max((point.size for point in points), default=0)
    return Verified(name, len(found.leaves), covered, found.torn, (*problems, *found.problems), len(found.stubs))


def _logs(place: str) -> list[str]:
    """The logs of a folder, also one that is gone while something of it is still there."""
    names = os.listdir(place) if os.path.isdir(place) else []
    ends = (".jsonl", ".head.json", ".checkpoints")
    return sorted({f"{name.removesuffix(end)}.jsonl" for name in names for end in ends if name.endswith(end)})


def _head(place: str, name: str, content: bytes | None) -> Mapping[str, Any] | None:
    """The head file of a log; an empty one where it is missing beside a log that has events."""
    found = _read(os.path.join(place, name.removesuffix(".jsonl") + ".head.json"))
    if found is None:
        return {} if content else None
    try:
        head = json.loads(found)
    except (ValueError, RecursionError):
        return {}
    return head if isinstance(head, dict) else {}


def _beside(place: str, name: str) -> list[tuple[proof.Checkpoint, str]]:
    path = os.path.join(place, name.removesuffix(".jsonl") + ".checkpoints")
    return [pair for pairs in _notes(_read(path), path).values() for pair in pairs]


def _notes(content: bytes | None, where: str) -> dict[str, list[tuple[proof.Checkpoint, str]]]:
    """The checkpoints of a file by the log that they are of. Raises ProjectError for a line that is none."""
    found: dict[str, list[tuple[proof.Checkpoint, str]]] = {}
    for number, line in enumerate((content or b"").decode("utf-8", "replace").splitlines(), 1):
        try:
            told = json.loads(line)
            log, pair = str(told["log"]), (proof.checkpoint(told["checkpoint"]), told["checkpoint"])
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise ProjectError(f"`{where}` line {number}: is no checkpoint") from None
        if "/" in log or not log.isprintable():
            raise ProjectError(f"`{where}` line {number}: its log is no name of a file")
        found.setdefault(log, []).append(pair)
    return found


def _id(line: bytes) -> str:
    try:
        return str(json.loads(line)["id"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""


def _read(path: str) -> bytes | None:
    """The bytes of a file of this machine; None where there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MachineError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from None
