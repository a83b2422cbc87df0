"""The adoption of a project of Copier or cruft, as text and JSON."""

from __future__ import annotations

from typing import Any

from ai_factory.project.foreign.adopting import Adoption
from ai_factory.report.plain import count, plain


def taken_over_text(found: Adoption, applied: bool, committed: bool = False) -> str:
    """What the project came from, how its files stand to that, and what is to be done next."""
    origin, proof = found.plan.target.origin, found.proof
    commit = "" if found.trace.version == origin.version else f" ({plain(origin.commit[:7])})"
    lines = [f"from {plain(origin.url)} {plain(origin.version)}{commit}, as {plain(found.trace.file)} says"]
    lines.append(f"{count(len(proof.same), 'file')} as the template stamps them; nothing of yours is written over")
    held = set(proof.held)
    lines += [
        f"  ~ {plain(path)}: edited by the team{'' if path in held else ', never committed as stamped'}"
        for path in proof.edited
    ]
    lines += [f"  - {plain(path)}: deleted by the team, and stays so" for path in proof.deleted]
    lines += [f"  = {plain(path)}: ignored by git, and left alone" for path in sorted(found.plan.local)]
    lines += [f"note: {plain(note)}" for note in found.trace.notes]
    return "\n".join([*lines, *_next(applied, committed)])


def _next(applied: bool, committed: bool) -> list[str]:
    if not applied:
        return ["nothing was written"]
    if committed:
        return ["committed", "hint: `ai-factory sync --plan` shows what is new"]
    look = "look at it with `git diff --cached`, then `git commit`"
    return ["staged, not committed", f"hint: {look}; `ai-factory sync --plan` shows what is new"]


def taken_over_data(found: Adoption, applied: bool, committed: bool = False) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/adopt-foreign/1",
        "applied": applied,
        "committed": committed,
        "factory": found.plan.target.origin._asdict(),
        "trace": found.trace.file,
        "answers": dict(found.plan.target.answers),
        **{key: list(paths) for key, paths in found.proof._asdict().items()},
        "local": sorted(found.plan.local),
        "notes": list(found.trace.notes),
    }
