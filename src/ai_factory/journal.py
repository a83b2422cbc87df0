"""Writes a plan into a project so that it can be killed at any moment, finished later, or undone to the byte.

What is to be written and what was there before lie in the repository's own folder before the first file
of the project changes. The journal of a sync stays until the next one, for `--abort`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from ai_factory import git
from ai_factory.errors import ProjectError
from ai_factory.git import Stage
from ai_factory.tree import Blob, File
from ai_factory.workspace import Folder, Repository

APPLYING, APPLIED = "applying", "applied"
INDEX, STAGED = "index", "index.staged"  # copies of git's index: before the sync, and as the sync left it


class Step(NamedTuple):
    """One path before and after; None: no file."""

    path: str
    before: File | None
    after: File | None


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of one project, in its repository's own folder."""

    root: str
    repository: Repository

    @property
    def place(self) -> str:
        name = os.path.relpath(self.root, self.repository.top)
        slug = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        return os.path.join(self.repository.private, "ai-factory", slug)

    @property
    def index(self) -> str:
        return os.path.join(self.repository.private, "index")

    @property
    def exclude(self) -> str:
        return os.path.join(self.repository.common, "info", "exclude")

    def state(self) -> str:
        """`applying`, `applied`, or empty when no sync left a journal."""
        return str(self.load().get("state", ""))

    def head(self) -> str:
        """The commit on which the sync was made."""
        return str(self.load().get("head", ""))

    def wrote(self, path: str) -> File | None:
        """What the sync put at the path; None when it wrote nothing there, or left no journal."""
        rows = {row["path"]: row["after"] for row in self.load().get("steps", [])}
        row = rows.get(path)
        return _kept(self.place, row) if row else None

    def watched(self) -> dict[str, str]:
        """The files left to a person, and their blob ids when the sync left them."""
        return dict(self.load().get("watched", {}))

    def load(self) -> dict[str, Any]:
        """The record of the sync; empty when none left one."""
        try:
            with open(os.path.join(self.place, "journal.json"), encoding="utf-8") as stream:
                return dict(json.load(stream))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise ProjectError(
                f"the journal `{self.place}` is broken", "remove that folder, and look at `git status`"
            ) from None


def journal_of(root: str) -> Journal:
    """The journal of the project at `root`. Raises ProjectError outside a git work tree."""
    return Journal(os.path.realpath(root), git.repository_of(root))


