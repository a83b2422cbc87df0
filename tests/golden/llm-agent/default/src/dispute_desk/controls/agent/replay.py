"""Replays runs from the audit trail alone: is each verdict the one that the rules then gave?

`python -m <package>.controls.agent.replay [RUN …]` replays the runs named, or all. It calls no
model and no tool. A verdict is judged again by the rules, the access and the facts on record; then
it is checked that nothing was called that the agent had not asked for, that each effect had an
approval of another person with a role for it, of this very call, in time, before it took place,
and that it took place once in the whole log. Of a run whose content was erased only the latter is
checked: its verdicts cannot be judged.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..access import Access
from ..audit import PayloadErased, read_events, verify
from ..audit.privacy import Payloads
from ..paths import Paths
from . import rules as law
from .guard import APPROVED, DONE, REJECTED, Ledger, Proposal
from .rules import HELD, Call, Now, Rules, Spent, Verdict

WHOLE = "sums of days, approvals and effects"
Events = Sequence[Mapping[str, Any]]
Payload = Callable[[str], Mapping[str, Any]]
Laws = Mapping[str, tuple[Rules, Access]]
# What only a run that has begun can have on record.
OF_RUNS = ("step", "call", "halt", "end", "approval", "effect", "done", "void", "settle")


@dataclass(frozen=True, slots=True)
class Replay:
    """A run judged again: who chose the calls, how many verdicts, and what does not agree.

    `erased` counts, for a whole log, the runs that could not be judged.
    """

    run: str
    agent: str
    generated: bool
    verdicts: int
    findings: tuple[str, ...]
    erased: int = 0

    @property
    def same(self) -> bool:
        """Whether all is as it was recorded."""
        return not self.findings

    def __str__(self) -> str:
        said = "the same" if self.same else "NOT THE SAME: " + "; ".join(self.findings)
        return f"{self.run} by {self.agent}: {self.verdicts} verdicts, {said}"


@dataclass(slots=True)
class _Walk:
    """What is known after some events of one run."""

    rules: Rules
    allowed: frozenset[str]
    case: Mapping[str, str]
    spent: Spent = field(default_factory=Spent)
    asked: list[str] = field(default_factory=list)
    verdicts: int = 0
    ended: bool = False
    findings: list[str] = field(default_factory=list)

    def expect(self, what: str, recorded: object, replayed: object) -> None:
        """Note where the record and the replay do not agree."""
        if recorded != replayed:
            self.findings.append(f"{what} is {recorded!r} on record, {replayed!r} replayed")


def runs(events: Events) -> list[str]:
    """The runs that the log knows, in the order in which they began."""
    return [event["data"]["run"] for event in events if event["data"].get("kind") == "begin"]


def replay(events: Events, payload: Payload, run: str) -> Replay:
    """Judge a run again, and all that was done in it. LookupError where it is not in the log, or
    its content was erased.
    """
    found = _judged(events, payload, run)
    own = tuple(said for of, said in effects(events) if of == run)
    return replace(found, findings=found.findings + own)


def _judged(events: Events, payload: Payload, run: str) -> Replay:
    own = [event for event in events if event["data"].get("run") == run]
    begun = next((event for event in own if event["data"].get("kind") == "begin"), None)
    if begun is None:
        raise LookupError(f"the log knows no run {run}")
    walk = _begun(events, begun, payload)
    for event in own:
        _step(walk, event, payload)
    data = begun["data"]
    return Replay(run, data["agent"], data["generated"], walk.verdicts, tuple(walk.findings))


def replay_all(events: Events, payload: Payload) -> list[Replay]:
    """Every run of the log whose content was not erased; last, the sums of the days, approvals
    and effects of all runs.
    """
    found, erased = [], 0
    for run in runs(events):
        try:
            found.append(_judged(events, payload, run))
        except PayloadErased:
            erased += 1
    said = tuple(f"{run}: {finding}" for run, finding in effects(events))
    return [*found, Replay(WHOLE, "all", False, 0, (*sums(events), *said), erased)]


def sums(events: Events) -> list[str]:
    """Where a write was judged by another sum of its day than the events before it give."""
    ledger, findings = Ledger(), []
    for event in events:
        data = event["data"]
        if not _whole(data):
            continue
        if data.get("kind") == "call" and data["outcome"] == HELD:
            day = event["time"][:10]
            before = ledger.proposed.get(day, 0)
            if data["now"]["amount_of_day"] != before:
                findings.append(f"{data['run']}: the sum of {day} was {before} cents")
        ledger.take(event)
    return findings


def _begun(events: Events, begun: Mapping[str, Any], payload: Payload) -> _Walk:
    data = begun["data"]
    texts = next(
        (
            event["data"]
            for event in events
            if event["data"].get("kind") == "rules" and event["subject"] == data["rules"]
        ),
        None,
    )
    if texts is None:
        raise LookupError(f"the log does not hold the rules of {data['run']}")
    rules, access = _law(texts)
    allowed = law.offered(rules, access, tuple(data["roles"]))
    walk = _Walk(rules, allowed, payload(begun["id"])["case"])
    walk.expect("tools", data["tools"], sorted(allowed))
    return walk


def _step(walk: _Walk, event: Mapping[str, Any], payload: Payload) -> None:
    """Take one event of the run: judge what was judged, count what was counted."""
    data, kind = event["data"], event["data"].get("kind")
    if kind == "halt":
        walk.verdicts += 1
        again = law.against_step(walk.rules, walk.spent, Now(**data["now"]))
        walk.expect("halt", data["reason"], again)
    elif kind == "step":
        tokens = data["input_tokens"], data["output_tokens"]
        walk.spent = law.after_step(walk.rules, walk.spent, *tokens)
        walk.expect("step", data["number"], walk.spent.steps)
        if walk.spent.steps > walk.rules.limits.steps:
            walk.findings.append(f"step {walk.spent.steps} is above the limit")
        walk.asked = list(data["asked"])
    elif kind == "call":
        _call(walk, data, payload(event["id"]))
    elif kind == "end":
        walk.ended = True
        for name in ("steps", "tokens", "cost", "amount"):
            walk.expect(name, data[name], getattr(walk.spent, name))


def _call(walk: _Walk, data: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    if data["tool"] in walk.asked:
        walk.asked.remove(data["tool"])
    else:
        walk.findings.append(f"{data['tool']} was called, and not asked for")
    call = Call(data["tool"], kept["arguments"], data["valid"], data["digest"])
    held = data["outcome"] == HELD and call.tool in walk.rules.tools
    if held and kept.get("rows") != law.sources(walk.rules, walk.spent, call):
        walk.findings.append(f"{call.tool} was shown with other rows than were read")
    facts = Now(**data["now"])
    again = law.judge(walk.rules, walk.allowed, walk.case, walk.spent, facts, call)
    recorded = Verdict(data["outcome"], data["reason"])
    if recorded.reason == "FAILED" and again.outcome == law.ALLOWED:
        again = recorded  # what a tool did is a fact, no verdict
    walk.verdicts += 1
    walk.expect(f"verdict on {data['tool']}", _said(recorded), _said(again))
    if walk.ended and recorded.outcome != law.REFUSED:
        walk.findings.append(f"{data['tool']} was called after the end")
    walk.spent = law.after_call(walk.rules, walk.spent, call, recorded, kept["result"])


def _said(verdict: Verdict) -> str:
    return f"{verdict.outcome} {verdict.reason}".strip()


def effects(events: Events) -> list[tuple[str, str]]:
    """Where not: each run began, and each effect was proposed, approved by another person who may
    in time, and took place once. By run, over the whole log, since two runs may do the same.

    A run that is older than what retention has left cannot be checked.
    """
    ledger, findings, laws = Ledger(), [], _laws(events)
    for place, event in enumerate(events, 1):
        data = event["data"]
        kind, run = data.get("kind"), str(data.get("run", ""))
        if kind in OF_RUNS and run not in ledger.runs:
            if int(event["sequence"]) <= place:
                findings.append((run, f"{kind} without a run that has begun"))
            elif kind == "done":
                ledger.take(event)
            continue
        findings += [(run, said) for said in _odd(event, ledger, laws)]
        known = data.get("proposal", "") in ledger.proposals
        if _whole(data) and (known or kind not in ("approval", "done", "void")):
            ledger.take(event)
    return findings


def _odd(event: Mapping[str, Any], ledger: Ledger, laws: Laws) -> list[str]:
    """What is wrong with one event, after those before it."""
    data = event["data"]
    kind, known = data.get("kind"), ledger.proposals.get(data.get("proposal", ""))
    if kind == "approval" and data["outcome"] in (APPROVED, REJECTED):
        return _odd_approval(event, known, laws)
    if kind in ("effect", "done"):
        return _odd_effect(event, known, ledger.done)
    return [] if _whole(data) else [f"{data['tool']} was held, and not as a proposal"]


def _laws(events: Events) -> Laws:
    """By digest, the rules and the access that the log holds."""
    return {
        event["subject"]: _law(event["data"])
        for event in events
        if event["data"].get("kind") == "rules"
    }


def _law(texts: Mapping[str, Any]) -> tuple[Rules, Access]:
    return Rules.of(json.loads(texts["rules"])), _access(json.loads(texts["access"]))


def _whole(data: Mapping[str, Any]) -> bool:
    """Whether a call that was held says all that a proposal is."""
    held = data.get("kind") == "call" and data["outcome"] == HELD
    return not held or {"proposal", "key", "requester", "rules", "expires", "amount"} <= set(data)


def _odd_approval(event: Mapping[str, Any], held: Proposal | None, laws: Laws) -> list[str]:
    data = event["data"]
    if held is None:
        return [f"{data['proposal']} was decided, and never proposed"]
    faults = (
        ("was decided twice", held.state not in ("waiting",)),
        ("was decided by who asked for it", data["actor"] == held.requester),
        ("was decided for another call", data["digest"] != held.digest),
        ("was decided too late", event["time"] >= held.expires),
        (
            "was approved by roles that may not",
            data["outcome"] == APPROVED and not _entitled(held, data.get("roles", ()), laws),
        ),
    )
    return [f"{held.id} {fault}" for fault, broken in faults if broken]


def _entitled(held: Proposal, roles: Iterable[str], laws: Laws) -> bool:
    """Whether these roles might approve it, under the rules that it was proposed under."""
    if held.rules not in laws:
        return False
    rules, access = laws[held.rules]
    tool = rules.tools.get(held.tool)
    return tool is not None and access.may(roles, law.APPROVE, tool.class_)


def _odd_effect(
    event: Mapping[str, Any], held: Proposal | None, done: Collection[str]
) -> list[str]:
    data = event["data"]
    if held is None:
        return [f"{data['proposal']} took effect, and was never proposed"]
    faults = (
        ("took effect without an approval", held.state not in (APPROVED, DONE)),
        ("took effect twice", held.state == DONE),
        ("took effect as another one had", held.state != DONE and data["key"] in done),
        ("took effect as another tool", data["tool"] != held.tool),
        ("took effect under another key", data["key"] != held.key),
        ("took effect as another call", data["digest"] != held.digest),
        ("took effect with another sum", data["amount"] != held.amount),
    )
    return [f"{held.id} {fault}" for fault, broken in faults if broken]


def _access(document: Mapping[str, Any]) -> Access:
    roles = {
        role: {action: frozenset(classes) for action, classes in actions.items()}
        for role, actions in document["roles"].items()
    }
    return Access(tuple(document["classes"]), roles)


def of_log(log: Path, wanted: Iterable[str] = ()) -> list[Replay]:
    """Replay runs of a log, by default all; ValueError where the log itself is not intact."""
    checked = verify(log)
    if not checked.intact:
        raise ValueError(f"{log.name} is not intact: {checked.findings[0].message}")
    events, payload = list(read_events(log)), Payloads.of(log).read
    chosen = list(wanted)
    if chosen:
        return [replay(events, payload, run) for run in chosen]
    *found, whole = replay_all(events, payload)
    return [*found, replace(whole, agent=log.name)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: each verdict is the same; 1: one is not, or a log is not intact."""
    parser = argparse.ArgumentParser(prog="replay", description=__doc__)
    parser.add_argument("runs", nargs="*", help="runs; by default all")
    parser.add_argument("--log", default="", help="one log, such as `service`; by default all")
    options = parser.parse_args(arguments)
    found, failed = [], False
    for log in sorted(Paths.here().audit.glob(f"{options.log or '*'}.jsonl")):
        try:
            found += of_log(log, [r for r in options.runs if r in runs(list(read_events(log)))])
        except (LookupError, ValueError) as error:
            print(f"replay: {error}", file=sys.stderr)
            failed = True
    wrong = [one for one in found if not one.same]
    print("\n".join(map(str, wrong if not options.runs else found)) or "nothing differs")
    replayed = sum(one.verdicts for one in found)
    erased = sum(one.erased for one in found)
    print(f"{len(found)} replayed, {replayed} verdicts, {len(wrong)} not the same")
    print(f"{erased} runs were erased: their approvals and effects were checked, no verdicts")
    return 1 if failed or wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
