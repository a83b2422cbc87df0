"""What a branch alters in the record of a project, in words: a proof does not object to it, and a person may."""

from __future__ import annotations

from collections.abc import Iterator

from ai_factory import cache, manifest
from ai_factory.errors import FactoryError
from ai_factory.factory import goes_back
from ai_factory.lock import Lock
from ai_factory.project.reference import There

SHOWN = 20  # names that a sentence holds


def notes(own: Lock, wish: bytes, there: There, began: There | None) -> Iterator[str]:
    """What this branch has altered since it began: `own` is its lock, `wish` its project.yaml.

    Where it began is not known in a shallow clone: there it is compared with the reference itself.
    """
    since = began if began and began.lock else there
    if since.lock is None:
        return
    told = [*_blueprint(since.project, wish), *(_lock(since.lock, own, there) if own != since.lock else ())]
    yield from (f"against `{there.name}`: {note}" for note in told)


def returns(own: Lock, there: There, began: There | None) -> bool:
    """Whether this branch goes back below the version that the reference is at; one that is merely behind does not."""
    if there.lock is None or (began and began.lock and began.lock.factory == own.factory):
        return False
    try:
        return goes_back(there.lock.factory, own.factory)
    except FactoryError:  # a version that is no number, of a factory of which there is no copy here
        return False


def _lock(before: Lock, own: Lock, there: There) -> Iterator[str]:
    if there.lock and before.factory != own.factory and returns(own, there, None):
        yield f"version goes back from {there.lock.factory.version} to {own.factory.version}"
    elif before.factory.version != own.factory.version:
        yield f"version {before.factory.version} becomes {own.factory.version}"
    gone = sorted(before.components.keys() - own.components.keys())
    lost = sorted(_evidenced(before) - _evidenced(own))
    parts = [f"components that go: {_names(gone)}"] if gone else []
    parts += [f"controls that lose their evidence: {_names(lost)}"] if lost else []
    if parts:
        yield "; ".join(parts)
    keys = {*before.answers, *own.answers}
    if changed := sorted(key for key in keys if before.answers.get(key) != own.answers.get(key)):
        yield f"other answers: {_names(changed)}"


def _evidenced(record: Lock) -> set[str]:
    """The controls for which a path of the project is evidence."""
    return {control for entry in record.paths.values() for control in entry.controls}


def _names(names: list[str]) -> str:
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])


def _blueprint(before: bytes, now: bytes) -> Iterator[str]:
    """The blueprint, where project.yaml names another one; a file that cannot be read is a finding of its own."""
    if before == now:
        return
    try:
        one, other = (manifest.parse(content, cache.document).blueprint for content in (before, now))
    except FactoryError:
        return
    if one != other:
        yield f"blueprint {one} becomes {other}"
