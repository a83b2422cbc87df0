"""What a change of a factory does to projects, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ai_factory.fleet.updates.foreseen import OUTCOMES, Foreseen
from ai_factory.report.plain import count, plain
from ai_factory.workshop.preview import Difference, Place, Preview, Stat

SHOWN = 5  # paths of a project that are named in a line


def text(found: Preview, reached: Sequence[Foreseen] | None = None, diff: bool = False) -> str:
    """A line a blueprint; each difference once, with the blueprints that show it; then the projects of a fleet."""
    what = f" with `{'`, `'.join(found.components)}` as they are now" if found.components else ""
    lines = [plain(f"{found.before} → {found.after}{what}"), ""]
    lines += [_stat(stat) for stat in found.stats if not stat.whole or _is_other(stat, found)]
    if found.differences:
        lines.append("")
    for one in found.differences:
        lines += _difference(one, diff)
    same = not found.differences and not any(stat.failed for stat in found.stats)
    lines += ["", "no project would change"] if same else []
    return "\n".join(["\n".join(lines).rstrip("\n"), *(_fleet(reached) if reached is not None else [])])


def _is_other(stat: Stat, found: Preview) -> bool:
    """Whether the project with all that is optional changes otherwise than the usual one."""
    return stat._replace(whole=False) not in found.stats


def _stat(stat: Stat) -> str:
    name = plain(stat.blueprint) + (" with all that is optional" if stat.whole else "")
    if stat.note:
        return f"{name}: {plain(stat.note)}"
    parts = [(stat.changed, "changed"), (stat.added, "added"), (stat.deleted, "deleted")]
    told = ", ".join(f"{count(number, 'file')} {word}" for number, word in parts if number)
    return f"{name}: {told} (+{stat.more_lines} -{stat.fewer_lines})" if told else f"{name}: as before"


def _difference(one: Difference, diff: bool) -> Iterator[str]:
    more, fewer = one.lines
    yield f"{plain(one.source)} (+{more} -{fewer}): {_places(one.places)}"
    if diff:
        yield from (f"  {plain(line)}" for line in one.text.splitlines())
        yield ""


def _places(places: Sequence[Place]) -> str:
    """The blueprints; those that show it only with something optional say so."""
    usual = {one.blueprint for one in places if not one.whole}
    names = [(one.blueprint, one.blueprint in usual) for one in places if one.blueprint in usual or one.whole]
    return ", ".join(dict.fromkeys(plain(name) + ("" if always else " (optional)") for name, always in names))


def _fleet(reached: Sequence[Foreseen]) -> Iterator[str]:
    touched = [one for one in reached if one.outcome == "touched"]
    clashing = [one for one in reached if one.conflicts]
    yield ""
    yield f"{len(touched)} of {count(len(reached), 'project')} would change, {len(clashing)} with conflicts"
    for one in reached:
        if one.outcome == "touched":
            clash = f", in conflict: {_some(one.conflicts)}" if one.conflicts else ""
            yield f"  {plain(one.key)}: {count(len(one.changed), 'file')}{clash}"
        elif one.outcome != "untouched":
            yield f"  {plain(one.key)}: {OUTCOMES[one.outcome]}: {plain(one.reason)}"


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(f"`{plain(path)}`" for path in paths[:SHOWN]) + more


def data(found: Preview, reached: Sequence[Foreseen] | None = None, diff: bool = False) -> dict[str, Any]:
    """The same for machines; the lines of each difference where they are asked for."""
    return {
        "schema": "ai-factory/factory-preview/1",
        "before": found.before,
        "after": found.after,
        "components": list(found.components),
        "blueprints": [stat._asdict() for stat in found.stats],
        "differences": [
            {
                "source": one.source,
                "more_lines": one.lines[0],
                "fewer_lines": one.lines[1],
                "places": [place._asdict() for place in one.places],
                **({"diff": one.text} if diff else {}),
            }
            for one in found.differences
        ],
        "fleet": None if reached is None else [one._asdict() for one in reached],
    }
