"""Repositories elsewhere, as a fleet uses them: asked for their heads, read one commit deep, pushed to with a lease.

What goes wrong is told by kind, so that a run over many knows what another try may mend. A repository in a folder of
this machine is read where it lies.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ai_factory.errors import ForgeError, MachineError
from ai_factory.git.mirror import access
from ai_factory.git.process import finished, isolated, run, with_settings
from ai_factory.git.scratch import scratch
from ai_factory.workspace import UNUSABLE, find_repository, is_bare

BRANCH, TAG = "refs/heads/", "refs/tags/"
TREES = "blob:none"  # a filter: which files there are, without their content
PACKS = 150  # that a repository of the cache holds: each fetch leaves one or two
REASON = 300  # characters of what git says that are passed on
REFERENCES = 64 * 1024 * 1024  # bytes of a file that names branches
SMALL = "blob:limit=1m"  # a filter: what a template may have written, and no data
PLAIN = b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n"  # the settings of a repository in the cache
_FORM = "--format=%(objectname)%09%(refname)"  # of a branch, in the words of `ls-remote`
_FAILURES = {  # what git says: of which kind the failure is, and what that means
    r"fsck error|in packed object|gitmodules": ("policy", "what it holds is not to be trusted"),
    r"stale info|fetch first|non-fast-forward|cannot lock ref": ("conflict", "somebody else has pushed there"),
    r"hook declined|protected branch|GH006|GH013|pre-receive": ("policy", "a rule there forbids it"),
    r"Authentication failed|could not read |Permission denied|\b40[13]\b|access rights|not allowed": (
        "permission",
        "the identity may not do that there",
    ),
    r"not found|does not exist|not appear to be a git|\b404\b|no such": ("permission", "it is not there, or hidden"),
    r"resolve host|connect to|refused|unreachable|reset|empty reply|broken pipe|transfer closed|closed cleanly|"
    r"terminated|timed out|took long|disconnect|early EOF|hung up|RPC failed|slow|\b(5\d\d|429)\b": (
        "transient",
        "it cannot be reached",
    ),
}


class Heads(NamedTuple):
    """The default branch of a repository, and the commits of the branches that were asked for, by their names."""

    default: str
    branches: Mapping[str, str]


class Access(NamedTuple):
    """How a host may be reached: settings of git's, which stand in the environment of its process alone."""

    settings: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return "Access(***)"


NO_ACCESS = Access()


def folder_of(url: str) -> str:
    """The folder on this machine that the address names; empty for an address elsewhere."""
    if re.match(r"\w[\w+.-]*://", url) and not url.startswith("file://"):
        return ""
    folder = unquote(urlsplit(url).path) if url.startswith("file://") else url
    return folder if os.path.isabs(folder) else ""


def local_repository(url: str) -> str:
    """Git's own folder of a repository on this machine; empty for an address elsewhere.

    Raises ForgeError where there is a folder, or none, and no repository.
    """
    folder = folder_of(url)
    if not folder:
        return ""
    found = None if is_bare(folder) else find_repository(folder)
    if is_bare(folder) or (found and found.top == os.path.realpath(folder)):
        return os.path.realpath(folder) if found is None else found.common
    raise ForgeError(f"`{folder}` is no git repository", "permission", "name the folder of a clone, or of a bare one")


def heads(url: str, branches: Sequence[str], reach: Access = NO_ACCESS) -> Heads:
    """Ask a repository for its default branch and for branches (names, or patterns with `*`). Raises ForgeError."""
    here = local_repository(url)
    if here:
        return _local_heads(here, branches)
    rows = _rows(_remote_heads(url, branches, reach))
    default = next((row[0].removeprefix("ref: ") for row in rows if row[0].startswith("ref: ")), "")
    found = {row[1].removeprefix(BRANCH): row[0] for row in rows if row[1].startswith(BRANCH)}
    head = next((row[0] for row in rows if row[1:] == ["HEAD"] and not row[0].startswith("ref: ")), "")
    name = default.removeprefix(BRANCH)
    return Heads(name, {**found, **({name: head} if head and name else {})})


