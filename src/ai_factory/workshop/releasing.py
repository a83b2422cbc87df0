"""A release of a factory: versions and notes from what its components' changelogs announce, one commit, one tag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ai_factory import cache, catalog, git, journal, layers, versions
from ai_factory.catalog import Component
from ai_factory.errors import MachineError, ProjectError, UsageError
from ai_factory.factory import Factory
from ai_factory.git import Stage
from ai_factory.journal import Step
from ai_factory.layers import CHANGELOG
from ai_factory.project.sync import release_notes
from ai_factory.tree import Blob, File, Tree, under
from ai_factory.workshop import offered
from ai_factory.workshop.changelog import UNRELEASED
from ai_factory.workshop.linting import lint, state
from ai_factory.workshop.rules import Flaw
from ai_factory.workshop.since import announced, changed, later
from ai_factory.workspace import Folder

FIRST = "0.1.0"
POST = ".post"  # what numbers the changes of ours to a component from below


class Part(NamedTuple):
    """A component that a release changes: its version before (empty where it is new) and after, and what it says."""

    name: str
    before: str
    after: str
    notes: str


class Release(NamedTuple):
    """A release about to be made: `files` is what it writes, `notes` its section in the changelog and its tag."""

    version: str
    before: str  # the tag of the last release; empty where this is the first
    parts: tuple[Part, ...]
    removed: tuple[str, ...]
    blueprints: tuple[str, ...]  # a sentence on each that is another one
    notes: str
    files: Mapping[str, File]
    flaws: tuple[Flaw, ...] = ()

    @property
    def tag(self) -> str:
        return f"v{self.version}"


def prepare(factory: Factory, before: Factory | None, version: str, today: str) -> Release:
    """What a release of the factory as it is would be; an empty version is the next one.

    Raises UsageError for a version that is none, or not newer than the last, and where nothing has changed.
    """
    flaws = tuple(lint(factory, before))
    if flaws:
        return Release(version, "", (), (), (), "", {}, flaws)
    old = _components(before or _lower(factory))
    now, below = _components(factory), _below(factory)
    parts = tuple(part for name, one in now.items() if (part := _part(one, old.get(name), name in below)))
    removed = tuple(sorted(old.keys() - now.keys()))
    last = before.origin.version if before else ""
    if before and factory.files() == before.files():
        raise UsageError(f"nothing has changed since {last}", "change a component, or a blueprint, first")
    told, section = _told(factory, last)
    blueprints = tuple(offered.changes(state(before), state(factory))) if before else ()
    moves = any(row.answer for part in parts if part.name in old for row in later(old[part.name], now[part.name]))
    number = _number(version or told, last, parts, moves or bool(removed or blueprints))
    parts = tuple(part if part.after else part._replace(after=f"v{number}") for part in parts)
    is_told = number == told
    notes = section if is_told else _notes(number, today, parts, removed, blueprints, _moved(factory, before))
    files = {**_dated(factory, parts, today), **({} if is_told else _changelog(factory, notes))}
    return Release(number, last, parts, removed, blueprints, notes, files)


def _told(factory: Factory, last: str) -> tuple[str, str]:
    """The release that the factory's changelog begins with, and its section, where no tag has it yet; empty.

    One that was cut off after its commit is such a release: its tag alone is missing.
    """
    text = _read(factory)
    versions_told = catalog.RELEASE.findall(text)[:2]
    if not versions_told or (last and not versions.is_older(last, versions_told[0])):
        return "", ""
    number = versions_told[0]
    section = release_notes(text, "".join(versions_told[1:]), number)
    return number, f"{section}\n"


def _read(factory: Factory) -> str:
    file = Folder(factory.origin.url).read(CHANGELOG)
    return file.content.decode(errors="replace") if file else "# Changelog\n"


def _components(factory: Factory) -> dict[str, Component]:
    version = factory.origin.version
    return {name: catalog.component(name, factory.read, version, cache.document) for name in factory.components()}


def _lower(factory: Factory) -> Factory:
    """The factory below; one without anything where there is none."""
    return factory._replace(files=lambda: under(factory.files(), layers.UPSTREAM))


def _below(factory: Factory) -> frozenset[str]:
    """The components whose files come from the factory below, or lie on top of its: their versions are its own."""
    start = f"{layers.UPSTREAM}/{catalog.COMPONENTS}/"
    lower = {path.split("/")[2] for path in factory.files() if path.startswith(start)}
    words = layers.declaration(factory.files()).words
    return frozenset(name for name in lower if words.get((catalog.COMPONENTS, name)) in (None, layers.EXTEND))


def _part(now: Component, was: Component | None, extends: bool) -> Part | None:
    """The part of a release that a component is; None where it is as it was."""
    if was and not changed(was, now):
        return None
    said = announced(now)
    before = was.version if was else ""
    if CHANGELOG not in now.tree:
        return Part(now.name, before, "", "")  # it moves with the factory
    after = _next(now, before, extends) if said else now.version
    return Part(now.name, before, after, said or _said(now, before))


def _next(now: Component, before: str, extends: bool) -> str:
    """The version after the last one: what a change was declared for, else the next one.

    The last is the newest of its changelog; of one that begins its changelog, the one that it had with the factory.
    """
    text = now.tree[CHANGELOG].content.decode(errors="replace")
    if not catalog.RELEASE.search(text):
        return bumped(before) if versions.numbers([before]) != [None] else FIRST
    declared = versions.newest([one.since for one in now.changes if versions.is_older(now.version, one.since)])
    if declared:
        return declared
    base, post, number = now.version.partition(POST)
    if extends:
        return f"{base}{POST}{int(number or 0) + 1}" if post else f"{now.version}{POST}1"
    return bumped(now.version)


def bumped(version: str, place: int = 2) -> str:
    """The release after this one: one more at that place (0 major, 1 minor, 2 patch), and zeros behind it."""
    found = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?", version)
    if found is None:
        raise UsageError(f"`{version}` is no version that another one follows", "name the next one")
    numbers = [int(part or 0) for part in found.groups()]
    return ".".join(map(str, [*numbers[:place], numbers[place] + 1, *([0] * (2 - place))]))


def _said(now: Component, before: str) -> str:
    """What its changelog says of the releases after that version."""
    file = now.tree.get(CHANGELOG)
    text = release_notes(file.content.decode(errors="replace"), before, now.version) if file and before else ""
    return re.sub(r"^## .*\n+", "", text, flags=re.MULTILINE).strip()


def _number(wanted: str, last: str, parts: tuple[Part, ...], changes_more: bool) -> str:
    if wanted:
        number = wanted.removeprefix("v")
        if versions.numbers([number])[0] is None or not re.match(r"\d", number):
            raise UsageError(f"`{wanted}` is no version", "write it like `1.4.0`")
        if last and not versions.is_older(last, number):
            raise UsageError(f"{number} is not newer than the last release, {last}")
        return number
    if not last:
        return FIRST
    small = not changes_more and all(
        part.before and _is_patch(part.before, part.after or part.before) for part in parts
    )
    return bumped(last, 2 if small else 1)


def _is_patch(before: str, after: str) -> bool:
    """Whether both versions agree in all but the last number."""
    return before.removeprefix("v").split(".")[:2] == after.removeprefix("v").split(".")[:2]


def _moved(factory: Factory, before: Factory | None) -> str:
    """A sentence on the factory below, where that is another version than in the last release."""
    now = layers.declaration(factory.files()).below
    was = layers.declaration(before.files()).below if before else None
    if now is None or now == was:
        return ""
    return f"Stands on {now.factory} {now.version}" + (f", before on {was.version}." if was else ".")


def _notes(
    number: str,
    today: str,
    parts: tuple[Part, ...],
    removed: tuple[str, ...],
    blueprints: tuple[str, ...],
    moved: str,
) -> str:
    sections = [f"## {number} - {today}", *([moved] if moved else [])]
    for part in parts:
        new = "new" if not part.before else f"before {part.before}" if part.before != part.after else ""
        sections.append(
            "\n\n".join([f"### {part.name} {part.after}" + (f" ({new})" if new else ""), part.notes]).rstrip()
        )
    sections += [f"Removed: {', '.join(removed)}."] if removed else []
    sections += ["### Blueprints", "\n".join(f"- {one}" for one in blueprints)] if blueprints else []
    return "\n\n".join(sections) + "\n"


def _dated(factory: Factory, parts: tuple[Part, ...], today: str) -> dict[str, File]:
    """The changelogs of the parts: what was unreleased stands under the version."""
    return dict(_dated_ones(factory.files(), parts, today))


def _dated_ones(tree: Tree, parts: tuple[Part, ...], today: str) -> Iterator[tuple[str, File]]:
    for part in parts:
        path = f"{catalog.COMPONENTS}/{part.name}/{CHANGELOG}"
        found = UNRELEASED.search(text := tree[path].content.decode(errors="replace")) if path in tree else None
        if found:
            dated = f"{text[: found.start()]}## {part.after} - {today}\n{text[found.end() :]}"
            yield path, tree[path]._replace(content=dated.encode())


def _changelog(factory: Factory, notes: str) -> dict[str, File]:
    """The factory's own changelog, with the notes on top."""
    text = _read(factory)
    found = catalog.RELEASE.search(text)
    head, rest = (text[: found.start()], text[found.start() :]) if found else (text, "")
    return {CHANGELOG: File(f"{head.rstrip()}\n\n{notes}\n{rest}".rstrip().encode() + b"\n")}


