"""What `factory test` has found, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from ai_factory.report.plain import count, plain
from ai_factory.workshop.bench import Done, Job, Tested
from ai_factory.workshop.choices import Trial
from ai_factory.workshop.running import Ran
from ai_factory.workshop.trials import Fault, Tried


def text(found: Tested, keep: str = "") -> str:
    """A line a blueprint; what is wrong, and the command that shows it; how much there is of either."""
    lines = [_summary(found, name) for name in found.blueprints]
    if not found.releases:
        lines.append("no upgrades: the factory has no release yet (a tag such as `v1.0.0` at the top of a repository)")
    lines += [f"note: {plain(note)}" for note in _notes(found)]
    findings = [finding for one in found.done for finding in _findings(found, one, keep)]
    for finding in findings:
        lines += ["", finding["text"], *(f"  | {plain(line)}" for line in finding["output"].splitlines())]
        lines += [f"  hint: {plain(finding['hint'])}"]
    return "\n".join([*lines, "", count(len(findings), "finding") if findings else "nothing is wrong"])


def _summary(found: Tested, name: str) -> str:
    rows = found.of(name)
    tried = [one.tried for one in rows if one.tried]
    upgrades = [one.upgraded for one in rows if one.upgraded and not one.upgraded.skipped]
    parts = [count(sum(one.renderings for one in tried), "rendering")]
    if refused := sum(one.refused for one in tried):
        parts.append(f"{count(refused, 'pair')} of choices refused by validators")
    if upgrades:
        edits, conflicts = sum(one.edits for one in upgrades), sum(len(one.conflicts) for one in upgrades)
        told = f"{count(len(upgrades), 'upgrade')} with {count(edits, 'edit')}"
        parts.append(told + (f", {count(conflicts, 'conflict')} to decide" if conflicts else ""))
    parts += [
        f"`{one.ran.command}` {'failed' if one.ran.code else 'passed'} in {one.ran.seconds:.0f} s"
        for one in rows
        if one.ran
    ]
    return f"{plain(name)}: {'; '.join(parts)}"


def _notes(found: Tested) -> list[str]:
    """What was not tried, and why."""
    notes = [
        (one.job.blueprint, one.job.release, one.upgraded.skipped)
        for one in found.done
        if one.upgraded and one.upgraded.skipped
    ]
    notes += [(one.job.blueprint, one.job.release, one.note) for one in found.done if one.note]
    return [f"`{name}`{f' from {release}' if release else ''}: {why}" for name, release, why in notes]


# ---- findings ------------------------------------------------------------------------------------


def _findings(found: Tested, one: Done, keep: str) -> Iterator[dict[str, Any]]:
    job = one.job
    if one.tried:
        for fault in one.tried.faults:
            yield _fault(found, one.tried, fault)
    for broken in one.upgraded.broken if one.upgraded else ():
        told = plain(f"{job.blueprint} from {job.release}: {broken.message}")
        see = _kept(found, job, keep)
        yield _finding("upgrade", job.blueprint, job.release, broken.path, broken.message, told, see)
    if one.ran and one.ran.code:
        yield _ran(job.blueprint, one.ran, f"{_kept(found, job, keep, '--run ')}; there, run `{one.ran.command}`")


def _kept(found: Tested, job: Job, keep: str, option: str = "") -> str:
    """Where the project lies, or how to have it there."""
    folder = f"`{keep or 'DIR'}/{job.blueprint}-{job.release or 'new'}`"
    if keep:
        return f"the project lies in {folder}"
    command = f"ai-factory factory test {quote(job.blueprint)} --factory {quote(found.address)} {option}--keep DIR"
    return f"`{command}` leaves the project in {folder}"


def _fault(found: Tested, tried: Tried, fault: Fault) -> dict[str, Any]:
    place = plain(fault.source) + (f":{fault.line}" if fault.line and not fault.path else "")
    stamped = f"`{fault.path}`{f' line {fault.line}' if fault.line else ''} " if fault.path else ""
    often = f" ({fault.times} of {count(tried.renderings, 'rendering')})" if tried.renderings else ""
    hint = f"`{_new(found.address, {**tried.needed, **fault.trial.given}, fault.trial)}`"
    told = f"{place}: {plain(stamped + fault.message)}{often}"
    row = _finding("rendering", tried.blueprint, "", fault.source, fault.message, told, hint)
    return {**row, "file": fault.path, "line": fault.line, "renderings": fault.times}


def _ran(blueprint: str, ran: Ran, see: str) -> dict[str, Any]:
    message = f"`{ran.command}` ended with {ran.code} after {ran.seconds:.0f} s"
    told = f"{blueprint}{f' from {ran.release}' if ran.release else ''}: {message}"
    return _finding("run", blueprint, ran.release, "", message, plain(told), see, ran.output)


def _finding(
    kind: str, blueprint: str, release: str, path: str, message: str, text: str, hint: str, output: str = ""
) -> dict[str, Any]:
    return {
        "kind": kind,
        "blueprint": blueprint,
        "release": release,
        "path": path,
        "message": message,
        "hint": hint,
        "output": output,
        "text": text,
    }


def _new(address: str, given: Mapping[str, Any], trial: Trial) -> str:
    """The command that stamps such a project."""
    options = [f"--with {name}" for name in trial.with_]
    options += [f"--data {quote(f'{key}={_word(value)}')}" for key, value in given.items()]
    return " ".join(["ai-factory new", trial.blueprint, "DEST", "--factory", quote(address), "--defaults", *options])


def _word(value: Any) -> str:
    """An answer as `--data` takes it."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def data(found: Tested, keep: str = "") -> dict[str, Any]:
    """The same for machines."""
    findings = [finding for one in found.done for finding in _findings(found, one, keep)]
    return {
        "schema": "ai-factory/factory-test/1",
        "factory": found.address,
        "releases": list(found.releases),
        "blueprints": [_row(found, name) for name in found.blueprints],
        "findings": [{key: value for key, value in one.items() if key != "text"} for one in findings],
        "notes": _notes(found),
    }


def _row(found: Tested, name: str) -> dict[str, Any]:
    rows = found.of(name)
    return {
        "name": name,
        "renderings": sum(one.tried.renderings for one in rows if one.tried),
        "refused": sum(one.tried.refused for one in rows if one.tried),
        "upgrades": [
            {"release": one.release, "edits": one.edits, "conflicts": list(one.conflicts), "skipped": one.skipped}
            for one in (row.upgraded for row in rows)
            if one
        ],
        "runs": [
            {"release": one.release, "command": one.command, "code": one.code, "seconds": round(one.seconds, 1)}
            for one in (row.ran for row in rows)
            if one
        ],
    }