def _rows(told: str) -> list[list[str]]:
    return [row for line in told.splitlines() if len(row := line.split("\t")) == 2]


def _remote_heads(url: str, branches: Sequence[str], reach: Access) -> str:
    patterns = ["HEAD", *(BRANCH + name for name in branches)]
    return _asked(url, ["ls-remote", "--quiet", "--symref", "--", url, *patterns], "/", _environment(url, reach))


def _local_heads(repository: str, branches: Sequence[str]) -> Heads:
    """The same of a repository here: read from its files, where they simply say it."""
    name = _default(repository)
    patterns = [BRANCH + pattern for pattern in branches] + ([name] if name else [])
    found = None if os.path.isdir(os.path.join(repository, "reftable")) else _in_files(repository, patterns)
    if found is None:
        told = _asked(repository, ["for-each-ref", _FORM, *patterns], repository, {"GIT_DIR": repository})
        found = {name: identity for identity, name in _rows(told)}
    return Heads(name.removeprefix(BRANCH), {key.removeprefix(BRANCH): one for key, one in sorted(found.items())})


def _default(repository: str) -> str:
    """The default branch of a repository here: of a clone that of its origin, whatever a person has checked out."""
    known = _named(os.path.join(repository, "refs", "remotes", "origin", "HEAD"))
    branch = BRANCH + known.removeprefix("refs/remotes/origin/") if known else ""
    if branch and _in_files(repository, [branch]):
        return branch
    return _named(os.path.join(repository, "HEAD"))


def _named(place: str) -> str:
    """The reference that a file names; empty where it names none."""
    text = _short_text(place).strip()
    return text.removeprefix("ref: ") if text.startswith("ref: ") else ""


