"""`.ai-factory/lock.json`: what was applied to a project, file by file. The tool writes it, `check` lives by it.

Rules of this file: it imports the standard library only, and little of that, because `check` imports it;
what it returns has been checked, also against a lock written by a stranger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from ai_factory.errors import FactoryError, LockError
from ai_factory.tree import EXECUTABLE, LINK, REGULAR, check_path, word

SCHEMA = 1
FOLDER = ".ai-factory"
LOCK, BASE = f"{FOLDER}/lock.json", f"{FOLDER}/base"
PROJECT, WAIVERS, ATTRIBUTES = (
    f"{FOLDER}/project.yaml",
    f"{FOLDER}/waivers.yaml",
    f"{FOLDER}/.gitattributes",
)
OWNERSHIPS = ("managed", "merged", "seeded", "produced")
STATES = ("open", "declined", "local")
KINDS = ("embedded", "folder", "git")
MODES = (REGULAR, EXECUTABLE, LINK)
SIZE_LIMIT = 8 * 1024 * 1024  # bytes: 5,000 paths take two
WORD_LIMIT = 1000  # characters of a version or an address
_HEX = frozenset("0123456789abcdef")
_BLOB = re.compile("[0-9a-f]{40}").fullmatch


class Origin(NamedTuple):
    """Where a project's files come from: a factory at one version.

    `commit` is empty unless the factory is a git repository; `tree` is git's tree id of its
    `templates/`, `blueprints/` and `controls/`.
    """

    kind: str
    url: str
    version: str
    commit: str
    tree: str


def named(before: Origin, after: Origin) -> tuple[str, str]:
    """Two versions as people tell them apart: a branch, which keeps its name, with its commits."""
    stays = before.version == after.version and before.commit != after.commit
    first, second = (f"{one.version} {one.commit[:7]}" if stays else one.version for one in (before, after))
    return first, second


class Entry(NamedTuple):
    """One path: who owns it, and the id of the pristine content it descends from.

    `base` is empty for produced files; `theirs` is the id of the incoming content while a conflict is open, and
    `theirs_version` the version that it came with, where the project has gone on to another one since.
    """

    component: str
    ownership: str
    mode: str = REGULAR
    base: str = ""
    base_version: str = ""
    controls: tuple[str, ...] = ()
    state: str = ""
    theirs: str = ""
    theirs_version: str = ""


_TEXTS = tuple(field for field in Entry._fields if field != "controls")
_TEXTS_OF = attrgetter(*_TEXTS)


class Lock(NamedTuple):
    """The whole record; `folders` are those in which every file is promised (rule AF011).

    `base_file` and `project_file` are the SHA-256 of `.ai-factory/base`, and of the `project.yaml` that was applied.
    """

    factory: Origin
    engine: str
    answers: Mapping[str, Any]
    components: Mapping[str, str]
    base_file: str
    paths: Mapping[str, Entry]
    folders: tuple[str, ...] = ()
    project_file: str = ""


def write(lock: Lock) -> bytes:
    """The lock as sorted JSON with one path a line, so that merges and diffs stay readable.

    Raises LockError for more than can be read again.
    """
    head = {
        "schema": SCHEMA,
        "factory": lock.factory._asdict(),
        "engine": lock.engine,
        "answers": dict(sorted(lock.answers.items())),
        "components": dict(sorted(lock.components.items())),
        "base_file": lock.base_file,
        "folders": sorted(lock.folders),
        "paths": None,
    }
    head |= {"project_file": lock.project_file} if lock.project_file else {}
    top = json.dumps(head, indent=2, ensure_ascii=False, sort_keys=True)
    rows = ",\n".join(f"    {_compact(path)}: {_compact(_row(entry))}" for path, entry in sorted(lock.paths.items()))
    body = f"{{\n{rows}\n  }}" if rows else "{}"
    # quotes within a text are escaped: what is found is the key
    content = (top.replace('"paths": null', f'"paths": {body}', 1) + "\n").encode("utf-8", "surrogatepass")
    if len(content) > SIZE_LIMIT:
        raise LockError(
            f"the lock would be larger than {SIZE_LIMIT} bytes", "shorten the answers, or stamp fewer files"
        )
    return content


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = entry._asdict()
    row["controls"] = sorted(entry.controls)
    optional = {"state", "theirs", "theirs_version"}
    optional |= {"base", "base_version"} if entry.ownership == "produced" else set()
    return {key: value for key, value in row.items() if value or key not in optional}


def parse(content: bytes, where: str = LOCK) -> Lock:
    """Read a lock and check every value in it.

    Raises LockError for anything a project cannot be judged by: no JSON, merge markers, a newer schema,
    a path that leaves the project, an unknown ownership, an address with a password.
    """
    if len(content) > SIZE_LIMIT:
        raise _broken(where, f"larger than {SIZE_LIMIT} bytes")
    if content.startswith(b"<<<<<<< ") or b"\n<<<<<<< " in content:
        raise LockError(
            f"`{where}` holds merge markers: two branches both synced",
            "rebuild it from both: `ai-factory sync --repair`",
        )
    return _by_lines(content) or _whole(content, where)


def _by_lines(content: bytes) -> Lock | None:
    """A lock as `write` lays it out, a path a line; None for any other, and where a fault is to be told."""
    try:
        head, begun, rest = content.decode("utf-8", "surrogatepass").partition('\n  "paths": {\n')
        rows, ended, tail = rest.partition("\n  }")
        before = _DECODER.decode(f"{head}{begun}  }}\n}}")  # no other `paths` than the lock's own closes like this
        behind = _DECODER.decode(f'{{"paths": {{}}{tail}')
        data, lines = {**before, **behind}, rows.split(",\n")
        paths = dict(map(_line, lines))
        if not ended or len(paths) < len(lines) or before.keys() & behind.keys() != {"paths"}:
            return None
        _check_schema(data.get("schema"), LOCK)
        return _lock(data, paths)
    except (KeyError, TypeError, ValueError, AttributeError, FactoryError, RecursionError):
        return None


@lru_cache(maxsize=8192)  # a fleet's projects hold the same lines
def _line(text: str) -> tuple[str, Entry]:
    ((path, row),) = _DECODER.decode(f"{{{text}}}").items()
    return check_path(path), _entry(path, row)


def _whole(content: bytes, where: str) -> Lock:
    try:
        data = json.loads(content, object_pairs_hook=_once, parse_constant=_no_number)
    except _AmbiguousError as error:
        raise _broken(where, str(error)) from None
    except (ValueError, RecursionError) as error:
        raise _broken(where, f"line {getattr(error, 'lineno', 1)} is not JSON") from None
    if not isinstance(data, dict):
        raise _broken(where, "not an object")
    _check_schema(data.get("schema"), where)
    try:
        rows = _mapping(data["paths"], "paths").items()
        return _lock(data, {check_path(path): _entry(path, row) for path, row in rows})
    except FactoryError as error:
        raise _broken(where, error.message) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _broken(where, f"{type(error).__name__.removesuffix('Error').lower()}: {error}") from None


class _AmbiguousError(ValueError):
    """JSON that two readers may take for two different things."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _AmbiguousError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return data


