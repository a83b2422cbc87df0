"""`.ai-factory/project.yaml`: what a project wants. People edit it; the tool keeps their comments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import catalog, documents, edits, formats
from ai_factory.errors import FactoryError, ProjectError, UsageError
from ai_factory.lock import PROJECT, check_address


class Manifest(NamedTuple):
    """Which factory and blueprint, within which bound, with which answers; defaults are not written down."""

    factory: str
    blueprint: str
    version: str = ""
    hold: Mapping[str, str] = {}
    with_: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    answers: Mapping[str, Any] = {}


def parse(content: bytes, load: documents.Load = documents.load) -> Manifest:
    """Read a manifest. Raises ProjectError with file and line."""
    data = load(content, PROJECT, ProjectError)
    catalog.validate(data, formats.PROJECT, content, PROJECT, ProjectError)
    return Manifest(
        factory=_address(data["factory"]),
        blueprint=data["blueprint"],
        version=data.get("version", ""),
        hold=data.get("hold", {}),
        with_=tuple(data.get("with", ())),
        without=tuple(data.get("without", ())),
        answers=data.get("answers", {}),
    )


def _address(url: str) -> str:
    try:
        return check_address(url)
    except FactoryError as error:
        raise ProjectError(f"`{PROJECT}`: {error.message}", error.hint) from None


def write(manifest: Manifest) -> bytes:
    """A new manifest; empty parts are left out."""
    rows: dict[str, Any] = {
        "factory": manifest.factory,
        "version": manifest.version,
        "blueprint": manifest.blueprint,
        "with": list(manifest.with_),
        "without": list(manifest.without),
        "answers": dict(manifest.answers),
    }
    return documents.write({key: value for key, value in rows.items() if value})


def chosen(wish: Manifest, offered: catalog.Blueprint, takes: Sequence[str], drops: Sequence[str]) -> Manifest:
    """What is wanted once these components are taken, and those dropped. Raises UsageError for one that is unknown."""
    for name in drops:
        if name not in (*offered.components, *wish.with_):
            raise UsageError(
                f"the project has no component `{name}`{catalog.nearest(name, (*offered.components, *wish.with_))}",
                f"`{PROJECT}` and `ai-factory blueprint show {offered.name}` list what it has",
            )
    with_ = [name for name in wish.with_ if name not in drops]
    with_ += [name for name in takes if name not in (*offered.components, *with_)]
    without = [name for name in wish.without if name not in takes]
    without += [name for name in drops if name in offered.components and name not in without]
    return wish._replace(with_=tuple(with_), without=tuple(without))


def choosing(content: bytes, before: Manifest, after: Manifest) -> bytes:
    """The manifest with other components taken or left out, everything else as people wrote it."""
    rows = {"with": (before.with_, after.with_), "without": (before.without, after.without)}
    for key, (old, new) in rows.items():
        if old and new != old:
            content = edits.edit_list(content, key, new)
        elif new != old:
            content = edits.edit(content, {(key,): list(new)})
    return content


def answered(content: bytes, answers: Mapping[str, Any], renames: Mapping[str, str] | None = None) -> bytes:
    """The manifest with answers renamed, then these set (None removes one), everything else as people wrote it."""
    moved: edits.Renames = {("answers", old): new for old, new in (renames or {}).items()}
    return edits.edit(content, {("answers", key): value for key, value in answers.items()}, moved)
