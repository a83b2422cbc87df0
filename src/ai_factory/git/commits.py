"""The commits in a person's name: the first of a project, of a sync, of a release, and one on a new branch."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ai_factory.errors import MachineError, UsageError
from ai_factory.git.objects import NOBODY, ONE_PACK, change_stream, commit_stream, git_folder
from ai_factory.git.process import failure, finished, run
from ai_factory.git.scratch import adopt, scratch
from ai_factory.interruption import undisturbed
from ai_factory.tree import File, Tree, above, path_bytes

OTHER_BRANCH = "name another with `--branch`"
_WHO = re.compile(r"GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)")
_SIGNATURE = re.compile(rb"^-----BEGIN (SSH SIGNATURE|PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE)-----$", re.MULTILINE)
_PLAIN = (  # nothing of the person's or the machine's runs
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.autocrlf=false"),
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.attributesFile={os.devnull}"),
)


class Author(NamedTuple):
    """Whose a commit is, as git writes author and committer, with the time.

    `is_known` tells whether that is the person; `signs` whether they have git sign what they commit.
    """

    author: str
    committer: str
    is_known: bool
    signs: bool


def commit(root: str, message: str, paths: Sequence[str]) -> None:
    """Commit these paths, which are staged, and nothing else, with the person's own identity and hooks."""
    environment = _as_the_person()
    if set(_staged(root)) <= {os.path.normpath(path) for path in paths}:
        # a hook that formats and adds again does that in the index itself, which `--only` would take back
        run(["commit", "--quiet", "-m", message], root, environment=environment)
        return
    stdin = b"\0".join(map(path_bytes, paths)) + b"\0"
    options = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    run(["commit", "--quiet", "-m", message, "--only", *options], root, stdin, environment)


def tagged(root: str, paths: Sequence[str], tag: str, message: bytes, *, sign: bool) -> None:
    """Commit these paths, if any, as `Release TAG` and tag that commit with the message: both, or nothing.

    The work tree must have been clean before they were written: where git refuses, it is brought back to that. Raises
    MachineError.
    """
    before = run(["rev-parse", "--verify", "HEAD"], root).decode().strip()
    if run(["tag", "--list", "--", tag], root):
        raise MachineError(f"there is a tag `{tag}` already")
    try:
        if paths:
            run(["add", "--", *paths], root, environment=_as_the_person())
            commit(root, f"Release {tag}", paths)
        _tag(root, tag, message, sign=sign)
    except BaseException:
        with undisturbed():
            finished(["tag", "--delete", "--", tag], root, expect=None)
            run(["reset", "--quiet", "--hard", before], root)
        raise


def _tag(root: str, tag: str, message: bytes, *, sign: bool) -> None:
    kind = "--sign" if sign else "--annotate"
    done = finished(["tag", kind, "--cleanup=whitespace", "--file=-", "--", tag], root, message, _as_the_person())
    # a key that cannot be read makes git say so, and make a tag without a signature
    if sign and not _SIGNATURE.search(run(["cat-file", "tag", f"refs/tags/{tag}"], root)):
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise MachineError(f"git did not sign the tag: {said or 'it says nothing about why'}")


def _as_the_person() -> dict[str, str]:
    """The person's own environment: identity, hooks and signing are theirs."""
    return {key: value for key, value in os.environ.items() if key != "GIT_DIR"} | {"GIT_LITERAL_PATHSPECS": "1"}


