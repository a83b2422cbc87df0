"""Which projects joined a fleet or left it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ai_factory.fleet.joining import Joined
from ai_factory.fleet.registry import Member
from ai_factory.report.plain import count, plain


def text(found: Joined) -> str:
    """Who joined; then what did not, with the reason; then which factories somebody has to look at."""
    lines = [f"+ {plain(member.key)}" for member in found.added]
    lines += [f"- {plain(name)} {plain(why)}" for name, why in found.left]
    for name, failure in found.failed:
        lines += [f"! {plain(name)} could not be read ({failure.kind}): {plain(failure.message)}"]
        lines += [f"      hint: {plain(failure.hint)}"] if failure.hint else []
    return "\n".join([*lines, *_factories(found), _summary(found)])


def _factories(found: Joined) -> Iterator[str]:
    if not found.factories:
        return
    if found.book.new and found.added:
        yield "these factories may now bring updates to them, as they came from there: strike out what you do not trust"
    else:
        yield "they came from these factories, which the fleet does not trust: add to `factories` what you do trust"
    yield from (f"      - url: {plain(url)}" for url in found.factories)


def _summary(found: Joined) -> str:
    counted = [
        f"{len(found.added)} added",
        *([f"{len(found.present)} there already"] if found.present else []),
        *([f"{len(found.left)} left out"] if found.left else []),
        *([f"{len(found.failed)} could not be read"] if found.failed else []),
    ]
    return f"{plain(found.book.path)}: {', '.join(counted)}"


def data(found: Joined) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/fleet-add/1",
        "fleet": found.book.path,
        "added": [member.key for member in found.added],
        "present": [member.key for member in found.present],
        "left": [{"project": name, "why": why} for name, why in found.left],
        "failed": [{"project": name, **failure._asdict()} for name, failure in found.failed],
        "factories": list(found.factories),
    }


def left_text(path: str, gone: Sequence[Member]) -> str:
    """Who left."""
    lines = [f"- {plain(member.key)}" for member in gone]
    return "\n".join(
        [*lines, f"{plain(path)}: {count(len(gone), 'project')} removed; their repositories stay as they are"]
    )


def left_data(path: str, gone: Sequence[Member]) -> dict[str, Any]:
    """The same for machines."""
    return {"schema": "ai-factory/fleet-remove/1", "fleet": path, "removed": [member.key for member in gone]}
