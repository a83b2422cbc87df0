"""Writes a plan into a project so that it can be killed at any moment, finished later, or undone to the byte.

What is to be written and what was there before lie in the repository's own folder, and on the disk, before the
first file of the project changes. The journal of a sync stays until the next one, for `--abort`; what is done on
top of it, a decision or a restore, has a journal of its own while it is under way (`Journal.act`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, BinaryIO, NamedTuple

from ai_factory import git
from ai_factory.errors import FactoryError, ProjectError
from ai_factory.exclusion import alone
from ai_factory.git import Stage
from ai_factory.interruption import undisturbed
from ai_factory.tree import Blob, File
from ai_factory.workspace import Folder, Repository, unusable

APPLYING, APPLIED, ABORTING = "applying", "applied", "aborting"
SYNC, DECISION, REPAIR, RESTORE, ABORT = "a sync", "a decision", "a repair", "a restore", "going back"
ADOPTION, EJECTION = "an adoption", "an ejection"
UPDATE, RELEASE = "an update", "a release"  # of a factory
ONLY_BACK = (ABORT, RELEASE)  # what nobody can finish but by going back
RECORD, CONTENTS, RESERVE = "journal.json", "contents", "reserve"
INDEX, STAGED = "index", "index.staged"  # copies of git's index: before the sync, and as the sync leaves it
FORMAT = 2  # of a record; another version of the tool may have written it
BLOCK = 4096  # bytes by which a disk takes space
SLACK = 256 * 1024  # bytes that records and folders may need besides the files


class Step(NamedTuple):
    """One path before and after; None: no file."""

    path: str
    before: File | None
    after: File | None


class Journal(NamedTuple):
    """The journal of one project, in its repository's own folder."""

    root: str
    repository: Repository
    part: str = ""

    @property
    def mark(self) -> str:
        """The beginning of every name that this project has in the repository's own folder."""
        name = os.path.relpath(self.root, self.repository.top)
        slug = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        return os.path.join(self.repository.private, "ai-factory", slug)

    @property
    def place(self) -> str:
        return self.mark + self.part

    @property
    def act(self) -> Journal:
        """The journal of what is being done on top of a sync."""
        return self._replace(part=".act")

    @property
    def index_file(self) -> str:
        return os.path.join(self.repository.private, "index")

    def state(self) -> str:
        """`applying`, `applied`, `aborting`, or empty when no sync left a journal."""
        return str(self.load().get("state", ""))

    def head(self) -> str:
        """The commit on which the sync was made."""
        return str(self.load().get("head", ""))

    def wrote(self, path: str) -> File | None:
        """What the sync put at the path; None when it wrote nothing there, or left no journal."""
        record = self.load()
        row = next((row["after"] for row in record.get("steps", []) if row["path"] == path), None)
        if row is None:
            return None
        with open(_contents(self), "rb") as contents:
            return _kept(contents, row)

    def watched(self) -> dict[str, str]:
        """The files left to a person, and their blob ids when the sync left them."""
        return dict(self.load().get("watched", {}))

    def load(self) -> dict[str, Any]:
        """The record of the sync; empty when none left one."""
        try:
            with open(os.path.join(self.place, RECORD), encoding="utf-8") as stream:
                record = dict(json.load(stream))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise _broken(self.place) from None
        if record.get("format") == FORMAT:
            return record
        if record.get("state") == APPLIED:
            return {}
        raise ProjectError(
            f"the journal `{self.place}` was written by another version of ai-factory",
            "finish with that version; or remove that folder, and look at `git status`",
        )


def _broken(place: str) -> ProjectError:
    return ProjectError(f"the journal `{place}` is broken", "remove that folder, and look at `git status`")


def journal_of(root: str) -> Journal:
    """The journal of the project at `root`. Raises ProjectError outside a git work tree, or where it is a link."""
    journal = Journal(os.path.realpath(root), git.repository_of(root))
    if os.path.islink(os.path.dirname(journal.mark)):
        raise ProjectError(f"`{os.path.dirname(journal.mark)}` is a link, which nobody of ours made", "remove it")
    return journal


