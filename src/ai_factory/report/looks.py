"""Status, differences, explanations and the catalogue, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai_factory.catalog import Blueprint
from ai_factory.errors import ConsentError
from ai_factory.project.inspect import ControlExplanation, Difference, FileExplanation, LineOrigin, StatusReport
from ai_factory.project.restore import Restored
from ai_factory.report.findings import row as finding_row
from ai_factory.report.plain import back_command, plain


def status_text(report: StatusReport) -> str:
    """Two letters a path: what the team did, what a sync would do."""
    here = f"at {plain(report.version)}"
    behind = "" if report.version == report.newest else f", {plain(report.newest)} is there"
    lines = [f"{here}{behind} ({plain(report.source)})"]
    lines += [f"{row.team}{row.sync} {plain(row.path)} ({row.ownership})" for row in report.rows]
    lines += [f"{finding.rule} {plain(finding.message)}" for finding in report.findings]
    if report.rows:
        lines.append("first letter: the team; second: a sync (A added, M changed, R renamed, D deleted, C conflict)")
    lines += [report.cut_off[0], f"hint: {report.cut_off[1]}"] if report.cut_off[0] else []
    return "\n".join(lines)


def status_data(report: StatusReport) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/status/1",
        "version": report.version,
        "newest": report.newest,
        "factory": report.source,
        "paths": [_fields(row) for row in report.rows],
        "findings": [finding_row(finding) for finding in report.findings],
        "ownership": dict(report.ownership),
        "cut_off": report.cut_off[0],
    }


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value._fields}


def diff_text(differences: Sequence[Difference]) -> str:
    """Unified diffs, one after the other; what a file holds is spelled out where it is no text for a terminal."""
    lines = "".join(difference.text for difference in differences).split("\n")
    return "\n".join(diff_line(line) for line in lines)


def diff_line(line: str) -> str:
    """A line of a diff: its first character says what it is, tabs are text."""
    return line[:1] + "\t".join(map(plain, line[1:].split("\t")))


def diff_data(differences: Sequence[Difference]) -> dict[str, Any]:
    """The same for machines."""
    return {"schema": "ai-factory/diff/1", "files": [_fields(difference) for difference in differences]}


def file_text(item: FileExplanation) -> str:
    """Where a file comes from and how it stands."""
    entry = item.entry
    rules = {
        "managed": "the factory's: an edit is drift, a sync merges",
        "merged": "shared: the team may edit it, a sync merges",
        "seeded": "the team's: written once, never touched again",
        "produced": "written by the project's own run",
    }
    lines = [
        plain(item.path),
        f"  component: {plain(entry.component)}" + (f" ({plain(item.summary)})" if item.summary else ""),
        f"  ownership: {entry.ownership} ({rules[entry.ownership]})",
    ]
    lines += [f"  template: {plain(item.source)}"] if item.source else []
    lines += _untold(item.untold) if item.untold else []
    lines += [f"  base: {entry.base[:12]} of version {plain(entry.base_version)}"] if entry.base else []
    lines += [f"  state: {entry.state}"] if entry.state else []
    lines += [f"  line {item.line}: {_whose(item.origin)}"] if item.origin else []
    lines += [
        f"  evidence for {plain(control)}: {plain(title)}".rstrip(": ") for control, title in item.controls.items()
    ]
    for finding in item.findings:
        lines.append(f"  {finding.rule}: {plain(finding.message)}")
        lines += [f"  hint: {plain(finding.hint)}"] if finding.hint else []
    return "\n".join(lines)


def _untold(why: ConsentError) -> list[str]:
    """Why the template is not told, with what would run."""
    code = [f"    {plain(detail)}" for detail in why.details]
    return [f"  template: not told, since {plain(why.message)}: `--trust` lets it run", *code]


def _whose(origin: LineOrigin) -> str:
    where = f", from {plain(origin.template)} line {origin.line}" if origin.template else ""
    return f"the {origin.whose}'s{where}"


def _line_data(number: int, origin: LineOrigin) -> dict[str, Any]:
    return {"number": number, "from": origin.whose, "template": origin.template, "template_line": origin.line or None}


def file_data(item: FileExplanation) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/explain-file/1",
        "path": item.path,
        "component": item.entry.component,
        "summary": item.summary,
        "ownership": item.entry.ownership,
        "template": item.source,
        "would_run": list(item.untold.details) if item.untold else [],
        "base": item.entry.base,
        "base_version": item.entry.base_version,
        "state": item.entry.state,
        "controls": dict(item.controls),
        "findings": [finding_row(finding) for finding in item.findings],
        "line": _line_data(item.line, item.origin) if item.origin else None,
    }


def control_text(item: ControlExplanation) -> str:
    """A control in words, with the project's evidence for it."""
    lines = [f"{plain(item.control)} {plain(item.title)}".rstrip()]
    lines += [f"  {plain(item.intent)}"] if item.intent else []
    lines += [f"  from tier: {plain(item.tier_floor)}"] if item.tier_floor else []
    lines += [f"  the wording is {item.verified}"] if item.verified else []
    lines += (
        [f"  {plain(item.unread)}: this is the embedded text, and the factory may ask for more"] if item.unread else []
    )
    lines += [f"  evidence: {plain(path)} ({state})" for path, state in item.evidence]
    return "\n".join(lines if item.evidence else [*lines, "  no file here is evidence for it"])


def control_data(item: ControlExplanation) -> dict[str, Any]:
    """The same for machines."""
    rows = [{"path": path, "state": state} for path, state in item.evidence]
    return {"schema": "ai-factory/explain-control/1", **_fields(item), "evidence": rows}


def restored_text(restored: Sequence[Restored]) -> str:
    """What was put back, and how to get back what was there."""
    if not restored:
        return "nothing to restore: every file is as the factory promised"
    lines = []
    for item in restored:
        lines.append(f"restored {plain(item.path)}")
        lines += [f"      hint: to get the edit back: `{back_command(item.path, item.before)}`"] if item.before else []
    return "\n".join(lines)


def restored_data(restored: Sequence[Restored]) -> dict[str, Any]:
    """The same for machines."""
    rows = [{"path": item.path, "before": item.before.id if item.before else ""} for item in restored]
    return {"schema": "ai-factory/restore/1", "restored": rows}


# ---- the catalogue -------------------------------------------------------------------------------


def names_text(rows: Sequence[tuple[str, str]]) -> str:
    """Names and summaries, aligned."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{plain(name):<{width}}  {plain(summary)}" for name, summary in rows)


def blueprint_text(item: Blueprint) -> str:
    """A blueprint: its components, presets and facts."""
    lines = [f"{plain(item.name)}: {plain(item.summary)}", "components:", *(f"  {name}" for name in item.components)]
    lines += ["optional:", *(f"  {name}" for name in item.optional)] if item.optional else []
    for title, values in (("preset answers", item.answers), ("risk facts", item.facts)):
        lines += (
            [f"{title}:", *(f"  {plain(key)}: {plain(str(value))}" for key, value in values.items())] if values else []
        )
    return "\n".join(lines)


def blueprint_data(item: Blueprint) -> dict[str, Any]:
    """The same for machines."""
    return {"schema": "ai-factory/blueprint/1", **_fields(item)}
