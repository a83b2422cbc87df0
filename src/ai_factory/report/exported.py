"""What the export of a blueprint has written, as text and JSON."""

from __future__ import annotations

from typing import Any

from ai_factory.report.plain import count, plain
from ai_factory.workshop.exporting.backstage import Written
from ai_factory.workshop.exporting.repository import Exported


def text(found: Exported) -> str:
    """What was added, and what could not be."""
    lines = [f"{plain(found.blueprint)} → {plain(found.place)}"]
    lines += [f"  + {plain(tag)}" for tag in found.added]
    lines += [f"  ! {plain(tag)} could not be exported: {plain(reason)}" for tag, reason in found.left_out]
    if not found.has_releases:
        told = "added as a commit, without a tag" if found.added else "nothing to add"
        return "\n".join([*lines, f"{told}: the factory has no release, and is exported as it stands"])
    told = f"{count(len(found.added), 'version')} added" if found.added else "nothing to add"
    return "\n".join([*lines, f"{told}; the newest is {plain(found.newest)}"])


def data(found: Exported) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/blueprint-export/1",
        "blueprint": found.blueprint,
        "place": found.place,
        "added": list(found.added),
        "newest": found.newest,
        "left_out": [{"version": tag, "reason": reason} for tag, reason in found.left_out],
    }


def written_text(found: Written) -> str:
    """The files of a template for Backstage."""
    head = f"{plain(found.blueprint)} {plain(found.version)} → {plain(found.place)}"
    return "\n".join([head, *(f"  + {path}" for path in found.paths), "README.md says what to do with them"])


def written_data(found: Written) -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": "ai-factory/blueprint-backstage/1",
        "blueprint": found.blueprint,
        "version": found.version,
        "place": found.place,
        "files": list(found.paths),
    }