def begun_above(start: str) -> str:
    """The nearest folder, from `start` upwards, in which a run has left a journal; empty where none has.

    The lock alone does not tell where that was: one may be about to come, or be gone.
    """
    repository = git.repository_of(start)
    here = os.path.realpath(start)
    while here.startswith(repository.top):
        found = Journal(here, repository)
        if found.load() or found.act.load():
            return here
        here = os.path.dirname(here)
    return ""


@contextmanager
def exclusive(journal: Journal) -> Iterator[None]:
    """Hold the project against a second sync, and clear what a killed one left besides its journal.

    Raises ProjectError when one is running.
    """
    place = f"{journal.mark}.lock"
    with ExitStack() as held:
        try:
            held.enter_context(alone(place))
        except BlockingIOError:
            raise ProjectError("another sync is running in this project", "wait until it has ended") from None
        except OSError as error:
            raise unusable(place, "write", error) from None
        with _writing(place):
            _tidy(journal)
        yield


def _tidy(journal: Journal) -> None:
    for part in (journal, journal.act):
        shutil.rmtree(f"{part.place}.new", ignore_errors=True)
        if not os.path.exists(os.path.join(part.place, RECORD)):
            shutil.rmtree(part.place, ignore_errors=True)
    git.forget_index(journal.index_file, journal.mark)


@contextmanager
def _writing(place: str) -> Iterator[None]:
    """What the machine refuses here is told as such."""
    try:
        yield
    except OSError as error:
        raise unusable(str(error.filename or place), "write", error) from None


def require_finished(journal: Journal) -> None:
    """Raise ProjectError, with the command that mends it, when the last run here was cut off half-way."""
    if what := cut_off(journal):
        if what in ONLY_BACK:
            raise _half_way_back(what)
        raise ProjectError(
            f"{what} was cut off half-way", "finish it with `ai-factory sync --continue`, or go back with `--abort`"
        )


def cut_off(journal: Journal) -> str:
    """What the last run here was doing when it was cut off half-way; empty when it was not."""
    record, act = journal.load(), journal.act.load()
    if ABORTING in (record.get("state"), act.get("state")):
        return ABORT
    return str(act.get("what") or (record.get("what", SYNC) if record.get("state") == APPLYING else ""))


def _half_way_back(what: str) -> ProjectError:
    verb = "finish it" if what == ABORT else "go back"
    return ProjectError(f"{what} was cut off half-way", f"{verb} with `ai-factory sync --abort`")


# ---- forward -------------------------------------------------------------------------------------


