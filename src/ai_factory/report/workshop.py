"""What was made of a factory, for people and for machines."""

from __future__ import annotations

from typing import Any

from ai_factory.factory import Factory
from ai_factory.project.filling import Filled
from ai_factory.report.plain import count, plain
from ai_factory.tree import word
from ai_factory.workshop.releasing import Release
from ai_factory.workshop.upstream import Moved, Update


def founded_text(made: Filled, below: Factory, *, committed: bool) -> str:
    """Where a new factory lies, and what is done with it next."""
    alone = "in a repository with one commit" if committed else "not committed, as asked"
    state = "not committed: it lies in a repository already" if made.around else alone
    return "\n".join(
        [
            f"a factory on top of {plain(below.origin.url)} {plain(below.origin.version)}, {state}",
            "next:",
            f"  cd {plain(word(made.root))}",
            "  ai-factory factory lint",
            "README.md says how a component is extended, replaced or removed",
        ]
    )


def founded_data(made: Filled, below: Factory) -> dict[str, Any]:
    """The same for machines."""
    upstream = {"factory": below.origin.url, "version": below.origin.version, "tree": below.origin.tree}
    return {"schema": "ai-factory/factory/1", "path": made.root, "upstream": upstream}


def update_text(made: Update, *, written: bool) -> str:
    """What came of a newer version of the factory below, and what is left to a person."""
    if made.before == made.after:
        return f"it stands on the newest version already: {plain(made.after.factory)} {plain(made.after.version)}"
    lines = [f"{plain(made.after.factory)} {plain(made.before.version)} -> {plain(made.after.version)}"]
    lines += [f"  {_moved(one)}" for one in made.moved]
    lines += [f"merged with your changes: {plain(path)}" for path in made.merged]
    lines += [f"moved with the one below: {plain(path)} -> {plain(to)}" for path, to in sorted(made.followed.items())]
    lines += [f"CONFLICT, markers in it: {plain(path)}" for path in made.conflicts]
    lines += [f"stands in place of no file below any more: {plain(path)}" for path in made.left]
    lines += [f"changed below, and replaced by yours: {plain(name)}" for name in made.replaced]
    lines += [f"does not fit any more: {plain(made.misfit)}"] if made.misfit else []
    changed = count(len(made.files), "file")
    lines += [
        f"{changed} written; look at them, `ai-factory factory lint`, commit" if written else f"{changed} to write"
    ]
    return "\n".join(lines)


def _moved(one: Moved) -> str:
    if not one.before:
        return f"new: {plain(one.name)} {plain(one.after)}"
    return f"{plain(one.name)} {plain(one.before)} -> {plain(one.after)}" if one.after else f"gone: {plain(one.name)}"


def update_data(made: Update, *, written: bool) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/factory-update/1",
        "before": made.before._asdict(),
        "after": made.after._asdict(),
        "written": written,
        "files": sorted(made.files),
        "components": [one._asdict() for one in made.moved],
        "merged": list(made.merged),
        "conflicts": list(made.conflicts),
        "replaced": list(made.replaced),
        "misfit": made.misfit,
        "followed": dict(sorted(made.followed.items())),
        "left": list(made.left),
    }


def release_text(made: Release, *, written: bool) -> str:
    """The notes of a release, and what publishes it."""
    done = [f"released {plain(made.tag)}; publish it:", f"  git push --atomic origin HEAD {plain(word(made.tag))}"]
    return "\n".join([*map(plain, made.notes.splitlines()), *(["", *done] if written else [])])


def release_data(made: Release, *, written: bool) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/factory-release/1",
        "version": made.version,
        "tag": made.tag,
        "before": made.before,
        "written": written,
        "components": [one._asdict() for one in made.parts],
        "removed": list(made.removed),
        "blueprints": list(made.blueprints),
        "notes": made.notes,
    }