@contextmanager
def exclusive(journal: Journal) -> Iterator[None]:
    """Hold the project against a second sync. Raises ProjectError when one is running."""
    os.makedirs(os.path.dirname(journal.place), exist_ok=True)
    with open(f"{journal.place}.lock", "w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ProjectError("another sync is running in this project", "wait until it has ended") from None
        yield


def apply(
    journal: Journal,
    head: str,
    steps: Sequence[Step],
    stages: Sequence[Stage],
    incoming: Sequence[str],
    watched: Mapping[str, str] | None = None,
) -> None:
    """Carry out the steps in order, then stage; on any failure everything is as before.

    `watched` holds the blob ids of the files left to a person, so that their work on them can be told later.
    Raises ProjectError for a file that is no longer what the step says it is: somebody is writing in it.
    """
    _prepare(journal, head, steps, stages, incoming, watched or {})
    try:
        finish(journal)
    except BaseException:
        undo(journal, overwrite=False)
        raise


def _prepare(
    journal: Journal,
    head: str,
    steps: Sequence[Step],
    stages: Sequence[Stage],
    incoming: Sequence[str],
    watched: Mapping[str, str],
) -> None:
    draft = f"{journal.place}.new"
    shutil.rmtree(draft, ignore_errors=True)
    os.makedirs(draft)
    rows = [
        {"path": step.path, "before": _keep(draft, step.before), "after": _keep(draft, step.after)} for step in steps
    ]
    had_index = _copy(journal.index, os.path.join(draft, INDEX))
    record = {
        "state": APPLYING,
        "head": head,
        "steps": rows,
        "stages": [_stage_row(stage) for stage in stages],
        "watched": dict(watched),
        "exclude": {"before": _read_text(journal.exclude), "lines": _missing_lines(journal, incoming)},
        "index": had_index,
    }
    _write_record(draft, record)
    _drop(journal)
    os.rename(draft, journal.place)


def _keep(draft: str, file: File | None) -> dict[str, str] | None:
    if file is None:
        return None
    name = hashlib.sha256(file.content).hexdigest()
    with open(os.path.join(draft, name), "wb") as stream:
        stream.write(file.content)
    return {"mode": file.mode, "content": name}


def _kept(place: str, row: dict[str, str]) -> File:
    with open(os.path.join(place, row["content"]), "rb") as stream:
        return File(stream.read(), row["mode"])


def _stage_row(stage: Stage) -> dict[str, Any]:
    sides = None if stage.sides is None else [None if side is None else list(side) for side in stage.sides]
    return {"path": stage.path, "clean": list(stage.clean) if stage.clean else None, "sides": sides}


def _write_record(place: str, record: dict[str, Any]) -> None:
    temporary = os.path.join(place, "journal.new")
    with open(temporary, "w", encoding="utf-8") as stream:
        json.dump(record, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, os.path.join(place, "journal.json"))


def _read_text(place: str) -> str | None:
    try:
        with open(place, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def finish(journal: Journal) -> None:
    """Bring the project to the state after: doing it twice does no harm.

    Raises ProjectError for a file that is neither as before nor as after.
    """
    record = journal.load()
    folder = Folder(journal.root)
    for step in _steps(journal, record):
        now = folder.read(step.path)
        if now not in (step.before, step.after):
            raise ProjectError(
                f"`{step.path}` was changed while the sync was under way",
                "`ai-factory sync --abort` goes back, and keeps what is there as a git object",
            )
        if now != step.after:
            _put(folder, step.path, step.after)
    _add_lines(journal, record["exclude"]["lines"])
    git.stage(journal.root, [_stage_of(row) for row in record["stages"]])
    _copy(journal.index, os.path.join(journal.place, STAGED))
    _write_record(journal.place, {**record, "state": APPLIED})


def amend(journal: Journal, steps: Sequence[Step]) -> None:
    """Count further steps, which were carried out and staged, to the sync: an abort takes them back too."""
    record = journal.load()
    known = {row["path"]: row for row in record["steps"]}
    for step in steps:
        row = known.setdefault(step.path, {"path": step.path, "before": _keep(journal.place, step.before)})
        row["after"] = _keep(journal.place, step.after)
    _copy(journal.index, os.path.join(journal.place, STAGED))
    _write_record(journal.place, {**record, "steps": list(known.values())})


def undo(journal: Journal, *, overwrite: bool = True) -> dict[str, str]:
    """Bring the project back to the state before, index included, and drop the journal.

    A file that is neither as before nor as after was written by somebody since: with `overwrite` its content is
    kept as a git object, whose id is returned by path; else the file is left as it is.
    """
    record = journal.load()
    folder = Folder(journal.root)
    kept: dict[str, str] = {}
    for step in reversed(list(_steps(journal, record))):
        folder.forget_draft(step.path)
        now = folder.read(step.path)
        if now == step.before or folder.is_folder(step.path):
            continue
        if now != step.after:
            if not overwrite:
                continue
            if now is not None:
                kept[step.path] = git.store(journal.root, [now.content])[now.content]
        _put(folder, step.path, step.before)
    _restore_index(journal, record)
    _remove_lines(journal, record["exclude"]["before"], record["exclude"]["lines"])
    _drop(journal)
    return kept


def _steps(journal: Journal, record: dict[str, Any]) -> Iterator[Step]:
    for row in record["steps"]:
        before, after = (_kept(journal.place, row[side]) if row[side] else None for side in ("before", "after"))
        yield Step(row["path"], before, after)


def _restore_index(journal: Journal, record: dict[str, Any]) -> None:
    """The whole index to the byte where nobody staged anything since; else the sync's own paths only."""
    saved, staged = (os.path.join(journal.place, name) for name in (INDEX, STAGED))
    now = git.index_listing(journal.root)
    if now not in (_listing(journal, saved), _listing(journal, staged) if os.path.exists(staged) else None):
        git.restage(journal.root, saved if record["index"] else "", [row["path"] for row in record["stages"]])
    elif not _copy(saved, journal.index):
        with suppress(FileNotFoundError):
            os.unlink(journal.index)


def _listing(journal: Journal, saved: str) -> bytes:
    return git.index_listing(journal.root, saved) if os.path.exists(saved) else b""


def _copy(source: str, target: str) -> bool:
    """Copy a file, whole or not at all; whether there was one."""
    draft = f"{target}.ai-factory"
    try:
        shutil.copy2(source, draft)
    except FileNotFoundError:
        return False
    os.replace(draft, target)
    return True


def _drop(journal: Journal) -> None:
    """Remove the journal, its record first: without that it is none, however much of the rest is left."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(journal.place, "journal.json"))
    shutil.rmtree(journal.place, ignore_errors=True)


def _put(folder: Folder, path: str, file: File | None) -> None:
    if file is None:
        folder.delete(path)
    else:
        folder.write(path, file)


def _missing_lines(journal: Journal, incoming: Sequence[str]) -> list[str]:
    """The lines of git's exclude file that hide the proposals, as far as they are not there."""
    prefix = os.path.relpath(journal.root, journal.repository.top)
    known = (_read_text(journal.exclude) or "").splitlines()
    lines = [f"/{_literal(os.path.normpath(os.path.join(prefix, path)))}" for path in incoming]
    return [line for line in lines if line not in known]


def _add_lines(journal: Journal, lines: Sequence[str]) -> None:
    known = _read_text(journal.exclude) or ""
    missing = [line for line in lines if line not in known.splitlines()]
    if missing:
        _write_text(journal.exclude, _with(known, missing))


def _remove_lines(journal: Journal, before: str | None, lines: Sequence[str]) -> None:
    """The file to the byte where nobody wrote in it since; else without these lines."""
    known = _read_text(journal.exclude)
    if known is None or not lines:
        return
    if known != _with(before or "", lines):
        _write_text(journal.exclude, _without(known, lines))
    elif before is None:
        os.unlink(journal.exclude)
    else:
        _write_text(journal.exclude, before)


def _with(text: str, lines: Sequence[str]) -> str:
    gap = "" if not text or text.endswith("\n") else "\n"
    return text + gap + "\n".join(lines) + "\n"


def _without(text: str, lines: Sequence[str]) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if line.rstrip("\n") not in lines)


def _write_text(place: str, text: str) -> None:
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        stream.write(text)


def _literal(path: str) -> str:
    """The path as a line that git matches with it alone; a line break can only be matched by `?`."""
    return re.sub(r"([\\*?\[])", r"\\\1", path).replace("\n", "?")


def _stage_of(row: dict[str, Any]) -> Stage:
    sides = row["sides"]
    return Stage(
        row["path"],
        Blob(*row["clean"]) if row["clean"] else None,
        tuple(Blob(*side) if side else None for side in sides) if sides else None,  # type: ignore[arg-type]
    )
