"""A saved plan: one line of JSON a project, named by its content, to be reviewed before it is applied."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ai_factory import formats
from ai_factory.errors import UsageError
from ai_factory.fleet.registry import Member
from ai_factory.fleet.updates.draft import Decision, Draft
from ai_factory.tree import digest

SCHEMA = "ai-factory/fleet-plan/1"
OUTCOMES = {  # what a plan says of a project
    "update": "a commit is proposed",
    "current": "nothing to do",
    "held": "left alone: on hold",
    "failed": "could not be planned",
}
LINE_LIMIT = 4 * 1024 * 1024  # characters of one line


class Head(NamedTuple):
    """What was planned: with which tool, to which version ("": the newest that each project's bound allows)."""

    engine: str
    to: str
    factories: tuple[str, ...]


class Entry(NamedTuple):
    """What a plan says of one project.

    `failure` and `reason` say why it failed or is held; `missing` are rights that the identity lacks there. `when` is
    when the commit `base` was made (Unix time).
    """

    key: str
    url: str
    path: str
    owner: str
    ring: str
    outcome: str
    reason: str = ""
    failure: str = ""
    hint: str = ""
    branch: str = ""
    target: str = ""
    base: str = ""
    source: str = ""
    before: str = ""
    after: str = ""
    commit: str = ""
    tree: str = ""
    decisions: tuple[Decision, ...] = ()
    conflicts: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    weakened: tuple[str, ...] = ()
    managed_only: bool = False
    when: int = 0
    missing: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The name of its content: an entry that differs is another one."""
        return digest(_canonical(self._asdict()).encode("utf-8", "surrogatepass"))


class Plan(NamedTuple):
    """A whole plan."""

    head: Head
    entries: tuple[Entry, ...]

    @property
    def digest(self) -> str:
        """The name of the whole plan."""
        rows = [_canonical(self.head._asdict()), *(entry.digest for entry in self.entries)]
        return digest("\n".join(rows).encode("utf-8", "surrogatepass"))


def entry_of(draft: Draft, missing: tuple[str, ...] = ()) -> Entry:
    """The entry of a draft."""
    member = draft.member
    return Entry(
        *_named(member),
        "update" if draft.commit else "current",
        branch=draft.branch,
        target=draft.target,
        base=draft.base,
        source=draft.after.url,
        before=draft.before.version,
        after=draft.after.version,
        commit=draft.commit,
        tree=draft.tree,
        decisions=draft.decisions,
        conflicts=draft.conflicts,
        gained=draft.gained,
        lost=draft.lost,
        weakened=draft.weakened,
        managed_only=draft.managed_only,
        when=draft.when,
        missing=missing,
    )


def without_draft(member: Member, outcome: str, reason: str, failure: str = "", hint: str = "") -> Entry:
    """The entry of a project that gets no update."""
    return Entry(*_named(member), outcome, reason, failure, hint)


def _named(member: Member) -> tuple[str, str, str, str, str]:
    return member.key, member.url, member.path, member.owner, member.ring


# ---- as lines ------------------------------------------------------------------------------------


def lines(head: Head, entries: Iterable[Entry]) -> Iterator[str]:
    """The plan as text, line by line: its head, then the projects in the order given."""
    yield _canonical({"schema": SCHEMA, **head._asdict()})
    for entry in entries:
        yield _canonical({"digest": entry.digest, **_row(entry)})


def _row(entry: Entry) -> dict[str, Any]:
    return entry._asdict() | {"decisions": [one._asdict() for one in entry.decisions]}


def _canonical(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def read(text: Iterable[str], where: str) -> Plan:
    """Read a plan. Raises UsageError, naming the line, for one that is malformed or was edited."""
    rows = enumerate(text, 1)
    head = _head(next(rows, (1, ""))[1], where)
    entries = tuple(_entry(line, f"`{where}` line {number}") for number, line in rows if line.strip())
    if len({entry.key for entry in entries}) < len(entries):
        raise UsageError(f"`{where}` names a project twice", "plan again")
    return Plan(head, entries)


def is_plan(text: str) -> bool:
    """Whether a text is a plan, as far as its first line tells."""
    try:
        return bool(_head(text.partition("\n")[0], ""))
    except UsageError:
        return False


def _head(line: str, where: str) -> Head:
    data = _object(line, f"`{where}` line 1")
    if data.get("schema") != SCHEMA:
        raise UsageError(f"`{where}` is no plan of a fleet", "make one: `ai-factory fleet plan --output plan.jsonl`")
    if not _fits(data, HEAD):
        raise UsageError(f"`{where}` line 1 is no head of a plan", "plan again")
    return Head(data["engine"], data["to"], tuple(data["factories"]))


def _entry(line: str, where: str) -> Entry:
    data = _object(line, where)
    if not _fits(data, ENTRY):
        raise UsageError(f"{where} is no entry of a plan", "plan again")
    told = data.pop("digest")
    lists = {name: tuple(data[name]) for name in ("conflicts", "gained", "lost", "weakened", "missing")}
    found = Entry(**{**data, **lists, "decisions": tuple(Decision(**row) for row in data["decisions"])})
    if found.digest != told:
        raise UsageError(f"{where} was edited after it was planned", "plan again, or leave the line out")
    return found


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        data = json.loads(line) if len(line) <= LINE_LIMIT else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise UsageError(f"{where} is no JSON object", "plan again")
    return data


def _fits(data: Mapping[str, Any], schema: formats.Schema) -> bool:
    return not any(True for _ in formats.problems(data, schema))


_TEXT: formats.Schema = {"type": "string"}
_TEXTS: formats.Schema = {"type": "array", "items": _TEXT}


def _record(fields: Mapping[str, formats.Schema]) -> formats.Schema:
    return {"type": "object", "properties": fields, "additionalProperties": False, "required": list(fields)}


HEAD = _record({"schema": {"const": SCHEMA}, "engine": _TEXT, "to": _TEXT, "factories": _TEXTS})
ENTRY = _record(
    dict.fromkeys(Entry._fields, _TEXT)
    | {
        "digest": _TEXT,
        "outcome": {"enum": list(OUTCOMES)},
        "decisions": {"type": "array", "items": _record(dict.fromkeys(Decision._fields, _TEXT))},
        "managed_only": {"type": "boolean"},
        "when": {"type": "number"},
    }
    | dict.fromkeys(("conflicts", "gained", "lost", "weakened", "missing"), _TEXTS)
)