def apply(
    journal: Journal,
    head: str,
    steps: Sequence[Step],
    stages: Sequence[Stage],
    incoming: Sequence[str] = (),
    watched: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Carry out the steps in order, then stage; on any failure everything is as before.

    `watched` holds the blob ids of the files left to a person, so that their work on them can be told later.
    Raises ProjectError for a file that is no longer what the step says it is: somebody is writing in it.
    """
    try:
        with _writing(journal.place):
            if stages:
                git.require_free_index(journal.index_file, journal.mark)
            _prepare(journal, steps, stages, incoming, {"head": head, "watched": dict(watched or {}), **(more or {})})
        finish(journal)
    except BaseException as error:
        with undisturbed():
            _give_up(journal, error)
        raise


def _give_up(journal: Journal, error: BaseException) -> None:
    """Go back after a failure; where that fails too, say how to go on."""
    shutil.rmtree(f"{journal.place}.new", ignore_errors=True)
    try:
        if journal.state() == APPLYING:
            undo(journal, overwrite=False)
    except FactoryError as second:
        raise ProjectError(
            f"it stopped half-way ({error}), and going back did too: {second.message}",
            "mend that, then `ai-factory sync --abort` goes back, or `--continue` finishes it",
        ) from error


def carry_out(
    journal: Journal,
    what: str,
    head: str,
    steps: Sequence[Step],
    stages: Sequence[Stage] = (),
    *,
    replaced: Mapping[str, Blob],
    counts: bool = False,
) -> None:
    """Do something on top of a sync, or without one; killed at any moment it can be finished or undone.

    `replaced` names what the steps replace, kept as git objects, by path; where it `counts` to the sync, an
    abort of that takes it back too.
    """
    apply(journal.act, head, steps, stages, more={"what": what, "replaced": replaced, "counts": counts})
    _settle(journal)


@contextmanager
def backed(journal: Journal, what: str, head: str, steps: Sequence[Step], stages: Sequence[Stage]) -> Iterator[None]:
    """Carry out the steps for what is done within; where that fails, or is killed, they are what is taken back."""
    act = journal.act
    apply(act, head, steps, stages, more={"what": what, "replaced": {}, "counts": False})
    try:
        yield
    except BaseException:
        with undisturbed():
            undo(act, overwrite=False)
        raise
    _drop(act)


def overtaken(journal: Journal, head: str) -> bool:
    """Whether a release that was cut off had come to its commit: then nothing is to be taken back, and it is told once.

    `head` is the commit that is checked out now.
    """
    act = journal.act
    record = act.load()
    if record.get("what") != RELEASE or record["head"] == head:
        return False
    with _writing(act.place):
        _drop(act)
    return True


def complete(journal: Journal) -> dict[str, Blob]:
    """Finish what was cut off, if anything was; by path what it replaced, kept as git objects.

    Raises ProjectError for an abort, which another one finishes, and for a release, whose end is git's.
    """
    if (what := cut_off(journal)) in ONLY_BACK:
        raise _half_way_back(what)
    act = journal.act.load()
    record = act or journal.load()
    if record.get("state") == APPLYING:
        finish(journal.act if act else journal)
    if act:
        _settle(journal)
    return _blobs(record.get("replaced", {}))


def _prepare(
    journal: Journal, steps: Sequence[Step], stages: Sequence[Stage], incoming: Sequence[str], more: Mapping[str, Any]
) -> None:
    draft = f"{journal.place}.new"
    shutil.rmtree(draft, ignore_errors=True)
    os.makedirs(draft)
    with open(os.path.join(draft, CONTENTS), "wb") as contents:
        rows = [
            {"path": step.path, "before": _keep(contents, step.before), "after": _keep(contents, step.after)}
            for step in steps
        ]
        _flush(contents)
    _copy(journal.index_file, os.path.join(draft, INDEX))
    record = {
        "format": FORMAT,
        "state": APPLYING,
        "steps": rows,
        "stages": [_stage_row(stage) for stage in stages],
        "folders": _missing_folders(journal, steps),
        "exclude": {"before": git.excluded(journal.repository), "lines": _lines(journal, incoming)},
        **more,
    }
    _reserve(draft, steps)
    _write_record(draft, record)
    _drop(journal)
    os.rename(draft, journal.place)
    _flush_folder(os.path.dirname(journal.place))


def _missing_folders(journal: Journal, steps: Sequence[Step]) -> list[str]:
    folder = Folder(journal.root)
    return sorted({above for step in steps if step.after for above in folder.missing_above(step.path)})


def _keep(contents: BinaryIO, file: File | None) -> dict[str, Any] | None:
    if file is None:
        return None
    begin = contents.tell()
    contents.write(file.content)
    return {"mode": file.mode, "begin": begin, "size": len(file.content)}


def _kept(contents: BinaryIO, row: Mapping[str, Any]) -> File:
    contents.seek(row["begin"])
    content = contents.read(row["size"])
    if len(content) < row["size"]:
        raise _broken(os.path.dirname(contents.name))
    return File(content, row["mode"])


def _contents(journal: Journal) -> str:
    return os.path.join(journal.place, CONTENTS)


def _stage_row(stage: Stage) -> dict[str, Any]:
    sides = None if stage.sides is None else [None if side is None else list(side) for side in stage.sides]
    return {"path": stage.path, "clean": list(stage.clean) if stage.clean else None, "sides": sides}


def _reserve(draft: str, steps: Sequence[Step]) -> None:
    """Take the space that going back would need: on a full disk there is none when it is needed."""
    size = sum(-(-len(step.before.content) // BLOCK) * BLOCK for step in steps if step.before) + SLACK
    with suppress(FileNotFoundError):
        size += os.path.getsize(os.path.join(draft, INDEX))
    with open(os.path.join(draft, RESERVE), "wb") as stream:
        stream.write(bytes(size))


def _release(journal: Journal) -> None:
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(journal.place, RESERVE))


def _write_record(place: str, record: Mapping[str, Any]) -> None:
    temporary = os.path.join(place, "journal.new")
    with open(temporary, "wb") as stream:
        stream.write(json.dumps(record).encode())
        _flush(stream)
    os.replace(temporary, os.path.join(place, RECORD))


def _flush(stream: BinaryIO) -> None:
    """Have it on the disk, not only on its way there, before what comes next."""
    stream.flush()
    os.fsync(stream.fileno())


def _flush_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def finish(journal: Journal) -> None:
    """Bring the project to the state after: doing it twice does no harm.

    Raises ProjectError for a file that is neither as before nor as after.
    """
    with _writing(journal.place):
        record = journal.load()
        if record["stages"]:
            git.require_free_index(journal.index_file, journal.mark)
        folder = Folder(journal.root)
        for step in _steps(journal, record):
            _advance(folder, step)
        git.exclude(journal.repository, record["exclude"]["lines"])
        git.include(journal.repository, record.get("shown", []), "")
        if record["stages"]:
            _stage(journal, record)
        _write_record(journal.place, {**record, "state": APPLIED})
        _release(journal)


def _advance(folder: Folder, step: Step) -> None:
    now = folder.read(step.path)
    if now not in (step.before, step.after):
        raise ProjectError(
            f"`{step.path}` was changed while the sync was under way",
            "`ai-factory sync --abort` goes back, and keeps what is there as a git object",
        )
    if step.after is None:
        (folder.delete if now else folder.prune)(step.path)  # gone, it may have left an empty folder
    elif now != step.after:
        folder.write(step.path, step.after)


def _stage(journal: Journal, record: dict[str, Any]) -> None:
    """What the index will hold is known to the journal before the index holds it.

    Not where somebody has staged in it since the journal was begun, such as a sync of the project next door: what it
    will hold is theirs as well then, and an abort may take back no more than our own paths.
    """
    with git.changed_index(journal.index_file, journal.mark) as index:
        ours = _same_index(journal, index, os.path.join(journal.place, INDEX))
        git.stage(journal.root, [_stage_of(row) for row in record["stages"]], index)
        if ours:
            _copy(index, os.path.join(journal.place, STAGED))


def _settle(journal: Journal) -> None:
    """Count what was carried out to the sync that it belongs to, and drop its own journal."""
    act = journal.act
    with _writing(act.place):
        record = act.load()
        if record["counts"] and (sync := journal.load()):
            _write_record(journal.place, _amended(journal, sync, record))
        _drop(act)


def _amended(journal: Journal, sync: dict[str, Any], act: dict[str, Any]) -> dict[str, Any]:
    """The record of the sync with what was done on top of it: an abort takes that back too."""
    rows = {row["path"]: row for row in sync["steps"]}
    stages = {row["path"]: row for row in [*sync["stages"], *act["stages"]]}
    with open(_contents(journal), "ab") as contents:
        for step in _steps(journal.act, act):
            row = rows.get(step.path) or {"path": step.path, "before": _keep(contents, step.before)}
            rows[step.path] = {**row, "after": _keep(contents, step.after)}
        _flush(contents)
    if _is_known(journal, os.path.join(journal.act.place, INDEX)):  # else somebody has staged something of their own
        _copy(os.path.join(journal.act.place, STAGED), os.path.join(journal.place, STAGED))
    folders = sorted({*sync["folders"], *act["folders"]})
    return {**sync, "steps": list(rows.values()), "stages": list(stages.values()), "folders": folders}


# ---- back ----------------------------------------------------------------------------------------


def _blobs(rows: Mapping[str, Sequence[str]]) -> dict[str, Blob]:
    return {path: Blob(*row) for path, row in rows.items()}


def undo(journal: Journal, *, overwrite: bool = True) -> dict[str, Blob]:
    """Bring the project back to the state before, index included, and drop the journal.

    A file that is neither as before nor as after was written by somebody since: with `overwrite` it is kept as a
    git object, and returned by path; else the file is left as it is.
    """
    with _writing(journal.place):
        record = journal.load()
        if overwrite and record["stages"] and _differs(journal):
            git.require_free_index(journal.index_file, journal.mark)
        _release(journal)
        folder = Folder(journal.root)
        kept = _blobs(record.get("kept", {}))
        if overwrite:  # told in the record first: killed in between, the next abort still names what it replaced
            kept |= _store_foreign(journal, folder, record)
            _write_record(journal.place, {**record, "state": ABORTING, "kept": kept})
        for step in reversed(list(_steps(journal, record))):
            _retreat(folder, step, record["folders"], overwrite)
        _restore_index(journal, record)
        git.include(journal.repository, record["exclude"]["lines"], record["exclude"]["before"])
        git.exclude(journal.repository, record.get("shown", []))
        _drop(journal)
        return kept


def _retreat(folder: Folder, step: Step, made: Sequence[str], overwrite: bool) -> None:
    folder.forget_draft(step.path)
    now = folder.read(step.path)
    if (now not in (step.before, step.after) and not overwrite) or folder.is_folder(step.path):
        return
    if step.before is None:
        (folder.delete if now else folder.prune)(step.path, made)  # a folder of before stays, empty as it may be
    elif now != step.before:
        folder.write(step.path, step.before)


def _store_foreign(journal: Journal, folder: Folder, record: dict[str, Any]) -> dict[str, Blob]:
    """What somebody wrote into the files since, kept as git objects, by path."""
    found = ((step, folder.read(step.path)) for step in _steps(journal, record))
    foreign = {step.path: now for step, now in found if now and now not in (step.before, step.after)}
    ids = git.store(journal.root, (file.content for file in foreign.values()))
    return {path: Blob(file.mode, ids[file.content]) for path, file in foreign.items()}


def _steps(journal: Journal, record: dict[str, Any]) -> Iterator[Step]:
    with open(_contents(journal), "rb") as contents:
        for row in record["steps"]:
            before, after = (_kept(contents, row[side]) if row[side] else None for side in ("before", "after"))
            yield Step(row["path"], before, after)


def _is_known(journal: Journal, index: str) -> bool:
    """Whether the index there is the one of before the sync, or the one that the sync left."""
    places = [os.path.join(journal.place, name) for name in (INDEX, STAGED)]
    if _bytes(index) in map(_bytes, places):
        return True
    return _listing(journal, index) in [_listing(journal, place) for place in places if os.path.exists(place)]


def _same_index(journal: Journal, one: str, other: str) -> bool:
    return _bytes(one) == _bytes(other) or _listing(journal, one) == _listing(journal, other)


def _listing(journal: Journal, index: str) -> bytes:
    return git.index_listing(journal.root, index) if os.path.exists(index) else b""


def _differs(journal: Journal) -> bool:
    """Whether the index is another one than it was before."""
    return _bytes(journal.index_file) != _bytes(os.path.join(journal.place, INDEX))


def _bytes(place: str) -> bytes | None:
    try:
        with open(place, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _restore_index(journal: Journal, record: dict[str, Any]) -> None:
    """The whole index to the byte where nobody staged anything since; else the sync's own paths only."""
    if not record["stages"] or not _differs(journal):
        return
    saved = os.path.join(journal.place, INDEX)
    with git.changed_index(journal.index_file, journal.mark) as index:
        if not _is_known(journal, index):
            paths = {row["path"]: None for row in [*record["stages"], *record["steps"]]}
            git.restage(journal.root, saved, list(paths), index)
        elif not _copy(saved, index):
            os.unlink(index)


def _copy(source: str, target: str) -> bool:
    """Copy a file with its time, whole or not at all; whether there was one."""
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
        os.unlink(os.path.join(journal.place, RECORD))
    shutil.rmtree(journal.place, ignore_errors=True)


def _lines(journal: Journal, incoming: Sequence[str]) -> list[str]:
    """The lines that hide the proposals from git, as far as they are not there."""
    return git.missing_lines(journal.repository, _in_repository(journal, incoming))


def hidden(journal: Journal, incoming: Sequence[str]) -> list[str]:
    """The lines that hide the proposals from git, as far as they are there: a record's `shown` takes them out."""
    return git.known_lines(journal.repository, _in_repository(journal, incoming))


def _in_repository(journal: Journal, paths: Sequence[str]) -> list[str]:
    prefix = os.path.relpath(journal.root, journal.repository.top)
    return [os.path.normpath(os.path.join(prefix, path)) for path in paths]


def _stage_of(row: dict[str, Any]) -> Stage:
    sides = row["sides"]
    return Stage(
        row["path"],
        Blob(*row["clean"]) if row["clean"] else None,
        tuple(Blob(*side) if side else None for side in sides) if sides else None,  # type: ignore[arg-type]
    )
