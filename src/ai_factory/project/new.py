"""Stamps a project: a plan first, then files, lock and base, then a repository with one commit."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from ai_factory import base, catalog, foreign, git, lock, manifest, questions
from ai_factory.errors import AnswersError
from ai_factory.manifest import Manifest
from ai_factory.plan import Change, Plan, births
from ai_factory.project import filling
from ai_factory.project.filling import Progress
from ai_factory.project.target import Recipe, guarded, rendered, settle
from ai_factory.questions import Ask, Asked, Check
from ai_factory.tree import File

ATTRIBUTES = b"base binary linguist-generated\nlock.json -merge linguist-generated\n"
ROOT_ONLY = (".github", ".gitlab-ci.yml", "CODEOWNERS", ".pre-commit-config.yaml")
NAMED_AFTER_FOLDER = "use_case"  # the answer that, unless given, is taken from the name of the destination


class Birth(NamedTuple):
    """A project about to be written."""

    destination: str
    plan: Plan
    manifest: Manifest
    signed_by: str = ""  # who signed the release, where that was asked


class Born(NamedTuple):
    """A project that was written: whose its first commit is, if one was made, and what to install at the root."""

    root: str
    author: git.Author | None
    install: str
    ignored: tuple[str, ...] = ()  # stamped files that the repository around ignores


def prepare(made: Recipe, wish: Manifest, destination: str, ask: Ask | None = None) -> Birth:
    """Compute the whole project; nothing is written.

    Raises UsageError for a destination that is not empty or cannot be written, AnswersError, AuthorError.
    """
    filling.check(destination)
    answers, given = effective_answers(made, wish.answers, destination, ask)
    target = rendered(made, answers)
    given = questions.typed(catalog.all_questions(made.components), given, answers)
    wanted = wish._replace(blueprint=made.blueprint.name, answers=given)
    return Birth(destination, births(target), wanted, made.factory.signed_by)


def effective_answers(
    made: Recipe, given: Mapping[str, Any], destination: str, ask: Ask | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """All effective answers, and those of them that were given: by name, by the folder's name, or by a person."""
    if made.factory.engine:
        return _by_engine(made, given, destination, ask)
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


def _by_engine(
    made: Recipe, given: Mapping[str, Any], destination: str, ask: Ask | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same for a foreign template, which may ask what the folder is called; a secret is not written down."""
    named = {foreign.FOLDER: os.path.basename(os.path.abspath(destination))}
    answers, kept = _asked(made, given, ask, named) if ask else (settle(made, given, named=named), given)
    return answers, made.kept({key: value for key, value in kept.items() if key not in named})


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


def write(birth: Birth, make_repository: bool = True, progress: Progress = lambda path: None) -> Born:
    """Write the project; on any failure nothing of it is left behind."""
    message = f"Stamp {birth.manifest.blueprint} with ai-factory" if make_repository else ""
    files = dict(contents(birth))
    done = filling.fill(birth.destination, files, message, progress, birth.plan.apart)
    root, around = done.root, done.around
    install = install_command(root, around.top if around else root, birth.plan.changes)
    ignored = tuple(sorted(git.ignored(root, sorted(files)))) if around and shutil.which("git") else ()
    return Born(root, done.author, install, ignored)


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


def install_command(root: str, top: str, changes: tuple[Change, ...]) -> str:
    """The command that copies what only works at the root of a repository there; empty at the root itself."""
    if os.path.realpath(root) == os.path.realpath(top):
        return ""
    found = sorted({change.path.split("/")[0] for change in changes if change.file} & set(ROOT_ONLY))
    places = " ".join(shlex.quote(os.path.relpath(os.path.join(root, name))) for name in found)
    return f"cp -Rn {places} {shlex.quote(os.path.relpath(top))}/" if found else ""
