"""Runs git: repositories as trees, whole-tree merges in a scratch repository, staging, commits.

Rules of this file: git never asks a question, and reads no configuration of system or user except where a
person's own commit is made; nothing of a project's (driver, filter, hook, attribute) runs, but for the filters
without which git cannot tell whether a file changed (`status`, `describe`); options and names never mix.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ai_factory.errors import MachineError, ProjectError, UnreachableError, UsageError
from ai_factory.merge import Input, MergedTrees, Note, Side
from ai_factory.tree import Blob, File, path_bytes, raw_blob_id

OLDEST = (2, 38)  # `merge-tree --write-tree`
NOBODY = ("ai-factory", "noreply@invalid")
SUBMODULE = "160000"
TRANSPORTS = "file:https:ssh"
TIMEOUT = 600  # seconds of one git process

_PINNED = {  # of a merge: the same result on every machine
    "merge.conflictStyle": "merge",
    "merge.renames": "true",
    "merge.directoryRenames": "false",
    "merge.renameLimit": "10000",
    "merge.default": "text",
    "core.autocrlf": "false",
    "core.attributesFile": os.devnull,
    "attr.tree": "no-tree",  # newer git reads the attributes of HEAD in a bare repository
    "core.hooksPath": os.devnull,
    "gc.auto": "0",
}


def isolated() -> dict[str, str]:
    """An environment in which git sees no configuration but a repository's own, and asks nothing."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_ALLOW_PROTOCOL": TRANSPORTS,
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
        "LC_ALL": "C",
        # before a repository's own: it may name a hook, or a program to ask which files changed
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": os.devnull,
        "GIT_CONFIG_KEY_1": "core.fsmonitor",
        "GIT_CONFIG_VALUE_1": "false",
    }


