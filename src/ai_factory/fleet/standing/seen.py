"""What one commit says of its project: the lock against the files, in a few words that can be remembered.

Only trees are read, and the contents of those files whose id is not the one that the lock names. The lock is taken at
its word, as by a check without `--verify`; that the base is the one of the lock is left to the project's own check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ai_factory import cache, check, git, shadows, waivers
from ai_factory.check import Finding, Waiver
from ai_factory.errors import LockError, MachineError
from ai_factory.fleet import system
from ai_factory.fleet.system import Here, System
from ai_factory.git.remote import NO_ACCESS, Access
from ai_factory.lock import BASE, LOCK, WAIVERS, Entry, Lock, Origin
from ai_factory.tree import Blob, File


class Seen(NamedTuple):
    """A project at a commit: where its files came from, what it wishes, and what was found before any waiver.

    `hold` is until when (ISO date) and why, empty where nobody holds it.
    """

    origin: Origin
    blueprint: str
    bound: str
    hold: tuple[str, str]
    findings: tuple[Finding, ...]
    waivers: tuple[Waiver, ...]

    def on(self, today: str) -> list[Finding]:
        """What is found on that day: a waiver covers what it speaks of while it holds."""
        return waivers.apply(self.findings, self.waivers, today)


def seen(here: Here, reach: Access = NO_ACCESS, read: git.Reading = git.reading) -> Seen | None:
    """The project at that commit; None where there is none. A commit that was looked at before is not read again.

    Raises ForgeError for a repository that cannot be read, LockError and ProjectError for files that are broken.
    """
    found = cache.latest("fleet-seen", here.member.key, here.commit, lambda: _data(_read(here, reach, read)))
    return _made(found) if found else None


def _read(here: Here, reach: Access, read: git.Reading) -> Seen | None:
    with system.opened(here, reach=reach, read=read) as there:
        return _seen(there) if LOCK in there.files.listing else None


def _seen(there: System) -> Seen:
    project, listing = there.project(), there.files.listing
    if BASE not in listing:
        raise LockError(f"`{BASE}` is missing", f"bring it back with `git checkout -- {BASE}`")
    record, wish = project.lock, project.manifest()
    doubtful = _doubtful(record, listing)
    ours = _contents(there, [path for path, entry in doubtful.items() if entry.state != "local"])
    strange = shadows.unexpected(there.files, record.folders, record.paths)
    found = check.compare(record._replace(paths=doubtful), ours)
    found += check.beside(record, strange, shadows.shadows(there.files, record.paths))
    waived = there.files.read(WAIVERS)
    granted = tuple(waivers.parse(waived.content)) if waived else ()
    hold = (wish.hold.get("until", ""), wish.hold.get("reason", ""))
    return Seen(record.factory, wish.blueprint, wish.version, hold, tuple(check.in_order(found)), granted)


def _contents(there: System, paths: Sequence[str]) -> dict[str, File]:
    """The files at those paths. Raises MachineError where the repository lacks the content of one that it lists."""
    found = there.read_all(paths)
    listed = (path for path in paths if path in there.files.listing and not there.files.is_module(path))
    if lacking := [path for path in listed if path not in found]:
        raise MachineError(
            f"`{there.member.key}` lacks the content of `{lacking[0]}`", "fetch all of it: `git fetch --refetch`"
        )
    return found


def _doubtful(record: Lock, listing: Mapping[str, Blob]) -> dict[str, Entry]:
    """The entries of which something may be found: those not told by their id alone to be as they were stamped."""
    return {
        path: entry
        for path, entry in record.paths.items()
        if entry.state == "open" or (entry.ownership in ("managed", "merged") and _differs(entry, listing.get(path)))
    }


def _differs(entry: Entry, blob: Blob | None) -> bool:
    return entry.state != "local" and blob != (entry.mode, entry.base)


# ---- as plain data, which can be kept ------------------------------------------------------------


def _data(found: Seen | None) -> tuple[Any, ...]:
    if found is None:
        return ()
    rows = [tuple(map(tuple, rows)) for rows in (found.findings, found.waivers)]
    return (tuple(found.origin), found.blueprint, found.bound, found.hold, *rows)


def _made(data: tuple[Any, ...]) -> Seen:
    origin, blueprint, bound, hold, found, granted = data
    findings, kept = tuple(Finding(*row) for row in found), tuple(Waiver(*row) for row in granted)
    return Seen(Origin(*origin), blueprint, bound, hold, findings, kept)
