"""Who has learnt what: role packs, quizzes, checkpoints, and the record that is evidence of them.

Commands: `packs` (write what each role learns), `quiz`, `done` (a checkpoint), `check` (which
records hold), `handover` (may these people take the system over?).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from . import evidence
from .audit import (
    AuditUnavailable,
    EventType,
    KeyRefused,
    open_log,
    privacy_from,
    read_events,
)
from .curriculum import Checkpoint, Curriculum, Pack, PacksRefused, load, mapping_in
from .governance import Finding, well_formed
from .paths import Paths

Entry = Mapping[str, Any]
QUIZ = "quiz"
HEAD = """\
# Who has learnt what, and when it runs out. Written by `python -m PACKAGE.controls.learning`;
# each entry is an event in the audit trail. `person` may be a pseudonym that the team can resolve.
"""
UNVERIFIED = "is not verified: the log learning.jsonl is not here"
FIELDS = ("person", "role", "did", "on", "expires", "event")


class NotRecorded(Exception):
    """What was asked for does not count; the message says why."""


def records(paths: Paths) -> list[Entry]:
    """All entries of governance/literacy.yaml, oldest first; PacksRefused for what is none."""
    file = paths.governance / "literacy.yaml"
    try:
        found = yaml.safe_load(file.read_text("utf-8")) if file.exists() else []
    except yaml.YAMLError as error:
        raise PacksRefused(f"governance/literacy.yaml: {error}") from error
    for number, entry in enumerate(found or [], start=1):
        if not isinstance(entry, Mapping) or any(name not in entry for name in FIELDS):
            raise PacksRefused(f"governance/literacy.yaml: entry {number} is no record")
    return list(found or [])


def quiz(
    paths: Paths, role: str, person: str, answers: Sequence[str], today: date
) -> tuple[float, list[str]]:
    """Grade letters, one a question; record it if it is enough. Returns the share and what to read.

    Raises NotRecorded for an unknown role, another number of letters, or too few right ones.
    """
    plan = load(paths)
    pack = _pack(plan, role)
    if len(answers) != len(pack.questions):
        raise NotRecorded(f"{len(pack.questions)} questions, {len(answers)} answers")
    pairs = zip(pack.questions, answers, strict=True)
    right = [_chosen(one.options(), letter) == one.answer for one, letter in pairs]
    share = round(sum(right) / len(right), 4)
    missed = _missed(pack, right)
    if share < plan.pass_mark:
        again = f"read again: {', '.join(missed)}"
        raise NotRecorded(f"{share:.0%} right, {plan.pass_mark:.0%} are needed; {again}")
    entry = {"person": person, "role": role, "did": QUIZ, "score": share, "pack": pack.digest}
    _record(paths, plan, entry, today)
    return share, missed


def done(paths: Paths, name: str, person: str, witness: str, seen: str, today: date) -> Checkpoint:
    """Record that a person did a checkpoint before a witness.

    `seen` is the id of the audit event that it left; where none is asked for, it says where the
    deed can be looked up.
    Raises NotRecorded for an unknown checkpoint, if the event is none of this system, of another
    kind or the deed of another person, or if nobody watched.
    """
    plan = load(paths)
    if (step := plan.checkpoints.get(name)) is None:
        raise NotRecorded(f"no such checkpoint: {name} ({', '.join(plan.checkpoints)})")
    if _same(person, witness):
        raise NotRecorded("the witness is another person")
    if not seen.strip():
        raise NotRecorded("say where it can be looked up")
    if step.events:
        _refuse_foreign(paths, step, person, seen)
    entry = {"person": person, "role": step.role, "did": name, "seen": seen, "witness": witness}
    _record(paths, plan, entry, today)
    return step


def findings(paths: Paths, today: date) -> list[Finding]:
    """Roles that nobody holds, approvers who have not learnt theirs, and records that ran out."""
    plan, entries = load(paths), records(paths)
    found = [*_void(paths, plan, entries, today)]
    held = _holding(paths, plan, entries, today)
    for role in plan.packs:
        if not any(entry["role"] == role and entry["did"] == QUIZ for entry in held):
            hint = f"somebody reads var/learn/{_file(role)} and takes the quiz"
            found.append(Finding(role, "needs a person: nobody has passed the quiz", hint))
    return found + _approvers(paths, plan, held)


def handover_findings(paths: Paths, today: date) -> list[Finding]:
    """What keeps the receivers of docs/learn/packs.yaml from taking the system over."""
    plan = load(paths)
    if not plan.receivers:
        hint = "name them under `handover` in docs/learn/packs.yaml"
        return [Finding("handover", "needs a person: nobody is named to receive it", hint)]
    held = [
        entry
        for entry in _holding(paths, plan, records(paths), today)
        if any(_same(entry["person"], person) for person in plan.receivers)
    ]
    did = {(entry["role"], entry["did"]) for entry in held}
    found = [
        Finding(role, "no receiver has passed the quiz", "`learning quiz`")
        for role in plan.needed
        if (role, QUIZ) not in did
    ]
    return found + [
        Finding(step.name, f"no receiver has done it ({step.role})", step.do)
        for step in plan.checkpoints.values()
        if (step.role, step.name) not in did
    ]


def pack_text(plan: Curriculum, pack: Pack) -> str:
    """One role's pack as Markdown: what to know, what to do, and the quiz without its answers."""
    parts = [f"# {pack.role.capitalize()}: {plan.system}", f"You are someone who {pack.does}."]
    parts.append("In our own words, not reviewed by counsel. Made from the files of this project.")
    for topic in pack.topics:
        parts += [f"## {topic.title}", "\n".join(f"- {line}" for line in topic.lines)]
    if pack.checkpoints:
        steps = "\n".join(f"- **{step.name}**: {step.do}" for step in pack.checkpoints)
        parts += ["## What you do once, before a witness", steps]
    parts.append("## Quiz")
    parts += [_asked(number, one) for number, one in enumerate(pack.questions, start=1)]
    return "\n\n".join([*parts, f"Pack: `{pack.digest}`"]) + "\n"


