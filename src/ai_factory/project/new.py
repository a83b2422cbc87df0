"""Stamps a project: a plan first, then files, lock and base, then a repository with one commit."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from ai_factory import base, catalog, git, lock, manifest, questions
from ai_factory.errors import AnswersError, MachineError, UsageError
from ai_factory.interruption import undisturbed
from ai_factory.manifest import Manifest
from ai_factory.plan import Change, Plan, births
from ai_factory.project.target import Recipe, guarded, rendered, settle
from ai_factory.questions import Ask, Asked, Check
from ai_factory.tree import File, word
from ai_factory.workspace import Folder, find_repository, unusable

ATTRIBUTES = b"base binary linguist-generated\nlock.json -merge linguist-generated\n"
ROOT_ONLY = (".github", ".gitlab-ci.yml", "CODEOWNERS", ".pre-commit-config.yaml")
UNFINISHED = ".ai-factory-new"  # lies in the folder as long as `new` is at work there
THEIR_REPOSITORY = "the repository was here before\n"
NAMED_AFTER_FOLDER = "use_case"  # the answer that, unless given, is taken from the name of the destination
Progress = Callable[[str], None]


class Birth(NamedTuple):
    """A project about to be written."""

    destination: str
    plan: Plan
    manifest: Manifest
    signed_by: str = ""  # who signed the release, where that was asked


class Born(NamedTuple):
    """A project that was written: whether it became a repository, with whose identity, what to install at the root."""

    root: str
    repository: bool
    own_identity: bool
    install: str
    ignored: tuple[str, ...] = ()  # stamped files that the repository around ignores


def prepare(made: Recipe, wish: Manifest, destination: str, ask: Ask | None = None) -> Birth:
    """Compute the whole project; nothing is written.

    Raises UsageError for a destination that is not empty or cannot be written, AnswersError, AuthorError.
    """
    _check_destination(destination)
    answers, given = effective_answers(made, wish.answers, destination, ask)
    target = rendered(made, answers)
    given = questions.typed(catalog.all_questions(made.components), given, answers)
    return Birth(destination, births(target), wish._replace(answers=given), made.factory.signed_by)


def effective_answers(
    made: Recipe, given: Mapping[str, Any], destination: str, ask: Ask | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """All effective answers, and those of them that were given: by name, by the folder's name, or by a person."""
    name = name_from(destination) if NAMED_AFTER_FOLDER not in given and _asks(made, NAMED_AFTER_FOLDER) else ""
    named = {NAMED_AFTER_FOLDER: name} if name else {}
    if ask:
        return _asked(made, given, ask, named)
    try:
        return settle(made, given, named=named), {**named, **given}
    except AnswersError as error:
        if not named or error.problems.keys() <= given.keys():
            raise
    return settle(made, given), dict(given)  # the folder's name makes no good answer: it is none