def _no_number(text: str) -> None:
    raise _AmbiguousError(f"{text} is no number to other readers")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)


def _broken(where: str, reason: str) -> LockError:
    return LockError(f"`{where}` is broken: {reason}", f"bring it back with `git checkout -- {where}`")


def _check_schema(schema: object, where: str) -> None:
    if isinstance(schema, int) and schema > SCHEMA:
        raise LockError(
            f"`{where}` has schema {schema}, newer than the {SCHEMA} that this ai-factory knows",
            "upgrade the tool: `pip install --upgrade ai-factory`",
        )
    if schema != SCHEMA:
        raise _broken(where, f"schema {schema!r} is unknown")


def check_address(url: str) -> str:
    """Return the address of a factory if it may be written down and shown.

    Raises FactoryError, without telling it, for one that holds a user's name or a secret where git would send it
    as one, and for one with characters that do not show.
    """
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    over_ssh = scheme.lower() in ("ssh", "")
    if at and not (over_ssh and ":" not in user):
        bare = f"{scheme}{separator}{host}{slash}{path}"
        raise FactoryError(
            f"the address of the factory holds a name or a password: `{scheme}{separator}***@{host}…`",
            f"give it without, `{word(bare.partition('?')[0])}`, and leave the password to git's credential helper",
        )
    if separator and "?" in rest:
        raise FactoryError(
            f"the address of the factory holds more than a place: `{url.partition('?')[0]}?…`", "leave out what follows"
        )
    if not url.isprintable():
        raise FactoryError(f"the address of the factory {url!r} holds characters that do not show")
    return url


def _lock(data: Mapping[str, Any], paths: Mapping[str, Entry]) -> Lock:
    origin = Origin(**{key: _text(value, key) for key, value in data["factory"].items()})
    _member(origin.kind, KINDS, "factory kind")
    check_address(origin.url)
    _identity(origin.commit, (0, 40, 64), "factory commit")
    _identity(origin.tree, (0, 40), "factory tree")  # none after a repair: no one rendering gave the project
    return Lock(
        factory=origin,
        engine=_text(data["engine"], "engine"),
        answers=_mapping(data["answers"], "answers"),
        components={key: _text(value, key) for key, value in _mapping(data["components"], "components").items()},
        base_file=_identity(_text(data["base_file"], "base_file"), (64,), "base_file"),
        paths=paths,
        folders=tuple(check_path(folder) for folder in _texts(data.get("folders", []), "folders")),
        project_file=_text(data.get("project_file", ""), "project_file"),
    )


def _entry(path: str, row: Mapping[str, Any]) -> Entry:
    try:
        return _sound(Entry(**{**row, "controls": _texts(row.get("controls", []), "controls")}))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from None


def _sound(entry: Entry) -> Entry:
    for field, value in zip(_TEXTS, _TEXTS_OF(entry), strict=True):
        _text(value, field)
    for field, identity in (("base", entry.base), ("theirs", entry.theirs)):
        if identity and not _BLOB(identity):
            raise ValueError(f"{field} is {identity!r}, no blob id")
    _member(entry.ownership, OWNERSHIPS, "ownership")
    _member(entry.state, ("", *STATES), "state")
    _member(entry.mode, MODES, "mode")
    return entry


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    if len(value) > WORD_LIMIT:
        raise ValueError(f"{name} is longer than {WORD_LIMIT} characters")
    return value


def _identity(value: str, lengths: tuple[int, ...], name: str) -> str:
    if len(value) not in lengths or not _HEX.issuperset(value):
        raise ValueError(f"{name} is {value[:80]!r}, no id")
    return value


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{name} is no list")
    return tuple(_text(item, name) for item in value)


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} is no object")
    return value


def _member(value: str, known: tuple[str, ...], name: str) -> None:
    if value not in known:
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(filter(None, known))}")