def write_packs(paths: Paths) -> list[str]:
    """Write `var/learn/<role>.md` for each role; the names of the files."""
    plan = load(paths)
    for pack in plan.packs.values():
        evidence.replace(paths.var / "learn" / _file(pack.role), pack_text(plan, pack))
    return [_file(role) for role in plan.packs]


def _pack(plan: Curriculum, role: str) -> Pack:
    if (pack := plan.packs.get(role)) is None:
        raise NotRecorded(f"no such role: {role} ({', '.join(plan.packs)})")
    return pack


def _asked(number: int, question: Any) -> str:
    options = question.options()
    lines = [f"   - {chr(97 + place)}) {option}" for place, option in enumerate(options)]
    return "\n".join([f"{number}. {question.text}", *lines])


def _chosen(options: Sequence[str], letter: str) -> str | None:
    place = "abcd".find(letter.strip().lower() or "-")
    return options[place] if 0 <= place < len(options) else None


def _missed(pack: Pack, right: Sequence[bool]) -> list[str]:
    """Titles of the topics in which an answer was wrong."""
    titles = [topic.title for topic in pack.topics for _ in topic.questions]
    titles += ["questions of your team"] * len(pack.own)
    return list(dict.fromkeys(title for title, ok in zip(titles, right, strict=True) if not ok))


def _record(paths: Paths, plan: Curriculum, entry: dict[str, Any], today: date) -> None:
    """First into the audit trail, then into the file, which names the event."""
    until = today + timedelta(days=plan.valid_days)
    whole = {**entry, "on": today.isoformat(), "expires": until.isoformat()}
    with open_log(paths, "learning") as log:
        said = {name: value for name, value in whole.items() if name != "person"}
        said |= {"witness": log.privacy.actor(said["witness"])} if "witness" in said else {}
        event = log.record(EventType.LITERACY, whole["person"], {**said, "entry": _digest(whole)})
    file = paths.governance / "literacy.yaml"
    head = HEAD.replace("PACKAGE", (__package__ or "").split(".")[0])
    before = file.read_text("utf-8") if file.exists() else head
    before += "" if before.endswith("\n") else "\n"
    row = yaml.safe_dump([{**whole, "event": event.id}], sort_keys=False, width=200)
    evidence.replace(file, before + row)


def _void(
    paths: Paths, plan: Curriculum, entries: Iterable[Entry], today: date
) -> Iterable[Finding]:
    """Entries that nothing newer of the same person stands in for, and that do not hold."""
    last = {(entry["person"], entry["role"], entry["did"]): entry for entry in entries}
    for (person, role, did), entry in last.items():
        if reason := _gap(paths, plan, entry, today):
            hint = "check it where the log is" if reason == UNVERIFIED else "do it again"
            yield Finding(f"{role}, {did}", f"the record of {person} {reason}", hint)


def _holding(paths: Paths, plan: Curriculum, entries: Iterable[Entry], today: date) -> list[Entry]:
    return [entry for entry in entries if not _gap(paths, plan, entry, today)]


def _gap(paths: Paths, plan: Curriculum, entry: Entry, today: date) -> str:
    """Why an entry does not hold; empty if it does."""
    start, end = _day(entry["on"]), _day(entry["expires"])
    if start > today or (end - start).days > plan.valid_days:
        return "has dates that no command wrote"
    if end < today:
        return f"expired on {end}"
    pack = plan.packs.get(entry["role"])
    if entry["did"] == QUIZ and (pack is None or entry.get("pack") != pack.digest):
        return "is stale: what is taught has changed since"
    if entry["did"] != QUIZ and entry["did"] not in plan.checkpoints:
        return "is of a checkpoint that is gone"
    if not _log(paths).exists():
        return UNVERIFIED
    return "" if _on_trail(paths, entry) else "is not what the audit trail says"