@contextmanager
def _trusting() -> Iterator[dict[str, str]]:
    """The isolated environment with one setting of the person's: which repositories of other users git may read."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    asked = _started(["config", "--global", "--get-all", "-z", "safe.directory"], "/", environment=own)
    with tempfile.NamedTemporaryFile("wb", prefix="ai-factory-") as stream:
        for folder in asked.stdout.split(b"\0")[:-1]:
            stream.write(b"[safe]\n\tdirectory = " + _quoted(os.fsdecode(folder)) + b"\n")
        stream.flush()
        yield isolated() | {"GIT_CONFIG_GLOBAL": stream.name}


def run(
    arguments: Sequence[str | bytes],
    folder: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    expect: Sequence[int] = (0,),
) -> bytes:
    """What git prints. Raises MachineError when it is missing, too old, too slow, or exits otherwise than expected."""
    return _finished(arguments, folder, stdin, environment, expect).stdout


def _finished(
    arguments: Sequence[str | bytes],
    folder: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    expect: Sequence[int] = (0,),
) -> subprocess.CompletedProcess[bytes]:
    done = _started(arguments, folder, stdin, environment)
    if environment is None and b"dubious ownership" in done.stderr:
        with _trusting() as trusting:
            done = _started(arguments, folder, stdin, trusting)
    if done.returncode not in expect:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = next((line for line in said if line.startswith(("fatal:", "error:"))), said[-1] if said else "")
        raise MachineError(f"git failed: `git {_words(arguments[:2])}`: {reason}", _hint_for(reason))
    return done


def _started(
    arguments: Sequence[str | bytes], folder: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            input=stdin,
            capture_output=True,
            env=isolated() if environment is None else environment,
            timeout=TIMEOUT,
            check=False,
        )
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.isdir(folder):
            raise MachineError(f"there is no folder `{folder}`") from None
        raise MachineError("git is not installed", "install git 2.38 or newer") from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"git took longer than {TIMEOUT} seconds: `git {_words(arguments[:2])}`") from None


def _words(arguments: Sequence[str | bytes]) -> str:
    return " ".join(os.fsdecode(argument) for argument in arguments)


def _hint_for(reason: str) -> str:
    if "dubious ownership" in reason:
        return "the repository belongs to another user: `git config --global --add safe.directory PATH`"
    return "install git 2.38 or newer" if "usage:" in reason or "unknown option" in reason else ""


# ---- a factory in a repository -------------------------------------------------------------------


class Release(NamedTuple):
    """A tag and the commit that it names."""

    tag: str
    commit: str


def update_mirror(url: str, mirror: str) -> None:
    """Bring the bare mirror of `url` up to date. Raises UnreachableError when it cannot be read."""
    fresh = not os.path.exists(os.path.join(mirror, "HEAD"))
    if fresh:
        run(["init", "--quiet", "--bare", "--template=", mirror], os.path.dirname(mirror))
    refs = ["+refs/tags/*:refs/tags/*", "+refs/heads/*:refs/heads/*"]
    command = [
        "fetch",
        "--quiet",
        "--prune",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--",
        url,
        *refs,
    ]
    environment = None
    if url.startswith("http://"):  # only this machine's own, see `factory.is_remote`; it may not send us elsewhere
        environment = isolated() | {"GIT_ALLOW_PROTOCOL": "http"}
        command = ["-c", "http.followRedirects=false", *command]
    try:
        run(command, mirror, environment=environment)
    except MachineError as error:
        if fresh:
            shutil.rmtree(mirror)  # an empty mirror would look like a factory without releases
        raise UnreachableError(
            f"the factory `{url}` cannot be reached: {error.message.rpartition(': ')[2]}",
            "check the address, the network and your access to it",
        ) from None


def releases(repository: str) -> list[Release]:
    """All tags of a repository with the commits that they name."""
    form = "%(refname:strip=2)%00%(objectname)%00%(*objectname)"
    lines = run(["for-each-ref", f"--format={form}", "refs/tags"], repository).decode(errors="replace").splitlines()
    rows = (line.split("\0") for line in lines)
    return [Release(tag, peeled or direct) for tag, direct, peeled in rows]


def resolve(repository: str, reference: str) -> str:
    """The commit id that a reference names. Raises UsageError when there is none."""
    # names go in through stdin, where nothing is taken for an option
    for candidate in (f"refs/tags/{reference}", f"refs/heads/{reference}", reference):
        if "\n" in candidate or candidate.startswith("-"):
            break
        question = path_bytes(f"{candidate}^{{commit}}\n")
        answer = run(["cat-file", "--batch-check"], repository, question).decode(errors="replace")
        if found := re.fullmatch(r"([0-9a-f]{40,64}) commit \d+\n", answer):
            return found[1]
    raise UsageError(f"the factory has no version `{reference}`")


def list_tree(repository: str, commit: str, folders: Sequence[str] = ()) -> dict[str, Blob]:
    """The files of a commit below those folders (all, when none is named), without reading their content."""
    arguments = ["ls-tree", "-r", "-z", "--full-tree", commit, "--", *folders]
    rows = run(arguments, repository).split(b"\0")
    return {os.fsdecode(path): Blob(*_entry(head)) for head, _, path in (row.partition(b"\t") for row in rows if row)}


def _entry(head: bytes) -> tuple[str, str]:
    mode, _, blob = head.decode().split(" ")
    return mode, blob


def read_blobs(repository: str, blobs: Iterable[str]) -> dict[str, bytes]:
    """The content of each blob, read by one process. Raises MachineError when one is missing."""
    wanted = list(dict.fromkeys(blobs))
    if not wanted:
        return {}
    output = run(["cat-file", "--batch"], repository, "\n".join(wanted).encode() + b"\n")
    found: dict[str, bytes] = {}
    place = 0
    for blob in wanted:
        end = output.index(b"\n", place)
        header = output[place:end].split()
        if header[1:2] != [b"blob"]:
            raise MachineError(f"the object {blob} is not in `{repository}`")
        size = int(header[2])
        found[blob] = output[end + 1 : end + 1 + size]
        place = end + 1 + size + 1
    return found


def describe(folder: str) -> str:
    """A name for the state of the work tree, by its newest tag; empty when there is no repository or commit."""
    done = _finished(["describe", "--tags", "--always", "--dirty"], folder, expect=(0, 128))
    return done.stdout.decode().strip()


# ---- a project's own repository ------------------------------------------------------------------


class Status(NamedTuple):
    """A project's repository at one moment; paths are relative to the project."""

    head: str
    tracked: Mapping[str, Blob]
    dirty: tuple[str, ...]  # uncommitted changes, staged or not
    untracked: frozenset[str]
    unmerged: frozenset[str]
    sparse: frozenset[str] = frozenset()  # tracked, and left out of the work tree by a sparse checkout


def status(root: str) -> Status:
    """Head, index and uncommitted changes below `root`."""
    prefix = run(["rev-parse", "--show-prefix"], root).decode(errors="surrogateescape").strip("\n")
    options = [
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=all",
    ]
    rows = [row for row in run([*options, "--", "."], root, environment=_personal()).split(b"\0") if row]
    marks = {os.fsdecode(row[3:]).removeprefix(prefix): row[:2].decode() for row in rows}
    head = _finished(["rev-parse", "--verify", "--quiet", "HEAD"], root, expect=(0, 1)).stdout.decode().strip()
    unmerged = {path for path, mark in marks.items() if "U" in mark or mark in ("AA", "DD")}
    tracked, sparse = _index(root)
    return Status(
        head,
        tracked,
        tuple(sorted(path for path, mark in marks.items() if mark != "??")),
        frozenset(path for path, mark in marks.items() if mark == "??"),
        frozenset(unmerged),
        sparse,
    )


