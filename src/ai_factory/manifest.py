"""`.ai-factory/project.yaml`: what a project wants. People edit it; the tool keeps their comments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ai_factory import catalog, documents, edits, formats
from ai_factory.errors import FactoryError, ProjectError
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


def answered(content: bytes, answers: Mapping[str, Any], renames: Mapping[str, str] | None = None) -> bytes:
    """The manifest with answers renamed, then these set (None removes one), everything else as people wrote it."""
    moved: edits.Renames = {("answers", old): new for old, new in (renames or {}).items()}
    return edits.edit(content, {("answers", key): value for key, value in answers.items()}, moved)