def _staged(root: str) -> list[str]:
    """All that the next commit would change, relative to `root`: beyond it, the paths begin with `..`."""
    prefix = run(["rev-parse", "--show-prefix"], root).decode(errors="surrogateescape").strip("\n")
    names = run(["diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "-z"], root).split(b"\0")
    return [os.path.relpath("/" + os.fsdecode(name), "/" + prefix) for name in names if name]


def first_commit(root: str, files: Tree, message: str) -> Author:
    """Make a repository with one commit of these files; whose it is.

    The files lie in `root` already, and are committed byte for byte: hooks, signing, templates and filters are off,
    and no ignore rule of the machine leaves one out. They become one pack, which takes a fraction of the time.
    """
    own = _own()
    run(["init", "--quiet", "--template=", "."], root, environment=own)
    author = _author(root, own)
    who = f"author {author.author}\ncommitter {author.committer}\n".encode()
    stream = commit_stream(1, _branch(root, own), files, by=who, message=message.encode())
    run([*_PLAIN, *ONE_PACK, "fast-import", "--quiet", "--done"], root, stream + b"done\n", own)
    run([*_PLAIN, "reset", "--quiet", "--refresh"], root)  # the index, with what the files look like on disk
    return author


def _own() -> dict[str, str]:
    """The person's own settings, and of what the environment says to git only who they are."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or _WHO.fullmatch(key)}


def commit_aside(root: str, branch: str, parent: str, files: Mapping[str, File | None], message: str) -> str:
    """Make a new branch with one commit on `parent`, in which these files are as given (None: gone); the commit's id.

    Neither work tree nor index is touched, and no hook runs. The branch appears at once, or not at all. Raises
    UsageError as `refuse_branch` does, and where git does not know the person.
    """
    refuse_branch(root, branch)
    name = f"refs/heads/{branch}"
    author = _author(root, _own())
    if not author.is_known:
        raise UsageError(
            "git does not know whose the commit would be", "`git config --global user.name NAME`, and `user.email`"
        )
    objects = os.path.join(git_folder(root), "objects")
    with scratch(objects) as repository:
        who = f"author {author.author}\ncommitter {author.committer}\n".encode()
        stream = change_stream(who, parent, files, message.encode())
        commit = run([*ONE_PACK, "fast-import", "--quiet", "--done"], repository, stream).decode().split()[0]
        adopt(objects, repository)
    command = ["update-ref", name, commit, "0" * len(commit)]
    done = finished(command, root, expect=None)
    if done.returncode:
        refuse_branch(root, branch)  # somebody may have made one meanwhile
        raise failure(command, done)
    return commit


def refuse_branch(root: str, branch: str) -> None:
    """Raise UsageError for a name that is no branch's, is taken, or has another branch in its way."""
    name = f"refs/heads/{branch}"
    if branch.startswith("-") or finished(["check-ref-format", name], root, expect=(0, 1)).returncode:
        raise UsageError(f"`{branch}` is no name of a branch", OTHER_BRANCH)
    folders = [folder for folder in above(name) if folder.count("/") > 1]
    listed = ["for-each-ref", "--format=%(refname)", name, *folders]
    there = run(listed, root).decode(errors="surrogateescape").split("\n")
    if name in there:
        raise UsageError(f"there is a branch `{branch}` already", OTHER_BRANCH)
    if blocking := [one for one in there if one in folders or one.startswith(f"{name}/")]:
        raise UsageError(
            f"the branch `{blocking[0].removeprefix('refs/heads/')}` is in the way of `{branch}`", OTHER_BRANCH
        )


def _branch(root: str, environment: Mapping[str, str]) -> str:
    """The branch on which the first commit will be, which the person's settings name."""
    return run(["symbolic-ref", "HEAD"], root, environment=environment).decode().strip()


def _author(root: str, environment: Mapping[str, str]) -> Author:
    """Who the person is to git, else the tool itself."""
    told = run(["var", "-l"], root, environment=environment).decode("utf-8", "surrogateescape").splitlines()
    values = {key: value for key, _, value in (row.partition("=") for row in told)}
    author, committer = values["GIT_AUTHOR_IDENT"], values["GIT_COMMITTER_IDENT"]
    signs = values.get("commit.gpgsign", "").lower() in ("true", "yes", "on", "1")
    if {"user.name", "user.email"} <= values.keys():
        return Author(author, committer, True, signs)
    named = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"} <= environment.keys()
    mine = author.rpartition("> ")[0] + ">" if named else f"{NOBODY[0]} <{NOBODY[1]}>"
    if not {"GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"} <= environment.keys():
        committer = mine + committer[committer.rindex("> ") + 1 :]
    return Author(mine + author[author.rindex("> ") + 1 :], committer, named, signs)
