"""A plan as text, JSON, and Markdown fit for a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ai_factory.governance.impact import REAPPROVE
from ai_factory.lock import named
from ai_factory.plan import ACTIONS, TELLING, Change, Plan
from ai_factory.project.new import Birth
from ai_factory.project.sync import Sync, controls, release_notes
from ai_factory.report.findings import row as finding_row
from ai_factory.report.markdown import code, literal, marked
from ai_factory.report.plain import DECIDE, count, plain
from ai_factory.tree import File, blob_id, word

if TYPE_CHECKING:
    from ai_factory.project.foreseen import Foreseen

ROWS = 100  # of one list in Markdown: a forge takes some 65,000 characters
SIGNS = {"add": "+", "change": "~", "merge": "~", "rename": ">", "delete": "-", "conflict": "!"}


def birth_text(birth: Birth) -> str:
    """What `new` is about to write: a line for each component, and the answers that were not given."""
    plan = birth.plan
    lines = [f"{plain(birth.manifest.blueprint)} {plain(plan.target.origin.version)} → {plain(birth.destination)}"]
    files = Counter(change.component for change in plan.changes if change.file)
    width = max(map(len, files), default=0)
    lines += [f"  + {plain(name):<{width}}  {count(files[name], 'file')}" for name in plan.target.components]
    lines += _signature(birth.signed_by)
    given = birth.manifest.answers
    answers = plan.target.answers
    lines += [
        f"  {plain(key)}: {plain(str(value))}{'' if key in given else ' (default)'}" for key, value in answers.items()
    ]
    owned = plan.target.rendered.owned
    lines += [f"  ! {plain(path)}: {TELLING}: it is not committed" for path, owner in owned.items() if owner.secret]
    lines.append(f"{count(sum(files.values()), 'file')} in {count(len(files), 'component')}")
    return "\n".join(lines)


def _signature(signer: str) -> list[str]:
    return [f"  signed by {plain(signer)}"] if signer else []


def birth_data(birth: Birth) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/new/1",
        "destination": birth.destination,
        "blueprint": birth.manifest.blueprint,
        "factory": birth.plan.target.origin._asdict(),
        "signed_by": birth.signed_by,
        "answers": dict(birth.plan.target.answers),
        "components": dict(birth.plan.target.components),
        "changes": [change_row(change) for change in birth.plan.changes],
    }


def change_row(change: Change) -> dict[str, Any]:
    """One change for machines."""
    entry = change.entry
    row: dict[str, Any] = {
        "path": change.path,
        "action": change.action,
        "why": change.why,
        "component": change.component,
        "ownership": change.ownership,
        "controls": list(entry.controls) if entry else [],
        "state": entry.state if entry else "",
    }
    if change.source:
        row["source"] = change.source
    if change.incoming:
        row["incoming"] = f"{change.path}.incoming"
    if change.sides:
        words = ("base", "ours", "theirs")
        row["versions"] = {word: _version(side) for word, side in zip(words, change.sides, strict=True)}
    return row


def _version(file: File | None) -> dict[str, str] | None:
    """One of the three versions of a conflict, by git's mode and blob id; None where there is no file."""
    return {"mode": file.mode, "id": blob_id(file.content)} if file else None


def sync_text(sync: Sync, applied: bool, committed: bool = False) -> str:
    """What a sync does, path by path, and what it leaves for a person."""
    if sync.nothing_to_do:
        lines = [f"nothing to do: the project is at {plain(sync.plan.target.origin.version)}"]
        lines += _signature(sync.signed_by)
        lines += [f"still open: {plain(path)}" for path in _open(sync.plan)]
        return "\n".join(lines + _rest(sync))
    lines = [" → ".join(map(plain, named(sync.project.lock.factory, sync.plan.target.origin)))]
    lines += _signature(sync.signed_by)
    lines += [_change_line(change) for change in sync.plan.visible]
    lines += [_summary(sync.plan)]
    return "\n".join(lines + _rest(sync) + _next_steps(sync, applied, committed))


def _change_line(change: Change) -> str:
    path = f"{plain(change.source)} → {plain(change.path)}" if change.source else plain(change.path)
    return f"  {SIGNS.get(change.action, '=')} {path}: {change.action} ({plain(change.why)})"


def _summary(plan: Plan) -> str:
    found = Counter(change.action for change in plan.visible)
    return ", ".join(f"{found[action]} {action}" for action in ACTIONS if found[action]) or "no file changes"


def _rest(sync: Sync) -> list[str]:
    lines = [_answer_line(row) for row in _changed(sync)]
    lines += [f"note: {plain(note)}" for note in sync.plan.notes]
    lines += [f"by hand: {plain(step)}" for step in sync.plan.manual]
    lines += [f"approval: after this, that of the {plain(_after(one))}" for one in sync.approvals]
    for finding in sync.drift:
        lines.append(f"drift: {plain(finding.path)} {finding.message}, and this sync leaves it so")
        lines.append(f"      hint: `ai-factory restore {plain(word(finding.path))}`")
    return lines


def _after(one: Foreseen) -> str:
    state = "is void" if one.impact == REAPPROVE else "waits for a confirmation"
    return f"{one.role} {state}: {one.why}"


def _answer_line(row: Mapping[str, Any]) -> str:
    key, old, new = (plain(str(row[part])) or "''" for part in ("key", "from", "to"))
    if row["to"] is None:
        return f"answer: {key} is asked no more; it was {old}"
    default = " (the new default)" if row["default"] else ""
    return f"answer: {key} is new: {new}{default}" if row["from"] is None else f"answer: {key}: {old} → {new}{default}"


