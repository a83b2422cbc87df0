"""From which factory a project may take: the one that its lock and project.yaml agree on, or one that somebody named.

Both files are the project's, and anybody may change them in a pull request. So a change of origin needs the consent of
a person, and a build server takes no origin from the project at all.
"""

from __future__ import annotations

import os

from ai_factory.errors import ConsentError, LockError, UsageError
from ai_factory.factory import EMBEDDED, is_remote
from ai_factory.lock import Lock
from ai_factory.manifest import Manifest
from ai_factory.tree import word
from ai_factory.workspace import find_repository


def origin(record: Lock, wish: Manifest, given: str = "", accepted: str = "", in_ci: bool = False) -> str:
    """The address of the factory to take from.

    `given` was named on the command line, `accepted` by a person who agrees to another origin than the lock's.
    Raises ConsentError for one that nobody accepted, LockError (AF005) for what a build server may not decide.
    """
    wanted = given or accepted or wish.factory
    is_remote(wanted)  # whatever is told about it below can be shown
    if in_ci and not accepted:
        _refuse_in_ci(record, wish, given)
    if not _same(wanted, record.factory.url) and accepted != wanted:
        raise ConsentError(
            f"the project came from `{record.factory.url}`, and would now take from `{wanted}`",
            f"if that is right: `ai-factory sync --accept-factory {word(wanted)}`",
        )
    return wanted


def _refuse_in_ci(record: Lock, wish: Manifest, given: str) -> None:
    named = {"the lock": record.factory.url, "project.yaml": wish.factory}
    if not given and set(named.values()) != {EMBEDDED}:
        raise LockError(
            f"in CI, the factory `{wish.factory}` is not taken from the project (AF005)",
            f"name the one that you trust: `--factory {word(wish.factory)}`",
        )
    for place, url in named.items():
        if given and not _same(given, url):
            raise LockError(
                f"the factory is `{given}`, and {place} names `{url}` (AF005)",
                f"if the project is to move there: `--accept-factory {word(given)}`",
            )


def refuse_own_signers(root: str, signers: str) -> None:
    """Raise UsageError for a file of allowed signers that lies in the project's own repository."""
    found = find_repository(root)
    top = found.top if found else os.path.realpath(root)
    if signers and os.path.realpath(signers).startswith(top + os.sep):
        raise UsageError(
            f"the allowed signers `{signers}` lie in the project: whoever changes it would choose them",
            "keep them outside of the repository",
        )


def _same(one: str, other: str) -> bool:
    """Whether two addresses are one place; two spellings of one repository elsewhere are not."""
    if one == other or EMBEDDED in (one, other) or is_remote(one) or is_remote(other):
        return one == other
    return os.path.realpath(os.path.expanduser(one)) == os.path.realpath(os.path.expanduser(other))


def check(record: Lock, before: str, given: str, in_ci: bool) -> None:
    """Raise LockError (AF005) for a factory that a check is not to read: a pull request may have named it.

    `before` is the address that a reference has, `given` the one that somebody named.
    """
    url, known = record.factory.url, given or before
    if known and not _same(known, url):
        raise LockError(f"names the factory `{url}`, and not `{known}`", _trusting(record, url))
    if in_ci and not known and url != EMBEDDED:
        raise LockError(
            f"names the factory `{url}`, and in CI that is not taken from the project", _trusting(record, url)
        )


def check_wish(wish: Manifest, known: str, record: Lock) -> None:
    """Raise LockError (AF005) where project.yaml names another factory than the one that is trusted."""
    if not _same(known, wish.factory):
        raise LockError(f"names the factory `{wish.factory}`, and not `{known}`", _trusting(record, wish.factory))


def _trusting(record: Lock, url: str) -> str:
    """How a factory becomes one that is trusted: by an option, which a stamped job has from an answer."""
    hint = f"if it is the right one: `--factory {word(url)}`"
    if "ai_factory_source" not in record.answers:
        return hint
    return f"{hint}; the job has that from an answer: `ai-factory sync --data {word(f'ai_factory_source={url}')}`"
