"""The library of components, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_factory.fleet.survey import Answer
from ai_factory.questions import MISSING, Question
from ai_factory.report.fleets.answers import unread_data, unread_text
from ai_factory.report.plain import count, plain
from ai_factory.workshop.library import Entry

Users = Sequence[Answer[Mapping[str, str]]] | None  # of a fleet: what each system has; None where none was asked


def list_text(found: Sequence[Entry]) -> str:
    """A line for each component: name, version, what it gives, what it is."""
    rows = [(one.component.name, one.component.version, _kinds(one), one.component.summary) for one in found]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "\n".join(
        "  ".join(f"{plain(cell):<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows
    )


def _kinds(one: Entry) -> str:
    """How much of each kind it gives: what it gives nothing of is left out."""
    given = (
        (len(one.owns), "file"),
        (len(one.component.questions), "question"),
        (sum(map(len, one.gives.values())), "contribution"),
        (len(one.controls), "control"),
    )
    return ", ".join(count(number, noun) for number, noun in given if number)


def list_data(found: Sequence[Entry]) -> dict[str, Any]:
    """The same for machines."""
    return {"schema": "ai-factory/components/1", "components": [data(one, None) for one in found]}


def text(found: Entry, users: Users) -> str:
    """All that the library says of one component."""
    item = found.component
    sections = {
        "requires": [", ".join(item.requires)] if item.requires else [],
        "owns": [f"{plain(path)}: {word}" for path, word in found.owns.items()],
        "produces": [plain(path) for path in item.produces],
        "asks": [line for question in item.questions for line in _question(question)],
        "contributes": [f"{kind}: {plain(', '.join(names))}" for kind, names in found.gives.items()],
        "evidence for": [line for control in found.controls for line in _control(found, control)],
        "releases": list(_releases(found)),
        "in blueprints": [f"{name}{' (optional)' if optional else ''}" for name, optional in found.taken_by.items()],
        "how it is used": [plain(line) for line in found.pattern.splitlines()],
    }
    lines = [f"{plain(item.name)} {plain(item.version)}: {plain(item.summary)}"]
    for title, rows in sections.items():
        lines += [f"{title}:", *(f"  {row}".rstrip() for row in rows)] if rows else []
    return "\n".join([*lines, *_users_text(item.name, users)])


def _question(one: Question) -> Iterator[str]:
    kind = f"several of {one.type}" if one.multiselect else one.type
    default = "" if one.default is MISSING else f" [{plain(str(one.default))}]"
    yield f"{one.key} ({kind}): {plain(one.help)}{default}"
    if one.choices:
        yield f"  one of: {plain(', '.join(map(str, one.choices)))}"


def _control(found: Entry, control: str) -> Iterator[str]:
    yield f"{plain(control)} {plain(found.controls[control])}".rstrip()
    yield from (f"  {plain(glob)}" for glob in found.component.evidences[control])


def _releases(found: Entry) -> Iterator[str]:
    for one in found.releases:
        yield plain(one.version) + (f" (approvals: {one.impact})" if one.impact else "")
        yield from (f"  by hand: {plain(sentence)}" for sentence in one.manual)


def _users_text(name: str, users: Users) -> list[str]:
    if users is None:
        return []
    rows = [f"  {plain(one['system'])} at {plain(one['version'])}" for one in _having(name, users)]
    return [f"used by {count(len(rows), 'system')} of {len(users)}:", *rows, *unread_text(users)]


def _having(name: str, users: Sequence[Answer[Mapping[str, str]]]) -> list[dict[str, str]]:
    return [
        {"system": one.member.key, "owner": one.member.owner, "version": one.said[name]}
        for one in users
        if one.said is not None and name in one.said
    ]


def data(found: Entry, users: Users) -> dict[str, Any]:
    """The same for machines."""
    item = found.component
    asked = {} if users is None else {"used_by": _having(item.name, users), "unread": unread_data(users)}
    return {
        "schema": "ai-factory/component/1",
        "name": item.name,
        "version": item.version,
        "summary": item.summary,
        "requires": list(item.requires),
        "files": sorted(item.files),
        "ownership": dict(item.ownership),
        "owns": dict(found.owns),
        "questions": [_question_data(question) for question in item.questions],
        "contributes": dict(item.contributes),
        "evidences": {control: list(globs) for control, globs in item.evidences.items()},
        "controls": dict(found.controls),
        "produces": list(item.produces),
        "pattern": found.pattern,
        "releases": [{**one._asdict(), "manual": list(one.manual)} for one in found.releases],
        "blueprints": [{"name": name, "optional": optional} for name, optional in found.taken_by.items()],
        **asked,
    }


def _question_data(one: Question) -> dict[str, Any]:
    return {
        "key": one.key,
        "type": one.type,
        "help": one.help,
        "default": None if one.default is MISSING else one.default,
        "choices": one.choices,
        "multiselect": one.multiselect,
    }