def _asked(
    made: Recipe, given: Mapping[str, Any], ask: Ask, named: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    spoken: dict[str, Any] = {}

    def listening(shown: Asked, check: Check) -> Any:
        value = ask(shown, check)
        if value != shown.default:
            spoken[shown.question.key] = value
        return value

    def conversation() -> tuple[dict[str, Any], dict[str, Any]]:
        answers = settle(made, given, listening, named)
        return answers, {**named, **given, **spoken}

    return guarded(made.factory, conversation)


def _asks(made: Recipe, key: str) -> bool:
    return any(question.key == key for component in made.components for question in component.questions)


def name_from(destination: str) -> str:
    """The name of a use case as its folder tells it, `credit-line` → `credit line`; empty when it tells none."""
    words = re.findall(r"[a-z0-9]+", os.path.basename(os.path.abspath(destination)).lower())
    if not words or not words[0][0].isalpha() or "_".join(words) in sys.stdlib_module_names | {"test"}:
        return ""
    return " ".join(words)


def _check_destination(destination: str) -> None:
    if not destination.strip() or ".git" in os.path.abspath(destination).split(os.sep):
        raise UsageError(f"`{destination}` is no folder for a project", "name a folder that is new or empty")
    if os.path.lexists(destination) and not os.path.isdir(destination):
        raise UsageError(f"`{destination}` is a file", "name a folder that is new or empty")
    place = destination
    while not os.path.isdir(place):
        place = os.path.dirname(os.path.abspath(place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise MachineError(f"`{place}` cannot be written", "choose another folder, or change its permissions")
    if os.path.lexists(os.path.join(destination, UNFINISHED)):
        raise _unfinished(destination)
    if os.path.isdir(destination):
        inside = sorted(name for name in os.listdir(destination) if name != ".git")
        if inside:
            raise UsageError(
                f"`{destination}` is not empty: it holds `{inside[0]}`" + (" and more" if inside[1:] else ""),
                "name a folder that is new or empty",
            )


def _unfinished(destination: str) -> UsageError:
    place = word(os.path.abspath(destination))
    ours = Folder(destination).read(UNFINISHED) != File(THEIR_REPOSITORY.encode())
    return UsageError(
        f"an `ai-factory new` is at work in `{destination}`, or was cut off there",
        f"if none is running: `{f'rm -r {place}' if ours else f'git -C {place} clean -ffdx'}`, then the same again",
    )


def write(birth: Birth, make_repository: bool = True, progress: Progress = lambda path: None) -> Born:
    """Write the project; on any failure nothing of it is left behind."""
    root = os.path.abspath(birth.destination)
    around = find_repository(root)
    had_git = os.path.lexists(os.path.join(root, ".git"))
    written: list[str] = []
    made: list[str] = []
    try:
        _begin(root, made, had_git)
        folder = Folder(root)
        files = dict(contents(birth))
        for path, file in files.items():
            written.append(path)
            folder.write(path, file)
            progress(path)
        own_identity = True
        if make_repository and not around:
            own_identity = git.first_commit(root, files, f"Stamp {birth.manifest.blueprint} with ai-factory")
        os.unlink(made[-1])
    except BaseException:
        with undisturbed():
            _undo(root, written, made, had_git)
        raise
    install = install_command(root, around.top if around else root, birth.plan.changes)
    ignored = tuple(sorted(git.ignored(root, written))) if around and shutil.which("git") else ()
    return Born(root, make_repository and not around, own_identity, install, ignored)


def contents(birth: Birth) -> list[tuple[str, File]]:
    """Every file of the project, our own last: a folder without a lock is no project."""
    archive = base.write(birth.plan.new_base())
    wanted = manifest.write(birth.manifest)
    record = lock.write(birth.plan.new_lock(archive, wanted))
    stamped = [(change.path, change.file) for change in birth.plan.changes if change.file]
    return [
        *stamped,
        (lock.ATTRIBUTES, File(ATTRIBUTES)),
        (lock.PROJECT, File(wanted)),
        (lock.BASE, File(archive)),
        (lock.LOCK, File(record)),
    ]


def _begin(root: str, made: list[str], had_git: bool) -> None:
    """Make the folder and those above it, and say in it that it is not finished: all is named in `made`."""
    missing: list[str] = []
    place = root
    while not os.path.isdir(place):
        missing.insert(0, place)
        place = os.path.dirname(place)
    mark = os.path.join(root, UNFINISHED)
    try:
        with undisturbed():  # what is made is named, whatever comes in between
            for place in missing:
                os.mkdir(place)
                made.append(place)
            with open(mark, "x", encoding="utf-8") as stream:
                made.append(mark)
                stream.write(THEIR_REPOSITORY if had_git else "")
    except FileExistsError:
        raise _unfinished(root) from None
    except OSError as error:
        raise unusable(root, "write", error) from None


def _undo(root: str, written: list[str], made: list[str], had_git: bool) -> None:
    folder = Folder(root)
    for path in written:
        folder.delete(path)
    if not had_git:
        shutil.rmtree(os.path.join(root, ".git"), ignore_errors=True)
    for place in reversed(made):
        with suppress(OSError):
            (os.unlink if os.path.basename(place) == UNFINISHED else os.rmdir)(place)


def install_command(root: str, top: str, changes: tuple[Change, ...]) -> str:
    """The command that copies what only works at the root of a repository there; empty at the root itself."""
    if os.path.realpath(root) == os.path.realpath(top):
        return ""
    found = sorted({change.path.split("/")[0] for change in changes if change.file} & set(ROOT_ONLY))
    places = " ".join(shlex.quote(os.path.relpath(os.path.join(root, name))) for name in found)
    return f"cp -Rn {places} {shlex.quote(os.path.relpath(top))}/" if found else ""