def _in_files(repository: str, patterns: Sequence[str]) -> dict[str, str] | None:
    """The commits of those branches; None where one is not simply written down.

    A process for each of a thousand repositories would take longer than all that is done with the answer.
    """
    loose = {name for pattern in patterns for name in _loose(repository, pattern)}
    own = {name: _short_text(os.path.join(repository, name)).strip() for name in loose}
    if not all(re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", identity) for identity in own.values()):
        return None
    packed = _short_text(os.path.join(repository, "packed-refs"))  # read after the others: git packs before it deletes
    wanted = "|".join(re.escape(pattern).replace(r"\*", ".*") for pattern in patterns)
    rows = re.findall(rf"^([0-9a-f]+) ({wanted})$", packed, re.MULTILINE) if wanted else []
    return {name: identity for identity, name in rows} | own


def _loose(repository: str, pattern: str) -> Iterator[str]:
    """The names that have a file of their own and fit the pattern: a name, or `FOLDER/*`."""
    if not pattern.endswith("/*"):
        yield from [pattern] if os.path.lexists(os.path.join(repository, pattern)) else []
        return
    for here, _, names in os.walk(os.path.join(repository, pattern[:-2])):
        yield from (os.path.relpath(os.path.join(here, name), repository) for name in names if name[-5:] != ".lock")


def _short_text(place: str) -> str:
    """The text of a file; empty where there is none. Raises ForgeError for what git would wait for, or may not read."""
    try:
        if not os.path.lexists(place):
            return ""
        if not os.path.isfile(place):
            raise ForgeError(f"`{place}` is no regular file", "policy", "look at what somebody has put there")
        with open(place, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read(REFERENCES)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ForgeError(f"cannot read `{place}`: {reason}", "permission", UNUSABLE) from None


def tags(url: str, pattern: str, reach: Access = NO_ACCESS) -> dict[str, str]:
    """The tags of a repository that match the pattern: the id of what each is, by its name. Raises ForgeError."""
    here, wanted = local_repository(url), f"{TAG}{pattern}"
    if here:
        form = "--format=%(objectname)%09%(refname)"
        told = _asked(here, ["for-each-ref", form, wanted], here, {"GIT_DIR": here})
    else:
        told = _asked(url, ["ls-remote", "--quiet", "--refs", "--", url, wanted], "/", _environment(url, reach))
    rows = (line.partition("\t") for line in told.splitlines())
    return {name.removeprefix(TAG): identity for identity, _, name in rows if name.startswith(TAG)}


def fetch(
    url: str, repository: str, wanted: Sequence[str], only: str, reach: Access = NO_ACCESS, *, deep: bool = False
) -> None:
    """Bring commits (one deep, without what the filter `only` leaves out) or single objects, by id.

    `deep` brings all that came before the commits as well. Raises ForgeError.
    """
    depth = [] if deep else ["--depth=1"]
    command = ["fetch", "--quiet", "--refetch", *depth, f"--filter={only}", "--no-tags", "--no-write-fetch-head"]
    command += ["--no-recurse-submodules", "--no-auto-maintenance", "--", url, *wanted]
    checked = [("fetch.fsckObjects", "true"), ("fetch.unpackLimit", "1")]
    try:
        _asked(url, command, repository, _environment(url, reach, checked))
    finally:
        _make_plain(repository)


def _make_plain(repository: str) -> None:
    """Git notes in its settings where to fetch what is missing, and then ends where it may not: nothing stays noted."""
    with open(os.path.join(repository, "config"), "wb") as stream:
        stream.write(PLAIN)


def push(url: str, repository: str, branch: str, commit: str, before: str, reach: Access = NO_ACCESS) -> None:
    """Put the commit on the branch, if that is where `before` says (empty: not there yet). Raises ForgeError."""
    lease = f"--force-with-lease={BRANCH}{branch}:{before}"
    here = local_repository(url)
    command = ["push", "--quiet", "--no-verify", "--porcelain", lease, *_receiver(here), "--", here or url]
    _asked(url, [*command, f"{commit}:{BRANCH}{branch}"], repository, _environment(url, reach))


def may_place(here: str) -> bool:
    """Whether a commit may be put into a bare repository of this machine without its own `receive-pack`.

    Not where it has rules of its own: hooks, settings on what it receives, work trees, or settings from elsewhere.
    """
    if not here or not _is_server(here) or os.path.isdir(os.path.join(here, "worktrees")):
        return False
    hooks = os.path.join(here, "hooks")
    names = os.listdir(hooks) if os.path.isdir(hooks) else []
    settings = _short_text(os.path.join(here, "config")).lower()
    return all(name.endswith(".sample") for name in names) and not re.search(_RULES, settings)


def _is_server(here: str) -> bool:
    """Whether git's own folder is that of a bare repository, and no person's clone."""
    return re.search(r"^\s*bare\s*=\s*true\s*$", _short_text(os.path.join(here, "config")), re.MULTILINE) is not None


_RULES = r"receive|transfer|hookspath|include|worktreeconfig|denynon"


def place(here: str, packs: Sequence[str], branch: str, commit: str, before: str) -> None:
    """Put the commit, whose objects those packs hold, on the branch, if that is where `before` says. Raises ForgeError.

    The index of a pack comes last: with it git sees the pack.
    """
    folder = os.path.join(here, "objects", "pack")
    try:
        for source in sorted(packs, key=lambda name: name.endswith(".idx")):
            target = os.path.join(folder, f"pack-{commit}{os.path.splitext(source)[1]}")
            shutil.copyfile(source, f"{target}.tmp")
            os.replace(f"{target}.tmp", target)
    except OSError as error:
        raise ForgeError(f"`{here}`: cannot write there: {(error.strerror or '').lower()}", "permission") from None
    command = ["update-ref", "--create-reflog", f"{BRANCH}{branch}", commit, before or "0" * len(commit)]
    _asked(here, command, here, {"GIT_DIR": here})


def _receiver(here: str) -> list[str]:
    """A bare repository of this machine keeps its own rules, its hooks; in a person's clone nothing runs.

    Git takes our settings out of the environment of what it starts at the other end.
    """
    if not here:
        return []
    settings = ["receive.autoGc=false", *([] if _is_server(here) else [f"core.hooksPath={os.devnull}"])]
    return ["--receive-pack", " ".join(["git", *(f"-c {one}" for one in settings), "receive-pack"])]


def _environment(url: str, reach: Access, more: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    slow = [("http.lowSpeedLimit", "1000"), ("http.lowSpeedTime", "60")]
    given = access(url, "/") if not local_repository(url) else {"GIT_ALLOW_PROTOCOL": "file"}
    settings = with_settings({**isolated(), **given}, [*slow, *more, *reach.settings])
    return {key: value for key, value in settings.items() if key.startswith("GIT_")}


def _asked(url: str, command: Sequence[str], folder: str, environment: Mapping[str, str]) -> str:
    """What git prints; a failure is told as one of its kind."""
    try:
        done = finished(command, folder, expect=None, more=environment)
    except MachineError as error:
        raise _failure(url, error.message) from None
    if done.returncode:
        raise _failure(url, (done.stderr + b"\n" + done.stdout).decode(errors="replace"))
    return done.stdout.decode(errors="surrogateescape")


def _failure(url: str, said: str) -> ForgeError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    rejected = [line.rpartition("\t")[2] for line in lines if line.startswith("!")]
    remote = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    fatal = [line.partition(": ")[2] for line in lines if line.startswith(("fatal:", "error:"))]
    reason = "; ".join(dict.fromkeys([*rejected, *filter(None, remote), *fatal]))[:REASON] or said[:REASON]
    for pattern, (kind, meaning) in _FAILURES.items():
        if re.search(pattern, said, re.IGNORECASE):
            return ForgeError(f"`{url}`: {meaning} ({reason})", kind)
    return ForgeError(f"`{url}`: {reason}", "bug")


@contextmanager
def claimed(folder: str) -> Iterator[str]:
    """A bare repository below the folder for this worker alone, as long as the block lasts; objects stay in it."""
    number = 0
    while True:
        place = os.path.join(folder, f"{number}.git")
        with open(f"{place}.lock", "wb") as lock:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                number += 1
                continue
            if _is_full(place):
                shutil.rmtree(place)
            if not os.path.exists(os.path.join(place, "HEAD")):
                run(["init", "--quiet", "--bare", "--template=", place], folder)
            _make_plain(place)  # the worker before may have been killed
            yield place
            return


def bundled(url: str, commit: str, place: str, reach: Access = NO_ACCESS) -> None:
    """Write a git bundle of a commit and its history, in which it is the branch `frozen`. Raises ForgeError.

    Nothing is written in the repository that it comes from.
    """
    here = local_repository(url)
    reached = {} if here else _environment(url, reach, [("fetch.fsckObjects", "true")])
    with scratch(os.path.join(here, "objects") if here else "") as repository:
        if not here:
            command = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", url]
            _asked(url, [*command, commit], repository, reached)
        _asked(url, ["update-ref", f"{BRANCH}frozen", commit], repository, {})
        _asked(url, ["symbolic-ref", "HEAD", f"{BRANCH}frozen"], repository, {})
        _asked(url, ["bundle", "create", "--quiet", place, "HEAD", f"{BRANCH}frozen"], repository, {})


def _is_full(place: str) -> bool:
    """Whether so much was fetched there that git looks through it for longer than it takes to fetch it again."""
    packs = os.path.join(place, "objects", "pack")
    return os.path.isdir(packs) and sum(name.endswith(".pack") for name in os.listdir(packs)) > PACKS