def write(folder: str, made: Release, *, sign: bool) -> None:
    """Write the changelogs, commit them with the person's own identity and hooks, and tag the commit.

    Raises ProjectError where git commits or tags nothing: then everything is as it was.
    """
    place = journal.journal_of(folder)
    try:
        with journal.exclusive(place):
            journal.require_finished(place)
            with journal.backed(place, journal.RELEASE, git.commit_of(folder, "HEAD"), *_written(folder, made)):
                git.tagged(folder, sorted(made.files), made.tag, _message(made), sign=sign)
    except MachineError as error:
        hint = "mend it and run this again" + (", or leave the signature out: `--no-sign`" if sign else "")
        raise ProjectError(f"nothing was released: {error.message}", hint) from None


def _written(folder: str, made: Release) -> tuple[list[Step], list[Stage]]:
    """What is written, and what the index holds then."""
    before = Folder(folder).read_all(made.files)
    ids = git.store(folder, [file.content for file in made.files.values()])
    stages = [Stage(path, Blob(file.mode, ids[file.content])) for path, file in made.files.items()]
    return [Step(path, before.get(path), file) for path, file in made.files.items()], stages


def _message(made: Release) -> bytes:
    return f"Release {made.tag}\n\n{made.notes.partition(chr(10))[2].strip()}\n".encode()
