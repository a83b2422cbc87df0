"""What holds for every project, whatever a team did to it and whatever the new version brings."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st

from ai_factory import lock, markers
from ai_factory.errors import MachineError, ProjectError
from ai_factory.lock import Lock
from ai_factory.plan import Change
from ai_factory.project import conflicts, sync
from ai_factory.tree import File, Tree, blob_id, digest, with_endings_of
from tests import kit
from tests.worlds import IGNORE, Story, World, disk, everything, files, follow, stamp, stories, world

EXAMPLES = int(os.environ.get("EXAMPLES", "100"))  # of each property; `make test-all` takes more
settings.register_profile(  # a failure tells its story, which is short as it is: no minutes to make it shorter
    "whole projects",
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
    print_blob=True,
    derandomize="EXAMPLES" not in os.environ,
)
settings.load_profile("whole projects")  # until the end of this file
PROMISED = ("managed", "merged")
MENDED = {".toml": b'mended = "1"\n', ".json": b'{"mended": 1}\n', ".yaml": b"mended: 1\n"}


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    """A folder for one project after the other."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in {**kit.IDENTITY, "HOME": folder, "AI_FACTORY_CACHE": f"{folder}/cache"}.items():
            patch.setenv(name, value)
        yield Path(folder)


def tell(story: Story, plan: sync.Sync) -> None:
    """What a person needs who looks at a failure."""
    note(f"in {story.folder!r}, renames {story.renames}, owned {story.words}")
    for name, docs in (("before", story.before), ("ours", story.ours), ("after", story.after)):
        for path, doc in docs.items():
            note(f"{name} {path}: {doc.file()}")
    for change in plan.plan.changes:
        note(f"plan {change.action} {change.source} > {change.path}: {change.why}")


# ---- nobody touched it ---------------------------------------------------------------------------


@given(story=stories(team=False))
def test_an_untouched_project_becomes_exactly_the_new_version(room: Path, story: Story) -> None:
    """All but the seeded files, which stay as they were stamped; a second sync has nothing to do."""
    wanted = untouched(story)
    with world(story, room) as here:
        plan = here.planned()
        tell(story, plan)
        if not plan.nothing_to_do:
            sync.apply(plan)
        if fits(wanted):
            assert (disk(here.root), plan.plan.conflicts) == (wanted, ())
        else:
            assert plan.plan.conflicts
        sound(here, plan)
        kit.commit(here.top)
        assert here.planned().nothing_to_do


def untouched(story: Story) -> dict[str, File]:
    """The new version's files with the line endings that they have in the project, and the seeded ones of the old."""
    before, after = files(story.before), files(story.after)
    first, second = story.words
    moved = {old: new for old, new in follow(story.renames).items() if old in before and new not in before}
    moved = {old: new for old, new in moved.items() if new in after and old not in after}
    source = {new: old for old, new in moved.items()}
    found = {path: file for path, file in before.items() if first[path] == "seeded" and path not in moved}
    found |= {} if story.folder else {".gitignore": File(IGNORE.encode())}
    for path, file in after.items():
        old = source.get(path, path)
        if second[path] == "seeded" and old in before:
            found[old] = before[old]
        else:
            found[path] = file._replace(content=with_endings_of(file.content, before.get(old, file).content))
    return found


def fits(tree: Tree) -> bool:
    """Whether no file of the tree lies where another needs a folder."""
    return not any(other.startswith(f"{path}/") for path in tree for other in tree)


# ---- somebody worked on it -----------------------------------------------------------------------


@given(story=stories())
def test_nothing_that_the_team_wrote_is_lost(room: Path, story: Story) -> None:
    """A plan writes nothing; a sync keeps all work and claims no more than it did; an abort restores every byte."""
    with world(story, room) as here:
        before, stamped, work, record = everything(here.top), stamp(here.top), disk(here.root), here.opened().lock
        plan = possible(here)
        assert stamp(here.top) == stamped
        tell(story, plan)
        if plan.nothing_to_do:
            return
        sync.apply(plan)
        now = disk(here.root)
        keeps_lines(work, now)
        keeps_files(work, now, record, {change.path: change for change in plan.plan.changes})
        sound(here, plan)
        honest(here, plan, work, now)
        assert conflicts.abort(str(here.root)) == {}
        assert everything(here.top) == before


def lines(tree: Mapping[str, File]) -> set[bytes]:
    """The names of the team's own work."""
    return {name for file in tree.values() for name in re.findall(rb"ours\d+\.|oursd?\d+(?==)", file.content)}


def keeps_lines(before: Tree, now: Tree) -> None:
    assert lines(before) - lines(now) == set()


