"""The value that everything is made of: an immutable mapping of POSIX path to file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from ai_factory.errors import FactoryError

REGULAR, EXECUTABLE, LINK = "100644", "100755", "120000"
IGNORED = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
OBEYED = (".gitmodules", ".gitattributes", ".gitignore", ".mailmap")  # files that git acts on
BINARY_WINDOW = 8000  # bytes that git looks at for a NUL before it calls a file binary


class File(NamedTuple):
    """The content of one file and its mode as git writes it (a link's content is its target)."""

    content: bytes
    mode: str = REGULAR


class Blob(NamedTuple):
    """A file that a repository holds, named by mode and id instead of read."""

    mode: str
    id: str


Tree = Mapping[str, File]


def is_binary(content: bytes) -> bool:
    """Whether git would call this content binary: a NUL among the first 8,000 bytes."""
    return b"\0" in content[:BINARY_WINDOW]


def normalized(content: bytes) -> bytes:
    """The content with CRLF turned to LF, unless it is binary: what ids and merges speak of."""
    if b"\r\n" not in content or is_binary(content):
        return content
    return content.replace(b"\r\n", b"\n")


def blob_id(content: bytes) -> str:
    """Git's SHA-1 blob id of the normalized content, whatever hash the repository itself uses."""
    return raw_blob_id(normalized(content))


def raw_blob_id(content: bytes, algorithm: str = "sha1") -> str:
    """Git's blob id of exactly these bytes."""
    return git_id("blob", content, algorithm)


def git_id(kind: str, content: bytes, algorithm: str = "sha1") -> str:
    """The id of git's object of that kind (such as tree) with exactly these bytes."""
    hashed = hashlib.sha1 if algorithm == "sha1" else hashlib.sha256  # by name, each would cost a lookup more
    found = hashed(f"{kind} {len(content)}\0".encode(), usedforsecurity=False)
    found.update(content)
    return found.hexdigest()


def digest(content: bytes) -> str:
    """The SHA-256 of exactly these bytes, as the lock records those of the base and of project.yaml."""
    return hashlib.sha256(content).hexdigest()


def with_endings_of(content: bytes, model: bytes) -> bytes:
    """The content with the line endings that `model` uses throughout; a file keeps the endings it has."""
    if is_binary(content) or is_binary(model):
        return content
    if b"\n" not in model or has_mixed_endings(model):
        return content
    plain = normalized(content)
    return plain.replace(b"\n", b"\r\n") if b"\r\n" in model else plain


def has_mixed_endings(content: bytes) -> bool:
    """Whether some lines of the text end in CRLF, and some in LF alone."""
    crlf = content.count(b"\r\n")
    return 0 < crlf < content.count(b"\n") and not is_binary(content)


def tree_id(tree: Tree) -> str:
    """Git's tree id of these files: one name for the whole content, modes included."""
    return _tree_id({path: (file.mode, raw_blob_id(file.content)) for path, file in tree.items()})


def _tree_id(entries: Mapping[str, tuple[str, str]]) -> str:
    rows: list[tuple[bytes, str, str]] = []
    folders: dict[str, dict[str, tuple[str, str]]] = {}
    for path, entry in entries.items():
        head, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(head, {})[rest] = entry
        else:
            rows.append((path_bytes(head), entry[0], entry[1]))
    # git sorts a folder as if its name ended in a slash
    rows += [(path_bytes(name) + b"/", "40000", _tree_id(inner)) for name, inner in folders.items()]
    body = b"".join(
        mode.encode() + b" " + name.removesuffix(b"/") + b"\0" + bytes.fromhex(identity)
        for name, mode, identity in sorted(rows)
    )
    return git_id("tree", body)


def path_bytes(path: str) -> bytes:
    """The path as the disk and git spell it; bytes that are not UTF-8 come through unharmed."""
    return path.encode("utf-8", "surrogateescape")


def word(path: str) -> str:
    """The path as one word of a command that a person may paste into a shell."""
    from shlex import quote  # only where something is to be told

    return quote(f"./{path}" if path.startswith("-") else path)


def under(tree: Tree, folder: str) -> dict[str, File]:
    """The files below `folder`, their paths relative to it."""
    prefix = folder.rstrip("/") + "/"
    return {path[len(prefix) :]: file for path, file in tree.items() if path.startswith(prefix)}


@lru_cache(maxsize=65536)  # a fleet's projects hold the same paths, and each is looked at more than once
def check_path(path: str) -> str:
    """Return the path if it may name a file of a project or factory.

    Raises FactoryError for what is no text, absolute paths, `..`, empty parts, backslashes, NUL, and anything that git
    or a case-insensitive disk would take for `.git`.
    """
    parts = path.split("/")
    try:
        path_bytes(path)
    except UnicodeEncodeError:
        raise FactoryError(f"the path {path!r} is one that no disk can hold") from None
    bad = not path or "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in parts)
    if bad or any(_is_git_folder(part) for part in parts):
        raise FactoryError(f"the path {path!r} points outside its folder or into git's own")
    return path


def _is_git_folder(part: str) -> bool:
    return _seen_by_git(part) in (".git", "git~1")


def _seen_by_git(part: str) -> str:
    # what HFS+ leaves out of a name, and where NTFS begins a stream, as in git's own `is_hfs_dotgit`
    return part.translate(IGNORED).partition(":")[0].rstrip(". ").lower()


def check_case(paths: list[str]) -> None:
    """Raise FactoryError when two files or folders would be one on a disk that ignores case.

    Such a disk also takes a letter with an accent for the same letter with the accent apart.
    """
    seen: dict[str, str] = {}
    for path in sorted(paths):
        for place in (*above(path), path):
            other = seen.setdefault(_folded(place), place)
            if other != place:
                how = "case" if other.casefold() == place.casefold() else "how their letters are composed"
                raise FactoryError(f"`{other}` and `{place}` differ only in {how}")


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    from unicodedata import normalize  # only for names that need it

    return normalize("NFC", normalize("NFC", path).casefold())


def above(path: str) -> Iterator[str]:
    """The folders above a path, outermost first."""
    return (path[:place] for place, sign in enumerate(path) if sign == "/")


def case_twins(coming: Iterable[str], there: Iterable[str]) -> dict[str, str]:
    """The paths that come which, or a folder of which, differ from one that is there only as `check_case` says."""
    known: dict[str, set[str]] = {}
    for path in there:
        for place in (*above(path), path):
            known.setdefault(_folded(place), set()).add(place)
    found: dict[str, str] = {}
    for path in coming:
        for place in (*above(path), path):
            twins = known.get(_folded(place), {place})
            if place not in twins:
                found[path] = min(twins)
    return found


def check_folders(paths: list[str]) -> None:
    """Raise FactoryError when a path is a file here and a folder there."""
    known = set(paths)
    for path in sorted(paths):
        for folder in above(path):
            if folder in known:
                raise FactoryError(f"`{folder}` is a file, and `{path}` needs it to be a folder")


def check_link(path: str, file: File) -> None:
    """Raise FactoryError when a symbolic link points out of its tree, or lies where git reads a file."""
    check_aim(path, file)
    if file.mode == LINK and _seen_by_git(path.rpartition("/")[2]) in OBEYED:
        raise FactoryError(f"`{path}` is a link, and git reads what it finds there: it must be a file")


def check_aim(path: str, file: File) -> None:
    """Raise FactoryError when a symbolic link points out of its tree."""
    if file.mode != LINK:
        return
    target = file.content.decode("utf-8", "surrogateescape")
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    # a `..` after a name may leave by way of another link
    if not target or target.startswith("/") or "\0" in target or up > path.count("/") or ".." in parts[up:]:
        raise FactoryError(f"the link `{path}` points outside its folder, to {target!r}")
    if any(_is_git_folder(part) for part in parts):
        raise FactoryError(f"the link `{path}` points into git's own folder, to {target!r}")
