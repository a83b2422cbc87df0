"""The runbook of one system in an incident: what to stop, to keep, to tell and to close, filled with what is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ai_factory.fleet.governance.clocks import Due
from ai_factory.fleet.governance.freeze import APPROVAL, ELSEWHERE, Started
from ai_factory.fleet.governance.incidents import Incident, Reached, Standing, written
from ai_factory.report.fleets.incidents import way
from ai_factory.report.markdown import cell, code, literal
from ai_factory.tree import word

HEAD = ("| notice | to whom | time | ends | counted from |", "|---|---|---|---|---|")


def runbook(incident: Incident, one: Standing) -> str:
    """One Markdown page; whatever strangers named stands in it as text."""
    parts = [
        f"# Incident: {literal(incident.title)}",
        *_about(incident, one.system),
        "## Stop first",
        STOP,
        *_keep(one.system),
        *_tell(one),
        *_close(incident, one.system),
    ]
    return "\n\n".join(parts) + "\n"


def _about(incident: Incident, system: Reached) -> Iterator[str]:
    owner = ", ".join(filter(None, map(literal, (system.owner, system.contact))))
    rows = [
        ("System", f"{literal(system.name)}, {code(system.key)}"),
        ("Purpose", literal(system.purpose) or "not stated"),
        ("Owner", owner or "**nobody is named: find one**"),
        ("At fault", literal(str(incident.suspect))),
        ("Severity", incident.severity),
        ("Found", written(incident.found)),
        ("Reached by", literal(way(system.way))),
        ("Inherent tier", literal(system.frozen.tier) or "not known"),
    ]
    yield "\n".join(["| | |", "|---|---|", *(f"| {name} | {cell(value)} |" for name, value in rows)])


STOP = (
    "Follow `ops/runbook.md` of the system, section *Kill switch*: whoever is on duty may stop it. Then its sections"
    " *Rollback* and *Incident*. Mend or take out what is at fault only after what is named below is kept."
)


def _keep(system: Reached) -> Iterator[str]:
    frozen = system.frozen
    yield "## Keep"
    yield (
        f"The repository was at commit {code(frozen.commit) or 'unknown'}; `freeze.json` in the folder above holds the"
        f" digests of {len(frozen.files)} of its files. Do not rewrite its history until the incident is closed."
    )
    model = f"{code(frozen.model)}, {code(frozen.model_digest)}" if frozen.model else "none on record"
    yield "\n".join([f"- Model: {model}", *(f"- Approval: {_approval(row)}" for row in frozen.approvals)])
    if system.bundle:
        yield f"A copy of the history is in {code(system.bundle.get('file', ''))} (`git bundle verify` reads it)."
    yield "Not in the repository, and kept by nobody else: copy it away from the machines that run the system, now."
    yield "\n".join(f"- [ ] {one}" for one in (*ELSEWHERE, *_checkpoints(system)))


def _approval(row: Mapping[str, str]) -> str:
    return literal(", ".join(filter(None, (row.get(name, "") for name in APPROVAL))))


def _checkpoints(system: Reached) -> Iterator[str]:
    yield "`make verify-audit`, and its output; then `make checkpoint`, and what it prints, kept elsewhere"
    for key in system.frozen.checkpoint_keys:
        yield f"the public key that signs its checkpoints: {code(key)}"


def _tell(one: Standing) -> Iterator[str]:
    yield "## Tell"
    if one.system.frozen.clocks_unknown:
        yield f"**Which clocks run is not known**: {literal(one.system.frozen.clocks_unknown)}. Ask legal at once."
    elif not one.clocks:
        yield "The map knows no clock for this system. Ask legal whether one runs."
    for started, dues in one.clocks:
        yield from _clock(started, dues)
    yield (
        "A clock runs only where the incident is one of its kind: legal decides, and records it. Ends are the earliest"
        " reading; the map is in its makers' own words and unreviewed by counsel."
    )


def _clock(started: Started, dues: Sequence[Due]) -> Iterator[str]:
    clock = started.clock
    law = "law" if started.law else "no law"
    yield f"### {literal(clock.id)}: {literal(clock.regime)}"
    yield f"{literal(clock.cite) or 'No cite'} ({law}; checked: {literal(clock.verified)})."
    if clock.ask:
        yield f"The map knows no time: ask {literal(clock.ask)}."
    if started.because:
        yield f"Because {'; '.join(map(literal, started.because))}."
    if dues:
        yield "\n".join([*HEAD, *(_row(due, clock.recipient) for due in dues)])
    if clock.note:
        yield f"Note: {literal(clock.note)}."


def _row(due: Due, recipient: str) -> str:
    one = due.deadline
    ends = written(due.ends) if due.ends else "not known yet"
    cells = (literal(one.what), literal(recipient), literal(one.within), ends, literal(one.counted_from))
    return f"| {' | '.join(cell(text) for text in cells)} |"


def _close(incident: Incident, system: Reached) -> Iterator[str]:
    yield "## Record and close"
    yield "Beside `fleet.yaml`, record each notice that is sent, each decision that a clock does not run, and the end:"
    name, key = word(incident.id), word(system.key)
    commands = [
        f"ai-factory fleet incident note {name} --system {key} --clock CLOCK --told NOTICE --note … --by …",
        f"ai-factory fleet incident note {name} --system {key} --clock CLOCK --set-aside --note … --by …",
        f"ai-factory fleet incident close {name} --system {key} --note … --by …",
    ]
    yield "\n".join(f"- {code(command)}" for command in commands)