def _next_steps(sync: Sync, applied: bool, committed: bool) -> list[str]:
    if sync.still_open and not sync.plan.conflicts and applied:
        ended = "committed" if committed else "staged, not committed"
        return [ended, *(f"still open: {plain(path)}" for path in _open(sync.plan)), DECIDE]
    if committed:
        return ["committed"]
    if not applied:
        return ["hint: the same command without `--plan` applies this"]
    if sync.plan.conflicts:
        return [
            "hint: mend each conflict (`git diff`, or its `.incoming` file), then `ai-factory sync --continue`",
            "hint: `ai-factory sync --abort` goes back to where you were",
        ]
    return ["staged, not committed", "hint: look at it with `git diff --cached`, then `git commit`"]


def sync_data(sync: Sync, applied: bool) -> dict[str, Any]:
    """The same for machines: the whole truth about a sync."""
    plan = sync.plan
    return {
        "schema": "ai-factory/sync/1",
        "applied": applied,
        "nothing_to_do": sync.nothing_to_do,
        "signed_by": sync.signed_by,
        "from": sync.project.lock.factory._asdict(),
        "to": plan.target.origin._asdict(),
        "changes": [change_row(change) for change in plan.visible],
        "conflicts": [change.path for change in plan.conflicts],
        "open": _open(plan),
        "components": [
            {"name": name, "from": old, "to": new, "notes": _notes(sync, name, old, new)}
            for name, old, new in sync.releases
        ],
        "answers": _changed(sync),
        "controls": controls(sync),
        "drift": [finding_row(finding) for finding in sync.drift],
        "manual": list(plan.manual),
        "approvals": [one._asdict() for one in sync.approvals],
        "notes": list(plan.notes),
    }


def _open(plan: Plan) -> list[str]:
    return [change.path for change in plan.changes if change.entry and change.entry.state == "open"]


def _notes(sync: Sync, name: str, before: str, after: str) -> str:
    return release_notes(sync.changelogs.get(name, ""), before, after)


def _changed(sync: Sync) -> list[dict[str, Any]]:
    """The answers that will differ; `default` says that nobody gave the new one."""
    before, after = sync.project.lock.answers, sync.plan.target.answers
    rows = (
        {"key": key, "from": before.get(key), "to": after.get(key), "default": key in after and key not in sync.given}
        for key in sorted({*before, *after})
    )
    return [row for row in rows if row["from"] != row["to"]]


def sync_markdown(sync: Sync) -> str:
    """The plan as the text of a pull request: what changes, for which components, and what is left to a person."""
    origin, target = sync.project.lock.factory, sync.plan.target.origin
    parts = [
        f"# Update from {literal(origin.version)} to {literal(target.version)}",
        "",
        f"Factory: {code(target.url)}" + (f", signed by {literal(sync.signed_by)}" if sync.signed_by else ""),
        "",
    ]
    parts += _section("Conflicts", [f"- {code(c.path)}: {literal(c.why)}" for c in sync.plan.conflicts])
    parts += _section("By hand", [f"- {marked(step)}" for step in sync.plan.manual])
    parts += _section("Approvals", [f"- After this, that of the {marked(_after(one))}" for one in sync.approvals])
    parts += _section("Notes", [f"- {marked(note)}" for note in sync.plan.notes])
    parts += _section("Changes", [_md_row(change) for change in sync.plan.visible if change.action != "conflict"])
    parts += _section("Components", [_md_release(sync, *release) for release in sync.releases])
    words = {"gained": "Evidence gained", "lost": "Evidence lost", "weakened": "Weakened"}
    rows = [f"- {words[key]}: {literal(', '.join(ids))}" for key, ids in controls(sync).items() if ids]
    parts += _section("Controls", rows)
    parts += _section("Answers", [_md_answer(row) for row in _changed(sync)])
    parts += _section(
        "Drift that stays",
        [
            f"- {code(item.path)} {literal(item.message)}: {code(f'ai-factory restore {word(item.path)}')}"
            for item in sync.drift
        ],
    )
    return "\n".join(parts).rstrip() + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    """A heading and its list, cut where a forge would refuse the text."""
    more = len(lines) - ROWS
    shown = [*lines[:ROWS], f"- and {more} more: `ai-factory sync --plan` lists them"] if more > 0 else lines
    return [f"## {title}", "", *shown, ""] if lines else []


def _md_answer(row: Mapping[str, Any]) -> str:
    key, before, after = (code(str(row[part])) for part in ("key", "from", "to"))
    origin = " (the new default)" if row["default"] else ""
    if row["to"] is None:
        return f"- {key} is asked no more; it was {before}"
    return f"- {key} is new: {after}{origin}" if row["from"] is None else f"- {key}: {before} → {after}{origin}"


def _md_row(change: Change) -> str:
    source = f"{code(change.source)} → " if change.source else ""
    owner = literal(f"{change.component}, {change.ownership}")
    return f"- {change.action} {source}{code(change.path)} ({owner}): {literal(change.why)}"


def _md_release(sync: Sync, name: str, before: str, after: str) -> str:
    notes = _notes(sync, name, before, after).splitlines()
    quoted = "".join(f"\n  > {_md_note(line)}\n  >" for line in notes if line.strip()).removesuffix("\n  >")
    return f"- {literal(name)}: {literal(before) or 'new'} → {literal(after) or 'dropped'}{quoted}"


def _md_note(line: str) -> str:
    """A line of a changelog: a heading is bold, an item stays one."""
    text = line.strip()
    if text.startswith("#"):
        return f"**{marked(text.strip('# '))}**"
    return f"- {marked(text[2:])}" if text.startswith(("- ", "* ")) else marked(text)