def keeps_files(before: Tree, now: Tree, record: Lock, changes: Mapping[str, Change]) -> None:
    """A file is gone only where nobody had edited it, or where all of the edit has gone along to another path."""
    for path in before.keys() - now.keys():
        entry = record.paths.get(path)
        assert entry is not None, path
        edited = (blob_id(before[path].content), before[path].mode) != (entry.base, entry.mode)
        moves = any(change.source == path for change in changes.values())
        assert not edited or moves or "renames it to" in changes[path].why, path


def sound(here: World, plan: sync.Sync) -> None:
    """The lock and the base say the same."""
    project = here.opened()
    archive = project.base()
    assert digest((here.root / lock.BASE).read_bytes()) == project.lock.base_file
    promised = {
        path: entry
        for path, entry in project.lock.paths.items()
        if entry.ownership in PROMISED and entry.state != "local" and entry.base
    }
    open_ = {path: entry for path, entry in project.lock.paths.items() if entry.state == "open"}
    kept = {path: entry for path, entry in {**promised, **open_}.items() if entry.base and path in archive.files}
    assert archive.files.keys() == kept.keys()
    assert promised.keys() <= kept.keys()
    assert {path: blob_id(file.content) for path, file in archive.files.items()} == {
        path: entry.base for path, entry in kept.items()
    }
    assert {path: blob_id(file.content) for path, file in archive.theirs.items()} == {
        path: entry.theirs for path, entry in open_.items() if entry.theirs
    }
    assert open_.keys() == {change.path for change in plan.plan.conflicts}


def honest(here: World, plan: sync.Sync, before: Tree, now: Tree) -> None:
    """What the lock says was applied is in the file, or the team's edit of it, or was declined."""
    record = here.opened().lock
    theirs = plan.plan.target.rendered.tree
    changes = {change.path: change for change in plan.plan.changes}
    for path, entry in record.paths.items():
        if entry.ownership not in PROMISED or entry.state in ("open", "local"):
            continue
        assert entry.base == blob_id(theirs[path].content)
        if entry.state == "declined":
            assert path not in now
        elif blob_id(now[path].content) != entry.base:
            unchanged = now[path] == before.get(changes[path].source or path)
            assert (
                changes[path].action == "merge"
                or (unchanged and "does not change" in changes[path].why)
                or (unchanged and "renames it" in changes[path].why)
            ), path
            fresh = set(re.findall(rb"theirs\d+\.", theirs[path].content))
            fresh -= set(re.findall(rb"theirs\d+\.", now[path].content))
            assert not fresh, path


# ---- conflicts come to an end --------------------------------------------------------------------


@given(story=stories(), choices=st.lists(st.sampled_from(("ours", "theirs", "mend")), min_size=1, max_size=4))
def test_every_conflict_can_be_ended(room: Path, story: Story, choices: list[str]) -> None:
    """Decided for one side or mended, all are closed, no marker and no proposal is left, and the lock is sound."""
    with world(story, room) as here:
        plan = possible(here)
        tell(story, plan)
        assume(plan.plan.conflicts)
        sync.apply(plan)
        for number, change in enumerate(plan.plan.conflicts):
            decide(here, change, choices[number % len(choices)])
        conflicts.resume(str(here.root))
        left = [path for path, entry in here.opened().lock.paths.items() if entry.state == "open"]
        if left:
            conflicts.take(here.opened(), "ours", left)
        ended(here, plan)
        kit.commit(here.top)
        assert here.planned().nothing_to_do


def possible(here: World) -> sync.Sync:
    """The sync, unless something that git does not hold lies where a file is to come: that is refused."""
    try:
        return here.planned()
    except ProjectError as error:
        assume("in the way" not in error.message)
        raise


def decide(here: World, change: Change, choice: str) -> None:
    if choice == "mend":
        place = here.root / change.path
        if place.is_file() and not place.is_symlink():
            place.write_bytes(MENDED.get(place.suffix, b"mended\n"))
        return
    before, refused = everything(here.top), False
    try:
        conflicts.take(here.opened(), choice, [change.path])
    except (MachineError, ProjectError):  # a file or a link of the team's lies where the new one needs a folder
        refused = True
    assert not refused or everything(here.top) == before


def ended(here: World, plan: sync.Sync) -> None:
    record = here.opened().lock
    now = disk(here.root)
    assert [path for path, entry in record.paths.items() if entry.state == "open"] == []
    assert [path for path, file in now.items() if markers.has_markers(file.content)] == []
    local = {f"{change.path}.incoming" for change in plan.plan.changes if change.action != "conflict"}
    assert {path for path in now if path.endswith(".incoming")} <= local
    archive = here.opened().base()
    assert archive.theirs == {}
    assert {path: blob_id(file.content) for path, file in archive.files.items()} == {
        path: entry.base
        for path, entry in record.paths.items()
        if entry.ownership in PROMISED and entry.state != "local"
    }


settings.load_profile("repeatable")