def _personal() -> dict[str, str]:
    """The isolated environment with the person's own settings: what git calls a change depends on them.

    Not those on what git ignores: a file that they hide is still there, and in the way.
    """
    own = {key: value for key, value in isolated().items() if key not in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM")}
    hidden = {"GIT_CONFIG_KEY_2": "core.excludesFile", "GIT_CONFIG_VALUE_2": os.devnull}
    return own | hidden | {"GIT_CONFIG_COUNT": "3"}


def _index(root: str) -> tuple[dict[str, Blob], frozenset[str]]:
    """The files in the index, and those of them that a sparse checkout leaves out."""
    rows = run(["ls-files", "--stage", "-t", "-z", "--", "."], root).split(b"\0")
    entries: dict[str, Blob] = {}
    sparse: set[str] = set()
    for head, _, path in (row.partition(b"\t") for row in rows if row):
        tag, mode, blob, _stage = head.decode().split(" ")
        entries[os.fsdecode(path)] = Blob(mode, blob)
        if tag == "S":
            sparse.add(os.fsdecode(path))
    return entries, frozenset(sparse)


def ignored(root: str, paths: Sequence[str]) -> set[str]:
    """Those of the paths that git ignores there."""
    if not paths:
        return set()
    stdin = b"\0".join(map(path_bytes, paths))
    output = _finished(["check-ignore", "-z", "--stdin"], root, stdin, expect=(0, 1)).stdout
    return {os.fsdecode(path) for path in output.split(b"\0") if path}


def store(root: str, contents: Iterable[bytes]) -> dict[bytes, str]:
    """Write contents as objects of the project's repository, in one process and one pack; content to id."""
    wanted = list(dict.fromkeys(contents))
    if not wanted:
        return {}
    stream = b"".join(
        b"blob\nmark :%d\ndata %d\n%s\n" % (number, len(content), content) for number, content in enumerate(wanted, 1)
    )
    asked = b"".join(b"get-mark :%d\n" % number for number in range(1, len(wanted) + 1))
    output = run(["fast-import", "--quiet", "--done"], root, stream + asked + b"done\n")
    return dict(zip(wanted, output.decode().split(), strict=True))


class Stage(NamedTuple):
    """What the index shall hold for a path: one staged file, none, or the sides of a conflict (stages 1 to 3)."""

    path: str
    clean: Blob | None = None
    sides: tuple[Blob | None, Blob | None, Blob | None] | None = None


def stage(root: str, stages: Sequence[Stage]) -> None:
    """Put the paths into the index as given; no filter of the project runs."""
    prefix = run(["rev-parse", "--show-prefix"], root).decode(errors="surrogateescape").strip("\n")
    nothing = "0" * len(object_id(b"", project_objects(root)))
    lines: list[bytes] = []
    for item in stages:
        path = path_bytes(prefix + item.path)
        lines.append(f"0 {nothing}\t".encode() + path)
        if item.clean:
            lines.append(f"{item.clean.mode} {item.clean.id}\t".encode() + path)
        for number, side in enumerate(item.sides or (), 1):
            if side:
                lines.append(f"{side.mode} {side.id} {number}\t".encode() + path)
    if lines:
        # no `--refresh`: it would run the project's filters over each of these files
        run(["update-index", "-z", "--index-info"], root, b"\0".join(lines) + b"\0")


def index_listing(root: str) -> str:
    """A digest of all that the repository's index holds, wherever in the repository `root` lies."""
    top = run(["rev-parse", "--show-cdup"], root).decode().strip("\n")
    listing = run(["ls-files", "--stage", "-z"], os.path.join(root, top))
    return hashlib.sha256(listing).hexdigest()


def restage(root: str, saved: str, paths: Sequence[str]) -> None:
    """Put these paths into the index as they stand in a saved one (an empty name: nothing was staged)."""
    known: dict[str, list[tuple[str, str, str]]] = {}
    if saved:
        environment = isolated() | {"GIT_INDEX_FILE": saved}
        for row in run(["ls-files", "--stage", "-z", "--", "."], root, environment=environment).split(b"\0"):
            head, _, path = row.partition(b"\t")
            if row and (name := os.fsdecode(path)) in paths:
                mode, blob, number = head.decode().split(" ")
                known.setdefault(name, []).append((number, mode, blob))
    stages = []
    for place in paths:
        entries = {number: Blob(mode, blob) for number, mode, blob in known.get(place, [])}
        sides = (entries.get("1"), entries.get("2"), entries.get("3"))
        stages.append(Stage(place, entries.get("0"), sides if any(sides) else None))
    stage(root, stages)


def commit(root: str, message: str, paths: Sequence[str]) -> None:
    """Commit these paths and nothing else, with the person's own identity and hooks."""
    environment = {key: value for key, value in os.environ.items() if key != "GIT_DIR"} | {"GIT_LITERAL_PATHSPECS": "1"}
    stdin = b"\0".join(map(path_bytes, paths)) + b"\0"
    options = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    run(["commit", "--quiet", "-m", message, "--only", *options], root, stdin, environment)


def first_commit(root: str, paths: Sequence[str], message: str) -> bool:
    """Make a repository with one commit of these paths; whether the person's own identity was known.

    Hooks, signing, templates and filters are off, and no ignore rule of the machine leaves a file out.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GIT_") or "_NAME" in key or "_EMAIL" in key
    }
    run(["init", "--quiet", "--template=", "."], root, environment=environment)
    identity, known = _identity(root, environment)
    plain = [
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "commit.gpgSign=false",
        "-c",
        "core.autocrlf=false",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "gc.auto=0",
    ]
    plain += ["-c", f"core.attributesFile={os.devnull}"]
    stdin = b"\0".join(map(path_bytes, paths)) + b"\0"
    run(
        [*plain, "add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul"],
        root,
        stdin,
        environment | {"GIT_LITERAL_PATHSPECS": "1"},
    )
    run([*plain, "commit", "--quiet", "--no-verify", "-m", message], root, environment=environment | identity)
    return known


def _identity(root: str, environment: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    options = ["config", "--get-regexp", r"^user\.(name|email)$"]
    found = _finished(options, root, environment=environment, expect=(0, 1)).stdout.decode(errors="replace")
    known = {line.partition(" ")[0] for line in found.splitlines()} >= {"user.name", "user.email"}
    named = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"} <= environment.keys()
    if known:
        return {}, True
    name, mail = (environment["GIT_AUTHOR_NAME"], environment["GIT_AUTHOR_EMAIL"]) if named else NOBODY
    both = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail}
    committer = {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": mail}
    return both | committer | {key: environment[key] for key in committer if key in environment}, named


# ---- merging -------------------------------------------------------------------------------------


class Names(NamedTuple):
    """How the two sides are called in conflict markers."""

    ours: str
    theirs: str


@contextmanager
def scratch(objects: str = "") -> Iterator[str]:
    """A bare repository that lives as long as the block, and may read the objects of another one."""
    with tempfile.TemporaryDirectory(prefix="ai-factory-") as folder:
        form = _object_format(objects)
        run(["init", "--quiet", "--bare", "--template=", f"--object-format={form}", folder], folder)
        if objects:
            with open(os.path.join(folder, "objects/info/alternates"), "w", encoding="utf-8") as stream:
                stream.write(objects + "\n")
        yield folder


def _object_format(objects: str) -> str:
    config = os.path.join(os.path.dirname(objects), "config") if objects else ""
    try:
        with open(config, encoding="utf-8", errors="replace") as stream:
            return "sha256" if re.search(r"objectformat\s*=\s*sha256", stream.read(), re.IGNORECASE) else "sha1"
    except OSError:
        return "sha1"


def merge_trees(base: Input, ours: Input, theirs: Input, names: Names, objects: str = "") -> MergedTrees:
    """Merge two trees that descend from `base`, with git's own renames and line merge, in a scratch repository.

    `objects` is the objects folder of the project, in which inputs given as `Blob` lie.
    """
    with scratch(objects) as repository:
        labels = _labels(names)
        stream = _commit_stream(1, "refs/heads/base", base, "") + _commit_stream(
            2, f"refs/heads/{labels.ours}", ours, ":1"
        )
        stream += _commit_stream(3, f"refs/heads/{labels.theirs}", theirs, ":1")
        run(["fast-import", "--quiet", "--force", "--done"], repository, stream + b"done\n")
        pinned = [part for key, value in _PINNED.items() for part in ("-c", f"{key}={value}")]
        command = [*pinned, "merge-tree", "--write-tree", "-z", "--messages", *labels]
        output = run(command, repository, expect=(0, 1))
        return _read_merge(repository, output, ours)


def _labels(names: Names) -> Names:
    """The names as branches: they stand in the conflict markers, so no two may be one."""
    ours, theirs = _label(names.ours, "yours"), _label(names.theirs, "factory")
    return Names(ours, theirs if theirs != ours else f"{theirs}-2")


def _label(name: str, otherwise: str) -> str:
    label = re.sub(r"[^A-Za-z0-9._+-]+|\.\.+|\.lock$", "-", name).strip("-./") or otherwise
    # git takes these for something other than a branch
    return f"{label}-{otherwise}" if label == "HEAD" or re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", label) else label


def _commit_stream(mark: int, reference: str, tree: Input, parent: str) -> bytes:
    lines = [
        f"commit {reference}\nmark :{mark}\ncommitter {NOBODY[0]} <{NOBODY[1]}> 0 +0000\ndata 0\n".encode(),
        f"from {parent}\n".encode() if parent else b"",
        b"deleteall\n",
    ]
    for path, entry in tree.items():
        name = _quoted(path)
        if isinstance(entry, Blob):
            lines.append(f"M {entry.mode} {entry.id} ".encode() + name + b"\n")
        else:
            head = f"M {entry.mode} inline ".encode() + name
            lines.append(head + b"\ndata %d\n%s\n" % (len(entry.content), entry.content))
    return b"".join(lines) + b"\n"


def _quoted(path: str) -> bytes:
    escaped = path_bytes(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'


def _read_merge(repository: str, output: bytes, ours: Input) -> MergedTrees:
    head, *fields = output.split(b"\0")
    stages, position = _stages(fields)
    listed = list_tree(repository, head.decode().strip())
    changed = {path: entry for path, entry in listed.items() if ours.get(path) != entry and entry.mode != SUBMODULE}
    blobs = [entry.id for entry in changed.values()] + [entry.id for sides in stages.values() for _, entry in sides]
    contents = read_blobs(repository, blobs)
    files = {path: File(contents[entry.id], entry.mode) if path in changed else entry for path, entry in listed.items()}
    conflicts = {
        path: tuple(Side(number, File(contents[entry.id], entry.mode)) for number, entry in sides)
        for path, sides in stages.items()
    }
    return MergedTrees(files, conflicts, tuple(_notes(fields[position:])))


def _stages(fields: Sequence[bytes]) -> tuple[dict[str, list[tuple[int, Blob]]], int]:
    stages: dict[str, list[tuple[int, Blob]]] = {}
    for position, field in enumerate(fields):
        if not field:
            return stages, position + 1
        head, _, path = field.partition(b"\t")
        mode, blob, number = head.decode().split(" ")
        stages.setdefault(os.fsdecode(path), []).append((int(number), Blob(mode, blob)))
    return stages, len(fields)


def _notes(fields: Sequence[bytes]) -> Iterator[Note]:
    position = 0
    while position < len(fields) and fields[position]:
        count = int(fields[position])
        paths = tuple(os.fsdecode(path) for path in fields[position + 1 : position + 1 + count])
        kind, text = fields[position + 1 + count : position + 3 + count]
        yield Note(kind.decode(), paths, text.decode(errors="replace").strip())
        position += 3 + count


def project_objects(root: str) -> str:
    """The objects folder of the repository that `root` lies in."""
    place = run(["rev-parse", "--git-path", "objects"], root).decode(errors="surrogateescape").strip("\n")
    return os.path.realpath(os.path.join(root, place))


def require_work_tree(root: str) -> None:
    """Raise ProjectError unless `root` lies in a git work tree."""
    done = _finished(["rev-parse", "--is-inside-work-tree"], root, expect=(0, 128))
    if done.stdout.strip() != b"true":
        if b"dubious" in done.stderr:
            raise MachineError(f"git does not trust `{root}`", _hint_for("dubious ownership"))
        raise ProjectError(f"`{root}` lies in no git work tree", "make one: `git init && git add -A && git commit`")


def object_id(content: bytes, objects: str) -> str:
    """The blob id of exactly these bytes, in the hash of that repository."""
    return raw_blob_id(content, _object_format(objects))


def existing(repository: str, blobs: Sequence[str]) -> list[str]:
    """Those of the blob ids that the repository holds."""
    if not blobs:
        return []
    rows = run(["cat-file", "--batch-check"], repository, "\n".join(blobs).encode() + b"\n").decode().splitlines()
    return [row.split()[0] for row in rows if row.split()[1:2] == ["blob"]]


def content_of(root: str, place: str) -> bytes | None:
    """The content that git names so (`HEAD:./path`, `:2:./path`), or None when there is none."""
    done = _finished(["cat-file", "blob", place], root, expect=(0, 128))
    return done.stdout if done.returncode == 0 else None
