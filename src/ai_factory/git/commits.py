"""The commits that the tool makes: the first one of a project, that of a sync on request, and that of a release."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from ai_factory.errors import MachineError
from ai_factory.git.objects import NOBODY, ONE_PACK, commit_stream
from ai_factory.git.process import finished, run
from ai_factory.interruption import undisturbed
from ai_factory.tree import Tree, path_bytes

_WHO = re.compile(r"GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)")
_SIGNATURE = re.compile(rb"^-----BEGIN (SSH SIGNATURE|PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE)-----$", re.MULTILINE)
_PLAIN = (  # nothing of the person's or the machine's runs
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.autocrlf=false"),
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.attributesFile={os.devnull}"),
)


def commit(root: str, message: str, paths: Sequence[str]) -> None:
    """Commit these paths, which are staged, and nothing else, with the person's own identity and hooks."""
    environment = _own()
    if set(_staged(root)) <= {os.path.normpath(path) for path in paths}:
        # a hook that formats and adds again does that in the index itself, which `--only` would take back
        run(["commit", "--quiet", "-m", message], root, environment=environment)
        return
    stdin = b"\0".join(map(path_bytes, paths)) + b"\0"
    options = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    run(["commit", "--quiet", "-m", message, "--only", *options], root, stdin, environment)


def tagged(root: str, paths: Sequence[str], tag: str, message: bytes, *, sign: bool) -> None:
    """Commit these paths as `Release TAG` and tag that commit with the message: both, or nothing.

    The work tree must have been clean before they were written: where git refuses, it is brought back to that. Raises
    MachineError.
    """
    before = run(["rev-parse", "--verify", "HEAD"], root).decode().strip()
    if run(["tag", "--list", "--", tag], root):
        raise MachineError(f"there is a tag `{tag}` already")
    try:
        run(["add", "--", *paths], root, environment=_own())
        commit(root, f"Release {tag}", paths)
        _tag(root, tag, message, sign=sign)
    except BaseException:
        with undisturbed():
            finished(["tag", "--delete", "--", tag], root, expect=None)
            run(["reset", "--quiet", "--hard", before], root)
        raise


def _tag(root: str, tag: str, message: bytes, *, sign: bool) -> None:
    kind = "--sign" if sign else "--annotate"
    done = finished(["tag", kind, "--cleanup=whitespace", "--file=-", "--", tag], root, message, _own())
    # a key that cannot be read makes git say so, and make a tag without a signature
    if sign and not _SIGNATURE.search(run(["cat-file", "tag", f"refs/tags/{tag}"], root)):
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise MachineError(f"git did not sign the tag: {said or 'it says nothing about why'}")


def _own() -> dict[str, str]:
    """The person's own environment: identity, hooks and signing are theirs."""
    return {key: value for key, value in os.environ.items() if key != "GIT_DIR"} | {"GIT_LITERAL_PATHSPECS": "1"}


def _staged(root: str) -> list[str]:
    """All that the next commit would change, relative to `root`: beyond it, the paths begin with `..`."""
    prefix = run(["rev-parse", "--show-prefix"], root).decode(errors="surrogateescape").strip("\n")
    names = run(["diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "-z"], root).split(b"\0")
    return [os.path.relpath("/" + os.fsdecode(name), "/" + prefix) for name in names if name]


def first_commit(root: str, files: Tree, message: str) -> bool:
    """Make a repository with one commit of these files; whether the person's own identity was known.

    The files lie in `root` already, and are committed byte for byte: hooks, signing, templates and filters are off,
    and no ignore rule of the machine leaves one out. They become one pack, which takes a fraction of the time.
    """
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or _WHO.fullmatch(key)}
    run(["init", "--quiet", "--template=", "."], root, environment=own)
    author, committer, known = _identities(root, own)
    who = f"author {author}\ncommitter {committer}\n".encode()
    stream = commit_stream(1, _branch(root, own), files, by=who, message=message.encode())
    run([*_PLAIN, *ONE_PACK, "fast-import", "--quiet", "--done"], root, stream + b"done\n", own)
    run([*_PLAIN, "reset", "--quiet", "--refresh"], root)  # the index, with what the files look like on disk
    return known


def _branch(root: str, environment: Mapping[str, str]) -> str:
    """The branch on which the first commit will be, which the person's settings name."""
    return run(["symbolic-ref", "HEAD"], root, environment=environment).decode().strip()


def _identities(root: str, environment: Mapping[str, str]) -> tuple[str, str, bool]:
    """Author and committer as git writes them, with the time; and whether they are the person's own."""
    told = run(["var", "-l"], root, environment=environment).decode("utf-8", "surrogateescape").splitlines()
    values = {key: value for key, _, value in (row.partition("=") for row in told)}
    author, committer = values["GIT_AUTHOR_IDENT"], values["GIT_COMMITTER_IDENT"]
    if {"user.name", "user.email"} <= values.keys():
        return author, committer, True
    named = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"} <= environment.keys()
    mine = author.rpartition("> ")[0] + ">" if named else f"{NOBODY[0]} <{NOBODY[1]}>"
    if not {"GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"} <= environment.keys():
        committer = mine + committer[committer.rindex("> ") + 1 :]
    return mine + author[author.rindex("> ") + 1 :], committer, named
