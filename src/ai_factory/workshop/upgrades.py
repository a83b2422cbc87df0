"""Stamps a project at a release, edits it as a team would, brings it to the factory as it is now, and looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_factory import check, evolve, git, markers, shadows
from ai_factory.errors import FactoryError
from ai_factory.factory import Factory, Wanted, open_factory
from ai_factory.manifest import Manifest
from ai_factory.merge import Declared
from ai_factory.project import conflicts, new, sync
from ai_factory.project.opening import Project, open_project
from ai_factory.project.release import Request
from ai_factory.project.sync import Sync
from ai_factory.project.target import Choice, declared, recipe
from ai_factory.tree import LINK, File, Tree, blob_id, is_binary
from ai_factory.workshop.choices import Offer

OWN = "notes-of-the-team.md"  # a file that no factory knows
OWN_FILE = File(b"# Ours\n\nNobody stamps this file.\n")
EDIT = "an edit by the team, number"  # of a file
SIGNS: Mapping[str, tuple[str, str]] = {  # what begins and ends a comment in files whose name ends so
    **dict.fromkeys((".py", ".toml", ".yaml", ".yml", ".sh", ".cfg", ".ini", ".txt", ".rego", ".tf"), ("# ", "")),
    **dict.fromkeys(("Makefile", "Dockerfile", "CODEOWNERS", ".gitignore", ".dockerignore"), ("# ", "")),
    **dict.fromkeys((".md", ".html"), ("<!-- ", " -->")),
}


class Broken(NamedTuple):
    """What an upgrade did that it must not; `path` is empty where it is about no one file."""

    path: str
    message: str


class Upgraded(NamedTuple):
    """How the upgrade from a release went.

    `skipped` says why there was none to try; `folder` is where the project lies, `conflicts` what a team has to decide.
    """

    blueprint: str
    release: str
    folder: str
    edits: int = 0
    conflicts: tuple[str, ...] = ()
    broken: tuple[Broken, ...] = ()
    skipped: str = ""


class Edited(NamedTuple):
    """What a team did in a project: a text in each of some files, a file that it removed, the files of its own."""

    marks: Mapping[str, str]  # by path
    removed: str
    seeded: Tree


def upgraded(now: Factory, blueprint: str, release: str, folder: str) -> Upgraded:
    """Bring a project of that release to the factory as it is now, in a folder that is not there yet."""
    told = Upgraded(blueprint, release, folder)
    then = open_factory(now.origin.url, Wanted(release))
    if blueprint not in then.blueprints():
        return told._replace(skipped="the release does not have it")
    try:
        stamp(then, blueprint, folder)
    except FactoryError as error:
        return told._replace(skipped=f"the release cannot be stamped any more: {error.message}")
    edited = _edit(open_project(folder))
    told = told._replace(edits=len(edited.marks))
    if blueprint not in now.blueprints():
        return told._replace(broken=(Broken("", f"the blueprint `{blueprint}` of {release} is gone"),))
    try:
        return _brought(told, edited, now)
    except FactoryError as error:
        lines = "; ".join([error.message, *error.details])
        return told._replace(broken=(Broken("", f"the sync is refused: {lines}"),))


def stamp(then: Factory, blueprint: str, folder: str) -> None:
    """Stamp a project of that blueprint with its defaults. Raises as `new` does."""
    offer = Offer(then, blueprint)
    wish = Manifest(then.origin.url, blueprint, answers=offer.needed)
    new.write(new.prepare(offer.recipe(()), wish, folder))


# ---- what a team does ------------------------------------------------------------------------------


def _edit(project: Project) -> Edited:
    """Edit each merged and seeded text in its middle, remove a merged page, add a file; and commit that."""
    rows = project.lock.paths
    files = project.folder.read_all(sorted(path for path in rows if rows[path].ownership in ("merged", "seeded")))
    removed = _removable([path for path in files if rows[path].ownership == "merged" and not rows[path].controls])
    written: dict[str, File] = {OWN: OWN_FILE}
    marks: dict[str, str] = {}
    for number, (path, file) in enumerate(files.items(), 1):
        text = f"{EDIT} {number}."
        edited = None if path == removed else with_comment(path, file, text)
        if edited:
            written[path], marks[path] = edited, text
    for path, file in written.items():
        project.disk.write(path, file)
    if removed:
        project.disk.delete(removed)
    _commit(project.root, "Work of the team")
    seeded = {path: file for path, file in written.items() if path in rows and rows[path].ownership == "seeded"}
    return Edited(marks, removed, seeded)


def _removable(merged: Sequence[str]) -> str:
    """A merged file that a team could do without: a page that is evidence for nothing, and not at the top."""
    return next((path for path in reversed(merged) if path.endswith(".md") and "/" in path), "")


def with_comment(path: str, file: File, text: str) -> File | None:
    """The file with a comment in its middle, before a line that begins at the margin; None where it takes none."""
    signs = next((signs for ending, signs in SIGNS.items() if path.endswith(ending)), None)
    if signs is None or file.mode == LINK or is_binary(file.content) or b"\r" in file.content:
        return None
    lines = file.content.splitlines(keepends=True)
    free = [number for number in range(1, len(lines)) if _is_free(lines[number - 1], lines[number])]
    place = min(free, key=lambda number: abs(number - len(lines) // 2), default=len(lines))
    before = lines[:place]
    if before and not before[-1].endswith(b"\n"):
        before[-1] += b"\n"
    comment = f"{signs[0]}{text}{signs[1]}\n".encode()
    return file._replace(content=b"".join([*before, comment, *lines[place:]]))


def _is_free(before: bytes, line: bytes) -> bool:
    """Whether a comment may stand between these lines, for readers and for formatters, as far as lines tell."""
    begins = line[:1].strip() != b"" and not line.startswith((b")", b"]", b"}", b"#!", b"---"))
    return begins and not before.rstrip(b"\n").endswith(b"\\")


# ---- what must hold ------------------------------------------------------------------------------


def _brought(told: Upgraded, edited: Edited, now: Factory) -> Upgraded:
    """Sync, look, decide each conflict for the team, look again, and sync again."""
    project = open_project(told.folder)
    made = sync.towards(project, now, Request())
    broken = list(_undeclared(project, made, now, told.release))
    open_ = tuple(change.path for change in made.plan.conflicts)
    if not made.nothing_to_do:
        sync.apply(made)
    after = open_project(told.folder)
    broken += [*_lost(after, edited, open_), *([] if open_ else _marked(after))]
    if open_:
        conflicts.take(after, "ours", open_)
    _commit(told.folder, "Update")
    broken += _found(open_project(told.folder))
    again = sync.towards(open_project(told.folder), now, Request())
    if not again.nothing_to_do:
        paths = ", ".join(f"`{change.path}`" for change in again.plan.visible) or "the lock"
        broken.append(Broken("", f"a second sync would change something again: {paths}"))
    return told._replace(conflicts=open_, broken=tuple(broken))


def _undeclared(project: Project, made: Sync, now: Factory, release: str) -> Iterator[Broken]:
    """Paths that are gone and of which no change speaks: an edit there is a conflict in every project."""
    target = made.plan.target
    if not target.rendered.owned:  # nothing was rendered: the project has it all
        return
    known = _declared(project, made, now)
    for path, entry in project.lock.paths.items():
        ours = entry.ownership in ("managed", "merged") and entry.component in target.components
        if ours and path not in {*target.rendered.owned, *known.renames, *known.removed}:
            yield Broken(path, f"`{path}` of {release} is gone, and no change of `{entry.component}` declares it")


def _declared(project: Project, made: Sync, now: Factory) -> Declared:
    wish = project.manifest()
    found = recipe(now, Choice(wish.blueprint, wish.with_, wish.without))
    pending = evolve.pending(found.components, project.lock.components)
    return declared(found, pending, project.lock.answers, made.plan.target.answers)


def _lost(after: Project, edited: Edited, open_: Sequence[str]) -> Iterator[Broken]:
    """Work of the team that is not there any more, or is there again."""
    contents = b"\n".join(file.content for file in after.folder.read_all(after.folder.walk()).values())
    for path, text in edited.marks.items():
        if text.encode() not in contents:
            yield Broken(path, f"the team's edit of `{path}` is lost")
    for path, file in edited.seeded.items():
        entry = after.lock.paths.get(path)
        still = entry is None or entry.ownership == "seeded"
        if still and path not in open_ and after.folder.read(path) != file:
            yield Broken(path, f"the seeded file `{path}` was touched")
    if after.folder.read(OWN) != OWN_FILE:
        yield Broken(OWN, f"the team's own file `{OWN}` was touched")
    if edited.removed and after.folder.read(edited.removed):
        yield Broken(edited.removed, f"`{edited.removed}` is back, though the team had removed it")


def _marked(after: Project) -> Iterator[Broken]:
    for path, file in after.folder.read_all(after.lock.paths).items():
        if markers.has_markers(file.content) and blob_id(file.content) != after.lock.paths[path].base:
            yield Broken(path, f"`{path}` holds conflict markers, though no conflict was told")


def _found(after: Project) -> Iterator[Broken]:
    """What a check finds."""
    record, folder = after.lock, after.disk
    files = folder.read_all(path for path, one in record.paths.items() if one.ownership in ("managed", "merged"))
    strangers = shadows.unexpected(folder, record.folders, record.paths)
    for one in check.compare(record, files, strangers, folder.modes, shadows.shadows(folder, record.paths)):
        yield Broken(one.path, f"`check` finds {one.rule} afterwards: `{one.path}` {one.message}")


def _commit(folder: str, message: str) -> None:
    """Commit all that lies there, as nobody in particular, without any hook."""
    who = ["-c", f"user.name={git.NOBODY[0]}", "-c", f"user.email={git.NOBODY[1]}", "-c", "commit.gpgSign=false"]
    git.run(["add", "--all"], folder)
    git.run([*who, "commit", "--quiet", "--allow-empty", "--no-verify", "-m", message], folder)
