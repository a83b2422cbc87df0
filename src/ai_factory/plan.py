"""What a verb will do to a project, as data: one change a path, the lock and the base that come of it.

A dry run is a plan that nobody applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ai_factory import __version__, base
from ai_factory.lock import Entry, Lock, Origin
from ai_factory.render import Owned, Rendered, ignored
from ai_factory.tree import File, blob_id, digest

ACTIONS = {  # word: what happens to the file
    "add": "written, it was not there",
    "change": "takes the new version",
    "merge": "both sides' changes are joined",
    "rename": "moves with its content",
    "delete": "removed, nobody had edited it",
    "conflict": "a person must decide",
    "decline": "stays deleted",
    "adopt": "was there already, the same",
    "keep": "stays as the team has it",
    "forget": "stays, and is the team's alone from now on",
    "same": "nothing happens",
}
QUIET = ("same",)
TELLING = "the answer to a secret question shows in it"


class Change(NamedTuple):
    """What happens to one path, why, and its row in the lock and file in the base afterwards.

    `file` is what is written there (None: the bytes stay, or go when the action is `delete`); `source` is the
    path that a renamed file leaves; `incoming` is put beside the file; `sides` are base, ours and theirs of a conflict.
    """

    path: str
    action: str
    why: str
    component: str = ""
    ownership: str = ""
    file: File | None = None
    source: str = ""
    incoming: File | None = None
    sides: tuple[File | None, File | None, File | None] | None = None
    entry: Entry | None = None
    base: File | None = None

    @property
    def writes(self) -> bool:
        """Whether the path will not be as it was."""
        return self.action not in ("same", "keep", "forget")


class Target(NamedTuple):
    """What a project is brought to: a factory's rendering, and what it was rendered from."""

    origin: Origin
    answers: Mapping[str, Any]
    components: Mapping[str, str]
    rendered: Rendered


class Plan(NamedTuple):
    """The changes in order of path, and what the project will have descended from."""

    changes: tuple[Change, ...]
    target: Target
    manual: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def visible(self) -> tuple[Change, ...]:
        """The changes worth telling."""
        return tuple(change for change in self.changes if change.action not in QUIET)

    @property
    def conflicts(self) -> tuple[Change, ...]:
        """The changes that a person must decide."""
        return tuple(change for change in self.changes if change.action == "conflict")

    @property
    def local(self) -> frozenset[str]:
        """The paths that git ignores in the project."""
        return frozenset(change.path for change in self.changes if change.entry and change.entry.state == "local")

    @property
    def apart(self) -> frozenset[str]:
        """The paths that go into no commit of ours: git ignores them, or the answer to a secret question shows."""
        owned = self.target.rendered.owned
        return self.local | {path for path, owner in owned.items() if owner.secret}

    @property
    def files(self) -> dict[str, File | None]:
        """What will lie at each path that this plan changes; None: nothing."""
        wanted: dict[str, File | None] = {change.source: None for change in self.changes if change.source}
        for change in self.changes:
            if change.file is not None or change.action == "delete":
                wanted[change.path] = change.file
            if change.incoming:
                wanted[f"{change.path}.incoming"] = change.incoming
        return wanted

    def new_base(self) -> base.Base:
        """The base after this plan."""
        kept = {change.path: change.base for change in self.changes if change.base is not None and change.entry}
        open_ = [change for change in self.changes if change.entry and change.entry.state == "open"]
        return base.Base(kept, {change.path: change.sides[2] for change in open_ if change.sides and change.sides[2]})

    @property
    def origin(self) -> Origin:
        """The origin that the lock will name: its tree is not known while an open file waits for the rest of it."""
        waits = any(
            change.action == "keep" and change.entry and change.entry.state == "open" for change in self.changes
        )
        return self.target.origin._replace(tree="") if waits else self.target.origin

    def new_lock(self, archive: bytes, project: bytes) -> Lock:
        """The lock after this plan, when these are the bytes of the new base and of project.yaml."""
        return Lock(
            factory=self.origin,
            engine=__version__,
            answers=self.target.answers,
            components=self.target.components,
            base_file=digest(archive),
            paths={change.path: change.entry for change in self.changes if change.entry},
            folders=self.target.rendered.folders,
            project_file=digest(project),
        )


def births(target: Target) -> Plan:
    """The plan for a project that does not exist yet: every file is added."""
    tree, owned = target.rendered.tree, target.rendered.owned
    hidden = {path for path, _ in ignored(tree)}  # none in a factory of ours
    changes = []
    for path, owner in owned.items():
        file = tree.get(path)
        local = path in hidden
        entry = entry_of(owner, file, target.origin.version, "local" if local else "")
        kept = file if owner.ownership in ("managed", "merged") and not local else None
        action, why = ("add", _born(owner)) if file else ("same", "is written by the project's own run")
        changes.append(Change(path, action, why, owner.component, owner.ownership, file, entry=entry, base=kept))
    return Plan(tuple(changes), target)


def _born(owner: Owned) -> str:
    return f"from {owner.source}" + (f", not committed: {TELLING}" if owner.secret else "")


def entry_of(owner: Owned, file: File | None, version: str, state: str = "", theirs: str = "") -> Entry:
    """The lock's row for a path whose pristine content is `file`."""
    if file is None or owner.ownership == "produced":
        return Entry(owner.component, "produced" if not owner.source else owner.ownership, controls=owner.controls)
    identity = blob_id(file.content)
    return Entry(owner.component, owner.ownership, file.mode, identity, version, owner.controls, state, theirs)


def counts(plan: Plan) -> dict[str, int]:
    """How many paths each action meets, in the order of ACTIONS."""
    return {action: number for action in ACTIONS if (number := sum(change.action == action for change in plan.changes))}