def _log(paths: Paths) -> Path:
    return paths.audit / "learning.jsonl"


def _on_trail(paths: Paths, entry: Entry) -> bool:
    """Whether the audit trail has this entry."""
    whole = {name: value for name, value in entry.items() if name != "event"}
    found = (event for event in read_events(_log(paths)) if event["id"] == entry["event"])
    return any(event["data"].get("entry") == _digest(whole) for event in found)


def _approvers(paths: Paths, plan: Curriculum, held: Sequence[Entry]) -> list[Finding]:
    """Whoever approves has learnt the role that the approval stands for."""
    given, _ = well_formed(mapping_in(paths, paths.governance / "approvals.yaml"))
    privacy = privacy_from(os.environ)
    known = {(str(e["person"]).casefold(), e["role"]) for e in held if e["did"] == QUIZ}
    found = []
    for approval in given:
        role = plan.approves_as.get(approval["role"])
        approver = approval["approver"]
        names = (approver.casefold(), privacy.pseudonym(approver), privacy.actor(approver))
        if role and not any((name, role) in known for name in names):
            message = f"{approver} approved without a valid quiz as {role}"
            found.append(Finding(f"approval of the {approval['role']}", message, "`learning quiz`"))
    return found


def _refuse_foreign(paths: Paths, step: Checkpoint, person: str, seen: str) -> None:
    """A deed counts for the person whom its event names; what is found is nobody's deed."""
    wanted = {str(EventType[name.upper()]) for name in step.events}
    logs = sorted(paths.audit.glob("*.jsonl"))
    found = [e for log in logs for e in read_events(log) if e["id"] == seen and e["type"] in wanted]
    if not found:
        raise NotRecorded(f"{seen} is no event of {' or '.join(step.events)} in this audit trail")
    own = {None, person.strip(), str(privacy_from(os.environ).actor(person))}
    if not step.finds and found[0]["data"].get("actor") not in own:
        raise NotRecorded(f"{seen} is the deed of another person")


def _digest(entry: Entry) -> str:
    text = json.dumps(entry, sort_keys=True, default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _file(role: str) -> str:
    return role.replace(" ", "-") + ".md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done, nothing is missing; 1: findings, or something that does not count."""
    options = _parser().parse_args(arguments)
    paths, today = Paths.here(), datetime.now(UTC).date()
    try:
        return COMMANDS[options.command](paths, options, today)
    except (AuditUnavailable, KeyRefused, NotRecorded, OSError, ValueError) as error:
        print(f"{options.command}: {error}", file=sys.stderr)
    return 1


def _packs(paths: Paths, options: argparse.Namespace, today: date) -> int:
    """Write the packs, and say which roles still need a person; that fails nothing."""
    for name in write_packs(paths):
        print(f"var/learn/{name}")
    _show(findings(paths, today), "every role has somebody who passed its quiz")
    return 0


def _quiz(paths: Paths, options: argparse.Namespace, today: date) -> int:
    """Ask one question after the other; the letters are read from the standard input."""
    answers = []
    for number, question in enumerate(_pack(load(paths), options.role).questions, start=1):
        print(_asked(number, question))
        answers.append(sys.stdin.readline().strip())
    share, missed = quiz(paths, options.role, options.person, answers, today)
    print(f"passed, {share:.0%}" + (f"; look again at: {', '.join(missed)}" if missed else ""))
    return 0


def _done(paths: Paths, options: argparse.Namespace, today: date) -> int:
    step = done(paths, options.name, options.person, options.witness, options.seen, today)
    print(f"recorded: {step.name}")
    return 0


def _check(paths: Paths, options: argparse.Namespace, today: date) -> int:
    return _show(findings(paths, today), "every record holds, every role has somebody")


def _handover(paths: Paths, options: argparse.Namespace, today: date) -> int:
    return _show(handover_findings(paths, today), "the receivers can take the system over")


def _show(found: Sequence[Finding], fine: str) -> int:
    print("\n".join(map(str, found)) or fine)
    return 1 if found else 0


COMMANDS: Mapping[str, Callable[[Paths, argparse.Namespace, date], int]] = {
    "packs": _packs,
    "quiz": _quiz,
    "done": _done,
    "check": _check,
    "handover": _handover,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="learning", description="Learn, and prove it.")
    commands = parser.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name) for name in COMMANDS}
    made["quiz"].add_argument("role", help="such as: operations")
    made["done"].add_argument("name", help="such as: kill switch")
    for name in ("quiz", "done"):
        made[name].add_argument("--person", required=True, help="your address or a pseudonym")
    made["done"].add_argument("--witness", required=True, help="who watched")
    made["done"].add_argument("--seen", required=True, help="id of the audit event")
    return parser


if __name__ == "__main__":
    sys.exit(main())
